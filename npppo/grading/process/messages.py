"""What the grader asks of a submission's process, and what that may answer.

Frames (see `codec`) hold tuples. To the child go, after the nonce,

    ("load", room, limits, seconds, chunks, names)
    ("calls", [call, ...])                          `Worker.call` says what a call is
    ("answer", known, tree)

and it answers with the messages below, which are checked as if they were forged, because they
can be.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import NoneType
from typing import Any

from .codec import TEXT, Malformed, harmless, unpack

MOST = 1000  # elements of a list in a message

# {what may stand there}; [of every element]; (of each element); or a type, object being any.
ERROR = (str, str, str, {int, NoneType}, bool)  # the fields of an Error
HELD = ({"held"}, [str])  # limits; sent before the submission runs
LOADED = ({"loaded"}, [str], [ERROR], [(str, int)], [str])  # defined, errors, endless, refused
ASKED = ({"ask"}, str, bytes)  # the right result of a part, please: its name, packed arguments
REPLY = (  # one for each call, in order: the first fields of an Outcome
    *({"reply"}, {"value", "raised", "unreadable"}, object, ERROR, {"", "forward", "backward"}),
    *([{int, "dout"}], bool, bool, {"", "different", "overwritten"}, [str]),
)


@dataclass(frozen=True)
class Limits:
    """Times do not count the waiting for a processor. Sizes are bytes."""

    load_seconds: float = 10.0
    call_seconds: float = 10.0  # of one list of calls
    total_seconds: float = 30.0  # of all calls
    cpu_seconds: int = 60  # the process's processor time in all
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
    """What became of the submission when it was run."""

    defined: frozenset[str] = frozenset()
    errors: tuple[Error, ...] = ()
    endless: tuple[tuple[str, int], ...] = ()  # lines, by file and number, that took too long
    refused: tuple[str, ...] = ()
    held: frozenset[str] = frozenset()  # the limits that this system knows
    failure: str = ""  # what became of the process, if it did not survive
    seconds: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """What became of one call."""

    # "value", "raised", "died", "timeout", "not run" (an earlier call brought the process down),
    # "unreadable" (too large, or not from the worker)
    kind: str
    value: Any = None  # the result, of kind "value": without the cache, if `pair` was asked for
    error: Error | None = None  # the exception, or in its message why there is no value
    stage: str = ""  # "forward", "backward" or "load": how far it got
    changed: tuple[int | str, ...] = ()  # positions of arguments changed in place, and "dout"
    shares: bool = False  # the result shares memory with an argument
    paired: bool = True  # False if `pair` was asked for and is not there; `value` is all of it then
    steadiness: str = ""  # of a call made twice: "different" results, or one was "overwritten"
    refused: tuple[str, ...] = ()  # what is not allowed, as "import torch" or "open /etc/passwd"
    # parts in whose place a right result was refused, because it could be differentiated
    unanswered: frozenset[str] = frozenset()

    @property
    def not_implemented(self) -> bool:
        return self.error is not None and self.error.not_implemented


@dataclass
class Lost(Exception):
    """The process is of no more use: it "died", or there was a "timeout"."""

    kind: str
    why: str


def read(data: bytes, *shapes: tuple[Any, ...]) -> Any:
    """The message in a frame, of one of these shapes. Raises Malformed."""
    message = unpack(data)
    if not any(fits(message, shape) for shape in shapes):
        raise Malformed
    return message


def fits(x: Any, shape: Any) -> bool:
    if isinstance(shape, set):  # `==` would compare an array entry by entry
        return type(x) in shape or (type(x) is str and x in shape)
    if isinstance(shape, list):
        return type(x) is list and len(x) <= MOST and all(fits(item, shape[0]) for item in x)
    if isinstance(shape, tuple):
        return type(x) is tuple and len(x) == len(shape) and all(map(fits, x, shape))
    return shape is object or type(x) is shape


# The name of the submission's folder, and where an object lies, are others each time.
CHANGING = re.compile(r"(npppo-)[a-z0-9_]{8}|\b(0x)[0-9a-f]{6,16}\b")


def steady(text: str) -> str:
    """The same whenever the submission runs."""
    return CHANGING.sub(r"\1\2…", text)


def shown(text: str) -> str:
    """Steady, harmless, and of bounded length."""
    return harmless(steady(text[:TEXT]))


def error_of(fields: tuple[Any, ...]) -> Error:
    kind, message, file, line, missing = fields
    return Error(shown(kind), shown(message), shown(file), line, missing)


def outcome_of(message: tuple[Any, ...], count: int) -> Outcome:
    """From a REPLY to a call with so many arguments."""
    _, kind, value, error, stage, changed, shares, paired, steadiness, refused = message
    if not all(x == "dout" or 0 <= x < count for x in changed):
        raise Malformed
    failed = kind != "value"
    value, error = (None, error_of(error)) if failed else (value, None)
    refusals = tuple(map(shown, refused))
    return Outcome(kind, value, error, stage, tuple(changed), shares, paired, steadiness, refusals)
