"""Where a verb writes: results to stdout (as text or JSON), progress and hints to stderr."""

from __future__ import annotations

import json
import math
import os
import sys
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType

from spikeglot.errors import SettingsError

WIDTH_WITHOUT_TERMINAL = 140


class Output:
    """What the flags --quiet and --json leave of a verb's words; ``command`` is what was typed."""

    def __init__(self, quiet: bool, as_json: bool, command: str = "") -> None:
        self.quiet = quiet
        self.as_json = as_json
        self.command = command
        width = None if sys.stdout.isatty() else WIDTH_WITHOUT_TERMINAL
        self._stdout = Console(width=width, highlight=False)
        # a log file has no width to wrap at
        self.stderr = Console(stderr=True, highlight=False, quiet=quiet, soft_wrap=not sys.stderr.isatty())

    def result(self, *parts: RenderableType, data: dict[str, Any]) -> None:
        """Print a result: the parts for people, ``data`` for programs."""
        if self.as_json:
            sys.stdout.write(json.dumps(plain(data), indent=1, default=str) + "\n")
            return
        for part in parts:
            self._stdout.print(part, soft_wrap=isinstance(part, str))

    def hint(self, text: str) -> None:
        """Say on stderr what was written, or what to do next."""
        self.stderr.print(text, markup=False, soft_wrap=True)


def plain(value: Any) -> Any:
    """Return ``value`` with None for every NaN inside it, which JSON cannot say."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def check_writable(path: Path, suffix: str = "") -> None:
    """Make sure that a folder, or with a ``suffix`` a file, can be made before the work whose result it is to hold.

    Raises
    ------
    SettingsError
        No permission; a file where a folder must be, or the other way round; another suffix.
    """
    if suffix and path.suffix.lower() != suffix:
        raise SettingsError(f"'{path}' must end in {suffix}. Rename the file.")
    if suffix and path.is_dir():
        raise SettingsError(f"'{path}' is a folder. Name a file in it.")
    folders = path.absolute().parents if suffix else (path.absolute(), *path.absolute().parents)
    folder = next(folder for folder in folders if folder.exists())
    if not folder.is_dir():
        raise SettingsError(f"'{path}' cannot be written: '{folder}' is a file, not a folder. Choose another place.")
    if not os.access(folder, os.W_OK):
        raise SettingsError(
            f"'{path}' cannot be written: no permission to write into '{folder}'. Choose another place."
        )
