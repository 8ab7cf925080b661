"""Draw data next to prediction."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spikeglot.api.common import check_same_sessions
from spikeglot.batch import to_tensors
from spikeglot.checkpoint import Checkpoint
from spikeglot.data.prepare import prepare_session
from spikeglot.data.session import Session
from spikeglot.evaluation.exact import predict_tasks
from spikeglot.events import Listener, silent
from spikeglot.viz.raster import plot_raster


def draw_raster(checkpoint: Checkpoint, session: Session, path: str | Path, listen: Listener = silent) -> Path:
    """Draw the test trials of a session next to the model's co-smoothing prediction of them, as PNG."""
    one = prepare_session(session, checkpoint.recipe)
    check_same_sessions(checkpoint, {session.session_id: one}, "the run")
    counts, window = one.counts.take_trials(one.split.test), checkpoint.recipe.window
    predicted = predict_tasks(
        checkpoint.model,
        to_tensors(counts),
        np.arange(counts.n_trials),
        tasks=["co-smoothing"],
        prompted=checkpoint.recipe.mask.prompted,
        listen=listen,
    )["co-smoothing"]
    return plot_raster(
        counts.counts,
        predicted,
        counts.regions,
        path,
        bin_size_s=window.bin_size_s,
        start_s=window.start_s,
        align=window.align or "",
        title=f"{session.session_id}: every unit predicted from all others, test trials",
    )
