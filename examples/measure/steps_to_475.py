"""How many steps of CartPole-v1 until the training episodes have a mean return of 475?

    python examples/measure/steps_to_475.py [--seeds 20]

PPO with small batches, by the last 20 episodes; REINFORCE's preset with the value function as the
baseline and without one, by the last 100. The interval is for the median: between two of the sorted
results, whatever their distribution, it lies with a probability that is binomial.
"""

import os

os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")

import argparse
import math
from statistics import median
from typing import Any

import npppo

PPO = {
    "n_envs": 2,
    "n_steps": 256,
    "batch_size": 128,
    "n_epochs": 10,
    "learning_rate": 3e-3,
    "learning_rate_end": 0.0,
    "gamma": 0.98,
    "gae_lambda": 0.9,
    "ent_coef": 0.0,
}


def steps_until(model: Any, steps: int, episodes: int) -> float:
    """The steps after which the last `episodes` have a mean of 475; infinite if they never do."""

    reached = False

    def callback(model: Any, row: Any) -> bool:
        nonlocal reached
        returns = [episode_return for episode_return, _ in model.recent][-episodes:]
        reached = len(returns) == episodes and sum(returns) / episodes >= 475
        return not reached

    model.learn(steps, callback)
    return float(model.num_timesteps) if reached else math.inf


def interval(results: list[float]) -> tuple[float, float]:
    """Two of the results, between which the median lies with a probability of 95 % at least.

    The median is below the k-th smallest, k = 0, 1, ..., if at most k results are below it: with
    probability Σ_{i≤k} C(n, i) / 2ⁿ.
    """
    n, below, k = len(results), 1, 0
    while (below + math.comb(n, k + 1)) / 2**n <= 0.025:
        k += 1
        below += math.comb(n, k)
    return sorted(results)[k], sorted(results)[n - 1 - k]


def main() -> None:
    parser = argparse.ArgumentParser(description="Steps of CartPole-v1 to a mean return of 475.")
    parser.add_argument("--seeds", type=int, default=20)
    seeds = range(parser.parse_args().seeds)
    settings = {
        "PPO, last 20 episodes": (npppo.PPO, PPO, 60_000, 20),
        "REINFORCE, value baseline, last 100": (npppo.REINFORCE, {}, 300_000, 100),
        "REINFORCE, no baseline, last 100": (npppo.REINFORCE, {"baseline": "none"}, 300_000, 100),
    }
    for name, (kind, hyperparameters, steps, episodes) in settings.items():
        results = [
            steps_until(kind("CartPole-v1", seed, **hyperparameters), steps, episodes)
            for seed in seeds
        ]
        low, high = interval(results)
        print(f"{name}: median {median(results):,.0f} (95 % interval {low:,.0f} to {high:,.0f}),")
        never = sum(map(math.isinf, results))
        print(f"    from {min(results):,.0f} to {max(results):,.0f}; never: {never}", flush=True)


if __name__ == "__main__":
    main()
