"""DATA of the shell: files and folders of any source, or the embedded simulated sessions."""

from __future__ import annotations

from collections.abc import Sequence

from spikeglot.cli.progress import ProgressBars
from spikeglot.data.sessions import Sessions, load_sessions
from spikeglot.errors import SettingsError

SIMULATED = "simulated"


def read_data(paths: Sequence[str], bars: ProgressBars) -> Sessions:
    """Return the sessions that DATA names.

    Raises
    ------
    SettingsError
        DATA is empty.
    DataError
        Files that cannot be read, all of them in one message.
    """
    if not paths:
        raise SettingsError(
            f"No DATA given. Name files or folders of recordings, or '{SIMULATED}' for the embedded data set."
        )
    if list(paths) == [SIMULATED]:
        from spikeglot.data.simulate import simulate_sessions

        return Sessions(simulate_sessions())
    return load_sessions(*paths, progress=bars.reading)
