"""What is kept, in which order the filters act, and the reason of every drop."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from spikeglot.data.counts import Counts
from spikeglot.data.quality import keep_trials, keep_units, mean_rate_hz
from spikeglot.data.session import Dropped, make_session
from spikeglot.errors import DataError, SettingsError
from spikeglot.settings import QualitySettings, WindowSettings

LOOSE = QualitySettings(min_rate_hz=0, min_units_per_region=1)


@pytest.fixture
def counts() -> Counts:
    """Four windows of 0.5 s; units of 5, 1, 0.5, 4, 3 and 2 Hz, two of them in regions that are none."""
    window = WindowSettings(align="stim_on_time", stop_s=0.5, bin_size_s=0.1)
    n_spikes = np.array([10, 2, 1, 8, 6, 4])
    binned = np.zeros((4, 5, 6), np.uint8)
    binned[1, 2] = n_spikes
    units = pd.DataFrame(
        {"region": ["VISp", "VISp", "VISp", "root", "CA1", ""], "label": [1.0, 1.0, 1.0, 1.0, 0.3, 1.0]},
        index=pd.Index(list("abcdef"), name="unit_id"),
    )
    trials = pd.DataFrame({"trial_id": range(4), "window_start_s": [0.0, 1.0, 2.0, 3.0]})
    return Counts("toy", "mouse", binned, units, trials, window, (Dropped("window", "4", "no"),))


def test_mean_rate(counts):
    assert mean_rate_hz(counts).tolist() == [5, 1, 0.5, 4, 3, 2]
    many = replace(counts, counts=np.full((300, 5, 6), 255, np.uint8))
    assert mean_rate_hz(many)[0] == 2550, "sums do not overflow"


def test_every_drop_has_its_reason_and_the_first_filter_names_it(counts):
    kept = keep_units(counts, QualitySettings(units="label == 1", min_units_per_region=2))
    assert kept.unit_ids == ("a", "b")
    assert kept.counts.shape == (4, 5, 2)
    assert kept.dropped == (
        Dropped("window", "4", "no"),
        Dropped("unit", "c", "rate 0.5 Hz is below 1 Hz"),
        Dropped("unit", "d", "region 'root' is excluded"),
        Dropped("unit", "e", "does not satisfy quality.units = 'label == 1'"),
        Dropped("unit", "f", "the group without a region has 1 kept units, fewer than 2"),
    )


def test_a_unit_at_exactly_the_floor_is_kept(counts):
    assert keep_units(counts, replace_quality(min_rate_hz=1.0)).unit_ids == ("a", "b", "e", "f")
    assert keep_units(counts, replace_quality(min_rate_hz=1.001)).unit_ids == ("a", "e", "f")


def test_small_regions_count_the_units_that_the_other_filters_left(counts):
    kept = keep_units(counts, QualitySettings(exclude_regions=(), min_rate_hz=1, min_units_per_region=2))
    assert kept.unit_ids == ("a", "b")
    assert Dropped("unit", "e", "region 'CA1' has 1 kept units, fewer than 2") in kept.dropped
    with pytest.raises(DataError, match=r"4 by quality.min_units_per_region"):
        keep_units(counts, QualitySettings(min_units_per_region=3))


def test_a_session_without_regions_keeps_its_units(counts):
    nowhere = replace(counts, units=counts.units.assign(region=""))
    assert keep_units(nowhere, QualitySettings()).unit_ids == ("a", "b", "d", "e", "f")


def test_true_rates_follow_the_units(counts):
    rates = np.arange(counts.counts.size, dtype=np.float32).reshape(counts.counts.shape)
    kept = keep_units(replace(counts, rates=rates), LOOSE)
    np.testing.assert_array_equal(kept.rates, rates[:, :, [0, 1, 2, 4, 5]])


def test_nothing_left_says_which_setting_took_how_many(counts):
    with pytest.raises(DataError, match=r"of 6, dropped were 1 by quality.exclude_regions, 5 by quality.min_rate"):
        keep_units(counts, QualitySettings(min_rate_hz=50))
    with pytest.raises(DataError, match=r"highest rate of a unit is 5 Hz. Change quality.min_rate_hz"):
        keep_units(counts, QualitySettings(min_rate_hz=50))


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("region in ['CA1', 'root'] or label < 0.5", "e"),
        ("`label` > .5e0 and not region == 'VISp'", "f"),
        ("unit_id != 'a' and 2 * label == 2", "bcf"),
    ],
)
def test_queries(counts, query, kept):
    assert "".join(keep_units(counts, LOOSE.model_copy(update={"units": query})).unit_ids) == kept


@pytest.mark.parametrize(
    "query",
    [
        "lable == 1",
        "label ==",
        "label",
        "label.sum() > 0",
        "@np.array([1])",
        "region.to_csv('x') == 1",
        "1 == 1",
        "'",
    ],
)
def test_a_bad_query_names_itself_and_the_columns(counts, query, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=r"quality.units = .* cannot be used.*Columns: region, label, unit_id"):
        keep_units(counts, LOOSE.model_copy(update={"units": query}))
    assert not list(tmp_path.iterdir()), "a query runs no code"


def test_trials_keep_the_number_of_the_full_table():
    session = make_session(
        session_id="toy",
        subject_id="mouse",
        spike_times_s=np.array([1.0]),
        spike_unit=np.array([0]),
        units=pd.DataFrame({"region": ["VISp"]}),
        trials=pd.DataFrame({"photostim": [0, 1, 0], "choice": [1.0, -1.0, np.nan]}),
    )
    assert keep_trials(session, QualitySettings()) is session
    kept = keep_trials(session, QualitySettings(trials="photostim == 0 and choice == choice"))
    assert kept.trials.index.tolist() == [0]
    assert [d.id for d in kept.dropped] == ["1", "2"]
    assert kept.dropped[0].reason == "does not satisfy quality.trials = 'photostim == 0 and choice == choice'"
    assert session.n_trials == 3
    with pytest.raises(DataError, match="None of the 3 trials"):
        keep_trials(session, QualitySettings(trials="photostim > 5"))
    with pytest.raises(SettingsError, match="Columns: photostim, choice"):
        keep_trials(session, QualitySettings(trials="laser == 0"))


def replace_quality(**changes) -> QualitySettings:
    return LOOSE.model_copy(update=changes)
