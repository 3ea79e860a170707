"""Testing a policy: whole episodes, each counted once."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .learner import PPO, make_env

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
    if episodes < 1:
        raise ValueError(f"episodes is {episodes}, expected 1 or more")
    results: list[tuple[float, int]] = []
    rounds = math.ceil(episodes / AT_ONCE)
    for number in range(rounds):
        count = min(AT_ONCE, episodes - len(results))
        seeds = np.random.SeedSequence(seed, spawn_key=(number,))
        results += _one_round(model, count, int(seeds.generate_state(1)[0]), deterministic)
    return results


def _one_round(model: PPO, count: int, seed: int, deterministic: bool) -> list[tuple[float, int]]:
    env = make_env(model.env_id or "", count)
    returns = np.zeros(count)  # (E,)
    lengths = np.zeros(count, np.int64)  # (E,)
    running = np.ones(count, bool)  # (E,)
    observations: Any
    observations, _ = env.reset(seed=seed)
    while running.any():
        actions, _ = model.predict(observations, deterministic)  # (E,) or (E, ...)
        observations, rewards, terminated, truncated, _ = env.step(actions)
        returns += np.where(running, rewards, 0)
        lengths += running
        running &= ~(terminated | truncated)
    env.close()
    return list(zip(returns.tolist(), lengths.tolist(), strict=True))
