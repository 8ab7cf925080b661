"""The transfer study end to end, on animals whose units are alike, with models in closed form."""

import json

import pandas as pd
import pytest
import torch

import spikeglot as sg
from spikeglot.events import LeftOut
from spikeglot.studies.engine.run import change

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def study(sessions, tiny, tmp_path_factory):
    out = tmp_path_factory.mktemp("study") / "transfer"
    events = []
    rows = sg.study(
        "transfer",
        sessions,
        out=out,
        recipe=change(tiny, model={"start": "factors"}, train={"steps": 0}),
        budget=None,
        workers=1,
        baselines=("mean-rate",),
        listen=events.append,
        hold_out=("C",),
        pretrain_on=(),
        trials=(10, 99),
        also_masks=("temporal",),
    )
    return out, rows, events


def test_every_cell_is_scored_on_held_out_sessions_only(study):
    _, rows, _ = study
    assert set(rows["session_id"]) == {"s3", "s4"}
    assert set(rows["n_trials"]) == {10, 0}
    cells = {(row.masks, row.n_pretrained) for row in rows.itertuples()}
    assert cells == {("mtm", 0), ("mtm", 3), ("temporal", 0), ("temporal", 3)}
    assert {"co-smoothing", "forward"} <= set(rows["task"])
    assert {"mtm", "mean-rate"} <= set(rows["model"])


def test_models_are_adapted_in_closed_form_from_those_of_other_animals(study):
    out, _, _ = study
    base = json.loads((out / "pretrained" / "mtm-3" / "seed-0" / "run.json").read_text())
    assert set(base["session_ids"]) == {"s0", "s1", "s2"}
    adapted = sg.load_run(out / "mtm-3" / "s3-10" / "seed-0" / "model")
    assert adapted.adapted.folder.endswith("pretrained/mtm-3/seed-0/model")
    assert adapted.adapted.settings.method == "closed-form"
    assert len(adapted.sessions["s3"].train_trials) == 10
    scratch = sg.load_run(out / "mtm-scratch" / "s3-10" / "seed-0" / "model")
    assert scratch.adapted is None
    assert scratch.sessions["s3"].train_trials == adapted.sessions["s3"].train_trials


def test_table_figure_and_page_are_written_and_sessions_with_few_trials_are_told(study):
    out, _, events = study
    table = pd.read_csv(out / "transfer.csv")
    assert set(table["aggregation"]) == {"mean", "pooled"}
    assert table.query("n_pretrained == 3 and model == 'mtm'")["ci_low"].notna().any()
    assert (out / "transfer.png").stat().st_size > 10_000
    assert [e.session_id for e in events if isinstance(e, LeftOut)] == ["s3", "s4"]
    page = (out / "transfer.md").read_text()
    assert "mtm, pretrained on 3" in page
    assert "- s3: 99 trials are not fewer than its 35; see all" in page
