"""05 · GAE's λ: how far to look ahead before the value function is believed.

python examples/05_gae.py [--seed 0] [--runs 50] [--figure FILE]
"""

import numpy as np
from chapter import interval, run

import npppo

# %% [markdown]
# How much better is an action? There are two ways to guess it from what was seen after it:
#
#     look one step ahead     r + γ V(s') - V(s)               the TD error δ
#     look to the end         r + γ r' + γ² r'' + … - V(s)     the return minus V
#
# The first believes V. If V is wrong, so is the guess, always in the same direction: bias. The
# second believes nobody, but the chance of all the steps to come is in it: variance. GAE takes a
# mean of these and of all between them, in which the TD error k steps on counts (γλ)^k. λ = 0 and
# λ = 1 are the two ends.
#
# A corridor of eight cells: a step to the right or to the left, the wrong way in one case of ten.
# Leaving it at the right earns 1, and the next walk begins at the left. The policy steps right in
# seven cases of ten. The bad value function cannot tell one half of the corridor's cells from
# another, and the question in each cell is how much better right is than left.

# %%
CELLS, GAMMA, LAMBDAS, N = 8, 0.95, np.linspace(0, 1, 21), 20
POLICY = np.array([0.3, 0.7])  # (A,), left and right
MOVES = np.zeros((CELLS, 2, CELLS))  # (S, A, S): how likely the next cell is
for s in range(CELLS):
    for a, right in enumerate((0.1, 0.9)):
        MOVES[s, a, max(s - 1, 0)] += 1 - right
        MOVES[s, a, (s + 1) % CELLS] += right
REWARDS = np.zeros((CELLS, CELLS))  # (S, S), of the step from one cell to another
REWARDS[-1, 0] = 1

P = np.einsum("a,sat->st", POLICY, MOVES)  # (S, S)
V = np.linalg.solve(np.eye(CELLS) - GAMMA * P, (P * REWARDS).sum(axis=1))  # (S,)
A = (MOVES * (REWARDS + GAMMA * V)[:, None]).sum(axis=2) - V[:, None]  # (S, A)
BETTER = A[:, 1] - A[:, 0]  # (S,), how much better right is than left
BAD_V = V.reshape(2, -1).mean(axis=1).repeat(4)  # (S,): one value for each half of the corridor

# %% [markdown]
# What GAE gives on average, and its mean square, are linear equations as well: the sum from here on
# is δ of this step plus γλ times the sum from the next cell on.


# %%
def exact_errors(values, lam):
    """Squared bias and variance of right's GAE minus left's, each a mean of N walks."""
    decay, inverse = GAMMA * lam, np.linalg.inv
    delta = REWARDS + GAMMA * values - values[:, None]  # (S, S)
    later = inverse(np.eye(CELLS) - decay * P) @ (P * delta).sum(axis=1)  # (S,), the mean
    mean = (MOVES * (delta + decay * later)[:, None]).sum(axis=2)  # (S, A)
    own = delta**2 + 2 * decay * delta * later  # (S, S)
    square = inverse(np.eye(CELLS) - decay**2 * P) @ (P * own).sum(axis=1)  # (S,)
    squares = (MOVES * (own + decay**2 * square)[:, None]).sum(axis=2)  # (S, A)
    bias = mean[:, 1] - mean[:, 0] - BETTER  # (S,)
    return (bias**2).mean(), (squares - mean**2).sum(axis=1).mean() / N


def walks(rng, T=60):
    """N walks from each cell with each first action; their cells, (T + 1, S · A · N).

    T steps are enough: γ^60 is 0.05, and V stands for the rest.
    """
    start, first = np.indices((CELLS, 2, N)).reshape(3, -1)[:2]  # (S · A · N,) each
    cells = [start]
    for t in range(T):
        action = rng.choice(2, p=POLICY, size=len(start)) if t else first
        cdf = MOVES[cells[-1], action].cumsum(axis=1)  # (S · A · N, S)
        cells.append((cdf < rng.random((len(start), 1))).sum(axis=1).clip(max=CELLS - 1))
    return np.array(cells)


def sampled_error(cells, values, lam):
    """The squared error of the same from walks."""
    rewards = REWARDS[cells[:-1], cells[1:]]  # (T, S · A · N)
    never = np.zeros(rewards.shape, bool)
    gae = npppo.gae(rewards, values[cells[:-1]], values[cells[1:]], never, never, GAMMA, lam)[0]
    left, right = gae.reshape(CELLS, 2, N).mean(axis=2).T  # (S,) each
    return ((right - left - BETTER) ** 2).mean()


# %% [markdown]
# "λ = 1 is unbiased" is true of this difference, and so of the policy gradient. It is not true of
# the advantage itself: V(s) is taken off, and where V(s) is wrong, both actions are wrong by that.
# As with any baseline it cancels.
#
# And the minimum in the middle is not a law. It moves to the right with more walks, which lower
# the variance and leave the bias, and if V is exact, there is nothing to be gained from λ > 0.


# %%
def measure(seed, runs):
    rng = np.random.default_rng(seed)
    functions = {"bad": BAD_V, "exact": V}
    exact = {n: np.array([exact_errors(v, lam) for lam in LAMBDAS]) for n, v in functions.items()}
    best = {name: LAMBDAS[errors.sum(axis=1).argmin()] for name, errors in exact.items()}
    errors = {"bad": [], "exact": []}  # with λ = 0, the best λ for the bad V, and 1
    for _ in range(runs):
        cells = walks(rng)
        for name, values in functions.items():
            errors[name].append([sampled_error(cells, values, x) for x in (0, best["bad"], 1)])
    errors = {name: np.array(e) for name, e in errors.items()}  # (runs, 3) each
    return {
        "exact": exact,  # (λ, 2) each
        "best": best,
        "sampled": {name: interval(e) for name, e in errors.items()},  # (2, 3) each
        "ends - best": {name: interval(e[:, ::2] - e[:, [1]]) for name, e in errors.items()},
    }


# %%
def tell(numbers):
    for name in ("bad", "exact"):
        print(f"{name} value function, smallest error at λ = {numbers['best'][name]:.2f}")
        for i, lam in enumerate((0, numbers["best"]["bad"], 1)):
            bias, variance = numbers["exact"][name][np.isclose(LAMBDAS, lam)][0]
            low, high = numbers["sampled"][name][:, i]
            line = f"    λ = {lam:.2f}: bias² {bias:.5f} + variance {variance:.5f}"
            print(f"{line} = {bias + variance:.5f} (95 % of samples {low:.5f} … {high:.5f})")


def draw(figure, numbers):
    for axis, name in zip(figure.subplots(1, 2, sharey=True), ("bad", "exact"), strict=True):
        bias, variance = numbers["exact"][name].T
        axis.plot(LAMBDAS, bias + variance, color="black", label="squared error: the sum")
        axis.plot(LAMBDAS, variance, "--", label="variance")
        axis.plot(LAMBDAS, bias, "--", label="bias²")
        lam = numbers["best"][name]
        axis.plot(lam, (bias + variance)[np.isclose(LAMBDAS, lam)], "ko")
        axis.set(title=f"{name} value function", xlabel="λ")
        axis.legend(loc="upper center")


if __name__ == "__main__":
    run(measure, tell, draw, runs=50)
