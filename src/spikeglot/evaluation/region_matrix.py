"""How well each region predicts each other region: predictions from one region at a time, and their score rows.

Off the diagonal all units of the target are asked for, and only the source is seen. On the diagonal each unit is
asked for from the others of its region, which is the task intra-region (Zhang et al. 2024, figures 6-7).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch

from spikeglot.batch import SessionTensors
from spikeglot.data.counts import Counts
from spikeglot.data.session import UNKNOWN_REGION
from spikeglot.data.splits import Split
from spikeglot.evaluation.baselines.between import ridge_between, ridge_within
from spikeglot.evaluation.exact import predict_questions
from spikeglot.events import Listener, Progress, silent
from spikeglot.masking.tasks import questions
from spikeglot.masking.translation import translation
from spikeglot.metrics import PoissonScores, mean_rate
from spikeglot.models.mtm import MtM

KIND = ["model", "source", "target", "metric", "null", "aggregation"]
COLUMNS = (
    *KIND,
    "session_id",
    "subject_id",
    "n_sessions",
    "n_source_units",
    "n_units",
    "n_units_left_out",
    "n_spikes",
    "value",
)


def region_names(regions: np.ndarray) -> list[str]:
    """Return the regions of units (unit,) in order, without the unknown one."""
    return sorted({str(name) for name in regions} - {UNKNOWN_REGION})


def predict_from_regions(
    model: MtM,
    session: SessionTensors,
    regions: np.ndarray,
    trials: np.ndarray,
    *,
    prompt: str = "intra-region",
    prompted: bool = True,
    memory_mb: int | None = None,
    listen: Listener = silent,
) -> Iterator[tuple[str, np.ndarray]]:
    """Predict the whole session from each of its ``regions`` (unit,) in turn: name, log-rates (trial, time, unit).

    A unit of the source is predicted from the other units of the source; NaN where there are none, and for units
    without a region. ``prompt`` is that of `translation`; the diagonal has its own.
    """
    inside = questions("intra-region", session.region, session.n_bins)
    names = region_names(regions)
    done, total = 0, (len(inside) + len(names)) * len(trials)

    def tell(n_pairs: int) -> None:
        nonlocal done
        done += n_pairs
        listen(Progress("evaluate", done, total, f"{session.session_id} regions"))

    within = predict_questions(model, session, trials, inside, prompted=prompted, memory_mb=memory_mb, tell=tell)
    for name in names:
        source = regions == name
        target = ~source & (regions != UNKNOWN_REGION)
        log_rate = np.where(source, within, np.float32(np.nan))
        if target.any():
            asked = translation(torch.from_numpy(source), torch.from_numpy(target), prompt)
            outside = predict_questions(
                model, session, trials, asked, prompted=prompted, memory_mb=memory_mb, tell=tell
            )
            log_rate = np.where(target, outside, log_rate)
        yield name, log_rate


def ridge_from_regions(counts: Counts, split: Split, listen: Listener = silent) -> Iterator[tuple[str, np.ndarray]]:
    """Predict the test trials as `predict_from_regions` does, by ridge regression on the source and time."""
    regions, names = counts.regions, region_names(counts.regions)
    for done, name in enumerate(names, start=1):
        source = np.flatnonzero(regions == name)
        target = np.flatnonzero((regions != name) & (regions != UNKNOWN_REGION))
        log_rate = np.full((len(split.test), counts.n_bins, counts.n_units), np.nan, dtype=np.float32)
        if len(source) > 1:
            log_rate[:, :, source] = ridge_within(counts, split, source)
        if len(target):
            log_rate[:, :, target] = ridge_between(counts, split, source, target)
        yield name, log_rate
        listen(Progress("baselines", done, len(names), f"{counts.session_id} ridge from {name}"))


def score_source(model: str, source: str, log_rate: np.ndarray, counts: Counts, split: Split) -> pd.DataFrame:
    """Return the rows of one source: bits per spike of every target region, against both nulls, mean and pooled.

    ``log_rate`` (test trial, time, unit) predicts all units from ``source``, NaN where it does not.
    """
    truth, train_rate = counts.counts[split.test], mean_rate(counts.counts[split.train])
    rows = []
    for target in region_names(counts.regions):
        units = np.flatnonzero(counts.regions == target)
        scores = PoissonScores().update(log_rate[:, :, units], truth[:, :, units])
        for null, null_rate in (("test", None), ("train", train_rate[units])):
            found = scores.compute(null_rate)
            sizes = {name: found[name] for name in ("n_units", "n_units_left_out")}
            sizes["n_spikes"] = int(scores.n_spikes.sum())
            rows += [
                {"target": target, "null": null, "aggregation": name, "value": found[name], **sizes}
                for name in ("mean", "pooled")
            ]
    frame = pd.DataFrame(rows).assign(
        model=model,
        source=source,
        metric="bits_per_spike",
        session_id=counts.session_id,
        subject_id=counts.subject_id,
        n_sessions=1,
        n_source_units=int((counts.regions == source).sum()),
    )
    return frame.loc[:, list(COLUMNS)]


def average_sessions(frame: pd.DataFrame) -> pd.DataFrame:
    """Return ``frame`` with rows over its sessions, where it has several: their ``session_id`` is empty.

    Values are averaged over the ``n_sessions`` sessions where the pair is defined; units and spikes are added up.
    """
    if len(set(frame["session_id"])) < 2:
        return frame
    sums = dict.fromkeys(("n_source_units", "n_units", "n_units_left_out", "n_spikes"), "sum")
    rows = frame.groupby(KIND, sort=False).agg({**sums, "value": ["mean", "count"]}).reset_index()
    rows = rows.set_axis([*KIND, *sums, "value", "n_sessions"], axis=1)
    subjects = frame["subject_id"].unique()
    rows = rows.assign(session_id="", subject_id=subjects[0] if len(subjects) == 1 else "")
    return pd.concat([frame, rows.loc[:, list(COLUMNS)]], ignore_index=True)
