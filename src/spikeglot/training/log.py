"""``log.csv``: one row per step, validation scores in the rows where there was one."""

from __future__ import annotations

import csv
from pathlib import Path
from types import TracebackType
from typing import TextIO

from spikeglot.events import Event, StepDone, Validated
from spikeglot.settings import TASKS

COLUMNS = ("step", "loss", "learning_rate", "trials_per_s", *(f"val {task}" for task in TASKS), "val mean")


class CsvLog:
    """A listener that writes a run's log, rows flushed as they come; the file is not touched before the first row.

    A resumed run keeps the rows up to step ``keep_until``; later ones belong to steps that were lost.
    """

    def __init__(self, path: Path, keep_until: int = 0) -> None:
        self._path = path
        self._kept = _rows_until(path, keep_until) if path.exists() else []
        self._file: TextIO | None = None
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
            # the checkpoint that follows must find its row on disk
            self._write()

    def __enter__(self) -> CsvLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._write()
        if self._file is not None:
            self._file.close()

    def _write(self) -> None:
        """Write the row of the last step, which by now is complete."""
        if self._row is None:
            return
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("w", newline="")
            rows = csv.DictWriter(self._file, COLUMNS)
            rows.writeheader()
            rows.writerows(self._kept)
        csv.DictWriter(self._file, COLUMNS).writerow(self._row)
        self._file.flush()
        self._row = None


def _rows_until(path: Path, step: int) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return [row for row in csv.DictReader(file) if int(row["step"]) <= step]
