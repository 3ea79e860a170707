"""Grading one file: every function of the assignment, from the battery to the marks."""

from __future__ import annotations

import hashlib
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from .. import __version__
from . import search
from .assignment import Assignment
from .attempt import RAISED, STOPPED, UNLIKE, Attempt, attempt, call, observe, verdict
from .compare import CLEAR, close
from .diagnosis import Diagnosis, diagnose
from .excuse import (
    HOLLOW,
    answers,
    follows_own_forward,
    in_circles,
    mostly_right,
    only_untested,
    suspects,
    with_another_cache,
    without,
)
from .exercise import Case, Exercise
from .exercises import EXERCISES, forward_of, observed, outcome, reference
from .explain import example
from .judge import RANDOM, VALUE, Fault
from .loading import loadable
from .marks import Marked, load_messages, report_of, strata_right, ungraded, why_ungraded
from .match import agree
from .report import Report
from .sandbox import Limits, Opaque, Outcome, Sandbox
from .submission import Submission, stubs_in

BUDGET = 12  # times the seconds of one function, for all processes of a file
SLOW = 0.1  # of the seconds of one function; a file that takes longer to load is loaded less often
SEVERAL = 2  # times the seconds of one function: for its battery, the search and the example
LEAST = 0.1  # of the seconds of one function
SEARCH_EXAMPLES = 25
SHRINK_EXAMPLES, SHRINK_CALLS = 200, 200
REDUCE_CALLS = 60

Diagnose = Callable[[Attempt], Diagnosis]  # each attempt but once


def grade(submission: Submission, assignment: Assignment, salt: str = "") -> Report:
    """Grade a file; the same file, assignment and salt give the same report, times aside."""
    start = time.perf_counter()
    limits = Limits(
        load_seconds=assignment.seconds,
        call_seconds=assignment.seconds,
        total_seconds=SEVERAL * assignment.seconds,
        memory=assignment.memory << 20,
    )
    handed_in, found = submission, loadable(submission, limits)
    submission, loaded = found.submission, found.loaded
    messages = (*found.messages, *load_messages(loaded))
    budget = Budget(BUDGET * assignment.seconds, slow=loaded.seconds > SLOW * assignment.seconds)
    diagnosed = cache(diagnose)
    tasks = assignment.tasks
    unfilled = stubs_in(submission)
    here = [
        name
        for name in tasks
        if name in loaded.defined - unfilled and forward_of(name) in loaded.defined
    ]
    marked: dict[str, Marked] = {}
    for name, sandbox in started(submission, limits, here, budget, shared=budget.slow):
        sandbox.limits = hurried(limits, marked.values())
        exercise = EXERCISES[name]
        rng = np.random.default_rng(seed(submission, salt, name))
        tried, beyond = attempt(sandbox, exercise, exercise.battery.draw(rng)), None
        if tried.right and not tried.manners:
            beyond = searched(sandbox, exercise, seed(submission, salt, name))
        marked[name] = Marked(tried, beyond=beyond)
    attempts = {name: one.attempt for name, one in marked.items()}
    wrong = {
        name: tried for name, tried in attempts.items() if not tried.right and not tried.missing
    }
    limits = hurried(limits, marked.values())
    marked |= excused(submission, limits, wrong, budget, diagnosed)
    open_questions = [name for name in marked if unsettled(marked[name])]
    for name, sandbox in started(submission, limits, open_questions, budget, shared=budget.slow):
        marked[name] = explained(sandbox, marked[name], submission, salt, diagnosed)
        if repeats(marked, name):
            marked[name] = replace(marked[name], excused_by=frozenset([forward_of(name)]))
    for name in open_questions:
        if marked[name].diagnosis is None:  # no time was left to look for an example
            marked[name] = replace(marked[name], diagnosis=diagnosed(marked[name].attempt))
    marked |= {name: advised(marked, name) for name in open_questions}
    functions = tuple(
        report_of(name, task, marked[name], assignment)
        if name in marked
        else ungraded(name, task, why_ungraded(name, loaded, messages, handed_in))
        for name, task in tasks.items()
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
    """Not to be foreseen without the salt, and the same every time."""
    digest = hashlib.sha256()
    for part in (salt.encode("utf-8", "surrogateescape"), submission.data, name.encode()):
        digest.update(len(part).to_bytes(8, "big") + part)
    return int.from_bytes(digest.digest()[:8], "big")


@dataclass
class Budget:
    """The seconds that are left for the processes of a file, and whether it is `slow` to load."""

    seconds: float
    slow: bool = False


def started(
    submission: Submission,
    limits: Limits,
    names: Sequence[str],
    budget: Budget,
    shared: bool = False,
) -> Iterator[tuple[str, Sandbox]]:
    """A loaded sandbox for each function, or one for all if it is to be `shared`.

    Ends early when the time is over, as for a file in which nothing ends.
    """
    sandbox: Sandbox | None = None
    try:
        for name in names:
            if sandbox is None or not shared:
                sandbox = Sandbox(submission.chunks, limits)
                sandbox.load(list(EXERCISES))
            before = sandbox.seconds
            yield name, sandbox
            if not shared:
                sandbox.close()
            budget.seconds -= sandbox.seconds - before
            if budget.seconds <= 0:
                return
            sandbox.start_over()
    finally:
        if sandbox is not None:
            sandbox.close()


def hurried(limits: Limits, marked: Iterable[Marked]) -> Limits:
    """Half the time for what comes after each function that has used up its own.

    A function that is right takes a small part of its time, and a file that never ends anywhere
    should not keep the grader for minutes.
    """
    share = max(0.5 ** sum(map(late, marked)), LEAST)
    return replace(
        limits,
        call_seconds=share * limits.call_seconds,
        total_seconds=share * limits.total_seconds,
    )


def late(marked: Marked) -> bool:
    """Whether a function was stopped, on its battery or in the search."""
    searched = marked.beyond is not None and marked.beyond[1].kind == STOPPED
    return searched or any(outcome.kind == "timeout" for outcome in marked.attempt.outcomes)


def searched(sandbox: Sandbox, exercise: Exercise, seed: int) -> tuple[Case, Fault] | None:
    """An input beyond the battery on which the function is wrong, if one is found."""
    found: list[tuple[Case, Fault]] = []

    def is_wrong(case: Case) -> bool:
        (got,) = sandbox.call([call(exercise, case)])
        right = reference(exercise.name, case)
        fault = verdict(exercise, case, right, got).fault
        if fault is None:
            return False
        # inputs that nobody has chosen may cost more digits than those of the battery
        theirs = observe(exercise, case, got)
        if fault.kind == VALUE and close(theirs, observed(exercise, case, right), CLEAR):
            return False
        found.append((case, fault))
        if fault.kind == STOPPED:  # not to be waited for again
            raise search.Enough
        return True

    case = search.smallest(exercise, is_wrong, seed, SEARCH_EXAMPLES, SHRINK_CALLS)
    if case is not None and found[-1][1].kind != STOPPED:
        case = search.reduced(exercise, case, is_wrong, REDUCE_CALLS)
    stopped = [one for one in found if one[1].kind == STOPPED]
    return next(iter([*stopped, *(one for one in found if one[0] is case)]), None)


def excused(
    submission: Submission,
    limits: Limits,
    wrong: Mapping[str, Attempt],
    budget: Budget,
    diagnosed: Diagnose,
) -> dict[str, Marked]:
    """The wrong attempts again, less what is another function's fault."""
    again = {name: Marked(tried) for name, tried in wrong.items()}
    given: dict[str, frozenset[str]] = {}
    questions = [name for name in wrong if suspects(name, wrong)]
    for name, sandbox in started(submission, limits, questions, budget):
        tried, blame = wrong[name], frozenset[str]()
        parts = suspects(name, wrong)
        better, asked = without(sandbox, tried, parts)
        # a caller may make up for what its part does wrong, and be worse off with a right one
        if asked & set(wrong) and better.rights >= tried.rights:
            tried, blame = better, asked & set(wrong)
            untested = not tried.right and only_untested(tried)
            excuse = blame if tried.right or untested else frozenset()
            again[name] = Marked(tried, parts, excuse, untested=untested)
        if again[name].excused_by:
            pass
        elif could_not_be_tried(submission, limits, wrong, name):
            blame |= {forward_of(name)}
            again[name] = Marked(wrong[name], (), blame, untested=True)
        elif passes_on(submission, limits, wrong, name, diagnosed):
            blame |= {forward_of(name)}
            again[name] = Marked(wrong[name], (), blame)
        given[name] = blame
    for name in in_circles(given):
        again[name] = Marked(wrong[name])
    return again


def could_not_be_tried(
    submission: Submission, limits: Limits, wrong: Mapping[str, Attempt], name: str
) -> bool:
    """Whether a backward has done nothing wrong where its forward did not raise."""
    tried = wrong[name]
    if name == forward_of(name) or forward_of(name) not in wrong:
        return False
    return only_untested(tried) or with_another_cache(submission.chunks, limits, tried)


def passes_on(
    submission: Submission,
    limits: Limits,
    wrong: Mapping[str, Attempt],
    name: str,
    diagnosed: Diagnose,
) -> bool:
    """Whether a backward only passes on the mistake of its forward."""
    forward = wrong.get(forward_of(name))
    if forward is None or forward is wrong[name]:
        return False
    known = excuses(diagnosed(forward))
    if not (known or half_right(forward) or mostly_right(wrong[name])):
        return False
    with Sandbox(submission.chunks, limits) as fresh:
        fresh.load(list(EXERCISES))
        return follows_own_forward(fresh, wrong[name], forward, known)


def half_right(forward: Attempt) -> bool:
    strata = forward.exercise.battery.strata
    right = sum(strata[stratum] for stratum, ok in strata_right(forward).items() if ok)
    return 2 * right >= sum(strata.values())


def excuses(found: Diagnosis | None) -> bool:
    """Whether a forward's mistake is one that its backward may pass on: known, and only one.

    Of anything else the right gradient may be far too easy.
    """
    if found is None or found.switches is None or len(found.switches) > 1:
        return False
    return not any(mistake.id in HOLLOW for mistake in found.mistakes)


def advised(marked: Mapping[str, Marked], name: str) -> Marked:
    """A wrong backward whose forward is wrong too may only have been given a wrong cache."""
    own, forward = marked[name], marked.get(forward_of(name))
    if forward is None or forward is own or forward.attempt.right or own.diagnosis is None:
        return own
    found = own.diagnosis
    if found.switches is not None and len(found.switches) > 1:
        # of two mistakes one may well be the forward's
        message = f"This was given a wrong cache by your {forward_of(name)}. Mend that first."
        return replace(own, diagnosis=Diagnosis(None, message))
    if f"Mend {forward_of(name)}" in found.message:
        return own
    message = f"{found.message} Mend {forward_of(name)} first: this was given its cache."
    return replace(own, diagnosis=replace(found, message=message))


def repeats(marked: Mapping[str, Marked], name: str) -> bool:
    """Whether a backward makes the very mistake of its forward, which is charged there."""
    if name == forward_of(name) or forward_of(name) not in marked:
        return False
    forward, own = marked[forward_of(name)].diagnosis, marked[name].diagnosis
    return own is not None and excuses(forward) and forward is not None and own.id == forward.id


def unsettled(marked: Marked) -> bool:
    tried = marked.attempt
    if tried.missing or marked.excused_by:
        return False
    return not tried.right or tried.manners is not None or marked.beyond is not None


def explained(
    sandbox: Sandbox, marked: Marked, submission: Submission, salt: str, diagnosed: Diagnose
) -> Marked:
    """Name the mistake and find the smallest input that shows it."""
    tried, parts = marked.attempt, marked.parts
    name = tried.exercise.name
    if marked.beyond is not None:
        case, fault = marked.beyond
        found = Diagnosis(
            None, f"Right on the whole battery, but wrong elsewhere. {fault.sentence}"
        )
        return replace(
            marked, diagnosis=found, example=shown(sandbox, tried, case, submission, parts)
        )
    found = diagnose(tried, with_laws=False) if parts else diagnosed(tried)
    showing = smallest(sandbox, tried, found, parts, seed(submission, salt, name))
    text = shown(sandbox, tried, showing, submission, parts) if showing is not None else ""
    ended = any(fault is not None and fault.kind == STOPPED for fault in tried.faults)
    behaviour = None if found.id or ended else fingerprint(sandbox, tried.exercise)
    return replace(marked, diagnosis=found, example=text, behaviour=behaviour)


def smallest(
    sandbox: Sandbox, tried: Attempt, found: Diagnosis, parts: tuple[str, ...], seed: int
) -> Case | None:
    """The smallest case that is clearly wrong, and wrong by the named mistake if there is one."""
    exercise = tried.exercise
    kinds = {fault.kind for fault in tried.faults if fault is not None}
    if kinds & {STOPPED, RANDOM} or (
        tried.manners and (tried.right or found.id == tried.manners.kind)
    ):
        return None
    kinds = kinds & {found.id} or kinds  # a fault that has a name is shown, not another one
    answer, _ = answers(parts)

    def answered(case: Case) -> tuple[Outcome, Any, Fault | None]:
        (got,) = sandbox.call([call(exercise, case, parts)], answer)
        if got.kind not in ("value", RAISED):
            raise search.Enough
        right = reference(exercise.name, case)
        return got, right, verdict(exercise, case, right, got).fault

    def is_wrong(case: Case) -> bool:
        fault = answered(case)[-1]
        return fault is not None and fault.kind in kinds

    def shows(case: Case) -> bool:
        got, right, fault = answered(case)
        if fault is None or fault.kind not in kinds:
            return False
        theirs = observe(exercise, case, got)
        if found.switches is not None and (
            theirs is UNLIKE or not agree(theirs, outcome(exercise, found.switches, case), CLEAR)
        ):
            return False
        if fault.kind != VALUE:
            return True
        return not close(theirs, observed(exercise, case, right), CLEAR)

    case = search.smallest(exercise, shows, seed, SHRINK_EXAMPLES, SHRINK_CALLS)
    if case is not None:
        return search.reduced(exercise, case, shows, REDUCE_CALLS)
    failing = [c for c, fault in zip(tried.cases, tried.faults, strict=True) if fault is not None]
    case = min(failing, key=search.size, default=None)
    return case and search.reduced(exercise, case, is_wrong, REDUCE_CALLS)


def shown(
    sandbox: Sandbox, tried: Attempt, case: Case, submission: Submission, parts: tuple[str, ...]
) -> str:
    exercise = tried.exercise
    answer, asked = answers(parts)
    (got,) = sandbox.call([call(exercise, case, parts)], answer)
    right = reference(exercise.name, case)
    fault = verdict(exercise, case, right, got).fault
    result = (
        got.value if got.kind == "value" else Opaque(f"nothing: it {fault.text}" if fault else "")
    )
    index = fault.index if fault is not None else None
    given = tuple(name for name in EXERCISES if name in asked)
    return example(submission.module, exercise.name, case, right, result, index, got.paired, given)


def fingerprint(sandbox: Sandbox, exercise: Exercise) -> str:
    """Equal for functions that answer alike on one battery that is the same for all files."""
    cases = exercise.battery.draw(np.random.default_rng(0))
    outcomes = sandbox.call([call(exercise, case) for case in cases])
    text = repr([rounded(o.value) if o.kind == "value" else o.kind for o in outcomes])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def rounded(tree: Any) -> Any:
    if isinstance(tree, list | tuple):
        return [rounded(x) for x in tree]
    if isinstance(tree, np.ndarray | float | int):
        return [f"{x + 0.0:.4e}" for x in np.ravel(np.asarray(tree))]
    return str(tree)
