"""From an attempt to points and words: the report of one function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .. import contract
from .assignment import Assignment, Task
from .attempt import FORWARD, RAISED, STOPPED, Attempt
from .compare import CLEAR, close, differing, flat
from .diagnosis import Diagnosis
from .exercise import Case
from .exercises import forward_of
from .judge import FEW_DIGITS, SHARED, SINGLE_PRECISION, Fault
from .report import FunctionReport, Part
from .sandbox import Loaded
from .submission import Submission, defined_in, stubs_in

# Of a function's points: the battery's strata share the first, the others are for what has no
# stratum of its own.
BATTERY, MANNERS, SEARCH = 0.8, 0.1, 0.1
OF_THE_RIGHT = {SINGLE_PRECISION, FEW_DIGITS, SHARED}  # what is said of right functions alone
LEFT_ALONE = "arguments left alone"
NOT_FULLY_TESTED = "Not fully tested: it uses your {0}, which is wrong. Mend {0} and grade again."


@dataclass(frozen=True)
class Marked:
    """A function's attempt after all questions are asked."""

    attempt: Attempt
    parts: tuple[str, ...] = ()  # the wrong functions in whose place it was given right ones
    excused_by: frozenset[str] = frozenset()  # whose mistakes it only passes on
    untested: bool = False  # where these could not be given right results
    beyond: tuple[Case, Fault] | None = None  # wrong on an input that the search found
    diagnosis: Diagnosis | None = None
    example: str = ""
    behaviour: str | None = None
    called: bool = True  # False where only answers were handed in


def strata_right(tried: Attempt) -> dict[str, bool]:
    """Which strata are right in all their cases, unless all that is right is right by accident.

    It may be where no right result had to be computed, and where all of them are one number.
    """
    right: dict[str, bool] = {}
    for case, fault in zip(tried.cases, tried.faults, strict=True):
        right[case.stratum] = right.get(case.stratum, True) and fault is None
    computed = [
        flat(expected)
        for case, expected in zip(tried.cases, tried.expected, strict=True)
        if right[case.stratum] and not trivial(case, expected)
    ]
    numbers = np.concatenate(computed) if computed else np.zeros(0)
    telling = bool(differing(numbers, np.resize(numbers[:1], numbers.shape), CLEAR).size)
    return right if telling else dict.fromkeys(right, False)


def trivial(case: Case, expected: Any) -> bool:
    """Whether a function that computes nothing could have answered: 0, 1, nan, or an argument."""
    if isinstance(expected, list | tuple):
        return all(trivial(case, x) for x in expected)
    expected = np.asarray(expected)
    given = [x for x in [*case.args, case.dout] if isinstance(x, np.ndarray)]
    with np.errstate(all="ignore"):  # of infinities, and of what sums to one
        means = [sign * np.mean(x) for x in given for sign in (1, -1)]
    if any(close(expected, x, CLEAR) for x in [*given, *means]):
        return True
    return any(close(expected, np.full(expected.shape, c), CLEAR) for c in (0.0, 1.0, np.nan))


def marks(task: Task, marked: Marked) -> tuple[Part, ...]:
    tried = marked.attempt
    right = strata_right(tried)
    if marked.excused_by:
        right = dict.fromkeys(right, True)
    whole = sum(task.strata.values())
    shares = (BATTERY, MANNERS, SEARCH) if marked.called else (1.0, 0.0, 0.0)
    parts = []
    for stratum, weight in task.strata.items():
        best = shares[0] * task.points * weight / whole
        fault = next(
            (
                f
                for c, f in zip(tried.cases, tried.faults, strict=True)
                if f and c.stratum == stratum
            ),
            None,
        )
        ok = right[stratum]
        message = "" if ok else fault.sentence if fault else "Right only by accident."
        parts.append(Part(stratum, best if ok else 0.0, best, message))
    if not marked.called:
        return tuple(parts)
    share = sum(task.strata[stratum] for stratum, ok in right.items() if ok) / whole
    message = tried.manners.sentence if tried.manners is not None else ""
    best = shares[1] * task.points
    parts.append(Part(LEFT_ALONE, 0.0 if message else share * best, best, message))
    best = shares[2] * task.points
    ok = all(right.values()) and marked.beyond is None
    message = marked.beyond[1].sentence if marked.beyond else ""
    parts.append(Part("further inputs", best if ok else 0.0, best, message))
    return tuple(parts)


def rude(parts: Sequence[Part]) -> float:
    """What overwritten arguments cost."""
    return sum(part.max_score for part in parts if part.name == LEFT_ALONE and part.message)


def report_of(name: str, task: Task, marked: Marked, assignment: Assignment) -> FunctionReport:
    tried, found = marked.attempt, marked.diagnosis
    if tried.missing:
        return ungraded(name, task)
    parts = marks(task, marked)
    lost = any(part.score < part.max_score for part in parts)
    score = task.points if not lost else sum(part.score for part in parts)
    message = "Right." if not lost else ""
    if marked.excused_by:
        theirs = " and ".join(sorted(marked.excused_by))
        message = NOT_FULLY_TESTED if marked.untested else "Right, given your {0}."
        message = message.format(theirs)
        found = None
    elif found is not None:
        message = found.message
        if found.convention:
            credit = min(
                assignment.credit.get(m.id, assignment.conventions) for m in found.mistakes
            )
            score = max(score, credit * (task.points - rude(parts)))
            message = f"This course uses another convention: {message}"
    kinds = {fault.kind if fault else None for fault in tried.faults}
    if score >= task.points:
        status = "passed"
    elif score > 0:
        status = "partial"
    else:
        status = "error" if kinds <= {RAISED, STOPPED, FORWARD} else "failed"
    notes = sorted({note for v in tried.verdicts for note in v.notes})
    if any(tried.faults) or tried.manners is not None:
        notes = [note for note in notes if note not in OF_THE_RIGHT]
    show = task.message
    return FunctionReport(
        name=name,
        status=status,
        score=round(score, 2),
        max_score=round(task.points, 2),
        mistake=found.id if found else None,
        message=message,
        example=marked.example if lost and show in ("example", "full") else "",
        details=tuple(f"{p.name}: {p.message}" for p in parts if p.message)
        if show == "full"
        else (),
        notes=tuple(f"{note[0].upper()}{note[1:]}." for note in notes),
        parts=tuple(
            replace(p, score=round(p.score, 4), max_score=round(p.max_score, 4)) for p in parts
        )
        if show != "name"
        else (),
        see=where(name),
        behaviour=marked.behaviour,
        visibility=task.visibility,
    )


def where(name: str) -> str:
    """Where npppo derives it."""
    module = getattr(contract, forward_of(name)).__module__.replace(".", "/")
    return f"{module}.py, {forward_of(name)}"


def load_messages(loaded: Loaded) -> tuple[str, ...]:
    """What went wrong while the file was loaded."""
    messages = [f"Loading the file failed: it {loaded.failure}."] if loaded.failure else []
    for error in loaded.errors:
        where = f"{error.file}, line {error.line}: " if error.line else ""
        messages.append(f"{where}{error}")
    messages += [f"Not allowed while grading: {what}." for what in loaded.refused]
    return tuple(messages)


def ungraded(name: str, task: Task, why: str = "") -> FunctionReport:
    """Not attempted, or an error that says why there was nothing to grade."""
    return FunctionReport(
        name,
        "error" if why else "not attempted",
        0.0,
        round(task.points, 2),
        message=why or "Not attempted.",
        visibility=task.visibility,
    )


def why_ungraded(
    name: str, loaded: Loaded, messages: tuple[str, ...], submission: Submission
) -> str:
    """Empty where the function was not attempted."""
    if name in loaded.defined - stubs_in(submission) and forward_of(name) in loaded.defined:
        return "Not graded: the file takes too long to load."
    if name in loaded.defined - stubs_in(submission):
        return f"It needs the cache of {forward_of(name)}, which is not there."
    if name not in loaded.defined and name in defined_in(submission):
        return f"The file stopped before it was defined. {' '.join(messages[:1])}"
    return ""
