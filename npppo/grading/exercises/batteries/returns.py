"""Inputs between rewards and advantages.

Rollouts are drawn as pictures of their ends, a column for each environment and a row for each step:
"x" is terminated, "t" truncated, "b" both at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..exercise import Array
from .drawing import Args, Generator, arguments
from .tables import FLOAT32, Draw, Table, battery, completed, each, in_whole

UNLIKE, BEHIND = "next_values unlike values", "no numbers behind terminations"
ALL_KINDS = "t.x ... x.t .b. ... .t."


def rollout(
    rng: Generator, picture: str, gamma: float = 0.9, lam: float = 0.7, agreeing: bool = True
) -> Args:
    """Random numbers around the ends in the picture.

    As in real rollouts, next_values[t] is values[t + 1] where the episode goes on, and another
    number at its end; unless `agreeing`, it is another number everywhere.
    """
    kinds = np.array([list(row) for row in picture.split()])  # (T, E)
    terminated, truncated = np.isin(kinds, ["x", "b"]), np.isin(kinds, ["t", "b"])
    rewards, values, more, *_ = arguments(rng, *kinds.shape, name="gae")  # (T, E)
    following = np.concatenate([values[1:], more[-1:]])  # (T, E)
    another = following + np.copysign(more, following)  # as far from 0 as from `following`
    next_values = np.where(terminated | truncated | (not agreeing), another, following)
    return rewards, values, next_values, terminated, truncated, gamma, lam


def with_flags(rng: Generator, dtype: type) -> Args:
    *arrays, terminated, truncated, gamma, lam = rollout(rng, ALL_KINDS)
    return *arrays, terminated.astype(dtype), truncated.astype(dtype), gamma, lam


def in_eighths(rng: Generator) -> Args:
    """With which float32 calculates exactly."""
    *arrays, terminated, truncated, gamma, lam = rollout(rng, ALL_KINDS, 0.5, 0.75)
    return *(np.round(8 * x) / 8 for x in arrays), terminated, truncated, gamma, lam


def unknown_behind_ends(rng: Generator, picture: str) -> Args:
    """With next_values that are no numbers wherever an episode has terminated."""
    rewards, values, next_values, terminated, *rest = rollout(rng, picture)
    holds = np.resize(rng.permutation([np.nan, np.inf, -np.inf]), terminated.sum())
    next_values[terminated] = holds
    return rewards, values, next_values, terminated, *rest


def without_values(rng: Generator, stratum: str, rewards: Array, values: Array, *rest: Any) -> Args:
    return rewards, *rest[:-1]  # nor λ


def pictured(*pictures: str) -> list[Draw]:
    discounts = (0.9, 0.7), (0.85, 0.6), (0.9, 0.8)
    return each(rollout, *[(one, *some) for one, some in zip(pictures, discounts, strict=False)])


ROLLOUTS: Table = {
    ("no ends", 2): pictured("... ... ... ... ...", "... ... ...", ".... ...."),
    ("terminations", 2): pictured("x.. ... .x. ... ...", ".x x. .. .x"),
    ("truncations", 2): pictured("t.. ... .t. ... ...", ".t t. .. .t"),
    ("both kinds", 1): pictured(ALL_KINDS, "x.t. .t.x t... .x.t"),
    ("both at once", 0.5): pictured("b. .. .b .. b.", "..b b.. ..."),
    ("ends in the last row", 0.5): pictured(".. .. xt", "... tx."),
    ("one step", 0.5): pictured(".", "x", "x.tb"),
    ("one environment", 0.5): pictured(". . x . t . .", ". . . ."),
    ("integer rewards", 0.5): in_whole(0, pictured("... ... ... ...", "t.. ..x ... ...")),
    ("flags as 0 and 1", 0.5): each(with_flags, (int,), (float,)),
    (FLOAT32, 0.25): [in_eighths],
    (BEHIND, 0.25): each(unknown_behind_ends, ("x.t. .b.. ..x. x...",), (".. x. .. .x",)),
}
DISCOUNTS = [("..x ... t.. ...", *pair) for pair in ((1, 0.7), (0, 0.7), (0.9, 0), (0.9, 1))]
OF_RETURNS: Table = {("γ is 0 or 1", 0.25): each(rollout, *DISCOUNTS[:2])}
OF_GAE: Table = {
    (UNLIKE, 0.5): each(rollout, (ALL_KINDS, 0.85), (".. .. ..", 0.85), agreeing=False),
    ("γ or λ is 0 or 1", 0.5): each(rollout, *DISCOUNTS),
}


# Normalisation


def spread(rng: Generator, offset: float, size: float, *shape: int, rest: Args = (1e-8,)) -> Args:
    """Numbers of about this size and offset, no two of them close together."""
    x = np.arange(np.prod(shape)) + rng.uniform(-0.3, 0.3, np.prod(shape))
    x = rng.permutation(x**2)
    return offset + (size * ((x - x.mean()) / x.std())).reshape(shape), *rest


def with_outlier(rng: Generator) -> Args:
    x, eps = spread(rng, 0, 1, 149)
    return rng.permutation([*x, 1000]), eps


def constant(rng: Generator, *shape: int) -> Args:
    return np.full(shape, rng.choice([-1, 1]) * rng.integers(1, 16) / 4), 1e-8


def apart(rng: Generator, *about: int) -> Array:
    return rng.permutation(np.array(about) + rng.integers(-2, 3, len(about)))


AXES = (1.3, 2, 4, 3), (1.3, 2, 3, 3), (0.7, 3, 1, 4), (0.7, 3, 2, 3, 2)
NORMALIZE: Table = {
    ("values", 3): each(spread, (1.7, 2.5, 5), (0.4, -0.6, 8)),
    ("several axes", 2): each(spread, *AXES),
    ("far from 0", 0.5): each(spread, (300, 900, 6)),
    ("small spread", 1): each(spread, (0, 4e-8, 5), (0, 4e-9, 4)),
    ("another eps", 1): each(spread, (1.2, 1.5, 6), (0, 0.3, 6), rest=(0.5,)),
    ("an outlier", 0.25): [with_outlier],
    ("constant", 1): [*each(constant, (4,), (2, 2)), lambda rng: (np.zeros(3), 1e-8)],
    ("one value", 0.5): each(constant, (1,), (1, 1)),
    # with a mean that is not whole
    ("integers", 0.5): [lambda rng: (rng.permutation([-4, -1, 2, 3, 7]) + rng.integers(5), 1e-8)],
    # in eighths
    (FLOAT32, 0.25): [lambda rng: (apart(rng, -18, 4, 9, 29) / 8, 1e-8)],
    ("defaults", 0.25): each(spread, (1.7, 2.5, 5), (0, 4e-8, 5), rest=()),
}

EDGES = frozenset([BEHIND])
BATTERIES = {
    "discounted_returns": battery(
        completed(without_values, ROLLOUTS | OF_RETURNS), parts=("gae",), edges=EDGES
    ),
    "gae": battery(ROLLOUTS | OF_GAE, parts=("discounted_returns",), edges=EDGES),
    "normalize_advantages": battery(NORMALIZE),
}
