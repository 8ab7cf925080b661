"""Checkpoints: a round trip to the bit, strict reading, clear refusals, and no pickle anywhere."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from spikeglot import __version__
from spikeglot.checkpoint import (
    FORMAT,
    Checkpoint,
    SessionCard,
    check_same_data,
    load_checkpoint,
    replace_folder,
    save_checkpoint,
)
from spikeglot.data.prepare import Prepared
from spikeglot.data.splits import split_trials
from spikeglot.errors import CheckpointError, SpikeglotError
from spikeglot.masking.mask import unmasked

SOURCE = Path(__file__).resolve().parents[1] / "src" / "spikeglot"


@pytest.fixture(scope="module")
def written(factories, tmp_path_factory):
    """A checkpoint of two sessions with parameters that are anything but round."""
    recipe = factories.small_recipe(model={"start": "factors", "position": "rotary"}, mask={"schemes": ["neuron"]})
    checkpoint = factories.make_checkpoint(recipe, factories.two_sessions())
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in checkpoint.model.parameters():
            parameter.add_(1e-3 * torch.randn_like(parameter))
    folder = tmp_path_factory.mktemp("checkpoint") / "best"
    save_checkpoint(folder, checkpoint)
    return checkpoint, folder


@pytest.fixture
def copy(written, tmp_path):
    """A copy of the checkpoint that a test may damage."""
    folder = tmp_path / "best"
    folder.mkdir()
    for file in written[1].iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


def test_a_round_trip_is_equal_to_the_bit(factories, written):
    before, folder = written
    after = load_checkpoint(folder)
    assert after.recipe == before.recipe
    assert after.sessions == before.sessions
    assert after.model.session_ids == before.model.session_ids == ("a.1", "b/2")
    assert after.model.state_dict().keys() == before.model.state_dict().keys()
    for name, value in before.model.state_dict().items():
        assert value.dtype == after.model.state_dict()[name].dtype
        assert torch.equal(value, after.model.state_dict()[name]), name
    session = factories.make_session("a.1", 30, seed=1)
    mask = unmasked(30, *session.counts.shape[1:])
    assert torch.equal(
        factories.predict(before.model.eval(), session, mask),
        factories.predict(after.model.eval(), session, mask),
    )


def test_loading_leaves_what_trains_and_what_does_not(written):
    before, folder = written
    after = load_checkpoint(folder)
    trains = {name: p.requires_grad for name, p in before.model.named_parameters()}
    assert trains == {name: p.requires_grad for name, p in after.model.named_parameters()}
    assert not all(trains.values())


def test_saving_again_writes_the_same_bytes(written, tmp_path):
    save_checkpoint(tmp_path / "again", load_checkpoint(written[1]))
    for file in written[1].iterdir():
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes()


def test_the_files_are_json_and_safetensors(written):
    _, folder = written
    assert {file.name for file in folder.iterdir()} == {"config.json", "sessions.json", "model.safetensors"}
    config = json.loads((folder / "config.json").read_text())
    assert config["format"] == FORMAT == 3
    assert config["spikeglot"] == __version__
    cards = json.loads((folder / "sessions.json").read_text())
    assert [card["session_id"] for card in cards] == ["a.1", "b/2"]
    assert cards[1]["unit_ids"] == [f"u{i}" for i in range(7)]
    assert sorted(cards[1]["train_trials"] + cards[1]["val_trials"] + cards[1]["test_trials"]) == list(range(23))


def edit_json(path, change):
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


def test_another_format_is_refused_by_number(copy):
    edit_json(copy / "config.json", lambda config: config.update(format=1, spikeglot="9.9"))
    with pytest.raises(CheckpointError, match=r"format 1 \(written by spikeglot 9.9\); this spikeglot reads format 3"):
        load_checkpoint(copy)


@pytest.mark.parametrize("name", ["config.json", "sessions.json", "model.safetensors"])
def test_a_missing_file_is_named(copy, name):
    (copy / name).unlink()
    with pytest.raises(CheckpointError, match=re.escape(str(copy))) as error:
        load_checkpoint(copy)
    assert name in str(error.value)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(CheckpointError, match="There is no checkpoint in"):
        load_checkpoint(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["config.json", "sessions.json", "model.safetensors"])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_a_truncated_file_is_refused(copy, name, share):
    content = (copy / name).read_bytes()
    (copy / name).write_bytes(content[: int(share * (len(content) - 2))])
    with pytest.raises(CheckpointError, match=re.escape(str(copy))):
        load_checkpoint(copy)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", "[]"),
        ("config.json", "3"),
        ("config.json", '{"format": 3}'),
        ("config.json", '{"format": 3, "recipe": {"sed": 1}}'),
        ("sessions.json", "{}"),
        ("sessions.json", '[{"session_id": "a.1"}]'),
        ("sessions.json", "[3]"),
        ("sessions.json", "[]"),
        ("config.json", "\udcff"),
    ],
)
def test_json_that_says_something_else_is_refused(copy, name, content):
    (copy / name).write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(SpikeglotError, match=re.escape(str(copy))):
        load_checkpoint(copy)


@pytest.mark.parametrize("how", ["one less", "one more", "another shape"])
def test_weights_are_read_strictly(copy, how):
    weights = load_file(copy / "model.safetensors")
    if how == "one less":
        del weights["architecture.norm.bias"]
    elif how == "one more":
        weights["architecture.norm.extra"] = torch.zeros(1)
    else:
        weights["architecture.norm.bias"] = torch.zeros(3)
    save_file(weights, copy / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"norm\."):
        load_checkpoint(copy)


def test_the_card_of_a_session_names_trials_by_id(factories):
    counts = factories.make_counts(n_trials=20)
    trials = counts.trials.assign(trial_id=np.arange(20) * 3 + 5)
    split = split_trials(20, factories.small_recipe().split)
    card = SessionCard.of(Prepared(replace(counts, trials=trials), split))
    assert card.train_trials == tuple(3 * split.train + 5)
    assert sorted(card.train_trials + card.val_trials + card.test_trials) == list(range(5, 65, 3))
    assert card.regions == factories.REGIONS
    assert all(type(i) is int for i in card.test_trials)


def test_other_units_or_another_split_are_refused(factories):
    counts = factories.make_counts(n_trials=20)
    recipe = factories.small_recipe()
    prepared = Prepared(counts, split_trials(20, recipe.split))
    card = SessionCard.of(prepared)
    check_same_data(card, prepared, "'runs/x'")
    fewer_units = Prepared(counts.take_units(np.arange(3)), prepared.split)
    with pytest.raises(
        CheckpointError, match=r"'a' is not the one that 'runs/x' was.*unit_ids differ \(12 then, 3 now\)"
    ):
        check_same_data(card, fewer_units, "'runs/x'")
    other_split = Prepared(counts, split_trials(20, recipe.split.model_copy(update={"seed": 1})))
    with pytest.raises(CheckpointError, match="train_trials differ"):
        check_same_data(card, other_split, "'runs/x'")


@pytest.mark.parametrize("leftover", [False, True])
def test_replacing_a_folder_leaves_the_new_one_alone(tmp_path, leftover):
    for name in ("best", "best.new", *(["best.old"] if leftover else [])):
        (tmp_path / name).mkdir()
        (tmp_path / name / "what").write_text(name)
    replace_folder(tmp_path / "best.new", tmp_path / "best")
    assert [p.name for p in tmp_path.iterdir()] == ["best"]
    assert (tmp_path / "best" / "what").read_text() == "best.new"


def test_saving_changes_no_model(factories, tmp_path):
    checkpoint: Checkpoint = factories.make_checkpoint()
    before = {name: value.clone() for name, value in checkpoint.model.state_dict().items()}
    save_checkpoint(tmp_path / "saved", checkpoint)
    assert all(torch.equal(before[name], value) for name, value in checkpoint.model.state_dict().items())


def test_nothing_reads_or_writes_pickles():
    banned = re.compile(
        r"\bpickle\b|torch\.(load|save)\(|joblib\.(load|dump)|joblib import [^\n]*\b(load|dump)\b"
        r"|read_pickle|to_pickle|allow_pickle\s*=\s*True|\bdill\b|\bshelve\b"
    )
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        code = re.sub(r'"""(?:.|\n)*?"""|#.*', "", path.read_text())
        found += [f"{path.name}: {match.group()}" for match in banned.finditer(code)]
    assert found == []
    assert banned.search("x = torch.load(path)")
