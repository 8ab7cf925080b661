"""Fixtures that every test may use."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

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
    spec = importlib.util.spec_from_file_location("spikeglot_factories", Path(__file__).with_name("factories.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
