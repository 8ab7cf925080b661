"""The region matrix: how well each region of a session predicts each other region."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from spikeglot.api.common import check_same_sessions, load_run, prepare_all
from spikeglot.batch import to_tensors
from spikeglot.checkpoint import Checkpoint
from spikeglot.data.prepare import Prepared
from spikeglot.data.session import Session
from spikeglot.device import pick_device
from spikeglot.errors import DataError
from spikeglot.evaluation.baselines.drift import predict_drift
from spikeglot.evaluation.exact import predict_questions
from spikeglot.evaluation.region_matrix import (
    average_sessions,
    predict_from_regions,
    region_names,
    ridge_from_regions,
    score_source,
)
from spikeglot.events import Listener, silent
from spikeglot.masking.translation import from_nothing


def region_matrix(
    run: str | Path | Checkpoint,
    sessions: Session | Iterable[Session],
    *,
    prompt: str = "intra-region",
    memory_mb: int | None = None,
    device: str = "auto",
    listen: Listener = silent,
) -> pd.DataFrame:
    """Predict every region from every region, on the test trials (Zhang et al. 2024, figures 6-7).

    Returns one row per number: ``model, source, target, metric, null, aggregation, session_id, subject_id,
    n_sessions, n_source_units, n_units, n_units_left_out, n_spikes, value``. Only the source is seen; where source and
    target are one region, each unit is predicted from the others (the task intra-region). The models are "mtm";
    "mtm-blind", which sees nothing, so that the difference is what the source adds; "ridge" (the same source and
    target); "drift" (time alone, no spikes); and, for simulated sessions, "oracle" (the true rates). Several sessions
    have rows over all of them, too, with an empty ``session_id``.

    ``prompt`` is that of `translate`, off the diagonal.

    Raises
    ------
    SpikeglotError
        The run cannot be read; a session is unknown to it, or has units of no region; the prompt is not known.
    """
    checkpoint = run if isinstance(run, Checkpoint) else load_run(run)
    where = "the run" if isinstance(run, Checkpoint) else f"'{run}'"
    prepared = prepare_all([sessions] if isinstance(sessions, Session) else sessions, checkpoint.recipe)
    check_same_sessions(checkpoint, prepared, where)
    lacking = [name for name, one in prepared.items() if not one.counts.has_regions]
    if lacking:
        raise DataError(
            f"No unit has a region in {', '.join(lacking)}, so that there is no region to predict from. Name the "
            "regions in the units table and pretrain again, or leave these sessions out."
        )
    checkpoint.model.to(pick_device(device))
    frames = [frame for one in prepared.values() for frame in _session_rows(checkpoint, one, prompt, memory_mb, listen)]
    return average_sessions(pd.concat(frames, ignore_index=True))


def _session_rows(
    checkpoint: Checkpoint, one: Prepared, prompt: str, memory_mb: int | None, listen: Listener
) -> list[pd.DataFrame]:
    """Rows of one session, source by source: predictions of all of them at once would not fit into memory."""
    counts, split, model = one.counts, one.split, checkpoint.model
    tensors, prompted = to_tensors(counts), checkpoint.recipe.mask.prompted
    nothing = from_nothing(counts.n_units, prompt)
    known = {
        "mtm-blind": predict_questions(model, tensors, split.test, nothing, prompted=prompted, memory_mb=memory_mb),
        "drift": predict_drift(counts, split)["co-smoothing"],
    }
    if counts.rates is not None:
        known["oracle"] = np.log(np.maximum(counts.rates[split.test], 1e-9)).astype(np.float32)
    predicted = predict_from_regions(
        model,
        tensors,
        counts.regions,
        split.test,
        prompt=prompt,
        prompted=prompted,
        memory_mb=memory_mb,
        listen=listen,
    )
    frames = [score_source("mtm", source, log_rate, counts, split) for source, log_rate in predicted]
    for source, log_rate in ridge_from_regions(counts, split, listen):
        frames.append(score_source("ridge", source, log_rate, counts, split))
    for name, log_rate in known.items():
        frames += [score_source(name, source, log_rate, counts, split) for source in region_names(counts.regions)]
    return frames
