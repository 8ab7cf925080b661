"""``spikeglot prepare``, and what the next commands make of prepared sessions."""

import json
import os
import subprocess
import sys
import time

import pandas as pd
import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def server(fake_one, tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    for seed, subject in enumerate(("mouse_a", "mouse_b")):
        fake_one.write_session(folder / "lab1/Subjects" / subject / "2020-01-02/001", seed)
    return folder


@pytest.fixture
def serve(fake_one, server, tmp_path, monkeypatch):
    """Put a fake in the place of the server; ``asked`` has what the command wanted of it."""

    def serve(**how):
        asked = {}

        def connect(base_url, cache_dir):
            asked.update(base_url=base_url, cache_dir=cache_dir)
            return fake_one.FakeOne(server, tmp_path / "cache", **how)

        monkeypatch.setattr("spikeglot.data.ibl.repeated_site.connect", connect)
        return asked

    return serve


def test_recordings_become_a_folder_that_the_next_command_takes(shell, recordings, tmp_path):
    recordings.write_nwb(tmp_path / "monday.nwb")
    out = tmp_path / "prepared"
    said = shell("prepare", tmp_path / "monday.nwb", "--out", out)
    assert said.status == 0, said.err
    assert said.out.splitlines()[1].split() == ["monday", "prepared", "monday.h5"]
    assert "preparing: 1 of 1  monday" in said.err
    assert said.err.splitlines()[-1] == f"Next: spikeglot pretrain {out} --out RUN"
    said = shell("prepare", tmp_path / "monday.nwb", "--out", out, "--json")
    assert json.loads(said.out)["sessions"][0]["state"] == "was there"
    raw = shell("show", tmp_path / "monday.nwb", "--json", "--window.align", "stim_on_time", "--window.stop-s", "0.4")
    said = shell("show", out, "--json", "--window.align", "stim_on_time", "--window.stop-s", "0.4")
    assert json.loads(said.out)["prepared"] == json.loads(raw.out)["prepared"]


def test_a_launcher_is_given_the_recordings(shell, recordings, tmp_path, monkeypatch):
    asked = {}

    def here(work, items, lost, **more):
        asked.update(more)
        return map(work, items)

    monkeypatch.setattr("spikeglot.launch.on_slurm.slurm_map", here)
    recordings.write_npz(tmp_path / "a.npz", session_id="a")
    flags = ("--workers", "slurm", "--slurm", "timeout_min=60", "slurm_partition=cpu")
    said = shell("prepare", tmp_path / "a.npz", "--out", tmp_path / "out", *flags, "--json")
    assert said.status == 0, said.err
    assert json.loads(said.out)["sessions"][0]["state"] == "prepared"
    options = {"timeout_min": 60, "slurm_partition": "cpu"}
    assert asked == {"folder": tmp_path / "out.slurm", "options": options}


def test_one_that_fails_is_an_error_after_the_others_are_done(shell, recordings, tmp_path):
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    recordings.write_npz(data / "good.npz", session_id="good")
    (data / "bad[red].nwb").write_bytes(b"\x89HDF\r\n\x1a\n")
    said = shell("prepare", data, "--out", out)
    assert said.status == 1
    assert "Traceback" not in said.err
    assert (out / "good.h5").exists()
    assert f"left out {data / 'bad[red].nwb'}: Cannot read" in said.err
    assert said.err.splitlines()[-1].startswith("error: 1 of 2 recordings failed;")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ((), "No DATA given"),
        (("x.nwb", "--sessions", "3"), "--sessions, --cache-dir and --base-url are for 'ibl-repeated-site'"),
        (("ibl-repeated-site", "--workers", "2"), "--workers is for files and folders"),
        (("ibl-repeated-site", "x.nwb"), "'ibl-repeated-site' stands alone"),
        (("x.nwb", "--workers", "0"), "a number of processes, or 'ray' or 'slurm', not '0'"),
        (("ibl-repeated-site", "--workers", "ray"), "--workers is for files and folders"),
        (("x.nwb", "--slurm", "timeout_min=9"), "need workers slurm"),
        (("x.nwb", "--workers", "slurm", "--slurm", "timeout_min"), "is no KEY=VALUE"),
    ],
)
def test_flags_that_do_not_go_together(shell, tmp_path, flags, message):
    said = shell("prepare", *flags, "--out", tmp_path / "out")
    assert (said.status, said.out) == (1, "")
    assert message in said.err
    assert not (tmp_path / "out").exists()


def test_a_server_that_is_not_there_is_one_line_and_no_folder(shell, tmp_path):
    where = ("--base-url", "http://127.0.0.1:9", "--cache-dir", tmp_path / "cache")
    said = shell("prepare", "ibl-repeated-site", "--out", tmp_path / "out", *where)
    assert (said.status, said.out) == (1, "")
    assert said.err.startswith("error: The server http://127.0.0.1:9 cannot be reached")
    assert len(said.err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_the_repeated_site_and_its_recipe_and_all_that_is_decoded(shell, serve, tmp_path):
    """The page docs/how-to/ibl-repeated-site.md, on a small server and with a small model."""
    asked, out, run = serve(), tmp_path / "prepared", tmp_path / "run"
    said = shell("prepare", "ibl-repeated-site", "--out", out, "--cache-dir", tmp_path / "cache", "--sessions", "1")
    assert said.status == 0, said.err
    assert asked["base_url"] == "https://openalyx.internationalbrainlab.org"
    assert asked["cache_dir"] == tmp_path / "cache"
    assert said.err.splitlines()[-1] == f"Next: spikeglot pretrain {out} --recipe ibl-repeated-site --out RUN"
    tiny = ("--model.width", "16", "--model.depth", "1", "--model.heads", "2", "--model.mlp-width", "16")
    tiny += ("--model.stitch-width", "8", "--train.steps", "2", "--train.device", "cpu")
    tiny += ("--train.validate-every", "2", "--train.validation-questions", "2")
    said = shell("pretrain", out, "--recipe", "ibl-repeated-site", "--out", run, *tiny)
    assert said.status == 0, said.err
    config = json.loads((run / "best" / "config.json").read_text())["recipe"]
    assert config["window"] == {"align": "stimOn_times", "start_s": -0.5, "stop_s": 1.5, "bin_size_s": 0.02}
    classes, traces = ("choice", "block"), ("wheel_speed", "motion_energy_left")
    for target, metric in [*((one, "accuracy") for one in classes), *((one, "r2") for one in traces)]:
        table = tmp_path / f"{target}.csv"
        flags = ("--reaction-rule", "True", "--decoders", "linear", "--prompts", "neuron", "--shuffles", "0")
        said = shell("decode", run, out, "--target", target, "--out", table, *flags)
        assert said.status == 0, said.err
        rows = pd.read_csv(table)
        counts = rows.query(f"metric == '{metric}' and features == 'counts' and aggregation == 'session'")
        assert counts["value"].notna().all()
        assert len(counts) == 1
        if target == "choice":
            assert counts["value"].iloc[0] >= 0.75, "the spikes of this server follow the choice"
        assert rows["reason"].str.contains("reaction time outside", na=False).any()


def test_an_interruption_says_how_to_go_on(shell, serve, tmp_path):
    serve(dies_at="mouse_b")
    said = shell("prepare", "ibl-repeated-site", "--out", tmp_path / "out")
    assert said.status == 130
    assert said.err.splitlines()[-1] == "interrupted. What is done stays; the same command goes on."
    serve()
    said = shell("prepare", "ibl-repeated-site", "--out", tmp_path / "out")
    assert [line.split()[1] for line in said.out.splitlines()[1:]] == ["was", "prepared"]


def test_a_killed_command_leaves_whole_files_only(shell, recordings, tmp_path):
    """Killed without a word as soon as the first file is there; the same command does the rest."""
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    for k in range(8):
        recordings.write_npz(data / f"{k}.npz", session_id=f"s{k}")
    words = [sys.executable, "-m", "spikeglot", "prepare", str(data), "--out", str(out)]
    running = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ)
    end_s = time.monotonic() + 60
    while not list(out.glob("s*.h5")) and time.monotonic() < end_s:
        time.sleep(0.005)
    running.kill()
    running.wait()
    assert shell("show", out, "--json").status == 0, "what is there can be read"
    said = shell("prepare", data, "--out", out, "--json")
    assert said.status == 0
    assert {one["state"] for one in json.loads(said.out)["sessions"]} <= {"prepared", "was there"}
    assert sorted(path.name for path in out.iterdir()) == ["dropped.csv", *(f"s{k}.h5" for k in range(8))]
