"""Inputs for clipping gradients, stepping along them, and solving for a direction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..exercise import Array, Case, Product
from ..trees import mapped
from .drawing import Args, Generator, arguments, away_from_zero, dyadic
from .tables import FLOAT32, Table, battery, each, in_whole

Shape = tuple[int, ...]
NEXT_TO_0 = "numbers next to 0"


def gradients(rng: Generator, shapes: Sequence[Shape], norm: float, max_norm: float) -> Args:
    """Arrays of this joint norm; that of the largest is 0.8 of it, the others share the rest."""
    arrays = [away_from_zero(rng, *shape) for shape in shapes]
    shares = np.full(len(arrays), 0.6 / max(1, len(arrays) - 1) ** 0.5)
    shares[np.argmax([array.size for array in arrays])] = 0.8 if len(arrays) > 1 else 1.0
    units = (array / np.linalg.norm(array) for array in arrays)
    return [norm * share * unit for share, unit in zip(shares, units, strict=True)], max_norm


def in_units(case: Case, result: Any) -> Any:
    """The result in units of the largest entry of the gradients, which may be tiny."""
    largest = max(float(np.abs(g).max()) for g in case.args[0])
    return mapped(lambda x: np.asarray(x, np.float64) / (largest or 1.0), result)


def norm_off_kink(grads: Sequence[Array], max_norm: float) -> bool:
    norm = float(np.sqrt(sum(np.square(g).sum() for g in grads)))
    return abs(norm - max_norm) > 1e-3 * max(norm, max_norm)


def sgd(rng: Generator, lr: float, *shape: int, **given: Any) -> Args:
    return arguments(rng, *shape, name="sgd_step", lr=lr, **given)


def adam(
    rng: Generator, shape: Shape, step: int, *rest: float, scale: float = 1, zeros: int = 0
) -> Args:
    """`zeros` entries have never had a gradient."""
    param, *gradients, _ = arguments(rng, *shape, name="adam_step", step=step)
    grad, m, root_v = (scale * gradient for gradient in gradients)
    for array in (grad, m, root_v):
        array.flat[:zeros] = 0
    return param, grad, m * (step > 1), root_v**2 * (step > 1), step, *rest


def rmsprop(
    rng: Generator,
    shape: Shape,
    *rest: float,
    first: bool = False,
    scale: float = 1,
    zeros: int = 0,
) -> Args:
    """`zeros` entries have never had a gradient."""
    param, *gradients = arguments(rng, *shape, name="rmsprop_step")
    grad, root_v = (scale * gradient for gradient in gradients)
    for array in (grad, root_v):
        array.flat[:zeros] = 0
    return param, grad, root_v**2 * (not first), *rest


# ‖b − A x‖ / ‖b‖ after 1, 2, 3, 4 iterations: 0.56, 0.20, 0.075, 0, whatever the rotation.
EIGENVALUES, COMPONENTS = (0.5, 1.0, 2.0, 4.0), (0.4, -1.0, 0.7, 1.2)


def system(
    rng: Generator,
    iterations: int,
    *tolerance: float,
    eigenvalues: Sequence[float] = EIGENVALUES,
    unit: float = 1.0,
    unit_of_A: float = 1.0,
) -> Args:
    """A and b with these eigenvalues and components, in a random basis."""
    D = len(eigenvalues)
    Q, _ = np.linalg.qr(rng.normal(size=(D, D)))  # (D, D)
    A, b = Q @ np.diag(eigenvalues) @ Q.T, Q @ np.array(COMPONENTS[:D])
    return Product(unit_of_A * A), unit * b, iterations, *tolerance


def twice(rng: Generator, iterations: int, numbers: Any, dtype: type) -> Args:
    return Product(2 * np.eye(3, dtype=dtype)), numbers(rng, 3), iterations


def between(rng: Generator, *about: float) -> Args:
    return tuple(float(x * rng.uniform(0.95, 1.05)) for x in about)


def whole_numbers(
    rng: Generator, starts: tuple[int, int], ends: tuple[int, int], rest: float
) -> Args:
    """The value is so much above a whole number, more or less."""
    start, end = int(rng.integers(*starts)), int(rng.integers(*ends))
    step = abs(end - start)
    done = (int(rng.integers(0, step - 1)) + rest + rng.uniform(-0.15, 0.15)) / step
    return start, end, done if end > start else 1 - done


TWO: list[Shape] = [(4, 3), (3,)]
THREE: list[Shape] = [(2, 3), (3,), (3, 1, 2)]
ABOVE = (TWO, 3.0, 0.4), (TWO, 0.5, 0.35), (TWO, 3.0, 2.0), (THREE, 30.0, 5.0)
BELOW = (TWO, 3.0, 3.0 * 1.002), (THREE, 0.5, 0.5 * 1.002), (TWO, 0.5, 50.0)
CLIP_GRAD_NORM: Table = {
    ("above the limit", 3.5): each(gradients, *ABOVE),
    ("above the limit", 1): each(gradients, ([(3, 3), (3, 3)], 3.0, 0.7), (TWO[::-1], 3.0, 0.7)),
    ("just above the limit", 0.5): each(gradients, (TWO, 3.006, 3.0), (THREE, 0.501, 0.5)),
    ("below the limit", 2): each(gradients, *BELOW),
    ("one array", 1): each(gradients, ([(2, 3)], 2.0, 0.7), ([(4,)], 0.5, 0.7)),
    ("zero gradients", 1): each(gradients, (TWO, 0.0, 0.5)),
    ("tiny gradients", 0.5): each(gradients, (TWO, 1e-5, 3e-6)),
    (FLOAT32, 0.5): each(gradients, (TWO, 3.0, 0.7)),
    (NEXT_TO_0, 0.25): each(gradients, (TWO, 2e-16, 6e-17), (THREE, 5e-17, 3e-17)),
}
SGD_STEP: Table = {
    ("values", 7): each(sgd, (0.03, 3, 4), (0.3, 4), (0.03, 3, 3), (1.5, 2, 3, 2)),
    ("zero gradient", 1): each(sgd, (0.3, 3), grad=np.zeros(3)),
    ("whole-number parameters", 1): in_whole(0, each(sgd, (0.3, 2, 3))),
    (FLOAT32, 1): each(sgd, (0.25, 2, 3), numbers=dyadic),
}
USUAL, OTHER = (0.03, 0.8, 0.95, 1e-5), (0.1, 0.9, 0.99, 1e-2)  # lr, beta1, beta2, eps
STEPS = {step: ((2, 3), step, *USUAL) for step in (1, 2, 3, 4, 40)}
ADAM_STEP: Table = {
    ("first step", 2): each(adam, STEPS[1], ((4,), 1, *OTHER)),
    ("second step", 2): each(adam, STEPS[2], ((3, 3), 2, *USUAL)),
    ("later steps", 2): each(adam, STEPS[3], ((4,), 5, *OTHER), STEPS[40]),
    ("small gradients", 1): each(adam, STEPS[1], STEPS[2], STEPS[4], scale=1e-4),
    ("zero gradient", 1): each(adam, STEPS[1], STEPS[3], zeros=2),
    ("defaults", 1): each(adam, ((2, 3), 1, 0.03), ((2, 3), 3, 0.03)),
    ("defaults", 0.5): each(adam, ((2, 3), 1, 0.03), ((2, 3), 3, 0.03), scale=1e-7),
    (FLOAT32, 0.5): each(adam, STEPS[2]),
}
# shape, lr, alpha, eps
SLOW, QUICK = ((2, 3), 0.03, 0.95, 1e-5), ((4,), 0.1, 0.8, 1e-2)
RMSPROP_STEP: Table = {
    ("first step", 2): each(rmsprop, SLOW, QUICK, first=True),
    ("later steps", 4): each(rmsprop, SLOW, QUICK, ((3, 3), 0.03, 0.9, 1e-5)),
    ("small gradients", 1): each(rmsprop, SLOW, QUICK, scale=1e-4),
    ("zero gradient", 1): each(rmsprop, SLOW, zeros=2),
    ("zero gradient", 0): each(rmsprop, QUICK, first=True, zeros=2),
    ("defaults", 1): each(rmsprop, ((2, 3), 0.03), ((4,), 0.03)),
    ("defaults", 0.5): each(rmsprop, ((2, 3), 0.03), scale=1e-7),
    (FLOAT32, 0.5): each(rmsprop, SLOW),
}
CONJUGATE_GRADIENT: Table = {
    ("as many iterations as unknowns", 1): each(system, (4,)),
    ("as many iterations as unknowns", 1.5): each(system, (3,), eigenvalues=(0.5, 1.5, 4.0)),
    ("as many iterations as unknowns", 0.5): each(system, (1,), eigenvalues=(2.5,)),
    ("few iterations", 2): each(system, (1,), (2,)),
    ("few iterations", 0.5): each(system, (3,), unit=5.0),
    ("more iterations than needed", 0.6): each(system, (9,)),
    ("more iterations than needed", 0.4): each(twice, (5, away_from_zero, float)),
    ("tolerance", 1): each(system, (4, 0.12), (4, 0.4)),
    ("tolerance", 0.6): each(system, (4, 0.12), unit=50.0),
    ("tolerance", 0.4): each(system, (4, 0.12), unit=0.02),
    ("zero right-hand side", 1): each(system, (4,), unit=0.0),
    (FLOAT32, 0.5): each(twice, (3, dyadic, np.float32)),
    (NEXT_TO_0, 0.25): each(system, (2,), (4,), unit=1e-9, unit_of_A=1e-9),
}
WHOLE = ((8, 13), (1, 4), 0.25), ((0, 1), (3, 7), 0.75), ((-9, -6), (-3, 0), 0.25)
LINEAR_SCHEDULE: Table = {
    ("falling to 0", 2): each(between, (3.0, 0.0, 0.3), (1.6, 0.0, 0.7)),
    ("falling", 3): each(between, (3.0, 1.2, 0.3), (1.0, 0.1, 0.8)),
    ("rising", 3): each(between, (0.4, 1.7, 0.3), (-1.7, -0.6, 0.75)),
    ("both ends", 1): [
        lambda rng: (*between(rng, 0.7, 0.2), 0.0),
        lambda rng: (*between(rng, 0.7, 0.2), 1.0),
    ],
    ("whole numbers", 1): each(whole_numbers, *WHOLE),
}
EDGES = frozenset([NEXT_TO_0])

BATTERIES = {
    "clip_grad_norm": battery(
        CLIP_GRAD_NORM, off_kinks=norm_off_kink, observe=in_units, edges=EDGES
    ),
    "sgd_step": battery(SGD_STEP),
    "rmsprop_step": battery(
        RMSPROP_STEP, off_kinks=lambda *args: all(a < 0.999 for a in args[4:5])
    ),
    "adam_step": battery(ADAM_STEP, off_kinks=lambda *args: all(b < 0.999 for b in args[6:8])),
    "conjugate_gradient": battery(CONJUGATE_GRADIENT, edges=EDGES),
    "linear_schedule": battery(LINEAR_SCHEDULE),
}
