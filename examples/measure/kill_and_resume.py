"""Does a run that is killed and resumed end with the same bits? Every algorithm, every head.

    python examples/measure/kill_and_resume.py [--times 10]

A training by the real command is killed (kill -9) at a random moment, resumed, killed again and
resumed to its end. Its checkpoint.npz, and its progress.csv but for the columns of wall-clock time,
are compared with those of a run that nobody disturbed. One line for each pair.
"""

import os

os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete, MultiBinary, MultiDiscrete

from npppo.training import learner, run

# about half a second each
EPOCHS = "--n-envs 3 --n-steps 16 --net-arch 16 --batch-size 24 --n-epochs 2"
ALGORITHMS = {
    "reinforce": "--algo reinforce --steps 6000 --n-envs 3 --n-steps 16 --net-arch 16",
    "a2c": "--algo a2c --steps 6000 --n-envs 3 --n-steps 16 --net-arch 16",
    "trpo": f"--algo trpo --steps 2000 {EPOCHS}",
    "ppo": f"--algo ppo --steps 3000 {EPOCHS}",
    "ppo, adaptive": f"--algo ppo --steps 3000 {EPOCHS} --objective adaptive_penalty"
    " --learning-rate-kl 0.01 --recompute-advantages",
}
ACTIONS = {
    "Discrete": Discrete(4, start=1),
    "MultiDiscrete": MultiDiscrete([3, 2]),
    "MultiBinary": MultiBinary(3),
    "Box": Box(-1, 1, (2,)),
}

# For the trainings, which import this file to find the environments: checkpoints many times a
# second, and many new seeds, so that a short run has moments of every kind.
run.LEAST_SECONDS_BETWEEN_SAVES, run.SAVING_SHARE = 0.05, 0.5
learner.SEGMENT_STEPS = 128


class Chance(gymnasium.Env[Any, Any]):
    """Episodes that end by chance, or at a time limit; softmax policies have masks."""

    def __init__(self, action_space: gymnasium.Space[Any]) -> None:
        self.observation_space, self.action_space = Box(-np.inf, np.inf, (3,)), action_space

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        return self._look()

    def step(self, action: Any) -> Any:
        assert self.action_space.contains(action)
        reward = float(np.sum(action) * self.seen[0])
        ended = bool(self.np_random.random() < 0.04)
        observation, info = self._look()
        return observation, reward, ended, False, info

    def _look(self) -> Any:
        self.seen = self.np_random.standard_normal(3, np.float32)  # (D,)
        forbids = self.seen[1] < 0
        masks = {
            Discrete: np.array([True, not forbids, True, True]),
            MultiDiscrete: (np.array([True, not forbids, True]), np.array([True, True])),
        }
        mask = masks.get(type(self.action_space))
        return self.seen, {} if mask is None else {"action_mask": mask}


for name, space in ACTIONS.items():
    gymnasium.register(f"{name}-v0", Chance, max_episode_steps=60, kwargs={"action_space": space})


def start(*arguments: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "npppo", "train", *arguments, "--eval-episodes", "0"]
    return subprocess.Popen(command, cwd=Path(__file__).parent, stdout=subprocess.DEVNULL)


def finish(*arguments: str) -> None:
    if start(*arguments).wait():
        sys.exit(f"npppo train {' '.join(arguments)} failed")


def outcome(folder: Path) -> tuple[bytes, list[dict[str, str]]]:
    rows = run.read_progress(folder)
    for row in rows:
        del row["seconds"], row["steps_per_second"]
    return (folder / run.CHECKPOINT).read_bytes(), rows


def killed(moment: float, *arguments: str) -> bool:
    """Start, and kill after so many seconds; whether it had not ended by then."""
    process = start(*arguments)
    try:
        process.wait(moment)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return True
    return False


def measure(algorithm: str, env: str, times: int, rng: np.random.Generator) -> str:
    arguments = [f"{Path(__file__).stem}:{env}-v0", *algorithm.split()]
    with tempfile.TemporaryDirectory() as name:
        expected = Path(name, "expected")
        begun = time.perf_counter()
        with start(*arguments, "--out", str(expected)) as process:
            while not (expected / run.CONFIG).exists() and process.poll() is None:
                time.sleep(0.002)
            ready = time.perf_counter() - begun  # before that there is nothing to resume
        half = (ready + time.perf_counter() - begun) / 2
        same = kills = 0
        for attempt in range(times):
            folder = Path(name, f"killed-{attempt}")
            kills += killed(rng.uniform(ready, half), *arguments, "--out", str(folder))
            if not (folder / run.CONFIG).exists():  # it was slower this time
                finish(*arguments, "--out", str(folder))
            kills += killed(rng.uniform(ready / 2, half), "--resume", str(folder))
            finish("--resume", str(folder))
            same += outcome(folder) == outcome(expected)
    return f"bit-identical {same} of {times} ({kills} kills)"


def main() -> None:
    parser = argparse.ArgumentParser(description="Killed and resumed: the same bits?")
    parser.add_argument("--times", type=int, default=10)
    options = parser.parse_args()
    rng = np.random.default_rng()
    for label, algorithm in ALGORITHMS.items():
        for env in ACTIONS:
            said = measure(algorithm, env, options.times, rng)
            print(f"{label:13} {env:13} {said}", flush=True)


if __name__ == "__main__":
    main()
