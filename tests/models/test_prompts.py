"""Prompt tokens belong to names: other schemes in the package change no checkpoint."""

import torch

from spikeglot.masking.mask import PROMPTS
from spikeglot.masking.tasks import PROMPT_OF_TASK
from spikeglot.models.prompts import Prompts


def test_tasks_and_trained_schemes_have_a_token_each_and_others_that_of_none():
    prompts = Prompts(("temporal", "neuron"), 8)
    said = prompts(torch.arange(len(PROMPTS)))
    of = dict(zip(PROMPTS, said, strict=True))
    known = {"none", "temporal", *PROMPT_OF_TASK.values()}
    for name in PROMPTS:
        assert torch.equal(of[name], of["none"]) == (name == "none" or name not in known), name
    assert len(prompts.tokens.weight) == len(known) == len({tuple(of[name].tolist()) for name in known})


def test_what_is_saved_does_not_depend_on_the_schemes_that_there_are():
    assert set(Prompts(("neuron",), 8).state_dict()) == {"tokens.weight"}
