"""The losses: sums written out case by case, and every kink pinned at the kink."""

from decimal import Context, Decimal, localcontext
from math import exp, fsum, log, nan
from statistics import NormalDist

import numpy as np
import pytest
import tolerances
from hypothesis import strategies as st
from properties import assert_close, assert_same, gradients, property_of
from strategies import (
    clipped_values,
    dual_clips,
    log_prob_pairs,
    log_probs_and_advantages,
    ppo_cases,
    rngs,
    sizes,
    surrogates,
    values_and_targets,
)


def mean(terms):
    terms = list(terms)
    return fsum(terms) / len(terms)


# Ratio and policy gradient


@property_of("importance_ratio", case=log_prob_pairs())
def test_ratio_is_the_quotient_of_the_probabilities(api, case):
    expected = [exp(new) / exp(old) for new, old in zip(*case, strict=True)]
    assert_close(api.importance_ratio(*case)[0], np.array(expected))


@property_of("importance_ratio", case=log_prob_pairs())
def test_ratio_to_itself_is_exactly_1(api, case):
    log_prob, _ = case
    assert_same(api.importance_ratio(log_prob, log_prob.copy())[0], np.ones(len(log_prob)))


@property_of("policy_gradient_loss", case=log_probs_and_advantages())
def test_policy_gradient_loss_is_minus_the_weighted_mean(api, case):
    expected = -mean(log_prob * a for log_prob, a in zip(*case, strict=True))
    assert_close(api.policy_gradient_loss(*case)[0], expected)


@property_of("surrogate_loss", case=surrogates())
def test_surrogate_loss_is_minus_the_mean_of_the_weighted_ratios(api, case):
    *arrays, _ = case
    expected = -mean(exp(new - old) * a for new, old, a in zip(*arrays, strict=True))
    assert_close(api.surrogate_loss(*arrays)[0], expected)


@property_of("surrogate_loss", "surrogate_loss_backward", case=surrogates())
def test_where_nothing_is_clipped_the_clipped_surrogate_is_the_surrogate(api, case):
    """Bit for bit, with a clip that no ratio reaches."""
    log_prob, old_log_prob, advantages, _ = case
    plain = log_prob, old_log_prob, advantages
    assert_same(api.surrogate_loss(*plain)[0], api.clipped_surrogate_loss(*plain, 1e9)[0])
    (expected,) = gradients(api, "clipped_surrogate_loss", (*plain, 1e9), 1.7)
    assert_same(gradients(api, "surrogate_loss", plain, 1.7)[0], expected)


# Clipped surrogate


def surrogate_term(ratio, advantage, clip):
    """min(r A, clip(r) A) as the table of its six cases."""
    if advantage > 0:
        return ratio * advantage if ratio <= 1 + clip else (1 + clip) * advantage
    return ratio * advantage if ratio >= 1 - clip else (1 - clip) * advantage


@property_of("clipped_surrogate_loss", case=surrogates())
def test_surrogate_is_minus_the_mean_of_its_six_cases(api, case):
    log_prob, old_log_prob, advantages, clip = case
    rows = zip(log_prob, old_log_prob, advantages, strict=True)
    expected = -mean(surrogate_term(exp(new - old), a, clip) for new, old, a in rows)
    assert_close(api.clipped_surrogate_loss(*case)[0], expected)


@property_of("clipped_surrogate_loss", case=surrogates())
def test_surrogate_never_promises_more_than_the_unclipped_objective(api, case):
    log_prob, old_log_prob, advantages, _ = case
    unclipped = -np.mean(np.exp(log_prob - old_log_prob) * advantages)
    assert api.clipped_surrogate_loss(*case)[0] > unclipped


@property_of(
    "clipped_surrogate_loss",
    "clipped_surrogate_loss_backward",
    "policy_gradient_loss_backward",
    "surrogate_loss",
    "surrogate_loss_backward",
    case=log_probs_and_advantages(),
)
def test_at_ratio_1_the_surrogates_gradient_is_the_policy_gradient(api, case):
    log_prob, advantages = case
    (expected,) = gradients(api, "policy_gradient_loss", case, 1.7)
    for name, clip in [("surrogate_loss", ()), ("clipped_surrogate_loss", (0.2,))]:
        args = log_prob, log_prob.copy(), advantages, *clip
        assert_close(getattr(api, name)(*args)[0], -mean(advantages))
        assert_close(gradients(api, name, args, 1.7)[0], expected)


@property_of("clipped_surrogate_loss", "clipped_surrogate_loss_backward", rng=rngs(), N=sizes)
def test_the_surrogate_s_gradient_flows_at_exactly_1_plus_or_minus_clip(api, rng, N):
    """The clip is chosen to be what the ratio has moved: for ratios in [1/2, 2] the subtraction
    loses nothing, so the ratio is on the bound to the last bit."""
    old_log_prob = np.zeros(N)
    for side in (-1, 1):
        log_prob = np.full(N, side * rng.uniform(0.05, 0.5))
        ratio = api.importance_ratio(log_prob, old_log_prob)[0]
        clip = float(side * (ratio[0] - 1))
        assert (ratio == 1 + side * clip).all()
        for sign in (-1, 1):
            advantages = sign * rng.uniform(0.1, 2, N)
            flowing = -1.7 * ratio * advantages / N
            case = log_prob, old_log_prob, advantages, clip
            assert_close(api.clipped_surrogate_loss(*case)[0], -mean(ratio * advantages))
            assert_close(gradients(api, "clipped_surrogate_loss", case, 1.7)[0], flowing)
            # a hair tighter, and the two of the four cells that gain nothing are cut
            case = log_prob, old_log_prob, advantages, clip * (1 - 1e-12)
            expected = np.zeros(N) if sign == side else flowing
            assert_close(gradients(api, "clipped_surrogate_loss", case, 1.7)[0], expected)


@property_of("clipped_surrogate_loss_backward", case=log_probs_and_advantages())
def test_a_clip_of_0_still_lets_the_first_gradient_through(api, case):
    log_prob, advantages = case
    surrogate = log_prob, log_prob.copy(), advantages, 0.0
    expected = -advantages / len(advantages)
    assert_close(gradients(api, "clipped_surrogate_loss", surrogate, 1.0)[0], expected)


# The clip's relatives


def dual_clip_term(ratio, advantage, low, high, bound):
    """As the table of its seven cases."""
    if advantage > 0:
        return min(ratio, 1 + high) * advantage
    if ratio > bound:
        return bound * advantage
    return max(ratio, 1 - low) * advantage


@property_of("dual_clip_loss", case=dual_clips())
def test_dual_clip_is_minus_the_mean_of_its_seven_cases(api, case):
    *arrays, low, high, bound = case
    rows = [(exp(new - old), a) for new, old, a in zip(*arrays, strict=True)]
    expected = -mean(dual_clip_term(ratio, a, low, high, bound) for ratio, a in rows)
    assert_close(api.dual_clip_loss(*case)[0], expected)
    without = -mean(dual_clip_term(ratio, a, low, high, 1e9) for ratio, a in rows)
    assert_close(api.dual_clip_loss(*case[:-1], float("inf"))[0], without)


@property_of("dual_clip_loss", "dual_clip_loss_backward", case=surrogates())
def test_dual_clip_with_equal_limits_and_no_bound_is_the_clipped_surrogate(api, case):
    """Bit for bit; also where an advantage is 0."""
    *arrays, clip = case
    arrays[2][0] = 0.0
    dual = *arrays, clip, clip, float("inf")
    assert_same(api.dual_clip_loss(*dual)[0], api.clipped_surrogate_loss(*arrays, clip)[0])
    (expected,) = gradients(api, "clipped_surrogate_loss", (*arrays, clip), 1.7)
    assert_same(gradients(api, "dual_clip_loss", dual, 1.7)[0], expected)


@property_of("dual_clip_loss_backward", case=dual_clips())
def test_dual_clip_s_gradient_flows_where_its_table_says_so(api, case):
    log_prob, old_log_prob, advantages, low, high, bound = case
    ratio = np.exp(log_prob - old_log_prob)
    good = (advantages > 0) & (ratio <= 1 + high)
    bad = (advantages < 0) & (ratio >= 1 - low) & (ratio <= bound)
    (dlog_prob,) = gradients(api, "dual_clip_loss", case, 1.7)
    assert_close(dlog_prob, -1.7 / len(ratio) * ratio * advantages * (good | bad))


@property_of("dual_clip_loss", "dual_clip_loss_backward", rng=rngs(), N=sizes)
def test_dual_clip_s_gradient_flows_at_each_of_its_limits(api, rng, N):
    """On the limit to the last bit, as for the surrogate's: a hair tighter, and it is cut."""
    old_log_prob = np.zeros(N)
    for side, sign in [("low", -1), ("high", 1), ("bound", -1)]:
        log_prob = np.full(N, rng.uniform(0.05, 0.5) * (-1 if side == "low" else 1))
        ratio = api.importance_ratio(log_prob, old_log_prob)[0]
        at = float(ratio[0])
        advantages = sign * rng.uniform(0.1, 2, N)
        for hair, flows in [(0.0, 1), (1e-12, 0)]:
            limits = {"low": 0.9, "high": 0.9, "bound": 9.0}
            limits[side] = abs(at - 1) * (1 - hair) if side != "bound" else at * (1 - hair)
            case = log_prob, old_log_prob, advantages, *limits.values()
            assert_close(api.dual_clip_loss(*case)[0], -mean(ratio * advantages))
            flowing = -1.7 * ratio * advantages / N * flows
            assert_close(gradients(api, "dual_clip_loss", case, 1.7)[0], flowing)


@pytest.mark.parametrize("bound", [1.0, 0.0, -3.0, nan])
def test_a_bound_that_would_cut_what_has_not_moved_is_refused(api, bound):
    with pytest.raises(ValueError, match=f"bound is {bound}, expected more than 1"):
        api.dual_clip_loss(np.ones(1), np.ones(1), np.ones(1), 0.2, 0.2, bound)


@property_of("spo_loss", case=surrogates())
def test_spo_is_the_surrogate_less_a_parabola(api, case):
    *arrays, clip = case
    rows = [(exp(new - old), a) for new, old, a in zip(*arrays, strict=True)]
    expected = -mean(r * a - abs(a) * (r - 1) ** 2 / (2 * clip) for r, a in rows)
    assert_close(api.spo_loss(*case)[0], expected)


@property_of("spo_loss", "spo_loss_backward", case=log_probs_and_advantages())
def test_spo_is_flat_where_the_clip_begins_and_pulls_back_beyond(api, case):
    log_prob, advantages = case
    better = np.sign(advantages)
    for share, direction in [(0.0, 1), (0.5, 1), (1.0, 0), (1.5, -1)]:
        old_log_prob = log_prob - np.log1p(share * 0.25 * better)
        (dlog_prob,) = gradients(api, "spo_loss", (log_prob, old_log_prob, advantages, 0.25), 1.7)
        if direction:
            assert (np.sign(dlog_prob) == -direction * better).all()
        else:
            assert_close(dlog_prob, np.zeros(len(log_prob)))
    at_ratio_1 = log_prob, log_prob.copy(), advantages, 0.25
    (expected,) = gradients(api, "policy_gradient_loss", case, 1.7)
    assert_close(gradients(api, "spo_loss", at_ratio_1, 1.7)[0], expected)
    assert_close(api.spo_loss(*at_ratio_1)[0], -mean(advantages))


@pytest.mark.parametrize("clip", [0.0, -0.2, nan])
def test_a_pull_without_a_width_is_refused(api, clip):
    with pytest.raises(ValueError, match=f"clip is {clip}, expected more than 0"):
        api.spo_loss(np.ones(1), np.ones(1), np.ones(1), clip)


# Value losses


@property_of("value_loss", case=values_and_targets())
def test_value_loss_is_half_the_mean_squared_error(api, case):
    expected = mean((v - t) ** 2 for v, t in zip(*case, strict=True)) / 2
    assert_close(api.value_loss(*case)[0], expected)


@property_of("value_loss_backward", case=values_and_targets())
def test_value_gradient_is_the_mean_error(api, case):
    values, targets = case
    (dvalues,) = gradients(api, "value_loss", case, 1.7)
    assert_close(dvalues, 1.7 * (values - targets) / len(values))


def clipped_value_term(value, old, target, clip):
    near = old + clip if value > old + clip else old - clip if value < old - clip else value
    return max((value - target) ** 2, (near - target) ** 2) / 2


@property_of("clipped_value_loss", case=clipped_values())
def test_clipped_value_loss_takes_the_larger_error(api, case):
    *arrays, clip = case
    expected = mean(clipped_value_term(*row, clip) for row in zip(*arrays, strict=True))
    assert_close(api.clipped_value_loss(*case)[0], expected)


@property_of("clipped_value_loss", "clipped_value_loss_backward", case=values_and_targets())
def test_a_wide_clip_or_an_old_value_equal_to_the_new_clips_nothing(api, case):
    values, targets = case
    expected = api.value_loss(values, targets)[0]
    (dvalues,) = gradients(api, "value_loss", case, 1.7)
    for clipped in [(values, targets, targets, 100.0), (values, values.copy(), targets, 0.1)]:
        assert_close(api.clipped_value_loss(*clipped)[0], expected)
        assert_close(gradients(api, "clipped_value_loss", clipped, 1.7)[0], dvalues)


@property_of("clipped_value_loss", "clipped_value_loss_backward")
def test_value_clip_at_its_kinks(api):
    """Binary fractions, so that each row is at its kink to the last bit."""
    rows = [
        # value, old, target   (clip is 1/4)
        (0.75, 0.5, 0.25),  # on the upper bound: gradient passes
        (0.75, 0.5, 1.25),
        (0.25, 0.5, 0.75),  # on the lower bound: gradient passes
        (0.25, 0.5, -0.25),
        (1.0, 0.25, 0.75),  # errors tie at ±1/4, value outside: the unclipped branch wins
        (-0.5, 0.25, -0.25),
        (1.0, 0.25, 1.0),  # no error at all, the clipped one counts and is flat
    ]
    values, old_values, targets = np.array(rows).T
    flows = np.array([1, 1, 1, 1, 1, 1, 0])
    case = values, old_values, targets, 0.25
    (dvalues,) = gradients(api, "clipped_value_loss", case, 7.0)
    assert_same(dvalues, flows * (values - targets))
    errors = np.array([0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.5])
    assert_close(api.clipped_value_loss(*case)[0], float((errors**2).mean() / 2))


# The whole objective


def log_softmax(row):
    return [z - log(fsum(map(exp, row))) for z in row]


@property_of("ppo_loss", case=ppo_cases())
def test_ppo_loss_is_the_sum_of_its_parts(api, case):
    logits, values, actions, old_log_prob, advantages, targets, clip, vf_coef, ent_coef = case
    terms = []
    for n, row in enumerate(logits):
        log_p = log_softmax(row)
        ratio = exp(log_p[actions[n]] - old_log_prob[n])
        entropy = -fsum(exp(a) * a for a in log_p)
        terms.append(
            -surrogate_term(ratio, advantages[n], clip)
            + vf_coef * (values[n] - targets[n]) ** 2 / 2
            - ent_coef * entropy
        )
    assert_close(api.ppo_loss(*case)[0], mean(terms))


@property_of(
    "ppo_loss", "ppo_loss_backward", case=ppo_cases(), coefficients=st.permutations([0, 0, 1])
)
def test_ppo_loss_reduces_to_each_of_its_parts(api, case, coefficients):
    """With one coefficient at a time: the surrogate, the value loss, minus the entropy."""
    logits, values, actions, old_log_prob, advantages, targets, clip, *_ = case
    surrogate, vf_coef, ent_coef = coefficients
    case = *case[:4], surrogate * advantages, targets, clip, vf_coef, ent_coef
    log_prob, log_prob_cache = api.categorical_log_prob(logits, actions)
    dlogits, dvalues = np.zeros_like(logits), np.zeros_like(values)
    if surrogate:
        args = log_prob, old_log_prob, advantages, clip
        expected, cache = api.clipped_surrogate_loss(*args)
        dlog_prob = api.clipped_surrogate_loss_backward(1.7, cache)
        dlogits = api.categorical_log_prob_backward(dlog_prob, log_prob_cache)
    elif vf_coef:
        expected, cache = api.value_loss(values, targets)
        dvalues = api.value_loss_backward(1.7, cache)
    else:
        entropy, cache = api.categorical_entropy(logits)
        expected = -mean(entropy)
        dlogits = api.categorical_entropy_backward(np.full(len(values), -1.7 / len(values)), cache)
    loss, cache = api.ppo_loss(*case)
    assert_close(loss, float(expected))
    for actual, wanted in zip(api.ppo_loss_backward(1.7, cache), (dlogits, dvalues), strict=True):
        assert_close(actual, wanted)


@property_of("ppo_loss_backward", case=ppo_cases())
def test_at_ratio_1_ppo_s_gradient_is_the_policy_gradient(api, case):
    logits, values, actions, _, advantages, targets, clip, *_ = case
    log_prob, cache = api.categorical_log_prob(logits, actions)
    (dlog_prob,) = gradients(api, "policy_gradient_loss", (log_prob, advantages), 1.7)
    expected = api.categorical_log_prob_backward(dlog_prob, cache)
    at_ratio_1 = logits, values, actions, log_prob.copy(), advantages, targets, clip, 0.0, 0.0
    assert_close(gradients(api, "ppo_loss", at_ratio_1, 1.7)[0], expected)


@property_of("ppo_loss", "ppo_loss_backward")
def test_ppo_loss_bears_logits_of_any_size(api):
    """The action taken is the only possible one, under both policies."""
    for scale in (1e3, 1e30, 8e307):
        logits, actions = scale * np.array([[1.0, -1.0], [-1.0, 1.0]]), np.array([0, 1])
        ones, zeros = np.ones(2), np.zeros(2)
        loss, cache = api.ppo_loss(logits, ones, actions, zeros, ones, zeros, 0.2, 0.5, 0.01)
        assert_close(loss, -1 + 0.5 * 0.5)
        dlogits, dvalues = api.ppo_loss_backward(2.0, cache)
        assert_close(dlogits, np.zeros((2, 2)))
        assert_close(dvalues, np.full(2, 0.5))


@property_of("ppo_loss", "ppo_loss_backward", case=ppo_cases())
def test_a_masked_action_leaves_no_trace_in_the_ppo_loss(api, case):
    logits, *rest = case
    masked = np.concatenate([logits, np.full((len(logits), 1), -np.inf)], axis=1)
    assert_close(api.ppo_loss(masked, *rest)[0], api.ppo_loss(*case)[0])
    dlogits, dvalues = gradients(api, "ppo_loss", (masked, *rest), 1.7)
    expected = gradients(api, "ppo_loss", case, 1.7)
    assert not dlogits[:, -1].any()
    assert_close(dlogits[:, :-1], expected[0])
    assert_close(dvalues, expected[1])


# Diagnostics


@property_of("approx_kl", case=log_prob_pairs())
def test_approx_kl_is_the_third_estimator(api, case):
    expected = mean(exp(new - old) - 1 - (new - old) for new, old in zip(*case, strict=True))
    assert_close(api.approx_kl(*case), expected)


@property_of("approx_kl", x=st.sampled_from([0.5, 0.499, 0.1, 1e-3, 1e-8, 1e-100]))
def test_approx_kl_has_all_its_digits_where_the_ratio_is_close_to_1(api, x):
    for log_ratio in (x, -x):
        with localcontext(Context(prec=250)):
            expected = float(Decimal(log_ratio).exp() - 1 - Decimal(log_ratio))
        assert_close(float(api.approx_kl(np.array([log_ratio]), np.zeros(1))) / expected, 1.0)


@property_of("approx_kl", case=log_prob_pairs(), size=st.sampled_from([1.0, 1e-4, 1e-9]))
def test_approx_kl_is_not_negative_and_zero_to_itself(api, case, size):
    log_prob, old_log_prob = case
    near = old_log_prob + size * (log_prob - old_log_prob)
    assert api.approx_kl(near, old_log_prob) >= -tolerances.EXACT
    assert api.approx_kl(log_prob, log_prob.copy()) == 0


@property_of("approx_kl")
def test_approx_kl_has_no_bias_where_its_author_says_so(api):
    """Schulman 2020, "Approximating KL divergence": samples from N(0, 1), the other policy
    N(0.1, 1) or N(1, 1), true KL 0.005 and 0.5. The second estimator would be 25% off at N(1, 1).

    In place of random samples the evenly spaced quantiles of N(0, 1).
    """
    n = 10_000
    x = np.array([NormalDist().inv_cdf((i + 0.5) / n) for i in range(n)])
    for shift, kl in [(0.1, 0.005), (1.0, 0.5)]:
        estimate = api.approx_kl(-0.5 * (x - shift) ** 2, -0.5 * x**2)
        assert_close(float(estimate), kl, tolerances.QUANTILE_GRID)


@property_of("clip_fraction", case=surrogates())
def test_clip_fraction_counts_the_ratios_outside(api, case):
    log_prob, old_log_prob, _, clip = case
    rows = zip(log_prob, old_log_prob, strict=True)
    expected = mean(abs(exp(new - old) - 1) > clip for new, old in rows)
    assert_close(api.clip_fraction(log_prob, old_log_prob, clip), expected)


@property_of("clip_fraction", rng=rngs())
def test_a_ratio_on_the_bound_is_not_outside(api, rng):
    for side in (-1, 1):
        log_prob, old_log_prob = np.full(3, side * rng.uniform(0.05, 0.5)), np.zeros(3)
        clip = float(side * (api.importance_ratio(log_prob, old_log_prob)[0][0] - 1))
        assert api.clip_fraction(log_prob, old_log_prob, clip) == 0
        assert api.clip_fraction(log_prob, old_log_prob, clip * (1 - 1e-12)) == 1


def variance(terms):
    centre = mean(terms)
    return mean((x - centre) ** 2 for x in terms)


@property_of("explained_variance", case=values_and_targets())
def test_explained_variance_is_1_less_the_unexplained_share(api, case):
    values, targets = case
    expected = 1 - variance(targets - values) / variance(targets)
    scale = max(1, abs(expected))
    assert_close(api.explained_variance(values, targets) / scale, expected / scale)


@property_of("explained_variance", case=values_and_targets())
def test_perfect_values_explain_everything_and_constants_nothing(api, case):
    _, targets = case
    assert_close(api.explained_variance(targets.copy(), targets), 1.0)
    assert_close(api.explained_variance(targets + 3, targets), 1.0)
    assert_close(api.explained_variance(np.full(len(targets), 3.0), targets), 0.0)


@property_of("explained_variance", case=values_and_targets(), power=st.sampled_from([-700, 700]))
def test_explained_variance_knows_no_unit(api, case, power):
    """Also where the squares would under- or overflow: only equal targets leave nothing to
    explain."""
    values, targets = case
    scaled = api.explained_variance(values * 2.0**power, targets * 2.0**power)
    plain = api.explained_variance(values, targets)
    scale = max(1, abs(plain))
    assert_close(scaled / scale, plain / scale)


@property_of("explained_variance", dtype=st.sampled_from([np.float64, np.float32]))
def test_explained_variance_is_nan_for_equal_targets_only(api, dtype):
    """The mean of several 0.1 differs from 0.1 in the last bit, and so the variance from 0."""
    for N in range(1, 10):
        for target in (0.0, 0.1, -1e8):
            targets = np.full(N, target, dtype)
            for values in (targets.copy(), np.arange(N, dtype=dtype)):
                assert_same(np.float64(api.explained_variance(values, targets)), np.float64(nan))
    for targets in (
        [1, np.nextafter(dtype(1), dtype(2))],
        [0, np.finfo(dtype).tiny],
        [1e8] * 9 + [0],
    ):
        targets = np.array(targets, dtype)
        assert not np.isnan(api.explained_variance(targets.copy(), targets))
        assert not np.isnan(api.explained_variance(np.zeros_like(targets), targets))


@pytest.mark.parametrize("name", ["value_loss", "explained_variance"])
def test_a_column_of_values_is_rejected(api, name):
    """The commonest slip of all: the value network's (N, 1) against targets of shape (N,)."""
    with pytest.raises(ValueError, match=r"(values|targets).*\(4, 1\)"):
        getattr(api, name)(np.ones((4, 1)), np.ones(4))
