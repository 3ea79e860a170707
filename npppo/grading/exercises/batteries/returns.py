"""Inputs between rewards and advantages.

Rollouts are drawn as pictures of their ends, a column for each environment and a row for each step:
"x" is terminated, "t" truncated, "b" both at once.
"""

from __future__ import annotations

import numpy as np

from ..exercise import Array, Battery, Case
from .drawing import FLOAT32, Generator, away_from_zero

Rollout = list[Array]  # rewards, values, next_values, terminated, truncated, each (T, E)


def rollout(rng: Generator, picture: str, agreeing: bool = True) -> Rollout:
    """Random numbers around the ends in the picture.

    As in real rollouts, next_values[t] is values[t + 1] where the episode goes on, and another
    number at its end; unless `agreeing`, it is another number everywhere.
    """
    kinds = np.array([list(row) for row in picture.split()])  # (T, E)
    terminated, truncated = np.isin(kinds, ["x", "b"]), np.isin(kinds, ["t", "b"])
    rewards, values, more = (away_from_zero(rng, *kinds.shape) for _ in range(3))  # (T, E)
    following = np.concatenate([values[1:], more[-1:]])  # (T, E)
    another = following + np.copysign(more, following)  # as far from 0 as from `following`
    own = terminated | truncated if agreeing else np.ones(kinds.shape, bool)
    return [rewards, values, np.where(own, another, following), terminated, truncated]


def with_integers(rng: Generator, arrays: Rollout) -> Rollout:
    rewards = rng.choice([-3, -2, -1, 1, 2, 3], arrays[0].shape)
    return [rewards, *arrays[1:]]


def with_flags(dtype: type, arrays: Rollout) -> Rollout:
    return [*arrays[:3], *(flags.astype(dtype) for flags in arrays[3:])]


def in_float32(arrays: Rollout) -> Rollout:
    """In eighths, with which float32 calculates exactly."""
    return [*((np.round(8 * x) / 8).astype(np.float32) for x in arrays[:3]), *arrays[3:]]


def unknown_behind_ends(rng: Generator, arrays: Rollout) -> Rollout:
    """With next_values that are no numbers wherever an episode has terminated."""
    rewards, values, next_values, terminated, truncated = arrays
    holds = np.resize(rng.permutation([np.nan, np.inf, -np.inf]), terminated.sum())
    next_values[terminated] = holds
    return [rewards, values, next_values, terminated, truncated]


UNLIKE = "next_values unlike values"
BEHIND = "no numbers behind terminations"
NO_DISCOUNTS = "γ or λ is 0 or 1"
ALL_KINDS = "t.x ... x.t .b. ... .t."
PICTURES = {
    "both kinds": [ALL_KINDS, "x.t. .t.x t... .x.t"],
    "no ends": ["... ... ... ... ...", "... ... ...", ".... ...."],
    "terminations": ["x.. ... .x. ... ...", ".x x. .. .x"],
    "truncations": ["t.. ... .t. ... ...", ".t t. .. .t"],
    "both at once": ["b. .. .b .. b.", "..b b.. ..."],
    "ends in the last row": [".. .. xt", "... tx."],
    "one step": [".", "x", "x.tb"],
    "one environment": [". . x . t . .", ". . . ."],
}


def rollouts(rng: Generator) -> list[tuple[str, Rollout, float, float]]:
    """(stratum, arrays, γ, λ)"""
    drawn = [
        (UNLIKE, rollout(rng, picture, agreeing=False), 0.85, 0.6)
        for picture in (ALL_KINDS, ".. .. ..")
    ]
    drawn += [
        (stratum, rollout(rng, picture), *discounts)
        for stratum, pictures in PICTURES.items()
        for picture, discounts in zip(pictures, [(0.9, 0.7), (0.85, 0.6), (0.9, 0.8)], strict=False)
    ]
    drawn += [
        (NO_DISCOUNTS, rollout(rng, "..x ... t.. ..."), gamma, lam)
        for gamma, lam in [(0.9, 0.0), (0.9, 1.0), (1.0, 0.7), (0.0, 0.7)]
    ]
    drawn += [
        ("integer rewards", with_integers(rng, rollout(rng, picture)), 0.9, 0.7)
        for picture in ("... ... ... ...", "t.. ..x ... ...")
    ]
    drawn += [
        ("flags as 0 and 1", with_flags(dtype, rollout(rng, ALL_KINDS)), 0.9, 0.7)
        for dtype in (int, float)
    ]
    drawn += [(FLOAT32, in_float32(rollout(rng, ALL_KINDS)), 0.5, 0.75)]
    drawn += [
        (BEHIND, unknown_behind_ends(rng, rollout(rng, picture)), 0.9, 0.7)
        for picture in ("x.t. .b.. ..x. x...", ".. x. .. .x")
    ]
    return drawn


def gae(rng: Generator) -> list[Case]:
    return [Case(stratum, (*arrays, gamma, lam)) for stratum, arrays, gamma, lam in rollouts(rng)]


def discounted_returns(rng: Generator) -> list[Case]:
    return [
        Case("γ is 0 or 1" if stratum == NO_DISCOUNTS else stratum, (rewards, *others, gamma))
        for stratum, (rewards, _, *others), gamma, lam in rollouts(rng)
        if stratum != UNLIKE and (stratum != NO_DISCOUNTS or gamma in (0, 1))
    ]


# Normalisation


def standardized(rng: Generator, shape: tuple[int, ...], size: float = 1) -> Array:
    """Numbers with mean 0 of about this size, and no two of them close together."""
    x = np.arange(np.prod(shape)) + rng.uniform(-0.3, 0.3, np.prod(shape))
    x = rng.permutation(x**2)
    return np.asarray(size * ((x - x.mean()) / x.std()).reshape(shape))


def normalize_advantages(rng: Generator) -> list[Case]:
    eighths = np.array([-18, 4, 9, 29]) + rng.integers(-2, 3, 4)
    whole = np.array([-4, -1, 2, 3, 7]) + rng.integers(0, 5)  # with a mean that is not whole
    constant = rng.choice([-1, 1], 2) * rng.integers(1, 16, 2) / 4
    return [
        Case("values", (1.7 + 2.5 * standardized(rng, (5,)), 1e-8)),
        Case("values", (0.4 - 0.6 * standardized(rng, (8,)), 1e-8)),
        Case("far from 0", (300 + 900 * standardized(rng, (6,)), 1e-8)),
        Case("several axes", (1.3 + 2 * standardized(rng, (4, 3)), 1e-8)),
        Case("several axes", (1.3 + 2 * standardized(rng, (3, 3)), 1e-8)),
        Case("several axes", (0.7 + 3 * standardized(rng, (1, 4)), 1e-8)),
        Case("several axes", (0.7 + 3 * standardized(rng, (2, 3, 2)), 1e-8)),
        Case("small spread", (standardized(rng, (5,), 4e-8), 1e-8)),
        Case("small spread", (standardized(rng, (4,), 4e-9), 1e-8)),
        Case("another eps", (1.2 + 1.5 * standardized(rng, (6,)), 0.5)),
        Case("another eps", (0.3 * standardized(rng, (6,)), 0.5)),
        Case("an outlier", (rng.permutation(np.append(standardized(rng, (149,)), 1000)), 1e-8)),
        Case("constant", (np.full(4, constant[0]), 1e-8)),
        Case("constant", (np.full((2, 2), constant[1]), 1e-8)),
        Case("constant", (np.zeros(3), 1e-8)),
        Case("one value", (np.array([rng.choice([-1.5, 0.75, 2.0])]), 1e-8)),
        Case("one value", (np.array([[rng.choice([-1.5, 0.75, 2.0])]]), 1e-8)),
        Case("integers", (rng.permutation(whole), 1e-8)),
        Case(FLOAT32, ((rng.permutation(eighths) / 8).astype(np.float32), 1e-8)),
        Case("defaults", (1.7 + 2.5 * standardized(rng, (5,)),)),
        Case("defaults", (standardized(rng, (5,), 4e-8),)),
    ]


STRATA = {
    "no ends": 2,
    "terminations": 2,
    "truncations": 2,
    "both kinds": 1,
    "both at once": 0.5,
    "ends in the last row": 0.5,
    "one step": 0.5,
    "one environment": 0.5,
    "integer rewards": 0.5,
    "flags as 0 and 1": 0.5,
    FLOAT32: 0.25,
    BEHIND: 0.25,
}

BATTERIES = {
    "discounted_returns": Battery(
        discounted_returns,
        STRATA | {"γ is 0 or 1": 0.25},
        parts=("gae",),
        edges=frozenset([BEHIND]),
    ),
    "gae": Battery(
        gae,
        STRATA | {UNLIKE: 0.5, NO_DISCOUNTS: 0.5},
        parts=("discounted_returns",),
        edges=frozenset([BEHIND]),
    ),
    "normalize_advantages": Battery(
        normalize_advantages,
        {
            "values": 3,
            "several axes": 2,
            "far from 0": 0.5,
            "small spread": 1,
            "another eps": 1,
            "an outlier": 0.25,
            "constant": 1,
            "one value": 0.5,
            "integers": 0.5,
            FLOAT32: 0.25,
            "defaults": 0.25,
        },
    ),
}
