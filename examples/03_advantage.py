"""03 · Q, V and the advantage: how much better an action is than what the policy does on average.

python examples/03_advantage.py [--seed 0] [--runs 2000] [--figure FILE]
"""

import numpy as np
from chapter import interval, run

import npppo

# %% [markdown]
# A machine wears out. It can be run (earns most, wears it), be handled with care (earns less, wears
# it less) or be repaired (costs, and it is new again). A policy π, the same in all states, knows no
# better than to run it most of the time. Three numbers tell what that is worth:
#
#     Q(s, a)  the discounted rewards from s on, if a comes first and then π
#     V(s)     the same if π comes first as well: the mean of Q over the actions of π
#     A(s, a)  = Q(s, a) - V(s), the advantage
#
# With five states nothing need be estimated. V(s) = r(s) + γ Σ_s' P(s, s') V(s') are five linear
# equations, where P and r are the moves and the rewards that π makes of the machine.

# %%
STATES = ("new", "good", "worn", "bad", "broken")
ACTIONS = ("run", "care", "repair")
GAMMA = 0.9
POLICY = np.array([[0.65, 0.25, 0.1]] * 5)  # (S, A)
REWARDS = np.array([[4, 2, -2], [4, 2, -2], [3, 1.5, -2], [2, 1, -2], [0, 0, -6]], float)  # (S, A)
MOVES = np.zeros((5, 3, 5))  # (S, A, S): how likely the next state is
for s in range(5):
    for a, wears in enumerate((0.6, 0.2)):
        MOVES[s, a, s] += 1 - wears
        MOVES[s, a, min(s + 1, 4)] += wears
    MOVES[s, 2, 0] = 1


def solve(policy):
    """V (S,) and Q (S, A) of a policy (S, A)."""
    P = np.einsum("sa,sat->st", policy, MOVES)  # (S, S)
    V = np.linalg.solve(np.eye(5) - GAMMA * P, (policy * REWARDS).sum(axis=1))  # (S,)
    return V, REWARDS + GAMMA * MOVES @ V


# %% [markdown]
# What does a policy gradient need of them? Only the advantage. Raising the probability of an action
# lowers that of the others, so what counts is how it compares with them. In a state that is visited
# d(s) times (discounted), the gradient of V at the start by the logits is
#
#     ∂V(start)/∂z(s, a) = d(s) π(a|s) A(s, a)
#
# which is checked below by a complex step through the linear equations.


# %%
def visits(policy, start=0):
    """How often each state is visited from `start` on, a visit after t steps counting γ^t: (S,)."""
    P = np.einsum("sa,sat->st", policy, MOVES)  # (S, S)
    return np.linalg.solve(np.eye(5) - GAMMA * P.T, np.eye(5)[start])


def gradient_by_complex_step(policy):
    gradient = np.zeros_like(policy)  # (S, A)
    for index in np.ndindex(policy.shape):
        z = np.log(policy).astype(complex)
        z[index] += 1e-30j
        gradient[index] = solve(npppo.formulas.categorical.softmax(z)[0])[0][0].imag / 1e-30
    return gradient


# %% [markdown]
# One return is a poor guide to Q: chance and the later actions are in it. But take V off it, and
# its sign is right more often than not. The sign of the return itself says nothing: where life is
# good it is always positive, so it is right for the good actions and wrong for the bad ones.


# %%
def returns(rng, state, action, V, steps=40):
    """Sampled returns from states and first actions, (E,) each; V stands for what comes later."""
    rewards, following = np.empty((2, steps, len(state)))  # (T, E) each
    for t in range(steps):
        rewards[t] = REWARDS[state, action]
        cdf = MOVES[state, action].cumsum(axis=1)  # (E, S)
        state = (cdf < rng.random((len(state), 1))).sum(axis=1).clip(max=4)  # (E,)
        following[t] = V[state]
        action = npppo.categorical_sample(np.log(POLICY[state]), rng.random(len(state)))
    never = np.zeros(rewards.shape, bool)
    return npppo.discounted_returns(rewards, following, never, never, GAMMA)[0]  # (E,)


def measure(seed, runs):
    rng = np.random.default_rng(seed)
    V, Q = solve(POLICY)
    A, d = Q - V[:, None], visits(POLICY)  # (S, A), (S,)
    bad, now, repair = 3, 0, 2
    after = [returns(rng, np.full(runs, bad), np.full(runs, a), V) for a in (now, repair)]
    state = rng.choice(5, p=d / d.sum(), size=runs)  # (runs,)
    action = npppo.categorical_sample(np.log(POLICY[state]), rng.random(runs))
    G = returns(rng, state, action, V)  # (runs,)
    good = A[state, action] > 0  # (runs,) bool
    theorem = d[:, None] * POLICY * A  # (S, A)
    return {
        "V": V,
        "Q": Q,
        "A": A,
        "mean of A": abs((POLICY * A).sum(axis=1)).max(),
        "theorem": abs(gradient_by_complex_step(POLICY) - theorem).max() / abs(theorem).max(),
        "reward: repair - run": REWARDS[bad, repair] - REWARDS[bad, now],
        "Q: repair - run": Q[bad, repair] - Q[bad, now],
        "returns: repair - run": interval(after[1] - after[0]),
        "right sign of the return": interval((G > 0) == good),
        "right sign of return - V": interval((V[state] < G) == good),
    }


# %%
def tell(numbers):
    print("         V  " + "".join(f"   Q {a:7} A  " for a in ACTIONS))
    for name, v, q, a in zip(STATES, *(numbers[key] for key in "VQA"), strict=True):
        print(f"{name:7}{v:6.2f}" + "".join(f"{x:9.2f}{y:7.2f}" for x, y in zip(q, a, strict=True)))
    print(f"policy gradient = d π A, to {numbers['theorem']:.0e} of its largest entry")
    low, high = numbers["returns: repair - run"]
    print("a bad machine, repair - run: at once", numbers["reward: repair - run"], end="; ")
    print(f"in the long run {numbers['Q: repair - run']:.2f} (95 %: {low:.2f} … {high:.2f})")
    for name in ("right sign of the return", "right sign of return - V"):
        low, high = numbers[name]
        print(f"{name}: in {low:.0%} … {high:.0%} of all steps")


def draw(figure, numbers):
    axis = figure.subplots()
    for a, name in enumerate(ACTIONS):
        axis.bar(np.arange(5) + 0.25 * (a - 1), numbers["Q"][:, a], 0.22, label=f"Q of {name}")
    for s, v in enumerate(numbers["V"]):
        axis.hlines(v, s - 0.4, s + 0.4, color="black", label=None if s else "V")
    axis.set_xticks(range(5), STATES)
    axis.legend(title="bar - line = advantage")


if __name__ == "__main__":
    run(measure, tell, draw, runs=2000)
