"""Every setting, with its real default: frozen, typed, unknown keys refused. A recipe is a TOML file of these."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from spikeglot.errors import SettingsError, did_you_mean


class Settings(BaseModel):
    """Base of all settings: frozen, and a name that is not known is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


class WindowSettings(Settings):
    """The stretch of time that the model sees: around an event of each trial, or tiled over the recorded time."""

    align: str | None = None
    """Column of the trials table whose event windows are aligned to; without it windows are tiled over time."""
    start_s: float = 0.0
    """Start of the window relative to the event, in seconds."""
    stop_s: float = 1.0
    """End of the window relative to the event, in seconds."""
    bin_size_s: float = Field(default=0.02, gt=0)
    """Width of a bin in seconds; the window must hold a whole number of bins."""

    @model_validator(mode="after")
    def _whole_bins(self) -> WindowSettings:
        n = (self.stop_s - self.start_s) / self.bin_size_s
        if n < 1 - 1e-6 or abs(n - round(n)) > 1e-6:
            raise ValueError(
                f"a window from {self.start_s} to {self.stop_s} s does not hold a whole number of bins of "
                f"{self.bin_size_s} s ({n:.4g}); change window.stop_s or window.bin_size_s"
            )
        return self

    @property
    def n_bins(self) -> int:
        return round((self.stop_s - self.start_s) / self.bin_size_s)

    @property
    def duration_s(self) -> float:
        return self.n_bins * self.bin_size_s


class QualitySettings(Settings):
    """Which units and trials are kept. What is dropped is listed with its reason."""

    exclude_regions: tuple[str, ...] = ("root", "void")
    """Regions that are no regions: their units are dropped."""
    min_rate_hz: float = Field(default=1.0, ge=0)
    """Units that fire less than this in the windows are dropped."""
    min_units_per_region: int = Field(default=5, ge=1)
    """Regions with fewer kept units are dropped (ignored for a session without regions)."""
    units: str = ""
    """A pandas query on the units table, for instance "label == 1"; the rest is dropped."""
    trials: str = ""
    """A pandas query on the trials table, for instance "photostim == 0"; the rest is dropped."""


class SplitSettings(Settings):
    """How the trials of a session are split; per session, from a seed."""

    train: float = Field(default=0.7, gt=0, lt=1)
    """Share of trials to train on."""
    val: float = Field(default=0.1, gt=0, lt=1)
    """Share of trials for the choice of the checkpoint; the rest is the test set."""
    kind: Literal["random", "blocked"] = "random"
    """Random over trials, or blocks of consecutive trials (stricter: few trials have a neighbour in another part)."""
    train_trials: int | None = Field(default=None, ge=1)
    """Use this many of the training trials, drawn at random, and validation trials in proportion: few-shot."""
    seed: int = Field(default=0, ge=0)
    """Seed of the permutation; the run's --seed does not change the split."""

    @model_validator(mode="after")
    def _leaves_a_test_set(self) -> SplitSettings:
        if self.train + self.val >= 1:
            raise ValueError(f"split.train + split.val = {self.train + self.val:g} leaves no test trials")
        return self


S = TypeVar("S", bound=Settings)
TASKS = ("co-smoothing", "inter-region", "intra-region", "forward")
"""The four tasks, in the order of tables."""
TRANSLATE = "translate"
"""Name, in score tables, of the task that a user sets: some units from some others."""
FORWARD_SHARE = 0.1
"""Share of the bins, at the end of the window, that forward prediction hides and scores (at least one bin)."""


def n_forward_bins(n_bins: int) -> int:
    """Return how many bins at the end of a window of ``n_bins`` forward prediction scores."""
    return max(1, round(FORWARD_SHARE * n_bins))


SCHEMES = ("temporal", "neuron", "causal", "forecast", "inter-region", "intra-region", "random-token")
"""The masking schemes that a model can be trained on (METHOD, section 2); `spikeglot.masking.schemes` draws them."""


class RatioSettings(Settings):
    """The share that each scheme hides (schemes on whole regions or the end of the window need none)."""

    temporal: float = Field(default=0.3, gt=0, lt=1)
    """Share of the bins."""
    neuron: float = Field(default=0.3, gt=0, lt=1)
    """Share of the units."""
    causal: float = Field(default=0.6, gt=0, lt=1)
    """Share of the bins."""
    intra_region: float = Field(default=0.3, gt=0, lt=1)
    """Share of the units of the region."""
    random_token: float = Field(default=0.3, gt=0, lt=1)
    """Share of the (bin, unit) entries."""

    def of(self, scheme: str) -> float:
        """Return the ratio of a scheme; 0 where the scheme has none."""
        return getattr(self, scheme.replace("-", "_"), 0.0)


class MaskSettings(Settings):
    """Which masks a model is trained on."""

    schemes: tuple[str, ...] = ("neuron", "causal", "intra-region", "inter-region")
    """The mixture; the four of MtM. A single name trains on that scheme alone."""
    draw: Literal["trial", "batch"] = "trial"
    """A scheme per trial, or one for the whole batch (as the official code does)."""
    prompted: bool = True
    """Tell the model which scheme or task a mask is from (a learned prompt token)."""
    masks_per_trial: int = Field(default=1, ge=1)
    """Masks drawn per trial and step; several make more of few trials."""
    ratio: RatioSettings = RatioSettings()

    @model_validator(mode="after")
    def _has_known_schemes(self) -> MaskSettings:
        if not self.schemes:
            raise ValueError("mask.schemes is empty; name at least one scheme")
        for name in self.schemes:
            if name not in SCHEMES:
                raise ValueError(f"mask.schemes names no scheme with '{name}'.{did_you_mean(name, SCHEMES)}")
        return self


class FactorSettings(Settings):
    """The closed-form factor path that a model starts from (docs/explain/method.md)."""

    n_factors: int = Field(default=24, ge=1)
    """Factors per time scale (at most one for ten units of a session)."""
    timescales_s: tuple[Annotated[float, Field(gt=0)], ...] = (0.03,)
    """Widths (s.d. of a Gaussian) of the smoothed counts, slow to fast, below the window mean."""
    prior_trials: float = Field(default=20.0, ge=0)
    """Trials' worth of uncorrelated units that the covariance of window means is shrunk with."""
    prior_bins: float = Field(default=200.0, ge=0)
    """The same for the faster time scales, in bins."""
    ridge: float = Field(default=60.0, gt=0)
    """Precision of the prior on the weights from factors to log-rates; it is learned from there."""
    drift_waves: int = Field(default=12, ge=0)
    """Cosines over the session that carry a unit's slow drift; 0 switches drift off."""
    drift_ridge: float = Field(default=20.0, gt=0)
    """Precision of the prior on the slowest cosine; it grows with the square of the frequency."""
    psth_resolution_s: float = Field(default=0.06, gt=0)
    """The trial average is carried by cosines over the window down to about this half-period, in seconds."""
    psth_ridge: float = Field(default=10.0, gt=0)
    """Precision of the prior on the slowest of these cosines; it grows with frequency."""
    past_ridge: float = Field(default=2e5, gt=0)
    """Precision, times the number of trials, of the prior on what a unit's own past adds."""


class ModelSettings(Settings):
    """NDT1 with stitchers. The published sizes are in the recipe "published"."""

    start: Literal["zero", "rates", "factors"] = "factors"
    """What a session starts from: rate 1 per bin (published), the units' mean rates, or the factor path."""
    width: int = Field(default=128, ge=8)
    """Width of the backbone."""
    depth: int = Field(default=2, ge=1)
    """Transformer layers."""
    heads: int = Field(default=4, ge=1)
    """Attention heads."""
    mlp_width: int = Field(default=256, ge=8)
    """Hidden width of the MLP in a layer."""
    stitch_width: int = Field(default=128, ge=8)
    """Channels that a session's units are read into."""
    dropout: float = Field(default=0.4, ge=0, lt=1)
    """Dropout in the layers."""
    embed_dropout: float = Field(default=0.2, ge=0, lt=1)
    """Dropout of the tokens before the first layer."""
    position: Literal["learned", "rotary"] = "learned"
    """How bins know their place: learned embeddings, or rotated queries and keys."""
    session_token: bool = True
    """Prepend a learned token per session."""
    factors: FactorSettings = FactorSettings()

    @model_validator(mode="after")
    def _heads_divide(self) -> ModelSettings:
        if self.width % (2 * self.heads):
            raise ValueError(f"model.width {self.width} is not a multiple of twice model.heads {self.heads}")
        return self


class TrainSettings(Settings):
    """The training loop."""

    steps: int = Field(default=600, ge=0)
    """Optimiser steps; 0 keeps the closed-form start."""
    batch_size: int = Field(default=32, ge=1)
    """Trials per step, of all sessions together."""
    session_exponent: float = Field(default=1.0, ge=0, le=1)
    """Share of a session: its trials to this power. 1: every trial once per epoch; 0: every session the same."""
    learning_rate: float = Field(default=1e-3, gt=0)
    """Peak of the one-cycle cosine."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Weight decay of AdamW, on matrices only."""
    warmup: float = Field(default=0.15, ge=0, lt=1)
    """Share of the steps over which the learning rate rises."""
    clip_norm: float = Field(default=1.0, gt=0)
    """Gradients are clipped to this norm."""
    objective: Literal["poisson", "mse"] = "poisson"
    """What is minimised: the Poisson negative log-likelihood, or the squared error of the counts."""
    validate_every: int = Field(default=100, ge=1)
    """Steps between validations; each saves the checkpoint "last" and, when better, "best"."""
    validation_questions: int = Field(default=8, ge=1)
    """Masks per task and validation trial, drawn once."""
    device: str = "auto"
    """Where to compute: auto (a GPU where there is one), cpu or cuda."""


class Recipe(Settings):
    """All that decides a run. Same recipe, data and machine: same numbers."""

    seed: int = 0
    """Seed of weights, order of trials, masks and dropout."""
    window: WindowSettings = WindowSettings()
    quality: QualitySettings = QualitySettings()
    split: SplitSettings = SplitSettings()
    mask: MaskSettings = MaskSettings()
    model: ModelSettings = ModelSettings()
    train: TrainSettings = TrainSettings()


def embedded_recipes() -> tuple[str, ...]:
    """Names of the recipes that ship with the package."""
    folder = files("spikeglot") / "recipes"
    return tuple(sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml")))


def load_recipe(name_or_path: str | Path, **overrides: Any) -> Recipe:
    """Read a recipe: a TOML file, or the name of an embedded one; ``overrides`` replace settings of it.

    >>> load_recipe("demo", seed=3, window={"stop_s": 0.5}).window.n_bins
    25

    Raises
    ------
    SettingsError
        No such recipe; not TOML; a setting that is unknown or has a wrong value (every one is named).
    """
    path = Path(name_or_path)
    if path.suffix == ".toml":
        if not path.is_file():
            raise SettingsError(f"There is no recipe file '{path}'. Embedded recipes: {', '.join(embedded_recipes())}.")
        content = path.read_bytes()
    elif str(name_or_path) in embedded_recipes():
        content = (files("spikeglot") / "recipes" / f"{name_or_path}.toml").read_bytes()
    else:
        suggestion = did_you_mean(str(name_or_path), embedded_recipes())
        names = ", ".join(embedded_recipes())
        raise SettingsError(f"There is no recipe '{name_or_path}'.{suggestion} Give a .toml file or one of: {names}.")
    try:
        values = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"The recipe '{name_or_path}' is not TOML: {error}.") from error
    return make_recipe(_merged(values, overrides), where=f"recipe '{name_or_path}'")


def make_recipe(values: Mapping[str, Any], where: str = "settings") -> Recipe:
    """Return the `Recipe` of nested ``values``; what is not named keeps its default."""
    return make_settings(Recipe, values, where)


def make_settings(kind: type[S], values: Mapping[str, Any], where: str = "settings") -> S:
    """Return settings of a ``kind`` from nested ``values``; what is not named keeps its default.

    Raises
    ------
    SettingsError
        A setting is unknown or has a wrong value (every one is named).
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        problems = "; ".join(_explain(problem, kind) for problem in error.errors())
        raise SettingsError(f"Cannot use the {where}: {problems}.") from error


def _merged(values: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``values`` with ``overrides`` in their place, section by section."""
    merged = dict(values)
    for name, value in overrides.items():
        before = merged.get(name)
        merged[name] = _merged(before, value) if isinstance(before, dict) and isinstance(value, Mapping) else value
    return merged


def _explain(problem: Any, kind: type[BaseModel]) -> str:
    """Turn one pydantic problem into words, with a suggestion for an unknown name."""
    place = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        suggestion = did_you_mean(str(problem["loc"][-1]), _known(problem["loc"][:-1], kind))
        return f"there is no setting '{place}'.{suggestion}".rstrip(".")
    message = problem["msg"].removeprefix("Value error, ")
    # our own checks look at a whole section and name its settings themselves
    return message if problem["type"] == "value_error" else f"{place}: {message} (got {problem['input']!r})"


def _known(loc: tuple[Any, ...], section: type[BaseModel]) -> tuple[str, ...]:
    """Names of the settings inside the section ``loc`` of ``section``."""
    for name in loc:
        section = section.model_fields[str(name)].annotation  # type: ignore[assignment]
    return tuple(section.model_fields)
