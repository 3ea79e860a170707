"""The file that a student fills in, made from the reference's own signatures and docstrings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from textwrap import indent

from .. import contract
from .exercises import EXERCISES, forward_of, has_backward

HEADER = '''"""PPO by hand: replace each `raise NotImplementedError` by your own code, in NumPy.

A function that has a partner NAME_backward returns (out, cache). The cache is yours: put into it
what your backward needs. NAME_backward(dout, cache) is given the gradient of some scalar loss with
respect to out, and returns the gradients with respect to the inputs, in the order of the
arguments.

Arrays come and go in the shapes stated, (N,) and (N, 1) are not the same; no function changes its
arguments; a loss is a mean over the batch. Floating arrays stay floating; flags are bool.

    N  samples          T  time steps      D  input features
    A  actions, or      E  environments    M  output features
       action dimensions

Check it with:  npppo grade {file}
"""

import numpy as np
'''
# What a docstring tells about the solution ends where one of these begins.
DERIVATION = "Derivation"
GOES_ON = ("Convention", "Shapes", "Raises", "Source", "Holds", "Exact")


def starter(functions: Iterable[str] | None = None, file: str = "my_ppo.py") -> str:
    """The source of the file, with these functions (default: all) in the order of the contract."""
    wanted = set(EXERCISES if functions is None else functions)
    unknown = sorted(wanted - set(EXERCISES))
    if unknown:
        raise ValueError(f"there is no function {unknown[0]!r} in the contract")
    # a backward function is graded with the cache of its forward
    wanted |= {forward_of(name) for name in wanted}
    return "\n\n".join(
        [HEADER.format(file=file), *(stub(name) for name in EXERCISES if name in wanted)]
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
    doc = doc.replace("\\", "\\\\")
    kept, telling = [], True
    for paragraph in re.split(r"\n\s*\n", doc):
        lines = paragraph.split("\n")
        if lines[0].startswith(DERIVATION):
            telling = False
        # a derivation may run straight into what follows it
        cut = next((i for i, line in enumerate(lines) if line.startswith(GOES_ON)), None)
        if not telling and cut is not None:
            lines, telling = lines[cut:], True
        if telling:
            kept.append("\n".join(lines))
    if has_backward(name):
        kept.append("Returns (out, cache).")
    return "\n\n".join(kept)
