"""08 · The importance ratio: a batch speaks for a policy that has moved on, the less the further.

python examples/08_importance_ratio.py [--seed 0] [--runs 500] [--figure FILE]
"""

import numpy as np
from chapter import interval, run

import npppo

# %% [markdown]
# After one step the policy is another one, and the batch was drawn by the old one. Must it be
# thrown away? A mean over the new policy's actions is a mean over those of the old one, each
# weighted by the ratio r = π(a|s) / π_old(a|s):
#
#     Σ_a π(a|s) A(s, a) = Σ_a π_old(a|s) r A(s, a)
#
# On average nothing is wrong with that. But the weights differ the more the further the policy has
# moved, and in the end a few samples outvote the rest. N samples with the weights r are worth
# (Σ r)² / Σ r² equal ones, about N / E[r²]: the effective sample size.
#
# And there is what the ratio does not correct: the states, which are those that the old policy saw.
# Take a driver on a road, who is slow or fast. Fast earns 2 in place of 1, and leads onto ice in
# one case of five, not of fifty. On ice slow earns nothing and fast is an accident: -4. The old
# policy is fast in one case of ten, and hardly ever on ice. The new ones are faster everywhere.

# %%
GAMMA, N = 0.9, 200
MOVES = np.array([[[0.98, 0.02], [0.8, 0.2]], [[0.5, 0.5], [0.5, 0.5]]])  # (S, A, S), road and ice
REWARDS = np.array([[1.0, 2.0], [0.0, -4.0]])  # (S, A), slow and fast
# the policies by their π(fast); the old one is the first
FAST = np.array([0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])


def policy_of(fast):  # the same on road and ice
    return np.array([[1 - fast, fast]] * 2)  # (S, A)


def solve(policy):
    """Q (S, A), and how often each state is visited from the road on (discounted, S)."""
    P = np.einsum("sa,sat->st", policy, MOVES)  # (S, S)
    V = np.linalg.solve(np.eye(2) - GAMMA * P, (policy * REWARDS).sum(axis=1))  # (S,)
    return REWARDS + GAMMA * MOVES @ V, np.linalg.solve(np.eye(2) - GAMMA * P.T, [1.0, 0.0])


OLD = policy_of(FAST[0])
Q, VISITS = solve(OLD)  # (S, A), (S,)
V = (OLD * Q).sum(axis=1)  # (S,)
ADVANTAGES = Q - V[:, None]  # (S, A)

# %% [markdown]
# How much better is a new policy, from the road on? Exactly Σ_s d(s) Σ_a π(a|s) A(s, a), with the
# old policy's advantages and the visits d(s) of the *new* one (Kakade & Langford 2002). The batch
# has the visits of the old one. What it tells is the surrogate: the same sum with d_old. The two
# agree at the old policy, slope included, and in general nowhere else.


# %%
def exactly(fast):
    """What a policy gains; what the surrogate says; the share of the sample that is left."""
    policy = policy_of(fast)
    later_Q, visits = solve(policy)
    gain = (policy * later_Q).sum(axis=1)[0] - V[0]
    by_visits = visits @ (policy * ADVANTAGES).sum(axis=1)  # the same, by the identity
    surrogate = VISITS @ (policy * ADVANTAGES).sum(axis=1)
    share = 1 / (policy**2 / OLD)[0].sum()  # 1 / E[r²]
    return gain, by_visits, surrogate, share


def batches(rng, fast, runs):
    """The surrogate from each of `runs` batches of N old samples; their effective sample sizes."""
    s = rng.choice(2, p=VISITS / VISITS.sum(), size=runs * N)  # (runs · N,)
    a = npppo.categorical_sample(np.log(OLD)[s], rng.random(runs * N))  # (runs · N,)
    r, _ = npppo.importance_ratio(np.log(policy_of(fast))[s, a], np.log(OLD)[s, a])  # (runs · N,)
    weighted = VISITS.sum() * (r * ADVANTAGES[s, a]).reshape(runs, N)
    r = r.reshape(runs, N)
    return weighted.mean(axis=1), r.sum(axis=1) ** 2 / (r**2).sum(axis=1)  # (runs,) each


# %% [markdown]
# Could the states be corrected as well? Yes, by the product of all ratios since the start. Its
# mean square is E[r²]^t after t steps: what was left of the sample after one is left t times over.


# %%
def measure(seed, runs):
    rng = np.random.default_rng(seed)
    gain, by_visits, surrogate, share = np.array([exactly(fast) for fast in FAST]).T
    sampled = [batches(rng, fast, runs) for fast in FAST]
    estimates, sizes = np.array(sampled).transpose(1, 0, 2)  # (policies, runs) each
    squares = (estimates - surrogate[:, None]) ** 2  # (policies, runs)
    return {
        "gain": gain,
        "surrogate": surrogate,
        "identity": abs(gain - by_visits).max(),
        "share": share,
        "share after 20 steps": share**20,
        "sampled surrogate": interval(estimates.T),  # (2, policies) each
        "sampled share": interval(sizes.T / N),
        "variance": squares.mean(axis=1),
        "variance - the first": interval((squares - squares[1]).T),  # [0] is the old policy's
        "surrogate - gain": interval((estimates - gain[:, None]).T),
    }


# %%
def tell(numbers):
    print("fast    truth  surrogate  95 % of samples   variance   share left   after 20 steps")
    for i, fast in enumerate(FAST):
        low, high = numbers["sampled surrogate"][:, i]
        gain, surrogate = numbers["gain"][i] + 1e-9, numbers["surrogate"][i] + 1e-9  # no -0.00
        line = f"{fast:4.2f}{gain:9.2f}{surrogate:11.2f}"
        line += f"{low:9.2f} … {high:4.2f}{numbers['variance'][i]:11.3f}"
        print(f"{line}{numbers['share'][i]:13.3f}{numbers['share after 20 steps'][i]:17.1e}")
    said, true = (FAST[numbers[name].argmax()] for name in ("surrogate", "gain"))
    print("The surrogate is unbiased, but of the wrong thing:", end=" ")
    print(f"by it the best π(fast) is {said:.2f}, in truth it is {true:.2f}.")


def draw(figure, numbers):
    left, right = figure.subplots(1, 2)
    left.plot(FAST, numbers["share"], "o-", label="effective share of the sample")
    left.plot(FAST, numbers["share after 20 steps"], "s--", label="the same after 20 steps")
    left.set(ylim=(0, 1.05), xlabel=f"π(fast); old: {FAST[0]}")
    left.legend()
    low, high = numbers["sampled surrogate"]
    right.plot(FAST, numbers["surrogate"], color="tab:red", label="surrogate: what the batch says")
    right.fill_between(FAST, low, high, color="tab:red", alpha=0.3)
    right.plot(FAST, numbers["gain"], "o-", color="black", label="truth: what is gained")
    right.axhline(0, color="grey", linewidth=0.8)
    right.set(xlabel=f"π(fast); old: {FAST[0]}", ylabel="discounted reward")
    right.legend()


if __name__ == "__main__":
    run(measure, tell, draw, runs=500)
