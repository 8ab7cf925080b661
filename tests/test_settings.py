"""Settings: real defaults, unknown keys refused with a suggestion, every wrong value named."""

import re

import pytest
from pydantic import BaseModel, ValidationError

from spikeglot.errors import SettingsError
from spikeglot.settings import (
    Recipe,
    WindowSettings,
    embedded_recipes,
    load_recipe,
    make_recipe,
    n_forward_bins,
)


def sections(model=Recipe, path=()):
    """Every settings class inside a recipe, with its place."""
    yield path, model
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from sections(field.annotation, (*path, name))


def nested(path, values):
    for name in reversed(path):
        values = {name: values}
    return values


def test_no_values_give_the_defaults():
    assert make_recipe({}) == Recipe()


@pytest.mark.parametrize(("path", "model"), list(sections()), ids=lambda p: ".".join(p) if isinstance(p, tuple) else "")
def test_an_unknown_key_is_refused_with_a_suggestion(path, model):
    known = next(iter(model.model_fields))
    typo = known + "x"
    with pytest.raises(SettingsError) as error:
        make_recipe(nested(path, {typo: 1}))
    place = ".".join((*path, typo))
    assert f"there is no setting '{place}'. Did you mean '{known}'?" in str(error.value)


def test_an_unknown_key_unlike_any_lists_what_is_known():
    with pytest.raises(SettingsError, match=r"no setting 'mask.zzz'. Known: schemes, draw, prompted"):
        make_recipe({"mask": {"zzz": 1}})


@pytest.mark.parametrize(
    ("values", "place", "given"),
    [
        ({"seed": "many"}, "seed", "'many'"),
        ({"model": {"width": 4}}, "model.width", "4"),
        ({"model": {"width": 12, "heads": 4}}, "model", "not a multiple of twice model.heads 4"),
        ({"model": {"start": "warm"}}, "model.start", "'warm'"),
        ({"model": {"factors": {"ridge": 0}}}, "model.factors.ridge", "0"),
        ({"model": {"factors": {"timescales_s": [0.03, 0.0]}}}, "model.factors.timescales_s", "0.0"),
        ({"model": {"dropout": 1.0}}, "model.dropout", "1.0"),
        ({"mask": {"ratio": {"neuron": 1.5}}}, "mask.ratio.neuron", "1.5"),
        ({"mask": {"schemes": []}}, "mask", "schemes is empty"),
        ({"mask": {"schemes": "neuron"}}, "mask.schemes", "'neuron'"),
        ({"mask": {"schemes": ["neuron", "causall"]}}, "mask.schemes", "Did you mean 'causal'?"),
        ({"train": {"steps": -1}}, "train.steps", "-1"),
        ({"train": {"learning_rate": float("nan")}}, "train.learning_rate", "nan"),
        ({"split": {"train": 0.9, "val": 0.1}}, "split", "leaves no test trials"),
        ({"split": {"seed": -1}}, "split.seed", "-1"),
        ({"quality": {"min_units_per_region": 0}}, "quality.min_units_per_region", "0"),
        ({"model": 3}, "model", "3"),
    ],
)
def test_a_wrong_value_is_named(values, place, given):
    with pytest.raises(SettingsError, match=r"^Cannot use the settings: ") as error:
        make_recipe(values)
    assert place in str(error.value)
    assert given in str(error.value)


def test_all_problems_are_told_at_once():
    with pytest.raises(SettingsError) as error:
        make_recipe({"sed": 1, "train": {"steps": -1}, "model": {"depth": 0}})
    for problem in ("'sed'", "train.steps", "model.depth"):
        assert problem in str(error.value)


@pytest.mark.parametrize(
    ("start_s", "stop_s", "bin_size_s", "n_bins"),
    [
        (0.0, 0.4, 0.02, 20),
        (-0.5, 1.5, 0.02, 100),
        (0.0, 1.0, 0.01, 100),
        (0.17, 1.0, 0.01, 83),
        (0.0, 0.3, 0.1, 3),
    ],
)
def test_a_window_of_whole_bins(start_s, stop_s, bin_size_s, n_bins):
    window = WindowSettings(start_s=start_s, stop_s=stop_s, bin_size_s=bin_size_s)
    assert window.n_bins == n_bins
    assert window.duration_s == pytest.approx(stop_s - start_s)


@pytest.mark.parametrize(
    ("start_s", "stop_s", "bin_size_s"),
    [
        (0.0, 0.41, 0.02),
        (0.0, 1.0, 0.03),
        (0.0, 0.01, 0.02),
        (0.0, 0.0, 0.02),
        (1.0, 0.0, 0.02),
        (0.0, 0.05, 0.1),
    ],
)
def test_a_window_of_broken_bins_is_refused(start_s, stop_s, bin_size_s):
    with pytest.raises(
        SettingsError,
        match=r"does not hold a whole number of bins.*change window.stop_s or window.bin_size_s",
    ):
        make_recipe({"window": {"start_s": start_s, "stop_s": stop_s, "bin_size_s": bin_size_s}})


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("name", ["start_s", "stop_s", "bin_size_s"])
def test_a_window_without_end_is_refused(name, number):
    with pytest.raises(SettingsError, match=f"window.{name}"):
        make_recipe({"window": {name: number}})


@pytest.mark.parametrize(("n_bins", "n_last"), [(1, 1), (5, 1), (10, 1), (14, 1), (16, 2), (20, 2), (50, 5), (100, 10)])
def test_forward_bins(n_bins, n_last):
    assert n_forward_bins(n_bins) == n_last


def test_settings_do_not_change():
    with pytest.raises(ValidationError, match="frozen"):
        Recipe().seed = 1  # type: ignore[misc]
    assert hash(Recipe()) == hash(make_recipe({}))


@pytest.mark.parametrize("name", embedded_recipes())
def test_embedded_recipes_load(name):
    recipe = load_recipe(name)
    assert make_recipe(recipe.model_dump()) == recipe
    assert make_recipe(recipe.model_dump(mode="json")) == recipe


def test_there_are_embedded_recipes():
    assert {"mtm-ndt1", "demo"} <= set(embedded_recipes())


def test_a_recipe_can_be_loaded_with_other_settings():
    recipe = load_recipe("demo", seed=3, window={"stop_s": 0.5}, model={"factors": {"n_factors": 2}})
    demo = load_recipe("demo")
    assert (recipe.seed, recipe.window.stop_s, recipe.model.factors.n_factors) == (3, 0.5, 2)
    assert recipe.window.align == demo.window.align
    assert recipe.train == demo.train
    assert load_recipe("demo") == demo
    with pytest.raises(SettingsError, match=r"recipe 'demo': there is no setting 'train.step'. Did you mean 'steps'"):
        load_recipe("demo", train={"step": 3})


def test_an_unknown_recipe_is_refused_with_a_suggestion():
    with pytest.raises(SettingsError, match=r"no recipe 'mtm-ndt'. Did you mean 'mtm-ndt1'"):
        load_recipe("mtm-ndt")


def test_a_recipe_file_changes_what_it_names(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('seed = 3\n[mask]\nschemes = ["neuron"] # ünïcode\n[mask.ratio]\nneuron = 0.5\n', encoding="utf-8")
    recipe = load_recipe(path)
    assert recipe == make_recipe({"seed": 3, "mask": {"schemes": ["neuron"], "ratio": {"neuron": 0.5}}})
    assert recipe.mask.ratio.of("neuron") == 0.5
    assert recipe.mask.ratio.of("random-token") == 0.3
    assert load_recipe(str(path)) == recipe


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"seed = ", "is not TOML"),
        (b"sede = 1", r"no setting 'sede'. Did you mean 'seed'\?"),
        (b"[model]\nwidth = 'wide'", r"model.width: .*\(got 'wide'\)"),
        (b"seed = 1 # \xff", "is not TOML"),
    ],
)
def test_a_recipe_file_that_is_wrong_is_named(tmp_path, content, says):
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=re.escape(str(path))) as error:
        load_recipe(path)
    assert re.search(says, str(error.value))


def test_a_recipe_file_that_is_not_there(tmp_path):
    with pytest.raises(SettingsError, match="There is no recipe file"):
        load_recipe(tmp_path / "mine.toml")
