"""Normalising, against a loop in plain Python that keeps every number it has seen.

Below it, one by one, what gymnasium's wrappers for this do otherwise (1.4, in their source).
"""

import copy
from itertools import pairwise
from math import fsum, sqrt

import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Tuple
from hypothesis import given, settings
from hypothesis import strategies as st
from properties import assert_close, assert_same
from scripted import (
    BOTH,
    COPIES,
    IDLE_REWARD,
    MODES,
    NEXT_STEP,
    SAME_STEP,
    TERMINATED,
    TRUNCATED,
    Episode,
    Scripted,
    Walk,
    agent_for,
    scripts,
    sync,
    transitions,
)

from npppo.agents import normalizers
from npppo.agents.normalizers import ObservationNormalizer, RewardNormalizer, no_moments
from npppo.agents.observations import Observations
from npppo.agents.rollout import Player

GAMMA = 0.9
every_mode = pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)


def normalizing(env, clip=10.0, observations=True, rewards=True):
    player = Player(env)
    if observations:
        player.normalize_observations(clip)
    if rewards:
        player.normalize_rewards(GAMMA, clip)
    return player


def played(env, steps, batches=1, dtype=np.float64, **settings):
    """(player, agent, [batch, ...])"""
    player = normalizing(env, **settings)
    agent, rng = agent_for(player, dtype), np.random.default_rng(2)
    with np.errstate(over="ignore", invalid="ignore"):
        player.reset(0)
        return player, agent, [player.play(agent, steps, rng) for _ in range(batches)]


# The oracle


def mean_and_variance(numbers):
    mean = fsum(numbers) / len(numbers)
    return mean, fsum((x - mean) ** 2 for x in numbers) / len(numbers)


def clipped(x, clip):
    return max(-clip, min(clip, x))


def normalized(observation, seen, clip):
    """By all that were seen, column by column."""
    columns = zip(*seen, strict=True)
    return [
        clipped((x - mean) / sqrt(variance + 1e-8), clip)
        for x, (mean, variance) in zip(observation, map(mean_and_variance, columns), strict=True)
    ]


def expected(rows, mode, count, clip):
    """Of each environment's rows, one more than `count`: observations, successors, rewards."""
    E = len(rows)
    seen = [rows[e][0].observation for e in range(E)]
    observations = [[normalized(rows[e][0].observation, seen, clip) for e in range(E)]]
    successors, rewards, returns, R = [], [], [], [0.0] * E
    for t in range(count):
        for e in range(E):
            row = rows[e][t]
            seen.append(rows[e][t + 1].observation)
            if mode is SAME_STEP and (row.terminated or row.truncated):
                seen.append(row.successor)
            if row.valid:
                R[e] = GAMMA * R[e] + row.reward
                returns.append(R[e])
        observations.append([normalized(rows[e][t + 1].observation, seen, clip) for e in range(E)])
        successors.append([normalized(rows[e][t].successor, seen, clip) for e in range(E)])
        _, variance = mean_and_variance(returns)
        rewards.append([clipped(rows[e][t].reward / sqrt(variance + 1e-8), clip) for e in range(E)])
        for e in range(E):
            if rows[e][t].terminated or rows[e][t].truncated:
                R[e] = 0.0
    return np.array(observations), np.array(successors), np.array(rewards), seen, returns


STEPS = {1: 45, 4: 12, 25: 2}  # steps of a batch, and how many batches


def check(mode, steps=25, clip=10.0, ends=None):
    given = scripts() if ends is None else scripts(ends)
    count = steps * STEPS[steps]
    player, agent, batches = played(Scripted(given, mode), steps, STEPS[steps], clip=clip)
    rows = [transitions(script, mode, count + 1) for script in given]
    observations, successors, rewards, seen, returns = expected(rows, mode, count, clip)

    def whole(name):
        return np.concatenate([getattr(batch, name) for batch in batches])

    valid = whole("valid")
    assert_close(whole("observations"), observations[:-1])
    assert_close(whole("next_observations")[valid], successors[valid])
    assert_close(whole("rewards")[valid], rewards[valid])
    shape = valid.shape
    of_successors = agent.values(successors.reshape(-1, 3)).reshape(shape)
    assert_close(whole("next_values")[valid], of_successors[valid])
    assert_close(whole("values"), agent.values(observations[:-1].reshape(-1, 3)).reshape(shape))
    moments = player.normalizers.observations.moments
    assert (moments.number, player.normalizers.rewards.moments.number) == (len(seen), len(returns))
    assert_close(moments.mean, np.mean(seen, axis=0))
    assert_close(moments.squares / moments.number, np.var(seen, axis=0))
    of_returns = player.normalizers.rewards.moments
    assert_close(of_returns.mean, np.mean(returns))
    assert_close(of_returns.squares / of_returns.number, np.var(returns))


@every_mode
@pytest.mark.parametrize("steps", STEPS)
def test_what_the_agent_sees_is_that_of_the_loop(mode, steps):
    check(mode, steps)


@every_mode
def test_what_is_clipped_is_that_of_the_loop(mode):
    check(mode, clip=0.5)


@every_mode
def test_an_environment_that_never_ends(mode):
    check(mode, ends=[[(60, TERMINATED)], [(70, TRUNCATED)]])


def test_both_modes_count_the_same_observations_and_returns():
    """Of whole episodes: of length 3, 1, 4, 2, with a row more each in NEXT_STEP mode."""
    counts = []
    for mode, steps in ((NEXT_STEP, 13), (SAME_STEP, 10)):
        player, *_ = played(Scripted(scripts()[:1], mode), steps)
        counts.append(player.normalizers.moments())
    # in SAME_STEP mode the last step has begun another episode already
    assert counts[1].pop("observations_number") == counts[0].pop("observations_number") + 1
    for name in ("rewards_number", "rewards_mean", "rewards_squares"):
        assert_close(counts[0][name], counts[1][name])


def without_ends(self, rewards, ended, valid):
    return ORIGINAL(self, rewards, np.zeros_like(ended), valid)


def with_idle_rows(self, rewards, ended, valid):
    return ORIGINAL(self, rewards, ended, np.ones_like(valid))


def one_late(self, rewards, ended, valid):
    before = self.moments
    scaled = ORIGINAL(self, rewards, ended, valid)
    return rewards / before.scale() if before.number else scaled


ORIGINAL = RewardNormalizer.__call__
MISTAKES = {
    "R goes on over ends": (RewardNormalizer, "__call__", without_ends, MODES),
    "rows between episodes count": (RewardNormalizer, "__call__", with_idle_rows, [NEXT_STEP]),
    "once a batch": (RewardNormalizer, "__call__", one_late, MODES),
    "ε is 1e-4": (normalizers, "EPS", 1e-4, MODES),
    "final observations are not counted": (
        ObservationNormalizer,
        "see",
        lambda self, x: SEE(self, x[:3]),
        [SAME_STEP],
    ),
}
SEE = ObservationNormalizer.see


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_caught(mistake, monkeypatch):
    where, name, wrong, modes = MISTAKES[mistake]
    monkeypatch.setattr(where, name, wrong)
    for mode in MODES:
        if mode in modes:
            with pytest.raises(AssertionError):
                check(mode, 4)


# The moments


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(0, 99))
def test_joined_moments_are_those_of_all_rows(sizes, seed):
    rng = np.random.default_rng(seed)
    scales = 10.0 ** rng.integers(-3, 4, size=3)
    parts = [scales * (rng.normal(size=(n, 3)) + rng.normal(size=3)) for n in sizes]
    normalizer = ObservationNormalizer(np.ones(3, bool), 10.0)
    for part in parts:
        normalizer.see(part)
    number, mean, squares = normalizer.moments
    rows = np.concatenate(parts)
    assert number == len(rows)
    np.testing.assert_allclose(mean, rows.mean(axis=0), rtol=1e-12, atol=1e-12 * scales.max())
    np.testing.assert_allclose(squares / number, rows.var(axis=0), rtol=1e-11)


@pytest.mark.parametrize("offset", [1e8, -1e8, 1e12])
def test_small_noise_on_a_large_offset_is_not_lost(offset):
    """Sums of squares, or float32, would leave nothing of it."""
    rng = np.random.default_rng(0)
    rows = offset + rng.normal(size=(400, 8, 2))
    normalizer = ObservationNormalizer(np.ones(2, bool), 10.0)
    for part in rows:
        normalizer.see(part)
    flat = rows.reshape(-1, 2)
    error = 50 * abs(offset) * 2**-53  # of the mean of numbers that are rounded like that
    deviations = flat - offset
    np.testing.assert_allclose(normalizer.moments.mean - offset, deviations.mean(0), atol=error)
    variance = normalizer.moments.squares / normalizer.moments.number
    np.testing.assert_allclose(variance, deviations.var(0), rtol=1e-9, atol=4 * error)
    assert abs(normalizer(flat).std(axis=0) - 1).max() < 1e-2


def test_noise_on_a_large_offset_reaches_a_float32_agent():
    rng = np.random.default_rng(0)
    episode = Episode(1e8 + rng.normal(size=(201, 2)), np.zeros(200), True, False)
    _, _, (batch,) = played(Scripted([[episode]], SAME_STEP), 200, dtype=np.float32)
    assert batch.observations.dtype == np.float32
    assert_close(batch.observations[100:, 0].std(axis=0), np.ones(2), 0.3)


def test_constant_numbers_become_0():
    normalizer = ObservationNormalizer(np.ones(2, bool), 10.0)
    constant = np.array([[0.1, -3e7], [0.1, -3e7]])
    for _ in range(1000):
        normalizer.see(constant)
        assert_same(normalizer(constant), np.zeros((2, 2)))
    # and then one is another
    assert_same(normalizer(constant + np.array([1, -1]))[0], np.array([10.0, -10.0]))
    rewards = RewardNormalizer(GAMMA, 10.0, 2)
    nothing = np.zeros((50, 2), bool)
    assert_same(rewards(np.zeros((50, 2)), nothing, ~nothing), np.zeros((50, 2)))


def test_a_constant_reward_without_end_is_scaled_by_how_its_return_began():
    rewards = RewardNormalizer(GAMMA, 10.0, 1)
    never = np.zeros((2000, 1), bool)
    scaled = rewards(np.full((2000, 1), 3.0), never, ~never)
    returns = 3 * (1 - GAMMA ** np.arange(1, 2001)) / (1 - GAMMA)
    assert_close(scaled[-1, 0], 3 / np.sqrt(returns.var() + 1e-8))
    assert scaled[0, 0] == 10  # the variance of one number is 0


def test_before_any_observation_there_is_nothing_to_normalise_by():
    normalizer = ObservationNormalizer(np.ones(2, bool), 5.0)
    assert_same(normalizer(np.array([[3.0, -7.0]])), np.array([[3.0, -5.0]]))
    assert no_moments((2,)).number == 0


# What is normalised


def test_categories_and_bits_stay_as_they_are():
    """Also where the clip would reach them."""
    space = Tuple(
        [
            Discrete(3),
            Box(-np.inf, np.inf, (2,)),
            MultiBinary(2),
            Box(0, 255, (1, 2), np.uint8),
            MultiDiscrete([2, 3]),
        ]
    )
    observations = Observations(space)
    space.seed(0)
    rows = np.concatenate([observations.encode(space.sample(), alone=True) for _ in range(50)])
    numbers = observations.numbers()
    assert numbers.tolist() == [False] * 3 + [True] * 2 + [False] * 2 + [True] * 2 + [False] * 5
    normalizer = ObservationNormalizer(numbers, 0.5)
    before = rows.copy()
    normalizer.see(rows)
    result = normalizer(rows)
    assert_same(rows, before)
    assert_same(result[:, ~numbers], rows[:, ~numbers])
    alone = rows[:, numbers]
    wanted = (alone - alone.mean(0)) / np.sqrt(alone.var(0) + 1e-8)
    assert_close(result[:, numbers], wanted.clip(-0.5, 0.5))


@pytest.mark.parametrize("space", [Discrete(3), Dict({"a": MultiBinary(2)})], ids=str)
def test_where_there_is_no_number_it_is_refused(space):
    class Shown(Walk):
        def __init__(self):
            super().__init__()
            self.observation_space = space

    player = Player(sync(Shown, NEXT_STEP))
    with pytest.raises(ValueError, match=r"normalize_observations is True, .* with a Box"):
        player.normalize_observations(10.0)


# What gymnasium's wrappers do otherwise


def ones(lengths_and_ends):
    return [
        [Episode(np.zeros((L + 1, 1)), np.ones(L), *end) for L, end in script]
        for script in lengths_and_ends
    ]


@every_mode
@pytest.mark.parametrize("end", [TERMINATED, TRUNCATED, BOTH])
def test_a_return_starts_again_after_every_end(mode, end):
    """NormalizeReward in NEXT_STEP mode: 1, 1.9, 1 | 1.9, 2.71, 1 at terminations, and at time
    limits 1, 1.9, 2.71 | 3.44, 4.1, 4.69.
    """
    player, *_ = played(Scripted(ones([[(3, end)]]), mode), 11 if mode is NEXT_STEP else 9)
    trace = 3 * [1, 1.9, 2.71]
    number, mean, squares = player.normalizers.rewards.moments
    assert number == 9  # every reward once
    assert_close(mean, np.mean(trace))
    assert_close(squares, 9 * np.var(trace))


@every_mode
def test_a_reset_starts_returns_again_everywhere(mode):
    """NormalizeReward: not for a single environment."""
    player, agent, _ = played(Scripted(ones([[(30, TERMINATED)]]), mode), 3)
    player.reset(1)
    player.play(agent, 3, np.random.default_rng(0))
    assert_close(player.normalizers.rewards.moments.mean, np.mean(2 * [1, 1.9, 2.71]))


@every_mode
def test_the_episodes_that_are_reported_are_those_of_the_environment(mode):
    """RecordEpisodeStatistics outside of NormalizeReward reports normalised ones."""
    player, *_ = played(Scripted(scripts(), mode), 40)
    plain = Player(Scripted(scripts(), mode))
    plain.reset(0)
    plain.play(agent_for(plain), 40, np.random.default_rng(2))
    assert player.episodes == plain.episodes
    assert all(total < IDLE_REWARD for total, _ in player.episodes)


@every_mode
def test_an_environment_that_reuses_its_arrays_is_normalised_alike(mode):
    _, _, (fresh,) = played(Scripted(scripts(), mode), 25)
    _, _, (reused,) = played(Scripted(scripts(), mode, reuses_arrays=True), 25)
    for name in ("observations", "next_observations", "values", "next_values", "rewards"):
        assert_same(getattr(reused, name), getattr(fresh, name), name)


@every_mode
def test_without_clipping_a_rare_number_would_be_large(mode):
    """NormalizeObservation has no clip."""
    observations = np.zeros((301, 1))
    observations[300] = 1e6
    script = [[Episode(observations, np.zeros(300), False, True)]]
    for clip, largest in ((10.0, 10.0), (1e9, 17.0)):
        _, _, (batch,) = played(Scripted(script, mode), 300, clip=clip)
        assert_close(batch.next_observations.max(), largest, 0.05 * largest)


# In a player


FIELDS = ("observations", "next_observations", "values", "next_values", "rewards", "actions")


@every_mode
@pytest.mark.parametrize(
    ("observations", "rewards"), [(True, True), (True, False), (False, True)], ids=str
)
def test_one_is_normalised_without_the_other(mode, observations, rewards):
    _, _, (batch,) = played(
        Scripted(scripts(), mode), 25, observations=observations, rewards=rewards
    )
    _, _, (both,) = played(Scripted(scripts(), mode), 25)
    _, _, (neither,) = played(Scripted(scripts(), mode), 25, observations=False, rewards=False)
    assert_same(batch.observations, (both if observations else neither).observations)
    assert_same(batch.rewards[batch.valid], (both if rewards else neither).rewards[batch.valid])


@every_mode
def test_a_batch_begins_with_what_the_last_one_ended_with(mode):
    _, _, batches = played(sync(Walk, mode), 7, 6)
    for before, after in pairwise(batches):
        going_on = after.continues
        assert going_on.any()
        assert_same(after.observations[0][going_on], before.next_observations[-1][going_on])


@every_mode
def test_what_is_played_again_is_not_counted_again(mode):
    player, agent, _ = played(sync(Walk, mode), 20, 2)
    control = COPIES["deepcopy"](player)
    before = copy.deepcopy(player.normalizers.moments())
    player.in_place = False
    assert player.catch_up() == []
    for name, array in before.items():
        assert_same(player.normalizers.moments()[name], array, name)
    batches = [one.play(agent, 20, np.random.default_rng(1)) for one in (player, control)]
    for name in FIELDS:
        assert_same(getattr(batches[0], name), getattr(batches[1], name), name)


@every_mode
@pytest.mark.parametrize("way", COPIES)
def test_a_copied_player_normalises_as_the_original_does(mode, way):
    player, agent, _ = played(sync(Walk, mode), 20)
    twin = COPIES[way](player)
    batches = [one.play(agent, 20, np.random.default_rng(1)) for one in (player, twin)]
    for name in FIELDS:
        assert_same(getattr(batches[0], name), getattr(batches[1], name), name)
    other = twin.play(agent, 20, np.random.default_rng(3))  # which the original does not count
    assert other.valid.any()
    assert (
        twin.normalizers.moments()["rewards_number"]
        > player.normalizers.moments()["rewards_number"]
    )


@every_mode
@pytest.mark.parametrize("place", ["observations", "rewards"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_no_number_does_not_get_into_the_statistics(mode, place, bad):
    broken = scripts([[(30, TERMINATED)]])
    getattr(broken[0][0], place).flat[20] = bad
    player, agent, _ = played(Scripted(broken, mode), 5)
    before = copy.deepcopy(player.normalizers.moments())
    with np.errstate(invalid="ignore"), pytest.raises(FloatingPointError, match=f"0 is {bad}"):
        player.play(agent, 20, np.random.default_rng(0))
    for name, array in before.items():
        assert_same(player.normalizers.moments()[name], array, name)
    broken[0][0].observations[0, 0] = bad
    with pytest.raises(FloatingPointError, match=f"observation of environment 0 is {bad}"):
        player.reset(0)
    for name, array in before.items():
        assert_same(player.normalizers.moments()[name], array, name)


@pytest.mark.parametrize("place", ["observations", "rewards"])
def test_numbers_too_large_for_a_variance_are_refused(place):
    """Otherwise everything would be 0 from then on, in silence."""
    huge = scripts([[(30, TERMINATED)]])
    getattr(huge[0][0], place).flat[20] = 1e200
    with pytest.raises(FloatingPointError, match=r"the variance of the .* is infinite"):
        played(Scripted(huge, NEXT_STEP), 25)
