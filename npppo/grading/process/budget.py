"""The processes of one file, one after another, within the seconds that are left for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from ..exercises.answers import EXERCISES
from .sandbox import Limits, Sandbox

Chunks = Sequence[tuple[str, str]]  # (label, source), ... of a submission


@dataclass
class Budget:
    """The seconds that are left for the processes of a file, and whether it is `slow` to load."""

    seconds: float
    slow: bool = False


@contextmanager
def loaded(chunks: Chunks, limits: Limits) -> Iterator[Sandbox]:
    """A new process in which the submission is loaded."""
    with Sandbox(chunks, limits) as sandbox:
        sandbox.load(list(EXERCISES))
        yield sandbox


def sandbox_for_each(
    names: Sequence[str], chunks: Chunks, limits: Limits, budget: Budget, shared: bool = False
) -> Iterator[tuple[str, Sandbox]]:
    """A loaded sandbox for each function, or one for all if it is to be `shared`.

    Ends early when the time is over, as for a file in which nothing ends.
    """
    sandbox: Sandbox | None = None
    with ExitStack() as at_the_end:
        for name in names:
            if sandbox is None or not shared:
                at_the_end.close()
                sandbox = at_the_end.enter_context(loaded(chunks, limits))
            before = sandbox.seconds
            yield name, sandbox
            budget.seconds -= sandbox.seconds - before
            if budget.seconds <= 0:
                return
            sandbox.start_over()
