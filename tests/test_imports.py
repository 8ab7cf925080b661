"""The import graph of the package: who may know whom, and what must load without torch."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "spikeglot"
SMALL = {"errors", "events", "settings", "randomness", "device", "precision", "workers", "version", ""}
"""Files that everyone may use; "" is the package itself, for its version."""
MAY_IMPORT = {
    "": {"data", "api", "studies", "evaluation", "viz", "launch"},
    "errors": set(),
    "device": set(),
    "precision": set(),
    "workers": set(),
    "version": set(),
    "events": set(),
    "settings": set(),
    "randomness": set(),
    "data": {"launch"},
    "masking": set(),
    "metrics": set(),
    "batch": {"data", "masking"},
    "models": {"batch", "masking"},
    "checkpoint": {"models", "data"},
    "training": {"models", "masking", "metrics", "batch", "checkpoint"},
    "evaluation": {"models", "masking", "metrics", "batch", "data"},
    "viz": {"data", "metrics"},
    "api": {"data", "masking", "metrics", "batch", "models", "checkpoint", "training", "evaluation", "viz"},
    "studies": {"data", "evaluation", "viz", "checkpoint", "api"},
    "cli": {"data", "evaluation", "viz", "api", "studies", "checkpoint", "launch"},
    "launch": set(),
    "__main__": {"cli"},
}
WITHOUT_TORCH = ("errors", "events", "settings", "data", "metrics", "viz")


def room_of(path: Path) -> str:
    """Return the part of the package that a file belongs to: a folder, or a file beside the folders."""
    first = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    return "" if first == "__init__" else first


def imported(path: Path) -> set[str]:
    """Return the full names of all modules that a file imports, also inside functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide where a name comes from"
            names |= {
                f"{node.module}.{alias.name}" if node.module == "spikeglot" else str(node.module)
                for alias in node.names
            }
    return names


def rooms_imported(path: Path) -> set[str]:
    rooms = {name.split(".")[1] for name in imported(path) if name.startswith("spikeglot.")}
    known = {room_of(file) for file in SOURCE.rglob("*.py")}
    return {room if room in known else "" for room in rooms}


FILES = sorted(SOURCE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=[str(p.relative_to(SOURCE)) for p in FILES])
def test_a_file_imports_only_what_its_room_may(path):
    room = room_of(path)
    assert room in MAY_IMPORT, f"say in this test what the new part '{room}' may import"
    wrong = rooms_imported(path) - MAY_IMPORT[room] - SMALL - {room}
    assert not wrong, f"{path.relative_to(SOURCE)} imports {', '.join(sorted(wrong))}"


@pytest.mark.parametrize("path", [p for p in FILES if room_of(p) in WITHOUT_TORCH], ids=lambda p: p.stem)
def test_the_numpy_world_does_not_know_torch(path):
    assert not {name for name in imported(path) if name.split(".")[0] in ("torch", "safetensors")}


def test_no_room_imports_itself_around_a_corner():
    """Imports point downward: the allowed graph has no cycle."""
    graph = {room: may - {room} for room, may in MAY_IMPORT.items() if room}
    while graph:
        bottom = {room for room, may in graph.items() if not may & graph.keys()}
        assert bottom, f"a cycle among {sorted(graph)}"
        graph = {room: may for room, may in graph.items() if room not in bottom}


def modules_after(code: str) -> set[str]:
    """Return the top-level modules that are loaded in a fresh interpreter after ``code``."""
    script = f"import sys\n{code}\nprint('\\n'.join(sorted({{name.split('.')[0] for name in sys.modules}})))"
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={**os.environ},
    )
    return set(done.stdout.split("\n"))


def test_import_spikeglot_loads_nothing_heavy():
    loaded = modules_after("import spikeglot; spikeglot.__version__; dir(spikeglot)")
    assert "spikeglot" in loaded
    assert not loaded & {
        "torch",
        "numpy",
        "pandas",
        "pydantic",
        "matplotlib",
        "scipy",
        "sklearn",
        "h5py",
        "pynwb",
    }


@pytest.mark.parametrize(
    "code",
    [
        "import spikeglot.cli",
        "from spikeglot.cli import main; assert main(['--help']) == 0",
        "from spikeglot.cli import main; assert main(['nonsense']) == 2",
        "from spikeglot import load_sessions, simulate_sessions, Recipe, Session, load_recipe",
        "import spikeglot.viz.show, spikeglot.viz.raster, spikeglot.metrics, spikeglot.data.prepare",
        "import spikeglot.viz.matrix, spikeglot.viz.trial_average, spikeglot.viz.translation",
        "from spikeglot.studies.engine.study import known_studies, load_study\nfor s in known_studies(): load_study(s)",
        "from spikeglot.cli import main; assert main(['study', '--help']) == 0",
    ],
)
def test_what_must_not_wait_for_torch_does_not_load_it(code):
    loaded = modules_after(code)
    assert "spikeglot" in loaded
    assert not loaded & {"torch", "pynwb", "one", "sklearn", "pynapple"}


def test_the_check_sees_torch_where_it_is():
    assert "torch" in modules_after("import spikeglot.masking.mask")


def test_everything_that_the_package_offers_exists():
    import spikeglot

    for name in spikeglot.__all__:
        assert getattr(spikeglot, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'pretrian'"):
        spikeglot.pretrian  # noqa: B018
