"""``spikeglot check``: whether every session can be trained on, and what is wrong where it cannot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from spikeglot.cli.arguments import Check
from spikeglot.cli.data import read_data
from spikeglot.cli.output import Output
from spikeglot.cli.progress import ProgressBars
from spikeglot.errors import DataError

if TYPE_CHECKING:
    from spikeglot.api.check import Checked

NUMBERS = ("units", "regions", "train", "val", "test")


def run(arguments: Check, output: Output) -> None:
    """Print one line per session and every problem.

    Raises
    ------
    DataError
        A session cannot be used: the exit status says so too.
    """
    from spikeglot.api.check import check

    with ProgressBars(output.stderr) as bars:
        checked = check(read_data(arguments.data, bars, leave_out_unusable=True), arguments.settings)
    problems = [one for one in checked if not one.is_usable]
    n_usable = len(checked) - len(problems)
    output.result(
        checked_table(checked),
        *(escape(f"\n{one.session_id}: {one.problem}") for one in problems),
        data={"n_usable": n_usable, "sessions": [asdict(one) | {"is_usable": one.is_usable} for one in checked]},
    )
    if problems:
        raise DataError(
            f"{len(problems)} of {len(checked)} sessions cannot be used. Mend them as said above"
            + (", or train without them: spikeglot pretrain --leave-out-unusable." if n_usable else ".")
        )
    output.hint("Next: spikeglot pretrain with the same DATA and flags, and --out RUN")


def checked_table(checked: Sequence[Checked]) -> Table:
    """Return a table with a row per session: ok and what a run sees of it, or that it cannot be used."""
    table = Table(box=None, pad_edge=False)
    for name in ("session", "subject", *NUMBERS, ""):
        table.add_column(name, justify="right" if name in NUMBERS else "left", overflow="fold")
    for one in checked:
        numbers = (one.n_units, one.n_regions, one.n_train, one.n_val, one.n_test) if one.is_usable else ()
        cells = [f"{n:,}" for n in numbers] or [""] * len(NUMBERS)
        table.add_row(
            Text(one.session_id), Text(one.subject_id), *cells, "ok" if one.is_usable else "cannot be used (below)"
        )
    return table
