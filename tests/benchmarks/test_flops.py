"""The counted operations are those that torch counts."""

from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.flops import forward_flops, pass_flops, step_flops
from benchmarks.sizes import QUICK, Size, model_of, recipe_of, session_of
from spikeglot.masking.mask import unmasked
from spikeglot.training.objective import objective

SIZES = [QUICK, replace(QUICK, n_units=31, n_bins=17, width=32, depth=1, heads=4, mlp_width=24, stitch_width=20)]


def counted(work) -> int:
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


def model_and_group(size: Size):
    session = session_of(size)
    group = session.group(slice(0, size.batch_size), unmasked(size.batch_size, size.n_bins, size.n_units))
    return model_of(recipe_of(size, dropout=0.0), {"0": session}), group


@pytest.mark.parametrize("size", SIZES)
def test_forwards(size):
    model, group = model_and_group(size)
    assert counted(lambda: model([group])) == forward_flops(size, size.batch_size)


@pytest.mark.parametrize("size", SIZES)
def test_a_pass_is_what_remains_without_the_stitcher(size):
    model, _ = model_and_group(size)
    channels = torch.zeros((3, size.n_bins, 1, size.stitch_width))
    prefix, causal = torch.zeros((3, 2, size.width)), torch.zeros(3, dtype=torch.bool)
    assert counted(lambda: model.encode(channels, prefix, causal)) == pass_flops(size, 3)


@pytest.mark.parametrize("size", SIZES)
def test_a_training_step(size):
    model, group = model_and_group(size)
    assert counted(lambda: objective([group], model.predict([group]), "mse").backward()) == step_flops(size)
