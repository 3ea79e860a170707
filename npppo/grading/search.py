"""Inputs beyond the battery: Hypothesis draws them, and shrinks those that show a mistake.

An array is drawn as its lengths and a list of whole numbers that fill it from the front. The two
shrink independently: a shorter list leaves the rest at its default, a shorter array ignores the
rest of the list.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
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

from .compare import finite
from .exercise import Array, Case, Exercise, Input, Product, Rng
from .exercises import forward_of, made, reference

whole = st.integers(-300, 300)


def real(k: int) -> float:
    """Whole numbers first, as they are the easiest to follow."""
    return float(k) if abs(k) <= 3 else k / 100


def positive(k: int) -> float:
    return abs(real(k)) or 1.0


# What a drawn number means; 0 is the default of an entry that none was drawn for.
ENTRIES: dict[str, Callable[[int], Any]] = {
    "real": real,
    "logits": real,
    "positive": positive,
    "log_prob": lambda k: -positive(k),
    "flag": lambda k: bool(k % 2),
    "uniform": lambda k: (k % 100 + 0.5) / 100,
    "action": lambda k: k,
}
NUMBERS: dict[str, st.SearchStrategy[Any]] = {
    "scalar": whole.map(real),
    "positive": whole.map(positive),
    "unit": st.sampled_from([0.5, 0.0, 1.0, 0.9, 0.99]),
    "clip": st.sampled_from([0.5, 0.2, 0.1, 0.3]),
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
    inputs = exercise.battery.inputs
    letters = sorted({letter for i in inputs for letter in i.letters if letter.isalpha()})
    lengths = {letter: draw(LENGTHS.get(letter, SHORT)) for letter in letters}
    trailing = (
        draw(st.sampled_from([(), (1,), (2,)])) if any("*" in i.letters for i in inputs) else ()
    )
    args: list[Any] = []
    for i in inputs:
        shape = tuple(lengths[letter] for letter in i.letters if letter in lengths)
        args.append(argument(draw, i, shape + trailing * ("*" in i.letters), args, lengths))
    case = Case("search", tuple(args))
    if exercise.name.endswith("_backward"):
        with np.errstate(all="ignore"):
            shape = np.shape(reference(forward_of(exercise.name), case))
        dout = array(draw, shape, positive)
        case = Case("search", case.args, dout if shape else float(dout))
    return case


def argument(
    draw: st.DrawFn, i: Input, shape: tuple[int, ...], args: Sequence[Any], lengths: dict[str, int]
) -> Any:
    if i.kind == "layers":
        widths = [args[0].shape[1], *draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))]
        return [
            (array(draw, layer, real), array(draw, layer[1:], real)) for layer in pairwise(widths)
        ]
    if i.kind == "directions":
        return [(array(draw, W.shape, real), array(draw, b.shape, real)) for W, b in args[1]]
    if i.kind == "tensors":
        shapes = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
        return [array(draw, (n,), real) for n in shapes]
    if i.kind == "product":
        root = array(draw, (lengths["D"], lengths["D"]), real)
        return Product(root.T @ root + np.eye(lengths["D"]))
    if not i.letters:
        return draw(NUMBERS[i.kind])
    drawn = array(draw, shape, ENTRIES[i.kind], "F" if i.letters[0] == "T" else "C")
    return drawn % lengths["A"] if i.kind == "action" else drawn


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


def smallest(
    exercise: Exercise, shows: Callable[[Case], bool], seed: int, examples: int, calls: int
) -> Case | None:
    """The smallest case found that `shows` the mistake, or None.

    `examples` are tried at first; once one shows it, at most `calls` more go into shrinking.
    Every bound counts calls, not seconds, so that the same seed finds the same case.
    """
    found: list[Case] = []
    made_calls = 0

    def condition(case: Case) -> bool:
        nonlocal made_calls
        if not fair(exercise, case):
            return False
        made_calls += 1
        if found and made_calls > calls:
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


def reduced(exercise: Exercise, case: Case, shows: Callable[[Case], bool], calls: int) -> Case:
    """The same case with fewer rows and shorter numbers, as long as it `shows` the mistake.

    For what Hypothesis did not get to shrink, and for cases of the battery. At most `calls` calls.
    """

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
    length = count(exercise, case, letter)
    stretch = length // 2
    while stretch:
        start = 0
        while start < length and stretch < length:
            smaller = dropped(exercise, case, letter, slice(start, start + stretch))
            if shows(smaller):
                case, length = smaller, count(exercise, smaller, letter)
            else:
                start += stretch
        stretch //= 2
    return case


def places(exercise: Exercise, case: Case, letter: str) -> dict[int, int]:
    """{argument: axis} of the arrays in whose shape a letter stands."""
    inputs = enumerate(zip(exercise.battery.inputs, case.args, strict=False))
    return {
        i: given.letters.index(letter)
        for i, (given, x) in inputs
        if letter in given.letters and isinstance(x, np.ndarray) and x.ndim
    }


def count(exercise: Exercise, case: Case, letter: str) -> int:
    lengths = {case.args[i].shape[axis] for i, axis in places(exercise, case, letter).items()}
    return int(lengths.pop()) if len(lengths) == 1 else 0


def dropped(exercise: Exercise, case: Case, letter: str, rows: slice) -> Case:
    axes = places(exercise, case, letter)
    length = count(exercise, case, letter)
    args = tuple(np.delete(x, rows, axes[i]) if i in axes else x for i, x in enumerate(case.args))
    dout = case.dout
    if letter == "N" and np.ndim(dout) and len(dout) == length:
        dout = np.delete(dout, rows, 0)
    return Case(case.stratum, args, dout)


LARGE = 1e15


def rounded(case: Case, digits: int) -> Case:
    def short(x: Any) -> Any:
        if isinstance(x, list | tuple):
            return type(x)(map(short, x))
        if getattr(getattr(x, "dtype", None), "kind", "") != "f":
            return x
        with np.errstate(over="ignore"):  # the largest numbers stay as they are
            return np.where(abs(x) < LARGE, np.round(x, digits), x)

    return Case(case.stratum, tuple(map(short, case.args)), short(case.dout))


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
    numbers = list(flat([*case.args, case.dout]))
    return len(numbers), sum(len(f"{x:g}") for x in numbers)


def flat(tree: Any) -> list[float]:
    if isinstance(tree, list | tuple):
        return [x for branch in tree for x in flat(branch)]
    if isinstance(tree, Product):
        return flat(tree.matrix)
    if isinstance(tree, np.ndarray | float | int):
        return [float(x) for x in np.ravel(tree)]
    return []
