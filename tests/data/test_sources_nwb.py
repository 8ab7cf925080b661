"""NWB files: real ones against h5py, small bad ones made with pynwb."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from hdmf.common import VectorData
from pynwb import NWBHDF5IO, NWBFile, TimeSeries
from pynwb.behavior import BehavioralEvents, BehavioralTimeSeries, Position, SpatialSeries
from pynwb.epoch import TimeIntervals
from pynwb.file import Subject

from spikeglot.data.sources.nwb import read_nwb, session_id_of
from spikeglot.errors import DataError

TABLE = {  # trials, units, units in root: the table of the data's README
    "sub-Cori_ses-20161214": (214, 734, 18),
    "sub-Cori_ses-20161217": (251, 1070, 156),
    "sub-Cori_ses-20161218": (228, 619, 12),
    "sub-Forssmann_ses-20171101": (249, 1769, 0),
    "sub-Forssmann_ses-20171102": (254, 1077, 524),
    "sub-Forssmann_ses-20171104": (290, 1169, 628),
    "sub-Forssmann_ses-20171105": (252, 584, 89),
    "sub-Lederberg_ses-20171205": (340, 698, 100),
    "sub-Lederberg_ses-20171206": (300, 983, 173),
    "sub-Lederberg_ses-20171207": (268, 756, 3),
    "sub-Lederberg_ses-20171208": (404, 743, 83),
    "sub-Lederberg_ses-20171209": (280, 474, 0),
    "sub-Lederberg_ses-20171210": (224, 565, 358),
    "sub-Lederberg_ses-20171211": (316, 1090, 99),
}
LEDERBERG = (  # the README's regions of 2017-12-06
    "PL 184, LGd 150, MB 63, RN 58, ACA 58, MRN 51, MOs 46, SCm 45, VISam 34, CA1 34, SCs 32, MS 23, DG 17, "
    "ZI 15, root 173"
)


@pytest.mark.parametrize("session_id", TABLE)
def test_the_mouse_sessions_are_those_of_their_readme(shared_data: Path, session_id: str) -> None:
    session = read_nwb(shared_data / "steinmetz2019" / f"{session_id}_ecephys.nwb")
    n_root = int((session.units["region"] == "root").sum())
    assert (session.n_trials, session.n_units, n_root) == TABLE[session_id]
    assert session.session_id == session_id
    assert session.subject_id == session_id.split("_")[0].removeprefix("sub-")
    assert session.dropped == ()
    assert not session.behaviour


def test_a_mouse_session_holds_what_h5py_reads(lederberg: Path) -> None:
    session = read_nwb(lederberg)
    with h5py.File(lederberg) as file:
        flat, ends = file["units/spike_times"][:], file["units/spike_times_index"][:]
        stim_on, choice = file["intervals/trials/stim_on_time"][:], file["intervals/trials/choice"][:]
        first_unit = file["units/obs_intervals"][: file["units/obs_intervals_index"][0]]
    for row in (0, 17, 982):
        own = flat[(ends[row - 1] if row else 0) : ends[row]]
        assert np.array_equal(session.spike_times_s[session.spike_unit == row], np.sort(own))
    assert session.n_spikes == len(flat)
    assert np.array_equal(session.trials["stim_on_time"], stim_on)
    assert np.array_equal(session.trials["choice"], choice)
    assert session.recorded_s is not None
    assert np.array_equal(session.recorded_s, first_unit)
    counts = session.units["region"].value_counts().to_dict()
    assert counts == {pair.split()[0]: int(pair.split()[1]) for pair in LEDERBERG.split(", ")}
    assert session.units.index[:3].tolist() == ["0", "1", "2"]
    assert (session.trials["choice_source"] == "movement").sum() == 163
    assert (session.trials["choice_source"] == "outcome").sum() == 47
    assert session.provenance.facts["lab"] == "Cortexlab"


def test_the_human_session_keeps_all_its_tables(shared_data: Path) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        session = read_nwb(shared_data / "human_mtl" / "sub-4_ses-4_ecephys+image.nwb")
    assert caught == []
    assert "starting_frame" in session.provenance.facts["warnings"]
    assert (session.session_id, session.subject_id, session.n_units) == ("sub-4_ses-4", "4", 35)
    assert session.units["region"].value_counts().to_dict() == {"hippocampus_right": 25, "amygdala_right": 10}
    assert session.n_spikes == 214278
    tables = {"recognition_table": 180, "timediscrimination_table": 180, "encoding_table": 90}
    assert session.trials["table"].value_counts().to_dict() == tables
    assert session.trials["start_time"].is_monotonic_increasing
    with h5py.File(shared_data / "human_mtl" / "sub-4_ses-4_ecephys+image.nwb") as file:
        recognition = file["intervals/recognition_table"]
        ours = session.trials[session.trials["table"] == "recognition_table"]
        assert np.array_equal(ours["old_new"], recognition["old_new"][:])
        assert ours["frameName"].tolist() == recognition["frameName"].asstr()[:].tolist()
    assert session.recorded_s is None
    assert {dropped.id for dropped in session.dropped} == {"events", "experiment_ids"}


@pytest.mark.parametrize(
    ("name", "session_id"),
    [
        ("sub-Lederberg_ses-20171206_ecephys.nwb", "sub-Lederberg_ses-20171206"),
        ("sub-4_ses-4_ecephys+image.nwb", "sub-4_ses-4"),
        ("sub-a_ses-b_desc-c_behavior+ecephys+ogen.nwb", "sub-a_ses-b_desc-c"),
        ("sub-a_ses-b_behavior_ecephys.nwb", "sub-a_ses-b_behavior"),
        ("mouse7 day3.nwb", "mouse7 day3"),
    ],
)
def test_the_session_id_is_the_name_without_the_kinds_of_data(name: str, session_id: str) -> None:
    assert session_id_of(Path(name)) == session_id


# Files made here


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write an NWB file after ``fill(nwb)`` has filled it."""

    def write(fill: Callable[[NWBFile], object], name: str = "sub-m1_ses-d1_ecephys.nwb") -> Path:
        nwb = NWBFile("made by a test", "id", datetime(2020, 1, 1, tzinfo=UTC))
        fill(nwb)
        with NWBHDF5IO(tmp_path / name, "w") as io:
            io.write(nwb)
        return tmp_path / name

    return write


def add_units(nwb: NWBFile, *spike_times_s: list[float], **columns: list) -> None:
    for name in columns:
        nwb.add_unit_column(name, name)
    for k, times_s in enumerate(spike_times_s):
        nwb.add_unit(spike_times=np.array(times_s), **{name: values[k] for name, values in columns.items()})


def add_electrodes(nwb: NWBFile, *locations: str) -> None:
    device = nwb.create_device("probe")
    group = nwb.create_electrode_group("probe A", "", "somewhere", device)
    for location in locations:
        nwb.add_electrode(group=group, location=location)


def test_a_file_without_regions_or_trials_is_a_session(write: Callable) -> None:
    session = read_nwb(write(lambda nwb: add_units(nwb, [1.0], [])))
    assert session.units["region"].tolist() == ["", ""]
    assert not session.has_regions
    assert session.n_trials == 0
    assert session.recorded_s is None
    assert session.subject_id == "m1"


def test_a_trials_table_without_rows_is_no_trials(write: Callable) -> None:
    def fill(nwb: NWBFile) -> None:
        add_units(nwb, [1.0])
        columns = [VectorData(name=n, description=n, data=np.array([])) for n in ("start_time", "stop_time")]
        nwb.trials = TimeIntervals(name="trials", description="none", columns=columns)

    assert read_nwb(write(fill)).n_trials == 0


def test_the_subject_comes_from_the_file_before_its_name(write: Callable) -> None:
    def fill(nwb: NWBFile) -> None:
        nwb.subject = Subject(subject_id="Cori", species="Mus musculus", age="P90D", sex="F")
        add_units(nwb, [1.0])

    assert read_nwb(write(fill)).subject_id == "Cori"
    assert read_nwb(write(lambda nwb: add_units(nwb, [1.0]), "day 3.nwb")).subject_id == "day 3"


def test_a_column_of_the_units_names_the_region_before_the_electrodes(write: Callable) -> None:
    def fill(nwb: NWBFile) -> None:
        add_electrodes(nwb, "CA3", "CA3")
        nwb.add_unit_column("brain_area", "area")
        nwb.add_unit(spike_times=[1.0], electrodes=[0], brain_area="VISp")
        nwb.add_unit(spike_times=[2.0], electrodes=[1], brain_area="unknown")

    session = read_nwb(write(fill))
    assert session.units["region"].tolist() == ["VISp", ""]
    assert session.units["brain_area"].tolist() == ["VISp", "unknown"]
    assert session.units["probe"].tolist() == ["probe A", "probe A"]


def test_a_unit_lies_where_most_of_its_electrodes_do(write: Callable) -> None:
    def fill(nwb: NWBFile) -> None:
        add_electrodes(nwb, "CA1", "DG", "DG", "unknown")
        nwb.add_unit_column("location", "not known")
        for electrodes in ([0, 1, 2], [1, 0], [3], [3, 3, 0]):
            nwb.add_unit(spike_times=[1.0], electrodes=electrodes, location="n/a")

    assert read_nwb(write(fill)).units["region"].tolist() == ["DG", "DG", "", "CA1"]


def test_the_region_comes_through_the_peak_channel_of_allen_files(write: Callable) -> None:
    def fill(nwb: NWBFile) -> None:
        add_electrodes(nwb, "VISp", "LGd")
        add_units(nwb, [1.0], [2.0], [3.0], peak_channel_id=[1, 0, 77])

    assert read_nwb(write(fill)).units["region"].tolist() == ["LGd", "VISp", ""]


def test_the_region_comes_from_the_electrode_group_where_nothing_else_knows(write: Callable) -> None:
    def fill(nwb: NWBFile) -> None:
        group = nwb.create_electrode_group("tetrode 1", "", "MEC", nwb.create_device("drive"))
        nwb.add_unit(spike_times=[1.0], electrode_group=group)

    units = read_nwb(write(fill)).units
    assert units[["region", "probe"]].to_numpy().tolist() == [["MEC", "tetrode 1"]]


def test_scalar_columns_of_units_are_kept_and_others_are_not(write: Callable) -> None:
    def fill(nwb: NWBFile) -> None:
        nwb.add_unit_column("tags", "ragged", index=True)
        for k in range(2):
            nwb.add_unit(
                spike_times=[1.0],
                id=10 + k,
                waveform_mean=np.zeros(8),
                tags=["a"] * k,
                obs_intervals=[[0.0, 9.0]],
            )
        nwb.add_unit_column("label", "quality", data=[1.0, 0.3])

    session = read_nwb(write(fill))
    assert sorted(session.units.columns) == ["label", "region"]
    assert session.units.index.tolist() == ["10", "11"]


def test_units_observed_at_different_times_count_as_recorded_whenever_one_was(write: Callable) -> None:
    def fill(nwb: NWBFile) -> None:
        nwb.add_unit(spike_times=[1.0], obs_intervals=[[0.0, 2.0], [5.0, 6.0]])
        nwb.add_unit(spike_times=[1.0], obs_intervals=[[1.0, 3.0]])

    session = read_nwb(write(fill))
    assert session.recorded_s is not None
    assert session.recorded_s.tolist() == [[0.0, 3.0], [5.0, 6.0]]
    assert [dropped.id for dropped in session.dropped] == ["obs_intervals"]


def test_unsorted_spikes_give_the_session_of_sorted_ones(write: Callable) -> None:
    shuffled = read_nwb(write(lambda nwb: add_units(nwb, [3.0, -1.0, 2.0], [0.5, 0.1]), "a.nwb"))
    ordered = read_nwb(write(lambda nwb: add_units(nwb, [-1.0, 2.0, 3.0], [0.1, 0.5]), "b.nwb"))
    assert shuffled.spike_times_s.tolist() == [-1.0, 0.1, 0.5, 2.0, 3.0]
    assert np.array_equal(shuffled.spike_times_s, ordered.spike_times_s)
    assert np.array_equal(shuffled.spike_unit, ordered.spike_unit)


def test_spikes_that_are_nan_are_an_error_that_names_file_and_units(write: Callable) -> None:
    path = write(lambda nwb: add_units(nwb, [1.0], [2.0, np.nan]))
    with pytest.raises(DataError, match=r"1 spike times are NaN or infinite \(units '1'\)") as error:
        read_nwb(path)
    assert str(path) in str(error.value)


def test_duplicated_unit_ids_are_an_error(write: Callable) -> None:
    path = write(lambda nwb: add_units(nwb, [1.0], [2.0]))
    with h5py.File(path, "r+") as file:
        file["units/id"][:] = 5
    with pytest.raises(DataError, match="first: '5'"):
        read_nwb(path)


def test_a_file_without_units_is_an_error_that_names_it(write: Callable) -> None:
    path = write(lambda nwb: None, "sub-m1_behavior.nwb")
    with pytest.raises(DataError, match=r"sub-m1_behavior\.nwb has no units table"):
        read_nwb(path)


def test_units_without_spike_times_are_an_error(write: Callable) -> None:
    def fill(nwb: NWBFile) -> None:
        nwb.add_unit_column("label", "quality")
        nwb.add_unit(label=1.0)

    with pytest.raises(DataError, match="units without spike times"):
        read_nwb(write(fill))


def test_a_truncated_file_is_an_error_that_says_to_copy_it_again(write: Callable) -> None:
    path = write(lambda nwb: add_units(nwb, [1.0]))
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(DataError, match=r"sub-m1_ses-d1_ecephys.nwb.* Copy or download it again"):
        read_nwb(path)


def test_a_file_that_pynwb_refuses_is_an_error_that_names_it(write: Callable) -> None:
    path = write(lambda nwb: add_units(nwb, [1.0]))
    with h5py.File(path, "r+") as file:
        del file["session_start_time"]
    with pytest.raises(DataError, match=r"pynwb cannot read .*sub-m1_ses-d1_ecephys.nwb"):
        read_nwb(path)


def test_behaviour_is_what_the_file_calls_behaviour(write: Callable) -> None:
    times_s = np.arange(5) / 10

    def fill(nwb: NWBFile) -> None:
        add_units(nwb, [1.0])
        module = nwb.create_processing_module("behavior", "behaviour")
        wheel = TimeSeries(name="wheel", data=np.arange(5), unit="cm", rate=10.0, starting_time=2.0, conversion=0.01)
        pupil = TimeSeries(name="area", data=np.ones(5), unit="px", timestamps=times_s[::-1].copy())
        place = SpatialSeries(name="xy", data=np.arange(10.0).reshape(5, 2), timestamps=times_s, reference_frame="0")
        lick = TimeSeries(name="lick", data=np.ones(2), unit="n", timestamps=np.array([0.1, 0.4]))
        video = TimeSeries(name="frames", data=np.zeros((5, 4, 4)), unit="n", timestamps=times_s)
        module.add([wheel, video, Position(spatial_series=place)])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecated, but files have it
            module.add(BehavioralEvents(time_series=lick))
        module.add(BehavioralTimeSeries(time_series=pupil, name="eye"))
        nwb.add_acquisition(TimeSeries(name="analog", data=np.ones(5), unit="V", rate=10.0))
        nwb.add_acquisition(SpatialSeries(name="xy", data=np.ones(5), timestamps=times_s, reference_frame="0"))

    session = read_nwb(write(fill))
    assert sorted(session.behaviour) == ["Position.xy", "area", "wheel", "xy"]
    assert np.allclose(session.behaviour["wheel"].times_s, [2.0, 2.1, 2.2, 2.3, 2.4])
    assert np.allclose(session.behaviour["wheel"].values, [0, 0.01, 0.02, 0.03, 0.04])
    assert session.behaviour["Position.xy"].values.tolist() == np.arange(10.0).reshape(5, 2).tolist()
    assert np.all(np.diff(session.behaviour["area"].times_s) > 0)
    reasons = {dropped.id: dropped.reason for dropped in session.dropped}
    assert set(reasons) == {"analog", "lick", "frames", "area"}
    assert "sorted" in reasons["area"]
    assert "events" in reasons["lick"]


def test_links_of_trials_to_time_series_are_not_read(write: Callable) -> None:
    def fill(nwb: NWBFile) -> None:
        add_units(nwb, [1.0])
        series = TimeSeries(name="wheel", data=np.arange(5.0), unit="m", rate=1.0)
        nwb.create_processing_module("behavior", "behaviour").add(series)
        nwb.add_trial_column("tags", "ragged", index=True)
        for k in range(2):
            nwb.add_trial(start_time=float(k), stop_time=k + 0.5, tags=["a"] * (k + 1), timeseries=[series])

    trials = read_nwb(write(fill)).trials
    assert trials.columns.tolist() == ["start_time", "stop_time", "tags"]
    assert [list(tags) for tags in trials["tags"]] == [["a"], ["a", "a"]]


def test_epochs_are_no_trials_and_are_named(write: Callable) -> None:
    def fill(nwb: NWBFile) -> None:
        add_units(nwb, [1.0])
        nwb.add_epoch(0.0, 9.0, ["task"])
        nwb.add_trial(start_time=0.0, stop_time=1.0)

    session = read_nwb(write(fill))
    assert isinstance(session.trials, pd.DataFrame)
    assert session.trials.columns.tolist() == ["start_time", "stop_time"]
    assert session.provenance.facts["interval tables not used"] == "epochs"
