"""The sizes at which things are measured, and the models and sessions of that size."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from spikeglot.batch import SessionTensors, mean_count
from spikeglot.checkpoint import build_model
from spikeglot.models.mtm import MtM
from spikeglot.settings import Recipe, load_recipe

BIN_SIZE_S = 0.02
N_REGIONS = 8
GOOD_UNITS = (4.0, 1.67)
"""Median rate in Hz and spread of its log over the units of the IBL's repeated site that pass all tests of quality."""
ALL_CLUSTERS = (0.14, 3.62)
"""The same over all clusters, which is what the paper took: half of them are silent in a window of 2 s."""
MAX_RATE_HZ = 100.0
READOUT_SD = 0.05
"""Readouts are drawn with this spread: at the start of training they say too little for a comparison."""


@dataclass(frozen=True)
class Size:
    """Sizes of a model, its sessions and its batches; ``n_asked`` units are held out of ``n_tested`` trials."""

    n_units: int = 676
    n_bins: int = 100
    n_trials: int = 64
    batch_size: int = 16
    width: int = 512
    depth: int = 5
    heads: int = 8
    mlp_width: int = 1024
    stitch_width: int = 668
    n_mixed: int = 8
    n_pretrained: int = 34
    n_asked: int = 32
    n_tested: int = 4
    n_spikes: int = 5_000_000
    n_windows: int = 600
    repeats: int = 5
    n_sessions: tuple[int, ...] = (50, 200, 400)


PAPER = Size()
"""One session of the published model (Zhang et al. 2024, arXiv 2407.14668, appendix): 676 units, 2 s in 20 ms bins."""
QUICK = Size(24, 10, 20, 4, 16, 2, 2, 32, 24, 2, 3, 6, 2, 5_000, 10, 2, (2,))
"""A few seconds of work that show that everything runs; the numbers mean nothing."""


def recipe_of(size: Size, start: str = "zero", dropout: float = 0.4) -> Recipe:
    """Return the published recipe at another size, with schemes drawn per trial."""
    return load_recipe(
        "published",
        window={"stop_s": size.n_bins * BIN_SIZE_S, "bin_size_s": BIN_SIZE_S},
        mask={"draw": "trial"},
        model={
            "start": start,
            "width": size.width,
            "depth": size.depth,
            "heads": size.heads,
            "mlp_width": size.mlp_width,
            "stitch_width": size.stitch_width,
            "dropout": dropout,
            "embed_dropout": dropout / 2,
        },
        train={"batch_size": size.batch_size},
    )


def session_of(size: Size, session_id: str = "0", rates: tuple[float, float] = GOOD_UNITS) -> SessionTensors:
    """Return Poisson counts of units whose mean rates are lognormal, with this median in Hz and spread of the log."""
    median_hz, spread = rates
    draws = torch.Generator().manual_seed(int(session_id))
    rate_hz = (median_hz * (torch.randn(size.n_units, generator=draws) * spread).exp()).clamp_max(MAX_RATE_HZ)
    counts = torch.poisson((rate_hz * BIN_SIZE_S).expand(size.n_trials, size.n_bins, -1), generator=draws)
    start_s = 3.0 * torch.arange(size.n_trials, dtype=torch.float64)
    return SessionTensors(session_id, counts.to(torch.uint8), start_s, torch.arange(size.n_units) % N_REGIONS)


def sessions_of(size: Size, n_sessions: int) -> dict[str, SessionTensors]:
    """Return several sessions, keyed by session id."""
    return {str(i): session_of(size, str(i)) for i in range(n_sessions)}


def model_of(recipe: Recipe, sessions: dict[str, SessionTensors]) -> MtM:
    """Return a model of these sessions whose readouts have a say."""
    model = build_model(recipe, {name: session.counts.shape[2] for name, session in sessions.items()})
    draws = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, session in sessions.items():
            stitcher = model.stitcher(name)
            stitcher.readout.weight.normal_(std=READOUT_SD, generator=draws)
            stitcher.mean_count.copy_(mean_count(session.counts))
    return model
