"""The loop: play, update, log, save; and the classes that are used, as `npppo.PPO`."""

from __future__ import annotations

import copy
import re
import time
import warnings
from collections import deque
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, fields
from difflib import get_close_matches
from math import nan, prod
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from ..agents.agent import Agent, Architecture, initial_parameters
from ..agents.rollout import Player, quiet
from ..agents.spaces import difference
from ..agents.stepping import does_not_repeat, env_seed, expect_copyable
from ..algorithms import a2c, ppo, reinforce, trpo
from ..algorithms.descent import State
from ..algorithms.hyperparameters import Config
from ..algorithms.reinforce import WAITING
from ..formulas.shapes import Array
from .blame import is_others
from .checkpoint import CheckpointError, read_checkpoint, write_checkpoint
from .environments import make_env, vectorized
from .presets import PRESETS
from .progress import Progress
from .threads import one_blas_thread

if TYPE_CHECKING:
    from gymnasium.vector import VectorEnv

    from .environments import Environment

__all__ = ["A2C", "PPO", "REINFORCE", "TRPO", "load"]

# After so many steps of each environment the episodes in flight are cut, as truncations, and new
# ones are seeded from (seed, update), so that a resumed run never has more than these to replay.
SEGMENT_STEPS = 16384
RECENT_EPISODES = 100
COUNTS = ("updates", "num_timesteps", "episodes")

A_FUNCTION = "a function"  # in a file, in place of a schedule that the caller wrote

Row = dict[str, float]  # what is logged of one update
Callback = Callable[["Learner", Row], bool | None]
Same = TypeVar("Same", bound="Learner")


class Algorithm(NamedTuple):
    """What the algorithms differ in."""

    name: str
    about: str
    config: type[Config]
    update: Callable[..., Row]  # (agent, state, batch, config, *config.rates(), rng) -> what to log


def keep_freed_memory() -> None:
    """Make the C library keep the memory it gets back.

    By default glibc returns each minibatch's arrays to the system and fetches the next one's pages
    anew. It stops doing so for blocks as large as one that has been freed once.
    """
    np.empty(2**24, np.uint8)


class Learner:
    """An agent that learns from an environment by an algorithm, in Stable-Baselines3's manner.

        model = npppo.PPO("CartPole-v1", seed=0).learn(100_000)
        action, _ = model.predict(observation)

    `env` is the id of a registered environment (`n_envs` copies of it are made, as `vectorization`
    says), a gymnasium environment, or a vector environment. Hyperparameters are the fields of the
    algorithm's config; for an id in `npppo/training/presets.py` the preset stands in for the
    defaults. With `seed=None` a seed is drawn; `model.seed` tells which.

    A copy, by `copy` or pickle, has its own environments and trains as the original would: it is
    what `load` would make of what `save` would write.

    Raises ValueError for an environment that cannot be made or is not supported, and for
    hyperparameters out of range; TypeError for one that does not exist.
    """

    algorithm: ClassVar[Algorithm]

    def __init__(
        self, env: str | Environment, seed: int | None = None, **hyperparameters: Any
    ) -> None:
        if "policy" in hyperparameters or (isinstance(env, str) and env.endswith("Policy")):
            name = self.algorithm.name
            raise TypeError(
                f"npppo's {name} takes no policy: expected {name}(env, ...), with net_arch, "
                "activation and shared_trunk for the networks"
            )
        if seed is None:
            seed = int(np.random.SeedSequence().generate_state(1)[0])
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
            raise ValueError(f"seed is {seed!r}, expected a whole number from 0 on")
        self.seed = int(seed)
        self.env_id = env if isinstance(env, str) else None
        if not isinstance(env, str):
            env = vectorized(env)
            n_envs = hyperparameters.setdefault("n_envs", env.num_envs)
            if n_envs != env.num_envs:
                raise ValueError(
                    f"n_envs is {n_envs}, but the environment given has {env.num_envs}"
                )
            if (how := hyperparameters.get("vectorization", "auto")) != "auto":
                raise ValueError(
                    f"vectorization is {how!r}, but the environment was given, expected its id"
                )
        self.config = self.configure(self.env_id, hyperparameters)
        if isinstance(env, str):
            env = make_env(env, self.config.n_envs, self.config.vectorization)
        self.player = Player(env)
        if self.config.normalize_observations:
            self.player.normalize_observations(self.config.clip_observations)
        if self.config.normalize_rewards:
            self.player.normalize_rewards(self.config.gamma, self.config.clip_rewards)
        spaces = self.player.spaces

        init, *streams = (
            np.random.Generator(np.random.PCG64(child))
            for child in np.random.SeedSequence(self.seed).spawn(4)
        )
        self._rngs = dict(zip(("noise", "order", "predict"), streams, strict=True))
        shape = (self.config.net_arch, self.config.activation, self.config.shared_trunk)
        architecture = Architecture(spaces.observation_size, spaces.actions, spaces.head, *shape)
        parameters = initial_parameters(architecture, init)  # (P,)
        self.agent = Agent(architecture, parameters)
        self.state = State(np.zeros_like(parameters), np.zeros_like(parameters))
        self.updates = self.num_timesteps = self.episodes = 0
        self.recent: deque[tuple[float, int]] = deque(maxlen=RECENT_EPISODES)
        self._playing = False  # there are episodes in flight to go on with

    @classmethod
    def configure(cls, env_id: str | None, given: dict[str, Any]) -> Config:
        """The config for an environment: the preset's values, overridden by those given.

        What was given and what stands in the preset must not be at odds: a `batch_size` that was
        not given is no larger than the batch, and a rate that is a function has no end. Otherwise
        the error says what is the preset's.
        """
        known = {made.name: made.default for made in fields(cls.algorithm.config)}
        for name in given:
            if name not in known:
                having = [
                    algo
                    for algo, kind in ALGORITHMS.items()
                    if any(made.name == name for made in fields(kind.algorithm.config))
                ]
                near = [] if having else get_close_matches(name, known, 1)
                raise TypeError(
                    f"{name!r} is no hyperparameter of {cls.algorithm.name}"
                    + (f", but of {' and '.join(having)}" if having else "")
                    + (f", is it {near[0]}?" if near else f", expected {', '.join(known)}")
                )
        preset = cls.preset(env_id)
        preset = {name: preset[name] for name in preset if name in known.keys() - given}
        values = {**known, **preset, **given}
        for name in preset:
            start, _, end = name.rpartition("_")
            if end == "end" and callable(values[start]):
                values[name] = None
        sizes = [values["n_envs"], values["n_steps"]]
        whole = all(isinstance(size, (int, np.integer)) for size in sizes)
        if "batch_size" in known.keys() - given and whole:
            values["batch_size"] = min(values["batch_size"], max(1, prod(sizes)))
        try:
            return cls.algorithm.config(**values)
        except ValueError as error:
            said = re.findall(r"\w+", str(error))
            named = [name for name in preset if name in said and values[name] == preset[name]]
            if not named:
                raise
            raise ValueError(f"{error} ({' and '.join(named)}: the preset of {env_id})") from None

    @classmethod
    def preset(cls, env_id: str | None) -> dict[str, Any]:
        """What is known to work on an environment; empty where nothing is."""
        return PRESETS.get(cls.algorithm.name, {}).get(env_id or "", {})

    @property
    def env(self) -> VectorEnv[Any, Any, Any]:
        """The environments that are played."""
        return self.player.env

    def __reduce__(self) -> tuple[Any, ...]:
        if self.env_id is None:
            expect_copyable(self.env)
        return _from_contents, (type(self), self.env_id or self.env, *self._contents())

    def __copy__(self: Same) -> Same:
        return copy.deepcopy(self)

    def learn(
        self: Same, total_timesteps: int, callback: Callback | None = None, progress: bool = False
    ) -> Same:
        """Train for `total_timesteps` more steps; returns self.

        A second call goes on where the last one stopped, with schedules that start again. After
        each update `callback` gets the model and what there is to log; the training ends early when
        it returns False. Rows that are no transition are not counted. The last batch is not cut
        short.
        An environment that was given may have been used in between: there a second call begins new
        episodes.
        With `progress` a line on the standard output says how far it is. While it trains NumPy's
        OpenBLAS has one thread, unless an environment variable says otherwise.

        Raises FloatingPointError, naming the update and the array, when an observation, reward,
        loss or gradient is not finite.
        """
        if not (isinstance(total_timesteps, Real) and total_timesteps >= 1):
            raise ValueError(f"total_timesteps is {total_timesteps!r}, expected a number from 1 on")
        self._find_environment(goes_on=self.env_id is not None)
        first, last = self.num_timesteps, self.num_timesteps + total_timesteps
        if not progress:
            return self._learn(first, last, last, callback)
        with closing(Progress(last, first)) as line:
            return self._learn(first, last, last, lambda model, row: line.update(row), callback)

    def learn_until(
        self: Same,
        num_timesteps: int,
        callback: Callback | None = None,
        schedules_end: int | None = None,
    ) -> Same:
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
    def _learn(self: Same, first: int, last: int, end: int, *callbacks: Callback | None) -> Same:
        config = self.config
        keep_freed_memory()
        start = time.perf_counter()
        while self.num_timesteps < last:
            began = time.perf_counter()
            rates = config.rates((self.num_timesteps - first) / (end - first))
            if not self._playing or self.updates % self._segment_updates() == 0:
                key = np.random.SeedSequence(self.seed, spawn_key=(4, self.updates))
                self.player.reset(env_seed(key, self.env.num_envs))
            self._playing = False  # until the update is whole: it may be interrupted
            try:
                with quiet():
                    batch = self.player.play(self.agent, config.n_steps, self._rngs["noise"])
                    stats = self.algorithm.update(
                        self.agent, self.state, batch, config, *rates.values(), self._rngs["order"]
                    )
            except FloatingPointError as error:
                if is_others(error):
                    raise
                raise FloatingPointError(f"update {self.updates + 1}: {error}") from None
            self._playing = True
            steps = int(batch.valid.sum())
            self.updates += 1
            self.num_timesteps += steps
            self.episodes += len(self.player.episodes)
            self.recent.extend(self.player.episodes)
            self.player.episodes.clear()
            returns, lengths = zip(*self.recent or [(nan, nan)], strict=True)
            now = time.perf_counter()
            row = {
                "update": self.updates,
                "timesteps": self.num_timesteps,
                "episodes": self.episodes,
                "return": sum(returns) / len(returns),
                "length": sum(lengths) / len(lengths),
                **stats,
                **rates,
                "seconds": now - start,
                "steps_per_second": steps / (now - began),
            }
            answers = [callback(self, row) for callback in callbacks if callback]
            if any(isinstance(answer, (bool, np.bool_)) and not answer for answer in answers):
                break
        return self

    def _find_environment(self, goes_on: bool) -> None:
        """Before a training: see that the environment is where the episodes in flight left it.

        It is not in a model that was loaded or copied, and may not be where it was given: somebody
        may have stepped it. With `goes_on` false the episodes in flight are dropped. What networks
        without convolutions make of an image is said before the first update.
        """
        image = self.player.spaces.observations.image()
        if image and not self.updates:
            warnings.warn(
                f"{image}, an image: it is flattened, and a network without convolutions must "
                "learn by itself which pixels are neighbours, for each place anew",
                stacklevel=3,
            )
        self._playing = self._playing and goes_on
        if not self._playing:
            return
        if self.env_id is None:
            self.player.in_place = False
        with quiet():
            differs = self.player.catch_up()
        if differs:
            warnings.warn(
                f"{does_not_repeat(differs)}; the training goes on with new episodes, not bit "
                "for bit as before",
                stacklevel=3,
            )
            self._playing = False

    def predict(
        self,
        observation: Any,
        deterministic: bool = True,
        action_masks: ArrayLike | None = None,
    ) -> tuple[Any, None]:
        """The action for one observation, or the actions for a batch of them (N, ...).

        For a Dict or a Tuple they are a dict or a tuple of arrays, as a vector environment's are.
        What normalises observations in training does it here, and learns nothing from them.
        Deterministic: the likeliest action; otherwise one drawn from the policy. `action_masks` say
        which actions are allowed, (A,) or (N, A), or are as an environment's info has them. Returns
        `(action, None)`; the second entry is where recurrent policies have their state.

        Raises FloatingPointError for an observation that is not finite.
        """
        if not isinstance(deterministic, (bool, np.bool_)):
            raise TypeError(
                f"deterministic is {deterministic!r}, expected True or False: predict takes "
                "(observation, deterministic), and no state"
            )
        spaces = self.player.spaces
        alone = spaces.observations.is_alone(observation)
        encoded = spaces.encode(observation, alone)  # (N, D)
        rng = None if deterministic else self._rngs["predict"]
        mask = None
        if action_masks is not None:
            masks: Any = [action_masks] if alone else action_masks
            if len(masks) != len(encoded):
                raise ValueError(f"there are {len(masks)} action_masks, expected {len(encoded)}")
            mask = spaces.mask({"action_mask": masks}, np.zeros(len(encoded), bool))  # (N, A)
        actions = self.act(encoded, rng, mask)
        return actions[0] if alone else actions, None

    def act(
        self, encoded: Array, rng: np.random.Generator | None, mask: Array | None = None
    ) -> Array:
        """The environment's actions (N, ...) for encoded observations (N, D): drawn, or the
        likeliest.
        """
        spaces, head = self.player.spaces, self.agent.head
        with quiet():
            seen = self.player.seen(encoded, self.agent.parameters.dtype)  # (N, D)
            distribution = self.agent.policy(seen, mask)
            if rng is None:
                return spaces.decode(head.mode(*distribution))
            noise = head.noise(rng, (len(encoded),))  # (N, A)
            return spaces.decode(head.sample(*distribution, noise))

    def save(self, path: str | Path) -> None:
        """Write everything a resumed training needs to `path` (".npz" is added if it has no end).

        The file is whole or not there, and holds no code.
        """
        arrays, meta = self._contents()
        meta["config"] = {
            name: A_FUNCTION if callable(value) else value for name, value in meta["config"].items()
        }
        write_checkpoint(_with_suffix(Path(path)), arrays, meta)

    def _contents(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """The arrays and the rest of what a checkpoint, or a copy, is made of."""
        moments = self.player.normalizers.moments()
        arrays = {
            "parameters": self.agent.parameters,
            "optimizer_m": self.state.m,
            "optimizer_v": self.state.v,
            **{f"more_{name}": array for name, array in self.state.more.items()},
            "recent": np.array(list(self.recent), np.float64).reshape(-1, 2),
            **{f"player_{name}": array for name, array in self.player.state().items()},
            **{f"moments_{name}": array for name, array in moments.items()},
        }
        meta = {
            **self.label(),
            "env_id": self.env_id,
            "spaces": self.player.spaces.describe(),
            "seed": self.seed,
            "config": asdict(self.config),
            "optimizer_step": self.state.step,
            **{name: getattr(self, name) for name in COUNTS},
            "playing": self._playing,
            **{f"{name}_rng": rng.bit_generator.state for name, rng in self._rngs.items()},
        }
        return arrays, meta

    def restore(self, arrays: dict[str, Array], meta: dict[str, Any]) -> None:
        """Load the saved state into this model.

        The environment is brought to where it was when the training goes on, so that a model
        loaded only to be evaluated does not wait for the replay.
        """
        if differs := difference(meta["spaces"], self.player.spaces.describe()):
            raise CheckpointError(f"the checkpoint was made for {differs}")
        size = self.agent.parameters.shape
        for name in ("parameters", "optimizer_m", "optimizer_v"):
            if arrays[name].shape != size:
                raise CheckpointError(
                    f"{name} of the checkpoint has shape {arrays[name].shape}, expected {size}"
                )
        more = {
            name.removeprefix("more_"): array
            for name, array in arrays.items()
            if name.startswith("more_")
        }
        if meta["playing"] or len(arrays["player_ended"]) == self.env.num_envs:
            self.player.set_state({name: arrays[f"player_{name}"] for name in self.player.state()})
        else:  # of other environments
            more = {name: array for name, array in more.items() if not name.startswith(WAITING)}
        normalizers = self.player.normalizers
        normalizers.set_moments({name: arrays[f"moments_{name}"] for name in normalizers.moments()})
        self.agent.parameters[:] = arrays["parameters"]
        step = int(meta["optimizer_step"])
        self.state = State(arrays["optimizer_m"], arrays["optimizer_v"], step, more)
        for name in COUNTS:
            setattr(self, name, int(meta[name]))
        self.recent.extend((float(r), int(length)) for r, length in arrays["recent"])
        for name, rng in self._rngs.items():
            rng.bit_generator.state = meta[f"{name}_rng"]
        self._playing = bool(meta["playing"])

    def label(self) -> dict[str, str]:
        """The algorithm as files name it: those of PPO do not."""
        name = self.algorithm.name
        return {} if name == "PPO" else {"algorithm": name}

    def _segment_updates(self) -> int:
        return max(1, SEGMENT_STEPS // self.config.n_steps)


class REINFORCE(Learner):
    """REINFORCE: a `Learner` with the hyperparameters of `REINFORCEConfig`."""

    algorithm = Algorithm(
        "REINFORCE",
        "Monte-Carlo policy gradient, with or without a baseline (Williams 1992)",
        reinforce.REINFORCEConfig,
        reinforce.update,
    )


class A2C(Learner):
    """Advantage actor-critic: a `Learner` with the hyperparameters of `A2CConfig`."""

    algorithm = Algorithm(
        "A2C",
        "n-step advantage actor-critic (Mnih et al. 2016, synchronous)",
        a2c.A2CConfig,
        a2c.update,
    )


class TRPO(Learner):
    """Trust region policy optimization: a `Learner` with the hyperparameters of `TRPOConfig`."""

    algorithm = Algorithm(
        "TRPO",
        "natural gradient within a trust region (Schulman et al. 2015)",
        trpo.TRPOConfig,
        trpo.update,
    )


class PPO(Learner):
    """Proximal Policy Optimization: a `Learner` with the hyperparameters of `PPOConfig`."""

    algorithm = Algorithm(
        "PPO",
        "clipped surrogate, several epochs of minibatches (Schulman et al. 2017)",
        ppo.PPOConfig,
        ppo.update,
    )
    config: ppo.PPOConfig


ALGORITHMS: dict[str, type[Learner]] = {
    kind.algorithm.name: kind for kind in (REINFORCE, A2C, TRPO, PPO)
}


def kind_of(saved: dict[str, Any]) -> type[Learner]:
    """The class of what was saved, of which its `Learner.label` is taken out."""
    name = saved.pop("algorithm", "PPO")
    if name not in ALGORITHMS:
        raise CheckpointError(f"algorithm is {name!r}, expected one of {', '.join(ALGORITHMS)}")
    return ALGORITHMS[name]


def load(
    path: str | Path,
    env: Environment | None = None,
    n_envs: int | None = None,
    **schedules: Callable[[float], float],
) -> Learner:
    """The model that `save` wrote, or that a run's folder holds, ready for more training.

    `env` is needed where the model was not made from an id. With another number of environments,
    `n_envs`, the training begins new episodes, and a warning says so. `schedules` are the rates
    that were functions, which no file holds. Raises CheckpointError, a ValueError, for a file that
    is no whole checkpoint, or that was made for another environment.
    """
    path = Path(path)
    path = path / "checkpoint.npz" if path.is_dir() else _with_suffix(path)
    arrays, meta = read_checkpoint(path)
    try:
        known = fields(kind_of(dict(meta)).algorithm.config)
        # one that is older than a hyperparameter was made with its default, whatever presets say
        config = {**{made.name: made.default for made in known}, **meta["config"]}
        meta["config"] = config
        functions = {name for name, value in config.items() if value == A_FUNCTION}
        for name in sorted(functions - schedules.keys()):
            raise ValueError(f"its {name} was a function: load(path, {name}=...) takes it again")
        for name in sorted(schedules.keys() - functions):
            raise ValueError(f"its {name} was no function, and is not given again")
        config.update(schedules)
        if n_envs is not None and n_envs != config["n_envs"]:
            warnings.warn(
                f"{path} has {config['n_envs']} environments, and now there are {n_envs}: the "
                "training goes on with new episodes",
                stacklevel=2,
            )
            meta["playing"] = False
            config["n_envs"] = n_envs
            if "batch_size" in config:
                config["batch_size"] = min(config["batch_size"], n_envs * config["n_steps"])
        if env is not None:
            config["vectorization"] = "auto"  # somebody else made it
        env = env if env is not None else meta["env_id"]
        if env is not None:
            return _from_contents(kind_of(meta), env, arrays, meta)
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        if is_others(error):
            raise
        said = f"cannot be loaded: {error}"
        if isinstance(error, KeyError):
            said = f"lacks {error}, expected a whole checkpoint"
        raise CheckpointError(f"{path} {said}") from None
    raise ValueError(f"{path} was made from an environment without an id: pass it as env")


def _from_contents(
    kind: type[Learner], env: str | Environment, arrays: dict[str, Array], meta: dict[str, Any]
) -> Learner:
    model = kind(env, meta["seed"], **meta["config"])
    model.restore(arrays, meta)
    return model


def _with_suffix(path: Path) -> Path:
    return path if path.suffix else path.with_suffix(".npz")
