"""Known mistakes in going through the rows of a batch and in summing over each."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..exercise import Array, Mistake, Switches

UNFILLED = frozenset(["ROW-01", "COL-01"])


def without_last(on: Switches, x: Array) -> Array:
    """As a loop over the rows or the actions leaves it that stops one short."""
    if on & UNFILLED:
        x = x.copy()
    if "ROW-01" in on:
        x[-1] = 0
    if "COL-01" in on:
        x[..., -1] = 0
    return x


LAST_ROW = Mistake("ROW-01", "The last row is never filled: the loop stops one row short.")
LAST_ACTION = Mistake("COL-01", "The last action is left out: the loop stops one action short.")


def summed(on: Switches, terms: Array, family: str) -> Array:
    """Sum over the actions, of which there are several ways to go wrong: (N, A) -> (N,)."""
    wrong: dict[str, Callable[[], Array]] = {
        "unsummed": lambda: terms,  # (N, A)
        "mean": lambda: terms.mean(axis=1),
        "axis": lambda: terms.sum(axis=0),  # (A,)
        "total": lambda: terms.sum(),
        "average": lambda: terms.sum(axis=1).mean(),
        "all": lambda: terms.mean(),
        "kept": lambda: terms.sum(axis=1, keepdims=True),
    }
    for name, change in wrong.items():
        if f"{family}-{name}" in on:
            return np.asarray(change())
    return np.asarray(terms.sum(axis=1))


def sums(what: str, family: str, over: str = "actions", **ids: str) -> list[Mistake]:
    """Mistakes in a sum over the actions, by their names in `summed`."""
    sentences = {
        "unsummed": f"The sum over the {over} is missing: {what} is one number per row, (N,).",
        "mean": f"{what} is averaged over the {over}, which makes it A times too small; sum.",
        "axis": f"{what} is summed down the batch (axis 0); sum over the {over} (axis 1).",
        "total": f"{what} is summed over the batch too; it is one number per row, (N,).",
        "average": f"{what} is averaged over the batch; it is one number per row, (N,).",
        "all": f"{what} is averaged over rows and {over}; it is one sum per row, (N,).",
        "kept": f"{what} has shape (N, 1), expected (N,): sum without keepdims.",
    }
    return [
        Mistake(id, sentences[name][0].upper() + sentences[name][1:], switch=f"{family}-{name}")
        for name, id in ids.items()
    ]
