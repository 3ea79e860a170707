"""Known mistakes in the Fisher information of the softmax policy, times a vector."""

from __future__ import annotations

import numpy as np

from ..exercise import Array, Mistake, Switches
from .softmax import (
    FOR_P,
    ROW_SUM,
    SOFTMAX,
    finished,
    gradient,
    in_place_of_p,
    jacobian,
    times_jacobian,
)


def categorical_fisher(on: Switches, logits: Array, v: Array) -> Array:
    p = in_place_of_p(on, logits)  # (N, A)
    if "FSH-02" in on:
        p = np.broadcast_to(p.mean(axis=0), p.shape)
    if "FSH-03" in on:
        return finished(on, v / p)
    if "FSH-04" in on:
        return finished(on, times_jacobian(on, times_jacobian(on, v, p), p))
    if "FSH-05" in on:
        mean = np.mean([np.diag(row) - np.outer(row, row) for row in p], axis=0)  # (A, A)
        return finished(on, v @ mean)
    if "FSH-06" in on:
        return finished(on, times_jacobian(on, p, v))
    return finished(on, times_jacobian(on, v, p))


VARIANTS = {
    "categorical_fisher": categorical_fisher,
}

MISTAKES = {
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
        Mistake("FSH-05", "The matrices of the batch are averaged; each row has its own."),
        Mistake("FSH-06", "p and v are exchanged: the product is p (v − Σ p·v)."),
        *ROW_SUM,
        *FOR_P,
        *gradient("SMG-04", "The sign is wrong: the product is p (v − Σ p·v)."),
        *SOFTMAX,
    ],
}
