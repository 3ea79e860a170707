"""Inputs for the Gaussian policy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..exercise import Array
from .drawing import Args, Generator, away_from_zero
from .tables import FLOAT32, Table, battery, completed, each

NARROW = "very narrow and very wide policies"


def narrow_and_wide(rng: Generator, *about: float) -> Array:
    return rng.permutation(about) + rng.uniform(-1, 1, len(about))


def log_stds(rng: Generator, A: int) -> Array:
    """Of both signs, no two alike, none near 0, where σ = σ² = 1: (A,)."""
    low, high = rng.uniform(-1.2, -0.5), rng.uniform(0.4, 0.9)
    values = np.array([low, high, low + 0.25, high - 0.15][:A])
    return rng.permutation(values)


def wide_log_stds(rng: Generator, A: int) -> Array:
    return rng.permutation(np.linspace(0.3, 1.2, A) + rng.uniform(0, 0.1, A))


def policy(rng: Generator, N: int, A: int, log_stds: Callable[..., Array] = log_stds) -> Args:
    return rng.normal(size=(N, A)), log_stds(rng, A)


def extreme(rng: Generator) -> Args:
    """Mean 0, so that no digit of a narrow policy's action is lost beside it."""
    return np.zeros((3, 3)), narrow_and_wide(rng, -30, -23, 12)


POLICIES: Table = {
    ("unequal sizes", 6): each(policy, (4, 3), (5, 2), (2, 4)),
    ("as many rows as dimensions", 2): each(policy, (3, 3), (4, 4)),
    ("one row", 0.5): each(policy, (1, 3)),
    ("one dimension", 1): each(policy, (3, 1)),
    ("wide policies", 1): each(policy, (4, 3), (3, 3), log_stds=wide_log_stds),
    (NARROW, 1): [extreme],
    (FLOAT32, 0.5): each(policy, (4, 3)),
}


def acting(rng: Generator, stratum: str, mean: Array, log_std: Array) -> Args:
    # |z| clear of 1, where z² = |z|
    sizes = [1.4, 1.8] if stratum == FLOAT32 else [0.4, 0.7, 1.4, 1.8]
    z = rng.permuted(np.resize(sizes, mean.size)).reshape(mean.shape)  # (N, A)
    z *= rng.choice([-1.0, 1.0], mean.shape) * rng.uniform(0.95, 1.05, mean.shape)
    return mean, log_std, mean + np.exp(log_std) * z


def moved(rng: Generator, stratum: str, old_mean: Array, old_log_std: Array) -> Args:
    A = len(old_log_std)
    change = np.resize([0.5, -0.4, 0.25, -0.6], A) * rng.uniform(0.9, 1.1, A)
    if stratum == "wide policies":
        change = np.abs(change)
    log_std = old_log_std + change  # (A,)
    step = away_from_zero(rng, *old_mean.shape, most=1.5)  # (N, A)
    if stratum == FLOAT32:
        step += np.sign(step)
    return old_mean, old_log_std, old_mean + step * np.exp(log_std), log_std


def with_directions(rng: Generator, stratum: str, mean: Array, log_std: Array) -> Args:
    A = len(log_std)
    return log_std, away_from_zero(rng, *mean.shape), away_from_zero(rng, A, most=1.5)


ENTROPY: Table = {
    ("several dimensions", 7): each(log_stds, (2,), (3,), (4,)),
    ("one dimension", 1): [lambda rng: rng.choice([-1, 1]) * rng.uniform(0.4, 0.9, 1)],
    ("wide policies", 1): each(wide_log_stds, (3,)),
    (NARROW, 1): each(narrow_and_wide, (-30, -23, 12), (-12, 1.5, 25)),
    (FLOAT32, 0.5): each(log_stds, (3,)),
}
BATTERIES = {
    "gaussian_log_prob": battery(completed(acting, POLICIES)),
    "gaussian_entropy": battery(ENTROPY),
    "gaussian_kl": battery(completed(moved, POLICIES), parts=("gaussian_entropy",)),
    "gaussian_fisher": battery(completed(with_directions, POLICIES)),
}
