"""A mask is a value."""

import torch

from spikeglot.masking.mask import PROMPTS, make_mask, unmasked


def example():
    visible = torch.rand(4, 3, 2, generator=torch.Generator().manual_seed(0)) < 0.5
    return make_mask(visible, ~visible, "neuron", causal=True)


def test_prompts_are_distinct_and_start_with_none():
    assert PROMPTS[0] == "none"
    assert len(set(PROMPTS)) == len(PROMPTS)


def test_make_mask_gives_every_trial_the_prompt_and_the_attention():
    mask = example()
    assert len(mask) == 4
    assert mask.prompt.tolist() == [PROMPTS.index("neuron")] * 4
    assert mask.prompt.dtype == torch.int64
    assert mask.causal.tolist() == [True] * 4


def test_take_and_to_keep_trials_together():
    mask = example()
    some = mask.take(torch.tensor([2, 0])).to("cpu")
    assert torch.equal(some.visible, mask.visible[[2, 0]])
    assert torch.equal(some.target, mask.target[[2, 0]])
    assert len(some) == 2
    assert len(mask.take(slice(1, 4))) == 3


def test_unprompted_changes_the_prompt_alone_and_not_in_place():
    mask = example()
    without = mask.unprompted()
    assert without.prompt.tolist() == [0] * 4
    assert mask.prompt.tolist() != [0] * 4
    assert torch.equal(without.visible, mask.visible)
    assert torch.equal(without.causal, mask.causal)


def test_unmasked_shows_everything_and_asks_for_nothing():
    mask = unmasked(2, 3, 4)
    assert mask.visible.all()
    assert not mask.target.any()
    assert not mask.causal.any()
    assert mask.prompt.tolist() == [0, 0]


def test_an_unmasked_prompt_comes_with_its_attention():
    for prompt in ("none", "neuron", "causal"):
        mask = unmasked(2, 3, 4, prompt)
        assert mask.visible.all()
        assert not mask.target.any()
        assert mask.causal.tolist() == [prompt == "causal"] * 2
        assert mask.prompt.tolist() == [PROMPTS.index(prompt)] * 2
