"""Inputs for the Gaussian policy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..exercise import Array, Battery, Case, Input
from .categorical import away_from_zero

Draw = Callable[[np.random.Generator], list[Case]]

SHAPES = [
    *[("unequal sizes", shape) for shape in [(4, 3), (5, 2), (2, 4)]],
    *[("as many rows as dimensions", (n, n)) for n in (3, 4)],
    ("one row", (1, 3)),
    ("one dimension", (3, 1)),
    ("float32 input", (4, 3)),
]
POSITIVE = [("wide policies", (4, 3)), ("wide policies", (3, 3))]
EXTREME = [("very narrow and very wide policies", (3, 3))]


def narrow_and_wide(rng: np.random.Generator, *about: float) -> Array:
    return rng.permutation(about) + rng.uniform(-1, 1, len(about))


def log_stds(rng: np.random.Generator, A: int) -> Array:
    """Of both signs, no two alike, none near 0, where σ = σ² = 1: (A,)."""
    low, high = rng.uniform(-1.2, -0.5), rng.uniform(0.4, 0.9)
    values = np.array([low, high, low + 0.25, high - 0.15][:A])
    return rng.permutation(values)


def positive(rng: np.random.Generator, A: int) -> Array:
    return rng.permutation(np.linspace(0.3, 1.2, A) + rng.uniform(0, 0.1, A))


def policies(rng: np.random.Generator) -> list[tuple[str, Array, Array]]:
    """(stratum, mean, log_std), ..."""
    cases = [(name, rng.normal(size=shape), log_stds(rng, shape[1])) for name, shape in SHAPES]
    cases += [(name, rng.normal(size=shape), positive(rng, shape[1])) for name, shape in POSITIVE]
    # mean 0, so that no digit of a narrow policy's action is lost beside it
    return cases + [
        (name, np.zeros(shape), narrow_and_wide(rng, -30, -23, 12)) for name, shape in EXTREME
    ]


def in_float32(case: Case) -> Case:
    if case.stratum != "float32 input":
        return case
    return Case(case.stratum, tuple(np.asarray(x, np.float32) for x in case.args))


def log_prob(rng: np.random.Generator) -> list[Case]:
    cases = []
    for stratum, mean, log_std in policies(rng):
        # |z| clear of 1, where z² = |z|
        sizes = [1.4, 1.8] if stratum == "float32 input" else [0.4, 0.7, 1.4, 1.8]
        z = rng.permuted(np.resize(sizes, mean.size)).reshape(mean.shape)  # (N, A)
        z *= rng.choice([-1.0, 1.0], mean.shape) * rng.uniform(0.95, 1.05, mean.shape)
        cases.append(Case(stratum, (mean, log_std, mean + np.exp(log_std) * z)))
    return list(map(in_float32, cases))


def kl(rng: np.random.Generator) -> list[Case]:
    cases = []
    for stratum, old_mean, old_log_std in policies(rng):
        A = len(old_log_std)
        change = np.resize([0.5, -0.4, 0.25, -0.6], A) * rng.uniform(0.9, 1.1, A)
        if stratum == "wide policies":
            change = np.abs(change)
        log_std = old_log_std + change  # (A,)
        moved = away_from_zero(rng, *old_mean.shape)  # (N, A)
        if stratum == "float32 input":
            moved += np.sign(moved)
        mean = old_mean + moved * np.exp(log_std)  # (N, A)
        cases.append(Case(stratum, (old_mean, old_log_std, mean, log_std)))
    return list(map(in_float32, cases))


def entropy(rng: np.random.Generator) -> list[Case]:
    return [
        *[Case("several dimensions", (log_stds(rng, A),)) for A in (2, 3, 4)],
        Case("one dimension", (rng.choice([-1, 1]) * rng.uniform(0.4, 0.9, 1),)),
        Case("wide policies", (positive(rng, 3),)),
        *[
            Case("very narrow and very wide policies", (narrow_and_wide(rng, *about),))
            for about in [(-30, -23, 12), (-12, 1.5, 25)]
        ],
        Case("float32 input", (log_stds(rng, 3).astype(np.float32),)),
    ]


def with_cotangents(forward: Draw) -> Draw:
    """The forward's cases with a gradient for each row.

    Nothing cancels in float32: there every term of dlog_std has the same sign.
    """

    def draw(rng: np.random.Generator) -> list[Case]:
        cases = []
        for case in forward(rng):
            dout = away_from_zero(rng, len(case.args[0]))  # (N,)
            if case.stratum == "float32 input":
                dout = np.abs(dout).astype(np.float32)
            cases.append(Case(case.stratum, case.args, dout))
        return cases

    return draw


def entropy_backward(rng: np.random.Generator) -> list[Case]:
    cases = entropy(rng)
    # of both signs, none near 1
    sizes = rng.permutation(np.resize([0.4, 0.65, 1.3, 1.6], len(cases)))
    signs = rng.permutation(np.resize([-1, 1], len(cases)))
    douts = signs * sizes * rng.uniform(0.9, 1.1, len(cases))
    return [
        Case(case.stratum, case.args, float(dout)) for case, dout in zip(cases, douts, strict=True)
    ]


STRATA = {
    "unequal sizes": 6.0,
    "as many rows as dimensions": 2.0,
    "one row": 0.5,
    "one dimension": 1.0,
    "wide policies": 1.0,
    "very narrow and very wide policies": 1.0,
    "float32 input": 0.5,
}
ENTROPY = {
    "several dimensions": 7.0,
    "one dimension": 1.0,
    "wide policies": 1.0,
    "very narrow and very wide policies": 1.0,
    "float32 input": 0.5,
}
POLICY = (Input("real", "NA"), Input("real", "A"))
ACTION = (*POLICY, Input("real", "NA"))
LOG_STD: tuple[Any, ...] = (Input("real", "A"),)

BATTERIES = {
    "gaussian_log_prob": Battery(log_prob, STRATA, ACTION),
    "gaussian_log_prob_backward": Battery(
        with_cotangents(log_prob), STRATA, ACTION, parts=("gaussian_log_prob",)
    ),
    "gaussian_entropy": Battery(entropy, ENTROPY, LOG_STD),
    "gaussian_entropy_backward": Battery(
        entropy_backward, ENTROPY, LOG_STD, parts=("gaussian_entropy",)
    ),
    "gaussian_kl": Battery(kl, STRATA, POLICY * 2, parts=("gaussian_entropy",)),
    "gaussian_kl_backward": Battery(
        with_cotangents(kl), STRATA, POLICY * 2, parts=("gaussian_kl", "gaussian_entropy")
    ),
}
