"""A translation shows the source, asks for the target, and nothing else."""

import pytest
import torch

from spikeglot.errors import DataError, SettingsError
from spikeglot.masking.mask import PROMPTS
from spikeglot.masking.tasks import ask
from spikeglot.masking.translation import TRANSLATION_PROMPTS, from_nothing, translation

REGION = torch.tensor([0, 0, 0, 1, 1, -1, 2])
N_BINS = 5
ROWS = torch.zeros(2, dtype=torch.int64)


@pytest.mark.parametrize("prompt", TRANSLATION_PROMPTS)
def test_the_source_is_seen_and_the_target_asked_for_in_all_bins(prompt):
    mask = ask(translation(REGION == 0, REGION == 1, prompt), ROWS, N_BINS)
    assert torch.equal(mask.visible, (REGION == 0).expand(2, N_BINS, -1))
    assert torch.equal(mask.target, (REGION == 1).expand(2, N_BINS, -1))
    assert (mask.prompt == PROMPTS.index(prompt)).all()
    assert not mask.causal.any()


def test_nothing_is_seen_and_all_are_asked_for():
    mask = ask(from_nothing(len(REGION)), ROWS, N_BINS)
    assert not mask.visible.any()
    assert mask.target.all()


def test_sides_that_overlap_or_are_empty():
    with pytest.raises(DataError, match="2 units are both source and target"):
        translation(torch.tensor([True, True, True]), torch.tensor([False, True, True]))
    nobody = torch.zeros(7, dtype=torch.bool)
    for source, target in ((nobody, REGION == 1), (REGION == 1, nobody)):
        with pytest.raises(DataError, match="at least one unit"):
            translation(source, target)


def test_a_prompt_that_does_not_exist():
    with pytest.raises(SettingsError, match="Did you mean 'intra-region'"):
        translation(REGION == 0, REGION == 1, "intra_region")
    with pytest.raises(SettingsError, match="There is no prompt 'causal'"):
        from_nothing(3, "causal")
