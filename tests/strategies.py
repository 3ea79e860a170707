"""Every input that the tests draw.

Hypothesis draws the shapes and a seed, NumPy the numbers. Gradients are only checked where the
function is smooth, so each strategy keeps its inputs off the kinks by construction; the kinks
themselves are pinned by tests of their own. And each input is rich enough to show the known
mistakes: all signs on all sides of a clip, all kinds of episode ends in one array.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from npppo.contract import SPECIFICATIONS, Specification

# Two to five of everything: equal lengths (a forgotten transpose goes unnoticed) and unequal ones
# (it crashes) both come up often, and no axis has the length 1 that broadcasts.
sizes = st.integers(2, 5)


def rngs():
    return st.builds(np.random.default_rng, st.integers(0, 2**32 - 1))


def away_from_zero(rng, shape, low=0.1, high=2.0):
    return rng.choice([-1.0, 1.0], shape) * rng.uniform(low, high, shape)


# Layers


@st.composite
def linear_cases(draw):
    rng, N, D = draw(rngs()), draw(sizes), draw(sizes)
    M = D if draw(st.booleans()) else draw(sizes)
    return rng.normal(size=(N, D)), rng.normal(size=(D, M)), rng.normal(size=M)


@st.composite
def arrays(draw):
    shape = draw(st.sampled_from([(4,), (3, 2), (2, 3, 2)]))
    return (draw(rngs()).normal(size=shape),)


@st.composite
def arrays_away_from_zero(draw):
    shape = draw(st.sampled_from([(4,), (3, 2), (2, 3, 2)]))
    x = away_from_zero(draw(rngs()), shape)
    x.flat[:2] = [-1.0, 1.0]  # relu has both its sides in every example
    return (x,)


@st.composite
def networks(draw, activation=None):
    """(x, params, activation) of one to three layers; no hidden unit sits at relu's kink."""
    rng, N = draw(rngs()), draw(sizes)
    activation = activation or draw(st.sampled_from(["tanh", "relu"]))
    widths = draw(st.lists(sizes, min_size=2, max_size=4))
    if draw(st.booleans()):
        widths[:-1] = [widths[0]] * (len(widths) - 1)
    x = h = rng.normal(size=(N, widths[0]))
    params = []
    for D, M in pairwise(widths):
        W, b = rng.normal(size=(D, M)), rng.normal(size=M)
        while (at_kink := (np.abs(h @ W + b) < 0.01).any(axis=0)).any():
            b += 0.03 * at_kink
        params.append((W, b))
        h = h @ W + b
        h = np.tanh(h) if activation == "tanh" else np.maximum(h, 0)
    return x, params, activation


@st.composite
def networks_and_directions(draw):
    x, params, activation = draw(networks())
    rng = draw(rngs())
    dparams = [(rng.normal(size=W.shape), rng.normal(size=b.shape)) for W, b in params]
    return x, params, dparams, activation


# Categorical policy


@st.composite
def logits_cases(draw):
    return (2 * draw(rngs()).normal(size=(draw(sizes), draw(sizes))),)


@st.composite
def logits_and_actions(draw):
    rng, (logits,) = draw(rngs()), draw(logits_cases())
    N, A = logits.shape
    return logits, rng.integers(A, size=N)


@st.composite
def logits_pairs(draw):
    (old_logits,), rng = draw(logits_cases()), draw(rngs())
    return old_logits, old_logits + rng.normal(size=old_logits.shape)


@st.composite
def logits_and_uniforms(draw):
    (logits,), rng = draw(logits_cases()), draw(rngs())
    return logits, rng.uniform(size=len(logits))


@st.composite
def logits_and_vectors(draw):
    (logits,), rng = draw(logits_cases()), draw(rngs())
    return logits, rng.normal(size=logits.shape)


# Bernoulli policy


@st.composite
def logits_and_bits(draw):
    """Each bit of a row has had both values in every example."""
    (logits,), rng = draw(logits_cases()), draw(rngs())
    bits = rng.integers(2, size=logits.shape)
    bits[0], bits[1] = rng.permuted(np.eye(2, dtype=int)[:, [0] * logits.shape[1]], axis=0)
    return logits, bits


@st.composite
def logits_and_uniforms_for_bits(draw):
    (logits,), rng = draw(logits_cases()), draw(rngs())
    return logits, rng.uniform(size=logits.shape)


# Gaussian policy


@st.composite
def log_stds(draw):
    """Distinct entries, none of them near 0, where a standard deviation equals its square."""
    A = draw(st.integers(2, 4))
    return (draw(rngs()).permutation([-1.5, -0.6, 0.4, 0.9])[:A],)


@st.composite
def gaussians_and_actions(draw):
    (log_std,), rng, N = draw(log_stds()), draw(rngs()), draw(sizes)
    mean = rng.normal(size=(N, len(log_std)))
    return mean, log_std, mean + np.exp(log_std) * rng.normal(size=mean.shape)


@st.composite
def gaussian_pairs(draw):
    (old_log_std,), rng, N = draw(log_stds()), draw(rngs()), draw(sizes)
    old_mean = rng.normal(size=(N, len(old_log_std)))
    mean = old_mean + 0.5 * rng.normal(size=old_mean.shape)
    log_std = old_log_std + away_from_zero(rng, old_log_std.shape, 0.2, 0.6)
    return old_mean, old_log_std, mean, log_std


@st.composite
def gaussian_directions(draw):
    """(log_std, vmean, vlog_std)"""
    (log_std,), rng, N = draw(log_stds()), draw(rngs()), draw(sizes)
    return log_std, rng.normal(size=(N, len(log_std))), rng.normal(size=len(log_std))


# Rollouts


@st.composite
def rollouts(draw, gammas=(0.5, 0.9, 1.0), lams=(0.0, 0.5, 0.9, 1.0)):
    """(rewards, values, next_values, terminated, truncated, gamma, lam).

    Where there is room each rollout has an end of each kind: terminated, truncated, both at once.
    """
    rng, T, E = draw(rngs()), draw(st.integers(1, 7)), draw(st.integers(1, 3))
    rewards, values, next_values = rng.normal(size=(3, T, E))
    ends = rng.choice(4, p=[0.7, 0.1, 0.1, 0.1], size=T * E)
    kinds = [1, 2, 3][: T * E]
    ends[rng.permutation(T * E)[: len(kinds)]] = kinds
    ends = ends.reshape(T, E)
    terminated, truncated = (ends & 1).astype(bool), (ends & 2).astype(bool)
    gamma, lam = draw(st.sampled_from(gammas)), draw(st.sampled_from(lams))
    return rewards, values, next_values, terminated, truncated, gamma, lam


@st.composite
def returns_cases(draw):
    rewards, _, *rest, _ = draw(rollouts())
    return rewards, *rest


@st.composite
def advantages_cases(draw):
    x = draw(arrays())[0]
    return (3 * x + 1,)


# Losses


@st.composite
def log_prob_pairs(draw):
    """Policies about half a nat apart: where they agree all estimators of the KL agree too."""
    rng, N = draw(rngs()), draw(sizes)
    old_log_prob = -rng.exponential(size=N)
    difference = away_from_zero(rng, N, 0.3, 0.8)
    difference[:2] = [-0.5, 0.5]
    return old_log_prob + difference, old_log_prob


@st.composite
def log_probs_and_advantages(draw):
    rng, N = draw(rngs()), draw(sizes)
    return -rng.exponential(size=N), away_from_zero(rng, N)


SIDES = ["below", "inside", "above"]
SIGNS_AND_SIDES = [(sign, side) for sign in (-1, 1) for side in SIDES]


def ratio_on(rng, side, clip):
    """A probability ratio well below, inside or above [1 - clip, 1 + clip]."""
    match side:
        case "below":
            return (1 - clip) * rng.uniform(0.4, 0.9)
        case "inside":
            return 1 + clip * rng.uniform(-0.8, 0.8)
        case "above":
            return (1 + clip) * rng.uniform(1.1, 2.5)


@st.composite
def ratios_and_advantages(draw):
    """(ratio, advantages, clip): both signs of the advantage on all three sides of the clip."""
    rng, clip = draw(rngs()), draw(st.sampled_from([0.1, 0.2, 0.3]))
    extra = draw(st.integers(0, 2))
    cells = [SIGNS_AND_SIDES[i] for i in rng.permutation(6)] + [
        SIGNS_AND_SIDES[i] for i in rng.integers(6, size=extra)
    ]
    ratio = np.array([ratio_on(rng, side, clip) for _, side in cells])
    advantages = np.array([sign * rng.uniform(0.1, 2) for sign, _ in cells])
    return ratio, advantages, clip


@st.composite
def surrogates(draw):
    """(log_prob, old_log_prob, advantages, clip)"""
    ratio, advantages, clip = draw(ratios_and_advantages())
    old_log_prob = -draw(rngs()).exponential(size=len(ratio))
    return old_log_prob + np.log(ratio), old_log_prob, advantages, clip


@st.composite
def dual_clips(draw):
    """(log_prob, old_log_prob, advantages, clip_low, clip_high, bound): as `surrogates`, with both
    signs of the advantage beyond the bound too."""
    rng, bound = draw(rngs()), 4.0
    low, high = draw(st.permutations([0.1, 0.2, 0.3]))[:2]
    limits = {"below": low, "inside": min(low, high), "above": high}
    cells = [(sign, side) for sign in (-1, 1) for side in [*SIDES, "beyond"]]
    cells = [cells[i] for i in rng.permutation(len(cells))]
    ratio = np.array(
        [
            ratio_on(rng, side, limits[side]) if side in limits else bound * rng.uniform(1.1, 2)
            for _, side in cells
        ]
    )
    advantages = np.array([sign * rng.uniform(0.1, 2) for sign, _ in cells])
    old_log_prob = -rng.exponential(size=len(ratio))
    return old_log_prob + np.log(ratio), old_log_prob, advantages, low, high, bound


@st.composite
def values_and_targets(draw):
    rng, N = draw(rngs()), draw(sizes)
    return tuple(rng.normal(size=(2, N)))


CLIPPED_VALUE_CELLS = [(side, larger) for side in SIDES for larger in ("clipped", "unclipped")]


@st.composite
def clipped_values(draw):
    """(values, old_values, targets, clip): both branches win on both sides of the clip.

    The two squared errors tie where the target is midway between the value and the clipped value.
    """
    rng, clip = draw(rngs()), draw(st.sampled_from([0.1, 0.2, 0.5]))
    values, old_values, targets = [], [], []
    for i in rng.permutation(len(CLIPPED_VALUE_CELLS)):
        side, larger = CLIPPED_VALUE_CELLS[i]
        old = rng.normal()
        sign = {"below": -1, "inside": 0, "above": 1}[side]
        value = old + clip * (sign * rng.uniform(1.2, 3) if sign else rng.uniform(-0.8, 0.8))
        midway = (value + np.clip(value, old - clip, old + clip)) / 2
        away = (sign or 1) * (1 if larger == "clipped" else -1)
        values.append(value)
        old_values.append(old)
        targets.append(midway + away * rng.uniform(0.1, 1))
    return np.array(values), np.array(old_values), np.array(targets), clip


@st.composite
def ppo_cases(draw):
    """All arguments of ppo_loss; the ratios are as in `surrogates`."""
    ratio, advantages, clip = draw(ratios_and_advantages())
    rng, N, A = draw(rngs()), len(ratio), draw(sizes)
    logits = rng.normal(size=(N, A))
    actions = rng.integers(A, size=N)
    log_prob = np.log(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True))
    old_log_prob = log_prob[np.arange(N), actions] - np.log(ratio)
    values, targets = rng.normal(size=(2, N))
    vf_coef, ent_coef = draw(st.sampled_from([0.5, 0.7])), draw(st.sampled_from([0.01, 0.3]))
    return logits, values, actions, old_log_prob, advantages, targets, clip, vf_coef, ent_coef


# Optimisation


@st.composite
def gradients_and_norms(draw):
    """(grads, max_norm): two tensors, the limit far below, just below, just above, far above."""
    rng = draw(rngs())
    grads = [rng.normal(size=(draw(sizes), draw(sizes))), rng.normal(size=draw(sizes))]
    norm = np.sqrt(sum((g * g).sum() for g in grads))
    return grads, float(norm * draw(st.sampled_from([0.01, 0.999, 1.001, 100.0])))


@st.composite
def sgd_cases(draw):
    rng, shape = draw(rngs()), (draw(sizes), draw(sizes))
    return rng.normal(size=shape), rng.normal(size=shape), 0.03


@st.composite
def rmsprop_cases(draw):
    rng, shape = draw(rngs()), (draw(sizes), draw(sizes))
    param, grad = rng.normal(size=(2, *shape))
    return param, grad, rng.uniform(0.1, 1, size=shape), 0.03, 0.95, 1e-5


@st.composite
def adam_cases(draw):
    rng, shape = draw(rngs()), (draw(sizes), draw(sizes))
    param, grad, m = rng.normal(size=(3, *shape))
    v = rng.uniform(0.1, 1, size=shape)
    return param, grad, m, v, draw(st.integers(1, 5)), 0.03, 0.8, 0.95, 1e-5


@st.composite
def gradient_sequences(draw):
    """(param, [grad, ...]) with entries of order 1, of order 1e-4 where eps shows, and a zero."""
    rng = draw(rngs())
    scales = np.array([1.0, 1.0, 1e-4, 0.0])
    grads = [scales * rng.normal(size=4) for _ in range(draw(st.integers(3, 6)))]
    return rng.normal(size=4), grads


@st.composite
def spd_systems(draw):
    """(matrix, b): symmetric, eigenvalues between 0.5 and 5."""
    rng, D = draw(rngs()), draw(st.integers(2, 6))
    Q, _ = np.linalg.qr(rng.normal(size=(D, D)))
    return Q @ np.diag(rng.uniform(0.5, 5, size=D)) @ Q.T, rng.normal(size=D)


@st.composite
def conjugate_gradient_cases(draw):
    matrix, b = draw(spd_systems())
    return (lambda x: (matrix @ x).astype(x.dtype)), b, len(b)


# Every call of the contract


class Call(NamedTuple):
    """How a function is called, and with what."""

    specification: Specification
    cases: st.SearchStrategy

    @property
    def names(self):
        return list(self.specification.arguments)

    @property
    def letters(self):
        """{name of an array: the letters of its shape}; (N, D) for those of any shape."""
        kinds = self.specification.arguments
        alike = [name for name, kind in kinds.items() if kind == "*"]
        return self.specification.letters | (dict.fromkeys(alike, "ND") if alike[1:] else {})

    @property
    def out(self):
        """The letters of the result, None where there are none to speak of."""
        (out,) = self.specification.out if len(self.specification.out) == 1 else ("*",)
        return {"*": None, "()": ""}.get(out, out)


CASES = {
    "linear": linear_cases(),
    "tanh": arrays(),
    "relu": arrays_away_from_zero(),
    "mlp": networks(),
    "mlp_jvp": networks_and_directions(),
    "softmax": logits_cases(),
    "log_softmax": logits_cases(),
    "categorical_log_prob": logits_and_actions(),
    "categorical_entropy": logits_cases(),
    "categorical_kl": logits_pairs(),
    "categorical_sample": logits_and_uniforms(),
    "categorical_fisher": logits_and_vectors(),
    "bernoulli_log_prob": logits_and_bits(),
    "bernoulli_entropy": logits_cases(),
    "bernoulli_kl": logits_pairs(),
    "bernoulli_sample": logits_and_uniforms_for_bits(),
    "bernoulli_fisher": logits_and_vectors(),
    "gaussian_log_prob": gaussians_and_actions(),
    "gaussian_entropy": log_stds(),
    "gaussian_kl": gaussian_pairs(),
    "gaussian_fisher": gaussian_directions(),
    "discounted_returns": returns_cases(),
    "gae": rollouts(),
    "normalize_advantages": advantages_cases(),
    "importance_ratio": log_prob_pairs(),
    "policy_gradient_loss": log_probs_and_advantages(),
    "surrogate_loss": surrogates().map(lambda s: s[:3]),
    "clipped_surrogate_loss": surrogates(),
    "dual_clip_loss": dual_clips(),
    "spo_loss": surrogates(),
    "value_loss": values_and_targets(),
    "clipped_value_loss": clipped_values(),
    "ppo_loss": ppo_cases(),
    "approx_kl": log_prob_pairs(),
    "clip_fraction": surrogates().map(lambda s: (s[0], s[1], s[3])),
    "explained_variance": values_and_targets(),
    "clip_grad_norm": gradients_and_norms(),
    "sgd_step": sgd_cases(),
    "rmsprop_step": rmsprop_cases(),
    "adam_step": adam_cases(),
    "conjugate_gradient": conjugate_gradient_cases(),
}
CALLS = {name: Call(SPECIFICATIONS[name], cases) for name, cases in CASES.items()}
DIFFERENTIABLE = [name for name, call in CALLS.items() if call.specification.by]
