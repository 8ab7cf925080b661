"""What behaviour is decoded from: log-rates and hidden states of a frozen model, and raw counts, of whole trials.

A set of features comes in one or several versions, arrays (trial, time, feature); decoders choose among the versions
by their nested cross-validation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from spikeglot.batch import Group, SessionTensors
from spikeglot.models.mtm import MtM

Features = dict[tuple[str, str], tuple[np.ndarray, ...]]
"""Versions of the features by their name and the prompt that the model was told ("" for counts)."""
COUNTS = "counts"
LOG_RATES = "log-rates"
HIDDEN_STATES = "hidden-states"
TRIALS_AT_ONCE = 64


def all_features(model: MtM, session: SessionTensors, prompts: Iterable[str]) -> Features:
    """Return the features of all trials of a session: the model's, per prompt, and the raw counts.

    The model is frozen and every count is visible (Zhang et al. 2024, arXiv 2407.14668, section 4). "log-rates" come
    in two versions: as they are, and less what the model says of the same trials when it sees no count. The second
    leaves out what a model knows from the time in the session alone (drift), which says nothing of a trial's
    behaviour. "hidden-states" are those of `MtM.hidden_states`.
    """
    features: Features = {}
    for prompt in prompts:
        seen = _of_trials(model, model, session, lambda trials, prompt=prompt: session.whole(trials, prompt))
        blind = _of_trials(model, model, session, lambda trials, prompt=prompt: _blind(session.whole(trials, prompt)))
        states = _of_trials(
            model, model.hidden_states, session, lambda trials, prompt=prompt: session.whole(trials, prompt)
        )
        features[LOG_RATES, prompt] = (seen, seen - blind)
        features[HIDDEN_STATES, prompt] = (states,)
    features[COUNTS, ""] = (session.counts.numpy(),)
    return features


@torch.no_grad()
def _of_trials(
    model: MtM,
    read: Callable[[Sequence[Group]], list[Tensor]],
    session: SessionTensors,
    group: Callable[[Tensor], Group],
) -> np.ndarray:
    """(trial, time, feature) of what ``read`` gives for all trials, some at a time."""
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    parts = [read([group(t).to(device)])[0].cpu() for t in torch.arange(session.n_trials).split(TRIALS_AT_ONCE)]
    model.train(was_training)
    return torch.cat(parts).numpy()


def _blind(group: Group) -> Group:
    """The same trials with every count hidden."""
    return replace(group, mask=replace(group.mask, visible=torch.zeros_like(group.mask.visible)))
