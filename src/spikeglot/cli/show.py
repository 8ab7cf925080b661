"""``spikeglot show``: what is in the data, and what a recipe would keep of it."""

from __future__ import annotations

from spikeglot.cli.arguments import Show
from spikeglot.cli.data import read_data
from spikeglot.cli.output import Output
from spikeglot.cli.progress import ProgressBars
from spikeglot.data.prepare import prepare
from spikeglot.settings import Recipe
from spikeglot.viz.show import counts_details, counts_dict, session_details, session_dict, sessions_table


def run(arguments: Show, output: Output) -> None:
    """Print sessions; with windows given, also the counts that a model would see."""
    with ProgressBars(output.stderr) as bars:
        sessions = read_data(arguments.data, bars)
    parts = [sessions_table(sessions), *(session_details(session) for session in sessions)]
    data = {"sessions": [session_dict(session) for session in sessions]}
    if arguments.recipe is not None or arguments.settings != Recipe():
        settings = arguments.settings
        counts = [prepare(session, settings.window, settings.quality) for session in sessions]
        parts += ["\n[bold]What a model would see[/bold]", *(counts_details(one) for one in counts)]
        data["prepared"] = [counts_dict(one) for one in counts]
    output.result(*parts, data=data)
    if sessions.dropped:
        output.hint(f"{len(sessions.dropped)} files were passed over: {sessions.dropped[0].reason}")
