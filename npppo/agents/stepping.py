"""Stepping: what T steps of a gymnasium vector environment give back, as (T, E) arrays.

Where an episode ends, gymnasium's vector environments start the next one by themselves, in one of
two ways, and the difference decides whether the data are right (a third, DISABLED, is refused):

NEXT_STEP   The step that ends an episode returns the true final observation. The next step ignores
            its action and returns the first observation of the new episode. That row is no
            transition: it is marked not `valid`, and whoever uses the batch leaves it out.
SAME_STEP   The step that ends an episode already returns the first observation of the new one; the
            final observation is in `info["final_obs"]`. Every row is a transition.
"""

from __future__ import annotations

import copy
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from traceback import walk_tb
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike

from ..formulas.shapes import Array
from .normalizers import ObservationNormalizer
from .spaces import Spaces

if TYPE_CHECKING:
    from gymnasium.vector import VectorEnv


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


GATHERING = (  # where gymnasium looks at what single environments returned
    "gymnasium.vector.sync_vector_env",
    "gymnasium.vector.vector_env",
    "gymnasium.vector.utils",
    "gymnasium.utils.passive_env_checker",
)
CHECKED = ("observations", "rewards", "ends of episodes")


def _crc(arrays: Sequence[Array], crc: int = 0) -> int:
    for array in arrays:
        crc = zlib.crc32(np.ascontiguousarray(array).data, crc)
    return crc


def first_observations(
    env: VectorEnv[Any, Any, Any], spaces: Spaces, seed: int
) -> tuple[Array, Array | None, Array]:
    """A reset: the first observations (E, D) and masks, and the checksums to begin with."""
    with explained(spaces):
        observations, info = env.reset(seed=seed)
        encoded = spaces.encode(observations)  # (E, D)
    if len(encoded) != env.num_envs:
        raise ValueError(f"reset gave {len(encoded)} observations, expected {env.num_envs}")
    mask = spaces.mask(info, np.zeros(env.num_envs, bool))
    return encoded, mask, np.array([_crc([encoded]), 0, 0], np.int64)


def take_steps(
    env: VectorEnv[Any, Any, Any],
    spaces: Spaces,
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
    same_step = autoreset_mode(env) == "SAME_STEP"
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
    with explained(spaces):
        for t in range(T):
            action = spaces.decode(act(t, shown[t], mask))
            following, reward, term, trunc, info = env.step(action)
            encoded = spaces.encode(following)  # (E, D)
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
                idle = (terminated[t] | truncated[t]) & (not same_step)  # (E,)
                # an environment that has ended need not say what is allowed
                mask = np.ones_like(mask) if idle.all() else spaces.mask(info, idle)
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
            if same_step:
                over = np.flatnonzero(terminated[t] | truncated[t]).tolist()
                new = [_final_observation(spaces, info, e).astype(dtype) for e in over]  # copies
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


def _final_observation(spaces: Spaces, info: Any, e: int) -> Array:
    finals = info.get("final_obs")
    if finals is None or finals[e] is None:
        raise ValueError(
            f"environment {e} has ended, but its info holds no 'final_obs' (only "
            f"{', '.join(info) or 'nothing'}), expected the final observation in SAME_STEP mode"
        )
    encoded: Array = spaces.encode(finals[e], alone=True)[0]  # (D,)
    return encoded


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
def explained(spaces: Spaces) -> Iterator[None]:
    """Where gymnasium cannot gather what single environments returned, say what was expected."""
    try:
        with alive():
            yield
    except (AssertionError, AttributeError, LookupError, TypeError, ValueError) as error:
        modules = [
            str(frame.f_globals.get("__name__")) for frame, _ in walk_tb(error.__traceback__)
        ]
        where = [name for name in modules if not name.startswith("numpy.")][-1]
        if not where.startswith(GATHERING):
            raise
        told = f"it lacks {error}" if isinstance(error, KeyError) else error
        raise ValueError(
            f"what the environment returned does not fit ({told}): expected observations of "
            f"{spaces.observation}, one number each as reward, terminated and truncated, and a "
            "dict as info"
        ) from error
