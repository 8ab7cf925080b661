"""Traces at the bin rate: means against brute force, holes, sums of events."""

import numpy as np
import pytest

from spikeglot.data.session import Trace
from spikeglot.errors import DataError
from spikeglot.evaluation.decoding.traces import accumulated, binned


def test_bins_hold_the_mean_of_their_samples():
    rng = np.random.default_rng(0)
    times_s = np.sort(rng.uniform(0, 10, 3000))
    values = 1e6 + rng.normal(size=(3000, 2))
    start_s = np.array([1.0, 4.321, 7.5])
    found = binned(Trace(times_s, values), start_s, 5, 0.1)
    assert found.shape == (3, 5, 2)
    for w, begin_s in enumerate(start_s):
        for b in range(5):
            inside = (times_s >= begin_s + 0.1 * b) & (times_s < begin_s + 0.1 * (b + 1))
            np.testing.assert_allclose(found[w, b], values[inside].mean(axis=0), rtol=1e-12)


def test_a_sample_on_an_edge_belongs_to_the_bin_that_begins_there():
    trace = Trace(np.arange(10) * 0.02, np.arange(10.0))
    np.testing.assert_allclose(binned(trace, np.array([0.0]), 5, 0.02)[0, :, 0], np.arange(5.0))


def test_a_slower_trace_is_interpolated_at_bin_centres():
    times_s = np.arange(0, 5, 0.1) + 0.05
    found = binned(Trace(times_s, 3 * times_s), np.array([1.0]), 20, 0.02)[0, :, 0]
    centre_s = 1.0 + 0.02 * (np.arange(20) + 0.5)
    holds_one = np.array([np.any((times_s >= c - 0.01 - 1e-9) & (times_s < c + 0.01 - 1e-9)) for c in centre_s])
    assert holds_one.any()
    np.testing.assert_allclose(found[~holds_one], 3 * centre_s[~holds_one], rtol=1e-6)


def test_holes_and_what_lies_outside_are_nan():
    times_s = np.arange(0, 4, 0.01)
    values = np.ones(len(times_s))
    values[(times_s > 1.0) & (times_s < 1.2)] = np.nan
    found = binned(Trace(times_s, values), np.array([0.9, 2.0, 3.9]), 20, 0.02)[..., 0]
    assert np.isnan(found[0]).any()
    assert np.isfinite(found[0, :4]).all()
    assert np.isfinite(found[1]).all()
    assert np.isnan(found[2, -10:]).all()
    nothing = Trace(times_s, np.full(len(times_s), np.nan))
    assert np.isnan(binned(nothing, np.array([1.0]), 3, 0.02)).all()


def test_a_short_gap_is_bridged():
    times_s = np.arange(0, 4, 0.01)
    values = times_s.copy()
    values[(times_s > 1.001) & (times_s < 1.029)] = np.nan
    assert np.isfinite(binned(Trace(times_s, values), np.array([0.9]), 20, 0.02)).all()


def test_events_are_summed_from_the_start_of_the_window():
    times_s = np.array([0.5, 1.0, 1.0, 1.05, 1.15, 1.18, 9.0])
    side = np.array([1.0, 0.0, 1.0, 1.0, 1.0, 0.0, 1.0])
    found = accumulated(Trace(times_s, side), np.array([1.0, 5.0]), 4, 0.05)
    assert found.shape == (2, 4, 1)
    assert found[0, :, 0].tolist() == [0, 1, 1, 1]
    assert found[1, :, 0].tolist() == [0, 0, 0, 0]


def test_only_two_kinds_of_events_can_be_summed():
    with pytest.raises(DataError, match="1 channels and 3 different values"):
        accumulated(Trace(np.arange(3.0), np.arange(3.0)), np.zeros(1), 2, 0.1)
