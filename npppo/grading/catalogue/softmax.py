"""Known mistakes in the softmax: p are its probabilities, log p their logarithms."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy as np

from ..exercise import RIGHT, Array, Mistake, Switches, ways
from .rows import LAST_ACTION, LAST_ROW, UNFILLED, without_last

# log(p + ε) and log(max(p, ε)) by the ε of those who do not trust log p
ADDED = {
    f"SMX-05+{eps:.2g}": eps
    for eps in [
        *[1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15, 1e-16, 1e-20, 1e-30, 1e-300],
        *[float(np.finfo(np.float64).eps), float(np.finfo(np.float64).tiny)],
    ]
}
RAISED = {name.replace("+", ">"): eps for name, eps in ADDED.items()}
# What is added to the sum of the exponentials
TO_SUM = {f"SMX-52+{eps:.0e}": eps for eps in [1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12]}
EXTRA = {f"SMX-40+{eps:.0e}": eps for eps in [1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12]}
# What the logits are kept above after the maximum is subtracted, or kept within before
ABOVE = {f"SMX-46>{bound}": bound for bound in [-10, -20, -30, -50, -100, -500]}
WITHIN = {f"SMX-47<{bound}": bound for bound in [10, 20, 30, 50, 100, 500, 700]}


# Probabilities


def entering(on: Switches, logits: Array) -> Array:
    """The logits as they enter the exponential."""
    if "SMX-06" in on:
        logits = softmax(on - {"SMX-06"} - UNFILLED, logits)
    for switch in on & WITHIN.keys():
        logits = np.clip(logits, -WITHIN[switch], WITHIN[switch])
    return -logits if "SMX-24" in on else logits


def subtracted(on: Switches, z: Array) -> Any:
    """What is subtracted from the logits."""
    if on & {"SMX-01", "SMX-01b", "SMX-01c"}:
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


@np.errstate(over="ignore")
def shifted(on: Switches, z: Array, maximum: Any) -> Array:
    z = np.maximum(z - maximum, np.finfo(z.dtype).min)  # not −inf where the difference overflows
    for switch in on & ABOVE.keys():
        z = np.maximum(z, ABOVE[switch])
    return z


def power(on: Switches, z: Array) -> Array:
    if "SMX-23" in on:
        return np.exp2(z)
    return 10.0**z if "SMX-23b" in on else np.exp(z)


def total(on: Switches, e: Array) -> Any:
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
    if "SMX-49" in on:
        return 1 + e.sum(axis=1, keepdims=True)
    if "SMX-50" in on:
        return e.sum(axis=1, keepdims=True).cumsum(axis=0)
    if "SMX-51" in on:
        return e[:, :-1].sum(axis=1, keepdims=True)
    if "SMX-51b" in on:
        return e[:, 1:].sum(axis=1, keepdims=True)
    return e.sum(axis=1, keepdims=True) + sum(TO_SUM[switch] for switch in on & TO_SUM.keys())


def softmax(on: Switches, logits: Array) -> Array:
    if "SMX-21" in on:
        return log_softmax(RIGHT, logits)
    z = entering(on, logits)  # (N, A)
    if "SMX-22" in on:
        return 1 / (1 + np.exp(-z))
    if "SMX-07" in on:
        sums: Array = z.sum(axis=1, keepdims=True)  # (N, 1)
        return z / sums
    if "SMX-20b" in on:
        return power(on, z)
    e = power(on, shifted(on, z, subtracted(on, z)))  # (N, A)
    above, below = e, e  # the fraction bar
    if "SMX-48" in on:
        below = power(on, z)
    if "SMX-48b" in on:
        above = power(on, z)
    p = without_last(on, e if "SMX-20" in on else above / total(on, below))  # (N, A)
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
    if on & {"SMX-12", "SMX-01c"}:
        return np.log(softmax(on, logits))
    unshifted = entering(on, logits)  # (N, A)
    if "SMX-20b" in on:
        return unshifted
    maximum: Array = subtracted(on, unshifted)
    z = shifted(on, unshifted, maximum)  # (N, A)
    if "SMX-20" in on:
        return z
    weights: Array = total(on, power(on, z))
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


def row_sum(on: Switches, x: Array) -> Any:
    """Sum over the actions, to be subtracted in each column."""
    if "SMG-06" in on:
        return x.sum(axis=0)
    if "SMG-10" in on:
        return x.sum(axis=1)  # (N,)
    if "SMG-17" in on:
        return x.mean(axis=1, keepdims=True)
    if "SMG-19" in on:
        return x.sum(keepdims=True)
    if "SMG-30" in on:
        return x.sum(axis=1, keepdims=True).cumsum(axis=0)
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


def times_jacobian(on: Switches, g: Array, p: Array) -> Any:
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
    if "SMG-31" in on:
        return p * (g - 1)
    if "SMG-32" in on:
        return p * (1 - p) * g + p * (row_sum(on, g * p) - g * p)
    if "SMG-33" in on:
        return p * (g - g.mean(axis=1, keepdims=True))
    return p * (g - row_sum(on, g * p))


def times_log_jacobian(on: Switches, g: Array, p: Array) -> Any:
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
    for switch, forward in KEPT_BASE.items():
        if switch in on:
            return np.exp(log_softmax(frozenset([forward]), logits))
    if on & KEPT_LOG:
        return np.exp(log_softmax(on & KEPT_LOG, logits))
    return probabilities(on, logits)


# Mistakes of the forward that show in the exp of the log p it keeps; those in its base also in p
KEPT_LOG = frozenset(
    [
        *["SMX-08", "SMX-10", "SMX-10b", "SMX-10c", "SMX-10d"],
        *["SMX-29", "SMX-29b", "SMX-30", "SMX-31"],
    ]
)
KEPT_BASE = {"SMX-23 kept": "SMX-23", "SMX-23b kept": "SMX-23b"}


def softmax_backward(on: Switches, dp: Array, logits: Array) -> Array:
    return finished(on, times_jacobian(on, dp, in_place_of_p(on, logits)))


def log_softmax_backward(on: Switches, dlog_p: Array, logits: Array) -> Array:
    return finished(on, times_log_jacobian(on, dlog_p, in_place_of_p(on, logits)))


VARIANTS = {
    "softmax": softmax,
    "softmax_backward": softmax_backward,
    "log_softmax": log_softmax,
    "log_softmax_backward": log_softmax_backward,
}


# Sentences

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
    Mistake("SMX-49", "The sum of the exponentials starts at 1; it starts at 0."),
    Mistake(
        "SMX-50",
        "The sum of the exponentials runs on from row to row; set it back to 0 at each.",
    ),
    Mistake("SMX-51", "The last action is left out of the sum of the exponentials."),
    Mistake(
        "SMX-51",
        "The first action is left out of the sum of the exponentials.",
        switch="SMX-51b",
    ),
]
BASE = ways(
    "SMX-23",
    "The softmax is built on powers of 2 or 10; it is built on exp, the powers of e.",
    "SMX-23",
    "SMX-23b",
)
BOUNDED = [
    *ways(
        "SMX-46",
        "The logits less their maximum are bounded from below, which makes rare actions too "
        "likely; take exp of them as they are, it may be 0.",
        *ABOVE,
    ),
    *ways(
        "SMX-47",
        "The logits are clipped to a range before the exponential; only their differences count, "
        "so subtract the row's largest instead.",
        *WITHIN,
    ),
]
UNEVEN = ways(
    "SMX-48",
    "The maximum is subtracted in the numerator or in the sum alone; both are exp(z − max).",
    "SMX-48",
    "SMX-48b",
)
SOFTMAX = [
    *MAXIMUM,
    *WRONG_AXIS,
    *WRONG_INPUT,
    *NORMALISER,
    *[m for m in BOUNDED if m.switch in {"SMX-46>-10", "SMX-47<10", "SMX-47<50"}],
]
FINER = [m for m in BOUNDED if m not in SOFTMAX]  # to be seen of rare actions or in logarithms
VISIBLE = {"SMX-46>-20", "SMX-46>-30", "SMX-46>-50", "SMX-47<20", "SMX-47<30"}  # without them

ADDED_TO_SUM = ways(
    "SMX-52",
    "Something small is added to the sum of the exponentials; the sum is 1 or more once the row's "
    "largest logit is subtracted, so leave it as it is.",
    *TO_SUM,
)
OVERFLOW = (
    "Logits of ±1e308 lie further apart than a float can say: z − max is −inf, and 0 · −inf is "
    "nan. A term with p = 0 counts 0; put it there, or keep z − max finite."
)
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
NO_MAXIMUM = Mistake(
    "SMX-01",
    "No maximum is subtracted before the exponential, and the logarithm is taken of p, so large "
    "logits overflow and rare actions give −∞; log p is (z − max) − log Σ exp(z − max).",
    switch="SMX-01c",
)
LOG_SOFTMAX = [
    *SOFTMAX,
    *FINER,
    *ADDED_TO_SUM,
    NO_MAXIMUM,
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


def kept(what: str, mistakes: list[Mistake], switches: Collection[str]) -> list[Mistake]:
    """Those mistakes of the forward, in the words of a backward that trusts what it has kept."""
    return [
        replace(m, sentence=f"The {what} that is kept is wrong. {m.sentence}")
        for m in mistakes
        if m.switch in switches
    ]


KEPT_LOGARITHMS = [
    *kept("log p", LOG_SOFTMAX, KEPT_LOG),
    *kept("p", BASE, {"SMX-23", "SMX-23b"}),
    *[
        replace(m, sentence=f"The log p that is kept is wrong. {m.sentence}", switch=switch)
        for switch, forward in KEPT_BASE.items()
        for m in BASE
        if m.switch == forward
    ],
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
    Mistake(
        "SMG-30",
        "The sum in the gradient runs on from row to row; set it back to 0 at each.",
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
        Mistake("SMG-31", f"1 is subtracted, the sum of p alone; right is {right}."),
        Mistake(
            "SMG-32",
            "Off the diagonal the softmax's Jacobian has the wrong sign: it is −pᵢ pⱼ there, so "
            f"that the whole gives {right}.",
        ),
        Mistake("SMG-33", f"The plain mean of {g} is subtracted; weight it with p: {right}."),
    ]


DIVIDED_LOGITS = Mistake(
    "SMX-07",
    "The logits are divided by their sum; take their exponentials first: p = exp(z) / Σ exp(z).",
)
ADDED_TO_P = ways(
    "SMX-40",
    "Something small is added to every probability; they no longer sum to 1, and rare actions "
    "become far too likely.",
    *EXTRA,
)

MISTAKES = {
    "softmax": [
        *SOFTMAX,
        *[m for m in FINER if m.switch in VISIBLE],
        *UNEVEN,
        *BASE,
        DIVIDED_LOGITS,
        Mistake("SMX-21", "These are log-probabilities: the exp is missing."),
        *ADDED_TO_P,
        *ADDED_TO_SUM,
        LAST_ROW,
        LAST_ACTION,
    ],
    "softmax_backward": [
        *jacobian("dp", "p (dp − Σ p·dp)"),
        Mistake("SMG-13", "The second part, −p Σ p·dp, is missing: right is p (dp − Σ p·dp)."),
        *ROW_SUM,
        *[replace(m, id="SMX-21") if m.switch == "SMG-20b" else m for m in FOR_P],
        *gradient("SMG-04", "The sign is wrong: the gradient is p (dp − Σ p·dp)."),
        *SOFTMAX,
        *UNEVEN,
        *kept("p", [DIVIDED_LOGITS, *ADDED_TO_P], {"SMX-07", "SMX-40+1e-04", "SMX-40+1e-05"}),
        *kept("p", BASE, {"SMX-23", "SMX-23b"}),
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
        *SOFTMAX,
        *KEPT_LOGARITHMS,
    ],
}
