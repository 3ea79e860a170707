"""The door to the formulas: `npppo.NAME` is the formula NAME behind its checks.

A formula computes and checks nothing. What comes from outside goes through here: each argument is
held against the specification that stands above the formula (npppo/formulas/shapes.py), arrays are
brought to the one floating dtype they share, and what does not fit is named in a ValueError. What
fits comes out as the formula computes it, bit for bit.

The cache of a forward keeps the output's shape beside the formula's own cache, so that the `dout`
of every backward is checked in one place.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .formulas import (
    bernoulli,
    categorical,
    gaussian,
    layers,
    losses,
    optimizers,
    returns,
    surrogates,
)
from .formulas.shapes import SPECIFICATIONS as SPECIFICATIONS  # complete once all are imported
from .formulas.shapes import Array, Layers, Specification

if TYPE_CHECKING:
    from .formulas.bernoulli import *
    from .formulas.categorical import *
    from .formulas.gaussian import *
    from .formulas.layers import *
    from .formulas.losses import *
    from .formulas.optimizers import *
    from .formulas.returns import *
    from .formulas.surrogates import *


class Kept(NamedTuple):
    """The cache of a door: the formula's own, and what its backward's `dout` has to fit."""

    formula: str
    cache: Any
    shape: tuple[int, ...]  # of the output
    dtype: np.dtype[Any]
    beside: str  # for the message


def door(function: Callable[..., Any]) -> Callable[..., Any]:
    """The formula `function` behind the checks of its specification."""
    specification = SPECIFICATIONS[function.__name__]
    by_name = naming(function)

    @wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        given = converted(by_name(*args, **kwargs), specification)
        lengths = expect_shapes(given, specification)
        result = function(**given)
        if not specification.by:
            return result
        out, cache = result
        return out, Kept(function.__name__, cache, np.shape(out), out.dtype, lengths.first)

    return checked


def back_door(function: Callable[..., Any]) -> Callable[..., Any]:
    """The backward `function`, for a `dout` and what the door of its forward kept."""
    forward = function.__name__.removesuffix("_backward")
    by_name = naming(function)

    @wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        (name, dout), (_, kept) = by_name(*args, **kwargs).items()
        if not isinstance(kept, Kept) or kept.formula != forward:
            raise ValueError(f"cache is {kept!r}, expected what npppo.{forward} returned as such")
        if not kept.shape:
            return function(number(name, dout), kept.cache)
        (dout,) = floats([dout], kept.dtype)
        if dout.shape != kept.shape:
            raise ValueError(f"{name} has shape {dout.shape}, expected {kept.shape} {kept.beside}")
        return function(dout, kept.cache)

    return checked


def naming(function: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
    """What gives the arguments of a call by their names, with those left at their defaults."""
    signature = inspect.signature(function)  # once: to read it takes longer than many a formula

    def by_name(*args: Any, **kwargs: Any) -> dict[str, Any]:
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError:
            function(*args, **kwargs)  # raises in Python's own words about what is missing
            raise
        bound.apply_defaults()
        return bound.arguments

    return by_name


def converted(given: Mapping[str, Any], specification: Specification) -> dict[str, Any]:
    """The arguments as the formula wants them: one floating dtype, bools, Python numbers."""
    result, kinds, letters = dict(given), specification.arguments, specification.letters
    for name, kind in kinds.items():
        if kind == "":
            result[name] = number(name, given[name])
        elif kind.endswith("?"):
            result[name] = np.asarray(given[name]).astype(bool, copy=False)
        elif "<" in kind or kind.endswith("!"):
            result[name] = np.asarray(given[name])
        elif kind == "whole":
            result[name] = whole(name, given[name])
        elif "→" in kind:
            result[name] = endomorphism(name, given[name])
        elif kind == "arrays":
            result[name] = [floats([array])[0] for array in given[name]]
    plain = [name for name, kind in kinds.items() if kind in ("*", letters.get(name))]
    stacks = [name for name, kind in kinds.items() if kind == "layers"]
    in_stacks = [array for name in stacks for layer in given[name] for array in layer]
    arrays = iter(floats([*(given[name] for name in plain), *in_stacks]))
    result |= {name: next(arrays) for name in plain}
    return result | {name: [(next(arrays), next(arrays)) for _ in given[name]] for name in stacks}


def endomorphism(name: str, function: Callable[[Array], ArrayLike]) -> Callable[[Array], Array]:
    """A function given by the caller, held to return arrays like its argument."""

    def checked(x: Array) -> Array:
        y = np.asarray(function(x)).astype(x.dtype, copy=False)
        expect_alike(f"{name}(x)", y, "x", x)
        return y

    return checked


def floats(values: Iterable[ArrayLike], *dtypes: np.dtype[Any]) -> list[Array]:
    """The values as arrays of the one floating dtype that they and `dtypes` share.

    Integer and boolean arrays follow the floating ones: float32 log-probabilities with integer
    rewards stay float32. Where there is no floating array at all they become float64. A Python
    float, or a list of them, counts as float64.
    """
    arrays = [np.asarray(value) for value in values]
    floating = [*dtypes, *(array.dtype for array in arrays if array.dtype.kind in "fc")]
    common = np.result_type(*floating) if floating else np.dtype(np.float64)
    return [array.astype(common, copy=False) for array in arrays]


def number(name: str, value: ArrayLike) -> float:
    """A hyperparameter, or the gradient of a scalar, as a Python float; ValueError for an array.

    Unlike a float64 array or scalar it leaves float32 arrays float32.
    """
    array = np.asarray(value)
    if array.shape != ():
        raise ValueError(f"{name} has shape {array.shape}, expected shape ()")
    return float(array)


def whole(name: str, value: Any) -> int:
    """A whole number as a Python int, of whatever type it is; ValueError for any other."""
    if value % 1 != 0:  # nan where the value is not finite
        raise ValueError(f"{name} is {value}, expected a whole number")
    return int(value)


class Lengths:
    """What the letters of one call stand for, and which arguments said so."""

    def __init__(self) -> None:
        self.known: dict[str, int] = {}
        self.beside: dict[str, str] = {}  # letter: the argument that fixed it, with its shape
        self.first = ""

    def expect(self, name: str, array: Array, letters: str) -> None:
        """Raise ValueError unless the array has the shape of the letters; learn the new ones."""
        here = f"beside {name} of shape {array.shape}"
        self.first = self.first or here
        lengths = dict(zip(letters, array.shape, strict=False))
        # where two agree on what both hold, it does not matter which comes first
        if array.ndim == len(letters) and lengths | self.known == self.known | lengths:
            self.known = lengths | self.known
            self.beside = dict.fromkeys(letters, here) | self.beside
            return
        fixed = [letter for letter in letters if letter in self.known]
        wanted = [str(self.known.get(letter, letter)) for letter in letters]
        shape = "(" + ", ".join(wanted) + ("," if len(wanted) == 1 else "") + ")"
        if len(fixed) < len(letters):
            shape = f"shape {shape}"
        where = f" {self.beside[fixed[-1]]}" if fixed else ""
        raise ValueError(f"{name} has shape {array.shape}, expected {shape}{where}")


def expect_shapes(given: Mapping[str, Any], specification: Specification) -> Lengths:
    """Raise ValueError unless all arrays fit together.

    NumPy would broadcast (N, 1) against (N,) to (N, N) without a word, so nothing is broadcast.
    What a formula is differentiated by comes first: the others are held against it.
    """
    lengths = Lengths()
    kinds, letters = specification.arguments, specification.letters
    alike: dict[str, tuple[str, Any]] = {}  # kind: the first argument of it, which others resemble
    for name in sorted(kinds, key=lambda name: name not in specification.by):
        kind, value = kinds[name], given[name]
        if kind == "*":
            first, array = alike.setdefault(kind, (name, value))
            lengths.first = lengths.first or f"beside {name} of shape {value.shape}"
            expect_alike(name, value, first, array)
        elif kind == "layers":
            first, stack = alike.setdefault(kind, (name, value))
            expect_layers(value, lengths) if first == name else expect_stack(
                name, value, first, stack
            )
        elif name in letters:
            lengths.expect(name, value, letters[name])
            _, _, bound = kind.partition("<")
            if bound.isdigit():
                expect_below(name, value, int(bound))
            elif bound:
                expect_below(name, value, lengths.known[bound], f" {lengths.beside[bound]}")
    return lengths


def expect_alike(name: str, array: Array, other_name: str, other: Array) -> None:
    """Raise ValueError unless both have the same shape."""
    if array.shape != other.shape:
        raise ValueError(
            f"{name} has shape {array.shape}, expected {other.shape} "
            f"beside {other_name} of shape {other.shape}"
        )


def expect_layers(layers: Layers, lengths: Lengths) -> None:
    """Raise ValueError unless each (W, b) takes what the one before it, or x, gives."""
    if not layers:
        raise ValueError("params is an empty list, expected at least one (W, b)")
    for W, b in layers:
        lengths.expect("W", W, "DM")
        lengths.expect("b", b, "M")
        # the outputs of this layer are the inputs of the next one
        lengths.known["D"], lengths.beside["D"] = lengths.known.pop("M"), lengths.beside.pop("M")


def expect_stack(name: str, layers: Layers, other_name: str, others: Layers) -> None:
    """Raise ValueError unless both lists of layers have the same shapes."""
    if len(layers) != len(others):
        raise ValueError(
            f"{name} has {len(layers)} layers and {other_name} {len(others)}, expected equally many"
        )
    for i, (layer, other) in enumerate(zip(layers, others, strict=True)):
        for k in (0, 1):
            expect_alike(f"{name}[{i}][{k}]", layer[k], f"{other_name}[{i}][{k}]", other[k])


def expect_below(name: str, array: Array, bound: int, beside: str = "") -> None:
    """Raise ValueError unless the array holds whole numbers from 0 to bound - 1."""
    if array.dtype.kind not in "iu":
        raise ValueError(f"{name} has dtype {array.dtype}, expected integers")
    wrong = (array < 0) | (array >= bound)
    if wrong.any():
        raise ValueError(f"{name} holds {array[wrong][0]}, expected 0 to {bound - 1}{beside}")


def doors() -> dict[str, Callable[..., Any]]:
    """The doors of all public formulas by name, file by file in learning order."""
    made: dict[str, Callable[..., Any]] = {}
    files = layers, categorical, bernoulli, gaussian, returns, surrogates, losses, optimizers
    for module in files:
        home = {
            name: function
            for name, function in vars(module).items()
            if getattr(function, "__module__", "") == module.__name__
        }
        for name in SPECIFICATIONS:
            if name in home:
                made[name] = door(home[name])
                if f"{name}_backward" in home:
                    made[f"{name}_backward"] = back_door(home[f"{name}_backward"])
    return made


globals().update(doors())
__all__ = list(doors())
