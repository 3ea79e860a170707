"""From an attempt to points and words: the report of one function."""

from __future__ import annotations

from dataclasses import replace

from ... import contract
from ..exercises.answers import forward_of
from ..judging.alike import alike
from ..judging.attempt import strata_right
from ..judging.diagnosis import Judgement
from ..judging.judge import FEW_DIGITS, FORWARD, RAISED, SHARED, SINGLE_PRECISION, STOPPED
from ..process.sandbox import Loaded
from .assignment import Assignment, Task
from .report import FunctionReport, Part
from .submission import Submission, defined_in, stubs_in

# Of a function's points: the battery's strata share the first, the others are for what has no
# stratum of its own.
BATTERY, MANNERS, SEARCH = 0.8, 0.1, 0.1
OF_THE_RIGHT = {SINGLE_PRECISION, FEW_DIGITS, SHARED}  # what is said of right functions alone
LEFT_ALONE = "arguments left alone"
NOT_FULLY_TESTED = "Not fully tested: it uses your {0}, which is wrong. Mend {0} and grade again."


def marks(task: Task, judged: Judgement) -> tuple[Part, ...]:
    tried, whole = judged.attempt, sum(task.strata.values())
    right = strata_right(tried)
    if judged.excused_by:
        right = dict.fromkeys(right, True)
    wrong = {case.stratum: fault.sentence for case, fault in reversed(tried.wrong)}
    parts = []

    def add(name: str, best: float, earned: float, message: str) -> None:
        parts.append(Part(name, earned * best, best, message))

    for stratum, weight in task.strata.items():
        message = "" if right[stratum] else wrong.get(stratum, "Right only by accident.")
        best = (BATTERY if judged.called else 1.0) * task.points * weight / whole
        add(stratum, best, right[stratum], message)
    if judged.called:
        earned = sum(task.strata[stratum] for stratum, ok in right.items() if ok) / whole
        message = tried.manners.sentence if tried.manners else ""
        add(LEFT_ALONE, MANNERS * task.points, 0.0 if message else earned, message)
        message = judged.beyond[1].sentence if judged.beyond else ""
        add("further inputs", SEARCH * task.points, all(right.values()) and not message, message)
    return tuple(parts)


def report_of(name: str, task: Task, judged: Judgement, assignment: Assignment) -> FunctionReport:
    tried, found = judged.attempt, judged.diagnosis
    if tried.missing:
        return ungraded(name, task)
    parts = marks(task, judged)
    lost = any(part.score < part.max_score for part in parts)
    score = task.points if not lost else sum(part.score for part in parts)
    message = "Right." if not lost else ""
    if judged.excused_by:
        theirs = " and ".join(sorted(judged.excused_by))
        message = NOT_FULLY_TESTED if judged.untested else "Right, given your {0}."
        message = message.format(theirs)
        found = None
    elif found is not None:
        message = found.message
        if found.convention:
            credits = (assignment.credit.get(m.id, assignment.conventions) for m in found.mistakes)
            credit = min(credits)
            rude = sum(p.max_score for p in parts if p.name == LEFT_ALONE and p.message)
            score = max(score, credit * (task.points - rude))
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
    unknown = found is not None and found.id is None and found.switches is None
    return FunctionReport(
        name=name,
        status=status,
        score=round(score, 2),
        max_score=round(task.points, 2),
        mistake=found.id if found else None,
        message=message,
        example=judged.example if lost and show in ("example", "full") else "",
        details=tuple(f"{p.name}: {p.message}" for p in parts if p.message and show == "full"),
        edit=alike(tried) if lost and unknown and show == "full" else "",  # it quotes the solution
        notes=tuple(f"{note[0].upper()}{note[1:]}." for note in notes),
        parts=tuple(
            replace(p, score=round(p.score, 4), max_score=round(p.max_score, 4))
            for p in parts
            if show != "name"
        ),
        see=derived_in(name),
        behaviour=judged.behaviour,
        visibility=task.visibility,
    )


def derived_in(name: str) -> str:
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
    if name in loaded.defined - stubs_in(submission):
        if forward_of(name) in loaded.defined:
            return "Not graded: the file takes too long to load."
        return f"It needs the cache of {forward_of(name)}, which is not there."
    if name not in loaded.defined and name in defined_in(submission):
        return f"The file stopped before it was defined. {' '.join(messages[:1])}"
    return ""
