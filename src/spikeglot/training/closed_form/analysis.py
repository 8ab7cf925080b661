"""Factor analysis of one time scale, shrunk, with the factors in an order that means the same in every session."""

from __future__ import annotations

import torch
from torch import Tensor

EM_STEPS = 60
PRIVATE = 0.8
"""Private variance that the search starts from."""


def factor_analysis(x: Tensor, n_factors: int, shrunk_with: float = 0.0) -> tuple[Tensor, Tensor]:
    """Return loadings (unit, factor) and private variances (unit,) of standardised x (sample, unit), by EM.

    The covariance is shrunk as if ``shrunk_with`` further samples had shown units without correlation (the mean of
    an inverse Wishart posterior): a few dozen trials would otherwise be explained by factors entirely. Factors come
    by how much they tell, the first the most, each with the sign of most of its units.
    """
    eye = torch.eye(x.shape[1])
    covariance = (x.T @ x + shrunk_with * eye) / (len(x) + shrunk_with)
    values, vectors = torch.linalg.eigh(covariance.double())
    values, vectors = values.float().flip(0)[:n_factors], vectors.float().flip(1)[:, :n_factors]
    private = torch.full((x.shape[1],), PRIVATE)
    loading = vectors * (values - PRIVATE).clamp_min(0.05).sqrt()
    for _ in range(EM_STEPS):
        precise = loading / private[:, None]
        spread = torch.linalg.inv(torch.eye(n_factors) + loading.T @ precise)
        back = covariance @ (precise @ spread)
        loading = back @ torch.linalg.inv(spread + spread @ precise.T @ back)
        private = (covariance.diagonal() - (loading * back).sum(1)).clamp_min(0.02)
    return in_order(loading, private), private


def in_order(loading: Tensor, private: Tensor) -> Tensor:
    """Rotate loadings (unit, factor) so that the factors are independent given the units, the most precise first."""
    information = (loading.T / private) @ loading
    rotation = torch.linalg.eigh(information.double())[1].float().flip(1)
    rotated = loading @ rotation
    return rotated * torch.where(rotated.sum(0) < 0, -1.0, 1.0)
