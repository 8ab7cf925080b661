"""What the library reports while it works. Progress bars, logs and trackers are listeners: functions of an event."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Progress:
    """``done`` of ``total`` parts of a ``stage`` ("read", "fit", ...) are done; ``detail`` names the last."""

    stage: str
    done: int
    total: int
    detail: str = ""


@dataclass(frozen=True)
class LeftOut:
    """A run goes on without this session, because it cannot be used for this reason."""

    session_id: str
    reason: str


@dataclass(frozen=True)
class DoneWithout:
    """A run goes on without something that its settings asked for: the setting, and why not."""

    setting: str
    reason: str


@dataclass(frozen=True)
class StepDone:
    """One optimiser step: number from 1, of how many, loss (nats per target), learning rate, trials per second."""

    step: int
    n_steps: int
    loss: float
    learning_rate: float
    trials_per_s: float


@dataclass(frozen=True)
class Validated:
    """Validation after ``step`` steps: bits per spike per task, their mean, and whether it is the best so far.

    ``by_session`` has the bits per spike of every session by task, from which the others are means.
    """

    step: int
    bits_per_spike: Mapping[str, float]
    mean: float
    is_best: bool
    by_session: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Stopped:
    """Training was interrupted after ``step`` of ``n_steps`` steps; the checkpoint `last` holds the state."""

    step: int
    n_steps: int


Event = Progress | LeftOut | DoneWithout | StepDone | Validated | Stopped
Listener = Callable[[Event], None]


def silent(event: Event) -> None:
    """Listen to nothing."""
