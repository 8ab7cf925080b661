"""``spikeglot show``: what is in the data, and what a recipe would keep of it."""

from __future__ import annotations

from rich.console import RenderableType

from spikeglot.cli.arguments import Show
from spikeglot.cli.data import read_data
from spikeglot.cli.output import Output
from spikeglot.cli.progress import ProgressBars
from spikeglot.data.counts import Counts
from spikeglot.data.prepare import prepare
from spikeglot.data.sessions import Sessions
from spikeglot.data.sources.search import joined
from spikeglot.errors import DataError
from spikeglot.settings import QualitySettings, WindowSettings
from spikeglot.viz.show import counts_details, counts_dict, session_details, session_dict, sessions_table


def run(arguments: Show, output: Output) -> None:
    """Print sessions; with windows given, also the counts that a model would see."""
    with ProgressBars(output.stderr) as bars:
        sessions = read_data(arguments.data, bars)
    parts: list[RenderableType] = [sessions_table(sessions)]
    for session in sessions:
        parts += ["", session_details(session)]
    data = {"sessions": [session_dict(session) for session in sessions]}
    if asks_for_windows(arguments):
        counts = prepare_all(sessions, arguments)
        parts += ["", "[bold]What a model would see[/bold]"]
        for one in counts:
            parts += ["", counts_details(one)]
        data["prepared"] = [counts_dict(one) for one in counts]
    output.result(*parts, data=data)
    if sessions.dropped:
        output.hint(f"{len(sessions.dropped)} files were passed over; the first: {sessions.dropped[0].reason}")
    if "prepared" not in data and any(session.n_trials for session in sessions):
        output.hint("Next: the same with --window.align EVENT (a column of times above) shows what a model would see.")


def prepare_all(sessions: Sessions, arguments: Show) -> list[Counts]:
    """Return what a model would see of every session; raises DataError with the problems of all of them."""
    counts, problems = [], []
    for session in sessions:
        try:
            counts.append(prepare(session, arguments.window, arguments.quality))
        except DataError as problem:
            problems.append(str(problem))
    if problems:
        raise DataError(joined(problems))
    return counts


def asks_for_windows(arguments: Show) -> bool:
    """Whether a recipe, or any setting of windows and filters, was given."""
    return (
        arguments.recipe is not None or arguments.window != WindowSettings() or arguments.quality != QualitySettings()
    )
