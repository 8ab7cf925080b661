"""The order of units: by region, by depth, by the shape of their responses."""

import numpy as np
import pandas as pd
import pytest

from spikeglot.errors import DataError, SettingsError
from spikeglot.viz.unit_order import by_region, sort_units

PEAK = np.array([0.9, 0.1, 0.5, 0.7, 0.3, 0.2, 0.8])
PROFILE = 3 + np.exp(-((np.linspace(0, 1, 50)[:, None] - PEAK) ** 2) / 0.08)
REGIONS = np.array(["b", "b", "b", "b", "b", "", "a"], object)


def in_a_circle(peaks):
    return any((np.diff(np.roll(way, k)) > 0).all() for way in (peaks, peaks[::-1]) for k in range(len(peaks)))


def test_units_are_sorted_by_region_then_by_shape():
    order = by_region(np.concatenate([PROFILE, 2 * PROFILE]), REGIONS)
    assert REGIONS[order].tolist() == ["a", *"bbbbb", ""]
    assert in_a_circle(PEAK[order[1:6]]), "neighbours have neighbouring peaks (round a circle)"


def test_by_name():
    units = pd.DataFrame({"region": REGIONS, "depth_um": [30, 10, np.nan, 20, 50, 40, 0]})
    assert sort_units(PROFILE, units, "region").tolist() == by_region(PROFILE, REGIONS).tolist()
    assert sort_units(PROFILE, units, "depth").tolist() == [6, 1, 3, 0, 5, 4, 2]
    assert in_a_circle(PEAK[sort_units(PROFILE, units, "similarity")])


def test_silent_units_and_a_single_one_have_a_place():
    flat = np.zeros((5, 3))
    assert sorted(sort_units(flat, pd.DataFrame({"region": ["a"] * 3}), "similarity")) == [0, 1, 2]
    assert sort_units(flat[:, :1], pd.DataFrame({"region": ["a"]}), "region").tolist() == [0]


def test_orders_that_do_not_exist():
    units = pd.DataFrame({"region": REGIONS})
    with pytest.raises(SettingsError, match="Did you mean 'region'"):
        sort_units(PROFILE, units, "regions")
    for table in (units, units.assign(depth_um=np.nan), units.assign(depth_um="deep")):
        with pytest.raises(DataError, match="no column 'depth_um' with numbers"):
            sort_units(PROFILE, table, "depth")
