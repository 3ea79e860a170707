"""Known mistakes in linear layers, activations, multilayer perceptrons and their weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from ...shapes import Layers
from ..exercise import Array, Mistake, Switches


def ways(id: str, sentence: str, *switches: str, convention: bool = False) -> list[Mistake]:
    """One mistake that can be made in several ways: the switch `id` and `switches`."""
    return [Mistake(id, sentence, convention, switch) for switch in (id, *switches)]


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
    if "LIN-08" in on:
        y = y / D
    if "LIN-04" in on:
        b = b[:, np.newaxis]
    if "LIN-01" in on:
        b = -b
    if "LIN-07" in on:
        b = D * b
    y = y if "MLP-07" in on else y + b
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
}


def tanh_backward(on: Switches, dy: Array, x: Array) -> Array:
    y = np.tanh(x)  # as x
    for switch, wrong in TANH_BACKWARD.items():
        if switch in on:
            return wrong(dy, x, y)
    dx: Array = dy * (1 - y * y)  # as x
    return dx


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
}


def relu_backward(on: Switches, dy: Array, x: Array) -> Array:
    for switch, wrong in RELU_BACKWARD.items():
        if switch in on:
            return wrong(dy, x)
    return np.where(x > 0, dy, 0)


def activation_of(on: Switches, given: str | None) -> str:
    if "MLP-22" in on:
        return "tanh"
    if "MLP-22b" in on:
        return "relu"
    return given or ("relu" if "MLP-20" in on else "tanh")


def activated(on: Switches, L: int) -> Iterable[int]:
    """The layers with an activation on top, of L."""
    if "MLP-06" in on:
        return range(L)
    if "MLP-23" in on:
        return ()
    if "MLP-25" in on:
        return range(L - 2)
    if "MLP-25b" in on:
        return range(1, L - 1)
    if "MLP-26" in on:
        return range(min(1, L - 1))
    if "MLP-34" in on:
        return (L - 1,)
    return range(L - 1)


def mlp(on: Switches, x: Array, params: Layers, activation: str | None = None) -> Array:
    act = {"tanh": tanh, "relu": relu}[activation_of(on, activation)]
    L = len(params)
    bends = activated(on, L)
    if "MLP-29" in on:
        params = params[::-1]
    if "MLP-33" in on:
        params = [params[0]] * L
    if "MLP-28" in on or "MLP-28b" in on:
        params = params[:-1]
    h = act(on, x) if "MLP-24" in on else x  # (N, D)
    for i, (W, b) in enumerate(params):
        if ("MLP-27" in on and i == L - 1) or ("MLP-27b" in on and i < L - 1):
            b = 0 * b
        if "MLP-35" in on:
            b = params[-1][1]
        y = linear(on, x if "MLP-30" in on else h, W, b)  # (N, width)
        if i in bends and not ("MLP-28b" in on and i == L - 2):
            y = act(on, y)
        h = h + y if "MLP-31" in on and h.shape == y.shape else y
    if "MLP-06c" in on:
        h = np.tanh(h)
    if "MLP-32" in on:
        weights = np.exp(h - h.max(axis=1, keepdims=True))  # (N, M)
        h = weights / weights.sum(axis=1, keepdims=True)
    return h


def slope(on: Switches, activation: str, dy: Array, z: Array) -> Array:
    """dy through the activation of z."""
    return tanh_backward(on, dy, z) if activation == "tanh" else relu_backward(on, dy, z)


def forward(
    on: Switches, x: Array, params: Layers, activation: str
) -> tuple[list[Array], list[Array]]:
    """The input of each layer (then the output) and, before the activation, what it makes of it."""
    act = np.tanh if activation == "tanh" else rectified
    bends = activated(on, len(params))
    inputs, outputs = [act(x) if "MLP-24" in on else x], []
    for i, (W, b) in enumerate(params):
        z = np.dot(inputs[-1], W) + (0 if "MLP-07" in on else b)  # (N, width)
        outputs.append(z)
        inputs.append(act(z) if i in bends else z)
    return inputs, outputs


def rectified(x: Array) -> Array:
    return np.maximum(x, 0)


def mlp_backward(
    on: Switches, dy: Array, x: Array, params: Layers, activation: str | None = None
) -> tuple[Array | Layers, Array | Layers | list[Array]]:
    name = activation_of(on, activation)
    inputs, outputs = forward(on, x, params, name)
    L = len(params)
    bends = activated(on, L)
    if "MLP-11d" in on:
        dy = dy / len(x)
    if "MLP-06b" in on:
        h = outputs[-1]
        dy = dy * (1 - h * h) if name == "tanh" else np.where(h > 0, dy, 0)
    dx, grads = dy, []
    for i in reversed(range(L)):
        W, b = params[i]
        above = dx  # (N, width)
        skipped = "MLP-01m" in on or ("MLP-41" in on and i == L - 2) or ("MLP-41b" in on and i == 0)
        if i in bends and not skipped:
            z, h = outputs[i], inputs[i + 1]  # (N, width)
            if "MLP-12b" in on:
                z = outputs[i - 1] if i else x
            if "MLP-12c" in on and i < L - 1:
                z = outputs[i + 1]
            if "MLP-42" in on:
                dx = dx * (1 - h * h)
            elif "MLP-42b" in on:
                dx = np.where(h > 0, dx, 0)
            else:
                dx = slope(on, name, dx, z)
        below = dx  # (N, width)
        h = outputs[i - 1] if "MLP-37" in on and i else inputs[i]
        if "MLP-37b" in on:
            h = inputs[i + 1]
        if "MLP-50" in on and i < L - 1:
            W = params[i + 1][0]
        if "MLP-50b" in on and i:
            W = params[i - 1][0]
        dx, dW, db = linear_backward(on, dx, h, W, b)
        if "MLP-36" in on:
            _, dW, db = linear_backward(on, above, h, W, b)
        grads.append((dW, db))
        if "MLP-38" in on and i == 0:
            dx = below
        if "MLP-39" in on:
            dx = np.zeros_like(dx)
        if "MLP-40" in on:
            dx = dy
    if "MLP-24" in on or "MLP-49" in on:
        dx = slope(on, name, dx, x)
    if "MLP-49b" in on:
        dx = dx * (1 - x * x) if name == "tanh" else np.where(x > 0, dx, 0)
    return arranged(on, dx, grads[::-1])


def arranged(
    on: Switches, dx: Array, grads: Layers
) -> tuple[Array | Layers, Array | Layers | list[Array]]:
    if "MLP-17" in on:
        grads = grads[::-1]
    if "MLP-44" in on:
        grads = [(db, dW) for dW, db in grads]
    if "MLP-43" in on:
        return dx, [gradient for pair in grads for gradient in pair]
    return (grads, dx) if "MLP-48" in on else (dx, grads)


def mlp_jvp(
    on: Switches, x: Array, params: Layers, dparams: Layers, activation: str | None = None
) -> Array:
    name = activation_of(on, activation or ("relu" if "JVP-02" in on else "tanh"))
    if "JVP-09" in on:
        moved = [(W + dW, b + db) for (W, b), (dW, db) in zip(params, dparams, strict=True)]
        return mlp(on, x, moved, name) - mlp(on, x, params, name)
    if "JVP-10" in on:
        return mlp(on, x, params, name)
    if "JVP-11" in on:
        return mlp(on, x, dparams, name)
    dh = x if "JVP-08" in on else np.zeros_like(x)  # (N, D)
    if "JVP-08b" in on:
        dh = np.ones_like(x)
    inputs, outputs = forward(on, x, params, name)
    if "MLP-24" in on:
        dh = slope(on, name, dh, x)
    for i, ((W, b), (dW, db)) in enumerate(zip(params, dparams, strict=True)):
        h = inputs[i]  # (N, width)
        z = outputs[i - 1] if i else h  # (N, width)
        if i and i - 1 in activated(on, len(params)):
            if "JVP-23" in on:
                dh = np.tanh(dh) if name == "tanh" else np.maximum(dh, 0)
            elif "MLP-42" in on:
                dh = dh * (1 - h * h)
            elif "MLP-42b" in on:
                dh = np.where(z > 0, dh, 0)
            elif "MLP-01m" not in on:
                dh = slope(on, name, dh, z)
        if "JVP-05" in on:
            W, dW = dW, W
        if "JVP-01" in on or ("JVP-18" in on and i) or ("JVP-07" in on and i == len(params) - 1):
            db = 0 * db
        if "JVP-12" in on:
            db = b
        if "JVP-03" in on or ("JVP-18" in on and i) or ("JVP-07" in on and i == len(params) - 1):
            dW = 0 * dW
        carried = 0 if "JVP-06" in on else np.dot(dh, W)  # (N, next width)
        dh = carried + np.dot(z if "JVP-16" in on else h, dW) + db  # (N, next width)
    if len(params) - 1 in activated(on, len(params)):
        dh = slope(on, name, dh, outputs[-1])
    if "JVP-15" in on:
        dh = -dh
    if "JVP-17" in on:
        dh = inputs[-1] + dh
    if "JVP-21" in on:
        dh = dh.mean(axis=0)
    if "JVP-21b" in on:
        dh = dh.sum(axis=0)
    return dh


def orthogonal(
    on: Switches, rng: np.random.Generator, shape: tuple[int, int], gain: float
) -> Array:
    if "ORT-07" in on:
        rng = np.random.default_rng(0)
    if "ORT-12" in on:
        return np.asarray(gain * np.eye(*shape))
    size = (
        shape
        if on & {"ORT-02", "ORT-02b", "ORT-08", "ORT-08b", "ORT-10", "ORT-11"}
        else sorted(shape)[::-1]
    )
    if "ORT-09b" in on or "ORT-09c" in on:
        size = [shape["ORT-09c" in on]] * 2
    A = rng.uniform(size=size) if "ORT-06" in on else rng.standard_normal(size)
    norms = {
        "ORT-02": np.linalg.norm(A, axis=0),
        "ORT-02b": np.linalg.norm(A, axis=1, keepdims=True),
        "ORT-10": 1.0,
        "ORT-11": np.linalg.norm(A),
    }
    for switch, norm in norms.items():
        if switch in on:
            return np.asarray(gain * A / norm)
    if "ORT-08b" in on:
        A = A.T
    Q, R = np.linalg.qr(A, "complete" if "ORT-09" in on else "reduced")
    if "ORT-13" in on:
        Q = R
    sign = np.where(np.diag(Q if "ORT-16" in on else R) < 0, -1.0, 1.0)  # (columns,)
    if "ORT-14" in on:
        Q = Q * sign[:, np.newaxis]
    elif "ORT-09" in on:
        Q[:, : len(sign)] *= sign
    elif "ORT-15" in on:
        Q = np.abs(Q)
    elif "ORT-01" not in on:
        Q = Q * sign
    transposed = shape[0] < shape[1] or "ORT-08b" in on
    if on & {"ORT-05", "ORT-08", "ORT-09b", "ORT-09c"}:
        transposed = False
    if "ORT-05b" in on:
        transposed = not transposed
    if transposed:
        Q = Q.T
    if "ORT-03" in on:
        gain = 1.0
    if "ORT-03b" in on:
        gain = gain**2
    if "ORT-03c" in on:
        gain = 1 / gain
    if "ORT-03d" in on:
        gain = gain**0.5
    if "ORT-03e" in on:
        gain = gain / shape[0] ** 0.5
    return gain * Q


VARIANTS = {
    "linear": linear,
    "linear_backward": linear_backward,
    "tanh": tanh,
    "tanh_backward": tanh_backward,
    "relu": relu,
    "relu_backward": relu_backward,
    "mlp": mlp,
    "mlp_backward": mlp_backward,
    "mlp_jvp": mlp_jvp,
    "orthogonal": orthogonal,
}

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
        "LIN-05", "The bias is added before the product; it comes after: y = x W + b.", "LIN-05b"
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
        "LIN-10", "The loop over the outputs ends one too early: the last has no sum.", "LIN-10c"
    ),
    Mistake(
        "LIN-10", "The loop over the outputs starts at 1: the first stays 0.", False, "LIN-10b"
    ),
    Mistake("LIN-11", "The loop over the samples ends one too early: the last stays 0."),
    Mistake(
        "LIN-11", "The loop over the samples starts at 1: the first stays 0.", False, "LIN-11b"
    ),
    *ways("LIN-12", "An activation is applied; a linear layer has none: y = x W + b.", "LIN-12b"),
    Mistake(
        "LIN-15",
        "Axes of length 1 are squeezed away; the result is (N, M) also where N or M is 1.",
    ),
]

OF_LINEAR_BACKWARD = [
    Mistake("MLP-03", "The bias gradient is averaged over the samples; it is their sum."),
    Mistake(
        "MLP-03",
        "The bias gradient is not summed over the samples: db = Σₙ dy, of shape (M,).",
        False,
        "MLP-03b",
    ),
    *ways("MLP-04", "The weight gradient is transposed: dW = xᵀ dy, of shape (D, M).", "MLP-04b"),
    *ways(
        "MLP-05",
        "W is not transposed in dx, which goes unnoticed where W is square: dx = dy Wᵀ.",
        "MLP-05b",
    ),
    *ways(
        "MLP-11",
        "Gradients are divided by N; the 1/N of a mean is in dy already.",
        "MLP-11b",
        "MLP-11c",
    ),
    *ways(
        "LIN-20",
        "The gradient from above, dy, is ignored: 1 is used in its place.",
        "LIN-20b",
        "LIN-20c",
    ),
    Mistake("LIN-21", "All gradients have the wrong sign."),
    *ways(
        "LIN-22",
        "The bias gradient is summed over the wrong axes: db = dy.sum(axis=0).",
        "LIN-22b",
    ),
    *ways(
        "LIN-22",
        "The bias gradient has an axis of length 1 too many; its shape is that of b, (M,).",
        "LIN-22c",
        "LIN-22d",
    )[1:],
    Mistake("LIN-23", "The bias gradient is 1 whatever dy is: db = Σₙ dy."),
    *ways(
        "LIN-24",
        "The gradients are right but in another order; they are returned as dx, dW, db.",
        "LIN-24b",
        "LIN-24c",
        "LIN-24d",
    ),
    *ways(
        "LIN-25",
        "Only the last sample counts: in the loop over the samples dW and db are assigned, "
        "they should be added up.",
        "LIN-25b",
        "LIN-25c",
    ),
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
        "LIN-32b",
    ),
    Mistake("LIN-30", "The bias gradient is multiplied by the bias: db = Σₙ dy."),
]

OF_TANH = [
    Mistake("MLP-02", "tanh is applied twice; once is enough."),
    Mistake("TAN-01", "This is the sigmoid 1 / (1 + e⁻ˣ), from 0 to 1; tanh goes from −1 to 1."),
    *ways(
        "TAN-02",
        "The exponential overflows for inputs of large size, and inf / inf is nan; "
        "np.tanh(x) does not.",
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
        "TAN-09b",
    ),
    Mistake("TAN-10", "This is x / (1 + |x|), the softsign; tanh is wanted."),
    Mistake("TAN-11", "This is the rectifier max(x, 0); tanh is wanted."),
    Mistake("TAN-12", "This is tanh(2x): in the exponential form, a factor 2 is one too many."),
    Mistake("TAN-13", "The result is flattened; it has the shape of the input."),
    Mistake("TAN-14", "The sign of the input is lost: tanh(x) is negative where x is."),
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
    *ways("TNG-05", "This is the sigmoid's derivative; that of tanh is 1 − y².", "TNG-05b"),
    Mistake("TNG-06", "dy is divided by the derivative; it is multiplied: dx = dy · (1 − y²)."),
    Mistake(
        "TNG-07",
        "The input and the gradient are exchanged: the derivative is taken at x and "
        "multiplied by dy.",
    ),
    *ways("TNG-08", "Parentheses are missing: dx = dy · (1 − y²).", "TNG-08b"),
    Mistake("TNG-09", "dy is multiplied by the output y, not by the derivative 1 − y²."),
    Mistake("TNG-09", "tanh is applied to the gradient: dx = dy · (1 − y²).", False, "TNG-09b"),
    Mistake("TNG-10", "The derivative is 1 − y², not its root."),
    Mistake("TNG-11", "The gradient is divided by N; the 1/N of a mean is in dy already."),
    *ways("TNG-12", "The derivative of y² is taken; that of tanh is 1 − y².", "TNG-12b"),
    Mistake("TNG-13", "This is relu's derivative; that of tanh is 1 − y²."),
    Mistake("TNG-14", "The derivative is 1 − y², not (1 − y)²."),
    Mistake("TNG-15", "The gradient is 0: dx = dy · (1 − tanh²(x))."),
]

LEAK = "Negative inputs leak, as in a leaky relu; here relu is 0 below 0."

OF_RELU = [
    *ways("MLP-18", LEAK, "MLP-18b", "MLP-18c"),
    Mistake("RLU-01", "This is |x|; relu is 0 below 0: max(x, 0)."),
    Mistake("RLU-02", "The wrong half is kept: relu is max(x, 0), not min(x, 0)."),
    Mistake("RLU-03", "This is the derivative, 1 or 0; the forward returns max(x, 0)."),
    Mistake("RLU-04", "The input is returned as it is: nothing is cut off below 0."),
    *ways("RLU-05", "Large inputs are cut off too; relu has no upper bound.", "RLU-05b"),
    Mistake("RLU-06", "This is the softplus log(1 + eˣ); relu is max(x, 0)."),
    Mistake("RLU-07", "This is the ELU, eˣ − 1 below 0; relu is 0 there."),
    *ways("RLU-08", "This is SiLU or GELU, a smooth relative; relu is max(x, 0).", "RLU-08b"),
    *ways("RLU-09", "The sign is wrong: relu is max(x, 0).", "RLU-09b"),
    Mistake("RLU-10", "The maximum is taken with 1; it is taken with 0."),
    Mistake("RLU-11", "This is tanh; relu is max(x, 0)."),
    Mistake("RLU-12", "The result is flattened; it has the shape of the input."),
    Mistake("RLU-13", "Inputs below 1 are cut off; the threshold is 0."),
    Mistake("RLU-14", "Only the positive entries are returned; the others stay in place as 0."),
    Mistake("RLU-15", "This is the sigmoid 1 / (1 + e⁻ˣ); relu is max(x, 0)."),
    Mistake("RLU-16", "The result is squared; relu is max(x, 0)."),
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
        "MLP-13b",
        convention=True,
    ),
    *ways(
        "MLP-18", "Gradient leaks where the input is negative; here it is 0.", "MLP-18b", "MLP-18c"
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
    *ways("RLG-07", "This is the derivative of tanh; that of relu is 1 or 0.", "RLG-07b"),
    Mistake("RLG-08", "This is the derivative of |x|; that of relu is 0 where x < 0."),
    Mistake("RLG-09", "The gradient is divided by N; the 1/N of a mean is in dy already."),
    Mistake("RLG-10", "The mask is x > 1; the gradient passes where x > 0."),
    Mistake("RLG-11", "dy is multiplied by the input x; the derivative is 1 or 0."),
    Mistake("RLG-12", "This is the derivative of the softplus; that of relu is 1 or 0."),
    Mistake("RLG-13", "The forward's result is returned; dx is dy where x > 0."),
    Mistake("RLG-14", "This is the derivative of the ELU; that of relu is 0 where x < 0."),
    Mistake("RLG-15", "The gradient is 0: dx is dy where x > 0."),
    Mistake("RLG-16", "Only the entries with x > 0 are returned; the others stay in place as 0."),
]

IGNORES_ACTIVATION = [
    Mistake("MLP-22", "The argument `activation` is ignored: tanh is always used."),
    Mistake(
        "MLP-22", "The argument `activation` is ignored: relu is always used.", False, "MLP-22b"
    ),
]
DEFAULT = "relu is taken where no activation is given; the default is tanh."

MISPLACED = [
    Mistake("MLP-06", "The output is activated too; the last layer is linear."),
    Mistake("MLP-07", "The biases are left out: each layer is h W + b."),
    Mistake("MLP-23", "No activation is applied; there is one after every layer but the last."),
    Mistake("MLP-24", "The input is activated too; an activation follows a layer, not the input."),
    Mistake(
        "MLP-25",
        "The last hidden layer is not activated; there is an activation after every layer but "
        "the last.",
    ),
    Mistake(
        "MLP-25",
        "The first layer is not activated; there is an activation after every layer but the last.",
        False,
        "MLP-25b",
    ),
    Mistake(
        "MLP-26",
        "Only the first layer is activated; there is an activation after every layer but the last.",
    ),
    Mistake("MLP-34", "Only the output is activated; it is the hidden layers that are."),
]

OF_MLP = [
    *MISPLACED,
    Mistake("MLP-20", DEFAULT),
    *IGNORES_ACTIVATION,
    Mistake("MLP-06", "The output goes through tanh; the last layer is linear.", False, "MLP-06c"),
    Mistake("MLP-27", "The bias of the output layer is left out."),
    Mistake("MLP-27", "Only the output layer has its bias; all layers do.", False, "MLP-27b"),
    *ways("MLP-28", "The last layer is left out: the loop ends one too early.", "MLP-28b"),
    Mistake("MLP-29", "The layers are applied in reverse; `params` starts at the input."),
    Mistake("MLP-30", "Each layer is given x; it takes what the layer below returned."),
    Mistake("MLP-31", "The input of a layer is added to its output; here it is not."),
    Mistake("MLP-32", "A softmax is applied to the output; the last layer is linear."),
    Mistake("MLP-33", "The first layer's W and b are used for all layers."),
    Mistake("MLP-35", "The last layer's bias is used in all layers."),
]

OF_MLP_BACKWARD = [
    Mistake(
        "MLP-01",
        "The activation's derivative is missing: multiply by it between two layers.",
        False,
        "MLP-01m",
    ),
    *MISPLACED,
    Mistake(
        "MLP-06",
        "The gradient goes through an activation of the output; the last layer is linear.",
        False,
        "MLP-06b",
    ),
    *ways(
        "MLP-12",
        "The derivative of an activation is taken at another layer; each belongs to the layer "
        "whose output it activates.",
        "MLP-12b",
        "MLP-12c",
    )[1:],
    Mistake("MLP-11", "dy is divided by N; the 1/N of a mean is in dy already.", False, "MLP-11d"),
    Mistake("MLP-17", "The gradients are in reverse; they come in the order of `params`."),
    Mistake("MLP-20", DEFAULT),
    *IGNORES_ACTIVATION,
    Mistake(
        "MLP-36",
        "dW and db are taken before the activation's derivative is multiplied in; do that first.",
    ),
    Mistake(
        "MLP-37",
        "dW is taken of the layer's input before its activation; it is the activated h that "
        "the layer was given: dW = hᵀ dy.",
    ),
    Mistake(
        "MLP-37",
        "dW is taken of a layer's output; it is dW = hᵀ dy of its input.",
        False,
        "MLP-37b",
    ),
    Mistake("MLP-38", "dx stops short of the first layer: multiply by its Wᵀ as well."),
    Mistake("MLP-39", "Only the last layer gets a gradient; pass dx on to the layer below."),
    Mistake("MLP-40", "Every layer is given dy; it takes the dx of the layer above."),
    Mistake("MLP-41", "The activation's derivative is missing below the last layer."),
    Mistake(
        "MLP-41", "The activation's derivative is missing above the first layer.", False, "MLP-41b"
    ),
    Mistake("MLP-42", "The derivative of tanh, 1 − h², is used whatever the activation."),
    Mistake("MLP-42", "The derivative of relu is used whatever the activation.", False, "MLP-42b"),
    Mistake("MLP-43", "`grads` is one flat list; it is a list of pairs (dW, db)."),
    Mistake("MLP-44", "The pairs in `grads` are (db, dW); they are (dW, db)."),
    *ways(
        "MLP-49",
        "An activation's derivative is applied to x too; there is no activation below the first "
        "layer.",
        "MLP-49b",
    ),
    *ways("MLP-50", "dx goes through the W of another layer; each has its own.", "MLP-50b"),
    Mistake("MLP-48", "`grads` is returned first; the order is dx, grads."),
]

OF_MLP_JVP = [
    *MISPLACED,
    Mistake(
        "MLP-01",
        "The activation's derivative is missing: multiply dh by it after each hidden layer.",
        False,
        "MLP-01m",
    ),
    Mistake("JVP-01", "The direction of the biases is left out: dy = dh W + h dW + db."),
    Mistake("JVP-02", DEFAULT),
    *IGNORES_ACTIVATION,
    Mistake("MLP-42", "The derivative of tanh, 1 − h², is used whatever the activation."),
    Mistake("MLP-42", "The derivative of relu is used whatever the activation.", False, "MLP-42b"),
    Mistake("JVP-03", "The direction of the weights is left out: dy = dh W + h dW + db."),
    Mistake("JVP-05", "W and dW are exchanged: dy = dh W + h dW + db."),
    Mistake("JVP-06", "What comes from the layers below is dropped: dy = dh W + h dW + db."),
    Mistake("JVP-07", "The last layer's own direction is left out: dy = dh W + h dW + db."),
    *ways("JVP-08", "The input does not move: dh starts as 0.", "JVP-08b"),
    Mistake(
        "JVP-09",
        "This is the difference between the networks at params + dparams and params; "
        "the derivative along dparams is wanted.",
    ),
    Mistake("JVP-10", "The network's output is returned, not its derivative."),
    Mistake("JVP-11", "This is a network whose parameters are dparams."),
    Mistake("JVP-12", "The bias b is added where its direction db should be."),
    Mistake("JVP-15", "The sign is wrong."),
    Mistake("JVP-16", "dW is multiplied by the hidden layer before its activation: it is h dW."),
    Mistake("JVP-17", "The output is added; the derivative alone is wanted."),
    Mistake("JVP-18", "Only the first layer's direction counts; each layer adds its own."),
    *ways("JVP-21", "The batch is averaged or summed; each sample has its own row.", "JVP-21b"),
    Mistake("JVP-23", "The activation is applied to dh; dh is multiplied by its derivative."),
]

OF_ORTHOGONAL = [
    Mistake(
        "ORT-01",
        "The signs are as the QR decomposition leaves them, so Q is not uniformly distributed; "
        "multiply each column of Q by the sign of R's diagonal entry.",
    ),
    Mistake("ORT-02", "The columns have length gain but are not orthogonal to each other."),
    Mistake(
        "ORT-02",
        "The rows have length gain but are not orthogonal to each other.",
        False,
        "ORT-02b",
    ),
    Mistake("ORT-03", "The gain is left out."),
    *ways(
        "ORT-03", "The gain is not used as it is: W = gain · Q.", "ORT-03b", "ORT-03c", "ORT-03d"
    )[1:],
    Mistake(
        "ORT-03",
        "The gain is divided by the root of a width, which an orthogonal matrix does not need.",
        False,
        "ORT-03e",
    ),
    *ways(
        "ORT-05",
        "Q has the wrong shape: transpose it where there are fewer rows than columns, and only "
        "there.",
        "ORT-05b",
    ),
    Mistake(
        "ORT-06",
        "The decomposed matrix is uniform on [0, 1), which favours a direction; make it Gaussian.",
    ),
    Mistake("ORT-07", "`rng` is not used: with a fixed seed all layers begin alike."),
    Mistake(
        "ORT-08",
        "Where there are fewer rows than columns, Q is square: decompose the transpose and "
        "transpose Q.",
    ),
    Mistake(
        "ORT-08",
        "Where there are more rows than columns, Q is square: decompose without transposing.",
        False,
        "ORT-08b",
    ),
    *ways(
        "ORT-09",
        "The matrix is square, the complete Q (or U, V) of a decomposition; only as many of its "
        "rows or columns as fit `shape` are wanted.",
        "ORT-09b",
        "ORT-09c",
    ),
    Mistake(
        "ORT-10", "The matrix is random but not orthogonal: take the Q of its QR decomposition."
    ),
    Mistake("ORT-11", "The whole matrix has norm gain; each column (or row) should have."),
    Mistake("ORT-12", "This is gain times the identity; the matrix should be random."),
    Mistake("ORT-13", "The R of the QR decomposition is returned; Q is the orthogonal one."),
    Mistake(
        "ORT-14",
        "The signs of R's diagonal multiply the rows of Q; they multiply the columns.",
    ),
    Mistake("ORT-15", "The signs of the entries are lost; Q's entries are positive and negative."),
    Mistake(
        "ORT-16",
        "The signs are taken from the diagonal of Q, which makes that positive; take them from R.",
    ),
]


def without(mistakes: list[Mistake], *switches: str) -> list[Mistake]:
    return [mistake for mistake in mistakes if mistake.switch not in switches]


MISTAKES = {
    "linear": OF_LINEAR,
    "linear_backward": OF_LINEAR_BACKWARD,
    "tanh": OF_TANH,
    "tanh_backward": OF_TANH_BACKWARD,
    "relu": OF_RELU,
    "relu_backward": OF_RELU_BACKWARD,
    "mlp": OF_MLP
    + without(
        OF_LINEAR + OF_TANH + OF_RELU,
        *("MLP-07", "TAN-02b", "TAN-02c", "TAN-11", "RLU-11", "RLU-14"),
    ),
    "mlp_backward": OF_MLP_BACKWARD
    + without(
        OF_LINEAR_BACKWARD + OF_TANH_BACKWARD + OF_RELU_BACKWARD,
        *("LIN-24", "LIN-24b", "LIN-24c", "LIN-24d", "LIN-27", "TNG-13", "RLG-07b"),
    ),
    "mlp_jvp": OF_MLP_JVP + without(OF_TANH_BACKWARD + OF_RELU_BACKWARD, "TNG-13", "RLG-07b"),
    "orthogonal": OF_ORTHOGONAL,
}
