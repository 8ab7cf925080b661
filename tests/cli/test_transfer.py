"""``spikeglot transfer`` from files to a summary, as text and as JSON."""

import json

import pytest

from spikeglot.cli import main


@pytest.fixture(scope="module")
def files(recordings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for i, subject in enumerate(("A", "A", "B")):
        recordings.write_npz(folder / f"s{i}.npz", session_id=f"s{i}", subject_id=subject)
    return folder


@pytest.fixture(scope="module")
def tiny(recordings, tmp_path_factory):
    return recordings.write_recipe(tmp_path_factory.mktemp("recipe") / "tiny.toml", train={"steps": 0})


def test_a_study_is_printed_and_goes_on_where_it_stopped(files, tiny, tmp_path, capsys):
    flags = ["--hold-out", "B", "--recipe", str(tiny), "--study.pretrain-on", "1", "--study.trials", "10"]
    command = [
        "transfer",
        str(files),
        "--out",
        str(tmp_path / "study"),
        *flags,
        "--study.baselines",
        "ridge",
        "--quiet",
    ]
    assert main(command) == 0
    text = capsys.readouterr().out
    assert "mtm, from scratch" in text
    assert "mtm, pretrained on 2" in text
    assert "ridge" in text
    assert main([*command, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert {row["n_pretrained"] for row in said["summary"]} == {0, 1, 2}
    assert said["table"].endswith("transfer.csv")


def test_wrong_animals_and_settings_are_refused_in_one_sentence(files, tiny, tmp_path, capsys):
    base = ["transfer", str(files), "--recipe", str(tiny), "--out", str(tmp_path / "study"), "--quiet"]
    assert main([*base, "--hold-out", "Z"]) == 1
    assert "There is no subject 'Z'" in capsys.readouterr().err
    assert main([*base, "--hold-out", "A", "B"]) == 1
    assert "leaves nobody" in capsys.readouterr().err
    assert not (tmp_path / "study").exists()
