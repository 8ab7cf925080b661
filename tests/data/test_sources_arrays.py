"""Plain arrays, in memory and as .npz files."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from spikeglot.data.session import Session, Trace
from spikeglot.data.sources.arrays import from_counts, from_spike_times
from spikeglot.data.sources.npz import read_npz
from spikeglot.data.windows import cut_windows
from spikeglot.errors import DataError
from spikeglot.settings import WindowSettings

CHRONIC = {  # units, spikes: the table of the data's README
    "T181_2018_06_08_idle_bank1": (273, 393_178, {"Str", "M2"}),
    "T182_2018_08_29_bank0": (223, 488_068, {"Str", "En", "Pir"}),
    "T196_2019_04_24_600s": (147, 514_947, {"IC", "dSC", "sSC", "iSC"}),
    "T209_2019_05_10": (206, 557_999, {"aIC", "SC"}),
    "T219_2019_11_25_bank1": (254, 460_402, {"dStr", "M1"}),
    "T219_2019_12_03_bank0": (244, 529_456, {"vStr", "dStr"}),
}


def counts_in_trials(session: Session, n_bins: int, bin_size_s: float) -> np.ndarray:
    """The counts of windows that begin where the trials do."""
    window = WindowSettings(align="start_s", start_s=0.0, stop_s=n_bins * bin_size_s, bin_size_s=bin_size_s)
    return cut_windows(session, window).counts


# Spike times


@pytest.mark.parametrize("name", CHRONIC)
def test_the_chronic_recordings_become_sessions(shared_data: Path, name: str) -> None:
    with np.load(shared_data / "chronic_npx" / f"{name}.npz") as file:
        times_s, unit = file["spike_times_100us"] * 1e-4, file["spike_clusters"]
        session = from_spike_times(times_s, unit, session_id=name, regions=file["cell_area"])
    n_units, n_spikes, regions = CHRONIC[name]
    assert (session.n_units, session.n_spikes, set(session.units["region"])) == (n_units, n_spikes, regions)
    assert np.array_equal(session.spike_times_s[session.spike_unit == 5], np.sort(times_s[unit == 5]))
    assert 590 < session.spike_times_s[-1] - session.spike_times_s[0] < 670


def test_the_three_ways_to_give_spikes_are_one_session() -> None:
    times_s = [np.array([0.3, 0.1]), np.array([]), np.array([0.2])]
    ids, regions = ["a", "b", "c"], ["CA1", "", "DG"]
    as_list = from_spike_times(times_s, session_id="s", unit_ids=ids, regions=regions)
    as_dict = from_spike_times(dict(zip(ids, times_s, strict=True)), session_id="s", regions=regions)
    as_flat = from_spike_times(
        np.array([0.2, 0.3, 0.1]), np.array([2, 0, 0]), session_id="s", unit_ids=ids, regions=regions
    )
    for session in (as_list, as_dict, as_flat):
        assert session.spike_times_s.tolist() == [0.1, 0.2, 0.3]
        assert session.spike_unit.tolist() == [0, 2, 0]
        assert session.units.index.tolist() == ids
        assert session.units["region"].tolist() == regions
        assert session.provenance.source == "arrays"


def test_units_have_numbers_where_they_have_no_names() -> None:
    session = from_spike_times(np.array([0.2, -0.3]), np.array([2, 0]), session_id="s", subject_id="m")
    assert session.units.index.tolist() == ["0", "1", "2"]
    assert session.spike_times_s.tolist() == [-0.3, 0.2]
    assert session.subject_id == "m"


@pytest.mark.parametrize(
    ("given_names", "message"),
    [
        ({"regions": ["CA1"]}, "regions has 1 entries for 2 units"),
        ({"unit_ids": ["a", "b", "c"]}, "unit_ids has 3 entries for 2 units"),
        ({"unit_ids": ["a", "a"]}, "unit ids must be unique"),
    ],
)
def test_names_that_do_not_fit_the_units_are_errors(given_names: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        from_spike_times([np.array([0.1]), np.array([0.2])], session_id="s", **given_names)


def test_no_units_and_unknown_units_are_errors() -> None:
    with pytest.raises(DataError, match="no units"):
        from_spike_times([], session_id="s")
    with pytest.raises(DataError, match="1 spikes belong to no unit"):
        from_spike_times(np.array([0.1, 0.2]), np.array([0, 2]), session_id="s", unit_ids=["a", "b"])


# Counts


@settings(max_examples=60, deadline=None)
@given(
    counts=npst.arrays(np.uint8, npst.array_shapes(min_dims=3, max_dims=3, max_side=6), elements=st.integers(0, 12)),
    bin_size_s=st.sampled_from([0.001, 0.01, 0.02, 1 / 30, 0.1, 1.0]),
)
def test_windows_of_the_same_bins_give_the_counts_back(counts: np.ndarray, bin_size_s: float) -> None:
    counts[0, 0, 0] = 1  # a session without any spike is an error further on
    session = from_counts(counts, bin_size_s, session_id="s")
    assert session.n_spikes == counts.sum()
    assert np.array_equal(counts_in_trials(session, counts.shape[1], bin_size_s), counts)


def test_counts_come_back_late_in_a_long_session_with_full_bins() -> None:
    counts = np.random.default_rng(0).integers(0, 256, (3, 40, 2))
    many = np.zeros((5000, 40, 2), np.int64)
    many[-3:] = counts
    session = from_counts(many, 0.02, session_id="s")
    assert session.trials["start_s"].iloc[-1] > 4000
    assert np.array_equal(counts_in_trials(session, 40, 0.02)[-3:], counts)


def test_spikes_are_spread_evenly_over_their_bin() -> None:
    session = from_counts(np.array([[[0], [4]]]), 0.1, session_id="s")
    assert np.allclose(session.spike_times_s, [0.1125, 0.1375, 0.1625, 0.1875])


def test_time_between_trials_is_not_recorded() -> None:
    session = from_counts(np.ones((3, 5, 1)), 0.02, session_id="s")
    assert session.recorded_s is not None
    assert np.allclose(session.recorded_s, [[0, 0.1], [0.12, 0.22], [0.24, 0.34]])
    assert np.array_equal(session.trials[["start_s", "stop_s"]], session.recorded_s)
    tiled = cut_windows(session, WindowSettings(stop_s=0.1, bin_size_s=0.02))
    assert np.array_equal(tiled.counts, np.ones((3, 5, 1)))


def test_the_synthetic_recording_becomes_a_session(shared_data: Path) -> None:
    with h5py.File(shared_data / "lorenz" / "lfads_lorenz.h5") as file:
        counts, state = file["valid_data"][:], file["valid_lowd"][:]
    trials = pd.DataFrame({"condition": np.arange(160) // 10})
    session = from_counts(counts, 0.01, session_id="lorenz", trials=trials, behaviour={"state": state})
    assert (session.n_trials, session.n_units) == (160, 60)
    assert np.array_equal(counts_in_trials(session, 100, 0.01), counts)
    assert session.trials.columns.tolist() == ["condition", "start_s", "stop_s"]
    trace = session.behaviour["state"]
    start_s = session.trials["start_s"].iloc[7]
    inside = (trace.times_s >= start_s) & (trace.times_s < start_s + 1)
    assert np.allclose(trace.times_s[inside], start_s + 0.005 + np.arange(100) / 100)
    assert np.allclose(trace.values[inside], state[7])
    assert trials.columns.tolist() == ["condition"]


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        (np.ones((2, 3)), r"must be \(trial, time, unit\); got shape \(2, 3\)"),
        (np.full((2, 3, 1), 0.5), r"6 of 6 are not \(first: 0.5\)"),
        (np.full((2, 3, 1), -1), "not rates"),
        (np.full((2, 3, 1), np.nan), "first: nan"),
        (np.full((2, 3, 1), np.inf), "first: inf"),
    ],
)
def test_what_is_no_counts_is_an_error(counts: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        from_counts(counts, 0.02, session_id="s")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"trials": pd.DataFrame({"a": [1]})}, "1 rows of trials for counts of 2 trials"),
        ({"trials": pd.DataFrame({"start_s": [1, 2]})}, "already have the column 'start_s'"),
        ({"behaviour": {"x": np.zeros((2, 4))}}, r"behaviour 'x' must be .* got \(2, 4\)"),
        ({"regions": ["CA1", "DG"]}, "regions has 2 entries for 1 units"),
        ({"bin_size_s": 0.0}, "bin size above 0 s"),
    ],
)
def test_what_does_not_fit_the_counts_is_an_error(more: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        from_counts(np.ones((2, 3, 1)), **{"bin_size_s": 0.02, "session_id": "s"} | more)


# Files


def test_spike_times_come_from_a_file(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "day3.npz",
        spike_times_s=np.array([0.5, 0.1]),
        spike_unit=np.array([1, 0]),
        region=np.array(["CA1", "DG", "DG"]),
        unit_id=np.array(["a", "b", "c"]),
        subject_id="mouse 1",
        recorded_s=np.array([[0.0, 9.0]]),
        trial_stim_s=np.array([0.2, 0.4]),
        trial_side=np.array(["left", "right"]),
        behaviour_speed=np.array([1.0, 2.0]),
        behaviour_speed_times_s=np.array([0.0, 1.0]),
    )
    session = read_npz(tmp_path / "day3.npz")
    assert (session.session_id, session.subject_id) == ("day3", "mouse 1")
    assert session.units["region"].to_dict() == {"a": "CA1", "b": "DG", "c": "DG"}
    assert session.spike_times_s.tolist() == [0.1, 0.5]
    assert session.trials["side"].tolist() == ["left", "right"]
    assert session.trials["stim_s"].tolist() == [0.2, 0.4]
    assert isinstance(session.behaviour["speed"], Trace)
    assert session.behaviour["speed"].values.tolist() == [1.0, 2.0]
    assert session.recorded_s is not None
    assert session.recorded_s.tolist() == [[0.0, 9.0]]
    assert session.provenance.path.endswith("day3.npz")


def test_counts_come_from_a_file(tmp_path: Path) -> None:
    counts = np.random.default_rng(1).poisson(0.4, (4, 10, 3))
    state = np.arange(80.0).reshape(4, 10, 2)
    np.savez(tmp_path / "c.npz", counts=counts, bin_size_s=0.05, session_id="s1", behaviour_state=state)
    session = read_npz(tmp_path / "c.npz")
    assert (session.session_id, session.subject_id) == ("s1", "s1")
    assert np.array_equal(counts_in_trials(session, 10, 0.05), counts)
    assert np.array_equal(session.behaviour["state"].values, state.reshape(40, 2))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"regions": np.array(["a"])}, "does not know. Did you mean 'region'"),
        ({"trial_a": np.zeros(2), "trial_b": np.zeros(3)}, r"trial_a \(2,\), trial_b \(3,\)"),
        ({"behaviour_x": np.zeros(2)}, "Add behaviour_x_times_s"),
        ({"region": np.array(["CA1", None], dtype=object)}, "not of objects"),
        ({"spike_times_s": np.array([np.nan])}, r"bad\.npz\): 1 spike times are NaN"),
    ],
)
def test_files_that_do_not_fit_are_errors(tmp_path: Path, arrays: dict, message: str) -> None:
    np.savez(tmp_path / "bad.npz", **{"spike_times_s": np.array([0.1]), "spike_unit": np.array([0])} | arrays)
    with pytest.raises(DataError, match=message) as error:
        read_npz(tmp_path / "bad.npz")
    assert "bad.npz" in str(error.value)


def test_a_damaged_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "bad.npz"
    np.savez(path, spike_times_s=np.zeros(99), spike_unit=np.zeros(99, int))
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(DataError, match=r"bad\.npz"):
        read_npz(path)
