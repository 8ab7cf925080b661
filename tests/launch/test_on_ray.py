"""Ray Train: two workers make the model that one process makes, even if one is lost; what fails is said."""

import importlib.util
import os
import signal
import subprocess
import sys

import pytest
from safetensors.torch import load_file

from spikeglot import SpikeglotError, ray_train

LIMIT_S = 240
HAS_RAY = importlib.util.find_spec("ray") is not None

LOSE_A_WORKER = """
import threading, time
from pathlib import Path
import ray

out = Path(sys.argv[1])

def die_once():
    marker = out.with_name("a worker was lost")
    while not (out / "log.csv").exists() or len((out / "log.csv").read_text().splitlines()) < 7:
        time.sleep(0.01)
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), 9)

def work():
    if os.environ["RANK"] == "1":
        threading.Thread(target=die_once, daemon=True).start()
    pretrain(out, resume="if-begun", listen=lambda event: time.sleep(0.1))

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
    process = subprocess.Popen(
        [sys.executable, "-c", together.SCRIPT + LOSE_A_WORKER, str(tmp_path / "run")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=tmp_path,
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=LIMIT_S)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, said
    assert (tmp_path / "a worker was lost").exists()
    one, other = (load_file(tmp_path / name / "last" / "model.safetensors") for name in ("one", "run"))
    for name, value in one.items():
        assert value.numpy() == pytest.approx(other[name].numpy(), abs=1e-5), name
