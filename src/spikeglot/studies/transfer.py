"""What other animals are worth: models pretrained on them, adapted to held-out animals with few trials."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pandas as pd
from pydantic import Field

from spikeglot.data.prepare import prepare_session
from spikeglot.data.session import Dropped
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


class TransferSettings(HeldOutSettings):
    """What is compared on animals that no model has seen."""

    trials: tuple[Annotated[int, Field(ge=1)], ...] = (20, 50)
    """Numbers of training trials of a new session; all are always added."""
    also_masks: tuple[str, ...] = ()
    """Masking schemes to train on alone too, for instance temporal: on all sessions, and adapted with all trials."""


def plan(asked: Asked) -> Plan:
    """Return the pretraining runs, then a run per held-out session, number of trials and number of sessions."""
    settings: TransferSettings = asked.settings
    known, unseen = hold_out(asked)
    numbers = numbers_of(known, settings)
    runs: list[Run] = []
    left_out = []
    for seed in asked.seeds:
        runs += [pretrain_run(asked, known, MTM, n, seed) for n in numbers]
        runs += [pretrain_run(asked, known, masks, numbers[-1], seed) for masks in settings.also_masks]
        baselines = asked.baselines if seed == asked.seeds[0] else ()
        for session in unseen:
            n_train = len(prepare_session(session, asked.recipe).split.train)
            for n_trials in (*sorted(settings.trials), ALL):
                if n_trials >= n_train:
                    reason = f"{n_trials} trials are not fewer than its {n_train}; see all"
                    left_out.append(Dropped("session", session.session_id, reason))
                    continue
                runs.append(cell_run(asked, MTM, 0, session.session_id, n_trials, seed, baselines))
                runs += [cell_run(asked, MTM, n, session.session_id, n_trials, seed) for n in numbers]
            for masks in settings.also_masks:
                runs += [cell_run(asked, masks, n, session.session_id, ALL, seed) for n in (0, numbers[-1])]
    return Plan(tuple(runs), tuple(dict.fromkeys(left_out)))


def findings(rows: pd.DataFrame) -> list[str]:
    """Say what pretraining gains with every number of trials, and what MtM gains over single schemes."""
    said = []
    for n_trials in sorted(rows["n_trials"].unique(), key=lambda n: n or float("inf")):
        gains = mean_gain(rows, MTM, n_trials)
        returns = verdict(None if gains.empty else bool(gains.iloc[-1] > 0))
        said.append(
            f"Published: pretraining on other animals helps. {returns}, in the mean over tasks and with most "
            f"sessions. {say_gains(rows, MTM, n_trials)}"
        )
    said += [say_gains(rows, masks, ALL) for masks in rows["masks"].unique() if masks != MTM]
    return said


def draw(rows: pd.DataFrame, path: Path) -> None:
    """Draw the scores, and the gain over from scratch, against the number of pretraining sessions."""
    table = with_gain(rows)
    plot_scaling(table.loc[(table["model"] == MTM) & (table["masks"] == MTM)], path, curve="n_trials")


STUDY = Study(
    plan=plan,
    table=both_tables,
    show=show_gain,
    findings=findings,
    published="Zhang et al. 2024 (arXiv 2407.14668): models pretrained on 34 animals and fine-tuned on 5 held-out ones "
    "beat those that are trained on one session, and MtM beats temporal masking on every metric but choice.",
    draw=draw,
    how_to_read=HOW_TO_READ,
    settings=TransferSettings,
)
