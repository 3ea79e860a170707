"""The students' commands: npppo study, worksheet."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..training.commands import added, whole

EXIT_WRONG = 1


def add_commands(commands: Any) -> None:
    """Add the commands to the parser's."""
    study = added(
        commands, "study", "a formula with numbers, its gradient, its mistakes", study_command
    )
    study.add_argument("function", nargs="?", metavar="FUNCTION", help="default: list them all")
    add_microscope(study)

    sheet = added(
        commands, "worksheet", "exercises for paper, their key, their marks", worksheet_command
    )
    sheet.add_argument(
        "--seed", type=whole, metavar="N", help="the number of the sheet (default: 1)"
    )
    sheet.add_argument(
        "--functions",
        nargs="+",
        metavar="NAME",
        help="default: a step of PPO; all: every one there is",
    )
    sheet.add_argument("--answers", action="store_true", help="the key, with every step")
    sheet.add_argument("--html", action="store_true", help="for the printer (default: Markdown)")
    sheet.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: print")
    sheet.add_argument("--force", action="store_true", help="overwrite what is there already")
    sheet.add_argument("--check", type=Path, metavar="FILE", help="mark a sheet that is filled in")


def add_microscope(study: argparse.ArgumentParser) -> None:
    """Add the options of the gradient microscope to a command's."""
    group = study.add_argument_group("the gradient microscope")
    group.add_argument(
        "--html", type=Path, metavar="FILE", help="write the page, which opens in a browser"
    )
    group.add_argument(
        "--run", type=Path, metavar="DIR", help="with a minibatch of this run (default: built in)"
    )
    group.add_argument(
        "--update",
        type=whole,
        metavar="K",
        help="of this update of the run, which is trained again up to it (default: 10)",
    )
    group.add_argument("--force", action="store_true", help="overwrite FILE")


def study_command(function: str | None = None, html: Path | None = None, **options: Any) -> int:
    """Print the page of a formula, or the list of them; or write the microscope's page."""
    if html is not None:
        if function is not None:
            raise ValueError(f"--html is a page of all of PPO's loss: without {function}")
        return microscope_command(html, **options)
    if options:
        named = " and ".join(f"--{name}" for name in options)
        raise ValueError(f"{named}: for the microscope, and --html FILE is missing")
    from .show import listing, page

    print(listing() if function is None else page(function), end="")
    return 0


def worksheet_command(check: Path | None = None, **options: Any) -> int:
    """Write a worksheet or its key, or mark one."""
    if check is None:
        return _write_worksheet(**options)
    from .worksheet import marked

    if options:
        raise ValueError("--check takes no other options: the sheet says which one it is")
    report, right = marked(check.read_text("utf-8-sig", "replace"))
    print(report, end="")
    return 0 if right else EXIT_WRONG


def _write_worksheet(
    seed: int = 1,
    functions: list[str] | None = None,
    answers: bool = False,
    html: bool = False,
    output: Path | None = None,
    force: bool = False,
) -> int:
    from ..contract import __all__ as every
    from ..training.checkpoint import expect_free, write_text
    from . import worksheet as sheets

    if seed < 0:
        raise ValueError(f"--seed is {seed}, expected 0 or more")
    names = functions or sheets.SHORT
    text = sheets.worksheet(seed, every if names == ["all"] else names, answers)
    text = sheets.html(text) if html else text
    if output is None:
        print(text, end="")
        return 0
    expect_free(output, force)
    write_text(output, text)
    print(f"wrote {output}")
    return 0


def microscope_command(
    html: Path, run: Path | None = None, update: int | None = None, force: bool = False
) -> int:
    """Write the page of the gradient microscope."""
    from ..training.checkpoint import expect_free
    from .microscope import write_page

    if update is not None and run is None:
        raise ValueError("--update is of a run: --run DIR is missing")
    expect_free(html, force, run)
    write_page(html, run, update)
    print(f"wrote {html}: open it in a browser")
    return 0
