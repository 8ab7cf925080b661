"""A model for new sessions: the shared weights of a trained one, and stitchers that start from its units."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from spikeglot.models.mtm import MtM


@torch.no_grad()
def take_over(model: MtM, trained: MtM, unit_prior: bool) -> None:
    """Copy into ``model`` all that sessions share, and the stitchers of sessions that both know (in place).

    Without ``unit_prior`` the prior of a unit stays as it is.
    """
    given = trained.state_dict()
    for name, value in model.state_dict().items():
        owner = name.removeprefix("stitchers.").split(".")[0] if name.startswith("stitchers.") else ""
        is_known = not owner or owner in trained.stitchers
        if is_known and (unit_prior or not name.startswith("unit_prior.")):
            value.copy_(given[name])


@torch.no_grad()
def start_from_regions(
    model: MtM, trained: MtM, new: Mapping[str, Sequence[str]], known: Mapping[str, Sequence[str]]
) -> None:
    """Let the stitchers of new sessions start from the mean over those of ``trained`` (in place).

    ``new`` and ``known`` give the region of every unit of every session. A unit's read-in starts from the mean over
    the units of its region, or over all units where the model has not met the region; the session token, the mean over
    sessions; so does what reads the factors, which come in the same order in every session.
    """
    donors = [trained.stitcher(session_id) for session_id in known]
    of_donors = list(known.values())
    for session_id, regions in new.items():
        stitcher = model.stitcher(session_id)
        weights = _mean_by_region([donor.read_in.weight for donor in donors], of_donors, regions)
        stitcher.read_in.weight.copy_(weights)
        if stitcher.read_mask is not None:
            masks = [donor.read_mask.weight for donor in donors if donor.read_mask is not None]
            stitcher.read_mask.weight.copy_(_mean_by_region(masks, of_donors, regions))
        stitcher.read_in.bias.copy_(torch.stack([donor.read_in.bias for donor in donors]).mean(0))
        stitcher.token.copy_(torch.stack([donor.token for donor in donors]).mean(0))
        if stitcher.factors is not None:
            own = stitcher.read_factors.weight
            same = [d.read_factors.weight for d in donors if d.read_factors.weight.shape == own.shape]
            if same:
                own.copy_(torch.stack(same).mean(0))


def _mean_by_region(weights: Sequence[Tensor], of_donors: Sequence[Sequence[str]], regions: Sequence[str]) -> Tensor:
    """Return (channel, unit): for every unit the mean over the donors' units of its region, or over all of them."""
    by_region: dict[str, list[Tensor]] = defaultdict(list)
    for weight, its in zip(weights, of_donors, strict=True):
        for region, column in zip(its, weight.T, strict=True):
            by_region[region].append(column)
    average = {region: torch.stack(columns).mean(0) for region, columns in by_region.items()}
    overall = torch.stack([column for columns in by_region.values() for column in columns]).mean(0)
    return torch.stack([average.get(region, overall) for region in regions], dim=1)
