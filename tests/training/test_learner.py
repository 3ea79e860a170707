"""The loop: the same bits from the same seed, whatever is saved, loaded or looked at on the way."""

import copy
import dataclasses
import re
import time
from functools import partial
from itertools import count
from typing import ClassVar

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, Text
from properties import assert_close, assert_same
from scripted import (
    COPIES,
    MODES,
    NEXT_STEP,
    SAME_STEP,
    Corridor,
    FreshWalk,
    OneStep,
    Scripted,
    Walk,
    scripts,
    sync,
)
from tolerances import FLOAT32

import npppo
from npppo.agents.agent import Architecture
from npppo.agents.rollout import Player
from npppo.algorithms.ppo import PPOConfig
from npppo.training import learner
from npppo.training.checkpoint import CheckpointError, read_checkpoint, write_checkpoint
from npppo.training.evaluate import Evaluation, evaluate
from npppo.training.presets import PRESETS

TINY = {
    "n_steps": 16,
    "batch_size": 16,
    "n_epochs": 2,
    "net_arch": (8,),
    "learning_rate": 0.01,
    "learning_rate_end": None,
}
TIMES = ("seconds", "steps_per_second")
UPDATES = 8

ENVS = {
    "native": lambda: "CartPole-v1",
    "plain": lambda: "MountainCar-v0",
    "next step": lambda: sync(Walk, NEXT_STEP),
    "same step": lambda: sync(Walk, SAME_STEP),
    "continuous": lambda: sync(partial(Walk, continuous=True), SAME_STEP),
    "one environment": lambda: Walk(),
    "discrete observations": lambda: sync(Corridor, NEXT_STEP),
}
every_env = pytest.mark.parametrize("env", ENVS)


def make(env, seed=0, **settings):
    n_envs = {"n_envs": 2} if isinstance(ENVS[env](), str) else {}
    return npppo.PPO(ENVS[env](), seed, **{**TINY, **n_envs, **settings})


def load(path, env):
    return npppo.load(path, None if isinstance(ENVS[env](), str) else ENVS[env]())


def learn_updates(model, updates):
    """Learn until so many updates have been made in all; the rows of the log, as text.

    repr tells the bits of a number, and unlike == finds nan equal to nan.
    """
    rows = []

    def callback(model, row):
        rows.append({name: repr(number) for name, number in row.items() if name not in TIMES})
        return model.updates < updates

    if model.updates < updates:
        model.learn_until(10**9, callback)
    return rows


def watch(model):
    """The batches that the model will play, in a list that grows."""
    batches = []

    def play(*args):
        batches.append(Player.play(model.player, *args))
        return batches[-1]

    model.player.play = play
    return batches


def assert_same_model(actual, expected):
    """Everything that a save holds, bit for bit."""
    for name in ("m", "v"):
        assert_same(getattr(actual.state, name), getattr(expected.state, name))
    assert_same(actual.agent.parameters, expected.agent.parameters)
    assert actual.state.step == expected.state.step
    for name in ("updates", "num_timesteps", "episodes", "recent", "seed", "config"):
        assert getattr(actual, name) == getattr(expected, name)


# Seeds


@every_env
def test_the_same_seed_gives_the_same_bits(env):
    one, same, other = make(env), make(env), make(env, seed=1)
    assert learn_updates(one, 3) == learn_updates(same, 3) != learn_updates(other, 3)
    assert_same_model(one, same)
    assert (one.agent.parameters != other.agent.parameters).any()


def test_neighbouring_seeds_share_no_episode():
    """gymnasium gives environment i the seed s + i: 0 and 1 themselves would share all but one."""

    def starts(seed):
        seen = []

        class Watched(Walk):
            def reset(self, *, seed=None, options=None):
                seen.append(super().reset(seed=seed)[0].tobytes())
                return self.x.copy(), {}

        model = npppo.PPO(sync(Watched, SAME_STEP, num_envs=4), seed, **TINY)
        learn_updates(model, 1)
        return set(seen)

    everything = [starts(seed) for seed in range(4)]
    assert len(set.union(*everything)) == sum(len(seen) for seen in everything)


def test_without_a_seed_one_is_drawn_and_told():
    model, other = make("native", seed=None), make("native", seed=None)
    assert model.seed != other.seed
    again = make("native", seed=model.seed)
    assert learn_updates(model, 2) == learn_updates(again, 2)


def test_numpy_seeds_are_seeds():
    assert_same_model(make("native", np.int64(3)), make("native", 3))


@pytest.mark.parametrize("seed", [2**31, 2**63, np.uint64(2**64 - 1), 2**200], ids=repr)
def test_a_seed_may_be_of_any_size(seed, tmp_path):
    model, again = make("native", seed), make("native", seed)
    learn_updates(model, 2)
    learn_updates(again, 1)
    again.save(tmp_path / "model")
    again = npppo.load(tmp_path / "model")
    learn_updates(again, 2)
    assert_same_model(again, model)
    evaluate(model, 2, seed=seed)


class Shown(Walk):
    """In a window, it says."""

    metadata: ClassVar = {"render_modes": ["human"]}

    def __init__(self, render_mode=None):
        super().__init__()
        self.render_mode = render_mode


class TakesAnInt32(Shown):
    """As Atari's does."""

    seeds: ClassVar = []

    def reset(self, *, seed=None, options=None):
        if seed is not None:
            self.seeds.append(np.array(seed, np.int32))  # OverflowError
        return super().reset(seed=seed)


def test_environments_get_seeds_that_fit_a_c_int(tmp_path, short_segments):
    """At the start, at a new segment, on resume, in an evaluation and when watched."""
    env_id = "npppo-tests/TakesAnInt32-v0"
    gymnasium.register(env_id, TakesAnInt32)
    for seed in range(12):
        model = npppo.PPO(env_id, seed, n_envs=3, **{**TINY, "net_arch": ()})
        learn_updates(model, 5)
        model.save(tmp_path / "model")
        learn_updates(npppo.load(tmp_path / "model"), 6)
        evaluate(model, 3, seed=seed)
        Evaluation(model, 2, seed).watch(None)
    del gymnasium.registry[env_id]
    assert max(TakesAnInt32.seeds) > 2**30  # all of the range is used
    assert len({int(seed) for seed in TakesAnInt32.seeds}) >= 12 * (3 + 3 + 3 + 2)


@pytest.mark.parametrize("seed", [-1, 1.5, "1", True, np.float64(2)], ids=repr)
def test_a_wrong_seed_is_named(seed):
    with pytest.raises(ValueError, match="seed is"):
        make("native", seed)


# Learning in pieces


@every_env
def test_learning_in_pieces_is_learning_in_one_go(env):
    """With constant rates; `learn` counts from where it starts. An environment that was given is
    not trusted to be where it was."""
    pieces, whole = make(env), make(env)
    pieces.learn(33)
    before = pieces.num_timesteps
    pieces.learn(70)
    assert 70 <= pieces.num_timesteps - before < 70 + 2 * 16
    whole.learn_until(pieces.num_timesteps)
    if pieces.env_id is not None:
        assert_same_model(pieces, whole)
    else:
        assert (pieces.agent.parameters != whole.agent.parameters).any()


GIVEN = {
    "one": lambda: gymnasium.make("CartPole-v1"),
    "native": lambda: gymnasium.make_vec("CartPole-v1", num_envs=2),
    "next step": lambda: gymnasium.make_vec("CartPole-v1", num_envs=2, vectorization_mode="sync"),
}


@pytest.mark.parametrize("again", ["learn", "learn_until"])
@pytest.mark.parametrize("given", GIVEN)
def test_an_environment_may_be_used_in_between(given, again):
    """By hand, until its episode has ended: neither does a row join two episodes, nor is the
    result another one than if nobody had touched it."""
    models = []
    for touched in (False, True):
        env = GIVEN[given]()
        model = npppo.PPO(env, 0, **{**TINY, "n_steps": 40})
        model.learn(64)
        if touched:
            env.reset(seed=9)
            while not np.any(env.step(env.action_space.sample() * 0)[2]):
                pass
        batches = watch(model)
        model.learn(64) if again == "learn" else model.learn_until(128)
        for batch in batches:
            assert_transitions_of_cartpole(batch)
        models.append(model)
    assert_same_model(*models)


def assert_transitions_of_cartpole(batch):
    x, velocity = batch.observations[..., 0], batch.observations[..., 1]
    joined = batch.valid[:-1] & ~(batch.terminated | batch.truncated)[:-1]
    move = x[1:] - x[:-1] - 0.02 * velocity[:-1]  # the physics of CartPole
    assert joined.sum() > 20
    assert abs(move[joined]).max() < 1e-6


def test_learn_until_keeps_the_schedules_of_the_whole():
    schedules = {"learning_rate_end": 0.001, "clip_range_end": 0.0}
    pieces, whole = make("same step", **schedules), make("same step", **schedules)
    whole.learn_until(200)
    for piece in (50, 51, 130, 200):
        pieces.learn_until(200, lambda model, row, piece=piece: pieces.num_timesteps < piece)
    assert_same_model(pieces, whole)


def test_schedules_go_straight_from_start_to_end():
    model = make("same step", learning_rate_end=0.002, clip_range=0.3, clip_range_end=0.1)
    rows = []
    model.learn(5 * 32, lambda model, row: rows.append(row))
    assert_close([row["learning_rate"] for row in rows], [0.01 - 0.008 * k / 5 for k in range(5)])
    assert_close([row["clip_range"] for row in rows], [0.3 - 0.2 * k / 5 for k in range(5)])
    rows.clear()
    model.learn(2 * 32, lambda model, row: rows.append(row))  # they start again
    assert_close([row["learning_rate"] for row in rows], [0.01, 0.006])


def test_schedules_may_end_before_the_training():
    model, rows = make("native", learning_rate=1.0, learning_rate_end=0.5, clip_range_end=0.1), []
    model.learn_until(300, lambda model, row: rows.append(row), schedules_end=150)
    done = np.array([0, *(row["timesteps"] for row in rows[:-1])])
    share = np.minimum(1, done / 150)
    assert [row["learning_rate"] for row in rows] == pytest.approx(1 - share / 2)
    assert [row["clip_range"] for row in rows] == pytest.approx(0.2 - 0.1 * share)
    assert (share == 1).sum() > 1
    with pytest.raises(ValueError, match="schedules_end is 0"):
        model.learn_until(400, schedules_end=0)


def test_a_training_shows_its_progress_if_asked(capsys):
    model, rows = make("native"), []
    model.learn(100, lambda model, row: rows.append(row))
    assert capsys.readouterr().out == ""
    before = int(rows[-1]["timesteps"])
    model.learn(
        100, lambda model, row: rows.append(row) or row["timesteps"] < before + 50, progress=True
    )
    steps = int(rows[-1]["timesteps"])
    assert before + 50 <= steps < before + 100  # the callback ends it, as ever
    line = (
        rf"{steps / (before + 100):4.0%}  {steps} steps  return .*  [\d,]+ steps/s  0:\d\d left\n"
    )
    assert re.fullmatch(line, capsys.readouterr().out)


def test_rates_without_an_end_are_constant():
    rows = []
    make("same step").learn(4 * 32, lambda model, row: rows.append(row))
    assert {(row["learning_rate"], row["clip_range"]) for row in rows} == {(0.01, 0.2)}


def test_a_callback_ends_the_training_by_false_alone():
    model, calls = make("same step"), count(1)
    model.learn(10**9, lambda model, row: next(calls) < 4)
    assert model.updates == 3 + 1
    model.learn(32 * 3, lambda model, row: None)
    model.learn(32 * 3, lambda model, row: 0)
    assert model.updates == 4 + 3 + 3


@pytest.mark.parametrize("steps", [0, -5, "many"])
def test_nothing_to_learn_is_an_error(steps):
    with pytest.raises(ValueError, match=f"total_timesteps is {steps!r}"):
        make("native").learn(steps)


# Copies


@every_env
@pytest.mark.parametrize("way", COPIES)
def test_a_copied_model_trains_as_the_original_does(env, way, short_segments):
    """Bit for bit, both of them, and neither disturbs the other."""
    whole, original = make(env), make(env)
    expected = learn_updates(whole, UPDATES)
    rows = learn_updates(original, 2)
    twin = COPIES[way](original)
    assert twin.env is not original.env
    assert_same_model(twin, original)
    assert rows + learn_updates(twin, UPDATES) == expected
    assert_same_model(twin, whole)
    assert rows + learn_updates(original, 5) == expected[:5]
    twin = COPIES[way](original)
    original.learn(64)
    twin.learn(64)
    assert_same_model(twin, original)


@pytest.mark.parametrize("way", COPIES)
def test_a_model_may_be_copied_while_it_trains(way, short_segments):
    """And before it has begun."""
    for env in ("native", "one environment"):
        model = COPIES[way](make(env))
        twins = []

        def callback(model, row, twins=twins):
            twins.append(COPIES[way](model))
            return model.updates < 5

        model.learn_until(10**9, callback)
        for twin in twins:
            learn_updates(twin, 5)
            assert_same_model(twin, model)


def test_a_copy_draws_the_same_predictions_as_the_original(tmp_path):
    model = make("continuous")
    observations = np.zeros((4, 2))
    model.predict(observations, deterministic=False)
    model.save(tmp_path / "model")
    twins = [model, copy.copy(model), load(tmp_path / "model", "continuous")]
    first, *others = (twin.predict(observations, deterministic=False)[0] for twin in twins)
    for other in others:
        assert_same(other, first)


@pytest.mark.parametrize("way", COPIES)
def test_a_copied_environment_that_forgets_where_it_was_is_brought_there(way):
    whole, model = (npppo.PPO(sync(FreshWalk, NEXT_STEP), 0, **TINY) for _ in range(2))
    learn_updates(whole, 5)
    learn_updates(model, 3)
    twin = COPIES[way](model)
    learn_updates(twin, 5)
    assert_same_model(twin, whole)


@pytest.mark.parametrize("way", COPIES)
def test_a_model_whose_environment_cannot_be_copied_says_so(way):
    class Open(Walk):
        def __deepcopy__(self, memo):
            raise OSError("a file is open")

    model = npppo.PPO(Open(), 0, **TINY)
    with pytest.raises(TypeError, match=r"cannot be copied \(a file is open\), .* save"):
        COPIES[way](model)


# The log


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_the_log_counts_transitions_and_episodes(mode):
    rows = []
    model = npppo.PPO(Scripted(scripts(), mode), 0, n_steps=20, batch_size=16, net_arch=(4,))
    batches = watch(model)
    model.learn_until(200, lambda model, row: rows.append(row))
    transitions = np.cumsum([batch.valid.sum() for batch in batches])
    ends = np.cumsum([(batch.terminated | batch.truncated).sum() for batch in batches])
    assert [row["update"] for row in rows] == list(range(1, len(rows) + 1))
    assert [row["timesteps"] for row in rows] == transitions.tolist()
    assert [row["episodes"] for row in rows] == ends.tolist()
    assert transitions[-2] < 200 <= transitions[-1]
    assert (transitions[-1] < 60 * len(rows)) == (mode is NEXT_STEP)
    # each script pays the same each time round
    episodes = [e.rewards for script in scripts() for e in script]
    assert set(model.recent) <= {(float(rewards.sum()), len(rewards)) for rewards in episodes}
    recent = list(model.recent)[-100:]
    assert_close(rows[-1]["return"], np.mean([r for r, _ in recent]))
    assert_close(rows[-1]["length"], np.mean([length for _, length in recent]))
    assert all(row["steps_per_second"] > 0 and row["seconds"] > 0 for row in rows)


def test_seconds_are_counted_from_the_start_and_the_rate_is_that_of_one_update():
    rows = []
    start = time.perf_counter()
    make("plain").learn(200, lambda model, row: rows.append(row))
    elapsed = time.perf_counter() - start
    seconds = np.array([0, *(row["seconds"] for row in rows)])
    assert seconds[-1] <= elapsed
    steps = np.diff([0, *(row["timesteps"] for row in rows)])
    # a row's own time is never more than what passed between two rows
    rates = np.array([row["steps_per_second"] for row in rows])
    assert (steps / rates <= np.diff(seconds)).all()
    assert (steps / rates >= 0).all()


@pytest.mark.parametrize("n_steps", [1, 7, 3000, 16384, 20000])
def test_a_segment_has_at_most_16384_steps_or_one_update(n_steps):
    model = npppo.PPO("CartPole-v1", 0, n_envs=2, n_steps=n_steps, batch_size=2)
    updates = model._segment_updates()
    assert isinstance(updates, int) and updates >= 1
    assert updates * n_steps <= 16384 < (updates + 1) * n_steps or (updates, n_steps) == (1, 20000)


def test_adam_starts_from_nothing():
    adam = make("plain").state
    assert adam.step == 0
    assert not adam.m.any() and not adam.v.any()


def test_only_the_last_100_episodes_are_recent():
    model = npppo.PPO(Scripted(scripts(), SAME_STEP), 0, n_steps=50, batch_size=16, net_arch=(4,))
    lengths = []
    count_episodes = model.player._count_episodes

    def spy(*args):
        count_episodes(*args)
        lengths.extend(length for _, length in model.player.episodes)

    model.player._count_episodes = spy
    model.learn(700)
    assert len(lengths) > 200
    assert [length for _, length in model.recent] == lengths[-100:]


def test_no_episode_yet_is_nan():
    rows = []
    npppo.PPO(Walk(length=1000), 0, n_steps=2, batch_size=2).learn(
        1, lambda model, row: rows.append(row)
    )
    assert rows[0]["episodes"] == 0
    assert np.isnan(rows[0]["return"]) and np.isnan(rows[0]["length"])


# Saving and loading


@pytest.fixture
def short_segments(monkeypatch):
    """Episodes in flight are cut after every third update."""
    monkeypatch.setattr(learner, "SEGMENT_STEPS", 3 * TINY["n_steps"])


@every_env
@pytest.mark.parametrize("cut", [0, 1, 2, 3, 4, 6, 7])
def test_a_loaded_model_goes_on_bit_for_bit(env, cut, tmp_path, short_segments):
    whole, first = make(env), make(env)
    expected = learn_updates(whole, UPDATES)
    rows = learn_updates(first, cut)
    first.save(tmp_path / "model")
    second = load(tmp_path / "model", env)
    assert_same_model(second, first)
    assert rows + learn_updates(second, UPDATES) == expected
    assert_same_model(second, whole)
    # and the first one, which was only looked at, as well
    assert rows + learn_updates(first, UPDATES) == expected


def test_episodes_are_cut_where_a_segment_ends(short_segments):
    """Otherwise the test above would never have crossed such a place."""
    model = make("native")
    seeds = []
    reset = model.env.reset
    model.env.reset = lambda *, seed: seeds.append(seed) or reset(seed=seed)
    learn_updates(model, UPDATES)
    assert len(seeds) == len(set(seeds)) == 3  # before updates 1, 4 and 7


@every_env
def test_a_model_can_be_saved_at_every_update(env, tmp_path, short_segments):
    whole, model = make(env), make(env)
    expected = learn_updates(whole, UPDATES)
    rows = []
    for update in range(1, UPDATES + 1):
        rows += learn_updates(model, update)
        model.save(tmp_path / "model")
        model = load(tmp_path / "model", env)
    assert rows == expected
    assert_same_model(model, whole)


@every_env
def test_a_model_that_was_only_loaded_can_be_saved(env, tmp_path, short_segments):
    whole, model = make(env), make(env)
    learn_updates(whole, 5)
    learn_updates(model, 2)
    for name in ("one", "two", "three"):
        model.save(tmp_path / name)
        model = load(tmp_path / name, env)
    learn_updates(model, 5)
    assert_same_model(model, whole)


class Counting(gymnasium.RewardWrapper):
    """A running statistic in the manner of NormalizeReward, which a reset does not restore."""

    steps = 0

    def reward(self, reward):
        self.steps += 1
        return reward + self.steps / 1024


@pytest.mark.parametrize(("cut", "repeats"), [(1, True), (3, True), (4, False), (6, False)])
def test_a_resume_that_would_differ_is_reported(cut, repeats, tmp_path, short_segments):
    """The observations are the same: the rewards alone tell. In the first segment they are too."""

    def env():
        return sync(lambda: Counting(Walk()), NEXT_STEP)

    whole, model = npppo.PPO(env(), 0, **TINY), npppo.PPO(env(), 0, **TINY)
    learn_updates(whole, 7)
    learn_updates(model, cut)
    model.save(tmp_path / "model")
    loaded = npppo.load(tmp_path / "model", env())
    if repeats:
        learn_updates(loaded, 7)
        assert_same_model(loaded, whole)
    else:
        with pytest.warns(UserWarning, match=r"does not repeat itself .* its rewards differ"):
            learn_updates(loaded, 7)


def test_an_environment_that_does_not_repeat_itself_is_reported(tmp_path):
    def env():
        return sync(lambda: Walk(repeats=False), NEXT_STEP)

    model = npppo.PPO(env(), 0, **TINY)
    learn_updates(model, 2)
    model.save(tmp_path / "model")
    loaded = npppo.load(tmp_path / "model", env())
    with pytest.warns(UserWarning, match="does not repeat itself"):
        learn_updates(loaded, 4)
    assert loaded.updates == 4
    # whoever does not ask for more than new episodes is not warned
    loaded.learn(64)


def test_the_suffix_is_added_where_there_is_none(tmp_path):
    model = make("native")
    model.save(tmp_path / "a")
    model.save(str(tmp_path / "b.npz"))
    model.save(tmp_path / "checkpoint.npz")
    assert {path.name for path in tmp_path.iterdir()} == {"a.npz", "b.npz", "checkpoint.npz"}
    for path in (tmp_path / "a", tmp_path / "a.npz", str(tmp_path / "b"), tmp_path):
        assert_same_model(npppo.load(path), model)


def test_hyperparameters_may_be_numpy_numbers(tmp_path):
    """From a search over np.arange, say."""
    settings = {
        "n_steps": np.int64(16),
        "batch_size": np.int32(16),
        "n_epochs": np.uint8(2),
        "learning_rate": np.float32(0.01),
        "gamma": np.float64(0.98),
    }
    model = npppo.PPO("CartPole-v1", 0, n_envs=2, **settings)
    learn_updates(model, 2)
    model.save(tmp_path / "model")
    assert_same_model(npppo.load(tmp_path / "model"), model)


def test_a_model_of_an_environment_without_an_id_needs_it_again(tmp_path):
    make("next step").save(tmp_path / "model")
    with pytest.raises(ValueError, match="without an id: pass it as env"):
        npppo.load(tmp_path / "model")


@pytest.mark.parametrize(
    ("env", "other"),
    [
        ("same step", lambda: sync(lambda: Walk(continuous=True), SAME_STEP)),
        ("continuous", lambda: sync(Walk, SAME_STEP)),
        ("next step", lambda: sync(Corridor, NEXT_STEP)),
        ("native", lambda: gymnasium.make_vec("MountainCar-v0", num_envs=2)),
    ],
)
def test_a_checkpoint_of_another_environment_is_refused(env, other, tmp_path):
    make(env).save(tmp_path / "model")
    with pytest.raises(CheckpointError, match="the checkpoint was made for"):
        npppo.load(tmp_path / "model", other())


BOUNDS = np.array([-1, -np.inf]), np.array([1, np.inf])


def box(low, high, dtype=np.float64):
    return Box(np.array(low, dtype), np.array(high, dtype), dtype=dtype)


@pytest.mark.parametrize(
    ("saved", "other", "said"),
    [
        (box(*BOUNDS), box([-1.0000001, -np.inf], BOUNDS[1]), r"low\[0\] -1.0.* has -1.0000001"),
        (box(*BOUNDS), box(BOUNDS[0], [1, 9]), r"high\[1\] inf.* has 9.0"),
        (
            box([[0, -(2**63)]], [[0, 0]], np.int64),
            box([[0, 0]], [[0, 0]], np.int64),
            r"low\[0, 1\] -9",
        ),
        (Box(-1, 1, (3,)), Box(-1, 1, (3,), np.float64), "dtype float32.* has float64"),
        (Box(-1, 1, (3,)), Box(-1, 1, (1, 3)), r"shape \[3\].* has \[1, 3\]"),
        (Box(-1, 1, (3,)), Discrete(3), "type Box.* has Discrete"),
        (Discrete(3), Box(-1, 1, (3,)), "type Discrete.* has Box"),
        (Discrete(3), Discrete(4), "n 3.* has 4"),
        (Discrete(3), Discrete(3, start=1), "start 0.* has 1"),
        (
            box(np.zeros(2000), np.ones(2000)),
            box(np.eye(1, 2000, 1000)[0] / 2, np.ones(2000)),
            r"low\[1000\] 0.0.* has 0.5",
        ),
        (Box(0, 1, (2000,)), Box(0, 1.5, (2000,)), r"high\[0\] 1.0.* has 1.5"),
    ],
)
def test_spaces_are_compared_by_what_they_are(saved, other, said, tmp_path):
    """Not by what NumPy prints of them, which leaves out digits and the middle."""

    def env(space):
        return OneStep(lambda o, a: a * 1.0, space, Discrete(2), num_envs=2)

    settings = {**TINY, "net_arch": (2,)}
    npppo.PPO(env(saved), 0, **settings).save(tmp_path / "model")
    with np.printoptions(precision=3, threshold=10, suppress=True):
        npppo.load(tmp_path / "model", env(copy.deepcopy(saved)))
        with pytest.raises(CheckpointError, match=f"for an .*observation space has {said}"):
            npppo.load(tmp_path / "model", env(other))


def test_action_spaces_are_compared_too(tmp_path):
    npppo.PPO(sync(Walk, SAME_STEP), 0, **TINY).save(tmp_path / "model")

    class Other(Walk):
        def __init__(self):
            super().__init__()
            self.action_space = Discrete(3)

    with pytest.raises(CheckpointError, match="action space has start -1, but this one has 0"):
        npppo.load(tmp_path / "model", sync(Other, SAME_STEP))


def contents(tmp_path):
    model = make("native")
    learn_updates(model, 1)
    model.save(tmp_path / "model")
    return read_checkpoint(tmp_path / "model.npz")


def names_of(part):
    """Entries of every checkpoint, which a broken one may lack."""
    arrays = [
        "parameters",
        "optimizer_m",
        "optimizer_v",
        "recent",
        "player_actions",
        "player_batches",
    ]
    arrays += ["player_observations", "player_ended", "player_returns", "player_lengths"]
    arrays += ["player_seed", "player_checksums"]
    meta = ["env_id", "spaces", "seed", "config", "optimizer_step", "updates", "num_timesteps"]
    meta += ["episodes", "playing", "noise_rng", "order_rng", "predict_rng"]
    return {"arrays": arrays, "meta": meta}[part]


@pytest.mark.parametrize(
    ("part", "name"), [(part, name) for part in ("arrays", "meta") for name in names_of(part)]
)
def test_a_checkpoint_that_lacks_something_is_refused(part, name, tmp_path):
    arrays, meta = contents(tmp_path)
    del {"arrays": arrays, "meta": meta}[part][name]
    write_checkpoint(tmp_path / "model.npz", arrays, meta)
    with pytest.raises(CheckpointError, match=f"lacks '{name}'"):
        npppo.load(tmp_path / "model")


def test_all_that_a_checkpoint_holds_was_left_out_above(tmp_path):
    arrays, meta = contents(tmp_path)
    assert set(arrays) == set(names_of("arrays"))
    assert set(meta) == set(names_of("meta"))


@pytest.mark.parametrize("name", names_of("arrays"))
def test_an_array_of_another_shape_is_refused(name, tmp_path):
    arrays, meta = contents(tmp_path)
    arrays[name] = np.zeros((3, 5, 7), arrays[name].dtype)
    write_checkpoint(tmp_path / "model.npz", arrays, meta)
    with pytest.raises(CheckpointError):
        npppo.load(tmp_path / "model")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("config", {"speed": 3}),
        ("config", {"gamma": 7}),
        ("config", 3),
        ("seed", "x"),
        ("noise_rng", {}),
        ("order_rng", 4),
        ("predict_rng", None),
        ("spaces", {"observation": {"type": "Box"}}),
        ("spaces", ["Box", "Discrete"]),
        ("updates", "many"),
        ("optimizer_step", None),
    ],
)
def test_an_entry_that_makes_no_sense_is_refused(name, value, tmp_path):
    arrays, meta = contents(tmp_path)
    write_checkpoint(tmp_path / "model.npz", arrays, {**meta, name: value})
    with pytest.raises(CheckpointError):
        npppo.load(tmp_path / "model")


# After an interruption


def test_after_an_interruption_no_row_joins_two_states(tmp_path):
    """Ctrl-C in a notebook, in the middle of a batch, and then another learn()."""
    model = make("native")
    learn_updates(model, 1)
    step, steps = model.env.step, count()

    def interrupted_step(actions):
        if next(steps) == 7:
            raise KeyboardInterrupt
        return step(actions)

    model.env.step = interrupted_step
    with pytest.raises(KeyboardInterrupt):
        learn_updates(model, 2)
    batches = watch(model)
    learn_updates(model, 3)
    for batch in batches:
        assert_transitions_of_cartpole(batch)

    # and what is saved afterwards can be gone on with
    model.save(tmp_path / "model")
    loaded = npppo.load(tmp_path / "model")
    assert learn_updates(loaded, 5) == learn_updates(model, 5)


def test_after_an_interruption_no_episode_is_counted_twice(monkeypatch):
    """The batch that was thrown away takes its episodes with it."""
    model = make("native")
    batches = watch(model)
    learn_updates(model, 2)

    def interrupt(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(npppo.PPO, "algorithm", npppo.PPO.algorithm._replace(update=interrupt))
        learn_updates(model, 3)
    thrown_away = batches.pop()
    assert (thrown_away.terminated | thrown_away.truncated).any()
    learn_updates(model, 5)
    assert model.episodes == sum((b.terminated | b.truncated).sum() for b in batches)
    assert model.num_timesteps == sum(b.valid.sum() for b in batches)


# Looking changes nothing


@pytest.mark.parametrize("deterministic", [True, False])
@pytest.mark.parametrize("env", ["native", "continuous"])
def test_predicting_does_not_disturb_the_training(env, deterministic):
    undisturbed, model = make(env), make(env)
    observation = np.zeros(model.player.spaces.observation_size)
    for update in range(1, 5):
        learn_updates(model, update)
        model.predict(observation, deterministic)
    learn_updates(undisturbed, 4)
    assert_same_model(model, undisturbed)


def test_saving_does_not_disturb_the_training(tmp_path):
    undisturbed, model = make("native"), make("native")
    for update in range(1, 5):
        learn_updates(model, update)
        model.save(tmp_path / "model")
    learn_updates(undisturbed, 4)
    assert_same_model(model, undisturbed)


# Predictions


@pytest.mark.parametrize("deterministic", [True, False])
@pytest.mark.parametrize(
    ("env", "shape", "action_shape"),
    [
        ("native", (4,), ()),
        ("same step", (2,), ()),
        ("continuous", (2,), (1, 2)),
        ("discrete observations", (), ()),
    ],
)
def test_predictions_have_the_environments_shapes(env, shape, action_shape, deterministic):
    model = make(env)
    space = model.env.single_action_space
    for batch in [(), (1,), (5,)]:
        observation = np.full((*batch, *shape), 6 if env == "discrete observations" else 0.1)
        if env == "discrete observations":
            observation = observation.astype(int)
        action, state = model.predict(observation, deterministic)
        assert state is None
        assert np.shape(action) == (*batch, *action_shape)
        for one in np.reshape(action, (-1, *action_shape)):
            assert space.contains(one)
    if shape:
        assert_same(model.predict([0.1] * shape[0])[0], model.predict(np.full(shape, 0.1))[0])


def test_a_single_prediction_is_that_of_the_batch():
    model = make("continuous")
    learn_updates(model, 2)
    observations = np.random.default_rng(0).normal(size=(5, 2))
    batch, _ = model.predict(observations)
    for observation, action in zip(observations, batch, strict=True):
        assert_close(model.predict(observation)[0], action, FLOAT32)


def test_deterministic_is_the_likeliest_and_stochastic_is_drawn():
    model = make("native")
    model.agent.policy_layers[-1][1][:] = [0.0, 1.0]  # e = 2.7 times as likely
    observations = np.zeros((2000, 4))
    assert (model.predict(observations)[0] == 1).all()
    drawn = model.predict(observations, deterministic=False)[0].mean()
    assert drawn == pytest.approx(np.e / (1 + np.e), abs=0.05)  # 5 standard deviations


@pytest.mark.parametrize(
    ("env", "shape"),
    [
        ("native", ()),
        ("native", (3,)),
        ("native", (2, 3)),
        ("native", (1, 1, 4)),
        ("continuous", (3,)),
        ("discrete observations", (2, 2)),
    ],
)
def test_a_wrong_observation_names_both_shapes(env, shape):
    model = make(env)
    with pytest.raises(ValueError, match="observation has shape") as error:
        model.predict(np.zeros(shape, int))
    assert str(shape) in str(error.value)
    assert str(model.env.single_observation_space.shape) in str(error.value)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e39])
@pytest.mark.parametrize("deterministic", [True, False])
def test_no_action_is_predicted_for_numbers_that_are_none(bad, deterministic):
    for env, number in (("native", 0), ("continuous", 3)):
        model = make(env)
        observations = np.zeros((5, model.player.spaces.observation_size))
        observations[number, 1] = bad
        said = rf"observation of environment {number} is -?(nan|inf), expected a finite number"
        with pytest.raises(FloatingPointError, match=said):
            model.predict(observations, deterministic)
        with pytest.raises(FloatingPointError, match="observation of environment 0"):
            model.predict(observations[number], deterministic)


@pytest.mark.parametrize("state", [None, (), 1, "False", np.zeros(2)], ids=repr)
def test_a_state_in_the_place_of_deterministic_is_refused(state):
    """Stable-Baselines3's predict has it there."""
    with pytest.raises(TypeError, match=r"deterministic is .*, expected True or False"):
        make("native").predict(np.zeros(4), state)
    for deterministic in (np.True_, np.bool_(False)):
        make("native").predict(np.zeros(4), deterministic)


# Environments


def test_an_instance_a_vector_environment_and_an_id():
    for env, number in [
        (Walk(), 1),
        (gymnasium.make("CartPole-v1"), 1),
        (sync(Walk, SAME_STEP, num_envs=3), 3),
        (gymnasium.make_vec("CartPole-v1", num_envs=5), 5),
    ]:
        model = npppo.PPO(env, 0, **TINY)
        assert (model.config.n_envs, model.env.num_envs, model.env_id) == (number, number, None)
        learn_updates(model, 1)
    model = npppo.PPO("CartPole-v1", 0, n_envs=6, **TINY)
    assert (model.config.n_envs, model.env.num_envs, model.env_id) == (6, 6, "CartPole-v1")


def test_a_given_number_of_environments_must_be_that_of_the_environment():
    assert npppo.PPO(sync(Walk, SAME_STEP), 0, n_envs=2, **TINY).config.n_envs == 2
    with pytest.raises(ValueError, match=r"n_envs is 3.* has 2"):
        npppo.PPO(sync(Walk, SAME_STEP), 0, n_envs=3, **TINY)


def test_batch_size_is_measured_by_the_environments_there_are():
    """32 environments of 8 steps make 256 rows, one makes 8, whatever n_envs is by default."""
    npppo.PPO(sync(Walk, SAME_STEP, num_envs=32), 0, n_steps=8, batch_size=256)
    with pytest.raises(ValueError, match=r"batch_size is 9.*= 8"):
        npppo.PPO(Walk(), 0, n_steps=8, batch_size=9)


@pytest.mark.parametrize(
    ("env_id", "given", "rows"),
    [("CartPole-v1", {"n_envs": 4}, 128), ("Acrobot-v1", {"n_envs": 1, "n_steps": 32}, 32)],
)
def test_a_batch_size_that_nobody_chose_is_at_most_the_batch(env_id, given, rows):
    """Neither the preset's nor the default; one that was chosen is refused, and so is nonsense."""
    assert npppo.PPO(env_id, 0, **given).config.batch_size == rows
    assert npppo.PPO.configure(env_id, {"n_envs": 64}).batch_size in (64, 256)
    with pytest.raises(ValueError, match=rf"batch_size is {rows + 1}, expected at most"):
        npppo.PPO(env_id, 0, **given, batch_size=rows + 1)
    with pytest.raises(ValueError, match="n_envs is '4'"):
        npppo.PPO.configure(env_id, {"n_envs": "4"})


def test_steps_that_are_all_no_transitions_are_survived():
    """One environment, one step: every second batch of one-step episodes has no transition."""
    one_step_episodes = scripts([[(1, (True, False))]])
    env = Scripted(one_step_episodes, NEXT_STEP)
    settings = {"n_steps": 1, "batch_size": 1, "normalize_advantage": False, "net_arch": (4,)}
    model, rows = npppo.PPO(env, 0, **settings), []
    model.learn(5, lambda model, row: rows.append(row))
    assert [row["timesteps"] for row in rows] == [1, 1, 2, 2, 3, 3, 4, 4, 5]
    assert len({tuple(row) for row in rows}) == 1


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ("Nope-v0", r"cannot make the environment 'Nope-v0': .*Nope"),
        ("CartPole-v99", r"'CartPole-v99': .*v99"),
        ("no_such_module:Env-v0", r"No module named 'no_such_module'"),
        ("no such id", r"'no such id'"),
        ("", r"environment ''"),
        (3, r"env is 3, expected the id of an environment"),
        (Walk, r"env is .*Walk.*, expected the id"),
    ],
)
def test_an_environment_that_cannot_be_made_is_named(env, said):
    with pytest.raises(ValueError, match=said):
        npppo.PPO(env)


def test_a_missing_package_is_named_with_how_to_install_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "Box2D", None)
    with pytest.raises(ValueError, match=r"'LunarLander-v3': .*pip install.*box2d"):
        npppo.PPO("LunarLander-v3")


def test_unsupported_spaces_and_modes_are_refused_at_once():
    with pytest.raises(ValueError, match=r"observation\['said'\] is Text.* expected Box"):
        npppo.PPO(OneStep(None, Dict({"said": Text(5)}), Discrete(2)), 0)
    with pytest.raises(ValueError, match=r"autoreset_mode.*DISABLED"):
        npppo.PPO(sync(Walk, gymnasium.vector.AutoresetMode.DISABLED))


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (["MlpPolicy", "CartPole-v1"], {}),
        (["MlpPolicy", Walk()], {}),
        (["CnnPolicy"], {}),
        (["CartPole-v1"], {"policy": "MlpPolicy"}),
        ([], {"policy": "MlpPolicy", "env": "CartPole-v1"}),
    ],
    ids=["id", "environment", "no environment", "by name", "both by name"],
)
def test_a_policy_as_of_stable_baselines_is_answered(args, named):
    with pytest.raises(
        TypeError, match=r"takes no policy: expected PPO\(env, ...\), with net_arch"
    ):
        npppo.PPO(*args, **named)


# Hyperparameters


def test_a_preset_stands_in_for_the_defaults():
    preset = {k: v for k, v in PRESETS["PPO"]["CartPole-v1"].items() if k != "total_timesteps"}
    assert npppo.PPO("CartPole-v1").config == PPOConfig(**preset)
    assert npppo.PPO("CartPole-v1", gamma=0.5).config == PPOConfig(**{**preset, "gamma": 0.5})
    assert npppo.PPO("FrozenLake8x8-v1").config == PPOConfig()
    assert PPOConfig(**preset) != PPOConfig()


# Its PPO, its MlpPolicy, and 2048 rows to an update, which it takes from one environment
STABLE_BASELINES3 = {
    **{"learning_rate": 3e-4, "batch_size": 64, "n_epochs": 10, "gamma": 0.99, "gae_lambda": 0.95},
    **{"clip_range": 0.2, "clip_range_vf": None, "normalize_advantage": True, "ent_coef": 0.0},
    **{"vf_coef": 0.5, "max_grad_norm": 0.5, "target_kl": None},
    **{"net_arch": (64, 64), "activation": "tanh", "shared_trunk": False},
}


def test_the_defaults_are_those_of_stable_baselines3():
    config = dataclasses.asdict(PPOConfig())
    n_envs, n_steps = config.pop("n_envs"), config.pop("n_steps")
    assert (n_envs, n_envs * n_steps) == (8, 2048)
    assert config.pop("learning_rate_end") is config.pop("clip_range_end") is None
    assert (config.pop("optimizer"), config.pop("objective")) == ("adam", "clip")
    assert not config.pop("recompute_advantages")
    assert config.pop("vectorization") == "auto"
    # its VecNormalize, which is off unless asked for
    assert not config.pop("normalize_observations") | config.pop("normalize_rewards")
    assert (config.pop("clip_observations"), config.pop("clip_rewards")) == (10, 10)
    others = ("clip_range_high", "clip_bound", "kl_coef", "kl_target", "learning_rate_kl")
    assert {config.pop(name) for name in others} == {None}
    assert config == STABLE_BASELINES3
    shape = config["net_arch"], config["activation"], config["shared_trunk"]
    assert Architecture(3, 2) == Architecture(3, 2, "categorical", *shape)


def test_the_preset_is_the_one_that_was_measured():
    """Whoever changes it measures the README's table again."""
    assert PRESETS["PPO"]["CartPole-v1"] == {
        **{"total_timesteps": 100_000, "n_envs": 32, "n_steps": 32, "batch_size": 256},
        **{"n_epochs": 5, "learning_rate": 0.004, "learning_rate_end": 0, "gamma": 0.98},
        **{"gae_lambda": 0.95, "ent_coef": 0.003},
    }


HYPERPARAMETERS = {made.name for made in dataclasses.fields(PPOConfig)}


@pytest.mark.parametrize("env_id", PRESETS["PPO"])
def test_presets_are_hyperparameters(env_id):
    assert npppo.PPO.configure(env_id, {}) != PPOConfig()
    assert set(PRESETS["PPO"][env_id]) <= {"total_timesteps", *HYPERPARAMETERS}


@pytest.mark.parametrize("algo", PRESETS)
def test_what_is_given_beside_a_preset_is_not_at_odds_with_it(algo):
    kind = learner.ALGORITHMS[algo]
    for env_id in PRESETS[algo]:
        config = kind.configure(env_id, {"n_envs": 1, "n_steps": 8, "learning_rate": constant})
        assert (config.n_envs, config.n_steps, config.learning_rate_end) == (1, 8, None)
        assert getattr(config, "batch_size", 8) <= 8
    with pytest.raises(ValueError, match=r"learning_rate_end is 0.5, but learning_rate is a fun"):
        kind.configure("CartPole-v1", {"learning_rate": constant, "learning_rate_end": 0.5})


def constant(fraction):
    return 1e-3


def test_an_error_says_what_is_the_presets():
    said = r"batch_size is 2000, .*1024 \(n_envs and n_steps: the preset of CartPole-v1\)"
    with pytest.raises(ValueError, match=said):
        npppo.PPO.configure("CartPole-v1", {"batch_size": 2000})
    for env_id, given in [("CartPole-v1", {"n_envs": 4, "n_steps": 4}), ("FrozenLake8x8-v1", {})]:
        with pytest.raises(ValueError, match=r"batch_size is 5000, expected .* = \d+$"):
            npppo.PPO.configure(env_id, {**given, "batch_size": 5000})
    # its batch_size of 256 has been made smaller: it is not the preset's any more
    with pytest.raises(ValueError, match=r"^batch_size is 1, expected 2 or more .*never moves$"):
        npppo.PPO("CartPole-v1", n_envs=1, n_steps=1)


def test_an_unknown_hyperparameter_is_named_with_the_known_ones():
    with pytest.raises(TypeError, match=r"'learning_rat' .*learning_rate"):
        npppo.PPO("CartPole-v1", learning_rat=1)
    with pytest.raises(TypeError, match="total_timesteps"):
        npppo.PPO("CartPole-v1", total_timesteps=10)


POSITIVE = (
    "learning_rate clip_range clip_range_vf clip_range_high max_grad_norm target_kl kl_target "
    "learning_rate_kl kl_coef clip_observations clip_rewards"
)
FROM_0_ON = "learning_rate_end clip_range_end ent_coef vf_coef"
FROM_0_TO_1 = "gamma gae_lambda"
WHOLE = "n_envs n_steps batch_size n_epochs"
FLAGS = (
    *("normalize_advantage", "recompute_advantages", "shared_trunk"),
    *("normalize_observations", "normalize_rewards"),
)
OUT_OF_RANGE = [
    *[(name, value) for name in POSITIVE.split() for value in (0, -1e-9, np.nan, np.inf, "1")],
    *[(name, value) for name in FROM_0_ON.split() for value in (-1e-9, np.nan, np.inf, True, [])],
    *[(name, value) for name in FROM_0_TO_1.split() for value in (-0.1, 1.1, np.nan, None, "x")],
    *[(name, value) for name in WHOLE.split() for value in (0, -3, 1.0, True, None, "8", np.nan)],
    *[("net_arch", value) for value in [(0,), (64, -1), (1.5,), ("64",), 64, None]],
    *[("activation", value) for value in ["gelu", "", None, 3]],
    *[
        (name, x)
        for name in ("optimizer", "objective", "vectorization")
        for x in ("adamw", None, 1)
    ],
    *[("clip_bound", value) for value in (1, 0.5, np.nan, np.inf, "2")],
    *[(name, value) for name in FLAGS for value in (1, None, "")],
    *[(name, None) for name in ("learning_rate", "clip_range", "max_grad_norm", "ent_coef")],
]


@pytest.mark.parametrize(("name", "value"), OUT_OF_RANGE, ids=lambda x: repr(x)[:20])
def test_what_is_out_of_range_is_named(name, value):
    with pytest.raises(ValueError, match=f"{name} is ") as error:
        npppo.PPO("CartPole-v1", 0, **{name: value})
    assert "expected" in str(error.value)
    assert str(value) in str(error.value)


def test_every_hyperparameter_was_tried():
    assert {name for name, _ in OUT_OF_RANGE} == HYPERPARAMETERS


IN_RANGE = {
    **{"gamma": [0, 1], "gae_lambda": [0.0, 1], "ent_coef": [0], "vf_coef": [0.0]},
    **{"learning_rate_end": [0, None], "clip_range": [2.0], "clip_range_end": [0, None]},
    **{"clip_range_vf": [None, 5], "target_kl": [None], "n_epochs": [1], "batch_size": [2, 31, 32]},
    **{"net_arch": [(), (1,), [4, 4]], "activation": ["relu"], "shared_trunk": [True]},
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in IN_RANGE.items() for value in values]
)
def test_what_is_just_in_range_learns(name, value):
    model = npppo.PPO("CartPole-v1", 0, n_envs=2, **{**TINY, name: value})
    learn_updates(model, 2)
    assert np.isfinite(model.agent.parameters).all()


def test_a_minibatch_has_more_than_one_row_where_advantages_are_normalised():
    with pytest.raises(ValueError, match=r"batch_size is 1, .*normalize_advantage=False"):
        npppo.PPO("CartPole-v1", n_envs=2, n_steps=8, batch_size=1)
    model = npppo.PPO("CartPole-v1", 0, n_steps=8, batch_size=1, normalize_advantage=False)
    before = [W.copy() for W, _ in model.agent.policy_layers]
    learn_updates(model, 1)
    for W, (now, _) in zip(before, model.agent.policy_layers, strict=True):
        assert (now != W).any()


def test_a_minibatch_is_not_larger_than_the_batch():
    npppo.PPO("CartPole-v1", n_envs=2, n_steps=8, batch_size=16)
    with pytest.raises(ValueError, match=r"batch_size is 17, .* = 16"):
        npppo.PPO("CartPole-v1", n_envs=2, n_steps=8, batch_size=17)


# Numbers that are none


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("place", ["observation", "reward"])
def test_numbers_that_are_none_stop_the_training_by_name(place, bad):
    class Broken(Walk):
        total = 0

        def step(self, action):
            Broken.total += 1
            observation, reward, *ends = super().step(action)
            if Broken.total == 2 * (16 * 2 + 1):  # environment 1, first step of update 3
                if place == "observation":
                    observation[0] = bad
                else:
                    reward = bad
            return observation, reward, *ends

    model = npppo.PPO(sync(lambda: Broken(length=10**6), SAME_STEP), 0, **TINY)
    said = f"update 3: the {place} of environment 1 is {bad}"
    with pytest.raises(FloatingPointError, match=said):
        learn_updates(model, 5)
    assert model.updates == 2
    assert np.isfinite(model.agent.parameters).all()


@pytest.mark.parametrize("env", ["native", "continuous"])
@pytest.mark.parametrize("learning_rate", [1e20, 1e30, 1e38, 1e300])
def test_a_learning_rate_out_of_all_proportion_does_not_go_unnoticed(env, learning_rate):
    model = make(env, learning_rate=learning_rate)
    with pytest.raises(FloatingPointError, match=r"update \d+: the .* is (nan|inf|-inf)"):
        learn_updates(model, 10)


@pytest.mark.parametrize("env", ["native", "continuous"])
def test_a_training_that_ends_has_finite_parameters(env):
    """Also when the very last step was the one that left the numbers."""
    model = make(env, learning_rate=1e39, n_epochs=1, batch_size=32)
    with pytest.raises(FloatingPointError, match="update 1: "):
        learn_updates(model, 1)


class Tiny(Walk):
    """Numbers whose products are below the smallest one of float32."""

    def reset(self, *, seed=None, options=None):
        return super().reset(seed=seed)[0] * 1e-38, {}

    def step(self, action):
        observation, reward, *rest = super().step(action)
        return observation * 1e-38, reward * 1e-42, *rest


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_what_underflows_ends_nothing(activation, tmp_path):
    env_id = "npppo-tests/Tiny-v0"
    gymnasium.register(env_id, Tiny)
    models = []
    for setting in ("raise", "ignore"):
        with np.errstate(all=setting):
            model = npppo.PPO(env_id, 0, n_envs=2, **TINY, activation=activation)
            learn_updates(model, 3)
            model.save(tmp_path / "model")
            learn_updates(npppo.load(tmp_path / "model"), 4)
            evaluate(model, 2)
            model.predict(np.full(2, 1e-42), deterministic=False)
        models.append(model)
    del gymnasium.registry[env_id]
    assert_same_model(*models)


# Evaluation


@pytest.mark.parametrize("deterministic", [True, False])
def test_what_is_shown_is_what_would_be_measured(deterministic):
    """Episode by episode, as with one environment; and the same at each time."""
    env_id = "npppo-tests/Shown-v0"
    gymnasium.register(env_id, Shown)
    model = npppo.PPO(env_id, 0, n_envs=1, **TINY)
    measured = evaluate(model, 5, None, 3, deterministic)
    for _ in range(2):
        shown = Evaluation(model, 5, 3, deterministic)
        shown.watch(None)
        assert shown.finished == measured
    del gymnasium.registry[env_id]
    assert len(set(measured)) > 1


class Lottery(gymnasium.Env):
    """Half of the episodes last one step, half forty; each step pays 1."""

    observation_space = Box(-1, 1, (1,), np.float64)
    action_space = Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.left = int(self.np_random.choice([1, 40]))
        return np.zeros(1), {}

    def step(self, action):
        self.left -= 1
        return np.zeros(1), 1.0, self.left == 0, False, {}


@pytest.fixture
def lottery():
    env_id = "npppo-tests/Lottery-v0"
    gymnasium.register(env_id, Lottery)
    yield env_id
    del gymnasium.registry[env_id]


def test_an_evaluation_does_not_favour_short_episodes(lottery):
    """Taking the first 200 episodes that end would find almost only those of one step."""
    results = evaluate(npppo.PPO(lottery, 0, **TINY), episodes=200)
    assert len(results) == 200
    assert {length for _, length in results} == {1, 40}
    assert all(episode_return == length for episode_return, length in results)
    assert 75 < sum(length == 40 for _, length in results) < 125  # 3.5 standard deviations


@pytest.mark.parametrize("deterministic", [True, False])
def test_an_evaluation_depends_on_its_seed_alone(deterministic):
    model = make("native")
    first, again, other = (evaluate(model, 10, None, seed, deterministic) for seed in (3, 3, 4))
    assert first == again != other


def test_an_evaluation_has_seed_0_and_each_of_its_rounds_seeds_of_its_own():
    model = make("native")  # with two environments, hence four rounds
    assert evaluate(model, 8) == evaluate(model, 8, seed=0, deterministic=True)
    assert len(set(evaluate(model, 8))) > 2


def test_an_evaluation_does_not_disturb_the_training():
    undisturbed, model = make("native"), make("native")
    for update in range(1, 5):
        learn_updates(model, update)
        evaluate(model, 3, deterministic=False)
    learn_updates(undisturbed, 4)
    assert_same_model(model, undisturbed)


@pytest.mark.parametrize("place", ["observation", "reward"])
def test_an_evaluation_of_numbers_that_are_none_ends_by_name(place):
    class Broken(Shown):
        def step(self, action):
            observation, reward, *rest = super().step(action)
            bad = np.nan if self.steps == 4 else 0
            if place == "observation":
                return observation + bad, reward, *rest
            return observation, reward + bad, *rest

    env_id = "npppo-tests/Broken-v0"
    gymnasium.register(env_id, Broken)
    model = npppo.PPO(env_id, 0, **TINY)
    for test in (evaluate, lambda *args: Evaluation(*args).watch(None)):
        with pytest.raises(FloatingPointError, match=f"the {place} of environment . is nan"):
            test(model, 3)
    del gymnasium.registry[env_id]


def test_what_gymnasium_cannot_gather_in_an_evaluation_is_explained():
    class Misshapen(Walk):
        def step(self, action):
            observation, *rest = super().step(action)
            return observation[:1], *rest

    model = npppo.PPO(Walk(), 0, **TINY)
    with pytest.raises(ValueError, match=r"^what the environment returned does not fit .*Box\("):
        evaluate(model, 1, Misshapen())


def test_an_episode_without_end_is_left_out_with_a_word(lottery):
    """Those of forty steps do not end within thirty-nine; each is counted once."""
    model = npppo.PPO(lottery, 0, **TINY)
    assert {length for _, length in evaluate(model, 50, max_steps=40)} == {1, 40}
    long = sum(length == 40 for _, length in evaluate(model, 50))
    with pytest.warns(UserWarning) as warned:
        results = evaluate(model, 50, max_steps=39)
    assert results == [(1.0, 1)] * (50 - long)
    assert str(warned[0].message) == (
        f"{50 - long} of 50 episodes were finished; {long} were not, after up to 39 steps and with "
        "a return of 39.0 to 39.0 so far (max_steps is 39): the finished ones are the short ones"
    )
    assert warned[0].filename == __file__


@pytest.mark.parametrize(("limit", "expected"), [(None, 10_000), (7, 7), (100_000, 100_000)])
def test_an_episode_may_last_as_long_as_its_environment_lets_it(limit, expected):
    env_id = "npppo-tests/Lottery-v1"
    gymnasium.register(env_id, Lottery, max_episode_steps=limit)
    model = npppo.PPO(env_id, 0, **TINY)
    del gymnasium.registry[env_id]
    assert Evaluation(model).max_steps == expected
    assert Evaluation(model, max_steps=3).max_steps == 3


@pytest.mark.parametrize(("episodes", "at_once"), [(1, 1), (3, 3), (5, 3), (9, 3), (100, 4)])
def test_an_evaluation_has_no_more_environments_than_the_training(episodes, at_once, monkeypatch):
    """Which may be all that the memory holds; each round has as many."""
    made = []

    def make_env(env_id, n_envs, vectorization):
        made.append(n_envs)
        return gymnasium.make_vec(env_id, num_envs=n_envs)

    model = npppo.PPO("CartPole-v1", 0, n_envs=4, **TINY)
    monkeypatch.setattr("npppo.training.evaluate.make_env", make_env)
    assert len(evaluate(model, episodes)) == episodes
    assert made == [at_once]


@pytest.mark.parametrize("when", [1, 2, 70])
def test_what_was_played_when_an_evaluation_is_interrupted_is_known(when, lottery, monkeypatch):
    model = npppo.PPO(lottery, 0, n_envs=20, **TINY)
    played = Evaluation(model, 100)

    def interrupt(step):
        nonlocal when
        when -= 1
        if when == 0:
            raise KeyboardInterrupt

    steps = when
    with pytest.raises(KeyboardInterrupt):
        played.play(interrupt)
    lengths = [length for _, length in played.finished]
    assert all(length in (1, 40) for length in lengths)
    assert len(lengths) + len(played.unfinished) == 20 * (1 + steps // 40)
    assert {length for _, length in played.unfinished} == {steps % 40}
    assert played.missing().startswith(f"{len(lengths)} of 100 episodes were finished; ")


def test_an_evaluation_needs_an_id_and_an_episode():
    with pytest.raises(ValueError, match="without an id"):
        evaluate(make("same step"), 1)
    with pytest.raises(ValueError, match="episodes is 0"):
        evaluate(make("native"), 0)
    with pytest.raises(ValueError, match="max_steps is 0"):
        evaluate(make("native"), 1, max_steps=0)
