"""Validation on fixed masks: the four tasks, a few questions per trial, drawn once from the seed."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from spikeglot.batch import SessionTensors, mean_count
from spikeglot.masking.mask import PROMPTS, moved
from spikeglot.masking.tasks import Questions, ask, questions
from spikeglot.models.held_out import HeldOut
from spikeglot.models.mtm import MtM
from spikeglot.randomness import generator
from spikeglot.settings import TASKS, Recipe
from spikeglot.training.distributed import ALONE, Ranks
from spikeglot.training.objective import poisson_loss
from spikeglot.training.sharding import gathered

ROWS_AT_ONCE = 128


class Scored(NamedTuple):
    """Predictions that are scored: ``log_rate`` and ``counts`` of one shape, ``units`` along its last axis."""

    log_rate: Tensor
    counts: Tensor
    units: Tensor


class Validation:
    """Bits per spike of validation trials on fixed task masks, pooled, against each unit's training mean.

    The training mean is the null here because a fixed sample of questions leaves units with no spike to average.
    """

    def __init__(
        self,
        train: Mapping[str, SessionTensors],
        val: Mapping[str, SessionTensors],
        recipe: Recipe,
        ranks: Ranks = ALONE,
    ) -> None:
        self.ranks = ranks
        self.prompted = recipe.mask.prompted
        self.parts: dict[str, list[tuple[SessionTensors, Tensor, Tensor]]] = defaultdict(list)
        # each rank reads the training counts of some sessions, and tells the others
        own = {name: mean_count(train[name].counts).log() for name in list(val)[ranks.rank :: ranks.size]}
        known = {name: rate for some in ranks.gather(own) for name, rate in some.items()}
        self.null_log_rate = {name: known[name] for name in val}
        n_asked = recipe.train.validation_questions
        for session_id, session in val.items():
            for task in TASKS:
                asked = questions(task, session.region, session.n_bins)
                if len(asked) == 0:
                    continue
                n = min(n_asked, len(asked))
                draws = generator(recipe.seed, "validation", session_id, task)
                lottery = torch.rand((session.n_trials, len(asked)), generator=draws)
                rows = lottery.topk(n, dim=1).indices.flatten()
                trials = torch.arange(session.n_trials).repeat_interleave(n)
                for t, r in zip(trials.split(ROWS_AT_ONCE), rows.split(ROWS_AT_ONCE), strict=True):
                    self.parts[task].append((session, t, r))

    @torch.no_grad()
    def score_sessions(self, model: MtM, device: torch.device) -> dict[str, dict[str, float]]:
        """Return bits per spike by session and task, without the tasks that a session does not allow."""
        was_training = model.training
        model.eval()
        scores: dict[str, dict[str, float]] = {session_id: {} for session_id in self.null_log_rate}
        with gathered(model):
            for task in TASKS:
                for session_id, value in self._score_task(model, task, device).items():
                    scores[session_id][task] = value
        model.train(was_training)
        return scores

    def score(self, model: MtM, device: torch.device) -> dict[str, float]:
        """Return bits per spike by task, mean over sessions; NaN for a task that no session allows."""
        return mean_over_sessions(self.score_sessions(model, device))

    def _score_task(self, model: MtM, task: str, device: torch.device) -> dict[str, float]:
        # summed where they are computed: reading each of them would wait for a GPU every time
        nothing = torch.zeros(2, dtype=torch.float64, device=device)
        tally = dict.fromkeys(self.null_log_rate, nothing)
        for session, trials, rows in self.parts[task][self.ranks.rank :: self.ranks.size]:
            # listed anew: at 676 units those of a session take 2 MB, whatever its number of trials
            asked = questions(task, session.region, session.n_bins)
            fast = asked.n_hidden_bins == 0 and model.stitcher(session.session_id).factors is not None
            predict = self._hidden_units if fast else self._any_mask
            null = self.null_log_rate[session.session_id].to(device)
            for log_rate, counts, units in predict(model, session, asked, trials, rows, device):
                better = poisson_loss(null[units], counts) - poisson_loss(log_rate, counts)
                own = torch.stack([better.sum(), counts.sum()]).double()
                tally[session.session_id] = tally[session.session_id] + own
        of_all = self.ranks.sum(torch.stack(list(tally.values()))).tolist()
        return {
            name: its_gain / (its_spikes * math.log(2))
            for name, (its_gain, its_spikes) in zip(self.null_log_rate, of_all, strict=True)
            if its_spikes > 0
        }

    def _any_mask(
        self,
        model: MtM,
        session: SessionTensors,
        asked: Questions,
        trials: Tensor,
        rows: Tensor,
        device: torch.device,
    ) -> Iterator[Scored]:
        """Predict by a pass of the model per pair of trial and question."""
        mask = ask(asked, rows, session.n_bins)
        group = session.group(trials, mask if self.prompted else mask.unprompted()).to(device)
        target = group.mask.target
        yield Scored(model([group])[0][target], group.counts[target], target.nonzero()[:, 2])

    def _hidden_units(
        self,
        model: MtM,
        session: SessionTensors,
        asked: Questions,
        trials: Tensor,
        rows: Tensor,
        device: torch.device,
    ) -> Iterator[Scored]:
        """Predict the same where whole units are hidden, with the features of the factors computed once per trial."""
        prompt = PROMPTS.index(asked.told if self.prompted else "none")
        for trial in trials.unique():
            its = rows[trials == trial]
            counts, start_s = moved(session.at(trial[None]), device), moved(session.start_s[trial[None]], device)
            targets = [moved(asked.target[row].nonzero()[:, 0], device) for row in its]
            held_out = HeldOut(model, session.session_id, counts, start_s)
            prompts = torch.full((len(its),), prompt, device=device)
            found = held_out.predict(moved(asked.visible[its], device), targets, prompts)
            for units, log_rate in zip(targets, found, strict=True):
                yield Scored(log_rate, counts[:, :, units], units)


def mean_over_sessions(scores: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return the mean by task over the sessions that have a score; NaN for a task without any."""
    by_task = {task: [of[task] for of in scores.values() if task in of] for task in TASKS}
    return {task: sum(values) / len(values) if values else math.nan for task, values in by_task.items()}


def mean_score(scores: Mapping[str, float]) -> float:
    """Return the mean over the tasks that were scored."""
    known = [value for value in scores.values() if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan
