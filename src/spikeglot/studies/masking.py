"""Table 1 of the paper: every masking scheme alone, and MtM without and with prompts, on the four tasks.

One model per scheme and session. A single scheme is trained without prompt: it would be a new one in other tasks.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from spikeglot.settings import TASKS
from spikeglot.studies.engine.grid import plan_variants, table_in_order
from spikeglot.studies.engine.study import Study
from spikeglot.studies.engine.summary import (
    is_ahead_in_mean,
    markdown,
    mean_ranks,
    named,
    say_difference,
    show_table,
    table_of,
    verdict,
)

OWN_TASK = {
    "neuron": "co-smoothing",
    "causal": "forward",
    "intra-region": "intra-region",
    "inter-region": "inter-region",
}
"""The task that asks for what a scheme hides."""
MIXTURE = tuple(OWN_TASK)
SINGLE = ("temporal", *OWN_TASK)
MTM_PLAIN, MTM_PROMPTED = "MtM, not prompted", "MtM, prompted"
VARIANTS: dict[str, dict[str, Any]] = {
    **{scheme: {"mask": {"schemes": (scheme,), "prompted": False}} for scheme in SINGLE},
    MTM_PLAIN: {"mask": {"schemes": MIXTURE, "prompted": False}},
    MTM_PROMPTED: {"mask": {"schemes": MIXTURE, "prompted": True}},
}
PUBLISHED_BITS = pd.DataFrame(
    {
        "co-smoothing": [0.84, 1.04, 0.44, -9.86, 0.92, 0.99, 0.98],
        "forward": [0.42, -0.21, 0.48, -2.97, 0.01, 0.54, 0.57],
        "intra-region": [-0.20, -0.22, -0.36, 0.32, -0.58, 0.42, 0.43],
        "inter-region": [0.57, 0.78, 0.23, -9.06, 0.90, 0.83, 0.84],
    },
    index=["temporal", "neuron", "causal", "intra-region", "inter-region", MTM_PLAIN, MTM_PROMPTED],
)
"""Bits per spike of one IBL session: Zhang et al. 2024 (arXiv 2407.14668), table 1."""
NEAR = 0.9
"""A scheme nearly wins its own task with this share of the score of the best single scheme..."""
FAR = 0.5
"""... and fails on another with less than this share of that of MtM prompted."""
NEAR_TOP = 3
"""Places of MtM prompted in the published table go from 1 to this."""


def findings(rows: pd.DataFrame) -> list[str]:
    """Say of each single scheme, and of MtM, whether the pattern of the paper returns."""
    values = table_of(rows).pivot(index="name", columns="task", values="value")
    tasks = [task for task in TASKS if task in values]
    alone = mean_ranks(rows, SINGLE)
    everyone = mean_ranks(rows)
    said = [_of_scheme(scheme, values, alone, tasks) for scheme in OWN_TASK]
    said += [_of_mtm(everyone, name) for name in (MTM_PLAIN, MTM_PROMPTED) if name in everyone.index]
    said.append(_of_prompts(rows))
    said.append(_of_order(values, tasks))
    return said


def _of_scheme(scheme: str, values: pd.DataFrame, ranks: pd.DataFrame, tasks: list[str]) -> str:
    """One single scheme, among the single ones: on its own task, and elsewhere."""
    own = OWN_TASK[scheme]
    if own not in tasks or scheme not in ranks.index or MTM_PROMPTED not in values.index:
        return f"`{scheme}` alone: there is nothing to compare here."
    singles, mine, mtm = values.loc[values.index.isin(SINGLE)], values.loc[scheme], values.loc[MTM_PROMPTED]
    best = singles[own].max()
    is_near = mine[own] > 0 and mine[own] >= NEAR * best
    result = "wins" if is_near and mine[own] == best else "nearly wins" if is_near else "does not win"
    rival = "" if mine[own] == best else f" (the best is `{singles[own].idxmax()}` with {best:.3f})"
    others = [task for task in tasks if task != own]
    fails = [task for task in others if mine[task] <= 0 or mine[task] < FAR * mtm[task]]
    elsewhere = ", ".join(f"{task} {mine[task]:.3f} (MtM prompted {mtm[task]:.3f})" for task in others)
    return (
        f"`{scheme}` alone. Published: wins or nearly wins {own}, fails elsewhere. {verdict(is_near and bool(fails))}: "
        f"{result} {own} with {mine[own]:.3f}{rival}, mean rank {ranks.loc[scheme, own]:.1f} of {len(singles)} single "
        f"schemes. Elsewhere {elsewhere}: less than half of MtM on {', '.join(fails) or 'none'}, no better than the "
        f"unit's mean rate on {', '.join(task for task in others if mine[task] <= 0) or 'none'}."
    )


def _of_mtm(ranks: pd.DataFrame, name: str) -> str:
    """MtM among all rows: mean rank on every task, and the place that it has by it, next to the published one."""
    place, published = ranks.rank(), PUBLISHED_BITS.rank(ascending=False)
    parts = [
        f"{task} {ranks.loc[name, task]:.1f} (place {place.loc[name, task]:.0f}, published "
        f"{published.loc[name, task]:.0f})"
        for task in ranks
    ]
    text = f"{name}, mean rank of {len(ranks)}: {', '.join(parts)}"
    if name != MTM_PROMPTED:
        return f"{text}."
    n_ahead = int((place.loc[name] <= 2).sum())
    returns = verdict(bool((place.loc[name] <= NEAR_TOP).all()))
    return (
        f"Published: MtM prompted is at or near the top on all four tasks. {returns} (place {NEAR_TOP} or better, as "
        f"published); first or second on {n_ahead} of {len(ranks.columns)}. {text}."
    )


def _of_prompts(rows: pd.DataFrame) -> str:
    picked = named(rows)
    returns = verdict(is_ahead_in_mean(picked, MTM_PROMPTED, MTM_PLAIN))
    said = say_difference(picked, MTM_PROMPTED, MTM_PLAIN)
    return f"Published: prompts help a little. {returns}, in the mean over tasks. {said}"


def _of_order(values: pd.DataFrame, tasks: list[str]) -> str:
    """How much the order of the rows is that of the published table."""
    both = [name for name in PUBLISHED_BITS.index if name in values.index]
    if len(both) < 3:
        return "Too few rows to compare their order with the published one."
    ours, theirs = values.loc[both], PUBLISHED_BITS.loc[both]
    agree = [f"{task} {ours[task].corr(theirs[task], method='spearman'):.2f}" for task in tasks]
    return f"Rank correlation (Spearman) of the {len(both)} rows with the published table: {', '.join(agree)}."


STUDY = Study(
    plan=lambda asked: plan_variants(asked, VARIANTS),
    table=lambda rows: table_in_order(rows, VARIANTS),
    show=lambda table: show_table(table, "trained on"),
    findings=findings,
    published="Zhang et al. 2024 (arXiv 2407.14668), table 1, bits per spike of one IBL session:\n\n"
    + markdown(PUBLISHED_BITS.map("{:.2f}".format).reset_index(names="trained on"))
    + "\n\nThese are other data: it is the pattern that can return, not the numbers. Every single scheme wins or "
    "nearly wins its own task and fails elsewhere, MtM is at or near the top on all four, prompts help a little. "
    "BrainWideBench (arXiv 2609.22064; other preprocessing, pooled over units) has 0.459 for MtM on co-smoothing, and "
    "0.369 for a stitched NDT on forecasting.",
)
