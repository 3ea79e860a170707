"""What is wrong, and an input that shows it, as Python to paste beside the student's file."""

from __future__ import annotations

import hashlib
import inspect
from dataclasses import replace
from keyword import iskeyword
from typing import Any

import numpy as np

from ... import contract
from ..exercises.answers import (
    EXERCISES,
    forward_of,
    has_backward,
    observed,
    reference,
    variant_outcome,
)
from ..exercises.compare import CLEAR, close
from ..exercises.exercise import Array, Case, Exercise, Product, Rng
from ..process.sandbox import Opaque, Outcome, Sandbox
from . import search
from .attempt import RAISED, STOPPED, UNLIKE, Attempt, call, observe, verdict
from .diagnosis import Diagnosis, Judgement
from .excuse import Diagnose, answers
from .judge import RANDOM, VALUE, Fault, labels, number
from .match import agree

FEW, ALL = 6, 17  # digits of a number
MOST = 60  # entries that are worth printing


def explanation(
    sandbox: Sandbox, judged: Judgement, module: str, seed: int, diagnosed: Diagnose
) -> Judgement:
    """The judgement with the mistake's name and the smallest input that shows it."""
    tried, parts = judged.attempt, judged.parts
    if judged.beyond is not None:
        case, fault = judged.beyond
        found = Diagnosis(
            None, f"Right on the whole battery, but wrong elsewhere. {fault.sentence}"
        )
        return replace(judged, diagnosis=found, example=shown(sandbox, tried, case, module, parts))
    found = diagnosed(tried, not parts)
    small = case_to_show(sandbox, tried, found, parts, seed)
    text = shown(sandbox, tried, small, module, parts) if small is not None else ""
    ended = any(fault.kind == STOPPED for _, fault in tried.wrong)
    behaviour = None if found.id or ended else fingerprint(sandbox, tried.exercise)
    return replace(judged, diagnosis=found, example=text, behaviour=behaviour)


def case_to_show(
    sandbox: Sandbox, tried: Attempt, found: Diagnosis, parts: tuple[str, ...], seed: int
) -> Case | None:
    """The smallest case that is clearly wrong, and wrong by the named mistake if there is one."""
    exercise = tried.exercise
    kinds = {fault.kind for _, fault in tried.wrong}
    if kinds & {STOPPED, RANDOM} or (
        tried.manners and (tried.right or found.id == tried.manners.kind)
    ):
        return None
    kinds = kinds & {found.id} or kinds  # a fault that has a name is shown, not another one
    answer, _ = answers(parts)

    def answered(case: Case) -> tuple[Outcome, Any, Fault | None]:
        (got,) = sandbox.call([call(exercise, case, parts)], answer)
        if got.kind not in ("value", RAISED):
            raise search.Enough
        right = reference(exercise.name, case)
        return got, right, verdict(exercise, case, right, got).fault

    def is_wrong(case: Case) -> bool:
        fault = answered(case)[-1]
        return fault is not None and fault.kind in kinds

    def shows(case: Case) -> bool:
        return is_clear(case, *answered(case))

    def is_clear(case: Case, got: Outcome, right: Any, fault: Fault | None) -> bool:
        if fault is None or fault.kind not in kinds:
            return False
        theirs = observe(exercise, case, got)
        if found.switches is not None:
            made = variant_outcome(exercise, found.switches, case)
            if theirs is UNLIKE or not agree(theirs, made, CLEAR):
                return False
        return fault.kind != VALUE or not close(theirs, observed(exercise, case, right), CLEAR)

    on_battery = zip(tried.cases, tried.outcomes, tried.expected, tried.faults, strict=True)
    likely = any(is_clear(*one) for one in on_battery)
    examples = search.SHRINK_EXAMPLES if likely else search.SEARCH_EXAMPLES
    case = search.smallest(exercise, shows, seed, examples)
    if case is not None:
        return search.reduced(exercise, case, shows)
    case = min((case for case, _ in tried.wrong), key=search.size, default=None)
    return case and search.reduced(exercise, case, is_wrong)


def shown(sandbox: Sandbox, tried: Attempt, case: Case, module: str, parts: tuple[str, ...]) -> str:
    """What the function does with this case, as an example."""
    exercise = tried.exercise
    answer, asked = answers(parts)
    (got,) = sandbox.call([call(exercise, case, parts)], answer)
    right = reference(exercise.name, case)
    fault = verdict(exercise, case, right, got).fault
    result = (
        got.value if got.kind == "value" else Opaque(f"nothing: it {fault.text}" if fault else "")
    )
    index = fault.index if fault is not None else None
    given = tuple(name for name in EXERCISES if name in asked)
    return example(module, exercise.name, case, right, result, index, got.paired, given)


def fingerprint(sandbox: Sandbox, exercise: Exercise) -> str:
    """Equal for functions that answer alike on one battery that is the same for all files."""
    cases = exercise.battery.draw(np.random.default_rng(0))
    outcomes = sandbox.call([call(exercise, case) for case in cases])
    text = repr([digits(o.value) if o.kind == "value" else o.kind for o in outcomes])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def digits(tree: Any) -> Any:
    """The first five of every number."""
    if isinstance(tree, list | tuple):
        return [digits(x) for x in tree]
    if isinstance(tree, np.ndarray | float | int):
        return [f"{x + 0.0:.4e}" for x in np.ravel(np.asarray(tree))]
    return str(tree)


def example(
    module: str,
    name: str,
    case: Case,
    expected: Any,
    got: Any,
    index: Any = None,
    paired: bool = True,
    given: tuple[str, ...] = (),
) -> str:
    """The call, what it should give, and what it gave, with a mark at the first wrong entry.

    Without a `module` the functions are there already, as in a notebook. `paired` is False where
    the result should be (out, cache) and `got` is not; of the functions `given` the call was given
    right results.
    """
    forward = forward_of(name)
    functions = forward if forward == name else f"{forward}, {name}"
    lines = ["import numpy as np"]
    if module:
        known = module.isidentifier() and not iskeyword(module)
        lines.append(f"from {module if known else 'submission'} import {functions}")
    lines.append("")
    call = []
    for argument, value in zip(names_of(forward), case.args, strict=False):
        if isinstance(value, np.ndarray | list | tuple | Rng | Product):
            lines += assignment(argument, value)
            call.append(argument)
        else:
            call.append(repr(value))
    called = f"{forward}({', '.join(call)})"
    if forward != name:
        cotangent = next(iter(inspect.signature(getattr(contract, name)).parameters))
        lines += [f"_, cache = {called}", *assignment(cotangent, case.dout)]
        called = f"{name}({cotangent}, cache)"
    elif has_backward(name) and paired:
        called = f"{called}[0]"
    elif not paired:
        return "\n".join(
            [*lines, called, "# expected (out, cache)", f"# got      {described(got)}"]
        )
    note = [f"# (with right results of {', '.join(given)} in place of yours)"] if given else []
    compared = results(labels(name, expected), expected, got, index)
    return "\n".join([*lines, called, *note, *compared])


def names_of(function: str) -> list[str]:
    return list(inspect.signature(getattr(contract, function)).parameters)


def assignment(name: str, value: Any) -> list[str]:
    if isinstance(value, Product):
        return [f"matrix = {literal(value.matrix)}", f"{name} = lambda x: matrix @ x"]
    if isinstance(value, Rng):
        return [f"{name} = np.random.default_rng({value.seed})"]
    return [f"{name} = {literal(value)}"]


def literal(value: Any) -> str:
    """Python for a value, to the last bit."""
    if isinstance(value, np.ndarray):
        dtype = f", np.{value.dtype}" if value.dtype not in (float, int, bool) else ""
        return f"np.array({nested(value.tolist())}{dtype})"
    if isinstance(value, list | tuple):
        inner = ", ".join(map(literal, value))
        return f"[{inner}]" if isinstance(value, list) else f"({inner}{',' * (len(value) == 1)})"
    return nested(value)


def nested(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(nested, value)) + "]"
    if isinstance(value, float) and not np.isfinite(value):
        return "np." + str(abs(value)) if value != -np.inf else "-np.inf"
    return repr(value)


def results(names: tuple[str, ...], expected: Any, got: Any, index: Any) -> list[str]:
    """Comment lines with both results, one pair for each array of them."""
    if isinstance(expected, list | tuple):
        if not isinstance(got, list | tuple) or len(got) != len(expected):
            return [f"# expected {len(expected)} results, got {described(got)}"]
        return [
            line
            for i, (e, g) in enumerate(zip(expected, got, strict=True))
            for line in results(parts_of(names, i, e), e, g, None)
        ]
    label = f"{names[0]}: " if names and names[0] else ""
    digits = FEW if described(expected) != described(got) or index is None else ALL
    right = f"# {label}expected {described(expected, digits)}"
    wrong = f"# {label}got      {described(got, digits)}"
    mark = []
    if index is not None and isinstance(got, np.ndarray) and 0 < got.size <= MOST:
        start, width = span(np.asarray(got), tuple(index), digits)
        offset = len(f"# {label}got      ")
        mark = ["#" + " " * (offset + start - 1) + "^" * width + f" {list(index)}"]
    return [right, wrong, *mark]


def parts_of(names: tuple[str, ...], i: int, result: Any) -> tuple[str, ...]:
    """What the i-th of several results is called, or its parts, where it consists of such."""
    name = names[i] if i < len(names) else f"[{i}]"
    nested = isinstance(result, list | tuple)
    return tuple(f"{name}[{k}]" for k in range(len(result))) if nested else (name,)


def described(x: Any, digits: int = FEW) -> str:
    """The numbers with so many digits, printed alike by every version of NumPy."""
    if isinstance(x, Opaque):
        return x.description
    if np.size(x) > MOST if isinstance(x, np.ndarray) else isinstance(x, list) and len(x) > MOST:
        return (
            f"an array of shape {x.shape}" if isinstance(x, np.ndarray) else f"a list of {len(x)}"
        )
    if isinstance(x, list | tuple):
        return "[" + ", ".join(described(item, digits) for item in x) + "]"
    if isinstance(x, np.ndarray) and x.ndim:
        return "[" + ", ".join(described(item, digits) for item in x) + "]"
    numeric = isinstance(x, np.ndarray | np.generic | float | int | complex)
    return number(x, digits) if numeric else repr(x)[:MOST]


def span(array: Array, index: tuple[int, ...], digits: int) -> tuple[int, int]:
    """Where `described` writes an entry: its column and width."""
    start = 0
    for axis, i in enumerate(index):
        before = [described(array[(*index[:axis], j)], digits) for j in range(i)]
        start += 1 + sum(len(text) + 2 for text in before)
    return start, len(described(array[index], digits))
