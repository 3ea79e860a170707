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
from importlib.machinery import FileFinder, SourceFileLoader
from os.path import abspath, dirname
from types import ModuleType

HERE = dirname(abspath(__file__))
PACKAGE = "grader"  # the files of this folder, which are not npppo here


class Loader(SourceFileLoader):
    """A submission may replace any builtin; what is loaded here looks its own up in a copy."""

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__["__builtins__"] = dict(vars(builtins))
        super().exec_module(module)


def main(numpy: str, socket: str = "") -> None:
    standard = [path for path in sys.path if path != HERE]
    package = ModuleType(PACKAGE)
    package.__path__ = [HERE]
    sys.modules[PACKAGE] = package
    sys.path_importer_cache[HERE] = FileFinder(HERE, (Loader, [".py"]))
    sys.path[:] = [*standard, numpy]
    from grader import guard, worker  # type: ignore[import-not-found]

    sys.path[:] = standard
    for path in (HERE, numpy):  # whose finders know what else is there
        sys.path_importer_cache.pop(path, None)
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        file = getattr(sys.modules.pop(name), "__file__", __file__)
        linecache.cache[file] = (0, None, [], file)  # tracebacks pass through what nobody may read
    places = guard.look_around(standard)
    if socket:
        become_a_fork(int(socket))
    worker.main(places)


def become_a_fork(descriptor: int) -> None:
    """Serve the grader as its nursery; return in each worker. Nothing here is a submission's."""
    from _socket import CMSG_LEN, socket

    sock = socket(fileno=descriptor)
    gc.collect()
    gc.freeze()  # so that no worker copies what it only looks through
    while True:
        data, ancillary, _, _ = sock.recvmsg(64, CMSG_LEN(12))
        if not data:
            os._exit(0)
        number, pid = map(int, data.split())
        if pid != 0:
            pid, status = os.waitpid(pid, os.WNOHANG)
            sock.send(f"{number} {status if pid else ''}".encode())
            continue
        pid = os.fork()
        if pid != 0:
            sock.send(f"{number} {pid}".encode())
        for stream, end in enumerate(memoryview(ancillary[0][2]).cast("i")):
            if pid == 0:
                os.dup2(end, stream)
            os.close(end)
        if pid == 0:
            sock.close()
            os.setsid()
            return


if __name__ == "__main__":
    main(*sys.argv[1:])
