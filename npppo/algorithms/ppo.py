"""Proximal Policy Optimization: one update from one batch (Schulman et al. 2017, algorithm 1)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..agents.agent import Agent
from ..agents.rollout import Batch, valued
from ..formulas.losses import ppo_objective, ppo_objective_backward
from ..formulas.returns import normalize_advantages
from ..formulas.surrogates import OBJECTIVES
from .batches import how_far, minibatches, rows_of
from .descent import State, descend, expect_finite, expect_finite_parameters
from .hyperparameters import (
    Config,
    above_0,
    above_1,
    from_0_on,
    from_0_to_1,
    name_of_optimizer,
    one_of,
    whole,
    yes_or_no,
)

OPTIONS = {  # that only some objectives have
    "clip_range_high clip_bound": ("dual_clip",),
    "kl_coef": ("penalty", "adaptive_penalty"),
    "kl_target": ("adaptive_penalty",),
}
KL_TARGET = 0.01
LEARNING_RATES = (1e-5, 1e-2)
KL_STOP = 1.5  # the KL stop allows this multiple of target_kl (Spinning Up; Stable-Baselines3)


@dataclass(frozen=True)
class PPOConfig(Config):
    """PPO's hyperparameters, under Stable-Baselines3's names where it has one.

    `learning_rate_end` and `clip_range_end` are where the linear schedules of `learning_rate` and
    `clip_range` arrive at the end of the training; None keeps them constant.
    """

    optimizer: str = name_of_optimizer("adam", "adam, rmsprop or sgd")
    learning_rate: float = above_0(3e-4, "the optimiser's step size")
    learning_rate_end: float | None = from_0_on(None, "where it arrives, linearly, at the end")
    n_envs: int = whole(8, "environments side by side")
    n_steps: int = whole(256, "steps of each environment between two updates")  # T
    batch_size: int = whole(64, "rows of a minibatch; where it is not given no more than there are")
    n_epochs: int = whole(10, "passes over the data of an update")
    gamma: float = from_0_to_1(0.99, "discount factor γ")
    gae_lambda: float = from_0_to_1(0.95, "λ of generalized advantage estimation")
    objective: str = one_of(OBJECTIVES)("clip", f"{', '.join(OBJECTIVES)}")
    clip_range: float = above_0(0.2, "the ratio is clipped to 1 ± this")
    clip_range_end: float | None = from_0_on(None, "where it arrives, linearly, at the end")
    clip_range_high: float | None = above_0(
        None, "dual_clip: 1 + this is the upper limit, 1 - clip_range the lower (without: the same)"
    )
    clip_bound: float | None = above_1(
        None, "dual_clip: where the advantage is negative, the ratio counts up to this (without: ∞)"
    )
    kl_coef: float | None = above_0(
        None, "penalty: weight of the mean KL divergence; adaptive_penalty: its start (1 without)"
    )
    kl_target: float | None = above_0(
        None, "adaptive_penalty: the KL divergence to arrive at in an update (0.01 without)"
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
    learning_rate_kl: float | None = above_0(
        None, "adapt the learning rate so that an update's KL divergence is about this"
    )
    normalize_advantage: bool = yes_or_no(True, "normalise the advantages of each minibatch")
    recompute_advantages: bool = yes_or_no(False, "compute the advantages anew for each epoch")
    shared_trunk: bool = yes_or_no(False, "one set of hidden layers for policy and value function")

    def __post_init__(self) -> None:
        super().__post_init__()
        self.expect_minibatches()
        self.expect_several("batch_size", self.batch_size)
        if self.objective == "spo" and self.clip_range_end == 0:
            raise ValueError(
                "clip_range_end is 0, but the objective is 'spo', which divides by the clip range: "
                "expected a number above 0"
            )
        for names, objectives in OPTIONS.items():
            for name in names.split():
                if getattr(self, name) is not None and self.objective not in objectives:
                    raise ValueError(
                        f"{name} is {getattr(self, name)}, but the objective is "
                        f"{self.objective!r}, expected {' or '.join(map(repr, objectives))}"
                    )

    def limits(self, clip: float) -> tuple[float, ...]:
        """What the objective takes beside log-probabilities and advantages."""
        if self.objective == "dual_clip":
            return clip, self.clip_range_high or clip, self.clip_bound or math.inf
        return (clip,) if self.objective in ("clip", "spo") else ()


def update(
    agent: Agent,
    state: State,
    batch: Batch,
    config: PPOConfig,
    learning_rate: float,
    clip: float,
    rng: np.random.Generator,
) -> dict[str, float]:
    """One PPO update of `agent` from `batch`; returns what there is to log.

        loss = surrogate + vf_coef · value loss - ent_coef · mean entropy + kl_coef · mean KL

    Every epoch uses every valid row exactly once, in random order, in minibatches. The only row of
    a batch teaches the policy nothing: its advantage normalises to 0. The KL stop is checked before
    a step: it ends the update when the mean KL(old ‖ new) of the minibatch is above 1.5 ·
    target_kl.
    """
    rows = rows_of(batch, config.gamma, config.gae_lambda)
    names = ("policy_loss", "value_loss", "entropy", "grad_norm")
    log: dict[str, list[float]] = {name: [] for name in names}
    start = 1.0 if config.kl_coef is None else config.kl_coef
    kl_coef = float(state.more.get("kl_coef", start)) if "penalty" in config.objective else 0.0
    factor = 1.0
    if config.learning_rate_kl is not None:  # its schedule may have begun again
        factor = bounded(float(state.more.get("learning_rate_factor", 1.0)), learning_rate)
    epochs = 0
    stopped = False
    while epochs < config.n_epochs and not stopped:
        if epochs and config.recompute_advantages:
            rows = rows_of(valued(agent, batch), config.gamma, config.gae_lambda)
        shuffled = rows.chosen(rng.permutation(len(rows)))
        # a single row's advantage is normalised to 0
        for part in minibatches(len(rows), config.batch_size, not config.normalize_advantage):
            some = shuffled.chosen(part)
            evaluated, cache = agent.evaluate(some.observations, some.actions, some.masks)
            log_prob, entropy, values = evaluated  # (N,) each; a Gaussian's entropy is ()
            if config.target_kl is not None or kl_coef:
                kl, kl_cache = agent.head.kl(*some.old_distribution, *cache.distribution)  # (N,)
                mean_kl = kl.mean()
                if config.target_kl is not None and mean_kl > KL_STOP * config.target_kl:
                    stopped = True
                    break
            advantages = some.advantages  # (N,)
            if config.normalize_advantage:
                advantages = normalize_advantages(advantages)  # (N,)
            loss, loss_cache = ppo_objective(
                log_prob,
                entropy,
                values,
                some.old_log_prob,
                advantages,
                some.targets,
                config.limits(clip),
                config.vf_coef,
                config.ent_coef,
                some.old_values,
                config.clip_range_vf,
                config.objective,
            )
            expect_finite("loss", float(loss))
            further = None
            if kl_coef:
                # forward: loss = ppo_objective + kl_coef · mean(kl)
                further = agent.head.kl_backward(np.full_like(kl, kl_coef / len(kl)), kl_cache)
            douts = ppo_objective_backward(1.0, loss_cache)
            gradient = agent.backward(*douts, cache, further)  # (P,)
            norm = descend(agent, state, gradient, learning_rate * factor, config)
            log["policy_loss"].append(float(loss_cache.policy_loss))
            log["value_loss"].append(float(loss_cache.value_loss))
            log["entropy"].append(float(loss_cache.entropy))
            log["grad_norm"].append(norm)
        epochs += not stopped

    expect_finite_parameters(agent)
    # no step at all, after a KL stop at once or without a valid row, has no mean
    means = {
        name: sum(column) / len(column) if column else math.nan for name, column in log.items()
    }
    moved = how_far(agent, rows, clip)
    adapt(state, config, kl_coef, factor, learning_rate, moved["kl"])
    return {**means, **moved, "epochs": epochs}


def adapt(
    state: State, config: PPOConfig, kl_coef: float, factor: float, learning_rate: float, kl: float
) -> None:
    """After an update whose mean KL divergence was `kl`: what the next one does differently.

    The penalty's weight is halved or doubled where the KL is not within a factor 1.5 of its target
    (Schulman et al. 2017, section 4); the learning rate is changed by a factor 1.5 where it is not
    within a factor 2 (as in rsl_rl), and stays between 1e-5 and 1e-2.
    """
    if config.objective == "adaptive_penalty":
        target = config.kl_target or KL_TARGET
        kl_coef *= 2 if kl > 1.5 * target else 0.5 if kl < target / 1.5 else 1
        state.more["kl_coef"] = np.array(kl_coef)
    if config.learning_rate_kl is not None:
        target = config.learning_rate_kl
        factor *= 1 / 1.5 if kl > 2 * target else 1.5 if kl < target / 2 else 1
        state.more["learning_rate_factor"] = np.array(bounded(factor, learning_rate))


def bounded(factor: float, learning_rate: float) -> float:
    """The factor, within what keeps the learning rate in its bounds; a rate of 0 has none."""
    if learning_rate == 0:
        return factor
    low, high = (bound / learning_rate for bound in LEARNING_RATES)
    return min(max(factor, low), high)
