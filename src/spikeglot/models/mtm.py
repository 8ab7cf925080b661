"""NDT1 with stitchers, trained by multi-task masking: many sessions, one backbone.

Sources: Ye and Pandarinath 2021 (NDT, arXiv 2108.01210); Zhang et al. 2024 (MtM, arXiv 2407.14668), section 3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from spikeglot.batch import Group
from spikeglot.errors import CheckpointError, did_you_mean
from spikeglot.masking.mask import PROMPTS
from spikeglot.models.layers import Layer, allowed_pairs, rotary_angles, scale_like_tfixup
from spikeglot.models.stitcher import Stitcher
from spikeglot.models.unit_prior import UnitPrior
from spikeglot.settings import ModelSettings


class MtM(nn.Module):
    """One token per bin: stitch each session's counts, prepend prompt and session tokens, one backbone, read out.

    Everything that belongs to a session is in its `Stitcher`, keyed by session id. ``n_units`` gives the units of
    every session. ``model(groups)`` takes a list of `Group` and returns for each the log-rates (trial, time, unit),
    natural logs of the expected count per bin.
    """

    def __init__(self, settings: ModelSettings, n_bins: int, bin_size_s: float, n_units: Mapping[str, int]) -> None:
        super().__init__()
        self.settings = settings
        self.n_bins = n_bins
        self.session_ids = tuple(n_units)
        width = settings.width
        self.stitchers = nn.ModuleDict(
            {_key(name): Stitcher(n, n_bins, bin_size_s, settings) for name, n in n_units.items()}
        )
        starts_from_factors = settings.start == "factors"
        self.unit_prior = UnitPrior(settings.factors, n_bins, bin_size_s) if starts_from_factors else None
        self.embed = nn.Sequential(
            nn.Linear(settings.stitch_width, 2 * settings.stitch_width),
            nn.Softsign(),
            nn.Linear(2 * settings.stitch_width, width),
        )
        self.embed_dropout = nn.Dropout(settings.embed_dropout)
        self.prompts = nn.Embedding(len(PROMPTS), width)
        self.positions = nn.Embedding(n_bins, width) if settings.position == "learned" else None
        self.layers = nn.ModuleList(
            Layer(width, settings.heads, settings.mlp_width, settings.dropout) for _ in range(settings.depth)
        )
        self.norm = nn.LayerNorm(width)
        for table in (self.prompts, self.positions):
            if table is not None:
                nn.init.normal_(table.weight, std=0.02)
        scale_like_tfixup(self.layers)

    def forward(self, groups: Sequence[Group]) -> list[Tensor]:
        return [
            self.stitcher(group.session_id).read_out(states, known)
            for group, (states, known) in zip(groups, self._encode(groups), strict=True)
        ]

    def hidden_states(self, groups: Sequence[Group]) -> list[Tensor]:
        """Return what the log-rates of every group are read from, (trial, time, feature).

        These are the states of the backbone and, where sessions have a factor path, next to them the factors that are
        inferred from the visible counts: a model that starts from factors keeps most of what it knows there.
        """
        hidden = []
        for group, (states, _) in zip(groups, self._encode(groups), strict=True):
            factors = self.stitcher(group.session_id).factors
            hidden.append(states if factors is None else torch.cat([states, factors(group)[1]], dim=-1))
        return hidden

    def _encode(self, groups: Sequence[Group]) -> list[tuple[Tensor, Tensor | None]]:
        """Return the states (trial, time, width) of every group, and the log-rates known in closed form, if any."""
        stitched = [self.stitcher(group.session_id).stitch(group) for group in groups]
        channels = torch.cat([channels for channels, _ in stitched])
        prompt = torch.cat([group.mask.prompt for group in groups])
        causal = torch.cat([group.mask.causal for group in groups])
        own = [self.stitcher(group.session_id).token.expand(len(group.mask), -1) for group in groups]
        states = self.backbone(channels, self.prefix(prompt, torch.cat(own)), causal)
        parts = states.split([len(group.mask) for group in groups])
        return [(part, known) for part, (_, known) in zip(parts, stitched, strict=True)]

    def backbone(self, channels: Tensor, prefix: Tensor, causal: Tensor) -> Tensor:
        """Return states (trial, time, width).

        ``channels`` (trial, time, stitch_width) are stitched counts, ``prefix`` (trial, token, width) the prompt and
        session tokens, ``causal`` (trial,) whether attention is lower-triangular.
        """
        bins = self.embed(channels)
        if self.positions is not None:
            bins = bins + self.positions.weight
        tokens = self.embed_dropout(torch.cat([prefix, bins], dim=1))
        n_prefix = prefix.shape[1]
        allowed = allowed_pairs(causal, n_prefix, self.n_bins)
        head_width = self.settings.width // self.settings.heads
        rotation = None if self.positions is not None else rotary_angles(tokens.shape[1], head_width, tokens.device)
        for layer in self.layers:
            tokens = layer(tokens, allowed, rotation)
        return self.norm(tokens[:, n_prefix:])

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
