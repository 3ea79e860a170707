"""The commands of training: npppo train, eval, algos."""

from __future__ import annotations

import argparse
import math
import os
import shlex
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

import numpy as np

from ..algorithms.hyperparameters import Config
from . import run
from .checkpoint import expect_free
from .environments import closed
from .evaluate import Evaluation, Show
from .learner import ALGORITHMS, Learner, Row, load
from .presets import PRESETS
from .progress import Line, Progress
from .tensorboard import expect_installed

EXIT_INTERRUPTED = 130


def whole(text: str) -> int:
    """A whole number, also as 1e5 or 100_000."""
    try:
        number = float(text)
        if number != int(number):
            raise ValueError
        return int(text) if text.isdigit() else int(number)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None


def number(text: str) -> float:
    """A number."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


def number_or_none(text: str) -> float | None:
    """A number, or none, which takes away what a preset has."""
    try:
        return None if text == "none" else float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number nor none") from None


OPTIONS: dict[str, dict[str, Any]] = {  # how a hyperparameter is given, by its type
    "bool": {"action": argparse.BooleanOptionalAction},
    "tuple[int, ...]": {"type": whole, "nargs": "+", "metavar": "WIDTH"},
    "int": {"type": whole, "metavar": "X"},
    "str": {"metavar": "X"},
    "float": {"type": number, "metavar": "X"},
    "float | None": {"type": number_or_none, "metavar": "X"},
}
MAX_STEPS: dict[str, Any] = {
    "type": whole,
    "metavar": "N",
    "help": "of an episode of the evaluation (default: the environment's limit, else 10,000)",
}


def added(
    commands: Any, name: str, help: str, command: Callable[..., int]
) -> argparse.ArgumentParser:
    """The parser of a new command, which gets what is given, so that defaults can be its own."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=help, allow_abbrev=False, argument_default=argparse.SUPPRESS
    )
    parser.set_defaults(command=command)
    return parser


def add_commands(commands: Any) -> None:
    """Add the commands to the parser's."""
    train = added(commands, "train", "train a policy", train_command)
    train.add_argument("env", nargs="?", metavar="ENV", help="id of the environment")
    train.add_argument("--seed", type=whole, help="default: 0")
    train.add_argument("--out", type=Path, metavar="DIR", help="default: runs/ENV-NUMBER")
    train.add_argument("--resume", type=Path, metavar="DIR", help="go on with an interrupted run")
    train.add_argument(
        "--keep-schedules",
        action="store_true",
        help="with --resume: the linear schedules end where they did, whatever --steps says",
    )
    train.add_argument(
        "--tensorboard",
        action="store_true",
        help="write event files for TensorBoard too; also from a --resume on",
    )
    train.add_argument("--force", action="store_true", help="overwrite the run in --out DIR")
    add_training(train)

    added(commands, "algos", "list the algorithms", algos_command)

    evaluate = added(commands, "eval", "evaluate a trained policy", eval_command)
    evaluate.add_argument("folder", type=Path, metavar="DIR", help="folder of a run")
    evaluate.add_argument("--episodes", type=whole, help="default: 100; 1 with a picture")
    evaluate.add_argument("--seed", type=whole, help="default: 0")
    evaluate.add_argument("--stochastic", action="store_true", help="draw the actions")
    evaluate.add_argument("--render", action="store_true", help="show the episodes in a window")
    evaluate.add_argument("--video", type=Path, metavar="FILE", help="record one episode")
    evaluate.add_argument("--max-steps", **MAX_STEPS)
    evaluate.add_argument("--force", action="store_true", help="overwrite the video")


def add_training(parser: argparse.ArgumentParser) -> None:
    """Add the options of every training: the algorithm, when to end, the hyperparameters."""
    parser.add_argument(
        "--algo",
        metavar="NAME",
        type=str.upper,
        choices=ALGORITHMS,
        help=f"{', '.join(ALGORITHMS)} (default: PPO)",
    )
    total = f"default: the preset's, else {run.DEFAULT_STEPS:,}"
    about = f"environment steps in all, rounded up to whole batches ({total})"
    parser.add_argument("--steps", type=whole, help=about)
    parser.add_argument(
        "--stop-at",
        type=number,
        metavar="RETURN",
        help="stop when the last 100 training episodes have this mean return",
    )
    parser.add_argument(
        "--eval-episodes",
        type=whole,
        metavar="N",
        help="of the evaluation at the end; 0: none (default: 100)",
    )
    parser.add_argument("--max-steps", **MAX_STEPS)
    group = parser.add_argument_group(
        "hyperparameters",
        "Some environments have a preset, whose values take the place of these defaults: "
        + "; ".join(f"{algo}: {', '.join(presets)}" for algo, presets in PRESETS.items())
        + ". Where no algorithm is named the default is PPO's.",
    )
    of_all: dict[str, dict[str, Field[Any]]] = {}  # name -> algorithm -> its field
    for algo, kind in ALGORITHMS.items():
        for made in fields(kind.algorithm.config):
            of_all.setdefault(made.name, {})[algo] = made
    common = [made.name for made in fields(Config)]
    for name, having in sorted(of_all.items(), key=lambda item: item[0] in common):
        *_, made = having.values()
        defaults = _defaults({algo: field.default for algo, field in having.items()})
        option = "--" + name.replace("_", "-")
        said = f"{made.metadata['help']} ({defaults})"
        group.add_argument(option, help=said, **OPTIONS[str(made.type)])


def _defaults(defaults: dict[str, object]) -> str:
    """What a hyperparameter is, by algorithm, where it is not given, in words."""
    words = [_spoken(default) for default in defaults.values()]
    if len(defaults) == len(ALGORITHMS) and len(set(words)) == 1:
        said = [f"default: {words[0]}"]
    else:
        said = [f"{algo}: {word}" for algo, word in zip(defaults, words, strict=True)]
    return ", ".join(said)


def _spoken(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) else str(value)


def train_command(
    env: str | None = None,
    algo: str | None = None,
    steps: int | None = None,
    stop_at: float | None = None,
    resume: Path | None = None,
    keep_schedules: bool = False,
    eval_episodes: int = 100,
    max_steps: int | None = None,
    tensorboard: bool = False,
    **given: Any,
) -> int:
    """Train a new policy, or go on with an interrupted run; then evaluate it."""
    if stop_at is not None and not math.isfinite(stop_at):
        raise ValueError(f"--stop-at is {stop_at}, expected a finite number")
    if tensorboard:
        expect_installed()
    if eval_episodes < 0:
        raise ValueError(f"--eval-episodes is {eval_episodes}, expected 0 or more")
    with ExitStack() as stack:
        if resume is not None:
            folder = resume
            for name in {"algo": algo, **given} if algo else given:
                raise ValueError(
                    f"--{name.replace('_', '-')} cannot change on --resume: "
                    f"the run in {folder} keeps its own"
                )
            begun_on = run.read_config(folder)["env"]
            if env is not None and env != begun_on:
                raise ValueError(f"ENV is {env}, but the run in {folder} is on {begun_on}")
            stack.enter_context(run.alone(folder))
            import_from_here(begun_on)
            model, settings = run.resume(folder)
            stack.enter_context(closed(model.env))
            evaluation = Evaluation(model, eval_episodes or 1, max_steps=max_steps)
            if steps is not None and steps < model.num_timesteps:
                raise ValueError(
                    f"--steps is {steps}, but the run in {folder} has made {model.num_timesteps}"
                )
            print(f"resuming {folder} at {model.num_timesteps:,} steps")
            if steps is not None and steps != settings["total_timesteps"]:
                before = settings.get("schedules_end", settings["total_timesteps"])
                settings["schedules_end"] = before if keep_schedules else steps
                _say_schedules(model, before, settings["schedules_end"])
                settings["total_timesteps"] = steps
            if stop_at is not None:
                settings["stop_at"] = stop_at
            if tensorboard:
                settings["tensorboard"] = True
            run.write_config(folder, model, settings)
            interrupted = stack.enter_context(Interruptible())
        else:
            if env is None:
                raise ValueError("ENV is missing: npppo train ENV, or npppo train --resume DIR")
            if keep_schedules:
                raise ValueError("--keep-schedules is for --resume: a new run has its own")
            kind = ALGORITHMS[algo or "PPO"]
            if steps is None:
                steps = run.steps_of(kind, env)
            if steps < 1:
                raise ValueError(f"--steps is {steps}, expected 1 or more")
            out, force = given.pop("out", None), given.pop("force", False)
            import_from_here(env)
            model = kind(env, **{"seed": 0, **given})
            stack.enter_context(closed(model.env))
            evaluation = Evaluation(model, eval_episodes or 1, max_steps=max_steps)
            settings = {"total_timesteps": steps, "stop_at": stop_at}
            if tensorboard:
                settings["tensorboard"] = True
            interrupted = stack.enter_context(Interruptible())
            name = env.replace("/", "_").replace(":", "_")
            folder = out if out is not None else run.free_folder(Path("runs"), name)
            stack.enter_context(run.alone(folder))
            run.begin(folder, model, settings, force)
            _say_preset(model, given)

        steps, stop_at = settings["total_timesteps"], settings["stop_at"]
        progress = Progress(steps, model.num_timesteps)

        def on_update(model: Learner, row: Row) -> bool:
            progress.update(row)
            return not interrupted.asked

        finished = run.train(folder, model, settings, on_update)
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
    return _evaluate(evaluation, evaluation.play) if eval_episodes else 0


def algos_command() -> int:
    """List the algorithms: what each is, and where it was first written down."""
    for name, kind in ALGORITHMS.items():
        print(f"{name:10} {kind.algorithm.about}")
    return 0


def import_from_here(env: str) -> None:
    """Find the module of MODULE:ENV in the current folder too, as python -m npppo does."""
    here = os.getcwd()
    if ":" in env and here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)


def _say_preset(model: Learner, given: dict[str, Any]) -> None:
    """Say where the hyperparameters come from that were not given."""
    name, preset = model.algorithm.name, model.preset(model.env_id)
    if not preset:
        print(f"{name} has no preset for {model.env_id}: the defaults")
        return
    values = [
        f"{made.name} {_spoken(getattr(model.config, made.name))}"
        for made in fields(model.config)
        if made.name in preset and made.name not in given
    ]
    print(f"{name}'s preset of {model.env_id}: {', '.join(values) or 'all given otherwise'}")


def _say_schedules(model: Learner, before: int, after: int) -> None:
    """Say which rates will jump when the run goes on."""
    stood, goes_on = (model.config.rates(model.num_timesteps / end) for end in (before, after))
    for name, old in stood.items():
        if old != goes_on[name]:
            print(
                f"{name} goes on at {goes_on[name]:.4g}, not at {old:.4g}: it now reaches "
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
        self.asked = True
        signal.signal(signal.SIGINT, self._before)


def eval_command(
    folder: Path,
    episodes: int | None = None,
    seed: int = 0,
    stochastic: bool = False,
    render: bool = False,
    video: Path | None = None,
    max_steps: int | None = None,
    force: bool = False,
) -> int:
    """Evaluate the policy of a run, or show it in a window, or record it."""
    if video is not None:
        if render:
            raise ValueError("--render and --video cannot go together: one window, or one file")
        if episodes not in (None, 1):
            raise ValueError(f"--episodes is {episodes}, but --video records 1")
        expect_free(video, force, *run.files(folder))
    import_from_here(str(run.read_config(folder)["env"]))
    watched = render or video is not None
    if episodes is None:
        episodes = 1 if watched else 100
    evaluation = Evaluation(load(folder), episodes, seed, not stochastic, max_steps)
    return _evaluate(
        evaluation, (lambda show: evaluation.watch(video)) if watched else evaluation.play
    )


def _evaluate(played: Evaluation, play: Callable[[Show], None]) -> int:
    """Play the episodes and print what came of it."""
    line = Line()

    def show(step: int) -> None:
        unfinished = f"{len(played.unfinished)} unfinished, " if played.unfinished else ""
        line.show(
            f"evaluating: {len(played.finished)} of {played.wanted} episodes, {unfinished}"
            f"at step {step:,} of at most {played.max_steps:,}"
        )

    interrupted = ""
    try:
        play(show)
    except KeyboardInterrupt:
        interrupted = "interrupted: "
    line.clear()
    if played.finished:
        returns, lengths = (np.array(column) for column in zip(*played.finished, strict=True))
        episodes = "1 episode" if len(returns) == 1 else f"{len(returns)} episodes"
        policy = "deterministic" if played.deterministic else "stochastic"
        print(
            f"{episodes}, {policy} policy: return {returns.mean():.2f} "
            f"± {returns.std():.2f} (from {returns.min():.1f} to {returns.max():.1f}), "
            f"length {lengths.mean():.1f}"
        )
    if missing := played.missing():
        print(interrupted + missing)
    return EXIT_INTERRUPTED if interrupted else 0
