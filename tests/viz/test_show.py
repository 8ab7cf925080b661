"""What `show` says is true, fits JSON, and does not trip over odd names."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from spikeglot.data.prepare import prepare
from spikeglot.data.session import Dropped, Provenance, Session, Trace, make_session
from spikeglot.settings import QualitySettings, WindowSettings
from spikeglot.viz.show import (
    counts_details,
    counts_dict,
    dropped_reasons,
    session_details,
    session_dict,
    sessions_table,
)


@pytest.fixture
def session() -> Session:
    """Ten seconds; rates of 10, 2, 0.1 and 4 Hz in VISp, VISp, CA1 and no region."""
    n_spikes = [100, 20, 1, 40]
    return make_session(
        session_id="sub-[red]_ses-1",
        subject_id="[bold]mouse",
        spike_times_s=np.concatenate([(np.arange(n) + 0.5) * 10 / n for n in n_spikes]),
        spike_unit=np.repeat(np.arange(4), n_spikes),
        units=pd.DataFrame({"region": ["VISp", "VISp", "CA1", ""]}),
        trials=pd.DataFrame(
            {
                "stim_on_time": np.append(np.arange(1.0, 9.0), np.nan),
                "choice": [1, -1, 1, 1, 1, 1, 1, 1, 1],
                "note": [f"note {i}" for i in range(9)],
                "clicks": [np.arange(i) for i in range(9)],
            }
        ),
        behaviour={"wheel": Trace(np.arange(100) / 50, np.zeros(100))},
        recorded_s=np.array([[0.0, 4.0], [4.0, 10.0]]),
        provenance=Provenance("nwb", "a.nwb"),
        dropped=(Dropped("spike", "3", "not a number"),),
    )


def printed(renderable) -> str:
    console = Console(width=140, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    with console.file:
        console.print(renderable)
        return console.export_text()


def test_a_session_as_plain_values(session):
    facts = session_dict(session)
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    assert (facts["n_units"], facts["n_regions"], facts["n_spikes"], facts["n_trials"]) == (4, 2, 161, 9)
    assert (facts["source"], facts["path"], facts["recorded_s"]) == ("nwb", "a.nwb", 10.0)
    assert facts["median_rate_hz"] == pytest.approx(3)
    assert [r["region"] for r in facts["regions"]] == ["VISp", "CA1", ""]
    visp = facts["regions"][0]
    assert (visp["n_units"], visp["min_rate_hz"], visp["median_rate_hz"], visp["max_rate_hz"]) == (
        2,
        2,
        6,
        10,
    )
    stim, choice, note, clicks = facts["trial_columns"]
    assert (stim["n_missing"], stim["min"], stim["max"]) == (1, 1.0, 8.0)
    assert choice["values"] == {"-1": 1, "1": 8}
    assert note["n_different"] == clicks["n_different"] == 9
    assert facts["behaviour"] == [{"name": "wheel", "n_samples": 100, "rate_hz": 50.0}]
    assert facts["dropped"] == [{"kind": "spike", "reason": "not a number", "n": 1}]


def test_rates_are_over_the_time_between_spikes_where_nothing_says_what_was_recorded(session):
    facts = session_dict(replace(session, recorded_s=None))
    assert facts["recorded_s"] == pytest.approx(9.9)


def test_a_session_with_almost_nothing(session):
    bare = make_session(
        session_id="bare",
        subject_id="x",
        spike_times_s=np.empty(0),
        spike_unit=np.empty(0, int),
        units=pd.DataFrame(index=["a"]),
    )
    facts = session_dict(bare)
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    assert facts["n_regions"] == facts["median_rate_hz"] == 0
    assert "(unknown)" in printed(session_details(bare))


def test_counts_as_plain_values(session):
    counts = prepare(
        session,
        WindowSettings(align="stim_on_time", stop_s=1.0),
        QualitySettings(min_units_per_region=1, trials="choice == 1"),
    )
    facts = counts_dict(counts)
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    assert (facts["n_windows"], facts["n_bins"], facts["n_units"], facts["n_spikes"]) == (7, 50, 3, 112)
    assert facts["median_rate_hz"] == 4
    assert facts["window"]["align"] == "stim_on_time"
    assert {(d["kind"], d["n"]) for d in facts["dropped"]} == {
        ("spike", 1),
        ("trial", 1),
        ("window", 1),
        ("unit", 1),
    }


def test_reasons_are_counted_across_units():
    dropped = [Dropped("unit", str(i), f"rate {i / 10:.4g} Hz is below 1 Hz") for i in range(5)]
    dropped += [Dropped("unit", "9", "region 'root' is excluded")]
    assert dropped_reasons(dropped) == [
        {"kind": "unit", "reason": "rate is below 1 Hz", "n": 5},
        {"kind": "unit", "reason": "region 'root' is excluded", "n": 1},
    ]


def test_tables_print_what_they_say_also_with_brackets_in_names(session):
    other = replace(session, session_id="second", subject_id="rat")
    table = printed(sessions_table([session, other]))
    assert "[bold]mouse" in table
    assert "sub-[red]_ses-1" in table
    assert "2 subjects" in table
    assert "322" in table
    assert "2 sessions" not in printed(sessions_table([session]))

    details = printed(session_details(session))
    for word in (
        "VISp",
        "(unknown)",
        "stim_on_time",
        "-1: 1, 1: 8",
        "wheel: 100 samples, about 50 Hz",
        "not a number",
    ):
        assert word in details

    quality = QualitySettings(min_units_per_region=1)
    prepared = printed(counts_details(prepare(session, WindowSettings(), quality)))
    assert "10 windows (tiles of 1 s), 50 bins of 0.02 s" in prepared
    assert "rate is below 1 Hz" in prepared


def test_viz_imports_neither_torch_nor_models():
    code = "import sys, spikeglot.viz.show, spikeglot.viz.raster; print(' '.join(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "matplotlib.pyplot", "spikeglot.models"} & set(loaded)
