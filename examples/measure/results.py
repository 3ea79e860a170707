"""The published tables of CleanRL and RL Baselines3 Zoo, run again with npppo.

    python examples/measure/results.py [--only NAME ...] [--seeds 0-9] [--jobs N] [--out DIR]

Prints the command of each line, runs it, and writes DIR/results.md anew after each. What is
finished is not run again, and what was interrupted goes on. All of it takes days on one core:
--list shows the lines, --steps N tries them (with a --out of its own).

CleanRL's number is the mean return of the last 100 training episodes, ± its standard deviation over
3 seeds; ours is the same over our seeds. The Zoo's is that of one trained policy played
deterministically, ± the standard deviation over its episodes; ours is the mean of 100 such
episodes, ± the standard deviation over seeds. What is not as in their code:

* CleanRL takes the sample standard deviation of a minibatch's advantages, and an end by the time
  limit for a termination (dialect 1 and 6 of the README). Its `clip_vloss` is `clip_range_vf` here.
* Stable-Baselines3's value loss has no ½ (dialect 2): its vf_coef is doubled here.
* Where the Zoo explores by gSDE, starts from another log standard deviation, or has no orthogonal
  weights, npppo has its own way, and the line says so. A batch_size above the batch is the batch.
"""

import os

os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")

import argparse
import csv
import shlex
from pathlib import Path
from statistics import mean, pstdev
from typing import Any, NamedTuple

import npppo
from npppo.training.checkpoint import write_text
from npppo.training.many import seeds
from npppo.training.sweep import Results

TRAINING = "training: last 100 episodes"
DETERMINISTIC = "deterministic: 100 episodes"
NORMALIZED = {"normalize_observations": True, "normalize_rewards": True}
CLEANRL = {
    **{"n_envs": 4, "n_steps": 128, "batch_size": 128, "n_epochs": 4, "learning_rate": 2.5e-4},
    **{"learning_rate_end": 0.0, "gamma": 0.99, "gae_lambda": 0.95, "clip_range": 0.2},
    **{"clip_range_vf": 0.2, "ent_coef": 0.01, "vf_coef": 0.5, "max_grad_norm": 0.5},
}
CLEANRL_CONTINUOUS = {
    **{**CLEANRL, **NORMALIZED, "n_envs": 1, "n_steps": 2048, "batch_size": 64},
    **{"n_epochs": 10, "learning_rate": 3e-4, "ent_coef": 0.0},
}
SB3 = {  # what the Zoo leaves as Stable-Baselines3 has it
    **{"learning_rate": 3e-4, "learning_rate_end": None, "batch_size": 64, "n_epochs": 10},
    **{"gamma": 0.99, "gae_lambda": 0.95, "clip_range": 0.2, "clip_range_vf": None},
    **{"ent_coef": 0.0, "vf_coef": 1.0, "max_grad_norm": 0.5},
    **{"normalize_observations": False, "normalize_rewards": False},
}


class Line(NamedTuple):
    """A line of a table: what is trained, and what was published."""

    env: str
    steps: int
    metric: str
    published: str
    settings: dict[str, Any]
    but: str = ""  # in what it is another setting


LINES = {
    "cleanrl-cartpole": Line("CartPole-v1", 500_000, TRAINING, "490.04 ± 6.12", CLEANRL),
    "cleanrl-acrobot": Line("Acrobot-v1", 500_000, TRAINING, "-86.36 ± 1.32", CLEANRL),
    "cleanrl-mountaincar": Line("MountainCar-v0", 500_000, TRAINING, "-200.00 ± 0.00", CLEANRL),
    **{
        f"cleanrl-{env.lower()}": Line(
            f"{env}-v5", 1_000_000, TRAINING, published, CLEANRL_CONTINUOUS, "published: v4"
        )
        for env, published in {
            "HalfCheetah": "1442.64 ± 46.03",
            "Hopper": "2382.86 ± 271.74",
            "Walker2d": "2287.95 ± 571.78",
            "InvertedPendulum": "963.09 ± 22.20",
        }.items()
    },
    "zoo-cartpole": Line(
        *("CartPole-v1", 100_000, DETERMINISTIC, "500.00 ± 0.00"),
        {
            **{**SB3, "n_envs": 8, "n_steps": 32, "batch_size": 256, "n_epochs": 20, "gamma": 0.98},
            **{"gae_lambda": 0.8, "learning_rate": 1e-3, "learning_rate_end": 0.0},
            "clip_range_end": 0.0,
        },
    ),
    "zoo-acrobot": Line(
        *("Acrobot-v1", 1_000_000, DETERMINISTIC, "-73.51 ± 18.20"),
        {**SB3, **NORMALIZED, "n_envs": 16, "n_steps": 256, "n_epochs": 4, "gae_lambda": 0.94},
    ),
    "zoo-pendulum": Line(
        *("Pendulum-v1", 100_000, DETERMINISTIC, "-172.23 ± 104.16"),
        {**SB3, "n_envs": 4, "n_steps": 1024, "gamma": 0.9, "learning_rate": 1e-3},
        "published: gSDE",
    ),
    "zoo-mountaincarcontinuous": Line(
        *("MountainCarContinuous-v0", 20_000, DETERMINISTIC, "88.34 ± 2.57"),
        {
            **{**SB3, **NORMALIZED, "n_envs": 1, "n_steps": 8, "batch_size": 8, "gamma": 0.9999},
            **{"gae_lambda": 0.9, "learning_rate": 7.77e-5, "clip_range": 0.1},
            **{"ent_coef": 0.00429, "vf_coef": 0.38, "max_grad_norm": 5.0},
        },
        "published: gSDE from log std -3.29, no orthogonal weights",
    ),
    "zoo-lunarlander": Line(
        *("LunarLander-v3", 1_000_000, DETERMINISTIC, "242.12 ± 31.82"),
        {
            **{**SB3, "n_envs": 16, "n_steps": 1024, "n_epochs": 4},
            **{"gamma": 0.999, "gae_lambda": 0.98, "ent_coef": 0.01},
        },
        "published: v2",
    ),
    "zoo-bipedalwalker": Line(
        *("BipedalWalker-v3", 5_000_000, DETERMINISTIC, "287.94 ± 2.45"),
        {
            **{**SB3, **NORMALIZED, "n_envs": 32, "n_steps": 2048},
            **{"gamma": 0.999, "clip_range": 0.18},
        },
    ),
}


def command(line: Line, out: Path, options: argparse.Namespace) -> str:
    """What one would type for it."""
    words = ["npppo", "sweep", line.env, "--seeds", ",".join(map(str, options.seeds))]
    words += ["--steps", str(options.steps or line.steps), "--out", str(out)]
    words += ["--eval-episodes", str(episodes(line))]
    for name, value in line.settings.items():
        option = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        else:
            words += [f"--{option}", "none" if value is None else str(value)]
    return shlex.join(words)


def episodes(line: Line) -> int:
    """Of the evaluation after the training."""
    return 100 if line.metric == DETERMINISTIC else 0


def seconds(folder: Path) -> float:
    """How long a run has trained: `seconds` of progress.csv begin anew where it was resumed."""
    with open(folder / "progress.csv", newline="") as file:
        times = [float(row["seconds"]) for row in csv.DictReader(file)]
    following = [*times[1:], 0.0]
    return sum(now for now, then in zip(times, following, strict=True) if then < now)


def row(name: str, line: Line, results: Results) -> list[str]:
    """The line's cells."""
    outcomes = results.outcomes
    deterministic = line.metric == DETERMINISTIC
    scores = [done.mean() if deterministic else done.training for done in outcomes.values()]
    steps = mean(outcome.steps for outcome in outcomes.values())
    minutes = mean(seconds(results.folder / run) for run in outcomes) / 60
    return [
        name,
        line.env,
        f"{steps:,.0f}",
        f"{mean(scores):.2f} ± {pstdev(scores):.2f}",
        line.published,
        line.metric,
        str(len(scores)),
        f"{minutes:.1f}",
        line.but,
    ]


TITLES = "line, environment, steps, npppo, published, metric, seeds, minutes a seed, but"


def markdown(rows: list[list[str]]) -> str:
    """The table."""
    titles = TITLES.split(", ")
    return "".join(f"| {' | '.join(cells)} |\n" for cells in [titles, ["---"] * len(titles), *rows])


def main() -> None:
    parser = argparse.ArgumentParser(description="The published tables, run again with npppo.")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=LINES, help="default: all")
    parser.add_argument("--seeds", type=seeds, default=list(range(10)), help="default: 0-9")
    parser.add_argument("--jobs", type=int, help="processes (default: one a core)")
    parser.add_argument("--steps", type=int, metavar="N", help="instead of each line's own")
    parser.add_argument("--out", type=Path, default=Path("runs/results"), metavar="DIR")
    parser.add_argument("--list", action="store_true", help="print the commands alone")
    options = parser.parse_args()
    rows: list[list[str]] = []
    for name in options.only or LINES:
        line, out = LINES[name], options.out / name
        print(f"{name}: {command(line, out, options)}", flush=True)
        if options.list:
            continue
        try:
            results = npppo.sweep(
                line.env,
                options.seeds,
                out,
                jobs=options.jobs,
                steps=options.steps or line.steps,
                eval_episodes=episodes(line),
                progress=True,
                **line.settings,
            )
        except KeyboardInterrupt:
            print("interrupted: the same command goes on with what is missing")
            break
        except ValueError as error:  # as where gymnasium lacks a package, or a version is gone
            print(f"{name} is left out: {error}")
            continue
        for run, error in results.failed.items():
            print(f"{name}, {run} failed: {error}")
        if results.outcomes:
            rows.append(row(name, line, results))
            write_text(options.out / "results.md", markdown(rows))
    if rows:
        print(markdown(rows), end="")


if __name__ == "__main__":
    main()
