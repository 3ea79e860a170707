"""One function on a battery: what it answered, and what is wrong with that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import compress
from typing import Any

import numpy as np

from ...contract import SPECIFICATIONS
from ..exercises.answers import forward_of, has_backward, reference
from ..exercises.compare import CLEAR, close, differing, vector
from ..exercises.exercise import Array, Case, Exercise
from ..exercises.trees import leaves, mapped
from ..process.sandbox import Call, Opaque, Outcome, Sandbox
from . import judge
from .judge import Fault, Verdict

EXCESS = 100  # times as many numbers as were expected

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
    def missing(self) -> bool:
        """Whether it was left as the starter file has it."""
        return all(outcome.not_implemented for outcome in self.outcomes)

    def on(self, chosen: Sequence[bool]) -> Attempt:
        """What was answered on the cases that are chosen."""

        def those(values: Sequence[Any]) -> tuple[Any, ...]:
            return tuple(compress(values, chosen))

        return Attempt(
            self.exercise,
            those(self.cases),
            those(self.expected),
            those(self.outcomes),
            those(self.verdicts),
            self.manners,
        )

    @property
    def observed(self) -> list[Any]:
        """The outcomes as the book's variants give them."""
        return [
            judge.comparable(self.exercise, case, outcome)
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
            fault = judge.verdict(exercise, cases[k], tried.expected[k], outcome).fault
            if fault is not None and fault.kind not in (judge.FORWARD, judge.STOPPED):
                text = f"{fault.text}, when an argument is read-only or not contiguous"
                manners = replace(fault, kind=judge.LAYOUT, text=text)
    return replace(tried, manners=manners)


def attempted(exercise: Exercise, cases: Sequence[Case], outcomes: Sequence[Outcome]) -> Attempt:
    """What was answered on these cases."""
    expected, verdicts, settled = [], [], []
    for case, outcome in zip(cases, outcomes, strict=True):
        right = reference(exercise.name, case)
        found = judge.verdict(exercise, case, right, outcome)
        expected.append(right)
        if outcome.shares:
            found = replace(found, notes=found.notes | {judge.SHARED})
        verdicts.append(found)
        settled.append(without_excess(right, judge.in_arrays(right, outcome)))
    return Attempt(exercise, tuple(cases), tuple(expected), tuple(settled), tuple(verdicts))


def without_excess(expected: Any, outcome: Outcome) -> Outcome:
    """The outcome; of a value many times larger than expected only the form is kept and judged."""
    if quantity(outcome.value) <= EXCESS * (1 + quantity(expected)):
        return outcome
    return replace(outcome, value=Opaque(judge.form(outcome.value)))


def quantity(tree: Any) -> int:
    """How many numbers a result has, or other things."""
    return sum(np.size(x) if isinstance(x, np.ndarray) else 1 for x in leaves(tree))


def tried_on(
    sandbox: Sandbox,
    exercise: Exercise,
    case: Case,
    parts: tuple[str, ...] = (),
    answer: Answer | None = None,
) -> tuple[Outcome, Any, Fault | None]:
    """What the function answers in one case, what is right, and what is wrong with the answer."""
    (got,) = sandbox.call([call(exercise, case, parts)], answer)
    right = reference(exercise.name, case)
    return got, right, judge.verdict(exercise, case, right, got).fault


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


def overwritten(exercise: Exercise, outcomes: Sequence[Outcome]) -> Fault | None:
    """Manners that no value shows: changed arguments, and results that the next call changes."""
    names = list(SPECIFICATIONS[forward_of(exercise.name)].arguments)
    for outcome in outcomes:
        if outcome.changed:
            changed = [x if isinstance(x, str) else names[x] for x in outcome.changed]
            return Fault(judge.CHANGED, f"overwrites its argument {' and '.join(changed)}")
        if outcome.steadiness == "overwritten":
            return Fault(judge.RANDOM, "overwrites the result of one call in the next")
    return None
