"""The loop: the same bits from the same seed, whatever is saved, loaded or looked at on the way."""

import dataclasses
import time
import warnings
from itertools import count

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete
from properties import assert_close, assert_same
from scripted import (
    MODES,
    NEXT_STEP,
    SAME_STEP,
    Corridor,
    Scripted,
    Walk,
    scripts,
    sync,
)
from tolerances import FLOAT32

import npppo
from npppo import learner
from npppo.algorithms.ppo import PPOConfig
from npppo.checkpoint import CheckpointError, read_checkpoint, write_checkpoint
from npppo.evaluate import evaluate
from npppo.presets import PRESETS
from npppo.rollout import Player

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
    "continuous": lambda: sync(lambda: Walk(continuous=True), SAME_STEP),
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

    def callback(row):
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
        assert_same(getattr(actual.adam, name), getattr(expected.adam, name))
    assert_same(actual.agent.parameters, expected.agent.parameters)
    assert actual.adam.step == expected.adam.step
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


@pytest.mark.parametrize("seed", [-1, 1.5, "1", True, np.float64(2)], ids=repr)
def test_a_wrong_seed_is_named(seed):
    with pytest.raises(ValueError, match="seed is"):
        make("native", seed)


# Learning in pieces


@every_env
def test_learning_in_pieces_is_learning_in_one_go(env):
    """With constant rates; `learn` counts from where it starts."""
    pieces, whole = make(env), make(env)
    pieces.learn(33)
    before = pieces.num_timesteps
    pieces.learn(70)
    assert 70 <= pieces.num_timesteps - before < 70 + 2 * 16
    whole.learn_until(pieces.num_timesteps)
    assert_same_model(pieces, whole)


def test_learn_until_keeps_the_schedules_of_the_whole():
    schedules = {"learning_rate_end": 0.001, "clip_range_end": 0.0}
    pieces, whole = make("same step", **schedules), make("same step", **schedules)
    whole.learn_until(200)
    for piece in (50, 51, 130, 200):
        pieces.learn_until(200, lambda row, piece=piece: pieces.num_timesteps < piece)
    assert_same_model(pieces, whole)


def test_schedules_go_straight_from_start_to_end():
    model = make("same step", learning_rate_end=0.002, clip_range=0.3, clip_range_end=0.1)
    rows = []
    model.learn(5 * 32, rows.append)
    assert_close([row["learning_rate"] for row in rows], [0.01 - 0.008 * k / 5 for k in range(5)])
    assert_close([row["clip_range"] for row in rows], [0.3 - 0.2 * k / 5 for k in range(5)])
    rows.clear()
    model.learn(2 * 32, rows.append)  # they start again
    assert_close([row["learning_rate"] for row in rows], [0.01, 0.006])


def test_rates_without_an_end_are_constant():
    rows = []
    make("same step").learn(4 * 32, rows.append)
    assert {(row["learning_rate"], row["clip_range"]) for row in rows} == {(0.01, 0.2)}


def test_a_callback_ends_the_training_by_false_alone():
    model, calls = make("same step"), count(1)
    model.learn(10**9, lambda row: next(calls) < 4)
    assert model.updates == 3 + 1
    model.learn(32 * 3, lambda row: None)
    model.learn(32 * 3, lambda row: 0)
    assert model.updates == 4 + 3 + 3


@pytest.mark.parametrize("steps", [0, -5])
def test_nothing_to_learn_is_an_error(steps):
    with pytest.raises(ValueError, match=f"total_timesteps is {steps}"):
        make("native").learn(steps)


# The log


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_the_log_counts_transitions_and_episodes(mode):
    rows = []
    model = npppo.PPO(Scripted(scripts(), mode), 0, n_steps=20, batch_size=16, net_arch=(4,))
    batches = watch(model)
    model.learn_until(200, rows.append)
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
    make("plain").learn(200, rows.append)
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
    assert isinstance(updates, int)
    assert updates * n_steps <= 16384 < (updates + 1) * n_steps or (updates, n_steps) == (1, 20000)


def test_adam_starts_from_nothing():
    adam = make("plain").adam
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
    npppo.PPO(Walk(length=1000), 0, n_steps=1, batch_size=1).learn(1, rows.append)
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
    # once is enough, and what is saved now can be replayed as far as it can
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        learn_updates(loaded, 6)


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


def contents(tmp_path):
    model = make("native")
    learn_updates(model, 1)
    model.save(tmp_path / "model")
    return read_checkpoint(tmp_path / "model.npz")


def names_of(part):
    """Entries of every checkpoint, which a broken one may lack."""
    arrays = ["parameters", "adam_m", "adam_v", "recent", "segment_actions"]
    arrays += ["player_observations", "player_ended", "player_returns", "player_lengths"]
    meta = ["env_id", "spaces", "seed", "config", "adam_step", "updates", "segment_updates"]
    meta += ["num_timesteps", "episodes", "playing", "noise_rng", "order_rng"]
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
        ("segment_updates", 1000),
        ("updates", "many"),
        ("adam_step", None),
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
        x, velocity = batch.observations[..., 0], batch.observations[..., 1]
        joined = batch.valid[:-1] & ~(batch.terminated | batch.truncated)[:-1]
        move = x[1:] - x[:-1] - 0.02 * velocity[:-1]  # the physics of CartPole
        assert joined.sum() > 20
        assert abs(move[joined]).max() < 1e-6

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
        patched.setattr(learner, "update", interrupt)
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


def test_steps_that_are_all_no_transitions_are_survived():
    """One environment, one step: every second batch of one-step episodes has no transition."""
    one_step_episodes = scripts([[(1, (True, False))]])
    env = Scripted(one_step_episodes, NEXT_STEP)
    model, rows = npppo.PPO(env, 0, n_steps=1, batch_size=1, net_arch=(4,)), []
    model.learn(5, rows.append)
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
    with pytest.raises(ValueError, match=r"observation space is Tuple"):
        npppo.PPO("Blackjack-v1")
    with pytest.raises(ValueError, match=r"autoreset_mode.*DISABLED"):
        npppo.PPO(sync(Walk, gymnasium.vector.AutoresetMode.DISABLED))


# Hyperparameters


def test_a_preset_stands_in_for_the_defaults():
    preset = {k: v for k, v in PRESETS["CartPole-v1"].items() if k != "total_timesteps"}
    assert npppo.PPO("CartPole-v1").config == PPOConfig(**preset)
    assert npppo.PPO("CartPole-v1", gamma=0.5).config == PPOConfig(**{**preset, "gamma": 0.5})
    assert npppo.PPO("Acrobot-v1").config == PPOConfig()
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
    assert config == STABLE_BASELINES3


def test_the_preset_is_the_one_that_was_measured():
    """Whoever changes it measures the README's table again."""
    assert PRESETS == {
        "CartPole-v1": {
            **{"total_timesteps": 100_000, "n_envs": 32, "n_steps": 32, "batch_size": 256},
            **{"n_epochs": 5, "learning_rate": 0.004, "learning_rate_end": 0, "gamma": 0.98},
            **{"gae_lambda": 0.95, "ent_coef": 0.003},
        }
    }


@pytest.mark.parametrize("env_id", PRESETS)
def test_presets_are_hyperparameters(env_id):
    assert learner.configure(env_id, {}) != PPOConfig()
    assert set(PRESETS[env_id]) <= {"total_timesteps", *PPOConfig.__annotations__}


def test_an_unknown_hyperparameter_is_named_with_the_known_ones():
    with pytest.raises(TypeError, match=r"'learning_rat' .*learning_rate"):
        npppo.PPO("CartPole-v1", learning_rat=1)
    with pytest.raises(TypeError, match="total_timesteps"):
        npppo.PPO("CartPole-v1", total_timesteps=10)


POSITIVE = "learning_rate clip_range clip_range_vf max_grad_norm target_kl"
FROM_0_ON = "learning_rate_end clip_range_end ent_coef vf_coef"
FROM_0_TO_1 = "gamma gae_lambda"
WHOLE = "n_envs n_steps batch_size n_epochs"
OUT_OF_RANGE = [
    *[(name, value) for name in POSITIVE.split() for value in (0, -1e-9, np.nan, np.inf, "1")],
    *[(name, value) for name in FROM_0_ON.split() for value in (-1e-9, np.nan, np.inf, True, [])],
    *[(name, value) for name in FROM_0_TO_1.split() for value in (-0.1, 1.1, np.nan, None, "x")],
    *[(name, value) for name in WHOLE.split() for value in (0, -3, 1.0, True, None, "8", np.nan)],
    *[("net_arch", value) for value in [(0,), (64, -1), (1.5,), ("64",), 64, None]],
    *[("activation", value) for value in ["gelu", "", None, 3]],
    *[(name, value) for name in ("normalize_advantage", "shared_trunk") for value in (1, None, "")],
    *[(name, None) for name in ("learning_rate", "clip_range", "max_grad_norm", "ent_coef")],
]


@pytest.mark.parametrize(("name", "value"), OUT_OF_RANGE, ids=lambda x: repr(x)[:20])
def test_what_is_out_of_range_is_named(name, value):
    with pytest.raises(ValueError, match=f"{name} is ") as error:
        npppo.PPO("CartPole-v1", 0, **{name: value})
    assert "expected" in str(error.value)
    assert str(value) in str(error.value)


def test_every_hyperparameter_was_tried():
    assert {name for name, _ in OUT_OF_RANGE} == set(PPOConfig.__annotations__)


IN_RANGE = {
    **{"gamma": [0, 1], "gae_lambda": [0.0, 1], "ent_coef": [0], "vf_coef": [0.0]},
    **{"learning_rate_end": [0, None], "clip_range": [2.0], "clip_range_end": [0, None]},
    **{"clip_range_vf": [None, 5], "target_kl": [None], "n_epochs": [1], "batch_size": [1, 32]},
    **{"net_arch": [(), [4, 4]], "activation": ["relu"], "shared_trunk": [True]},
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in IN_RANGE.items() for value in values]
)
def test_what_is_just_in_range_learns(name, value):
    model = npppo.PPO("CartPole-v1", 0, n_envs=2, **{**TINY, name: value})
    learn_updates(model, 2)
    assert np.isfinite(model.agent.parameters).all()


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


# Evaluation


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
    first, again, other = (evaluate(model, 10, seed, deterministic) for seed in (3, 3, 4))
    assert first == again != other


def test_an_evaluation_does_not_disturb_the_training():
    undisturbed, model = make("native"), make("native")
    for update in range(1, 5):
        learn_updates(model, update)
        evaluate(model, 3, deterministic=False)
    learn_updates(undisturbed, 4)
    assert_same_model(model, undisturbed)


def test_an_evaluation_needs_an_id_and_an_episode():
    with pytest.raises(ValueError, match="without an id"):
        evaluate(make("same step"), 1)
    with pytest.raises(ValueError, match="episodes is 0"):
        evaluate(make("native"), 0)
