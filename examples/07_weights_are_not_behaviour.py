"""07 · Weights are not behaviour: steps of one length in the weights, of all lengths in the policy.

python examples/07_weights_are_not_behaviour.py [--seed 0] [--runs 50] [--figure FILE]
"""

import numpy as np
from chapter import interval, run

import npppo

# %% [markdown]
# An update must not change the policy by much, because its data are the old policy's. Is that not
# what a small learning rate is for? It keeps the step of the weights small. What it is to do is to
# keep the step of the *behaviour* small: the divergence of the new probabilities from the old ones,
# KL(old ‖ new) in nats, which is 0.02 where an even choice becomes one of 60 to 40.
#
# Already without a network the two are not the same. Two actions, the logit z of the first, and
# steps of 1: around z = 0 they move its probability p by a quarter, at z = 6 by less than a
# hundredth, as ∂p/∂z = p (1 - p). So a policy that is sure does not move, even if it is wrong. (Its
# *ratio* does: a rare action becomes e times rarer with each step.)


# %%
def softmax_steps():
    """Logits in steps of 1, the probabilities, and the KL of each step."""
    z = np.arange(-6.0, 7.0)  # (13,)
    logits = np.stack([z, np.zeros_like(z)], axis=1)  # (13, 2)
    p = npppo.softmax(logits)[0][:, 0]  # (13,)
    return z, p, npppo.categorical_kl(logits[:-1], logits[1:])[0]  # (13,), (13,), (12,)


# %% [markdown]
# Now a network: 4 inputs, two layers of 32 tanh, 3 actions; a batch has 64 states. The output layer
# is scaled by 0.01 (as PPO begins), by 1, and by 10 (a policy that has become sure). The steps all
# have length 0.1, over all weights together. They go in a random direction, in one within the first
# or the last layer alone, or along the policy gradient of a batch (whose advantages are random).

# %%
LENGTH, GAINS = 0.1, (0.01, 1.0, 10.0)
KINDS = ("first layer", "random", "last layer", "gradient")


def network(rng, gain):
    layers = ((4, 32), 2**0.5), ((32, 32), 2**0.5), ((32, 3), gain)
    return [(npppo.orthogonal(rng, shape, g), np.zeros(shape[1])) for shape, g in layers]


def along(params, direction, factor):  # the weights that far on
    pairs = zip(params, direction, strict=True)
    return [(W + factor * dW, b + factor * db) for (W, b), (dW, db) in pairs]


def direction_of(kind, rng, logits, cache, params):
    """A direction of length 1 in the space of all weights: [(dW, db), ...]."""
    if kind == "gradient":
        actions = npppo.categorical_sample(logits, rng.random(len(logits)))  # (N,)
        log_prob, own = npppo.categorical_log_prob(logits, actions)  # (N,)
        _, loss_cache = npppo.policy_gradient_loss(log_prob, rng.normal(size=len(logits)))
        dlog_prob = npppo.policy_gradient_loss_backward(1.0, loss_cache)  # (N,)
        dlogits = npppo.categorical_log_prob_backward(dlog_prob, own)  # (N, A)
        _, direction = npppo.mlp_backward(dlogits, cache)
    else:
        chosen = {"first layer": [0], "last layer": [2]}.get(kind, [0, 1, 2])
        direction = [
            tuple((layer in chosen) * rng.normal(size=array.shape) for array in pair)
            for layer, pair in enumerate(params)
        ]
    length = sum((array**2).sum() for pair in direction for array in pair) ** 0.5
    return [(dW / length, db / length) for dW, db in direction]


# %% [markdown]
# How far a short step v goes in behaviour is known: KL = ½ vᵀF v, with the Fisher matrix F of the
# policy, whose products need but one forward pass along v. So steps can be made equal in behaviour
# instead: divide by √(vᵀF v). TRPO measures its steps with it. PPO looks at the probabilities.


# %%
def half_vFv(v, x, params, logits):  # ½ vᵀF v, a mean over the states
    Jv = npppo.mlp_jvp(x, params, v)  # (N, A), how fast the logits move
    return 0.5 * (Jv * npppo.categorical_fisher(logits, Jv)).sum(axis=1).mean()


def measure(seed, runs):
    rng = np.random.default_rng(seed)
    kl, equal = np.empty((2, runs, len(GAINS), len(KINDS)))
    for r, g, k in np.ndindex(kl.shape):
        x, params = rng.normal(size=(64, 4)), network(rng, GAINS[g])  # (N, D)
        logits, cache = npppo.mlp(x, params)  # (N, A)
        v = direction_of(KINDS[k], rng, logits, cache, params)
        scale = (1e-6 / half_vFv(v, x, params, logits)) ** 0.5  # for a KL of 1e-6
        for store, factor in ((kl, LENGTH), (equal, scale)):
            moved, _ = npppo.mlp(x, along(params, v, factor))  # (N, A)
            store[r, g, k] = npppo.categorical_kl(logits, moved)[0].mean()
    log = np.log10(kl)  # (runs, gains, kinds)
    return {
        "softmax": softmax_steps(),
        "quantiles": np.quantile(kl, [0.05, 0.5, 0.95], axis=0),  # (3, gains, kinds)
        "equal quantiles": np.quantile(equal, [0.05, 0.5, 0.95], axis=0),
        "orders, gradient - random": interval(log[..., 3] - log[..., 1]),  # (2, gains)
        "orders, sure - fresh": interval(log[:, 2] - log[:, 0]),  # (2, kinds)
        "orders, all": np.ptp(log),
        "orders, all, equal": np.ptp(np.log10(equal)),
    }


# %%
def tell(numbers):
    print(f"KL of a step of {LENGTH} in the weights, medians; the last layer's gain in front")
    print("       " + "".join(f"{kind:>13}" for kind in KINDS))
    for g, gain in enumerate(GAINS):
        print(f"{gain:7}" + "".join(f"{kl:13.1e}" for kl in numbers["quantiles"][1, g]))
    low, high = numbers["orders, gradient - random"]
    for gain, pair in zip(GAINS, zip(low, high, strict=True), strict=True):
        ranges = "gradient over random: {:.2f} … {:.2f} orders of magnitude (95 %)".format(*pair)
        print(f"gain {gain}: {ranges}")
    print(f"All of them span {numbers['orders, all']:.1f} orders of magnitude; ", end="")
    print(f"steps of equal vᵀFv span {numbers['orders, all, equal']:.2f}.")


def draw(figure, numbers):
    left, right = figure.subplots(1, 2)
    z, p, _ = numbers["softmax"]
    left.plot(z, p, "o-")
    left.hlines(p, z[0] - 1, z, linewidth=0.5, color="grey")
    left.set(xlabel="logit, in steps of 1", ylabel="probability", xlim=(-7, 6.5))
    for g, gain in enumerate(GAINS):
        low, middle, high = numbers["quantiles"][:, g]  # (kinds,) each
        x = np.arange(len(KINDS)) + 0.15 * (g - 1)
        right.errorbar(x, middle, [middle - low, high - middle], fmt="o", label=f"gain {gain}")
    right.set_xticks(range(len(KINDS)), KINDS)
    right.set(yscale="log", ylabel=f"KL of a step of {LENGTH} in the weights")
    right.legend(loc="lower right")


if __name__ == "__main__":
    run(measure, tell, draw, runs=50)
