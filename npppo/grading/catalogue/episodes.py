"""Known mistakes that returns and advantages share: other rows, confused axes, missed ends.

From here to the advantages the switches are words, so that the variants read like the mistakes
they make.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np

from ..exercise import Array, Mistake, Switches, ways

Choice = TypeVar("Choice")
Shifts = Mapping[str, tuple[int, str]]  # switch: (rows, edge), see `shifted`


def chosen(on: Switches, choices: Mapping[str, Choice], otherwise: Choice) -> Choice:
    """What the first switch among `choices` that is set stands for."""
    return next((choice for switch, choice in choices.items() if switch in on), otherwise)


# Rows taken from elsewhere


def shifted(x: Array, rows: int, edge: str) -> Array:
    """x[t + rows] in row t.

    Beyond the first and the last row there is 0 (edge = "zero"), that row once more ("own"), or
    the other end of the array, as with Python's index -1 ("round").
    """
    T, wanted = len(x), np.arange(len(x)) + rows
    y = x[np.clip(wanted, 0, T - 1) if edge == "own" else wanted % T]
    if edge == "zero":
        y[(wanted < 0) | (wanted >= T)] = 0
    return y


def moved(on: Switches, x: Array, shifts: Shifts) -> Array:
    for switch, (rows, edge) in shifts.items():
        if switch in on:
            x = shifted(x, rows, edge)
    return x


REWARD_SHIFTS: Shifts = {
    "next row's rewards": (1, "zero"),
    "next row's rewards, last kept": (1, "own"),
    "next row's rewards, round": (1, "round"),
    "previous row's rewards": (-1, "round"),
    "previous row's rewards, first 0": (-1, "zero"),
    "previous row's rewards, first kept": (-1, "own"),
}

SUCCESSOR_SHIFTS: Shifts = {
    "next row's next_values": (1, "zero"),
    "next row's next_values, last kept": (1, "own"),
    "next row's next_values, round": (1, "round"),
    "previous row's next_values": (-1, "round"),
    "previous row's next_values, first 0": (-1, "zero"),
    "reset after use": (1, "own"),
}


# The layout of the arrays


def laid_out(on: Switches, compute: Callable[..., Array], *arrays: Array) -> Array:
    """compute(*arrays) for arrays of shape (T, E), or what comes of confusing T and E."""
    T, E = arrays[0].shape
    if "chained by rows" in on:
        return compute(*(x.reshape(-1, 1) for x in arrays)).reshape(T, E)
    if "chained by columns" in on:
        return compute(*(x.T.reshape(-1, 1) for x in arrays)).reshape(E, T).T
    if "sum carried to the next environment" in on:  # backwards in time, forwards in environments
        chain = compute(*(x[:, ::-1].T.reshape(-1, 1) for x in arrays))  # (E * T, 1)
        return chain.reshape(E, T)[::-1].T
    if "time along the wrong axis" in on:
        return compute(*(x.T for x in arrays)).T
    if "as many steps as environments" in on:
        if E > T:
            raise IndexError("there is no such row")
        return np.concatenate([compute(*(x[:E] for x in arrays)), np.zeros((T - E, E))])
    if "if of an array" in on and E > 1:
        raise ValueError("the truth value of an array is ambiguous")
    return compute(*arrays)


def written(on: Switches, result: Array) -> Array:
    """The result, (T, E), as it is written down and handed in."""
    if "first row never filled" in on:
        result = np.concatenate([np.zeros_like(result[:1]), result[1:]])
    if "last row alone" in on:
        result = np.concatenate([np.zeros_like(result[:-1]), result[-1:]])
    if "list not reversed" in on:
        result = result[::-1]
    if "sign" in on:
        result = -result
    if "normalised" in on:
        result = (result - result.mean()) / (result.std() + 1e-8)
    if "normalised with N − 1" in on:
        result = result - result.mean()
        result = result / (np.sqrt(np.divide(np.sum(result**2), result.size - 1)) + 1e-8)
    if "normalised per environment" in on:
        result = (result - result.mean(axis=0)) / (result.std(axis=0) + 1e-8)
    if "centred" in on:
        result = result - result.mean()
    if "a row too many" in on:
        result = np.concatenate([result, np.zeros_like(result[:1])])  # (T + 1, E)
    if "a row too few" in on:
        result = result[:-1]  # (T - 1, E)
    if "transposed" in on:
        result = result.T  # (E, T)
    if "flattened" in on:
        result = result.reshape(-1)  # (T * E,)
    if "averaged over environments" in on:
        result = result.mean(axis=1)  # (T,)
    if "summed over environments" in on:
        result = result.sum(axis=1)  # (T,)
    return result


def cut(on: Switches, switch: str, x: Array, rewards: Array) -> Array:
    """x, written into an array of integers like the rewards."""
    return np.trunc(x) if switch in on and rewards.dtype.kind in "iu" else x


def finite_or_0(next_values: Array) -> Array:
    """What is no number stands behind a termination, where nobody should look."""
    return np.where(np.isfinite(next_values), next_values, 0)


def masked_by_a_product(id: str) -> list[Mistake]:
    return ways(
        id,
        "A nan or an infinity behind a termination gets through, because 0 · nan is nan. Choose, "
        "do not multiply: np.where(terminated, 0, next_values).",
        "masked by a product",
    )


def add_in_place(on: Switches, rewards: Array) -> None:
    if "added in place to integers" in on and rewards.dtype.kind in "iu":
        raise TypeError("cannot cast from float64 to int64")


# The ends of episodes: which flags stop the bootstrap, and which the sum

BOOTSTRAP_STOPS = {
    "ends ignored": "none",
    "ends ignored, next row's values": "none",
    "rewards to the last row": "none",
    "bootstraps at terminations": "none",
    "bootstraps at terminations, sum stops at none but truncations": "none",
    "time limits are deaths": "either",
    "time limits are deaths, next row's values": "either",
    "time limits are deaths, sum runs on": "either",
    "truncated wins": "terminated alone",
    "flags exchanged": "truncated",
    "flags exchanged, terminated ignored": "truncated",
    "both flags needed everywhere": "both",
}
SUM_STOPS = {
    "ends ignored": "none",
    "ends ignored, next row's values": "none",
    "rewards to the last row": "none",
    "sum runs on": "none",
    "time limits are deaths, sum runs on": "none",
    "sum runs on past time limits": "terminated",
    "sum runs on past terminations": "truncated",
    "bootstraps at terminations, sum stops at none but truncations": "truncated",
    "flags exchanged, terminated ignored": "truncated",
    "sum runs on unless both": "both",
    "both flags needed everywhere": "both",
    "sum stops at exactly one flag": "one",
    "~terminated | truncated": "terminated alone",
}
BOOTSTRAP_MASK_SHIFTS: Shifts = {
    "masks late": (1, "zero"),
    "masks late, last kept": (1, "own"),
    "masks late, round": (1, "round"),
    "reset after use": (1, "zero"),
    "bootstrap's mask late": (1, "zero"),
    "bootstrap's mask late, last kept": (1, "own"),
    "masks early": (-1, "zero"),
    "masks early, round": (-1, "round"),
    "bootstrap's mask early": (-1, "zero"),
    "bootstrap's mask early, round": (-1, "round"),
}
SUM_MASK_SHIFTS: Shifts = {
    "masks late": (1, "zero"),
    "masks late, last kept": (1, "own"),
    "masks late, round": (1, "round"),
    "reset after use": (1, "zero"),
    "sum's mask late": (1, "zero"),
    "masks early": (-1, "zero"),
    "masks early, round": (-1, "round"),
    "sum's mask early": (-1, "zero"),
    "sum's mask early, round": (-1, "round"),
}


def flags_seen(on: Switches, flags: Array) -> Array:
    """One kind of flags, as the code takes them."""
    E = flags.shape[1]
    if "flags of environment 0" in on:
        flags = np.repeat(flags[:, :1], E, axis=1)
    if "any environment's flag" in on:
        flags = np.repeat(flags.max(axis=1, keepdims=True), E, axis=1)
    if "every environment's flag" in on:
        flags = np.repeat(flags.min(axis=1, keepdims=True), E, axis=1)
    if "~ in a condition" in on:
        flags = np.logical_not(~flags)
    return flags


def either(on: Switches, terminated: Array, truncated: Array) -> Array:
    if on & {"| of numbers", "~ of numbers"}:
        return np.asarray(terminated | truncated)
    if "+ of flags" in on:  # of bools this is "or", of numbers up to 2
        return np.asarray(terminated + truncated)
    if "1 − terminated − truncated" in on:
        return np.add(terminated, truncated, dtype=float)
    return np.maximum(terminated, truncated)


def flags_of(on: Switches, kind: str, terminated: Array, truncated: Array) -> Array:
    match kind:
        case "terminated":
            return terminated
        case "truncated":
            return truncated
        case "either":
            return either(on, terminated, truncated)
        case "both":
            return np.minimum(terminated, truncated)
        case "one":
            return np.not_equal(terminated, truncated)
        case "terminated alone":
            return np.where(truncated, np.zeros_like(terminated), terminated)
        case _:
            return np.zeros_like(terminated)


def stops(on: Switches, terminated: Array, truncated: Array) -> tuple[Array, Array]:
    """The flags that stop the bootstrap and those that stop the sum, (T, E) each."""
    terminated, truncated = flags_seen(on, terminated), flags_seen(on, truncated)
    if "~terminated in a condition" in on:
        terminated = np.logical_not(~terminated)
    bootstrap = flags_of(on, chosen(on, BOOTSTRAP_STOPS, "terminated"), terminated, truncated)
    total = flags_of(on, chosen(on, SUM_STOPS, "either"), terminated, truncated)
    return moved(on, bootstrap, BOOTSTRAP_MASK_SHIFTS), moved(on, total, SUM_MASK_SHIFTS)


def negated(on: Switches, flags: Array) -> Array:
    """The factor that is 0 where the flag is set, else 1."""
    if "~ of numbers" in on:
        return np.asarray(~flags)
    if "~ of numbers always" in on:
        return np.asarray(~flags.astype(int))
    return np.asarray(1 - flags)


def masks(on: Switches, terminated: Array, truncated: Array) -> tuple[Array, Array]:
    """The factors of the bootstrap and of the sum so far, (T, E) each."""
    bootstrap_stops, sum_stops = stops(on, terminated, truncated)
    alive, goes_on = negated(on, bootstrap_stops), negated(on, sum_stops)
    if "flags as indices" in on:
        alive = np.ones_like(alive)
        alive[terminated] = 0  # where these are numbers: rows 0 and 1
    if on & {"masks upside down", "bootstrap's mask upside down"}:
        alive = bootstrap_stops
    if on & {"masks upside down", "sum's mask upside down"}:
        goes_on = sum_stops
    alive, goes_on = np.array(alive, float), np.array(goes_on, float)
    if "last row not bootstrapped" in on:
        alive[-1] = 0
    if "last row bootstrapped at time limits alone" in on:
        alive[-1] *= truncated[-1]
    if "last row always bootstrapped" in on:
        alive[-1] = 1
    return alive, goes_on


def bootstrap_discounts(on: Switches, gamma: float, truncated: Array) -> Array:
    """What successor values are multiplied by, (T, E)."""
    discounts = np.full(truncated.shape, gamma)
    if "last bootstrap not discounted" in on:
        discounts[-1] = 1
    if "bootstraps at time limits not discounted" in on:
        discounts[np.asarray(truncated, bool)] = 1
    if "bootstraps discounted twice" in on:
        discounts = discounts**2
    return discounts


def rewards_seen(on: Switches, rewards: Array, terminated: Array, truncated: Array) -> Array:
    rewards = moved(on, rewards, REWARD_SHIFTS)
    if "rewards left out" in on:
        rewards = np.zeros(rewards.shape)
    if "rewards clipped" in on:
        rewards = np.clip(rewards, -1, 1)
    if "signs of rewards" in on:
        rewards = np.sign(rewards)
    if "rewards of environment 0" in on:
        rewards = np.repeat(rewards[:, :1], rewards.shape[1], axis=1)
    if "rewards averaged over environments" in on:
        rewards = np.repeat(rewards.mean(axis=1, keepdims=True), rewards.shape[1], axis=1)
    if "rewards centred" in on:
        rewards = rewards - rewards.mean()
    if "last reward masked" in on:
        rewards = rewards * (1 - terminated)
    if "last reward masked at time limits too" in on:
        rewards = rewards * (1 - np.maximum(terminated, truncated))
    return rewards


# Sentences

WHOLE_NUMBERS = (
    "With integer rewards your arrays become integer as well (zeros_like(rewards)) and lose what "
    "follows the decimal point; results are floats."
)
CHAINED = (
    "The environments are chained to one long sequence, so one runs on into the next; each column "
    "is a sequence of its own."
)


def flags_as_numbers(id: str) -> list[Mistake]:
    return [
        *ways(
            id,
            "On 0/1 integers ~ is no logical not (~0 is −1 and ~1 is −2, both true), and on floats "
            "it fails; use np.logical_not or 1 − flags.",
            "~ in a condition",
            "~terminated in a condition",
            "~ of numbers",
        ),
        *ways(
            id,
            "terminated | truncated fails where the flags are 0.0 and 1.0; use np.logical_or.",
            "| of numbers",
        ),
        *ways(
            id,
            "terminated + truncated is 2 where both are set and are numbers, and 1 − 2 is −1; use "
            "np.logical_or.",
            "+ of flags",
        ),
        *ways(
            id,
            "Flags that are 0/1 numbers do not work as a mask in brackets, they pick rows 0 and 1; "
            "convert them with astype(bool) first.",
            "flags as indices",
        ),
    ]


def shapes(id: str) -> list[Mistake]:
    return [
        *ways(id, "The result is transposed, (E, T); it is (T, E).", "transposed"),
        *ways(id, "The result is flattened, (T · E,); it is (T, E).", "flattened"),
        *ways(
            id,
            "The result is averaged or summed over the environments, (T,); it is (T, E).",
            "averaged over environments",
            "summed over environments",
        ),
        *ways(id, "The result has a row too many, T + 1; it is (T, E).", "a row too many"),
        *ways(id, "The result has a row too few, T − 1; it is (T, E).", "a row too few"),
    ]


def other_rows(id: str) -> list[Mistake]:
    right = "next_values[t] is already the value of the state after step t."
    return [
        *ways(
            id,
            f"next_values are taken from row t+1; {right}",
            "next row's next_values",
            "next row's next_values, last kept",
            "next row's next_values, round",
        ),
        *ways(
            id,
            f"next_values are taken from row t−1; {right}",
            "previous row's next_values",
            "previous row's next_values, first 0",
        ),
    ]


def rows_left_out(id: str) -> list[Mistake]:
    return [
        *ways(
            id,
            "The last row is never filled and stays 0; the loop runs over all T rows.",
            "last row never filled",
        ),
        *ways(
            id,
            "The first row is never filled and stays 0; the loop runs down to t = 0.",
            "first row never filled",
        ),
        *ways(
            id,
            "Only the last row is filled: your function returns inside its loop.",
            "last row alone",
        ),
    ]


def one_for_all(id: str) -> list[Mistake]:
    right = "each column has flags of its own."
    return [
        *ways(
            id,
            f"The end in any environment is taken as the end in all; {right}",
            "any environment's flag",
        ),
        *ways(
            id,
            f"An end is only seen where all environments end at once; {right}",
            "every environment's flag",
        ),
        *ways(
            id,
            f"The flags of environment 0 are taken for all environments; {right}",
            "flags of environment 0",
        ),
    ]


def other_rewards(id: str) -> list[Mistake]:
    return [
        *ways(
            id,
            "The rewards of environment 0, or their mean, are used for all environments; each "
            "column has its own.",
            "rewards of environment 0",
            "rewards averaged over environments",
        ),
        *ways(
            id,
            "The mean of the rewards is subtracted; they are used as they are.",
            "rewards centred",
        ),
    ]


def wrong_axis(id: str) -> list[Mistake]:
    return [
        *ways(
            id,
            "The recursion runs along the environments; time is the first axis, (T, E).",
            "time along the wrong axis",
        ),
        *ways(
            id,
            "The loop runs over E steps, the number of environments; it runs over T, the first "
            "axis.",
            "as many steps as environments",
        ),
    ]
