"""``spikeglot decode``: the table, its words, and bad input."""

import json

import pandas as pd
import pytest
import torch

from spikeglot.cli import main
from spikeglot.evaluation.decoding.scores import COLUMNS

torch.set_num_threads(1)
FEW = ("--decoders", "linear", "--prompts", "neuron", "--folds", "2", "--device", "cpu")


@pytest.fixture(scope="module")
def data(recordings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    side = [1, -1] * (recordings.N_TRIALS // 2)
    return recordings.write_nwb(folder / "day1.nwb", trials={**recordings.EVENTS, "choice": side})


@pytest.fixture(scope="module")
def run(recordings, data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    recipe = recordings.write_recipe(folder / "tiny.toml")
    assert main(["pretrain", str(data), "--recipe", str(recipe), "--out", str(folder / "run"), "--quiet"]) == 0
    return folder / "run"


def test_its_table_and_words(shell, run, data, tmp_path):
    out = tmp_path / "decoding.csv"
    said = shell("decode", run, data, "--trials", "stim_on_time > 5", "--out", out, *FEW)
    assert said.status == 0, said.err
    table = pd.read_csv(out, keep_default_na=False)
    assert tuple(table.columns) == COLUMNS
    assert said.out.splitlines()[0].startswith("choice, 1 session")
    for row in ("chance", "linear log-rates neuron", "linear hidden-states neuron", "linear counts"):
        assert any(line.startswith(row) for line in said.out.splitlines())
    assert "Left out: 5 trials of day1: does not satisfy trials = 'stim_on_time > 5'" in said.err
    assert f"Wrote {out} ({len(table)} rows)." in said.err


def test_json(shell, run, data, tmp_path):
    said = shell("decode", run, data, "--json", "--quiet", "--out", tmp_path / "d.parquet", *FEW)
    facts = json.loads(said.out)
    assert said.err == ""
    assert [row["features"] for row in facts["summary"]] == ["", "log-rates", "hidden-states", "counts"]
    assert facts["left_out"] == []
    assert len(pd.read_parquet(tmp_path / "d.parquet")) == facts["n_rows"]


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--target", "choise"), "Did you mean 'choice'"),
        (("--k", "99", "--decoders", "few-shot"), "fewer than k = 99"),
        (("--k", "0"), "k"),
        (("--trials", "choice =="), "cannot be used on session"),
        (("--prompts", "forward"), "not trained with a prompt 'forward'"),
        (("--out", "d.xlsx"), "Scores are written as .csv or .parquet"),
        (("--reaction-rule", "True", "--trials", "choice == 5"), "give no reaction time"),
        (("--trials", "choice == 5"), "0 train and 0 test trials are left"),
    ],
)
def test_bad_input_is_one_error(shell, run, data, tmp_path, flags, says):
    said = shell("decode", run, data, "--out", tmp_path / "d.csv", "--quiet", "--device", "cpu", *flags)
    assert said.status == 1
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert says in said.err
    assert not list(tmp_path.iterdir())


def test_another_recording(shell, run, recordings, tmp_path):
    other = recordings.write_nwb(tmp_path / "day2.nwb")
    said = shell("decode", run, other, "--out", tmp_path / "d.csv", "--quiet")
    assert said.status == 1
    assert "The model has no stitcher for session 'day2'" in said.err
