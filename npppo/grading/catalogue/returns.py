"""Known mistakes between rewards and advantages.

The switches are words, so that the variants read like the mistakes they make. `gae` and
`discounted_returns` share those about the layout of arrays, the ends of episodes and rows taken
from elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

import numpy as np

from ..exercise import Array, Mistake, Switches

Choice = TypeVar("Choice")
Shifts = Mapping[str, tuple[int, str]]  # switch: (rows, edge), see `shifted`


def chosen(on: Switches, choices: Mapping[str, Choice], otherwise: Choice) -> Choice:
    """What the first switch among `choices` that is set stands for."""
    return next((choice for switch, choice in choices.items() if switch in on), otherwise)


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
BASELINE_SHIFTS: Shifts = {
    "next row's baseline": (1, "zero"),
    "next row's baseline, last kept": (1, "own"),
    "next row's baseline, round": (1, "round"),
    "previous row's baseline": (-1, "round"),
    "previous row's baseline, first 0": (-1, "zero"),
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
    return discounts


def rewards_seen(on: Switches, rewards: Array, terminated: Array, truncated: Array) -> Array:
    rewards = moved(on, rewards, REWARD_SHIFTS)
    if "rewards left out" in on:
        rewards = np.zeros(rewards.shape)
    if "rewards clipped" in on:
        rewards = np.clip(rewards, -1, 1)
    if "signs of rewards" in on:
        rewards = np.sign(rewards)
    if "last reward masked" in on:
        rewards = rewards * (1 - terminated)
    if "last reward masked at time limits too" in on:
        rewards = rewards * (1 - np.maximum(terminated, truncated))
    return rewards


# Discounted returns


def discounted_returns(
    on: Switches,
    rewards: Array,
    next_values: Array,
    terminated: Array,
    truncated: Array,
    gamma: float,
) -> Array:
    def compute(*arrays: Array) -> Array:
        return _returns(on, gamma, *arrays)

    if "cumsum" in on:
        return np.cumsum(rewards, axis=0)
    if "cumsum backwards" in on:
        return np.cumsum(rewards[::-1], axis=0)[::-1]
    return written(on, laid_out(on, compute, rewards, next_values, terminated, truncated))


def _returns(
    on: Switches,
    gamma: float,
    rewards: Array,
    next_values: Array,
    terminated: Array,
    truncated: Array,
) -> Array:
    add_in_place(on, rewards)
    gammas = {"no γ": 1.0, "γ squared": gamma**2, "γ = 0.99": 0.99, "rewards alone": 0.0}
    gamma = chosen(on, gammas, gamma)
    T, E = rewards.shape
    alive, goes_on = masks(on, terminated, truncated)  # (T, E) each
    stopped = np.array(stops(on, terminated, truncated)[1], float)  # (T, E)
    if "branches exchanged" in on:
        stopped, goes_on = goes_on, stopped

    order = range(T - 1, -1, -1)
    following = np.zeros(E)
    if "forward" in on:
        order = range(T)
        goes_on, stopped = shifted(goes_on, -1, "zero"), np.zeros((T, E))
    elif "forward, all else as backwards" in on:
        order, following = range(T), next_values[-1]
    else:
        stopped[-1], goes_on[-1] = 1, 0  # the rewards stop there in any case
    if on & {"time limits run on", "time limits run on, the last row too"}:
        goes_on[:-1] = (1 - terminated)[:-1]
    if "bootstraps every step and runs on" in on:
        stopped[:] = 1
    if "one-step targets" in on:
        stopped[:], goes_on[:] = 1, 0

    bootstrap = stopped * alive * moved(on, next_values, SUCCESSOR_SHIFTS)  # (T, E)
    if "one bootstrap for all" in on:
        bootstrap = stopped * alive * next_values[-1]
    if on & {"never bootstraps", "rewards to the last row"}:
        bootstrap = np.zeros((T, E))
    if "bootstraps at the last row alone" in on:
        bootstrap[:-1] = 0
    if "time limits run on, the last row too" in on:
        bootstrap[-1] *= 1 + truncated[-1]
    if "bootstrap subtracted" in on:
        bootstrap = -bootstrap
    discounts = bootstrap_discounts(on, gamma, truncated)
    if "no γ on bootstraps" in on:
        discounts[:] = 1

    own = rewards_seen(on, rewards, terminated, truncated)
    if "γ on the reward" in on:
        own = gamma * own
    replaced = np.zeros((T, E), bool)  # next_values stand in place of the return
    if "value in place of the return at time limits" in on:
        replaced = np.greater(truncated, terminated)
    if "value in place of the last return" in on:
        replaced[-1] = True
    result = np.zeros((T, E))
    for t in order:
        result[t] = own[t] + gamma * goes_on[t] * following + discounts[t] * bootstrap[t]
        result[t] = np.where(replaced[t], next_values[t], result[t])
        result[t] = cut(on, "whole numbers at each step", result[t], rewards)
        if "last row never filled" in on and t == T - 1:
            result[t] = 0
        following = result[t]

    starts = shifted(np.maximum(terminated, truncated), -1, "zero")  # (T, E), but for row 0
    age = np.zeros((T, E), int)  # steps since the episode began
    for t in range(1, T):
        age[t] = np.where(starts[t], 0, age[t - 1] + 1)
    steps = np.arange(T)[:, np.newaxis]  # (T, 1)
    if "whole sum at every step" in on:
        result = np.repeat(result[:1], T, axis=0)
    if "episode's sum at every step" in on:
        result = np.take_along_axis(result, steps - age, axis=0)
    if "own reward left out" in on:
        result = result - rewards
    if "discount counted from t = 0" in on:
        result = gamma**steps * result
    if "discount counted from the episode's start" in on:
        result = gamma**age * result
    if "discounted once more" in on:
        result = gamma * result
    return cut(on, "whole numbers", result, rewards)


# Advantages


class Rollout(NamedTuple):
    """Arrays of shape (T, E)."""

    rewards: Array
    values: Array
    next_values: Array
    terminated: Array
    truncated: Array


def gae(
    on: Switches,
    rewards: Array,
    values: Array,
    next_values: Array,
    terminated: Array,
    truncated: Array,
    gamma: float,
    lam: float,
) -> Array:
    if "γ and λ exchanged" in on:
        gamma, lam = lam, gamma
    if on & {"γ = 0.99", "γ = 0.99 and λ = 0.95"}:
        gamma = 0.99
    if on & {"λ = 0.95", "γ = 0.99 and λ = 0.95"}:
        lam = 0.95
    if "values exchanged" in on:
        values, next_values = next_values, values

    def compute(*arrays: Array) -> Array:
        return _advantages(on, Rollout(*arrays), gamma, lam)

    result = laid_out(on, compute, rewards, values, next_values, terminated, truncated)
    if "targets" in on:
        result = result + values
    if "values subtracted once more" in on:
        result = result - values
    if "absolute value" in on:
        result = np.abs(result)
    return written(on, result)


def _advantages(on: Switches, rollout: Rollout, gamma: float, lam: float) -> Array:
    rewards, values, next_values, terminated, truncated = rollout
    add_in_place(on, rewards)
    values = cut(on, "values in whole numbers", values, rewards)
    next_values = cut(on, "values in whole numbers", next_values, rewards)
    rollout = Rollout(rewards, values, next_values, terminated, truncated)
    T, E = rewards.shape

    alive, goes_on = masks(on, terminated, truncated)  # (T, E) each
    successors = successor_values(on, rollout)  # (T, E)
    deltas = td_errors(on, rollout, successors, alive, gamma, lam)  # (T, E)
    if "δ masked" in on:
        deltas = deltas * goes_on
    if "δ masked at terminations" in on:
        deltas = deltas * alive
    deltas = cut(on, "TD errors in whole numbers", deltas, rewards)

    discounts = {
        "one step": 0.0,
        "no λ": gamma,
        "return less value": gamma,
        "no γ in the sum": lam,
        "no γ": lam,
        "sum not discounted": 1.0,
        "1 − λ for λ": gamma * (1 - lam),
        "γλ squared": (gamma * lam) ** 2,
    }
    discount = chosen(on, discounts, gamma * lam)
    if "last exponent as printed" in on:
        deltas[-1] *= discount**2
    starts = {
        "starts with next_values": next_values[-1],
        "starts with values": values[-1],
        "starts with δ": deltas[-1],
    }
    following = chosen(on, starts, np.zeros(E))  # (E,), the advantage one row on

    result = np.zeros((T, E))
    forward = bool(on & {"forward", "forward, previous mask"})
    if "forward, previous mask" in on:
        goes_on = shifted(goes_on, -1, "zero")
    for t in range(T) if forward else range(T - 1, -1, -1):
        if "previous row's advantage" in on:
            following = result[t - 1]
        if on & {"λ-return less value", "return less value"} and t < T - 1:
            following = following + values[t + 1] - successors[t]
        carried = discount * goes_on[t] * following
        result[t] = deltas[t] - carried if "sum subtracted" in on else deltas[t] + carried
        result[t] = cut(on, "whole numbers at each step", result[t], rewards)
        if "last row never filled" in on and t == T - 1:
            result[t] = 0
        following = deltas[t] if "adds one TD error" in on else result[t]
        if "masked twice" in on:
            following = following * goes_on[t]
        if "masked twice at terminations" in on:
            following = following * (1 - terminated[t])
        if "masked twice at time limits" in on:
            following = following * (1 - truncated[t])

    powers = (gamma * lam) ** np.arange(T)[:, np.newaxis]  # (T, 1)
    if "discount counted from t = 0" in on:
        result = powers * result
    if "divides by the discount" in on:
        result = powers * result / powers
    if "discounted once more" in on:
        result = gamma * lam * result
    if "times 1 − λ" in on:
        result = (1 - lam) * result
    return cut(on, "whole numbers", result, rewards)


def successor_values(on: Switches, rollout: Rollout) -> Array:
    """What is taken for V(s_{t+1}), (T, E)."""
    _, values, next_values, terminated, truncated = rollout
    ended = np.maximum(terminated, truncated)  # (T, E)
    next_row = np.concatenate([values[1:], next_values[-1:]])  # (T, E)
    if on & {
        "next row's values",
        "ends ignored, next row's values",
        "time limits are deaths, next row's values",
    }:
        next_values = next_row
    if "next row's values at time limits" in on:
        next_values = np.where(truncated, next_row, next_values)
    if "next row's values inside" in on:
        next_values = np.where(ended, next_values, next_row)
    if "next row's values, last 0" in on:
        next_values = shifted(values, 1, "zero")
    if "next row's values, last kept" in on:
        next_values = shifted(values, 1, "own")
    if "next row's values, round" in on:
        next_values = shifted(values, 1, "round")
    if "own values" in on:
        next_values = values
    if "own values at time limits" in on:
        next_values = np.where(truncated, values, next_values)
    if "one bootstrap for all" in on:
        next_values = np.repeat(next_values[-1:], len(values), axis=0)
    if "never bootstraps" in on:
        next_values = np.zeros_like(next_values)
    if "bootstraps at the last row alone" in on:
        next_values = np.concatenate([0 * next_values[:-1], next_values[-1:]])
    if "bootstraps at ends and the last row alone" in on:
        next_values = np.concatenate([(next_values * ended)[:-1], next_values[-1:]])
    return moved(on, next_values, SUCCESSOR_SHIFTS)


def td_errors(
    on: Switches, rollout: Rollout, successors: Array, alive: Array, gamma: float, lam: float
) -> Array:
    """δ, (T, E)."""
    rewards, values, _, terminated, truncated = rollout
    gammas = {"no γ in δ": 1.0, "no γ": 1.0, "λ in δ": gamma * lam}
    discounts = bootstrap_discounts(on, chosen(on, gammas, gamma), truncated)  # (T, E)
    bootstrap = discounts * successors * alive  # (T, E)
    if "bootstraps twice at time limits" in on:
        bootstrap = bootstrap + gamma * successors * truncated * (1 - terminated)
    if "bootstraps twice at time limits, once at both flags" in on:
        bootstrap = bootstrap + gamma * successors * truncated
    if "own values too at time limits" in on:
        bootstrap = bootstrap + gamma * values * truncated
    if "own values at time limits, at both flags too" in on:
        bootstrap = np.where(truncated, gamma * values, bootstrap)
    if "bootstrap subtracted" in on:
        bootstrap = -bootstrap
    own = rewards_seen(on, rewards, terminated, truncated)
    if "γ on the reward" in on:
        own = gamma * own
    weights = {"no baseline": 0.0, "baseline added": -1.0, "γ on the baseline": gamma}
    baseline = chosen(on, weights, 1.0) * moved(on, values, BASELINE_SHIFTS)
    gained = own + bootstrap
    if "value in place of the return at time limits" in on:
        gained = np.where(np.greater(truncated, terminated), successors, gained)
    return np.asarray(gained - baseline)


# Normalisation


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
    mean = a.sum() / n
    squares = np.sum((a - mean) ** 2)
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
    "discounted_returns": discounted_returns,
    "gae": gae,
    "normalize_advantages": normalize_advantages,
}


def ways(id: str, sentence: str, *switches: str, convention: bool = False) -> list[Mistake]:
    """One mistake, made in one way or several."""
    return [Mistake(id, sentence, convention, switch) for switch in switches]


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


MISTAKES = {
    "discounted_returns": [
        *ways(
            "RET-03",
            "Every step gets the return of the whole episode; step t counts rewards from t on "
            "(reward-to-go).",
            "whole sum at every step",
            "episode's sum at every step",
        ),
        *ways(
            "RET-04",
            "The discount is counted from the first step, γᵗ r_t; seen from step t, r_t itself is "
            "not discounted and r_{t+k} counts γᵏ.",
            "discount counted from t = 0",
            "discount counted from the episode's start",
        ),
        *ways(
            "RET-05",
            "Nothing is added after the last row; where the episode has not terminated there, "
            "γ · next_values[-1] stands for the rewards to come.",
            "last row not bootstrapped",
            "last row bootstrapped at time limits alone",
        ),
        *ways(
            "RET-06",
            "The sum runs on past the end of an episode into the next one; it has to start anew "
            "at every end.",
            "ends ignored",
            "sum runs on",
        ),
        *ways(
            "RET-08",
            "A time limit is treated like a death; at a truncation γ · next_values[t] is still to "
            "be added.",
            "time limits are deaths",
        ),
        *ways(
            "RET-09",
            "Where both flags are set you bootstrap; terminated wins, nothing is added.",
            "truncated wins",
        ),
        *ways(
            "RET-10",
            "next_values is never used; γ · next_values[t] is due at a truncation and at a last "
            "row that has not terminated.",
            "never bootstraps",
        ),
        *ways(
            "RET-11",
            "The sum runs on past a time limit into the next episode; it stops there, and "
            "γ · next_values[t] stands for the rest.",
            "sum runs on past time limits",
        ),
        *ways(
            "RET-12",
            "Terminations do not stop the sum, only truncations do; both end an episode.",
            "sum runs on past terminations",
            "bootstraps at terminations, sum stops at none but truncations",
        ),
        *ways(
            "RET-13",
            "You bootstrap with next_values at a termination too; after it nothing comes, the "
            "return is the last reward.",
            "bootstraps at terminations",
        ),
        *ways(
            "RET-14",
            "terminated and truncated are exchanged: a truncation bootstraps, a termination does "
            "not.",
            "flags exchanged",
            "flags exchanged, terminated ignored",
        ),
        *ways(
            "RET-15",
            "The flags are taken from row t+1; whether step t ended the episode stands in row t.",
            "masks late",
            "masks late, last kept",
            "masks late, round",
            "reset after use",
            "sum's mask late",
        ),
        *ways(
            "RET-16",
            "The flags are taken from row t−1; whether step t ended the episode stands in row t.",
            "masks early",
            "masks early, round",
            "sum's mask early",
            "sum's mask early, round",
        ),
        *ways("RET-17", "γ is missing: R_t = r_t + γ R_{t+1}.", "no γ"),
        *ways(
            "RET-18",
            "γ is applied twice for each step; R_t = r_t + γ R_{t+1} has it once.",
            "γ squared",
        ),
        *ways(
            "RET-19",
            "The bootstrap is not discounted; the successor's value counts γ · next_values[t].",
            "no γ on bootstraps",
            "last bootstrap not discounted",
            "bootstraps at time limits not discounted",
        ),
        *ways(
            "RET-20",
            "The step's own reward is discounted too; γ is for what follows, R_t = r_t + γ "
            "R_{t+1}.",
            "γ on the reward",
        ),
        *ways(
            "RET-20",
            "Everything is discounted once too often, r_t too; R_t = r_t + γ R_{t+1}.",
            "discounted once more",
        ),
        *ways(
            "RET-21",
            "The sum runs forward in time and collects past rewards; a return is the sum of the "
            "rewards to come, so the loop starts at the last row.",
            "forward",
            "forward, all else as backwards",
            "cumsum",
        ),
        *ways(
            "RET-22",
            "The result is just the rewards (γ = 0); R_t = r_t + γ R_{t+1}.",
            "rewards alone",
        ),
        *ways(
            "RET-23",
            "These are one-step targets r_t + γ V(s_{t+1}); a return follows the rewards and uses "
            "next_values only where they stop.",
            "one-step targets",
        ),
        *ways(
            "RET-24",
            "The rewards are summed to the last row whatever happens; the ends of episodes and "
            "next_values are not used.",
            "rewards to the last row",
        ),
        *ways(
            "RET-24",
            "The rewards are added up to the last row without γ, ends of episodes and next_values.",
            "cumsum backwards",
        ),
        *ways(
            "RET-25",
            "The last row is always bootstrapped; not where the episode has terminated there.",
            "last row always bootstrapped",
        ),
        *ways(
            "RET-26",
            "The last row is next_values itself; it is r_t + γ · next_values[t], the reward "
            "included.",
            "value in place of the last return",
        ),
        *ways(
            "RET-26",
            "At a truncation the return is next_values itself; it is r_t + γ · next_values[t], the "
            "reward included.",
            "value in place of the return at time limits",
        ),
        *rows_left_out("RET-27"),
        *ways(
            "RET-28",
            WHOLE_NUMBERS,
            "whole numbers",
            "whole numbers at each step",
            "added in place to integers",
        ),
        *flags_as_numbers("RET-29"),
        *ways(
            "RET-30",
            CHAINED,
            "chained by rows",
            "chained by columns",
            "sum carried to the next environment",
        ),
        *wrong_axis("RET-31"),
        *ways("RET-32", "The result has the wrong sign.", "sign"),
        *ways(
            "RET-33",
            "The bootstrap is subtracted; it is added: R_t = r_t + γ · next_values[t].",
            "bootstrap subtracted",
        ),
        *ways(
            "RET-34",
            "The rewards are taken from row t+1; the reward of step t stands in row t.",
            "next row's rewards",
            "next row's rewards, last kept",
            "next row's rewards, round",
        ),
        *ways(
            "RET-35",
            "The rewards are taken from row t−1; the reward of step t stands in row t.",
            "previous row's rewards",
            "previous row's rewards, first 0",
            "previous row's rewards, first kept",
        ),
        *other_rows("RET-36"),
        *ways(
            "RET-37",
            "Every bootstrap uses next_values of the last row; step t uses next_values[t].",
            "one bootstrap for all",
        ),
        *ways(
            "RET-38",
            "The result is in reverse order; a list filled backwards has to be reversed.",
            "list not reversed",
        ),
        *shapes("RET-39"),
        *one_for_all("RET-40"),
        *ways(
            "RET-41",
            "The code fails with more than one environment: `if terminated[t]` asks an array; "
            "use np.where or multiply by 1 − terminated[t].",
            "if of an array",
        ),
        *ways("RET-42", "The argument γ is ignored, 0.99 is used instead.", "γ = 0.99"),
        *ways(
            "RET-43",
            "The returns are normalised; they are wanted as they are.",
            "normalised",
            "normalised with N − 1",
            "normalised per environment",
        ),
        *ways(
            "RET-43",
            "The mean of the returns is subtracted; they are wanted as they are.",
            "centred",
        ),
        *ways(
            "RET-44",
            "At a truncation the bootstrap is added and the sum runs on besides; it is one or the "
            "other.",
            "time limits run on",
            "time limits run on, the last row too",
        ),
        *ways(
            "RET-45",
            "γ · next_values[t] is added at every step; only where the rewards stop (truncation, "
            "last row).",
            "bootstraps every step and runs on",
        ),
        *ways(
            "RET-46",
            "The mask removes the last reward of an episode too; only what follows it is 0.",
            "last reward masked",
            "last reward masked at time limits too",
        ),
        *ways(
            "RET-47",
            "Truncations are not bootstrapped, only the last row is; γ · next_values[t] is due at "
            "both.",
            "bootstraps at the last row alone",
        ),
        *ways(
            "RET-48",
            "The step's own reward is left out; R_t begins with r_t.",
            "own reward left out",
        ),
        *ways(
            "RET-49",
            "The mask is upside down: you continue at the ends of episodes and stop elsewhere.",
            "branches exchanged",
        ),
        *ways(
            "RET-50",
            "An end is only seen where terminated and truncated are both set; either flag is one.",
            "sum runs on unless both",
            "both flags needed everywhere",
        ),
        *ways(
            "RET-51",
            "Where both flags are set the sum runs on; terminated or truncated, the episode is "
            "over (logical_or, not xor).",
            "sum stops at exactly one flag",
        ),
        *ways(
            "RET-51",
            "1 − terminated − truncated is −1 where both flags are set; use 1 − "
            "np.logical_or(terminated, truncated).",
            "1 − terminated − truncated",
        ),
        *ways(
            "RET-52",
            "The rewards are clipped to ±1 or to their signs; they are used as they are.",
            "rewards clipped",
            "signs of rewards",
        ),
    ],
    "gae": [
        *ways(
            "GAE-01",
            "The ends of episodes are ignored; at an end the sum stops, and after a termination "
            "the successor's value is 0.",
            "ends ignored",
            "ends ignored, next row's values",
        ),
        *ways(
            "GAE-02",
            "The advantage of the next episode leaks across the end: δ is masked but the recursion "
            "is not; A_t = δ_t + γλ · (1 − ended_t) · A_{t+1}.",
            "sum runs on",
        ),
        *ways(
            "GAE-03",
            "You bootstrap after a termination; its successor has value 0: "
            "δ_t = r_t + γ V(s_{t+1}) · (1 − terminated_t) − V(s_t).",
            "bootstraps at terminations",
        ),
        *ways(
            "GAE-04",
            "The flags are taken from row t+1, one step late; whether step t ended the episode "
            "stands in row t (in codes with dones before the step it is t+1).",
            "masks late",
            "masks late, last kept",
            "masks late, round",
            "sum's mask late",
            "bootstrap's mask late",
            "bootstrap's mask late, last kept",
        ),
        *ways(
            "GAE-05",
            "The flags are taken from row t−1, one step early; whether step t ended the episode "
            "stands in row t.",
            "masks early",
            "masks early, round",
            "sum's mask early",
            "sum's mask early, round",
            "bootstrap's mask early",
            "bootstrap's mask early, round",
        ),
        *ways(
            "GAE-06",
            "A time limit is treated like a death; after a truncation the successor's value "
            "counts, only `terminated` sets it to 0.",
            "time limits are deaths",
            "time limits are deaths, next row's values",
        ),
        *ways(
            "GAE-07",
            "The recursion runs on past a time limit into the next episode; it stops at terminated "
            "and at truncated alike.",
            "sum runs on past time limits",
        ),
        *ways(
            "GAE-08",
            "V(s_{t+1}) is taken from values[t+1], at an end the first state of the next episode; "
            "next_values[t] is the true successor's value.",
            "next row's values",
            "next row's values at time limits",
            "next row's values, last 0",
            "next row's values, last kept",
            "next row's values, round",
        ),
        *ways(
            "GAE-09",
            "At a time limit you bootstrap with values[t], the state before the step; it is "
            "next_values[t], the state after it.",
            "own values at time limits",
            "own values at time limits, at both flags too",
            "own values too at time limits",
        ),
        *ways(
            "GAE-10",
            "Where both flags are set you bootstrap; terminated wins, the successor's value is 0.",
            "truncated wins",
        ),
        *ways(
            "GAE-11",
            "The last row is not bootstrapped; where the episode has not terminated, "
            "γ · next_values[-1] belongs to the last δ.",
            "last row not bootstrapped",
            "last row bootstrapped at time limits alone",
        ),
        *ways(
            "GAE-12",
            "The recursion starts with a value after the last row, which then counts twice; A_T is "
            "0.",
            "starts with next_values",
            "starts with values",
        ),
        *ways(
            "GAE-12",
            "The recursion starts with the last δ, which then counts twice; A_T is 0.",
            "starts with δ",
        ),
        *ways(
            "GAE-13",
            "λ is not used (as if it were 1): A_t = δ_t + γλ · A_{t+1}, not the discounted return "
            "minus V(s_t).",
            "no λ",
            "return less value",
        ),
        *ways(
            "GAE-14", "γ is missing in the recursion: A_t = δ_t + γλ · A_{t+1}.", "no γ in the sum"
        ),
        *ways("GAE-15", "γ is missing in δ_t = r_t + γ V(s_{t+1}) − V(s_t).", "no γ in δ"),
        *ways(
            "GAE-16",
            "λ is inside δ; δ_t = r_t + γ V(s_{t+1}) − V(s_t) has γ alone, λ is for the recursion.",
            "λ in δ",
        ),
        *ways(
            "GAE-17",
            "The recursion runs forward in time; A_t needs A_{t+1}, so the loop starts at the last "
            "row and looks one row ahead.",
            "forward",
            "forward, previous mask",
            "previous row's advantage",
        ),
        *ways(
            "GAE-18",
            "This is the one-step TD error δ (as if λ were 0, or with a loop that finds A_{t+1} "
            "still 0); A_t = δ_t + γλ · A_{t+1}.",
            "one step",
        ),
        *ways(
            "GAE-19",
            "The sign is wrong: an advantage is what comes out minus V(s_t), not the reverse.",
            "sign",
        ),
        *ways(
            "GAE-20",
            "The mask is applied twice, once to the stored A_{t+1} and once on use, so an end also "
            "cuts off the step before it.",
            "masked twice",
            "masked twice at terminations",
            "masked twice at time limits",
        ),
        *ways(
            "GAE-21",
            "V(s_t) is used as the successor's value too; γ multiplies next_values[t].",
            "own values",
        ),
        *ways(
            "GAE-22",
            "One next value is used for all steps; δ_t takes next_values[t].",
            "one bootstrap for all",
        ),
        *ways(
            "GAE-23",
            "The mask removes the last reward of an episode too; it belongs to γ V(s_{t+1}) alone.",
            "last reward masked",
            "last reward masked at time limits too",
        ),
        *ways(
            "GAE-24", "V(s_t) is not subtracted: δ_t = r_t + γ V(s_{t+1}) − V(s_t).", "no baseline"
        ),
        *rows_left_out("GAE-25"),
        *ways("GAE-26", CHAINED, "chained by rows"),
        *ways(
            "GAE-27",
            "The environments are put end to end and the sum is not reset between them; "
            "each column is a sequence of its own.",
            "chained by columns",
            "sum carried to the next environment",
        ),
        *ways(
            "GAE-28",
            WHOLE_NUMBERS,
            "whole numbers",
            "whole numbers at each step",
            "TD errors in whole numbers",
            "values in whole numbers",
            "added in place to integers",
        ),
        *flags_as_numbers("GAE-29"),
        *ways(
            "GAE-30",
            "The rewards are taken from row t−1; the reward of step t stands in row t.",
            "previous row's rewards",
            "previous row's rewards, first 0",
            "previous row's rewards, first kept",
        ),
        *ways("GAE-31", "γ and λ are exchanged.", "γ and λ exchanged"),
        *ways(
            "GAE-32",
            "The result is multiplied by 1 − λ; that factor is for averaging n-step returns, it is "
            "gone once the sum is written with δ.",
            "times 1 − λ",
        ),
        *ways(
            "GAE-33",
            "The discount is counted from t = 0; seen from step t, δ_{t+k} has weight (γλ)ᵏ.",
            "discount counted from t = 0",
        ),
        *ways(
            "GAE-33",
            "Every weight has a factor γλ too many: δ_t itself has weight 1, δ_{t+k} has (γλ)ᵏ.",
            "discounted once more",
        ),
        *ways(
            "GAE-37",
            "terminated and truncated are exchanged: only `terminated` sets the successor's value "
            "to 0.",
            "flags exchanged",
            "flags exchanged, terminated ignored",
        ),
        *ways(
            "GAE-38",
            "values and next_values are exchanged: δ_t = r_t + γ · next_values[t] − values[t].",
            "values exchanged",
        ),
        *ways("GAE-39", "The argument γ is ignored, 0.99 is used instead.", "γ = 0.99"),
        *ways("GAE-39", "The argument λ is ignored, 0.95 is used instead.", "λ = 0.95"),
        *ways(
            "GAE-39",
            "The arguments γ and λ are ignored, 0.99 and 0.95 are used instead.",
            "γ = 0.99 and λ = 0.95",
        ),
        *ways(
            "GAE-40",
            "Terminations do not stop the recursion, only truncations do; both end an episode.",
            "sum runs on past terminations",
            "bootstraps at terminations, sum stops at none but truncations",
        ),
        *ways(
            "GAE-41",
            "An end is only seen where terminated and truncated are both set; either flag ends the "
            "episode.",
            "sum runs on unless both",
            "both flags needed everywhere",
        ),
        *ways(
            "GAE-42",
            "Where both flags are set the recursion runs on; terminated or truncated, the episode "
            "is over (logical_or, not xor).",
            "sum stops at exactly one flag",
        ),
        *ways(
            "GAE-42",
            "1 − terminated − truncated is −1 where both flags are set; use 1 − "
            "np.logical_or(terminated, truncated).",
            "1 − terminated − truncated",
        ),
        *ways(
            "GAE-43",
            "~terminated | truncated, or 1 − terminated | truncated, negates terminated alone, so "
            "the recursion runs on at truncations; put brackets around the or.",
            "~terminated | truncated",
        ),
        *ways(
            "GAE-44",
            "The last row is always bootstrapped; not where the episode has terminated there.",
            "last row always bootstrapped",
        ),
        *ways(
            "GAE-45",
            "V(s_{t+1}) is taken from values[t+1] inside episodes: right elsewhere (rollout "
            "buffers, where the two agree), here next_values[t] is given for every step.",
            "next row's values inside",
            convention=True,
        ),
        *ways("GAE-46", "γ is missing, in δ and in the recursion.", "no γ"),
        *ways(
            "GAE-47",
            "V(s_t) is added; it is subtracted: δ_t = r_t + γ V(s_{t+1}) − V(s_t).",
            "baseline added",
        ),
        *ways(
            "GAE-48",
            "The successor's value is subtracted; it is added: δ_t = r_t + γ V(s_{t+1}) − V(s_t).",
            "bootstrap subtracted",
        ),
        *ways(
            "GAE-49", "The recursion subtracts A_{t+1}; A_t = δ_t + γλ · A_{t+1}.", "sum subtracted"
        ),
        *ways(
            "GAE-50",
            "The mask is applied to all of δ (or A), so the last step of an episode gets advantage "
            "0; it belongs to the successor's value and to A_{t+1}.",
            "δ masked",
            "δ masked at terminations",
        ),
        *ways(
            "GAE-52",
            "These are the value targets, advantages + values; the advantages alone are wanted.",
            "targets",
        ),
        *ways(
            "GAE-53",
            "The advantages are normalised inside; that is the part of normalize_advantages.",
            "normalised",
            "normalised with N − 1",
            "normalised per environment",
        ),
        *ways(
            "GAE-53",
            "The advantages are centred inside; that is the part of normalize_advantages.",
            "centred",
        ),
        *ways(
            "GAE-54",
            "Dividing by (γλ)ᵗ fails where γλ is 0 (0/0); use the recursion.",
            "divides by the discount",
        ),
        *ways(
            "GAE-55",
            "The rewards are taken from row t+1; the reward of step t stands in row t.",
            "next row's rewards",
            "next row's rewards, last kept",
            "next row's rewards, round",
        ),
        *ways(
            "GAE-56",
            "~ is taken of integers, where ~0 is −1 and ~1 is −2; use 1 − flags, or ~ of bools.",
            "~ of numbers always",
        ),
        *ways(
            "GAE-57",
            "The last δ has the exponent T − t + 1 as eq. 11 of the PPO paper prints it; it is "
            "T − 1 − t.",
            "last exponent as printed",
        ),
        *ways(
            "GAE-58",
            "The step's own reward is multiplied by γ; δ_t = r_t + γ V(s_{t+1}) − V(s_t).",
            "γ on the reward",
        ),
        *ways(
            "GAE-59",
            "γ also multiplies V(s_t), brackets: δ_t = r_t + γ V(s_{t+1}) − V(s_t).",
            "γ on the baseline",
        ),
        *ways(
            "GAE-60",
            "The bootstrap at a time limit is not discounted; it is γ V(s_{t+1}) everywhere.",
            "bootstraps at time limits not discounted",
        ),
        *ways(
            "GAE-60",
            "The bootstrap of the last row is not discounted; it is γ V(s_{t+1}) everywhere.",
            "last bootstrap not discounted",
        ),
        *other_rows("GAE-61"),
        *ways(
            "GAE-62",
            "The mask is upside down: it is 1 at ends and 0 elsewhere; multiply by 1 − flag.",
            "masks upside down",
            "bootstrap's mask upside down",
            "sum's mask upside down",
        ),
        *one_for_all("GAE-63"),
        *ways(
            "GAE-64",
            "The code fails with more than one environment: `if terminated[t]` asks an array; "
            "use np.where or multiply by 1 − terminated[t].",
            "if of an array",
        ),
        *wrong_axis("GAE-65"),
        *ways(
            "GAE-66",
            "The baseline is taken from row t+1; step t subtracts values[t].",
            "next row's baseline",
            "next row's baseline, last kept",
            "next row's baseline, round",
        ),
        *ways(
            "GAE-66",
            "The baseline is taken from row t−1; step t subtracts values[t].",
            "previous row's baseline",
            "previous row's baseline, first 0",
        ),
        *shapes("GAE-67"),
        *ways(
            "GAE-68",
            "The result is in reverse order; a list filled backwards has to be reversed.",
            "list not reversed",
        ),
        *ways(
            "GAE-69",
            "V(s_t) is subtracted twice; δ has subtracted it already.",
            "values subtracted once more",
        ),
        *ways("GAE-70", "The advantages lose their sign.", "absolute value"),
        *ways(
            "GAE-71",
            "The successor's value is added at the last row only; δ_t has γ V(s_{t+1}) at every "
            "step.",
            "bootstraps at the last row alone",
        ),
        *ways(
            "GAE-71",
            "The successor's value is added at ends only; δ_t has γ V(s_{t+1}) at every step.",
            "bootstraps at ends and the last row alone",
        ),
        *ways(
            "GAE-72",
            "The successor's value is missing: δ_t = r_t + γ V(s_{t+1}) − V(s_t).",
            "never bootstraps",
        ),
        *ways(
            "GAE-73",
            "These are λ-returns minus V(s_t): right elsewhere (where next_values[t] is "
            "values[t+1]), here A_t = δ_t + γλ · A_{t+1} whatever next_values are.",
            "λ-return less value",
            convention=True,
        ),
        *ways(
            "GAE-74",
            "At a time limit the bootstrap is added twice, to the reward and in δ; once is enough.",
            "bootstraps twice at time limits",
            "bootstraps twice at time limits, once at both flags",
        ),
        *ways(
            "GAE-75",
            "The rewards are missing: δ_t = r_t + γ V(s_{t+1}) − V(s_t).",
            "rewards left out",
        ),
        *ways(
            "GAE-76",
            "The recursion adds δ_{t+1} alone; A_{t+1} carries all later steps.",
            "adds one TD error",
        ),
        *ways(
            "GAE-77",
            "γλ is missing in the recursion: A_t = δ_t + γλ · A_{t+1}.",
            "sum not discounted",
        ),
        *ways("GAE-78", "1 − λ stands in place of λ: A_t = δ_t + γλ · A_{t+1}.", "1 − λ for λ"),
        *ways(
            "GAE-79",
            "γλ is applied twice for each step; A_t = δ_t + γλ · A_{t+1} has it once.",
            "γλ squared",
        ),
        *ways(
            "GAE-80",
            "A time limit is treated like a death in δ, and the recursion runs on past all ends; "
            "δ is masked by `terminated`, the recursion by both.",
            "time limits are deaths, sum runs on",
        ),
        *ways(
            "GAE-81",
            "The rewards are clipped to ±1 or to their signs; they are used as they are.",
            "rewards clipped",
            "signs of rewards",
        ),
        *ways(
            "GAE-82",
            "At a truncation δ is next_values[t] − values[t]; it is r_t + γ · next_values[t] − "
            "values[t] there too.",
            "value in place of the return at time limits",
        ),
    ],
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
