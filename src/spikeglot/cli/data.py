"""DATA of the shell: files and folders of any source, or the embedded simulated sessions."""

from __future__ import annotations

from collections.abc import Sequence

from spikeglot.cli.progress import ProgressBars
from spikeglot.data.session import Dropped
from spikeglot.data.sessions import Sessions, load_sessions
from spikeglot.data.sources.search import joined
from spikeglot.errors import DataError, SettingsError

SIMULATED = "simulated"


def read_data(paths: Sequence[str], bars: ProgressBars, leave_out_unusable: bool = False) -> Sessions:
    """Return the sessions that DATA names.

    With ``leave_out_unusable`` what cannot be read is listed in their ``unusable``.

    Raises
    ------
    SettingsError
        DATA is empty.
    DataError
        Files that cannot be read, all of them in one message, unless they are left out.
    """
    if not paths:
        raise SettingsError(
            f"No DATA given. Name files or folders of recordings, or '{SIMULATED}' for the embedded data set."
        )
    if list(paths) == [SIMULATED]:
        from spikeglot.data.simulate import simulate_sessions

        return Sessions(simulate_sessions())
    return load_sessions(*paths, leave_out_unusable=leave_out_unusable, progress=bars.reading)


def read_data_of_run(paths: Sequence[str], bars: ProgressBars, left_out: Sequence[Dropped]) -> Sessions:
    """Return the sessions that DATA names, but not those that the run left out when it was trained.

    Raises
    ------
    DataError
        Other files that cannot be read.
    """
    if not left_out:
        return read_data(paths, bars)
    known = {one.id for one in left_out}
    sessions = read_data(paths, bars, leave_out_unusable=True)
    problems = [one.reason for one in sessions.unusable if one.id not in known]
    if problems:
        raise DataError(joined(problems))
    return Sessions((one for one in sessions if one.session_id not in known), sessions.dropped, sessions.unusable)
