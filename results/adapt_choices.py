"""What each choice in adapting is worth: bits per spike of held-out sessions, few trials and all, as one CSV.

python results/adapt_choices.py RUN OUT.csv DATA...   (RUN: a model pretrained on other animals)
"""

import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

import spikeglot as sg

CHOICES = {
    "closed-form": {"method": "closed-form"},
    "closed-form, prior of the settings": {"method": "closed-form", "unit_prior": False},
    "stitchers": {"method": "stitchers"},
    "stitchers, read-ins at random": {"method": "stitchers", "from_regions": False},
    "gradual": {"method": "gradual"},
    "everything": {"method": "everything"},
}
TRIALS = (20, 50, None)


def main(run, out, *data):
    rows = []
    for session in sg.load_sessions(*data):
        for trials in TRIALS:
            for choice, settings in CHOICES.items():
                with tempfile.TemporaryDirectory() as folder:
                    began = time.perf_counter()
                    model = sg.finetune(run, session, out=Path(folder) / "run", trials=trials, **settings)
                    seconds = time.perf_counter() - began
                scores = sg.evaluate(model, [session], baselines=())
                scores = scores.query("metric == 'bits_per_spike' and null == 'test' and aggregation != 'unit'")
                rows.append(scores.assign(choice=choice, n_trials=trials or 0, seconds=round(seconds, 1)))
                pd.concat(rows).to_csv(out, index=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
