"""Submissions for the tests of grading."""

import re
from pathlib import Path
from textwrap import indent

import npppo
import npppo.contract
from npppo.grading.desk.assignment import assignment_of
from npppo.grading.desk.grade import grade
from npppo.grading.desk.submission import Submission

FORMULAS = [
    "layers",
    "categorical",
    "bernoulli",
    "gaussian",
    "returns",
    "surrogates",
    "losses",
    "optimizers",
]
GAE = """
import numpy as np
def gae(r, v, nv, term, trunc, gamma, lam):
    A, last = np.zeros(np.shape(r)), 0
    for t in reversed(range(len(r))):
        delta = r[t] + gamma * np.where(term[t], 0, nv[t]) - v[t]
        last = delta + gamma * lam * (1 - 1 * np.logical_or(term[t], trunc[t])) * last
        A[t] = last
    return A
"""


def reference_file():
    """The reference itself, formulas behind their doors, as one file that needs NumPy alone."""
    package = Path(npppo.__file__).parent

    def source(name):
        text = (package / f"{name}.py").read_text()
        text = re.sub(r"^ *from \.[\w.]* import (\([^)]*\)|.*)$", "", text, flags=re.M)
        return text.replace("from __future__ import annotations\n", "")

    door = source("contract").replace("if TYPE_CHECKING:", "").split("def doors()")[0]
    formulas = "\n".join(source(f"formulas/{name}") for name in FORMULAS)
    lines = ["from __future__ import annotations", source("formulas/shapes"), door]
    lines += ["def bare():", indent(formulas, "    "), "    return locals()", "BARE = bare()"]
    for name in npppo.contract.__all__:
        through = "back_door" if name.endswith("_backward") else "door"
        lines.append(f"{name} = {through}(BARE[{name!r}])")
    return "\n".join(lines)


def submission(source, name="my_ppo.py"):
    return Submission(name, source.encode(), ((name, source),))


def assignment(functions, **options):
    """Only these functions, with options of the section [assignment]."""
    return assignment_of({"assignment": {"functions": functions, **options}})


def graded(source, functions, salt="", **options):
    """{function: its report} of a source, and the whole report as "file"."""
    report = grade(submission(source), assignment(functions, **options), salt)
    return {f.name: f for f in report.functions} | {"file": report}


def with_change(source, old, new):
    """The source with one place changed."""
    assert source.count(old) == 1, old
    return source.replace(old, new)
