"""A transformer that is compiled for training (``train.compile``), where that pays and works.

Only what all sessions share is compiled, and only for whole batches: stitchers differ in units and the last batch of
an epoch in trials, and each new shape would be compiled anew. All else, validation included, runs as it is written.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from spikeglot.events import DoneWithout, Listener
from spikeglot.models.mtm import MtM
from spikeglot.models.transformer import Transformer
from spikeglot.settings import Recipe
from spikeglot.training.distributed import ALONE, Ranks

WHAT = "train.compile"
MIN_STEPS = 2_000
"""With "auto", shorter runs on a GPU are not compiled: they might not win back the compiler's time."""


@contextmanager
def compiled(
    model: MtM, recipe: Recipe, device: torch.device, listen: Listener, ranks: Ranks = ALONE
) -> Iterator[bool]:
    """Inside, let the transformer of ``model`` run compiled if the recipe says so; whether it does is the value.

    Where it was asked for and cannot be, ``listen`` is told once (`DoneWithout`), and the run goes on without.
    """
    architecture = model.architecture
    if not wants_compiler(recipe, device):
        yield False
        return
    n_trials = recipe.train.batch_size * recipe.mask.masks_per_trial
    obstacle = _obstacle(model, recipe, n_trials, ranks)
    if obstacle or not isinstance(architecture, Transformer):
        if recipe.train.compile == "on":
            listen(DoneWithout(WHAT, obstacle))
        yield False
        return
    architecture.compiled = _Compiled(architecture, n_trials // ranks.size, listen)
    try:
        yield True
    finally:
        architecture.compiled = None
        # the compiler counts what it has compiled a function for, and gives up at a few models in one process
        torch.compiler.reset()


def wants_compiler(recipe: Recipe, device: torch.device) -> bool:
    """Whether to compile: "auto" does on GPUs, for long runs. On CPUs it has not paid (docs/explain/speed.md)."""
    if recipe.train.compile == "auto":
        return device.type == "cuda" and recipe.train.steps >= MIN_STEPS
    return recipe.train.compile == "on"


def _obstacle(model: MtM, recipe: Recipe, n_trials: int, ranks: Ranks) -> str:
    """Return why a model cannot be compiled, nothing if it can."""
    if not isinstance(model.architecture, Transformer):
        return f"only transformers are compiled, and model.architecture is {model.settings.architecture}"
    if len({model.stitcher(session_id).n_patches for session_id in model.session_ids}) > 1:
        return "sessions have unlike numbers of patches, and go through the transformer one by one"
    if recipe.train.sharding == "full" and not ranks.is_alone:
        return "its weights lie in parts on all ranks (train.sharding full)"
    if n_trials % ranks.size:
        return f"a step has {n_trials} trials, of which {ranks.size} ranks cannot all have as many"
    return ""


class _Compiled:
    """`Transformer.states`, compiled for batches of ``n_trials`` in training, and as it is written for all others."""

    def __init__(self, architecture: Transformer, n_trials: int, listen: Listener) -> None:
        self._plain, self._n_trials, self._listen = architecture.states, n_trials, listen
        self._architecture = architecture
        self._fast = torch.compile(self._plain, dynamic=False, fullgraph=True)
        self._works = True

    def __call__(
        self, channels: Tensor, prefix: Tensor, bias: Tensor | None, rotation: tuple[Tensor, Tensor] | None
    ) -> Tensor:
        if not (self._works and self._architecture.training and len(channels) == self._n_trials):
            return self._plain(channels, prefix, bias, rotation)
        if bias is None:
            # a batch without causal trials is not to be compiled on its own
            n_tokens = prefix.shape[1] + channels.shape[1] * channels.shape[2]
            bias = channels.new_zeros((len(channels), 1, n_tokens, n_tokens))
        try:
            with warnings.catch_warnings():
                # the compiler warns of what it does itself, and where warnings are errors it would give up
                warnings.simplefilter("ignore")
                return self._fast(channels, prefix, bias, rotation)
        except Exception as error:  # a compiler fails in its own ways; what is wrong otherwise shows without it too
            self._works = False
            reason = str(error).strip().partition("\n")[0]
            self._listen(DoneWithout(WHAT, f"{type(error).__name__}: {reason}"))
            return self._plain(channels, prefix, bias, rotation)
