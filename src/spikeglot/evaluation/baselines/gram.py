"""Ridge regression of many units, each on all features but its own, from one inverse.

With A = X'X + penalty I, P = A^-1 and the coefficients W = P X'Y on all features, a further penalty ``extra``
on the features S alone has the coefficients

    W - P[:, S] (P[S, S] + I / extra)^-1 W[S]

(Woodbury's identity). An infinite one leaves the features out, exactly; a negative one sets them freer.
"""

from __future__ import annotations

import numpy as np


def penalised_inverse(gram: np.ndarray, penalty: float) -> np.ndarray:
    """Return (gram + penalty I)^-1 of X'X (feature, feature), float64."""
    from scipy.linalg import get_lapack_funcs

    factorise, invert = get_lapack_funcs(("potrf", "potri"), (gram,))
    factor, problem = factorise(gram + penalty * np.eye(len(gram)), lower=1)
    inverse, problem = invert(factor, lower=1) if problem == 0 else (factor, problem)
    if problem:
        raise np.linalg.LinAlgError("X'X + penalty I is not positive definite: the penalty is too small")
    inverse = np.tril(inverse)
    return inverse + np.tril(inverse, -1).T


def penalise_own(inverse: np.ndarray, coefficients: np.ndarray, own: np.ndarray, extra: float = np.inf) -> np.ndarray:
    """Return coefficients (feature, unit) after a further penalty on each unit's own features.

    ``inverse`` is P (feature, feature), ``coefficients`` W (feature, unit), and ``own`` (k, unit) the
    features that belong to the unit of each column of W.
    """
    units = np.arange(own.shape[1])
    blocks = inverse[own.T[:, :, None], own.T[:, None, :]] + np.eye(len(own)) / extra
    shares = np.linalg.solve(blocks, coefficients[own, units].T[:, :, None])[:, :, 0].T
    out = coefficients.copy()
    for features, share in zip(own, shares, strict=True):
        out -= inverse[:, features] * share
    if np.isinf(extra):
        out[own, units] = 0
    return out


def leave_out(inverse: np.ndarray, coefficients: np.ndarray, features: np.ndarray) -> np.ndarray:
    """Return coefficients (feature, unit) of the regressions that leave out the same ``features`` for all."""
    share = np.linalg.solve(inverse[np.ix_(features, features)], coefficients[features])
    out = coefficients - inverse[:, features] @ share
    out[features] = 0
    return out
