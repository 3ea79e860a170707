"""What is wrong, and an input that shows it, as Python to paste beside the student's file."""

from __future__ import annotations

import hashlib
import inspect
from dataclasses import replace
from keyword import iskeyword
from typing import Any

import numpy as np

from ... import contract
from ...contract import SPECIFICATIONS
from ..exercises.answers import (
    EXERCISES,
    forward_of,
    has_backward,
    observed,
    variant_outcome,
)
from ..exercises.compare import CLEAR, close
from ..exercises.exercise import Array, Case, Exercise, Product, Rng
from ..exercises.trees import several
from ..process.sandbox import Opaque, Outcome, Sandbox
from . import judge, search
from .attempt import Attempt, call, tried_on
from .diagnosis import Diagnosis, Judgement
from .excuse import Diagnose, answers
from .judge import STOPPED, VALUE, Fault, labels, labels_within, number
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
        message = f"Right on the whole battery, but wrong elsewhere. {fault.sentence}"
        text = shown(sandbox, tried, case, module, parts)
        return replace(judged, diagnosis=Diagnosis(None, message), example=text)
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
    only_rude = tried.manners and (tried.right or found.id == tried.manners.kind)
    if only_rude or kinds & {STOPPED, judge.RANDOM}:
        return None
    kinds = kinds & {found.id} or kinds  # a fault that has a name is shown, not another one
    answer, _ = answers(parts)

    def answered(case: Case) -> tuple[Outcome, Any, Fault | None]:
        answered = tried_on(sandbox, exercise, case, parts, answer)
        if answered[0].kind not in ("value", judge.RAISED):
            raise search.Enough
        return answered

    def is_wrong(case: Case) -> bool:
        fault = answered(case)[-1]
        return fault is not None and fault.kind in kinds

    def shows(case: Case) -> bool:
        return is_clear(case, *answered(case))

    def is_clear(case: Case, got: Outcome, right: Any, fault: Fault | None) -> bool:
        if fault is None or fault.kind not in kinds:
            return False
        theirs = judge.comparable(exercise, case, got)
        if found.switches is not None:
            made = variant_outcome(exercise, found.switches, case)
            if theirs is judge.UNLIKE or not agree(theirs, made, CLEAR):
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
    got, right, fault = tried_on(sandbox, exercise, case, parts, answer)
    nothing = Opaque(f"nothing: it {fault.text}" if fault else "")
    result = got.value if got.kind == "value" else nothing
    index = fault.index if fault else None
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
    if several(tree):
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
    for argument, value in zip(SPECIFICATIONS[forward].arguments, case.args, strict=False):
        if isinstance(value, np.ndarray | list | tuple | Rng | Product):
            lines += assignment(argument, value)
            call.append(argument)
        else:
            call.append(repr(value))
    called = f"{forward}({', '.join(call)})"
    if forward != name:
        cotangent, _ = inspect.signature(getattr(contract, name)).parameters
        lines += [f"_, cache = {called}", *assignment(cotangent, case.dout)]
        called = f"{name}({cotangent}, cache)"
    elif has_backward(name) and paired:
        called = f"{called}[0]"
    elif not paired:
        return "\n".join(
            [*lines, called, "# expected (out, cache)", f"# got      {described(got)}"]
        )
    note = [f"# (with right results of {', '.join(given)} in place of yours)"] if given else []
    compared = results(labels(name), expected, got, index)
    return "\n".join([*lines, called, *note, *compared])


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
        return f"np.array({literal(value.tolist())}{dtype})"
    if several(value):
        inner = ", ".join(map(literal, value))
        return f"[{inner}]" if isinstance(value, list) else f"({inner}{',' * (len(value) == 1)})"
    if isinstance(value, float) and not np.isfinite(value):
        return "np." + str(abs(value)) if value != -np.inf else "-np.inf"
    return repr(value)


def results(names: tuple[str, ...], expected: Any, got: Any, index: Any) -> list[str]:
    """Comment lines with both results, one pair for each array of them."""
    if several(expected):
        if not several(got) or len(got) != len(expected):
            return [f"# expected {len(expected)} results, got {described(got)}"]
        names = names or labels_within("", expected)
        return [
            line
            for name, e, g in zip(names, expected, got, strict=True)
            for line in results(labels_within(name, e) or (name,), e, g, None)
        ]
    label = f"{names[0]}: " if names else ""
    digits = FEW if described(expected) != described(got) or index is None else ALL
    right = f"# {label}expected {described(expected, digits)}"
    wrong = f"# {label}got      {described(got, digits)}"
    mark = []
    if index is not None and isinstance(got, np.ndarray) and 0 < got.size <= MOST:
        start, width = span(np.asarray(got), tuple(index), digits)
        offset = len(f"# {label}got      ")
        mark = ["#" + " " * (offset + start - 1) + "^" * width + f" {list(index)}"]
    return [right, wrong, *mark]


def described(x: Any, digits: int = FEW) -> str:
    """The numbers with so many digits, printed alike by every version of NumPy."""
    if isinstance(x, Opaque):
        return x.description
    if isinstance(x, np.ndarray) and x.size > MOST:
        return f"an array of shape {x.shape}"
    if isinstance(x, list) and len(x) > MOST:
        return f"a list of {len(x)}"
    if several(x) or (isinstance(x, np.ndarray) and x.ndim):
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
