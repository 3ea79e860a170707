"""02 · A baseline: subtracted from the return, it changes the gradient's variance, not its mean.

python examples/02_baseline.py [--seed 0] [--runs 300] [--figure FILE]
"""

from itertools import product

import numpy as np
from chapter import interval, run

import npppo

# %% [markdown]
# REINFORCE raises the log-probability of what was done by the return that followed. If all returns
# are near 10, it raises whatever was done, and only by raising the better actions a little more
# does it learn. So take a number b off the returns first, the baseline:
#
#     g = ∇log π(a) (return - b)              Q(a) = the mean return after action a
#
# On average b does nothing, because Σ_a π(a) ∇log π(a) b = b ∇Σ_a π(a) = b ∇1 = 0. One state and a
# few actions are enough to see that: the mean is a sum over the actions.

# %%
NOISE = 0.1  # standard deviation of the return after an action, around its mean Q
POLICIES = {  # probabilities, and Q
    "undecided": (np.array([0.3, 0.3, 0.2, 0.2]), np.array([9.0, 10.0, 11.0, 12.0])),
    "almost sure": (np.array([0.9, 0.1]), np.array([1.0, 0.0])),
}


def scores(p):
    """∇log π(a) by the logits, a row for each action a: (A, A)."""
    log_p, cache = npppo.categorical_log_prob(np.log(np.tile(p, (len(p), 1))), np.arange(len(p)))
    return npppo.categorical_log_prob_backward(np.ones_like(log_p), cache)


def true_gradient(p, q):
    """∇ Σ_a π(a) Q(a) by the logits: a softmax and its backward, no score and no sample."""
    _, cache = npppo.softmax(np.log(p[None]))
    return npppo.softmax_backward(q[None], cache)[0]  # (A,)


def mean_and_variance(p, q, b):
    """Of g = ∇log π(a) (return - b): the vector (A,), and the sum of its entries' variances."""
    mean = (p * (q - b)) @ scores(p)  # (A,)
    squares = (scores(p) ** 2).sum(axis=1) * ((q - b) ** 2 + NOISE**2)  # (A,)
    return mean, p @ squares - mean @ mean


# %% [markdown]
# The variance is E[|∇log π|² (return - b)²] - |mean|²: a parabola in b. Its derivative by b is
# -2 E[|∇log π|² (Q - b)], which is 0 at
#
#     b* = E[|∇log π|² Q] / E[|∇log π|²]
#
# That is a mean of Q in which each action counts as much as its score is long. It is not V = E[Q],
# the mean that everybody subtracts. The score of a likely action is short: e_a - π is almost 0. For
# two actions b* = π₂ Q₁ + π₁ Q₂, just the other way round than V. Where the policy is undecided the
# two are close. Where it is almost sure, V can be worse than nothing.


# %%
def best_baseline(p, q):  # b*
    weight = p * (scores(p) ** 2).sum(axis=1)  # (A,), π |∇log π|²
    return weight @ q / weight.sum()


# %% [markdown]
# In practice the baseline is made of returns too. The mean of the batch contains the sample's own
# return, and then b and ∇log π(a) are not independent: on average the gradient comes out
# (N - 1) / N times as long as it should. Leave the sample itself out (RLOO), and it is unbiased
# again. For N = 3 all batches can be listed.


# %%
def mean_over_batches(p, q, leave_out, N=3):  # leave_out: 1, or 0 if the sample itself stays in
    total = np.zeros(len(p))
    for a in map(np.array, product(range(len(p)), repeat=N)):  # (N,)
        b = (q[a].sum() - leave_out * q[a]) / (N - leave_out)  # (N,), or one number
        total += p[a].prod() * (scores(p)[a] * (q[a] - b)[:, None]).mean(axis=0)
    return total  # (A,)


def measure(seed, runs):
    rng = np.random.default_rng(seed)
    numbers = {"bias": 0.0}
    for name, (p, q) in POLICIES.items():
        right = true_gradient(p, q)
        baselines = {"none": 0.0, "V": p @ q, "b*": best_baseline(p, q)}
        grid = np.linspace(-0.1, 1.3, 15) * q.max()  # (15,)
        means, variances = zip(*(mean_and_variance(p, q, b) for b in grid), strict=True)
        a = rng.choice(len(p), p=p, size=(runs, 50))  # (runs, N)
        returns = q[a] + NOISE * rng.normal(size=a.shape)  # (runs, N)
        sampled = {}
        for key, b in baselines.items():
            g = scores(p)[a] * (returns - b)[..., None]  # (runs, N, A)
            sampled[key] = g.var(axis=1, ddof=1).sum(axis=1)  # (runs,)
        numbers["bias"] = max(numbers["bias"], abs(means - right).max())
        numbers[name] = {
            "baselines": baselines,
            "variance": {k: mean_and_variance(p, q, b)[1] for k, b in baselines.items()},
            "sampled": {key: interval(v) for key, v in sampled.items()},
            "V - none": interval(sampled["V"] - sampled["none"]),
            "b* - V": interval(sampled["b*"] - sampled["V"]),
            "curve": (grid, variances),
            "mean of the batch": mean_over_batches(p, q, 0) @ right / (right @ right),
            "of the others": mean_over_batches(p, q, 1) @ right / (right @ right),
        }
    return numbers


# %%
def tell(numbers):
    print(f"Bias of the gradient, whatever the baseline: at most {numbers['bias']:.0e}")
    for name in POLICIES:
        of = numbers[name]
        print(f"{name}: the variance of one sample's gradient")
        for key, b in of["baselines"].items():
            low, high = of["sampled"][key]
            line = f"    {key:5} b = {b:6.3f}  {of['variance'][key]:9.4f}"
            print(f"{line}   95 % of samples {low:8.4f} … {high:8.4f}")
        print(f"    V: {of['variance']['V'] / of['variance']['none']:.3g} times that of none")
    print(f"b = the mean of a batch of 3: {of['mean of the batch']:.4f} of the gradient", end="; ")
    print(f"the mean of the other two: {of['of the others']:.4f}")


def draw(figure, numbers):
    for axis, name in zip(figure.subplots(1, 2), POLICIES, strict=True):
        of = numbers[name]
        axis.plot(*of["curve"], color="grey")
        for (key, b), mark in zip(of["baselines"].items(), "osd", strict=True):
            axis.plot(b, of["variance"][key], mark, markersize=7, alpha=0.7, label=f"b = {key}")
        axis.set_title(f"{name}: π = {', '.join(map(str, POLICIES[name][0]))}", fontsize=10)
        axis.set(xlabel="baseline b", ylabel="variance of the gradient", ylim=(0, None))
        axis.legend()


if __name__ == "__main__":
    run(measure, tell, draw, runs=300)
