"""Where the true rates are known: no model beats the oracle, and ours reaches most of what can be reached."""

import pytest
import torch

import spikeglot as sg
from spikeglot.evaluation.summary import ORACLE, summary_frame
from spikeglot.settings import TASKS

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Bits per spike of the demo's model, of all baselines and of the oracle, over the demo's four animals."""
    sessions = sg.simulate_sessions()
    checkpoint = sg.pretrain(sessions, out=tmp_path_factory.mktemp("demo") / "run", recipe="demo")
    return summary_frame(sg.evaluate(checkpoint, sessions))


@pytest.mark.slow
@pytest.mark.parametrize("aggregation", ["mean", "pooled"])
def test_the_oracle_is_above_every_model_on_every_task(table, aggregation):
    rivals = table.drop(index=ORACLE)
    assert len(rivals) == 8
    for task in TASKS:
        assert (rivals[f"{task} test {aggregation}"] < table.loc[ORACLE, f"{task} test {aggregation}"]).all(), task


@pytest.mark.slow
@pytest.mark.parametrize("task", ["co-smoothing", "inter-region"])
@pytest.mark.parametrize("aggregation", ["mean", "pooled"])
def test_the_demo_reaches_seven_tenths_of_the_oracle(table, task, aggregation):
    column = f"{task} test {aggregation}"
    assert table.loc["mtm", column] >= 0.7 * table.loc[ORACLE, column]
