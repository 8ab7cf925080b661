"""Which trials of a session train, choose the checkpoint, and test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spikeglot.errors import DataError
from spikeglot.settings import SplitSettings

N_STRETCHES = 5
"""A blocked split cuts the session into this many stretches, each with a train, a val and a test block."""


@dataclass(frozen=True, eq=False)
class Split:
    """Indices of trials on the first axis of `Counts`: every trial is in one part, and in one only."""

    train: np.ndarray
    val: np.ndarray
    test: np.ndarray


def split_trials(n_trials: int, settings: SplitSettings, session_id: str = "") -> Split:
    """Split ``n_trials`` trials, given in the order of time, into train, val and test.

    There are ``round(train * n_trials)`` train and ``round(val * n_trials)`` val trials; the rest is test.
    ``random`` takes them in this order from ``numpy.random.default_rng(seed).permutation(n_trials)``, so the
    indices are shuffled. ``blocked`` cuts the session into `N_STRETCHES` stretches of equal length, and each
    of these into one block of consecutive trials per part, in an order drawn from the seed: every part covers
    the whole session, but most trials have no neighbour in another part. With ``train_trials`` only some of the
    training and validation trials are used (`few_trials`).

    Raises
    ------
    DataError
        A part would be empty, or there are fewer training trials than asked for.
    """
    n_train = round(settings.train * n_trials)
    n_val = round(settings.val * n_trials)
    n_test = n_trials - n_train - n_val
    if min(n_train, n_val, n_test) < 1:
        raise DataError(
            f"Cannot split the {n_trials} trials of session '{session_id}': {n_train} train, {n_val} val "
            f"and {n_test} test trials would be left. Use a session with more trials, or change split.train "
            "or split.val."
        )
    rng = np.random.default_rng(settings.seed)
    if settings.kind == "random":
        order = rng.permutation(n_trials)
        split = Split(*np.split(order, [n_train, n_train + n_val]))
    else:
        part = _blocks((n_train, n_val, n_test), rng)
        split = Split(*(np.flatnonzero(part == p) for p in range(3)))
    return split if settings.train_trials is None else few_trials(split, settings, session_id)


def few_trials(split: Split, settings: SplitSettings, session_id: str = "") -> Split:
    """Return the split with only ``settings.train_trials`` training trials, and validation trials in proportion.

    They are drawn from the seed, the same first ones for every number; the test trials stay.

    Raises
    ------
    DataError
        There are not that many training trials.
    """
    few, n_train = settings.train_trials, len(split.train)
    assert few is not None
    if few > n_train:
        raise DataError(
            f"Session '{session_id}' has {n_train} training trials, fewer than the {few} that split.train_trials asks "
            "for. Ask for fewer, or leave it out to use all."
        )
    rng = np.random.default_rng([settings.seed, 1])
    n_val = max(1, round(few * len(split.val) / n_train))
    return Split(rng.permutation(split.train)[:few], rng.permutation(split.val)[:n_val], split.test)


def _blocks(n_per_part: tuple[int, int, int], rng: np.random.Generator) -> np.ndarray:
    """(trial,) part of every trial: blocks of parts 0, 1 and 2 in each stretch."""
    until = np.round(np.outer(n_per_part, np.linspace(0, 1, N_STRETCHES + 1))).astype(int)
    n_in_stretch = np.diff(until).T
    parts = [np.repeat(order, n[order]) for n in n_in_stretch for order in [rng.permutation(3)]]
    return np.concatenate(parts)
