"""Patches: what NDT2 has that NDT1 has not, and that with one patch it is NDT1."""

import pytest
import torch

from spikeglot.batch import Group
from spikeglot.errors import SettingsError
from spikeglot.masking.mask import make_mask, unmasked
from spikeglot.models.architectures import make_architecture


def make(factories, session, **model):
    return factories.make_model(factories.small_recipe(model=model), {"a": session}, loud=True)


@pytest.mark.parametrize(("patch_units", "n_patches"), [(1, 12), (5, 3), (6, 2), (12, 1), (128, 1)])
def test_a_patch_holds_its_units_and_the_last_one_the_rest(factories, patch_units, n_patches):
    session = factories.make_session()
    model = make(factories, session, architecture="ndt2", patch_units=patch_units)
    assert model.stitcher("a").n_patches == n_patches
    group = session.group(slice(0, 4), unmasked(4, *session.counts.shape[1:]))
    with torch.no_grad():
        assert model.predict([group])[0].states.shape == (4, factories.N_BINS, n_patches, 16)


def test_patches_are_read_in_and_out_by_the_weights_of_their_units(factories):
    """Against the sums written out, patch by patch."""
    session = factories.make_session()
    stitcher = make(factories, session, architecture="ndt2", patch_units=5).stitcher("a")
    group = session.group(slice(0, 4), unmasked(4, *session.counts.shape[1:]))
    states = torch.randn(4, factories.N_BINS, 3, 16)
    with torch.no_grad():
        channels, _ = stitcher.stitch(group)
        log_rate = stitcher.read_out(states, None)
        some = torch.tensor([11, 0, 6])
        torch.testing.assert_close(stitcher.read_units(states, some), log_rate[..., some])
        for p, units in enumerate((slice(0, 5), slice(5, 10), slice(10, 12))):
            scaled = stitcher.scaled(group.counts)[..., units]
            expected = scaled @ stitcher.read_in.weight[:, units].T + stitcher.read_in.bias
            torch.testing.assert_close(channels[:, :, p], expected)
            expected = states[:, :, p] @ stitcher.readout.weight[units].T + stitcher.readout.bias[units]
            torch.testing.assert_close(log_rate[..., units], expected)


def test_with_one_patch_it_is_ndt1(factories):
    """The same number of tokens and, with the weights of NDT1 and no place in space, the same log-rates."""
    session = factories.make_session()
    ndt1 = make(factories, session)
    ndt2 = make(factories, session, architecture="ndt2", patch_units=session.counts.shape[2])
    missing = ndt2.load_state_dict(ndt1.state_dict(), strict=False)
    assert missing.missing_keys == ["architecture.places.weight"]
    assert not missing.unexpected_keys
    group = session.group(slice(0, 4), unmasked(4, *session.counts.shape[1:]))
    with torch.no_grad():
        ndt2.architecture.places.weight.zero_()
        one, two = ndt1.predict([group])[0], ndt2.predict([group])[0]
    assert one.states.shape == two.states.shape
    assert torch.equal(one.log_rate, two.log_rate)


def test_too_many_patches_are_an_error_that_says_what_to_do(factories):
    session = factories.make_session()
    model = make(factories, session, architecture="ndt2", patch_units=2, options={"max_patches": 3})
    group = session.group(slice(0, 1), unmasked(1, *session.counts.shape[1:]))
    with pytest.raises(SettingsError, match=r"6 patches of 2 units, and model.options.max_patches is 3\. Raise it"):
        model([group])


def test_an_option_that_an_architecture_does_not_have_is_refused(factories):
    settings = factories.small_recipe(model={"architecture": "ndt2", "options": {"max_patch": 3}}).model
    with pytest.raises(SettingsError, match=r"model.options of ndt2.*'max_patch'. Did you mean 'max_patches'"):
        make_architecture(settings, 10)
    settings = factories.small_recipe(model={"options": {"kl": 3}}).model
    with pytest.raises(SettingsError, match=r"model.options of ndt1.*no setting 'kl'"):
        make_architecture(settings, 10)


def test_the_mask_token_tells_a_silent_unit_from_a_hidden_one(factories):
    """Counts enter raw, so that a hidden count and a count of 0 are the same without it."""
    session = factories.make_session()
    silent = torch.zeros_like(session.counts[:3].float())
    shown = unmasked(3, *session.counts.shape[1:])
    hidden = torch.zeros_like(shown.visible)
    hidden[:, :, 2] = True
    hides = make_mask(~hidden, hidden, "none")
    for has_token in (False, True):
        model = make(factories, session, architecture="ndt2", patch_units=5, start="zero", mask_token=has_token)
        with torch.no_grad():
            a, b = (model([Group("a", silent, session.start_s[:3], mask)])[0] for mask in (shown, hides))
        assert torch.equal(a, b) != has_token
