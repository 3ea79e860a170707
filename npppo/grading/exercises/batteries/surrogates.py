"""Inputs for the surrogates beside the clipped one."""

from __future__ import annotations

import math

import numpy as np

from ..exercise import Array
from .drawing import Args, Generator
from .losses import (
    RATIOS,
    UNLIKELY,
    above,
    all_cells,
    below,
    inside,
    one_side,
    signed,
    spread,
    with_ratio,
)
from .tables import FLOAT32, Table, battery, completed, each, in_whole

WHOLE = "whole-number advantages"


def without_clip(
    rng: Generator, stratum: str, ratio: Array, advantages: Array, clip: float
) -> Args:
    return ratio, advantages


def limits_of(low: float, high: float, bound: float) -> tuple[float, float, float]:
    """What lies beyond a bound of inf lies beyond 4."""
    return 1 - low, 1 + high, min(bound, 4.0)


def between_limits(rng: Generator, place: int, sign: int, size: int, *clips: float) -> Args:
    """Ratios below the first limit, in the place above it, … for one sign of A."""
    limits = limits_of(*clips)
    ends = (0.3 * limits[0], *limits, 2 * limits[-1])[place : place + 2]
    ratio = np.interp(np.linspace(0.15, 0.85, size), (0, 1), ends) * rng.uniform(0.98, 1.02)
    return ratio, sign * spread(rng, 0.3, 2.0, size), *clips


def everywhere(rng: Generator, *clips: float) -> Args:
    """Both signs of A in all four places."""
    cells = [between_limits(rng, place, sign, 2, *clips) for place in range(4) for sign in (1, -1)]
    ratio, advantages = (np.concatenate([cell[k] for cell in cells]) for k in (0, 1))
    order = rng.permutation(len(ratio))
    return ratio[order], advantages[order], *clips


def near_the_limits(rng: Generator) -> Args:
    """Ratios on either side of other limits than 0.8, 1.4 and 2: 1/1.2, 1/0.6, 0.6, 1.2, 3 …"""
    ratio = np.array([0.15, 0.35, 0.55, 0.7, 0.815, 0.9, 1.1, 1.3, 1.5, 1.6, 1.8, 1.95, 2.2, 2.8])
    order = rng.permutation(2 * len(ratio))
    advantages = np.tile([1.0, -1.0], len(ratio)) * spread(rng, 0.3, 2.0, 2 * len(ratio))
    return np.repeat(ratio, 2)[order], advantages[order], 0.2, 0.4, 2.0


def off_the_limits(log_prob: Array, old_log_prob: Array, _: Array, *clips: float) -> bool:
    ratio = np.exp(log_prob - old_log_prob)  # (N,)
    low, high, bound = clips
    return all((abs(ratio - limit) > 1e-3).all() for limit in (1 - low, 1 + high, bound))


SURROGATE: Table = completed(
    without_clip,
    {
        ("both signs of A", 6): each(all_cells, (0.3,), (0.1,)),
        ("A > 0", 1): each(one_side, (above, 1, 0.3, 4), (below, 1, 0.3, 3)),
        ("A < 0", 1): each(one_side, (above, -1, 0.3, 3), (below, -1, 0.3, 4)),
        ("one sample", 1): each(one_side, (below, 1, 0.3, 1), (above, -1, 0.3, 1)),
        (UNLIKELY, 1): each(all_cells, (0.3,)),
        (WHOLE, 1): in_whole(1, each(all_cells, (0.3,))),
        (FLOAT32, 1): each(all_cells, (0.3,)),
    },
)
CLIPS = (0.2, 0.3, 2.0), (0.3, 0.1, 4.0)  # low, high, bound
PLACES = "below the lower limit", "between the limits", "above the upper limit", "beyond the bound"
DUAL: Table = {
    **{
        (f"A {'>' if sign > 0 else '<'} 0, {where}", 1): each(
            between_limits, *[(place, sign, 3, *clips) for clips in CLIPS]
        )
        for place, where in enumerate(PLACES)
        for sign in (1, -1)
    },
    ("everything at once", 4): each(everywhere, *CLIPS),
    ("equal limits", 1): each(everywhere, (0.2, 0.2, 3.0)),
    ("no bound", 1): each(everywhere, (0.2, 0.3, math.inf)),
    ("close to the limits", 1): [near_the_limits],
    ("one sample", 1): each(between_limits, (3, -1, 1, *CLIPS[0]), (0, 1, 1, *CLIPS[0])),
    (UNLIKELY, 1): each(everywhere, CLIPS[0]),
    (WHOLE, 1): in_whole(1, each(everywhere, CLIPS[0])),
    (FLOAT32, 1): each(everywhere, CLIPS[0]),
}
SPO: Table = {
    ("inside the band", 2): each(one_side, (inside, 1, 0.3, 4), (inside, -1, 0.4, 4)),
    ("on the way back", 2): each(one_side, (above, 1, 0.3, 3), (below, -1, 0.1, 3)),
    ("in the wrong direction", 2): each(one_side, (below, 1, 0.3, 3), (above, -1, 0.1, 3)),
    ("everything at once", 4): each(all_cells, (0.3,), (0.2,), (0.1,)),
    ("same policy", 1): [lambda rng: (np.ones(4), signed(rng, 4), 0.3)],
    ("one sample", 1): each(one_side, (below, 1, 0.3, 1), (above, -1, 0.3, 1)),
    (UNLIKELY, 1): each(all_cells, (0.3,)),
    (WHOLE, 1): in_whole(1, each(all_cells, (0.3,))),
    (FLOAT32, 1): each(all_cells, (0.3,)),
}

BATTERIES = {
    "surrogate_loss": battery(completed(with_ratio, SURROGATE), parts=RATIOS),
    "dual_clip_loss": battery(
        completed(with_ratio, DUAL),
        off_kinks=off_the_limits,
        parts=(*RATIOS, "clipped_surrogate_loss"),
    ),
    "spo_loss": battery(completed(with_ratio, SPO), parts=(*RATIOS, "surrogate_loss")),
}
