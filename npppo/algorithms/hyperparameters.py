"""Hyperparameters of every algorithm: the rules they keep, and their schedules."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import Field, dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from ..formulas.layers import ACTIVATIONS
from ..formulas.optimizers import linear_schedule

OPTIMIZERS = ("adam", "rmsprop", "sgd")
VECTORIZATIONS = ("auto", "sync", "async", "native")
KINDS: dict[str, tuple[type, ...]] = {  # by the name of a field's type
    "float": (int, float),
    "int": (int,),
    "bool": (bool,),
    "str": (str,),
    "tuple[int, ...]": (tuple,),
}


def rule(holds: Callable[[Any], bool], expected: str) -> Callable[[Any, str], Any]:
    """What makes a config's field, from its default and its help, of which `holds` is true."""

    def hyperparameter(default: Any, help: str) -> Any:
        metadata = {"holds": holds, "expected": expected, "help": help}
        return field(default=default, metadata=metadata)

    return hyperparameter


def one_of(names: Iterable[str]) -> Callable[[Any, str], Any]:
    """What makes a field that is one of `names`."""
    return rule(lambda x: x in names, f"one of {', '.join(names)}")


above_0 = rule(lambda x: 0 < x < math.inf, "a number above 0")
above_1 = rule(lambda x: 1 < x < math.inf, "a number above 1")
from_0_on = rule(lambda x: 0 <= x < math.inf, "a number from 0 on")
from_0_to_1 = rule(lambda x: 0 <= x <= 1, "a number from 0 to 1")
whole = rule(lambda x: x >= 1, "a whole number from 1 on")
widths = rule(
    lambda x: all(isinstance(width, int) and width >= 1 for width in x),
    "widths, whole numbers from 1 on",
)
name_of_optimizer = one_of(OPTIMIZERS)
name_of_activation = one_of(ACTIVATIONS)
yes_or_no = rule(lambda x: True, "True or False")


@dataclass(frozen=True)
class Config:
    """What an algorithm's config, a frozen dataclass of fields made by rules, has for the learner.

    The fields here mean the same in every algorithm. A rate `x` with a field `x_end` has a linear
    schedule, which arrives there at the end of the training; None keeps it constant. Such a rate
    may also be a function of the share of the training that is done.
    """

    if TYPE_CHECKING:  # each algorithm has these, with a default of its own
        optimizer: str
        max_grad_norm: float
        n_envs: int
        n_steps: int
        gamma: float

    vectorization: str = one_of(VECTORIZATIONS)(
        "auto", "how environments are stepped: auto, sync, async, native"
    )
    net_arch: tuple[int, ...] = widths((64, 64), "widths of the hidden layers")
    activation: str = name_of_activation("tanh", "tanh or relu")
    normalize_observations: bool = yes_or_no(
        False, "to a mean of 0 and a variance of 1, by all that were seen so far"
    )
    normalize_rewards: bool = yes_or_no(
        False, "divide rewards by the standard deviation of the discounted returns so far"
    )
    clip_observations: float = above_0(10.0, "normalised observations are clipped to ± this")
    clip_rewards: float = above_0(10.0, "normalised rewards are clipped to ± this")

    shared_trunk = False  # as some algorithms have it; not a field

    def __post_init__(self) -> None:
        for made in fields(self):
            value = getattr(self, made.name)
            kind, optional, _ = str(made.type).partition(" | None")
            if isinstance(value, np.generic):  # as JSON wants it
                value = value.item()
            elif isinstance(value, list) and KINDS[kind] == (tuple,):  # as JSON has it
                value = tuple(value)
            object.__setattr__(self, made.name, value)
            if (value is None and optional) or (callable(value) and self.is_rate(made.name)):
                continue
            start, _, end = made.name.rpartition("_")
            if end == "end" and callable(getattr(self, start)):
                raise ValueError(
                    f"{made.name} is {value!r}, but {start} is a function, expected None"
                )
            # True is an int
            right = isinstance(value, KINDS[kind]) and isinstance(value, bool) == (kind == "bool")
            if not right or not made.metadata["holds"](value):
                raise ValueError(f"{made.name} is {value!r}, expected {made.metadata['expected']}")

    def expect_minibatches(self) -> None:
        """Raise ValueError where a minibatch would have more rows than there are."""
        rows, size = self.n_envs * self.n_steps, vars(self)["batch_size"]
        if size > rows:
            raise ValueError(f"batch_size is {size}, expected at most n_envs * n_steps = {rows}")

    def expect_several(self, name: str, rows: int) -> None:
        """Raise ValueError where the advantage of a single row would be normalised."""
        if rows == 1 and vars(self)["normalize_advantage"]:
            raise ValueError(
                f"{name} is 1, expected 2 or more (or normalize_advantage=False): the "
                "advantage of a single row is normalised to 0, and the policy never moves"
            )

    def is_rate(self, name: str) -> bool:
        """Whether it may change in the course of a training."""
        return hasattr(self, f"{name}_end")

    def rates(self, fraction: float) -> dict[str, float]:
        """Each rate that has a schedule, when this share of the training, or more, is done."""
        fraction = min(1, fraction)
        rates = {}
        for made in fields(self):
            if self.is_rate(made.name):
                start, end = getattr(self, made.name), getattr(self, f"{made.name}_end")
                if callable(start):
                    rates[made.name] = _from_schedule(made, start, fraction)
                elif end is None:
                    rates[made.name] = start
                else:
                    rates[made.name] = linear_schedule(start, end, fraction)
        return rates


def _from_schedule(made: Field[Any], schedule: Callable[[float], Any], fraction: float) -> float:
    rate = schedule(fraction)
    if not isinstance(rate, (int, float, np.number)) or not made.metadata["holds"](rate):
        expected = made.metadata["expected"]
        raise ValueError(f"{made.name} is {rate!r} at {fraction:.4g}, expected {expected}")
    return float(rate)
