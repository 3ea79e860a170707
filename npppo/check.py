"""Is a hand-written backward pass right? A gradient checker, and the check of npppo's own gradients.

For `out, cache = forward(*args)` and `grads = backward(dout, cache)` a cotangent `dout` is drawn at
random, and every entry of every returned gradient is compared with the derivative of the number
<dout, out> = Σ dout · out. That derivative comes from the forward alone, in two independent ways:

    complex step          Im f(x + ih) / h             nothing is subtracted, so h can be tiny and
                                                       the result is exact to rounding
    central difference    (f(x + h) - f(x - h)) / 2h   works for any forward, to about ten digits

The cotangent is never all ones. The outputs of a softmax, say, sum to 1 whatever goes in: for a
cotangent of ones the right gradient is 0, and so is a wrong one times any factor.

The error of a gradient is max|yours - numeric| / max|numeric|, both over all entries of one array.
Rounding is of the size of the largest entry in all of them, so an entry that is small because
terms cancelled has no digits of its own that could be compared.

Source: Squire & Trapp 1998 (complex step).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .shapes import Array

EPSILON = float(np.finfo(np.float64).eps)  # 2e-16

# The complex step's own error is h² = 1e-60; what remains is the rounding of some thousand
# additions and multiplications.
COMPLEX_STEP = 1e-30
COMPLEX_STEP_BAR = 1e-12

# The central difference is off by h² f'''/6 and, from the subtraction, by EPSILON f / h. At the
# cube root of EPSILON, 6e-6, both are some 1e-11; the bar lets f and f''' be a thousand times
# larger than the gradient.
CENTRAL_STEP = EPSILON ** (1 / 3)
CENTRAL_BAR = 1e-7

# A numeric gradient of numbers of order one that is below this is a rounded 0.
SMALLEST_GRADIENT = 1e-8

Forward = Callable[..., tuple[Any, Any]]
Backward = Callable[..., Any]


@dataclass(frozen=True)
class GradientResult:
    """The verdict on the gradient of one argument; `message` says what is wrong, and is else empty.

    An error is nan where there was nothing to compare.
    """

    function: str
    argument: str
    complex_step_error: float
    central_difference_error: float
    ok: bool
    message: str


def check_gradient(
    forward: Forward,
    backward: Backward,
    *args: Any,
    wrt: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    function: str | None = None,
    seed: int | np.random.Generator = 0,
) -> list[GradientResult]:
    """Compare `backward` with numeric derivatives of `forward` at `args`, in float64.

    Gives one result for each array that is differentiated, and one for everything else that
    breaks the convention: something changed in place, or a wrong number of gradients. The arrays
    in a list, such as the `params` of `mlp`, are `params[0][0]`, `params[0][1]` and so on. Where
    `out` is a tuple of arrays, `backward` is called with one cotangent for each.

    `wrt` names the differentiable arguments in the order in which `backward` returns their
    gradients; without it they are all floating arrays, and lists of them, among `args`. `names`
    are the arguments' names and `function` that of the whole; both are else asked of `forward`.

    A numeric gradient (close to) 0 is a failure: at such a point the check would prove nothing.
    """
    function = function or _name(forward)
    given = dict(zip(names or _argument_names(forward, len(args)), args, strict=True))
    wrt = wrt or [name for name, value in given.items() if _is_differentiable(value)]
    for name in wrt:
        if name not in given or not _is_differentiable(given[name]):
            raise ValueError(f"{name} is no floating array among the arguments {', '.join(given)}")
    probe = _Probe(forward, backward, given, wrt)
    dout = _cotangent(probe.outputs(float), np.random.default_rng(seed))
    faults = _faults(probe, dout)
    gradients = probe.gradients(dout)
    arrays = probe.arrays(probe.point(float))
    if list(gradients) != list(arrays):
        faults[", ".join(wrt)] = (
            f"{_name(backward)} returned {len(gradients)} gradients "
            f"({', '.join(gradients)}), expected {len(arrays)} ({', '.join(arrays)})"
        )
        arrays = {}

    results = []
    for name in arrays:
        complex_error, central_error, message = _compare(probe, name, gradients[name], dout)
        message = ". ".join(filter(None, [faults.pop(name, ""), message]))
        results.append(
            GradientResult(function, name, complex_error, central_error, not message, message)
        )
    for name, message in faults.items():
        results.append(GradientResult(function, name, np.nan, np.nan, False, message))
    return results


def assert_gradient(forward: Forward, backward: Backward, *args: Any, **options: Any) -> None:
    """`check_gradient` for use in a test: raises AssertionError saying what is wrong, and where."""
    results = check_gradient(forward, backward, *args, **options)
    failures = [f"{r.function}, {r.argument}: {r.message}" for r in results if not r.ok]
    if failures:
        raise AssertionError("\n".join(failures))


def format_table(results: Sequence[GradientResult]) -> str:
    """The results as a table for the terminal, and below it what is wrong where something is."""
    rows = [("function", "argument", "complex step", "central difference", "verdict")]
    for r in results:
        errors = f"{r.complex_step_error:.1e}", f"{r.central_difference_error:.1e}"
        rows.append((r.function, r.argument, *errors, "ok" if r.ok else "WRONG"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    lines += [f"\n{r.function}, {r.argument}: {r.message}" for r in results if not r.ok]
    return "\n".join(lines)


# Calling the functions


@dataclass(frozen=True)
class _Probe:
    """A forward and its backward at one point. Every call gets a copy of the arguments, lest a
    function that changes them spoil the next call."""

    forward: Forward
    backward: Backward
    given: dict[str, Any]
    wrt: Sequence[str]

    def point(self, dtype: type) -> dict[str, Any]:
        return {n: _copy(v, dtype if n in self.wrt else None) for n, v in self.given.items()}

    def arrays(self, point: dict[str, Any]) -> dict[str, Array]:
        """The arrays to differentiate by, out of their lists: {"params[0][0]": W, ...}."""
        return _flat({name: point[name] for name in self.wrt})

    def outputs(self, dtype: type, array: str = "", entry: int = 0, step: complex = 0) -> Any:
        """The outputs, one entry of one array being moved by a real or an imaginary step."""
        point = self.point(dtype)
        if step:
            self.arrays(point)[array].flat[entry] += step
        out, _ = self.forward(*point.values())
        return [np.array(o) for o in (out if isinstance(out, tuple) else (out,))]

    def gradients(self, dout: Sequence[Array]) -> dict[str, Any]:
        _, cache = self.forward(*self.point(float).values())
        return self.by_name(_call(self.backward, dout, cache))

    def by_name(self, returned: Any) -> dict[str, Any]:
        """What the backward returned, as {"x": dx, "params[0][0]": dW, ...}."""
        lone = self.given[self.wrt[0]] if len(self.wrt) == 1 else ()
        ...
