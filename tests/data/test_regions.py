"""Allen ids and acronyms, Beryl and Cosmos."""

from __future__ import annotations

import sys

import h5py
import numpy as np
import pytest

from spikeglot.data.regions import _atlas, acronyms_of_ids, ids_of_acronyms, map_regions
from spikeglot.errors import DataError

ids_acronyms = pytest.mark.parametrize(
    ("allen_id", "acronym"),
    [(385, "VISp"), (382, "CA1"), (726, "DG"), (549, "TH"), (672, "CP"), (997, "root"), (0, "void")],
)


@ids_acronyms
def test_ids_and_acronyms_are_those_of_the_allen_atlas(allen_id: int, acronym: str) -> None:
    assert acronyms_of_ids([allen_id]).tolist() == [acronym]
    assert ids_of_acronyms([acronym]).tolist() == [allen_id]


def test_the_left_hemisphere_has_the_same_acronym() -> None:
    assert acronyms_of_ids(np.array([-385, 385])).tolist() == ["VISp", "VISp"]
    assert ids_of_acronyms(["VISp"]).tolist() == [385]


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        ("Allen", ["VISp5", "CA1", "SNr", "VPM", "", "root"]),
        ("Beryl", ["VISp", "CA1", "SNr", "VPM", "", "root"]),
        ("Cosmos", ["Isocortex", "HPF", "MB", "TH", "", "root"]),
    ],
)
def test_maps_go_from_fine_to_coarse(to: str, expected: list[str]) -> None:
    assert map_regions(["VISp5", "CA1", "SNr", "VPM", "", "root"], to).tolist() == expected


@pytest.mark.parametrize("to", ["Beryl", "Cosmos"])
def test_maps_agree_with_iblatlas_for_every_structure(to: str) -> None:
    from iblatlas.regions import BrainRegions

    atlas = BrainRegions()
    acronyms = np.unique(atlas.acronym.astype(str))
    assert map_regions(acronyms, to).tolist() == atlas.acronym2acronym(acronyms, mapping=to).tolist()


def test_every_region_of_the_mouse_recordings_is_in_the_atlas(shared_data) -> None:
    regions = set()
    for path in (shared_data / "steinmetz2019").glob("*.nwb"):
        with h5py.File(path) as file:
            regions |= {region.decode() for region in file["units/location"][:]}
    assert len(regions - {"root"}) == 51
    assert acronyms_of_ids(ids_of_acronyms(sorted(regions))).tolist() == sorted(regions)


def test_names_that_are_no_acronyms_are_an_error_that_names_them() -> None:
    with pytest.raises(DataError, match="'dmFC', 'mPFC'"):
        map_regions(["mPFC", "CA1", "dmFC"], "Beryl")
    with pytest.raises(DataError, match="first: 123456789"):
        acronyms_of_ids([385, 123456789])


def test_an_unknown_map_is_an_error_with_a_suggestion() -> None:
    with pytest.raises(DataError, match="Did you mean 'Cosmos'"):
        map_regions(["CA1"], "cosmos")


def test_unknown_regions_need_no_atlas(monkeypatch) -> None:
    _atlas.cache_clear()
    monkeypatch.setitem(sys.modules, "iblatlas.regions", None)
    assert map_regions(["", ""], "Beryl").tolist() == ["", ""]


def test_without_iblatlas_the_error_says_what_to_install(monkeypatch) -> None:
    _atlas.cache_clear()
    monkeypatch.setitem(sys.modules, "iblatlas.regions", None)
    with pytest.raises(DataError, match=r"pip install 'spikeglot\[ibl\]'"):
        acronyms_of_ids([385])
