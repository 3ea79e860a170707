"""The grader graded: is every known mistake rejected and named, every permitted style accepted?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from ..exercises.answers import EXERCISES, reference, varied
from ..exercises.exercise import Case, Exercise, Switches
from ..exercises.trees import mapped, several
from ..judging.attempt import Attempt, attempted
from ..judging.diagnosis import diagnose
from ..judging.match import Variants
from ..process.sandbox import Error, Outcome

Style = Callable[[Any], Any]


def in_single(x: Any) -> Any:
    x = np.asarray(x)
    return x.astype(np.float32) if x.dtype.kind == "f" else x


def sequences(change: type) -> Style:
    def styled(tree: Any) -> Any:
        return change(styled(x) for x in tree) if several(tree) else tree

    return styled


# What a right answer may look like.
STYLES: dict[str, Style] = {
    "single precision": partial(mapped, in_single),
    "Python numbers for scalars": partial(
        mapped, lambda x: x if np.ndim(x) else np.asarray(x).item()
    ),
    "NumPy scalars": partial(mapped, lambda x: x if np.ndim(x) else np.asarray(x)[()]),
    "0-d arrays": partial(mapped, np.asarray),
    "nested lists for an array": lambda x: x.tolist() if isinstance(x, np.ndarray) else x,
    "tuples for lists": sequences(tuple),
    "lists for tuples": sequences(list),
    "another memory layout": partial(
        mapped, lambda x: np.asfortranarray(x) if np.ndim(x) > 1 else x
    ),
}


@dataclass
class Tally:
    """What became of one function's mistakes and styles."""

    mistakes: int = 0
    rejected: int = 0
    named: int = 0
    aliases: int = 0
    confused: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def tallies(seed: int = 0) -> dict[str, Tally]:
    """One row for each function."""
    return {name: tested(exercise, seed) for name, exercise in EXERCISES.items()}


def tested(exercise: Exercise, seed: int) -> Tally:
    cases = exercise.battery.draw(np.random.default_rng(seed))
    row = Tally()
    variants = Variants(exercise, cases)
    for mistake in exercise.mistakes:
        tried = with_mistakes(exercise, cases, frozenset([mistake.switch]))
        row.mistakes += 1
        row.rejected += not tried.right
        ids = (diagnose(tried, variants).id or "nothing").split("/")
        row.named += ids == [mistake.id]
        row.aliases += mistake.id in ids and len(ids) > 1
        if tried.right or mistake.id not in ids:
            row.confused.append(f"{mistake.switch} taken for {'/'.join(ids)}")
    for style, change in STYLES.items():
        results = [change(reference(exercise.name, case)) for case in cases]
        right = [Outcome("value", result) for result in results]
        if not attempted(exercise, cases, right).right:
            row.refused.append(style)
    return row


def with_mistakes(exercise: Exercise, cases: list[Case], on: Switches) -> Attempt:
    """What a student who makes these mistakes would answer."""
    outcomes = []
    for case in cases:
        try:
            with np.errstate(all="ignore"):
                outcomes.append(Outcome("value", varied(exercise, on, case)))
        except (ArithmeticError, ValueError, IndexError, TypeError) as error:
            outcomes.append(Outcome("raised", error=Error(type(error).__name__, str(error))))
    return attempted(exercise, cases, outcomes)


def format_rows(rows: dict[str, Tally]) -> str:
    """The confusion table."""
    lines = [f"{'function':34}{'mistakes':>9}{'rejected':>9}{'named':>7}{'aliases':>8}  remarks"]
    for name, row in rows.items():
        remarks = "; ".join([*row.confused, *(f"refuses {style}" for style in row.refused)])
        counts = f"{row.mistakes:9}{row.rejected:9}{row.named:7}{row.aliases:8}"
        lines.append(f"{name:34}{counts}  {remarks}".rstrip())
    total = [
        sum(getattr(row, column) for row in rows.values())
        for column in ("mistakes", "rejected", "named", "aliases")
    ]
    lines.append(f"{'all':34}{total[0]:9}{total[1]:9}{total[2]:7}{total[3]:8}")
    styles = sum(not row.refused for row in rows.values())
    lines.append(
        f"{len(STYLES)} styles of right answers, accepted in {styles} of {len(rows)} functions"
    )
    return "\n".join(lines)


def passes(rows: dict[str, Tally]) -> bool:
    return not any(row.confused or row.refused for row in rows.values())
