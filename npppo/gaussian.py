"""The Gaussian policy over continuous actions: independent normals, one per action dimension.

The mean comes from the network, (N, A); the log standard deviation is one vector of parameters,
(A,), the same in every state (Schulman et al. 2015, appendix D). With z = (a - mean) / std the
log-probability is -½ z² - log_std and a constant, so every derivative of it follows from

    ∂z / ∂mean = -1 / std        ∂z / ∂log_std = -z
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from .categorical import exp_remainder
from .shapes import Array, Cache, expect_ndim, expect_shape, floats, number

__all__ = [
    "gaussian_log_prob",
    "gaussian_log_prob_backward",
    "gaussian_entropy",
    "gaussian_entropy_backward",
    "gaussian_kl",
    "gaussian_kl_backward",
]

HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


def gaussian_log_prob(
    mean: ArrayLike, log_std: ArrayLike, actions: ArrayLike
) -> tuple[Array, Cache]:
    """Log-density of the actions, summed over the action dimensions.

        log π(a|s) = Σ_j ( -½ z_j² - log_std_j - ½ log 2π ),    z = (actions - mean) / std

    Shapes: mean (N, A), log_std (A,), actions (N, A) -> (N,). std = exp(log_std), without limits
    but those of the dtype for std and 1 / std.

    Derivation: ∂(-½ z²)/∂mean = z / std, ∂(-½ z²)/∂log_std = z², ∂(-log_std)/∂log_std = -1, hence

        dmean_nj   = dlog_prob_n z_nj / std_j
        dlog_std_j = Σ_n dlog_prob_n (z_nj² - 1)

    log_std is shared by all rows, which is why its gradient is a sum over them.
    Source: Williams 1992, section 6.
    """
    mean, log_std, actions = floats(mean, log_std, actions)
    expect_ndim("mean", mean, "NA")
    expect_shape("log_std", log_std, (mean.shape[1],), "mean", mean)
    expect_shape("actions", actions, mean.shape, "mean", mean)
    inverse_std = np.exp(-log_std)  # (A,)
    z = (actions - mean) * inverse_std  # (N, A)
    log_prob = (-0.5 * z * z - log_std - HALF_LOG_2PI).sum(axis=1)  # (N,)
    return log_prob, (z, inverse_std)


def gaussian_log_prob_backward(dlog_prob: ArrayLike, cache: Cache) -> tuple[Array, Array]:
    """Gradients `dmean, dlog_std` of `gaussian_log_prob`."""
    z, inverse_std = cache
    dlog_prob, z, inverse_std = floats(dlog_prob, z, inverse_std)
    expect_shape("dlog_prob", dlog_prob, (len(z),), "mean", z)
    # forward: log_prob = Σ -½ z² - log_std - ½ log 2π
    dmean = dlog_prob[:, None] * z * inverse_std  # (N, A)
    dlog_std = dlog_prob @ (z * z - 1)  # (A,)
    return dmean, dlog_std


def gaussian_entropy(log_std: ArrayLike) -> tuple[Array, Cache]:
    """Differential entropy Σ_j (log_std_j + ½ log 2πe), in nats; the same in every state.

    Shapes: log_std (A,) -> (). The constant counts once per action dimension j.

    Derivation: linear in log_std, so dlog_std_j = dentropy.
    Source: Cover & Thomas 2006, theorem 8.4.1.
    """
    (log_std,) = floats(log_std)
    expect_ndim("log_std", log_std, "A")
    return (log_std + (0.5 + HALF_LOG_2PI)).sum(), (log_std,)


def gaussian_entropy_backward(dentropy: ArrayLike, cache: Cache) -> Array:
    """Gradient `dlog_std` of `gaussian_entropy`."""
    (log_std,) = cache
    # forward: entropy = Σ log_std + constant
    return np.full_like(log_std, number("dentropy", dentropy))  # (A,)


def gaussian_kl(
    old_mean: ArrayLike, old_log_std: ArrayLike, mean: ArrayLike, log_std: ArrayLike
) -> tuple[Array, Cache]:
    """Kullback-Leibler divergence KL(old ‖ new) of each row, in nats.

        KL = Σ_j ( log_std - old_log_std + (old_std² + (mean - old_mean)²) / (2 std²) - ½ )

    Shapes: old_mean (N, A), old_log_std (A,), mean (N, A), log_std (A,) -> (N,). The sum is over
    the action dimensions j, with std = exp(log_std) and old_std = exp(old_log_std). The old policy
    is data: there is no gradient with respect to it.

    Derivation: the mean under the old policy of log old - log new, where the mean of
    (a - mean)² is old_std² + (mean - old_mean)². With moved = (mean - old_mean) / std and
    q = (old_std / std)² + moved², of which ∂q/∂log_std is -2 q,

        dmean_nj   = dkl_n moved_nj / std_j
        dlog_std_j = Σ_n dkl_n (1 - q_nj)

    Between policies that are close q - 1 and 2 log(old_std / std) cancel. With x for the latter

        KL = ½ Σ_j ( exp(x) - 1 - x + moved² ),        q - 1 = exp(x) - 1 + moved²

    Source: direction and policy of Schulman et al. 2015, eq. 12 and appendix D.
    """
    old_mean, old_log_std, mean, log_std = floats(old_mean, old_log_std, mean, log_std)
    expect_ndim("mean", mean, "NA")
    expect_shape("old_mean", old_mean, mean.shape, "mean", mean)
    expect_shape("old_log_std", old_log_std, (mean.shape[1],), "mean", mean)
    expect_shape("log_std", log_std, (mean.shape[1],), "mean", mean)
    inverse_std = np.exp(-log_std)  # (A,)
    moved = (mean - old_mean) * inverse_std  # (N, A)
    x = 2 * (old_log_std - log_std)  # (A,), log of (old_std / std)²
    kl = 0.5 * (exp_remainder(x) + moved * moved).sum(axis=1)  # (N,)
    q_less_1 = np.expm1(x) + moved * moved  # (N, A)
    return kl, (moved, q_less_1, inverse_std)


def gaussian_kl_backward(dkl: ArrayLike, cache: Cache) -> tuple[Array, Array]:
    """Gradients `dmean, dlog_std` of `gaussian_kl` with respect to the new policy."""
    moved, q_less_1, inverse_std = cache
    dkl, moved, q_less_1, inverse_std = floats(dkl, moved, q_less_1, inverse_std)
    expect_shape("dkl", dkl, (len(moved),), "mean", moved)
    # forward: kl = Σ log_std - old_log_std + ½ q - ½
    dmean = dkl[:, None] * moved * inverse_std  # (N, A)
    dlog_std = -(dkl @ q_less_1)  # (A,)
    return dmean, dlog_std


def gaussian_evaluate(
    mean: ArrayLike, log_std: ArrayLike, actions: ArrayLike
) -> tuple[tuple[Array, Array], Cache]:
    """`gaussian_log_prob` and `gaussian_entropy` together: (N,), ()."""
    log_prob, log_prob_cache = gaussian_log_prob(mean, log_std, actions)  # (N,)
    entropy, entropy_cache = gaussian_entropy(log_std)  # ()
    return (log_prob, entropy), (log_prob_cache, entropy_cache)


def gaussian_evaluate_backward(
    dlog_prob: ArrayLike, dentropy: ArrayLike, cache: Cache
) -> tuple[Array, Array]:
    """Gradients `dmean, dlog_std` of `gaussian_evaluate`."""
    log_prob_cache, entropy_cache = cache
    dmean, dlog_std = gaussian_log_prob_backward(dlog_prob, log_prob_cache)  # (N, A), (A,)
    dlog_std += gaussian_entropy_backward(dentropy, entropy_cache)
    return dmean, dlog_std


def gaussian_sample(mean: ArrayLike, log_std: ArrayLike, noise: ArrayLike) -> Array:
    """Actions mean + std · noise for standard normal `noise`; (N, A), (A,), (N, A) -> (N, A)."""
    mean, log_std, noise = floats(mean, log_std, noise)
    expect_ndim("mean", mean, "NA")
    expect_shape("log_std", log_std, (mean.shape[1],), "mean", mean)
    expect_shape("noise", noise, mean.shape, "mean", mean)
    actions: Array = mean + np.exp(log_std) * noise  # (N, A)
    return actions
