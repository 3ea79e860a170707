"""What holds of a result whatever the inputs: a hint where no mistake has a name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..exercises.exercise import Case

Law = tuple[str, Callable[[Case, Any], Any]]
ROUNDING = 1e-4  # of single precision, on numbers of order one

ROWS_SUM_TO_0: Law = (
    "The rows of the gradient do not sum to 0, though adding a number to a row of logits changes "
    "nothing.",
    lambda case, g: abs(np.sum(g, axis=1)) <= ROUNDING * (1 + abs(g).max()),
)
NOT_NEGATIVE: Law = (
    "It is negative somewhere, which this can never be.",
    lambda case, x: x >= -ROUNDING,
)

LAWS: dict[str, list[Law]] = {
    "softmax": [
        ("The rows do not sum to 1.", lambda case, p: abs(p.sum(axis=1) - 1) <= ROUNDING),
        ("There are negative probabilities.", lambda case, p: p >= 0),
    ],
    "log_softmax": [
        (
            "The exponentials of a row do not sum to 1.",
            lambda case, log_p: abs(np.exp(log_p).sum(axis=1) - 1) <= ROUNDING,
        )
    ],
    "softmax_backward": [ROWS_SUM_TO_0],
    "log_softmax_backward": [ROWS_SUM_TO_0],
    "categorical_log_prob_backward": [ROWS_SUM_TO_0],
    "categorical_entropy_backward": [ROWS_SUM_TO_0],
    "categorical_kl_backward": [ROWS_SUM_TO_0],
    "categorical_fisher": [ROWS_SUM_TO_0],
    "categorical_log_prob": [
        ("A log-probability is positive somewhere.", lambda case, log_p: log_p <= ROUNDING)
    ],
    "categorical_entropy": [
        NOT_NEGATIVE,
        (
            "It exceeds log A somewhere, the entropy of equal probabilities.",
            lambda case, H: np.log(case.args[0].shape[1]) + ROUNDING >= H,
        ),
    ],
    "categorical_kl": [NOT_NEGATIVE],
    "gaussian_kl": [NOT_NEGATIVE],
    "approx_kl": [NOT_NEGATIVE],
    "importance_ratio": [NOT_NEGATIVE],
    "value_loss": [NOT_NEGATIVE],
    "clipped_value_loss": [NOT_NEGATIVE],
    "relu": [NOT_NEGATIVE],
    "clip_fraction": [
        ("It is no share from 0 to 1.", lambda case, x: (x >= -ROUNDING) & (x <= 1 + ROUNDING))
    ],
    "normalize_advantages": [
        ("The mean of the result is not 0.", lambda case, x: abs(np.mean(x)) <= 10 * ROUNDING)
    ],
}


def broken_law(name: str, cases: Sequence[Case], results: Sequence[Any]) -> str | None:
    """What the first broken law says."""
    for sentence, holds in LAWS.get(name, []):
        for case, result in zip(cases, results, strict=True):
            if isinstance(result, np.ndarray | float) and np.isfinite(result).all():
                try:
                    if not np.all(holds(case, np.asarray(result))):
                        return sentence
                except (ValueError, IndexError):  # of another shape, which is told elsewhere
                    continue
    return None
