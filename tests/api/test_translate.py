"""Translate and the region matrix in Python, on sessions in memory."""

import numpy as np
import pandas as pd
import pytest
import torch

import spikeglot as sg
from spikeglot.batch import to_tensors
from spikeglot.data.prepare import prepare_session
from spikeglot.errors import CheckpointError, DataError, SettingsError
from spikeglot.evaluation.exact import predict_questions
from spikeglot.masking.translation import translation

torch.set_num_threads(1)
REGIONS = ("VISp",) * 7 + ("CA1",) * 6 + ("TH",) * 5
N_TRIALS = 60


def make_session(factories, session_id="day1", regions=REGIONS, seed=0):
    counts = factories.shared_counts(N_TRIALS, len(REGIONS), seed=seed, rate=1.0)
    trials = pd.DataFrame({"choice": np.where(np.arange(N_TRIALS) % 3, 1.0, -1.0)})
    return sg.from_counts(counts, 0.02, session_id=session_id, subject_id="m", regions=regions, trials=trials)


@pytest.fixture(scope="module")
def sessions(factories):
    return [make_session(factories), make_session(factories, "day2", seed=1)]


@pytest.fixture(scope="module")
def run(factories, sessions, tmp_path_factory):
    recipe = factories.small_recipe(
        window={"align": "start_s"}, model={"start": "factors"}, train={"steps": 0}, split={"train": 0.6}
    )
    folder = tmp_path_factory.mktemp("run") / "run"
    sg.pretrain(sessions, out=folder, recipe=recipe)
    return sg.load_run(folder)


@pytest.fixture(scope="module")
def translated(run, sessions):
    return sg.translate(run, sessions[0], source="VISp", target=["CA1", "TH"])


def test_shapes_and_names(run, sessions, translated):
    prepared = prepare_session(sessions[0], run.recipe)
    assert translated.log_rate.shape == translated.rates_hz.shape == (len(prepared.split.test), 10, 11)
    assert translated.counts.regions.tolist() == ["CA1"] * 6 + ["TH"] * 5
    assert translated.source["region"].tolist() == ["VISp"] * 7
    np.testing.assert_array_equal(translated.counts.counts, prepared.counts.counts[prepared.split.test][:, :, 7:])
    np.testing.assert_allclose(translated.rates_hz * 0.02, np.exp(translated.log_rate))
    np.testing.assert_allclose(translated.bin_start_s, 0.02 * np.arange(10))
    assert repr(translated) == "Translation('day1': 7 units -> 11 units, 18 test trials x 10 bins)"


def test_it_is_the_prediction_of_its_mask(run, sessions, translated):
    prepared = prepare_session(sessions[0], run.recipe)
    source = torch.tensor([name == "VISp" for name in prepared.counts.regions])
    mine = predict_questions(run.model, to_tensors(prepared.counts), prepared.split.test, translation(source, ~source))
    np.testing.assert_array_equal(translated.log_rate, mine[:, :, 7:])


def test_scores_of_the_model_and_of_what_is_known_without_it(translated):
    scores = translated.scores
    assert list(dict.fromkeys(scores["model"])) == ["mtm", "mtm-blind", "ridge", "drift"]
    assert set(scores["task"]) == {"translate"}
    value = scores.query("metric == 'bits_per_spike' and null == 'test' and aggregation == 'pooled'")
    value = value.set_index("model")["value"]
    assert value["mtm"] > value["drift"] + 0.1, "the regions share latents"
    assert value["mtm"] > value["mtm-blind"] + 0.1
    assert value["ridge"] > value["drift"]
    units = scores.query("model == 'mtm' and metric == 'bits_per_spike' and null == 'test' and aggregation == 'unit'")
    assert units["region"].tolist() == ["CA1"] * 6 + ["TH"] * 5


def test_simulated_sessions_have_an_oracle(factories, tmp_path):
    from spikeglot.data.simulate import SimulationSettings

    small = SimulationSettings(n_subjects=1, n_trials=40, regions=("VISp", "CA1"), min_units=6, max_units=8)
    session = sg.simulate_sessions(small)[0]
    recipe = factories.small_recipe(window={"align": "stim_on_time"}, train={"steps": 0}, split={"train": 0.6})
    run = sg.pretrain([session], out=tmp_path / "run", recipe=recipe)
    assert "oracle" in set(sg.translate(run, session, source="VISp", target="CA1").scores["model"])
    assert "oracle" in set(sg.region_matrix(run, session)["model"])


@pytest.mark.parametrize("trials", ["val", "train", "all"])
def test_other_trials(run, sessions, trials):
    prepared = prepare_session(sessions[0], run.recipe)
    found = sg.translate(run, sessions[0], source="VISp", target="TH", trials=trials)
    wanted = np.arange(N_TRIALS) if trials == "all" else getattr(prepared.split, trials)
    assert found.counts.trials["trial_id"].tolist() == wanted.tolist()
    assert found.log_rate.shape[0] == len(wanted)


def test_one_unit_from_one_unit(run, sessions):
    found = sg.translate(run, sessions[0], source=["0"], target="17")
    assert found.log_rate.shape[2] == 1
    assert np.isfinite(found.log_rate).all()
    assert found.scores.query("model == 'drift' and aggregation == 'pooled'")["value"].notna().all()


def test_the_file_of_a_translation(translated, tmp_path):
    path = sg.write_translation(translated, tmp_path / "deep" / "rates.npz")
    with np.load(path) as file:
        np.testing.assert_array_equal(file["rates_hz"], translated.rates_hz)
        np.testing.assert_array_equal(file["counts"], translated.counts.counts)
        assert file["unit_id"].tolist() == list(translated.counts.unit_ids)
        assert file["region"].tolist() == ["CA1"] * 6 + ["TH"] * 5
        assert file["source_region"].tolist() == ["VISp"] * 7
        assert file["trial_id"].tolist() == translated.counts.trials["trial_id"].tolist()
        assert (str(file["session_id"]), str(file["trials"]), float(file["bin_size_s"])) == ("day1", "test", 0.02)
    assert [one.name for one in path.parent.iterdir()] == ["rates.npz"], "no part of a file is left"


def test_the_figure_of_a_translation(translated, tmp_path):
    path = sg.draw_translation(translated, tmp_path / "a.png", by="choice", sort="similarity")
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("changes", "kind", "said"),
    [
        ({"source": "VISpp"}, DataError, "no region or unit 'VISpp' to be the source. Did you mean 'VISp'"),
        ({"target": ["CA1", "VISp"]}, DataError, "share 7 units .first: '0', region 'VISp'"),
        ({"target": "3"}, DataError, "share 1 units"),
        ({"source": []}, DataError, "No source given"),
        ({"trials": "tets"}, SettingsError, "Did you mean 'test'"),
        ({"prompt": "inter"}, SettingsError, "There is no prompt 'inter'"),
    ],
)
def test_bad_input(run, sessions, changes, kind, said):
    with pytest.raises(kind, match=said):
        sg.translate(run, sessions[0], **{"source": "VISp", "target": "CA1", **changes})


def test_sessions_that_the_run_does_not_know(factories, run):
    stranger = make_session(factories, "day7")
    with pytest.raises(CheckpointError, match="no stitcher for session 'day7'"):
        sg.translate(run, stranger, source="VISp", target="CA1")
    with pytest.raises(CheckpointError, match="no stitcher for session 'day7'"):
        sg.region_matrix(run, stranger)


def test_no_region_at_all(factories, tmp_path):
    session = make_session(factories, regions=None)
    recipe = factories.small_recipe(window={"align": "start_s"}, train={"steps": 0}, mask={"schemes": ["neuron"]})
    run = sg.pretrain([session], out=tmp_path / "run", recipe=recipe)
    with pytest.raises(DataError, match="No unit has a region in day1"):
        sg.region_matrix(run, session)
    with pytest.raises(DataError, match="Its units have no regions"):
        sg.translate(run, session, source="VISp", target="CA1")


@pytest.fixture(scope="module")
def matrix(run, sessions):
    return sg.region_matrix(run, sessions)


def test_the_matrix_of_several_sessions(matrix):
    assert list(dict.fromkeys(matrix["model"])) == ["mtm", "ridge", "mtm-blind", "drift"]
    assert set(matrix["session_id"]) == {"day1", "day2", ""}
    assert not matrix.duplicated(["model", "source", "target", "null", "aggregation", "session_id"]).any()
    assert len(matrix) == 3 * 4 * 9 * 4
    value = matrix.query("session_id == '' and null == 'test' and aggregation == 'pooled'").pivot(
        index=["source", "target"], columns="model", values="value"
    )
    assert (value["mtm"] > value["mtm-blind"] + 0.05).all(), "all regions share latents"


def test_a_cell_is_the_score_of_its_translation(run, sessions, matrix):
    scores = sg.translate(run, sessions[0], source="VISp", target="CA1").scores
    key = "metric == 'bits_per_spike' and null == 'train' and aggregation == 'mean'"
    cells = matrix.query(f"session_id == 'day1' and source == 'VISp' and target == 'CA1' and {key}").set_index("model")
    mine = scores.query(key).set_index("model")["value"]
    for model in ("mtm", "mtm-blind", "drift"):
        assert cells.loc[model, "value"] == pytest.approx(mine[model], abs=1e-6)


def test_the_figure_of_a_matrix(matrix, tmp_path):
    assert sg.plot_region_matrix(matrix, tmp_path / "m.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_a_real_session(lederberg, tmp_path):
    session = sg.load_sessions(lederberg)[0]
    window = {"align": "stim_on_time", "stop_s": 0.4}
    quality = {"units": "region in ['MRN', 'SCm', 'MS', 'ZI']"}
    recipe = sg.load_recipe("mtm-ndt1", window=window, quality=quality, train={"steps": 0, "device": "cpu"})
    run = sg.pretrain([session], out=tmp_path / "run", recipe=recipe)
    value = (
        sg.region_matrix(run, session)
        .query("null == 'test' and aggregation == 'mean'")
        .pivot(index=["source", "target"], columns="model", values="value")
    )
    gain = value["mtm"] - value[["mtm-blind", "drift"]].max(axis=1)
    assert gain["MRN", "SCm"] > 0.1, "neighbours in the midbrain predict each other"
    assert gain["ZI", "MS"] < gain["MRN", "SCm"] / 2
    assert value.loc[("MRN", "SCm"), "mtm"] > value.loc[("MRN", "SCm"), "ridge"]
