"""A folder <-> a model: ``config.json``, ``model.safetensors``, ``sessions.json``. Strict, and no pickle."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from spikeglot.data.prepare import Prepared
from spikeglot.data.session import Dropped
from spikeglot.errors import CheckpointError
from spikeglot.models.mtm import MtM
from spikeglot.randomness import seeded
from spikeglot.settings import FinetuneSettings, Recipe, make_recipe, make_settings
from spikeglot.version import __version__

T = TypeVar("T")
FORMAT = 3
"""Number of the layout of the folder; another number is refused."""


@dataclass(frozen=True)
class SessionCard:
    """What a model remembers of a session: its units in order, and which trials it was given for what."""

    session_id: str
    subject_id: str
    unit_ids: tuple[str, ...]
    regions: tuple[str, ...]
    train_trials: tuple[int, ...]
    val_trials: tuple[int, ...]
    test_trials: tuple[int, ...]

    @classmethod
    def of(cls, prepared: Prepared) -> SessionCard:
        """Return the card of a prepared session; trials are named by ``trial_id``."""
        counts, split = prepared.counts, prepared.split
        trial_id = counts.trials["trial_id"].to_numpy()
        train, val, test = (tuple(int(i) for i in trial_id[part]) for part in (split.train, split.val, split.test))
        return cls(counts.session_id, counts.subject_id, counts.unit_ids, tuple(counts.regions), train, val, test)


@dataclass(frozen=True)
class Adapted:
    """From which model a model was adapted (its folder and the SHA-256 of its weights), how, and to which sessions.

    Which trials were used stands in the cards of these sessions, the seed in ``settings``.
    """

    folder: str
    weights_sha256: str
    session_ids: tuple[str, ...]
    settings: FinetuneSettings


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A model with all that is needed to use it: the recipe that made it and the sessions it knows.

    ``left_out`` lists the sessions that were given but could not be used, and why. ``adapted`` says where an adapted
    model comes from.
    """

    model: MtM
    recipe: Recipe
    sessions: Mapping[str, SessionCard]
    left_out: tuple[Dropped, ...] = ()
    adapted: Adapted | None = None


def build_model(recipe: Recipe, n_units: Mapping[str, int]) -> MtM:
    """Return an untrained model for sessions of ``n_units``, with the weights of the recipe's seed."""
    with seeded(recipe.seed, "weights"):
        return MtM(recipe.model, recipe.window.n_bins, recipe.window.bin_size_s, n_units, recipe.mask.schemes)


def save_checkpoint(folder: Path, checkpoint: Checkpoint, weights: Mapping[str, Tensor] | None = None) -> None:
    """Write a checkpoint into ``folder`` (made if absent), with these ``weights`` for those of its model."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "format": FORMAT,
        "spikeglot": __version__,
        "recipe": checkpoint.recipe.model_dump(mode="json"),
        "left_out": [asdict(one) for one in checkpoint.left_out],
        "adapted": None if checkpoint.adapted is None else _adapted_to_json(checkpoint.adapted),
    }
    write_json(folder / "config.json", config)
    write_json(folder / "sessions.json", [asdict(card) for card in checkpoint.sessions.values()])
    weights = checkpoint.model.state_dict() if weights is None else weights
    save_file(
        {name: value.detach().cpu().contiguous() for name, value in weights.items()}, folder / "model.safetensors"
    )


def load_checkpoint(folder: Path, device: str | torch.device = "cpu") -> Checkpoint:
    """Read a checkpoint folder, strictly: every weight must be there, and no other.

    Raises
    ------
    CheckpointError
        Not a checkpoint; of another format; incomplete or damaged.
    """
    config = read_json(folder / "config.json", dict)
    if config.get("format") != FORMAT:
        raise CheckpointError(
            f"The checkpoint '{folder}' has format {config.get('format')!r} (written by spikeglot "
            f"{config.get('spikeglot', 'unknown')}); this spikeglot reads format {FORMAT}. "
            "Use the version that wrote it, or pretrain again."
        )
    recipe = make_recipe(config.get("recipe", {}), where=f"recipe of the checkpoint '{folder}'")
    cards = read_json(folder / "sessions.json", lambda cards: [SessionCard(**_tuples(card)) for card in cards])
    model = build_model(recipe, {card.session_id: len(card.unit_ids) for card in cards})
    try:
        model.load_state_dict(load_file(folder / "model.safetensors"), strict=True)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise CheckpointError(
            f"The weights in '{folder}' cannot be read or do not fit its config.json: {error}. "
            "Copy the whole folder again, or pretrain again."
        ) from error
    left_out = tuple(Dropped(**one) for one in config.get("left_out", ()))
    adapted = None if config.get("adapted") is None else _adapted_from_json(config["adapted"], folder)
    return Checkpoint(model.to(device), recipe, {card.session_id: card for card in cards}, left_out, adapted)


def weights_digest(model: MtM) -> str:
    """Return the SHA-256 of all weights with their names: what a model is, wherever it lies."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def check_same_data(card: SessionCard, prepared: Prepared, where: str) -> None:
    """Make sure that a session holds the units and the split that the model was trained on.

    Raises
    ------
    CheckpointError
        Units or trials differ: scores on trials that were trained on would be worth nothing.
    """
    now = SessionCard.of(prepared)
    for name in ("unit_ids", "regions", "train_trials", "val_trials", "test_trials"):
        before, after = getattr(card, name), getattr(now, name)
        if before != after:
            raise CheckpointError(
                f"Session '{card.session_id}' is not the one that {where} was trained on: its {name} differ "
                f"({len(before)} then, {len(after)} now). Evaluate with the same files and the same recipe."
            )


def replace_folder(new: Path, target: Path) -> None:
    """Put the folder ``new`` in the place of ``target``; a kill in between leaves the old one as ``target.old``."""
    old = target.with_name(target.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        os.replace(target, old)
    os.replace(new, target)
    shutil.rmtree(old, ignore_errors=True)


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as readable JSON."""
    path.write_text(json.dumps(value, indent=1) + "\n")


def read_json(path: Path, make: Callable[[Any], T]) -> T:
    """Return ``make`` of JSON that belongs to a checkpoint; a clear error where it is absent or damaged."""
    try:
        return make(json.loads(path.read_text()))
    except FileNotFoundError:
        raise CheckpointError(
            f"There is no checkpoint in '{path.parent}': {path.name} is absent. Give the folder that "
            "`spikeglot pretrain --out` wrote."
        ) from None
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(f"'{path}' is damaged ({error}). Copy the folder again, or pretrain again.") from error


def _tuples(card: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in card.items()}


def _adapted_to_json(adapted: Adapted) -> dict[str, Any]:
    return {**asdict(adapted), "settings": adapted.settings.model_dump(mode="json")}


def _adapted_from_json(values: dict[str, Any], folder: Path) -> Adapted:
    settings = make_settings(FinetuneSettings, values["settings"], where=f"adaptation of the checkpoint '{folder}'")
    return Adapted(values["folder"], values["weights_sha256"], tuple(values["session_ids"]), settings)
