"""Where submitit is installed and SLURM is not, submitit runs the tasks of a job on this machine: ranks of one run."""

import importlib.util
import shutil
import sys

import pytest

WORK = """
import time
from pathlib import Path

jobs, out = Path(sys.argv[1]), Path(sys.argv[2])
job_id = sg.submit_slurm(lambda: pretrain(out, resume="if-begun"), 2, folder=jobs)
while len(list(jobs.glob(f"{job_id}_*_result.pkl"))) < 2:
    time.sleep(0.1)
"""


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("submitit") is None, reason="needs submitit")
@pytest.mark.skipif(shutil.which("srun") is not None, reason="SLURM is here: submitit would send it a job")
def test_the_tasks_of_a_job_make_the_model_that_one_process_makes(together, tmp_path):
    together.scope()["pretrain"](tmp_path / "one")
    words = [sys.executable, "-c", together.SCRIPT + WORK, str(tmp_path / "jobs"), str(tmp_path / "run")]
    status, _, said = together.finish([together.begin(words)])[0]
    assert status == 0, said
    together.assert_equal_runs(tmp_path / "one", tmp_path / "run")
