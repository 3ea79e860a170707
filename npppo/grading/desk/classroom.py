"""A folder of submissions: the marks as a table, and the wrong answers that are alike."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ..process.codec import harmless
from .assignment import Assignment
from .grade import grade
from .report import Report
from .submission import SUFFIXES, UnreadableError, read_submission

# Also without a row: what is hidden.
PASSED_OVER = ("__MACOSX", "__pycache__")
ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")


@dataclass(frozen=True)
class Graded:
    """`report` is None where the file could not be graded, and `error` says why; `died` if that
    was the end of the process that graded it, or another file beside it; `marked` is False where
    nothing was tried, so that there is no score, not even 0."""

    name: str
    report: Report | None
    error: str = ""
    died: bool = False
    marked: bool = True


def submissions(folder: Path) -> list[Path]:
    """Every file in a folder and the folders in it, and every folder in which there is none; but
    nothing that is hidden."""
    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder}")
    found = sorted(visible(folder))
    if not any(is_code(path) for path in found):
        raise ValueError(f"there are no .py or .ipynb files in {folder}")
    return found


def visible(folder: Path) -> Iterator[Path]:
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        inside = []
        with suppress(OSError):  # it has its row, like an empty one
            inside = [path for path in here.iterdir() if not is_hidden(path.name)]
        if not inside:
            yield here
        for path in inside:
            if is_folder(path) and not path.is_symlink():  # a link may lead back
                waiting.append(path)
            else:
                yield path


def is_hidden(name: str) -> bool:
    return name.startswith(".") or name in PASSED_OVER


def is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # as where a name is too long
        return False


def is_code(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not is_folder(path)


def no_submission(path: Path) -> str:
    """Why there is nothing to grade; empty for a file that may be read."""
    if path.is_symlink() and is_folder(path):
        return "a link to a folder, which is not followed"
    if is_folder(path):
        try:
            next(path.iterdir(), None)
        except OSError as error:
            return f"a folder that cannot be read: {error.strerror}"
        return "an empty folder"
    if path.suffix.lower() in ARCHIVES:
        return "an archive, which has to be unpacked first"
    return "" if is_code(path) else "no .py or .ipynb file"


def grade_path(assignment: Assignment, salt: str, path: Path) -> Graded:
    if reason := no_submission(path):
        return Graded(str(path), None, reason, marked=False)
    try:
        return Graded(str(path), grade(read_submission(path), assignment, salt))
    except UnreadableError as error:
        return Graded(str(path), None, str(error))
    except Exception as error:  # one file must not cost the marks of all others
        return Graded(str(path), None, f"the grader failed: {type(error).__name__}: {error}")


def grade_class(
    paths: Sequence[Path], assignment: Assignment, salt: str = "", executor: Executor | None = None
) -> Iterator[Graded]:
    """Grade many files: in their order, or on any executor, each as soon as it is done."""
    one = partial(grade_path, assignment, salt)
    if executor is None:
        yield from map(one, paths)
        return
    futures = {executor.submit(one, path): path for path in paths}
    for future in as_completed(futures):
        try:
            yield future.result()
        except BrokenExecutor as error:
            path = futures[future]
            yield Graded(str(path), None, f"the grader's process ended: {error}", died=True)


def label(one: Graded, folder: Path) -> str:
    """A submission's path in the folder; its name need not be UTF-8."""
    return harmless(str(Path(one.name).relative_to(folder)))


def text_cell(text: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    text = harmless(text)
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def as_csv(rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def marks_table(graded: Sequence[Graded], folder: Path, assignment: Assignment) -> str:
    """One row for each submission, as CSV; without a score where nothing was marked."""
    names = list(assignment.tasks)
    rows: list[list[Any]] = [["submission", "score", "max_score", *names, "mistakes", "error"]]
    for one in graded:
        report, functions = one.report, one.report.functions if one.report else ()
        score = report.score if report else 0 if one.marked else None
        best = (
            report.max_score if report else sum(task.points for task in assignment.tasks.values())
        )
        scores = {f.name: f"{f.score:g}" for f in functions if f.status != "not attempted"}
        rows.append(
            [
                text_cell(label(one, folder)),
                "" if score is None else f"{score:g}",
                f"{best:g}",
                *(scores.get(name, "") for name in names),
                "; ".join(f"{f.name}: {f.mistake}" for f in functions if f.mistake),
                text_cell(" ".join(report.messages) if report else one.error),
            ]
        )
    return as_csv(rows)


def clusters_table(graded: Sequence[Graded], folder: Path) -> str:
    """Wrong answers that no known mistake explains, those that are alike together, as CSV."""
    alike: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for one in graded:
        for f in one.report.functions if one.report else ():
            if f.behaviour is not None:
                message = text_cell(f"{f.message} {f.edit}".strip())
                alike[f.name, f.behaviour].append((label(one, folder), message))
    rows: list[list[Any]] = [["function", "behaviour", "count", "submissions", "message"]]
    for (name, behaviour), members in sorted(alike.items(), key=lambda item: -len(item[1])):
        labels = text_cell("; ".join(member for member, _ in members))
        rows.append([name, behaviour, len(members), labels, members[0][1]])
    return as_csv(rows)
