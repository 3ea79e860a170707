"""A notebook's code cells as Python: what is for the notebook's shell is taken out.

A line such as `%matplotlib inline`, `!ls` or `gae?` is for the shell only where a statement begins;
inside brackets and strings it is Python. So a cell that is Python as it stands stays so, and of the
others each statement is looked at by itself.
"""

from __future__ import annotations

import ast
import io
import json
import re
import tokenize
from contextlib import suppress

# %magic, !command, ?help; help?; x = %magic, x = !command. Nothing of it can begin a statement.
SHELL = re.compile(r"[%!?]|[^'\"#]*\?$|[\w.,()\[\]* ]+=\s*[%!]")
# What is run all the same: %time f(x), y = %time f(x).
TIMED = re.compile(r"(\s*(?:[\w.,()\[\]* ]+=\s*)?)%time\s+(\S.*)", re.DOTALL)
# Cells that are Python but for their first line; the others are in another language.
PYTHON = ("%%time", "%%timeit", "%%capture", "%%prun")


def code_cells(text: str) -> list[str]:
    """The sources of the code cells. Raises a ValueError that says what is wrong."""
    try:
        notebook = json.loads(text)
        sources = [
            "".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"
        ]
    except json.JSONDecodeError as error:
        raise ValueError(f"is not a Jupyter notebook: {error.msg} (line {error.lineno})") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError("is not a Jupyter notebook of format 4") from None
    if not any(source.strip() for source in sources):
        raise ValueError("has no code cells")
    return sources


def other_language(source: str) -> str:
    """ "%%bash" of a cell that begins with it; empty for a cell of Python."""
    first = source.split(maxsplit=1)[:1]
    return first[0] if first and first[0].startswith("%%") and first[0] not in PYTHON else ""


def python(source: str) -> str:
    """The cell without what is for the shell; all lines keep their numbers."""
    if other_language(source):
        return ""
    with suppress(SyntaxError, ValueError, RecursionError, MemoryError):
        ast.parse(source)
        return source
    lines = io.StringIO(source, newline=None).readlines()
    indent = indent_of(next((line for line in lines if line.strip()), ""))
    lines = [line.removeprefix(indent) for line in lines]  # as notebooks do: of the whole cell
    start = 0
    while start < len(lines):
        end = start + 1
        if SHELL.match(lines[start].strip()):
            while lines[end - 1].rstrip("\n").endswith("\\") and end < len(lines):
                end += 1
            lines[start:end] = without_shell(lines[start:end])
        elif lines[start].strip() and not lines[start].lstrip().startswith("#"):
            end = end_of_statement(lines, start)
        start = end
    return "".join(lines)


def indent_of(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def without_shell(lines: list[str]) -> list[str]:
    """The same number of lines, all Python; a block may need one that does nothing."""
    if timed := TIMED.fullmatch("".join(lines)):
        return (timed[1] + timed[2]).splitlines(keepends=True)
    indent = indent_of(lines[0])
    return [f"{indent}pass\n" if indent else "\n", *["\n"] * (len(lines) - 1)]


def end_of_statement(lines: list[str], start: int) -> int:
    """The line behind the statement that begins here; behind them all, if it does not end."""
    rest = map(lines.__getitem__, range(start, len(lines)))
    with suppress(tokenize.TokenError, SyntaxError):
        for token in tokenize.generate_tokens(lambda: next(rest, "")):
            if token.type == tokenize.NEWLINE:
                return start + token.start[0]
    return len(lines)
