"""A training run on disk: config.json, progress.csv and checkpoint.npz in one folder."""

from __future__ import annotations

import csv
import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .checkpoint import CheckpointError, write_json, write_text
from .learner import RECENT_EPISODES, Callback, Learner, Row, kind_of, load
from .tensorboard import EventFiles, event_files

CONFIG, PROGRESS, CHECKPOINT = "config.json", "progress.csv", "checkpoint.npz"
# what config.json says beside the model; `schedules_end` where it is not total_timesteps
SETTINGS = ("total_timesteps", "stop_at", "schedules_end", "tensorboard")
DEFAULT_STEPS = 1_000_000
LEAST_SECONDS_BETWEEN_SAVES = 1.0
SAVING_SHARE = 0.02  # of the time, at most


def files(folder: Path) -> list[Path]:
    """What a run consists of."""
    return [*event_files(folder), *(folder / name for name in (CHECKPOINT, PROGRESS, CONFIG))]


@contextmanager
def alone(folder: Path, patience: float = 0.0) -> Iterator[None]:
    """Keep others from training in `folder` meanwhile; ValueError if somebody does already.

    Whoever is about to end has `patience` seconds for it. The folder is made if it does not exist.
    On systems without such locks nothing is checked.
    """
    _make(folder)
    try:
        import fcntl
    except ImportError:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    until = time.monotonic() + patience
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= until:
                    raise ValueError(f"another process is training in {folder}") from None
                time.sleep(0.05)
            except OSError:  # this file system has no locks
                break
        yield
    finally:
        os.close(descriptor)


def begin(folder: Path, model: Learner, settings: dict[str, Any], force: bool = False) -> None:
    """Begin a new run in `folder`; ValueError where it holds one, unless `force` is given.

    If several want the same folder at the same moment, one gets it.
    """
    _make(folder)
    taken = (
        f"{folder} already holds a run ({{}}): go on with it by --resume {folder}, "
        "choose another folder with --out, or overwrite it with --force"
    )
    for file in files(folder):
        if force:
            file.unlink(missing_ok=True)
        elif file.exists():
            raise ValueError(taken.format(file.name))
    try:
        write_config(folder, model, settings, new=True)
    except FileExistsError:
        raise ValueError(taken.format(CONFIG)) from None


def free_folder(parent: Path, name: str) -> Path:
    """Make and return the first of parent/name-1, parent/name-2, ... that does not exist."""
    _make(parent)
    number = 0
    while True:
        number += 1
        with suppress(FileExistsError):  # whoever makes it has it
            folder = parent / f"{name}-{number}"
            folder.mkdir()
            return folder


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"cannot make the folder {folder}: {error.strerror}") from None


def write_config(folder: Path, model: Learner, settings: dict[str, Any], new: bool = False) -> None:
    """Write config.json: the environment, the seed, when to end, and the hyperparameters."""
    start = {**model.label(), "env": model.env_id, "seed": model.seed}
    write_json(folder / CONFIG, {**start, **settings, **asdict(model.config)}, new)


def read_config(folder: Path) -> dict[str, Any]:
    """What config.json says; CheckpointError where there is none that can be read."""
    path = folder / CONFIG
    try:
        config: dict[str, Any] = json.loads(path.read_text())
    except OSError as error:
        raise CheckpointError(
            f"{folder} holds no run: {path} cannot be read ({error.strerror})"
        ) from None
    except ValueError as error:
        raise CheckpointError(f"{path} is damaged ({error})") from None
    for name in ("env", "seed", "total_timesteps", "stop_at"):
        if not isinstance(config, dict) or name not in config:
            raise CheckpointError(f"{path} is not the config of a run of npppo: it lacks {name!r}")
    for name in ("total_timesteps", "schedules_end"):
        if not isinstance(config.get(name, 1), int) or config.get(name, 1) < 1:
            raise CheckpointError(f"{path}: {name} is {config[name]!r}, expected 1 or more")
    if not isinstance(config.get("tensorboard", True), bool):
        raise CheckpointError(
            f"{path}: tensorboard is {config['tensorboard']!r}, expected true or false"
        )
    stop_at = config["stop_at"]
    if not isinstance(stop_at, (int, float, type(None))):
        raise CheckpointError(f"{path}: stop_at is {stop_at!r}, expected a number or null")
    return config


def resume(folder: Path) -> tuple[Learner, dict[str, Any]]:
    """The model of an interrupted run where its last checkpoint left it, and its settings.

    progress.csv is cut back to the same update. A run that ended before its first checkpoint
    starts again from its config.
    """
    config = read_config(folder)
    settings = {name: config.pop(name) for name in SETTINGS if name in config}
    kind = kind_of(config)
    if (folder / CHECKPOINT).exists():
        model = load(folder)
        if type(model) is not kind:
            raise CheckpointError(
                f"{folder / CONFIG} is of {kind.__name__}, but the checkpoint of "
                f"{type(model).__name__}"
            )
        for name, value in json.loads(json.dumps(asdict(model.config))).items():
            if config.get(name, value) != value:
                raise CheckpointError(
                    f"{folder / CONFIG} says {name} is {config.get(name)!r}, but the checkpoint "
                    f"was made with {value!r}"
                )
    else:
        model = kind(**config)
    rows = [row for row in read_progress(folder) if int(row["update"]) <= model.updates]
    lines = [",".join(row) + "\r\n" for row in [*rows[:1], *(row.values() for row in rows)]]
    write_text(folder / PROGRESS, "".join(lines))
    return model, settings


def read_progress(folder: Path) -> list[dict[str, str]]:
    """The complete rows of progress.csv; a last row that a crash cut off is left out."""
    try:
        with open(folder / PROGRESS, newline="") as file:
            lines = [line for line in file if line.endswith("\n")]
    except FileNotFoundError:
        return []
    rows = list(csv.DictReader(lines))
    for row in rows:
        try:
            if int(row["update"]) < 1:
                raise ValueError
            for text in row.values():
                float(text)  # None where the row is too short, a list where it is too long
        except (KeyError, TypeError, ValueError):
            raise CheckpointError(
                f"{folder / PROGRESS} has a row that is none of npppo: {row}"
            ) from None
    return rows


def steps_of(kind: type[Learner], env: str) -> int:
    """How long an algorithm trains on an environment, where nobody says."""
    return int(kind.preset(env).get("total_timesteps", DEFAULT_STEPS))


def train(folder: Path, model: Learner, settings: dict[str, Any], on_update: Callback) -> bool:
    """Train, writing progress and checkpoints; returns whether it went to the end.

    The end is `total_timesteps`, or a mean return of the last 100 training episodes of `stop_at`.
    A false answer of `on_update` interrupts the run, which `resume` then continues bit for bit.
    """
    total_timesteps, stop_at = settings["total_timesteps"], settings["stop_at"]
    next_save = time.perf_counter() + LEAST_SECONDS_BETWEEN_SAVES

    def at_the_end() -> bool:
        return is_reached(model, stop_at) or model.num_timesteps >= total_timesteps

    with ExitStack() as stack:
        log = _event_log(folder, model, stack) if settings.get("tensorboard") else None
        file = stack.enter_context(open(folder / PROGRESS, "a", newline=""))
        writer = csv.writer(file)

        def save() -> None:
            nonlocal next_save
            began = time.perf_counter()
            # the rows first: a checkpoint never stands without the progress that led to it
            file.flush()
            os.fsync(file.fileno())
            if log is not None:
                log.flush()
            model.save(folder / CHECKPOINT)
            ended = time.perf_counter()
            next_save = ended + max(LEAST_SECONDS_BETWEEN_SAVES, (ended - began) / SAVING_SHARE)

        def callback(model: Learner, row: Row) -> bool:
            if file.tell() == 0:
                writer.writerow(row)
            writer.writerow(row.values())
            if log is not None:
                log(model, row)
            goes_on = on_update(model, row) is not False
            if time.perf_counter() > next_save:
                save()
            return goes_on and not at_the_end()

        if not at_the_end():
            model.learn_until(total_timesteps, callback, settings.get("schedules_end"))
            save()
    return at_the_end()


def _event_log(folder: Path, model: Learner, stack: ExitStack) -> EventFiles:
    """Event files that say what progress.csv says, also of the time when there were none."""
    missing = [] if event_files(folder) else read_progress(folder)
    log = stack.enter_context(EventFiles(folder, model.num_timesteps))
    for row in missing:
        log(model, row)
    return log


def is_reached(model: Learner, stop_at: float | None) -> bool:
    """Whether the last 100 training episodes have a mean return of at least `stop_at`."""
    if stop_at is None or len(model.recent) < RECENT_EPISODES:
        return False
    return sum(episode_return for episode_return, _ in model.recent) / RECENT_EPISODES >= stop_at
