"""What every verb does first: prepare the sessions, read the run, make sure that the two belong together."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from spikeglot.batch import SessionTensors, to_tensors
from spikeglot.checkpoint import Checkpoint, check_same_data, load_checkpoint
from spikeglot.data.prepare import Prepared, prepare_session
from spikeglot.data.session import Session
from spikeglot.data.sources.search import joined
from spikeglot.errors import CheckpointError, DataError, SettingsError, did_you_mean
from spikeglot.settings import Recipe
from spikeglot.training.run_folder import Resume, RunFolder


def check_out(out: str | Path, resume: Resume = False) -> None:
    """Make sure that a run can be started (or resumed) in ``out``, before data are read.

    Raises
    ------
    CheckpointError
        The folder holds a run or other things; nothing to resume.
    """
    RunFolder(Path(out), resume)


def load_run(path: str | Path) -> Checkpoint:
    """Read the best checkpoint of a run folder, or the checkpoint folder itself."""
    path = Path(path)
    if path.is_dir() and not (path / "config.json").exists() and not (path / "best").exists():
        raise CheckpointError(
            f"The folder '{path}' holds no run. Give the folder that `spikeglot pretrain --out` wrote."
        )
    return load_checkpoint(path if (path / "config.json").exists() else path / "best")


def prepare_all(sessions: Iterable[Session], recipe: Recipe) -> dict[str, Prepared]:
    """Prepare every session as the recipe says, keyed by session id and in its order: files in another order make
    the same model.

    Raises
    ------
    DataError
        No session; two with the same id; sessions that cannot be used, all of them in one message.
    """
    prepared: dict[str, Prepared] = {}
    problems = []
    for session in sessions:
        if session.session_id in prepared:
            problems.append(f"Two sessions are called '{session.session_id}'. Give each file once.")
            continue
        try:
            prepared[session.session_id] = prepare_session(session, recipe)
        except DataError as error:
            problems.append(str(error))
    if problems:
        raise DataError(joined(problems))
    if not prepared:
        raise DataError("There is no session to work on. Give files or folders of recordings.")
    return dict(sorted(prepared.items()))


def part_tensors(prepared: Prepared, part: str) -> SessionTensors:
    """Return the trials of one part of the split ("train", "val" or "test") as tensors; stored counts are not read."""
    return to_tensors(prepared.counts.take_trials(getattr(prepared.split, part)))


def check_same_sessions(checkpoint: Checkpoint, prepared: dict[str, Prepared], where: str) -> None:
    """Make sure that the model knows each session, and by the same units and trials."""
    for session_id, one in prepared.items():
        checkpoint.model.stitcher(session_id)
        check_same_data(checkpoint.sessions[session_id], one, where)


def trained_prompts(recipe: Recipe) -> tuple[str, ...]:
    """Return the prompts that a model of the recipe was trained with, "none" where it is not prompted."""
    if not recipe.mask.prompted:
        return ("none",)
    schemes = ("causal" if name == "forecast" else name for name in recipe.mask.schemes)
    return tuple(dict.fromkeys(schemes))


def check_prompt(prompt: str, recipe: Recipe) -> None:
    """Make sure that a model of the recipe can be told a prompt; "none" always can.

    Raises
    ------
    SettingsError
        It was not trained with it.
    """
    trained = trained_prompts(recipe)
    if prompt not in (*trained, "none"):
        raise SettingsError(f"The model was not trained with a prompt '{prompt}'.{did_you_mean(prompt, trained)}")
