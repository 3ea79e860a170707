"""The file that a student hands in: a Python module, or a notebook's code cells."""

from __future__ import annotations

import ast
import json
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path


@dataclass(frozen=True)
class Submission:
    """`chunks` are (label, source): one for a module, one for each code cell of a notebook."""

    name: str
    data: bytes
    chunks: tuple[tuple[str, str], ...]

    @property
    def module(self) -> str:
        """The name to import it by; none for a notebook."""
        path = Path(self.name)
        return "" if path.suffix == ".ipynb" else path.stem


# A notebook may hold pictures; code is parsed, and a small part of this is a long homework.
LARGEST_FILE, LARGEST_CODE = 32 << 20, 1 << 18


class UnreadableError(ValueError):
    """The file cannot be graded at all."""


def read_submission(path: str | Path) -> Submission:
    """Read and parse, but do not run. Whatever is wrong is an UnreadableError of one sentence."""
    path = Path(path)
    if path.is_dir():
        raise UnreadableError(f"{path} is a folder; hand in a file (or grade it with --class)")
    try:
        if path.exists() and not path.is_file():
            raise UnreadableError(f"{path} is a device or a pipe; hand in a file")
        size = path.stat().st_size
        if size > LARGEST_FILE:
            raise UnreadableError(
                f"{path} has {size >> 20} MB, expected at most {LARGEST_FILE >> 20}"
            )
        data = path.read_bytes()
    except FileNotFoundError:
        raise UnreadableError(f"there is no file {path}") from None
    except OSError as error:
        raise UnreadableError(f"{path} cannot be read: {error.strerror}") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableError(
            f"{path} is not UTF-8 text: byte {data[error.start]:#04x} at position {error.start}"
        ) from None
    if not text.strip():
        raise UnreadableError(f"{path} is empty")
    chunks = cells(path, text) if path.suffix == ".ipynb" else [(path.name, text)]
    length = sum(len(source) for _, source in chunks)
    if length > LARGEST_CODE:
        raise UnreadableError(
            f"{path} has {length >> 10} kB of code, expected at most {LARGEST_CODE >> 10}"
        )
    for label, source in chunks:
        try:
            ast.parse(source)
        except SyntaxError as error:
            if len(chunks) > 1:
                continue  # one cell of a notebook; the worker says which
            line = f" (line {error.lineno})" if error.lineno else ""
            raise UnreadableError(f"{label} is not Python: {error.msg}{line}") from None
        except ValueError as error:  # a null byte
            raise UnreadableError(f"{label} is not Python: {error}") from None
        except (RecursionError, MemoryError):
            raise UnreadableError(f"{label} is nested too deeply to be parsed") from None
    return Submission(path.name, data, tuple(chunks))


def cells(path: Path, text: str) -> list[tuple[str, str]]:
    """The code cells; lines for the notebook's shell (%magic, !command, ?help) become blank."""
    try:
        notebook = json.loads(text)
        sources = [
            "".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"
        ]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UnreadableError(f"{path} is not a Jupyter notebook") from None
    if not any(source.strip() for source in sources):
        raise UnreadableError(f"{path} has no code cells")
    return [(f"{path.name}, code cell {i}", python(s)) for i, s in enumerate(sources, 1)]


# What of a notebook is not Python: %magic, !command, help?, and x = %magic or !command.
SHELL = re.compile(r"[%!?]|[\w.\[\]]+\?+$|[\w.,][\w., ]*=\s*[%!]")
# Cells that are Python but for their first line; the others are in another language.
TIMED = ("%%time", "%%timeit", "%%capture", "%%prun")


def python(source: str) -> str:
    """The cell with such lines made into nothing; the others keep their numbers."""
    first = source.lstrip().split(maxsplit=1)[:1]
    if first and first[0].startswith("%%") and first[0] not in TIMED:
        return ""
    return "\n".join(map(without_shell, source.split("\n")))


def without_shell(line: str) -> str:
    text = line.strip()
    return line[: len(line) - len(line.lstrip())] + "pass" if SHELL.match(text) else line


@lru_cache(maxsize=1)
def defined_in(submission: Submission) -> dict[str, list[ast.stmt]]:
    """The functions that stand in the file, whether or not it runs that far, and their bodies."""
    bodies = {}
    for _, source in submission.chunks:
        with suppress(SyntaxError):
            for node in ast.parse(source).body:
                if isinstance(node, ast.FunctionDef):
                    bodies[node.name] = node.body
                elif isinstance(node, ast.Assign):  # it may take a function's place
                    for target in node.targets:
                        bodies.pop(getattr(target, "id", ""), None)
    return bodies


def stubs_in(submission: Submission) -> frozenset[str]:
    """The functions left as the starter file has them."""
    return frozenset(name for name, body in defined_in(submission).items() if is_stub(body))


def is_stub(body: list[ast.stmt]) -> bool:
    *docstring, last = body
    if not isinstance(last, ast.Raise):
        return False
    raised = last.exc.func if isinstance(last.exc, ast.Call) else last.exc
    return (
        isinstance(raised, ast.Name)
        and raised.id == "NotImplementedError"
        and all(isinstance(x, ast.Expr) and isinstance(x.value, ast.Constant) for x in docstring)
    )
