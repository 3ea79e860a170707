"""Eight rows of one PPO update, as the update began and as it left the networks."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..agents.agent import Agent
from ..agents.rollout import Batch
from ..algorithms import ppo
from ..algorithms.batches import Rows, minibatches, rows_of
from ..algorithms.descent import State
from ..formulas.returns import normalize_advantages
from ..formulas.shapes import Array, Layers
from ..formulas.surrogates import importance_ratio
from ..training.checkpoint import read_checkpoint
from ..training.learner import PPO, kind_of
from ..training.run import CHECKPOINT, SETTINGS, read_config

ROWS = 8
# More would make a page of more than 1 MB
MOST_PARAMETERS = 20_000
# With networks small enough to see every weight, in the update in which most is to be seen
BUILT_IN = {
    "env": "CartPole-v1",
    "seed": 3,
    "n_envs": 4,
    "n_steps": 32,
    "batch_size": ROWS,
    "n_epochs": 4,
    "learning_rate": 1e-2,
    "ent_coef": 0.01,
    "net_arch": (8,),
}
BUILT_IN_UPDATE = 6
USUAL_UPDATE = 10  # of a run, or its last one: early enough for the policy to move


@dataclass(frozen=True)
class Minibatch:
    """All in float64. `before` and `after` are the networks, "policy" and "value"."""

    observations: Array  # (N, D)
    actions: Array  # (N,) int
    old_log_prob: Array  # (N,)
    advantages: Array  # (N,), normalised
    targets: Array  # (N,)
    clip: float
    vf_coef: float
    ent_coef: float
    activation: str
    before: dict[str, Layers]
    after: dict[str, Layers]
    about: str  # where it is from, in words


@dataclass(frozen=True)
class Seen:
    """One update: the agent before and after it, and its rows in the first epoch's order."""

    before: Agent
    after: Agent
    rows: Rows
    config: ppo.PPOConfig
    clip: float


class Watched(PPO):
    """A PPO that keeps the last update."""

    seen: Seen

    def __init__(self, env: Any, seed: int | None = None, **hyperparameters: Any) -> None:
        super().__init__(env, seed, **hyperparameters)
        self.algorithm = PPO.algorithm._replace(update=self.update)  # type: ignore[misc]

    def update(
        self,
        agent: Agent,
        state: State,
        batch: Batch,
        config: ppo.PPOConfig,
        learning_rate: float,
        clip: float,
        rng: np.random.Generator,
    ) -> dict[str, float]:
        before = copy.deepcopy(agent)
        rows = rows_of(batch, config.gamma, config.gae_lambda)
        shuffled = rows.chosen(copy.deepcopy(rng).permutation(len(rows)))
        log = ppo.update(agent, state, batch, config, learning_rate, clip, rng)
        self.seen = Seen(before, copy.deepcopy(agent), shuffled, config, clip)
        return log


def built_in() -> Minibatch:
    """A minibatch of a run that takes a moment."""
    about = (
        f"CartPole-v1, two networks with 8 hidden units, update {BUILT_IN_UPDATE} of a run with "
        f"seed {BUILT_IN['seed']}"
    )
    return eight_rows(watch(dict(BUILT_IN), BUILT_IN_UPDATE), about)


def of_run(folder: Path, update: int | None = None) -> Minibatch:
    """A minibatch of an update of a run, which is trained again from its seed up to there."""
    config = read_config(folder)
    settings = {name: config.pop(name) for name in SETTINGS if name in config}
    kind = kind_of(config)
    if kind is not PPO:
        raise ValueError(f"{folder} is a run of {kind.algorithm.name}, expected one of PPO")
    _, meta = read_checkpoint(folder / CHECKPOINT)
    made = int(meta["updates"])
    update = min(USUAL_UPDATE, made) if update is None else update
    if not 1 <= update <= made:
        raise ValueError(f"update is {update}, expected 1 to {made}, as many as {folder} has made")
    expect_shown(folder, config)
    end = settings.get("schedules_end", settings["total_timesteps"])
    about = f"{config['env']}, the run {folder.name} with seed {config['seed']}, update {update}"
    return eight_rows(watch(json.loads(json.dumps(config)), update, end), about)


def expect_shown(folder: Path, config: dict[str, Any]) -> None:
    """Raise ValueError for what the page has no place for."""
    for name, shown in {"objective": "clip", "shared_trunk": False, "clip_range_vf": None}.items():
        if config.get(name, shown) != shown:
            raise ValueError(
                f"{folder} has {name} {config[name]!r}, expected {shown!r}: "
                "the microscope shows the clipped loss of two networks"
            )


def watch(config: dict[str, Any], update: int, schedules_end: int | None = None) -> Seen:
    """What an update did, in a run that is trained up to it."""
    model = Watched(**config)
    architecture = model.agent.architecture
    if architecture.head != "categorical":
        raise ValueError(
            f"the policy of {config['env']} is {architecture.head}, expected categorical: "
            "the microscope shows the softmax policy"
        )
    if architecture.size() > MOST_PARAMETERS:
        raise ValueError(
            f"the networks have {architecture.size()} parameters, expected at most "
            f"{MOST_PARAMETERS}: the page shows each of them"
        )
    far = schedules_end or 2**31
    model.learn_until(far, lambda model, _: model.updates < update, far)
    if model.seen.rows.masks is not None:
        raise ValueError(f"{config['env']} masks actions, expected an environment that does not")
    return model.seen


def eight_rows(seen: Seen, about: str) -> Minibatch:
    """Eight neighbours of a minibatch of the first epoch: those of which the clip tells most.

    Of a larger minibatch they are taken for one of their own, with its own mean and normalisation.
    """
    config, before, after = seen.config, in_double(seen.before), in_double(seen.after)
    found: list[tuple[int, Minibatch]] = []
    for part in minibatches(len(seen.rows), config.batch_size, not config.normalize_advantage):
        size = part.stop - part.start
        for start in range(part.start, max(part.start + 1, part.stop - ROWS + 1), ROWS):
            rows = seen.rows.chosen(slice(start, min(start + ROWS, part.stop)))
            observations = rows.observations.astype(float)  # (N, D)
            advantages = rows.advantages.astype(float)  # (N,)
            if config.normalize_advantage:
                advantages = normalize_advantages(advantages)
            # not the log-probabilities of the rollout: those are single precision
            (old_log_prob, _, _), _ = before.evaluate(observations, rows.actions)  # (N,)
            (log_prob, _, _), _ = after.evaluate(observations, rows.actions)  # (N,)
            ratio, _ = importance_ratio(log_prob, old_log_prob)  # (N,)
            # where a row is: on which side of the band, or in it, and with which sign of Â
            side = 1.0 * (ratio > 1 + seen.clip) - 1.0 * (ratio < 1 - seen.clip)  # (N,)
            cases = set(zip(np.sign(advantages).tolist(), side.tolist(), strict=True))
            minibatch = Minibatch(
                observations,
                rows.actions,
                old_log_prob,
                advantages,
                rows.targets.astype(float),
                seen.clip,
                config.vf_coef,
                config.ent_coef,
                config.activation,
                layers(before),
                layers(after),
                about if size <= ROWS else f"{about}, 8 of a minibatch's {size} rows",
            )
            found.append((len(cases), minibatch))
    return max(found, key=lambda one: one[0])[1]


def in_double(agent: Agent) -> Agent:
    return Agent(agent.architecture, agent.parameters.astype(float))


def layers(agent: Agent) -> dict[str, Layers]:
    return {"policy": agent.policy_layers, "value": agent.value_layers}
