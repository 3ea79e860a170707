"""What the batteries' numbers are drawn with."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....contract import SPECIFICATIONS
from ..exercise import Array

Generator = np.random.Generator
Args = tuple[Any, ...]


def away_from_zero(rng: Generator, *shape: int, most: float = 2.0) -> Array:
    """Numbers of both signs, from 0.3 to `most` in size."""
    return rng.choice([-1.0, 1.0], shape) * rng.uniform(0.3, most, shape)


def dyadic(rng: Generator, *shape: int) -> Array:
    """Quarters other than 0, up to 2: their sums and products are exact, in float32 too."""
    return rng.choice([-1.0, 1.0], shape) * rng.integers(1, 9, shape) / 4


def positive_quarters(rng: Generator, *shape: int) -> Array:
    """Numbers of one sign, so that nothing cancels in float32."""
    return np.asarray(rng.integers(1, 9, shape) / 4)


def alternating(rng: Generator, k: int, *shape: int) -> Array:
    """Numbers none of which is near 0 or 1. The first four alternate in sign, as do the first ones
    of each k and the next."""
    sizes = rng.choice([0.4, 0.65, 1.3, 1.6], shape) * rng.uniform(0.9, 1.1, shape)
    signs = np.asarray(rng.choice([-1.0, 1.0], shape))
    signs.flat[:4] = [(-1) ** k, -((-1) ** k)]
    return np.asarray(signs * sizes)


def arguments(
    rng: Generator, *sizes: int, name: str, numbers: Any = away_from_zero, **given: Any
) -> Args:
    """The arguments of the formula `name`: those given, and numbers in the shapes of the others.

    The sizes are those of the specification's letters, in the order in which they come up there;
    where an array may have any shape they are its shape.
    """
    specification = SPECIFICATIONS[name]
    kinds, letters = specification.arguments, specification.letters
    lengths = dict(zip(dict.fromkeys("".join(letters.values())), sizes, strict=False))
    for argument, kind in kinds.items():
        if kind == "*" or argument in letters:
            shape = sizes if kind == "*" else [lengths[letter] for letter in letters[argument]]
            given.setdefault(argument, numbers(rng, *shape))
    return tuple(given[argument] for argument in kinds if argument in given)
