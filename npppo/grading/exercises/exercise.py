"""The words of grading: an exercise, a case to try it on, a mistake that is known.

An exercise is one contract function as something to hand in. It consists of

* a variant: a model solution with a switch for every known mistake, so that any set of mistakes
  can be made at will; with no switch set it is right;
* its mistakes: what each switch stands for, in a sentence for the student;
* a battery: inputs in strata, such that each mistake shows in some of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...formulas.shapes import Array as Array

Switches = frozenset[str]
RIGHT: Switches = frozenset()


@dataclass(frozen=True)
class Mistake:
    """One way to make a mistake of the book of mistakes.

    `sentence` tells the student what the code does and what it should do, in a teacher's words.
    `convention` marks what is right elsewhere and merely not npppo's choice. Mistakes of one
    function that share an `id` are ways to make the same mistake; their switches tell them apart.
    """

    id: str
    sentence: str
    convention: bool
    switch: str


@dataclass(frozen=True)
class Rng:
    """An argument that is a random generator: `np.random.default_rng(seed)`, made afresh."""

    seed: int

    def make(self) -> np.random.Generator:
        return np.random.default_rng(self.seed)


@dataclass(frozen=True)
class Product:
    """An argument that is a function: x -> matrix @ x."""

    matrix: Array  # (D, D)

    def make(self) -> Callable[[Array], Array]:
        return lambda x: self.matrix @ x


@dataclass(frozen=True)
class Case:
    """One call. `args` are the forward function's; `dout` is what a backward function is given."""

    stratum: str
    args: tuple[Any, ...]
    dout: Any = None


def always(*args: Any) -> bool:
    return True


@dataclass(frozen=True)
class Battery:
    """What an exercise is tried on.

    `draw(rng)` makes the cases; `strata` are their names with the share of the points each is
    worth. `off_kinks(*args)` says which of the search's further cases keep clear of kinks. `parts`
    are the contract functions that a student may have built this one from, besides the forward of a
    backward and its parts: a mistake in those is not charged again here. `observe(case, result)`
    makes results comparable where they are not arrays to be compared as they are. `edges` are
    strata for care alone, such as nan where nobody should look: what is wrong elsewhere is named
    without them.
    """

    draw: Callable[[np.random.Generator], list[Case]]
    strata: Mapping[str, float]
    off_kinks: Callable[..., bool] = always
    parts: tuple[str, ...] = ()
    observe: Callable[[Case, Any], Any] | None = None
    edges: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Exercise:
    name: str
    variant: Callable[..., Any]
    mistakes: tuple[Mistake, ...]
    battery: Battery
