"""Known mistakes in the softmax policy: p are its probabilities, log p their logarithms."""

# NumPy's reductions are typed as Any
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..exercise import RIGHT, Array, Mistake, Switches

# log(p + ε) and log(max(p, ε)) by the ε of those who do not trust log p
ADDED = {
    f"SMX-05+{eps:.2g}": eps
    for eps in [
        *[1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15, 1e-16, 1e-20, 1e-30, 1e-300],
        *[float(np.finfo(np.float64).eps), float(np.finfo(np.float64).tiny)],
    ]
}
RAISED = {name.replace("+", ">"): eps for name, eps in ADDED.items()}
EXTRA = {f"SMX-40+{eps:.0e}": eps for eps in [1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12]}
# log(p_new + ε) in the divergence, beside log p_old as it is
NEW_ONLY = {f"KL-62+{eps:.0e}": eps for eps in [1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-20]}
UNFILLED = frozenset(["ROW-01", "COL-01"])


def without_last(on: Switches, x: Array) -> Array:
    """As a loop over the rows or the actions leaves it that stops one short."""
    if on & UNFILLED:
        x = x.copy()
    if "ROW-01" in on:
        x[-1] = 0
    if "COL-01" in on:
        x[..., -1] = 0
    return x


def one_hot(actions: Array, A: int) -> Array:
    return np.eye(A)[actions]  # (N, A)


# Probabilities


def entering(on: Switches, logits: Array) -> Array:
    """The logits as they enter the exponential."""
    if "SMX-06" in on:
        logits = softmax(on - {"SMX-06"} - UNFILLED, logits)
    return -logits if "SMX-24" in on else logits


def subtracted(on: Switches, z: Array) -> Array:
    """What is subtracted from the logits."""
    if on & {"SMX-01", "SMX-01b"}:
        return np.zeros_like(z)
    if on & {"SMX-02", "SMX-02b", "SMX-16b"}:
        return np.full_like(z, z.max())
    if on & {"SMX-03b", "SMX-03c"}:
        return z.max(axis=1)  # (N,)
    if on & {"SMX-04", "SMX-13"}:
        return z.max(axis=0)  # (A,)
    if "SMX-14" in on:
        return z.mean(axis=1, keepdims=True)
    if "SMX-14b" in on:
        return z.min(axis=1, keepdims=True)
    if "SMX-15" in on:
        return np.abs(z).max(axis=1, keepdims=True)
    return z.max(axis=1, keepdims=True)


def power(on: Switches, z: Array) -> Array:
    if "SMX-23" in on:
        return np.exp2(z)
    return 10.0**z if "SMX-23b" in on else np.exp(z)


def total(on: Switches, e: Array) -> Array:
    """What the exponentials are divided by."""
    if on & {"SMX-01b", "SMX-02b"}:
        e = e + 1e-12
    if on & {"SMX-03", "SMX-03c"}:
        return e.sum(axis=1)  # (N,)
    if on & {"SMX-04", "SMX-04b"}:
        return e.sum(axis=0)  # (A,)
    if on & {"SMX-16", "SMX-16b"}:
        return e.sum(keepdims=True)  # (1, 1)
    if "SMX-32" in on:
        return e.mean(axis=1, keepdims=True)
    if "SMX-26" in on:
        return np.sqrt((e * e).sum(axis=1, keepdims=True))
    return e.sum(axis=1, keepdims=True)


def softmax(on: Switches, logits: Array) -> Array:
    if "SMX-21" in on:
        return log_softmax(RIGHT, logits)
    z = entering(on, logits)  # (N, A)
    if "SMX-22" in on:
        return 1 / (1 + np.exp(-z))
    if "SMX-07" in on:
        return z / z.sum(axis=1, keepdims=True)
    if "SMX-20b" in on:
        return power(on, z)
    e = power(on, z - subtracted(on, z))  # (N, A)
    p = without_last(on, e if "SMX-20" in on else e / total(on, e))  # (N, A)
    return p + sum(EXTRA[switch] for switch in on & EXTRA.keys())


def log_softmax(on: Switches, logits: Array) -> Array:
    return without_last(on, in_another_base(on, log_probabilities(on - UNFILLED, logits)))


def in_another_base(on: Switches, log_p: Array) -> Array:
    if "SMX-08" in on:
        log_p = -log_p
    if "SMX-10" in on:
        log_p = log_p / np.log(10)
    return log_p / np.log(2) if "SMX-10b" in on else log_p


def log_probabilities(on: Switches, logits: Array) -> Array:
    if "SMX-30" in on:
        return softmax(on, logits)
    if "SMX-22" in on:
        return np.log(softmax(on, logits))
    for switch in on & ADDED.keys():
        return np.log(softmax(on, logits) + ADDED[switch])
    for switch in on & RAISED.keys():
        return np.log(np.maximum(softmax(on, logits), RAISED[switch]))
    if "SMX-12" in on:
        return np.log(softmax(on, logits))
    unshifted = entering(on, logits)  # (N, A)
    if "SMX-20b" in on:
        return unshifted
    maximum = subtracted(on, unshifted)
    z = unshifted - maximum  # (N, A)
    if "SMX-20" in on:
        return z
    weights = total(on, power(on, z))
    if "SMX-31" in on:
        return z - weights
    if "SMX-29" in on:
        z = unshifted
    if "SMX-29b" in on:
        z = z - maximum
    if "SMX-10c" in on:
        return z - np.log10(weights)
    if "SMX-10d" in on:
        return z - np.log2(weights)
    return z - np.log(weights)


def probabilities(on: Switches, logits: Array) -> Array:
    """p for a backward function, every entry of it."""
    return softmax(on - UNFILLED, logits)


# Their gradients


def row_sum(on: Switches, x: Array) -> Array:
    """Sum over the actions, to be subtracted in each column."""
    if "SMG-06" in on:
        return x.sum(axis=0)
    if "SMG-10" in on:
        return x.sum(axis=1)  # (N,)
    if "SMG-17" in on:
        return x.mean(axis=1, keepdims=True)
    if "SMG-19" in on:
        return x.sum(keepdims=True)
    return x.sum(axis=1, keepdims=True)


def finished(on: Switches, dlogits: Array) -> Array:
    """Mistakes that any gradient can end with."""
    if "SMG-04" in on:
        dlogits = -dlogits
    if "SMG-08" in on:
        dlogits = dlogits / len(dlogits)
    if "SMG-18" in on:
        dlogits = 0 * dlogits
    if "SMG-29" in on:
        dlogits = dlogits.sum(axis=0)  # (A,)
    if "SMG-29b" in on:
        dlogits = dlogits.mean(axis=0)  # (A,)
    return without_last(on, dlogits)


def times_jacobian(on: Switches, g: Array, p: Array) -> Array:
    """(diag p - p pᵀ) g of each row: (N, A) -> (N, A)."""
    if "SMG-11" in on:
        return p * (1 - p)
    if "SMG-02" in on:
        return g * p * (1 - p)
    if "SMG-03" in on:
        return g
    if "SMG-05" in on:
        return g - p * g.sum(axis=1, keepdims=True)
    if "SMG-01" in on:
        return g - p
    if "SMG-12" in on:
        return g - row_sum(on, g * p)
    if "SMG-13" in on:
        return g * p
    if "SMG-14" in on:
        return p * (g + row_sum(on, g * p))
    if "SMG-15" in on:
        return -p * row_sum(on, g * p)
    if "SMG-16" in on:
        return p * (g - row_sum(on, g))
    if "SMG-21" in on:
        return g * p - row_sum(on, g * p)
    if "SMG-22" in on:
        return g * p - p * p
    return p * (g - row_sum(on, g * p))


def times_log_jacobian(on: Switches, g: Array, p: Array) -> Array:
    """g - p Σ g of each row: (N, A) -> (N, A)."""
    if "SMG-11" in on:
        return 1 - p
    if "SMG-11b" in on:
        return 1 - p * p.shape[1]
    if "SMG-01" in on:
        return g - p
    if "SMG-02" in on:
        return g * p * (1 - p)
    if "SMG-02b" in on:
        return g * (1 - p)
    if "SMG-03" in on:
        return g
    if "SMG-05" in on:
        return p * (g - row_sum(on, g * p))
    if "SMG-07" in on:
        return g - g.mean(axis=1, keepdims=True)
    if "SMG-12" in on:
        return g - row_sum(on, g)
    if "SMG-14" in on:
        return g + p * row_sum(on, g)
    if "SMG-15" in on:
        return -p * row_sum(on, g)
    if "SMG-16" in on:
        return g - p * row_sum(on, g * p)
    if "SMG-22" in on:
        return g - row_sum(on, g * p)
    if "SMG-23" in on:
        return g / p
    return g - p * row_sum(on, g)


def in_place_of_p(on: Switches, logits: Array) -> Array:
    if "SMG-20" in on:
        return logits
    if "SMG-20b" in on:
        return log_softmax(RIGHT, logits)
    return probabilities(on, logits)


def softmax_backward(on: Switches, dp: Array, logits: Array) -> Array:
    return finished(on, times_jacobian(on, dp, in_place_of_p(on, logits)))


def log_softmax_backward(on: Switches, dlog_p: Array, logits: Array) -> Array:
    return finished(on, times_log_jacobian(on, dlog_p, in_place_of_p(on, logits)))


# Functions of one number for each row


def upstream(on: Switches, dout: Array) -> Array:
    """The gradient of each row's number beside (N, A)."""
    if "SMG-10" in on:
        return dout  # (N,), along the actions
    if "SMG-24" in on:
        return np.ones((len(dout), 1))
    if "SMG-25" in on:
        return np.full((len(dout), 1), dout.mean())
    if "SMG-26" in on:
        return np.full((len(dout), 1), dout.sum())
    return dout[:, None]


def summed(on: Switches, terms: Array, family: str) -> Array:
    """Sum over the actions, of which there are several ways to go wrong: (N, A) -> (N,)."""
    wrong: dict[str, Callable[[], Array]] = {
        "unsummed": lambda: terms,  # (N, A)
        "mean": lambda: terms.mean(axis=1),
        "axis": lambda: terms.sum(axis=0),  # (A,)
        "total": lambda: terms.sum(),
        "average": lambda: terms.sum(axis=1).mean(),
        "all": lambda: terms.mean(),
        "kept": lambda: terms.sum(axis=1, keepdims=True),
    }
    for name, change in wrong.items():
        if f"{family}-{name}" in on:
            return np.asarray(change())
    return np.asarray(terms.sum(axis=1))


def chosen(on: Switches, actions: Array) -> Array:
    """The actions as indices."""
    if "ACT-01" in on:
        return actions - 1
    if "ACT-02" in on:
        return np.full_like(actions, actions[0])
    return actions


def categorical_log_prob(on: Switches, logits: Array, actions: Array) -> Array:
    log_p = log_softmax(on, logits)  # (N, A)
    actions = chosen(on, actions)
    rows = np.arange(len(log_p))
    if "ACT-03" in on:
        return log_p[:, actions]  # (N, N)
    if "ACT-04" in on:
        return log_p[actions, rows]
    if "ACT-05" in on:
        return log_p[0, actions]
    if "ACT-06" in on:
        return log_p[actions]  # (N, A)
    if "ACT-07" in on:
        return log_p.max(axis=1)
    if "ACT-08" in on:
        return log_p.sum(axis=1)
    if "ACT-09" in on:
        return log_p
    taken = one_hot(actions, log_p.shape[1])  # (N, A)
    return summed(on, np.where(taken == 1, log_p, 0), "LGP")


def categorical_log_prob_backward(
    on: Switches, dlog_prob: Array, logits: Array, actions: Array
) -> Array:
    p = in_place_of_p(on, logits)  # (N, A)
    actions = chosen(on, actions)
    taken = one_hot(actions, p.shape[1])  # (N, A)
    g = upstream(on, dlog_prob)  # (N, 1)
    if "LGP-mean" in on:
        g = g / p.shape[1]
    if "ACT-03" in on:
        dlogits = -g * p
        dlogits[:, actions] += np.ravel(g)
        return finished(on, dlogits)
    changes: dict[str, Callable[[], Array]] = {
        "ACT-10": lambda: g * taken,
        "ACT-11": lambda: -g * p,
        "ACT-12": lambda: taken - g * p,
        "ACT-12b": lambda: g * taken - p,
        "ACT-13": lambda: g * taken / p,
        "ACT-14": lambda: g * taken * (1 - p),
        "ACT-15": lambda: g * (p * taken).sum(axis=1, keepdims=True) * (taken - p),
        "ACT-16": lambda: g * (taken + p),
        "ACT-20": lambda: g * p * (taken - p),
        "ACT-21": lambda: g * p * (1 - p),
        "ACT-23": lambda: g * (taken - 1 / p.shape[1]),
    }
    for switch, change in changes.items():
        if switch in on:
            return finished(on, change())
    return finished(on, g * (taken - p))


def categorical_entropy(on: Switches, logits: Array) -> Array:
    log_p = log_softmax(on, logits)  # (N, A)
    p = softmax(on, logits)  # (N, A)
    if "ENT-06" in on or "ENT-06b" in on:
        mean_p = p.mean(axis=0)  # (A,)
        H = -(mean_p * np.log(mean_p)).sum()
        return np.full(len(p), H) if "ENT-06b" in on else np.asarray(H)
    if "ENT-05" in on:
        terms = -log_p
    elif "ENT-13" in on:
        terms = -p * logits
    elif "ENT-14" in on:
        terms = -p * log_p - (1 - p) * np.log(np.maximum(1 - p, 1e-300))
    elif "ENT-17" in on:
        terms = p * (1 - p)
    else:
        terms = -p * log_p  # (N, A)
    H = summed(on, terms, "ENT")
    if "ENT-01" in on:
        H = -H
    if "ENT-15" in on:
        H = np.exp(H)
    if "ENT-16" in on:
        H = H / np.log(p.shape[1])
    if "ENT-19" in on:
        H = np.log(p.shape[1]) - H
    return H


def categorical_entropy_backward(on: Switches, dentropy: Array, logits: Array) -> Array:
    p = probabilities(on, logits)  # (N, A)
    log_p = log_softmax(on - UNFILLED, logits)  # (N, A)
    H = -(p * log_p).sum(axis=1, keepdims=True)  # (N, 1)
    g = upstream(on, dentropy)  # (N, 1)
    if "ENT-mean" in on:
        g = g / p.shape[1]
    if "ENG-06" in on:
        H = np.full_like(H, H.mean())
    if "ENG-12" in on:
        H = H[:, 0]  # (N,), along the actions
    changes: dict[str, Callable[[], Array]] = {
        "ENG-01": lambda: -g * (log_p + 1),
        "ENG-02": lambda: -g * p * (log_p + 1),
        "ENG-04": lambda: -g * p * log_p,
        "ENG-07": lambda: -g * p * (1 - p) * (log_p + 1),
        "ENG-07b": lambda: -g * p * (1 - p) * log_p,
        "ENG-09": lambda: -g * (log_p + H),
        "ENG-10": lambda: -g * p * (log_p - H),
        "ENG-11": lambda: -g * p * (log_p + H + 1),
        "ENG-13": lambda: -g * p * (logits + H),
        "ENG-14": lambda: -g * log_p,
        "ENG-15": lambda: -g * p * H,
        "ENG-16": lambda: -g * p * (log_p + 2 - H),
        "ENG-18": lambda: -g * p * (log_p - log_p.sum(axis=1, keepdims=True)),
        "ENG-18b": lambda: -g * p * (log_p + 1 - (log_p + 1).sum(axis=1, keepdims=True)),
        "ENG-19": lambda: -g * p * (log_p - log_p.mean(axis=1, keepdims=True)),
        "ENG-20": lambda: -p * (g * log_p - (g * p * log_p).sum(axis=0)),
        "ENG-20b": lambda: -p * (g * (log_p + 1) - (g * p * (log_p + 1)).sum(axis=0)),
        "ENG-21": lambda: g * (p * log_p.sum(axis=1, keepdims=True) - log_p),
        "ENG-21b": lambda: g * (p * (log_p + 1).sum(axis=1, keepdims=True) - log_p - 1),
    }
    for switch, change in changes.items():
        if switch in on:
            return finished(on, change())
    return finished(on, -g * p * (log_p + H))


def categorical_kl(on: Switches, old_logits: Array, logits: Array) -> Array:
    if "KL-11" in on:
        old_logits, logits = logits, old_logits
    old_log_p, log_p = log_softmax(on, old_logits), log_softmax(on, logits)  # (N, A)
    old_p, p = softmax(on, old_logits), softmax(on, logits)  # (N, A)
    for switch in on & NEW_ONLY.keys():
        log_p = np.log(p + NEW_ONLY[switch])
    log_ratio = old_log_p - log_p  # (N, A)
    mixed = (old_p + p) / 2  # (N, A)
    changes: dict[str, Callable[[], Array]] = {
        "KL-12": lambda: -old_p * log_p,
        "KL-21": lambda: p * log_ratio,
        "KL-22": lambda: log_ratio,
        "KL-25": lambda: (old_p - p) * log_ratio / 2,
        "KL-25b": lambda: (old_p - p) * log_ratio,
        "KL-26": lambda: old_p * np.abs(log_ratio),
        "KL-27": lambda: old_p * log_ratio * log_ratio / 2,
        "KL-27b": lambda: old_p * log_ratio * log_ratio,
        "KL-28": lambda: old_p * (old_logits - logits),
        "KL-29": lambda: old_p * (old_p - p),
        "KL-30": lambda: old_p * np.exp(log_ratio),
        "KL-32": lambda: (
            (old_p * (old_log_p - np.log(mixed + 1e-300)) + p * (log_p - np.log(mixed + 1e-300)))
            / 2
        ),
        "KL-35": lambda: old_p * (old_log_p + log_p),
        "KL-36": lambda: np.abs(old_p - p) / 2,
        "KL-37": lambda: old_p * log_p,
        "KL-38": lambda: old_p * old_log_p,
        "KL-39": lambda: old_p * old_log_p - p * log_p,
        "KL-40": lambda: (old_p - p) ** 2,
    }
    terms = old_p * log_ratio  # (N, A)
    for switch, change in changes.items():
        if switch in on:
            terms = change()
    kl = summed(on, terms, "KL")
    return -kl if "KL-13" in on else kl


def categorical_kl_backward(on: Switches, dkl: Array, old_logits: Array, logits: Array) -> Array:
    p, old_p = probabilities(on, logits), probabilities(on, old_logits)  # (N, A)
    log_p, old_log_p = log_softmax(on - UNFILLED, logits), log_softmax(on - UNFILLED, old_logits)
    log_ratio = old_log_p - log_p  # (N, A)
    g = upstream(on, dkl)  # (N, 1)
    if "KL-mean" in on:
        g = g / p.shape[1]

    def of_the_other() -> Array:
        return -g * p * (log_ratio - (p * log_ratio).sum(axis=1, keepdims=True))

    changes: dict[str, Callable[[], Array]] = {
        "KL-11": of_the_other,
        "KL-25": lambda: (g * (p - old_p) + of_the_other()) / 2,
        "KL-34": lambda: g * old_p * (log_ratio - (old_p * log_ratio).sum(axis=1, keepdims=True)),
        "KL-45": lambda: -g * old_p,
        "KL-46": lambda: g * p,
        "KL-47": lambda: -g * old_p / p,
        "KL-48": lambda: -g * log_ratio,
        "KL-49": lambda: -g * old_p * (1 - p),
        "KL-50": lambda: times_jacobian(RIGHT, -g * old_p, p),
        "KL-51": lambda: g * p * (p - old_p),
        "KL-52": lambda: g * old_p * (p - old_p),
        "KL-53": lambda: g * (logits - old_logits),
        "KL-54": lambda: g * old_p * log_ratio,
        "KL-56": lambda: g * old_p * (log_ratio + 1),
        "KL-57": lambda: g * (p + old_p),
    }
    for switch, change in changes.items():
        if switch in on:
            return finished(on, change())
    return finished(on, g * (p - old_p))


def categorical_sample(on: Switches, logits: Array, u: Array) -> Array:
    if "SMP-01" in on:
        return logits.argmax(axis=1)
    if "SMP-22" in on:
        return np.zeros(len(u), np.int64)
    p = logits if "SMP-16" in on else softmax(on, logits)  # (N, A)
    A = p.shape[1]
    if "SMP-27" in on:
        return np.floor(u * A).astype(np.int64)
    if "SMP-04" in on:
        u = np.full_like(u, u[0])
    if "SMP-10" in on:
        return A - 1 - first_beyond(on, p[:, ::-1].cumsum(axis=1), u)
    if "SMP-10b" in on:
        u = 1 - u
    if "SMP-25" in on:
        p = np.sort(p, axis=1)[:, ::-1]
    if "SMP-25b" in on:
        p = np.sort(p, axis=1)
    if "SMP-13" in on:
        cdf = p
    elif "SMP-14" in on:
        cdf = p.cumsum().reshape(p.shape)
    elif "SMP-14b" in on:
        cdf = np.broadcast_to(p[0].cumsum(), p.shape)
    elif "SMP-15" in on:
        cdf = p.cumsum(axis=0)
    elif "SMP-11c" in on:
        cdf = p.cumsum(axis=1) - p
    else:
        cdf = p.cumsum(axis=1)  # (N, A)
    if "SMP-23" in on:
        return np.abs(cdf - u[:, None]).argmin(axis=1)
    actions = first_beyond(on, cdf, u)  # (N,)
    if "SMP-11" in on:
        actions = actions + 1
    if "SMP-11b" in on:
        actions = np.minimum(actions + 1, A - 1)
    if "SMP-12" in on:
        actions = actions - 1
    if "SMP-12b" in on:
        actions = np.maximum(actions - 1, 0)
    if "SMP-21" in on:
        actions = A - actions
    if "SMP-26" in on:
        actions = actions[:, None]
    if "SMP-19" in on:
        actions = one_hot(actions, A)
    return without_last(on - {"COL-01"}, actions)


# Mistakes whose cumulative probabilities do not end in 1, or which take for granted that they do
PLAIN = frozenset(
    [
        *["SMP-02", "SMP-08", "SMP-09", "SMP-10b", "SMP-13", "SMP-14", "SMP-14b", "SMP-15"],
        "SMP-16",
        *["SMX-03", "SMX-03c", "SMX-04", "SMX-04b", "SMX-16", "SMX-16b"],
        *["SMX-20", "SMX-20b", "SMX-22", "SMX-26", "SMX-32"],
    ]
)


def first_beyond(on: Switches, cdf: Array, u: Array) -> Array:
    """The first action in each row whose cumulative probability exceeds u."""
    end = cdf[:, -1:]  # (N, 1)
    if on & PLAIN:
        end = np.ones_like(end)
    threshold = u if "SMP-29" in on else u[:, None] * end  # (N, 1)
    exceeds = cdf >= threshold if "SMP-03" in on else cdf > threshold  # (N, A)
    first = exceeds.argmax(axis=1)  # (N,), 0 where none exceeds
    if on & {"SMP-02", "SMP-08"}:
        first = np.where(exceeds.any(axis=1), first, cdf.shape[1])
    return np.minimum(first, cdf.shape[1] - 1) if "SMP-08" in on else first


def categorical_fisher(on: Switches, logits: Array, v: Array) -> Array:
    p = in_place_of_p(on, logits)  # (N, A)
    if "FSH-02" in on:
        p = np.broadcast_to(p.mean(axis=0), p.shape)
    if "FSH-03" in on:
        return finished(on, v / p)
    if "FSH-04" in on:
        return finished(on, times_jacobian(on, times_jacobian(on, v, p), p))
    return finished(on, times_jacobian(on, v, p))


VARIANTS = {
    "softmax": softmax,
    "softmax_backward": softmax_backward,
    "log_softmax": log_softmax,
    "log_softmax_backward": log_softmax_backward,
    "categorical_log_prob": categorical_log_prob,
    "categorical_log_prob_backward": categorical_log_prob_backward,
    "categorical_entropy": categorical_entropy,
    "categorical_entropy_backward": categorical_entropy_backward,
    "categorical_kl": categorical_kl,
    "categorical_kl_backward": categorical_kl_backward,
    "categorical_sample": categorical_sample,
    "categorical_fisher": categorical_fisher,
}

# Sentences


def ways(id: str, sentence: str, *switches: str) -> list[Mistake]:
    """One mistake with several ways to make it."""
    return [Mistake(id, sentence, switch=switch) for switch in switches]


MAXIMUM = [
    Mistake(
        "SMX-01",
        "No maximum is subtracted before the exponential, so large logits overflow and very "
        "negative ones become 0/0; subtract the row's largest logit.",
    ),
    Mistake(
        "SMX-02",
        "One maximum of the whole batch is subtracted, so rows far below it become 0/0; subtract "
        "each row's own: logits.max(axis=1, keepdims=True).",
    ),
    Mistake(
        "SMX-14",
        "The row's mean is subtracted before the exponential, not its largest logit, so logits "
        "far above the mean overflow.",
    ),
    Mistake(
        "SMX-14",
        "The row's smallest logit is subtracted before the exponential, not its largest, so large "
        "differences overflow.",
        switch="SMX-14b",
    ),
    Mistake(
        "SMX-15",
        "The largest absolute value is subtracted, not the largest logit, so rows of very "
        "negative logits become 0/0.",
    ),
]
WRONG_AXIS = [
    Mistake(
        "SMX-01",
        "No maximum is subtracted before the exponential; a small number added to the sum hides "
        "0/0 and makes all probabilities of a row 0; subtract the row's largest logit.",
        switch="SMX-01b",
    ),
    Mistake(
        "SMX-02",
        "One maximum of the whole batch is subtracted; a small number added to the sum hides 0/0 "
        "and makes all probabilities of a row 0; subtract each row's own maximum.",
        switch="SMX-02b",
    ),
    *ways(
        "SMX-03",
        "keepdims=True is missing where the row's maximum or sum is taken, so it meets the "
        "columns: an error, or with as many rows as actions a silent mistake.",
        "SMX-03",
        "SMX-03b",
        "SMX-03c",
    ),
    *ways(
        "SMX-04",
        "The softmax runs down the batch (axis 0); it belongs over the actions of each row "
        "(axis 1).",
        "SMX-04",
        "SMX-04b",
    ),
    Mistake(
        "SMX-13",
        "The maximum is taken down the batch (axis 0), which changes the differences within a "
        "row; take it over the actions (axis 1).",
    ),
    *ways(
        "SMX-16",
        "The exponentials are summed over the whole batch; each row has a sum of its own: "
        ".sum(axis=1, keepdims=True).",
        "SMX-16",
        "SMX-16b",
    ),
]
WRONG_INPUT = [
    Mistake(
        "SMX-06",
        "The softmax is applied twice, or to probabilities as if they were logits; once, to the "
        "logits, is right.",
    ),
    Mistake("SMX-24", "The softmax is taken of −logits; a larger logit is a likelier action."),
    Mistake(
        "SMX-22",
        "Each logit goes through a sigmoid by itself; the softmax divides by the sum over all "
        "actions, so that a row's probabilities add up to 1.",
    ),
]
NORMALISER = [
    Mistake(
        "SMX-20", "The exponentials exp(z − max z) are not divided by their sum over the actions."
    ),
    Mistake(
        "SMX-20",
        "exp(logits) is taken for the probability; divide it by the sum over the actions.",
        switch="SMX-20b",
    ),
    Mistake(
        "SMX-32",
        "The exponentials are divided by their mean over the actions; divide by their sum.",
    ),
    Mistake(
        "SMX-26",
        "The exponentials are divided by the root of the sum of their squares; divide by their "
        "sum.",
    ),
]
BASE = ways(
    "SMX-23",
    "The softmax is built on powers of 2 or 10; it is built on exp, the powers of e.",
    "SMX-23",
    "SMX-23b",
)
SOFTMAX = [*MAXIMUM, *WRONG_AXIS, *WRONG_INPUT, *NORMALISER]
LAST_ROW = Mistake("ROW-01", "The last row is never filled: the loop stops one row short.")
LAST_ACTION = Mistake("COL-01", "The last action is left out: the loop stops one action short.")
UNDERFLOW = Mistake(
    "SMX-12",
    "The logarithm is taken of probabilities that have underflowed to 0, which gives −∞ or nan; "
    "log p is z − log Σ exp(z), without the detour over p.",
)
EPSILON = [
    *ways(
        "SMX-05",
        "A small number is added to p before the logarithm, as in log(p + 1e-8), which is wrong "
        "for rare actions; log p is z − log Σ exp(z), without the detour over p.",
        *ADDED,
    ),
    *ways(
        "SMX-05",
        "p is held above a small number before the logarithm, as in log(max(p, 1e-8)), which is "
        "wrong for rare actions; log p is z − log Σ exp(z), without the detour over p.",
        *RAISED,
    ),
]
LOG_BASE = ways(
    "SMX-10",
    "The logarithm has base 2 or 10; use the natural one, np.log.",
    "SMX-10",
    "SMX-10b",
)
LOG_SOFTMAX = [
    *SOFTMAX,
    *BASE,
    UNDERFLOW,
    *EPSILON,
    *LOG_BASE,
    *ways(
        "SMX-10",
        "The logarithm of the sum has base 2 or 10; use the natural one, np.log.",
        "SMX-10c",
        "SMX-10d",
    ),
    Mistake(
        "SMX-29",
        "The maximum is subtracted inside the sum only; log p = (z − max) − log Σ exp(z − max).",
    ),
    Mistake(
        "SMX-29",
        "The maximum is subtracted twice; log p = (z − max) − log Σ exp(z − max).",
        switch="SMX-29b",
    ),
    Mistake("SMX-31", "The sum itself is subtracted; subtract its logarithm, log Σ exp(z)."),
    Mistake("SMX-30", "The logarithm is missing: this is p, not log p."),
    Mistake(
        "SMX-08",
        "The sign is wrong: this is −log p, the negative log-likelihood that is right as a loss; "
        "here log p ≤ 0 is asked for.",
        convention=True,
    ),
    LAST_ROW,
    LAST_ACTION,
]


def gradient(id: str, sign: str) -> list[Mistake]:
    """Mistakes that any gradient by the logits can end with, the first of the sign."""
    return [
        Mistake(id, sign, switch="SMG-04"),
        Mistake(
            "SMG-08",
            "The gradient is divided by the batch size N; the 1/N of a mean is in the gradient "
            "that comes in.",
        ),
        Mistake("SMG-18", "The gradient is 0 everywhere, as if the logits were constants."),
        *ways(
            "SMG-29",
            "The gradient is summed or averaged over the batch; each row has its own: shape "
            "(N, A).",
            "SMG-29",
            "SMG-29b",
        ),
        LAST_ROW,
        LAST_ACTION,
    ]


# What a backward function inherits from its forward: the probabilities
P = SOFTMAX
FOR_P = [
    Mistake("SMG-20", "The logits stand where the probabilities p = softmax(logits) belong."),
    Mistake("SMG-20", "log p stands where p belongs: the exp is missing.", switch="SMG-20b"),
]
ROW_SUM = [
    Mistake(
        "SMG-06",
        "The sum in the gradient runs down the batch (axis 0); it runs over the actions of each "
        "row (axis 1).",
    ),
    Mistake(
        "SMG-10",
        "keepdims=True is missing at the sum in the gradient, so it meets the columns: an error, "
        "or with as many rows as actions a silent mistake.",
    ),
    Mistake("SMG-17", "The gradient subtracts a mean over the actions; it is a sum."),
    Mistake(
        "SMG-19",
        "The sum in the gradient runs over the whole batch; each row has its own: "
        ".sum(axis=1, keepdims=True).",
    ),
]


def jacobian(g: str, right: str) -> list[Mistake]:
    """Mistakes in (diag p - p pᵀ) g."""
    return [
        Mistake("SMG-01", f"This is {g} − p; right is {right}."),
        Mistake(
            "SMG-02",
            f"Only the diagonal of the softmax's Jacobian is used, {g} · p (1 − p); every "
            f"probability depends on every logit: {right}.",
        ),
        Mistake("SMG-03", f"The Jacobian is missing, {g} comes out as it went in: {right}."),
        Mistake(
            "SMG-05",
            f"This is the Jacobian of log_softmax, {g} − p Σ {g}; that of softmax gives {right}.",
        ),
        Mistake("SMG-11", f"{g} is ignored, this is p (1 − p); right is {right}."),
        Mistake("SMG-12", f"The factor p in front is missing: {right}."),
        Mistake("SMG-14", f"The sum is added, where it should be subtracted: {right}."),
        Mistake("SMG-15", f"Only the second part is there, −p Σ p·{g}; right is {right}."),
        Mistake("SMG-16", f"The sum is not weighted with p: {right}."),
        Mistake("SMG-21", f"The sum is subtracted without its factor p: {right}."),
        Mistake("SMG-22", f"The second part ignores {g}, it is p²; right is {right}."),
    ]


def upstream_mistakes(dout: str, id: str = "SMG-24") -> list[Mistake]:
    return [
        Mistake(
            "SMG-10",
            f"{dout}, one number for each row, is multiplied along the actions: an error, or with "
            f"as many rows as actions a silent mistake; write {dout}[:, None].",
        ),
        Mistake(id, f"{dout} is ignored; multiply each row by its own.", switch="SMG-24"),
        *ways(
            "SMG-25",
            f"{dout} is averaged or summed over the batch; each row is multiplied by its own.",
            "SMG-25",
            "SMG-26",
        ),
    ]


def sums(what: str, family: str, over: str = "actions", **ids: str) -> list[Mistake]:
    """Mistakes in a sum over the actions, by their names in `summed`."""
    sentences = {
        "unsummed": f"The sum over the {over} is missing: {what} is one number per row, (N,).",
        "mean": f"{what} is averaged over the {over}, which makes it A times too small; sum.",
        "axis": f"{what} is summed down the batch (axis 0); sum over the {over} (axis 1).",
        "total": f"{what} is summed over the batch too; it is one number per row, (N,).",
        "average": f"{what} is averaged over the batch; it is one number per row, (N,).",
        "all": f"{what} is averaged over rows and {over}; it is one sum per row, (N,).",
        "kept": f"{what} has shape (N, 1), expected (N,): sum without keepdims.",
    }
    return [
        Mistake(id, sentences[name][0].upper() + sentences[name][1:], switch=f"{family}-{name}")
        for name, id in ids.items()
    ]


ACTIONS = [
    Mistake("ACT-01", "The actions are shifted by one: they count from 0, not from 1."),
    Mistake("ACT-02", "The first row's action is used in all rows; each row has its own."),
]

MISTAKES = {
    "softmax": [
        *SOFTMAX,
        *BASE,
        Mistake(
            "SMX-07",
            "The logits are divided by their sum; take their exponentials first: "
            "p = exp(z) / Σ exp(z).",
        ),
        Mistake("SMX-21", "These are log-probabilities: the exp is missing."),
        *[
            Mistake(
                "SMX-40",
                "Something small is added to every probability; they no longer sum to 1, and rare "
                "actions become far too likely.",
                switch=switch,
            )
            for switch in EXTRA
        ],
        LAST_ROW,
        LAST_ACTION,
    ],
    "softmax_backward": [
        *jacobian("dp", "p (dp − Σ p·dp)"),
        Mistake("SMG-13", "The second part, −p Σ p·dp, is missing: right is p (dp − Σ p·dp)."),
        *ROW_SUM,
        *FOR_P,
        *gradient("SMG-04", "The sign is wrong: the gradient is p (dp − Σ p·dp)."),
        *P,
    ],
    "log_softmax": LOG_SOFTMAX,
    "log_softmax_backward": [
        Mistake(
            "SMG-01",
            "dlog_p − p is right only where dlog_p sums to 1, as a one-hot vector does; right is "
            "dlog_p − p Σ dlog_p.",
        ),
        *ways(
            "SMG-02",
            "Only a diagonal is used, dlog_p (1 − p) or dlog_p p (1 − p); every log-probability "
            "depends on every logit: dlog_p − p Σ dlog_p.",
            "SMG-02",
            "SMG-02b",
        ),
        Mistake(
            "SMG-03",
            "The Jacobian is missing, dlog_p comes out as it went in: subtract p Σ dlog_p.",
        ),
        Mistake(
            "SMG-05",
            "This is the backward of softmax, p (g − Σ p·g); that of log_softmax is "
            "dlog_p − p Σ dlog_p.",
        ),
        Mistake(
            "SMG-07",
            "The mean of dlog_p is subtracted, as if all actions were equally likely; subtract "
            "p Σ dlog_p.",
        ),
        *ways(
            "SMG-11",
            "dlog_p is ignored, as if all of it or the one entry in question were 1; right is "
            "dlog_p − p Σ dlog_p.",
            "SMG-11",
            "SMG-11b",
        ),
        Mistake("SMG-12", "The sum is subtracted without its factor p: dlog_p − p Σ dlog_p."),
        Mistake("SMG-14", "The sum is added; subtract it: dlog_p − p Σ dlog_p."),
        Mistake("SMG-15", "Only the second part is there, −p Σ dlog_p: dlog_p − p Σ dlog_p."),
        Mistake("SMG-16", "The sum is weighted with p, it should not be: dlog_p − p Σ dlog_p."),
        Mistake(
            "SMG-22", "The factor p stands inside the sum, not before it: dlog_p − p Σ dlog_p."
        ),
        Mistake(
            "SMG-23",
            "This is the gradient by the probabilities, dlog_p / p; by the logits it is "
            "dlog_p − p Σ dlog_p.",
        ),
        *ROW_SUM,
        *FOR_P,
        *gradient("SMG-04", "The sign is wrong: the gradient is dlog_p − p Σ dlog_p."),
        *P,
    ],
    "categorical_log_prob": [
        Mistake(
            "SMX-11",
            "log_p[:, actions] picks every row's action in every row, (N, N); pick one for each "
            "row: log_p[np.arange(N), actions].",
            switch="ACT-03",
        ),
        *ACTIONS,
        Mistake(
            "ACT-04",
            "The indices are exchanged, log_p[actions, np.arange(N)]; the row comes first, then "
            "the action.",
        ),
        Mistake(
            "ACT-05",
            "All log-probabilities are taken from the first row; each action has its own row: "
            "log_p[np.arange(N), actions].",
        ),
        Mistake(
            "ACT-06",
            "log_p[actions] picks whole rows, (N, A); pick one entry of each row: "
            "log_p[np.arange(N), actions].",
        ),
        Mistake("ACT-07", "The likeliest action's log-probability is taken, not the given one's."),
        Mistake("ACT-08", "The log-probabilities of all actions are summed; pick the given one's."),
        Mistake("ACT-09", "The log-probabilities of all actions are returned; pick the given one."),
        *sums(
            "the log-probability",
            "LGP",
            unsummed="SMX-41",
            mean="SMX-42",
            axis="SMX-43",
            total="SMX-09",
            average="SMX-44",
            all="SMX-42b",
            kept="SMX-45",
        ),
        *LOG_SOFTMAX,
    ],
    "categorical_log_prob_backward": [
        Mistake(
            "SMX-11",
            "dlogits[:, actions] changes every row's action in every row; change one in each row: "
            "dlogits[np.arange(N), actions].",
            switch="ACT-03",
        ),
        *ACTIONS,
        Mistake(
            "ACT-10",
            "The probabilities are not subtracted; every logit has a gradient: "
            "dlog_prob ([a = action] − p_a).",
        ),
        Mistake("ACT-11", "The 1 at the action taken is missing: dlog_prob ([a = action] − p_a)."),
        *ways(
            "ACT-12",
            "dlog_prob multiplies one part of the difference only; it multiplies both: "
            "dlog_prob ([a = action] − p_a).",
            "ACT-12",
            "ACT-12b",
        ),
        Mistake(
            "ACT-13",
            "This is the gradient by the probability, 1/p; by the logits it is "
            "dlog_prob ([a = action] − p_a).",
        ),
        Mistake(
            "ACT-14",
            "Only the logit of the action taken has a gradient; the others have −dlog_prob p_a.",
        ),
        Mistake(
            "ACT-15",
            "This is the gradient of the probability, not of its logarithm; leave out the factor "
            "p of the action.",
        ),
        Mistake("ACT-16", "The probabilities are added; subtract them: [a = action] − p_a."),
        Mistake("ACT-20", "There is a factor p_a too many: dlog_prob ([a = action] − p_a)."),
        Mistake(
            "ACT-21",
            "This is p_a (1 − p_a), whatever the action; the gradient is "
            "dlog_prob ([a = action] − p_a).",
        ),
        Mistake(
            "ACT-23",
            "1/A is subtracted, as if all actions were equally likely; subtract p_a.",
        ),
        *sums("the log-probability", "LGP", mean="SMX-42"),
        *upstream_mistakes("dlog_prob", "SMG-11"),
        *FOR_P,
        *gradient(
            "SMG-09",
            "The sign is wrong, p − one-hot is the gradient of −log π; that of log π is "
            "one-hot − p.",
        ),
        *P,
    ],
    "categorical_entropy": [
        Mistake(
            "ENT-01",
            "The sign is wrong, this is Σ p log p; the entropy −Σ p log p is never negative.",
        ),
        *ways(
            "ENT-02",
            "The logarithm has base 2 or 10; here the entropy is in nats, by np.log.",
            "SMX-10b",
            "SMX-10",
        ),
        Mistake("ENT-05", "The weights p are missing: the entropy is −Σ p log p."),
        *ways(
            "ENT-06",
            "This is the entropy of the batch's mean probabilities; each row has its own entropy.",
            "ENT-06",
            "ENT-06b",
        ),
        Mistake(
            "ENT-13",
            "p is multiplied by the logits; multiply by log p, the log-softmax of the logits.",
        ),
        Mistake(
            "ENT-14",
            "Each action is taken for a coin of its own, −p log p − (1 − p) log(1 − p); the "
            "entropy is −Σ p log p.",
        ),
        Mistake("ENT-15", "This is the perplexity, the exp of the entropy; leave out the exp."),
        Mistake(
            "ENT-16",
            "The entropy is divided by its largest value, log A, which is right for a normalised "
            "entropy; here it is in nats.",
            convention=True,
        ),
        Mistake("ENT-17", "This is 1 − Σ p², the Gini impurity; the entropy is −Σ p log p."),
        Mistake("ENT-19", "This is log A less the entropy; the entropy is −Σ p log p."),
        *sums(
            "the entropy",
            "ENT",
            unsummed="ENT-11",
            mean="ENT-04",
            axis="ENT-08",
            total="ENT-03",
            average="ENT-10",
            all="ENT-12",
            kept="GAU-13",
        ),
        UNDERFLOW,
        Mistake("SMX-30", "The logarithm is missing: the entropy is −Σ p log p."),
        Mistake("SMX-21", "log p stands where the weights p belong: the exp is missing."),
        *SOFTMAX,
        LAST_ROW,
        LAST_ACTION,
    ],
    "categorical_entropy_backward": [
        *ways(
            "ENG-01",
            "This is the gradient by the probabilities, −(log p + 1) or −log p; by the logits it "
            "is −p (log p + H).",
            "ENG-01",
            "ENG-14",
        ),
        Mistake(
            "ENG-02", "The softmax's Jacobian is left out: −p (log p + 1) should be −p (log p + H)."
        ),
        Mistake("ENG-04", "The entropy is missing in the gradient: −p (log p + H)."),
        Mistake(
            "ENG-06",
            "The mean entropy of the batch is used; each row has its own H: −p (log p + H).",
        ),
        *ways(
            "ENG-07",
            "Only the diagonal p (1 − p) of the softmax's Jacobian is used; with all of it the "
            "gradient is −p (log p + H).",
            "ENG-07",
            "ENG-07b",
        ),
        Mistake("ENG-09", "The factor p is missing: −p (log p + H)."),
        *ways(
            "ENG-10",
            "The entropy is subtracted, or the sum in the softmax's Jacobian added; the gradient "
            "is −p (log p + H).",
            "ENG-10",
            "ENG-16",
        ),
        Mistake("ENG-11", "There is a 1 too many: −p (log p + H)."),
        Mistake(
            "ENG-12",
            "The entropies, (N,), meet the columns: an error, or with as many rows as actions a "
            "silent mistake; write entropy[:, None].",
        ),
        Mistake("ENG-13", "The logits stand where log p belongs: −p (log p + H)."),
        Mistake("ENG-15", "log p is missing: −p (log p + H)."),
        *ways(
            "ENG-18",
            "The sum in the softmax's Jacobian is not weighted with p: p (dp − Σ p·dp).",
            "ENG-18",
            "ENG-18b",
        ),
        Mistake(
            "ENG-19",
            "The plain mean of log p is subtracted; its mean weighted with p belongs there, which "
            "is −H.",
        ),
        *ways(
            "ENG-20",
            "The sum in the softmax's Jacobian runs down the batch (axis 0); it runs over the "
            "actions of each row (axis 1).",
            "ENG-20",
            "ENG-20b",
        ),
        *ways(
            "ENG-21",
            "The Jacobian of log_softmax is applied to the gradient by the probabilities; that of "
            "softmax belongs there.",
            "ENG-21",
            "ENG-21b",
        ),
        *ways(
            "ENT-02",
            "The logarithm has base 2 or 10; here the entropy is in nats, by np.log.",
            "SMX-10b",
            "SMX-10",
        ),
        *sums("the entropy", "ENT", mean="ENT-04"),
        UNDERFLOW,
        *upstream_mistakes("dentropy", "ENG-08"),
        *gradient(
            "ENG-03", "The sign is wrong, this is the gradient of −H; that of H is −p (log p + H)."
        ),
        *P,
    ],
    "categorical_kl": [
        Mistake(
            "KL-11",
            "The roles are exchanged, this is KL(new ‖ old); asked for is "
            "KL(old ‖ new) = Σ p_old (log p_old − log p_new).",
        ),
        Mistake(
            "KL-12",
            "This is the cross entropy −Σ p_old log p_new; the old policy's entropy is still to "
            "be subtracted: Σ p_old (log p_old − log p_new).",
        ),
        Mistake("KL-13", "The sign is wrong: a divergence is never negative."),
        Mistake(
            "KL-21",
            "The terms are weighted with the new probabilities; the weights are the old ones: "
            "Σ p_old (log p_old − log p_new).",
        ),
        Mistake("KL-22", "The weights are missing: Σ p_old (log p_old − log p_new)."),
        *ways(
            "KL-25",
            "This is the mean or the sum of both directions; asked for is KL(old ‖ new) alone.",
            "KL-25",
            "KL-25b",
        ),
        Mistake("KL-26", "The absolute value of log p_old − log p_new is taken; keep the sign."),
        *ways(
            "KL-27",
            "The difference log p_old − log p_new is squared, which is near the divergence only "
            "for small differences and with a ½; sum it as it is.",
            "KL-27",
            "KL-27b",
        ),
        Mistake(
            "KL-28",
            "The difference of the logits is taken; take that of log p_old and log p_new, their "
            "log-softmaxes.",
        ),
        Mistake("KL-29", "The logarithms are missing: Σ p_old (log p_old − log p_new)."),
        Mistake("KL-30", "The ratio p_old / p_new stands where its logarithm belongs."),
        Mistake(
            "KL-32",
            "This compares both policies with their mean (Jensen-Shannon); asked for is "
            "KL(old ‖ new) = Σ p_old (log p_old − log p_new).",
        ),
        Mistake("KL-35", "The logarithms are added; subtract that of the new probability."),
        Mistake("KL-36", "This is ½ Σ |p_old − p_new|; right is Σ p_old (log p_old − log p_new)."),
        Mistake("KL-37", "log p_old is missing: Σ p_old (log p_old − log p_new)."),
        Mistake("KL-38", "log p_new is missing: Σ p_old (log p_old − log p_new)."),
        Mistake(
            "KL-39",
            "Each logarithm is weighted with its own policy's probabilities; both are weighted "
            "with the old one's.",
        ),
        Mistake("KL-40", "This is Σ (p_old − p_new)²; right is Σ p_old (log p_old − log p_new)."),
        *sums(
            "the divergence",
            "KL",
            unsummed="KL-23",
            mean="KL-24",
            axis="KL-41",
            total="KL-42",
            average="KL-43",
            all="KL-44",
            kept="GAU-13",
        ),
        UNDERFLOW,
        *ways(
            "SMX-05",
            "A small number is added to p_new before the logarithm, which is wrong where the new "
            "policy makes an action rare; log p is z − log Σ exp(z).",
            *NEW_ONLY,
        ),
        *EPSILON,
        *LOG_BASE,
        *SOFTMAX,
        LAST_ROW,
        LAST_ACTION,
    ],
    "categorical_kl_backward": [
        Mistake(
            "KL-11",
            "This is the gradient of KL(new ‖ old); that of KL(old ‖ new) is dkl (p − p_old).",
        ),
        Mistake("KL-25", "This is the gradient of both directions' mean, not of KL(old ‖ new)."),
        Mistake(
            "KL-34",
            "This is the gradient by the old policy's logits, but the old policy is data; by the "
            "new one's it is dkl (p − p_old).",
        ),
        Mistake("KL-45", "The new probabilities are missing: dkl (p − p_old)."),
        Mistake("KL-46", "The old probabilities are not subtracted: dkl (p − p_old)."),
        Mistake(
            "KL-47",
            "This is the gradient by the new probabilities, −p_old / p; by the logits it is "
            "dkl (p − p_old).",
        ),
        Mistake("KL-48", "This is log p − log p_old; the gradient is dkl (p − p_old)."),
        Mistake(
            "KL-49",
            "Only the diagonal of the Jacobian is used; with all of it the gradient is "
            "dkl (p − p_old).",
        ),
        Mistake(
            "KL-50",
            "The softmax's Jacobian is applied to the gradient by log p; that of log_softmax "
            "belongs there and gives dkl (p − p_old).",
        ),
        Mistake("KL-51", "There is a factor p too many: dkl (p − p_old)."),
        Mistake("KL-52", "There is a factor p_old too many: dkl (p − p_old)."),
        Mistake("KL-53", "The difference of the logits is taken; take that of p and p_old."),
        Mistake("KL-54", "These are the terms of the divergence; its gradient is dkl (p − p_old)."),
        Mistake(
            "KL-56",
            "The terms are differentiated by the old policy, which is data; by the new policy's "
            "logits the gradient is dkl (p − p_old).",
        ),
        Mistake("KL-57", "The old probabilities are added; subtract them: dkl (p − p_old)."),
        *sums("the divergence", "KL", mean="KL-24"),
        *upstream_mistakes("dkl", "KL-15"),
        *gradient("KL-14", "The sign is wrong: the gradient is dkl (p − p_old), new less old."),
        *P,
    ],
    "categorical_sample": [
        Mistake("SMP-01", "This is always the likeliest action; draw one with the given u."),
        Mistake(
            "SMP-02",
            "Where rounding leaves the last cumulative probability below u, this counts past the "
            "last action; compare with u · cdf[:, -1:].",
        ),
        Mistake(
            "SMP-03",
            "The cumulative probability must exceed u, not merely reach it: at u = 0 this draws "
            "an action of probability 0 (searchsorted needs side='right').",
        ),
        Mistake("SMP-04", "One u serves the whole batch; each row has its own."),
        Mistake(
            "SMP-08",
            "Where rounding leaves the last cumulative probability below u, this draws the last "
            "action, even one of probability 0; compare with u · cdf[:, -1:].",
        ),
        Mistake(
            "SMP-09",
            "Where rounding leaves the last cumulative probability below u, none exceeds it and "
            "argmax gives action 0; compare with u · cdf[:, -1:].",
        ),
        *ways(
            "SMP-10",
            "The actions are gone through from the last to the first; cumulate from action 0 on "
            "and compare with u, not 1 − u.",
            "SMP-10",
            "SMP-10b",
        ),
        *ways(
            "SMP-11",
            "The action is one too high: they count from 0, and the first is drawn whose "
            "cumulative probability, its own included, exceeds u.",
            "SMP-11",
            "SMP-11b",
            "SMP-11c",
        ),
        *ways(
            "SMP-12",
            "The action is one too low: draw the first whose cumulative probability exceeds u, "
            "not the last that does not.",
            "SMP-12",
            "SMP-12b",
        ),
        Mistake(
            "SMP-13", "u is compared with the probabilities; compare with their cumulative sum."
        ),
        *ways(
            "SMP-14",
            "The probabilities are cumulated over the whole batch; cumulate over the actions of "
            "each row: cumsum(axis=1).",
            "SMP-14",
            "SMP-14b",
        ),
        Mistake(
            "SMP-15",
            "The probabilities are cumulated down the batch (axis 0); cumulate over the actions "
            "of each row: cumsum(axis=1).",
        ),
        Mistake("SMP-16", "The logits are cumulated; cumulate the probabilities, their softmax."),
        Mistake("SMP-19", "The actions are one-hot, (N, A); return their numbers, (N,)."),
        Mistake(
            "SMP-21",
            "This counts the actions whose cumulative probability exceeds u; asked for is the "
            "number of the first such.",
        ),
        Mistake("SMP-22", "This is always action 0; look at the comparison with u."),
        Mistake(
            "SMP-23",
            "The action whose cumulative probability is nearest to u is drawn; draw the first "
            "that exceeds u.",
        ),
        *ways(
            "SMP-25",
            "The probabilities are sorted, so that the result is a rank; leave them in the order "
            "of the actions.",
            "SMP-25",
            "SMP-25b",
        ),
        Mistake("SMP-26", "The actions have shape (N, 1), expected (N,)."),
        Mistake("SMP-27", "All actions are drawn alike, whatever their probability."),
        Mistake(
            "SMP-29",
            "u is compared along the actions: an error, or with as many rows as actions a silent "
            "mistake; write u[:, None].",
        ),
        *SOFTMAX,
        *BASE,
        LAST_ROW,
    ],
    "categorical_fisher": [
        *jacobian("v", "p (v − Σ p·v)"),
        Mistake(
            "FSH-01",
            "Only the diagonal part p v is there; p Σ p·v is to be subtracted from it.",
            switch="SMG-13",
        ),
        Mistake("FSH-02", "The batch's mean probabilities are used; each row has its own."),
        Mistake("FSH-03", "v is divided by p; the Fisher information times v is p (v − Σ p·v)."),
        Mistake("FSH-04", "The matrix is applied twice; once is enough: p (v − Σ p·v)."),
        *ROW_SUM,
        *FOR_P,
        *gradient("SMG-04", "The sign is wrong: the product is p (v − Σ p·v)."),
        *P,
    ],
}
