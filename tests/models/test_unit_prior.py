"""What is known of a unit before its spikes: the layout of the prior, and what the settings say of it."""

import pytest
import torch

from spikeglot.models.unit_prior import INTERCEPT_PRECISION, UnitPrior, n_course_waves
from spikeglot.settings import FactorSettings

SETTINGS = FactorSettings(
    n_factors=3, timescales_s=(0.1, 0.03), drift_waves=2, drift_ridge=7.0, psth_ridge=5.0, ridge=11.0
)
"""Three scales of three factors."""


@pytest.fixture
def prior():
    return UnitPrior(SETTINGS, n_bins=20, bin_size_s=0.02)


@pytest.mark.parametrize(
    ("n_bins", "bin_size_s", "resolution_s", "n_waves"),
    [
        (20, 0.02, 0.1, 4),
        (40, 0.01, 0.1, 4),
        (20, 0.02, 0.5, 1),
        (20, 0.02, 1.0, 0),
        (20, 0.02, 0.001, 19),
        (1, 0.02, 0.001, 0),
    ],
)
def test_cosines_of_the_window_are_counted_by_half_periods(n_bins, bin_size_s, resolution_s, n_waves):
    """As many as half-periods fit in, never as many as bins, and none where the window is too short for one."""
    assert n_course_waves(FactorSettings(psth_resolution_s=resolution_s), n_bins, bin_size_s) == n_waves


def test_before_any_animal_it_is_centred_and_on_record_as_such(prior):
    assert (prior.mean == 0).all()
    assert prior.n_units == 0


def test_its_precision_is_that_of_the_settings(prior):
    n_course = n_course_waves(SETTINGS, 20, 0.02)
    intercept, drift, course, weights = prior.precision.split([1, 2, n_course, 9])
    assert intercept.item() == INTERCEPT_PRECISION
    torch.testing.assert_close(drift, torch.tensor([7.0, 28.0]))
    assert (course > 5.0).all()
    assert (course.diff() > 0).all()
    assert (weights == 11.0).all()


def test_a_frequency_is_held_back_as_much_in_a_window_of_any_length():
    """1.25 Hz twice as much as a wave of no frequency would be."""
    for n_bins in (20, 60):
        prior = UnitPrior(SETTINGS, n_bins, 0.02)
        wave = round(1.25 * 2 * n_bins * 0.02)
        assert prior.precision[2 + wave].item() == pytest.approx(2 * 5.0)


def test_a_session_with_fewer_factors_takes_the_first_of_every_scale(prior):
    n_time = len(prior.mean) - 9
    time = list(range(n_time))
    assert prior.predictors(3).tolist() == list(range(n_time + 9))
    assert prior.predictors(1).tolist() == [*time, n_time, n_time + 3, n_time + 6]
    assert prior.predictors(2).tolist() == [*time, *(n_time + k for k in (0, 1, 3, 4, 6, 7))]


def test_it_is_part_of_what_a_checkpoint_keeps(prior):
    assert set(prior.state_dict()) == {"mean", "precision", "n_units"}
    assert not list(prior.parameters()), "it is learned in closed form, never by gradients"
