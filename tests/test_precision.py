"""Which numbers a model computes in, and that float32 products stay float32."""

import pytest
import torch

from spikeglot import precision
from spikeglot.errors import SettingsError
from spikeglot.events import StepDone
from spikeglot.precision import WIDE, fast_products, has_bfloat16_units, pick_precision

CPU = torch.device("cpu")


@pytest.mark.parametrize(("flags", "width", "expected"), [
    ({"avx512_bf16", "sse"}, WIDE, torch.bfloat16),
    ({"amx_bf16"}, 2 * WIDE, torch.bfloat16),
    ({"avx512_bf16"}, WIDE - 1, torch.float32),
    ({"avx512f"}, WIDE, torch.float32),
    (set(), WIDE, torch.float32),
])  # fmt: skip
def test_auto_is_bfloat16_for_wide_models_where_there_are_units(monkeypatch, flags, width, expected):
    monkeypatch.setattr(precision, "_cpu_flags", lambda: frozenset(flags))
    assert has_bfloat16_units(CPU) == bool(flags & precision.CPU_FLAGS)
    assert pick_precision("auto", CPU, width) == expected
    assert pick_precision("bfloat16", CPU, width) == torch.bfloat16
    assert pick_precision("float32", CPU, width) == torch.float32


def test_an_unknown_precision_is_an_error():
    with pytest.raises(SettingsError, match=r"'bfloat'.* Did you mean 'bfloat16'"):
        pick_precision("bfloat", CPU, WIDE)


def test_products_stay_float32_and_the_switch_goes_back():
    a, b = torch.randn((2, 64, 300), generator=torch.Generator().manual_seed(0))
    before = torch.backends.mkldnn.matmul.fp32_precision
    with fast_products():
        torch.testing.assert_close((a @ b.T).double(), a.double() @ b.double().T, atol=1e-4, rtol=1e-5)
    assert torch.backends.mkldnn.matmul.fp32_precision == before


def test_where_onednn_rounds_the_switch_stays_off(monkeypatch):
    monkeypatch.setattr(precision, "_onednn_keeps_float32", lambda: False)
    before = torch.backends.mkldnn.matmul.fp32_precision
    with fast_products():
        assert torch.backends.mkldnn.matmul.fp32_precision == before


@pytest.mark.parametrize("start", ["zero", "factors"])
@pytest.mark.parametrize("architecture", ["ndt1", "ndt2", "lfads"])
def test_bfloat16_moves_predictions_a_little_and_gives_float32(factories, start, architecture):
    session = factories.make_session()
    recipe = factories.small_recipe(model={"start": start, "architecture": architecture, "patch_units": 5})
    model = factories.make_model(recipe, {"a": session}, loud=True)
    group = session.group(slice(0, 4), factories.hide_first_unit(session, 4))
    exact = model([group])[0]
    with model.computing_in(torch.bfloat16):
        near = model([group])[0]
    assert near.dtype == torch.float32
    assert not torch.equal(near, exact)
    torch.testing.assert_close(near, exact, atol=0.1, rtol=0.05)
    assert torch.equal(model([group])[0], exact), "outside, nothing has changed"


def losses_of(factories, folder, precision):
    recipe = factories.small_recipe(
        train={"precision": precision, "steps": 60, "validate_every": 60, "learning_rate": 3e-3}, model={"width": 32}
    )
    events = []
    assert factories.train_run(folder, recipe, listen=events.append)
    return torch.tensor([event.loss for event in events if isinstance(event, StepDone)])


def test_training_in_bfloat16_loses_what_float32_loses(factories, tmp_path):
    near, exact = (losses_of(factories, tmp_path / kind, kind) for kind in ("bfloat16", "float32"))
    assert not torch.equal(near, exact)
    assert exact[-10:].mean() < exact[:10].mean() - 0.02, "it learns"
    torch.testing.assert_close(near, exact, atol=0.01, rtol=0)
    assert abs((near - exact).mean()) < 1e-3
