"""Known mistakes in normalising advantages."""

from __future__ import annotations

import numpy as np

from ..exercise import Array, Mistake, Switches, ways
from .episodes import chosen, cut

OTHER_DEFAULTS = (0.0, 1e-12, 1e-10, 1e-9, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3)
FIXED = (1e-8, 1e-6, 1e-5)
LIMITS = (1, 3, 5, 10)


def normalize_advantages(on: Switches, advantages: Array, eps: float | None = None) -> Array:
    if eps is None:
        eps = chosen(on, {f"default {other:g}": other for other in OTHER_DEFAULTS}, 1e-8)
    eps = chosen(on, {f"always {fixed:g}": fixed for fixed in FIXED}, eps)
    a = advantages
    if "one value unchanged" in on and a.size == 1:
        return a
    if "one row unchanged" in on and len(a) == 1:
        return a

    mean, variance = moments(on, a)
    std = np.sqrt(variance)
    centred = np.asarray(a - subtracted(on, a, mean))
    spread = divisor(on, a, mean, variance)
    scale = spread + eps
    if "not scaled" in on:
        scale = np.ones(())
    if "eps inside the root" in on:
        scale = np.sqrt(spread**2 + eps)
    if "eps squared inside the root" in on:
        scale = np.sqrt(spread**2 + eps**2)
    if on & {"no eps", "eps behind the fraction", "eps in the numerator"}:
        scale = spread
    if "no eps, 0 spared" in on:
        scale = np.where(spread == 0, 1, spread)
    if "the larger of std and eps" in on:
        scale = np.maximum(spread, eps)
    if "eps subtracted" in on:
        scale = spread - eps
    if "multiplied" in on:
        scale = 1 / scale
    if "eps in the numerator" in on:
        centred = centred + eps
    if "deviations in whole numbers" in on and a.dtype.kind in "iu":
        centred = np.trunc(centred)

    result = centred / scale
    if "parentheses" in on:
        result = a - mean / scale
    if "mean subtracted after scaling" in on:
        result = a / scale - mean
    if "eps behind the fraction" in on:
        result = result + eps
    if "sign" in on:
        result = -result
    if "absolute value" in on:
        result = np.abs(result)
    if "normalised twice" in on:
        result = (result - result.mean()) / (result.std() + eps)
    for limit in LIMITS:
        if f"clipped to {limit}" in on:
            result = np.clip(result, -limit, limit)
    if "small spread not scaled" in on:
        result = np.where(std < eps, centred, result)
    if "small spread unchanged" in on:
        result = np.where(std < eps, a, result)
    if "small spread gives 0" in on:
        result = np.where(std < eps, 0, result)
    if "constant unchanged" in on:
        result = np.where(std == 0, a, result)
    if "flattened" in on:
        result = result.reshape(-1)
    return cut(on, "whole numbers", result, a)


def moments(on: Switches, a: Array) -> tuple[Array, Array]:
    """Mean and variance."""
    n = len(a) if "divided by the number of rows" in on else a.size
    less = 1 if "N − 1" in on or ("N − 1, one value spared" in on and n > 1) else 0
    mean = a.sum() / (len(a) if "mean divided by the number of rows" in on else n)
    if "last left out of the mean" in on:
        mean = a.reshape(-1)[:-1].sum() / n
    squares = np.sum((a - mean) ** 2)
    if "squares divided by the number of rows" in on:
        n = len(a)
    variance = np.divide(squares, n - less)
    for switch, axis in {"per column": 0, "per row": -1}.items():
        if switch in on:
            mean = a.mean(axis=axis, keepdims=True)
            variance = np.var(a, axis=axis, keepdims=True, ddof=less)
    if "per column, std of all" in on:
        mean = a.mean(axis=0)
        variance = np.mean((a - mean) ** 2)
    return mean, variance


def subtracted(on: Switches, a: Array, mean: Array) -> Array:
    instead = {
        "not centred": np.zeros(()),
        "RMS": np.zeros(()),
        "norm": np.zeros(()),
        "maximum": np.zeros(()),
        "min-max": a.min(),
        "minimum subtracted": a.min(),
        "median subtracted": np.median(a),
        "sum subtracted": a.sum(),
        "first value subtracted": a.reshape(-1)[0],
        "mean added": -mean,
    }
    return np.asarray(chosen(on, instead, mean))


def divisor(on: Switches, a: Array, mean: Array, variance: Array) -> Array:
    """What stands for the standard deviation."""
    if "mean not squared" in on:
        return np.asarray(np.sqrt(np.mean(a**2) - mean))
    deviations = a - mean
    instead = {
        "standard error": np.sqrt(variance / a.size),
        "mean added under the root": np.sqrt(np.mean(a**2) + mean**2),
        "std of the first row": np.std(a[0]) if a.ndim > 1 else np.sqrt(variance),
        "variance": variance,
        "root twice": variance**0.25,
        "sum of squares": np.sum(deviations**2),
        "RMS": np.sqrt(np.mean(a**2)),
        "RMS, centred": np.sqrt(np.mean(a**2)),
        "norm": np.sqrt(np.sum(a**2)),
        "norm, centred": np.sqrt(np.sum(deviations**2)),
        "mean deviation": np.mean(np.abs(deviations)),
        "min-max": np.ptp(a),
        "range": np.ptp(a),
        "maximum": np.max(np.abs(a)),
        "maximum, centred": np.max(np.abs(deviations)),
        "mean": np.mean(a),
        "mean absolute value": np.mean(np.abs(a)),
    }
    return np.asarray(chosen(on, instead, np.sqrt(variance)))


VARIANTS = {
    "normalize_advantages": normalize_advantages,
}

MISTAKES = {
    "normalize_advantages": [
        *ways(
            "NRM-01",
            "The standard deviation divides by N − 1: right elsewhere (torch.std), here by N as in "
            "np.std.",
            "N − 1",
            "N − 1, one value spared",
            convention=True,
        ),
        *ways(
            "NRM-02",
            "The brackets are wrong; subtract the mean first, then divide all of it: "
            "(a − mean) / (std + eps).",
            "parentheses",
            "mean subtracted after scaling",
        ),
        *ways(
            "NRM-03",
            "You divide by the variance; it is its square root, the standard deviation.",
            "variance",
        ),
        *ways(
            "NRM-03",
            "You divide by the sum of squares; the standard deviation is the root of their mean.",
            "sum of squares",
        ),
        *ways("NRM-04", "The mean is not subtracted: (a − mean) / (std + eps).", "not centred"),
        *ways(
            "NRM-05",
            "eps is inside the root; it is added to the standard deviation.",
            "eps inside the root",
            "eps squared inside the root",
        ),
        *ways(
            "NRM-06",
            "eps is left out; without it a constant batch is 0/0, and the result differs where the "
            "spread is small.",
            "no eps",
            "no eps, 0 spared",
        ),
        *ways(
            "NRM-07",
            "You divide by the range max − min; it is the standard deviation.",
            "min-max",
            "range",
        ),
        *ways(
            "NRM-08",
            "You divide by the root mean square of the advantages as they are; the standard "
            "deviation is that of a − mean.",
            "RMS",
            "RMS, centred",
        ),
        *ways(
            "NRM-09",
            "eps is added to the fraction; it belongs to the denominator, std + eps.",
            "eps behind the fraction",
        ),
        *ways(
            "NRM-09",
            "eps is added to the numerator; it belongs to the denominator, std + eps.",
            "eps in the numerator",
        ),
        *ways(
            "NRM-11",
            "Each column is normalised by itself (axis 0); mean and standard deviation are those "
            "of all entries.",
            "per column",
            "per column, std of all",
        ),
        *ways(
            "NRM-11",
            "Each row is normalised by itself (axis 1); mean and standard deviation are those of "
            "all entries.",
            "per row",
        ),
        *ways("NRM-12", "The result is centred only; divide by std + eps.", "not scaled"),
        *ways(
            "NRM-13",
            "You divide by the largest absolute value; it is the standard deviation.",
            "maximum",
            "maximum, centred",
        ),
        *ways(
            "NRM-14",
            "You divide by the Euclidean norm, the root of the sum of squares; the standard "
            "deviation is the root of their mean.",
            "norm",
            "norm, centred",
        ),
        *(
            Mistake("NRM-15", f"eps is {eps:g} by default; it is 1e-8.", switch=f"default {eps:g}")
            for eps in OTHER_DEFAULTS
        ),
        *(
            Mistake(
                "NRM-16",
                f"The argument eps is ignored, it is always {eps:g}.",
                switch=f"always {eps:g}",
            )
            for eps in FIXED
        ),
        *ways("NRM-17", "The sum is subtracted; it is the mean.", "sum subtracted"),
        *ways("NRM-34", "The median is subtracted; it is the mean.", "median subtracted"),
        *ways("NRM-35", "The minimum is subtracted; it is the mean.", "minimum subtracted"),
        *ways("NRM-36", "The first value is subtracted; it is the mean.", "first value subtracted"),
        *ways("NRM-18", "The mean is added; it is subtracted.", "mean added"),
        *ways(
            "NRM-19",
            "You divide by the mean absolute deviation; the standard deviation is the root of the "
            "mean square.",
            "mean deviation",
        ),
        *ways("NRM-20", "You divide by the mean; it is the standard deviation.", "mean"),
        *ways(
            "NRM-20",
            "You divide by the mean absolute value; it is the standard deviation.",
            "mean absolute value",
        ),
        *ways("NRM-21", "The sign is wrong: a − mean, not mean − a.", "sign"),
        *ways("NRM-22", "You multiply by std + eps; divide by it.", "multiplied"),
        *ways(
            "NRM-23", "The mean is not squared: Var(a) = mean(a²) − mean(a)².", "mean not squared"
        ),
        *ways(
            "NRM-24",
            "A root too many: you divide by the root of the standard deviation.",
            "root twice",
        ),
        *ways(
            "NRM-25",
            "You divide by the larger of std and eps: right elsewhere (as a guard against 0), here "
            "by std + eps.",
            "the larger of std and eps",
            convention=True,
        ),
        *ways(
            "NRM-26",
            "eps is subtracted from the standard deviation; it is added.",
            "eps subtracted",
        ),
        *ways(
            "NRM-27",
            "A small spread gets a rule of its own; (a − mean) / (std + eps) holds for every input "
            "and needs no exception.",
            "small spread not scaled",
            "small spread unchanged",
            "small spread gives 0",
        ),
        *ways(
            "NRM-28",
            "A single value or a constant batch is returned as it is; the formula gives 0.",
            "one value unchanged",
            "one row unchanged",
            "constant unchanged",
        ),
        *ways(
            "NRM-29",
            "Integer advantages give integers, what follows the decimal point is lost; results are "
            "floats.",
            "whole numbers",
            "deviations in whole numbers",
        ),
        *ways(
            "NRM-30", "The result is flattened; it has the shape of the advantages.", "flattened"
        ),
        *ways(
            "NRM-31",
            "Sums are divided by the number of rows, len(a); there are a.size entries.",
            "divided by the number of rows",
        ),
        *ways(
            "NRM-31",
            "One of two sums is divided by the number of rows, len(a); there are a.size entries.",
            "mean divided by the number of rows",
            "squares divided by the number of rows",
        ),
        *ways(
            "NRM-38",
            "You divide by std / √N, the error of the mean; it is the standard deviation.",
            "standard error",
        ),
        *ways(
            "NRM-39",
            "The squared mean is added under the root: Var(a) = mean(a²) − mean(a)².",
            "mean added under the root",
        ),
        *ways(
            "NRM-40",
            "The standard deviation is that of the first row; it is that of all entries.",
            "std of the first row",
        ),
        *ways(
            "NRM-41",
            "The last value is left out of the mean: your loop ends one too early.",
            "last left out of the mean",
        ),
        *ways("NRM-32", "The advantages lose their sign.", "absolute value"),
        *ways(
            "NRM-33",
            "The advantages are normalised twice; with eps that is not the same as once.",
            "normalised twice",
        ),
        *(
            Mistake(
                "NRM-37",
                f"The result is clipped to ±{limit}; large advantages stay large.",
                switch=f"clipped to {limit}",
            )
            for limit in LIMITS
        ),
    ],
}
