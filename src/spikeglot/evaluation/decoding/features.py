"""What behaviour is decoded from: log-rates, hidden states, or raw counts of whole trials, nothing hidden."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from spikeglot.batch import Group, SessionTensors
from spikeglot.masking.mask import PROMPTS, Mask, unmasked
from spikeglot.models.mtm import MtM

FEATURES = ("log-rates", "hidden-states", "counts")
TRIALS_AT_ONCE = 64


def whole_trials(session: SessionTensors, trials: Tensor, prompt: str) -> Group:
    """Return some trials with everything visible, and the prompt that the model is told.

    A prompt comes with the attention that it was trained with: causal for "causal", full for all others.
    """
    n_bins, n_units = session.counts.shape[1:]
    return session.group(trials, _prompted(unmasked(len(trials), n_bins, n_units), prompt))


@torch.no_grad()
def model_features(model: MtM, session: SessionTensors, prompt: str, kind: str) -> Tensor:
    """Return (trial, time, feature) float32 of all trials of a session, on the CPU.

    ``kind`` is "log-rates" (one feature per unit) or "hidden-states" (`MtM.hidden_states`); the model is frozen and
    every count of the trial is visible (Zhang et al. 2024, section 4).
    """
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    read = model.hidden_states if kind == "hidden-states" else model
    parts = [
        read([whole_trials(session, trials, prompt).to(device)])[0].cpu()
        for trials in torch.arange(session.n_trials).split(TRIALS_AT_ONCE)
    ]
    model.train(was_training)
    return torch.cat(parts)


def _prompted(mask: Mask, prompt: str) -> Mask:
    return replace(
        mask,
        prompt=torch.full_like(mask.prompt, PROMPTS.index(prompt)),
        causal=torch.full_like(mask.causal, prompt == "causal"),
    )
