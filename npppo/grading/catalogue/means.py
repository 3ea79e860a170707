"""Known mistakes in averaging over the batch, and on the way back through the mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..exercise import Array, Mistake, Switches


def mean(on: Switches, part: str, x: Array) -> Any:
    """Average over the batch; `part` is the prefix of the identifiers of its mistakes."""
    if SUMMED[part] in on:
        return x.sum()
    if f"{part}-90" in on:
        return x
    if f"{part}-91" in on:
        return x[:-1].sum() / x.size
    if f"{part}-91b" in on:
        return x[:-1].sum() / (x.size - 1)
    if f"{part}-92" in on:
        return x[1:].sum() / x.size
    if f"{part}-92b" in on:
        return x[1:].sum() / (x.size - 1)
    if f"{part}-93" in on:
        return x.sum() / (x.size - 1)
    if f"{part}-94" in on:
        return x.sum() / x.size**2
    if f"{part}-95" in on:
        return x[:1].sum()
    if f"{part}-95b" in on:
        return x[-1:].sum()
    if f"{part}-96" in on:
        return x.sum(keepdims=True) / x.size
    return x.sum() / x.size


SUMMED = {
    "PGL": "PGL-03",
    "SUR": "SUR-11",
    "VAL": "VAL-12",
    "KL": "KL-09",
    "CLF": "CLF-04",
    "LOS": "LOS-11",
}


def averages(part: str, what: str) -> list[Mistake]:
    """The mistakes of `mean`."""
    return [
        Mistake(
            SUMMED[part],
            f"{what} is summed over the batch, which is right elsewhere; here it is the mean: "
            "divide by N.",
            convention=True,
        ),
        Mistake(
            f"{part}-90",
            f"{what} is never averaged: there is one entry for each sample, and should be one "
            "number, their mean.",
        ),
        Mistake(f"{part}-91", f"{what} leaves the last sample out: your loop ends one too early."),
        Mistake(
            f"{part}-91",
            f"{what} is an average without the last sample: your loop ends one too early.",
            switch=f"{part}-91b",
        ),
        Mistake(f"{part}-92", f"{what} leaves the first sample out: indices start at 0."),
        Mistake(
            f"{part}-92",
            f"{what} is an average without the first sample: indices start at 0.",
            switch=f"{part}-92b",
        ),
        Mistake(f"{part}-93", f"{what} is divided by N − 1; a mean over the batch divides by N."),
        Mistake(f"{part}-94", f"{what} is divided by N twice; once makes it the mean."),
        Mistake(
            f"{part}-95",
            f"{what} is that of the first sample only: your function returns inside its loop.",
        ),
        Mistake(
            f"{part}-95",
            f"{what} is that of the last sample only: your loop overwrites its result instead of "
            "adding to it.",
            switch=f"{part}-95b",
        ),
        Mistake(
            f"{part}-96",
            f"{what} is an array with one entry, of shape (1,); it should be a number, of shape "
            "().",
        ),
    ]


@dataclass(frozen=True)
class Slips:
    """The identifiers of what goes wrong on the way back through a mean."""

    part: str
    sign: str
    share: str
    upstream: str
    zero: str
    twice: str
    half: str

    def scaled(self, on: Switches, rows: Array, dloss: float) -> Any:
        """Gradient dloss / N · rows, where rows are the derivatives of each sample's term."""
        if self.upstream in on:
            dloss = 1.0
        if self.sign in on:
            dloss = -dloss
        if self.twice in on:
            dloss = 2 * dloss
        if self.half in on:
            dloss = dloss / 2
        count = rows.size
        if self.share in on:
            count = 1
        if f"{self.part}-83" in on:
            count = count * count
        gradient = rows * (dloss / count)
        if self.zero in on:
            gradient = 0 * gradient
        if f"{self.part}-85" in on:
            return gradient.sum()
        if f"{self.part}-86" in on:
            return np.full_like(gradient, gradient.sum() / gradient.size)
        if f"{self.part}-87" in on:
            gradient[-1:] = 0
        if f"{self.part}-88" in on:
            gradient[:1] = 0
        if f"{self.part}-89" in on:
            return gradient[:, np.newaxis]
        return gradient

    def mistakes(self, what: str) -> list[Mistake]:
        return [
            Mistake(self.sign, f"{what} has the wrong sign: it points the other way."),
            Mistake(
                self.share,
                f"{what} misses the 1/N of the mean: each sample's share of dloss is dloss / N.",
            ),
            Mistake(
                self.upstream,
                f"{what} ignores dloss, the gradient that comes from above; it should be "
                "multiplied by it.",
            ),
            Mistake(
                self.zero,
                f"{what} is zero everywhere, as if the loss did not depend on it (detached).",
            ),
            Mistake(self.twice, f"{what} is twice what it should be."),
            Mistake(self.half, f"{what} is half of what it should be."),
            Mistake(f"{self.part}-83", f"{what} is divided by N twice; once is right."),
            Mistake(
                f"{self.part}-85",
                f"{what} is summed to one number; it should have one entry for each sample.",
            ),
            Mistake(
                f"{self.part}-86",
                f"{what} is averaged, so that all samples get the same; each should get its own.",
            ),
            Mistake(
                f"{self.part}-87", f"{what} is never filled in for the last sample: it stays 0."
            ),
            Mistake(
                f"{self.part}-88", f"{what} is never filled in for the first sample: it stays 0."
            ),
            Mistake(f"{self.part}-89", f"{what} has the shape (N, 1); it should be (N,)."),
        ]


def cut(on: Switches, switch: str, gradient: Any, like: Array) -> Any:
    """The gradient put into an array like `like`, which cuts it to integers if that has those."""
    return gradient.astype(like.dtype) if switch in on and like.dtype.kind in "iu" else gradient
