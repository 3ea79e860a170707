"""One function on a battery: what it answered, and what is wrong with that."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ... import contract
from ..exercises.answers import (
    BROKE,
    CRASHED,
    forward_of,
    has_backward,
    no_result,
    observed,
    reference,
)
from ..exercises.compare import (
    CLEAR,
    DOUBLE,
    MIXED,
    SINGLE,
    close,
    differing,
    single_precision,
    vector,
)
from ..exercises.exercise import Array, Case, Exercise
from ..exercises.trees import leaves, mapped
from ..process.sandbox import Call, Error, Opaque, Outcome, Sandbox
from .judge import (
    CHANGED,
    COUNT,
    FEW_DIGITS,
    MISSING,
    NONE,
    NONFINITE,
    RANDOM,
    SHARED,
    SINGLE_PRECISION,
    VALUE,
    Fault,
    Verdict,
    at,
    form,
    from_lists,
    judge,
    number,
    single_inputs,
    where,
)

RAISED = "raised"
STOPPED = "stopped"  # out of time, dead, or not run because of that
FORWARD = "forward"  # a backward function whose own forward raised
EXCESS = 100  # times as many numbers as were expected
LAYOUT = "FORM-08"  # depends on how an argument lies in memory

Answer = Callable[[str, tuple[Any, ...]], Any]


@dataclass(frozen=True, eq=False)
class Attempt:
    """`verdicts` are those of the battery's cases; `manners` is a fault that no value shows."""

    exercise: Exercise
    cases: tuple[Case, ...]
    expected: tuple[Any, ...]
    outcomes: tuple[Outcome, ...]
    verdicts: tuple[Verdict, ...]
    manners: Fault | None = None

    @cached_property
    def faults(self) -> list[Fault | None]:
        return [verdict.fault for verdict in self.verdicts]

    @property
    def wrong(self) -> list[tuple[Case, Fault]]:
        """The cases that are not right, and what is wrong with each."""
        pairs = zip(self.cases, self.faults, strict=True)
        return [(case, fault) for case, fault in pairs if fault is not None]

    @property
    def right(self) -> bool:
        return not any(self.faults)

    @property
    def rights(self) -> int:
        """How many cases are right."""
        return self.faults.count(None)

    @property
    def missing(self) -> bool:
        """Whether it was left as the starter file has it."""
        return all(outcome.not_implemented for outcome in self.outcomes)

    @property
    def observed(self) -> list[Any]:
        """The outcomes as the book's variants give them."""
        return [
            observe(self.exercise, case, outcome)
            for case, outcome in zip(self.cases, self.outcomes, strict=True)
        ]


def strata_right(tried: Attempt) -> dict[str, bool]:
    """Which strata are right in all their cases, unless all that is right is right by accident.

    It may be where no right result had to be computed, and where all of them are one number.
    """
    right = dict.fromkeys((case.stratum for case in tried.cases), True)
    right |= {case.stratum: False for case, _ in tried.wrong}
    computed = [
        vector(expected)
        for case, expected in zip(tried.cases, tried.expected, strict=True)
        if right[case.stratum] and not trivial(case, expected)
    ]
    numbers = np.concatenate(computed) if computed else np.zeros(0)
    telling = bool(differing(numbers, np.resize(numbers[:1], numbers.shape), CLEAR).size)
    return right if telling else dict.fromkeys(right, False)


def trivial(case: Case, expected: Any) -> bool:
    """Whether a function that computes nothing could have answered: 0, 1, nan, or an argument."""
    given = [x for x in [*case.args, case.dout] if isinstance(x, np.ndarray)]
    with np.errstate(all="ignore"):  # of infinities, and of what sums to one
        means = [sign * np.mean(x) for x in given for sign in (1, -1)]
    return all(
        any(close(x, y, CLEAR) for y in [*given, *means])
        or any(close(x, np.full(np.shape(x), c), CLEAR) for c in (0.0, 1.0, np.nan))
        for x in leaves(expected)
    )


# Exceptions that stand for an overflow or a division by zero.
NUMERICAL = ("OverflowError", "ZeroDivisionError", "FloatingPointError")
UNLIKE = object()  # what no variant does


def observe(exercise: Exercise, case: Case, outcome: Outcome) -> Any:
    if outcome.kind == RAISED:
        forward = outcome.stage == FORWARD and exercise.name.endswith("_backward")
        if forward or outcome.error is None:
            return UNLIKE
        return BROKE if outcome.error.type in NUMERICAL else CRASHED
    if outcome.kind != "value" or not outcome.paired or strange(outcome.value):
        return UNLIKE
    return observed(exercise, case, outcome.value)


def strange(tree: Any) -> bool:
    return any(np.asarray(x).dtype.kind not in "biuf" for x in leaves(tree))


def attempt(
    sandbox: Sandbox,
    exercise: Exercise,
    cases: Sequence[Case],
    parts: tuple[str, ...] = (),
    answer: Answer | None = None,
) -> Attempt:
    """Call the function on every case, twice, and on some of them in other memory layouts."""
    others = one_of_each_stratum(cases)
    calls = [call(exercise, case, parts, twice=True) for case in cases]
    again = [
        call(exercise, laid_out(cases[k], LAYOUTS[i % len(LAYOUTS)]), parts)
        for i, k in enumerate(others)
    ]
    outcomes = sandbox.call(calls + again, answer)
    tried = attempted(exercise, cases, outcomes[: len(cases)])
    manners = overwritten(exercise, tried.outcomes)
    for k, outcome in zip(others, outcomes[len(cases) :], strict=True):
        if manners is None and tried.faults[k] is None and not outcome.unanswered:
            fault = verdict(exercise, cases[k], tried.expected[k], outcome).fault
            if fault is not None and fault.kind not in (FORWARD, STOPPED):
                text = f"{fault.text}, when an argument is read-only or not contiguous"
                manners = replace(fault, kind=LAYOUT, text=text)
    return replace(tried, manners=manners)


def attempted(exercise: Exercise, cases: Sequence[Case], outcomes: Sequence[Outcome]) -> Attempt:
    """What was answered on these cases."""
    expected = [reference(exercise.name, case) for case in cases]
    verdicts = [
        sharing(verdict(exercise, case, right, outcome), outcome)
        for case, right, outcome in zip(cases, expected, outcomes, strict=True)
    ]
    settled = [
        without_excess(e, in_arrays(e, outcome))
        for e, outcome in zip(expected, outcomes, strict=True)
    ]
    return Attempt(exercise, tuple(cases), tuple(expected), tuple(settled), tuple(verdicts))


def sharing(found: Verdict, outcome: Outcome) -> Verdict:
    return replace(found, notes=found.notes | {SHARED}) if outcome.shares else found


def in_arrays(expected: Any, outcome: Outcome) -> Outcome:
    """With the array that nested lists of numbers spell, where an array is expected."""
    if not isinstance(expected, np.ndarray) or not isinstance(outcome.value, list):
        return outcome
    array = from_lists(outcome.value)
    return outcome if array is None else replace(outcome, value=array)


def without_excess(expected: Any, outcome: Outcome) -> Outcome:
    """The outcome; of a value many times larger than expected only the form is kept and judged."""
    if quantity(outcome.value) <= EXCESS * (1 + quantity(expected)):
        return outcome
    return replace(outcome, value=Opaque(form(outcome.value)))


def quantity(tree: Any) -> int:
    """How many numbers a result has, or other things."""
    return sum(np.size(x) if isinstance(x, np.ndarray) else 1 for x in leaves(tree))


def call(exercise: Exercise, case: Case, parts: tuple[str, ...] = (), twice: bool = False) -> Call:
    return Call(exercise.name, case.args, case.dout, has_backward(exercise.name), parts, twice)


def laid_out(case: Case, change: Callable[[Array], Array]) -> Case:
    """The same numbers in another memory layout."""

    def relaid(x: Any) -> Any:
        return change(x) if isinstance(x, np.ndarray) else x

    return Case(case.stratum, mapped(relaid, case.args), mapped(relaid, case.dout))


def read_only(x: Array) -> Array:
    x = x.copy()
    x.flags.writeable = False
    return x


def strided(x: Array) -> Array:
    """Every other entry of an array twice as long."""
    return np.repeat(x, 2, axis=-1)[..., ::2] if x.ndim else x


LAYOUTS = (read_only, np.asfortranarray, strided)


def one_of_each_stratum(cases: Sequence[Case]) -> list[int]:
    first = {case.stratum: k for k, case in reversed(list(enumerate(cases)))}
    return sorted(first.values())


def verdict(exercise: Exercise, case: Case, expected: Any, outcome: Outcome) -> Verdict:
    fault = broken(exercise, outcome)
    if fault is not None:
        return Verdict(fault)
    plain = judge(exercise.name, case, expected, outcome.value)
    bad_form = plain.fault is not None and plain.fault.kind not in (VALUE, NONFINITE)
    if exercise.battery.observe is None or bad_form:
        return plain
    right = observed(exercise, case, expected)
    if right is expected:  # nothing but itself is looked at
        return plain
    got = observe(exercise, case, in_arrays(expected, outcome))
    coarser = SINGLE if single_precision(outcome.value) or single_inputs(case) else MIXED
    for tolerance, note in ((DOUBLE, []), (SINGLE, [SINGLE_PRECISION]), (MIXED, [FEW_DIGITS])):
        wanted = tolerance in (DOUBLE, coarser)
        if wanted and not (got is UNLIKE or no_result(got)) and close(got, right, tolerance):
            return Verdict(None, frozenset(note))
    return Verdict(plain.fault or by_little(expected, outcome.value))


def by_little(expected: Any, got: Any) -> Fault:
    """A fault of a result that is nearly right."""
    text = "is not what was asked for"
    if not isinstance(expected, np.ndarray) or np.shape(got) != expected.shape:
        return Fault(VALUE, text)
    wrong = np.flatnonzero(np.asarray(got) != expected)
    if not wrong.size:
        return Fault(VALUE, text)
    index = where(wrong, expected)
    by = number(np.asarray(got)[index] - expected[index])
    return Fault(VALUE, f"is wrong by {by}{at(index)}", index)


def broken(exercise: Exercise, outcome: Outcome) -> Fault | None:
    """Why there is no value to look at."""
    if outcome.kind == RAISED:
        assert outcome.error is not None
        line = f" (line {outcome.error.line})" if outcome.error.line else ""
        if outcome.stage == FORWARD and exercise.name.endswith("_backward"):
            forward, kind = forward_of(exercise.name), outcome.error.type
            return Fault(
                FORWARD,
                f"was not tried: your {forward} raised {article(kind)} {kind}{line}. "
                f"Mend {forward} first",
            )
        return Fault(RAISED, f"raised {plainly(outcome.error)}{line}")
    if outcome.kind != "value":
        return Fault(STOPPED, STOPS.get(outcome.kind, "") + str(outcome.error or "").strip())
    if not outcome.paired and outcome.value is None:
        return Fault(NONE, MISSING)
    if not outcome.paired:
        return Fault(COUNT, f"returned {form(outcome.value)}, expected (out, cache)")
    if outcome.steadiness == "different":
        return Fault(RANDOM, "gave two different answers to the same call")
    return None


# What NumPy says of a matrix product whose shapes do not fit.
GUFUNC = re.compile(r"matmul: .*gufunc signature.*\(size (\d+) is different from (\d+)\)")


def plainly(error: Error) -> str:
    """The exception in words for those who do not know what a gufunc is."""
    said = r"the left matrix of @ has rows of \2 numbers, the right one columns of \1"
    return str(replace(error, message=GUFUNC.sub(said, error.message)))


def article(word: str) -> str:
    return "an" if word[:1] in "AEIOU" else "a"


STOPS = {"not run": "was not run, after an earlier call went wrong"}


def overwritten(exercise: Exercise, outcomes: Sequence[Outcome]) -> Fault | None:
    """Manners that no value shows: changed arguments, and results that the next call changes."""
    names = list(inspect.signature(getattr(contract, forward_of(exercise.name))).parameters)
    for outcome in outcomes:
        if outcome.changed:
            changed = [x if isinstance(x, str) else names[x] for x in outcome.changed]
            return Fault(CHANGED, f"overwrites its argument {' and '.join(changed)}")
        if outcome.steadiness == "overwritten":
            return Fault(RANDOM, "overwrites the result of one call in the next")
    return None
