"""The gradient microscope: one PPO minibatch, forward and backward, as a page that stands alone."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from pathlib import Path
from typing import Any

import numpy as np

from .. import contract
from ..check import GradientResult
from ..training.checkpoint import write_text
from .breaking import broken, checked, menu
from .entries import entries
from .equations import EQUATIONS
from .graph import Arrays, Node, evaluate, inputs, nodes
from .mathml import mathml
from .minibatch import Minibatch, built_in, of_run

PAGE = Path(__file__).parent / "page"
SCRIPTS = (
    *("formulas.js", "explain.js", "figures.js"),
    *(
        "state.js",
        "maps.js",
        "lanes.js",
        "panels.js",
        "fields.js",
        "tour.js",
        "mistakes.js",
        "page.js",
    ),
)
# How far off a larger array is, is told, but its cells are not shown: they would fill the page
LARGEST_SHOWN = 128


def write_page(path: Path, run: Path | None = None, update: int | None = None) -> None:
    """Write the page of a minibatch of a run's update, or of one that is built in."""
    minibatch = built_in() if run is None else of_run(run, update)
    write_text(path, page(minibatch))


def page(minibatch: Minibatch) -> str:
    """The page: the template with the style, the scripts and the data in it."""
    data = json.dumps(content(minibatch), ensure_ascii=False, allow_nan=False)
    parts = {
        "style": (PAGE / "style.css").read_text("utf-8"),
        "scripts": "\n".join((PAGE / name).read_text("utf-8") for name in SCRIPTS),
        "data": data.replace("</", "<\\/"),  # which would end the script that holds it
        "about": minibatch.about,
        "formulas": entries(nodes(minibatch)),
    }
    text = (PAGE / "template.html").read_text("utf-8")
    for name, part in parts.items():
        text = text.replace(f"{{{{{name}}}}}", part)
    return text


def content(minibatch: Minibatch) -> dict[str, Any]:
    """What the page's scripts get: the graph, its inputs, the functions and the mistakes."""
    graph = nodes(minibatch)
    moments = {moment: inputs(minibatch, moment) for moment in ("before", "after")}
    networks = [name for node in graph if node.function == "linear" for name in node.given[1:]]
    return {
        "about": minibatch.about,
        "graph": [
            {
                "id": node.id,
                "run": node.run,
                "function": node.function,
                "in": node.given,
                "out": node.out,
                "lane": node.lane,
            }
            for node in graph
        ],
        "inputs": {
            name: numbers(array) for name, array in moments["after"].items() if name not in networks
        },
        "moments": {
            moment: {name: numbers(given[name]) for name in networks}
            for moment, given in moments.items()
        },
        "functions": functions(graph, moments["after"]),
        "equations": {name: list(map(mathml, lines)) for name, lines in EQUATIONS.items()},
        "mistakes": mistakes(graph, moments["after"]),
    }


def functions(graph: list[Node], given: Arrays) -> dict[str, Any]:
    """The library's text of each function in the graph, and what the checker says of it here."""
    arrays, _ = evaluate(graph, given)
    found = {}
    for name in dict.fromkeys(node.function for node in graph):
        forward, backward = (
            inspect.unwrap(getattr(contract, full)) for full in (name, f"{name}_backward")
        )
        found[name] = {
            "file": Path(inspect.getfile(forward)).name,
            "doc": inspect.getdoc(forward),
            "forward": source(forward),
            "backward": source(backward),
            "checker": list(map(verdict, checked(graph, arrays, name, forward, backward))),
        }
    return found


def mistakes(graph: list[Node], given: Arrays) -> list[dict[str, Any]]:
    """What each mistake of the menu does."""
    right = evaluate(graph, given)
    return [
        {
            "ids": made.ids,
            "functions": made.functions,
            "sentence": made.sentence,
            "arrays": off_right(made.arrays, right[0]),
            "gradients": off_right(made.gradients, right[1]),
            "checker": list(map(verdict, made.checker)),
        }
        for made in (broken(graph, given, chosen) for chosen in menu(graph))
    ]


def verdict(result: GradientResult) -> dict[str, Any]:
    return {
        "argument": result.argument,
        "complex": numbers(result.complex_step_error),
        "central": numbers(result.central_difference_error),
        "ok": result.ok,
        "message": result.message,
    }


def source(function: Any) -> str:
    """The function's text without its docstring and its specification."""
    text = textwrap.dedent(inspect.getsource(function))
    definition = ast.parse(text).body[0]
    assert isinstance(definition, ast.FunctionDef)
    doc, *_ = definition.body
    assert doc.end_lineno is not None
    lines = text.splitlines()
    return "\n".join(lines[definition.lineno - 1 : doc.lineno - 1] + lines[doc.end_lineno :])


def numbers(array: Any) -> Any:
    """Numbers and lists of them, to the last bit; None for what is not finite."""
    if isinstance(array, np.ndarray) and array.ndim:
        return [numbers(part) for part in array]
    number = array.item() if isinstance(array, (np.ndarray, np.generic)) else array
    return number if np.isfinite(number) else None


def off_right(wrong: Arrays, right: Arrays) -> dict[str, Any]:
    """The wrong arrays, to nine digits; how far they are off; and the right ones' largest entry."""
    found = {}
    for name, array in wrong.items():
        small = np.size(array) <= LARGEST_SHOWN
        rounded = np.vectorize(lambda number: float(f"{number:.9g}"))
        found[name] = {
            "array": numbers(rounded(array)) if small else None,
            "off": numbers(np.abs(array - right[name]).max()),
            "largest": numbers(np.abs(right[name]).max()),
        }
    return found
