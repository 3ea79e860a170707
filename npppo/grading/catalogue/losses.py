"""Known mistakes in the losses and in what is watched meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..exercise import Array, Mistake, Switches
from . import categorical

# Averages, and what comes back through them


def mean(on: Switches, part: str, x: Array) -> Any:
    """Average over the batch; `part` is the prefix of the identifiers of its mistakes."""
    if SUMMED[part] in on:
        return x.sum()
    if f"{part}-90" in on:
        return x
    if f"{part}-91" in on:
        return x[:-1].sum() / x.size
    if f"{part}-91b" in on:
        return x[:-1].sum() / (x.size - 1)
    if f"{part}-92" in on:
        return x[1:].sum() / x.size
    if f"{part}-92b" in on:
        return x[1:].sum() / (x.size - 1)
    if f"{part}-93" in on:
        return x.sum() / (x.size - 1)
    if f"{part}-94" in on:
        return x.sum() / x.size**2
    if f"{part}-95" in on:
        return x[:1].sum()
    if f"{part}-95b" in on:
        return x[-1:].sum()
    if f"{part}-96" in on:
        return x.sum(keepdims=True) / x.size
    return x.sum() / x.size


SUMMED = {
    "PGL": "PGL-03",
    "SUR": "SUR-11",
    "VAL": "VAL-12",
    "KL": "KL-09",
    "CLF": "CLF-04",
    "LOS": "LOS-11",
}


def averages(part: str, what: str) -> list[Mistake]:
    """The mistakes of `mean`."""
    return [
        Mistake(
            SUMMED[part],
            f"{what} is summed over the batch, which is right elsewhere; here it is the mean: "
            "divide by N.",
            convention=True,
        ),
        Mistake(
            f"{part}-90",
            f"{what} is never averaged: there is one entry for each sample, and should be one "
            "number, their mean.",
        ),
        Mistake(f"{part}-91", f"{what} leaves the last sample out: your loop ends one too early."),
        Mistake(
            f"{part}-91",
            f"{what} is an average without the last sample: your loop ends one too early.",
            switch=f"{part}-91b",
        ),
        Mistake(f"{part}-92", f"{what} leaves the first sample out: indices start at 0."),
        Mistake(
            f"{part}-92",
            f"{what} is an average without the first sample: indices start at 0.",
            switch=f"{part}-92b",
        ),
        Mistake(f"{part}-93", f"{what} is divided by N − 1; a mean over the batch divides by N."),
        Mistake(f"{part}-94", f"{what} is divided by N twice; once makes it the mean."),
        Mistake(
            f"{part}-95",
            f"{what} is that of the first sample only: your function returns inside its loop.",
        ),
        Mistake(
            f"{part}-95",
            f"{what} is that of the last sample only: your loop overwrites its result instead of "
            "adding to it.",
            switch=f"{part}-95b",
        ),
        Mistake(
            f"{part}-96",
            f"{what} is an array with one entry, of shape (1,); it should be a number, of shape "
            "().",
        ),
    ]


@dataclass(frozen=True)
class Slips:
    """The identifiers of what goes wrong on the way back through a mean."""

    part: str
    sign: str
    share: str
    upstream: str
    zero: str
    twice: str
    half: str

    def scaled(self, on: Switches, rows: Array, dloss: float) -> Any:
        """Gradient dloss / N · rows, where rows are the derivatives of each sample's term."""
        if self.upstream in on:
            dloss = 1.0
        if self.sign in on:
            dloss = -dloss
        if self.twice in on:
            dloss = 2 * dloss
        if self.half in on:
            dloss = dloss / 2
        count = rows.size
        if self.share in on:
            count = 1
        if f"{self.part}-83" in on:
            count = count * count
        gradient = rows * (dloss / count)
        if self.zero in on:
            gradient = 0 * gradient
        if f"{self.part}-85" in on:
            return gradient.sum()
        if f"{self.part}-86" in on:
            return np.full_like(gradient, gradient.sum() / gradient.size)
        if f"{self.part}-87" in on:
            gradient[-1:] = 0
        if f"{self.part}-88" in on:
            gradient[:1] = 0
        if f"{self.part}-89" in on:
            return gradient[:, np.newaxis]
        return gradient

    def mistakes(self, what: str) -> list[Mistake]:
        return [
            Mistake(self.sign, f"{what} has the wrong sign: it points the other way."),
            Mistake(
                self.share,
                f"{what} misses the 1/N of the mean: each sample's share of dloss is dloss / N.",
            ),
            Mistake(
                self.upstream,
                f"{what} ignores dloss, the gradient that comes from above; it should be "
                "multiplied by it.",
            ),
            Mistake(
                self.zero,
                f"{what} is zero everywhere, as if the loss did not depend on it (detached).",
            ),
            Mistake(self.twice, f"{what} is twice what it should be."),
            Mistake(self.half, f"{what} is half of what it should be."),
            Mistake(f"{self.part}-83", f"{what} is divided by N twice; once is right."),
            Mistake(
                f"{self.part}-85",
                f"{what} is summed to one number; it should have one entry for each sample.",
            ),
            Mistake(
                f"{self.part}-86",
                f"{what} is averaged, so that all samples get the same; each should get its own.",
            ),
            Mistake(
                f"{self.part}-87", f"{what} is never filled in for the last sample: it stays 0."
            ),
            Mistake(
                f"{self.part}-88", f"{what} is never filled in for the first sample: it stays 0."
            ),
            Mistake(f"{self.part}-89", f"{what} has the shape (N, 1); it should be (N,)."),
        ]


OF_RATIO = Slips("SGR", "SGR-06", "SGR-07", "SGR-14", "SGR-10", "SGR-81", "SGR-82")
OF_LOG_PROB = Slips("SGR", "SGR-06", "SGR-07", "PGL-02", "SGR-10", "SGR-81", "SGR-82")
OF_VALUES = Slips("VGR", "VGR-03", "VGR-04", "VGR-08", "VGR-12", "VGR-02", "VGR-82")


def cut(on: Switches, switch: str, gradient: Any, like: Array) -> Any:
    """The gradient put into an array like `like`, which cuts it to integers if that has those."""
    return gradient.astype(like.dtype) if switch in on and like.dtype.kind in "iu" else gradient


# Importance ratio


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
    if "SUR-55" in on:
        return np.minimum(ratio, 1)
    if "SUR-56" in on:
        return np.minimum(np.maximum(ratio, 0.8), 1.2)
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
]


def slope_of_ratio(on: Switches, log_prob: Array, old_log_prob: Array) -> Any:
    """Derivative of the ratio with respect to log_prob, as it is for a mistaken ratio."""
    ratio = importance_ratio(on, log_prob, old_log_prob)
    if "SUR-07" in on:
        return -ratio
    if "SUR-08" in on or "SUR-18" in on:
        return np.ones_like(log_prob)
    if "SUR-46" in on:
        return 1 / old_log_prob
    if "SUR-49" in on:
        return np.log(2) * ratio
    if "SUR-49b" in on:
        return np.log(10) * ratio
    if "SUR-47" in on:
        return np.exp(log_prob)
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
        "SGR-28",
        "The ratio in your gradient is upside down: it is exp(log_prob − old_log_prob).",
    ),
    Mistake(
        "SUR-07",
        "Your gradient is that of old over new, exp(old_log_prob − log_prob); the ratio is new "
        "over old.",
    ),
    Mistake(
        "SGR-29", "The factor is log ratio; the derivative of exp is exp again: the ratio itself."
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
    Mistake("SGR-89", "Your gradient has the shape (N, 1); it should be (N,)."),
]


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


# Policy gradient


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
    loss = -mean(on, "PGL", terms)
    if "PGL-01" in on:
        loss = -loss
    if "PGL-10" in on:
        loss = loss / 2
    if "PGL-11" in on:
        loss = abs(loss)
    return loss


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
    return cut(on, "PGL-17", OF_LOG_PROB.scaled(on, rows, dloss), advantages)


PGL_SIGN = Mistake(
    "PGL-01",
    "Your sign is that of the objective, which is maximised, as is right elsewhere; here the "
    "loss −mean(log_prob · A) is minimised.",
    convention=True,
)


# Clipped surrogate


@dataclass(frozen=True)
class Surrogate:
    """What both directions need, mistakes included."""

    ratio: Any  # (N,)
    advantages: Array  # (N,)
    low: float
    high: float
    clipped_ratio: Any  # (N,)
    unclipped: Any  # (N,)
    clipped: Any  # (N,)


def surrogate(
    on: Switches, log_prob: Array, old_log_prob: Array, advantages: Array, clip: float
) -> Surrogate:
    ratio = importance_ratio(on, log_prob, old_log_prob)
    if "SUR-57" in on:
        ratio = log_prob
    given, advantages = advantages, used(on, advantages)
    if "SUR-19c" in on:
        advantages = advantages[:, np.newaxis]
    if "SUR-40" in on:
        clip = 0.2
    low, high = 1 - clip, 1 + clip
    if "SUR-14" in on:
        low, high = -clip, clip
    if "SUR-16" in on:
        low = -np.inf
    if "SUR-17" in on:
        low = 1 / (1 + clip)
    if "SUR-30" in on:
        high = np.inf
    if "SUR-31" in on:
        high = 1 / (1 - clip)
    if "SUR-32" in on:
        high = 1.0
    if "SUR-35" in on:
        low, high = 1 - clip / 2, 1 + clip / 2
    clipped_ratio = np.minimum(np.maximum(ratio, low), high)  # (N,)
    if "SUR-13" in on:
        log_ratio = log_prob - old_log_prob  # (N,)
        clipped_ratio = np.exp(np.minimum(np.maximum(log_ratio, -clip), clip))
    unclipped = ratio * advantages  # (N,)
    clipped = clipped_ratio * advantages  # (N,)
    if "SUR-05" in on:
        clipped = np.minimum(np.maximum(unclipped, low), high)
    if "SUR-33" in on:
        clipped = ratio * np.minimum(np.maximum(advantages, low), high)
    if "SUR-41" in on:
        clipped = np.where(advantages > 0, low, high) * advantages
    if "SUR-42" in on:
        clipped = high * advantages
    if "SUR-42b" in on:
        clipped = low * advantages
    if "SUR-59" in on:
        clipped = clipped_ratio
    if "SUR-59b" in on:
        unclipped = ratio
    if "SUR-21" in on:
        unclipped = ratio * normalized(given)
    if "SUR-21b" in on:
        clipped = clipped_ratio * normalized(given)
    return Surrogate(ratio, advantages, low, high, clipped_ratio, unclipped, clipped)


def clipped_surrogate_loss(
    on: Switches, log_prob: Array, old_log_prob: Array, advantages: Array, clip: float
) -> Any:
    s = surrogate(on, log_prob, old_log_prob, advantages, clip)
    terms = np.minimum(s.unclipped, s.clipped)  # (N,)
    if "SUR-01" in on:
        terms = s.clipped
    if "SUR-02" in on:
        terms = np.minimum(s.ratio, s.clipped_ratio) * s.advantages
    if "SUR-02b" in on:
        terms = np.maximum(s.ratio, s.clipped_ratio) * s.advantages
    if "SUR-04" in on:
        terms = np.maximum(s.unclipped, s.clipped)
    if "SUR-09" in on:
        terms = s.unclipped
    if "SUR-10" in on:
        terms = np.minimum(s.unclipped.sum(), s.clipped.sum()) / s.clipped.size
        terms = np.full_like(s.clipped, terms)
    if "SUR-36" in on:
        terms = s.unclipped + s.clipped
    if "SUR-36b" in on:
        terms = (s.unclipped + s.clipped) / 2
    if "SUR-37" in on:
        terms = s.unclipped * (abs(s.ratio - 1) <= clip)
    if "SUR-44" in on:
        terms = np.where(s.advantages < 0, np.maximum(terms, 3 * s.advantages), terms)
    loss = -mean(on, "SUR", terms)
    if "SUR-06" in on:
        loss = -loss
    if "SUR-43" in on:
        loss = abs(loss)
    if "SUR-58" in on:
        loss = loss / 2
    return loss


BOUNDS = [
    Mistake(
        "SUR-14", "Your band lies around 0: the ratio is clipped to 1 − clip … 1 + clip, around 1."
    ),
    Mistake(
        "SUR-16",
        "Only the upper bound is there: for A < 0 the ratio is clipped from below too, at "
        "1 − clip.",
    ),
    Mistake("SUR-17", "Your lower bound is 1/(1 + clip); it is 1 − clip."),
    Mistake(
        "SUR-30",
        "Only the lower bound is there: for A > 0 the ratio is clipped from above, at 1 + clip.",
    ),
    Mistake("SUR-31", "Your upper bound is 1/(1 − clip); it is 1 + clip."),
    Mistake("SUR-32", "Your upper bound is 1; it is 1 + clip."),
    Mistake("SUR-35", "Your band is half as wide as it should be: it is 1 − clip … 1 + clip."),
    Mistake("SUR-40", "clip is always 0.2 in your code; use the argument."),
    Mistake(
        "SUR-13",
        "The logarithm of the ratio is clipped to ±clip; the ratio itself is, to "
        "1 − clip … 1 + clip.",
    ),
]

PRODUCTS = [
    Mistake(
        "SUR-05",
        "The product r · A is clipped; the ratio is, before it is multiplied by A.",
    ),
    Mistake("SUR-33", "The advantages are clipped; the ratio should be."),
    Mistake("SUR-59", "The clipped branch is not multiplied by A: it is clip(r) · A."),
    Mistake(
        "SUR-59", "The unclipped branch is not multiplied by A: it is r · A.", switch="SUR-59b"
    ),
    Mistake(
        "SUR-41",
        "The bounds belong to the other sign: for A > 0 the ratio is limited by 1 + clip, for "
        "A < 0 by 1 − clip.",
    ),
    Mistake("SUR-42", "The bound is 1 + clip also for A < 0, where it should be 1 − clip."),
    Mistake(
        "SUR-42",
        "The bound is 1 − clip also for A > 0, where it should be 1 + clip; perhaps the bounds are "
        "exchanged.",
        switch="SUR-42b",
    ),
]

SURROGATE = [
    Mistake(
        "SUR-01",
        "The minimum is missing: only clip(r) · A counts, where min(r · A, clip(r) · A) should.",
    ),
    Mistake(
        "SUR-02",
        "The minimum is taken of the ratios, before multiplying by A (or of |A| times them); for "
        "A < 0 the order turns round: take it of r · A and clip(r) · A.",
    ),
    Mistake(
        "SUR-02",
        "The maximum is taken of the ratios, before multiplying by A; take the minimum of r · A "
        "and clip(r) · A.",
        switch="SUR-02b",
    ),
    Mistake(
        "SUR-04",
        "The larger of r · A and clip(r) · A is taken, or the smaller of their negatives; the "
        "surrogate is the pessimistic one, the minimum, and the loss is minus that.",
    ),
    Mistake(
        "SUR-06",
        "Your sign is that of the objective, which is maximised, as is right elsewhere; here the "
        "loss is minimised: put a minus before the mean.",
        convention=True,
    ),
    Mistake("SUR-09", "Nothing is clipped: your loss is −mean(r · A)."),
    Mistake("SUR-10", "The minimum is taken of the two means; it is taken sample by sample."),
    Mistake(
        "SUR-19",
        "The advantages are a column (N, 1) and the ratios a row (N,), so that every sample is "
        "paired with every other; keep all arrays (N,).",
        switch="SUR-19c",
    ),
    Mistake(
        "SUR-21",
        "The unclipped branch sees normalised advantages and the clipped one does not; both use "
        "them as given.",
    ),
    Mistake(
        "SUR-21",
        "The clipped branch sees normalised advantages and the unclipped one does not; both use "
        "them as given.",
        switch="SUR-21b",
    ),
    Mistake("SUR-36", "The two branches are added; their minimum is taken, sample by sample."),
    Mistake(
        "SUR-36",
        "The two branches are averaged; their minimum is taken, sample by sample.",
        switch="SUR-36b",
    ),
    Mistake(
        "SUR-37",
        "Samples outside the band are dropped; they count with min(r · A, clip(r) · A).",
    ),
    Mistake("SUR-43", "The sign of the loss is lost: it may be negative."),
    Mistake(
        "SUR-44",
        "The surrogate is bounded by 3 A where A < 0, which is right elsewhere (dual-clip PPO, Ye "
        "et al. 2020); here it is not.",
        convention=True,
    ),
    Mistake(
        "SUR-57",
        "The log-probability stands where the ratio should: r = exp(log_prob − old_log_prob).",
    ),
    Mistake("SUR-58", "There is a factor ½ too many: the surrogate has none."),
]

# Where the gradient flows: of the ratio, the advantages and the bounds
FLOWS: dict[str, Callable[[Surrogate], Any]] = {
    "SGR-01": lambda s: (s.ratio >= s.low) & (s.ratio <= s.high),
    "SGR-01b": lambda s: (s.ratio > s.low) & (s.ratio < s.high),
    "SGR-03": lambda s: np.where(s.advantages > 0, s.ratio >= s.low, s.ratio <= s.high),
    "SGR-04": lambda s: np.ones_like(s.ratio, bool),
    "SGR-08": lambda s: s.ratio <= s.high,
    "SGR-11": lambda s: s.unclipped < np.where(s.advantages > 0, s.high, s.low) * s.advantages,
    "SGR-12": lambda s: s.unclipped > s.clipped,
    "SGR-13": lambda s: s.ratio >= s.low,
    "SGR-15": lambda s: s.unclipped < s.clipped,
    "SGR-17": lambda s: (s.ratio < s.low) | (s.ratio > s.high),
    "SGR-19": lambda s: (s.ratio > s.high) | ((s.ratio >= s.low) & (s.advantages >= 0)),
    "SGR-24": lambda s: (s.advantages > 0) & (s.unclipped <= s.clipped),
    "SGR-25": lambda s: (s.advantages < 0) & (s.unclipped <= s.clipped),
    "SGR-26": lambda s: (s.ratio <= s.high) & ((s.ratio >= s.low) | (s.advantages < 0)),
    "SGR-27": lambda s: abs(s.ratio) <= s.high - 1,
    "SUR-10": lambda s: (
        np.full_like(s.ratio, s.unclipped.sum() <= s.clipped.sum(), bool)
        | (s.ratio >= s.low) & (s.ratio <= s.high)
    ),
}


def clipped_surrogate_loss_backward(
    on: Switches,
    dloss: float,
    log_prob: Array,
    old_log_prob: Array,
    advantages: Array,
    clip: float,
) -> Any:
    s = surrogate(on, log_prob, old_log_prob, advantages, clip)
    flows = s.unclipped <= s.clipped  # (N,) bool
    for switch, mask in FLOWS.items():
        if switch in on:
            flows = mask(s)
    slope = slope_of_ratio(on, log_prob, old_log_prob)  # (N,)
    if "SGR-02" in on:
        slope = np.ones_like(log_prob)
    if "SGR-18" in on:
        slope = s.ratio * s.ratio
    if "SGR-28" in on:
        slope = 1 / s.ratio
    if "SGR-29" in on:
        slope = log_prob - old_log_prob
    if "SGR-30" in on:
        slope = log_prob
    if "SGR-33" in on:
        slope = s.ratio * log_prob
    if "SGR-36" in on:
        slope = np.exp(log_prob)
    if "SGR-23" in on:
        slope = s.clipped_ratio
    if "SGR-20" in on:
        slope = s.ratio * (1 - np.exp(log_prob))
    factor = 1.0 if "SGR-16" in on else s.advantages  # (N,)
    rows = np.where(flows, slope * factor, 0)  # (N,)
    if "SGR-05" in on:
        rows = np.where(flows, rows, s.clipped)
    if "SGR-05b" in on:
        rows = np.where(flows, rows, s.advantages)
    if "SGR-05c" in on:
        rows = np.where(flows, rows, s.ratio * s.clipped)
    if "SGR-22" in on:
        rows = s.clipped
    if "SUR-36" in on:
        inside = (s.ratio >= s.low) & (s.ratio <= s.high)  # (N,) bool
        rows = s.unclipped * (1.0 + inside)
    if "SUR-44" in on:
        rows = np.where((s.advantages < 0) & (s.ratio > 3), 0, rows)
    if "SGR-09" in on:
        rows = rows * (len(rows) / max(1, int(np.count_nonzero(flows))))
    return cut(on, "SGR-21", OF_RATIO.scaled(on, -rows, dloss), advantages)


SURROGATE_BACKWARD = [
    Mistake(
        "SGR-01",
        "Your gradient is zero wherever the ratio is outside the band; there is one where a move "
        "went the wrong way: for A > 0 below the band and for A < 0 above it.",
    ),
    Mistake(
        "SGR-01",
        "Your gradient is zero wherever the ratio is outside the band or at its bounds; it should "
        "flow at the bounds, for A > 0 also below the band and for A < 0 above it.",
        switch="SGR-01b",
    ),
    Mistake(
        "SGR-02",
        "The factor r is missing: yours is the gradient with respect to the ratio; with respect "
        "to log_prob it is r · A.",
    ),
    Mistake(
        "SGR-03",
        "Your gradient is cut on the wrong side, as that of the maximum would be: it is zero for "
        "A > 0 above the band and for A < 0 below it.",
    ),
    Mistake(
        "SGR-04",
        "Your gradient is never zero: where the clipped branch is the smaller one, nothing flows.",
    ),
    Mistake(
        "SGR-05",
        "Where the clipped branch wins, your gradient is that branch's value; the branch is "
        "constant there, so it is 0.",
    ),
    Mistake(
        "SGR-05",
        "Where the clipped branch wins, your gradient is A; the branch is constant there, so it "
        "is 0.",
        switch="SGR-05b",
    ),
    Mistake(
        "SGR-05",
        "Where the clipped branch wins, your gradient is r times that branch; it is constant "
        "there, so it is 0.",
        switch="SGR-05c",
    ),
    Mistake(
        "SGR-08",
        "Your gradient is zero above the band whatever the sign of A, as if the minimum were of "
        "the ratios; for A < 0 it flows there, and is zero below the band.",
    ),
    Mistake(
        "SGR-09",
        "Your gradient is divided by the number of samples that are not clipped; divide by N.",
    ),
    Mistake(
        "SGR-11",
        "On a tie the clipped branch wins in your code, which is as right elsewhere; here the "
        "unclipped one does, so that the gradient flows at r = 1 ± clip.",
        convention=True,
    ),
    Mistake(
        "SGR-12",
        "Your mask is inverted: the gradient flows only where the clipped branch wins, and "
        "should be zero just there.",
    ),
    Mistake(
        "SGR-13",
        "Your gradient is zero below the band whatever the sign of A; for A > 0 it flows there, "
        "and is zero above the band.",
    ),
    Mistake(
        "SGR-15",
        "Inside the band your gradient is zero: both branches are equal there, so < should be ≤.",
    ),
    Mistake("SGR-16", "The advantage is missing: the gradient is r · A, not r."),
    Mistake(
        "SGR-17",
        "Your gradient flows only outside the band; it flows inside it, and outside where the "
        "unclipped branch is the smaller one.",
    ),
    Mistake("SGR-18", "The factor r is there twice; once is right."),
    Mistake(
        "SGR-19",
        "Your gradient is zero below the band whatever A, inside it for A < 0, and flows above "
        "it; it is zero only where r · A > clip(r) · A.",
    ),
    Mistake(
        "SGR-20",
        "There is a factor 1 − π too many: the gradient is asked for with respect to log_prob, "
        "not to the logits.",
    ),
    Mistake(
        "SGR-21",
        "Your gradient is cut to whole numbers because its array was made like integer "
        "advantages; make it floating.",
    ),
    Mistake(
        "SGR-22",
        "Your gradient is clip(r) · A everywhere; it is r · A where the unclipped branch wins, "
        "else 0.",
    ),
    Mistake("SGR-23", "The factor is clip(r); where the gradient flows it is r itself."),
    Mistake(
        "SGR-24", "Nothing flows for A < 0; it should wherever the ratio is at least 1 − clip."
    ),
    Mistake("SGR-25", "Nothing flows for A > 0; it should wherever the ratio is at most 1 + clip."),
    Mistake(
        "SGR-26",
        "The sides are exchanged outside the band: for A > 0 the gradient flows below it, for "
        "A < 0 above it.",
    ),
    Mistake(
        "SGR-27", "Your gradient flows where |r| ≤ clip; the band is around 1: |r − 1| ≤ clip."
    ),
    Mistake(
        "SGR-28",
        "The factor is 1/r, upside down; it is r = exp(log_prob − old_log_prob).",
    ),
    Mistake("SGR-29", "The factor is log r; the derivative of exp is exp again: r itself."),
    Mistake("SGR-30", "The factor is log_prob; it is the ratio r."),
    Mistake("SGR-33", "There is a factor log_prob too many: the gradient is r · A."),
    Mistake("SGR-36", "The factor is π = exp(log_prob); it is the ratio r."),
    Mistake("SUR-10", "One branch is chosen for the whole batch; it is chosen for each sample."),
    Mistake(
        "SUR-36",
        "Your gradient is that of the sum of both branches; it is that of the smaller one.",
    ),
    Mistake(
        "SUR-44",
        "Your gradient is zero for r > 3 where A < 0, which is right elsewhere (dual-clip PPO, Ye "
        "et al. 2020); here it flows.",
        convention=True,
    ),
    Mistake(
        "SUR-07",
        "Your gradient is that of old over new, exp(old_log_prob − log_prob); the ratio is new "
        "over old.",
    ),
    *(m for m in RATIO if m.switch in {"SUR-08", "SUR-18", "SUR-26", "SUR-45"}),
    *(m for m in ADVANTAGES if m.switch not in {"SUR-29", "SUR-38"}),
    *BOUNDS,
    *PRODUCTS,
]


# Value loss


def error_of(on: Switches, values: Array, targets: Array) -> Array:
    error = values - targets  # (N,)
    if "VAL-02" in on:
        error = values[:, np.newaxis] - targets  # (N, N), the mistake
    if "VAL-24" in on:
        error = values + targets
    if "VAL-26" in on:
        error = error - error.sum() / error.size
    if "VAL-27" in on:
        error = 1.0 * error.astype(int)
    return error


def square(on: Switches, error: Array) -> Array:
    size = abs(error)  # (N,)
    if "VAL-17" in on:
        return 2 * size
    if "VAL-17b" in on:
        return size
    if "VAL-21" in on:
        return np.where(size <= 1, error * error, 2 * size - 1)
    if "VAL-23" in on:
        return error
    if "VAL-23b" in on:
        return 2 * error
    return error * error


def half(on: Switches, squares: Any) -> Any:
    """The loss from the mean square."""
    loss = squares / 2
    if "VAL-01" in on:
        loss = squares
    if "VAL-22" in on:
        loss = squares / 4
    if "VAL-18" in on:
        loss = np.sqrt(squares)
    if "VAL-18b" in on:
        loss = np.sqrt(squares) / 2
    if "VAL-18c" in on:
        loss = np.sqrt(squares / 2)
    if "VAL-19" in on:
        loss = -loss
    return loss


def value_loss(on: Switches, values: Array, targets: Array) -> Any:
    error = error_of(on, values, targets)
    squares = square(on, error)
    if "VAL-25" in on:
        squares = values * values - targets * targets
    if "VAL-20" in on:
        squares = np.full_like(error, (error.sum() / error.size) ** 2)
    return half(on, mean(on, "VAL", squares))


VALUE = [
    Mistake(
        "VAL-01",
        "The ½ is missing, which is right elsewhere (it may be part of the coefficient); here "
        "the loss is ½ mean (v − target)².",
        convention=True,
    ),
    Mistake(
        "VAL-02",
        "A column (N, 1) meets a row (N,), so that every value is compared with every target; "
        "keep both (N,).",
    ),
    Mistake(
        "VAL-17",
        "The absolute error is averaged; the loss is ½ mean of its square.",
    ),
    Mistake(
        "VAL-17",
        "Half the absolute error is averaged; the loss is ½ mean of its square.",
        switch="VAL-17b",
    ),
    Mistake("VAL-18", "A root is taken of the mean square; the loss is half the mean square."),
    Mistake(
        "VAL-18",
        "A root is taken of the mean square before halving it; the loss has none.",
        switch="VAL-18b",
    ),
    Mistake("VAL-18", "A root is taken of the loss; it has none.", switch="VAL-18c"),
    Mistake("VAL-19", "The sign is wrong: the squared error is minimised, so there is no minus."),
    Mistake(
        "VAL-21",
        "Large errors count linearly, as in the Huber loss, which is right elsewhere (DQN); here "
        "the square counts at any size.",
        convention=True,
    ),
    Mistake("VAL-22", "There is a ½ too many: it is ½ mean (v − target)², not ¼."),
    Mistake("VAL-23", "The error is not squared: the loss is ½ mean (v − target)²."),
    Mistake(
        "VAL-23",
        "The error is neither squared nor halved: the loss is ½ mean (v − target)².",
        switch="VAL-23b",
    ),
    Mistake("VAL-27", "The errors are cut to whole numbers before they are squared."),
]

VALUE_ONLY = [
    Mistake("VAL-20", "The mean error is squared; the squares should be averaged instead."),
    Mistake("VAL-24", "Values and targets are added; the error is their difference."),
    Mistake("VAL-25", "v² − target² is averaged; the loss squares the difference v − target."),
    Mistake(
        "VAL-26",
        "The mean error is subtracted first, so that yours is a variance; a constant error "
        "should count too.",
    ),
]


def value_loss_backward(on: Switches, dloss: float, values: Array, targets: Array) -> Any:
    error = error_of(on, values, targets)
    if "VAL-02" in on:
        return (dloss / len(values)) * error
    rows = slope_of_error(on, error)
    if "VGR-14" in on:
        rows = 1.0 * values
    if "VGR-14b" in on:
        rows = -1.0 * targets
    if "VGR-10" in on:
        rows = error * values
    if "VGR-20" in on:
        rows = error / max(1, np.count_nonzero(error > 0))
    return cut(on, "VGR-24", OF_VALUES.scaled(on, rows, dloss), targets)


def slope_of_error(on: Switches, error: Array) -> Array:
    """Derivative of half the square of each error."""
    if "VGR-09" in on:
        return error * error
    if "VGR-09b" in on:
        return error * error / 2
    if "VAL-17" in on:
        return np.sign(error)
    if "VGR-11" in on:
        return abs(error)
    if "VAL-21" in on:
        return np.minimum(np.maximum(error, -1), 1)
    if "VGR-13" in on:
        return np.ones_like(error)
    return error


VALUE_BACKWARD = [
    Mistake("VGR-09", "The error is squared; the derivative of ½ error² is the error itself."),
    Mistake(
        "VGR-09",
        "½ error² is the loss; its derivative is the error itself.",
        switch="VGR-09b",
    ),
    Mistake("VGR-11", "The sign of the error is lost: its absolute value is used."),
    Mistake("VGR-13", "The error is missing: dvalues = dloss · (v − target) / N."),
    Mistake(
        "VAL-17",
        "Only the sign of the error counts, as for the absolute error; the derivative of ½ error² "
        "is the error itself.",
    ),
    Mistake(
        "VAL-21",
        "Large errors are cut to ±1, as in the Huber loss, which is right elsewhere (DQN); here "
        "they count in full.",
        convention=True,
    ),
    Mistake(
        "VGR-24",
        "Your gradient is cut to whole numbers because its array was made like integer targets; "
        "make it floating.",
    ),
]

VALUE_BACKWARD_ONLY = [
    Mistake("VGR-10", "There is a factor v too many: dvalues = dloss · (v − target) / N."),
    Mistake("VGR-14", "The target is missing: dvalues = dloss · (v − target) / N."),
    Mistake(
        "VGR-14",
        "The value is missing: dvalues = dloss · (v − target) / N.",
        switch="VGR-14b",
    ),
    Mistake("VAL-24", "Values and targets are added; the error is their difference."),
    Mistake(
        "VAL-26",
        "The mean error is subtracted, as for a variance; a constant error should count too.",
    ),
    Mistake("VAL-02", next(m for m in VALUE if m.id == "VAL-02").sentence),
]

VALUE_SLIPS = [
    Mistake(
        "VGR-02",
        "Your gradient is twice what it should be, which is right elsewhere (a loss without ½); "
        "here the ½ cancels the square's 2.",
        convention=True,
    )
    if m.id == "VGR-02"
    else m
    for m in OF_VALUES.mistakes("Your gradient")
]


# Clipped value loss


def clipped_error(
    on: Switches, values: Array, old_values: Array, targets: Array, clip: float
) -> tuple[Array, Any]:
    """The clipped value's error, and that value's derivative."""
    if "VAL-34" in on:
        clip = 0.2
    step = values - old_values  # (N,)
    low = -np.inf if "VAL-37" in on else -clip
    high = np.inf if "VAL-38" in on else clip
    bounded = np.minimum(np.maximum(step, low), high)  # (N,)
    passes = 1.0 * (bounded == step)  # (N,)
    if "VGR-19" in on:
        return old_values + bounded - targets, 0 * passes
    if "VAL-28" in on:
        return bounded - targets, passes
    if "VAL-29" in on:
        return old_values - targets, 0 * passes
    if "VAL-30" in on:
        return old_values - bounded - targets, -passes
    if "VAL-42" in on:
        bounded = np.minimum(np.maximum(step, 1 - clip), 1 + clip)
        return old_values + bounded - targets, 1.0 * (bounded == step)
    bounds: tuple[Any, Any] | None = None
    if "VAL-05" in on:
        bounds = -clip, clip
    if "VAL-31" in on:
        bounds = 1 - clip, 1 + clip
    if "VAL-11" in on:
        bounds = old_values * (1 - clip), old_values * (1 + clip)
    if "VAL-39" in on:
        bounds = targets - clip, targets + clip
    if bounds is not None:
        clipped = np.minimum(np.maximum(values, bounds[0]), bounds[1])  # (N,)
        return clipped - targets, 1.0 * (clipped == values)
    if "VAL-11b" in on:
        change = values / old_values  # (N,)
        bounded = np.minimum(np.maximum(change, 1 - clip), 1 + clip)
        return old_values * bounded - targets, 1.0 * (bounded == change)
    return values - targets + (bounded - step), passes


def clipped_value_loss(
    on: Switches, values: Array, old_values: Array, targets: Array, clip: float
) -> Any:
    if "VAL-32" in on:
        old_values, targets = targets, old_values
    if "VAL-33" in on:
        values, old_values = old_values, values
    error = error_of(on, values, targets)
    bounded, _ = clipped_error(on, values, old_values, targets, clip)
    free, held = square(on, error), square(on, bounded)  # (N,), (N,)
    squares = np.maximum(free, held)  # (N,)
    if "VAL-03" in on:
        squares = np.minimum(free, held)
    if "VAL-06" in on:
        squares = square(on, np.maximum(error, bounded))
    if "VAL-07" in on:
        squares = free
    if "VAL-08" in on or "VAL-39" in on:
        squares = held
    if "VAL-09" in on:
        squares = np.minimum(free, clip)
    if "VAL-09b" in on:
        squares = 2 * np.minimum(free / 2, clip)
    if "VAL-10" in on:
        squares = np.full_like(free, np.maximum(free.sum(), held.sum()) / free.size)
    if "VAL-35" in on:
        squares = (free + held) / 2
    if "VAL-36" in on:
        squares = free + held
    if "VAL-40" in on:
        squares = np.where(abs(values - old_values) <= clip, free, 0)
    return half(on, mean(on, "VAL", squares))


NEAR = [
    Mistake(
        "VAL-05",
        "The value itself is clipped to ±clip; its change is: old + clip(v − old, ±clip).",
    ),
    Mistake(
        "VAL-11",
        "The value is clipped to old · (1 ± clip), as a ratio would be; the band is old ± clip.",
    ),
    Mistake(
        "VAL-11",
        "The quotient v / old is clipped, as a ratio would be; the difference v − old is.",
        switch="VAL-11b",
    ),
    Mistake(
        "VAL-28",
        "The clipped change is used as a value: the old value has to be added again.",
    ),
    Mistake("VAL-29", "The old value stands for the clipped one; add clip(v − old, ±clip) to it."),
    Mistake(
        "VAL-30",
        "The clipped change is subtracted, or taken the wrong way round; the clipped value is "
        "old + clip(v − old, ±clip).",
    ),
    Mistake(
        "VAL-31",
        "The value is clipped to 1 ± clip, as the ratio is; its band is old ± clip.",
    ),
    Mistake("VAL-42", "The change v − old is clipped to 1 ± clip; its band is ±clip, around 0."),
    Mistake("VAL-34", "clip is always 0.2 in your code; use the argument."),
    Mistake("VAL-37", "The change of the value is clipped from above only; the clip is ±clip."),
    Mistake("VAL-38", "The change of the value is clipped from below only; the clip is ±clip."),
]

CLIPPED_VALUE = [
    Mistake("VAL-03", "The smaller of the two squares is taken; it should be the larger."),
    Mistake(
        "VAL-06",
        "The maximum is taken of the errors, before squaring; it is taken of the squares.",
    ),
    Mistake(
        "VAL-07",
        "Nothing is clipped: you leave the clipped square out, or clip around the target or "
        "around the new value; the clipped value is old + clip(v − old, ±clip).",
    ),
    Mistake(
        "VAL-08", "Only the clipped square counts; the loss takes the larger of the two squares."
    ),
    Mistake("VAL-09", "The squared error is clipped; the change of the value v − old is."),
    Mistake(
        "VAL-09",
        "Half the squared error is clipped; the change of the value v − old is.",
        switch="VAL-09b",
    ),
    Mistake("VAL-10", "The maximum is taken of the two means; it is taken sample by sample."),
    Mistake("VAL-32", "Old values and targets are exchanged: the order is v, old, target, clip."),
    Mistake("VAL-33", "Values and old values are exchanged: the order is v, old, target, clip."),
    Mistake("VAL-35", "The two squares are averaged; the larger one is taken."),
    Mistake("VAL-36", "The two squares are added; the larger one is taken."),
    Mistake("VAL-39", "The error v − target is clipped; the change of the value v − old is."),
    Mistake(
        "VAL-40",
        "Values outside the band are dropped; they count with the larger of the two squares.",
    ),
]


@dataclass(frozen=True)
class Clipped:
    """What decides where the clipped value loss lets a gradient through."""

    step: Array  # (N,)
    clip: float
    free: Array  # (N,), the square
    held: Array  # (N,), the clipped square


CLIPPED_VALUE_FLOWS: dict[str, Callable[[Clipped], Any]] = {
    "VGR-01": lambda c: np.ones_like(c.step, bool),
    "VGR-06": lambda c: (c.free > c.held) | (abs(c.step) <= c.clip),
    "VGR-07": lambda c: (c.free >= c.held) & (abs(c.step) != c.clip),
    "VGR-15": lambda c: abs(c.step) <= c.clip,
    "VGR-15b": lambda c: abs(c.step) < c.clip,
    "VGR-16": lambda c: c.free <= c.held,
    "VGR-17": lambda c: c.free < c.held,
    "VGR-18": lambda c: c.free > c.held,
    "VGR-21": lambda c: abs(c.step) > c.clip,
    "VGR-22": lambda c: c.step <= c.clip,
    "VGR-23": lambda c: c.step >= -c.clip,
    "VAL-10": lambda c: (
        np.full_like(c.step, c.free.sum() >= c.held.sum(), bool) | (abs(c.step) <= c.clip)
    ),
}


def clipped_value_loss_backward(
    on: Switches, dloss: float, values: Array, old_values: Array, targets: Array, clip: float
) -> Any:
    if "VAL-32" in on:
        old_values, targets = targets, old_values
    error = error_of(on, values, targets)
    bounded, passes = clipped_error(on, values, old_values, targets, clip)
    parts = Clipped(values - old_values, clip, error * error, bounded * bounded)
    flows = parts.free >= parts.held  # (N,) bool
    other = bounded * passes  # (N,), the gradient of the clipped branch
    for switch, mask in CLIPPED_VALUE_FLOWS.items():
        if switch in on:
            flows, other = mask(parts), 0 * bounded
    rows = np.where(flows, slope_of_error(on, error), other)  # (N,)
    if "VGR-05" in on:
        rows = np.where(flows, rows, bounded)
    if "VGR-25" in on:
        rows = bounded
    if "VAL-36" in on:
        rows = error + bounded * passes
    if "VAL-35" in on:
        rows = (error + bounded * passes) / 2
    if "VAL-09" in on:
        rows = np.where(parts.free <= clip, error, 0)
    if "VAL-39" in on:
        rows = np.where(abs(error) <= clip, error, 0)
    if "VGR-20" in on:
        rows = rows * (len(rows) / max(1, int(np.count_nonzero(flows))))
    return cut(on, "VGR-24", OF_VALUES.scaled(on, rows, dloss), targets)


CLIPPED_VALUE_BACKWARD = [
    Mistake(
        "VGR-01",
        "The clip is ignored: where the clipped square is the larger one, it is constant, and the "
        "gradient is 0.",
    ),
    Mistake(
        "VGR-05",
        "Where the clipped square is the larger one, your gradient is that of its error, as if "
        "the clip let everything through; the clipped value is constant there: 0.",
    ),
    Mistake(
        "VGR-06",
        "On a tie outside the band the clipped square wins in your code, which is as right "
        "elsewhere; here the unclipped one does.",
        convention=True,
    ),
    Mistake(
        "VGR-07",
        "At the bounds of the band your gradient is zero, which is as right elsewhere; here the "
        "clip passes it there.",
        convention=True,
    ),
    Mistake(
        "VGR-15",
        "Your gradient is zero wherever the value is outside the band; it flows there too where "
        "the unclipped square is the larger one.",
    ),
    Mistake(
        "VGR-15",
        "Your gradient is zero wherever the value is outside the band or at its bounds; it flows "
        "at them, and outside where the unclipped square is the larger one.",
        switch="VGR-15b",
    ),
    Mistake(
        "VGR-16",
        "Your gradient is that of the smaller square; it is that of the larger one.",
    ),
    Mistake(
        "VGR-17",
        "Your mask is inverted: the gradient flows only where the clipped square is the larger "
        "one, and should be zero just there.",
    ),
    Mistake(
        "VGR-18",
        "Inside the band your gradient is zero: both squares are equal there, so > should be ≥.",
    ),
    Mistake(
        "VGR-19",
        "Inside the band rounding decides: old + (v − old) is not quite v, and where its square "
        "comes out larger your gradient is zero; let it flow wherever |v − old| ≤ clip.",
    ),
    Mistake(
        "VGR-20",
        "Your gradient is divided by the number of samples that are not clipped; divide by N.",
    ),
    Mistake(
        "VGR-21",
        "Your gradient flows only outside the band; it flows inside it, and outside where the "
        "unclipped square is the larger one.",
    ),
    Mistake(
        "VGR-22",
        "Your gradient is zero above the band and flows everywhere else; outside the band it "
        "flows where the unclipped square is the larger one.",
    ),
    Mistake(
        "VGR-23",
        "Your gradient is zero below the band and flows everywhere else; outside the band it "
        "flows where the unclipped square is the larger one.",
    ),
    Mistake(
        "VGR-25",
        "Your gradient is the clipped value's error everywhere; it is v − target where the "
        "unclipped square is the larger one, else 0.",
    ),
    Mistake("VAL-09", "The squared error is clipped; the change of the value v − old is."),
    Mistake("VAL-10", "One branch is chosen for the whole batch; it is chosen for each sample."),
    Mistake("VAL-32", "Old values and targets are exchanged: the order is v, old, target, clip."),
    Mistake("VAL-35", "Your gradient is that of the mean of both squares; it is the larger one's."),
    Mistake("VAL-36", "Your gradient is that of the sum of both squares; it is the larger one's."),
    Mistake("VAL-39", "The error v − target is clipped; the change of the value v − old is."),
    *NEAR,
]


# The whole loss of PPO

WHOLE = {
    "LOS-31": {"SUR-90", "VAL-90", "LOS-90"},
    "LOS-32": {"SUR-11", "VAL-12", "LOS-11"},
    "LOS-46": {"SGR-07", "VGR-04", "LOS-11"},
    "LOS-47": {"SGR-83", "VGR-83", "LOS-48"},
    "LOS-33": {"SGR-14", "LOS-35", "LOS-37"},
    "LOS-38": {"SGR-14", "LOS-37"},
}


def unfolded(on: Switches) -> Switches:
    """With the mistakes of each part in place of those that concern several."""
    return on.union(*(WHOLE[switch] for switch in on & WHOLE.keys()))


def coefficients(on: Switches, vf_coef: float, ent_coef: float) -> tuple[float, float, float]:
    """Of the policy's, the values' and the entropy's part."""
    policy = 1.0
    if "LOS-03" in on:
        vf_coef, ent_coef = ent_coef, vf_coef
    if "LOS-23" in on:
        vf_coef = 0.5
    if "LOS-23b" in on:
        ent_coef = 0.01
    if "LOS-17" in on:
        ent_coef = ent_coef * vf_coef
    if "LOS-21" in on:
        policy = vf_coef
    if "LOS-22" in on:
        policy = 1 - ent_coef
    if "LOS-05" in on:
        vf_coef = 1.0
    if "LOS-06" in on:
        ent_coef = 1.0
    if "LOS-02" in on:
        vf_coef = -vf_coef
    if "LOS-01" in on:
        ent_coef = -ent_coef
    if "LOS-09" in on:
        policy = 0.0
    if "LOS-08" in on:
        vf_coef = 0.0
    if "LOS-07" in on:
        ent_coef = 0.0
    return policy, vf_coef, ent_coef


def targets_used(on: Switches, values: Array, advantages: Array, targets: Array) -> Array:
    if "VAL-14" in on:
        return advantages
    if "LOS-15" in on:
        return advantages + values
    if "LOS-16" in on:
        return targets + advantages
    return targets


def ppo_loss(
    on: Switches,
    logits: Array,
    values: Array,
    actions: Array,
    old_log_prob: Array,
    advantages: Array,
    targets: Array,
    clip: float,
    vf_coef: float,
    ent_coef: float,
) -> Any:
    on = unfolded(on)
    policy, vf_coef, ent_coef = coefficients(on, vf_coef, ent_coef)
    log_prob = categorical.categorical_log_prob(on, logits, actions)  # (N,)
    if "LOS-18" in on:
        advantages = targets - values
    policy_loss = clipped_surrogate_loss(on, log_prob, old_log_prob, advantages, clip)
    targets = targets_used(on, values, advantages, targets)
    entropy = categorical.categorical_entropy(on, logits)
    if "ENT-04" in on:
        entropy = entropy / logits.shape[1]
    if "ENT-09" in on:
        entropy = -log_prob
    mean_entropy = mean(on, "LOS", entropy)
    loss = policy * policy_loss + vf_coef * value_loss(on, values, targets)
    loss = loss - ent_coef * mean_entropy
    return -loss if "LOS-10" in on else loss


def ppo_loss_backward(
    on: Switches,
    dloss: float,
    logits: Array,
    values: Array,
    actions: Array,
    old_log_prob: Array,
    advantages: Array,
    targets: Array,
    clip: float,
    vf_coef: float,
    ent_coef: float,
) -> Any:
    on = unfolded(on)
    policy, vf_coef, ent_coef = coefficients(on, vf_coef, ent_coef)
    if "LOS-10" in on:
        dloss = -dloss
    log_prob = categorical.categorical_log_prob(on, logits, actions)  # (N,)
    if "LOS-18" in on:
        advantages = targets - values
    dlog_prob = policy * clipped_surrogate_loss_backward(
        on, dloss, log_prob, old_log_prob, advantages, clip
    )  # (N,)
    targets = targets_used(on, values, advantages, targets)
    upstream = 1.0 if "LOS-35" in on else dloss
    dvalues = value_loss_backward(on, upstream * vf_coef, values, targets)  # (N,)
    upstream = 1.0 if "LOS-37" in on else dloss
    rows = len(logits)
    if "LOS-11" in on:
        rows = 1
    if "LOS-48" in on:
        rows = rows * rows
    if "ENT-04" in on:
        rows = rows * logits.shape[1]
    dentropy = np.full(len(logits), -upstream * ent_coef / rows)  # (N,)
    dlogits = categorical.categorical_log_prob_backward(on, dlog_prob, logits, actions)  # (N, A)
    if "ENT-09" in on:
        bonus = categorical.categorical_log_prob_backward(on, -dentropy, logits, actions)
    else:
        bonus = categorical.categorical_entropy_backward(on, dentropy, logits)
    dlogits = dlogits + bonus
    if "LOS-40" in on:
        dlogits = -dlogits
    if "SGR-07b" in on:
        dlogits = dlogits * len(logits)
    if "LOS-41" in on:
        dlogits = dlogits.sum(axis=0)  # (A,)
    return (dvalues, dlogits) if "LOS-39" in on else (dlogits, dvalues)


def part(name: str, mistakes: list[Mistake]) -> list[Mistake]:
    """The mistakes of one part, as they are told of the whole."""
    return [replace(m, sentence=f"{name}: {m.sentence}") for m in mistakes]


def among(mistakes: list[Mistake], switches: str) -> list[Mistake]:
    """Those of these switches; one that ends in - stands for all that begin so."""
    wanted = switches.split()
    return [
        m
        for m in mistakes
        if any(m.switch == w or (w.endswith("-") and m.switch.startswith(w)) for w in wanted)
    ]


def besides(mistakes: list[Mistake], switches: str) -> list[Mistake]:
    unwanted = among(mistakes, switches)
    return [m for m in mistakes if m not in unwanted]


PPO = [
    Mistake(
        "LOS-01",
        "The entropy has the wrong sign: it is a bonus, −ent_coef · H in a loss that is minimised.",
    ),
    Mistake("LOS-02", "The value part has the wrong sign: its error is minimised too."),
    Mistake("LOS-03", "The two coefficients are exchanged: vf_coef comes first, then ent_coef."),
    Mistake(
        "LOS-04",
        "The advantages are normalised inside the loss, which is right elsewhere; here they are "
        "used as given.",
        convention=True,
    ),
    Mistake("LOS-05", "vf_coef is missing: the value part is multiplied by it."),
    Mistake("LOS-06", "ent_coef is missing: the entropy is multiplied by it."),
    Mistake("LOS-07", "The entropy is left out, or its gradient is."),
    Mistake("LOS-08", "The value part is left out, or its gradient is."),
    Mistake("LOS-09", "The policy part is left out, or its gradient is."),
    Mistake(
        "LOS-10",
        "Everything has the opposite sign, that of an objective, which is right elsewhere; here "
        "the loss is minimised.",
        convention=True,
    ),
    Mistake(
        "LOS-15",
        "The value part aims at advantages + values; it should aim at the targets as given.",
    ),
    Mistake("LOS-16", "The advantages are added to the targets; these are complete as given."),
    Mistake(
        "LOS-17",
        "vf_coef multiplies the entropy too: a parenthesis closes too late.",
    ),
    Mistake("LOS-18", "targets − values stand for the advantages; use those that are given."),
    Mistake(
        "LOS-21",
        "vf_coef multiplies the policy part too: a parenthesis opens too early.",
    ),
    Mistake("LOS-22", "The policy part is multiplied by 1 − ent_coef; it has no coefficient."),
    Mistake("LOS-23", "vf_coef is always 0.5 in your code; use the argument."),
    Mistake("LOS-23", "ent_coef is always 0.01 in your code; use the argument.", switch="LOS-23b"),
    Mistake("VAL-14", "The value part aims at the advantages; it should aim at the targets."),
    Mistake(
        "ENT-04",
        "The entropy is averaged over the actions; sum over them, then average over the batch.",
    ),
    Mistake(
        "ENT-09",
        "−log π of the action taken stands for the entropy, which is a right estimate elsewhere; "
        "here it is −Σ p log p over all actions.",
        convention=True,
    ),
]

PPO_FORWARD = [
    *PPO,
    Mistake("LOS-31", "Nothing is averaged over the batch: the loss is one number, a mean."),
    Mistake(
        "LOS-32",
        "Everything is summed over the batch, which is right elsewhere; here each part is a mean.",
        convention=True,
    ),
    *among(averages("LOS", "The entropy"), "LOS-11 LOS-90"),
    *among(averages("SUR", "The policy part"), "SUR-11 SUR-90"),
    *among(averages("VAL", "The value part"), "VAL-12 VAL-90"),
    *part(
        "Policy part",
        [
            *SURROGATE,
            *BOUNDS,
            *PRODUCTS,
            *among(RATIO, "SUR-07 SUR-08 SUR-18 SUR-19 SUR-19b SUR-45 SUR-46 SUR-49 SUR-54"),
            *besides(ADVANTAGES, "SUR-27"),
        ],
    ),
    *part("Value part", [*besides(VALUE, "VAL-19"), *VALUE_ONLY]),
    *among(
        categorical.MISTAKES["categorical_log_prob"],
        "SMX-01 SMX-06 SMX-08 SMX-10 SMX-10b ACT-01 ACT-02 ACT-05 ACT-07 ACT-08 ACT-09",
    ),
    *among(categorical.MISTAKES["categorical_entropy"], "ENT-05 ENT-06 ENT-13 ENT-17"),
]

PPO_BACKWARD = [
    *PPO,
    Mistake(
        "LOS-11",
        "The gradient of the entropy misses the 1/N of the mean: each row gets −ent_coef · dloss "
        "/ N.",
    ),
    Mistake("LOS-33", "dloss, the gradient that comes from above, is ignored everywhere."),
    Mistake("LOS-35", "dvalues ignores dloss, the gradient that comes from above."),
    Mistake("LOS-37", "The gradient of the entropy ignores dloss, which comes from above."),
    Mistake("LOS-38", "dlogits ignores dloss, the gradient that comes from above."),
    Mistake("LOS-39", "The order is dlogits, dvalues; you return them the other way round."),
    Mistake("LOS-40", "dlogits has the wrong sign in both of its parts."),
    Mistake("LOS-41", "dlogits is summed over the batch: it should have the shape (N, A)."),
    Mistake("LOS-46", "The 1/N of the mean is missing everywhere."),
    Mistake("LOS-47", "Everything is divided by N twice; once is right."),
    Mistake("LOS-48", "The gradient of the entropy is divided by N twice; once is right."),
    Mistake("SGR-07", "dlogits misses the 1/N of the mean in both of its parts.", switch="SGR-07b"),
    *part("Policy part", besides(SURROGATE_BACKWARD, "SUR-27 SUR-26 SUR-41 SGR-11")),
    *among(
        OF_RATIO.mistakes("The gradient of the policy part"),
        "SGR-06 SGR-07 SGR-14 SGR-81 SGR-82 SGR-83 SGR-86",
    ),
    *part(
        "Value part",
        [*VALUE_BACKWARD, *VALUE_BACKWARD_ONLY, *among(VALUE_SLIPS, "VGR-02")],
    ),
    *among(
        OF_VALUES.mistakes("dvalues"), "VGR-04 VGR-82 VGR-83 VGR-85 VGR-86 VGR-87 VGR-88 VGR-89"
    ),
    Mistake(
        "VGR-08",
        "dvalues ignores what comes from above, dloss and vf_coef both; multiply by them.",
    ),
    *part(
        "Policy part",
        among(categorical.MISTAKES["categorical_log_prob_backward"], "ACT-"),
    ),
    *part("Entropy", among(categorical.MISTAKES["categorical_entropy_backward"], "ENG-")),
]


# What is watched


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
    if "KL-85" in on:
        terms = old_log_prob / log_prob - 1 - np.log(old_log_prob / log_prob)
    if "KL-86" in on:
        terms = ratio - 1 - np.log(ratio + 1e-8) / ratio
    if "KL-87" in on:
        terms = np.full_like(difference, ratio.sum() / ratio.size - 1)
        terms = terms - np.log(ratio.sum() / ratio.size)
    if "KL-87b" in on:
        terms = np.full_like(difference, -np.log(ratio.sum() / ratio.size))
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
        "SUR-26",
        "exp(log_prob) / exp(old_log_prob) is 0/0 for very unlikely actions; subtract the "
        "logarithms first, then take exp.",
    ),
]


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
    if "CLF-08b" in on:
        outside = (ratio < -clip) | (ratio > clip)
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
]


def variance(on: Switches, x: Array) -> Any:
    deviation = x - x.sum() / x.size  # (N,)
    if "EXV-13" in on:
        return (abs(deviation)).sum() / x.size
    if "EXV-07" in on:
        return np.sqrt((deviation * deviation).sum() / x.size)
    if "EXV-19" in on:
        return (x * x).sum() / x.size
    return (deviation * deviation).sum() / x.size


# Those who ask for the variance, if anything, and not whether all targets are equal
CARELESS = {"EXV-03", "EXV-03c", "EXV-05", "EXV-05c", "EXV-14"}
UNAWARE = {"EXV-04", "EXV-04b", "EXV-09", "EXV-09b", "EXV-09c"}
IN_DOUBLE = {"EXV-03c", "EXV-04b", "EXV-05c"}  # in which nothing underflows


def explained_variance(on: Switches, values: Array, targets: Array) -> Any:
    if "EXV-01" in on:
        values, targets = targets, values
    if on & IN_DOUBLE:
        values, targets = values.astype(np.float64), targets.astype(np.float64)
    total = variance(on, targets)
    nothing = bool((targets == targets[0]).all())  # to explain
    if on & {"EXV-02b", "EXV-03b"}:
        nothing = total < 1e-12
    if on & CARELESS:
        nothing = total == 0
    if nothing and not on & UNAWARE:
        if on & {"EXV-05", "EXV-05b", "EXV-05c"}:
            return 0.0
        return 1.0 if "EXV-14" in on else np.nan
    if not on & (CARELESS | UNAWARE):
        unit = abs(targets - targets[0]).max()
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
    *(
        Mistake(
            "EXV-03",
            "You ask whether the variance is exactly 0, which rounding decides; the answer is nan "
            "when all targets are equal, and only then.",
            switch=switch,
        )
        for switch in ("EXV-03", "EXV-03c")
    ),
    Mistake(
        "EXV-03",
        "You answer nan where the variance of the targets is merely tiny or rounds to 0; only "
        "when all targets are equal there is nothing to explain.",
        switch="EXV-03b",
    ),
    *(
        Mistake(
            "EXV-04",
            "Equal targets are not taken care of: you divide by 0 or by what rounding leaves of "
            "it; the answer is nan there.",
            switch=switch,
        )
        for switch in ("EXV-04", "EXV-04b")
    ),
    *(
        Mistake(
            "EXV-05",
            "The answer is 0 where the variance of the targets is 0, which is right elsewhere; "
            "here it is nan when all targets are equal.",
            convention=True,
            switch=switch,
        )
        for switch in ("EXV-05", "EXV-05c")
    ),
    Mistake(
        "EXV-05",
        "The answer is 0 for equal targets, which is right elsewhere; here it is nan: there is "
        "nothing to explain.",
        convention=True,
        switch="EXV-05b",
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
        "The answer is 1 where the variance of the targets is 0; it is nan when all are equal.",
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
]


VARIANTS: dict[str, Callable[..., Any]] = {
    "importance_ratio": importance_ratio,
    "importance_ratio_backward": importance_ratio_backward,
    "policy_gradient_loss": policy_gradient_loss,
    "policy_gradient_loss_backward": policy_gradient_loss_backward,
    "clipped_surrogate_loss": clipped_surrogate_loss,
    "clipped_surrogate_loss_backward": clipped_surrogate_loss_backward,
    "value_loss": value_loss,
    "value_loss_backward": value_loss_backward,
    "clipped_value_loss": clipped_value_loss,
    "clipped_value_loss_backward": clipped_value_loss_backward,
    "ppo_loss": ppo_loss,
    "ppo_loss_backward": ppo_loss_backward,
    "approx_kl": approx_kl,
    "clip_fraction": clip_fraction,
    "explained_variance": explained_variance,
}

MISTAKES: dict[str, list[Mistake]] = {
    "importance_ratio": RATIO,
    "importance_ratio_backward": RATIO_BACKWARD,
    "policy_gradient_loss": [
        PGL_SIGN,
        Mistake("PGL-05", "The probability stands where its logarithm should: log_prob · A."),
        Mistake("PGL-07", "The advantages are subtracted; they should be multiplied."),
        Mistake("PGL-08", "The advantages are added; they should be multiplied."),
        Mistake("PGL-09", "The advantages are squared: multiply by them once."),
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
        Mistake(
            "PGL-17",
            "Your gradient is cut to whole numbers because its array was made like integer "
            "advantages; make it floating.",
        ),
        *(m for m in ADVANTAGES if m.id != "SUR-12"),
    ],
    "clipped_surrogate_loss": [
        *SURROGATE,
        *averages("SUR", "Your loss"),
        *BOUNDS,
        *PRODUCTS,
        *RATIO,
        *ADVANTAGES,
    ],
    "clipped_surrogate_loss_backward": [
        *SURROGATE_BACKWARD,
        *OF_RATIO.mistakes("Your gradient"),
    ],
    "value_loss": [*VALUE, *VALUE_ONLY, *averages("VAL", "Your loss")],
    "value_loss_backward": [*VALUE_BACKWARD, *VALUE_BACKWARD_ONLY, *VALUE_SLIPS],
    "clipped_value_loss": [*CLIPPED_VALUE, *NEAR, *VALUE, *averages("VAL", "Your loss")],
    "clipped_value_loss_backward": [
        *CLIPPED_VALUE_BACKWARD,
        *VALUE_BACKWARD,
        *VALUE_SLIPS,
    ],
    "ppo_loss": PPO_FORWARD,
    "ppo_loss_backward": PPO_BACKWARD,
    "approx_kl": [*KL, *averages("KL", "Your estimate")],
    "clip_fraction": [
        *CLIP_FRACTION,
        *averages("CLF", "Your share"),
        *(m for m in RATIO if m.switch in {"SUR-07", "SUR-08", "SUR-26", "SUR-46"}),
    ],
    "explained_variance": EXPLAINED_VARIANCE,
}
