"""Small sessions, a recipe that trains in a moment, and made-up score rows."""

import numpy as np
import pandas as pd
import pytest

import spikeglot as sg
from spikeglot.settings import TASKS
from spikeglot.studies.engine.folder import COLUMNS
from spikeglot.studies.engine.study import Asked, load_study

REGIONS = ("VISp",) * 6 + ("CA1",) * 5
N_TRIALS = 50


@pytest.fixture(scope="session")
def sessions(factories):
    """Five sessions of the animals A, A, B, C, C, with choices that the counts tell."""
    made = []
    for i, subject in enumerate(("A", "A", "B", "C", "C")):
        counts = factories.shared_counts(N_TRIALS, len(REGIONS), seed=i, rate=1.0)
        trials = pd.DataFrame({"choice": np.where(counts.sum((1, 2)) > np.median(counts.sum((1, 2))), 1.0, -1.0)})
        made.append(
            sg.from_counts(counts, 0.02, session_id=f"s{i}", subject_id=subject, regions=REGIONS, trials=trials)
        )
    return made


@pytest.fixture(scope="session")
def tiny(factories):
    return factories.small_recipe(window={"align": "start_s"}, model={"depth": 1}, train={"steps": 2})


@pytest.fixture
def ask(sessions, tiny):
    """Ask for a study without doing it: ``ask("transfer", n_seeds=2, hold_out=["C"])``."""

    def make(name, n_seeds=1, n_sessions=5, **settings):
        own = load_study(name).settings(**settings)
        return Asked(sg.Sessions(sessions[:n_sessions]), tiny, tuple(range(n_seeds)), ("mean-rate",), own)

    return make


@pytest.fixture(scope="session")
def make_rows():
    """Made-up score rows: ``make_rows({("s0", 0): {"A": 0.3, "B": [0.1, 0.2, 0.3, 0.4]}})``, values per task."""

    def make(values, tasks=TASKS, **more):
        rows = []
        for (session_id, seed), models in values.items():
            for name, scores in models.items():
                scores = [scores] * len(tasks) if np.isscalar(scores) else scores
                rows += [
                    row_of(session_id, seed, name, task, value, **more)
                    for task, value in zip(tasks, scores, strict=True)
                ]
        return pd.DataFrame(rows)

    return make


def row_of(session_id, seed, name, task, value, **more):
    """One row of bits per spike; a name with a star is a baseline."""
    is_model = not name.endswith("*")
    blank = {column: "" for column, kind in COLUMNS.items() if kind is str}
    return {
        **blank,
        "model": "mtm" if is_model else name,
        "variant": name,
        "seed": seed,
        "task": task,
        "metric": "bits_per_spike",
        "null": "test",
        "aggregation": "mean",
        "session_id": session_id,
        "subject_id": "mouse",
        "n_spikes": 10,
        "value": value,
        **more,
    }
