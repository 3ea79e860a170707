"""Training with every kind of observation, normalised: the same bits, whatever happens."""

import copy
import os
import signal
from functools import partial

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Tuple
from gymnasium.vector.utils import concatenate, create_empty_array
from properties import assert_same
from scripted import COPIES, MODES, NEXT_STEP, SAME_STEP, Scripted, Walk, scripts, sync

import npppo
from npppo.training import learner, presets, run
from npppo.training.checkpoint import CheckpointError, read_checkpoint, write_checkpoint
from npppo.training.evaluate import evaluate

BOTH = {"normalize_observations": True, "normalize_rewards": True}
SMALL = {"n_steps": 16, "net_arch": (4,)}
UPDATES = 6  # with segments of three

SPACES = {
    "box": Box(-np.inf, np.inf, (2,), np.float64),
    "image": Box(0, 255, (3, 2, 1), np.uint8),
    "discrete": Discrete(7, start=-3),
    "multi discrete": MultiDiscrete([[2, 7], [3, 2]], start=[[1, 0], [-2, 5]]),
    "bits": MultiBinary((2, 3)),
    "tuple": Tuple([Box(-9, 9, (1,), np.int16), Discrete(7)]),
    "dict": Dict(
        {
            "camera": Tuple([Box(0, 255, (2, 2), np.uint8), Box(-9, 9, (2,), np.float32)]),
            "goal": Discrete(3, start=1),
            "memory": MultiBinary(2),
        }
    ),
}
OF_CATEGORIES = ("discrete", "multi discrete", "bits")
every_space = pytest.mark.parametrize("space", SPACES)
pytestmark = pytest.mark.filterwarnings("ignore:.*an image. it is flattened")


def look(space, x):
    """A random walk's place `x`, (2,), as an observation of a space; different for most places."""
    if isinstance(space, Dict):
        return {key: look(part, x + i) for i, (key, part) in enumerate(space.spaces.items())}
    if isinstance(space, Tuple):
        return tuple(look(part, x - i) for i, part in enumerate(space.spaces))
    if isinstance(space, Discrete):
        return space.start + int(abs(x).sum() * 9) % space.n
    digits = (abs(x).sum() * 3.0 ** np.arange(np.prod(space.shape))).reshape(space.shape)
    if isinstance(space, MultiDiscrete):
        return (space.start + digits.astype(int) % space.nvec).astype(space.dtype)
    if isinstance(space, MultiBinary):
        return (digits.astype(int) % 2).astype(np.int8)
    return (digits % 9).astype(space.dtype)


class Seen(Walk):
    """A random walk that is seen through a space."""

    def __init__(self, space):
        super().__init__()
        self.observation_space = SPACES[space]

    def reset(self, *, seed=None, options=None):
        x, info = super().reset(seed=seed)
        return look(self.observation_space, x), info

    def step(self, action):
        x, *rest = super().step(action)
        return look(self.observation_space, x), *rest


def settings(space, **more):
    numbers = space not in OF_CATEGORIES
    return {**SMALL, **BOTH, "normalize_observations": numbers, **more}


def make(space, mode=NEXT_STEP, kind=npppo.A2C, **more):
    return kind(sync(partial(Seen, space), mode), 0, **settings(space, **more))


def until(updates):
    return lambda model, row: model.updates < updates


def go_on(model, updates):
    if model.updates < updates:
        model.learn_until(10**9, until(updates))
    return model


def load(path, space, mode=NEXT_STEP):
    return npppo.load(path, sync(partial(Seen, space), mode))


def everything(model):
    """All that a checkpoint holds."""
    arrays, meta = model._contents()
    return {name: array.tobytes() for name, array in arrays.items()}, meta


@pytest.fixture(autouse=True)
def short_segments(monkeypatch):
    monkeypatch.setattr(learner, "SEGMENT_STEPS", 48)


# The same bits


@every_space
@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_a_model_can_be_saved_at_every_update(space, mode, tmp_path):
    whole, model = go_on(make(space, mode), UPDATES), make(space, mode)
    for update in range(1, UPDATES + 1):
        go_on(model, update).save(tmp_path / "model")
        model = load(tmp_path / "model", space, mode)
    assert everything(model) == everything(whole)
    assert whole.player.normalizers.moments()
    assert np.ptp(whole.agent.parameters) > 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
@every_space
def test_a_training_that_is_killed_goes_on_bit_for_bit(space, tmp_path):
    """By SIGKILL, two updates after its last checkpoint, in the middle of a segment."""

    def save_and_die(model, row):
        if model.updates == 2:
            model.save(tmp_path / "model")
        if model.updates == 4:
            os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if not child:
        try:
            make(space).learn_until(10**9, save_and_die)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    model = go_on(load(tmp_path / "model", space), UPDATES)
    assert everything(model) == everything(go_on(make(space), UPDATES))


@pytest.mark.parametrize("way", COPIES)
def test_a_copy_trains_as_the_original_does(way):
    original = go_on(make("dict"), 2)
    twin = COPIES[way](original)
    go_on(original, 5)
    assert everything(go_on(twin, 5))[0] == everything(original)[0]


@pytest.mark.parametrize("kind", [npppo.REINFORCE, npppo.A2C, npppo.TRPO, npppo.PPO])
def test_every_algorithm_learns_from_normalised_numbers(kind):
    """Rewards of another scale, and observations in another unit, change next to nothing."""
    models = []
    for scale in (1.0, 1024.0):
        script = scripts([[(20, (True, False)), (15, (False, True))]])
        script = [
            [e._replace(observations=e.observations * scale, rewards=e.rewards * scale) for e in s]
            for s in script
        ]
        more = {"batch_size": 16} if kind in (npppo.TRPO, npppo.PPO) else {}
        models.append(go_on(kind(Scripted(script, SAME_STEP), 0, **SMALL, **BOTH, **more), 3))
    start = kind(Scripted(script, SAME_STEP), 0, **SMALL, **BOTH, **more).agent.parameters
    moved = [model.agent.parameters - start for model in models]
    assert abs(moved[0]).max() > 1e-3
    assert abs(moved[0] - moved[1]).max() < 0.02 * abs(moved[0]).max()
    returns = [np.array(model.recent)[:, 0] for model in models]
    assert_same(returns[1], returns[0] * 1024)  # what is reported is as the environment says


def test_the_returns_that_are_logged_are_the_environments():
    rows = {}
    for name, more in {"on": BOTH, "off": {}}.items():
        model = npppo.A2C(Scripted(scripts(), SAME_STEP), 0, **SMALL, **more)
        rows[name] = []
        model.learn(300, lambda model, row, name=name: rows[name].append(row["return"]))
    assert rows["on"] == rows["off"]


# Frozen


def frozen(model, action):
    before = {name: array.tobytes() for name, array in model.player.normalizers.moments().items()}
    result = action()
    assert {
        name: array.tobytes() for name, array in model.player.normalizers.moments().items()
    } == before
    return result


def test_a_prediction_is_of_normalised_numbers_and_counts_none():
    model = go_on(npppo.A2C(sync(Walk, NEXT_STEP), 0, **SMALL, **BOTH), 5)
    x = np.random.default_rng(0).normal(size=(40, 2)) * 3 + 1
    number, mean, squares = model.player.normalizers.observations.moments
    seen = ((x - mean) / np.sqrt(squares / number + 1e-8)).clip(-10, 10).astype(np.float32)
    (logits,) = model.agent.policy(seen)
    actions, _ = frozen(model, lambda: model.predict(x))
    assert_same(actions, logits.argmax(axis=1) - 1)
    assert len(set(actions.tolist())) > 1
    frozen(model, lambda: model.predict(x[0], deterministic=False))
    with pytest.raises(FloatingPointError, match="observation of environment 3 is inf"):
        model.predict(np.where(np.arange(40)[:, None] == 3, np.inf, x))


def test_an_evaluation_is_of_normalised_numbers_and_counts_none():
    env_id = "npppo-tests/SeenWalk-v0"
    gymnasium.register(env_id, lambda: Walk())
    model = go_on(npppo.A2C(env_id, 0, n_envs=2, **SMALL, **BOTH), 3)
    returns = frozen(model, lambda: evaluate(model, 6))
    policy, shown = model.agent.policy, []
    model.agent.policy = lambda x, mask=None: shown.append(x) or policy(x, mask)
    assert frozen(model, lambda: evaluate(model, 6)) == returns
    del gymnasium.registry[env_id]
    assert abs(np.concatenate(shown)).max() > 1.6  # the walk itself ends soon after 1
    assert all(x.dtype == np.float32 for x in shown)


@every_space
def test_one_observation_or_a_batch_may_be_predicted(space):
    model = go_on(make(space), 2)
    of = SPACES[space]
    of.seed(1)
    single = [of.sample() for _ in range(5)]
    batch = concatenate(of, single, create_empty_array(of, 5))
    actions, _ = frozen(model, lambda: model.predict(batch))
    assert actions.shape == (5,)
    for observation, action in zip(single, actions, strict=True):
        alone, _ = model.predict(observation)
        assert np.shape(alone) == ()
        assert alone == action


def test_a_prediction_for_what_is_no_observation_names_the_part():
    model = make("dict")
    of = SPACES["dict"]
    right = of.sample()
    for wrong, said in [
        (
            {**right, "goal": 9},
            r"observation\['goal'\] of environment 0 is 9, expected one of Disc",
        ),
        (
            {**right, "memory": np.zeros(3)},
            r"observation\['memory'\] has shape \(3,\), expected \(2,",
        ),
        (
            {"goal": 1},
            r"the observation is \{'goal': 1\}, expected a dict with the keys 'camera', ",
        ),
        (np.zeros(3), r"the observation is array.* expected a dict"),
        ({**right, "goal": np.array([1, 2])}, "some parts of the observation are batches"),
    ]:
        with pytest.raises(ValueError, match=said):
            model.predict(wrong)
    camera = (right["camera"][0], np.array([np.nan, 0]))
    with pytest.raises(FloatingPointError, match="observation of environment 0 is nan"):
        model.predict({**right, "camera": camera})


# Loading


def test_the_statistics_go_to_another_number_of_environments(tmp_path):
    model = go_on(npppo.A2C("CartPole-v1", 0, n_envs=2, **SMALL, **BOTH), 3)
    model.save(tmp_path / "model")
    with pytest.warns(UserWarning, match="has 2 environments, and now there are 5"):
        loaded = npppo.load(tmp_path / "model", n_envs=5)
    for name, array in model.player.normalizers.moments().items():
        assert_same(loaded.player.normalizers.moments()[name], array)
    observation = np.array([0.01, 0.2, -0.03, 0.4])
    assert loaded.predict(observation)[0] == model.predict(observation)[0]
    before = loaded.player.normalizers.moments()["observations_number"]
    go_on(loaded, 4)
    assert loaded.player.normalizers.moments()["observations_number"] == before + 5 + 5 * 16


def contents(tmp_path, **more):
    model = go_on(npppo.A2C("CartPole-v1", 0, n_envs=2, **{**SMALL, **more}), 1)
    model.save(tmp_path / "model")
    return read_checkpoint(tmp_path / "model.npz")


OWN = [
    *[f"moments_{of}_{fact}" for of in ("observations", "rewards") for fact in ("mean", "squares")],
    *("moments_observations_number", "moments_rewards_number", "player_carried"),
]


@pytest.mark.parametrize("name", OWN)
def test_statistics_that_are_missing_or_of_another_shape_are_named(name, tmp_path):
    arrays, meta = contents(tmp_path, **BOTH)
    assert set(OWN) == set(arrays) - set(contents(tmp_path)[0])
    array = arrays.pop(name)
    for broken, said in (({}, f"lacks '{name}'"), ({name: array[None]}, "has shape")):
        write_checkpoint(tmp_path / "model.npz", {**arrays, **broken}, copy.deepcopy(meta))
        with pytest.raises(CheckpointError, match=said):
            npppo.load(tmp_path / "model")


def test_a_checkpoint_older_than_normalisation_was_made_without(tmp_path, monkeypatch):
    """Whatever a preset of the environment says by now."""
    arrays, meta = contents(tmp_path)
    for name in (*BOTH, "clip_observations", "clip_rewards"):
        del meta["config"][name]
    write_checkpoint(tmp_path / "old.npz", arrays, meta)
    for_all = {"CartPole-v1": {**BOTH, "total_timesteps": 100}}
    monkeypatch.setitem(presets.PRESETS, "A2C", for_all)
    assert npppo.A2C("CartPole-v1", 0).config.normalize_rewards
    old = npppo.load(tmp_path / "old")
    assert not old.config.normalize_observations | old.config.normalize_rewards
    assert everything(go_on(old, 3))[0] == everything(go_on(npppo.load(tmp_path / "model"), 3))[0]


def test_a_run_older_than_normalisation_is_resumed(tmp_path):
    model = npppo.A2C("CartPole-v1", 0, n_envs=2, **SMALL)
    settings = {"total_timesteps": 10**4, "stop_at": None}
    run.begin(tmp_path, model, settings)
    run.train(tmp_path, model, settings, until(2))
    config = run.read_config(tmp_path)
    arrays, meta = read_checkpoint(tmp_path / run.CHECKPOINT)
    for name in (*BOTH, "clip_observations", "clip_rewards"):
        del config[name], meta["config"][name]
    write_checkpoint(tmp_path / run.CHECKPOINT, arrays, meta)
    run.write_json(tmp_path / run.CONFIG, config)
    resumed, _ = run.resume(tmp_path)
    assert (resumed.updates, resumed.config) == (model.updates, model.config)


# What is said


def test_what_flattening_an_image_means_is_said_once_before_the_training():
    with pytest.warns(UserWarning, match=r"observation is Box.*uint8\), an image: it is flattened"):
        model = make("image").learn(32)
    with pytest.warns(UserWarning) as said:
        model.learn(32)
        go_on(make("dict"), 1)
    assert len(said) == 1
    assert str(said[0].message).startswith("observation['camera'][0] is Box(0, 255, (2, 2), uint8)")


def test_to_normalise_categories_is_refused():
    with pytest.raises(ValueError, match=r"normalize_observations is True.*Discrete\(7.*a Box"):
        npppo.PPO(sync(partial(Seen, "discrete"), NEXT_STEP), 0, **BOTH)
