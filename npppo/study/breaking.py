"""Mistakes of the book made in the graph: which arrays turn wrong, and what the checker says."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..check import Backward, Forward, GradientResult, check_gradient
from ..contract import SPECIFICATIONS
from ..formulas.shapes import Array
from ..grading.exercises.exercise import Mistake
from ..grading.exercises.mistakes import BOOK
from .graph import Arrays, Node, evaluate

# One line for each, in the order of the menu: the functions of the book with the id of the mistake
# in each, and its way where it has several. Where a forward and its backward make it together the
# gradient is right, of a wrong function.
MENU = """
linear: LIN-07
linear_backward: MLP-03/1
linear_backward: LIN-21
linear_backward: LIN-25/1
linear_backward: LIN-39
tanh_backward: MLP-01
tanh_backward: MLP-02/1
relu_backward: MLP-01
relu_backward: MLP-12
categorical_log_prob: ACT-07
categorical_log_prob_backward: ACT-10
categorical_log_prob_backward: ACT-11
categorical_log_prob_backward: ACT-14
categorical_log_prob_backward: ACT-20
categorical_log_prob_backward: SMG-09
importance_ratio: SUR-07
importance_ratio_backward: SGR-02
importance_ratio_backward: SGR-18
clipped_surrogate_loss: SUR-01
clipped_surrogate_loss: SUR-04
clipped_surrogate_loss: SUR-04, clipped_surrogate_loss_backward: SGR-03
clipped_surrogate_loss: SUR-14
clipped_surrogate_loss_backward: SGR-01
clipped_surrogate_loss_backward: SGR-04
clipped_surrogate_loss_backward: SGR-05
clipped_surrogate_loss_backward: SGR-07
clipped_surrogate_loss_backward: SGR-06
categorical_entropy: ENT-01
categorical_entropy_backward: ENG-02
categorical_entropy_backward: ENG-04
categorical_entropy_backward: ENG-06
categorical_entropy_backward: ENG-03
value_loss: VAL-02
value_loss: VAL-01, value_loss_backward: VGR-02
value_loss_backward: VGR-02
value_loss_backward: VGR-03
ppo_loss_backward: LOS-01
ppo_loss: LOS-01, ppo_loss_backward: LOS-01
ppo_loss_backward: LOS-03
ppo_loss_backward: LOS-46
ppo_loss_backward: LOS-07
"""


@dataclass(frozen=True)
class Broken:
    """A mistake made: the arrays and gradients that turned wrong, and the checker's verdict."""

    ids: str
    functions: list[str]
    sentence: str
    arrays: Arrays
    gradients: Arrays
    checker: list[GradientResult]


def menu(graph: list[Node]) -> list[dict[str, Mistake]]:
    """The mistakes of each line, by function, of those functions that are in the graph."""
    lines = [dict(map(_found, line.split(", "))) for line in MENU.strip().splitlines()]
    there = {node.function for node in graph}
    return [line for line in lines if {name.removesuffix("_backward") for name in line} <= there]


def _found(text: str) -> tuple[str, Mistake]:
    name, _, id = text.partition(": ")
    id, _, way = id.partition("/")
    ways = [mistake for mistake in BOOK.mistakes(name) if mistake.id == id]
    return name, ways[int(way or 1) - 1]


def broken(graph: list[Node], given: Arrays, mistakes: dict[str, Mistake]) -> Broken:
    """The graph with the mistakes made, beside what is right."""
    on = frozenset(mistake.switch for mistake in mistakes.values())
    right = evaluate(graph, given)
    with np.errstate(all="ignore"):
        wrong = evaluate(graph, given, on)
    arrays, gradients = (
        {name: array for name, array in now.items() if _differs(array, then[name])}
        for now, then in zip(wrong, right, strict=True)
    )
    names = list(dict.fromkeys(name.removesuffix("_backward") for name in mistakes))
    return Broken(
        " + ".join(dict.fromkeys(mistake.id for mistake in mistakes.values())),
        list(mistakes),
        " ".join(dict.fromkeys(mistake.sentence for mistake in mistakes.values())),
        arrays,
        gradients,
        [
            result
            for name in names
            for result in checked(graph, right[0], name, *of_the_book(name, on))
        ],
    )


def _differs(now: Array, then: Array) -> bool:
    unit = np.abs(then).max(initial=0)
    return not np.allclose(now, then, rtol=0, atol=1e-9 * unit, equal_nan=True)


def checked(
    graph: list[Node], arrays: Arrays, name: str, forward: Forward, backward: Backward
) -> list[GradientResult]:
    """What the checker says of a function and its backward, at the graph's arrays."""
    node = next(node for node in graph if node.function == name and node.id != "mean")
    given = [arrays[array] for array in node.given]
    if name == "clipped_surrogate_loss":
        given = [arrays["log_prob"], arrays["old_log_prob"], *given[1:]]
    elif name == "ppo_loss":
        given = [arrays[argument] for argument in SPECIFICATIONS[name].arguments]
    wrt = SPECIFICATIONS[name].by
    arguments = list(SPECIFICATIONS[name].arguments)[: len(given)]
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return check_gradient(forward, backward, *given, wrt=wrt, names=arguments, function=name)


def of_the_book(name: str, on: frozenset[str]) -> tuple[Forward, Backward]:
    """A function of the book and its backward, with the mistakes that are on."""

    def forward(*args: Any) -> tuple[Any, tuple[Any, ...]]:
        return BOOK.variant(name)(on, *args), args

    def backward(dout: Any, cache: tuple[Any, ...]) -> Any:
        return BOOK.variant(f"{name}_backward")(on, dout, *cache)

    return forward, backward
