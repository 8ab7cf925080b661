"""What a verb writes, and whether it can write where it is told to."""

import json
import math

import pytest

from spikeglot.cli.output import Output, check_writable, plain
from spikeglot.errors import SettingsError


def test_json_has_no_nan():
    value = {"a": math.nan, "b": [1.5, math.nan, {"c": (2, "nan")}]}
    assert plain(value) == {"a": None, "b": [1.5, None, {"c": [2, "nan"]}]}


def test_results_go_to_stdout_and_hints_to_stderr(capsys):
    Output(quiet=False, as_json=False).result("table", data={"n": 1})
    Output(quiet=False, as_json=False).hint("wrote [brackets]")
    assert capsys.readouterr() == ("table\n", "wrote [brackets]\n")
    Output(quiet=True, as_json=True).result("table", data={"n": math.nan})
    Output(quiet=True, as_json=True).hint("wrote")
    out, err = capsys.readouterr()
    assert json.loads(out) == {"n": None}
    assert err == ""


def test_long_lines_are_not_wrapped_where_there_is_no_terminal(capsys):
    line = "word " * 100 + "end"
    output = Output(quiet=False, as_json=False)
    output.hint(line)
    output.stderr.print(line)
    output.result(line, data={})
    out, err = capsys.readouterr()
    assert err == f"{line}\n{line}\n"
    assert out == f"{line}\n"


def test_where_files_and_folders_can_be_made(tmp_path):
    (tmp_path / "file.csv").write_text("")
    (tmp_path / "folder.csv").mkdir()
    check_writable(tmp_path / "new" / "deep" / "run")
    check_writable(tmp_path)
    check_writable(tmp_path / "file.csv", suffix=".csv")
    check_writable(tmp_path / "new" / "X.CSV", suffix=".csv")
    for path, suffix, says in (
        (tmp_path / "file.csv", "", "is a file, not a folder"),
        (tmp_path / "file.csv" / "run", "", "is a file, not a folder"),
        (tmp_path / "folder.csv", ".csv", "is a folder"),
        (tmp_path / "x.jpg", ".png", "must end in .png"),
    ):
        with pytest.raises(SettingsError, match=says):
            check_writable(path, suffix)


def test_a_folder_without_permission(tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(SettingsError, match="no permission to write into"):
        check_writable(tmp_path / "run")
