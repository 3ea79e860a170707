"""A model solution and the edits of its lines, each behind a switch."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from typing import NamedTuple

STATEMENT = re.compile(r"(return|for)\b.*|(\w+(?:, \w+)*)(\[.*?\])? ([^\s\w=!<>]*)= (.*)")
DEFAULT = re.compile(r"(\w+)=(\S+)")
HEAD = -1  # the number of the line with the parameters


class Statement(NamedTuple):
    """What a line gives values to; "return" and "for" count as names."""

    names: list[str]
    whole: bool = False  # all of it, not an entry of an array
    value: str = ""

    @classmethod
    def of(cls, line: str) -> Statement:
        match = STATEMENT.fullmatch(line.strip())
        if match is None:
            return cls([])
        if match[1]:
            return cls([match[1]], True)
        return cls(match[2].split(", "), not match[3] and not match[4], match[5])

    def replaces(self, other: Statement) -> bool:
        """Whether it takes the other's place, or comes after it."""
        uses = any(re.search(rf"\b{name}\b", self.value) for name in self.names)
        return self.whole and other.whole and self.names == other.names and not uses


class Model:
    def __init__(self, source: list[str]) -> None:
        head, *self.lines = source
        self.name = head[len("def ") : head.index("(")]
        self.given = head[head.index("(") + 1 : -len("):")].split(", ")
        self.defaults = dict(one.split("=") for one in self.given if "=" in one)
        self.parameters = [one.split("=")[0] for one in self.given]
        self.statements = [Statement.of(line) for line in self.lines]
        # the line that gave each name its last value
        self.last = dict.fromkeys(self.parameters, HEAD)
        self.last |= {name: k for k, one in enumerate(self.statements) for name in one.names}
        self.instead: dict[int, list[str]] = defaultdict(list)
        self.after: dict[int, list[str]] = defaultdict(list)

    def edit(self, code: str, switch: str, note: str) -> bool:
        """Make an edit where the switch is on. Whether there is a line to be edited so."""
        test, default = f"if {switch!r} in on: ", DEFAULT.fullmatch(code)
        if code.startswith("@"):
            call = f"{code[1:]}(lambda *args: {self.name}(on - {{{switch!r}}}, *args)"
            self.after[HEAD].append(f"{test}return {call}, {', '.join(self.parameters)}){note}")
            return True
        if default and default[1] in self.defaults:
            other = f"{default[2]} if {switch!r} in on else {self.defaults[default[1]]}"
            self.defaults[default[1]] = other
            return True
        one = Statement.of(code)
        k = self.last.get(one.names[0]) if one.names else None
        if k is None:
            return False
        if code.startswith("for "):
            other = f" in {code[:-1].split(' in ')[1]} if {switch!r} in on else "
            self.lines[k] = self.lines[k].replace(" in ", other, 1)
        elif k != HEAD and one.replaces(self.statements[k]):
            self.instead[k].append(test + code + note)
        else:
            self.after[k].append(test + code + note)
        return True

    def switchable(self) -> str:
        """The text of a function that is told what is on."""
        signature = ", ".join(f"{p}=None" if p in self.defaults else p for p in self.parameters)
        text = [f"def {self.name}(on, {signature}):"]
        text += [f"    if {p} is None: {p} = {value}" for p, value in self.defaults.items()]
        text += [f"    {line}" for line in self.after[HEAD]]
        for k, line in enumerate(self.lines):
            margin = line[: len(line) - len(line.lstrip())]
            text += [f"{margin}{'el' if n else ''}{one}" for n, one in enumerate(self.instead[k])]
            text.append(f"{margin}else: {line.strip()}" if self.instead[k] else line)
            text += [margin + one for one in self.after[k]]
        return "\n".join([*text, ""])


def parses(code: str) -> bool:
    if code.startswith("@"):
        return True
    try:
        ast.parse(code + " pass" * code.startswith("for "))
    except SyntaxError:
        return False
    return True
