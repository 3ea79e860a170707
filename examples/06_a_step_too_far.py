"""06 · A step too far: the policy makes its own data, so a fall can last.

python examples/06_a_step_too_far.py [--seed 0] [--runs 40] [--figure FILE]
"""

import numpy as np
from chapter import interval, run

import npppo

# %% [markdown]
# A rope of 20 steps. At each, one of 4 moves is right and earns 1; the others end the walk. What is
# seen of a step is 8 features, the policy is a softmax of x W, and what it learns at one step acts
# at the others. Each run is a world of its own, all computed at once. Since the rope is known, so
# are the values and the true gradient. The advantages are returns minus the true V: no critic can
# be blamed here. In the shapes: R worlds, L steps, D features, A moves, N walks in each world.

# %%
STEPS, MOVES, FEATURES, WALKS, EPOCHS, UPDATES = 20, 4, 8, 16, 10, 60
RATES, GOOD = np.array([0.003, 0.01, 0.03, 0.1, 0.3, 1.0]), 0.03


def worlds(rng, runs):
    """What is seen at each step, (R, L, D), and which move is right, (R, L): some W knows it."""
    hidden = rng.normal(size=(runs, STEPS, 3)) @ rng.normal(size=(runs, 3, FEATURES - 1))
    x = np.concatenate([np.tanh(hidden), np.ones((runs, STEPS, 1))], axis=2)  # (R, L, D)
    return x, (x @ rng.normal(size=(runs, FEATURES, MOVES))).argmax(axis=2)  # (R, L)


def exactly(W, world):
    """The return (R,), the values (R, L), and the return's true gradient by W: (R, D, A)."""
    x, right = world
    p = npppo.softmax((x @ W).reshape(-1, MOVES))[0].reshape(*right.shape, MOVES)  # (R, L, A)
    chosen = right[:, :, None] == np.arange(MOVES)  # (R, L, A)
    on = p[chosen].reshape(right.shape)  # (R, L), the probability of the right move
    values = np.zeros((len(on), STEPS + 1))  # (R, L + 1)
    for k in reversed(range(STEPS)):
        values[:, k] = on[:, k] * (1 + values[:, k + 1])
    d = np.cumprod(on, axis=1) / on  # (R, L), how likely one gets to a step
    A = chosen * (1 + values[:, 1:, None]) - values[:, :-1, None]  # (R, L, A)
    return values[:, 0], values[:, :-1], x.swapaxes(1, 2) @ (d[:, :, None] * p * A)  # 03 says why


def walk(rng, W, world):
    """WALKS walks in each world: the moves, whether one got there, and Â if so; (R, L, N) each."""
    x, right = world
    logits = (x @ W).reshape(-1, MOVES).repeat(WALKS, axis=0)  # (R · L · N, A)
    moves = npppo.categorical_sample(logits, rng.random(len(logits)))  # (R · L · N,)
    moves = moves.reshape(*right.shape, WALKS)  # (R, L, N)
    on = np.cumprod(moves == right[:, :, None], axis=1)  # (R, L, N), 1 while all are right
    reached = np.pad(on, ((0, 0), (1, 0), (0, 0)), constant_values=1)[:, :-1]  # (R, L, N)
    rewards_to_go = on.sum(axis=1, keepdims=True) - np.arange(STEPS)[:, None]  # (R, L, N)
    return moves, reached, rewards_to_go - exactly(W, world)[1][:, :, None]


# %% [markdown]
# As in PPO, a batch is reused for 10 steps of Adam, on the plain surrogate r Â (r = π / π_old, see
# 08) or on the clipped one (10).

# %%
LOSSES = {
    "plain": (npppo.surrogate_loss, npppo.surrogate_loss_backward),
    "clip": (npppo.clipped_surrogate_loss, npppo.clipped_surrogate_loss_backward, 0.2),
}


def update(rng, W, memory, step, world, rate, loss):
    """The weights and Adam's memory after one batch; `step` counts Adam's steps before it."""
    forward, backward, *limits = LOSSES[loss]
    x, (moves, reached, A) = world[0], walk(rng, W, world)
    counts = reached.sum(axis=(1, 2), keepdims=True)  # (R, 1, 1)
    A = A / (((A**2 * reached).sum(axis=(1, 2), keepdims=True) / counts) ** 0.5 + 1e-8)  # size 1
    A = A * reached / counts * A.size  # (R, L, N), so that each world has the mean over its own
    old, _ = npppo.categorical_log_prob((x @ W).reshape(-1, MOVES).repeat(WALKS, 0), moves.ravel())
    for epoch in range(EPOCHS):
        logits = (x @ W).reshape(-1, MOVES).repeat(WALKS, axis=0)  # (R · L · N, A)
        log_prob, head = npppo.categorical_log_prob(logits, moves.ravel())  # (R · L · N,)
        _, own = forward(log_prob, old, A.ravel(), *limits)
        dlogits = npppo.categorical_log_prob_backward(backward(1.0, own), head)
        dlogits = dlogits.reshape(*moves.shape, MOVES).sum(axis=2)  # (R, L, A)
        dW = x.swapaxes(1, 2) @ dlogits  # (R, D, A)
        W, *memory = npppo.adam_step(W, dW, *memory, step + epoch + 1, rate)
    return W, memory


def climb(rng, W, world, updates, rate=GOOD, loss="clip"):
    """The weights after so many updates, and the return after each: (updates + 1, R)."""
    memory, returns = [0 * W, 0 * W], [exactly(W, world)[0]]
    for k in range(updates):
        W, memory = update(rng, W, memory, k * EPOCHS, world, rate, loss)
        returns.append(exactly(W, world)[0])
    return W, np.array(returns)


# %% [markdown]
# Three questions. From which learning rate on does a run that has climbed fall again? What becomes
# of a good policy after one update that was far too large, at a rate of 1 and without a clip? And
# which rate is best for the next update, for a fresh policy and for a trained one?


# %%
def measure(seed, runs):
    rng = np.random.default_rng(seed)
    world, fresh = worlds(rng, runs), np.zeros((runs, FEATURES, MOVES))
    numbers, ends = {"fell": {}, "end": {}}, {}
    for loss in LOSSES:
        curves = np.array([climb(rng, fresh, world, UPDATES, rate, loss)[1] for rate in RATES])
        best = np.maximum.accumulate(curves, axis=1)  # (rates, updates + 1, R), so far
        numbers["fell"][loss] = (curves < best / 2).any(axis=1).mean(axis=1)  # (rates,)
        ends[loss] = curves[:, -1].T  # (R, rates)
        numbers["end"][loss] = interval(ends[loss])  # (2, rates)
    numbers["clip - plain"] = interval(ends["clip"] - ends["plain"])  # (2, rates)
    policies = {"fresh": fresh, "trained": climb(rng, fresh, world, UPDATES)[0]}
    policies["broken"], _ = climb(rng, policies["trained"], world, 1, RATES[-1], "plain")
    for name, W in policies.items():
        seen = walk(rng, W, world)[1].any(axis=2).sum(axis=1)  # (R,), steps of the rope in a batch
        slope = np.linalg.norm(exactly(W, world)[2], axis=(1, 2))  # (R,)
        gains = [np.diff(climb(rng, W, world, 1, r, "plain")[1], axis=0)[0] for r in RATES]
        numbers[name] = {
            "gains": interval(np.transpose(gains)),  # (2, rates)
            "again": climb(rng, W, world, UPDATES)[1],  # (updates + 1, R)
            "seen": seen.mean(),
            "slope": np.median(slope),
        }
    more = numbers["broken"]["again"][-1] - numbers["fresh"]["again"][-1]  # (R,)
    numbers["broken - fresh"] = interval(more)  # (2,)
    return numbers


# %%
def tell(numbers):
    print("learning rate             ", *(f"{rate:12}" for rate in RATES))
    for loss, ends in numbers["end"].items():
        print(f"return at the end, {loss:7}", *(f"{a:6.1f} …{b:5.1f}" for a, b in ends.T))
        print(f"fell by half, {loss:12}", *(f"{share:12.0%}" for share in numbers["fell"][loss]))
    for name in ("fresh", "trained"):
        pairs = numbers[name]["gains"].T
        print(f"gain of an update, {name:7}", *(f"{a:6.2f} …{b:5.2f}" for a, b in pairs))
    for name in ("fresh", "trained", "broken"):
        of, curve = numbers[name], numbers[name]["again"].mean(axis=1)
        print(f"{name:8}return {curve[0]:4.1f}, after {UPDATES} more", end=" ")
        print(f"updates {curve[-1]:4.1f}; steps seen {of['seen']:4.1f}", end=", ")
        print(f"true gradient {of['slope']:.1g}")


def draw(figure, numbers):
    left, middle, right = figure.subplots(1, 3)
    for loss, (low, high) in numbers["end"].items():
        left.fill_between(RATES, low, high, alpha=0.6, label=loss)
    left.set(xlabel="learning rate", ylabel=f"return after {UPDATES} updates", xscale="log")
    for name in ("fresh", "broken"):
        middle.plot(numbers[name]["again"].mean(axis=1), label=name)
    middle.set(xlabel="updates at a good rate", ylabel="return")
    for name in ("fresh", "trained"):
        right.fill_between(RATES, *numbers[name]["gains"], alpha=0.6, label=name)
    right.axhline(0, color="black", linewidth=0.8)
    right.set(xlabel="learning rate", ylabel="gain of one update", xscale="log")
    for axes in (left, middle, right):
        axes.legend(fontsize=8)


if __name__ == "__main__":
    run(measure, tell, draw, runs=40)
