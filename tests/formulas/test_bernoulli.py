"""The Bernoulli policy: each bit by itself, all 2^A actions of a row, and a softmax of two."""

from decimal import Context, Decimal, localcontext
from itertools import product
from math import exp, fsum, log, prod

import numpy as np
import pytest
import tolerances
from hypothesis import strategies as st
from properties import assert_close, assert_same, cotangent, gradients, property_of
from strategies import logits_and_bits, logits_and_vectors, logits_cases, logits_pairs, rngs, sizes

from npppo.formulas import bernoulli


def probability(z, bit):
    return 1 / (1 + exp(-z)) if bit else 1 / (1 + exp(z))


def distribution(row):
    """[(bits, probability)] of all actions."""
    actions = product((0, 1), repeat=len(row))
    return [(bits, prod(map(probability, row, bits))) for bits in actions]


def as_softmax(logits):
    """(N, A) -> (N * A, 2): each bit as a softmax policy of two actions."""
    return np.stack([np.zeros(logits.size), logits.ravel()], axis=1)


# Values


@property_of("bernoulli_log_prob", case=logits_and_bits())
def test_log_prob_sums_the_logarithms_of_the_bits_probabilities(api, case):
    logits, bits = case
    expected = [
        fsum(log(probability(*pair)) for pair in zip(*row, strict=True))
        for row in zip(*case, strict=True)
    ]
    for dtype in (np.int64, np.int8, np.uint8):
        assert_close(api.bernoulli_log_prob(logits, bits.astype(dtype))[0], np.array(expected))


@property_of("bernoulli_entropy", case=logits_cases())
def test_entropy_is_minus_the_mean_log_probability(api, case):
    (logits,) = case
    expected = [-fsum(p * log(p) for _, p in distribution(row)) for row in logits]
    assert_close(api.bernoulli_entropy(logits)[0], np.array(expected))


@property_of("bernoulli_entropy", N=sizes, A=sizes)
def test_entropy_is_largest_for_even_odds(api, N, A):
    assert_close(api.bernoulli_entropy(np.zeros((N, A)))[0], np.full(N, A * log(2)))


@property_of("bernoulli_kl", case=logits_pairs())
def test_kl_is_the_old_policy_s_mean_of_the_log_ratio(api, case):
    expected = [
        fsum(p * log(p / q) for (_, p), (_, q) in zip(*map(distribution, rows), strict=True))
        for rows in zip(*case, strict=True)
    ]
    assert_close(api.bernoulli_kl(*case)[0], np.array(expected))


def kl_in_60_digits(old, new):
    with localcontext(Context(prec=60)):
        old, new = Decimal(float(old)), Decimal(float(new))
        old_p, p = 1 / (1 + (-old).exp()), 1 / (1 + (-new).exp())
        return float(old_p * (old_p / p).ln() + (1 - old_p) * ((1 - old_p) / (1 - p)).ln())


@property_of("bernoulli_kl", rng=rngs(), step=st.sampled_from([0.1, 1e-2, 1e-3, 1e-4]))
def test_kl_of_policies_that_are_close_keeps_its_digits(api, rng, step):
    old_logits = rng.uniform(-6, 6, size=(20, 1))
    logits = old_logits + step * rng.choice([-1, 1], (20, 1))
    exact = [kl_in_60_digits(*row) for row in zip(old_logits[:, 0], logits[:, 0], strict=True)]
    tolerance = tolerances.DIGITS_OF_A_DIFFERENCE * np.finfo(float).eps * 6 / step
    assert_close(api.bernoulli_kl(old_logits, logits)[0] / exact, np.ones(20), tolerance)


@pytest.mark.parametrize("gap", [0.5, 7.0, 43.0, 60.0, 600.0])
def test_kl_of_bits_that_are_almost_certain_keeps_its_digits(api, gap):
    old_logits = np.array([[-30.0], [-60.0], [-40.0], [30.0], [40.0]])
    logits = old_logits + np.array([[gap], [-gap], [gap], [-gap], [gap]])
    with localcontext(Context(prec=400)):  # 1 - p of 1e-280 has its digits, too
        rows = zip(old_logits[:, 0], logits[:, 0], strict=True)
        exact = []
        for old, new in (map(Decimal, map(float, row)) for row in rows):
            old_p, p = 1 / (1 + (-old).exp()), 1 / (1 + (-new).exp())
            old_q, q = 1 / (1 + old.exp()), 1 / (1 + new.exp())
            exact.append(float(old_p * (old_p / p).ln() + old_q * (old_q / q).ln()))
    assert_close(api.bernoulli_kl(old_logits, logits)[0] / exact, np.ones(5))


@property_of(
    "bernoulli_log_prob",
    "bernoulli_log_prob_backward",
    "bernoulli_entropy",
    "bernoulli_entropy_backward",
    "bernoulli_kl",
    "bernoulli_kl_backward",
    case=logits_pairs(),
    rng=rngs(),
)
def test_a_bit_is_a_softmax_of_two_actions(api, case, rng):
    """With the logits 0 and z: the same sums, and the gradient by z is that by the second one."""
    _, logits = case
    bits = rng.integers(2, size=logits.shape)
    old_pairs, pairs = map(as_softmax, case)
    for name, of_bits, of_pairs in [
        ("log_prob", (logits, bits), (pairs, bits.ravel())),
        ("entropy", (logits,), (pairs,)),
        ("kl", case, (old_pairs, pairs)),
    ]:
        out = getattr(api, f"bernoulli_{name}")(*of_bits)[0]
        by_bit = getattr(api, f"categorical_{name}")(*of_pairs)[0]
        assert_close(out, by_bit.reshape(logits.shape).sum(axis=1))
        dout = cotangent(rng, out)
        (dlogits,) = gradients(api, f"bernoulli_{name}", of_bits, dout)
        (dpairs,) = gradients(
            api, f"categorical_{name}", of_pairs, np.repeat(dout, logits.shape[1])
        )
        assert_close(dlogits, dpairs[:, 1].reshape(logits.shape))


# Gradients


@property_of("bernoulli_log_prob_backward", case=logits_and_bits(), rng=rngs())
def test_log_prob_gradient_is_bit_less_probability(api, case, rng):
    logits, bits = case
    dout = cotangent(rng, logits[:, 0])
    p = np.array([[probability(z, 1) for z in row] for row in logits])
    (dlogits,) = gradients(api, "bernoulli_log_prob", case, dout)
    assert_close(dlogits, dout[:, np.newaxis] * (bits - p))


@property_of("bernoulli_fisher", case=logits_and_vectors())
def test_fisher_is_the_covariance_of_the_score(api, case):
    """E[s sᵀ] v over all actions, where s = bits - p is the gradient of their log-probability."""
    logits, v = case
    expected = np.zeros_like(v)
    for n, row in enumerate(logits):
        p = np.array([probability(z, 1) for z in row])
        for bits, weight in distribution(row):
            score = np.array(bits) - p
            expected[n] += weight * score * (score @ v[n])
    assert_close(api.bernoulli_fisher(logits, v), expected)


@pytest.mark.parametrize("z", [36.0, 40.0, 300.0, 700.0])
def test_what_is_left_beside_an_almost_certain_bit_has_its_digits(api, z):
    """1 - p, where p rounds to 1."""
    for sign in (-1, 1):
        logits, rare = np.array([[sign * z]]), np.array([[int(sign < 0)]])
        q = exp(-z) / (1 + exp(-z))
        assert_close(api.bernoulli_fisher(logits, np.ones((1, 1))) / q, np.ones((1, 1)))
        (dlogits,) = gradients(api, "bernoulli_log_prob", (logits, 1 - rare), np.ones(1))
        assert_close(dlogits / q, np.full((1, 1), float(sign)))
        (dlogits,) = gradients(api, "bernoulli_entropy", (logits,), np.ones(1))
        assert_close(dlogits / (q * z), np.full((1, 1), -float(sign)))
        assert_close(api.bernoulli_entropy(logits)[0] / (q * (1 + z)), np.ones(1))


def test_the_two_of_training_are_the_two_of_the_contract():
    rng = np.random.default_rng(0)
    logits, bits = rng.normal(size=(5, 3)), rng.integers(2, size=(5, 3))
    dlog_prob, dentropy = rng.normal(size=(2, 5))
    (log_prob, entropy), cache = bernoulli.bernoulli_evaluate(logits, bits)
    alone, log_prob_cache = bernoulli.bernoulli_log_prob(logits, bits)
    assert_same(log_prob, alone)
    alone, entropy_cache = bernoulli.bernoulli_entropy(logits)
    assert_same(entropy, alone)
    expected = bernoulli.bernoulli_log_prob_backward(dlog_prob, log_prob_cache)
    expected = expected + bernoulli.bernoulli_entropy_backward(dentropy, entropy_cache)
    assert_same(bernoulli.bernoulli_evaluate_backward(dlog_prob, dentropy, cache), expected)


# Sampling


@property_of("bernoulli_sample", case=logits_and_bits(), rng=rngs())
def test_sample_inverts_the_cumulative_distribution(api, case, rng):
    """0 comes first: u well inside [0, 1 - p) draws it, u well inside [1 - p, 1) draws a 1."""
    logits, bits = case
    q = np.array([[probability(z, 0) for z in row] for row in logits])
    into = rng.uniform(0.1, 0.9, size=logits.shape)
    u = np.where(bits == 1, q + (1 - q) * into, q * into)
    assert_same(api.bernoulli_sample(logits, u), bits)


@property_of("bernoulli_sample", rng=rngs(), N=sizes, A=sizes)
def test_impossible_bits_are_never_drawn(api, rng, N, A):
    """Not even by the smallest and the largest u."""
    for dtype in (np.float64, np.float32):
        certain = rng.integers(2, size=(N, A))
        for size in (1e3, np.finfo(dtype).max, np.inf):
            logits = (np.where(certain, 1, -1) * size).astype(dtype)
            for u_dtype in (np.float64, np.float32):
                for u in (0.0, 1e-30, 0.5, np.nextafter(u_dtype(1), u_dtype(0))):
                    drawn = api.bernoulli_sample(logits, np.full((N, A), u, u_dtype))
                    assert_same(drawn, certain)


# Logits of any size


@property_of(
    "bernoulli_log_prob",
    "bernoulli_log_prob_backward",
    "bernoulli_entropy",
    "bernoulli_entropy_backward",
    "bernoulli_kl",
    "bernoulli_kl_backward",
    "bernoulli_fisher",
    rng=rngs(),
    dtype=st.sampled_from([np.float64, np.float32]),
    size=st.sampled_from([1e3, 1e30, "max", np.inf]),
)
def test_a_bit_that_is_certain_leaves_no_trace(api, rng, dtype, size):
    """As if it were not there: the same results, and a gradient of exactly 0."""
    N, A, k = 4, 3, int(rng.integers(3))
    size = np.finfo(dtype).max if size == "max" else dtype(size)
    args = [rng.normal(size=(N, A)).astype(dtype) for _ in range(2)]
    bits = rng.integers(2, size=(N, A))
    for array in args:
        array[:, k] = np.where(bits[:, k], size, -size)
    v = rng.normal(size=(N, A)).astype(dtype)
    rest = [np.delete(array, k, axis=1) for array in (*args, bits, v)]
    tolerance = tolerances.EXACT if dtype is np.float64 else tolerances.FLOAT32
    for name, case, others in [
        ("log_prob", (args[0], bits), (rest[0], rest[2])),
        ("entropy", args[:1], rest[:1]),
        ("kl", args, rest[:2]),
    ]:
        out = getattr(api, f"bernoulli_{name}")(*case)[0]
        assert_close(out, getattr(api, f"bernoulli_{name}")(*others)[0], tolerance)
        dout = cotangent(rng, out).astype(dtype)
        (dlogits,) = gradients(api, f"bernoulli_{name}", case, dout)
        assert not dlogits[:, k].any()
        (expected,) = gradients(api, f"bernoulli_{name}", others, dout)
        assert_close(np.delete(dlogits, k, axis=1), expected, tolerance)
    product = api.bernoulli_fisher(args[0], v)
    assert not product[:, k].any()
    assert_close(np.delete(product, k, axis=1), api.bernoulli_fisher(rest[0], rest[3]), tolerance)


@pytest.mark.parametrize("size", [745.0, 1e4, 1e300])
def test_the_log_prob_of_a_bit_that_never_comes(api, size):
    logits, bits = np.array([[size, -size, 0.0]]), np.array([[0, 0, 1]])
    log_prob, cache = api.bernoulli_log_prob(logits, bits)
    assert_close(log_prob / size, np.array([-1 - log(2) / size]))
    assert_close(api.bernoulli_log_prob_backward(np.ones(1), cache), np.array([[-1.0, 0, 0.5]]))


def test_what_is_impossible_has_the_most_negative_number_and_two_such_bits_minus_infinity(api):
    least = np.finfo(float).min
    for size in (np.inf, -least):
        logits, bits = np.array([[-size, size, 1.0]]), np.array([[1, 1, 1]])
        log_prob, cache = api.bernoulli_log_prob(logits, bits)
        assert log_prob == least
        dlogits = api.bernoulli_log_prob_backward(np.ones(1), cache)
        assert_close(dlogits, np.array([[1, 0, probability(1.0, 0)]]))
        assert api.bernoulli_log_prob(logits, np.array([[1, 0, 1]]))[0] == -np.inf


def test_kl_to_a_policy_that_is_certain_of_the_other_value_is_huge(api):
    for size in (np.inf, np.finfo(float).max):
        kl, cache = api.bernoulli_kl(np.array([[1.0]]), np.array([[-size]]))
        assert kl > 1e307
        assert_close(
            api.bernoulli_kl_backward(np.ones(1), cache), np.array([[-probability(1.0, 1)]])
        )
        back, _ = api.bernoulli_kl(np.array([[-size]]), np.array([[1.0]]))
        assert_close(back, np.array([-log(probability(1.0, 0))]))


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        ([[2]], "actions holds 2, expected 0 to 1$"),
        ([[-1]], "actions holds -1, expected 0 to 1$"),
        ([[0.0]], "actions has dtype float64, expected integers"),
        ([0], r"actions has shape \(1,\), expected \(1, 1\) beside logits of shape \(1, 1\)"),
    ],
)
def test_what_is_no_bit_is_named(api, actions, message):
    with pytest.raises(ValueError, match=message):
        api.bernoulli_log_prob(np.ones((1, 1)), np.array(actions))
