"""How a worker process comes to be.

    process, requests, replies, prints = start()

On Linux a nursery loads Python, NumPy and `worker` once, and forks a worker whenever one is asked
for: that takes a hundredth of the time. The nursery itself never sees a submission, so whatever
one does to its own process, the next begins with the same memory as the first. A worker has none
of the nursery's descriptors, and a session of its own; what it may do to other processes is the
same as if it had been started from nothing (see `seccomp`). Elsewhere, it is.

The nursery reads from a socket, one request in a packet: its number, then the process to wait for;
or 0, with a worker's ends of the pipes, to fork one. The reply repeats the number. It ends when the
socket is closed, as by the end of the grader.
"""

from __future__ import annotations

import array
import atexit
import contextlib
import math
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from io import FileIO
from pathlib import Path

import numpy as np

START_SECONDS = 60  # for Python and NumPy themselves, on however busy a machine
MARK = "NPPPO_WORKER"
# Python itself may not start without these.
KEPT = ("SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME")


def start() -> tuple[subprocess.Popen[bytes] | Forked, FileIO, FileIO, FileIO]:
    """A worker, and pipes to its standard input, from its output, and from its errors."""
    pipes = [os.pipe() for _ in range(3)]
    theirs = [pipes[0][0], pipes[1][1], pipes[2][1]]
    ours = FileIO(pipes[0][1], "wb"), FileIO(pipes[1][0]), FileIO(pipes[2][0])
    try:
        return born(theirs), *ours
    except BaseException:
        for pipe in ours:
            pipe.close()
        raise
    finally:
        for end in theirs:
            os.close(end)


def born(ends: Sequence[int]) -> subprocess.Popen[bytes] | Forked:
    if sys.platform == "linux":
        mother = os.getpid(), tuple(command()), tuple(environment().items())
        try:
            return nursery_of(*mother).fork(ends)
        except OSError:  # something ended it, and it has been cleared away
            return nursery_of(*mother).fork(ends)
    stdin, stdout, stderr = ends
    return subprocess.Popen(
        command(),
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        env=environment(),
        start_new_session=True,
    )


def command() -> list[str]:
    here = Path(__file__).with_name("start.py")
    where_numpy_is = Path(np.__file__).parents[1]  # __file__ is …/numpy/__init__.py
    return [sys.executable, "-S", "-s", "-B", str(here), str(where_numpy_is)]


def environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    # Several threads of OpenBLAS do not fit into the limit of memory.
    single = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    python = {"PYTHONHASHSEED": "0", "PYTHONSAFEPATH": "1", "PYTHONUTF8": "1"}
    return {**kept, **single, **python, MARK: mark_of(os.getpid())}


@lru_cache(maxsize=1)
def mark_of(grader: int) -> str:
    """Of all processes that this grader starts, and not of one that it was forked from."""
    return secrets.token_hex(16)


def relatives(process: subprocess.Popen[bytes] | Forked) -> set[int]:
    """Processes that bear the same marks as a worker and are none of its own."""
    if not isinstance(process, Forked):
        return set()
    with process.nursery.lock:
        return {process.nursery.process.pid, *process.nursery.alive}


class Nursery:
    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.alive: set[int] = set()  # workers that have not been waited for
        self.owner, self.lock = os.getpid(), threading.RLock()
        self.number = 0
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(START_SECONDS)
        with theirs:
            self.process = subprocess.Popen(
                [*command, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=environment,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        atexit.register(self.close)

    def ask(self, pid: int, ends: Sequence[int] = ()) -> str:
        """The reply. Raises OSError if the nursery is no more."""
        with self.lock:
            self.number += 1  # replies to what was interrupted are passed over
            sent = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", ends))]
            self.socket.sendmsg([f"{self.number} {pid}".encode()], sent if ends else ())
            while reply := self.socket.recv(64).decode():
                number, _, answer = reply.partition(" ")
                if int(number) == self.number:
                    return answer
            raise ConnectionError("the nursery has ended")

    def fork(self, ends: Sequence[int]) -> Forked:
        try:
            with self.lock:  # nobody sees a worker that is not known to be alive
                pid = int(self.ask(0, ends))
                self.alive.add(pid)
        except OSError as error:
            said = self.close()
            nursery_of.cache_clear()
            raise OSError(f"the worker does not start: {said or error}") from error
        return Forked(self, pid)

    def close(self) -> str:
        """End it; what it printed, which is only ever about itself."""
        if os.getpid() != self.owner:  # a copy, in a process that was forked
            return ""
        atexit.unregister(self.close)
        self.socket.close()
        self.process.kill()
        _, printed = self.process.communicate()
        return printed.decode("utf-8", "replace").strip()


@lru_cache(maxsize=1)
def nursery_of(
    grader: int, command: tuple[str, ...], environment: tuple[tuple[str, str], ...]
) -> Nursery:
    """The one of this process: a grader that was forked has one of its own."""
    return Nursery(command, dict(environment))


class Forked:
    """A worker as subprocess.Popen would show it. It is the nursery's child: its number stays
    taken until `wait`."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self.nursery, self.pid = nursery, pid
        self.returncode: int | None = None

    def kill(self) -> None:
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, 9)

    def wait(self, timeout: float = math.inf) -> int:
        give_up = time.monotonic() + timeout
        while self.returncode is None:
            try:
                status = self.nursery.ask(self.pid)
            except OSError:
                status = "9"  # it ends with its parent
            if status:
                self.returncode = os.waitstatus_to_exitcode(int(status))
                self.nursery.alive.discard(self.pid)
            elif time.monotonic() > give_up:
                raise subprocess.TimeoutExpired(f"worker {self.pid}", timeout)
            else:
                time.sleep(0.001)
        return self.returncode
