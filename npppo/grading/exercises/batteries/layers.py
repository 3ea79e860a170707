"""Inputs for linear layers, activations, multilayer perceptrons and their weights."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from ....formulas.shapes import Layers
from ..exercise import Array, Battery, Case, Rng
from .drawing import FLOAT32, Generator, away_from_zero, backward, dyadic, single


def linear(rng: Generator) -> list[Case]:
    def case(stratum: str, N: int, D: int, M: int) -> Case:
        arrays = away_from_zero(rng, N, D), away_from_zero(rng, D, M), away_from_zero(rng, M)
        return Case(stratum, arrays)

    return [
        case("unequal sizes", 3, 4, 2),
        case("unequal sizes", 5, 2, 3),
        case("unequal sizes", 4, 2, 4),
        case("square weights", 4, 3, 3),
        case("square weights", 2, 4, 4),
        case("square weights", 3, 3, 3),
        case("one sample", 1, 3, 2),
        case("one sample", 1, 3, 3),
        case("one unit", 3, 2, 1),
        single(Case("", (dyadic(rng, 3, 4), dyadic(rng, 4, 2), dyadic(rng, 2)))),
    ]


def values(rng: Generator) -> list[Case]:
    return [Case("values", (both_signs(rng, *shape),)) for shape in [(4,), (3, 2), (2, 3, 2)]]


def tanh(rng: Generator) -> list[Case]:
    return [
        *values(rng),
        *[Case("large inputs", (beside_large(rng, sign),)) for sign in rng.permutation([-1, 1])],
        single(Case("", (both_signs(rng, 3, 3),))),
    ]


def beside_large(rng: Generator, sign: int) -> Array:
    """A number whose exponential leaves the range, and one beside it."""
    return rng.permutation([sign * rng.uniform(800.0, 3000.0), *away_from_zero(rng, 1)])


def both_signs(rng: Generator, *shape: int) -> Array:
    x = away_from_zero(rng, *shape)
    x.flat[:4] = np.array([-1.5, -0.5, 0.5, 1.5]) + rng.uniform(-0.2, 0.2, 4)
    return x


def both_signs_of_both(rng: Generator, cases: list[Case]) -> list[Array]:
    """Gradients that are positive and negative where the input is, and where it is not."""
    douts = []
    for case in cases:
        dout = away_from_zero(rng, *case.args[0].shape)
        if case.stratum != "large inputs":
            dout.flat[:4] = np.array([-0.7, 1.4, -1.1, 0.6]) + rng.uniform(-0.2, 0.2, 4)
        douts.append(dout.astype(case.args[0].dtype))
    return douts


def of_each_output(rng: Generator, cases: list[Case]) -> list[Array]:
    """Gradients of what a layer gives, or the last one of several."""
    douts = []
    for case in cases:
        x, *weights = case.args
        b = weights[0][-1][1] if isinstance(weights[0], list) else weights[1]
        dout = away_from_zero(rng, len(x), len(b))
        if case.stratum == FLOAT32:
            dout = dyadic(rng, *dout.shape).astype(np.float32)
        douts.append(dout)
    return douts


def relu(rng: Generator) -> list[Case]:
    sizes = rng.uniform(0.9, 1.3, 2)
    return [
        *values(rng),
        *[Case("large inputs", (rng.permutation([8.0, -8, 40, -40]) * size,)) for size in sizes],
        *[Case("ties", (rng.permutation([0.0, -0.75, 1.5, 0.0]) * size,)) for size in sizes],
        single(Case("", (both_signs(rng, 3, 3),))),
    ]


def layers(rng: Generator, widths: tuple[int, ...]) -> Layers:
    return [
        (away_from_zero(rng, D, M) / D**0.5, 0.5 * away_from_zero(rng, M))
        for D, M in pairwise(widths)
    ]


def hidden(x: Array, params: Layers, activation: str) -> list[Array]:
    """What each layer but the last makes of its input, before the activation."""
    outputs = []
    for W, b in params[:-1]:
        z = x @ W + b  # (N, width)
        outputs.append(z)
        x = np.tanh(z) if activation == "tanh" else np.maximum(z, 0)
    return outputs


def network(
    rng: Generator, N: int, widths: tuple[int, ...], activation: str
) -> tuple[Array, Layers]:
    """Drawn until every hidden layer is active here and inactive there, and off the kinks."""
    while True:
        x, params = away_from_zero(rng, N, widths[0]), layers(rng, widths)
        if all(
            np.abs(z).min() > 0.02 and 0.25 <= (z > 0).mean() <= 0.8 and np.abs(z).max() > 0.5
            for z in hidden(x, params, activation)
        ):
            return x, params


def tied(rng: Generator) -> tuple[Array, Layers]:
    """Of the first sample every hidden unit is exactly 0."""
    x, W = dyadic(rng, 3, 2), dyadic(rng, 2, 3)
    return x, [(W, -(x[0] @ W)), (dyadic(rng, 3, 1), dyadic(rng, 1))]


def saturated(rng: Generator) -> tuple[Array, Layers]:
    """Hidden units near ±1000."""
    x, (_, top) = network(rng, 3, (2, 2, 2), "tanh")
    x = rng.permutation([[1.0, 0.5], [-1.0, 0.5], [0.5, 1.0]])
    W = np.array([[1000.0, -800.0], [30.0, 20.0]]) * rng.uniform(0.9, 1.5, (2, 1))
    return x, [(W, np.array([2.0, -3.0])), top]


def mlp(rng: Generator) -> list[Case]:
    def cases(stratum: str, N: int, *widths: int) -> list[Case]:
        return [
            Case(f"{stratum}, {name}", (*network(rng, N, widths, name), name))
            for name in ("tanh", "relu")
        ]

    x, params = network(rng, 3, (3, 4, 2), "relu")
    exact = dyadic(rng, 3, 2), [(dyadic(rng, D, M), dyadic(rng, M)) for D, M in ((2, 3), (3, 2))]
    return [
        *cases("unequal widths", 4, 3, 5, 2),
        *cases("unequal widths", 5, 2, 4, 3, 2),
        *cases("equal widths", 4, 3, 3, 3, 3, 3),
        *cases("equal widths", 3, 3, 3, 3),
        *cases("one sample", 1, 3, 4, 2),
        Case("one layer", (x, [params[0]], "tanh")),
        Case("large inputs", (*saturated(rng), "tanh")),
        Case("large inputs", (10 * x, params, "relu")),
        Case("defaults", network(rng, 3, (3, 4, 2), "tanh")),
        Case("ties", (*tied(rng), "relu")),
        single(Case("", (*exact, "relu"))),
    ]


def mlp_jvp(rng: Generator) -> list[Case]:
    cases = []
    for case in mlp(rng):
        x, params, *activation = case.args
        draw = dyadic if case.stratum == FLOAT32 else away_from_zero
        directions = [
            (draw(rng, *W.shape).astype(W.dtype), draw(rng, *b.shape).astype(b.dtype))
            for W, b in params
        ]
        cases.append(Case(case.stratum, (x, params, directions, *activation)))
    return cases


def off_kinks(x: Array, params: Layers, *rest: Any) -> bool:
    if rest[-1:] != ("relu",):
        return True
    return all(bool(np.abs(z).min() > 1e-3) for z in hidden(x, params, "relu"))


LARGE = (100, 40)  # to one who orthogonalises with loops, a tenth of a second


def orthogonal(rng: Generator) -> list[Case]:
    def case(stratum: str, shape: tuple[int, int], gain: float) -> Case:
        return Case(stratum, (Rng(int(rng.integers(10**6, 10**9))), shape, gain))

    return [
        case("square", (3, 3), 1.4),
        case("square", (6, 6), 0.5),
        case("tall", (5, 3), 1.4),
        case("tall", (7, 2), 0.5),
        case("wide", (3, 5), 1.4),
        case("wide", (2, 7), 0.5),
        case("one row or column", (4, 1), 0.5),
        case("one row or column", (1, 4), 1.4),
        case("distribution", LARGE, 1.4),
    ]


def facts(case: Case, result: Any) -> Array:
    """What is true of an orthogonal matrix whichever way it was drawn."""
    _, shape, gain = case.args
    W = np.asarray(result, np.float64)
    if W.shape != tuple(shape):
        return np.array(W.shape)
    gram = W.T @ W if W.shape[0] >= W.shape[1] else W @ W.T
    across = gram - np.diag(np.diag(gram))
    known = (gain, 1.0, gain**2, 1 / gain, gain**0.5, *(gain / np.sqrt(shape)))
    return np.array(
        [
            *W.shape,
            np.abs(across).max() < 1e-3 * gram.max(),
            length_in(known, np.sqrt(np.diag(gram))),
            length_in(known, np.linalg.norm(W, axis=1)) if len(W) == W.shape[1] else 0,
            length_in(known, np.array([np.linalg.norm(W)])),
            not W.all(),
            W.shape == (3, 3) and any(np.allclose(np.abs(W), gain * Q, 1e-3) for Q in FIXED),
            *(signs_and_directions(W, case.args[0]) if W.shape == LARGE else ()),
        ],
        dtype=np.float64,
    )


def with_fixed_seeds(k: int) -> list[Array]:
    """|Q| as it comes of a generator with one of the usual seeds, and not of the one given."""
    found = []
    for seed in (0, 1, 42, 123):
        for generator in (np.random.default_rng(seed), np.random.RandomState(seed)):
            Q = np.abs(np.linalg.qr(generator.standard_normal((k, k)))[0])  # (k, k)
            found += [Q, Q.T]
    return found


FIXED = with_fixed_seeds(3)


def length_in(known: tuple[float, ...], lengths: Array) -> float:
    """The one of the known numbers that all the lengths equal, or -1."""
    return next((x for x in known if np.allclose(lengths, x, 1e-3, 0)), -1.0)


def signs_and_directions(W: Array, given: Rng) -> tuple[float, float]:
    """Whether the diagonal has both signs, and whether a column points along (1, ..., 1).

    Multiplying a column by -1 leaves a uniform distribution as it is, so the signs on the diagonal
    are fair coins: of 40 fewer than 5 are alike with a probability of 2e-7. QR decompositions leave
    about 5 positive; those of NumPy, of numbers as NumPy draws them, are known. A uniform unit
    vector of 100 entries has a component above 0.6 in a given direction with a probability below
    1e-9.
    """
    lengths = np.linalg.norm(W, axis=0)  # (columns,)
    drawn = given.make().standard_normal(W.shape), given.make().standard_normal(W.shape[::-1]).T
    if any(np.allclose(W / lengths, np.linalg.qr(A)[0], 0, 1e-3) for A in drawn):
        side = -1
    else:
        positive = np.count_nonzero(np.diag(W) > 0)
        side = int(positive > 35) - int(positive < 5)
    along = np.abs(W.sum(axis=0)) / lengths / len(W) ** 0.5  # (columns,)
    return side, bool(along.max() > 0.6)


LINEAR = {"unequal sizes": 4, "square weights": 3, "one sample": 1, "one unit": 1, FLOAT32: 1}
ACTIVATION = {"values": 7, "large inputs": 2, FLOAT32: 1}
NETWORK = {
    "unequal widths, tanh": 3,
    "unequal widths, relu": 2,
    "equal widths, tanh": 2,
    "equal widths, relu": 1,
    "one sample, tanh": 0.5,
    "one sample, relu": 0.5,
    "one layer": 1,
    "large inputs": 0.5,
    "defaults": 0.5,
    "ties": 0.5,
    FLOAT32: 0.5,
}
ORTHOGONAL = {"square": 2, "tall": 2, "wide": 2, "one row or column": 1, "distribution": 3}


def nonzero(x: Array) -> bool:
    return bool((np.abs(x) > 1e-3).all())


linear_battery = Battery(linear, LINEAR)
tanh_battery = Battery(tanh, ACTIVATION)
relu_battery = Battery(relu, ACTIVATION | {"ties": 1}, nonzero)
mlp_battery = Battery(mlp, NETWORK, off_kinks, ("linear", "tanh", "relu"))
activations = ("tanh", "tanh_backward", "relu", "relu_backward")

BATTERIES = {
    "linear": linear_battery,
    "linear_backward": backward(linear_battery, of_each_output),
    "tanh": tanh_battery,
    "tanh_backward": backward(tanh_battery, both_signs_of_both),
    "relu": relu_battery,
    "relu_backward": backward(relu_battery, both_signs_of_both),
    "mlp": mlp_battery,
    "mlp_backward": backward(mlp_battery, of_each_output),
    "mlp_jvp": Battery(
        mlp_jvp, NETWORK, off_kinks, ("mlp", "linear", "linear_backward", *activations)
    ),
    "orthogonal": Battery(orthogonal, ORTHOGONAL, observe=facts),
}
