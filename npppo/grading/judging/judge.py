"""One result against the right one: what is wrong with it, in words.

Form comes before value, each with a message of its own: a student who returned None should not
read about numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..exercises.compare import DOUBLE, MIXED, SINGLE, Tolerance, differing, single_precision
from ..exercises.exercise import Array, Case
from ..exercises.trees import leaves
from ..process.sandbox import Opaque

OUTPUTS = {
    "linear_backward": ("dx", "dW", "db"),
    "mlp_backward": ("dx", "grads"),
    "gaussian_log_prob_backward": ("dmean", "dlog_std"),
    "gaussian_kl_backward": ("dmean", "dlog_std"),
    "ppo_loss_backward": ("dlogits", "dvalues"),
    "clip_grad_norm": ("clipped", "norm"),
    "adam_step": ("param", "m", "v"),
}

# How a result can be wrong, worst first; those with an id have no other name.
NONE = "FORM-01"  # returns None
COUNT = "FORM-02"  # another number of results
SHAPE = "FORM-03"
INTEGER = "FORM-04"  # whole numbers for real ones, or the reverse
TYPE = "FORM-05"  # no array and no number
CHANGED = "FORM-06"  # overwrites an argument
RANDOM = "FORM-07"  # two answers to one question
NONFINITE = "not finite"
VALUE = "value"


@dataclass(frozen=True)
class Fault:
    kind: str
    text: str  # goes on after "it"
    index: tuple[int, ...] | None = None  # of the first wrong entry
    result: str = ""  # which of several results it is about

    @property
    def sentence(self) -> str:
        return f"For {self.result}, it {self.text}." if self.result else f"It {self.text}."


@dataclass(frozen=True)
class Verdict:
    """`fault` is the first one found; `notes` are worth saying but cost nothing."""

    fault: Fault | None
    notes: frozenset[str] = frozenset()


MISSING = "returned None (is the return statement missing?)"
SINGLE_PRECISION = "right, but computed in single precision"
FEW_DIGITS = "right, but with no more digits than single precision has"
SHARED = "a result shares memory with an argument; here it is a new array"
WIDER = "float32 comes in and float64 goes out; here the floating dtype is kept"
LISTS = "a list of numbers where an array was expected; it is taken as one"


def judge(name: str, case: Case, expected: Any, got: Any, tolerance: Tolerance = DOUBLE) -> Verdict:
    """Compare a result with the right one; single precision is right too, and noted."""
    notes: set[str] = set()
    if single_inputs(case):
        tolerance = SINGLE
    fault = compare(labels(name, expected), expected, got, tolerance, notes)
    if fault is not None and fault.kind == VALUE and tolerance is DOUBLE:
        # a result that float32 does not hold has no excuse for float32's whole error
        coarser = SINGLE if single_precision(got) else MIXED
        again = compare(labels(name, expected), expected, got, coarser, notes)
        if again is None:
            notes.add(SINGLE_PRECISION if coarser is SINGLE else FEW_DIGITS)
        fault = again
    return Verdict(fault, frozenset(notes))


def labels(name: str, expected: Any) -> tuple[str, ...]:
    """What the results are called."""
    return OUTPUTS.get(name, ("",) if not isinstance(expected, list | tuple) else ())


def single_inputs(case: Case) -> bool:
    given = leaves([*case.args, case.dout])
    return any(isinstance(x, np.ndarray) and x.dtype == np.float32 for x in given)


def compare(
    names: tuple[str, ...], expected: Any, got: Any, tolerance: Tolerance, notes: set[str]
) -> Fault | None:
    if got is None:
        return Fault(NONE, MISSING)
    if not isinstance(expected, list | tuple):
        return compare_arrays(np.asarray(expected), got, tolerance, notes)
    wanted = " (" + ", ".join(names) + ")" if names else ""
    if not isinstance(got, list | tuple):
        return Fault(COUNT, f"returned {form(got)}, expected {len(expected)} results{wanted}")
    if len(got) != len(expected):
        return Fault(COUNT, f"returned {count(got)}, expected {len(expected)}{wanted}")
    for i, (e, g) in enumerate(zip(expected, got, strict=True)):
        label = names[i] if i < len(names) else f"result {i}"
        parts = range(len(e)) if isinstance(e, list | tuple) else ()
        inner = tuple(f"{label}[{k}]" for k in parts)
        fault = compare(inner, e, g, tolerance, notes)
        if fault is not None:
            return replace(fault, result=fault.result or label)
    return None


def compare_arrays(
    expected: Array, got: Any, tolerance: Tolerance, notes: set[str]
) -> Fault | None:
    if isinstance(got, Opaque):
        return Fault(TYPE, f"returned {got.description}, expected {form(expected)}")
    if isinstance(got, list | tuple):
        array = from_lists(got)
        if array is None or (isinstance(got, tuple) and array.shape != expected.shape):
            return Fault(COUNT, f"returned {count(got)}, expected {form(expected)}")
        notes.add(LISTS)
        got = array
    if isinstance(got, str):
        return Fault(TYPE, f"returned a string, expected {form(expected)}")
    got = np.asarray(got)
    if got.dtype.kind not in "biufc":
        return Fault(TYPE, f"returned no numbers, expected {form(expected)}")
    if got.shape != expected.shape:
        return Fault(SHAPE, f"returned shape {got.shape}, expected {expected.shape}")
    if got.dtype.kind == "c":
        return Fault(TYPE, "returned complex numbers, expected real ones")
    whole = "biu"
    if expected.dtype.kind in whole and got.dtype != expected.dtype:
        return Fault(INTEGER, f"returned {got.dtype} numbers, expected {expected.dtype}")
    if expected.dtype.kind == "f" and got.dtype.kind in whole and expected.ndim > 0:
        return Fault(INTEGER, f"returned {got.dtype} numbers, expected floating-point ones")
    if got.dtype.kind == "f" and got.dtype.itemsize < expected.dtype.itemsize:
        notes.add(SINGLE_PRECISION)
    if expected.dtype == np.float32 and got.dtype == np.float64 and expected.ndim:
        notes.add(WIDER)
    broken = np.flatnonzero(~np.isfinite(got) & np.isfinite(expected))
    if broken.size:
        index = where(broken, expected)
        return Fault(NONFINITE, f"returned {number(got[index])}{at(index)}", index)
    wrong = differing(got, expected, tolerance)
    if wrong.size:
        index = where(wrong, expected)
        text = f"returned {number(got[index])}{at(index)}, expected {number(expected[index])}"
        return Fault(VALUE, text, index)
    return None


def from_lists(tree: Any) -> Array | None:
    """The array that nested lists of numbers spell, or None where they do not spell one."""
    try:
        array = np.array(tree)
    except ValueError:
        return None
    return array if array.dtype.kind in "biuf" else None


def where(flat: Array, array: Array) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(flat[0], array.shape))


def at(index: tuple[int, ...]) -> str:
    return " at [" + ", ".join(map(str, index)) + "]" if index else ""


def number(x: Any, digits: int = 6) -> str:
    """A number as text, the same with every version of NumPy."""
    kind = np.asarray(x).dtype.kind
    if kind in "biu":
        return str(bool(x) if kind == "b" else int(x))
    x = complex(x) if kind == "c" else float(x) + 0.0  # no minus before a 0
    return f"{x:.{digits}g}"


def form(x: Any) -> str:
    if isinstance(x, Opaque):
        return x.description
    if isinstance(x, str):
        return "a string"
    if isinstance(x, list | tuple):  # which may be no array
        return count(x)
    shape = np.shape(x)
    return f"one array of shape {shape}" if shape else "one number"


def count(x: Any) -> str:
    return f"a {type(x).__name__} of {len(x)}"
