"""By what a run was made: version and commit of the package, and the machine."""

from __future__ import annotations

import platform
import subprocess
from functools import cache
from pathlib import Path

from spikeglot.version import __version__
from spikeglot.workers import n_usable_cores

PACKAGE = Path(__file__).resolve().parents[2]


@cache
def describe_version() -> str:
    """Return the version, with the commit where the package runs from a git checkout: "0.1.0, commit 1a2b3c4"."""
    # a package that was installed into somebody else's repository is not tracked there
    if _git("ls-files", "__init__.py") != "__init__.py":
        return __version__
    changed = " with uncommitted changes" if _git("status", "--porcelain", "--untracked-files=no", ".") else ""
    return f"{__version__}, commit {_git('rev-parse', '--short', 'HEAD')}{changed}"


@cache
def describe_machine() -> str:
    """Return the processor, the number of cores that this process may use, and the GPU where there is one."""
    n_cores = n_usable_cores()
    text = f"{_processor()}, {n_cores} core{'s' if n_cores > 1 else ''}"
    import torch

    return f"{text}, {torch.cuda.get_device_name()}" if torch.cuda.is_available() else text


def _processor() -> str:
    """The processor's own name where the system tells it (Linux), otherwise its kind."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _git(*words: str) -> str:
    """What git says about the package, "" where there is no git or no repository."""
    try:
        said = subprocess.run(["git", *words], cwd=PACKAGE, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return said.stdout.strip() if said.returncode == 0 else ""
