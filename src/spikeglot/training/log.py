"""A run's log: ``log.csv``, one row per step, and ``validation.csv``, one per validation, session and task."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TextIO

from spikeglot.events import Event, Listener, StepDone, Validated, silent
from spikeglot.settings import TASKS
from spikeglot.training.run_folder import Position, RunFolder

COLUMNS = ("step", "loss", "learning_rate", "trials_per_s", *(f"val {task}" for task in TASKS), "val mean")
VALIDATION_COLUMNS = ("step", "session_id", "task", "bits_per_spike")
VALIDATION_NAME = "validation.csv"


class CsvLog:
    """A listener that writes ``log.csv`` at ``path`` and `VALIDATION_NAME` beside it; rows are flushed as they come.

    The scores of a validation are also in the row of its step in ``log.csv``, as means over sessions. A resumed run
    keeps the rows up to step ``keep_until``; later ones belong to steps that were lost.
    """

    def __init__(self, path: Path, keep_until: int = 0) -> None:
        self._steps = StepTable(path, COLUMNS, keep_until)
        self._validations = StepTable(path.with_name(VALIDATION_NAME), VALIDATION_COLUMNS, keep_until)
        self._row: dict[str, object] | None = None

    def __call__(self, event: Event) -> None:
        if isinstance(event, StepDone):
            self._write()
            self._row = {
                "step": event.step,
                "loss": f"{event.loss:.6g}",
                "learning_rate": f"{event.learning_rate:.4g}",
                "trials_per_s": f"{event.trials_per_s:.1f}",
            }
        elif isinstance(event, Validated):
            scores = {f"val {task}": f"{value:.5f}" for task, value in event.bits_per_spike.items()}
            self._row = {"step": event.step} | (self._row or {}) | scores | {"val mean": f"{event.mean:.5f}"}
            # the checkpoint that follows must find its rows on disk
            self._write()
            self._validations.write(
                {"step": event.step, "session_id": session_id, "task": task, "bits_per_spike": f"{value:.5f}"}
                for session_id, by_task in event.by_session.items()
                for task, value in by_task.items()
            )

    def __enter__(self) -> CsvLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._write()
        self._steps.close()
        self._validations.close()

    def _write(self) -> None:
        """Write the row of the last step, which by now is complete."""
        if self._row is not None:
            self._steps.write([self._row])
            self._row = None


@contextmanager
def logged(run: RunFolder, position: Position | None, listen: Listener) -> Iterator[Listener]:
    """Yield a listener that writes the log of a run, from ``position`` on, and then calls ``listen``.

    Of several ranks the main one writes and listens; the others are silent.
    """
    if not run.ranks.is_main:
        yield silent
        return
    with CsvLog(run.log_path, keep_until=position.step if position else 0) as log:

        def tell(event: Event) -> None:
            log(event)
            listen(event)

        yield tell


class StepTable:
    """A CSV file whose rows have a ``step``; it is not touched before the first new row."""

    def __init__(self, path: Path, columns: Sequence[str], keep_until: int) -> None:
        self._path = path
        self._columns = columns
        self._kept = _rows_until(path, keep_until) if path.exists() else []
        self._file: TextIO | None = None

    def write(self, rows: Iterable[Mapping[str, object]]) -> None:
        """Write rows, and before the first ones those that are kept."""
        rows = list(rows)
        if not rows:
            return
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("w", newline="")
            csv.DictWriter(self._file, self._columns).writeheader()
            rows = [*self._kept, *rows]
        csv.DictWriter(self._file, self._columns).writerows(rows)
        self._file.flush()

    def close(self) -> None:
        """Close the file, if there is one."""
        if self._file is not None:
            self._file.close()


def _rows_until(path: Path, step: int) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return [row for row in csv.DictReader(file) if int(row["step"]) <= step]
