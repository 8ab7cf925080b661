"""What hiding units in groups costs next to hiding them one by one: bits per spike and seconds, as one CSV.

python results/held_out_groups.py OUT.csv RUN DATA   (once for each RUN, a folder of spikeglot pretrain)
"""

import sys
import time
from pathlib import Path

import pandas as pd

import spikeglot as sg

GROUPS = (2, 5, 10, 20, 50, 100, None)
TASKS = ("co-smoothing", "intra-region")


def main(out, run, data):
    session = next(iter(sg.load_sessions(data)))
    rows = [pd.read_csv(out)] if Path(out).exists() else []
    sg.evaluate(run, [session], tasks=("forward",), baselines=(), workers=1)  # the first call loads libraries
    for groups in GROUPS:
        began = time.thread_time()
        scores = sg.evaluate(run, [session], tasks=TASKS, baselines=(), groups=groups, workers=1)
        seconds = round(time.thread_time() - began, 1)
        scores = scores.query("metric == 'bits_per_spike' and null == 'test' and aggregation != 'unit'")
        rows.append(scores.assign(run=Path(run).name, groups=groups or "exact", seconds=seconds))
        pd.concat(rows).to_csv(out, index=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
