"""Exact predictions of hidden units, fast: what does not depend on the question is computed once per trial.

A question hides whole units, the same in every bin. Then smoothed counts do not depend on it, except that those of
hidden units do not count; the information of the visible units about the factors is the same in every trial; and only
the hidden units need to be read out. Where hiding a unit changes few tokens (those of bins in which it spikes, where a
hidden unit looks silent; those of its patch, where there are several), each different token is read in once.
`HeldOut` gives what ``model([group])`` gives, to rounding (a test holds it).

What hidden counts would add is never added: taking it off again would be faster by a little, but leave rounding errors
that depend on what is hidden.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from spikeglot.models.different_tokens import different_tokens
from spikeglot.models.factors import MAX_LOG_RATE, unsure
from spikeglot.models.mtm import MtM


class HeldOut:
    """Trials of one session, ready for any number of questions.

    ``counts`` (trial, time, unit) float32, ``start_s`` (trial,), on the device of the model.
    """

    def __init__(self, model: MtM, session_id: str, counts: Tensor, start_s: Tensor) -> None:
        self.model, self.stitcher = model, model.stitcher(session_id)
        self.n_trials, self.n_bins, self.n_units = counts.shape
        self.scaled = self.stitcher.scaled(counts).flatten(0, 1)
        self.has_say = bool((self.stitcher.readout.weight != 0).any() or (self.stitcher.readout.bias != 0).any())
        factors = self.stitcher.factors
        silent_is_hidden = self.stitcher.silence_is_hidden
        self.shares_tokens = factors is None and (silent_is_hidden or self.stitcher.n_patches > 1)
        if self.shares_tokens:
            says = counts > 0 if silent_is_hidden else torch.ones_like(counts, dtype=torch.bool)
            self.says = says.flatten(0, 1).cpu()
        if factors is not None:
            both_ways = torch.zeros(self.n_trials, dtype=torch.bool, device=counts.device)
            features = factors.features(counts, torch.ones_like(counts), both_ways)
            self.features = [x.flatten(0, 1) for x in features]
            self.known = (factors.baseline(start_s) + factors.intercept).flatten(0, 1)

    def predict(self, visible: Tensor, targets: Sequence[Tensor], prompt: Tensor) -> list[Tensor]:
        """Return per question the log-rates (trial, time, target unit).

        ``visible`` (question, unit) bool, ``targets`` the hidden units that each question asks for, ``prompt``
        (question,) as in `Mask`.
        """
        seen = visible.float()
        latent, known = self._known(seen, targets)
        if not self.has_say:
            return known
        states = self._states(seen, latent, prompt)
        return [
            before + self.stitcher.read_units(states[q], units)
            for q, (before, units) in enumerate(zip(known, targets, strict=True))
        ]

    def _known(self, seen: Tensor, targets: Sequence[Tensor]) -> tuple[Tensor | None, list[Tensor]]:
        """Return the factors (question, trial x time, factor) and what is known in closed form of the targets."""
        shape, factors = (self.n_trials, self.n_bins, -1), self.stitcher.factors
        if factors is None:
            log_mean = torch.zeros_like(self.stitcher.mean_count)
            if self.stitcher.start != "zero":
                log_mean = self.stitcher.mean_count.log()
            return None, [log_mean[units].expand(self.n_trials, self.n_bins, -1) for units in targets]
        latents = []
        known = [self.known[:, units] for units in targets]
        for s, x in enumerate(self.features):
            evidence = _hiding(x, seen, factors.precise_loading(s))
            covariance = factors.covariance(s, seen)
            z = evidence @ covariance
            for q, units in enumerate(targets):
                weight = factors.weight[s][:, units]
                known[q] = known[q] + z[q] @ weight + unsure(covariance[q : q + 1], weight)
            latents.append(z)
        return torch.cat(latents, dim=-1), [one.clamp_max(MAX_LOG_RATE).unflatten(0, shape[:2]) for one in known]

    def _states(self, seen: Tensor, latent: Tensor | None, prompt: Tensor) -> Tensor:
        """Return the states of the architecture (question, trial, time, patch, width)."""
        n = len(seen) * self.n_trials
        prompts = prompt.repeat_interleave(self.n_trials)
        prefix = self.model.prefix(prompts, self.stitcher.token.expand(n, -1))
        causal = torch.zeros(n, dtype=torch.bool, device=seen.device)
        which = None
        if self.shares_tokens:
            channels, which = self._different_channels(seen)
            which = which.reshape(n, self.n_bins, -1)
        else:
            channels = self._channels(seen)
            if latent is not None:
                channels = channels + self.stitcher.read_factors(latent)[:, :, None]
            channels = channels.reshape(n, self.n_bins, *channels.shape[2:])
        return self.model.encode(channels, prefix, causal, which).states.unflatten(0, (len(seen), self.n_trials))

    def _different_channels(self, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Return the channels (token, channel) that differ, and ``which`` (question, trial x time, patch) has each."""
        size = self.stitcher.patch_units
        token, which = different_tokens(seen.bool().cpu(), self.says, size)
        question, sample, patch = token.to(seen.device).unbind(1)
        channels = seen.new_empty((len(token), self.stitcher.read_in.out_features))
        for p in range(self.stitcher.n_patches):
            its, units = patch == p, slice(p * size, (p + 1) * size)
            shown = seen[question[its], units]
            channels[its] = (self.scaled[sample[its], units] * shown) @ self.stitcher.read_in.weight[:, units].T
            if self.stitcher.read_mask is not None:
                channels[its] += (1 - shown) @ self.stitcher.read_mask.weight[:, units].T
        return channels + self.stitcher.read_in.bias, which.to(seen.device)

    def _channels(self, seen: Tensor) -> Tensor:
        """Return the stitched counts of the units seen (question, trial x time, patch, channel)."""
        stitcher, size = self.stitcher, self.stitcher.patch_units
        parts = zip(
            self.scaled.split(size, 1), seen.split(size, 1), stitcher.read_in.weight.split(size, 1), strict=True
        )
        channels = torch.stack([_hiding(x, some, weight.T) for x, some, weight in parts], dim=2)
        channels = channels + stitcher.read_in.bias
        if stitcher.read_mask is not None:
            channels = channels + stitcher.by_patch(1 - seen, stitcher.read_mask.weight)[:, None]
        return channels


def _hiding(x: Tensor, seen: Tensor, weight: Tensor) -> Tensor:
    """Return (question, sample, channel): x (sample, unit) times weight (unit, channel), over the units seen."""
    n_questions, n_units = seen.shape
    weights = (seen.T[:, :, None] * weight[:, None, :]).reshape(n_units, -1)
    return (x @ weights).unflatten(1, (n_questions, -1)).transpose(0, 1)
