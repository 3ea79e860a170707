"""What the batteries are drawn with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ..exercise import Array, Battery, Case
from ..trees import mapped

Generator = np.random.Generator
Draw = Callable[[Generator], list[Case]]

FLOAT32 = "float32 input"


def away_from_zero(rng: Generator, *shape: int, most: float = 2.0) -> Array:
    """Numbers of both signs, from 0.3 to `most` in size."""
    return rng.choice([-1.0, 1.0], shape) * rng.uniform(0.3, most, shape)


def dyadic(rng: Generator, *shape: int) -> Array:
    """Quarters other than 0, up to 2: their sums and products are exact, in float32 too."""
    return rng.choice([-1.0, 1.0], shape) * rng.integers(1, 9, shape) / 4


def single(case: Case) -> Case:
    """The case with its floating arrays in float32."""

    def narrowed(x: Any) -> Any:
        floating = isinstance(x, np.ndarray) and x.dtype.kind == "f"
        return x.astype(np.float32) if floating else x

    return Case(FLOAT32, mapped(narrowed, case.args))


def one_a_row(rng: Generator, cases: list[Case]) -> list[Array]:
    """For each case a gradient of a result with one number for each row of the first argument."""
    rows = [case.args[0] for case in cases]
    return [away_from_zero(rng, len(x), most=1.5).astype(x.dtype) for x in rows]


def backward(
    forward: Battery, douts: Callable[[Generator, list[Case]], list[Any]], draw: Draw | None = None
) -> Battery:
    """The battery of a backward: the forward's cases, or others, each with a gradient of the
    result. What is for care alone is left out."""
    cases_of = draw or forward.draw

    def drawn(rng: Generator) -> list[Case]:
        cases = [case for case in cases_of(rng) if case.stratum not in forward.edges]
        return [
            replace(case, dout=dout) for case, dout in zip(cases, douts(rng, cases), strict=True)
        ]

    strata = {name: share for name, share in forward.strata.items() if name not in forward.edges}
    return Battery(drawn, strata, forward.off_kinks)
