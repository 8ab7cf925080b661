"""The mixture that MtM trains on."""

import pytest
import torch

from spikeglot.masking.drawing import Layout, Regions
from spikeglot.masking.mask import PROMPTS
from spikeglot.masking.mixture import draw_mixture, usable_schemes
from spikeglot.masking.schemes import SCHEMES
from spikeglot.settings import MaskSettings

REGION = torch.tensor([0, 0, 0, 0, 1, 1, 1, -1, -1, 2])
MTM = ("neuron", "causal", "intra-region", "inter-region")


def laid_out(n_trials: int, n_bins: int, region: torch.Tensor, token_units: int = 1) -> Layout:
    return Layout(n_trials, n_bins, Regions(region), token_units)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def names(mask) -> list[str]:
    return [PROMPTS[i] for i in mask.prompt.tolist()]


def test_the_default_mixture_is_that_of_mtm():
    assert MaskSettings().schemes == MTM
    assert MaskSettings().draw == "trial"


def test_each_trial_draws_its_scheme_uniformly():
    drawn = names(draw_mixture(MaskSettings(), laid_out(2000, 4, REGION), rng()))
    for name in MTM:
        assert drawn.count(name) / 2000 == pytest.approx(0.25, abs=0.035)


def test_a_scheme_comes_as_often_early_as_late_in_the_stack():
    """Copies of a trial stand one stack apart: schemes in blocks would give each copy a scheme of its own."""
    drawn = names(draw_mixture(MaskSettings(), laid_out(2000, 4, REGION), rng()))
    for name in MTM:
        assert drawn[:1000].count(name) == pytest.approx(drawn[1000:].count(name), abs=80)


def test_each_trial_holds_a_mask_of_the_scheme_that_its_prompt_names():
    mask = draw_mixture(MaskSettings(), laid_out(300, 10, REGION), rng())
    for visible, target, name, causal in zip(mask.visible, mask.target, names(mask), mask.causal, strict=True):
        assert causal == (name == "causal")
        hides_bins = torch.equal(target, target[:, :1].expand_as(target))
        assert hides_bins == (name == "causal")
        assert torch.equal(target, ~visible) == (name != "intra-region")
        if name == "inter-region":
            assert len(REGION[target[0]].unique()) == 1


def test_per_batch_all_trials_share_one_scheme_but_not_one_mask():
    settings = MaskSettings(draw="batch")
    seen, differ = [], False
    for seed in range(200):
        mask = draw_mixture(settings, laid_out(6, 10, REGION), rng(seed))
        assert len(set(names(mask))) == 1
        assert len(mask) == 6
        seen.append(names(mask)[0])
        differ = differ or not torch.equal(mask.target[0], mask.target[1])
    assert differ
    for name in MTM:
        assert seen.count(name) / 200 == pytest.approx(0.25, abs=0.1)


@pytest.mark.parametrize("draw", ["trial", "batch"])
def test_the_same_seed_gives_the_same_masks(draw):
    settings = MaskSettings(draw=draw, schemes=tuple(sorted(SCHEMES)))
    first, again, other = (draw_mixture(settings, laid_out(50, 10, REGION), rng(seed)) for seed in (3, 3, 4))
    for part in ("visible", "target", "prompt", "causal"):
        assert torch.equal(getattr(first, part), getattr(again, part))
    assert not torch.equal(first.target, other.target)


def test_without_regions_the_schemes_on_regions_are_left_out():
    assert usable_schemes(MaskSettings(), laid_out(1, 4, REGION)) == MTM
    assert usable_schemes(MaskSettings(), laid_out(1, 4, torch.full((5,), -1))) == ("neuron", "causal")
    mask = draw_mixture(MaskSettings(), laid_out(200, 4, torch.full((5,), -1)), rng())
    assert set(names(mask)) == {"neuron", "causal"}


def test_one_region_for_all_units_leaves_nothing_to_predict_it_from():
    everyone, all_but_one = torch.zeros(5, dtype=torch.int64), torch.tensor([0, 0, 0, 0, -1])
    assert "inter-region" not in usable_schemes(MaskSettings(), laid_out(1, 4, everyone))
    assert "inter-region" in usable_schemes(MaskSettings(), laid_out(1, 4, all_but_one))


def test_an_unprompted_mixture_is_the_same_but_for_the_prompt():
    prompted, without = (
        draw_mixture(MaskSettings(prompted=prompted), laid_out(50, 10, REGION), rng()) for prompted in (True, False)
    )
    assert set(names(without)) == {"none"}
    assert torch.equal(prompted.target, without.target)
    assert torch.equal(prompted.causal, without.causal)


def test_the_ratios_of_the_settings_are_used():
    settings = MaskSettings(schemes=("neuron",), ratio={"neuron": 0.8})  # type: ignore[arg-type]
    mask = draw_mixture(settings, laid_out(500, 2, torch.zeros(40, dtype=torch.int64)), rng())
    assert mask.target.float().mean().item() == pytest.approx(0.8, abs=0.02)
