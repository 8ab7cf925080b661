"""Decoding next to its chance levels: majority class or trial average, shuffled labels, raw counts, the model."""

from __future__ import annotations

import pandas as pd
from pydantic import Field

from spikeglot.settings import Settings
from spikeglot.studies.engine.grid import plan_variants
from spikeglot.studies.engine.run import DECODED, Plan
from spikeglot.studies.engine.study import Asked, Study
from spikeglot.studies.engine.summary import MTM, say_difference, show_table, spread
from spikeglot.studies.masking import MTM_PROMPTED, VARIANTS

METRICS = {"accuracy": "accuracy", "balanced_accuracy": "balanced accuracy", "r2": "R2"}
CHANCE, COUNTS = "chance (majority class, of traces the trial average)", "counts"
NAMES = {"chance": CHANCE, MTM: "log-rates", f"{MTM} hidden states": "hidden states"}
"""What a model of the rows is called in the table."""


class ChanceSettings(Settings):
    """What is decoded, and how often labels are shuffled."""

    targets: tuple[str, ...] = Field(default=("choice",), min_length=1)
    """Behaviour to decode: columns of the trials table, choice, feedback, stimulus-side, traces."""
    target_trials: str = ""
    """A pandas query on the trials table: trials to decode, for instance "choice_source == 'movement'"."""
    shuffles: int = Field(default=5, ge=1)
    """Shuffles of the labels; their scores are averaged."""


def plan(asked: Asked) -> Plan:
    """Return a run per session and seed: MtM, from which each target is decoded."""
    chosen: ChanceSettings = asked.settings
    decoding = DECODED.model_copy(update={"trials": chosen.target_trials, "shuffles": chosen.shuffles})
    asked = asked._replace(baselines=())
    variants = {MTM_PROMPTED: VARIANTS[MTM_PROMPTED]}
    return plan_variants(asked, variants, tasks=(), targets=chosen.targets, decoding=decoding)


def by_source(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the scores with ``name``, what was decoded from, and a task per target and metric."""
    picked = rows.loc[rows["metric"].isin(METRICS)].dropna(subset="value")
    source = picked["model"].str.removesuffix(", shuffled labels")
    control = picked["model"].str.endswith(", shuffled labels").map({True: ", shuffled labels", False: ""})
    target = picked["task"].str.removeprefix("decode ")
    return picked.assign(
        name=source.map(NAMES).fillna(source) + control, task=target + ", " + picked["metric"].map(METRICS)
    )


def findings(rows: pd.DataFrame) -> list[str]:
    """Compare what is decoded from the model with chance, shuffled labels and counts."""
    picked = by_source(rows)
    return [say_difference(picked, NAMES[MTM], other) for other in (CHANCE, "log-rates, shuffled labels", COUNTS)]


STUDY = Study(
    plan=plan,
    table=lambda rows: spread(by_source(rows)),
    show=lambda table: show_table(table, "decoded from"),
    findings=findings,
    published="Zhang et al. 2024 (arXiv 2407.14668) put the majority class next to accuracies of choice, and the R2 of "
    "the trial average of the training trials next to those of traces. Their levels are of their data.",
    how_to_read="Means over sessions and seeds ± SD over seeds, ± SD over sessions.",
    settings=ChanceSettings,
)
