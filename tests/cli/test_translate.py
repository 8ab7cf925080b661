"""``spikeglot translate``: rates as .npz, the matrix with its figure, and one clear error for bad input."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from spikeglot.cli import main

torch.set_num_threads(1)
SIDES = ("--source", "VISp", "--target", "CA1")


@pytest.fixture(scope="module")
def data(recordings, tmp_path_factory):
    return recordings.write_npz(tmp_path_factory.mktemp("data") / "day1.npz")


@pytest.fixture(scope="module")
def run(recordings, data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    recipe = recordings.write_recipe(folder / "tiny.toml")
    assert main(["pretrain", str(data), "--recipe", str(recipe), "--out", str(folder / "run"), "--quiet"]) == 0
    return folder / "run"


def test_rates_of_one_session_into_a_file(shell, run, data, tmp_path):
    said = shell("translate", run, data, *SIDES, "--out", tmp_path / "rates.npz", "--raster", tmp_path / "r.png")
    assert said.status == 0, said.err
    lines = said.out.splitlines()
    assert lines[2].split() == ["day1"]
    assert [line.split()[0] for line in lines[3:]] == ["mtm", "mtm-blind", "ridge", "drift"]
    assert lines[3].endswith("6 of 6")
    assert f"Wrote {tmp_path / 'rates.npz'} (Translation('day1': 6 units -> 6 units" in said.err
    assert (tmp_path / "r.png").read_bytes().startswith(b"\x89PNG")
    with np.load(tmp_path / "rates.npz") as file:
        assert file["rates_hz"].shape == (8, 10, 6)
        assert set(file["region"]) == {"CA1"}


def test_into_a_folder_and_as_json(shell, run, data, tmp_path):
    said = shell("translate", run, data, *SIDES, "--out", tmp_path / "rates", "--trials", "all", "--json", "--quiet")
    found = json.loads(said.out)["translations"][0]
    assert found["rates"] == str(tmp_path / "rates" / "day1.npz")
    assert (found["n_trials"], found["n_source_units"], found["n_target_units"]) == (40, 6, 6)
    assert {score["model"] for score in found["scores"]} == {"mtm", "mtm-blind", "ridge", "drift"}
    assert said.err == ""
    with np.load(tmp_path / "rates" / "day1.npz") as file:
        assert len(file["trial_id"]) == 40


def test_units_by_id(shell, run, data, tmp_path):
    said = shell(
        "translate", run, data, "--source", "0", "VISp", "--target", "9", "--out", tmp_path / "r.npz", "--json"
    )
    assert json.loads(said.out)["translations"][0]["n_target_units"] == 1


def test_the_matrix(shell, run, data, tmp_path):
    said = shell("translate", run, data, "--matrix", "--out", tmp_path / "matrix.csv")
    assert said.status == 0, said.err
    assert {line.split()[0] for line in said.out.splitlines()[2:]} == {"CA1", "VISp"}
    table = pd.read_csv(tmp_path / "matrix.csv")
    assert len(table) == 4 * 4 * 4
    assert f"Wrote {tmp_path / 'matrix.csv'} (64 rows) and {tmp_path / 'matrix.png'}." in said.err
    assert (tmp_path / "matrix.png").read_bytes().startswith(b"\x89PNG")
    said = shell("translate", run, data, "--matrix", "--out", tmp_path / "m.parquet", "--json", "--quiet")
    assert len(json.loads(said.out)["rows"]) == len(pd.read_parquet(tmp_path / "m.parquet")) == 64


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--source", "VISp"), "--target names nothing"),
        (("--target", "VISp"), "--source names nothing"),
        (("--source", "VISq", "--target", "CA1"), "Did you mean 'VISp'?"),
        (("--source", "VISp", "--target", "VISp"), "share 6 units"),
        ((*SIDES, "--by", "choice"), "Name the figure with --raster"),
        ((*SIDES, "--raster", "r.png", "--by", "stim"), "no column 'stim' to average by"),
        ((*SIDES, "--raster", "r.png", "--sort", "depth"), "no column 'depth_um'"),
        ((*SIDES, "--raster", "r.pdf"), "must end in .png"),
    ],
)
def test_bad_input_writes_nothing(shell, run, data, tmp_path, monkeypatch, flags, says):
    monkeypatch.chdir(tmp_path)
    said = shell("translate", run, data, *flags, "--out", "rates.npz", "--quiet")
    assert said.status == 1
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert says in said.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--source", "VISp", "--out", "m.csv"), "--source does not go with --matrix"),
        (("--raster", "r.png", "--out", "m.csv"), "--raster does not go with --matrix"),
        (("--out", "m.npz"), "written as .csv or .parquet"),
    ],
)
def test_a_matrix_that_cannot_be(shell, run, data, tmp_path, monkeypatch, flags, says):
    monkeypatch.chdir(tmp_path)
    said = shell("translate", run, data, "--matrix", *flags, "--quiet")
    assert said.status == 1
    assert says in said.err
    assert list(tmp_path.iterdir()) == []


def test_several_sessions(shell, recordings, tmp_path):
    files = [recordings.write_npz(tmp_path / f"day{k}.npz", session_id=f"day/{k}") for k in (1, 2)]
    recipe = recordings.write_recipe(tmp_path / "tiny.toml", train={"steps": 0})
    run = tmp_path / "run"
    assert shell("pretrain", *files, "--recipe", recipe, "--out", run, "--quiet").status == 0
    said = shell("translate", run, *files, *SIDES, "--out", tmp_path / "r.npz", "--quiet")
    assert "2 sessions do not fit into one .npz" in said.err
    assert shell("translate", run, *files, *SIDES, "--out", tmp_path / "rates", "--quiet").status == 0
    assert sorted(path.name for path in (tmp_path / "rates").iterdir()) == ["day_1.npz", "day_2.npz"]
    said = shell("translate", run, *files, "--source", "VISp", "--target", "TH", "--out", tmp_path / "x", "--quiet")
    assert said.err.count("has no region or unit 'TH'") == 2
