"""Binning agrees with exact integer arithmetic, also for spikes that lie on edges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikeglot.data.binning import EDGE_TOLERANCE_S, bin_edges_s, bin_spikes
from spikeglot.errors import DataError


def exact_counts(spike_us, unit, n_units, start_us, n_bins, bin_us):
    """Reference: whole microseconds and Python integers, one spike at a time."""
    counts = np.zeros((len(start_us), n_bins, n_units), int)
    for w, start in enumerate(start_us):
        for time, u in zip(spike_us, unit, strict=True):
            b = (time - start) // bin_us
            if 0 <= b < n_bins:
                counts[w, b, u] += 1
    return counts


@st.composite
def recordings(draw):
    """Spikes and windows on a grid that is often the grid of the bins, so that many spikes lie on edges."""
    bin_us = draw(st.sampled_from([10_000, 20_000, 33_333, 7, 1_000_000]))
    grid_us = draw(st.sampled_from([bin_us, max(bin_us // 2, 1), 1, 100]))
    offset_us = draw(st.sampled_from([0, -500_000, 53_994_773, 10**10 + 1, 10**12 + 12_345]))
    ticks = st.integers(-20, 60)
    spike_us = sorted(offset_us + grid_us * t for t in draw(st.lists(ticks, max_size=60)))
    unit = draw(st.lists(st.integers(0, 3), min_size=len(spike_us), max_size=len(spike_us)))
    start_us = [offset_us + grid_us * t for t in draw(st.lists(ticks, min_size=1, max_size=5))]
    return spike_us, unit, start_us, draw(st.integers(1, 12)), bin_us


@settings(deadline=None, max_examples=300)
@given(recordings())
def test_counts_equal_exact_arithmetic(recording):
    spike_us, unit, start_us, n_bins, bin_us = recording
    # Spike times and edges come by different roundings: 0.06 is not 3 * 0.02.
    got = bin_spikes(
        np.array([t / 1e6 for t in spike_us]),
        np.array(unit, np.int32),
        4,
        np.array([t * 1e-6 for t in start_us]),
        n_bins,
        bin_us * 1e-6,
    )
    np.testing.assert_array_equal(got, exact_counts(spike_us, unit, 4, start_us, n_bins, bin_us))


def test_a_time_of_the_unix_clock_is_binned_exactly():
    start_us, step_us = 1_700_000_000_086_429, 10_000  # the floats of this start and its edges round apart
    spike_us = [start_us + step_us * k for k in range(200)]
    got = bin_spikes(
        np.array([t / 1e6 for t in spike_us]),
        np.zeros(200, np.int32),
        1,
        np.array([start_us / 1e6]),
        100,
        0.02,
    )
    assert (got == 2).all()


def test_spikes_between_edges_agree_with_numpy_histograms():
    rng = np.random.default_rng(0)
    times_s, unit = np.sort(rng.uniform(0, 100, 20_000)), rng.integers(0, 7, 20_000).astype(np.int32)
    start_s = rng.uniform(-1, 100, 40)  # windows overlap, come in no order, and reach over both ends
    got = bin_spikes(times_s, unit, 7, start_s, 50, 0.02)
    edges = bin_edges_s(start_s, 50, 0.02)
    for w in range(40):
        for u in range(7):
            expected = np.histogram(times_s[unit == u], np.append(edges[w], np.inf))[0][:-1]
            np.testing.assert_array_equal(got[w, :, u], expected)


def test_a_spike_on_an_edge_opens_its_bin_and_one_at_the_end_is_outside():
    times_s = np.array([k / 100 for k in range(31)])
    got = bin_spikes(times_s, np.zeros(31, np.int32), 1, np.array([0.0]), 30, 0.01)
    assert got[0, :, 0].tolist() == [1] * 30
    assert int(0.29 / 0.01) == 28, "the trap: a division puts the spike at 0.29 s into bin 28"


def test_the_tolerance_is_about_a_nanosecond():
    times_s = np.array([0.02 - 3 * EDGE_TOLERANCE_S, 0.02 - 0.5 * EDGE_TOLERANCE_S])
    got = bin_spikes(times_s, np.zeros(2, np.int32), 1, np.array([0.0]), 2, 0.02)
    assert got[0, :, 0].tolist() == [1, 1]


def test_overlapping_windows_both_hold_the_spike():
    got = bin_spikes(np.array([0.5]), np.array([0]), 1, np.array([0.0, 0.25, 0.6]), 10, 0.1)
    assert got.sum(axis=(1, 2)).tolist() == [1, 1, 0]


@pytest.mark.parametrize(
    ("n_spikes", "dtype"), [(255, np.uint8), (256, np.uint16), (65_535, np.uint16), (65_536, np.uint32)]
)
def test_the_type_grows_with_the_counts(n_spikes, dtype):
    times_s = np.concatenate([[0.005], np.full(n_spikes, 1.005)])
    got = bin_spikes(times_s, np.zeros(n_spikes + 1, np.int32), 1, np.array([0.0, 1.0]), 1, 0.01)
    assert got.dtype == dtype
    assert got.ravel().tolist() == [1, n_spikes]


def test_no_spikes_and_no_windows():
    empty = np.array([])
    assert bin_spikes(empty, np.array([], np.int32), 3, np.array([0.0]), 4, 0.02).sum() == 0
    assert bin_spikes(np.array([1.0]), np.array([0]), 3, empty, 4, 0.02).shape == (0, 4, 3)


@pytest.mark.parametrize(
    ("times_s", "unit", "start_s", "says"),
    [
        ([2.0, 1.0], [0, 0], [0.0], "not ascending"),
        ([1.0, 2.0], [0, 2], [0.0], "units 0 to 2: there are 2 units"),
        ([1.0, 2.0], [-1, 0], [0.0], "units -1 to 0"),
        ([1.0, 2.0], [0, 1], [np.nan], "not a finite time"),
    ],
)
def test_what_cannot_be_binned_is_refused(times_s, unit, start_s, says):
    with pytest.raises(DataError, match=says):
        bin_spikes(np.array(times_s), np.array(unit), 2, np.array(start_s), 2, 0.02)
