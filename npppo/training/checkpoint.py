"""One file that holds a whole run: written all or nothing, read without running anything in it."""

from __future__ import annotations

import io
import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..formulas.shapes import Array
from .blame import one_line

FORMAT = "npppo checkpoint 2"
ZIP = b"PK"  # how every .npz begins


class CheckpointError(ValueError):
    """A file that is no checkpoint, a broken one, or one of something else."""


def write_atomically(path: Path, write: Callable[[IO[bytes]], object], new: bool = False) -> None:
    """Let `write` fill a temporary file, bring it to the disk, then give it the name `path`.

    If the power fails, `path` is either what it was before or whole. Each process has a temporary
    file of its own, so that several may write the same `path`; it is removed if anything goes
    wrong. With `new`, FileExistsError if `path` exists already: one of several writers wins. A link
    stays a link, and a pipe or a device is written to, not replaced. An OSError names `path`.
    """
    path = Path(os.path.realpath(path))
    try:
        if path.exists() and not path.is_file():
            with open(path, "wb") as file:
                write(file)
            return
        temporary = path.with_name(f".{secrets.token_hex(8)}.unfinished")
        try:
            with open(temporary, "xb") as file:  # with usual permissions, unlike tempfile's
                write(file)
                file.flush()
                os.fsync(file.fileno())
            if new:
                _take_name(path, temporary)
            else:
                os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        if hasattr(os, "O_DIRECTORY"):  # the name itself is on the disk only with its folder
            folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
            os.fsync(folder)
            os.close(folder)
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from None


def _take_name(path: Path, temporary: Path) -> None:
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links: first an empty file, then this one in its place
        open(path, "xb").close()
        os.replace(temporary, path)


def expect_free(output: Path, force: bool, *read: Path | None, folder: bool = False) -> None:
    """Raise ValueError, before the work is done, if writing `output` would destroy something.

    What exists is overwritten only with `force`, and what the command itself reads never: `read`
    are files, or folders with all their content. Nothing is lost in an empty folder, a pipe or a
    device. `output` is to be a file, or a `folder`.
    """
    if not folder and output.is_dir():
        raise ValueError(f"{output} is a folder, expected a file")
    if folder and output.exists() and not output.is_dir():
        raise ValueError(f"{output} is a file, expected a folder")
    if not folder and not output.parent.is_dir():
        raise ValueError(f"cannot write {output}: there is no folder {output.parent}")
    if output.exists() and not (output.is_file() or output.is_dir()):
        return
    place = Path(os.path.realpath(output))
    while not place.is_dir():
        place = place.parent
    if not os.access(place, os.W_OK):
        raise ValueError(f"cannot write {output}: {place} is read-only")
    if not (output.is_file() or (output.is_dir() and any(output.iterdir()))):
        return
    for path in read:
        if path is not None and path.exists():
            inside = path.is_dir() and output.resolve().is_relative_to(path.resolve())
            if inside or output.samefile(path):
                raise ValueError(f"{output} is what is to be read: it is never overwritten")
    if not force:
        raise ValueError(f"{output} is there already: --force overwrites it")


def write_text(path: Path, text: str, new: bool = False) -> None:
    """Write UTF-8 atomically."""
    write_atomically(path, lambda file: file.write(text.encode()), new)


def write_json(path: Path, content: dict[str, Any], new: bool = False) -> None:
    """Write strict, readable JSON atomically."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n", new)


def write_checkpoint(path: Path, arrays: dict[str, Array], meta: dict[str, Any]) -> None:
    """Write arrays and JSON-able `meta` as one .npz, atomically."""
    text = np.array(json.dumps({"format": FORMAT, **meta}))  # ()
    content: dict[str, Any] = {"meta": text, **arrays}
    write_atomically(path, lambda file: np.savez(file, **content))


def read_checkpoint(path: Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """The arrays and the `meta` of a checkpoint; CheckpointError says what is wrong with it."""
    if path.is_dir():
        raise CheckpointError(f"{path} is a folder, expected a checkpoint file")
    if not path.exists():
        raise CheckpointError(f"{path} does not exist, expected a checkpoint")
    data = path.read_bytes()
    if data and not data.startswith(ZIP):  # NumPy would advise to load it as a pickle
        raise CheckpointError(f"{path} is not a checkpoint of npppo (no .npz file)")
    content = io.BytesIO(data)
    try:
        with np.load(content, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except Exception as error:  # zipfile, zlib and NumPy raise nearly anything at damaged bytes
        raise CheckpointError(f"{path} is truncated or damaged ({one_line(error)})") from None
    try:
        meta: dict[str, Any] = json.loads(str(arrays.pop("meta")))
        written_as = meta.pop("format")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path} is not a checkpoint of npppo ({one_line(error)})") from None
    if written_as != FORMAT:
        raise CheckpointError(f"{path} has format {written_as!r}, expected {FORMAT!r}")
    return arrays, meta
