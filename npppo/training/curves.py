"""Learning curves of many runs: which belong together, and what they say at the same steps."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any

import numpy as np

from ..formulas.shapes import Array
from .results import spoken
from .run import CONFIG, read_config, read_progress
from .statistics import bootstrap_interval, iqm, mean, std

POINTS = 100  # of the common grid
RESAMPLES = 2_000  # a picture shows no more
SEED = 0  # of the resamples: the same runs have the same picture

CENTERS = {"mean": mean, "iqm": iqm}
BANDS = {"interval": "95 % bootstrap interval", "std": "± standard deviation"}

Rows = list[dict[str, str]]


@dataclass(frozen=True)
class Group:
    """Runs that differ in nothing but their seed; `label` says in what from other groups."""

    label: str
    config: dict[str, Any]
    runs: list[Rows]


@dataclass(frozen=True)
class Curve:
    """What is drawn of a group, all (T,); `low` and `high` are nan where there is one run."""

    steps: Array
    center: Array
    low: Array
    high: Array


def runs_in(folders: Sequence[Path]) -> list[Path]:
    """The runs among `folders`, and all that are in one that is no run itself; each once."""
    found: dict[Path, Path] = {}
    for folder in folders:
        inside = [] if (folder / CONFIG).exists() else sorted(folder.rglob(CONFIG))
        for run in [path.parent for path in inside] or [folder]:
            found.setdefault(run.resolve(), run)
    return list(found.values())


def groups(runs: Sequence[Path]) -> list[Group]:
    """The runs by everything but the seed, in the order in which they are given.

    Raises ValueError for two of the same seed, which would count twice.
    """
    members: dict[str, dict[int, Path]] = defaultdict(dict)
    for folder in runs:
        config = {"algorithm": "PPO", **read_config(folder)}
        seed = config.pop("seed")
        same = members[json.dumps(config, sort_keys=True)]
        if seed in same:
            raise ValueError(
                f"{same[seed]} and {folder} have the same settings and the seed {seed}, "
                "expected each run once"
            )
        same[seed] = folder
    configs = [json.loads(key) for key in members]
    return [
        Group(_label(config, configs), config, [_rows(folder) for folder in same.values()])
        for config, same in zip(configs, members.values(), strict=True)
    ]


def _rows(folder: Path) -> Rows:
    rows = read_progress(folder)
    if not rows:
        raise ValueError(f"{folder} has no progress to plot yet")
    return rows


def _label(config: dict[str, Any], configs: list[dict[str, Any]]) -> str:
    """What differs: environment and algorithm, and among those that have both the same, the rest.

    Two algorithms differ in most of their hyperparameters, which their name stands for.
    """
    named = ("env", "algorithm")
    words = [config[name] for name in named if len({other[name] for other in configs}) > 1]
    alike = [other for other in configs if all(other[name] == config[name] for name in named)]
    for name, value in config.items():
        if any(other.get(name) != value for other in alike):
            words.append(f"{name}={spoken(value)}")
    return ", ".join(words)


def curve(group: Group, column: str, center: str, band: str) -> Curve:
    """A column of progress.csv, over the runs of a group.

    A run by itself is drawn as it is. Several have updates at different steps: each is interpolated
    linearly at the same POINTS steps, from the first that all have reached to the last one, which
    is where the shortest run ends. The band is pointwise: at each step the center's bootstrap
    interval (the same resamples of whole runs at all steps), or the sample standard deviation on
    both sides.
    """
    lines = [
        np.array([(float(row["timesteps"]), float(row.get(column, nan))) for row in rows])  # (U, 2)
        for rows in group.runs
    ]
    if len(lines) == 1:
        steps, values = lines[0].T  # (U,), (U,)
        unknown = np.full_like(values, nan)  # (U,)
        return Curve(steps, values, unknown, unknown)
    first, last = max(line[0, 0] for line in lines), min(line[-1, 0] for line in lines)
    steps = np.linspace(first, max(first, last), POINTS)  # (T,)
    values = np.array([np.interp(steps, *line.T) for line in lines])  # (N, T)
    scores = values.T[:, :, None]  # (T, N, 1): one task
    middle = CENTERS[center](scores)  # (T,)
    if band == "std":
        low, high = middle - std(scores), middle + std(scores)  # (T,), (T,)
    else:
        rng = np.random.default_rng(SEED)
        low, high = bootstrap_interval(scores, CENTERS[center], rng, RESAMPLES)  # (T,), (T,)
    return Curve(steps, middle, low, high)


def shortened(group: Group) -> str:
    """A sentence where the curve leaves out more than a tenth of the longest run."""
    ends = [int(rows[-1]["timesteps"]) for rows in group.runs]
    if min(ends) >= 0.9 * max(ends):
        return ""
    return (
        f"{group.label or 'the curve'} ends at {min(ends):,} steps, as the shortest of its "
        f"{len(ends)} runs does (the longest at {max(ends):,})"
    )
