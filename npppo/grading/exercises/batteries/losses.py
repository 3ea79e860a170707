"""Inputs for the losses and for what is watched meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ....formulas.categorical import categorical_log_prob
from ..exercise import Array, Case
from .drawing import Args, Generator
from .tables import FLOAT32, Table, battery, completed, each, in_whole

UNLIKELY, FAR, LARGE = "very unlikely actions", "ratios far from 1", "large logits"
WHOLE = "whole numbers"


def signed(rng: Generator, size: int, low: float = 0.3, high: float = 2.0, sign: int = 0) -> Array:
    """Numbers away from 0, of this sign or of both: first a negative one, then a positive one."""
    x: Array = rng.uniform(low, high, size)  # (size,)
    return x * (sign or np.append([-1, 1], rng.choice([-1, 1], size))[:size])


def spread(rng: Generator, low: float, high: float, size: int) -> Array:
    return rng.permutation(np.linspace(low, high, size)) * rng.uniform(0.9, 1.1)


def coarse(x: Any) -> Array:
    """Rounded such that sums and differences are exact."""
    rounded: Array = np.round(np.asarray(x) * 64) / 64
    return rounded


# Ratios and what comes with them


def with_ratio(rng: Generator, stratum: str, ratio: Array, *rest: Any) -> Args:
    """(log_prob, old_log_prob, *rest)"""
    log_ratio: Array = np.log(ratio)  # (N,)
    old: Array = -rng.uniform(0.5, 2.0, len(ratio)) - np.maximum(log_ratio, 0)  # (N,)
    if stratum == UNLIKELY:  # the exponential is 0; exact also in single precision
        old, log_ratio = -1000.0 - rng.integers(0, 40, len(ratio)), coarse(log_ratio)
    return old + log_ratio, old, *rest


def apart(rng: Generator, *log_ratio: float) -> Array:
    """Ratios of about these logarithms."""
    return np.exp(rng.permutation(log_ratio) * rng.uniform(0.9, 1.1))


def ratios(table: Table) -> Table:
    """The table with what else a function of ratios alone is asked."""
    others: Table = {
        ("one sample", 1): each(apart, (0.7,), (-0.5,)),
        ("same policy", 1): each(apart, (0, 0, 0)),
        (UNLIKELY, 1): each(apart, SPREAD),
        (FLOAT32, 1): each(apart, SPREAD),
    }
    return completed(with_ratio, table | others)


SPREAD = (-0.9, -0.4, -0.1, 0.1, 0.4, 0.8)
BOTH_DIRECTIONS = (-0.8, 0.5, -0.3), (-0.5, 0.8, 0.3, -0.4), (0.9, -0.7, 0.4, -0.3, 0.6)


def below(rng: Generator, clip: float, size: int) -> Array:
    return (1 - clip) * np.linspace(0.3, 0.9, size) * rng.uniform(0.97, 1.03)


def inside(rng: Generator, clip: float, size: int) -> Array:
    return 1 + clip * spread(rng, -0.45, 0.4, size)


def above(rng: Generator, clip: float, size: int) -> Array:
    """The last of them above 3."""
    return (1 + clip) * np.linspace(1.15, 2.9, size) * rng.uniform(0.98, 1.02)


def one_side(rng: Generator, at: Callable[..., Array], sign: int, clip: float, size: int) -> Args:
    return at(rng, clip, size), sign * spread(rng, 0.3, 2.0, size), clip


def near_the_bounds(rng: Generator) -> Args:
    """Ratios on either side of other bounds than 1 ± 0.4: 1/1.4, exp(±0.4), 1 ± 0.2 …"""
    ratio = np.array([0.635, 0.69, 0.75, 0.85, 1.15, 1.25, 1.445, 1.55, 1.75])
    order = rng.permutation(18)
    advantages = np.tile([1.0, -1.0], 9) * spread(rng, 0.3, 2.0, 18)
    return np.repeat(ratio, 2)[order], advantages[order], 0.4


def all_cells(rng: Generator, clip: float, *settings: Any) -> Args:
    """Both signs of A below, inside and above the band."""
    ratio = np.concatenate([at(rng, clip, 2) for at in (below, inside, above)])
    ratio = np.concatenate([ratio, ratio * rng.uniform(0.985, 1.0)])
    advantages = np.concatenate([sign * spread(rng, 0.3, 2.0, 6) for sign in (1, -1)])
    order = rng.permutation(12)
    return ratio[order], advantages[order], clip, *settings


def clipped(share: float, *cases: tuple[float, int]) -> Table:
    """(ratio, advantages, clip) on each side of the band for each sign of A, and some others.

    There is a case on each side for each of these (clip, size).
    """
    sides = {
        (f"{name}, {where} the band", share): each(one_side, *[(at, sign, *c) for c in cases])
        for name, sign in (("A > 0", 1), ("A < 0", -1))
        for where, at in (("below", below), ("above", above))
    }
    return sides | {
        ("inside the band", share): each(one_side, (inside, 1, 0.3, 4), (inside, -1, 0.4, 4)),
        ("close to the bounds", 1): [near_the_bounds],
        ("one sample", 1): each(one_side, (below, 1, 0.3, 1), (above, -1, 0.3, 1)),
        (FLOAT32, 1): each(all_cells, (0.3,)),
    }


def ppo(
    rng: Generator, stratum: str, ratio: Array, advantages: Array, clip: float, *settings: Any
) -> Args:
    """The arguments of ppo_loss; `settings` are A, vf_coef and ent_coef."""
    A, *coefficients = settings or (3, 0.7, 0.3)
    N = len(ratio)
    logits = rng.permuted(np.tile(np.linspace(-1.2, 1.2, A), (N, 1)), axis=1)  # (N, A)
    logits = logits * np.linspace(0.6, 1.4, N)[:, None] + rng.uniform(-0.5, 0.5, (N, 1))
    actions = rng.permutation(np.arange(N) % A)  # (N,)
    if stratum == LARGE:  # of all actions but the last; exact in single precision too
        logits, actions = 1024 + coarse(logits), actions % (A - 1)
        logits[:, -1] = -1024
    targets = signed(rng, N)
    values = targets + signed(rng, N, 0.4, 2.5)
    if stratum == WHOLE:
        targets = np.round(targets).astype(int)
    old_log_prob = categorical_log_prob(logits, actions)[0] - np.log(ratio)
    return logits, values, actions, old_log_prob, advantages, targets, clip, *coefficients


EVERYTHING = (0.3, 3, 0.7, 0.3), (0.1, 2, 0.4, 0.2), (0.2, 12, 0.7, 0.3), (0.3, 5, 1.6, 0.45)


def around(rng: Generator, clip: float, *count: int) -> Args:
    """So many ratios below, inside and above the band; for -1 there are some."""
    places = zip((below, inside, above), count, strict=True)
    ratio = [at(rng, clip, int(rng.integers(2, 5)) if n < 0 else n) for at, n in places]
    return rng.permutation(np.concatenate(ratio)), clip


def one_below(rng: Generator, order: int) -> Args:
    """One sample outside, the first or the last."""
    return np.array([0.5, *inside(rng, 0.3, 2)])[::order], 0.3


def close_to(rng: Generator, clip: float, *ratio: float) -> Args:
    clear = *inside(rng, 0.1, int(rng.integers(2, 5))), *rng.uniform(3, 4, rng.integers(0, 3))
    return rng.permutation([*ratio, *clear]), clip


def some_equal(rng: Generator, different: int) -> Args:
    equal = np.zeros(rng.integers(2, 5))
    return apart(rng, *signed(rng, different, 0.2, 0.9), *equal), 0.0


# 1/1.4 is 0.71, exp(±0.4) are 0.67 and 1.49, 1 - 1.4² is far below and 1 + √0.4 is 1.63
CLOSE = [
    (0.4, 0.635, 0.645, 0.655, 0.69, 1.3),
    (0.4, 0.68, 0.70, 1.3),
    (0.4, 0.5, 1.43, 1.46),
    (0.4, 1.53, 1.56, 1.58, 2.5),
    (0.4, 0.75, 0.78, 1.25, 1.7),
    (0.4, 0.57, 1.43, 1.45, 1.46),
    (0.3, 0.82, 0.83, 1.17),
]


# Other losses


def policy_gradient(rng: Generator, size: int, *settings: Any) -> Args:
    return -rng.uniform(0.2, 2.5, size), signed(rng, size, *settings)


def missed(rng: Generator, size: int, *settings: Any) -> Args:
    """Values and targets, with errors of these settings."""
    targets = signed(rng, size, 0.2)
    return targets + signed(rng, size, *settings), targets


# (side of the band, 1 where the clipped square is the larger one, -1 where the unclipped is)
CELLS = {
    "above the band, clipped square larger": (1, 1),
    "above the band, unclipped square larger": (1, -1),
    "below the band, clipped square larger": (-1, 1),
    "below the band, unclipped square larger": (-1, -1),
}


def value_cell(rng: Generator, side: int, larger: int, clip: float, size: int) -> Args:
    """(values, old_values, targets, clip), the target away from midway between v and clipped v."""
    old = signed(rng, size, 0.4, 2.0)
    step = side * clip * np.linspace(1.5, 4.0, size) * rng.uniform(0.95, 1.05)
    midway = old + (step + side * clip) / 2
    return old + step, old, midway + side * larger * spread(rng, 0.2, 1.6, size), clip


def within(rng: Generator, clip: float, size: int) -> Args:
    """Values inside the band, exact in binary, so that no rounding decides between equals."""
    old, step = coarse(signed(rng, size, 0.4, 2.0)), coarse(clip * spread(rng, -0.8, 0.8, size))
    return old + step, old, coarse(old + step + signed(rng, size, 0.2, 1.5)), clip


def all_value_cells(rng: Generator, clip: float) -> Args:
    cells = [value_cell(rng, side, larger, clip, 2) for side, larger in CELLS.values()]
    *arrays, _ = zip(*cells, within(rng, clip, 2), strict=True)
    order = rng.permutation(2 * len(CELLS) + 2)
    return *(np.concatenate(parts)[order] for parts in arrays), clip


def rounded_apart(rng: Generator, clip: float) -> Args:
    """Values inside the band for which old + (v - old) is rounded to something further off."""
    old = clip * rng.uniform(0.4, 0.6, 400)  # (400,)
    values = -clip * rng.uniform(0.02, 0.1, 400)
    rounded = old + (values - old)
    targets = values - np.sign(rounded - values) * clip * rng.uniform(0.05, 0.1, 400)
    apart = np.flatnonzero((rounded - targets) ** 2 > (values - targets) ** 2)[:6]
    return values[apart], old[apart], targets[apart], clip


def tied(rng: Generator, clip: float) -> Args:
    """Values at the bounds, and outside with equal squares."""
    old = coarse(signed(rng, 6, 0.5, 2.0))
    step = clip * np.array([1, -1, 1, -1, 2, -2])
    error = coarse(rng.uniform(0.2, 1.5, 6)) * [1, 1, -1, -1, 1, -1]
    error[4:] = (step - clip * np.sign(step))[4:] / 2
    order = rng.permutation(6)
    return *(x[order] for x in (old + step, old, old + step - error)), clip


def fit(
    rng: Generator, size: int, factor: float, noise: float, off: float = 0, **then: float
) -> Args:
    """Values that are `factor` times the targets but for noise and an offset; both then moved."""
    targets = spread(rng, -2.0, 2.0, size) + rng.uniform(-0.1, 0.1, size)
    error = rng.permutation(np.linspace(-1.0, 1.0, size) ** 3) + rng.uniform(-0.1, 0.1, size)
    values = factor * targets + noise * error + off
    moved, unit = then.get("moved", 0.0), then.get("unit", 1.0)
    return unit * (values + moved), unit * (targets + moved)


def equal_targets(rng: Generator, size: int) -> Args:
    return coarse(rng.uniform(-1, 1, size)), np.full(size, coarse(rng.uniform(0.5, 2.0)))


# Off the kinks, and what is compared


def off_the_bounds(log_prob: Array, old_log_prob: Array, *rest: Any) -> bool:
    """Whether no ratio is at 1 ± clip."""
    distance = abs(np.exp(log_prob - old_log_prob) - 1)  # (N,)
    return bool((abs(distance - rest[-1]) > 1e-3).all())


def off_ppo(logits: Array, values: Array, actions: Array, old_log_prob: Array, *rest: Any) -> bool:
    return off_the_bounds(categorical_log_prob(logits, actions)[0], old_log_prob, rest[-3])


def off_clipped_value(values: Array, old_values: Array, targets: Array, clip: float) -> bool:
    step = values - old_values  # (N,)
    error, clipped = values - targets, old_values + np.clip(step, -clip, clip) - targets
    apart = (abs(step) < clip) | (abs(abs(error) - abs(clipped)) > 1e-3)  # (N,) bool
    return bool((abs(abs(step) - clip) > 1e-3).all() and apart.all())


def in_logarithms(case: Case, result: Any) -> Any:
    """Ratios far from 1 by their logarithms."""
    return np.log(np.asarray(result, np.float64)) if case.stratum == FAR else result


def nan_is_an_answer(case: Case, result: Any) -> Array:
    """[nan or not, the number]; astronomic numbers, the remains of 1/0, count as infinite."""
    x = np.asarray(result, np.float64)
    number = np.where(np.isnan(x), 0.0, np.where(abs(x) > 1e20, np.inf, x))
    return np.stack([1.0 * np.isnan(x), number])


RATIO: Table = {
    ("several samples", 6): each(apart, *3 * [SPREAD]),
    (FAR, 0.25): each(apart, (6.5, 7.0, -6.8), (24.0, 25.0, -24.5)),
}
DIVERGENCE: Table = {
    ("both directions", 5): each(apart, *BOTH_DIRECTIONS),
    ("more likely", 1): each(apart, (0.3, 0.6, 0.9)),
    ("less likely", 1): each(apart, (-0.3, -0.6, -0.9)),
}
POLICY_GRADIENT: Table = {
    ("both signs of A", 5): each(policy_gradient, (3,), (5,), (6, 0.1, 3.0)),
    ("A > 0", 1): each(policy_gradient, (4, 0.3, 2.0, 1)),
    ("A < 0", 1): each(policy_gradient, (4, 0.3, 2.0, -1)),
    ("one sample", 1): each(policy_gradient, (1, 0.5, 2.0, 1), (1, 0.5, 2.0, -1)),
    ("whole-number advantages", 1): in_whole(1, each(policy_gradient, (4, 1.0, 5.0))),
    (FLOAT32, 1): each(policy_gradient, (4,)),
}
SURROGATE: Table = {
    **clipped(2, (0.3, 3), (0.1, 4)),
    ("everything at once", 4): each(all_cells, (0.3,), (0.2,), (0.1,)),
    ("ties", 1): [lambda rng: (np.ones(4), signed(rng, 4), 0.0)],
    (UNLIKELY, 1): each(all_cells, (0.3,)),
    ("whole-number advantages", 1): in_whole(1, each(all_cells, (0.3,))),
}
PPO: Table = {
    ("policy part alone", 2): each(all_cells, (0.3, 3, 0, 0), (0.1, 4, 0, 0)),
    ("policy and value part", 2): each(all_cells, (0.3, 3, 0.7, 0), (0.2, 4, 1.3, 0)),
    ("policy part and entropy", 2): each(all_cells, (0.3, 4, 0, 0.3), (0.2, 3, 0, 0.6)),
    ("everything at once", 6): each(all_cells, *EVERYTHING),
    **clipped(1, (0.3, 3)),
    (WHOLE, 1): in_whole(1, each(all_cells, (0.3,))),
    (LARGE, 1): each(all_cells, (0.3,)),
}
FRACTION: Table = {
    ("both sides", 5): each(around, (0.1, 1, 2, 4), (0.3, 3, 4, 2), (0.4, 1, -1, 1)),
    ("above the band", 1): each(around, (0.3, 0, -1, -1)),
    ("below the band", 1): each(around, (0.3, -1, -1, 0)),
    ("below the band", 0): each(one_below, (1,), (-1,)),
    ("inside the band", 1): each(around, (0.3, 0, 4, 0), (0.3, 0, 6, 0)),
    ("all outside", 1): each(around, (0.3, -1, 0, -1)),
    ("one sample", 1): each(around, (0.3, 1, 0, 0), (0.3, 0, 1, 0)),
    ("close to the bounds", 2): each(close_to, *CLOSE),
    ("ties", 1): each(some_equal, (1,), (2,)),
    (UNLIKELY, 1): each(around, (0.3, 1, 1, -1), (0.4, 2, -1, 1)),
    (FLOAT32, 1): each(around, (0.3, -1, 2, -1)),
}
VALUE: Table = {
    ("small errors", 4): each(missed, (3, 0.2, 0.9), (5, 0.2, 0.9)),
    ("large errors", 3): each(missed, (4, 1.5, 4.0), (3, 1.5, 4.0, 1), (3, 1.5, 4.0, -1)),
    ("one sample", 1): each(missed, (1, 0.3, 0.9, 1), (1, 1.3, 1.9, -1)),
    ("whole-number targets", 1): in_whole(1, each(missed, (4, 0.4, 0.9))),
    (FLOAT32, 1): each(missed, (4,)),
}
CLIPPED_VALUE: Table = {
    **{(name, 2): each(value_cell, (*c, 0.3, 3), (*c, 0.5, 4)) for name, c in CELLS.items()},
    ("inside the band", 2): each(within, (0.3, 4), (0.5, 5)),
    ("everything at once", 4): each(all_value_cells, (0.1,), (0.3,), (0.5,)),
    ("one sample", 1): each(value_cell, (1, 1, 0.3, 1), (-1, -1, 0.3, 1)),
    ("ties", 1): each(tied, (0.25,), (0.5,)),
    ("inside the band, rounded", 1): each(rounded_apart, (0.3,)),
    ("whole-number targets", 1): in_whole(2, each(all_value_cells, (0.3,))),
    (FLOAT32, 1): each(all_value_cells, (0.3,)),
}
FIT: Table = {
    ("good values", 4): each(fit, (3, 0.8, 0.3), (5, 0.8, 0.3), (6, 0.8, 0.3)),
    ("bad values", 2): each(fit, (4, -0.7, 1.5), (6, -0.7, 1.5)),
    ("values with an offset", 2): each(fit, (5, 1.0, 0.3, 0.6), (5, 1.0, 0.3, -0.8)),
    ("targets with an offset", 1): each(fit, (4, 1.0, 0.4), moved=1.5),
    ("perfect values", 1): each(fit, (4, 1.0, 0.0)),
    ("equal targets", 1): each(equal_targets, (4,), (1,)),
    # but not so tiny that their squares leave the range of float32, in which some compute
    ("tiny targets", 0.5): each(fit, (4, 0.8, 0.3), unit=1e-12),
    (FLOAT32, 1): each(fit, (5, 0.8, 0.4)),
}
RATIOS = ("importance_ratio",)
HEAD = ("softmax", "log_softmax", "categorical_log_prob", "categorical_entropy")
PPO_PARTS = (*HEAD, *RATIOS, "clipped_surrogate_loss", "value_loss")
OFF = {"off_kinks": off_the_bounds, "parts": RATIOS}

BATTERIES = {
    "importance_ratio": battery(ratios(RATIO), observe=in_logarithms, edges=frozenset([FAR])),
    "policy_gradient_loss": battery(POLICY_GRADIENT),
    "clipped_surrogate_loss": battery(completed(with_ratio, SURROGATE), **OFF),
    "value_loss": battery(VALUE),
    "clipped_value_loss": battery(
        CLIPPED_VALUE, off_kinks=off_clipped_value, parts=("value_loss",)
    ),
    "ppo_loss": battery(completed(ppo, PPO), off_kinks=off_ppo, parts=PPO_PARTS),
    "approx_kl": battery(ratios(DIVERGENCE), parts=RATIOS),
    "clip_fraction": battery(completed(with_ratio, FRACTION), **OFF),
    "explained_variance": battery(FIT, observe=nan_is_an_answer),
}
