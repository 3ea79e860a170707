"""The update: which rows, which gradient, how many steps; and that it learns."""

from dataclasses import replace

import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete
from properties import assert_close, assert_same, by_central_difference, by_complex_step
from scripted import (
    MODES,
    NEXT_STEP,
    Episode,
    OneStep,
    Scripted,
    play,
    scripts,
)
from tolerances import CENTRAL_DIFFERENCE, COMPLEX_STEP, SMALLEST_GRADIENT

import npppo
from npppo.agents.agent import Agent
from npppo.agents.rollout import Batch
from npppo.algorithms import descent, ppo
from npppo.algorithms.batches import minibatches as minibatches_of
from npppo.algorithms.batches import rows_of
from npppo.algorithms.descent import State
from npppo.algorithms.ppo import PPOConfig, update

STEPS = 25
GAMMA, LAM = 0.9, 0.7
SPACES = [Discrete(3), Box(-1, 1, (2,))]
every_space = pytest.mark.parametrize("space", SPACES, ids=["discrete", "box"])


def played(space=SPACES[0], mode=NEXT_STEP, dtype=np.float64, **architecture):
    """(agent, batch)"""
    agent, _, (batch,) = play(Scripted(scripts(), mode, space), STEPS, 1, dtype, **architecture)
    return agent, batch


def run_update(agent, batch, seed=0, lr=0.01, clip=0.2, **settings):
    """(log, adam) of one update; a whole batch and one epoch unless `settings` say otherwise."""
    T, E = batch.rewards.shape
    usual = {"batch_size": T * E, "n_epochs": 1, "gamma": GAMMA, "gae_lambda": LAM}
    config = PPOConfig(n_steps=T, n_envs=E, **{**usual, **settings})
    adam = State(np.zeros_like(agent.parameters), np.zeros_like(agent.parameters))
    return update(agent, adam, batch, config, lr, clip, np.random.default_rng(seed)), adam


@pytest.fixture
def minibatches(monkeypatch):
    """Of each minibatch: the parameters, what went into the loss, and the gradient's way out."""
    seen = []
    evaluate, objective, adam_step = Agent.evaluate, ppo.ppo_objective, descent.adam_step

    def spy_evaluate(agent, observations, actions, masks=None):
        outputs, cache = evaluate(agent, observations, actions, masks)
        seen.append(
            {
                "parameters": agent.parameters.copy(),
                "observations": observations,
                "actions": actions,
                "log_prob": outputs[0],
            }
        )
        return outputs, cache

    def spy_objective(*args):
        names = (
            "old_log_prob advantages targets limits vf_coef ent_coef old_values clip_vf objective"
        )
        seen[-1].update(zip(names.split(), args[3:], strict=True))
        return objective(*args)

    def spy_adam_step(param, grad, *args, **kwargs):
        seen[-1]["grad"] = grad
        return adam_step(param, grad, *args, **kwargs)

    monkeypatch.setattr(Agent, "evaluate", spy_evaluate)
    monkeypatch.setattr(ppo, "ppo_objective", spy_objective)
    monkeypatch.setattr(descent, "adam_step", spy_adam_step)
    return seen


# Which rows


@every_space
@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_every_valid_row_is_used_exactly_once_per_epoch(space, mode, minibatches):
    agent, batch = played(space, mode)
    n = int(batch.valid.sum())
    assert n % 9 and (n < batch.valid.size) == (mode is NEXT_STEP)
    log, adam = run_update(agent, batch, batch_size=9, n_epochs=3)
    assert log["epochs"] == 3
    sizes = [9] * (n // 9) + [n % 9]  # the last, smaller one is used
    assert [len(seen["observations"]) for seen in minibatches] == sizes * 3
    assert adam.step == len(sizes) * 3

    expected = batch.observations[batch.valid]
    orders = []
    for epoch in range(3):
        part = minibatches[epoch * len(sizes) : (epoch + 1) * len(sizes)]
        used = np.concatenate([seen["observations"] for seen in part])
        orders.append(used.tobytes())
        assert_same(np.sort(used, axis=0), np.sort(expected, axis=0))
    assert len({expected.tobytes(), *orders}) == 4  # in another random order each time


@every_space
def test_a_row_stays_together_when_shuffled(space, minibatches):
    agent, batch = played(space)
    rows = rows_of(batch, GAMMA, LAM)
    run_update(agent, batch, batch_size=7, normalize_advantage=False)
    names = ["actions", "old_log_prob", "old_values", "advantages", "targets"]

    def table(observations, columns):
        """observation -> the rows that have it: the same episode may come round again"""
        found = {}
        for observation, *row in zip(observations, *columns, strict=True):
            found.setdefault(observation.tobytes(), []).append(np.hstack(row).tolist())
        return {key: sorted(rows) for key, rows in found.items()}

    columns = [np.concatenate([seen[name] for seen in minibatches]) for name in names]
    used = table(np.concatenate([seen["observations"] for seen in minibatches]), columns)
    assert used == table(rows.observations, [getattr(rows, name) for name in names])
    columns[3] = np.roll(columns[3], 1)
    assert used != table(np.concatenate([seen["observations"] for seen in minibatches]), columns)


@pytest.mark.parametrize("normalize", [False, True])
def test_no_row_is_normalised_alone(normalize, minibatches):
    """A last one joins the minibatch before it: every row is still used once."""
    agent, batch = played()
    n = int(batch.valid.sum())
    size = next(size for size in range(4, n) if n % size == 1)
    run_update(agent, batch, batch_size=size, n_epochs=2, normalize_advantage=normalize)
    sizes = [size] * (n // size) + [1]
    if normalize:
        sizes[-2:] = [size + 1]
        assert all(abs(seen["advantages"]).min() > 0 for seen in minibatches)
    assert [len(seen["observations"]) for seen in minibatches] == sizes * 2
    for part in (minibatches[: len(sizes)], minibatches[len(sizes) :]):
        used = np.concatenate([seen["observations"] for seen in part])
        assert_same(np.sort(used, axis=0), np.sort(batch.observations[batch.valid], axis=0))


@pytest.mark.parametrize("normalize", [False, True])
def test_minibatches_cut_every_number_of_rows(normalize):
    for size in range(2, 9):
        for n in range(41):
            rows = [list(range(n)[part]) for part in minibatches_of(n, size, not normalize)]
            assert [row for part in rows for row in part] == list(range(n))
            lengths = [len(part) for part in rows]
            assert all(length == size for length in lengths[:-2])
            assert max(lengths, default=0) <= size + normalize
            assert (1 in lengths) == (n % size == 1 and (not normalize or n == 1))


def test_the_only_row_of_a_batch_moves_the_values_alone():
    """Its advantage is 0 where it is normalised, and there is no other row to join."""
    agent, batch = played()
    valid = np.zeros_like(batch.valid)
    valid[0, 0] = True
    before = agent.parameters.copy()
    log, adam = run_update(agent, replace(batch, valid=valid), n_epochs=3)
    assert (adam.step, log["policy_loss"]) == (3, 0)
    changed = Agent(agent.architecture, before.copy())
    for (W, b), (W_before, b_before) in zip(
        agent.policy_layers, changed.policy_layers, strict=True
    ):
        assert_same(W, W_before)
        assert_same(b, b_before)
    assert (agent.value_layers[-1][1] != changed.value_layers[-1][1]).all()


def poisoned(batch, flag):
    """With garbage in every row that is no transition."""
    invalid = ~batch.valid
    assert invalid.any()
    fields = {
        name: array.copy() for name, array in vars(batch).items() if isinstance(array, np.ndarray)
    }
    for name, array in fields.items():
        if name not in ("valid", "continues"):
            array[invalid] = {"f": np.nan, "i": 99, "b": flag}[array.dtype.kind]
    out = batch.distribution[0].copy()
    out[invalid] = np.nan
    return Batch(**fields, distribution=(out, *batch.distribution[1:]))


@every_space
@pytest.mark.parametrize("flag", [False, True])
def test_rows_that_are_no_transition_change_nothing(space, flag):
    """Bit for bit: no loss, no statistic, no normalisation, no stop depends on them."""
    settings = {"batch_size": 16, "n_epochs": 3, "clip_range_vf": 0.1, "target_kl": 1.0}
    agents, logs, adams = [], [], []
    for poison in (False, True):
        agent, batch = played(space)
        log, adam = run_update(agent, poisoned(batch, flag) if poison else batch, **settings)
        agents.append(agent)
        logs.append(log)
        adams.append(adam)
    assert_same(agents[0].parameters, agents[1].parameters)
    assert_same(adams[0].v, adams[1].v)
    assert logs[0] == logs[1]


@every_space
def test_the_poison_would_be_noticed(space):
    agent, batch = played(space)
    marked = replace(poisoned(batch, False), valid=np.ones_like(batch.valid))
    with pytest.raises((FloatingPointError, IndexError, ValueError)), np.errstate(all="ignore"):
        run_update(agent, marked)
    unmasked, masked = played(space)[0], played(space)[0]
    run_update(masked, batch)
    run_update(unmasked, replace(batch, valid=np.ones_like(batch.valid)))
    assert abs(unmasked.parameters - masked.parameters).max() > SMALLEST_GRADIENT


@every_space
def test_a_batch_without_a_transition_changes_nothing(space):
    agent, batch = played(space)
    before = agent.parameters.copy()
    usual, _ = run_update(played(space)[0], batch)
    log, adam = run_update(agent, replace(batch, valid=np.zeros_like(batch.valid)))
    assert_same(agent.parameters, before)
    assert adam.step == 0
    assert log.keys() == usual.keys()


# Which gradient


def standardized(x):
    return (x - x.mean()) / (x.std() + 1e-8)


@every_space
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("normalize", [False, True])
def test_one_epoch_of_one_minibatch_is_a2c(space, shared, normalize, minibatches):
    """At ratio 1 the surrogate's gradient is the policy gradient (Huang et al. 2022)."""
    agent, batch = played(space, shared_trunk=shared)
    before = agent.parameters.copy()
    settings = {"vf_coef": 0.7, "ent_coef": 0.3, "max_grad_norm": 1e9}
    run_update(agent, batch, normalize_advantage=normalize, **settings)
    (seen,) = minibatches
    assert abs(seen["log_prob"] - seen["old_log_prob"]).max() < 1e-13  # max |ratio - 1|
    rows = rows_of(batch, GAMMA, LAM)
    advantages = standardized(rows.advantages) if normalize else rows.advantages

    def a2c_loss(parameters):
        (log_prob, entropy, values), _ = Agent(agent.architecture, parameters).evaluate(
            rows.observations, rows.actions
        )
        policy_loss, _ = npppo.policy_gradient_loss(log_prob, advantages)
        value_loss, _ = npppo.value_loss(values, rows.targets)
        return policy_loss + 0.7 * value_loss - 0.3 * entropy.mean()

    (expected,) = by_complex_step(a2c_loss, before)
    scale = abs(expected).max()
    assert_close(seen["grad"] / scale, expected / scale, COMPLEX_STEP)
    # Adam's first step goes by the sign of each entry, but for eps = 1e-5
    assert_close(agent.parameters, before - 0.01 * expected / (abs(expected) + 1e-5))


@every_space
@pytest.mark.parametrize("clip_range_vf", [None, 0.2])
def test_every_gradient_is_that_of_the_ppo_loss(space, clip_range_vf, minibatches):
    """As the paper prints it, differentiated numerically at every minibatch of two epochs."""
    agent, batch = played(space)
    settings = {"vf_coef": 0.7, "ent_coef": 0.3, "max_grad_norm": 1e9}
    run_update(
        agent,
        batch,
        lr=0.05,
        clip=0.1,
        batch_size=20,
        n_epochs=2,
        clip_range_vf=clip_range_vf,
        **settings,
    )
    clipped_ratios = clipped_values = 0
    for seen in list(minibatches):  # the spy goes on watching

        def ppo_loss(parameters, seen=seen):
            (log_prob, entropy, values), _ = Agent(agent.architecture, parameters).evaluate(
                seen["observations"], seen["actions"]
            )
            ratio = np.exp(log_prob - seen["old_log_prob"])
            A, targets, old = seen["advantages"], seen["targets"], seen["old_values"]
            surrogate = np.minimum(ratio * A, np.clip(ratio, 0.9, 1.1) * A).mean()
            errors = (values - targets) ** 2
            if clip_range_vf is not None:
                clipped = old + np.clip(values - old, -0.2, 0.2)
                errors = np.maximum(errors, (clipped - targets) ** 2)
            return -surrogate + 0.7 * errors.mean() / 2 - 0.3 * entropy.mean()

        (expected,) = by_central_difference(ppo_loss, seen["parameters"])
        scale = abs(expected).max()
        assert scale > SMALLEST_GRADIENT
        assert_close(seen["grad"] / scale, expected / scale, CENTRAL_DIFFERENCE)
        assert_close(seen["advantages"].mean(), 0.0)  # normalised minibatch by minibatch
        assert_close(seen["advantages"].std(), 1.0, 1e-7)  # std + 1e-8
        clipped_ratios += (abs(np.exp(seen["log_prob"] - seen["old_log_prob"]) - 1) > 0.1).sum()
        values = Agent(agent.architecture, seen["parameters"]).values(seen["observations"])
        clipped_values += (abs(values - seen["old_values"]) > 0.2).sum()
    assert clipped_ratios > 10 and clipped_values > 10  # both clips had something to do


def test_the_gradient_norm_is_limited_and_logged_as_it_was(minibatches):
    norms, logged, steps = [], [], []
    for max_norm in (1e9, 0.01):
        agent, batch = played()
        before = agent.parameters.copy()
        log, _ = run_update(agent, batch, max_grad_norm=max_norm)
        norms.append(np.sqrt((minibatches[-1]["grad"] ** 2).sum()))
        logged.append(log["grad_norm"])
        steps.append(agent.parameters - before)
    assert norms[0] > 0.1
    assert_close(norms[1], 0.01)
    assert_close(logged, [norms[0], norms[0]])
    direction = [seen["grad"] / norm for seen, norm in zip(minibatches, norms, strict=True)]
    assert_close(direction[0], direction[1])


@pytest.mark.parametrize("lr", [0.01, 1e-4])
def test_the_step_is_adam_s_with_an_epsilon_of_1e_5(lr, minibatches):
    """Felt where a gradient is of that size."""
    agent, batch = played()
    before, zeros = agent.parameters.copy(), np.zeros_like(agent.parameters)
    _, adam = run_update(agent, batch, lr=lr, max_grad_norm=1e-4)
    args = before, minibatches[0]["grad"], zeros, zeros, 1, lr
    expected, m, v = npppo.adam_step(*args, beta1=0.9, beta2=0.999, eps=1e-5)
    for actual, wanted in ((agent.parameters, expected), (adam.m, m), (adam.v, v)):
        assert_same(actual, wanted)
    assert abs(agent.parameters - npppo.adam_step(*args)[0]).max() > lr / 100


def test_value_clipping_is_only_felt_where_values_have_moved():
    def parameters(**settings):
        agent, batch = played()
        run_update(agent, batch, lr=0.05, **settings)
        return agent.parameters

    for n_epochs in (1, 5):
        unclipped = parameters(n_epochs=n_epochs)
        assert_close(parameters(n_epochs=n_epochs, clip_range_vf=1e6), unclipped)
        clipped = parameters(n_epochs=n_epochs, clip_range_vf=0.01)
        if n_epochs == 1:
            assert_close(clipped, unclipped)
        else:
            assert abs(clipped - unclipped).max() > SMALLEST_GRADIENT


# How many steps


def steps_with(target_kl, lr=0.02, **settings):
    """(Adam steps, log)"""
    agent, batch = played()
    log, adam = run_update(agent, batch, lr=lr, target_kl=target_kl, **settings)
    return adam.step, log


def test_a_tiny_target_kl_allows_the_first_step_alone():
    """There the policy is still the old one: KL = 0 but for rounding."""
    agent, batch = played()
    run_update(agent, batch, lr=0.02, batch_size=16)
    one_step, batch = played()
    run_update(one_step, batch, lr=0.02, n_epochs=1, batch_size=16, target_kl=1e-9)
    assert abs(one_step.parameters - played()[0].parameters).max() < 0.0201  # one step of Adam
    assert abs(agent.parameters - played()[0].parameters).max() > 0.03
    steps, log = steps_with(1e-9, batch_size=16, n_epochs=4)
    assert (steps, log["epochs"]) == (1, 0)


def test_the_kl_stop_is_at_one_and_a_half_times_the_target():
    """Two epochs of the whole batch: the KL before the second step is that after the first."""
    _, first = steps_with(None, n_epochs=1)
    kl = first["kl"]
    assert kl > 1e-4
    above, below = (kl / 1.5 * (1 + side) for side in (1e-9, -1e-9))
    steps, log = steps_with(above, n_epochs=2)
    assert (steps, log["epochs"]) == (2, 2)
    steps, log = steps_with(below, n_epochs=2)
    assert (steps, log["epochs"]) == (1, 1)
    assert log["kl"] == kl


def test_a_stop_ends_the_whole_update():
    """All that remains of its epoch and the epochs after it."""
    settings = {"batch_size": 16, "n_epochs": 20, "lr": 0.005}
    steps, log = steps_with(None, **settings)
    assert (steps, log["epochs"]) == (20 * 4, 20)
    stopped, log = steps_with(log["kl"] / 3, **settings)  # at half of where it would have gone
    assert 4 < stopped < 60
    assert log["epochs"] == stopped // 4


@every_space
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_columns_of_the_log_are_always_the_same(space, dtype):
    """However early the stop: progress.csv has one header for all rows."""
    columns = set()
    for target_kl in (None, 1e-2, 1e-6):
        agent, batch = played(space, dtype=dtype)
        # a policy that is a little off from the start, as by rounding: the last stops at once
        out = batch.distribution[0] + np.linspace(0, 0.01, batch.distribution[0].shape[-1])
        moved = replace(batch, distribution=(out, *batch.distribution[1:]))
        log, adam = run_update(agent, moved, batch_size=16, target_kl=target_kl)
        columns.add(tuple(log))
    assert adam.step == 0
    assert len(columns) == 1


@every_space
def test_float32_stays_float32(space):
    """All of it: float64 moments would double the work and the checkpoint."""
    agent, batch = played(space, dtype=np.float32)
    _, adam = run_update(agent, batch, batch_size=16, n_epochs=2)
    assert (adam.m.dtype, adam.v.dtype, agent.parameters.dtype) == (np.float32,) * 3


# What is logged


def test_the_log_says_how_far_the_policy_has_moved():
    agent, batch = played()
    log, _ = run_update(agent, batch, lr=0.05, clip=0.1, n_epochs=5, batch_size=16)
    rows = rows_of(batch, GAMMA, LAM)

    def log_softmax(logits):
        return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))

    old = log_softmax(rows.old_distribution[0])
    new = log_softmax(agent.policy(rows.observations)[0])
    each = np.arange(len(rows.actions)), rows.actions
    ratio = np.exp(new[each] - old[each])
    assert_close(log["kl"], (np.exp(old) * (old - new)).sum(axis=1).mean())
    assert_close(log["approx_kl"], (ratio - 1 - np.log(ratio)).mean())
    assert_close(log["clip_fraction"], (abs(ratio - 1) > 0.1).mean())
    assert_close(log["max_ratio"], ratio.max())
    explained = 1 - np.var(rows.targets - rows.old_values) / np.var(rows.targets)
    assert_close(log["explained_variance"], explained)
    assert 0 < log["clip_fraction"] < 1 < log["max_ratio"]


def test_the_log_says_what_was_minimised():
    agent, batch = played()
    rows = rows_of(batch, GAMMA, LAM)
    logits = agent.policy(rows.observations)[0]
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    log, _ = run_update(agent, batch, normalize_advantage=False)
    assert_close(log["policy_loss"], -rows.advantages.mean())
    assert_close(log["value_loss"], 0.5 * ((rows.targets - rows.old_values) ** 2).mean())
    assert_close(log["entropy"], -(p * np.log(p)).sum(axis=1).mean())
    assert log["epochs"] == 1
    assert all(isinstance(number, int | float) for number in log.values())


def test_two_halves_of_a_batch_are_logged_by_their_mean(minibatches):
    agent, batch = played()
    log, _ = run_update(agent, batch, batch_size=40, normalize_advantage=False)
    assert len(minibatches) == 2
    entropies = []
    for seen in list(minibatches):  # the spy goes on watching
        (_, entropy, _), _ = Agent(agent.architecture, seen["parameters"]).evaluate(
            seen["observations"], seen["actions"]
        )
        entropies.append(entropy.mean())
    assert_close(log["entropy"], np.mean(entropies))


# What is not finite


@pytest.mark.parametrize("place", ["rewards", "values", "log_probs"])
def test_a_loss_that_is_no_number_stops_the_update(place):
    agent, batch = played()
    before = agent.parameters.copy()
    array = getattr(batch, place).copy()
    array[0, 0] = np.nan
    with pytest.raises(FloatingPointError, match="loss is nan"):
        run_update(agent, replace(batch, **{place: array}))
    assert_same(agent.parameters, before)


def test_a_gradient_that_is_no_number_stops_the_update():
    """A ratio that overflows where the clip hides it from the loss."""
    agent, batch = played()
    log_probs = batch.log_probs - 800.0
    with np.errstate(all="ignore"), pytest.raises(FloatingPointError, match=r"is (nan|inf|-inf)"):
        run_update(agent, replace(batch, log_probs=log_probs))


def test_a_step_that_leaves_the_numbers_is_found_at_once():
    """Not in the next update: there may be none, and then nobody would know."""
    agent, batch = played(dtype=np.float32)
    with np.errstate(all="ignore"), pytest.raises(FloatingPointError):
        run_update(agent, batch, lr=1e39)


# Learning


SMALL = {"net_arch": (32,), "n_epochs": 4, "batch_size": 64, "learning_rate": 0.01}


def matching(observations, actions):
    return (actions + 1 == observations).astype(float)


def bandit():
    """Four observations, and the action that goes with each."""
    return OneStep(matching, Discrete(4), Discrete(4, start=-1))


def mean_return(model):
    return np.mean([episode_return for episode_return, _ in model.recent])


@pytest.mark.parametrize("seed", range(5))
def test_the_bandit_is_solved(seed):
    model = npppo.PPO(bandit(), seed, n_steps=16, **SMALL)
    model.learn(256)
    assert mean_return(model) < 0.6
    model.learn(12 * 256)
    assert mean_return(model) > 0.95
    assert model.predict(np.arange(4))[0].tolist() == [-1, 0, 1, 2]


@pytest.mark.parametrize(
    "settings",
    [{"shared_trunk": True}, {"activation": "relu"}, {"clip_range_vf": 0.2}, {"target_kl": 0.05}],
    ids=str,
)
def test_the_bandit_is_solved_with_every_option(settings):
    model = npppo.PPO(bandit(), 0, n_steps=16, **SMALL, **settings).learn(30 * 256)
    assert mean_return(model) > 0.95


def test_a_bandit_that_pays_at_random_is_not_learned():
    """0.95 is no accident of the environment."""
    random = np.random.default_rng(0)
    env = OneStep(lambda o, a: random.integers(2, size=len(a)) * 1.0, Discrete(4), Discrete(4))
    assert mean_return(npppo.PPO(env, 0, n_steps=16, **SMALL).learn(12 * 256)) < 0.7


def squared_distance(observations, actions):
    return -((actions - observations) ** 2).sum(axis=1)


@pytest.mark.parametrize("seed", range(5))
def test_continuous_actions_are_learned(seed):
    env = OneStep(squared_distance, Box(-1, 1, (2,)), Box(-3, 3, (2,)))
    model = npppo.PPO(env, seed, n_steps=16, learning_rate_end=0.0, **SMALL)
    points = np.array([[-0.8, 0.5], [0.0, 0.0], [0.7, 0.6], [0.4, -0.9]])
    before = abs(model.predict(points)[0] - points).max()
    model.learn(120 * 256)
    assert before > 0.5
    assert abs(model.predict(points)[0] - points).max() < 0.2
    log_std = model.agent.policy(points)[1]
    assert (log_std < -0.5).all()


def constant_reward(terminated, mode):
    """A reward of 1 for ever, in pieces of five steps; nothing to see, nothing to do."""
    episode = Episode(np.ones((6, 1)), np.ones(5), terminated, not terminated)
    return Scripted([[episode]] * 4, mode)


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_a_truncated_life_goes_on_a_terminated_one_does_not(mode):
    """1 + γ + γ² + ... = 1/(1-γ) = 10, though no episode pays more than 5."""
    values = {}
    for terminated in (False, True):
        env = constant_reward(terminated, mode)
        model = npppo.PPO(env, 0, n_steps=30, gamma=0.9, gae_lambda=0.8, **SMALL)
        model.learn(100 * 4 * 25)
        values[terminated] = model.agent.values(np.ones((1, 1)))[0]
    assert values[False] == pytest.approx(10, rel=0.02)
    # at most what λ = 0 finds, V = 1 + γ 4/5 V; at least λ = 1's mean of (1 - γ^k)/(1 - γ)
    assert 2.6 < values[True] < 3.6


def test_successive_updates_carry_adam_on():
    """Two updates with one State make the same first step as with fresh ones, no other."""
    agent, batch = played()
    fresh, _ = played()
    config = PPOConfig(n_steps=STEPS, n_envs=3, batch_size=75, n_epochs=1)
    adam = State(np.zeros_like(agent.parameters), np.zeros_like(agent.parameters))
    for step in (1, 2):
        update(agent, adam, batch, config, 0.01, 0.2, np.random.default_rng(0))
        run_update(fresh, batch, gamma=config.gamma, gae_lambda=config.gae_lambda)
        assert adam.step == step
        assert (abs(agent.parameters - fresh.parameters).max() < SMALLEST_GRADIENT) == (step == 1)
