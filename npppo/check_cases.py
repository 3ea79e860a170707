"""npppo's own gradients for the checker: every backward at a point that proves something.

The points are those that the grader's batteries try a formula on, off the kinks: no relu input near
0, no ratio near 1 ± clip, no value near the bounds of its clip. `npppo check` runs them all.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from .agents.agent import Agent, Architecture
from .check import Backward, Forward, GradientResult, check_gradient
from .formulas import bernoulli, categorical, gaussian, layers, losses, surrogates
from .formulas.shapes import SPECIFICATIONS, Array, Layers
from .grading.exercises.batteries import BATTERIES
from .grading.exercises.batteries.losses import all_cells, with_ratio

__all__ = ["check_package", "package_cases"]


class Case(NamedTuple):
    """A forward and its backward at one point, and the names of what they differentiate by."""

    name: str
    forward: Forward
    backward: Backward
    args: tuple[Any, ...]
    wrt: tuple[str, ...]


def check_package(seed: int = 0) -> list[GradientResult]:
    """Check every gradient of npppo, at points drawn from the seed."""
    rng = np.random.default_rng(seed)
    results = []
    for name, forward, backward, args, wrt in package_cases(rng):
        results += check_gradient(forward, backward, *args, wrt=wrt, function=name, seed=rng)
    return results


def package_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Every gradient of npppo at a random point that is off its kinks by construction."""
    for module in (layers, categorical, bernoulli, gaussian, surrogates, losses):
        for name, specification in SPECIFICATIONS.items():
            function = getattr(module, name, None)
            if function and specification.by and function.__module__ == module.__name__:
                backward = getattr(module, f"{name}_backward")
                for args in _points(rng, name):
                    shown = f"{name} ({args[-1]})" if isinstance(args[-1], str) else name
                    yield Case(shown, function, backward, args, specification.by)
    for args in _points(rng, "mlp_jvp"):
        yield _jvp_case(*args)
    for objective in surrogates.OBJECTIVES:
        yield _objective_case(rng, objective)
    for (head, actions), shared_trunk in product(ACTIONS.items(), (False, True)):
        architecture = Architecture(3, actions, head, (6, 5), shared_trunk=shared_trunk)
        yield _agent_case(rng, architecture)
        yield _kl_case(rng, architecture)


ACTIONS: dict[str, Any] = {
    "categorical": 4,
    "multi_categorical": (2, 3),
    "bernoulli": 3,
    "gaussian": 2,
}


# where the battery has them: both sides of every clip, each activation
RICH = ("everything at once", "unequal widths, tanh", "unequal widths, relu")


def _points(rng: np.random.Generator, name: str) -> list[tuple[Any, ...]]:
    """The arguments of one case of each rich stratum of the formula's battery, or the first."""
    cases = BATTERIES[name].draw(rng)
    rich = {case.stratum: case.args for case in cases if case.stratum in RICH}
    return list(rich.values()) or [cases[0].args]


def _jvp_case(x: Array, params: Layers, dparams: Layers, activation: str) -> Case:
    """`mlp_jvp` as a gradient: that of sample n's output at params + t_n dparams by t_n.

    A t for each sample, because a single sum over them all may come out close to 0.
    """

    def output(x: Array, t: Array) -> Array:
        pairs = zip(params, dparams, strict=True)
        moved = [(W + t * dW, b + t * db) for (W, b), (dW, db) in pairs]
        return layers.mlp(x[None], moved, activation)[0]  # (1, M)

    def forward(t: Array) -> tuple[Array, None]:
        return np.concatenate(list(map(output, x, t))), None  # (N, M)

    def backward(dout: Array, cache: None) -> Any:
        return (dout * layers.mlp_jvp(x, params, dparams, activation)).sum(axis=1)  # (N,)

    return Case(f"mlp_jvp ({activation})", forward, backward, (np.zeros(len(x)),), ("t",))


def _objective_case(rng: np.random.Generator, objective: str) -> Case:
    [(values, old_values, targets, value_clip)] = _points(rng, "clipped_value_loss")
    N = len(values)
    ratio, advantages, clip = all_cells(rng, 0.2)
    log_prob, old_log_prob = with_ratio(rng, "", ratio[:N])
    outputs, data = (
        (log_prob, rng.uniform(0.5, 1, N), values),
        (old_log_prob, advantages[:N], targets),
    )
    limits = {"clip": (clip,), "dual_clip": (clip, 1.5 * clip, 3.0), "spo": (clip,)}
    args = *outputs, *data, limits.get(objective, ()), 0.5, 0.1, old_values, value_clip, objective
    functions = losses.ppo_objective, losses.ppo_objective_backward
    name = f"ppo_objective ({objective})"
    return Case(name, *functions, args, ("log_prob", "entropy", "values"))


def _agent_case(rng: np.random.Generator, architecture: Architecture) -> Case:
    """The PPO loss by the one vector that holds every parameter of the agent."""
    ratio, advantages, clip = all_cells(rng, 0.2)
    N = len(ratio)
    observations, targets = rng.normal(size=(N, architecture.observation_size)), rng.normal(size=N)
    parameters = rng.normal(scale=0.5, size=architecture.size())
    agent = Agent(architecture, parameters)
    noise = agent.head.noise(rng, (N,))
    actions = agent.head.sample(*agent.policy(observations), noise)
    old_log_prob = agent.evaluate(observations, actions)[0][0] - np.log(ratio)

    def forward(parameters: Array) -> tuple[Array, Any]:
        agent = Agent(architecture, parameters)
        outputs, agent_cache = agent.evaluate(observations, actions)
        data = old_log_prob, advantages, targets
        loss, loss_cache = losses.ppo_objective(*outputs, *data, (clip,), vf_coef=0.5, ent_coef=0.1)
        return loss, (agent, agent_cache, loss_cache)

    def backward(dloss: float, cache: Any) -> Any:
        agent, agent_cache, loss_cache = cache
        return agent.backward(*losses.ppo_objective_backward(dloss, loss_cache), agent_cache)

    name = f"agent ({_described(architecture)})"
    return Case(name, forward, backward, (parameters,), ("parameters",))


def _kl_case(rng: np.random.Generator, architecture: Architecture) -> Case:
    """The mean KL divergence from another policy, as PPO's penalty has it."""
    observations = rng.normal(size=(5, architecture.observation_size))
    parameters, others = rng.normal(scale=0.5, size=(2, architecture.size()))
    agent = Agent(architecture, parameters)
    actions = agent.head.mode(*agent.policy(observations))
    old = Agent(architecture, others).policy(observations)

    def forward(parameters: Array) -> tuple[Array, Any]:
        agent = Agent(architecture, parameters)
        _, agent_cache = agent.evaluate(observations, actions)
        kl, kl_cache = agent.head.kl(*old, *agent_cache.distribution)  # (N,)
        return kl.sum() / len(kl), (agent, agent_cache, kl_cache)

    def backward(dloss: float, cache: Any) -> Any:
        agent, agent_cache, kl_cache = cache
        dkl = np.full(len(observations), dloss / len(observations))  # (N,)
        return agent.policy_backward(agent.head.kl_backward(dkl, kl_cache), agent_cache)

    return Case(
        f"KL ({_described(architecture)})", forward, backward, (parameters,), ("parameters",)
    )


def _described(architecture: Architecture) -> str:
    trunk = "shared trunk" if architecture.shared_trunk else "two networks"
    return f"{architecture.head}, {trunk}"
