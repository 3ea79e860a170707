"""Two results: are they the same, and if not, how do they differ?

A result is an array, a number, or lists and tuples of such.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .exercise import Array
from .trees import leaves, side_by_side


@dataclass(frozen=True)
class Tolerance:
    """|a - b| <= relative |b| + absolute max |b| + smallest, entry by entry.

    The middle term is for entries that are small because large ones cancel, the last for arrays
    that should be 0 altogether.
    """

    relative: float
    absolute: float
    smallest: float


# A formula in float64 on numbers of order one errs by 1e-16 for each of at most some thousand
# operations; the mistakes of the book differ by 1e-3 and more.
DOUBLE = Tolerance(1e-6, 1e-8, 1e-11)
# The same in float32, which rounds by 6e-8.
SINGLE = Tolerance(1e-4, 1e-5, 1e-6)
# Single precision somewhere on the way to a result in double precision.
MIXED = Tolerance(3e-6, 2e-6, 1e-7)

# What an example shows should be plain to see.
CLEAR = Tolerance(1e-2, 1e-2, 1e-3)


def close(a: Any, b: Any, tolerance: Tolerance) -> bool:
    """Whether two results of one form agree; nan agrees with nan, an infinity with itself."""
    pairs = side_by_side(a, b)
    return pairs is not None and all(
        close_arrays(np.asarray(x), np.asarray(y), tolerance) for x, y in pairs
    )


def close_arrays(a: Array, b: Array, tolerance: Tolerance) -> bool:
    numbers = a.dtype.kind in "biufc" and b.dtype.kind in "biufc"
    return numbers and a.shape == b.shape and not differing(a, b, tolerance).size


def differing(a: Array, b: Array, tolerance: Tolerance) -> Array:
    """Flat indices of the entries of two arrays of one shape that do not agree."""
    a, b = np.ravel(a), np.ravel(b)
    if a.dtype.kind in "biu" and b.dtype.kind in "biu":
        return np.flatnonzero(a != b)
    with np.errstate(all="ignore"):
        size = np.abs(b)
        largest = np.max(size, initial=0.0)
        all_finite = largest < np.inf  # of b, as nearly always
        if not all_finite:
            largest = np.max(size, where=np.isfinite(b), initial=0.0)
        bound = tolerance.relative * size + (tolerance.absolute * largest + tolerance.smallest)
        same = np.abs(a - b) <= bound
        if not all_finite:
            finite = np.isfinite(a) & np.isfinite(b)
            same = np.where(finite, same, (a == b) | (np.isnan(a) & np.isnan(b)))
    return np.flatnonzero(~same)


def vector(tree: Any) -> Array:
    """All numbers of a result; what is no number adds none."""
    numbers = [x for x in leaves(tree) if isinstance(x, np.ndarray | np.number | float | int)]
    return np.concatenate([np.zeros(0), *(np.ravel(np.asarray(x, float)) for x in numbers)])


def finite(result: Any) -> bool:
    """Whether every number of a result is."""
    arrays = map(np.asarray, leaves(result))
    return all(x.dtype.kind not in "fc" or bool(np.isfinite(x).all()) for x in arrays)


def single_precision(result: Any) -> bool:
    """Whether every number of a result is one that float32 holds."""
    arrays = map(np.asarray, leaves(result))
    with np.errstate(all="ignore"):
        return all(
            x.dtype.kind != "f" or bool(((x == x.astype(np.float32)) | np.isnan(x)).all())
            for x in arrays
        )
