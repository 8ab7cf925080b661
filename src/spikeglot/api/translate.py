"""Translate: predict some units of a session from some others."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from spikeglot.api.common import check_same_sessions, load_run
from spikeglot.batch import to_tensors
from spikeglot.checkpoint import Checkpoint
from spikeglot.data.choose_units import choose_units
from spikeglot.data.counts import Counts
from spikeglot.data.prepare import prepare_session
from spikeglot.data.session import UNKNOWN_REGION, Session
from spikeglot.data.splits import Split
from spikeglot.device import pick_device
from spikeglot.errors import DataError, SettingsError, did_you_mean
from spikeglot.evaluation.baselines.between import ridge_between
from spikeglot.evaluation.baselines.drift import predict_drift
from spikeglot.evaluation.exact import predict_questions
from spikeglot.evaluation.scores import score_predictions
from spikeglot.events import Listener, Progress, silent
from spikeglot.masking.tasks import Questions
from spikeglot.masking.translation import from_nothing, translation
from spikeglot.settings import TRANSLATE
from spikeglot.viz.trial_average import plot_trial_average

PARTS = ("test", "val", "train", "all")
"""The trials that can be asked for: a part of the run's split, or all."""


@dataclass(frozen=True, eq=False)
class Translation:
    """Predicted rates of the target units, next to what they did.

    Attributes
    ----------
    log_rate:
        (trial, time, target unit) float32, natural log of the expected count per bin.
    counts:
        The same trials and units of the data: counts, the tables of units and of trials, the windows.
    source:
        The units that were given, one row each; index ``unit_id``, column ``region``.
    scores:
        Score rows of the task "translate" (see `evaluate`) of the models "mtm", "mtm-blind" (sees nothing), "ridge"
        (same source, same target), "drift" (time alone) and, for simulated data, "oracle".
    trials_of:
        Which part of the run's split the trials are.
    """

    log_rate: np.ndarray
    counts: Counts
    source: pd.DataFrame
    scores: pd.DataFrame
    trials_of: str

    @property
    def rates_hz(self) -> np.ndarray:
        """(trial, time, target unit) predicted rates in spikes per second."""
        return np.exp(self.log_rate) / self.counts.window.bin_size_s

    @property
    def bin_start_s(self) -> np.ndarray:
        """(time,) start of every bin relative to the event (to the start of the window where it is tiled)."""
        window = self.counts.window
        return (window.start_s if window.align else 0.0) + window.bin_size_s * np.arange(window.n_bins)

    def __repr__(self) -> str:
        return (
            f"Translation({self.counts.session_id!r}: {len(self.source)} units -> {self.counts.n_units} units, "
            f"{self.counts.n_trials} {self.trials_of} trials x {self.counts.n_bins} bins)"
        )


def translate(
    run: str | Path | Checkpoint,
    session: Session,
    *,
    source: str | Sequence[str],
    target: str | Sequence[str],
    trials: str = "test",
    prompt: str = "intra-region",
    memory_mb: int | None = None,
    device: str = "auto",
    listen: Listener = silent,
) -> Translation:
    """Predict the ``target`` units of a session from its ``source`` units; the model sees nothing else.

    Parameters
    ----------
    source, target:
        Regions, unit ids, or lists of them; no unit may be on both sides. For a region from itself (each unit from
        the others) see `region_matrix`.
    trials:
        "test", "val", "train" or "all". Scores on trials that the run was trained on say nothing of new trials.
    prompt:
        What the model is told: "intra-region" (one region is seen), "inter-region" (a region is hidden) or "none".

    Raises
    ------
    SpikeglotError
        The run cannot be read; the session is unknown to it; a region or unit that the session lacks or that was left
        out; sides that overlap; a prompt or part of the trials that is not known.
    """
    if trials not in PARTS:
        raise SettingsError(f"There are no trials '{trials}'.{did_you_mean(trials, PARTS)}")
    checkpoint = run if isinstance(run, Checkpoint) else load_run(run)
    where = "the run" if isinstance(run, Checkpoint) else f"'{run}'"
    checkpoint.model.stitcher(session.session_id)
    one = prepare_session(session, checkpoint.recipe)
    check_same_sessions(checkpoint, {session.session_id: one}, where)
    given, asked = _sides(one.counts, session, source, target)
    index = np.arange(one.counts.n_trials) if trials == "all" else getattr(one.split, trials)
    shown, wanted = (torch.from_numpy(np.isin(np.arange(one.counts.n_units), units)) for units in (given, asked))
    tensors = to_tensors(one.counts)
    checkpoint.model.to(pick_device(device))
    done = 0

    def tell(n_pairs: int) -> None:
        nonlocal done
        done += n_pairs
        listen(Progress("evaluate", done, 2 * len(index), f"{session.session_id} translate"))

    def predict(asked_for: Questions) -> np.ndarray:
        return predict_questions(
            checkpoint.model,
            tensors,
            index,
            asked_for,
            prompted=checkpoint.recipe.mask.prompted,
            memory_mb=memory_mb,
            tell=tell,
        )[:, :, asked]

    log_rate = predict(translation(shown, wanted, prompt))
    return Translation(
        log_rate=log_rate,
        counts=one.counts.take_units(asked).take_trials(index),
        source=one.counts.units.iloc[given],
        scores=_scores(
            {"mtm": log_rate, "mtm-blind": predict(from_nothing(one.counts.n_units, prompt))},
            one.counts,
            replace(one.split, test=index),
            given,
            asked,
        ),
        trials_of=trials,
    )


def write_translation(translation: Translation, path: str | Path) -> Path:
    """Write predicted rates, counts and the ids of all axes as ``.npz``, which appears only when it is whole.

    Arrays: ``rates_hz`` and ``counts`` (trial, time, unit), ``unit_id`` and ``region`` (unit,), ``source_unit_id`` and
    ``source_region``, ``trial_id`` (trial,), ``bin_start_s`` (time,), ``bin_size_s``, ``session_id``, ``trials``.
    """
    path, counts = Path(path), translation.counts
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.stem}.{os.getpid()}.part.npz")
    try:
        np.savez_compressed(
            part,
            rates_hz=translation.rates_hz,
            counts=counts.counts,
            unit_id=np.array(counts.unit_ids, dtype=str),
            region=counts.regions.astype(str),
            source_unit_id=np.array(translation.source.index, dtype=str),
            source_region=translation.source["region"].to_numpy(dtype=str),
            trial_id=counts.trials["trial_id"].to_numpy(),
            bin_start_s=translation.bin_start_s,
            bin_size_s=counts.window.bin_size_s,
            session_id=counts.session_id,
            trials=translation.trials_of,
        )
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path


def draw_translation(
    translation: Translation, path: str | Path, *, by: str | None = None, sort: str = "region"
) -> Path:
    """Draw the trial averages of the target units, data beside prediction, as PNG.

    ``by`` names a column of the trials table whose values are averaged apart; units are sorted by "region", "depth"
    or "similarity" (see `spikeglot.viz.trial_average`).

    Raises
    ------
    SpikeglotError
        No such column, or too many different values in it; no depths; an order that is not known.
    """
    counts = translation.counts
    return plot_trial_average(
        counts.counts,
        translation.log_rate,
        counts.units,
        path,
        trials=counts.trials,
        by=by,
        sort=sort,
        bin_size_s=counts.window.bin_size_s,
        start_s=translation.bin_start_s[0],
        align=counts.window.align or "",
        title=f"{counts.session_id}: predicted from {_named(translation.source)}, {translation.trials_of} trials",
    )


def _named(units: pd.DataFrame, most: int = 6) -> str:
    """How many units of which regions."""
    regions = sorted(set(units["region"]) - {UNKNOWN_REGION})
    names = ", ".join(regions[:most]) + (", ..." if len(regions) > most else "")
    return f"{len(units)} units" + (f" ({names})" if names else "")


def _sides(
    counts: Counts, session: Session, source: str | Sequence[str], target: str | Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the source and of the target units, which do not overlap."""
    given, asked = (choose_units(counts, session, *side) for side in ((source, "source"), (target, "target")))
    both = np.intersect1d(given, asked)
    if len(both):
        raise DataError(
            f"Source and target of session '{counts.session_id}' share {len(both)} units (first: "
            f"'{counts.unit_ids[both[0]]}', region '{counts.regions[both[0]]}'), and no unit can be asked for what "
            "it is given. Leave them out of one side; how well a region predicts itself is in the region matrix."
        )
    return given, asked


def _scores(
    of_model: Mapping[str, np.ndarray], counts: Counts, split: Split, given: np.ndarray, asked: np.ndarray
) -> pd.DataFrame:
    """Score rows of the model and of what is known without it, on the trials ``split.test``."""
    targets = counts.take_units(asked)
    predictions = {
        **of_model,
        "ridge": ridge_between(counts, split, given, asked),
        "drift": predict_drift(counts, split)["co-smoothing"][:, :, asked],
    }
    if targets.rates is not None:
        predictions["oracle"] = np.log(np.maximum(targets.rates[split.test], 1e-9)).astype(np.float32)
    frames = [
        score_predictions({TRANSLATE: predicted}, targets, split.train, split.test, model)
        for model, predicted in predictions.items()
    ]
    return pd.concat(frames, ignore_index=True)
