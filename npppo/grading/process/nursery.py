"""How a worker process comes to be.

    child = start(command, room, environment)

On Linux a nursery loads Python, NumPy and `worker` once, and forks a worker whenever one is asked
for: that takes a hundredth of the time. The nursery itself never sees a submission, so whatever
one does to its own process, the next begins with the same memory as the first. A worker has none
of the nursery's descriptors, and a session of its own; what it may do to other processes is the
same as if it had been started from nothing (see `seccomp`). Elsewhere, it is.

The nursery reads from a socket, one request in a packet: its number, then "fork" and a folder,
with the three ends of the pipes; or "wait" and a process. The reply repeats the number. It ends
when the socket is closed, as by the end of the grader.
"""

from __future__ import annotations

import array
import atexit
import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from io import FileIO
from typing import IO, Protocol

START_SECONDS = 60  # for Python and NumPy themselves, on however busy a machine
PACKET = 1 << 13  # bytes


class Child(Protocol):
    """What of subprocess.Popen a worker has."""

    pid: int
    returncode: int | None
    stdin: IO[bytes] | None
    stdout: IO[bytes] | None
    stderr: IO[bytes] | None

    def kill(self) -> None: ...
    def wait(self, timeout: float | None = None) -> int: ...


def start(command: Sequence[str], room: str, environment: Mapping[str, str]) -> Child:
    """A worker in the folder `room`, with pipes in place of the standard streams."""
    if sys.platform == "linux":
        mother = os.getpid(), tuple(command), tuple(environment.items())
        try:
            return nursery_of(*mother).fork(room)
        except OSError:  # something ended it, and it has been cleared away
            return nursery_of(*mother).fork(room)
    return subprocess.Popen(
        command,
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=room,
        env={**environment, **homes(room)},
        start_new_session=True,
    )


def homes(room: str) -> dict[str, str]:
    return dict.fromkeys(("HOME", "TMPDIR", "TEMP", "TMP"), room)


def relatives(child: Child) -> set[int]:
    """Processes that bear the same marks as a worker and are none of its own."""
    if not isinstance(child, Forked):
        return set()
    with child.nursery.lock:
        return {child.nursery.process.pid, *child.nursery.alive}


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
                env=dict(environment),
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        atexit.register(self.close)

    def ask(self, request: str, descriptors: Sequence[int] = ()) -> str:
        """The reply. Raises OSError if the nursery is no more."""
        with self.lock:
            self.number += 1  # replies to what was interrupted are passed over
            sent = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
            self.socket.sendmsg([os.fsencode(f"{self.number} {request}")], sent[: len(descriptors)])
            while True:
                number, _, reply = self.socket.recv(PACKET).decode().partition(" ")
                if not number:
                    raise ConnectionError("the nursery has ended")
                if int(number) == self.number:
                    return reply

    def fork(self, room: str) -> Forked:
        pipes = [os.pipe() for _ in range(3)]
        theirs = [pipes[0][0], pipes[1][1], pipes[2][1]]
        ours = [pipes[0][1], pipes[1][0], pipes[2][0]]
        try:
            with self.lock:  # nobody sees a worker that is not known to be alive
                pid = int(self.ask(f"fork {room}", theirs))
                self.alive.add(pid)
        except BaseException as error:
            for end in ours:
                os.close(end)
            if not isinstance(error, OSError):
                raise
            said = self.close()
            nursery_of.cache_clear()
            raise OSError(f"the worker does not start: {said or error}") from error
        finally:
            for end in theirs:
                os.close(end)
        return Forked(self, pid, ours)

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
    grader: int, command: tuple[str, ...], items: tuple[tuple[str, str], ...]
) -> Nursery:
    """The one of this process: a grader that was forked has one of its own."""
    return Nursery(command, dict(items))


class Forked:
    """A worker from the nursery, whose child it is: its number stays taken until `wait`."""

    def __init__(self, nursery: Nursery, pid: int, pipes: Sequence[int]) -> None:
        self.nursery, self.pid = nursery, pid
        self.returncode: int | None = None
        requests, replies, prints = pipes
        self.stdin: IO[bytes] | None = FileIO(requests, "wb")
        self.stdout: IO[bytes] | None = FileIO(replies)
        self.stderr: IO[bytes] | None = FileIO(prints)

    def kill(self) -> None:
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, 9)

    def wait(self, timeout: float | None = None) -> int:
        give_up = None if timeout is None else time.monotonic() + timeout
        pause = 0.0005
        while self.returncode is None:
            try:
                status = self.nursery.ask(f"wait {self.pid}")
            except OSError:
                status = "9"  # it ends with its parent
            if status:
                self.returncode = os.waitstatus_to_exitcode(int(status))
                self.nursery.alive.discard(self.pid)
            elif give_up is not None and time.monotonic() > give_up:
                raise subprocess.TimeoutExpired(f"worker {self.pid}", timeout or 0.0)
            else:
                time.sleep(pause)
                pause = min(2 * pause, 0.02)
        return self.returncode
