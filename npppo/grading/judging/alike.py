"""Where nothing in the book matches: a small edit of the model solution that answers so.

All edits of a function are compiled at once, each behind a switch, and compared with the answers as
the book's mistakes are.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..exercises.compare import DOUBLE
from ..exercises.exercise import Switches
from ..exercises.mistakes import BOOK
from .attempt import Attempt
from .edits import Edit, edits, own_pages, statement_of
from .judge import UNLIKE
from .match import Variants

MOST = 1000  # edits of a function that are tried, the simplest first
SENTENCE = (
    "Nothing in the book matches. "
    "Your answers are those of `{}`, where the model solution has `{}`."
)


def alike(attempt: Attempt) -> str:
    """What there is to say of the simplest edit that gives all the answers; empty without one."""
    name, outcomes = attempt.exercise.name, attempt.observed
    right = Variants(attempt.exercise, attempt.cases)
    if any(x is UNLIKE for x in outcomes) or not right.wrong(outcomes):
        return ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what no student wrote
        found = {edit.switch: edit for edit in sorted(set(edits(name)), reverse=True)[-MOST:]}
        exercise = replace(attempt.exercise, variant=compiled(name, [*found.values()]))
        candidates = [frozenset([switch]) for switch in found]
        agreeing = Variants(exercise, attempt.cases).explaining(outcomes, candidates, DOUBLE)
    if not agreeing:
        return ""
    edit = min(found[switch] for (switch,) in agreeing)
    return SENTENCE.format(edit.line, BOOK.pages[edit.function].source[edit.number].strip())


def compiled(name: str, found: Sequence[Edit]) -> Callable[..., Any]:
    """The function with a switch for each edit."""
    numbered = dict(enumerate(sorted(found, key=lambda edit: (edit.function, edit.number))))
    space = {**BOOK.space, "NUMBERS": {edit.switch: k for k, edit in numbered.items()}}
    for function in own_pages(name):
        exec(switchable(function, numbered), space)

    def variant(on: Switches, *args: Any) -> Any:
        try:
            return space[name](on, *args)
        except ArithmeticError:
            raise
        except Exception as error:  # whatever an edit that makes no sense may lead to
            raise ValueError(str(error)) from error

    return variant


def switchable(function: str, numbered: Mapping[int, Edit]) -> str:
    """The text of the function, in which `edit` is the number of what is switched on."""
    head, *lines = BOOK.pages[function].source
    text = [head.replace("(", "(on, ", 1), "    edit = NUMBERS.get(''.join(on), -1)"]
    for number, line in enumerate(lines, 1):
        here = {k: e.line for k, e in numbered.items() if e[2:4] == (function, number)}
        margin = line[: len(line) - len(line.lstrip())]
        if line.endswith(":"):
            text.append(BOOK.passing_on(headed(line, here)))
            continue
        text += [f"{margin}if edit == {k}: {BOOK.passing_on(other)}" for k, other in here.items()]
        kept = f"if not {min(here)} <= edit <= {max(here)}: " if here else ""
        text.append(f"{margin}{kept}{BOOK.passing_on(line.strip())}")
    return "\n".join(text)


def headed(line: str, others: Mapping[int, str]) -> str:
    """A line `for x in y:` or `if y:` with other y behind their switches."""
    field = "iter" if line.strip().startswith("for ") else "test"
    own = ast.unparse(getattr(statement_of(line), field))
    choice = "".join(
        f"{ast.unparse(getattr(statement_of(other), field))} if edit == {k} else "
        for k, other in others.items()
    )
    start = line[: line.index(" in ") + 4] if field == "iter" else line[: line.index("if ") + 3]
    return f"{start}{choice}{own}:"
