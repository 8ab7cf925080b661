"""Attention patterns, rotary positions and the first size of the layers."""

import pytest
import torch

from spikeglot.models.layers import Layer, allowed_pairs, rotary_angles, rotate, scale_like_tfixup


def test_without_a_causal_trial_there_is_no_pattern():
    assert allowed_pairs(torch.zeros(3, dtype=torch.bool), 2, 4) is None


@pytest.mark.parametrize("n_prefix", [0, 1, 2])
def test_a_causal_trial_sees_prefix_and_past_and_its_prefix_sees_the_prefix(n_prefix):
    allowed = allowed_pairs(torch.tensor([False, True]), n_prefix, 4)
    assert allowed.shape == (2, 1, n_prefix + 4, n_prefix + 4)
    assert allowed[0].all()
    for token in range(n_prefix + 4):
        sees = set(allowed[1, 0, token].nonzero()[:, 0].tolist())
        expected = range(n_prefix) if token < n_prefix else range(token + 1)
        assert sees == set(expected)


def test_rotation_keeps_lengths_and_depends_on_distance_alone():
    q, k = torch.randn(2, 1, 1, 1, 8, generator=torch.Generator().manual_seed(0))
    cos, sin = rotary_angles(2, 10, 1, 8, q.device)
    assert cos.shape == (12, 4)
    turned_q, turned_k = (rotate(x.expand(1, 1, 12, 8), cos, sin)[0, 0] for x in (q, k))
    torch.testing.assert_close(turned_q.norm(dim=-1), q.norm().expand(12))
    products = turned_q @ turned_k.T
    for shift in range(-5, 6):
        along = products.diagonal(shift)
        torch.testing.assert_close(along, along[:1].expand_as(along), atol=1e-5, rtol=1e-5)
    assert products[0, 0] != pytest.approx(products[0, 5].item(), abs=1e-3)


def test_the_patches_of_a_bin_share_its_place_in_time():
    cos, _ = rotary_angles(2, 3, 4, 8, torch.device("cpu"))
    alone, _ = rotary_angles(2, 3, 1, 8, torch.device("cpu"))
    assert torch.equal(cos, torch.cat([alone[:2], alone[2:].repeat_interleave(4, dim=0)]))


def test_in_causal_trials_the_patches_of_a_bin_see_each_other():
    allowed = allowed_pairs(torch.tensor([True]), 1, 3, 2)[0, 0]
    bins = torch.tensor([-1, 0, 0, 1, 1, 2, 2])
    assert torch.equal(allowed, bins <= bins[:, None])


@pytest.mark.parametrize("depth", [1, 4])
def test_what_writes_into_the_residual_stream_starts_small(depth):
    def layers():
        torch.manual_seed(0)
        return torch.nn.ModuleList(Layer(8, 2, 16, 0.0) for _ in range(depth))

    plain, scaled = layers(), layers()
    scale_like_tfixup(scaled)
    factor = 0.67 * depth**-0.25
    for before, after in zip(plain, scaled, strict=True):
        torch.testing.assert_close(after.attention.qkv.weight[:16], before.attention.qkv.weight[:16])
        torch.testing.assert_close(after.attention.qkv.weight[16:], factor * before.attention.qkv.weight[16:])
        torch.testing.assert_close(after.attention.out.weight, factor * before.attention.out.weight)
        torch.testing.assert_close(after.mlp[0].weight, factor * before.mlp[0].weight)
        torch.testing.assert_close(after.mlp[2].weight, factor * before.mlp[2].weight)
