"""What a submission may do in its process: limits, and an audit hook that refuses the rest.

A solution has no business with other packages (npppo first of all), files, processes, sockets.
This stops mistakes and casual cheating. It is not a wall: a determined attacker gets past any
check made inside his own process. Linux has walls that he does not get past (see `landlock` and
`seccomp`); elsewhere only a container without network and another user is one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from glob import escape, glob
from typing import Any

import numpy as np

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

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
FILES = 256  # that may be opened for writing, each up to the limit of a file's size
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
        package = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
        readable = [*self.standard, *self.numpy, *filter(None, libraries)]
        below = [escape(path) for path in [*self.standard, *libraries]]
        below += [f"{escape(path)}/python*" for path in libraries if path]
        installed = [
            place for path in below for name in PACKAGES for place in glob(f"{path}/{name}")
        ]
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
