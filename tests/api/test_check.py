"""`check` and `pretrain` find the same sessions unusable; leaving them out is asked for, told and recorded."""

import numpy as np
import pytest
import torch

import spikeglot as sg
from spikeglot.checkpoint import load_checkpoint
from spikeglot.errors import DataError
from spikeglot.events import LeftOut
from spikeglot.settings import make_recipe

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def recipe(recordings):
    return make_recipe({**recordings.TINY, "mask": {"schemes": ["inter-region"]}})


@pytest.fixture(scope="module")
def folder(recordings, tmp_path_factory):
    """Two good recordings, and one of each kind of trouble."""
    folder = tmp_path_factory.mktemp("data")
    for name in ("b", "a"):
        recordings.write_npz(folder / f"{name}.npz", session_id=name)
    (folder / "damaged.nwb").write_bytes(b"\x89HDF\r\n\x1a\n")
    recordings.write_npz(folder / "no-event.npz", session_id="no-event", trial_stim_on_time=None)
    recordings.write_npz(folder / "one-region.npz", session_id="one-region", region=np.array(["CA1"] * 12))
    recordings.write_npz(folder / "twin1.npz", session_id="twin")
    recordings.write_npz(folder / "twin2.npz", session_id="twin")
    return folder


@pytest.fixture(scope="module")
def sessions(folder):
    return sg.load_sessions(folder, leave_out_unusable=True)


def test_every_session_is_told_with_what_is_wrong(sessions, recipe, folder):
    checked = {one.session_id: one for one in sg.check(sessions, recipe)}
    assert list(checked) == ["a", "b", str(folder / "damaged.nwb"), "twin", "no-event", "one-region"]
    a = checked["a"]
    assert (a.subject_id, a.n_units, a.n_regions, a.n_train, a.n_val, a.n_test) == ("mouse", 12, 2, 28, 4, 8)
    assert [one.is_usable for one in checked.values()] == [True, True, False, False, False, False]
    for session_id, says in {
        str(folder / "damaged.nwb"): "Copy or download it again",
        "twin": "Rename one, or leave one out",
        "no-event": "have no column 'stim_on_time'. Did you mean",
        "one-region": "Add a scheme such as neuron, or name the units' regions",
    }.items():
        assert says in checked[session_id].problem
        assert (checked[session_id].n_units, checked[session_id].n_train) == (0, 0)


def test_a_run_stops_before_it_starts_with_the_same_list(sessions, recipe, tmp_path):
    with pytest.raises(DataError, match=r"^4 problems:\n") as error:
        sg.pretrain(sessions, out=tmp_path / "run", recipe=recipe)
    for one in sg.check(sessions, recipe):
        assert one.is_usable or one.problem in str(error.value)
    assert "2 can be used" in str(error.value)
    assert not (tmp_path / "run").exists()


def test_leaving_them_out_is_told_and_recorded_and_changes_nothing_else(sessions, recipe, folder, tmp_path):
    events = []
    checkpoint = sg.pretrain(
        sessions, out=tmp_path / "run", recipe=recipe, leave_out_unusable=True, listen=events.append
    )
    told = {event.session_id: event.reason for event in events if isinstance(event, LeftOut)}
    assert told == {one.session_id: one.problem for one in sg.check(sessions, recipe) if not one.is_usable}
    for folder_name in ("best", "last"):
        left_out = load_checkpoint(tmp_path / "run" / folder_name).left_out
        assert {one.id: one.reason for one in left_out} == told
    good = sg.load_sessions(folder / "a.npz", folder / "b.npz")
    alone = sg.pretrain(good, out=tmp_path / "alone", recipe=recipe)
    assert alone.left_out == ()
    assert list(checkpoint.sessions) == list(alone.sessions) == ["a", "b"]
    for name, value in alone.model.state_dict().items():
        assert torch.equal(value, checkpoint.model.state_dict()[name]), name


def test_what_loading_left_out_is_not_forgotten(sessions, recipe, tmp_path):
    """Whoever loads generously still has to say that a run may go without."""
    good = sg.Sessions([sessions["a"]], unusable=sessions.unusable)
    with pytest.raises(DataError, match=r"^2 problems:"):
        sg.pretrain(good, out=tmp_path / "run", recipe=recipe)
    assert [one.is_usable for one in sg.check(good[:1], recipe)] == [True, False, False]
    assert "2 could not be read" in repr(good)


def test_two_sessions_of_one_name_in_a_plain_list_are_both_unusable(sessions, recipe):
    checked = sg.check([sessions["a"], sessions["b"], sessions["a"]], recipe)
    assert [(one.session_id, one.is_usable) for one in checked] == [("b", True), ("a", False)]
    assert "2 sessions are called 'a'" in checked[1].problem


def test_where_nothing_can_be_used_there_is_no_run(sessions, recipe, tmp_path):
    with pytest.raises(DataError, match=r"^The trials of session 'no-event'"):
        sg.pretrain([sessions["no-event"]], out=tmp_path / "run", recipe=recipe, leave_out_unusable=True)
    with pytest.raises(DataError, match="no session to work on"):
        sg.pretrain([], out=tmp_path / "run", recipe=recipe)
    assert sg.check([], recipe) == ()


def test_a_run_that_left_sessions_out_is_resumed_with_the_same_data(sessions, recipe, tmp_path):
    first = sg.pretrain(sessions, out=tmp_path / "run", recipe=recipe, leave_out_unusable=True)
    again = sg.pretrain(sessions, out=tmp_path / "run", recipe=recipe, leave_out_unusable=True, resume=True)
    assert again.left_out == first.left_out
    with pytest.raises(DataError, match="4 problems"):
        sg.pretrain(sessions, out=tmp_path / "run", recipe=recipe, resume=True)
