"""A mistake is charged once: which wrong answers only pass on another function's mistake?

A function that calls other functions of the same file is tried again with the right answers in
place of those that are wrong. A backward function is compared with the derivative of the
student's own forward.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...check import central_difference
from ..exercises.answers import (
    DIFFERENTIABLE,
    EXERCISES,
    forward_of,
    has_backward,
    letters_of,
    reference,
)
from ..exercises.compare import CLEAR, SINGLE, Tolerance, close, finite, vector
from ..exercises.exercise import Array, Case, Exercise
from ..exercises.trees import mapped, several
from ..process.budget import Budget, Chunks, loaded, sandbox_for_each
from ..process.sandbox import Limits, Sandbox
from .attempt import Answer, Attempt, attempt, call, strata_right
from .diagnosis import Diagnosis, Judgement
from .judge import FORWARD, NONFINITE, RAISED
from .match import agree

Diagnose = Callable[..., Diagnosis]  # of an attempt, and whether laws hold for it; each but once

# The central difference errs by less than 1e-9 with the first step; the others are for functions
# that change much within the first. A backward may leave out what is negligible.
STEPS = 1e-5, 1e-8, 1e-11
SLOPES = Tolerance(1e-3, 1e-3, 1e-6)
DIRECTIONS = 4
# Mistakes that leave nothing of a function whose derivative could be an exercise.
HOLLOW = {"SUR-18", "SMX-20", "MLP-23", "TAN-03", "LOS-08", "LOS-09"}
# The axis that a loop over rows may leave out, by the letters of the first argument.
LONE = {"NA": 0, "ND": 0, "TE": 1}
# The share of the points in which a function has to be right if it could not be tried in others
MOST, HALF, FEW = 0.75, 0.5, 0.25
ZERO = 1e-9  # as good as
STRIDE = 0.5  # long enough for a curve to leave its tangent


def excuses(
    chunks: Chunks,
    limits: Limits,
    wrong: Mapping[str, Attempt],
    budget: Budget,
    diagnosed: Diagnose,
) -> dict[str, Judgement]:
    """The wrong attempts again, without what is another function's fault."""
    judged = {name: Judgement(tried) for name, tried in wrong.items()}
    blamed: dict[str, frozenset[str]] = {}
    questions = [name for name in wrong if suspects(name, wrong)]
    for name, sandbox in sandbox_for_each(questions, chunks, limits, budget):
        tried, blame, parts = wrong[name], frozenset[str](), suspects(name, wrong)
        answer, asked = answers(parts)
        better = attempt(sandbox, tried.exercise, tried.cases, parts, answer)
        # a caller may make up for what its part does wrong, and be worse off with a right one
        if asked & set(wrong) and len(better.wrong) <= len(tried.wrong):
            blame = frozenset(asked & set(wrong))
            untested = not better.right and only_untested(better)
            by = blame if better.right or untested else frozenset()
            judged[name] = Judgement(better, parts, by, untested=untested)
        forward = wrong.get(forward_of(name)) if name != forward_of(name) else None
        if forward is not None and not judged[name].excused_by:
            tried = wrong[name]
            untested = only_untested(tried) or right_with_another_cache(chunks, limits, tried)
            if untested or passes_on(chunks, limits, tried, forward, diagnosed):
                blame |= {forward_of(name)}
                judged[name] = Judgement(tried, (), blame, untested=untested)
        blamed[name] = blame
    for name in in_circles(blamed):
        judged[name] = Judgement(wrong[name])
    return judged


def passes_on(
    chunks: Chunks, limits: Limits, tried: Attempt, forward: Attempt, diagnosed: Diagnose
) -> bool:
    """Whether a backward only passes on the mistake of its forward."""
    known = may_be_passed_on(diagnosed(forward))
    if not (
        known or share(forward, strata_right(forward).__getitem__) >= HALF or mostly_right(tried)
    ):
        return False
    with loaded(chunks, limits) as fresh:
        return follows_own_forward(fresh, tried, forward, known)


def may_be_passed_on(found: Diagnosis | None) -> bool:
    """Whether a forward's mistake may be its backward's: if it is known, and only one.

    The gradient of any other forward may be far too easy.
    """
    if found is None or found.switches is None or len(found.switches) > 1:
        return False
    return not any(mistake.id in HOLLOW for mistake in found.mistakes)


def with_advice(judged: Mapping[str, Judgement], name: str) -> Judgement:
    """A wrong backward whose forward is wrong too may only have been given a wrong cache."""
    own, forward = judged[name], judged.get(forward_of(name))
    if forward is None or forward is own or forward.attempt.right or own.diagnosis is None:
        return own
    found = own.diagnosis
    if found.switches is not None and len(found.switches) > 1:
        # of two mistakes one may well be the forward's
        message = f"This was given a wrong cache by your {forward_of(name)}. Mend that first."
        return replace(own, diagnosis=Diagnosis(None, message, switches=found.switches))
    if f"Mend {forward_of(name)}" in found.message:
        return own
    message = f"{found.message} Mend {forward_of(name)} first: this was given its cache."
    return replace(own, diagnosis=replace(found, message=message))


def repeats_its_forward(judged: Mapping[str, Judgement], name: str) -> bool:
    """Whether a backward makes the same mistake as its forward, where it is charged."""
    if name == forward_of(name) or forward_of(name) not in judged:
        return False
    forward, own = judged[forward_of(name)].diagnosis, judged[name].diagnosis
    if own is None or forward is None:
        return False
    return may_be_passed_on(forward) and own.id == forward.id


def suspects(name: str, wrong: Mapping[str, Attempt]) -> tuple[str, ...]:
    """The wrong functions that this one may have been built from."""
    own = forward_of(name)
    parts = {*EXERCISES[name].battery.parts, *EXERCISES[own].battery.parts}
    parts |= {own} | {f"{part}_backward" for part in parts if has_backward(part)}
    guilty = {part for part in parts & set(wrong) - {name} if not endless(wrong[part])}
    # the cache of a backward is known by the call of its forward that made it
    guilty |= {forward_of(part) for part in guilty}
    return tuple(part for part in EXERCISES if part in guilty)


def endless(tried: Attempt) -> bool:
    """Whether a function only calls itself, perhaps through the one that is built from it."""
    return all(o.error is not None and o.error.type == "RecursionError" for o in tried.outcomes)


def answers(parts: tuple[str, ...]) -> tuple[Answer, set[str]]:
    """What the sandbox may ask for, and the set in which it is noted."""
    asked: set[str] = set()

    def answer(name: str, args: tuple[Any, ...]) -> Any:
        if name not in parts:
            raise ValueError(f"{name} is not to be asked for")
        asked.add(name)
        if name.endswith("_backward"):
            return reference(name, Case("asked", args[1:], args[0]))
        axis = LONE.get(letters_of(name)[0])
        if axis is None or np.ndim(args[0]) != 1:
            return reference(name, Case("asked", args))
        return np.squeeze(reference(name, Case("asked", with_axis(name, args, axis))), axis)

    return answer, asked


def with_axis(name: str, args: tuple[Any, ...], axis: int) -> tuple[Any, ...]:
    """The arguments with an axis of length 1 where the exercise has one and they do not."""
    letters = letters_of(name)
    longer = tuple(
        np.expand_dims(x, axis) if letters[0][axis] in own else x
        for x, own in zip(args, letters, strict=False)
    )
    return longer + args[len(letters) :]


def only_untested(tried: Attempt) -> bool:
    """Whether it is wrong only where it could not be tried, and right in enough of the points.

    That is where a part got no right result, or where its own forward raised.
    """
    faulty = [pair for pair in zip(tried.faults, tried.outcomes, strict=True) if pair[0]]
    if not all(fault.kind == FORWARD or outcome.unanswered for fault, outcome in faulty if fault):
        return False
    wrong = {case.stratum for case, _ in tried.wrong}
    # a forward that raises costs there what its backward is spared
    raised = any(fault.kind == FORWARD for _, fault in tried.wrong)
    return share(tried, lambda stratum: stratum not in wrong) >= (FEW if raised else MOST)


def share(tried: Attempt, counts: Callable[[str], bool]) -> float:
    """The share of the points that is in strata which count."""
    strata = tried.exercise.battery.strata
    return sum(strata[s] for s in strata if counts(s)) / sum(strata.values())


# A forward that only hands on its arguments, and a backward that tries caches made of them.
STAND_IN = """
def {forward}(*args):
    return None, args
def {forward}_backward(dout, args, backward={forward}_backward):
    from itertools import permutations
    sizes = range(len(args), 0, -1)
    some = (p for n in sizes for p in permutations(args, n)) if len(args) < 6 else [args]
    for cache in [*some, *args]:
        try:
            return backward(dout, cache)
        except Exception:
            pass
    raise TypeError("no cache fits")
"""


def right_with_another_cache(chunks: Chunks, limits: Limits, tried: Attempt) -> bool:
    """Whether a backward whose forward raises is right if it gets the plain arguments."""
    name = tried.exercise.name
    if any(fault.kind != FORWARD for _, fault in tried.wrong):
        return False
    source = STAND_IN.format(forward=forward_of(name))
    with loaded([*chunks, ("stand-in", source)], limits) as sandbox:
        # one case first: most backwards are wrong in all, and some try many caches in each
        return all(
            attempt(sandbox, tried.exercise, cases).right
            for cases in (tried.cases[:1], tried.cases)
        )


def follows_own_forward(sandbox: Sandbox, tried: Attempt, before: Attempt, known: bool) -> bool:
    """Whether a backward is wrong only where its forward is, and right for that forward.

    That is so if it is right in half of the cases and wrong in just those in which its forward is,
    whose mistake is `known`. Otherwise it has to be proven in half of the cases: by a right answer,
    or by a gradient that is the forward's and not 0. The backward has never run in `sandbox`,
    because it could change what the forward does. There the forward must answer as it did `before`,
    among other questions.
    """
    forward = EXERCISES[forward_of(tried.exercise.name)]
    wrong = [k for k, fault in enumerate(tried.faults) if fault is not None]
    cases = [Case(case.stratum, case.args) for case in tried.cases]
    asked = [*cases, *before.cases]
    order = np.random.default_rng(len(asked)).permutation(len(asked))
    mixed = attempt(sandbox, forward, [asked[k] for k in order])
    faults, observed, outcomes = (
        [found[place] for place in np.argsort(order)]
        for found in (mixed.faults, mixed.observed, mixed.outcomes)
    )
    again = zip(observed[len(cases) :], before.observed, strict=True)
    if not all(now is then or agree(now, then, SINGLE) for now, then in again):
        return False
    theirs = {k: faults[k].kind for k in range(len(cases)) if faults[k] is not None}
    if not theirs.keys() >= set(wrong):
        return False
    values = [vector(outcome.value) for outcome in outcomes[: len(cases)]]
    if too_easy(sandbox, forward, [cases[k] for k in wrong], [values[k] for k in wrong]):
        return False
    proven = len(cases) - len(wrong)
    if known and len(theirs) == len(wrong) <= proven:
        return True
    for k in wrong:
        if theirs[k] in (RAISED, NONFINITE):
            continue
        case, value = cases[k], values[k]
        if not any(is_derivative(sandbox, forward, case, value, tried, k, h) for h in STEPS):
            return False
        proven += bool(np.any(vector(tried.outcomes[k].value)))
    return 2 * proven >= len(cases)


def mostly_right(tried: Attempt) -> bool:
    """Whether half of a gradient's numbers are right, not counting those that are 0 as they should.

    A gradient so close to the right one is not that of another, easier function.
    """
    right = count = 0
    for expected, outcome in zip(tried.expected, tried.outcomes, strict=True):
        e, g = vector(expected), vector(outcome.value)
        if e.shape != g.shape:
            return False
        there = (np.abs(e) > ZERO) | (np.abs(g) > ZERO)
        count += int(there.sum())
        right += int(np.isclose(e, g, 1e-4, ZERO)[there].sum())
    return 2 * right >= count > 0


def too_easy(
    sandbox: Sandbox, forward: Exercise, cases: Sequence[Case], values: Sequence[Any]
) -> bool:
    """Whether a forward is a straight line where the right one bends: f(x + v) + f(x - v) = 2 f(x).

    To differentiate that is no exercise. Nor is it one that no longer gives the `values` it gave,
    or nothing nearby.
    """
    bends = False
    for k, (case, value) in enumerate(zip(cases, values, strict=True)):
        v = directions(np.random.default_rng(k), case, DIFFERENTIABLE[forward.name])
        probes = [moved(case, v, step) for step in (STRIDE, 0.0, -STRIDE)]
        outcomes = sandbox.call([call(forward, probe) for probe in probes])
        if outcomes[1].kind != "value":
            continue
        if any(outcome.kind != "value" for outcome in outcomes):
            return True
        answered = [vector(outcome.value) for outcome in outcomes]
        if not still(answered[1], value):
            return True
        if not straight(answered):
            return False
        bends = bends or not straight([vector(reference(forward.name, probe)) for probe in probes])
    return bends


def still(now: Any, value: Any) -> bool:
    """Whether a forward gives what it gave before, as a small step leaves it."""
    return now.shape == value.shape and np.allclose(now, value, 1e-2, 1e-3, equal_nan=True)


def straight(values: Sequence[Any]) -> bool:
    """Whether the second of three results lies in the middle of the others."""
    above, here, below = values
    alike = above.shape == here.shape == below.shape
    return alike and close((above + below) / 2, here, CLEAR)


def is_derivative(
    sandbox: Sandbox, forward: Exercise, case: Case, value: Any, tried: Attempt, k: int, step: float
) -> bool:
    """<gradient, v> = d/dt <dout, f(x + t v)> for random directions v, if f(x) is still `value`."""
    gradients, dout = tried.outcomes[k].value, vector(tried.cases[k].dout)
    wrt = DIFFERENTIABLE[forward.name]
    if len(wrt) > 1 and not (several(gradients) and len(gradients) == len(wrt)):
        return False
    if dout.shape != value.shape:
        return False
    rng, slopes, numeric = np.random.default_rng(k), [], []
    for _ in range(DIRECTIONS):
        v = directions(rng, case, wrt)

        def along(t: Array, v: Mapping[int, Any] = v) -> Array:
            (outcome,) = sandbox.call([call(forward, moved(case, v, t[0]))])
            out = vector(outcome.value) if outcome.kind == "value" else np.zeros(0)
            return out if still(out, value) else np.full_like(dout, np.nan)

        if vector(gradients).shape != vector([*v.values()]).shape:
            return False
        slopes.append(vector(gradients) @ vector([*v.values()]))
        numeric += [*central_difference(along, np.zeros(1), dout, step)]
    return finite(numeric) and close(np.array(slopes), np.array(numeric), SLOPES)


def directions(rng: np.random.Generator, case: Case, wrt: Sequence[int]) -> dict[int, Any]:
    """Something random in the form of each of these arguments."""
    return {i: mapped(lambda x: rng.normal(size=np.shape(x)), case.args[i]) for i in wrt}


def moved(case: Case, v: Mapping[int, Any], step: float) -> Case:
    """The case with x + step v in place of these arguments."""
    args = list(case.args)
    for i in v:
        args[i] = mapped(lambda x, d: x + step * d, args[i], v[i])
    return Case("moved", tuple(args))


def in_circles(given: Mapping[str, frozenset[str]]) -> set[str]:
    """Functions that excuse each other in a circle: none of them is excused."""
    reaches = {name: set(by) for name, by in given.items()}
    for _ in given:
        for by in reaches.values():
            for other in list(by):
                by |= reaches.get(other, set())
    return {name for name, by in reaches.items() if name in by}
