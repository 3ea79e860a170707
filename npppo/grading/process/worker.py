"""The process of `npppo grade` that runs one submission.

It decides nothing. The parent sends the submission and calls to try (see `messages`); the child
sends back what came of each, as bytes from which the parent builds plain arrays and numbers of its
own. No object of the student's ever reaches the parent, which takes every frame for a possible
forgery.

Requests come in on standard input and replies leave on standard output, both moved elsewhere
before student code runs: what the student prints goes to standard error.
"""

from __future__ import annotations

import builtins
import contextlib
import linecache
import os
import random
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import FrameType, ModuleType
from typing import Any

import numpy as np
from numpy import errstate, may_share_memory
from numpy.random import default_rng

from .codec import LOST, Unfit, arrays_in, elements, frame, name_of, pack, read_frame, unpack
from .guard import SILENT, Guard, Places, enclose
from .substitution import Substitution

# Names of what is needed after student code has run and may have put something else in its place.
read_bytes, write_bytes, leave = os.read, os.write, os._exit
alarm = getattr(signal, "SIGALRM", None)  # the parent says when the time is over
traceback_of = BaseException.__dict__["__traceback__"].__get__
Limits = list[tuple[str, int]]
Chunks = list[tuple[str, bytes]]  # label and source
Failure = tuple[str, str, str, "int | None", bool]  # what an Error is made of


class TimeUp(BaseException):
    """Loading takes too long."""


def failure(error: BaseException, files: Sequence[str]) -> Failure:
    kind = type(error)
    try:
        message = str.__getitem__(str(error), slice(None))
    except BaseException:
        message = "(its message cannot be shown)"
    file, line = "", None
    if issubclass(kind, SyntaxError):
        file, line = error.filename, error.lineno  # type: ignore[attr-defined]
    for file_passed, line_passed in places_of(error):
        if file_passed in files:
            file, line = file_passed, line_passed
    if type(file) is not str or file not in files or type(line) is not int:
        file, line = "", None
    return name_of(kind), message, file, line, issubclass(kind, NotImplementedError)


def places_of(error: BaseException) -> Iterator[tuple[str, int]]:
    """The files and lines that it passed through, the outermost first."""
    trace = traceback_of(error)
    while trace is not None:
        yield trace.tb_frame.f_code.co_filename, trace.tb_lineno
        trace = trace.tb_next


@dataclass
class Reply:
    """What came of a call: what an Outcome is made of, in the order in which it is sent."""

    kind: str
    value: Any = None
    failure: Failure = ("", "", "", None, False)
    stage: str = ""
    changed: list[int | str] = field(default_factory=list)
    shares: bool = False
    paired: bool = True
    steadiness: str = ""
    refused: list[str] = field(default_factory=list)

    def packed(self) -> bytes:
        return pack(("reply", *self.__dict__.values()))


def unreadable(why: str) -> bytes:
    return Reply("unreadable", failure=("", why, "", None, False)).packed()


class Worker:
    """One submission, loaded into one module."""

    def __init__(self, requests: int, replies: int, places: Places) -> None:
        self.requests, self.replies, self.places = requests, replies, places
        self.module = ModuleType("submission")
        self.space = self.module.__dict__
        self.flush = sys.stdout.flush
        self.interruptible = False
        self.nonce = read_frame(self.read, b"", 16)

    def read(self, count: int) -> bytes:
        return read_bytes(self.requests, count)

    def receive(self) -> Any:
        return unpack(read_frame(self.read, self.nonce, 1 << 32))

    def send(self, *message: Any) -> None:
        self.send_packed(pack(message))

    def send_packed(self, packed: bytes) -> None:
        with contextlib.suppress(BaseException):  # what was printed comes first
            self.flush()
        data = memoryview(frame(self.nonce, packed))
        while data:
            data = data[write_bytes(self.replies, data) :]

    def serve(self) -> None:
        while True:
            kind, *content = self.receive()
            if kind == "load":
                self.load(*content)
            else:
                for call in content[0]:
                    self.reply(call)

    def load(
        self, room: str, limits: Limits, seconds: float, chunks: Chunks, names: list[str]
    ) -> None:
        def late(number: int, frame: FrameType | None) -> None:
            if self.interruptible:
                raise TimeUp(f"loading took more than {seconds:g} s")

        if alarm is not None:
            signal.signal(alarm, late)
        os.chdir(room)
        os.environ.update(dict.fromkeys(("HOME", "TMPDIR", "TEMP", "TMP"), room))
        self.send("held", enclose(room, self.places, limits))
        for name in SILENT:
            for system in (os, sys.modules[os.name]):  # posix or nt
                vars(system).pop(name, None)
        self.guard = Guard(room, self.places)
        sys.addaudithook(self.guard)
        sys.meta_path.insert(0, self.guard)
        self.names, self.files = names, [label for label, _ in chunks]
        random.seed(0)
        np.random.seed(0)  # noqa: NPY002  (the student's, not ours)
        sys.modules["submission"] = self.module
        self.space["__file__"] = os.path.join(room, self.files[0])
        # Left to itself, exec would hand out this file's own copy of the builtins.
        self.space["__builtins__"] = builtins
        errors: list[Failure] = []
        endless: list[tuple[str, int]] = []
        for label, source in chunks:
            try:
                self.run(label, source)
            except BaseException as error:
                errors.append(failure(error, self.files))
                lines = [line for file, line in places_of(error) if file == label]
                if type(error) is TimeUp and lines:
                    endless.append((label, lines[0]))
        defined = [name for name in names if callable(self.space.get(name))]
        self.send("loaded", defined, errors, endless, self.refused())

    def run(self, label: str, source: bytes) -> None:
        """What comes after an error in a chunk is lost, what came before is kept: so it is for
        code that takes too long, where the system has signals."""
        lines = source.decode("utf-8", "replace").splitlines(keepends=True)
        linecache.cache[label] = (len(source), None, lines, label)
        code = compile(source, label, "exec", dont_inherit=True)
        try:
            self.interruptible = True
            exec(code, self.space)
        finally:
            self.interruptible = False

    def refused(self) -> list[str]:
        refused, self.guard.refused = self.guard.refused, []
        return refused

    def reply(self, call: tuple[Any, ...]) -> None:
        try:
            content = self.call(*call).packed()
        except Unfit:
            content = unreadable("returned more than can be sent")
        except MemoryError:
            content = unreadable("left no memory to send its result")
        self.send_packed(content)

    def call(
        self, name: str, content: bytes, pair: bool, parts: tuple[str, ...], twice: bool
    ) -> Reply:
        """One call. `content` is ([("value", x), ("rng", seed), ("product", matrix), ...], dout).

        With `dout` the function is a backward one: its forward is called on the arguments first.
        `pair` says that the result is (out, cache), of which only `out` is sent. `twice` calls it
        again, on new arguments, to see whether the answer is the same.
        """
        reply, result = self.once(name, content, pair, parts)
        if twice and reply.kind == "value":
            first = pack(reply.value)
            again, _ = self.once(name, content, pair, parts)
            if again.kind != "value" or pack(again.value) != first:
                reply.steadiness = "different"
            elif pack(result) != first:
                reply.steadiness = "overwritten"
            reply.value = unpack(first)
        reply.refused = self.refused()
        return reply

    def once(
        self, name: str, content: bytes, pair: bool, parts: tuple[str, ...]
    ) -> tuple[Reply, Any]:
        args, dout = unpack(content)
        given = [made(kind, x) for kind, x in args]
        watched: dict[int | str, Any] = {
            i: x for i, (kind, x) in enumerate(args) if kind == "value"
        }
        own = name if dout is None else name.removesuffix("_backward")
        reply = Reply("raised", stage="forward")
        try:
            forward, backward = self.function(own), self.function(name)
            before = {i: packed(x) for i, x in watched.items()}
            substitution = Substitution(self.space, self.names, parts, name, self.ask)
            with substitution, errstate(all="ignore"):
                result = forward(*given)
                if dout is not None:
                    both = elements(result) or ()
                    if len(both) != 2:
                        raise TypeError("the forward function did not return (out, cache)")
                    out, cache = both
                    if own in parts:
                        fresh, _ = unpack(content)
                        cache = substitution.mended(own, out, cache, tuple(x for _, x in fresh))
                    reply.stage = "backward"
                    watched["dout"] = dout
                    before = {i: packed(x) for i, x in watched.items()}
                    result = backward(dout, cache)
        except BaseException as error:
            reply.failure = failure(error, self.files)
            return reply, None
        reply.kind = "value"
        reply.changed = [i for i, x in watched.items() if packed(x) != before[i]]
        if pair:
            both = elements(result) or ()
            reply.paired = len(both) == 2
            result = both[0] if reply.paired else result
        reply.value = result
        mine = [*arrays_in([*watched.values()])]
        reply.shares = any(may_share_memory(a, b) for a in arrays_in(result) for b in mine)
        return reply, result

    def ask(self, name: str, content: bytes) -> Any:
        """The right result, from the parent. Raises ValueError where he does not give it."""
        self.send("ask", name, content)
        _, known, result = self.receive()
        if not known:
            raise ValueError(name)
        return result

    def function(self, name: str) -> Callable[..., Any]:
        found: Callable[..., Any] | None = self.space.get(name)
        if not callable(found):
            raise NameError(f"{name} is not defined")
        return found


def made(kind: str, x: Any) -> Any:
    """A new argument."""
    if kind == "rng":
        return default_rng(x)
    return (lambda y: x @ y) if kind == "product" else x


def packed(x: Any) -> bytes | None:
    """Its bytes, to be compared with those of another time."""
    try:
        return pack(x)
    except ValueError:
        return None


def main(places: Places) -> None:
    """Serve until the pipes close."""
    requests, replies = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(2, 1)
    os.close(null)
    sys.argv[:] = ["submission"]
    try:
        Worker(requests, replies, places).serve()
    except BaseException:
        leave(LOST)
