"""What a session's part of the model starts from: nothing, its mean rates, or the factor path in closed form."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from spikeglot.batch import SessionTensors, mean_count
from spikeglot.events import Listener, Progress
from spikeglot.models.mtm import MtM
from spikeglot.training.factor_start import fit_factors


def start_sessions(model: MtM, train_sessions: Mapping[str, SessionTensors], listen: Listener) -> None:
    """Set what is known in closed form about every session from its training trials (in place)."""
    if model.settings.start == "zero":
        return
    for done, (session_id, session) in enumerate(train_sessions.items(), start=1):
        stitcher = model.stitcher(session_id)
        counts = session.counts.float()
        with torch.no_grad():
            stitcher.mean_count.copy_(mean_count(counts))
        if stitcher.factors is not None:
            fit_factors(stitcher.factors, session_id, counts, session.start_s, model.settings.factors)
        listen(Progress("fit", done, len(train_sessions), session_id))
