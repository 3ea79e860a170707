"""The commands: their parser, and what becomes of errors; each wing brings its own commands."""

from __future__ import annotations

import argparse
import io
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from .training.blame import is_others, one_line
from .training.threads import one_from_the_start

# For all that a command does. The commands import what they need when they run, as this must come
# before the first import of NumPy.
one_from_the_start()

EXIT_UNREAD = 1
EXIT_WRONG_INPUT = 2
EXIT_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code, and leaves Ctrl-C as it was."""
    before = signal.getsignal(signal.SIGINT)
    try:
        return run(parse(arguments))
    finally:
        if signal.getsignal(signal.SIGINT) is not before:
            signal.signal(signal.SIGINT, before)


def parse(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """The function of the command, as "command", and its arguments by name."""
    return vars(_parser().parse_args(arguments))


def run(options: dict[str, Any]) -> int:
    """Run what `parse` returned; returns the exit code.

    An exception in which somebody else's code took part keeps its traceback.
    """
    if sys.stdout is None:  # it was closed before we began
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):  # a terminal or a file may not know γ
        sys.stdout.reconfigure(errors="backslashreplace")
    command = options.pop("command")
    try:
        code = int(command(**options))
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print("npppo: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except (ValueError, TypeError, FloatingPointError, OSError, MemoryError) as error:
        if is_others(error):
            raise
        if isinstance(error, BrokenPipeError):  # whoever read our output has gone
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return EXIT_UNREAD
        told = one_line(error)  # a space's or an array's words may take several
        if isinstance(error, OSError) and error.filename:  # without the number of the error
            told = f"{error.filename}: {error.strerror}"
        print(f"npppo: {told}", file=sys.stderr)
        return EXIT_WRONG_INPUT


class Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one line, without the usage of twenty options."""

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_WRONG_INPUT, f"npppo: {message} (see {self.prog} --help)\n")


def _parser() -> Parser:
    from . import __version__
    from .grading import commands as teachers
    from .study import commands as students
    from .training import commands as training
    from .training import many

    parser = Parser(
        prog="npppo",
        description="Proximal Policy Optimization in NumPy, every gradient by hand.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"npppo {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    training.add_commands(commands)
    many.add_commands(commands)
    check = training.added(commands, "check", "check every gradient", check_command)
    check.add_argument("--seed", type=training.whole, help="default: 0")
    students.add_commands(commands)
    teachers.add_commands(commands)
    return parser


def check_command(seed: int = 0) -> int:
    """Check every gradient of the package and print the table."""
    from .check import format_table
    from .check_cases import check_package

    results = check_package(seed)
    print(format_table(results))
    return 0 if all(result.ok for result in results) else 1
