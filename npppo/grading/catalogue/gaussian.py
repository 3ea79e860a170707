"""Known mistakes in the Gaussian policy: σ is the standard deviation, z = (action − mean) / σ."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ..exercise import Array, Mistake, Switches, ways
from .rows import LAST_ROW, summed, sums, without_last

HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)
# σ² + ε and σ + ε by the ε of those who fear to divide by 0
TO_VARIANCE = {
    f"GAU-14+{eps:.0e}": eps for eps in [1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-16, 1e-20]
}
TO_STD = {name.replace("+", "s+"): eps for name, eps in TO_VARIANCE.items() if eps > 1e-13}
# Limits of log σ, as for policies whose network returns it
LIMITS = {"GAU-15": (-20, 2), "GAU-15b": (-5, 2), "GAU-15c": (-20, 20), "GAU-15d": (-10, 2)}


def understood(on: Switches, log_std: Array) -> Array:
    """log_std as the code takes it."""
    if "GAU-11" in on:
        return np.log(log_std)
    if "GAU-11c" in on:
        return np.log(np.abs(log_std))
    if "GAU-03" in on:
        return log_std / 2
    if "GAU-40" in on:
        return np.full_like(log_std, log_std[0])
    if "GAU-29" in on:
        return log_std[:, None]
    for switch in on & LIMITS.keys():
        log_std = np.clip(log_std, *LIMITS[switch])
    return log_std


def variance(on: Switches, log_std: Array) -> Array:
    std = log_std if "GAU-11b" in on else np.exp(log_std)
    for switch in on & TO_STD.keys():
        std = std + TO_STD[switch]
    for switch in on & TO_VARIANCE.keys():
        return std * std + TO_VARIANCE[switch]
    return std if "GAU-01" in on else std * std


# Log-probability


def constant(on: Switches) -> float:
    """The constant of each dimension in the log-density."""
    values = {
        "GAU-04": 0.0,
        "GAU-10": 2 * HALF_LOG_2PI,
        "GAU-10b": math.pi,
        "GAU-10c": 0.5 * math.log(math.pi),
        "GAU-10d": 0.5 * math.log10(2 * math.pi),
        "GAU-10e": 0.5 * math.log2(2 * math.pi),
        "GAU-10f": math.sqrt(2 * math.pi),
        "GAU-10g": 0.25 * math.log(2 * math.pi),
        "GAU-25": -HALF_LOG_2PI,
    }
    for switch, value in values.items():
        if switch in on:
            return value
    return HALF_LOG_2PI


def gaussian_log_prob(on: Switches, mean: Array, log_std: Array, actions: Array) -> Array:
    log_std = understood(on, log_std)  # (A,)
    difference = actions - mean  # (N, A)
    square = difference * difference / variance(on, log_std)  # (N, A)
    if "GAU-19" in on:
        square = np.sqrt(square)
    if "GAU-19b" in on:
        square = difference * np.exp(-log_std)
    if "GAU-27" in on:
        square = difference * difference * np.exp(2 * log_std)
    if "GAU-30" in on:
        square = difference * difference
    if "GAU-38" in on:
        square = square / variance(on, log_std)
    if "GAU-41" in on:
        square = (actions - mean[:1]) ** 2 / variance(on, log_std)
    if "GAU-41b" in on:
        square = (actions[:1] - mean) ** 2 / variance(on, log_std)
    if "GAU-42" in on:
        square = (actions * actions - mean * mean) / variance(on, log_std)
    if "GAU-43" in on:
        square = (actions + mean) ** 2 / variance(on, log_std)
    if "GAU-44" in on:
        square = (actions - mean / np.exp(log_std)) ** 2
    half = 1.0 if "GAU-06" in on else -0.5 if "GAU-18" in on else 0.5
    factor = 1.0
    for switch, value in {"GAU-02": 0.5, "GAU-07": -1.0, "GAU-22": 0.0, "GAU-26": 2.0}.items():
        if switch in on:
            factor = value
    spread = log_std
    if "GAU-23" in on:
        spread = np.full_like(log_std, log_std.sum())
    if "GAU-37" in on:
        spread = np.full_like(log_std, log_std.mean() / len(log_std))
    if "GAU-31" in on:
        spread = np.exp(log_std)
    if "GAU-36" in on:
        return np.asarray((-half * square).sum(axis=1) - log_std - constant(on))
    if "GAU-36b" in on:
        return np.asarray((-half * square - constant(on)).sum(axis=1) - log_std)
    if "GAU-39" in on:
        total = (difference / np.exp(log_std)).sum(axis=1)  # (N,)
        return np.asarray(-half * total * total - (spread + constant(on)).sum())
    terms = -half * square - factor * spread - constant(on)  # (N, A)
    if "GAU-34" in on:
        terms = terms - np.log(1 - np.tanh(actions) ** 2 + 1e-6)
    if "GAU-35" in on:
        terms = terms[:, :1]
    if "GAU-35b" in on:
        terms = terms[:, -1:]
    if "GAU-05" in on:
        terms[:, 1:] += constant(on)
    if "GAU-28" in on:
        terms = terms.prod(axis=1, keepdims=True)
    log_prob = summed(on, without_last(on, terms), "GAU")
    if "GAU-16" in on:
        log_prob = -log_prob
    if "GAU-17" in on:
        log_prob = np.exp(log_prob)
    if "GAU-21" in on:
        log_prob = log_prob / np.log(10)
    return log_prob / np.log(2) if "GAU-21b" in on else log_prob


def gradients(on: Switches, g: Array, by_mean: Array, by_log_std: Array) -> tuple[Array, Array]:
    """(dmean, dlog_std) of the derivatives of each row's number, both (N, A)."""
    N, A = by_mean.shape
    g = g if "GAG-25" in on else g[:, None]  # (N, 1)
    if "GAG-29" in on:
        g = np.ones_like(g)
    if "GAG-33" in on:
        g = np.full_like(g, g.mean())
    if "GAG-33b" in on:
        g = np.full_like(g, g.sum())
    if "GAU-08" in on:
        g = g / A
    if "GAG-28" in on:
        g = -g
    if "GAG-30" in on:
        g = g / N
    if "GAG-32" in on:
        g = 0 * g
    by_mean, by_log_std = without_last(on, by_mean), without_last(on, by_log_std)
    dmean = of_mean(on, g, by_mean)
    dlog_std = of_log_std(on, g, by_log_std)
    return (dlog_std, dmean) if "GAG-31" in on else (dmean, dlog_std)


def of_mean(on: Switches, g: Array, by_mean: Array) -> Array:
    dmean = by_mean if "GAG-06" in on else g * by_mean  # (N, A)
    factors = {
        "GAG-04": -1.0,
        "GAG-07": 1 / len(dmean),
        "GAG-10": 0.0,
        "GAG-11": 0.5,
        "GAG-11b": 2.0,
    }
    for switch, factor in factors.items():
        if switch in on:
            dmean = factor * dmean
    if "GAG-08" in on:
        return np.asarray(dmean.sum(axis=0))  # (A,)
    if "GAG-08b" in on:
        return np.asarray(dmean.mean(axis=0))  # (A,)
    if "GAG-09" in on:
        return np.asarray(dmean.sum(axis=1))  # (N,)
    return dmean


def of_log_std(on: Switches, g: Array, by_log_std: Array) -> Array:
    if "GAG-18b" in on:
        return np.asarray(g.mean() * by_log_std.sum(axis=0))
    if "GAG-18c" in on:
        return np.asarray(g.sum() * by_log_std.sum(axis=0))
    if "GAG-18d" in on:
        return np.asarray(g.sum() * by_log_std.mean(axis=0))
    if "GAG-18e" in on:
        return np.asarray(g.mean() * by_log_std.mean(axis=0))
    terms = by_log_std if "GAG-18" in on else g * by_log_std  # (N, A)
    for switch, factor in {"GAG-12": -1.0, "GAG-21": 0.0, "GAG-16": 0.5, "GAG-16b": 2.0}.items():
        if switch in on:
            terms = factor * terms
    wrong: dict[str, Callable[[], Array]] = {
        "GAG-03": lambda: terms.mean(axis=0),
        "GAG-17": lambda: terms,
        "GAG-19": lambda: terms.sum(axis=1),
        "GAG-19b": lambda: terms.mean(axis=1),
        "GAG-27": lambda: terms.sum(),
        "GAG-27b": lambda: terms.mean(),
        "GAG-23": lambda: terms.sum(axis=0, keepdims=True),
        "GAG-34": lambda: np.broadcast_to(terms.sum(axis=0), terms.shape),
        "GAG-35": lambda: terms[-1],
    }
    for switch, change in wrong.items():
        if switch in on:
            return np.asarray(change())
    return np.asarray(terms.sum(axis=0))  # (A,)


def gaussian_log_prob_backward(
    on: Switches, dlog_prob: Array, mean: Array, log_std: Array, actions: Array
) -> tuple[Array, Array]:
    log_std = understood(on, log_std)  # (A,)
    std, difference = np.exp(log_std), actions - mean  # (A,), (N, A)
    differences = {
        "GAU-41": actions - mean[:1],
        "GAU-41b": actions[:1] - mean,
        "GAU-43": actions + mean,
    }
    difference = instead(on, difference, differences)
    by_mean = difference / variance(on, log_std)  # (N, A)
    square = difference * by_mean  # (N, A)
    by_log_std = square - 1  # (N, A)
    if "GAU-01" in on:
        by_log_std = square / 2 - 1
    if "GAU-03" in on:
        by_log_std = by_log_std / 2
    if "GAU-06" in on:
        by_mean, by_log_std = 2 * by_mean, 2 * square - 1
    if "GAU-02" in on:
        by_log_std = square - 0.5
    for switch, (scale, kept) in scales(log_std).items():
        if switch in on:
            z = difference * scale  # (N, A)
            by_mean, by_log_std = z * kept, z * z - 1
    by_mean = instead(
        on,
        by_mean,
        {
            "GAG-01": difference / std,
            "GAG-01b": difference,
            "GAG-01c": difference * std,
            "GAG-01d": difference / std**3,
            "GAG-01e": difference**2 / std**2,
            "GAG-41": (actions + mean) / std**2,
        },
    )
    by_log_std = instead(
        on,
        by_log_std,
        {
            "GAG-02": square,
            "GAG-13": square + 1,
            "GAG-14": by_log_std / std,
            "GAG-14b": by_log_std / std**2,
            "GAG-14c": by_log_std * std,
            "GAG-14d": square / std - 1,
            "GAG-14e": square - 1 / std,
            "GAG-14f": square - std,
            "GAG-20": np.abs(difference) / std - 1,
            "GAG-20b": difference / std - 1,
            "GAG-22": difference**2 - 1,
            "GAG-22b": difference**2 / std - 1,
            "GAG-24": np.full_like(square, -1),
            "GAG-26": 2 * square - 1,
            "GAG-26b": square / 2 - 1,
            "GAG-36": square - log_std,
            "GAG-39": square - np.abs(difference) / std,
            "GAG-40": difference**2 / std**2 * log_std - 1,
        },
    )
    if on & {"GAG-38", "GAG-38b"}:
        dmean, dlog_std = gradients(on, dlog_prob, by_mean, square)
        return dmean, dlog_std - (1 if "GAG-38" in on else len(square))
    return gradients(on, dlog_prob, by_mean, by_log_std)


def scales(log_std: Array) -> dict[str, tuple[Array, Array]]:
    """What the forward makes z of, by multiplying the difference, and the factor of z in dmean.

    That is for mistakes of a forward that keeps both for a backward that is right.
    """
    std = np.exp(log_std)  # (A,)
    one = np.ones_like(std)  # (A,)
    return {
        "GAU-01 kept": (std**-0.5, std**-0.5),
        "GAU-01 kept alone": (std**-0.5, 1 / std),
        "GAU-30": (one, one),
        "GAU-30b": (one, 1 / std),
        "GAU-27": (std, std),
        "GAU-27b": (std, 1 / std),
        "GAU-38": (1 / std**2, 1 / std**2),
        "GAU-38b": (1 / std**2, 1 / std),
    }


def instead(on: Switches, right: Array, wrong: dict[str, Array]) -> Array:
    for switch, value in wrong.items():
        if switch in on:
            return value
    return right


# Entropy


def gaussian_entropy(on: Switches, log_std: Array) -> Array:
    A = len(log_std)
    log_std = understood(on, log_std)  # (A,)
    constants = {
        "GEN-01": HALF_LOG_2PI,
        "GEN-02": 1 + 2 * HALF_LOG_2PI,
        "GEN-05": 1 + HALF_LOG_2PI,
        "GEN-06": 0.5 + 2 * HALF_LOG_2PI,
        "GEN-07": HALF_LOG_2PI - 0.5,
        "GEN-09": 0.5 * 2 * math.pi * math.e,
        "GEN-10": 0.5,
        "GEN-11": 0.5 * math.log(math.pi * math.e),
        "GEN-12": 0.5 * math.log10(2 * math.pi * math.e),
        "GEN-13": 0.5 * math.log2(2 * math.pi * math.e),
        "GEN-14": -0.5 - HALF_LOG_2PI,
        "GAU-04": 0.0,
    }
    each = 0.5 + HALF_LOG_2PI
    for switch, value in constants.items():
        if switch in on:
            each = value
    factor = 1.0
    for switch, value in {"GAU-02": 0.5, "GAU-07": -1.0, "GAU-22": 0.0, "GAU-26": 2.0}.items():
        if switch in on:
            factor = value
    spread = np.exp(log_std) if "GEN-04" in on else log_std
    if "GEN-08" in on:
        return np.asarray(A * each + np.log(np.exp(log_std).sum()))
    terms = factor * spread + each  # (A,)
    if "GEN-16" in on:
        terms = each * log_std
    if "GEN-17" in on:
        terms = 0.5 * np.log(2 * math.pi * math.e + np.exp(2 * log_std))
    if "GAU-35b" in on:
        terms = terms[-1:]
    if "GAU-05" in on:
        terms[1:] -= each
    if "GEN-15" in on:
        terms = terms + (A - 1) * each
    if "COL-01" in on:
        terms = terms[:-1]
    if "GAU-35" in on:
        terms = terms[:1]
    if "GAU-09" in on:
        return terms
    entropy = terms.sum() / max(len(terms), 1) if "GAU-08" in on else terms.sum()
    if "GEN-03" in on:
        entropy = -entropy
    if "GAU-17" in on:
        entropy = np.exp(entropy)
    if "GAU-21" in on:
        entropy = entropy / np.log(10)
    if "GAU-21b" in on:
        entropy = entropy / np.log(2)
    return np.full(1, entropy) if "GAU-13" in on else np.asarray(entropy)


def gaussian_entropy_backward(on: Switches, dentropy: float, log_std: Array) -> Array:
    A, std = len(log_std), np.exp(log_std)  # (A,)
    wrong = {
        "GAG-05": np.full(A, dentropy / A),
        "GAG-29": np.ones(A),
        "GAG-28": np.full(A, -dentropy),
        "GAU-02": np.full(A, dentropy / 2),
        "GAU-26": np.full(A, dentropy * 2),
        "GEG-01": np.asarray(dentropy),
        "GEG-02": np.asarray(dentropy * A),
        "GEG-03": np.full(A, dentropy * A),
        "GEG-04": dentropy / std,
        "GEG-05": dentropy * std,
        "GEG-06": dentropy * log_std,
        "GEG-07": np.zeros(A),
        "GEG-08": dentropy * gaussian_entropy(frozenset(), log_std) * np.ones(A),
        "GEG-09": np.full((1, A), dentropy),
        "GEG-10": np.full(A, dentropy * (1.5 + HALF_LOG_2PI)),
        "GEG-11": dentropy * (log_std + 0.5 + HALF_LOG_2PI),
        "GEG-12": dentropy / log_std,
        "GEG-13": np.full(A, dentropy * (0.5 + HALF_LOG_2PI)),
        "GEG-14": dentropy / std**2,
        "GEG-15": np.concatenate([np.zeros(A - 1), [dentropy]]),
        "GEG-16": dentropy + log_std,
        "GAU-21": np.full(A, dentropy / np.log(10)),
        "GAU-21b": np.full(A, dentropy / np.log(2)),
    }
    return without_last(on, instead(on, np.full(A, dentropy), wrong))


VARIANTS = {
    "gaussian_log_prob": gaussian_log_prob,
    "gaussian_log_prob_backward": gaussian_log_prob_backward,
    "gaussian_entropy": gaussian_entropy,
    "gaussian_entropy_backward": gaussian_entropy_backward,
}


# Sentences

LAST_DIMENSION = Mistake(
    "COL-01", "The last action dimension is left out: the loop stops one dimension short."
)
FIRST_DIMENSION = Mistake(
    "GAU-35", "Only the first action dimension is used; sum over all of them."
)
OVERWRITTEN = Mistake(
    "GAU-35",
    "Only the last action dimension is used: your loop overwrites its sum instead of adding to it.",
    switch="GAU-35b",
)
LOG_VARIANCE = Mistake(
    "GAU-03",
    "log_std is taken for the log-variance, log σ²; it is log σ, so that σ = exp(log_std).",
)
STD_ITSELF = ways(
    "GAU-11",
    "log_std is taken for the standard deviation itself; σ is exp(log_std).",
    "GAU-11",
    "GAU-11c",
)
MISREAD = [
    *STD_ITSELF,
    Mistake(
        "GAU-29",
        "log_std meets the rows instead of the action dimensions: an error, or with as many rows "
        "as dimensions a silent mistake; (A,) goes with (N, A) as it is.",
    ),
    LOG_VARIANCE,
    Mistake("GAU-40", "The first log_std is used in all dimensions; each has its own."),
]
NO_EXP = Mistake(
    "GAU-11", "The exp is missing where σ divides: σ is exp(log_std).", switch="GAU-11b"
)
LIMITED = [
    Mistake(
        "GAU-15",
        "log_std is clipped to a range, which is right where a network computes it (SAC); here it "
        "is used as given.",
        convention=True,
        switch=switch,
    )
    for switch in LIMITS
]
SAFE = ways(
    "GAU-14",
    "A small number is added to σ or σ², which is wrong for a narrow policy; σ = exp(log_std) is "
    "never 0.",
    *TO_VARIANCE,
    *TO_STD,
)
BASE = ways(
    "GAU-21",
    "The result is in units of base 2 or 10; here it is in nats, by the natural logarithm.",
    "GAU-21",
    "GAU-21b",
)
HALF_LOG = Mistake("GAU-02", "There is a ½ too many at log σ: it is −log σ for each dimension.")
GRADIENTS = [
    Mistake("GAG-04", "The sign of dmean is wrong."),
    Mistake("GAG-06", "dmean ignores the gradient that comes in; multiply each row by its own."),
    Mistake("GAG-07", "dmean is divided by the batch size N; each row has its own gradient."),
    *ways(
        "GAG-08",
        "dmean is summed or averaged over the batch; each row has its own mean: shape (N, A).",
        "GAG-08",
        "GAG-08b",
    ),
    Mistake(
        "GAG-09", "dmean is summed over the action dimensions; each has its own: shape (N, A)."
    ),
    Mistake("GAG-10", "dmean is 0 everywhere, as if the mean were a constant."),
    *ways(
        "GAG-11",
        "dmean is wrong by a factor 2: the derivative of ½ x² is x.",
        "GAG-11",
        "GAG-11b",
    ),
    Mistake("GAG-12", "The sign of dlog_std is wrong."),
    *ways(
        "GAG-16",
        "dlog_std is wrong by a factor 2, as if it were the gradient by log σ² or its double.",
        "GAG-16",
        "GAG-16b",
    ),
    Mistake(
        "GAG-03",
        "dlog_std is averaged over the batch; log_std is shared by all rows, so its gradient is "
        "their sum.",
    ),
    Mistake(
        "GAG-17",
        "dlog_std is not summed over the batch; log_std is shared by all rows, so its gradient is "
        "their sum: shape (A,).",
    ),
    *ways(
        "GAG-18",
        "dlog_std does not multiply each row by its own incoming gradient: multiply first, then "
        "sum over the batch.",
        "GAG-18",
        "GAG-18b",
        "GAG-18c",
        "GAG-18d",
        "GAG-18e",
    ),
    *ways(
        "GAG-19",
        "dlog_std is summed over the action dimensions; sum over the batch (axis 0): shape (A,).",
        "GAG-19",
        "GAG-19b",
    ),
    *ways(
        "GAG-27",
        "dlog_std is one number for all action dimensions; each has its own: shape (A,).",
        "GAG-27",
        "GAG-27b",
    ),
    Mistake("GAG-23", "dlog_std has shape (1, A), expected (A,): sum without keepdims."),
    Mistake("GAG-34", "dlog_std is repeated for each row, (N, A); its shape is (A,)."),
    Mistake(
        "GAG-35",
        "dlog_std is the last row's alone; add up the rows, dlog_std += …, instead of overwriting.",
    ),
    Mistake("GAG-28", "The sign of both gradients is wrong."),
    Mistake(
        "GAG-29",
        "The gradient that comes in is ignored; multiply each row by its own.",
    ),
    Mistake(
        "GAG-30",
        "Both gradients are divided by the batch size N; the 1/N of a mean is in the gradient "
        "that comes in.",
    ),
    Mistake("GAG-31", "The gradients are returned in the wrong order; first dmean, then dlog_std."),
    Mistake("GAG-32", "Both gradients are 0, as if mean and log_std were constants."),
    *ways(
        "GAG-33",
        "The gradient that comes in is averaged or summed over the batch; each row is multiplied "
        "by its own.",
        "GAG-33",
        "GAG-33b",
    ),
    Mistake(
        "GAG-25",
        "The gradient that comes in, one number for each row, is multiplied along the action "
        "dimensions: an error, or with as many rows as dimensions a silent mistake; write "
        "dout[:, None].",
    ),
    Mistake("GAU-08", "There is a mean over the action dimensions in it; their sum is asked for."),
    *MISREAD,
    NO_EXP,
    *LIMITED,
    *SAFE,
    LAST_ROW,
    LAST_DIMENSION,
]
NO_LOG_STD_GRADIENT = "dlog_std is 0, as if σ were fixed"

OTHER_DIFFERENCES = [
    Mistake("GAU-41", "The first row's mean is used in all rows; each has its own."),
    Mistake(
        "GAU-41",
        "The first row's action is used in all rows; each has its own.",
        switch="GAU-41b",
    ),
    Mistake("GAU-43", "The mean is added to the action; subtract it."),
]

MISTAKES = {
    "gaussian_log_prob": [
        Mistake("GAU-01", "The square is divided by 2σ; divide by 2σ²."),
        HALF_LOG,
        Mistake("GAU-04", "−½ log 2π is missing for each dimension."),
        Mistake("GAU-05", "−½ log 2π is counted once; it counts once for each dimension."),
        Mistake("GAU-06", "The ½ is missing at the square: −½ z²."),
        Mistake("GAU-07", "log σ is added; subtract it."),
        *ways(
            "GAU-10",
            "The constant is wrong: it is −½ log 2π for each dimension, by the natural logarithm.",
            "GAU-10",
            "GAU-10b",
            "GAU-10c",
            "GAU-10d",
            "GAU-10e",
            "GAU-10f",
            "GAU-10g",
        ),
        Mistake("GAU-16", "The sign is wrong: this is −log π."),
        Mistake("GAU-17", "This is the density; its logarithm is asked for."),
        Mistake("GAU-18", "The square is added; subtract it: −½ z²."),
        *ways("GAU-19", "z is not squared: −½ z².", "GAU-19", "GAU-19b"),
        Mistake("GAU-22", "−log σ is missing for each dimension."),
        Mistake(
            "GAU-23", "In every dimension the sum of all log σ is subtracted; each has its own."
        ),
        Mistake("GAU-25", "½ log 2π is added; subtract it."),
        Mistake("GAU-26", "log σ² is subtracted whole; subtract log σ, which is half of it."),
        Mistake("GAU-27", "The difference is multiplied by σ; divide: z = (action − mean) / σ."),
        Mistake("GAU-28", "The dimensions' log-densities are multiplied; add them."),
        Mistake("GAU-30", "The difference is not divided by σ: z = (action − mean) / σ."),
        Mistake(
            "GAU-38", "The difference is divided by σ², then squared: z = (action − mean) / σ."
        ),
        *ways(
            "GAU-36",
            "log_std is not summed over the action dimensions, so that it meets the rows: an "
            "error, or with as many rows as dimensions a silent mistake.",
            "GAU-36",
            "GAU-36b",
        ),
        Mistake("GAU-37", "The mean of log σ is subtracted; subtract each dimension's."),
        Mistake("GAU-31", "σ is subtracted; subtract its logarithm, log_std."),
        Mistake("GAU-39", "z is summed before it is squared; sum the squares: −½ Σ z²."),
        *OTHER_DIFFERENCES,
        Mistake("GAU-42", "action² − mean² stands where (action − mean)² belongs."),
        Mistake("GAU-44", "Only the mean is divided by σ, brackets: z = (action − mean) / σ."),
        Mistake(
            "GAU-34",
            "The correction for actions squashed by a tanh is in it, right for SAC; here the "
            "actions are not squashed.",
            convention=True,
        ),
        *BASE,
        *MISREAD,
        NO_EXP,
        *LIMITED,
        *SAFE,
        *sums(
            "the log-density",
            "GAU",
            "action dimensions",
            unsummed="GAU-09",
            mean="GAU-08",
            axis="GAU-20",
            total="GAU-12",
            average="GAU-24",
            all="GAU-32",
            kept="GAU-13",
        ),
        FIRST_DIMENSION,
        OVERWRITTEN,
        LAST_ROW,
        LAST_DIMENSION,
    ],
    "gaussian_log_prob_backward": [
        Mistake("GAU-01", "This is the gradient with the square divided by 2σ; divide by 2σ²."),
        *ways(
            "GAU-01",
            "The z that is kept is divided by √σ; divide by σ: z = (action − mean) / σ.",
            "GAU-01 kept",
            "GAU-01 kept alone",
        ),
        *OTHER_DIFFERENCES,
        *ways(
            "GAU-27",
            "The z that is kept is multiplied by σ; divide: z = (action − mean) / σ.",
            "GAU-27",
            "GAU-27b",
        ),
        *ways(
            "GAU-30",
            "The z that is kept is not divided by σ: z = (action − mean) / σ.",
            "GAU-30",
            "GAU-30b",
        ),
        *ways(
            "GAU-38",
            "The z that is kept is divided by σ²; divide by σ: z = (action − mean) / σ.",
            "GAU-38",
            "GAU-38b",
        ),
        Mistake("GAU-02", "This is the gradient with a ½ too many at log σ: dlog_std is z² − 1."),
        Mistake("GAU-06", "This is the gradient without the ½ of −½ z²."),
        *ways(
            "GAG-01",
            "The number of divisions by σ in dmean is wrong: z = (action − mean) / σ has one "
            "already, and z/σ is wanted.",
            "GAG-01",
            "GAG-01b",
            "GAG-01c",
            "GAG-01d",
        ),
        Mistake("GAG-37", "dmean has the difference squared: it is z/σ.", switch="GAG-01e"),
        Mistake("GAG-02", "The −1 is missing in dlog_std: z² − 1."),
        Mistake("GAG-13", "1 is added in dlog_std; subtract it: z² − 1."),
        *ways(
            "GAG-14",
            "This is the gradient by σ, or it has a σ too many; by log σ it is z² − 1.",
            "GAG-14",
            "GAG-14b",
            "GAG-14c",
            "GAG-14d",
            "GAG-14e",
            "GAG-14f",
        ),
        *ways("GAG-20", "z is not squared in dlog_std: z² − 1.", "GAG-20", "GAG-20b"),
        *ways(
            "GAG-22",
            "The square in dlog_std is not divided by σ²: z² − 1 with z = (action − mean) / σ.",
            "GAG-22",
            "GAG-22b",
        ),
        Mistake("GAG-24", "The square is missing in dlog_std: z² − 1."),
        *ways(
            "GAG-26",
            "The square in dlog_std has a wrong factor: z² − 1.",
            "GAG-26",
            "GAG-26b",
        ),
        Mistake("GAG-36", "log σ is subtracted in dlog_std; its derivative is 1: z² − 1."),
        *ways(
            "GAG-38",
            "In dlog_std 1 is subtracted after the sum over the batch; each row has its own "
            "dlog_prob (z² − 1).",
            "GAG-38",
            "GAG-38b",
        ),
        Mistake("GAG-39", "|z| is subtracted in dlog_std; subtract 1: z² − 1."),
        Mistake("GAG-40", "There is a factor log_std too many in dlog_std: z² − 1."),
        Mistake("GAG-41", "dmean adds the mean to the action; subtract: (action − mean) / σ²."),
        Mistake("GAG-21", f"{NO_LOG_STD_GRADIENT}; it is Σ dlog_prob (z² − 1)."),
        *GRADIENTS,
    ],
    "gaussian_entropy": [
        Mistake("GAU-02", "There is a ½ too many at log σ: Σ (log_std + ½ log 2πe)."),
        Mistake("GAU-04", "The constant ½ log 2πe is missing for each dimension."),
        Mistake("GAU-05", "½ log 2πe is counted once; it counts once for each dimension."),
        Mistake("GAU-07", "log σ is subtracted; add it."),
        Mistake("GAU-08", "The entropy is averaged over the action dimensions; it is their sum."),
        Mistake("GAU-09", "The sum over the action dimensions is missing."),
        *STD_ITSELF,
        Mistake("GAU-13", "The entropy has shape (1,); it is one number, ()."),
        Mistake("GAU-17", "The exp of the entropy is returned."),
        Mistake("GAU-22", "log σ is missing for each dimension."),
        Mistake("GAU-26", "log σ² is added whole; add log σ, which is half of it."),
        Mistake("GEN-01", "e is missing in the constant: ½ log 2πe for each dimension."),
        *ways(
            "GEN-02",
            "The constant is wrong: it is ½ log 2πe = ½ + ½ log 2π for each dimension.",
            "GEN-02",
            "GEN-05",
            "GEN-06",
            "GEN-07",
            "GEN-09",
            "GEN-10",
            "GEN-11",
            "GEN-12",
            "GEN-13",
            "GEN-14",
            "GEN-15",
        ),
        Mistake("GEN-03", "The sign is wrong: the entropy grows with σ."),
        Mistake("GEN-04", "σ is added; add its logarithm, log_std."),
        Mistake("GEN-08", "The logarithm is taken of the sum of all σ; add the logarithms."),
        Mistake("GEN-16", "The constant multiplies log σ; add it: Σ (log_std + ½ log 2πe)."),
        Mistake("GEN-17", "σ² is added inside the logarithm; multiply there: ½ log(2πe σ²)."),
        *BASE,
        *LIMITED,
        FIRST_DIMENSION,
        OVERWRITTEN,
        LAST_DIMENSION,
    ],
    "gaussian_entropy_backward": [
        Mistake(
            "GAG-05",
            "You divide by the number of action dimensions. The entropy is their sum, so every "
            "log_std_j has the gradient dentropy.",
        ),
        Mistake("GAG-28", "The sign is wrong: the entropy grows with log_std."),
        Mistake("GAG-29", "dentropy is ignored; each dimension's gradient is dentropy, not 1."),
        Mistake("GAU-02", "There is a ½ too many: each dimension's gradient is dentropy."),
        Mistake("GAU-26", "There is a 2 too many: each dimension's gradient is dentropy."),
        Mistake("GEG-01", "dentropy comes out as one number; each dimension has it: shape (A,)."),
        Mistake("GEG-02", "The gradient is summed over the dimensions; each has its own: (A,)."),
        Mistake("GEG-03", "There is a factor A too many: each dimension's gradient is dentropy."),
        *ways(
            "GEG-04",
            "This is the gradient by σ or σ²; by log σ it is dentropy.",
            "GEG-04",
            "GEG-14",
        ),
        Mistake("GEG-05", "There is a factor σ too many: the gradient by log σ is dentropy."),
        Mistake("GEG-06", "There is a factor log_std too many: the gradient is dentropy."),
        Mistake("GEG-07", "The gradient is 0, as if log_std were a constant."),
        Mistake("GEG-08", "The gradient is multiplied by the entropy; it is dentropy alone."),
        Mistake("GEG-09", "The gradient has shape (1, A), expected (A,)."),
        *ways(
            "GEG-10",
            "The constant ½ log 2πe is in the gradient; the derivative of a constant is 0.",
            "GEG-10",
            "GEG-11",
            "GEG-13",
        ),
        Mistake("GEG-12", "dentropy is divided by log_std; the gradient is dentropy."),
        Mistake("GEG-15", "Only the last dimension has a gradient; each has dentropy."),
        Mistake("GEG-16", "log_std is added to the gradient; it is dentropy alone."),
        *BASE,
        LAST_DIMENSION,
    ],
}
