"""The Bernoulli policy over A independent bits: bit j is 1 with probability p_j.

    p = 1 / (1 + exp(-z)),      q = 1 - p = 1 / (1 + exp(z)),       z = log p - log q

`logits` z are (N, A): the network gives the logarithm of each bit's odds, and p is its sigmoid. An
action is A bits, each 0 or 1 (gymnasium's MultiBinary). Everything rests on two facts,

    ∂ log p / ∂z = q        ∂ log q / ∂z = -p

A bit by itself is a softmax policy of two actions, with the logits 0 and z. The bits of a row are
independent, so its log-probability, entropy and divergence are sums over them, and the derivative
by a logit is that of its own bit.

A logit of -inf or inf is a bit that is certain: p is 0 or 1, and the bit adds nothing to an entropy
or a Fisher product, nor to the log-probability of its only value; the gradients of these by its
logit are exactly 0. The log-probability of its other value is given as the most negative finite
number, so that 0 · log 0 is 0.
"""

from __future__ import annotations

import numpy as np

from .categorical import kl_terms
from .shapes import Array, Cache, formula


def _bits(logits: Array) -> tuple[Array, Array, Array, Array]:
    """log p, p, log q, q of each bit, all (N, A), where nothing overflows and no digit is lost.

    With e = exp(-|z|) ≤ 1 the likelier value of a bit has probability 1 / (1 + e) and the other
    one e / (1 + e).
    """
    likely = logits.real > 0  # (N, A) bool: 1 is the likelier value
    size = np.where(likely, logits, -logits)  # (N, A), |z|
    size = np.minimum(size, np.finfo(size.dtype).max)  # (N, A), so that e · size is 0 at the end
    e = np.exp(-size)  # (N, A)
    log_more, more = -np.log1p(e), 1 / (1 + e)  # (N, A), (N, A)
    log_less, less = log_more - size, e * more  # (N, A), (N, A)
    return (
        np.where(likely, log_more, log_less),
        np.where(likely, more, less),
        np.where(likely, log_less, log_more),
        np.where(likely, less, more),
    )


@np.errstate(over="ignore")
def _over_bits(terms: Array) -> Array:
    """The sum over the bits, (N, A) -> (N,); infinite where it leaves the dtype's range."""
    total: Array = terms.sum(axis=1)
    return total


@formula("logits:NA actions:NA<2 -> N by logits")
def bernoulli_log_prob(logits: Array, actions: Array) -> tuple[Array, Cache]:
    """Log-probability log π(a|s) of the bits of each row, summed over them.

        log π(a|s) = Σ_j ( a_j log p_j + (1 - a_j) log q_j ),       a = actions

    Shapes: logits (N, A), actions (N, A) int, each 0 or 1 -> (N,). p = sigmoid(logits), q = 1 - p.

    Holds for logits of any finite size, also where p or q underflows to 0. At a logit of -inf or
    inf the only possible value adds 0. Where the sum lies beyond the most negative finite number,
    it is -inf.

    Derivation: ∂ log p / ∂z = q and ∂ log q / ∂z = -p, which in both cases is a - p:

        dlogits_j = dlog_prob (a_j - p_j)

        >>> log_prob, cache = bernoulli_log_prob(np.log([[4.0, 1.0]]), np.array([[1, 0]]))
        >>> log_prob.round(4), bernoulli_log_prob_backward(np.ones(1), cache).round(4)
        (array([-0.9163]), array([[ 0.2, -0.5]]))

    Raises ValueError for actions that are no integers 0 and 1.
    Source: Williams 1992, section 4 (the Bernoulli-logistic unit).
    """
    log_p, p, log_q, q = _bits(logits)  # (N, A) each
    return _values_taken(log_p, p, log_q, q, actions)


def _values_taken(
    log_p: Array, p: Array, log_q: Array, q: Array, actions: Array
) -> tuple[Array, Cache]:
    ones = actions == 1  # (N, A) bool
    return _over_bits(np.where(ones, log_p, log_q)), (ones, p, q)  # (N,)


def bernoulli_log_prob_backward(dlog_prob: Array, cache: Cache) -> Array:
    """Gradient `dlogits` of `bernoulli_log_prob`."""
    ones, p, q = cache
    # forward: log_prob = Σ log p where the bit is 1, log q where it is 0
    return dlog_prob[:, None] * np.where(ones, q, -p)  # (N, A)


@formula("logits:NA -> N by logits")
def bernoulli_entropy(logits: Array) -> tuple[Array, Cache]:
    """Entropy H = -Σ_j ( p_j log p_j + q_j log q_j ) of each row's bits, in nats.

    From 0 to A log 2, but for rounding. p = sigmoid(logits), q = 1 - p.

    Shapes: logits (N, A) -> (N,).

    Holds for logits of any finite size, and for -inf and inf: where p or q is 0, its term is 0.

    Derivation: with ∂p/∂z = p q = -∂q/∂z the derivative of -p log p - q log q is

        -p q log p - p q + p q log q + q p = -p q (log p - log q),      and log p - log q = z

        dlogits_j = -dentropy p_j q_j z_j

    Source: Shannon 1948.
    """
    return _sum_of_entropies(*_bits(logits))


def _sum_of_entropies(log_p: Array, p: Array, log_q: Array, q: Array) -> tuple[Array, Cache]:
    return -_over_bits(p * log_p + q * log_q), (p * q, log_p - log_q)  # (N,)


def bernoulli_entropy_backward(dentropy: Array, cache: Cache) -> Array:
    """Gradient `dlogits` of `bernoulli_entropy`."""
    pq, z = cache
    # forward: H = -Σ (p log p + q log q)
    return -dentropy[:, None] * pq * z  # (N, A)


def bernoulli_evaluate(logits: Array, actions: Array) -> tuple[tuple[Array, Array], Cache]:
    """`bernoulli_log_prob` and `bernoulli_entropy` together, from one sigmoid.

    Shapes: logits (N, A), actions (N, A) int -> (N,), (N,).
    """
    bits = _bits(logits)
    log_prob, log_prob_cache = _values_taken(*bits, actions)  # (N,)
    entropy, entropy_cache = _sum_of_entropies(*bits)  # (N,)
    return (log_prob, entropy), (log_prob_cache, entropy_cache)


def bernoulli_evaluate_backward(dlog_prob: Array, dentropy: Array, cache: Cache) -> Array:
    """Gradient `dlogits` of `bernoulli_evaluate`: the sum over the two ways to the logits."""
    log_prob_cache, entropy_cache = cache
    dlogits = bernoulli_log_prob_backward(dlog_prob, log_prob_cache)  # (N, A)
    dlogits += bernoulli_entropy_backward(dentropy, entropy_cache)
    return dlogits


@formula("old_logits:NA logits:NA -> N by logits")
def bernoulli_kl(old_logits: Array, logits: Array) -> tuple[Array, Cache]:
    """Kullback-Leibler divergence KL(old ‖ new) of each row's bits, in nats, never below 0.

        KL = Σ_j ( p_old (log p_old - log p) + q_old (log q_old - log q) )

    Shapes: old_logits (N, A), logits (N, A) -> (N,). p = sigmoid(logits) is the new policy,
    p_old = sigmoid(old_logits) the old one; q = 1 - p, q_old = 1 - p_old. The old policy is data:
    there is no gradient with respect to it.

    Holds for logits of any finite size, and for -inf and inf where the old policy or both have
    them. (If the new one alone is certain of a bit, the divergence is infinite; the probability
    that the old one gave to the other value, times the largest finite number, stands for it.)

    Derivation, with p_old a constant: -p_old q + q_old p = p - p_old, hence

        dlogits_j = dkl (p_j - p_old_j)

    The terms are summed in the form of `categorical_kl`, in which none is below 0.

    Source: Kullback & Leibler 1951; the direction is that of Schulman et al. 2015, eq. 12.
    """
    old_log_p, old_p, old_log_q, old_q = _bits(old_logits)  # (N, A) each
    log_p, p, log_q, q = _bits(logits)  # (N, A) each
    ones = kl_terms(old_log_p, old_p, log_p, p)  # (N, A)
    zeros = kl_terms(old_log_q, old_q, log_q, q)  # (N, A)
    return _over_bits(ones + zeros), (old_p, p)  # (N,)


def bernoulli_kl_backward(dkl: Array, cache: Cache) -> Array:
    """Gradient `dlogits` of `bernoulli_kl` with respect to the new policy's logits."""
    old_p, p = cache
    # forward: kl = Σ p_old (log p_old - log p) + q_old (log q_old - log q)
    return dkl[:, None] * (p - old_p)  # (N, A)


@formula("logits:NA u:NA! -> NA")
def bernoulli_sample(logits: Array, u: Array) -> Array:
    """Bits by inverse CDF: 0 where its probability 1 - p exceeds u, else 1.

    Shapes: logits (N, A), u (N, A) uniform in [0, 1), one for each bit -> (N, A) int64.

    p = sigmoid(logits). `u` is all the randomness there is.

    Holds for logits of any finite size, for -inf and inf, and for any u, the largest number below 1
    included: a value whose probability is 0 or rounds to 0 is never drawn.

    Convention: as in `categorical_sample` the first value whose cumulative probability exceeds u,
    so that a large u gives a 1. (Many a program draws a 1 where u < p, which is as likely.)

    Derivation: u < 1 - p has the probability 1 - p, and what is left is p.
    """
    _, _, _, q = _bits(logits)  # (N, A): 1 - p, and 1 to the last bit beside a p that rounds to 0
    return (u >= q).astype(np.int64)  # (N, A)


@formula("logits:NA v:NA -> NA")
def bernoulli_fisher(logits: Array, v: Array) -> Array:
    """Fisher information of each row's bits times a vector: p (1 - p) v, with p = sigmoid(logits).

    Shapes: logits (N, A), v (N, A), a vector for each row -> (N, A).

    Holds for logits of any finite size, and for -inf and inf, where the product is 0. Where p is
    close to 1, no digit of 1 - p is lost.

    Derivation: the Fisher information is the mean of ∇log π ∇log πᵀ under π, and the gradient by
    the logits is a - p. Bits are independent, so what is off the diagonal has the mean 0; on it
    stands the variance of a bit, p (1 - p)² + (1 - p) p² = p (1 - p).

    This is also the Hessian of KL(old ‖ new) at new = old, and the derivative of the sigmoid.

    Source: Amari 1998; Schulman et al. 2015, appendix C.
    """
    _, p, _, q = _bits(logits)  # (N, A) each
    return p * q * v  # (N, A)
