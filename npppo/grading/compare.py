"""Two results: are they the same, and if not, how do they differ?

A result is an array, a number, or lists and tuples of such.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .exercise import Array


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
# operations; the mistakes of the catalogue differ by 1e-3 and more.
DOUBLE = Tolerance(1e-6, 1e-8, 1e-11)
# The same in float32, which rounds by 6e-8.
SINGLE = Tolerance(1e-4, 1e-5, 1e-6)
# Single precision somewhere on the way to a result in double precision.
MIXED = Tolerance(3e-6, 2e-6, 1e-7)

# What an example shows should be plain to see.
CLEAR = Tolerance(1e-2, 1e-2, 1e-3)


def close(a: Any, b: Any, tolerance: Tolerance) -> bool:
    """Whether two results of one form agree; nan agrees with nan, an infinity with itself."""
    if isinstance(b, list | tuple):
        return (
            isinstance(a, list | tuple)
            and len(a) == len(b)
            and all(close(x, y, tolerance) for x, y in zip(a, b, strict=True))
        )
    if isinstance(a, list | tuple):
        return False
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape or any(x.dtype.kind not in "biufc" for x in (a, b)):
        return False
    return bool(differing(a, b, tolerance).size == 0)


def differing(a: Array, b: Array, tolerance: Tolerance) -> Array:
    """Flat indices of the entries of two arrays of one shape that do not agree."""
    a, b = np.ravel(a), np.ravel(b)
    if a.dtype.kind in "biu" and b.dtype.kind in "biu":
        return np.flatnonzero(a != b)
    finite = np.isfinite(a) & np.isfinite(b)
    with np.errstate(all="ignore"):
        largest = np.max(np.abs(b), where=np.isfinite(b), initial=0.0)
        bound = tolerance.relative * np.abs(b) + tolerance.absolute * largest + tolerance.smallest
        same = np.where(finite, np.abs(a - b) <= bound, (a == b) | (np.isnan(a) & np.isnan(b)))
    return np.flatnonzero(~same)


def flat(tree: Any) -> Any:
    """All numbers of a result in one vector; what is no number makes it empty."""
    if isinstance(tree, list | tuple):
        return np.concatenate([flat(x) for x in tree]) if len(tree) else np.zeros(0)
    if isinstance(tree, np.ndarray | np.number | float | int):
        return np.ravel(np.asarray(tree, float))
    return np.zeros(0)


def finite(result: Any) -> bool:
    """Whether every number of a result is."""
    if isinstance(result, list | tuple):
        return all(finite(x) for x in result)
    array = np.asarray(result)
    return array.dtype.kind not in "fc" or bool(np.isfinite(array).all())


def single_precision(result: Any) -> bool:
    """Whether every number of a result is one that float32 holds."""
    if isinstance(result, list | tuple):
        return all(single_precision(x) for x in result)
    array = np.asarray(result)
    if array.dtype.kind != "f":
        return True
    with np.errstate(all="ignore"):
        return bool(((array == array.astype(np.float32)) | np.isnan(array)).all())
