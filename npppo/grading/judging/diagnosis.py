"""From a wrong attempt to the one line that the student reads."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from ..exercises.compare import vector
from ..exercises.exercise import Case, Mistake, Switches
from . import judge
from .attempt import Attempt
from .judge import Fault
from .laws import broken_law
from .match import Variants
from .observe import observation

# What there is to add to what is said of some faults.
ADVICE = {
    judge.CHANGED: (
        " `y = x` is a second name, not a copy: start from x.copy(), and where x may hold whole "
        "numbers from x.astype(float)."
    ),
    judge.RANDOM: " Does it keep something between calls, or draw random numbers of its own?",
}
ALTERNATIVES = 3  # pairs of mistakes with the same answers; of more, none says anything


@dataclass(frozen=True)
class Diagnosis:
    """`id` is None where the mistake has no name; `switches` make a variant err the same way."""

    id: str | None
    message: str
    mistakes: tuple[Mistake, ...] = ()
    switches: Switches | None = None

    @property
    def convention(self) -> bool:
        return bool(self.mistakes) and all(m.convention for m in self.mistakes)


@dataclass(frozen=True)
class Judgement:
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


def diagnose(
    attempt: Attempt,
    variants: Variants | None = None,
    with_laws: bool = True,
    with_pairs: bool = True,
) -> Diagnosis:
    """The mistake's name, or else what can be said for certain.

    `variants` are those of the same exercise and cases, where many attempts are diagnosed. Without
    `with_laws`, nothing is said of laws: they need not hold where parts were given right results.
    Without `with_pairs`, only single mistakes have a name.
    """
    kinds = Counter(fault.kind for _, fault in attempt.wrong)
    if not kinds:
        return of_form(attempt.manners) if attempt.manners else Diagnosis(None, "")
    if judge.RANDOM in kinds:
        return of_form(first(attempt, judge.RANDOM))
    manners = attempt.manners
    changed = manners if manners is not None and manners.kind == judge.CHANGED else None
    whole = with_whole_numbers(attempt)
    alone = all(k in whole for k in telling_faults(attempt))
    if changed is not None and alone:
        return of_form(changed)
    found = from_the_book(attempt, variants, with_pairs)
    if found is None and not alone and any(attempt.faults[k] for k in whole):
        # what is cut to whole numbers is a mistake of its own, whatever else is wrong
        is_whole = [k in whole for k in range(len(attempt.cases))]
        found = from_the_book(attempt.on([not x for x in is_whole]), None, with_pairs)
        if found is not None:
            second = first(attempt.on(is_whole))
            said = f"{found.message} And: where arguments are whole numbers: {second.sentence}"
            found = replace(found, message=said)
    if found is not None:
        return found
    if changed is not None:
        return of_form(changed)
    for kind in (judge.NONE, judge.COUNT, judge.TYPE, judge.INTEGER, judge.SHAPE):
        if kind in kinds:
            return of_form(first(attempt, kind))
    for kind in (judge.STOPPED, judge.FORWARD, judge.RAISED):
        if kind in kinds and (kind == judge.STOPPED or kinds[kind] == sum(kinds.values())):
            return Diagnosis(None, first(attempt, kind).sentence + place_of_the_stop(attempt))
    where = only_in(attempt)
    if where is not None:
        return Diagnosis(None, f"It is right but for one kind of input: {where}.")
    results = [outcome.value if outcome.kind == "value" else None for outcome in attempt.outcomes]
    seen = observation(attempt.exercise.name, attempt.cases, attempt.expected, results)
    if seen is not None:
        return Diagnosis(seen.id, seen.sentence)
    law = broken_law(attempt.exercise.name, attempt.cases, results) if with_laws else None
    hint = f"{law} " if law is not None else ""
    other = next((kind for kind in kinds if kind != judge.FORWARD), None)
    message = f"No known mistake matches. {hint}{first(attempt, other).sentence}"
    return Diagnosis(None, message)


def with_whole_numbers(attempt: Attempt) -> set[int]:
    """The cases with whole numbers where others have floating ones: what is written into an array
    like such an argument is cut.
    """

    def kinds(case: Case) -> list[str]:
        return [getattr(x, "dtype", np.dtype("O")).kind for x in case.args]

    floating = {i for case in attempt.cases for i, kind in enumerate(kinds(case)) if kind == "f"}
    return {
        k
        for k, case in enumerate(attempt.cases)
        if any(i in floating and kind in "iu" for i, kind in enumerate(kinds(case)))
    }


def telling_faults(attempt: Attempt) -> list[int]:
    """The wrong cases but those at the edges, where everybody errs who takes no care."""
    edges = attempt.exercise.battery.edges
    pairs = enumerate(zip(attempt.cases, attempt.faults, strict=True))
    return [k for k, (case, fault) in pairs if fault is not None and case.stratum not in edges]


def place_of_the_stop(attempt: Attempt) -> str:
    """Where the time ran out, and what was right before."""
    for k, outcome in enumerate(attempt.outcomes):
        if outcome.kind == "timeout":
            args = attempt.cases[k].args
            shapes = [x if isinstance(x, tuple) else np.shape(x) for x in args]
            shape = " × ".join(map(str, max(shapes, key=len, default=())))
            place = f" It was stopped at {shape} numbers." if shape else ""
            before = attempt.faults[:k]
            right = " What ran before that was right." if before and not any(before) else ""
            return f"{place}{right} On a busy computer, try again."
    return ""


def only_in(attempt: Attempt) -> str | None:
    """The only stratum that is not right, if it is the only one of several."""
    strata = {case.stratum for case in attempt.cases}
    wrong = {case.stratum for case, _ in attempt.wrong}
    wrong = wrong - attempt.exercise.battery.edges or wrong
    return wrong.pop() if len(wrong) == 1 < len(strata) else None


def from_the_book(
    attempt: Attempt, variants: Variants | None, with_pairs: bool
) -> Diagnosis | None:
    """A single mistake, mistakes that no input tells apart, or a pair of mistakes."""
    outcomes = attempt.observed
    if any(outcome is judge.UNLIKE for outcome in outcomes):
        return None
    exercise = attempt.exercise
    variants = variants or Variants(exercise, attempt.cases)
    single = variants.singles(outcomes)
    if single:
        ids = dict.fromkeys(m.id for m in single)
        message = " Or: ".join(dict.fromkeys(m.sentence for m in single))
        return Diagnosis("/".join(ids), message, tuple(single), frozenset([single[0].switch]))
    hollow = constant(attempt)
    if hollow is not None:
        return Diagnosis("ANY-06", f"The result is always {hollow:.6g}, whatever the arguments.")
    double = variants.pairs(outcomes) if with_pairs else []
    if not 1 <= len(double) <= ALTERNATIVES:
        return None
    alternatives = [[m for m in exercise.mistakes if m.switch in on] for on in double]
    pairs = list(dict.fromkeys("+".join(m.id for m in both) for both in alternatives))
    others = pairs[1:]
    message = "Two mistakes: " + " And: ".join(m.sentence for m in alternatives[0])
    message += f" (Or, with the same answers: {' or '.join(others)}.)" if others else ""
    return Diagnosis("/".join(pairs), message, tuple(alternatives[0]), double[0])


def constant(attempt: Attempt) -> float | None:
    """The number that all results consist of, if there is only one."""
    values = [vector(o.value) for o in attempt.outcomes if o.kind == "value"]
    numbers = np.unique(np.concatenate([np.zeros(0), *values]))  # nan is one number to it
    return float(numbers[0]) if len(numbers) == 1 else None


def first(attempt: Attempt, kind: str | None = None) -> Fault:
    return next(fault for _, fault in attempt.wrong if kind in (None, fault.kind))


def of_form(fault: Fault) -> Diagnosis:
    named = fault.kind.startswith("FORM-")
    return Diagnosis(fault.kind if named else None, fault.sentence + ADVICE.get(fault.kind, ""))
