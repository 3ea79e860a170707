"""Inputs for the softmax policy."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from ....formulas.categorical import softmax
from ..exercise import Array, Battery, Case
from .drawing import Args, Generator, away_from_zero
from .tables import FLOAT32, Table, backward, battery, completed, each

RARE, CERTAIN, EXTREME = "rare actions", "certain actions", "logits of any size"
EDGES = frozenset([CERTAIN, EXTREME])
NEVER = -10000.0  # the logit of an action that is impossible


def distinct(rng: Generator, N: int, A: int) -> Array:
    """Logits of which no two in a row are alike, about another value in each row: (N, A)."""
    steps = rng.permuted(np.tile(np.arange(A), (N, 1)), axis=1)  # (N, A)
    about = rng.permutation(np.linspace(-1.5, 1.5, N))[:, None] if N > 1 else 0.8  # (N, 1)
    logits: Array = about + steps * (2.4 / A) - 1 + rng.uniform(-0.3, 0.3, (N, A)) / A
    return logits


def quarters(rng: Generator, N: int, A: int) -> Array:
    """Logits that stay exact in single precision beside a large number: (N, A)."""
    halves = rng.permuted(np.tile(np.arange(A) / 2.0, (N, 1)), axis=1)  # (N, A)
    logits: Array = halves + 0.25 * rng.integers(2, size=(N, A))
    return logits


def lone(rng: Generator, A: int, below: float) -> Array:
    """A row of logits, one of them far below the others: (1, A)."""
    logits = quarters(rng, 1, A)  # (1, A)
    logits[0, int(logits.argmin())] = -below
    return logits


def about(rng: Generator, A: int, *levels: float) -> Array:
    """A row of logits about each level."""
    return rng.permutation(levels)[:, None] + quarters(rng, len(levels), A)


def rare(rng: Generator) -> Array:
    """Probabilities from 1e-5 to 1e-30, on either side of what is added to be safe."""
    below = [-11.5, -14.5, -17.0, -19.0, -21.5, -24.5, -28.5, -33.0, -36.0, -46.0, -66.0, 0.0]
    logits = rng.permuted(np.array(below).reshape(4, 3), axis=0)  # (4, 3)
    likely = rng.integers(2, size=4)
    return np.insert(logits, 3 * likely, quarters(rng, 1, 4)[0], axis=1)  # (4, 4)


def certain(rng: Generator) -> Array:
    """One action so far above the others that its probability is 1 to the last bit."""
    logits = quarters(rng, 1, 4) - 12000.0  # (1, 4)
    logits[0, rng.integers(4)] += 12000.0
    return logits


def extreme(rng: Generator, huge: float, dtype: type) -> Array:
    """The largest numbers there are, beside others that are ordinary."""
    logits = quarters(rng, 3, 4)  # (3, 4)
    logits[int(rng.integers(3))] = rng.permutation([huge, -huge, -huge / 2, -huge])
    return logits.astype(dtype)


LEVELS = (3, *3 * [1e4]), (4, *3 * [-1e4]), (4, -5000.0, 0.0, 5000.0)
LARGE: Table = {
    ("large logits", 1): each(about, *LEVELS),
    ("large differences", 1): each(lone, (4, 300.0), (4, 720.0), (4, 10000.0), (14, 800.0)),
}
LOGITS: Table = {
    ("ordinary logits", 6): each(distinct, (4, 3), (2, 5)),
    ("as many rows as actions", 2): each(distinct, (3, 3), (4, 4)),
    ("one row", 0.5): each(distinct, (1, 4)),
    **LARGE,
    (FLOAT32, 0.5): each(distinct, (4, 3)),
}
WITH_RARE: Table = LOGITS | {(RARE, 1): [rare]}
OF_CERTAIN: Table = {(CERTAIN, 0.25): [certain, certain]}
OF_EXTREME: Table = {(EXTREME, 0.25): each(extreme, (1e308, np.float64), (3e38, np.float32))}


def certain_logarithms(case: Case, result: Any) -> Any:
    """Log-probabilities; that of a certain action, 0 to the last bit, in units of 1e-9."""
    if case.stratum != CERTAIN:
        return result
    return 1e9 * np.asarray(result, np.float64).max(axis=-1)


def rare_in_logarithms(case: Case, result: Any) -> Any:
    """Probabilities, the rare ones by their size relative to the right one."""
    if case.stratum == CERTAIN:
        return certain_logarithms(case, np.asarray(result, np.float64) - 1)
    if case.stratum != RARE:
        return result
    p = np.asarray(result, np.float64)
    if (p <= 0).any():
        raise ValueError("a probability that is not positive")
    return np.log(p)


def taking(rng: Generator, stratum: str, logits: Array) -> Args:
    """Actions: the likeliest, the rarest, or any in turn."""
    N, A = logits.shape
    if stratum in EDGES:
        return logits, logits.argmax(axis=1)
    if stratum in (RARE, "large differences"):
        return logits, logits.argmin(axis=1)
    if N == A:  # no two orders of these are alike
        return logits, rng.permuted([0, *range(A - 1)])
    return logits, rng.permutation(np.resize(rng.permutation(A), N))


def second_rarest(rng: Generator) -> Args:
    logits = rare(rng)  # (4, 4)
    return logits, np.argsort(logits, axis=1)[:, 1]


def beside(rng: Generator, stratum: str, old: Array) -> Args:
    """The logits of another policy."""
    change = quarters(rng, *old.shape).astype(old.dtype)  # (N, A)
    if stratum == RARE:  # of the new policy
        return change, old
    if stratum in (FLOAT32, EXTREME):  # far apart, so that little cancels
        change *= 4
    elif "large" not in stratum:
        return old, distinct(rng, *old.shape)
    # where there is an extreme, each policy is as sure of the same action
    return old, old + np.where(abs(old) < 1e5, change, -old / 8)


def with_vector(rng: Generator, stratum: str, logits: Array) -> Args:
    return logits, away_from_zero(rng, *logits.shape, most=1.5)


def one_hots(rng: Generator, N: int, A: int) -> Array:
    return np.eye(A)[rng.integers(A, size=N)]


# Sampling


def drawing(rng: Generator, logits: Array, actions: Array) -> Args:
    """With a u for each row that draws the action, well inside its part of [0, 1)."""
    p, _ = softmax(logits)  # (N, A)
    rows = np.arange(len(p))
    begin = p.cumsum(axis=1)[rows, actions] - p[rows, actions]  # (N,)
    into = rng.permutation(np.resize([0.04, 0.96, 0.5], len(p)))  # (N,), the part of it to go
    return logits, begin + into * p[rows, actions]


def drawing_any(rng: Generator, N: int, A: int) -> Args:
    return drawing(rng, *taking(rng, "", distinct(rng, N, A)))


def drawing_likely(rng: Generator, stratum: str, logits: Array) -> Args:
    """Not action 0, which nan gives too."""
    return drawing(rng, logits, 1 + logits[:, 1:].argmax(axis=1))


def possible(rng: Generator, *rows: str) -> Array:
    """Logits by a picture, - for actions that are impossible; the rows in any order."""
    allowed = rng.permutation([[c == "x" for c in row] for row in rows])  # (N, A) bool
    return np.where(allowed, distinct(rng, *allowed.shape), NEVER)


def fallen_short(rng: Generator) -> Args:
    """So many rows that the sum falls short in some whichever way it is taken, and one more action
    that is impossible."""
    A = int(rng.integers(6, 8))
    return np.insert(distinct(rng, 40, A), A, NEVER, axis=1), np.full(40, 1 - 2.0**-53)


def just_below_one(rng: Generator, impossible: int, dtype: type) -> Args:
    """Two likely actions and between them rare ones, whose sum is rounded away bit by bit.

    The cumulative sum ends some rounding errors below 1, and u, the number before 1, is above.
    """
    likely = rng.choice([0.25, 0.5])
    rare, u = (-17.0, 1 - 2.0**-24) if dtype is np.float32 else (-37.0, 1 - 2.0**-53)
    row = [0.25, *[rare] * rng.integers(15, 21), 0.25 - likely, *[NEVER] * impossible]
    return np.array([row], dtype), np.array([u], dtype)


def off_boundaries(logits: Array, u: Array) -> bool:
    """Whether each u keeps clear of the cumulative probabilities."""
    cdf = softmax(logits)[0].cumsum(axis=1)  # (N, A)
    return bool((np.abs(cdf - u[:, None]) > 1e-3).all())


SAMPLE: Table = {
    ("ordinary logits", 5): each(drawing_any, (12, 3), (12, 4), (15, 5)),
    ("as many rows as actions", 2): each(drawing_any, (3, 3), (4, 4), (5, 5), (6, 6)),
    ("impossible actions", 1): [
        lambda rng: (possible(rng, "-xx", "--x", "x-x"), np.zeros(3)),
        lambda rng: drawing(rng, possible(rng, "-xx", "--x", "x-x"), np.full(3, 2)),
        lambda rng: (possible(rng, "xx-", "x--", "-x-"), rng.uniform(0.96, 0.99, 3)),
    ],
    ("u is 0", 0.5): [
        lambda rng: (distinct(rng, 3, 4), np.zeros(3)),
        lambda rng: (possible(rng, "xxxx", "-xxx", "--xx"), np.zeros(3)),
    ],
    ("u just below 1", 0.5): each(just_below_one, *product((0, 1, 2), (np.float32, np.float64))),
    ("u just below 1", 0): [fallen_short],
    **completed(drawing_likely, {(name, 0.5): draws for (name, _), draws in LARGE.items()}),
    (FLOAT32, 0.5): each(drawing_any, (12, 4)),
}
SECOND_RAREST: Table = {(RARE, 0): [second_rarest]}
# an action that only the old policy takes
GIVEN_UP: Table = {
    ("large differences", 0): [lambda rng: (quarters(rng, 1, 4), lone(rng, 4, 800.0))],
}
PROBABILITIES = ("log_softmax", "softmax")


def with_one_hots(name: str, share: float) -> Battery:
    """The backward's battery, in which some gradients pick one number of each row."""
    one_hot = "one-hot cotangents"
    table = LOGITS | {(one_hot, share): each(distinct, (4, 3), (2, 5))}
    return backward(name, battery(table), {one_hot: one_hots})


BATTERIES = {
    "softmax": battery(
        WITH_RARE | OF_CERTAIN, parts=("log_softmax",), observe=rare_in_logarithms, edges=EDGES
    ),
    "softmax_backward": with_one_hots("softmax", 0.5),
    "log_softmax": battery(
        WITH_RARE | OF_CERTAIN, parts=("softmax",), observe=certain_logarithms, edges=EDGES
    ),
    "log_softmax_backward": with_one_hots("log_softmax", 2),
    "categorical_log_prob": battery(
        completed(taking, WITH_RARE | OF_CERTAIN | OF_EXTREME) | SECOND_RAREST,
        parts=PROBABILITIES,
        observe=certain_logarithms,
        edges=EDGES,
    ),
    "categorical_entropy": battery(LOGITS | OF_EXTREME, parts=PROBABILITIES, edges=EDGES),
    "categorical_kl": battery(
        completed(beside, WITH_RARE | OF_EXTREME) | GIVEN_UP,
        parts=(*PROBABILITIES, "categorical_entropy"),
        edges=EDGES,
    ),
    "categorical_sample": battery(SAMPLE, off_kinks=off_boundaries, parts=PROBABILITIES),
    "categorical_fisher": battery(completed(with_vector, LOGITS), parts=PROBABILITIES),
}
