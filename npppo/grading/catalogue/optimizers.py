"""Known mistakes in the steps of optimizers, in clipping gradients and in schedules."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..exercise import Array, Mistake, Switches, ways

# Clipping gradients

ADDED = {
    **{"CLP-07": 1e-6, "CLP-07b": 1e-8, "CLP-07c": 1e-7, "CLP-07d": 1e-5, "CLP-07e": 1e-4},
    **{"CLP-07f": 1e-10, "CLP-07g": 1e-12, "CLP-07h": 1e-16},
}
AT_LEAST = {f"CLP-42>{eps:.0e}": eps for eps in [1e-6, 1e-8, 1e-10, 1e-12, 1e-16]}


def clip_grad_norm(
    on: Switches, grads: Sequence[Array], max_norm: float
) -> tuple[list[Array], Any] | tuple[Any, list[Array]]:
    norm, measure = norm_of(grads), measured(on, grads)
    if "CLP-01" in on or "CLP-01b" in on:
        clipped = [g * scale_of(on, measured(on, [g]), max_norm) for g in grads]
        return clipped, norm if "CLP-01" in on else measured(on, grads[-1:])
    if "CLP-02" in on:
        return [np.clip(g, -max_norm, max_norm) for g in grads], measure
    scale = scale_of(on, measure, max_norm)
    scales = [scale] * len(grads)
    if "CLP-38" in on and scale < 1:
        scales = [max_norm / norm_of([g]) for g in grads]
    if "CLP-39" in on:
        so_far = [norm_of(grads[: k + 1]) for k in range(len(grads))]
        scales = [scale_of(on, x, max_norm) for x in so_far]
    if "CLP-40" in on and scale < 1:
        scales = [scale / len(grads)] * len(grads)
    if "CLP-19" in on:
        scales[1:] = [1.0] * (len(grads) - 1)
    if "CLP-19b" in on:
        scales[:-1] = [1.0] * (len(grads) - 1)
    clipped = [g * s for g, s in zip(grads, scales, strict=True)]
    reported: Any = norm if "CLP-04" in on else measure
    if "CLP-04c" in on:
        reported = norm**2
    if "CLP-15" in on:
        reported = measured(on, clipped)
    if "CLP-25" in on:
        reported = scale
    if "CLP-31" in on:
        reported = [norm_of([g]) for g in grads]
    return (reported, clipped) if "CLP-22" in on else (clipped, reported)


def norm_of(grads: Sequence[Array]) -> float:
    return math.sqrt(sum(np.square(g.astype(np.float64)).sum() for g in grads))


def measured(on: Switches, grads: Sequence[Array]) -> float:
    """What is taken for the norm."""
    if "CLP-20" in on:
        grads = grads[:1]
    if "CLP-20b" in on:
        grads = grads[-1:]
    arrays = [g.astype(np.float64) for g in grads]
    if "CLP-05" in on:
        return sum(norm_of([g]) for g in arrays)
    if "CLP-06" in on:
        return max(float(np.abs(g).max()) for g in arrays)
    if "CLP-06b" in on:
        return max(norm_of([g]) for g in arrays)
    if "CLP-08" in on:
        return sum(float(np.abs(g).sum()) for g in arrays)
    if "CLP-11" in on:
        return norm_of(arrays) / math.sqrt(sum(g.size for g in arrays))
    if "CLP-11b" in on:
        return math.sqrt(sum(float(np.square(g).mean()) for g in arrays))
    if "CLP-11c" in on:
        return sum(norm_of([g]) for g in arrays) / len(arrays)
    if "CLP-23" in on:
        return math.sqrt(sum(float(g.sum()) ** 2 for g in arrays))
    if "CLP-23b" in on:
        return abs(sum(float(g.sum()) for g in arrays))
    if "CLP-26" in on:
        return math.sqrt(sum(norm_of([g]) for g in arrays))
    if "CLP-41" in on:
        return norm_of(arrays) / len(arrays)
    if "CLP-30" in on:
        return math.sqrt(sum(float(np.linalg.norm(g, 2)) ** 2 for g in arrays))
    norm = norm_of(arrays)
    return norm**2 if on & {"CLP-04", "CLP-04b"} else norm


def scale_of(on: Switches, norm: float, max_norm: float) -> float:
    if "CLP-37" in on:
        max_norm = 1.0
    if "CLP-37b" in on:
        max_norm = 0.5
    if "CLP-16" in on:
        return min(1.0, max_norm / norm)
    if "CLP-03b" in on:
        return float(np.float64(max_norm) / np.float64(norm))
    if norm == 0 or "CLP-09" in on:
        return 1.0
    if "CLP-03" in on:
        return max_norm / norm
    if "CLP-10" in on:
        return max(1.0, max_norm / norm)
    if (norm**2 if "CLP-28" in on else norm) <= max_norm:
        return 1.0
    if "CLP-18" in on:
        return norm / max_norm
    if "CLP-21" in on:
        return max_norm
    if "CLP-21b" in on:
        return 1 / norm
    if "CLP-21c" in on:
        return 0.0
    if "CLP-36" in on:
        return math.sqrt(max_norm / norm)
    if "CLP-36b" in on:
        return (max_norm / norm) ** 2
    norm = max([norm, *(eps for switch, eps in AT_LEAST.items() if switch in on)])
    return max_norm / (norm + sum(eps for switch, eps in ADDED.items() if switch in on))


OF_CLIP_GRAD_NORM = [
    *ways(
        "CLP-01",
        "Each array is clipped by its own norm; one norm is taken over all of them together, so "
        "that the direction stays.",
        "CLP-01",
        "CLP-01b",
    ),
    Mistake("CLP-02", "The entries are cut off at ±max_norm; all are scaled by one factor."),
    *ways(
        "CLP-03",
        "The gradient is rescaled also where its norm is below max_norm: the factor is "
        "min(1, max_norm / norm).",
        "CLP-03",
        "CLP-03b",
    ),
    *ways("CLP-04", "The root is missing: norm = √(Σ g²).", "CLP-04", "CLP-04b"),
    Mistake("CLP-04", "The squared norm is returned: norm = √(Σ g²).", False, "CLP-04c"),
    Mistake(
        "CLP-05",
        "The norms of the arrays are added; their squares are: norm = √(Σ g²) over all entries.",
    ),
    *ways(
        "CLP-06",
        "The largest entry, or the largest array's norm, is taken for the norm: it is √(Σ g²).",
        "CLP-06",
        "CLP-06b",
    ),
    *ways(
        "CLP-07",
        "Right elsewhere (PyTorch divides by norm + 1e-6); here the factor is max_norm / norm.",
        *ADDED,
        convention=True,
    ),
    *ways(
        "CLP-42",
        "The norm is held above a small number, so that smaller gradients are not scaled to "
        "max_norm; the factor is max_norm / norm, however small the norm is.",
        *AT_LEAST,
    ),
    Mistake("CLP-08", "Absolute values are summed; the norm is √(Σ g²)."),
    Mistake("CLP-09", "Nothing is clipped: the gradients come back as they were."),
    Mistake(
        "CLP-10",
        "Small gradients are scaled up and large ones left: the factor is min(1, …), not max.",
    ),
    *ways(
        "CLP-11",
        "A mean is taken in place of the sum: norm = √(Σ g²) over all entries.",
        "CLP-11",
        "CLP-11b",
        "CLP-11c",
    ),
    Mistake("CLP-15", "The norm after clipping is returned; return the one before."),
    Mistake("CLP-16", "A zero gradient divides by a zero norm; it stays as it is."),
    Mistake("CLP-18", "The factor is upside down: it is max_norm / norm."),
    *ways(
        "CLP-19",
        "Only one array is scaled; all are, by the same factor.",
        "CLP-19",
        "CLP-19b",
    ),
    *ways(
        "CLP-20",
        "The norm is that of one array; it is taken over all of them.",
        "CLP-20",
        "CLP-20b",
    ),
    *ways(
        "CLP-21",
        "The factor above the limit is not max_norm / norm: one of the two is left out.",
        "CLP-21",
        "CLP-21b",
    ),
    Mistake("CLP-21", "A gradient above the limit is set to 0; scale it down.", False, "CLP-21c"),
    Mistake("CLP-22", "The norm is returned first; the order is clipped, norm."),
    *ways(
        "CLP-23",
        "The entries are summed before they are squared: norm = √(Σ g²).",
        "CLP-23",
        "CLP-23b",
    ),
    Mistake("CLP-25", "The factor is returned; return the norm before clipping."),
    Mistake("CLP-26", "The arrays' norms are not squared in the sum: norm = √(Σ g²)."),
    Mistake("CLP-28", "The squared norm is compared with max_norm; compare the norm."),
    Mistake(
        "CLP-30",
        "The spectral norm of each matrix is taken; the norm is √(Σ g²) over all entries.",
    ),
    Mistake("CLP-31", "A norm for each array is returned; return one for all of them."),
    *ways(
        "CLP-37",
        "The max_norm that is given is ignored: a fixed limit is used.",
        "CLP-37",
        "CLP-37b",
    ),
    *ways(
        "CLP-36", "The factor is a power of max_norm / norm; take it as it is.", "CLP-36", "CLP-36b"
    ),
    Mistake(
        "CLP-38",
        "Above the limit each array is scaled by its own norm; all are by the same factor, "
        "max_norm / norm.",
    ),
    Mistake(
        "CLP-39",
        "Each array is clipped by the norm of those so far: finish the loop over the norm first.",
    ),
    Mistake("CLP-40", "The factor is divided by the number of arrays: it is max_norm / norm."),
    Mistake("CLP-41", "The norm is divided by the number of arrays: norm = √(Σ g²)."),
]


# Gradient descent


def sgd_step(on: Switches, param: Array, grad: Array, lr: float) -> Array:
    for switch, wrong in SGD.items():
        if switch in on:
            return wrong(param, grad, lr)
    return param - lr * grad


SGD: dict[str, Callable[[Array, Array, float], Array]] = {
    "SGD-01": lambda param, grad, lr: param + lr * grad,
    "SGD-02": lambda param, grad, lr: param - grad,
    "SGD-03": lambda param, grad, lr: param - lr * grad / len(grad),
    "SGD-03b": lambda param, grad, lr: param - lr * grad / grad.size,
    "SGD-04": lambda param, grad, lr: param - lr * np.sign(grad),
    "SGD-05": lambda param, grad, lr: param - lr * grad / np.linalg.norm(grad),
    "SGD-05b": lambda param, grad, lr: param - lr * grad / max(float(np.linalg.norm(grad)), 1e-8),
    "SGD-06": lambda param, grad, lr: -lr * grad,
    "SGD-06b": lambda param, grad, lr: lr * grad,
    "SGD-07": lambda param, grad, lr: param - lr * grad * param,
    "SGD-08": lambda param, grad, lr: grad - lr * param,
    "SGD-09": lambda param, grad, lr: lr * (param - grad),
    "SGD-09b": lambda param, grad, lr: lr * param - grad,
    "SGD-10": lambda param, grad, lr: (param - lr * grad).astype(param.dtype),
    "SGD-11": lambda param, grad, lr: param - grad / lr,
    "SGD-12": lambda param, grad, lr: param - lr,
    "SGD-13": lambda param, grad, lr: param - lr * grad**2,
    "SGD-14": lambda param, grad, lr: param * (1 - lr) - lr * grad,
    "SGD-14b": lambda param, grad, lr: (1 - lr) * param + lr * grad,
    "SGD-14c": lambda param, grad, lr: (1 - lr) * param - grad,
    "SGD-15": lambda param, grad, lr: param.copy(),
    "SGD-16": lambda param, grad, lr: param - lr * grad.mean(),
    "SGD-16b": lambda param, grad, lr: param - lr * grad.sum(),
    "SGD-16c": lambda param, grad, lr: param - lr * grad.mean(axis=0),
    "SGD-17": lambda param, grad, lr: param - 2 * lr * grad,
    "SGD-17b": lambda param, grad, lr: param - lr * grad / 2,
    "SGD-18": lambda param, grad, lr: param - lr**2 * grad,
    "SGD-19": lambda param, grad, lr: (param - lr) * grad,
    "SGD-20": lambda param, grad, lr: param - lr + grad,
    "SGD-20b": lambda param, grad, lr: param - (lr + grad),
    "SGD-21": lambda param, grad, lr: param - lr * np.clip(grad, -1, 1),
    "SGD-22": lambda param, grad, lr: param - lr * np.abs(grad),
}

OF_SGD_STEP = [
    Mistake("SGD-01", "The step goes uphill: it is param − lr · grad."),
    Mistake("SGD-02", "The learning rate is left out: param − lr · grad."),
    *ways(
        "SGD-03",
        "The gradient is divided by a number of entries; the 1/N of a mean is in it already.",
        "SGD-03",
        "SGD-03b",
    ),
    Mistake("SGD-04", "Only the sign of the gradient is used: param − lr · grad."),
    *ways(
        "SGD-05", "The gradient is scaled to length 1; it is used as it is.", "SGD-05", "SGD-05b"
    ),
    *ways(
        "SGD-06",
        "The step is returned; return the new param: param − lr · grad.",
        "SGD-06",
        "SGD-06b",
    ),
    Mistake("SGD-07", "The step is multiplied by param: param − lr · grad."),
    Mistake("SGD-08", "param and grad are exchanged: param − lr · grad."),
    *ways(
        "SGD-09",
        "lr multiplies param too: only grad is scaled, param − lr · grad.",
        "SGD-09",
        "SGD-09b",
    ),
    Mistake("SGD-10", "The result is cut to whole numbers like an integer param; make it float."),
    Mistake("SGD-11", "The gradient is divided by lr; it is multiplied."),
    Mistake("SGD-12", "The gradient is left out: param − lr · grad."),
    Mistake("SGD-13", "The gradient is squared: param − lr · grad."),
    *ways(
        "SGD-14",
        "param is shrunk by 1 − lr, as in weight decay or an average; here it is not.",
        "SGD-14",
        "SGD-14b",
        "SGD-14c",
    ),
    Mistake("SGD-15", "param is returned as it was: no step is taken."),
    *ways(
        "SGD-16",
        "The gradient is averaged or summed to fewer entries; each entry has its own.",
        "SGD-16",
        "SGD-16b",
        "SGD-16c",
    ),
    *ways("SGD-17", "A factor 2 or ½ is too many: param − lr · grad.", "SGD-17", "SGD-17b"),
    Mistake("SGD-18", "lr is multiplied in twice: param − lr · grad."),
    Mistake("SGD-19", "Parentheses: lr is subtracted, then all multiplied; param − lr · grad."),
    *ways("SGD-20", "lr is not multiplied by grad: param − lr · grad.", "SGD-20", "SGD-20b"),
    Mistake("SGD-21", "The gradient is cut off at ±1; it is used as it is."),
    Mistake("SGD-22", "The sign of the gradient is lost: param − lr · grad."),
]


# Adam


def adam_step(
    on: Switches,
    param: Array,
    grad: Array,
    m: Array,
    v: Array,
    step: int,
    lr: float,
    beta1: float | None = None,
    beta2: float | None = None,
    eps: float | None = None,
) -> tuple[Array, Array, Array]:
    beta1, beta2, eps = hyperparameters(on, beta1, beta2, eps)
    old_m, old_v = m, v
    t = step if "ADM-51" in on else 1
    averaging = (beta2, beta1) if "ADM-16b" in on else (beta1, beta2)
    m, v = moments(on, grad, m, v, averaging[0] ** t, averaging[1] ** t)
    if "ADM-53" in on:
        v = np.maximum(v, old_v)
    used_m = old_m if on & {"ADM-28", "ADM-28b"} else m
    used_v = old_v if on & {"ADM-28", "ADM-28c"} else v
    m_hat, v_hat = corrected(on, used_m, used_v, step, beta1, beta2)
    if "ADM-29" in on:
        m_hat = grad
    if "ADM-54" in on:
        m_hat = beta1 * m_hat + (1 - beta1) * grad / (1 - beta1**step)
    if "ADM-52" in on:
        lr = lr / math.sqrt(step)
    update = lr * quotient(on, m_hat, v_hat, step, beta2, eps)
    if "ADM-49" in on:
        update = update * math.sqrt(1 - beta2**step) / (1 - beta1**step)
    if "ADM-50" in on:
        update = lr * (1 - beta2**step) / (1 - beta1**step) * m / (np.sqrt(v) + eps)
    if "ADM-14" in on:
        update = -update
    if "ADM-31" in on:
        update = update / lr
    new = -update if "ADM-32" in on else param - update
    if "ADM-08" in on:
        m, v = m_hat, v_hat
    if "ADM-08b" in on:
        m = m_hat
    if "ADM-08c" in on:
        v = v_hat
    if "ADM-33" in on:
        m, v = old_m, old_v
    if "ADM-36" in on:
        return m, v, new
    return (new, v, m) if "ADM-36b" in on else (new, m, v)


def hyperparameters(
    on: Switches, beta1: float | None, beta2: float | None, eps: float | None
) -> tuple[float, float, float]:
    default_eps = next((x for switch, x in DEFAULT_EPS.items() if switch in on), 1e-8)
    default_beta1 = next((x for switch, x in DEFAULT_BETA1.items() if switch in on), 0.9)
    default_beta2 = next((x for switch, x in DEFAULT_BETA2.items() if switch in on), 0.999)
    beta1 = default_beta1 if beta1 is None else beta1
    beta2 = default_beta2 if beta2 is None else beta2
    eps = default_eps if eps is None else eps
    if "ADM-13" in on:
        eps = 1e-8
    if "ADM-25" in on:
        beta1, beta2 = 0.9, 0.999
    if "ADM-16" in on:
        beta1, beta2 = beta2, beta1
    if "ADM-39" in on:
        beta2 = beta1
    if "ADM-39b" in on:
        beta1 = beta2
    return beta1, beta2, eps


DEFAULT_EPS = {"ADM-22": 1e-5, "ADM-22b": 1e-6, "ADM-22c": 1e-7}
DEFAULT_BETA1 = {"ADM-23": 0.99, "ADM-23b": 0.8, "ADM-23c": 0.95}
DEFAULT_BETA2 = {"ADM-24": 0.99, "ADM-24b": 0.9, "ADM-24c": 0.95, "ADM-24d": 0.9999}


def moments(
    on: Switches, g: Array, m: Array, v: Array, beta1: float, beta2: float
) -> tuple[Array, Array]:
    keep1, take1 = (1 - beta1, beta1) if on & {"ADM-27", "ADM-27c"} else (beta1, 1 - beta1)
    keep2, take2 = (1 - beta2, beta2) if on & {"ADM-27b", "ADM-27c"} else (beta2, 1 - beta2)
    if "ADM-15" in on:
        take1 = 1.0
    if "ADM-15b" in on:
        take2 = 1.0
    if "ADM-26" in on:
        keep1 = 1.0
    if "ADM-26b" in on:
        keep2 = 1.0
    if "ADM-58" in on:
        keep1 = 0.0
    if "ADM-58b" in on:
        keep2 = 0.0
    if "ADM-55" in on:
        take1 = 1 - beta2
    if "ADM-55b" in on:
        take2 = 1 - beta1
    old_m, first = m, g * g if "ADM-56" in on else g
    m = keep1 * m + take1 * first
    square = g * g
    if "ADM-57" in on:
        square = g * m
    if "ADM-57b" in on:
        square = (g - old_m) ** 2
    if "ADM-17" in on:
        square = g
    if "ADM-17b" in on:
        square = np.abs(g)
    if "ADM-42" in on:
        square = m * m
    if "ADM-42b" in on:
        square = np.full_like(g, (g * g).mean())
    if "ADM-42c" in on:
        square = np.full_like(g, (g * g).sum())
    if "ADM-43" in on:
        square = (g - m) ** 2
    return m, keep2 * v + take2 * square


def corrected(
    on: Switches, m: Array, v: Array, step: int, beta1: float, beta2: float
) -> tuple[Array, Array]:
    t = step - 1 if "ADM-04" in on else step + 1 if "ADM-05" in on else step
    t1 = t + ("ADM-05b" in on) - ("ADM-04b" in on)
    t2 = t + ("ADM-05c" in on) - ("ADM-04c" in on)
    c1, c2 = 1 - beta1**t1, 1 - beta2**t2
    if "ADM-03" in on:
        c1, c2 = 1 - beta1, 1 - beta2
    if "ADM-41" in on:
        c1, c2 = 1 - beta1 * t, 1 - beta2 * t
    if "ADM-41b" in on:
        c1, c2 = (1 - beta1) ** t, (1 - beta2) ** t
    if "ADM-40" in on:
        c1, c2 = c2, c1
    if "ADM-40b" in on:
        c2 = c1
    if "ADM-40c" in on:
        c1 = c2
    if "ADM-02" in on:
        c1, c2 = 1 / c1, 1 / c2
    if "ADM-44" in on:
        c1, c2 = 1 + beta1**t, 1 + beta2**t
    if "ADM-44b" in on:
        c1, c2 = beta1**t, beta2**t
    if "ADM-01" in on or "ADM-07" in on:
        c1 = 1.0
    if "ADM-01" in on or "ADM-06" in on:
        c2 = 1.0
    return m / c1, v / c2


def quotient(
    on: Switches, m_hat: Array, v_hat: Array, step: int, beta2: float, eps: float
) -> Array:
    if "ADM-30" in on:
        return m_hat
    if "ADM-45" in on:
        return np.sign(m_hat)
    if "ADM-12" in on:
        eps = 0.0
    if "ADM-21" in on:
        eps = -eps
    if "ADM-09" in on:
        root = np.sqrt(v_hat + eps)
    elif "ADM-09b" in on:
        root = np.sqrt(v_hat + eps**2)
    elif "ADM-10" in on:
        root = np.sqrt(v_hat) + eps / math.sqrt(1 - beta2**step)
    elif "ADM-11" in on:
        root = v_hat + eps
    elif "ADM-37" in on:
        root = np.sqrt(v_hat) / math.sqrt(1 - beta2**step) + eps
    elif "ADM-46" in on:
        root = np.maximum(np.sqrt(v_hat), eps)
    elif "ADM-47" in on:
        return m_hat / np.sqrt(v_hat) + eps
    elif "ADM-48" in on:
        return m_hat * (np.sqrt(v_hat) + eps)
    else:
        root = np.sqrt(v_hat) + eps
    return m_hat / root


OF_ADAM_STEP = [
    Mistake("ADM-01", "The bias correction is missing: m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ)."),
    Mistake("ADM-02", "m and v are multiplied by 1 − βᵗ; they are divided by it."),
    Mistake("ADM-03", "The correction lacks the power t: it is 1 − βᵗ, not 1 − β."),
    Mistake("ADM-04", "The correction is one step behind: `step` is 1 on the first call."),
    Mistake("ADM-05", "The correction is one step ahead: `step` is t, not t − 1."),
    Mistake("ADM-04", "The correction of m is one step behind.", switch="ADM-04b"),
    Mistake("ADM-04", "The correction of v is one step behind.", switch="ADM-04c"),
    Mistake("ADM-05", "The correction of m is one step ahead.", switch="ADM-05b"),
    Mistake("ADM-05", "The correction of v is one step ahead.", switch="ADM-05c"),
    Mistake(
        "ADM-08",
        "The corrected m is returned as the new m, so that the correction compounds.",
        switch="ADM-08b",
    ),
    Mistake(
        "ADM-08",
        "The corrected v is returned as the new v, so that the correction compounds.",
        switch="ADM-08c",
    ),
    Mistake(
        "ADM-16",
        "β₁ and β₂ are exchanged in the averages: β₁ is m's, β₂ is v's.",
        switch="ADM-16b",
    ),
    Mistake("ADM-06", "Only m is corrected; v̂ = v / (1 − β₂ᵗ) as well."),
    Mistake("ADM-07", "Only v is corrected; m̂ = m / (1 − β₁ᵗ) as well."),
    Mistake(
        "ADM-08",
        "The corrected moments are returned; return m and v as they were before the correction, "
        "or it is applied again in each step.",
    ),
    *ways("ADM-09", "ε stands inside the root; it is added outside: √v̂ + ε.", "ADM-09", "ADM-09b"),
    Mistake(
        "ADM-10",
        "Right elsewhere (TensorFlow 1, the ε-hat of the paper's section 2: ε added to √v before "
        "the correction); here it is added to the corrected √v̂.",
        convention=True,
    ),
    Mistake("ADM-11", "The root is missing: m̂ is divided by √v̂ + ε."),
    Mistake("ADM-12", "ε is left out: m̂ / (√v̂ + ε), or a zero gradient gives 0 / 0."),
    Mistake("ADM-13", "The ε that is given is ignored: 1e-8 is always used."),
    Mistake("ADM-14", "The step goes uphill: it is param − lr · m̂ / (√v̂ + ε)."),
    Mistake("ADM-15", "The factor 1 − β₁ is missing: m ← β₁ m + (1 − β₁) g."),
    Mistake("ADM-15", "The factor 1 − β₂ is missing: v ← β₂ v + (1 − β₂) g².", False, "ADM-15b"),
    Mistake("ADM-16", "β₁ and β₂ are exchanged: β₁ is m's, β₂ is v's."),
    *ways(
        "ADM-17", "The gradient is not squared in v: v ← β₂ v + (1 − β₂) g².", "ADM-17", "ADM-17b"
    ),
    Mistake("ADM-21", "ε is subtracted: it is √v̂ + ε."),
    *ways("ADM-22", "ε has another default: it is 1e-8.", *DEFAULT_EPS),
    *ways("ADM-23", "β₁ has another default: it is 0.9.", *DEFAULT_BETA1),
    *ways("ADM-24", "β₂ has another default: it is 0.999.", *DEFAULT_BETA2),
    Mistake("ADM-25", "The β₁ and β₂ that are given are ignored: the defaults are always used."),
    Mistake("ADM-26", "The factor β₁ is missing: m ← β₁ m + (1 − β₁) g."),
    Mistake("ADM-26", "The factor β₂ is missing: v ← β₂ v + (1 − β₂) g².", False, "ADM-26b"),
    *ways(
        "ADM-27",
        "β and 1 − β are exchanged: the old moment has β, the new gradient 1 − β.",
        "ADM-27",
        "ADM-27b",
        "ADM-27c",
    ),
    Mistake("ADM-28", "The step is taken with the old m and v; update them first."),
    Mistake("ADM-28", "The step is taken with the old m; update it first.", False, "ADM-28b"),
    Mistake("ADM-28", "The step is taken with the old v; update it first.", False, "ADM-28c"),
    Mistake("ADM-29", "The gradient itself is used in place of m̂, as in RMSprop."),
    Mistake("ADM-30", "The step is not divided by √v̂ + ε."),
    Mistake("ADM-31", "The learning rate is left out."),
    Mistake("ADM-32", "The step is returned; return the new param."),
    Mistake("ADM-33", "m and v are returned as they were; return the new ones."),
    *ways("ADM-36", "The results are in another order; it is param, m, v.", "ADM-36", "ADM-36b"),
    Mistake("ADM-37", "v is corrected twice, within the root and outside: √(v / (1 − β₂ᵗ))."),
    Mistake("ADM-39", "β₁ is used for v too: v has β₂."),
    Mistake("ADM-39", "β₂ is used for m too: m has β₁.", False, "ADM-39b"),
    *ways(
        "ADM-40",
        "A correction has the wrong β: m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ).",
        "ADM-40",
        "ADM-40b",
        "ADM-40c",
    ),
    *ways(
        "ADM-41", "The power is in the wrong place: the correction is 1 − βᵗ.", "ADM-41", "ADM-41b"
    ),
    Mistake("ADM-42", "v averages the square of m; it averages the square of the gradient."),
    *ways(
        "ADM-42",
        "v has one number for all entries; each entry averages the square of its own gradient.",
        "ADM-42b",
        "ADM-42c",
    ),
    Mistake("ADM-43", "v averages (g − m)², as in AdaBelief; here it averages g²."),
    *ways("ADM-44", "The correction is 1 − βᵗ, not 1 + βᵗ or βᵗ.", "ADM-44", "ADM-44b"),
    Mistake("ADM-45", "Only the sign of m̂ is used; divide it by √v̂ + ε."),
    Mistake("ADM-46", "The larger of √v̂ and ε is taken; they are added."),
    Mistake("ADM-47", "Parentheses are missing: m̂ / (√v̂ + ε)."),
    Mistake("ADM-49", "The step is corrected twice: once in m̂ and v̂, once in the learning rate."),
    Mistake(
        "ADM-50",
        "A root is missing in the corrected learning rate: it is lr · √(1 − β₂ᵗ) / (1 − β₁ᵗ).",
    ),
    Mistake("ADM-51", "The averages of m and v use βᵗ; they use β."),
    Mistake("ADM-52", "The learning rate falls with the step; here lr is used as it is."),
    Mistake("ADM-53", "v never falls, as in AMSGrad; here v ← β₂ v + (1 − β₂) g²."),
    Mistake("ADM-54", "m̂ looks a step ahead, as in Nadam; here m̂ = m / (1 − β₁ᵗ)."),
    *ways(
        "ADM-55",
        "β and 1 − β are not of one kind: m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g².",
        "ADM-55",
        "ADM-55b",
    ),
    Mistake("ADM-56", "m averages the squared gradient; it averages the gradient."),
    Mistake("ADM-57", "v averages g · m; it averages the square of the gradient."),
    Mistake("ADM-43", "v averages (g − m)² with the old m; here it averages g².", switch="ADM-57b"),
    Mistake("ADM-58", "The old m is forgotten: m ← β₁ m + (1 − β₁) g."),
    Mistake("ADM-58", "The old v is forgotten: v ← β₂ v + (1 − β₂) g².", switch="ADM-58b"),
    Mistake("ADM-48", "m̂ is multiplied by √v̂ + ε; it is divided."),
]


# Schedule


def linear_schedule(on: Switches, start: float, end: float, fraction: float) -> float:
    for switch, wrong in SCHEDULE.items():
        if switch in on:
            return float(wrong(start, end, fraction))
    return start + (end - start) * fraction


SCHEDULE: dict[str, Callable[[float, float, float], float]] = {
    "LRA-03": lambda start, end, f: int(start + (end - start) * f),
    "LRA-03b": lambda start, end, f: round(start + (end - start) * f),
    "LRA-03c": lambda start, end, f: math.floor(start + (end - start) * f),
    "LRA-07": lambda start, end, f: end + (start - end) * f,
    "LRA-08": lambda start, end, f: start * (1 - f),
    "LRA-09": lambda start, end, f: start * (1 - f) + end,
    "LRA-10": lambda start, end, f: start + end * f,
    "LRA-10b": lambda start, end, f: start - end * f,
    "LRA-11": lambda start, end, f: start * (end / start) ** f,
    "LRA-12": lambda start, end, f: end + (start - end) * (1 + math.cos(math.pi * f)) / 2,
    "LRA-13": lambda start, end, f: start,
    "LRA-13b": lambda start, end, f: end,
    "LRA-14": lambda start, end, f: start + (end - start) * f**2,
    "LRA-14b": lambda start, end, f: start + (end - start) * math.sqrt(f),
    "LRA-14c": lambda start, end, f: end + (start - end) * (1 - f) ** 2,
    "LRA-17": lambda start, end, f: start - (end - start) * f,
    "LRA-18": lambda start, end, f: (start - end) * (1 - f),
    "LRA-18b": lambda start, end, f: (end - start) * f,
    "LRA-19": lambda start, end, f: max(start * (1 - f), end),
    "LRA-20": lambda start, end, f: (start + end) / 2,
    "LRA-21": lambda start, end, f: f,
    "LRA-21b": lambda start, end, f: 1 - f,
    "LRA-22": lambda start, end, f: start * f,
    "LRA-23": lambda start, end, f: end * f,
    "LRA-24": lambda start, end, f: end if f >= 1 else start,
    "LRA-25": lambda start, end, f: start + (end - start) * f / 100,
    "LRA-26": lambda start, end, f: start - f,
    "LRA-27": lambda start, end, f: max(start + (end - start) * f, end),
    "LRA-29": lambda start, end, f: start + (end + start) * f,
    "LRA-28": lambda start, end, f: (start + end) * (1 - f),
    "LRA-30": lambda start, end, f: (1 - f) * start - f * end,
}

OF_LINEAR_SCHEDULE = [
    *ways(
        "LRA-03",
        "The value is cut to a whole number; it should be a float.",
        "LRA-03",
        "LRA-03b",
        "LRA-03c",
    ),
    Mistake(
        "LRA-07",
        "It runs backwards: `fraction` is the share that is done, with `start` at 0.",
    ),
    Mistake("LRA-08", "`end` is ignored: the line goes from `start` to `end`, not to 0."),
    Mistake("LRA-09", "`end` is added to a line that goes to 0: (1 − f) · start + f · end."),
    *ways("LRA-10", "The slope is end, where it should be end − start.", "LRA-10", "LRA-10b"),
    Mistake("LRA-11", "It goes in equal ratios, as an exponential; a straight line is wanted."),
    Mistake("LRA-12", "It follows a cosine; a straight line is wanted."),
    Mistake("LRA-13", "It is always `start`: (1 − f) · start + f · end."),
    Mistake("LRA-13", "It is always `end`: (1 − f) · start + f · end.", False, "LRA-13b"),
    *ways(
        "LRA-14",
        "It follows a power of the fraction; a straight line is wanted.",
        "LRA-14",
        "LRA-14b",
        "LRA-14c",
    ),
    Mistake("LRA-17", "The slope has the wrong sign: start + f · (end − start)."),
    *ways(
        "LRA-18",
        "The line is not moved to its ends: start + f · (end − start).",
        "LRA-18",
        "LRA-18b",
    ),
    Mistake("LRA-19", "It falls towards 0 and stays at `end` from there; it reaches `end` at 1."),
    Mistake("LRA-20", "It is always the middle: (1 − f) · start + f · end."),
    *ways(
        "LRA-21",
        "The share itself is returned; the value between start and end is wanted.",
        "LRA-21",
        "LRA-21b",
    ),
    Mistake("LRA-22", "It is start · f: (1 − f) · start + f · end."),
    Mistake("LRA-23", "`start` is ignored: (1 − f) · start + f · end."),
    Mistake(
        "LRA-24",
        "It jumps from `start` to `end` at the end, as where the fraction is cut to a whole "
        "number; a straight line is wanted.",
    ),
    Mistake("LRA-25", "`fraction` is divided by 100; it goes from 0 to 1 already."),
    Mistake("LRA-26", "The share itself is subtracted: start + f · (end − start)."),
    Mistake("LRA-27", "The value is kept above `end`, which ends every rising line at once."),
    Mistake("LRA-28", "1 − f multiplies `end` too: (1 − f) · start + f · end."),
    Mistake("LRA-29", "`start` is added in the slope; it is end − start."),
    Mistake("LRA-30", "`end` is subtracted: (1 − f) · start + f · end."),
]

VARIANTS: dict[str, Callable[..., Any]] = {
    "clip_grad_norm": clip_grad_norm,
    "sgd_step": sgd_step,
    "adam_step": adam_step,
    "linear_schedule": linear_schedule,
}

MISTAKES: dict[str, list[Mistake]] = {
    "clip_grad_norm": OF_CLIP_GRAD_NORM,
    "sgd_step": OF_SGD_STEP,
    "adam_step": OF_ADAM_STEP,
    "linear_schedule": OF_LINEAR_SCHEDULE,
}
