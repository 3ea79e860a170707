"""The agent: a policy and a value function over one flat vector of parameters.

The layers' W and b are views into `Agent.parameters`, so Adam, the gradient norm, a checkpoint
and the gradient checker each handle one array, whatever the networks look like.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from ..formulas.layers import ACTIVATIONS, mlp, mlp_along, mlp_backward, orthogonal
from ..formulas.shapes import Array, Cache, Layers
from .heads import HEADS, Distribution, Head


@dataclass(frozen=True)
class Architecture:
    """What the networks look like; together with the flat vector it is the whole agent.

    `actions` is A: the number of discrete actions, of action dimensions, or of bits; for several
    choices at once, the number of actions of each. With `shared_trunk` the hidden layers serve both
    the policy and the value function; without, each has its own.
    """

    observation_size: int
    actions: int | tuple[int, ...]
    head: str = "categorical"
    net_arch: tuple[int, ...] = (64, 64)
    activation: str = "tanh"
    shared_trunk: bool = False

    def make_head(self) -> Head:
        """The formulas of the policy's distributions."""
        return HEADS[self.head](self.actions)

    def layers(self) -> dict[str, list[tuple[int, int]]]:
        """The shape (D, M) of each weight matrix, part by part in the order of the flat vector."""
        hidden = [self.observation_size, *self.net_arch]
        outputs = self.make_head().outputs
        if self.shared_trunk:
            return {
                "trunk": list(pairwise(hidden)),
                "policy": [(hidden[-1], outputs)],
                "value": [(hidden[-1], 1)],
            }
        return {
            "trunk": [],
            "policy": list(pairwise([*hidden, outputs])),
            "value": list(pairwise([*hidden, 1])),
        }

    def size(self) -> int:
        """The number of parameters."""
        shapes = [shape for part in self.layers().values() for shape in part]
        return sum(D * M + M for D, M in shapes) + self.make_head().own


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
    pieces.append(np.zeros(architecture.make_head().own))
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
        self.head = architecture.make_head()
        self._activation = ACTIVATIONS[architecture.activation]
        parts, used = _views(parameters, architecture.layers())
        self.trunk, self.policy_layers, self.value_layers = parts.values()
        self._own = (parameters[used:],) if self.head.own else ()  # a Gaussian's log_std (A,)

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

    def policy(self, observations: Array, mask: Array | None = None) -> Distribution:
        """The action distributions of the observations (N, D): `(logits,)` or `(mean, log_std)`.

        Where the `mask`, if there is one, (N, A) bool, is False, the logit is -inf: the action is
        never drawn, and neither its logit nor what made it has a gradient.
        """
        features, _ = self._features(observations)
        out, _ = mlp(features, self.policy_layers, self.architecture.activation)  # (N, A)
        return self._distribution(out, mask)

    def _distribution(self, out: Array, mask: Array | None) -> Distribution:
        if mask is not None:
            out = np.where(mask, out, out.dtype.type(-np.inf))  # (N, A)
        return (out, *self._own)

    def values(self, observations: Array) -> Array:
        """V(s) of the observations (N, D): (N,)."""
        return self.value_forward(observations)[0]

    def value_forward(self, observations: Array) -> tuple[Array, Cache]:
        """`values`, for their backward."""
        features, trunk_cache = self._features(observations)  # (N, D) or (N, width)
        values, cache = mlp(features, self.value_layers, self.architecture.activation)  # (N, 1)
        return values[:, 0], (trunk_cache, cache)

    def value_backward(self, dvalues: Array, cache: Cache) -> Array:
        """Gradient (P,) from that of the values; 0 for the policy's part."""
        trunk_cache, value_cache = cache
        # forward: values = value(features)
        dfeatures, value_grads = mlp_backward(dvalues[:, None], value_cache)
        trunk_grads = self._features_backward(dfeatures, trunk_cache)
        no_own = [np.zeros_like(array) for array in self._own]
        return _flat(trunk_grads, _zeros(self.policy_layers), value_grads, no_own)

    def evaluate(
        self, observations: Array, actions: Array, mask: Array | None = None
    ) -> tuple[tuple[Array, Array, Array], AgentCache]:
        """Log-probabilities of the actions (N,), entropies (N,) or (), and values (N,)."""
        activation = self.architecture.activation
        features, trunk_cache = self._features(observations)  # (N, D) or (N, width)
        out, policy_cache = mlp(features, self.policy_layers, activation)  # (N, A)
        values, value_cache = mlp(features, self.value_layers, activation)  # (N, 1)
        distribution = self._distribution(out, mask)
        (log_prob, entropy), head_cache = self.head.evaluate(*distribution, actions)
        cache = AgentCache(distribution, head_cache, trunk_cache, policy_cache, value_cache)
        return (log_prob, entropy, values[:, 0]), cache

    def backward(
        self,
        dlog_prob: Array,
        dentropy: Array,
        dvalues: Array,
        cache: AgentCache,
        dmore: Distribution | None = None,
    ) -> Array:
        """Gradient with respect to `parameters`, (P,), from those of `evaluate`'s results.

        `dmore` are further gradients with respect to the distribution, as of a KL divergence.
        """
        # forward: log_prob, entropy = head(distribution)
        ddistribution = self.head.evaluate_backward(dlog_prob, dentropy, cache.head_cache)
        if dmore is not None:
            ddistribution = tuple(a + b for a, b in zip(ddistribution, dmore, strict=True))
        dout, *down = ddistribution
        # forward: out = policy(features), values = value(features)
        dfeatures_policy, policy_grads = mlp_backward(dout, cache.policy_cache)
        dfeatures_value, value_grads = mlp_backward(dvalues[:, None], cache.value_cache)
        # both read the features
        dfeatures = dfeatures_policy + dfeatures_value  # (N, D) or (N, width)
        trunk_grads = self._features_backward(dfeatures, cache.trunk_cache)
        return _flat(trunk_grads, policy_grads, value_grads, down)

    def policy_backward(self, ddistribution: Distribution, cache: AgentCache) -> Array:
        """Gradient (P,) from that of the distribution; 0 for the value function's part."""
        dout, *down = ddistribution
        # forward: out = policy(features)
        dfeatures, policy_grads = mlp_backward(dout, cache.policy_cache)
        trunk_grads = self._features_backward(dfeatures, cache.trunk_cache)
        return _flat(trunk_grads, policy_grads, _zeros(self.value_layers), down)

    def policy_jvp(self, direction: Array, cache: AgentCache) -> Distribution:
        """How the distributions change as the parameters move along `direction`, (P,)."""
        parts, used = _views(direction, self.architecture.layers())
        layers, activation = cache.policy_cache
        if self.trunk:
            (trunk_layers, _), act_cache = cache.trunk_cache
            layers = [*trunk_layers, act_cache, *layers]
        out = mlp_along([*parts["trunk"], *parts["policy"]], (layers, activation))  # (N, A)
        return (out, direction[used:]) if self._own else (out,)

    def _features(self, observations: Array) -> tuple[Array, Any]:
        if not self.trunk:
            return observations, None
        act, _ = self._activation
        body, body_cache = mlp(observations, self.trunk, self.architecture.activation)
        features, act_cache = act(body)  # (N, width)
        return features, (body_cache, act_cache)

    def _features_backward(self, dfeatures: Array, trunk_cache: Any) -> Layers:
        if not self.trunk:  # the features are the observations, whose gradient nobody needs
            return []
        # forward: features = act(trunk(observations))
        body_cache, act_cache = trunk_cache
        _, act_backward = self._activation
        dbody = act_backward(dfeatures, act_cache)  # (N, width)
        _, trunk_grads = mlp_backward(dbody, body_cache)
        return trunk_grads


def _flat(trunk: Layers, policy: Layers, value: Layers, own: Iterable[Array]) -> Array:
    """All gradients in the order of the flat vector: (P,)."""
    return np.concatenate([*chain(*trunk, *policy, *value), *own], axis=None)


def _zeros(layers: Layers) -> Layers:
    return [(np.zeros_like(W), np.zeros_like(b)) for W, b in layers]


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
