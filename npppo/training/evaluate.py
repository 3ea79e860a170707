"""Testing a policy: whole episodes, each counted once."""

from __future__ import annotations

import math
import shutil
import tempfile
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..agents.rollout import expect_finite
from ..agents.spaces import Spaces, difference
from ..agents.stepping import autoreset_mode, env_seed, explained
from ..formulas.shapes import Array
from .blame import is_others, one_line
from .checkpoint import write_atomically
from .environments import closed, make_env, vectorized
from .learner import Learner
from .threads import one_blas_thread

if TYPE_CHECKING:
    from gymnasium.vector import VectorEnv

    from .environments import Environment

    Environments = VectorEnv[Any, Any, Any]

__all__ = ["evaluate"]

# of an episode, where the environment itself has no time limit: a policy may stand still for ever
MAX_STEPS = 10_000

Episode = tuple[float, int]  # return, length
Show = Callable[[int], None]  # is called after each step of a round


class Evaluation:
    """Episodes that a model is to play, and did.

    `unfinished` are those that met the limit of `max_steps`, by default the environment's own or
    else MAX_STEPS, or were cut off at the end. Raises ValueError for what cannot be played.
    """

    def __init__(
        self,
        model: Learner,
        episodes: int = 100,
        seed: int = 0,
        deterministic: bool = True,
        max_steps: int | None = None,
        env: Environment | None = None,
    ) -> None:
        if model.env_id is None and env is None:
            raise ValueError(
                "the model was made from an environment without an id: pass one as env"
            )
        for name, number in (("episodes", episodes), ("max_steps", max_steps)):
            whole = isinstance(number, (int, np.integer)) or number is None
            if not whole or (number is not None and number < 1):
                raise ValueError(f"{name} is {number!r}, expected a whole number from 1 on")
        self.env = None if env is None else vectorized(env)
        if self.env is not None:
            spaces = Spaces(self.env.single_observation_space, self.env.single_action_space)
            if differs := difference(model.player.spaces.describe(), spaces.describe()):
                raise ValueError(f"the model was made for {differs}")
        spec = model.env.spec if env is None else env.spec
        own_limit: int | None = getattr(spec, "max_episode_steps", None)
        self.model, self.env_id, self.wanted = model, model.env_id or "", episodes
        self.seed, self.deterministic = seed, deterministic
        self.max_steps = max_steps or own_limit or MAX_STEPS
        self.finished: list[Episode] = []
        self.unfinished: list[Episode] = []

    def missing(self) -> str:
        """A sentence on what was not finished; empty where all was."""
        if len(self.finished) == self.wanted:
            return ""
        said = f"{len(self.finished)} of {self.wanted} episodes were finished"
        if self.unfinished:
            returns, lengths = zip(*self.unfinished, strict=True)
            count = len(lengths)
            said += (
                f"; {count} {'was' if count == 1 else 'were'} not, after up to {max(lengths):,} "
                f"steps and with a return of {min(returns):.1f} to {max(returns):.1f} so far"
            )
            if max(lengths) >= self.max_steps:
                said += f" (max_steps is {self.max_steps:,})"
            if self.finished:
                said += ": the finished ones are the short ones"
        return said

    def play(self, show: Show = lambda step: None, env: Environments | None = None) -> None:
        """Play what is wanted, in `env` or in environments like those of the training.

        In a round every environment plays exactly one episode: to take the first that end would
        favour the short ones. There are no more environments than in the training, where they are
        known to fit into this machine. What was played before an exception is known. Environments
        that were made here are closed.
        """
        env = self.env if env is None else env
        if env is None:
            config = self.model.config
            rounds = math.ceil(self.wanted / config.n_envs)
            env = make_env(self.env_id, math.ceil(self.wanted / rounds), config.vectorization)
        made_here = closed(env) if env is not self.env else nullcontext()
        with explained(self.model.player.spaces), made_here, one_blas_thread():
            for number in range(math.ceil(self.wanted / env.num_envs)):
                self._one_round(number, env, show)

    def _one_round(self, number: int, env: Environments, show: Show) -> None:
        seeds = np.random.SeedSequence(self.seed, spawn_key=(number,))
        rng = None if self.deterministic else np.random.default_rng(seeds)
        returns = np.zeros(env.num_envs)  # (E,)
        lengths = np.zeros(env.num_envs, np.int64)  # (E,)
        running = np.arange(env.num_envs) < self.wanted - number * env.num_envs  # (E,)

        def count(which: Array, episodes: list[Episode]) -> None:
            episodes += zip(returns[which].tolist(), lengths[which].tolist(), strict=True)

        spaces, same_step = self.model.player.spaces, autoreset_mode(env) == "SAME_STEP"
        observations, info = env.reset(seed=env_seed(seeds, env.num_envs))
        over = np.zeros(env.num_envs, bool)  # (E,)
        try:
            for step in range(1, self.max_steps + 1):
                mask = spaces.mask(info, over)  # (E, A)
                actions = self.model.act(spaces.encode(observations), rng, mask)  # (E,) or (E, ...)
                observations, rewards, terminated, truncated, info = env.step(actions)
                over = (terminated | truncated) & (not same_step)
                expect_finite("reward", np.where(running, rewards, 0))
                returns += np.where(running, rewards, 0)
                lengths += running
                ended = running & (terminated | truncated)  # (E,)
                running = running & ~ended
                count(ended, self.finished)
                show(step)
                if not running.any():
                    break
        finally:
            count(running & (lengths > 0), self.unfinished)

    def watch(self, video: Path | None) -> None:
        """Play what is wanted in a window, or record the one episode into the file `video`."""
        import gymnasium

        try:
            with tempfile.TemporaryDirectory() as folder:
                films = Path(folder, "films")
                env = gymnasium.make(self.env_id, render_mode="rgb_array" if video else "human")
                if video:
                    env = gymnasium.wrappers.RecordVideo(env, str(films), disable_logger=True)
                self.play(env=vectorized(env))
                if video:
                    (film,) = films.glob("*.mp4")
                    with open(film, "rb") as source:
                        write_atomically(video, partial(shutil.copyfileobj, source))
        except (gymnasium.error.Error, ImportError, OSError, RuntimeError) as error:
            if is_others(error):
                raise
            raise ValueError(f"cannot show {self.env_id}: {one_line(error)}") from None


def evaluate(
    model: Learner,
    episodes: int = 100,
    env: Environment | None = None,
    seed: int = 0,
    deterministic: bool = True,
    max_steps: int | None = None,
) -> list[Episode]:
    """(return, length) of `episodes` fresh episodes of the environment the model was made for.

    They are played in `env` where one is given, which stays open. An episode that has not ended
    after `max_steps` steps is left out, with a warning; None is the environment's own limit, or
    MAX_STEPS where it has none.
    """
    evaluation = Evaluation(model, episodes, seed, deterministic, max_steps, env)
    evaluation.play()
    if missing := evaluation.missing():
        warnings.warn(missing, stacklevel=2)
    return evaluation.finished
