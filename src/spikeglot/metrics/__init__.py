"""How good a prediction is: pure functions over (trial, time, unit), and `PoissonScores`, which streams."""

from spikeglot.metrics.poisson import (
    PoissonScores,
    bits_per_spike,
    mean_rate,
    poisson_d2,
    poisson_nll,
    pooled_bits_per_spike,
)
from spikeglot.metrics.variance import conditions, psth_r2, trial_r2

__all__ = [
    "PoissonScores",
    "bits_per_spike",
    "conditions",
    "mean_rate",
    "poisson_d2",
    "poisson_nll",
    "pooled_bits_per_spike",
    "psth_r2",
    "trial_r2",
]
