"""Inputs beyond the battery: Hypothesis draws them, and shrinks those that show a mistake.

An array is drawn as its lengths and a list of whole numbers that fill it from the front. The two
shrink independently: a shorter list leaves the rest at its default, a shorter array ignores the
rest of the list.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from math import prod
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, find, settings
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir
from hypothesis.errors import HypothesisException, NoSuchExample

from ...contract import SPECIFICATIONS
from ..exercises.answers import forward_of, letters_of, made, observed, reference
from ..exercises.compare import CLEAR, close, finite
from ..exercises.exercise import Array, Case, Exercise, Product, Rng
from ..exercises.trees import leaves, mapped
from ..process.sandbox import Sandbox
from .attempt import tried_on
from .judge import STOPPED, VALUE, Fault, comparable

# What is tried at first, for a mistake nobody knows of and for a smaller example of one.
SEARCH_EXAMPLES, SHRINK_EXAMPLES = 25, 200
SHRINK_CALLS, REDUCE_CALLS = 200, 60  # what is tried afterwards, to make an example smaller

whole = st.integers(-300, 300)


def real(k: int) -> float:
    """Whole numbers first, as they are the easiest to follow."""
    return float(k) if abs(k) <= 3 else k / 100


def positive(k: int) -> float:
    return abs(real(k)) or 1.0


# What a drawn number means, by argument or kind of argument, as the specifications write them;
# anything else is `real`. 0 is the default of an entry that none was drawn for.
ENTRIES: dict[str, Callable[[int], Any]] = {
    "log_prob:N": lambda k: -positive(k),
    "old_log_prob:N": lambda k: -positive(k),
    **dict.fromkeys(["u:N!", "u:NA!"], lambda k: (k % 100 + 0.5) / 100),
    "v:*": positive,
    "TE?": lambda k: bool(k % 2),
    "N<A": lambda k: k,
    "NA<2": lambda k: k % 2,
}
UNIT, POSITIVE = st.sampled_from([0.5, 0.0, 1.0, 0.9, 0.99]), whole.map(positive)
# What is no array. From the first that is not here on, arguments are left at their defaults.
OTHERS: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(["gamma", "lam", "alpha", "beta1", "beta2", "fraction"], UNIT),
    **dict.fromkeys(["lr", "eps", "gain", "max_norm", "vf_coef", "ent_coef"], POSITIVE),
    **dict.fromkeys(["start", "end"], whole.map(real)),
    **dict.fromkeys(["clip", "clip_low", "clip_high"], st.sampled_from([0.5, 0.2, 0.1, 0.3])),
    "bound": st.sampled_from([3.0, 2.0]),
    "step": st.integers(1, 5),
    "iterations": st.integers(1, 6),
    "activation": st.sampled_from(["tanh", "relu"]),
    "rng": st.integers(1000, 1099).map(Rng),
    "shape": st.tuples(st.integers(1, 5), st.integers(1, 5)),
}
SHORT = st.integers(1, 3)
LENGTHS = {letter: st.integers(1, 5) | st.just(40) for letter in "NT"}  # SHORT for the others


@st.composite
def cases(draw: st.DrawFn, exercise: Exercise) -> Case:
    """Any case of an exercise."""
    forward = forward_of(exercise.name)
    kinds, shapes = SPECIFICATIONS[forward].arguments, letters_of(forward)
    letters = sorted({letter for shape in shapes for letter in shape if letter.isalpha()})
    lengths = {letter: draw(LENGTHS.get(letter, SHORT)) for letter in letters}
    trailing = draw(st.sampled_from([(), (1,), (2,)])) if "N*" in shapes else ()
    args: list[Any] = []
    for (name, kind), axes in zip(kinds.items(), shapes, strict=True):
        if axes:
            shape = tuple(lengths[letter] for letter in axes if letter in lengths)
            entry = ENTRIES.get(f"{name}:{kind}") or ENTRIES.get(kind, real)
            order = "F" if axes.startswith("T") else "C"
            drawn = array(draw, shape + trailing * ("*" in axes), entry, order)
            args.append(drawn % lengths["A"] if kind == "N<A" else drawn)
        elif name in OTHERS:
            args.append(draw(OTHERS[name]))
        elif kind in ("layers", "arrays", "D→D"):
            args.append(compound(draw, kind, args, lengths))
        else:
            break
    case = Case("search", tuple(args))
    if exercise.name != forward:
        with np.errstate(all="ignore"):
            shape = np.shape(reference(forward, case))
        dout = array(draw, shape, positive)
        case = Case("search", case.args, dout if shape else float(dout))
    return case


def compound(draw: st.DrawFn, kind: str, args: Sequence[Any], lengths: dict[str, int]) -> Any:
    """An argument made of several arrays, or of one that is not shown, behind these others."""
    if kind == "D→D":
        root = array(draw, (lengths["D"], lengths["D"]), real)
        return Product(root.T @ root + np.eye(lengths["D"]))
    if kind == "layers" and len(args) > 1:  # the directions in which to move those before
        return [(array(draw, W.shape, real), array(draw, b.shape, real)) for W, b in args[1]]
    widths = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    if kind == "arrays":
        return [array(draw, (n,), real) for n in widths]
    pairs = pairwise([args[0].shape[1], *widths])
    return [(array(draw, pair, real), array(draw, pair[1:], real)) for pair in pairs]


def array(
    draw: st.DrawFn, shape: tuple[int, ...], entry: Callable[[int], Any], order: Any = "C"
) -> Array:
    """Filled so that dropping environments, or later samples, keeps what comes first."""
    size = prod(shape)
    drawn = draw(st.lists(whole, max_size=size))
    return np.array([*map(entry, drawn), *[entry(0)] * (size - len(drawn))]).reshape(
        shape, order=order
    )


def fair(exercise: Exercise, case: Case) -> bool:
    """Whether a student can be held to the answer: off the kinks, and finite."""
    try:
        if not exercise.battery.off_kinks(*made(case.args)):
            return False
        return finite(reference(exercise.name, case))
    except (ArithmeticError, ValueError):
        return False


class Enough(Exception):
    """The search has made all the calls it may."""


def counterexample(sandbox: Sandbox, exercise: Exercise, seed: int) -> tuple[Case, Fault] | None:
    """An input beyond the battery on which the function is wrong, if one is found."""
    found: list[tuple[Case, Fault]] = []

    def is_wrong(case: Case) -> bool:
        got, right, fault = tried_on(sandbox, exercise, case)
        if fault is None:
            return False
        # inputs that nobody has chosen may cost more digits than those of the battery
        theirs = comparable(exercise, case, got)
        if fault.kind == VALUE and close(theirs, observed(exercise, case, right), CLEAR):
            return False
        found.append((case, fault))
        if fault.kind == STOPPED:  # not to be waited for again
            raise Enough
        return True

    case = smallest(exercise, is_wrong, seed, SEARCH_EXAMPLES)
    if case is not None and found[-1][1].kind != STOPPED:
        case = reduced(exercise, case, is_wrong)
    stopped = [one for one in found if one[1].kind == STOPPED]
    return next(iter([*stopped, *(one for one in found if one[0] is case)]), None)


def smallest(
    exercise: Exercise, shows: Callable[[Case], bool], seed: int, examples: int
) -> Case | None:
    """The smallest case found that `shows` the mistake, or None.

    `examples` are tried at first; once one shows it, at most SHRINK_CALLS more go into shrinking.
    Every bound counts calls, not seconds, so that the same seed finds the same case.
    """
    found: list[Case] = []
    made_calls = 0

    def condition(case: Case) -> bool:
        nonlocal made_calls
        if not fair(exercise, case):
            return False
        made_calls += 1
        if found and made_calls > SHRINK_CALLS:
            raise Enough
        if not shows(case):
            return False
        if not found:
            made_calls = 0
        found.append(case)
        return True

    try:
        with np.errstate(all="ignore"), nothing_written():
            find(
                cases(exercise),
                condition,
                random=Random(seed),
                settings=settings(
                    max_examples=examples,
                    deadline=None,
                    database=None,
                    phases=[Phase.generate, Phase.shrink],
                    suppress_health_check=list(HealthCheck),
                ),
            )
    except (Enough, NoSuchExample, HypothesisException):
        pass
    return min(found, key=size, default=None)


def reduced(exercise: Exercise, case: Case, shows: Callable[[Case], bool]) -> Case:
    """The same case with fewer rows and shorter numbers, as long as it `shows` the mistake.

    For what Hypothesis did not get to shrink, and for cases of the battery: at most REDUCE_CALLS
    calls.
    """
    calls = REDUCE_CALLS

    def still_shows(smaller: Case) -> bool:
        nonlocal calls
        if calls == 0 or not fair(exercise, smaller):
            return False
        calls -= 1
        return shows(smaller)

    try:
        for letter in "NTE":
            case = with_fewer(exercise, case, letter, still_shows)
        for digits in (0, 1, 2):
            shorter = rounded(case, digits)
            if size(shorter) < size(case) and still_shows(shorter):
                return shorter
    except Enough:
        pass
    return case


def with_fewer(exercise: Exercise, case: Case, letter: str, shows: Callable[[Case], bool]) -> Case:
    """The case with as few of the rows that a letter counts as can be, dropped in ever smaller
    stretches."""
    arguments = enumerate(zip(letters_of(exercise.name), case.args, strict=False))
    axes = {  # of the arrays in whose shape the letter stands, by argument
        i: letters.index(letter)
        for i, (letters, x) in arguments
        if letter in letters and isinstance(x, np.ndarray) and x.ndim
    }
    lengths = {case.args[i].shape[axis] for i, axis in axes.items()}
    length = lengths.pop() if len(lengths) == 1 else 0
    stretch = length // 2
    while stretch:
        start = 0
        while start < length and stretch < length:
            smaller = dropped(case, axes, letter == "N" and length, slice(start, start + stretch))
            if shows(smaller):
                case, length = smaller, length - min(stretch, length - start)
            else:
                start += stretch
        stretch //= 2
    return case


def dropped(case: Case, axes: Mapping[int, int], rows_of_dout: int, rows: slice) -> Case:
    """The case without these rows; `dout` has them too if it is so long."""
    args = tuple(np.delete(x, rows, axes[i]) if i in axes else x for i, x in enumerate(case.args))
    too = np.ndim(case.dout) and len(case.dout) == rows_of_dout
    return Case(case.stratum, args, np.delete(case.dout, rows, 0) if too else case.dout)


LARGE = 1e15


def rounded(case: Case, digits: int) -> Case:
    def short(x: Any) -> Any:
        if getattr(getattr(x, "dtype", None), "kind", "") != "f":
            return x
        with np.errstate(over="ignore"):  # the largest numbers stay as they are
            return np.where(abs(x) < LARGE, np.round(x, digits), x)

    return Case(case.stratum, mapped(short, case.args), mapped(short, case.dout))


@contextmanager
def nothing_written() -> Iterator[None]:
    """Hypothesis keeps notes in the current folder, which is the user's. It does without where no
    folder can be, and none is left behind then by a grader that is stopped."""
    set_hypothesis_home_dir(Path(os.devnull, "nothing"))
    try:
        yield
    finally:
        set_hypothesis_home_dir(None)


def size(case: Case) -> tuple[int, int]:
    """How much there is to read."""
    read = [x.matrix if isinstance(x, Product) else x for x in leaves([*case.args, case.dout])]
    arrays = [np.ravel(x) for x in read if isinstance(x, np.ndarray | float | int)]
    numbers = [float(x) for array in arrays for x in array]
    return len(numbers), sum(len(f"{x:g}") for x in numbers)
