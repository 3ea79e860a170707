"""The softmax policy over A discrete actions: π(a|s) = exp(z_a) / Σ_b exp(z_b).

`logits` z are (N, A), p = softmax(z), and log p = log_softmax(z). Everything rests on one fact,

    ∂ log p_b / ∂ z_a = [a = b] - p_a,          where [a = b] is 1 if a = b, else 0,

the Jacobian of the log-softmax, because ∂z_b/∂z_a = [a = b] and ∂(log Σ_c exp(z_c))/∂z_a = p_a:
raising logit a lowers the log-probability of every other action at one and the same rate, p_a.

A logit of -inf is a probability of exactly 0: so actions are masked that a state does not allow.
All is then as if they were not there, and the gradients by their logits are exactly 0, as long as
one logit of the row is finite; none may be +inf. The log-probability of a masked action itself is
given as the most negative finite number, so that 0 · log 0 is 0.

Sums over the few actions are slow in NumPy's row-major order and fast in column-major order, so
the logits are laid out by columns first; no formula depends on it.
"""

from __future__ import annotations

import math

import numpy as np

from .shapes import Array, Cache, formula


@np.errstate(over="ignore")
def _shift(logits: Array) -> Array:
    """The logits minus their row's largest, which changes no probability: (N, A) -> (N, A), ≤ 0.

    Then no exponential overflows. The difference of two huge logits may overflow to -inf; it is
    replaced by the most negative finite number, whose exponential is 0 all the same, so that
    0 · log 0 is 0 further on and not nan.
    """
    shifted = np.asfortranarray(logits)  # (N, A)
    shifted = shifted - shifted.real.max(axis=1, keepdims=True)  # (N, A)
    return np.maximum(shifted, np.finfo(shifted.dtype).min)  # (N, A)


@formula("logits:NA -> NA by logits")
def softmax(logits: Array) -> tuple[Array, Cache]:
    """Probabilities p_a = exp(z_a) / Σ_b exp(z_b) of each row, with z = logits.

    Shapes: logits (N, A) -> (N, A).

    Holds for logits of any finite size, without overflow or nan. Nothing is added to be safe: a
    tiny probability p is right to some |log p| units in its last place. A logit of -inf (a mask)
    gives exactly 0, and its gradient is 0.

    Derivation: ∂p_a/∂z_b = p_a ∂(log p_a)/∂z_b = p_a ([a = b] - p_b), hence

        dz_b = Σ_a dp_a p_a ([a = b] - p_b) = p_b (dp_b - Σ_a dp_a p_a)

    Source: Bridle 1990.
    """
    e = np.exp(_shift(logits))  # (N, A)
    p = e / e.sum(axis=1, keepdims=True)  # (N, A)
    return p, (p,)


def softmax_backward(dp: Array, cache: Cache) -> Array:
    """Gradient `dlogits` of `softmax`."""
    (p,) = cache
    # forward: p = exp(z) / Σ exp(z)
    return p * (dp - (dp * p).sum(axis=1, keepdims=True))  # (N, A)


@formula("logits:NA -> NA by logits")
def log_softmax(logits: Array) -> tuple[Array, Cache]:
    """Log-probabilities log p_a = z_a - log Σ_b exp(z_b) of each row, with z = logits.

    Shapes: logits (N, A) -> (N, A).

    Holds for logits of any finite size; where p underflows to 0, log p stays right to rounding, or
    is the most negative finite number if it lies beyond that, as beside a logit of -inf (a mask).
    There nothing can be made of a gradient: dlog_p should be 0, and then so is dlogits.

    Derivation: ∂ log p_b / ∂z_a = [a = b] - p_a, hence

        dz_a = Σ_b dlog_p_b ([a = b] - p_a) = dlog_p_a - p_a Σ_b dlog_p_b

    Source: Goodfellow et al. 2016, section 6.2.2.3.
    """
    shifted = _shift(logits)  # (N, A)
    e = np.exp(shifted)  # (N, A)
    total = e.sum(axis=1, keepdims=True)  # (N, 1)
    return shifted - np.log(total), (e / total,)  # (N, A)


def log_softmax_backward(dlog_p: Array, cache: Cache) -> Array:
    """Gradient `dlogits` of `log_softmax`."""
    (p,) = cache
    # forward: log_p = z - log Σ exp(z)
    return dlog_p - p * dlog_p.sum(axis=1, keepdims=True)  # (N, A)


def _taken(log_p: Array, p: Array, actions: Array) -> tuple[Array, Cache]:
    return log_p[np.arange(len(p)), actions], (p, actions)  # (N,)


@formula("logits:NA actions:N<A -> N by logits")
def categorical_log_prob(logits: Array, actions: Array) -> tuple[Array, Cache]:
    """Log-probability log π(a|s) of the action taken in each row, with π = softmax(logits).

    Shapes: logits (N, A), actions (N,) int, each 0 … A-1 -> (N,).

    Holds for logits of any finite size, also where π(a|s) underflows to 0, and beside logits of
    -inf (masks), whose gradient is 0. A masked action should not have been taken; if it was, its
    log-probability is the most negative finite number.

    Derivation: the score function of a softmax. With ∂ log p_b / ∂z_a = [a = b] - p_a,

        dlogits_a = dlog_prob ([a = action] - p_a)

        >>> log_prob, cache = categorical_log_prob(np.log([[0.5, 0.3, 0.2]]), np.array([0]))
        >>> categorical_log_prob_backward(np.ones(1), cache).round(6)
        array([[ 0.5, -0.3, -0.2]])

    Raises ValueError for actions that are no integers in 0 … A-1.
    Source: Sutton & Barto 2018, section 13.3.
    """
    log_p, (p,) = log_softmax(logits)  # (N, A)
    return _taken(log_p, p, actions)


def categorical_log_prob_backward(dlog_prob: Array, cache: Cache) -> Array:
    """Gradient `dlogits` of `categorical_log_prob`."""
    p, actions = cache
    # forward: log_prob = log_p[row, action]
    taken = (np.arange(p.shape[1])[:, None] == actions).T  # (N, A) bool, by columns as p is
    return dlog_prob[:, None] * (taken - p)  # (N, A)


def _entropy(log_p: Array, p: Array) -> tuple[Array, Cache]:
    entropy = -(p * log_p).sum(axis=1)  # (N,)
    return entropy, (log_p, p, entropy)


@formula("logits:NA -> N by logits")
def categorical_entropy(logits: Array) -> tuple[Array, Cache]:
    """Entropy H = -Σ_a p_a log p_a of each row's p = softmax(logits), in nats.

    From 0 to log A, but for rounding.

    Shapes: logits (N, A) -> (N,).

    Holds for logits of any finite size: where p_a underflows to 0, p_a log p_a is 0. So it is for
    a logit of -inf (a mask), whose gradient is 0.

    Derivation: ∂(p_b log p_b)/∂z_a = p_b (log p_b + 1) ([a = b] - p_a). Summed over b, the 1
    contributes p_a - p_a Σ_b p_b = 0, and what remains is

        dlogits_a = -dentropy p_a (log p_a + H)

    More entropy means to lower the logits of actions likelier than exp(-H) and to raise the others:

        >>> entropy, cache = categorical_entropy(np.log([[0.5, 0.3, 0.2]]))
        >>> entropy.round(4), categorical_entropy_backward(np.ones(1), cache).round(4)
        (array([1.0297]), array([[-0.1683,  0.0523,  0.116 ]]))

    Source: Shannon 1948.
    """
    log_p, (p,) = log_softmax(logits)  # (N, A)
    return _entropy(log_p, p)


def categorical_entropy_backward(dentropy: Array, cache: Cache) -> Array:
    """Gradient `dlogits` of `categorical_entropy`."""
    log_p, p, entropy = cache
    # forward: H = -Σ p log p
    return -dentropy[:, None] * p * (log_p + entropy[:, None])  # (N, A)


def categorical_evaluate(logits: Array, actions: Array) -> tuple[tuple[Array, Array], Cache]:
    """`categorical_log_prob` and `categorical_entropy` together, from one softmax.

    Shapes: logits (N, A), actions (N,) int -> (N,), (N,).
    """
    log_p, (p,) = log_softmax(logits)  # (N, A)
    log_prob, log_prob_cache = _taken(log_p, p, actions)  # (N,)
    entropy, entropy_cache = _entropy(log_p, p)  # (N,)
    return (log_prob, entropy), (log_prob_cache, entropy_cache)


def categorical_evaluate_backward(dlog_prob: Array, dentropy: Array, cache: Cache) -> Array:
    """Gradient `dlogits` of `categorical_evaluate`: the sum over the two ways to the logits."""
    log_prob_cache, entropy_cache = cache
    dlogits = categorical_log_prob_backward(dlog_prob, log_prob_cache)  # (N, A)
    dlogits += categorical_entropy_backward(dentropy, entropy_cache)
    return dlogits


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


def kl_terms(old_log_p: Array, old_p: Array, log_p: Array, p: Array) -> Array:
    """p_old (exp(d) - 1 - d), where d = log p - log p_old, of each probability; any shape."""
    d = log_p - old_log_p
    far = d.real > 44  # bool
    terms: Array = old_p * exp_remainder(np.minimum(d, 44))
    terms[far] = p[far]  # to all digits, where exp(d) may overflow
    return terms


@formula("old_logits:NA logits:NA -> N by logits")
def categorical_kl(old_logits: Array, logits: Array) -> tuple[Array, Cache]:
    """Kullback-Leibler divergence KL(old ‖ new) = Σ_a p_old (log p_old - log p) of each row.

    Shapes: old_logits (N, A), logits (N, A) -> (N,), in nats, never below 0.

    The policies are p_old = softmax(old_logits) and p = softmax(logits), the new one. The old one
    is data: there is no gradient with respect to it. The mean is taken under the old one, because
    the samples at hand are drawn from it.

    Holds for logits of any finite size: where p underflows to 0, log p is still finite, and where
    p_old does, the term is 0. So it is for an action that both policies mask with a logit of -inf,
    and its gradient is 0. (If the new one alone masks it, the divergence is infinite; p_old
    times the largest finite number stands for it.)

    Derivation, with p_old a constant: -Σ_b p_old_b ([a = b] - p_a) = p_a - p_old_a, hence

        dlogits_a = dkl (p_a - p_old_a)

    Between policies that are close the terms are of both signs and cancel. So what is summed is

        KL = Σ_a p_old (exp(d) - 1 - d),        d = log p - log p_old

    The new terms p_old (exp(d) - 1) = p - p_old add up to 0, and now no term is below 0.

    Source: Kullback & Leibler 1951; the direction is that of Schulman et al. 2015, eq. 12.
    """
    old_log_p, (old_p,) = log_softmax(old_logits)  # (N, A)
    log_p, (p,) = log_softmax(logits)  # (N, A)
    return kl_terms(old_log_p, old_p, log_p, p).sum(axis=1), (old_p, p)  # (N,)


def categorical_kl_backward(dkl: Array, cache: Cache) -> Array:
    """Gradient `dlogits` of `categorical_kl` with respect to the new policy's logits."""
    old_p, p = cache
    # forward: kl = Σ p_old (log p_old - log p)
    return dkl[:, None] * (p - old_p)  # (N, A)


@formula("logits:NA u:N! -> N")
def categorical_sample(logits: Array, u: Array) -> Array:
    """One action per row by inverse CDF: the first whose cumulative probability exceeds u.

    Shapes: logits (N, A), u (N,) uniform in [0, 1) -> (N,) int64.

    The cumulative probability of action a is Σ_{b ≤ a} p_b, with p = softmax(logits). `u` is all
    the randomness there is.

    Holds for logits of any finite size and of -inf (masks), and for any u, the largest number below
    1 included: there is always an action, and never one whose probability is 0 or rounds to 0.
    Where u is a cumulative probability to the last bit, rounding decides between the two
    neighbours. Other u and logits that are nan give an action that means nothing.

    Derivation: an action of probability 0 does not raise the cumulative probability, so it is not
    the first to exceed u. Dividing every exponential by their sum is unnecessary: the running sums
    are compared with u times the last one. They are divided by A instead, and A ≥ the sum, so an
    action whose probability rounds to 0 also has a 0 here. Some running sum always exceeds u times
    the last one, S, because in floating point u · S < S for every u < 1: 1 - u is at least ε/2, and
    S ε/2 is more than half of the gap between S and the next number below it.
    """
    shifted = _shift(logits)  # (N, A)
    e = np.exp(shifted) / shifted.shape[1]  # (N, A)
    cdf = e.cumsum(axis=1)  # (N, A), the CDF times its last column
    exceeds = cdf > u[:, None] * cdf[:, -1:]  # (N, A) bool
    return exceeds.argmax(axis=1).astype(np.int64, copy=False)  # (N,), the first true


def gumbel_max(logits: Array, noise: Array) -> Array:
    """One action per row by the Gumbel-max trick: the largest of logit + noise.

    Shapes: logits (N, A), noise (N, A) standard Gumbel -> (N,) int64.

    The same distribution as that of `categorical_sample`, masks of -inf included, in two operations
    instead of ten (the noise aside), which matters when only a few rows are drawn per step. The
    noise is float64, so that it is not rounded away beside large float32 logits.

    Derivation: P(noise ≤ x) = exp(-exp(-x)), so logit b + noise is at most x with probability
    exp(-exp(z_b) t), where t = exp(-x). Action a wins at x if it is there and all others are below.
    With S = Σ_b exp(z_b) that is, over all t,

        ∫₀^∞ exp(z_a) exp(-exp(z_a) t) Π_{b≠a} exp(-exp(z_b) t) dt = exp(z_a) ∫₀^∞ exp(-S t) dt

    and the last integral is 1 / S.

    Source: Gumbel 1954; Maddison et al. 2014.
    """
    return (logits + noise).argmax(axis=1).astype(np.int64, copy=False)  # (N,)


@formula("logits:NA v:NA -> NA")
def categorical_fisher(logits: Array, v: Array) -> Array:
    """Fisher information of each row's p = softmax(logits) times a vector: (diag p - p pᵀ) v.

    Shapes: logits (N, A), v (N, A), a vector for each row -> (N, A).

    Holds for logits of any finite size; where one is -inf (a mask), the product is 0.

    Derivation: the Fisher information is the mean of ∇log p ∇log pᵀ under p. The gradient by the
    logits is ∇log p_b = e_b - p, where e_b is the b-th unit vector. Σ_b p_b e_b e_bᵀ is diag p and
    Σ_b p_b e_b is p, so

        Σ_b p_b (e_b - p)(e_b - p)ᵀ = diag p - p pᵀ

    This is also the Hessian of KL(old ‖ new) at new = old, and the Jacobian of the softmax. It is
    symmetric, so its product with v is the softmax's backward.

    Source: Amari 1998; Schulman et al. 2015, appendix C.
    """
    _, cache = softmax(logits)
    return softmax_backward(v, cache)  # (N, A)
