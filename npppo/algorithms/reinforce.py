"""REINFORCE: raise the log-probability of actions by the returns that followed (Williams 1992).

The start of the story. A return is a sum over all that happened after an action, so it is noisy,
and says little about this one action. A baseline, which no action can change, takes away what all
actions have in common: the mean return, or better the value of the state.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..agents.agent import Agent
from ..agents.rollout import Batch
from ..formulas.losses import value_loss, value_loss_backward
from ..formulas.returns import discounted_returns
from ..formulas.shapes import Array
from ..formulas.surrogates import policy_gradient_loss, policy_gradient_loss_backward
from .descent import State, descend, expect_finite, expect_finite_parameters
from .hyperparameters import (
    Config,
    above_0,
    from_0_on,
    from_0_to_1,
    name_of_optimizer,
    one_of,
    whole,
    yes_or_no,
)


@dataclass(frozen=True)
class REINFORCEConfig(Config):
    """REINFORCE's hyperparameters."""

    baseline: str = one_of(("none", "mean", "value"))("value", "subtracted from the returns")
    learning_rate: float = above_0(3e-3, "the optimiser's step size")
    learning_rate_end: float | None = from_0_on(None, "where it arrives, linearly, at the end")
    optimizer: str = name_of_optimizer("adam", "adam, rmsprop or sgd")
    n_envs: int = whole(8, "environments side by side")
    n_steps: int = whole(256, "steps of each environment between two updates")  # T
    gamma: float = from_0_to_1(0.99, "discount factor γ")
    vf_coef: float = from_0_on(0.5, "weight of the value loss")
    max_grad_norm: float = above_0(0.5, "the gradient's norm is limited to this")
    shared_trunk: bool = yes_or_no(False, "one set of hidden layers for policy and value function")


WAITING = "waiting_"  # how the rows of unfinished episodes are called in the state
ENDS = ("terminated", "truncated", "valid")
NEEDED = ("observations", "actions", "masks", "rewards", "next_values", *ENDS)


def update(
    agent: Agent,
    state: State,
    batch: Batch,
    config: REINFORCEConfig,
    learning_rate: float,
    rng: np.random.Generator,
) -> dict[str, float]:
    """One step of `agent` from the episodes that end in `batch`; returns what there is to log.

        loss = policy-gradient loss of (returns - baseline) + vf_coef · value loss

    The value loss is there where the value function is the baseline.
    """
    played, whole_episode = joined(state, batch)  # (T, E, ...), (T, E) bool; T may be longer
    rows = played["valid"] & whole_episode  # (T, E) bool
    log = {"policy_loss": np.nan, "value_loss": np.nan, "entropy": np.nan, "grad_norm": np.nan}
    if not rows.any():
        return log

    rewards, truncated = played["rewards"], played["truncated"]
    # the value of where a time limit cut an episode is known to a value function alone
    next_values = played["next_values"] if config.baseline == "value" else np.zeros_like(rewards)
    returns = discounted_returns(
        rewards, next_values, played["terminated"], truncated, config.gamma
    )  # (T, E)

    masks = played["masks"][rows] if "masks" in played else None  # (N, A)
    evaluated, cache = agent.evaluate(played["observations"][rows], played["actions"][rows], masks)
    log_prob, entropy, values = evaluated  # (N,) each; a Gaussian's entropy is ()
    targets = returns[rows]  # (N,)
    baselines = {"none": 0.0, "mean": targets.mean(), "value": values}
    advantages = targets - baselines[config.baseline]  # (N,)

    loss, policy_cache = policy_gradient_loss(log_prob, advantages)
    expect_finite("loss", float(loss))
    dlog_prob = policy_gradient_loss_backward(1.0, policy_cache)  # (N,)
    dvalues = np.zeros_like(values)  # (N,)
    if config.baseline == "value":
        error, value_cache = value_loss(values, targets)
        log["value_loss"] = float(error)
        dvalues = value_loss_backward(config.vf_coef, value_cache)  # (N,)
    gradient = agent.backward(dlog_prob, np.zeros_like(entropy), dvalues, cache)  # (P,)
    norm = descend(agent, state, gradient, learning_rate, config)
    expect_finite_parameters(agent)
    return {
        **log,
        "policy_loss": float(loss),
        "entropy": float(entropy.mean()),
        "grad_norm": norm,
    }


def joined(state: State, batch: Batch) -> tuple[dict[str, Array], Array]:
    """The batch behind the rows that waited, (T, E, ...), and which rows' episodes are whole.

    A return needs all of an episode, so the rows of those that go on wait in `state` for the next
    batch. An episode that waited and does not go on has been cut, as by a time limit.
    """
    new = {name: getattr(batch, name) for name in NEEDED if getattr(batch, name) is not None}
    old = {name: state.more.get(WAITING + name, array[:0]) for name, array in new.items()}
    played = {name: np.concatenate([old[name], array]) for name, array in new.items()}
    if len(old["truncated"]):
        played["truncated"][len(old["truncated"]) - 1] |= ~batch.continues

    T = len(played["valid"])
    ended = played["terminated"] | played["truncated"]  # (T, E)
    # one more than the last row with an end, 0 where there is none
    going_on = np.where(ended.any(axis=0), T - ended[::-1].argmax(axis=0), 0)  # (E,)
    whole_episode = np.arange(T)[:, None] < going_on  # (T, E)
    first = going_on.min()
    for name, array in played.items():
        state.more[WAITING + name] = array[first:]
    state.more[WAITING + "valid"] = (played["valid"] & ~whole_episode)[first:]
    return played, whole_episode
