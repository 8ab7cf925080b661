"""Simulated sessions whose true rates are known: several animals that share the dynamics between regions.

The latents of region r are

    x_r(t) = sqrt(1 - c) own_r(t) + sqrt(c) sum_s x_s(t - delay_rs) W_rs + sum_e event_e(t) V_re,

where own_r are smooth damped rotations driven by noise, s runs over the regions that feed r, c is about the
share of variance that they hand down, and the events are those of a two-choice visual task. Rotations, W,
V and delays are the same in all animals; noise, trials and units are each animal's own. A unit of region r
fires

    spikes in dt ~ Poisson(exp(bias + loading . x_r(t) + loading' . (gain(t), drift(t))) dt),

where gain (over seconds) and drift (over minutes) are shared by all units of a session. Nothing is private to
a unit but its Poisson noise: an oracle that knows the rates is a bound which models of many units come near.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from spikeglot.data.binning import bin_edges_s
from spikeglot.data.session import Provenance, Session, make_session
from spikeglot.data.simulate_task import EVENTS, GRID_S, draw_trials, event_signals, low_pass, motion_energy
from spikeglot.settings import Settings

EVENT_SIZE = 0.8
"""Size of the response of a region to an event of full strength, where its noise has variance 1."""
N_DRIFTS = 2


class SimulationSettings(Settings):
    """How many animals, trials and units are simulated, and how strongly their rates vary."""

    n_subjects: int = Field(default=4, ge=1)
    """Animals, one session each."""
    n_trials: int = Field(default=300, ge=1)
    """Trials per session, about 2.4 s each."""
    regions: tuple[str, ...] = Field(default=("TH", "VISp", "CA1", "MOs"), min_length=1)
    """Regions, each fed by the first and by the one before it; every second animal lacks one of them."""
    min_units: int = Field(default=28, ge=1)
    """Fewest units in a region of a session."""
    max_units: int = Field(default=38, ge=1)
    """Most units in a region of a session."""
    n_latents: int = Field(default=2, ge=2, multiple_of=2)
    """Latents of a region: pairs that rotate."""
    median_rate_hz: float = Field(default=4.5, gt=0)
    """Median over units of the mean rate, which is lognormal over units."""
    log_rate_sd: float = Field(default=1.0, ge=0)
    """Standard deviation over units of the log of the mean rate."""
    latent_sd: float = Field(default=0.7, ge=0)
    """Standard deviation of a unit's log-rate that comes from the latents of its region."""
    gain_sd: float = Field(default=0.2, ge=0)
    """Standard deviation of a unit's log-rate that comes from the gain of the session."""
    drift_sd: float = Field(default=0.3, ge=0)
    """Standard deviation of a unit's log-rate that comes from the slow drift of the session."""
    shared: float = Field(default=0.98, ge=0, lt=1)
    """About the share c of the variance of a fed region that comes from the regions that feed it."""

    @model_validator(mode="after")
    def _min_below_max(self) -> SimulationSettings:
        if self.min_units > self.max_units:
            raise ValueError(f"min_units = {self.min_units} is more than max_units = {self.max_units}")
        return self


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class SimulatedSession(Session):
    """A session with the truth that made it.

    Attributes
    ----------
    latents:
        (step, latent) latents of all regions in order, then gain and drift, on steps of `GRID_S` from 0 s.
    loadings:
        (unit, latent) weights of the latents in a unit's log-rate.
    bias:
        (unit,) log of the rate in Hz where all latents are zero.
    """

    latents: np.ndarray
    loadings: np.ndarray
    bias: np.ndarray

    def expected_counts(self, window_start_s: np.ndarray, n_bins: int, bin_size_s: float) -> np.ndarray:
        """Return the expected number of spikes, the integral of the true rate, per bin of each window.

        Exact for any window: (window, n_bins, unit) float32. Zero outside the simulated time.
        """
        edges = (bin_edges_s(window_start_s, n_bins, bin_size_s) / GRID_S).clip(0, len(self.latents))
        expected = np.empty((len(edges), n_bins, self.n_units), np.float32)
        for w, edge in enumerate(edges):
            first, last = int(edge[0]), int(np.ceil(edge[-1]))
            per_step = self._rate_hz(self.latents[first:last]) * GRID_S
            until = np.concatenate([np.zeros((1, self.n_units)), np.cumsum(per_step, axis=0)])
            step = np.minimum((edge - first).astype(int), last - first)
            after = np.minimum(step + 1, last - first)
            part = (edge - first - step)[:, None]
            expected[w] = np.diff(until[step] + part * (until[after] - until[step]), axis=0)
        return expected

    def _rate_hz(self, latents: np.ndarray) -> np.ndarray:
        return np.exp(self.bias + latents @ self.loadings.T)


@dataclass(frozen=True, eq=False)
class _Dynamics:
    """What all animals share, region by region; an input is (source, (K, K) weights, delay in steps)."""

    poles: list[np.ndarray]
    inputs: list[list[tuple[int, np.ndarray, int]]]
    event_weights: list[np.ndarray]
    motion_weights: np.ndarray


def simulate_sessions(settings: SimulationSettings | None = None, seed: int = 0) -> tuple[SimulatedSession, ...]:
    """Simulate one session for each of several animals that share the dynamics between their regions.

    Sessions are continuous in time and have the columns of a two-choice task in their trials, and the trace
    ``motion_energy``. The same settings and seed give the same sessions.
    """
    settings = settings or SimulationSettings()
    shared_seed, *subject_seeds = np.random.SeedSequence(seed).spawn(settings.n_subjects + 1)
    dynamics = _draw_dynamics(settings, np.random.default_rng(shared_seed))
    return tuple(
        _simulate_session(i, settings, dynamics, np.random.default_rng(s), seed) for i, s in enumerate(subject_seeds)
    )


def _draw_dynamics(settings: SimulationSettings, rng: np.random.Generator) -> _Dynamics:
    k, n_regions = settings.n_latents, len(settings.regions)
    poles, inputs, event_weights = [], [], []
    for r in range(n_regions):
        tau_s, frequency_hz = rng.uniform(0.14, 0.2, k // 2), rng.uniform(0.3, 2.0, k // 2)
        poles.append(np.exp(-GRID_S / tau_s + 2j * np.pi * frequency_hz * GRID_S))
        sources = sorted({0, r - 1}) if r else []
        weights = [np.linalg.qr(rng.normal(size=(k, k)))[0] / np.sqrt(len(sources)) for _ in sources]
        delays = [int(rng.integers(2, 6)) for _ in sources]
        inputs.append(list(zip(sources, weights, delays, strict=True)))
        # The stimulus enters most in the first region; choice, movement and block most in the last.
        late = r / max(n_regions - 1, 1)
        strength = np.array([1 - 0.8 * late] * 2 + [0.2 + 0.8 * late] * 2 + [0.6, 0.1 + 0.4 * late])
        direction = rng.normal(size=(len(EVENTS), k))
        event_weights.append(EVENT_SIZE * strength[:, None] * direction / np.linalg.norm(direction, axis=1)[:, None])
    return _Dynamics(poles, inputs, event_weights, rng.normal(size=k) / np.sqrt(k))


def _simulate_session(
    number: int, settings: SimulationSettings, dynamics: _Dynamics, rng: np.random.Generator, seed: int
) -> SimulatedSession:
    subject_id = f"sim-{number + 1}"
    trials = draw_trials(settings.n_trials, rng)
    n_steps = int(np.ceil((trials["stop_time"].iloc[-1] + 1.0) / GRID_S))
    events = event_signals(trials, n_steps)
    regional = _regional_latents(settings, dynamics, events, rng)
    gain = _slow(n_steps, 1, 4.0, rng)
    drift = _slow(n_steps, N_DRIFTS, 200.0, rng)
    latents = np.concatenate([*regional, gain, drift], axis=1)

    units, loadings = _draw_units(number, settings, rng)
    rate_hz = settings.median_rate_hz * np.exp(settings.log_rate_sd * rng.normal(size=len(units)))
    bias = np.log(rate_hz / np.exp(latents @ loadings.T).mean(axis=0))
    times_s, unit = _draw_spikes(np.exp(bias + latents @ loadings.T), rng)
    motion = motion_energy(regional[-1] @ dynamics.motion_weights, events[:, 3], gain[:, 0], rng)
    session = make_session(
        session_id=f"{subject_id}_ses-1",
        subject_id=subject_id,
        spike_times_s=times_s,
        spike_unit=unit,
        units=units,
        trials=trials,
        behaviour={"motion_energy": motion},
        recorded_s=np.array([[0.0, n_steps * GRID_S]]),
        provenance=Provenance("simulation", facts={"seed": str(seed), "settings": settings.model_dump_json()}),
    )
    return SimulatedSession(**vars(session), latents=latents, loadings=loadings, bias=bias)


def _regional_latents(
    settings: SimulationSettings, dynamics: _Dynamics, events: np.ndarray, rng: np.random.Generator
) -> list[np.ndarray]:
    """(step, latent) of every region: its own rotations, what other regions feed it, and the events."""
    latents: list[np.ndarray] = []
    for r in range(len(settings.regions)):
        x = _rotations(dynamics.poles[r], len(events), rng)
        if dynamics.inputs[r]:
            x *= np.sqrt(1 - settings.shared)
        for source, weights, delay in dynamics.inputs[r]:
            x[delay:] += np.sqrt(settings.shared) * latents[source][:-delay] @ weights
        latents.append(x + events @ dynamics.event_weights[r])
    return latents


def _rotations(poles: np.ndarray, n_steps: int, rng: np.random.Generator) -> np.ndarray:
    """(step, 2 * pole) smooth damped rotations of variance 1: complex AR(2) processes."""
    from scipy.signal import lfilter

    smooth = np.exp(-GRID_S / 0.05)
    impulse = np.eye(1, 1000)[0]
    x = np.empty((n_steps, 2 * len(poles)))
    for i, pole in enumerate(poles):
        recursion = np.poly([pole, smooth])
        scale = np.sqrt(np.sum(np.abs(lfilter([1.0], recursion, impulse)) ** 2))
        noise = rng.normal(size=n_steps) + 1j * rng.normal(size=n_steps)
        z = lfilter([1 / scale], recursion, noise)
        x[:, 2 * i], x[:, 2 * i + 1] = np.real(z), np.imag(z)
    return x


def _slow(n_steps: int, n: int, tau_s: float, rng: np.random.Generator) -> np.ndarray:
    """(step, n) processes that wander with time constant ``tau_s``; in the session mean 0, variance 1."""
    x = low_pass(rng.normal(size=(n_steps, n)), tau_s)
    return (x - x.mean(axis=0)) / x.std(axis=0)


def _draw_units(number: int, settings: SimulationSettings, rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray]:
    """Units, and their (unit, latent) loadings; every second animal lacks one region."""
    n_regions, k = len(settings.regions), settings.n_latents
    n_units = rng.integers(settings.min_units, settings.max_units, n_regions, endpoint=True)
    if number % 2 and n_regions > 1:
        n_units[(number // 2) % n_regions] = 0
    region = np.repeat(np.arange(n_regions), n_units)
    loadings = np.zeros((len(region), n_regions * k + 1 + N_DRIFTS))
    own = region[:, None] * k + np.arange(k)
    direction = rng.normal(size=own.shape)
    direction *= rng.uniform(0.6, 1.4, (len(own), 1)) / np.linalg.norm(direction, axis=1, keepdims=True)
    np.put_along_axis(loadings, own, settings.latent_sd * direction, axis=1)
    loadings[:, -1 - N_DRIFTS] = settings.gain_sd * rng.uniform(0.4, 1.4, len(region))
    loadings[:, -N_DRIFTS:] = settings.drift_sd / np.sqrt(N_DRIFTS) * rng.normal(size=(len(region), N_DRIFTS))
    unit_id = pd.Index([f"unit-{u:03d}" for u in range(len(region))], name="unit_id")
    return pd.DataFrame({"region": np.array(settings.regions, object)[region]}, index=unit_id), loadings


def _draw_spikes(rate_hz: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Times (spike,) in seconds and units (spike,) of a Poisson process with these (step, unit) rates."""
    edges_s = np.arange(len(rate_hz) + 1) * GRID_S
    times_s, n_spikes = [], []
    for rate in rate_hz.T:
        until = np.concatenate([[0.0], np.cumsum(rate) * GRID_S])
        # Given their number, the spikes of a Poisson process are independent draws from its intensity.
        n_spikes.append(rng.poisson(until[-1]))
        times_s.append(np.interp(np.sort(rng.uniform(0, until[-1], n_spikes[-1])), until, edges_s))
    return np.concatenate(times_s), np.repeat(np.arange(len(n_spikes)), n_spikes)
