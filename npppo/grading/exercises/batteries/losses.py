"""Inputs for the losses and for what is watched meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..exercise import Array, Battery, Case
from .drawing import FLOAT32, Generator, backward, single


def signed(rng: Generator, size: int, low: float = 0.3, high: float = 2.0) -> Array:
    """Numbers of both signs, none near 0; the first two are a negative and a positive one."""
    x: Array = rng.uniform(low, high, size) * rng.choice([-1, 1], size)  # (size,)
    x[:2] = abs(x[:2]) * [-1, 1][:size]
    return x


def coarse(x: Any) -> Array:
    """Rounded such that sums and differences are exact."""
    rounded: Array = np.round(np.asarray(x) * 64) / 64
    return rounded


def one_a_case(rng: Generator, cases: list[Case]) -> list[float]:
    """Gradients of results that are one number."""
    return [float(signed(rng, 4, 0.4, 0.9)[i % 4] * (1 + i % 3)) for i in range(len(cases))]


def one_a_sample(rng: Generator, cases: list[Case]) -> list[Array]:
    """Gradients of results with one number for each sample."""
    return [signed(rng, len(x)).astype(x.dtype) for x in (case.args[0] for case in cases)]


# Ratios and the clipped surrogate


def log_probs(rng: Generator, ratio: Any) -> tuple[Array, Array]:
    """(log_prob, old_log_prob) of these ratios."""
    log_ratio = np.log(ratio)  # (N,)
    old = -rng.uniform(0.5, 2.0, len(log_ratio)) - np.maximum(log_ratio, 0)
    return old + log_ratio, old


def improbable(rng: Generator) -> tuple[Array, Array]:
    """Log-probabilities whose exponential is 0, exact also in single precision."""
    old = -1000 - rng.integers(0, 40, 4).astype(float)  # (N,)
    low, within, high = rng.integers([-55, 5, 26], [-29, 15, 49], (2, 3)).T / 64
    return old + rng.permutation([low[0], within[0], high[0], rng.choice([low[1], high[1]])]), old


def ratios(rng: Generator) -> list[Case]:
    spread = [0.4, 0.7, 0.9, 1.1, 1.5, 2.2]
    cases = [
        Case("several samples", log_probs(rng, rng.permutation(spread) * rng.uniform(0.95, 1.05)))
        for _ in range(3)
    ]
    two = [rng.uniform(0.4, 0.8), rng.uniform(1.3, 2.2)]
    cases += [Case("one sample", log_probs(rng, [r])) for r in rng.permutation(two)]
    old = -rng.uniform(0.5, 2.0, 3)
    cases.append(Case("same policy", (old.copy(), old)))
    cases.append(Case("very unlikely actions", improbable(rng)))
    cases.append(single(Case("", log_probs(rng, rng.permutation(spread)))))
    for least in (5.5, 21.0):
        log_ratio = (least + rng.uniform(0, 2, 3)) * [1, 1, -1]
        cases.append(Case(FAR, (old + log_ratio, old)))
    return cases


def in_logarithms(case: Case, result: Any) -> Any:
    """Ratios far from 1 by their logarithms."""
    return np.log(np.asarray(result, np.float64)) if case.stratum == FAR else result


FAR = "ratios far from 1"
RATIO = {
    "several samples": 6,
    "one sample": 1,
    "same policy": 1,
    "very unlikely actions": 1,
    FLOAT32: 1,
}


def policy_gradients(rng: Generator) -> list[Case]:
    def case(stratum: str, advantages: Any) -> Case:
        advantages = np.asarray(advantages)
        return Case(stratum, (-rng.uniform(0.2, 2.5, len(advantages)), advantages))

    return [
        case("both signs of A", signed(rng, 3)),
        case("both signs of A", signed(rng, 5)),
        case("both signs of A", signed(rng, 6, 0.1, 3.0)),
        case("A > 0", rng.uniform(0.3, 2.0, 4)),
        case("A < 0", -rng.uniform(0.3, 2.0, 4)),
        case("one sample", [rng.uniform(0.5, 2.0)]),
        case("one sample", [-rng.uniform(0.5, 2.0)]),
        case("whole-number advantages", rng.permutation([-3, 1, 2, 5])),
        single(case("", signed(rng, 4))),
    ]


POLICY_GRADIENT = {
    "both signs of A": 5,
    "A > 0": 1,
    "A < 0": 1,
    "one sample": 1,
    "whole-number advantages": 1,
    FLOAT32: 1,
}


def below(rng: Generator, clip: float, size: int) -> Array:
    return (1 - clip) * np.linspace(0.3, 0.9, size) * rng.uniform(0.97, 1.03)


def inside(rng: Generator, clip: float, size: int) -> Array:
    return 1 + clip * rng.permutation(np.linspace(-0.45, 0.4, size)) * rng.uniform(0.9, 1.1)


def above(rng: Generator, clip: float, size: int) -> Array:
    """The last of them above 3."""
    return (1 + clip) * np.linspace(1.15, 2.9, size) * rng.uniform(0.98, 1.02)


def sizes(rng: Generator, count: int) -> Array:
    return rng.permutation(np.linspace(0.3, 2.0, count)) * rng.uniform(0.9, 1.1)


def near_the_bounds() -> tuple[Array, Array, float]:
    """Ratios on either side of other bounds than 1 ± 0.4: 1/1.4, exp(±0.4), 1 ± 0.2 …"""
    ratio = np.array([0.635, 0.69, 0.75, 0.85, 1.15, 1.25, 1.445, 1.55, 1.75])
    return np.repeat(ratio, 2), np.tile([1.0, -1.0], 9), 0.4


def all_cells(rng: Generator, clip: float) -> tuple[Array, Array]:
    """(ratio, advantages): both signs of A below, inside and above the band."""
    ratio = np.concatenate([below(rng, clip, 2), inside(rng, clip, 2), above(rng, clip, 2)])
    ratio = np.concatenate([ratio, ratio * rng.uniform(0.985, 1.0)])
    advantages = np.concatenate([sizes(rng, 6), -sizes(rng, 6)])
    order = rng.permutation(12)
    return ratio[order], advantages[order]


def surrogates(rng: Generator) -> list[Case]:
    def case(stratum: str, ratio: Array, advantages: Any, clip: float) -> Case:
        return Case(stratum, (*log_probs(rng, ratio), np.asarray(advantages), clip))

    cases = []
    for name, sign in (("A > 0", 1), ("A < 0", -1)):
        for place, at in (("below", below), ("above", above)):
            for clip, size in ((0.3, 3), (0.1, 4)):
                ratio = at(rng, clip, size)
                cases.append(
                    case(f"{name}, {place} the band", ratio, sign * sizes(rng, size), clip)
                )
    for clip in (0.3, 0.4):
        A = sizes(rng, 4) * rng.permutation([1, 1, -1, -1])
        cases.append(case("inside the band", inside(rng, clip, 4), A, clip))
    for clip in (0.3, 0.2, 0.1):
        cases.append(case("everything at once", *all_cells(rng, clip), clip))
    ratio, signs, clip = near_the_bounds()
    order = rng.permutation(len(ratio))
    cases.append(case("close to the bounds", ratio[order], (signs * sizes(rng, 18))[order], clip))
    cases.append(case("one sample", below(rng, 0.3, 1), [rng.uniform(0.6, 0.9)], 0.3))
    cases.append(case("one sample", above(rng, 0.3, 1), [-rng.uniform(1.1, 1.5)], 0.3))
    old = -rng.uniform(0.5, 2.0, 4)
    A = rng.permutation([-1.5, 0.5, 2.0, -0.25]) * rng.uniform(0.9, 1.3, 4)
    cases.append(Case("ties", (old.copy(), old, A, 0.0)))
    A = rng.permutation([1.5, -0.5, -2.0, 0.75])
    cases.append(Case("very unlikely actions", (*improbable(rng), A, 0.3)))
    ratio, _ = all_cells(rng, 0.3)
    whole = rng.permutation([-4, -3, -2, -1, -2, -5, 1, 2, 3, 4, 5, 6])
    cases.append(case("whole-number advantages", ratio, whole, 0.3))
    cases.append(single(case("", *all_cells(rng, 0.3), 0.3)))
    return cases


SURROGATE = {
    "A > 0, below the band": 2,
    "A > 0, above the band": 2,
    "A < 0, below the band": 2,
    "A < 0, above the band": 2,
    "inside the band": 2,
    "everything at once": 4,
    "close to the bounds": 1,
    "one sample": 1,
    "ties": 1,
    "very unlikely actions": 1,
    "whole-number advantages": 1,
    FLOAT32: 1,
}


def off_the_bounds(log_prob: Array, old_log_prob: Array, clip: float) -> bool:
    """Whether no ratio is at 1 ± clip."""
    distance = abs(np.exp(log_prob - old_log_prob) - 1)  # (N,)
    return bool((abs(distance - clip) > 1e-3).all())


def off_surrogate(log_prob: Array, old_log_prob: Array, advantages: Array, clip: float) -> bool:
    return off_the_bounds(log_prob, old_log_prob, clip)


# Value losses


def values_and_targets(rng: Generator) -> list[Case]:
    def case(stratum: str, error: Any, targets: Any = None) -> Case:
        error = np.asarray(error)
        if targets is None:
            targets = signed(rng, len(error), 0.2, 2.0)
        return Case(stratum, (targets + error, targets))

    return [
        case("small errors", signed(rng, 3, 0.2, 0.9)),
        case("small errors", signed(rng, 5, 0.2, 0.9)),
        case("large errors", signed(rng, 4, 1.5, 4.0)),
        case("large errors", rng.uniform(1.5, 4.0, 3)),
        case("large errors", -rng.uniform(1.5, 4.0, 3)),
        case("one sample", [rng.uniform(0.3, 0.9)]),
        case("one sample", [-rng.uniform(1.3, 1.9)]),
        case("whole-number targets", signed(rng, 4, 0.3, 0.9), rng.permutation([-2, 1, 3, 4])),
        single(case("", signed(rng, 4))),
    ]


VALUE = {
    "small errors": 4,
    "large errors": 3,
    "one sample": 1,
    "whole-number targets": 1,
    FLOAT32: 1,
}

# (side of the band, 1 where the clipped square is the larger one, -1 where the unclipped is)
CELLS = {
    "above the band, clipped square larger": (1, 1),
    "above the band, unclipped square larger": (1, -1),
    "below the band, clipped square larger": (-1, 1),
    "below the band, unclipped square larger": (-1, -1),
}


def value_cell(
    rng: Generator, side: int, larger: int, clip: float, size: int
) -> tuple[Array, Array, Array]:
    """(values, old_values, targets), the target away from midway between v and clipped v."""
    old = signed(rng, size, 0.4, 2.0)
    step = side * clip * np.linspace(1.5, 4.0, size) * rng.uniform(0.95, 1.05)
    midway = old + (step + side * clip) / 2
    away = rng.permutation(np.linspace(0.2, 1.6, size)) * rng.uniform(0.9, 1.1)
    return old + step, old, midway + side * larger * away


def within(rng: Generator, clip: float, size: int) -> tuple[Array, Array, Array]:
    """Values inside the band, exact in binary, so that no rounding decides between equals."""
    old = coarse(signed(rng, size, 0.4, 2.0))
    step = coarse(clip * rng.permutation(np.linspace(-0.8, 0.8, size)))
    return old + step, old, coarse(old + step + signed(rng, size, 0.2, 1.5))


def together(*cells: Sequence[Array]) -> list[Array]:
    return [np.concatenate(parts) for parts in zip(*cells, strict=True)]


def all_value_cells(rng: Generator, clip: float) -> list[Array]:
    cells = [value_cell(rng, side, larger, clip, 2) for side, larger in CELLS.values()]
    arrays = together(*cells, within(rng, clip, 2))
    order = rng.permutation(len(arrays[0]))
    return [x[order] for x in arrays]


def rounded_apart(rng: Generator, clip: float) -> tuple[Array, Array, Array]:
    """Values inside the band for which old + (v - old) is rounded to something further off."""
    old = clip * rng.uniform(0.4, 0.6, 400)  # (400,)
    values = -clip * rng.uniform(0.02, 0.1, 400)
    rounded = old + (values - old)
    targets = values - np.sign(rounded - values) * clip * rng.uniform(0.05, 0.1, 400)
    apart = np.flatnonzero((rounded - targets) ** 2 > (values - targets) ** 2)[:6]
    return values[apart], old[apart], targets[apart]


def clipped_values(rng: Generator) -> list[Case]:
    cases = []
    for stratum, (side, larger) in CELLS.items():
        for clip, size in ((0.3, 3), (0.5, 4)):
            cases.append(Case(stratum, (*value_cell(rng, side, larger, clip, size), clip)))
    for clip, size in ((0.3, 4), (0.5, 5)):
        cases.append(Case("inside the band", (*within(rng, clip, size), clip)))
    for clip in (0.1, 0.3, 0.5):
        cases.append(Case("everything at once", (*all_value_cells(rng, clip), clip)))
    cases.append(Case("one sample", (*value_cell(rng, 1, 1, 0.3, 1), 0.3)))
    cases.append(Case("one sample", (*value_cell(rng, -1, -1, 0.3, 1), 0.3)))
    # at the bounds, and outside with equal squares
    for clip in (0.25, 0.5):
        old = coarse(signed(rng, 6, 0.5, 2.0))
        step = clip * np.array([1, -1, 1, -1, 2, -2])
        error = coarse(rng.uniform(0.2, 1.5, 6)) * [1, 1, -1, -1, 1, -1]
        error[4:] = (step - clip * np.sign(step))[4:] / 2
        order = rng.permutation(6)
        arrays = [x[order] for x in (old + step, old, old + step - error)]
        cases.append(Case("ties", (*arrays, clip)))
    cases.append(Case("inside the band, rounded", (*rounded_apart(rng, 0.3), 0.3)))
    v, old, _ = all_value_cells(rng, 0.3)
    targets = rng.permutation([-4, -3, -2, 2, 3, 4, 5, -5, 6, -6])
    cases.append(Case("whole-number targets", (v, old, targets, 0.3)))
    cases.append(single(Case("", (*all_value_cells(rng, 0.3), 0.3))))
    return cases


CLIPPED_VALUE = {
    **{cell: 2.0 for cell in CELLS},
    "inside the band": 2,
    "everything at once": 4,
    "one sample": 1,
    "ties": 1,
    "inside the band, rounded": 1,
    "whole-number targets": 1,
    FLOAT32: 1,
}


def off_clipped_value(values: Array, old_values: Array, targets: Array, clip: float) -> bool:
    step = values - old_values  # (N,)
    bounded = np.minimum(np.maximum(step, -clip), clip)  # (N,)
    error, clipped = values - targets, old_values + bounded - targets  # (N,), (N,)
    apart = (abs(step) < clip) | (abs(abs(error) - abs(clipped)) > 1e-3)  # (N,) bool
    return bool((abs(abs(step) - clip) > 1e-3).all() and apart.all())


# The whole loss of PPO


def ppo_arguments(
    rng: Generator, ratio: Array, advantages: Array, clip: float, A: int, vf: float, ent: float
) -> tuple[Any, ...]:
    N = len(ratio)
    logits = rng.permuted(np.tile(np.linspace(-1.2, 1.2, A), (N, 1)), axis=1)  # (N, A)
    logits = logits * np.linspace(0.6, 1.4, N)[:, None] + rng.uniform(-0.5, 0.5, (N, 1))
    actions = rng.permutation(np.arange(N) % A)  # (N,)
    targets = signed(rng, N, 0.3, 2.0)
    values = targets + signed(rng, N, 0.4, 2.5)
    return with_ratio(logits, actions, ratio, values, advantages, targets, clip, vf, ent)


def with_ratio(
    logits: Array, actions: Array, ratio: Array, values: Array, *rest: Any
) -> tuple[Any, ...]:
    """The arguments of ppo_loss with the old policy such that the ratios are these."""
    return logits, values, actions, log_prob_of(logits, actions) - np.log(ratio), *rest


def log_prob_of(logits: Array, actions: Array) -> Array:
    z = logits - logits.max(axis=1, keepdims=True)  # (N, A)
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))  # (N, A)
    return np.asarray(log_p[np.arange(len(z)), actions])


def ppo(rng: Generator) -> list[Case]:
    def case(stratum: str, clip: float, A: int, vf: float, ent: float) -> Case:
        return Case(stratum, ppo_arguments(rng, *all_cells(rng, clip), clip, A, vf, ent))

    cases = [
        case("policy part alone", 0.3, 3, 0.0, 0.0),
        case("policy part alone", 0.1, 4, 0.0, 0.0),
        case("policy and value part", 0.3, 3, 0.7, 0.0),
        case("policy and value part", 0.2, 4, 1.3, 0.0),
        case("policy part and entropy", 0.3, 4, 0.0, 0.3),
        case("policy part and entropy", 0.2, 3, 0.0, 0.6),
        case("everything at once", 0.3, 3, 0.7, 0.3),
        case("everything at once", 0.1, 2, 0.4, 0.2),
        case("everything at once", 0.2, 12, 0.7, 0.3),
        case("everything at once", 0.3, 5, 1.6, 0.45),
    ]

    def special(stratum: str, ratio: Any, A: Any, clip: float) -> None:
        ratio, A = np.asarray(ratio), np.asarray(A)
        cases.append(Case(stratum, ppo_arguments(rng, ratio, A, clip, 3, 0.7, 0.3)))

    for sign, name in ((1, "A > 0"), (-1, "A < 0")):
        for at, place in ((below, "below"), (above, "above")):
            special(f"{name}, {place} the band", at(rng, 0.3, 3), sign * sizes(rng, 3), 0.3)
    special("inside the band", inside(rng, 0.3, 4), signed(rng, 4), 0.3)
    ratio, signs, clip = near_the_bounds()
    special("close to the bounds", ratio, signs * sizes(rng, 18), clip)
    special("one sample", below(rng, 0.3, 1), [rng.uniform(0.6, 0.9)], 0.3)
    special("one sample", above(rng, 0.3, 1), [-rng.uniform(1.1, 1.5)], 0.3)
    ratio, _ = all_cells(rng, 0.3)
    A = rng.permutation([-4, -3, -2, -1, 1, 2] * 2)
    whole = list(ppo_arguments(rng, ratio, A, 0.3, 3, 0.7, 0.3))
    whole[5] = np.round(whole[5]).astype(int)  # the targets
    cases.append(Case("whole numbers", tuple(whole)))
    # exact in single precision too; the action taken is one of the likely ones
    logits = 1024 + rng.integers(-64, 65, (4, 3)) / 64
    logits[:, 2] = -1024
    likely = np.array([0, 1, 1, 0])
    targets = signed(rng, 4)
    rest = (signed(rng, 4) + targets, signed(rng, 4), targets, 0.3, 0.7, 0.3)
    large = with_ratio(logits, likely, np.array([0.5, 1.1, 1.6, 0.9]), *rest)
    cases.append(Case("large logits", large))
    cases.append(single(case("", 0.3, 3, 0.7, 0.3)))
    return cases


PPO = {
    "policy part alone": 2,
    "policy and value part": 2,
    "policy part and entropy": 2,
    "everything at once": 6,
    "A > 0, below the band": 1,
    "A > 0, above the band": 1,
    "A < 0, below the band": 1,
    "A < 0, above the band": 1,
    "inside the band": 1,
    "close to the bounds": 1,
    "one sample": 1,
    "whole numbers": 1,
    "large logits": 1,
    FLOAT32: 1,
}


def off_ppo(logits: Array, values: Array, actions: Array, old_log_prob: Array, *rest: Any) -> bool:
    *_, clip, _, _ = rest
    return off_the_bounds(log_prob_of(logits, actions), old_log_prob, clip)


# What is watched


def divergences(rng: Generator) -> list[Case]:
    def pair(*log_ratio: float) -> tuple[Array, Array]:
        return log_probs(rng, np.exp(rng.permutation(log_ratio) * rng.uniform(0.9, 1.1)))

    cases = [
        Case("both directions", pair(-0.8, 0.5, -0.3)),
        Case("both directions", pair(-0.5, 0.8, 0.3, -0.4)),
        Case("both directions", pair(0.9, -0.7, 0.4, -0.3, 0.6)),
        Case("more likely", pair(0.3, 0.6, 0.9)),
        Case("less likely", pair(-0.3, -0.6, -0.9)),
        Case("one sample", pair(0.7)),
        Case("one sample", pair(-0.5)),
    ]
    old = -rng.uniform(0.5, 2.0, 3)
    cases.append(Case("same policy", (old.copy(), old)))
    cases.append(Case("very unlikely actions", improbable(rng)))
    cases.append(single(Case("", pair(-0.8, 0.5, -0.3, 0.7))))
    return cases


DIVERGENCE = {
    "both directions": 5,
    "more likely": 1,
    "less likely": 1,
    "one sample": 1,
    "same policy": 1,
    "very unlikely actions": 1,
    FLOAT32: 1,
}


def fractions(rng: Generator) -> list[Case]:
    def case(stratum: str, ratio: Any, clip: float) -> Case:
        return Case(stratum, (*log_probs(rng, rng.permutation(ratio)), clip))

    def around(clip: float, *count: int) -> Array:
        ats = zip((below, inside, above), count, strict=True)
        return np.concatenate([at(rng, clip, n) for at, n in ats])

    def some() -> int:
        return int(rng.integers(2, 5))

    few, more = rng.permutation([1, 2]), rng.permutation([3, 4])
    cases = [
        case("above the band", around(0.3, 0, some(), some()), 0.3),
        case("below the band", around(0.3, some(), some(), 0), 0.3),
        *[case("inside the band", around(0.3, 0, n, 0), 0.3) for n in rng.permutation([4, 6])],
        case("all outside", around(0.3, some(), 0, some()), 0.3),
        case("both sides", around(0.1, few[0], 2, more[0]), 0.1),
        case("both sides", around(0.3, more[1], 4, few[1]), 0.3),
        case("both sides", around(0.4, 1, 3 + some(), 1), 0.4),
        # one sample outside, the last and the first
        Case("below the band", (*log_probs(rng, [*inside(rng, 0.3, 2), 0.5]), 0.3)),
        Case("below the band", (*log_probs(rng, [0.5, *inside(rng, 0.3, 2)]), 0.3)),
        case("one sample", below(rng, 0.3, 1), 0.3),
        case("one sample", inside(rng, 0.3, 1), 0.3),
    ]
    for clip, ratios in CLOSE:
        clear = np.append(inside(rng, 0.1, some()), rng.uniform(3, 4, rng.integers(0, 3)))
        cases.append(case("close to the bounds", np.append(ratios, clear), clip))
    for apart in few:
        log_ratio = np.append(signed(rng, apart, 0.2, 0.9), np.zeros(some()))
        cases.append(Case("ties", (*log_probs(rng, np.exp(rng.permutation(log_ratio))), 0.0)))
    for clip in (0.3, 0.4):
        twice = zip(improbable(rng), improbable(rng), strict=True)
        new, old = (np.append(*pair) for pair in twice)
        first = slice(3 + some())
        cases.append(Case("very unlikely actions", (new[first], old[first], clip)))
    cases.append(single(case("", around(0.3, some(), 2, some()), 0.3)))
    return cases


# 1/1.4 is 0.71, exp(±0.4) are 0.67 and 1.49, 1 - 1.4² is far below and 1 + √0.4 is 1.63
CLOSE = [
    (0.4, [0.635, 0.645, 0.655, 0.69, 1.3]),
    (0.4, [0.68, 0.70, 1.3]),
    (0.4, [0.5, 1.43, 1.46]),
    (0.4, [1.53, 1.56, 1.58, 2.5]),
    (0.4, [0.75, 0.78, 1.25, 1.7]),
    (0.4, [0.57, 1.43, 1.45, 1.46]),
    (0.3, [0.82, 0.83, 1.17]),
]
FRACTION = {
    "both sides": 5,
    "above the band": 1,
    "below the band": 1,
    "inside the band": 1,
    "all outside": 1,
    "one sample": 1,
    "close to the bounds": 2,
    "ties": 1,
    "very unlikely actions": 1,
    FLOAT32: 1,
}


def fits(rng: Generator) -> list[Case]:
    def targets(size: int) -> Array:
        x = rng.permutation(np.linspace(-2.0, 2.0, size)) * rng.uniform(0.8, 1.2)
        return x + rng.uniform(-0.1, 0.1, size)

    def error(size: int, scale: float) -> Array:
        x = scale * rng.permutation(np.linspace(-1.0, 1.0, size) ** 3)
        return x + scale * rng.uniform(-0.1, 0.1, size)

    cases = []
    for size in (3, 5, 6):
        t = targets(size)
        cases.append(Case("good values", (0.8 * t + error(size, 0.3), t)))
    for size in (4, 6):
        t = targets(size)
        cases.append(Case("bad values", (error(size, 1.5) - 0.7 * t, t)))
    for offset in (0.6, -0.8):
        t = targets(5)
        cases.append(Case("values with an offset", (t + error(5, 0.3) + offset, t)))
    t = targets(4)
    cases.append(Case("targets with an offset", (t + 1.5 + error(4, 0.4), t + 1.5)))
    t = targets(4)
    cases.append(Case("perfect values", (t.copy(), t)))
    for size in (4, 1):
        same = np.full(size, coarse(rng.uniform(0.5, 2.0)))
        cases.append(Case("equal targets", (coarse(rng.uniform(-1, 1, size)), same)))
    # but not so tiny that their squares leave the range of float32, in which some compute
    tiny = targets(4)
    cases.append(Case("tiny targets", (1e-12 * (0.8 * tiny + error(4, 0.3)), 1e-12 * tiny)))
    t = targets(5)
    cases.append(single(Case("", (0.8 * t + error(5, 0.4), t))))
    return cases


FIT = {
    "good values": 4,
    "bad values": 2,
    "values with an offset": 2,
    "targets with an offset": 1,
    "perfect values": 1,
    "equal targets": 1,
    "tiny targets": 0.5,
    FLOAT32: 1,
}


def nan_is_an_answer(case: Case, result: Any) -> Array:
    """[nan or not, the number]; astronomic numbers, the remains of 1/0, count as infinite."""
    x = np.asarray(result, np.float64)
    is_nan = np.isnan(x)
    number = np.where(is_nan, 0.0, np.where(abs(x) > 1e20, np.inf, x))
    return np.stack([1.0 * is_nan, number])


RATIO_PART = ("importance_ratio",)
HEAD = ("softmax", "log_softmax", "categorical_log_prob", "categorical_entropy")
PPO_PARTS = (*HEAD, "importance_ratio", "clipped_surrogate_loss", "value_loss")
RATIOS = Battery(ratios, RATIO | {FAR: 0.25}, observe=in_logarithms, edges=frozenset([FAR]))
LOSSES = {
    "policy_gradient_loss": Battery(policy_gradients, POLICY_GRADIENT),
    "clipped_surrogate_loss": Battery(surrogates, SURROGATE, off_surrogate, RATIO_PART),
    "value_loss": Battery(values_and_targets, VALUE),
    "clipped_value_loss": Battery(
        clipped_values, CLIPPED_VALUE, off_clipped_value, ("value_loss",)
    ),
    "ppo_loss": Battery(ppo, PPO, off_ppo, PPO_PARTS),
}

BATTERIES = {
    "importance_ratio": RATIOS,
    "importance_ratio_backward": backward(RATIOS, one_a_sample),
    **LOSSES,
    **{f"{name}_backward": backward(battery, one_a_case) for name, battery in LOSSES.items()},
    "approx_kl": Battery(divergences, DIVERGENCE, parts=RATIO_PART),
    "clip_fraction": Battery(fractions, FRACTION, off_the_bounds, RATIO_PART),
    "explained_variance": Battery(fits, FIT, observe=nan_is_an_answer),
}
