"""The release of the repeated site on the IBL's server: which sessions and datasets it has, and their download.

Facts of ONE-api (https://int-brain-lab.github.io/ONE): the cache tables of a release are loaded by its tag, and list
its sessions and the versions of datasets that were released; what is asked of them stays on this machine, and
`load_datasets` downloads.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from spikeglot.data.ibl.needed import Needed, needed_datasets
from spikeglot.data.session import Dropped
from spikeglot.errors import DataError

TAG = "2022_Q2_IBL_et_al_RepeatedSite"
"""The release of the repeated site (International Brain Laboratory 2025, eLife, doi:10.7554/eLife.100840)."""
BASE_URL = "https://openalyx.internationalbrainlab.org"
TIMEOUT_S = 10.0
"""How long the server may take to say that it is there."""


class Released(NamedTuple):
    """A session of the release: ONE's id, and the session id of spikeglot."""

    eid: str
    session_id: str


def connect(base_url: str = BASE_URL, cache_dir: str | Path | None = None, timeout_s: float = TIMEOUT_S) -> Any:
    """Return a ONE instance for a server; files go to ``cache_dir``, or where ONE keeps them.

    Raises
    ------
    DataError
        ONE-api is not installed; the server does not answer, or refuses the login.
    """
    try:
        import requests
        from one.api import ONE
    except ImportError as error:
        raise DataError("The IBL data need ONE-api. Install it: pip install 'spikeglot[ibl]'.") from error
    try:
        requests.head(base_url, timeout=timeout_s)
    except requests.RequestException as error:
        raise DataError(
            f"The server {base_url} cannot be reached: {_root(error)} (asked once, waiting {timeout_s:g} s at most). "
            "Check the network: some institutions reach it only through a VPN or proxy. Another server: --base-url "
            "URL. Data that are here already, in ONE's folder: spikeglot prepare FOLDER."
        ) from error
    if cache_dir is not None:
        Path(cache_dir).mkdir(parents=True, exist_ok=True)
    try:
        return ONE(base_url=base_url, cache_dir=cache_dir, silent=True)
    except Exception as error:  # ONE raises whatever its settings or the server's answer make it run into
        raise DataError(f"{_no_login(base_url)} ONE says: {error}") from error


def released_sessions(one: Any) -> list[Released]:
    """Return all sessions of the release in order of their ids.

    Raises
    ------
    DataError
        The tables of the release cannot be loaded, or they are empty.
    """
    where = str(getattr(getattr(one, "alyx", None), "base_url", ""))
    was_offline = one.offline
    try:
        loaded = one.load_cache(tag=TAG)
    except Exception as error:  # as above
        raise DataError(
            f"The tables of release {TAG} cannot be loaded. {_no_login(where)} ONE says: {error}"
        ) from error
    # ONE goes on without tables, or offline with older ones, when it cannot load them
    if loaded is None or one.offline != was_offline:
        raise DataError(f"The tables of release {TAG} cannot be loaded. {_no_login(where)}")
    eids, details = one.search(details=True, query_type="local")
    sessions = [Released(str(eid), _session_id(about)) for eid, about in zip(eids, details or (), strict=True)]
    if not sessions:
        raise DataError(f"The tables of release {TAG} have no sessions.")
    return sorted(sessions, key=lambda session: session.session_id)


def needed_of(one: Any, eid: str) -> Needed:
    """Return what to download of a session; probes that failed quality control are left out.

    Critical quality control is what ONE itself leaves out by default.
    """
    good = one.list_datasets(eid, query_type="local")
    everything = one.list_datasets(eid, qc="CRITICAL", query_type="local")
    failed = sorted({path.rsplit("/", 1)[0] for path in set(everything) - set(good) if "/spikes." in path})
    needed = needed_datasets(good)
    dropped = [Dropped("unit", where, "the release says CRITICAL of its quality") for where in failed]
    told = {one.id for one in dropped}
    return needed._replace(dropped=(*(one for one in needed.dropped if one.id not in told), *dropped))


def download(one: Any, eid: str, needed: Needed) -> list[Path]:
    """Download what is not here yet, and return the files; raises whatever ONE raises."""
    with _quiet():
        files, _ = one.load_datasets(
            eid,
            [dataset.name for dataset in needed.datasets],
            collections=[dataset.collection for dataset in needed.datasets],
            query_type="local",
            download_only=True,
        )
    return [Path(file) for file in files]


@contextmanager
def _quiet() -> Iterator[None]:
    """ONE warns where a dataset has no default revision; then the last is taken, which is what we want."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*default revision.*")
        yield


def _session_id(about: Any) -> str:
    return f"{about['lab']}/{about['subject']}/{about['date']}/{int(about['number']):03d}"


def _no_login(where: str) -> str:
    if not where:
        return "The folder of the given ONE instance has no tables: sessions.pqt and datasets.pqt."
    return (
        f"{where} answers, but not with data. It wants a login: make an account at {where}/signup, then log in once "
        f"in Python (it asks for the password): from one.api import ONE; ONE(base_url='{where}', username=NAME)."
    )


def _root(error: BaseException) -> str:
    """What went wrong first: requests packs it several times."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return str(error) or type(error).__name__
