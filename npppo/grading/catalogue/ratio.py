"""Known mistakes in the importance ratio."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ..exercise import Array, Mistake, Switches, ways

# Bounds of the ratio or its logarithm, for safety
BOUNDS = {f"SUR-91<exp {bound}": np.exp(bound) for bound in [5, 10, 20]}
BOUNDS |= {f"SUR-91<{bound}": float(bound) for bound in [10, 100]}


def importance_ratio(on: Switches, log_prob: Array, old_log_prob: Array) -> Any:
    new, old = log_prob, old_log_prob
    if "SUR-19" in on:
        new = new[:, np.newaxis]
    if "SUR-19b" in on:
        old = old[:, np.newaxis]
    if "SUR-07" in on:
        new, old = old, new
    if "SUR-18" in on:
        old = new
    if "SUR-45" in on:
        old = 0 * old
    if "SUR-48" in on:
        old = -old
    if "SUR-66" in on:
        old = np.full_like(old, old[0])
    if "SUR-66b" in on:
        old = np.full_like(old, old.sum() / old.size)
    if "SUR-26" in on:
        return np.exp(new) / np.exp(old)
    if "SUR-46" in on:
        return new / old
    if "SUR-46b" in on:
        return np.exp(new / old)
    if "SUR-47" in on:
        return np.exp(new) - np.exp(old)
    log_ratio = new - old  # (N,)
    if "SUR-08" in on:
        return log_ratio
    if "SUR-50" in on:
        return np.exp(log_ratio.sum())
    if "SUR-51" in on:
        return np.exp(abs(log_ratio))
    ratio = np.exp(log_ratio)  # (N,)
    if "SUR-49" in on:
        ratio = 2**log_ratio
    if "SUR-49b" in on:
        ratio = 10**log_ratio
    if "SUR-52" in on:
        ratio = ratio - 1
    if "SUR-53" in on:
        ratio = 1 + log_ratio
    if "SUR-54" in on:
        return ratio.sum() / ratio.size
    if "SUR-67" in on:
        ratio = ratio / ratio.sum()
    if "SUR-67b" in on:
        ratio = ratio / (ratio.sum() / ratio.size)
    if "SUR-55" in on:
        return np.minimum(ratio, 1)
    if "SUR-56" in on:
        return np.minimum(np.maximum(ratio, 0.8), 1.2)
    for switch in on & BOUNDS.keys():
        lowest = 1 / BOUNDS[switch] if "exp" in switch else 0.0
        return np.minimum(np.maximum(ratio, lowest), BOUNDS[switch])
    return ratio


RATIO = [
    Mistake("SUR-07", "Your ratio is upside down: it is exp(log_prob − old_log_prob)."),
    Mistake("SUR-08", "exp is missing: log_prob − old_log_prob is the logarithm of the ratio."),
    Mistake(
        "SUR-18",
        "Your ratio is always 1: the old log-probability is the new one over again, where "
        "old_log_prob should be used as given.",
    ),
    Mistake(
        "SUR-19",
        "A column (N, 1) meets a row (N,), so that every sample is paired with every other; "
        "keep all arrays (N,).",
    ),
    Mistake(
        "SUR-19",
        "A row (N,) meets a column (N, 1), so that every sample is paired with every other; "
        "keep all arrays (N,).",
        switch="SUR-19b",
    ),
    Mistake(
        "SUR-26",
        "exp(log_prob) / exp(old_log_prob) is 0/0 for very unlikely actions; subtract the "
        "logarithms first, then take exp.",
    ),
    Mistake("SUR-45", "The old policy is left out: exp(log_prob) is a probability, not a ratio."),
    Mistake(
        "SUR-46",
        "The logarithms are divided by each other; the ratio of the probabilities is "
        "exp(log_prob − old_log_prob).",
    ),
    Mistake(
        "SUR-46",
        "exp is taken of a quotient of logarithms; it should be taken of their difference.",
        switch="SUR-46b",
    ),
    Mistake("SUR-47", "The probabilities are subtracted; they should be divided."),
    Mistake("SUR-48", "The logarithms are added; the old one should be subtracted."),
    Mistake("SUR-49", "The base of your power is 2; the log-probabilities are natural: use exp."),
    Mistake(
        "SUR-49",
        "The base of your power is 10; the log-probabilities are natural: use exp.",
        switch="SUR-49b",
    ),
    Mistake(
        "SUR-50",
        "The logarithms are summed over the batch before exp: each sample has a ratio of its own.",
    ),
    Mistake("SUR-51", "The absolute value of the difference is used: ratios below 1 are lost."),
    Mistake("SUR-52", "1 is subtracted: expm1 is the ratio minus 1, exp the ratio."),
    Mistake(
        "SUR-53",
        "1 + log ratio is only the ratio's approximation near 1; take exp(log ratio).",
    ),
    Mistake("SUR-54", "The ratio is averaged over the batch; each sample has its own."),
    Mistake(
        "SUR-55",
        "The ratio is cut off at 1, as acceptance probabilities are; here it may exceed 1.",
    ),
    Mistake(
        "SUR-56",
        "The ratio is clipped to 0.8 … 1.2 already where it is computed; the bare ratio is asked "
        "for here.",
    ),
    Mistake("SUR-66", "The first sample's old_log_prob is used for all; each has its own."),
    Mistake(
        "SUR-66",
        "The mean of old_log_prob is used for all samples; each has its own.",
        switch="SUR-66b",
    ),
    Mistake("SUR-67", "The ratios are divided by their sum; they are used as they are."),
    Mistake(
        "SUR-67",
        "The ratios are divided by their mean; they are used as they are.",
        switch="SUR-67b",
    ),
]


# Mistakes of a ratio that a right backward finds in its cache, by the switch for that
KEPT = {
    f"{switch} kept": switch
    for switch in [
        *["SUR-07", "SUR-08", "SUR-46", "SUR-46b", "SUR-47", "SUR-48", "SUR-49", "SUR-49b"],
        *["SUR-51", "SUR-53", "SUR-54", "SUR-55", "SUR-56", "SUR-66", "SUR-66b"],
    ]
}


def kept(mistakes: list[Mistake], besides: str = "") -> list[Mistake]:
    """Those mistakes, in the words of a backward that trusts the ratio it has kept."""
    return [
        replace(
            m,
            sentence=f"The ratio that is kept is wrong. {m.sentence}",
            switch=f"{m.switch} kept",
        )
        for m in mistakes
        if m.switch in KEPT.values() and m.switch not in besides.split()
    ]


def remembered(on: Switches) -> Switches:
    """With the mistakes themselves in place of those that are kept."""
    return on.union(KEPT[switch] for switch in on & KEPT.keys())


def slope_of_ratio(on: Switches, log_prob: Array, old_log_prob: Array) -> Any:
    """Derivative of the ratio with respect to log_prob, as it is for a mistaken ratio."""
    ratio = importance_ratio(remembered(on), log_prob, old_log_prob)
    if on & KEPT.keys():
        return ratio * np.ones_like(log_prob)
    if "SUR-07" in on:
        return -ratio
    if "SUR-08" in on or "SUR-18" in on:
        return np.ones_like(log_prob)
    if "SUR-46" in on:
        return 1 / old_log_prob
    if "SUR-49" in on:
        return np.log(2) * ratio
    return ratio


def importance_ratio_backward(
    on: Switches, dratio: Array, log_prob: Array, old_log_prob: Array
) -> Any:
    slope = slope_of_ratio(on, log_prob, old_log_prob)
    if "SGR-02" in on:
        slope = np.ones_like(log_prob)
    if "SGR-18" in on:
        slope = slope * slope
    if "SGR-28" in on:
        slope = np.exp(old_log_prob - log_prob)
    if "SGR-29" in on:
        slope = log_prob - old_log_prob
    if "SGR-31" in on:
        slope = np.exp(slope)
    if "SGR-30" in on:
        slope = log_prob
    if "SGR-33" in on:
        slope = slope * log_prob
    if "SGR-34" in on:
        slope = 1 / log_prob
    if "SGR-14" in on:
        dratio = np.ones_like(dratio)
    if "SGR-35" in on:
        dratio = dratio.sum()
    gradient = dratio * slope  # (N,)
    if "SGR-06" in on:
        gradient = -gradient
    if "SGR-32" in on:
        gradient = gradient / len(gradient)
    if "SGR-10" in on:
        gradient = 0 * gradient
    if "SGR-85" in on:
        return gradient.sum()
    if "SGR-87" in on:
        gradient[-1:] = 0
    if "SGR-88" in on:
        gradient[:1] = 0
    if "SGR-39" in on:
        gradient = np.full_like(gradient, gradient.sum() / gradient.size)
    if "SGR-41" in on:
        gradient = dratio + slope
    if "SGR-89" in on:
        return gradient[:, np.newaxis]
    return gradient


RATIO_BACKWARD = [
    Mistake(
        "SGR-02",
        "The factor ratio is left out: the derivative of exp(u) is exp(u), hence "
        "dlog_prob = dratio · ratio.",
    ),
    Mistake("SGR-06", "Your gradient has the wrong sign: dlog_prob = dratio · ratio."),
    Mistake(
        "SGR-10", "Your gradient is zero everywhere, as if the ratio did not depend on log_prob."
    ),
    Mistake("SGR-14", "dratio, the gradient that comes from above, is ignored: multiply by it."),
    Mistake("SGR-18", "The factor ratio is there twice; once is right."),
    Mistake(
        "SUR-07",
        "The ratio in your gradient is upside down: it is exp(log_prob − old_log_prob).",
        switch="SGR-28",
    ),
    Mistake(
        "SUR-07",
        "Your gradient is that of old over new, exp(old_log_prob − log_prob); the ratio is new "
        "over old.",
    ),
    Mistake(
        "SUR-08",
        "The factor is log ratio; the derivative of exp is exp again: the ratio itself.",
        switch="SGR-29",
    ),
    Mistake("SGR-31", "exp is taken of the ratio once more; the factor is the ratio itself."),
    Mistake(
        "SGR-32", "Your gradient is divided by N; the ratio is taken for each sample by itself."
    ),
    Mistake("SGR-30", "The factor is log_prob; it is the ratio."),
    Mistake("SGR-33", "There is a factor log_prob too many: dlog_prob = dratio · ratio."),
    Mistake("SGR-34", "The factor is 1 / log_prob, the derivative of a logarithm; it is ratio."),
    Mistake("SGR-35", "dratio is summed over the batch; each sample has its own."),
    Mistake(
        "SUR-45", "The factor is exp(log_prob), without the old policy; it is the ratio of both."
    ),
    Mistake("SUR-26", next(m for m in RATIO if m.id == "SUR-26").sentence),
    Mistake(
        "SUR-46",
        "Your gradient is that of log_prob / old_log_prob; the ratio of the probabilities is "
        "exp(log_prob − old_log_prob).",
    ),
    Mistake("SUR-49", "The factor has log 2 and powers of 2 in it; the ratio is a power of e."),
    Mistake(
        "SUR-52", "The factor is ratio − 1; the derivative of exp is exp again: the ratio itself."
    ),
    Mistake(
        "SGR-85", "Your gradient is summed to one number; it should have one entry per sample."
    ),
    Mistake("SGR-87", "Your gradient is never filled in for the last sample: it stays 0."),
    Mistake("SGR-88", "Your gradient is never filled in for the first sample: it stays 0."),
    Mistake("SGR-89", "Your gradient has the shape (N, 1); it should be (N,)."),
    Mistake("SGR-39", "Your gradient is averaged, so that all samples get the same."),
    Mistake("SGR-41", "The ratio is added to dratio; multiply: dlog_prob = dratio · ratio."),
    *kept(RATIO, "SUR-07 SUR-08"),
]

VARIANTS: dict[str, Callable[..., Any]] = {
    "importance_ratio": importance_ratio,
    "importance_ratio_backward": importance_ratio_backward,
}

MISTAKES: dict[str, list[Mistake]] = {
    "importance_ratio": [
        *RATIO,
        *ways(
            "SUR-91",
            "Large ratios are cut off to be safe. The ratio is exp(log_prob − old_log_prob), "
            "whatever its size; the surrogate's clip comes later.",
            *BOUNDS,
        ),
    ],
    "importance_ratio_backward": RATIO_BACKWARD,
}
