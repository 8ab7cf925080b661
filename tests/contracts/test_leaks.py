"""The leak contract for every architecture, start, scheme and task: what is hidden has no say in predictions.

Equality is bitwise. Each test also changes something that may have a say, and sees that it has.
"""

import pytest
import torch

from spikeglot.batch import Group
from spikeglot.masking.mask import Mask
from spikeglot.masking.mixture import draw_mixture
from spikeglot.masking.schemes import SCHEMES, draw
from spikeglot.masking.tasks import ask, questions
from spikeglot.masking.translation import translation
from spikeglot.settings import TASKS, MaskSettings

MASKS = [
    *(f"scheme {name}" for name in sorted(SCHEMES)),
    *(f"task {name}" for name in TASKS),
    "translation intra-region",
    "translation inter-region",
]
N_TRIALS = 24


@pytest.fixture(scope="module")
def session(factories):
    return factories.make_session(n_trials=60, rate=1.0)


@pytest.fixture(scope="module")
def model(model_settings, factories, session):
    recipe = factories.small_recipe(model=model_settings)
    model = factories.make_model(recipe, {"a": session}, loud=True)
    if model_settings["start"] == "factors":
        factors = model.stitcher("a").factors
        assert factors.loading.abs().max() > 0.1, "the factor path must be fitted to be tested"
        assert factors.weight.abs().max() > 0.01
    return model


def make_mask(kind: str, session) -> Mask:
    what, name = kind.split(" ")
    n_bins = session.counts.shape[1]
    if what == "scheme":
        return draw(name, session.layout(N_TRIALS), 0.3, torch.Generator().manual_seed(0))
    if what == "translation":
        asked = translation(session.region == 0, session.region == 1, name)
    else:
        asked = questions(name, session.region, n_bins)
    return ask(asked, torch.arange(N_TRIALS) % len(asked), n_bins)


def redrawn(counts, where, seed=0):
    """Return other counts, surely different, at the entries ``where``."""
    other = counts + torch.randint(1, 6, counts.shape, generator=torch.Generator().manual_seed(seed))
    return torch.where(where, other.float(), counts)


@pytest.mark.parametrize("kind", MASKS)
def test_hidden_counts_change_no_prediction(factories, model, session, kind):
    mask = make_mask(kind, session)
    counts = session.counts[:N_TRIALS].float()
    before = factories.predict(model, session, mask)
    after = factories.predict(model, session, mask, redrawn(counts, ~mask.visible))
    assert torch.isfinite(before).all()
    assert torch.equal(before, after)


@pytest.mark.parametrize("kind", MASKS)
def test_a_visible_count_changes_predictions(factories, model, session, kind):
    """The converse, one entry per trial: without it a model that reads nothing would pass."""
    mask = make_mask(kind, session)
    shows = mask.visible.flatten(1).any(1)
    entry = mask.visible.flatten(1).float().argmax(1, keepdim=True)
    one = torch.zeros_like(mask.visible).flatten(1).scatter(1, entry, True).view_as(mask.visible) & mask.visible
    before = factories.predict(model, session, mask)
    after = factories.predict(model, session, mask, redrawn(session.counts[:N_TRIALS].float(), one))
    assert shows.any()
    assert ((before != after).flatten(1).any(1) == shows).all()


@pytest.mark.parametrize("kind", MASKS)
def test_in_causal_trials_later_counts_change_no_earlier_prediction(factories, model, session, kind):
    mask = make_mask(kind, session)
    counts = session.counts[:N_TRIALS].float()
    before = factories.predict(model, session, mask)
    time = torch.arange(session.counts.shape[1])
    reached_back = False
    for t in range(len(time) - 1):
        later = (time > t)[:, None].expand_as(counts)
        after = factories.predict(model, session, mask, redrawn(counts, later))
        same = (before == after).flatten(2).all(2)
        assert same[mask.causal, : t + 1].all()
        reached_back = reached_back or not same[:, : t + 1].all()
        if mask.causal.any() and mask.visible[:, t + 1 :].any():
            assert not same[:, t + 1 :].all()
    assert reached_back == (not mask.causal.any()), "full attention must look back, or this test could not fail"


@pytest.mark.parametrize("draw_per", ["trial", "batch"])
def test_both_hold_in_a_batch_that_mixes_schemes_and_sessions(factories, model, session, draw_per):
    settings = MaskSettings(schemes=tuple(sorted(SCHEMES)), draw=draw_per)
    masks = [draw_mixture(settings, session.layout(N_TRIALS), torch.Generator().manual_seed(seed)) for seed in (0, 1)]
    counts = session.counts[:N_TRIALS].float()

    def run(change):
        groups = [Group("a", change(counts, mask), session.start_s[:N_TRIALS], mask) for mask in masks]
        with torch.no_grad():
            return model(groups)

    before = run(lambda counts, mask: counts)
    hidden = run(lambda counts, mask: redrawn(counts, ~mask.visible))
    t = 5
    later = (torch.arange(counts.shape[1]) > t)[:, None].expand_as(counts)
    future = run(lambda counts, mask: redrawn(counts, later))
    for mask, a, b, c in zip(masks, before, hidden, future, strict=True):
        assert torch.equal(a, b)
        assert torch.equal(a[mask.causal, : t + 1], c[mask.causal, : t + 1])


def test_the_target_itself_is_not_read(factories, model, session):
    """A mask's targets say what is scored; the model must not look at them."""
    mask = make_mask("scheme neuron", session)
    other = Mask(mask.visible, torch.zeros_like(mask.target), mask.prompt, mask.causal)
    assert torch.equal(factories.predict(model, session, mask), factories.predict(model, session, other))


@pytest.mark.parametrize("kind", ["scheme intra-region", "task forward"])
def test_one_trial_changes_no_prediction_of_another(factories, model, session, kind):
    mask = make_mask(kind, session)
    first = torch.zeros_like(mask.visible)
    first[0] = True
    before = factories.predict(model, session, mask)
    after = factories.predict(model, session, mask, redrawn(session.counts[:N_TRIALS].float(), first))
    assert torch.equal(before[1:], after[1:])
    assert not torch.equal(before[0], after[0])
