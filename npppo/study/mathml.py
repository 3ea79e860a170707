"""Equations as MathML, from a few of TeX's signs: x_i, x^2, {…}, \\frac{…}{…}, \\sum_i, \\log."""

from __future__ import annotations

import re
from collections.abc import Iterator

TOKEN = re.compile(r"\\[a-z]+|[a-z]{4,}|\d+(?:\.\d+)?|\S")
OPERATORS = set("=+-−·,()[]|≤<>→‖:≥")


def mathml(equation: str) -> str:
    """The equation as a block of its own."""
    row = "".join(_items(iter(TOKEN.findall(equation))))
    return f'<math display="block"><mrow>{row}</mrow></math>'


def _items(tokens: Iterator[str]) -> list[str]:
    """Up to the next closing brace, or the end."""
    items: list[str] = []
    for token in tokens:
        if token == "}":
            break
        if token in "_^":
            base, script = items.pop(), _atom(next(tokens), tokens)
            tag = {"_": "msub", "^": "msup"}[token]
            if "∑" in base:
                tag = "munder"
            items.append(f"<{tag}>{base}{script}</{tag}>")
        else:
            items.append(_atom(token, tokens))
    return items


def _atom(token: str, tokens: Iterator[str]) -> str:
    if token == "{":
        return f"<mrow>{''.join(_items(tokens))}</mrow>"
    if token == "\\frac":
        top, bottom = (_atom(next(tokens), tokens) for _ in range(2))
        return f"<mfrac>{top}{bottom}</mfrac>"
    if token == "\\sum":
        return "<mo>∑</mo>"
    if token[0].isdigit():
        return f"<mn>{token}</mn>"
    if token in OPERATORS:
        return f"<mo>{token.replace('<', '&lt;').replace('>', '&gt;')}</mo>"
    if token.startswith("\\"):  # a function's name stands a little apart
        return f'<mspace width="0.17em"/><mi>{token[1:]}</mi><mspace width="0.17em"/>'
    return f"<mtext>{token}</mtext>" if len(token) > 1 else f"<mi>{token}</mi>"
