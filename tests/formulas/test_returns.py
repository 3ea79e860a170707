"""Returns and advantages, against sums that are written out and against each other."""

from math import fsum, sqrt

import numpy as np
import pytest
from hypothesis import strategies as st
from properties import assert_close, assert_same, property_of
from strategies import advantages_cases, returns_cases, rngs, rollouts


def last_step(t, ended):
    """The last step of the sum that starts at t, in the column `ended`."""
    return next((k for k in range(t, len(ended)) if ended[k]), len(ended) - 1)


def by_column(function, shape):
    return np.array([[function(t, e) for e in range(shape[1])] for t in range(shape[0])])


# Discounted returns


@property_of("discounted_returns", case=returns_cases())
def test_returns_are_the_discounted_sum_to_the_end(api, case):
    rewards, next_values, terminated, truncated, gamma = case

    def reward_to_go(t, e):
        last = last_step(t, (terminated | truncated)[:, e])
        terms = [gamma ** (k - t) * rewards[k, e] for k in range(t, last + 1)]
        bootstrap = 0 if terminated[last, e] else gamma ** (last + 1 - t) * next_values[last, e]
        return fsum([*terms, bootstrap])

    assert_close(api.discounted_returns(*case), by_column(reward_to_go, rewards.shape))


# Generalised advantage estimation


def td_errors(rewards, values, next_values, terminated, gamma):
    return rewards + gamma * np.where(terminated, 0, next_values) - values


@property_of("gae", case=rollouts())
def test_gae_is_the_double_sum(api, case):
    """Schulman et al. 2016, eq. 16: the sum of (γλ)^l δ_{t+l}."""
    rewards, values, next_values, terminated, truncated, gamma, lam = case
    deltas = td_errors(rewards, values, next_values, terminated, gamma)

    def advantage(t, e):
        last = last_step(t, (terminated | truncated)[:, e])
        return fsum((gamma * lam) ** (k - t) * deltas[k, e] for k in range(t, last + 1))

    assert_close(api.gae(*case), by_column(advantage, rewards.shape))


@property_of("gae", case=rollouts())
def test_gae_is_the_weighted_mean_of_the_n_step_advantages(api, case):
    """How the 2016 paper defines it: weights (1 - λ) λ^(n-1), and the last one has the rest."""
    rewards, values, next_values, terminated, truncated, gamma, lam = case

    def n_step(t, e, n):
        terms = [gamma**k * rewards[t + k, e] for k in range(n)]
        bootstrap = 0 if terminated[t + n - 1, e] else gamma**n * next_values[t + n - 1, e]
        return fsum([*terms, bootstrap, -values[t, e]])

    def advantage(t, e):
        length = last_step(t, (terminated | truncated)[:, e]) - t + 1
        weights = [(1 - lam) * lam ** (n - 1) for n in range(1, length)] + [lam ** (length - 1)]
        return fsum(w * n_step(t, e, n) for n, w in enumerate(weights, start=1))

    # the sum telescopes where the value of a successor is the value of the next row
    goes_on = ~(terminated | truncated)[:-1]
    next_values[:-1] = np.where(goes_on, values[1:], next_values[:-1])
    assert_close(api.gae(*case), by_column(advantage, rewards.shape))


@property_of("gae", case=rollouts(lams=[0.0]))
def test_gae_at_lambda_0_is_the_td_error(api, case):
    rewards, values, next_values, terminated, _, gamma, _ = case
    assert_close(api.gae(*case), td_errors(rewards, values, next_values, terminated, gamma))


@property_of("gae", "discounted_returns", case=rollouts(lams=[1.0]))
def test_gae_at_lambda_1_is_the_return_less_the_value(api, case):
    rewards, values, next_values, terminated, truncated, gamma, _ = case
    goes_on = ~(terminated | truncated)[:-1]
    next_values[:-1] = np.where(goes_on, values[1:], next_values[:-1])
    returns = api.discounted_returns(rewards, next_values, terminated, truncated, gamma)
    assert_close(api.gae(*case) + values, returns)


@property_of("gae", "discounted_returns")
def test_three_steps_by_hand(api):
    """Halves and quarters, so every number is exact. The first column runs on, the second ends
    in the middle by a time limit, the third by termination."""
    rewards = np.array([[1.0, 1, 1], [2, 2, 2], [4, 4, 4]])
    values = np.array([[8.0, 8, 8], [4, 4, 4], [2, 2, 2]])
    next_values = np.array([[4.0, 4, 4], [2, 6, 6], [16, 16, 16]])
    terminated = np.zeros((3, 3), bool)
    truncated = terminated.copy()
    truncated[1, 1] = terminated[1, 2] = True
    # δ = r + V'/2 - V:   -5, -1, 10     -5, 1, 10     -5, -2, 10
    advantages = api.gae(rewards, values, next_values, terminated, truncated, 0.5, 0.5)
    expected = np.array([[-4.625, -4.75, -5.5], [1.5, 1.0, -2.0], [10.0, 10.0, 10.0]])
    assert_same(advantages, expected)
    # last row 4 + 16/2 = 12; above it 2 + 12/2, 2 + 6/2, 2; above that 1 + half of those
    returns = api.discounted_returns(rewards, next_values, terminated, truncated, 0.5)
    assert_same(returns, np.array([[5.0, 3.5, 2.0], [8.0, 5.0, 2.0], [12.0, 12.0, 12.0]]))


# Both


def both(api, case):
    rewards, _, *rest, _ = case
    return api.gae(*case), api.discounted_returns(rewards, *rest)


def assert_both_same(api, case, changed):
    for a, b in zip(both(api, case), both(api, changed), strict=True):
        assert_same(a, b)


@property_of("gae", "discounted_returns", case=rollouts())
def test_a_state_behind_the_end_has_no_value(api, case):
    """Bit for bit, whatever stands there: zero times nan is nan."""
    rewards, values, next_values, terminated, *rest = case
    for garbage in (np.nan, np.inf, -1e308):
        changed = rewards, values, np.where(terminated, garbage, next_values), terminated, *rest
        assert_both_same(api, case, changed)


@property_of("gae", "discounted_returns", case=rollouts())
def test_terminated_wins_over_truncated(api, case):
    *arrays, terminated, truncated, gamma, lam = case
    assert_both_same(api, case, (*arrays, terminated, truncated | terminated, gamma, lam))
    assert_both_same(api, case, (*arrays, terminated, truncated & ~terminated, gamma, lam))


@property_of("gae", "discounted_returns", case=rollouts())
def test_the_last_row_is_cut_like_a_truncation(api, case):
    *arrays, truncated, gamma, lam = case
    changed = truncated.copy()
    changed[-1] = True
    assert_both_same(api, case, (*arrays, changed, gamma, lam))


@property_of("gae", "discounted_returns", case=rollouts(), rng=rngs())
def test_episodes_do_not_see_each_other(api, case, rng):
    """Cut where every column ends, the parts are what they are in the whole."""
    arrays, (terminated, truncated), hyper = case[:3], case[3:5], case[5:]
    cut = rng.integers(1, len(truncated) + 1)
    truncated[cut - 1] |= rng.random(truncated.shape[1]) < 0.5
    terminated[cut - 1] |= ~truncated[cut - 1]
    whole = both(api, case)
    parts = [
        both(api, (*(a[rows] for a in (*arrays, terminated, truncated)), *hyper))
        for rows in (slice(None, cut), slice(cut, None))
        if len(truncated[rows])
    ]
    for k in range(2):
        assert_same(np.concatenate([part[k] for part in parts]), whole[k])


@property_of("gae", "discounted_returns", case=rollouts())
def test_environments_do_not_see_each_other(api, case):
    whole = both(api, case)
    for e in range(case[0].shape[1]):
        column = both(api, (*(a[:, e : e + 1] for a in case[:5]), *case[5:]))
        for k in range(2):
            assert_same(column[k], whole[k][:, e : e + 1])


@property_of("gae", "discounted_returns", case=rollouts())
def test_flags_may_be_numbers(api, case):
    *arrays, terminated, truncated, gamma, lam = case
    for dtype in (np.int64, np.uint8, np.float64, np.float32):
        flags = terminated.astype(dtype), truncated.astype(dtype)
        assert_both_same(api, case, (*arrays, *flags, gamma, lam))


@property_of("gae", "discounted_returns", case=rollouts(), rng=rngs())
def test_integer_rewards_are_not_truncated(api, case, rng):
    rewards, *rest = case
    rewards = rng.integers(-3, 4, size=rewards.shape)
    assert_both_same(api, (rewards.astype(float), *rest), (rewards, *rest))


@property_of("gae", "discounted_returns", case=rollouts(), rng=rngs())
def test_integer_everything_gives_float64(api, case, rng):
    integers = rng.integers(-3, 4, size=(3, *case[0].shape))
    case = (*integers, *case[3:])
    assert_both_same(api, (*integers.astype(float), *case[3:]), case)


@property_of("gae", "discounted_returns", case=rollouts())
def test_integer_rewards_follow_the_dtype_of_the_values(api, case):
    rewards, values, next_values, *rest = case
    single = values.astype(np.float32), next_values.astype(np.float32)
    for result in both(api, (np.ones(rewards.shape, int), *single, *rest)):
        assert result.dtype == np.float32


# Normalisation


@property_of("normalize_advantages", case=advantages_cases(), eps=st.sampled_from([1e-8, 0.5]))
def test_normalising_subtracts_the_mean_and_divides_by_the_deviation(api, case, eps):
    (advantages,) = case
    a = advantages.ravel().tolist()
    mean = fsum(a) / len(a)
    std = sqrt(fsum((x - mean) ** 2 for x in a) / len(a))
    expected = np.array([(x - mean) / (std + eps) for x in a]).reshape(advantages.shape)
    assert_close(api.normalize_advantages(advantages, eps), expected)
    if eps == 1e-8:
        assert_close(api.normalize_advantages(advantages), expected)


@property_of("normalize_advantages")
def test_eps_stands_outside_the_root(api):
    """Deviation 1e-8 and eps 1e-8: halved. Inside the root eps would leave 1e-4 of it."""
    assert_close(api.normalize_advantages(np.array([0.0, 2e-8])), np.array([-0.5, 0.5]))


@property_of("normalize_advantages", N=st.integers(1, 9), dtype=st.sampled_from(["f4", "f8"]))
def test_equal_advantages_normalise_to_nothing_much(api, N, dtype):
    """0.1 is not a binary fraction: the mean of several may differ from it in the last bit."""
    for constant in (0.0, 0.1, -1e3, 1e15):
        normalized = api.normalize_advantages(np.full(N, constant, dtype))
        assert np.isfinite(normalized).all()
    assert_same(api.normalize_advantages(np.zeros(N, dtype)), np.zeros(N, dtype))
    assert_same(api.normalize_advantages(np.full(1, 0.1, dtype)), np.zeros(1, dtype))


@property_of("normalize_advantages", case=advantages_cases())
def test_normalising_forgets_shift_and_scale(api, case):
    (advantages,) = case
    expected = api.normalize_advantages(advantages, 0.0)
    assert_close(api.normalize_advantages(3 * advantages - 7, 0.0), expected)


@pytest.mark.parametrize("name", ["gae", "discounted_returns"])
def test_one_dimensional_rollouts_are_rejected(api, name):
    ones, no = np.ones(3), np.zeros(3, bool)
    args = (ones, ones, ones, no, no, 0.9, 0.9) if name == "gae" else (ones, ones, no, no, 0.9)
    with pytest.raises(ValueError, match=r"rewards.*\(3,\)"):
        getattr(api, name)(*args)
