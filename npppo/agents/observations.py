"""Observations: whatever an environment shows, as one row of numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from ..formulas.shapes import Array

SUPPORTED = "Box, Discrete, MultiDiscrete, MultiBinary, or a Tuple or Dict of them"


class Part(NamedTuple):
    """A part of an observation space that has no parts, and the columns of its numbers."""

    keys: tuple[Any, ...]  # that lead to it: ("camera", 1) is observation['camera'][1]
    space: Any
    kind: str
    shape: tuple[int, ...]
    columns: slice
    # of categories: what each is counted from, how many there are, their first column, (M,)
    categories: tuple[Array, Array, Array] | None = None
    # of whole numbers between bounds: what is taken off, and what it is divided by, (D,)
    scale: tuple[Array, Array] | None = None


class Observations:
    """How E observations become (E, D): gymnasium's `flatten`, of all of them at once.

    A Box and a MultiBinary are flattened; a Discrete, and each entry of a MultiDiscrete, is
    one-hot; the parts of a Tuple or a Dict stand side by side, in its order. Beyond gymnasium, a
    Box of whole numbers between bounds, as an image, is scaled to [0, 1] by them. Where a bound is
    the last number of 32 or 64 bits it is none: scaled by it all numbers would look the same.

    Raises ValueError for a space that cannot be such a row, and names the part.
    """

    def __init__(self, space: Any) -> None:
        self.space = space
        self._composed = list(_composed(space, ()))  # of each Tuple and Dict
        self.parts: list[Part] = []
        self.size = 0  # D
        for keys, part in _simple(space, ()):
            made = _part(keys, part, self.size)
            self.parts.append(made)
            self.size = made.columns.stop
        if not self.size:
            raise ValueError(f"the observation space is {space}, expected at least one number")
        self._only = self.parts[0] if not self._composed else None

    def numbers(self) -> Array:
        """(D,) bool: the columns that are numbers of a Box, not categories or bits."""
        of_a_box = np.zeros(self.size, bool)  # (D,)
        for part in self.parts:
            of_a_box[part.columns] = part.kind == "Box"
        return of_a_box

    def image(self) -> str | None:
        """The first part that is a picture, in words; None where there is none."""
        for part in self.parts:
            if part.scale is not None and len(part.space.shape) > 1:
                return f"observation{_path(part.keys)} is {part.space}"
        return None

    def encode(self, observations: Any, alone: bool = False) -> Array:
        """Observations, in the manner of a vector environment, as (E, D); or one `alone`, (1, D).

        Raises ValueError, which names the part, the environment and the value, where they are not
        in the space. That numbers are finite is for others to see.
        """
        if self._only is not None:
            return self._encode_part(self._only, observations, alone)
        self._expect_parts(observations)
        encoded = [
            self._encode_part(part, _at(observations, part.keys), alone) for part in self.parts
        ]
        counts = [len(rows) for rows in encoded]
        if len(set(counts)) > 1:
            raise ValueError(f"the parts hold {counts} observations, expected as many in each")
        return np.concatenate(encoded, axis=1, dtype=np.float64)  # (E, D)

    def is_alone(self, observation: Any) -> bool:
        """Whether it is one observation, not a batch of them; ValueError if it is neither."""
        self._expect_parts(observation)
        alone: set[bool] = set()
        for part in self.parts:
            shape, own = np.shape(_at(observation, part.keys)), part.shape
            if own not in (shape, shape[1:]):
                raise ValueError(
                    f"observation{_path(part.keys)} has shape {shape}, expected {own} or a batch "
                    "of them"
                )
            alone.add(shape == own)
        if len(alone) > 1:
            raise ValueError("some parts of the observation are batches, expected all or none")
        return alone.pop()

    def _expect_parts(self, observations: Any) -> None:
        for keys, own in self._composed:
            value = _at(observations, keys)
            if isinstance(own, int):
                if not isinstance(value, (tuple, list)) or len(value) != own:
                    raise ValueError(
                        f"the observation{_path(keys)} is {_short(value)}, "
                        f"expected a tuple of {own}"
                    )
            elif not isinstance(value, Mapping) or value.keys() != own.keys():
                raise ValueError(
                    f"the observation{_path(keys)} is {_short(value)}, expected a dict with the "
                    f"keys {', '.join(map(repr, own))}"
                )

    def _encode_part(self, part: Part, values: Any, alone: bool) -> Array:
        array = np.asarray(values)
        if alone:
            array = array[None]
        if array.shape[1:] != part.shape or not array.ndim:
            expected = ", ".join(["N", *map(str, part.shape)])
            raise ValueError(
                f"the observations{_path(part.keys)} have shape {array.shape}, "
                f"expected ({expected})"
            )
        if part.categories is not None:
            return _one_hots(part, array)
        if array.ndim != 2:
            array = array.reshape(len(array), part.columns.stop - part.columns.start)  # (E, D)
        if part.kind == "MultiBinary":
            _expect(part, array, (array == 0) | (array == 1))
        return array if part.scale is None else (array - part.scale[0]) / part.scale[1]


def kind_of(space: Any) -> str:
    """The name of gymnasium's class; that of a class of its own, where it is derived from one."""
    from gymnasium import spaces

    names = ("Box", "Discrete", "MultiDiscrete", "MultiBinary", "Tuple", "Dict")
    return next((name for name in names if isinstance(space, getattr(spaces, name))), "")


def parts_of(space: Any) -> list[tuple[Any, Any]]:
    """(key, part) of a Tuple's or a Dict's own parts."""
    return list(enumerate(space.spaces) if kind_of(space) == "Tuple" else space.spaces.items())


def _composed(space: Any, keys: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """The keys to each Tuple and Dict, outer ones first, and its length or the parts by key."""
    if kind_of(space) in ("Tuple", "Dict"):
        own = parts_of(space)
        yield keys, len(own) if kind_of(space) == "Tuple" else dict(own)
        for key, part in own:
            yield from _composed(part, (*keys, key))


def _simple(space: Any, keys: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """The keys to each part that has no parts, and its space, in the order of the columns."""
    if kind_of(space) not in ("Tuple", "Dict"):
        yield keys, space
        return
    for key, part in parts_of(space):
        yield from _simple(part, (*keys, key))


def _part(keys: tuple[Any, ...], space: Any, start: int) -> Part:
    kind = kind_of(space)
    if not kind:
        where = f"observation{_path(keys)}" if keys else "the observation space"
        raise ValueError(f"{where} is {space}, which npppo does not support; expected {SUPPORTED}")
    if kind in ("Discrete", "MultiDiscrete"):
        counts = space.n if kind == "Discrete" else space.nvec
        sizes, starts = (np.ravel(array).astype(np.int64) for array in (counts, space.start))
        categories = starts, sizes, np.cumsum(sizes) - sizes  # (M,) each
        columns = slice(start, start + int(sizes.sum()))
        return Part(keys, space, kind, space.shape, columns, categories)
    columns = slice(start, start + math.prod(space.shape))
    scale = None
    if kind == "Box" and np.issubdtype(space.dtype, np.integer) and _has_bounds(space):
        low, high = (bound.ravel().astype(np.float64) for bound in (space.low, space.high))
        scale = low, np.maximum(high - low, 1)  # (D,) each
    return Part(keys, space, kind, space.shape, columns, scale=scale)


def _has_bounds(space: Any) -> bool:
    last = np.iinfo(space.dtype)
    at_the_end = (space.high == last.max).any() or (last.min < 0 and (space.low == last.min).any())
    return bool(space.is_bounded() and not (last.bits > 16 and at_the_end))


def _one_hots(part: Part, array: Array) -> Array:
    assert part.categories is not None
    starts, sizes, first = part.categories  # (M,)
    E = len(array)
    if array.dtype.kind not in "iu":
        _expect(part, array, np.zeros(E, bool))
    states = array.reshape(E, len(sizes)).astype(np.int64, copy=False) - starts  # (E, M)
    _expect(part, array, (states >= 0) & (states < sizes))
    rows = np.zeros((E, part.columns.stop - part.columns.start))  # (E, D)
    rows[np.arange(E)[:, None], first + states] = 1
    return rows


def _expect(part: Part, array: Array, right: Array) -> None:
    """Raise ValueError for the first observation of which not everything is right."""
    if np.count_nonzero(right) != right.size:
        e = int(np.argwhere(~right.all(axis=tuple(range(1, right.ndim))))[0, 0])
        raise ValueError(
            f"the observation{_path(part.keys)} of environment {e} is {array.tolist()[e]}, "
            f"expected one of {part.space}"
        )


def _at(observations: Any, keys: tuple[Any, ...]) -> Any:
    for key in keys:
        observations = observations[key]
    return observations


def _path(keys: tuple[Any, ...]) -> str:
    return "".join(f"[{key!r}]" for key in keys)


def _short(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:60]}..."
