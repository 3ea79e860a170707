"""Playing, against scripts: each row of a batch is known beforehand.

The rows that are no transition, the final observations and the ends of episodes are where
implementations go wrong without a sign, so every check here is shown to fail for such a mistake.
"""

import copy
import gc
import threading
from dataclasses import replace
from math import fsum
from typing import ClassVar

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, Text, Tuple
from gymnasium.vector import AutoresetMode
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
    Corridor,
    Episode,
    FreshWalk,
    Scripted,
    Walk,
    agent_for,
    play,
    scripts,
    sync,
    transitions,
)

from npppo.agents.rollout import Player
from npppo.agents.spaces import Spaces, difference
from npppo.agents.stepping import autoreset_mode, env_seed
from npppo.algorithms.batches import rows_of

GAMMA, LAM = 0.9, 0.7
every_mode = pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)


def value(agent, observation):
    return agent.values(observation[None])[0]


# What a batch says, row by row


def check_rows(batch, expected, agent):
    """`expected[e]` are the Transitions of environment e, one for each row of the batch."""
    T, E = batch.rewards.shape
    for e in range(E):
        for t in range(T):
            row = expected[e][t]
            at = f"row {t} of environment {e}"
            assert_same(batch.observations[t, e], row.observation, at)
            assert batch.valid[t, e] == row.valid, at
            assert_close(batch.values[t, e], value(agent, row.observation), hint=at)
            if row.valid:
                assert batch.rewards[t, e] == row.reward, at
                assert batch.terminated[t, e] == row.terminated, at
                assert batch.truncated[t, e] == row.truncated, at
                assert_close(batch.next_values[t, e], value(agent, row.successor), hint=at)


def expected_advantages(rows, agent):
    """Of one environment's rows of one batch, by the double sum over the rest of each episode."""
    deltas = [
        row.reward
        + (0 if row.terminated else GAMMA * value(agent, row.successor))
        - value(agent, row.observation)
        for row in rows
    ]

    def advantage(t):
        ends = (k for k in range(t, len(rows)) if rows[k].terminated or rows[k].truncated)
        last = next(ends, len(rows) - 1)
        return fsum((GAMMA * LAM) ** (k - t) * deltas[k] for k in range(t, last + 1))

    return [advantage(t) for t, row in enumerate(rows) if row.valid]


def check_advantages(batch, expected, agent):
    """Those that PPO learns from, of the valid rows alone."""
    by_env = [expected_advantages(rows, agent) for rows in expected]
    rows = rows_of(batch, GAMMA, LAM)
    assert len(rows.advantages) == sum(len(column) for column in by_env)
    for e, column in enumerate(by_env):
        of_env = np.argwhere(batch.valid)[:, 1] == e
        assert_close(rows.advantages[of_env], np.array(column))
        observations = [row.observation for row in expected[e] if row.valid]
        assert_same(rows.observations[of_env], np.reshape(observations, (len(column), 3)))
        values = [value(agent, observation) for observation in observations]
        assert_close(rows.targets[of_env], np.array(column) + values)


@every_mode
@pytest.mark.parametrize("steps", [1, 4, 6, 25])
def test_rows_and_advantages_are_those_of_the_script(mode, steps):
    """Over several batches, so that their boundaries fall on every kind of row."""
    batches = 8
    agent, _, played = play(Scripted(scripts(), mode), steps, batches)
    expected = [transitions(script, mode, steps * batches) for script in scripts()]
    for number, batch in enumerate(played):
        part = [rows[number * steps : (number + 1) * steps] for rows in expected]
        check_rows(batch, part, agent)
        check_advantages(batch, part, agent)


def test_the_batches_above_end_with_every_kind_of_end():
    played = [
        batch
        for mode in MODES
        for steps in (1, 4, 6, 25)
        for batch in play(Scripted(scripts(), mode), steps, 8)[2]
    ]
    last = {(t, u) for b in played for t, u in zip(b.terminated[-1], b.truncated[-1], strict=True)}
    assert last == {(False, False), TERMINATED, TRUNCATED, BOTH}


def next_values_of_the_next_row(batch):
    following = np.concatenate([batch.values[1:], batch.next_values[-1:]])
    return replace(batch, next_values=following)


MISTAKES = {
    "every row is a transition": lambda b: replace(b, valid=np.ones_like(b.valid)),
    "the row that ends is masked, not the next": lambda b: replace(
        b, valid=np.roll(b.valid, -1, axis=0)
    ),
    "the successor is the next row": next_values_of_the_next_row,
    "the successor's value is 0": lambda b: replace(b, next_values=0 * b.next_values),
    "a truncation is a termination": lambda b: replace(b, terminated=b.terminated | b.truncated),
    "a termination is a truncation": lambda b: replace(
        b, terminated=0 * b.terminated, truncated=b.terminated | b.truncated
    ),
    "both at once is a truncation": lambda b: replace(b, terminated=b.terminated & ~b.truncated),
    "ends are shifted by one": lambda b: replace(b, terminated=np.roll(b.terminated, 1, axis=0)),
    "episodes do not end": lambda b: replace(
        b, terminated=0 * b.terminated, truncated=0 * b.truncated
    ),
    "rewards are shifted by one": lambda b: replace(b, rewards=np.roll(b.rewards, 1, axis=0)),
}
# Where these are no mistakes: all rows are transitions, or the next row is the true successor.
HARMLESS = [
    ("every row is a transition", SAME_STEP),
    ("the row that ends is masked, not the next", SAME_STEP),
    ("the successor is the next row", NEXT_STEP),
]


@every_mode
@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("check", [check_rows, check_advantages])
def test_a_mistake_is_caught(mode, mistake, check):
    agent, _, (batch,) = play(Scripted(scripts(), mode), 25)
    expected = [transitions(script, mode, 25) for script in scripts()]
    wrong = MISTAKES[mistake](batch)
    if (mistake, mode) in HARMLESS:
        check(wrong, expected, agent)
    else:
        with pytest.raises(AssertionError):
            check(wrong, expected, agent)


def test_both_modes_give_the_same_advantages():
    """Of the same episodes: the masked rows are the only difference."""

    def by_observation(mode):
        """Advantage and target of every observation's first row, whose episode is not cut."""
        _, _, (batch,) = play(Scripted(scripts(), mode), 40)
        rows = rows_of(batch, GAMMA, LAM)
        found = {}
        for observation, *learned in zip(
            rows.observations, rows.advantages, rows.targets, strict=True
        ):
            found.setdefault(observation.tobytes(), learned)
        return found

    next_step, same_step = by_observation(NEXT_STEP), by_observation(SAME_STEP)
    assert set(next_step) == set(same_step)
    assert len(next_step) == sum(len(e.rewards) for script in scripts() for e in script)
    for key, learned in next_step.items():
        assert_close(np.array(learned), np.array(same_step[key]))


@every_mode
@pytest.mark.parametrize("steps", [1, 4, 6, 25])
def test_episode_returns_and_lengths(mode, steps):
    batches = 48 // steps + 1
    _, player, _ = play(Scripted(scripts(), mode), steps, batches)
    expected = []
    for script in scripts():
        rows = [row for row in transitions(script, mode, steps * batches) if row.valid]
        rewards = []
        for row in rows:
            rewards.append(row.reward)
            if row.terminated or row.truncated:
                expected.append((sum(rewards), len(rewards)))
                rewards = []
    assert len(expected) > 20
    assert sorted(player.episodes) == sorted(expected)
    assert all(reward < IDLE_REWARD for reward, _ in player.episodes)


@every_mode
def test_episodes_are_counted_in_the_order_of_their_ends(mode):
    _, player, _ = play(Scripted(scripts(), mode), 25)
    rows = [transitions(script, mode, 25) for script in scripts()]
    ends = [
        (t, e) for e in range(3) for t in range(25) if rows[e][t].terminated | rows[e][t].truncated
    ]

    def length(t, e):
        begin = max((k + 1 for k, env in ends if env == e and k < t), default=0)
        return sum(row.valid for row in rows[e][begin : t + 1])

    assert [length_ for _, length_ in player.episodes] == [length(t, e) for t, e in sorted(ends)]


@every_mode
def test_a_new_start_forgets_the_episodes_in_flight(mode):
    env = Scripted(scripts(), mode)
    player = Player(env)
    agent, rng = agent_for(player), np.random.default_rng(2)
    player.reset(0)
    player.play(agent, 3, rng)  # environment 0 has ended: its next row would be masked
    player.episodes.clear()
    player.reset(0)
    batch = player.play(agent, 25, rng)
    check_rows(batch, [transitions(script, mode, 25) for script in scripts()], agent)
    whole = [episode.rewards for script in scripts() for episode in script]
    assert set(player.episodes) <= {(rewards.sum(), len(rewards)) for rewards in whole}


@every_mode
def test_an_environment_may_reuse_its_arrays(mode):
    """As gymnasium's do with copy=False: what was returned is overwritten by the next step."""
    _, fresh_player, (fresh,) = play(Scripted(scripts(), mode), 25)
    _, player, (reused,) = play(Scripted(scripts(), mode, reuses_arrays=True), 25)
    for name in ("observations", "values", "next_values", "rewards", "terminated", "truncated"):
        assert_same(getattr(reused, name), getattr(fresh, name), name)
    assert player.episodes == fresh_player.episodes


# The policy's side


ACTION_SPACES = [Discrete(3), Discrete(3, start=-7), Box(-0.1, 0.2, (2,)), Box(-1, 1, (2, 2))]


@every_mode
@pytest.mark.parametrize("space", ACTION_SPACES, ids=str)
def test_log_probs_and_distribution_are_those_of_the_playing_policy(mode, space):
    agent, _, (batch,) = play(Scripted(scripts(), mode, space), 25)
    for t, e in np.ndindex(batch.rewards.shape):
        observation = batch.observations[t, e][None]
        (log_prob, _, _), cache = agent.evaluate(observation, batch.actions[t, e][None])
        assert_close(batch.log_probs[t, e], log_prob[0])
        assert_close(batch.distribution[0][t, e], cache.distribution[0][0])
    for array, expected in zip(
        batch.distribution[1:], agent.policy(np.zeros((1, 3)))[1:], strict=True
    ):
        assert_same(array, expected)
        assert not np.shares_memory(array, agent.parameters)  # it stays when the agent learns


@pytest.mark.parametrize("space", ACTION_SPACES[:2], ids=str)
def test_discrete_actions_are_counted_from_the_start(space):
    env = Scripted(scripts(), SAME_STEP, space)
    _, _, (batch,) = play(env, 40)
    assert set(batch.actions.flat) == {0, 1, 2}
    assert_same(np.array(env.received), batch.actions + int(space.start))
    assert all(env.action_space.contains(actions) for actions in env.received)


@pytest.mark.parametrize("space", ACTION_SPACES[2:], ids=str)
def test_the_environment_gets_clipped_actions_the_batch_keeps_what_was_drawn(space):
    env = Scripted(scripts(), SAME_STEP, space)
    agent, _, (batch,) = play(env, 40)
    received = np.array(env.received)
    assert received.shape == (40, 3, *space.shape)
    assert received.dtype == space.dtype
    assert all(env.action_space.contains(actions) for actions in env.received)

    drawn = batch.actions.reshape(40, 3, *space.shape)
    outside = (drawn < space.low) | (drawn > space.high)
    assert 0.05 < outside.mean() < 0.95
    assert_same(received[~outside], drawn[~outside].astype(space.dtype))
    nearest = np.where(drawn < space.low, space.low, space.high)
    assert_same(received[outside], nearest[outside])
    # clipping before the log-probability would be the mistake
    flat = drawn.clip(space.low, space.high).reshape(120, -1)
    (of_clipped, _, _), _ = agent.evaluate(batch.observations.reshape(120, -1), flat)
    assert abs(of_clipped - batch.log_probs.reshape(-1)).max() > 0.01


@pytest.mark.parametrize("space", [Discrete(3), Box(-1, 1, (2,))], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_batch_has_the_dtype_of_the_parameters(space, dtype):
    _, _, (batch,) = play(Scripted(scripts(), SAME_STEP, space), 5, dtype=dtype)
    names = ["observations", "log_probs", "values", "next_values", "rewards"]
    names += [] if isinstance(space, Discrete) else ["actions"]
    arrays = {name: getattr(batch, name) for name in names}
    arrays |= {f"distribution[{i}]": array for i, array in enumerate(batch.distribution)}
    assert {name: array.dtype for name, array in arrays.items()} == dict.fromkeys(arrays, dtype)


def test_the_noise_alone_decides_what_is_drawn():
    one, same = (play(Scripted(scripts(), SAME_STEP), 25)[2][0] for _ in range(2))
    assert_same(one.actions, same.actions)
    player = Player(Scripted(scripts(), SAME_STEP))
    player.reset(0)
    other = player.play(agent_for(player), 25, np.random.default_rng(3))
    assert (one.actions != other.actions).any()


# Spaces


def test_discrete_observations_are_one_hot():
    spaces = Spaces(Discrete(4, start=10), Discrete(2))
    assert spaces.observation_size == 4
    assert_same(spaces.encode(np.array([10, 13, 11])), np.eye(4)[[0, 3, 1]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_box_observations_are_flattened_as_they_are(dtype):
    spaces = Spaces(Box(-5, 255, (2, 3), dtype), Discrete(2))
    observations = np.arange(24, dtype=dtype).reshape(4, 2, 3)
    assert spaces.observation_size == 6
    assert_same(spaces.encode(observations), observations.reshape(4, 6))


def test_whole_numbers_between_bounds_are_scaled_by_them():
    spaces = Spaces(Box(0, 255, (1, 3), np.uint8), Discrete(2))
    images = np.array([[[0, 51, 255]], [[255, 0, 102]]], np.uint8)
    assert_same(spaces.encode(images), np.array([[0, 0.2, 1], [1, 0, 0.4]]))
    # each entry by its own bounds, also where their distance is more than the dtype holds, or 0
    low, high = np.array([-128, 3, 7], np.int8), np.array([127, 5, 7], np.int8)
    spaces = Spaces(Box(low, high, (3,), np.int8), Discrete(2))
    assert_same(spaces.encode(np.array([low, high])), np.array([[0, 0, 0], [1, 1, 0.0]]))
    whole = np.array([[-(2**63) + 1], [2**63 - 2]])
    assert_same(Spaces(Box(*whole, (1,), np.int64), Discrete(2)).encode(whole), np.eye(2)[:, 1:])


def test_whole_numbers_without_bounds_are_left_as_they_are():
    spaces = Spaces(Box(-np.inf, np.inf, (2,), np.int64), Discrete(2))
    observations = np.array([[3, -4], [0, 10**6]])
    assert_same(spaces.encode(observations), observations)


@pytest.mark.parametrize("dtype", [np.int32, np.uint32, np.int64, np.uint64])
def test_the_last_number_of_many_bits_is_no_bound(dtype):
    """Of 64 bits, 0 and 1 would both be 0.5; an image's bounds, and those of a sound, are some."""
    last = np.iinfo(dtype)
    ends = [(0, last.max)] + [(last.min, 0), (last.min, last.max)] * (last.min < 0)
    for low, high in ends:
        rows = Spaces(Box(low, high, (2,), dtype), Discrete(2)).encode(np.array([[0, 7]], dtype))
        assert_same(rows.astype(np.float64), np.array([[0.0, 7.0]]))
    rows = Spaces(Box(0, 8, (2,), dtype), Discrete(2)).encode(np.array([[0, 4]], dtype))
    assert_same(rows, np.array([[0.0, 0.5]]))
    sound = np.iinfo(np.int16)
    rows = Spaces(Box(sound.min, sound.max, (1,), np.int16), Discrete(2)).encode([[sound.max]])
    assert_same(rows, np.array([[1.0]]))


def test_a_scalar_box_has_size_one():
    spaces = Spaces(Box(-1, 1, ()), Box(-2, 2, ()))
    assert (spaces.observation_size, spaces.actions) == (1, 1)
    assert spaces.encode(np.zeros(5)).shape == (5, 1)
    assert spaces.decode(np.full((5, 1), 9.0)).shape == (5,)
    assert spaces.decode(np.full((5, 1), 9.0)).max() == 2


@pytest.mark.parametrize(
    "space", [Dict({"a": Discrete(2)}), Tuple([Discrete(2)]), Text(5)], ids=str
)
def test_an_unsupported_action_space_is_named(space):
    with pytest.raises(ValueError, match="action space") as error:
        Spaces(Discrete(2), space)
    assert str(space) in str(error.value)


def test_actions_of_whole_numbers_in_a_box_are_unsupported():
    with pytest.raises(ValueError, match=r"action space.*int64"):
        Spaces(Discrete(2), Box(0, 5, (2,), np.int64))


def test_bounds_that_are_no_numbers_are_the_same_ones():
    """Not every gymnasium refuses them; and -0 is 0."""
    space = {"type": "Box", "dtype": "float64", "shape": [3], "low": [np.nan, 0.0, -np.inf]}
    space["high"] = np.nan
    same = {**space, "low": [np.nan, -0.0, -np.inf]}
    assert difference({"action": same}, {"action": space}) == ""
    said = difference({"action": {**space, "high": 1.0}}, {"action": space})
    assert said == "an environment whose action space has high[0] 1.0, but this one has nan"


# Autoreset modes


@pytest.mark.parametrize("mode", [AutoresetMode.DISABLED, None, "NextStep", "sometimes"], ids=repr)
def test_another_way_of_starting_episodes_is_refused_by_name(mode):
    with pytest.raises(ValueError, match="autoreset_mode") as error:
        Player(Scripted(scripts(), mode))
    assert repr(mode) in str(error.value)


def test_a_missing_mode_is_refused():
    env = Scripted(scripts(), NEXT_STEP)
    env.metadata = {}
    with pytest.raises(ValueError, match=r"autoreset_mode.*None"):
        autoreset_mode(env)


class Hiding(gymnasium.vector.VectorWrapper):
    metadata: ClassVar[dict[str, object]] = {}


def test_a_wrapper_that_hides_the_mode_is_refused():
    with pytest.raises(ValueError, match=r"None, expected .*: a wrapper of <Hiding.*NEXT_STEP"):
        Player(Hiding(sync(Walk, NEXT_STEP)))


@every_mode
def test_the_mode_is_read_through_wrappers(mode):
    env = gymnasium.wrappers.vector.RecordEpisodeStatistics(sync(Walk, mode))
    assert autoreset_mode(env) == mode.name


# Gymnasium's own environments


def recorded(env):
    """The environment, and a list of what each of its steps will return."""
    steps, step = [], env.step

    def recording_step(actions):
        result = step(actions)
        steps.append([np.array(part) for part in result[:4]])
        return result

    env.step = recording_step
    return env, steps


def gymnasium_env(name, mode):
    if name == "native":
        return gymnasium.make_vec("CartPole-v1", num_envs=3)
    return gymnasium.make_vec(
        "CartPole-v1",
        num_envs=3,
        vectorization_mode=name,
        vector_kwargs={"autoreset_mode": mode},
    )


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")  # the async one forks
@pytest.mark.parametrize(
    ("name", "mode"),
    [("native", NEXT_STEP), *[(name, mode) for name in ("sync", "async") for mode in MODES]],
    ids=str,
)
def test_cartpole_rows_are_transitions_of_the_physics(name, mode):
    """No row joins two episodes: the pole moves by 0.02 s of its velocity in each valid one."""
    env, steps = recorded(gymnasium_env(name, mode))
    agent, player, (batch,) = play(env, 120)
    env.close()
    ended = batch.terminated | batch.truncated
    assert ended.sum() > 5
    assert_same(batch.terminated, np.array([step[2] for step in steps]))

    expected_valid = np.ones_like(ended)
    if mode is NEXT_STEP:
        expected_valid[1:] = ~ended[:-1]
    assert_same(batch.valid, expected_valid)
    assert (batch.rewards[batch.valid] == 1).all()

    x, velocity = batch.observations[..., 0], batch.observations[..., 1]
    joined = batch.valid[:-1] & ~ended[:-1]  # the next row holds the successor
    move = (x[1:] - x[:-1] - 0.02 * velocity[:-1])[joined]
    assert abs(move).max() < 1e-6  # float32
    assert abs(x[1:] - x[:-1] - 0.02 * velocity[:-1])[~joined].max() > 1e-3

    # a successor is 0.02 s of velocity away also where the episode ended
    value_of_next_row = agent.values(batch.observations[1:].reshape(-1, 4)).reshape(-1, 3)
    assert_close(batch.next_values[:-1][joined], value_of_next_row[joined])
    lengths = [length for _, length in player.episodes]
    assert lengths == [episode_return for episode_return, _ in player.episodes]
    assert min(lengths) > 5


@every_mode
def test_final_observations_of_a_gymnasium_environment(mode):
    """The value of the successor at each end, against a replay of the episode by hand."""
    env = sync(lambda: Walk(length=5), mode, num_envs=2)
    agent, _, (batch,) = play(env, 40)
    actions = batch.actions - 1
    seeds = [np.random.default_rng(seed) for seed in (0, 1)]  # reset(seed=0): 0 + i
    truncations = 0
    for e, rng in enumerate(seeds):
        x, t = rng.normal(scale=0.1, size=2), 0
        while t < 40:
            assert_close(batch.observations[t, e], x)
            if not batch.valid[t, e]:
                x, t = rng.normal(scale=0.1, size=2), t + 1
                continue
            x = x + actions[t, e] / 8 + rng.normal(scale=0.2, size=2)
            assert_close(batch.next_values[t, e], value(agent, x))
            truncations += batch.truncated[t, e]
            if mode is SAME_STEP and (batch.terminated | batch.truncated)[t, e]:
                x = rng.normal(scale=0.1, size=2)
            t += 1
    assert truncations > 3


@every_mode
def test_discrete_observations_as_plain_numbers(mode):
    """FrozenLake and Taxi return Python ints, also as final observations."""
    agent, player, (batch,) = play(sync(Corridor, mode, num_envs=3), 40)
    assert (batch.observations.sum(axis=2) == 1).all()
    rooms = batch.observations.argmax(axis=2)  # counted from 0
    following = rooms + np.where(batch.actions == 1, 1, -1)
    values = agent.values(np.eye(5))
    assert_close(batch.next_values[batch.valid], values[following[batch.valid]])
    assert_same(batch.terminated[batch.valid], np.isin(following, [0, 4])[batch.valid])
    assert len(player.episodes) > 5


# Numbers that are none


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", ["observations", "rewards"])
@every_mode
def test_numbers_that_are_none_are_named_with_their_environment(mode, place, bad):
    broken = scripts()
    getattr(broken[2][0], place).flat[4] = bad  # in row 1 or 4 of environment 2
    name = place.removesuffix("s")
    with pytest.raises(FloatingPointError, match=f"{name} of environment 2 is {bad}"):
        play(Scripted(broken, mode), 25)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@every_mode
def test_a_final_observation_that_is_no_number_is_named(mode, bad):
    broken = scripts()
    assert broken[1][2].truncated
    broken[1][2].observations[-1, 1] = bad
    with pytest.raises(FloatingPointError, match=f"observation of environment 1 is {bad}"):
        play(Scripted(broken, mode), 25)


@pytest.mark.parametrize("name", ["reward", "observation", "final observation"])
def test_what_overflows_the_dtype_is_found(name):
    broken = scripts()
    episode = broken[0][1]
    assert episode.truncated
    if name == "reward":
        episode.rewards[0] = 1e39
    else:
        episode.observations[-1 if "final" in name else 0, 1] = 1e39
    with pytest.raises(FloatingPointError, match=rf"{name.split()[-1]} of environment 0 is inf"):
        play(Scripted(broken, SAME_STEP), 25, dtype=np.float32)


# Replays


@every_mode
@pytest.mark.parametrize("continuous", [False, True])
@pytest.mark.parametrize("steps", [1, 7, 12, 20])
def test_a_replay_leads_to_the_same_place(mode, continuous, steps):
    """Played on from there, the original and the replayed environment give the same batch."""
    players = [Player(sync(lambda: Walk(continuous), mode)) for _ in range(2)]
    agent = agent_for(players[0])
    players[0].reset(3)
    for seed in (0, 7):  # in two batches
        players[0].play(agent, steps, np.random.default_rng(seed))
    players[1].set_state({name: array.copy() for name, array in players[0].state().items()})
    assert players[1].catch_up() == []
    for player in players:
        player.episodes.clear()
    ahead = [player.play(agent, 30, np.random.default_rng(1)) for player in players]
    for name in ("observations", "next_values", "rewards", "terminated", "truncated", "valid"):
        assert_same(getattr(ahead[1], name), getattr(ahead[0], name), name)
    assert players[0].episodes == players[1].episodes


def test_a_replay_that_leads_elsewhere_says_where():
    player, other = Player(sync(Walk, NEXT_STEP)), Player(sync(Walk, NEXT_STEP))
    player.reset(3)
    batch = player.play(agent_for(player), 7, np.random.default_rng(0))
    state = player.state()
    for wrong in (
        {"seed": np.array(4)},
        {"actions": (batch.actions + 1) % 3},
        {"actions": batch.actions[:-1], "batches": np.array([6])},
        {"checksums": state["checksums"] + [1, 1, 0]},
    ):
        other.set_state({**state, **wrong})
        assert other.catch_up()[:2] == ["observations", "rewards"]
        assert not other.in_place
        with pytest.raises(RuntimeError, match=r"does not repeat itself.*observations and rewards"):
            other.play(agent_for(other), 7, np.random.default_rng(0))
    other.set_state(state)
    assert other.catch_up() == []


class Changed(Scripted):
    """The script, but one number of one step is another one, each time after the first reset."""

    def __init__(self, mode, place, at=4):
        super().__init__(scripts(), mode)
        self.place, self.at = place, at

    def reset(self, **kwargs):
        self.steps = 0
        return super().reset(**kwargs)

    def step(self, actions):
        observations, rewards, terminated, truncated, info = super().step(actions)
        self.steps += 1
        if self.resets > 1 and self.steps == self.at:
            if self.place == "observations":
                observations[1] += 1e-5
            elif self.place == "rewards":
                rewards[2] = np.nextafter(rewards[2], np.inf)
            elif self.place == "final observations":
                (info["final_obs"][info["_final_obs"]][0])[0] += 1e-5
            else:
                flags = {"terminated": terminated, "truncated": truncated}[self.place]
                flags[1] = True  # the other one is
        return observations, rewards, terminated, truncated, info


@pytest.mark.parametrize(
    ("mode", "place", "at", "said"),
    [
        *[(mode, "observations", 4, "observations") for mode in MODES],
        *[(mode, "rewards", 4, "rewards") for mode in MODES],
        (SAME_STEP, "final observations", 4, "observations"),
        *[(mode, "truncated", 1, "ends of episodes") for mode in MODES],
        (NEXT_STEP, "terminated", 3, "ends of episodes"),
        (SAME_STEP, "terminated", 2, "ends of episodes"),
    ],
)
def test_a_replay_compares_every_step(mode, place, at, said):
    """Not the last observation alone: here everything is the same again long before the end."""
    for changed, expected in (("nothing", []), (place, [said])):
        player = Player(Changed(mode, changed, 10**9 if changed == "nothing" else at))
        player.reset(0)
        for _ in range(2):
            player.play(agent_for(player), 20, np.random.default_rng(0))
        player.in_place = False
        assert player.catch_up() == expected


def test_an_interrupted_batch_is_played_again_from_its_beginning():
    players = [Player(sync(Walk, NEXT_STEP)) for _ in range(2)]
    agent = agent_for(players[0])
    for player in players:
        player.reset(3)
        player.play(agent, 7, np.random.default_rng(0))

    class Interrupted(Exception):
        pass

    def interrupt(agent, steps, rng):
        agent = copy.copy(agent)
        agent.values = raise_interrupted
        with pytest.raises(Interrupted):
            players[0].play(agent, steps, rng)

    def raise_interrupted(observations):
        raise Interrupted

    interrupt(agent, 5, np.random.default_rng(1))
    again, expected = (player.play(agent, 9, np.random.default_rng(2)) for player in players)
    assert_same(again.observations, expected.observations)
    assert players[0].episodes == players[1].episodes


# Copies


@pytest.mark.parametrize("way", COPIES)
@every_mode
def test_a_copied_player_goes_on_as_the_original_does(mode, way):
    """Also where the copy of an environment is a new one, as gymnasium's EzPickle makes it."""
    for walk in (Walk, FreshWalk):
        player, control = Player(sync(walk, mode)), Player(sync(walk, mode))
        agent = agent_for(player)
        for one in (player, control):
            one.reset(3)
            one.play(agent, 20, np.random.default_rng(0))
        twin = COPIES[way](player)
        played = [one.play(agent, 20, np.random.default_rng(1)) for one in (control, twin, player)]
        for batch in played[1:]:
            for name in ("observations", "next_values", "rewards", "valid", "actions"):
                assert_same(getattr(batch, name), getattr(played[0], name), name)
        assert control.episodes == twin.episodes == player.episodes
        assert control.episodes


def test_a_copied_player_begins_as_the_original_does():
    player = Player(sync(Walk, NEXT_STEP))
    agent = agent_for(player)
    early = copy.deepcopy(player)  # before any reset
    early.reset(3)
    player.reset(3)
    first = copy.deepcopy(player)  # before any step
    batches = [one.play(agent, 9, np.random.default_rng(0)) for one in (player, early, first)]
    for batch in batches[1:]:
        assert_same(batch.observations, batches[0].observations)


class Locked(Walk):
    """It holds what nobody can copy."""

    def __init__(self):
        super().__init__()
        self.lock = threading.Lock()


@pytest.mark.parametrize("way", COPIES)
def test_a_player_whose_environment_cannot_be_copied_says_so(way):
    with pytest.raises(TypeError, match=r"SyncVectorEnv.* cannot be copied \(.*lock.*save"):
        COPIES[way](Player(sync(Locked, NEXT_STEP)))


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_an_environment_in_other_processes_is_not_copied_and_goes_on():
    """A copy would close the original's pipes when it is thrown away."""
    env = gymnasium.make_vec("CartPole-v1", num_envs=2, vectorization_mode="async")
    for wrapped in (env, gymnasium.wrappers.vector.RecordEpisodeStatistics(env)):
        player = Player(wrapped)
        player.reset(0)
        for way in COPIES.values():
            with pytest.raises(TypeError, match=r"AsyncVectorEnv.* processes of its own"):
                way(player)
        gc.collect()
        player.play(agent_for(player), 3, np.random.default_rng(0))
    env.close()


# Seeds


def test_seeds_for_environments_fit_in_31_bits():
    """Also the last environment's, which gymnasium gives seed + n_envs - 1."""

    class Drawn(np.random.SeedSequence):
        def generate_state(self, n_words, dtype=np.uint32):
            return np.full(n_words, self.entropy, dtype)

    for n_envs in (1, 2, 1000):
        for drawn in range(2**31 - 2 * n_envs, 2**31 + 1):  # near the largest
            assert 0 <= env_seed(Drawn(drawn), n_envs) <= 2**31 - n_envs
        sequences = np.random.SeedSequence(0).spawn(2000)
        seeds = [env_seed(sequence, n_envs) for sequence in sequences]
        assert len(set(seeds)) == 2000
        assert 2**30.9 < max(seeds) <= 2**31 - n_envs
        assert min(seeds) < 2**22


# What does not fit


class Misshapen(Scripted):
    def __init__(self, mode, **changes):
        super().__init__(scripts(), mode)
        self.changes = changes

    def reset(self, **kwargs):
        observations, info = super().reset(**kwargs)
        return self.changes.get("reset", lambda array: array)(observations), info

    def step(self, actions):
        *arrays, info = super().step(actions)
        for place, name in enumerate(("observations", "rewards", "terminated", "truncated")):
            arrays[place] = self.changes.get(name, lambda array: array)(arrays[place])
        return *arrays, self.changes.get("info", lambda info: info)(info)


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("rewards", lambda x: x[:, None], r"shapes \[\(3, 1\), \(3,\), .* expected .*\(3,\)"),
        ("rewards", lambda x: x[:1], r"shapes \[\(1,\), \(3,\)"),
        ("rewards", lambda x: 1.0, r"shapes \[\(\), \(3,\)"),
        ("rewards", lambda x: None, r"shapes \[\(\), \(3,\)"),
        ("terminated", lambda x: x[:1], r"shapes \[\(3,\), \(1,\), \(3,\)"),
        ("truncated", lambda x: False, r"shapes \[\(3,\), \(3,\), \(\)\]"),
        (
            "observations",
            lambda x: x[:, :, None],
            r"observations have shape \(3, 3, 1\), .*\(N, 3\)",
        ),
        ("observations", lambda x: x[:1], "a step gave 1 observations.* expected 3"),
        ("observations", lambda x: x[0, 0], r"observations have shape \(\)"),
        ("reset", lambda x: x[:1], "reset gave 1 observations, expected 3"),
        ("reset", lambda x: x[:, :2], r"observations have shape \(3, 2\)"),
    ],
)
@every_mode
def test_what_has_another_shape_is_named(mode, name, change, said):
    with pytest.raises(ValueError, match=said):
        play(Misshapen(mode, **{name: change}), 25)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda info: {}, "environment 1 .*no 'final_obs' .only nothing"),
        (lambda info: {"final_observation": 3}, "no 'final_obs' .only final_observation"),
        (lambda info: {"final_obs": [None] * 3}, "no 'final_obs' .only final_obs"),
    ],
)
def test_same_step_without_final_observations_is_refused(change, said):
    with pytest.raises(ValueError, match=said):
        play(Misshapen(SAME_STEP, info=change), 25)


def test_rewards_may_be_any_numbers():
    _, expected, (batch,) = play(Scripted(scripts(), NEXT_STEP), 25)
    for convert in (list, tuple, lambda x: x.astype(np.float16), lambda x: x.astype(object)):
        _, player, (other,) = play(Misshapen(NEXT_STEP, rewards=convert), 25)
        assert_same(other.rewards, batch.rewards)
        assert player.episodes == expected.episodes


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (0, np.zeros((2, 1)), r"observations of Box\(.*, \(2,\), float64\)"),
        (0, np.zeros(3), r"observations of Box\(.*, \(2,\), float64\)"),
        (1, np.ones(2), "one number each as reward"),
        (2, np.zeros(2, bool), "one number each as reward, terminated"),
        (4, None, "a dict as info"),
    ],
    ids=repr,
)
@every_mode
def test_what_gymnasium_cannot_gather_is_explained(mode, place, value, said):
    class Odd(Walk):
        def step(self, action):
            result = list(super().step(action))
            result[place] = value
            return tuple(result)

    with pytest.raises(ValueError, match=f"the environment returned does not fit .*{said}"):
        play(sync(Odd, mode), 25)


@pytest.mark.parametrize(
    ("observation", "said"),
    [
        ({"a": 0}, "it lacks 'b'"),
        ({"a": 0, "b": (1,)}, "index out of range"),
        ({"a": 0, "b": 1}, "int"),
    ],
)
@pytest.mark.parametrize("checked", [True, False])
@pytest.mark.filterwarnings("ignore:.*The obs returned by")  # which gymnasium's checker says first
def test_parts_that_gymnasium_cannot_gather_are_explained(checked, observation, said):
    """With gymnasium's own checker, as `gymnasium.make` puts it around all, and without."""

    class Parts(gymnasium.Env):
        observation_space = Dict(a=Discrete(2), b=Tuple([Discrete(2), Discrete(2)]))
        action_space = Discrete(2)

        def reset(self, *, seed=None, options=None):
            return observation, {}

    expected = rf"^what the environment returned does not fit .*{'' if checked else said}.*Dict\("
    wrap = gymnasium.wrappers.PassiveEnvChecker if checked else (lambda env: env)
    with pytest.raises(ValueError, match=expected):
        play(sync(lambda: wrap(Parts()), NEXT_STEP), 1)


def test_a_reset_that_tells_nothing_beside_the_observation_is_explained():
    class Bare(Walk):
        def reset(self, **kwargs):
            return super().reset(**kwargs)[0]

    with pytest.raises(ValueError, match=r"does not fit .*a dict as info"):
        play(sync(Bare, NEXT_STEP), 1)


def test_an_error_of_the_environments_own_is_left_alone():
    class Wrong(Walk):
        def step(self, action):
            raise ValueError(np.zeros((2, 3)).reshape(5))

    with pytest.raises(ValueError, match=r"^cannot reshape array of size 6"):
        play(sync(Wrong, NEXT_STEP), 3)


def test_returns_are_sums_in_double_precision():
    """1000 times 0.1 is not 100.0000015."""
    episode = Episode(np.zeros((1001, 1)), np.full(1000, 0.1), True, False)
    env = Scripted([[episode]], SAME_STEP)
    _, player, _ = play(env, 250, batches=5, dtype=np.float32)
    assert_close(player.episodes[0][0], fsum([0.1] * 1000))
