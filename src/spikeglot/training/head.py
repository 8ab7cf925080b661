"""A head that decodes behaviour from the hidden states of a model, trained end to end with a copy of it."""

from __future__ import annotations

import copy

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spikeglot.batch import Group, SessionTensors
from spikeglot.models.mtm import MtM
from spikeglot.randomness import generator, seeded
from spikeglot.settings import HeadSettings


class ModelEncoder(nn.Module):
    """The flattened hidden states (trial, time x feature) of a copy of a model: training it leaves the model alone."""

    def __init__(self, model: MtM) -> None:
        super().__init__()
        self.model = copy.deepcopy(model)

    def forward(self, group: Group) -> Tensor:
        return self.model.hidden_states([group])[0].flatten(1)


class CountsEncoder(nn.Module):
    """The flattened raw counts (trial, time x unit): the same head without a model."""

    def forward(self, group: Group) -> Tensor:
        return group.counts.flatten(1)


class DecodingHead(nn.Module):
    """One linear layer on the standardised features of an encoder; it starts by saying ``start`` (output,)."""

    def __init__(self, encoder: nn.Module, features: Tensor, start: Tensor) -> None:
        super().__init__()
        self.encoder = encoder
        self.register_buffer("center", features.mean(0))
        self.register_buffer("scale", features.std(0, correction=0).clamp_min(1e-3) * features.shape[1] ** 0.5)
        self.linear = nn.Linear(features.shape[1], len(start))
        with torch.no_grad():
            self.linear.weight.zero_()
            self.linear.bias.copy_(start)

    def forward(self, group: Group) -> Tensor:
        return self.linear((self.encoder(group) - self.center) / self.scale)


class ClassGoal:
    """Labels (trial,): the head says a logit per class that the train trials have."""

    def __init__(self, values: np.ndarray, train: np.ndarray) -> None:
        self.labels, n_members = np.unique(values[train].astype(str), return_counts=True)
        self.start = torch.from_numpy(n_members / n_members.sum()).float().log()
        self.code = torch.from_numpy(np.searchsorted(self.labels, values.astype(str)).clip(0, len(self.labels) - 1))

    def loss(self, said: Tensor, trials: Tensor) -> Tensor:
        """Return the mean cross-entropy."""
        return F.cross_entropy(said, self.code[trials].to(said.device))

    def values(self, said: Tensor) -> np.ndarray:
        """Return labels (trial,)."""
        return self.labels[said.argmax(1).cpu().numpy()]


class TraceGoal:
    """Traces (trial, time, channel): the head says what differs from the average of the train trials."""

    def __init__(self, values: np.ndarray, train: np.ndarray) -> None:
        self.shape = values.shape[1:]
        self.mean = values[train].mean(axis=0)
        self.scale = max(float(np.std(values[train] - self.mean)), 1e-12)
        self.goal = torch.from_numpy((values - self.mean) / self.scale).float().flatten(1)
        self.start = torch.zeros(self.goal.shape[1])

    def loss(self, said: Tensor, trials: Tensor) -> Tensor:
        """Return the mean squared error, in units of the variance around the average."""
        return F.mse_loss(said, self.goal[trials].to(said.device))

    def values(self, said: Tensor) -> np.ndarray:
        """Return traces (trial, time, channel)."""
        return said.cpu().numpy().reshape(-1, *self.shape) * self.scale + self.mean


def decode_with_head(
    encoder: nn.Module,
    session: SessionTensors,
    values: np.ndarray,
    train: np.ndarray,
    val: np.ndarray,
    test: np.ndarray,
    *,
    prompt: str,
    settings: HeadSettings,
    seed: int,
    device: torch.device | str = "cpu",
) -> np.ndarray:
    """Train a head and its ``encoder`` (in place) on a session, and return what they say of its test trials.

    ``values`` are labels (trial,) or traces (trial, time, channel) of all trials of the session; those of the test
    trials are not read. The weights with the least loss on the val trials (on the train trials, where there are none)
    are kept. Returns labels (test trial,) or traces (test trial, time, channel).
    """
    goal = ClassGoal(values, train) if values.ndim == 1 else TraceGoal(values, train)
    fitted, checked = torch.from_numpy(train), torch.from_numpy(val if len(val) else train)
    encoder = encoder.to(device)
    head = DecodingHead(encoder, _said(encoder, session, fitted, prompt, device), goal.start.to(device)).to(device)
    trained = [p for p in head.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, settings.learning_rate, weight_decay=settings.weight_decay)
    order = generator(seed, "head", "order")
    least, best = float("inf"), copy.deepcopy(head.state_dict())
    for step in range(settings.steps):
        batch = fitted[torch.randperm(len(fitted), generator=order)[: settings.batch_size]]
        head.train()
        with seeded(seed, "head", "dropout", step):
            loss = goal.loss(head(session.whole(batch, prompt).to(device)), batch)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        if (step + 1) % settings.validate_every == 0 or step + 1 == settings.steps:
            now = float(goal.loss(_said(head, session, checked, prompt, device), checked))
            if now < least:
                least, best = now, copy.deepcopy(head.state_dict())
    head.load_state_dict(best)
    return goal.values(_said(head, session, torch.from_numpy(test), prompt, device))


@torch.no_grad()
def _said(
    module: nn.Module, session: SessionTensors, trials: Tensor, prompt: str, device: torch.device | str
) -> Tensor:
    """What a module says of whole trials, without dropout."""
    module.eval()
    return module(session.whole(trials, prompt).to(device))
