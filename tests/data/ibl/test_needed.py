"""Which datasets of a session are asked for, from lists of paths as releases have them."""

from spikeglot.data.ibl.needed import needed_datasets

PROBE = [f"alf/probe00/pykilosort/{name}" for name in ("spikes.times.npy", "spikes.clusters.npy", "spikes.amps.npy")]
REGIONS = "alf/probe00/pykilosort/channels.brainLocationIds_ccf_2017.npy"
TRIALS = "alf/_ibl_trials.table.pqt"
ENOUGH = [*PROBE, REGIONS, TRIALS]


def asked(*paths: str) -> set[str]:
    return {f"{one.collection}/{one.name}" for one in needed_datasets([*ENOUGH, *paths]).datasets}


def test_what_is_not_needed_is_not_asked_for():
    raw = "raw_ephys_data/probe00/_spikeglx_ephysData_g0_t0.imec0.ap.cbin"
    assert asked(raw, "alf/_ibl_leftCamera.dlc.pqt", "readme.txt") == {*PROBE[:2], REGIONS, TRIALS}


def test_revisions_of_a_dataset_count_once():
    assert asked("alf/probe00/pykilosort/#2024-05-06#/spikes.times.npy", "alf/#2025-03-03#/_ibl_trials.table.pqt") == {
        *PROBE[:2],
        REGIONS,
        TRIALS,
    }


def test_trials_in_files_of_their_own_are_asked_for():
    assert "alf/_ibl_trials.goCueTrigger_times.npy" in asked("alf/_ibl_trials.goCueTrigger_times.npy")


def test_of_two_sortings_one_is_asked_for_and_the_other_is_listed():
    needed = needed_datasets([*ENOUGH, "alf/probe00/spikes.times.npy", "alf/probe00/spikes.clusters.npy"])
    assert {one.collection for one in needed.datasets} == {"alf/probe00/pykilosort", "alf"}
    assert needed.dropped[0].id == "alf/probe00"
    assert "another sorting" in needed.dropped[0].reason


def test_half_a_camera_is_a_camera_that_is_missing():
    needed = needed_datasets([*ENOUGH, "alf/_ibl_leftCamera.times.npy"])
    assert ("trace", "leftCamera") in {(one.kind, one.id) for one in needed.dropped}
    assert not any("Camera" in one.name for one in needed.datasets)


def test_why_a_session_cannot_be_used():
    assert needed_datasets(ENOUGH).problem == ""
    for missing, word in ((PROBE[1], "spikes"), (TRIALS, "trials"), (REGIONS, "regions")):
        assert word in needed_datasets([path for path in ENOUGH if path != missing]).problem
