"""What behaviour is decoded from: log-rates and hidden states of a frozen model, and raw counts, of whole trials."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from spikeglot.batch import Group, SessionTensors
from spikeglot.models.mtm import MtM

Features = dict[tuple[str, str], np.ndarray]
"""(trial, time, feature) by the name of the features and the prompt that the model was told ("" for counts)."""
COUNTS = "counts"
LOG_RATES = "log-rates"
HIDDEN_STATES = "hidden-states"
TRIALS_AT_ONCE = 64


def all_features(model: MtM, session: SessionTensors, prompts: Iterable[str]) -> Features:
    """Return the features of all trials of a session: the model's, per prompt, and the raw counts.

    The model is frozen and every count is visible (Zhang et al. 2024, arXiv 2407.14668, section 4). "log-rates" are
    what it says of every unit, "hidden-states" what it reads them from (`MtM.hidden_states`).
    """
    features: Features = {}
    for prompt in prompts:
        features[LOG_RATES, prompt] = _of_whole_trials(model, model, session, prompt)
        features[HIDDEN_STATES, prompt] = _of_whole_trials(model, model.hidden_states, session, prompt)
    features[COUNTS, ""] = session.counts.numpy()
    return features


@torch.no_grad()
def _of_whole_trials(
    model: MtM, read: Callable[[Sequence[Group]], list[Tensor]], session: SessionTensors, prompt: str
) -> np.ndarray:
    """(trial, time, feature) of what ``read`` gives for all trials, some at a time."""
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    trials = torch.arange(session.n_trials).split(TRIALS_AT_ONCE)
    parts = [read([session.whole(some, prompt).to(device)])[0].cpu() for some in trials]
    model.train(was_training)
    return torch.cat(parts).numpy()
