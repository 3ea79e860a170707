"""Known mistakes in orthogonal initial weights."""

from __future__ import annotations

import numpy as np

from ..exercise import Array, Mistake, Switches, ways


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
    if on & {"ORT-02c", "ORT-02d"}:
        sign = np.sign(np.diag(np.linalg.qr(A)[1])) if "ORT-02d" in on else 1.0  # (columns,)
        W: Array = gain * sign * A / np.linalg.norm(A, axis=0)
        return W.T if shape[0] < shape[1] else W
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
    if "ORT-03f" in on:
        gain = gain / shape[1] ** 0.5
    return gain * Q


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
    *ways(
        "ORT-02",
        "The columns, or rows where these are fewer, have length gain but are not orthogonal to "
        "each other: take the Q of the QR decomposition.",
        "ORT-02c",
        "ORT-02d",
    ),
    Mistake("ORT-03", "The gain is left out."),
    *ways(
        "ORT-03", "The gain is not used as it is: W = gain · Q.", "ORT-03b", "ORT-03c", "ORT-03d"
    ),
    *ways(
        "ORT-03",
        "The gain is divided by the root of a width, which an orthogonal matrix does not need.",
        "ORT-03e",
        "ORT-03f",
    ),
    *ways(
        "ORT-05",
        "Q has the wrong shape: transpose it where there are fewer rows than columns, and only "
        "there.",
        "ORT-05",
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
        "ORT-09",
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

VARIANTS = {
    "orthogonal": orthogonal,
}

MISTAKES = {
    "orthogonal": OF_ORTHOGONAL,
}
