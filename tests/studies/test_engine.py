"""Runs are done once, whatever interrupts them, on however many workers, in whatever order."""

import json
import os
import signal
import subprocess
import sys

import pandas as pd
import pytest
import torch

import spikeglot as sg
from spikeglot.errors import CheckpointError, DataError, SettingsError
from spikeglot.events import LeftOut, Progress
from spikeglot.studies.engine import fan_out as fan_out_file
from spikeglot.studies.engine.fan_out import fan_out
from spikeglot.studies.engine.folder import is_done, read_rows
from spikeglot.studies.engine.run import DECODED, Run, change
from spikeglot.studies.engine.study import known_studies, load_study

torch.set_num_threads(1)
WITHOUT_BASELINES = {"budget": None, "baselines": (), "workers": 1}


@pytest.fixture(scope="module")
def positions(sessions, tiny, tmp_path_factory):
    """The study of positions, two sessions, one seed, done on one worker."""
    out = tmp_path_factory.mktemp("studies") / "positions"
    events = []
    rows = sg.study("positions", sessions[:2], out=out, recipe=tiny, listen=events.append, **WITHOUT_BASELINES)
    return out, rows, events


def scores_of(out):
    return {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*/scores.csv")}


def test_a_study_leaves_rows_table_page_and_a_folder_per_run(positions):
    out, rows, events = positions
    assert set(rows["variant"]) == {"rotary", "learned"}
    assert set(rows["session_id"]) == {"s0", "s1"}
    assert len(pd.read_csv(out / "scores.csv")) == len(rows)
    assert set(pd.read_csv(out / "positions.csv")["name"]) == {"rotary", "learned"}
    page = (out / "positions.md").read_text()
    for words in ("Published: rotary is better", "4 of 4 runs", "rotary minus learned", "sg.study("):
        assert words in page
    assert sorted(scores_of(out)) == [
        f"s{i}/{name}/seed-0/scores.csv" for i in (0, 1) for name in ("learned", "rotary")
    ]
    about = json.loads((out / "s0" / "rotary" / "seed-0" / "run.json").read_text())
    assert about["recipe"]["model"]["position"] == "rotary"
    assert about["train_s"] > 0
    assert [e.done for e in events if isinstance(e, Progress) and e.stage == "study"] == [0, 1, 2, 3, 4]


def test_what_is_done_is_not_done_again_and_seeds_can_be_added(sessions, tiny, tmp_path, monkeypatch):
    done = count_runs(monkeypatch)
    first = sg.study("positions", sessions[:1], out=tmp_path / "study", recipe=tiny, **WITHOUT_BASELINES)
    before = scores_of(tmp_path / "study")
    more = sg.study("positions", sessions[:1], out=tmp_path / "study", recipe=tiny, seeds=2, **WITHOUT_BASELINES)
    assert done == [f"s0/{name}/seed-{seed}" for seed in (0, 1) for name in ("rotary", "learned")]
    assert before.items() <= scores_of(tmp_path / "study").items()
    pd.testing.assert_frame_equal(more.loc[more["seed"] == 0].reset_index(drop=True), first)
    assert set(more["seed"]) == {0, 1}


def count_runs(monkeypatch, stop_at=None):
    """Let the list that is returned hear of every run; stop as Ctrl-C does before the run ``stop_at`` is done."""
    done, really = [], fan_out_file.do_run

    def counted(run, *rest):
        if run.key == stop_at:
            raise KeyboardInterrupt
        done.append(run.key)
        really(run, *rest)

    monkeypatch.setattr(fan_out_file, "do_run", counted)
    return done


def test_ctrl_c_loses_the_run_in_flight_only(positions, sessions, tiny, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        count_runs(patch, stop_at="s1/rotary/seed-0")
        with pytest.raises(KeyboardInterrupt):
            sg.study("positions", sessions[:2], out=tmp_path / "study", recipe=tiny, **WITHOUT_BASELINES)
    done = count_runs(monkeypatch)
    rows = sg.study("positions", sessions[:2], out=tmp_path / "study", recipe=tiny, **WITHOUT_BASELINES)
    assert done == ["s1/rotary/seed-0", "s1/learned/seed-0"]
    pd.testing.assert_frame_equal(rows, positions[1])


KILLED = """
import os, signal, sys
from pathlib import Path
import torch
import spikeglot as sg
from spikeglot.studies.engine import do_run

torch.set_num_threads(1)
sessions = sg.load_sessions(sys.argv[1])
really, asked = do_run.evaluate, []

def evaluate(*words, **more):
    asked.append(1)
    if len(asked) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return really(*words, **more)

do_run.evaluate = evaluate
sg.study("positions", sessions, out=sys.argv[2], recipe=sys.argv[3], budget=None, baselines=(), workers=1)
"""


def test_a_killed_study_repeats_no_run_and_goes_on_with_the_one_in_flight(recordings, tmp_path, monkeypatch):
    data, out = recordings.write_npz(tmp_path / "day1.npz"), tmp_path / "study"
    recipe = recordings.write_recipe(tmp_path / "tiny.toml", model={"start": "rates"})
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, data, out, recipe],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    before = {path: path.stat().st_mtime_ns for path in out.rglob("scores.csv")}
    trained = out / "day1" / "learned" / "seed-0" / "model" / "best" / "model.safetensors"
    weights = trained.read_bytes()
    assert [str(path.relative_to(out)) for path in before] == ["day1/rotary/seed-0/scores.csv"]
    done = count_runs(monkeypatch)
    rows = sg.study(
        "positions", sg.load_sessions(data), out=out, recipe=str(recipe), budget=None, baselines=(), workers=1
    )
    assert done == ["day1/learned/seed-0"]
    assert all(path.stat().st_mtime_ns == when for path, when in before.items())
    assert trained.read_bytes() == weights  # it was trained already: only its scores were lost
    assert set(rows["variant"]) == {"rotary", "learned"}


def test_two_workers_and_another_order_of_sessions_give_the_same_scores(positions, sessions, tiny, tmp_path):
    options = {**WITHOUT_BASELINES, "workers": 2}
    rows = sg.study("positions", sessions[1::-1], out=tmp_path / "study", recipe=tiny, **options)
    pd.testing.assert_frame_equal(rows, positions[1])
    assert scores_of(tmp_path / "study") == scores_of(positions[0])


def test_a_run_that_cannot_be_done_is_told_and_the_others_go_on(sessions, tiny, factories, tmp_path):
    counts = factories.shared_counts(50, 6, seed=9, rate=1.0)
    alone = sg.from_counts(counts, 0.02, session_id="one-region", regions=("VISp",) * 6)
    events = []
    rows = sg.study("masking", [alone], out=tmp_path / "study", recipe=tiny, listen=events.append, **WITHOUT_BASELINES)
    assert [e.session_id for e in events if isinstance(e, LeftOut)] == ["one-region/inter-region/seed-0"]
    assert "inter-region" not in set(rows["variant"])
    page = (tmp_path / "study" / "masking.md").read_text()
    assert "6 of 7 runs" in page
    assert "- one-region/inter-region/seed-0: " in page.split("## Left out")[1]


def test_a_study_of_which_no_run_can_be_done_is_an_error(sessions, tiny, tmp_path):
    wrong = change(tiny, window={"align": "stim"})
    with pytest.raises(DataError, match="stim"):
        sg.study("positions", sessions[:1], out=tmp_path / "study", recipe=wrong, **WITHOUT_BASELINES)


def test_another_study_in_the_folder_is_refused(positions, sessions, tiny, tmp_path):
    out, _, _ = positions
    for changes in ({"recipe": change(tiny, train={"steps": 3})}, {"baselines": ("mean-rate",)}):
        with pytest.raises(CheckpointError, match="another folder"):
            sg.study("positions", sessions[:2], out=out, **{**WITHOUT_BASELINES, "recipe": tiny, **changes})
    with pytest.raises(CheckpointError, match="another folder"):
        sg.study("ratios", sessions[:2], out=out, recipe=tiny, **WITHOUT_BASELINES)
    with pytest.raises(CheckpointError, match="another folder"):
        sg.study("positions", sessions[:1], out=out, recipe=tiny, **WITHOUT_BASELINES)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    with pytest.raises(CheckpointError, match="holds no study"):
        sg.study("positions", sessions[:1], out=tmp_path / "full", recipe=tiny, **WITHOUT_BASELINES)


def test_models_that_others_adapt_are_made_first(sessions, tiny, tmp_path):
    base = Run("base", {}, tiny, ("s0",), tasks=())
    adapted = Run("adapted", {"seed": 0}, tiny, ("s1",), adapts="base", tasks=("forward",))
    both = sg.Sessions(sessions[:2])
    (refused,) = fan_out([adapted], both, tmp_path / "alone", 1)
    assert "base" in refused.problem
    for run in (base, adapted):
        (outcome,) = fan_out([run], both, tmp_path, 1)
        assert outcome.problem == ""
        assert is_done(run, tmp_path)
    rows = read_rows([base, adapted], tmp_path)
    assert set(rows["session_id"]) == {"s1"}
    assert set(rows["task"]) == {"forward"}


def test_a_model_is_asked_with_other_prompts(sessions, tiny, tmp_path):
    run = Run("one", {"seed": 0}, tiny, ("s0",), tasks=("forward",), prompts=("neuron", "causal"))
    (outcome,) = fan_out([run], sg.Sessions(sessions[:1]), tmp_path, 1)
    assert outcome.problem == ""
    values = read_rows([run], tmp_path).query("metric == 'bits_per_spike' and aggregation == 'pooled'")
    assert set(values["prompt"]) == {"neuron", "causal"}
    assert values.groupby("null")["value"].nunique().tolist() == [2, 2]
    with pytest.raises(SettingsError, match="Did you mean 'neuron'"):
        sg.evaluate(tmp_path / "one" / "model", sessions[:1], prompt="neurons")


def test_behaviour_is_decoded_beside_counts_and_chance_and_what_cannot_be_has_a_reason(sessions, tiny, tmp_path):
    decoding = DECODED.model_copy(update={"shuffles": 1})
    run = Run("one", {"seed": 0}, tiny, ("s0",), tasks=(), targets=("choice", "whisking"), decoding=decoding)
    (outcome,) = fan_out([run], sg.Sessions(sessions[:1]), tmp_path, 1)
    assert outcome.problem == ""
    rows = read_rows([run], tmp_path)
    choice = rows.query("task == 'decode choice' and metric == 'accuracy'").set_index("model")
    sources = ("mtm", "mtm hidden states", "counts")
    assert set(choice.index) == {"chance", *sources, *(f"{source}, shuffled labels" for source in sources)}
    assert choice["value"].between(0, 1).all()
    assert set(choice.loc[["mtm", "mtm hidden states"], "prompt"]) == {"neuron"}
    (whisking,) = rows.query("task == 'decode whisking'").to_dict(orient="records")
    assert whisking["metric"] == "n_left_out"
    assert "whisking" in whisking["reason"]


def test_every_study_says_what_it_is_and_is_found_by_its_name():
    known = known_studies()
    assert {"masking", "architectures", "mask-token", "prompts", "ratios", "positions"} <= set(known)
    assert {"chance", "sessions", "scaling", "transfer"} <= set(known)
    for name, text in known.items():
        assert text.endswith(".")
        study = load_study(name)
        assert study.published
        assert all(field.description for field in study.settings.model_fields.values())
    with pytest.raises(SettingsError, match="Did you mean 'mask-token'"):
        load_study("masktoken")


@pytest.mark.slow
def test_ray_gives_the_same_scores(positions, sessions, tiny, tmp_path):
    ray = pytest.importorskip("ray")
    options = {**WITHOUT_BASELINES, "workers": "ray"}
    try:
        rows = sg.study("positions", sessions[:2], out=tmp_path / "study", recipe=tiny, **options)
    finally:
        ray.shutdown()
    pd.testing.assert_frame_equal(rows, positions[1])
