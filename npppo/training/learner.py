"""The loop: play, update, log, save; and the class that is used as `npppo.PPO`."""

from __future__ import annotations

import copy
import time
import warnings
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ..agents.agent import Agent, Architecture, initial_parameters
from ..agents.rollout import (
    Player,
    does_not_repeat,
    env_seed,
    expect_copyable,
    expect_finite,
    quiet,
)
from ..agents.spaces import difference
from ..algorithms.ppo import AdamState, PPOConfig, update
from ..formulas.optimizers import linear_schedule
from ..formulas.shapes import Array
from .blame import is_others
from .checkpoint import CheckpointError, read_checkpoint, write_checkpoint
from .presets import PRESETS
from .progress import Progress
from .threads import one_blas_thread

if TYPE_CHECKING:
    from gymnasium import Env
    from gymnasium.vector import VectorEnv

__all__ = ["PPO", "load"]

# After so many steps of each environment the episodes in flight are cut, as truncations, and new
# ones are seeded from (seed, update), so that a resumed run never has more than these to replay.
SEGMENT_STEPS = 16384
RECENT_EPISODES = 100

Row = dict[str, float]  # what is logged of one update


def make_env(env_id: str, n_envs: int) -> VectorEnv[Any, Any, Any]:
    """`n_envs` copies of a registered environment; ValueError says what to install."""
    import gymnasium

    try:
        return gymnasium.make_vec(env_id, num_envs=n_envs)
    except Exception as error:
        named = isinstance(error, (gymnasium.error.Error, ModuleNotFoundError))
        if is_others(error) and not named:
            raise
        raise ValueError(f"cannot make the environment {env_id!r}: {_advice(error)}") from None


def _advice(error: Exception) -> str:
    said = " ".join(str(error).split())
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"{said}; install the package that provides {error.name!r}"
    if "ALE" in said:
        return f"{said}; pip install ale-py"
    return said


def vectorized(env: Any) -> VectorEnv[Any, Any, Any]:
    """A vector environment as it is; a single environment as a vector of one."""
    from gymnasium import Env
    from gymnasium.vector import SyncVectorEnv, VectorEnv

    if isinstance(env, Env):
        return SyncVectorEnv([partial(_itself, env)])
    if not isinstance(env, VectorEnv):
        raise ValueError(
            f"env is {env!r}, expected the id of an environment, a gymnasium environment "
            "or a gymnasium vector environment"
        )
    return env


def _itself(env: Any) -> Any:
    return env


def keep_freed_memory() -> None:
    """Make the C library keep the memory it gets back.

    By default glibc returns each minibatch's arrays to the system and fetches the next one's pages
    anew. It stops doing so for blocks as large as one that has been freed once.
    """
    np.empty(2**24, np.uint8)


class PPO:
    """Proximal Policy Optimization on an environment, in Stable-Baselines3's manner.

        model = npppo.PPO("CartPole-v1", seed=0).learn(100_000)
        action, _ = model.predict(observation)

    `env` is the id of a registered environment (`n_envs` copies of it are made), a gymnasium
    environment, or a vector environment. Hyperparameters are the fields of
    `npppo.algorithms.ppo.PPOConfig`; for an id in `npppo/training/presets.py` the preset stands in
    for the defaults. With `seed=None` a seed is drawn; `model.seed` tells which.

    A copy, by `copy` or pickle, has its own environments and trains as the original would: it is
    what `load` would make of what `save` would write.

    Raises ValueError for an environment that cannot be made or is not supported, and for
    hyperparameters out of range; TypeError for one that does not exist.
    """

    def __init__(
        self,
        env: str | Env[Any, Any] | VectorEnv[Any, Any, Any],
        seed: int | None = None,
        **hyperparameters: Any,
    ) -> None:
        if "policy" in hyperparameters or (isinstance(env, str) and env.endswith("Policy")):
            raise TypeError(
                "npppo's PPO takes no policy: expected PPO(env, ...), with net_arch, activation "
                "and shared_trunk for the networks"
            )
        if seed is None:
            seed = int(np.random.SeedSequence().generate_state(1)[0])
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
            raise ValueError(f"seed is {seed!r}, expected a whole number from 0 on")
        self.seed = int(seed)
        if isinstance(env, str):
            self.env_id: str | None = env
            self.config = configure(env, hyperparameters)
            env = make_env(env, self.config.n_envs)
        else:
            self.env_id = None
            env = vectorized(env)
            n_envs = env.num_envs
            if hyperparameters.get("n_envs", n_envs) != n_envs:
                raise ValueError(
                    f"n_envs is {hyperparameters['n_envs']}, but the environment given has {n_envs}"
                )
            self.config = configure(None, {**hyperparameters, "n_envs": n_envs})
        self.player = Player(env)
        spaces = self.player.spaces

        init, self._noise_rng, self._order_rng, self._predict_rng = (
            np.random.Generator(np.random.PCG64(child))
            for child in np.random.SeedSequence(self.seed).spawn(4)
        )
        architecture = Architecture(
            spaces.observation_size,
            spaces.actions,
            spaces.head,
            self.config.net_arch,
            self.config.activation,
            self.config.shared_trunk,
        )
        parameters = initial_parameters(architecture, init)  # (P,)
        self.agent = Agent(architecture, parameters)
        self.adam = AdamState(np.zeros_like(parameters), np.zeros_like(parameters))
        self.updates = 0
        self.num_timesteps = 0
        self.episodes = 0
        self.recent: deque[tuple[float, int]] = deque(maxlen=RECENT_EPISODES)
        self._playing = False  # there are episodes in flight to go on with

    @property
    def env(self) -> VectorEnv[Any, Any, Any]:
        """The environments that are played."""
        return self.player.env

    def __reduce__(self) -> tuple[Any, ...]:
        if self.env_id is None:
            expect_copyable(self.env)
        env = self.env if self.env_id is None else self.env_id
        return _from_contents, (type(self), env, *self._contents())

    def __copy__(self) -> PPO:
        return copy.deepcopy(self)

    def learn(
        self,
        total_timesteps: int,
        callback: Callable[[Row], bool | None] | None = None,
        progress: bool = False,
    ) -> PPO:
        """Train for `total_timesteps` more steps; returns self.

        A second call goes on where the last one stopped, with schedules that start again. After
        each update `callback` gets what there is to log; the training ends early when it returns
        False. Rows that are no transition are not counted. The last batch is not cut short.
        An environment that was given may have been used in between: there a second call begins new
        episodes.
        With `progress` a line on the standard output says how far it is. While it trains NumPy's
        OpenBLAS has one thread, unless an environment variable says otherwise.

        Raises FloatingPointError, naming the update and the array, when an observation, reward,
        loss or gradient is not finite.
        """
        if not total_timesteps >= 1:
            raise ValueError(f"total_timesteps is {total_timesteps}, expected 1 or more")
        self._find_environment(goes_on=self.env_id is not None)
        first, last = self.num_timesteps, self.num_timesteps + total_timesteps
        if not progress:
            return self._learn(first, last, last, callback)
        line = Progress(last, first)

        def show(row: Row) -> bool | None:
            line.update(row)
            return None if callback is None else callback(row)

        try:
            return self._learn(first, last, last, show)
        finally:
            line.close()

    def learn_until(
        self,
        num_timesteps: int,
        callback: Callable[[Row], bool | None] | None = None,
        schedules_end: int | None = None,
    ) -> PPO:
        """As `learn`, but until `num_timesteps` have been made in all, from the very first on.

        This is how an interrupted training goes on: its schedules stay those of the whole. They end
        at `num_timesteps`, or at the step `schedules_end`, and stay there. An environment that was
        given is first brought back to where the last call left it, by playing up to 16,384 steps
        again.
        """
        if schedules_end is not None and schedules_end < 1:
            raise ValueError(f"schedules_end is {schedules_end}, expected 1 or more")
        end = num_timesteps if schedules_end is None else schedules_end
        self._find_environment(goes_on=True)
        return self._learn(0, num_timesteps, end, callback)

    @one_blas_thread()
    def _learn(
        self, first: int, last: int, end: int, callback: Callable[[Row], bool | None] | None
    ) -> PPO:
        config = self.config
        keep_freed_memory()
        start = time.perf_counter()
        while self.num_timesteps < last:
            began = time.perf_counter()
            fraction = min(1.0, (self.num_timesteps - first) / (end - first))
            learning_rate, clip = scheduled(config, fraction)
            if not self._playing or self.updates % self._segment_updates() == 0:
                key = np.random.SeedSequence(self.seed, spawn_key=(4, self.updates))
                self.player.reset(env_seed(key, self.env.num_envs))
            self._playing = False  # until the update is whole: it may be interrupted
            steps_before = self.num_timesteps
            try:
                with quiet():
                    batch = self.player.play(self.agent, config.n_steps, self._noise_rng)
                    stats = update(
                        self.agent, self.adam, batch, config, learning_rate, clip, self._order_rng
                    )
            except FloatingPointError as error:
                if is_others(error):
                    raise
                raise FloatingPointError(f"update {self.updates + 1}: {error}") from None
            self._playing = True
            self.updates += 1
            self.num_timesteps += int(batch.valid.sum())
            self.episodes += len(self.player.episodes)
            self.recent.extend(self.player.episodes)
            self.player.episodes.clear()
            now = time.perf_counter()
            row = {
                "update": self.updates,
                "timesteps": self.num_timesteps,
                "episodes": self.episodes,
                "return": _mean([episode_return for episode_return, _ in self.recent]),
                "length": _mean([length for _, length in self.recent]),
                **stats,
                "learning_rate": learning_rate,
                "clip_range": clip,
                "seconds": now - start,
                "steps_per_second": (self.num_timesteps - steps_before) / (now - began),
            }
            if callback is not None and callback(row) is False:
                break
        return self

    def _find_environment(self, goes_on: bool) -> None:
        """Before a training: see that the environment is where the episodes in flight left it.

        It is not in a model that was loaded or copied, and may not be where it was given: somebody
        may have stepped it. With `goes_on` false the episodes in flight are dropped.
        """
        if self.env_id is None and goes_on:
            self.player.in_place = False
        if self._playing:
            with quiet():
                differs = self.player.catch_up()
            if differs:
                warnings.warn(
                    f"{does_not_repeat(differs)}; the training goes on with new episodes, not bit "
                    "for bit as before",
                    stacklevel=3,
                )
                goes_on = False
        self._playing = self._playing and goes_on

    def predict(self, observation: ArrayLike, deterministic: bool = True) -> tuple[Any, None]:
        """The action for one observation, or the actions for a batch of them (N, ...).

        Deterministic: the likeliest action; otherwise one drawn from the policy. Returns
        `(action, None)`; the second entry is where recurrent policies have their state.

        Raises FloatingPointError for an observation that is not finite.
        """
        if not isinstance(deterministic, (bool, np.bool_)):
            raise TypeError(
                f"deterministic is {deterministic!r}, expected True or False: predict takes "
                "(observation, deterministic), and no state"
            )
        space = self.player.spaces.observation
        array = np.asarray(observation)
        shape = tuple(space.shape)
        if (array.shape != shape and array.shape[1:] != shape) or array.ndim > len(shape) + 1:
            raise ValueError(
                f"observation has shape {array.shape}, expected {shape} or a batch of them"
            )
        rng = None if deterministic else self._predict_rng
        if array.shape == shape:
            return self.act(array[None], rng)[0], None
        return self.act(array, rng), None

    def act(self, observations: Array, rng: np.random.Generator | None) -> Array:
        """The environment's actions (N, ...) for observations (N, ...): drawn, or the likeliest."""
        spaces, head = self.player.spaces, self.agent.head
        with quiet():
            encoded = spaces.encode(observations).astype(self.agent.parameters.dtype)  # (N, D)
            expect_finite("observation", encoded)
            distribution = self.agent.policy(encoded)
            if rng is None:
                return spaces.decode(head.mode(*distribution))
            noise = head.noise(rng, (len(encoded),), spaces.actions)  # (N, A)
            return spaces.decode(head.sample(*distribution, noise))

    def save(self, path: str | Path) -> None:
        """Write everything a resumed training needs to `path` (".npz" is added if it has no end).

        The file is whole or not there, and holds no code.
        """
        write_checkpoint(_with_suffix(Path(path)), *self._contents())

    def _contents(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """The arrays and the rest of what a checkpoint, or a copy, is made of."""
        arrays = {
            "parameters": self.agent.parameters,
            "adam_m": self.adam.m,
            "adam_v": self.adam.v,
            "recent": np.array(list(self.recent), np.float64).reshape(-1, 2),
            **{f"player_{name}": array for name, array in self.player.state().items()},
        }
        meta = {
            "env_id": self.env_id,
            "spaces": self.player.spaces.describe(),
            "seed": self.seed,
            "config": asdict(self.config),
            "adam_step": self.adam.step,
            "updates": self.updates,
            "num_timesteps": self.num_timesteps,
            "episodes": self.episodes,
            "playing": self._playing,
            "noise_rng": self._noise_rng.bit_generator.state,
            "order_rng": self._order_rng.bit_generator.state,
            "predict_rng": self._predict_rng.bit_generator.state,
        }
        return arrays, meta

    def restore(self, arrays: dict[str, Array], meta: dict[str, Any]) -> None:
        """Load the saved state into this model.

        The environment is brought to where it was when the training goes on, so that a model
        loaded only to be evaluated does not wait for the replay.
        """
        for name, own in self.player.spaces.describe().items():
            if differs := difference(meta["spaces"][name], own):
                fact, saved, here = differs
                raise CheckpointError(
                    f"the checkpoint was made for an environment whose {name} space has {fact} "
                    f"{saved}, but this one has {here}"
                )
        shapes = {
            "parameters": self.agent.parameters.shape,
            "adam_m": self.agent.parameters.shape,
            "adam_v": self.agent.parameters.shape,
            "recent": (len(arrays["recent"]), 2),
        }
        for name, shape in shapes.items():
            if arrays[name].shape != shape:
                raise CheckpointError(
                    f"{name} of the checkpoint has shape {arrays[name].shape}, expected {shape}"
                )
        self.player.set_state({name: arrays[f"player_{name}"] for name in self.player.state()})
        self.agent.parameters[:] = arrays["parameters"]
        self.adam = AdamState(arrays["adam_m"], arrays["adam_v"], int(meta["adam_step"]))
        self.updates = int(meta["updates"])
        self.num_timesteps = int(meta["num_timesteps"])
        self.episodes = int(meta["episodes"])
        self.recent.extend((float(r), int(length)) for r, length in arrays["recent"])
        self._noise_rng.bit_generator.state = meta["noise_rng"]
        self._order_rng.bit_generator.state = meta["order_rng"]
        self._predict_rng.bit_generator.state = meta["predict_rng"]
        self._playing = bool(meta["playing"])

    def _segment_updates(self) -> int:
        return max(1, SEGMENT_STEPS // self.config.n_steps)


def configure(env_id: str | None, hyperparameters: dict[str, Any]) -> PPOConfig:
    """The config for an environment: the preset's values, overridden by those given.

    A `batch_size` that was not given is no larger than the batch.
    """
    known = [field.name for field in fields(PPOConfig)]
    for name in hyperparameters:
        if name not in known:
            raise TypeError(f"{name!r} is no hyperparameter of PPO, expected {', '.join(known)}")
    preset = PRESETS.get(env_id or "", {})
    values = {name: value for name, value in preset.items() if name in known}
    given = {**values, **hyperparameters}
    if "batch_size" not in hyperparameters:
        sizes = [given.get(name, getattr(PPOConfig, name)) for name in ("n_envs", "n_steps")]
        if all(isinstance(size, (int, np.integer)) and size >= 1 for size in sizes):
            at_most = int(sizes[0]) * int(sizes[1])
            given["batch_size"] = min(given.get("batch_size", PPOConfig.batch_size), at_most)
    return PPOConfig(**given)


def load(path: str | Path, env: Env[Any, Any] | VectorEnv[Any, Any, Any] | None = None) -> PPO:
    """The model that `PPO.save` wrote, or that a run's folder holds, ready for more training.

    `env` is needed where the model was not made from an id. Raises CheckpointError, a ValueError,
    for a file that is no whole checkpoint, or that was made for another environment.
    """
    path = Path(path)
    path = path / "checkpoint.npz" if path.is_dir() else _with_suffix(path)
    arrays, meta = read_checkpoint(path)
    try:
        env = env if env is not None else meta["env_id"]
        if env is not None:
            return _from_contents(PPO, env, arrays, meta)
    except KeyError as error:
        if is_others(error):
            raise
        raise CheckpointError(f"{path} lacks {error}, expected a whole checkpoint") from None
    except (TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        if is_others(error):
            raise
        raise CheckpointError(f"{path} cannot be loaded: {error}") from None
    raise ValueError(f"{path} was made from an environment without an id: pass it as env")


def _from_contents(
    kind: type[PPO],
    env: str | Env[Any, Any] | VectorEnv[Any, Any, Any],
    arrays: dict[str, Array],
    meta: dict[str, Any],
) -> PPO:
    model = kind(env, meta["seed"], **meta["config"])
    model.restore(arrays, meta)
    return model


def _with_suffix(path: Path) -> Path:
    return path if path.suffix else path.with_suffix(".npz")


def scheduled(config: PPOConfig, fraction: float) -> tuple[float, float]:
    """Learning rate and clip range when this share of the training is done."""
    pairs = (
        (config.learning_rate, config.learning_rate_end),
        (config.clip_range, config.clip_range_end),
    )
    learning_rate, clip = (
        start if end is None else linear_schedule(start, end, fraction) for start, end in pairs
    )
    return learning_rate, clip


def _mean(numbers: list[float]) -> float:
    return sum(numbers) / len(numbers) if numbers else float("nan")
