"""Small edits that anybody might make of any line, for mistakes that no page of the book knows."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from copy import copy
from typing import Any

OTHER: dict[type[ast.AST], type[Any]] = {
    **{ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult},
    **{ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt},
}
PAIRS = [("sum", "mean"), ("min", "max"), ("minimum", "maximum"), ("logical_or", "logical_and")]
OTHER_CALL = dict(PAIRS) | {b: a for a, b in PAIRS}


def near(source: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Each line that one edit makes of a line, and the function that has it."""
    parameters = [argument.arg for argument in parsed([*source[:1], "    pass"]).args.args]
    for k, line in enumerate(source[1:], 1):
        margin = line[: len(line) - len(line.lstrip())]
        is_block = line.endswith(":")
        if line.strip().startswith(("else", "if", "break")):
            continue
        (statement,) = ast.parse(line.strip() + " pass" * is_block).body
        part = "iter" if is_block else "value"
        tree = getattr(statement, part)
        whole = [] if is_block else list(scaled(tree, parameters[0]))
        seen = {line.strip()}
        for new in [*edited(tree, parameters), *whole]:
            changed = ast.unparse(with_field(statement, part, new)).split("\n")[0]
            if changed not in seen:
                seen.add(changed)
                yield changed, [*source[:k], margin + changed, *source[k + 1 :]]


def parsed(source: list[str]) -> ast.FunctionDef:
    function = ast.parse("\n".join(source)).body[0]
    assert isinstance(function, ast.FunctionDef)
    return function


def scaled(tree: ast.expr, first: str) -> Iterator[ast.expr]:
    """Of the other sign, twice, half, N times or an Nth as large."""
    text = ast.unparse(tree)
    for form in ("-({})", "2 * ({})", "({}) / 2", "({}) * len({})", "({}) / len({})"):
        yield ast.parse(form.format(text, first), mode="eval").body


def edited(tree: Any, names: list[str]) -> Iterator[Any]:
    """The expression with one edit somewhere in it."""
    yield from edits(tree, names)
    for field, value in ast.iter_fields(tree):
        if isinstance(value, ast.expr):
            for new in edited(value, names):
                yield with_field(tree, field, new)
        elif isinstance(value, list):
            for k, item in enumerate(value):
                if isinstance(item, ast.expr | ast.keyword):
                    for new in edited(item, names):
                        yield with_field(tree, field, [*value[:k], new, *value[k + 1 :]])


def with_field(tree: Any, field: str, value: Any) -> Any:
    changed = copy(tree)
    setattr(changed, field, value)
    return changed


def edits(tree: Any, names: list[str]) -> Iterator[Any]:
    """The expression with an edit of its outermost part."""
    match tree:
        case ast.BinOp(left=left, op=op, right=right):
            if type(op) in OTHER:
                yield ast.BinOp(left, OTHER[type(op)](), right)
            yield left  # a term or factor less
            yield right
            if isinstance(left, ast.BinOp):  # other parentheses
                yield ast.BinOp(left.left, left.op, ast.BinOp(left.right, op, right))
            if isinstance(right, ast.BinOp):
                yield ast.BinOp(ast.BinOp(left, op, right.left), right.op, right.right)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            yield operand
        case ast.Compare(left=left, ops=[op], comparators=others) if type(op) in OTHER:
            yield ast.Compare(left, [OTHER[type(op)]()], others)
        case ast.Attribute(value=value, attr=name) if name in OTHER_CALL:
            yield ast.Attribute(value, OTHER_CALL[name], ast.Load())
        case ast.keyword(arg="axis", value=ast.Constant(value=axis)) if axis in (0, 1):
            yield ast.keyword("axis", ast.Constant(1 - axis))
        case ast.Subscript(value=value, slice=ast.Name() as row):
            for op in (ast.Sub(), ast.Add()):  # a row early or late
                yield ast.Subscript(value, ast.BinOp(row, op, ast.Constant(1)), ast.Load())
        case ast.Name(id=name) if name in names:
            yield from (ast.Name(other, ast.Load()) for other in names if other != name)
