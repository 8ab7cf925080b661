"""Seeds are derived from a seed and names, the same on every machine."""

import torch

from spikeglot.randomness import derive_seed, generator


def test_seeds_are_fixed_for_ever():
    """Another number here means that no earlier run can be repeated."""
    assert derive_seed(0, "masks", 3) == 33143951816368358


def test_seeds_differ_by_seed_by_name_and_by_number():
    seeds = {derive_seed(s, name, i) for s in range(5) for name in ("masks", "order") for i in range(50)}
    assert len(seeds) == 500


def test_generators_do_not_touch_the_state_of_torch():
    before = torch.get_rng_state()
    a, b = (torch.rand(5, generator=generator(1, "x")) for _ in range(2))
    assert torch.equal(a, b)
    assert torch.equal(before, torch.get_rng_state())
