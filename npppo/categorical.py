"""The softmax policy over A discrete actions: π(a|s) = exp(z_a) / Σ_b exp(z_b).

`logits` z are (N, A), p = softmax(z), and log p = log_softmax(z). Everything rests on one fact,

    ∂ log p_b / ∂ z_a = [a = b] - p_a,          where [a = b] is 1 if a = b, else 0,

the Jacobian of the log-softmax, because ∂z_b/∂z_a = [a = b] and ∂(log Σ_c exp(z_c))/∂z_a = p_a:
raising logit a lowers the log-probability of every other action at one and the same rate, p_a.

A logit of -inf is a probability of exactly 0, as of a forbidden action; one logit of each row must
be finite. The log-probability of such an action is given as the most negative finite number.

Sums over the few actions are slow in NumPy's row-major order and fast in column-major order, so
the logits are laid out by columns first; no formula depends on it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from .shapes import Array, Cache, expect_ndim, expect_shape, floats

__all__ = [
    "softmax",
    "softmax_backward",
    "log_softmax",
    "log_softmax_backward",
    "categorical_log_prob",
    "categorical_log_prob_backward",
    "categorical_entropy",
    "categorical_entropy_backward",
    "categorical_kl",
    "categorical_kl_backward",
    "categorical_sample",
    "categorical_fisher",
]


@np.errstate(over="ignore")
def _shift(logits: ArrayLike) -> Array:
    """The logits less their row's largest, which changes no probability: (N, A) -> (N, A), ≤ 0.

    Then no exponential overflows. The difference of two huge logits may overflow to -inf; it is
    replaced by the most negative finite number, whose exponential is 0 all the same, so that
    0 · log 0 is 0 further on and not nan.
    """
    (logits,) = floats(logits)
    expect_ndim("logits", logits, "NA")
    z = np.asfortranarray(logits)  # (N, A)
    z = z - z.real.max(axis=1, keepdims=True)  # (N, A)
    shifted: Array = np.maximum(z, np.finfo(z.dtype).min)  # (N, A)
    return shifted


def softmax(logits: ArrayLike) -> tuple[Array, Cache]:
    """Probabilities p_a = exp(z_a) / Σ_b exp(z_b) of each row, with z = logits.

    Shapes: logits (N, A) -> (N, A).

    Holds for logits of any finite size, without overflow or nan. Nothing is added to be safe: a
    tiny probability p is right to some |log p| units in its last place.

    Derivation: ∂p_a/∂z_b = p_a ([a = b] - p_b), hence

        dz_b = Σ_a dp_a p_a ([a = b] - p_b) = p_b (dp_b - Σ_a dp_a p_a)

    Source: Bridle 1990.
    """
    e = np.exp(_shift(logits))  # (N, A)
    p = e / e.sum(axis=1, keepdims=True)  # (N, A)
    return p, (p,)


def softmax_backward(dp: ArrayLike, cache: Cache) -> Array:
    """Gradient `dlogits` of `softmax`."""
    (p,) = cache
    dp, p = floats(dp, p)
    expect_shape("dp", dp, p.shape, "logits", p)
    # forward: p = exp(z) / Σ exp(z)
    dlogits: Array = p * (dp - (dp * p).sum(axis=1, keepdims=True))  # (N, A)
    return dlogits


def log_softmax(logits: ArrayLike) -> tuple[Array, Cache]:
    """Log-probabilities log p_a = z_a - log Σ_b exp(z_b) of each row, with z = logits.

    Shapes: logits (N, A) -> (N, A).

    Holds for logits of any finite size; where p underflows to 0, log p stays right to rounding, or
    is the most negative finite number if it lies beyond that.

    Derivation: ∂ log p_b / ∂z_a = [a = b] - p_a, hence

        dz_a = Σ_b dlog_p_b ([a = b] - p_a) = dlog_p_a - p_a Σ_b dlog_p_b
    """
    z = _shift(logits)  # (N, A)
    e = np.exp(z)  # (N, A)
    total = e.sum(axis=1, keepdims=True)  # (N, 1)
    return z - np.log(total), (e / total,)


def log_softmax_backward(dlog_p: ArrayLike, cache: Cache) -> Array:
    """Gradient `dlogits` of `log_softmax`."""
    (p,) = cache
    dlog_p, p = floats(dlog_p, p)
    expect_shape("dlog_p", dlog_p, p.shape, "logits", p)
    # forward: log_p = z - log Σ exp(z)
    dlogits: Array = dlog_p - p * dlog_p.sum(axis=1, keepdims=True)  # (N, A)
    return dlogits


def categorical_log_prob(logits: ArrayLike, actions: ArrayLike) -> tuple[Array, Cache]:
    """Log-probability log π(a|s) of the action taken in each row, with π = softmax(logits).

    Shapes: logits (N, A), actions (N,) int, each 0 … A-1 -> (N,).

    Holds for logits of any finite size, also where π(a|s) underflows to 0.

    Derivation: the score function of a softmax. With ∂ log p_b / ∂z_a = [a = b] - p_a,

        dlogits_a = dlog_prob ([a = action] - p_a)

    Raises ValueError for actions that are no integers in 0 … A-1.
    Source: Sutton & Barto 2018, section 13.3.
    """
    log_p, (p,) = log_softmax(logits)  # (N, A)
    return _taken(log_p, p, actions)


def _taken(log_p: Array, p: Array, actions: ArrayLike) -> tuple[Array, Cache]:
    actions = np.asarray(actions)
    expect_shape("actions", actions, (len(p),), "logits", p)
    if actions.dtype.kind not in "iu":
        raise ValueError(f"actions has dtype {actions.dtype}, expected integers")
    # one comparison for both ends: as an unsigned number a negative action is huge
    wrong = actions.astype(np.uint64) >= p.shape[1]  # (N,) bool
    if np.count_nonzero(wrong):
        raise ValueError(
            f"actions holds {actions[wrong][0]}, expected 0 to {p.shape[1] - 1} "
            f"beside logits of shape {p.shape}"
        )
    return log_p[np.arange(len(p)), actions], (p, actions)


def categorical_log_prob_backward(dlog_prob: ArrayLike, cache: Cache) -> Array:
    """Gradient `dlogits` of `categorical_log_prob`."""
    p, actions = cache
    dlog_prob, p = floats(dlog_prob, p)
    expect_shape("dlog_prob", dlog_prob, (len(p),), "logits", p)
    # forward: log_prob = log_p[row, action]
    taken = (np.arange(p.shape[1])[:, None] == actions).T  # (N, A) bool, by columns as p is
    dlogits: Array = dlog_prob[:, None] * (taken - p)  # (N, A)
    return dlogits


def categorical_entropy(logits: ArrayLike) -> tuple[Array, Cache]:
    """Entropy H = -Σ_a p_a log p_a of each row's p = softmax(logits), in nats.

    From 0 to log A, but for rounding.

    Shapes: logits (N, A) -> (N,).

    Holds for logits of any finite size: where p_a underflows to 0, p_a log p_a is 0.

    Derivation: ∂(p_b log p_b)/∂z_a = p_b (log p_b + 1) ([a = b] - p_a). Summed over b, the 1
    contributes p_a - p_a Σ_b p_b = 0, and what remains is

        dlogits_a = -dentropy p_a (log p_a + H)
    """
    log_p, (p,) = log_softmax(logits)  # (N, A)
    return _entropy(log_p, p)


def _entropy(log_p: Array, p: Array) -> tuple[Array, Cache]:
    entropy = -(p * log_p).sum(axis=1)  # (N,)
    return entropy, (log_p, p, entropy)


def categorical_entropy_backward(dentropy: ArrayLike, cache: Cache) -> Array:
    """Gradient `dlogits` of `categorical_entropy`."""
    log_p, p, entropy = cache
    dentropy, p = floats(dentropy, p)
    expect_shape("dentropy", dentropy, (len(p),), "logits", p)
    # forward: H = -Σ p log p
    dlogits: Array = -dentropy[:, None] * p * (log_p + entropy[:, None])  # (N, A)
    return dlogits


def categorical_evaluate(
    logits: ArrayLike, actions: ArrayLike
) -> tuple[tuple[Array, Array], Cache]:
    """`categorical_log_prob` and `categorical_entropy` together, from one softmax.

    Shapes: logits (N, A), actions (N,) int -> (N,), (N,).
    """
    log_p, (p,) = log_softmax(logits)  # (N, A)
    log_prob, log_prob_cache = _taken(log_p, p, actions)  # (N,)
    entropy, entropy_cache = _entropy(log_p, p)  # (N,)
    return (log_prob, entropy), (log_prob_cache, entropy_cache)


def categorical_evaluate_backward(dlog_prob: ArrayLike, dentropy: ArrayLike, cache: Cache) -> Array:
    """Gradient `dlogits` of `categorical_evaluate`: the sum over the two ways to the logits."""
    log_prob_cache, entropy_cache = cache
    dlogits = categorical_log_prob_backward(dlog_prob, log_prob_cache)  # (N, A)
    dlogits += categorical_entropy_backward(dentropy, entropy_cache)
    return dlogits


def categorical_kl(old_logits: ArrayLike, logits: ArrayLike) -> tuple[Array, Cache]:
    """Kullback-Leibler divergence KL(old ‖ new) = Σ_a p_old (log p_old - log p) of each row.

    Shapes: old_logits (N, A), logits (N, A) -> (N,), in nats, never below 0.

    The policies are p_old = softmax(old_logits) and p = softmax(logits), the new one. The old one
    is data: there is no gradient with respect to it.

    Holds for logits of any finite size: where p underflows to 0, log p is still finite, and where
    p_old does, the term is 0.

    Derivation, with p_old a constant: -Σ_b p_old_b ([a = b] - p_a) = p_a - p_old_a, hence

        dlogits_a = dkl (p_a - p_old_a)

    Between policies that are close the terms are of both signs and cancel. So what is summed is

        KL = Σ_a p_old (exp(d) - 1 - d),        d = log p - log p_old

    The new terms p_old (exp(d) - 1) = p - p_old add up to 0, and now no term is below 0.

    Source: Kullback & Leibler 1951; the direction is that of Schulman et al. 2015, eq. 12.
    """
    old_logits, logits = floats(old_logits, logits)
    expect_shape("old_logits", old_logits, logits.shape, "logits", logits)
    old_log_p, (old_p,) = log_softmax(old_logits)  # (N, A)
    log_p, (p,) = log_softmax(logits)  # (N, A)
    d = log_p - old_log_p  # (N, A)
    far = d.real > 44  # (N, A) bool
    terms = old_p * exp_remainder(np.minimum(d, 44))  # (N, A)
    terms[far] = p[far]  # to all digits, where exp(d) may overflow
    return terms.sum(axis=1), (old_p, p)


def exp_remainder(x: Array) -> Array:
    """exp(x) - 1 - x, which is never negative, to all digits; any shape.

    What the KL divergence of two policies is made of. Near 0 it is about x²/2 and no difference
    gives it: 1 and x would cancel all that there is. There it is the sum of xⁿ/n! from n = 2 on.
    """
    near = abs(x.real) < 0.5  # same shape as x, bool
    small = np.where(near, x, 0)
    series = np.zeros_like(small)
    for n in range(16, 1, -1):  # the first power left out is 1e-19 of the whole
        series *= small
        series += 1 / math.factorial(n)
    return np.where(near, small * small * series, np.expm1(x) - x)


def categorical_kl_backward(dkl: ArrayLike, cache: Cache) -> Array:
    """Gradient `dlogits` of `categorical_kl` with respect to the new policy's logits."""
    old_p, p = cache
    dkl, old_p, p = floats(dkl, old_p, p)
    expect_shape("dkl", dkl, (len(p),), "logits", p)
    # forward: kl = Σ p_old (log p_old - log p)
    dlogits: Array = dkl[:, None] * (p - old_p)  # (N, A)
    return dlogits


def categorical_sample(logits: ArrayLike, u: ArrayLike) -> Array:
    """One action per row by inverse CDF: the first whose cumulative probability exceeds u.

    Shapes: logits (N, A), u (N,) uniform in [0, 1) -> (N,) int64.

    The cumulative probability of action a is Σ_{b ≤ a} p_b, with p = softmax(logits). `u` is all
    the randomness there is.

    Holds for logits of any finite size, and for any u, the largest number below 1 included: there
    is always an action, and never one whose probability is 0 or rounds to 0. Where u is a
    cumulative probability to the last bit, rounding decides between the two neighbours.

    Derivation: an action of probability 0 does not raise the cumulative probability, so it is not
    the first to exceed u. Dividing every exponential by their sum is unnecessary: the running sums
    are compared with u times the last one. They are divided by A instead, and A ≥ the sum, so an
    action whose probability rounds to 0 also has a 0 here. Some running sum always exceeds u times
    the last one, S, because in floating point u · S < S for every u < 1.
    """
    z = _shift(logits)  # (N, A)
    e = np.exp(z) / z.shape[1]  # (N, A)
    u = np.asarray(u)
    expect_shape("u", u, (len(e),), "logits", e)
    cdf = e.cumsum(axis=1)  # (N, A), the CDF times its last column
    exceeds = cdf > u[:, None] * cdf[:, -1:]  # (N, A) bool
    actions: Array = exceeds.argmax(axis=1).astype(np.int64, copy=False)  # (N,), the first true
    return actions


def gumbel_max(logits: ArrayLike, noise: ArrayLike) -> Array:
    """One action per row by the Gumbel-max trick: the largest of logit + noise.

    Shapes: logits (N, A), noise (N, A) standard Gumbel -> (N,) int64.

    The same distribution as that of `categorical_sample` in two operations instead of ten (the
    noise aside), which matters when only a few rows are drawn per step. With
    P(noise ≤ x) = exp(-exp(-x)), action a is the largest, at the value x, with probability

        ∫ exp(z_a - x) exp(-exp(z_a - x)) Π_{b≠a} exp(-exp(z_b - x)) dx = exp(z_a) / Σ_b exp(z_b)

    float64 noise, so that it is not rounded away beside large float32 logits.

    Source: Maddison et al. 2014, section 2.
    """
    logits, noise = np.asarray(logits), np.asarray(noise)
    expect_shape("noise", noise, logits.shape, "logits", logits)
    actions: Array = (logits + noise).argmax(axis=1).astype(np.int64, copy=False)  # (N,)
    return actions


def categorical_fisher(logits: ArrayLike, v: ArrayLike) -> Array:
    """Fisher information of each row's p = softmax(logits) times a vector: (diag p - p pᵀ) v.

    Shapes: logits (N, A), v (N, A), a vector for each row -> (N, A).

    Holds for logits of any finite size.

    Derivation: F = E[∇log p ∇log pᵀ], with the gradient by the logits, ∇log p_b = u_b - p, where
    u_b is the b-th unit vector, gives Σ_b p_b (u_b - p)(u_b - p)ᵀ = diag p - p pᵀ, which is also
    the Hessian of KL(old ‖ new) at new = old, and the Jacobian of the softmax: symmetric, so its
    product with v is the softmax's backward.

    Source: Amari 1998; Schulman et al. 2015, appendix C.
    """
    logits, v = floats(logits, v)
    expect_shape("v", v, logits.shape, "logits", logits)
    _, cache = softmax(logits)
    return softmax_backward(v, cache)  # (N, A)
