"""Inputs for clipping gradients, stepping along them, and solving for a direction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..exercise import Array, Battery, Case, Product
from ..trees import mapped
from .drawing import FLOAT32, Generator, away_from_zero, dyadic, single


def gradients(rng: Generator, norm: float, *shapes: tuple[int, ...]) -> list[Array]:
    """Arrays of this joint norm; that of the first is 0.8 of it, the others share the rest."""
    arrays = [away_from_zero(rng, *shape) for shape in shapes]
    rest = 0.6 / (len(shapes) - 1) ** 0.5 if len(shapes) > 1 else 0.0
    shares = [0.8 if rest else 1.0] + [rest] * (len(shapes) - 1)
    return [
        norm * share * array / np.linalg.norm(array)
        for array, share in zip(arrays, shares, strict=True)
    ]


NEXT_TO_0 = "numbers next to 0"


def clip_grad_norm(rng: Generator) -> list[Case]:
    two, three = [(4, 3), (3,)], [(2, 3), (3,), (3, 1, 2)]

    def case(stratum: str, shapes: list[tuple[int, ...]], norm: float, limit: float) -> Case:
        return Case(stratum, (gradients(rng, norm, *shapes), limit))

    return [
        case("above the limit", two, 3.0, 0.4),
        case("above the limit", two, 0.5, 0.35),
        case("above the limit", two, 3.0, 2.0),
        case("above the limit", three, 30.0, 5.0),
        case("above the limit", [(3, 3), (3, 3)], 3.0, 0.7),
        Case("above the limit", (gradients(rng, 3.0, *two)[::-1], 0.7)),
        case("just above the limit", two, 3.0, 3.0 / 1.002),
        case("just above the limit", three, 0.5, 0.5 / 1.002),
        case("below the limit", two, 3.0, 3.0 * 1.002),
        case("below the limit", three, 0.5, 0.5 * 1.002),
        case("below the limit", two, 0.5, 50.0),
        case("one array", [(2, 3)], 2.0, 0.7),
        case("one array", [(4,)], 0.5, 0.7),
        Case("zero gradients", ([np.zeros((2, 3)), np.zeros(3)], 0.5)),
        case("tiny gradients", two, 1e-5, 3e-6),
        single(Case("", (gradients(rng, 3.0, *two), 0.7))),
        case(NEXT_TO_0, two, 2e-16, 6e-17),
        case(NEXT_TO_0, three, 5e-17, 3e-17),
    ]


def in_units(case: Case, result: Any) -> Any:
    """The result in units of the largest entry of the gradients, which may be tiny."""
    largest = max(float(np.abs(g).max()) for g in case.args[0])
    return mapped(lambda x: np.asarray(x, np.float64) / (largest or 1.0), result)


def norm_off_kink(grads: Sequence[Array], max_norm: float) -> bool:
    norm = float(np.sqrt(sum(np.square(g).sum() for g in grads)))
    return abs(norm - max_norm) > 1e-3 * max(norm, max_norm)


def sgd_step(rng: Generator) -> list[Case]:
    def case(stratum: str, shape: tuple[int, ...], lr: float) -> Case:
        return Case(stratum, (away_from_zero(rng, *shape), away_from_zero(rng, *shape), lr))

    whole = rng.choice([-1, 1], (2, 3)) * rng.integers(2, 6, (2, 3))
    return [
        case("values", (3, 4), 0.03),
        case("values", (4,), 0.3),
        case("values", (3, 3), 0.03),
        case("values", (2, 3, 2), 1.5),
        Case("zero gradient", (away_from_zero(rng, 3), np.zeros(3), 0.3)),
        Case("whole-number parameters", (whole, away_from_zero(rng, 2, 3), 0.3)),
        single(Case("", (dyadic(rng, 2, 3), dyadic(rng, 2, 3), 0.25))),
    ]


def adam_step(rng: Generator) -> list[Case]:
    given = (0.03, 0.8, 0.95, 1e-5)  # lr, beta1, beta2, eps

    def case(
        stratum: str,
        step: int,
        *rest: float,
        shape: tuple[int, ...] = (2, 3),
        scale: float = 1.0,
        zeros: int = 0,
    ) -> Case:
        """`zeros` entries have never had a gradient."""
        param = away_from_zero(rng, *shape)
        grad, m = scale * away_from_zero(rng, *shape), scale * away_from_zero(rng, *shape)
        v = scale**2 * rng.uniform(0.2, 1.0, shape)
        for array in (grad, m, v) if step > 1 else ():
            array.flat[:zeros] = 0
        if step == 1:
            m, v = np.zeros(shape), np.zeros(shape)
            grad.flat[:zeros] = 0
        return Case(stratum, (param, grad, m, v, step, *rest))

    narrow = single(case("", 2, *given))
    return [
        case("first step", 1, *given),
        case("first step", 1, 0.1, 0.9, 0.99, 1e-2, shape=(4,)),
        case("second step", 2, *given),
        case("second step", 2, *given, shape=(3, 3)),
        case("later steps", 3, *given),
        case("later steps", 5, 0.1, 0.9, 0.99, 1e-2, shape=(4,)),
        case("later steps", 40, *given),
        case("small gradients", 1, *given, scale=1e-4),
        case("small gradients", 2, *given, scale=1e-4),
        case("small gradients", 4, *given, scale=1e-4),
        case("zero gradient", 1, *given, zeros=2),
        case("zero gradient", 3, *given, zeros=2),
        case("defaults", 1, 0.03),
        case("defaults", 3, 0.03),
        case("defaults", 1, 0.03, scale=1e-7),
        case("defaults", 3, 0.03, scale=1e-7),
        narrow,
    ]


# ‖b − A x‖ / ‖b‖ after 1, 2, 3, 4 iterations: 0.56, 0.20, 0.075, 0, whatever the rotation.
EIGENVALUES, COMPONENTS = (0.5, 1.0, 2.0, 4.0), (0.4, -1.0, 0.7, 1.2)


def system(
    rng: Generator,
    eigenvalues: Sequence[float] = EIGENVALUES,
    components: Sequence[float] = COMPONENTS,
) -> tuple[Product, Array]:
    """A and b with these eigenvalues and components, in a random basis."""
    D = len(eigenvalues)
    Q, _ = np.linalg.qr(rng.normal(size=(D, D)))  # (D, D)
    return Product(Q @ np.diag(eigenvalues) @ Q.T), Q @ np.array(components)


def next_to_0(A: Product, b: Array, iterations: int) -> tuple[Product, Array, int]:
    return Product(1e-9 * A.matrix), 1e-9 * b, iterations


def conjugate_gradient(rng: Generator) -> list[Case]:
    def case(stratum: str, iterations: int, *tolerance: float, scale: float = 1.0) -> Case:
        A, b = system(rng)
        return Case(stratum, (A, scale * b, iterations, *tolerance))

    twice, in_quarters = Product(2 * np.eye(3)), dyadic(rng, 3)
    return [
        case("as many iterations as unknowns", 4),
        Case(
            "as many iterations as unknowns", (*system(rng, (0.5, 1.5, 4.0), (1.0, -0.8, 0.6)), 3)
        ),
        Case("as many iterations as unknowns", (*system(rng, (2.5,), (1.2,)), 1)),
        case("few iterations", 1),
        case("few iterations", 2),
        case("few iterations", 3, scale=5.0),
        case("more iterations than needed", 9),
        Case("more iterations than needed", (twice, away_from_zero(rng, 3), 5)),
        case("tolerance", 4, 0.12),
        case("tolerance", 4, 0.4),
        case("tolerance", 4, 0.12, scale=50.0),
        case("tolerance", 4, 0.12, scale=0.02),
        Case("zero right-hand side", (system(rng)[0], np.zeros(4), 4)),
        single(Case("", (Product(2 * np.eye(3, dtype=np.float32)), in_quarters, 3))),
        *[Case(NEXT_TO_0, next_to_0(*system(rng), iterations)) for iterations in (2, 4)],
    ]


def linear_schedule(rng: Generator) -> list[Case]:
    def near(x: float) -> float:
        return float(x * rng.uniform(0.95, 1.05))

    def whole(start: int, end: int, rest: float) -> Case:
        """The value is so much above a whole number, more or less."""
        step = abs(end - start)
        done = (int(rng.integers(0, step - 1)) + rest + rng.uniform(-0.15, 0.15)) / step
        return Case("whole numbers", (start, end, done if end > start else 1 - done))

    return [
        Case("falling to 0", (near(3.0), 0.0, near(0.3))),
        Case("falling to 0", (near(1.6), 0.0, near(0.7))),
        Case("falling", (near(3.0), near(1.2), near(0.3))),
        Case("falling", (near(1.0), near(0.1), near(0.8))),
        Case("rising", (near(0.4), near(1.7), near(0.3))),
        Case("rising", (near(-1.7), near(-0.6), near(0.75))),
        Case("both ends", (near(0.7), near(0.2), 0.0)),
        Case("both ends", (near(0.7), near(0.2), 1.0)),
        whole(int(rng.integers(8, 13)), int(rng.integers(1, 4)), 0.25),
        whole(0, int(rng.integers(3, 7)), 0.75),
        whole(-int(rng.integers(7, 10)), -int(rng.integers(1, 4)), 0.25),
    ]


BATTERIES = {
    "clip_grad_norm": Battery(
        clip_grad_norm,
        {
            "above the limit": 4.5,
            "just above the limit": 0.5,
            "below the limit": 2,
            "one array": 1,
            "zero gradients": 1,
            "tiny gradients": 0.5,
            FLOAT32: 0.5,
            NEXT_TO_0: 0.25,
        },
        norm_off_kink,
        observe=in_units,
        edges=frozenset([NEXT_TO_0]),
    ),
    "sgd_step": Battery(
        sgd_step,
        {"values": 7, "zero gradient": 1, "whole-number parameters": 1, FLOAT32: 1},
    ),
    "adam_step": Battery(
        adam_step,
        {
            "first step": 2,
            "second step": 2,
            "later steps": 2,
            "small gradients": 1,
            "zero gradient": 1,
            "defaults": 1.5,
            FLOAT32: 0.5,
        },
        lambda *args: all(beta < 0.999 for beta in args[6:8]),
    ),
    "conjugate_gradient": Battery(
        conjugate_gradient,
        {
            "as many iterations as unknowns": 3,
            "few iterations": 2.5,
            "more iterations than needed": 1,
            "tolerance": 2,
            "zero right-hand side": 1,
            FLOAT32: 0.5,
            NEXT_TO_0: 0.25,
        },
        edges=frozenset([NEXT_TO_0]),
    ),
    "linear_schedule": Battery(
        linear_schedule,
        {"falling to 0": 2, "falling": 3, "rising": 3, "both ends": 1, "whole numbers": 1},
    ),
}
