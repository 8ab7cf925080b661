"""Adapting to sessions that a model has not seen: a new model, on record where it comes from, nothing else touched."""

import os
import signal

import numpy as np
import pandas as pd
import pytest
import torch

import spikeglot as sg
from spikeglot.checkpoint import load_checkpoint, weights_digest
from spikeglot.data.prepare import prepare_session
from spikeglot.errors import CheckpointError, DataError, SettingsError
from spikeglot.events import StepDone

torch.set_num_threads(1)
REGIONS = ("VISp",) * 7 + ("CA1",) * 6 + ("TH",) * 5
N_TRIALS = 60
SHORT = {"steps": 6, "validate_every": 3}


def make_session(factories, session_id, seed, regions=REGIONS):
    counts = factories.shared_counts(N_TRIALS, len(regions), seed=seed, rate=1.0)
    trials = pd.DataFrame({"choice": np.where(np.arange(N_TRIALS) % 3, 1.0, -1.0)})
    return sg.from_counts(counts, 0.02, session_id=session_id, subject_id="m", regions=regions, trials=trials)


@pytest.fixture(scope="module")
def known(factories):
    return [make_session(factories, name, seed) for seed, name in enumerate(("a", "b"))]


@pytest.fixture(scope="module")
def new(factories):
    return make_session(factories, "new", 7)


@pytest.fixture(scope="module", params=["rates", "factors"])
def run(factories, known, tmp_path_factory, request):
    recipe = factories.small_recipe(
        window={"align": "start_s"}, model={"start": request.param}, train={"steps": 4}, split={"train": 0.6}
    )
    folder = tmp_path_factory.mktemp("run") / "run"
    sg.pretrain(known, out=folder, recipe=recipe)
    return folder


def shared_of(checkpoint):
    return {name: v for name, v in checkpoint.model.state_dict().items() if not name.startswith("stitchers.")}


def predictions(checkpoint, session):
    scores = sg.evaluate(checkpoint, [session], baselines=[])
    return scores.query("aggregation == 'unit' and metric == 'bits_per_spike'")["value"].to_numpy()


@pytest.mark.parametrize("method", ["closed-form", "stitchers", "gradual", "everything"])
def test_every_method_gives_a_new_model_and_leaves_the_given_one(run, new, method, tmp_path):
    before = sg.load_run(run)
    if method == "closed-form" and before.recipe.model.start == "rates":
        with pytest.raises(SettingsError, match="needs a model that starts from factors"):
            sg.finetune(before, new, out=tmp_path / "new", method=method)
        return
    digest = weights_digest(before.model)
    steps = []
    sg.finetune(
        before,
        new,
        out=tmp_path / "new",
        method=method,
        **SHORT,
        listen=lambda e: steps.append(isinstance(e, StepDone)),
    )
    adapted = load_checkpoint(tmp_path / "new" / "last")
    assert list(adapted.sessions) == ["new"]
    assert weights_digest(before.model) == digest
    assert sum(steps) == (0 if method == "closed-form" else 6)
    given, now = shared_of(before), shared_of(adapted)
    stays = all(torch.equal(given[name], now[name]) for name in given)
    assert stays == (method in ("closed-form", "stitchers"))


def test_it_is_on_record_where_a_model_comes_from(run, new, tmp_path):
    sg.finetune(run, new, out=tmp_path / "new", trials=10, seed=3, **SHORT)
    adapted = sg.load_run(tmp_path / "new")
    by_default = {"factors": "closed-form", "rates": "gradual"}[adapted.recipe.model.start]
    assert adapted.adapted.folder == str(run)
    assert adapted.adapted.weights_sha256 == weights_digest(sg.load_run(run).model)
    assert adapted.adapted.session_ids == ("new",)
    assert (adapted.adapted.settings.method, adapted.adapted.settings.seed) == (by_default, 3)
    assert adapted.recipe.seed == 3
    card = adapted.sessions["new"]
    assert len(card.train_trials) == 10
    assert len(card.val_trials) == round(10 * 6 / 36)


def test_few_trials_are_some_of_all_and_the_test_trials_stay(factories, new):
    def split(few):
        recipe = factories.small_recipe(window={"align": "start_s"}, split={"train_trials": few})
        return prepare_session(new, recipe).split

    whole = split(None)
    for more, fewer in ((20, 10), (10, 5)):
        some, less = split(more), split(fewer)
        assert set(less.train) < set(some.train) <= set(whole.train)
        assert set(some.val) <= set(whole.val)
        np.testing.assert_array_equal(some.test, whole.test)


def test_only_the_few_trials_are_looked_at(factories, run, new, tmp_path):
    """Other training trials may hold anything: the adapted model is the same to the bit."""
    first = sg.finetune(run, new, out=tmp_path / "first", trials=10, **SHORT)
    card = first.sessions["new"]
    counts = factories.shared_counts(N_TRIALS, len(REGIONS), seed=7, rate=1.0)
    used = [*card.train_trials, *card.val_trials]
    other = np.setdiff1d(np.arange(N_TRIALS), used)
    counts[other] = np.random.default_rng(0).permutation(counts[other].ravel()).reshape(counts[other].shape)
    trials = pd.DataFrame({"choice": np.where(np.arange(N_TRIALS) % 3, 1.0, -1.0)})
    changed = sg.from_counts(counts, 0.02, session_id="new", subject_id="m", regions=REGIONS, trials=trials)
    second = sg.finetune(run, changed, out=tmp_path / "second", trials=10, **SHORT)
    for name, value in first.model.state_dict().items():
        assert torch.equal(value, second.model.state_dict()[name]), name


def test_sessions_that_are_kept_are_predicted_bit_for_bit_as_before(run, known, new, tmp_path):
    before = predictions(sg.load_run(run), known[0])
    sg.finetune(run, new, out=tmp_path / "new", method="stitchers", keep_sessions=True, **SHORT)
    both = load_checkpoint(tmp_path / "new" / "last")
    assert list(both.sessions) == ["a", "b", "new"]
    np.testing.assert_array_equal(predictions(both, known[0]), before)
    assert np.isfinite(predictions(both, new)).all()


def test_a_resumed_adaptation_equals_an_uninterrupted_one(run, new, tmp_path):
    whole = sg.finetune(run, new, out=tmp_path / "whole", method="gradual", **SHORT)

    def stop_at_4(event):
        if isinstance(event, StepDone) and event.step == 4:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        sg.finetune(run, new, out=tmp_path / "cut", method="gradual", **SHORT, listen=stop_at_4)
    with pytest.raises(CheckpointError, match="another settings"):
        sg.finetune(run, new, out=tmp_path / "cut", method="gradual", unfreeze_at=0.9, **SHORT, resume=True)
    sg.finetune(run, new, out=tmp_path / "cut", method="gradual", **SHORT, resume=True)
    last = load_checkpoint(tmp_path / "cut" / "last").model.state_dict()
    for name, value in load_checkpoint(tmp_path / "whole" / "last").model.state_dict().items():
        assert torch.equal(value, last[name]), name
    assert whole.adapted is not None


def test_read_ins_start_from_the_units_of_their_region(run, known, new, tmp_path):
    given = sg.load_run(run)
    adapted = sg.finetune(run, new, out=tmp_path / "new", method="stitchers", steps=0)
    regions = np.array(REGIONS)
    columns = [given.model.stitcher(s.session_id).read_in.weight[:, regions == "CA1"] for s in known]
    expected = torch.cat(columns, dim=1).mean(1)
    found = adapted.model.stitcher("new").read_in.weight[:, regions == "CA1"]
    torch.testing.assert_close(found, expected[:, None].expand_as(found))


def test_the_prior_of_other_animals_helps_where_trials_are_few(factories, tmp_path):
    """Sessions whose units share one strong latent: with it known what weights are like, ten trials tell more."""
    regions = ("VISp",) * 20
    recipe = factories.small_recipe(
        window={"align": "start_s"}, model={"start": "factors"}, train={"steps": 0}, mask={"schemes": ["neuron"]}
    )
    animals = [make_session(factories, f"s{i}", 20 + i, regions) for i in range(4)]
    sg.pretrain(animals, out=tmp_path / "run", recipe=recipe)
    gains = []
    for i in range(3):
        unseen = make_session(factories, f"new{i}", 40 + i, regions)
        score = {}
        for prior in (True, False):
            adapted = sg.finetune(
                tmp_path / "run", unseen, out=tmp_path / f"{i}{prior}", method="closed-form", trials=8, unit_prior=prior
            )
            score[prior] = np.nanmean(
                sg.evaluate(adapted, [unseen], tasks=["co-smoothing"], baselines=[]).query(
                    "aggregation == 'pooled' and metric == 'bits_per_spike' and null == 'train'"
                )["value"]
            )
        gains.append(score[True] - score[False])
    assert np.mean(gains) > 0


def test_what_cannot_be_done_is_said(run, known, new, tmp_path):
    with pytest.raises(CheckpointError, match="has been trained on a"):
        sg.finetune(run, known[0], out=tmp_path / "a")
    with pytest.raises(DataError, match="36 training trials, fewer than the 50"):
        sg.finetune(run, new, out=tmp_path / "b", trials=50)
    with pytest.raises(SettingsError, match="Did you mean 'trials'"):
        sg.finetune(run, new, out=tmp_path / "c", trails=5)
    with pytest.raises(SettingsError, match="the backbone changes"):
        sg.finetune(run, new, out=tmp_path / "d", method="gradual", keep_sessions=True)
    with pytest.raises(SettingsError, match="Leave trials out"):
        sg.finetune(run, new, out=tmp_path / "e", method="stitchers", keep_sessions=True, trials=5)
    with pytest.raises(CheckpointError, match="holds no run"):
        sg.finetune(tmp_path, new, out=tmp_path / "f")
    assert not list(tmp_path.glob("[a-f]/*"))
