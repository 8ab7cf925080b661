"""What every study runs: which recipes, on which sessions, asked what."""

import pytest

from spikeglot.data.session import Dropped
from spikeglot.errors import DataError, SettingsError
from spikeglot.settings import TASKS, load_recipe
from spikeglot.studies.engine.budgets import BUDGETS, with_budget
from spikeglot.studies.engine.held_out import nested_order
from spikeglot.studies.engine.study import load_study

MIXTURE = ("neuron", "causal", "intra-region", "inter-region")


@pytest.fixture
def plan(ask):
    def make(name, **more):
        return load_study(name).plan(ask(name, **more))

    return make


def labels(runs, name="variant"):
    return list(dict.fromkeys(run.labels.get(name) for run in runs))


def test_masking_has_the_seven_rows_of_the_paper_per_session_and_seed(plan):
    runs = plan("masking", n_seeds=2, n_sessions=3).runs
    assert len(runs) == len({run.key for run in runs}) == 3 * 2 * 7
    singles = {run.recipe.mask.schemes: run.recipe.mask.prompted for run in runs if len(run.recipe.mask.schemes) == 1}
    assert singles == {(name,): False for name in ("temporal", *MIXTURE)}
    mixed = {run.labels["variant"]: run.recipe.mask for run in runs if len(run.recipe.mask.schemes) > 1}
    assert {name: mask.prompted for name, mask in mixed.items()} == {"MtM, not prompted": False, "MtM, prompted": True}
    assert all(mask.schemes == MIXTURE for mask in mixed.values())
    assert {run.recipe.seed for run in runs} == {0, 1}
    assert all(run.recipe.seed == run.labels["seed"] and run.tasks == TASKS for run in runs)
    # baselines do not depend on the seed: once per session
    assert [run.session_ids for run in runs if run.baselines] == [("s0",), ("s1",), ("s2",)]


def test_ratios_and_positions_change_what_they_say(plan):
    ratios = [run.recipe.mask.ratio for run in plan("ratios", n_sessions=1).runs]
    assert [(r.neuron, r.causal, r.intra_region) for r in ratios] == [(0.1,) * 3, (0.3,) * 3, (0.6,) * 3]
    assert [run.recipe.model.position for run in plan("positions", n_sessions=1).runs] == ["rotary", "learned"]


def test_architectures_and_mask_token_are_settings_of_the_model(plan):
    runs = plan("architectures", n_sessions=1).runs
    kinds = [(run.recipe.model.architecture, len(run.recipe.mask.schemes), run.recipe.mask.prompted) for run in runs]
    assert kinds == [(name, n, n == 4) for name in ("ndt1", "ndt2", "lfads") for n in (1, 4)]
    models = [run.recipe.model for run in plan("mask-token", n_sessions=1).runs]
    assert [(model.architecture, model.mask_token) for model in models] == [("ndt2", True), ("ndt2", False)]


def test_prompts_ask_one_model_with_every_prompt(plan):
    runs = plan("prompts", n_sessions=2).runs
    assert len(runs) == 2
    assert all(run.prompts == run.decoding.prompts == MIXTURE and run.targets == ("choice",) for run in runs)
    assert plan("prompts", n_sessions=1, target="").runs[0].targets == ()


def test_chance_decodes_with_shuffled_labels_and_scores_no_task(plan):
    (run,) = plan("chance", n_sessions=1, targets=("choice", "wheel"), shuffles=3).runs
    assert run.targets == ("choice", "wheel")
    assert run.decoding.shuffles == 3
    assert run.tasks == ()
    assert run.baselines == ()


def test_sessions_are_trained_on_together(plan):
    runs = plan("sessions", n_seeds=2).runs
    assert len(runs) == 4
    assert all(run.session_ids == ("s0", "s1", "s2", "s3", "s4") for run in runs)
    assert labels(runs) == ["temporal", "MtM, prompted"]


def test_scaling_pretrains_on_more_and_more_sessions_of_other_animals(plan):
    runs = plan("scaling", hold_out=("C",), pretrain_on=(1, 9)).runs
    made = {run.key: run.session_ids for run in runs if not run.tasks}
    assert set(made) == {f"pretrained/{masks}-{n}/seed-0" for masks in ("mtm", "temporal") for n in (1, 3)}
    assert set(made["pretrained/mtm-3/seed-0"]) == {"s0", "s1", "s2"}
    assert (
        made["pretrained/mtm-3/seed-0"][:1] == made["pretrained/mtm-1/seed-0"] == made["pretrained/temporal-1/seed-0"]
    )
    cells = [run for run in runs if run.tasks]
    assert {run.session_ids for run in cells} == {("s3",), ("s4",)}
    assert len(cells) == 2 * 2 * 3
    assert {run.adapts for run in cells} == {"", *made}
    assert [run.key for run in cells if run.baselines] == ["mtm-scratch/s3-all/seed-0", "mtm-scratch/s4-all/seed-0"]


def test_transfer_adapts_with_few_trials_and_says_which_sessions_have_too_few(plan):
    chosen = plan("transfer", hold_out=("C",), pretrain_on=(1,), trials=(10, 99), also_masks=("temporal",))
    cells = [run for run in chosen.runs if run.tasks]
    assert {run.labels["n_trials"] for run in cells} == {10, 0}
    found = {(run.labels["masks"], run.labels["n_pretrained"]) for run in cells}
    assert found == {("mtm", 0), ("mtm", 1), ("mtm", 3), ("temporal", 0), ("temporal", 3)}
    few = [run for run in cells if run.labels["n_trials"] == 10]
    assert all((run.finetune.trials if run.adapts else run.recipe.split.train_trials) == 10 for run in few)
    reason = "99 trials are not fewer than its 35; see all"
    assert chosen.left_out == (Dropped("session", "s3", reason), Dropped("session", "s4", reason))
    keys = [run.key for run in chosen.runs]
    assert len(set(keys)) == len(keys)


def test_animals_to_hold_out_must_be_named_and_known(plan):
    with pytest.raises(SettingsError, match=r"--hold-out.*There are A, B, C"):
        plan("scaling")
    with pytest.raises(DataError, match="no subject 'D'"):
        plan("transfer", hold_out=("D",))
    with pytest.raises(DataError, match="leaves nobody"):
        plan("transfer", hold_out=("A", "B", "C"))


def test_more_sessions_are_the_fewer_ones_and_others_whatever_the_order_given():
    names = [f"s{i}" for i in range(8)]
    assert nested_order(names, 0) == nested_order(names[::-1], 0) != nested_order(names, 1)
    assert sorted(nested_order(names, 0)) == names


@pytest.mark.parametrize("budget", BUDGETS)
def test_a_budget_replaces_sizes_and_steps_and_leaves_windows_and_filters(budget):
    recipe = load_recipe("demo", window={"stop_s": 0.4})
    made = with_budget(recipe, budget)
    assert (made.window, made.quality, made.split) == (recipe.window, recipe.quality, recipe.split)
    assert made.model.start == "rates"
    assert made.train.steps % made.train.validate_every == 0  # the last step is a checkpoint


def test_an_unknown_budget_gets_a_suggestion():
    with pytest.raises(SettingsError, match="Did you mean 'medium'"):
        with_budget(load_recipe("demo"), "mediun")
