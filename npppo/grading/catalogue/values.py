"""Known mistakes in the value loss, clipped and not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..exercise import Array, Mistake, Switches, ways
from .means import Slips, averages, cut, mean


def error_of(on: Switches, values: Array, targets: Array) -> Array:
    error = values - targets  # (N,)
    if "VAL-02" in on:
        error = values[:, np.newaxis] - targets  # (N, N), the mistake
    if "VAL-24" in on:
        error = values + targets
    if "VAL-45" in on:
        error = error / targets
    if "VAL-46" in on:
        error = values - targets.sum() / targets.size
    if "VAL-46b" in on:
        error = values.sum() / values.size - targets
    if "VAL-50" in on:
        error = values - targets[0]
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

OTHER_ERRORS = [
    Mistake("VAL-45", "The error is divided by the target; it is the difference v − target."),
    Mistake("VAL-46", "The targets are averaged first; each value has its own."),
    Mistake("VAL-46", "The values are averaged first; each has its own target.", switch="VAL-46b"),
    Mistake("VAL-50", "The first target is used for all values; each has its own."),
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
    *OTHER_ERRORS,
]

OF_VALUES = Slips("VGR", "VGR-03", "VGR-04", "VGR-08", "VGR-12", "VGR-02", "VGR-82")


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
    if "VGR-28" in on:
        rows = error * targets
    if "VGR-29" in on:
        rows = values * values - targets * targets
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
    Mistake("VAL-27", "The errors are cut to whole numbers."),
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
    *OTHER_ERRORS,
    Mistake("VGR-28", "There is a factor target too many: dvalues = dloss · (v − target) / N."),
    Mistake("VGR-29", "v² − target² stands where the error v − target belongs."),
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


# Clipped


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
    if "VAL-43" in on:
        change = values - targets  # (N,)
        bounded = np.minimum(np.maximum(change, -clip), clip)
        return old_values + bounded - targets, 1.0 * (bounded == change)
    if "VAL-43b" in on:  # kept, and asked by the right change whether it passes
        change = values - targets
        bounded = np.minimum(np.maximum(change, -clip), clip)
        return old_values + bounded - targets, passes
    if "VAL-44" in on:
        return values + bounded - targets, passes
    if "VAL-44b" in on:
        return values + bounded - targets, 1 + passes
    if "VAL-28" in on:
        return bounded - targets, passes
    if "VAL-28b" in on:
        return np.where(bounded == step, values, bounded) - targets, passes
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
    if "VAL-47" in on:
        squares = np.maximum(free, abs(bounded))
    if "VAL-47b" in on:
        squares = np.maximum(abs(error), held)
    if "VAL-48" in on:
        squares = np.maximum(free / 2, held)
    if "VAL-48b" in on:
        squares = np.maximum(free, held / 2)
    if "VAL-49" in on:
        squares = np.maximum((old_values - targets) ** 2, held)
    if "VAL-52" in on:
        squares = np.maximum(free, (bounded + targets) ** 2)
    if "VAL-53" in on:
        squares = free * (abs(values - old_values) <= clip) + held
    if "VAL-40" in on:
        squares = np.where(abs(values - old_values) <= clip, free, 0)
    return half(on, mean(on, "VAL", squares))


OF_TARGET = "The distance to the target is clipped; clip the change: old + clip(v − old, ±clip)."
OF_NEW = (
    "The clipped change is added to the new value; add it to the old one: "
    "old + clip(v − old, ±clip)."
)

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
    Mistake(
        "VAL-28",
        "Where the clip acts your clipped value is ±clip, without the old value: it is "
        "old + clip(v − old, ±clip).",
        switch="VAL-28b",
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
    Mistake("VAL-43", OF_TARGET),
    Mistake("VAL-44", OF_NEW),
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
    Mistake("VAL-47", "The clipped error is not squared before the maximum; both are."),
    Mistake(
        "VAL-47",
        "The unclipped error is not squared before the maximum; both are.",
        switch="VAL-47b",
    ),
    *ways(
        "VAL-48",
        "One of the two squares is halved before the maximum; halve both, or the loss.",
        "VAL-48",
        "VAL-48b",
    ),
    Mistake("VAL-49", "The old value stands in the unclipped square: it is (v − target)²."),
    Mistake("VAL-52", "The target is not subtracted from the clipped value before squaring."),
    Mistake(
        "VAL-53", "Inside the band the two squares are added; the larger one is taken throughout."
    ),
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
    if "VAL-33" in on:
        values, old_values = old_values, values
    error = error_of(on, values, targets)
    bounded, passes = clipped_error(on, values, old_values, targets, clip)
    parts = Clipped(values - old_values, clip, error * error, bounded * bounded)
    flows = parts.free >= parts.held  # (N,) bool
    other = bounded * passes  # (N,), the gradient of the clipped branch
    for switch, mask in CLIPPED_VALUE_FLOWS.items():
        if switch in on:
            flows, other = mask(parts), 0 * bounded
    rows = np.where(flows, slope_of_error(on, error), other)  # (N,)
    if "VGR-26" in on:
        rows = np.where(flows, bounded, other)
    if "VGR-27" in on:
        rows = np.where(flows, old_values - targets, other)
    if "VGR-30" in on:
        rows = np.where(flows, error, old_values - targets)
    if "VGR-31" in on:
        rows = np.where(flows, values - old_values, other)
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
    Mistake(
        "VGR-26",
        "Where the unclipped square is the larger one, your gradient is that of the clipped "
        "error; it is v − target.",
    ),
    Mistake(
        "VGR-27",
        "Where the unclipped square is the larger one, your gradient is old − target; it is "
        "v − target.",
    ),
    Mistake(
        "VGR-30",
        "Where the clipped square is the larger one, your gradient is old − target; it is 0 there.",
    ),
    Mistake("VGR-31", "Your gradient is the change v − old; it is the error v − target."),
    *ways("VAL-43", f"The clipped value that is kept is wrong. {OF_TARGET}", "VAL-43b"),
    *ways("VAL-44", f"The clipped value that is kept is wrong. {OF_NEW}", "VAL-44b"),
    Mistake("VAL-33", "Values and old values are exchanged: the order is v, old, target, clip."),
    Mistake("VAL-09", "The squared error is clipped; the change of the value v − old is."),
    Mistake("VAL-10", "One branch is chosen for the whole batch; it is chosen for each sample."),
    Mistake("VAL-32", "Old values and targets are exchanged: the order is v, old, target, clip."),
    Mistake("VAL-35", "Your gradient is that of the mean of both squares; it is the larger one's."),
    Mistake("VAL-36", "Your gradient is that of the sum of both squares; it is the larger one's."),
    Mistake("VAL-39", "The error v − target is clipped; the change of the value v − old is."),
    *NEAR,
]

VARIANTS: dict[str, Callable[..., Any]] = {
    "value_loss": value_loss,
    "value_loss_backward": value_loss_backward,
    "clipped_value_loss": clipped_value_loss,
    "clipped_value_loss_backward": clipped_value_loss_backward,
}

MISTAKES: dict[str, list[Mistake]] = {
    "value_loss": [*VALUE, *VALUE_ONLY, *averages("VAL", "Your loss")],
    "value_loss_backward": [*VALUE_BACKWARD, *VALUE_BACKWARD_ONLY, *VALUE_SLIPS],
    "clipped_value_loss": [*CLIPPED_VALUE, *NEAR, *VALUE, *averages("VAL", "Your loss")],
    "clipped_value_loss_backward": [
        *CLIPPED_VALUE_BACKWARD,
        *VALUE_BACKWARD,
        *VALUE_SLIPS,
    ],
}
