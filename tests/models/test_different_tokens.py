"""Tokens are the same if, and only if, they show the same of the same bin and patch."""

import pytest
import torch

from spikeglot.models.different_tokens import different_tokens


@pytest.mark.parametrize(("n_units", "patch_units"), [(9, 9), (9, 4), (20, 8), (3, 1)])
@pytest.mark.parametrize("share", [0.0, 0.2, 0.9])
def test_same_are_those_that_show_the_same(n_units, patch_units, share):
    draws = torch.Generator().manual_seed(0)
    seen = torch.rand((6, n_units), generator=draws) < 0.7
    says = torch.rand((5, n_units), generator=draws) < share
    token, which = different_tokens(seen, says, patch_units)
    n_patches = -(-n_units // patch_units)
    assert which.shape == (6, 5, n_patches)
    shown = {}
    for question in range(6):
        for sample in range(5):
            for patch in range(n_patches):
                units = slice(patch * patch_units, (patch + 1) * patch_units)
                key = (sample, patch, tuple((seen[question] & says[sample])[units].tolist()))
                shown.setdefault(key, set()).add(which[question, sample, patch].item())
    assert all(len(its) == 1 for its in shown.values())
    assert len(shown) == len(token) == len(set.union(*shown.values()))
    for row, (question, sample, patch) in enumerate(token.tolist()):
        assert which[question, sample, patch] == row
