"""The log: one row per step, and after resuming the rows that an uninterrupted run has."""

import csv

from spikeglot.events import Progress, StepDone, Validated
from spikeglot.training.log import COLUMNS, VALIDATION_COLUMNS, CsvLog


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def step(number):
    return StepDone(number, 9, 0.1 * number, 1e-3, 100.0)


def validated(number):
    return Validated(number, {"co-smoothing": 0.25, "forward": float("nan")}, 0.125, is_best=True)


def test_a_row_per_step_with_the_scores_of_its_validation(tmp_path):
    with CsvLog(tmp_path / "new" / "log.csv") as log:
        for event in (validated(0), step(1), step(2), validated(2), Progress("fit", 1, 2), step(3)):
            log(event)
    rows = rows_of(tmp_path / "new" / "log.csv")
    assert list(rows[0]) == list(COLUMNS)
    assert [row["step"] for row in rows] == ["0", "1", "2", "3"]
    assert [row["loss"] for row in rows] == ["", "0.1", "0.2", "0.3"]
    assert [row["val co-smoothing"] for row in rows] == ["0.25000", "", "0.25000", ""]
    assert rows[2]["val mean"] == "0.12500"
    assert rows[2]["val forward"] == "nan"
    assert rows[2]["val intra-region"] == ""


def test_rows_are_on_disk_while_the_run_goes_on(tmp_path):
    """Whatever a checkpoint is written after must be in the log: a kill then loses nothing."""
    with CsvLog(tmp_path / "log.csv") as log:
        log(step(1))
        log(step(2))
        assert [row["step"] for row in rows_of(tmp_path / "log.csv")] == ["1"]
        log(validated(2))
        assert [row["step"] for row in rows_of(tmp_path / "log.csv")] == ["1", "2"]
        log(step(3))
    assert [row["step"] for row in rows_of(tmp_path / "log.csv")] == ["1", "2", "3"]


def test_a_resumed_run_keeps_the_rows_up_to_its_checkpoint(tmp_path):
    path = tmp_path / "log.csv"
    with CsvLog(path) as log:
        for number in range(1, 6):
            log(step(number))
    before = rows_of(path)
    with CsvLog(path, keep_until=3) as log:
        log(step(4))
    rows = rows_of(path)
    assert [row["step"] for row in rows] == ["1", "2", "3", "4"]
    assert rows[:3] == before[:3]


def test_resuming_before_the_first_step_keeps_the_score_of_the_start(tmp_path):
    path = tmp_path / "log.csv"
    with CsvLog(path) as log:
        log(validated(0))
        log(step(1))
    with CsvLog(path, keep_until=0) as log:
        log(step(1))
    assert [row["step"] for row in rows_of(path)] == ["0", "1"]
    assert rows_of(path)[0]["val co-smoothing"] == "0.25000"


def test_a_run_that_fails_before_its_first_row_leaves_no_file(tmp_path):
    """Otherwise the next try finds a folder that is not empty, and is refused."""
    with CsvLog(tmp_path / "run" / "log.csv"):
        pass
    assert not (tmp_path / "run").exists()


def test_a_resume_that_fails_before_its_first_row_leaves_the_log_as_it_was(tmp_path):
    path = tmp_path / "log.csv"
    with CsvLog(path) as log:
        log(step(1))
        log(step(2))
    before = path.read_bytes()
    with CsvLog(path, keep_until=1):
        pass
    assert path.read_bytes() == before


def validated_by_session(number):
    by_session = {"b": {"co-smoothing": 0.1, "forward": 0.25}, "a": {"co-smoothing": 0.3}}
    return Validated(number, {"co-smoothing": 0.2, "forward": 0.25}, 0.225, is_best=False, by_session=by_session)


def test_a_validation_has_a_row_per_session_and_task(tmp_path):
    with CsvLog(tmp_path / "log.csv") as log:
        log(validated_by_session(0))
        log(step(1))
        log(validated_by_session(1))
    rows = rows_of(tmp_path / "validation.csv")
    assert list(rows[0]) == list(VALIDATION_COLUMNS)
    assert [tuple(row.values()) for row in rows[:3]] == [
        ("0", "b", "co-smoothing", "0.10000"),
        ("0", "b", "forward", "0.25000"),
        ("0", "a", "co-smoothing", "0.30000"),
    ]
    assert [row["step"] for row in rows] == ["0"] * 3 + ["1"] * 3


def test_a_resumed_run_keeps_validations_up_to_its_checkpoint(tmp_path):
    with CsvLog(tmp_path / "log.csv") as log:
        for number in (0, 4, 8):
            log(validated_by_session(number))
    with CsvLog(tmp_path / "log.csv", keep_until=4) as log:
        log(validated_by_session(12))
    assert [row["step"] for row in rows_of(tmp_path / "validation.csv")] == [*"000", *"444", "12", "12", "12"]
