"""01 · REINFORCE on 20 seeds: the same code climbs or collapses.

python examples/01_reinforce.py [--seed 0] [--runs 20] [--figure FILE]
"""

import numpy as np
from chapter import interval, run

import npppo

# %% [markdown]
# The oldest policy gradient is three lines: play, weigh the log-probability of each action by the
# return that followed, and take a step. It needs no value function and no model, and it works:
#
#     ∇J = mean of Σ_t ∇log π(a_t|s_t) R_t
#
# What is not in the formula is how much luck there is in it. Here it trains on CartPole (a step
# pays 1, the pole is held for 500 steps at most), with γ = 0.99 and Adam, at a learning rate at
# which all runs begin well. A step is made from the episodes that have ended since the last one.
# Between the runs nothing differs but the seed.

# %%
SETTING = {"baseline": "none", "learning_rate": 2e-2, "n_envs": 16, "n_steps": 32}
STEPS, PARTS = 81_920, 10  # of a training; and the parts of which each has one number


def curve(seed):
    """Mean and standard error of the episodes that ended in each part of a training: (2, PARTS)."""
    parts, seen = [[] for _ in range(PARTS)], 0  # returns, in each part; episodes so far

    def collect(model, row):  # after each update; model.recent has the last 100 episodes
        nonlocal seen
        new, seen = int(row["episodes"]) - seen, int(row["episodes"])
        part = min(PARTS - 1, model.num_timesteps * PARTS // STEPS)
        parts[part] += [episode[0] for episode in model.recent][len(model.recent) - min(new, 100) :]

    model = npppo.REINFORCE("CartPole-v1", seed=seed, learning_rate_end=None, **SETTING)
    model.learn(STEPS, collect)
    means = [np.mean(returns) for returns in parts]
    return means, [np.std(returns) / len(returns) ** 0.5 for returns in parts]


# %% [markdown]
# Three numbers of it. How far the runs are apart at the end, as a standard deviation, beside the
# standard error of one run's own number there: were it the episodes' luck alone, the two would be
# alike. How many runs fall: to less than 60 % of what they had in their best part. And what a
# comparison of two methods by one run each would have found, had both been this one: how far two
# seeds are apart on average.


# %%
def measure(seed, runs):
    means, errors = np.moveaxis([curve(seed + k) for k in range(runs)], 1, 0)  # (runs, PARTS) each
    last = means[:, -1]  # (runs,)
    return {
        "curves": means,
        "gain": interval(means.max(axis=1) - means[:, 0]),
        "last": (last.min(), np.median(last), last.max()),
        "spread": last.std(ddof=1),
        "error": errors[:, -1].mean(),
        "climbed": (last >= 400).sum(),
        "fell": (last < 0.6 * means.max(axis=1)).sum(),
        "apart": interval(abs(last[: runs // 2] - last[runs // 2 : runs // 2 * 2])),
    }


# %%
def tell(numbers):
    runs = len(numbers["curves"])
    print(
        f"CartPole-v1, {runs} seeds, mean return in the last {STEPS // PARTS:,} of {STEPS:,} steps"
    )
    print("lowest {:.0f}, median {:.0f}, highest {:.0f}".format(*numbers["last"]))
    print(f"standard deviation between seeds {numbers['spread']:.0f}, ", end="")
    print(f"standard error within one {numbers['error']:.0f}")
    print(f"400 or more: {numbers['climbed']} of {runs}; ", end="")
    print(f"fell to less than 60 % of their best: {numbers['fell']} of {runs}")
    print("two seeds are {:.0f} … {:.0f} apart (95 %)".format(*numbers["apart"]))
    print("best part - first: {:.0f} … {:.0f} (95 %)".format(*numbers["gain"]))


def draw(figure, numbers):
    axis = figure.subplots()
    x = STEPS / PARTS * (np.arange(PARTS) + 0.5)
    for means in numbers["curves"]:
        fell = means[-1] < 0.6 * means.max()
        colour = "tab:red" if fell else "tab:blue" if means[-1] >= 400 else "0.7"
        axis.plot(x, means, color=colour, linewidth=1)
    for label, colour in (("400 at the end", "blue"), ("fell from its best", "red")):
        axis.plot([], [], color=f"tab:{colour}", label=label)
    axis.set(xlabel="steps", ylabel="mean return", ylim=(0, 510))
    axis.legend(loc="upper left")


if __name__ == "__main__":
    run(measure, tell, draw, runs=20, fewest=4)
