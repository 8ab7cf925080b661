"""`spikeglot.decode` on simulated animals, whose motion energy and choice are in their spikes."""

from dataclasses import replace

import numpy as np
import pytest

import spikeglot as sg
from spikeglot.data.session import Trace
from spikeglot.data.simulate import SimulationSettings
from spikeglot.errors import CheckpointError, DataError, SettingsError

QUICK = {"decoders": ("linear",), "prompts": ("neuron",), "folds": 2, "shuffles": 0, "device": "cpu"}
N_TRIALS = 90


@pytest.fixture(scope="module")
def sessions():
    return sg.simulate_sessions(
        SimulationSettings(
            n_subjects=2,
            n_trials=N_TRIALS,
            regions=("VISp", "MOs"),
            min_units=12,
            max_units=14,
            median_rate_hz=15,
            latent_sd=1.0,
        )
    )


@pytest.fixture(scope="module")
def run(factories, sessions, tmp_path_factory):
    recipe = factories.small_recipe(
        window={"align": "response_time", "start_s": -0.2, "stop_s": 0.2},
        quality={"min_rate_hz": 0.5, "min_units_per_region": 1},
        model={"start": "factors"},
        train={"steps": 0},
    )
    return sg.pretrain(sessions, out=tmp_path_factory.mktemp("run") / "run", recipe=recipe)


def changed(session, **columns):
    return replace(session, trials=session.trials.assign(**columns))


def score(table, features, labels="true", metric=None, null=""):
    rows = table.query("aggregation == 'mean' and features == @features and labels == @labels and null == @null")
    return rows.loc[rows["metric"] == (metric or rows["metric"].iloc[0]), "value"].iloc[0]


@pytest.fixture(scope="module")
def choice(run, sessions):
    settings = {"k": (3,), "draws": 1, "head": {"steps": 4}, "prompts": ("neuron", "causal"), "folds": 2}
    return sg.decode(run, sessions, device="cpu", **settings)


def test_every_decoder_stands_next_to_counts_and_chance(choice):
    mean = choice.query("aggregation == 'mean' and metric == 'accuracy' and null == ''")
    kinds = set(zip(mean["decoder"], mean["features"], mean["prompt"], mean["labels"], strict=True))
    expected = {("chance", "", "", "true")}
    for labels in ("true", "shuffled"):
        for decoder in ("linear", "few-shot-3"):
            for features in ("log-rates", "hidden-states"):
                expected |= {(decoder, features, prompt, labels) for prompt in ("neuron", "causal")}
            expected.add((decoder, "counts", "", labels))
        expected |= {("fine-tuned", "hidden-states", prompt, labels) for prompt in ("neuron", "causal")}
        expected.add(("fine-tuned", "counts", "", labels))
    assert kinds == expected
    assert set(choice["session_id"]) == {"", "sim-1_ses-1", "sim-2_ses-1"}
    assert {"ci_low", "ci_high", "session", "mean"} == set(choice["aggregation"])


def test_choice_is_decoded_and_a_shuffle_destroys_it(choice):
    linear = choice.query("decoder in ('linear', 'chance') and prompt in ('neuron', '')")
    assert score(linear, "log-rates", metric="balanced_accuracy") > 0.7
    assert score(linear, "hidden-states", metric="balanced_accuracy") > 0.7
    assert score(linear, "log-rates", "shuffled", metric="balanced_accuracy") < 0.68
    assert score(linear, "", metric="balanced_accuracy") == 0.5


def test_the_numbers_of_trials(choice, run):
    for card in run.sessions.values():
        rows = choice.query("session_id == @card.session_id")
        assert set(rows["n_fit"]) == {len(card.train_trials) + len(card.val_trials)}
        assert set(rows["n_test"]) == {len(card.test_trials)}


def test_a_trace_is_decoded(run, sessions):
    table = sg.decode(
        run,
        sessions,
        target="motion_energy",
        **QUICK | {"decoders": ("linear", "few-shot"), "k": (8,), "draws": 2, "shuffles": 1},
    )
    assert set(table["metric"]) == {"r2"}
    assert score(table, "log-rates") > score(table, "")
    assert score(table, "log-rates") > 0.3
    assert score(table, "log-rates", "shuffled") < score(table, "log-rates")
    assert (table["decoder"] == "few-shot-8").any()


def test_the_same_seed_gives_the_same_table(run, sessions):
    first, second = (sg.decode(run, sessions[:1], **QUICK | {"shuffles": 1}) for _ in range(2))
    assert first.equals(second)


def test_test_trials_do_not_reach_the_decoder(run, sessions):
    """Test labels that are all wrong change scores, but not what a decoder says."""
    session = sessions[0]
    test = list(run.sessions[session.session_id].test_trials)
    flipped = session.trials["choice"].copy()
    flipped.iloc[test] *= -1
    before = sg.decode(run, [session], **QUICK).query("metric == 'accuracy' and null == ''")
    after = sg.decode(run, [changed(session, choice=flipped)], **QUICK)
    after = after.query("metric == 'accuracy' and null == ''")
    np.testing.assert_allclose(before["value"].to_numpy() + after["value"].to_numpy(), 1)


def test_the_run_stays_as_it_was(run, sessions, choice):
    before = {name: value.clone() for name, value in run.model.state_dict().items()}
    sg.decode(
        run, sessions[:1], decoders=("fine-tuned",), prompts=("neuron",), head={"steps": 3}, shuffles=0, device="cpu"
    )
    assert all((value == before[name]).all() for name, value in run.model.state_dict().items())


def test_trials_that_are_left_out_are_recorded(run, sessions):
    table = sg.decode(run, sessions, trials="contrast_left > 0 or contrast_right > 0", **QUICK)
    left_out = table.query("metric == 'n_left_out'")
    n_blank = [(s.trials[["contrast_left", "contrast_right"]].sum(axis=1) == 0).sum() for s in sessions]
    assert left_out["value"].tolist() == n_blank
    assert left_out["reason"].str.contains("does not satisfy trials").all()
    scored = table.query("aggregation == 'session'").groupby("session_id")[["n_fit", "n_test"]].first().sum(axis=1)
    assert (scored.to_numpy() + n_blank == N_TRIALS).all()


def test_the_reaction_rule(run, sessions):
    late = sessions[0].trials.assign(stim_on_time=sessions[0].trials["stim_on_time"] - [3.0] + [0.0] * 1)
    late.loc[10:, "stim_on_time"] = sessions[0].trials.loc[10:, "stim_on_time"]
    table = sg.decode(run, [replace(sessions[0], trials=late)], reaction_rule=True, **QUICK)
    row = table.query("metric == 'n_left_out'")
    assert row["value"].item() >= 10
    assert row["reason"].item() == "reaction time outside 0.08-2 s"


def test_a_class_with_one_member(run, sessions):
    card = run.sessions[sessions[0].session_id]
    rare = sessions[0].trials["choice"].astype(object)
    rare.iloc[card.train_trials[0]] = "never again"
    table = sg.decode(run, [changed(sessions[0], choice=rare)], **QUICK)
    row = table.query("metric == 'n_left_out'")
    assert row["value"].item() == 1
    assert row["reason"].item() == "class 'never again' has 1 trials to fit on, fewer than 2"
    with pytest.raises(DataError, match="the train trials are of 1 class"):
        sg.decode(run, [changed(sessions[0], choice=1)], **QUICK)


def test_behaviour_that_is_nan_in_places(run, sessions):
    trace = sessions[0].behaviour["motion_energy"]
    values = trace.values.copy()
    response_s = sessions[0].trials["response_time"].iloc[4]
    values[(trace.times_s > response_s - 0.1) & (trace.times_s < response_s + 0.1)] = np.nan
    holed = replace(sessions[0], behaviour={"motion_energy": Trace(trace.times_s, values)})
    table = sg.decode(run, [holed], target="motion_energy", **QUICK)
    assert table.query("metric == 'n_left_out'")[["value", "reason"]].values.tolist() == [
        [1.0, "motion_energy is missing in a part of the window"]
    ]
    nothing = replace(sessions[0], behaviour={"motion_energy": Trace(trace.times_s, np.full(len(values), np.nan))})
    with pytest.raises(DataError, match="0 train and 0 test trials are left"):
        sg.decode(run, [nothing], target="motion_energy", **QUICK)
    table = sg.decode(run, [nothing, sessions[1]], target="motion_energy", **QUICK)
    assert set(table.query("metric == 'n_left_out'")["session_id"]) == {"sim-1_ses-1"}
    assert set(table.query("metric == 'r2' and session_id != ''")["session_id"]) == {"sim-2_ses-1"}


def test_k_larger_than_the_trials_there_are(run, sessions):
    few_shot = QUICK | {"decoders": ("few-shot",), "draws": 1}
    table = sg.decode(run, sessions[:1], k=(2, 1000), **few_shot)
    row = table.query("metric == 'n_left_out'")
    assert row["decoder"].item() == "few-shot-1000"
    assert "trials to fit on, fewer than k = 1000" in row["reason"].item()
    with pytest.raises(DataError, match="fewer than k = 1000"):
        sg.decode(run, sessions, k=(1000,), **few_shot)


def test_a_session_without_the_target_is_recorded(run, sessions):
    other = replace(sessions[0], trials=sessions[0].trials.drop(columns="choice"))
    table = sg.decode(run, [other, sessions[1]], **QUICK)
    row = table.query("metric == 'n_left_out'")
    assert row["session_id"].item() == "sim-1_ses-1"
    assert row["value"].item() == N_TRIALS
    assert "no column for 'choice'" in row["reason"].item()


def test_what_cannot_be_decoded_at_all(run, sessions):
    with pytest.raises(DataError, match="Did you mean 'motion_energy'"):
        sg.decode(run, sessions, target="motion_enrgy", **QUICK)
    stranger = replace(sessions[0], session_id="stranger")
    with pytest.raises(CheckpointError, match="no stitcher for session 'stranger'"):
        sg.decode(run, [stranger], **QUICK)
    with pytest.raises(SettingsError, match="not trained with a prompt 'temporal'"):
        sg.decode(run, sessions, prompts=("temporal",))
    with pytest.raises(SettingsError, match=r"there is no setting 'fold'\. Did you mean 'folds'"):
        sg.decode(run, sessions, fold=3)


@pytest.mark.slow
def test_choice_on_real_movement_trials_is_at_least_as_good_as_from_counts(shared_data, tmp_path):
    """Three sessions, a model in closed form."""
    folder = shared_data / "steinmetz2019"
    sessions = sg.load_sessions(*(folder / f"sub-Lederberg_ses-201712{day}_ecephys.nwb" for day in ("05", "08", "10")))
    recipe = sg.load_recipe(
        "mtm-ndt1", window={"align": "stim_on_time", "stop_s": 0.4}, train={"steps": 0, "device": "cpu"}
    )
    run = sg.pretrain(sessions, out=tmp_path / "run", recipe=recipe)
    table = sg.decode(run, sessions, trials="choice_source == 'movement'", **QUICK | {"folds": 4})
    gain = table.query("null == 'counts' and aggregation == 'mean' and metric == 'balanced_accuracy'")
    assert gain.set_index("features").loc["log-rates", "value"] >= 0
    assert score(table, "log-rates", metric="balanced_accuracy") > 0.8


@pytest.mark.slow
def test_click_evidence_of_a_real_rat(shared_data, tmp_path):
    sessions = sg.load_sessions(shared_data / "luo2025" / "T176_2018_06_14.h5")
    recipe = sg.load_recipe("mtm-ndt1", window={"align": "start", "stop_s": 0.4}, train={"steps": 0, "device": "cpu"})
    run = sg.pretrain(sessions, out=tmp_path / "run", recipe=recipe)
    table = sg.decode(run, sessions, target="accumulated:clicks.side", **QUICK)
    assert score(table, "log-rates") > 0.1 > score(table, "")
