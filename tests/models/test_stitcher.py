"""What a session starts from."""

import pytest
import torch

from spikeglot.masking.mask import unmasked


@pytest.fixture(scope="module")
def session(factories):
    return factories.make_session(n_trials=40)


def start(factories, session, start):
    return factories.make_model(factories.small_recipe(model={"start": start}), {"a": session})


def test_the_published_start_is_rate_one_and_raw_counts(factories, session):
    stitcher = start(factories, session, "zero").stitcher("a")
    assert stitcher.readout.bias.abs().max() == 0
    group = session.group(slice(0, 5), unmasked(5, *session.counts.shape[1:]))
    channels, known = stitcher.stitch(group)
    torch.testing.assert_close(channels, stitcher.read_in(group.counts)[:, :, None])
    assert known is None


def test_counts_enter_scaled_by_the_training_mean(factories, session):
    stitcher = start(factories, session, "rates").stitcher("a")
    mean = session.counts.float().mean((0, 1))
    group = session.group(slice(0, 5), unmasked(5, *session.counts.shape[1:]))
    channels, known = stitcher.stitch(group)
    torch.testing.assert_close(channels, stitcher.read_in((group.counts - mean) / mean.sqrt())[:, :, None])
    torch.testing.assert_close(known, mean.log())


def test_the_start_on_factors_predicts_what_they_do_until_it_is_trained(factories, session):
    model = start(factories, session, "factors")
    group = session.group(slice(0, 5), unmasked(5, *session.counts.shape[1:]))
    known, latent = model.stitcher("a").factors(group)
    assert latent.shape == (5, factories.N_BINS, 2 * 3)
    assert torch.equal(factories.predict(model, session, group.mask), known)


@pytest.mark.parametrize("start_from", ["rates", "factors"])
def test_a_unit_silent_in_training_gets_a_low_but_finite_rate(factories, session, start_from):
    counts = session.counts.clone()
    counts[:, :, 3] = 0
    silent = type(session)("a", counts, session.start_s, session.region)
    model = start(factories, silent, start_from)
    predicted = factories.predict(model, silent, unmasked(40, *counts.shape[1:]))
    assert torch.isfinite(predicted).all()
    if start_from == "factors":
        n_entries = counts.shape[0] * counts.shape[1]
        expected_spikes = predicted[:, :, 3].exp().mean() * n_entries
        assert 0.02 < expected_spikes < 1, "a fraction of a spike over all training trials"


@pytest.mark.parametrize("n_units", [1, 2, 4])
def test_few_units_mean_few_factors(factories, n_units):
    few = factories.make_session(regions=("VISp",) * n_units)
    model = start(factories, few, "factors")
    assert model.stitcher("a").factors.loading.shape[2] == 1
    assert torch.isfinite(factories.predict(model, few, unmasked(40, *few.counts.shape[1:]))).all()
