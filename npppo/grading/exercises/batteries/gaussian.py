"""Inputs for the Gaussian policy."""

from __future__ import annotations

import numpy as np

from ..exercise import Array, Battery, Case
from .drawing import FLOAT32, Generator, away_from_zero, backward, one_a_row, single

SHAPES = [
    *[("unequal sizes", shape) for shape in [(4, 3), (5, 2), (2, 4)]],
    *[("as many rows as dimensions", (n, n)) for n in (3, 4)],
    ("one row", (1, 3)),
    ("one dimension", (3, 1)),
    (FLOAT32, (4, 3)),
]
POSITIVE = [("wide policies", (4, 3)), ("wide policies", (3, 3))]
EXTREME = [("very narrow and very wide policies", (3, 3))]


def narrow_and_wide(rng: Generator, *about: float) -> Array:
    return rng.permutation(about) + rng.uniform(-1, 1, len(about))


def log_stds(rng: Generator, A: int) -> Array:
    """Of both signs, no two alike, none near 0, where σ = σ² = 1: (A,)."""
    low, high = rng.uniform(-1.2, -0.5), rng.uniform(0.4, 0.9)
    values = np.array([low, high, low + 0.25, high - 0.15][:A])
    return rng.permutation(values)


def positive(rng: Generator, A: int) -> Array:
    return rng.permutation(np.linspace(0.3, 1.2, A) + rng.uniform(0, 0.1, A))


def policies(rng: Generator) -> list[tuple[str, Array, Array]]:
    """(stratum, mean, log_std), ..."""
    cases = [(name, rng.normal(size=shape), log_stds(rng, shape[1])) for name, shape in SHAPES]
    cases += [(name, rng.normal(size=shape), positive(rng, shape[1])) for name, shape in POSITIVE]
    # mean 0, so that no digit of a narrow policy's action is lost beside it
    return cases + [
        (name, np.zeros(shape), narrow_and_wide(rng, -30, -23, 12)) for name, shape in EXTREME
    ]


def in_float32(case: Case) -> Case:
    return single(case) if case.stratum == FLOAT32 else case


def log_prob(rng: Generator) -> list[Case]:
    cases = []
    for stratum, mean, log_std in policies(rng):
        # |z| clear of 1, where z² = |z|
        sizes = [1.4, 1.8] if stratum == FLOAT32 else [0.4, 0.7, 1.4, 1.8]
        z = rng.permuted(np.resize(sizes, mean.size)).reshape(mean.shape)  # (N, A)
        z *= rng.choice([-1.0, 1.0], mean.shape) * rng.uniform(0.95, 1.05, mean.shape)
        cases.append(Case(stratum, (mean, log_std, mean + np.exp(log_std) * z)))
    return list(map(in_float32, cases))


def kl(rng: Generator) -> list[Case]:
    cases = []
    for stratum, old_mean, old_log_std in policies(rng):
        A = len(old_log_std)
        change = np.resize([0.5, -0.4, 0.25, -0.6], A) * rng.uniform(0.9, 1.1, A)
        if stratum == "wide policies":
            change = np.abs(change)
        log_std = old_log_std + change  # (A,)
        moved = away_from_zero(rng, *old_mean.shape, most=1.5)  # (N, A)
        if stratum == FLOAT32:
            moved += np.sign(moved)
        mean = old_mean + moved * np.exp(log_std)  # (N, A)
        cases.append(Case(stratum, (old_mean, old_log_std, mean, log_std)))
    return list(map(in_float32, cases))


def entropy(rng: Generator) -> list[Case]:
    return [
        *[Case("several dimensions", (log_stds(rng, A),)) for A in (2, 3, 4)],
        Case("one dimension", (rng.choice([-1, 1]) * rng.uniform(0.4, 0.9, 1),)),
        Case("wide policies", (positive(rng, 3),)),
        *[
            Case("very narrow and very wide policies", (narrow_and_wide(rng, *about),))
            for about in [(-30, -23, 12), (-12, 1.5, 25)]
        ],
        Case(FLOAT32, (log_stds(rng, 3).astype(np.float32),)),
    ]


def one_sign_in_float32(rng: Generator, cases: list[Case]) -> list[Array]:
    """A gradient for each row. In float32 every term of dlog_std has the same sign, so that
    nothing cancels."""
    douts = zip(cases, one_a_row(rng, cases), strict=True)
    return [np.abs(dout) if case.stratum == FLOAT32 else dout for case, dout in douts]


def of_both_signs(rng: Generator, cases: list[Case]) -> list[float]:
    """Gradients of both signs, none near 1."""
    sizes = rng.permutation(np.resize([0.4, 0.65, 1.3, 1.6], len(cases)))
    signs = rng.permutation(np.resize([-1, 1], len(cases)))
    return [float(dout) for dout in signs * sizes * rng.uniform(0.9, 1.1, len(cases))]


STRATA = {
    "unequal sizes": 6.0,
    "as many rows as dimensions": 2.0,
    "one row": 0.5,
    "one dimension": 1.0,
    "wide policies": 1.0,
    "very narrow and very wide policies": 1.0,
    FLOAT32: 0.5,
}
ENTROPY = {
    "several dimensions": 7.0,
    "one dimension": 1.0,
    "wide policies": 1.0,
    "very narrow and very wide policies": 1.0,
    FLOAT32: 0.5,
}
LOG_PROB = Battery(log_prob, STRATA)
KL = Battery(kl, STRATA, parts=("gaussian_entropy",))

BATTERIES = {
    "gaussian_log_prob": LOG_PROB,
    "gaussian_log_prob_backward": backward(LOG_PROB, one_sign_in_float32),
    "gaussian_entropy": Battery(entropy, ENTROPY),
    "gaussian_entropy_backward": backward(Battery(entropy, ENTROPY), of_both_signs),
    "gaussian_kl": KL,
    "gaussian_kl_backward": backward(KL, one_sign_in_float32),
}
