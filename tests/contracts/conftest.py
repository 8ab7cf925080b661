"""The models that every contract holds for: all architectures, starts and positions."""

import pytest

from spikeglot.settings import ARCHITECTURES

STARTS = ("zero", "rates", "factors")
NDT2 = {"architecture": "ndt2", "patch_units": 5}
MODELS = {
    **{f"ndt1-{start}-{pos}": {"start": start, "position": pos} for start in STARTS for pos in ("learned", "rotary")},
    **{f"ndt2-{start}": {**NDT2, "start": start} for start in STARTS},
    "ndt2-rotary-mask-token": {**NDT2, "start": "rates", "position": "rotary", "mask_token": True},
    **{f"lfads-{start}": {"architecture": "lfads", "start": start} for start in STARTS},
}
ADDED = set(ARCHITECTURES) - {"ndt1", "ndt2", "lfads"}
MODELS |= {f"{name}-{start}": {"architecture": name, "start": start} for name in sorted(ADDED) for start in STARTS}


@pytest.fixture(scope="module", params=MODELS)
def model_settings(request):
    """The ``[model]`` section of one of the models."""
    return MODELS[request.param]


@pytest.fixture(scope="session")
def all_models():
    """All of them by name."""
    return MODELS
