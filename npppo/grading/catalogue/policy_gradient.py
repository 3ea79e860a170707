"""Known mistakes in the policy gradient loss, and in how advantages enter a loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..exercise import Array, Mistake, Switches
from .means import Slips, averages, cut, mean

# Advantages


def normalized(advantages: Array) -> Array:
    centred = advantages - advantages.sum() / advantages.size  # (N,)
    deviation = np.sqrt((centred * centred).sum() / centred.size)
    normal: Array = centred / (deviation + 1e-8)  # (N,)
    return normal


def used(on: Switches, advantages: Array) -> Array:
    """The advantages as they enter the loss."""
    advantages = advantages * 1.0
    if "SUR-15" in on:
        advantages = abs(advantages)
    if "SUR-12" in on:
        advantages = np.full_like(advantages, advantages.sum() / advantages.size)
    if "SUR-27" in on or "LOS-04" in on:
        advantages = normalized(advantages)
    if "SUR-28" in on:
        advantages = advantages - advantages.sum() / advantages.size
    if "SUR-29" in on:
        advantages = np.maximum(advantages, 0)
    if "SUR-38" in on:
        advantages = np.ones_like(advantages)
    if "SUR-39" in on:
        advantages = np.sign(advantages)
    return advantages


ADVANTAGES = [
    Mistake("SUR-12", "The advantages are averaged first; each sample counts with its own."),
    Mistake("SUR-15", "The sign of the advantages is lost: their absolute value is used."),
    Mistake(
        "SUR-27",
        "The advantages are normalised inside your loss, which is right elsewhere; here they are "
        "used as given.",
        convention=True,
    ),
    Mistake("SUR-28", "The mean of the advantages is subtracted; they are used as given here."),
    Mistake("SUR-29", "Negative advantages are set to 0; bad actions should count too."),
    Mistake("SUR-38", "The advantages are left out: multiply by them."),
    Mistake("SUR-39", "Only the sign of the advantages is used, not their size."),
]


# The loss


def policy_gradient_loss(on: Switches, log_prob: Array, advantages: Array) -> Any:
    advantages = used(on, advantages)
    if "PGL-05" in on:
        log_prob = np.exp(log_prob)
    terms = log_prob * advantages  # (N,)
    if "PGL-07" in on:
        terms = log_prob - advantages
    if "PGL-08" in on:
        terms = log_prob + advantages
    if "PGL-09" in on:
        terms = terms * advantages
    if "PGL-18" in on:
        terms = terms * advantages.size / advantages.sum()
    if "PGL-18b" in on:
        terms = terms * advantages.size / abs(advantages).sum()
    if "PGL-19" in on:
        terms = terms * np.exp(log_prob)
    if "PGL-20" in on:
        terms = log_prob / advantages
    if "PGL-21" in on:
        terms = log_prob[0] * advantages
    if "PGL-21b" in on:
        terms = log_prob * advantages[0]
    loss = -mean(on, "PGL", terms)
    if "PGL-01" in on:
        loss = -loss
    if "PGL-10" in on:
        loss = loss / 2
    if "PGL-11" in on:
        loss = abs(loss)
    return loss


OF_LOG_PROB = Slips("SGR", "SGR-06", "SGR-07", "PGL-02", "SGR-10", "SGR-81", "SGR-82")


def policy_gradient_loss_backward(
    on: Switches, dloss: float, log_prob: Array, advantages: Array
) -> Any:
    rows = -used(on, advantages)  # (N,)
    if "PGL-12" in on:
        rows = rows * log_prob
    if "PGL-13" in on:
        rows = -log_prob
    if "PGL-05" in on:
        rows = rows * np.exp(log_prob)
    if "PGL-14" in on:
        rows = rows / np.exp(log_prob)
    if "PGL-15" in on:
        rows = rows / log_prob
    if "PGL-16" in on:
        rows = rows * (1 - np.exp(log_prob))
    if "PGL-09" in on:
        rows = rows * used(on, advantages)
    if "PGL-18" in on:
        rows = rows * rows.size / advantages.sum()
    if "PGL-18b" in on:
        rows = rows * rows.size / abs(advantages).sum()
    if "PGL-20" in on:
        rows = 1 / rows
    if "PGL-21b" in on:
        rows = np.full_like(rows, rows[0])
    return cut(on, "PGL-17", OF_LOG_PROB.scaled(on, rows, dloss), advantages)


PGL_SIGN = Mistake(
    "PGL-01",
    "Your sign is that of the objective, which is maximised, as is right elsewhere; here the "
    "loss −mean(log_prob · A) is minimised.",
    convention=True,
)

OTHER_WEIGHTS = [
    Mistake("PGL-09", "The advantages are squared: multiply by them once."),
    Mistake(
        "PGL-18",
        "It is divided by the sum of the advantages, as a weighted mean is; divide by N.",
    ),
    Mistake(
        "PGL-18",
        "It is divided by the sum of the advantages' absolute values; divide by N.",
        switch="PGL-18b",
    ),
    Mistake("PGL-20", "log_prob is divided by the advantages; multiply by them."),
    Mistake(
        "PGL-21",
        "The first advantage is used for all samples; each has its own.",
        switch="PGL-21b",
    ),
]

VARIANTS: dict[str, Callable[..., Any]] = {
    "policy_gradient_loss": policy_gradient_loss,
    "policy_gradient_loss_backward": policy_gradient_loss_backward,
}

MISTAKES: dict[str, list[Mistake]] = {
    "policy_gradient_loss": [
        PGL_SIGN,
        Mistake("PGL-05", "The probability stands where its logarithm should: log_prob · A."),
        Mistake("PGL-07", "The advantages are subtracted; they should be multiplied."),
        Mistake("PGL-08", "The advantages are added; they should be multiplied."),
        *OTHER_WEIGHTS,
        Mistake("PGL-19", "There is a factor π too many, that of an expectation: log_prob · A."),
        Mistake("PGL-21", "The first log_prob is used for all samples; each has its own."),
        Mistake("PGL-10", "There is a factor ½ too many."),
        Mistake("PGL-11", "The sign of the loss is lost: it may be negative."),
        *averages("PGL", "Your loss"),
        Mistake(
            "SUR-12",
            "Averages are multiplied, mean(log_prob) · mean(A), be it because a column meets a "
            "row; multiply sample by sample, then average.",
        ),
        *(m for m in ADVANTAGES if m.id != "SUR-12"),
    ],
    "policy_gradient_loss_backward": [
        *OF_LOG_PROB.mistakes("Your gradient"),
        Mistake("PGL-12", "There is a factor log_prob too many: the loss is linear in it."),
        Mistake(
            "PGL-13",
            "Yours is the gradient with respect to the advantages; it is asked for with respect "
            "to log_prob.",
        ),
        Mistake(
            "PGL-05",
            "There is a factor π too many: the gradient is asked for with respect to log_prob.",
        ),
        Mistake("PGL-14", "Your gradient is divided by π; with respect to log_prob it is not."),
        Mistake("PGL-15", "Your gradient is divided by log_prob; the loss is linear in it."),
        Mistake(
            "PGL-16",
            "There is a factor 1 − π too many: the gradient is asked for with respect to "
            "log_prob, not to the logits.",
        ),
        *OTHER_WEIGHTS,
        Mistake(
            "PGL-17",
            "Your gradient is cut to whole numbers because its array was made like integer "
            "advantages; make it floating.",
        ),
        *(m for m in ADVANTAGES if m.id != "SUR-12"),
    ],
}
