"""The transfer study end to end, on animals whose units are alike."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

import spikeglot as sg
from spikeglot.errors import CheckpointError, DataError
from spikeglot.events import LeftOut, Progress
from spikeglot.studies.transfer import nested_order
from spikeglot.studies.transfer_summary import interval, transfer_summary

torch.set_num_threads(1)
REGIONS = ("VISp",) * 6 + ("CA1",) * 5
N_TRIALS = 50


@pytest.fixture(scope="module")
def sessions(factories):
    made = []
    for i, subject in enumerate(("A", "A", "B", "C", "C")):
        counts = factories.shared_counts(N_TRIALS, len(REGIONS), seed=i, rate=1.0)
        trials = pd.DataFrame({"choice": np.where(counts.sum((1, 2)) > np.median(counts.sum((1, 2))), 1.0, -1.0)})
        made.append(
            sg.from_counts(counts, 0.02, session_id=f"s{i}", subject_id=subject, regions=REGIONS, trials=trials)
        )
    return made


@pytest.fixture(scope="module")
def recipe(factories):
    return factories.small_recipe(window={"align": "start_s"}, model={"start": "factors"}, train={"steps": 0})


SETTINGS = {
    "pretrain_on": (1,),
    "trials": (10, 99),
    "also_masks": ("temporal",),
    "baselines": ("mean-rate",),
    "target": "choice",
}


@pytest.fixture(scope="module")
def study(sessions, recipe, tmp_path_factory):
    out = tmp_path_factory.mktemp("study") / "transfer"
    events = []
    table = sg.transfer(sessions, hold_out=["C"], out=out, recipe=recipe, listen=events.append, **SETTINGS)
    return out, table, events


def test_every_cell_is_scored_on_held_out_sessions_only(study):
    _, table, _ = study
    assert set(table["session_id"]) == {"s3", "s4"}
    assert set(table["n_trials"]) == {10, 0}
    cells = {(row.masks, row.n_pretrained) for row in table.itertuples()}
    assert cells == {("mtm", 0), ("mtm", 1), ("mtm", 3), ("temporal", 0), ("temporal", 3)}
    assert {"co-smoothing", "forward", "decode choice"} <= set(table["task"])
    assert {"mtm", "mean-rate", "counts", "chance"} <= set(table["model"])


def test_the_table_and_the_figure_are_written_and_sessions_with_few_trials_are_told(study):
    out, table, events = study
    assert len(pd.read_csv(out / "transfer.csv")) == len(table)
    assert (out / "transfer.png").stat().st_size > 10_000
    assert [e.session_id for e in events if isinstance(e, LeftOut)] == ["s3", "s4"]


def test_models_are_pretrained_on_other_animals_and_on_nested_sessions(study, sessions):
    out, _, _ = study
    used = {n: json.loads((out / f"mtm-{n}" / "pretrained" / "done.json").read_text())["session_ids"] for n in (1, 3)}
    assert set(used[3]) == {"s0", "s1", "s2"}
    assert used[1] == used[3][:1]
    assert sg.load_run(out / "mtm-3" / "s3-10" / "run").adapted.folder.endswith("pretrained")
    assert len(sg.load_run(out / "mtm-3" / "s3-10" / "run").sessions["s3"].train_trials) == 10
    known = sg.Sessions(sessions[:3])
    assert nested_order(known, 0) == nested_order(sg.Sessions(sessions[2::-1]), 0)


def test_what_is_done_is_not_done_again(study, sessions, recipe):
    out, table, _ = study
    redone = out / "mtm-1" / "s4-all" / "scores.csv"
    redone.unlink()
    before = {path: path.stat().st_mtime_ns for path in out.rglob("scores.csv")}
    events = []
    again = sg.transfer(sessions, hold_out=["C"], out=out, recipe=recipe, listen=events.append, **SETTINGS)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert redone.exists()
    assert [e.detail for e in events if isinstance(e, Progress) and e.stage == "fit"] == ["s4"]
    pd.testing.assert_frame_equal(again, table, check_dtype=False)


def test_the_summary_is_the_mean_and_the_paired_gain(study):
    _, table, _ = study
    summary = transfer_summary(table).set_index(["masks", "n_pretrained", "n_trials", "model", "task"])
    rows = table.query(
        "task == 'co-smoothing' and metric == 'bits_per_spike' and null == 'test' and aggregation == 'mean' "
        "and masks == 'mtm' and n_trials == 10 and model == 'mtm'"
    ).pivot(index="session_id", columns="n_pretrained", values="value")
    found = summary.loc[("mtm", 3, 10, "mtm", "co-smoothing")]
    assert found["value"] == pytest.approx(rows[3].mean())
    assert found["gain"] == pytest.approx((rows[3] - rows[0]).mean())
    assert found["ci_low"] < found["gain"] < found["ci_high"]
    assert np.isnan(summary.loc[("mtm", 0, 10, "mean-rate", "co-smoothing")]["gain"])


def test_the_interval_is_that_of_student():
    low, high = interval(np.array([1.0, 2.0, 3.0, np.nan]))
    assert (low, high) == pytest.approx((2 - 4.302653 / np.sqrt(3), 2 + 4.302653 / np.sqrt(3)))
    assert np.isnan(interval(np.array([1.0]))).all()


def test_another_study_in_the_folder_and_an_unknown_animal_are_refused(study, sessions, recipe, tmp_path):
    out, _, _ = study
    with pytest.raises(CheckpointError, match="another folder"):
        sg.transfer(sessions, hold_out=["B"], out=out, recipe=recipe, **SETTINGS)
    with pytest.raises(DataError, match="no subject 'D'"):
        sg.transfer(sessions, hold_out=["D"], out=tmp_path / "new", recipe=recipe)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    with pytest.raises(CheckpointError, match="holds no study"):
        sg.transfer(sessions, hold_out=["C"], out=tmp_path / "full", recipe=recipe)
