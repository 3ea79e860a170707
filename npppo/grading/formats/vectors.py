"""The battery as files, for programs in other languages, and the marks of their answers."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ... import __version__
from ...contract import SPECIFICATIONS
from ...training.checkpoint import write_text
from ..desk.assignment import Assignment
from ..desk.marks import report_of, ungraded
from ..desk.report import Report
from ..exercises.answers import EXERCISES, asked_for, forward_of, reference
from ..exercises.exercise import Case, Product, Rng
from ..exercises.trees import several
from ..judging.attempt import attempted
from ..judging.diagnosis import Judgement, diagnose
from ..judging.judge import from_lists
from ..process.codec import DEPTH
from ..process.sandbox import Opaque, Outcome
from .writers import dumps

FORMAT = "npppo vectors 1"
README = """# Test vectors of npppo {version}

One file for each function, `NAME.json`:

    {{"format": "{format}", "function": NAME,
     "arguments": [names of the arguments, in order],
     "cases": [{{"stratum": what the case is about,
                "arguments": [a value for each argument; trailing ones left out have their default],
                "dout": the gradient handed to a backward function (only there),
                "result": the right answer}}]}}

A backward function NAME_backward is given the arguments of NAME, which makes the cache, and `dout`;
its result are the gradients, in the order of the arguments. The cache is no part of a result: that
of NAME is its output alone.

Values:

* an array is {{"shape": [rows, columns, ...], "dtype": its type, "data": [numbers, row by row]}},
  of type "float64", "float32", "int64" or "bool" (then the data are true and false), with every
  digit that it needs; "nan", "inf" and "-inf" are strings
* a number, a string, or true and false are themselves; several results, and lists, are lists
* {{"matrix": array}} stands for the function x -> matrix x
* {{"seed": number}} stands for a random generator; any will do, as the result is checked for its
  properties

Answers are files of the same names, {{"function": NAME, "results": [one for each case, in order]}};
arrays may also be nested lists there, 1 stands for 1.0, and null is no answer. Mark them with

    npppo grade --answers DIR

and with the --salt that the vectors were made with, if any.

A number a of an array agrees with the right one, b, if |a - b| <= 1e-6 |b| + 1e-8 max |b| + 1e-11;
where arguments are float32, 1e-4, 1e-5 and 1e-6 take the place of the three. What each function
computes is written in the file that `npppo starter` makes.
"""


def cases_of(name: str, salt: str) -> list[Case]:
    digest = hashlib.sha256(f"{salt}\0{name}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:8], "big"))
    return EXERCISES[name].battery.draw(rng)


def write_vectors(
    folder: Path, functions: Iterable[str] | None = None, salt: str = "", results: bool = True
) -> None:
    """Write the vectors of these functions (default: all) into a folder."""
    wanted = asked_for(functions)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is there already and is no folder")
    folder.mkdir(parents=True, exist_ok=True)
    for name in wanted:
        write_text(folder / f"{name}.json", dumps(vectors(name, salt, results)))
    write_text(folder / "README.md", README.format(version=__version__, format=FORMAT))


def vectors(name: str, salt: str, results: bool) -> dict[str, Any]:
    cases = []
    for case in cases_of(name, salt):
        entry: dict[str, Any] = {"stratum": case.stratum, "arguments": encoded(list(case.args))}
        if name.endswith("_backward"):
            entry["dout"] = encoded(case.dout)
        if results:
            entry["result"] = encoded(reference(name, case))
        cases.append(entry)
    names = list(SPECIFICATIONS[forward_of(name)].arguments)
    return {"format": FORMAT, "function": name, "arguments": names, "cases": cases}


def encoded(value: Any) -> Any:
    match value:
        case list() | tuple():
            return [encoded(x) for x in value]
        case Product():
            return {"matrix": encoded(value.matrix)}
        case Rng():
            return {"seed": value.seed}
        case np.ndarray() if value.ndim:
            data = [encoded(x) for x in value.ravel().tolist()]
            return {"shape": list(value.shape), "dtype": str(value.dtype), "data": data}
        case np.ndarray() | np.generic():
            return encoded(value.item())
        case float() if not math.isfinite(value):
            return str(value)
    return value


def decoded(value: Any, depth: int = 0) -> Any:
    """A result as it stands in a file of answers; what makes no sense becomes Opaque."""
    if depth > DEPTH:
        return Opaque("lists within lists")
    if isinstance(value, dict):
        try:
            array = from_lists(decoded(value["data"], depth + 1))
            return array.reshape([int(n) for n in value["shape"]])  # type: ignore[union-attr]
        except (KeyError, AttributeError, ValueError, TypeError, OverflowError):
            return Opaque("an object that is no array")
    if isinstance(value, list):
        return [decoded(x, depth + 1) for x in value]
    if isinstance(value, str) and value in ("nan", "inf", "-inf"):
        return float(value)
    if value is None:
        return Opaque("null")
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
        return float(value) if abs(value) < 1 << 1023 else Opaque("an int")  # 1e20 without its e
    return value


def as_meant(expected: Any, got: Any) -> Any:
    """What was meant: a program that writes JSON may write 1 for 1.0."""
    if several(expected):
        alike = isinstance(got, list) and len(got) == len(expected)
        return [as_meant(e, g) for e, g in zip(expected, got, strict=True)] if alike else got
    array = from_lists(got) if isinstance(got, list) else got
    if not isinstance(array, np.ndarray):
        return got
    whole_for_real = np.asarray(expected).dtype.kind == "f" and array.dtype.kind in "iu"
    return array.astype(float) if whole_for_real else array


def grade_answers(folder: Path, assignment: Assignment, salt: str = "") -> Report:
    """Mark the answers in a folder; a function without a file is not attempted."""
    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder}")
    start = time.perf_counter()
    functions = []
    for name, task in assignment.tasks.items():
        path = folder / f"{name}.json"
        if not path.exists():
            functions.append(ungraded(name, task))
            continue
        if path.is_dir():
            raise ValueError(f"{path} is a folder, expected a file of answers")
        cases = cases_of(name, salt)
        results = read_answers(path, len(cases))
        outcomes = [
            Outcome(kind="value", value=as_meant(reference(name, case), decoded(result)))
            for case, result in zip(cases, results, strict=True)
        ]
        tried = attempted(EXERCISES[name], cases, outcomes)
        found = None if tried.right else diagnose(tried)
        judged = Judgement(tried, diagnosis=found, called=False)
        functions.append(report_of(name, task, judged, assignment))
    return Report(
        file=folder.name or str(folder),
        title=assignment.title,
        functions=tuple(functions),
        versions=(("npppo", __version__), ("numpy", np.__version__)),
        seconds=round(time.perf_counter() - start, 2),
    )


def read_answers(path: Path, cases: int) -> list[Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
        results = (
            content["results"]
            if "results" in content
            else [case["result"] for case in content["cases"]]
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError(f'{path} holds no answers: expected {{"results": [...]}}') from None
    if not isinstance(results, list) or len(results) != cases:
        count = len(results) if isinstance(results, list) else "no list of"
        raise ValueError(f"{path} holds {count} results, expected {cases}")
    return results
