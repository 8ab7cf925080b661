"""An architecture is a file, a scheme is a file: the contracts hold for those of the how-to once they are there."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ADDED = re.compile(r"^```python\n# (src/spikeglot/\S+)\n(.*?)^```$", re.M | re.S)
CHOSEN = "(gru and (leaks or architectures)) or (test_schemes and gap)"


@pytest.mark.slow
def test_the_files_of_the_how_to_keep_every_contract(tmp_path):
    for name in ("src", "tests", "pyproject.toml"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    files = ADDED.findall((ROOT / "docs" / "how-to" / "architectures.md").read_text())
    assert [Path(place).name for place, _ in files] == ["gru.py", "gap.py"]
    for place, text in files:
        (tmp_path / place).write_text(text)
    words = ["-m", "pytest", "tests/contracts", "tests/masking/test_schemes.py", "-m", "not slow", "-k", CHOSEN]
    done = subprocess.run(
        [sys.executable, *words, "-p", "no:cacheprovider", "--disable-warnings"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=900,
        env=os.environ | {"PYTHONPATH": str(tmp_path / "src"), "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    n_passed = int(re.search(r"(\d+) passed", done.stdout).group(1))
    assert n_passed > 100, "the contracts must have been found"
