"""Which prompt for which task, and for decoding: one MtM model, told every prompt in every task."""

from __future__ import annotations

import pandas as pd

from spikeglot.settings import TASKS
from spikeglot.studies.engine.behaviour import TargetSettings, decoded
from spikeglot.studies.engine.grid import plan_variants, table_in_order
from spikeglot.studies.engine.run import Plan
from spikeglot.studies.engine.study import Asked, Study
from spikeglot.studies.engine.summary import MTM, named, show_table, spread, verdict
from spikeglot.studies.masking import MIXTURE, MTM_PROMPTED, OWN_TASK, VARIANTS

PROMPT_OF = {task: scheme for scheme, task in OWN_TASK.items()}


class PromptSettings(TargetSettings):
    """What is decoded with every prompt, beside the tasks."""

    target: str = "choice"
    """Behaviour to decode; empty: none."""


def plan(asked: Asked) -> Plan:
    """Return a run per session and seed: MtM, asked with each prompt that it was trained with."""
    questions = decoded(asked.settings, prompts=MIXTURE)
    return plan_variants(asked, {MTM_PROMPTED: VARIANTS[MTM_PROMPTED]}, prompts=MIXTURE, **questions)


def by_prompt(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with the prompt as what sets models apart; hidden states stay in scores.csv."""
    return rows.loc[rows["model"] != f"{MTM} hidden states"].assign(variant=rows["prompt"])


def findings(rows: pd.DataFrame) -> list[str]:
    """Say of each task which prompt is best, and whether it is that of the task."""
    picked = named(by_prompt(rows))
    values = spread(picked.loc[picked["model"] == MTM]).pivot_table(index="task", columns="name", values="value")
    said = []
    for task in [*(task for task in TASKS if task in values.index), *values.index.difference(list(TASKS))]:
        best = str(values.loc[task].idxmax())
        numbers = ", ".join(f"{prompt} {value:.3f}" for prompt, value in values.loc[task].items())
        if task in PROMPT_OF:
            returns = verdict(best == PROMPT_OF[task])
            said.append(f"Expected: {task} is best asked with its own prompt, {PROMPT_OF[task]}. {returns}: {numbers}.")
        else:
            said.append(f"{task}: the best prompt is {best}: {numbers}.")
    return said


STUDY = Study(
    plan=plan,
    table=lambda rows: table_in_order(by_prompt(rows), MIXTURE),
    show=lambda table: show_table(table, "prompt"),
    findings=findings,
    published="Zhang et al. 2024 (arXiv 2407.14668): at test the prompt is that of the task; prompting helps a little. "
    "Without and with prompts, bits per spike of one IBL session: co-smoothing 0.99 and 0.98, forward 0.54 and 0.57, "
    "intra-region 0.42 and 0.43, inter-region 0.83 and 0.84.",
    settings=PromptSettings,
)
