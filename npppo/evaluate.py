"""Testing a policy: whole episodes, each counted once."""

from __future__ import annotations

import math
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .learner import PPO, make_env
from .rollout import env_seed, expect_finite

if TYPE_CHECKING:
    import gymnasium

AT_ONCE = 128  # environments side by side


def evaluate(
    model: PPO, episodes: int = 100, seed: int = 0, deterministic: bool = True
) -> list[tuple[float, int]]:
    """(return, length) of `episodes` fresh episodes of the environment the model was made for.

    Every environment plays exactly one episode: taking the first so many that end would favour
    the short ones.
    """
    if model.env_id is None:
        raise ValueError(
            "the model was made from an environment without an id: evaluate() needs one"
        )
    _expect_some(episodes)
    results: list[tuple[float, int]] = []
    rounds = math.ceil(episodes / AT_ONCE)
    for number in range(rounds):
        count = min(AT_ONCE, episodes - len(results))
        seeds = np.random.SeedSequence(seed, spawn_key=(number,))
        results += _one_round(model, count, seeds, deterministic)
    return results


def _expect_some(episodes: int) -> None:
    if episodes < 1:
        raise ValueError(f"episodes is {episodes}, expected 1 or more")


def _one_round(
    model: PPO, count: int, seeds: np.random.SeedSequence, deterministic: bool
) -> list[tuple[float, int]]:
    rng = None if deterministic else np.random.default_rng(seeds)
    env = make_env(model.env_id or "", count)
    returns = np.zeros(count)  # (E,)
    lengths = np.zeros(count, np.int64)  # (E,)
    running = np.ones(count, bool)  # (E,)
    observations: Any
    observations, _ = env.reset(seed=env_seed(seeds, count))
    while running.any():
        actions = model.act(observations, rng)  # (E,) or (E, ...)
        observations, rewards, terminated, truncated, _ = env.step(actions)
        expect_finite("reward", rewards)
        returns += np.where(running, rewards, 0)
        lengths += running
        running &= ~(terminated | truncated)
    env.close()
    return list(zip(returns.tolist(), lengths.tolist(), strict=True))


def watch(
    model: PPO, episodes: int, seed: int, deterministic: bool, video: Path | None
) -> list[tuple[float, int]]:
    """Play episodes in a window, or record one into the file `video`."""
    import gymnasium

    _expect_some(episodes)
    try:
        if video is None:
            env = gymnasium.make(model.env_id or "", render_mode="human")
            return _episodes(model, env, episodes, seed, deterministic)
        with tempfile.TemporaryDirectory() as folder:
            films = Path(folder, "films")
            env = gymnasium.make(model.env_id or "", render_mode="rgb_array")
            env = gymnasium.wrappers.RecordVideo(env, str(films), disable_logger=True)
            results = _episodes(model, env, 1, seed, deterministic)
            (film,) = films.glob("*.mp4")
            shutil.move(film, video)
            return results
    except (gymnasium.error.Error, ImportError, OSError, RuntimeError) as error:
        raise ValueError(f"cannot show {model.env_id}: {' '.join(str(error).split())}") from None


def _episodes(
    model: PPO, env: gymnasium.Env[Any, Any], count: int, seed: int, deterministic: bool
) -> list[tuple[float, int]]:
    seeds = [env_seed(child, 1) for child in np.random.SeedSequence(seed).spawn(count)]
    results = [_one_episode(model, env, one, deterministic) for one in seeds]
    env.close()
    return results


def _one_episode(
    model: PPO, env: gymnasium.Env[Any, Any], seed: int, deterministic: bool
) -> tuple[float, int]:
    observation, _ = env.reset(seed=seed)
    episode_return, length, ended = 0.0, 0, False
    while not ended:
        action, _ = model.predict(observation, deterministic)
        observation, reward, terminated, truncated, _ = env.step(action)
        expect_finite("reward", np.array([reward]))
        episode_return += float(reward)
        length += 1
        ended = terminated or truncated
    return episode_return, length
