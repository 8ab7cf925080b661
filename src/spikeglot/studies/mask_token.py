"""NDT2 trained by MtM with and without the mask token, which tells it what is hidden."""

from __future__ import annotations

from typing import Any

import pandas as pd

from spikeglot.studies.engine.grid import plan_variants, table_in_order
from spikeglot.studies.engine.study import Study
from spikeglot.studies.engine.summary import is_ahead_in_mean, named, say_difference, show_table, verdict

WITH, WITHOUT = "NDT2, mask token", "NDT2, no mask token"
VARIANTS: dict[str, dict[str, Any]] = {
    name: {"model": {"architecture": "ndt2", "mask_token": name == WITH}} for name in (WITH, WITHOUT)
}


def findings(rows: pd.DataFrame) -> list[str]:
    """Say whether the mask token helps."""
    picked = named(rows)
    returns = verdict(is_ahead_in_mean(picked, WITH, WITHOUT))
    said = say_difference(picked, WITH, WITHOUT)
    return [f"Published: the mask token helps slightly. {returns}, in the mean over tasks. {said}"]


STUDY = Study(
    plan=lambda asked: plan_variants(asked, VARIANTS),
    table=lambda rows: table_in_order(rows, VARIANTS),
    show=show_table,
    findings=findings,
    published="Zhang et al. 2024 (arXiv 2407.14668): NDT2's mask token helps slightly.",
)
