"""What of a file can be loaded again and again, for each of its functions anew?

A file may train at its bottom. What stands above the statement that does not end is kept, always
the same; what stands below it in a file, or in a cell of a notebook, was never reached.
"""

from __future__ import annotations

import ast
from contextlib import suppress
from dataclasses import dataclass, replace

from ..exercises.answers import EXERCISES
from ..process.sandbox import Limits, Loaded, Sandbox
from .submission import Submission

TRIES = 3  # cells of a notebook that do not end, each of which takes all the time there is
QUOTED = 60  # characters of a statement
ELSEWHERE = 'Move it under `if __name__ == "__main__":`.'


@dataclass(frozen=True)
class Loadable:
    """`submission` is what can be loaded of it, `loaded` what came of that, `messages` say what
    was left out."""

    submission: Submission
    loaded: Loaded
    output: str
    messages: tuple[str, ...] = ()


def loadable(submission: Submission, limits: Limits) -> Loadable:
    """Load the file until all that is left of it loads in its time."""
    messages = tuple[str, ...]()
    while True:
        with Sandbox(submission.chunks, limits) as sandbox:
            loaded = sandbox.load(list(EXERCISES))
        if not loaded.endless or len(messages) == TRIES:
            return Loadable(submission, loaded, sandbox.output, messages)
        file, line = loaded.endless[0]
        submission, message = without_statement(submission, file, line, limits)
        messages += (message,)


def without_statement(
    submission: Submission, file: str, line: int, limits: Limits
) -> tuple[Submission, str]:
    """The submission without what stands from this statement on in its chunk, and why."""
    source = dict(submission.chunks)[file]
    start, lines = beginning(source, line), lines_of(source)
    quoted = lines[start - 1].strip() if start <= len(lines) else ""
    quoted = quoted if len(quoted) <= QUOTED else quoted[:QUOTED] + "…"
    kept = "\n".join(lines[: start - 1])
    chunks = tuple((f, kept if f == file else s) for f, s in submission.chunks)
    return replace(submission, chunks=chunks), (
        f"{file}, line {start}: loading took more than {limits.load_seconds:g} s in `{quoted}`; "
        f"that and what stands below it was left out. {ELSEWHERE}"
    )


def lines_of(source: str) -> list[str]:
    """The lines as Python counts them."""
    return source.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def statements(source: str) -> list[ast.stmt]:
    with suppress(SyntaxError, ValueError, RecursionError):
        return ast.parse(source).body
    return []


def beginning(source: str, line: int) -> int:
    """The first line of the statement that this line is in."""
    firsts = [
        min(x.lineno for x in (node, *getattr(node, "decorator_list", ())))
        for node in statements(source)
    ]
    return max((first for first in firsts if first <= line), default=line)
