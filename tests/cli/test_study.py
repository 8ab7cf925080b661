"""``spikeglot study`` from words to tables; in the slow set every study from end to end."""

import json

import pytest

from spikeglot.studies.engine.study import known_studies

FRAME = str.maketrans("", "", "╭╮╰╯│─")
FEW = ("--train.steps", 4, "--train.validate-every", 2, "--train.validation-questions", 2, "--train.device", "cpu")
SMALL = ("--model.width", 16, "--model.depth", 1, "--model.heads", 2, "--model.stitch-width", 8)
HELD_OUT = ("--hold-out", "sim-3")
OF_STUDY = {
    "transfer": (*HELD_OUT, "--pretrain-on", 2, "--trials", 20, "--also-masks", "temporal", "--target", "choice"),
    "scaling": (*HELD_OUT, "--pretrain-on", 1),
    "chance": ("--targets", "choice", "motion_energy", "--shuffles", 1),
    "sessions": ("--target", "choice"),
}
OVER_SESSIONS = ("sessions", "scaling", "transfer")
WITH_SEEDS = ("mask-token", "positions", "prompts")
FIGURES = ("sessions", "scaling", "transfer")


@pytest.fixture(scope="module")
def recording(recordings, tmp_path_factory):
    return recordings.write_npz(tmp_path_factory.mktemp("data") / "day1.npz")


def words_of(text):
    return " ".join(text.translate(FRAME).split())


def test_help_lists_every_study_with_a_line(shell):
    said = shell("study", "--help")
    assert said.status == 0
    for name, about in known_studies().items():
        assert f"{name} {about}" in words_of(said.out)


def test_help_of_a_study_has_its_own_flags_and_shows_the_budget(shell):
    said = words_of(shell("study", "transfer", "--budget", "paper", "--help").out)
    assert said.startswith("usage: spikeglot study transfer ")
    assert "--hold-out [STR [STR ...]] Subjects that no model is pretrained on" in said
    assert "--model.width INT Width of the backbone. (default: 512)" in said
    assert "--hold-out" not in shell("study", "masking", "--help").out


def test_wrong_names_and_settings_are_refused_in_a_sentence(shell, recording, tmp_path):
    said = shell("study", "maskin", recording, "--out", tmp_path / "study")
    assert said.status == 1
    assert (
        said.err == "error: There is no study 'maskin'. Did you mean 'masking'? See spikeglot study --help for all.\n"
    )
    assert "Name a study first" in shell("study").err
    assert "--hold-out" in shell("study", "scaling", recording, "--out", tmp_path / "study", "--quiet").err
    said = shell("study", "chance", recording, "--out", tmp_path / "study", "--shuffles", "0")
    assert "shuffles: Input should be greater than or equal to 1 (got 0)" in said.err
    said = shell("study", "masking", recording, "--out", tmp_path / "study", "--workers", "many", "--quiet")
    assert "Workers are a number of processes, or 'ray', not 'many'." in said.err
    assert not (tmp_path / "study").exists()


def test_flags_override_the_budget_and_a_study_goes_on_where_it_stopped(shell, recording, tmp_path):
    words = ["study", "positions", recording, "--out", tmp_path / "study", "--workers", 1, "--baselines", "mean-rate"]
    words += ["--window.align", "stim_on_time", "--window.stop-s", 0.2, *FEW, *SMALL]
    said = shell(*words, "--quiet")
    assert said.status == 0, said.err
    assert "rotary minus learned" in said.out
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "study").rglob("*/scores.csv")}
    assert len(before) == 2
    again = shell(*words, "--json")
    assert again.status == 0
    assert {row["name"] for row in json.loads(again.out)["table"]} == {"rotary", "learned", "mean-rate"}
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert "positions.md, positions.csv and scores.csv" in again.err
    page = (tmp_path / "study" / "positions.md").read_text()
    assert "depth 1, width 16" in page
    assert "4 steps of 32 trials" in page  # steps of the flag, trials of the budget
    assert "```\nspikeglot study positions " in page


@pytest.fixture(scope="module")
def animals(tmp_path_factory):
    """Three simulated animals as files, with choices and a trace: the third can be held out."""
    from spikeglot.data.simulate import SimulationSettings, simulate_sessions
    from spikeglot.data.store import write_session

    folder = tmp_path_factory.mktemp("animals")
    settings = SimulationSettings(
        n_subjects=3, n_trials=60, regions=("A", "B", "C"), min_units=6, max_units=8, median_rate_hz=10.0
    )
    for session in simulate_sessions(settings):
        write_session(session, folder / f"{session.session_id}.h5")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", known_studies())
def test_every_study_runs_from_end_to_end_at_budget_small(name, shell, animals, tmp_path):
    """Its sizes and all its steps; small are the recordings, and the grid where it has many runs."""
    out = tmp_path / name
    data = animals if name in OVER_SESSIONS else min(animals.glob("*.h5"))
    words = ["study", name, data, "--out", out, "--budget", "small", "--window.align", "stim_on_time"]
    words += ["--window.stop-s", 0.2, "--window.bin-size-s", 0.05, "--quality.min-rate-hz", 0]
    words += ["--baselines", "mean-rate"]
    seeds = "0, 1" if name in WITH_SEEDS else "0"
    said = shell(*words, *OF_STUDY.get(name, ()), "--seeds", len(seeds.split()), "--workers", 1)
    assert said.status == 0, said.err
    assert "left out" not in said.err
    for file in ("scores.csv", f"{name}.csv", f"{name}.md", *([f"{name}.png"] if name in FIGURES else [])):
        assert (out / file).stat().st_size > 100
    page = (out / f"{name}.md").read_text()
    for heading in ("## Table", "## What it says next to the paper", "## Published"):
        assert heading in page
    assert "nan" not in page
    if name == "prompts":
        assert "decode choice: the best prompt is " in page
    assert f"Seeds {seeds};" in page
    assert "depth 2, width 64" in page
    assert "1000 steps of 32 trials, 4 masks each" in page
