"""A small release of the IBL on disk, and an object that answers the few calls of ONE that spikeglot makes."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

N_TRIALS = 40
N_UNITS = 12
REGION_IDS = (385, 382)
"""VISp and CA1."""


def write_session(folder: Path, seed: int = 0, probes: tuple[str, ...] = ("probe00",)) -> Path:
    """Write an ALF session: spikes that follow the choice, a wheel, side cameras; one unit without a region."""
    rng = np.random.default_rng(seed)
    stimulus_s = 5.0 + 4.0 * np.arange(N_TRIALS)
    choice = rng.choice([-1.0, 1.0], N_TRIALS)
    trials = pd.DataFrame(
        {
            "choice": choice,
            "probabilityLeft": np.repeat([0.5, 0.2, 0.8, 0.2], N_TRIALS // 4),
            "feedbackType": 1.0,
            "feedback_times": stimulus_s + 1.0,
            "stimOn_times": np.where(np.arange(N_TRIALS) == 7, np.nan, stimulus_s),
            "firstMovement_times": stimulus_s + np.where(np.arange(N_TRIALS) == 3, 0.01, 0.3),
            "intervals_0": stimulus_s - 1.0,
            "intervals_1": stimulus_s + 2.5,
        }
    )
    alf = folder / "alf"
    for probe in probes:
        _write_probe(alf / probe / "pykilosort", rng, stimulus_s, choice)
    trials.to_parquet(alf / "_ibl_trials.table.pqt")
    camera_s = np.arange(0, 4.0 * N_TRIALS + 10, 1 / 60)
    moving = np.abs(camera_s[:, None] - stimulus_s - 0.5).min(axis=1) < 0.3
    turn_s = np.sort(np.concatenate([stimulus_s + 0.3, stimulus_s + 0.5, [0.0, camera_s[-1]]]))
    _save(
        alf,
        **{
            "_ibl_wheel.timestamps": turn_s,
            "_ibl_wheel.position": np.cumsum(np.r_[0.0, np.tile([0.0, 1.0], N_TRIALS), 0.0]),
            "_ibl_leftCamera.times": camera_s,
            "leftCamera.ROIMotionEnergy": moving + 0.1 * rng.normal(size=len(camera_s)),
            "_ibl_rightCamera.times": camera_s,
            "rightCamera.ROIMotionEnergy": moving * 2.0,
            "leftCamera.features": np.zeros(5),
        },
    )
    return folder


def _write_probe(folder: Path, rng: np.random.Generator, stimulus_s: np.ndarray, choice: np.ndarray) -> None:
    times_s, units = [], []
    for unit in range(N_UNITS):
        n_spikes = rng.poisson(np.where(choice == (1 if unit % 2 else -1), 25, 8))
        times_s.append(np.repeat(stimulus_s, n_spikes) + rng.uniform(-0.5, 1.5, n_spikes.sum()))
        units.append(np.full(n_spikes.sum(), unit))
    order = np.argsort(np.concatenate(times_s))
    _save(
        folder,
        **{
            "spikes.times": np.concatenate(times_s)[order],
            "spikes.clusters": np.concatenate(units)[order],
            "spikes.amps": np.zeros(len(order)),
            "clusters.channels": np.arange(N_UNITS),
            "clusters.depths": 20.0 * np.arange(N_UNITS),
            "channels.brainLocationIds_ccf_2017": np.repeat([*REGION_IDS, 0], [6, 5, 1]),
        },
    )
    pd.DataFrame({"uuids": [f"u{k}" for k in range(N_UNITS)]}).to_csv(folder / "clusters.uuids.csv", index=False)
    pd.DataFrame({"cluster_id": range(N_UNITS), "label": 1.0}).to_parquet(folder / "clusters.metrics.pqt")


def _save(folder: Path, **arrays: np.ndarray) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, values in arrays.items():
        np.save(folder / f"{name}.npy", values)


class FakeOne:
    """Serves the sessions of a folder; copies to ``cache`` what is asked for.

    ``failing`` sessions (subjects) raise when they are downloaded, at ``dies_at`` the user interrupts. ``critical`` are
    collections whose quality is CRITICAL.
    """

    def __init__(
        self,
        server: Path,
        cache: Path,
        *,
        is_reachable: bool = True,
        failing: Collection[str] = (),
        dies_at: str = "",
        critical: Collection[str] = (),
    ) -> None:
        self.server, self.cache, self.failing, self.dies_at = server, cache, failing, dies_at
        self.critical, self.offline, self._is_reachable = critical, False, is_reachable
        self.loaded_tag = ""
        self.asked: list[str] = []
        folders = sorted(path for path in server.glob("*/Subjects/*/*/*") if path.is_dir())
        self.folders = {f"eid-{path.parts[-3]}": path for path in folders}

    def load_cache(self, tag: str) -> datetime | None:
        if not self._is_reachable:
            self.offline = True
            return None
        self.loaded_tag = tag
        return datetime(2022, 4, 1)

    def search(self, details: bool, query_type: str) -> tuple[list[str], list[dict[str, Any]]]:
        assert (details, query_type) == (True, "local")
        about = [
            {"lab": p.parts[-5], "subject": p.parts[-3], "date": date.fromisoformat(p.parts[-2]), "number": 1}
            for p in self.folders.values()
        ]
        return list(self.folders)[::-1], about[::-1]

    def list_datasets(self, eid: str, query_type: str, qc: str = "FAIL") -> list[str]:
        folder = self.folders[eid]
        paths = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]
        return [path for path in paths if qc == "CRITICAL" or path.rsplit("/", 1)[0] not in self.critical]

    def load_datasets(
        self, eid: str, datasets: list[str], *, collections: list[str], query_type: str, download_only: bool
    ) -> tuple[list[Path], list[None]]:
        folder = self.folders[eid]
        if eid == f"eid-{self.dies_at}":
            raise KeyboardInterrupt
        if eid.removeprefix("eid-") in self.failing:
            raise ConnectionError("the server hung up")
        files = []
        for collection, name in zip(collections, datasets, strict=True):
            source = folder / collection / name
            file = self.cache / source.relative_to(self.server)
            file.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, file)
            self.asked.append(source.relative_to(self.server).as_posix())
            files.append(file)
        return files, [None] * len(files)
