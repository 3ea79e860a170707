"""The commands of many runs: npppo sweep, plot."""

from __future__ import annotations

import argparse
import shlex
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

from . import run
from .checkpoint import expect_free
from .commands import EXIT_INTERRUPTED, OPTIONS, add_training, added, import_from_here, whole
from .curves import BANDS, CENTERS, groups, runs_in, shortened
from .learner import ALGORITHMS
from .plot import expect_drawable, plot

EXIT_FAILED = 1
MOST_SEEDS = 1_000_000  # of a range: more are a slip of the hand, and a list that fits nowhere


def seeds(text: str) -> list[int]:
    """Whole numbers from 0 on, such as 0-19 or 3,5,10-12."""
    numbers: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not (first.isdecimal() and (last.isdecimal() or not dash)):
            raise argparse.ArgumentTypeError(f"{part!r} is no seed, expected such as 3 or 0-19")
        if dash and int(last) < int(first):
            raise argparse.ArgumentTypeError(f"{part!r} descends, expected such as {last}-{first}")
        if dash and int(last) - int(first) >= MOST_SEEDS:
            raise argparse.ArgumentTypeError(
                f"{part!r} is {int(last) - int(first) + 1:,} seeds, expected at most {MOST_SEEDS:,}"
            )
        numbers += range(int(first), int(last or first) + 1)
    return numbers


def values(text: str) -> tuple[str, list[str]]:
    """NAME=VALUE,VALUE,... as a name and what it is to be."""
    name, equals, given = text.partition("=")
    if not equals or not all(given.split(",")):
        raise argparse.ArgumentTypeError(f"{text!r}, expected NAME=VALUE,VALUE,...")
    return name.replace("-", "_"), given.split(",")


def value(made: Field[Any], text: str) -> Any:
    """A hyperparameter's value, as the name of a folder has it; ValueError where it is none."""
    kind, optional, _ = str(made.type).partition(" | None")
    try:
        if optional and text == "none":
            return None
        if kind == "bool":
            return {"yes": True, "no": False}[text]
        if kind == "tuple[int, ...]":
            return tuple(map(whole, text.split("-")))
        return OPTIONS[kind].get("type", str)(text)
    except (ValueError, KeyError, argparse.ArgumentTypeError):
        expected = "yes or no" if kind == "bool" else made.metadata["expected"]
        raise ValueError(
            f"--set {made.name}: {text!r} is no value of it, expected {expected}"
        ) from None


def add_commands(commands: Any) -> None:
    """Add the commands to the parser's."""
    many = added(commands, "sweep", "train with many seeds, and settings", sweep_command)
    many.add_argument("env", metavar="ENV", help="id of the environment")
    many.add_argument("--seeds", type=seeds, metavar="A-B", help="or A,B,... (default: 0-9)")
    many.add_argument("--jobs", type=whole, metavar="N", help="processes (default: one a core)")
    many.add_argument("--out", type=Path, metavar="DIR", help="default: runs/ENV-ALGO-sweep")
    many.add_argument(
        "--set",
        dest="settings",
        type=values,
        nargs="+",
        action="extend",
        metavar="NAME=VALUE,...",
        help="values of a hyperparameter, each to be tried, with each of another one's: "
        "learning_rate=1e-3,3e-4 net_arch=64-64,128 normalize_advantage=yes,no target_kl=none,0.1",
    )
    add_training(many)

    curves = added(commands, "plot", "draw learning curves", plot_command)
    curves.add_argument("folders", type=Path, nargs="+", metavar="DIR", help="of runs, of sweeps")
    curves.add_argument("-o", "--output", type=Path, required=True, metavar="FILE")
    curves.add_argument("--center", choices=CENTERS, help="of several seeds (default: mean)")
    curves.add_argument(
        "--band",
        choices=BANDS,
        help="about it: 95 %% bootstrap interval, or ± standard deviation (default: interval)",
    )
    curves.add_argument("--force", action="store_true", help="overwrite FILE")


def sweep_command(
    env: str, settings: list[tuple[str, list[str]]] | None = None, algo: str = "PPO", **given: Any
) -> int:
    """Train all settings with all seeds, and print how they do."""
    from .results import as_text
    from .sweep import RESULTS, sweep

    known = {made.name: made for made in fields(ALGORITHMS[algo].algorithm.config)}
    grid: dict[str, list[Any]] = {}
    for name, texts in settings or []:
        if name in grid:
            raise ValueError(f"--set has {name} twice")
        # an unknown one is refused in a sentence that has all that are known
        grid[name] = [value(known[name], text) if name in known else text for text in texts]
    import_from_here(env)
    try:
        results = sweep(env, algo=algo, settings=grid, progress=True, **given)
    except KeyboardInterrupt:
        print("interrupted: the same command goes on with what is missing")
        return EXIT_INTERRUPTED
    print(as_text(results.table))
    for name, outcome in results.outcomes.items():
        if outcome.missing:
            print(f"{name}: {outcome.missing}")
    if results.failed:
        print(f"{len(results.failed)} failed, as said above: the same command tries again")
    quoted = shlex.quote(str(results.folder))
    drawn = f": npppo plot {quoted} -o curves.png" if results.outcomes else ""
    print(f"wrote {results.folder / RESULTS}{drawn}")
    return EXIT_FAILED if results.failed else 0


def plot_command(
    folders: list[Path],
    output: Path,
    center: str = "mean",
    band: str = "interval",
    force: bool = False,
) -> int:
    """Draw learning curves."""
    runs = runs_in(folders)
    expect_free(output, force, *(file for folder in runs for file in run.files(folder)))
    expect_drawable(output)
    # of a sweep, where some may wait or have failed, what there is; a run that is named is expected
    begun = [folder for folder in runs if folder in folders or run.read_progress(folder)]
    drawn = groups(begun or runs)
    plot(drawn, output, center, band)
    for folder in runs:
        if folder not in begun:
            print(f"{folder} has no progress to plot yet: it is left out")
    for said in filter(None, map(shortened, drawn)):
        print(said)
    print(f"drew {output}")
    return 0
