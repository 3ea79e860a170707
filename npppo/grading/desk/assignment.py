"""What the teacher decides: an INI file, like setup.cfg.

[assignment]
title = PPO by hand          ; heads the report
functions = gae softmax      ; default: all of the contract
points = 10                  ; for each function
visibility = visible         ; hidden, after_due_date, after_published
message = example            ; name: the mistake; example: and an input; full: and all else
conventions = 0              ; credit, 0 to 1, for what is right by another convention
seconds = 10                 ; for each function
memory = 2048                ; megabytes

[gae]                        ; points, visibility and message of one function
points = 20

[gae strata]                 ; how its points are shared out
no ends = 3
truncations = 2

[conventions]                ; credit for one convention
NRM-01 = 1
"""

from __future__ import annotations

import configparser
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..exercises.answers import EXERCISES, asked_for

VISIBILITIES = ("visible", "hidden", "after_due_date", "after_published")
MESSAGES = ("name", "example", "full")


@dataclass(frozen=True)
class Task:
    """One function of an assignment. `strata` are the shares of its points."""

    points: float
    visibility: str
    message: str
    strata: Mapping[str, float]


@dataclass(frozen=True)
class Assignment:
    """`tasks` in the order of the contract. `credit` is for conventions, by id."""

    title: str
    tasks: Mapping[str, Task]
    conventions: float = 0.0
    credit: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 10.0
    memory: int = 2048


OPTIONS = {
    "title": "PPO in NumPy",
    "functions": "",
    "points": "10",
    "visibility": "visible",
    "message": "example",
    "conventions": "0",
    "seconds": "10",
    "memory": "2048",
}
OF_A_FUNCTION = ("points", "visibility", "message")


def read_assignment(path: str | Path | None = None) -> Assignment:
    """The assignment in a file, or the default one. Mistakes are a ValueError that names them."""
    parser = configparser.ConfigParser(
        interpolation=None, inline_comment_prefixes=(";", "#"), delimiters=("=",)
    )
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # ids have capitals
    if path is not None:
        try:
            parser.read_string(Path(path).read_text("utf-8-sig"), str(path))
        except FileNotFoundError:
            raise ValueError(f"there is no assignment file {path}") from None
        except OSError as error:
            raise ValueError(f"assignment {path} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise ValueError(f"assignment {path} is not UTF-8 text") from None
        except configparser.Error as error:
            raise ValueError(f"assignment {path}: {str(error).splitlines()[0]}") from None
    try:
        return assignment_of({name: dict(parser[name]) for name in parser.sections()})
    except ValueError as error:
        raise ValueError(f"assignment {path}: {error}") from None


def template(functions: Iterable[str] | None = None) -> str:
    """An assignment file that says what is so without one: every stratum with its share of the
    points, and every convention that could be given credit."""
    wanted = asked_for(functions, "functions: ")
    names = [name for name in EXERCISES if name in wanted]
    options = {**OPTIONS, "functions": " ".join(names)}
    lines = ["[assignment]", *(f"{key} = {value}" for key, value in options.items())]
    for name in names:
        strata = EXERCISES[name].battery.strata.items()
        lines += ["", f"[{name} strata]", *(f"{key} = {value:g}" for key, value in strata)]
    lines += ["", "[conventions]"]
    for name in names:
        for mistake in EXERCISES[name].mistakes:
            line = f"; {mistake.id} = 1  ; {name}: {mistake.sentence}"
            if mistake.convention and line not in lines:
                lines.append(line)
    return "\n".join(lines) + "\n"


def assignment_of(sections: Mapping[str, Mapping[str, str]]) -> Assignment:
    for section in sections:
        if section not in ("assignment", "conventions"):
            asked_for([section.removesuffix(" strata")], f"section [{section}]: ")
    options = {**OPTIONS, **sections.get("assignment", {})}
    known_keys("assignment", options, OPTIONS)
    names = asked_for(options["functions"].replace(",", " ").split() or None, "functions: ")
    for section in sections:
        name = section.removesuffix(" strata")
        if name in EXERCISES and name not in names:
            raise ValueError(f"section [{section}]: {name} is not among the functions")
    ids = {m.id for exercise in EXERCISES.values() for m in exercise.mistakes if m.convention}
    conventions = sections.get("conventions", {})
    known_keys("conventions", conventions, sorted(ids), "convention")
    tasks = {name: task_of(name, options, sections) for name in EXERCISES if name in names}
    if not any(task.points for task in tasks.values()):
        raise ValueError("there are no points to earn")
    return Assignment(
        title=options["title"],
        tasks=tasks,
        conventions=share("conventions", options["conventions"]),
        credit={key: share(f"[conventions] {key}", text) for key, text in conventions.items()},
        seconds=positive("seconds", options["seconds"]),
        memory=int(positive("memory", options["memory"], at_least=256)),
    )


def task_of(
    name: str, options: Mapping[str, str], sections: Mapping[str, Mapping[str, str]]
) -> Task:
    own = sections.get(name, {})
    known_keys(name, own, OF_A_FUNCTION)
    strata = dict(EXERCISES[name].battery.strata)
    for key, text in sections.get(f"{name} strata", {}).items():
        if key not in strata:
            raise ValueError(f"[{name} strata] {key!r}: expected one of {', '.join(strata)}")
        strata[key] = points(f"[{name} strata] {key}", text)
    if not sum(strata.values()):
        raise ValueError(f"[{name} strata]: there are no points to share out")
    merged = {key: own.get(key, options[key]) for key in OF_A_FUNCTION}
    return Task(
        points=points(f"[{name}] points" if "points" in own else "points", merged["points"]),
        visibility=one_of("visibility", merged["visibility"], VISIBILITIES),
        message=one_of("message", merged["message"], MESSAGES),
        strata=strata,
    )


def known_keys(
    section: str, given: Iterable[str], known: Collection[str], what: str = "option"
) -> None:
    for key in given:
        if key not in known:
            choices = ", ".join(known)
            raise ValueError(f"[{section}] {key}: no such {what}, expected one of {choices}")


def points(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{name} = {text!r} is no number") from None
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"{name} = {text}: expected a finite number that is not negative")
    return value


def share(name: str, text: str) -> float:
    value = points(name, text)
    if value > 1:
        raise ValueError(f"{name} = {text}: expected a share from 0 to 1")
    return value


def positive(name: str, text: str, at_least: float = 0.0) -> float:
    value = points(name, text)
    if value <= 0 or value < at_least:
        least = f"at least {at_least:g}" if at_least else "more than 0"
        raise ValueError(f"{name} = {text}: expected {least}")
    return value


def one_of(name: str, text: str, choices: tuple[str, ...]) -> str:
    if text not in choices:
        raise ValueError(f"{name} = {text!r}: expected one of {', '.join(choices)}")
    return text
