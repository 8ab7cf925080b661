"""Prepared sessions are used where they lie: the numbers are those of memory, to the bit; only what is used is read."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import spikeglot as sg
from spikeglot.api.common import part_tensors
from spikeglot.api.usable import prepare_to_train
from spikeglot.batch import masked_groups, sessions_by_id, to_tensors
from spikeglot.data.session import Trace
from spikeglot.data.simulate import SimulationSettings
from spikeglot.data.stored_array import StoredArray
from spikeglot.randomness import derive_seed
from spikeglot.training.loop import batches

torch.set_num_threads(1)

SMALL = SimulationSettings(n_subjects=2, n_trials=40, regions=("TH", "CA1"), min_units=6, max_units=9)
WINDOW = {"align": "stim_on_time", "stop_s": 0.4}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("prepared")
    sg.prepare(sg.simulate_sessions(SMALL), out=out)
    return out


@pytest.fixture
def recipe(recordings):
    sections = {**recordings.TINY, "window": WINDOW, "quality": {"min_rate_hz": 0.5}}
    return sg.load_recipe("mtm-ndt1", **sections)


def in_memory(session):
    """The same session with nothing left in a file."""
    traces = {name: Trace(trace.times_s.copy(), trace.values.copy()) for name, trace in session.behaviour.items()}
    return replace(
        session,
        spike_times_s=session.spike_times_s.copy(),
        spike_unit=session.spike_unit.copy(),
        behaviour=traces,
    )


@pytest.fixture
def mapped(monkeypatch):
    """The files that were mapped, and the rows of each that were taken."""
    told = {"mapped": [], "taken": []}
    map_it, take = StoredArray._mapped, StoredArray.take

    def note_map(self, mode):
        told["mapped"].append(Path(self.path).parent.name)
        return map_it(self, mode)

    def note_take(self, rows):
        found = take(self, rows)
        told["taken"].append(len(found))
        return found

    monkeypatch.setattr(StoredArray, "_mapped", note_map)
    monkeypatch.setattr(StoredArray, "take", note_take)
    return told


def test_loading_reads_no_spikes_and_training_reads_the_trials_of_its_batches(folder, recipe, mapped):
    prepare_to_train(sg.load_sessions(folder), recipe, False)
    mapped["mapped"].clear()
    sessions = sg.load_sessions(folder)
    names = {vars(session)["spike_times_s"].path for session in sessions}
    assert names == {str(folder / f"{session.session_id}.h5") for session in sessions}
    prepared = prepare_to_train(sessions, recipe, False).prepared
    parts = {name: part_tensors(one, "train") for name, one in prepared.items()}
    assert [part.n_trials for part in parts.values()] == [28, 28]
    assert mapped == {"mapped": [], "taken": []}
    step, batch = next(batches(recipe, parts, start=0))
    groups = masked_groups(parts, batch, recipe.mask, derive_seed(0, "masks", step))
    assert mapped["mapped"] == [".counts"] * len(batch)
    assert mapped["taken"] == [len(group.counts) for group in groups]
    assert sum(mapped["taken"]) == sum(len(trials) for trials in batch.values()) * recipe.mask.masks_per_trial


def test_tensors_of_a_part_are_those_of_the_counts_in_memory(folder, recipe):
    stored = prepare_to_train(sg.load_sessions(folder), recipe, False).prepared
    held = prepare_to_train(map(in_memory, sg.load_sessions(folder)), recipe, False).prepared
    for name in stored:
        assert isinstance(stored[name].counts.as_given, StoredArray)
        assert not isinstance(held[name].counts.as_given, StoredArray)
        ours, theirs = part_tensors(stored[name], "train"), part_tensors(held[name], "train")
        assert (ours.n_trials, ours.n_bins, ours.n_units) == tuple(theirs.counts.shape)
        assert ours.counts.dtype == theirs.counts.dtype == torch.uint8
        assert torch.equal(ours.counts, theirs.counts)
        assert torch.equal(ours.start_s, theirs.start_s)
        assert torch.equal(ours.region, theirs.region)
        trials = torch.tensor([5, 0, 5])
        assert torch.equal(ours.at(trials), theirs.at(trials))
        assert torch.equal(ours.at(slice(2, 4)), theirs.at(slice(2, 4)))
        assert torch.equal(ours.whole(trials).counts, theirs.whole(trials).counts)


def test_what_is_written_into_tensors_stays_there(folder, recipe):
    one = next(iter(prepare_to_train(sg.load_sessions(folder), recipe, False).prepared.values()))
    kept = Path(one.counts.as_given.path)
    before = kept.read_bytes()
    tensors = to_tensors(one.counts)
    whole = tensors.counts
    whole[:] = 77
    assert int(whole.min()) == 77
    assert int(tensors.counts.max()) < 77
    part_tensors(one, "val").counts[:] = 77
    assert kept.read_bytes() == before


def test_more_than_255_spikes_in_a_bin(folder, recipe, tmp_path):
    session = in_memory(sg.load_sessions(folder)[0])
    times_s = session.trials["stim_on_time"].iloc[3] + np.linspace(0.001, 0.015, 300)
    order = np.argsort(np.concatenate([session.spike_times_s, times_s]), kind="stable")
    session = replace(
        session,
        spike_times_s=np.concatenate([session.spike_times_s, times_s])[order],
        spike_unit=np.concatenate([session.spike_unit, np.zeros(300, np.int32)])[order],
    )
    back = sg.load_sessions(sg.write_session(session, tmp_path / "many.h5"))
    one = next(iter(prepare_to_train(back, recipe, False).prepared.values()))
    assert one.counts.as_given.dtype == np.uint16
    tensors = to_tensors(one.counts)
    assert tensors.counts.dtype == torch.int32
    assert int(tensors.at(torch.tensor([3])).max()) >= 300


@pytest.mark.parametrize("start", ["factors", "zero"])
def test_a_model_and_its_scores_are_the_same_from_files_and_from_memory(folder, recipe, tmp_path, start):
    recipe = recipe.model_copy(update={"model": recipe.model.model_copy(update={"start": start})})
    tables, weights = [], []
    for name, read in (("files", lambda session: session), ("memory", in_memory)):
        sessions = [read(session) for session in sg.load_sessions(folder)]
        run = sg.pretrain(sessions, out=tmp_path / name, recipe=recipe)
        weights.append(run.model.state_dict())
        tables.append(sg.evaluate(run, sessions, baselines=("drift", "ridge", "reduced-rank"), device="cpu"))
    for name, value in weights[0].items():
        assert torch.equal(value, weights[1][name]), name
    pd.testing.assert_frame_equal(*tables)
    logs = [(tmp_path / name / "log.csv").read_text().splitlines() for name in ("files", "memory")]
    assert [line.split(",")[:3] for line in logs[0]] == [line.split(",")[:3] for line in logs[1]]


def test_an_epoch_makes_its_batches_when_they_are_asked_for(recipe, factories):
    sessions = sessions_by_id(factories.two_sessions())
    forwards = [batch for _, batch in zip(range(9), batches(recipe, sessions, start=0), strict=False)]
    for step in (0, 3, 5):
        _, batch = next(batches(recipe, sessions, start=step))
        assert list(batch) == list(forwards[step][1])
        assert all(torch.equal(batch[name], forwards[step][1][name]) for name in batch)
