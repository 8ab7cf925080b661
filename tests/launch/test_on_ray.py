"""Ray: two workers make the model that one process makes, even if one is lost; tasks that are lost are told."""

import importlib.util
import json
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


MAP = """
import json, os, sys
import ray
from spikeglot import prepare
from spikeglot.workers import fan_out

ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)

def work(item):
    if item == 2:
        os._exit(1)
    return -item

found = sorted(map(str, fan_out(work, [1, 2, 3], "ray", lost=lambda item, reason: f"{item} lost")))
first, again = (
    {one.name: one.state for one in prepare(sys.argv[1], out=sys.argv[2], workers="ray")} for _ in range(2)
)
with open(sys.argv[3], "w") as file:  # Ray, too, says things on stdout
    json.dump([found, first, again], file)
"""


@pytest.mark.slow
@pytest.mark.skipif(not HAS_RAY, reason="needs Ray")
def test_recordings_are_prepared_by_tasks_and_a_lost_one_is_told(together, recordings, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    for name in ("a", "b", "c"):
        recordings.write_npz(data / f"{name}.npz", session_id=name)
    (data / "d.npz").write_bytes(b"x")
    found_file = tmp_path / "found.json"
    process = together.begin([sys.executable, "-c", MAP, str(data), str(tmp_path / "out"), str(found_file)])
    status, _, said = together.finish([process])[0]
    assert status == 0, said
    found, first, again = json.loads(found_file.read_text())
    assert found == ["-1", "-3", "2 lost"]
    assert first == {"a": "prepared", "b": "prepared", "c": "prepared", str(data / "d.npz"): "failed"}
    assert again == {"a": "was there", "b": "was there", "c": "was there", str(data / "d.npz"): "failed"}
