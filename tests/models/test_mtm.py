"""Many sessions, one backbone: what is shared, what is not, and that a batch is only a way to compute."""

import pytest
import torch

from spikeglot.batch import Group
from spikeglot.checkpoint import build_model
from spikeglot.errors import CheckpointError
from spikeglot.masking.mask import unmasked
from spikeglot.masking.mixture import draw_mixture
from spikeglot.settings import MaskSettings
from spikeglot.training.objective import objective

NASTY_IDS = ("a.b", "a%2Eb", "a/b", "a b", "keys", "", "session ", "100%", "..", "ünï", "training", "a%b.c/d")


def some_groups(factories, names, n_trials=6, seed=0):
    """Groups of sessions of equal unit count, and the tensors of the sessions."""
    sessions = {
        name: factories.make_session(name, regions=("VISp",) * 4 + ("CA1",) * 4, seed=i) for i, name in enumerate(names)
    }
    draws = torch.Generator().manual_seed(seed)
    groups = [
        s.group(slice(0, n_trials), draw_mixture(MaskSettings(), s.layout(n_trials), draws)) for s in sessions.values()
    ]
    return sessions, groups


@pytest.mark.parametrize("start", ["zero", "rates", "factors"])
@pytest.mark.parametrize("position", ["learned", "rotary"])
def test_a_batch_of_sessions_gives_what_each_gives_alone_in_any_order(factories, start, position):
    sessions, groups = some_groups(factories, ("a", "b", "c"))
    short = groups[1]
    groups[1] = Group("b", short.counts[:2], short.start_s[:2], short.mask.take(slice(0, 2)))
    recipe = factories.small_recipe(model={"start": start, "position": position})
    model = factories.make_model(recipe, sessions, loud=True)
    with torch.no_grad():
        alone = [model([group])[0] for group in groups]
        together = model(groups)
        reversed_order = model(groups[::-1])[::-1]
        split_up = model([Group(g.session_id, g.counts[:1], g.start_s[:1], g.mask.take(slice(0, 1))) for g in groups])
    assert [part.shape for part in together] == [group.counts.shape for group in groups]
    for a, b, c, d in zip(alone, together, reversed_order, split_up, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(a, c, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(a[:1], d, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(alone[0][:2], alone[1], atol=1e-2)


def test_sessions_of_equal_size_share_no_weights(factories):
    """The official code keys stitchers by the number of units."""
    sessions, groups = some_groups(factories, ("a", "b"))
    model = factories.make_model(factories.small_recipe(model={"start": "factors"}), sessions)
    of_session = {
        name: {key for key in model.state_dict() if key.startswith(f"stitchers.session {name}.")} for name in sessions
    }
    assert of_session["a"]
    assert len(of_session["a"]) == len(of_session["b"])
    assert not of_session["a"] & of_session["b"]
    pointers = {p.data_ptr() for p in model.stitcher("a").parameters() if p.numel()}
    assert not pointers & {p.data_ptr() for p in model.stitcher("b").parameters() if p.numel()}

    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.1)
    model.train()
    for _ in range(3):
        optimiser.zero_grad()
        objective(groups[:1], model.predict(groups[:1]), "poisson").backward()
        optimiser.step()
    after = model.state_dict()
    for key in of_session["b"]:
        assert torch.equal(before[key], after[key]), key
    moved = {key for key in of_session["a"] if not torch.equal(before[key], after[key])}
    assert {key.rsplit(" a.", 1)[1] for key in moved} == {
        "read_in.weight", "read_in.bias", "read_factors.weight", "readout.weight", "readout.bias", "token",
    }  # fmt: skip
    assert not torch.equal(before["architecture.embed.0.weight"], after["architecture.embed.0.weight"])


def test_any_session_id_will_do(factories):
    model = build_model(factories.small_recipe(), {name: 3 + i for i, name in enumerate(NASTY_IDS)})
    assert model.session_ids == NASTY_IDS
    for i, name in enumerate(NASTY_IDS):
        assert model.stitcher(name).readout.out_features == 3 + i
    again = build_model(factories.small_recipe(), {name: 3 + i for i, name in enumerate(NASTY_IDS)})
    again.load_state_dict(model.state_dict(), strict=True)


def test_an_unknown_session_is_named_with_a_suggestion(factories):
    model = build_model(factories.small_recipe(), {"sub-Cori_ses-1": 3})
    with pytest.raises(
        CheckpointError, match=r"no stitcher for session 'sub-Cori_ses-2'. Did you mean 'sub-Cori_ses-1'"
    ):
        model.stitcher("sub-Cori_ses-2")


def test_the_prompt_and_the_session_token_have_a_say(factories):
    sessions, (group,) = some_groups(factories, ("a",))
    model = factories.make_model(factories.small_recipe(), sessions, loud=True)
    other_prompt = Group("a", group.counts, group.start_s, group.mask.unprompted())
    with torch.no_grad():
        before = model([group])[0]
        assert not torch.allclose(before, model([other_prompt])[0], atol=1e-4)
        model.stitcher("a").token.mul_(-1)
        assert not torch.allclose(before, model([group])[0], atol=1e-4)


def test_without_a_session_token_it_has_none(factories):
    sessions, (group,) = some_groups(factories, ("a",))
    model = factories.make_model(factories.small_recipe(model={"session_token": False}), sessions, loud=True)
    with torch.no_grad():
        before = model([group])[0]
        model.stitcher("a").token.mul_(-1)
        assert torch.equal(before, model([group])[0])


@pytest.mark.parametrize("position", ["learned", "rotary"])
def test_bins_know_their_place(factories, position):
    """Turning time around and back again is not the same as leaving it."""
    sessions, (group,) = some_groups(factories, ("a",))
    model = factories.make_model(factories.small_recipe(model={"position": position}), sessions, loud=True)
    mask = unmasked(*group.counts.shape)
    with torch.no_grad():
        there = model([Group("a", group.counts, group.start_s, mask)])[0]
        back = model([Group("a", group.counts.flip(1), group.start_s, mask)])[0].flip(1)
    assert not torch.allclose(there, back, atol=1e-3)


@pytest.mark.parametrize("start", ["zero", "rates", "factors"])
@pytest.mark.parametrize("position", ["learned", "rotary"])
def test_forward_makes_no_tensor_on_a_device_of_its_own(factories, start, position):
    """On a GPU a tensor made without the device of the inputs fails; here the default device is nobody's."""
    sessions, groups = some_groups(factories, ("a", "b"))
    model = factories.make_model(factories.small_recipe(model={"start": start, "position": position}), sessions)
    with torch.device("meta"):
        loss = objective(groups, model.predict(groups), "poisson")
    assert loss.device.type == "cpu"
    assert torch.isfinite(loss)


def test_dropout_is_off_when_evaluating(factories):
    sessions, groups = some_groups(factories, ("a",))
    model = factories.make_model(factories.small_recipe(), sessions, loud=True)
    with torch.no_grad():
        assert torch.equal(model(groups)[0], model(groups)[0])
        model.train()
        assert not torch.equal(model(groups)[0], model(groups)[0])


@pytest.mark.parametrize("start", ["zero", "rates", "factors"])
def test_hidden_states_hold_all_that_log_rates_are_read_from(factories, start):
    sessions, groups = some_groups(factories, ("a", "b"))
    model = factories.make_model(factories.small_recipe(model={"start": start}), sessions, loud=True)
    with torch.no_grad():
        hidden, log_rates = model.hidden_states(groups), model(groups)
        for group, states, log_rate in zip(groups, hidden, log_rates, strict=True):
            stitcher = model.stitcher(group.session_id)
            factors = stitcher.factors
            n_latent = 0 if factors is None else factors.n_latent
            assert states.shape == (*group.counts.shape[:2], 16 + n_latent)
            _, known = stitcher.stitch(group)
            torch.testing.assert_close(stitcher.read_out(states[..., None, :16], known), log_rate)
            if factors is not None:
                torch.testing.assert_close(states[..., 16:], factors(group)[1])


def test_hidden_states_do_not_see_hidden_counts(factories):
    sessions, groups = some_groups(factories, ("a",))
    model = factories.make_model(factories.small_recipe(model={"start": "factors"}), sessions, loud=True)
    group = groups[0]
    other = Group("a", group.counts + 5.0 * ~group.mask.visible, group.start_s, group.mask)
    with torch.no_grad():
        torch.testing.assert_close(model.hidden_states([other])[0], model.hidden_states([group])[0])
