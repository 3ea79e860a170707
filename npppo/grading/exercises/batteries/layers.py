"""Inputs for linear layers, activations, multilayer perceptrons and their weights."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from ....formulas.shapes import Layers
from ..exercise import Array, Case, Rng
from .drawing import Args, Generator, arguments, away_from_zero, dyadic
from .tables import FLOAT32, Table, battery, completed, each


def both_signs(rng: Generator, *shape: int) -> Array:
    x = away_from_zero(rng, *shape)
    x.flat[:4] = np.array([-1.5, -0.5, 0.5, 1.5]) + rng.uniform(-0.2, 0.2, 4)
    return x


def beside_large(rng: Generator, sign: int) -> Array:
    """A number whose exponential leaves the range, and one beside it."""
    return rng.permutation([sign * rng.uniform(800.0, 3000.0), *away_from_zero(rng, 1)])


def these(rng: Generator, *values: float) -> Array:
    return rng.permutation(values) * rng.uniform(0.9, 1.3)


def layers(rng: Generator, *widths: int) -> Layers:
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


def network(rng: Generator, activation: str, N: int, *widths: int) -> tuple[Array, Layers, str]:
    """Drawn until every hidden layer is active here and inactive there, and off the kinks."""
    while True:
        x, params = away_from_zero(rng, N, widths[0]), layers(rng, *widths)
        if all(
            np.abs(z).min() > 0.02 and 0.25 <= (z > 0).mean() <= 0.8 and np.abs(z).max() > 0.5
            for z in hidden(x, params, activation)
        ):
            return x, params, activation


def tied(rng: Generator) -> Args:
    """Of the first sample every hidden unit is exactly 0."""
    x, W = dyadic(rng, 3, 2), dyadic(rng, 2, 3)
    return x, [(W, -(x[0] @ W)), (dyadic(rng, 3, 1), dyadic(rng, 1))], "relu"


def saturated(rng: Generator) -> Args:
    """Hidden units near ±1000."""
    _, (_, top), _ = network(rng, "tanh", 3, 2, 2, 2)
    x = rng.permutation([[1.0, 0.5], [-1.0, 0.5], [0.5, 1.0]])
    W = np.array([[1000.0, -800.0], [30.0, 20.0]]) * rng.uniform(0.9, 1.5, (2, 1))
    return x, [(W, np.array([2.0, -3.0])), top], "tanh"


def ten_times(rng: Generator) -> Args:
    x, *rest = network(rng, "relu", 3, 3, 4, 2)
    return 10 * x, *rest


def directions(rng: Generator, params: Layers, numbers: Any) -> Layers:
    """Numbers in the shapes of these layers."""
    return [(numbers(rng, *W.shape), numbers(rng, *b.shape)) for W, b in params]


def exact(rng: Generator) -> Args:
    return dyadic(rng, 3, 2), directions(rng, layers(rng, 2, 3, 2), dyadic), "relu"


def moved(rng: Generator, stratum: str, x: Array, params: Layers, *activation: str) -> Args:
    numbers = dyadic if stratum == FLOAT32 else away_from_zero
    return x, params, directions(rng, params, numbers), *activation


def off_kinks(x: Array, params: Layers, *rest: Any) -> bool:
    smooth = rest[-1:] != ("relu",)
    return smooth or all(np.abs(z).min() > 1e-3 for z in hidden(x, params, "relu"))


LARGE = (100, 40)  # to one who orthogonalises with loops, a tenth of a second


def orthogonal(rng: Generator, rows: int, columns: int, gain: float) -> Args:
    return Rng(int(rng.integers(10**6, 10**9))), (rows, columns), gain


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
            W.shape == (3, 3)
            and any(np.allclose(np.abs(V), gain * Q, 1e-3) for Q in FIXED for V in (W, W.T)),
            *(signs_and_directions(W, case.args[0]) if W.shape == LARGE else ()),
        ],
        dtype=np.float64,
    )


# |Q| as it comes of a generator with one of the usual seeds, and not of the one given
FIXED = [
    np.abs(np.linalg.qr(generator(seed).standard_normal((3, 3)))[0])  # (3, 3)
    for seed in (0, 1, 42, 123)
    for generator in (np.random.default_rng, np.random.RandomState)
]


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
    known = [sign * np.linalg.qr(A)[0] for A in drawn for sign in (1, -1)]
    if any(np.allclose(W / lengths, Q, 0, 1e-3) for Q in known):
        side = -1
    else:
        positive = np.count_nonzero(np.diag(W) > 0)
        side = int(positive > 35) - int(positive < 5)
    along = np.abs(W.sum(axis=0)) / lengths / len(W) ** 0.5  # (columns,)
    return side, bool(along.max() > 0.6)


def networks(kind: str, tanh: float, relu: float, *sizes: tuple[int, ...]) -> Table:
    """Cases of these sizes with each activation, and its share."""
    return {
        (f"{kind}, {name}", share): each(network, *[(name, *some) for some in sizes])
        for name, share in (("tanh", tanh), ("relu", relu))
    }


LINEAR: Table = {
    ("unequal sizes", 4): each(arguments, (3, 4, 2), (5, 2, 3), (4, 2, 4), name="linear"),
    ("square weights", 3): each(arguments, (4, 3, 3), (2, 4, 4), (3, 3, 3), name="linear"),
    ("one sample", 1): each(arguments, (1, 3, 2), (1, 3, 3), name="linear"),
    ("one unit", 1): each(arguments, (3, 2, 1), name="linear"),
    (FLOAT32, 1): each(arguments, (3, 4, 2), name="linear", numbers=dyadic),
}
ACTIVATION: Table = {
    ("values", 7): each(both_signs, (4,), (3, 2), (2, 3, 2)),
    (FLOAT32, 1): each(both_signs, (3, 3)),
}
TANH: Table = {("large inputs", 2): each(beside_large, (-1,), (1,))}
RELU: Table = {
    ("large inputs", 2): each(these, *2 * [(8.0, -8.0, 40.0, -40.0)]),
    ("ties", 1): each(these, *2 * [(0.0, -0.75, 1.5, 0.0)]),
}
NETWORKS: Table = {
    **networks("unequal widths", 3, 2, (4, 3, 5, 2), (5, 2, 4, 3, 2)),
    **networks("equal widths", 2, 1, (4, 3, 3, 3, 3, 3), (3, 3, 3, 3, 3)),
    **networks("one sample", 0.5, 0.5, (1, 3, 4, 2)),
    ("one layer", 1): each(network, ("tanh", 3, 3, 4)),
    ("large inputs", 0.5): [saturated, ten_times],
    ("defaults", 0.5): [lambda rng: network(rng, "tanh", 3, 3, 4, 2)[:2]],
    ("ties", 0.5): [tied],
    (FLOAT32, 0.5): [exact],
}
ORTHOGONAL: Table = {
    ("square", 2): each(orthogonal, (3, 3, 1.4), (6, 6, 0.5)),
    ("tall", 2): each(orthogonal, (5, 3, 1.4), (7, 2, 0.5)),
    ("wide", 2): each(orthogonal, (3, 5, 1.4), (2, 7, 0.5)),
    ("one row or column", 1): each(orthogonal, (4, 1, 0.5), (1, 4, 1.4)),
    ("distribution", 3): each(orthogonal, (*LARGE, 1.4)),
}
PARTS = ("linear", "tanh", "relu")
BACKWARDS = ("linear_backward", "tanh_backward", "relu_backward")

BATTERIES = {
    "linear": battery(LINEAR),
    "tanh": battery(ACTIVATION | TANH),
    "relu": battery(ACTIVATION | RELU, off_kinks=lambda x: bool((np.abs(x) > 1e-3).all())),
    "mlp": battery(NETWORKS, off_kinks=off_kinks, parts=PARTS),
    "mlp_jvp": battery(
        completed(moved, NETWORKS), off_kinks=off_kinks, parts=("mlp", *PARTS, *BACKWARDS)
    ),
    "orthogonal": battery(ORTHOGONAL, observe=facts),
}
