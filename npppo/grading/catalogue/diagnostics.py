"""Known mistakes in what is watched during training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..exercise import Array, Mistake, Switches, ways
from .means import averages, mean
from .ratio import RATIO, importance_ratio

# Divergence


def approx_kl(on: Switches, log_prob: Array, old_log_prob: Array) -> Any:
    difference = log_prob - old_log_prob  # (N,)
    if "KL-05" in on:
        difference = -difference
    if "KL-08" in on:
        difference = difference.sum(keepdims=True) / difference.size
    ratio = np.exp(difference)  # (N,)
    if "SUR-26" in on:
        ratio = np.exp(log_prob) / np.exp(old_log_prob)
    terms = ratio - 1 - difference  # (N,)
    if "KL-01" in on:
        terms = -difference
    if "KL-02" in on:
        terms = difference
    if "KL-03" in on:
        terms = difference**2 / 2
    if "KL-04" in on:
        terms = difference**2
    if "KL-06" in on:
        terms = abs(difference)
    if "KL-07" in on:
        terms = ratio - 1 + difference
    if "KL-10" in on:
        terms = ratio - 1
    if "KL-71" in on:
        terms = ratio - difference
    if "KL-72" in on:
        terms = -terms
    if "KL-73" in on:
        terms = ratio * difference
    if "KL-73b" in on:
        terms = -ratio * difference
    if "KL-74" in on:
        terms = ratio * difference - (ratio - 1)
    if "KL-75" in on:
        terms = -np.exp(old_log_prob) * difference
    if "KL-75b" in on:
        terms = np.exp(log_prob) * difference
    if "KL-76" in on:
        terms = terms / 2
    if "KL-77" in on:
        terms = ratio - 1 - difference / np.log(2)
    if "KL-77b" in on:
        terms = ratio - 1 - difference / np.log(10)
    if "KL-78" in on:
        terms = (ratio - 1) ** 2 / 2
    if "KL-78b" in on:
        terms = (ratio - 1) ** 2
    if "KL-79" in on:
        terms = abs(ratio - 1)
    if "KL-80" in on:
        terms = ratio
    if "KL-81" in on:
        terms = terms.max(keepdims=True)
    if "KL-82" in on:
        terms = log_prob - 1 - difference
    if "KL-83" in on:
        terms = 1 - ratio - difference
    if "KL-84" in on:
        terms = difference - 1 - np.log(abs(difference))
    if "KL-87" in on:
        terms = np.full_like(difference, ratio.sum() / ratio.size - 1)
        terms = terms - np.log(ratio.sum() / ratio.size)
    if "KL-87b" in on:
        terms = np.full_like(difference, -np.log(ratio.sum() / ratio.size))
    if "KL-103" in on:
        terms = ratio * terms
    if "KL-104" in on:
        terms = terms * terms
    if "KL-105" in on:
        terms = ratio - 1 - log_prob
    if "KL-105b" in on:
        terms = ratio - 1 + old_log_prob
    if "KL-105c" in on:
        terms = ratio - 1 - old_log_prob
    if "KL-106" in on:
        terms = 1 / ratio - 1 - difference
    if "KL-102" in on:
        terms = np.exp(log_prob) - 1 - difference
    if "KL-88" in on:
        terms = (difference - difference.sum() / difference.size) ** 2 / 2
    return mean(on, "KL", terms)


KL = [
    Mistake(
        "KL-01",
        "Yours is the estimator k1, the mean of −log r, which is right elsewhere; here it is k3: "
        "mean(r − 1 − log r).",
        convention=True,
    ),
    Mistake(
        "KL-02",
        "The mean of log r estimates minus the divergence; here it is mean(r − 1 − log r).",
    ),
    Mistake(
        "KL-03",
        "Yours is the estimator k2, ½ mean (log r)², which is right elsewhere; here it is k3: "
        "mean(r − 1 − log r).",
        convention=True,
    ),
    Mistake("KL-04", "The mean of (log r)² is twice the estimator k2; k3 is mean(r − 1 − log r)."),
    Mistake(
        "KL-05",
        "The direction is reversed, or the ratio upside down: r = exp(log_prob − old_log_prob).",
    ),
    Mistake("KL-06", "The mean of |log r| is no divergence; here it is mean(r − 1 − log r)."),
    Mistake("KL-07", "The sign of log r is wrong: it is subtracted, mean(r − 1 − log r)."),
    Mistake(
        "KL-08",
        "log r is averaged first; average r − 1 − log r, each sample with its own ratio.",
    ),
    Mistake("KL-10", "log r is left out: the mean of r − 1 is about 0 whatever the divergence."),
    Mistake("KL-71", "The −1 is missing: equal policies should give 0; mean(r − 1 − log r)."),
    Mistake("KL-72", "The sign is wrong: this estimate of a divergence is never negative."),
    Mistake(
        "KL-73",
        "r log r estimates the divergence the other way round; here it is mean(r − 1 − log r).",
    ),
    Mistake(
        "KL-73",
        "−log r is weighted with the ratio; the samples are the old policy's already: "
        "mean(r − 1 − log r).",
        switch="KL-73b",
    ),
    Mistake(
        "KL-74",
        "r log r − (r − 1) estimates KL(new ‖ old); KL(old ‖ new) is mean(r − 1 − log r).",
    ),
    Mistake(
        "KL-75",
        "The terms are weighted with probabilities; samples from the old policy carry that "
        "weight by themselves: mean(r − 1 − log r).",
    ),
    Mistake(
        "KL-75",
        "log r is weighted with the new probabilities; samples carry their weight by themselves: "
        "mean(r − 1 − log r).",
        switch="KL-75b",
    ),
    Mistake("KL-76", "There is a factor ½ too many: k3 is mean(r − 1 − log r)."),
    Mistake("KL-77", "The logarithm is to base 2; it is natural."),
    Mistake("KL-77", "The logarithm is to base 10; it is natural.", switch="KL-77b"),
    Mistake("KL-78", "½ (r − 1)² is only an approximation near r = 1; k3 is mean(r − 1 − log r)."),
    Mistake("KL-78", "(r − 1)² is not the estimator; k3 is mean(r − 1 − log r).", switch="KL-78b"),
    Mistake("KL-79", "|r − 1| is not the estimator; k3 is mean(r − 1 − log r)."),
    Mistake("KL-80", "The ratio alone is averaged; k3 is mean(r − 1 − log r)."),
    Mistake("KL-81", "The largest term is returned; it should be the mean."),
    Mistake("KL-82", "exp is missing: log_prob stands for the ratio in r − 1 − log r."),
    Mistake("KL-83", "The sign of r − 1 is wrong: k3 is mean(r − 1 − log r)."),
    Mistake(
        "KL-84",
        "The logarithm of the ratio is taken for the ratio: r = exp(log_prob − old_log_prob).",
    ),
    Mistake(
        "KL-87",
        "The ratios are averaged before the logarithm; take log r of each sample by itself.",
    ),
    Mistake(
        "KL-87",
        "−log of the mean ratio is about 0 whatever the divergence; k3 is mean(r − 1 − log r).",
        switch="KL-87b",
    ),
    Mistake("KL-88", "½ Var(log r) loses the mean of log r; k3 is mean(r − 1 − log r)."),
    Mistake(
        "KL-103",
        "The terms are weighted with the ratio; samples from the old policy need no weights: "
        "mean(r − 1 − log r).",
    ),
    Mistake("KL-104", "The terms are squared; k3 is mean(r − 1 − log r)."),
    *ways(
        "KL-105",
        "One log-probability stands for log r; log r is log_prob − old_log_prob.",
        "KL-105",
        "KL-105b",
        "KL-105c",
    ),
    Mistake(
        "KL-106",
        "r is upside down, but log r is not: r = exp(log_prob − old_log_prob) in both places.",
    ),
    Mistake("KL-102", "exp(log_prob) stands for the ratio: r = exp(log_prob − old_log_prob)."),
    Mistake(
        "SUR-26",
        "exp(log_prob) / exp(old_log_prob) is 0/0 for very unlikely actions; subtract the "
        "logarithms first, then take exp.",
    ),
]


# Clip fraction


def clip_fraction(on: Switches, log_prob: Array, old_log_prob: Array, clip: float) -> Any:
    ratio = importance_ratio(on, log_prob, old_log_prob)  # (N,)
    if "CLF-12" in on:
        clip = 0.2
    if "CLF-16" in on:
        clip = clip / 2
    distance = abs(ratio - 1)  # (N,)
    outside = distance > clip  # (N,) bool
    if "CLF-01" in on:
        outside = distance >= clip
    if "CLF-02" in on:
        outside = ratio > 1 + clip
    if "CLF-03" in on:
        outside = ratio < 1 - clip
    if "CLF-05" in on:
        outside = abs(log_prob - old_log_prob) > clip
    if "CLF-07" in on:
        outside = ~outside
    if "CLF-08" in on:
        outside = abs(ratio) > clip
    if "CLF-09" in on:
        outside = ratio > 1
    if "CLF-11" in on:
        outside = (ratio > 1 + clip) | (ratio < 1 / (1 + clip))
    if "CLF-13" in on:
        outside = abs(np.exp(log_prob) - np.exp(old_log_prob)) > clip
    if "CLF-18" in on:
        outside = (ratio - 1) ** 2 > clip
    if "CLF-21" in on:
        outside = (ratio > 1 + clip) & (ratio < 1 - clip)
    if "CLF-22" in on:
        outside = ratio != 1
    if "CLF-25" in on:
        outside = distance > 1 + clip
    if "CLF-25b" in on:
        outside = distance > 1 - clip
    if "CLF-26" in on:
        outside = ratio > 1 - clip
    if "CLF-26b" in on:
        outside = ratio < 1 + clip
    if "CLF-27" in on:
        outside = distance > 2 * clip
    share = mean(on, "CLF", 1.0 * outside)
    if "CLF-06" in on:
        share = 100 * share
    if "CLF-10" in on:
        share = np.floor(share)
    if "CLF-10b" in on:
        share = np.round(share)
    if "CLF-15" in on:
        share = 1.0 * np.any(outside)
    if "CLF-17" in on:
        share = 1.0 * (abs(ratio.sum() / ratio.size - 1) > clip)
    if "CLF-17b" in on:
        share = 1.0 * (distance.sum() / distance.size > clip)
    if "CLF-19" in on:
        share = distance.sum() / distance.size
    if "CLF-20" in on:
        share = (distance * outside).sum() / distance.size
    if "CLF-23" in on:
        share = -share
    if "CLF-29" in on:
        share = ((ratio > 1 + clip) * 1.0 - (ratio < 1 - clip)).sum() / ratio.size
    if "CLF-24" in on:
        share = outside.sum() / max(1, int(np.count_nonzero(~outside)))
    return share


CLIP_FRACTION = [
    Mistake(
        "CLF-01",
        "A ratio at the bound is counted, which is right elsewhere; here only |r − 1| > clip is.",
        convention=True,
    ),
    Mistake(
        "CLF-02",
        "Only ratios above the band are counted (is the absolute value missing?); those below "
        "1 − clip are outside too.",
    ),
    Mistake(
        "CLF-03", "Only ratios below the band are counted; those above 1 + clip are outside too."
    ),
    Mistake(
        "CLF-05",
        "The logarithm of the ratio is compared with clip; the ratio's distance from 1 is.",
    ),
    Mistake("CLF-06", "Your result is in per cent; a share from 0 to 1 is asked for."),
    Mistake("CLF-07", "The samples inside the band are counted; those outside are asked for."),
    Mistake(
        "CLF-08", "The ratio itself is compared with clip; its distance from 1, |r − 1|, should be."
    ),
    Mistake("CLF-09", "All ratios above 1 are counted; those with |r − 1| > clip should be."),
    Mistake("CLF-10", "The share is cut to a whole number: divide without rounding."),
    Mistake("CLF-10", "The share is rounded to a whole number.", switch="CLF-10b"),
    Mistake("CLF-11", "Your lower bound is 1/(1 + clip); it is 1 − clip."),
    Mistake("CLF-12", "clip is always 0.2 in your code; use the argument."),
    Mistake(
        "CLF-13", "The probabilities are subtracted; the distance of their ratio from 1 counts."
    ),
    Mistake("CLF-15", "You say whether any sample is outside the band; the share is asked for."),
    Mistake("CLF-16", "Your band is half as wide as it should be: it is 1 − clip … 1 + clip."),
    Mistake("CLF-17", "The mean ratio is compared with clip; each sample's should be."),
    Mistake(
        "CLF-17",
        "The mean of |r − 1| is compared with clip; each sample's should be, and then counted.",
        switch="CLF-17b",
    ),
    Mistake("CLF-18", "The square of r − 1 is compared with clip; its absolute value should be."),
    Mistake("CLF-19", "The mean of |r − 1| is returned; the share of those above clip should be."),
    Mistake("CLF-20", "The distances outside the band are averaged; count the samples."),
    Mistake(
        "CLF-21",
        "No ratio is above 1 + clip and below 1 − clip at once, so your share is always 0: "
        "it is one or the other.",
    ),
    Mistake("CLF-22", "Every ratio that is not 1 is counted; those with |r − 1| > clip should be."),
    Mistake("CLF-23", "The sign is wrong: a share is never negative."),
    Mistake("CLF-24", "The count is divided by that of the samples inside; divide by N."),
    *ways(
        "CLF-25",
        "|r − 1| is compared with 1 ± clip, which bounds r itself; compare it with clip.",
        "CLF-25",
        "CLF-25b",
    ),
    *ways(
        "CLF-26",
        "One of your comparisons is the wrong way round: outside is below 1 − clip or above "
        "1 + clip.",
        "CLF-26",
        "CLF-26b",
    ),
    Mistake("CLF-27", "Your band is twice as wide as it should be: it is 1 − clip … 1 + clip."),
    Mistake("CLF-29", "The samples below the band are subtracted; count them as well."),
]


# Explained variance


def variance(on: Switches, x: Array) -> Any:
    deviation = x - x.sum() / x.size  # (N,)
    if "EXV-13" in on:
        return (abs(deviation)).sum() / x.size
    if "EXV-07" in on:
        return np.sqrt((deviation * deviation).sum() / x.size)
    if "EXV-19" in on:
        return (x * x).sum() / x.size
    return (deviation * deviation).sum() / x.size


# Those who do not ask whether all targets are equal
UNAWARE = {"EXV-04", "EXV-09", "EXV-09b", "EXV-09c"}


def explained_variance(on: Switches, values: Array, targets: Array) -> Any:
    if "EXV-01" in on:
        values, targets = targets, values
    total = variance(on, targets)
    nothing = bool((targets == targets[0]).all())  # to explain
    if on & {"EXV-02b", "EXV-03"}:
        nothing = total < 1e-12
    if nothing and not on & UNAWARE:
        if "EXV-05" in on:
            return 0.0
        return 1.0 if "EXV-14" in on else np.nan
    if not on & UNAWARE:
        unit = abs(targets - targets[0]).max()
        if on & {"EXV-23", "EXV-23b"}:  # which depend on the unit
            unit = 1.0
        values, targets = values / unit, targets / unit
        total = variance(on, targets)
    if "EXV-09" in on:
        total = total + 1e-8
    if "EXV-09b" in on:
        total = total + 1e-6
    if "EXV-09c" in on:
        total = total + 1e-10
    residual = targets - values  # (N,)
    if "EXV-15" in on:
        residual = targets + values
    unexplained = variance(on, residual)
    if "EXV-23" in on:
        total = np.sqrt(total)
    if "EXV-23b" in on:
        unexplained = np.sqrt(unexplained)
    if "EXV-24" in on:
        total = total + variance(on, values)
    if "EXV-25" in on:
        unexplained = unexplained * residual.size
    if "EXV-25b" in on:
        total = total * residual.size
    if "EXV-26" in on:
        unexplained = ((targets - values.sum() / values.size) ** 2).sum() / values.size
    if "EXV-27" in on:
        total = (targets * targets).sum() / targets.size
    if on & {"EXV-02", "EXV-02b"}:
        unexplained = (residual * residual).sum() / residual.size
    if "EXV-11" in on:
        unexplained = unexplained * residual.size / (residual.size - 1)
    if "EXV-11b" in on:
        total = total * residual.size / (residual.size - 1)
    if "EXV-10" in on:
        unexplained = variance(on, values)
    if "EXV-01b" in on:
        total = variance(on, values)
    if "EXV-21" in on:
        unexplained, total = total, unexplained
    share = unexplained / total
    explained = share if "EXV-06" in on else 1 - share
    if "EXV-22" in on:
        explained = -explained
    if "EXV-12" in on:
        explained = np.maximum(explained, 0)
    if "EXV-16" in on:
        explained = 100 * explained
    if on & {"EXV-08", "EXV-08b", "EXV-17"}:
        deviation = values - values.sum() / values.size  # (N,)
        covariance = (deviation * (targets - targets.sum() / targets.size)).sum() / values.size
        if "EXV-17" in on:
            return covariance / total
        correlation = covariance / np.sqrt(variance(on, values) * total)
        return correlation**2 if "EXV-08" in on else correlation
    if "EXV-18" in on:
        return variance(on, values) / total
    return explained


EXPLAINED_VARIANCE = [
    Mistake(
        "EXV-01",
        "Values and targets are exchanged: the variance that is explained is that of the targets.",
    ),
    Mistake(
        "EXV-01",
        "The error is divided by the variance of the values; it should be that of the targets.",
        switch="EXV-01b",
    ),
    *(
        Mistake(
            "EXV-02",
            "The mean square of the error stands where its variance should, as in R², which is "
            "right elsewhere; here a constant offset is no error.",
            convention=True,
            switch=switch,
        )
        for switch in ("EXV-02", "EXV-02b")
    ),
    Mistake(
        "EXV-03",
        "You answer nan where the variance of the targets is merely tiny; only when all targets "
        "are equal there is nothing to explain.",
    ),
    Mistake(
        "EXV-04",
        "Equal targets are not taken care of: you divide by 0; the answer is nan there.",
    ),
    Mistake(
        "EXV-05",
        "The answer is 0 for equal targets, which is right elsewhere; here it is nan: there is "
        "nothing to explain.",
        convention=True,
    ),
    Mistake("EXV-06", "1 − is missing: yours is the share that is not explained."),
    Mistake("EXV-07", "Standard deviations stand where variances should: they are not squared."),
    Mistake("EXV-08", "The squared correlation ignores scale; the formula is 1 − Var/Var."),
    Mistake(
        "EXV-08",
        "The correlation ignores scale; the formula is 1 − Var(targets − values) / Var(targets).",
        switch="EXV-08b",
    ),
    *(
        Mistake(
            "EXV-09",
            f"{eps} is added to the variance of the targets, which is right elsewhere; here equal "
            "targets give nan, and all others need no help.",
            convention=True,
            switch=switch,
        )
        for switch, eps in (("EXV-09", "1e-8"), ("EXV-09b", "1e-6"), ("EXV-09c", "1e-10"))
    ),
    Mistake(
        "EXV-10",
        "The variance of the values stands where that of the error targets − values should.",
    ),
    Mistake("EXV-11", "Only the error's variance is divided by N − 1; use one way for both."),
    Mistake(
        "EXV-11",
        "Only the targets' variance is divided by N − 1; use one way for both.",
        switch="EXV-11b",
    ),
    Mistake("EXV-12", "Negative answers are cut to 0; they say that a constant would be better."),
    Mistake("EXV-13", "The mean absolute deviation stands where the variance should: square it."),
    Mistake(
        "EXV-14",
        "The answer is 1 for equal targets; it is nan: there is nothing to explain.",
    ),
    Mistake("EXV-15", "Values and targets are added; the error is their difference."),
    Mistake("EXV-16", "Your result is in per cent; a share up to 1 is asked for."),
    Mistake("EXV-17", "The covariance is divided by the variance; the formula is 1 − Var/Var."),
    Mistake(
        "EXV-18",
        "Var(values) / Var(targets) is no measure of fit: use 1 − Var(targets − values) / "
        "Var(targets).",
    ),
    Mistake(
        "EXV-19",
        "Mean squares stand where variances should: subtract the mean first, in both of them.",
    ),
    Mistake("EXV-21", "The fraction is upside down: Var(targets − values) / Var(targets)."),
    Mistake(
        "EXV-22", "The sign is wrong: the formula is 1 − Var(targets − values) / Var(targets)."
    ),
    *ways(
        "EXV-23",
        "A variance is divided by a standard deviation, or the reverse; both are variances.",
        "EXV-23",
        "EXV-23b",
    ),
    Mistake("EXV-24", "The variance of the values is added in the denominator; leave it out."),
    *ways(
        "EXV-25",
        "A sum is divided by a mean, or the reverse; take both in one way.",
        "EXV-25",
        "EXV-25b",
    ),
    Mistake("EXV-26", "Only the mean of the values is used; the error is targets − values."),
    Mistake("EXV-27", "The mean of the targets is not subtracted in Var(targets)."),
]

VARIANTS: dict[str, Callable[..., Any]] = {
    "approx_kl": approx_kl,
    "clip_fraction": clip_fraction,
    "explained_variance": explained_variance,
}

MISTAKES: dict[str, list[Mistake]] = {
    "approx_kl": [*KL, *averages("KL", "Your estimate")],
    "clip_fraction": [
        *CLIP_FRACTION,
        *averages("CLF", "Your share"),
        *(m for m in RATIO if m.switch in {"SUR-07", "SUR-08", "SUR-26", "SUR-46"}),
    ],
    "explained_variance": EXPLAINED_VARIANCE,
}
