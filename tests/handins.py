"""Submissions for the tests of grading."""

import re
from pathlib import Path

import npppo
from npppo.grading.assignment import assignment_of
from npppo.grading.grade import grade
from npppo.grading.submission import Submission

FLOOR_0 = ("shapes", "layers", "categorical", "gaussian", "returns", "losses", "optimizers")
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
    """The reference itself as one file that needs NumPy alone."""
    folder = Path(npppo.__file__).parent
    sources = [(folder / f"{name}.py").read_text() for name in FLOOR_0]
    text = "\n".join(re.sub(r"__all__ = \[.*?\]\n", "", source, flags=re.S) for source in sources)
    text = re.sub(r"^from \.\w+ import (\([^)]*\)|.*)$", "", text, flags=re.M)
    text = text.replace("from __future__ import annotations\n", "")
    return "from __future__ import annotations\n" + text


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
