"""Dropout drops as often as it should, keeps the expected value, and comes from torch's seed."""

import pytest
import torch

from spikeglot.models.dropout import Dropout, keep_mask


@pytest.mark.parametrize("p", [0.001, 0.2, 0.4, 0.97])
def test_it_drops_that_share_and_keeps_the_mean(p):
    torch.manual_seed(0)
    n = 400_000
    mask = keep_mask(torch.ones(n), p)
    kept = mask > 0
    spread = (p * (1 - p) / n) ** 0.5
    assert abs((~kept).double().mean().item() - p) < 5 * spread + 2**-16
    assert mask[kept].unique().tolist() == pytest.approx([1 / (1 - p)], rel=1e-3)
    assert mask.double().mean().item() == pytest.approx(1, abs=5 * spread / (1 - p) + 1e-3)


def test_neighbours_are_independent():
    """Four decisions come from one random number."""
    torch.manual_seed(1)
    kept = (keep_mask(torch.ones(400_000), 0.5) > 0).double().view(-1, 4)
    correlation = torch.corrcoef(kept.T) - torch.eye(4)
    assert correlation.abs().max() < 5 / 100_000**0.5


@pytest.mark.parametrize("shape", [(1,), (3, 5, 7), (2, 0)])
def test_any_shape_and_the_same_seed_the_same_draw(shape):
    dropout = Dropout(0.5).train()
    x = torch.ones(shape, dtype=torch.bfloat16, requires_grad=True)
    torch.manual_seed(2)
    first = dropout(x)
    torch.manual_seed(2)
    assert torch.equal(dropout(x), first)
    assert first.shape == shape
    assert first.dtype == torch.bfloat16
    first.sum().backward()
    assert torch.equal(x.grad, first.detach())


def test_nothing_is_dropped_outside_of_training_or_with_nothing_to_drop():
    x = torch.ones(10)
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0).train()(x) is x
