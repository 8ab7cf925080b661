"""Which tokens of many questions are the same: those that show the same counts of the same bin and patch."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def different_tokens(seen: Tensor, says: Tensor, patch_units: int) -> tuple[Tensor, Tensor]:
    """Return one of each token that differs, and where each stands.

    ``seen`` (question, unit) bool, the units that a question shows; ``says`` (sample, unit) bool, whose count in a bin
    of a trial is more to the model than that the unit is hidden. The tokens of a question are one per sample and patch
    of ``patch_units`` neighbours.

    Returns ``token`` (token, 3), the question, sample and patch of one of each, and ``which`` (question, sample,
    patch), the row of ``token`` that is the same.
    """
    shown = seen[:, None] & says
    n_units = shown.shape[2]
    n_patches = -(-n_units // patch_units)
    patches = F.pad(shown, (0, n_patches * patch_units - n_units)).unflatten(2, (n_patches, patch_units))
    bits = np.packbits(patches.numpy(), axis=-1)
    n_questions, n_samples = shown.shape[:2]
    place = np.arange(n_samples * n_patches, dtype=np.int64).reshape(1, n_samples, n_patches, 1)
    place = np.broadcast_to(place, (n_questions, n_samples, n_patches, 1)).copy().view(np.uint8)
    keys = np.concatenate([place, bits], axis=-1).reshape(-1, place.shape[-1] + bits.shape[-1])
    as_one = np.ascontiguousarray(keys).view(f"V{keys.shape[1]}")[:, 0]
    _, first, which = np.unique(as_one, return_index=True, return_inverse=True)
    where = np.unravel_index(first, (n_questions, n_samples, n_patches))
    token = torch.from_numpy(np.stack(where, axis=1))
    return token, torch.from_numpy(which.reshape(n_questions, n_samples, n_patches))
