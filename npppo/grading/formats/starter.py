"""The file that a student fills in, made from the reference's own signatures and docstrings."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from shlex import quote
from textwrap import indent

from ... import contract
from ..exercises.answers import EXERCISES, asked_for, forward_of, has_backward

HEADER = '''"""PPO by hand: replace each `raise NotImplementedError` by your own code, in NumPy.

A function that has a partner NAME_backward returns (out, cache). The cache is yours: put into it
what your backward needs. NAME_backward(dout, cache) is given dout, the gradient of some scalar loss
with respect to out and of its shape. It returns the gradients that its docstring names, in that
order: dx is the gradient of the same loss with respect to x, in the shape of x.

Shapes are as stated: (N,) and (N, 1) are not the same, and () is a number or a 0-d array. The
result has the floating dtype of the arrays given: float32 stays float32. Whole numbers count as
floats and are never truncated. Hyperparameters and the dout of a number are Python numbers.

Arguments may be read-only or not contiguous. No function changes them, and no result shares memory
with one; a cache may. The same call gives the same result. A loss is a mean over the batch, to be
minimised.

    N  samples          T  time steps      D  input features
    A  actions, or      E  environments    M  output features
       action dimensions

Functions may call each other. While grading, only NumPy and the standard library can be imported;
what is raised for wrong arguments is not graded. Check the file with:  npppo grade {file}
"""

import numpy as np
'''
# From a line that begins with the first a docstring tells the solution, until one of the others.
DERIVATION = "Derivation"
GOES_ON = ("Convention", "Raises", "Source")


def starter(functions: Iterable[str] | None = None, file: str = "my_ppo.py") -> str:
    """The source of the file, with these functions (default: all) in the order of the contract."""
    wanted = asked_for(functions)
    # a backward function is graded with the cache of its forward
    wanted += [forward_of(name) for name in wanted]
    readable = file.isprintable() and not set(file) & set('"\\')  # in a docstring
    return "\n\n".join(
        [
            HEADER.format(file=quote(file) if readable else "FILE"),
            *(stub(name) for name in EXERCISES if name in wanted),
        ]
    )


def stub(name: str) -> str:
    function = getattr(contract, name)
    parameters = ", ".join(
        p.name if p.default is p.empty else f"{p.name}={p.default!r}"
        for p in inspect.signature(function).parameters.values()
    )
    doc = task(name)
    end = "\n" if "\n" in doc else ""
    body = f'"""{doc}{end}"""\nraise NotImplementedError'
    return f"def {name}({parameters}):\n{indent(body, '    ')}\n"


def task(name: str) -> str:
    """What the reference's docstring says, without the derivation."""
    doc = inspect.getdoc(getattr(contract, name)) or ""
    kept, telling = [], True
    for line in doc.replace("\\", "\\\\").split("\n"):
        if line.startswith(DERIVATION):
            telling = False
        elif line.startswith(GOES_ON):
            telling = True
        if telling:
            kept.append(line)
    text = "\n".join(kept).rstrip()
    return f"{text}\n\nReturns (out, cache)." if has_backward(name) else text
