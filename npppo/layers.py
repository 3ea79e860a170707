"""The network: linear layers and activations, each forward followed by its backward.

A forward returns `(out, cache)`. Its backward takes `dout` = d loss / d out for some scalar loss
and returns d loss / d input for every input, by the chain rule. `dx` means ∂ loss / ∂x and, but in
`mlp_jvp`, nothing else; the derivative of anything else is written out with ∂. `loss` is the scalar
at the very end: the gradient `dloss` of a loss function is 1 if it is that function's own result.

A public function checks its arguments and leaves the arithmetic to an unchecked one (`_linear`,
`mlp_unchecked`), so that `mlp`, which runs many of them, checks once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .shapes import Array, Cache, Layers, expect_ndim, expect_shape, floats, number

__all__ = [
    "linear",
    "linear_backward",
    "tanh",
    "tanh_backward",
    "relu",
    "relu_backward",
    "mlp",
    "mlp_backward",
    "mlp_jvp",
    "orthogonal",
]


def linear(x: ArrayLike, W: ArrayLike, b: ArrayLike) -> tuple[Array, Cache]:
    """Linear layer y = x W + b.

    Shapes: x (N, D), W (D, M), b (M,) -> y (N, M).

    Derivation, with y_nm = Σ_k x_nk W_km + b_m and dy = d loss / dy:

        dx_nk = Σ_m dy_nm W_km        dx = dy Wᵀ
        dW_km = Σ_n x_nk dy_nm        dW = xᵀ dy
        db_m  = Σ_n dy_nm             db = 1ᵀ dy

    Raises ValueError where the shapes do not fit together.
    Source: Goodfellow et al. 2016, *Deep Learning*, section 6.5.6.
    """
    x, W, b = floats(x, W, b)
    expect_ndim("x", x, "ND")
    _expect_layer(W, b, x)
    return _linear(x, W, b)


def _linear(x: Array, W: Array, b: Array) -> tuple[Array, Cache]:
    # x.dot(W) rather than x @ W: less overhead
    y = x.dot(W)  # (N, M)
    y += b
    return y, (x, W)


def linear_backward(dy: ArrayLike, cache: Cache) -> tuple[Array, Array, Array]:
    """Gradients `dx, dW, db` of `linear`."""
    x, W = cache
    dy, x, W = floats(dy, x, W)
    expect_shape("dy", dy, (x.shape[0], W.shape[1]), "W", W)
    return _linear_dx(dy, (x, W)), *_linear_grads(dy, (x, W))


def _linear_dx(dy: Array, cache: Cache) -> Array:
    _, W = cache
    # forward: y = x W + b. @ would be some ten times slower where M is 1, and some BLAS kernels
    # are slower on a transposed view of W than on a copy
    dx: Array = dy.dot(W.T.copy())  # (N, D)
    return dx


def _linear_grads(dy: Array, cache: Cache) -> tuple[Array, Array]:
    x, _ = cache
    # forward: y = x W + b
    dW = x.T.dot(dy)  # (D, M)
    # the sum over N as a product with ones: BLAS is faster than a sum down the columns
    db = _ones(len(dy), dy.dtype).dot(dy)  # (M,)
    return dW, db


@lru_cache(maxsize=16)
def _ones(n: int, dtype: np.dtype[Any]) -> Array:
    return np.ones(n, dtype)  # (N,)


def tanh(x: ArrayLike) -> tuple[Array, Cache]:
    """Hyperbolic tangent of x, element by element; any shape.

    Derivation: ∂tanh(x)/∂x = 1 - tanh(x)², so the backward needs only the output y:

        dx = dy (1 - y²)
    """
    (x,) = floats(x)
    return _tanh(x)


def _tanh(x: Array) -> tuple[Array, Cache]:
    y = np.tanh(x)  # same shape as x
    return y, (y,)


def tanh_backward(dy: ArrayLike, cache: Cache) -> Array:
    """Gradient `dx` of `tanh`."""
    (y,) = cache
    dy, y = floats(dy, y)
    expect_shape("dy", dy, y.shape, "y", y)
    return _tanh_backward(dy, (y,))


def _tanh_backward(dy: Array, cache: Cache) -> Array:
    (y,) = cache
    # forward: y = tanh(x), with the slope 1 - y²
    dx: Array = dy * (1 - y * y)  # same shape as x
    return dx


def relu(x: ArrayLike) -> tuple[Array, Cache]:
    """Rectifier max(x, 0), element by element; any shape.

    Derivation: the slope is 1 where x > 0 and 0 where x < 0: dx = dy [x > 0].
    Convention at the kink: the derivative at exactly 0 is 0.
    """
    (x,) = floats(x)
    return _relu(x)


def _relu(x: Array) -> tuple[Array, Cache]:
    active = ~(x.real <= 0)  # same shape as x, bool; not x > 0, so that nan stays nan
    return np.where(active, x, 0), (active,)


def relu_backward(dy: ArrayLike, cache: Cache) -> Array:
    """Gradient `dx` of `relu`."""
    (active,) = cache
    (dy,) = floats(dy)
    expect_shape("dy", dy, active.shape, "x", active)
    return _relu_backward(dy, cache)


def _relu_backward(dy: Array, cache: Cache) -> Array:
    (active,) = cache
    # forward: y = x where x > 0, else 0
    return np.where(active, dy, 0)  # same shape as x


Forward = Callable[[Array], tuple[Array, Cache]]
Backward = Callable[[Array, Cache], Array]
ACTIVATIONS: dict[str, tuple[Forward, Backward]] = {
    "tanh": (_tanh, _tanh_backward),
    "relu": (_relu, _relu_backward),
}


def _activation(name: str) -> tuple[Forward, Backward]:
    if name not in ACTIVATIONS:
        raise ValueError(f"activation is {name!r}, expected one of {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]


def mlp(x: ArrayLike, params: Layers, activation: str = "tanh") -> tuple[Array, Cache]:
    """Multi-layer perceptron: linear layers with the activation after every one but the last.

    Shapes: x (N, D), params [(W, b), ...] -> (N, M) with M the width of the last layer.

    Layer k makes z_k = h_k W_k + b_k of its input, h_1 = x and h_{k+1} = act(z_k). The activation
    act is "tanh", or "relu" with derivative 0 at 0. The last z_k is the output, so that one layer
    alone has no activation.

    Derivation: the chain rule runs the layers' backwards in reverse order, each fed with what the
    one above it sent down. The last dz_k is dy, then

        dW_k = h_kᵀ dz_k        db_k = 1ᵀ dz_k        dz_{k-1} = dz_k W_kᵀ · act'(z_{k-1})

    Raises ValueError for an empty `params`, an unknown `activation`, layers that do not fit.
    Source: Rumelhart, Hinton & Williams 1986.
    """
    _activation(activation)
    return mlp_unchecked(*_stack(x, params), activation)


def mlp_unchecked(x: Array, params: Layers, activation: str) -> tuple[Array, Cache]:
    """`mlp` for arguments that are known to be right, as the agent's are."""
    act, _ = ACTIVATIONS[activation]
    h, linear_cache = _linear(x, *params[0])  # (N, width)
    caches = [linear_cache]
    for W, b in params[1:]:
        h, act_cache = act(h)  # (N, width)
        h, linear_cache = _linear(h, W, b)  # (N, next width)
        caches += [act_cache, linear_cache]
    return h, (caches, activation)


def _stack(x: ArrayLike, params: Layers) -> tuple[Array, Layers]:
    """The arguments of `mlp` as arrays of one dtype, after checking that they fit together."""
    if not params:
        raise ValueError("params is an empty list, expected at least one (W, b)")
    arrays = floats(x, *chain.from_iterable(params))
    h, layers = arrays[0], list(zip(arrays[1::2], arrays[2::2], strict=True))
    expect_ndim("x", h, "ND")
    below = h
    for W, b in layers:
        _expect_layer(W, b, below)
        below = W
    return h, layers


def _expect_layer(W: Array, b: Array, below: Array) -> None:
    """Raise ValueError unless W is (D, M) and b (M,) on top of `below`, whose last axis is D."""
    if W.ndim != 2 or len(W) != below.shape[-1]:
        raise ValueError(
            f"W has shape {W.shape}, expected shape ({below.shape[-1]}, M) "
            f"on top of shape {below.shape}"
        )
    if b.shape != W.shape[1:]:
        raise ValueError(f"b has shape {b.shape}, expected {W.shape[1:]} beside W of {W.shape}")


def mlp_backward(dy: ArrayLike, cache: Cache) -> tuple[Array, Layers]:
    """Gradients `dx, grads` of `mlp`; `grads` is [(dW, db), ...] in the order of `params`."""
    dy, grads = mlp_grads(dy, cache)  # (N, width of the first layer)
    caches, _ = cache
    return _linear_dx(dy, caches[0]), grads


def mlp_grads(dy: ArrayLike, cache: Cache) -> tuple[Array, Layers]:
    """`mlp_backward` but for its last step, `dx`, which training has no use for.

    Returns the gradient with respect to the first layer's output, and `grads`.
    """
    caches, activation = cache
    _, act_backward = _activation(activation)
    x, W = caches[-1]
    dy, x, W = floats(dy, x, W)
    expect_shape("dy", dy, (x.shape[0], W.shape[1]), "W", W)
    # forward: h = linear(x), then h = linear(act(h)) layer after layer. The caches stand in that
    # order: linear, then act and linear in turn.
    linear_cache = (x, W)
    grads = [_linear_grads(dy, linear_cache)]  # (width, M), (M,)
    for act_cache, below in zip(caches[-2::-2], caches[-3::-2], strict=True):
        dy = act_backward(_linear_dx(dy, linear_cache), act_cache)  # (N, width)
        linear_cache = below
        grads.append(_linear_grads(dy, linear_cache))
    return dy, grads[::-1]


def mlp_jvp(x: ArrayLike, params: Layers, dparams: Layers, activation: str = "tanh") -> Array:
    """Directional derivative of `mlp` along `dparams` (forward mode).

    Shapes: x (N, D), params and dparams [(W, b), ...] alike -> (N, M).

    Definition: d/dt mlp(x, params + t dparams) at t = 0, exactly and not by a difference. Here,
    and only here, a leading d means this derivative d/dt and not d loss / d.

    A layer of `mlp` makes h W + b of its input h; after every one but the last comes the
    activation: "tanh", or "relu" with derivative 0 at 0.

    Derivation: by the product rule through y = h W + b, then by the chain rule through y = act(h):

        dy = dh W + h dW + db           dy = act'(h) dh

    The activation acts element by element, so act'(h) dh is what its backward computes.
    For Fisher-vector products without a second derivative, Jᵀ F J v with J v from here, F of
    `categorical_fisher` and Jᵀ of `mlp_backward`, as TRPO needs them; PPO does not.

    Source: Pearlmutter 1994 (forward mode); Schraudolph 2002, Schulman et al. 2015, appendix C.1.
    """
    act, act_backward = _activation(activation)
    if len(dparams) != len(params):
        raise ValueError(
            f"dparams has {len(dparams)} layers and params {len(params)}, expected equally many"
        )
    h, params = _stack(x, params)  # (N, D)
    dh = np.zeros_like(h)  # (N, D): x does not move
    for i, ((W, b), (dW, db)) in enumerate(zip(params, dparams, strict=True)):
        if i:
            h, act_cache = act(h)  # (N, width)
            dh = act_backward(dh, act_cache)  # (N, width)
        y, _ = _linear(h, W, b)  # (N, next width)
        dW, db, W = floats(dW, db, W)
        expect_shape(f"dparams[{i}][0]", dW, W.shape, f"params[{i}][0]", W)
        expect_shape(f"dparams[{i}][1]", db, (W.shape[1],), f"params[{i}][0]", W)
        dh = dh.dot(W) + h.dot(dW) + db  # (N, next width)
        h = y
    return dh


def orthogonal(rng: np.random.Generator, shape: tuple[int, int], gain: float) -> Array:
    """Random matrix with orthonormal rows or columns (whichever are fewer), times `gain`.

    Shapes: shape = (D, M) -> W (D, M), float64. W Wᵀ (if D ≤ M) or Wᵀ W (if D ≥ M) is gain²
    times the identity: a layer that does not narrow multiplies every length by `gain`.

    The distribution is uniform over all matrices that fulfil this, so that no direction and no
    sign is favoured. All randomness comes from `rng`, a np.random.Generator.

    Derivation: the Q of a Gaussian matrix's QR decomposition is orthogonal, but not uniformly
    distributed, because LAPACK chooses the signs of R's diagonal. Multiplying each column of Q
    by the sign of R's diagonal entry makes the decomposition unique and Q uniform (Haar).

    Raises ValueError unless `shape` has two entries.
    Source: Saxe et al. 2013, section 3; Mezzadri 2007, section "A Correct and Efficient Algorithm".
    """
    if len(shape) != 2:
        raise ValueError(f"shape is {tuple(shape)}, expected two entries (D, M)")
    rows, columns = max(shape), min(shape)
    Q, R = np.linalg.qr(rng.standard_normal((rows, columns)))  # (rows, columns), (columns, columns)
    Q *= np.where(np.diag(R) < 0, -1.0, 1.0)
    W: Array = number("gain", gain) * (Q if shape[0] >= shape[1] else Q.T)  # shape
    return W
