"""The child's first moments: `python -S -s -B start.py WHERE_NUMPY_IS [SOCKET]`.

Loads the files of this folder that run a submission, then NumPy from the one place where it may
be found, and takes both ways back: what comes later finds the standard library alone, and of
NumPy what NumPy finds by itself. With a socket it becomes the nursery (see there), whose forks
run submissions.
"""

from __future__ import annotations

import builtins
import gc
import linecache
import os
import sys
from importlib.machinery import FileFinder, ModuleSpec, SourceFileLoader
from os.path import abspath, dirname
from types import ModuleType
from typing import Any

HERE = dirname(abspath(__file__))
PACKAGE = "grader"


class Loader(SourceFileLoader):
    """A submission may replace any builtin; what is loaded here looks its own up in a copy."""

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__["__builtins__"] = dict(vars(builtins))
        super().exec_module(module)


class Finder:
    """Finds the files of this folder as a package that is not npppo."""

    files = FileFinder(HERE, (Loader, [".py"]))

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        return self.files.find_spec(name) if name.startswith(f"{PACKAGE}.") else None


def main(numpy: str, socket: str = "") -> None:
    standard = [path for path in sys.path if path != HERE]
    package = ModuleType(PACKAGE)
    package.__path__ = [HERE]
    sys.modules[PACKAGE] = package
    finder = Finder()
    sys.meta_path.insert(0, finder)
    sys.path[:] = [*standard, numpy]
    from grader import worker  # type: ignore[import-not-found]

    sys.path[:] = standard
    sys.path_importer_cache.pop(numpy, None)  # it knows what else is installed there
    sys.meta_path.remove(finder)
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        file = getattr(sys.modules.pop(name), "__file__", __file__)
        linecache.cache[file] = (0, None, [], file)  # tracebacks pass through what nobody may read
    if socket:
        worker.look_around(standard)
        become_a_fork(int(socket))
    worker.main(standard)


def become_a_fork(descriptor: int) -> None:
    """Serve the grader as its nursery; return in each worker. Nothing here is a submission's."""
    from _socket import CMSG_LEN, socket

    sock = socket(fileno=descriptor)
    gc.collect()
    gc.freeze()  # so that no worker copies what it only looks through
    while True:
        data, ancillary, _, _ = sock.recvmsg(1 << 13, CMSG_LEN(12))
        if not data:
            os._exit(0)
        number, what, text = os.fsdecode(data).split(" ", 2)
        if what == "wait":
            pid, status = os.waitpid(int(text), os.WNOHANG)
            sock.send(f"{number} {status if pid else ''}".encode())
            continue
        ends = [int.from_bytes(ancillary[0][2][i : i + 4], sys.byteorder) for i in (0, 4, 8)]
        pid = os.fork()
        if pid == 0:
            sock.close()
        else:
            sock.send(f"{number} {pid}".encode())
        for stream, end in enumerate(ends):
            if pid == 0:
                os.dup2(end, stream)
            os.close(end)
        if pid == 0:
            os.setsid()
            os.chdir(text)
            os.environ.update(dict.fromkeys(("HOME", "TMPDIR", "TEMP", "TMP"), text))
            return


if __name__ == "__main__":
    main(*sys.argv[1:])
