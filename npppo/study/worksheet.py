"""Worksheets: exercises with short numbers, other ones for each seed; their key; their marks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from html import escape
from itertools import takewhile
from textwrap import wrap
from typing import Any, NamedTuple

import numpy as np

from ..formulas.shapes import Array
from ..grading.exercises.answers import EXERCISES, forward_of, reference
from ..grading.exercises.compare import vector
from ..grading.exercises.exercise import Case
from .numbers import DECIMALS, example
from .show import WIDTH, answers, expect_function, given, shown, text, upstream
from .worked import bare, run, with_mistake

# What is asked for unless somebody says otherwise: one step of PPO, in an hour
SHORT = (
    *("softmax", "categorical_log_prob", "categorical_log_prob_backward", "categorical_entropy"),
    *("gae", "normalize_advantages", "clipped_surrogate_loss", "clipped_surrogate_loss_backward"),
    *("value_loss", "value_loss_backward", "adam_step"),
)
BLANK = "____"
STEP_DECIMALS = 6
NEAR = 2.0 * 10**-DECIMALS  # how far a right answer may be off: two in the last place
ROUNDED = 5 * NEAR  # and one that was rounded on the way

# What a docstring says that is not needed to calculate by it
ASIDE = ("Holds", "Convention", "Raises", "Source")
ALSO = {
    "orthogonal": "W is gain · Q, where the standard normal numbers are Q R, with R upper\n"
    "triangular and positive on its diagonal.",
    "mlp": "params[k] is (W, b) of layer k, and dparams[k] is (dW, db).",
    "mlp_jvp": "params[k] is (W, b) of layer k, and dparams[k] is (dW, db).",
}
HEADER = f"""\
Write the numbers in place of {BLANK}, to {DECIMALS} decimals; keep two or three more on the way.
1/3 is a number too. log is the natural one; indices count from 0.

Marks: npppo worksheet --check FILE, where FILE is this sheet in Markdown, filled in."""


def worksheet(seed: int, names: Iterable[str] = SHORT, key: bool = False) -> str:
    """The exercises in Markdown, or their key with every step that leads to the answers."""
    title = [f"# Key to worksheet {seed}"] if key else [f"# Worksheet {seed}", "", HEADER]
    lines = [*title, ""]
    for number, name in enumerate(dict.fromkeys(names), 1):
        expect_function(name)
        lines += [f"## {number}. {name}", "", *exercise(name, example(name, seed), key)]
    return "\n".join(lines)


def exercise(name: str, case: Case, key: bool) -> Iterator[str]:
    formula = forward_of(name)
    numbers = given(name, case)
    blocks = [question(name), ["Given:", *numbers]]
    if key:
        ways = run(formula, case)[: 1 if name == formula else 2]
        blocks = [numbers, *(list(shown(steps, STEP_DECIMALS)) for steps in ways)]
    for block in blocks:
        yield from ("```text", *block, "```", "")
    for label, x in answers(name, reference(name, case)):
        decimals = DECIMALS if np.asarray(x).dtype.kind == "f" else 0
        table = [
            [one, *(f"{number:.{decimals}f}" if key else BLANK for number in row)]
            for one, row in rows(label, x).items()
        ]
        width = len(table[0]) - 1
        head = ["", *(f"[{k}]" if np.ndim(x) else "" for k in range(width))]
        for cells in (head, ["---"] * (width + 1), *table):
            yield "| " + " | ".join(cells) + " |"
        yield ""


def question(name: str) -> list[str]:
    """What is to be computed, in the words of the docstring."""
    formula = forward_of(name)
    paragraphs = text(bare(formula)).split("\n\n")
    paragraphs = paragraphs[: [*(one[:10] for one in paragraphs), "Derivation"].index("Derivation")]
    said = [
        "\n".join(takewhile(lambda line: not line.startswith(ASIDE), one.split("\n")))
        for one in paragraphs
        if not one.startswith(ASIDE)
    ]
    said += [ALSO[formula]] if formula in ALSO else []
    if name != formula:
        dout = upstream(formula)
        said = [f"{text(bare(name))} {dout} is ∂L/∂{dout[1:]} of a loss L.", *said]
    return "\n\n".join(said).split("\n")


def rows(label: str, x: Any) -> dict[str, Array]:
    """The rows of an answer by their labels."""
    array = np.asarray(x, float) + 0.0  # never -0
    if array.ndim < 2:
        return {label: np.atleast_1d(array)}
    return {f"{label}[{k}]": row for k, row in enumerate(array)}


STYLE = """
body { font: 11pt/1.4 serif; max-width: 46em; margin: 2em auto; padding: 0 1em }
pre { font: 9pt/1.4 monospace; white-space: pre-wrap; background: #f4f4f4; padding: .5em }
td { border: 1px solid #888; padding: .3em .6em; min-width: 4em; font: 10pt monospace }
table { border-collapse: collapse; margin: .6em 0 }
h2 { font-size: 12pt; break-after: avoid } pre, table { break-inside: avoid }
@media print { body { margin: 0; max-width: none } pre { background: none; padding: 0 } }
"""


def html(sheet: str) -> str:
    """A sheet for the printer: a page of its own, without anything from elsewhere."""
    page = escape(sheet, quote=False)
    for pattern, made in (
        (r"^\| ---.*\n", ""),
        (r"^```text\n((?:.*\n)*?)```$", r"<pre>\1</pre>"),
        (r"^# (.*)$", r"<h1>\1</h1>\n<p>Name:</p>"),
        (r"^## (.*)$", r"<h2>\1</h2>"),
        (r"^((?:\|.*\n)+)", r"<table>\n\1</table>\n"),
    ):
        page = re.sub(pattern, made, page, flags=re.MULTILINE)
    page = re.sub(r"^\| (.*) \|$", cells, page, flags=re.MULTILINE)
    head = f'<html lang="en">\n<meta charset="utf-8">\n<title>npppo</title>\n<style>{STYLE}</style>'
    return f"<!DOCTYPE html>\n{head}\n{page}</html>\n"


def cells(row: re.Match[str]) -> str:
    inside = row[1].replace(BLANK, "").split(" | ")
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in inside) + "</tr>"


# Marks

SHEET = re.compile(r"#\s*worksheet\s+(\d+)\s*", re.IGNORECASE)
TITLE = re.compile(r"##\s*\d+\s*\.?\s*`?(\w+)`?\s*")
ROW = re.compile(r"\|\s*`?([a-zA-Z]\w*(?:\[\d+\])*)`?\s*\|(.*)")
NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)(?:/(\d+\.?\d*))?", re.IGNORECASE)
AROUND = str.maketrans({"−": "-", "–": "-", **dict.fromkeys(" \t\xa0_*`$≈=~", "")})


def filled_in(sheet: str) -> tuple[int, dict[str, dict[str, list[str]]]]:
    """The number of a sheet that somebody has filled in, and for each exercise its rows."""
    seed, found, here = None, dict[str, dict[str, list[str]]](), dict[str, list[str]]()
    for line in map(str.strip, sheet.splitlines()):
        if match := SHEET.fullmatch(line):
            seed = int(match[1])
        elif match := TITLE.fullmatch(line):
            here = found.setdefault(match[1], {})
        elif match := ROW.fullmatch(line):
            here[match[1]] = match[2].rstrip("|").split("|")
    if seed is None:
        raise ValueError('this is no worksheet: no line says "# Worksheet" and its number')
    for name in found:
        expect_function(name)
    return seed, found


def read(cell: str) -> tuple[float | None, str]:
    """The number in a cell, or None for a blank; and what there is to say about it."""
    bare_cell = cell.translate(AROUND)
    if not bare_cell:
        return None, ""
    comma = bare_cell.count(",") == 1 and "." not in bare_cell
    match = NUMBER.fullmatch(bare_cell.replace(",", ".") if comma else bare_cell)
    if match is None or (match[2] and not float(match[2])):
        return None, f"I cannot read {cell.strip()!r}; a number looks like -0.25 or 1/3."
    number = float(match[1]) / float(match[2] or 1)
    return number, f"I read {cell.strip()} as {number:g}." if comma else ""


class Mark(NamedTuple):
    """Of the numbers of an exercise: how many are right, there are in all, are not filled in."""

    right: int
    all: int
    empty: int
    remarks: list[str]


def mark(name: str, case: Case, cells: dict[str, list[str]]) -> Mark:
    """The marks of an exercise; a mistake is named where one gives just the numbers there."""
    expected = reference(name, case)
    numbers, remarks, places = list[float](), dict[str, None](), list[str]()
    for answer in answers(name, expected):
        for label, row in rows(*answer).items():
            written = [*cells.get(label, []), *[""] * len(row)]  # a row may be gone
            for k, cell in enumerate(written[: len(row)]):
                number, remark = read(cell)
                numbers.append(np.nan if number is None else number)
                places.append(f"{label}[{k}]" if np.ndim(answer[1]) else label)
                remarks |= {remark: None} if remark else {}
    got, right = np.array(numbers), vector(expected)
    there = ~np.isnan(got)
    good = there & (abs(got - right) <= NEAR)
    near = there & (abs(got - right) <= ROUNDED)
    if (good < there).any():
        told = named_mistake(name, case, got, there)
        if told:
            remarks[told] = None
        elif (near == there).all():
            good = near
            remarks["Right, but rounded too early: keep five or six decimals on the way."] = None
        else:
            wrong = [place for place, x in zip(places, there & ~good, strict=True) if x]
            remarks[f"Look again at {', '.join(wrong)}."] = None
    return Mark(int(good.sum()), len(right), int((~there).sum()), list(remarks))


def named_mistake(name: str, case: Case, got: Array, there: Array) -> str:
    """The sentence of a mistake that gives all the numbers that are there."""
    for mistake in EXERCISES[name].mistakes:
        numbers = vector(with_mistake(name, mistake, case))
        if numbers.shape == got.shape and (abs(numbers - got)[there] <= NEAR).all():
            kind = "Right by another convention: " if mistake.convention else ""
            return f"{kind}{mistake.sentence}  [{mistake.id}]"
    return ""


def marked(sheet: str) -> tuple[str, bool]:
    """The report on a filled-in sheet, and whether all that is filled in is right."""
    seed, found = filled_in(sheet)
    lines, right, tried, every = list[str](), 0, 0, 0
    for name, cells in found.items():
        case = example(name, seed)
        if any("".join(line.split()) not in "".join(sheet.split()) for line in given(name, case)):
            raise ValueError(f"the numbers given for {name} are not those of worksheet {seed}")
        one = mark(name, case, cells)
        there = one.all - one.empty
        word = "empty" if not there else "right" if one.right == there else "wrong"
        left = f", {one.empty} still to do" if there and one.empty else ""
        lines.append(f"{word}  {name}: {one.right} of {one.all}{left}")
        lines += (f"{'':7}{line}" for line in wrap(" ".join(one.remarks), WIDTH - 7))
        right, tried, every = right + one.right, tried + there, every + one.all
    lines += ["", f"{right} of {every} numbers are right."]
    return "\n".join(lines) + "\n", right == tried > 0
