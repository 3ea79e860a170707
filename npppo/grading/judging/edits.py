"""The small edits of a model solution: one place of one line, changed as anybody may err.

A sign, a term or factor that is dropped, another operation, name or axis, sum for mean, < for ≤, a
row ±1, parentheses, 2, ½, N or 1/N.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ..exercises.answers import EXERCISES
from ..exercises.mistakes import BOOK

# Kinds of edits, the simplest first. A list only takes the place of a list: it would otherwise be
# put into itself, of which NumPy makes an array without end.
SIGN, DROPPED, OTHER, FACTOR, ARGUMENT, NAME, LIST = range(7)
OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.Pow: "**",
    ast.MatMult: "@",
}
COMPARISONS: dict[type[ast.cmpop], tuple[str, ...]] = {
    ast.Lt: ("<=", ">"),
    ast.LtE: ("<", ">="),
    ast.Gt: (">=", "<"),
    ast.GtE: (">", "<="),
    ast.Eq: ("!=",),
    ast.In: ("not in",),
}
CALLS = {"sum": "mean", "max": "min", "maximum": "minimum", "argmax": "argmin", "std": "var"}
CALLS |= {other: one for one, other in CALLS.items()}


class Edit(NamedTuple):
    """They are in order: the simplest first."""

    kind: int
    growth: int  # by how many characters the line's length changes
    function: str
    number: int  # of the line
    line: str

    @property
    def switch(self) -> str:
        return f"{self.function}, line {self.number}: {self.line}"


def own_pages(name: str) -> list[str]:
    """The function, and what it calls that is no exercise of its own."""
    return [name, *sorted(BOOK.called(name) - EXERCISES.keys())]


def edits(name: str) -> Iterator[Edit]:
    for function in own_pages(name):
        head, *lines = BOOK.pages[function].source
        known = {arg.arg: ARGUMENT for arg in statement_of(head).args.args}
        first = next(iter(known))
        growing = set(re.findall(r"(\w+)\.append", "".join(lines)))
        for number, line in enumerate(lines, 1):
            statement = statement_of(line)
            length = len(ast.unparse(statement).removesuffix("\n    pass"))
            for kind, other in changes(statement, known, first):
                yield Edit(kind, abs(len(other) - length), function, number, other)
            names = [node for node in ast.walk(statement) if isinstance(node, ast.Name)]
            new = [x.id for x in names if isinstance(x.ctx, ast.Store)]
            known |= {name: LIST if name in growing else NAME for name in new} | known


def statement_of(line: str) -> Any:
    line = line.strip()
    return ast.parse(line + " pass" * line.endswith(":")).body[0]


def changes(statement: Any, known: Mapping[str, int], first: str) -> Iterator[tuple[int, str]]:
    """The statement with one of its expressions replaced, in every way."""
    for node in list(ast.walk(statement)):
        for field, value in list(ast.iter_fields(node)):
            whole = node is statement and field == "value" and not isinstance(value, ast.Tuple)
            several = isinstance(value, list)
            for k, old in enumerate(value if several else [value]):
                ways = [*instead(old, known), *(of_a_whole(old, first) if whole else ())]
                for kind, text in ways:
                    new = ast.parse(text, mode="eval").body
                    setattr(node, field, [*value[:k], new, *value[k + 1 :]] if several else new)
                    yield kind, ast.unparse(statement).removesuffix("\n    pass")
                setattr(node, field, value)


def of_a_whole(value: ast.expr, first: str) -> Iterator[tuple[int, str]]:
    """What may go wrong with all of what a line computes: its sign, or 2, N or A as a factor."""
    x = ast.unparse(value)
    yield SIGN, f"-({x})"
    for factor in ("2", f"len({first})", f"{first}.shape[-1]"):
        yield FACTOR, f"{factor} * ({x})"
        yield FACTOR, f"({x}) / {factor}"


def instead(node: Any, known: Mapping[str, int]) -> Iterator[tuple[int, str]]:
    """What somebody may have written in the place of an expression."""
    match node:
        case ast.BinOp():
            yield from of_an_operation(node)
        case ast.UnaryOp(op=ast.USub()):
            yield SIGN, ast.unparse(node.operand)
        case ast.Compare(ops=[operator]):
            left, right = ast.unparse(node.left), ast.unparse(node.comparators[0])
            for other in COMPARISONS.get(type(operator), ()):
                yield OTHER, f"({left}) {other} ({right})"
        case ast.IfExp():
            yield DROPPED, ast.unparse(node.body)
            yield DROPPED, ast.unparse(node.orelse)
        case ast.Call(func=ast.Name() | ast.Attribute()):
            for argument in node.args:
                yield DROPPED, ast.unparse(argument)
            yield from of_axes(node)
        case ast.Attribute(attr=name) if name in CALLS:
            yield OTHER, f"({ast.unparse(node.value)}).{CALLS[name]}"
        case ast.Attribute(attr="T"):
            yield DROPPED, ast.unparse(node.value)
        case ast.Subscript(ctx=ast.Load(), slice=ast.Name(id=row)):
            for other in (f"{row} - 1", f"{row} + 1"):
                yield OTHER, f"({ast.unparse(node.value)})[{other}]"
        case ast.Constant(value=int(number)) if not isinstance(number, bool):
            yield from ((OTHER, str(k)) for k in (number + 1, number - 1, 2 * number))
        case ast.Constant(value=float(number)):
            yield from ((FACTOR, str(k)) for k in (2 * number, number / 2))
        case ast.Name(ctx=ast.Load()) if node.id in known:
            for other, kind in known.items():
                if other != node.id and (kind == LIST) == (known[node.id] == LIST):
                    yield kind, other


def of_an_operation(node: ast.BinOp) -> Iterator[tuple[int, str]]:
    left, right, o = node.left, node.right, OPERATORS.get(type(node.op))
    if o is None:
        return
    x, y = (f"({ast.unparse(side)})" for side in (left, right))
    yield DROPPED, x
    yield DROPPED, {"-": f"-{y}", "/": f"1 / {y}"}.get(o, y)
    for other in set("+-*/") - {o}:
        yield SIGN if {o, other} == {"+", "-"} else OTHER, f"{x} {other} {y}"
    if o in "-/":
        yield OTHER, f"{y} {o} {x}"
    if o in "+-":
        yield OTHER, f"-{x} {o} {y}"
        for a, b in ((f"2 * {x}", y), (f"{x} / 2", y), (x, f"2 * {y}"), (x, f"{y} / 2")):
            yield FACTOR, f"{a} {o} {b}"
    for inner in (left, right):  # parentheses
        if isinstance(inner, ast.BinOp) and type(inner.op) in OPERATORS:
            i = OPERATORS[type(inner.op)]
            a, b = (f"({ast.unparse(side)})" for side in (inner.left, inner.right))
            yield OTHER, f"{a} {i} ({b} {o} {y})" if inner is left else f"({x} {o} {a}) {i} {b}"


def of_axes(node: ast.Call) -> Iterator[tuple[int, str]]:
    own = ast.unparse(node)
    for axis, others in {"axis=0": ("1", "None"), "axis=1": ("0", "None")}.items():
        if axis in map(ast.unparse, node.keywords):
            yield from ((OTHER, own.replace(axis, f"axis={other}")) for other in others)
