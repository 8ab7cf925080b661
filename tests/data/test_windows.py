"""Windows: aligned and tiled, what is left out, and errors that say what to do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from spikeglot.data.session import Dropped, Session, make_session
from spikeglot.data.windows import cut_windows
from spikeglot.errors import DataError
from spikeglot.settings import WindowSettings

ALIGNED = WindowSettings(align="stim_on_time", start_s=-0.1, stop_s=0.3, bin_size_s=0.1)


@pytest.fixture
def session() -> Session:
    """Two units: one spike of unit 0 every 0.1 s at bin centres, 0 to 10 s; unit 1 once, at 2.05 s."""
    times_s = np.append(np.arange(100) * 0.1 + 0.05, 2.05)
    return make_session(
        session_id="toy",
        subject_id="mouse",
        spike_times_s=times_s,
        spike_unit=np.append(np.zeros(100, int), 1),
        units=pd.DataFrame({"region": ["VISp", "CA1"]}, index=["a", "b"]),
        trials=pd.DataFrame(
            {
                "stim_on_time": [1.0, 2.0, np.nan, 9.8],
                "choice": [1, -1, 1, 1],
                "side": ["left", "right", "left", "left"],
                "correct": [True, False, True, True],
            }
        ),
        recorded_s=np.array([[0.0, 10.0]]),
        dropped=(Dropped("unit", "c", "no spikes"),),
    )


def test_aligned_windows(session):
    counts = cut_windows(session, ALIGNED)
    assert counts.counts.shape == (2, 4, 2)
    assert counts.counts.dtype == np.uint8
    assert (counts.counts[:, :, 0] == 1).all()
    assert counts.counts[:, :, 1].tolist() == [[0, 0, 0, 0], [0, 1, 0, 0]]
    assert counts.trials["window_start_s"].tolist() == pytest.approx([0.9, 1.9])
    assert counts.trials["trial_id"].tolist() == [0, 1]
    assert counts.trials["choice"].tolist() == [1, -1]
    assert counts.unit_ids == ("a", "b")
    assert counts.rates is None


def test_what_is_left_out_is_listed_after_what_the_source_left_out(session):
    assert cut_windows(session, ALIGNED).dropped == (
        Dropped("unit", "c", "no spikes"),
        Dropped("window", "2", "stim_on_time is missing"),
        Dropped("window", "3", "reaches outside what was recorded"),
    )


def test_nothing_is_edited(session):
    columns, times_s = list(session.trials), session.spike_times_s.copy()
    cut_windows(session, ALIGNED)
    assert list(session.trials) == columns
    np.testing.assert_array_equal(session.spike_times_s, times_s)


def test_trial_ids_are_the_rows_of_the_full_table(session):
    some = replace(session, trials=session.trials[session.trials["choice"] == -1])
    assert cut_windows(some, ALIGNED).trials["trial_id"].tolist() == [1]


@pytest.mark.parametrize(
    ("recorded_s", "kept"),
    [
        (None, [0, 1, 3]),
        ([[0.9, 1.3], [1.9, 2.3]], [0, 1]),
        ([[1.9, 2.3], [0.9, 1.3]], [0, 1]),
        ([[0.9 + 5e-7, 1.3 - 5e-7], [1.9 + 2e-6, 2.3]], [0]),  # half a microsecond is rounding, two are not
        ([[0.0, 1.1], [1.1, 1.5]], [0]),  # intervals that touch are one
        ([[0.0, 5.0], [1.0, 2.0]], [0, 1]),  # one inside another
        ([[0.0, 1.1], [1.2, 2.4]], [1]),  # a gap in the window
    ],
)
def test_a_window_lies_in_what_was_recorded(session, recorded_s, kept):
    session = replace(session, recorded_s=None if recorded_s is None else np.array(recorded_s))
    assert cut_windows(session, ALIGNED).trials["trial_id"].tolist() == kept


def test_tiles_stand_side_by_side_in_each_interval(session):
    session = replace(session, recorded_s=np.array([[0.0, 1.2], [2.0, 2.3], [3.0, 3.5], [5.0, 5.85]]))
    counts = cut_windows(session, WindowSettings(stop_s=0.4, bin_size_s=0.1))
    assert counts.trials["window_start_s"].tolist() == pytest.approx([0.0, 0.4, 0.8, 3.0, 5.0, 5.4])
    assert counts.trials["trial_id"].tolist() == list(range(6))
    assert (counts.counts[:, :, 0] == 1).all()


def test_tiles_run_from_the_first_to_the_last_spike_where_nothing_says_what_was_recorded(session):
    counts = cut_windows(replace(session, recorded_s=None), WindowSettings(stop_s=1.0, bin_size_s=0.1))
    assert counts.trials["window_start_s"].tolist() == pytest.approx(0.05 + np.arange(9))
    assert counts.counts.sum() == 91


def test_tiles_of_a_real_recording_hold_every_spike_of_their_time(shared_data):
    with np.load(shared_data / "chronic_npx" / "T219_2019_12_03_bank0.npz") as f:
        times_s, unit = f["spike_times_100us"] * 1e-4, f["spike_clusters"]
        region = f["cell_area"].astype(str)
    session = make_session(
        session_id="T219",
        subject_id="T219",
        spike_times_s=times_s,
        spike_unit=unit,
        units=pd.DataFrame({"region": region}),
    )
    counts = cut_windows(session, WindowSettings())
    # The file's clock ticks every 0.1 ms: count its ticks as whole numbers.
    tick = np.round(times_s * 1e4).astype(int) - round(times_s[0] * 1e4)
    n_tiles = (tick[-1]) // 10_000
    inside = tick < n_tiles * 10_000
    expected = np.zeros((n_tiles * 50, len(region)), int)
    np.add.at(expected, (tick[inside] // 200, unit[inside]), 1)
    np.testing.assert_array_equal(counts.counts.reshape(-1, len(region)), expected)
    assert counts.n_trials > 600


@pytest.mark.parametrize(
    ("align", "says"),
    [
        ("stim_on", r"no column 'stim_on'. Did you mean 'stim_on_time'\?"),
        ("side", r"hold str there|hold object there"),
        ("correct", r"hold bool there, not times in seconds. Columns of times: stim_on_time"),
    ],
)
def test_a_column_that_holds_no_times(session, align, says):
    with pytest.raises(DataError, match=says):
        cut_windows(session, WindowSettings(align=align))


@pytest.mark.parametrize("trials", [pd.DataFrame(), pd.DataFrame({"stim_on_time": np.array([], float)})])
def test_no_trials(session, trials):
    with pytest.raises(DataError, match=r"'toy' has no trials. Leave window.align out"):
        cut_windows(replace(session, trials=trials), ALIGNED)


def test_no_window_left_says_why(session):
    with pytest.raises(DataError, match=r"missing in 1, and 3 windows reach outside.*the longest of 0.2 s"):
        cut_windows(replace(session, recorded_s=np.array([[0.95, 1.15]])), ALIGNED)
    missing = session.trials.assign(stim_on_time=np.nan)
    with pytest.raises(DataError, match=r"missing in 4, and 0 windows"):
        cut_windows(replace(session, trials=missing), ALIGNED)


def test_no_tile_fits_suggests_to_align(session):
    short = replace(session, recorded_s=np.array([[0.0, 0.4], [1.0, 1.4]]))
    with pytest.raises(DataError, match=r"window of 1 s fits.*has 0.4 s.*--window.align stim_on_time"):
        cut_windows(short, WindowSettings())
    with pytest.raises(DataError, match="has 0 s"):
        cut_windows(replace(short, recorded_s=np.empty((0, 2))), WindowSettings())


def test_trials_on_another_clock(session):
    session = replace(session, recorded_s=None, trials=session.trials.assign(stim_on_time=[1e3, 2e3, 3e3, 4e3]))
    with pytest.raises(DataError, match=r"999.900 to 4000.300 s; spikes: 0.050 to 9.950 s.*same clock"):
        cut_windows(session, ALIGNED)


def test_no_spikes_at_all(session):
    silent = replace(session, spike_times_s=np.empty(0), spike_unit=np.empty(0, np.int32))
    with pytest.raises(DataError, match="spikes: none"):
        cut_windows(silent, ALIGNED)
    with pytest.raises(DataError, match="No window"):
        cut_windows(replace(silent, recorded_s=None), WindowSettings())
