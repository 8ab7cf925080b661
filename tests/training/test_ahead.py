"""What a thread makes ahead comes in order, one item ahead, and its errors come where it was waited for."""

import threading

import pytest
import torch

from spikeglot.training.ahead import ahead, in_thread


def counted(n, made, fail_at=None):
    for i in range(n):
        if i == fail_at:
            raise ValueError(f"no {i}")
        made.append((i, threading.get_ident()))
        yield i


def test_items_come_in_order_from_one_thread_that_was_begun():
    made, begun = [], []
    found = list(in_thread(counted(20, made), lambda: begun.append(threading.get_ident())))
    assert found == list(range(20))
    assert begun == [made[0][1]]
    assert {thread for _, thread in made} == set(begun) != {threading.get_ident()}


def test_it_is_one_item_ahead_and_no_more():
    made = []
    for item in in_thread(counted(6, made), lambda: None):
        assert item + 1 <= len(made) + 1 <= item + 3


def test_an_error_comes_after_the_items_before_it():
    items = in_thread(counted(6, [], fail_at=3), lambda: None)
    assert [next(items) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="no 3"):
        next(items)


def test_who_stops_early_leaves_no_thread():
    before = threading.active_count()
    items = in_thread(counted(100, []), lambda: None)
    assert next(items) == 0
    items.close()
    assert threading.active_count() == before


def test_for_a_gpu_the_thread_pins_what_it_makes(monkeypatch):
    current = []
    monkeypatch.setattr(torch.cuda, "set_device", current.append)
    device = torch.device("cuda", 0)
    assert list(ahead(counted(3, []), device, pin=lambda item: -item)) == [0, -1, -2]
    assert current == [device]


def test_on_a_cpu_nothing_runs_ahead():
    made = []
    items = ahead(counted(5, made), torch.device("cpu"), pin=float)
    assert next(items) == 0
    assert made == [(0, threading.get_ident())]
