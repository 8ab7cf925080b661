"""Flags: every setting is one, they override the recipe, and what is not known is refused with a suggestion."""

from typing import get_args, get_type_hints

import pytest
from pydantic import BaseModel

from spikeglot.cli.arguments import VERBS, Baseline, Evaluate, Pretrain, Show, Task, Translate
from spikeglot.cli.parse import parse
from spikeglot.cli.settings_flags import flag_value
from spikeglot.errors import SettingsError
from spikeglot.settings import TASKS, Recipe, load_recipe, make_recipe


def settings(model: type[BaseModel] = Recipe, prefix: str = ""):
    """Every setting with its place: ("model.factors.ridge", 60.0)."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from settings(field.annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field.default


def other(value):
    """Another valid value of a setting, as words of the shell and as a value."""
    if isinstance(value, bool):
        return [str(not value)], not value
    if isinstance(value, int):
        return [str(value + 8)], value + 8
    if isinstance(value, float):
        return [str(value / 2)], value / 2
    return {
        None: (["go_cue"], "go_cue"),
        ("root", "void"): (["root", "fiber tracts"], ("root", "fiber tracts")),
        ("neuron", "causal", "intra-region", "inter-region"): (["neuron", "forecast"], ("neuron", "forecast")),
        (0.03,): (["0.06", "0.02"], (0.06, 0.02)),
        "": (["label == 1"], "label == 1"),
        "random": (["blocked"], "blocked"),
        "trial": (["batch"], "batch"),
        "factors": (["zero"], "zero"),
        "ndt1": (["ndt2"], "ndt2"),
        (): (["kl", "0.5", "n_factors", "3"], (("kl", 0.5), ("n_factors", 3.0))),
        "learned": (["rotary"], "rotary"),
        "poisson": (["mse"], "mse"),
        "auto": (["cpu"], "cpu"),
        "none": (["full"], "full"),
    }[value]


def at(recipe: Recipe, place: str):
    for name in place.split("."):
        recipe = getattr(recipe, name)
    return recipe


@pytest.mark.parametrize(("place", "default"), list(settings()))
def test_every_setting_is_a_flag_that_overrides_the_recipe(tmp_path, place, default):
    path = tmp_path / "defaults.toml"
    path.write_text("")
    fits = {
        "model.heads": 8,
        "window.start_s": 0.5,
        "window.bin_size_s": 0.1,
        "split.train_trials": 20,
        "train.precision": "bfloat16",
        "train.compile": "on",
    }
    words, value = ([str(fits[place])], fits[place]) if place in fits else other(default)
    flag = "--" + place.replace("_", "-")
    given = parse("pretrain", ["x.nwb", "--out", "run", "--recipe", str(path), flag, *words])
    assert at(given.settings, place) == value
    changed = {p for p, _ in settings() if at(given.settings, p) != at(Recipe(), p)}
    assert changed == {place}
    if place.startswith(("window.", "quality.")):
        shown = parse("show", ["x.nwb", flag, *words])
        assert (
            at(make_recipe({"window": shown.window.model_dump(), "quality": shown.quality.model_dump()}), place)
            == value
        )


def test_without_flags_the_recipe_is_as_it_is():
    given = parse("pretrain", ["x.nwb", "--out", "run"])
    assert given.settings == load_recipe("mtm-ndt1")
    assert parse("pretrain", ["x.nwb", "--out", "run", "--recipe", "demo"]).settings == load_recipe("demo")
    assert parse("show", ["x.nwb", "--recipe=demo"]).window == load_recipe("demo").window


def test_underscores_will_do():
    assert parse("pretrain", ["x", "--out", "r", "--train.batch_size", "7"]).settings.train.batch_size == 7


def test_data_are_in_order():
    given = parse("pretrain", ["b.nwb", "a.nwb", "folder", "--out", "run"])
    assert given.data == ("b.nwb", "a.nwb", "folder")
    assert parse("evaluate", ["run", "b.nwb", "a.nwb"]).data == ("b.nwb", "a.nwb")


def test_switches():
    assert not any((given := parse("show", ["x"])).quiet or given.json for _ in (0,))
    given = parse("show", ["x", "--quiet", "--json"])
    assert given.quiet
    assert given.json


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--window.stop-s", "0.41"], "a window from 0.0 to 0.41 s does not hold a whole number of bins of 0.02 s"),
        (["--train.steps", "-1"], "train.steps: Input should be greater than or equal to 0 (got -1)"),
        (["--mask.schemes", "neuro"], "mask.schemes names no scheme with 'neuro'. Did you mean 'neuron'?"),
        (["--split.train", "0.95"], "split.train + split.val = 1.05 leaves no test trials"),
        (["--model.width", "100", "--model.heads", "8"], "model.width 100 is not a multiple of twice model.heads 8"),
    ],
)
def test_a_wrong_value_is_explained_in_one_line(shell, tmp_path, flags, says):
    said = shell("pretrain", "simulated", "--out", tmp_path / "run", *flags)
    assert said.status == 1
    assert said.out == ""
    assert said.err.startswith("error: Cannot use the settings: ")
    assert says in said.err
    assert len(said.err.splitlines()) == 1
    for noise in ("validation error", "input_value", "type=", "pydantic"):
        assert noise not in said.err
    assert not (tmp_path / "run").exists()


def test_every_wrong_value_is_named():
    with pytest.raises(SettingsError, match=r"train.steps: .*; train.warmup: "):
        parse("pretrain", ["x", "--out", "r", "--train.steps", "-1", "--train.warmup", "2"])


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--train.step", "3"], "--train.steps INT"),
        (["--mask.ratio.neurons", "0.5"], "--mask.ratio.neuron FLOAT"),
        (["--jason"], "--json"),
    ],
)
def test_an_unknown_flag_gets_a_suggestion(shell, tmp_path, flags, says):
    said = shell("pretrain", "simulated", "--out", tmp_path / "run", *flags)
    assert said.status == 2
    assert said.out == ""
    assert "Unrecognized options" in said.err
    assert says in said.err
    assert not (tmp_path / "run").exists()


def test_an_unknown_key_of_a_recipe_gets_a_suggestion(shell, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("[train]\nlearning_rat = 0.1\n[masks]\ndraw = 'trial'\n")
    said = shell("pretrain", "simulated", "--out", tmp_path / "run", "--recipe", path)
    assert said.status == 1
    assert "there is no setting 'train.learning_rat'. Did you mean 'learning_rate'?" in said.err
    assert "there is no setting 'masks'. Did you mean 'mask'?" in said.err
    assert str(path) in said.err


def test_a_recipe_that_is_not_there(shell):
    said = shell("show", "simulated", "--recipe", "mtm-ndt")
    assert said.status == 1
    assert "There is no recipe 'mtm-ndt'. Did you mean 'mtm-ndt1'?" in said.err


def test_what_is_missing_is_named(shell):
    said = shell("pretrain", "x.nwb")
    assert (said.status, said.out) == (2, "")
    assert "--out PATH" in said.err
    assert "RUN" in shell("evaluate").err


@pytest.mark.parametrize("flags", [["--tasks", "cosmoothing"], ["--baselines", "rigde"]])
def test_tasks_and_baselines_that_do_not_exist_cost_no_time(shell, flags):
    said = shell("evaluate", "run", "x.nwb", *flags)
    assert said.status == 2
    assert flags[1] in said.err
    assert "ridge" in said.err or "co-smoothing" in said.err


def test_the_choices_are_all_there_are():
    from spikeglot.evaluation.baselines import BASELINES

    assert get_args(Task) == TASKS
    assert get_args(Baseline) == tuple(BASELINES)
    assert Evaluate(run="run").baselines == tuple(BASELINES)


def test_the_choices_of_translate_are_all_there_are():
    from spikeglot.api.translate import PARTS
    from spikeglot.masking.translation import TRANSLATION_PROMPTS
    from spikeglot.viz.unit_order import SORTS

    choices = {name: get_args(hint) for name, hint in get_type_hints(Translate).items()}
    assert choices["prompt"] == TRANSLATION_PROMPTS
    assert choices["sort"] == tuple(SORTS)
    assert set(choices["trials"]) == set(PARTS)


def test_the_last_recipe_counts():
    assert flag_value(["--recipe", "a", "--recipe=b"], "--recipe") == "b"
    assert flag_value(["--recipe"], "--recipe") is None
    assert flag_value(["x"], "--recipe") is None


def test_verbs_are_those_of_the_issue():
    assert list(VERBS) == [
        "demo",
        "show",
        "check",
        "prepare",
        "pretrain",
        "finetune",
        "evaluate",
        "decode",
        "translate",
        "study",
    ]
    assert VERBS["show"] is Show
    assert VERBS["pretrain"] is Pretrain
