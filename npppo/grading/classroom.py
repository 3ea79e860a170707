"""A folder of submissions: the marks as a table, and the wrong answers that are alike."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from .assignment import Assignment
from .codec import harmless
from .grade import grade
from .report import Report
from .submission import UnreadableError, read_submission

SUFFIXES = (".py", ".ipynb")


@dataclass(frozen=True)
class Graded:
    """`report` is None where the file could not be graded, and `error` says why; `died` if that
    was the end of the process that graded it, or another file beside it."""

    name: str
    report: Report | None
    error: str = ""
    died: bool = False


def submissions(folder: Path) -> list[Path]:
    """Every Python file and notebook in a folder and the folders in it, hidden ones aside."""
    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder}")
    found = [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix in SUFFIXES
        and path.is_file()
        and not any(part.startswith((".", "__")) for part in path.relative_to(folder).parts)
    ]
    if not found:
        raise ValueError(f"there are no .py or .ipynb files in {folder}")
    return found


def grade_path(assignment: Assignment, salt: str, path: Path) -> Graded:
    try:
        return Graded(str(path), grade(read_submission(path), assignment, salt))
    except UnreadableError as error:
        return Graded(str(path), None, str(error))
    except Exception as error:  # one file must not cost the marks of all others
        return Graded(str(path), None, f"the grader failed: {type(error).__name__}: {error}")


def grade_class(
    paths: Sequence[Path], assignment: Assignment, salt: str = "", executor: Executor | None = None
) -> Iterator[Graded]:
    """Grade many files, in their order, one by one or on any executor."""
    one = partial(grade_path, assignment, salt)
    if executor is None:
        yield from map(one, paths)
        return
    for path, future in [(path, executor.submit(one, path)) for path in paths]:
        try:
            yield future.result()
        except BrokenExecutor as error:
            yield Graded(str(path), None, f"the grader's process ended: {error}", died=True)


def label(one: Graded, folder: Path) -> str:
    """Its path in the folder; names of files need not be UTF-8."""
    return harmless(str(Path(one.name).relative_to(folder)))


def text_cell(text: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    text = harmless(text)
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def marks_table(graded: Sequence[Graded], folder: Path, assignment: Assignment) -> str:
    """One row for each submission, as CSV."""
    names = list(assignment.tasks)
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["submission", "score", "max_score", *names, "mistakes", "error"])
    for one in graded:
        name = text_cell(label(one, folder))
        if one.report is None:
            total = sum(task.points for task in assignment.tasks.values())
            table.writerow([name, 0, f"{total:g}", *([""] * len(names)), "", text_cell(one.error)])
            continue
        functions = one.report.functions
        scores = ["" if f.status == "not attempted" else f"{f.score:g}" for f in functions]
        mistakes = "; ".join(f"{f.name}: {f.mistake}" for f in functions if f.mistake)
        error = text_cell(" ".join(one.report.messages))
        table.writerow(
            [name, f"{one.report.score:g}", f"{one.report.max_score:g}", *scores, mistakes, error]
        )
    return text.getvalue()


def clusters_table(graded: Sequence[Graded], folder: Path) -> str:
    """Wrong answers without a name, together where they are wrong in the same way, as CSV."""
    alike: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for one in graded:
        for f in one.report.functions if one.report else ():
            if f.behaviour is not None:
                alike[f.name, f.behaviour].append((label(one, folder), text_cell(f.message)))
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["function", "behaviour", "count", "submissions", "message"])
    for (name, behaviour), members in sorted(alike.items(), key=lambda item: -len(item[1])):
        labels = text_cell("; ".join(member for member, _ in members))
        table.writerow([name, behaviour, len(members), labels, members[0][1]])
    return text.getvalue()
