"""Playing: a gymnasium vector environment on one side, (T, E) arrays on the other.

Where an episode ends, gymnasium's vector environments start the next one by themselves, in one of
two ways, and the difference decides whether the data are right (a third, DISABLED, is refused):

NEXT_STEP   The step that ends an episode returns the true final observation. The next step ignores
            its action and returns the first observation of the new episode. That row is no
            transition: it is marked not `valid`, and whoever uses the batch leaves it out.
SAME_STEP   The step that ends an episode already returns the first observation of the new one; the
            final observation is in `info["final_obs"]`. Every row is a transition.

In both, `next_values` is the value of the true successor.
"""

from __future__ import annotations

import copy
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from traceback import walk_tb
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike

from ..formulas.shapes import Array
from .agent import Agent
from .heads import Distribution
from .normalizers import Normalizers, ObservationNormalizer, RewardNormalizer
from .spaces import Spaces

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


def autoreset_mode(env: VectorEnv[Any, Any, Any]) -> str:
    """ "NEXT_STEP" or "SAME_STEP"; ValueError for any other way of starting the next episode."""
    mode = env.metadata.get("autoreset_mode")
    name = getattr(mode, "name", None)
    if name not in ("NEXT_STEP", "SAME_STEP"):
        inside = env.unwrapped.metadata.get("autoreset_mode")
        hidden = mode is None and inside is not None
        raise ValueError(
            f"the environment's metadata['autoreset_mode'] is {mode!r}, expected "
            "AutoresetMode.NEXT_STEP or AutoresetMode.SAME_STEP"
            + f": a wrapper of {env} hides that it is {inside!r}"
            * hidden
        )
    return str(name)


def env_seed(sequence: np.random.SeedSequence, n_envs: int) -> int:
    """A seed for `n_envs` environments, of which gymnasium gives number i the seed + i.

    All of them fit in 31 bits: many environments take a C int.
    """
    return int(sequence.generate_state(1, np.uint64)[0] % (2**31 - n_envs))


def quiet() -> np.errstate:
    """For playing and learning: an overflow is found and named later, and an underflow is 0."""
    return np.errstate(over="ignore", under="ignore", invalid="ignore")


def expect_copyable(env: VectorEnv[Any, Any, Any]) -> None:
    """Raise TypeError, before a copy is begun, for an environment that cannot be copied."""
    from gymnasium.vector import AsyncVectorEnv

    try:
        if isinstance(env.unwrapped, AsyncVectorEnv):  # its copy would close the original's pipes
            raise TypeError("it runs in processes of its own")
        copy.deepcopy(env)
    except Exception as error:  # whatever its parts raise
        raise TypeError(
            f"the environment {env} cannot be copied ({error}), expected one that can; "
            "or copy by save(path) and load(path, another environment)"
        ) from None


@dataclass(frozen=True)
class Steps:
    """What T steps of E environments gave back. `finals` are SAME_STEP's K final observations.

    `shown` and `shown_finals` are the observations as the agent sees them.
    """

    observations: Array  # (T+1, E, D)
    rewards: Array  # (T, E) float64
    terminated: Array  # (T, E) bool
    truncated: Array  # (T, E) bool
    finals: Array  # (K, D)
    finals_at: tuple[list[int], list[int]]  # t and e of each final observation
    masks: Array | None  # (T+1, E, A) bool
    shown: Array  # (T+1, E, D)
    shown_finals: Array  # (K, D)

    def checksums(self, before: Array) -> Array:
        """Those `before`, carried on over the observations, the rewards and the ends: (3,)."""
        parts = [
            (self.observations, self.finals),
            (self.rewards,),
            (self.terminated, self.truncated),
        ]
        return np.array(
            [_crc(arrays, int(crc)) for arrays, crc in zip(parts, before, strict=True)], np.int64
        )


CHECKED = ("observations", "rewards", "ends of episodes")


def _crc(arrays: Sequence[Array], crc: int = 0) -> int:
    for array in arrays:
        crc = zlib.crc32(np.ascontiguousarray(array).data, crc)
    return crc


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
        observations, self._mask, self._checksums = self._reset(seed)
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

    def _reset(self, seed: int) -> tuple[Array, Array | None, Array]:
        """The first observations (E, D) and masks, and the checksums to begin with."""
        with _explained(self.spaces):
            observations, info = self.env.reset(seed=seed)
            encoded = self.spaces.encode(observations)  # (E, D)
        if len(encoded) != self.env.num_envs:
            raise ValueError(
                f"reset gave {len(encoded)} observations, expected {self.env.num_envs}"
            )
        mask = self.spaces.mask(info, np.zeros(self.env.num_envs, bool))
        return encoded, mask, np.array([_crc([encoded]), 0, 0], np.int64)

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
        played = self._step(first, self._mask, T, act, see, dtype)
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

    def _step(
        self,
        first: Array,
        mask: Array | None,
        steps: int,
        act: Callable[[int, Array, Array | None], Array],
        see: ObservationNormalizer | None = None,
        shown_dtype: DTypeLike = np.float64,
    ) -> Steps:
        """T = `steps` steps from the observations `first`, (E, D), with the actions of `act`.

        Where there is something to `see` with, `act` is shown what it makes of the observations,
        each of which it counts once: in SAME_STEP mode final observations too, so that both modes
        count the same.
        """
        T, (E, D), dtype = steps, first.shape, first.dtype
        observations = np.empty((T + 1, E, D), dtype)  # (T+1, E, D)
        rewards = np.empty((T, E))  # float64, so that a sum of them is what it is without npppo
        terminated = np.empty((T, E), bool)
        truncated = np.empty((T, E), bool)
        finals: list[Array] = []
        finals_at: tuple[list[int], list[int]] = ([], [])
        masks = [mask]
        observations[0] = first
        shown, shown_finals = observations, finals
        if see is not None:
            shown, shown_finals = np.empty((T + 1, E, D), shown_dtype), []
            shown[0] = see(first)
        with _explained(self.spaces):
            for t in range(T):
                action = self.spaces.decode(act(t, shown[t], mask))
                following, reward, term, trunc, info = self.env.step(action)
                encoded = self.spaces.encode(following)  # (E, D)
                try:
                    if not len(encoded) == len(reward) == len(term) == len(trunc) == E:
                        raise ValueError("NumPy would make (1,) fit")
                    observations[t + 1] = encoded
                    rewards[t], terminated[t], truncated[t] = reward, term, trunc
                except (TypeError, ValueError) as error:
                    shapes = [np.shape(array) for array in (reward, term, trunc)]
                    raise ValueError(
                        f"a step gave {len(encoded)} observations, and rewards, terminated and "
                        f"truncated of shapes {shapes}, expected {E} and three times ({E},)"
                    ) from error
                if mask is not None:
                    # in SAME_STEP mode what comes back belongs to the new episode already
                    idle = (terminated[t] | truncated[t]) & (not self.same_step)  # (E,)
                    # an environment that has ended need not say what is allowed
                    mask = np.ones_like(mask) if idle.all() else self.spaces.mask(info, idle)
                    if mask is None:
                        raise ValueError(
                            "the info of a step holds no 'action_mask', expected one as in the "
                            "info of the reset"
                        )
                    masks.append(mask)
                elif "action_mask" in info:
                    raise ValueError(
                        "the info of a step holds an 'action_mask', expected one in the info of "
                        "the reset too, for the first action"
                    )
                new: list[Array] = []  # final observations (D,)
                if self.same_step:
                    over = np.flatnonzero(terminated[t] | truncated[t]).tolist()
                    new = [self._final_observation(info, e).astype(dtype) for e in over]  # copies
                    finals += new
                    finals_at[0].extend([t] * len(over))
                    finals_at[1].extend(over)
                if see is not None:
                    arrived = observations[t + 1]  # (E, D)
                    see.see(np.concatenate([arrived, new]) if new else arrived)
                    shown[t + 1] = see(arrived)
                    shown_finals += [see(final[None])[0] for final in new]
        return Steps(
            observations,
            rewards,
            terminated,
            truncated,
            np.array(finals, dtype).reshape(-1, D),
            finals_at,
            None if mask is None else np.array(masks),  # (T+1, E, A)
            shown,
            np.array(shown_finals, shown.dtype).reshape(-1, D),
        )

    def _final_observation(self, info: Any, e: int) -> Array:
        finals = info.get("final_obs")
        if finals is None or finals[e] is None:
            raise ValueError(
                f"environment {e} has ended, but its info holds no 'final_obs' (only "
                f"{', '.join(info) or 'nothing'}), expected the final observation in SAME_STEP mode"
            )
        encoded: Array = self.spaces.encode(finals[e], alone=True)[0]  # (D,)
        return encoded

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
        observations, mask, checksums = self._reset(self._seed)
        observations = observations.astype(self._observations.dtype)
        for actions in self._actions:
            played = self._step(observations, mask, len(actions), partial(_again, actions))
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


def does_not_repeat(differs: list[str]) -> str:
    """The sentence for what `Player.catch_up` found."""
    return (
        "the environment does not repeat itself from the same seed and actions: "
        f"its {' and '.join(differs)} differ (as where something in it is not seeded, or a wrapper "
        "keeps statistics that a reset does not restore)"
    )


@contextmanager
def alive() -> Iterator[None]:
    """Where an environment runs in processes of its own, say so when one of them has gone."""
    try:
        yield
    except (EOFError, ConnectionError) as error:
        modules = [frame.f_globals.get("__name__") for frame, _ in walk_tb(error.__traceback__)]
        if "gymnasium.vector.async_vector_env" not in modules:
            raise
        raise ChildProcessError(
            "a process of the environment has ended by itself or was killed, as where the memory "
            "does not hold so many"
        ) from None


@contextmanager
def _explained(spaces: Spaces) -> Iterator[None]:
    """Where gymnasium cannot gather what single environments returned, say what was expected."""
    try:
        with alive():
            yield
    except (TypeError, ValueError) as error:
        modules = [
            str(frame.f_globals.get("__name__")) for frame, _ in walk_tb(error.__traceback__)
        ]
        where = [name for name in modules if not name.startswith("numpy.")][-1]
        if not where.startswith(("gymnasium.vector.sync_vector_env", "gymnasium.vector.utils")):
            raise
        raise ValueError(
            f"what the environment returned does not fit ({error}): expected observations of shape "
            f"{spaces.observation.shape or spaces.observation}, and one number each as reward, "
            "terminated and truncated"
        ) from error


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
