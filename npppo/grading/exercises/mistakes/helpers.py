"""What the lines of the book of mistakes may call besides NumPy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..exercise import Array


def sigmoid(x: Array) -> Array:
    return np.exp(-np.logaddexp(0, -x))


def sample_std(x: Array) -> Array:
    """x.std(ddof=1), without its warning where there is one number: nan."""
    return np.asarray(np.sqrt(np.divide(np.sum((x - x.mean()) ** 2), x.size - 1)))


# Probabilities


def probabilities(z: Array) -> Array:
    """A right softmax."""
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))  # (N, A)


@np.errstate(over="ignore")
def minus(logits: Array, maximum: Array) -> Array:
    """Their difference, kept finite where it overflows."""
    z = logits - maximum
    return np.asarray(np.maximum(z, np.finfo(z.dtype).min))


def beyond_range(log_p: Array) -> Array:
    """log p as if z − max were allowed to overflow."""
    return np.where(log_p < np.finfo(log_p.dtype).min / 2, -np.inf, log_p)


def log_odds(log_p: Array, actions: Array) -> Array:
    """log p − log(1 − p) of the actions."""
    taken = np.eye(log_p.shape[1])[actions] == 1  # (N, A)
    rest = np.logaddexp.reduce(np.where(taken, -np.inf, log_p), axis=1)  # (N,)
    return np.asarray(log_p[np.arange(len(log_p)), actions] - rest)


def in_columns(g: Array, actions: Array, like: Array, add: bool) -> Array:
    """What the loop dlogits[:, a] = g (or += g) over the rows writes into every row, (1, A)."""
    columns = 0 * like[:1]
    for n, a in enumerate(actions):
        columns[0, a] = g[n] + add * columns[0, a]
    return columns


def drawn_late(p: Array, u: Array, possible: bool) -> Array:
    """The first action before which the probabilities exceed u; where there is none, the last that
    is possible, or the last of all."""
    before = np.concatenate([0 * p[:, :1], p.cumsum(axis=1)[:, :-1]], axis=1)  # (N, A)
    beyond = before > u[:, None]
    last = p.shape[1] - 1
    otherwise = last - (p[:, ::-1] > 0).argmax(axis=1) if possible else last  # (N,)
    return np.asarray(np.where(beyond.any(axis=1), beyond.argmax(axis=1), otherwise))


def jensen_shannon(old_p: Array, p: Array) -> Array:
    mixed = np.log((old_p + p) / 2 + 1e-300)  # (N, A)
    old_terms = old_p * (np.log(np.maximum(old_p, 1e-300)) - mixed)  # (N, A)
    return np.asarray((old_terms + p * (np.log(np.maximum(p, 1e-300)) - mixed)) / 2)


# Networks

Layers = list[tuple[Array, Array]]  # W, b of each


def slope_at(h: Array, activation: str) -> Array:
    """The activation's derivative by its output h."""
    return 1 - h * h if activation == "tanh" else np.where(h > 0, 1.0, 0.0)


def moved_by(params: Layers, dparams: Layers) -> Layers:
    pairs = zip(params, dparams, strict=True)
    return [(W + dW, b + db) for (W, b), (dW, db) in pairs]


# Losses


def normalized(advantages: Array) -> Array:
    return np.asarray((advantages - advantages.mean()) / (advantages.std() + 1e-8))


def outside(ratio: Array, advantages: Array, low: float, high: float) -> Array:
    """Where the clipped branch of the surrogate is the smaller one."""
    above, below = (advantages > 0) & (ratio > high), (advantages < 0) & (ratio < low)
    return np.asarray(above | below)


def covariance(x: Array, y: Array) -> float:
    return float(((x - x.mean()) * (y - y.mean())).mean())


def each_row(compute: Callable[..., Any], *args: Any) -> Array:
    """The result of each row of the arrays by itself."""
    rows = range(len(args[0]))
    return np.array([compute(*(x[n : n + 1] if np.ndim(x) else x for x in args)) for n in rows])


# Norms


def norm_of(arrays: Sequence[Array]) -> float:
    return float(np.sqrt(sum(np.square(g.astype(float)).sum() for g in arrays)))


def norms_of(arrays: Sequence[Array]) -> list[float]:
    return [norm_of([g]) for g in arrays]


def norms_so_far(arrays: Sequence[Array]) -> list[float]:
    return [norm_of(arrays[: k + 1]) for k in range(len(arrays))]


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


def finite_or_0(next_values: Array) -> Array:
    """What is no number stands behind a termination, where nobody should look."""
    return np.where(np.isfinite(next_values), next_values, 0)


def next_row(values: Array, next_values: Array) -> Array:
    """values[t + 1] in row t, next_values in the last."""
    return np.concatenate([values[1:], next_values[-1:]])  # (T, E)


def first_rows(over: Array) -> Array:
    """The row in which each step's episode began, (T, E)."""
    begins = np.concatenate([np.ones_like(over[:1]), over[:-1]])  # (T, E)
    rows = np.where(begins, np.arange(len(over))[:, None], 0)  # (T, E)
    return np.maximum.accumulate(rows, axis=0)


def cut(x: Array, like: Array) -> Array:
    """x written into an array such as `like`, which may hold whole numbers only."""
    return np.trunc(x) if like.dtype.kind in "iu" else x


def added_in_place(rewards: Array) -> Array:
    """What rewards += 0.5 does to integers."""
    if rewards.dtype.kind in "iu":
        raise TypeError("cannot cast from float64 to int64")
    return rewards


def alone(x: Array) -> Array:
    """x where `if x[t]` can be asked of a row: for one environment."""
    if x.shape[1] > 1:
        raise ValueError("the truth value of an array is ambiguous")
    return x


# The layout of a rollout: compute(*arrays) where T and E are confused


def split(args: tuple[Any, ...]) -> tuple[list[Array], list[Any]]:
    """The arrays (T, E) and the numbers behind them."""
    return [x for x in args if np.ndim(x) == 2], [x for x in args if np.ndim(x) != 2]


def chained_by_rows(compute: Callable[..., Array], *args: Any) -> Array:
    arrays, numbers = split(args)
    return compute(*(x.reshape(-1, 1) for x in arrays), *numbers).reshape(arrays[0].shape)


def chained_by_columns(compute: Callable[..., Array], *args: Any) -> Array:
    arrays, numbers = split(args)
    chain = compute(*(x.T.reshape(-1, 1) for x in arrays), *numbers)  # (E * T, 1)
    return chain.reshape(arrays[0].shape[::-1]).T


def carried_over(compute: Callable[..., Array], *args: Any) -> Array:
    """Backwards in time, forwards in environments, and the sum is not reset between these."""
    return chained_by_columns(compute, *(x[:, ::-1] if np.ndim(x) == 2 else x for x in args))[
        :, ::-1
    ]


def along_the_wrong_axis(compute: Callable[..., Array], *args: Any) -> Array:
    arrays, numbers = split(args)
    return compute(*(x.T for x in arrays), *numbers).T


def as_many_steps_as_environments(compute: Callable[..., Array], *args: Any) -> Array:
    arrays, numbers = split(args)
    T, E = arrays[0].shape
    if E > T:
        raise IndexError("there is no such row")
    done = compute(*(x[:E] for x in arrays), *numbers)  # (E, E)
    return np.concatenate([done, np.zeros((T - E, E))])
