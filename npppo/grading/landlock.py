"""The kernel's wall: after `shut_in`, a process can reach no file but those it is left with.

The audit hook of `worker` is Python, and Python can take it apart; Landlock, which Linux has had
since 5.13, holds until the process ends. It also keeps the process from connecting to a network
(since 6.7) and from sending signals to others (since 6.12). Elsewhere `shut_in` does nothing.

Source: Linux, Documentation/userspace-api/landlock.rst and include/uapi/linux/landlock.h.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator, Sequence
from struct import pack

# System calls by their numbers, which are the same on all machines but Alpha.
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
ASK_VERSION, PATH_BENEATH = 1, 1
NO_NEW_PRIVILEGES = 38  # of prctl

READ = 0b1100  # the content of files, and of folders
WRITE = 1 << 1
OF_FILES = 0b1100_0000_0000_0111  # what can be allowed of a file that is no folder
# {version of Landlock: kinds of access to files it knows}; then those to the network, and scopes
KINDS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
NETWORK, SCOPES = (4, 0b11), (6, 0b11)  # (from which version on, all of them)


def shut_in(readable: Sequence[str], writable: Sequence[str], never: Sequence[str]) -> bool:
    """Leave this process with these files and folders, but for the folders `never`.

    Returns whether the wall stands.
    """
    if sys.platform != "linux":
        return False
    system = ctypes.CDLL(None, use_errno=True)
    version = system.syscall(CREATE_RULESET, None, 0, ASK_VERSION)
    if version < 1:
        return False
    everything = (1 << KINDS.get(version, 16)) - 1
    network, scopes = (bits if version >= first else 0 for first, bits in (NETWORK, SCOPES))
    rules = pack("=QQQ", everything, network, scopes)[: 8 + 8 * (network > 0) + 8 * (scopes > 0)]
    ruleset = system.syscall(CREATE_RULESET, rules, len(rules), 0)
    if ruleset < 0:
        return False
    try:
        never = [os.path.realpath(path) for path in never]
        allowed = [(part, READ) for path in readable for part in without(path, never)]
        allowed += [(path, everything) for path in writable]
        for path, access in allowed:
            allow(system, ruleset, path, access & everything)
        shut = system.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0
        return bool(shut and system.syscall(RESTRICT_SELF, ruleset, 0) == 0)
    finally:
        os.close(ruleset)


def without(path: str, never: Sequence[str]) -> Iterator[str]:
    """The path, or its parts where one of the folders `never` lies in it."""
    path = os.path.realpath(path)
    if path in never:
        return
    if not any(folder.startswith(path.rstrip("/") + "/") for folder in never):
        yield path
        return
    for name in os.listdir(path):
        yield from without(os.path.join(path, name), never)


def allow(system: ctypes.CDLL, ruleset: int, path: str, access: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:  # what is not there need not be allowed
        return
    if not os.path.isdir(path):
        access &= OF_FILES
    system.syscall(ADD_RULE, ruleset, PATH_BENEATH, pack("=Qi", access, place), 0)
    os.close(place)
