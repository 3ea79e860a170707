"""Inputs for the policy over bits."""

from __future__ import annotations

import numpy as np

from ..exercise import Array
from .categorical import RARE, about, beside, distinct, lone, quarters, rare, with_vector
from .drawing import Args, Generator, away_from_zero
from .tables import FLOAT32, Table, battery, completed, each

ALMOST_CERTAIN = "almost certain bits"
FAR = (3, *3 * [1e4]), (4, *3 * [-1e4]), (4, -5000.0, 0.0, 5000.0), (4, -800.0, 800.0)
LOGITS: Table = {
    ("ordinary logits", 6): each(distinct, (4, 3), (2, 5)),
    ("as many rows as bits", 2): each(distinct, (3, 3), (4, 4)),
    ("one row", 0.5): each(distinct, (1, 4)),
    ("one bit", 0.5): each(distinct, (4, 1)),
    ("large logits", 1): each(about, *FAR),
    ("large logits", 0): each(lone, (4, 300.0)),
    (FLOAT32, 0.5): each(distinct, (4, 3)),
}
WITH_RARE: Table = LOGITS | {(RARE, 1): [rare]}
# a policy that is sure of what the old one is not, or the other way round
ONE_SURE: Table = {
    ("large logits", 0): [
        lambda rng: (about(rng, 4, -300.0, 400.0), quarters(rng, 2, 4)),
        lambda rng: (quarters(rng, 2, 4), about(rng, 4, -300.0, 400.0)),
    ],
}


def having(rng: Generator, stratum: str, logits: Array) -> Args:
    """Bits of both values in each row, no two rows alike where there is room; or the rarest."""
    if stratum == RARE:
        return logits, (logits < 0).astype(int)
    N, A = logits.shape
    numbers = rng.permutation(np.arange(1, 2**A - 1) if A > 1 else [0, 1])  # not all bits alike
    return logits, np.resize(numbers, N)[:, None] >> np.arange(A) & 1


def drawing(rng: Generator, stratum: str, logits: Array) -> Args:
    """With a u for each bit, well inside its value's part of [0, 1)."""
    _, bits = having(rng, stratum, logits)
    q = 1 / (1 + np.exp(logits))  # (N, A), the part of a 0
    into = rng.permutation(np.resize([0.04, 0.96, 0.5, 0.3], q.size)).reshape(q.shape)
    return logits, np.where(bits, q + (1 - q) * into, q * into)


def certain(rng: Generator, u: float) -> Args:
    """Bits that can have one value only."""
    logits = 1e4 * (2.0 * rng.permuted([[0, 1, 1], [1, 0, 0], [0, 0, 1]], axis=1) - 1)
    return logits, np.full((3, 3), u)


def almost_certain(rng: Generator) -> Args:
    """Bits whose p rounds to 0 or 1, and vectors in which what is left of them counts."""
    size = rng.permuted(np.linspace(38.0, 60.0, 12)).reshape(4, 3)
    return rng.choice([-1, 1], (4, 3)) * size, away_from_zero(rng, 4, 3, most=1.5) * np.exp(size)


def off_boundaries(logits: Array, u: Array) -> bool:
    """Whether each u keeps clear of the probability of a 0."""
    return bool((np.abs(1 / (1 + np.exp(logits)) - u) > 1e-3).all())


SAMPLE: Table = completed(
    drawing,
    {
        ("ordinary logits", 5): each(distinct, (6, 3), (5, 4)),
        ("as many rows as bits", 2): each(distinct, (3, 3), (4, 4), (5, 5)),
        ("one bit", 0.5): each(distinct, (8, 1)),
        (FLOAT32, 0.5): each(distinct, (6, 3)),
    },
) | {("impossible bits", 1): each(certain, (0.0,), (0.5,), (1 - 2.0**-24,))}

BATTERIES = {
    "bernoulli_log_prob": battery(completed(having, WITH_RARE)),
    "bernoulli_entropy": battery(LOGITS),
    "bernoulli_kl": battery(completed(beside, WITH_RARE) | ONE_SURE, parts=("bernoulli_entropy",)),
    "bernoulli_sample": battery(SAMPLE, off_kinks=off_boundaries),
    "bernoulli_fisher": battery(
        completed(with_vector, LOGITS) | {(ALMOST_CERTAIN, 0.25): [almost_certain]},
        edges=frozenset([ALMOST_CERTAIN]),
    ),
}
