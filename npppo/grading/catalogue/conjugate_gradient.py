"""Known mistakes in the method of conjugate gradients."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..exercise import Array, Mistake, Switches, ways

DAMPING = {
    **{"CGR-33": 0.1, "CGR-33b": 0.01, "CGR-33c": 1e-3, "CGR-33d": 1e-4, "CGR-33e": 1e-5},
    **{"CGR-33f": 1e-6, "CGR-33g": 1e-8},
}
BELOW = {f"CGR-47+{eps:.0e}": eps for eps in [1e-6, 1e-8, 1e-10, 1e-12]}  # added below the bars


def conjugate_gradient(
    on: Switches,
    matvec: Callable[[Array], Array],
    b: Array,
    iterations: int,
    tolerance: float = 1e-10,
) -> Array:
    if "CGR-25" in on:
        return matvec(b)
    if "CGR-14b" in on:
        return np.linalg.solve(np.array([matvec(e) for e in np.eye(len(b))]), b)
    iterations += ("CGR-13b" in on) - ("CGR-13" in on)
    if "CGR-14" in on:
        iterations = len(b)
    x = np.zeros_like(b)  # (D,)
    if "CGR-09" in on:
        x = b.copy()
    if "CGR-09b" in on:
        x = np.ones_like(b)
    r = p = b  # (D,)
    rr: Any = r @ r
    bb = rr
    was_done = False
    for _ in range(iterations):
        done = close_enough(on, rr, bb, tolerance)
        if was_done if "CGR-21" in on else done:
            break
        was_done = done
        Ap = matvec(r if "CGR-46" in on else p)  # (D,)
        Ap = Ap + sum(DAMPING[switch] for switch in on & DAMPING.keys()) * p
        alpha = step_length(on, rr, p, Ap)
        if "CGR-37" in on:
            x = x + alpha * r
        elif "CGR-36" in on:
            x = alpha * p
        elif "CGR-38" not in on:
            x = x - alpha * p if "CGR-10" in on else x + alpha * p
        stale = r
        if "CGR-11" in on:
            r = r + alpha * Ap
        elif "CGR-32" in on:
            r = r - alpha * p
        elif "CGR-39" in on:
            r = b - alpha * Ap
        elif "CGR-39b" in on:
            r = r - Ap
        elif "CGR-08" not in on:
            r = r - alpha * Ap
        new_rr: Any = r @ r
        p = new_direction(on, stale if "CGR-45" in on else r, p, new_rr, rr)
        if "CGR-38" in on:
            x = x + alpha * p
        if "CGR-43" not in on:
            rr = new_rr
    if "CGR-17" in on:
        return r
    return p if "CGR-17b" in on else x


def close_enough(on: Switches, rr: float, bb: float, tolerance: float) -> bool:
    if "CGR-02" in on:
        return False
    if "CGR-02b" in on:
        return bool(rr < tolerance**2 * bb)
    if "CGR-03" in on:
        return bool(rr == 0)
    if "CGR-04" in on:
        return bool(math.sqrt(rr) <= tolerance)
    if "CGR-04b" in on:
        return bool(rr <= tolerance)
    if "CGR-05" in on:
        return bool(rr <= tolerance * bb)
    if "CGR-44" in on:
        return bool(rr <= tolerance * math.sqrt(bb))
    if "CGR-44b" in on:
        return bool(math.sqrt(rr) <= tolerance**2 * bb)
    if "CGR-44c" in on:
        return bool(math.sqrt(rr) <= tolerance * bb)
    return bool(rr <= tolerance**2 * bb)


def step_length(on: Switches, rr: float, p: Array, Ap: Array) -> float:
    pAp = p @ Ap
    if "CGR-15" in on:
        return float(rr / (p @ p))
    if "CGR-15b" in on:
        return float((p @ p) / pAp)
    if "CGR-15c" in on:
        return float(rr / (Ap @ Ap))
    if "CGR-16" in on:
        return float(np.sqrt(rr / pAp))
    if "CGR-16b" in on:
        return float(np.sqrt(rr) / pAp)
    if "CGR-34" in on:
        return 1.0
    return float(pAp / rr if "CGR-35" in on else rr / (pAp + below(on)))


def below(on: Switches) -> float:
    return sum(BELOW[switch] for switch in on & BELOW.keys())


def new_direction(on: Switches, r: Array, p: Array, new_rr: float, rr: float) -> Array:
    beta = new_rr / (rr + below(on))
    if "CGR-01" in on:
        beta = 0.0
    if "CGR-06" in on:
        beta = rr / new_rr
    if "CGR-12" in on:
        beta = -beta
    if "CGR-16c" in on:
        beta = math.sqrt(beta)
    if "CGR-18" in on:
        beta = 1.0
    if "CGR-31" in on:
        return p
    if "CGR-40" in on:
        return beta * r + p
    if "CGR-40b" in on:
        return beta * p
    return r + beta * p


OF_CONJUGATE_GRADIENT = [
    Mistake(
        "CGR-01",
        "The direction is the residual alone, which is steepest descent: p ← r + β p.",
    ),
    Mistake(
        "CGR-02",
        "It never stops early, so an exact solution divides 0 by 0; stop at ‖r‖ ≤ tolerance · ‖b‖.",
    ),
    Mistake(
        "CGR-02",
        "b = 0 divides 0 by 0; stop at ‖r‖ ≤ tolerance · ‖b‖, with equality.",
        switch="CGR-02b",
    ),
    Mistake("CGR-03", "The tolerance is ignored; stop at ‖r‖ ≤ tolerance · ‖b‖."),
    Mistake(
        "CGR-04",
        "The residual is compared with the tolerance itself; stop at ‖r‖ ≤ tolerance · ‖b‖.",
    ),
    Mistake(
        "CGR-04",
        "The squared residual is compared with the tolerance itself; stop at "
        "‖r‖ ≤ tolerance · ‖b‖.",
        False,
        "CGR-04b",
    ),
    Mistake(
        "CGR-05",
        "The squares are compared with the tolerance, ‖r‖² ≤ tolerance · ‖b‖²; square it too.",
    ),
    Mistake(
        "CGR-44",
        "The squared residual is compared with the bound of the residual itself; stop at "
        "‖r‖ ≤ tolerance · ‖b‖.",
    ),
    *ways(
        "CGR-44",
        "The residual is compared with a bound that is squared; stop at ‖r‖ ≤ tolerance · ‖b‖.",
        "CGR-44b",
        "CGR-44c",
    ),
    Mistake("CGR-06", "β is upside down: it is r_newᵀr_new / rᵀr."),
    Mistake("CGR-08", "The residual is never updated: r ← r − α A p."),
    *ways("CGR-09", "x starts elsewhere though r starts as b: x starts as 0.", "CGR-09", "CGR-09b"),
    Mistake("CGR-10", "The sign of x is wrong: x ← x + α p, from r = p = b."),
    Mistake("CGR-11", "The residual has the wrong sign: r ← r − α A p."),
    Mistake("CGR-12", "β has the wrong sign: p ← r + β p."),
    Mistake("CGR-13", "There is one iteration too few."),
    Mistake("CGR-13", "There is one iteration too many.", False, "CGR-13b"),
    Mistake("CGR-14", "`iterations` is ignored: it goes on until the system is solved."),
    Mistake(
        "CGR-14",
        "The system is solved exactly, whatever `iterations` and `tolerance` are.",
        False,
        "CGR-14b",
    ),
    *ways("CGR-15", "α is another quotient: it is rᵀr / pᵀA p.", "CGR-15", "CGR-15b", "CGR-15c"),
    *ways(
        "CGR-16",
        "A root is too many: α = rᵀr / pᵀA p and β = r_newᵀr_new / rᵀr.",
        "CGR-16",
        "CGR-16b",
        "CGR-16c",
    ),
    Mistake("CGR-17", "The residual is returned; return x."),
    Mistake("CGR-17", "The direction is returned; return x.", False, "CGR-17b"),
    Mistake("CGR-18", "β is 1: rᵀr is overwritten before the quotient r_newᵀr_new / rᵀr is taken."),
    Mistake("CGR-21", "It stops one iteration late: test the residual after its update."),
    Mistake("CGR-25", "This is A b; the x with A x = b is wanted."),
    Mistake("CGR-31", "The direction is never updated: p ← r + β p."),
    Mistake("CGR-32", "A is missing where the residual is updated: r ← r − α A p."),
    *ways(
        "CGR-33",
        "Right elsewhere (TRPO damps the Fisher matrix, A + 0.1 I); here A is used as it is.",
        *DAMPING,
        convention=True,
    ),
    *ways(
        "CGR-47",
        "A small number is added to a denominator, rᵀr or pᵀA p; neither is 0 before the loop "
        "stops, so divide by them as they are.",
        *BELOW,
    ),
    Mistake("CGR-34", "The step length is 1: it is α = rᵀr / pᵀA p."),
    Mistake("CGR-35", "α is upside down: it is rᵀr / pᵀA p."),
    Mistake("CGR-36", "x is replaced in each iteration; add to it: x ← x + α p."),
    Mistake("CGR-37", "x moves along the residual; it moves along p: x ← x + α p."),
    Mistake("CGR-38", "x moves along the next direction; update x before p."),
    Mistake("CGR-39", "The residual starts from b each time; subtract from r: r ← r − α A p."),
    Mistake(
        "CGR-39", "α is missing where the residual is updated: r ← r − α A p.", False, "CGR-39b"
    ),
    Mistake("CGR-40", "β multiplies r: p ← r + β p."),
    Mistake("CGR-40", "The residual is missing in the direction: p ← r + β p.", False, "CGR-40b"),
    Mistake("CGR-43", "rᵀr stays that of the first residual; replace it by r_newᵀr_new."),
    Mistake("CGR-45", "The direction is made of the old residual: p ← r_new + β p."),
    Mistake("CGR-46", "A is multiplied by the residual; the step needs A p."),
]

VARIANTS: dict[str, Callable[..., Any]] = {
    "conjugate_gradient": conjugate_gradient,
}

MISTAKES: dict[str, list[Mistake]] = {
    "conjugate_gradient": OF_CONJUGATE_GRADIENT,
}
