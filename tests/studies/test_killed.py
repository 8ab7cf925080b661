"""A study with two runs in flight is killed: its workers end too, and the next start repeats nothing that is done."""

import csv
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import spikeglot as sg

LIMIT_S = 300.0
"""Everything here takes seconds, minutes on a machine that has other things to do, and for ever where it hangs."""
LAST = "learned"
STUDY = """
import sys
import spikeglot as sg

if __name__ == "__main__":
    sg.study("positions", sg.load_sessions(sys.argv[1]), out=sys.argv[2], recipe=sys.argv[3], budget=None,
             baselines=(), seeds=2, workers=2)
"""


def wait_for(what, said=lambda: ""):
    """Return what ``what`` returns, as soon as that is something."""
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        if found := what():
            return found
        time.sleep(0.1)
    pytest.fail(f"waited for {LIMIT_S:.0f} s. {said()}")


def steps_of(run):
    """Steps in the training log of a run, in the order in which they were written."""
    log = run / "model" / "log.csv"
    if not log.exists():
        return []
    with log.open() as file:
        return [int(row["step"]) for row in csv.DictReader(file) if row["step"]]


def workers_of(process):
    """Ids of the processes that a process started as its workers."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    found = [pid for pid in children if "popen_loky" in Path(f"/proc/{pid}/cmdline").read_text()]
    assert len(found) == 2
    return found


def lives(pid):
    """Whether there is a process of this id that has not ended; where nobody asks how it ended, it stays as "Z"."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="workers are found as Linux lists children")
def test_killed_with_two_runs_in_flight_it_loses_no_other_and_repeats_none(recordings, tmp_path):
    data, out = recordings.write_npz(tmp_path / "day1.npz"), tmp_path / "study"
    recipe = recordings.write_recipe(
        tmp_path / "tiny.toml", model={"start": "rates"}, train={"steps": 150, "validate_every": 10}
    )
    with (tmp_path / "said").open("w") as said:
        words = [sys.executable, "-c", STUDY, data, out, recipe]
        study = subprocess.Popen(words, stdout=said, stderr=said, env=os.environ | {"OMP_NUM_THREADS": "1"})
    runs = [out / "day1" / name / f"seed-{seed}" for seed in (0, 1) for name in ("rotary", LAST)]

    def two_in_flight():
        assert study.poll() is None, (tmp_path / "said").read_text()
        done = [run for run in runs if (run / "scores.csv").exists()]
        begun = [run for run in runs if run not in done and len(steps_of(run)) > 12]
        return (done, begun) if done and len(begun) == 2 else None

    try:
        done, begun = wait_for(two_in_flight)
        children = workers_of(study)
    finally:
        study.kill()
        study.wait()
    wait_for(lambda: not any(map(lives, children)), lambda: f"some of {children} live on")
    assert [run for run in runs if (run / "scores.csv").exists()] == done
    before = {run: ((run / "scores.csv").stat().st_mtime_ns, (run / "scores.csv").read_bytes()) for run in done}
    kept = {run: (run / "model" / "log.csv").read_text().splitlines()[:12] for run in begun}

    rows = sg.study(
        "positions", sg.load_sessions(data), out=out, recipe=str(recipe), budget=None, baselines=(), seeds=2, workers=1
    )
    assert before == {run: ((run / "scores.csv").stat().st_mtime_ns, (run / "scores.csv").read_bytes()) for run in done}
    assert rows.groupby("variant")["seed"].nunique().to_dict() == {"rotary": 2, LAST: 2}
    for run in runs:
        assert sorted(steps_of(run)) == list(range(151)), run
    for run, lines in kept.items():  # with how fast each step was: those before the last checkpoint are not repeated
        assert (run / "model" / "log.csv").read_text().splitlines()[:12] == lines
