"""The Gaussian policy, against Python's own NormalDist and exact quadrature."""

from decimal import Context, Decimal, localcontext
from math import exp, fsum, log
from statistics import NormalDist

import numpy as np
import tolerances
from hypothesis import strategies as st
from properties import assert_close, gradients, property_of
from strategies import gaussian_directions, gaussian_pairs, gaussians_and_actions, log_stds, rngs

# Five nodes integrate polynomials up to degree 9 against a normal distribution exactly, and the
# logarithm of a normal density is one of degree 2.
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(5)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


def log_density(x, mean, log_std):
    return log(NormalDist(mean, exp(log_std)).pdf(x))


def expectation(f, mean, log_std):
    points = mean + exp(log_std) * NODES
    return fsum(w * f(x) for w, x in zip(WEIGHTS, points, strict=True))


@property_of("gaussian_log_prob", case=gaussians_and_actions())
def test_log_prob_sums_the_log_densities_of_the_dimensions(api, case):
    mean, log_std, actions = case
    expected = [
        fsum(map(log_density, a_row, mean_row, log_std))
        for a_row, mean_row in zip(actions, mean, strict=True)
    ]
    assert_close(api.gaussian_log_prob(mean, log_std, actions)[0], np.array(expected))


@property_of("gaussian_entropy", case=log_stds())
def test_entropy_is_the_mean_of_minus_the_log_density(api, case):
    (log_std,) = case
    expected = -fsum(expectation(lambda x, s=s: log_density(x, 0, s), 0, s) for s in log_std)
    assert_close(api.gaussian_entropy(log_std)[0], expected)


@property_of("gaussian_kl", case=gaussian_pairs())
def test_kl_is_the_old_policy_s_mean_of_the_log_ratio(api, case):
    old_mean, old_log_std, mean, log_std = case

    def kl(m0, s0, m1, s1):
        return expectation(lambda x: log_density(x, m0, s0) - log_density(x, m1, s1), m0, s0)

    expected = [
        fsum(map(kl, old_row, old_log_std, row, log_std))
        for old_row, row in zip(old_mean, mean, strict=True)
    ]
    assert_close(api.gaussian_kl(*case)[0], np.array(expected))


@property_of("gaussian_kl", case=gaussian_pairs())
def test_kl_is_positive_and_zero_to_itself(api, case):
    _, _, mean, log_std = case
    assert (api.gaussian_kl(*case)[0] > 0).all()
    assert_close(api.gaussian_kl(mean, log_std, mean, log_std)[0], np.zeros(len(mean)))


@property_of(
    "gaussian_kl",
    "gaussian_kl_backward",
    step=st.floats(1e-12, 0.5).flatmap(lambda x: st.sampled_from([x, -x])),
)
def test_kl_of_policies_that_are_close_has_all_its_digits(api, step):
    """1 and the step itself would cancel what there is, about step²."""
    log_std, zero = np.array([0.25 + step]), np.zeros((1, 1))
    with localcontext(Context(prec=60)):
        x = 2 * (Decimal("0.25") - Decimal(float(log_std[0])))
        kl, dlog_std = float((x.exp() - 1 - x) / 2), float(1 - x.exp())
    actual, cache = api.gaussian_kl(zero, np.array([0.25]), zero, log_std)
    assert_close(actual / kl, np.ones(1), tolerances.EXACT)
    assert_close(api.gaussian_kl_backward(np.ones(1), cache)[1] / dlog_std, np.ones(1))


@property_of("gaussian_fisher", case=gaussian_directions())
def test_fisher_is_the_covariance_of_the_score(api, case):
    """E[s sᵀ] v, where s is the gradient of the log-density of one dimension."""
    log_std, vmean, vlog_std = case
    by_mean, by_log_std = np.zeros_like(vmean), np.zeros_like(vmean)
    for (n, j), v in np.ndenumerate(vmean):
        for z, weight in zip(NODES, WEIGHTS, strict=True):
            score = np.array([z / exp(log_std[j]), z * z - 1])
            product = weight * score * (score @ [v, vlog_std[j]])
            by_mean[n, j] += product[0]
            by_log_std[n, j] += product[1]
    actual = api.gaussian_fisher(*case)
    assert_close(actual[0], by_mean)
    assert_close(np.broadcast_to(actual[1], vmean.shape), by_log_std)


@property_of("gaussian_fisher", "gaussian_kl_backward", case=gaussian_directions(), rng=rngs())
def test_fisher_is_the_curvature_of_the_kl(api, case, rng):
    """Of the mean over the rows, in which log_std has the share of one row."""
    log_std, vmean, vlog_std = case
    mean, step = rng.normal(size=vmean.shape), tolerances.CENTRAL_DIFFERENCE_SIZE
    N = len(mean)

    def slopes(t):
        args = mean, log_std, mean + t * vmean, log_std + t * vlog_std
        return gradients(api, "gaussian_kl", args, np.full(N, 1 / N))

    expected = [(a - b) / (2 * step) for a, b in zip(slopes(step), slopes(-step), strict=True)]
    by_mean, by_log_std = api.gaussian_fisher(*case)
    assert_close(by_mean / N, expected[0], tolerances.CENTRAL_DIFFERENCE)
    assert_close(by_log_std, expected[1], tolerances.CENTRAL_DIFFERENCE)


@property_of("gaussian_log_prob", "gaussian_log_prob_backward", case=gaussians_and_actions())
def test_narrow_and_wide_gaussians(api, case):
    """σ² must not underflow where σ is harmless: z = (a - mean) / σ is what counts."""
    mean, log_std, actions = case
    for shift in (-200.0, 200.0):
        scale = exp(shift)
        args = (mean * scale, log_std + shift, actions * scale)
        log_prob, cache = api.gaussian_log_prob(*args)
        expected = api.gaussian_log_prob(*case)[0] - shift * len(log_std)
        assert_close(log_prob / 200, expected / 200)
        ones = np.ones(len(mean))
        dmean, dlog_std = api.gaussian_log_prob_backward(ones, cache)
        plain = api.gaussian_log_prob_backward(ones, api.gaussian_log_prob(*case)[1])
        assert_close(dmean * scale, plain[0])
        assert_close(dlog_std, plain[1])
