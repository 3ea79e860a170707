"""The spaces: how observations and actions become the agent's arrays and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..formulas.shapes import Array
from .observations import Observations, kind_of, parts_of


class Spaces:
    """How an environment's observations and actions become the agent's arrays and back.

    Observations become rows of numbers as `Observations` says. Actions: a Discrete and each entry
    of a MultiDiscrete are counted from 0; a MultiBinary is bits; a Box is clipped to its bounds, if
    it has some, on the way to the environment, while the batch keeps the action that was drawn,
    because that is the one whose log-probability is known. Each may have any shape, and goes to the
    environment in the space's own dtype.
    """

    def __init__(self, observation: Any, action: Any) -> None:
        self.observations = Observations(observation)
        self.observation, self.action = observation, action
        self.observation_size = self.observations.size  # D
        self.head, self.actions, start = _actions_of(action)
        self._start = start if np.any(start) else None
        self.action_shape = () if self.head == "categorical" else (int(np.prod(action.shape)),)

    def encode(self, observations: Any, alone: bool = False) -> Array:
        """Observations as the agent reads them, (N, D); or one of them that is `alone`, (1, D)."""
        return self.observations.encode(observations, alone)

    def decode(self, actions: Array) -> Array:
        """The agent's actions (E,) or (E, A) as the environment takes them."""
        if self.head == "categorical":
            counted = actions.astype(np.int64, copy=False)  # (E,)
            if self._start is not None:
                counted = counted + self._start
            return counted.astype(self.action.dtype, copy=False)
        shaped = actions.reshape(len(actions), *self.action.shape)  # (E, ...)
        if self.head == "gaussian":
            shaped = shaped.clip(self.action.low, self.action.high)
        elif self._start is not None:
            shaped = shaped + self._start
        return shaped.astype(self.action.dtype, copy=False)

    def mask(self, info: dict[str, Any], ended: Array) -> Array | None:
        """The actions allowed by `info["action_mask"]`, (E, A) bool; None where there is no mask.

        For several choices at once a mask is a tuple of one for each, or these side by side; here
        they are (E, ΣA). Where an episode has `ended`, (E,) bool, no action is chosen, and
        everything is allowed.
        """
        masks = info.get("action_mask")
        if masks is None:
            return None
        if self.head not in ("categorical", "multi_categorical"):
            raise ValueError(
                f"info holds an 'action_mask', but the action space is {self.action}; expected "
                "Discrete or MultiDiscrete"
            )
        size = int(np.sum(self.actions))
        allowed = np.ones((len(ended), size), bool)  # (E, A)
        for e in np.flatnonzero(~ended).tolist():
            allowed[e] = self._one_mask(masks[e], e)
        return allowed

    def _one_mask(self, mask: Any, e: int) -> Array:
        sizes = [self.actions] if isinstance(self.actions, int) else list(self.actions)
        parts = mask if isinstance(mask, tuple) else (mask,)
        if len(sizes) > 1 and not isinstance(mask, tuple) and np.shape(mask) == (sum(sizes),):
            parts = tuple(np.split(np.asarray(mask), np.cumsum(sizes)[:-1]))
        shapes = [np.shape(part) for part in parts]
        expected = [(size,) for size in sizes]
        if shapes != expected:
            raise ValueError(
                f"the action mask of environment {e} has shape {_one_or_all(shapes)}, "
                f"expected {_one_or_all(expected)}"
            )
        arrays = [np.asarray(part) for part in parts]
        for array in arrays:
            if array.dtype.kind not in "biu" or not np.isin(array, (0, 1)).all():
                raise ValueError(
                    f"the action mask of environment {e} is {array.tolist()} of dtype "
                    f"{array.dtype}, expected bool or whole numbers 0 and 1"
                )
            if not array.any():
                raise ValueError(
                    f"the action mask of environment {e} is {array.tolist()}, "
                    "expected at least one action that is allowed"
                )
        return np.concatenate(arrays).astype(bool)  # (A,)

    def describe(self) -> dict[str, dict[str, Any]]:
        """Everything that distinguishes these spaces from others, exactly, as JSON can hold it."""
        return {"observation": _describe(self.observation), "action": _describe(self.action)}


def _actions_of(space: Any) -> tuple[str, int | tuple[int, ...], Any]:
    """The head for an action space, how many actions it has, and what the first is called."""
    from gymnasium.spaces import Box, Discrete, MultiBinary, MultiDiscrete

    if isinstance(space, Discrete):
        return "categorical", int(space.n), int(space.start)
    if 0 in (space.shape or ()):
        raise ValueError(f"the action space is {space}, expected at least one choice")
    if isinstance(space, MultiDiscrete):
        sizes = tuple(space.nvec.ravel().tolist())
        return "multi_categorical", sizes, space.start
    if isinstance(space, MultiBinary):
        return "bernoulli", int(np.prod(space.shape)), 0
    if isinstance(space, Box) and np.issubdtype(space.dtype, np.floating):
        return "gaussian", int(np.prod(space.shape)), 0
    raise ValueError(
        f"the action space is {space}, which npppo does not support; expected Discrete, "
        "MultiDiscrete, MultiBinary or a Box of floating numbers"
    )


def _one_or_all(shapes: list[Any]) -> Any:
    return shapes[0] if len(shapes) == 1 else tuple(shapes)


def _describe(space: Any) -> dict[str, Any]:
    kind: dict[str, Any] = {"type": kind_of(space)}
    if kind["type"] in ("Tuple", "Dict"):
        return {**kind, "parts": {str(key): _describe(part) for key, part in parts_of(space)}}
    if kind["type"] == "Discrete":
        return {**kind, "n": int(space.n), "start": int(space.start)}
    if kind["type"] == "MultiDiscrete":
        return {**kind, "n": space.nvec.tolist(), "start": space.start.tolist()}
    if kind["type"] == "MultiBinary":
        return {**kind, "shape": list(space.shape)}
    kind |= {"dtype": str(space.dtype), "shape": list(space.shape)}
    bounds = {"low": space.low, "high": space.high}
    return {**kind, **{name: _short(bound).tolist() for name, bound in bounds.items()}}


def _short(bound: Array) -> Array:
    """One entry where all are the same, as for an image; otherwise all of them."""
    return bound.ravel()[0] if len(np.unique(bound)) == 1 else bound


def difference(made_for: dict[str, Any], given: dict[str, Any]) -> str:
    """The first fact in which two of `Spaces.describe` differ, in words; empty where none does."""
    for name in given:
        if differs := _differing_fact(made_for[name], given[name]):
            fact, one, other = differs
            return f"an environment whose {name} space has {fact} {one}, but this one has {other}"
    return ""


def _differing_fact(
    saved: dict[str, Any], own: dict[str, Any], where: str = ""
) -> tuple[str, Any, Any] | None:
    """Its name, after `where` it is in a larger space, and both values."""
    for fact in ("type", "n", "start", "dtype", "shape"):
        if saved.get(fact) != own.get(fact):
            return where + fact, saved.get(fact), own.get(fact)
    for fact in ("low", "high") if own["type"] == "Box" else ():
        one, other = (np.broadcast_to(space[fact], own["shape"]) for space in (saved, own))
        differs = (one != other) & ~(np.isnan(one) & np.isnan(other))
        if differs.any():
            at = tuple(np.argwhere(differs)[0].tolist())
            return f"{where}{fact}{list(at)}", one[at], other[at]
    if "parts" in own:
        keys, own_keys = list(saved["parts"]), list(own["parts"])
        if keys != own_keys:
            return f"{where}parts", keys, own_keys
        for key, part in own["parts"].items():
            if differs_in := _differing_fact(saved["parts"][key], part, f"{where}[{key}] "):
                return differs_in
    return None
