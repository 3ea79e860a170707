"""Deliberate mistakes, each of which some property must notice.

    MUTANTS[function]["ID what is wrong"] = the wrong function

A wrong forward function returns `out` alone, test_mutants.py adds the right cache; a wrong
backward function is given the forward's arguments in place of the opaque cache. Nearly all are
mistakes that somebody has published; the identifiers group them by what they are about. Many
are the right function of the wrong arguments, because that is all that the mistake amounts to.

MANNERS are mistakes of form, whose numbers are right.
"""

import numpy as np

import npppo


def out(name, *args):
    """The right result, without the cache."""
    return getattr(npppo, name)(*args)[0]


def grad(name, dout, *args):
    """The right gradient."""
    _, cache = getattr(npppo, name)(*args)
    return getattr(npppo, f"{name}_backward")(dout, cache)


def column(x):
    return x[:, np.newaxis]


# Layers


def square(W):
    return W.shape[0] == W.shape[1]


def transposed_dW(dy, x, W, b):
    dx, dW, db = grad("linear", dy, x, W, b)
    return dx, dW.T if square(W) else dW, db


def mlp_backward_of_linear_units(dy, x, params, activation):
    inputs = [x]
    for W, b in params[:-1]:
        inputs.append(out(activation, inputs[-1] @ W + b))
    grads = []
    for h, (W, _) in zip(inputs[::-1], params[::-1], strict=True):
        grads.append((h.T @ dy, dy.sum(0)))
        dy = dy @ W.T
    return dy, grads[::-1]


def mlp_backward_in_reverse(dy, x, params, activation):
    dx, grads = grad("mlp", dy, x, params, activation)
    return dx, grads[::-1]


def jvp_of_weights(x, params, dparams, activation="tanh"):
    return npppo.mlp_jvp(x, params, [(dW, 0 * db) for dW, db in dparams], activation)


def orthogonal_with_lapack_signs(rng, shape, gain):
    Q, _ = np.linalg.qr(rng.normal(size=(max(shape), min(shape))))
    return gain * (Q if shape[0] >= shape[1] else Q.T)


def unit_columns(rng, shape, gain):
    W = rng.normal(size=shape)
    return gain * W / np.linalg.norm(W, axis=0)


LAYERS = {
    "linear": {"MLP-07 leaves the bias out": lambda x, W, b: x @ W},
    "linear_backward": {
        "MLP-03 averages db": lambda dy, x, W, b: (dy @ W.T, x.T @ dy, dy.mean(0)),
        "MLP-04 transposes dW where it can": transposed_dW,
        "MLP-05 W not transposed where it need not be": lambda dy, x, W, b: (
            dy @ (W if square(W) else W.T),
            x.T @ dy,
            dy.sum(0),
        ),
    },
    "tanh": {"MLP-02 tanh applied twice": lambda x: np.tanh(np.tanh(x))},
    "tanh_backward": {
        "MLP-01 derivative missing": lambda dy, x: dy.copy(),
        "MLP-02 derivative taken of the input": lambda dy, x: dy * (1 - x * x),
    },
    "relu": {"MLP-18 leaks": lambda x: np.where(x > 0, x, 0.01 * x)},
    "relu_backward": {
        "MLP-12 mask from the output gradient": lambda dy, x: np.where(dy > 0, dy, 0.0),
        "MLP-13 derivative 1 at 0": lambda dy, x: np.where(x >= 0, dy, 0.0),
    },
    "mlp": {
        "MLP-06 activates the output": lambda x, params, activation="tanh": out(
            activation, out("mlp", x, params, activation)
        ),
        "MLP-20 takes relu for the default": lambda x, params, activation="relu": out(
            "mlp", x, params, activation
        ),
    },
    "mlp_backward": {
        "MLP-01 derivative missing": mlp_backward_of_linear_units,
        "MLP-17 layers in reverse order": mlp_backward_in_reverse,
    },
    "mlp_jvp": {
        "JVP-01 direction of the biases left out": jvp_of_weights,
        "JVP-02 takes relu for the default": lambda x, params, dparams, activation="relu": (
            npppo.mlp_jvp(x, params, dparams, activation)
        ),
    },
    "orthogonal": {
        "ORT-01 signs as LAPACK leaves them": orthogonal_with_lapack_signs,
        "ORT-02 unit columns only": unit_columns,
        "ORT-03 gain left out": lambda rng, shape, gain: npppo.orthogonal(rng, shape, 1.0),
        "ORT-07 the same seed for each layer": lambda rng, shape, gain: npppo.orthogonal(
            np.random.default_rng(0), shape, gain
        ),
    },
}


# Categorical policy: z are logits, g gradients of the result


def softmax(z):
    return out("softmax", z)


def log_softmax(z):
    return out("log_softmax", z)


def entropy(z):
    return out("categorical_entropy", z)


def softmax_less(maximum, z):
    weights = np.exp(z - maximum)
    return weights / weights.sum(axis=1, keepdims=True)


def one_hot(z, actions):
    return np.eye(z.shape[1])[actions]


def search_cdf(z, u, side):
    cumulative = softmax(z).cumsum(axis=1)
    return np.array([np.searchsorted(c, x, side) for c, x in zip(cumulative, u, strict=True)])


CATEGORICAL = {
    "softmax": {
        "SMX-01 no maximum subtracted": lambda z: softmax_less(0, z),
        "SMX-02 one maximum for the batch": lambda z: softmax_less(z.max(), z),
        "SMX-04 normalises down the batch": lambda z: softmax(z.T).T,
    },
    "softmax_backward": {
        "SMG-02 diagonal of the Jacobian": lambda g, z: g * softmax(z) * (1 - softmax(z)),
        "SMG-04 sign": lambda g, z: -grad("softmax", g, z),
    },
    "log_softmax": {
        "SMX-05 log(p + 1e-8)": lambda z: np.log(softmax(z) + 1e-8),
        "SMX-12 log of an underflowed p": lambda z: np.log(softmax(z)),
    },
    "log_softmax_backward": {
        "SMG-01 right for one-hot only": lambda g, z: g - softmax(z),
        "SMG-02 diagonal of the Jacobian": lambda g, z: softmax(z) * (1 - softmax(z)) * g,
        "SMG-05 the backward of softmax": lambda g, z: grad("softmax", g, z),
        "SMG-06 sums down the batch": lambda g, z: g - softmax(z) * g.sum(axis=0),
        "SMG-07 subtracts the mean": lambda g, z: g - g.mean(axis=1, keepdims=True),
    },
    "categorical_log_prob": {
        "SMX-05 log(p + 1e-8)": lambda z, a: np.log(softmax(z)[np.arange(len(z)), a] + 1e-8),
        "SMX-08 sign": lambda z, a: -out("categorical_log_prob", z, a),
    },
    "categorical_log_prob_backward": {
        "SMG-09 p - one-hot": lambda g, z, a: column(g) * (softmax(z) - one_hot(z, a)),
        "SMG-11 upstream gradient ignored": lambda g, z, a: one_hot(z, a) - softmax(z),
    },
    "categorical_entropy": {
        "ENT-01 sign": lambda z: -entropy(z),
        "ENT-04 mean over the actions": lambda z: entropy(z) / z.shape[1],
        "SMX-12 0 log 0": lambda z: -(softmax(z) * np.log(softmax(z))).sum(axis=1),
    },
    "categorical_entropy_backward": {
        "ENG-02 softmax's Jacobian left out": lambda g, z: (
            -column(g) * softmax(z) * (log_softmax(z) + 1)
        ),
        "ENG-03 sign": lambda g, z: -grad("categorical_entropy", g, z),
        "ENG-04 entropy left out": lambda g, z: -column(g) * softmax(z) * log_softmax(z),
        "ENG-06 entropy of the batch": lambda g, z: (
            -column(g) * softmax(z) * (log_softmax(z) + entropy(z).mean())
        ),
    },
    "categorical_kl": {
        "KL-11 roles exchanged": lambda old, z: out("categorical_kl", z, old),
        "KL-12 cross entropy": lambda old, z: out("categorical_kl", old, z) + entropy(old),
        "SMX-12 0 log 0": lambda old, z: (
            softmax(old) * (np.log(softmax(old)) - np.log(softmax(z)))
        ).sum(axis=1),
    },
    "categorical_kl_backward": {
        "KL-14 sign": lambda g, old, z: -grad("categorical_kl", g, old, z),
        "KL-15 upstream gradient ignored": lambda g, old, z: softmax(z) - softmax(old),
    },
    "categorical_sample": {
        "SMP-01 argmax": lambda z, u: z.argmax(axis=1),
        "SMP-02 counts past the last action": lambda z, u: search_cdf(z, u, "right"),
        "SMP-03 takes the first action at u = 0": lambda z, u: np.minimum(
            search_cdf(z, u, "left"), z.shape[1] - 1
        ),
        "SMP-04 one u for the batch": lambda z, u: npppo.categorical_sample(z, 0 * u + u[0]),
        "SMP-06 random numbers of its own": lambda z, u: npppo.categorical_sample(
            z,
            np.random.random(len(u)),  # noqa: NPY002 (the mistake)
        ),
        "SMP-08 last action where the sum falls short": lambda z, u: np.minimum(
            search_cdf(z, u, "right"), z.shape[1] - 1
        ),
    },
    "categorical_fisher": {"FSH-01 diagonal only": lambda z, v: softmax(z) * v},
}


# Gaussian policy: m the mean, s the log standard deviation, a the actions

HALF_LOG_2PI = 0.5 * np.log(2 * np.pi)


def gaussian_grad_changed(change):
    """The right (dmean, dlog_std) after change(dmean, dlog_std, g, log_std)."""
    return lambda g, m, s, a: change(*grad("gaussian_log_prob", g, m, s, a), g, s)


def gaussian_kl_grad_times(of_mean, of_log_std):
    def backward(g, *args):
        dmean, dlog_std = grad("gaussian_kl", g, *args)
        return of_mean * dmean, of_log_std * dlog_std

    return backward


GAUSSIAN = {
    "gaussian_log_prob": {
        "GAU-01 divides by σ, not by its square": lambda m, s, a: (
            -0.5 * (a - m) ** 2 / np.exp(s) - s - HALF_LOG_2PI
        ).sum(axis=1),
        "GAU-02 ½ log σ": lambda m, s, a: out("gaussian_log_prob", m, s, a) + s.sum() / 2,
        "GAU-05 2π once for all dimensions": lambda m, s, a: (
            out("gaussian_log_prob", m, s, a) + HALF_LOG_2PI * (len(s) - 1)
        ),
        "GAU-07 adds log σ": lambda m, s, a: out("gaussian_log_prob", m, s, a) + 2 * s.sum(),
        "GAU-14 squares σ until it underflows": lambda m, s, a: (
            -0.5 * (a - m) ** 2 / (np.exp(2 * s) + 1e-20) - s - HALF_LOG_2PI
        ).sum(axis=1),
    },
    "gaussian_log_prob_backward": {
        "GAG-01 dmean divided by σ once": gaussian_grad_changed(
            lambda dmean, dlog_std, g, s: (dmean * np.exp(s), dlog_std)
        ),
        "GAG-02 dlog_std without the -1": gaussian_grad_changed(
            lambda dmean, dlog_std, g, s: (dmean, dlog_std + g.sum())
        ),
        "GAG-03 dlog_std averaged over the batch": gaussian_grad_changed(
            lambda dmean, dlog_std, g, s: (dmean, dlog_std / len(g))
        ),
    },
    "gaussian_entropy": {
        "GAU-02 ½ log σ": lambda s: (s / 2 + 0.5 + HALF_LOG_2PI).sum(),
        "GAU-05 constant once for all dimensions": lambda s: s.sum() + 0.5 + HALF_LOG_2PI,
    },
    "gaussian_entropy_backward": {
        "GAG-05 mean over the dimensions": lambda g, s: np.full(len(s), g / len(s)),
    },
    "gaussian_kl": {
        "KL-11 roles exchanged": lambda m0, s0, m, s: out("gaussian_kl", m, s, m0, s0),
        "KL-18 -½ left out": lambda m0, s0, m, s: out("gaussian_kl", m0, s0, m, s) + len(s) / 2,
    },
    "gaussian_kl_backward": {
        "KL-14 sign of dmean": gaussian_kl_grad_times(-1, 1),
        "KL-20 σ held fixed": gaussian_kl_grad_times(1, 0),
    },
}


# Returns and advantages: rewards r, values v, next values nv


def none(flags):
    return np.zeros_like(flags, bool)


def one_row_later(flags):
    return np.concatenate([flags[1:], none(flags[:1])])


def without_last(nv):
    return np.concatenate([nv[:-1], 0 * nv[-1:]])


def gae_bootstrapped_twice(r, v, nv, term, trunc, gamma, lam):
    last = r.astype(v.dtype)
    last[-1] += gamma * lam * np.where(np.logical_or(term, trunc)[-1], 0, nv[-1])
    return npppo.gae(last, v, nv, term, trunc, gamma, lam)


def gae_in_one_chain(r, v, nv, term, trunc, gamma, lam):
    chained = [x.reshape(-1, 1) for x in (r, v, nv, term, trunc)]
    return npppo.gae(*chained, gamma, lam).reshape(r.shape)


RETURNS = {
    "discounted_returns": {
        "RET-03 the whole sum at every step": lambda r, nv, *rest: np.repeat(
            npppo.discounted_returns(r, nv, *rest)[:1], len(r), axis=0
        ),
        "RET-05 no bootstrap at the last row": lambda r, nv, *rest: npppo.discounted_returns(
            r, without_last(nv), *rest
        ),
        "RET-06 runs on past the end": lambda r, nv, term, trunc, gamma: npppo.discounted_returns(
            r, nv, none(term), none(trunc), gamma
        ),
        "RET-08 a time limit is death": lambda r, nv, term, trunc, gamma: npppo.discounted_returns(
            r, nv, np.logical_or(term, trunc), trunc, gamma
        ),
        "RET-09 truncated wins": lambda r, nv, term, trunc, gamma: npppo.discounted_returns(
            r, nv, term & ~trunc, trunc, gamma
        ),
    },
    "gae": {
        "GAE-01 ignores the ends": lambda r, v, nv, term, trunc, *rest: npppo.gae(
            r, v, nv, none(term), none(trunc), *rest
        ),
        "GAE-02 runs on past the end": lambda r, v, nv, term, trunc, *rest: npppo.gae(
            r, v, np.where(term, 0, nv), none(term), none(trunc), *rest
        ),
        "GAE-03 bootstraps after termination": lambda r, v, nv, term, trunc, *rest: npppo.gae(
            r, v, nv, none(term), np.logical_or(term, trunc), *rest
        ),
        "GAE-04 mask one step late": lambda r, v, nv, term, trunc, *rest: npppo.gae(
            r, v, nv, one_row_later(term), one_row_later(trunc), *rest
        ),
        "GAE-06 a time limit is death": lambda r, v, nv, term, trunc, *rest: npppo.gae(
            r, v, nv, np.logical_or(term, trunc), trunc, *rest
        ),
        "GAE-07 runs on past a time limit": lambda r, v, nv, term, trunc, *rest: npppo.gae(
            r, v, nv, term, none(trunc), *rest
        ),
        "GAE-08 next row's value at a time limit": lambda r, v, nv, *rest: npppo.gae(
            r, v, np.concatenate([v[1:], nv[-1:]]), *rest
        ),
        "GAE-10 truncated wins": lambda r, v, nv, term, trunc, *rest: npppo.gae(
            r, v, nv, term & ~trunc, trunc, *rest
        ),
        "GAE-11 no bootstrap at the last row": lambda r, v, nv, *rest: npppo.gae(
            r, v, without_last(nv), *rest
        ),
        "GAE-12 bootstraps twice": gae_bootstrapped_twice,
        "GAE-13 λ left out": lambda *args: npppo.gae(*args[:-1], 1.0),
        "GAE-14 γ left out of the recursion": lambda r, v, nv, term, trunc, gamma, lam: npppo.gae(
            r, v, gamma * nv, term, trunc, 1.0, lam
        ),
        "GAE-23 the last reward masked too": lambda r, v, nv, term, *rest: npppo.gae(
            np.where(term, 0, r), v, nv, term, *rest
        ),
        "GAE-26 environments chained": gae_in_one_chain,
        "GAE-28 whole numbers like the rewards": lambda r, *rest: npppo.gae(r, *rest).astype(
            r.dtype
        ),
        "GAE-29 ~ of integer flags": lambda r, v, nv, term, *rest: npppo.gae(
            r, v, nv, np.logical_not(~term), *rest
        ),
        "GAE-36 zero times nan": lambda r, v, nv, term, trunc, *rest: npppo.gae(
            r, v, nv * np.logical_not(term), none(term), np.logical_or(term, trunc), *rest
        ),
    },
    "normalize_advantages": {
        "NRM-01 divides by N - 1": lambda a, eps=1e-8: (
            (a - a.mean()) / (a.std() * np.sqrt(a.size / max(a.size - 1, 1)) + eps)
        ),
        "NRM-02 parentheses": lambda a, eps=1e-8: a - a.mean() / (a.std() + eps),
        "NRM-05 eps inside the root": lambda a, eps=1e-8: (a - a.mean()) / np.sqrt(a.var() + eps),
        "NRM-06 eps left out": lambda a, eps=1e-8: (a - a.mean()) / a.std(),
        "NRM-11 each environment by itself": lambda a, eps=1e-8: (
            (a - a.mean(axis=0)) / (a.std(axis=0) + eps)
        ),
    },
}


# Losses: new and old log-probabilities, advantages A, values v, old values o, targets t, clip c


def ratio(new, old):
    return np.exp(new - old)


def clipped(r, c):
    return np.clip(r, 1 - c, 1 + c)


def near(v, o, c):
    return o + np.clip(v - o, -c, c)


def half_mean(x):
    return 0.5 * np.mean(x)


def surrogate_grad_where(flows):
    """-r A / N where flows(r, A, clip), else 0."""

    def backward(g, new, old, A, c):
        r = ratio(new, old)
        return np.where(flows(r, A, c), -g * r * A / len(A), 0.0)

    return backward


def surrogate_grad_over_active(g, *args):
    right = grad("clipped_surrogate_loss", g, *args)
    return right * len(right) / max(1, np.count_nonzero(right))


def dlogits_without_mean(g, *args):
    dlogits, dvalues = grad("ppo_loss", g, *args)
    return dlogits * len(dlogits), dvalues


def explained_mean_square(v, t):
    return np.nan if (t == t[0]).all() else 1 - ((t - v) ** 2).mean() / t.var()


LOSSES = {
    "importance_ratio": {
        "SUR-07 upside down": lambda new, old: np.exp(old - new),
        "SUR-08 exp left out": lambda new, old: new - old,
    },
    "importance_ratio_backward": {"SGR-02 factor r left out": lambda g, new, old: g.copy()},
    "policy_gradient_loss": {"PGL-01 sign": lambda new, A: (new * A).mean()},
    "policy_gradient_loss_backward": {
        "SGR-07 1/N left out": lambda g, new, A: -g * A,
        "PGL-02 upstream gradient ignored": lambda g, new, A: -A / len(A),
    },
    "clipped_surrogate_loss": {
        "SUR-01 min left out": lambda new, old, A, c: -(clipped(ratio(new, old), c) * A).mean(),
        "SUR-02 min before the product": lambda new, old, A, c: (
            -(np.minimum(ratio(new, old), 1 + c) * A).mean()
        ),
        "SUR-04 max": lambda new, old, A, c: (
            -np.maximum(ratio(new, old) * A, clipped(ratio(new, old), c) * A).mean()
        ),
        "SUR-05 clips the product": lambda new, old, A, c: (
            -np.minimum(ratio(new, old) * A, clipped(ratio(new, old) * A, c)).mean()
        ),
        "SUR-10 min after the mean": lambda new, old, A, c: (
            -min((ratio(new, old) * A).mean(), (clipped(ratio(new, old), c) * A).mean())
        ),
        "SUR-13 clips the logarithm": lambda new, old, A, c: (
            -np.minimum(ratio(new, old) * A, np.exp(np.clip(new - old, -c, c)) * A).mean()
        ),
        "SUR-17 lower bound 1/(1 + clip)": lambda new, old, A, c: (
            -np.minimum(
                ratio(new, old) * A, np.clip(ratio(new, old), 1 / (1 + c), 1 + c) * A
            ).mean()
        ),
    },
    "clipped_surrogate_loss_backward": {
        "SGR-01 zero outside the band": surrogate_grad_where(lambda r, A, c: abs(r - 1) <= c),
        "SGR-02 factor r left out": lambda g, new, old, A, c: (
            grad("clipped_surrogate_loss", g, new, old, A, c) / ratio(new, old)
        ),
        "SGR-03 active on the wrong side": surrogate_grad_where(
            lambda r, A, c: np.where(A > 0, r >= 1 - c, r <= 1 + c)
        ),
        "SGR-07 1/N left out": lambda g, *args: (
            grad("clipped_surrogate_loss", g, *args) * len(args[0])
        ),
        "SGR-08 zero above whatever A": surrogate_grad_where(lambda r, A, c: r <= 1 + c),
        "SGR-09 1/N over the active": surrogate_grad_over_active,
        "SGR-11 clipped wins a tie": surrogate_grad_where(
            lambda r, A, c: r * A < np.where(A > 0, 1 + c, 1 - c) * A
        ),
    },
    "value_loss": {"VAL-01 no ½": lambda v, t: ((v - t) ** 2).mean()},
    "value_loss_backward": {
        "VGR-03 sign": lambda g, v, t: g * (t - v) / len(v),
        "VGR-04 1/N left out": lambda g, v, t: g * (v - t),
    },
    "clipped_value_loss": {
        "VAL-03 min": lambda v, o, t, c: half_mean(
            np.minimum((v - t) ** 2, (near(v, o, c) - t) ** 2)
        ),
        "VAL-05 clips the value to ±clip": lambda v, o, t, c: half_mean(
            np.maximum((v - t) ** 2, (np.clip(v, -c, c) - t) ** 2)
        ),
        "VAL-06 max before the square": lambda v, o, t, c: half_mean(
            np.maximum(v - t, near(v, o, c) - t) ** 2
        ),
        "VAL-07 not clipped": lambda v, o, t, c: half_mean((v - t) ** 2),
        "VAL-08 clipped only": lambda v, o, t, c: half_mean((near(v, o, c) - t) ** 2),
        "VAL-10 max of the means": lambda v, o, t, c: max(
            half_mean((v - t) ** 2), half_mean((near(v, o, c) - t) ** 2)
        ),
    },
    "clipped_value_loss_backward": {
        "VGR-01 clip ignored": lambda g, v, o, t, c: g * (v - t) / len(v),
        "VGR-05 the clip lets everything through": lambda g, v, o, t, c: (
            g * np.where(abs(v - t) >= abs(near(v, o, c) - t), v - t, near(v, o, c) - t) / len(v)
        ),
        "VGR-06 clipped wins a tie": lambda g, v, o, t, c: np.where(
            (abs(v - o) > c) & (abs(v - t) == abs(near(v, o, c) - t)),
            0,
            grad("clipped_value_loss", g, v, o, t, c),
        ),
        "VGR-07 no gradient at the bound": lambda g, v, o, t, c: np.where(
            abs(v - o) == c, 0, grad("clipped_value_loss", g, v, o, t, c)
        ),
    },
    "ppo_loss": {
        "LOS-01 entropy punished": lambda *args: out("ppo_loss", *args[:-1], -args[-1]),
        "LOS-03 coefficients exchanged": lambda *args: out(
            "ppo_loss", *args[:-2], args[-1], args[-2]
        ),
        "LOS-04 normalises the advantages": lambda z, v, a, old, A, *rest: out(
            "ppo_loss", z, v, a, old, npppo.normalize_advantages(A), *rest
        ),
    },
    "ppo_loss_backward": {
        "LOS-01 entropy punished": lambda g, *args: grad("ppo_loss", g, *args[:-1], -args[-1]),
        "SGR-04 never clipped": lambda g, z, v, a, old, A, t, c, *rest: grad(
            "ppo_loss", g, z, v, a, old, A, t, 1e9, *rest
        ),
        "SGR-07 1/N left out": dlogits_without_mean,
    },
    "approx_kl": {
        "KL-01 first estimator": lambda new, old: (old - new).mean(),
        "KL-03 second estimator": lambda new, old: half_mean((new - old) ** 2),
        "KL-05 direction reversed": lambda new, old: (np.exp(old - new) - 1 - (old - new)).mean(),
    },
    "clip_fraction": {
        "CLF-01 counts the bound": lambda new, old, c: (abs(ratio(new, old) - 1) >= c).mean(),
        "CLF-02 upper side only": lambda new, old, c: (ratio(new, old) > 1 + c).mean(),
    },
    "explained_variance": {
        "EXV-01 arguments exchanged": lambda v, t: npppo.explained_variance(t, v),
        "EXV-02 mean square for variance": explained_mean_square,
        "EXV-03 nan where rounding makes it 0": lambda v, t: (
            np.nan if t.var() == 0 else npppo.explained_variance(v, t)
        ),
        "EXV-05 0 for nan": lambda v, t: np.nan_to_num(npppo.explained_variance(v, t)),
    },
}


# Optimisation


def norm_of(grads):
    return np.sqrt(sum((g * g).sum() for g in grads))


def clip_by(scale):
    """All gradients times scale(norm, max_norm), those of norm 0 aside."""

    def clip_grad_norm(grads, max_norm):
        norm = norm_of(grads)
        return [g * scale(norm, max_norm) if norm > 0 else g for g in grads], norm

    return clip_grad_norm


def unbiased(moment, beta, t):
    return moment / (1 - beta**t)


def raw(moment, beta, t):
    return moment


def adam_with(m_hat=unbiased, v_hat=unbiased, quotient=lambda m, v, eps: m / (np.sqrt(v) + eps)):
    """Adam with other corrections of the moments, or another quotient of the corrected ones."""

    def adam_step(param, g, m, v, t, lr, beta1=0.9, beta2=0.999, eps=1e-8):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        return param - lr * quotient(m_hat(m, beta1, t), v_hat(v, beta2, t), eps), m, v

    return adam_step


def adam_storing_corrected_moments(param, g, m, v, t, lr, beta1=0.9, beta2=0.999, eps=1e-8):
    param, m, v = npppo.adam_step(param, g, m, v, t, lr, beta1, beta2, eps)
    return param, unbiased(m, beta1, t), unbiased(v, beta2, t)


def adam_with_eps_hat(param, g, m, v, t, lr, beta1=0.9, beta2=0.999, eps=1e-8):
    _, m, v = npppo.adam_step(param, g, m, v, t, lr, beta1, beta2, eps)
    size = lr * np.sqrt(1 - beta2**t) / (1 - beta1**t)
    return param - size * m / (np.sqrt(v) + eps), m, v


def steepest_descent(matvec, b, iterations, tolerance=1e-10):
    x = np.zeros_like(b)
    for _ in range(iterations):
        rest = b - matvec(x)
        if np.linalg.norm(rest) <= tolerance * np.linalg.norm(b):
            break
        x = x + (rest @ rest) / (rest @ matvec(rest)) * rest
    return x


def cg_that_never_stops(matvec, b, iterations, tolerance=1e-10):
    x, rest, direction = np.zeros_like(b), b, b
    for _ in range(iterations):
        image = matvec(direction)
        step = (rest @ rest) / (direction @ image)
        x, old_rest, rest = x + step * direction, rest, rest - step * image
        direction = rest + (rest @ rest) / (old_rest @ old_rest) * direction
    return x


OPTIMIZERS = {
    "clip_grad_norm": {
        "CLP-01 each tensor by itself": lambda grads, max_norm: (
            [npppo.clip_grad_norm([g], max_norm)[0][0] for g in grads],
            norm_of(grads),
        ),
        "CLP-02 by value": lambda grads, max_norm: (
            [np.clip(g, -max_norm, max_norm) for g in grads],
            norm_of(grads),
        ),
        "CLP-03 always rescales": clip_by(lambda norm, limit: limit / norm),
        "CLP-04 root left out": clip_by(lambda norm, limit: min(1.0, limit / norm**2)),
        "CLP-07 adds 1e-6": clip_by(lambda norm, limit: min(1.0, limit / (norm + 1e-6))),
        "CLP-15 norm after clipping": lambda grads, max_norm: (
            npppo.clip_grad_norm(grads, max_norm)[0],
            min(norm_of(grads), max_norm),
        ),
        "CLP-16 divides by a zero norm": lambda grads, max_norm: (
            [g * min(1.0, max_norm / norm_of(grads)) for g in grads],
            norm_of(grads),
        ),
        "CLP-17 squares leave the range": clip_by(lambda norm, limit: min(1.0, limit / norm)),
    },
    "sgd_step": {"SGD-01 uphill": lambda param, g, lr: param + lr * g},
    "adam_step": {
        "ADM-01 no bias correction": adam_with(raw, raw),
        "ADM-03 1 - β without the power": adam_with(
            lambda m, beta, t: m / (1 - beta), lambda v, beta, t: v / (1 - beta)
        ),
        "ADM-06 only m corrected": adam_with(unbiased, raw),
        "ADM-08 corrected moments stored": adam_storing_corrected_moments,
        "ADM-09 eps inside the root": adam_with(quotient=lambda m, v, eps: m / np.sqrt(v + eps)),
        "ADM-10 eps beside the raw root": adam_with_eps_hat,
        "ADM-12 no eps": adam_with(quotient=lambda m, v, eps: m / np.sqrt(v)),
        "ADM-22 another default eps": lambda *args: (
            npppo.adam_step(*args) if len(args) > 6 else npppo.adam_step(*args, 0.9, 0.999, 1e-5)
        ),
    },
    "conjugate_gradient": {
        "CGR-01 steepest descent": steepest_descent,
        "CGR-02 divides 0 by 0": cg_that_never_stops,
        "CGR-04 absolute tolerance": lambda matvec, b, n, tolerance=1e-10: npppo.conjugate_gradient(
            matvec, b, n, tolerance / max(np.linalg.norm(b), 1e-99)
        ),
    },
    "linear_schedule": {
        "LRA-07 backwards": lambda start, end, f: npppo.linear_schedule(end, start, f),
        "LRA-08 end ignored": lambda start, end, f: start * (1 - f),
    },
}

MUTANTS = LAYERS | CATEGORICAL | GAUSSIAN | RETURNS | LOSSES | OPTIMIZERS


# Mistakes of form, by the property that must notice


def gae_in_place(r, v, nv, term, trunc, gamma, lam):
    right = npppo.gae(r, v, nv, term, trunc, gamma, lam)
    r[...] = right
    return right


def relu_backward_in_place(dy, x):
    dy[x <= 0] = 0
    return dy.copy()


def tanh_backward_in_place(dy, x):
    dx = grad("tanh", dy, x)
    x[...] = dx
    return dx


def adam_in_place(param, g, m, v, *rest):
    new_param, m[...], v[...] = npppo.adam_step(param, g, m, v, *rest)
    return new_param, m.copy(), v.copy()


def clip_grad_norm_that_hands_back(grads, max_norm):
    clipped, norm = npppo.clip_grad_norm(grads, max_norm)
    return (grads if norm <= max_norm else clipped), norm


MANNERS = {
    "test_a_cache_outlives_other_calls": {
        "tanh_backward": {"MLP-10 overwrites its cache": tanh_backward_in_place},
    },
    "test_results_have_the_documented_shapes": {
        "categorical_entropy": {"GAU-13 keeps the axis": lambda z: column(entropy(z))},
        "importance_ratio_backward": {"SUR-19 N x N": lambda g, new, old: g * column(g)},
    },
    "test_wrong_shapes_are_named": {
        "value_loss": {"VAL-02 (N, 1) less (N,)": lambda v, t: half_mean((v - t) ** 2)},
        "policy_gradient_loss": {"SUR-19 (N, 1) by (N,)": lambda new, A: -(new * A).mean()},
    },
    "test_wrong_shapes_of_cotangents_are_named": {
        "tanh_backward": {"MLP-21 broadcasts": lambda dy, x: dy * (1 - np.tanh(x) ** 2)},
    },
    "test_float32_stays_float32_and_right": {
        "gae": {"TYP-01 always float64": lambda *args: npppo.gae(*args).astype(np.float64)},
        "sgd_step": {"TYP-02 promoted by a NumPy scalar": lambda param, g, lr: param - lr * g},
    },
    "test_mixed_precisions_give_the_wider_one": {
        "sgd_step": {
            "TYP-03 follows its first argument": lambda param, g, lr: npppo.sgd_step(
                param, g, lr
            ).astype(param.dtype)
        },
    },
    "test_memory_layout_does_not_matter": {
        "tanh": {
            "MEM-02 reads in the order of memory": lambda x: np.tanh(x.ravel("K").reshape(x.shape))
        },
    },
    "test_arguments_are_neither_changed_nor_returned": {
        "gae": {"GAE-35 overwrites the rewards": gae_in_place},
        "relu_backward": {"MLP-10 overwrites dy": relu_backward_in_place},
        "adam_step": {"ADM-20 overwrites the moments": adam_in_place},
        "clip_grad_norm": {"MEM-01 hands back what it was given": clip_grad_norm_that_hands_back},
    },
}
