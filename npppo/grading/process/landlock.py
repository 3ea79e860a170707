"""The kernel's wall: after `shut_in`, a process can reach no file but those it is left with.

The audit hook of `worker` is Python, and Python can take it apart; Landlock, which Linux has had
since 5.13, holds until the process ends. It also keeps the process from TCP (since 6.7) and from
sending signals to others (since 6.12). It knows nothing of other sockets, nor of who owns a file:
root, above all, belongs into a container. Elsewhere `shut_in` does nothing.

Source: Linux, Documentation/userspace-api/landlock.rst and include/uapi/linux/landlock.h.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from struct import pack
from typing import Any

try:
    import ctypes
except ImportError:  # Python can be built without
    ctypes = None  # type: ignore[assignment]

# System calls by their numbers, the same on nearly all machines; on others the first one fails.
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
ASK_VERSION, PATH_BENEATH = 1, 1
NO_NEW_PRIVILEGES = 38  # of prctl

READ = 0b1100  # the content of files, and of folders
# that, and: write, remove and make files and folders, move and truncate them; but no devices
USE = READ | 0b0110_0001_1011_0010
OF_FILES = 0b1100_0000_0000_0111  # what can be allowed of a file that is no folder
# {version of Landlock: kinds of access to files it knows}; then those to the network, and scopes
KINDS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
NETWORK, SCOPES = (4, 0b11), (6, 0b11)  # (from which version on, all of them)


def c_library() -> Any:
    """That of Linux, through which the kernel is called; elsewhere None."""
    return ctypes.CDLL(None) if ctypes and sys.platform == "linux" else None


def shut_in(readable: Sequence[str], writable: Sequence[str]) -> bool:
    """Leave this process with these files and folders; whether the wall stands."""
    system = c_library()
    version = system.syscall(CREATE_RULESET, None, 0, ASK_VERSION) if system else 0
    if version < 1:
        return False
    everything = (1 << KINDS.get(version, 16)) - 1
    network, scopes = (bits if version >= first else 0 for first, bits in (NETWORK, SCOPES))
    rules = pack("=QQQ", everything, network, scopes)[: 8 + 8 * (network > 0) + 8 * (scopes > 0)]
    ruleset = system.syscall(CREATE_RULESET, rules, len(rules), 0)
    if ruleset < 0:
        return False
    try:
        for path in readable:
            allow(system, ruleset, path, READ & everything)
        for path in writable:
            allow(system, ruleset, path, USE & everything)
        shut = system.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0
        return bool(shut and system.syscall(RESTRICT_SELF, ruleset, 0) == 0)
    finally:
        os.close(ruleset)


def without(path: str, never: Sequence[str]) -> Iterator[str]:
    """The path, or its parts where one of the folders `never` lies in it, but no links in it."""
    path = os.path.realpath(path)
    if path in never:
        return
    within = path.rstrip("/") + "/"
    if not os.path.isdir(path) or not any(folder.startswith(within) for folder in never):
        yield path
        return
    for entry in os.scandir(path):
        if not entry.is_symlink():
            yield from without(entry.path, never)


def allow(system: Any, ruleset: int, path: str, access: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:  # what is not there need not be allowed
        return
    if not os.path.isdir(path):
        access &= OF_FILES
    system.syscall(ADD_RULE, ruleset, PATH_BENEATH, pack("=Qi", access, place), 0)
    os.close(place)
