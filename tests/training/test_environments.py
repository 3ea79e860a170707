"""Environments side by side: whichever way they are stepped, the same rules and an exact resume."""

import copy
import multiprocessing
import os
import signal

import gymnasium
import numpy as np
import pytest
from properties import assert_same
from scripted import Walk
from test_learner import TINY, assert_same_model, learn_updates

import npppo
from npppo.cli import main
from npppo.training import learner
from npppo.training.environments import closed, make_env
from npppo.training.evaluate import Evaluation, evaluate

WAYS = ["auto", "sync", "async", "native"]
KINDS = {"sync": "SyncVectorEnv", "async": "AsyncVectorEnv", "native": "CartPoleVectorEnv"}
pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")


@pytest.fixture
def make():
    """Models, whose environments are closed at the end."""
    models = []

    def make(way, seed=0, load=None):
        made = {**TINY, "n_envs": 2, "vectorization": way}
        models.append(npppo.load(load) if load else npppo.PPO("CartPole-v1", seed, **made))
        return models[-1]

    yield make
    for model in models:
        if not model.env.closed:
            model.env.close()


def test_each_way_makes_its_own_kind(make):
    for way, kind in KINDS.items():
        assert type(make(way).env).__name__ == kind
    assert type(make("auto").env).__name__ == "CartPoleVectorEnv"
    acrobat = npppo.PPO("Acrobot-v1", n_envs=1)
    assert type(acrobat.env).__name__ == "SyncVectorEnv"


@pytest.mark.parametrize("way", WAYS)
def test_a_resumed_training_goes_on_bit_for_bit(way, make, tmp_path, monkeypatch):
    """Cut where a segment begins, and in the middle of one."""
    monkeypatch.setattr(learner, "SEGMENT_STEPS", 3 * TINY["n_steps"])
    whole = make(way)
    rows = learn_updates(whole, 8)
    assert any(row["episodes"] != rows[0]["episodes"] for row in rows)
    for cut in (3, 5):
        model = make(way)
        first = learn_updates(model, cut)
        model.save(tmp_path / "cut.npz")
        again = make(way, load=tmp_path / "cut.npz")
        assert again.config.vectorization == way
        assert type(again.env) is type(model.env)
        assert first + learn_updates(again, 8) == rows
        assert_same_model(again, whole)


def test_processes_of_their_own_give_the_same_bits_in_training_and_evaluation(make):
    one, other, native = make("sync"), make("async"), make("native")
    rows, again, natives = (learn_updates(model, 6) for model in (one, other, native))
    assert rows == again != natives
    assert_same(one.agent.parameters, other.agent.parameters)
    assert evaluate(one, 3) == evaluate(other, 3) != evaluate(native, 3)


def test_a_process_that_has_gone_is_said(make):
    said = "a process of the environment has ended"
    model = make("async")
    learn_updates(model, 1)
    os.kill(model.env.unwrapped.processes[1].pid, signal.SIGKILL)
    model.env.unwrapped.processes[1].join()
    with pytest.raises(ChildProcessError, match=said), closed(model.env):
        learn_updates(model, 2)


@pytest.mark.parametrize("which", [0, 1])
def test_a_process_that_goes_in_an_evaluation_is_said(which, make, monkeypatch):
    """While the others wait for their next action, or to be closed."""
    made = []

    def watched(*args):
        made.append(make_env(*args))
        return made[0]

    def kill(step):
        if step == 3:
            made[0].processes[which].kill()

    monkeypatch.setattr("npppo.training.evaluate.make_env", watched)
    with pytest.raises(ChildProcessError, match="a process of the environment has ended"):
        Evaluation(make("async"), 2).play(kill)
    assert not any(process.is_alive() for process in made[0].processes)


def test_a_broken_connection_of_an_environments_own_is_left_alone():
    class Remote(Walk):
        def step(self, action):
            raise ConnectionResetError("the simulator is gone")

    with pytest.raises(ConnectionResetError, match="simulator"):
        npppo.PPO(Remote(), 0, **TINY).learn(16)


def test_ctrl_c_is_for_us_alone():
    env = make_env("CartPole-v1", 2, "async")
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    for process in env.processes:
        os.kill(process.pid, signal.SIGINT)
    env.reset(seed=0)
    observations, *_ = env.step(np.array([0, 1]))
    assert observations.shape == (2, 4)
    env.close()


def test_a_copy_of_a_model_has_processes_of_its_own(make):
    model = make("async")
    twin = copy.deepcopy(model)
    assert not {p.pid for p in twin.env.processes} & {p.pid for p in model.env.processes}
    assert learn_updates(model, 2) == learn_updates(twin, 2)
    twin.env.close()


def test_a_training_leaves_no_process_behind(tmp_path):
    arguments = ["--steps", "200", "--n-envs", "2", "--vectorization", "async"]
    arguments += ["--eval-episodes", "2", "--out"]
    assert main(["train", "CartPole-v1", *arguments, str(tmp_path / "run")]) == 0
    assert multiprocessing.active_children() == []


def test_what_was_given_is_as_it_was_given(make, tmp_path):
    model = make("async")
    with pytest.raises(ValueError, match=r"vectorization is 'async', but the environment was"):
        npppo.PPO(Walk(), vectorization="async")
    model.save(tmp_path / "model.npz")
    again = npppo.load(tmp_path / "model.npz", gymnasium.make_vec("CartPole-v1", 2))
    assert again.config.vectorization == "auto"


def test_an_id_without_a_vector_environment_is_named():
    with pytest.raises(ValueError, match=r"'Acrobot-v1' by vectorization 'native': .*entry point"):
        npppo.PPO("Acrobot-v1", vectorization="native")
