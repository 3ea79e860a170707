"""What can be said of a wrong answer that no known mistake explains.

Each observation is a fact about all the results, such as "always -1 times the right one"; a few
of them are names of mistakes by themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..exercises.answers import letters_of
from ..exercises.compare import DOUBLE, SINGLE, close, finite
from ..exercises.exercise import Array, Case
from ..exercises.trees import several, side_by_side
from .judge import labels


class Observation(NamedTuple):
    id: str | None
    sentence: str


class Pair(NamedTuple):
    """One array of one result, right and as handed in."""

    label: str
    expected: Array
    got: Array
    case: Case

    @property
    def wrong(self) -> bool:
        return not close(self.got, self.expected, SINGLE)


def observation(
    name: str, cases: Sequence[Case], expected: Sequence[Any], got: Sequence[Any]
) -> Observation | None:
    """The first that fits; results that have not the right form are left out."""
    if any(result is None for result in got):
        return None  # what holds for some of the results only is no observation
    pairs = [
        Pair(label, e, g, case)
        for case, right, result in zip(cases, expected, got, strict=True)
        for label, e, g in arrays(labels(name), right, result)
    ]
    faulty = {pair.label for pair in pairs if pair.wrong}
    pairs = [pair for pair in pairs if pair.label in faulty and pair.expected.size]
    if not pairs:
        return None
    all_labels = set(labels(name)) or {""}
    subject = " and ".join(sorted(faulty)) if faulty < all_labels else "The result"
    looks = [factor, transposed, offset, signs, last_row]
    if letters_of(name)[0].startswith("N"):
        looks.append(single_row)
    for look in looks:
        found = look(pairs)
        if found is not None:
            return Observation(found.id, f"{subject} {found.sentence}")
    return None


def arrays(names: tuple[str, ...], expected: Any, got: Any) -> Iterator[tuple[str, Array, Array]]:
    """The arrays of two results of one form, side by side."""
    if names and several(got) and len(got) == len(expected):
        for name, part, theirs in zip(names, expected, got, strict=True):
            yield from ((name, e, g) for _, e, g in arrays((), part, theirs))
    elif not names:
        for e, g in side_by_side(expected, got) or ():
            numbers = isinstance(g, np.ndarray | float | int) and np.shape(g) == np.shape(e)
            if numbers and finite([e, g]):
                yield "", np.asarray(e, float), np.asarray(g, float)


def factor(pairs: Sequence[Pair]) -> Observation | None:
    """g = k e, with k a constant or a length of the arrays."""
    telling = [pair for pair in pairs if pair.expected.any()]
    factors = [float((g * e).sum() / (e * e).sum()) for _, e, g, _ in telling]
    if len(factors) < 2 or any(pair.wrong for pair in pairs if not pair.expected.any()):
        return None
    if not all(close(p.got, k * p.expected, DOUBLE) for p, k in zip(telling, factors, strict=True)):
        return None
    k = factors[0]
    if np.allclose(factors, k, rtol=1e-6, atol=1e-9):
        if abs(k) < 1e-9:
            return Observation("ANY-06", "is always 0.")
        if np.isclose(k, -1):
            return Observation("ANY-01", "has the wrong sign: it is always −1 times the right one.")
        return Observation("ANY-02", f"is always {k:.6g} times the right one.")
    for letter, over in {"N": "the batch", "A": "the last axis"}.items():
        size = np.array([lengths_of(pair.case).get(letter, 0) for pair in telling], float)
        if np.allclose(factors, size, rtol=1e-6):
            why = f"a mean over {over} is missing, or the 1/{letter} of its gradient."
            return Observation("ANY-03", f"is {letter} times too large: {why}")
        if (size > 0).all() and np.allclose(factors, 1 / size, rtol=1e-6):
            why = f"there is a mean over {over}, or a 1/{letter}, where there should be none."
            return Observation("ANY-04", f"is {letter} times too small: {why}")
    return None


def lengths_of(case: Case) -> dict[str, int]:
    """The lengths of a call's first array: N rows, A columns."""
    array = next((x for x in case.args if isinstance(x, np.ndarray) and x.ndim), None)
    if array is None:
        return {}
    return {"N": array.shape[0]} | ({"A": array.shape[-1]} if array.ndim > 1 else {})


def transposed(pairs: Sequence[Pair]) -> Observation | None:
    wrong = [p for p in pairs if p.wrong]
    if all(p.expected.ndim == 2 and close(p.got, p.expected.T, DOUBLE) for p in wrong):
        return Observation("ANY-05", "is transposed (it shows where rows and columns are as many).")
    return None


def offset(pairs: Sequence[Pair]) -> Observation | None:
    differences = np.concatenate([np.ravel(p.got - p.expected) for p in pairs])
    constant = float(differences[0])
    if len(pairs) > 1 and np.allclose(differences, constant, rtol=1e-6, atol=1e-9):
        return Observation(
            None, f"is always {abs(constant):.6g} too {'large' if constant > 0 else 'small'}."
        )
    return None


def signs(pairs: Sequence[Pair]) -> Observation | None:
    if all(close(np.abs(p.got), np.abs(p.expected), DOUBLE) for p in pairs):
        return Observation(None, "is right but for the sign, which is wrong in some entries.")
    return None


def last_row(pairs: Sequence[Pair]) -> Observation | None:
    wrong = [p for p in pairs if p.wrong]
    if len(wrong) < 3 or not all(p.expected.ndim for p in wrong):
        return None
    if not any(len(p.expected) > 1 for p in wrong):
        return None
    for end, rest, row in (("last", slice(None, -1), -1), ("first", slice(1, None), 0)):
        if all(close(p.got[rest], p.expected[rest], SINGLE) for p in wrong):
            return Observation(None, f"is right but for the {end} row (index {row}).")
    return None


def single_row(pairs: Sequence[Pair]) -> Observation | None:
    one = [p for p in pairs if lengths_of(p.case).get("N") == 1 and np.any(p.expected)]
    more = [p for p in pairs if lengths_of(p.case).get("N") != 1]
    if len(one) > 1 and not any(p.wrong for p in one) and all(p.wrong for p in more):
        return Observation(None, "is right for a batch of one row and wrong for longer ones.")
    return None
