"""Pages for the terminal: one for each formula, and the list of them."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from itertools import groupby, islice
from textwrap import dedent, wrap
from typing import Any

import numpy as np

from .. import contract
from ..contract import SPECIFICATIONS
from ..grading.exercises.answers import forward_of, has_backward, reference
from ..grading.exercises.exercise import Case, Product
from ..grading.exercises.trees import leaves, several
from .numbers import Noise, example
from .worked import FORMULAS, Step, bare, by_complex_step, mistakes, run

WIDTH = 100
MARGIN = "    "
AT_MOST = 5  # mistakes
Function = Callable[..., Any]


# Numbers


def written(x: Any, decimals: int | None = None) -> str:
    """An array or number, rounded unless it is to be whole; in one line where there is room."""
    if several(x):
        brackets = "[]" if isinstance(x, list) else "()"
        return brackets[0] + ", ".join(written(one, decimals) for one in x) + brackets[1]
    array = np.asarray(x)
    if array.dtype.kind != "f":
        return np.array2string(array, separator=", ").replace("\n", "")
    if decimals is None and not array.shape:
        return repr(float(x))
    rounded = array if decimals is None else np.round(array, decimals) + 0.0  # never -0
    text = np.array2string(
        rounded, separator=", ", precision=decimals or 12, suppress_small=True, floatmode="maxprec"
    )
    return re.sub(r"\s*\n\s*", " ", text)


def parts(name: str, x: Any) -> Iterator[tuple[str, Any]]:
    """An argument or result by its name; of a list of arrays, each by its own."""
    if several(x) and any(isinstance(leaf, np.ndarray) for leaf in leaves(x)):
        for k, one in enumerate(x):
            yield from parts(f"{name}[{k}]", one)
    else:
        yield name, x


def named(name: str, x: Any, decimals: int | None = None) -> list[str]:
    """The lines "name = ..." of an argument or result."""
    if isinstance(x, Product):
        return [f"{name}(x) = A x with A = {written(x.matrix)}"]
    if isinstance(x, Noise):
        return [f"{name}.standard_normal((2, 2)) = {written(x.drawn)}"]
    if isinstance(x, str):
        return [f"{name} = {x!r}"]
    return [f"{one} = {written(part, decimals)}" for one, part in parts(name, x)]


def given(name: str, case: Case) -> list[str]:
    """The arguments of a case, a line for each; for a backward with the gradient from above."""
    formula = forward_of(name)
    pairs = list(zip(SPECIFICATIONS[formula].arguments, case.args, strict=True))
    pairs += [(upstream(formula), case.dout)] if name != formula else []
    return [line for pair in pairs for line in named(*pair)]


def results(name: str) -> list[str]:
    """What a function's results are called."""
    formula = forward_of(name)
    if name != formula:
        return [f"d{argument}" for argument in SPECIFICATIONS[formula].by]
    if has_backward(formula):
        return [upstream(formula)[1:]]
    out = SPECIFICATIONS[formula].out
    return [one.partition(":")[0] for one in out] if len(out) > 1 else [formula]


def both(formula: str) -> list[str]:
    """The formula, and its backward where it has one."""
    return [formula, *([f"{formula}_backward"] if has_backward(formula) else [])]


def upstream(formula: str) -> str:
    """What its backward calls the gradient that it is given, such as dp."""
    return next(iter(inspect.signature(bare(f"{formula}_backward")).parameters))


def answers(name: str, result: Any) -> list[tuple[str, Any]]:
    """The results by their names; a wrong number of them as one."""
    names = results(name)
    if len(names) == 1:
        return list(parts(names[0], result))
    if not several(result) or len(result) != len(names):
        return [("result", result)]
    return [part for one, x in zip(names, result, strict=True) for part in parts(one, x)]


def resulting(name: str, result: Any, decimals: int | None = None) -> list[str]:
    return [line for part in answers(name, result) for line in named(*part, decimals)]


def shown(steps: list[Step], decimals: int) -> Iterator[str]:
    """Each line that ran, and below it what it made.

    What np.empty makes holds anything until it is filled, entry by entry with what is shown anyway.
    """
    function, empty = steps[-1].function, set[str]()
    for step in steps:
        margin = MARGIN * step.depth
        if step.function != function and step.depth:
            yield f"{margin}in {step.function}:"
        function = step.function
        folded = wrap(step.line, WIDTH - len(margin), subsequent_indent=2 * MARGIN)
        yield from (margin + line for line in folded)
        if step.line.endswith("= cache"):
            continue  # all that was shown before
        if "np.empty" in step.line:
            empty |= step.values.keys()
        for name, x in step.values.items():
            if "cache" not in name and name not in ("_", *empty):
                yield from (f"{margin}{MARGIN}{line}" for line in named(name, x, decimals))


# Text


def text(function: Function) -> str:
    return inspect.getdoc(function) or ""


def body(function: Function) -> tuple[list[ast.stmt], list[str]]:
    """The lines below the docstring, and the statements on them, without loops and tests."""
    source = dedent(inspect.getsource(function))
    (definition,) = ast.parse(source).body
    docstring, *_ = definition.body  # type: ignore[attr-defined]
    lines = source.splitlines()[docstring.end_lineno :]
    code = dedent("\n".join(lines))
    every = (node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.stmt))
    simple = (one for one in every if not hasattr(one, "body"))
    return sorted(simple, key=lambda one: one.lineno), code.splitlines()


def both_ways(formula: str) -> Iterator[str]:
    """The forward with numbered lines, and the backward beside the numbers that it goes back by."""
    forward, lines = body(bare(formula))
    yield from (f"{number:>4} {line}" for number, line in enumerate(lines, 1))
    if has_backward(formula):
        backward, lines = body(bare(f"{formula}_backward"))
        margins = {one.lineno: partners(one, forward, formula) for one in backward}
        yield ""
        yield from (f"{margins.get(n, ''):>4} {line}" for n, line in enumerate(lines, 1))


def partners(statement: ast.stmt, forward: list[ast.stmt], formula: str) -> str:
    """The numbers of the forward's lines that a statement of the backward goes back by.

    linear_backward goes back by linear, dx = ... by what reads x, and the gradient that is made
    where it is returned by everything from the first line on that reads its argument.
    """
    made, read = used(statement, ast.Store), used(statement, ast.Load)
    called = {name.removesuffix("_backward") for name in read if name.endswith("_backward")}
    of = called or {name[1:] for name in made if name.startswith("d")}
    numbers = [one.lineno for one in forward[:-1] if of & used(one, ast.Load)]
    if isinstance(statement, ast.Return) and not isinstance(statement.value, ast.Tuple):
        by, last = SPECIFICATIONS[formula].by[0], forward[-1].lineno
        first = min(one.lineno for one in forward if by in used(one, ast.Load))
        return f"{first}-{last}" if first < last else f"{last}"
    return ",".join(map(str, numbers))


def used(statement: ast.stmt, context: type[ast.expr_context]) -> set[str]:
    """The names that a statement reads or gives values to."""
    names = (node for node in ast.walk(statement) if isinstance(node, ast.Name))
    return {node.id for node in names if isinstance(node.ctx, context)}


# What builds on what


def expect_function(name: str) -> None:
    """Raise ValueError, with the nearest name, unless the contract has a function of this name."""
    if name not in contract.__all__:
        (near,) = get_close_matches(name, contract.__all__, 1, 0)
        raise ValueError(f"there is no function {name!r}, is it {near}? (npppo study lists them)")


def builds_on(formula: str) -> list[str]:
    """The formulas that a formula or its backward calls, by the names in their code."""
    met = {bare(name) for name in both(formula)}

    def within(function: Function) -> Iterator[str]:
        for used in function.__code__.co_names:
            x = function.__globals__.get(used)
            for one in leaves(list(x.values()) if isinstance(x, dict) else x):
                one = inspect.unwrap(one) if inspect.isfunction(one) else None
                if one is None or one in met or not one.__code__.co_filename.startswith(FORMULAS):
                    continue
                met.add(one)
                if one.__name__ in contract.__all__:
                    yield forward_of(one.__name__)
                else:
                    yield from within(one)

    called = {one for name in both(formula) for one in within(bare(name))}
    return [name for name in contract.__all__ if name in called - {formula}]


def in_order() -> Iterator[tuple[str, Iterator[str]]]:
    """The files of floor 0 in learning order, each with the names of its formulas."""
    formulas = [name for name in contract.__all__ if forward_of(name) == name]
    for module, names in groupby(formulas, lambda name: bare(name).__module__):
        yield module.replace(".", "/") + ".py", names


def summary(formula: str) -> str:
    """The first paragraph of its text, in one line."""
    return re.sub(r"\s+", " ", text(bare(formula)).partition("\n\n")[0])


def listing() -> str:
    """All formulas in learning order: what they are, and what they build on."""
    lines = ["npppo study FUNCTION shows one of these (± it has a backward, NAME_backward):"]
    for file, names in in_order():
        lines += ["", file]
        for name in names:
            first, *_ = wrap(summary(name), WIDTH - 28, max_lines=1, placeholder=" …")
            lines.append(f"  {name:<22} {'±' if has_backward(name) else ' '} {first}")
            if below := ", ".join(builds_on(name)):
                lines += wrap(f"{'':27}with {below}", WIDTH, subsequent_indent=" " * 32)
    return "\n".join(lines) + "\n"


def page(name: str, decimals: int = 4) -> str:
    """All there is to say about a formula, its backward included."""
    expect_function(name)
    formula = forward_of(name)
    case = example(formula)
    own = both(formula)
    lines = [f"{formula}({', '.join(SPECIFICATIONS[formula].arguments)})"]
    lines += titled("What it is", text(bare(formula)).split("\n"))
    aside = ", and which lines its backward goes back by" if len(own) > 1 else ""
    lines += titled(f"Its lines{aside}", both_ways(formula))
    lines += titled("With numbers", given(formula, case))
    for one, steps in zip(own, run(formula, case), strict=False):
        if one != formula:
            lines += titled("And back", named(upstream(formula), case.dout))
        lines += ["", *shown(steps, decimals), "", *resulting(one, reference(one, case), decimals)]
    if len(own) > 1:
        exact = by_complex_step(formula, case)
        names = [one for one, _ in answers(own[1], reference(own[1], case))]
        pairs = zip(names, exact, strict=True)
        lines += titled(
            "The same by complex step, from the forward alone",
            [line for pair in pairs for line in named(*pair, decimals)],
        )
    for one in own:
        lines += titled(
            f"Mistakes in {one}, and what they give here", mistaken(one, case, decimals)
        )
    return "\n".join(lines) + "\n"


def titled(title: str, lines: Iterable[str]) -> list[str]:
    return ["", title, "-" * len(title), *(line.rstrip() for line in lines)]


def mistaken(name: str, case: Case, decimals: int) -> Iterator[str]:
    """The first mistakes in the book that are seen here, and what is wrong in their results."""
    right = resulting(name, reference(name, case), decimals)
    for mistake, got in islice(mistakes(name, case), AT_MOST):
        yield from wrap(f"{mistake.sentence}  [{mistake.id}]", WIDTH)
        yield from (MARGIN + line for line in resulting(name, got, decimals) if line not in right)
