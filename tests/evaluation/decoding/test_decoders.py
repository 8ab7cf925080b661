"""Linear decoders: the same as scikit-learn without the rotation, chance, too few trials for folds."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold

from spikeglot.evaluation.decoding.decoders import ALPHA_GRID, C_GRID, chance, fit_and_predict
from spikeglot.evaluation.decoding.few_shot import draw_few, most_per_class
from spikeglot.evaluation.decoding.targets import Target

FIT, ASKED = np.arange(60), np.arange(60, 100)


@pytest.fixture(scope="module")
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="module")
def features(rng):
    return rng.normal(size=(100, 4, 40))


def test_classes_as_scikit_learn_has_them(features, rng):
    flat = features.reshape(100, -1)
    labels = np.where(flat[:, :20].sum(1) + rng.normal(size=100) > 0, "left", "right").astype(object)
    said = fit_and_predict(features, labels[FIT], FIT, ASKED, n_folds=4, seed=3)
    folds = StratifiedKFold(4, shuffle=True, random_state=3)
    truth = GridSearchCV(LogisticRegression(max_iter=5000), {"C": C_GRID[:7]}, cv=folds, scoring="neg_log_loss")
    truth.fit(flat[FIT], labels[FIT].astype(str))
    assert truth.best_params_["C"] < C_GRID[6]
    assert np.mean(said == truth.predict(flat[ASKED])) >= 0.975


def test_traces_as_scikit_learn_has_them(features, rng):
    weight = rng.normal(size=(160, 8)) / 4
    traces = (features.reshape(100, -1) @ weight + rng.normal(size=(100, 8))).reshape(100, 4, 2)
    said = fit_and_predict(features, traces[FIT], FIT, ASKED, n_folds=4, seed=3)
    folds = KFold(4, shuffle=True, random_state=3)
    truth = GridSearchCV(Ridge(), {"alpha": ALPHA_GRID[1:]}, cv=folds, scoring="neg_mean_squared_error")
    truth.fit(features.reshape(100, -1)[FIT], traces[FIT].reshape(60, -1))
    assert said.shape == (40, 4, 2)
    np.testing.assert_allclose(said.reshape(40, -1), truth.predict(features.reshape(100, -1)[ASKED]), atol=1e-6)


def test_one_trial_per_class_is_enough():
    features = np.repeat([0.0, 5.0], 2)[:, None] * np.ones(3)
    said = fit_and_predict(features, np.array(["a", "b"], object), np.array([0, 2]), np.arange(4), n_folds=4, seed=0)
    assert said.tolist() == ["a", "a", "b", "b"]
    traces = features[[0]][:, :, None]
    assert fit_and_predict(features, traces, np.array([0]), np.arange(2), n_folds=4, seed=0).shape == (2, 3, 1)


def test_chance_is_the_majority_or_the_trial_average():
    assert chance(np.array(["a", "b", "b"], object), 2).tolist() == ["b", "b"]
    traces = np.arange(12.0).reshape(3, 2, 2)
    np.testing.assert_allclose(chance(traces, 5), np.broadcast_to(traces.mean(0), (5, 2, 2)))


def test_few_trials_are_drawn_of_every_class():
    labels = np.array(list("aaaabbbbbcc"), object)
    target = Target(labels, np.full(11, "", object))
    fit = np.arange(11)
    assert most_per_class(target, fit) == 2
    few = draw_few(target, fit, 2, np.random.default_rng(0))
    assert sorted(labels[few]) == list("aabbcc")
    assert len(set(few)) == 6
    traces = Target(np.zeros((11, 3, 1)), target.left_out)
    assert most_per_class(traces, fit) == 11
    assert len(set(draw_few(traces, fit, 7, np.random.default_rng(0)))) == 7
