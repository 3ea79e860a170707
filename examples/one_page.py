"""All of PPO on one page: CartPole-v1 with NumPy and gymnasium, every gradient by hand.

    python examples/one_page.py [SEED]

Nothing is imported from npppo and nothing is left out: two networks and their backpropagation,
the softmax policy, generalized advantage estimation, the clipped surrogate, Adam, and the loop.
From the same batch, `update` makes the same parameters as npppo's own, to 1e-12: a test says so.

Shapes: T time steps of E environments, N rows of a minibatch, D inputs, M outputs, A actions. `dx`
is the gradient of the loss with respect to x.
"""

import sys
from collections import deque

import gymnasium
import numpy as np

ENVS, STEPS, TOTAL = 32, 32, 100_000  # E, T, and the steps of the whole training
EPOCHS, MINIBATCH = 5, 256
LEARNING_RATE = 4e-3  # falls linearly to 0
GAMMA, LAMBDA, CLIP = 0.98, 0.95, 0.2
VF_COEF, ENT_COEF, MAX_NORM = 0.5, 0.003, 0.5


# The networks: [W1, b1, W2, b2, W3, b3], with tanh after the first two layers


def network(rng, outputs, gain):
    """Orthogonal weights: in each layer no direction of the input is favoured."""
    params = []
    for D, M, scale in ((4, 64, 2**0.5), (64, 64, 2**0.5), (64, outputs, gain)):
        Q, R = np.linalg.qr(rng.standard_normal((max(D, M), min(D, M))))
        Q = Q * np.sign(np.diag(R))
        params += [scale * (Q if D >= M else Q.T), np.zeros(M)]  # (D, M), (M,)
    return params


def forward(params, x):
    W1, b1, W2, b2, W3, b3 = params
    h1 = np.tanh(x @ W1 + b1)  # (N, 64)
    h2 = np.tanh(h1 @ W2 + b2)  # (N, 64)
    y = h2 @ W3 + b3  # (N, M)
    return y, (x, h1, h2)


def backward(params, dy, cache):
    _, _, W2, _, W3, _ = params
    x, h1, h2 = cache
    # forward: y = h2 W3 + b3
    dW3, db3 = h2.T @ dy, dy.sum(axis=0)
    # forward: h2 = tanh(z2), z2 = h1 W2 + b2, and tanh has the slope 1 - tanh²
    dz2 = dy @ W3.T * (1 - h2 * h2)  # (N, 64)
    dW2, db2 = h1.T @ dz2, dz2.sum(axis=0)
    # forward: h1 = tanh(z1), z1 = x W1 + b1
    dz1 = dz2 @ W2.T * (1 - h1 * h1)  # (N, 64)
    dW1, db1 = x.T @ dz1, dz1.sum(axis=0)
    return [dW1, db1, dW2, db2, dW3, db3]


def log_softmax(logits):
    z = logits - logits.max(axis=1, keepdims=True)  # (N, A): then no exponential overflows
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))  # (N, A)


# The loss and its gradient


def loss_gradients(logits, values, actions, old_log_prob, advantages, targets):
    """d loss / d logits (N, A) and d loss / d values (N,) of

    -mean min(r A, clip(r) A)  +  VF_COEF · ½ mean (values - targets)²  -  ENT_COEF · mean H
    """
    N = len(actions)
    log_p = log_softmax(logits)  # (N, A)
    p = np.exp(log_p)  # (N, A)
    ratio = np.exp(log_p[np.arange(N), actions] - old_log_prob)  # (N,)
    entropy = -(p * log_p).sum(axis=1)  # (N,)

    # forward: -mean min(r A, clip(r) A). The clipped branch is constant; where r A wins,
    # ∂(r A)/∂log_prob = r A
    unclipped = ratio * advantages  # (N,)
    clipped = ratio.clip(1 - CLIP, 1 + CLIP) * advantages  # (N,)
    dlog_prob = np.where(unclipped <= clipped, -unclipped, 0) / N  # (N,)

    # forward: log_prob = log_p[row, action], and ∂log p_b/∂logit_a = [a = b] - p_a
    taken = np.eye(p.shape[1])[actions]  # (N, A)
    dlogits = dlog_prob[:, None] * (taken - p)  # (N, A)
    # forward: -ENT_COEF · mean H, H = -Σ p log p, and ∂H/∂logit_a = -p_a (log p_a + H)
    dlogits += ENT_COEF / N * p * (log_p + entropy[:, None])
    # forward: VF_COEF · ½ mean (values - targets)²
    dvalues = VF_COEF * (values - targets) / N  # (N,)
    return dlogits, dvalues


def gae(rewards, values, next_values, terminated, truncated):
    """Advantages (T, E): A_t = δ_t + γλ A_{t+1} within an episode, δ = r + γ V(s') - V(s)."""
    advantages = np.zeros_like(rewards)
    following = 0.0
    for t in reversed(range(len(rewards))):
        delta = rewards[t] + GAMMA * np.where(terminated[t], 0, next_values[t]) - values[t]  # (E,)
        following = np.where(terminated[t] | truncated[t], 0, following)  # (E,)
        following = advantages[t] = delta + GAMMA * LAMBDA * following
    return advantages


# One update, and the loop


def update(policy, value, adam, batch, learning_rate, rng):
    """Change the two networks, lists of arrays, by EPOCHS passes over the batch."""
    observations, actions, old_log_prob, advantages, targets = batch
    for _ in range(EPOCHS):
        order = rng.permutation(len(actions))
        for start in range(0, len(order), MINIBATCH):
            rows = order[start : start + MINIBATCH]  # (N,)
            A = advantages[rows]  # (N,)
            A = (A - A.mean()) / (A.std() + 1e-8)
            logits, policy_cache = forward(policy, observations[rows])  # (N, A)
            values, value_cache = forward(value, observations[rows])  # (N, 1)
            dlogits, dvalues = loss_gradients(
                logits, values[:, 0], actions[rows], old_log_prob[rows], A, targets[rows]
            )
            grads = backward(policy, dlogits, policy_cache)
            grads += backward(value, dvalues[:, None], value_cache)
            norm = sum((g * g).sum() for g in grads) ** 0.5
            adam["step"] += 1
            for k, (param, g) in enumerate(zip(policy + value, grads, strict=True)):
                g = g * min(1, MAX_NORM / norm)
                adam["m"][k] = m = 0.9 * adam["m"][k] + 0.1 * g
                adam["v"][k] = v = 0.999 * adam["v"][k] + 0.001 * g * g
                m_hat, v_hat = m / (1 - 0.9 ** adam["step"]), v / (1 - 0.999 ** adam["step"])
                param -= learning_rate * m_hat / (np.sqrt(v_hat) + 1e-5)  # in place


def train(seed, total=TOTAL):
    """Train; returns the policy network and the returns of the last 100 episodes."""
    rng = np.random.default_rng(seed)
    env = gymnasium.make_vec("CartPole-v1", num_envs=ENVS)
    policy, value = network(rng, 2, 0.01), network(rng, 1, 1.0)
    zeros = [np.zeros_like(param) for param in policy + value]
    adam = {"m": list(zeros), "v": list(zeros), "step": 0}
    recent, running = deque(maxlen=100), np.zeros(ENVS)
    observation, _ = env.reset(seed=seed)
    ended = np.zeros(ENVS, bool)  # where it is so, the next row joins two episodes
    done = 0
    while done < total:
        rows = []
        for _ in range(STEPS):
            log_p = log_softmax(forward(policy, observation)[0])  # (E, A)
            action = (np.exp(log_p).cumsum(axis=1) < rng.random((ENVS, 1))).sum(axis=1).clip(max=1)
            following, reward, terminated, truncated, _ = env.step(action)
            log_prob = log_p[np.arange(ENVS), action]  # (E,)
            valid = ~ended  # after an end gymnasium only starts anew: that row is no transition
            rows.append(
                (observation, action, log_prob, reward, terminated, truncated, valid, following)
            )
            running += np.where(valid, reward, 0)
            ended = terminated | truncated
            recent.extend(running[ended])
            running[ended] = 0
            observation = following
        *data, following = (np.array(column) for column in zip(*rows, strict=True))  # (T, E, ...)
        observations, actions, log_probs, rewards, terminated, truncated, valid = data
        values = forward(value, observations)[0][..., 0]  # (T, E)
        next_values = forward(value, following)[0][..., 0]  # (T, E)
        advantages = gae(rewards, values, next_values, terminated, truncated)
        targets = advantages + values
        batch = [a[valid] for a in (observations, actions, log_probs, advantages, targets)]
        update(policy, value, adam, batch, LEARNING_RATE * (1 - done / total), rng)
        done += valid.sum()
        if done // 10_000 > (done - valid.sum()) // 10_000:
            print(f"{done:7,} steps   mean return of the last 100 episodes {np.mean(recent):6.1f}")
    env.close()
    return policy, list(recent)


if __name__ == "__main__":
    train(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
