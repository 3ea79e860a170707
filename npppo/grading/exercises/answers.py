"""All exercises, in the order of the contract, and their right answers."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

import numpy as np

from ... import contract
from .batteries import BATTERIES
from .compare import finite
from .exercise import Case, Exercise, Product, Rng, Switches
from .mistakes import BOOK

EXERCISES = {
    name: Exercise(name, BOOK.variant(name), BOOK.mistakes(name), BATTERIES[name])
    for name in contract.__all__
    if name in BOOK.pages
}


def asked_for(names: Iterable[str] | None, where: str = "") -> list[str]:
    """These exercises, or all of them; ValueError for a name of none."""
    wanted = list(EXERCISES if names is None else names)
    for name in wanted:
        if name not in EXERCISES:
            (near,) = get_close_matches(name, EXERCISES, 1, 0)
            raise ValueError(f"{where}there is no function {name!r} in the contract, is it {near}?")
    return wanted


# The positions of the arguments that a backward function returns gradients for.
DIFFERENTIABLE = {name: s.positions for name, s in contract.SPECIFICATIONS.items() if s.by}

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


def letters_of(name: str) -> list[str]:
    """The letters of the shape of each argument, of a backward function's forward: "N*" where the
    axes behind the first may be any, none of what is no array."""
    specification = contract.SPECIFICATIONS[forward_of(name)]
    return [
        "N*" if kind == "*" else specification.letters.get(argument, "")
        for argument, kind in specification.arguments.items()
    ]


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


def variant_outcome(exercise: Exercise, on: Switches, case: Case) -> Any:
    """As `varied`, as the battery observes it; BROKE where there is no finite result."""
    try:
        with np.errstate(all="ignore"):
            result = varied(exercise, on, case)
    except ArithmeticError:
        return BROKE
    except (ValueError, IndexError, TypeError):
        return CRASHED
    except Exception:
        if len(on) < 2:
            raise
        return CRASHED  # two mistakes together may meet in any error
    return observed(exercise, case, result)


def observed(exercise: Exercise, case: Case, result: Any) -> Any:
    if exercise.battery.observe is not None:
        try:
            with np.errstate(all="ignore"):
                result = exercise.battery.observe(case, result)
        except (ArithmeticError, ValueError, IndexError, TypeError):
            return BROKE
    return result if finite(result) else BROKE
