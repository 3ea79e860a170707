"""A mistake is charged once: which wrong answers only pass on another function's mistake?

A function that calls other functions of the same file is tried again with the right answers in
place of those that are wrong. A backward function is compared with the derivative of the
student's own forward.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .attempt import FORWARD, RAISED, Answer, Attempt, attempt, call
from .compare import CLEAR, SINGLE, Tolerance, close, flat
from .exercise import Case, Exercise
from .exercises import DIFFERENTIABLE, EXERCISES, forward_of, has_backward, reference
from .judge import NONFINITE
from .match import agree
from .sandbox import Limits, Sandbox

Chunks = Sequence[tuple[str, str]]

# (f(x + h v) - f(x - h v)) / 2h errs by less than 1e-9 with the first h; the others are for
# functions that change much within the first. A backward may leave out what is negligible.
STEPS = 1e-5, 1e-8, 1e-11
SLOPES = Tolerance(1e-3, 1e-3, 1e-6)
DIRECTIONS = 4
# Mistakes that leave nothing of a function whose derivative could be an exercise.
HOLLOW = {"SUR-18", "SMX-20", "MLP-23", "TAN-03", "LOS-08", "LOS-09"}
# The axis that may be left out, by the letters of the first argument.
LONE = {"NA": 0, "ND": 0, "TE": 1}
# The share of the points in which a function has to be right if it could not be tried in others
MOST, FEW = 0.75, 0.25
ZERO = 1e-9  # as good as
STRIDE = 0.5  # long enough for a curve to leave its tangent


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
    """Whether a function only ever calls itself, perhaps through the one that is built from it."""
    errors = [outcome.error for outcome in tried.outcomes]
    return all(error is not None and error.type == "RecursionError" for error in errors)


def without(
    sandbox: Sandbox, tried: Attempt, parts: tuple[str, ...]
) -> tuple[Attempt, frozenset[str]]:
    """The same attempt with right answers from these parts, and which of them it asked."""
    answer, asked = answers(parts)
    return attempt(sandbox, tried.exercise, tried.cases, parts, answer), frozenset(asked)


def answers(parts: tuple[str, ...]) -> tuple[Answer, set[str]]:
    """What the sandbox may ask for, and the set in which it is noted."""
    asked: set[str] = set()

    def answer(name: str, args: tuple[Any, ...]) -> Any:
        if name not in parts:
            raise ValueError(f"{name} is not to be asked for")
        asked.add(name)
        if name.endswith("_backward"):
            return reference(name, Case("asked", args[1:], args[0]))
        axis = left_out(name, args)
        if axis is None:
            return reference(name, Case("asked", args))
        return np.squeeze(reference(name, Case("asked", with_axis(name, args, axis))), axis)

    return answer, asked


def left_out(name: str, args: tuple[Any, ...]) -> int | None:
    """The axis of samples or environments, if the first argument is without it.

    Those who go row by row may hand over a single row.
    """
    letters = EXERCISES[name].battery.inputs[0].letters
    if letters not in LONE or np.ndim(args[0]) != 1:
        return None
    return LONE[letters]


def with_axis(name: str, args: tuple[Any, ...], axis: int) -> tuple[Any, ...]:
    """The arguments with an axis of length 1 where the exercise has one and they do not."""
    letter = EXERCISES[name].battery.inputs[0].letters[axis]
    inputs = EXERCISES[name].battery.inputs
    return (
        tuple(
            np.expand_dims(x, axis) if letter in given.letters else x
            for x, given in zip(args, inputs, strict=False)
        )
        + args[len(inputs) :]
    )


def only_untested(tried: Attempt) -> bool:
    """Whether it is wrong only where it could not be tried, and right in enough of the points.

    That is where a part got no right result, or where its own forward raised.
    """
    forward_raised = [fault is not None and fault.kind == FORWARD for fault in tried.faults]
    for fault, outcome, raised in zip(tried.faults, tried.outcomes, forward_raised, strict=True):
        if fault is not None and not (raised or outcome.unanswered):
            return False
    strata = tried.exercise.battery.strata
    wrong = {c.stratum for c, fault in zip(tried.cases, tried.faults, strict=True) if fault}
    tested = 1 - sum(strata[s] for s in wrong) / sum(strata.values())
    # a forward that raises costs there what its backward is spared
    return tested >= (FEW if any(forward_raised) else MOST)


# A forward that only hands on its arguments, and a backward that tries caches made of them.
STAND_IN = """
def {forward}(*args):
    return None, args
def {forward}_backward(dout, args, backward={forward}_backward):
    from itertools import permutations
    sizes = range(len(args), 0, -1)
    for cache in [*(p for n in sizes for p in permutations(args, n)), *args]:
        try:
            return backward(dout, cache)
        except Exception:
            pass
    raise TypeError("no cache fits")
"""


def with_another_cache(chunks: Chunks, limits: Limits, tried: Attempt) -> bool:
    """Whether a backward whose forward raises is right if it gets the plain arguments."""
    name = tried.exercise.name
    if any(fault is not None and fault.kind != FORWARD for fault in tried.faults):
        return False
    source = STAND_IN.format(forward=forward_of(name))
    with Sandbox([*chunks, ("stand-in", source)], limits) as sandbox:
        sandbox.load(list(EXERCISES))
        return attempt(sandbox, tried.exercise, tried.cases).right


def follows_own_forward(sandbox: Sandbox, tried: Attempt, before: Attempt, known: bool) -> bool:
    """Whether a backward is wrong only where its forward is, and right for that forward.

    That is so if it is right in half of the cases and wrong in just those in which its forward is,
    whose mistake is `known`. Otherwise it has to be proven in half of the cases: by a right answer,
    or by a gradient that is the forward's and not 0. `sandbox` is one in which the backward has
    never run, lest it change what the forward does; there the forward must answer as it did
    `before`, among other questions.
    """
    forward = EXERCISES[forward_of(tried.exercise.name)]
    wrong = [k for k, fault in enumerate(tried.faults) if fault is not None]
    cases = [Case(case.stratum, case.args) for case in tried.cases]
    asked = [*cases, *before.cases]
    order = np.random.default_rng(len(asked)).permutation(len(asked))
    mixed = attempt(sandbox, forward, [asked[k] for k in order])
    faults, answers, outcomes = (
        [found[place] for place in np.argsort(order)]
        for found in (mixed.faults, mixed.observed, mixed.outcomes)
    )
    for now, then in zip(answers[len(cases) :], before.observed, strict=True):
        if now is not then and not agree(now, then, SINGLE):
            return False
    theirs = {k: faults[k].kind for k in range(len(cases)) if faults[k] is not None}
    if not theirs.keys() >= set(wrong):
        return False
    values = [flat(outcome.value) for outcome in outcomes[: len(cases)]]
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
        proven += bool(np.any(flat(tried.outcomes[k].value)))
    return 2 * proven >= len(cases)


def mostly_right(tried: Attempt) -> bool:
    """Whether half of a gradient's numbers are right, not counting those that are 0 as they should.

    So close to the right one it is no other, easier function's.
    """
    right = count = 0
    for expected, outcome in zip(tried.expected, tried.outcomes, strict=True):
        e, g = flat(expected), flat(outcome.value)
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
        rng = np.random.default_rng(k)
        v = {i: like(rng, case.args[i]) for i in DIFFERENTIABLE[forward.name]}
        probes = []
        for step in (STRIDE, 0.0, -STRIDE):
            args = tuple(moved(x, v[i], step) if i in v else x for i, x in enumerate(case.args))
            probes.append(Case("moved", args))
        outcomes = sandbox.call([call(forward, probe) for probe in probes])
        if outcomes[1].kind != "value":
            continue
        if any(outcome.kind != "value" for outcome in outcomes):
            return True
        above, here, below = (flat(outcome.value) for outcome in outcomes)
        if not still(here, value):
            return True
        if not straight((above, here, below)):
            return False
        bends = bends or not straight([flat(reference(forward.name, probe)) for probe in probes])
    return bends


def still(now: Any, value: Any) -> bool:
    """Whether a forward gives what it gave before, as a small step leaves it."""
    return now.shape == value.shape and np.allclose(now, value, 1e-2, 1e-3, equal_nan=True)


def straight(values: Sequence[Any]) -> bool:
    """Whether the second of three results lies in the middle of the others."""
    above, here, below = values
    if not above.shape == here.shape == below.shape:
        return False
    return close((above + below) / 2, here, CLEAR)


def is_derivative(
    sandbox: Sandbox, forward: Exercise, case: Case, value: Any, tried: Attempt, k: int, step: float
) -> bool:
    """<gradient, v> = d/dt <dout, f(x + t v)> for random directions v, if f(x) is still `value`."""
    gradients = tried.outcomes[k].value
    wrt = DIFFERENTIABLE[forward.name]
    if len(wrt) == 1:
        gradients = [gradients]
    if not isinstance(gradients, list | tuple) or len(gradients) != len(wrt):
        return False
    rng = np.random.default_rng(k)
    calls, slopes = [], []
    for _ in range(DIRECTIONS):
        v = {i: like(rng, case.args[i]) for i in wrt}
        for h in (step, -step):
            args = tuple(moved(x, v[i], h) if i in v else x for i, x in enumerate(case.args))
            calls.append(call(forward, Case("moved", args)))
        pairs = [(flat(gradient), flat(v[i])) for gradient, i in zip(gradients, wrt, strict=True)]
        if any(g.shape != d.shape for g, d in pairs):
            return False
        slopes.append(sum(float(g @ d) for g, d in pairs))
    outcomes = sandbox.call(calls)
    if any(outcome.kind != "value" for outcome in outcomes):
        return False
    dout = flat(tried.cases[k].dout)
    losses = [flat(outcome.value) for outcome in outcomes]
    if not all(loss.shape == dout.shape and still(loss, value) for loss in losses):
        return False
    numeric = [
        float(dout @ (above - below)) / (2 * step)
        for above, below in zip(losses[::2], losses[1::2], strict=True)
    ]
    return close(np.array(slopes), np.array(numeric), SLOPES)


def like(rng: np.random.Generator, tree: Any) -> Any:
    if isinstance(tree, list | tuple):
        return [like(rng, x) for x in tree]
    return rng.normal(size=np.shape(tree))


def moved(tree: Any, v: Any, step: float) -> Any:
    if isinstance(tree, list | tuple):
        return type(tree)(moved(x, d, step) for x, d in zip(tree, v, strict=True))
    return tree + step * v


def in_circles(given: Mapping[str, frozenset[str]]) -> set[str]:
    """Functions that are excused by each other, which excuses none of them."""
    reaches = {name: set(by) for name, by in given.items()}
    for _ in given:
        for by in reaches.values():
            for other in list(by):
                by |= reaches.get(other, set())
    return {name for name, by in reaches.items() if name in by}
