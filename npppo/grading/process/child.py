"""One process that runs a submission, as the grader holds it: pipes, folder, time, end."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
import weakref
from pathlib import Path
from queue import Empty, Full, Queue
from threading import Thread
from typing import Any

from .codec import LOST, MESSAGE, Malformed, frame, pack, read_frame
from .messages import Limits, Lost, read, steady
from .nursery import MARK, mark_of, relatives, start

PATIENCE = 20  # times its seconds, by the wall clock, for a process that waits for a processor
GRACE_SECONDS = 1  # for a load that is out of time to say so itself


def abandon_all() -> None:
    """Ends all submissions' processes and removes their folders; for the handler of a signal.

    Without any lock, which what was interrupted may hold.
    """
    for child in list(LIVE):
        with contextlib.suppress(OSError, AttributeError):  # dead, or not yet born
            child.process.kill()
        remove(child.room)


LIVE: weakref.WeakSet[Child] = weakref.WeakSet()


class Watch:
    """Shows the seconds since it was made that a process did not spend waiting for a processor."""

    def __init__(self, child: Child) -> None:
        self.child, self.start, self.waited = child, time.monotonic(), child.waited()

    def wall(self) -> float:
        return time.monotonic() - self.start

    def seconds(self) -> float:
        waited = max(self.child.waited() - self.waited, 0.0)
        return max(self.wall() - waited, 0.0)  # a wait is counted when it is over


class Child:
    """Threads do the reading and writing, so that no pipe that is full or silent can stop the
    grader."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        # Its name is known before it is there, so that a grader that is stopped leaves none behind.
        place = os.path.realpath(tempfile.gettempdir())
        self.room = os.path.join(place, f"npppo-{secrets.token_hex(4)}")
        LIVE.add(self)
        os.mkdir(self.room, 0o700)
        self.mark = mark_of(os.getpid())
        self.nonce = secrets.token_bytes(16)
        try:
            started = start()
        except OSError:
            remove(self.room)
            raise
        self.process, self.requests, self.replies, self.prints = started
        self.unsent: Queue[bytes | None] = Queue(maxsize=2)
        self.frames: Queue[bytes | Exception] = Queue(maxsize=8)
        self.kept = bytearray()
        work = self.write_requests, self.read_frames, self.read_prints
        self.threads = [Thread(target=target, daemon=True) for target in work]
        for thread in self.threads:
            thread.start()
        self.unsent.put(frame(b"", self.nonce))

    def write_requests(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # dead: the reader will notice
            while (data := self.unsent.get()) is not None:
                rest = memoryview(data)
                while rest:
                    rest = rest[self.requests.write(rest) :]

    def read_frames(self) -> None:
        try:
            while True:
                self.frames.put(read_frame(self.replies.read, self.nonce, 2 * MESSAGE))
        except (EOFError, OSError, ValueError) as error:
            self.frames.put(error)

    def read_prints(self) -> None:
        """Keeps the beginning and throws away the rest, so that printing never blocks."""
        with contextlib.suppress(OSError, ValueError):
            while piece := self.prints.read(1 << 16):
                self.kept += piece[: max(0, self.limits.output - len(self.kept))]

    def printed(self) -> str:
        text = steady(bytes(self.kept).decode("utf-8", "replace").replace("\r\n", "\n"))
        return "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in text)

    def send(self, *message: Any) -> None:
        self.send_packed(pack(message, limit=1 << 31, strict=True))

    def send_packed(self, content: bytes) -> None:
        """Starts to send, and does not wait. A worker has read what came before if it replied."""
        try:
            self.unsent.put(frame(self.nonce, content), timeout=GRACE_SECONDS)
        except Full:
            raise Malformed from None

    def receive(self, limit: float, *shapes: tuple[Any, ...], watch: Watch | None = None) -> Any:
        """The next message, which has one of these shapes, or Malformed is raised; or Lost, when
        there is none before the watch shows this limit."""
        watch = watch or Watch(self)
        while True:
            rest = min(limit - watch.seconds(), PATIENCE * limit - watch.wall())
            if rest <= 0:
                raise Lost("timeout", "took too long")
            with contextlib.suppress(Empty):  # it may have waited for a processor meanwhile
                data = self.frames.get(timeout=rest)
                break
        if isinstance(data, Malformed):
            raise data
        if isinstance(data, Exception):
            raise Lost("died", self.obituary())
        return read(data, *shapes)

    def interrupted(self, *shapes: tuple[Any, ...]) -> Any:
        """What it says when it is told that the time for loading is over."""
        for _ in range(5):
            if hasattr(signal, "SIGALRM"):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.process.pid, signal.SIGALRM)
            with contextlib.suppress(Lost, Malformed):
                return self.receive(GRACE_SECONDS / 5, *shapes)
        raise Lost("timeout", "took too long")

    def waited(self) -> float:
        """Seconds in which it could have run, but for other processes; 0 where nobody counts."""
        try:
            return int(Path(f"/proc/{self.process.pid}/schedstat").read_text().split()[1]) / 1e9
        except (OSError, ValueError, IndexError):
            return 0.0

    def obituary(self) -> str:
        """Why the pipe is closed."""
        try:
            code = self.process.wait(timeout=GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            code = LOST
        if code == LOST:
            return "closed the channel to the grader"
        if code >= 0:
            return f"ended the process, with exit code {code}"
        name = signal.Signals(-code).name if -code in set(signal.Signals) else "unknown"
        if name == "SIGXCPU":
            return f"used more than {self.limits.cpu_seconds} s of processor time"
        likely = ", perhaps for using too much memory" if name == "SIGKILL" else ""
        return f"was killed by signal {-code} ({name}){likely}"

    def close(self) -> None:
        self.kill()
        with contextlib.suppress(Full):  # then the writer fails by itself
            self.unsent.put_nowait(None)
        give_up = time.monotonic() + GRACE_SECONDS
        while (alive := any(map(Thread.is_alive, self.threads))) and time.monotonic() < give_up:
            with contextlib.suppress(Empty):
                self.frames.get(timeout=0.005)  # the reader may be waiting for room
        # A thread still alive means that something unkillable holds a pipe: both stay as they are.
        if not alive:
            for pipe in (self.requests, self.replies, self.prints):
                pipe.close()
        remove(self.room)

    def kill(self) -> None:
        """Also what it started, and what of that left its group."""
        if os.name == "posix":
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()
        for _ in range(5):  # one that forks on and on may be missed
            strays = marked(self.mark) - relatives(self.process)
            for pid in strays:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            if not strays:
                break


def marked(mark: str) -> set[int]:
    """The processes that started with this mark in their environment. Linux."""
    found = set()
    for file in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if f"{MARK}={mark}".encode() in file.read_bytes():
                found.add(int(file.parent.name))
    return found


def remove(folder: str) -> None:
    """Removes a folder, parts of which may be unreadable, or deeper than Python goes down."""
    with contextlib.suppress(OSError):
        os.chmod(folder, 0o700)
        while entries := list(os.scandir(folder)):
            for entry in entries:
                if not entry.is_dir(follow_symlinks=False):
                    os.unlink(entry.path)
                    continue
                os.chmod(entry.path, 0o700)
                for inner in list(os.scandir(entry.path)):
                    if inner.is_dir(follow_symlinks=False):
                        os.chmod(inner.path, 0o700)
                    os.rename(inner.path, os.path.join(folder, secrets.token_hex(16)))
                os.rmdir(entry.path)
        os.rmdir(folder)
    with contextlib.suppress(RecursionError):
        shutil.rmtree(folder, ignore_errors=True)
