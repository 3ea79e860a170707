"""04 · Actor-critic against REINFORCE: what a critic takes off the noise, and what it costs.

python examples/04_actor_critic.py [--seed 0] [--runs 200] [--figure FILE]
"""

import copy
from itertools import pairwise

import numpy as np
from chapter import interval, run

import npppo
from npppo.agents.rollout import Player, valued
from npppo.formulas import losses, optimizers, returns, surrogates
from npppo.training.environments import make_env

# %% [markdown]
# REINFORCE weighs each action by the return that followed. An actor-critic has learnt the values V
# and lets them stand for what comes after one step, or after five. (GAE is a mean of these: 05.) To
# see what that is worth, nothing else may differ: the same policy (CartPole, a little trained) and
# episodes, eight in a batch, and only the weights of the actions are others. In the shapes: T steps
# of E environments, N rows of those, P parameters.

# %%
GAMMA, EPISODES, STEPS = 0.98, 8, 300  # after 300 steps γ^300 is 0.002: V may stand for the rest
WEIGHTS = ("return", "return - V", "GAE, λ = 0.95", "five steps", "one step")


def play(agent, n_envs, seed):
    """A batch, (T, E, …) each, and which rows are of their environment's first episode: (T, E)."""
    player = Player(make_env("CartPole-v1", n_envs))
    player.reset(seed)
    batch = player.play(agent, STEPS, np.random.default_rng(seed))
    ended = batch.terminated | batch.truncated  # (T, E)
    return batch, ended.cumsum(axis=0) - ended == 0


def weights(batch):
    """The weight of each action under the names of WEIGHTS: (T, E) each."""
    ends = batch.terminated, batch.truncated
    cut = batch.truncated | (np.arange(STEPS) % 5 == 4)[:, None]  # as in A2C's short batches
    given = batch.rewards, batch.values, batch.next_values
    G = returns.discounted_returns(batch.rewards, batch.next_values, *ends, GAMMA)  # (T, E)
    gae = [returns.gae(*given, *ends, GAMMA, lam) for lam in (0.95, 0.0)]  # 0: one step
    five = returns.gae(*given, batch.terminated, cut, GAMMA, 1.0)  # to the next cut; (T, E)
    return dict(zip(WEIGHTS, (G, G - batch.values, gae[0], five, gae[1]), strict=True))


# %% [markdown]
# The critic is fitted to the returns of other episodes. Beside it stands one that has not learnt
# anything yet: it shows what a critic's errors do.


# %%
def fitted(agent, rng):
    """A copy of the agent whose values are fitted to the returns of 64 episodes."""
    agent = copy.deepcopy(agent)
    batch, first = play(agent, 64, int(rng.integers(2**30)))
    x, G = batch.observations[first], weights(batch)["return"][first]  # (N, D), (N,)
    m = v = np.zeros_like(agent.parameters)  # (P,)
    for step in range(1, 601):
        rows = rng.integers(len(x), size=256)
        V, cache = agent.value_forward(x[rows])  # (256,)
        _, loss_cache = losses.value_loss(V, G[rows])
        dparameters = agent.value_backward(losses.value_loss_backward(1.0, loss_cache), cache)
        adam = optimizers.adam_step(agent.parameters, dparameters, m, v, step, 1e-2)
        agent.parameters, m, v = adam
    return agent


def gradients(agent, batch, first, named, runs):
    """The policy gradient of each batch of episodes, per episode: (runs, P) for each name."""
    made = {name: [] for name in named}
    for k in range(runs):
        rows = first & (np.arange(first.shape[1]) // EPISODES == k)  # (T, E), N of them
        evaluated, cache = agent.evaluate(batch.observations[rows], batch.actions[rows])
        log_prob, entropy, V = evaluated  # (N,) each
        for name, weight in named.items():
            _, loss_cache = surrogates.policy_gradient_loss(log_prob, weight[rows])
            per = len(V) / EPISODES  # the loss is a mean over rows
            dlog_prob = surrogates.policy_gradient_loss_backward(per, loss_cache)  # (N,)
            made[name].append(agent.backward(dlog_prob, 0 * entropy, 0 * V, cache))
    return {name: np.array(of, np.float64) for name, of in made.items()}


# %% [markdown]
# The variance is that of the whole gradient vector. The bias is the mean of d, the difference to
# "return - V", which has none, from the same episodes, so that what they share cancels. Its square
# is the mean of products of two batches' d, as d · d has the noise in it. The unit is the true
# gradient's length², by the same trick.


# %%
def squares(vectors):
    """The products of two vectors (runs, P) at a time: (runs / 2,), on average |their mean|²."""
    return (vectors[:-1:2] * vectors[1::2]).sum(axis=1)


def measure(seed, runs):
    rng = np.random.default_rng(seed)
    model = npppo.PPO("CartPole-v1", seed=seed)
    fresh = copy.deepcopy(model.agent)
    agent = model.learn(6_000).agent
    batch, first = play(agent, EPISODES * runs, int(rng.integers(2**30)))
    named = {}  # the weights (T, E) by each critic's values
    for critic, of in (("fitted", fitted(agent, rng)), ("fresh", fresh)):
        named |= {(critic, name): w for name, w in weights(valued(of, batch)).items()}
    g = gradients(agent, batch, first, named, runs)
    truth = g["fitted", "return - V"]  # (runs, P)
    length = squares(truth).mean()
    spread = {key: ((of - of.mean(axis=0)) ** 2).sum(axis=1) / length for key, of in g.items()}
    bias = {key: squares(of - truth) / length for key, of in g.items()}
    return {
        "episode": first.sum() / first.shape[1],
        "variance": {key: interval(of) for key, of in spread.items()},
        "bias²": {key: interval(of) for key, of in bias.items()},
        "less": [interval(spread["fitted", a] - spread["fitted", b]) for a, b in pairwise(WEIGHTS)],
    }


# %%
def tell(numbers):
    print(f"batches of {EPISODES} episodes of {numbers['episode']:.0f} steps on average;", end=" ")
    print("in units of the true gradient's length², 95 %:")
    print("critic  weight                  variance             bias²")
    for (critic, name), (low, high) in numbers["variance"].items():
        b, c = numbers["bias²"][critic, name] + 0.0
        print(f"{critic:8}{name:18}{low:8.3f} … {high:5.3f}{b:12.3f} … {c:5.3f}")


def draw(figure, numbers):
    for axis, critic in zip(figure.subplots(1, 2, sharey=True), ("fitted", "fresh"), strict=True):
        for shift, name in ((-0.1, "variance"), (0.1, "bias²")):
            low, high = np.array([numbers[name][critic, weight] for weight in WEIGHTS]).T
            x, middle = np.arange(len(WEIGHTS)) + shift, (low + high) / 2
            axis.errorbar(x, middle, (high - low) / 2, fmt="o", capsize=3, label=name)
        axis.axhline(0, color="black", linewidth=0.8)
        axis.set_xticks(range(len(WEIGHTS)), [name.replace(", ", "\n") for name in WEIGHTS])
        axis.tick_params("x", labelsize=8)
        axis.set(title=f"{critic} critic", xlabel="weight of an action")
        axis.legend()


if __name__ == "__main__":
    run(measure, tell, draw, runs=200, fewest=4)
