"""``spikeglot prepare``: recordings, or the repeated site of the IBL, as prepared sessions in a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from rich.table import Table
from rich.text import Text

from spikeglot.cli.arguments import Prepare
from spikeglot.cli.data import SIMULATED
from spikeglot.cli.output import Output, check_writable
from spikeglot.cli.progress import ProgressBars
from spikeglot.cli.ranks import slurm_options
from spikeglot.data.prepared import DROPPED, Outcome, check_prepare_workers, prepare
from spikeglot.errors import DataError, SettingsError

REPEATED_SITE = "ibl-repeated-site"


def run(arguments: Prepare, output: Output) -> None:
    """Prepare what is not done yet, and print what became of every recording.

    Raises
    ------
    SettingsError
        No DATA; flags of the repeated site without it, or files beside it.
    DataError
        A recording failed, or the server cannot be reached.
    """
    check_flags(arguments)
    check_writable(arguments.out)
    try:
        with ProgressBars(output.stderr) as bars:
            outcomes = _outcomes(arguments, bars)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("What is done stays; the same command goes on.") from None
    failed = [one for one in outcomes if one.state == "failed"]
    output.result(
        outcomes_table(outcomes),
        data={"dropped": str(arguments.out / DROPPED), "sessions": [asdict(one) for one in outcomes]},
    )
    output.hint(f"What was left out, and why: {arguments.out / DROPPED}")
    if failed:
        raise DataError(
            f"{len(failed)} of {len(outcomes)} recordings failed; the reasons are above and in {DROPPED}. What is done "
            "stays: mend them and start the same command again."
        )
    recipe = f" --recipe {REPEATED_SITE}" if _is_repeated_site(arguments) else ""
    output.hint(f"Next: spikeglot pretrain {arguments.out}{recipe} --out RUN")


def check_flags(arguments: Prepare) -> None:
    """Raise SettingsError for flags that do not go together."""
    if not arguments.data:
        raise SettingsError(f"No DATA given. Name files or folders of recordings, or '{REPEATED_SITE}'.")
    if _is_repeated_site(arguments):
        if arguments.workers != "1":
            raise SettingsError(f"--workers is for files and folders; '{REPEATED_SITE}' downloads one by one.")
        return
    check_prepare_workers(arguments.workers, slurm_options(arguments.slurm))
    if REPEATED_SITE in arguments.data:
        raise SettingsError(f"'{REPEATED_SITE}' stands alone: prepare the other DATA in a command of their own.")
    if arguments.sessions or arguments.cache_dir or arguments.base_url:
        raise SettingsError(f"--sessions, --cache-dir and --base-url are for '{REPEATED_SITE}'. Leave them out.")


def outcomes_table(outcomes: Sequence[Outcome]) -> Table:
    """Return a table with a row per recording: what became of it, and its file or the reason."""
    table = Table(box=None, pad_edge=False)
    for name in ("session", "", "file, or why not"):
        table.add_column(name, overflow="fold")
    for one in outcomes:
        table.add_row(Text(one.name), one.state, Text(one.reason or (one.path.name if one.path else "")))
    return table


def _is_repeated_site(arguments: Prepare) -> bool:
    return arguments.data == (REPEATED_SITE,)


def _outcomes(arguments: Prepare, bars: ProgressBars) -> tuple[Outcome, ...]:
    if _is_repeated_site(arguments):
        from spikeglot.data.ibl.release import BASE_URL
        from spikeglot.data.ibl.repeated_site import prepare_ibl_repeated_site

        return prepare_ibl_repeated_site(
            out=arguments.out,
            sessions=_wanted(arguments.sessions),
            base_url=arguments.base_url or BASE_URL,
            cache_dir=arguments.cache_dir,
            listen=bars,
        )
    if arguments.data == (SIMULATED,):
        from spikeglot.data.simulate import simulate_sessions

        return prepare(simulate_sessions(), out=arguments.out, listen=bars)
    return prepare(
        arguments.data,
        out=arguments.out,
        workers=arguments.workers,
        slurm=slurm_options(arguments.slurm),
        listen=bars,
    )


def _wanted(sessions: Sequence[str]) -> int | Sequence[str] | None:
    """One number is how many; anything else is ids."""
    if len(sessions) == 1 and sessions[0].isdecimal():
        return int(sessions[0])
    return sessions or None
