"""Ray Train: two workers make the model that one process makes, even if one is lost; what fails is said."""

import importlib.util
import sys

import pytest

from spikeglot import SpikeglotError, ray_train

HAS_RAY = importlib.util.find_spec("ray") is not None

WORK = """
import ray

ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
sg.ray_train(work, 2, max_failures=1)
"""


@pytest.mark.skipif(HAS_RAY, reason="Ray is here")
def test_without_ray_it_is_named():
    with pytest.raises(SpikeglotError, match=r"spikeglot\[ray\]"):
        ray_train(lambda: None, 2)


@pytest.mark.slow
@pytest.mark.skipif(not HAS_RAY, reason="needs Ray")
def test_a_lost_worker_is_replaced_and_the_model_is_the_same(together, tmp_path):
    together.scope()["pretrain"](tmp_path / "one")
    script = together.SCRIPT + together.LOSE_A_RANK + WORK
    process = together.begin([sys.executable, "-c", script, str(tmp_path / "run")])
    status, _, said = together.finish([process])[0]
    assert status == 0, said
    assert (tmp_path / "a rank was lost").exists()
    together.assert_equal_runs(tmp_path / "one", tmp_path / "run")
