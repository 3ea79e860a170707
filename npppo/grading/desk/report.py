"""What a grade says: one report, which the writers put into the formats of the platforms.

Everything in it is plain: strings, numbers, tuples of such. Points are rounded to hundredths, so
that sums of thirds come out the same everywhere.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Part:
    """One stratum of a function's inputs, and what it earned."""

    name: str
    score: float
    max_score: float
    message: str = ""  # what went wrong, empty where nothing did


@dataclass(frozen=True)
class FunctionReport:
    """The marks of one function.

    `message` is the one line that matters; `example` is a small input that shows the mistake, as
    Python to paste, `details` whatever else helps. `mistake` is the id in the book, or None.
    `edit` says what change of the model solution answers so, where no known mistake does.
    `behaviour` is equal for wrong answers that are wrong in the same way, None where the mistake
    has a name. `visibility` is as on Gradescope; `status` is passed, partial, failed, error or not
    attempted.
    """

    name: str
    status: str
    score: float
    max_score: float
    mistake: str | None = None
    message: str = ""
    example: str = ""
    details: tuple[str, ...] = ()
    edit: str = ""
    notes: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
    see: str = ""
    behaviour: str | None = None
    visibility: str = "visible"


@dataclass(frozen=True)
class Report:
    """The marks of one file. `messages` concern the whole of it; `output` is what it printed;
    `absent` are functions that do not count, as they are not in it."""

    file: str
    title: str
    functions: tuple[FunctionReport, ...]
    absent: tuple[str, ...] = ()
    messages: tuple[str, ...] = ()
    output: str = ""
    limits: tuple[str, ...] = ()  # which limits held while the submission ran
    versions: tuple[tuple[str, str], ...] = ()  # npppo, numpy, python
    seconds: float = 0.0

    @property
    def score(self) -> float:
        return round(sum(f.score for f in self.functions), 2)

    @property
    def max_score(self) -> float:
        return round(sum(f.max_score for f in self.functions), 2)

    @property
    def lost_marks(self) -> bool:
        """Whether anything that was attempted is not right, or nothing was."""
        tried = [f for f in self.functions if f.status != "not attempted"]
        return not tried or any(f.status != "passed" for f in tried)


def of_what_is_there(report: Report, there: Container[str]) -> Report:
    """The report where no teacher has said what is asked: what was attempted, and stubs if they are
    `there`, count, and no other function does."""
    counts = {f.name: f.status != "not attempted" or f.name in there for f in report.functions}
    return replace(
        report,
        functions=tuple(f for f in report.functions if counts[f.name]),
        absent=tuple(name for name, counted in counts.items() if not counted),
    )
