"""The tasks enumerate: every unit that can be asked for is asked for, once."""

import pytest
import torch

from spikeglot.errors import SettingsError
from spikeglot.masking.mask import PROMPTS
from spikeglot.masking.tasks import PROMPT_OF_TASK, ask, held_out_groups, questions
from spikeglot.settings import TASKS, n_forward_bins

REGION = torch.tensor([0, 0, 0, 0, 1, 1, 1, -1, -1, 2])
N_BINS = 20


def mask_of(task: str, region: torch.Tensor = REGION):
    asked = questions(task, region, N_BINS)
    return ask(asked, torch.arange(len(asked)), N_BINS)


@pytest.mark.parametrize("task", TASKS)
def test_a_target_is_never_visible_and_no_question_is_empty(task):
    mask = mask_of(task)
    assert len(mask) == {"co-smoothing": 10, "inter-region": 3, "intra-region": 7, "forward": 1}[task]
    assert not (mask.visible & mask.target).any()
    assert mask.target.any(2).any(1).all()
    assert mask.visible.any(2).any(1).all()
    assert mask.target.sum(0).max() == 1, "no entry is asked for twice"


@pytest.mark.parametrize("task", TASKS)
def test_prompt_and_attention_fit_the_task(task):
    mask = mask_of(task)
    assert set(PROMPT_OF_TASK) == set(TASKS)
    assert (mask.prompt == PROMPTS.index(PROMPT_OF_TASK[task])).all()
    assert (mask.causal == (task == "forward")).all()


def test_co_smoothing_hides_every_unit_once_in_all_bins():
    mask = mask_of("co-smoothing")
    assert torch.equal(mask.target, torch.eye(10, dtype=torch.bool)[:, None].expand(-1, N_BINS, -1))
    assert torch.equal(mask.visible, ~mask.target)


def test_inter_region_hides_each_region_and_shows_all_the_rest():
    mask = mask_of("inter-region")
    for code in range(3):
        assert torch.equal(mask.target[code], (code == REGION).expand(N_BINS, -1))
    assert torch.equal(mask.visible, ~mask.target)
    assert not mask.target[:, :, REGION == -1].any()


def test_intra_region_shows_the_others_of_the_region_and_leaves_out_who_has_none():
    mask = mask_of("intra-region")
    asked = mask.target[:, 0].nonzero()[:, 1].tolist()
    assert asked == [0, 1, 2, 3, 4, 5, 6]
    for unit, visible in zip(asked, mask.visible, strict=True):
        others = (REGION[unit] == REGION) & (torch.arange(10) != unit)
        assert torch.equal(visible, others.expand(N_BINS, -1))


@pytest.mark.parametrize("n_bins", [1, 4, 10, 20, 100])
def test_forward_hides_the_last_bins_of_everyone(n_bins):
    mask = ask(questions("forward", REGION, n_bins), torch.zeros(1, dtype=torch.int64), n_bins)
    last = n_forward_bins(n_bins)
    assert mask.target[0, n_bins - last :].all()
    assert mask.visible[0, : n_bins - last].all()
    assert torch.equal(mask.visible, ~mask.target)


def test_ask_takes_questions_in_any_order_and_number():
    asked = questions("co-smoothing", REGION, N_BINS)
    mask = ask(asked, torch.tensor([7, 7, 2]), N_BINS)
    assert mask.target[:, 0].nonzero()[:, 1].tolist() == [7, 7, 2]
    assert len(ask(asked, torch.zeros(0, dtype=torch.int64), N_BINS)) == 0


def test_one_region_has_no_inter_region_question():
    assert len(questions("inter-region", torch.zeros(6, dtype=torch.int64), N_BINS)) == 0
    assert len(questions("intra-region", torch.zeros(6, dtype=torch.int64), N_BINS)) == 6


def test_no_region_leaves_the_two_tasks_without_regions():
    nowhere = torch.full((6,), -1)
    sizes = {task: len(questions(task, nowhere, N_BINS)) for task in TASKS}
    assert sizes == {"co-smoothing": 6, "inter-region": 0, "intra-region": 0, "forward": 1}


def test_a_lone_unit_is_asked_for_across_regions_but_not_within():
    lone = torch.tensor([0, 1, 2])
    assert len(questions("intra-region", lone, N_BINS)) == 0
    assert len(questions("inter-region", lone, N_BINS)) == 3


def groups_of(n_groups, region=REGION, seed=0):
    return held_out_groups(region, n_groups, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("n_groups", [2, 3, 7, 50])
def test_groups_are_as_large_as_each_other_also_in_every_region(n_groups):
    region = torch.randint(-1, 5, (83,), generator=torch.Generator().manual_seed(1))
    group = groups_of(n_groups, region)
    for units in (torch.ones(83, dtype=torch.bool), *(region == code for code in range(-1, 5))):
        sizes = torch.bincount(group[units], minlength=n_groups)
        assert sizes.max() - sizes.min() <= 1
        assert sizes.sum() == units.sum()


def test_groups_are_drawn():
    assert torch.equal(groups_of(3), groups_of(3))
    assert not torch.equal(groups_of(3), groups_of(3, seed=1))
    with pytest.raises(SettingsError, match="hides all units"):
        groups_of(1)


@pytest.mark.parametrize("n_groups", [2, 3, 4])
def test_units_of_a_group_are_hidden_and_asked_for_together(n_groups):
    group = groups_of(n_groups)
    asked = questions("co-smoothing", REGION, N_BINS, group)
    assert len(asked) == n_groups
    assert {tuple(row) for row in asked.target.tolist()} == {tuple((group == g).tolist()) for g in range(n_groups)}
    assert torch.equal(asked.visible, ~asked.target)


def test_in_intra_region_they_are_those_of_the_region():
    group = groups_of(2)
    asked = questions("intra-region", REGION, N_BINS, group)
    assert len(asked) == 2 * 2, "regions 0 and 1; region 2 has one unit"
    assert asked.target.sum(0).tolist() == [1] * 7 + [0] * 3
    for visible, target in zip(asked.visible, asked.target, strict=True):
        (code,) = REGION[target].unique().tolist()
        (own,) = group[target].unique().tolist()
        assert torch.equal(target, (code == REGION) & (own == group))
        assert torch.equal(visible, (code == REGION) & (own != group))


@pytest.mark.parametrize("task", ["inter-region", "forward"])
def test_other_tasks_know_no_groups(task):
    alone, grouped = (questions(task, REGION, N_BINS, group) for group in (None, groups_of(2)))
    assert torch.equal(alone.visible, grouped.visible)
    assert torch.equal(alone.target, grouped.target)


def test_everyone_alone_is_a_group_of_one():
    for task in TASKS:
        alone, grouped = (questions(task, REGION, N_BINS, group) for group in (None, groups_of(10)))
        assert {tuple(row) for row in alone.target.tolist()} == {tuple(row) for row in grouped.target.tolist()}
