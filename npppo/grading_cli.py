"""The teachers' commands: npppo starter, assignment, grade, vectors, gradescope-zip."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .grading.assignment import Assignment

EXIT_MARKS_LOST = 1
FORMATS = ("text", "json", "gradescope", "junit", "prairielearn", "otter", "markdown")


def add_commands(commands: Any) -> None:
    """Add the commands to the parser's."""
    starter = commands.add_parser(
        "starter", help="write the file that a student fills in", allow_abbrev=False
    )
    starter.set_defaults(command=starter_command)
    starter.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("my_ppo.py"),
        metavar="FILE",
        help="default: my_ppo.py",
    )
    starter.add_argument(
        "--functions", nargs="+", metavar="NAME", help="default: all of the contract"
    )

    assignment = commands.add_parser(
        "assignment", help="write an assignment file to be edited", allow_abbrev=False
    )
    assignment.set_defaults(command=assignment_command)
    assignment.add_argument("-o", "--output", type=Path, required=True, metavar="INI")
    assignment.add_argument(
        "--functions", nargs="+", metavar="NAME", help="default: all of the contract"
    )

    grade = commands.add_parser("grade", help="mark a student's file", allow_abbrev=False)
    grade.set_defaults(command=grade_command)
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
    grade.add_argument("--format", choices=FORMATS, help="default: text")
    grade.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="default: print; with --class: marks.csv"
    )
    grade.add_argument("--jobs", type=int, default=1, help="with --class: files at a time")

    vectors = commands.add_parser(
        "vectors", help="write test vectors for other languages", allow_abbrev=False
    )
    vectors.set_defaults(command=vectors_command)
    vectors.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    vectors.add_argument("--functions", nargs="+", metavar="NAME")
    vectors.add_argument("--salt", default="", help="as for grade --answers")
    vectors.add_argument("--inputs-only", action="store_true", help="leave the answers out")

    pack = commands.add_parser(
        "gradescope-zip", help="build an autograder to upload to Gradescope", allow_abbrev=False
    )
    pack.set_defaults(command=gradescope_zip_command)
    pack.add_argument("-o", "--output", type=Path, required=True, metavar="ZIP")
    pack.add_argument("--assignment", type=Path, metavar="INI")
    pack.add_argument("--salt", help="default: a random one")


def starter_command(output: Path, functions: list[str] | None) -> int:
    """Write the starter file."""
    from .grading.starter import starter

    _write_new(output, starter(functions, output.name))
    print(f"wrote {output}; check it with: npppo grade {output}")
    return 0


def assignment_command(output: Path, functions: list[str] | None) -> int:
    """Write an assignment file with every default spelled out."""
    from .grading.assignment import template

    _write_new(output, template(functions))
    print(f"wrote {output}; grade by it with: npppo grade FILE --assignment {output}")
    return 0


def _write_new(output: Path, text: str) -> None:
    """Never over another file."""
    if not output.parent.is_dir():
        raise ValueError(f"-o {output}: there is no folder {output.parent}")
    try:
        with open(output, "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ValueError(f"{output} is there already") from None


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
) -> int:
    """Mark one file, a folder of files, or answers; or test the grader itself."""
    from .checkpoint import write_text

    _expect_hypothesis()
    signal.signal(signal.SIGTERM, _terminate)
    if jobs < 1:
        raise ValueError(f"--jobs is {jobs}, expected 1 or more")
    if folder is not None and format is not None:
        raise ValueError("--class writes a CSV table; --format is for one file")
    if output is not None:
        _expect_place(output, file, assignment)
    if selftest:
        return _selftest()
    from .grading.assignment import read_assignment

    decided = read_assignment(assignment)
    if folder is not None:
        return _grade_class(folder, decided, salt, output or Path("marks.csv"), jobs)
    if answers is not None:
        from .grading.vectors import grade_answers

        report = grade_answers(answers, decided, salt)
    else:
        from .grading.grade import grade
        from .grading.submission import read_submission

        assert file is not None  # the parser has seen to it
        report = grade(read_submission(file), decided, salt)
    from .grading.writers import FORMATS as WRITERS
    from .grading.writers import terminal

    if output is not None:
        write_text(output, WRITERS[format or "text"](report))
    elif format in (None, "text"):
        colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        print(terminal(report, colour), end="")
    else:
        print(WRITERS[format](report), end="")
    return EXIT_MARKS_LOST if report.lost_marks else 0


def _terminate(number: int, frame: object) -> None:
    """Leave at once, and nothing behind: an exception might be swallowed on its way up."""
    from .grading.sandbox import abandon_all

    abandon_all()
    os._exit(128 + number)


def _follow() -> None:
    """End this process, which grades for another, soon after that one has ended in any way."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        _terminate(signal.SIGTERM, None)

    threading.Thread(target=watch, daemon=True).start()


def _expect_hypothesis() -> None:
    from importlib.util import find_spec

    if find_spec("hypothesis") is None:
        raise ValueError('grading needs hypothesis: pip install "npppo[grade]"')


def _selftest() -> int:
    from .grading.selftest import format_rows, passes, selftest

    rows = selftest()
    print(format_rows(rows))
    return 0 if passes(rows) else EXIT_MARKS_LOST


def _grade_class(folder: Path, decided: Assignment, salt: str, output: Path, jobs: int) -> int:
    from concurrent.futures import ProcessPoolExecutor

    from .checkpoint import write_text
    from .grading.classroom import clusters_table, grade_class, label, marks_table, submissions
    from .grading.writers import clean

    paths = submissions(folder)
    graded = []
    with ProcessPoolExecutor(jobs, initializer=_follow) as executor:
        for number, one in enumerate(grade_class(paths, decided, salt, executor), 1):
            if one.died:  # by itself, so that it costs none but itself
                with ProcessPoolExecutor(1, initializer=_follow) as alone:
                    (one,) = grade_class([paths[number - 1]], decided, salt, alone)
            graded.append(one)
            marks = f"{one.report.score:g}/{one.report.max_score:g}" if one.report else one.error
            print(clean(f"{number}/{len(paths)}  {label(one, folder)}: {marks}"), flush=True)
    write_text(output, marks_table(graded, folder, decided))
    clusters = output.with_name(f"{output.stem}-clusters.csv")
    write_text(clusters, clusters_table(graded, folder))
    print(f"wrote {output}, and {clusters} with wrong answers that no known mistake explains")
    return 0


def vectors_command(output: Path, functions: list[str] | None, salt: str, inputs_only: bool) -> int:
    """Write the battery as JSON."""
    from .grading.vectors import write_vectors

    write_vectors(output, functions, salt, not inputs_only)
    print(f"wrote {output}; mark answers with: npppo grade --answers DIR")
    return 0


def gradescope_zip_command(output: Path, assignment: Path | None, salt: str | None) -> int:
    """Build the autograder."""
    from .checkpoint import write_atomically
    from .grading.gradescope import autograder

    _expect_place(output, assignment)
    content = autograder(assignment, salt)
    write_atomically(output, lambda file: file.write(content))
    print(f"wrote {output}: upload it as the assignment's autograder")
    return 0


def _expect_place(output: Path, *inputs: Path | None) -> None:
    """Said before the work is done, not after."""
    if output.is_dir():
        raise ValueError(f"-o {output} is a folder, expected a file")
    if not output.parent.is_dir():
        raise ValueError(f"-o {output}: there is no folder {output.parent}")
    for path in inputs:
        if path is not None and output.exists() and path.exists() and output.samefile(path):
            raise ValueError(f"-o {output} is what is to be read")
