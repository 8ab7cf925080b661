"""How much the masks hide: MtM with ratios of 0.1, 0.3 and 0.6 in all of its schemes."""

from __future__ import annotations

from typing import Any

import pandas as pd

from spikeglot.studies.engine.grid import plan_variants, table_in_order
from spikeglot.studies.engine.study import Study
from spikeglot.studies.engine.summary import is_ahead_in_mean, named, say_difference, show_table, verdict

RATIOS = (0.1, 0.3, 0.6)
GOOD = "ratio 0.3"
VARIANTS: dict[str, dict[str, Any]] = {
    f"ratio {ratio}": {"mask": {"ratio": {"neuron": ratio, "causal": ratio, "intra_region": ratio}}} for ratio in RATIOS
}
"""Hiding a region whole, as inter-region does, needs no ratio."""


def findings(rows: pd.DataFrame) -> list[str]:
    """Say whether 0.3 is a good choice: above the others in the mean over tasks."""
    picked = named(rows)
    said = []
    for other in VARIANTS:
        if other != GOOD:
            returns = verdict(is_ahead_in_mean(picked, GOOD, other))
            difference = say_difference(picked, GOOD, other)
            said.append(
                f"Published: {GOOD} is a good choice. {returns} against {other}, in the mean over tasks. {difference}"
            )
    return said


STUDY = Study(
    plan=lambda asked: plan_variants(asked, VARIANTS),
    table=lambda rows: table_in_order(rows, VARIANTS),
    show=show_table,
    findings=findings,
    published="Zhang et al. 2024 (arXiv 2407.14668): a ratio of 0.3 is a good choice. (The official code hides 0.6 of "
    "the bins in causal masks.)",
)
