"""The whole way from a session to counts, on the reference recording and on a simulated one."""

from __future__ import annotations

import h5py
import numpy as np
import pandas as pd
import pytest

from spikeglot.data.prepare import prepare
from spikeglot.data.quality import mean_rate_hz
from spikeglot.data.session import Session, make_session
from spikeglot.data.simulate import SimulationSettings, simulate_sessions
from spikeglot.data.windows import cut_windows
from spikeglot.errors import SettingsError
from spikeglot.settings import QualitySettings, WindowSettings

WINDOW = WindowSettings(align="stim_on_time", stop_s=0.4)


@pytest.fixture(scope="module")
def reference(lederberg) -> Session:
    """The reference recording, read without any reader of the package."""
    with h5py.File(lederberg) as f:
        units, trials = f["units"], f["intervals/trials"]
        n_spikes = np.diff(units["spike_times_index"][:], prepend=0)
        return make_session(
            session_id="lederberg",
            subject_id="Lederberg",
            spike_times_s=units["spike_times"][:],
            spike_unit=np.repeat(np.arange(len(n_spikes)), n_spikes),
            units=pd.DataFrame({"region": units["location"].asstr()[:]}, index=units["id"][:]),
            trials=pd.DataFrame({k: trials[k][:] for k in ("start_time", "stop_time", "stim_on_time")}),
            recorded_s=np.stack([trials["start_time"][:], trials["stop_time"][:]], axis=1),
        )


def test_the_reference_recording_keeps_the_units_of_the_protocol(reference):
    counts = prepare(reference, WINDOW, QualitySettings())
    assert counts.counts.shape == (300, 20, 560)
    assert mean_rate_hz(counts).mean() == pytest.approx(9.2935, abs=5e-5)
    assert sum(d.kind == "unit" for d in counts.dropped) == 983 - 560


def test_bins_hold_the_published_counts(reference):
    """The file spreads the m spikes of a 10 ms bin at (k + 1/2) / m of it: its pattern says the counts."""
    fine = cut_windows(reference, WINDOW.model_copy(update={"bin_size_s": 0.01}))
    coarse = cut_windows(reference, WINDOW)
    assert fine.counts.sum() == reference.n_spikes, "every spike of the file is in a window"
    pairs = fine.counts.reshape(300, 20, 2, -1).sum(axis=2)
    np.testing.assert_array_equal(coarse.counts, pairs)

    published = np.zeros(fine.counts.shape, int)
    start_s = reference.trials["stim_on_time"].to_numpy()
    trial = np.searchsorted(start_s, reference.spike_times_s) - 1
    bin_number = np.rint((reference.spike_times_s - start_s[trial]) * 1e6).astype(int) // 10_000
    np.add.at(published, (trial, bin_number, reference.spike_unit), 1)
    np.testing.assert_array_equal(fine.counts, published)
    phase = np.rint((reference.spike_times_s - start_s[trial]) * 1e6).astype(int) % 10_000
    alone = published[trial, bin_number, reference.spike_unit] == 1
    assert np.abs(phase[alone] - 5000).max() <= 1, "a spike alone in its bin lies at the centre"


def test_true_rates_follow_trials_and_units():
    session = simulate_sessions(SimulationSettings(n_subjects=1, n_trials=12))[0]
    window = WindowSettings(align="stim_on_time", stop_s=0.5)
    counts = prepare(session, window, QualitySettings(trials="choice == 1", min_rate_hz=4))
    everything = cut_windows(session, window)
    trial = counts.trials["trial_id"].to_numpy()
    unit = session.units.index.get_indexer(counts.units.index)
    assert 0 < counts.n_trials < 12
    assert 0 < counts.n_units < session.n_units
    np.testing.assert_array_equal(counts.rates, everything.rates[trial][:, :, unit])
    np.testing.assert_array_equal(counts.counts, everything.counts[trial][:, :, unit])


def test_a_query_on_trials_needs_windows_of_trials():
    session = simulate_sessions(SimulationSettings(n_subjects=1, n_trials=3))[0]
    with pytest.raises(SettingsError, match=r"windows are tiled.*Set window.align"):
        prepare(session, WindowSettings(), QualitySettings(trials="choice == 1"))
