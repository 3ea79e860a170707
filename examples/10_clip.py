"""10 · The clipped surrogate: it takes away the reason to go on, and it is not a wall.

python examples/10_clip.py [--seed 0] [--runs 20] [--figure FILE]
"""

import numpy as np
from chapter import interval, run

import npppo

# %% [markdown]
# The surrogate r Â may be raised by moving r = π / π_old as far as it goes. PPO takes the smaller
# of r Â and c Â, where c is r limited to 1 - ε … 1 + ε. With two signs of Â, and r below, in and
# above the band, that makes six cases:
#
#     Â > 0   r too small: r Â    in the band: r Â    r large enough: flat, gradient 0
#     Â < 0   r small enough: flat, gradient 0    in the band: r Â    r too large: r Â
#
# In the two that are flat the goal is reached. In the two where r has moved the wrong way the
# gradient leads back, in full: that is what the minimum is for. Limiting r without it would be flat
# there as well, and a sample that was pushed to the wrong side could never return.

# %%
CLIP = 0.2
RATIOS = np.array([0.5, 1.0, 1.5])


def slopes(advantage):
    """∂J/∂log π at each of the ratios, where J = min(r Â, c Â) is to be raised: (3,)."""
    given = np.log(RATIOS), np.zeros(3), np.full(3, advantage), CLIP
    _, cache = npppo.clipped_surrogate_loss(*given)
    return -3 * npppo.clipped_surrogate_loss_backward(1.0, cache)


# %% [markdown]
# So no ratio goes beyond 1 + ε? None is *pushed* beyond by its own sample. But the weights are
# shared: the gradients of all the other samples move it on, and its own no longer resists. In
# addition the step that leaves the band may be a long one. To see how far it gets: a network (4
# inputs, 32 tanh, 8 actions), one batch of 256 samples with random advantages, 20 epochs of
# minibatches of 64 with Adam, as in PPO. Beside it
#
# * no clip: the plain surrogate,
# * KL stop: the clip, and an end as soon as KL(old ‖ new) of a minibatch is above 0.01,
# * SPO: a parabola in place of the flat part, which pulls back (Xie et al. 2025),
# * own logits: the clip, with logits for each sample alone. Nothing is shared.

# %%
METHODS = {  # the loss, its backward, and what it takes last
    "no clip": (npppo.surrogate_loss, npppo.surrogate_loss_backward),
    "clip": (npppo.clipped_surrogate_loss, npppo.clipped_surrogate_loss_backward, CLIP),
    "SPO": (npppo.spo_loss, npppo.spo_loss_backward, CLIP),
}
METHODS["clip and KL stop"] = METHODS["clip, own logits"] = METHODS["clip"]
EPOCHS, N, MINIBATCH, RATE = 20, 256, 64, 3e-3


def pairs(weights):  # [W, b, W, b] as [(W, b), (W, b)]
    return list(zip(weights[::2], weights[1::2], strict=True))


def largest_ratios(method, rng):
    """The largest ratio of the batch from epoch to epoch: EPOCHS + 1 numbers."""
    forward, backward, *limits = METHODS[method]
    x = rng.normal(size=(N, 4))  # (N, D)
    weights = [npppo.orthogonal(rng, (4, 32), 2**0.5), np.zeros(32)]
    weights += [npppo.orthogonal(rng, (32, 8), 1.0), np.zeros(8)]
    old_logits, _ = npppo.mlp(x, pairs(weights))  # (N, A)
    if method == "clip, own logits":  # one layer, and an input of its own for each sample
        x, weights = np.eye(N), [old_logits, np.zeros(8)]
    actions = npppo.categorical_sample(old_logits, rng.random(N))  # (N,)
    old, _ = npppo.categorical_log_prob(old_logits, actions)  # (N,)
    advantages = rng.normal(size=N)  # (N,)
    m, v = ([np.zeros_like(w) for w in weights] for _ in range(2))
    step, stopped, largest = 0, False, [1.0]
    for _ in range(EPOCHS):
        for rows in rng.permutation(N).reshape(-1, MINIBATCH):
            logits, cache = npppo.mlp(x[rows], pairs(weights))  # (64, A)
            kl, _ = npppo.categorical_kl(old_logits[rows], logits)  # (64,)
            stopped |= method == "clip and KL stop" and kl.mean() > 0.01
            if stopped:
                break
            log_prob, own = npppo.categorical_log_prob(logits, actions[rows])  # (64,)
            _, loss_cache = forward(log_prob, old[rows], advantages[rows], *limits)
            dlog_prob = backward(1.0, loss_cache)  # (64,)
            dlogits = npppo.categorical_log_prob_backward(dlog_prob, own)  # (64, A)
            _, gradients = npppo.mlp_backward(dlogits, cache)
            if method == "clip, own logits":
                gradients[0][1][:] = 0  # the bias is all that would be shared
            step += 1
            for k, gradient in enumerate(array for pair in gradients for array in pair):
                moved = npppo.adam_step(weights[k], gradient, m[k], v[k], step, RATE)
                weights[k], m[k], v[k] = moved
        log_prob, _ = npppo.categorical_log_prob(npppo.mlp(x, pairs(weights))[0], actions)  # (N,)
        largest.append(npppo.importance_ratio(log_prob, old)[0].max())
    return largest


def measure(seed, runs):
    seeds = np.random.SeedSequence(seed).spawn(runs)
    largest = {}  # (runs, EPOCHS + 1) each
    for method in METHODS:
        trained = [largest_ratios(method, np.random.default_rng(s)) for s in seeds]
        largest[method] = np.array(trained)
    return {
        "slopes": {advantage: slopes(advantage) for advantage in (1.0, -1.0)},
        "curve": {name: interval(ratios) for name, ratios in largest.items()},
        "last": {name: interval(ratios[:, -1]) for name, ratios in largest.items()},
        "no clip - clip": interval((largest["no clip"] - largest["clip"])[:, -1]),
    }


# %%
def tell(numbers):
    print("ratio          ", *(f"{r:6}" for r in RATIOS))
    for advantage, slope in numbers["slopes"].items():
        print(f"slope, Â = {advantage:4} ", *(f"{s + 0.0:6}" for s in slope))
    print(f"the largest ratio after {EPOCHS} epochs, where the band ends at {1 + CLIP}:")
    for name, (low, high) in numbers["last"].items():
        print(f"    {name:17} {low:5.2f} … {high:5.2f} (95 %)")


def draw(figure, numbers):
    left, right = figure.subplots(1, 2)
    for advantage, colour in ((1, "tab:blue"), (-1, "tab:red")):
        r = np.array([0.4, 1 - CLIP, 1 + CLIP, 1.6])
        J = np.minimum(r * advantage, r.clip(1 - CLIP, 1 + CLIP) * advantage)
        flat = slice(2, 4) if advantage > 0 else slice(0, 2)
        left.plot(r, J, color=colour, label=f"Â = {advantage}")
        left.plot(r[flat], J[flat], color="white", linestyle=":", linewidth=2)
    left.set(xlabel="ratio r", ylabel="min(r Â, c Â); dotted: gradient 0")
    left.legend()
    for name, (low, high) in numbers["curve"].items():
        right.plot((low + high) / 2, label=name)
        right.fill_between(range(EPOCHS + 1), low, high, alpha=0.4)
    right.axhline(1 + CLIP, color="black", linewidth=0.8)
    right.set(xlabel="epochs on one batch", ylabel="largest ratio", ylim=(0.9, 4))
    right.xaxis.get_major_locator().set_params(integer=True)
    right.legend()


if __name__ == "__main__":
    run(measure, tell, draw, runs=20)
