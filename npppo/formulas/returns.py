"""From rewards to advantages: how much better an action was than the policy's average.

Everything is (T, E): T time steps of E environments side by side. An episode may end in a column,
in two ways that are not the same:

    terminated  the task is over; nothing comes after, the successor's value is 0
    truncated   a clock ran out; the task would have gone on, the successor's value counts

`next_values[t]` is V of the true successor state s_{t+1}: at an end the final observation, never
the first one of the next episode. Where both flags are set, `terminated` wins.
"""

from __future__ import annotations

import math

import numpy as np

from .shapes import Array, formula, power_of_2


@formula("rewards:TE next_values:TE terminated:TE? truncated:TE? gamma -> TE")
def discounted_returns(
    rewards: Array,
    next_values: Array,
    terminated: Array,
    truncated: Array,
    gamma: float,
) -> Array:
    """Discounted reward-to-go, bootstrapped with `next_values` where the rewards stop short.

        R_t = Σ_{k=0..n} γ^k r_{t+k} + γ^{n+1} V(s_{t+n+1}),    r = rewards, γ = gamma

    Row t+n is the first from t on that is terminated or truncated, or else the last row, T-1.
    V(s_{t+1}) = next_values[t] is the value of the true successor state of row t: at an end that
    of the final observation, never of the next episode's first one. Where terminated it counts as
    0, whatever next_values holds.

    Flags are bool; 0/1 integers or floats mean the same. Where both are set, `terminated` wins.
    Shapes: all (T, E) -> (T, E).

    Derivation: all but the first term is γ times the next row's sum, if the episode goes on. So the
    rows are computed from the last to the first:

        R_t = r_t + γ ·  0              where terminated
                         V(s_{t+1})     where truncated, and at the last row
                         R_{t+1}        elsewhere

    Source: Sutton & Barto 2018, eq. 7.1, where a reward has the index of the next state, one more
    than here; Pardo et al. 2018 for the bootstrap at a time limit.
    """
    returns = np.empty_like(rewards)  # (T, E)
    cut = truncated.copy()  # (T, E) bool
    cut[-1:] = True  # the last row is cut like a truncation; T = 0 has none
    following = np.zeros(rewards.shape[1], rewards.dtype)  # (E,)
    for t in reversed(range(len(rewards))):
        following = np.where(cut[t], next_values[t], following)  # (E,)
        following = np.where(terminated[t], 0, following)  # (E,)
        returns[t] = rewards[t] + gamma * following
        following = returns[t]
    return returns


@formula("rewards:TE values:TE next_values:TE terminated:TE? truncated:TE? gamma lam -> TE")
def gae(
    rewards: Array,
    values: Array,
    next_values: Array,
    terminated: Array,
    truncated: Array,
    gamma: float,
    lam: float,
) -> Array:
    """Generalized advantage estimation: the advantages Â from exponentially weighted TD errors δ.

        Â_t = Σ_{k=0..n} (γλ)^k δ_{t+k},                γ = gamma, λ = lam
        δ_t = r_t + γ V(s_{t+1}) - V(s_t),              r = rewards, V(s_t) = values[t]

    Row t+n is the first from t on that is terminated or truncated, or else the last row, T-1.
    V(s_{t+1}) = next_values[t], in every row, is the value of the true successor state: at an end
    that of the final observation, never of the next episode's first one. Where terminated it
    counts as 0, whatever next_values holds.

    Flags are bool; 0/1 integers or floats mean the same. Where both are set, `terminated` wins.
    Shapes: all (T, E) -> (T, E). The targets of the value function are `advantages + values`.

    It is the mean, with weights (1 - λ) λ^{k-1}, of the advantages that look k steps ahead before
    they trust V. λ = 0 leaves the TD error δ (low variance, biased by V). λ = 1 leaves the
    discounted return minus V(s_t) (high variance; biased only by the bootstrap where rewards stop):
    inside an episode next_values[t] is values[t+1] (they differ at its end and in row T-1 only), so
    all values but the first and the last cancel.

    Derivation: all but the first term is γλ times the next row's sum, if the episode goes on. So
    the rows are computed from the last to the first:

        Â_t = δ_t + γλ [neither terminated nor truncated] Â_{t+1}

        >>> rewards, values = np.ones((3, 1)), np.array([[0.5], [0.4], [0.3]])
        >>> next_values, never = np.array([[0.4], [0.3], [0.2]]), np.zeros((3, 1), bool)
        >>> gae(rewards, values, next_values, never, never, 0.9, 0.0).round(4).T
        array([[0.86, 0.87, 0.88]])
        >>> gae(rewards, values, next_values, never, never, 0.9, 0.5).round(4).T
        array([[1.4297, 1.266 , 0.88  ]])

    Source: Schulman et al. 2016, eq. 16; Huang et al. 2022, detail 5. The exponent of the
    last term is T-1-t; eq. 11 of Schulman et al. 2017 prints T-t+1.
    """
    # where, not a product: what next_values holds behind a termination, nan included, is unused
    delta = rewards + gamma * np.where(terminated, 0, next_values) - values  # (T, E)
    ended = terminated | truncated  # (T, E) bool
    advantages = np.empty_like(delta)  # (T, E)
    following = np.zeros(delta.shape[1:], delta.dtype)  # (E,): A_{t+1}, 0 after the last row
    for t in reversed(range(len(delta))):
        following[ended[t]] = 0
        following = delta[t] + gamma * lam * following
        advantages[t] = following
    return advantages


@formula("advantages:* eps -> *")
def normalize_advantages(advantages: Array, eps: float = 1e-8) -> Array:
    """Advantages with mean 0 and standard deviation 1: (a - mean) / (std + eps), a = advantages.

    Any shape -> same shape. mean and std are two numbers, taken over all entries whatever the
    shape. std is the population's (divided by the number of entries, not by one less), so that a
    single entry gives 0 and not nan; a constant batch gives 0 as well.

    PPO normalises each minibatch (Huang et al. 2022, detail 7). No gradient flows through the
    advantages, nor through their mean and std: they were computed before the update, from the old
    networks, and are data. eps is outside the root, so almost equal advantages are multiplied by
    1/eps at most; with √(var + eps), as in batch normalisation, it would be 1/√eps.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        centred, std = _centred(advantages)
    if not 1e-15 < std < 1e15:  # sums or squares may have left the dtype's range
        unit = power_of_2(advantages)
        centred, std = _centred(advantages.astype(np.float64) / unit)
        eps /= unit
    scale = std + eps
    normalized = np.zeros_like(centred) if scale == 0 else centred / scale
    return normalized.astype(advantages.dtype, copy=False)


def _centred(a: Array) -> tuple[Array, float]:
    """The entries of `a` minus their mean, and their standard deviation."""
    n = max(1, a.size)
    # minus the first entry: a constant array is then exactly 0
    centred = a - (a.item(0) if a.size else 0.0)
    centred -= centred.sum() / n
    return centred, math.sqrt(float(np.vdot(centred, centred)) / n)
