"""REINFORCE, A2C and TRPO: their updates from known batches, and what joins them with PPO."""

from dataclasses import replace
from functools import partial

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete, MultiBinary, MultiDiscrete
from properties import assert_close, assert_same
from scripted import MODES, NEXT_STEP, SAME_STEP, Scripted, play, scripts, sync
from tolerances import COMPLEX_STEP

import npppo
from npppo.agents.agent import Agent
from npppo.agents.rollout import valued
from npppo.algorithms import a2c, ppo, reinforce, trpo
from npppo.algorithms.batches import minibatches, rows_of
from npppo.algorithms.descent import State

STEPS = 25
SPACES = [Discrete(3), MultiDiscrete([2, 3]), MultiBinary(2), Box(-1, 1, (2,))]
every_space = pytest.mark.parametrize("space", SPACES, ids=lambda space: type(space).__name__)
every_mode = pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
ALGORITHMS = [npppo.REINFORCE, npppo.A2C, npppo.TRPO, npppo.PPO]
every_algorithm = pytest.mark.parametrize("kind", ALGORITHMS, ids=lambda kind: kind.__name__)


def played(space=SPACES[0], mode=NEXT_STEP, batches=1, **architecture):
    """(agent, [batch, ...])"""
    agent, _, made = play(Scripted(scripts(), mode, space), STEPS, batches, **architecture)
    return agent, made


def unmoved(agent):
    return State(np.zeros_like(agent.parameters), np.zeros_like(agent.parameters))


class InOrder:
    """A generator whose permutations leave everything where it is."""

    def permutation(self, n):
        return np.arange(n)


def with_exact_ratios(agent, batch):
    """The batch as if its log-probabilities came from one evaluation of all valid rows.

    Those of a rollout come from a few rows at a time and differ in the last bit.
    """
    valid = batch.valid
    (log_prob, _, _), _ = agent.evaluate(batch.observations[valid], batch.actions[valid])
    log_probs = batch.log_probs.copy()
    log_probs[valid] = log_prob
    return replace(batch, log_probs=log_probs)


# A2C


@every_space
@pytest.mark.parametrize("optimizer", ["adam", "rmsprop", "sgd"])
def test_ppo_with_one_step_is_a2c_bit_for_bit(space, optimizer):
    """One epoch of one minibatch, without normalisation: the ratio is 1, and nothing is clipped."""
    agent, (batch,) = played(space)
    batch = with_exact_ratios(agent, batch)
    twin = Agent(agent.architecture, agent.parameters.copy())
    T, E = batch.rewards.shape
    same = {"n_steps": T, "n_envs": E, "gae_lambda": 1.0, "ent_coef": 0.02, "optimizer": optimizer}
    one = a2c.update(agent, unmoved(agent), batch, a2c.A2CConfig(**same), 0.01, InOrder())
    settings = {"batch_size": T * E, "n_epochs": 1, "normalize_advantage": False}
    config = ppo.PPOConfig(**same, **settings)
    other = ppo.update(twin, unmoved(twin), batch, config, 0.01, 0.2, InOrder())
    assert_same(agent.parameters, twin.parameters)
    for name in ("value_loss", "entropy", "grad_norm", "explained_variance"):
        assert one[name] == other[name]
    assert other["max_ratio"] != 1  # it has moved

    for change in ({"gae_lambda": 0.9}, {"ent_coef": 0.03}, {"n_epochs": 2}, {"vf_coef": 0.4}):
        third = Agent(agent.architecture, played(space)[0].parameters)
        changed = ppo.PPOConfig(**{**same, **settings, **change})
        ppo.update(third, unmoved(third), batch, changed, 0.01, 0.2, InOrder())
        assert (third.parameters != agent.parameters).any()


# REINFORCE


@every_mode
@pytest.mark.parametrize("baseline", ["none", "mean", "value"])
def test_reinforce_learns_from_whole_episodes_each_once(mode, baseline, monkeypatch):
    """Also from those that go on across batches: none is cut, none is used twice."""
    seen = []
    spied = reinforce.policy_gradient_loss

    def spy(log_prob, advantages):
        seen.append(advantages)
        return spied(log_prob, advantages)

    monkeypatch.setattr(reinforce, "policy_gradient_loss", spy)
    gamma = 0.9
    agent, _, batches = play(Scripted(scripts(), mode, Discrete(3)), 4, 8)
    state = unmoved(agent)
    config = reinforce.REINFORCEConfig(baseline=baseline, gamma=gamma, n_steps=4, n_envs=3)
    values = []
    for batch in batches:
        before = len(seen)
        played, whole = reinforce.joined(State(state.m, state.v, 0, dict(state.more)), batch)
        rows = played["valid"] & whole
        values.append(agent.values(played["observations"][rows]) if rows.any() else None)
        reinforce.update(agent, state, batch, config, 0.0, None)
        assert len(seen) == before + rows.any()

    expected = []
    for script in scripts():
        rows = 8 * 4
        made = 0
        for number in range(100):
            episode = script[number % len(script)]
            L = len(episode.rewards)
            if made + L > rows:
                break
            made += L + (mode is NEXT_STEP)
            cut = episode.truncated and not episode.terminated and baseline == "value"
            end = agent.values(episode.observations[-1:])[0] if cut else 0.0
            G = [
                sum(gamma**k * r for k, r in enumerate(episode.rewards[t:]))
                + gamma ** (L - t) * end
                for t in range(L)
            ]
            expected += zip(G, agent.values(episode.observations[:L]), strict=True)
    if baseline == "mean":
        # each batch has a mean of its own: what is left is the sum of nothing
        assert sum(len(part) for part in seen) == len(expected)
        for part in seen:
            assert_close(part.mean(), 0.0)
        return
    wanted = sorted(G - (value if baseline == "value" else 0) for G, value in expected)
    assert_close(np.sort(np.concatenate(seen)), np.array(wanted))


def test_an_episode_that_does_not_go_on_was_cut():
    """Where a segment ends new episodes begin everywhere: what waited is not joined to them."""
    agent, (first, second) = played(mode=SAME_STEP, batches=2)
    state = unmoved(agent)
    played_first, whole = reinforce.joined(state, first)
    waiting = int((played_first["valid"] & ~whole).sum())
    assert waiting
    second = replace(second, continues=np.zeros(3, bool))
    both, whole = reinforce.joined(state, second)
    cut = len(both["valid"]) - STEPS - 1
    assert both["truncated"][cut].all() and whole[: cut + 1].all()
    assert second.truncated is not both["truncated"]
    assert both["valid"][: cut + 1].sum() == waiting


def test_a_baseline_lowers_the_variance_of_the_gradient():
    """With returns far from 0, that of a mean is much lower, and the value's lower still."""
    agent, batches = played(batches=40, mode=SAME_STEP)
    spread = {}
    for baseline in ("none", "mean"):
        gradients = []
        for batch in batches:
            batch = replace(batch, rewards=batch.rewards + 10)
            twin = Agent(agent.architecture, agent.parameters.copy())
            config = reinforce.REINFORCEConfig(
                baseline=baseline, optimizer="sgd", max_grad_norm=1e9, n_steps=STEPS, n_envs=3
            )
            reinforce.update(twin, unmoved(twin), batch, config, 1.0, None)
            gradients.append(twin.parameters - agent.parameters)
        spread[baseline] = np.var(gradients, axis=0).sum()
    assert spread["mean"] < spread["none"] / 3


# TRPO


def trust_region(agent, batch, **settings):
    config = trpo.TRPOConfig(**settings)
    rows = rows_of(batch, 0.9, 0.7)
    return trpo.trust_region_step(agent, rows, config), rows


@every_space
@pytest.mark.parametrize("shared", [False, True])
def test_the_fisher_product_is_the_hessian_of_the_mean_kl(space, shared):
    """The explicit matrix: the mean KL's gradient by complex step, column by column."""
    agent, (batch,) = played(space, shared_trunk=shared)
    rows = rows_of(batch, 0.9, 0.7)
    P = len(agent.parameters)
    _, cache = agent.evaluate(rows.observations, rows.actions)
    F = np.empty((P, P))
    for i in range(P):
        moved = agent.parameters + 1e-30j * (np.arange(P) == i)
        twin = Agent(agent.architecture, moved)
        _, twin_cache = twin.evaluate(rows.observations, rows.actions)
        kl, kl_cache = twin.head.kl(*cache.distribution, *twin_cache.distribution)
        dkl = np.full(len(kl), 1 / len(kl))
        F[:, i] = (
            twin.policy_backward(twin.head.kl_backward(dkl, kl_cache), twin_cache).imag / 1e-30
        )
    v = np.random.default_rng(0).normal(size=P)
    scale = abs(F @ v).max()
    product = trpo.fisher_product(agent, cache, v)
    assert_close(product / scale, F @ v / scale, COMPLEX_STEP)
    assert_close(F, F.T)


@every_space
def test_the_step_improves_within_the_trust_region(space):
    agent, (batch,) = played(space)
    log, rows = trust_region(agent, batch, max_kl=0.01)
    kl, _ = agent.head.kl(*rows.old_distribution, *agent.policy(rows.observations))
    assert 0.001 < log.kl <= 0.01 and log.kl == kl.mean()
    before, _ = played(space)
    advantages = npppo.normalize_advantages(rows.advantages)
    losses = []
    for one in (before, agent):
        (log_prob, _, _), _ = one.evaluate(rows.observations, rows.actions)
        losses.append(-np.mean(np.exp(log_prob - rows.old_log_prob) * advantages))
    assert losses[1] < losses[0]


def test_without_damping_the_quadratic_form_of_the_step_is_max_kl():
    """Half of it: what the mean KL is to lowest order. A share of the step has its square of it."""
    agent, (batch,) = played()
    before = agent.parameters.copy()
    for max_kl in (1e-2, 1e-6):
        log, rows = trust_region(agent, batch, max_kl=max_kl, damping=0.0)
        step = (agent.parameters - before) / log.step_share
        agent.parameters = before
        _, cache = agent.evaluate(rows.observations, rows.actions)
        form = step @ trpo.fisher_product(agent, cache, step)
        assert_close(form / 2 / max_kl, 1.0)


@pytest.mark.parametrize("reason", ["kl", "no improvement"])
def test_a_rejected_step_leaves_the_policy_bit_for_bit(reason, monkeypatch):
    agent, (batch,) = played()
    before = agent.parameters.copy()
    if reason == "kl":
        monkeypatch.setattr(trpo, "SHRINK", 1.0)
        tried = []
        kl = agent.head.kl

        def too_far(*args):
            out, cache = kl(*args)
            tried.append(out)
            return out + 1, cache

        agent.head = replace(agent.head, kl=too_far)
        log, _ = trust_region(agent, batch)
        assert len(tried) == 10
    else:  # in the opposite direction everything gets worse
        solve = trpo.conjugate_gradient
        monkeypatch.setattr(trpo, "conjugate_gradient", lambda *args: -solve(*args))
        log, _ = trust_region(agent, batch)
    assert log.step_share == log.kl == 0
    assert_same(agent.parameters, before)


def test_the_line_search_takes_the_first_step_that_fits(monkeypatch):
    """A step that is too long is shortened, no more than it must be."""
    shares = []
    for stretch in (1.0, 3.0):
        agent, (batch,) = played()
        solve = trpo.math.sqrt
        monkeypatch.setattr(trpo.math, "sqrt", lambda x, solve=solve, s=stretch: s * solve(x))
        log, _ = trust_region(agent, batch, max_kl=1e-4)
        monkeypatch.undo()
        shares.append(log.step_share)
        assert 0 < log.kl <= 1e-4
    assert shares[1] < shares[0] / 2
    assert_close(np.log(shares[1]) / np.log(0.8), round(np.log(shares[1]) / np.log(0.8)))


def test_fitting_the_values_leaves_the_policy_alone():
    agent, (batch,) = played()
    twin = Agent(agent.architecture, agent.parameters.copy())
    trust_region(twin, batch, gamma=0.9, gae_lambda=0.7)
    T, E = batch.rewards.shape
    config = trpo.TRPOConfig(n_steps=T, n_envs=E, gamma=0.9, gae_lambda=0.7, batch_size=9)
    log = trpo.update(agent, unmoved(agent), batch, config, 0.01, np.random.default_rng(0))
    for (W, b), (V, c) in zip(agent.policy_layers, twin.policy_layers, strict=True):
        assert_same(W, V)
        assert_same(b, c)
    rows = rows_of(batch, 0.9, 0.7)
    errors = [np.mean((one.values(rows.observations) - rows.targets) ** 2) for one in (agent, twin)]
    assert errors[0] < errors[1]
    assert np.isfinite(list(log.values())).all()


# PPO's other objectives


@every_space
@pytest.mark.parametrize("adaptive", [False, True])
def test_the_gradient_of_the_penalty(space, adaptive):
    """An update of one step follows the surrogate, the other terms, and kl_coef · mean KL."""
    agent, (batch,) = played(space)
    T, E = batch.rewards.shape
    objective = "adaptive_penalty" if adaptive else "penalty"
    config = ppo.PPOConfig(
        n_steps=T, n_envs=E, gamma=0.9, gae_lambda=0.7, batch_size=T * E, n_epochs=1,
        objective=objective, kl_coef=2.5, ent_coef=0.02, optimizer="sgd", max_grad_norm=1e9,
        normalize_advantage=False,
    )  # fmt: skip
    # the rows come from another policy, or the KL's gradient would be 0
    rng = np.random.default_rng(4)
    out, *own = batch.distribution
    out = out + rng.normal(size=out.shape)
    batch = replace(batch, distribution=(out, *own))
    rows = rows_of(batch, 0.9, 0.7)
    before = agent.parameters.copy()

    def loss(parameters):
        twin = Agent(agent.architecture, parameters)
        (log_prob, entropy, values), cache = twin.evaluate(rows.observations, rows.actions)
        ratio = np.exp(log_prob - rows.old_log_prob)
        kl, _ = twin.head.kl(*rows.old_distribution, *cache.distribution)
        value_error = ((values - rows.targets) ** 2).mean() / 2
        return (
            -(ratio * rows.advantages).mean()
            + 0.5 * value_error
            - 0.02 * entropy.mean()
            + (2.5 * kl.mean())
        )

    P = len(before)
    expected = np.array(
        [loss(before + 1e-30j * (np.arange(P) == i)).imag / 1e-30 for i in range(P)]
    )
    state = unmoved(agent)
    log = ppo.update(agent, state, batch, config, 1.0, 0.2, np.random.default_rng(0))
    scale = abs(expected).max()
    assert_close((before - agent.parameters) / scale, expected / scale, COMPLEX_STEP)
    if adaptive:
        assert log["kl"] > 0.015
        assert state.more["kl_coef"] == 5.0


def test_the_penalty_adapts_by_factors_of_two():
    state = State(np.zeros(1), np.zeros(1))
    config = ppo.PPOConfig(objective="adaptive_penalty", kl_target=0.02)
    for kl, expected in [(0.0301, 2), (0.0299, 1), (0.0134, 1), (0.0133, 0.5), (0.0, 0.5)]:
        ppo.adapt(state, config, 1.0, 1.0, 1e-3, kl)
        assert state.more["kl_coef"] == expected
    assert "learning_rate_factor" not in state.more


def test_the_learning_rate_adapts_to_the_kl_within_its_bounds():
    config = ppo.PPOConfig(learning_rate_kl=0.01)
    for kl, factor, expected in [
        (0.0201, 1.0, 1 / 1.5),
        (0.0199, 1.0, 1.0),
        (0.0051, 1.0, 1.0),
        (0.0049, 1.0, 1.5),
        (1.0, 0.0101, 0.01),  # 1e-5 / 1e-3
        (0.0, 9.0, 10.0),  # 1e-2 / 1e-3
    ]:
        state = State(np.zeros(1), np.zeros(1))
        ppo.adapt(state, config, 0.0, factor, 1e-3, kl)
        assert_close(float(state.more["learning_rate_factor"]), expected)


def test_an_adapted_learning_rate_stays_within_its_bounds_when_its_schedule_begins_again(
    monkeypatch,
):
    rates = []

    def recorded(agent, state, gradient, learning_rate, config):
        rates.append(learning_rate)
        return 0.0

    monkeypatch.setattr(ppo, "descend", recorded)  # the KL divergence is 0: the factor grows
    model = model_on(npppo.PPO, "Discrete", learning_rate_end=0.0, learning_rate_kl=0.01)
    for _ in range(2):
        model.learn(4000)
        assert len(rates) > 100 and 1e-5 <= min(rates) < max(rates) <= 1.0001e-2
        rates.clear()


def test_a_learning_rate_that_has_arrived_at_0_stays_there():
    model = model_on(npppo.PPO, "Discrete", learning_rate_end=0.0, learning_rate_kl=0.01)
    model.learn_until(500)
    before = model.agent.parameters.copy()
    model.learn_until(1000, schedules_end=500)
    assert_same(model.agent.parameters, before)


@every_mode
def test_recomputed_advantages_are_those_of_the_values_by_now(mode):
    agent, (batch,) = played(mode=mode)
    agent.parameters = np.random.default_rng(3).normal(size=agent.parameters.size)
    now = valued(agent, batch)
    _, _, (fresh,) = play(Scripted(scripts(), mode, SPACES[0]), STEPS)
    again = valued(agent, fresh)
    assert_same(now.values, again.values)
    values = agent.values(batch.observations.reshape(-1, 3)).reshape(STEPS, 3)
    assert_close(now.values, values)
    ended = batch.terminated | batch.truncated
    going_on = (batch.valid & ~ended)[:-1]
    assert_close(now.next_values[:-1][going_on], values[1:][going_on])
    untouched = valued(played(mode=mode)[0], batch)
    assert_close(untouched.next_values[batch.valid], batch.next_values[batch.valid])


@pytest.mark.parametrize(
    "settings, said",
    [
        ({"clip_range_high": 0.3}, "clip_range_high is 0.3, but the objective is 'clip'"),
        ({"kl_coef": 1.0, "objective": "spo"}, "expected 'penalty' or 'adaptive_penalty'"),
        ({"kl_target": 0.1, "objective": "penalty"}, "kl_target is 0.1"),
        ({"clip_bound": 1.0, "objective": "dual_clip"}, "clip_bound is 1.0, expected a number abo"),
        ({"objective": "trpo"}, "objective is 'trpo', expected one of clip"),
        ({"optimizer": "adamw"}, "optimizer is 'adamw', expected one of adam"),
        ({"objective": "spo", "clip_range_end": 0}, "clip_range_end is 0, but .* 'spo'"),
    ],
)
def test_an_option_of_another_objective_is_refused(settings, said):
    with pytest.raises(ValueError, match=said):
        ppo.PPOConfig(**settings)


def test_minibatches_cover_the_rows():
    assert minibatches(10, 4) == [slice(0, 4), slice(4, 8), slice(8, 10)]
    assert minibatches(9, 4) == [slice(0, 4), slice(4, 8), slice(8, 9)]
    assert minibatches(9, 4, alone=False) == [slice(0, 4), slice(4, 9)]


# All of them


class Grid(gymnasium.Env):
    """A corner to find on a 4 x 4 grid; a step into the wall is masked where `masks` says so."""

    def __init__(self, action_space, masks=False):
        self.observation_space = Box(0, 1, (2,), np.float64)
        self.action_space = action_space
        self.masks = masks

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at = self.np_random.integers(0, 4, 2)
        self.steps = 0
        return self.at / 3, self._info()

    def step(self, action):
        assert self.action_space.contains(action)
        if self.masks:
            assert self._info()["action_mask"][action], "a masked action was taken"
        moves = {"Discrete": lambda: [(1, 0), (-1, 0), (0, 1), (0, -1)][int(action)]}
        moves["MultiDiscrete"] = lambda: action - [1, 3]
        moves["MultiBinary"] = lambda: 2 * action - 1
        moves["Box"] = lambda: np.sign(action).astype(int)
        self.at = (self.at + moves[type(self.action_space).__name__]()).clip(0, 3)
        self.steps += 1
        there = bool((self.at == 3).all())
        return self.at / 3, float(there) - 0.1, there, self.steps == 30, self._info()

    def _info(self):
        if not self.masks:
            return {}
        x, y = self.at
        return {"action_mask": np.array([x < 3, x > 0, y < 3, y > 0], np.int8)}


KINDS = {
    "Discrete": (Discrete(4), False),
    "masked": (Discrete(4), True),
    "MultiDiscrete": (MultiDiscrete([3, 3], start=[0, 2]), False),
    "MultiBinary": (MultiBinary(2), False),
    "Box": (Box(-1, 1, (2,), np.float32), False),
}
SMALL = {"n_steps": 32, "net_arch": (16,)}


def model_on(kind, name, mode=NEXT_STEP, seed=0, **settings):
    space, masks = KINDS[name]
    return kind(sync(lambda: Grid(space, masks), mode, 4), seed=seed, **{**SMALL, **settings})


@pytest.mark.parametrize(
    "kind, name",
    [(kind, "masked") for kind in ALGORITHMS]
    + [(npppo.PPO, name) for name in KINDS if name != "masked"],
)
def test_every_algorithm_and_every_kind_of_action_learns(kind, name):
    model = model_on(kind, name)
    model.learn(512)
    before = np.mean([r for r, _ in model.recent])
    model.learn({"REINFORCE": 30_000}.get(kind.__name__, 15_000))
    assert np.mean([r for r, _ in model.recent]) > before + 0.3


@every_algorithm
@every_mode
@pytest.mark.parametrize("name", KINDS)
def test_a_run_goes_on_from_a_file_bit_for_bit(kind, mode, name, tmp_path):
    whole = model_on(kind, name, mode).learn(700)
    whole.learn_until(1500)
    half = model_on(kind, name, mode).learn(700)
    half.save(tmp_path / "half.npz")
    space, masks = KINDS[name]
    env = sync(lambda: Grid(space, masks), mode, 4)
    resumed = npppo.load(tmp_path / "half.npz", env)
    assert type(resumed) is kind
    resumed.learn_until(1500)
    assert_same(resumed.agent.parameters, whole.agent.parameters)
    assert_same(resumed.state.v, whole.state.v)
    assert resumed.state.more.keys() == whole.state.more.keys()
    for key, array in whole.state.more.items():
        assert_same(resumed.state.more[key], array)


class BadMask(Grid):
    def __init__(self, mask):
        super().__init__(Discrete(4), True)
        self.mask = mask

    def _info(self):
        return {"action_mask": self.mask}


@pytest.mark.parametrize(
    "mask, said",
    [
        (np.ones(3, bool), r"environment 0 has shape \(3,\), expected \(4,\)"),
        (np.zeros(4, bool), "environment 0 is .*expected at least one action that is allowed"),
        (np.full(4, 0.5), "environment 0 is .* of dtype float64, expected bool"),
        (np.array([0, 1, 2, 1]), "environment 0 is .*expected bool or whole numbers 0 and 1"),
    ],
    ids=["shape", "nothing allowed", "dtype", "values"],
)
def test_a_mask_that_cannot_be_is_refused(mask, said):
    with pytest.raises(ValueError, match=said):
        npppo.PPO(sync(lambda: BadMask(mask), SAME_STEP), **SMALL).learn(10)


def test_a_mask_on_real_numbers_is_refused():
    class Masked(Grid):
        def _info(self):
            return {"action_mask": np.ones(2, bool)}

    with pytest.raises(ValueError, match="expected Discrete or MultiDiscrete"):
        npppo.PPO(sync(lambda: Masked(KINDS["Box"][0]), SAME_STEP), **SMALL).learn(10)


def test_a_mask_that_stops_coming_is_missed():
    class Forgets(Grid):
        def _info(self):
            return super()._info() if self.steps < 3 else {}

    with pytest.raises(ValueError, match="no 'action_mask'"):
        npppo.PPO(sync(lambda: Forgets(Discrete(4), True), SAME_STEP, 1), **SMALL).learn(100)


def test_several_choices_have_a_mask_each():
    class Masked(Grid):
        def _info(self):
            return {"action_mask": (np.array([1, 0, 1], bool), np.array([0, 0, 1], bool))}

        def step(self, action):
            assert action[0] != 1 and action[1] == 4
            return super().step(action)

    npppo.PPO(sync(lambda: Masked(KINDS["MultiDiscrete"][0]), SAME_STEP), **SMALL).learn(200)


@every_mode
@pytest.mark.parametrize("n_envs", [1, 2])
def test_an_episode_s_last_step_needs_no_mask(mode, n_envs):
    """Nor that of all environments at once."""

    class Silent(Grid):
        def _info(self):
            return {} if self.steps == 5 else super()._info()

        def step(self, action):
            observation, reward, _, _, info = super().step(action)
            return observation, reward, False, self.steps == 5, info

    model = npppo.A2C(sync(lambda: Silent(Discrete(4), True), mode, n_envs), seed=0, **SMALL)
    model.learn(200)
    assert len(model.recent) > 20


@every_mode
def test_masks_may_stand_side_by_side(mode):
    class Masked(Grid):
        together = True

        def _info(self):
            masks = np.array([1, 0, 1]), np.array([self.steps % 2, 0, 1])
            return {"action_mask": np.concatenate(masks) if self.together else masks}

    class Apart(Masked):
        together = False

    one, other = (
        npppo.PPO(sync(partial(kind, KINDS["MultiDiscrete"][0]), mode), seed=0, **SMALL).learn(200)
        for kind in (Masked, Apart)
    )
    assert_same(one.agent.parameters, other.agent.parameters)


@pytest.mark.parametrize("sizes", [(4,), (2, 3), (3, 3)])
def test_predictions_have_masks(sizes):
    """Each row has its own, side by side or in a tuple."""
    space = Discrete(4, start=1) if len(sizes) == 1 else MultiDiscrete(sizes)
    model = npppo.PPO(sync(lambda: Grid(space), SAME_STEP), seed=0, **SMALL)
    rng = np.random.default_rng(0)
    parts = [rng.random((50, size)) < 0.5 for size in sizes]
    for part in parts:
        part[np.arange(50), rng.integers(0, part.shape[1], 50)] = True
    masks, tuples = np.concatenate(parts, axis=1), list(zip(*parts, strict=True))
    observations = rng.random((50, 2))
    for deterministic in (True, False):
        actions, _ = model.predict(observations, deterministic, action_masks=masks)
        for part, chosen in zip(parts, (actions - space.start).reshape(50, -1).T, strict=True):
            assert part[np.arange(50), chosen].all()
    likeliest, _ = model.predict(observations, action_masks=masks)
    assert_same(model.predict(observations, action_masks=tuples)[0], likeliest)
    for observation, *either, action in zip(observations, masks, tuples, likeliest, strict=True):
        for mask in either:
            assert_same(model.predict(observation, action_masks=mask)[0], action)
    for wrong in (masks[:3], np.ones((60, sum(sizes)), bool)):
        with pytest.raises(ValueError, match=f"there are {len(wrong)} action_masks, expected 50"):
            model.predict(observations, action_masks=wrong)
    with pytest.raises(ValueError, match=r"environment 0 has shape \(\)"):
        model.predict(observations, action_masks=np.ones(50, bool))


@pytest.mark.parametrize("space", [MultiDiscrete([]), Box(-1, 1, (0,))])
def test_choices_of_nothing_are_refused(space):
    with pytest.raises(ValueError, match=r"action space is .*expected at least one choice"):
        npppo.PPO(sync(lambda: Grid(space), SAME_STEP), **SMALL)


def test_discrete_actions_have_the_dtype_of_their_space():
    class Small(Grid):
        def step(self, action):
            assert action.dtype == np.int16
            return super().step(action)

    space = Discrete(4, dtype=np.int16)
    model = npppo.PPO(sync(lambda: Small(space), SAME_STEP), **SMALL).learn(100)
    assert space.contains(model.predict(np.zeros(2))[0])


def test_a_mask_that_comes_late_is_refused():
    """The first action would have been drawn without it."""

    class Late(Grid):
        def _info(self):
            return {"action_mask": np.ones(4, bool)} if self.steps else {}

    with pytest.raises(ValueError, match="expected one in the info of the reset too"):
        npppo.PPO(sync(lambda: Late(Discrete(4)), SAME_STEP), **SMALL).learn(10)


@pytest.mark.parametrize(
    ("algorithm", "config"), [(a2c, a2c.A2CConfig()), (trpo, trpo.TRPOConfig())]
)
def test_a_batch_without_a_transition_changes_nothing(algorithm, config):
    """As of one environment and one step, in the row between two episodes."""
    logs = []
    for valid in (True, False):
        agent, (batch,) = played()
        before, state = agent.parameters.copy(), unmoved(agent)
        batch = replace(batch, valid=batch.valid & valid)
        rng = np.random.default_rng(0)
        logs.append(algorithm.update(agent, state, batch, config, 0.01, rng))
        assert (agent.parameters == before).all() == (not valid)
        assert (state.step == 0) == (not valid)
    assert logs[0].keys() == logs[1].keys()
    assert np.isnan(list(logs[1].values())).all()


@pytest.mark.parametrize("config", [a2c.A2CConfig, trpo.TRPOConfig])
def test_a_batch_of_one_row_is_not_normalised(config):
    """Its advantage would be 0, and the policy would never move."""
    sizes = {"n_envs": 1, "n_steps": 1, **({"batch_size": 1} if config is trpo.TRPOConfig else {})}
    with pytest.raises(ValueError, match=r"n_envs \* n_steps is 1, .*normalize_advantage=False"):
        config(**sizes, normalize_advantage=True)
    config(**sizes, normalize_advantage=False)


def test_trpo_stops_at_a_gradient_that_is_no_number(monkeypatch):
    """A line search would refuse every step, and the policy would stand still without a word."""
    agent, (batch,) = played()
    backward = trpo.surrogate_loss_backward
    monkeypatch.setattr(trpo, "surrogate_loss_backward", lambda *args: np.inf * backward(*args))
    before = agent.parameters.copy()
    with np.errstate(all="ignore"), pytest.raises(FloatingPointError, match="gradient norm is"):
        trust_region(agent, batch)
    assert_same(agent.parameters, before)


# As the field's users know it


def test_a_callback_sees_the_model_and_the_row():
    seen = []

    def callback(model, row):
        seen.append((model, row["update"], model.updates))
        return model.updates < 3

    model = model_on(npppo.A2C, "Discrete")
    model.learn(10**9, callback)
    assert seen == [(model, update, update) for update in (1, 2, 3)]


def test_a_callback_ends_the_training_by_false_alone():
    """NumPy's too, which a comparison with a mean gives; what is only like False goes on."""
    for answer, updates in [(np.False_, 1), (False, 1), (None, 4), (0, 4), (np.True_, 4)]:
        model = model_on(npppo.A2C, "Discrete")
        model.learn(400, lambda model, row: answer)  # noqa: B023
        assert model.updates == updates, answer


def test_a_rate_may_be_a_function_of_the_share_done(tmp_path):
    """As another with the same values; no file holds it, so it is to be given again."""

    def rate(done):
        return 0.01 * (1 - done) ** 2

    rows = []
    model = model_on(npppo.PPO, "Discrete", learning_rate=rate, clip_range=lambda done: 0.3)
    model.learn_until(1000, lambda model, row: rows.append(row))
    share = [0, *(row["timesteps"] / 1000 for row in rows[:-1])]
    assert_close([row["learning_rate"] for row in rows], [rate(min(1, done)) for done in share])
    assert {row["clip_range"] for row in rows} == {0.3}
    model.save(tmp_path / "model.npz")
    env = sync(lambda: Grid(KINDS["Discrete"][0]), NEXT_STEP, 4)
    with pytest.raises(ValueError, match="its clip_range was a function"):
        npppo.load(tmp_path / "model.npz", env)
    with pytest.raises(ValueError, match="its gamma was no function"):
        npppo.load(tmp_path / "model.npz", env, gamma=0.5, learning_rate=rate, clip_range=rate)
    resumed = npppo.load(tmp_path / "model.npz", env, learning_rate=rate, clip_range=lambda _: 0.3)
    for one in (model, resumed):
        one.learn_until(2000)
    assert_same(resumed.agent.parameters, model.agent.parameters)


@pytest.mark.parametrize("bad", [np.nan, -1.0, "fast", None])
def test_a_schedule_that_gives_no_rate_is_named(bad):
    model = model_on(npppo.A2C, "Discrete", learning_rate=lambda done: 0.01 if done < 0.5 else bad)
    with pytest.raises(ValueError, match=r"learning_rate is .* at 0\.[5-9].*, expected a number"):
        model.learn(1000)
    with pytest.raises(ValueError, match=r"learning_rate_end is 0\.1, but .* a function"):
        model_on(npppo.A2C, "Discrete", learning_rate=lambda done: 0.1, learning_rate_end=0.1)
    with pytest.raises(ValueError, match=r"gamma is .*expected a number from 0 to 1"):
        model_on(npppo.A2C, "Discrete", gamma=lambda done: 0.9)


@every_algorithm
def test_a_function_takes_the_place_of_the_preset_s_line(kind):
    model = kind("CartPole-v1", 0, learning_rate=lambda done: 0.5 * (done == 0))
    assert model.config.rates(0)["learning_rate"] == 0.5
    preset = kind.preset("CartPole-v1")
    assert model.config.n_envs == preset.get("n_envs", kind("Acrobot-v1").config.n_envs)


@every_algorithm
def test_another_number_of_environments_begins_new_episodes(kind, tmp_path):
    model = model_on(kind, "Discrete").learn(500)
    model.save(tmp_path / "model.npz")
    env = sync(lambda: Grid(KINDS["Discrete"][0]), NEXT_STEP, 2)
    with pytest.warns(UserWarning, match="has 4 environments, and now there are 2: .*new episodes"):
        other = npppo.load(tmp_path / "model.npz", env, n_envs=2)
    assert_same(other.agent.parameters, model.agent.parameters)
    assert other.num_timesteps == model.num_timesteps
    before = other.agent.parameters.copy()
    other.learn(500)
    assert (other.agent.parameters != before).any() and other.env.num_envs == 2


def test_evaluation_in_an_environment_that_is_given():
    model = model_on(npppo.PPO, "Discrete").learn(200)
    with pytest.raises(ValueError, match="pass one as env"):
        npppo.evaluate(model, 5)
    env = Grid(KINDS["Discrete"][0])
    one = npppo.evaluate(model, 5, env, max_steps=30)
    assert len(one) == 5 and env.steps > 0
    assert npppo.evaluate(model, 5, env, max_steps=30) == one
    several = sync(lambda: Grid(KINDS["Discrete"][0]), SAME_STEP, 3)
    assert len(npppo.evaluate(model, 7, several, deterministic=False)) == 7


@pytest.mark.parametrize(
    "env, said",
    [
        (lambda: Grid(Discrete(5)), "for an environment whose action space has n 4, .* has 5"),
        (lambda: Grid(Discrete(4, start=1)), "whose action space has start 0, .* has 1"),
        (lambda: Grid(KINDS["Box"][0]), "whose action space has type Discrete, .* has Box"),
        (lambda: gymnasium.make("Acrobot-v1"), "observation space has dtype float64"),
        (lambda: "CartPole-v1", "env is 'CartPole-v1', expected"),
    ],
)
def test_an_evaluation_needs_the_same_spaces(env, said):
    with pytest.raises(ValueError, match=said):
        npppo.evaluate(model_on(npppo.PPO, "Discrete"), 5, env())


def test_what_another_algorithm_has_is_said_with_its_name():
    for kind, name, having in [
        (npppo.PPO, "max_kl", "TRPO"),
        (npppo.TRPO, "clip_range", "PPO"),
        (npppo.A2C, "baseline", "REINFORCE"),
    ]:
        with pytest.raises(
            TypeError, match=f"no hyperparameter of {kind.__name__}, but of {having}"
        ):
            model_on(kind, "Discrete", **{name: 0.1})
    with pytest.raises(ValueError, match="max_kl is 0, expected a number above 0"):
        model_on(npppo.TRPO, "Discrete", max_kl=0)
