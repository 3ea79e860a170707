"""What a submission may do in its process: limits, and an audit hook that refuses the rest.

A solution has no business with other packages (npppo first of all), files, processes, sockets.
This stops mistakes and casual cheating. It is not a wall: a determined attacker gets past any
check made inside his own process. Linux has walls that he does not get past (see `landlock` and
`seccomp`); elsewhere only a container without network and another user is one.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from glob import escape, glob
from os import fsdecode
from os.path import isdir, normcase, realpath
from typing import Any, NamedTuple

import numpy as np

from .landlock import shut_in, without
from .seccomp import refuse_calls

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

# Limits that systems may know, and what the report calls them.
LIMITS = {
    "CPU": "processor time",
    "AS": "memory",
    "FSIZE": "file size",
    "CORE": "core dumps",
    "NOFILE": "open files",
    "NPROC": "processes",
}
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
SEPARATOR, NULL = os.sep, normcase(os.devnull)
FILES = 256  # that may be opened for writing, each up to the limit of a file's size
# Where extension modules find what they are linked with.
LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache")


class Places(NamedTuple):
    """Where the standard library is; and, part by part, all that may be read, without what lies
    there and may not be seen, or None where it cannot be looked through."""

    standard: Sequence[str]
    readable: Sequence[str] | None


class Guard:
    """The audit hook. It cannot be removed once it is there."""

    def __init__(self, room: str, places: Places) -> None:
        self.room = full(room)
        self.standard = [full(path) for path in places.standard]
        self.refused: list[str] = []
        self.opened = 0  # for writing
        self.modules = sys.stdlib_module_names | {"numpy", "submission", "__main__"}
        self.modules -= {*SILENT_MODULES}

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
                unseen = mode is None and type(path) is not int and isdir(path)
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
        # _sysconfigdata…: the standard library's, named by platform
        if package in self.modules or package.startswith("_sysconfigdata"):
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

    def may_write(self, path: Any) -> bool:
        return is_known(path) or within(path, [self.room])

    def may_read(self, path: Any) -> bool:
        if is_known(path) or within(path, [self.room, *NUMPY]):
            return True
        installed = any(part in PACKAGES for part in full(path).split(SEPARATOR))
        return not installed and within(path, self.standard)


def is_known(path: Any) -> bool:
    """The current folder, a descriptor that is open already, or the null device."""
    return path is None or type(path) is int or full(path) == NULL


def within(path: Any, roots: Sequence[str]) -> bool:
    place = full(path)
    return any(place == root or place.startswith(root + SEPARATOR) for root in roots)


def full(path: Any) -> str:
    return normcase(realpath(str.__getitem__(fsdecode(path), slice(None))))


NUMPY = [full(os.path.dirname(np.__file__) + end) for end in ("", ".libs")]


def look_around(standard: Sequence[str]) -> Places:
    """The same for all workers."""
    libraries = [*LIBRARIES, os.path.join(sys.base_prefix, "lib")]
    libraries += filter(None, os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep))
    below = [escape(path) for path in [*standard, *libraries]]
    below += [f"{escape(path)}/python*" for path in libraries]
    installed = [place for path in below for name in PACKAGES for place in glob(f"{path}/{name}")]
    package = os.path.join(os.path.dirname(__file__), "..", "..")
    never = [os.path.realpath(x) for x in (package, os.path.dirname(NUMPY[0]), *installed)]
    try:
        readable = [part for x in (*standard, *NUMPY, *libraries) for part in without(x, never)]
    except (OSError, RecursionError):
        return Places(standard, None)
    return Places(standard, readable)


def enclose(room: str, places: Places, limits: Sequence[tuple[str, int]]) -> list[str]:
    """The walls around this process that are not Python's; which of them hold."""
    held = set_limits(limits)
    if places.readable is not None and shut_in(places.readable, [full(room), NULL]):
        held.append("other files")
    if refuse_calls():
        held += ["system calls", "processes"]
    else:  # then no threads either
        held += set_limits([("NPROC", 0)])
    return held


def set_limits(limits: Sequence[tuple[str, int]]) -> list[str]:
    """Sets those that this system knows, and says which."""
    held: list[str] = []
    for name, value in limits:
        kind = getattr(resource, f"RLIMIT_{name}", None)
        ignored = name == "AS" and sys.platform == "darwin"
        if kind is None or ignored or (name == "NPROC" and os.getuid() == 0):  # root has no such
            continue
        _, most = resource.getrlimit(kind)
        most = sys.maxsize if most == resource.RLIM_INFINITY else most
        # At the soft limit of processor time a signal says why; at the hard one the kernel kills.
        hard = value + 1 if name == "CPU" else value
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (min(value, most), min(hard, most)))
            held.append(LIMITS[name])
    return held
