"""Short numbers for every formula: arguments that a person can calculate with."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..contract import SPECIFICATIONS
from ..formulas.categorical import categorical_log_prob
from ..formulas.shapes import Array
from ..grading.exercises.answers import EXERCISES, forward_of, reference
from ..grading.exercises.compare import vector
from ..grading.exercises.exercise import Case, Product

Generator = np.random.Generator

DECIMALS = 3  # of an answer
TRIES = 10_000  # of which some thirty are needed where an answer has many numbers

SIZES = {"N": 2, "A": 3, "D": 2, "M": 2, "T": 4, "E": 1}
ROWS = {**SIZES, "N": 3}  # where a sample is one number

# Hyperparameters, large enough to be seen in three decimals
CHOICES: dict[str, tuple[Any, ...]] = {
    "activation": ("tanh", "relu"),
    "gain": (0.5, 2.0),
    "gamma": (0.5, 0.8, 0.9),
    "lam": (0.4, 0.5, 0.7),
    "eps": (0.1, 0.2),
    "clip": (0.2, 0.3),
    "clip_low": (0.2, 0.3),
    "clip_high": (0.4, 0.5),
    "bound": (2.0, 2.2),
    "vf_coef": (0.5,),
    "ent_coef": (0.1, 0.2),
    "max_norm": (0.5, 1.0),
    "lr": (0.1, 0.2, 0.5),
    "alpha": (0.8, 0.9),
    "step": (2, 3),
    "beta1": (0.8, 0.9),
    "beta2": (0.9, 0.95),
    "iterations": (1, 2),
    "tolerance": (1e-10,),
    "start": tuple(k / 20 for k in range(6, 20)),
    "end": (0.0, 0.05, 0.1, 0.15, 0.2),
    "fraction": (0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9),
}
# How far a log-probability has moved, and the sign of the advantage: beyond the clip, which counts;
# inside the band; beyond it the wrong way, where nothing is clipped
MOVED = (0.5, 1), (-0.6, -1), (0.1, 1), (-0.1, -1), (0.6, -1), (-0.5, 1)
PARTLY_0 = ("relu", "clipped_surrogate_loss", "dual_clip_loss", "clipped_value_loss")


class Noise:
    """A random generator of which it is known what it will draw."""

    def __init__(self, drawn: Array) -> None:
        self.drawn = drawn

    def standard_normal(self, size: tuple[int, ...]) -> Array:
        return self.drawn.reshape(size).copy()


def example(name: str, *seed: int) -> Case:
    """A call of a function, with a gradient of its result; of a backward, that of its forward.

    It keeps clear of kinks, and of results that hardly decide whether to be rounded up or down.
    """
    formula = forward_of(name)
    rng = np.random.default_rng([*seed, *formula.encode()])
    for _ in range(TRIES):
        case = _drawn(rng, formula)
        if EXERCISES[formula].battery.off_kinks(*case.args) and _is_clear(formula, case):
            return case
    raise RuntimeError(f"{TRIES} tries gave no short numbers for {formula}")


def _is_clear(formula: str, case: Case) -> bool:
    out = vector(reference(formula, case))
    has_gradients = bool(SPECIFICATIONS[formula].by)
    gradients = vector(reference(f"{formula}_backward", case)) if has_gradients else out
    beyond = abs(np.concatenate([out, gradients])) * 10**DECIMALS % 1
    telling = bool(out.any() and gradients.any())
    if formula in PARTLY_0:
        telling = telling and not gradients.all()
    return telling and bool((abs(beyond - 0.5) > 0.1).all())


def short(rng: Generator, *shape: int) -> Array:
    """Numbers of both signs with one decimal, none of them 0 or 1, no two of one size."""
    tenths = [*range(2, 10), *range(11, 16)]
    sizes = rng.choice(tenths, shape, replace=False) / 10
    return np.asarray(sizes * rng.choice([-1, 1], shape))


def _drawn(rng: Generator, formula: str) -> Case:
    specification = SPECIFICATIONS[formula]
    two_axes = any(len(letters) > 1 for letters in specification.letters.values())
    lengths = SIZES if two_axes else ROWS
    given: dict[str, Any] = {}
    for name, kind in specification.arguments.items():
        shape = [lengths[letter] for letter in specification.letters.get(name, "")]
        if kind == "*":
            shape = [2, 2] if specification.by else [3]
        if "<" in kind:
            bound = kind.partition("<")[2]
            given[name] = rng.integers(lengths.get(bound, 2), size=shape)
        else:
            given[name] = _argument(rng, name, kind, shape)
    if formula in ("rmsprop_step", "adam_step"):
        given["v"] = abs(given["v"])
    if "old_log_prob" in given:
        _moved_policy(rng, given)
    if "next_values" in given:
        _rollout(rng, given)
    if "old_values" in given:
        _moved_values(rng, given)
    case = Case("short numbers", tuple(given.values()))
    if not specification.by:
        return case
    dout = short(rng, *reference(formula, case).shape)
    return Case(case.stratum, case.args, dout if dout.shape else float(abs(dout)))


def _argument(rng: Generator, name: str, kind: str, shape: list[int]) -> Any:
    if name in CHOICES:
        return CHOICES[name][rng.integers(len(CHOICES[name]))]
    if kind.endswith("?"):
        return np.zeros(shape, bool)
    if kind.endswith("!"):
        return rng.integers(5, 96, shape) / 100  # uniform noise
    if kind == "layers":
        return [(short(rng, 2, 2), short(rng, 2)), (short(rng, 2, 1), short(rng, 1))]
    if kind == "arrays":
        return [short(rng, 2), short(rng, 2, 2)]
    if kind == "generator":
        return Noise(short(rng, 2, 2))
    if kind == "pair":
        return 2, 2
    if name in ("log_std", "old_log_std"):
        return np.round(short(rng, *shape) / 2, 1)
    if name == "log_prob":
        return -0.5 - rng.permutation(15)[: shape[0]] / 10
    if "→" in kind:
        a, b, c = rng.permutation([1.1, 1.4, 0.3])
        return Product(np.round([[a + c, c], [c, b + c]], 1))  # positive definite
    return short(rng, *shape)


def _moved_policy(rng: Generator, given: dict[str, Any]) -> None:
    log_prob = given.get("log_prob")  # (N,)
    if log_prob is None:
        log_prob, _ = categorical_log_prob(given["logits"], given["actions"])
    moved, sign = np.array(MOVED)[rng.integers(len(MOVED), size=len(log_prob))].T  # (N,), (N,)
    if "bound" in given:
        moved = np.where((moved > 0) & (sign < 0), 1.0, moved)
    given["old_log_prob"] = np.round(log_prob - moved, 1)
    if "advantages" in given:
        given["advantages"] = abs(given["advantages"]) * sign


def _rollout(rng: Generator, given: dict[str, Any]) -> None:
    goes_on, end, cut = rng.permutation(3)
    given["terminated"][end] = given["truncated"][cut] = True
    if "values" in given:
        given["next_values"][goes_on] = given["values"][goes_on + 1]


def _moved_values(rng: Generator, given: dict[str, Any]) -> None:
    moved = rng.permutation([0.5, -0.6, 0.1]) * rng.choice([-1, 1])  # (N,)
    given["old_values"] = np.round(given["values"] - moved, 1)
