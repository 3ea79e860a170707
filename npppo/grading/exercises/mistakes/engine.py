"""From the pages of the book of mistakes to functions in which every mistake can be switched on."""

from __future__ import annotations

import linecache
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..exercise import Mistake, Switches
from . import helpers
from .model import Model, parses
from .reading import Also, Page, Templates, Way, pages, ways

CALL = re.compile(r"(?<![\w.])(\w+)\(")


class Book:
    """The pages of all files; see the package's docstring."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self.files: set[Path] = set()
        self.pages: dict[str, Page] = {}
        self.templates: Templates = {}
        self.space: dict[str, Any] = {}
        for path in paths:
            self.read(path)

    def read(self, path: Path) -> list[str]:
        """Add a file, once. Returns the names of the functions that it is about."""
        if path in self.files:
            return []
        found = pages(path, self.templates)
        self.files.add(path)
        for page in found:
            known = self.pages.setdefault(page.name, page)
            if bool(page.source) != (known is page):
                there = "no function" if known is page else "already a function"
                raise page.place.error(f"there is {there} {page.name}")
            if known is not page:
                known.entries += page.entries
        self.space = {"np": np, **vars(helpers)}
        self.space |= {name: self.at_first(name) for name in self.pages}
        return [page.name for page in found]

    def variant(self, name: str) -> Callable[..., Any]:
        """The function with its switches."""
        return lambda on, *args: self.space[name](on, *args)

    def mistakes(self, name: str) -> tuple[Mistake, ...]:
        return tuple(way.mistake for way in self.ways(name))

    def ways(self, name: str) -> list[Way]:
        """What can go wrong in a function, with what it takes over from others."""
        found: list[Way] = []
        for entry in self.pages[name].entries:
            found += self.taken_over(name, entry) if isinstance(entry, Also) else ways(name, entry)
        for switch, times in Counter(way.mistake.switch for way in found).items():
            if times > 1:
                last = [way for way in found if way.mistake.switch == switch][-1]
                raise last.line.place.error(f"{switch!r} is there twice")
        return found

    def taken_over(self, name: str, also: Also) -> Iterator[Way]:
        if also.function not in self.pages:
            raise also.place.error(f"there is no function {also.function}")
        times = Counter[str]()
        met = set()
        for way in self.ways(also.function):
            known = way.mistake
            times[known.id] += 1
            same = {known.id, f"{known.id}/{times[known.id]}", f"{known.id.split('-')[0]}-"}
            met |= same
            if same.isdisjoint(also.ids) != also.others:
                continue
            taken = replace(known, sentence=also.prefix + known.sentence)
            if not also.lines:
                yield way._replace(mistake=taken)
            for line in also.lines:  # made wrong by a wrong forward: no convention excuses it
                switch = f"{name}: {line.text} with {known.switch}"
                yield Way(replace(taken, convention=False, switch=switch), line, known.switch)
        for id in also.ids:
            if id not in met:
                raise also.place.error(f"{also.function} has no mistake {id}")

    def called(self, name: str) -> set[str]:
        """The functions of the book that a function calls."""
        body = "\n".join(self.pages[name].source[1:])
        return self.pages.keys() & {match[1] for match in CALL.finditer(body)}

    def reached(self, name: str) -> set[str]:
        """The switches that make a difference to a function."""
        own = {way.mistake.switch for way in self.ways(name)}
        return own.union(*map(self.reached, self.called(name)))

    def edits(self, name: str) -> list[Way]:
        """The ways that are made in the function itself, not in what it calls."""
        below = set().union(*map(self.reached, self.called(name)))
        return [way for way in self.ways(name) if way.mistake.switch not in below]

    def switchable(self, name: str) -> str:
        """The function's text with every way in it, each behind its switch."""
        head, *lines = self.pages[name].source
        model = Model([head, *map(self.passing_on, lines)])
        for way in self.edits(name):
            place = way.line.place
            note = f"  # {place.path.name}, line {place.line}"
            for code in way.line.text.split("; "):
                if not parses(code):
                    raise place.error(f"{code!r} is no Python")
                if not model.edit(self.passing_on(code, way.inner), way.mistake.switch, note):
                    raise place.error(f"{name} has no line that {code!r} could replace")
        return model.switchable()

    def passing_on(self, code: str, inner: str = "") -> str:
        """With what is on passed to the functions of the book that it calls."""
        on = f"on | {{{inner!r}}}, " if inner else "on, "
        return CALL.sub(lambda match: match[0] + on * (match[1] in self.pages), code)

    def at_first(self, name: str) -> Callable[..., Any]:
        """The function in its first call, which compiles it."""

        def first_call(on: Switches, *args: Any) -> Any:
            text, file = self.switchable(name), f"<the mistakes in {name}>"
            linecache.cache[file] = len(text), None, text.splitlines(True), file  # for tracebacks
            exec(compile(text, file, "exec"), self.space)
            return self.space[name](on, *args)

        return first_call
