"""Trust region policy optimization: the longest step that a KL divergence allows (Schulman 2015).

A learning rate limits how far the weights move, which says little about how far the policy does.
TRPO limits the policy itself: maximise the surrogate subject to mean KL(old ‖ new) ≤ max_kl. To
lowest order around the old parameters θ, with g the gradient of the surrogate loss and F the Fisher
information, which is the Hessian of the mean KL,

    minimise gᵀd   subject to   ½ dᵀF d ≤ max_kl        d = -√(2 max_kl / xᵀF x) x,   F x = g

F is P × P, too large to make. But the conjugate gradient needs only its products with vectors,
F v = Jᵀ M J v / N, where J = ∂distribution/∂θ and M is the Fisher information of each row's
distribution: forward along v, through M, and back. As all this holds near θ only, the step is made
shorter until the real surrogate has improved and the real KL is within its bound. If none will do,
the policy stays what it was, bit for bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..agents.agent import Agent, AgentCache
from ..agents.rollout import Batch
from ..formulas.losses import explained_variance, value_loss, value_loss_backward
from ..formulas.optimizers import conjugate_gradient
from ..formulas.returns import normalize_advantages
from ..formulas.shapes import Array
from ..formulas.surrogates import surrogate_loss, surrogate_loss_backward
from .batches import Rows, minibatches, rows_of
from .descent import State, descend, expect_finite, expect_finite_parameters
from .hyperparameters import (
    Config,
    above_0,
    from_0_on,
    from_0_to_1,
    name_of_optimizer,
    whole,
    yes_or_no,
)

CG_TOLERANCE = 1e-10
SHRINK = 0.8  # of the step, from one try of the line search to the next (as in Spinning Up)


@dataclass(frozen=True)
class TRPOConfig(Config):
    """TRPO's hyperparameters; those that PPO has too are under the same names."""

    max_kl: float = above_0(0.01, "the mean KL divergence of an update is at most this")
    cg_iterations: int = whole(15, "iterations of the conjugate gradient")
    damping: float = from_0_on(0.1, "added to the Fisher information's diagonal")
    line_search_tries: int = whole(10, "steps that are tried, each 0.8 times the one before")
    learning_rate: float = above_0(1e-3, "step size of the value function's optimiser")
    learning_rate_end: float | None = from_0_on(None, "where it arrives, linearly, at the end")
    optimizer: str = name_of_optimizer("adam", "of the value function: adam, rmsprop or sgd")
    n_envs: int = whole(8, "environments side by side")
    n_steps: int = whole(256, "steps of each environment between two updates")  # T
    batch_size: int = whole(128, "rows of a minibatch of the value function")
    n_epochs: int = whole(10, "passes of the value function over the data of an update")
    gamma: float = from_0_to_1(0.99, "discount factor γ")
    gae_lambda: float = from_0_to_1(0.95, "λ of generalized advantage estimation")
    max_grad_norm: float = above_0(0.5, "the value gradient's norm is limited to this")
    normalize_advantage: bool = yes_or_no(True, "normalise the advantages of each batch")

    def __post_init__(self) -> None:
        super().__post_init__()
        self.expect_minibatches()
        self.expect_several("n_envs * n_steps", self.n_envs * self.n_steps)


def update(
    agent: Agent,
    state: State,
    batch: Batch,
    config: TRPOConfig,
    learning_rate: float,
    rng: np.random.Generator,
) -> dict[str, float]:
    """One update of `agent` from `batch`; returns what there is to log.

    A batch without a valid row changes nothing.
    """
    rows = rows_of(batch, config.gamma, config.gae_lambda)
    if not len(rows):
        return dict.fromkeys(LOGGED, math.nan)
    log = trust_region_step(agent, rows, config)
    losses = []
    for _ in range(config.n_epochs):
        order = rng.permutation(len(rows))  # (N,)
        for part in minibatches(len(rows), config.batch_size):
            chosen = order[part]
            values, cache = agent.value_forward(rows.observations[chosen])  # (N,)
            loss, loss_cache = value_loss(values, rows.targets[chosen])
            expect_finite("value loss", float(loss))
            gradient = agent.value_backward(value_loss_backward(1.0, loss_cache), cache)  # (P,)
            descend(agent, state, gradient, learning_rate, config)
            losses.append(float(loss))
    expect_finite_parameters(agent)
    mean_loss = sum(losses) / len(losses)
    explained = float(explained_variance(rows.old_values, rows.targets))
    return dict(zip(LOGGED, (*log, mean_loss, explained), strict=True))


class Step(NamedTuple):
    """What there is to log of a step; `step_share` is how much of the longest one was taken."""

    policy_loss: float
    entropy: float
    kl: float
    step_share: float


LOGGED = (*Step._fields, "value_loss", "explained_variance")


def trust_region_step(agent: Agent, rows: Rows, config: TRPOConfig) -> Step:
    """Move the policy as far as the trust region allows, or not at all."""
    advantages = rows.advantages  # (N,)
    if config.normalize_advantage:
        advantages = normalize_advantages(advantages)  # (N,)
    (log_prob, entropy, _), cache = agent.evaluate(rows.observations, rows.actions, rows.masks)
    loss, loss_cache = surrogate_loss(log_prob, rows.old_log_prob, advantages)
    expect_finite("loss", float(loss))
    dlog_prob = surrogate_loss_backward(1.0, loss_cache)  # (N,)
    ddistribution = agent.head.evaluate_backward(
        dlog_prob, np.zeros_like(entropy), cache.head_cache
    )
    gradient = agent.policy_backward(ddistribution, cache)  # (P,)
    expect_finite("gradient norm", float(np.linalg.norm(gradient)))

    def matvec(v: Array) -> Array:
        return fisher_product(agent, cache, v) + config.damping * v  # (P,)

    direction = conjugate_gradient(matvec, gradient, config.cg_iterations, CG_TOLERANCE)  # (P,)
    curvature = float(direction @ matvec(direction))
    step = -math.sqrt(2 * config.max_kl / curvature) * direction if curvature > 0 else 0 * direction
    old = agent.parameters.copy()  # (P,)
    before = float(loss), float(entropy.mean())
    for attempt in range(config.line_search_tries):
        agent.parameters = old + SHRINK**attempt * step
        new = agent.policy(rows.observations, rows.masks)
        (log_prob, _), _ = agent.head.evaluate(*new, rows.actions)  # (N,)
        new_loss, _ = surrogate_loss(log_prob, rows.old_log_prob, advantages)
        kl, _ = agent.head.kl(*rows.old_distribution, *new)  # (N,)
        mean_kl = float(kl.mean())
        if new_loss < loss and mean_kl <= config.max_kl:
            return Step(*before, kl=mean_kl, step_share=SHRINK**attempt)
    agent.parameters = old
    return Step(*before, kl=0.0, step_share=0.0)


def fisher_product(agent: Agent, cache: AgentCache, v: Array) -> Array:
    """F v for the Fisher information F, P × P, of the mean KL divergence; v is (P,)."""
    along = agent.policy_jvp(v, cache)  # J v
    through = agent.head.fisher(cache.distribution, along)  # M J v / N
    return agent.policy_backward(through, cache)  # Jᵀ M J v / N
