"""One file that holds a whole run: written all or nothing, read without running anything in it."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np

from .shapes import Array

FORMAT = "npppo checkpoint 2"


class CheckpointError(ValueError):
    """A file that is no checkpoint, a broken one, or one of something else."""


def write_atomically(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Let `write` fill a temporary file, bring it to the disk, then rename it to `path`.

    Whenever the power goes, `path` is either what it was before or whole. A link stays one, and a
    pipe or a device is written to, not replaced.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        with open(path, "wb") as file:
            write(file)
        return
    temporary = path.with_name(f".{path.name}.unfinished")
    with open(temporary, "wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    if hasattr(os, "O_DIRECTORY"):  # the rename itself is on the disk only with its folder
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(folder)
        os.close(folder)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 atomically."""
    write_atomically(path, lambda file: file.write(text.encode()))


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write strict, readable JSON atomically."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


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
    content = io.BytesIO(path.read_bytes())
    try:
        with np.load(content, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except Exception as error:  # zipfile, zlib and NumPy raise nearly anything at damaged bytes
        raise CheckpointError(f"{path} is truncated or damaged ({_one_line(error)})") from None
    try:
        meta: dict[str, Any] = json.loads(str(arrays.pop("meta")))
        written_as = meta.pop("format")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path} is not a checkpoint of npppo ({_one_line(error)})") from None
    if written_as != FORMAT:
        raise CheckpointError(f"{path} has format {written_as!r}, expected {FORMAT!r}")
    return arrays, meta


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
