"""The chapter's programs: each claim with its interval, beside what it is not; few repetitions."""

import importlib
import re
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from pages import ppo_config

import npppo
from npppo.agents.agent import Agent, Architecture, initial_parameters
from npppo.agents.rollout import Batch
from npppo.algorithms import ppo
from npppo.algorithms.descent import State
from npppo.check import check_gradient

EXAMPLES = Path(__file__).parents[2] / "examples"
LONGER = {"06_a_step_too_far": 165, "12_tokens": 260, "14_battleship": 200}
PROGRAMS = sorted(path.stem for path in EXAMPLES.glob("[01][0-9]_*.py"))


def program(number):
    sys.path.insert(0, str(EXAMPLES))  # where the programs find chapter.py
    try:
        (name,) = (name for name in PROGRAMS if name.startswith(number))
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(EXAMPLES))


def measure(number, runs):
    return program(number).measure(1, runs)


def near(value, interval):
    """Within four standard errors of the mean that the 95 % interval is around."""
    low, high = interval
    return abs(value - (low + high) / 2) < high - low


@pytest.mark.parametrize("n", [2, 3, 6, 10, 11, 30])
def test_an_interval_holds_the_mean_95_times_in_100(n):
    samples = np.random.default_rng(n).normal(3.0, 2.0, size=(n, 100_000))
    low, high = program("10").interval(samples)
    held = ((low < 3) & (high > 3)).mean()  # its standard deviation is 0.0007
    assert abs(held - 0.95) < 0.004


def test_01_the_same_code_climbs_and_does_not(monkeypatch):
    monkeypatch.setattr(program("01"), "STEPS", 61_440)
    numbers = measure("01", 6)
    assert numbers["gain"][0] > 50
    assert numbers["spread"] > 1.5 * numbers["error"]
    lowest, median, highest = numbers["last"]
    assert lowest < median < highest


def test_02_a_baseline_changes_the_variance_and_not_the_mean():
    numbers = measure("02", 100)
    assert numbers["bias"] < 1e-14
    undecided, sure = numbers["undecided"], numbers["almost sure"]
    for of in (undecided, sure):
        for key, variance in of["variance"].items():
            assert near(variance, of["sampled"][key])
        _, curve = of["curve"]
        assert of["variance"]["b*"] <= min(curve) + 1e-12  # the best of all, not only of three
        assert of["mean of the batch"] == pytest.approx(2 / 3, abs=1e-14)
        assert of["of the others"] == pytest.approx(1, abs=1e-14)
    assert undecided["V - none"][1] < 0  # V is worth it here
    assert sure["V - none"][0] > 0  # and not here
    assert sure["b* - V"][1] < 0


def test_03_the_advantage_is_what_the_gradient_needs():
    numbers = measure("03", 500)
    assert numbers["mean of A"] < 1e-13
    assert numbers["theorem"] < 1e-12
    assert numbers["reward: repair - run"] < 0 < numbers["returns: repair - run"][0]
    assert near(numbers["Q: repair - run"], numbers["returns: repair - run"])
    assert numbers["right sign of the return"][1] < 0.5 < numbers["right sign of return - V"][0]


def test_04_a_critic_takes_off_variance_and_its_errors_are_a_bias():
    numbers = measure("04", 40)
    assert min(low for low, _ in numbers["less"][:3]) > 0  # return, return - V, GAE, five steps
    variance, bias = numbers["variance"], numbers["bias²"]
    assert variance["fitted", "return"][0] > 2 * variance["fitted", "return - V"][1]
    assert variance["fitted", "return - V"][0] > variance["fitted", "one step"][1]
    assert bias["fitted", "one step"][1] < 0.5 < bias["fresh", "one step"][0]
    assert variance["fresh", "one step"][1] < 0.1  # sure, and wrong
    assert bias["fresh", "return - V"][0] < 0 < bias["fresh", "return - V"][1]


def test_05_the_best_lambda_is_between_the_ends_where_the_values_are_wrong():
    numbers = measure("05", 20)
    assert 0 < numbers["best"]["bad"] < 1
    assert numbers["best"]["exact"] == 0
    low, _ = numbers["ends - best"]["bad"]
    assert (low > 0).all()
    low, high = numbers["ends - best"]["exact"]
    assert high[0] < 0 < low[1]  # λ = 0 is the best then, and λ = 1 the worst
    for name, exact in numbers["exact"].items():
        bias, variance = exact.T
        assert bias[-1] < 1e-28
        assert variance[-1] > 10 * variance[0]
        for error, pair in zip(
            (bias + variance)[[0, -1]], numbers["sampled"][name].T[::2], strict=True
        ):
            assert near(error, pair)


def test_06_a_step_too_far_is_for_good_and_what_is_too_far_changes(monkeypatch):
    module = program("06")
    monkeypatch.setattr(module, "RATES", np.array([0.01, 0.1, 1.0]))
    monkeypatch.setattr(module, "UPDATES", 40)
    numbers = measure("06", 30)
    low, high = numbers["clip - plain"]
    assert low[1] > 0
    assert (low + high)[1] > 2 * (low + high)[0]  # it is the large steps that need it
    assert numbers["fell"]["plain"][0] == 0 < numbers["fell"]["plain"][1]
    assert numbers["fell"]["clip"][1] < numbers["fell"]["plain"][1]
    end = numbers["end"]["clip"]
    assert end[1, 2] < end[0, 1]  # and the clip is no help against any rate
    fresh, trained, broken = (numbers[name] for name in ("fresh", "trained", "broken"))
    assert fresh["gains"][0, 1] > 0 > trained["gains"][1, 1]
    assert trained["again"][0].mean() > broken["again"][0].mean() > fresh["again"][0].mean()
    assert broken["slope"] < 0.1 * min(trained["slope"], fresh["slope"])
    assert broken["seen"] < 0.8 * trained["seen"]
    assert numbers["broken - fresh"][1] < 0


def test_06_the_rope_is_as_it_says():
    module, rng = program("06"), np.random.default_rng(4)
    world, W = module.worlds(rng, 3), rng.normal(size=(3, module.FEATURES, module.MOVES))
    returns, values, gradient = module.exactly(W, world)
    moves, reached, advantages = (np.zeros((3, 20, 0)) for _ in range(3))
    for _ in range(200):
        many = zip((moves, reached, advantages), module.walk(rng, W, world), strict=True)
        moves, reached, advantages = (np.concatenate(pair, axis=2) for pair in many)
    right = (moves == world[1][:, :, None]) & (reached == 1)  # (R, L, N)
    walked = right.sum(axis=1)  # (R, N)
    assert all(
        near(value, module.interval(walks)) for value, walks in zip(returns, walked, strict=True)
    )
    np.testing.assert_allclose(advantages[:, 0], walked - values[:, :1], atol=1e-12)
    direction = rng.normal(size=W.shape)
    up, down = (module.exactly(W + h * direction, world)[0] for h in (1e-5, -1e-5))
    slope = (gradient * direction).sum(axis=(1, 2))
    np.testing.assert_allclose((up - down) / 2e-5, slope, rtol=1e-6)


def test_07_steps_of_one_length_are_of_all_sizes_in_behaviour():
    numbers = measure("07", 10)
    low, _ = numbers["orders, gradient - random"]
    assert (low > 1).all()
    low, high = numbers["orders, sure - fresh"]
    assert low[0] > 3  # the same step in the first layer, from a fresh policy and a sure one
    assert high[2] < 0  # while in the last layer it is the fresh one that moves more
    assert numbers["orders, all"] > 6
    assert numbers["orders, all, equal"] < 0.5  # steps that are equal in behaviour can be had
    _, p, kl = numbers["softmax"]
    assert p[7] - p[6] > 50 * (p[12] - p[11])
    assert kl[6] > 20 * kl[11]


def test_08_the_ratio_corrects_the_actions_at_a_price_and_not_the_states():
    numbers = measure("08", 200)
    assert numbers["identity"] < 1e-13
    rows = zip(numbers["surrogate"], numbers["sampled surrogate"].T, strict=True)
    assert all(near(*row) for row in rows)  # unbiased, as far as it has moved
    rows = zip(numbers["share"], numbers["sampled share"].T, strict=True)
    assert all(abs(share - pair.mean()) < 0.02 for share, pair in rows)
    low, _ = numbers["variance - the first"]
    assert (low[2:] > 0).all()
    low, high = numbers["surrogate - gain"]
    assert low[0] < 0 < high[0]  # at the old policy they agree
    assert (low[3:] > 0).all()  # further off they do not
    assert numbers["gain"][-1] < 0 < numbers["sampled surrogate"][0, -1]


def test_09_the_natural_step_gains_more_for_the_same_kl_and_the_search_refuses(monkeypatch):
    monkeypatch.setattr(program("09"), "LONGER", (0.03,))
    monkeypatch.setattr(program("09"), "DAMPINGS", (0.1, 0.001))
    numbers = measure("09", 8)
    assert numbers["ratio"][1, 0] > 1.1  # of a policy that is trained a little
    assert (abs(numbers["ratio"][0] - 1) < 0.15).all()  # of a fresh one
    assert numbers["return"][1, 0, 0] > 0
    assert numbers["return, more"][1, 0] > 0
    few, many = numbers["refused"]  # with much damping, and with little
    assert few < 0.5 < many


def test_10_the_clip_stops_pushing_and_is_no_wall():
    numbers = measure("10", 8)
    assert numbers["slopes"][1.0] == pytest.approx([0.5, 1, 0], abs=1e-15)
    assert numbers["slopes"][-1.0] == pytest.approx([0, -1, -1.5], abs=1e-15)
    last = numbers["last"]
    assert numbers["no clip - clip"][0] > 2  # it does a lot
    assert last["clip"][0] > 1.4  # the band ends at 1.2
    assert last["clip and KL stop"][1] < last["clip"][0]
    assert 1.2 < last["SPO"][0] < last["SPO"][1] < 1.35
    assert last["clip, own logits"][1] < 1.3  # what drives it on is what the samples share


def test_12_a_language_model_gets_nearly_all_that_its_budget_can_buy():
    numbers = measure("12", 2)
    assert numbers["reference"] < 0.2
    for name in ("PPO", "GRPO", "Dr. GRPO", "RLOO", "DAPO"):
        assert (numbers[name]["kl"] <= 3.8).all()
        assert (numbers[name]["reward"] > 0.95 * numbers["best"]).all()
    best_rewards, kls = numbers["frontier"]
    for name in ("PPO", "GRPO", "DAPO"):  # and nobody has more than there is
        ends = numbers[name]
        assert (ends["reward"] < np.interp(ends["kl"], kls, best_rewards) + 1e-3).all()
    assert (
        numbers["GRPO, β = 0"]["kl"] > 3.8
    ).all()  # without the penalty the budget does not hold
    loss, slope = numbers["GRPO"]["first"]
    assert loss < 1e-12 < 1e-2 < slope  # a loss of 0 is not a gradient of 0


def test_12_every_gradient_is_right():
    tokens, rng = program("12"), np.random.default_rng(2)
    weights = tokens.network(rng, tokens.STOP + 1, 0.5)
    prompts = rng.integers(tokens.PROMPTS, size=6)
    answers = tokens.write(rng, weights, prompts)
    x, _ = tokens.features(prompts, answers)
    old = tokens.outputs_of(weights, x)[0][:, 0]  # ratios on all sides of the limits
    given = answers.ravel(), -1.4 + 0.2 * old, rng.normal(size=len(x)), 0.2, 0.28
    results = check_gradient(
        tokens.policy_loss, tokens.policy_loss_backward, weights, x, *given, wrt=["weights"]
    )
    assert len(results) == 4
    for result in results:
        assert result.ok, result.message
        assert result.complex_step_error < 1e-12


def test_11_ppo_is_npppos_own_bit_for_bit_and_learns(monkeypatch):
    module = program("11")
    architecture, rng = Architecture(4, 2), np.random.default_rng(1)
    theta = initial_parameters(architecture, rng, np.float64)  # (P,)
    env = gymnasium.make_vec("CartPole-v1", num_envs=module.ENVS)
    start = env.reset(seed=1)[0].astype(float), np.zeros(module.ENVS, bool)
    played, _, _ = module.play(env, theta, *start, rng)
    given = {name: played[name] for name in played if name not in ("logits", "after")}
    batch = Batch(
        **given,
        distribution=(played["logits"],),
        next_observations=played["after"],
        continues=np.ones(module.ENVS, bool),
    )
    config = ppo_config(module, module.ENVS, module.STEPS)
    assert (~played["valid"]).sum() > 0  # there are rows to be left out
    agent, state = Agent(architecture, theta.copy()), State(0 * theta, 0 * theta)
    adam = [0 * theta, 0 * theta, 0]
    for rate in (module.RATE, 1e-3):
        rngs = (np.random.default_rng(2) for _ in range(2))
        ppo.update(agent, state, batch, config, rate, module.CLIP, next(rngs))
        theta = module.update(theta, adam, played, rate, next(rngs))
        np.testing.assert_array_equal(theta, agent.parameters)
    monkeypatch.setattr(module, "TOTAL", 12_000)
    assert min(measure("11", 2)["tests"].values()) > 60  # a fresh policy: 9 or so


def test_13_k1_belongs_in_the_reward_and_k2_in_the_loss():
    numbers = measure("13", 100)
    assert max(numbers["errors"].values()) < 1e-14
    assert len(numbers["errors"]) == 7
    means = numbers["means"]
    assert means["k3"] == pytest.approx(means["k1"], abs=1e-14)
    assert abs(means["k2"] / means["k1"] - 1) > 0.1
    for name, (low, high) in numbers["intervals"].items():
        assert near(numbers["share"][name], (low, high))
        right = name in ("k1 in the reward", "k2 in the loss")
        assert near(1, (low, high)) == right
        assert (numbers["gain"][name] > 0.99) == right
    assert near(0, numbers["intervals"]["k1 in the loss"])
    assert numbers["gain"]["k3 in the loss"] < 0.5  # a penalty, but not the one that was meant


def test_14_the_game_is_right_and_so_is_every_gradient():
    game, rng = program("14"), np.random.default_rng(3)
    assert (game.ALL.sum(axis=1) == 9).all()
    scores = 1 + game.best_cells(game.ALL, np.ones(25, bool))  # (boards,)
    for board in rng.choice(len(game.ALL), size=30, replace=False):  # played one by one
        ships, left, hits, misses = game.ALL[board], game.ALL, 0, 0
        fired = np.zeros(25, bool)
        while hits < 9:
            cell = max(np.flatnonzero(~fired), key=lambda c: (left[:, c].mean(), -c))
            fired[cell] = True
            hits, misses = hits + ships[cell], misses + (not ships[cell])
            left = left[left[:, cell] == ships[cell]]
        assert scores[board] == pytest.approx(1 - misses / 17)
    weights = [rng.normal(size=shape) for shape in ((25, 25), 25, (25, 25), 25)]
    (seen, cells, games), _ = game.play(rng, weights, game.ALL[::300])
    assert len(set(zip(cells.tolist(), games.tolist(), strict=True))) == len(cells)  # never twice
    old, _ = npppo.categorical_log_prob(game.logits_of(weights, seen)[0], cells)  # (shots,)
    old += rng.normal(scale=0.4, size=len(old))  # ratios on all sides of the limits
    results = check_gradient(
        *(game.policy_loss, game.policy_loss_backward, weights, seen, cells, old),
        rng.normal(size=len(old)),
        wrt=["weights"],
    )
    assert len(results) == 4
    for result in results:
        assert result.ok, result.message
        assert result.complex_step_error < 1e-12


def test_14_what_acts_and_what_learns_must_be_the_same_policy(monkeypatch):
    monkeypatch.setattr(program("14"), "UPDATES", 50)
    numbers = measure("14", 3)
    chance = numbers["by chance"]
    error = chance.std() / len(chance) ** 0.5
    assert abs(chance.mean() - (1 - 16 * 9 / 10 / 17)) < 4 * error  # as of a shuffled deck
    assert numbers["forgotten"].mean() > chance.mean() + 0.03
    assert numbers["kept - forgotten"][0] > 0
    assert numbers["kept"].mean() < numbers["likeliest cell"].mean()


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_is_short_and_a_notebook_and_has_its_figure(name):
    text = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGER.get(name, 145)
    assert len(re.findall("^# %%", text, re.MULTILINE)) >= 4
    figure = EXAMPLES / "figures" / f"{name}.svg"
    assert figure.stat().st_size <= 60_000
    assert f"figures/{name}.svg" in (EXAMPLES / "README.md").read_text(encoding="utf-8")
