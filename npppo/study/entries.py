"""All formulas for the microscope's page: a folded entry each, in the order of `npppo study`."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from ..grading.exercises.answers import has_backward
from .graph import Node
from .show import builds_on, in_order, page, summary


def entries(graph: list[Node]) -> str:
    """HTML that needs no script: a browser opens the entry that a link leads into."""
    return "\n".join(lines(graph))


def lines(graph: list[Node]) -> Iterator[str]:
    for file, names in in_order():
        yield f"<h3>{file}</h3>"
        for name in names:
            said = ("± " if has_backward(name) else "") + escape(summary(name), False)
            yield f"<details><summary><code>{name}</code> {said}</summary>"
            yield f'<div id="formula-{name}">'
            if below := ", ".join(f'<a href="#formula-{one}">{one}</a>' for one in builds_on(name)):
                yield f"<p>Builds on {below}.</p>"
            places = [node.id for node in graph if node.function == name]
            yield in_the_graph(places) if places else f"<pre>{escape(page(name), False)}</pre>"
            yield "</div></details>"


def in_the_graph(places: list[str]) -> str:
    links = ", ".join(f'<a href="#f/{place}">{place}</a>' for place in places)
    return f"<p>It stands in the graph, with its lines and this minibatch's numbers: {links}.</p>"
