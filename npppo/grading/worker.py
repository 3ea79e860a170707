"""The child of `npppo grade`: runs one submission, on NumPy and the standard library alone.

It decides nothing. The parent sends the submission and calls to try; the child sends back what
came of each, as bytes from which the parent builds plain arrays and numbers of its own. No object
of the student's ever reaches the parent, which takes every frame for a possible forgery.

    python -S -s -B -c "START" WHERE_THIS_IS WHERE_NUMPY_IS

Requests come in on standard input and replies leave on standard output, both moved elsewhere
before student code runs: what the student prints goes to standard error. First comes the nonce,
16 bytes. A frame is the nonce, the length (4 bytes) and a packed tuple:

    to the child     ("load", room, limits, seconds, chunks, names)
                     ("calls", [call, ...])                  `Worker.call` says what a call is
                     ("answer", known, tree)
    to the parent    ("ready",)
                     ("loaded", held, defined, errors, refused)
                     ("reply", *fields of Report)            one for each call, in order
                     ("ask", name, args)                     the right result of a part, please

`pack` writes a tree: one byte for the kind, then, little-endian,

    N  T  F                None, True, False
    i  y  s  o             length, then: integer, bytes, UTF-8 text, description of an Opaque
    d  z                   8 or 16 bytes: float, complex
    l  t                   count, then the elements: list, tuple
    a  g                   layout, length and name of the dtype, number of dimensions, dimensions,
                           data in C order: array, NumPy scalar

An audit hook refuses what a solution has no business with: other packages (npppo first of all),
files, processes, sockets. This stops mistakes and casual cheating. It is not a wall: a determined
attacker gets past any check made inside his own process. Linux has one that he does not get past
(see `landlock`), which hides the reference from him; the whole wall is a container without
network and another user.

Importing this file has no side effects; the parent takes the codec from it.
"""

from __future__ import annotations

import builtins
import contextlib
import importlib
import inspect
import linecache
import os
import random
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import prod
from struct import calcsize
from struct import error as StructError
from struct import pack as to_bytes
from struct import unpack as from_bytes
from types import CellType, FrameType, FunctionType, MethodType, ModuleType
from typing import Any

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

# Imported by START, and not run as a script, it need not be compiled each time.
START = "import sys; sys.path.insert(0, sys.argv[1]); import worker; worker.main()"

if __name__ == "worker":
    # A submission may replace any builtin. The functions below look theirs up in a copy.
    globals()["__builtins__"] = dict(vars(builtins))
    # Only NumPy may be found outside the standard library, and only now: it finds its own
    # submodules later without the path.
    STANDARD = sys.path[1:]
    sys.path[:] = [*STANDARD, sys.argv[2]]

import numpy as np  # noqa: E402
from numpy import absolute, array, errstate, exp, log, may_share_memory, ndarray, zeros  # noqa: E402
from numpy.random import default_rng  # noqa: E402

if __name__ == "worker":
    sys.path[:] = sys.argv[1:2]
    shut_in = importlib.import_module("landlock").shut_in
    sys.path[:] = STANDARD

MESSAGE = 8 << 20  # bytes in a frame from the child
DEPTH = 12  # of lists within lists
DIMENSIONS = 32
INTEGER = 64  # bytes of a whole number
TEXT = 2000  # characters of a text
ASKS = 1000  # in one call
ASK = 1 << 17  # bytes; the parent computes on them, so they are few
LOST = 70  # exit code: the pipes to the parent are gone

# Not long double: the bytes that pad it differ from copy to copy.
# Of those that are the same, as long and long long may be, the one that NumPy calls by its size.
DTYPES = {np.dtype(code).str: np.dtype(np.dtype(code).name) for code in "?bhilqBHILQefdFD"}
SCALARS = {np.dtype(code).type for code in "?bhilqBHILQefdFD"}

# What a cache may hold of a result besides itself: p of log p, the slope of tanh, and the like.
MADE_OF = (lambda out: out, exp, log, lambda out: 1 - out * out)

# Names of what is needed after student code has run and may have put something else in its place.
read_bytes, write_bytes, leave = os.read, os.write, os._exit
signature_of, this_thread = inspect.signature, threading.get_ident
set_timer = getattr(signal, "setitimer", None)
name_of_type = type.__dict__["__name__"].__get__
traceback_of = BaseException.__dict__["__traceback__"].__get__


class Malformed(ValueError):
    """Bytes that `pack` did not write."""


class TooLarge(ValueError):
    """More than a message holds."""


class Unplain(ValueError):
    """Something other than arrays, numbers, texts and lists of them."""


@dataclass(frozen=True)
class Opaque:
    """Stands for a result that is neither array nor number, nor a list of such."""

    description: str


def pack(tree: Any, limit: int = MESSAGE, strict: bool = False) -> bytes:
    """The tree in bytes. What has no place in a tree becomes Opaque, or Unplain is raised.

    Every object is judged by its exact type and read through the methods of the builtin type, so
    that no method of a student's class is ever called.
    """
    out = bytearray()
    _pack(tree, out, limit, strict, 0)
    return bytes(out)


def _pack(x: Any, out: bytearray, limit: int, strict: bool, depth: int) -> None:
    kind = type(x)
    if len(out) > limit or depth > DEPTH:
        raise TooLarge
    if x is None or kind is bool:
        out += b"N" if x is None else b"T" if x else b"F"
    elif kind is int and x.bit_length() < 8 * INTEGER:
        _pack_bytes(b"i", x.to_bytes(x.bit_length() // 8 + 1, "little", signed=True), out, limit)
    elif kind is float:
        out += b"d" + to_bytes("<d", x)
    elif kind is complex:
        out += b"z" + to_bytes("<dd", x.real, x.imag)
    elif kind is str:
        _pack_bytes(b"s", x[:TEXT].encode("utf-8", "backslashreplace"), out, limit)
    elif kind is bytes:
        _pack_bytes(b"y", x, out, limit)
    elif (items := elements(x)) is not None:
        out += (b"l" if type(items) is list else b"t") + to_bytes("<I", len(items))
        for item in items:
            _pack(item, out, limit, strict, depth + 1)
    elif kind is ndarray and x.dtype.newbyteorder("=").str in DTYPES:
        _pack_array(b"a", x, out, limit)
    elif kind in SCALARS:
        _pack_array(b"g", array(x), out, limit)
    elif strict:
        raise Unplain
    else:
        description = x.description if kind is Opaque else describe(x)
        _pack_bytes(b"o", description.encode("utf-8", "backslashreplace"), out, limit)


def _pack_bytes(tag: bytes, data: bytes, out: bytearray, limit: int) -> None:
    if len(out) + len(data) > limit:
        raise TooLarge
    out += tag + to_bytes("<I", len(data)) + data


def _pack_array(tag: bytes, x: np.ndarray[Any, Any], out: bytearray, limit: int) -> None:
    if len(out) + x.nbytes > limit or x.ndim > DIMENSIONS:
        raise TooLarge
    dtype = x.dtype.newbyteorder("=")
    flags = x.flags
    layout = b"C" if flags.c_contiguous else b"F" if flags.f_contiguous else b"S"
    name = dtype.str.encode()
    out += tag + (layout if flags.writeable else layout.lower())
    out += to_bytes("<B", len(name)) + name + to_bytes(f"<B{x.ndim}Q", x.ndim, *x.shape)
    out += x.astype(dtype).tobytes()


def elements(x: Any) -> list[Any] | tuple[Any, ...] | None:
    """Those of a list or tuple of whatever class; None of anything else."""
    if issubclass(type(x), tuple):
        return tuple.__getitem__(x, slice(None))
    return list.__getitem__(x, slice(None)) if issubclass(type(x), list) else None


def unpack(data: bytes) -> Any:
    """The tree, all of it new: plain arrays, numbers, texts, lists, tuples, Opaque."""
    reader = _Reader(data)
    try:
        tree = reader.tree(0)
    except (ValueError, OverflowError, MemoryError, StructError) as error:
        raise Malformed(str(error)) from error
    if reader.at != len(data):
        raise Malformed("bytes left over")
    return tree


class _Reader:
    """Checks everything: the bytes may come from a student's hand."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        if count > len(self.data) - self.at:
            raise Malformed("cut short")
        self.at += count
        return self.data[self.at - count : self.at]

    def numbers(self, form: str) -> tuple[Any, ...]:
        return from_bytes("<" + form, self.take(calcsize("<" + form)))

    def tree(self, depth: int) -> Any:
        if depth > DEPTH:
            raise Malformed("too deep")
        tag = self.take(1)
        if tag in b"NTF":
            return {b"N": None, b"T": True, b"F": False}[tag]
        if tag == b"d":
            return self.numbers("d")[0]
        if tag == b"z":
            return complex(*self.numbers("dd"))
        if tag in b"ag":
            return self.array() if tag == b"a" else self.array()[()]
        (count,) = self.numbers("I")
        if tag in b"lt":
            # Each element takes a byte at least, so that no count can ask for more than is there.
            items = [self.tree(depth + 1) for _ in range(count)]
            return items if tag == b"l" else tuple(items)
        data = self.take(count)
        if tag == b"i" and count <= INTEGER:
            return int.from_bytes(data, "little", signed=True)
        if tag == b"y":
            return data
        if tag == b"s":
            return data.decode()
        if tag == b"o":
            return Opaque(harmless(data.decode()))
        raise Malformed("unknown kind")

    def array(self) -> np.ndarray[Any, Any]:
        layout = self.take(1)
        dtype = DTYPES.get(self.take(*self.numbers("B")).decode())
        (dimensions,) = self.numbers("B")
        if dtype is None or dimensions > DIMENSIONS or layout.upper() not in (b"C", b"F", b"S"):
            raise Malformed("not an array")
        shape = self.numbers(f"{dimensions}Q")
        data = self.take(prod(shape) * dtype.itemsize)
        if dtype.kind == "b":  # a byte may be other than 0 and 1
            values = ndarray(shape, np.uint8, data) != 0
        else:
            values = ndarray(shape, dtype, data)
        if layout.upper() == b"S":
            result = zeros((*shape, 2), dtype)[..., 0]
            result[...] = values
        else:
            result = array(values, order="F" if layout.upper() == b"F" else "C")
        result.flags.writeable = layout.isupper()
        return result


def read_frame(read: Callable[[int], bytes | None], nonce: bytes, limit: int) -> bytes:
    if read_exactly(read, len(nonce)) != nonce:
        raise Malformed("not a frame")
    (length,) = from_bytes("<I", read_exactly(read, 4))
    if length > limit:
        raise Malformed("frame too long")
    return read_exactly(read, length)


def read_exactly(read: Callable[[int], bytes | None], count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        piece = read(min(count - len(data), 1 << 20))
        if not piece:
            raise EOFError
        data += piece
    return bytes(data)


def frame(nonce: bytes, packed: bytes) -> bytes:
    return nonce + to_bytes("<I", len(packed)) + packed


def harmless(text: str) -> str:
    """On one line, and without what would move a terminal's cursor."""
    return "".join(c if c.isprintable() else " " if c.isspace() else "\ufffd" for c in text)


def describe(x: Any) -> str:
    """ "a dict", "a masked array": the type, in words, without asking the object."""
    kind = type(x)
    name = str.__getitem__(name_of_type(kind), slice(80))
    if kind is ndarray:
        return "an array of objects" if x.dtype.kind == "O" else f"an array of dtype {x.dtype}"[:80]
    if issubclass(kind, ndarray):
        known = {"MaskedArray": "a masked array", "memmap": "a memory-mapped array"}
        return known.get(name) or f"a {name}, a kind of array"
    return f"{'an' if name[:1] in 'AEIOUaeiou' else 'a'} {name}"


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


FORBIDDEN = {
    *("os.fork", "os.forkpty", "os.exec", "os.posix_spawn", "os.spawn", "os.system"),
    *("os.startfile", "os.startfile/2", "pty.spawn", "subprocess.Popen", "_winapi.CreateProcess"),
    *("os.kill", "os.killpg", "signal.pthread_kill", "resource.setrlimit", "resource.prlimit"),
    *("os.link", "os.symlink", "sqlite3.connect", "gc.get_objects", "gc.get_referrers"),
}
FORBIDDEN_FAMILIES = ("socket.", "ctypes.", "winreg.")
# Events that change files, and how many of their arguments, from the first, are paths.
CHANGES = {
    **dict.fromkeys(("os.remove", "os.rmdir", "os.mkdir", "os.chmod", "os.chown", "os.utime"), 1),
    **dict.fromkeys(("os.truncate", "os.chflags", "os.setxattr", "os.removexattr"), 1),
    "os.rename": 2,
}
# No event tells of these. They are taken away, or not imported.
SILENT = ("mkfifo", "mknod", "pidfd_open", "setpriority", "chroot")
SILENT_MODULES = ("_posixshmem",)
LOOKS = {"os.listdir", "os.scandir", "os.chdir"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
PACKAGES = ("site-packages", "dist-packages")
FILES = 32  # that may be opened for writing, each up to the limit of a file's size
# Where extension modules find what they are linked with.
LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache")


class Guard:
    """The audit hook. It cannot be removed once it is there."""

    def __init__(self, room: str, standard: Sequence[str]) -> None:
        numpy = os.path.dirname(os.path.abspath(np.__file__))
        self.room = os.path.normcase(os.path.realpath(room))
        self.numpy = [os.path.normcase(os.path.realpath(numpy + end)) for end in ("", ".libs")]
        self.standard = [os.path.normcase(os.path.realpath(path)) for path in standard]
        self.null = os.path.normcase(os.devnull)
        self.refused: list[str] = []
        self.opened = 0  # for writing
        self.modules = sys.stdlib_module_names | {"numpy", "submission", "__main__"}
        self.modules -= {*SILENT_MODULES}
        self.resolve, self.norm, self.is_dir = os.path.realpath, os.path.normcase, os.path.isdir
        self.decode, self.separator = os.fsdecode, os.sep

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "import":
            self.check_import(args[0])
        elif event == "open":
            path, mode, flags = args
            if isinstance(flags, int) and flags & WRITING:
                self.opened += 1
                self.check(event, path, self.may_write(path) and self.opened <= FILES)
            else:
                # A folder opened by os.open makes later paths relative to it, unseen from here.
                unseen = mode is None and type(path) is not int and self.is_dir(path)
                self.check(event, path, self.may_write(path) if unseen else self.may_read(path))
        elif event in LOOKS:
            self.check(event, args[0], self.may_read(args[0]))
        elif event in CHANGES:
            for path in args[: CHANGES[event]]:
                self.check(event, path, self.may_write(path))
        elif event in FORBIDDEN or event.startswith(FORBIDDEN_FAMILIES):
            self.check(event, "", False)

    def check(self, event: str, path: Any, allowed: bool) -> None:
        if not allowed:
            what = f"{event} {path if type(path) is str else ''}".strip()
            self.note(what)
            raise PermissionError(f"the grader does not allow this: {what}")

    def check_import(self, name: str) -> None:
        package = name.partition(".")[0]
        if package in self.modules:
            return
        if package.startswith("_sysconfigdata"):  # the standard library's, named by platform
            return
        self.note(f"import {package}")
        if package == "npppo":
            raise ImportError("the submission imports the reference, npppo")
        raise ImportError(f"only NumPy and the standard library can be imported, not {package}")

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        """As a finder of modules: importlib.import_module does not raise the audit event."""
        self.check_import(name)

    def note(self, what: str) -> None:
        if what not in self.refused and len(self.refused) < 20:
            self.refused.append(what[:200])

    def left_with(self) -> tuple[list[str], list[str], list[str]]:
        """What may be read, what may be written, and what lies among it and may not be seen."""
        libraries = [*LIBRARIES, os.path.join(sys.base_prefix, "lib")]
        libraries += os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep)
        package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        readable = [*self.standard, *self.numpy, *filter(None, libraries)]
        installed = [os.path.join(path, name) for path in self.standard for name in PACKAGES]
        never = [package, os.path.dirname(self.numpy[0]), *installed]
        return readable, [self.room, self.null], never

    def may_write(self, path: Any) -> bool:
        return self.is_known(path) or self.within(path, [self.room])

    def may_read(self, path: Any) -> bool:
        if self.is_known(path) or self.within(path, [self.room, *self.numpy]):
            return True
        installed = any(part in PACKAGES for part in self.full(path).split(self.separator))
        return not installed and self.within(path, self.standard)

    def is_known(self, path: Any) -> bool:
        """The current folder, a descriptor that is open already, or the null device."""
        return path is None or type(path) is int or self.full(path) == self.null

    def within(self, path: Any, roots: Sequence[str]) -> bool:
        full = self.full(path)
        return any(full == root or full.startswith(root + self.separator) for root in roots)

    def full(self, path: Any) -> str:
        text = self.decode(path)
        return self.norm(self.resolve(str.__getitem__(text, slice(None))))


def set_limits(limits: Sequence[tuple[str, int]]) -> list[str]:
    """Sets those that this system knows; the names of those."""
    held: list[str] = []
    for name, value in limits:
        kind = getattr(resource, f"RLIMIT_{name}", None)
        if kind is None or (name == "AS" and sys.platform == "darwin"):  # there it is ignored
            continue
        if name == "NPROC" and os.getuid() == 0:  # so it is for root
            continue
        # At the soft limit of processor time a signal says why; at the hard one the kernel kills.
        hard = value + 1 if name == "CPU" else value
        most = resource.getrlimit(kind)[1]
        if most != resource.RLIM_INFINITY:
            value, hard = min(value, most), min(hard, most)
        try:
            resource.setrlimit(kind, (value, hard))
        except (ValueError, OSError):
            continue
        held.append(name)
    return held


Call = tuple[str, list[Any], "bytes | None", bool, tuple[str, ...], bool]


@dataclass
class Report:
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


def unreadable(why: str) -> Report:
    return Report("unreadable", failure=("", why, "", None, False))


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
        held = set_limits(limits)
        self.guard = Guard(room, self.standard)
        if shut_in(*self.guard.left_with()):
            held.append("FILES")
        # The traceback of a student's thread passes through here; nobody needs to read this file.
        linecache.cache[__file__] = (0, None, [], __file__)
        for name in SILENT:
            for system in (os, sys.modules[os.name]):  # posix or nt
                vars(system).pop(name, None)
        sys.addaudithook(self.guard)
        sys.meta_path.insert(0, self.guard)
        self.names = names
        self.files = [label for label, _ in chunks]
        random.seed(0)
        np.random.seed(0)  # noqa: NPY002  (the student's, not ours)
        errors = self.run_chunks(chunks, seconds)
        defined = [name for name in names if callable(self.find(name))]
        self.flush_output()
        self.send("loaded", held, defined, errors, self.refused())

    def run_chunks(self, chunks: list[tuple[str, bytes]], seconds: float) -> list[Failure]:
        """Runs them in one module. What comes after an error in a chunk is lost, what came before
        is kept: so it is for code that takes too long, where the system has timers."""
        sys.modules["submission"] = self.module
        sys.modules.pop("worker", None)  # this file
        self.module.__dict__["__file__"] = os.path.join(self.guard.room, chunks[0][0])
        # Left to itself, exec would hand out this file's own copy of the builtins.
        self.module.__dict__["__builtins__"] = builtins
        interruptible = False

        def late(number: int, frame: FrameType | None) -> None:
            if interruptible:
                raise TimeUp(f"loading took more than {seconds:g} s")

        if set_timer is not None:
            signal.signal(signal.SIGALRM, late)
            set_timer(signal.ITIMER_REAL, seconds, 0.2)
        errors = []
        for label, source in chunks:
            lines = source.decode("utf-8", "replace").splitlines(keepends=True)
            linecache.cache[label] = (len(source), None, lines, label)
            try:
                try:
                    code = compile(source, label, "exec", dont_inherit=True)
                    interruptible = True
                    exec(code, self.module.__dict__)
                finally:
                    interruptible = False
            except BaseException as error:
                errors.append(failure(error, self.files))
        if set_timer is not None:
            set_timer(signal.ITIMER_REAL, 0)
        return errors

    def find(self, name: str) -> Any:
        return self.module.__dict__.get(name)

    def refused(self) -> list[str]:
        return [self.guard.refused.pop(0) for _ in range(len(self.guard.refused))]

    def flush_output(self) -> None:
        with contextlib.suppress(BaseException):
            self.flush()

    def reply(self, call: Call) -> None:
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
    ) -> Report:
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
    ) -> tuple[Report, Any]:
        given = [make(kind, content) for kind, content in args]
        cotangent = None if dout is None else unpack(dout)
        watched = [(i, x) for i, x in enumerate(given) if args[i][0] == "value"]
        report = Report("raised", stage="forward")
        result = None
        try:
            forward = self.function(name if dout is None else name.removesuffix("_backward"))
            backward = None if dout is None else self.function(name)
            before: list[tuple[int | str, Any, bytes | None]]
            before = [(i, x, packed(x)) for i, x in watched]
            with Substitution(self, parts, name) as substitution, errstate(all="ignore"):
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


ALONE = object()  # in place of a cache, where there is none


class Substitution:
    """For the time of one call, the student's functions named by `parts` give the right results.

    So a mistake in one of them does not show in the function that uses it. Of a function with a
    backward, the student's own still runs, to make the cache: what is in it is the student's
    affair, but a wrong result in it gives way to the right one. Its backward is then told by the
    cache which arguments it belongs to. Where a backward function is called and its own forward
    is among the parts, the same is done to the cache that it is given.
    """

    def __init__(self, worker: Worker, parts: Sequence[str], called: str) -> None:
        self.worker = worker
        # A backward that asked its own forward could differentiate the answers.
        self.parts = [part for part in parts if f"{part}_backward" != called]
        self.undo: list[tuple[Any, str, Any]] = []
        self.caches: dict[tuple[str, int], tuple[Any, bytes | None]] = {}
        self.likenesses: dict[tuple[str, bytes], bytes | None] = {}
        self.busy: set[str] = set()  # whose own functions are running, to make their caches
        self.asked = 0
        self.thread = this_thread()

    def __enter__(self) -> Substitution:
        proxies: dict[int, tuple[Any, Callable[..., Any]]] = {}
        for name in self.parts:
            real = self.worker.find(name)
            if callable(real):
                proxies[id(underlying(real))] = real, self.proxy(name, real)
        for table, stand_in in self.tables(proxies) if proxies else ():
            self.undo.append(table)
            put(*table[:2], stand_in)
        for owner, key, value in list(self.places()) if proxies else ():
            real, proxy = proxies.get(id(underlying(value)), (None, None))
            if proxy is not None:
                self.undo.append((owner, key, value))
                put(owner, key, in_the_manner_of(value, real, proxy, isinstance(owner, dict)))
        return self

    def __exit__(self, *error: object) -> None:
        for owner, key, value in reversed(self.undo):
            put(owner, key, value)

    def tables(self, proxies: dict[int, Any]) -> list[tuple[tuple[Any, str, Any], Any]]:
        """Tables of functions, default arguments and closures that hold one to be replaced, and
        what takes their place."""
        found: list[tuple[Any, str, Any]] = []
        for owner, key, value in list(self.places()):
            if type(value) in (dict, list, tuple):
                found.append((owner, key, value))
            function = underlying(value)
            if type(function) is FunctionType:
                found.append((function, "__defaults__", function.__defaults__))
                for cell in function.__closure__ or ():
                    with contextlib.suppress(ValueError):  # an empty one
                        found.append((cell, "cell_contents", cell.cell_contents))
        exchanged = [(place, with_proxies(place[2], proxies, 0)) for place in found]
        return [(place, new) for place, new in exchanged if new is not place[2]]

    def places(self) -> Iterator[tuple[Any, str, Any]]:
        """Where the submission keeps functions: its module, and its classes."""
        space = self.worker.module.__dict__
        classes = []
        for key, value in list(space.items()):
            yield space, key, value
            if issubclass(type(value), type) and value not in classes:
                classes.append(value)
        for owner in classes:
            members = type.__dict__["__dict__"].__get__(owner)
            if members.get("__module__") == "submission":
                for key, value in members.items():
                    yield owner, key, value

    def proxy(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        if name.endswith("_backward"):
            return self.backward_proxy(name, real)
        return self.forward_proxy(name, real)

    def forward_proxy(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def forward(*args: Any, **named: Any) -> Any:
            if self.passes(name):
                return real(*args, **named)
            try:
                content = pack(positional(real, args, named), ASK, strict=True)
                answer = self.ask(name, content)
            except (ValueError, TypeError):
                return real(*args, **named)
            if f"{name}_backward" not in self.worker.names:
                return answer
            cache = self.cache_from(name, real, content, answer)
            if cache is ALONE:  # the student's callers expect no cache
                return answer
            _, other = self.caches.get((name, id(cache)), (cache, content))
            # One object for two calls, None say, does not tell which of them it belongs to.
            self.caches[name, id(cache)] = cache, content if other == content else None
            with contextlib.suppress(ValueError):
                likeness = name, pack(cache, ASK, strict=True)
                same = self.likenesses.get(likeness, content) == content
                self.likenesses[likeness] = content if same else None
            return answer, cache

        return forward

    def backward_proxy(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def backward(*args: Any, **named: Any) -> Any:
            if self.passes(name):
                return real(*args, **named)
            try:
                dout, cache = positional(real, args, named)
                content = self.origin(name.removesuffix("_backward"), cache)
                if content is not None:
                    return self.ask(name, pack((dout, *unpack(content)), ASK, strict=True))
            except (ValueError, TypeError):
                pass
            return real(*args, **named)

        return backward

    def origin(self, name: str, cache: Any) -> bytes | None:
        """The arguments that a cache belongs to, also where the student put together a new one."""
        _, content = self.caches.get((name, id(cache)), (None, None))
        if content is None:
            content = self.likenesses.get((name, pack(cache, ASK, strict=True)))
        return content

    def passes(self, name: str) -> bool:
        return name in self.busy or self.asked >= ASKS or this_thread() != self.thread

    def ask(self, name: str, content: bytes) -> Any:
        self.asked += 1
        self.worker.send("ask", name, content)
        _, known, result = self.worker.receive()
        if not known:
            raise Unplain
        return result

    def cache_from(self, name: str, real: Callable[..., Any], content: bytes, right: Any) -> Any:
        """The cache that the student's function makes; where it makes none, one like no other."""
        self.busy.add(name)
        try:
            # On copies, so that changing them in place does no harm here.
            result = real(*unpack(content))
            out, cache = elements(result) or (result, ALONE)
            return cache if cache is ALONE else exchanged(cache, out, right)
        except BaseException:
            return object()
        finally:
            self.busy.discard(name)

    def mended(self, name: str, out: Any, cache: Any, content: bytes) -> Any:
        """The cache of a forward function with the right result where its own, wrong one stood."""
        try:
            right = self.ask(name, content)
        except ValueError:
            return cache
        return exchanged(cache, out, right)


def exchanged(cache: Any, wrong: Any, right: Any) -> Any:
    """The cache with the right result where the wrong one stood, or something made of it alone."""
    if type(wrong) is not ndarray or type(right) is not ndarray or wrong.shape != right.shape:
        return cache
    with errstate(all="ignore"):
        pairs = [(made_of(wrong), made_of(right)) for made_of in MADE_OF]
    return replaced(cache, pairs, 0)


def replaced(tree: Any, pairs: list[tuple[Any, Any]], depth: int) -> Any:
    if type(tree) is ndarray:
        return next((new for old, new in pairs if alike(tree, old)), tree)
    if depth > DEPTH:
        return tree
    if type(tree) is dict:
        return {key: replaced(x, pairs, depth + 1) for key, x in tree.items()}
    if type(tree) in (tuple, list):
        return type(tree)([replaced(x, pairs, depth + 1) for x in tree])
    return tree


def alike(a: ndarray[Any, Any], b: ndarray[Any, Any]) -> bool:
    if a.shape != b.shape or a.dtype.kind != "f":
        return False
    if a.tobytes() == b.tobytes():  # also where there is a nan
        return True
    with errstate(all="ignore"):
        return bool((absolute(a - b) <= 1e-12 * absolute(b)).all())


def underlying(x: Any) -> Any:
    """The function in a method."""
    return x.__func__ if type(x) in (staticmethod, classmethod, MethodType) else x


def positional(real: Callable[..., Any], args: tuple[Any, ...], named: Any) -> tuple[Any, ...]:
    if not named:
        return args
    bound = signature_of(real).bind(*args, **named)
    if bound.kwargs:
        raise TypeError("a gap in the arguments")
    return bound.args


def in_the_manner_of(value: Any, real: Any, proxy: Any, in_module: bool) -> Any:
    """The proxy, to be put where `value` is: there it may be handed `self` or the class first."""

    def method(first: Any, *args: Any, **named: Any) -> Any:
        return proxy(*args, **named)

    if type(value) is classmethod:
        return classmethod(method)
    if type(value) is staticmethod:
        return staticmethod(proxy)
    return method if type(real) is MethodType and not in_module else proxy


def with_proxies(tree: Any, proxies: dict[int, Any], depth: int) -> Any:
    """The tree with proxies in the place of functions; the very same one if there are none."""
    if type(tree) in (dict, list, tuple) and depth < DEPTH:
        old = list(tree.values()) if type(tree) is dict else list(tree)
        new = [with_proxies(x, proxies, depth + 1) for x in old]
        if all(a is b for a, b in zip(old, new, strict=True)):
            return tree
        return dict(zip(tree, new, strict=True)) if type(tree) is dict else type(tree)(new)
    _, proxy = proxies.get(id(underlying(tree)), (None, None))
    return tree if proxy is None else proxy


def put(owner: Any, key: str, value: Any) -> None:
    if type(owner) is dict:
        owner[key] = value
    elif type(owner) in (FunctionType, CellType):
        setattr(owner, key, value)
    else:
        type.__setattr__(owner, key, value)


def main() -> None:
    requests, replies = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(2, 1)
    os.close(null)
    sys.argv[:] = ["submission"]
    try:
        Worker(requests, replies, STANDARD).serve()
    except BaseException:
        leave(LOST)
