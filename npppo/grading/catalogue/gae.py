"""Known mistakes in generalised advantage estimation."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..exercise import Array, Switches, ways
from .episodes import (
    CHAINED,
    SUCCESSOR_SHIFTS,
    WHOLE_NUMBERS,
    Shifts,
    add_in_place,
    bootstrap_discounts,
    chosen,
    cut,
    finite_or_0,
    flags_as_numbers,
    laid_out,
    masked_by_a_product,
    masks,
    moved,
    one_for_all,
    other_rewards,
    other_rows,
    rewards_seen,
    rows_left_out,
    shapes,
    shifted,
    written,
    wrong_axis,
)

BASELINE_SHIFTS: Shifts = {
    "next row's baseline": (1, "zero"),
    "next row's baseline, last kept": (1, "own"),
    "next row's baseline, round": (1, "round"),
    "previous row's baseline": (-1, "round"),
    "previous row's baseline, first 0": (-1, "zero"),
}


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
    if "masked by a product" not in on:
        next_values = finite_or_0(next_values)
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
    if "any end ends all" in on:
        goes_on = np.repeat(goes_on.min(axis=1, keepdims=True), E, axis=1)  # (T, E)
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
        "γ twice in the sum": gamma**2 * lam,
        "λ twice in the sum": gamma * lam**2,
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

    result, left = np.zeros((T, E)), np.zeros(E, bool)
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
        if "rows at ends skipped" in on:
            ended = np.maximum(terminated[t], truncated[t])  # (E,)
            result[t] = np.where(ended, 0, result[t])
            following = np.where(ended, following, result[t])
            continue
        if "left at the first end" in on:
            left = left | np.asarray(np.maximum(terminated[t], truncated[t]), bool)
            result[t] = np.where(left, 0, result[t])
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
    if "baseline masked" in on:
        baseline = baseline * (1 - terminated)
    if "baseline masked at time limits too" in on:
        baseline = baseline * (1 - np.maximum(terminated, truncated))
    if "values of environment 0" in on:
        baseline = np.repeat(baseline[:, :1], baseline.shape[1], axis=1)
    gained = own + bootstrap
    if "value in place of the return at time limits" in on:
        gained = np.where(np.greater(truncated, terminated), successors, gained)
    return np.asarray(gained - baseline)


VARIANTS = {
    "gae": gae,
}

MISTAKES = {
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
            "You look at the flags of row t+1. Row t says whether step t ended the episode; "
            "CleanRL stores the flags one row later, hence its dones[t+1].",
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
            "A truncation is treated like a termination; after a time limit the successor's value "
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
            "A truncation is treated like a termination in δ, and the recursion runs on past all "
            "ends; "
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
        *other_rewards("GAE-83"),
        *ways(
            "GAE-83",
            "The values of environment 0 are subtracted in all environments; each column has its "
            "own.",
            "values of environment 0",
        ),
        *ways(
            "GAE-84",
            "Rows at the end of an episode are skipped: they have an advantage as well, δ_t, and "
            "from there the sum starts anew.",
            "rows at ends skipped",
        ),
        *ways(
            "GAE-85",
            "The loop is left for good at an end; go on with A_{t+1} = 0, the rows before it "
            "belong to an episode of their own.",
            "left at the first end",
        ),
        *ways(
            "GAE-86",
            "The bootstrap is discounted twice; δ_t = r_t + γ V(s_{t+1}) − V(s_t).",
            "bootstraps discounted twice",
        ),
        *ways(
            "GAE-87",
            "γ or λ is there twice in the recursion: A_t = δ_t + γλ · A_{t+1}.",
            "γ twice in the sum",
            "λ twice in the sum",
        ),
        *ways(
            "GAE-88",
            "The mask is applied to V(s_t) too; it belongs to the successor's value alone.",
            "baseline masked",
            "baseline masked at time limits too",
        ),
        *ways(
            "GAE-89",
            "An end in one environment stops the sum in all of them; each column has its own ends.",
            "any end ends all",
        ),
        *masked_by_a_product("GAE-90"),
    ],
}
