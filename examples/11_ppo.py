"""11 · PPO from the contract's functions alone, and it is npppo's own to the last bit.

python examples/11_ppo.py [--seed 0] [--runs 10] [--figure FILE]
"""

import gymnasium
import numpy as np
from chapter import interval, run

import npppo

# %% [markdown]
# All parts are there: the functions of npppo's contract, `npppo.NAME`. Two networks, for the policy
# and for the values, have their parameters in one vector (P,), so that one norm and one Adam serve
# them all. In the other shapes: T steps of E environments, A actions, layers from D to M numbers, N
# rows of a batch or of a minibatch.

# %%
ENVS, STEPS, TOTAL, EPOCHS, MINIBATCH = 32, 32, 60_000, 5, 256  # E, T, and of the whole training
RATE, GAMMA, LAMBDA, CLIP = 4e-3, 0.98, 0.95, 0.2  # the rate falls linearly to 0
VF_COEF, ENT_COEF, MAX_NORM, EPS = 0.5, 0.003, 0.5, 1e-5
SHAPES = ((4, 64), (64, 64), (64, 2), (4, 64), (64, 64), (64, 1))  # D, M; three of each network
GAINS = (2**0.5, 2**0.5, 0.01, 2**0.5, 2**0.5, 1.0)  # the policy begins close to even


def networks(theta):
    """The layers [(W, b)] of the policy and of the value function, views of the vector (P,)."""
    layers = []
    for D, M in SHAPES:
        W, b, theta = np.split(theta, [D * M, D * M + M])  # and what is left
        layers.append((W.reshape(D, M), b))  # (D, M), (M,)
    return layers[:3], layers[3:]


# %% [markdown]
# The batch: T steps of E environments. After an end gymnasium spends a step on starting anew: that
# row is no transition. V of the observation after each step is V of the true successor.


# %%
def play(env, theta, observation, ended, rng):
    """A batch as arrays (T, E, ...), the observation it ends with (E, D), where one ended (E,)."""
    policy, value = networks(theta)
    rows = []
    for _ in range(STEPS):
        logits, _ = npppo.mlp(observation, policy)  # (E, A)
        action = npppo.categorical_sample(logits, rng.random(ENVS))  # (E,)
        log_prob, _ = npppo.categorical_log_prob(logits, action)  # (E,)
        after, reward, terminated, truncated, _ = env.step(action)
        after, flags = after.astype(float), (terminated, truncated, ~ended)  # (E, D), (E,) each
        rows.append((observation, action, log_prob, logits, reward, *flags, after))
        observation, ended = after, terminated | truncated
    names = "observations actions log_probs logits rewards terminated truncated valid after"
    batch = dict(zip(names.split(), map(np.array, zip(*rows, strict=True)), strict=True))
    for name, of in (("values", "observations"), ("next_values", "after")):
        out, _ = npppo.mlp(batch[of].reshape(-1, 4), value)  # (T·E, 1)
        batch[name] = out.reshape(STEPS, ENVS)  # (T, E)
    return batch, observation, ended


# %% [markdown]
# The update: advantages, then some epochs of minibatches, down the gradient of the whole loss. From
# the same batch npppo's own makes the same parameters, bit for bit: a test says so.


# %%
def update(theta, adam, batch, rate, rng):
    """The parameters (P,) after an update; `adam` is [m, v, step] and changes with it."""
    names = ("rewards", "values", "next_values", "terminated", "truncated")
    advantages = npppo.gae(*(batch[name] for name in names), GAMMA, LAMBDA)  # (T, E)
    targets = advantages + batch["values"]  # (T, E)
    data = [batch[name] for name in ("observations", "actions", "log_probs")]
    data = [array[batch["valid"]] for array in (*data, advantages, targets)]  # (N, ...) each
    for _ in range(EPOCHS):
        order = rng.permutation(len(data[0]))  # (N,)
        # a row that would be alone joins the ones before
        for rows in np.split(order, range(MINIBATCH, len(order) - 1, MINIBATCH)):
            x, action, old, A, target = (array[rows] for array in data)
            A = npppo.normalize_advantages(A)  # (N,)
            policy, value = networks(theta)
            logits, policy_cache = npppo.mlp(x, policy)  # (N, A)
            V, value_cache = npppo.mlp(x, value)  # (N, 1)
            given = logits, V[:, 0], action, old, A, target
            _, cache = npppo.ppo_loss(*given, CLIP, VF_COEF, ENT_COEF)
            dlogits, dvalues = npppo.ppo_loss_backward(1.0, cache)  # (N, A), (N,)
            _, grads = npppo.mlp_backward(dlogits, policy_cache)
            _, value_grads = npppo.mlp_backward(dvalues[:, None], value_cache)
            pieces = [array for pair in grads + value_grads for array in pair]
            (grad,), _ = npppo.clip_grad_norm([np.concatenate(pieces, axis=None)], MAX_NORM)
            adam[2] += 1
            theta, adam[0], adam[1] = npppo.adam_step(theta, grad, *adam, rate, eps=EPS)
    return theta


def train(seed):
    """The parameters (P,), and the falls in 1,000 steps in each tenth of the training (10,)."""
    rng, env = np.random.default_rng(seed), gymnasium.make_vec("CartPole-v1", num_envs=ENVS)
    layers = [npppo.orthogonal(rng, shape, gain) for shape, gain in zip(SHAPES, GAINS, strict=True)]
    theta = np.concatenate([array for W in layers for array in (W, 0 * W[0])], axis=None)  # (P,)
    adam, done, tenths = [0 * theta, 0 * theta, 0], 0, np.zeros((10, 2))  # falls and steps
    observation, ended = env.reset(seed=seed)[0].astype(float), np.zeros(ENVS, bool)
    while done < TOTAL:
        batch, observation, ended = play(env, theta, observation, ended, rng)
        theta = update(theta, adam, batch, RATE * (1 - done / TOTAL), rng)
        tenths[done * 10 // TOTAL] += batch["terminated"].sum(), batch["valid"].sum()
        done += batch["valid"].sum()
    return theta, 1000 * tenths[:, 0] / np.maximum(1, tenths[:, 1])


def tested(theta, seed):
    """The mean return of the likeliest actions in 100 episodes."""
    env = gymnasium.make_vec("CartPole-v1", num_envs=100)
    observation, running, steps = env.reset(seed=seed)[0], np.ones(100, bool), 0
    while running.any():
        logits, _ = npppo.mlp(observation.astype(float), networks(theta)[0])  # (100, A)
        observation, _, terminated, truncated, _ = env.step(logits.argmax(axis=1))
        steps += running.sum()
        running &= ~(terminated | truncated)
    return steps / 100


def measure(seed, runs):
    trained = [train(seed + k) for k in range(runs)]
    curves = np.array([curve for _, curve in trained])  # (runs, 10)
    tests = {seed + k: tested(theta, 10_000 + seed) for k, (theta, _) in enumerate(trained)}
    return {"tests": tests, "curves": curves, "gain": interval(curves[:, 0] - curves[:, -1])}


# %%
def tell(numbers):
    print("mean return of the likeliest actions in 100 episodes, by seed:")
    print(*(f"{seed}: {mean:.1f}" for seed, mean in numbers["tests"].items()), sep="   ")
    falls = "{:.1f} … {:.1f} falls fewer in 1,000 steps (95 %)".format(*numbers["gain"])
    print("from the first to the last tenth of the training:", falls)


def draw(figure, numbers):
    axis = figure.subplots()
    axis.plot(TOTAL / 10 * (np.arange(10) + 0.5), numbers["curves"].T, ".-", color="tab:blue")
    axis.set(xlabel="steps", ylabel="falls in 1,000 steps of training")


if __name__ == "__main__":
    run(measure, tell, draw, runs=10)
