"""What trains at which step of an adaptation."""

import pytest
import torch

from spikeglot.settings import FinetuneSettings
from spikeglot.training.freezing import frozen_backbone

torch.set_num_threads(1)


@pytest.fixture
def model(factories):
    """A model that starts from factors, whose path is never trained."""
    return factories.make_model(factories.small_recipe(model={"start": "factors"}), {"a": factories.make_session()})


def trained(model):
    """Names of what trains, of the sessions and of what they share."""
    names = {name for name, value in model.named_parameters() if value.requires_grad}
    own = {name for name in names if name.startswith("stitchers.")}
    return own, names - own


@pytest.mark.parametrize("method", ["everything", "closed-form"])
def test_some_methods_hold_nothing_still(model, method):
    assert frozen_backbone(model, FinetuneSettings(method=method)) is None


def test_only_stitchers_train_to_the_end(model):
    own, shared = trained(model)
    freeze = frozen_backbone(model, FinetuneSettings(method="stitchers", steps=10))
    assert own
    assert shared
    for step in (0, 9):
        freeze(step)
        assert trained(model) == (own, set())


@pytest.mark.parametrize(("unfreeze_at", "first"), [(0.5, 5), (0.2, 2)])
def test_gradual_trains_the_backbone_from_a_share_of_the_steps_on(model, unfreeze_at, first):
    own, shared = trained(model)
    freeze = frozen_backbone(model, FinetuneSettings(method="gradual", steps=10, unfreeze_at=unfreeze_at))
    for step in range(10):
        freeze(step)
        assert trained(model) == (own, shared if step >= first else set()), step


def test_a_step_can_be_asked_for_in_any_order(model):
    """A resumed run begins in the middle."""
    everything = trained(model)
    freeze = frozen_backbone(model, FinetuneSettings(method="gradual", steps=10))
    freeze(9)
    assert trained(model) == everything
    freeze(0)
    assert trained(model)[1] == set()


def test_the_closed_form_path_never_trains(model):
    freeze = frozen_backbone(model, FinetuneSettings(method="gradual", steps=10))
    freeze(9)
    assert not any(".factors." in name for name in trained(model)[0])
