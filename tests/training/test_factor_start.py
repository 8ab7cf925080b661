"""The closed-form start against other people's code and against simulated truth."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.stats import multivariate_normal
from sklearn.decomposition import FactorAnalysis
from sklearn.linear_model import PoissonRegressor

from spikeglot.batch import Group
from spikeglot.masking.mask import unmasked
from spikeglot.models.factors import Factors, cosines
from spikeglot.settings import FactorSettings
from spikeglot.training.factor_start import (
    Prior,
    factor_analysis,
    fit_drift,
    fit_factors,
    fit_psth,
    learn_prior,
    leave_one_out,
    poisson_regression,
)


def gaussian_samples(n=3000, n_units=12, k=3, seed=0):
    """Standardised samples of a known factor model."""
    rng = np.random.default_rng(seed)
    loading = rng.normal(size=(n_units, k)) * 0.8
    x = rng.normal(size=(n, k)) @ loading.T + rng.normal(size=(n, n_units)) * rng.uniform(0.4, 1.2, n_units)
    return torch.tensor((x - x.mean(0)) / x.std(0), dtype=torch.float32)


def log_likelihood(x, loading, private):
    """Mean log density of the samples (sample, unit) under the factor model."""
    covariance = np.asarray(loading) @ np.asarray(loading).T + np.diag(private)
    return multivariate_normal(np.zeros(len(covariance)), covariance).logpdf(np.asarray(x)).mean()


@pytest.mark.parametrize("k", [1, 2, 3])
def test_factor_analysis_is_as_likely_as_that_of_sklearn(k):
    x = gaussian_samples()
    loading, private = factor_analysis(x, k)
    theirs = FactorAnalysis(n_components=k, svd_method="lapack", tol=1e-3).fit(x.numpy())
    ours = log_likelihood(x.double(), loading.double(), private.double())
    best = log_likelihood(x.double(), theirs.components_.T.astype(float), theirs.noise_variance_.astype(float))
    assert ours == pytest.approx(best, abs=0.01)
    assert ours > log_likelihood(x.double(), np.zeros((12, 1)), np.ones(12)) + 0.3


def test_the_posterior_is_the_transform_of_sklearn():
    x = gaussian_samples()
    theirs = FactorAnalysis(n_components=3).fit(x.numpy())
    factors = Factors(12, 1, 3, (), 0)
    with torch.no_grad():
        factors.loading[0].copy_(torch.from_numpy(theirs.components_.T))
        factors.log_private[0].copy_(torch.from_numpy(theirs.noise_variance_).log())
    found = factors.posterior(0, x[:, None], torch.ones(len(x), 12))[0][:, 0].detach()
    np.testing.assert_allclose(found.numpy(), theirs.transform(x.numpy()), atol=1e-4)


def test_leaving_a_unit_out_is_hiding_it():
    x = gaussian_samples(n=50)
    factors = Factors(12, 1, 3, (), 0)
    with torch.no_grad():
        loading, private = factor_analysis(gaussian_samples(), 3)
        factors.loading[0].copy_(loading)
        factors.log_private[0].copy_(private.log())
        found, _ = leave_one_out(factors, 0, x, torch.tensor([0, 5, 11]))
        for row, unit in enumerate([0, 5, 11]):
            seen = torch.ones(50, 12)
            seen[:, unit] = 0
            expected = factors.posterior(0, x[:, None] * seen[:, None], seen)[0][:, 0]
            torch.testing.assert_close(found[row], expected, atol=1e-4, rtol=1e-4)


def plain(n_predictors, ridge):
    """A prior around zero, the same for every predictor."""
    return Prior(torch.zeros(n_predictors), ridge * torch.eye(n_predictors))


def regression_problem(seed=0, n=800, n_units=4, n_predictors=5):
    rng = np.random.default_rng(seed)
    design = rng.normal(size=(n_units, n, n_predictors))
    offset = rng.normal(size=(n_units, n)) * 0.5 - 1
    weight = rng.normal(size=(n_units, n_predictors)) * 0.4
    target = rng.poisson(np.exp(offset + (design @ weight[:, :, None])[..., 0]))
    return design, target.astype(float), offset


@pytest.mark.parametrize("ridge", [0.5, 30.0])
def test_poisson_regression_with_offsets_finds_the_optimum_of_scipy(ridge):
    design, target, offset = regression_problem()
    parts = (torch.tensor(a, dtype=torch.float32) for a in (design, target, offset))
    found, spread = poisson_regression(*parts, plain(5, ridge))
    for unit in range(len(design)):

        def loss(w, unit=unit):
            log_rate = offset[unit] + design[unit] @ w
            return (np.exp(log_rate) - target[unit] * log_rate).sum() + 0.5 * ridge * w @ w

        best = minimize(loss, np.zeros(5), method="BFGS").x
        np.testing.assert_allclose(found[unit].numpy(), best, atol=2e-3)
        rate = np.exp(offset[unit] + design[unit] @ best)
        curvature = design[unit].T @ (rate[:, None] * design[unit]) + ridge * np.eye(5)
        np.testing.assert_allclose(spread[unit].numpy(), np.linalg.inv(curvature), rtol=0.02, atol=1e-5)


def test_the_prior_is_learned_from_the_weights_of_many_units():
    """Known truth: weights drawn from a Gaussian, seen with known uncertainty, give its mean and covariance back."""
    rng = np.random.default_rng(0)
    mean, covariance = np.array([0.0, 0.5, -0.2]), np.diag([1.0, 0.2, 0.01])
    noise = 0.05 * np.eye(3)
    seen = rng.multivariate_normal(mean, covariance, 20_000)
    shrunk = torch.tensor(seen, dtype=torch.float32)
    prior = learn_prior(shrunk, 20_000 * torch.tensor(noise, dtype=torch.float32), ridge=1.0)
    np.testing.assert_allclose(prior.mean[1:].numpy(), mean[1:], atol=0.02)
    np.testing.assert_allclose(
        torch.linalg.inv(prior.precision)[1:, 1:].numpy(), (covariance + noise)[1:, 1:], atol=0.02
    )
    assert prior.mean[0] == 0
    assert prior.precision[0, 1:].abs().max() == 0


def test_poisson_regression_without_offsets_is_that_of_sklearn():
    design, target, _ = regression_problem(seed=1, n_units=1)
    found, _ = poisson_regression(
        torch.tensor(design, dtype=torch.float32),
        torch.tensor(target, dtype=torch.float32),
        torch.zeros(1, 800),
        plain(5, 8.0),
    )
    theirs = PoissonRegressor(alpha=8.0 / 800, fit_intercept=False, tol=1e-8, max_iter=1000).fit(design[0], target[0])
    np.testing.assert_allclose(found[0].numpy(), theirs.coef_, atol=1e-3)


def test_poisson_regression_takes_a_ridge_per_predictor():
    design, target, offset = (torch.tensor(a, dtype=torch.float32) for a in regression_problem())
    held_back = Prior(torch.zeros(5), torch.tensor([0.5, 0.5, 1e9, 0.5, 0.5]).diag())
    free, _ = poisson_regression(design, target, offset, plain(5, 0.5))
    held, _ = poisson_regression(design, target, offset, held_back)
    assert held[:, 2].abs().max() < 1e-4
    assert free[:, 2].abs().max() > 0.1


def test_poisson_regression_survives_units_without_a_spike_and_start_values_far_off():
    design, target, offset = (torch.tensor(a, dtype=torch.float32) for a in regression_problem())
    assert torch.isfinite(poisson_regression(design, torch.zeros_like(target), offset, plain(5, 0.5))[0]).all()
    assert torch.isfinite(poisson_regression(design, 50 * target, offset - 4, plain(5, 0.5))[0]).all()


def test_the_psth_is_found_and_shrunk():
    bins = torch.arange(40)
    truth = 0.6 * torch.sin(2 * math.pi * bins / 40)[:, None] * torch.tensor([1.0, -1.0, 0.0])
    rate = 0.5 * truth.exp()
    counts = torch.poisson(rate.expand(2000, -1, -1), generator=torch.Generator().manual_seed(0))
    mean = counts.mean((0, 1))
    found = fit_psth(counts, mean, ridge=20.0)
    expected = (rate / rate.mean(0)).log()
    assert (found - expected).abs().max() < 0.12
    assert (found - expected).pow(2).mean().sqrt() < 0.05
    assert fit_psth(counts[:20], mean, ridge=1e6).abs().max() < 0.01


def test_the_drift_is_found():
    start_s = torch.linspace(0, 3000, 600, dtype=torch.float64)
    waves = cosines(start_s, torch.tensor([0.0, 3000.0], dtype=torch.float64), 4)
    weight = torch.tensor([[0.4, 0.0], [0.0, 0.0], [-0.3, 0.0], [0.0, 0.0]])
    log_mean = torch.tensor([-1.0, -2.0])
    rate = (log_mean + waves @ weight).exp()
    counts = torch.poisson(rate[:, None].expand(-1, 20, -1), generator=torch.Generator().manual_seed(0))
    found_mean, found = fit_drift(counts, waves, ridge=5.0)
    assert (found_mean - log_mean).abs().max() < 0.06
    assert (found - weight).abs().max() < 0.06


def test_no_waves_leave_the_mean_rate():
    counts = torch.poisson(torch.full((200, 10, 3), 0.4), generator=torch.Generator().manual_seed(0))
    log_mean, drift = fit_drift(counts, torch.zeros(200, 0), ridge=5.0)
    assert drift.shape == (0, 3)
    torch.testing.assert_close(log_mean, counts.mean((0, 1)).log(), atol=1e-3, rtol=1e-3)


def fitted(counts, settings=None, n_factors=3):
    settings = settings or FactorSettings(n_factors=n_factors, drift_waves=3)
    smooth_bins = tuple(width / 0.02 for width in settings.timescales_s)
    factors = Factors(counts.shape[2], counts.shape[1], n_factors, smooth_bins, settings.drift_waves)
    start_s = torch.arange(len(counts), dtype=torch.float64)
    fit_factors(factors, "a", counts, start_s, settings)
    return factors, start_s


@pytest.mark.parametrize(
    "settings",
    [
        FactorSettings(n_factors=3, drift_waves=0),
        FactorSettings(n_factors=3, timescales_s=()),
        FactorSettings(n_factors=3, timescales_s=(0.1, 0.03)),
    ],
    ids=["no drift", "window mean alone", "three scales"],
)
def test_any_scales_and_waves_fit(factories, settings):
    counts = torch.from_numpy(factories.shared_counts(50, 9))
    factors, start_s = fitted(counts, settings)
    log_rate, latent = factors(Group("a", counts.float(), start_s, unmasked(*counts.shape)))
    assert torch.isfinite(log_rate).all()
    assert latent.shape[-1] == 3 * (1 + len(settings.timescales_s))


@pytest.mark.parametrize("kind", ["one trial", "nothing fires", "every bin the same", "bursts of 255"])
def test_odd_counts_leave_finite_rates(factories, kind):
    counts = torch.from_numpy(factories.shared_counts(30, 9)).float()
    if kind == "one trial":
        counts = counts[:1]
    elif kind == "nothing fires":
        counts = torch.zeros_like(counts)
    elif kind == "every bin the same":
        counts = torch.ones_like(counts)
    else:
        counts[3, :, 2] = 255.0
    factors, start_s = fitted(counts)
    for value in factors.state_dict().values():
        assert torch.isfinite(value).all()
    log_rate, _ = factors(Group("a", counts, start_s, unmasked(*counts.shape)))
    assert torch.isfinite(log_rate).all()


def test_a_hidden_unit_is_predicted_better_than_by_its_mean(factories):
    """Held-out trials, each unit hidden in turn: the closed form alone finds the shared latents."""
    all_counts = torch.from_numpy(factories.shared_counts(400, 12, rate=1.0)).float()
    train, test = all_counts[:300], all_counts[300:]
    factors, _ = fitted(train)
    gains = []
    for unit in range(12):
        mask = unmasked(*test.shape)
        mask.visible[:, :, unit] = False
        log_rate = factors(Group("a", test, torch.zeros(100, dtype=torch.float64), mask))[0][:, :, unit].detach()
        null = train[:, :, unit].mean().log()
        target = test[:, :, unit]
        gain = (target * log_rate - log_rate.exp()).sum() - (target * null - null.exp()).sum()
        gains.append((gain / (target.sum() * math.log(2))).item())
    assert np.mean(gains) > 0.1
    assert min(gains) > 0


def test_a_units_own_past_gets_weight_only_where_it_says_something():
    """Units with a private slow rate of their own, against units that have none."""
    rng = np.random.default_rng(0)
    private = rng.normal(size=(400, 1, 12))
    with_past = torch.tensor(rng.poisson(np.exp(0.9 * private + np.zeros((1, 20, 1)) - 0.4)), dtype=torch.float32)
    without = torch.tensor(rng.poisson(0.8, size=(400, 20, 12)), dtype=torch.float32)
    slow = fitted(with_past)[0].history[0]
    none = fitted(without)[0].history[0]
    assert slow.mean() > 5 * none.abs().mean()
    assert slow.mean() > 0.1
