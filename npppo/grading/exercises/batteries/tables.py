"""Batteries as tables of named cases.

A table gives each stratum, beside its share of the points, its cases: functions of the generator to
the arguments. A stratum may stand there several times; its shares add up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from .... import contract
from ..exercise import Array, Battery, Case
from ..trees import mapped
from .drawing import Args, Generator, alternating, positive_quarters

Draw = Callable[[Generator], Any]  # to the arguments, or to the only one
Table = dict[tuple[str, float], list[Draw]]

FLOAT32 = "float32 input"  # the stratum whose floating arrays all become float32


def each(draw: Callable[..., Any], *settings: Args, **common: Any) -> list[Draw]:
    """A case draw(rng, *setting, **common) for each of the settings."""

    def case(setting: Args) -> Draw:
        return lambda rng: draw(rng, *setting, **common)

    return [case(setting) for setting in settings]


def completed(complete: Callable[..., Any], table: Table) -> Table:
    """The table with complete(rng, stratum, *arguments) for the arguments."""

    def case(stratum: str, draw: Draw) -> Draw:
        return lambda rng: complete(rng, stratum, *tupled(draw(rng)))

    return {key: [case(key[0], draw) for draw in cases] for key, cases in table.items()}


def in_whole(k: int, cases: list[Draw]) -> list[Draw]:
    """The cases with the numbers of argument k rounded to whole ones."""

    def rounded(rng: Generator, _: str, *args: Any) -> Args:
        return *args[:k], np.round(args[k]).astype(int), *args[k + 1 :]

    return completed(rounded, {("", 0): cases})["", 0]


def battery(table: Table, **rest: Any) -> Battery:
    """The battery of a table; the rest is as `Battery` has it."""
    strata: dict[str, float] = {}
    for stratum, share in table:
        strata[stratum] = strata.get(stratum, 0) + share

    def draw(rng: Generator) -> list[Case]:
        return [
            Case(stratum, narrowed(stratum, tupled(case(rng))))
            for (stratum, _), cases in table.items()
            for case in cases
        ]

    return Battery(draw, strata, **rest)


def backward(
    name: str, forward: Battery, others: Mapping[str, Callable[..., Array]] | None = None
) -> Battery:
    """The battery of the backward of `name`: the forward's cases, each with a gradient of the
    result, in some strata drawn by `others`. What is for care alone is left out."""
    of_stratum = {FLOAT32: positive_quarters, **(others or {})}

    def draw(rng: Generator) -> list[Case]:
        cases = [case for case in forward.draw(rng) if case.stratum not in forward.edges]
        return [replace(case, dout=gradient(rng, k, case)) for k, case in enumerate(cases)]

    def gradient(rng: Generator, k: int, case: Case) -> Any:
        shape = getattr(contract, name)(*case.args)[0].shape
        drawn = of_stratum.get(case.stratum)
        dout = drawn(rng, *shape) if drawn else alternating(rng, k, *shape)
        return narrowed(case.stratum, dout) if shape else float(dout)

    strata = {key: share for key, share in forward.strata.items() if key not in forward.edges}
    return Battery(draw, strata, forward.off_kinks)


def tupled(args: Any) -> Args:
    return args if isinstance(args, tuple) else (args,)


def narrowed(stratum: str, tree: Any) -> Any:
    def single(x: Any) -> Any:
        floating = isinstance(x, np.ndarray) and x.dtype.kind == "f"
        return x.astype(np.float32) if floating else x

    return mapped(single, tree) if stratum == FLOAT32 else tree
