"""Is a hand-written backward pass right? The gradient checker.

For `out, cache = forward(*args)` and `grads = backward(dout, cache)` a cotangent `dout` is drawn at
random, and every entry of every gradient is compared with the derivative of the number
<dout, out> = Σ dout · out. That derivative comes from the forward alone, in two independent ways:

    complex step          Im f(x + ih) / h             nothing is subtracted, so h can be tiny and
                                                       the result is exact to rounding
    central difference    (f(x + h) - f(x - h)) / 2h   works for any forward, to about ten digits

The series f(x + ih) = f + ih f' - h² f''/2 - i h³ f'''/6 … shows why: its imaginary part over h is
f' - h² f'''/6 …, and h² is nothing beside 1.

The cotangent `dout` is never all ones. The outputs of a softmax sum to 1 whatever goes in. With a
cotangent of ones its right gradient is 0, and so is any multiple of it: a wrong factor would go
unseen.

The error of a gradient is max|yours - numeric| / max|numeric|, both over all entries of one array.
Every entry has a rounding error of the size of the largest one, so an entry that is small because
terms cancelled has no right digits to compare.

Source: Squire & Trapp 1998 (complex step).
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from .formulas.shapes import Array

__all__ = ["GradientResult", "check_gradient", "assert_gradient", "format_table"]

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

# A numeric gradient below this, of numbers of order one, is taken for a rounded 0.
SMALLEST_GRADIENT = 1e-8

Forward = Callable[..., tuple[Any, Any]]
Backward = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class GradientResult:
    """The verdict on the gradient of one argument; `message` says what is wrong, if anything is.

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

    Gives one result for each array that is differentiated, and one for whatever else breaks the
    convention: something changed in place, a wrong number of gradients. The arrays in a list,
    such as the `params` of `mlp`, are called `params[0][0]`, `params[0][1]` and so on.

    `wrt` names the differentiable arguments in the order in which `backward` returns their
    gradients; without it they are all floating arrays, and lists of them, among `args`. `names`
    are the arguments' names and `function` that of the whole; by default both are taken from
    `forward`.

    A numeric gradient of (almost) 0 is a failure: at such a point the check would prove nothing.
    """
    given = dict(zip(names or _argument_names(forward, len(args)), args, strict=True))
    wrt = list(wrt or [name for name, value in given.items() if _is_differentiable(value)])
    if not wrt or not all(_is_differentiable(given.get(name)) for name in wrt):
        raise ValueError(f"wrt is {wrt}, expected names of floating arrays among {list(given)}")
    probe = _Probe(forward, backward, given, wrt)
    out, rng = probe.out(), np.random.default_rng(seed)
    # no entry is near 0, which would hide the output that goes with it
    dout = np.asarray(rng.choice([-1, 1], out.shape) * rng.uniform(0.5, 1.5, out.shape))

    faults = _misconduct(probe, dout)
    names = [] if "gradients" in faults else list(probe.arrays())

    results = []
    for name in dict.fromkeys([*names, *faults]):
        by_step, by_difference, wrong = np.nan, np.nan, ""
        if name in names:
            by_step, by_difference, wrong = _compare(probe, name, dout)
        message = "; ".join(filter(None, [faults.get(name, ""), wrong]))
        result = (function or _name(forward), name, by_step, by_difference, not message, message)
        results.append(GradientResult(*result))
    return results


def assert_gradient(forward: Forward, backward: Backward, *args: Any, **options: Any) -> None:
    """`check_gradient` for use in a test: raises AssertionError saying what is wrong, and where."""
    results = check_gradient(forward, backward, *args, **options)
    failures = [f"{r.function}, {r.argument}: {r.message}" for r in results if not r.ok]
    if failures:
        raise AssertionError("\n".join(failures))


def format_table(results: Sequence[GradientResult]) -> str:
    """The results as a table for the terminal; below it what is wrong, where something is."""
    rows = [("function", "argument", "complex step", "central difference", "verdict")]
    for r in results:
        errors = f"{r.complex_step_error:.1e}", f"{r.central_difference_error:.1e}"
        rows.append((r.function, r.argument, *errors, "ok" if r.ok else "WRONG"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    lines += [f"\n{r.function}, {r.argument}: {r.message}" for r in results if not r.ok]
    return "\n".join(lines)


# The numeric derivatives of <dout, f(x)> by every entry of x


def complex_step(f: Callable[[Array], Array], x: Array, dout: Array) -> Array:
    gradient = np.empty_like(x)
    for i in range(x.size):
        moved = x.astype(complex)
        moved.flat[i] += 1j * COMPLEX_STEP
        gradient.flat[i] = (dout * f(moved).imag).sum() / COMPLEX_STEP
    return gradient


def central_difference(
    f: Callable[[Array], Array], x: Array, dout: Array, step: float = CENTRAL_STEP
) -> Array:
    gradient = np.empty_like(x)
    for i in range(x.size):
        h = step * max(1.0, abs(x.flat[i]))
        ahead, behind = x.copy(), x.copy()
        ahead.flat[i] += h
        behind.flat[i] -= h
        gradient.flat[i] = (dout * (f(ahead) - f(behind))).sum() / (2 * h)
    return gradient


# The functions under test


@dataclass(frozen=True)
class _Probe:
    """A forward and its backward at one point.

    Every call gets a copy of the arguments, so that one which changes them does not spoil the next.
    """

    forward: Forward
    backward: Backward
    given: dict[str, Any]
    wrt: list[str]

    def point(self, dtype: Any = float) -> dict[str, Any]:
        """The arguments, those that are differentiated by in the dtype asked for."""
        return {n: _copy(v, dtype if n in self.wrt else None) for n, v in self.given.items()}

    def arrays(self) -> dict[str, Array]:
        """The arrays to differentiate by, out of their lists: {"x": x, "params[0][0]": W, ...}."""
        point = self.point()
        return _flat({name: point[name] for name in self.wrt})

    def out(self, name: str = "", x: Array | None = None) -> Array:
        """The output, with the array called `name` replaced by `x`."""
        point = self.point(float if x is None else x.dtype)
        if x is not None:
            _flat(point)[name][...] = x
        with warnings.catch_warnings():
            # where an imaginary part is dropped, the central difference tells
            warnings.simplefilter("ignore", np.exceptions.ComplexWarning)
            out, _ = self.forward(*point.values())
        return np.array(out)

    def gradients(self, dout: Array, *cache: Any) -> dict[str, Array]:
        """What the backward returns, of this cache or a fresh one, under the names of `arrays`."""
        cache = cache or self.forward(*self.point().values())[1:]
        returned = self.backward(dout[()], *cache)  # dout[()] is a number where dout is 0-d
        first, *others = [self.given[name] for name in self.wrt]
        got, expected = _flat({"": returned}), _flat({"": (first, *others) if others else first})
        if list(got) != list(expected):
            raise _WrongGradients(
                f"{_name(self.backward)} returned {len(got)} arrays, expected {len(expected)}, "
                f"nested like {', '.join(self.arrays())}"
            )
        gradients = [np.array(gradient, dtype=float) for gradient in got.values()]
        return dict(zip(self.arrays(), gradients, strict=True))


class _WrongGradients(Exception):
    """The backward returned more or fewer arrays than there are to differentiate by."""


def _misconduct(probe: _Probe, dout: Array) -> dict[str, str]:
    """How the functions break the convention, whatever the numbers: {"x": "changed in …"}."""
    in_forward, in_backward = (
        f"changed in place by {_name(function)}" for function in (probe.forward, probe.backward)
    )
    point, lent = probe.point(), dout.copy()
    _, cache = probe.forward(*point.values())
    faults = dict.fromkeys(_changed(point, probe.point()), in_forward)
    try:
        first = probe.gradients(lent, cache)
    except _WrongGradients as error:
        return {**faults, "gradients": str(error)}
    changed = _changed({**point, "dout": lent}, {**probe.point(), "dout": dout})
    faults = {**dict.fromkeys(changed, in_backward), **faults}
    try:
        second = probe.gradients(dout.copy(), cache)
        same = not any(_error(second[name], first[name]) > COMPLEX_STEP_BAR for name in first)
    except Exception:  # such as a pop from a list that the first call has emptied
        same = False
    return faults if same else {**faults, "cache": f"{in_backward}, so a second call differs"}


def _changed(point: dict[str, Any], original: dict[str, Any]) -> list[str]:
    now, then = _flat(point), _flat(original)
    arrays = {name: value for name, value in then.items() if isinstance(value, np.ndarray)}
    return [k for k, x in arrays.items() if k not in now or not np.array_equal(now[k], x)]


def _flat(tree: dict[str, Any]) -> dict[str, Any]:
    """{"params": [(W, b)]} as {"params[0][0]": W, "params[0][1]": b}."""
    flat = {}
    for name, value in tree.items():
        if isinstance(value, (list, tuple)):
            flat.update(_flat({f"{name}[{i}]": item for i, item in enumerate(value)}))
        else:
            flat[name] = value
    return flat


def _copy(value: Any, dtype: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return type(value)([_copy(item, dtype) for item in value])
    return np.array(value, dtype) if isinstance(value, np.ndarray) else value


def _is_differentiable(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return bool(value) and all(map(_is_differentiable, value))
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", type(function).__name__)


def _argument_names(forward: Forward, count: int) -> list[str]:
    named = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = inspect.signature(forward).parameters.values()
    names = [parameter.name for parameter in parameters if parameter.kind in named][:count]
    return names + [f"args[{i}]" for i in range(len(names), count)]


# The verdict


def _compare(probe: _Probe, name: str, dout: Array) -> tuple[float, float, str]:
    """The two errors of the gradient by one array, and what is wrong with it."""
    f, x, yours = partial(probe.out, name), probe.arrays()[name], probe.gradients(dout)[name]
    with np.errstate(invalid="ignore"):
        central = central_difference(f, x, dout)
    try:
        exact, refusal = complex_step(f, x, dout), ""
    except TypeError as error:
        exact, refusal = np.full_like(x, np.nan), f" ({error})"
    if yours.shape != x.shape:
        return np.nan, np.nan, _wrong_shape(name, yours, exact)

    complex_error, central_error = _error(yours, exact), _error(yours, central)
    if not np.isfinite(yours).all():
        at = _largest(~np.isfinite(yours))
        message = f"d{_entry(name, at)} is {yours[at]}"
    elif not np.isfinite(central).all():
        message = f"{_name(probe.forward)} is not finite around this point"
    elif _is_rounded_zero(np.fmax(np.abs(exact), np.abs(central)), x, dout * probe.out()):
        message = "the numeric gradient is 0 or next to it and proves nothing: take another point"
    elif not _error(exact, central) <= CENTRAL_BAR:
        at = _largest(np.abs(exact - central))
        agrees = {"the complex step": complex_error, "the central difference": central_error}
        friends = [numeric for numeric, error in agrees.items() if error <= CENTRAL_BAR]
        message = (
            f"complex step and central difference disagree, d{_entry(name, at)} being "
            f"{exact[at]:.9g} and {central[at]:.9g}: either {_name(probe.forward)} has a kink or "
            f"a sharp bend here, or it is not made for complex numbers{refusal}, as abs, norm, "
            f".real and float() are not; the backward agrees with {(*friends, 'neither')[0]}"
        )
    elif complex_error <= COMPLEX_STEP_BAR and central_error <= CENTRAL_BAR:
        message = ""
    else:
        message = _wrong_values(probe, name, yours, exact)
    return complex_error, central_error, message


def _error(yours: Array, expected: Array) -> float:
    largest = np.abs(expected).max(initial=0)
    with np.errstate(invalid="ignore"):
        return float(np.abs(yours - expected).max(initial=0) / largest) if largest else np.nan


def _close(yours: Array, expected: Array) -> bool:
    return _error(yours, expected) <= COMPLEX_STEP_BAR


def _is_transpose(yours: Array, expected: Array) -> bool:
    return yours.shape == expected.shape[::-1] and _close(yours.T, expected)


def _is_rounded_zero(gradient: Array, x: Array, terms: Array) -> bool:
    """Whether rounding in the terms of <dout, out> could be taken for a gradient of this size."""
    h = CENTRAL_STEP * max(1.0, np.abs(x).max(initial=0))
    rounding = EPSILON * np.abs(terms).max(initial=0) / h
    return bool(gradient.max(initial=0) < max(SMALLEST_GRADIENT, rounding / CENTRAL_BAR))


def _wrong_shape(name: str, yours: Array, expected: Array) -> str:
    hint = ""
    if _is_transpose(yours, expected):
        hint = ": it is the transpose of the right one"
    elif yours.size == expected.size and np.allclose(yours.ravel(), expected.ravel()):
        hint = ": the numbers are right, the axes are not"
    elif expected.ndim == 1 and yours.shape == 2 * expected.shape:
        hint = ": an (N, 1) array met an (N,) array and was broadcast?"
    return f"d{name} has shape {yours.shape}, expected {expected.shape}{hint}"


def _wrong_values(probe: _Probe, name: str, yours: Array, expected: Array) -> str:
    deviation = np.abs(yours - expected)
    at = _largest(deviation)
    wrong = (deviation > COMPLEX_STEP_BAR * np.abs(expected).max()).sum()
    ratio = f", ratio {yours[at] / expected[at]:.6g}" if expected[at] else ""
    return (
        f"d{_entry(name, at)} is {yours[at]:.6g}, expected {expected[at]:.6g}{ratio}; "
        f"{wrong} of {yours.size} entries are wrong: {_hint(probe, name, yours, expected)}"
    )


def _hint(probe: _Probe, name: str, yours: Array, expected: Array) -> str:
    """What may have gone wrong, judging from how the gradient differs from the right one."""
    if not yours.any():
        return "it is 0 everywhere"

    ones = np.ones_like(probe.out())
    for_ones = complex_step(partial(probe.out, name), probe.arrays()[name], ones)
    if _close(probe.gradients(ones)[name], for_ones):
        return "it is right for a dout of ones only; is dout used, entry by entry?"

    factor = (yours * expected).sum() / (expected * expected).sum()
    if _close(yours, factor * expected):
        rows = next((len(a) for a in _flat(probe.given).values() if np.ndim(a)), 1)
        known = {
            "the sign is flipped": -1,
            "a factor 2 is too much": 2,
            "a factor 2 is missing": 1 / 2,
            f"the 1/N of a mean over N = {rows} is missing": rows,
            f"a 1/N is too much, N = {rows}": 1 / rows,
        }
        reasons = [why for why, k in known.items() if abs(factor / k - 1) <= COMPLEX_STEP_BAR]
        return " or ".join(reasons) or f"every entry is {factor:.12g} times the right one"

    if _is_transpose(yours, expected):
        return "it is the transpose of the right one"

    if yours.ndim and yours.shape[-1] > 1:
        rounding = COMPLEX_STEP_BAR * np.abs(expected).max()
        row_sums, your_row_sums = (np.abs(g.sum(axis=-1)).max() for g in (expected, yours))
        shifted = np.ptp(yours - expected, axis=-1).max() <= rounding
        if shifted or row_sums <= rounding < your_row_sums:
            return "a centring term is missing: is a mean to be subtracted, so that rows sum to 0?"
    return "it looks like no common mistake"


def _largest(deviation: Array) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(deviation.argmax(), deviation.shape))


def _entry(name: str, index: tuple[int, ...]) -> str:
    return f"{name}[{', '.join(map(str, index))}]" if index else name
