"""The heat map of the region matrix: which numbers it shows, and in which colours."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread
from rich.console import Console

from spikeglot.errors import DataError
from spikeglot.viz.matrix import one_session, plot_region_matrix, square, without_spikes
from spikeglot.viz.translation import matrix_table

NAMES = ("CA1", "TH", "VISp")
VALUES = {
    "mtm": [[0.3, 0.2, -0.1], [0.1, np.nan, 0.4], [0.25, 0.0, 0.5]],
    "ridge": [[0.2, 0.1, -0.2], [0.1, np.nan, 0.3], [0.15, 0.0, 0.4]],
    "mtm-blind": [[0.05, 0.02, -0.3]] * 3,
    "drift": [[0.01, 0.03, 0.1]] * 3,
}


def make_matrix(values=VALUES, session_id="s", names=NAMES):
    rows = [
        {"model": model, "source": source, "target": target, "value": numbers[i][j]}
        for model, numbers in values.items()
        for i, source in enumerate(names)
        for j, target in enumerate(names)
    ]
    return pd.DataFrame(rows).assign(null="test", aggregation="mean", session_id=session_id, n_source_units=7)


def colours(path):
    image = (255 * imread(path)[..., :3]).round().astype(int)
    return {tuple(one) for one in image.reshape(-1, 3)[::3].tolist()}


def test_a_pair_is_in_the_row_of_its_source_and_the_column_of_its_target():
    table = square(make_matrix(), "mtm", "test", "mean")
    assert table.loc["TH", "VISp"] == 0.4
    assert list(table.index) == list(table.columns) == list(NAMES)


def test_without_spikes_is_the_better_of_both():
    known = without_spikes(make_matrix(), "test", "mean")
    np.testing.assert_allclose(known.to_numpy(), [[0.05, 0.03, 0.1]] * 3)


def test_rows_over_sessions_go_first():
    both = pd.concat([make_matrix(), make_matrix(session_id="t"), make_matrix(session_id="")])
    assert set(one_session(both)["session_id"]) == {""}
    assert set(one_session(both, "t")["session_id"]) == {"t"}
    assert set(one_session(make_matrix(session_id="only"))["session_id"]) == {"only"}


def test_red_is_better_than_the_mean_blue_worse_and_grey_not_defined(tmp_path):
    def has(values, is_colour):
        path = plot_region_matrix(make_matrix({"mtm": values}), tmp_path / "m.png")
        cells = imread(path)[300:-150, 150:-400]
        return is_colour(cells[..., 0] - cells[..., 2]).mean() > 0.2

    red, blue = (lambda d: d > 0.15), (lambda d: d < -0.15)
    ones = np.ones((3, 3))
    assert has(ones, red)
    assert not has(ones, blue)
    assert has(-ones, blue)
    assert not has(-ones, red)
    path = plot_region_matrix(make_matrix(), tmp_path / "m.png")
    grey = round(0.75 * 255)
    assert any(all(abs(c - grey) <= 1 for c in colour) for colour in colours(path))


def test_larger_matrices_are_larger_figures(tmp_path):
    names = tuple(f"R{k:02d}" for k in range(30))
    values = np.random.default_rng(0).normal(size=(30, 30))
    big = imread(plot_region_matrix(make_matrix({"mtm": values}, names=names), tmp_path / "big.png"))
    small = imread(plot_region_matrix(make_matrix({"mtm": VALUES["mtm"]}), tmp_path / "small.png"))
    assert big.shape[0] > 1.5 * small.shape[0]


def test_nothing_to_draw(tmp_path):
    with pytest.raises(DataError, match=r"nothing to draw.*null 'train'"):
        plot_region_matrix(make_matrix(), tmp_path / "m.png", null="train")
    with pytest.raises(DataError, match="session 'other'"):
        plot_region_matrix(make_matrix(), tmp_path / "m.png", session_id="other")
    with pytest.raises(DataError, match="nothing to draw"):
        plot_region_matrix(make_matrix({"mtm": np.full((3, 3), np.nan)}), tmp_path / "m.png")


def shown(matrix):
    console = Console(width=90)
    with console.capture() as said:
        console.print(matrix_table(matrix))
    return [line.split() for line in said.get().splitlines()]


def test_the_short_table_names_the_best_source_of_every_target():
    lines = {line[0]: line[1:] for line in shown(make_matrix())[2:]}
    assert lines["CA1"] == ["7", "0.300", "0.250", "from", "VISp", "0.150", "0.175", "0.050"]
    assert lines["TH"] == ["7", "-", "0.200", "from", "CA1", "0.100", "0.100", "0.030"]
    assert lines["VISp"] == ["7", "0.500", "0.400", "from", "TH", "0.300", "0.150", "0.100"]


def test_one_region_has_no_others():
    one = make_matrix({name: [[0.1]] for name in VALUES}, names=("CA1",))
    assert shown(one)[-1] == ["CA1", "7", "0.100", "-", "-", "-", "0.100"]
