"""One result against the right one: what is wrong with it, in words.

Form comes before value, each with a message of its own: a student who returned None should not
read about numbers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from ...contract import SPECIFICATIONS
from ..exercises.answers import BROKE, CRASHED, forward_of, no_result, observed
from ..exercises.compare import DOUBLE, MIXED, SINGLE, Tolerance, close, differing, single_precision
from ..exercises.exercise import Array, Case, Exercise
from ..exercises.trees import leaves, several
from ..process.sandbox import Error, Opaque, Outcome

# How a result can be wrong, worst first; those with an id have no other name.
NONE = "FORM-01"  # returns None
COUNT = "FORM-02"  # another number of results
SHAPE = "FORM-03"
INTEGER = "FORM-04"  # whole numbers for real ones, or the reverse
TYPE = "FORM-05"  # no array and no number
CHANGED = "FORM-06"  # overwrites an argument
RANDOM = "FORM-07"  # two answers to one question
LAYOUT = "FORM-08"  # depends on how an argument lies in memory
NONFINITE = "not finite"
VALUE = "value"
RAISED = "raised"
STOPPED = "stopped"  # out of time, dead, or not run because of that
FORWARD = "forward"  # a backward function whose own forward raised


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
    fault = compare(labels(name), expected, got, tolerance, notes)
    if fault is not None and fault.kind == VALUE and tolerance is DOUBLE:
        # a result that float32 does not hold has no excuse for float32's whole error
        coarser = SINGLE if single_precision(got) else MIXED
        fault = compare(labels(name), expected, got, coarser, notes)
        if fault is None:
            notes.add(SINGLE_PRECISION if coarser is SINGLE else FEW_DIGITS)
    return Verdict(fault, frozenset(notes))


@cache
def labels(name: str) -> tuple[str, ...]:
    """What the results are called, where there are several."""
    specification = SPECIFICATIONS[forward_of(name)]
    if name == forward_of(name):
        names = tuple(kind.partition(":")[0] for kind in specification.out)
    else:  # the gradients of all layers are called grads everywhere
        kinds = specification.arguments
        names = tuple("grads" if kinds[x] == "layers" else f"d{x}" for x in specification.by)
    return names if len(names) > 1 else ()


def single_inputs(case: Case) -> bool:
    given = leaves([*case.args, case.dout])
    return any(isinstance(x, np.ndarray) and x.dtype == np.float32 for x in given)


def compare(
    names: tuple[str, ...], expected: Any, got: Any, tolerance: Tolerance, notes: set[str]
) -> Fault | None:
    if got is None:
        return Fault(NONE, MISSING)
    if not several(expected):
        return compare_arrays(np.asarray(expected), got, tolerance, notes)
    wanted = " (" + ", ".join(names) + ")" if names else ""
    if not several(got):
        return Fault(COUNT, f"returned {form(got)}, expected {len(expected)} results{wanted}")
    if len(got) != len(expected):
        return Fault(COUNT, f"returned {count(got)}, expected {len(expected)}{wanted}")
    for i, (e, g) in enumerate(zip(expected, got, strict=True)):
        label = names[i] if names else f"result {i}"
        fault = compare(labels_within(label, e), e, g, tolerance, notes)
        if fault is not None:
            return replace(fault, result=fault.result or label)
    return None


def labels_within(label: str, part: Any) -> tuple[str, ...]:
    return tuple(f"{label}[{k}]" for k in range(len(part))) if several(part) else ()


def compare_arrays(
    expected: Array, got: Any, tolerance: Tolerance, notes: set[str]
) -> Fault | None:
    if isinstance(got, Opaque):
        return Fault(TYPE, f"returned {got.description}, expected {form(expected)}")
    if several(got):
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
    if several(x):  # which may be no array
        return count(x)
    shape = np.shape(x)
    return f"one array of shape {shape}" if shape else "one number"


def count(x: Any) -> str:
    return f"a {type(x).__name__} of {len(x)}"


def verdict(exercise: Exercise, case: Case, expected: Any, outcome: Outcome) -> Verdict:
    fault = broken(exercise, outcome)
    if fault is not None:
        return Verdict(fault)
    plain = judge(exercise.name, case, expected, outcome.value)
    bad_form = plain.fault is not None and plain.fault.kind not in (VALUE, NONFINITE)
    if exercise.battery.observe is None or bad_form:
        return plain
    right = observed(exercise, case, expected)
    if right is expected:  # nothing but itself is looked at
        return plain
    got = comparable(exercise, case, in_arrays(expected, outcome))
    if not (got is UNLIKE or no_result(got)):
        if close(got, right, DOUBLE):
            return Verdict(None)
        single = single_precision(outcome.value) or single_inputs(case)
        if close(got, right, SINGLE if single else MIXED):
            return Verdict(None, frozenset([SINGLE_PRECISION if single else FEW_DIGITS]))
    return Verdict(plain.fault or by_little(expected, outcome.value))


def by_little(expected: Any, got: Any) -> Fault:
    """A fault of a result that is nearly right."""
    one_array = isinstance(expected, np.ndarray) and np.shape(got) == expected.shape
    wrong = np.flatnonzero(np.asarray(got) != expected) if one_array else np.zeros(0)
    if not wrong.size:
        return Fault(VALUE, "is not what was asked for")
    index = where(wrong, expected)
    by = number(np.asarray(got)[index] - expected[index])
    return Fault(VALUE, f"is wrong by {by}{at(index)}", index)


def broken(exercise: Exercise, outcome: Outcome) -> Fault | None:
    """Why there is no value to look at."""
    if outcome.kind == RAISED:
        assert outcome.error is not None
        line = f" (line {outcome.error.line})" if outcome.error.line else ""
        if no_cache(exercise, outcome):
            forward, kind = forward_of(exercise.name), outcome.error.type
            raised = f"your {forward} raised a{'n' * (kind[:1] in 'AEIOU')} {kind}{line}"
            return Fault(FORWARD, f"was not tried: {raised}. Mend {forward} first")
        return Fault(RAISED, f"raised {plainly(outcome.error)}{line}")
    if outcome.kind == "not run":
        return Fault(STOPPED, "was not run, after an earlier call went wrong")
    if outcome.kind != "value":
        return Fault(STOPPED, str(outcome.error or "").strip())
    if not outcome.paired and outcome.value is None:
        return Fault(NONE, MISSING)
    if not outcome.paired:
        return Fault(COUNT, f"returned {form(outcome.value)}, expected (out, cache)")
    if outcome.steadiness == "different":
        return Fault(RANDOM, "gave two different answers to the same call")
    return None


# What NumPy says of a matrix product whose shapes do not fit.
GUFUNC = re.compile(r"matmul: .*gufunc signature.*\(size (\d+) is different from (\d+)\)")


def plainly(error: Error) -> str:
    """The exception in words for those who do not know what a gufunc is."""
    said = r"the left matrix of @ has rows of \2 numbers, the right one columns of \1"
    return str(replace(error, message=GUFUNC.sub(said, error.message)))


def in_arrays(expected: Any, outcome: Outcome) -> Outcome:
    """With the array that nested lists of numbers spell, where an array is expected."""
    if not isinstance(expected, np.ndarray) or not isinstance(outcome.value, list):
        return outcome
    array = from_lists(outcome.value)
    return outcome if array is None else replace(outcome, value=array)


# Exceptions that stand for an overflow or a division by zero.
NUMERICAL = ("OverflowError", "ZeroDivisionError", "FloatingPointError")
UNLIKE = object()  # what no variant does


def comparable(exercise: Exercise, case: Case, outcome: Outcome) -> Any:
    if outcome.kind == RAISED:
        if no_cache(exercise, outcome) or outcome.error is None:
            return UNLIKE
        return BROKE if outcome.error.type in NUMERICAL else CRASHED
    if outcome.kind != "value" or not outcome.paired:
        return UNLIKE
    strange = any(np.asarray(x).dtype.kind not in "biuf" for x in leaves(outcome.value))
    return UNLIKE if strange else observed(exercise, case, outcome.value)


def no_cache(exercise: Exercise, outcome: Outcome) -> bool:
    """Whether a backward was not called, as its forward raised."""
    return outcome.stage == FORWARD and exercise.name.endswith("_backward")
