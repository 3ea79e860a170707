"""The table of a sweep: how each setting does over its seeds."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import isnan, nan
from pathlib import Path
from typing import Any

import numpy as np

from .checkpoint import write_text
from .job import Outcome
from .statistics import bootstrap_interval, iqm, mean, median, std

Setting = tuple[tuple[str, Any], ...]  # (name, value) of what varies in a sweep
Table = list[dict[str, Any]]

STATISTICS = {"mean": mean, "std": std, "median": median, "iqm": iqm}
NUMBERS = {f"{name}{end}" for name in STATISTICS for end in ("", "_low", "_high")}
SEED = 0  # of the resamples: the same scores have the same intervals
TITLES = {
    "evaluation": "evaluation, mean return of deterministic episodes",
    "training": "training, mean return of the last 100 episodes",
    "iqm": "IQM",
}


def table(outcomes: Mapping[Setting, Sequence[Outcome]]) -> Table:
    """A row for each setting and score.

    A seed's score is the mean return of its evaluation's episodes, or that of its last 100 training
    episodes. Over the seeds: mean, sample standard deviation, median and interquartile mean, with
    95 % stratified bootstrap intervals, as statistics.py defines them. None is what a single seed
    cannot say, or one without a finished episode spoils.
    """
    scores: dict[str, Callable[[Outcome], float]] = {
        "evaluation": lambda outcome: outcome.mean(),
        "training": lambda outcome: outcome.training,
    }
    if all(outcome.is_unevaluated() for seeds in outcomes.values() for outcome in seeds):
        del scores["evaluation"]
    return [
        {**dict(setting), "score": score, **summary([of(outcome) for outcome in seeds])}
        for score, of in scores.items()
        for setting, seeds in outcomes.items()
    ]


def summary(scores: Sequence[float]) -> dict[str, Any]:
    """The statistics of one setting's scores, by the name of their column."""
    array = np.array(scores, float).reshape(-1, 1)  # (N, 1)
    row: dict[str, Any] = {"seeds": len(scores)}
    for name, statistic in STATISTICS.items():
        value = float(statistic(array)) if len(scores) else nan
        row[name] = None if isnan(value) else value
        if name == "std":
            continue
        ends: tuple[float | None, ...] = (None, None)
        if len(scores) > 1 and not isnan(value):
            rng = np.random.default_rng(SEED)
            ends = tuple(map(float, bootstrap_interval(array, statistic, rng)))
        row[f"{name}_low"], row[f"{name}_high"] = ends
    return row


def spoken(value: Any) -> str:
    """A hyperparameter's value, as in the name of a folder and as --set takes it."""
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    return "-".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)


def label(setting: Iterable[tuple[str, Any]]) -> str:
    """A setting in words; empty where nothing varies."""
    return ",".join(f"{name}={spoken(value)}" for name, value in setting)


def write_table(path: Path, rows: Table) -> None:
    """Write it as CSV, with full precision, and nothing where there is no number."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(rows[0])
    writer.writerows(
        ["" if value is None and name in NUMBERS else spoken(value) for name, value in row.items()]
        for row in rows
    )
    write_text(path, text.getvalue())


def as_text(rows: Table) -> str:
    """The table for people."""
    lines: list[str] = []
    for score in dict.fromkeys(row["score"] for row in rows):
        cells = [["setting", "seeds", *(TITLES.get(name, name) for name in STATISTICS)]]
        for row in rows:
            if row["score"] == score:
                setting = itertools.takewhile(lambda item: item[0] != "score", row.items())
                numbers = [_with_interval(row, name) for name in STATISTICS]
                cells.append([label(setting) or "all", str(row["seeds"]), *numbers])
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines += [""] * bool(lines)
        lines.append(f"{TITLES[score]} [95 % bootstrap interval over the seeds]")
        for line in cells:
            padded = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
            lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)


def _with_interval(row: dict[str, Any], name: str) -> str:
    if row[name] is None:
        return "-"
    low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
    return f"{row[name]:,.2f}" + ("" if low is None else f" [{low:,.2f}, {high:,.2f}]")
