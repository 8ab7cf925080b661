"""Ridge regression of every unit on all features but those it must not see, from one inverse.

With A = X'X + penalty I, P = A^-1 and the coefficients W = P X'Y on all features, the ridge regression that leaves
out the features S has the coefficients W - P[:, S] P[S, S]^-1 W[S], exactly: they are zero on S, and on the rest they
solve the smaller system (inverse of a partitioned matrix). Hence one inversion for all units.
"""

from __future__ import annotations

import numpy as np


def penalised_inverse(gram: np.ndarray, penalty: float) -> np.ndarray:
    """Return (X'X + penalty I)^-1 from ``gram`` = X'X, (feature, feature) float64."""
    from scipy.linalg import lapack

    factor, failed = lapack.dpotrf(gram + penalty * np.eye(len(gram)), lower=1)
    if failed:
        return np.linalg.inv(gram + penalty * np.eye(len(gram)))
    lower = np.tril(lapack.dpotri(factor, lower=1)[0])
    return lower + np.tril(lower, -1).T


def without_own(inverse: np.ndarray, coefficients: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Return coefficients (feature, unit) in which each unit does without its own features.

    ``inverse`` is P, ``coefficients`` W, and ``own`` (unit, k) the features that the unit of each column of W lacks.
    """
    blocks = inverse[own[:, :, None], own[:, None, :]]
    shares = np.linalg.solve(blocks, coefficients[own, np.arange(len(own))[:, None]][..., None])[..., 0]
    out = coefficients.copy()
    for k in range(own.shape[1]):
        out -= inverse[:, own[:, k]] * shares[:, k]
    for k in range(own.shape[1]):
        out[own[:, k], np.arange(len(own))] = 0
    return out


def without(inverse: np.ndarray, coefficients: np.ndarray, features: np.ndarray) -> np.ndarray:
    """Return coefficients (feature, unit) in which all units do without the same ``features``."""
    share = np.linalg.solve(inverse[np.ix_(features, features)], coefficients[features])
    out = coefficients - inverse[:, features] @ share
    out[features] = 0
    return out
