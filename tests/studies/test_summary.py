"""Tables and findings on rows whose answer is known."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from spikeglot.settings import TASKS
from spikeglot.studies import masking
from spikeglot.studies.engine.gain import both_tables, gain_table, interval, show_gain
from spikeglot.studies.engine.grid import slug
from spikeglot.studies.engine.study import load_study
from spikeglot.studies.engine.summary import (
    difference,
    is_ahead,
    is_ahead_in_mean,
    markdown,
    mean_ranks,
    named,
    say_difference,
    show_table,
    table_of,
)


@pytest.fixture(scope="module")
def rows(make_rows):
    """Two sessions, two seeds; A is best but in one of four, and the baseline is there once per session."""
    return make_rows(
        {
            ("s0", 0): {"A": 0.4, "B": 0.2, "ridge*": 0.3},
            ("s0", 1): {"A": 0.6, "B": 0.3},
            ("s1", 0): {"A": 0.1, "B": 0.2, "ridge*": 0.5},
            ("s1", 1): {"A": 0.5, "B": 0.1},
        }
    )


def test_means_are_over_sessions_and_spread_over_both(rows):
    table = table_of(rows).set_index(["name", "task"])
    found = table.loc[("A", "forward")]
    assert found["value"] == pytest.approx((0.5 + 0.3) / 2)
    assert found["sd_over_sessions"] == pytest.approx(np.std([0.5, 0.3], ddof=1))
    assert found["sd_over_seeds"] == pytest.approx(np.mean([np.std([0.4, 0.6], ddof=1), np.std([0.1, 0.5], ddof=1)]))
    assert (found["n_sessions"], found["n_seeds"]) == (2, 2)
    assert found["mean_rank"] == pytest.approx((1 + 1 + 2 + 1) / 4)
    baseline = table.loc[("ridge*", "forward")]
    assert baseline["value"] == pytest.approx(0.4)
    assert np.isnan(baseline["sd_over_seeds"])
    assert np.isnan(baseline["mean_rank"])


def test_ranks_are_those_of_scipy_and_need_every_model(make_rows):
    values = {"A": 0.1, "B": 0.5, "C": 0.3, "D": 0.5}
    ranks = mean_ranks(make_rows({("s0", 0): values, ("s1", 0): {"A": 9.0}}))["forward"]
    expected = stats.rankdata([-value for value in values.values()])
    assert ranks.loc[list(values)].tolist() == expected.tolist()
    among = mean_ranks(make_rows({("s0", 0): values}), ("A", "C"))["forward"]
    assert among.to_dict() == {"A": 2.0, "C": 1.0}


def test_differences_are_paired(rows):
    found = difference(named(rows), "A", "B").set_index("task").loc["forward"]
    assert found["difference"] == pytest.approx(np.mean([0.2, 0.3, -0.1, 0.4]))
    assert (found["n_higher"], found["n_pairs"]) == (3, 4)
    assert "forward +0.200 (higher in 3 of 4)" in say_difference(named(rows), "A", "B")
    assert is_ahead(named(rows), "A", "B")
    assert is_ahead(named(rows), "B", "A") is False
    assert is_ahead(named(rows), "A", "nobody") is None
    assert is_ahead_in_mean(named(rows), "A", "nobody") is None
    assert "nothing to compare" in say_difference(named(rows), "A", "nobody")


def test_ahead_on_all_tasks_is_more_than_ahead_in_the_mean(make_rows):
    picked = named(make_rows({("s0", 0): {"A": [0.9, 0.9, 0.9, 0.1], "B": 0.2}}))
    assert is_ahead(picked, "A", "B") is False
    assert is_ahead_in_mean(picked, "A", "B") is True


def test_a_table_for_people_has_a_row_per_name_and_leaves_out_what_there_is_not(rows, make_rows):
    shown = show_table(table_of(rows), "trained on")
    assert list(shown) == ["trained on", *TASKS]
    assert shown["forward"].tolist() == [
        "0.400 ± 0.212, ± 0.141 (1.2)",
        "0.200 ± 0.071, ± 0.071 (1.8)",
        "0.400, ± 0.141",
    ]
    alone = show_table(table_of(make_rows({("s0", 0): {"A": 0.4}})))
    assert alone["forward"].tolist() == ["0.400 (1.0)"]
    assert markdown(alone).splitlines()[1] == "| --- | --- | --- | --- | --- |"


def published_rows(make_rows, **changes):
    """Rows with the numbers of the paper's table 1, in two sessions."""
    table = masking.PUBLISHED_BITS[list(TASKS)].copy()
    for place, value in changes.items():
        name, task = place.split("/")
        table.loc[name, task] = value
    return make_rows({(s, 0): {name: list(row) for name, row in table.iterrows()} for s in ("s0", "s1")})


def test_the_published_table_has_the_published_pattern(make_rows):
    said = masking.findings(published_rows(make_rows))
    assert len(said) == 8
    for line in said[:4]:
        assert "Returns: wins " in line
    assert "less than half of MtM on intra-region, forward, no better" in said[0]
    mtm = next(line for line in said if "at or near the top" in line)
    assert "Returns (place 3 or better, as published); first or second on 3 of 4" in mtm
    assert "co-smoothing 3.0 (place 3, published 3)" in mtm
    assert "forward 1.0 (place 1, published 1)" in mtm
    assert "co-smoothing 1.00" in said[-1]
    assert "Returns, in the mean over tasks" in said[-2]


def test_a_scheme_that_does_not_win_its_own_task_is_said_not_to(make_rows):
    said = masking.findings(published_rows(make_rows, **{"neuron/co-smoothing": 0.5}))
    assert "Does not return: does not win co-smoothing with 0.500 (the best is `inter-region` with 0.920)" in said[0]
    said = masking.findings(published_rows(make_rows, **{"neuron/co-smoothing": 0.9}))
    assert "Returns: nearly wins co-smoothing with 0.900" in said[0]
    # who is as good as MtM elsewhere does not fail there
    everywhere = {f"causal/{task}": 0.9 for task in TASKS}
    said = masking.findings(published_rows(make_rows, **everywhere))
    assert "Does not return: wins forward" in said[1]


def test_masking_lists_rows_in_the_order_of_the_paper_then_baselines(make_rows):
    mixed = make_rows({("s0", 0): {"ridge*": 0.1, "MtM, prompted": 0.4, "neuron": 0.3, "temporal": 0.2}})
    names = load_study("masking").table(mixed)["name"].drop_duplicates().tolist()
    assert names == ["temporal", "neuron", "MtM, prompted", "ridge*"]


def test_prompts_say_which_is_best_for_each_task(make_rows):
    parts = [
        make_rows({("s0", 0): {"MtM, prompted": values}}, prompt=prompt)
        for prompt, values in {"neuron": [0.5, 0.1, 0.1, 0.6], "causal": [0.1, 0.2, 0.1, 0.4]}.items()
    ]
    study = load_study("prompts")
    said = study.findings(pd.concat(parts))
    assert said[0].startswith("Expected: co-smoothing is best asked with its own prompt, neuron. Returns")
    assert said[3].startswith("Expected: forward is best asked with its own prompt, causal. Does not return")
    assert study.show(study.table(pd.concat(parts)))["prompt"].tolist() == ["neuron", "causal"]


def test_chance_shows_both_accuracies_and_what_was_decoded_from(make_rows):
    parts = [
        make_rows({("s0", 0): {"x": [value]}}, tasks=["decode choice"], metric=metric, model=model)
        for metric, value in (("accuracy", 0.8), ("balanced_accuracy", 0.7))
        for model in ("mtm", "counts", "chance", "mtm, shuffled labels")
    ]
    study = load_study("chance")
    shown = study.show(study.table(pd.concat(parts)))
    assert list(shown) == ["decoded from", "choice, accuracy", "choice, balanced accuracy"]
    assert "log-rates, shuffled labels" in shown["decoded from"].tolist()
    assert "log-rates minus counts: choice, accuracy +0.000" in study.findings(pd.concat(parts))[2]


def test_sessions_counts_sessions_and_draws_them(make_rows, tmp_path):
    values = {(f"s{i}", seed): {"temporal": 0.2, "MtM, prompted": 0.1 + 0.1 * i} for i in range(4) for seed in (0, 1)}
    study, found = load_study("sessions"), make_rows(values)
    assert "Returns: by +0.050 in the mean, in 2 of 4 sessions" in study.findings(found)[0]
    study.draw(found, tmp_path / "sessions.png")
    assert (tmp_path / "sessions.png").stat().st_size > 10_000


@pytest.fixture(scope="module")
def transfers(make_rows):
    """From scratch, and pretrained on 1 and 3 sessions; two held-out sessions, two seeds, all trials."""
    parts = []
    for n_pretrained, gain in ((0, 0.0), (1, 0.1), (3, 0.3)):
        for masks in ("mtm", "temporal"):
            values = {
                (f"s{i}", seed): {"x": 0.2 * i + 0.01 * seed + gain * (1 + 0.5 * i)}
                for i in range(2)
                for seed in (0, 1)
            }
            parts.append(make_rows(values, n_pretrained=n_pretrained, masks=masks, n_trials=0))
    return pd.concat(parts, ignore_index=True)


def test_the_gain_is_paired_over_sessions_and_seeds(transfers):
    table = gain_table(transfers).set_index(["masks", "n_pretrained", "task"])
    found = table.loc[("mtm", 3, "forward")]
    assert found["gain"] == pytest.approx(0.3 * 1.25)
    assert (found["ci_low"], found["ci_high"]) == pytest.approx(interval(np.array([0.3, 0.45])))
    assert found["n_sessions"] == 2
    assert np.isnan(table.loc[("mtm", 0, "forward")]["gain"])
    shown = show_gain(both_tables(transfers))
    sources = ("from scratch", "pretrained on 1", "pretrained on 3")
    assert set(shown["model"]) == {f"{masks}, {source}" for masks in ("mtm", "temporal") for source in sources}
    assert "(+0.375 [" in shown.loc[shown["model"] == "mtm, pretrained on 3", "forward"].item()


def test_the_interval_is_that_of_student():
    low, high = interval(np.array([1.0, 2.0, 3.0, np.nan]))
    expected = stats.t.interval(0.95, 2, loc=2.0, scale=stats.sem([1.0, 2.0, 3.0]))
    assert (low, high) == pytest.approx(expected)
    assert np.isnan(interval(np.array([1.0]))).all()


def test_scaling_and_transfer_say_whether_more_sessions_help_and_draw_it(transfers, tmp_path):
    for name in ("scaling", "transfer"):
        study = load_study(name)
        assert "Returns" in study.findings(transfers)[0]
        study.draw(transfers, tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000
    worse = transfers.assign(value=transfers["value"].where(transfers["n_pretrained"] < 3, -1.0))
    assert "Does not return" in load_study("scaling").findings(worse)[0]


def test_names_become_paths():
    assert slug("MtM, not prompted") == "mtm-not-prompted"
