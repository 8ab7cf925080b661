"""``spikeglot demo``: one command from nothing to a model, a score table and a picture."""

import json

import pytest

from spikeglot.evaluation.scores import read_scores


@pytest.fixture
def small(monkeypatch, recordings):
    """Let the demo simulate little and train less."""
    from spikeglot.data.simulate import SimulationSettings, simulate_sessions
    from spikeglot.settings import make_recipe

    settings = SimulationSettings(n_subjects=2, n_trials=40, regions=("TH", "VISp", "CA1"), min_units=8, max_units=9)
    recipe = make_recipe(recordings.TINY | {"train": recordings.TINY["train"] | {"steps": 20}})
    monkeypatch.setattr("spikeglot.cli.demo.simulate_sessions", lambda: simulate_sessions(settings))
    monkeypatch.setattr("spikeglot.cli.demo.load_recipe", lambda name: recipe)


def check_demo(folder):
    assert {path.name for path in folder.iterdir()} == {"run", "scores.csv", "raster.png"}
    assert {path.name for path in (folder / "run").iterdir()} == {"best", "last", "log.csv", "validation.csv"}
    assert (folder / "raster.png").read_bytes().startswith(b"\x89PNG")
    scores = read_scores(folder / "scores.csv")
    models = list(dict.fromkeys(scores["model"]))
    assert models[:2] == ["mtm", "oracle"]
    assert {"mean-rate", "psth"} <= set(models)
    assert set(scores["task"]) == {"co-smoothing", "inter-region", "intra-region", "forward"}
    return scores


def test_it_writes_a_model_a_table_and_a_picture(shell, small, tmp_path):
    out = tmp_path / "demo"
    said = shell("demo", "--out", out)
    assert said.status == 0
    check_demo(out)
    assert "sim-1_ses-1" in said.out
    assert "  oracle " in said.out
    assert str(out / "raster.png") in said.err
    said = shell("demo", "--out", out, "--short", "--json")
    assert said.status == 0, "a demo that is there is replaced"
    assert json.loads(said.out)["scores"] == str(out / "scores.csv")
    assert len((out / "run" / "log.csv").read_text().splitlines()) == 1 + 3


def test_it_leaves_other_folders_alone(shell, small, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    said = shell("demo", "--out", tmp_path)
    assert said.status == 1
    assert "exists and is no demo. Choose another folder with --out." in said.err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    (tmp_path / "empty").mkdir()
    assert shell("demo", "--out", tmp_path / "empty", "--quiet").status == 0


@pytest.mark.slow
def test_the_demo_as_it_ships(shell, tmp_path):
    said = shell("demo", "--short", "--out", tmp_path / "demo")
    assert said.status == 0
    scores = check_demo(tmp_path / "demo")
    pooled = scores.query(
        "metric == 'bits_per_spike' and null == 'test' and aggregation == 'pooled' and session_id == ''"
    )
    table = pooled.pivot(index="model", columns="task", values="value")
    assert (table.loc["oracle"] >= table.max() - 1e-9).all()
    assert (table.loc["mtm"] > table.loc["psth"]).all()
