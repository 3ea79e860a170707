"""13 · Which KL? k1, k2 and k3 in the reward and in the loss: the gradient each one really has.

python examples/13_which_kl.py [--seed 0] [--runs 200] [--figure FILE]
"""

import numpy as np
from chapter import interval, run

from npppo.formulas.categorical import categorical_log_prob, categorical_log_prob_backward

# %% [markdown]
# A language model π is trained to please, and shall stay close to the model q that it was. The
# penalty is KL(π ‖ q) = Σ_a π_a log(π_a / q_a), a mean over what π itself says. A sample of it is
# one of three numbers (Schulman 2020), with x = log π(a) - log q(a) of the token a that was drawn:
#
#     k1 = x        k2 = x² / 2        k3 = exp(-x) - 1 + x
#
# k1 and k3 have the mean KL(π ‖ q), k2 has not. It is an easy step from there to "k3 is right and
# k2 is wrong", and it is a wrong step: what trains is not the value but the gradient. There are two
# places for the penalty:
#
# * in the reward: a number, taken off the token's reward. It multiplies the score ∇log π(a).
# * in the loss: a function of π, differentiated as it stands. ∇k(x) = k'(x) ∇log π(a).
#
# With six tokens the mean over all that may be drawn is a sum, so there is nothing to argue about.

# %%
KINDS = {  # of x: the number, and its derivative by x, which is also the one by log π(a)
    "k1": (lambda x: x, lambda x: x**0),
    "k2": (lambda x: x**2 / 2, lambda x: x),
    "k3": (lambda x: np.exp(-x) - 1 + x, lambda x: 1 - np.exp(-x)),
}
PLACES = [f"{kind} in the {place}" for place in ("reward", "loss") for kind in KINDS]
RIGHT = ("k1 in the reward", "k2 in the loss")


def scores(z):
    """∇log π(a) by the logits, a row for each token a: (A, A)."""
    rows, cache = categorical_log_prob(np.tile(z, (len(z), 1)), np.arange(len(z)))
    return categorical_log_prob_backward(np.ones_like(rows), cache)


def weights(name, x):
    """What the penalty multiplies the score of each token by: (A,)."""
    value, slope = KINDS[name[:2]]
    return value(x) if name.endswith("reward") else slope(x)


def log_softmax(z):  # of one state, fit for a complex step
    return z - np.log(np.exp(z).sum())  # (A,)


def gradient(f, z):  # of any function of the logits, by a complex step: exact
    return np.array([f(log_softmax(z + 1e-30j * unit)).imag / 1e-30 for unit in np.eye(len(z))])


# %% [markdown]
# In the loss, k1 has the mean gradient Σ_a π_a ∇log π_a = ∇1 = 0: it pulls nowhere. k2 has
# Σ_a π_a x ∇log π_a, which is ∇KL(π ‖ q). k3 has Σ_a (π_a - q_a) ∇log π_a = -Σ_a q_a ∇log π_a,
# which is ∇KL(q ‖ π), the other one: by the logits simply π - q.
# In the reward, k1 is right: it is k2 in the loss, sample for sample. k3 has the difference
# ∇KL(π ‖ q) - ∇KL(q ‖ π), and close to q the two are the same: next to nothing is left.
#
# The reason is that the draws depend on π as well. With the ratio π / π_old in front (1, but it is
# differentiated) it is the mean that is differentiated, not the sample: then k1 and k3 are right.


# %%
def climb(name, log_q, rewards, beta=0.5, steps=600, rate=0.5):
    """KL(π ‖ q), and E[reward] - β KL(π ‖ q), as π follows the mean gradients from q on."""
    z, path = log_q, []
    for _ in range(steps + 1):
        x, p = log_softmax(z) - log_q, np.exp(log_softmax(z))  # (A,), (A,)
        path.append((p @ x, p @ rewards - beta * p @ x))
        z = z + rate * (p * (rewards - beta * weights(name, x))) @ scores(z)
    return np.array(path)  # (steps + 1, 2)


def measure(seed, runs):
    rng = np.random.default_rng(seed)
    p = np.array([0.2, 0.1, 0.3, 0.1, 0.2, 0.1])  # (A,), π
    q = np.array([0.3, 0.25, 0.05, 0.2, 0.15, 0.05])  # (A,)
    z, log_q, x = np.log(p), np.log(q), np.log(p / q)  # (A,) each
    right = gradient(lambda log_p: np.exp(log_p) @ (log_p - log_q), z)  # ∇KL(π ‖ q)
    other = gradient(lambda log_p: q @ (log_q - log_p), z)  # ∇KL(q ‖ π)
    exact = {name: (p * weights(name, x)) @ scores(z) for name in PLACES}  # means over all tokens
    claims = dict.fromkeys(RIGHT, right) | {"k1 in the loss": 0 * right, "k3 in the loss": other}
    claims["k3 in the reward"] = right - other
    for kind in ("k1", "k3"):  # Σ_a π_old (π / π_old) k(x)
        exact[f"ratio · {kind}"] = gradient(
            lambda log_p, k=KINDS[kind][0]: np.exp(log_p) @ k(log_p - log_q), z
        )
        claims[f"ratio · {kind}"] = right

    drawn = rng.choice(6, p=p, size=(runs, 1000))  # (runs, N)
    sampled = {n: (weights(n, x)[drawn, None] * scores(z)[drawn]).mean(axis=1) for n in PLACES}
    share = right / (right @ right)  # (A,): times a gradient, how much of the right one is in it
    rewards = np.eye(6)[2]  # 1 for one token; the best policy is π ∝ q exp(rewards / β), and its
    best = 0.5 * np.log(q @ np.exp(rewards / 0.5))  # E[reward] - β KL is this
    paths = {name: climb(name, log_q, rewards) for name in PLACES}
    return {
        "means": {kind: p @ value(x) for kind, (value, _) in KINDS.items()},
        "errors": {name: abs(exact[name] - claim).max() for name, claim in claims.items()},
        "share": {name: exact[name] @ share for name in PLACES},
        "intervals": {name: interval(sampled[name] @ share) for name in PLACES},
        "gain": {
            n: (path[-1, 1] - q @ rewards) / (best - q @ rewards) for n, path in paths.items()
        },
        "kl": {name: paths[name][:, 0] for name in PLACES},
    }


# %%
def tell(numbers):
    print("KL(π ‖ q) = mean of k1;", *(f"{k} {mean:.4f}" for k, mean in numbers["means"].items()))
    print(f"{'':18}share of ∇KL(π ‖ q)   95 % of samples   trained: gain of the best")
    for name in PLACES:
        low, high = numbers["intervals"][name]
        share = numbers["share"][name] + 1e-9  # no -0.000
        line = f"{name:18}{share:12.3f}{low:16.3f} … {high:5.3f}"
        print(f"{line}{numbers['gain'][name]:16.0%}{'   right' * (name in RIGHT)}")
    print(f"All identities hold, the largest error is {max(numbers['errors'].values()):.0e}.")


def draw(figure, numbers):
    left, right = figure.subplots(1, 2)
    colours = ["tab:green" if name in RIGHT else "tab:red" for name in PLACES]
    left.barh(PLACES, [numbers["share"][name] for name in PLACES], color=colours)
    left.invert_yaxis()
    left.set_xlabel("share of ∇KL(π ‖ q) in the mean gradient")
    for name in sorted(PLACES, key=lambda name: -numbers["kl"][name][-1]):
        style = "-" if name in RIGHT else "--"
        right.plot(range(0, 601, 20), numbers["kl"][name][::20], style, label=name)
    right.set(xlabel="steps up reward - 0.5 · penalty", ylabel="KL(π ‖ q)")
    right.legend(fontsize=8, loc="center right")


if __name__ == "__main__":
    run(measure, tell, draw, runs=200)
