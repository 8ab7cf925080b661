"""Progress: bars in a terminal that fit it, lines in a log file, and no more of them than help."""

import io

import pytest
from rich.console import Console

from spikeglot.cli.progress import ProgressBars
from spikeglot.events import DoneWithout, Progress, StepDone, Stopped, Validated

SCORES = {"co-smoothing": 0.25, "inter-region": float("nan"), "intra-region": 0.1234567, "forward": -0.5}
EVENTS = [
    Progress("read", 1, 1, "a.nwb"),
    *(Progress("evaluate", n, 1000, f"{session} co-smoothing") for session in "ab" for n in range(0, 1001, 50)),
    Validated(0, SCORES, -0.04, True),
    *(StepDone(n, 200, 0.5, 1e-3, 1234.5) for n in range(1, 201)),
    Validated(200, SCORES, -0.05, False),
    Stopped(200, 300),
]


@pytest.fixture
def file():
    return io.StringIO()


def tell(console):
    with ProgressBars(console) as bars:
        bars.reading(1, 1, "a.nwb")
        for event in EVENTS:
            bars(event)


def test_what_a_run_does_without_is_said(file):
    with ProgressBars(Console(file=file)) as bars:
        bars(DoneWithout("train.compile", "[no] compiler"))
    assert file.getvalue() == "without train.compile: [no] compiler\n"


def test_in_a_log_file_a_stage_has_a_line_when_it_is_done(file):
    tell(Console(file=file, soft_wrap=True))
    lines = file.getvalue().splitlines()
    assert lines[:2] == ["reading: 1 of 1  a.nwb"] * 2
    assert lines[2] == "evaluation: 1,000 of 1,000  a co-smoothing"
    assert lines[3] == "evaluation: 1,000 of 1,000  b co-smoothing"
    assert lines[4].startswith("validation on fixed masks")
    assert lines[5].split() == ["step", "co-smoothing", "inter-region", "intra-region", "forward", "mean"]
    assert lines[6].split() == ["0", "0.2500", "-", "0.1235", "-0.5000", "-0.0400", "best"]
    assert lines[7] == "training: 200 of 200  1,234 trials/s, loss 0.5000"
    assert lines[8].split() == ["200", "0.2500", "-", "0.1235", "-0.5000", "-0.0500"]
    assert lines[9] == "stopping after step 200 of 300"
    assert len(lines) == 10
    assert max(map(len, lines)) <= 80


def test_in_a_log_file_long_stages_have_a_line_now_and_then(file, monkeypatch):
    clock = iter(range(0, 10_000, 3))
    monkeypatch.setattr("spikeglot.cli.progress.time.monotonic", lambda: next(clock))
    with ProgressBars(Console(file=file)) as bars:
        for n in range(1, 101):
            bars(Progress("fit", n, 100, ""))
    lines = file.getvalue().splitlines()
    assert lines[-1].startswith("closed-form start: 100 of 100")
    assert 20 <= len(lines) <= 30


def test_in_a_terminal_bars_fit_80_columns(file):
    tell(Console(file=file, force_terminal=True, width=80, no_color=True, legacy_windows=False))
    text = file.getvalue()
    assert "1000/1000" in text
    assert "200/200" in text
    last = [line for line in text.splitlines() if line.startswith("training")][-1]
    assert len(last.rstrip()) <= 80
    assert "trials/s, loss 0.5000" in last


def test_quiet_says_nothing(file):
    tell(Console(file=file, quiet=True))
    assert file.getvalue() == ""
