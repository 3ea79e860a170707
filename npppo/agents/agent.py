"""The agent: a policy and a value function over one flat vector of parameters.

The layers' W and b are views into `Agent.parameters`, so Adam, the gradient norm, a checkpoint
and the gradient checker each handle one array, whatever the networks look like.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from ..formulas.categorical import (
    categorical_evaluate,
    categorical_evaluate_backward,
    categorical_kl,
    gumbel_max,
)
from ..formulas.gaussian import (
    gaussian_evaluate,
    gaussian_evaluate_backward,
    gaussian_kl,
    gaussian_sample,
)
from ..formulas.layers import ACTIVATIONS, mlp, mlp_backward, orthogonal
from ..formulas.shapes import Array, Cache, Layers

Distribution = tuple[Array, ...]  # what the head calls its parameters: (logits,), (mean, log_std)


@dataclass(frozen=True)
class Head:
    """A family of action distributions: categorical.py's or gaussian.py's functions by one name."""

    noise: Callable[[np.random.Generator, tuple[int, ...], int], Array]
    sample: Callable[..., Array]  # (*distribution, noise) -> actions
    mode: Callable[..., Array]  # (*distribution) -> the likeliest actions
    evaluate: Callable[..., tuple[tuple[Array, Array], Cache]]
    evaluate_backward: Callable[..., Any]
    kl: Callable[..., tuple[Array, Cache]]


HEADS = {
    "categorical": Head(
        noise=lambda rng, shape, size: rng.gumbel(size=(*shape, size)),  # (*shape, A)
        sample=gumbel_max,
        mode=lambda logits: logits.argmax(axis=1),  # (N,)
        evaluate=categorical_evaluate,
        evaluate_backward=lambda *args: (categorical_evaluate_backward(*args),),
        kl=categorical_kl,
    ),
    "gaussian": Head(
        noise=lambda rng, shape, size: rng.standard_normal((*shape, size)),  # (*shape, A)
        sample=lambda mean, log_std, noise: gaussian_sample(
            mean, log_std, noise.astype(mean.dtype)
        ),
        mode=lambda mean, log_std: mean.copy(),  # (N, A)
        evaluate=gaussian_evaluate,
        evaluate_backward=gaussian_evaluate_backward,
        kl=gaussian_kl,
    ),
}


@dataclass(frozen=True)
class Architecture:
    """What the networks look like; together with the flat vector it is the whole agent.

    `actions` is A: the number of discrete actions, or of action dimensions. With `shared_trunk`
    the hidden layers serve both the policy and the value function; without, each has its own.
    """

    observation_size: int
    actions: int
    head: str = "categorical"
    net_arch: tuple[int, ...] = (64, 64)
    activation: str = "tanh"
    shared_trunk: bool = False

    def layers(self) -> dict[str, list[tuple[int, int]]]:
        """The shape (D, M) of each weight matrix, part by part in the order of the flat vector."""
        hidden = [self.observation_size, *self.net_arch]
        if self.shared_trunk:
            return {
                "trunk": list(pairwise(hidden)),
                "policy": [(hidden[-1], self.actions)],
                "value": [(hidden[-1], 1)],
            }
        return {
            "trunk": [],
            "policy": list(pairwise([*hidden, self.actions])),
            "value": list(pairwise([*hidden, 1])),
        }

    def size(self) -> int:
        """The number of parameters."""
        shapes = [shape for part in self.layers().values() for shape in part]
        log_std = self.actions if self.head == "gaussian" else 0
        return sum(D * M + M for D, M in shapes) + log_std


def initial_parameters(
    architecture: Architecture, rng: np.random.Generator, dtype: DTypeLike = np.float32
) -> Array:
    """A fresh flat vector (P,): orthogonal weights, biases and log standard deviations 0.

    Gains: √2 for hidden layers, 0.01 for the policy's output, so that it starts close to
    uniform, and 1 for the value's (Huang et al. 2022, detail 2).
    """
    pieces: list[Array] = []
    for part, shapes in architecture.layers().items():
        gains = [math.sqrt(2)] * len(shapes)
        if part != "trunk":
            gains[-1] = {"policy": 0.01, "value": 1.0}[part]
        for shape, gain in zip(shapes, gains, strict=True):
            pieces += [orthogonal(rng, shape, gain).ravel(), np.zeros(shape[1])]
    if architecture.head == "gaussian":
        pieces.append(np.zeros(architecture.actions))
    return np.concatenate(pieces).astype(dtype)


class AgentCache(NamedTuple):
    """What `Agent.backward` needs; `distribution` also serves the KL divergence."""

    distribution: Distribution
    head_cache: Cache
    trunk_cache: Any
    policy_cache: Any
    value_cache: Any


class Agent:
    """A policy π(a|s) and a value function V(s).

    `parameters` is the flat vector (P,) of any dtype; the layers are views of it, so writing into
    it changes the agent, and assigning to it writes into it. Observations are (N, D). A copy, by
    `copy` or by pickle, has a vector and views of its own.
    """

    def __init__(self, architecture: Architecture, parameters: Array) -> None:
        if parameters.shape != (architecture.size(),):
            raise ValueError(
                f"parameters has shape {parameters.shape}, expected ({architecture.size()},) "
                f"for {architecture}"
            )
        self.architecture = architecture
        self._parameters = parameters  # (P,)
        self.head = HEADS[architecture.head]
        self._activation = ACTIVATIONS[architecture.activation]
        parts, used = _views(parameters, architecture.layers())
        self.trunk, self.policy_layers, self.value_layers = parts.values()
        self._extra = (parameters[used:],) if architecture.head == "gaussian" else ()  # log_std

    @property
    def parameters(self) -> Array:
        """The flat vector (P,)."""
        return self._parameters

    @parameters.setter
    def parameters(self, values: Array) -> None:
        self._parameters[:] = values

    def __reduce__(self) -> tuple[Any, ...]:
        # arrays copied one by one would no longer be views of one another
        return type(self), (self.architecture, self.parameters)

    def __copy__(self) -> Agent:
        return copy.deepcopy(self)

    def policy(self, observations: Array) -> Distribution:
        """The action distributions of the observations (N, D): `(logits,)` or `(mean, log_std)`."""
        features, _ = self._features(observations)
        out, _ = mlp(features, self.policy_layers, self.architecture.activation)  # (N, A)
        return (out, *self._extra)

    def values(self, observations: Array) -> Array:
        """V(s) of the observations (N, D): (N,)."""
        features, _ = self._features(observations)
        values, _ = mlp(features, self.value_layers, self.architecture.activation)  # (N, 1)
        return values[:, 0]

    def evaluate(
        self, observations: Array, actions: Array
    ) -> tuple[tuple[Array, Array, Array], AgentCache]:
        """Log-probabilities of the actions (N,), entropies (N,) or (), and values (N,)."""
        activation = self.architecture.activation
        features, trunk_cache = self._features(observations)  # (N, D) or (N, width)
        out, policy_cache = mlp(features, self.policy_layers, activation)  # (N, A)
        values, value_cache = mlp(features, self.value_layers, activation)  # (N, 1)
        distribution = (out, *self._extra)
        (log_prob, entropy), head_cache = self.head.evaluate(*distribution, actions)
        cache = AgentCache(distribution, head_cache, trunk_cache, policy_cache, value_cache)
        return (log_prob, entropy, values[:, 0]), cache

    def backward(
        self, dlog_prob: Array, dentropy: Array, dvalues: Array, cache: AgentCache
    ) -> Array:
        """Gradient with respect to `parameters`, (P,), from those of `evaluate`'s results."""
        # forward: log_prob, entropy = head(out, log_std)
        dout, *dextra = self.head.evaluate_backward(dlog_prob, dentropy, cache.head_cache)
        # forward: out = policy(features), values = value(features)
        trunk_grads: Layers = []
        if self.trunk:
            # forward: features = act(trunk(observations)); both heads read them
            dfeatures_policy, policy_grads = mlp_backward(dout, cache.policy_cache)
            dfeatures_value, value_grads = mlp_backward(dvalues[:, None], cache.value_cache)
            body_cache, act_cache = cache.trunk_cache
            _, act_backward = self._activation
            dbody = act_backward(dfeatures_policy + dfeatures_value, act_cache)  # (N, width)
            _, trunk_grads = mlp_backward(dbody, body_cache)
        else:
            # the features are the observations, whose gradient nobody needs
            _, policy_grads = mlp_backward(dout, cache.policy_cache)
            _, value_grads = mlp_backward(dvalues[:, None], cache.value_cache)
        layers = [*trunk_grads, *policy_grads, *value_grads]
        return np.concatenate([*chain.from_iterable(layers), *dextra], axis=None)  # (P,)

    def _features(self, observations: Array) -> tuple[Array, Any]:
        if not self.trunk:
            return observations, None
        act, _ = self._activation
        body, body_cache = mlp(observations, self.trunk, self.architecture.activation)
        features, act_cache = act(body)  # (N, width)
        return features, (body_cache, act_cache)


def _views(
    parameters: Array, parts: dict[str, list[tuple[int, int]]]
) -> tuple[dict[str, Layers], int]:
    """The flat vector cut into layers, each W and b a view of it, and how much of it they use."""
    views: dict[str, Layers] = {}
    start = 0
    for part, shapes in parts.items():
        views[part] = []
        for D, M in shapes:
            W = parameters[start : start + D * M].reshape(D, M)  # (D, M)
            b = parameters[start + D * M : start + D * M + M]  # (M,)
            views[part].append((W, b))
            start += D * M + M
    return views, start
