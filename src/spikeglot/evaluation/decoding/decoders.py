"""Linear decoders whose strength of shrinkage is chosen by nested cross-validation on the trials they are fitted on.

Source: Zhang et al. 2024 (arXiv 2407.14668), section 4: logistic regression with C from 1e-4 to 1e4 by 4-fold
cross-validation, ridge regression with alpha 0 and 10 to 1e4, on flattened trials (time x unit).
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold

C_GRID = tuple(10.0**power for power in range(-4, 5))
ALPHA_GRID = (0.0, 10.0, 100.0, 1e3, 1e4)
MAX_ITERATIONS = 1000
C_WITHOUT_CHOICE = 1.0
ALPHA_WITHOUT_CHOICE = 100.0
"""What is taken where there are too few trials to choose."""


def fit_and_predict(
    features: np.ndarray, values: np.ndarray, fit: np.ndarray, asked: np.ndarray, *, n_folds: int, seed: int
) -> np.ndarray:
    """Fit a linear decoder on the trials ``fit`` and return what it says of the trials ``asked``.

    ``features`` (trial, ...) are flattened; ``values`` are labels (fit trial,) or traces (fit trial, time, channel).
    Folds inside ``fit`` choose the shrinkage: of classes by the log loss, of traces by the squared error. ``n_folds``
    is lowered where a class has fewer members; with fewer than two a fixed shrinkage is taken. Returns labels (asked
    trial,) or traces (asked trial, time, channel).
    """
    fitted, others = _rotated(features, fit, asked)
    decoder = _decoder(values, n_folds, seed)
    with warnings.catch_warnings():
        # separable classes do not converge at C = 1e4; the folds judge such a candidate by what it says
        warnings.simplefilter("ignore", ConvergenceWarning)
        decoder.fit(fitted, _flat(values))
    return np.asarray(decoder.predict(others)).reshape(len(asked), *values.shape[1:])


def chance(values: np.ndarray, n_asked: int) -> np.ndarray:
    """Return what can be said without any spike: the majority class, or the trial average of the fitted traces."""
    dummy = DummyClassifier(strategy="most_frequent") if values.ndim == 1 else DummyRegressor()
    dummy.fit(np.zeros((len(values), 1)), _flat(values))
    return np.asarray(dummy.predict(np.zeros((n_asked, 1)))).reshape(n_asked, *values.shape[1:])


def _flat(values: np.ndarray) -> np.ndarray:
    return values.astype(str) if values.ndim == 1 else values.reshape(len(values), -1)


def _rotated(features: np.ndarray, fit: np.ndarray, asked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All principal components of the fitted trials, of both kinds of trials.

    A decoder that shrinks all directions alike learns the same from them as from the features, which are many more:
    its weights lie in the span of the trials that it is fitted on. So do those of every inner fold.
    """
    flat = features.reshape(len(features), -1).astype(np.float64)
    center = flat[fit].mean(axis=0)
    components = np.linalg.svd(flat[fit] - center, full_matrices=False)[2]
    return (flat[fit] - center) @ components.T, (flat[asked] - center) @ components.T


def _decoder(values: np.ndarray, n_folds: int, seed: int) -> Any:
    """The decoder of labels or traces, with the search of its shrinkage where there are trials enough."""
    if values.ndim == 1:
        classifier = LogisticRegression(C=C_WITHOUT_CHOICE, max_iter=MAX_ITERATIONS)
        n_folds = min(n_folds, int(np.unique(values.astype(str), return_counts=True)[1].min()))
        if n_folds < 2:
            return classifier
        folds = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
        return GridSearchCV(classifier, {"C": C_GRID}, cv=folds, scoring="neg_log_loss")
    regressor = Ridge(alpha=ALPHA_WITHOUT_CHOICE, solver="svd")
    n_folds = min(n_folds, len(values))
    if n_folds < 2:
        return regressor
    return GridSearchCV(
        regressor,
        {"alpha": ALPHA_GRID},
        cv=KFold(n_folds, shuffle=True, random_state=seed),
        scoring="neg_mean_squared_error",
    )
