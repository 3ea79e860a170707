"""All exercises, in the order of the contract, and their right answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from .. import contract
from .batteries import BATTERIES
from .catalogue import MISTAKES, VARIANTS
from .compare import finite
from .exercise import Case, Exercise, Product, Rng, Switches

EXERCISES = {
    name: Exercise(name, VARIANTS[name], MISTAKES[name], BATTERIES[name])
    for name in contract.__all__
    if name in VARIANTS
}

# The positions of the arguments that a backward function returns gradients for.
DIFFERENTIABLE = {
    "linear": (0, 1, 2),
    "tanh": (0,),
    "relu": (0,),
    "mlp": (0, 1),
    "softmax": (0,),
    "log_softmax": (0,),
    "categorical_log_prob": (0,),
    "categorical_entropy": (0,),
    "categorical_kl": (1,),
    "gaussian_log_prob": (0, 1),
    "gaussian_entropy": (0,),
    "gaussian_kl": (2, 3),
    "importance_ratio": (0,),
    "policy_gradient_loss": (0,),
    "clipped_surrogate_loss": (0,),
    "value_loss": (0,),
    "clipped_value_loss": (0,),
    "ppo_loss": (0, 1),
}

BROKE = None  # the result of a call that gave nan or an infinity, or raised for such a reason


class Crashed:
    """The result of a call that raised for another reason, as where shapes do not fit."""


CRASHED = Crashed()


def no_result(x: Any) -> bool:
    return x is BROKE or x is CRASHED


def has_backward(name: str) -> bool:
    """Whether it returns (out, cache)."""
    return f"{name}_backward" in contract.__all__


def forward_of(name: str) -> str:
    return name.removesuffix("_backward")


def made(args: Iterable[Any]) -> tuple[Any, ...]:
    """The arguments themselves, of those that cannot be written down."""
    return tuple(x.make() if isinstance(x, Rng | Product) else x for x in args)


def reference(name: str, case: Case) -> Any:
    """The right result: of a forward function without the cache."""
    forward = getattr(contract, forward_of(name))
    result = forward(*made(case.args))
    if name.endswith("_backward"):
        return getattr(contract, name)(case.dout, result[1])
    return result[0] if has_backward(name) else result


def varied(exercise: Exercise, on: Switches, case: Case) -> Any:
    """The result with these mistakes made."""
    args = made(case.args)
    if exercise.name.endswith("_backward"):
        return exercise.variant(on, case.dout, *args)
    return exercise.variant(on, *args)


def outcome(exercise: Exercise, on: Switches, case: Case) -> Any:
    """As `varied`, as the battery observes it; BROKE where there is no finite result."""
    try:
        with np.errstate(all="ignore"):
            result = varied(exercise, on, case)
    except ArithmeticError:
        return BROKE
    except (ValueError, IndexError, TypeError):
        return CRASHED
    return observed(exercise, case, result)


def observed(exercise: Exercise, case: Case, result: Any) -> Any:
    if exercise.battery.observe is not None:
        try:
            with np.errstate(all="ignore"):
                result = exercise.battery.observe(case, result)
        except (ArithmeticError, ValueError, IndexError, TypeError):
            return BROKE
    return result if finite(result) else BROKE
