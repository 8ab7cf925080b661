"""The same model the textbook way: what spikeglot is compared with, in speed and (a test) in numbers.

Float32; separate projections for q, k and v; an attention mask that is always there, per trial and head; one session;
a forward pass per held-out unit; loops for masks; a histogram per window and unit. It takes its weights from a model of
spikeglot that starts from "zero".
"""

from __future__ import annotations

import math
import random

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spikeglot.masking.mask import PROMPTS
from spikeglot.models.layers import Layer
from spikeglot.models.mtm import MtM
from spikeglot.models.transformer import Transformer


class Reference(nn.Module):
    """NDT1 for one session. ``forward(counts, visible, prompt, causal)`` returns log-rates (trial, time, unit)."""

    def __init__(self, model: MtM, session_id: str) -> None:
        super().__init__()
        architecture, stitcher = model.architecture, model.stitcher(session_id)
        assert isinstance(architecture, Transformer)
        settings, positions = model.settings, architecture.positions
        assert positions is not None
        self.read_in, self.readout = copied(stitcher.read_in), copied(stitcher.readout)
        self.embed = nn.Sequential(copied(architecture.embed[0]), nn.Softsign(), copied(architecture.embed[2]))
        self.position = nn.Parameter(positions.weight.detach().clone())
        self.prompt = nn.Parameter(model.prompts.tokens.weight[model.prompts.row].detach().clone())
        self.session = nn.Parameter(stitcher.token.detach().clone())
        self.embed_dropout = nn.Dropout(settings.embed_dropout)
        self.layers = nn.ModuleList(ReferenceLayer(layer, settings.dropout) for layer in architecture.layers)
        self.norm = copied(architecture.norm)

    def forward(self, counts: Tensor, visible: Tensor, prompt: Tensor, causal: Tensor) -> Tensor:
        bins = self.embed(self.read_in(counts * visible)) + self.position
        prefix = torch.stack([self.prompt[prompt], self.session.expand(len(prompt), -1)], dim=1)
        x = self.embed_dropout(torch.cat([prefix, bins], dim=1))
        allowed = attention_mask(causal, prefix.shape[1], x.shape[1])
        for layer in self.layers:
            x = layer(x, allowed)
        return self.readout(self.norm(x[:, prefix.shape[1] :]))


class ReferenceLayer(nn.Module):
    """Attention with three projections, then an MLP."""

    def __init__(self, layer: nn.Module, dropout: float) -> None:
        super().__init__()
        assert isinstance(layer, Layer)
        self.heads = layer.attention.heads
        self.q, self.k, self.v = thirds(layer.attention.qkv)
        self.out = copied(layer.attention.out)
        self.attention_norm, self.mlp_norm = copied(layer.attention_norm), copied(layer.mlp_norm)
        self.mlp = nn.Sequential(copied(layer.mlp[0]), nn.GELU(), copied(layer.mlp[2]))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, allowed: Tensor) -> Tensor:
        y = self.attention_norm(x)
        q, k, v = (project(y).unflatten(-1, (self.heads, -1)).transpose(1, 2) for project in (self.q, self.k, self.v))
        logits = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
        weights = logits.masked_fill(~allowed, -math.inf).softmax(-1)
        x = x + self.dropout(self.out((weights @ v).transpose(1, 2).flatten(2)))
        return x + self.dropout(self.mlp(self.mlp_norm(x)))


def attention_mask(causal: Tensor, n_prefix: int, n_tokens: int) -> Tensor:
    """Return (trial, 1, token, token) bool, trial by trial."""
    masks = []
    for is_causal in causal.tolist():
        allowed = torch.ones((n_tokens, n_tokens), dtype=torch.bool)
        if is_causal:
            allowed = allowed.tril()
            allowed[:n_prefix, :n_prefix] = True
        masks.append(allowed)
    return torch.stack(masks)[:, None].to(causal.device)


def draw_masks(n_trials: int, n_bins: int, region: Tensor, rng: random.Random) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Draw a scheme of MtM per trial; return visible and target (trial, time, unit), prompt and causal (trial,)."""
    n_units, regions = len(region), region.unique().tolist()
    visible = torch.ones((n_trials, n_bins, n_units), dtype=torch.bool)
    target = torch.zeros_like(visible)
    prompts, causal = [], []
    for trial in range(n_trials):
        scheme = rng.choice(["neuron", "causal", "intra-region", "inter-region"])
        prompts.append(PROMPTS.index(scheme))
        causal.append(scheme == "causal")
        if scheme == "causal":
            for time in range(n_bins):
                if rng.random() < 0.6:
                    target[trial, time] = True
        chosen = rng.choice(regions)
        for unit in range(n_units):
            inside = int(region[unit]) == chosen
            is_drawn = {"neuron": True, "intra-region": inside}.get(scheme, False) and rng.random() < 0.3
            if is_drawn or (scheme == "inter-region" and inside):
                target[trial, :, unit] = True
            if scheme == "intra-region" and not inside:
                visible[trial, :, unit] = False
        if not target[trial].any():
            target[trial, 0] = True
    return visible & ~target, target, torch.tensor(prompts), torch.tensor(causal)


def reference_loss(log_rate: Tensor, counts: Tensor, target: Tensor) -> Tensor:
    """Return the Poisson loss, first averaged over the targets of a trial, then over trials."""
    loss = F.poisson_nll_loss(log_rate, counts, log_input=True, reduction="none") * target
    return (loss.sum((1, 2)) / target.sum((1, 2))).mean()


def reference_optimiser(reference: Reference, learning_rate: float, weight_decay: float) -> torch.optim.Optimizer:
    """Return AdamW as it comes, with weight decay on matrices only."""
    matrices = [p for p in reference.parameters() if p.ndim >= 2]
    others = [p for p in reference.parameters() if p.ndim < 2]
    groups = [{"params": matrices, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=learning_rate)


def reference_step(
    reference: Reference, optimiser: torch.optim.Optimizer, counts: Tensor, masks: tuple[Tensor, ...], clip: float
) -> float:
    """Do one training step and return its loss."""
    visible, target, prompt, causal = masks
    optimiser.zero_grad()
    loss = reference_loss(reference(counts, visible, prompt, causal), counts, target)
    loss.backward()
    nn.utils.clip_grad_norm_(reference.parameters(), clip)
    optimiser.step()
    return loss.item()


@torch.no_grad()
def reference_held_out(
    reference: Reference, counts: Tensor, hidden: Tensor, target: Tensor, prompt: str, causal: bool = False
) -> Tensor:
    """Ask questions one after the other, each a pass of the model over all trials.

    ``hidden`` and ``target`` (question, time, unit) bool. Returns log-rates (trial, time, unit), NaN where nothing is
    asked.
    """
    log_rate = torch.full_like(counts, math.nan)
    n = len(counts)
    prompts = torch.full((n,), PROMPTS.index(prompt), device=counts.device)
    is_causal = torch.full((n,), causal, device=counts.device)
    for its_hidden, its_target in zip(hidden, target, strict=True):
        predicted = reference(counts, ~its_hidden.expand_as(counts), prompts, is_causal)
        log_rate[:, its_target] = predicted[:, its_target]
    return log_rate


def reference_counts(
    times_s: np.ndarray, unit: np.ndarray, n_units: int, starts_s: np.ndarray, n_bins: int, bin_size_s: float
) -> np.ndarray:
    """Count sorted spikes into (window, time, unit), a histogram for each window and unit."""
    counts = np.zeros((len(starts_s), n_bins, n_units))
    for window, start_s in enumerate(starts_s):
        edges = start_s + bin_size_s * np.arange(n_bins + 1)
        inside = slice(*np.searchsorted(times_s, edges[[0, -1]]))
        for one in range(n_units):
            counts[window, :, one] = np.histogram(times_s[inside][unit[inside] == one], edges)[0]
    return counts


def copied(module: nn.Module) -> nn.Module:
    """Return a linear layer or a norm with weights of its own."""
    shape = module.weight.shape
    assert isinstance(module.weight, Tensor)
    assert isinstance(module.bias, Tensor)
    new = nn.Linear(shape[1], shape[0]) if isinstance(module, nn.Linear) else nn.LayerNorm(shape)
    with torch.no_grad():
        new.weight.copy_(module.weight)
        new.bias.copy_(module.bias)
    return new


def thirds(qkv: nn.Linear) -> list[nn.Linear]:
    """Return a fused projection as three."""
    parts = zip(qkv.weight.chunk(3), qkv.bias.chunk(3), strict=True)
    projections = []
    for weight, bias in parts:
        new = nn.Linear(weight.shape[1], weight.shape[0])
        with torch.no_grad():
            new.weight.copy_(weight)
            new.bias.copy_(bias)
        projections.append(new)
    return projections
