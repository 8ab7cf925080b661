"""The loss: of targets alone, every trial with the same say."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import poisson

from spikeglot.batch import Group
from spikeglot.masking.mask import make_mask
from spikeglot.models.mtm import Prediction
from spikeglot.training.objective import mse_loss, objective, poisson_loss


def group_of(counts, target, session_id="a"):
    return Group(session_id, counts, torch.zeros(len(counts), dtype=torch.float64), make_mask(~target, target, "none"))


def random_group(n_trials, n_units, seed):
    draws = torch.Generator().manual_seed(seed)
    counts = torch.poisson(torch.full((n_trials, 5, n_units), 0.7), generator=draws)
    target = torch.rand(counts.shape, generator=draws) < 0.4
    target[:, 0, 0] = True
    return group_of(counts, target), torch.randn(counts.shape, generator=draws)


def said(log_rate, penalty=None):
    return Prediction(log_rate, penalty, log_rate)


def test_the_poisson_loss_is_that_of_scipy_without_the_constant():
    counts = torch.arange(6.0)
    log_rate = torch.linspace(-2, 1, 6)
    constant = [math.lgamma(k + 1) for k in range(6)]
    expected = -poisson.logpmf(counts.numpy(), np.exp(log_rate.numpy())) - constant
    np.testing.assert_allclose(poisson_loss(log_rate, counts).numpy(), expected, rtol=1e-5)


def test_mse_is_on_expected_counts():
    assert mse_loss(torch.tensor(math.log(3.0)), torch.tensor(1.0)).item() == pytest.approx(4.0)


@pytest.mark.parametrize("loss", ["poisson", "mse"])
def test_it_is_the_mean_over_trials_of_the_mean_over_their_targets(loss):
    groups, log_rates = zip(random_group(3, 4, 0), random_group(2, 9, 1), strict=True)
    function = {"poisson": poisson_loss, "mse": mse_loss}[loss]
    per_trial = [
        function(log_rate[i], group.counts[i])[group.mask.target[i]].mean()
        for group, log_rate in zip(groups, log_rates, strict=True)
        for i in range(len(group.mask))
    ]
    assert objective(groups, [said(rate) for rate in log_rates], loss).item() == pytest.approx(
        torch.stack(per_trial).mean().item(), rel=1e-5
    )


def test_more_units_mean_no_larger_gradient():
    small, rate = random_group(4, 3, 0)
    large = group_of(small.counts.repeat(1, 1, 50), small.mask.target.repeat(1, 1, 50))
    sizes = []
    for group in (small, large):
        shift = torch.zeros((), requires_grad=True)
        objective([group], [said(rate.repeat(1, 1, group.counts.shape[2] // 3) + shift)], "poisson").backward()
        sizes.append(shift.grad.item())
    assert sizes[0] == pytest.approx(sizes[1], rel=1e-4)


def test_only_targets_have_a_gradient():
    group, log_rate = random_group(3, 4, 0)
    log_rate = log_rate.requires_grad_()
    objective([group], [said(log_rate)], "poisson").backward()
    assert torch.equal(log_rate.grad != 0, group.mask.target)


def test_a_penalty_counts_per_count_of_a_trial_with_its_weight():
    group, log_rate = random_group(3, 4, 0)
    penalty = torch.tensor([1.0, 2.0, 3.0])
    without = objective([group], [said(log_rate)], "poisson")
    for weight in (0.0, 0.5, 1.0):
        with_it = objective([group], [said(log_rate, penalty)], "poisson", weight)
        expected = weight * penalty.mean() / (5 * 4)
        torch.testing.assert_close(with_it - without, expected, atol=1e-6, rtol=1e-4)
