"""Proximal Policy Optimization: one update from one batch (Schulman et al. 2017, algorithm 1)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..agents.agent import Agent, Distribution
from ..agents.rollout import Batch
from ..formulas.losses import (
    approx_kl,
    clip_fraction,
    explained_variance,
    ppo_objective,
    ppo_objective_backward,
)
from ..formulas.optimizers import adam_step, clip_grad_norm
from ..formulas.returns import gae, normalize_advantages
from ..formulas.shapes import Array
from ..formulas.surrogates import importance_ratio
from .hyperparameters import (
    Config,
    above_0,
    from_0_on,
    from_0_to_1,
    name_of_activation,
    whole,
    widths,
    yes_or_no,
)

ADAM_EPS = 1e-5  # not Adam's usual 1e-8 (Huang et al. 2022, detail 3)
KL_STOP = 1.5  # the KL stop allows this multiple of target_kl (Spinning Up; Stable-Baselines3)


@dataclass(frozen=True)
class PPOConfig(Config):
    """PPO's hyperparameters, under Stable-Baselines3's names where it has one.

    `learning_rate_end` and `clip_range_end` are where the linear schedules of `learning_rate` and
    `clip_range` arrive at the end of the training; None keeps them constant.
    """

    learning_rate: float = above_0(3e-4, "Adam's step size")
    learning_rate_end: float | None = from_0_on(
        None, "where the learning rate arrives, linearly, at the end"
    )
    n_envs: int = whole(8, "environments side by side")
    n_steps: int = whole(256, "steps of each environment between two updates")  # T
    batch_size: int = whole(64, "rows of a minibatch; where it is not given no more than there are")
    n_epochs: int = whole(10, "passes over the data of an update")
    gamma: float = from_0_to_1(0.99, "discount factor γ")
    gae_lambda: float = from_0_to_1(0.95, "λ of generalized advantage estimation")
    clip_range: float = above_0(0.2, "the ratio is clipped to 1 ± this")
    clip_range_end: float | None = from_0_on(
        None, "where the clip range arrives, linearly, at the end"
    )
    clip_range_vf: float | None = above_0(
        None, "clip the value loss at ± this (not clipped without)"
    )
    ent_coef: float = from_0_on(0.0, "weight of the entropy bonus")
    vf_coef: float = from_0_on(0.5, "weight of the value loss")
    max_grad_norm: float = above_0(0.5, "the gradient's norm is limited to this")
    target_kl: float | None = above_0(
        None, "end an update when the KL divergence exceeds 1.5 times this"
    )
    normalize_advantage: bool = yes_or_no(True, "normalise the advantages of each minibatch")
    net_arch: tuple[int, ...] = widths((64, 64), "widths of the hidden layers")
    activation: str = name_of_activation("tanh", "tanh or relu")
    shared_trunk: bool = yes_or_no(False, "one set of hidden layers for policy and value function")

    def __post_init__(self) -> None:
        super().__post_init__()
        rows = self.n_envs * self.n_steps
        if self.batch_size > rows:
            raise ValueError(
                f"batch_size is {self.batch_size}, expected at most n_envs * n_steps = {rows}"
            )
        if self.batch_size == 1 and self.normalize_advantage:
            raise ValueError(
                "batch_size is 1, expected 2 or more (or normalize_advantage=False): the "
                "advantage of a single row is normalised to 0, and the policy never moves"
            )


@dataclass
class AdamState:
    """Adam's moments (P,) and how many steps it has made."""

    m: Array
    v: Array
    step: int = 0


@dataclass(frozen=True)
class Rows:
    """A batch's N valid rows, flattened, which the epochs shuffle: their order means nothing."""

    observations: Array  # (N, D)
    actions: Array  # (N,) or (N, A)
    old_log_prob: Array  # (N,)
    old_values: Array  # (N,)
    advantages: Array  # (N,)
    targets: Array  # (N,)
    old_distribution: Distribution  # (N, A) each; a Gaussian's log_std is (A,)


def rows_of(batch: Batch, gamma: float, gae_lambda: float) -> Rows:
    """Advantages and value targets of a batch, and its valid rows flattened."""
    ends = (batch.terminated, batch.truncated)
    advantages = gae(batch.rewards, batch.values, batch.next_values, *ends, gamma, gae_lambda)
    targets = advantages + batch.values  # (T, E)

    def flat(array: Array) -> Array:  # (T, E, ...) -> (N, ...)
        return array[batch.valid]

    out, *extra = batch.distribution
    return Rows(
        flat(batch.observations),
        flat(batch.actions),
        flat(batch.log_probs),
        flat(batch.values),
        flat(advantages),
        flat(targets),
        (flat(out), *extra),
    )


def update(
    agent: Agent,
    adam: AdamState,
    batch: Batch,
    config: PPOConfig,
    learning_rate: float,
    clip: float,
    rng: np.random.Generator,
) -> dict[str, float]:
    """One PPO update of `agent` and `adam` from `batch`; returns what there is to log.

    Every epoch uses every valid row exactly once, in random order, in `minibatches`. The only
    row of a batch teaches the policy nothing: its advantage normalises to 0. The KL stop is checked
    before a step: it ends the update when the mean KL(old ‖ new) of the minibatch is above
    1.5 · target_kl.
    """
    rows = rows_of(batch, config.gamma, config.gae_lambda)
    n = len(rows.advantages)
    log: dict[str, list[float]] = {
        "policy_loss": [],
        "value_loss": [],
        "entropy": [],
        "grad_norm": [],
    }
    epochs = 0
    stopped = False
    while epochs < config.n_epochs and not stopped:
        order = rng.permutation(n)  # (N,)
        observations = rows.observations.take(order, axis=0)  # (N, D)
        actions = rows.actions.take(order, axis=0)  # (N,) or (N, A)
        old_log_prob = rows.old_log_prob.take(order)  # (N,)
        old_values = rows.old_values.take(order)  # (N,)
        advantages = rows.advantages.take(order)  # (N,)
        targets = rows.targets.take(order)  # (N,)

        for part in minibatches(n, config):
            (log_prob, entropy, values), cache = agent.evaluate(observations[part], actions[part])
            if config.target_kl is not None:
                out, *extra = rows.old_distribution
                kl, _ = agent.head.kl(out[order[part]], *extra, *cache.distribution)  # (N,)
                stopped = kl.mean() > KL_STOP * config.target_kl
                if stopped:
                    break
            advantage = advantages[part]  # (N,)
            if config.normalize_advantage:
                advantage = normalize_advantages(advantage)  # (N,)
            loss, loss_cache = ppo_objective(
                log_prob,
                entropy,
                values,
                old_log_prob[part],
                advantage,
                targets[part],
                clip,
                config.vf_coef,
                config.ent_coef,
                old_values[part],
                config.clip_range_vf,
            )
            gradient = agent.backward(*ppo_objective_backward(1.0, loss_cache), cache)  # (P,)
            (clipped,), norm = clip_grad_norm([gradient], config.max_grad_norm)  # (P,)
            for name, number in (("loss", float(loss)), ("gradient norm", norm)):
                if not math.isfinite(number):
                    raise FloatingPointError(f"the {name} is {number}, expected a finite number")
            adam.step += 1
            agent.parameters[:], adam.m, adam.v = adam_step(
                agent.parameters,
                clipped,
                adam.m,
                adam.v,
                adam.step,
                learning_rate,
                eps=ADAM_EPS,
            )
            log["policy_loss"].append(float(loss_cache.policy_loss))
            log["value_loss"].append(float(loss_cache.value_loss))
            log["entropy"].append(float(loss_cache.entropy))
            log["grad_norm"].append(norm)
        epochs += not stopped

    if not np.isfinite(agent.parameters).all():
        raise FloatingPointError("a step made a parameter nan or inf, expected finite numbers")
    # no step at all, after a KL stop at once or without a valid row, has no mean
    means = {
        name: sum(column) / len(column) if column else math.nan for name, column in log.items()
    }
    return {**means, **how_far(agent, rows, clip), "epochs": epochs}


def minibatches(n: int, config: PPOConfig) -> list[slice]:
    """N = `n` rows in pieces of `batch_size`, the last one as small as it comes.

    A single row's advantage is normalised to 0: where it would be alone, it joins the piece before.
    """
    starts = list(range(0, n, config.batch_size))
    if config.normalize_advantage and len(starts) > 1 and starts[-1] == n - 1:
        starts.pop()
    return [slice(*ends) for ends in pairwise([*starts, n])]


def how_far(agent: Agent, rows: Rows, clip: float) -> dict[str, float]:
    """How far the policy has moved from the one that drew the rows, over all of them; and how much
    of the targets' variance the values before the update explain.
    """
    if not len(rows.advantages):
        names = ("kl", "approx_kl", "clip_fraction", "max_ratio", "explained_variance")
        return dict.fromkeys(names, math.nan)
    distribution = agent.policy(rows.observations)
    (log_prob, _), _ = agent.head.evaluate(*distribution, rows.actions)  # (N,)
    kl, _ = agent.head.kl(*rows.old_distribution, *distribution)  # (N,)
    return {
        "kl": float(kl.mean()),
        "approx_kl": float(approx_kl(log_prob, rows.old_log_prob)),
        "clip_fraction": float(clip_fraction(log_prob, rows.old_log_prob, clip)),
        "max_ratio": float(importance_ratio(log_prob, rows.old_log_prob)[0].max()),
        "explained_variance": float(explained_variance(rows.old_values, rows.targets)),
    }
