"""Running statistics that bring observations and rewards to a common scale.

As in OpenAI Baselines' VecNormalize, with which nearly all published results on continuous control
were made, in float64 and over all environments together:

    observation   clip((x - mean) / √(variance + 1e-8)), the mean and variance of all seen so far
    reward        clip(r / √(variance of R + 1e-8)), R ← γ R + r, 0 after the end of each episode

Nothing is subtracted from a reward: another sum of an episode would be another task. Unlike there,
the statistics begin with the first number, not with 1e-4 numbers of mean 0 and variance 1.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..formulas.shapes import Array

EPS = 1e-8


class Moments(NamedTuple):
    """Of the numbers so far: how many, their mean, and Σ (x - mean)²."""

    number: Any  # a whole number
    mean: Array  # () or (B,)
    squares: Array  # () or (B,)

    def joined(self, number: Any, sums: Array, squares: Array) -> Moments:
        """With `number` numbers more, given Σ (x - mean) and Σ (x - mean)² about the mean so far.

        All N numbers together have Σ (x - mean)² = `self.squares + squares` about the old mean m.
        About their own mean m' it is less by N (m' - m)², and N (m' - m) = `sums`, because the old
        numbers' deviations sum to 0. Equal to the formula of Chan, Golub & LeVeque 1983 for two
        sets of which each has its own mean; no large numbers cancel where m is among the numbers.

        With an axis more in front, as of cumulative sums, it is the moments after each of them.
        """
        total = self.number + number
        shift = sums / total  # m' - m
        return Moments(total, self.mean + shift, self.squares + (squares - shift * sums))

    def scale(self) -> Array:
        """√(variance + 1e-8), with the population's variance."""
        scale: Array = np.sqrt(self.squares / self.number + EPS)
        return scale


def no_moments(size: tuple[int, ...]) -> Moments:
    """Those of no number at all."""
    return Moments(0, np.zeros(size), np.zeros(size))


class ObservationNormalizer:
    """Observations (N, D) with mean 0 and variance 1, but for the `numbers`, (D,) bool, alone.

    What is no number, as a one-hot category or a bit, stays as it is. `see` counts observations,
    a call normalises them by what was counted, and changes nothing.
    """

    def __init__(self, numbers: Array, clip: float) -> None:
        self._columns = slice(None) if numbers.all() else np.flatnonzero(numbers)  # (B,)
        self._clip = clip
        self.moments = no_moments((int(numbers.sum()),))

    def see(self, observations: Array) -> None:
        """Count each of the observations (N, D) once."""
        x = observations[:, self._columns]  # (N, B)
        before = self.moments if self.moments.number else self.moments._replace(mean=x[0])
        deviations = x - before.mean  # (N, B)
        sums = np.add.reduce(deviations)  # (B,); half the time of sum(axis=0), at every step
        squares = np.add.reduce(deviations * deviations)  # (B,)
        self.moments = before.joined(len(x), sums, squares)

    def __call__(self, observations: Array) -> Array:
        """The observations (N, D), normalised and clipped; before any was seen, only clipped."""
        moments = self.moments
        mean, scale = (moments.mean, moments.scale()) if moments.number else (0.0, 1.0)
        x = (observations[:, self._columns] - mean) / scale  # (N, B)
        clipped = np.minimum(np.maximum(x, -self._clip), self._clip)
        if isinstance(self._columns, slice):
            return clipped
        normalized = observations.copy()
        normalized[:, self._columns] = clipped
        return normalized


class RewardNormalizer:
    """Rewards divided by the standard deviation of the discounted returns of E environments."""

    def __init__(self, gamma: float, clip: float, n_envs: int) -> None:
        self._gamma, self._clip = gamma, clip
        self.moments = no_moments(())
        self.carried = np.zeros(n_envs)  # (E,): γ R of the episodes in flight

    def start(self) -> None:
        """New episodes everywhere: none of their returns has begun."""
        self.carried = np.zeros_like(self.carried)

    def __call__(self, rewards: Array, ended: Array, valid: Array) -> Array:
        """The rewards (T, E) of the next T steps, each normalised by what was seen until then.

        A row that is not `valid`, (T, E) bool, is no transition: it is not counted, and neither
        does R change. Where an episode has `ended`, (T, E) bool, R starts again from 0.
        """
        counted = np.where(valid, rewards, 0)  # (T, E)
        factors = np.where(ended, 0, self._gamma)  # (T, E)
        returns = np.empty_like(counted)  # (T, E): R
        for t, reward in enumerate(counted):
            returns[t] = self.carried + reward
            self.carried = factors[t] * returns[t]

        first = returns[valid][:1].sum()  # ()
        before = self.moments if self.moments.number else self.moments._replace(mean=first)
        deviations = np.where(valid, returns - before.mean, 0)  # (T, E)
        seen = before.joined(  # (T,) each
            valid.sum(axis=1).cumsum(),
            deviations.sum(axis=1).cumsum(),
            (deviations * deviations).sum(axis=1).cumsum(),
        )
        self.moments = Moments(int(seen.number[-1]), seen.mean[-1], seen.squares[-1])
        normalized = counted / seen.scale()[:, None]  # (T, E)
        return np.minimum(np.maximum(normalized, -self._clip), self._clip)


@dataclass
class Normalizers:
    """Those that there are."""

    observations: ObservationNormalizer | None = None
    rewards: RewardNormalizer | None = None

    def copied(self) -> Normalizers:
        """Others that go on from here; what was counted is replaced by them, not changed."""
        return Normalizers(copy.copy(self.observations), copy.copy(self.rewards))

    def moments(self) -> dict[str, Array]:
        """What they have counted, by name: for any number of environments."""
        return {
            f"{name}_{fact}": np.array(array)
            for name, normalizer in self._named()
            for fact, array in normalizer.moments._asdict().items()
        }

    def set_moments(self, saved: dict[str, Array]) -> None:
        """Go back to what `moments` returned; ValueError for an array of another shape."""
        for name, array in self.moments().items():
            if saved[name].shape != array.shape:
                raise ValueError(f"{name} has shape {saved[name].shape}, expected {array.shape}")
        for name, normalizer in self._named():
            number, *rest = (saved[f"{name}_{fact}"] for fact in Moments._fields)
            normalizer.moments = Moments(int(number), *rest)

    def expect_finite(self) -> None:
        """Raise FloatingPointError where a variance is so large that all would be 0 from now on."""
        for name, normalizer in self._named():
            if not np.isfinite(normalizer.moments.squares).all():
                raise FloatingPointError(f"the variance of the {name} is infinite")

    def _named(self) -> list[tuple[str, ObservationNormalizer | RewardNormalizer]]:
        pairs = [("observations", self.observations), ("rewards", self.rewards)]
        return [(name, normalizer) for name, normalizer in pairs if normalizer is not None]
