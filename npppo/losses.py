"""The losses of PPO, each a mean over the batch that is minimised, and what to watch meanwhile.

The story in four steps. The policy-gradient loss may be used for one step only: its gradient
is right at the policy that drew the data. The importance ratio corrects for the actions that a
policy which has moved since would take, so that a batch can be used again; but it does not correct
for the states that it would visit, and the further it moves, the less the sample says. Clipping
removes the reason to move the ratio further than 1 ± clip. The whole loss adds the value function's
error and a bonus for entropy.

A mean over no rows is nan, and its gradient is empty.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .categorical import (
    categorical_evaluate,
    categorical_evaluate_backward,
    exp_remainder,
)
from .shapes import Array, Cache, expect_ndim, expect_shape, floats, number, power_of_2

__all__ = [
    "importance_ratio",
    "importance_ratio_backward",
    "policy_gradient_loss",
    "policy_gradient_loss_backward",
    "clipped_surrogate_loss",
    "clipped_surrogate_loss_backward",
    "value_loss",
    "value_loss_backward",
    "clipped_value_loss",
    "clipped_value_loss_backward",
    "ppo_loss",
    "ppo_loss_backward",
    "approx_kl",
    "clip_fraction",
    "explained_variance",
]


def importance_ratio(log_prob: ArrayLike, old_log_prob: ArrayLike) -> tuple[Array, Cache]:
    """Importance ratio r = π(a|s) / π_old(a|s) = exp(log_prob - old_log_prob).

    Shapes: log_prob (N,), old_log_prob (N,) -> (N,). The old policy is data: there is no gradient
    with respect to it.

    It makes the old policy's samples speak for the new one: in a state s, the mean of r A over the
    actions of π_old is Σ_a π_old(a|s) r A = Σ_a π(a|s) A, that of A over the actions of π. The
    states remain those that π_old has visited.

    Holds also where both probabilities underflow to 0.

    Derivation: ∂exp(x)/∂x = exp(x), hence dlog_prob = dratio · ratio.
    Source: Schulman et al. 2017, section 3.
    """
    log_prob, old_log_prob = floats(log_prob, old_log_prob)
    expect_ndim("log_prob", log_prob, "N")
    expect_shape("old_log_prob", old_log_prob, log_prob.shape, "log_prob", log_prob)
    ratio = np.exp(log_prob - old_log_prob)  # (N,)
    return ratio, (ratio,)


def importance_ratio_backward(dratio: ArrayLike, cache: Cache) -> Array:
    """Gradient `dlog_prob` of `importance_ratio`."""
    (ratio,) = cache
    dratio, ratio = floats(dratio, ratio)
    expect_shape("dratio", dratio, ratio.shape, "log_prob", ratio)
    # forward: ratio = exp(log_prob - old_log_prob)
    dlog_prob: Array = dratio * ratio  # (N,)
    return dlog_prob


def policy_gradient_loss(log_prob: ArrayLike, advantages: ArrayLike) -> tuple[Array, Cache]:
    """Loss whose gradient is minus the policy gradient: -1/N Σ_i log_prob_i A_i, A = advantages.

    Shapes: log_prob (N,), advantages (N,) -> (). The advantages are used as given, not normalised,
    and are data: there is no gradient with respect to them.

    Its value says nothing about how good the policy is; only its gradient does. That is the
    score function's identity, ∇ Σ_a π A = Σ_a ∇π A = Σ_a π ∇log π A. It is also the gradient of the
    ratio's mean r A at r = 1, where PPO's first step starts.

    Derivation: linear in log_prob, hence dlog_prob_i = -dloss A_i / N.
    Source: Williams 1992; Schulman et al. 2017, eq. 2, negated.
    """
    log_prob, advantages = floats(log_prob, advantages)
    expect_ndim("log_prob", log_prob, "N")
    expect_shape("advantages", advantages, log_prob.shape, "log_prob", log_prob)
    return -(log_prob * advantages).sum() / len(log_prob), (advantages,)


def policy_gradient_loss_backward(dloss: float, cache: Cache) -> Array:
    """Gradient `dlog_prob` of `policy_gradient_loss`."""
    (advantages,) = cache
    # forward: loss = -1/N Σ log_prob A
    dlog_prob: Array = advantages * (-number("dloss", dloss) / max(1, len(advantages)))  # (N,)
    return dlog_prob


def clipped_surrogate_loss(
    log_prob: ArrayLike, old_log_prob: ArrayLike, advantages: ArrayLike, clip: float
) -> tuple[Array, Cache]:
    """PPO's clipped surrogate as a loss: -1/N Σ_i min(r_i A_i, c_i A_i).

        r = exp(log_prob - old_log_prob)        c = r limited to 1 - clip … 1 + clip

    Shapes: log_prob (N,), old_log_prob (N,), A = advantages (N,) -> (). The advantages are used as
    given, not normalised. There is a gradient with respect to log_prob only.

    A move in the wrong direction always counts in full (r A is kept, and its gradient leads back),
    but there is nothing to gain from making a good action more than 1 + clip times as likely as
    before, or a bad one less than 1 - clip times as likely.

    Derivation: which branch the minimum takes, and with it the gradient, depends on the sign of A
    and on the side of the band 1 - clip ≤ r ≤ 1 + clip on which r lies:

                    r < 1 - clip        in the band     r > 1 + clip
        A > 0       r A                 equal           clipped: 0
        A < 0       clipped: 0          equal           r A

    Where the unclipped branch wins, ∂(r A)/∂r = A and ∂r/∂log_prob = r; where the
    clipped one does, it is constant:

        dlog_prob_i = -dloss/N · r_i A_i   where r_i A_i ≤ c_i A_i, else 0

    Convention at the kink: on a tie the unclipped branch r A wins, so the gradient flows at
    r = 1 ± clip. In the band both branches are equal and the same rule covers it.

    Source: Schulman et al. 2017, eq. 7, negated.
    """
    ratio, _ = importance_ratio(log_prob, old_log_prob)  # (N,)
    ratio, advantages = floats(ratio, advantages)
    expect_shape("advantages", advantages, ratio.shape, "log_prob", ratio)
    clip = number("clip", clip)
    clipped_ratio = np.minimum(np.maximum(ratio, 1 - clip), 1 + clip)  # (N,)
    unclipped = ratio * advantages  # (N,)
    clipped = clipped_ratio * advantages  # (N,)
    # the real parts decide, so that a complex step takes the branch of the point it probes
    flows = unclipped.real <= clipped.real  # (N,) bool
    loss = -np.where(flows, unclipped, clipped).sum() / len(ratio)
    return loss, (unclipped, flows)


def clipped_surrogate_loss_backward(dloss: float, cache: Cache) -> Array:
    """Gradient `dlog_prob` of `clipped_surrogate_loss`."""
    unclipped, flows = cache
    # forward: loss = -1/N Σ min(r A, clip(r) A), and ∂(r A)/∂log_prob = r A
    return np.where(flows, unclipped, 0) * (-number("dloss", dloss) / max(1, len(flows)))  # (N,)


def value_loss(values: ArrayLike, targets: ArrayLike) -> tuple[Array, Cache]:
    """Half the mean squared error of the value function: 1/(2N) Σ_i (values_i - targets_i)².

    Shapes: values (N,), targets (N,) -> (). The targets are data: they have no gradient.

    Derivation: dvalues_i = dloss (values_i - targets_i) / N; the ½ cancels the square's 2.
    Source: Schulman et al. 2017, eq. 9 (which leaves the ½ to the coefficient).
    """
    values, targets = floats(values, targets)
    expect_ndim("values", values, "N")
    expect_shape("targets", targets, values.shape, "values", values)
    error = values - targets  # (N,)
    return 0.5 * (error * error).sum() / len(error), (error,)


def value_loss_backward(dloss: float, cache: Cache) -> Array:
    """Gradient `dvalues` of `value_loss`."""
    (error,) = cache
    # forward: loss = 1/(2N) Σ error²
    dvalues: Array = error * (number("dloss", dloss) / max(1, len(error)))  # (N,)
    return dvalues


def clipped_value_loss(
    values: ArrayLike, old_values: ArrayLike, targets: ArrayLike, clip: float
) -> tuple[Array, Cache]:
    """Value loss that is not rewarded for moving further than `clip` from the old values.

        1/(2N) Σ_i max((values_i - targets_i)², (c_i - targets_i)²)

        c = old_values + (values - old_values limited to -clip … clip)

    Shapes: values (N,), old_values (N,), targets (N,) -> (). `clip` is in units of the values.
    There is a gradient with respect to the values only.

    Derivation: where the first square is the larger, as in `value_loss`. The second can be the
    larger one only outside the band, where c is constant:

        dvalues_i = dloss/N · (values_i - targets_i)   where the first ≥ the second, else 0

    Conventions at the kinks: on a tie the unclipped square wins. Inside the band and at its
    bounds, |values - old_values| ≤ clip, the two tie and the gradient passes: there c equals
    values exactly, and rounding in old_values + (values - old_values) must not break the tie.

    Source: Huang et al. 2022, detail 9 (from OpenAI Baselines; not in the paper).
    """
    values, old_values, targets = floats(values, old_values, targets)
    expect_ndim("values", values, "N")
    expect_shape("old_values", old_values, values.shape, "values", values)
    expect_shape("targets", targets, values.shape, "values", values)
    clip = number("clip", clip)
    step = values - old_values  # (N,)
    bounded = np.minimum(np.maximum(step, -clip), clip)  # (N,)
    error = values - targets  # (N,)
    # c - target written so that inside the band it is v - target to the last bit: a tie
    clipped_error = error + (bounded - step)  # (N,)
    # not the squares, which tie where they underflow or overflow
    flows = abs(error.real) >= abs(clipped_error.real)  # (N,) bool
    larger = np.where(flows, error, clipped_error)  # (N,)
    return 0.5 * (larger * larger).sum() / len(error), (error, flows)


def clipped_value_loss_backward(dloss: float, cache: Cache) -> Array:
    """Gradient `dvalues` of `clipped_value_loss`."""
    error, flows = cache
    # forward: loss = 1/(2N) Σ max(error², clipped_error²), and clipped_error is constant
    # wherever its square is the larger one
    return np.where(flows, error, 0) * (number("dloss", dloss) / max(1, len(error)))  # (N,)


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


def ppo_objective(
    log_prob: ArrayLike,
    entropy: ArrayLike,
    values: ArrayLike,
    old_log_prob: ArrayLike,
    advantages: ArrayLike,
    targets: ArrayLike,
    clip: float,
    vf_coef: float,
    ent_coef: float,
    old_values: ArrayLike | None = None,
    clip_vf: float | None = None,
) -> tuple[Array, ObjectiveCache]:
    """The whole PPO loss of any policy, given its log-probabilities and entropies.

        loss = clipped surrogate + vf_coef · value loss - ent_coef · mean entropy

    Shapes: log_prob (N,), entropy (N,) or (), values, old_log_prob, advantages, targets (N,)
    -> (). With `clip_vf` the value loss is the clipped one, around `old_values` (N,); ValueError
    where they are missing.

    Derivation: a sum, so each term's backward gets its own factor; the mean entropy sends
    -dloss ent_coef / N to each row, or -dloss ent_coef to an entropy of shape ().
    Source: Schulman et al. 2017, eq. 9, negated.
    """
    policy_term, policy_cache = clipped_surrogate_loss(log_prob, old_log_prob, advantages, clip)
    if clip_vf is None:
        value_term, value_cache = value_loss(values, targets)
    else:
        if old_values is None:
            raise ValueError("old_values is None, expected (N,) values to clip around")
        value_term, value_cache = clipped_value_loss(values, old_values, targets, clip_vf)
    expect_shape("values", np.asarray(values), np.shape(log_prob), "log_prob", np.asarray(log_prob))
    (entropy,) = floats(entropy)
    vf_coef, ent_coef = number("vf_coef", vf_coef), number("ent_coef", ent_coef)
    mean_entropy = entropy.sum() / entropy.size
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
    )


def ppo_objective_backward(dloss: float, cache: ObjectiveCache) -> tuple[Array, Array, Array]:
    """Gradients `dlog_prob, dentropy, dvalues` of `ppo_objective`."""
    dloss = number("dloss", dloss)
    # forward: loss = policy_loss + vf_coef · value_loss - ent_coef · mean(entropy)
    dlog_prob = clipped_surrogate_loss_backward(dloss, cache.policy_cache)  # (N,)
    value_backward = clipped_value_loss_backward if cache.clips_values else value_loss_backward
    dvalues = value_backward(dloss * cache.vf_coef, cache.value_cache)  # (N,)
    rows = max(1, math.prod(cache.entropy_shape))
    dentropy = np.full(cache.entropy_shape, -dloss * cache.ent_coef / rows, dlog_prob.dtype)
    return dlog_prob, dentropy, dvalues


def ppo_loss(
    logits: ArrayLike,
    values: ArrayLike,
    actions: ArrayLike,
    old_log_prob: ArrayLike,
    advantages: ArrayLike,
    targets: ArrayLike,
    clip: float,
    vf_coef: float,
    ent_coef: float,
) -> tuple[Array, Cache]:
    """The whole PPO loss of a softmax policy, to be minimised.

        loss = surrogate + vf_coef · error - ent_coef · entropy

        surrogate = -1/N Σ_i min(r_i Â_i, c_i Â_i)         Â = advantages, as given
        error     = 1/(2N) Σ_i (values_i - targets_i)²
        entropy   = 1/N Σ_i H_i                            H = -Σ_a π(a|s) log π(a|s)

    where π = softmax(logits), r = exp(log π(action|s) - old_log_prob), and c = r limited to
    1 - clip … 1 + clip: the clipped surrogate, the value loss and the mean entropy.

    Shapes: logits (N, A), values (N,), actions (N,) int, old_log_prob, advantages, targets (N,)
    -> (). The advantages are not normalised. There are gradients with respect to the logits and
    the values only.

    Holds for logits of any finite size, as each of its parts does.

    Convention at the kink: on a tie the unclipped branch r Â wins, and the gradient flows.

    Derivation: `ppo_objective`, which training uses because it takes any policy's
    log-probabilities, applied to the softmax's log-probability and entropy. The logits reach the
    loss by two paths, so their gradient is the sum over both.

    Source: Schulman et al. 2017, eq. 9, negated, with ε = clip, c₁ = vf_coef / 2 (its squared error
    has no ½) and c₂ = ent_coef.
    """
    logits, values, old_log_prob, advantages, targets = floats(
        logits, values, old_log_prob, advantages, targets
    )
    (log_prob, entropy), head_cache = categorical_evaluate(logits, actions)  # (N,), (N,)
    loss, objective_cache = ppo_objective(
        log_prob,
        entropy,
        values,
        old_log_prob,
        advantages,
        targets,
        clip,
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


def approx_kl(log_prob: ArrayLike, old_log_prob: ArrayLike) -> Array:
    """Estimate of KL(old ‖ new) from the old policy's samples: 1/N Σ_i (r_i - 1 - log r_i).

    Shapes: log_prob (N,), old_log_prob (N,) -> (). r = exp(log_prob - old_log_prob).

    Holds also where both probabilities underflow to 0. Unbiased like the plain mean of -log r, but
    never negative; and of much lower variance where the policies are close, which is where PPO uses
    it: r - 1 has mean 0 and cancels most of the noise. Where the new policy likes what the old one
    hardly tried, the variance is far higher.

    Source: Schulman 2020, *Approximating KL divergence*, the estimator k3.
    """
    log_prob, old_log_prob = floats(log_prob, old_log_prob)
    expect_ndim("log_prob", log_prob, "N")
    expect_shape("old_log_prob", old_log_prob, log_prob.shape, "log_prob", log_prob)
    kl: Array = exp_remainder(log_prob - old_log_prob).sum() / len(log_prob)
    return kl


def clip_fraction(log_prob: ArrayLike, old_log_prob: ArrayLike, clip: float) -> Array:
    """Share of the samples whose ratio is outside the band: |r - 1| > clip.

    Shapes: log_prob (N,), old_log_prob (N,) -> (), from 0 to 1. r = exp(log_prob - old_log_prob).

    Holds also where both probabilities underflow to 0.
    Source: OpenAI Baselines' `clipfrac`; Huang et al. 2022, detail 12.
    """
    ratio, _ = importance_ratio(log_prob, old_log_prob)  # (N,)
    share: Array = (abs(ratio - 1) > number("clip", clip)).sum(dtype=ratio.dtype) / len(ratio)
    return share


def explained_variance(values: ArrayLike, targets: ArrayLike) -> Array:
    """Share of the targets' variance that the values explain.

        1 - Var(targets - values) / Var(targets)

    Shapes: values (N,), targets (N,) -> (). 1 is perfect up to a constant offset, 0 as good as a
    constant, below 0 worse; nan where all targets are equal, because then there is nothing to
    explain. Targets that differ by ever so little are no such case: nothing is added to Var.
    """
    values, targets = floats(values, targets)
    expect_ndim("values", values, "N")
    expect_shape("targets", targets, values.shape, "values", values)
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
        explained: Array = 1 - ratio * (ratio * residual.var()) / spread.var()
    return explained
