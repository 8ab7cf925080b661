"""``spikeglot evaluate``: the score table, its summary, and flags that must fit the run."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from spikeglot.cli import main
from spikeglot.evaluation.scores import read_scores

torch.set_num_threads(1)
COLUMNS = "model,task,metric,null,aggregation,session_id,subject_id,unit_id,region,n_spikes,value"
FEW = ("--baselines", "mean-rate", "psth")


@pytest.fixture(scope="module")
def data(recordings, tmp_path_factory):
    return recordings.write_npz(tmp_path_factory.mktemp("data") / "day1.npz")


@pytest.fixture(scope="module")
def run(recordings, data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    recipe = recordings.write_recipe(folder / "tiny.toml")
    assert main(["pretrain", str(data), "--recipe", str(recipe), "--out", str(folder / "run"), "--quiet"]) == 0
    return folder / "run"


@pytest.fixture(scope="module")
def scores(run, data):
    path = run.parent / "all.csv"
    assert main(["evaluate", str(run), str(data), "--out", str(path), "--quiet", *FEW]) == 0
    return path


def test_the_table_has_the_columns_of_the_issue(scores):
    assert scores.read_text().splitlines()[0] == COLUMNS


def test_a_row_per_number(scores):
    table = pd.read_csv(scores, keep_default_na=False)
    assert list(dict.fromkeys(table["model"])) == ["mtm", "mean-rate", "psth"]
    assert set(table["task"]) == {"co-smoothing", "inter-region", "intra-region", "forward"}
    summary = table[table["aggregation"] != "unit"]
    assert set(summary["unit_id"]) == {""}
    assert set(summary["region"]) == {""}
    units = table[table["aggregation"] == "unit"]
    assert set(units["region"]) == {"VISp", "CA1"}
    assert set(units["session_id"]) == {"day1"}
    assert set(units["subject_id"]) == {"mouse"}
    bits = units[(units["metric"] == "bits_per_spike") & (units["model"] == "mtm")]
    assert bits.groupby(["task", "null"]).size().eq(12).all()
    assert set(bits["null"]) == {"test", "train"}
    mean = summary.query("model == 'mtm' and task == 'co-smoothing' and null == 'test' and aggregation == 'mean'")
    value = mean.loc[mean["metric"] == "bits_per_spike", "value"].astype(float).item()
    mine = bits.query("task == 'co-smoothing' and null == 'test'")["value"].astype(float)
    assert value == pytest.approx(mine.mean())


def test_its_words(shell, run, data, tmp_path):
    said = shell("evaluate", run, data, "--out", tmp_path / "scores.csv", *FEW)
    assert said.status == 0
    lines = said.out.splitlines()
    assert lines[0].split() == ["co-smoothing", "inter-region", "intra-region", "forward"]
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("  mtm ") for line in lines)
    rows = len((tmp_path / "scores.csv").read_text().splitlines()) - 1
    assert f"Wrote {tmp_path / 'scores.csv'} ({rows} rows)." in said.err.replace(",", "")
    assert "No scores for" not in said.err


def test_json_and_quiet(shell, run, data, tmp_path):
    said = shell("evaluate", run, data, "--out", tmp_path / "s.csv", "--json", *FEW)
    facts = json.loads(said.out)
    assert facts["scores"] == str(tmp_path / "s.csv")
    assert [row["model"] for row in facts["summary"]] == ["mtm", "mean-rate", "psth"]
    assert "co-smoothing test pooled" in facts["summary"][0]
    said = shell("evaluate", run, data, "--out", tmp_path / "s.csv", "--quiet", *FEW)
    assert said.err == ""
    assert "mtm" in said.out


def test_the_same_numbers_again_and_as_parquet(shell, run, data, scores, tmp_path):
    shell("evaluate", run, data, "--out", tmp_path / "again.csv", *FEW)
    assert (tmp_path / "again.csv").read_bytes() == scores.read_bytes()
    shell("evaluate", run, data, "--out", tmp_path / "s.parquet", *FEW)
    table = pd.read_parquet(tmp_path / "s.parquet")
    assert ",".join(table.columns) == COLUMNS
    pd.testing.assert_frame_equal(table, read_scores(scores))


def test_memory_changes_no_score(shell, run, data, scores, tmp_path):
    shell("evaluate", run, data, "--out", tmp_path / "s.csv", "--memory-mb", "1", *FEW)
    np.testing.assert_allclose(
        read_scores(tmp_path / "s.csv")["value"], read_scores(scores)["value"], rtol=1e-4, atol=1e-4
    )


def test_some_tasks_and_no_baselines(shell, run, data, tmp_path):
    shell("evaluate", run, data, "--out", tmp_path / "s.csv", "--tasks", "forward", "--baselines")
    table = read_scores(tmp_path / "s.csv")
    assert set(table["task"]) == {"forward"}
    assert set(table["model"]) == {"mtm"}


def test_a_raster(shell, run, data, tmp_path):
    png = tmp_path / "raster.png"
    said = shell("evaluate", run, data, "--out", tmp_path / "s.csv", "--raster", png, "--tasks", "forward", *FEW)
    assert said.status == 0
    assert png.read_bytes().startswith(b"\x89PNG")
    assert f"Wrote {png}" in said.err


def test_windows_that_agree_with_the_run(shell, run, data, tmp_path):
    flags = ("--window.align", "stim_on_time", "--window.start-s", "0", "--window.stop-s", "0.2")
    said = shell("evaluate", run, data, "--out", tmp_path / "s.csv", "--tasks", "forward", "--baselines", *flags)
    assert said.status == 0


@pytest.mark.parametrize(
    ("flag", "value", "trained"),
    [
        ("--window.stop-s", "0.4", "0.2"),
        ("--window.align", "start_time", "stim_on_time"),
        ("--window.bin-size-s", "0.01", "0.02"),
    ],
)
def test_windows_that_do_not(shell, run, data, tmp_path, flag, value, trained):
    said = shell("evaluate", run, data, "--out", tmp_path / "s.csv", flag, value)
    assert said.status == 1
    assert f"{flag} is {value}, but the run was trained with {trained}" in said.err
    assert not (tmp_path / "s.csv").exists()


@pytest.mark.parametrize("name", ["scores.xlsx", "scores"])
def test_a_table_of_another_kind(shell, run, data, tmp_path, name):
    said = shell("evaluate", run, data, "--out", tmp_path / name)
    assert said.status == 1
    assert "Scores are written as .csv or .parquet" in said.err


def test_places_that_cannot_be_written_are_told_before_the_work(shell, run, data, tmp_path):
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "file").write_text("mine")
    for flags, says in (
        (("--out", tmp_path / "folder.csv"), "is a folder. Name a file in it."),
        (("--out", tmp_path / "file" / "s.csv"), "is a file, not a folder"),
        (("--out", tmp_path / "s.csv", "--raster", tmp_path / "r.pdf"), "must end in .png"),
    ):
        said = shell("evaluate", run, data, *flags)
        assert said.status == 1
        assert says in said.err
        assert "reading" not in said.err
    assert (tmp_path / "file").read_text() == "mine"


def test_an_old_table_stays_where_the_new_one_fails(shell, run, tmp_path):
    (tmp_path / "s.csv").write_text("old")
    assert shell("evaluate", run, tmp_path / "nowhere.nwb", "--out", tmp_path / "s.csv").status == 1
    assert (tmp_path / "s.csv").read_text() == "old"
