"""Which questions of a submission's process about right results are answered.

Answers could be differentiated. So a backward may learn its own forward's results on its own
arguments and no more, and where a derivative is the exercise nothing is answered nearby.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..exercises.compare import vector
from ..exercises.trees import leaves, side_by_side
from .codec import ASK, Malformed, pack, unpack
from .messages import Call

NEAR = 0.02  # of the size of a number, or of 1
# Besides the backward functions, those whose results are derivatives of their parts.
DERIVATIVES = {"categorical_fisher", "mlp_jvp"}

Answer = Callable[[str, tuple[Any, ...]], Any]


class Questions:
    """Those that are asked in one call."""

    def __init__(self, call: Call, answer: Answer | None) -> None:
        self.call, self.answer = call, answer
        # Numbers that were answered, by function and form, and whether they are the call's own.
        self.asked: dict[tuple[str, str], list[tuple[Any, bool]]] = {}
        self.unanswered: set[str] = set()

    def answered(self, name: str, content: bytes) -> bytes:
        """What to send back. Raises Malformed if no worker asks so."""
        args = unpack(content)
        if type(args) is not tuple or len(content) > ASK:
            raise Malformed
        if self.answer is not None and self.allowed(name, args):
            # Arguments that a student made up may break the reference in any way.
            with contextlib.suppress(Exception), np.errstate(all="ignore"):
                return pack(("answer", True, self.answer(name, args)), strict=True)
        return pack(("answer", False, None))

    def allowed(self, name: str, args: tuple[Any, ...]) -> bool:
        if name not in self.call.parts or any(map(np.iscomplexobj, leaves(args))):
            return False
        if self.call.name == f"{name}_backward" and not identical(args, self.call.args):
            return False
        derivative = self.call.dout is not None or self.call.name in DERIVATIVES
        if derivative and self.near_another(name, args):
            self.unanswered.add(name)
            return False
        return True

    def near_another(self, name: str, args: tuple[Any, ...]) -> bool:
        """Whether these arguments are nearly, but not quite, those of another question.

        The arguments that the call itself was given, or rows of them, may be near each other:
        nobody chose them to take a difference. Nor did a loop over single numbers.
        """
        numbers = vector(args)
        if len(numbers) <= 2:
            return False
        own = taken_from(args, self.call.args)
        others = self.asked.setdefault((name, form(args)), [])
        with np.errstate(all="ignore"):
            if any(np.array_equal(other, numbers, equal_nan=True) for other, _ in others):
                return False
            free = [other for other, others_own in others if not (own and others_own)]
            if any(np.allclose(numbers, other, NEAR, NEAR, equal_nan=True) for other in free):
                return True
        others.append((numbers, own))
        return False


def taken_from(args: Any, given: Any) -> bool:
    """Whether every array is one of those that are given, or consists of rows of one."""
    own, theirs = (
        [rows(x) for x in leaves(tree) if isinstance(x, np.ndarray) and x.ndim]
        for tree in (args, given)
    )
    return all(any(x <= y for y in theirs) for x in own)


def rows(x: Any) -> set[bytes]:
    """An array's rows, whatever its dtype."""
    matrix = x.astype(np.float64).reshape(math.prod(x.shape[:-1]), x.shape[-1])
    return {row.tobytes() for row in matrix}


def form(tree: Any) -> str:
    if isinstance(tree, list | tuple):
        return "(" + ",".join(map(form, tree)) + ")"
    return str(np.shape(tree))


def identical(a: Any, b: Any) -> bool:
    """The same numbers, bit for bit."""
    pairs = side_by_side(a, b)
    return pairs is not None and all(bits(x) == bits(y) for x, y in pairs)


def bits(x: Any) -> tuple[Any, ...]:
    return (x.dtype, x.shape, x.tobytes()) if isinstance(x, np.ndarray) else (type(x), x)
