"""What an architecture is: stitched counts in, states out. All else (stitchers, prompts, training) is shared."""

from __future__ import annotations

from typing import NamedTuple, TypeVar

from torch import Tensor, nn

from spikeglot.settings import ModelSettings, Settings, make_settings

O = TypeVar("O", bound=Settings)  # noqa: E741


class Coded(NamedTuple):
    """What an architecture makes of some trials.

    ``states`` (trial, time, patch, state width), from which log-rates are read; ``penalty`` (trial,), in nats, what a
    trial adds to the objective in training (the KL of a variational model), or None.
    """

    states: Tensor
    penalty: Tensor | None = None


class Architecture(nn.Module):
    """Base of the classes that files in `spikeglot.models.architectures` define as their ``ARCHITECTURE``.

    Attributes
    ----------
    state_width:
        Features of a state.
    patch_units:
        Units per patch, each with channels and states of its own; None where all units of a session share them.
    """

    state_width: int
    patch_units: int | None = None

    def __init__(self, settings: ModelSettings, n_bins: int) -> None:
        super().__init__()
        self.settings, self.n_bins = settings, n_bins

    def forward(self, channels: Tensor, prefix: Tensor, causal: Tensor) -> Coded:
        """Return states.

        ``channels`` (trial, time, patch, stitch_width) are stitched counts, those that are hidden as nothing;
        ``prefix`` (trial, token, width) the prompt and, if the model has one, the session token; ``causal`` (trial,)
        whether no bin may depend on a later one.
        """
        raise NotImplementedError

    def shared(self, channels: Tensor, which: Tensor, prefix: Tensor, causal: Tensor) -> Coded:
        """Return ``forward(channels[which], prefix, causal)`` of a model that is not trained (without dropout).

        ``channels`` (token, stitch_width) are all different tokens of all trials, each of one bin and patch, and
        ``which`` (trial, time, patch) says where each stands. An architecture that treats tokens one by one at first
        may do so once for all trials that share them.
        """
        return self(channels[which], prefix, causal)

    def options(self, kind: type[O]) -> O:
        """Return ``model.options`` checked against an architecture's own settings.

        Raises
        ------
        SettingsError
            An option that it does not have, or a wrong value.
        """
        return make_settings(kind, dict(self.settings.options), f"model.options of {self.settings.architecture}")
