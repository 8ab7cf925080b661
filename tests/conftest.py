"""Fixtures that every test may use."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real recordings beside the project; tests that need it skip where it is absent."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("real recordings are not here: no folder ../shared/data beside the project")
    return folder


@pytest.fixture(scope="session")
def lederberg(shared_data: Path) -> Path:
    """The reference recording of the protocol in results/: mouse, 14 regions, 300 trials."""
    return shared_data / "steinmetz2019" / "sub-Lederberg_ses-20171206_ecephys.nwb"


@pytest.fixture(scope="session")
def factories() -> ModuleType:
    """Builders of small counts, masks and models (factories.py); tests that ask import torch."""
    return _beside("factories")


@pytest.fixture(scope="session")
def recordings() -> ModuleType:
    """Builders of small recordings on disk (recordings.py)."""
    return _beside("recordings")


@pytest.fixture(scope="session")
def fake_one() -> ModuleType:
    """A release of the IBL on disk, and an object that serves it as ONE would (fake_one.py)."""
    return _beside("fake_one")


@pytest.fixture(scope="session")
def together() -> ModuleType:
    """Processes that train together, each a rank, with a hard time limit (together.py)."""
    return _beside("together")


class Said(NamedTuple):
    """What a command left: exit status, stdout, stderr."""

    status: int
    out: str
    err: str


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Run a command of the shell in this process: ``shell("show", path, "--json")``."""

    def run(*words: object) -> Said:
        from spikeglot.cli import main

        capsys.readouterr()
        status = main([str(word) for word in words])
        return Said(status, *capsys.readouterr())

    return run


def _beside(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"spikeglot_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
