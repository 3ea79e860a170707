"""One BLAS thread while a policy trains or plays.

Its networks are so small that a second thread costs more than it brings, many times more where
other processes want the same cores.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module

# Whoever sets one of these has decided. BLAS reads them when NumPy is imported, and not later.
VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")

NUMPYS = "numpy._core._multiarray_umath"  # which is linked with it
# OpenBLAS as NumPy's wheels have it, with 64-bit or 32-bit integers, and as others build it
NAMES = [
    f"{prefix}openblas_{{}}_num_threads{end}" for prefix in ("scipy_", "") for end in ("64_", "")
]

_lock = threading.Lock()
_inside = 0  # how many are in `one_blas_thread` at the moment
_before = 0  # the setting that the first of them found


def one_from_the_start() -> None:
    """Let every BLAS have one thread, if no variable says otherwise; before NumPy is imported."""
    if not any(variable in os.environ for variable in VARIABLES):  # one would overrule another
        os.environ.update(dict.fromkeys(VARIABLES, "1"))


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Make NumPy's BLAS use one thread, or what VARIABLES say, and as many as before afterwards.

    The setting belongs to the whole process: if several overlap, the first sets it and the last
    sets it back. A BLAS other than OpenBLAS is left alone.
    """
    global _inside, _before
    wanted, setting = _wanted(), _openblas()
    if not wanted or setting is None:
        yield
        return
    get, put = setting
    with _lock:
        if not _inside:
            _before = get()
            put(wanted)
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                put(_before)


def _wanted() -> int:
    """How many threads; 0 where a variable says what is not understood."""
    given = [os.environ[name] for name in VARIABLES if os.environ.get(name)]
    first = (given or ["1"])[0]
    return int(first) if first.isdecimal() else 0


@cache
def _openblas() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """How to get and to set the number of threads of the OpenBLAS that NumPy has loaded, if any."""
    try:
        # whatever this library was linked with is looked through as well
        library = ctypes.CDLL(import_module(NUMPYS).__file__)
    except (ImportError, OSError):
        return None
    for name in NAMES:
        try:
            return library[name.format("get")], library[name.format("set")]
        except AttributeError:
            pass
    return None
