"""Every scheme hides what its name says, from any session, and never nothing."""

import pytest
import torch
from hypothesis import assume, given
from hypothesis import settings as limits
from hypothesis import strategies as st

from spikeglot import settings
from spikeglot.errors import DataError
from spikeglot.masking.drawing import Layout, Regions, draw_hidden
from spikeglot.masking.mask import PROMPTS
from spikeglot.masking.schemes import SCHEMES, draw
from spikeglot.settings import RatioSettings, n_forward_bins

CAUSAL = {"causal", "forecast"}
REGION = torch.tensor([0, 0, 0, 0, 1, 1, 1, -1, -1, 2])


def laid_out(n_trials: int, n_bins: int, region: torch.Tensor, token_units: int = 1) -> Layout:
    return Layout(n_trials, n_bins, Regions(region), token_units)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_settings_know_the_schemes_of_the_method():
    of_method = {"temporal", "neuron", "causal", "forecast", "inter-region", "intra-region", "random-token"}
    assert of_method <= set(SCHEMES) == set(settings.SCHEMES)


@pytest.mark.parametrize("name", sorted(SCHEMES))
@given(
    region=st.lists(st.integers(-1, 4), min_size=1, max_size=12).filter(lambda codes: max(codes) >= 0),
    n_bins=st.integers(1, 12),
    n_trials=st.integers(1, 5),
    ratio=st.sampled_from([1e-9, 0.01, 0.3, 0.6, 0.99]),
    seed=st.integers(0, 2**32),
)
@limits(max_examples=40, deadline=None)
def test_a_target_is_never_visible_and_every_trial_has_one(name, region, n_bins, n_trials, ratio, seed):
    layout = laid_out(n_trials, n_bins, torch.tensor(region))
    assume(SCHEMES[name].usable(layout))
    mask = draw(name, layout, ratio, rng(seed))
    assert mask.visible.shape == mask.target.shape == (n_trials, n_bins, len(region))
    assert mask.visible.dtype == mask.target.dtype == torch.bool
    assert not (mask.visible & mask.target).any()
    assert mask.target.any(2).any(1).all()
    assert (mask.causal == (name in CAUSAL)).all()
    prompt = "causal" if name == "forecast" else name
    assert (mask.prompt == PROMPTS.index(prompt)).all()


@pytest.mark.parametrize("name", sorted(SCHEMES))
def test_outside_intra_region_what_is_hidden_is_the_target(name):
    mask = draw(name, laid_out(50, 10, REGION), 0.3, rng())
    assert torch.equal(mask.target, ~mask.visible) == (name != "intra-region")


@pytest.mark.parametrize("name", sorted(SCHEMES))
def test_the_same_generator_seed_gives_the_same_mask(name):
    first, again, other = (draw(name, laid_out(40, 10, REGION), 0.3, rng(seed)) for seed in (1, 1, 2))
    assert torch.equal(first.visible, again.visible)
    assert torch.equal(first.target, again.target)
    assert torch.equal(first.target, other.target) == (name == "forecast")


@pytest.mark.parametrize(
    ("name", "default"), [("temporal", 0.3), ("neuron", 0.3), ("causal", 0.6), ("random-token", 0.3)]
)
def test_ratios_are_right_on_average(name, default):
    assert RatioSettings().of(name) == default
    for ratio in (default, 0.1, 0.9):
        mask = draw(name, laid_out(1000, 50, torch.zeros(60, dtype=torch.int64)), ratio, rng())
        assert mask.target.float().mean().item() == pytest.approx(ratio, abs=0.01)


@pytest.mark.parametrize("name", ["temporal", "causal"])
def test_bins_are_hidden_from_all_units(name):
    target = draw(name, laid_out(50, 10, REGION), 0.5, rng()).target
    assert torch.equal(target, target[:, :, :1].expand_as(target))
    assert 0 < target[:, :, 0].float().mean() < 1


def test_neuron_hides_units_in_all_bins():
    target = draw("neuron", laid_out(50, 10, REGION), 0.5, rng()).target
    assert torch.equal(target, target[:, :1].expand_as(target))
    assert 0 < target[:, 0].float().mean() < 1


def test_random_token_hides_single_entries():
    target = draw("random-token", laid_out(50, 10, REGION), 0.5, rng()).target
    assert not torch.equal(target, target[:, :1].expand_as(target))
    assert not torch.equal(target, target[:, :, :1].expand_as(target))


def test_random_token_hides_whole_patches_where_units_share_a_token():
    mask = draw("random-token", laid_out(200, 10, REGION, token_units=4), 0.3, rng())
    patches = mask.target.split(4, dim=2)
    assert [patch.shape[2] for patch in patches] == [4, 4, 2]
    for patch in patches:
        assert torch.equal(patch, patch[:, :, :1].expand_as(patch))
        assert patch.float().mean().item() == pytest.approx(0.3, abs=0.03)
    assert not torch.equal(patches[0], patches[1])


@pytest.mark.parametrize("n_bins", [1, 4, 10, 25, 100])
def test_forecast_hides_the_last_tenth_and_at_least_one_bin(n_bins):
    mask = draw("forecast", laid_out(3, n_bins, REGION), 0.0, rng())
    last = n_forward_bins(n_bins)
    assert last == {1: 1, 4: 1, 10: 1, 25: 2, 100: 10}[n_bins]
    assert mask.target[:, n_bins - last :].all()
    assert mask.visible[:, : n_bins - last].all()
    assert mask.target.sum() == 3 * last * len(REGION)


def test_inter_region_hides_exactly_one_region_and_every_region_in_turn():
    target = draw("inter-region", laid_out(400, 10, REGION), 0.0, rng()).target[:, 0]
    seen = []
    for row in target:
        codes = REGION[row].unique()
        assert len(codes) == 1
        assert codes.item() >= 0
        assert torch.equal(row, codes == REGION)
        seen.append(codes.item())
    shares = torch.bincount(torch.tensor(seen)) / len(seen)
    assert shares == pytest.approx(torch.full((3,), 1 / 3), abs=0.08)


def test_intra_region_stays_inside_one_region_of_several_units():
    mask = draw("intra-region", laid_out(400, 10, REGION), 0.3, rng())
    used = mask.visible | mask.target
    assert torch.equal(used, used[:, :1].expand_as(used))
    regions = []
    for row in used[:, 0]:
        codes = REGION[row].unique()
        assert len(codes) == 1
        assert torch.equal(row, codes == REGION)
        regions.append(codes.item())
    assert set(regions) == {0, 1}, "the region of one unit, and units without a region, cannot be asked for"


def test_intra_region_hides_its_share_of_the_units_inside():
    region = torch.arange(4).repeat_interleave(40)
    mask = draw("intra-region", laid_out(500, 2, region), 0.3, rng())
    inside = mask.visible | mask.target
    assert (mask.target.sum() / inside.sum()).item() == pytest.approx(0.3, abs=0.01)
    assert inside.sum() == 500 * 2 * 40


def test_intra_region_with_lone_units_only_still_asks_for_one():
    mask = draw("intra-region", laid_out(20, 3, torch.tensor([0, 1, 2, -1])), 0.3, rng())
    assert (mask.target[:, 0].sum(1) == 1).all()
    assert not mask.target[:, :, 3].any()
    assert not mask.visible.any()


@pytest.mark.parametrize("name", ["inter-region", "intra-region"])
def test_schemes_on_regions_refuse_a_session_without(name):
    with pytest.raises(DataError, match=f"'{name}' needs a region"):
        draw(name, laid_out(2, 3, torch.full((4,), -1)), 0.3, rng())


def test_an_unknown_scheme_is_named_with_a_suggestion():
    with pytest.raises(DataError, match=r"no masking scheme 'neurons'. Did you mean 'neuron'"):
        draw("neurons", laid_out(2, 3, REGION), 0.3, rng())


def test_draw_hidden_keeps_to_what_is_allowed():
    among = torch.zeros((200, 8), dtype=torch.bool)
    among[:, 3] = among[:, 6] = True
    hidden = draw_hidden(200, 8, 1e-9, rng(), among)
    assert (hidden.sum(1) == 1).all()
    assert not (hidden & ~among).any()
    assert hidden[:, 3].any()
    assert hidden[:, 6].any()
