"""The commands of training: npppo train, eval, plot."""

from __future__ import annotations

import argparse
import math
import os
import shlex
import signal
import sys
from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .progress import Line, Progress

if TYPE_CHECKING:
    from .evaluate import Episodes
    from .learner import PPO

EXIT_INTERRUPTED = 130
DEFAULT_STEPS = 1_000_000
HELP = {
    "learning_rate": "Adam's step size",
    "learning_rate_end": "where the learning rate arrives, linearly, at the end",
    "n_envs": "environments side by side",
    "n_steps": "steps of each environment between two updates",
    "batch_size": "rows of a minibatch; where it is not given no more than there are",
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


def add_commands(commands: Any) -> None:
    """Add the commands to the parser's."""
    from ..algorithms.ppo import PPOConfig
    from .presets import PRESETS

    train = commands.add_parser("train", help="train a policy", allow_abbrev=False)
    train.set_defaults(command=train_command)
    train.add_argument("env", nargs="?", metavar="ENV", help="id of the environment")
    train.add_argument(
        "--steps",
        type=whole,
        help=f"environment steps in all ({_defaults('total_timesteps', DEFAULT_STEPS)})",
    )
    train.add_argument("--seed", type=whole, help="default: 0")
    train.add_argument("--out", type=Path, metavar="DIR", help="default: runs/ENV-NUMBER")
    train.add_argument(
        "--stop-at",
        type=float,
        metavar="RETURN",
        help="stop when the last 100 training episodes have this mean return",
    )
    train.add_argument("--resume", type=Path, metavar="DIR", help="go on with an interrupted run")
    train.add_argument(
        "--keep-schedules",
        action="store_true",
        help="with --resume: the linear schedules end where they did, whatever --steps says",
    )
    train.add_argument(
        "--eval-episodes",
        type=whole,
        default=100,
        metavar="N",
        help="of the evaluation at the end; 0: none (default: 100)",
    )
    _add_max_steps(train)
    _add_force(train, "the run in --out DIR")
    group = train.add_argument_group(
        "hyperparameters", f"where an environment is named its preset: {', '.join(PRESETS)}"
    )
    for field in fields(PPOConfig):
        _add_hyperparameter(group, field.name, str(field.type), field.default)

    evaluate = commands.add_parser("eval", help="evaluate a trained policy", allow_abbrev=False)
    evaluate.set_defaults(command=eval_command)
    evaluate.add_argument("folder", type=Path, metavar="DIR", help="folder of a run")
    evaluate.add_argument("--episodes", type=whole, help="default: 100; 1 with a picture")
    evaluate.add_argument("--seed", type=whole, default=0, help="default: 0")
    evaluate.add_argument("--stochastic", action="store_true", help="draw the actions")
    evaluate.add_argument("--render", action="store_true", help="show the episodes in a window")
    evaluate.add_argument("--video", type=Path, metavar="FILE", help="record one episode")
    _add_max_steps(evaluate)
    _add_force(evaluate, "the video")

    plot = commands.add_parser("plot", help="draw learning curves", allow_abbrev=False)
    plot.set_defaults(command=plot_command)
    plot.add_argument("folders", type=Path, nargs="+", metavar="DIR", help="folders of runs")
    plot.add_argument("-o", "--output", type=Path, required=True, metavar="FILE")
    _add_force(plot, "FILE")


def whole(text: str) -> int:
    """A whole number, also as 1e5 or 100_000."""
    try:
        number = float(text)
        if number != int(number):
            raise ValueError
        return int(text) if text.isdigit() else int(number)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None


def _add_max_steps(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--max-steps",
        type=whole,
        metavar="N",
        help="of an episode of the evaluation (default: the environment's limit, else 10,000)",
    )


def _add_force(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("--force", action="store_true", help=f"overwrite {what}")


def _add_hyperparameter(
    group: argparse._ArgumentGroup, name: str, kind: str, default: object
) -> None:
    option = "--" + name.replace("_", "-")
    said = f"{HELP[name]} ({_defaults(name, default)})"
    # absent options are left out, so that presets and defaults can take their place
    shared: dict[str, Any] = {"dest": name, "default": argparse.SUPPRESS, "help": said}
    if kind == "bool":
        group.add_argument(option, action=argparse.BooleanOptionalAction, **shared)
    elif kind.startswith("tuple"):
        group.add_argument(option, type=whole, nargs="+", metavar="WIDTH", **shared)
    else:
        types: dict[str, Any] = {"int": whole, "str": str}
        group.add_argument(option, type=types.get(kind, float), metavar="X", **shared)


def _defaults(name: str, default: object) -> str:
    """What a hyperparameter is where it is not given, in words."""
    from .presets import PRESETS

    values = {"default": default}
    values.update((env, preset[name]) for env, preset in PRESETS.items() if name in preset)
    return ", ".join(f"{where}: {_spoken(value)}" for where, value in values.items())


def _spoken(value: object) -> str:
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    words = {None: "none", True: "yes", False: "no"}
    for known, word in words.items():
        if value is known:
            return word
    return f"{value:,}" if isinstance(value, int) else str(value)


def train_command(
    env: str | None,
    steps: int | None,
    seed: int | None,
    out: Path | None,
    stop_at: float | None,
    resume: Path | None,
    keep_schedules: bool,
    eval_episodes: int,
    max_steps: int | None,
    force: bool,
    **hyperparameters: Any,
) -> int:
    """Train a new policy, or go on with an interrupted run; then evaluate it."""
    from . import run
    from .evaluate import planned
    from .learner import PPO
    from .presets import PRESETS

    if stop_at is not None and not math.isfinite(stop_at):
        raise ValueError(f"--stop-at is {stop_at}, expected a finite number")
    if eval_episodes < 0:
        raise ValueError(f"--eval-episodes is {eval_episodes}, expected 0 or more")
    with ExitStack() as stack:
        if resume is not None:
            given = {"seed": seed, "out": out, "force": force or None, **hyperparameters}
            for name, value in given.items():
                if value is not None:
                    raise ValueError(
                        f"--{name.replace('_', '-')} cannot change on --resume: "
                        f"the run in {resume} keeps its own"
                    )
            begun_on = run.read_config(resume)["env"]
            if env is not None and env != begun_on:
                raise ValueError(f"ENV is {env}, but the run in {resume} is on {begun_on}")
            folder = resume
            stack.enter_context(run.alone(folder))
            _import_from_here(begun_on)
            model, settings = run.resume(folder)
            evaluation = planned(model, eval_episodes or 1, max_steps)
            if steps is not None and steps < model.num_timesteps:
                raise ValueError(
                    f"--steps is {steps}, but the run in {resume} has made {model.num_timesteps}"
                )
            print(f"resuming {folder} at {model.num_timesteps:,} steps")
            if steps is not None and steps != settings["total_timesteps"]:
                before = settings.get("schedules_end", settings["total_timesteps"])
                settings["schedules_end"] = before if keep_schedules else steps
                _say_schedules(model, before, settings["schedules_end"])
                settings["total_timesteps"] = steps
            if stop_at is not None:
                settings["stop_at"] = stop_at
            run.write_config(folder, model, settings)
            interrupted = stack.enter_context(Interruptible())
        else:
            if env is None:
                raise ValueError("ENV is missing: npppo train ENV, or npppo train --resume DIR")
            if keep_schedules:
                raise ValueError("--keep-schedules is for --resume: a new run has its own")
            preset = PRESETS.get(env, {})
            steps = steps if steps is not None else preset.get("total_timesteps", DEFAULT_STEPS)
            if steps < 1:
                raise ValueError(f"--steps is {steps}, expected 1 or more")
            _import_from_here(env)
            model = PPO(env, seed=0 if seed is None else seed, **hyperparameters)
            evaluation = planned(model, eval_episodes or 1, max_steps)
            settings = {"total_timesteps": steps, "stop_at": stop_at}
            interrupted = stack.enter_context(Interruptible())
            name = env.replace("/", "_").replace(":", "_")
            folder = out if out is not None else run.free_folder(Path("runs"), name)
            stack.enter_context(run.alone(folder))
            run.begin(folder, model, settings, force)

        steps, stop_at = settings["total_timesteps"], settings["stop_at"]
        progress = Progress(steps, model.num_timesteps)

        def on_update(row: dict[str, float]) -> bool:
            progress.update(row)
            return not interrupted.asked

        finished = run.train(
            folder, model, steps, stop_at, on_update, settings.get("schedules_end")
        )
    progress.close()
    quoted = shlex.quote(str(folder))
    if not finished:
        print(f"interrupted at {model.num_timesteps:,} of {steps:,} steps, saved in {folder}")
        print(f"resume with: npppo train --resume {quoted}")
        return EXIT_INTERRUPTED

    reached = run.is_reached(model, stop_at)
    why = f"a mean training return of {stop_at:g}" if reached else "the end of the training"
    print(f"reached {why} after {model.num_timesteps:,} steps, {progress.seconds():.1f} s")
    print(f"saved in {folder}: npppo eval {quoted}", flush=True)
    if interrupted.asked:
        print("interrupted: there is no evaluation")
        return EXIT_INTERRUPTED
    if not eval_episodes:
        return 0
    return _evaluate(model, evaluation, seed=0, deterministic=True)


def _import_from_here(env: str) -> None:
    """Find the module of MODULE:ENV in the current folder too, as python -m npppo does."""
    here = os.getcwd()
    if ":" in env and here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)


def _say_schedules(model: PPO, before: int, after: int) -> None:
    """Say which rates will jump when the run goes on."""
    from .learner import scheduled

    stood, goes_on = (
        scheduled(model.config, min(1.0, model.num_timesteps / end)) for end in (before, after)
    )
    for name, old, new in zip(("learning_rate", "clip_range"), stood, goes_on, strict=True):
        if old != new:
            print(
                f"{name} goes on at {new:.4g}, not at {old:.4g}: it now reaches "
                f"{getattr(model.config, name + '_end'):g} at {after:,} steps "
                f"(at {before:,}, as before, with --keep-schedules)"
            )


class Interruptible:
    """Ctrl-C stops the training after the current update; a second one stops it at once."""

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


def _evaluate(model: PPO, played: Episodes, seed: int, deterministic: bool) -> int:
    from .evaluate import play

    line = Line()

    def show(played: Episodes, step: int) -> None:
        unfinished = f"{len(played.unfinished)} unfinished, " if played.unfinished else ""
        line.show(
            f"evaluating: {len(played.finished)} of {played.wanted} episodes, {unfinished}"
            f"at step {step:,} of at most {played.max_steps:,}"
        )

    interrupted = False
    try:
        play(model, played, seed, deterministic, show)
    except KeyboardInterrupt:
        interrupted = True
    line.clear()
    return _print_results(played, deterministic, interrupted)


def _print_results(played: Episodes, deterministic: bool, interrupted: bool) -> int:
    import numpy as np

    if played.finished:
        returns, lengths = (np.array(column) for column in zip(*played.finished, strict=True))
        episodes = "1 episode" if len(returns) == 1 else f"{len(returns)} episodes"
        policy = "deterministic" if deterministic else "stochastic"
        print(
            f"{episodes}, {policy} policy: return {returns.mean():.2f} "
            f"± {returns.std():.2f} (from {returns.min():.1f} to {returns.max():.1f}), "
            f"length {lengths.mean():.1f}"
        )
    if missing := played.missing():
        print(f"interrupted: {missing}" if interrupted else missing)
    return EXIT_INTERRUPTED if interrupted else 0


def eval_command(
    folder: Path,
    episodes: int | None,
    seed: int,
    stochastic: bool,
    render: bool,
    video: Path | None,
    max_steps: int | None,
    force: bool,
) -> int:
    """Evaluate the policy of a run, or show it in a window, or record it."""
    from . import run
    from .checkpoint import expect_free
    from .evaluate import planned, watch
    from .learner import load

    if video is not None:
        if render:
            raise ValueError("--render and --video cannot go together: one window, or one file")
        if episodes not in (None, 1):
            raise ValueError(f"--episodes is {episodes}, but --video records 1")
        expect_free(video, force, *run.files(folder))
    _import_from_here(str(run.read_config(folder)["env"]))
    model = load(folder)
    watched = render or video is not None
    if episodes is None:
        episodes = 1 if watched else 100
    played = planned(model, episodes, max_steps)
    if not watched:
        return _evaluate(model, played, seed, not stochastic)
    interrupted = False
    try:
        watch(model, played, seed, not stochastic, video)
    except KeyboardInterrupt:
        interrupted = True
    return _print_results(played, not stochastic, interrupted)


def plot_command(folders: list[Path], output: Path, force: bool) -> int:
    """Draw learning curves."""
    from . import run
    from .checkpoint import expect_free
    from .plot import plot

    expect_free(output, force, *(file for folder in folders for file in run.files(folder)))
    plot(folders, output)
    print(f"drew {output}")
    return 0
