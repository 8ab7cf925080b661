"""What a session's part of the model starts from: nothing, its mean rates, or the factor path in closed form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from spikeglot.batch import SessionTensors, mean_count
from spikeglot.events import Listener, Progress
from spikeglot.models.mtm import MtM
from spikeglot.training.closed_form.fit import SessionFit, fit_factors, learn_unit_prior


def start_sessions(
    model: MtM, sessions: Mapping[str, SessionTensors], schemes: Sequence[str], listen: Listener
) -> list[SessionFit]:
    """Set what is known in closed form about each of ``sessions`` from its training trials (in place).

    Every session starts from the model's prior of a unit, which stays as it is; returns what was found, from which
    `start_model` learns the prior.
    """
    fits: list[SessionFit] = []
    if model.settings.start == "zero":
        return fits
    for done, (session_id, session) in enumerate(sessions.items(), start=1):
        stitcher = model.stitcher(session_id)
        with torch.no_grad():
            stitcher.mean_count.copy_(mean_count(session.counts))
        if stitcher.factors is not None and model.unit_prior is not None:
            fits.append(fit_factors(stitcher.factors, session, model.unit_prior, model.settings.factors, schemes))
        listen(Progress("fit", done, len(sessions), session_id))
    return fits


def start_model(model: MtM, sessions: Mapping[str, SessionTensors], schemes: Sequence[str], listen: Listener) -> None:
    """Start all sessions of a new model, then learn from them what a unit of another animal will be like (in place)."""
    fits = start_sessions(model, sessions, schemes, listen)
    if fits and model.unit_prior is not None:
        learn_unit_prior(model.unit_prior, fits)
