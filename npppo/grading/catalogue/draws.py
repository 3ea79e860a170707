"""Known mistakes in drawing actions by their probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..exercise import Array, Mistake, Switches, ways
from .categorical import one_hot
from .rows import LAST_ROW, without_last
from .softmax import BASE, SOFTMAX, UNEVEN, softmax


def categorical_sample(on: Switches, logits: Array, u: Array) -> Any:
    if "SMP-01" in on:
        return logits.argmax(axis=1)
    if "SMP-22" in on:
        return np.zeros(len(u), np.int64)
    p = logits if "SMP-16" in on else softmax(on, logits)  # (N, A)
    A = p.shape[1]
    if "SMP-27" in on:
        return np.floor(u * A).astype(np.int64)
    if "SMP-04" in on:
        u = np.full_like(u, u[0])
    if "SMP-10" in on:
        return A - 1 - first_beyond(on, p[:, ::-1].cumsum(axis=1), u)
    if "SMP-10b" in on:
        u = 1 - u
    if "SMP-25" in on:
        p = np.sort(p, axis=1)[:, ::-1]
    if "SMP-25b" in on:
        p = np.sort(p, axis=1)
    if "SMP-13" in on:
        cdf = p
    elif "SMP-14" in on:
        cdf = p.cumsum().reshape(p.shape)
    elif "SMP-14b" in on:
        cdf = np.broadcast_to(p[0].cumsum(), p.shape)
    elif "SMP-15" in on:
        cdf = p.cumsum(axis=0)
    elif on & LATE:
        return late(
            on, p if on & {"SMP-11d", "SMP-11e"} else softmax(on, logits.astype(np.float64)), u
        )
    elif "SMP-11c" in on:
        cdf = p.cumsum(axis=1) - p
    else:
        cdf = p.cumsum(axis=1)  # (N, A)
    if "SMP-23" in on:
        return np.abs(cdf - u[:, None]).argmin(axis=1)
    actions = first_beyond(on, cdf, u)  # (N,)
    if "SMP-11" in on:
        actions = actions + 1
    if "SMP-11b" in on:
        actions = np.minimum(actions + 1, A - 1)
    if "SMP-12" in on:
        actions = actions - 1
    if "SMP-12b" in on:
        actions = np.maximum(actions - 1, 0)
    if "SMP-21" in on:
        actions = A - actions
    if "SMP-30" in on:
        actions = np.concatenate([actions[:1], 0 * actions[1:]])
    if "SMP-31" in on:
        actions = np.repeat(actions[-1:], len(actions))
    if "SMP-26" in on:
        actions = actions[:, None]
    if "SMP-19" in on:
        actions = one_hot(actions, A)
    return without_last(on, actions)


LATE = {"SMP-11d", "SMP-11e", "SMP-11f", "SMP-11g"}


def late(on: Switches, p: Array, u: Array) -> Array:
    """The first action before which the probabilities exceed u, and where there is none the last.

    Some take the last that is possible, some the last of all, and some go over to float64 first.
    """
    before = np.concatenate([0 * p[:, :1], p.cumsum(axis=1)[:, :-1]], axis=1)  # (N, A)
    beyond = before > u[:, None]
    last = p.shape[1] - 1
    possible = last - (p[:, ::-1] > 0).argmax(axis=1)  # (N,)
    otherwise = possible if on & {"SMP-11d", "SMP-11f"} else last
    first: Array = np.where(beyond.any(axis=1), beyond.argmax(axis=1), otherwise)
    return first


# Mistakes whose cumulative probabilities do not end in 1, or which take for granted that they do
PLAIN = frozenset(
    [
        *["SMP-02", "SMP-08", "SMP-09", "SMP-10b", "SMP-13", "SMP-14", "SMP-14b", "SMP-15"],
        "SMP-16",
        *["SMX-03", "SMX-03c", "SMX-04", "SMX-04b", "SMX-16", "SMX-16b"],
        *["SMX-20", "SMX-20b", "SMX-22", "SMX-26", "SMX-32"],
        *["SMX-48", "SMX-48b", "SMX-49", "SMX-50", "SMX-51", "SMX-51b"],
    ]
)


def first_beyond(on: Switches, cdf: Array, u: Array) -> Array:
    """The first action in each row whose cumulative probability exceeds u."""
    end = cdf[:, -1:]  # (N, 1)
    if on & PLAIN:
        end = np.ones_like(end)
    threshold = u if "SMP-29" in on else u[:, None] * end  # (N, 1)
    exceeds = cdf >= threshold if "SMP-03" in on else cdf > threshold  # (N, A)
    first: Array = exceeds.argmax(axis=1)  # (N,), 0 where none exceeds
    if on & {"SMP-02", "SMP-08"}:
        first = np.where(exceeds.any(axis=1), first, cdf.shape[1])
    return np.minimum(first, cdf.shape[1] - 1) if "SMP-08" in on else first


VARIANTS = {
    "categorical_sample": categorical_sample,
}

MISTAKES = {
    "categorical_sample": [
        Mistake("SMP-01", "This is always the likeliest action; draw one with the given u."),
        Mistake(
            "SMP-02",
            "Where rounding leaves the last cumulative probability below u, this counts past the "
            "last action; compare with u · cdf[:, -1:].",
        ),
        Mistake(
            "SMP-03",
            "The cumulative probability must exceed u, not merely reach it: at u = 0 this draws "
            "an action of probability 0 (searchsorted needs side='right').",
        ),
        Mistake("SMP-04", "One u serves the whole batch; each row has its own."),
        Mistake(
            "SMP-08",
            "Where rounding leaves the last cumulative probability below u, this draws the last "
            "action, even one of probability 0; compare with u · cdf[:, -1:].",
        ),
        Mistake(
            "SMP-09",
            "Where rounding leaves the last cumulative probability below u, none exceeds it and "
            "argmax gives action 0; compare with u · cdf[:, -1:].",
        ),
        *ways(
            "SMP-10",
            "The actions are gone through from the last to the first; cumulate from action 0 on "
            "and compare with u, not 1 − u.",
            "SMP-10",
            "SMP-10b",
        ),
        *ways(
            "SMP-11",
            "The action is one too high: they count from 0, and the first is drawn whose "
            "cumulative probability, its own included, exceeds u.",
            "SMP-11",
            "SMP-11b",
            "SMP-11c",
        ),
        *ways(
            "SMP-11",
            "The probability is added after the comparison, so that the next action is drawn; add "
            "it first.",
            *sorted(LATE),
        ),
        *ways(
            "SMP-12",
            "The action is one too low: draw the first whose cumulative probability exceeds u, "
            "not the last that does not.",
            "SMP-12",
            "SMP-12b",
        ),
        Mistake(
            "SMP-13", "u is compared with the probabilities; compare with their cumulative sum."
        ),
        *ways(
            "SMP-14",
            "The probabilities are cumulated over the whole batch; cumulate over the actions of "
            "each row: cumsum(axis=1).",
            "SMP-14",
            "SMP-14b",
        ),
        Mistake(
            "SMP-15",
            "The probabilities are cumulated down the batch (axis 0); cumulate over the actions "
            "of each row: cumsum(axis=1).",
        ),
        Mistake("SMP-16", "The logits are cumulated; cumulate the probabilities, their softmax."),
        Mistake("SMP-19", "The actions are one-hot, (N, A); return their numbers, (N,)."),
        Mistake(
            "SMP-21",
            "This counts the actions whose cumulative probability exceeds u; asked for is the "
            "number of the first such.",
        ),
        Mistake("SMP-22", "This is always action 0; look at the comparison with u."),
        Mistake(
            "SMP-23",
            "The action whose cumulative probability is nearest to u is drawn; draw the first "
            "that exceeds u.",
        ),
        *ways(
            "SMP-25",
            "The probabilities are sorted, so that the result is a rank; leave them in the order "
            "of the actions.",
            "SMP-25",
            "SMP-25b",
        ),
        Mistake("SMP-26", "The actions have shape (N, 1), expected (N,)."),
        Mistake("SMP-27", "All actions are drawn alike, whatever their probability."),
        Mistake(
            "SMP-30", "Only the first row's action is drawn: your function returns inside its loop."
        ),
        Mistake("SMP-31", "The last row's action stands in all rows; each row has its own."),
        Mistake(
            "SMP-29",
            "u is compared along the actions: an error, or with as many rows as actions a silent "
            "mistake; write u[:, None].",
        ),
        *SOFTMAX,
        *UNEVEN,
        *BASE,
        LAST_ROW,
    ],
}
