"""The grid that most studies are: variants of a recipe x sessions x seeds, a model each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from spikeglot.studies.engine.run import Plan, Run, change
from spikeglot.studies.engine.study import Asked
from spikeglot.studies.engine.summary import VARIANT, table_of


def plan_variants(asked: Asked, variants: Mapping[str, Mapping[str, Any]], **questions: Any) -> Plan:
    """Return a run per session, seed and variant; ``variants`` are overrides of the recipe by name.

    Baselines come once per session. ``questions`` are fields of `Run`, the same for all.
    """
    runs = []
    for session in asked.sessions:
        for seed in asked.seeds:
            for number, (variant, changes) in enumerate(variants.items()):
                is_first = number == 0 and seed == asked.seeds[0]
                run = Run(
                    key=f"{session.session_id}/{slug(variant)}/seed-{seed}",
                    labels={VARIANT: variant, "seed": seed},
                    recipe=change(asked.recipe, seed=seed, **changes),
                    session_ids=(session.session_id,),
                    baselines=asked.baselines if is_first else (),
                    **questions,
                )
                runs.append(run)
    return Plan(tuple(runs))


def slug(variant: str) -> str:
    """Return a name as part of a path: "MtM, not prompted" is "mtm-not-prompted"."""
    return "-".join(variant.lower().replace(",", "").split())


def table_in_order(rows: pd.DataFrame, variants: Iterable[str]) -> pd.DataFrame:
    """Return the table of `table_of`: variants in their order, then baselines."""
    place = {name: i for i, name in enumerate(variants)}
    return table_of(rows).sort_values("name", key=lambda names: names.map(place).fillna(len(place)), kind="stable")
