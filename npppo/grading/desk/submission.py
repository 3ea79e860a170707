"""The file that a student hands in: a Python module, or a notebook's code cells."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ..process.codec import harmless
from .notebook import code_cells, other_language, python


@dataclass(frozen=True)
class Submission:
    """`chunks` are (label, source): one for a module, one for each code cell of a notebook.
    `notes` say what of it is not graded."""

    name: str
    data: bytes
    chunks: tuple[tuple[str, str], ...]
    notes: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        """The name to import it by; none for a notebook."""
        return "" if is_notebook(self.name) else Path(self.name).stem


SUFFIXES = (".py", ".ipynb")
# A notebook may hold pictures; code is parsed, and a small part of this is a long homework.
LARGEST_FILE, LARGEST_CODE = 32 << 20, 1 << 18


def is_notebook(name: str) -> bool:
    return Path(name).suffix.lower() == ".ipynb"


class UnreadableError(ValueError):
    """The file cannot be graded at all."""


def read_submission(path: str | Path) -> Submission:
    """Read and parse, but do not run. Whatever is wrong is an UnreadableError of one sentence."""
    path = Path(path)
    named = harmless(str(path))
    try:
        if path.is_dir():
            raise UnreadableError(f"{named} is a folder; hand in a file (or grade it with --class)")
        if path.exists() and not path.is_file():
            raise UnreadableError(f"{named} is a device or a pipe; hand in a file")
        size = path.stat().st_size
        if size > LARGEST_FILE:
            raise UnreadableError(
                f"{named} has {size >> 20} MB, expected at most {LARGEST_FILE >> 20}"
            )
        data = path.read_bytes()
    except FileNotFoundError:
        raise UnreadableError(f"there is no file {named}") from None
    except OSError as error:
        raise UnreadableError(f"{named} cannot be read: {error.strerror}") from None
    return parsed(path.name, data, named)


def parsed(name: str, data: bytes, named: str) -> Submission:
    """The code in a file of this name; `named` is what errors call it."""
    label, notes = harmless(name), []
    try:
        if is_notebook(name):
            text = data.decode("utf-8-sig")
            sources = code_cells(text) if text.strip() else []
            labels = [f"{label}, code cell {i}" for i in range(1, 1 + len(sources))]
            notes = [
                f"{cell} is not Python and does not count: it begins with {other}."
                for cell, source in zip(labels, sources, strict=True)
                if (other := harmless(other_language(source)))
            ]
        else:
            text, labels = module_text(data), [label]
            sources = [text]
    except UnicodeDecodeError as error:
        wrong = f"byte {data[error.start]:#04x} at position {error.start}"
        raise UnreadableError(f"{named} is not UTF-8 text: {wrong}") from None
    except ValueError as error:
        raise UnreadableError(f"{named} {error}") from None
    if not text.strip():
        raise UnreadableError(f"{named} is empty")
    length = sum(map(len, sources))
    if length > LARGEST_CODE:
        raise UnreadableError(
            f"{named} has {length >> 10} kB of code, expected at most {LARGEST_CODE >> 10}"
        )
    if is_notebook(name):
        sources = list(map(python, sources))
    for label, source in zip(labels, sources, strict=True):
        try:
            ast.parse(source)
        except SyntaxError as error:
            if len(sources) > 1:
                continue  # one cell of a notebook; the worker says which
            line = f" (line {error.lineno})" if error.lineno else ""
            raise UnreadableError(f"{label} is not Python: {error.msg}{line}") from None
        except ValueError as error:  # a null byte
            raise UnreadableError(f"{label} is not Python: {error}") from None
        except (RecursionError, MemoryError):
            raise UnreadableError(f"{label} is nested too deeply to be parsed") from None
    return Submission(name, data, tuple(zip(labels, sources, strict=True)), tuple(notes))


# The declaration of an encoding, on one of the first two lines.
CODING = re.compile(r"\A((?:.*\n)?[ \t\f]*#.*?coding)[:=]")


def module_text(data: bytes) -> str:
    """The source of a module, which may declare its encoding, without the declaration: what goes
    to the worker is UTF-8. Raises a ValueError that says what is wrong."""
    encoding, wrong = "utf-8-sig", ""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    except SyntaxError as error:  # also for the first byte that is not UTF-8
        wrong = f"is not Python: {error.msg}"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        if encoding.startswith("utf-8"):
            raise
        raise ValueError(f"is not {encoding} text, which it declares itself to be") from None
    except (LookupError, ValueError):
        raise ValueError(f"is not text: it declares itself to be {encoding}") from None
    if wrong:
        raise ValueError(wrong)
    return CODING.sub(r"\1 ", text)


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
