"""Poisson likelihood scores of predicted log-rates: bits per spike and D2, per unit and pooled."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from spikeglot.errors import DataError

MIN_SPIKES = 0.5
"""Spikes that a unit is taken to have fired, at least, wherever its mean rate is needed as a logarithm."""


def poisson_nll(log_rate: ArrayLike, counts: ArrayLike) -> np.ndarray:
    """Return the Poisson negative log-likelihood of every entry, in nats.

    ``exp(log_rate) - counts * log_rate + log(counts!)``, elementwise over arrays of any equal shape; NaN
    where ``log_rate`` is NaN.

    >>> float(poisson_nll(0.0, 1).round(6))
    1.0
    """
    from scipy.special import gammaln

    log_rate = np.asarray(log_rate, dtype=np.float64)
    counts = np.asarray(counts, dtype=np.float64)
    return np.exp(log_rate) - counts * log_rate + gammaln(counts + 1.0)


def mean_rate(counts: np.ndarray) -> np.ndarray:
    """Return the mean count per bin of every unit, (unit,): counts (..., unit) averaged over all other axes.

    A unit without a spike is given `MIN_SPIKES` of one, so that the logarithm of its rate exists.
    """
    n_entries = max(int(np.prod(counts.shape[:-1])), 1)
    n_spikes = counts.sum(axis=tuple(range(counts.ndim - 1)), dtype=np.float64)
    return np.maximum(n_spikes, MIN_SPIKES) / n_entries


class PoissonScores:
    """Sums over batches from which bits per spike and D2 follow exactly.

    An entry of NaN in ``log_rate`` is not scored; everything else is, per unit (the last axis).

    >>> scores = PoissonScores()
    >>> scores.update(np.log([[0.9], [0.2]]), np.array([[1], [0]])).bits_per_spike().round(3)
    array([0.704])
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget every batch."""
        self._sums: np.ndarray | None = None

    def update(self, log_rate: np.ndarray, counts: np.ndarray) -> PoissonScores:
        """Add a batch: ``log_rate`` and ``counts``, both (..., unit), and return self.

        Raises
        ------
        DataError
            The shapes or the numbers of units differ, or a log-rate is infinite.
        """
        sums = _sums(np.asarray(log_rate), np.asarray(counts))
        if self._sums is not None and self._sums.shape != sums.shape:
            raise DataError(
                f"This score has seen {self._sums.shape[1]} units, but the new batch has {sums.shape[1]}. "
                "Keep one score per session, or call reset() first."
            )
        self._sums = sums if self._sums is None else self._sums + sums
        return self

    @property
    def n_entries(self) -> np.ndarray:
        """(unit,) scored entries, that is, trials times bins."""
        return self._get()[0].astype(np.int64)

    @property
    def n_spikes(self) -> np.ndarray:
        """(unit,) spikes in the scored entries."""
        return self._get()[1].astype(np.int64)

    def bits_per_spike(self, null_rate: np.ndarray | None = None) -> np.ndarray:
        """Return (unit,) bits per spike: (NLL_null - NLL_model) / (n_spikes ln 2), NaN without a spike.

        ``null_rate`` is (unit,) in counts per bin, for instance `mean_rate` of the training trials; by
        default it is the mean over the scored entries (Pei et al. 2021, Neural Latents Benchmark).
        """
        gain, n_spikes = self._gain(null_rate)
        return gain / (n_spikes * np.log(2))

    def pooled_bits_per_spike(self, null_rate: np.ndarray | None = None) -> float:
        """Return bits per spike over all units together; units without a spike are left out."""
        gain, n_spikes = self._gain(null_rate)
        total = np.nansum(n_spikes)
        return float(np.nansum(gain) / (total * np.log(2))) if total > 0 else float("nan")

    def d2(self) -> np.ndarray:
        """Return (unit,) Poisson D2: the share of the deviance of the test mean that the model explains.

        1 - D_model / D_null, with the deviance D from the saturated model (BrainWideBench). NaN for a unit
        without a spike and for a unit whose counts do not vary.
        """
        model, null = self._deviances()
        return 1.0 - model / null

    def pooled_d2(self) -> float:
        """Return Poisson D2 of all units together: 1 - sum of D_model / sum of D_null."""
        model, null = self._deviances()
        total = np.nansum(null)
        return float(1.0 - np.nansum(model) / total) if total > 0 else float("nan")

    def compute(self, null_rate: np.ndarray | None = None) -> dict[str, float]:
        """Return the mean over units and the pooled bits per spike, and how many units they rest on."""
        per_unit = self.bits_per_spike(null_rate)
        scored = np.isfinite(per_unit)
        return {
            "mean": float(per_unit[scored].mean()) if scored.any() else float("nan"),
            "pooled": self.pooled_bits_per_spike(null_rate),
            "n_units": int(scored.sum()),
            "n_units_left_out": int((~scored).sum()),
        }

    def _get(self) -> np.ndarray:
        if self._sums is None:
            raise DataError("Nothing to score yet: call update(log_rate, counts) first.")
        return self._sums

    def _gain(self, null_rate: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Log-likelihood in nats that the model adds to the null, and spikes; NaN where a unit has none."""
        n_entries, n_spikes, rate, spike_log_rate, _ = self._get()
        n_spikes = np.where(n_spikes > 0, n_spikes, np.nan)
        test_rate = n_spikes / np.maximum(n_entries, 1)
        per_bin = test_rate if null_rate is None else np.asarray(null_rate, dtype=np.float64)
        null = n_spikes * np.log(per_bin) - n_entries * per_bin
        return spike_log_rate - rate - null, n_spikes

    def _deviances(self) -> tuple[np.ndarray, np.ndarray]:
        """Half the deviance of the model and of the test mean; NaN where the latter is zero."""
        n_entries, n_spikes, rate, spike_log_rate, spike_log_spike = self._get()
        n_spikes = np.where(n_spikes > 0, n_spikes, np.nan)
        saturated = spike_log_spike - n_spikes
        null = saturated - n_spikes * np.log(n_spikes / np.maximum(n_entries, 1)) + n_spikes
        null = np.where(null > 1e-9, null, np.nan)
        model = np.where(np.isnan(null), np.nan, saturated - (spike_log_rate - rate))
        return model, null


def bits_per_spike(log_rate: np.ndarray, counts: np.ndarray, null_rate: np.ndarray | None = None) -> np.ndarray:
    """Return bits per spike of every unit, (unit,); see `PoissonScores.bits_per_spike`."""
    return PoissonScores().update(log_rate, counts).bits_per_spike(null_rate)


def pooled_bits_per_spike(log_rate: np.ndarray, counts: np.ndarray, null_rate: np.ndarray | None = None) -> float:
    """Return bits per spike of all units together; see `PoissonScores.pooled_bits_per_spike`."""
    return PoissonScores().update(log_rate, counts).pooled_bits_per_spike(null_rate)


def poisson_d2(log_rate: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return Poisson D2 of every unit, (unit,); see `PoissonScores.d2`."""
    return PoissonScores().update(log_rate, counts).d2()


def _sums(log_rate: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """(5, unit): scored entries, spikes, sum of rate, of count * log-rate, of count * log(count)."""
    from scipy.special import xlogy

    if log_rate.shape != counts.shape:
        raise DataError(
            f"Predictions {log_rate.shape} and counts {counts.shape} must have the same shape, (..., unit)."
        )
    if np.isinf(log_rate).any():
        raise DataError("A predicted log-rate is infinite. Give finite log-rates, with NaN where nothing is predicted.")
    log_rate = log_rate.reshape(-1, log_rate.shape[-1]).astype(np.float64)
    counts = counts.reshape(log_rate.shape).astype(np.float64)
    scored = ~np.isnan(log_rate)
    log_rate = np.where(scored, log_rate, 0.0)
    counts = np.where(scored, counts, 0.0)
    rate = np.where(scored, np.exp(log_rate), 0.0)
    parts = (scored, counts, rate, counts * log_rate, xlogy(counts, counts))
    return np.stack([part.sum(axis=0, dtype=np.float64) for part in parts])
