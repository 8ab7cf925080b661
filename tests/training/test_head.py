"""The fine-tuned head: it learns, from a copy of the model, and never reads a test trial."""

import copy

import numpy as np
import pytest
import torch

from spikeglot.settings import HeadSettings
from spikeglot.training.head import CountsEncoder, ModelEncoder, decode_with_head

SETTINGS = HeadSettings(steps=30, learning_rate=3e-3, validate_every=10)
TRAIN, VAL, TEST = np.arange(0, 60), np.arange(60, 72), np.arange(72, 100)


@pytest.fixture(scope="module")
def session(factories):
    return factories.make_session(n_trials=100, strength=1.2)


@pytest.fixture(scope="module")
def model(factories, session):
    return factories.make_model(factories.small_recipe(model={"start": "factors"}), {"a": session})


@pytest.fixture(scope="module")
def labels(session):
    """Whether the units that share a sign fire more than usual."""
    counts = session.counts.float().sum(1)
    sign = torch.sign(torch.corrcoef(counts.T)[0])
    total = (counts * sign).sum(1)
    return np.where(total > total.median(), "high", "low").astype(object)


def decoded(encoder, session, values, settings=SETTINGS, val=VAL, seed=0):
    return decode_with_head(encoder, session, values, TRAIN, val, TEST, prompt="neuron", settings=settings, seed=seed)


@pytest.mark.parametrize("with_model", [True, False])
def test_a_head_learns_classes(session, model, labels, with_model):
    said = decoded(ModelEncoder(model) if with_model else CountsEncoder(), session, labels)
    assert set(said) <= {"high", "low"}
    assert np.mean(said == labels[TEST]) > 0.75


def test_a_head_learns_traces(session, model):
    traces = session.counts.float().mean(2, keepdim=True).double().numpy() + 5
    traces = np.cumsum(traces, axis=1)
    said = decoded(ModelEncoder(model), session, traces)
    assert said.shape == (28, 10, 1)
    average = traces[TRAIN].mean(axis=0)
    assert np.mean((said - traces[TEST]) ** 2) < 0.6 * np.mean((average - traces[TEST]) ** 2)


def test_the_model_stays_as_it_was(session, model, labels):
    before = copy.deepcopy(model.state_dict())
    encoder = ModelEncoder(model)
    decoded(encoder, session, labels)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    moved = [name for name, value in encoder.model.state_dict().items() if not torch.equal(value, before[name])]
    assert any("layers" in name for name in moved)
    assert any("read_in" in name for name in moved)
    assert not any(".factors." in name for name in moved)


def test_test_trials_are_not_read(session, model, labels):
    other = labels.copy()
    other[TEST] = "never seen"
    assert (
        decoded(ModelEncoder(model), session, labels).tolist() == decoded(ModelEncoder(model), session, other).tolist()
    )
    traces = session.counts.double().numpy()
    holes = traces.copy()
    holes[TEST] = np.nan
    np.testing.assert_array_equal(decoded(CountsEncoder(), session, traces), decoded(CountsEncoder(), session, holes))


def test_the_same_seed_says_the_same_without_val_trials_too(session, model, labels):
    nobody = np.arange(0)
    said = [decoded(ModelEncoder(model), session, labels, val=nobody, seed=3).tolist() for _ in range(2)]
    assert said[0] == said[1]
