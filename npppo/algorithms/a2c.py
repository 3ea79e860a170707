"""Advantage actor-critic: one step along the policy gradient from each batch (Mnih et al. 2016).

It is REINFORCE with a value function that does more than lower the variance: a return need not be
waited for, because after n steps the value of the state that was reached stands for the rest. So a
batch is a few steps of many environments, episodes need not end in it, and updates come often.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..agents.agent import Agent
from ..agents.rollout import Batch
from ..formulas.losses import explained_variance, value_loss, value_loss_backward
from ..formulas.returns import normalize_advantages
from ..formulas.surrogates import policy_gradient_loss, policy_gradient_loss_backward
from .batches import rows_of
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

LOGGED = ("policy_loss", "value_loss", "entropy", "grad_norm", "explained_variance")


@dataclass(frozen=True)
class A2CConfig(Config):
    """A2C's hyperparameters, under Stable-Baselines3's names and with its defaults but n_envs."""

    learning_rate: float = above_0(7e-4, "the optimiser's step size")
    learning_rate_end: float | None = from_0_on(None, "where it arrives, linearly, at the end")
    optimizer: str = name_of_optimizer("rmsprop", "adam, rmsprop or sgd")
    n_envs: int = whole(8, "environments side by side")
    n_steps: int = whole(5, "steps of each environment between two updates")  # T
    gamma: float = from_0_to_1(0.99, "discount factor γ")
    gae_lambda: float = from_0_to_1(1.0, "λ of the advantages; 1: n-step returns")
    ent_coef: float = from_0_on(0.0, "weight of the entropy bonus")
    vf_coef: float = from_0_on(0.5, "weight of the value loss")
    max_grad_norm: float = above_0(0.5, "the gradient's norm is limited to this")
    normalize_advantage: bool = yes_or_no(False, "normalise the advantages of each batch")
    shared_trunk: bool = yes_or_no(False, "one set of hidden layers for policy and value function")

    def __post_init__(self) -> None:
        super().__post_init__()
        self.expect_several("n_envs * n_steps", self.n_envs * self.n_steps)


def update(
    agent: Agent,
    state: State,
    batch: Batch,
    config: A2CConfig,
    learning_rate: float,
    rng: np.random.Generator,
) -> dict[str, float]:
    """One step of `agent` from `batch`; returns what there is to log.

        loss = policy-gradient loss + vf_coef · value loss - ent_coef · mean entropy

    A batch without a valid row changes nothing.
    """
    rows = rows_of(batch, config.gamma, config.gae_lambda)
    if not len(rows):
        return dict.fromkeys(LOGGED, math.nan)
    advantages = rows.advantages  # (N,)
    if config.normalize_advantage:
        advantages = normalize_advantages(advantages)  # (N,)

    evaluated, cache = agent.evaluate(rows.observations, rows.actions, rows.masks)
    log_prob, entropy, values = evaluated  # (N,) each; a Gaussian's entropy is ()
    policy_term, policy_cache = policy_gradient_loss(log_prob, advantages)
    value_term, value_cache = value_loss(values, rows.targets)
    mean_entropy = entropy.mean()  # ()
    loss = policy_term + config.vf_coef * value_term - config.ent_coef * mean_entropy
    expect_finite("loss", float(loss))

    dlog_prob = policy_gradient_loss_backward(1.0, policy_cache)  # (N,)
    dvalues = value_loss_backward(config.vf_coef, value_cache)  # (N,)
    dentropy = np.full_like(entropy, -config.ent_coef / entropy.size)  # as entropy
    gradient = agent.backward(dlog_prob, dentropy, dvalues, cache)  # (P,)
    norm = descend(agent, state, gradient, learning_rate, config)
    expect_finite_parameters(agent)
    explained = float(explained_variance(rows.old_values, rows.targets))
    numbers = (float(policy_term), float(value_term), float(mean_entropy), norm, explained)
    return dict(zip(LOGGED, numbers, strict=True))
