"""Trial averages: conditions in rows, one order from the data alone, and clear refusals."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from spikeglot.errors import DataError
from spikeglot.viz.trial_average import _conditions, plot_trial_average

UNITS = pd.DataFrame({"region": ["VISp"] * 4 + ["CA1"] * 3 + [""], "depth_um": np.arange(8.0)})
TRIALS = pd.DataFrame({"choice": [1.0, -1, 1, -1, np.nan, 1], "id": range(6), "side": list("LRLRLR")})


def some_activity(seed=0):
    rng = np.random.default_rng(seed)
    rate = np.exp(rng.normal(size=(10, 8)) - 1)
    counts = rng.poisson(rate, (6, 10, 8)).astype(np.uint8)
    return counts, np.log(np.broadcast_to(rate, counts.shape)).astype(np.float32)


@pytest.mark.parametrize("sort", ["region", "depth", "similarity"])
@pytest.mark.parametrize("by", [None, "choice", "side"])
def test_a_png(tmp_path, sort, by):
    counts, log_rates = some_activity()
    before = counts.copy(), log_rates.copy()
    path = plot_trial_average(
        counts, log_rates, UNITS, tmp_path / "a.png", trials=TRIALS, by=by, sort=sort, bin_size_s=0.02, start_s=-0.1
    )
    assert len(np.unique((255 * imread(path)[..., :3]).astype(int) @ [1, 256, 65_536])) > 300
    np.testing.assert_array_equal(counts, before[0])
    np.testing.assert_array_equal(log_rates, before[1])


def test_the_prediction_has_no_say_in_the_order(tmp_path, monkeypatch):
    import spikeglot.viz.trial_average as module

    counts, log_rates = some_activity()
    seen = []
    sort = module.sort_units
    monkeypatch.setattr(module, "sort_units", lambda *given: seen.append(sort(*given)) or seen[-1])
    for predicted in (log_rates, log_rates[:, ::-1] * 2):
        plot_trial_average(counts, predicted, UNITS, tmp_path / "a.png", sort="similarity", bin_size_s=0.02)
    np.testing.assert_array_equal(seen[0], seen[1])
    plot_trial_average(counts[:, ::-1] * 2, log_rates, UNITS, tmp_path / "a.png", sort="similarity", bin_size_s=0.02)
    assert seen[2].tolist() != seen[0].tolist()


def test_conditions_are_the_values_of_a_column_and_missing_ones_are_told():
    groups, notes = _conditions(6, TRIALS, "choice")
    assert {name: index.tolist() for name, index in groups.items()} == {
        "choice = -1, ": [1, 3],
        "choice = 1, ": [0, 2, 5],
    }
    assert notes == ["1 trials without choice left out"]
    groups, notes = _conditions(6, TRIALS.set_axis(range(10, 16)), "side")
    assert [index.tolist() for index in groups.values()] == [[0, 2, 4], [1, 3, 5]]
    assert notes == []


def test_conditions_that_do_not_exist_or_are_too_many():
    with pytest.raises(DataError, match=r"no column 'choise' to average by\. Did you mean 'choice'"):
        _conditions(6, TRIALS, "choise")
    many = pd.DataFrame({"id": range(20), "none": np.nan})
    with pytest.raises(DataError, match="'id' has 20 different values in these 20 trials"):
        _conditions(20, many, "id")
    with pytest.raises(DataError, match="'none' has 0 different values"):
        _conditions(20, many, "none")


def test_sizes_that_do_not_fit(tmp_path):
    counts, log_rates = some_activity()
    with pytest.raises(DataError, match="of one size"):
        plot_trial_average(counts, log_rates[..., :7], UNITS, tmp_path / "a.png", bin_size_s=0.02)
