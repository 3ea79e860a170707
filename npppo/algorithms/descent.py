"""One step down a gradient with a config's optimiser, and what the optimiser remembers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from ..agents.agent import Agent
from ..formulas.optimizers import adam_step, clip_grad_norm, rmsprop_step, sgd_step
from ..formulas.shapes import Array
from .hyperparameters import Config

EPS = 1e-5  # not the usual 1e-8: Huang et al. 2022, detail 3; Stable-Baselines3's A2C too


@dataclass
class State:
    """What an algorithm remembers from one update to the next.

    `m` and `v`, (P,), are its optimiser's averages of the gradient and of its square, `step` how
    many steps it has made; `more` is whatever else an algorithm keeps.
    """

    m: Array
    v: Array
    step: int = 0
    more: dict[str, Array] = field(default_factory=dict)


def descend(
    agent: Agent, state: State, gradient: Array, learning_rate: float, config: Config
) -> float:
    """Move the agent one step against the gradient (P,), limited; returns its norm before that."""
    (gradient,), norm = clip_grad_norm([gradient], config.max_grad_norm)  # (P,)
    expect_finite("gradient norm", norm)
    state.step += 1
    old = agent.parameters
    if config.optimizer == "adam":
        agent.parameters, state.m, state.v = adam_step(
            old, gradient, state.m, state.v, state.step, learning_rate, eps=EPS
        )
    elif config.optimizer == "rmsprop":
        agent.parameters, state.v = rmsprop_step(old, gradient, state.v, learning_rate, eps=EPS)
    else:
        agent.parameters = sgd_step(old, gradient, learning_rate)
    return norm


def expect_finite(name: str, number: float) -> None:
    """Raise FloatingPointError for a number that is not finite."""
    if not math.isfinite(number):
        raise FloatingPointError(f"the {name} is {number}, expected a finite number")


def expect_finite_parameters(agent: Agent) -> None:
    """Raise FloatingPointError where a step left the range of numbers."""
    if not np.isfinite(agent.parameters).all():
        raise FloatingPointError("a step made a parameter nan or inf, expected finite numbers")
