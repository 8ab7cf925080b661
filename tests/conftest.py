"""Fixtures that every test may use."""

from __future__ import annotations

from pathlib import Path

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
