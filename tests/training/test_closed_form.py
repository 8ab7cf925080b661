"""The closed-form start against other people's code and against simulated truth."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.stats import multivariate_normal
from sklearn.decomposition import FactorAnalysis
from sklearn.linear_model import PoissonRegressor

from spikeglot.batch import Group, SessionTensors
from spikeglot.masking.mask import unmasked
from spikeglot.models.factors import Factors, cosines
from spikeglot.models.unit_prior import UnitPrior
from spikeglot.settings import FactorSettings
from spikeglot.training.closed_form.analysis import factor_analysis
from spikeglot.training.closed_form.fit import fit_factors, learn_unit_prior
from spikeglot.training.closed_form.poisson import Prior, learn_prior, poisson_regression
from spikeglot.training.closed_form.weights import course, leave_one_out


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
        found = leave_one_out(factors, 0, x, x @ factors.precise_loading(0), torch.tensor([0, 5, 11]))
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
    prior = learn_prior(shrunk, 20_000 * torch.tensor(noise, dtype=torch.float32), plain(3, 1.0))
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


def fitted(counts, settings=None, n_factors=None, schemes=("neuron", "causal"), start_s=None):
    """Fit counts (trial, time, unit) and return factors, window starts and what was found."""
    settings = settings or FactorSettings(n_factors=3, drift_waves=3)
    n_factors = n_factors or settings.n_factors
    smooth_bins = tuple(width / 0.02 for width in settings.timescales_s)
    n_trials, n_bins, n_units = counts.shape
    factors = Factors(n_units, n_bins, n_factors, smooth_bins, settings.drift_waves)
    start_s = torch.arange(n_trials, dtype=torch.float64) if start_s is None else start_s
    session = SessionTensors("a", counts, start_s, torch.zeros(n_units, dtype=torch.int64))
    found = fit_factors(factors, session, UnitPrior(settings, n_bins, 0.02), settings, schemes)
    return factors, start_s, found


def test_the_psth_is_found_and_shrunk():
    bins = (torch.arange(40) + 0.5) / 40
    truth = 0.6 * torch.cos(2 * math.pi * bins)[:, None] * torch.tensor([1.0, -1.0, 0.0])
    counts = torch.poisson((truth - 1).exp().expand(2000, -1, -1), generator=torch.Generator().manual_seed(0))
    found = fitted(counts, FactorSettings(n_factors=1, drift_waves=0))[0].psth
    assert (found - truth).abs().max() < 0.12
    assert (found - truth).pow(2).mean().sqrt() < 0.05
    held = FactorSettings(n_factors=1, drift_waves=0, psth_ridge=1e6)
    assert fitted(counts[:20], held)[0].psth.abs().max() < 0.02


def test_the_drift_is_found():
    start_s = torch.linspace(0, 3000, 600, dtype=torch.float64)
    waves = cosines(start_s, torch.tensor([0.0, 3000.0], dtype=torch.float64), 4)
    weight = torch.tensor([[0.4, 0.0, 0.0], [0.0, 0.0, 0.0], [-0.3, 0.0, 0.0], [0.0, 0.0, 0.0]])
    log_mean = torch.tensor([-1.0, -2.0, -1.5])
    rate = (log_mean + waves @ weight).exp()
    counts = torch.poisson(rate[:, None].expand(-1, 20, -1), generator=torch.Generator().manual_seed(0))
    settings = FactorSettings(n_factors=1, drift_waves=4, drift_ridge=5.0)
    factors, _, _ = fitted(counts, settings, n_factors=1, start_s=start_s)
    assert (factors.drift - weight).abs().max() < 0.08
    assert (factors.log_mean + factors.intercept - log_mean).abs().max() < 0.1


def test_no_waves_leave_the_mean_rate():
    counts = torch.poisson(torch.full((200, 10, 3), 0.4), generator=torch.Generator().manual_seed(0))
    factors, _, _ = fitted(counts, FactorSettings(n_factors=1, drift_waves=0), n_factors=1)
    assert factors.drift.shape == (0, 3)
    rate = factors.baseline(torch.zeros(1, dtype=torch.float64)) + factors.intercept
    torch.testing.assert_close(rate.mean(1)[0], counts.mean((0, 1)).log(), atol=0.05, rtol=0)


def test_cosines_of_the_window_are_orthogonal():
    waves = course(40, 7)
    torch.testing.assert_close(waves.T @ waves / 40, torch.eye(7), atol=1e-5, rtol=0)


def test_factors_come_in_an_order_and_with_a_sign():
    loading, private = factor_analysis(gaussian_samples(), 3)
    information = (loading.T / private) @ loading
    torch.testing.assert_close(information, information.diagonal().diag(), atol=0.02, rtol=0)
    assert (information.diagonal().diff() < 0).all()
    assert (loading.sum(0) >= 0).all()


def test_shrinking_leaves_uncorrelated_units_where_there_are_few_samples():
    few = gaussian_samples(n=10)
    loose = factor_analysis(few, 3)[0]
    shrunk = factor_analysis(few, 3, shrunk_with=1000.0)[0]
    assert shrunk.pow(2).sum() < 0.1 * loose.pow(2).sum()


def test_a_model_that_never_hides_units_does_not_learn_to_predict_them():
    """Units that fire alone: seen in the other bins they predict themselves, hidden they are predicted by nobody."""
    rng = np.random.default_rng(0)
    private = rng.normal(size=(300, 1, 8))
    counts = torch.tensor(rng.poisson(np.exp(0.9 * private + np.zeros((1, 20, 1)) - 0.4)), dtype=torch.float32)
    hidden_units = fitted(counts, schemes=("neuron",))[0]
    hidden_bins = fitted(counts, schemes=("temporal",))[0]
    alone, with_itself = (factors.weight.pow(2).sum((0, 1)).median() for factors in (hidden_units, hidden_bins))
    assert with_itself > 5 * alone
    assert hidden_units.past_private.abs().max() == 0
    assert hidden_bins.past_private.abs().max() > 0


def test_the_prior_of_a_unit_is_what_the_units_of_all_sessions_are_like():
    """The mean and the spread over units of known drifts are found; predictors of larger sessions count too."""
    start_s = torch.linspace(0, 3000, 400, dtype=torch.float64)
    waves = cosines(start_s, torch.tensor([0.0, 3000.0], dtype=torch.float64), 3)
    settings = FactorSettings(n_factors=3, drift_waves=3, drift_ridge=5.0)
    prior, fits = UnitPrior(settings, 10, 0.02), []
    for seed, n_factors in ((0, 3), (1, 2)):
        rng = np.random.default_rng(seed)
        weight = torch.tensor(rng.normal([0.5, 0.0, 0.0], [0.3, 0.02, 0.02], (60, 3)), dtype=torch.float32).T
        rate = (waves @ weight - 0.5).exp()
        counts = torch.poisson(rate[:, None].expand(-1, 10, -1), generator=torch.Generator().manual_seed(seed))
        fits.append(fitted(counts, settings, n_factors, start_s=start_s)[2])
    learn_unit_prior(prior, fits)
    assert prior.n_units == 120
    assert prior.mean[1].item() == pytest.approx(0.5, abs=0.15)
    assert prior.precision[1].item() ** -0.5 == pytest.approx(0.3, rel=0.4)
    assert prior.precision[2] > 5 * prior.precision[1]
    assert prior.mean[0] == 0
    assert prior.precision[0] == UnitPrior(settings, 10, 0.02).precision[0]


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
    factors, start_s, _ = fitted(counts, settings)
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
    factors, start_s, _ = fitted(counts)
    for value in factors.state_dict().values():
        assert torch.isfinite(value).all()
    log_rate, _ = factors(Group("a", counts, start_s, unmasked(*counts.shape)))
    assert torch.isfinite(log_rate).all()


def test_a_hidden_unit_is_predicted_better_than_by_its_mean(factories):
    """Held-out trials, each unit hidden in turn: the closed form alone finds the shared latents."""
    all_counts = torch.from_numpy(factories.shared_counts(400, 12, rate=1.0)).float()
    train, test = all_counts[:300], all_counts[300:]
    factors, _, _ = fitted(train)
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
    slow = fitted(with_past)[0].past_private[0]
    none = fitted(without)[0].past_private[0]
    assert slow.mean() > 5 * none.abs().mean()
    assert slow.mean() > 0.1
