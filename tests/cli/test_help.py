"""What the shell says before it works: usage, help, versions, wrong words; none of it waits for torch."""

import os
import subprocess
import sys

import pytest

from spikeglot import __version__
from spikeglot.cli.arguments import VERBS

FRAME = str.maketrans("", "", "╭╮╰╯│─")


def run_module(*words: str, code: str = "") -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", code] if code else [sys.executable, "-m", "spikeglot", *words]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )


def test_without_a_verb_usage_is_shown(shell):
    said = shell()
    assert said.status == 2
    assert said.out.startswith("usage: spikeglot VERB")
    for words in (("--help",), ("-h",), ("help",)):
        assert shell(*words) == (0, said.out, "")
    for verb in VERBS:
        assert f"\n  {verb} " in said.out


def test_the_version(shell):
    assert shell("--version") == (0, f"spikeglot {__version__}\n", "")


def test_a_wrong_verb_gets_a_suggestion(shell):
    assert shell("pretrian", "x") == (
        2,
        "",
        "error: There is no verb 'pretrian'. Did you mean 'pretrain'? See spikeglot --help.\n",
    )


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(shell, verb):
    said = shell(verb, "--help")
    assert said.status == 0
    assert said.err == ""
    assert said.out.startswith(f"usage: spikeglot {verb} ")
    text = " ".join(said.out.translate(FRAME).split())
    for flag in ("--quiet", "--json"):
        assert flag in text
    assert "None" not in text, "a default of None says nothing to a reader"
    assert "``" not in text
    assert "  " not in text


def test_help_explains_sections_and_settings(shell):
    text = " ".join(shell("pretrain", "--help").out.translate(FRAME).split())
    assert "--window.align STR Column of the trials table" in text
    assert "--mask.prompted {True,False} Tell the model" in text
    assert "The stretch of time that the model sees" in text
    assert (
        "--mask.masks-per-trial INT Masks drawn per trial and step; several make more of few trials. (default: 2)"
        in text
    )
    show = " ".join(shell("show", "--help").out.translate(FRAME).split())
    assert "--window.align" in show
    assert "--train.steps" not in show


def test_help_and_wrong_words_do_not_wait_for_torch():
    words = [*([verb, "--help"] for verb in VERBS), ["pretrain"], ["pretrain", "x", "--out", "y", "--nonsense", "1"]]
    run_all = f"from spikeglot.cli import main\nfor words in {words!r}:\n    main(words)"
    done = run_module(code=f"import sys\n{run_all}\nprint(sorted(sys.modules))")
    assert done.returncode == 0, done.stderr
    assert "'spikeglot.cli.arguments'" in done.stdout
    for heavy in ("torch", "pynwb", "pandas", "sklearn", "matplotlib"):
        assert f"'{heavy}'" not in done.stdout.splitlines()[-1]


def test_python_m_spikeglot_is_the_same_command():
    done = run_module("show", "nowhere.nwb")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: There is no file or folder nowhere.nwb")


def test_a_reader_who_has_seen_enough_is_no_error():
    code = "import sys\nfrom spikeglot.cli import main\nsys.exit(main(['show', 'simulated', '--json', '--quiet']))"
    done = subprocess.run(
        ["bash", "-c", '"$0" -c "$1" | head -n 1', sys.executable, code],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "{\n"
    assert done.stderr == ""


def test_threads_of_a_process_share_cores_unless_the_user_says_otherwise():
    names = ("OMP_WAIT_POLICY", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    show = f"import os; from spikeglot.cli import main; main(); print(*(os.environ.get(n) for n in {names!r}))"
    half = str(max(1, len(os.sched_getaffinity(0)) // 2))
    for given, expected in (
        ({}, ["PASSIVE", "None", half]),
        ({"OMP_NUM_THREADS": "7"}, ["PASSIVE", "7", "7"]),
        ({"OPENBLAS_NUM_THREADS": "3", "OMP_WAIT_POLICY": "ACTIVE"}, ["ACTIVE", "None", "3"]),
    ):
        environment = {name: value for name, value in os.environ.items() if name not in names}
        done = subprocess.run(
            [sys.executable, "-c", show], capture_output=True, text=True, timeout=60, env=environment | given
        )
        assert done.stdout.splitlines()[-1].split() == expected


def test_main_inside_another_program_leaves_its_environment_alone(shell, monkeypatch):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    shell("--version")
    assert "OMP_WAIT_POLICY" not in os.environ
