"""Where a verb writes: results to stdout (as text or JSON), progress and hints to stderr."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console, RenderableType

WIDTH_WITHOUT_TERMINAL = 140


class Output:
    """What the flags --quiet and --json leave of a verb's words."""

    def __init__(self, quiet: bool, as_json: bool) -> None:
        self.quiet = quiet
        self.as_json = as_json
        width = None if sys.stdout.isatty() else WIDTH_WITHOUT_TERMINAL
        self._stdout = Console(width=width, highlight=False)
        self.stderr = Console(stderr=True, highlight=False, quiet=quiet)

    def result(self, *parts: RenderableType, data: dict[str, Any]) -> None:
        """Print a result: the parts for people, ``data`` for programs."""
        if self.as_json:
            sys.stdout.write(json.dumps(data, indent=1, default=str) + "\n")
            return
        for part in parts:
            self._stdout.print(part)

    def hint(self, text: str) -> None:
        """Say on stderr what was written, or what to do next."""
        self.stderr.print(text, markup=False, soft_wrap=True)
