"""Work fans out: everything comes back, in order where that is asked for, and workers are told what they may use."""

import os
import sys
import time

import pytest

from spikeglot import workers as workers_file
from spikeglot.errors import SettingsError, SpikeglotError
from spikeglot.workers import check_workers, fan_out, pin_gpu, visible_gpus


@pytest.fixture
def slow_first():
    """The first items take longest, so that an order of what is done first would be another one."""

    def slow_first(number):
        time.sleep(0.2 * max(0, 2 - number))
        return number, os.getpid()

    return slow_first


@pytest.mark.parametrize("workers", [1, 2])
def test_everything_comes_back(workers, slow_first):
    found = list(fan_out(slow_first, iter(range(7)), workers, in_order=True))
    assert [number for number, _ in found] == list(range(7))
    assert (os.getpid() in {process for _, process in found}) == (workers == 1)
    found = list(fan_out(slow_first, range(7), workers))
    assert sorted(number for number, _ in found) == list(range(7))


def test_a_worker_that_is_gone_is_told():
    with pytest.raises(SpikeglotError, match="fewer workers"):
        list(fan_out(lambda number: os._exit(1), range(3), 2))


@pytest.mark.slow
def test_ray_does_the_same(slow_first):
    ray = pytest.importorskip("ray")
    try:
        found = list(fan_out(slow_first, iter(range(7)), "ray", in_order=True))
        unordered = list(fan_out(slow_first, iter(range(7)), "ray"))
    finally:
        ray.shutdown()
    assert [number for number, _ in found] == list(range(7))
    assert os.getpid() not in {process for _, process in found}
    assert sorted(number for number, _ in unordered) == list(range(7))


def test_workers_are_a_number_or_ray(monkeypatch):
    assert check_workers("3") == 3
    assert check_workers("ray") == "ray"
    assert check_workers(None) >= 1
    for wrong in ("0", -1, "many"):
        with pytest.raises(SettingsError, match="number of processes"):
            check_workers(wrong)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(SettingsError, match="pip install ray"):
        next(fan_out(str, [1], "ray"))


def test_workers_share_the_gpus(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    assert visible_gpus() == ("2", "5")
    for worker, gpu in ((1, "5"), (2, "2"), (3, "5")):
        name = f"LokyProcess-{worker}"
        monkeypatch.setattr(workers_file.multiprocessing, "current_process", lambda name=name: Named(name))
        pin_gpu.cache_clear()
        pin_gpu(("2", "5"))
        assert os.environ["CUDA_VISIBLE_DEVICES"] == gpu
    pin_gpu.cache_clear()


class Named:
    def __init__(self, name):
        self.name = name
