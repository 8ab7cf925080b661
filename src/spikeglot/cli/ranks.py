"""The shell where several ranks run the same command: one of them speaks. And its command on ranks elsewhere."""

from __future__ import annotations

import os
from collections.abc import Callable

from spikeglot.cli.arguments import Pretrain
from spikeglot.cli.output import Output
from spikeglot.errors import SettingsError


def rank() -> int:
    """Return which of the ranks this process is, as torchrun and others say it; 0 where it is alone."""
    return int(os.environ.get("RANK", "0"))


def launched(arguments: Pretrain, work: Callable[[], None], output: Output) -> bool:
    """Let ranks elsewhere ``work``, where ``--launch`` says so; return whether it is done, and not only submitted.

    Raises
    ------
    SettingsError
        Ray or submitit is not installed; an option of SLURM that is no KEY=VALUE.
    SpikeglotError
        A rank failed.
    """
    use_gpu = arguments.settings.train.device.startswith("cuda")
    if arguments.launch == "ray":
        from spikeglot.launch.on_ray import ray_train

        ray_train(work, arguments.ranks, use_gpu=use_gpu, max_failures=arguments.max_failures)
        return True
    from spikeglot.launch.on_slurm import submit_slurm

    logs = arguments.out.with_name(arguments.out.name + ".slurm")
    options = slurm_options(arguments.slurm)
    job_id = submit_slurm(work, arguments.ranks, folder=logs, use_gpu=use_gpu, options=options)
    output.result(f"Submitted job {job_id}; its logs: {logs}", data={"job_id": job_id, "logs": str(logs)})
    return False


def slurm_options(words: tuple[str, ...]) -> dict[str, str | int]:
    """Return KEY=VALUE words as options; numbers become numbers."""
    options: dict[str, str | int] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not (key and equals and value):
            raise SettingsError(f"--slurm {word} is no KEY=VALUE. For instance: --slurm nodes=2 timeout_min=600.")
        options[key] = int(value) if value.isdecimal() else value
    return options
