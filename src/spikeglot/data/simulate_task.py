"""The task of simulated animals: trials of a two-choice visual task, and what they do to body and brain."""

from __future__ import annotations

import numpy as np
import pandas as pd

from spikeglot.data.session import Trace

GRID_S = 0.01
"""Simulated latents and rates are constant within steps of this length."""
EVENTS = ("stimulus_left", "stimulus_right", "choice", "movement", "reward", "block")
TRACE_RATE_HZ = 60.0


def draw_trials(n_trials: int, rng: np.random.Generator) -> pd.DataFrame:
    """Trials of a two-choice visual task with blocks; +1 is left, -1 right, times in seconds."""
    block = np.repeat([0.5, *np.tile([0.8, 0.2], n_trials)], [40, *rng.integers(20, 60, 2 * n_trials)])
    block = block[:n_trials]
    side = np.where(rng.uniform(size=n_trials) < block, 1, -1)
    contrast = rng.choice([0.0, 0.0625, 0.125, 0.25, 1.0], n_trials)
    evidence = 6 * np.sqrt(contrast) * side + 4 * (block - 0.5)
    choice = np.where(rng.uniform(size=n_trials) < 1 / (1 + np.exp(-evidence)), 1, -1)
    reaction_s = np.clip(0.35 * np.exp(0.35 * rng.normal(size=n_trials)) - 0.1 * contrast, 0.1, 1.5)
    before_s, after_s, pause_s = rng.uniform([[0.4], [0.8], [0.3]], [[0.6], [1.0], [0.8]], (3, n_trials))
    feedback_delay_s = 0.05
    stop_s = 1.0 + np.cumsum(pause_s + before_s + reaction_s + feedback_delay_s + after_s)
    response_s = stop_s - after_s - feedback_delay_s
    return pd.DataFrame(
        {
            "start_time": response_s - reaction_s - before_s,
            "stop_time": stop_s,
            "stim_on_time": response_s - reaction_s,
            "response_time": response_s,
            "feedback_time": response_s + feedback_delay_s,
            "contrast_left": np.where(side > 0, contrast, 0.0),
            "contrast_right": np.where(side < 0, contrast, 0.0),
            "block": block,
            "choice": choice,
            "feedback_type": np.where(choice == side, 1, -1),
        }
    )


def event_signals(trials: pd.DataFrame, n_steps: int) -> np.ndarray:
    """(step, event) smooth traces of `EVENTS`."""
    t = {name: column.to_numpy() for name, column in trials.items()}
    on_s, response_s, feedback_s = t["stim_on_time"], t["response_time"], t["feedback_time"]
    boxes = (  # from, to, height
        (on_s + 0.04, response_s + 0.1, np.sqrt(t["contrast_left"])),
        (on_s + 0.04, response_s + 0.1, np.sqrt(t["contrast_right"])),
        (np.maximum(on_s + 0.05, response_s - 0.25), response_s + 0.15, t["choice"]),
        (response_s - 0.1, response_s + 0.25, np.ones(len(trials))),
        (feedback_s + 0.05, feedback_s + 0.4, t["feedback_type"]),
        (t["start_time"], t["stop_time"], np.sign(t["block"] - 0.5)),
    )
    signals = np.zeros((n_steps + 1, len(EVENTS)))
    for event, (from_s, to_s, height) in enumerate(boxes):
        np.add.at(signals[:, event], np.round(from_s / GRID_S).astype(int), height)
        np.add.at(signals[:, event], np.round(to_s / GRID_S).astype(int), -height)
    return low_pass(np.cumsum(signals, axis=0)[:-1], 0.06)


def motion_energy(latent: np.ndarray, movement: np.ndarray, gain: np.ndarray, rng: np.random.Generator) -> Trace:
    """Motion energy of a camera: positive, higher in movements, and coupled to the latent and the gain."""
    energy = np.exp(0.5 * latent + 0.3 * gain + 1.5 * movement)
    times_s = np.arange(0, len(latent) * GRID_S, 1 / TRACE_RATE_HZ)
    values = np.interp(times_s, (np.arange(len(latent)) + 0.5) * GRID_S, energy)
    return Trace(times_s, values * np.exp(0.1 * rng.normal(size=len(values))))


def low_pass(x: np.ndarray, tau_s: float) -> np.ndarray:
    """Smooth x (step, n) over time, causally, with an exponential of time constant ``tau_s``."""
    from scipy.signal import lfilter

    keep = np.exp(-GRID_S / tau_s)
    return np.asarray(lfilter([1 - keep], [1.0, -keep], x, axis=0))
