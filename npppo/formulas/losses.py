"""The value function's loss, the whole loss of PPO, and what to watch meanwhile.

The whole loss is the clipped surrogate, the value function's error and a bonus for entropy; each is
a mean over the batch, and their sum is minimised. Â is the advantage, an estimate; A is the number
of actions.

A mean over no rows is nan, and its gradient is empty.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from .categorical import categorical_evaluate, categorical_evaluate_backward, exp_remainder
from .shapes import Array, Cache, formula, power_of_2
from .surrogates import OBJECTIVES, importance_ratio


@formula("values:N targets:N -> () by values")
def value_loss(values: Array, targets: Array) -> tuple[Array, Cache]:
    """Half the mean squared error of the value function: 1/(2N) Σ_i (values_i - targets_i)².

    Shapes: values (N,), targets (N,) -> (). The targets are data: they have no gradient.

    Derivation: dvalues_i = dloss (values_i - targets_i) / N; the ½ cancels the square's 2.
    Source: Schulman et al. 2017, eq. 9 (which leaves the ½ to the coefficient).
    """
    error = values - targets  # (N,)
    return 0.5 * (error * error).sum() / len(error), (error,)  # ()


def value_loss_backward(dloss: float, cache: Cache) -> Array:
    """Gradient `dvalues` of `value_loss`."""
    (error,) = cache
    # forward: loss = 1/(2N) Σ error²
    return error * (dloss / max(1, len(error)))  # (N,)


@formula("values:N old_values:N targets:N clip -> () by values")
def clipped_value_loss(
    values: Array, old_values: Array, targets: Array, clip: float
) -> tuple[Array, Cache]:
    """Value loss that is not rewarded for moving further than `clip` from the old values.

        1/(2N) Σ_i max((values_i - targets_i)², (c_i - targets_i)²)

        c = old_values + (values - old_values limited to -clip … clip)

    Shapes: values (N,), old_values (N,), targets (N,) -> (). `clip` is in units of the values.
    There is a gradient with respect to the values only.

    Derivation: where the first square is the larger, as in `value_loss`. The second can be the
    larger one only outside the band, where c is constant:

        dvalues_i = dloss/N · (values_i - targets_i)   where the first ≥ the second, and 0 elsewhere

    Conventions at the kinks: on a tie the unclipped square wins. Inside the band and at its
    bounds, |values - old_values| ≤ clip, the two tie and the gradient passes: there c equals
    values exactly, and rounding in old_values + (values - old_values) must not break the tie.

    Source: Huang et al. 2022, detail 9 (from OpenAI Baselines; not in the paper).
    """
    moved = values - old_values  # (N,)
    bounded = np.minimum(np.maximum(moved, -clip), clip)  # (N,)
    error = values - targets  # (N,)
    # c - target written so that inside the band it is v - target to the last bit: a tie
    clipped_error = error + (bounded - moved)  # (N,)
    # not the squares, which tie where they underflow or overflow
    flows = abs(error.real) >= abs(clipped_error.real)  # (N,) bool
    larger = np.where(flows, error, clipped_error)  # (N,)
    return 0.5 * (larger * larger).sum() / len(error), (error, flows)  # ()


def clipped_value_loss_backward(dloss: float, cache: Cache) -> Array:
    """Gradient `dvalues` of `clipped_value_loss`."""
    error, flows = cache
    # forward: loss = 1/(2N) Σ max(error², clipped_error²), and clipped_error is constant
    # wherever its square is the larger one
    return np.where(flows, error, 0) * (dloss / max(1, len(error)))  # (N,)


class ObjectiveCache(NamedTuple):
    """The three terms of the objective, for the log, and what its backward needs."""

    policy_loss: Any  # ()
    value_loss: Any  # ()
    entropy: Any  # (), the mean
    policy_cache: Cache
    value_cache: Cache
    entropy_shape: tuple[int, ...]
    vf_coef: float
    ent_coef: float
    clips_values: bool
    objective: str


def ppo_objective(
    log_prob: Array,
    entropy: Array,
    values: Array,
    old_log_prob: Array,
    advantages: Array,
    targets: Array,
    limits: tuple[float, ...],
    vf_coef: float,
    ent_coef: float,
    old_values: Array | None = None,
    clip_vf: float | None = None,
    objective: str = "clip",
) -> tuple[Array, ObjectiveCache]:
    """The whole PPO loss of any policy, given its log-probabilities and entropies.

        loss = surrogate + vf_coef · value loss - ent_coef · mean entropy

    Shapes: log_prob (N,), entropy (N,) or (), values, old_log_prob, advantages, targets (N,)
    -> (). `objective` names the surrogate in OBJECTIVES, `limits` are what it takes last. With
    `clip_vf` the value loss is the clipped one, around `old_values` (N,); ValueError where they are
    missing.

    Derivation: a sum, so each term's backward gets its own factor; the mean entropy sends
    -dloss ent_coef / N to each row, or -dloss ent_coef to an entropy of shape ().
    Source: Schulman et al. 2017, eq. 9, negated.
    """
    forward, _ = OBJECTIVES[objective]
    policy_term, policy_cache = forward(log_prob, old_log_prob, advantages, *limits)
    if clip_vf is None:
        value_term, value_cache = value_loss(values, targets)
    else:
        if old_values is None:
            raise ValueError("old_values is None, expected (N,) values to clip around")
        value_term, value_cache = clipped_value_loss(values, old_values, targets, clip_vf)
    mean_entropy = entropy.sum() / entropy.size  # ()
    loss = policy_term + vf_coef * value_term - ent_coef * mean_entropy
    return loss, ObjectiveCache(
        policy_term,
        value_term,
        mean_entropy,
        policy_cache,
        value_cache,
        entropy.shape,
        vf_coef,
        ent_coef,
        clip_vf is not None,
        objective,
    )


def ppo_objective_backward(dloss: float, cache: ObjectiveCache) -> tuple[Array, Array, Array]:
    """Gradients `dlog_prob, dentropy, dvalues` of `ppo_objective`."""
    # forward: loss = policy_loss + vf_coef · value_loss - ent_coef · mean(entropy)
    _, policy_backward = OBJECTIVES[cache.objective]
    dlog_prob = policy_backward(dloss, cache.policy_cache)  # (N,)
    value_backward = clipped_value_loss_backward if cache.clips_values else value_loss_backward
    dvalues = value_backward(dloss * cache.vf_coef, cache.value_cache)  # (N,)
    rows = max(1, math.prod(cache.entropy_shape))
    dentropy = np.full(cache.entropy_shape, -dloss * cache.ent_coef / rows, dlog_prob.dtype)
    return dlog_prob, dentropy, dvalues


@formula(
    "logits:NA values:N actions:N<A old_log_prob:N advantages:N targets:N clip vf_coef ent_coef"
    " -> () by logits values"
)
def ppo_loss(
    logits: Array,
    values: Array,
    actions: Array,
    old_log_prob: Array,
    advantages: Array,
    targets: Array,
    clip: float,
    vf_coef: float,
    ent_coef: float,
) -> tuple[Array, Cache]:
    """The whole PPO loss of a softmax policy, to be minimised.

        loss = surrogate + vf_coef · value_loss - ent_coef · entropy

        surrogate  = -1/N Σ_i min(r_i Â_i, c_i Â_i)         Â = advantages, as given
        value_loss = 1/(2N) Σ_i (values_i - targets_i)²
        entropy    = 1/N Σ_i H_i                            H = -Σ_a π(a|s) log π(a|s)

    where π = softmax(logits), r = exp(log π(action|s) - old_log_prob), and c = r limited to
    1 - clip … 1 + clip: the clipped surrogate, the value loss and the mean entropy.

    Shapes: logits (N, A), values (N,), actions (N,) int, old_log_prob, advantages, targets (N,)
    -> (). The advantages are not normalised. There are gradients with respect to the logits and
    the values only.

    Holds for logits of any finite size and beside those of -inf (masks), as each of its parts does.

    Convention at the kink: on a tie the unclipped branch r Â wins, and the gradient flows.

    Derivation: `ppo_objective`, which training uses because it takes any policy's
    log-probabilities, applied to the softmax's log-probability and entropy. The logits reach the
    loss by two paths, so their gradient is the sum over both.

    Source: Schulman et al. 2017, eq. 9, negated, with ε = clip, c₁ = vf_coef / 2 (its squared error
    has no ½) and c₂ = ent_coef.
    """
    (log_prob, entropy), head_cache = categorical_evaluate(logits, actions)  # (N,), (N,)
    loss, objective_cache = ppo_objective(
        log_prob,
        entropy,
        values,
        old_log_prob,
        advantages,
        targets,
        (clip,),
        vf_coef,
        ent_coef,
    )
    return loss, (head_cache, objective_cache)


def ppo_loss_backward(dloss: float, cache: Cache) -> tuple[Array, Array]:
    """Gradients `dlogits, dvalues` of `ppo_loss`."""
    head_cache, objective_cache = cache
    dlog_prob, dentropy, dvalues = ppo_objective_backward(dloss, objective_cache)
    # forward: log_prob and entropy both come from the logits
    dlogits = categorical_evaluate_backward(dlog_prob, dentropy, head_cache)  # (N, A)
    return dlogits, dvalues


@formula("log_prob:N old_log_prob:N -> ()")
def approx_kl(log_prob: Array, old_log_prob: Array) -> Array:
    """Estimate of KL(old ‖ new) from the old policy's samples: 1/N Σ_i (r_i - 1 - log r_i).

    Shapes: log_prob (N,), old_log_prob (N,) -> (). r = exp(log_prob - old_log_prob).

    Holds also where both probabilities underflow to 0. Its source has three estimators:

        k1 = -log r           unbiased, but also negative
        k2 = ½ (log r)²       never negative, but biased
        k3 = r - 1 - log r    this one: unbiased, because r - 1 has mean 0, and never negative

    The variance of k3 is much lower than that of k1 where the policies are close, which is where
    PPO uses it. It is far higher where the new policy likes what the old one hardly tried.

    Source: Schulman 2020.
    """
    return exp_remainder(log_prob - old_log_prob).sum() / len(log_prob)  # ()


@formula("log_prob:N old_log_prob:N clip -> ()")
def clip_fraction(log_prob: Array, old_log_prob: Array, clip: float) -> Array:
    """Share of the samples whose ratio is outside the band: |r - 1| > clip.

    Shapes: log_prob (N,), old_log_prob (N,) -> (), from 0 to 1. r = exp(log_prob - old_log_prob).

    Holds also where both probabilities underflow to 0. It counts the samples outside whatever
    the sign of their advantage, so also those that the loss does not clip.
    Source: OpenAI Baselines' `clipfrac`; Huang et al. 2022, detail 12.
    """
    ratio, _ = importance_ratio(log_prob, old_log_prob)  # (N,)
    return (abs(ratio - 1) > clip).sum(dtype=ratio.dtype) / len(ratio)  # ()


@formula("values:N targets:N -> ()")
def explained_variance(values: Array, targets: Array) -> Array:
    """Share of the targets' variance that the values explain.

        1 - Var(targets - values) / Var(targets)

    Shapes: values (N,), targets (N,) -> (). 1 is perfect up to a constant offset, 0 as good as a
    constant, below 0 worse; nan where all targets are equal, because then there is nothing to
    explain. Nothing is added to Var, however little the targets differ.

    Source: OpenAI Baselines' `explained_variance`.
    """
    # each in units of its own, so that no difference and no square leaves the dtype's range
    target_unit, unit = power_of_2(targets), power_of_2(targets, values)
    spread = targets / target_unit  # (N,)
    spread = spread - spread[:1]  # (N,), exactly 0 where all targets are equal
    if not spread.any():
        return np.asarray(np.nan, targets.dtype)
    residual = targets / unit - values / unit  # (N,)
    residual = residual - residual[:1]  # (N,)
    ratio = min(unit / target_unit, float(np.finfo(targets.dtype).max))
    with np.errstate(over="ignore"):
        return 1 - ratio * (ratio * residual.var()) / spread.var()
