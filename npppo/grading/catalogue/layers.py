"""Known mistakes in linear layers and activations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..exercise import Array, Mistake, Switches, ways

# Linear


def linear(on: Switches, x: Array, W: Array, b: Array) -> Array:
    D = x.shape[1]
    if "LIN-02" in on:
        W = W.T
    if "LIN-05" in on:
        x, b = x + b, 0 * b
    if "LIN-05b" in on:
        W, b = W + b, 0 * b
    if "LIN-09" in on:
        x, W = x[:, :-1], W[:-1]
    if "LIN-09b" in on:
        x, W = x[:, 1:], W[1:]
    y = x * W if "LIN-03" in on else np.dot(x, W)  # (N, M)
    if "LIN-33" in on:
        y = x[:, -1:] * W[-1]
    if "LIN-33b" in on:
        y = x[:, :1] * W[0]
    if "LIN-34" in on:
        y = np.repeat(y[:1], len(y), axis=0)
    if "LIN-08" in on:
        y = y / D
    if "LIN-04" in on:
        b = b[:, np.newaxis]
    if "LIN-01" in on:
        b = -b
    if "LIN-07" in on:
        b = D * b
    if "LIN-16" in on:
        return y * b
    if "LIN-17" in on:
        y[0] += b
    elif "LIN-17b" in on:
        y[-1] += b
    elif "LIN-18" in on:
        y = y + b.sum()
    elif "LIN-18b" in on:
        y = y + b[0]
    elif "MLP-07" not in on:
        y = y + b
    if "LIN-10" in on:
        y[:, -1] = 0
    if "LIN-10b" in on:
        y[:, 0] = 0
    if "LIN-10c" in on:
        y[:, -1] = b[-1]
    if "LIN-11" in on:
        y[-1] = 0
    if "LIN-11b" in on:
        y[0] = 0
    if "LIN-12" in on:
        y = np.tanh(y)
    if "LIN-12b" in on:
        y = np.maximum(y, 0)
    if "LIN-06" in on:
        y = y.T
    return y.squeeze() if "LIN-15" in on else y


def linear_backward(
    on: Switches, dy: Array, x: Array, W: Array, b: Array
) -> tuple[Array, Array, Array]:
    N, square = len(x), W.shape[0] == W.shape[1]
    if "LIN-20" in on:
        dy = np.ones_like(dy)
    if "LIN-21" in on:
        dy = -dy
    wrong = "MLP-05b" in on or ("MLP-05" in on and square)
    dx = np.dot(dy, W if wrong else W.T)  # (N, D)
    if "LIN-20b" in on:
        dx = np.dot(np.ones_like(dy), W.T)
    if "LIN-28" in on:
        dx = dx.sum(axis=0)
    if "LIN-27" in on:
        dx = np.zeros_like(dx)

    summed = slice(None)  # samples
    if "LIN-26" in on:
        summed = slice(0, -1)
    if "LIN-26b" in on:
        summed = slice(1, None)
    if "LIN-25" in on:
        summed = slice(-1, None)
    dW = np.dot(x[summed].T, dy[summed])  # (D, M)
    db = dy[summed].sum(axis=0)  # (M,)
    if "LIN-25b" in on:
        dW = np.outer(x[-1], dy[-1])
    if "LIN-25c" in on:
        db = dy[-1]
    if "LIN-35" in on:
        dW, db = np.outer(x[0], dy[0]), dy[0]
    if "LIN-36" in on:
        db = dW.sum(axis=0)
    if "LIN-37" in on:
        dx = dx * x
    if "LIN-38" in on:
        dx = np.repeat(dx.sum(axis=0, keepdims=True), N, axis=0)
    if "LIN-38b" in on:
        dx = np.repeat(dx[:1], N, axis=0)
    if "LIN-39" in on:
        dW = np.dot(np.abs(x).T, dy)
    if "LIN-40" in on:
        db = db + b
    if "LIN-40b" in on:
        dW = dW + W
    if "LIN-20c" in on:
        dW = np.dot(x.T, np.ones_like(dy))
    if "LIN-31" in on:
        dW = x[:, :, np.newaxis] * dy[:, np.newaxis, :]
    if "LIN-32" in on:
        dW = np.outer(x.sum(axis=0), dy.sum(axis=0))
    if "LIN-32b" in on:
        dW = np.outer(x.mean(axis=0), dy.mean(axis=0))
    if "LIN-27b" in on:
        dW = np.zeros_like(dW)
    if "LIN-27c" in on:
        db = np.zeros_like(db)
    if "MLP-04b" in on or ("MLP-04" in on and square):
        dW = dW.T
    if "LIN-22" in on:
        db = dy.sum(axis=1)
    if "LIN-22b" in on:
        db = dy.sum()
    if "LIN-22c" in on:
        db = dy.sum(axis=0, keepdims=True)
    if "LIN-22d" in on:
        db = dy.sum(axis=0)[:, np.newaxis]
    if "LIN-23" in on:
        db = np.ones_like(db)
    if "LIN-30" in on:
        db = db * b
    if "MLP-03" in on:
        db = db / N
    if "MLP-03b" in on:
        db = dy
    if "MLP-11" in on:
        dW, db = dW / N, db / N
    if "MLP-11b" in on:
        dx, dW, db = dx / N, dW / N, db / N
    if "MLP-11c" in on:
        dW = dW / N
    if "LIN-24" in on:
        return dW, db, dx
    if "LIN-24b" in on:
        return dx, db, dW
    if "LIN-24c" in on:
        return dW, dx, db
    if "LIN-24d" in on:
        return db, dW, dx
    return dx, dW, db


OF_LINEAR = [
    Mistake("MLP-07", "The bias is left out: y = x W + b."),
    Mistake("LIN-01", "The bias is subtracted; it is added: y = x W + b."),
    Mistake("LIN-02", "W is transposed; it has shape (D, M) already, so y = x W + b."),
    Mistake("LIN-03", "x * W multiplies entry by entry; a matrix product is wanted: x @ W."),
    Mistake(
        "LIN-04",
        "The bias is added down the samples, b[n] to row n; each row gets all of b, which "
        "broadcasting does for a b of shape (M,).",
    ),
    *ways(
        "LIN-05",
        "The bias is added before the product; it comes after: y = x W + b.",
        "LIN-05",
        "LIN-05b",
    ),
    Mistake("LIN-06", "The result is transposed: it should have a row for each sample, (N, M)."),
    Mistake(
        "LIN-07",
        "The bias is added inside the sum over the inputs, so D times; it is added once.",
    ),
    Mistake("LIN-08", "The products are averaged over the D inputs; they are summed."),
    Mistake("LIN-09", "The loop over the inputs ends one too early: the last is left out."),
    Mistake(
        "LIN-09", "The loop over the inputs starts at 1: the first is left out.", False, "LIN-09b"
    ),
    *ways(
        "LIN-10",
        "The loop over the outputs ends one too early: the last has no sum.",
        "LIN-10",
        "LIN-10c",
    ),
    Mistake(
        "LIN-10", "The loop over the outputs starts at 1: the first stays 0.", False, "LIN-10b"
    ),
    Mistake("LIN-11", "The loop over the samples ends one too early: the last stays 0."),
    Mistake(
        "LIN-11", "The loop over the samples starts at 1: the first stays 0.", False, "LIN-11b"
    ),
    *ways(
        "LIN-12",
        "An activation is applied; a linear layer has none: y = x W + b.",
        "LIN-12",
        "LIN-12b",
    ),
    Mistake(
        "LIN-15",
        "Axes of length 1 are squeezed away; the result is (N, M) also where N or M is 1.",
    ),
    Mistake("LIN-16", "The product is multiplied by the bias; the bias is added: y = x W + b."),
    *ways(
        "LIN-17",
        "The bias is added to one sample only; every row gets it: y = x W + b.",
        "LIN-17",
        "LIN-17b",
    ),
    *ways(
        "LIN-18",
        "One number is added to all outputs, the first or the sum of b; output m gets b[m].",
        "LIN-18",
        "LIN-18b",
    ),
    Mistake(
        "LIN-33",
        "Only the last input counts: in the loop over the inputs y is assigned, it should be "
        "added up.",
    ),
    Mistake("LIN-33", "Only the first input counts: sum over all D inputs.", False, "LIN-33b"),
    Mistake("LIN-34", "All rows are those of the first sample; each sample has its own."),
]

OF_LINEAR_BACKWARD = [
    Mistake("MLP-03", "The bias gradient is averaged over the samples; it is their sum."),
    Mistake(
        "MLP-03",
        "The bias gradient is not summed over the samples: db = Σₙ dy, of shape (M,).",
        False,
        "MLP-03b",
    ),
    *ways(
        "MLP-04",
        "The weight gradient is transposed: dW = xᵀ dy, of shape (D, M).",
        "MLP-04",
        "MLP-04b",
    ),
    *ways(
        "MLP-05",
        "W is not transposed in dx, which goes unnoticed where W is square: dx = dy Wᵀ.",
        "MLP-05",
        "MLP-05b",
    ),
    *ways(
        "MLP-11",
        "Gradients are divided by N; the 1/N of a mean is in dy already.",
        "MLP-11",
        "MLP-11b",
        "MLP-11c",
    ),
    *ways(
        "LIN-20",
        "The gradient from above, dy, is ignored: 1 is used in its place.",
        "LIN-20",
        "LIN-20b",
        "LIN-20c",
    ),
    Mistake("LIN-21", "All gradients have the wrong sign."),
    *ways(
        "LIN-22",
        "The bias gradient is summed over the wrong axes: db = dy.sum(axis=0).",
        "LIN-22",
        "LIN-22b",
    ),
    *ways(
        "LIN-22",
        "The bias gradient has an axis of length 1 too many; its shape is that of b, (M,).",
        "LIN-22c",
        "LIN-22d",
    ),
    Mistake("LIN-23", "The bias gradient is 1 whatever dy is: db = Σₙ dy."),
    *ways(
        "LIN-24",
        "The gradients are right but in another order; they are returned as dx, dW, db.",
        "LIN-24",
        "LIN-24b",
        "LIN-24c",
        "LIN-24d",
    ),
    *[
        Mistake(
            "LIN-25",
            f"Only the last sample counts in {what}: in the loop over the samples it is assigned, "
            "it should be added up.",
            switch=switch,
        )
        for switch, what in {"LIN-25": "dW and in db", "LIN-25b": "dW", "LIN-25c": "db"}.items()
    ],
    Mistake("LIN-26", "The loop over the samples ends one too early: the last is left out."),
    Mistake(
        "LIN-26", "The loop over the samples starts at 1: the first is left out.", False, "LIN-26b"
    ),
    Mistake("LIN-27", "dx is 0: no gradient reaches the input, dx = dy Wᵀ."),
    Mistake("LIN-27", "dW is 0: dW = xᵀ dy.", False, "LIN-27b"),
    Mistake("LIN-27", "db is 0: db = Σₙ dy.", False, "LIN-27c"),
    Mistake("LIN-28", "dx is summed over the samples; each sample has its own row, (N, D)."),
    Mistake("LIN-31", "dW is not summed over the samples: dW = xᵀ dy, of shape (D, M)."),
    *ways(
        "LIN-32",
        "dW is a product of sums (or means) over the samples; it is the sum of products: xᵀ dy.",
        "LIN-32",
        "LIN-32b",
    ),
    Mistake("LIN-30", "The bias gradient is multiplied by the bias: db = Σₙ dy."),
    Mistake(
        "LIN-35",
        "Only the first sample counts in dW and db: your loop is left after one turn; sum over "
        "all samples.",
    ),
    Mistake("LIN-36", "The bias gradient is summed from dW; sum dy over the samples: db = Σₙ dy."),
    Mistake("LIN-37", "dx is multiplied by x; a product's derivative is the other factor: dy Wᵀ."),
    *ways(
        "LIN-38",
        "All rows of dx are alike, their sum or the first; each sample has its own: dx = dy Wᵀ.",
        "LIN-38",
        "LIN-38b",
    ),
    Mistake("LIN-39", "The sign of x is lost in dW = xᵀ dy."),
    Mistake("LIN-40", "The bias is added to its gradient, so db starts as b: db = Σₙ dy."),
    Mistake(
        "LIN-40", "W is added to its gradient, so dW starts as W: dW = xᵀ dy.", False, "LIN-40b"
    ),
]


# tanh


def sigmoid(x: Array) -> Array:
    return 0.5 * (1 + np.tanh(x / 2))  # as x


TANH: dict[str, Callable[[Array], Array]] = {
    "MLP-02": lambda x: np.tanh(np.tanh(x)),
    "TAN-01": sigmoid,
    "TAN-02": lambda x: (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x)),
    "TAN-02b": lambda x: (np.exp(2 * x) - 1) / (np.exp(2 * x) + 1),
    "TAN-02c": lambda x: (1 - np.exp(-2 * x)) / (1 + np.exp(-2 * x)),
    "TAN-03": lambda x: np.clip(x, -1, 1),
    "TAN-04": np.tan,
    "TAN-05": np.arctan,
    "TAN-06": lambda x: x.copy(),
    "TAN-07": lambda x: -np.tanh(x),
    "TAN-08": lambda x: 1 - np.tanh(x) ** 2,
    "TAN-09": lambda x: np.tanh(x / 2),
    "TAN-09b": lambda x: 2 * sigmoid(x),
    "TAN-10": lambda x: x / (1 + np.abs(x)),
    "TAN-11": lambda x: np.maximum(x, 0),
    "TAN-12": lambda x: np.tanh(2 * x),
    "TAN-13": lambda x: np.tanh(x).ravel(),
    "TAN-14": lambda x: np.tanh(np.abs(x)),
    "TAN-15": lambda x: (np.exp(x) - np.exp(-x)) / 2,
    "TAN-16": lambda x: 1 / np.tanh(x),
    "TAN-17": lambda x: (np.exp(x) - np.exp(-x)) / np.exp(x) + np.exp(-x),
    "TAN-18": lambda x: np.tanh(x) / len(x),
}


def tanh(on: Switches, x: Array) -> Array:
    for switch, wrong in TANH.items():
        if switch in on:
            return wrong(x)
    return np.tanh(x)


# Of the gradient, the input and the output.
TANH_BACKWARD: dict[str, Callable[[Array, Array, Array], Array]] = {
    "MLP-01": lambda dy, x, y: dy.copy(),
    "MLP-02": lambda dy, x, y: dy * (1 - x * x),
    "MLP-02b": lambda dy, x, y: dy * (1 - np.tanh(y) ** 2),
    "TNG-01": lambda dy, x, y: dy * (1 - y),
    "TNG-02": lambda dy, x, y: dy * (1 + y * y),
    "TNG-02b": lambda dy, x, y: dy * (y * y - 1),
    "TNG-03": lambda dy, x, y: dy * y * y,
    "TNG-04": lambda dy, x, y: 1 - y * y,
    "TNG-05": lambda dy, x, y: dy * y * (1 - y),
    "TNG-05b": lambda dy, x, y: dy * sigmoid(x) * (1 - sigmoid(x)),
    "TNG-06": lambda dy, x, y: dy / (1 - y * y),
    "TNG-07": lambda dy, x, y: x * (1 - np.tanh(dy) ** 2),
    "TNG-08": lambda dy, x, y: dy - y * y,
    "TNG-08b": lambda dy, x, y: 1 - y * y * dy,
    "TNG-09": lambda dy, x, y: dy * y,
    "TNG-09b": lambda dy, x, y: np.tanh(dy),
    "TNG-10": lambda dy, x, y: dy * np.sqrt(1 - y * y),
    "TNG-11": lambda dy, x, y: dy * (1 - y * y) / len(y),
    "TNG-12": lambda dy, x, y: -2 * dy * y,
    "TNG-12b": lambda dy, x, y: dy * (1 - 2 * y),
    "TNG-13": lambda dy, x, y: np.where(x > 0, dy, 0.0),
    "TNG-14": lambda dy, x, y: dy * (1 - y) ** 2,
    "TNG-15": lambda dy, x, y: np.zeros_like(dy),
    "TNG-16": lambda dy, x, y: dy * (1 - dy * dy),
    "TNG-17": lambda dy, x, y: dy * (1 - x * y),
    "TNG-18": lambda dy, x, y: y * (1 - y * y),
    "TNG-19": lambda dy, x, y: dy * (1 - y * y) ** 2,
}


def tanh_backward(on: Switches, dy: Array, x: Array) -> Array:
    y = np.tanh(x)  # as x
    for switch in KEPT:
        if switch in on:
            y = TANH[switch](x)
    for switch, wrong in TANH_BACKWARD.items():
        if switch in on:
            return wrong(dy, x, y)
    dx: Array = dy * (1 - y * y)  # as x
    return dx


OF_TANH = [
    Mistake("MLP-02", "tanh is applied twice; once is enough."),
    Mistake("TAN-01", "This is the sigmoid 1 / (1 + e⁻ˣ), from 0 to 1; tanh goes from −1 to 1."),
    *ways(
        "TAN-02",
        "The exponential overflows for inputs of large size, and inf / inf is nan; "
        "np.tanh(x) does not.",
        "TAN-02",
        "TAN-02b",
        "TAN-02c",
    ),
    Mistake("TAN-03", "The input is cut off at ±1; tanh bends smoothly."),
    Mistake("TAN-04", "This is the tangent; the hyperbolic tangent np.tanh is wanted."),
    Mistake("TAN-05", "This is the arc tangent; the hyperbolic tangent np.tanh is wanted."),
    Mistake("TAN-06", "The input is returned as it is: no tanh is applied."),
    Mistake("TAN-07", "The sign is wrong: tanh(x) has the sign of x."),
    Mistake("TAN-08", "This is the derivative 1 − tanh²(x); the forward returns tanh(x)."),
    *ways(
        "TAN-09",
        "A 2 or the −1 is missing: in terms of the sigmoid, tanh(x) = 2 σ(2x) − 1.",
        "TAN-09",
        "TAN-09b",
    ),
    Mistake("TAN-10", "This is x / (1 + |x|), the softsign; tanh is wanted."),
    Mistake("TAN-11", "This is the rectifier max(x, 0); tanh is wanted."),
    Mistake("TAN-12", "This is tanh(2x): in the exponential form, a factor 2 is one too many."),
    Mistake("TAN-13", "The result is flattened; it has the shape of the input."),
    Mistake("TAN-14", "The sign of the input is lost: tanh(x) is negative where x is."),
    Mistake("TAN-15", "This is sinh, (eˣ − e⁻ˣ) / 2; divide by eˣ + e⁻ˣ, or use np.tanh."),
    Mistake("TAN-16", "The fraction is upside down, 1 / tanh(x): it is sinh(x) / cosh(x)."),
    Mistake(
        "TAN-17",
        "Parentheses are missing around the denominator: (eˣ − e⁻ˣ) / (eˣ + e⁻ˣ).",
    ),
    Mistake("TAN-18", "The result is divided by N; each entry is tanh(x)."),
]

OF_TANH_BACKWARD = [
    Mistake("MLP-01", "The activation's derivative is missing: dx = dy · (1 − tanh²(x))."),
    Mistake(
        "MLP-02",
        "1 − x² is taken of the input; the derivative is 1 − y² of the output y = tanh(x).",
    ),
    Mistake(
        "MLP-02",
        "tanh is applied to the output y once more; the derivative is 1 − y² of y = tanh(x).",
        False,
        "MLP-02b",
    ),
    Mistake("TNG-01", "The square is missing: the derivative is 1 − y², not 1 − y."),
    Mistake("TNG-02", "The derivative 1 + y² has a wrong sign: it is 1 − y²."),
    Mistake("TNG-02", "The sign is wrong: the derivative is 1 − y², not y² − 1.", False, "TNG-02b"),
    Mistake("TNG-03", "The derivative is 1 − y², not y²."),
    Mistake("TNG-04", "The gradient from above, dy, is ignored: dx = dy · (1 − tanh²(x))."),
    *ways(
        "TNG-05", "This is the sigmoid's derivative; that of tanh is 1 − y².", "TNG-05", "TNG-05b"
    ),
    Mistake("TNG-06", "dy is divided by the derivative; it is multiplied: dx = dy · (1 − y²)."),
    Mistake(
        "TNG-07",
        "The input and the gradient are exchanged: the derivative is taken at x and "
        "multiplied by dy.",
    ),
    *ways("TNG-08", "Parentheses are missing: dx = dy · (1 − y²).", "TNG-08", "TNG-08b"),
    Mistake("TNG-09", "dy is multiplied by the output y, not by the derivative 1 − y²."),
    Mistake("TNG-09", "tanh is applied to the gradient: dx = dy · (1 − y²).", False, "TNG-09b"),
    Mistake("TNG-10", "The derivative is 1 − y², not its root."),
    Mistake("TNG-11", "The gradient is divided by N; the 1/N of a mean is in dy already."),
    *ways("TNG-12", "The derivative of y² is taken; that of tanh is 1 − y².", "TNG-12", "TNG-12b"),
    Mistake("TNG-13", "This is relu's derivative; that of tanh is 1 − y²."),
    Mistake("TNG-14", "The derivative is 1 − y², not (1 − y)²."),
    Mistake("TNG-15", "The gradient is 0: dx = dy · (1 − tanh²(x))."),
    Mistake("TNG-16", "The gradient dy is squared in 1 − y²; square the output y = tanh(x)."),
    Mistake("TNG-17", "The output is multiplied by the input, 1 − x y; square the output: 1 − y²."),
    Mistake("TNG-18", "The output stands where dy belongs: dx = dy · (1 − y²)."),
    Mistake("TNG-19", "The derivative 1 − y² is multiplied in twice; once is right."),
]

# What comes of a right derivative 1 − y² of a wrong output y that the forward has kept.
KEPT = (
    *("TAN-01", "TAN-02", "TAN-02b", "TAN-02c", "TAN-03", "TAN-04", "TAN-05", "TAN-08", "TAN-09"),
    *("TAN-09b", "TAN-10", "TAN-12", "TAN-15", "TAN-16", "TAN-17"),
)

OF_TANH_KEPT = [
    replace(mistake, sentence=f"The output that is kept is wrong. {mistake.sentence}")
    for mistake in OF_TANH
    if mistake.switch in KEPT
]


# relu

RELU: dict[str, Callable[[Array], Array]] = {
    "MLP-18": lambda x: np.where(x > 0, x, 0.01 * x),
    "MLP-18b": lambda x: np.where(x > 0, x, 0.1 * x),
    "MLP-18c": lambda x: np.where(x > 0, x, 0.2 * x),
    "RLU-01": lambda x: np.abs(x),
    "RLU-02": lambda x: np.minimum(x, 0),
    "RLU-03": lambda x: np.where(x > 0, 1.0, 0.0),
    "RLU-04": lambda x: x.copy(),
    "RLU-05": lambda x: np.clip(x, 0, 6),
    "RLU-05b": lambda x: np.clip(x, 0, 1),
    "RLU-06": lambda x: np.logaddexp(0, x),
    "RLU-07": lambda x: np.where(x > 0, x, np.exp(np.minimum(x, 0)) - 1),
    "RLU-08": lambda x: x * sigmoid(x),
    "RLU-08b": lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
    "RLU-09": lambda x: np.maximum(-x, 0),
    "RLU-09b": lambda x: -np.maximum(x, 0),
    "RLU-10": lambda x: np.maximum(x, 1),
    "RLU-11": np.tanh,
    "RLU-12": lambda x: np.maximum(x, 0).ravel(),
    "RLU-13": lambda x: np.where(x > 1, x, 0),
    "RLU-14": lambda x: x[x > 0],
    "RLU-15": sigmoid,
    "RLU-16": lambda x: np.maximum(x, 0) ** 2,
    "RLU-17": lambda x: np.maximum(1 - x, 0),
    "RLU-18": lambda x: np.maximum(x, np.mean(x)),
    "RLU-19": lambda x: np.where(x > 0, x, 1),
    "RLU-19b": lambda x: np.where(x > 0, x, -1),
}


def relu(on: Switches, x: Array) -> Array:
    for switch, wrong in RELU.items():
        if switch in on:
            return wrong(x)
    return np.maximum(x, 0)


RELU_BACKWARD: dict[str, Callable[[Array, Array], Array]] = {
    "MLP-01r": lambda dy, x: dy.copy(),
    "MLP-12": lambda dy, x: np.where(dy > 0, dy, 0),
    "MLP-13": lambda dy, x: np.where(x >= 0, dy, 0),
    "MLP-13b": lambda dy, x: dy * np.heaviside(x, 0.5),
    "MLP-18": lambda dy, x: np.where(x > 0, dy, 0.01 * dy),
    "MLP-18b": lambda dy, x: np.where(x > 0, dy, 0.1 * dy),
    "MLP-18c": lambda dy, x: np.where(x > 0, dy, 0.2 * dy),
    "RLG-01": lambda dy, x: np.where(x < 0, dy, 0),
    "RLG-02": lambda dy, x: np.where(x > 0, 1.0, 0.0),
    "RLG-03": lambda dy, x: dy * np.maximum(x, 0),
    "RLG-04": lambda dy, x: -np.where(x > 0, dy, 0),
    "RLG-05": lambda dy, x: np.where(dy > 0, x, 0),
    "RLG-06": lambda dy, x: np.where((dy > 0) & (x > 0), dy, 0),
    "RLG-07": lambda dy, x: dy * (1 - np.tanh(x) ** 2),
    "RLG-07b": lambda dy, x: dy * (1 - np.maximum(x, 0) ** 2),
    "RLG-08": lambda dy, x: dy * np.sign(x),
    "RLG-09": lambda dy, x: np.where(x > 0, dy, 0) / len(x),
    "RLG-10": lambda dy, x: np.where(x > 1, dy, 0),
    "RLG-11": lambda dy, x: dy * x,
    "RLG-12": lambda dy, x: dy * sigmoid(x),
    "RLG-13": lambda dy, x: np.maximum(x, 0),
    "RLG-14": lambda dy, x: np.where(x > 0, dy, dy * np.exp(np.minimum(x, 0))),
    "RLG-15": lambda dy, x: np.zeros_like(dy),
    "RLG-16": lambda dy, x: dy[x > 0],
    "RLG-17": lambda dy, x: np.where(x > 0, dy, x),
    "RLG-18": lambda dy, x: np.where(x > 0, dy, 1),
    "RLG-19": lambda dy, x: np.where(x > dy, dy, 0),
}


def relu_backward(on: Switches, dy: Array, x: Array) -> Array:
    for switch, wrong in RELU_BACKWARD.items():
        if switch in on:
            return wrong(dy, x)
    return np.where(x > 0, dy, 0)


LEAK = "Negative inputs leak, as in a leaky relu; here relu is 0 below 0."

OF_RELU = [
    *ways("MLP-18", LEAK, "MLP-18", "MLP-18b", "MLP-18c"),
    Mistake("RLU-01", "This is |x|; relu is 0 below 0: max(x, 0)."),
    Mistake("RLU-02", "The wrong half is kept: relu is max(x, 0), not min(x, 0)."),
    Mistake("RLU-03", "This is the derivative, 1 or 0; the forward returns max(x, 0)."),
    Mistake("RLU-04", "The input is returned as it is: nothing is cut off below 0."),
    *ways("RLU-05", "Large inputs are cut off too; relu has no upper bound.", "RLU-05", "RLU-05b"),
    Mistake("RLU-06", "This is the softplus log(1 + eˣ); relu is max(x, 0)."),
    Mistake("RLU-07", "This is the ELU, eˣ − 1 below 0; relu is 0 there."),
    *ways(
        "RLU-08", "This is SiLU or GELU, a smooth relative; relu is max(x, 0).", "RLU-08", "RLU-08b"
    ),
    *ways("RLU-09", "The sign is wrong: relu is max(x, 0).", "RLU-09", "RLU-09b"),
    Mistake("RLU-10", "The maximum is taken with 1; it is taken with 0."),
    Mistake("RLU-11", "This is tanh; relu is max(x, 0)."),
    Mistake("RLU-12", "The result is flattened; it has the shape of the input."),
    Mistake("RLU-13", "Inputs below 1 are cut off; the threshold is 0."),
    Mistake("RLU-14", "Only the positive entries are returned; the others stay in place as 0."),
    Mistake("RLU-15", "This is the sigmoid 1 / (1 + e⁻ˣ); relu is max(x, 0)."),
    Mistake("RLU-16", "The result is squared; relu is max(x, 0)."),
    Mistake("RLU-17", "This is the hinge max(1 − x, 0); relu is max(x, 0)."),
    Mistake("RLU-18", "The maximum is taken with the mean; it is taken with 0."),
    *ways("RLU-19", "Below 0 the result is ±1; relu is 0 there.", "RLU-19", "RLU-19b"),
]

OF_RELU_BACKWARD = [
    Mistake(
        "MLP-01",
        "The activation's derivative is missing: dx is dy where x > 0 and 0 elsewhere.",
        False,
        "MLP-01r",
    ),
    Mistake("MLP-12", "The mask is taken from the gradient dy; it is that of the input, x > 0."),
    *ways(
        "MLP-13",
        "Right elsewhere (some take the slope at exactly 0 to be 1, or ½); here it is 0.",
        "MLP-13",
        "MLP-13b",
        convention=True,
    ),
    *ways(
        "MLP-18",
        "Gradient leaks where the input is negative; here it is 0.",
        "MLP-18",
        "MLP-18b",
        "MLP-18c",
    ),
    Mistake("RLG-01", "The mask is inverted: the gradient passes where x > 0."),
    Mistake("RLG-02", "The gradient from above, dy, is ignored: dx is dy where x > 0, not 1."),
    Mistake("RLG-03", "dy is multiplied by the output max(x, 0); the derivative is 1 or 0."),
    Mistake("RLG-04", "The sign is wrong: dx is dy where x > 0."),
    Mistake("RLG-05", "The input and the gradient are exchanged: dx is dy where x > 0."),
    Mistake(
        "RLG-06",
        "Negative gradients are cut off as well, as in guided backpropagation; dx is dy "
        "wherever x > 0.",
    ),
    *ways("RLG-07", "This is the derivative of tanh; that of relu is 1 or 0.", "RLG-07", "RLG-07b"),
    Mistake("RLG-08", "This is the derivative of |x|; that of relu is 0 where x < 0."),
    Mistake("RLG-09", "The gradient is divided by N; the 1/N of a mean is in dy already."),
    Mistake("RLG-10", "The mask is x > 1; the gradient passes where x > 0."),
    Mistake("RLG-11", "dy is multiplied by the input x; the derivative is 1 or 0."),
    Mistake("RLG-12", "This is the derivative of the softplus; that of relu is 1 or 0."),
    Mistake("RLG-13", "The forward's result is returned; dx is dy where x > 0."),
    Mistake("RLG-14", "This is the derivative of the ELU; that of relu is 0 where x < 0."),
    Mistake("RLG-15", "The gradient is 0: dx is dy where x > 0."),
    Mistake("RLG-16", "Only the entries with x > 0 are returned; the others stay in place as 0."),
    Mistake("RLG-17", "The input is left in place where x ≤ 0; dx is 0 there."),
    Mistake("RLG-18", "dx is 1 where x ≤ 0; it is 0 there."),
    Mistake("RLG-19", "The mask compares x with dy; it is x > 0."),
]

VARIANTS = {
    "linear": linear,
    "linear_backward": linear_backward,
    "tanh": tanh,
    "tanh_backward": tanh_backward,
    "relu": relu,
    "relu_backward": relu_backward,
}

MISTAKES = {
    "linear": OF_LINEAR,
    "linear_backward": OF_LINEAR_BACKWARD,
    "tanh": OF_TANH,
    "tanh_backward": OF_TANH_BACKWARD + OF_TANH_KEPT,
    "relu": OF_RELU,
    "relu_backward": OF_RELU_BACKWARD,
}
