"""Grading one file: every function of the assignment, from the battery to the marks."""

from __future__ import annotations

import hashlib
import platform
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache

import numpy as np

from ... import __version__
from ..exercises.answers import EXERCISES, forward_of
from ..judging.attempt import Attempt, attempt
from ..judging.diagnosis import Diagnosis, Judgement, diagnose
from ..judging.excuse import Diagnose, excuses, repeats_its_forward, with_advice
from ..judging.explain import explanation
from ..judging.judge import STOPPED
from ..judging.search import counterexample
from ..process.budget import Budget, sandbox_for_each
from ..process.sandbox import Limits
from .assignment import Assignment
from .loading import loadable
from .marks import load_messages, report_of, ungraded, why_ungraded
from .report import Report
from .submission import Submission, stubs_in

BUDGET = 12  # times the seconds of one function, for all processes of a file
MANY = 8  # mistakes of a file that are not in the book, after which no pairs are looked for
SLOW = 0.1  # of the seconds of one function; a file that takes longer to load is loaded less often
SEVERAL = 2  # times the seconds of one function: for its battery, the search and the example
LEAST = 0.1  # of the seconds of one function


def grade(submission: Submission, assignment: Assignment, salt: str = "") -> Report:
    """Grade a file; the same file, assignment and salt give the same report, times aside."""
    start = time.perf_counter()
    limits = Limits(
        load_seconds=assignment.seconds,
        call_seconds=assignment.seconds,
        total_seconds=SEVERAL * assignment.seconds,
        memory=assignment.memory << 20,
    )
    found = loadable(submission, limits)
    loaded = found.loaded
    messages = (*found.messages, *load_messages(loaded))
    budget = Budget(BUDGET * assignment.seconds, slow=loaded.seconds > SLOW * assignment.seconds)
    filled = loaded.defined - stubs_in(found.submission)
    here = [
        name for name in assignment.tasks if name in filled and forward_of(name) in loaded.defined
    ]
    seeds = {name: seed(submission, salt, name) for name in here}
    judged = judgements(found.submission, seeds, limits, budget)
    functions = tuple(
        report_of(name, task, judged[name], assignment)
        if name in judged
        else ungraded(name, task, why_ungraded(name, loaded, messages, submission))
        for name, task in assignment.tasks.items()
    )
    return Report(
        file=submission.name,
        title=assignment.title,
        functions=functions,
        messages=(*messages, *submission.notes),
        output=found.output,
        limits=("wall clock", *sorted(loaded.held)),
        versions=(
            ("npppo", __version__),
            ("numpy", np.__version__),
            ("python", platform.python_version()),
        ),
        seconds=round(time.perf_counter() - start, 2),
    )


def seed(submission: Submission, salt: str, name: str) -> int:
    """A seed that nobody can foresee without the salt, the same every time."""
    digest = hashlib.sha256()
    for part in (salt.encode("utf-8", "surrogateescape"), submission.data, name.encode()):
        digest.update(len(part).to_bytes(8, "big") + part)
    return int.from_bytes(digest.digest()[:8], "big")


def judgements(
    submission: Submission, seeds: Mapping[str, int], limits: Limits, budget: Budget
) -> dict[str, Judgement]:
    """What is to be said of these functions; of none for which no time was left."""
    chunks, shared = submission.chunks, budget.slow
    diagnosed = diagnosing()
    judged: dict[str, Judgement] = {}
    for name, sandbox in sandbox_for_each(list(seeds), chunks, limits, budget, shared):
        sandbox.limits = shortened(limits, judged.values())
        exercise = EXERCISES[name]
        cases = exercise.battery.draw(np.random.default_rng(seeds[name]))
        tried, beyond = attempt(sandbox, exercise, cases), None
        if tried.right and not tried.manners:
            beyond = counterexample(sandbox, exercise, seeds[name])
        judged[name] = Judgement(tried, beyond=beyond)
    limits = shortened(limits, judged.values())
    attempts = {name: one.attempt for name, one in judged.items()}
    wrong = {name: one for name, one in attempts.items() if not (one.right or one.missing)}
    judged |= excuses(chunks, limits, wrong, budget, diagnosed)
    unexplained = [name for name in judged if needs_explanation(judged[name])]
    for name, sandbox in sandbox_for_each(unexplained, chunks, limits, budget, shared):
        judged[name] = explanation(sandbox, judged[name], submission.module, seeds[name], diagnosed)
        if repeats_its_forward(judged, name):
            judged[name] = replace(judged[name], excused_by=frozenset([forward_of(name)]))
    for name in unexplained:
        if judged[name].diagnosis is None:  # no time was left to look for an example
            judged[name] = replace(judged[name], diagnosis=diagnosed(judged[name].attempt))
    return judged | {name: with_advice(judged, name) for name in unexplained}


def diagnosing() -> Diagnose:
    """Diagnoses each attempt of a file once.

    Whoever makes many mistakes that are not in the book is not likely to make two known ones at a
    time, and it takes long to see that nobody does.
    """
    foreign = 0

    @cache
    def diagnosed(tried: Attempt, with_laws: bool = True) -> Diagnosis:
        nonlocal foreign
        found = diagnose(tried, with_laws=with_laws, with_pairs=foreign < MANY)
        foreign += found.switches is None
        return found

    return diagnosed


def shortened(limits: Limits, judged: Iterable[Judgement]) -> Limits:
    """Half the time for what comes after each function that has used up its own.

    A function that is right takes a small part of its time, and a file that never ends anywhere
    should not keep the grader for minutes.
    """
    share = max(0.5 ** sum(map(ran_late, judged)), LEAST)
    return replace(
        limits,
        call_seconds=share * limits.call_seconds,
        total_seconds=share * limits.total_seconds,
    )


def ran_late(judged: Judgement) -> bool:
    """Whether a function was stopped, on its battery or in the search."""
    in_search = judged.beyond is not None and judged.beyond[1].kind == STOPPED
    return in_search or any(outcome.kind == "timeout" for outcome in judged.attempt.outcomes)


def needs_explanation(judged: Judgement) -> bool:
    tried = judged.attempt
    if tried.missing or judged.excused_by:
        return False
    return not tried.right or tried.manners is not None or judged.beyond is not None
