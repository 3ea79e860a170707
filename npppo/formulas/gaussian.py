"""The Gaussian policy over continuous actions: independent normals, one per action dimension.

The mean comes from the network, (N, A); the log standard deviation is one vector of parameters,
(A,), the same in every state (Schulman et al. 2015, appendix D). With z = (a - mean) / std the
log-probability is -½ z² - log_std and a constant, so every derivative of it follows from

    ∂z / ∂mean = -1 / std        ∂z / ∂log_std = -z
"""

from __future__ import annotations

import math

import numpy as np

from .categorical import exp_remainder
from .shapes import Array, Cache, formula

HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


@formula("mean:NA log_std:A actions:NA -> N by mean log_std")
def gaussian_log_prob(mean: Array, log_std: Array, actions: Array) -> tuple[Array, Cache]:
    """Log-density of the actions, summed over the action dimensions.

        log π(a|s) = Σ_j ( -½ z_j² - log_std_j - ½ log 2π ),    z = (actions - mean) / std

    Shapes: mean (N, A), log_std (A,), actions (N, A) -> (N,). std = exp(log_std), without limits
    but those of the dtype for std and 1 / std.

    Derivation: ∂(-½ z²)/∂mean = z / std, ∂(-½ z²)/∂log_std = z², ∂(-log_std)/∂log_std = -1, hence

        dmean_nj   = dlog_prob_n z_nj / std_j
        dlog_std_j = Σ_n dlog_prob_n (z_nj² - 1)

    log_std is shared by all rows, which is why its gradient is a sum over them.
    Source: Williams 1992, section 6, which differentiates by std: ∂/∂log_std = std ∂/∂std.
    """
    inverse_std = np.exp(-log_std)  # (A,)
    z = (actions - mean) * inverse_std  # (N, A)
    log_prob = (-0.5 * z * z - log_std - HALF_LOG_2PI).sum(axis=1)  # (N,)
    return log_prob, (z, inverse_std)


def gaussian_log_prob_backward(dlog_prob: Array, cache: Cache) -> tuple[Array, Array]:
    """Gradients `dmean, dlog_std` of `gaussian_log_prob`."""
    z, inverse_std = cache
    # forward: log_prob = Σ -½ z² - log_std - ½ log 2π
    dmean = dlog_prob[:, None] * z * inverse_std  # (N, A)
    dlog_std = dlog_prob @ (z * z - 1)  # (A,)
    return dmean, dlog_std


@formula("log_std:A -> () by log_std")
def gaussian_entropy(log_std: Array) -> tuple[Array, Cache]:
    """Differential entropy Σ_j (log_std_j + ½ log 2πe), in nats; the same in every state.

    Shapes: log_std (A,) -> (). The constant counts once per action dimension j.

    Derivation: linear in log_std, so dlog_std_j = dentropy.
    Source: Cover & Thomas 2006, theorem 8.4.1.
    """
    return (log_std + (0.5 + HALF_LOG_2PI)).sum(), (log_std,)  # ()


def gaussian_entropy_backward(dentropy: Array, cache: Cache) -> Array:
    """Gradient `dlog_std` of `gaussian_entropy`."""
    (log_std,) = cache
    # forward: entropy = Σ log_std + constant
    return np.full_like(log_std, dentropy)  # (A,)


@formula("old_mean:NA old_log_std:A mean:NA log_std:A -> N by mean log_std")
def gaussian_kl(
    old_mean: Array, old_log_std: Array, mean: Array, log_std: Array
) -> tuple[Array, Cache]:
    """Kullback-Leibler divergence KL(old ‖ new) of each row, in nats.

        KL = Σ_j ( log_std - old_log_std + (old_std² + (mean - old_mean)²) / (2 std²) - ½ )

    Shapes: old_mean (N, A), old_log_std (A,), mean (N, A), log_std (A,) -> (N,). The sum is over
    the action dimensions j, with std = exp(log_std) and old_std = exp(old_log_std). The old policy
    is data: there is no gradient with respect to it.

    Derivation: take the mean of log old - log new under the old policy, where the mean of
    (a - mean)² is old_std² + (mean - old_mean)². Let moved = (mean - old_mean) / std and
    q = (old_std / std)² + moved². Then ∂moved/∂mean = 1/std and ∂q/∂log_std = -2 q, hence

        dmean_nj   = dkl_n moved_nj / std_j
        dlog_std_j = Σ_n dkl_n (1 - q_nj)

    Between policies that are close q - 1 and 2 log(old_std / std) cancel. With x for the latter

        KL = ½ Σ_j ( exp(x) - 1 - x + moved² ),        q - 1 = exp(x) - 1 + moved²

    From the standard normal to the one with mean 1 and std 2, in one dimension:

        >>> kl, _ = gaussian_kl(np.zeros((1, 1)), np.zeros(1), np.ones((1, 1)), np.log([2.0]))
        >>> kl.round(4)
        array([0.4431])

    Source: direction and policy of Schulman et al. 2015, eq. 12 and appendix D.
    """
    inverse_std = np.exp(-log_std)  # (A,)
    moved = (mean - old_mean) * inverse_std  # (N, A)
    x = 2 * (old_log_std - log_std)  # (A,), log of (old_std / std)²
    kl = 0.5 * (exp_remainder(x) + moved * moved).sum(axis=1)  # (N,)
    q_less_1 = np.expm1(x) + moved * moved  # (N, A)
    return kl, (moved, q_less_1, inverse_std)


def gaussian_kl_backward(dkl: Array, cache: Cache) -> tuple[Array, Array]:
    """Gradients `dmean, dlog_std` of `gaussian_kl` with respect to the new policy."""
    moved, q_less_1, inverse_std = cache
    # forward: kl = Σ log_std - old_log_std + ½ q - ½
    dmean = dkl[:, None] * moved * inverse_std  # (N, A)
    dlog_std = -(dkl @ q_less_1)  # (A,)
    return dmean, dlog_std


@formula("log_std:A vmean:NA vlog_std:A -> by_mean:NA by_log_std:A")
def gaussian_fisher(log_std: Array, vmean: Array, vlog_std: Array) -> tuple[Array, Array]:
    """Fisher information of each row's policy times a vector: vmean / std² and 2 vlog_std.

    Shapes: log_std (A,), vmean (N, A), vlog_std (A,) -> (N, A), (A,), the parts of the product by
    the mean and by log_std. std = exp(log_std).

    A vector for each row has a part of its own for the mean. The part for log_std, which all rows
    share, is vlog_std, and so the product's is the same in every row; it is given once, as it is in
    one row (not summed over N) and as it is in the mean over the rows.

    Derivation: the Fisher information is the mean of ∇log π ∇log πᵀ under π. The gradients by the
    mean and by log_std are z / std and z² - 1, where z is standard normal, so in each dimension

        by the mean  E[z²] / std² = 1 / std²
        by log_std   E[(z² - 1)²] = 3 - 2 + 1 = 2
        by both      E[z (z² - 1)] / std = 0

    and 0 between dimensions, which are independent. The mean itself comes from a network with
    Jacobian J: the whole Fisher matrix of its parameters is the mean over the rows of Jᵀ F J, of
    which F is this, J v is `mlp_jvp` and Jᵀ is `mlp_backward`.

    This is also the Hessian of KL(old ‖ new) at new = old.

    Source: Amari 1998; Schulman et al. 2015, appendix C.
    """
    inverse_std = np.exp(-log_std)  # (A,)
    return vmean * inverse_std * inverse_std, 2 * vlog_std  # (N, A), (A,)


def gaussian_evaluate(
    mean: Array, log_std: Array, actions: Array
) -> tuple[tuple[Array, Array], Cache]:
    """`gaussian_log_prob` and `gaussian_entropy` together: (N,), ()."""
    log_prob, log_prob_cache = gaussian_log_prob(mean, log_std, actions)  # (N,)
    entropy, entropy_cache = gaussian_entropy(log_std)  # ()
    return (log_prob, entropy), (log_prob_cache, entropy_cache)


def gaussian_evaluate_backward(
    dlog_prob: Array, dentropy: Array, cache: Cache
) -> tuple[Array, Array]:
    """Gradients `dmean, dlog_std` of `gaussian_evaluate`."""
    log_prob_cache, entropy_cache = cache
    dmean, dlog_std = gaussian_log_prob_backward(dlog_prob, log_prob_cache)  # (N, A), (A,)
    dlog_std += gaussian_entropy_backward(dentropy, entropy_cache)
    return dmean, dlog_std


def gaussian_sample(mean: Array, log_std: Array, noise: Array) -> Array:
    """Actions mean + std · noise for standard normal `noise`; (N, A), (A,), (N, A) -> (N, A)."""
    return mean + np.exp(log_std) * noise  # (N, A)
