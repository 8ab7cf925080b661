"""What a result was measured on."""

from __future__ import annotations

import platform
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

import spikeglot
from benchmarks.sizes import Size
from benchmarks.timing import is_alone
from spikeglot.precision import PRECISIONS, WIDE, has_bfloat16_units

ROOT = Path(__file__).resolve().parents[1]


def describe(device: torch.device) -> dict[str, Any]:
    """Return commit, machine and versions; ``commit`` ends in "+" where files differ from it."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": _git("rev-parse", "--short", "HEAD") + ("+" if _git("status", "--porcelain", "--", "src") else ""),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else processor(),
        "instructions": instructions(device),
        "bfloat16_units": has_bfloat16_units(device),
        "n_threads": torch.get_num_threads(),
        "clock": "computing time of the thread" if is_alone() else "wall clock",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "spikeglot": spikeglot.__version__,
    }


def name_of(device: torch.device) -> str:
    """Return a name for files of results that tells processors and numbers of threads apart."""
    words = [torch.cuda.get_device_name(device)] if device.type == "cuda" else [processor(), instructions(device)]
    plain = re.sub(r"[^a-z0-9]+", "-", " ".join(words).lower()).strip("-")
    return plain if device.type == "cuda" else f"{plain}-{torch.get_num_threads()}-threads"


def instructions(device: torch.device) -> str:
    """Return the widest instructions that torch uses on a processor: processors of one name differ in them."""
    if device.type != "cpu":
        return ""
    return torch.backends.cpu.get_cpu_capability() + (" bf16" if has_bfloat16_units(device) else "")


def precisions(size: Size, device: torch.device) -> dict[str, torch.dtype]:
    """Return what is measured: a step of a wide model in bfloat16 takes minutes where there are no units for it."""
    fast = has_bfloat16_units(device) or size.width < WIDE
    return {name: dtype for name, dtype in PRECISIONS.items() if fast or name == "float32"}


def processor() -> str:
    """Return the name of the processor, as far as the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else "unknown"
