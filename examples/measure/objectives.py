"""PPO without clip or penalty, with a penalty, with the clip: Table 1 of Schulman et al. 2017.

    python examples/measure/objectives.py [--steps 100000] [--seeds 5] [--jobs 2] [--out o.csv]

The paper's setting: one environment, 2048 steps an update, 10 epochs of minibatches of 64, Adam
with 3e-4, γ 0.99, λ 0.95, networks 64-64 with tanh, no entropy bonus, no limit of the gradient's
norm. A score is the mean return of the last 100 training episodes, shifted and scaled for each
environment so that the random policy has 0 and the best run of all has 1; then the scores are
averaged. The paper's runs have 1,000,000 steps, 3 seeds, 7 environments. Finished runs are kept in
the CSV file and not run again. Needs MuJoCo: pip install "gymnasium[mujoco]".
"""

import os

os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")

import argparse
import csv
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import mean, stdev

import gymnasium
import numpy as np

import npppo

ENVIRONMENTS = ("HalfCheetah-v5", "Hopper-v5", "InvertedPendulum-v5")
OBJECTIVES: dict[str, tuple[dict[str, object], float]] = {  # settings, the paper's score
    "no clip, no penalty": ({"objective": "none"}, -0.39),
    "fixed penalty, 3": ({"objective": "penalty", "kl_coef": 3.0}, 0.72),
    "adaptive penalty, 0.01": ({"objective": "adaptive_penalty", "kl_target": 0.01}, 0.74),
    "clip, 0.2": ({"objective": "clip", "clip_range": 0.2}, 0.82),
}
PAPERS = {
    "n_envs": 1,
    "n_steps": 2048,
    "batch_size": 64,
    "n_epochs": 10,
    "learning_rate": 3e-4,
    "max_grad_norm": 1e9,
}
Run = tuple[str, str, int]


def trained(run: Run, steps: int) -> float:
    """The mean return of the last 100 episodes of a training; of the random policy for "random"."""
    env_id, objective, seed = run
    if objective == "random":
        return random_policy(env_id, seed)
    settings, _ = OBJECTIVES[objective]
    model = npppo.PPO(env_id, seed, **PAPERS, **settings)
    try:
        model.learn(steps)
    except FloatingPointError as error:  # the policy ran away: what it had until then counts
        print(f"{run}: {error}", flush=True)
    return mean(r for r, _ in model.recent)


def random_policy(env_id: str, seed: int) -> float:
    env = gymnasium.make(env_id)
    env.action_space.seed(seed)
    returns = []
    for episode in range(20):
        env.reset(seed=1000 * seed + episode)
        total, over = 0.0, False
        while not over:
            _, reward, terminated, truncated, _ = env.step(env.action_space.sample())
            total += float(reward)
            over = terminated or truncated
        returns.append(total)
    return mean(returns)


def wanted(seeds: int) -> Iterator[Run]:
    for seed in range(seeds):
        for env_id in ENVIRONMENTS:
            for objective in ("random", *OBJECTIVES):
                yield env_id, objective, seed


def report(scores: dict[Run, float], seeds: int) -> None:
    normalised: dict[str, list[float]] = {objective: [] for objective in OBJECTIVES}
    for env_id in ENVIRONMENTS:
        zero = mean(scores[env_id, "random", seed] for seed in range(seeds))
        one = max(scores[env_id, objective, s] for objective in OBJECTIVES for s in range(seeds))
        print(f"\n{env_id}: random {zero:.1f}, best run {one:.1f}")
        for objective in OBJECTIVES:
            returns = [scores[env_id, objective, seed] for seed in range(seeds)]
            normalised[objective] += [(r - zero) / (one - zero) for r in returns]
            print(f"  {objective:24} {mean(returns):9.1f} ± {stdev(returns):.1f}")
    print("\nnormalised score, mean over environments and seeds (± its standard error)")
    for objective, (_, paper) in OBJECTIVES.items():
        values = np.array(normalised[objective])
        error = values.std(ddof=1) / np.sqrt(len(values))
        print(f"  {objective:24} {values.mean():5.2f} ± {error:.2f}   the paper {paper:5.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Table 1 of the PPO paper, on fewer environments.")
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("objectives.csv"))
    options = parser.parse_args()
    scores: dict[Run, float] = {}
    if options.out.exists():
        with options.out.open(newline="") as file:
            for env_id, objective, seed, steps, score in csv.reader(file):
                if int(steps) == options.steps:
                    scores[env_id, objective, int(seed)] = float(score)
    missing = [run for run in wanted(options.seeds) if run not in scores]
    with ProcessPoolExecutor(options.jobs) as executor, options.out.open("a", newline="") as file:
        steps = [options.steps] * len(missing)
        for run, score in zip(missing, executor.map(trained, missing, steps), strict=True):
            scores[run] = score
            csv.writer(file).writerow([*run, options.steps, score])
            file.flush()
            print(*run, f"{score:.1f}", flush=True)
    report(scores, options.seeds)


if __name__ == "__main__":
    main()
