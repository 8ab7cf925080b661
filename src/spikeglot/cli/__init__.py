"""The shell: the same verbs as in Python. Results go to stdout, progress to stderr."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence

USAGE = """usage: spikeglot VERB [OPTIONS] ...

One model for many animals' spikes, trained by multi-task masking (MtM).

  demo                               simulate, pretrain, evaluate, draw: three minutes, no data needed
  show     DATA...                   sessions, units per region, firing rates, trials, what is dropped
  check    DATA...                   whether every session can be trained on, and what to do where not
  prepare  DATA... --out FOLDER      turn recordings into prepared sessions once; or download the IBL repeated site
  pretrain DATA... --out RUN         train one model on all sessions
  finetune RUN DATA... --out NEW     adapt a model to animals that it has not seen
  evaluate RUN DATA... --out CSV     score the four tasks, exactly, next to baselines
  decode   RUN DATA... --target T    decode choices or traces, next to raw counts and chance
  translate RUN DATA... --out OUT    predict units of some regions from those of others, or all regions from all
  study NAME DATA... --out FOLDER    one of the paper's experiments as a grid of runs; study --help lists them

DATA are files or folders: NWB (.nwb), ALF/ONE folders, brainsets HDF5 (.h5), plain arrays (.npz), or the word
"simulated" for the embedded data set. Every verb has --help, --quiet and --json.
"""

EXIT_ERROR = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit status: 0, 1 for an error, 2 for wrong usage, 130 when interrupted."""
    if argv is None:
        share_cores()
        argv = sys.argv[1:]
    argv = list(argv)
    if not argv or argv[0] in ("-h", "--help", "help"):
        sys.stdout.write(USAGE)
        return 0 if argv else EXIT_USAGE
    if argv[0] == "--version":
        from spikeglot.version import __version__

        sys.stdout.write(f"spikeglot {__version__}\n")
        return 0
    return _run(argv[0], argv[1:])


def share_cores() -> None:
    """Let the threads of numpy and torch, which are not loaded yet, sleep while they wait for one another.

    By default they spin, and that makes small matrices 30 times slower as soon as anything else runs on the machine.
    OpenBLAS spins whatever one asks for, so it gets half of the cores. What the user has set stays.
    """
    n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", str(max(1, n_cores // 2))))


def _run(verb: str, flags: list[str]) -> int:
    from spikeglot.cli.arguments import VERBS
    from spikeglot.cli.output import Output
    from spikeglot.cli.parse import parse
    from spikeglot.errors import SpikeglotError, did_you_mean

    if verb not in VERBS:
        return _complain(f"There is no verb '{verb}'.{did_you_mean(verb, VERBS)} See spikeglot --help.", EXIT_USAGE)
    try:
        arguments = parse(verb, flags)
    except SystemExit as done:  # tyro has printed --help, or what it does not understand
        return EXIT_USAGE if done.code else 0
    except SpikeglotError as error:
        return _complain(str(error))
    try:
        # where several ranks run the same command, one of them speaks
        is_quiet = arguments.quiet or _rank() != "0"
        _verb(verb)(arguments, Output(is_quiet, arguments.json, shlex.join(["spikeglot", verb, *flags])))
    except KeyboardInterrupt as error:
        if _rank() == "0":
            sys.stderr.write(f"interrupted. {error}".rstrip() + "\n")
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # whoever read stdout has seen enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_ERROR
    except (SpikeglotError, OSError) as error:
        return _complain(str(error))
    return 0


def _complain(text: str, status: int = EXIT_ERROR) -> int:
    who = "" if _rank() == "0" else f"rank {_rank()}: "
    sys.stderr.write(f"{who}error: {text}\n")
    return status


def _rank() -> str:
    return os.environ.get("RANK", "0")


def _verb(name: str):
    """Import one verb only: `show` must not wait for torch."""
    from importlib import import_module

    return import_module(f"spikeglot.cli.{name}").run
