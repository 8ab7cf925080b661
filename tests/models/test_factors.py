"""The factor path against direct formulas: expectations of a joint Gaussian, sums done by hand."""

import math

import numpy as np
import pytest
import torch

from spikeglot.batch import Group
from spikeglot.masking.mask import make_mask, unmasked
from spikeglot.models.factors import BIN_PRIOR, MAX_LOG_RATE, Factors, cosines, smoothing, unsure

N_UNITS, N_BINS, K = 9, 6, 3
NONE = torch.zeros(4, dtype=torch.bool)


@pytest.fixture
def factors():
    """Factors whose every parameter has a say."""
    torch.manual_seed(0)
    factors = Factors(N_UNITS, N_BINS, K, smooth_bins=(1.5,), n_waves=2)
    with torch.no_grad():
        factors.log_mean.copy_(torch.randn(N_UNITS) - 1)
        for name in ("psth", "drift", "center", "loading", "log_private", "intercept", "weight"):
            getattr(factors, name).normal_(std=0.4)
        for name in ("past_intercept", "past_weight", "past_private"):
            getattr(factors, name).normal_(std=0.4)
        factors.scale.uniform_(0.5, 2)
        factors.span_s.copy_(torch.tensor([10.0, 50.0]))
    return factors


def counts_of(n_trials=4, seed=0):
    return torch.poisson(torch.full((n_trials, N_BINS, N_UNITS), 0.7), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("hidden", [[], [0], [2, 5, 6], list(range(1, 9)), list(range(9))])
@pytest.mark.parametrize("s", [0, 1])
def test_the_posterior_is_the_conditional_expectation_of_the_joint_gaussian(factors, s, hidden):
    """E[z | x_v] from the covariance of (x_v, z), without the matrix inversion lemma, in double precision."""
    x = torch.randn(4, N_BINS, N_UNITS, generator=torch.Generator().manual_seed(1))
    seen = torch.ones(4, N_UNITS)
    seen[:, hidden] = 0
    found, spread = factors.posterior(s, x, seen)

    v = [u for u in range(N_UNITS) if u not in hidden]
    loading = factors.loading[s].detach().double().numpy()[v]
    private = factors.log_private[s].detach().double().exp().numpy()[v]
    covariance = loading @ loading.T + np.diag(private)
    expected = x[..., v].double().numpy() @ np.linalg.inv(covariance) @ loading if v else np.zeros((4, N_BINS, K))
    np.testing.assert_allclose(found.detach().numpy(), expected, atol=1e-5)
    explained = loading.T @ np.linalg.inv(covariance) @ loading if v else np.zeros((K, K))
    np.testing.assert_allclose(spread[0].detach().numpy(), np.eye(K) - explained, atol=1e-5)


def test_what_uncertain_factors_add_is_the_mean_of_a_lognormal():
    covariance = torch.tensor([[[0.5, 0.2], [0.2, 0.3]], [[0.0, 0.0], [0.0, 0.0]]])
    weight = torch.tensor([[0.4, -1.0], [0.7, 0.2]])
    draws = np.random.default_rng(0).multivariate_normal(np.zeros(2), covariance[0].double().numpy(), 1_000_000)
    expected = np.log(np.exp(draws @ weight.double().numpy()).mean(0))
    added = unsure(covariance, weight)
    np.testing.assert_allclose(added[0].numpy(), expected, atol=0.005)
    assert (added[1] == 0).all()


def test_the_posterior_takes_each_trial_by_its_own_mask(factors):
    x = torch.randn(4, N_BINS, N_UNITS, generator=torch.Generator().manual_seed(1))
    seen = torch.rand(4, N_UNITS, generator=torch.Generator().manual_seed(2)).round()
    together, spread = factors.posterior(0, x, seen)
    for i in range(4):
        alone, its_spread = factors.posterior(0, x[i : i + 1], seen[i : i + 1])
        torch.testing.assert_close(together[i : i + 1], alone)
        torch.testing.assert_close(spread[i : i + 1], its_spread)


def test_the_posterior_stays_exact_with_many_units():
    """Float32 with a thousand units that hardly have noise of their own."""
    torch.manual_seed(0)
    factors = Factors(1000, 1, 24, (), 0)
    with torch.no_grad():
        factors.loading.normal_(std=0.7)
        factors.log_private.fill_(math.log(0.02))
    z = torch.randn(1, 1, 24)
    x = z @ factors.loading[0].T.detach() + 0.02**0.5 * torch.randn(1, 1, 1000)
    found = factors.posterior(0, x, torch.ones(1, 1000))[0].detach().double().numpy()
    loading = factors.loading[0].detach().double().numpy()
    precise = loading / 0.02
    expected = np.linalg.solve(np.eye(24) + loading.T @ precise, precise.T @ x[0, 0].double().numpy())
    np.testing.assert_allclose(found[0, 0], expected, atol=2e-4)


def test_features_of_the_window_mean_by_hand(factors):
    counts = counts_of()
    visible = torch.ones_like(counts)
    visible[:, :2, 0] = 0
    visible[:, :, 1] = 0
    features = factors.features(counts, visible, NONE)[0].detach()
    mean = factors.log_mean.detach().exp()
    shrunk = (counts[:, 2:, 0].sum(1) + BIN_PRIOR * mean[0]) / (4 + BIN_PRIOR)
    root = shrunk.sqrt() - mean[0].sqrt()
    expected = (root - factors.center[0, 0].detach()) / factors.scale[0, 0].detach()
    torch.testing.assert_close(features[:, :, 0], expected[:, None].expand(-1, N_BINS))
    assert (features[:, :, 1] == 0).all()


def test_scales_add_up_to_the_root_of_the_smoothed_counts(factors):
    """Each scale is what it adds to the slower one."""
    counts = counts_of()
    features = factors.features(counts, torch.ones_like(counts), NONE)
    parts = [x * factors.scale[s] + factors.center[s] for s, x in enumerate(features)]
    kernel = smoothing(N_BINS, 1.5, NONE)
    root = factors.log_mean.exp().sqrt() + parts[0]
    smooth = (kernel @ counts + BIN_PRIOR * root**2) / (kernel.sum(2, keepdim=True) + BIN_PRIOR)
    torch.testing.assert_close(root + parts[1], smooth.sqrt())


@pytest.mark.parametrize("width", [math.inf, 1.5])
def test_smoothing_is_causal_where_it_must_be(width):
    kernel = smoothing(5, width, torch.tensor([False, True]))
    assert torch.equal(kernel[0], kernel[0].T)
    assert torch.equal(kernel[1], kernel[0].tril())
    expected = 1.0 if width == math.inf else math.exp(-0.5 * (2 / 1.5) ** 2)
    assert kernel[0, 1, 3].item() == pytest.approx(expected)


def test_without_counts_the_log_rate_is_the_baseline(factors):
    counts = counts_of()
    mask = make_mask(torch.zeros_like(counts, dtype=torch.bool), torch.ones_like(counts, dtype=torch.bool), "none")
    start_s = torch.tensor([10.0, 20.0, 50.0, 99.0], dtype=torch.float64)
    log_rate, latent = factors(Group("a", counts, start_s, mask))
    assert (latent == 0).all()
    prior = 0.5 * (factors.weight**2).sum((0, 1))
    torch.testing.assert_close(
        log_rate, (factors.baseline(start_s) + factors.intercept + prior).clamp_max(MAX_LOG_RATE)
    )
    drift = math.sqrt(2) * (math.cos(math.pi / 4) * factors.drift[0] + math.cos(math.pi / 2) * factors.drift[1])
    torch.testing.assert_close(factors.baseline(start_s)[1], factors.log_mean + factors.psth + drift)
    torch.testing.assert_close(log_rate[2], log_rate[3])


def test_a_past_of_its_own_counts_where_a_seen_unit_is_hidden(factors):
    """Not for a unit that is hidden in all bins, and not where nothing is hidden."""
    mask = unmasked(4, N_BINS, N_UNITS)
    mask.visible[:, :, 3] = False
    mask.visible[:, -2:] = False
    group = Group("a", counts_of(), torch.zeros(4, dtype=torch.float64), mask)
    with_past, _ = factors(group)
    with torch.no_grad():
        for value in (factors.past_intercept, factors.past_weight, factors.past_private):
            value.zero_()
    same = torch.isclose(with_past, factors(group)[0], atol=1e-6).all(0)
    assert same[:-2].all()
    assert same[-2:].all(0).tolist() == [unit == 3 for unit in range(N_UNITS)]


def test_cosines_hold_their_end_values_and_a_session_of_one_trial_has_some():
    span = torch.tensor([10.0, 50.0], dtype=torch.float64)
    waves = cosines(torch.tensor([-5.0, 10.0, 30.0, 50.0, 1e6], dtype=torch.float64), span, 2)
    root = math.sqrt(2)
    expected = [[root, root], [root, root], [0, -root], [-root, root], [-root, root]]
    torch.testing.assert_close(waves, torch.tensor(expected), atol=1e-5, rtol=0)
    assert torch.isfinite(cosines(span[:1], span[[0, 0]], 2)).all()


def test_rates_are_capped(factors):
    counts = torch.full((4, N_BINS, N_UNITS), 200.0)
    log_rate, _ = factors(Group("a", counts, torch.zeros(4, dtype=torch.float64), unmasked(4, N_BINS, N_UNITS)))
    assert log_rate.max() == MAX_LOG_RATE
