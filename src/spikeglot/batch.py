"""The one place where numpy becomes tensors: a batch is a list of groups, one per session."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor

from spikeglot.data.counts import Counts
from spikeglot.data.session import UNKNOWN_REGION
from spikeglot.data.stored_array import ArrayField, StoredArray, may_be_stored
from spikeglot.masking.drawing import Layout, Regions
from spikeglot.masking.mask import Mask, moved, pinned, rows, unmasked
from spikeglot.masking.mixture import draw_mixture
from spikeglot.randomness import generator
from spikeglot.settings import MaskSettings


@dataclass(frozen=True, eq=False)
class Group:
    """Trials of one session with their masks.

    ``counts`` (trial, time, unit) float32; ``start_s`` (trial,) float64, start of each window on the session clock.
    Models read counts through ``mask.visible`` only.
    """

    session_id: str
    counts: Tensor
    start_s: Tensor
    mask: Mask

    def pinned(self) -> Group:
        """Return the group in memory that a GPU can fetch it from by itself."""
        return Group(self.session_id, pinned(self.counts), pinned(self.start_s), self.mask.pinned())

    def to(self, device: torch.device | str) -> Group:
        """Return the group on another device; a GPU that is still at work is not waited for."""
        return Group(self.session_id, moved(self.counts, device), moved(self.start_s, device), self.mask.to(device))


class CountsField(ArrayField):
    """Counts as a tensor, wherever they lie."""

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        given = self if instance is None else vars(instance)[self.name]
        return as_tensor(given.array(writable=True)) if isinstance(given, StoredArray) else given


@may_be_stored("counts", field=CountsField)
@dataclass(frozen=True, eq=False)
class SessionTensors:
    """The counts of one session as tensors: (trial, time, unit) uint8 or wider, and what masks need.

    Those of a prepared session stay in a file, and are mapped every time they are asked for: `at` reads the trials that
    it returns; ``counts`` of a part of the trials is a copy of that part, for what needs all of it once.
    """

    session_id: str
    counts: Tensor
    start_s: Tensor
    region: Tensor

    @property
    def n_trials(self) -> int:
        return self._given.shape[0]

    @property
    def n_bins(self) -> int:
        return self._given.shape[1]

    @property
    def n_units(self) -> int:
        return self._given.shape[2]

    @cached_property
    def regions(self) -> Regions:
        """Where its units lie."""
        return Regions(self.region)

    @property
    def _given(self) -> Tensor | StoredArray:
        return vars(self)["counts"]

    def at(self, trials: Tensor | slice) -> Tensor:
        """Return the counts (trial, time, unit) of some trials, float32."""
        given = self._given
        if isinstance(given, StoredArray):
            return as_tensor(given.take(trials if isinstance(trials, slice) else trials.numpy())).float()
        return rows(given, trials).float()

    def group(self, trials: Tensor | slice, mask: Mask) -> Group:
        """Return some trials with their masks."""
        return Group(self.session_id, self.at(trials), rows(self.start_s, trials), mask)

    def whole(self, trials: Tensor, prompt: str = "none") -> Group:
        """Return some trials with nothing hidden."""
        return self.group(trials, unmasked(len(trials), self.n_bins, self.n_units, prompt))

    def layout(self, n_trials: int, token_units: int = 1) -> Layout:
        """Return what a scheme needs to know to draw masks for ``n_trials`` trials."""
        return Layout(n_trials, self.n_bins, self.regions, token_units)


MIN_SPIKES = 0.5
"""A unit silent in the training trials gets the rate of half a spike over all of them."""


def mean_count(counts: Tensor) -> Tensor:
    """Return the mean count per bin (unit,) of (trial, time, unit), at least `MIN_SPIKES` over all entries."""
    n_bins = counts.shape[0] * counts.shape[1]
    return (counts.sum((0, 1)).float() / n_bins).clamp_min(MIN_SPIKES / n_bins)


def region_codes(regions: np.ndarray) -> Tensor:
    """Turn region names (unit,) into codes, -1 where the region is not known."""
    names = sorted({name for name in regions if name != UNKNOWN_REGION})
    code_of = {name: code for code, name in enumerate(names)} | {UNKNOWN_REGION: -1}
    return torch.tensor([code_of[name] for name in regions], dtype=torch.int64)


def as_tensor(values: np.ndarray) -> Tensor:
    """Return counts as a tensor, uint8 or int32: torch computes with no other unsigned numbers."""
    values = values if values.dtype == np.uint8 else values.astype(np.int32)
    return torch.from_numpy(np.require(values, requirements=["C", "W"]))


def to_tensors(counts: Counts) -> SessionTensors:
    """Turn the counts of one session into tensors (stored and writable uint8 counts are shared, not copied)."""
    given = counts.as_given
    values: Any = given if isinstance(given, StoredArray) else as_tensor(given)
    return SessionTensors(
        session_id=counts.session_id,
        counts=values,
        start_s=torch.from_numpy(counts.trials["window_start_s"].to_numpy(np.float64, copy=True)),
        region=region_codes(counts.regions),
    )


class Epoch(Sequence[dict[str, Tensor]]):
    """The batches of an epoch, each made when it is asked for: ``{session_id: trials}``."""

    def __init__(self, names: Sequence[str], owner: Tensor, trial: Tensor, batch_size: int) -> None:
        self.names = names
        self.owner, self.trial, self.batch_size = owner, trial, batch_size

    def __len__(self) -> int:
        return math.ceil(len(self.owner) / self.batch_size)

    def __getitem__(self, number: int) -> dict[str, Tensor]:  # type: ignore[override]
        if not 0 <= number < len(self):
            raise IndexError(number)
        some = slice(number * self.batch_size, (number + 1) * self.batch_size)
        owner, trial = self.owner[some], self.trial[some]
        return {self.names[int(i)]: trial[owner == i] for i in owner.unique()}


def epoch_batches(n_trials: Mapping[str, int], batch_size: int, order: Generator, exponent: float = 1.0) -> Epoch:
    """Return batches ``{session_id: trials}`` that mix sessions; an epoch has as many trials as the sessions together.

    A session's share of the epoch is `session_quotas` with this ``exponent``: with 1 every trial comes once. Otherwise
    the trials of a small session come several times, and of a large one only some, drawn anew in every epoch; the
    trials of a session never differ by more than one visit. The last batch of an epoch is smaller where the numbers do
    not divide; nothing is trimmed.
    """
    quotas = session_quotas(list(n_trials.values()), exponent)
    trials = [_visits(n, quota, order) for n, quota in zip(n_trials.values(), quotas, strict=True)]
    owner = torch.cat([torch.full((quota,), i) for i, quota in enumerate(quotas)])
    shuffled = torch.randperm(len(owner), generator=order)
    return Epoch(list(n_trials), owner[shuffled], torch.cat(trials)[shuffled], batch_size)


def session_quotas(n_trials: Sequence[int], exponent: float) -> list[int]:
    """Return how many trials of an epoch each session gives: proportional to its own number to the power ``exponent``.

    As multilingual models sample their languages (Conneau et al. 2020, arXiv 1911.02116, section 3.1). The quotas add
    up to the number of all trials, rounded by largest remainder.
    """
    weight = np.array([n**exponent if n else 0.0 for n in n_trials])
    exact = sum(n_trials) * weight / weight.sum()
    quotas = np.floor(exact).astype(int)
    most_cut = np.argsort(quotas - exact, kind="stable")
    quotas[most_cut[: sum(n_trials) - quotas.sum()]] += 1
    return quotas.tolist()


def _visits(n_trials: int, quota: int, order: Generator) -> Tensor:
    """Return ``quota`` trials of a session: all of them as often as they fit, and a random part of them once more."""
    whole, rest = divmod(quota, n_trials) if n_trials else (0, 0)
    trials = torch.arange(n_trials).repeat(whole)
    return torch.cat([trials, torch.randperm(n_trials, generator=order)[:rest]]) if rest else trials


def masked_groups(
    sessions: Mapping[str, SessionTensors],
    batch: Mapping[str, Tensor],
    settings: MaskSettings,
    seed: int,
    token_units: int = 1,
    parts: Mapping[str, slice] | None = None,
) -> list[Group]:
    """Turn trial numbers into groups, drawing ``settings.masks_per_trial`` masks for every trial.

    The masks of a session come from ``seed`` and its id alone, so that who works on some ``parts`` of the batch
    (trials of sessions, by place) reads and draws nothing of the other sessions. ``token_units`` is how many units
    share a token of the model, which hiding tokens at random has to know.
    """
    groups = []
    for session_id, part in (dict.fromkeys(batch, slice(None)) if parts is None else parts).items():
        session = sessions[session_id]
        repeated = batch[session_id].repeat(settings.masks_per_trial)
        mask = draw_mixture(settings, session.layout(len(repeated), token_units), generator(seed, session_id))
        groups.append(session.group(repeated[part], mask.take(part)))
    return groups


def sessions_by_id(all_counts: Sequence[Counts]) -> dict[str, SessionTensors]:
    """Key the tensors of several sessions by session id."""
    return {counts.session_id: to_tensors(counts) for counts in all_counts}
