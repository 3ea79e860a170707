"""examples/one_page.py: the same update as the library's, and a policy that holds the pole."""

import importlib.util
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import tolerances
from pages import ppo_config

from npppo.agents.agent import Agent, Architecture
from npppo.agents.rollout import Batch
from npppo.algorithms.descent import State
from npppo.algorithms.ppo import update

FILE = Path(__file__).parents[1] / "examples" / "one_page.py"


def one_page():
    spec = importlib.util.spec_from_file_location("one_page", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rollout(agent, rng, T=24, E=16):
    """A batch with ends of both kinds, rows that are no transition, and a policy that has moved."""
    observations = rng.normal(size=(T + 1, E, 4))
    values = agent.values(observations.reshape(-1, 4)).reshape(T + 1, E)
    (out,) = agent.policy(observations[:T].reshape(-1, 4))
    actions = rng.integers(2, size=T * E)
    log_prob = agent.evaluate(observations[:T].reshape(-1, 4), actions)[0][0]
    moved = log_prob + rng.normal(scale=0.3, size=T * E)  # ratios on both sides of the clip
    ends = rng.choice(3, size=(T, E), p=[0.8, 0.1, 0.1])
    terminated, truncated = ends == 1, ends == 2
    valid = ~np.concatenate([np.zeros((1, E), bool), (ends > 0)[:-1]])
    return Batch(
        observations[:T],
        actions.reshape(T, E),
        moved.reshape(T, E),
        (out.reshape(T, E, 2),),
        values[:T],
        values[1:],
        rng.normal(size=(T, E)),
        terminated,
        truncated,
        valid,
        observations[1:],
        np.zeros(E, bool),
    )


def test_its_update_gives_the_parameters_of_the_library():
    page, rng = one_page(), np.random.default_rng(1)
    policy, value = page.network(rng, 2, 0.5), page.network(rng, 1, 1.0)
    parameters = np.concatenate([a.ravel() for a in policy + value])
    before = parameters.copy()
    agent = Agent(Architecture(4, 2), parameters)
    batch = rollout(agent, rng)

    config = ppo_config(page, 16, 24)
    state = State(np.zeros_like(parameters), np.zeros_like(parameters))
    update(agent, state, batch, config, 1e-2, page.CLIP, np.random.default_rng(2))

    advantages = page.gae(
        batch.rewards, batch.values, batch.next_values, batch.terminated, batch.truncated
    )
    columns = (
        batch.observations,
        batch.actions,
        batch.log_probs,
        advantages,
        advantages + batch.values,
    )
    moments = {
        "m": [np.zeros_like(a) for a in policy + value],
        "v": [np.zeros_like(a) for a in policy + value],
        "step": 0,
    }
    data = [column[batch.valid] for column in columns]
    page.update(policy, value, moments, data, 1e-2, np.random.default_rng(2))
    theirs = np.concatenate([a.ravel() for a in policy + value])
    assert abs(theirs - before).max() > 1e-2
    np.testing.assert_allclose(theirs, agent.parameters, rtol=0, atol=tolerances.EXACT)


def last_returns(seed):
    return one_page().train(seed)[1]


def test_it_solves_cartpole_from_every_seed():
    with ProcessPoolExecutor(2) as pool:
        for returns in pool.map(last_returns, range(5)):
            assert len(returns) == 100
            assert np.mean(returns) >= 475
