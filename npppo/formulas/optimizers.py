"""What is done with a gradient: limit it, step along it, or solve for a better direction."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from .shapes import Array, formula, power_of_2


@formula("grads:arrays max_norm -> clipped:arrays norm")
def clip_grad_norm(grads: Sequence[Array], max_norm: float) -> tuple[list[Array], float]:
    """Gradients scaled down together so that their joint norm is at most `max_norm`.

        clipped = grads · min(1, max_norm / norm)
        norm    = √(Σ g²)               over all entries g of all arrays

    Any shapes; returns `clipped, norm`: a list of arrays of the same shapes, and the norm before
    clipping, a number. All arrays get one factor, so the direction stays; a zero gradient stays
    zero. Nothing is added to the norm, however small it is. Where an entry is not finite, neither
    is the norm, and what is returned is of no use.

    Raises ValueError unless `max_norm` is 0 or more.
    Source: Pascanu et al. 2013, algorithm 1; in PPO Huang et al. 2022, detail 11.
    """
    if not max_norm >= 0:
        raise ValueError(f"max_norm is {max_norm}, expected 0 or more")
    unit, norm = 1.0, _norm(grads)
    if not 1e-15 < norm < 1e15:  # the squares may have left the range of the dtype
        unit = power_of_2(*grads)
        norm = _norm([grad.astype(np.float64) / unit for grad in grads])
    if not unit * norm > max_norm:
        return [grad.copy() for grad in grads], unit * norm
    if unit != 1:  # first, because max_norm / (unit · norm) may be too small to have all its digits
        grads = [grad / unit for grad in grads]
    return [grad * (max_norm / norm) for grad in grads], unit * norm


def _norm(arrays: Sequence[Array]) -> float:
    return math.sqrt(sum(float(np.vdot(array, array).real) for array in arrays))


@formula("param:* grad:* lr -> *")
def sgd_step(param: Array, grad: Array, lr: float) -> Array:
    """One step of gradient descent; returns param - lr · grad. Any shape -> same shape.

    Source: Robbins & Monro 1951.
    """
    return param - lr * grad


@formula("param:* grad:* v:* lr alpha eps -> param:* v:*")
def rmsprop_step(
    param: Array, grad: Array, v: Array, lr: float, alpha: float = 0.99, eps: float = 1e-8
) -> tuple[Array, Array]:
    """One step of RMSprop; returns the new `param, v`.

    The step goes against the gradient, in units of the root of its recent mean square, in which a
    square counts the less the older it is:

        param_t = param_{t-1} - lr · g_t / (√v_t + ε)

        v_t = (1 - α) Σ_{k=1..t} α^{t-k} g_k²

    The arguments are param = param_{t-1}, grad = g_t and v = v_{t-1}, and α = alpha, ε = eps. v is
    0 before the first step.

    Shapes: any, param, grad and v alike -> two of the same.

    Derivation: without its newest term the sum is α times the previous one, hence

        v ← α v + (1 - α) g²

    The weights add up to 1 - α^t only, for which `adam_step` makes up. Here it makes the first
    steps longer, the first one 1 / √(1 - α) times lr, whatever the size of the gradient:

        >>> param, _ = rmsprop_step(np.zeros(2), np.array([3.0, -0.01]), np.zeros(2), 0.1)
        >>> param.round(4)
        array([-1.,  1.])

    Convention: ε outside the root. (TensorFlow and Keras have √(v + ε), where a small ε counts for
    far more: beside a gradient of 0 it is √ε, 1e-4 in place of 1e-8. TensorFlow's first version
    also begins with v = 1, so that its first steps are short ones.)

    Source: Tieleman & Hinton 2012, which has no ε; ε as in PyTorch.
    """
    new_v = alpha * v + (1 - alpha) * (grad * grad)
    return param - lr * grad / (np.sqrt(new_v) + eps), new_v


@formula("param:* grad:* m:* v:* step:whole lr beta1 beta2 eps -> param:* m:* v:*")
def adam_step(
    param: Array,
    grad: Array,
    m: Array,
    v: Array,
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
    1 while t is small, so m and v are divided by it, which gives m̂ and v̂. At first, then, m̂ = g and
    √v̂ = |g|, and every entry moves by lr, however large its gradient is:

        >>> adam_step(np.zeros(2), np.array([3.0, -0.01]), np.zeros(2), np.zeros(2), 1, 0.1)[0]
        array([-0.1      ,  0.0999999])

    Convention: ε outside the root, added to the corrected √v̂. (TensorFlow and Keras add it to the
    uncorrected √v, as the paper does just before section 2.1. There ε weighs 1 / √(1 - β₂^t) times
    as much. For β₂ = 0.999 that is 30 times at first, 3 times after 100 steps, once after a few
    thousand.)

    Raises ValueError for a step below 1.
    Source: Kingma & Ba 2015, algorithm 1.
    """
    if step < 1:
        raise ValueError(f"step is {step}, expected 1 or more (1 on the first call)")
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


@formula("matvec:D→D b:D iterations:whole tolerance -> D")
def conjugate_gradient(
    matvec: Callable[[Array], Array], b: Array, iterations: int, tolerance: float = 1e-10
) -> Array:
    """The x with A x = b for a symmetric positive definite A known only by its products.

    Shapes: b (D,), matvec: (D,) -> (D,) with matvec(x) = A x; returns x (D,).

    By the method of conjugate gradients from x = 0: after k iterations x minimises ½ xᵀA x - bᵀx
    over the span of b, A b, …, A^{k-1} b. It stops as soon as ‖b - A x‖ ≤ tolerance · ‖b‖, at the
    latest after `iterations`, which may be fewer or more than D. b - A x is updated, not computed
    anew, so rounding errors gather in it. b = 0 gives 0, and 0 is never divided by 0. A is not
    damped.

    TRPO takes natural-gradient steps this way, with A the Fisher matrix; PPO does not need it.

    Derivation: the gradient of ½ xᵀA x - bᵀx is -r, with the residual r = b - A x. Each direction
    p is the current residual made A-conjugate to the previous directions p' (pᵀA p' = 0). A step
    along p then leaves the minima along the earlier directions intact, so D exact steps reach the
    solution. Only the last direction needs care: r is orthogonal to the span searched so far, and
    A p' lies in it for all p' before the last.

        α = rᵀr / pᵀA p           x ← x + α p            r ← r - α A p
        β = r_newᵀr_new / rᵀr     p ← r_new + β p        starting from x = 0, r = p = b

    Source: Hestenes & Stiefel 1952; Nocedal & Wright 2006, algorithm 5.2.
    """
    x = np.zeros_like(b)  # (D,)
    if not b.any():
        return x
    # A is linear, so b is solved for in units of its own: ‖b‖² cannot leave the dtype's range
    unit = power_of_2(b)
    r = b / unit  # (D,), the residual b - A x in these units
    p = r  # (D,)
    rr = r @ r
    goal = tolerance**2 * rr
    for _ in range(iterations):
        if rr <= goal:
            break
        Ap = matvec(p)  # (D,)
        pAp = p @ Ap
        if pAp == 0:  # a direction that A does not see: no step along it changes the residual
            break
        alpha = rr / pAp
        x = x + alpha * p
        r = r - alpha * Ap
        rr, old_rr = r @ r, rr
        beta = rr / old_rr
        p = r + beta * p
    return unit * x  # (D,)


@formula("start end fraction -> ()")
def linear_schedule(start: float, end: float, fraction: float) -> float:
    """The value on the straight line from `start` (fraction 0) to `end` (fraction 1), a float.

    `fraction` is the share of the training that is done. Both ends are met exactly.
    Raises ValueError for a fraction outside [0, 1].
    Source: in PPO Huang et al. 2022, detail 4.
    """
    if not 0 <= fraction <= 1:
        raise ValueError(f"fraction is {fraction}, expected a number from 0 to 1")
    return float((1 - fraction) * start + fraction * end)
