"""What a model for new sessions takes over from a trained one."""

import pytest
import torch

from spikeglot.checkpoint import build_model
from spikeglot.models.adapt import start_from_regions, take_over

torch.set_num_threads(1)
KNOWN = {"a.1": ("VISp", "VISp", "CA1", "CA1", "CA1", "TH"), "b": ("VISp", "CA1", "CA1", "")}
"""Sessions of unlike size; ids may hold a dot."""
NEW = {"new": ("CA1", "VISp", "MOs", "", "CA1", "VISp")}
N_BINS, WIDTH = 10, 16


def model_of(factories, regions, seed):
    """A model whose every weight and buffer is drawn, as after training."""
    recipe = factories.small_recipe(seed, model={"start": "factors"})
    model = build_model(recipe, {name: len(r) for name, r in regions.items()})
    torch.manual_seed(seed)
    with torch.no_grad():
        for value in model.state_dict().values():
            if value.is_floating_point():
                value.normal_()
    return model


@pytest.fixture
def trained(factories):
    return model_of(factories, KNOWN, 1)


@pytest.fixture
def model(factories):
    return model_of(factories, NEW, 2)


def parts(model, prefix):
    return {name: value.clone() for name, value in model.state_dict().items() if name.startswith(prefix)}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_all_that_sessions_share_is_taken_over(trained, model):
    own = parts(model, "stitchers.")
    take_over(model, trained, unit_prior=True)
    shared = {name: v for name, v in trained.state_dict().items() if not name.startswith("stitchers.")}
    assert same({name: v for name, v in model.state_dict().items() if not name.startswith("stitchers.")}, shared)
    assert same(parts(model, "stitchers."), own)


def test_the_prior_of_a_unit_may_be_left_behind(trained, model):
    before = parts(model, "unit_prior.")
    take_over(model, trained, unit_prior=False)
    assert same(parts(model, "unit_prior."), before)
    assert same(parts(model, "layers."), parts(trained, "layers."))


def test_sessions_that_both_know_keep_their_stitchers(factories, trained):
    both = model_of(factories, {**KNOWN, **NEW}, 3)
    new = both.stitcher("new").read_in.weight.clone()
    take_over(both, trained, unit_prior=True)
    for name in KNOWN:
        assert same(both.stitcher(name).state_dict(), trained.stitcher(name).state_dict())
    assert torch.equal(both.stitcher("new").read_in.weight, new)


def test_the_given_model_stays_as_it_was(trained, model):
    before = parts(trained, "")
    take_over(model, trained, unit_prior=True)
    start_from_regions(model, trained, NEW, KNOWN)
    with torch.no_grad():
        for value in model.parameters():
            value.add_(1)
    assert same(parts(trained, ""), before)


def test_a_unit_starts_from_the_units_of_its_region(trained, model):
    start_from_regions(model, trained, NEW, KNOWN)
    a, b = (trained.stitcher(name).read_in.weight for name in KNOWN)
    by_region = {
        "VISp": torch.stack([a[:, 0], a[:, 1], b[:, 0]], dim=1).mean(1),
        "CA1": torch.stack([a[:, 2], a[:, 3], a[:, 4], b[:, 1], b[:, 2]], dim=1).mean(1),
        "": b[:, 3],
        "MOs": torch.cat([a, b], dim=1).mean(1),
    }
    expected = torch.stack([by_region[region] for region in NEW["new"]], dim=1)
    torch.testing.assert_close(model.stitcher("new").read_in.weight.detach(), expected)


def test_what_a_session_has_once_starts_from_the_mean_over_sessions(trained, model):
    start_from_regions(model, trained, NEW, KNOWN)
    donors = [trained.stitcher(name) for name in KNOWN]
    found = model.stitcher("new")
    torch.testing.assert_close(found.token, (donors[0].token + donors[1].token) / 2)
    torch.testing.assert_close(found.read_in.bias, (donors[0].read_in.bias + donors[1].read_in.bias) / 2)


def test_what_reads_the_factors_starts_from_sessions_with_as_many(trained, model):
    """Six units have two factors per scale, four only one: those of "b" mean something else to another session."""
    own = trained.stitcher("a.1").read_factors.weight
    assert own.shape != trained.stitcher("b").read_factors.weight.shape
    start_from_regions(model, trained, NEW, KNOWN)
    assert torch.equal(model.stitcher("new").read_factors.weight, own)


def test_without_a_session_of_as_many_factors_it_stays_as_drawn(trained, model):
    before = model.stitcher("new").read_factors.weight.clone()
    start_from_regions(model, trained, NEW, {"b": KNOWN["b"]})
    assert torch.equal(model.stitcher("new").read_factors.weight, before)


def test_readouts_and_the_closed_form_path_are_not_touched(trained, model):
    before = {**parts(model.stitcher("new"), "factors."), **parts(model.stitcher("new"), "readout.")}
    start_from_regions(model, trained, NEW, KNOWN)
    after = {**parts(model.stitcher("new"), "factors."), **parts(model.stitcher("new"), "readout.")}
    assert same(before, after)
