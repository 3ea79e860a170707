"""Known mistakes in multilayer perceptrons: forward, backward, and along a direction."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from ...shapes import Layers
from ..exercise import Array, Mistake, Switches, ways
from .layers import (
    OF_LINEAR,
    OF_LINEAR_BACKWARD,
    OF_RELU,
    OF_RELU_BACKWARD,
    OF_TANH,
    OF_TANH_BACKWARD,
    linear,
    linear_backward,
    relu,
    relu_backward,
    tanh,
    tanh_backward,
)


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
    if "MLP-28c" in on:
        params, L = params[1:], L - 1
        bends = activated(on, L)
    if "MLP-52" in on:
        params = [(W, params[0][1] if i < L - 1 else b) for i, (W, b) in enumerate(params)]
    h = act(on, x) if "MLP-24" in on else x  # (N, D)
    for i, (W, b) in enumerate(params):
        if ("MLP-27" in on and i == L - 1) or ("MLP-27b" in on and i < L - 1):
            b = 0 * b
        if "MLP-35" in on:
            b = params[-1][1]
        y = linear(on, x if "MLP-30" in on else h, W, b)  # (N, width)
        if "MLP-51" in on and i < L - 1:
            h = act(on, np.dot(h, W)) + b
            continue
        if i in bends and not ("MLP-28b" in on and i == L - 2):
            y = act(on, y)
        h = h + y if "MLP-31" in on and h.shape == y.shape else y
    if "MLP-06c" in on:
        h = np.tanh(h)
    if "MLP-32" in on:
        weights = np.exp(h - h.max(axis=1, keepdims=True))  # (N, M)
        h = weights / weights.sum(axis=1, keepdims=True)
    return h


# Backward


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
        if on & KEPT:
            z = linear(on, inputs[-1], W, b)  # (N, width)
        else:
            z = np.dot(inputs[-1], W) + (0 if "MLP-07" in on else b)  # (N, width)
        outputs.append(z)
        if "MLP-51" in on and i in bends:
            inputs.append(act(z - b) + b)
        elif on & KEPT and i in bends:
            inputs.append({"tanh": tanh, "relu": relu}[activation](on, z))
        else:
            inputs.append(act(z) if i in bends else z)
    return inputs, outputs


# Mistakes of the forward that show in the hidden layers it keeps; all else is right in a backward
KEPT = frozenset(
    [
        *["MLP-51", "LIN-01", "LIN-05b", "LIN-07", "LIN-08"],
        *["TAN-01", "TAN-02", "TAN-03", "TAN-05", "TAN-09", "TAN-09b", "TAN-10", "TAN-12"],
        *["RLU-01", "RLU-06", "RLU-07", "RLU-10"],
    ]
)


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
            if "MLP-42" in on or (on & KEPT and name == "tanh"):
                dx = dx * (1 - h * h)
            elif "MLP-42b" in on or on & KEPT:
                dx = np.where(h > 0, dx, 0)
            else:
                dx = slope(on, name, dx, z)
        below = dx  # (N, width)
        h = outputs[i - 1] if "MLP-37" in on and i else inputs[i]
        if "MLP-37b" in on:
            h = inputs[i + 1]
        if "MLP-53" in on:
            h = x
        if "MLP-50" in on and i < L - 1:
            W = params[i + 1][0]
        if "MLP-50b" in on and i:
            W = params[i - 1][0]
        dx, dW, db = linear_backward(on, dx, h, W, b)
        early = linear_backward(on, above, h, W, b)[1:]  # before the activation's derivative
        if "MLP-36" in on:
            dW, db = early
        if "MLP-36b" in on:
            db = early[1]
        if "MLP-36c" in on:
            dW = early[0]
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


# Along a direction


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
        in_part = on & {"JVP-24", "JVP-24b", "JVP-26"}  # the activation is below, see there
        if i and i - 1 in activated(on, len(params)) and not in_part:
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
        if "JVP-25" in on:
            h = dh
        carried = np.dot(dh, W)  # (N, next width)
        if "JVP-06" in on:
            carried = 0 * carried
        added = np.dot(z if "JVP-16" in on else h, dW)  # (N, next width)
        dh = carried + added + db
        halves = {  # what goes through the activation, and what is added after it
            "JVP-24": (added + db, carried),
            "JVP-24b": (carried, added + db),
            "JVP-26": (carried + added, db),
        }
        for switch in in_part if i < len(params) - 1 else ():
            bent, rest = halves[switch]
            dh = slope(on, name, bent, outputs[i]) + rest
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


# Sentences

IGNORES_ACTIVATION = [
    Mistake("MLP-22", "The argument `activation` is ignored: tanh is always used."),
    Mistake(
        "MLP-22", "The argument `activation` is ignored: relu is always used.", False, "MLP-22b"
    ),
]
DEFAULT = "relu is taken where no activation is given; the default is tanh."

BIAS_LAST = "The hidden bias is added after the activation; it comes before: h = act(h W + b)."

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
    *ways(
        "MLP-28", "The last layer is left out: the loop ends one too early.", "MLP-28", "MLP-28b"
    ),
    Mistake("MLP-28", "The first layer is left out: the loop starts at 1.", False, "MLP-28c"),
    Mistake("MLP-29", "The layers are applied in reverse; `params` starts at the input."),
    Mistake("MLP-30", "Each layer is given x; it takes what the layer below returned."),
    Mistake("MLP-31", "The input of a layer is added to its output; here it is not."),
    Mistake("MLP-32", "A softmax is applied to the output; the last layer is linear."),
    Mistake("MLP-33", "The first layer's W and b are used for all layers."),
    Mistake("MLP-35", "The last layer's bias is used in all layers."),
    Mistake("MLP-51", BIAS_LAST),
    Mistake("MLP-52", "The first layer's bias is used in all hidden layers; each has its own."),
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
    ),
    Mistake("MLP-11", "dy is divided by N; the 1/N of a mean is in dy already.", False, "MLP-11d"),
    Mistake("MLP-17", "The gradients are in reverse; they come in the order of `params`."),
    Mistake("MLP-20", DEFAULT),
    *IGNORES_ACTIVATION,
    Mistake(
        "MLP-36",
        "dW and db are taken before the activation's derivative is multiplied in; do that first.",
    ),
    *ways(
        "MLP-36",
        "One of dW and db is taken before the activation's derivative is multiplied in; do that "
        "first.",
        "MLP-36b",
        "MLP-36c",
    ),
    Mistake("MLP-51", f"The hidden layers that are kept are wrong. {BIAS_LAST}"),
    Mistake(
        "MLP-53",
        "dW is taken of the network's input x in all layers; it is dW = hᵀ dy of the layer's own.",
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
        "MLP-49",
        "MLP-49b",
    ),
    *ways(
        "MLP-50", "dx goes through the W of another layer; each has its own.", "MLP-50", "MLP-50b"
    ),
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
    *ways("JVP-08", "The input does not move: dh starts as 0.", "JVP-08", "JVP-08b"),
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
    *ways(
        "JVP-21",
        "The batch is averaged or summed; each sample has its own row.",
        "JVP-21",
        "JVP-21b",
    ),
    Mistake("JVP-23", "The activation is applied to dh; dh is multiplied by its derivative."),
    Mistake(
        "JVP-24",
        "What comes from below is not multiplied by the activation's derivative; all of "
        "dh W + h dW + db is.",
    ),
    Mistake(
        "JVP-24",
        "Only what comes from below is multiplied by the activation's derivative; all of "
        "dh W + h dW + db is.",
        False,
        "JVP-24b",
    ),
    Mistake("JVP-25", "dh stands where h belongs: dy = dh W + h dW + db."),
    Mistake(
        "JVP-26",
        "db is added after the activation's derivative; it is part of dh W + h dW + db, which is "
        "multiplied by it.",
    ),
]


def without(mistakes: list[Mistake], *switches: str) -> list[Mistake]:
    return [mistake for mistake in mistakes if mistake.switch not in switches]


def kept(mistakes: list[Mistake]) -> list[Mistake]:
    """Mistakes of the forward, in the words of a backward that trusts what it has kept."""
    return [
        replace(mistake, sentence=f"The hidden layers that are kept are wrong. {mistake.sentence}")
        for mistake in mistakes
        if mistake.switch in KEPT - {"MLP-51"}
    ]


def in_forward_mode(mistakes: list[Mistake]) -> list[Mistake]:
    """What is wrong with a slope, in the words of a direction that is passed upwards."""
    words = {
        "from above": "from below",
        "dx": "the new dh",
        "dy": "dh",
        "gradient": "direction",
        "Gradient": "The direction",
    }

    def said(sentence: str) -> str:
        for word, other in words.items():
            sentence = sentence.replace(word, other)
        return sentence

    return [replace(mistake, sentence=said(mistake.sentence)) for mistake in mistakes]


VARIANTS = {
    "mlp": mlp,
    "mlp_backward": mlp_backward,
    "mlp_jvp": mlp_jvp,
}

MISTAKES = {
    "mlp": OF_MLP
    + without(
        OF_LINEAR + OF_TANH + OF_RELU,
        *("MLP-07", "TAN-02b", "TAN-02c", "TAN-11", "RLU-11", "RLU-14"),
    ),
    "mlp_backward": OF_MLP_BACKWARD
    + kept(OF_MLP + OF_LINEAR + OF_TANH + OF_RELU)
    + without(
        OF_LINEAR_BACKWARD + OF_TANH_BACKWARD + OF_RELU_BACKWARD,
        *("LIN-24", "LIN-24b", "LIN-24c", "LIN-24d", "LIN-27", "TNG-13", "RLG-07b"),
    ),
    "mlp_jvp": OF_MLP_JVP
    + in_forward_mode(without(OF_TANH_BACKWARD + OF_RELU_BACKWARD, "TNG-13", "RLG-07b")),
}
