from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import PoissonRegressor, Ridge

from spikeglot.data.counts import Counts
from spikeglot.evaluation.baselines import poisson_regression
from spikeglot.evaluation.baselines.choose import climb
from spikeglot.evaluation.baselines.features import smooth
from spikeglot.evaluation.baselines.gram import leave_out, penalise_own, penalised_inverse
from spikeglot.evaluation.baselines.hold_outs import hold_outs, where_scored
from spikeglot.evaluation.baselines.poisson_regression import Design, fit_poisson
from spikeglot.settings import TASKS, WindowSettings

PENALTY = 3.0


@pytest.fixture
def problem():
    """Features (sample, 2 x unit) and targets (sample, unit) of 6 units; ``own`` holds each unit's two."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 12))
    y = x[:, :6] + x @ rng.normal(size=(12, 6)) + rng.normal(size=(80, 6))
    own = np.arange(12).reshape(2, 6)
    inverse = penalised_inverse(x.T @ x, PENALTY)
    return x, y, own, inverse, inverse @ (x.T @ y)


def test_coefficients_without_own_features_are_those_of_a_refit(problem):
    x, y, own, inverse, coefficients = problem
    found = penalise_own(inverse, coefficients, own)
    for unit in range(6):
        others = np.setdiff1d(np.arange(12), own[:, unit])
        refit = Ridge(alpha=PENALTY, fit_intercept=False, solver="cholesky").fit(x[:, others], y[:, unit])
        np.testing.assert_allclose(found[others, unit], refit.coef_, atol=1e-8)
        assert (found[own[:, unit], unit] == 0).all()


def test_coefficients_without_a_region_are_those_of_a_refit(problem):
    x, y, own, inverse, coefficients = problem
    region = [1, 2, 4]
    found = leave_out(inverse, coefficients[:, region], own[:, region].ravel())
    others = np.setdiff1d(np.arange(12), own[:, region])
    refit = Ridge(alpha=PENALTY, fit_intercept=False, solver="cholesky").fit(x[:, others], y[:, region])
    np.testing.assert_allclose(found[others], refit.coef_.T, atol=1e-8)
    assert (found[own[:, region].ravel()] == 0).all()


def test_a_lighter_penalty_on_own_features_is_that_of_larger_features(problem):
    x, y, own, inverse, coefficients = problem
    found = penalise_own(inverse, coefficients, own, extra=(1 / 9 - 1) * PENALTY)
    for unit in range(6):
        size = np.ones(12)
        size[own[:, unit]] = 3
        refit = Ridge(alpha=PENALTY, fit_intercept=False, solver="cholesky").fit(x * size, y[:, unit])
        np.testing.assert_allclose(found[:, unit], refit.coef_ * size, atol=1e-8)


def test_an_inverse_that_does_not_exist_is_refused():
    with pytest.raises(np.linalg.LinAlgError, match="positive definite"):
        penalised_inverse(-np.eye(3), 0.5)


@pytest.fixture
def design():
    """Five shared predictors and two of each unit alone, for four units."""
    rng = np.random.default_rng(1)
    shared = rng.normal(size=(300, 5)).astype(np.float32)
    private = tuple(rng.normal(size=(300, 4)).astype(np.float32) for _ in range(2))
    loading = tuple(rng.normal(size=(5, 4)).astype(np.float32) for _ in range(2))
    return Design(shared, private, loading)


def explicit(design: Design, unit: int) -> np.ndarray:
    """The predictors (sample, predictor) of one unit, written out."""
    parts = zip(design.private, design.loading, strict=True)
    return design.shared + sum(np.outer(own[:, unit], loading[:, unit]) for own, loading in parts)


def test_poisson_regression_is_that_of_scikit_learn(design, monkeypatch):
    monkeypatch.setattr(poisson_regression, "TOLERANCE", 0.0)
    rng = np.random.default_rng(2)
    true = rng.normal(0, 0.2, (5, 4))
    log_rate = np.stack([explicit(design, u) @ true[:, u] - 0.5 for u in range(4)], axis=1)
    counts = rng.poisson(np.exp(log_rate))
    fit = fit_poisson(design, counts, penalty=6.0)
    for unit in range(4):
        sk = PoissonRegressor(alpha=6.0 / 300, tol=1e-8, max_iter=1000).fit(explicit(design, unit), counts[:, unit])
        np.testing.assert_allclose(fit.coefficients[:, unit], sk.coef_, atol=2e-3)
        assert fit.intercept[unit] == pytest.approx(sk.intercept_, abs=2e-3)
        expected = np.log(sk.predict(explicit(design, unit)))
        np.testing.assert_allclose(fit.predict(design)[:, unit], expected, atol=1e-2)


def test_poisson_regression_stops_near_the_optimum(design):
    rng = np.random.default_rng(3)
    counts = rng.poisson(np.exp(design.predict(rng.normal(0, 0.2, (5, 4)))))
    fit = fit_poisson(design, counts, penalty=1.0)
    rate = np.exp(fit.predict(design))
    slope = design.gradient(counts - rate) - fit.coefficients
    assert (np.abs(slope) < 0.02 * counts.sum(0)).all()
    np.testing.assert_allclose(rate.sum(0), counts.sum(0), rtol=1e-3)


def test_gradient_is_the_transpose_of_predict(design):
    rng = np.random.default_rng(4)
    c, r = rng.normal(size=(5, 4)), rng.normal(size=(300, 4))
    assert (design.predict(c) * r).sum() == pytest.approx((design.gradient(r) * c).sum(), rel=1e-4)


def test_predictions_stay_in_the_range_of_training(design):
    counts = np.random.default_rng(5).poisson(np.exp(0.5 * design.shared[:, :1]), (300, 4))
    fit = fit_poisson(design, counts, penalty=1.0)
    far = Design(100 * design.shared, design.private, design.loading)
    assert (fit.predict(far) <= fit.predict(design).max(0) + 1e-5).all()


def test_a_silent_unit_is_fitted_with_half_a_spike(design):
    fit = fit_poisson(design, np.zeros((300, 4)), penalty=1.0)
    assert np.isfinite(fit.predict(design)).all()
    np.testing.assert_allclose(np.exp(fit.predict(design)).sum(0), 0.5, rtol=1e-2)


def test_smoothing_keeps_a_constant_and_spreads_a_spike():
    np.testing.assert_allclose(smooth(np.full((2, 9, 3), 4.0), 1.5), 4.0)
    spike = np.zeros((1, 21, 1))
    spike[0, 10] = 1
    smoothed = smooth(spike, 2.0)[0, :, 0]
    assert smoothed[10] == smoothed.max()
    assert smoothed[12] / smoothed[10] == pytest.approx(np.exp(-0.5), rel=1e-4)


REGIONS = np.array(["B", "A", "", "B", "A", "C"], dtype=object)


def test_hold_outs_of_co_smoothing():
    (only,) = hold_outs("co-smoothing", REGIONS)
    assert only.hides_itself
    assert only.targets.tolist() == list(range(6))
    assert hold_outs("co-smoothing", REGIONS[:1]) == ()


def test_hold_outs_of_regions():
    inter = hold_outs("inter-region", REGIONS)
    assert [h.targets.tolist() for h in inter] == [[1, 4], [0, 3], [5]]
    assert all(len(h.pool) == 6 and not h.hides_itself for h in inter)
    intra = hold_outs("intra-region", REGIONS)
    assert [(h.pool.tolist(), h.targets.tolist()) for h in intra] == [([1, 4], [1, 4]), ([0, 3], [0, 3])]
    assert hold_outs("inter-region", np.array(["A", "A"], dtype=object)) == ()


@pytest.mark.parametrize("task", TASKS)
def test_baselines_predict_what_the_tasks_ask_for(task):
    import torch

    from spikeglot.masking.tasks import ask, questions

    units = pd.DataFrame({"region": REGIONS}, index=[f"u{i}" for i in range(6)])
    window = WindowSettings(start_s=0.0, stop_s=0.4)
    silence = np.zeros((2, 20, 6), dtype=np.uint8)
    counts = Counts("s1", "mouse", silence, units, pd.DataFrame(index=[0, 1]), window)
    asked = questions(task, torch.tensor([1, 0, -1, 1, 0, 2]), 20)
    expected = ask(asked, torch.arange(len(asked)), 20).target.any(0).numpy()
    found = np.isfinite(where_scored(task, silence, counts))
    np.testing.assert_array_equal(found, np.broadcast_to(expected, found.shape))


@pytest.mark.parametrize("best", range(5))
def test_climb_finds_the_best_on_each_axis(best, monkeypatch):
    monkeypatch.setattr(
        "spikeglot.evaluation.baselines.choose.validation_score", lambda predictor, counts, val: predictor
    )
    tried = []

    def fit(a: int, b: int) -> float:
        tried.append((a, b))
        return -abs(a - best) - abs(b - (4 - best))

    assert climb({"a": range(5), "b": range(5)}, fit, None, None) == 0
    assert len(tried) == len(set(tried)) <= 9
