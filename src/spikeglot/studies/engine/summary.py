"""What the rows of a study say: means over sessions and seeds, their spread, ranks, and differences in pairs."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import pandas as pd

from spikeglot.settings import TASKS

MTM = "mtm"
VARIANT = "variant"
"""The label that sets the models of a study apart."""
EACH = ["session_id", "seed"]


def pick(rows: pd.DataFrame, aggregation: str = "mean") -> pd.DataFrame:
    """Return one row per model, task, session and run: bits per spike (null "test"), balanced accuracy, or R2."""
    is_bits = (rows["metric"] == "bits_per_spike") & (rows["null"] == "test") & (rows["aggregation"] == aggregation)
    return rows.loc[is_bits | rows["metric"].isin(["balanced_accuracy", "r2"])]


def named(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `pick` that have a value, with ``name``: the variant of a model, otherwise what it is.

    What is no model of the study (baselines, oracle, chance) is the same whatever the seed, and stands there once.
    """
    picked = pick(rows).dropna(subset="value")
    picked = picked.assign(name=picked[VARIANT].astype(str).where(picked["model"] == MTM, picked["model"]))
    return picked.loc[(picked["model"] == MTM) | ~picked.duplicated(["name", "task", "session_id"])]


def table_of(rows: pd.DataFrame) -> pd.DataFrame:
    """Return `spread` of every name and task, with ``mean_rank`` of the models: over sessions and seeds, 1 the best."""
    ranks = mean_ranks(rows).melt(ignore_index=False, var_name="task", value_name="mean_rank").reset_index()
    return spread(named(rows)).merge(ranks, on=["name", "task"], how="left")


def spread(picked: pd.DataFrame) -> pd.DataFrame:
    """Return per name and task the mean over sessions and seeds, and how far they differ.

    Columns: name, task, value, sd_over_seeds (of one session, averaged over sessions), sd_over_sessions (of means over
    seeds), n_sessions, n_seeds. Spread is NaN where there is one session, or one seed.
    """
    by_session = picked.groupby(["name", "task", "session_id"], sort=False, as_index=False).agg(
        value=("value", "mean"), sd=("value", "std"), n_seeds=("seed", "nunique")
    )
    return by_session.groupby(["name", "task"], sort=False, as_index=False).agg(
        value=("value", "mean"),
        sd_over_seeds=("sd", "mean"),
        sd_over_sessions=("value", "std"),
        n_sessions=("session_id", "nunique"),
        n_seeds=("n_seeds", "max"),
    )


def mean_ranks(rows: pd.DataFrame, names: Iterable[str] = ()) -> pd.DataFrame:
    """Return (name, task) mean rank over sessions and seeds, 1 the best, among ``names`` (all models without).

    Where a model has no score in a session with a seed, nothing is ranked there.
    """
    models = named(rows).loc[lambda frame: frame["model"] == MTM]
    chosen = list(names)
    models = models.loc[models["name"].isin(chosen)] if chosen else models
    groups = models.groupby(["task", *EACH])
    models = models.assign(rank=groups["value"].rank(ascending=False), n_names=groups["name"].transform("nunique"))
    whole = models.loc[models["n_names"] == models["name"].nunique()]
    return whole.pivot_table(index="name", columns="task", values="rank", sort=False)


def show_table(table: pd.DataFrame, head: str = "model") -> pd.DataFrame:
    """Return a table of `table_of` or `spread` as text: names in rows, tasks in columns.

    A cell is "mean ± SD over seeds, ± SD over sessions (mean rank)", without what there is none of.
    """
    tasks = [task for task in TASKS if task in set(table["task"])]
    tasks += [task for task in table["task"].unique() if task not in TASKS]
    cells = {(row["name"], row["task"]): _cell(row) for row in table.to_dict(orient="records")}
    names = list(dict.fromkeys(table["name"]))
    return pd.DataFrame([{head: name, **{task: cells.get((name, task), "") for task in tasks}} for name in names])


def _cell(row: Mapping[Hashable, Any]) -> str:
    text = f"{row['value']:.3f}"
    text += f" ± {row['sd_over_seeds']:.3f}" if pd.notna(row["sd_over_seeds"]) else ""
    text += f", ± {row['sd_over_sessions']:.3f}" if pd.notna(row["sd_over_sessions"]) else ""
    return text + (f" ({row['mean_rank']:.1f})" if pd.notna(row.get("mean_rank", float("nan"))) else "")


def difference(picked: pd.DataFrame, name: str, other: str) -> pd.DataFrame:
    """Return per task the mean of ``name`` minus ``other``, paired by session and seed, and in how many it is higher.

    ``picked`` has rows of `named`. Columns: task, difference, n_higher, n_pairs; without pairs there is no row.
    """
    wide = picked.pivot_table(index=["task", *EACH], columns="name", values="value", sort=False)
    if not {name, other} <= set(wide):
        return pd.DataFrame(columns=["task", "difference", "n_higher", "n_pairs"])
    gap = wide.assign(gap=wide[name] - wide[other]).dropna(subset="gap").reset_index()
    groups = gap.assign(higher=gap["gap"] > 0).groupby("task", sort=False)
    return groups.agg(difference=("gap", "mean"), n_higher=("higher", "sum"), n_pairs=("gap", "size")).reset_index()


def say_difference(picked: pd.DataFrame, name: str, other: str) -> str:
    """Return the difference of two models in words: "A minus B: forward +0.012 (higher in 5 of 6), ..."."""
    parts = [
        f"{row['task']} {row['difference']:+.3f} (higher in {row['n_higher']} of {row['n_pairs']})"
        for row in difference(picked, name, other).to_dict(orient="records")
    ]
    return f"{name} minus {other}: {', '.join(parts) or 'nothing to compare'}."


def is_ahead(picked: pd.DataFrame, name: str, other: str) -> bool | None:
    """Whether ``name`` is above ``other`` on each of the four tasks that both have; None where they have none."""
    found = difference(picked, name, other).loc[lambda frame: frame["task"].isin(TASKS)]
    return None if found.empty else bool((found["difference"] > 0).all())


def is_ahead_in_mean(picked: pd.DataFrame, name: str, other: str) -> bool | None:
    """Whether ``name`` is above ``other`` in the mean over those of the four tasks that both have; None for none."""
    found = difference(picked, name, other).loc[lambda frame: frame["task"].isin(TASKS)]
    return None if found.empty else bool(found["difference"].mean() > 0)


def verdict(returns: bool | None) -> str:
    """Return what to say of a published pattern; None: nothing can be compared."""
    if returns is None:
        return "Cannot be said from these runs"
    return "Returns" if returns else "Does not return"


def markdown(table: pd.DataFrame) -> str:
    """Return a table of text as Markdown."""
    rows = [list(map(str, table.columns)), ["---"] * len(table.columns), *table.astype(str).to_numpy().tolist()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
