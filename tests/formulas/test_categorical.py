"""The softmax policy: loops over exp and log, identities, and logits of any size."""

from decimal import Context, Decimal, localcontext
from math import exp, fsum, log

import numpy as np
import pytest
import tolerances
from hypothesis import strategies as st
from properties import assert_close, cotangent, gradients, property_of
from strategies import (
    logits_and_actions,
    logits_and_uniforms,
    logits_and_vectors,
    logits_cases,
    logits_pairs,
    rngs,
    sizes,
)

from npppo.formulas.categorical import exp_remainder, gumbel_max


def probabilities(row):
    """Softmax of one row of logits, one number at a time."""
    largest = max(row)
    weights = [exp(z - largest) for z in map(float, row)]
    return [w / fsum(weights) for w in weights]


def log_probabilities(row):
    row = [float(z) for z in row]
    largest = max(row)
    normaliser = log(fsum(exp(z - largest) for z in row))
    return [z - largest - normaliser for z in row]


def row_by_row(function, *matrices):
    return np.array([function(*rows) for rows in zip(*matrices, strict=True)])


def entropy(row):
    p, log_p = probabilities(row), log_probabilities(row)
    return -fsum(a * b for a, b in zip(p, log_p, strict=True) if a > 0)


def kl(old_row, row):
    p, log_p, log_q = probabilities(old_row), log_probabilities(old_row), log_probabilities(row)
    return fsum(a * (b - c) for a, b, c in zip(p, log_p, log_q, strict=True) if a > 0)


# Values


@property_of("softmax", case=logits_cases())
def test_softmax_is_exp_over_the_sum_of_exp(api, case):
    assert_close(api.softmax(*case)[0], row_by_row(probabilities, *case))


@property_of("log_softmax", case=logits_cases())
def test_log_softmax_is_the_logit_less_the_log_of_the_sum(api, case):
    assert_close(api.log_softmax(*case)[0], row_by_row(log_probabilities, *case))


@property_of("softmax", "log_softmax", case=logits_cases(), rng=rngs())
def test_a_shift_of_all_logits_changes_nothing(api, case, rng):
    (logits,) = case
    shifted = logits + rng.integers(-100, 100, size=(len(logits), 1))
    assert_close(api.softmax(shifted)[0], api.softmax(logits)[0])
    assert_close(api.log_softmax(shifted)[0], api.log_softmax(logits)[0])


@property_of("categorical_log_prob", case=logits_and_actions())
def test_log_prob_is_that_of_the_action_taken(api, case):
    logits, actions = case
    expected = row_by_row(lambda row, a: log_probabilities(row)[a], logits, actions)
    for dtype in (np.int64, np.int32, np.uint8):
        assert_close(api.categorical_log_prob(logits, actions.astype(dtype))[0], expected)


@property_of("categorical_entropy", case=logits_cases())
def test_entropy_is_minus_the_mean_log_probability(api, case):
    assert_close(api.categorical_entropy(*case)[0], row_by_row(entropy, *case))


@property_of("categorical_entropy", case=logits_cases())
def test_entropy_is_largest_for_equal_logits(api, case):
    (logits,) = case
    N, A = logits.shape
    actual = api.categorical_entropy(logits)[0]
    assert (actual <= log(A) + tolerances.EXACT).all()
    assert (actual >= 0).all()
    assert_close(api.categorical_entropy(np.full((N, A), 7.0))[0], np.full(N, log(A)))


@property_of("categorical_kl", case=logits_pairs())
def test_kl_is_the_old_policy_s_mean_of_the_log_ratio(api, case):
    assert_close(api.categorical_kl(*case)[0], row_by_row(kl, *case))


@property_of("categorical_kl", case=logits_pairs())
def test_kl_to_shifted_logits_is_zero(api, case):
    _, logits = case
    assert_close(api.categorical_kl(logits, logits + 3)[0], np.zeros(len(logits)))


def kl_in_60_digits(old_row, row):
    with localcontext(Context(prec=60)):
        old_weights, weights = ([Decimal(float(z)).exp() for z in zs] for zs in (old_row, row))
        log_ratio = (sum(weights) / sum(old_weights)).ln()
        return float(
            sum(
                w * (Decimal(float(a)) - Decimal(float(b)) + log_ratio)
                for w, a, b in zip(old_weights, old_row, row, strict=True)
            )
            / sum(old_weights)
        )


@property_of(
    "categorical_kl",
    rng=rngs(),
    dtype=st.sampled_from([np.float64, np.float32]),
    step=st.sampled_from([0.1, 1e-2, 1e-3, 1e-4]),
)
def test_kl_of_policies_that_are_close_keeps_its_digits(api, rng, dtype, step):
    """Its terms cancel: of Σ p_old (log p_old - log p) half the rows would be negative."""
    old_logits = rng.normal(size=(20, 3)).astype(dtype)
    moves = step * rng.permuted([[-1, 0.3, 1]] * 20, axis=1)
    logits = (old_logits + moves).astype(dtype)
    kl = api.categorical_kl(old_logits, logits)[0]
    tolerance = tolerances.DIGITS_OF_A_DIFFERENCE * np.finfo(dtype).eps / step
    assert_close(kl / row_by_row(kl_in_60_digits, old_logits, logits), np.ones(20), tolerance)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_remainder_of_exp_has_all_its_digits(dtype):
    steps = np.array([1e-18, 1e-8, 0.01, 0.1, 0.3, 0.499, 0.5, 0.501, 0.8, 0.97, 1, 5, 40])
    x = np.concatenate([steps, -steps]).astype(dtype)
    with localcontext(Context(prec=120)):
        exact = [float(z.exp() - 1 - z) for z in map(Decimal, x.tolist())]
    assert_close(exp_remainder(x) / np.array(exact, dtype), np.ones(26), 4 * np.finfo(dtype).eps)


@pytest.mark.parametrize("gap", [0.5, 7.0, 23.0, 30.0, 43.0, 60.0, 100.0, 600.0])
def test_kl_of_rare_actions_keeps_its_digits(api, gap):
    """However small the whole is: one of two actions is rare, and much rarer or likelier then."""
    old_logits = np.array([[0.0, -30.0], [0.0, -60.0], [0.0, -100.0]]).repeat(2, axis=0)
    logits = old_logits + np.array([[0.0, gap], [gap, 0.0]] * 3)
    kl = api.categorical_kl(old_logits, logits)[0]
    assert_close(kl / row_by_row(kl_in_60_digits, old_logits, logits), np.ones(6))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("move", [0.0, 1e-8, 1e-6, 1.0, 50.0, 1e4])
def test_kl_is_never_negative(api, dtype, move):
    rng = np.random.default_rng(0)
    old_logits = (rng.normal(size=(2000, 3)) * 10.0 ** rng.uniform(-3, 3, (2000, 1))).astype(dtype)
    logits = (old_logits + move * rng.normal(size=old_logits.shape)).astype(dtype)
    assert (api.categorical_kl(old_logits, logits)[0] >= 0).all()


# Gradients


@property_of(
    "log_softmax_backward",
    "softmax_backward",
    "categorical_entropy_backward",
    case=logits_cases(),
    rng=rngs(),
)
def test_gradients_by_logits_sum_to_zero(api, case, rng):
    """A shift of all logits changes nothing, so the gradient has no part along it."""
    for name in ("softmax", "log_softmax", "categorical_entropy"):
        dout = cotangent(rng, getattr(api, name)(*case)[0])
        (dlogits,) = gradients(api, name, case, dout)
        assert dlogits.shape == case[0].shape
        assert_close(dlogits.sum(axis=1), np.zeros(len(dlogits)))


@property_of("categorical_log_prob_backward", case=logits_and_actions(), rng=rngs())
def test_log_prob_gradient_is_one_hot_less_probability(api, case, rng):
    logits, actions = case
    dout = cotangent(rng, actions)
    (dlogits,) = gradients(api, "categorical_log_prob", case, dout)
    one_hot = np.eye(logits.shape[1])[actions]
    expected = dout[:, np.newaxis] * (one_hot - row_by_row(probabilities, logits))
    assert_close(dlogits, expected)


@property_of("categorical_fisher", case=logits_and_vectors())
def test_fisher_is_the_covariance_of_the_score(api, case):
    """E[s sᵀ] v, where s = one-hot(a) - p is the gradient of log π(a) and a is drawn from π."""
    logits, v = case
    expected = np.zeros_like(v)
    for n, p in enumerate(row_by_row(probabilities, logits)):
        for a, score in enumerate(np.eye(len(p)) - p):
            expected[n] += p[a] * score * (score @ v[n])
    assert_close(api.categorical_fisher(logits, v), expected)


# Sampling


@st.composite
def actions_and_uniforms_inside(draw):
    """(logits, actions, u): u lies well inside the stretch of the CDF that is the action's."""
    (logits,), rng = draw(logits_cases()), draw(rngs())
    p = row_by_row(probabilities, logits)
    rows, actions = np.arange(len(p)), rng.integers(p.shape[1], size=len(p))
    ends, lengths = p.cumsum(axis=1)[rows, actions], p[rows, actions]
    return logits, actions, ends - lengths * rng.uniform(0.1, 0.9, size=len(p))


@property_of("categorical_sample", case=actions_and_uniforms_inside())
def test_sample_inverts_the_cumulative_distribution(api, case):
    logits, actions, u = case
    assert_close(api.categorical_sample(logits, u), actions)


@property_of("categorical_sample", case=logits_cases())
def test_evenly_spread_uniforms_give_each_action_its_share(api, case):
    """An interval of length p holds p n of n evenly spread points, give or take one."""
    logits, n = case[0][:1], 1000
    actions = api.categorical_sample(np.repeat(logits, n, axis=0), (np.arange(n) + 0.5) / n)
    shares = np.bincount(actions, minlength=logits.shape[1])
    assert (np.abs(shares - n * row_by_row(probabilities, logits)[0]) <= 1 + 1e-9).all()


@property_of(
    "categorical_sample",
    rng=rngs(),
    N=sizes,
    A=st.sampled_from([2, 3, 1000]),
    never=st.sampled_from([-1e4, -np.inf]),
)
def test_impossible_actions_are_never_drawn(api, rng, N, A, never):
    """Not even by the smallest and the largest u, where rounding of the CDF would do it."""
    for dtype in (np.float64, np.float32):
        logits = rng.normal(size=(N, A)).astype(dtype)
        possible = rng.random((N, A)) < 0.5
        possible[np.arange(N), rng.integers(A, size=N)] = True
        possible[0] = np.arange(A) == A - 1
        possible[1] = np.arange(A) == 0
        logits[~possible] = never
        for u_dtype in (np.float64, np.float32):
            for u in (0.0, 1e-30, 0.5, np.nextafter(u_dtype(1), u_dtype(0))):
                actions = api.categorical_sample(logits, np.full(N, u, u_dtype))
                assert actions.dtype == np.int64
                assert ((actions >= 0) & (actions < A)).all()
                assert possible[np.arange(N), actions].all()


@property_of("categorical_sample")
def test_at_a_boundary_of_the_distribution_either_neighbour_is_right(api):
    u = np.array([0.25, 0.5, 0.75])
    actions = api.categorical_sample(np.zeros((3, 4)), u)
    assert (np.isin(actions - np.array([0, 1, 2]), [0, 1])).all()


@property_of("categorical_sample", case=logits_and_uniforms())
def test_sampling_needs_nothing_but_its_arguments(api, case):
    assert_close(api.categorical_sample(*case), api.categorical_sample(*case))


# Logits of any finite size

LARGE = [1e3, 1e30]  # their differences are finite in single precision, too
HUGE = {
    np.float64: [*LARGE, 8e307, np.finfo(np.float64).max],
    np.float32: [*LARGE, 1.7e38, np.finfo(np.float32).max],
}
dtypes = st.sampled_from([np.float64, np.float32])


@st.composite
def huge_logits(draw, scales):
    """Rows where some logits are far above the others: uniform over the largest, zero elsewhere."""
    dtype = draw(dtypes)
    scale = draw(st.sampled_from(scales[dtype]))
    rng, N, A = draw(rngs()), draw(sizes), draw(sizes)
    logits = dtype(scale) * rng.choice([-1, 1], (N, A)).astype(dtype)
    logits[0] = scale  # all equal
    logits[1] = -scale
    logits[1, 0] = scale  # one stands out
    return logits


def property_of_huge_logits(*names):
    """A property of these functions twice, because a wrong one may come from a version that is
    right for large logits only."""

    def register(test):
        property_of(*names, logits=huge_logits(dict.fromkeys(HUGE, LARGE)), rng=rngs())(test)
        return property_of(*names, logits=huge_logits(HUGE), rng=rngs())(test)

    return register


def uniform_over_the_largest(logits):
    largest = logits == logits.max(axis=1, keepdims=True)
    return largest / largest.sum(axis=1, keepdims=True)


@property_of_huge_logits("softmax", "softmax_backward")
def test_softmax_of_huge_logits(api, logits, rng):
    p = uniform_over_the_largest(logits)
    actual, cache = api.softmax(logits)
    assert_close(actual, p, tolerances.FLOAT32)
    dp = cotangent(rng, p).astype(logits.dtype)
    expected = p * (dp - (p * dp).sum(axis=1, keepdims=True))
    assert_close(api.softmax_backward(dp, cache), expected, tolerances.FLOAT32)


@property_of_huge_logits("log_softmax", "log_softmax_backward")
def test_log_softmax_of_huge_logits(api, logits, rng):
    """Where the exact value is beyond the largest float any huge number or -inf will do."""
    p = uniform_over_the_largest(logits)
    actual, cache = api.log_softmax(logits)
    assert actual.dtype == logits.dtype
    assert_close(actual[p > 0], np.log(p[p > 0]), tolerances.FLOAT32)
    scale = np.abs(logits).max()
    assert (actual[p == 0] <= -scale).all()
    if scale < np.finfo(logits.dtype).max / 2:
        expected = np.log(p.max(axis=1, keepdims=True)) / scale - 2 * (p == 0)
        assert_close((actual / scale)[p == 0], expected[p == 0], tolerances.FLOAT32)
    dlog_p = cotangent(rng, p).astype(logits.dtype)
    expected = dlog_p - p * dlog_p.sum(axis=1, keepdims=True)
    assert_close(api.log_softmax_backward(dlog_p, cache), expected, tolerances.FLOAT32)


@property_of_huge_logits("categorical_log_prob", "categorical_log_prob_backward")
def test_log_prob_of_huge_logits(api, logits, rng):
    p = uniform_over_the_largest(logits)
    for actions, possible in [(logits.argmax(axis=1), True), (logits.argmin(axis=1), False)]:
        log_prob, cache = api.categorical_log_prob(logits, actions)
        assert not np.isnan(log_prob).any()
        if possible:
            taken = p[np.arange(len(p)), actions]
            assert_close(log_prob, np.log(taken), tolerances.FLOAT32)
        dout = cotangent(rng, log_prob).astype(logits.dtype)
        expected = dout[:, np.newaxis] * (np.eye(p.shape[1])[actions] - p)
        actual = api.categorical_log_prob_backward(dout, cache)
        assert_close(actual, expected, tolerances.FLOAT32)


@property_of_huge_logits("categorical_entropy", "categorical_entropy_backward")
def test_entropy_of_huge_logits(api, logits, rng):
    p = uniform_over_the_largest(logits)
    actual, cache = api.categorical_entropy(logits)
    assert_close(actual, np.log((p > 0).sum(axis=1)), tolerances.FLOAT32)
    dout = cotangent(rng, actual).astype(logits.dtype)
    # flat: uniform over the largest, and the others count nothing
    dlogits = api.categorical_entropy_backward(dout, cache)
    assert_close(dlogits, np.zeros_like(p), tolerances.FLOAT32)


@property_of_huge_logits("categorical_kl", "categorical_kl_backward")
def test_kl_of_huge_logits(api, logits, rng):
    """Between a policy and itself; to one that never does what the old one did it is huge."""
    p = uniform_over_the_largest(logits)
    for other in (logits, -logits):
        actual, cache = api.categorical_kl(other, logits)
        old_p = uniform_over_the_largest(other)
        agree = (p == old_p).all(axis=1)
        assert_close(actual[agree], np.zeros(agree.sum()), tolerances.FLOAT32)
        assert (actual[~agree] > 100).all()
        dout = cotangent(rng, actual).astype(logits.dtype)
        expected = dout[:, np.newaxis] * (p - old_p)
        assert_close(api.categorical_kl_backward(dout, cache), expected, tolerances.FLOAT32)


@property_of_huge_logits("categorical_fisher")
def test_fisher_of_huge_logits(api, logits, rng):
    p, v = uniform_over_the_largest(logits), cotangent(rng, logits).astype(logits.dtype)
    expected = p * (v - (p * v).sum(axis=1, keepdims=True))
    assert_close(api.categorical_fisher(logits, v), expected, tolerances.FLOAT32)


@property_of_huge_logits("categorical_sample")
def test_samples_of_huge_logits_are_among_the_largest(api, logits, rng):
    for u in (0.0, rng.uniform(), np.nextafter(1, 0)):
        actions = api.categorical_sample(logits, np.full(len(logits), u))
        assert (uniform_over_the_largest(logits)[np.arange(len(logits)), actions] > 0).all()


@property_of(
    "log_softmax",
    "categorical_log_prob",
    "categorical_entropy",
    "categorical_kl",
    gap=st.sampled_from([30.0, 700.0, 745.0, 1e4]),
)
def test_underflowing_probabilities(api, gap):
    """log(p) would be -inf there, p log(p) a nan; and log(p + 1e-8) would be far from log(p)."""
    logits, other = np.array([[0.0, -gap, 0.0]]), np.array([[0.0, gap, 1.0]])
    assert_close(api.log_softmax(logits)[0] + log(2), np.array([[0.0, -gap, 0.0]]))
    log_prob = api.categorical_log_prob(logits, np.array([1]))[0]
    assert_close(log_prob + log(2), np.array([-gap]))
    assert_close(api.categorical_entropy(logits)[0], row_by_row(entropy, logits))
    assert_close(api.categorical_kl(logits, other)[0], row_by_row(kl, logits, other))
    assert_close(api.categorical_kl(other, logits)[0], row_by_row(kl, other, logits))


@property_of(
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
    "categorical_fisher",
    rng=rngs(),
    N=sizes,
    A=sizes,
    dtype=dtypes,
)
def test_a_logit_of_minus_infinity_forbids_its_action(api, rng, N, A, dtype):
    """As if it were not there, in each row another: the same results, a gradient of exactly 0."""
    allowed = rng.random((N, A)) < 0.6
    actions = rng.integers(A, size=N)
    allowed[np.arange(N), actions] = True
    old_logits, logits = np.where(allowed, rng.normal(size=(2, N, A)), -np.inf).astype(dtype)
    v = rng.normal(size=(N, A)).astype(dtype)
    ranks = allowed.cumsum(axis=1)[np.arange(N), actions] - 1  # among the allowed ones

    def row(n, array):
        """Row n as if there were but the allowed actions."""
        return array[n : n + 1, allowed[n]] if array.ndim == 2 else array[n : n + 1]

    tolerance = tolerances.EXACT if dtype is np.float64 else tolerances.FLOAT32
    for name, case, rest in [
        ("softmax", (logits,), (logits,)),
        ("log_softmax", (logits,), (logits,)),
        ("categorical_log_prob", (logits, actions), (logits, ranks)),
        ("categorical_entropy", (logits,), (logits,)),
        ("categorical_kl", (old_logits, logits), (old_logits, logits)),
    ]:
        out = getattr(api, name)(*case)[0]
        dout = cotangent(rng, out).astype(dtype)
        if out.ndim == 2:
            dout[~allowed] = 0  # as wherever p log p is summed
        (dlogits,) = gradients(api, name, case, dout)
        assert not dlogits[~allowed].any()
        for n in range(N):
            only = [row(n, array) for array in rest]
            assert_close(row(n, out), getattr(api, name)(*only)[0], tolerance)
            (expected,) = gradients(api, name, only, row(n, dout))
            assert_close(row(n, dlogits), expected, tolerance)
    assert not api.softmax(logits)[0][~allowed].any()
    product = api.categorical_fisher(logits, v)
    assert not product[~allowed].any()
    for n in range(N):
        expected = api.categorical_fisher(row(n, logits), row(n, v))
        assert_close(row(n, product), expected, tolerance)


@property_of("softmax_backward", "categorical_fisher", rng=rngs(), A=sizes)
def test_what_is_sent_to_a_forbidden_probability_goes_nowhere(api, rng, A):
    logits = rng.normal(size=(3, A + 1))
    logits[:, 0] = -np.inf
    dp = cotangent(rng, logits)
    (dlogits,) = gradients(api, "softmax", (logits,), dp)
    assert not dlogits[:, 0].any()
    assert_close(dlogits[:, 1:], gradients(api, "softmax", (logits[:, 1:],), dp[:, 1:])[0])


def test_a_forbidden_action_that_was_taken_has_the_most_negative_log_prob(api):
    log_prob, cache = api.categorical_log_prob(np.array([[-np.inf, 0.0, 0.0]]), np.array([0]))
    assert log_prob == np.finfo(float).min
    dlogits = api.categorical_log_prob_backward(np.ones(1), cache)
    assert_close(dlogits, np.array([[1.0, -0.5, -0.5]]))


def test_kl_where_one_policy_alone_forbids_an_action(api):
    """To what the new one allows once more: finite. To what it forbids: huge, for infinity."""
    masked, free = np.array([[-np.inf, 0.0, 0.0]]), np.zeros((1, 3))
    kl, cache = api.categorical_kl(masked, free)
    assert_close(kl, np.array([log(3 / 2)]))
    assert_close(api.categorical_kl_backward(np.ones(1), cache), np.array([[2, -1, -1]]) / 6)
    kl, cache = api.categorical_kl(free, masked)
    assert_close(kl / np.finfo(float).max, np.array([1 / 3]))
    assert_close(api.categorical_kl_backward(np.ones(1), cache), np.array([[-2, 1, 1]]) / 6)


def test_the_gumbel_max_trick_gives_each_action_its_share_and_a_forbidden_one_none():
    logits, n = np.array([0.5, -np.inf, -1.0, 1.0]), 20_000
    noise = np.random.default_rng(0).gumbel(size=(n, 4))
    counts = np.bincount(gumbel_max(np.tile(logits, (n, 1)), noise), minlength=4)
    p = np.array(probabilities(logits))
    assert counts[1] == 0
    assert (abs(counts - n * p) <= 4 * np.sqrt(n * p * (1 - p))).all()  # four standard deviations
