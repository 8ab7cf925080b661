"""Progress bars on stderr: listeners of the library's events."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from spikeglot.events import Event, Progress, StepDone, Stopped, Validated
from spikeglot.settings import TASKS

STAGES = {
    "read": "reading",
    "fit": "closed-form start",
    "evaluate": "exact evaluation",
    "baselines": "baselines",
    "train": "training",
}
LINES_WITHOUT_TERMINAL = 10


class ProgressBars:
    """One bar per stage, with speed and time left; validation scores as lines above.

    Where stderr is no terminal (a log file), training prints a line now and then instead.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Bars(
            TextColumn("{task.description:<18}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[detail]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}
        self._header_shown = False

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
            detail = f"{event.trials_per_s:,.0f} masked trials/s, loss {event.loss:.4f}"
            self._advance("train", event.step, event.n_steps, detail)
        elif isinstance(event, Validated):
            self._validated(event)
        elif isinstance(event, Stopped):
            self._console.print(f"stopping after step {event.step} of {event.n_steps}; saved as checkpoint 'last'")

    def reading(self, done: int, total: int, name: str) -> None:
        """Advance the bar of reading files."""
        self._advance("read", done, total, name)

    def _advance(self, stage: str, done: int, total: int, detail: str) -> None:
        if stage not in self._tasks:
            self._tasks[stage] = self._bars.add_task(STAGES[stage], total=total, detail="")
        # sessions come one after the other: a stage that starts again starts its bar again
        self._bars.update(self._tasks[stage], completed=done, total=total, detail=detail)
        if not self._console.is_terminal and done % max(1, total // LINES_WITHOUT_TERMINAL) == 0:
            self._console.print(f"{STAGES[stage]}: {done} of {total} {detail}", markup=False)

    def _validated(self, event: Validated) -> None:
        if not self._header_shown:
            self._console.print("validation, bits per spike on fixed masks:")
            self._header_shown = True
        scores = "  ".join(f"{task} {event.bits_per_spike[task]:.3f}" for task in TASKS)
        self._console.print(
            f"step {event.step:>6}  {scores}  mean {event.mean:.4f}{' (best)' if event.is_best else ''}"
        )
