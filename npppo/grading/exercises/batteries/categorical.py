"""Inputs for the softmax policy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ....formulas.categorical import softmax
from ..exercise import Array, Battery, Case
from .drawing import FLOAT32, Draw, Generator, away_from_zero, backward, one_a_row

Rows = list[tuple[str, Array]]  # (stratum, logits), ...

UNEQUAL = [(4, 3), (2, 5)]


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


ORDINARY = {"ordinary logits": 6.0, "as many rows as actions": 2.0, "one row": 0.5}
LARGE = {"large logits": 1.0, "large differences": 1.0, FLOAT32: 0.5}
RARE = {"rare actions": 1.0}
CERTAIN, EXTREME = "certain actions", "logits of any size"
LOGITS = ORDINARY | LARGE


def moderate(rng: Generator) -> Rows:
    return [
        *[("ordinary logits", distinct(rng, *shape)) for shape in UNEQUAL],
        *[("as many rows as actions", distinct(rng, n, n)) for n in (3, 4)],
        ("one row", distinct(rng, 1, 4)),
    ]


def large(rng: Generator) -> Rows:
    levels = rng.permutation([-5000.0, 0.0, 5000.0])[:, None]  # (3, 1)
    return [
        ("large logits", rng.integers(9000, 12000) + quarters(rng, 3, 3)),
        ("large logits", -rng.integers(9000, 12000) + quarters(rng, 3, 4)),
        ("large logits", levels + quarters(rng, 3, 4)),
        *[("large differences", lone(rng, 4, below)) for below in (300.0, 720.0, 10000.0)],
        ("large differences", lone(rng, 14, 800.0)),
        (FLOAT32, distinct(rng, 4, 3).astype(np.float32)),
    ]


def rare(rng: Generator) -> Rows:
    """Probabilities from 1e-5 to 1e-30, on either side of what is added to be safe."""
    below = [-11.5, -14.5, -17.0, -19.0, -21.5, -24.5, -28.5, -33.0, -36.0, -46.0, -66.0, 0.0]
    logits = rng.permuted(np.array(below).reshape(4, 3), axis=0)  # (4, 3)
    likely = rng.integers(2, size=4)
    return [("rare actions", np.insert(logits, 3 * likely, quarters(rng, 1, 4)[0], axis=1))]


def certain(rng: Generator) -> Rows:
    """One action so far above the others that its probability is 1 to the last bit."""
    logits = [quarters(rng, 1, 4) - 12000.0 for _ in range(2)]  # (1, 4)
    for row in logits:
        row[0, rng.integers(4)] += 12000.0
    return [(CERTAIN, row) for row in logits]


def extreme(rng: Generator) -> Rows:
    """The largest numbers there are, beside others that are ordinary."""
    rows = []
    for dtype, huge in ((np.float64, 1e308), (np.float32, 3e38)):
        logits = quarters(rng, 3, 4)  # (3, 4)
        logits[int(rng.integers(3))] = rng.permutation([huge, -huge, -huge / 2, -huge])
        rows.append((EXTREME, logits.astype(dtype)))
    return rows


def certain_logarithms(case: Case, result: Any) -> Any:
    """Log-probabilities; that of a certain action, 0 to the last bit, in units of 1e-9."""
    if case.stratum != CERTAIN:
        return result
    return 1e9 * np.asarray(result, np.float64).max(axis=-1)


def rare_in_logarithms(case: Case, result: Any) -> Any:
    """Probabilities, the rare ones by their size relative to the right one."""
    if case.stratum == CERTAIN:
        return certain_logarithms(case, np.asarray(result, np.float64) - 1)
    if case.stratum not in RARE:
        return result
    p = np.asarray(result, np.float64)
    if (p <= 0).any():
        raise ValueError("a probability that is not positive")
    return np.log(p)


def of_rows(*sources: Callable[[Generator], Rows]) -> Draw:
    def draw(rng: Generator) -> list[Case]:
        return [Case(name, (logits,)) for source in sources for name, logits in source(rng)]

    return draw


def like_logits(rng: Generator, cases: list[Case]) -> list[Array]:
    """A gradient of a result that has the logits' shape, for each case."""
    logits = [case.args[0] for case in cases]
    return [away_from_zero(rng, *x.shape, most=1.5).astype(x.dtype) for x in logits]


def with_one_hots(battery: Battery, share: float) -> Battery:
    def draw(rng: Generator) -> list[Case]:
        cases = battery.draw(rng)
        for N, A in UNEQUAL:
            dout = np.eye(A)[rng.integers(A, size=N)]  # (N, A)
            cases.append(Case("one-hot cotangents", (distinct(rng, N, A),), dout))
        return cases

    return replace(battery, draw=draw, strata={**battery.strata, "one-hot cotangents": share})


def log_prob(rng: Generator) -> list[Case]:
    cases = []
    for stratum, logits in moderate(rng) + large(rng) + rare(rng) + certain(rng) + extreme(rng):
        N, A = logits.shape
        actions = rng.permutation(np.resize(rng.permutation(A), N))
        if stratum in (CERTAIN, EXTREME):
            actions = logits.argmax(axis=1)
        if stratum in ("rare actions", "large differences"):
            actions = logits.argmin(axis=1)
        cases.append(Case(stratum, (logits, actions)))
    for n in (3, 4):  # no two orders of these are alike
        actions = rng.permuted([0, *range(n - 1)])
        cases.append(Case("as many rows as actions", (distinct(rng, n, n), actions)))
    logits = rare(rng)[0][1]  # (4, 4)
    return [*cases, Case("rare actions", (logits, np.argsort(logits, axis=1)[:, 1]))]


def two_policies(rng: Generator) -> list[Case]:
    """(old_logits, logits)"""
    cases = []
    for stratum, old in moderate(rng):
        cases.append(Case(stratum, (old, distinct(rng, *old.shape))))
    for stratum, old in large(rng):
        change = quarters(rng, *old.shape).astype(old.dtype)  # (N, A)
        if stratum == FLOAT32:  # far apart, so that little cancels
            change *= 4
        cases.append(Case(stratum, (old, old + change)))
    for stratum, logits in rare(rng):
        cases.append(Case(stratum, (quarters(rng, *logits.shape), logits)))
    for stratum, old in extreme(rng):  # each policy is as sure of the same action
        change = np.where(abs(old) < 100, quarters(rng, *old.shape).astype(old.dtype), -old / 8)
        cases.append(Case(stratum, (old, old + change)))
    lonely = lone(rng, 4, 800.0)  # (1, 4), an action that only the old policy takes
    cases.append(Case("large differences", (quarters(rng, 1, 4), lonely)))
    return cases


def fisher(rng: Generator) -> list[Case]:
    cases = []
    for stratum, logits in moderate(rng) + large(rng):
        v = away_from_zero(rng, *logits.shape, most=1.5).astype(logits.dtype)
        cases.append(Case(stratum, (logits, v)))
    return cases


# Sampling


def draws_of(rng: Generator, logits: Array, actions: Array) -> Array:
    """A u for each row that draws the action, well inside its part of [0, 1): (N,)."""
    p, _ = softmax(logits)  # (N, A)
    rows = np.arange(len(p))
    begin = p.cumsum(axis=1)[rows, actions] - p[rows, actions]  # (N,)
    into = rng.permutation(np.resize([0.04, 0.96, 0.5], len(p)))  # (N,), the part of it to go
    u: Array = begin + into * p[rows, actions]
    return u


def sample(rng: Generator) -> list[Case]:
    cases = []
    for stratum, shape in [
        *[("ordinary logits", shape) for shape in [(12, 3), (12, 4), (15, 5)]],
        *[("as many rows as actions", (n, n)) for n in (3, 4, 5, 6)],
        *[(FLOAT32, (12, 4))],
    ]:
        logits = distinct(rng, *shape)
        actions = rng.permutation(np.resize(rng.permutation(shape[1]), shape[0]))
        u = draws_of(rng, logits, actions)
        if stratum == FLOAT32:
            logits, u = logits.astype(np.float32), u.astype(np.float32)
        cases.append(Case(stratum, (logits, u)))
    for stratum, logits in large(rng)[:-1]:  # not action 0, which nan gives too
        u = draws_of(rng, logits, 1 + logits[:, 1:].argmax(axis=1))
        cases.append(Case(stratum, (logits, u)))
    first = possible(rng, ["-xx", "--x", "x-x"])
    last = possible(rng, ["xx-", "x--", "-x-"])
    cases += [
        Case("impossible actions", (first, np.zeros(3))),
        Case("impossible actions", (first, draws_of(rng, first, np.full(3, 2)))),
        Case("impossible actions", (last, rng.uniform(0.96, 0.99, 3))),
        Case("u is 0", (distinct(rng, 3, 4), np.zeros(3))),
        Case("u is 0", (possible(rng, ["xxxx", "-xxx", "--xx"]), np.zeros(3))),
        *[
            Case("u just below 1", just_below_one(rng, impossible, dtype))
            for impossible in (0, 1, 2)
            for dtype in (np.float32, np.float64)
        ],
        # in some of so many rows the sum falls short whichever way it is taken
        Case("u just below 1", (one_impossible(rng), np.full(40, 1 - 2.0**-53))),
    ]
    return cases


NEVER = -10000.0


def possible(rng: Generator, rows: list[str]) -> Array:
    """Logits by a picture, - for actions that are impossible; the rows in any order."""
    allowed = rng.permutation([[c == "x" for c in row] for row in rows])  # (N, A) bool
    return np.where(allowed, distinct(rng, *allowed.shape), NEVER)


def one_impossible(rng: Generator) -> Array:
    """Many rows of six or seven actions, and one more that is impossible."""
    A = int(rng.integers(6, 8))
    return np.insert(distinct(rng, 40, A), A, NEVER, axis=1)


def just_below_one(rng: Generator, impossible: int, dtype: type) -> tuple[Array, Array]:
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


EDGES = frozenset([CERTAIN, EXTREME])
PROBABILITIES = ("log_softmax", "softmax")

both = of_rows(moderate, large)
to_certain = of_rows(moderate, large, rare, certain)
to_extreme = of_rows(moderate, large, extreme)

SOFTMAX = Battery(
    to_certain,
    LOGITS | RARE | {CERTAIN: 0.25},
    parts=("log_softmax",),
    observe=rare_in_logarithms,
    edges=EDGES,
)
LOG_SOFTMAX = replace(SOFTMAX, parts=("softmax",), observe=certain_logarithms)
LOG_PROB = Battery(
    log_prob,
    LOGITS | RARE | {CERTAIN: 0.25, EXTREME: 0.25},
    parts=PROBABILITIES,
    observe=certain_logarithms,
    edges=EDGES,
)
ENTROPY = Battery(to_extreme, LOGITS | {EXTREME: 0.25}, parts=PROBABILITIES, edges=EDGES)
KL = Battery(
    two_policies,
    LOGITS | RARE | {EXTREME: 0.25},
    parts=(*PROBABILITIES, "categorical_entropy"),
    edges=EDGES,
)
SAMPLE = {
    "ordinary logits": 5.0,
    "as many rows as actions": 2.0,
    "impossible actions": 1.0,
    "u is 0": 0.5,
    "u just below 1": 0.5,
    "large logits": 0.5,
    "large differences": 0.5,
    FLOAT32: 0.5,
}
ORDINARY_BACKWARD = backward(Battery(both, LOGITS), like_logits)

BATTERIES = {
    "softmax": SOFTMAX,
    "softmax_backward": with_one_hots(ORDINARY_BACKWARD, 0.5),
    "log_softmax": LOG_SOFTMAX,
    "log_softmax_backward": with_one_hots(ORDINARY_BACKWARD, 2.0),
    "categorical_log_prob": LOG_PROB,
    "categorical_log_prob_backward": backward(LOG_PROB, one_a_row),
    "categorical_entropy": ENTROPY,
    "categorical_entropy_backward": backward(ENTROPY, one_a_row, both),
    "categorical_kl": KL,
    "categorical_kl_backward": backward(KL, one_a_row),
    "categorical_sample": Battery(sample, SAMPLE, off_boundaries, parts=PROBABILITIES),
    "categorical_fisher": Battery(fisher, LOGITS, parts=PROBABILITIES),
}
