"""What goes through the pipes between the grader and the process that runs a submission.

A frame is the nonce (the first one, which tells it, has none), the length (4 bytes) and a packed
tree. `pack` writes a tree: one byte for the kind, then, little-endian,

    N  T  F                None, True, False
    i  y  s  o             length, then: integer, bytes, UTF-8 text, description of an Opaque
    d  z                   8 or 16 bytes: float, complex
    l  t                   count, then the elements: list, tuple
    a  g                   layout, length and name of the dtype, number of dimensions, dimensions,
                           data in C order: array, NumPy scalar

Objects that come from the submission are judged by their exact type and never asked anything, and
bytes that come from its process are taken for forged: what is unpacked is plain and new.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from math import prod
from struct import calcsize
from struct import error as StructError
from struct import pack as to_bytes
from struct import unpack as from_bytes
from typing import Any

import numpy as np
from numpy import array, ndarray, uint8, zeros

MESSAGE = 1 << 19  # bytes in a frame from the child: more than any right result has
ASK = 1 << 15  # bytes in a question: what the parent computes on them may be their square
LOST = 70  # exit code of the child: the pipes to the parent are gone
DEPTH = 12  # of lists within lists
DIMENSIONS = 32
INTEGER = 64  # bytes of a whole number
TEXT = 2000  # characters of a text

CONSTANTS = {b"N": None, b"T": True, b"F": False}
name_of_type = type.__dict__["__name__"].__get__  # which a class cannot hide

# Not long double: the bytes that pad it differ from copy to copy.
# Of those that are the same, as long and long long may be, the one that NumPy calls by its size.
DTYPES = {np.dtype(code).str: np.dtype(np.dtype(code).name) for code in "?bhilqBHILQefdFD"}
SCALARS = {np.dtype(code).type for code in "?bhilqBHILQefdFD"}


class Malformed(ValueError):
    """Bytes that `pack` did not write, or that no worker sends: its process is of no more use."""

    kind, why = "unreadable", "sent something that is not a reply"


class Unfit(ValueError):
    """More than a message holds, or other than arrays, numbers, texts and lists of them."""


@dataclass(frozen=True)
class Opaque:
    """Stands for a result that is neither array nor number, nor a list of such."""

    description: str


def pack(tree: Any, limit: int = MESSAGE, strict: bool = False) -> bytes:
    """The tree in bytes. What has no place in a tree becomes Opaque, or Unfit is raised.

    Every object is judged by its exact type and read through the methods of the builtin type, so
    that no method of a student's class is ever called.
    """
    out = bytearray()
    _pack(tree, out, limit, strict, 0)
    return bytes(out)


def _pack(x: Any, out: bytearray, limit: int, strict: bool, depth: int) -> None:
    kind = type(x)
    if len(out) > limit or depth > DEPTH:
        raise Unfit
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
        raise Unfit
    else:
        description = x.description if kind is Opaque else describe(x)
        _pack_bytes(b"o", description.encode("utf-8", "backslashreplace"), out, limit)


def _pack_bytes(tag: bytes, data: bytes, out: bytearray, limit: int) -> None:
    if len(out) + len(data) > limit:
        raise Unfit
    out += tag + to_bytes("<I", len(data)) + data


def _pack_array(tag: bytes, x: np.ndarray[Any, Any], out: bytearray, limit: int) -> None:
    if len(out) + x.nbytes > limit or x.ndim > DIMENSIONS:
        raise Unfit
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


def arrays_in(tree: Any, depth: int = 0) -> Iterator[np.ndarray[Any, Any]]:
    if type(tree) is ndarray:
        yield tree
    elif type(tree) in (list, tuple) and depth < DEPTH:
        for item in tree:
            yield from arrays_in(item, depth + 1)


def unpack(data: bytes) -> Any:
    """The tree, all of it new: plain arrays, numbers, texts, lists, tuples, Opaque.

    Everything is checked: the bytes may come from a student's hand.
    """
    stream = BytesIO(data)
    try:
        tree = _tree(stream, 0)
    except (ValueError, OverflowError, MemoryError, StructError) as error:
        raise Malformed(str(error)) from error
    if stream.read(1):
        raise Malformed("bytes left over")
    return tree


def _numbers(stream: BytesIO, form: str) -> tuple[Any, ...]:
    return from_bytes("<" + form, stream.read(calcsize("<" + form)))


def _bytes(stream: BytesIO, count: int) -> bytes:
    data = stream.read(count)
    if len(data) != count:
        raise Malformed("cut short")
    return data


def _tree(stream: BytesIO, depth: int) -> Any:
    if depth > DEPTH:
        raise Malformed("too deep")
    tag = _bytes(stream, 1)
    if tag in CONSTANTS:
        return CONSTANTS[tag]
    if tag == b"d":
        return _numbers(stream, "d")[0]
    if tag == b"z":
        return complex(*_numbers(stream, "dd"))
    if tag in b"ag":
        return _array(stream) if tag == b"a" else _array(stream)[()]
    (count,) = _numbers(stream, "I")
    if tag in b"lt":
        # Each element takes a byte at least, so that no count can ask for more than is there.
        items = [_tree(stream, depth + 1) for _ in range(count)]
        return items if tag == b"l" else tuple(items)
    data = _bytes(stream, count)
    if tag == b"i" and count <= INTEGER:
        return int.from_bytes(data, "little", signed=True)
    if tag == b"y":
        return data
    if tag == b"s":
        return data.decode()
    if tag == b"o":
        return Opaque(harmless(data.decode()))
    raise Malformed("unknown kind")


def _array(stream: BytesIO) -> np.ndarray[Any, Any]:
    layout = _bytes(stream, 1)
    dtype = DTYPES.get(_bytes(stream, *_numbers(stream, "B")).decode())
    (dimensions,) = _numbers(stream, "B")
    if dtype is None or dimensions > DIMENSIONS or layout not in b"CFScfs":
        raise Malformed("not an array")
    shape = _numbers(stream, f"{dimensions}Q")
    data = _bytes(stream, prod(shape) * dtype.itemsize)
    # A byte of a bool may be other than 0 and 1.
    values = ndarray(shape, uint8, data) != 0 if dtype.kind == "b" else ndarray(shape, dtype, data)
    if layout in b"Ss":
        result = zeros((*shape, 2), dtype)[..., 0]
        result[...] = values
    else:
        result = array(values, order="F" if layout in b"Ff" else "C")
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


def name_of(kind: type) -> str:
    return str.__getitem__(name_of_type(kind), slice(80))


def describe(x: Any) -> str:
    """ "a dict", "a masked array": the type, in words, without asking the object."""
    kind = type(x)
    name = name_of(kind)
    if kind is ndarray:
        return "an array of objects" if x.dtype.kind == "O" else f"an array of dtype {x.dtype}"[:80]
    if issubclass(kind, ndarray):
        known = {"MaskedArray": "a masked array", "memmap": "a memory-mapped array"}
        return known.get(name) or f"a {name}, a kind of array"
    return f"{'an' if name[:1] in 'AEIOUaeiou' else 'a'} {name}"
