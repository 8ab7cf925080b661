"""The raster figure: units in the right rows, a PNG that is not empty, and no trouble with odd sessions."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.image import imread

from spikeglot.errors import DataError
from spikeglot.viz.panels import apart
from spikeglot.viz.raster import plot_raster


def some_activity(n_trials=6, n_bins=10, n_units=8, seed=0):
    rng = np.random.default_rng(seed)
    rate = np.exp(rng.normal(size=(n_bins, n_units)) - 1)
    counts = rng.poisson(rate, (n_trials, n_bins, n_units)).astype(np.uint8)
    return counts, np.log(np.broadcast_to(rate, counts.shape)).astype(np.float32)


def test_the_figure_is_a_png_with_colours_and_nothing_is_edited(tmp_path):
    counts, log_rates = some_activity()
    before = counts.copy(), log_rates.copy()
    path = plot_raster(
        counts,
        log_rates,
        ["VISp"] * 4 + ["CA1"] * 3 + [""],
        tmp_path / "raster.png",
        bin_size_s=0.02,
        start_s=-0.1,
        align="stim_on_time",
        title="toy",
    )
    image = imread(path)
    assert image.shape[1] == pytest.approx(7.2 * 220, abs=2)
    assert len(np.unique((255 * image[..., :3]).astype(int) @ [1, 256, 65_536])) > 500
    np.testing.assert_array_equal(counts, before[0])
    np.testing.assert_array_equal(log_rates, before[1])


def test_the_same_input_gives_the_same_picture(tmp_path):
    counts, log_rates = some_activity()
    a, b = (
        plot_raster(counts, log_rates, ["VISp"] * 8, tmp_path / name, bin_size_s=0.02) for name in ("a.png", "b.png")
    )
    np.testing.assert_array_equal(imread(a), imread(b))
    c = plot_raster(counts, log_rates[:, ::-1], ["VISp"] * 8, tmp_path / "c.png", bin_size_s=0.02)
    assert (imread(c) != imread(a)).any(), "another prediction is another picture"


@pytest.mark.parametrize(("n_trials", "n_bins", "n_units", "n_single"), [(1, 1, 1, 2), (3, 5, 2, 0), (4, 20, 40, 3)])
def test_odd_sizes_and_silent_units(tmp_path, n_trials, n_bins, n_units, n_single):
    counts, log_rates = some_activity(n_trials, n_bins, n_units)
    counts[:, :, 0] = 0
    regions = [f"R{u // 2}" for u in range(n_units)]
    path = plot_raster(counts, log_rates, regions, tmp_path / "a.png", bin_size_s=0.02, n_single_trials=n_single)
    assert path.stat().st_size > 5000


def test_names_that_would_touch_move_apart_and_others_stay():
    moved = apart(np.array([1.0, 10.0, 10.5, 11.0, 30.0]), 2.0)
    np.testing.assert_allclose(moved, [1.0, 8.5, 10.5, 12.5, 30.0])
    assert np.diff(apart(np.sort(np.random.default_rng(0).uniform(0, 10, 30)), 1.0)).min() >= 1 - 1e-9


def test_sizes_that_do_not_fit(tmp_path):
    counts, log_rates = some_activity()
    with pytest.raises(DataError, match=r"\(6, 10, 8\), \(6, 10, 7\) and \(8,\)"):
        plot_raster(counts, log_rates[..., :7], ["VISp"] * 8, tmp_path / "a.png", bin_size_s=0.02)
    with pytest.raises(DataError, match="and \\(5,\\)"):
        plot_raster(counts, log_rates, ["VISp"] * 5, tmp_path / "a.png", bin_size_s=0.02)
    with pytest.raises(DataError, match="nothing to draw"):
        plot_raster(counts[:0], log_rates[:0], ["VISp"] * 8, tmp_path / "a.png", bin_size_s=0.02)
