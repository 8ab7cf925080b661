"""The three architectures, NDT1, NDT2 and LFADS, each trained on temporal masks and by MtM."""

from __future__ import annotations

from typing import Any

import pandas as pd

from spikeglot.studies.engine.grid import plan_variants, table_in_order
from spikeglot.studies.engine.study import Study
from spikeglot.studies.engine.summary import is_ahead, named, say_difference, show_table, verdict
from spikeglot.studies.masking import MIXTURE

ARCHITECTURES = {"NDT1": "ndt1", "NDT2": "ndt2", "LFADS": "lfads"}
MASKS = {"temporal": ("temporal",), "MtM": MIXTURE}
VARIANTS: dict[str, dict[str, Any]] = {
    f"{name}, {masks}": {"model": {"architecture": kind}, "mask": {"schemes": schemes, "prompted": masks == "MtM"}}
    for name, kind in ARCHITECTURES.items()
    for masks, schemes in MASKS.items()
}


def findings(rows: pd.DataFrame) -> list[str]:
    """Say whether MtM is above temporal masks with every architecture, and NDT1 above NDT2."""
    picked = named(rows)
    said = []
    for name in ARCHITECTURES:
        pair = f"{name}, MtM", f"{name}, temporal"
        claim = f"MtM is above temporal masks on every task (published for NDT1 and NDT2; here {name})"
        said.append(f"{claim}. {verdict(is_ahead(picked, *pair))}. {say_difference(picked, *pair)}")
    pair = "NDT1, MtM", "NDT2, MtM"
    said.append(f"Published: NDT1 is above NDT2. {verdict(is_ahead(picked, *pair))}. {say_difference(picked, *pair)}")
    return said


STUDY = Study(
    plan=lambda asked: plan_variants(asked, VARIANTS),
    table=lambda rows: table_in_order(rows, VARIANTS),
    show=show_table,
    findings=findings,
    published="Zhang et al. 2024 (arXiv 2407.14668): MtM beats temporal masking on every metric but choice; NDT1 (25.5 "
    "million parameters with 34 sessions) beats NDT2 (about 10.9 million). LFADS is a comparison only.",
)
