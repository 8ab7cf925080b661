"""What a session's part of the model starts from: nothing, its mean rates, or the factor path in closed form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from spikeglot.batch import SessionTensors, mean_count
from spikeglot.events import Listener, Progress
from spikeglot.models.mtm import MtM
from spikeglot.training.closed_form.fit import SessionFit, fit_factors, learn_unit_prior
from spikeglot.training.distributed import ALONE, Ranks


def start_sessions(
    model: MtM,
    sessions: Mapping[str, SessionTensors],
    schemes: Sequence[str],
    listen: Listener,
    ranks: Ranks = ALONE,
) -> list[SessionFit]:
    """Set what is known in closed form about each of ``sessions`` from its training trials (in place).

    Every session starts from the model's prior of a unit, which stays as it is; returns what was found, from which
    `start_model` learns the prior. Several ranks take sessions in turn and then share what they found.
    """
    if model.settings.start == "zero":
        return []
    fits: dict[str, SessionFit] = {}
    for n, (session_id, session) in enumerate(sessions.items()):
        if n % ranks.size != ranks.rank:
            continue
        stitcher = model.stitcher(session_id)
        with torch.no_grad():
            stitcher.mean_count.copy_(mean_count(session.counts))
        if stitcher.factors is not None and model.unit_prior is not None:
            factors = stitcher.factors
            fits[session_id] = fit_factors(factors, session, model.unit_prior, model.settings.factors, schemes)
        listen(Progress("fit", min(n + ranks.size, len(sessions)), len(sessions), session_id))
    for n, session_id in enumerate(sessions):
        ranks.share(model.stitcher(session_id), source=n % ranks.size)
    of_all = {session_id: fit for some in ranks.gather(fits) for session_id, fit in some.items()}
    return [of_all[session_id] for session_id in sessions if session_id in of_all]


def start_model(
    model: MtM,
    sessions: Mapping[str, SessionTensors],
    schemes: Sequence[str],
    listen: Listener,
    ranks: Ranks = ALONE,
) -> None:
    """Start all sessions of a new model, then learn from them what a unit of another animal will be like (in place)."""
    fits = start_sessions(model, sessions, schemes, listen, ranks)
    if fits and model.unit_prior is not None:
        learn_unit_prior(model.unit_prior, fits)
