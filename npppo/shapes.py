"""What every formula asks of its arrays: a floating dtype and the right shape.

Letters used in every shape comment of the package:

    N  samples          T  time steps      D  input features, or unknowns
    A  actions, or      E  environments    M  output features, in a hidden layer also `width`
       action dimensions                   P  parameters of an agent

What a docstring promises holds in float32 and float64. float16 is accepted but too narrow for it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]
Cache = tuple[Any, ...]
Layers = list[tuple[Array, Array]]  # [(W, b), ...] from the input to the output


def floats(*values: ArrayLike) -> Sequence[Array]:
    """The values as arrays of the one floating dtype they share.

    Integer and boolean arrays follow the floating ones (float32 log-probabilities with integer
    rewards stay float32) and become float64 where there is no floating array at all. A Python
    float, or a list of them, counts as a float64 array.
    """
    first = values[0]
    if type(first) is np.ndarray and first.dtype.kind in "fc":
        dtype = first.dtype
        for value in values:
            if type(value) is not np.ndarray or value.dtype is not dtype:
                break
        else:  # nearly always: the quick way out
            return values  # type: ignore[return-value]
    arrays = [np.asarray(value) for value in values]
    floating = [array.dtype for array in arrays if array.dtype.kind in "fc"]
    common = np.result_type(*floating) if floating else np.dtype(np.float64)
    return [array.astype(common, copy=False) for array in arrays]


def number(name: str, value: ArrayLike) -> float:
    """A hyperparameter, or the incoming gradient dloss of a scalar, as a Python float: unlike a
    float64 array it leaves float32 arrays float32.

    Raises ValueError for an array with axes, and what float() raises for what is no number.
    """
    if type(value) is float:
        return value
    array = np.asarray(value)
    if array.shape != ():
        raise ValueError(f"{name} has shape {array.shape}, expected shape ()")
    return float(array)


def power_of_2(*arrays: Array) -> float:
    """The power of 2 that is next to the arrays' largest entry: a unit for them.

    Divided by it, which is exact, they have squares and sums that leave no dtype's range.
    """
    largest = max((float(abs(array).max(initial=0)) for array in arrays), default=0.0)
    return math.ldexp(1.0, math.frexp(largest)[1] - 1)


def flags(value: ArrayLike) -> Array:
    """Episode flags as bool; 0/1 integers or floats mean the same."""
    return np.asarray(value).astype(bool, copy=False)


def expect_ndim(name: str, array: Array, letters: str) -> None:
    """Raise ValueError unless `array` has one axis for each letter, as in "NA" for (N, A)."""
    if array.ndim != len(letters):
        shape = "(" + ", ".join(letters) + ("," if len(letters) == 1 else "") + ")"
        raise ValueError(f"{name} has shape {array.shape}, expected shape {shape}")


def expect_shape(
    name: str, array: Array, shape: tuple[int, ...], other_name: str, other: Array
) -> None:
    """Raise ValueError unless `array` has the `shape` that goes with the array `other`.

    NumPy would broadcast (N, 1) against (N,) to (N, N) without a word, so nothing is broadcast.
    """
    if array.shape != shape:
        raise ValueError(
            f"{name} has shape {array.shape}, expected {shape} "
            f"beside {other_name} of shape {other.shape}"
        )
