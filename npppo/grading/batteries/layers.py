"""Inputs for linear layers, activations, multilayer perceptrons and their weights."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from ...shapes import Layers
from ..exercise import Array, Battery, Case, Input, Rng

Generator = np.random.Generator


def away_from_zero(rng: Generator, *shape: int) -> Array:
    return rng.choice([-1.0, 1.0], shape) * rng.uniform(0.3, 2.0, shape)


def dyadic(rng: Generator, *shape: int) -> Array:
    """Quarters other than 0, up to 2: their sums and products are exact, in float32 too."""
    return rng.choice([-1.0, 1.0], shape) * rng.integers(1, 9, shape) / 4


def float32(*arrays: Array) -> tuple[Array, ...]:
    return tuple(array.astype(np.float32) for array in arrays)


def with_dout(
    forward: Callable[[Generator], list[Case]],
    shape_of: Callable[[Case], tuple[int, ...]],
) -> Callable[[Generator], list[Case]]:
    """The forward's cases, each with a gradient of the result."""

    def draw(rng: Generator) -> list[Case]:
        cases = []
        for case in forward(rng):
            dout = away_from_zero(rng, *shape_of(case))
            if case.stratum == "float32 input":
                (dout,) = float32(dyadic(rng, *dout.shape))
            cases.append(Case(case.stratum, case.args, dout))
        return cases

    return draw


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
        Case("float32 input", float32(dyadic(rng, 3, 4), dyadic(rng, 4, 2), dyadic(rng, 2))),
    ]


def tanh(rng: Generator) -> list[Case]:
    return [
        Case("values", (both_signs(rng, 4),)),
        Case("values", (both_signs(rng, 3, 2),)),
        Case("values", (both_signs(rng, 2, 3, 2),)),
        *[Case("large inputs", (beside_large(rng, sign),)) for sign in rng.permutation([-1, 1])],
        Case("float32 input", float32(both_signs(rng, 3, 3))),
    ]


def beside_large(rng: Generator, sign: int) -> Array:
    """A number whose exponential leaves the range, and one beside it."""
    return rng.permutation([sign * rng.uniform(800.0, 3000.0), *away_from_zero(rng, 1)])


def both_signs(rng: Generator, *shape: int) -> Array:
    x = away_from_zero(rng, *shape)
    x.flat[:4] = np.array([-1.5, -0.5, 0.5, 1.5]) + rng.uniform(-0.2, 0.2, 4)
    return x


def both_signs_of_both(rng: Generator, case: Case) -> Any:
    """A gradient that is positive and negative where the input is, and where it is not."""
    dout = away_from_zero(rng, *case.args[0].shape)
    if case.stratum != "large inputs":
        dout.flat[:4] = np.array([-0.7, 1.4, -1.1, 0.6]) + rng.uniform(-0.2, 0.2, 4)
    return dout.astype(case.args[0].dtype)


def tanh_backward(rng: Generator) -> list[Case]:
    return [Case(c.stratum, c.args, both_signs_of_both(rng, c)) for c in tanh(rng)]


def relu(rng: Generator) -> list[Case]:
    sizes = rng.uniform(0.9, 1.3, 2)
    return [
        Case("values", (both_signs(rng, 4),)),
        Case("values", (both_signs(rng, 3, 2),)),
        Case("values", (both_signs(rng, 2, 3, 2),)),
        *[Case("large inputs", (rng.permutation([8.0, -8, 40, -40]) * size,)) for size in sizes],
        *[Case("ties", (rng.permutation([0.0, -0.75, 1.5, 0.0]) * size,)) for size in sizes],
        Case("float32 input", float32(both_signs(rng, 3, 3))),
    ]


def relu_backward(rng: Generator) -> list[Case]:
    return [Case(c.stratum, c.args, both_signs_of_both(rng, c)) for c in relu(rng)]


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
    single = [*float32(dyadic(rng, 3, 2)), [float32(*p) for p in exact(rng, (2, 3, 2))], "relu"]
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
        Case("float32 input", tuple(single)),
    ]


def exact(rng: Generator, widths: tuple[int, ...]) -> Layers:
    return [(dyadic(rng, D, M), dyadic(rng, M)) for D, M in pairwise(widths)]


def mlp_shape(case: Case) -> tuple[int, int]:
    x, params = case.args[:2]
    return len(x), params[-1][0].shape[1]


def mlp_jvp(rng: Generator) -> list[Case]:
    cases = []
    for case in mlp(rng):
        x, params, *activation = case.args
        draw = dyadic if case.stratum == "float32 input" else away_from_zero
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
            *(spread(W, case.args[0]) if W.shape == LARGE else ()),
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


def spread(W: Array, given: Rng) -> tuple[float, float]:
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


LINEAR = {"unequal sizes": 4, "square weights": 3, "one sample": 1, "one unit": 1}
ACTIVATION = {"values": 7, "large inputs": 2, "float32 input": 1}
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
    "float32 input": 0.5,
}
ORTHOGONAL = {"square": 2, "tall": 2, "wide": 2, "one row or column": 1, "distribution": 3}

XWB = (Input("real", "ND"), Input("real", "DM"), Input("real", "M"))
X = (Input("real", "N*"),)
PARAMS = (Input("real", "ND"), Input("layers"))

ACTIVATIONS = ("tanh", "tanh_backward", "relu", "relu_backward")


def nonzero(x: Array) -> bool:
    return bool((np.abs(x) > 1e-3).all())


BATTERIES = {
    "linear": Battery(linear, LINEAR | {"float32 input": 1}, XWB),
    "linear_backward": Battery(
        with_dout(linear, lambda case: (len(case.args[0]), case.args[1].shape[1])),
        LINEAR | {"float32 input": 1},
        XWB,
        parts=("linear",),
    ),
    "tanh": Battery(tanh, ACTIVATION, X),
    "tanh_backward": Battery(tanh_backward, ACTIVATION, X, parts=("tanh",)),
    "relu": Battery(relu, ACTIVATION | {"ties": 1}, X, nonzero),
    "relu_backward": Battery(relu_backward, ACTIVATION | {"ties": 1}, X, nonzero, ("relu",)),
    "mlp": Battery(
        mlp, NETWORK, (*PARAMS, Input("activation")), off_kinks, ("linear", "tanh", "relu")
    ),
    "mlp_backward": Battery(
        with_dout(mlp, mlp_shape),
        NETWORK,
        (*PARAMS, Input("activation")),
        off_kinks,
        ("mlp", "linear", "linear_backward", *ACTIVATIONS),
    ),
    "mlp_jvp": Battery(
        mlp_jvp,
        NETWORK,
        (*PARAMS, Input("directions"), Input("activation")),
        off_kinks,
        ("mlp", "linear", "linear_backward", *ACTIVATIONS),
    ),
    "orthogonal": Battery(
        orthogonal,
        ORTHOGONAL,
        (Input("rng"), Input("shape"), Input("positive")),
        observe=facts,
    ),
}
