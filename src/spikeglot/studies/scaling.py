"""How many animals to pretrain on: MtM and temporal masks, fine-tuned on all trials of held-out animals."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from spikeglot.studies.engine.gain import HOW_TO_READ, both_tables, mean_gain, say_gains, show_gain, with_gain
from spikeglot.studies.engine.held_out import (
    ALL,
    MTM,
    HeldOutSettings,
    cell_run,
    hold_out,
    numbers_of,
    pretrain_run,
)
from spikeglot.studies.engine.run import Plan, Run
from spikeglot.studies.engine.study import Asked, Study
from spikeglot.studies.engine.summary import verdict
from spikeglot.viz.scaling import plot_scaling

MASKS = (MTM, "temporal")


def plan(asked: Asked) -> Plan:
    """Return the pretraining runs, then a run per held-out session, kind of masks and number of sessions."""
    known, unseen = hold_out(asked)
    numbers = numbers_of(known, asked.settings)
    runs: list[Run] = []
    for seed in asked.seeds:
        runs += [pretrain_run(asked, known, masks, n, seed) for masks in MASKS for n in numbers]
        for session in unseen:
            for masks in MASKS:
                is_first = masks == MTM and seed == asked.seeds[0]
                baselines = asked.baselines if is_first else ()
                runs.append(cell_run(asked, masks, 0, session.session_id, ALL, seed, baselines))
                runs += [cell_run(asked, masks, n, session.session_id, ALL, seed) for n in numbers]
    return Plan(tuple(runs))


def findings(rows: pd.DataFrame) -> list[str]:
    """Say whether more sessions help MtM, and temporal masks."""
    said = []
    for masks in MASKS:
        gains = mean_gain(rows, masks, ALL)
        returns = None if len(gains) < 2 else bool(gains.is_monotonic_increasing)
        means = ", ".join(f"{n} sessions {gain:+.3f}" for n, gain in gains.items())
        claim = "Published: more animals help MtM, up to 34" if masks == MTM else "For comparison, more animals"
        said.append(
            f"{claim}. {verdict(returns)}, in the mean over tasks: gain over from scratch {means or 'none'}. "
            f"{say_gains(rows, masks, ALL)}"
        )
    return said


def draw(rows: pd.DataFrame, path: Path) -> None:
    """Draw the scores, and the gain over from scratch, against the number of pretraining sessions."""
    table = with_gain(rows)
    plot_scaling(table.loc[table["model"] == MTM], path, curve="masks")


STUDY = Study(
    plan=plan,
    table=both_tables,
    show=show_gain,
    findings=findings,
    published="Zhang et al. 2024 (arXiv 2407.14668): more pretraining animals help MtM up to 34, all that there were.",
    draw=draw,
    how_to_read=HOW_TO_READ,
    settings=HeldOutSettings,
)
