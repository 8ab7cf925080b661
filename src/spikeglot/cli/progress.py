"""Progress bars on stderr: listeners of the library's events."""

from __future__ import annotations

import math
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Column

from spikeglot.events import DoneWithout, Event, LeftOut, Progress, StepDone, Stopped, Validated
from spikeglot.settings import TASKS

STAGES = {
    "read": "reading",
    "prepare": "preparing",
    "fit": "closed-form start",
    "evaluate": "evaluation",
    "baselines": "baselines",
    "decode": "decoding",
    "train": "training",
    "study": "study",
}
SECONDS_BETWEEN_LINES = 10.0
VALIDATION_TITLE = "validation on fixed masks, bits per spike against the training mean (pooled)"


class ProgressBars:
    """One bar per stage, with speed and time left; validation scores as lines above.

    Where stderr is no terminal (a log file), a stage prints a line when it is done, and now and then before.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Bars(
            TextColumn("{task.description:<17}"),
            BarColumn(bar_width=12),
            MofNCompleteColumn(),
            TimeRemainingColumn(elapsed_when_finished=True),
            TextColumn("{task.fields[left]}"),
            TextColumn("{task.fields[detail]}", table_column=Column(no_wrap=True, overflow="ellipsis")),
            console=console,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}
        self._done: dict[str, int] = {}
        self._header_shown = False
        self._last_line_s = time.monotonic()

    def __enter__(self) -> ProgressBars:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def __call__(self, event: Event) -> None:
        if isinstance(event, Progress):
            self._advance(event.stage, event.done, event.total, event.detail)
        elif isinstance(event, StepDone):
            detail = f"{event.trials_per_s:,.0f} trials/s, loss {event.loss:.4f}"
            self._advance("train", event.step, event.n_steps, detail)
        elif isinstance(event, Validated):
            self._validated(event)
        elif isinstance(event, LeftOut):
            self._console.print(f"left out {event.session_id}: {event.reason}", markup=False)
        elif isinstance(event, DoneWithout):
            self._console.print(f"without {event.setting}: {event.reason}", markup=False)
        elif isinstance(event, Stopped):
            self._console.print(f"stopping after step {event.step} of {event.n_steps}")

    def reading(self, done: int, total: int, name: str) -> None:
        """Advance the bar of reading files."""
        self._advance("read", done, total, name)

    def _advance(self, stage: str, done: int, total: int, detail: str) -> None:
        if not self._console.is_terminal:
            self._line(f"{STAGES[stage]}: {done:,} of {total:,}  {detail}", finished=done == total)
            return
        left = "" if done == total else "left"
        if stage not in self._tasks:
            self._tasks[stage] = self._bars.add_task(STAGES[stage], total=total, left="", detail="")
        elif done < self._done[stage]:
            # sessions come one after the other: the next one starts the bar again
            self._bars.reset(self._tasks[stage], total=total)
        self._done[stage] = done
        self._bars.update(self._tasks[stage], completed=done, total=total, left=left, detail=detail)

    def _line(self, text: str, finished: bool) -> None:
        now_s = time.monotonic()
        if finished or now_s - self._last_line_s > SECONDS_BETWEEN_LINES:
            self._console.print(text, markup=False)
            self._last_line_s = now_s

    def _validated(self, event: Validated) -> None:
        if not self._header_shown:
            heads = "".join(f"{name:>13}" for name in (*TASKS, "mean"))
            self._console.print(f"{VALIDATION_TITLE}\n{'step':>6}{heads}")
            self._header_shown = True
        values = (*(event.bits_per_spike[task] for task in TASKS), event.mean)
        cells = "".join(f"{'-' if math.isnan(value) else f'{value:.4f}':>13}" for value in values)
        self._console.print(f"{event.step:>6}{cells}{'  best' if event.is_best else ''}")
