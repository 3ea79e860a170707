"""The commands: npppo train, eval, plot, check; the teachers' ones are in grading_cli.py."""

from __future__ import annotations

import argparse
import io
import math
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

# The networks are small: a second BLAS thread costs more than it brings. This must come before
# the first import of NumPy, which is why the commands import what they need when they run.
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
if not any(variable in os.environ for variable in THREADS):  # one would overrule another
    os.environ.update(dict.fromkeys(THREADS, "1"))

if TYPE_CHECKING:
    from .learner import PPO, Row

EXIT_WRONG_INPUT = 2
EXIT_INTERRUPTED = 130
DEFAULT_STEPS = 1_000_000
HELP = {
    "learning_rate": "Adam's step size",
    "learning_rate_end": "where the learning rate arrives, linearly, at the end",
    "n_envs": "environments side by side",
    "n_steps": "steps of each environment between two updates",
    "batch_size": "rows of a minibatch",
    "n_epochs": "passes over the data of an update",
    "gamma": "discount factor γ",
    "gae_lambda": "λ of generalized advantage estimation",
    "clip_range": "the ratio is clipped to 1 ± this",
    "clip_range_end": "where the clip range arrives, linearly, at the end",
    "clip_range_vf": "clip the value loss at ± this (not clipped without)",
    "ent_coef": "weight of the entropy bonus",
    "vf_coef": "weight of the value loss",
    "max_grad_norm": "the gradient's norm is limited to this",
    "target_kl": "end an update when the KL divergence exceeds 1.5 times this",
    "normalize_advantage": "normalise the advantages of each minibatch",
    "net_arch": "widths of the hidden layers",
    "activation": "tanh or relu",
    "shared_trunk": "one set of hidden layers for policy and value function",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # a terminal or a file may not know γ
        sys.stdout.reconfigure(errors="backslashreplace")
    options = vars(_parser().parse_args(arguments))
    command = options.pop("command")
    try:
        code = int(command(**options))
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # whoever read our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (ValueError, TypeError, FloatingPointError, OSError, MemoryError) as error:
        print(f"npppo: {error}", file=sys.stderr)
        return EXIT_WRONG_INPUT
    except KeyboardInterrupt:
        print("npppo: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED


class Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one line, without the usage of twenty options."""

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_WRONG_INPUT, f"npppo: {message} (see {self.prog} --help)\n")


def _parser() -> Parser:
    from dataclasses import fields

    from . import __version__
    from .algorithms.ppo import PPOConfig
    from .grading_cli import add_commands

    parser = Parser(
        prog="npppo",
        description="Proximal Policy Optimization in NumPy, every gradient by hand.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"npppo {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    train = commands.add_parser("train", help="train a policy", allow_abbrev=False)
    train.set_defaults(command=train_command)
    train.add_argument("env", nargs="?", metavar="ENV", help="id of the environment")
    train.add_argument("--steps", type=_whole, help="environment steps in all")
    train.add_argument("--seed", type=_whole, help="default: 0")
    train.add_argument("--out", type=Path, metavar="DIR", help="default: runs/ENV-NUMBER")
    train.add_argument(
        "--stop-at",
        type=float,
        metavar="RETURN",
        help="stop when the last 100 training episodes have this mean return",
    )
    train.add_argument("--resume", type=Path, metavar="DIR", help="go on with an interrupted run")
    group = train.add_argument_group(
        "hyperparameters", "defaults are those of PPOConfig, or of presets.py for the environment"
    )
    for field in fields(PPOConfig):
        _add_hyperparameter(group, field.name, str(field.type))

    evaluate = commands.add_parser("eval", help="evaluate a trained policy", allow_abbrev=False)
    evaluate.set_defaults(command=eval_command)
    evaluate.add_argument("folder", type=Path, metavar="DIR", help="folder of a run")
    evaluate.add_argument("--episodes", type=_whole, help="default: 100; 1 with a picture")
    evaluate.add_argument("--seed", type=_whole, default=0, help="default: 0")
    evaluate.add_argument("--stochastic", action="store_true", help="draw the actions")
    evaluate.add_argument("--render", action="store_true", help="show the episodes in a window")
    evaluate.add_argument("--video", type=Path, metavar="FILE", help="record one episode")

    plot = commands.add_parser("plot", help="draw learning curves", allow_abbrev=False)
    plot.set_defaults(command=plot_command)
    plot.add_argument("folders", type=Path, nargs="+", metavar="DIR", help="folders of runs")
    plot.add_argument("-o", "--output", type=Path, required=True, metavar="FILE")

    check = commands.add_parser("check", help="check every gradient", allow_abbrev=False)
    check.set_defaults(command=check_command)
    check.add_argument("--seed", type=_whole, default=0, help="default: 0")
    add_commands(commands)
    return parser


def _whole(text: str) -> int:
    """A whole number, also as 1e5 or 100_000."""
    try:
        number = float(text)
        if number != int(number):
            raise ValueError
        return int(text) if text.isdigit() else int(number)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None


def _add_hyperparameter(group: argparse._ArgumentGroup, name: str, kind: str) -> None:
    option = "--" + name.replace("_", "-")
    # absent options are left out, so that presets and defaults can take their place
    shared: dict[str, Any] = {"dest": name, "default": argparse.SUPPRESS, "help": HELP[name]}
    if kind == "bool":
        group.add_argument(option, action=argparse.BooleanOptionalAction, **shared)
    elif kind.startswith("tuple"):
        group.add_argument(option, type=_whole, nargs="+", metavar="WIDTH", **shared)
    else:
        types: dict[str, Any] = {"int": _whole, "str": str}
        group.add_argument(option, type=types.get(kind, float), metavar="X", **shared)


def train_command(
    env: str | None,
    steps: int | None,
    seed: int | None,
    out: Path | None,
    stop_at: float | None,
    resume: Path | None,
    **hyperparameters: Any,
) -> int:
    """Train a new policy, or go on with an interrupted run; then evaluate it."""
    from . import run
    from .learner import PPO
    from .presets import PRESETS

    if stop_at is not None and not math.isfinite(stop_at):
        raise ValueError(f"--stop-at is {stop_at}, expected a finite number")
    if resume is not None:
        given = {"seed": seed, "out": out, **hyperparameters}
        for name, value in given.items():
            if value is not None:
                raise ValueError(
                    f"--{name.replace('_', '-')} cannot change on --resume: "
                    f"the run in {resume} keeps its own"
                )
        begun_on = run.read_config(resume)["env"]
        if env is not None and env != begun_on:
            raise ValueError(f"ENV is {env}, but the run in {resume} is on {begun_on}")
        model, settings = run.resume(resume)
        folder = resume
        if steps is not None and steps < model.num_timesteps:
            raise ValueError(
                f"--steps is {steps}, but the run in {resume} has made {model.num_timesteps}"
            )
        steps = steps if steps is not None else settings["total_timesteps"]
        stop_at = stop_at if stop_at is not None else settings["stop_at"]
        run.write_config(folder, model, {"total_timesteps": steps, "stop_at": stop_at})
        print(f"resuming {folder} at {model.num_timesteps:,} steps")
    else:
        if env is None:
            raise ValueError("ENV is missing: npppo train ENV, or npppo train --resume DIR")
        preset = PRESETS.get(env, {})
        steps = steps if steps is not None else preset.get("total_timesteps", DEFAULT_STEPS)
        if steps < 1:
            raise ValueError(f"--steps is {steps}, expected 1 or more")
        folder = out if out is not None else _free_folder(env)
        model = PPO(env, seed=0 if seed is None else seed, **hyperparameters)
        run.begin(folder, model, {"total_timesteps": steps, "stop_at": stop_at})

    progress = Progress(steps)
    with Interruptible() as interrupted:
        finished = run.train(
            folder,
            model,
            steps,
            stop_at,
            lambda row: progress.show(row) and not interrupted.asked,
        )
    progress.close()
    if not finished:
        print(f"interrupted at {model.num_timesteps:,} of {steps:,} steps, saved in {folder}")
        print(f"resume with: npppo train --resume {folder}")
        return EXIT_INTERRUPTED

    reached = run.is_reached(model, stop_at)
    why = f"a mean training return of {stop_at:g}" if reached else "the end of the training"
    print(f"reached {why} after {model.num_timesteps:,} steps, {progress.seconds():.1f} s")
    _print_evaluation(model, episodes=100, seed=0, deterministic=True)
    print(f"saved in {folder}: npppo eval {folder}")
    return 0


def _free_folder(env: str) -> Path:
    name = env.replace("/", "_").replace(":", "_")
    number = 1
    while (folder := Path("runs", f"{name}-{number}")).exists():
        number += 1
    return folder


class Interruptible:
    """Ctrl-C asks the training to stop after the update at hand; a second one stops at once."""

    def __enter__(self) -> Interruptible:
        self.asked = False
        self._before = signal.signal(signal.SIGINT, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _ask(self, *_: object) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


class Progress:
    """One line: on a terminal updated in place, in a pipe printed now and then."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.in_place = sys.stdout.isatty()
        self.pause = 0.1 if self.in_place else 10.0  # seconds between two lines
        self.began = self.shown = time.perf_counter()
        self.first: int | None = None
        self.line = ""

    def seconds(self) -> float:
        return time.perf_counter() - self.began

    def show(self, row: Row) -> bool:
        """Show the line of an update if it is time to; always True."""
        if self.first is None:
            self.first = int(row["timesteps"])
        share = min(1.0, row["timesteps"] / self.total)
        speed = max(1.0, row["timesteps"] - self.first) / max(1e-9, self.seconds())
        left = max(0.0, self.total - row["timesteps"]) / speed
        self.line = (
            f"{share:4.0%}  {int(row['timesteps']):,} steps  return {row['return']:.1f}  "
            f"{speed:,.0f} steps/s  {_clock(left)} left"
        )
        if time.perf_counter() - self.shown >= self.pause:
            self.shown = time.perf_counter()
            self._print()
        return True

    def close(self) -> None:
        """The last state of the line, whenever it was shown."""
        if self.line:
            self._print()
            if self.in_place:
                print()

    def _print(self) -> None:
        if self.in_place:
            print(f"\r\x1b[K{self.line}", end="", flush=True)
        else:
            print(self.line, flush=True)


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def _print_evaluation(model: PPO, episodes: int, seed: int, deterministic: bool) -> None:
    from .evaluate import evaluate

    results = evaluate(model, episodes, seed, deterministic)
    _print_results(results, "deterministic" if deterministic else "stochastic")


def _print_results(results: list[tuple[float, int]], policy: str) -> None:
    import numpy as np

    returns, lengths = (np.array(column) for column in zip(*results, strict=True))  # (N,)
    episodes = "1 episode" if len(returns) == 1 else f"{len(returns)} episodes"
    print(
        f"{episodes}, {policy} policy: return {returns.mean():.2f} "
        f"± {returns.std():.2f} (from {returns.min():.1f} to {returns.max():.1f}), "
        f"length {lengths.mean():.1f}"
    )


def eval_command(
    folder: Path,
    episodes: int | None,
    seed: int,
    stochastic: bool,
    render: bool,
    video: Path | None,
) -> int:
    """Evaluate the policy of a run, or show it in a window, or record it."""
    from . import run
    from .learner import load

    run.read_config(folder)
    model = load(folder)
    if render and video is not None:
        raise ValueError("--render and --video cannot go together: one window, or one file")
    if render or video is not None:
        from .evaluate import watch

        results = watch(model, 1 if episodes is None else episodes, seed, not stochastic, video)
        _print_results(results, "stochastic" if stochastic else "deterministic")
    else:
        _print_evaluation(model, 100 if episodes is None else episodes, seed, not stochastic)
    return 0


def plot_command(folders: list[Path], output: Path) -> int:
    """Draw learning curves."""
    from .plot import plot

    plot(folders, output)
    print(f"drew {output}")
    return 0


def check_command(seed: int) -> int:
    """Check every gradient of the package and print the table."""
    from .check import format_table
    from .check_cases import check_package

    results = check_package(seed)
    print(format_table(results))
    return 0 if all(result.ok for result in results) else 1
