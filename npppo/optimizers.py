"""What is done with a gradient: limit it, step along it, or solve for a better direction."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from .shapes import Array, expect_ndim, expect_shape, floats, number, power_of_2

__all__ = [
    "clip_grad_norm",
    "sgd_step",
    "adam_step",
    "conjugate_gradient",
    "linear_schedule",
]


def clip_grad_norm(grads: Sequence[ArrayLike], max_norm: float) -> tuple[list[Array], float]:
    """Gradients scaled down together so that their joint norm is at most `max_norm`.

        clipped = grads · min(1, max_norm / norm)
        norm    = √(Σ g²)               over all entries g of all arrays

    Any shapes; returns `clipped, norm`: a list of arrays of the same shapes, and the norm before
    clipping, a number. All arrays get one factor, so the direction stays; a zero gradient stays
    zero. Nothing is added to the norm, however small it is.

    Raises ValueError for a negative `max_norm`.
    Source: Pascanu et al. 2013, algorithm 1; in PPO Huang et al. 2022, detail 11.
    """
    arrays = [floats(grad)[0] for grad in grads]
    max_norm = number("max_norm", max_norm)
    if max_norm < 0:
        raise ValueError(f"max_norm is {max_norm}, expected 0 or more")
    unit, norm = 1.0, _norm(arrays)
    if not 1e-15 < norm < 1e15:  # the squares may have left the range of the dtype
        unit = power_of_2(*arrays)
        norm = _norm([array.astype(np.float64) / unit for array in arrays])
    if not unit * norm > max_norm:
        return [array.copy() for array in arrays], unit * norm
    if unit != 1:  # first, because max_norm / (unit · norm) may be too small to have all its digits
        arrays = [array / unit for array in arrays]
    return [array * (max_norm / norm) for array in arrays], unit * norm


def _norm(arrays: Sequence[Array]) -> float:
    return math.sqrt(sum(float(np.vdot(array, array).real) for array in arrays))


def sgd_step(param: ArrayLike, grad: ArrayLike, lr: float) -> Array:
    """One step of gradient descent; returns param - lr · grad. Any shape -> same shape."""
    param, grad = floats(param, grad)
    expect_shape("grad", grad, param.shape, "param", param)
    new: Array = param - number("lr", lr) * grad
    return new


def adam_step(
    param: ArrayLike,
    grad: ArrayLike,
    m: ArrayLike,
    v: ArrayLike,
    step: int,
    lr: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
) -> tuple[Array, Array, Array]:
    """One step of Adam; returns the new `param, m, v`.

    The step goes against the gradients' average, in units of their root mean square; the older a
    gradient, the less it counts in both:

        param_t = param_{t-1} - lr · m̂ / (√v̂ + ε)

        m_t = (1 - β₁) Σ_{k=1..t} β₁^{t-k} g_k          m̂ = m_t / (1 - β₁^t)
        v_t = (1 - β₂) Σ_{k=1..t} β₂^{t-k} g_k²         v̂ = v_t / (1 - β₂^t)

    The arguments are param = param_{t-1}, grad = g_t, m = m_{t-1}, v = v_{t-1}, step = t, and
    β₁ = beta1, β₂ = beta2, ε = eps. `step` is 1 on the first call, when m and v are 0.

    Shapes: any, param, grad, m and v alike -> three of the same.

    Derivation: without its newest term each sum is β times the previous one, so the previous one is
    all that must be stored:

        m ← β₁ m + (1 - β₁) g
        v ← β₂ v + (1 - β₂) g²

    The weights (1 - β) β^{t-k} of an average should add up to 1. These add up to 1 - β^t, less than
    1 while t is small, so m and v are divided by it, which gives m̂ and v̂.

    Convention: ε outside the root, added to the corrected √v̂. (TensorFlow and Keras add it to the
    uncorrected √v, as the paper does just before section 2.1. That is 1 / √(1 - β₂^t) times as
    much: for β₂ = 0.999 30 times at first, 3 times after 100 steps, as much after some thousand.)

    Raises ValueError for a step below 1.
    Source: Kingma & Ba 2015, algorithm 1.
    """
    param, grad, m, v = floats(param, grad, m, v)
    expect_shape("grad", grad, param.shape, "param", param)
    expect_shape("m", m, param.shape, "param", param)
    expect_shape("v", v, param.shape, "param", param)
    step = int(step)
    if step < 1:
        raise ValueError(f"step is {step}, expected 1 or more (1 on the first call)")
    lr, eps = number("lr", lr), number("eps", eps)
    beta1, beta2 = number("beta1", beta1), number("beta2", beta2)
    # m + (1 - β₁)(g - m) is β₁ m + (1 - β₁) g
    new_m = grad - m
    new_m *= 1 - beta1
    new_m += m
    new_v = grad * grad
    new_v -= v
    new_v *= 1 - beta2
    new_v += v
    # lr m̂ / (√v̂ + ε) with both corrections taken out of the arrays: the same number, fewer passes
    correction1, correction2 = 1 - beta1**step, math.sqrt(1 - beta2**step)
    update = np.sqrt(new_v)
    update += eps * correction2
    update = new_m / update
    update *= lr * correction2 / correction1
    return param - update, new_m, new_v


def conjugate_gradient(
    matvec: Callable[[Array], Array], b: ArrayLike, iterations: int, tolerance: float = 1e-10
) -> Array:
    """The x with A x = b for a symmetric positive definite A known only by its products.

    Shapes: b (D,), matvec: (D,) -> (D,) with matvec(x) = A x; returns x (D,).

    By the method of conjugate gradients from x = 0: after k iterations x minimises ½ xᵀA x - bᵀx
    over the span of b, A b, …, A^{k-1} b. It stops as soon as ‖b - A x‖ ≤ tolerance · ‖b‖, at the
    latest after `iterations`, which may be fewer or more than D. b - A x is not computed anew but
    kept up to date, so rounding gathers in it. b = 0 gives 0, and 0 is never divided by 0. A is
    used as it is, without damping.

    For natural-gradient steps, as TRPO takes them with A the Fisher matrix; PPO does not need it.

    Derivation: the gradient of ½ xᵀA x - bᵀx is -r, with the residual r = b - A x. Each direction
    p is the current residual made A-conjugate to the previous directions p' (pᵀA p' = 0). A step
    along p then leaves the minima along the earlier directions as they are, so D exact steps do:

        α = rᵀr / pᵀA p           x ← x + α p            r ← r - α A p
        β = r_newᵀr_new / rᵀr     p ← r_new + β p        starting from x = 0, r = p = b

    Source: Hestenes & Stiefel 1952; Nocedal & Wright 2006, algorithm 5.2.
    """
    (b,) = floats(b)
    expect_ndim("b", b, "D")
    x = np.zeros_like(b)  # (D,)
    unit = abs(b).max(initial=0)
    if unit == 0:
        return x
    # A is linear, so b is solved for in units of its largest entry: ‖b‖² stays in the dtype's range
    r = b / unit  # (D,), the residual b - A x in these units
    p = r  # (D,)
    rr = r @ r
    goal = number("tolerance", tolerance) ** 2 * rr
    for _ in range(iterations):
        if rr <= goal:
            break
        Ap = np.asarray(matvec(p)).astype(b.dtype, copy=False)  # (D,)
        expect_shape("matvec(p)", Ap, p.shape, "b", b)
        pAp = p @ Ap
        if pAp == 0:  # a direction that A does not see: no step along it changes the residual
            break
        alpha = rr / pAp
        x = x + alpha * p
        r = r - alpha * Ap
        rr, old_rr = r @ r, rr
        beta = rr / old_rr
        p = r + beta * p
    solution: Array = unit * x  # (D,)
    return solution


def linear_schedule(start: float, end: float, fraction: float) -> float:
    """The value on the straight line from `start` (fraction 0) to `end` (fraction 1), a float.

    `fraction` is the share of the training that is done. Both ends are met exactly.
    Raises ValueError for a fraction outside [0, 1].
    Source: in PPO Huang et al. 2022, detail 4.
    """
    if not 0 <= fraction <= 1:
        raise ValueError(f"fraction is {fraction}, expected a number from 0 to 1")
    return float((1 - fraction) * start + fraction * end)
