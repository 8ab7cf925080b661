"""The speed of a wheel from its position, which is only sampled while it moves."""

from __future__ import annotations

import numpy as np

from spikeglot.data.session import Trace
from spikeglot.data.sources.traces import MAX_VALUES

EVEN_HZ = 1000.0
"""Rate at which the position is interpolated, linearly."""
CORNER_HZ = 20.0
ORDER = 8
"""Of the Butterworth low-pass filter, which runs forwards and backwards."""
SHORTEST = 3 * (ORDER + 1)
"""Samples that the filter needs more than."""
KEPT_EVERY = 10
"""Of so many samples one is kept: what the filter lets pass needs no more."""


def wheel_speed(position: Trace) -> Trace | None:
    """Return the speed in rad/s at 100 Hz, (sample,), of a position in rad.

    As the IBL computes it (International Brain Laboratory 2025, brain-wide map): the position at 1000 Hz, low-passed at
    20 Hz, its derivative, and the absolute value of that. None where the position is NaN somewhere, too short for the
    filter, or too long for the memory.

    >>> turning = Trace(np.array([0.0, 1.0, 4.0]), np.array([0.0, 2.0, 8.0]))
    >>> speed = wheel_speed(turning)
    >>> assert speed is not None
    >>> bool(np.allclose(speed.values[50:350], 2.0, atol=1e-3)), len(speed.values)
    (True, 400)
    """
    from scipy.signal import butter, sosfiltfilt

    times_s, values = position.times_s, position.values
    n_even = int((times_s[-1] - times_s[0]) * EVEN_HZ) if len(times_s) > 1 else 0
    fits = SHORTEST < n_even <= MAX_VALUES
    if not fits or values.ndim != 1 or not np.isfinite(values).all():
        return None
    even_s = times_s[0] + np.arange(n_even) / EVEN_HZ
    low = butter(ORDER, CORNER_HZ, fs=EVEN_HZ, output="sos")
    smooth = sosfiltfilt(low, np.interp(even_s, times_s, values))
    speed = np.abs(np.gradient(smooth, 1 / EVEN_HZ))
    return Trace(even_s[::KEPT_EVERY], speed[::KEPT_EVERY].astype(np.float32))
