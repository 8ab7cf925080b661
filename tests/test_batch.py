"""Numpy becomes tensors, trials become batches of groups: nothing lost, nothing twice."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from spikeglot.batch import epoch_batches, masked_groups, region_codes, session_quotas, sessions_by_id, to_tensors
from spikeglot.settings import MaskSettings


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


@given(
    n_trials=st.lists(st.integers(0, 40), min_size=1, max_size=4).filter(lambda sizes: sum(sizes) > 0),
    batch_size=st.integers(1, 50),
    seed=st.integers(0, 99),
)
@limits(max_examples=60, deadline=None)
def test_an_epoch_visits_every_trial_of_every_session_once(n_trials, batch_size, seed):
    sizes = {f"s{i}": n for i, n in enumerate(n_trials)}
    batches = list(epoch_batches(sizes, batch_size, rng(seed)))
    visited = [(name, i) for batch in batches for name, trials in batch.items() for i in trials.tolist()]
    assert sorted(visited) == [(name, i) for name, n in sizes.items() for i in range(n)]
    lengths = [sum(len(trials) for trials in batch.values()) for batch in batches]
    assert all(n == batch_size for n in lengths[:-1])
    assert 0 < lengths[-1] <= batch_size
    assert all(len(trials) > 0 for batch in batches for trials in batch.values())


def test_batches_mix_sessions_and_have_an_order_of_their_own():
    sizes = {"a": 50, "b": 50}
    first, again, other = (list(epoch_batches(sizes, 10, rng(seed))) for seed in (0, 0, 1))
    assert sum(len(batch) == 2 for batch in first) >= 8
    same = [torch.equal(x["a"], y["a"]) for x, y in zip(first, again, strict=True) if "a" in x and "a" in y]
    assert all(same)
    assert not torch.equal(first[0]["a"], other[0]["a"])


@given(
    n_trials=st.lists(st.integers(0, 40), min_size=1, max_size=5).filter(lambda sizes: sum(sizes) > 0),
    exponent=st.sampled_from([0.0, 0.3, 0.5, 1.0]),
    seed=st.integers(0, 9),
)
@limits(max_examples=60, deadline=None)
def test_an_epoch_gives_every_session_its_quota_and_its_trials_the_same_say(n_trials, exponent, seed):
    sizes = {f"s{i}": n for i, n in enumerate(n_trials)}
    visits = {name: torch.zeros(n, dtype=torch.int64) for name, n in sizes.items()}
    for batch in epoch_batches(sizes, 8, rng(seed), exponent):
        for name, trials in batch.items():
            visits[name] += torch.bincount(trials, minlength=sizes[name])
    quotas = session_quotas(n_trials, exponent)
    assert sum(quotas) == sum(n_trials)
    assert [int(v.sum()) for v in visits.values()] == quotas
    assert all(v.max() - v.min() <= 1 for v in visits.values() if len(v))


def test_quotas_go_with_a_power_of_the_trials():
    assert session_quotas([400, 100, 0], 1.0) == [400, 100, 0]
    assert session_quotas([400, 100, 0], 0.0) == [250, 250, 0]
    assert session_quotas([400, 100], 0.5) == [333, 167]
    assert session_quotas([10, 10, 10, 2], 0.0) == [8, 8, 8, 8]
    assert session_quotas([5, 5, 1], 0.0) == [4, 4, 3]


def test_what_an_epoch_leaves_out_of_a_large_session_differs_between_epochs():
    def seen(seed):
        batches = epoch_batches({"large": 90, "small": 10}, 8, rng(seed), 0.0)
        return set(torch.cat([batch["large"] for batch in batches if "large" in batch]).tolist())

    assert len(seen(0)) == len(seen(1)) == 50
    assert seen(0) == seen(0) != seen(1)


def test_region_codes_number_names_and_know_the_unknown():
    codes = region_codes(np.array(["VISp", "", "CA1", "VISp"], dtype=object))
    assert codes.tolist() == [1, -1, 0, 1]
    assert codes.dtype == torch.int64
    assert region_codes(np.array(["", ""], dtype=object)).tolist() == [-1, -1]


def test_tensors_hold_the_counts_the_times_and_the_regions(factories):
    counts = factories.make_counts(n_trials=6)
    tensors = to_tensors(counts)
    assert tensors.counts.dtype == torch.uint8
    assert np.shares_memory(tensors.counts.numpy(), counts.counts)
    assert np.array_equal(tensors.counts.numpy(), counts.counts)
    assert tensors.start_s.dtype == torch.float64
    assert tensors.start_s.tolist() == [0, 2, 4, 6, 8, 10]
    assert tensors.n_trials == 6
    assert tensors.layout(9).n_trials == 9
    assert tensors.layout(9).n_units == len(factories.REGIONS)


def test_more_than_255_spikes_in_a_bin_survive(factories):
    counts = factories.make_counts(n_trials=3)
    large = counts.counts.astype(np.uint16)
    large[1, 2, 3] = 40_000
    group = to_tensors(replace(counts, counts=large)).group(slice(0, 3), None)
    assert group.counts[1, 2, 3] == 40_000
    assert group.counts.dtype == torch.float32


def test_read_only_and_strided_counts_are_taken(factories):
    """Counts out of a cache may be memory-mapped read-only; a warning would be an error here."""
    counts = factories.make_counts(n_trials=6)
    frozen = counts.counts[::2]
    frozen.setflags(write=False)
    assert np.array_equal(to_tensors(replace(counts, counts=frozen, trials=counts.trials[::2])).counts.numpy(), frozen)
    whole = counts.counts.copy()
    whole.setflags(write=False)
    assert np.array_equal(to_tensors(replace(counts, counts=whole)).counts.numpy(), whole)


def test_groups_hold_the_trials_they_were_asked_for_each_with_masks_of_its_own(factories):
    sessions = sessions_by_id(factories.two_sessions())
    batch = {"a.1": torch.tensor([4, 0, 2]), "b/2": torch.tensor([7])}
    groups = masked_groups(sessions, batch, MaskSettings(masks_per_trial=3), 0)
    assert [group.session_id for group in groups] == ["a.1", "b/2"]
    for group, trials in zip(groups, batch.values(), strict=True):
        expected = trials.repeat(3)
        assert len(group.mask) == len(expected)
        assert torch.equal(group.counts, sessions[group.session_id].counts[expected].float())
        assert torch.equal(group.start_s, sessions[group.session_id].start_s[expected])
    masks = groups[0].mask
    same = [torch.equal(masks.target[i], masks.target[i + 3]) for i in range(3)]
    assert not all(same), "several masks per trial are different masks"


@pytest.mark.parametrize("draw", ["trial", "batch"])
def test_the_same_seed_gives_the_same_groups(factories, draw):
    sessions = sessions_by_id(factories.two_sessions())
    batch = {"a.1": torch.arange(10), "b/2": torch.arange(10)}
    settings = MaskSettings(draw=draw)
    first, again, other = (masked_groups(sessions, batch, settings, seed) for seed in (5, 5, 6))
    for a, b in zip(first, again, strict=True):
        assert torch.equal(a.mask.visible, b.mask.visible)
    assert any(not torch.equal(a.mask.visible, c.mask.visible) for a, c in zip(first, other, strict=True))


def test_a_part_of_a_batch_has_the_masks_that_it_has_in_the_whole(factories):
    """Ranks divide a step: the masks of none depend on what the others do."""
    sessions = sessions_by_id(factories.two_sessions())
    batch = {"a.1": torch.tensor([4, 0, 2]), "b/2": torch.tensor([7, 1])}
    settings = MaskSettings(masks_per_trial=2)
    whole = {group.session_id: group for group in masked_groups(sessions, batch, settings, 3)}
    for parts in ({"a.1": slice(0, 5)}, {"a.1": slice(5, 6), "b/2": slice(0, 4)}):
        groups = masked_groups(sessions, batch, settings, 3, parts=parts)
        assert [group.session_id for group in groups] == list(parts)
        for group, part in zip(groups, parts.values(), strict=True):
            its = whole[group.session_id]
            assert torch.equal(group.counts, its.counts[part])
            assert torch.equal(group.start_s, its.start_s[part])
            assert all(torch.equal(value, vars(its.mask)[name][part]) for name, value in vars(group.mask).items())


@pytest.mark.parametrize("draw", ["trial", "batch"])
@pytest.mark.parametrize("n_trials", [1, 5])
def test_no_two_entries_of_a_mask_share_their_memory(factories, draw, n_trials):
    """A GPU could not be given them: memory that it fetches from is written entry by entry."""
    sessions = sessions_by_id(factories.two_sessions())
    for seed in range(20):
        (group,) = masked_groups(sessions, {"a.1": torch.arange(n_trials)}, MaskSettings(draw=draw), seed)
        for part in (group.counts, group.start_s, *vars(group.mask).values()):
            assert torch._debug_has_internal_overlap(part) == 0


def test_masks_do_not_depend_on_counts(factories):
    sessions = sessions_by_id(factories.two_sessions())
    emptied = {name: type(s)(name, torch.zeros_like(s.counts), s.start_s, s.region) for name, s in sessions.items()}
    batch = {"a.1": torch.arange(10)}
    (a,), (b,) = (masked_groups(part, batch, MaskSettings(), 0) for part in (sessions, emptied))
    assert torch.equal(a.mask.target, b.mask.target)
