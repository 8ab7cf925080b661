"""The small parts that sources share: intervals, text and regions, traces."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikeglot.data.session import UNKNOWN_REGION
from spikeglot.data.sources import traces
from spikeglot.data.sources.intervals import union_of_intervals
from spikeglot.data.sources.tables import decoded, find_regions, region_names
from spikeglot.data.sources.traces import checked_traces

whole_intervals = st.tuples(st.integers(0, 30), st.integers(1, 8)).map(lambda pair: (pair[0], pair[0] + pair[1]))


@settings(max_examples=100, deadline=None)
@given(st.lists(whole_intervals, max_size=8))
def test_the_union_covers_what_the_intervals_cover_and_is_disjoint(intervals: list[tuple[int, int]]) -> None:
    union = union_of_intervals(np.array(intervals, dtype=float).reshape(-1, 2))
    moments = np.arange(0.5, 40)
    covered = [any(a <= t < b for a, b in intervals) for t in moments]
    assert [any(a <= t < b for a, b in union) for t in moments] == covered
    assert np.all(union[1:, 0] > union[:-1, 1])


def test_intervals_that_are_not_known_are_left_out_of_the_union() -> None:
    assert union_of_intervals(np.array([[0, np.nan], [3, 4]])).tolist() == [[3, 4]]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([b"CA1", "µ".encode()]), ["CA1", "µ"]),
        (np.array([b"CA1", "DG", 3, None], dtype=object), ["CA1", "DG", 3, None]),
        (np.array([1.5, 2.0]), [1.5, 2.0]),
        (np.array([], dtype="S3"), []),
    ],
)
def test_bytes_become_text_and_the_rest_stays(values: np.ndarray, expected: list) -> None:
    assert decoded(values).tolist() == expected


def test_lists_in_a_column_stay_lists() -> None:
    column = np.empty(2, dtype=object)
    column[0], column[1] = [1.0, 2.0], [3.0, 4.0]
    assert decoded(column).tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_every_way_of_writing_unknown_is_the_unknown_region() -> None:
    names = np.array(["CA1", " DG ", "unknown", "None", "NaN", "n/a", "", np.nan], dtype=object)
    assert region_names(names).tolist() == ["CA1", "DG", *[UNKNOWN_REGION] * 6]


def test_the_region_comes_from_the_first_column_that_knows_any() -> None:
    columns = {
        "acronym": np.array(["DG", "CA1"]),
        "location": np.array(["unknown", ""]),
        "depth": np.zeros(2),
    }
    assert find_regions(columns) is not None
    assert list(find_regions(columns)) == ["DG", "CA1"]  # pyright: ignore
    assert find_regions({"location": np.array(["", ""])}) is None


def test_samples_are_put_in_order_with_their_values() -> None:
    times_s, values = np.array([2.0, np.nan, 0.0, 1.0]), np.array([[2, 20], [9, 90], [0, 0], [1, 10]])
    found, dropped = checked_traces([("wheel", times_s, values)])
    assert found["wheel"].times_s.tolist() == [0.0, 1.0, 2.0]
    assert found["wheel"].values.tolist() == [[0, 0], [1, 10], [2, 20]]
    assert [d.reason.split(",")[0] for d in dropped] == [
        "1 samples without a time were left out",
        "its samples were not in order of time and were sorted",
    ]
    assert times_s[0] == 2.0


def test_a_raw_signal_is_not_read(monkeypatch) -> None:
    monkeypatch.setattr(traces, "MAX_VALUES", 3)
    found, dropped = checked_traces([("lfp", np.arange(4.0), np.arange(4.0)), ("x", np.arange(3.0), np.arange(3.0))])
    assert list(found) == ["x"]
    assert [d.id for d in dropped] == ["lfp"]
