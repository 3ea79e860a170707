"""What many seeds say together, and how certain it is (Agarwal et al. 2021; their rliable).

Scores are arrays (..., N, M): N runs, which differ in their seed, of each of M tasks. A task is an
environment; where there is one, M is 1. What stands before, such as steps of a learning curve, is
treated side by side.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..formulas.shapes import Array

Statistic = Callable[[Array], Array]  # (..., N, M) -> (...)

RESAMPLES = 50_000  # as rliable takes
AT_A_TIME = 2**20  # scores of resamples, for the memory's sake


def mean(scores: Array) -> Array:
    """The mean of all scores; for as many runs of each task the mean of the tasks' means."""
    return scores.mean(axis=(-2, -1))  # (...)


def std(scores: Array) -> Array:
    """The sample standard deviation over the runs, with N - 1; its mean over the tasks.

    nan for a single run, which does not say how runs differ.
    """
    runs = scores.shape[-2]
    if runs < 2:
        return np.full(scores.shape[:-2], np.nan)  # (...)
    return scores.std(axis=-2, ddof=1).mean(axis=-1)  # (...)


def median(scores: Array) -> Array:
    """The middle of all scores.

    rliable's `aggregate_median` is the median over tasks of each task's mean, which for a single
    task is no median of anything.
    """
    return np.median(_together(scores), axis=-1)  # (...)


def iqm(scores: Array) -> Array:
    """The interquartile mean: the mean of what is left without the lowest and the highest quarter.

    Of all NM scores together ⌊NM/4⌋ are left out at each end, as in `scipy.stats.trim_mean(scores,
    0.25, axis=None)` and in rliable's `aggregate_iqm`. Less at the mercy of an outlier than the
    mean, and less wasteful than the median.
    """
    ordered = np.sort(_together(scores), axis=-1)  # (..., NM)
    size = ordered.shape[-1]
    return ordered[..., size // 4 : size - size // 4].mean(axis=-1)  # (...)


def bootstrap_interval(
    scores: Array,
    statistic: Statistic,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
    confidence: float = 0.95,
) -> Array:
    """The bootstrap interval (2, ...) of a statistic: its lower and its upper end.

    Stratified: a resample draws for each task N of its own N runs, with replacement, so that every
    task is in it as often as in the scores. What stands before runs and tasks is resampled alike.
    Percentile method: the ends are the (1 - confidence) / 2 and (1 + confidence) / 2 quantiles of
    the statistic over the resamples, interpolated linearly. As rliable's `get_interval_estimates`,
    which draws with `numpy.random.choice`; the same draws give the same interval.

    With few runs it is too narrow, and with a single one it is a point.
    """
    *_, runs, tasks = scores.shape
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}, expected a number between 0 and 1")
    if runs < 1 or tasks < 1:
        raise ValueError(f"scores have shape {scores.shape}, expected at least one run of a task")
    of_tasks = np.arange(tasks)
    at_a_time = max(1, AT_A_TIME // scores.size)
    estimates = []
    for start in range(0, resamples, at_a_time):
        size = min(at_a_time, resamples - start), runs, tasks  # (R, N, M)
        drawn = scores[..., rng.integers(runs, size=size), of_tasks]  # (..., R, N, M)
        estimates.append(statistic(drawn))  # (..., R)
    ends = np.array([(1 - confidence) / 2, (1 + confidence) / 2])  # (2,)
    return np.quantile(np.concatenate(estimates, axis=-1), ends, axis=-1)  # (2, ...)


def _together(scores: Array) -> Array:
    return scores.reshape(*scores.shape[:-2], -1)  # (..., NM)
