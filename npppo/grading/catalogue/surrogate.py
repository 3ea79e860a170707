"""Known mistakes in the clipped surrogate loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..exercise import Array, Mistake, Switches
from .means import Slips, averages, cut, mean
from .policy_gradient import ADVANTAGES, normalized, used
from .ratio import RATIO, importance_ratio, kept, remembered, slope_of_ratio


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
    ratio = importance_ratio(remembered(on), log_prob, old_log_prob)
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
    if "SUR-62" in on:
        low = 1.0
    if "SUR-63" in on:
        low = high = 1.0
    if "SUR-64" in on:
        low, high = 1 - 2 * clip, 1 + 2 * clip
    if "SUR-65" in on:
        low = clip
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
    if "SUR-68" in on:
        clipped = clipped_ratio * ratio * advantages
    return Surrogate(ratio, advantages, low, high, clipped_ratio, unclipped, clipped)


def above(s: Surrogate) -> Any:
    return (s.advantages > 0) & (s.ratio > s.high)  # (N,) bool


def below(s: Surrogate) -> Any:
    return (s.advantages < 0) & (s.ratio < s.low)  # (N,) bool


# The terms of a loss written with if and else, with one of the branches wrong: (N,)
BRANCHES: dict[str, Callable[[Surrogate], Any]] = {
    "SUR-42c": lambda s: np.where(above(s) | below(s), s.high * s.advantages, s.unclipped),
    "SUR-42d": lambda s: np.where(above(s) | below(s), s.low * s.advantages, s.unclipped),
    "SUR-60": lambda s: np.where(s.advantages > 0, s.clipped, s.unclipped),
    "SUR-60b": lambda s: np.where(s.advantages < 0, s.clipped, s.unclipped),
    "SUR-61": lambda s: np.where((s.advantages > 0) | below(s), s.clipped, s.unclipped),
    "SUR-61b": lambda s: np.where((s.advantages < 0) | above(s), s.clipped, s.unclipped),
}


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
    if "SUR-69" in on:
        inside = abs(s.ratio - 1) <= clip  # (N,) bool
        terms = terms * (len(terms) / max(1, int(np.count_nonzero(inside))))
    if "SUR-70" in on:
        terms = np.minimum(s.unclipped, s.clipped.sum() / s.clipped.size)
    for switch, branches in BRANCHES.items():
        if switch in on:
            terms = branches(s)
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
    Mistake("SUR-62", "Your lower bound is 1; it is 1 − clip."),
    Mistake("SUR-63", "Both bounds are 1, so that clip is not used: they are 1 ± clip."),
    Mistake("SUR-64", "Your band is twice as wide as it should be: it is 1 − clip … 1 + clip."),
    Mistake("SUR-65", "Your lower bound is clip; it is 1 − clip."),
    Mistake("SUR-40", "clip is always 0.2 in your code; use the argument."),
    Mistake(
        "SUR-13",
        "The logarithm of the ratio is clipped to ±clip; the ratio itself is, to "
        "1 − clip … 1 + clip.",
    ),
]

PRODUCTS = [
    Mistake("SUR-68", "The clipped branch has a factor r too many: it is clip(r) · A."),
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

IN_BRANCHES = [
    Mistake(
        "SUR-42",
        "The bound is 1 + clip also for A < 0, where it should be 1 − clip.",
        switch="SUR-42c",
    ),
    Mistake(
        "SUR-42",
        "The bound is 1 − clip also for A > 0, where it should be 1 + clip.",
        switch="SUR-42d",
    ),
    Mistake(
        "SUR-60",
        "Both bounds are for A > 0 in your code, and none for A < 0: the upper one is for A > 0, "
        "the lower one for A < 0.",
    ),
    Mistake(
        "SUR-60",
        "Both bounds are for A < 0 in your code, and none for A > 0: the upper one is for A > 0, "
        "the lower one for A < 0.",
        switch="SUR-60b",
    ),
    Mistake(
        "SUR-61",
        "For A > 0 the ratio is clipped from below too; there r · A is the smaller branch, and "
        "counts in full.",
    ),
    Mistake(
        "SUR-61",
        "For A < 0 the ratio is clipped from above too; there r · A is the smaller branch, and "
        "counts in full.",
        switch="SUR-61b",
    ),
]

SURROGATE = [
    *IN_BRANCHES,
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
    Mistake("SUR-69", "Your loss is divided by the number of samples in the band; divide by N."),
    Mistake(
        "SUR-70",
        "The clipped branch is averaged before the minimum; take that sample by sample first.",
    ),
]


# The way back

# Where the gradient flows: of the ratio, the advantages and the bounds
FLOWS: dict[str, Callable[[Surrogate], Any]] = {
    "SGR-01": lambda s: (s.ratio >= s.low) & (s.ratio <= s.high),
    "SGR-01b": lambda s: (s.ratio > s.low) & (s.ratio < s.high),
    "SGR-03": lambda s: np.where(s.advantages > 0, s.ratio >= s.low, s.ratio <= s.high),
    "SGR-04": lambda s: np.ones_like(s.ratio, bool),
    "SGR-08": lambda s: s.ratio <= s.high,
    "SGR-11": lambda s: s.unclipped < np.where(s.advantages > 0, s.high, s.low) * s.advantages,
    "SGR-11b": lambda s: (s.unclipped <= s.clipped) & ((s.advantages < 0) | (s.ratio < s.high)),
    "SGR-11c": lambda s: (s.unclipped <= s.clipped) & ((s.advantages > 0) | (s.ratio > s.low)),
    "SGR-08b": lambda s: (s.ratio <= s.high) & ~below(s),
    "SGR-13b": lambda s: (s.ratio >= s.low) & ~above(s),
    "SGR-38": lambda s: ~above(s) & ((s.advantages > 0) | (s.ratio <= s.low)),
    "SGR-38b": lambda s: ~below(s) & ((s.advantages < 0) | (s.ratio >= s.high)),
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

OF_RATIO = Slips("SGR", "SGR-06", "SGR-07", "SGR-14", "SGR-10", "SGR-81", "SGR-82")


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
    if "SUR-57" in on:
        slope = s.ratio
    if "SGR-43" in on:
        slope = np.full_like(log_prob, s.ratio.sum() / s.ratio.size)
    if "SGR-20" in on:
        slope = s.ratio * (1 - np.exp(log_prob))
    factor = 1.0 if "SGR-16" in on else s.advantages  # (N,)
    rows = np.where(flows, slope * factor, 0)  # (N,)
    if "SGR-44" in on:
        rows = np.where(flows, slope * factor, slope)
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
        "You set the gradient to 0 everywhere outside the band. It is 0 only for A > 0, "
        "r > 1 + clip and for A < 0, r < 1 − clip; on the other side the unclipped term is the "
        "minimum and the gradient flows.",
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
        "SGR-11",
        "At r = 1 + clip the clipped branch wins in your code, which is as right elsewhere; here "
        "the unclipped one does, so that the gradient flows.",
        convention=True,
        switch="SGR-11b",
    ),
    Mistake(
        "SGR-11",
        "At r = 1 − clip the clipped branch wins in your code, which is as right elsewhere; here "
        "the unclipped one does, so that the gradient flows.",
        convention=True,
        switch="SGR-11c",
    ),
    Mistake(
        "SGR-08",
        "Your gradient is zero above the band whatever the sign of A; for A < 0 it flows there.",
        switch="SGR-08b",
    ),
    Mistake(
        "SGR-13",
        "Your gradient is zero below the band whatever the sign of A; for A > 0 it flows there.",
        switch="SGR-13b",
    ),
    Mistake(
        "SGR-38",
        "For A < 0 your gradient is zero on the wrong side of the lower bound; it is zero below "
        "1 − clip.",
    ),
    Mistake(
        "SGR-38",
        "For A > 0 your gradient is zero on the wrong side of the upper bound; it is zero above "
        "1 + clip.",
        switch="SGR-38b",
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
    Mistake("SGR-43", "The factor is the batch's mean ratio; each sample has its own r."),
    Mistake("SGR-44", "Where the clipped branch wins, your gradient is r; it is 0 there."),
    Mistake(
        "SUR-57",
        "The log-probability stands where the ratio should: r = exp(log_prob − old_log_prob).",
    ),
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
    *(
        m
        for m in RATIO
        if m.switch in {"SUR-08", "SUR-18", "SUR-26", "SUR-45", "SUR-48", "SUR-52", "SUR-67"}
    ),
    *kept(RATIO),
    *(m for m in ADVANTAGES if m.switch not in {"SUR-29", "SUR-38"}),
    *BOUNDS,
    *PRODUCTS,
]

VARIANTS: dict[str, Callable[..., Any]] = {
    "clipped_surrogate_loss": clipped_surrogate_loss,
    "clipped_surrogate_loss_backward": clipped_surrogate_loss_backward,
}

MISTAKES: dict[str, list[Mistake]] = {
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
}
