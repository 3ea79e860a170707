"""Known mistakes in the divergence of two Gaussian policies."""

from __future__ import annotations

import numpy as np

from ..exercise import Array, Mistake, Switches, ways
from .gaussian import (
    BASE,
    FIRST_DIMENSION,
    GRADIENTS,
    HALF_LOG_2PI,
    LAST_DIMENSION,
    LIMITED,
    MISREAD,
    NO_LOG_STD_GRADIENT,
    OVERWRITTEN,
    SAFE,
    TO_VARIANCE,
    gradients,
    instead,
    understood,
    variance,
)
from .rows import LAST_ROW, summed, sums, without_last


def gaussian_kl(
    on: Switches, old_mean: Array, old_log_std: Array, mean: Array, log_std: Array
) -> Array:
    if "KL-11" in on:
        old_mean, old_log_std, mean, log_std = mean, log_std, old_mean, old_log_std
    terms = kl_terms(on, old_mean, old_log_std, mean, log_std)  # (N, A)
    back = kl_terms(on, mean, log_std, old_mean, old_log_std)  # (N, A)
    if "KL-25" in on:
        terms = (terms + back) / 2
    if "KL-25b" in on:
        terms = terms + back
    if "KL-21" in on:
        terms = -back
    if "KL-19" in on:
        terms[:, 1:] += 0.5
    if "GAU-35" in on:
        terms = terms[:, :1]
    if "GAU-35b" in on:
        terms = terms[:, -1:]
    kl = summed(on, without_last(on, terms), "KL")
    if "KL-13" in on:
        kl = -kl
    if "GAU-21" in on:
        kl = kl / np.log(10)
    return kl / np.log(2) if "GAU-21b" in on else kl


def kl_terms(
    on: Switches, old_mean: Array, old_log_std: Array, mean: Array, log_std: Array
) -> Array:
    old_log_std, log_std = understood(on, old_log_std), understood(on, log_std)  # (A,)
    unsafe = on - TO_VARIANCE.keys()  # ε is added to what divides only
    var, old_var = variance(on, log_std), variance(unsafe, old_log_std)  # (A,)
    d = mean - old_mean  # (N, A)
    ratio, moved = old_var / var, d * d / var  # (A,), (N, A)
    if "KL-43" in on:
        ratio = var / old_var
    if "KL-44" in on:
        moved = d * d / old_var
    if "KL-43c" in on:
        ratio, moved = var / old_var, d * d / old_var
    if "KL-47" in on:
        moved = 0 * moved
    if "KL-48" in on:
        ratio = 0 * ratio
    if "KL-49" in on:
        ratio = np.sqrt(ratio)
    if "KL-49b" in on:
        moved = d * d / np.exp(log_std)
    if "KL-49c" in on:
        ratio, moved = np.exp(2 * old_log_std - log_std), d * d / np.exp(log_std)
    if "KL-49d" in on:
        moved = d * d
    if "KL-50" in on:
        moved = d / var
    if "KL-50b" in on:
        moved = np.abs(d) / var
    if "KL-49e" in on:
        ratio = np.exp(old_log_std) / var
    if "KL-49f" in on:
        ratio = old_var / np.exp(log_std)
    if "KL-51b" in on:
        ratio, moved = np.ones_like(ratio), d * d / old_var
    if "KL-89" in on:
        moved = moved / var
    if "KL-107" in on:
        ratio, moved = 0 * ratio, (np.exp(old_log_std) + d) ** 2 / var
    if "KL-98" in on:
        moved = (mean**2 - old_mean**2) / var
    if "KL-99" in on:
        moved = (mean[:1] - old_mean) ** 2 / var
    if "KL-99b" in on:
        moved = (mean - old_mean[:1]) ** 2 / var
    if "KL-53" in on:
        moved = (mean + old_mean) ** 2 / var
    half = 1.0 if "KL-45" in on else 0.5
    constants = {"KL-18": 0.0, "KL-18b": 1.0, "KL-18c": -0.5}
    subtracted = next((x for switch, x in constants.items() if switch in on), 0.5)
    factors = {"KL-41": -1.0, "KL-42": 0.5, "KL-46": 0.0, "KL-42b": 2.0}
    factor = next((x for switch, x in factors.items() if switch in on), 1.0)
    terms: Array = factor * (log_std - old_log_std) + half * (ratio + moved) - subtracted
    if "KL-54" in on:
        terms = factor * (log_std - old_log_std) + half * ratio + moved - subtracted
    if "KL-54b" in on:
        terms = factor * (log_std - old_log_std) + ratio + half * moved - subtracted
    if "KL-12" in on:
        terms = terms + old_log_std + 0.5 + HALF_LOG_2PI
    if "KL-100" in on:
        terms = factor * (log_std - old_log_std) + half * (old_var + moved) - subtracted
    if "KL-55" in on:
        terms = np.exp(log_std - old_log_std) + half * (ratio + moved) - subtracted
    return terms


def gaussian_kl_backward(
    on: Switches,
    dkl: Array,
    old_mean: Array,
    old_log_std: Array,
    mean: Array,
    log_std: Array,
) -> tuple[Array, Array]:
    old_log_std, log_std = understood(on, old_log_std), understood(on, log_std)  # (A,)
    std, d = np.exp(log_std), mean - old_mean  # (A,), (N, A)
    unsafe = on - TO_VARIANCE.keys()
    var, old_var = variance(on, log_std), variance(unsafe, old_log_std)  # (A,)
    by_mean = d / var  # (N, A)
    ratio, moved = old_var / var + 0 * d, d * d / var  # (N, A)
    q = ratio + moved  # (N, A)
    by_log_std = 1 - q  # (N, A)
    if "GAU-03" in on:
        by_log_std = by_log_std / 2
    other = d / old_var, var / old_var - 1 + 0 * d  # (N, A), of KL(new ‖ old)
    if "KL-11" in on:
        by_mean, by_log_std = other
    if "KL-25" in on:
        by_mean, by_log_std = (by_mean + other[0]) / 2, (by_log_std + other[1]) / 2
    if "KL-34" in on:
        by_mean, by_log_std = -by_mean, ratio - 1
    if "KL-45" in on:
        by_mean, by_log_std = 2 * by_mean, 1 - 2 * q
    by_mean = instead(
        on,
        by_mean,
        {
            "GAG-01": d / std,
            "GAG-01b": d,
            "GAG-01c": d * std,
            "GAG-01d": d / std**3,
            "GAG-01e": d**2 / var,
            "KL-44": d / old_var,
            "KL-44b": (mean + old_mean) / var,
            "KL-44c": d / old_var,
            "KL-49c": d / std,
            "KL-49g": d / std,
            "KL-51": d / old_var,
            "KL-51c": d / old_var,
            "KL-53": (mean + old_mean) / var,
            "KL-11 kept": -d / old_var,
            "KL-89": d / var**2,
        },
    )
    by_log_std = instead(
        on,
        by_log_std,
        {
            "GAG-02": -q,
            "GAG-13": 1 + q,
            "GAG-14": by_log_std / std,
            "GAG-14b": by_log_std / std**2,
            "GAG-14c": by_log_std * std,
            "GAG-24": np.ones_like(q),
            "GAG-26": 1 - 2 * q,
            "GAG-26b": 1 - q / 2,
            "KL-43": 1 - var / old_var - moved,
            "KL-43b": 1 - ratio - d * d / old_var,
            "KL-47": 1 - ratio,
            "KL-48": 1 - moved,
            "KL-49": 1 - np.sqrt(ratio) - moved,
            "KL-49d": 1 - ratio - d * d,
            "KL-50": 1 - ratio - np.abs(d) / std,
            "KL-44c": 1 - ratio - d * d / old_var,
            "KL-49b": 1 - ratio - d * d / std,
            "KL-49g": 1 - ratio - d * d / std,
            "KL-49c": 1 - (old_var + d * d) / std,
            "KL-49e": 1 - np.exp(old_log_std) / var - moved,
            "KL-49f": 1 - old_var / std - moved,
            "KL-51": 1 - (old_var + d * d) / old_var,
            "KL-51b": 1 - (old_var + d * d) / old_var,
            "KL-51c": 1 - (var + d * d) / old_var,
            "KL-50b": 1 - ratio - np.abs(d) / var,
            "KL-50c": 1 - ratio - d / var,
            "KL-53": 1 - ratio - (mean + old_mean) ** 2 / var,
            "KL-11 kept": 1 - (var + d * d) / old_var,
            "KL-89": 1 - ratio - moved / var,
            "KL-89b": 1 - ratio - moved / var,
            "KL-107": 1 - (np.exp(old_log_std) + d) ** 2 / var,
            "KL-98": 1 - ratio - (mean**2 - old_mean**2) / var,
            "KL-99": 1 - ratio - (mean[:1] - old_mean) ** 2 / var,
            "KL-99b": 1 - ratio - (mean - old_mean[:1]) ** 2 / var,
            "KL-100": 1 - old_var - moved,
            "KL-56": 0.5 - q,
        },
    )
    if on & {"GAG-38", "GAG-38b"}:
        dmean, dlog_std = gradients(on, dkl, by_mean, -q)
        return dmean, dlog_std + (1 if "GAG-38" in on else len(q))
    return gradients(on, dkl, by_mean, by_log_std)


VARIANTS = {
    "gaussian_kl": gaussian_kl,
    "gaussian_kl_backward": gaussian_kl_backward,
}

MISTAKES = {
    "gaussian_kl": [
        Mistake(
            "KL-11",
            "The roles are exchanged, this is KL(new ‖ old); asked for is KL(old ‖ new).",
        ),
        Mistake(
            "KL-12",
            "This is the cross entropy; the old policy's entropy is still to be subtracted.",
        ),
        Mistake("KL-13", "The sign is wrong: a divergence is never negative."),
        Mistake(
            "KL-21", "This is −KL(new ‖ old): roles and sign are exchanged; asked is KL(old ‖ new)."
        ),
        *ways(
            "KL-25",
            "This is the mean or the sum of both directions; asked for is KL(old ‖ new) alone.",
            "KL-25",
            "KL-25b",
        ),
        *ways(
            "KL-18",
            "The constant is wrong: −½ for each dimension, so that equal policies give 0.",
            "KL-18",
            "KL-18b",
            "KL-18c",
        ),
        Mistake("KL-19", "−½ is counted once; it counts once for each dimension."),
        Mistake("KL-41", "The log of σ's ratio is upside down: log_std − old_log_std."),
        *ways(
            "KL-42",
            "The difference log_std − old_log_std has a wrong factor: it counts once.",
            "KL-42",
            "KL-42b",
        ),
        Mistake("KL-46", "The difference log_std − old_log_std is missing."),
        Mistake("KL-43", "The ratio of the variances is upside down: old_std² / std²."),
        Mistake("KL-44", "The moved mean is divided by the old variance; divide by the new one."),
        *ways(
            "KL-51",
            "It is divided by twice the old variance; divide by twice the new one: "
            "(old_std² + (mean − old_mean)²) / (2 std²).",
            "KL-43c",
            "KL-51b",
        ),
        Mistake(
            "KL-45", "The ½ is missing: (old_std² + (mean − old_mean)²) / (2 std²).", switch="KL-45"
        ),
        *ways(
            "KL-45",
            "A ½ is missing: (old_std² + (mean − old_mean)²) / (2 std²).",
            "KL-54",
            "KL-54b",
        ),
        Mistake("KL-47", "The moved mean is missing: (mean − old_mean)² / (2 std²)."),
        Mistake("KL-48", "The ratio of the variances is missing: old_std² / (2 std²)."),
        *ways(
            "KL-49",
            "σ stands where σ² belongs: (old_std² + (mean − old_mean)²) / (2 std²).",
            "GAU-01",
            "KL-49",
            "KL-49b",
            "KL-49c",
            "KL-49d",
            "KL-49e",
            "KL-49f",
        ),
        *ways(
            "KL-50",
            "The difference of the means is not squared: (mean − old_mean)² / (2 std²).",
            "KL-50",
            "KL-50b",
        ),
        Mistake("KL-53", "The means are added; their difference is asked for, mean − old_mean."),
        Mistake(
            "KL-89",
            "The difference of the means is divided by σ², then squared: "
            "(mean − old_mean)² / (2 std²).",
        ),
        Mistake(
            "KL-107",
            "old_std and the difference of the means are added before squaring: "
            "(old_std² + (mean − old_mean)²) / (2 std²).",
        ),
        Mistake("KL-98", "mean² − old_mean² stands where (mean − old_mean)² belongs."),
        *ways(
            "KL-99",
            "One of the means is that of the first row in all rows; each has its own.",
            "KL-99",
            "KL-99b",
        ),
        Mistake(
            "KL-100",
            "Only the moved mean is divided by σ², brackets: "
            "(old_std² + (mean − old_mean)²) / (2 std²).",
        ),
        Mistake("KL-55", "σ's ratio stands where its logarithm belongs: log_std − old_log_std."),
        *BASE,
        *MISREAD,
        *LIMITED,
        *SAFE,
        *sums(
            "the divergence",
            "KL",
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
    "gaussian_kl_backward": [
        Mistake("KL-11", "These are the gradients of KL(new ‖ old); KL(old ‖ new) is asked for."),
        Mistake(
            "KL-11",
            "The roles are exchanged in what is kept; KL(old ‖ new) is asked for: "
            "dmean is (mean − old_mean) / std².",
            switch="KL-11 kept",
        ),
        Mistake("KL-25", "These are the gradients of both directions' mean."),
        Mistake(
            "KL-34",
            "These are the gradients by the old policy, which is data; differentiate by the new "
            "mean and log_std.",
        ),
        Mistake("KL-45", "These are the gradients without the ½ of the divergence."),
        *ways(
            "GAG-01",
            "The number of divisions by std in dmean is wrong: two are wanted, "
            "(mean − old_mean) / std².",
            "GAG-01",
            "GAG-01b",
            "GAG-01c",
            "GAG-01d",
        ),
        Mistake(
            "GAG-37",
            "dmean has the difference squared: (mean − old_mean) / std².",
            switch="GAG-01e",
        ),
        Mistake("KL-44", "dmean is divided by the old variance; divide by the new one."),
        *ways(
            "KL-44",
            "The moved mean is divided by the old variance in q; divide by the new one.",
            "KL-43b",
            "KL-44c",
        ),
        *ways(
            "KL-51",
            "It is divided by the old variance; divide by the new one: "
            "q = (old_std² + (mean − old_mean)²) / std².",
            "KL-51",
            "KL-51b",
            "KL-51c",
        ),
        Mistake("KL-53", "dmean adds the means; subtract: mean − old_mean.", switch="KL-44b"),
        Mistake("KL-53", "The means are added; subtract: mean − old_mean."),
        *ways(
            "KL-89",
            "The difference of the means is divided by σ², then squared: "
            "q = (old_std² + (mean − old_mean)²) / std².",
            "KL-89",
            "KL-89b",
        ),
        Mistake(
            "KL-107", "In q old_std and the difference of the means are added before squaring."
        ),
        Mistake("KL-98", "mean² − old_mean² stands where (mean − old_mean)² belongs in q."),
        *ways(
            "KL-99",
            "In q one of the means is that of the first row in all rows; each has its own.",
            "KL-99",
            "KL-99b",
        ),
        Mistake("KL-100", "Only the moved mean is divided by σ² in q; old_std² is, too."),
        *ways(
            "GAG-38",
            "In dlog_std 1 is added after the sum over the batch; each row has its own "
            "dkl (1 − q).",
            "GAG-38",
            "GAG-38b",
        ),
        Mistake("GAG-02", "The 1 is missing in dlog_std: 1 − q."),
        Mistake("GAG-13", "q is added in dlog_std; subtract it: 1 − q."),
        *ways(
            "GAG-14",
            "This is the gradient by σ, or it has a σ too many; by log σ it is 1 − q.",
            "GAG-14",
            "GAG-14b",
            "GAG-14c",
        ),
        Mistake("GAG-24", "dlog_std is 1 only; q is to be subtracted from it."),
        *ways("GAG-26", "q in dlog_std has a wrong factor: 1 − q.", "GAG-26", "GAG-26b"),
        Mistake(
            "KL-43",
            "A ratio in dlog_std is upside down: q = (old_std² + (mean − old_mean)²) / std².",
        ),
        Mistake(
            "KL-47",
            "In dlog_std the shift of the mean is missing: Σ dkl (1 − (old_std/std)² "
            "− ((mean − old_mean)/std)²).",
        ),
        Mistake("KL-48", "dlog_std leaves the ratio of the variances out of q."),
        *ways(
            "KL-49",
            "σ stands where σ² belongs in dlog_std: q = (old_std² + (mean − old_mean)²) / std².",
            "KL-49",
            "KL-49b",
            "KL-49c",
            "KL-49d",
            "KL-49e",
            "KL-49f",
            "KL-49g",
        ),
        *ways("KL-50", "The moved mean is not squared in q.", "KL-50", "KL-50b", "KL-50c"),
        Mistake("KL-56", "½ stands where 1 belongs in dlog_std: 1 − q."),
        Mistake("KL-20", f"{NO_LOG_STD_GRADIENT}; it is Σ dkl (1 − q).", switch="GAG-21"),
        Mistake("KL-14", "The sign of dmean is wrong: (mean − old_mean) / std².", switch="GAG-04"),
        *[mistake for mistake in GRADIENTS if mistake.id != "GAG-04"],
    ],
}
