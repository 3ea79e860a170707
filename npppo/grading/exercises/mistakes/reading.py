"""From the text of the book of mistakes to its pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ..exercise import Mistake

HEAD = re.compile(r"(def|in) (\w+)(?:\(.*\))?:")
MISTAKE = re.compile(r"([A-Z]{2,3}-\d+)  (\S.*)")
ALSO = re.compile(r'also (\w+)(?:, "(.*)")?(?:( except)?: (.+))?')
TEMPLATE = re.compile(r"template (\w+)\((.*)\)")
USE = re.compile(r"use (\w+)\((.*)\)")
CHOICE = re.compile(r"\{([^{}]*\|[^{}]*)\}")
CONVENTION = "Convention: "
CODE, SENTENCE = " " * 4, " " * 8  # what a line begins with


class Place(NamedTuple):
    path: Path
    line: int

    def error(self, fault: str) -> ValueError:
        return ValueError(f"{self.path}, line {self.line}: {fault}")


class Line(NamedTuple):
    place: Place
    text: str


@dataclass
class Known:
    """A mistake, and the lines that make it."""

    place: Place
    id: str
    sentence: str
    lines: list[Line] = field(default_factory=list)

    def go_on(self, text: str) -> None:
        self.sentence += f" {text}"


@dataclass
class Also:
    """Mistakes of another function: those with the ids, or all but those."""

    place: Place
    function: str
    prefix: str
    ids: list[str]
    others: bool
    lines: list[Line] = field(default_factory=list)

    def go_on(self, text: str) -> None:
        self.ids += text.split()


@dataclass
class Page:
    """A function and what goes wrong in it. Without a source, more of what goes wrong in it."""

    place: Place
    name: str
    source: list[str]
    entries: list[Known | Also] = field(default_factory=list)


class Way(NamedTuple):
    """One way to make a mistake. `inner` is a switch that is on in what the line calls."""

    mistake: Mistake
    line: Line
    inner: str = ""


Templates = dict[str, tuple[list[str], list[str]]]  # parameters and lines by name


def pages(path: Path, templates: Templates) -> list[Page]:
    """The pages of a file. Its templates join those of other files."""
    found: list[Page] = []
    for place, text in lines(path, templates):
        if match := HEAD.fullmatch(text):
            found.append(Page(place, match[2], [text] if match[1] == "def" else []))
            continue
        if not text.strip():
            continue
        if not found:
            raise place.error(f"expected a function such as 'def f(x):', found {text!r}")
        page, last = found[-1], found[-1].entries[-1] if found[-1].entries else None
        if match := MISTAKE.fullmatch(text):
            page.entries.append(Known(place, match[1], match[2]))
        elif match := ALSO.fullmatch(text):
            name, prefix, others, ids = match.groups()
            named = ids.split() if ids else []
            page.entries.append(Also(place, name, prefix or "", named, bool(others or not ids)))
        elif last is None and page.source and text.startswith(CODE):
            page.source.append(text)
        elif last is not None and not last.lines and text.startswith(SENTENCE):
            last.go_on(text.strip())
        elif last is not None and text.startswith(CODE):
            if last.lines and last.lines[-1].text.endswith(";"):  # the way goes on
                text = f"{last.lines.pop().text} {text.strip()}"
            last.lines.append(Line(place, text.strip()))
        else:
            raise place.error(f"expected a mistake as 'ABC-01  What is wrong.', found {text!r}")
    return found


def lines(path: Path, templates: Templates) -> Iterator[Line]:
    """The lines of a file, with those of templates where they are used."""
    template: list[str] | None = None
    for number, text in enumerate(path.read_text("utf-8").splitlines(), 1):
        place = Place(path, number)
        if match := TEMPLATE.fullmatch(text):
            template = []
            templates[match[1]] = match[2].split(", "), template
        elif text.startswith("#"):
            continue
        elif template is not None and not HEAD.fullmatch(text):
            template.append(text)
        else:
            template = None
            yield from (Line(place, one) for one in used(text, place, templates))


def used(text: str, place: Place, templates: Templates) -> Iterator[str]:
    """The line itself, or the lines of the template that it uses."""
    match = USE.fullmatch(text)
    if match is None:
        yield text
        return
    parameters, body = templates.get(match[1], ([], []))
    values = match[2].split(", ")
    if len(parameters) != len(values):
        raise place.error(f"there is no template {match[1]} with {len(values)} parameters")
    for line in body:
        for parameter, value in zip(parameters, values, strict=True):
            line = line.replace(f"{{{parameter}}}", value)
        yield from used(line, place, templates)


def ways(function: str, known: Known) -> Iterator[Way]:
    if not known.lines:
        raise known.place.error(f"{known.id} has no line that makes it")
    sentence = known.sentence.removeprefix(CONVENTION)
    convention = sentence != known.sentence
    if convention:
        sentence = sentence[0].upper() + sentence[1:]
    for place, text in known.lines:
        choices = [choice.split("|") for choice in CHOICE.findall(text)]
        if len(set(map(len, choices))) > 1:
            raise place.error(f"the braces of {text!r} do not hold equally many choices")
        for chosen in zip(*choices, strict=True) if choices else [()]:
            values = iter(chosen)
            one = CHOICE.sub(lambda _, values=values: next(values), text)  # type: ignore[misc]
            switch = f"{function}: {one}"
            yield Way(Mistake(known.id, sentence, convention, switch), Line(place, one))
