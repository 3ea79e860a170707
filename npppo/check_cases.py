"""npppo's own gradients for the checker: every backward at a point that proves something.

The points are random but kept off the kinks: no relu input near 0, no ratio near 1 ± clip, no value
near the bounds of its clip. `npppo check` runs them all.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from .agents.agent import HEADS, Agent, Architecture
from .check import Backward, Forward, GradientResult, check_gradient
from .formulas import categorical, gaussian, layers, losses
from .formulas.shapes import Array, Layers

__all__ = ["check_package", "package_cases"]


class Case(NamedTuple):
    """A forward and its backward at one point, and the names of what they differentiate by."""

    name: str
    forward: Forward
    backward: Backward
    args: tuple[Any, ...]
    wrt: list[str]


def check_package(seed: int = 0) -> list[GradientResult]:
    """Check every gradient of npppo, at points drawn from the seed."""
    rng = np.random.default_rng(seed)
    results = []
    for name, forward, backward, args, wrt in package_cases(rng):
        results += check_gradient(forward, backward, *args, wrt=wrt, function=name, seed=rng)
    return results


N, D, A = 5, 3, 4  # all different, so that nothing fits by accident
CLIP = 0.2


def package_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Every gradient of npppo at a random point that is off its kinks by construction."""
    yield from _layer_cases(rng)
    yield from _policy_cases(rng)
    yield from _loss_cases(rng)
    yield from _agent_cases(rng)


def _case(module: ModuleType, name: str, wrt: str, *args: Any) -> Case:
    functions = getattr(module, name), getattr(module, f"{name}_backward")
    return Case(name, *functions, args, wrt.split())


def _layer_cases(rng: np.random.Generator) -> Iterator[Case]:
    x = rng.normal(size=(N, D))
    yield _case(layers, "linear", "x W b", x, rng.normal(size=(D, A)), rng.normal(size=A))
    yield _case(layers, "tanh", "x", x)
    yield _case(layers, "relu", "x", x + 0.1 * np.sign(x))
    for activation in layers.ACTIVATIONS:
        params = _layers_off_kinks(rng, x, [D, 6, 5, A])
        network = _case(layers, "mlp", "x params", x, params, activation)
        yield network._replace(name=f"mlp ({activation})")
        dparams = [(rng.normal(size=W.shape), rng.normal(size=b.shape)) for W, b in params]
        yield _jvp_case(x, params, dparams, activation)


def _layers_off_kinks(rng: np.random.Generator, x: Array, widths: list[int]) -> Layers:
    """Layers that put 0, where relu has its kink, into each unit's widest gap between samples."""
    params, h = [], x
    for shape in pairwise(widths):
        W = rng.normal(size=shape)  # (D, M)
        z = np.sort(h @ W, axis=0)  # (N, M)
        gap = np.diff(z, axis=0).argmax(axis=0)  # (M,)
        b = -np.take_along_axis((z[:-1] + z[1:]) / 2, gap[None], axis=0)[0]  # (M,)
        params.append((W, b))
        h = np.maximum(h @ W + b, 0)  # (N, M)
    return params


def _jvp_case(x: Array, params: Layers, dparams: Layers, activation: str) -> Case:
    """`mlp_jvp` as a gradient: that of sample n's output at params + t_n dparams by t_n.

    A t for each sample, because a single sum over them all may come out close to 0.
    """

    def forward(t: Array) -> tuple[Array, None]:
        rows = []
        for n in range(len(t)):
            pairs = zip(params, dparams, strict=True)
            moved = [(W + t[n] * dW, b + t[n] * db) for (W, b), (dW, db) in pairs]
            rows.append(layers.mlp(x[n : n + 1], moved, activation)[0])  # (1, A)
        return np.concatenate(rows), None  # (N, A)

    def backward(dout: Array, cache: None) -> Any:
        return (dout * layers.mlp_jvp(x, params, dparams, activation)).sum(axis=1)  # (N,)

    return Case(f"mlp_jvp ({activation})", forward, backward, (np.zeros(len(x)),), ["t"])


def _policy_cases(rng: np.random.Generator) -> Iterator[Case]:
    logits, old_logits = rng.normal(size=(2, N, A))
    actions = rng.integers(A, size=N)
    yield _case(categorical, "softmax", "logits", logits)
    yield _case(categorical, "log_softmax", "logits", logits)
    yield _case(categorical, "categorical_log_prob", "logits", logits, actions)
    yield _case(categorical, "categorical_entropy", "logits", logits)
    yield _case(categorical, "categorical_kl", "logits", old_logits, logits)

    old_mean, mean, samples = rng.normal(size=(3, N, A))
    old_log_std, log_std = rng.uniform(-1, 0.5, size=(2, A))
    yield _case(gaussian, "gaussian_log_prob", "mean log_std", mean, log_std, samples)
    yield _case(gaussian, "gaussian_entropy", "log_std", log_std)
    kl_args = old_mean, old_log_std, mean, log_std
    yield _case(gaussian, "gaussian_kl", "mean log_std", *kl_args)


def _ratios_and_advantages(rng: np.random.Generator) -> tuple[Array, Array]:
    """Ratios on both sides of both clip bounds, each with advantages of both signs; (8,), (8,)."""
    ratio = np.tile([0.6, 0.9, 1.1, 1.5], 2) * rng.uniform(0.95, 1.05, 8)
    return ratio, np.repeat([-1, 1], 4) * rng.uniform(0.5, 2, 8)


def _loss_cases(rng: np.random.Generator) -> Iterator[Case]:
    ratio, advantages = _ratios_and_advantages(rng)
    old_log_prob = rng.uniform(-2, -0.5, 8)
    log_prob = old_log_prob + np.log(ratio)
    yield _case(losses, "importance_ratio", "log_prob", log_prob, old_log_prob)
    yield _case(losses, "policy_gradient_loss", "log_prob", log_prob, advantages)
    surrogate = log_prob, old_log_prob, advantages
    yield _case(losses, "clipped_surrogate_loss", "log_prob", *surrogate, CLIP)

    # Values on both sides of both clip bounds, with targets above and below. The squares of the
    # clipped value loss tie at a target between the value and the bound, at most 0.44 from old.
    old_values = rng.normal(size=8)
    values = old_values + np.tile([-0.4, -0.1, 0.1, 0.4], 2) * rng.uniform(0.9, 1.1, 8)
    targets = old_values + np.repeat([-1, 1], 4) * rng.uniform(0.8, 1.2, 8)
    yield _case(losses, "value_loss", "values", values, targets)
    yield _case(losses, "clipped_value_loss", "values", values, old_values, targets, CLIP)

    outputs = log_prob, rng.uniform(0.5, 1, 8), values
    data = old_log_prob, advantages, targets
    hyperparameters = CLIP, 0.5, 0.1, old_values, CLIP
    wrt = "log_prob entropy values"
    yield _case(losses, "ppo_objective", wrt, *outputs, *data, *hyperparameters)

    logits, actions = rng.normal(size=(8, A)), rng.integers(A, size=8)
    old_log_prob = categorical.categorical_log_prob(logits, actions)[0] - np.log(ratio)
    data = old_log_prob, advantages, targets
    yield _case(losses, "ppo_loss", "logits values", logits, values, actions, *data, CLIP, 0.5, 0.1)


def _agent_cases(rng: np.random.Generator) -> Iterator[Case]:
    """The PPO loss by the one vector that holds every parameter of the agent."""
    for head in HEADS:
        for shared_trunk in (False, True):
            architecture = Architecture(D, A, head, net_arch=(6, 5), shared_trunk=shared_trunk)
            yield _agent_case(rng, architecture)


def _agent_case(rng: np.random.Generator, architecture: Architecture) -> Case:
    ratio, advantages = _ratios_and_advantages(rng)
    observations, targets = rng.normal(size=(8, D)), rng.normal(size=8)
    parameters = rng.normal(scale=0.5, size=architecture.size())
    agent = Agent(architecture, parameters)
    noise = agent.head.noise(rng, (8,), A)
    actions = agent.head.sample(*agent.policy(observations), noise)
    old_log_prob = agent.evaluate(observations, actions)[0][0] - np.log(ratio)

    def forward(parameters: Array) -> tuple[Array, Any]:
        agent = Agent(architecture, parameters)
        outputs, agent_cache = agent.evaluate(observations, actions)
        data = old_log_prob, advantages, targets
        loss, loss_cache = losses.ppo_objective(*outputs, *data, CLIP, vf_coef=0.5, ent_coef=0.1)
        return loss, (agent, agent_cache, loss_cache)

    def backward(dloss: float, cache: Any) -> Any:
        agent, agent_cache, loss_cache = cache
        return agent.backward(*losses.ppo_objective_backward(dloss, loss_cache), agent_cache)

    trunk = "shared trunk" if architecture.shared_trunk else "two networks"
    name = f"agent ({architecture.head}, {trunk})"
    return Case(name, forward, backward, (parameters,), ["parameters"])
