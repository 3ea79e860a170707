"""Known mistakes in the softmax policy: log-probability, entropy and divergence of each row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ..exercise import RIGHT, Array, Mistake, Switches, ways
from .rows import LAST_ACTION, LAST_ROW, UNFILLED, summed, sums
from .softmax import (
    EPSILON,
    FINER,
    FOR_P,
    KEPT_LOGARITHMS,
    LOG_BASE,
    LOG_SOFTMAX,
    NO_MAXIMUM,
    OVERFLOW,
    SOFTMAX,
    UNDERFLOW,
    finished,
    gradient,
    in_place_of_p,
    kept,
    log_softmax,
    probabilities,
    softmax,
    times_jacobian,
)

# log(p_new + ε) in the divergence, beside log p_old as it is
NEW_ONLY = {f"KL-62+{eps:.0e}": eps for eps in [1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-20]}


def one_hot(actions: Array, A: int) -> Array:
    return np.eye(A)[actions]  # (N, A)


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


# Log-probability


def chosen(on: Switches, actions: Array) -> Array:
    """The actions as indices."""
    if "ACT-01" in on:
        return actions - 1
    if "ACT-02" in on:
        return np.full_like(actions, actions[0])
    return actions


def categorical_log_prob(on: Switches, logits: Array, actions: Array) -> Any:
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
    if "ACT-24" in on:
        return log_odds(log_p, actions)
    taken = one_hot(actions, log_p.shape[1])  # (N, A)
    if "ACT-27" in on:
        return (taken * beyond_range(log_p)).sum(axis=1)
    return summed(on, np.where(taken == 1, log_p, 0), "LGP")


def beyond_range(log_p: Array) -> Array:
    """As where z − max is left to overflow."""
    return np.where(log_p < np.finfo(log_p.dtype).min / 2, -np.inf, log_p)


def log_odds(log_p: Array, actions: Array) -> Array:
    """log p − log(1 − p) of the actions."""
    others = np.where(one_hot(actions, log_p.shape[1]) == 1, -np.inf, log_p)  # (N, A)
    rest = np.logaddexp.reduce(others, axis=1)  # (N,)
    odds: Array = log_p[np.arange(len(log_p)), actions] - rest
    return odds


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
    if on & {"ACT-03b", "ACT-03c", "ACT-03d"}:
        columns = taken[:1] * 0  # (1, A), what each row is given
        for n, a in enumerate(actions):
            columns[0, a] = np.ravel(g)[n] + ("ACT-03b" not in on) * columns[0, a]
        if "ACT-03c" in on:
            return finished(on, columns - g * p)
        return finished(on, columns - p * columns.sum())
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
        "ACT-25": lambda: g * np.where(taken == 1, 1 - p, p),
        "ACT-26": lambda: g * (taken - 1),
    }
    for switch, change in changes.items():
        if switch in on:
            return finished(on, change())
    return finished(on, g * (taken - p))


# Entropy


def categorical_entropy(on: Switches, logits: Array) -> Array:
    log_p = log_softmax(on, logits)  # (N, A)
    p = softmax(on, logits)  # (N, A)
    if "ENT-06" in on or "ENT-06b" in on:
        mean_p = p.mean(axis=0)  # (A,)
        H: Array = -(mean_p * np.log(mean_p)).sum()
        return np.full(len(p), H) if "ENT-06b" in on else np.asarray(H)
    if "ENT-05" in on:
        terms = -log_p
    elif "ENT-13" in on:
        terms = -p * logits
    elif "ENT-14" in on:
        terms = -p * log_p - (1 - p) * np.log(np.maximum(1 - p, 1e-300))
    elif "ENT-17" in on:
        terms = p * (1 - p)
    elif "ENT-20" in on:
        terms = -p * (logits - logits.max(axis=1, keepdims=True))
    elif "ENT-25" in on:
        terms = -(1 - p) * log_p
    elif "ENT-26" in on:
        terms = -p * beyond_range(log_p)
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
    largest = logits.max(axis=1)  # (N,)
    mean_logit = (p * logits).sum(axis=1)  # (N,)
    if "ENT-21" in on:
        H = H + 2 * mean_logit
    if "ENT-21b" in on:
        H = H + 2 * (mean_logit - largest)
    if "ENT-22" in on:
        H = H - largest
    if "ENT-22b" in on:
        H = H + largest
    if "ENT-23" in on:
        H = -log_p.max(axis=1)
    if "ENT-24" in on:
        H = -np.log((p * p).sum(axis=1))
    return H


# Mistakes of the forward that show where it keeps the entropy, by their names in the backward
KEPT_ENTROPY = {
    switch.removesuffix(" kept"): switch
    for switch in [
        *["ENT-13", "ENT-14", "ENT-15", "ENT-16", "ENT-17", "ENT-19", "ENT-20", "ENT-22"],
        *["ENT-22b", "ENT-23", "ENT-24", "ENT-25", "ENT-total", "ENT-all", "ENT-mean kept"],
        *["ROW-01 kept", "COL-01 kept"],
    ]
}


def kept_entropy(switch: str, logits: Array) -> Array:
    H = np.asarray(categorical_entropy(frozenset([switch]), logits))
    return np.broadcast_to(H.reshape(-1, 1), (len(logits), 1))


def categorical_entropy_backward(on: Switches, dentropy: Array, logits: Array) -> Array:
    p = probabilities(on, logits)  # (N, A)
    log_p = log_softmax(on - UNFILLED, logits)  # (N, A)
    H = -(p * log_p).sum(axis=1, keepdims=True)  # (N, 1)
    g = upstream(on, dentropy)  # (N, 1)
    if "ENT-mean" in on:
        g = g / p.shape[1]
    if "ENG-06" in on:
        H = np.full_like(H, H.mean())
    for forward, switch in KEPT_ENTROPY.items():
        if switch in on:
            H = kept_entropy(forward, logits)
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
        "ENG-22": lambda: -g * p * p * (log_p + H),
        "ENG-23": lambda: -g * p * (log_p + H * p),
        "ENG-24": lambda: -g * (p * log_p + H),
    }
    for switch, change in changes.items():
        if switch in on:
            return finished(on, change())
    return finished(on, -g * p * (log_p + H))


# Divergence


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
        "KL-108": lambda: old_p * old_log_p - log_p,
        "KL-108b": lambda: old_log_p - old_p * log_p,
        "KL-110": lambda: old_p * (beyond_range(old_log_p) - beyond_range(log_p)),
    }
    terms = old_p * log_ratio  # (N, A)
    for switch, change in changes.items():
        if switch in on:
            terms = change()
    kl = summed(on, terms, "KL")
    return -kl if "KL-13" in on else kl


def categorical_kl_backward(on: Switches, dkl: Array, old_logits: Array, logits: Array) -> Array:
    p, old_p = in_place_of_p(on, logits), in_place_of_p(on, old_logits)  # (N, A)
    log_p, old_log_p = log_softmax(on - UNFILLED, logits), log_softmax(on - UNFILLED, old_logits)
    log_ratio = old_log_p - log_p  # (N, A)
    g = upstream(on, dkl)  # (N, 1)
    if "KL-mean" in on:
        g = g / p.shape[1]

    def of_the_other() -> Any:
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
        "KL-109": lambda: g * p - old_p,
        "KL-109b": lambda: p - g * old_p,
        "KL-97": lambda: g * (p - old_p) / p,
    }
    for switch, change in changes.items():
        if switch in on:
            return finished(on, change())
    return finished(on, g * (p - old_p))


VARIANTS = {
    "categorical_log_prob": categorical_log_prob,
    "categorical_log_prob_backward": categorical_log_prob_backward,
    "categorical_entropy": categorical_entropy,
    "categorical_entropy_backward": categorical_entropy_backward,
    "categorical_kl": categorical_kl,
    "categorical_kl_backward": categorical_kl_backward,
}


# Sentences


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


ACTIONS = [
    Mistake("ACT-01", "The actions are shifted by one: they count from 0, not from 1."),
    Mistake("ACT-02", "The first row's action is used in all rows; each row has its own."),
]

OF_LOG_SUM = {"SMX-10c", "SMX-10d", "SMX-29", "SMX-29b", "SMX-31"}

OF_ENTROPY = [
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
    Mistake(
        "ENT-20",
        "log Σ exp(z) is missing in log p: p is multiplied by the logits less their maximum.",
    ),
    *ways(
        "SMX-29",
        "The maximum is subtracted in one place only: the entropy is log Σ exp(z) − Σ p z with "
        "the same z in both.",
        "ENT-22",
        "ENT-22b",
    ),
    Mistake("ENT-23", "Only the likeliest action counts, −log max p; the entropy is −Σ p log p."),
    Mistake("ENT-24", "This is −log Σ p²; the entropy is −Σ p log p."),
    Mistake("ENT-25", "The weights are 1 − p; they are p: −Σ p log p."),
    Mistake("ENT-26", OVERFLOW),
]
SUMS_OF_ENTROPY = sums(
    "the entropy",
    "ENT",
    unsummed="ENT-11",
    mean="ENT-04",
    axis="ENT-08",
    total="ENT-03",
    average="ENT-10",
    all="ENT-12",
    kept="GAU-13",
)


def kept_entropies() -> list[Mistake]:
    """Mistakes of the entropy, in the words of a backward that trusts the one it has kept."""
    return [
        replace(
            m,
            sentence=f"The entropy that is kept is wrong. {m.sentence}",
            switch=KEPT_ENTROPY[m.switch],
            convention=False,
        )
        for m in [*OF_ENTROPY, *SUMS_OF_ENTROPY, LAST_ROW, LAST_ACTION]
        if m.switch in KEPT_ENTROPY
    ]


MISTAKES = {
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
        Mistake(
            "ACT-27",
            "Logits of ±1e308 lie further apart than a float can say, and 0 · −inf is nan. Do not "
            "multiply with a one-hot vector; pick the entry: log_p[np.arange(N), actions].",
        ),
        Mistake(
            "ACT-24",
            "The action taken is left out of the sum of the exponentials, which gives "
            "log p − log(1 − p); sum over all actions.",
        ),
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
        *ways(
            "SMX-11",
            "The action's column is written in every row, dlogits[:, a]; change it in the row of "
            "that action alone: dlogits[n, a].",
            "ACT-03b",
            "ACT-03c",
            "ACT-03d",
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
        Mistake(
            "ACT-25",
            "The actions that were not taken have the wrong sign: their gradient is "
            "−dlog_prob p_a.",
        ),
        Mistake("ACT-26", "1 is subtracted for every action; subtract p_a: [a = action] − p_a."),
        *sums("the log-probability", "LGP", mean="SMX-42"),
        *upstream_mistakes("dlog_prob", "SMG-11"),
        *FOR_P,
        *gradient(
            "SMG-09",
            "The sign is wrong, p − one-hot is the gradient of −log π; that of log π is "
            "one-hot − p.",
        ),
        *SOFTMAX,
        *KEPT_LOGARITHMS,
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
        *ways(
            "ENT-21",
            "A sign is wrong: the entropy is log Σ exp(z) − Σ p z.",
            "ENT-21",
            "ENT-21b",
        ),
        *OF_ENTROPY,
        *SUMS_OF_ENTROPY,
        UNDERFLOW,
        NO_MAXIMUM,
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
        Mistake(
            "ENT-01",
            "The entropy is subtracted, or comes with the wrong sign; the gradient is "
            "−p (log p + H).",
            switch="ENG-10",
        ),
        Mistake(
            "ENG-10",
            "The sum in the softmax's Jacobian is added; the gradient is −p (log p + H).",
            switch="ENG-16",
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
        Mistake("ENG-22", "There is a factor p too many: −p (log p + H)."),
        Mistake("ENG-23", "H is multiplied by p twice, log p once: −p (log p + H)."),
        Mistake("ENG-24", "p multiplies log p alone, it belongs to H as well: −p (log p + H)."),
        *sums("the entropy", "ENT", mean="ENT-04"),
        *kept_entropies(),
        Mistake("SMX-30", "The logarithm is missing, p stands for log p: −p (log p + H)."),
        Mistake("SMX-21", "log p stands where the factor p belongs: the exp is missing."),
        UNDERFLOW,
        *upstream_mistakes("dentropy", "ENG-08"),
        *gradient(
            "ENG-03", "The sign is wrong, this is the gradient of −H; that of H is −p (log p + H)."
        ),
        *SOFTMAX,
    ],
    "categorical_kl": [
        Mistake("KL-110", OVERFLOW),
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
        *ways(
            "KL-108",
            "p_old weights one of the two logarithms only, parentheses are missing: "
            "Σ p_old (log p_old − log p_new).",
            "KL-108",
            "KL-108b",
        ),
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
        *FINER,
        NO_MAXIMUM,
        *[m for m in LOG_SOFTMAX if m.switch in OF_LOG_SUM],
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
        *ways(
            "KL-109",
            "dkl multiplies one part of the difference only; it multiplies both: dkl (p − p_old).",
            "KL-109",
            "KL-109b",
        ),
        Mistake("KL-97", "The difference is divided by p; it is dkl (p − p_old)."),
        *sums("the divergence", "KL", mean="KL-24"),
        *upstream_mistakes("dkl", "KL-15"),
        *gradient("KL-14", "The sign is wrong: the gradient is dkl (p − p_old), new less old."),
        *SOFTMAX,
        *kept("log p", LOG_SOFTMAX, OF_LOG_SUM | {"SMX-10", "SMX-10b"}),
    ],
}
