"""The learned token that tells a model which masks it is to expect."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from spikeglot.masking.mask import PROMPTS
from spikeglot.masking.tasks import PROMPT_OF_TASK


class Prompts(nn.Module):
    """A token for "none", for every evaluation task, and for every scheme that the model is trained on.

    Other prompts are taken for "none": what a model has never been told means nothing to it. Tokens belong to names,
    so that a checkpoint does not depend on which other schemes there are.
    """

    row: Tensor

    def __init__(self, schemes: Sequence[str], width: int) -> None:
        super().__init__()
        known = {"none", *PROMPT_OF_TASK.values(), *schemes}
        names = [name for name in PROMPTS if name in known]
        rows = [names.index(name if name in known else "none") for name in PROMPTS]
        self.register_buffer("row", torch.tensor(rows), persistent=False)
        self.tokens = nn.Embedding(len(names), width)
        nn.init.normal_(self.tokens.weight, std=0.02)

    def forward(self, prompt: Tensor) -> Tensor:
        """Return tokens (trial, width) for prompts (trial,), positions in `spikeglot.masking.mask.PROMPTS`."""
        return self.tokens(self.row[prompt])
