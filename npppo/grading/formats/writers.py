"""The report in the formats of the platforms: FORMATS[name](report) -> text."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from textwrap import wrap
from typing import Any
from xml.etree import ElementTree

from ..desk.report import FunctionReport, Report
from ..process.codec import harmless

# By status: a sign for the terminal, and its colour.
SIGNS = {
    "passed": ("ok", 32),
    "partial": ("part", 33),
    "failed": ("WRONG", 31),
    "error": ("ERROR", 31),
    "not attempted": ("-", 90),
}
WIDTH = 92  # of the explanations; the examples are Python and stay as they are
FEW = 5  # functions whose names fit on a line


def clean(text: str) -> str:
    """The text without what XML cannot hold and what would move a terminal's cursor.

    What has to stay on its line goes through `harmless`.
    """
    return "".join(c if c.isprintable() or c in "\t\n" else "\ufffd" for c in text)


def out_of(score: float, max_score: float) -> str:
    return f"{score:g}/{max_score:g}"


def terminal(report: Report, colour: bool = False) -> str:
    """For people: one line for each function, and below it what helps."""
    lines = [f"{harmless(report.title)}: {harmless(report.file)}", ""]
    lines += said(report) + [""] * bool(report.messages)
    width = max((len(f.name) for f in report.functions), default=0)
    shown = [f for f in report.functions if f.status != "not attempted"] or report.functions
    for f in shown:
        sign, number = SIGNS[f.status]
        sign = f"\x1b[{number}m{sign:>5}\x1b[0m" if colour else f"{sign:>5}"
        lines.append(f"{sign}  {f.name:<{width}}  {out_of(f.score, f.max_score):>7}")
        if f.status != "not attempted":
            helps = f.notes if f.message == "Right." else explained(f)
            lines += ["       " + line for line in helps]
    if rest := len(report.functions) - len(shown):
        lines += ["", f"{rest} more not attempted"]
    if report.absent:
        lines += [*[""] * bool(shown), *uncounted(report)]
    lines += ["", f"score {out_of(report.score, report.max_score)}"]
    if hidden := hidden_in(report):
        lines.append(f"({hidden} of the functions count, but are not shown to students yet)")
    if report.limits:
        lines.append("limits that held: " + ", ".join(report.limits))
    return "\n".join(lines) + "\n"


def hidden_in(report: Report) -> int:
    return sum(f.visibility != "visible" for f in report.functions)


def said(report: Report) -> list[str]:
    """What concerns the whole file. These may be a student's words, so no line stands alone."""
    return [f"! {harmless(message)}" for message in report.messages]


def uncounted(report: Report) -> list[str]:
    """One line, or none."""
    few = len(report.absent) <= FEW
    names = ", ".join(report.absent) if few else f"{len(report.absent)} functions of the contract"
    return [f"Not handed in, and not counted: {names}."] if report.absent else []


def explained(f: FunctionReport) -> list[str]:
    """Message first, then the example, then the rest."""
    return wrap(named(f), WIDTH) + evidence(f)


def named(f: FunctionReport) -> str:
    """The message, with the id of the mistake if it has one."""
    return clean(f.message) + (f"  [{f.mistake}]" if f.mistake else "")


def evidence(f: FunctionReport) -> list[str]:
    """What stands below the message."""
    lost = [p.name for p in f.parts if p.message]
    kept = [p.name for p in f.parts if p.score >= p.max_score]
    text = []
    if lost and kept:
        text += wrap(f"Right in: {', '.join(kept)}. Wrong in: {', '.join(lost)}.", WIDTH)
    text += wrap(f.edit, WIDTH)
    if f.example:
        text += ["", *f.example.split("\n"), ""]
    for line in [*f.details, *f.notes]:
        text += wrap(line, WIDTH)
    if lost and f.see:
        text.append(f"See {f.see}.")
    return [clean(line) for line in text]


def plain(report: Report) -> dict[str, Any]:
    """The report as JSON has it."""
    head = {"title": report.title, "file": report.file}
    sums = {"score": report.score, "max_score": report.max_score}
    return {**head, **sums, **asdict(report), "versions": dict(report.versions)}


def dumps(content: Any) -> str:
    return json.dumps(content, indent=2, allow_nan=False) + "\n"


def to_json(report: Report) -> str:
    return dumps(plain(report))


def gradescope(report: Report) -> str:
    """results.json; every function is a test, with its own visibility."""
    tests = [
        {
            "name": f.name,
            "number": str(i),
            "score": f.score,
            "max_score": f.max_score,
            "status": "passed" if f.status == "passed" else "failed",
            "output": "\n".join(explained(f)),
            "output_format": "text",
            "visibility": f.visibility,
            "tags": [f.mistake] if f.mistake else [],
            "extra_data": {"status": f.status, "mistake": f.mistake, "behaviour": f.behaviour},
        }
        for i, f in enumerate(report.functions, 1)
    ]
    hidden = hidden_in(report)
    shown = [f"{hidden} further functions are graded but not shown yet."] if hidden else []
    return dumps(
        {
            "output": "\n".join([*said(report), *uncounted(report), *shown]),
            "output_format": "text",
            "test_output_format": "text",
            "test_name_format": "text",
            "stdout_visibility": "hidden",
            "execution_time": report.seconds,
            "tests": tests,
            "extra_data": {"versions": dict(report.versions), "limits": list(report.limits)},
        }
    )


def junit(report: Report) -> str:
    """JUnit has no points: they are properties, and a lost mark is a failure."""
    times = Counter(f.status for f in report.functions)
    numbers = {
        "tests": str(len(report.functions)),
        "failures": str(times["failed"] + times["partial"]),
        "errors": str(times["error"]),
        "skipped": str(times["not attempted"]),
        "time": f"{report.seconds:.2f}",
    }
    root = ElementTree.Element("testsuites", {"name": "npppo", **numbers})
    suite = ElementTree.SubElement(root, "testsuite", {"name": clean(report.file), **numbers})
    properties(suite, {"score": report.score, "max_score": report.max_score})
    for f in report.functions:
        case = ElementTree.SubElement(suite, "testcase", name=f.name, classname="npppo", time="0")
        properties(
            case, {"score": f.score, "max_score": f.max_score, "mistake": f.mistake or "none"}
        )
        if f.status == "not attempted":
            ElementTree.SubElement(case, "skipped", message=clean(f.message))
        elif f.status != "passed":
            kind, why = "error" if f.status == "error" else "failure", f.mistake or f.status
            child = ElementTree.SubElement(case, kind, message=clean(f.message), type=why)
            child.text = "\n".join(explained(f))
    if report.output:
        ElementTree.SubElement(suite, "system-out").text = clean(report.output)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, "unicode") + "\n"


def properties(parent: ElementTree.Element, values: dict[str, Any]) -> None:
    element = ElementTree.SubElement(parent, "properties")
    for name, value in values.items():
        ElementTree.SubElement(element, "property", name=name, value=str(value))


def prairielearn(report: Report) -> str:
    """results.json of an external grader: the score from 0 to 1."""
    tests = [
        {
            "name": f.name,
            "description": f.see,
            "points": f.score,
            "max_points": f.max_score,
            "message": named(f),
            "output": "\n".join(evidence(f)),
        }
        for f in report.functions
        if f.visibility == "visible"
    ]
    return dumps(
        {
            "gradable": True,
            "score": report.score / report.max_score if report.max_score else 0.0,
            "message": "\n".join([*said(report), *uncounted(report)]),
            "output": clean(report.output),
            "tests": tests,
        }
    )


def otter(report: Report) -> str:
    """Plain results as Otter-Grader prints them."""
    lines = []
    for f in report.functions:
        if f.status == "passed":
            lines.append(f"{f.name} results: All test cases passed!")
            continue
        lines.append(f"{f.name} results:")
        for p in f.parts:
            right = p.score >= p.max_score or not p.message
            verdict = "Test case passed" if right else "Test case failed"
            lines += [f"    {f.name} - {p.name} result:", f"        {verdict}"]
        lines += ["    " + line for line in explained(f)]
    lines += uncounted(report)
    lines.append(f"Total Score: {out_of(report.score, report.max_score)}")
    return "\n".join(lines) + "\n"


def markdown(report: Report) -> str:
    """A table, and what helps below it."""
    lines = [
        f"# {escaped(report.title)}: {escaped(report.file)}",
        "",
        f"**Score: {out_of(report.score, report.max_score)}**",
        "",
        *(f"> {escaped(message)}" for message in report.messages),
        "",
        "| function | points | status | |",
        "| --- | ---: | --- | --- |",
    ]
    for f in report.functions:
        message = "" if f.status == "not attempted" else escaped(f.message)
        lines.append(f"| `{f.name}` | {out_of(f.score, f.max_score)} | {f.status} | {message} |")
    lines += ["", *map(escaped, uncounted(report))] if report.absent else []
    for f in report.functions:
        if f.example or f.edit:
            lines += ["", f"## `{f.name}`", "", escaped(f.message)]
            lines += ["", f.edit] if f.edit else []
        if f.example:
            fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", f.example))])
            lines.append("")
            lines += [f"{fence}python", clean(f.example), fence]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """No student's text becomes markup."""
    return re.sub(r"([\\`*_{}\[\]<>|#])", r"\\\1", harmless(text))


FORMATS: dict[str, Callable[[Report], str]] = {
    "text": terminal,
    "json": to_json,
    "gradescope": gradescope,
    "junit": junit,
    "prairielearn": prairielearn,
    "otter": otter,
    "markdown": markdown,
}
