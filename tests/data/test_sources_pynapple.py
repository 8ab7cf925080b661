"""pynapple objects."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pynapple as nap
import pytest

from spikeglot.data.sources.pynapple import from_pynapple
from spikeglot.errors import DataError


@pytest.fixture
def spikes() -> nap.TsGroup:
    times_s = {7: np.array([]), 1: np.array([0.5, 2.5]), 3: np.array([1.0, 2.0, 5.5])}
    return nap.TsGroup(
        {key: nap.Ts(t) for key, t in times_s.items()},
        time_support=nap.IntervalSet([0, 5], [4, 6]),
        metadata={"location": ["", "CA1", "DG"], "quality": [0.1, 0.2, 0.3]},
    )


def test_a_group_becomes_units(spikes: nap.TsGroup) -> None:
    session = from_pynapple(spikes, session_id="s")
    assert session.units.index.tolist() == ["1", "3", "7"]
    assert session.units["region"].tolist() == ["CA1", "DG", ""]
    assert session.units["quality"].tolist() == [0.2, 0.3, 0.1]
    assert session.spike_times_s.tolist() == [0.5, 1.0, 2.0, 2.5, 5.5]
    assert session.spike_unit.tolist() == [0, 1, 1, 0, 1]
    assert session.recorded_s is not None
    assert session.recorded_s.tolist() == [[0, 4], [5, 6]]
    assert (session.subject_id, session.n_trials, dict(session.behaviour)) == ("s", 0, {})


@pytest.mark.parametrize("kind", ["intervals", "table"])
def test_trials_are_intervals_or_a_table(spikes: nap.TsGroup, kind: str) -> None:
    table = pd.DataFrame({"start": [0.0, 2.0], "end": [1.0, 3.0], "choice": [1, -1]})
    trials = table if kind == "table" else nap.IntervalSet(table["start"], table["end"], metadata=table[["choice"]])
    session = from_pynapple(spikes, session_id="s", subject_id="rat 1", trials=trials)
    assert session.trials[["start", "end", "choice"]].to_numpy().tolist() == [
        [0.0, 1.0, 1.0],
        [2.0, 3.0, -1.0],
    ]
    assert session.subject_id == "rat 1"


def test_time_series_become_traces(spikes: nap.TsGroup) -> None:
    speed = nap.Tsd(np.array([0.0, 1.0, 2.0]), np.array([3, 4, 5]))
    place = nap.TsdFrame(np.array([0.0, 1.0]), np.array([[1.0, 2.0], [3.0, 4.0]]), columns=["x", "y"])
    images = nap.TsdTensor(np.array([0.0, 1.0]), np.zeros((2, 3, 3)))
    behaviour = {"speed": speed, "place": place, "images": images}
    session = from_pynapple(spikes, session_id="s", behaviour=behaviour)
    assert session.behaviour["speed"].values.tolist() == [3.0, 4.0, 5.0]
    assert session.behaviour["place"].values.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert session.behaviour["place"].times_s.tolist() == [0.0, 1.0]
    assert [dropped.id for dropped in session.dropped] == ["images"]


def test_a_group_without_members_is_an_error() -> None:
    with pytest.raises(DataError, match="no units"):
        from_pynapple(nap.TsGroup({}, time_support=nap.IntervalSet(0, 1)), session_id="s")
