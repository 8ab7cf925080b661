"""Every session on its own: MtM against temporal masks, one model of each over all sessions."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from spikeglot.settings import TASKS
from spikeglot.studies.engine.behaviour import TargetSettings, decoded
from spikeglot.studies.engine.grid import slug, table_in_order
from spikeglot.studies.engine.run import Plan, Run, change
from spikeglot.studies.engine.study import Asked, Study
from spikeglot.studies.engine.summary import VARIANT, difference, named, show_table, verdict
from spikeglot.studies.masking import MTM_PROMPTED, VARIANTS
from spikeglot.viz.scatter import plot_scatter

TEMPORAL = "temporal"


def plan(asked: Asked) -> Plan:
    """Return a run over all sessions per seed, of temporal masks and of MtM."""
    runs = []
    for seed in asked.seeds:
        for variant in (TEMPORAL, MTM_PROMPTED):
            run = Run(
                key=f"{slug(variant)}/seed-{seed}",
                labels={VARIANT: variant, "seed": seed},
                recipe=change(asked.recipe, seed=seed, **VARIANTS[variant]),
                session_ids=asked.sessions.session_ids,
                baselines=asked.baselines if not runs else (),
                **decoded(asked.settings),
            )
            runs.append(run)
    return Plan(tuple(runs))


def findings(rows: pd.DataFrame) -> list[str]:
    """Say on every task in how many sessions MtM is above temporal masks."""
    groups = named(rows).groupby(["name", "task", "session_id"], sort=False, as_index=False)
    over_seeds = groups.agg(value=("value", "mean"))
    said = []
    for row in difference(over_seeds.assign(seed=0), MTM_PROMPTED, TEMPORAL).to_dict(orient="records"):
        claim = "MtM is above temporal masks" if row["task"] in TASKS else "MtM is above temporal masks but for choice"
        returns = verdict(row["difference"] > 0)
        said.append(
            f"{row['task']}. Published: {claim}. {returns}: by {row['difference']:+.3f} in the mean, in "
            f"{row['n_higher']} of {row['n_pairs']} sessions."
        )
    return said


def draw(rows: pd.DataFrame, path: Path) -> None:
    """Draw a point per session: temporal masks to the right, MtM upwards."""
    plot_scatter(named(rows), path, x=TEMPORAL, y=MTM_PROMPTED)


STUDY = Study(
    plan=plan,
    table=lambda rows: table_in_order(rows, (TEMPORAL, MTM_PROMPTED)),
    show=show_table,
    findings=findings,
    published="Zhang et al. 2024 (arXiv 2407.14668): MtM beats temporal masking on every metric but choice.",
    draw=draw,
    settings=TargetSettings,
)
