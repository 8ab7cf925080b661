"""LFADS: its penalty is the KL that it should be, means are used outside of training, and options decide the sizes."""

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from spikeglot.models.architectures import make_architecture

N_TRIALS, N_BINS, CHANNELS, WIDTH = 5, 10, 16, 16


@pytest.fixture
def make(factories):
    def make_lfads(**options):
        torch.manual_seed(0)
        settings = factories.small_recipe(
            model={"architecture": "lfads", "options": options, "dropout": 0.0, "embed_dropout": 0.0}
        ).model
        return make_architecture(settings, N_BINS)

    return make_lfads


def some_input(seed=0):
    draws = torch.Generator().manual_seed(seed)
    channels = torch.randn(N_TRIALS, N_BINS, 1, CHANNELS, generator=draws)
    prefix = torch.randn(N_TRIALS, 2, WIDTH, generator=draws)
    return channels, prefix, torch.zeros(N_TRIALS, dtype=torch.bool)


def test_states_are_the_factors(make):
    lfads = make(n_factors=7).eval()
    with torch.no_grad():
        coded = lfads(*some_input())
    assert lfads.state_width == 7
    assert coded.states.shape == (N_TRIALS, N_BINS, 1, 7)
    assert coded.penalty is None


def test_outside_of_training_nothing_is_drawn(make):
    lfads = make()
    with torch.no_grad():
        draws = [lfads.train()(*some_input()).states for _ in range(2)]
        means = [lfads.eval()(*some_input()).states for _ in range(2)]
    assert not torch.equal(*draws)
    assert torch.equal(*means)


def test_the_kl_of_the_first_state_is_that_of_torch(make):
    lfads = make(first_variance=0.3).train()
    with torch.no_grad():
        lfads.first_prior.normal_()
    heard = torch.randn(N_TRIALS, N_BINS, CHANNELS)
    with torch.no_grad():
        _, penalty = lfads._first(heard, torch.ones(N_TRIALS, 1))
        last = lfads.first_encoder(heard)[1]
        mean, log_variance = lfads.first_posterior(torch.cat([last[0], last[1]], dim=-1)).chunk(2, dim=-1)
    posterior = Normal(mean, (0.5 * log_variance).exp())
    prior = Normal(lfads.first_prior.detach(), 0.3**0.5)
    torch.testing.assert_close(penalty, kl_divergence(posterior, prior).sum(-1), atol=1e-4, rtol=1e-4)


def test_the_kl_of_the_inputs_is_that_of_an_autoregressive_prior(make):
    """Drawn inputs, one bin after the other: log q - log p with the normal densities of torch."""
    lfads = make(n_inputs=3, input_variance=0.2, input_timescale=4.0)
    draws = torch.Generator().manual_seed(1)
    mean, log_variance, drawn = (torch.randn(N_TRIALS, N_BINS, 3, generator=draws) for _ in range(3))
    keeps = torch.exp(torch.tensor(-1 / 4.0))
    expected = Normal(mean, (0.5 * log_variance).exp()).log_prob(drawn).sum((1, 2))
    expected -= Normal(0.0, 0.2**0.5).log_prob(drawn[:, 0]).sum(-1)
    spread = (0.2 * (1 - keeps**2)).sqrt()
    expected -= Normal(drawn[:, :-1] * keeps, spread).log_prob(drawn[:, 1:]).sum((1, 2))
    with torch.no_grad():
        torch.testing.assert_close(lfads._input_kl(mean, log_variance, drawn), expected, atol=1e-3, rtol=1e-4)


def test_without_its_weight_there_is_no_kl(make):
    with torch.no_grad():
        assert not make(kl=0.0).train()(*some_input()).penalty.any()
        assert (make().train()(*some_input()).penalty != 0).all()


def test_posteriors_start_as_wide_as_their_priors(make):
    """Drawn with variance 1 they would drown what the encoders say."""
    lfads = make(first_variance=0.2, input_variance=0.05)
    for posterior, variance in ((lfads.first_posterior, 0.2), (lfads.input_posterior, 0.05)):
        torch.testing.assert_close(posterior.bias.chunk(2)[1].exp(), torch.full((len(posterior.bias) // 2,), variance))


def test_in_a_causal_trial_the_first_state_comes_from_no_count(make):
    lfads = make().eval()
    channels, prefix, _ = some_input()
    causal = torch.tensor([True, False, True, False, False])
    other = channels.clone()
    other[:, -1] += 1
    with torch.no_grad():
        a, b = (lfads(x, prefix, causal).states for x in (channels, other))
    assert torch.equal(a[causal, :-1], b[causal, :-1])
    assert (a[~causal, 0] != b[~causal, 0]).any()
