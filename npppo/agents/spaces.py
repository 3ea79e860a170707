"""The spaces: how observations and actions become the agent's arrays and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..formulas.shapes import Array


class Spaces:
    """How an environment's observations and actions become the agent's arrays and back.

    Observations: a Box is flattened, and where it holds whole numbers between bounds, as images
    do, scaled to [0, 1] by them; a Discrete is one-hot. Actions: a Discrete is counted from 0; a
    Box is clipped to its bounds on the way to the environment, while the batch keeps the action
    that was drawn, because that is the one whose log-probability is known.
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
        self._shape = tuple(observation.shape)
        self._one_hot = isinstance(observation, Discrete)
        self._scaled = (
            isinstance(observation, Box)
            and np.issubdtype(observation.dtype, np.integer)
            and observation.is_bounded()
        )
        if self._scaled:
            low, high = (
                bound.ravel().astype(np.float64) for bound in (observation.low, observation.high)
            )
            self._low, self._span = low, np.maximum(high - low, 1)  # (D,)
        self.head = "categorical" if isinstance(action, Discrete) else "gaussian"
        self._start = int(action.start) if isinstance(action, Discrete) else 0
        self.observation_size = (
            int(observation.n) if self._one_hot else int(np.prod(observation.shape))
        )
        self.actions = (
            int(action.n) if self.head == "categorical" else int(np.prod(action.shape))
        )  # A

    def encode(self, observations: Any) -> Array:
        """Observations (N, ...) as the agent reads them: (N, D)."""
        array = np.asarray(observations)
        if array.shape[1:] != self._shape or not array.ndim:
            expected = ", ".join(["N", *map(str, self._shape)])
            raise ValueError(f"the observations have shape {array.shape}, expected ({expected})")
        if self._one_hot:
            return self._one_hots(array)
        if array.ndim != 2:
            array = array.reshape(len(array), self.observation_size)  # (N, D)
        return (array - self._low) / self._span if self._scaled else array

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

    def describe(self) -> dict[str, dict[str, Any]]:
        """Everything that distinguishes these spaces from others, exactly, as JSON can hold it."""
        return {"observation": _describe(self.observation), "action": _describe(self.action)}


def _describe(space: Any) -> dict[str, Any]:
    if not hasattr(space, "low"):
        return {"type": "Discrete", "n": int(space.n), "start": int(space.start)}
    kind = {"type": "Box", "dtype": str(space.dtype), "shape": list(space.shape)}
    bounds = {"low": space.low, "high": space.high}
    return {**kind, **{name: _short(bound).tolist() for name, bound in bounds.items()}}


def _short(bound: Array) -> Array:
    """One entry where all are the same, as for an image; otherwise all of them."""
    return bound.ravel()[0] if len(np.unique(bound)) == 1 else bound


def difference(saved: dict[str, Any], own: dict[str, Any]) -> tuple[str, Any, Any] | None:
    """The first fact in which two descriptions of a space differ: its name, and both values."""
    for fact in ("type", "n", "start", "dtype", "shape"):
        if saved.get(fact) != own.get(fact):
            return fact, saved.get(fact), own.get(fact)
    for fact in ("low", "high") if own["type"] == "Box" else ():
        one, other = (np.broadcast_to(space[fact], own["shape"]) for space in (saved, own))
        differs = (one != other) & ~(np.isnan(one) & np.isnan(other))
        if differs.any():
            where = tuple(np.argwhere(differs)[0].tolist())
            return f"{fact}{list(where)}", one[where], other[where]
    return None
