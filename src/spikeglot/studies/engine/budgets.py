"""How large the models of a study are and how long they train: overrides of a recipe, by the name of the budget."""

from __future__ import annotations

from typing import Any

from spikeglot.errors import SettingsError, did_you_mean
from spikeglot.settings import Recipe
from spikeglot.studies.engine.run import change

BUDGETS: dict[str, dict[str, Any]] = {
    # measured on sessions of 300 trials and 500 units: about two minutes per run on one core
    "small": {
        "mask": {"masks_per_trial": 4},
        "model": {
            "start": "rates",
            "width": 64,
            "depth": 2,
            "heads": 4,
            "mlp_width": 128,
            "stitch_width": 64,
            "dropout": 0.2,
            "embed_dropout": 0.1,
        },
        "train": {"steps": 1000, "batch_size": 32, "learning_rate": 3e-3, "validate_every": 100},
    },
    "medium": {
        "mask": {"masks_per_trial": 4},
        "model": {
            "start": "rates",
            "width": 128,
            "depth": 2,
            "heads": 4,
            "mlp_width": 256,
            "stitch_width": 128,
            "dropout": 0.2,
            "embed_dropout": 0.1,
        },
        "train": {"steps": 2000, "batch_size": 32, "learning_rate": 3e-3, "validate_every": 200},
    },
    # Zhang et al. 2024: sizes, learning rate and batch; 1000 epochs of a session of about 400 trials
    "paper": {
        "mask": {"masks_per_trial": 1},
        "model": {
            "start": "rates",
            "width": 512,
            "depth": 5,
            "heads": 8,
            "mlp_width": 1024,
            "stitch_width": 668,
            "dropout": 0.4,
            "embed_dropout": 0.2,
        },
        "train": {"steps": 17_500, "batch_size": 16, "learning_rate": 1e-4, "validate_every": 2500},
    },
}
"""All start from the units' mean rates: the closed-form start is good at every task, whatever the scheme."""


def with_budget(recipe: Recipe, budget: str) -> Recipe:
    """Return the recipe with the sizes and steps of a budget; windows, filters and splits stay.

    Raises
    ------
    SettingsError
        There is no such budget.
    """
    if budget not in BUDGETS:
        raise SettingsError(f"There is no budget '{budget}'.{did_you_mean(budget, BUDGETS)}")
    return change(recipe, **BUDGETS[budget])
