"""How fast npppo is, beside NumPy's bare arithmetic, PyTorch, Stable-Baselines3 and CleanRL.

    python examples/measure/benchmark.py [--only SECTION] [--quick] [--cleanrl FOLDER]

updates    one PPO minibatch update, beside its matrix products and tanh alone, and eager PyTorch
rollout    steps of an environment that npppo plays, beside the environment's `step` alone
training   steps per second at CleanRL's CartPole setting, beside the others
mujoco     steps per second at CleanRL's continuous setting, beside the others and MuJoCo's own step
family     steps per second of A2C and TRPO, beside Stable-Baselines3 and sb3-contrib
solved     seconds from the start of the process until CartPole-v1 is solved
scaling    steps per second with more environments and wider networks
import     the time that `import npppo` takes, beside `import numpy`

Competitors take turns, many short ones, and the ratios are medians over the turns: other work on
the machine then slows down both sides. All use one thread, which is the fastest for networks of
this size. What is not installed is skipped.
"""

import os

os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from statistics import median
from typing import Any

import numpy as np
from results import CLEANRL, CLEANRL_CONTINUOUS, NORMALIZED

import npppo
from npppo.agents.agent import Agent, Architecture, initial_parameters
from npppo.formulas.losses import ppo_objective, ppo_objective_backward
from npppo.formulas.optimizers import adam_step, clip_grad_norm
from npppo.formulas.returns import normalize_advantages
from npppo.training.learner import keep_freed_memory

HAS_TORCH = find_spec("torch") is not None
HAS_SB3 = find_spec("stable_baselines3") is not None
HAS_CONTRIB = HAS_SB3 and find_spec("sb3_contrib") is not None


def take_turns(competitors: dict[str, Callable[[], float]], turns: int) -> dict[str, list[float]]:
    """What each competitor returns (its seconds), turn by turn."""
    results: dict[str, list[float]] = {name: [] for name in competitors}
    for _ in range(turns):
        for name, competitor in competitors.items():
            results[name].append(competitor())
    return results


def ratio(results: dict[str, list[float]], above: str, below: str) -> float:
    """The median over the turns of one competitor's seconds by another's."""
    pairs = zip(results[above], results[below], strict=True)
    return median(a / b for a, b in pairs)


# updates


def npppo_update(rows: int) -> Callable[[], None]:
    rng = np.random.default_rng(0)
    architecture = Architecture(observation_size=4, actions=2)
    agent = Agent(architecture, initial_parameters(architecture, rng))
    m = v = np.zeros_like(agent.parameters)  # (P,)
    observations, actions, old_log_prob, old_values, advantages, targets = minibatch(rows)
    step = 0

    def update() -> None:
        nonlocal m, v, step
        (log_prob, entropy, values), cache = agent.evaluate(observations, actions)
        _, loss_cache = ppo_objective(
            log_prob,
            entropy,
            values,
            old_log_prob,
            normalize_advantages(advantages),
            targets,
            (0.2,),
            0.5,
            0.01,
            old_values,
            0.2,
        )
        gradient = agent.backward(*ppo_objective_backward(1.0, loss_cache), cache)  # (P,)
        (gradient,), _ = clip_grad_norm([gradient], 0.5)  # (P,)
        step += 1
        agent.parameters[:], m, v = adam_step(
            agent.parameters, gradient, m, v, step, 2.5e-4, eps=1e-5
        )

    return update


def bare_update(rows: int) -> Callable[[], None]:
    """The matrix products of both networks, forward and backward, and their four tanh: no more.

    Written with `dot`, as in npppo, which takes a tenth less than `@`.
    """
    rng = np.random.default_rng(0)
    x, *_ = minibatch(rows)  # (N, 4)
    networks = [
        [rng.standard_normal(size, np.float32) for size in ((4, 64), (64, 64), (64, out))]
        for out in (2, 1)
    ]
    douts = [rng.standard_normal((rows, out), np.float32) for out in (2, 1)]

    def update() -> None:
        for (W1, W2, W3), dout in zip(networks, douts, strict=True):
            h1 = np.tanh(x.dot(W1))  # (N, 64)
            h2 = np.tanh(h1.dot(W2))  # (N, 64)
            _ = h2.dot(W3)  # (N, out)
            _ = h2.T.dot(dout)  # (64, out)
            dh2 = dout.dot(W3.T)  # (N, 64)
            _ = h1.T.dot(dh2)  # (64, 64)
            dh1 = dh2.dot(W2.T)  # (N, 64)
            _ = x.T.dot(dh1)  # (4, 64)

    return update


def torch_update(rows: int) -> Callable[[], None]:
    """The same update as CleanRL writes it."""
    import torch
    from torch import nn
    from torch.distributions import Categorical

    torch.set_num_threads(1)
    actor, critic = (
        nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, out))
        for out in (2, 1)
    )
    parameters = [*actor.parameters(), *critic.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=2.5e-4, eps=1e-5)
    batch = (torch.tensor(array) for array in minibatch(rows))
    observations, actions, old_log_prob, old_values, advantages, targets = batch

    def update() -> None:
        policy = Categorical(logits=actor(observations))
        ratio = (policy.log_prob(actions) - old_log_prob).exp()  # (N,)
        A = (advantages - advantages.mean()) / (advantages.std() + 1e-8)  # (N,)
        policy_loss = torch.max(-A * ratio, -A * torch.clamp(ratio, 0.8, 1.2)).mean()
        values = critic(observations).view(-1)  # (N,)
        clipped = old_values + torch.clamp(values - old_values, -0.2, 0.2)  # (N,)
        value_loss = 0.5 * torch.max((values - targets) ** 2, (clipped - targets) ** 2).mean()
        loss = policy_loss - 0.01 * policy.entropy().mean() + 0.5 * value_loss
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 0.5)
        optimizer.step()

    return update


def minibatch(rows: int) -> tuple[Any, ...]:
    """Observations (N, 4), actions, old log-probabilities, old values, advantages, targets (N,)."""
    rng = np.random.default_rng(1)
    observations = rng.standard_normal((rows, 4), np.float32)
    actions = rng.integers(0, 2, rows)
    old_log_prob = np.full(rows, np.log(0.5), np.float32)
    return observations, actions, old_log_prob, *rng.standard_normal((3, rows), np.float32)


def measure_updates(quick: bool) -> None:
    print("One PPO minibatch update: float32, two 64-64 tanh networks, 4 observations, 2 actions")
    print(f"{'rows':>5} {'bare':>9} {'npppo':>9} {'PyTorch':>9} {'npppo/bare':>11} ", end="")
    print(f"{'PyTorch/npppo':>14}" if HAS_TORCH else "(PyTorch is not installed)")
    keep_freed_memory()  # as training does; it serves all competitors
    calls, turns = (50, 5) if quick else (200, 25)
    for rows in (64, 128, 256, 512):
        updates = {"bare": bare_update(rows), "npppo": npppo_update(rows)}
        if HAS_TORCH:
            updates["PyTorch"] = torch_update(rows)

        def timed(update: Callable[[], None]) -> Callable[[], float]:
            def turn() -> float:
                began = time.perf_counter()
                for _ in range(calls):
                    update()
                return (time.perf_counter() - began) / calls

            return turn

        competitors = {name: timed(update) for name, update in updates.items()}
        take_turns(competitors, 1)
        results = take_turns(competitors, turns)
        cells = [f"{1e6 * median(results[name]):6.0f} µs" for name in updates]
        cells += [""] * (3 - len(cells))
        against = f"{ratio(results, 'PyTorch', 'npppo'):14.1f}" if HAS_TORCH else ""
        bare = ratio(results, "npppo", "bare")
        print(f"{rows:5} {cells[0]:>9} {cells[1]:>9} {cells[2]:>9} {bare:11.2f} {against}".rstrip())


# rollout


def measure_rollout(quick: bool) -> None:
    print("A rollout of 4 x 128 steps of CartPole-v1, and the environment's `step` alone")
    keep_freed_memory()
    model = npppo.PPO("CartPole-v1", seed=0, n_envs=4, n_steps=128)
    alone = npppo.PPO("CartPole-v1", seed=0, n_envs=4).player.env
    alone.reset(seed=0)
    rng = np.random.default_rng(0)
    actions = rng.integers(0, 2, (128, 4))  # (T, E)

    def step() -> float:
        began = time.perf_counter()
        for action in actions:
            alone.step(action)
        return time.perf_counter() - began

    def play() -> float:
        began = time.perf_counter()
        model.player.play(model.agent, 128, rng)
        return time.perf_counter() - began

    competitors = {"step alone": step, "npppo": play}
    model.learn(512)  # which resets its environments
    take_turns(competitors, 5)
    results = take_turns(competitors, 20 if quick else 200)
    for name, seconds in results.items():
        print(f"{name:10} {1e3 * median(seconds):6.2f} ms")
    print(f"ratio {ratio(results, 'npppo', 'step alone'):.2f}")


# training


def npppo_training(steps: int, **changes: Any) -> float:
    """Seconds for so many steps of training, without the making of environments and networks."""
    model = npppo.PPO("CartPole-v1", seed=0, **{**CLEANRL, **changes})
    began = time.perf_counter()
    model.learn(steps)
    return time.perf_counter() - began


def sb3_training(steps: int) -> float:
    import torch
    from stable_baselines3 import PPO
    from stable_baselines3.common.env_util import make_vec_env

    torch.set_num_threads(1)
    setting = {**CLEANRL, "learning_rate": lambda left: left * 2.5e-4}
    n_envs = setting.pop("n_envs")
    del setting["learning_rate_end"]
    env = make_vec_env("CartPole-v1", n_envs, seed=0)
    model = PPO("MlpPolicy", env, seed=0, device="cpu", **setting)
    began = time.perf_counter()
    model.learn(steps)
    return time.perf_counter() - began


def cleanrl_training(script: str, steps: int, *options: str) -> float:
    """By the script's own clock, which starts after its imports: its last "SPS" line."""
    with tempfile.TemporaryDirectory() as folder:  # it writes its logs where it runs
        command = [sys.executable, os.path.abspath(script), "--total-timesteps", str(steps)]
        run = subprocess.run([*command, *options], cwd=folder, capture_output=True, text=True)
    speeds = re.findall(r"SPS: (\d+)", run.stdout)
    if not speeds:
        sys.exit(f"{script} printed no SPS:\n{run.stderr}")
    return steps / float(speeds[-1])


def measure_training(quick: bool, cleanrl: str | None) -> None:
    print("Training on CartPole-v1: 4 environments x 128 steps, 4 epochs, minibatches of 128")
    steps, turns = (8_192, 3) if quick else (32_768, 7)
    competitors: dict[str, Callable[[], float]] = {"npppo": lambda: npppo_training(steps)}
    if HAS_SB3:
        competitors["Stable-Baselines3"] = lambda: sb3_training(steps)
    else:
        print("Stable-Baselines3 is not installed.")
    if cleanrl is not None:
        script = os.path.join(cleanrl, "ppo.py")
        competitors["CleanRL"] = lambda: cleanrl_training(script, steps)
    else:
        print("CleanRL is not measured without --cleanrl FOLDER.")
    print_training(take_turns(competitors, turns), steps)


def print_training(results: dict[str, list[float]], steps: int) -> None:
    for name, seconds in results.items():
        against = "" if name == "npppo" else f"   npppo is {ratio(results, name, 'npppo'):.1f}x"
        print(f"{name:18} {steps / median(seconds):8,.0f} steps/s{against}")


# mujoco


def sb3_continuous(env_id: str, steps: int) -> float:
    import torch
    from stable_baselines3 import PPO
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.vec_env import VecNormalize

    torch.set_num_threads(1)
    setting = {**CLEANRL_CONTINUOUS, "learning_rate": lambda left: left * 3e-4}
    for name in ("learning_rate_end", "n_envs", *NORMALIZED):
        del setting[name]
    env = VecNormalize(make_vec_env(env_id, 1, seed=0))
    return learning(PPO("MlpPolicy", env, seed=0, device="cpu", **setting), steps)


def mujocos_own(env_id: str, steps: int) -> float:
    """`step` alone, with actions at random."""
    import gymnasium

    env = gymnasium.make(env_id)
    env.action_space.seed(0)
    actions = [env.action_space.sample() for _ in range(steps)]
    env.reset(seed=0)
    began = time.perf_counter()
    for action in actions:
        _, _, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            env.reset()
    return time.perf_counter() - began


def measure_mujoco(quick: bool, cleanrl: str | None) -> None:
    if find_spec("mujoco") is None:
        print("mujoco is not measured: pip install 'gymnasium[mujoco]'")
        return
    for env_id in ("Hopper-v5", "HalfCheetah-v5"):
        measure_env_of_mujoco(env_id, quick, cleanrl)


def measure_env_of_mujoco(env_id: str, quick: bool, cleanrl: str | None) -> None:
    print(f"{env_id}: 1 environment x 2048 steps, 10 epochs, minibatches of 64, normalised")
    steps, turns = (4_096, 1) if quick else (8_192, 5)
    competitors: dict[str, Callable[[], float]] = {
        "npppo": lambda: learning(npppo.PPO(env_id, 0, **CLEANRL_CONTINUOUS), steps),
        "step alone": lambda: mujocos_own(env_id, steps),
    }
    if HAS_SB3:
        competitors["Stable-Baselines3"] = lambda: sb3_continuous(env_id, steps)
    if cleanrl is not None:
        script = os.path.join(cleanrl, "ppo_continuous_action.py")
        competitors["CleanRL"] = lambda: cleanrl_training(script, steps, "--env-id", env_id)
    print_training(take_turns(competitors, turns), steps)


# family


def learning(model: Any, steps: int) -> float:
    """Seconds for so many steps, without the making of environments and networks."""
    began = time.perf_counter()
    model.learn(steps)
    return time.perf_counter() - began


def measure_family(quick: bool) -> None:
    if not HAS_CONTRIB:
        print("family needs Stable-Baselines3 and sb3-contrib, which are not installed.")
        return
    from sb3_contrib import TRPO
    from stable_baselines3 import A2C
    from stable_baselines3.common.env_util import make_vec_env

    a2c = {"n_envs": 8, "n_steps": 5, "gae_lambda": 1.0, "optimizer": "rmsprop"}
    rates = {"learning_rate": 7e-4, "learning_rate_end": None}
    trpo = {"n_steps": 256, "batch_size": 128}
    critic = {"cg_max_steps": 15, "n_critic_updates": 10}
    steps, turns = (4_096, 2) if quick else (16_384, 5)

    def other(kind: Any, **settings: Any) -> float:
        env = make_vec_env("CartPole-v1", 8, seed=0)
        return learning(kind("MlpPolicy", env, seed=0, device="cpu", **settings), steps)

    competitors = {
        "A2C": lambda: learning(npppo.A2C("CartPole-v1", 0, **a2c, **rates), steps),
        "A2C of Stable-Baselines3": lambda: other(A2C),
        "TRPO": lambda: learning(npppo.TRPO("CartPole-v1", 0, n_envs=8, **trpo), steps),
        "TRPO of sb3-contrib": lambda: other(TRPO, **trpo, **critic),
    }
    print("CartPole-v1, 8 environments, networks 64-64: A2C 5 steps, TRPO 256 steps an update")
    results = take_turns(competitors, turns)
    for name, seconds in results.items():
        print(f"{name:26} {steps / median(seconds):8,.0f} steps/s")
    print(f"A2C is {ratio(results, 'A2C of Stable-Baselines3', 'A2C'):.1f}x", end=", ")
    print(f"TRPO {ratio(results, 'TRPO of sb3-contrib', 'TRPO'):.1f}x")


# solved

# the settings of RL Baselines3 Zoo for CartPole-v1
SB3_SOLVES = """
import sys
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env

class Stop(BaseCallback):
    def _on_step(self):
        returns = [episode["r"] for episode in self.model.ep_info_buffer]
        return len(returns) < 100 or sum(returns) / 100 < 475

torch.set_num_threads(1)
seed = int(sys.argv[1])
env = make_vec_env("CartPole-v1", 8, seed=seed)
model = PPO(
    "MlpPolicy", env, n_steps=32, batch_size=256, n_epochs=20, gamma=0.98, gae_lambda=0.8,
    learning_rate=lambda left: 1e-3 * left, clip_range=lambda left: 0.2 * left, ent_coef=0.0,
    seed=seed, device="cpu",
)
stop = Stop()
model.learn(100_000, callback=stop)
print("reached" if not stop._on_step() else "failed", model.num_timesteps)
"""


def until_reached(*arguments: str) -> tuple[float, bool]:
    """Seconds until a Python process says that it has reached its aim, or ends without."""
    command = [sys.executable, "-u", *arguments]
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            if line.startswith("reached") and "the end of the training" not in line:
                seconds = time.perf_counter() - began
                process.communicate()
                return seconds, True
    return time.perf_counter() - began, False


def npppo_solves(seed: int) -> tuple[float, bool]:
    with tempfile.TemporaryDirectory() as folder:
        train = ["-m", "npppo", "train", "CartPole-v1", "--stop-at", "475"]
        return until_reached(*train, "--seed", str(seed), "--out", os.path.join(folder, "run"))


def sb3_solves(seed: int) -> tuple[float, bool]:
    return until_reached("-c", SB3_SOLVES, str(seed))


def fresh_process(code: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - began


def measure_solved(quick: bool) -> None:
    print("CartPole-v1, from the start of the process to a mean return of 475 of the last 100")
    print("training episodes; npppo's preset, and RL Baselines3 Zoo's settings (100,000 steps)")
    solvers: dict[str, Callable[[int], tuple[float, bool]]] = {"npppo": npppo_solves}
    if HAS_SB3:
        solvers["Stable-Baselines3"] = sb3_solves
    else:
        print("Stable-Baselines3 is not installed.")
    results: dict[str, list[tuple[float, bool]]] = {name: [] for name in solvers}
    imports = []
    for seed in range(3 if quick else 5):
        for name, solve in solvers.items():
            results[name].append(solve(seed))
        if HAS_SB3:
            imports.append(fresh_process("import stable_baselines3"))
    for name, runs in results.items():
        times = sorted(runs)
        cells = [f"{seconds:.1f}{'' if solved else ' (not solved)'}" for seconds, solved in times]
        middle = median(seconds for seconds, _ in times)
        print(f"{name:18} median {middle:5.1f} s   seeds sorted: {', '.join(cells)}")
    if imports:
        print(f"`import stable_baselines3` alone: median {median(imports):.1f} s")


# scaling


def measure_scaling(quick: bool) -> None:
    print("npppo's training as it grows, otherwise as under `training`")
    updates, turns = (4, 1) if quick else (16, 3)
    for n_envs in (4, 16, 64, 256, 1024):
        steps = updates * n_envs * 128
        setting = {"n_envs": n_envs, "batch_size": n_envs * 32}
        seconds = median(npppo_training(steps, **setting) for _ in range(turns))
        print(f"{n_envs:5} environments, minibatches of {n_envs * 32:6,}: ", end="")
        print(f"{steps / seconds:9,.0f} steps/s")
    for width in (32, 64, 128, 256, 512):
        steps = updates * 512
        setting = {"net_arch": (width, width)}
        seconds = median(npppo_training(steps, **setting) for _ in range(turns))
        print(f"two hidden layers of {width:3}: {steps / seconds:9,.0f} steps/s")


# import


def measure_import(quick: bool) -> None:
    print("A fresh process")
    codes = {"import numpy": "import numpy", "import npppo; npppo.gae": "import npppo; npppo.gae"}
    competitors = {name: lambda code=code: fresh_process(code) for name, code in codes.items()}
    results = take_turns(competitors, 5 if quick else 11)
    for name, seconds in results.items():
        print(f"{name:24} {1e3 * median(seconds):5.0f} ms")
    numpy_name, npppo_name = codes
    print(f"ratio {ratio(results, npppo_name, numpy_name):.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description="How fast npppo is, beside others.")
    sections: dict[str, Callable[[bool], None]] = {
        "updates": measure_updates,
        "rollout": measure_rollout,
        "training": lambda quick: measure_training(quick, options.cleanrl),
        "mujoco": lambda quick: measure_mujoco(quick, options.cleanrl),
        "family": measure_family,
        "solved": measure_solved,
        "scaling": measure_scaling,
        "import": measure_import,
    }
    parser.add_argument("--only", choices=sections, help="default: all of them")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter turns")
    parser.add_argument("--cleanrl", metavar="FOLDER", help="folder of CleanRL's scripts")
    options = parser.parse_args()
    for section in [options.only] if options.only else sections:
        sections[section](options.quick)
        print(flush=True)


if __name__ == "__main__":
    main()
