"""Names of regions and units: which units they mean, and what is said where they mean none."""

import numpy as np
import pytest

import spikeglot as sg
from spikeglot.data.choose_units import choose_units
from spikeglot.data.prepare import prepare
from spikeglot.errors import DataError
from spikeglot.settings import QualitySettings, WindowSettings

REGIONS = ["VISp", "CA1", "VISp", "CA1", "root", "root", "TH", ""]


def make(regions=REGIONS, **quality):
    counts = np.ones((6, 10, 8), dtype=int)
    counts[:, 1:, 3] = 0
    ids = [f"u{k}" for k in range(7)] + ["VISp"]
    session = sg.from_counts(counts, 0.02, session_id="s1", unit_ids=ids, regions=regions)
    settings = QualitySettings(min_units_per_region=1, **quality)
    return prepare(session, WindowSettings(align="start_s", stop_s=0.2), settings), session


def ids(counts, found):
    return [counts.unit_ids[k] for k in found]


@pytest.mark.parametrize(
    ("names", "meant"),
    [
        ("CA1", ["u1", "u3"]),
        (["u6", "CA1"], ["u1", "u3", "u6"]),
        (["CA1", "u1", "CA1"], ["u1", "u3"]),
        ("VISp", ["u0", "u2"]),
    ],
)
def test_regions_and_units_in_the_order_of_the_session(names, meant):
    counts, session = make()
    assert ids(counts, choose_units(counts, session, names, "source")) == meant


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("CA3", r"Session 's1' has no region or unit 'CA3' to be the source. Did you mean 'CA1'\?"),
        ("zebra", r"no region or unit 'zebra' to be the source. Its regions: CA1, TH, VISp\."),
        ("", r"no region or unit '' to be the source"),
        ("root", r"All 2 units of the source 'root' in session 's1' were left out: region 'root' is excluded\."),
        ("u4", r"The source 'u4' is a unit of session 's1' that was left out: region 'root' is excluded\."),
        ([], r"No source given. Name regions or units. Its regions: CA1, TH, VISp\."),
    ],
)
def test_names_that_mean_no_unit(name, said):
    counts, session = make()
    with pytest.raises(DataError, match=said):
        choose_units(counts, session, name, "source")


def test_every_wrong_name_is_told():
    counts, session = make()
    with pytest.raises(DataError, match=r"'CA9'(.|\n)*'u99'"):
        choose_units(counts, session, ["CA9", "TH", "u99"], "target")


def test_a_region_left_out_for_several_reasons():
    regions = ["VISp", "CA1", "CA1", "CA1", "root", "root", "TH", ""]
    counts, session = make(regions, units="region != 'CA1'", min_rate_hz=10)
    with pytest.raises(DataError, match=r"All 3 units of the target 'CA1'.*left out: does not satisfy quality\.units"):
        choose_units(counts, session, "CA1", "target")


def test_a_session_without_regions():
    counts, session = make(None)
    assert ids(counts, choose_units(counts, session, ["u1"], "source")) == ["u1"]
    with pytest.raises(DataError, match="Its units have no regions"):
        choose_units(counts, session, "qqqq", "source")
