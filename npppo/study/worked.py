"""A formula at work: what each of its lines makes, what the gradients are, what mistakes give.

Nothing is computed here. The formula itself runs, and Python reports each line that it has done.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from textwrap import dedent
from types import CodeType, FrameType
from typing import Any, NamedTuple

import numpy as np

from .. import check, contract
from ..contract import SPECIFICATIONS
from ..formulas import shapes
from ..formulas.shapes import Array
from ..grading.exercises.answers import EXERCISES, has_backward, made, reference, varied
from ..grading.exercises.compare import Tolerance, close, finite
from ..grading.exercises.exercise import Case, Mistake
from ..grading.exercises.trees import leaves, mapped, side_by_side

FORMULAS = str(Path(shapes.__file__).parent)
LOOP = re.compile("for |while ")
SEEN = Tolerance(1e-3, 0, 1e-3)  # what is closer is hardly seen to be another number


class Step(NamedTuple):
    """A line that has run: the function it is in, and what it gave values to."""

    function: str
    depth: int  # how many calls below the formula itself
    line: str
    values: dict[str, Any]


def bare(name: str) -> Callable[..., Any]:
    """The function on floor 0, without the checks of its door."""
    function: Callable[..., Any] = inspect.unwrap(getattr(contract, name))
    return function


def run(formula: str, case: Case) -> tuple[list[Step], list[Step]]:
    """The steps of the forward, and those of the backward where there is one."""
    forward, result = steps(bare(formula), *made(case.args))
    if not has_backward(formula):
        return forward, []
    return forward, steps(bare(f"{formula}_backward"), case.dout, result[1])[0]


def steps(function: Callable[..., Any], *args: Any) -> tuple[list[Step], Any]:
    """The lines of a formula in the order in which they are done, and its result.

    The formulas that it calls are followed as well, unless they loop. A line that changes nothing
    is left out, but for the one that returns.
    """
    found: list[Step] = []
    calls: list[FrameType] = []
    known: dict[FrameType, tuple[int, dict[str, Any]]] = {}  # the line that runs, the values so far
    last = ""  # the line that returns

    def called(frame: FrameType, event: str, arg: Any) -> Any:
        code = frame.f_code
        own = code.co_filename.startswith(FORMULAS) and not code.co_name.startswith("<")
        if not own or (calls and any(map(LOOP.match, statements(code).values()))):
            return None
        calls.append(frame)
        known[frame] = 0, numbers(frame)
        return went_on

    def went_on(frame: FrameType, event: str, arg: Any) -> Any:
        nonlocal last
        number, before = known[frame]
        lines = statements(frame.f_code)
        line = lines[frame.f_lineno]
        if event == "line" and lines.get(number) == line:  # of several lines, or a comprehension
            return went_on
        now = numbers(frame)
        known[frame] = frame.f_lineno, now
        new = {n: x for n, x in now.items() if n not in before or not _same(x, before[n])}
        if number and new:
            values = {n: new[n] for n in sorted(new, key=lines[number].find)}
            found.append(Step(frame.f_code.co_name, calls.index(frame), lines[number], values))
        last = line if line.startswith("return") else last
        if event == "return":
            calls.remove(frame)
            if not calls:
                found.append(Step(frame.f_code.co_name, 0, last, {}))
        return went_on

    tracer = sys.gettrace()
    sys.settrace(called)
    try:
        result = function(*args)
    finally:
        sys.settrace(tracer)
    return found, result


def numbers(frame: FrameType) -> dict[str, Any]:
    """Copies of all local variables that are arrays, numbers, or lists of such."""
    numeric = np.ndarray | np.number | int | float
    return {
        name: deepcopy(x)
        for name, x in frame.f_locals.items()
        if all(isinstance(one, numeric) for one in leaves(x))
    }


def _same(a: Any, b: Any) -> bool:
    pairs = side_by_side(a, b)
    return pairs is not None and all(np.array_equal(x, y) for x, y in pairs)


@cache
def statements(code: CodeType) -> dict[int, str]:
    """The statement on each line of a function, with its comment; of a loop or test the head."""
    lines, first = inspect.getsourcelines(code)
    (function,) = ast.parse(dedent("".join(lines))).body
    found: dict[int, str] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.stmt) and node is not function:
            body = getattr(node, "body", None)
            end = body[0].lineno - 1 if body else node.end_lineno or node.lineno
            text = " ".join(line.strip() for line in lines[node.lineno - 1 : end])
            text = text.replace("( ", "(").replace(", )", ")")  # of what takes several lines
            found |= dict.fromkeys(range(first + node.lineno - 1, first + end), text)
    return found


def by_complex_step(formula: str, case: Case) -> list[Array]:
    """The gradient by each array that the formula is differentiated by, from its forward alone."""
    positions = SPECIFICATIONS[formula].positions
    point = [
        mapped(lambda x: x.astype(complex), x) if k in positions else x
        for k, x in enumerate(case.args)
    ]

    def gradient(array: Array) -> Array:
        def out(moved: Array) -> Array:
            array[...] = moved
            result: Array = bare(formula)(*point)[0]
            return result

        here = array.real.copy()
        found = check.complex_step(out, here, np.asarray(case.dout))
        array[...] = here
        return found

    return [gradient(array) for k in positions for array in leaves(point[k])]


def with_mistake(name: str, mistake: Mistake, case: Case) -> Any:
    """What the mistake gives; None where that is nothing finite, or an error."""
    try:
        with np.errstate(all="ignore"):
            result = varied(EXERCISES[name], frozenset([mistake.switch]), deepcopy(case))
    except (ArithmeticError, AttributeError, IndexError, TypeError, ValueError):
        return None
    return result if finite(result) else None


def mistakes(name: str, case: Case) -> Iterator[tuple[Mistake, Any]]:
    """The mistakes of the book that are seen in this case, in the book's order, one of each id."""
    right, ids = reference(name, case), set()
    for mistake in EXERCISES[name].mistakes:
        if mistake.convention or mistake.id in ids:
            continue
        got = with_mistake(name, mistake, case)
        if got is not None and not close(got, right, SEEN):
            ids.add(mistake.id)
            yield mistake, got
