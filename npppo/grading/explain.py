"""A counterexample as Python that can be pasted beside the student's file."""

from __future__ import annotations

import inspect
from keyword import iskeyword
from typing import Any

import numpy as np

from .. import contract
from .exercise import Array, Case, Product, Rng
from .exercises import forward_of, has_backward
from .judge import labels, number
from .sandbox import Opaque

FEW, ALL = 6, 17  # digits of a number
MOST = 60  # entries that are worth printing


def example(
    module: str,
    name: str,
    case: Case,
    expected: Any,
    got: Any,
    index: Any = None,
    paired: bool = True,
    given: tuple[str, ...] = (),
) -> str:
    """The call, what it should give, and what it gave, with a mark at the first wrong entry.

    Without a `module` the functions are there already, as in a notebook. `paired` is False where
    the result should be (out, cache) and `got` is not; of the functions `given` the call was given
    right results.
    """
    forward = forward_of(name)
    functions = forward if forward == name else f"{forward}, {name}"
    lines = ["import numpy as np"]
    if module:
        known = module.isidentifier() and not iskeyword(module)
        lines.append(f"from {module if known else 'submission'} import {functions}")
    lines.append("")
    call = []
    for argument, value in zip(names_of(forward), case.args, strict=False):
        if isinstance(value, np.ndarray | list | tuple | Rng | Product):
            lines += assignment(argument, value)
            call.append(argument)
        else:
            call.append(repr(value))
    called = f"{forward}({', '.join(call)})"
    if forward != name:
        cotangent = next(iter(inspect.signature(getattr(contract, name)).parameters))
        lines += [f"_, cache = {called}", *assignment(cotangent, case.dout)]
        called = f"{name}({cotangent}, cache)"
    elif has_backward(name) and paired:
        called = f"{called}[0]"
    elif not paired:
        return "\n".join(
            [*lines, called, "# expected (out, cache)", f"# got      {described(got)}"]
        )
    note = [f"# (with right results of {', '.join(given)} in place of yours)"] if given else []
    compared = results(labels(name, expected), expected, got, index)
    return "\n".join([*lines, called, *note, *compared])


def names_of(function: str) -> list[str]:
    return list(inspect.signature(getattr(contract, function)).parameters)


def assignment(name: str, value: Any) -> list[str]:
    if isinstance(value, Product):
        return [f"matrix = {literal(value.matrix)}", f"{name} = lambda x: matrix @ x"]
    if isinstance(value, Rng):
        return [f"{name} = np.random.default_rng({value.seed})"]
    return [f"{name} = {literal(value)}"]


def literal(value: Any) -> str:
    """Python for a value, to the last bit."""
    if isinstance(value, np.ndarray):
        dtype = f", np.{value.dtype}" if value.dtype not in (float, int, bool) else ""
        return f"np.array({nested(value.tolist())}{dtype})"
    if isinstance(value, list | tuple):
        inner = ", ".join(map(literal, value))
        return f"[{inner}]" if isinstance(value, list) else f"({inner}{',' * (len(value) == 1)})"
    return nested(value)


def nested(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(nested, value)) + "]"
    if isinstance(value, float) and not np.isfinite(value):
        return "np." + str(abs(value)) if value != -np.inf else "-np.inf"
    return repr(value)


def results(names: tuple[str, ...], expected: Any, got: Any, index: Any) -> list[str]:
    """Comment lines with both results, one pair for each array of them."""
    if isinstance(expected, list | tuple):
        if not isinstance(got, list | tuple) or len(got) != len(expected):
            return [f"# expected {len(expected)} results, got {described(got)}"]
        return [
            line
            for i, (e, g) in enumerate(zip(expected, got, strict=True))
            for line in results(parts_of(names, i, e), e, g, None)
        ]
    label = f"{names[0]}: " if names and names[0] else ""
    digits = FEW if described(expected) != described(got) or index is None else ALL
    right = f"# {label}expected {described(expected, digits)}"
    wrong = f"# {label}got      {described(got, digits)}"
    mark = []
    if index is not None and isinstance(got, np.ndarray) and 0 < got.size <= MOST:
        start, width = span(np.asarray(got), tuple(index), digits)
        offset = len(f"# {label}got      ")
        mark = ["#" + " " * (offset + start - 1) + "^" * width + f" {list(index)}"]
    return [right, wrong, *mark]


def parts_of(names: tuple[str, ...], i: int, result: Any) -> tuple[str, ...]:
    """What the i-th of several results is called, or its parts, where it consists of such."""
    name = names[i] if i < len(names) else f"[{i}]"
    nested = isinstance(result, list | tuple)
    return tuple(f"{name}[{k}]" for k in range(len(result))) if nested else (name,)


def described(x: Any, digits: int = FEW) -> str:
    """So many digits of each number, the same on every version of NumPy."""
    if isinstance(x, Opaque):
        return x.description
    if np.size(x) > MOST if isinstance(x, np.ndarray) else isinstance(x, list) and len(x) > MOST:
        return (
            f"an array of shape {x.shape}" if isinstance(x, np.ndarray) else f"a list of {len(x)}"
        )
    if isinstance(x, list | tuple):
        return "[" + ", ".join(described(item, digits) for item in x) + "]"
    if isinstance(x, np.ndarray) and x.ndim:
        return "[" + ", ".join(described(item, digits) for item in x) + "]"
    numeric = isinstance(x, np.ndarray | np.generic | float | int | complex)
    return number(x, digits) if numeric else repr(x)[:MOST]


def span(array: Array, index: tuple[int, ...], digits: int) -> tuple[int, int]:
    """Where `described` writes an entry: its column and width."""
    start = 0
    for axis, i in enumerate(index):
        before = [described(array[(*index[:axis], j)], digits) for j in range(i)]
        start += 1 + sum(len(text) + 2 for text in before)
    return start, len(described(array[index], digits))
