"""Known mistakes in discounted returns."""

from __future__ import annotations

import numpy as np

from ..exercise import Array, Switches, ways
from .episodes import (
    CHAINED,
    SUCCESSOR_SHIFTS,
    WHOLE_NUMBERS,
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
    stops,
    written,
    wrong_axis,
)


def discounted_returns(
    on: Switches,
    rewards: Array,
    next_values: Array,
    terminated: Array,
    truncated: Array,
    gamma: float,
) -> Array:
    if "masked by a product" not in on:
        next_values = finite_or_0(next_values)

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
    if "no γ on bootstraps but the last" in on:
        discounts[:-1] = 1

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
    if "times 1 − γ" in on:
        result = (1 - gamma) * result
    if "rewards divided by steps" in on:
        result = result / np.arange(T, 0, -1)[:, np.newaxis]
    return cut(on, "whole numbers", result, rewards)


VARIANTS = {
    "discounted_returns": discounted_returns,
}

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
            "A truncation is treated like a termination; at a time limit γ · next_values[t] is "
            "still to be added.",
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
            "no γ on bootstraps but the last",
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
        *other_rewards("RET-53"),
        *ways(
            "RET-54",
            "The bootstrap is discounted twice; the successor's value counts γ · next_values[t].",
            "bootstraps discounted twice",
        ),
        *ways(
            "RET-55",
            "The result is multiplied by 1 − γ, as an average is; the return is the sum.",
            "times 1 − γ",
        ),
        *ways(
            "RET-56",
            "The result is divided by the number of rows to come, as an average is; the return is "
            "the sum.",
            "rewards divided by steps",
        ),
        *masked_by_a_product("RET-57"),
    ],
}
