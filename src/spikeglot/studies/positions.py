"""How a model knows the place of a bin: rotary or learned positions, trained by MtM."""

from __future__ import annotations

from typing import Any

import pandas as pd

from spikeglot.studies.engine.grid import plan_variants, table_in_order
from spikeglot.studies.engine.study import Study
from spikeglot.studies.engine.summary import is_ahead, named, say_difference, show_table, verdict

POSITIONS = ("rotary", "learned")
VARIANTS: dict[str, dict[str, Any]] = {name: {"model": {"position": name}} for name in POSITIONS}


def findings(rows: pd.DataFrame) -> list[str]:
    """Say whether rotary positions are above learned ones on all tasks."""
    picked = named(rows)
    returns = verdict(is_ahead(picked, *POSITIONS))
    return [f"Published: rotary is better on all tasks. {returns}. {say_difference(picked, *POSITIONS)}"]


STUDY = Study(
    plan=lambda asked: plan_variants(asked, VARIANTS),
    table=lambda rows: table_in_order(rows, VARIANTS),
    show=show_table,
    findings=findings,
    published="Zhang et al. 2024 (arXiv 2407.14668): rotary positions are better than learned ones on all tasks, "
    "though the configurations released with the paper leave them off.",
)
