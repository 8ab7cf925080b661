"""What the README and the how-to pages say: their lines run, their links lead somewhere, their settings exist."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from pydantic import BaseModel

from spikeglot.settings import SCHEMES, TASKS, Recipe, embedded_recipes

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs" / "how-to").glob("*.md")])
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
NOT_RUN = "<!-- not run: "
ADDS = "# src/spikeglot/"
"""First line of a block that is a file of the package: it is put into a copy of the package."""
SHELL = os.environ | {
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "OMP_NUM_THREADS": "1",
    "MPLBACKEND": "agg",
}


WRITES = {
    "README.md": (
        "runs/mine/best",
        "scores.csv",
        "raster.png",
        "rates.npz",
        "runs/simulated/best",
        "simulated.csv",
        "runs/python/best",
    ),
    "docs/how-to/architectures.md": ("runs/ndt2/best", "runs/lfads/best", "runs/gap/best"),
    "docs/how-to/load-your-data.md": ("monday.npz", "prepared/my_session.h5", "prepared/dropped.csv"),
    "docs/how-to/ibl-repeated-site.md": (),
    "docs/how-to/adapt-to-a-new-animal.md": (
        "new_animal.csv",
        "runs/fourth-animal/best",
        "adapted_20.csv",
        "scratch_20.csv",
        "five_animals.csv",
    ),
    "docs/how-to/decode.md": ("choice.csv", "motion.csv", "runs/animals/best"),
    "docs/how-to/train-on-many-sessions.md": (
        "runs/days/best",
        "runs/python-days/last",
        "runs/shares/validation.csv",
    ),
    "docs/how-to/studies.md": (
        "runs/ratios/ratios.md",
        "runs/transfer/transfer.png",
        "runs/positions/positions.csv",
        "runs/widths/widths.md",
    ),
    "docs/how-to/recipes.md": ("mine.toml", "runs/mine/last"),
    "docs/how-to/many-gpus.md": ("runs/two/last", "runs/restarts/best", "runs/sharded/best"),
    "docs/how-to/speed.md": ("runs/fast/best", "fast.csv"),
    "docs/how-to/translate.md": (
        "rates.npz",
        "average.png",
        "matrix.csv",
        "matrix.png",
        "average_python.png",
        "matrix_python.png",
    ),
}
"""What the lines of a page leave in their folder."""


class Block(NamedTuple):
    """A fenced block of a page: its language, its text, and whether it is marked as not run."""

    language: str
    text: str
    is_run: bool


def blocks(page: Path) -> list[Block]:
    found = re.finditer(
        r"^(?P<mark><!-- .*? -->\n)?```(?P<language>\w*)\n(?P<text>.*?)^```$", page.read_text(), re.M | re.S
    )
    return [Block(m["language"], m["text"], not (m["mark"] or "").startswith(NOT_RUN)) for m in found]


def place_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=place_of)
def test_the_lines_of_a_page_run(page, recordings, tmp_path):
    """All blocks of a page, one after the other, in one folder that holds a small recording."""
    recordings.write_nwb(tmp_path / "my_session.nwb")
    shell = SHELL
    if any(block.text.startswith(ADDS) for block in blocks(page)):
        shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
        shell = SHELL | {"PYTHONPATH": str(tmp_path / "src")}
    for block in blocks(page):
        if not block.is_run:
            continue
        if block.language == "toml" or block.text.startswith(ADDS):
            (tmp_path / block.text.split()[1]).write_text(block.text)
            continue
        if block.language not in ("bash", "python"):
            continue
        start = (
            ["bash", "-euo", "pipefail", "-c"] if block.language == "bash" else [sys.executable, "-W", "error", "-c"]
        )
        done = subprocess.run(
            [*start, block.text], cwd=tmp_path, capture_output=True, text=True, timeout=600, env=shell
        )
        assert done.returncode == 0, f"{block.text}\n{done.stdout}\n{done.stderr}"
        assert done.stdout or block.language == "python"
        assert "Traceback" not in done.stderr
    for name in WRITES[place_of(page)]:
        assert (tmp_path / name).exists(), name


def test_almost_every_block_is_run():
    marked = [(place_of(page), block.text) for page in PAGES for block in blocks(page) if not block.is_run]
    places = [
        "README.md",
        *["docs/how-to/ibl-repeated-site.md"] * 3,
        "docs/how-to/load-your-data.md",
        *["docs/how-to/many-gpus.md"] * 3,
        "docs/how-to/speed.md",
        "docs/how-to/train-on-many-sessions.md",
    ]
    assert [place for place, _ in marked] == places
    assert "make demo" in marked[0][1]
    assert "one_cache/" in marked[4][1]
    assert "make bench" in marked[-2][1]
    languages = [block.language for block in blocks(ROOT / "README.md") if block.is_run]
    assert languages.count("bash") >= 2
    assert languages.count("python") >= 1


def test_every_verb_and_both_commands_are_in_the_readme():
    text = (ROOT / "README.md").read_text()
    for line in (
        "make demo",
        "make test",
        *(f"spikeglot {verb}" for verb in ("show ", "pretrain ", "finetune ", "evaluate ", "decode")),
    ):
        assert line in text
    targets = re.findall(r"^(\w[\w-]*):", (ROOT / "Makefile").read_text(), re.M)
    for target in re.findall(r"^make ([\w-]+)", "\n".join(page.read_text() for page in DOCUMENTS), re.M):
        assert target in targets


@pytest.mark.parametrize("page", DOCUMENTS, ids=place_of)
def test_links_lead_to_files_and_headings(page):
    for target in re.findall(r"\]\((?!https?://)([^)]+)\)", page.read_text()):
        path, _, heading = target.partition("#")
        file = (page.parent / path) if path else page
        assert file.exists(), target
        if heading:
            known = {
                re.sub(r"[^\w -]", "", h).strip().lower().replace(" ", "-")
                for h in re.findall(r"^#+ (.*)$", file.read_text(), re.M)
            }
            assert heading in known, target


@pytest.mark.parametrize("page", DOCUMENTS, ids=place_of)
def test_files_that_are_named_exist(page):
    for name in re.findall(r"`((?:src|tests|docs|results)/[\w./-]+)`", page.read_text()):
        assert (ROOT / name).exists(), name


def test_the_way_of_a_datum_is_eight_short_files():
    way = (ROOT / "README.md").read_text().split("## The way of a datum")[1].split("\n## ")[0]
    files = re.findall(r"^\d\. \[([\w/.]+)\]\(src/spikeglot/([\w/.]+)\)", way, re.M)
    assert len(files) == 8
    for shown, path in files:
        assert shown == path
        assert len((ROOT / "src" / "spikeglot" / path).read_text().splitlines()) <= 300


def settings(model: type[BaseModel] = Recipe, prefix: str = ""):
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from settings(field.annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field.default


def shown(default) -> str:
    if default is None:
        return "none"
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, tuple):
        return ", ".join(map(str, default))
    return str(default) or '""'


def test_every_setting_is_documented_with_its_default_and_no_other():
    page = (ROOT / "docs" / "how-to" / "recipes.md").read_text()
    rows = re.findall(r"^\| `([\w.]+)` \| (.*?) \| .+ \|$", page, re.M)
    assert dict(rows) == {name: shown(default) for name, default in settings()}
    assert len(rows) == len(dict(rows))


def test_settings_that_are_mentioned_anywhere_exist():
    known = {name for name, _ in settings()}
    sections = "|".join(name for name in Recipe.model_fields if name != "seed")
    for page in DOCUMENTS:
        text = page.read_text()
        for name in re.findall(rf"`((?:{sections})\.[a-z_.]+)[ =`]", text):
            assert name in known or name.endswith(".py"), f"{place_of(page)}: {name}"
        for flag in re.findall(rf"--((?:{sections})\.[\w.-]+)", text):
            assert flag.replace("-", "_") in known, f"{place_of(page)}: --{flag}"


def test_schemes_tasks_and_recipes_are_documented():
    method = (ROOT / "docs" / "explain" / "method.md").read_text()
    for name in (*SCHEMES, *TASKS):
        assert f"`{name}`" in method, name
    for name in embedded_recipes():
        assert f"`{name}`" in (ROOT / "docs" / "how-to" / "recipes.md").read_text(), name
    readme = (ROOT / "README.md").read_text()
    for name in TASKS:
        assert f"**{name}**" in readme


def test_columns_and_metrics_of_the_score_table_are_documented():
    from spikeglot.evaluation.scores import COLUMNS

    table = (ROOT / "README.md").read_text().split("## Read scores.csv")[1].split("\n## ")[0]
    for name in (*COLUMNS, "bits_per_spike", "poisson_d2", "psth_r2", "trial_r2", "n_units_left_out"):
        assert f"`{name}`" in table, name
