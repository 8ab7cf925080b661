"""Wheel speed: known movements, and positions that give none."""

import numpy as np
import pytest

from spikeglot.data.session import Trace
from spikeglot.data.sources.wheel import wheel_speed


def test_the_speed_of_a_known_movement():
    """A slow sine, sampled unevenly: its speed is the absolute value of its derivative."""
    times_s = np.sort(np.random.default_rng(0).uniform(0, 10, 4000))
    speed = wheel_speed(Trace(times_s, np.sin(2 * times_s)))
    inside = (speed.times_s > 0.5) & (speed.times_s < 9.5)
    truth = np.abs(2 * np.cos(2 * speed.times_s))
    assert np.abs(speed.values - truth)[inside].max() < 0.05
    assert np.allclose(np.diff(speed.times_s), 0.01)


def test_a_wheel_at_rest_has_speed_zero_although_it_is_not_sampled():
    speed = wheel_speed(Trace(np.array([0.0, 1.0, 61.0]), np.array([0.0, 3.0, 3.0])))
    assert np.abs(speed.values[speed.times_s > 1.5]).max() < 1e-4
    assert np.median(speed.values[speed.times_s < 0.8]) == pytest.approx(3.0, abs=1e-3)


def test_what_is_faster_than_the_corner_is_taken_out():
    times_s = np.arange(0, 10, 0.001)
    shaking = wheel_speed(Trace(times_s, 0.01 * np.sin(2 * np.pi * 60 * times_s)))
    assert shaking.values[50:-50].max() < 0.01 * (2 * np.pi * 60 * 0.01)


@pytest.mark.parametrize("values", [[0.0, np.nan], [0.0]])
def test_positions_without_a_speed(values):
    assert wheel_speed(Trace(np.arange(len(values), dtype=float), np.array(values))) is None


def test_a_clock_gone_wild_is_refused_before_the_memory_is_full():
    assert wheel_speed(Trace(np.array([0.0, 1.0, 1e12]), np.zeros(3))) is None
