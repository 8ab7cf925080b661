"""The simulator: same seed same bytes, true rates that are true, and information that a model can find."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.ndimage import gaussian_filter1d
from sklearn.linear_model import PoissonRegressor
from threadpoolctl import threadpool_limits

from spikeglot.data.prepare import prepare
from spikeglot.data.quality import mean_rate_hz
from spikeglot.data.simulate import GRID_S, SimulationSettings, simulate_sessions
from spikeglot.settings import QualitySettings, WindowSettings

SMALL = SimulationSettings(n_subjects=2, n_trials=20)


@pytest.fixture(scope="module")
def default():
    return simulate_sessions()


def bits_per_spike(counts, rates):
    """Pooled over units; null: the mean over these entries."""
    null = counts.mean(axis=(0, 1))
    gain = counts * np.log(rates / null) - (rates - null)
    return gain.sum() / counts.sum() / np.log(2)


def test_same_seed_same_bytes():
    for a, b in zip(simulate_sessions(SMALL, 5), simulate_sessions(SMALL, 5), strict=True):
        assert a.spike_times_s.tobytes() == b.spike_times_s.tobytes()
        assert a.spike_unit.tobytes() == b.spike_unit.tobytes()
        assert a.behaviour["motion_energy"].values.tobytes() == b.behaviour["motion_energy"].values.tobytes()
        assert a.trials.equals(b.trials)
        assert a.units.equals(b.units)
    assert simulate_sessions(SMALL, 6)[0].n_spikes != simulate_sessions(SMALL, 5)[0].n_spikes


def test_an_animal_does_not_depend_on_how_many_follow():
    alone = simulate_sessions(SMALL.model_copy(update={"n_subjects": 1}))[0]
    np.testing.assert_array_equal(alone.spike_times_s, simulate_sessions(SMALL)[0].spike_times_s)


def test_sessions_differ_in_units_and_regions_and_look_like_recordings(default):
    assert len({s.subject_id for s in default}) == len({s.session_id for s in default}) == 4
    assert len({s.n_units for s in default}) > 1
    assert {s.units["region"].nunique() for s in default} == {3, 4}
    rate_hz = np.concatenate([np.bincount(s.spike_unit) / s.recorded_s[0, 1] for s in default])
    assert 3 < np.median(rate_hz) < 6
    assert rate_hz.max() > 25
    for s in default:
        assert s.n_trials == 300
        assert set(s.trials["choice"]) == {-1, 1}
        assert 0.75 < (s.trials["feedback_type"] == 1).mean() < 0.97
        assert (np.diff(s.trials[["start_time", "stim_on_time", "response_time", "stop_time"]]) > 0).all()
        assert (s.trials["start_time"].to_numpy()[1:] > s.trials["stop_time"].to_numpy()[:-1]).all()
        assert s.spike_times_s.min() >= 0
        assert s.spike_times_s.max() < s.recorded_s[0, 1]
        assert np.diff(s.behaviour["motion_energy"].times_s).mean() == pytest.approx(1 / 60)


def test_spikes_have_the_true_rates(default):
    """Counts minus expected counts, in units of the Poisson standard error, are standard normal."""
    session = default[0]
    duration_s = session.recorded_s[0, 1]
    start_s = np.arange(0.0, duration_s - 1.0, 1.0)
    tiles = prepare(session, WindowSettings(), QualitySettings(min_rate_hz=0))
    np.testing.assert_allclose(tiles.trials["window_start_s"], start_s[: tiles.n_trials])
    expected = tiles.rates.astype(float)

    per_unit = (tiles.counts - expected).sum(axis=(0, 1)) / np.sqrt(expected.sum(axis=(0, 1)))
    assert np.abs(per_unit).max() < 4.5
    assert np.std(per_unit) == pytest.approx(1, abs=0.25)
    per_bin = (tiles.counts - expected).sum(axis=2) / np.sqrt(expected.sum(axis=2))
    assert per_bin.mean() == pytest.approx(0, abs=4 / np.sqrt(per_bin.size))
    assert np.std(per_bin) == pytest.approx(1, abs=0.02)


def test_expected_counts_integrate_the_rate_over_any_window():
    session = simulate_sessions(SMALL)[0]
    rate_hz = np.exp(session.bias + session.latents @ session.loadings.T)
    on_grid = session.expected_counts(np.array([1.0, 3.5]), 25, 0.02)
    np.testing.assert_allclose(on_grid[1], rate_hz[350:400].reshape(25, 2, -1).sum(axis=1) * GRID_S, rtol=1e-5)

    fine_s = 1e-4
    step = ((1.2345 + fine_s * (np.arange(7 * 130) + 0.5)) / GRID_S).astype(int)
    off_grid = session.expected_counts(np.array([1.2345]), 7, 0.013)
    np.testing.assert_allclose(off_grid[0], rate_hz[step].reshape(7, 130, -1).sum(axis=1) * fine_s, rtol=1e-4)

    end_s = session.recorded_s[0, 1]
    over_the_end = session.expected_counts(np.array([end_s - 0.1, end_s + 5.0, -10.0]), 10, 0.02)
    assert (over_the_end[0, :5] > 0).all()
    assert (over_the_end[0, 5:] == 0).all()
    assert (over_the_end[1:] == 0).all()


def test_animals_share_the_dynamics_and_regions_drive_each_other_with_a_delay(default):
    """The regression of one region's latents on the delayed ones of its source is the same in all animals."""
    first, second = default[0].latents, default[1].latents
    source, target = slice(0, 2), slice(2, 4)  # TH feeds VISp

    def weights(x, delay):
        return np.linalg.lstsq(x[:-delay, source], x[delay:, target], rcond=None)[0]

    best = max(range(1, 15), key=lambda d: np.abs(weights(first, d)).sum())
    assert 1 < best < 12
    np.testing.assert_allclose(weights(first, best), weights(second, best), atol=0.15)
    assert np.abs(weights(first, best)).max() > 0.3


def test_the_oracle_is_as_informative_as_strong_real_data_and_can_be_approached(default):
    """A Poisson regression on the other units' smoothed counts finds most of what the true rates say."""
    window = WindowSettings(align="stim_on_time", stop_s=1.0)
    oracle = [bits_per_spike(c.counts, c.rates) for c in (prepare(s, window, QualitySettings()) for s in default)]
    assert 0.3 < min(oracle) < max(oracle) < 0.8

    counts = prepare(default[0], window, QualitySettings())
    assert np.median(mean_rate_hz(counts)) > 2
    smooth = gaussian_filter1d(np.sqrt(counts.counts.astype(float)), 3, axis=1)
    train, test = np.arange(counts.n_trials) % 5 > 0, np.arange(counts.n_trials) % 5 == 0
    unit = np.arange(0, counts.n_units, 9)
    predicted = np.empty((test.sum(), counts.n_bins, len(unit)))
    for i, u in enumerate(unit):
        x = np.delete(smooth, u, axis=2)
        x = 0.3 * (x - x.mean(axis=(0, 1))) / x.std(axis=(0, 1))
        model = PoissonRegressor(alpha=0.01, max_iter=300)
        with threadpool_limits(1):  # small matrices: more threads only wait for each other
            model.fit(x[train].reshape(-1, x.shape[2]), counts.counts[train][:, :, u].ravel())
        predicted[:, :, i] = model.predict(x[test].reshape(-1, x.shape[2])).reshape(test.sum(), -1)
    found = bits_per_spike(counts.counts[test][:, :, unit], predicted)
    assert found > 0.6 * bits_per_spike(counts.counts[test][:, :, unit], counts.rates[test][:, :, unit])


def test_one_region_and_settings_that_contradict():
    session = simulate_sessions(SimulationSettings(n_subjects=2, n_trials=2, regions=("CA1",)))[1]
    assert set(session.units["region"]) == {"CA1"}
    with pytest.raises(ValidationError, match="min_units = 9 is more than max_units = 3"):
        SimulationSettings(min_units=9, max_units=3)
