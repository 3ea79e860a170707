"""The letters of the shapes, and the specification that stands above every formula.

Letters used in the shape comments of the package:

    N  samples          T  time steps      D  input features, or unknowns
    A  actions, or      E  environments    M  output features, in a hidden layer also `width`
       action dimensions                   P  parameters of an agent

What a docstring promises holds in float32 and float64. float16 is accepted but too narrow for it.

Words and signs used throughout:

    L          the scalar that is minimised in the end; dx means ∂L/∂x
    π(a|s)     the policy: how likely action a is in state s
    V(s)       the value: the discounted rewards that the policy can expect from s on
    bootstrap  to let V stand for the rewards that were not seen
    surrogate  what stands for the expected return, as it has the same gradient at the old policy
    cotangent  dout = ∂L/∂out, which a backward is given
    head       what makes a distribution of actions from the network's output
    kink       where a slope jumps; there both sides of a minimum or maximum are equal: a tie

A specification says what a formula takes and returns, and what its backward differentiates by:

    @formula("x:ND W:DM b:M -> NM by x W b")
    def linear(x, W, b):

    name:ND      an array of shape (N, D), in the one floating dtype that all of them share
    name:*       one of any shape; all that are marked so have one shape
    name:N!      the same, in its own dtype
    name:TE?     flags
    name:N<A     whole numbers from 0 to A-1
    name:NA<2    whole numbers that are 0 or 1
    name:layers  a list of (W, b), from the input to the output
    name:arrays  a list of arrays of any shapes
    name:D→D     a function from (D,) to (D,)
    name:whole   a whole number
    name         any number
    name:other   anything else, passed on as it is

A formula itself looks at none of this: it computes. `npppo.NAME` checks (npppo/contract.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from numpy.typing import NDArray

Array = NDArray[Any]
Cache = tuple[Any, ...]
Layers = list[tuple[Array, Array]]  # [(W, b), ...] from the input to the output
Formula = TypeVar("Formula", bound=Callable[..., Any])


@dataclass(frozen=True)
class Specification:
    """`arguments` by name, each with its kind ("" for a number); `out`: the letters of the
    results, after its name where there are several.

    `by` are the arguments that the formula is differentiated by, none where it is not.
    """

    arguments: dict[str, str]
    out: tuple[str, ...]
    by: tuple[str, ...]

    @cached_property
    def letters(self) -> dict[str, str]:
        """The letters of the shape of each argument that has some."""
        bare = {name: kind.rstrip("?!").partition("<")[0] for name, kind in self.arguments.items()}
        return {name: kind for name, kind in bare.items() if kind.isalpha() and kind.isupper()}

    @property
    def positions(self) -> tuple[int, ...]:
        """Where the arguments stand that the formula is differentiated by."""
        names = list(self.arguments)
        return tuple(names.index(name) for name in self.by)


SPECIFICATIONS: dict[str, Specification] = {}  # of every public formula, in learning order


def formula(line: str) -> Callable[[Formula], Formula]:
    """Register the specification `line` of a public formula, which stays as it is."""
    taken, _, returned = line.partition("->")
    out, _, by = returned.partition(" by ")
    arguments = dict(word.partition(":")[::2] for word in taken.split())
    specification = Specification(arguments, tuple(out.split()), tuple(by.split()))

    def register(function: Formula) -> Formula:
        SPECIFICATIONS[function.__name__] = specification
        return function

    return register


def power_of_2(*arrays: Array) -> float:
    """The power of 2 that is next to the arrays' largest entry: a unit for them.

    Divided by it, which is exact, they have squares and sums that leave no dtype's range.
    """
    largest = max((float(abs(array).max(initial=0)) for array in arrays), default=0.0)
    return math.ldexp(1.0, math.frexp(largest)[1] - 1)
