"""Many sessions, one architecture, trained by multi-task masking (Zhang et al. 2024, arXiv 2407.14668, section 3)."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from spikeglot.batch import Group
from spikeglot.errors import CheckpointError, did_you_mean
from spikeglot.models.architecture import Coded
from spikeglot.models.architectures import make_architecture
from spikeglot.models.prompts import Prompts
from spikeglot.models.stitcher import Stitcher
from spikeglot.models.unit_prior import UnitPrior
from spikeglot.settings import ModelSettings


class Prediction(NamedTuple):
    """What the model says of a group.

    ``log_rate`` (trial, time, unit), natural logs of expected counts per bin; ``penalty`` (trial,), what the trials
    add to the objective, or None; ``states`` (trial, time, patch, width), what the log-rates are read from.
    """

    log_rate: Tensor
    penalty: Tensor | None
    states: Tensor


class MtM(nn.Module):
    """Stitch each session's counts, prepend prompt and session tokens, one architecture for all, read out.

    Everything that belongs to a session is in its `Stitcher`, keyed by session id. ``n_units`` gives the units of
    every session, ``schemes`` what the model is trained on. ``model(groups)`` takes a list of `Group` and returns for
    each the log-rates (trial, time, unit), natural logs of the expected count per bin.
    """

    def __init__(
        self,
        settings: ModelSettings,
        n_bins: int,
        bin_size_s: float,
        n_units: Mapping[str, int],
        schemes: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.settings = settings
        self.n_bins = n_bins
        self.session_ids = tuple(n_units)
        self._precision = torch.float32
        self.architecture = make_architecture(settings, n_bins)
        self.prompts = Prompts(schemes, settings.width)
        shape = (self.architecture.state_width, self.architecture.patch_units)
        self.stitchers = nn.ModuleDict(
            {_key(name): Stitcher(n, n_bins, bin_size_s, settings, *shape) for name, n in n_units.items()}
        )
        starts_from_factors = settings.start == "factors"
        self.unit_prior = UnitPrior(settings.factors, n_bins, bin_size_s) if starts_from_factors else None

    @property
    def token_units(self) -> int:
        """Units that share a token, where tokens are hidden at random; a model without patches hides single units."""
        return self.architecture.patch_units or 1

    def forward(self, groups: Sequence[Group]) -> list[Tensor]:
        return [prediction.log_rate for prediction in self.predict(groups)]

    def predict(self, groups: Sequence[Group]) -> list[Prediction]:
        """Return what the model says of every group; sessions with as many patches go through it together."""
        stitched = [self.stitcher(group.session_id).stitch(group) for group in groups]
        alike: dict[int, list[int]] = defaultdict(list)
        for i, (channels, _) in enumerate(stitched):
            alike[channels.shape[2]].append(i)
        predictions: dict[int, Prediction] = {}
        for positions in alike.values():
            some = [groups[i] for i in positions]
            coded = self._encode(some, torch.cat([stitched[i][0] for i in positions]))
            sizes = [len(group.mask) for group in some]
            penalties = [None] * len(some) if coded.penalty is None else coded.penalty.split(sizes)
            for i, states, penalty in zip(positions, coded.states.split(sizes), penalties, strict=True):
                log_rate = self.stitcher(groups[i].session_id).read_out(states, stitched[i][1])
                predictions[i] = Prediction(log_rate, penalty, states)
        return [predictions[i] for i in range(len(groups))]

    def hidden_states(self, groups: Sequence[Group]) -> list[Tensor]:
        """Return what the log-rates of every group are read from, (trial, time, feature).

        These are the states of the architecture and, where sessions have a factor path, next to them the factors that
        are inferred from the visible counts: a model that starts from factors keeps most of what it knows there.
        """
        hidden = []
        for group, prediction in zip(groups, self.predict(groups), strict=True):
            states, factors = prediction.states.flatten(2), self.stitcher(group.session_id).factors
            hidden.append(states if factors is None else torch.cat([states, factors(group)[1]], dim=-1))
        return hidden

    def _encode(self, groups: Sequence[Group], channels: Tensor) -> Coded:
        """Return the states of groups whose ``channels`` (trial, time, patch, stitch_width) are one below the other."""
        prompt = torch.cat([group.mask.prompt for group in groups])
        causal = torch.cat([group.mask.causal for group in groups])
        own = [self.stitcher(group.session_id).token.expand(len(group.mask), -1) for group in groups]
        return self.encode(channels, self.prefix(prompt, torch.cat(own)), causal)

    @contextmanager
    def computing_in(self, precision: torch.dtype) -> Iterator[None]:
        """Inside, let the architecture compute in ``precision``; weights, stitchers and log-rates stay in float32."""
        before, self._precision = self._precision, precision
        try:
            yield
        finally:
            self._precision = before

    def encode(self, channels: Tensor, prefix: Tensor, causal: Tensor, which: Tensor | None = None) -> Coded:
        """Return what the architecture makes of channels and prefix, as float32.

        With ``which`` (trial, time, patch), ``channels`` (token, stitch_width) are those that differ, as in
        `spikeglot.models.architecture.Architecture.shared`.
        """
        if self._precision == torch.float32:
            return self._code(channels, prefix, causal, which)
        with torch.autocast(channels.device.type, self._precision):
            coded = self._code(channels, prefix, causal, which)
        return Coded(coded.states.float(), None if coded.penalty is None else coded.penalty.float())

    def _code(self, channels: Tensor, prefix: Tensor, causal: Tensor, which: Tensor | None) -> Coded:
        if which is None:
            return self.architecture(channels, prefix, causal)
        return self.architecture.shared(channels, which, prefix, causal)

    def only(self, session_id: str) -> MtM:
        """Return a model that shares its weights with this one and knows one session: small enough to travel.

        Raises
        ------
        CheckpointError
            The model does not know the session.
        """
        own = copy.copy(self)
        own._modules = {**self._modules, "stitchers": nn.ModuleDict({_key(session_id): self.stitcher(session_id)})}
        own.session_ids = (session_id,)
        return own

    def prefix(self, prompt: Tensor, session_token: Tensor) -> Tensor:
        """Return (trial, token, width): the prompt tokens and, if the model has them, the session tokens."""
        tokens = [self.prompts(prompt)]
        if self.settings.session_token:
            tokens.append(session_token)
        return torch.stack(tokens, dim=1)

    def stitcher(self, session_id: str) -> Stitcher:
        """Return what belongs to one session.

        Raises
        ------
        CheckpointError
            The model does not know the session.
        """
        if session_id not in self.session_ids:
            raise CheckpointError(
                f"The model has no stitcher for session '{session_id}'.{did_you_mean(session_id, self.session_ids)} "
                "Use a session that it was trained on, or adapt it to this one with finetune."
            )
        stitcher = self.stitchers[_key(session_id)]
        assert isinstance(stitcher, Stitcher)
        return stitcher


def _key(session_id: str) -> str:
    """Return the session id as a module name, which must not hold a dot nor be a name that ModuleDict has."""
    return "session " + session_id.replace("%", "%25").replace(".", "%2E")
