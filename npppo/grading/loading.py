"""What of a file can be loaded again and again, for each of its functions anew?

A file may train at its bottom, wait for input, or end the process. What stands above the statement
that does not end is kept, always the same; what stands below it was never reached.
"""

from __future__ import annotations

import ast
from contextlib import suppress
from dataclasses import dataclass, replace

from .exercises import EXERCISES
from .sandbox import Limits, Loaded, Sandbox
from .submission import Submission

TRIES = 3  # cells of a notebook that do not end, each of which takes all the time there is
QUOTED = 60  # characters of a statement
ELSEWHERE = 'Move it under `if __name__ == "__main__":`.'
DEFINITIONS = (
    *(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom),
    *(ast.Assign, ast.AnnAssign, ast.AugAssign),
)


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
    whole, messages = submission, tuple[str, ...]()
    with Sandbox(submission.chunks, limits) as sandbox:
        loaded = sandbox.load(list(EXERCISES))
    while loaded.endless and len(messages) < TRIES:
        file, line = loaded.endless[0]
        submission, message = without_statement(submission, file, line, limits)
        messages += (message,)
        with Sandbox(submission.chunks, limits) as sandbox:
            loaded = sandbox.load(list(EXERCISES))
    if loaded.failure and not messages:
        submission = replace(whole, chunks=tuple((f, definitions(s)) for f, s in whole.chunks))
        failure = loaded.failure
        with Sandbox(submission.chunks, limits) as sandbox:
            loaded = sandbox.load(list(EXERCISES))
        if not loaded.failure:
            what = "all that is not a definition was left out"
            messages = (f"Loading the file failed: it {failure}; {what}. {ELSEWHERE}",)
    return Loadable(submission, loaded, sandbox.output, messages)


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
    """As Python counts them."""
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


def definitions(source: str) -> str:
    """The source with blank lines in the place of what defines nothing."""
    lines = lines_of(source)
    for node in statements(source):
        if not isinstance(node, DEFINITIONS):
            for k in range(node.lineno - 1, node.end_lineno or node.lineno):
                lines[k] = ""
    return "\n".join(lines)
