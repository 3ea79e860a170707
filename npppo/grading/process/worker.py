"""The process of `npppo grade` that runs one submission.

It decides nothing. The parent sends the submission and calls to try; the child sends back what
came of each, as bytes from which the parent builds plain arrays and numbers of its own. No object
of the student's ever reaches the parent, which takes every frame for a possible forgery.

Requests come in on standard input and replies leave on standard output, both moved elsewhere
before student code runs: what the student prints goes to standard error. First comes the nonce.
Then frames (see `codec`) hold tuples:

    to the child     ("load", room, limits, seconds, chunks, names)
                     ("calls", [call, ...])                  `Worker.call` says what a call is
                     ("answer", known, tree)
    to the parent    ("ready",)
                     ("held", limits)                        before the submission runs
                     ("loaded", defined, errors, endless, refused)
                     ("reply", *fields of Reply)            one for each call, in order
                     ("ask", name, args)                     the right result of a part, please
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
from numpy import errstate, may_share_memory, ndarray
from numpy.random import default_rng

from .codec import (
    DEPTH,
    LOST,
    TEXT,
    TooLarge,
    Unplain,
    elements,
    frame,
    name_of_type,
    pack,
    read_exactly,
    read_frame,
    unpack,
)
from .guard import SILENT, Guard, set_limits
from .landlock import all_parts, shut_in
from .seccomp import refuse_calls
from .substitution import Substitution

# Names of what is needed after student code has run and may have put something else in its place.
read_bytes, write_bytes, leave = os.read, os.write, os._exit
alarm = getattr(signal, "SIGALRM", None)  # the parent says when the time is over
traceback_of = BaseException.__dict__["__traceback__"].__get__
Failure = tuple[str, str, str, "int | None", bool]
NO_FAILURE: Failure = ("", "", "", None, False)


def failure(error: BaseException, files: Sequence[str]) -> Failure:
    """Type, message, file, line, and whether it is a NotImplementedError.

    The line is the last one of the submission that the error passed through.
    """
    kind = type(error)
    name = str.__getitem__(name_of_type(kind), slice(80))
    try:
        message = str.__getitem__(str(error), slice(TEXT))
    except BaseException:
        message = "(its message cannot be shown)"
    file, line = "", None
    if issubclass(kind, SyntaxError):
        file, line = error.filename, error.lineno  # type: ignore[attr-defined]
    trace = traceback_of(error)
    while trace is not None:
        if trace.tb_frame.f_code.co_filename in files:
            file, line = trace.tb_frame.f_code.co_filename, trace.tb_lineno
        trace = trace.tb_next
    if type(file) is not str or file not in files or type(line) is not int:
        file, line = "", None
    return name, message, file, line, issubclass(kind, NotImplementedError)


def arrays_in(tree: Any, depth: int = 0) -> Iterator[np.ndarray[Any, Any]]:
    if type(tree) is ndarray:
        yield tree
    elif type(tree) in (list, tuple) and depth < DEPTH:
        for item in tree:
            yield from arrays_in(item, depth + 1)


@dataclass
class Reply:
    """What came of a call, in the order in which it is sent."""

    kind: str
    value: Any = None
    failure: Failure = NO_FAILURE
    stage: str = ""
    changed: list[int | str] = field(default_factory=list)
    shares: bool = False
    paired: bool = True
    steadiness: str = ""
    refused: list[str] = field(default_factory=list)

    def packed(self) -> bytes:
        return pack(("reply", *self.__dict__.values()))


def unreadable(why: str) -> Reply:
    return Reply("unreadable", failure=("", why, "", None, False))


class TimeUp(BaseException):
    """Loading takes too long."""


class Worker:
    """One submission, loaded into one module."""

    def __init__(self, requests: int, replies: int, standard: Sequence[str]) -> None:
        self.requests, self.replies, self.standard = requests, replies, standard
        self.module = ModuleType("submission")
        self.names: list[str] = []
        self.files: list[str] = []
        self.flush = sys.stdout.flush
        self.interruptible = False
        self.nonce = read_exactly(self.read, 16)

    def read(self, count: int) -> bytes:
        return read_bytes(self.requests, count)

    def receive(self) -> Any:
        return unpack(read_frame(self.read, self.nonce, 1 << 32))

    def send(self, *message: Any) -> None:
        self.send_packed(pack(message))

    def send_packed(self, packed: bytes) -> None:
        data = memoryview(frame(self.nonce, packed))
        while data:
            data = data[write_bytes(self.replies, data) :]

    def serve(self) -> None:
        self.send("ready")
        while True:
            kind, *content = self.receive()
            if kind == "load":
                self.load(*content)
            else:
                for call in content[0]:
                    self.reply(call)

    def load(
        self,
        room: str,
        limits: list[tuple[str, int]],
        seconds: float,
        chunks: list[tuple[str, bytes]],
        names: list[str],
    ) -> None:
        def late(number: int, frame: FrameType | None) -> None:
            if self.interruptible:
                raise TimeUp(f"loading took more than {seconds:g} s")

        if alarm is not None:
            signal.signal(alarm, late)
        held = set_limits(limits)
        self.guard = Guard(room, self.standard)
        if shut_in(*self.guard.left_with()):
            held.append("FILES")
        if refuse_calls():
            held += ["CALLS", "NPROC"]
        else:  # then no threads either
            held += set_limits([("NPROC", 0)])
        self.send("held", held)
        for name in SILENT:
            for system in (os, sys.modules[os.name]):  # posix or nt
                vars(system).pop(name, None)
        sys.addaudithook(self.guard)
        sys.meta_path.insert(0, self.guard)
        self.names = names
        self.files = [label for label, _ in chunks]
        random.seed(0)
        np.random.seed(0)  # noqa: NPY002  (the student's, not ours)
        errors, endless = self.run_chunks(chunks)
        defined = [name for name in names if callable(self.find(name))]
        self.flush_output()
        self.send("loaded", defined, errors, endless, self.refused())

    def run_chunks(
        self, chunks: list[tuple[str, bytes]]
    ) -> tuple[list[Failure], list[tuple[str, int]]]:
        """Runs them in one module: what went wrong, and which lines took too long.

        What comes after an error in a chunk is lost, what came before is kept: so it is for code
        that takes too long, where the system has signals."""
        sys.modules["submission"] = self.module
        self.module.__dict__["__file__"] = os.path.join(self.guard.room, chunks[0][0])
        # Left to itself, exec would hand out this file's own copy of the builtins.
        self.module.__dict__["__builtins__"] = builtins
        errors: list[Failure] = []
        endless: list[tuple[str, int]] = []
        for label, source in chunks:
            lines = source.decode("utf-8", "replace").splitlines(keepends=True)
            linecache.cache[label] = (len(source), None, lines, label)
            try:
                try:
                    code = compile(source, label, "exec", dont_inherit=True)
                    self.interruptible = True
                    exec(code, self.module.__dict__)
                finally:
                    self.interruptible = False
            except BaseException as error:
                errors.append(failure(error, self.files))
                trace = traceback_of(error)
                while trace is not None and trace.tb_frame.f_code.co_filename != label:
                    trace = trace.tb_next
                if trace is not None and type(error) is TimeUp:
                    endless.append((label, trace.tb_lineno))
        return errors, endless

    def find(self, name: str) -> Any:
        return self.module.__dict__.get(name)

    def refused(self) -> list[str]:
        return [self.guard.refused.pop(0) for _ in range(len(self.guard.refused))]

    def flush_output(self) -> None:
        with contextlib.suppress(BaseException):
            self.flush()

    def reply(self, call: tuple[Any, ...]) -> None:
        try:
            content = self.call(*call).packed()
        except TooLarge:
            content = unreadable("returned more than can be sent").packed()
        except MemoryError:
            content = unreadable("left no memory to send its result").packed()
        self.flush_output()
        self.send_packed(content)

    def call(
        self,
        name: str,
        args: list[Any],
        dout: bytes | None,
        pair: bool,
        parts: tuple[str, ...],
        twice: bool,
    ) -> Reply:
        """One call. `args` are ("value", packed), ("rng", seed) or ("product", matrix).

        With `dout` the function is a backward one: its forward is called on `args` first. `pair`
        says that the result is (out, cache), of which only `out` is sent. `twice` calls it again,
        on new arguments, to see whether the answer is the same.
        """
        report, result = self.once(name, args, dout, pair, parts)
        if twice and report.kind == "value":
            first = pack(report.value)
            again, _ = self.once(name, args, dout, pair, parts)
            if again.kind != "value" or pack(again.value) != first:
                report.steadiness = "different"
            elif pack(result) != first:
                report.steadiness = "overwritten"
            report.value = unpack(first)
        report.refused = self.refused()
        return report

    def once(
        self, name: str, args: list[Any], dout: bytes | None, pair: bool, parts: tuple[str, ...]
    ) -> tuple[Reply, Any]:
        given = [make(kind, content) for kind, content in args]
        cotangent = None if dout is None else unpack(dout)
        watched = [(i, x) for i, x in enumerate(given) if args[i][0] == "value"]
        report = Reply("raised", stage="forward")
        result = None
        try:
            forward = self.function(name if dout is None else name.removesuffix("_backward"))
            backward = None if dout is None else self.function(name)
            before: list[tuple[int | str, Any, bytes | None]]
            before = [(i, x, packed(x)) for i, x in watched]
            space = self.module.__dict__
            substitution = Substitution(space, self.names, parts, name, self.ask)
            with substitution, errstate(all="ignore"):
                result = forward(*given)
                if backward is not None:
                    both = elements(result) or ()
                    if len(both) != 2:
                        raise TypeError("the forward function did not return (out, cache)")
                    out, cache = both
                    own = name.removesuffix("_backward")
                    if own in parts:
                        content = pack(tuple(unpack(content) for _, content in args))
                        cache = substitution.mended(own, out, cache, content)
                    report.stage = "backward"
                    before = [(i, x, packed(x)) for i, x in watched]
                    before.append(("dout", cotangent, packed(cotangent)))
                    result = backward(cotangent, cache)
            report.kind = "value"
        except BaseException as error:
            report.failure = failure(error, self.files)
            return report, None
        report.changed = [i for i, x, was in before if packed(x) != was]
        if pair:
            out_and_cache = elements(result) or ()
            report.paired = len(out_and_cache) == 2
            result = out_and_cache[0] if report.paired else result
        report.value = result
        report.shares = any(
            may_share_memory(a, b)
            for a in arrays_in(result)
            for b in arrays_in([*(x for _, x in watched), cotangent])
        )
        return report, result

    def ask(self, name: str, content: bytes) -> Any:
        """The right result, from the parent. Raises Unplain where he does not give it."""
        self.send("ask", name, content)
        _, known, result = self.receive()
        if not known:
            raise Unplain
        return result

    def function(self, name: str) -> Callable[..., Any]:
        found: Callable[..., Any] | None = self.find(name)
        if not callable(found):
            raise NameError(f"{name} is not defined")
        return found


def make(kind: str, content: Any) -> Any:
    """A new argument."""
    if kind == "rng":
        return default_rng(content)
    if kind == "product":
        matrix = content.copy()
        return lambda x: matrix @ x
    return unpack(content)


def packed(x: Any) -> bytes | None:
    """Its bytes, to be compared with those of another time."""
    try:
        return pack(x)
    except ValueError:
        return None


def look_around(standard: Sequence[str]) -> None:
    """What every worker would look for anew: the files that it may read."""
    readable, _, never = Guard("", standard).left_with()
    with contextlib.suppress(OSError, RecursionError):  # then each worker finds that out
        all_parts(tuple(readable), tuple(never))


def main(standard: Sequence[str]) -> None:
    """Serve until the pipes close. `standard` is where the standard library is."""
    requests, replies = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(2, 1)
    os.close(null)
    sys.argv[:] = ["submission"]
    try:
        Worker(requests, replies, standard).serve()
    except BaseException:
        leave(LOST)
