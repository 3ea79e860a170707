"""Testing a policy: whole episodes, each counted once."""

from __future__ import annotations

import math
import shutil
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..agents.rollout import env_seed, expect_finite
from .blame import is_others
from .checkpoint import write_atomically
from .learner import PPO, make_env
from .threads import one_blas_thread

if TYPE_CHECKING:
    import gymnasium

# of an episode, where the environment itself has no time limit: a policy may stand still for ever
MAX_STEPS = 10_000

Episode = tuple[float, int]  # return, length


@dataclass
class Episodes:
    """What was played. `unfinished` are those that met the limit or were cut off at the end."""

    wanted: int
    max_steps: int
    finished: list[Episode] = field(default_factory=list)
    unfinished: list[Episode] = field(default_factory=list)

    def missing(self) -> str:
        """A sentence on what was not finished; empty where all was."""
        if len(self.finished) == self.wanted:
            return ""
        said = f"{len(self.finished)} of {self.wanted} episodes were finished"
        if self.unfinished:
            returns, lengths = zip(*self.unfinished, strict=True)
            count = len(lengths)
            said += (
                f"; {count} {'was' if count == 1 else 'were'} not, after up to {max(lengths):,} "
                f"steps and with a return of {min(returns):.1f} to {max(returns):.1f} so far"
            )
            if max(lengths) >= self.max_steps:
                said += f" (max_steps is {self.max_steps:,})"
            if self.finished:
                said += ": the finished ones are the short ones"
        return said


def evaluate(
    model: PPO,
    episodes: int = 100,
    seed: int = 0,
    deterministic: bool = True,
    max_steps: int | None = None,
) -> list[Episode]:
    """(return, length) of `episodes` fresh episodes of the environment the model was made for.

    An episode that has not ended after `max_steps` steps is left out, with a warning; None is the
    environment's own limit, or MAX_STEPS where it has none.
    """
    played = planned(model, episodes, max_steps)
    play(model, played, seed, deterministic, lambda played, steps: None)
    if missing := played.missing():
        warnings.warn(missing, stacklevel=2)
    return played.finished


def planned(model: PPO, episodes: int, max_steps: int | None) -> Episodes:
    """Nothing played yet; ValueError for what cannot be played."""
    if model.env_id is None:
        raise ValueError(
            "the model was made from an environment without an id: evaluate() needs one"
        )
    for name, number in (("episodes", episodes), ("max_steps", max_steps)):
        if number is not None and number < 1:
            raise ValueError(f"{name} is {number}, expected 1 or more")
    if max_steps is None:
        max_steps = getattr(model.env.spec, "max_episode_steps", None) or MAX_STEPS
    return Episodes(episodes, max_steps)


def play(
    model: PPO,
    played: Episodes,
    seed: int,
    deterministic: bool,
    show: Callable[[Episodes, int], None],
) -> None:
    """Play what is wanted and add it to `played`, also where an exception ends it before.

    In a round every environment plays exactly one episode: to take the first that end would favour
    the short ones. There are no more environments than in the training, where they are known to fit
    into this machine. `show` is called after each step.
    """
    rounds = math.ceil(played.wanted / model.config.n_envs)
    at_once = math.ceil(played.wanted / rounds)
    env = make_env(model.env_id or "", at_once)
    try:
        with one_blas_thread():
            for number in range(rounds):
                count = min(at_once, played.wanted - number * at_once)
                seeds = np.random.SeedSequence(seed, spawn_key=(number,))
                _one_round(model, env, count, seeds, deterministic, played, show)
    finally:
        env.close()


def _one_round(
    model: PPO,
    env: gymnasium.vector.VectorEnv[Any, Any, Any],
    count: int,
    seeds: np.random.SeedSequence,
    deterministic: bool,
    played: Episodes,
    show: Callable[[Episodes, int], None],
) -> None:
    rng = None if deterministic else np.random.default_rng(seeds)
    returns = np.zeros(env.num_envs)  # (E,)
    lengths = np.zeros(env.num_envs, np.int64)  # (E,)
    running = np.arange(env.num_envs) < count  # (E,)
    observations: Any
    observations, _ = env.reset(seed=env_seed(seeds, env.num_envs))
    try:
        for step in range(1, played.max_steps + 1):
            actions = model.act(observations, rng)  # (E,) or (E, ...)
            observations, rewards, terminated, truncated, _ = env.step(actions)
            expect_finite("reward", np.where(running, rewards, 0))
            returns += np.where(running, rewards, 0)
            lengths += running
            ended = running & (terminated | truncated)  # (E,)
            running &= ~ended
            played.finished += zip(returns[ended].tolist(), lengths[ended].tolist(), strict=True)
            show(played, step)
            if not running.any():
                break
    finally:
        left = running & (lengths > 0)
        played.unfinished += zip(returns[left].tolist(), lengths[left].tolist(), strict=True)


def watch(
    model: PPO,
    played: Episodes,
    seed: int,
    deterministic: bool,
    video: Path | None,
) -> None:
    """Play what is wanted in a window, or record one episode into the file `video`."""
    import gymnasium

    env_id = model.env_id or ""
    try:
        if video is None:
            env = gymnasium.make(env_id, render_mode="human")
            _one_by_one(model, env, seed, deterministic, played)
            return
        with tempfile.TemporaryDirectory() as folder:
            films = Path(folder, "films")
            env = gymnasium.make(env_id, render_mode="rgb_array")
            env = gymnasium.wrappers.RecordVideo(env, str(films), disable_logger=True)
            played.wanted = 1
            _one_by_one(model, env, seed, deterministic, played)
            (film,) = films.glob("*.mp4")
            with open(film, "rb") as source:
                write_atomically(video, lambda file: shutil.copyfileobj(source, file))
    except (gymnasium.error.Error, ImportError, OSError, RuntimeError) as error:
        if is_others(error):
            raise
        raise ValueError(f"cannot show {env_id}: {' '.join(str(error).split())}") from None


def _one_by_one(
    model: PPO,
    env: gymnasium.Env[Any, Any],
    seed: int,
    deterministic: bool,
    played: Episodes,
) -> None:
    try:
        for child in np.random.SeedSequence(seed).spawn(played.wanted):
            _one_episode(model, env, env_seed(child, 1), deterministic, played)
    finally:
        env.close()


def _one_episode(
    model: PPO, env: gymnasium.Env[Any, Any], seed: int, deterministic: bool, played: Episodes
) -> None:
    observation, _ = env.reset(seed=seed)
    episode_return, length, ended = 0.0, 0, False
    try:
        while not ended and length < played.max_steps:
            action, _ = model.predict(observation, deterministic)
            observation, reward, terminated, truncated, _ = env.step(action)
            expect_finite("reward", np.array([reward]))
            episode_return += float(reward)
            length += 1
            ended = terminated or truncated
    finally:
        if length:
            (played.finished if ended else played.unfinished).append((episode_return, length))
