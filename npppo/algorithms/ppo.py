"""Proximal Policy Optimization: one update from one batch (Schulman et al. 2017, algorithm 1)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

import numpy as np

from ..agents.agent import Agent, Distribution
from ..agents.rollout import Batch
from ..formulas.layers import ACTIVATIONS
from ..formulas.losses import (
    approx_kl,
    clip_fraction,
    explained_variance,
    importance_ratio,
    ppo_objective,
    ppo_objective_backward,
)
from ..formulas.optimizers import adam_step, clip_grad_norm
from ..formulas.returns import gae, normalize_advantages
from ..formulas.shapes import Array

ADAM_EPS = 1e-5  # not Adam's usual 1e-8 (Huang et al. 2022, detail 3)
KL_STOP = 1.5  # the KL stop allows this multiple of target_kl (Spinning Up; Stable-Baselines3)


@dataclass(frozen=True)
class PPOConfig:
    """PPO's hyperparameters, under Stable-Baselines3's names where it has one.

    `learning_rate_end` and `clip_range_end` are where the linear schedules of `learning_rate` and
    `clip_range` arrive at the end of the training; None keeps them constant.
    """

    learning_rate: float = 3e-4
    learning_rate_end: float | None = None
    n_envs: int = 8
    n_steps: int = 256  # T, per environment and update
    batch_size: int = 64  # rows of a minibatch
    n_epochs: int = 10
    gamma: float = 0.99
    gae_lambda: float = 0.95
    clip_range: float = 0.2
    clip_range_end: float | None = None
    clip_range_vf: float | None = None  # None: the value loss is not clipped
    ent_coef: float = 0.0
    vf_coef: float = 0.5
    max_grad_norm: float = 0.5
    target_kl: float | None = None  # None: every epoch is run
    normalize_advantage: bool = True
    net_arch: tuple[int, ...] = (64, 64)
    activation: str = "tanh"
    shared_trunk: bool = False

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "net_arch" and isinstance(value, list):
                object.__setattr__(self, field.name, tuple(value))
            if isinstance(value, np.generic):  # as JSON wants it
                object.__setattr__(self, field.name, value.item())
        for names, kinds, holds, expected in RULES:
            for name in names.split():
                value = getattr(self, name)
                if value is None and name in OPTIONAL:
                    continue
                wrong_kind = not isinstance(value, kinds) or (
                    isinstance(value, bool) and bool not in kinds
                )
                if wrong_kind or not holds(value):
                    raise ValueError(f"{name} is {value!r}, expected {expected}")
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


OPTIONAL = ["learning_rate_end", "clip_range_end", "clip_range_vf", "target_kl"]
NUMBER = (int, float)
RULES: list[tuple[str, tuple[type, ...], Callable[[Any], bool], str]] = [
    (
        "learning_rate clip_range clip_range_vf max_grad_norm target_kl",
        NUMBER,
        lambda x: 0 < x < math.inf,
        "a number above 0",
    ),
    (
        "learning_rate_end clip_range_end ent_coef vf_coef",
        NUMBER,
        lambda x: 0 <= x < math.inf,
        "a number from 0 on",
    ),
    ("gamma gae_lambda", NUMBER, lambda x: 0 <= x <= 1, "a number from 0 to 1"),
    (
        "n_envs n_steps batch_size n_epochs",
        (int,),
        lambda x: x >= 1,
        "a whole number from 1 on",
    ),
    (
        "net_arch",
        (tuple,),
        lambda x: all(isinstance(width, int) and width >= 1 for width in x),
        "widths, whole numbers from 1 on",
    ),
    ("activation", (str,), lambda x: x in ACTIVATIONS, f"one of {', '.join(ACTIVATIONS)}"),
    ("normalize_advantage shared_trunk", (bool,), lambda x: True, "True or False"),
]


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
