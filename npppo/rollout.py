"""Playing: a gymnasium vector environment on one side, (T, E) arrays on the other.

Where an episode ends, gymnasium's vector environments start the next one by themselves, in one of
two ways, and the difference decides whether the data are right:

NEXT_STEP   The step that ends an episode returns the true final observation. The next step ignores
            its action and returns the first observation of the new episode. That row is no
            transition: it is marked not `valid`, and whoever uses the batch leaves it out.
SAME_STEP   The step that ends an episode already returns the first observation of the new one; the
            final observation is in `info["final_obs"]`. Every row is a transition.

In both, `next_values` is the value of the true successor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .agent import Agent, Distribution
from .shapes import Array

if TYPE_CHECKING:
    from gymnasium.vector import VectorEnv


@dataclass(frozen=True)
class Batch:
    """What T steps of E environments gave. `distribution` is the old policy's, row by row."""

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


class Spaces:
    """How an environment's observations and actions become the agent's arrays and back.

    Observations: a Box is flattened, a Discrete is one-hot. Actions: a Discrete is counted from
    0; a Box is clipped to its bounds on the way to the environment, while the batch keeps the
    action that was drawn, because that is the one whose log-probability is known.
    """

    def __init__(self, observation: Any, action: Any) -> None:
        from gymnasium.spaces import Box, Discrete

        for name, space in (("observation", observation), ("action", action)):
            if not isinstance(space, (Box, Discrete)):
                raise ValueError(
                    f"the {name} space is {space}, which npppo does not support; "
                    "expected Box or Discrete"
                )
        if isinstance(action, Box) and not np.issubdtype(action.dtype, np.floating):
            raise ValueError(
                f"the action space is {action}, expected Discrete or a Box of floating numbers"
            )
        self.observation, self.action = observation, action
        self._one_hot = isinstance(observation, Discrete)
        self.head = "categorical" if isinstance(action, Discrete) else "gaussian"
        self._start = int(action.start) if isinstance(action, Discrete) else 0
        self.observation_size = (
            int(observation.n) if self._one_hot else int(np.prod(observation.shape))
        )
        self.actions = (
            int(action.n) if self.head == "categorical" else int(np.prod(action.shape))
        )  # A

    def encode(self, observations: Any) -> Array:
        """Observations (E, ...) as the agent reads them: (E, D)."""
        array = np.asarray(observations)
        if self._one_hot:
            return self._one_hots(array)
        flat: Array = array.reshape(len(array), self.observation_size)  # (E, D)
        return flat

    def _one_hots(self, array: Array) -> Array:
        states = array - self.observation.start  # (E,)
        if (
            array.dtype.kind not in "iu"
            or (states < 0).any()
            or (states >= self.observation.n).any()
        ):
            raise ValueError(f"the observation is {array}, expected one of {self.observation}")
        rows = np.zeros((len(array), self.observation_size))  # (E, D)
        rows[np.arange(len(array)), states] = 1
        return rows

    def decode(self, actions: Array) -> Array:
        """The agent's actions (E,) or (E, A) as the environment takes them."""
        if self.head == "categorical":
            counted = actions.astype(np.int64, copy=False)  # (E,)
            return counted + self._start if self._start else counted
        shaped = actions.reshape(len(actions), *self.action.shape)  # (E, ...)
        return shaped.clip(self.action.low, self.action.high).astype(self.action.dtype)

    def describe(self) -> str:
        """Both spaces in words, to tell one environment from another."""
        return f"observations {self.observation}, actions {self.action}"


def autoreset_mode(env: VectorEnv[Any, Any, Any]) -> str:
    """ "NEXT_STEP" or "SAME_STEP"; ValueError for any other way of starting the next episode."""
    mode = env.metadata.get("autoreset_mode")
    name = getattr(mode, "name", None)
    if name not in ("NEXT_STEP", "SAME_STEP"):
        raise ValueError(
            f"the environment's metadata['autoreset_mode'] is {mode!r}, expected "
            "AutoresetMode.NEXT_STEP or AutoresetMode.SAME_STEP"
        )
    return str(name)


class Player:
    """Steps a vector environment with an agent, across episode and batch boundaries."""

    def __init__(self, env: VectorEnv[Any, Any, Any]) -> None:
        self.env = env
        self.spaces = Spaces(env.single_observation_space, env.single_action_space)
        self.same_step = autoreset_mode(env) == "SAME_STEP"
        self.episodes: list[tuple[float, int]] = []  # (return, length) of each finished one
        self._observations = np.zeros((env.num_envs, self.spaces.observation_size))  # (E, D)
        self._ended = np.zeros(env.num_envs, bool)  # (E,): the next row is no transition
        self._returns = np.zeros(env.num_envs)  # (E,) of the episodes in flight
        self._lengths = np.zeros(env.num_envs, np.int64)  # (E,)

    def reset(self, seed: int) -> None:
        """Start new episodes everywhere; those in flight are dropped."""
        self.episodes.clear()
        observations, _ = self.env.reset(seed=seed)
        self._observations = self.spaces.encode(observations)  # (E, D)
        self._ended = np.zeros_like(self._ended)
        self._returns = np.zeros_like(self._returns)
        self._lengths = np.zeros_like(self._lengths)

    def play(self, agent: Agent, steps: int, rng: np.random.Generator) -> Batch:
        """T = `steps` steps with actions drawn from the agent's policy."""
        T, E = steps, self.env.num_envs
        dtype = agent.parameters.dtype
        observations = np.empty((T + 1, E, self.spaces.observation_size), dtype)  # (T+1, E, D)
        rewards = np.empty((T, E), dtype)
        terminated = np.empty((T, E), bool)
        truncated = np.empty((T, E), bool)
        finals: list[tuple[int, int, Array]] = []  # SAME_STEP: (t, e, final observation)
        noise = agent.head.noise(rng, (T, E), self.spaces.actions)  # (T, E, A)
        outs, actions = [], []
        distribution: Distribution = ()

        observations[0] = self._observations
        for t in range(T):
            expect_finite("observation", observations[t])
            distribution = agent.policy(observations[t])  # (E, A) logits or means, ...
            action = agent.head.sample(*distribution, noise[t])  # (E,) or (E, A)
            following, reward, term, trunc, info = self.env.step(self.spaces.decode(action))
            observations[t + 1] = self.spaces.encode(following)
            rewards[t], terminated[t], truncated[t] = reward, term, trunc
            outs.append(distribution[0])
            actions.append(action)
            if self.same_step:
                for e in np.flatnonzero(terminated[t] | truncated[t]).tolist():
                    final = self.spaces.encode(np.asarray(info["final_obs"][e])[None])  # (1, D)
                    final = final.astype(dtype)  # a copy: the environment may reuse its array
                    expect_finite("observation", final, [e])
                    finals.append((t, e, final[0]))
        ended = terminated | truncated  # (T, E)
        if self.same_step:
            valid = np.ones((T, E), bool)
        else:
            valid = ~np.concatenate([self._ended[None], ended[:-1]])  # (T, E)
            self._ended = ended[-1]
        self._observations = observations[T]
        expect_finite("observation", observations[T])
        expect_finite("reward", rewards.T)
        self._count_episodes(rewards, ended, valid)

        values = agent.values(observations.reshape((T + 1) * E, -1)).reshape(T + 1, E)
        next_values = values[1:].copy()  # (T, E)
        if finals:
            t_index, e_index, final_observations = zip(*finals, strict=True)
            final_values = agent.values(np.array(final_observations))  # (K,)
            next_values[list(t_index), list(e_index)] = final_values

        out, extra = np.array(outs), distribution[1:]  # (T, E, A), a Gaussian's log_std (A,)
        taken = np.array(actions)  # (T, E) or (T, E, A)
        flat_actions = taken.reshape(T * E, *taken.shape[2:])
        (log_probs, _), _ = agent.head.evaluate(out.reshape(T * E, -1), *extra, flat_actions)
        return Batch(
            observations[:T],
            taken,
            log_probs.reshape(T, E),
            (out, *(array.copy() for array in extra)),
            values[:T],
            next_values,
            rewards,
            terminated,
            truncated,
            valid,
        )

    def _count_episodes(self, rewards: Array, ended: Array, valid: Array) -> None:
        """Add the finished episodes of a batch to `episodes` and carry on those in flight."""
        counted = np.where(valid, rewards, 0).astype(np.float64)  # (T, E)
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
        """Where the episodes in flight are, beside the state that the environment itself holds."""
        return {
            "observations": self._observations,
            "ended": self._ended,
            "returns": self._returns,
            "lengths": self._lengths,
        }

    def set_state(self, state: dict[str, Array]) -> None:
        """Go back to what `state` returned; the environment itself stays as it is."""
        self._observations, self._ended = state["observations"], state["ended"]
        self._returns, self._lengths = state["returns"].copy(), state["lengths"].copy()

    def replay(self, seed: int, actions: Array, state: dict[str, Array]) -> bool:
        """Bring the environment to where `actions` (T, E, ...) led from `reset(seed)`.

        An environment's state need not be saved: from the same seed, the same actions lead to it.
        Returns whether they led to the observations of `state`, bit for bit.
        """
        self.reset(seed)
        for action in actions:
            following, *_ = self.env.step(self.spaces.decode(action))
            self._observations = self.spaces.encode(following)  # (E, D)
        repeated = self._observations.astype(state["observations"].dtype)  # (E, D)
        self.set_state(state)
        return bool(np.array_equal(repeated, state["observations"]))


def expect_finite(name: str, array: Array, environments: Sequence[int] | None = None) -> None:
    """Raise FloatingPointError for the first entry of `array`, (E, ...), that is not finite.

    `environments` tells which ones the rows belong to where they are not all.
    """
    finite = np.isfinite(array)
    if np.count_nonzero(finite) != array.size:
        where = tuple(np.argwhere(~finite)[0])
        e = where[0] if environments is None else environments[where[0]]
        raise FloatingPointError(
            f"the {name} of environment {e} is {array[where]}, expected a finite number"
        )
