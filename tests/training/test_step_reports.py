"""Steps are told in order and all of them, at once or a few at a time."""

import math

import pytest
import torch

from spikeglot.errors import SpikeglotError
from spikeglot.events import StepDone
from spikeglot.settings import TrainSettings
from spikeglot.training import step_reports
from spikeglot.training.step_reports import StepReports

CPU = torch.device("cpu")


def reports_of(monkeypatch, at_once):
    monkeypatch.setitem(step_reports.AT_ONCE, "cpu", at_once)
    told = []
    return StepReports(told.append, TrainSettings(steps=10), CPU), told


@pytest.mark.parametrize("at_once", [1, 3, 20])
def test_every_step_is_told_once_and_in_order(monkeypatch, at_once):
    reports, told = reports_of(monkeypatch, at_once)
    for step in range(10):
        reports.begin()
        reports.add(step, torch.tensor(float(step)), 4)
        assert len(told) == (step + 1) // at_once * at_once
    reports.tell()
    reports.tell()
    assert [event.step for event in told] == list(range(1, 11))
    assert [event.loss for event in told] == list(range(10))
    assert all(isinstance(event, StepDone) and event.trials_per_s > 0 for event in told)


def test_a_loss_that_is_not_finite_is_named_with_its_own_step(monkeypatch):
    reports, told = reports_of(monkeypatch, 3)
    reports.begin()
    reports.add(0, torch.tensor(1.0), 4)
    reports.add(1, torch.tensor(math.nan), 4)
    with pytest.raises(SpikeglotError, match="The loss is nan at step 2"):
        reports.add(2, torch.tensor(math.nan), 4)
    assert [event.step for event in told] == [1]


def test_a_run_that_is_told_a_few_steps_at_a_time_is_the_same_run(factories, monkeypatch, tmp_path):
    recipe = factories.small_recipe()
    logs = []
    for at_once in (1, 5):
        monkeypatch.setitem(step_reports.AT_ONCE, "cpu", at_once)
        events = []
        assert factories.train_run(tmp_path / str(at_once), recipe, listen=events.append)
        logs.append([(type(e).__name__, e.step, getattr(e, "loss", None)) for e in events])
    assert logs[0] == logs[1]
