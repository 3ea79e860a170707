"""Playing: the agent draws actions, and its steps become a batch.

In both of gymnasium's ways of starting the next episode, `next_values` is the value of the true
successor. A row that is no transition is not `valid`, and whoever uses the batch leaves it out.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike

from ..formulas.shapes import Array
from .agent import Agent
from .heads import Distribution
from .normalizers import Normalizers, ObservationNormalizer, RewardNormalizer
from .spaces import Spaces
from .stepping import (
    CHECKED,
    autoreset_mode,
    does_not_repeat,
    expect_copyable,
    first_observations,
    take_steps,
)

if TYPE_CHECKING:
    from gymnasium.vector import VectorEnv


@dataclass(frozen=True)
class Batch:
    """What T steps of E environments gave. `distribution` is the old policy's, row by row.

    Observations and rewards are those that the agent learns from: normalised, where that is wanted.
    """

    observations: Array  # (T, E, D)
    actions: Array  # (T, E) int, or (T, E, A)
    log_probs: Array  # (T, E)
    distribution: Distribution  # (T, E, A) logits or means; a Gaussian's log_std is (A,)
    values: Array  # (T, E)
    next_values: Array  # (T, E)
    rewards: Array  # (T, E)
    terminated: Array  # (T, E) bool
    truncated: Array  # (T, E) bool
    valid: Array  # (T, E) bool: the row is a transition
    next_observations: Array  # (T, E, D): of the true successors
    continues: Array  # (E,) bool: the first row goes on with the episode of the batch before
    masks: Array | None = None  # (T, E, A) bool: the actions that were allowed, where some were not


def quiet() -> np.errstate:
    """For playing and learning: an overflow is found and named later, and an underflow is 0."""
    return np.errstate(over="ignore", under="ignore", invalid="ignore")


def valued(agent: Agent, batch: Batch) -> Batch:
    """The batch with the values that the agent's value function gives by now."""
    T, E, D = batch.observations.shape
    values, next_values = (
        agent.values(observations.reshape(T * E, D)).reshape(T, E)
        for observations in (batch.observations, batch.next_observations)
    )
    return replace(batch, values=values, next_values=next_values)


class Player:
    """Steps a vector environment with an agent, across episode and batch boundaries.

    An environment's state need not be saved: from the same seed, the same actions lead to it. A
    player that was copied, interrupted, or made from a `state()` is not `in_place`: it brings its
    environment along before it goes on.

    With `normalize_observations` or `normalize_rewards` the agent sees normalised numbers; episodes
    are counted, kept and compared as the environment gave them. What is played again is not counted
    again.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any]) -> None:
        self.env = env
        self.spaces = Spaces(env.single_observation_space, env.single_action_space)
        self.same_step = autoreset_mode(env) == "SAME_STEP"
        self.in_place = True  # the environment is where the actions since the reset led
        self.episodes: list[tuple[float, int]] = []  # (return, length) of each finished one
        self._observations = np.zeros((env.num_envs, self.spaces.observation_size))  # (E, D)
        self._mask: Array | None = None  # (E, A): what is allowed next, where not everything is
        self._ended = np.zeros(env.num_envs, bool)  # (E,): the next row is no transition
        self._returns = np.zeros(env.num_envs)  # (E,) of the episodes in flight
        self._lengths = np.zeros(env.num_envs, np.int64)  # (E,)
        self._seed = -1  # of the last reset; there was none yet
        self._actions: list[Array] = []  # (T, E, ...) of each batch since the reset
        self._checksums = np.zeros(len(CHECKED), np.int64)  # of all that came back since then
        self.normalizers = Normalizers()

    def normalize_observations(self, clip: float) -> None:
        """From now on; ValueError where there is nothing to normalise."""
        numbers = self.spaces.observations.numbers()  # (D,)
        if not numbers.any():
            raise ValueError(
                "normalize_observations is True, but the observation space is "
                f"{self.spaces.observation}, expected one with a Box"
            )
        self.normalizers.observations = ObservationNormalizer(numbers, clip)

    def normalize_rewards(self, gamma: float, clip: float) -> None:
        """From now on, by the returns that are discounted by `gamma`."""
        self.normalizers.rewards = RewardNormalizer(gamma, clip, self.env.num_envs)

    def seen(self, observations: Array, dtype: DTypeLike) -> Array:
        """Encoded observations (N, D) as the agent sees them by now; nothing is counted.

        Raises FloatingPointError for one that is not finite.
        """
        see = self.normalizers.observations
        observations = observations.astype(dtype if see is None else np.float64)
        expect_finite("observation", observations)
        return observations if see is None else see(observations).astype(dtype)

    def __getstate__(self) -> dict[str, Any]:
        expect_copyable(self.env)
        return {**vars(self), "in_place": False}

    def __copy__(self) -> Player:
        return copy.deepcopy(self)

    def reset(self, seed: int) -> None:
        """Start new episodes everywhere; those in flight are dropped."""
        self.episodes.clear()
        self.in_place = False
        observations, self._mask, self._checksums = first_observations(self.env, self.spaces, seed)
        if self.normalizers.observations is not None:
            expect_finite("observation", observations)
            observations = observations.astype(np.float64)
            self.normalizers.observations.see(observations)
        if self.normalizers.rewards is not None:
            self.normalizers.rewards.start()
        self._observations = observations
        self._ended = np.zeros_like(self._ended)
        self._returns = np.zeros_like(self._returns)
        self._lengths = np.zeros_like(self._lengths)
        self._seed, self._actions = seed, []
        self.in_place = True

    def play(self, agent: Agent, steps: int, rng: np.random.Generator) -> Batch:
        """T = `steps` steps with actions drawn from the agent's policy.

        Raises RuntimeError where the environment had to be brought along and did not repeat itself.
        """
        if differs := self.catch_up():
            raise RuntimeError(does_not_repeat(differs))
        self.in_place = False  # until the batch is whole: it may be interrupted
        continues = self._lengths > 0  # (E,)
        T, E = steps, self.env.num_envs
        dtype = agent.parameters.dtype
        normalizers = self.normalizers.copied()  # the player's own when the batch is whole
        see, scale = normalizers.observations, normalizers.rewards
        noise = agent.head.noise(rng, (T, E))  # (T, E, A)
        out = np.empty((T, E, agent.head.outputs), dtype)  # (T, E, A) logits or means
        actions: list[Array] = []
        distribution: Distribution = ()

        def act(t: int, observations: Array, mask: Array | None) -> Array:
            nonlocal distribution
            distribution = agent.policy(observations, mask)  # (E, A) logits or means, ...
            out[t] = distribution[0]
            actions.append(agent.head.sample(*distribution, noise[t]))  # (E,) or (E, A)
            return actions[t]

        first = self._observations.astype(dtype if see is None else np.float64)  # (E, D)
        played = take_steps(self.env, self.spaces, first, self._mask, T, act, see, dtype)
        rewards = played.rewards if scale is not None else played.rewards.astype(dtype)  # (T, E)
        ended = played.terminated | played.truncated  # (T, E)
        if self.same_step:
            valid = np.ones((T, E), bool)
        else:
            valid = ~np.concatenate([self._ended[None], ended[:-1]])  # (T, E)
        finite = np.isfinite(played.observations).all(axis=(1, 2))  # (T+1,) bool
        expect_finite("observation", played.observations[finite.argmin()])  # the first that is not
        expect_finite("reward", rewards.T)
        for e, final in zip(played.finals_at[1], played.finals, strict=True):
            expect_finite("observation", final[None], [e])
        if scale is not None:
            rewards = scale(rewards, ended, valid).astype(dtype)  # (T, E)
        normalizers.expect_finite()

        observations = played.shown  # (T+1, E, D)
        values = agent.values(observations.reshape((T + 1) * E, -1)).reshape(T + 1, E)  # (T+1, E)
        next_values, next_observations = values[1:], observations[1:]  # (T, E), (T, E, D)
        if len(played.finals):
            next_values, next_observations = next_values.copy(), next_observations.copy()
            next_values[played.finals_at] = agent.values(played.shown_finals)  # (K,)
            next_observations[played.finals_at] = played.shown_finals

        extra = distribution[1:]  # a Gaussian's log_std (A,)
        taken = np.array(actions)  # (T, E) or (T, E, A)
        flat_actions = taken.reshape(T * E, *taken.shape[2:])  # (T·E,) or (T·E, A)
        flat_out = out.reshape(T * E, -1)  # (T·E, A)
        (log_probs, _), _ = agent.head.evaluate(flat_out, *extra, flat_actions)  # (T·E,)

        self._count_episodes(played.rewards, ended, valid)
        self._observations = played.observations[T]
        self.normalizers = normalizers
        self._mask = None if played.masks is None else played.masks[T]
        self._ended = ended[-1] & (not self.same_step)
        self._actions.append(self._compact(taken))
        self._checksums = played.checksums(self._checksums)
        self.in_place = True
        return Batch(
            observations[:T],
            taken,
            log_probs.reshape(T, E),
            (out, *(array.copy() for array in extra)),
            values[:T],
            next_values,
            rewards,
            played.terminated,
            played.truncated,
            valid,
            next_observations,
            continues,
            None if played.masks is None else played.masks[:T],
        )

    def _compact(self, actions: Array) -> Array:
        """Discrete actions in the smallest integer type, for the replay."""
        if self.spaces.head == "gaussian":
            return actions
        largest = 1 if self.spaces.head == "bernoulli" else int(np.max(self.spaces.actions)) - 1
        return actions.astype(np.min_scalar_type(largest))

    def _count_episodes(self, rewards: Array, ended: Array, valid: Array) -> None:
        """Add the finished episodes of a batch to `episodes` and carry on those in flight."""
        counted = np.where(valid, rewards, 0)  # (T, E)
        start = np.zeros(len(self._ended), np.int64)  # (E,) where the episode in flight begins
        for t, e in np.argwhere(ended):
            rows = slice(start[e], t + 1)
            episode_return = self._returns[e] + counted[rows, e].sum()
            episode_length = self._lengths[e] + valid[rows, e].sum()
            self.episodes.append((float(episode_return), int(episode_length)))
            self._returns[e], self._lengths[e], start[e] = 0, 0, t + 1
        in_flight = np.arange(len(rewards))[:, None] >= start  # (T, E) bool
        self._returns += np.where(in_flight, counted, 0).sum(axis=0)
        self._lengths += (in_flight & valid).sum(axis=0)

    def state(self) -> dict[str, Array]:
        """Where the episodes in flight are, and what led there."""
        none = np.zeros((0, self.env.num_envs, *self.spaces.action_shape), np.uint8)
        scale = self.normalizers.rewards
        return {
            "observations": self._observations,
            "ended": self._ended,
            "returns": self._returns,
            "lengths": self._lengths,
            "seed": np.array(self._seed),
            "actions": np.concatenate([none, *self._actions]),  # (all T, E, ...)
            "batches": np.array([len(actions) for actions in self._actions], np.int64),
            "checksums": self._checksums,
            **({} if scale is None else {"carried": scale.carried}),
        }

    def set_state(self, state: dict[str, Array]) -> None:
        """Go back to what `state` returned; the environment comes along with the next batch.

        Raises ValueError for an array of another shape.
        """
        shapes = {name: array.shape for name, array in self.state().items()}
        shapes["batches"] = state["batches"].shape[:1]
        shapes["actions"] = (int(state["batches"].sum()), *shapes["actions"][1:])
        for name, shape in shapes.items():
            if state[name].shape != shape:
                raise ValueError(f"player_{name} has shape {state[name].shape}, expected {shape}")
        self._observations, self._ended = state["observations"], state["ended"]
        self._returns, self._lengths = state["returns"].copy(), state["lengths"].copy()
        self._seed, self._checksums = int(state["seed"]), state["checksums"]
        cuts = np.cumsum(state["batches"])[:-1]
        self._actions = np.split(state["actions"], cuts) if len(state["batches"]) else []
        if self.normalizers.rewards is not None:
            self.normalizers.rewards.carried = state["carried"]
        self.in_place = False

    def catch_up(self) -> list[str]:
        """Bring the environment to where the actions since the last reset led.

        Returns the entries of `CHECKED` that it did not repeat; there should be none.
        """
        if self.in_place or self._seed < 0:
            return []
        observations, mask, checksums = first_observations(self.env, self.spaces, self._seed)
        observations = observations.astype(self._observations.dtype)
        for actions in self._actions:
            played = take_steps(
                self.env, self.spaces, observations, mask, len(actions), partial(_again, actions)
            )
            observations, checksums = played.observations[-1], played.checksums(checksums)
            mask = None if played.masks is None else played.masks[-1]
        self._mask = mask
        differs = [
            name
            for name, repeated, once in zip(CHECKED, checksums, self._checksums, strict=True)
            if repeated != once
        ]
        self.in_place = not differs
        return differs


def _again(actions: Array, t: int, observations: Array, mask: Array | None) -> Array:
    action: Array = actions[t]  # (E, ...)
    return action


def expect_finite(name: str, array: Array, environments: Sequence[int] | None = None) -> None:
    """Raise FloatingPointError for the first entry of `array`, (E, ...), that is not finite.

    `environments` says which environments the rows belong to, if not to all of them.
    """
    finite = np.isfinite(array)
    if np.count_nonzero(finite) != array.size:
        where = tuple(np.argwhere(~finite)[0])
        e = where[0] if environments is None else environments[where[0]]
        raise FloatingPointError(
            f"the {name} of environment {e} is {array[where]}, expected a finite number"
        )
