"""The parent's side of the isolation: runs a submission in a process of its own.

    with Sandbox([("my_ppo.py", source)]) as sandbox:
        loaded = sandbox.load(["gae", "relu", "relu_backward"])
        outcomes = sandbox.call([Call("gae", args), Call("relu", (x,), pair=True)])

The student's code never runs here, and none of its objects arrive here: what comes back is bytes
(see `worker`), checked as if they were forged, because they can be. A result is plain arrays,
numbers, texts, lists and tuples, or `Opaque`.

A process's time is the wall clock's without what it had to wait for a processor, where the system
tells that (Linux): on a busy machine a submission gets what it would on an idle one.

The process has its own session, an empty folder, a clean environment and, where the system has
them, limits. Whatever it does ends in an `Outcome`: it may die, hang, or print without end. Then a
new process serves the next call; how often is for the caller to say.

This stops mistakes and casual cheating. The boundary is a container and another user.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from queue import Empty, Full, Queue
from types import TracebackType
from typing import Any

import numpy as np

from ..exercises.compare import vector
from ..exercises.exercise import Product, Rng
from ..exercises.trees import leaves, side_by_side
from .codec import (
    ASK,
    LOST,
    MESSAGE,
    TEXT,
    Malformed,
    Opaque,
    frame,
    harmless,
    pack,
    read_frame,
    unpack,
)
from .nursery import START_SECONDS, relatives, start

__all__ = ["Call", "Error", "Limits", "Loaded", "Opaque", "Outcome", "Sandbox"]

PATIENCE = 20  # times its seconds, by the wall clock, for a process that waits for a processor
GRACE_SECONDS = 1  # for a load that is out of time to say so itself
KINDS = {"value", "raised", "unreadable"}  # what the child may report
MOST = 1000  # texts in a list
NEAR = 0.02  # of the size of a number, or of 1
# Besides the backward functions, those whose results are derivatives of their parts.
DERIVATIVES = {"categorical_fisher", "mlp_jvp"}
STEADINESS = {"", "different", "overwritten"}
HELD = {
    "CPU": "processor time",
    "AS": "memory",
    "FSIZE": "file size",
    "CORE": "core dumps",
    "NOFILE": "open files",
    "NPROC": "processes",
    "FILES": "other files",
    "CALLS": "system calls",
}
MARK = "NPPPO_WORKER"
# Python itself may not start without these.
KEPT = ("SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME")

Answer = Callable[[str, tuple[Any, ...]], Any]
# Numbers that were answered, by function and form, and whether they are the call's own.
Asked = dict[tuple[str, str], list[tuple[Any, bool]]]


@dataclass(frozen=True)
class Limits:
    """Times are of one load, of one list of calls, and of all calls, without waiting for a
    processor; `cpu_seconds` is the process's processor time in all. Sizes are bytes."""

    load_seconds: float = 10.0
    call_seconds: float = 10.0
    total_seconds: float = 30.0
    cpu_seconds: int = 60
    memory: int = 2 << 30
    file: int = 4 << 20
    output: int = 10_000


@dataclass(frozen=True)
class Call:
    """A function to call, by name.

    With `dout` it is a backward function: its forward is called on `args` first. `pair` says that
    the result is to be (out, cache); only `out` is looked at. During the call the functions named
    by `parts` give right results. `twice` calls again, on equal arguments.

    An array arrives laid out as it is here: in C or Fortran order, strided, read-only. An `Rng` or
    a `Product` among the arguments arrives as what it makes.
    """

    name: str
    args: tuple[Any, ...]
    dout: Any = None
    pair: bool = False
    parts: tuple[str, ...] = ()
    twice: bool = False


@dataclass(frozen=True)
class Error:
    """An exception. `file` and `line` are the last of the submission that it passed through."""

    type: str
    message: str
    file: str = ""
    line: int | None = None
    not_implemented: bool = False

    def __str__(self) -> str:
        return ": ".join(part for part in (self.type, self.message) if part)


@dataclass(frozen=True)
class Loaded:
    """`failure` says what became of the process, if it did not survive loading. `endless` are
    lines of the submission, by file and number, that did not end in time; `seconds` is how long
    it took."""

    defined: frozenset[str] = frozenset()
    errors: tuple[Error, ...] = ()
    endless: tuple[tuple[str, int], ...] = ()
    refused: tuple[str, ...] = ()
    held: frozenset[str] = frozenset()
    failure: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """What became of one call.

    kind         "value", "raised", "died", "timeout", "not run" (an earlier call brought the
                 process down), "unreadable" (too large, or not from the worker)
    value        the result, of kind "value": without the cache, if `pair` was asked for
    error        the exception, or in its message why there is no value
    stage        "forward", "backward" or "load": how far it got
    changed      positions of arguments that were changed in place, and "dout"
    shares       the result shares memory with an argument
    paired       False if `pair` was asked for and the result is no pair; `value` is all of it then
    steadiness   of a call made twice: "different" results, or the first was "overwritten"
    refused      what was tried and is not allowed, as "import torch" or "open /etc/passwd"
    unanswered   parts in whose place a right result was refused, because it could be differentiated
    """

    kind: str
    value: Any = None
    error: Error | None = None
    stage: str = ""
    changed: tuple[int | str, ...] = ()
    shares: bool = False
    paired: bool = True
    steadiness: str = ""
    refused: tuple[str, ...] = ()
    unanswered: frozenset[str] = frozenset()

    @property
    def not_implemented(self) -> bool:
        return self.error is not None and self.error.not_implemented


@dataclass
class _Lost(Exception):
    """The process is of no more use."""

    kind: str
    why: str


class Sandbox:
    """One submission. Its process starts at once; `load` waits for it."""

    def __init__(
        self, chunks: Iterable[tuple[str, str | bytes]], limits: Limits | None = None
    ) -> None:
        self.limits = limits or Limits()
        self._chunks = [
            (label, source if isinstance(source, bytes) else source.encode("utf-8", "replace"))
            for label, source in chunks
        ]
        self._names: list[str] = []
        self._printed = ""
        self._loaded: Loaded | None = None
        self._held: frozenset[str] = frozenset()
        self._spent = 0.0  # seconds, in calls
        self.seconds = 0.0  # in all
        self._process: _Process | None = _Process(self.limits)

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the process with all that it started, and removes its folder."""
        if self._process is not None:
            self._process.close()
            self._printed = (self._printed + self._process.printed())[: self.limits.output]
            self._process = None
            self._loaded = None

    @property
    def output(self) -> str:
        """What was printed, all of it after `close`; harmless to show."""
        now = self._process.printed() if self._process is not None else ""
        return (self._printed + now)[: self.limits.output]

    def load(self, names: Sequence[str]) -> Loaded:
        """Runs the submission. `names` are all that may be called or stand in `parts`."""
        self._names = list(names)
        try:
            return self._load()
        except _Lost as lost:
            self.close()
            return Loaded(held=self._held, failure=lost.why)

    def _load(self) -> Loaded:
        if self._loaded is not None:
            self.close()
        process = self._process = self._process or _Process(self.limits)
        limits = [
            ("CPU", self.limits.cpu_seconds),
            ("AS", self.limits.memory),
            ("FSIZE", self.limits.file),
            ("CORE", 0),
            ("NOFILE", 64),
        ]
        seconds = self.limits.load_seconds
        process.wait_until_ready()
        process.send("load", process.room, limits, seconds, self._chunks, self._names)
        # What held is said before the submission runs, and so is no claim of the submission's.
        (names,) = _fields(process.receive(START_SECONDS), "held", list)
        self._held = frozenset(HELD[name] for name in _texts(names) if name in HELD)
        watch = _Watch(process)
        try:
            message = process.receive(seconds, watch)
        except _Lost as lost:
            if lost.kind != "timeout":
                raise
            message = process.interrupted()
        finally:
            self.seconds += watch.seconds()
        files = [label for label, _ in self._chunks]
        self._loaded = _loaded(message, self._names, files, self._held, watch.seconds())
        return self._loaded

    def call(self, calls: Sequence[Call], answer: Answer | None = None) -> list[Outcome]:
        """The outcomes, in order. Only the last that is not "not run" can have failed badly.

        `answer(name, args)` is the right result of a part: of a forward function without the
        cache, of a backward one from (dout, *args of its forward). It may raise anything.
        """
        written = [_written(call) for call in calls]
        outcomes: list[Outcome] = []
        watch, stage = None, "load"
        try:
            if self._process is None or self._loaded is None:
                self._load()
            stage = ""
            process = self._process
            assert process is not None
            watch = _Watch(process)
            process.send("calls", written)
            asked: Asked = {}  # in the call at hand
            unanswered: set[str] = set()
            rest = self.limits.total_seconds - self._spent
            while len(outcomes) < len(calls):
                message = process.receive(min(self.limits.call_seconds, rest), watch)
                call = calls[len(outcomes)]
                if _is(message[0], "ask"):
                    process.send_packed(_answered(message, call, answer, asked, unanswered))
                else:
                    outcome = self._explained(_outcome(message, len(call.args)))
                    outcomes.append(replace(outcome, unanswered=frozenset(unanswered)))
                    asked.clear()
                    unanswered.clear()
        except _Lost as lost:
            self.close()
            most = min(self.limits.call_seconds, self.limits.total_seconds)
            late = lost.kind == "timeout" and not stage
            why = f"{lost.why}: more than {most:g} s" if late else lost.why
            outcomes.append(Outcome(lost.kind, error=Error("", why), stage=stage))
        seconds = watch.seconds() if watch else 0.0
        self._spent += seconds
        self.seconds += seconds
        return outcomes + [Outcome("not run")] * (len(calls) - len(outcomes))

    def start_over(self) -> None:
        """Give all calls together their time again."""
        self._spent = 0.0

    def _explained(self, outcome: Outcome) -> Outcome:
        error = outcome.error
        held = self._loaded is not None and "memory" in self._loaded.held
        if error is None or error.type not in ("MemoryError", "_ArrayMemoryError") or not held:
            return outcome
        why = f"more than {self.limits.memory >> 20} MB of memory"
        return replace(outcome, error=replace(error, message=why))


def _written(call: Call) -> tuple[Any, ...]:
    """The call as `worker.Worker.call` takes it."""
    args: list[tuple[str, Any]] = []
    for x in call.args:
        if isinstance(x, Rng):
            args.append(("rng", x.seed))
        elif isinstance(x, Product):
            args.append(("product", x.matrix))
        else:
            args.append(("value", pack(x, strict=True)))
    dout = None if call.dout is None else pack(call.dout, strict=True)
    return call.name, args, dout, call.pair, tuple(call.parts), call.twice


def _demand(condition: bool) -> None:
    if not condition:
        raise _Lost("unreadable", "sent something that is not a reply")


def _is(x: Any, text: str) -> bool:
    """Whether x is this text; `==` alone would compare an array entry by entry."""
    return type(x) is str and x == text


def _fields(message: Any, kind: str, *types: type | tuple[type, ...]) -> tuple[Any, ...]:
    """The content of a message from the child, if it is of this kind and of exactly these types;
    `object` stands for any."""
    _demand(type(message) is tuple and len(message) == 1 + len(types) and _is(message[0], kind))
    for x, allowed in zip(message[1:], types, strict=True):
        among = allowed if isinstance(allowed, tuple) else (allowed,)
        _demand(allowed is object or type(x) in among)
    return tuple(message[1:])


def _error(record: Any) -> Error:
    types = (str, str, str, (int, type(None)), bool)
    given = ("error", *record) if type(record) is tuple else None
    kind, message, file, line, missing = _fields(given, "error", *types)
    return Error(_steady(kind), _steady(message), _steady(file), line, missing)


# The name of the submission's folder, and where an object lies, are others each time.
CHANGING = re.compile(r"(npppo-)[a-z0-9_]{8}|\b(0x)[0-9a-f]{6,16}\b")


def _steady(text: str) -> str:
    """Harmless, of bounded length, and the same whenever the submission runs."""
    return harmless(CHANGING.sub(r"\1\2…", text[:TEXT]))


def _texts(items: list[Any]) -> tuple[str, ...]:
    _demand(len(items) <= MOST and all(type(x) is str for x in items))
    return tuple(map(_steady, items))


def _question(message: Any) -> tuple[str, tuple[Any, ...]]:
    name, content = _fields(message, "ask", str, bytes)
    _demand(len(content) <= ASK)
    try:
        args = unpack(content)
    except Malformed:
        args = None
    _demand(type(args) is tuple)
    return name, args


def _answered(
    message: Any, call: Call, answer: Answer | None, asked: Asked, unanswered: set[str]
) -> bytes:
    """What to send to a question, the others `asked` before it in this call.

    Answers could be differentiated. So a backward may learn its own forward's results on its own
    arguments and no more, and where a derivative is the exercise nothing is answered nearby.
    """
    name, args = _question(message)
    allowed = name in call.parts and not any(map(np.iscomplexobj, leaves(args)))
    if call.name == f"{name}_backward":
        allowed = allowed and _identical(args, call.args)
    derivative = call.dout is not None or call.name in DERIVATIVES
    if allowed and derivative and _near_another(asked, name, args, call.args):
        unanswered.add(name)
        allowed = False
    if answer is not None and allowed:
        # Arguments that a student made up may break the reference in any way.
        with contextlib.suppress(Exception), np.errstate(all="ignore"):
            return pack(("answer", True, answer(name, args)), strict=True)
    return pack(("answer", False, None))


def _near_another(asked: Asked, name: str, args: Any, given: tuple[Any, ...]) -> bool:
    """Whether these arguments are nearly, but not quite, those of another question.

    The arguments that the call itself was given, or rows of them, may be near each other: nobody
    chose them to take a difference. Nor did a loop over single numbers.
    """
    numbers = vector(args)
    if len(numbers) <= 2:
        return False
    own = _taken_from(args, given)
    others = asked.setdefault((name, _form(args)), [])
    with np.errstate(all="ignore"):
        if any(np.array_equal(other, numbers, equal_nan=True) for other, _ in others):
            return False
        for other, others_own in others:
            if not (own and others_own) and np.allclose(numbers, other, NEAR, NEAR, equal_nan=True):
                return True
    others.append((numbers, own))
    return False


def _taken_from(args: Any, given: Any) -> bool:
    """Whether every array is one of those that are given, or consists of rows of one."""
    own, theirs = (
        [x for x in leaves(tree) if isinstance(x, np.ndarray) and x.ndim] for tree in (args, given)
    )
    return all(any(_rows(x) <= _rows(y) for y in theirs) for x in own)


def _rows(x: Any) -> set[bytes]:
    """An array's rows, whatever its dtype."""
    rows = x.astype(np.float64).reshape(math.prod(x.shape[:-1]), x.shape[-1])
    return {row.tobytes() for row in rows}


def _form(tree: Any) -> str:
    if isinstance(tree, list | tuple):
        return "(" + ",".join(map(_form, tree)) + ")"
    return str(np.shape(tree))


def _identical(a: Any, b: Any) -> bool:
    """The same numbers, bit for bit."""
    if isinstance(a, list | tuple):
        pairs = side_by_side(a, b)
        return pairs is not None and all(_identical(x, y) for x, y in pairs)
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    return type(a) is type(b) and bool(a == b)


def _loaded(
    message: Any, names: Sequence[str], files: Sequence[str], held: frozenset[str], seconds: float
) -> Loaded:
    defined, errors, endless, refused = _fields(message, "loaded", list, list, list, list)
    _demand(len(errors) <= MOST and len(endless) <= MOST)
    lines = [_fields(("line", *one), "line", str, int) for one in endless if type(one) is tuple]
    return Loaded(
        frozenset(_texts(defined)) & frozenset(names),
        tuple(_error(record) for record in errors),
        tuple((file, line) for file, line in lines if file in files),
        _texts(refused),
        held,
        seconds=seconds,
    )


def _outcome(message: Any, count: int) -> Outcome:
    kind, value, record, stage, changed, shares, paired, steadiness, refused = _fields(
        message, "reply", str, object, tuple, str, list, bool, bool, str, list
    )
    _demand(kind in KINDS and stage in ("", "forward", "backward") and steadiness in STEADINESS)
    _demand(all(_is(x, "dout") or (type(x) is int and 0 <= x < count) for x in changed))
    error = None if kind == "value" else _error(record)
    value = value if kind == "value" else None
    refusals = _texts(refused)
    return Outcome(kind, value, error, stage, tuple(changed), shares, paired, steadiness, refusals)


def _command() -> list[str]:
    here = Path(__file__).with_name("start.py")
    where_numpy_is = Path(np.__file__).parents[1]  # __file__ is …/numpy/__init__.py
    return [sys.executable, "-S", "-s", "-B", str(here), str(where_numpy_is)]


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    # Several threads of OpenBLAS do not fit into the limit of memory.
    single = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    python = {"PYTHONHASHSEED": "0", "PYTHONSAFEPATH": "1", "PYTHONUTF8": "1"}
    return {**kept, **single, **python, MARK: _mark(os.getpid())}


@lru_cache(maxsize=1)
def _mark(grader: int) -> str:
    """Of all processes that this grader starts, and not of one that it was forked from."""
    return secrets.token_hex(16)


def abandon_all() -> None:
    """Ends all submissions' processes and removes their folders; for the handler of a signal."""
    for process in list(_LIVE):
        process.abandon()


_LIVE: weakref.WeakSet[_Process] = weakref.WeakSet()


class _Watch:
    """Shows the seconds since it was made that a process did not spend waiting for a processor."""

    def __init__(self, process: _Process) -> None:
        self.process, self.start, self.waited = process, time.monotonic(), process.waited()

    def wall(self) -> float:
        return time.monotonic() - self.start

    def seconds(self) -> float:
        waited = max(self.process.waited() - self.waited, 0.0)
        return max(self.wall() - waited, 0.0)  # a wait is counted when it is over


@dataclass(eq=False)
class _Process:
    """A worker process: its pipes, its folder, its end.

    Threads do the reading and writing, so that no pipe that is full or silent can stop the grader.
    """

    limits: Limits
    room: str = field(init=False)

    def __post_init__(self) -> None:
        # Its name is known before it is there, so that a grader that is stopped leaves none behind.
        place = os.path.realpath(tempfile.gettempdir())
        self.room = os.path.join(place, f"npppo-{secrets.token_hex(4)}")
        _LIVE.add(self)
        os.mkdir(self.room, 0o700)
        self._nonce = secrets.token_bytes(16)
        self._mark = _mark(os.getpid())
        self._frames: Queue[bytes | Exception] = Queue(maxsize=8)
        self._kept = bytearray()
        try:
            self._child = start(_command(), self.room, _environment())
        except OSError:
            _remove(self.room)
            raise
        assert self._child.stdin and self._child.stdout and self._child.stderr
        self._requests, self._replies = self._child.stdin, self._child.stdout
        self._prints = self._child.stderr
        self._unsent: Queue[bytes | None] = Queue(maxsize=2)
        self._threads = [
            threading.Thread(target=target, daemon=True)
            for target in (self._read_frames, self._read_prints, self._write_requests)
        ]
        for thread in self._threads:
            thread.start()
        self._unsent.put(self._nonce)

    def _read_frames(self) -> None:
        try:
            while True:
                data = read_frame(self._replies.read, self._nonce, 2 * MESSAGE)
                self._frames.put(data)
        except (EOFError, Malformed, OSError, ValueError) as error:
            self._frames.put(error)

    def _read_prints(self) -> None:
        """Keeps the beginning and throws away the rest, so that printing never blocks."""
        with contextlib.suppress(OSError, ValueError):
            while piece := self._prints.read(1 << 16):
                self._kept += piece[: max(0, self.limits.output - len(self._kept))]

    def _write_requests(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # dead: the reader will notice
            while (data := self._unsent.get()) is not None:
                rest = memoryview(data)
                while rest:
                    rest = rest[self._requests.write(rest) :]

    def wait_until_ready(self) -> None:
        """If it does not start, the student is not to blame."""
        try:
            ready = self.receive(START_SECONDS) == ("ready",)
        except _Lost:
            ready = False
        if not ready:
            self.close()
            raise OSError(f"the worker does not start: {self.printed() or 'no output'}")

    def send(self, *message: Any) -> None:
        self.send_packed(pack(message, limit=1 << 31, strict=True))

    def send_packed(self, content: bytes) -> None:
        """Starts to send, and does not wait. A worker has read what came before if it replied."""
        try:
            self._unsent.put(frame(self._nonce, content), timeout=GRACE_SECONDS)
        except Full:
            _demand(False)

    def receive(self, limit: float, watch: _Watch | None = None) -> tuple[Any, ...]:
        """The next message. Raises _Lost when there is none before the watch shows this limit."""
        watch = watch or _Watch(self)
        while True:
            rest = min(limit - watch.seconds(), PATIENCE * limit - watch.wall())
            try:
                if rest <= 0:
                    raise _Lost("timeout", "took too long")
                data = self._frames.get(timeout=rest)
                break
            except Empty:
                pass  # it may have waited for a processor meanwhile
        if isinstance(data, Malformed):
            _demand(False)
        if isinstance(data, Exception):
            raise _Lost("died", self._obituary())
        try:
            message = unpack(data)
        except Malformed:
            message = None
        _demand(type(message) is tuple and len(message) > 0)
        return tuple(message)

    def interrupted(self) -> tuple[Any, ...]:
        """What it says when it is told that the time for loading is over."""
        for _ in range(5):
            if hasattr(signal, "SIGALRM"):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._child.pid, signal.SIGALRM)
            with contextlib.suppress(_Lost):
                return self.receive(GRACE_SECONDS / 5)
        return self.receive(0)

    def waited(self) -> float:
        """Seconds in which it could have run, but for other processes; 0 where nobody counts."""
        try:
            return int(Path(f"/proc/{self._child.pid}/schedstat").read_text().split()[1]) / 1e9
        except (OSError, ValueError, IndexError):
            return 0.0

    def _obituary(self) -> str:
        """Why the pipe is closed."""
        try:
            code = self._child.wait(timeout=GRACE_SECONDS)
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

    def printed(self) -> str:
        text = bytes(self._kept).decode("utf-8", "replace").replace("\r\n", "\n")
        text = CHANGING.sub(r"\1\2…", text)
        return "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in text)

    def close(self) -> None:
        self._kill()
        with contextlib.suppress(Full):  # then the writer fails by itself
            self._unsent.put_nowait(None)
        give_up = time.monotonic() + GRACE_SECONDS
        while any(t.is_alive() for t in self._threads) and time.monotonic() < give_up:
            with contextlib.suppress(Empty):
                self._frames.get(timeout=0.005)  # the reader may be waiting for room
        # A thread still alive means that something unkillable holds a pipe: both stay as they are.
        if not any(t.is_alive() for t in self._threads):
            for pipe in (self._requests, self._replies, self._prints):
                pipe.close()
        _remove(self.room)

    def abandon(self) -> None:
        """Without any lock, which what was interrupted may hold."""
        with contextlib.suppress(OSError, AttributeError):  # dead, or not yet born
            self._child.kill()
        _remove(self.room)

    def _kill(self) -> None:
        if os.name == "posix":
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._child.pid, signal.SIGKILL)
        self._child.kill()
        self._child.wait()
        for _ in range(5):  # one that forks on and on may be missed
            strays = set(_marked(f"{MARK}={self._mark}".encode())) - relatives(self._child)
            for pid in strays:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            if not strays:
                break


def _marked(mark: bytes) -> list[int]:
    """Processes that left the group, by the mark in the environment they started with. Linux."""
    found = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if mark in environment.read_bytes():
                found.append(int(environment.parent.name))
    return found


def _remove(folder: str) -> None:
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
