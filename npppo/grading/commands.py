"""The teachers' commands: npppo starter, assignment, grade, vectors, gradescope-zip."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concurrent.futures import Executor
    from types import FrameType

EXIT_MARKS_LOST = 1
EXIT_INTERRUPTED = 130
FORMAT_NAMES = ("text", "json", "gradescope", "junit", "prairielearn", "otter", "markdown")


def add_commands(commands: Any) -> None:
    """Add the commands to the parser's."""
    starter = _added(commands, "starter", "write the file that a student fills in", starter_command)
    _add_output(starter, "FILE", default=Path("my_ppo.py"), help="default: my_ppo.py")

    assignment = _added(
        commands, "assignment", "write an assignment file to be edited", assignment_command
    )
    _add_output(assignment, "INI", required=True)

    grade = _added(commands, "grade", "mark a student's file", grade_command)
    what = grade.add_mutually_exclusive_group(required=True)
    what.add_argument("file", type=Path, nargs="?", metavar="FILE", help="a .py or .ipynb file")
    what.add_argument(
        "--class", dest="folder", type=Path, metavar="DIR", help="a folder of submissions"
    )
    what.add_argument("--answers", type=Path, metavar="DIR", help="answers to test vectors")
    what.add_argument(
        "--selftest", action="store_true", help="the confusion table of the known mistakes"
    )
    grade.add_argument("--assignment", type=Path, metavar="INI", help="points, functions, credit")
    grade.add_argument(
        "--salt", default="", help="a secret that makes the inputs unforeseeable (default: none)"
    )
    grade.add_argument("--format", choices=FORMAT_NAMES, help="default: text")
    _add_output(grade, "FILE", help="default: print; with --class: marks.csv")
    grade.add_argument("--jobs", type=int, default=1, help="with --class: files at a time")

    vectors = _added(commands, "vectors", "write test vectors for other languages", vectors_command)
    _add_output(vectors, "DIR", required=True)
    vectors.add_argument("--functions", nargs="+", metavar="NAME")
    vectors.add_argument("--salt", default="", help="as for grade --answers")
    vectors.add_argument("--inputs-only", action="store_true", help="leave the answers out")

    pack = _added(
        commands,
        "gradescope-zip",
        "build an autograder to upload to Gradescope",
        gradescope_zip_command,
    )
    _add_output(pack, "ZIP", required=True)
    pack.add_argument("--assignment", type=Path, metavar="INI")
    pack.add_argument("--salt", help="default: a random one")

    for parser in (starter, assignment):
        parser.add_argument(
            "--functions", nargs="+", metavar="NAME", help="default: all of the contract"
        )
    for parser in (grade, pack):
        parser.add_argument(
            "--mistakes",
            type=Path,
            metavar="FILE",
            help="mistakes of your own, to be named as well",
        )
    for parser in (starter, assignment, grade, vectors, pack):
        parser.add_argument("--force", action="store_true", help="overwrite what is there already")


def _added(
    commands: Any, name: str, help: str, command: Callable[..., int]
) -> argparse.ArgumentParser:
    """The parser of a new command."""
    parser: argparse.ArgumentParser = commands.add_parser(name, help=help, allow_abbrev=False)
    parser.set_defaults(command=command)
    return parser


def _add_output(parser: argparse.ArgumentParser, metavar: str, **options: Any) -> None:
    parser.add_argument("-o", "--output", type=Path, metavar=metavar, **options)


def starter_command(output: Path, functions: list[str] | None, force: bool) -> int:
    """Write the starter file."""
    from ..training.checkpoint import expect_free, write_text
    from .formats.starter import starter

    expect_free(output, force)
    write_text(output, starter(functions, output.name))
    print(f"wrote {output}; check it with: npppo grade {shlex.quote(str(output))}")
    return 0


def assignment_command(output: Path, functions: list[str] | None, force: bool) -> int:
    """Write an assignment file with every default spelled out."""
    from ..training.checkpoint import expect_free, write_text
    from .desk.assignment import template

    expect_free(output, force)
    write_text(output, template(functions))
    print(
        f"wrote {output}; grade by it with: "
        f"npppo grade FILE --assignment {shlex.quote(str(output))}"
    )
    return 0


@contextmanager
def _leaving_nothing_behind() -> Iterator[None]:
    """Whatever signal ends the work in here also ends the processes that it has started."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGTERM, _terminate)
    if before[signal.SIGINT] is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is _terminate:  # once more on the way out: at once
            del before[signal.SIGINT]
        for number, handler in before.items():
            signal.signal(number, handler)


@_leaving_nothing_behind()
def grade_command(
    file: Path | None,
    folder: Path | None,
    answers: Path | None,
    selftest: bool,
    assignment: Path | None,
    salt: str,
    format: str | None,
    output: Path | None,
    jobs: int,
    mistakes: Path | None,
    force: bool,
) -> int:
    """Mark one file, a folder of files, or answers; or test the grader itself."""
    from ..training.checkpoint import expect_free, write_text

    _expect_hypothesis()
    if jobs < 1:
        raise ValueError(f"--jobs is {jobs}, expected 1 or more")
    if folder is not None and format is not None:
        raise ValueError("--class writes a CSV table; --format is for one file")
    from .desk.additions import add_mistakes

    add_mistakes(mistakes)
    if selftest:
        if output is not None or format is not None or assignment is not None:
            raise ValueError("--selftest prints a table: no -o, --format or --assignment with it")
        from .formats.selftest import format_rows, passes, tallies

        rows = tallies()
        print(format_rows(rows))
        return 0 if passes(rows) else EXIT_MARKS_LOST
    from .desk.assignment import read_assignment
    from .desk.report import of_what_is_there

    if folder is not None:
        table = output or Path("marks.csv")
        return _grade_class(folder, assignment, salt, table, jobs, mistakes, force)
    if output is not None:
        expect_free(output, force, file, answers, assignment)
    decided = read_assignment(assignment)
    if answers is not None:
        from .formats.vectors import grade_answers

        report, there = grade_answers(answers, decided, salt), set[str]()
    else:
        from .desk.grade import grade
        from .desk.submission import defined_in, read_submission

        assert file is not None  # the parser has seen to it
        submission = read_submission(file)
        report, there = grade(submission, decided, salt), set(defined_in(submission))
    if assignment is None:
        report = of_what_is_there(report, there)
    from .formats.writers import FORMATS, terminal

    if output is not None:
        write_text(output, FORMATS[format or "text"](report))
    elif format in (None, "text"):
        colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        print(terminal(report, colour), end="")
    else:
        print(FORMATS[format](report), end="")
    return EXIT_MARKS_LOST if report.lost_marks else 0


def _abandon() -> None:
    """End all submissions' processes and remove their folders."""
    sandbox = sys.modules.get(f"{__package__}.process.sandbox")  # perhaps not all of it yet
    getattr(sandbox, "abandon_all", lambda: None)()


def _terminate(number: int, frame: FrameType | None) -> None:
    """Leave at once, and nothing behind: an exception might be swallowed on its way up."""
    _abandon()
    os._exit(128 + number)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """The first Ctrl-C ends the work, and what is done is written; a second one ends at once."""
    signal.signal(signal.SIGINT, _terminate)
    _abandon()
    raise KeyboardInterrupt


@contextmanager
def _workers(jobs: int, mistakes: Path | None) -> Iterator[Executor]:
    """Processes that grade. Whatever ends the work early ends them, and their submissions'."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import active_children

    executor = ProcessPoolExecutor(jobs, initializer=_serve, initargs=(os.getpid(), mistakes))
    try:
        yield executor
    except BaseException:
        for child in active_children():
            child.terminate()
        raise
    finally:
        executor.shutdown(cancel_futures=True)


def _serve(parent: int, mistakes: Path | None = None) -> None:
    """Begin as a process that grades for another, and ends soon after that one in any way."""
    signal.signal(signal.SIGTERM, _terminate)
    # Ctrl-C reaches all processes of a terminal, but is the parent's affair. To ignore it outright
    # would be handed down to the submissions.
    signal.signal(signal.SIGINT, lambda number, frame: None)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        _terminate(signal.SIGTERM, None)

    threading.Thread(target=watch, daemon=True).start()
    from .desk.additions import add_mistakes

    add_mistakes(mistakes)


def _expect_hypothesis() -> None:
    from importlib.util import find_spec

    if find_spec("hypothesis") is None:
        raise ValueError('grading needs hypothesis: pip install "npppo[grade]"')


def _grade_class(
    folder: Path,
    assignment: Path | None,
    salt: str,
    output: Path,
    jobs: int,
    mistakes: Path | None,
    force: bool,
) -> int:
    from ..training.checkpoint import expect_free, write_text
    from .desk.assignment import read_assignment
    from .desk.classroom import Graded, clusters_table, grade_class, label, marks_table, submissions
    from .formats.writers import clean

    decided, paths = read_assignment(assignment), submissions(folder)
    clusters = output.with_name(f"{output.stem}-clusters.csv")
    if output.exists() and not (output.is_file() or output.is_dir()):
        raise ValueError(f"-o {output} is no file, and a second table is put beside it")
    for table in (output, clusters):
        expect_free(table, force, folder, assignment, *paths)
    done: dict[str, Graded] = {}
    interrupted = False
    try:
        with _workers(jobs, mistakes) as executor:
            for one in grade_class(paths, decided, salt, executor):
                if one.died:  # by itself, so that it costs none but itself
                    with _workers(1, mistakes) as alone:
                        (one,) = grade_class([Path(one.name)], decided, salt, alone)
                done[one.name] = one
                marks = (
                    f"{one.report.score:g}/{one.report.max_score:g}" if one.report else one.error
                )
                print(clean(f"{len(done)}/{len(paths)}  {label(one, folder)}: {marks}"), flush=True)
    except KeyboardInterrupt:
        interrupted = True
        print(f"interrupted: {len(done)} of {len(paths)} are graded", flush=True)
    missing = Graded("", None, "not graded: interrupted", marked=False)
    graded = [done.get(str(path), replace(missing, name=str(path))) for path in paths]
    write_text(output, marks_table(graded, folder, decided))
    write_text(clusters, clusters_table(graded, folder))
    print(f"wrote {output}, and {clusters} with wrong answers that no known mistake explains")
    return EXIT_INTERRUPTED if interrupted else 0


def vectors_command(
    output: Path, functions: list[str] | None, salt: str, inputs_only: bool, force: bool
) -> int:
    """Write the battery as JSON."""
    from ..training.checkpoint import expect_free
    from .formats.vectors import write_vectors

    expect_free(output, force, folder=True)
    write_vectors(output, functions, salt, not inputs_only)
    print(f"wrote {output}; mark answers with: npppo grade --answers DIR")
    return 0


def gradescope_zip_command(
    output: Path, assignment: Path | None, salt: str | None, mistakes: Path | None, force: bool
) -> int:
    """Build the autograder."""
    from ..training.checkpoint import expect_free, write_atomically

    _expect_hypothesis()
    from .formats.gradescope import autograder

    expect_free(output, force, assignment, mistakes)
    content = autograder(assignment, salt, mistakes)
    write_atomically(output, lambda file: file.write(content))
    print(f"wrote {output}: upload it as the assignment's autograder")
    return 0
