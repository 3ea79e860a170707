"""The kernel's second wall: after `refuse_calls`, a process can do nothing to others.

`landlock` guards files. A filter of system calls, which Linux has had since 3.5, refuses what else
no solution needs: new processes, sockets of any kind, signals and limits for others, changes of
owners and attributes, leases, memory that no limit counts or that would stay behind, and what is
root's alone. Calls that are newer than this list are unknown to the process. It gives up all
capabilities but that to read, and ends with its parent. Nothing that it does later takes this
away, and root is held too. On other systems and processors `refuse_calls` does nothing.

Source: Linux, Documentation/userspace-api/seccomp_filter.rst, include/uapi/linux/seccomp.h and
filter.h; the numbers are those of asm/unistd_64.h (x86-64) and asm-generic/unistd.h (arm64).
"""

from __future__ import annotations

import os
from struct import calcsize, pack

from .landlock import NO_NEW_PRIVILEGES, c_library

# What is refused: a system call, its number on x86-64 and on arm64 (-: not there).
REFUSED = """
    socket 41 198, socketpair 53 199,
    fork 57 -, vfork 58 -, execve 59 221, execveat 322 281,
    ptrace 101 117, process_vm_readv 310 270, process_vm_writev 311 271, kcmp 312 272,
    pidfd_open 434 434, pidfd_getfd 438 438, pidfd_send_signal 424 424, process_madvise 440 440,
    tkill 200 130, rt_sigqueueinfo 129 138, rt_tgsigqueueinfo 297 240, process_mrelease 448 448,
    setrlimit 160 164, setpriority 141 140, ioprio_set 251 30, sched_setaffinity 203 122,
    sched_setscheduler 144 119, sched_setparam 142 118, sched_setattr 314 274,
    migrate_pages 256 238, move_pages 279 239,
    chown 92 -, fchown 93 55, lchown 94 -, fchownat 260 54, fallocate 285 47,
    memfd_create 319 279, memfd_secret 447 447, io_setup 206 0, inotify_init 253 -,
    inotify_init1 294 26, setxattr 188 5, lsetxattr 189 6, fsetxattr 190 7, setxattrat 463 463,
    removexattr 197 14, lremovexattr 198 15, fremovexattr 199 16, removexattrat 466 466,
    shmget 29 194, semget 64 190, msgget 68 186, mq_open 240 180, mq_unlink 241 181,
    io_uring_setup 425 425, io_uring_enter 426 426, io_uring_register 427 427,
    name_to_handle_at 303 264, open_by_handle_at 304 265,
    mount 165 40, umount2 166 39, pivot_root 155 41, chroot 161 51, unshare 272 97, setns 308 268,
    open_tree 428 428, move_mount 429 429, fsopen 430 430, fsconfig 431 431, fsmount 432 432,
    fspick 433 433, mount_setattr 442 442, open_tree_attr 467 467,
    add_key 248 217, request_key 249 218, keyctl 250 219,
    bpf 321 280, perf_event_open 298 241, userfaultfd 323 282, fanotify_init 300 262,
    init_module 175 105, finit_module 313 273, delete_module 176 106,
    kexec_load 246 104, kexec_file_load 320 294, reboot 169 142, iopl 172 -, ioperm 173 -,
    swapon 167 224, swapoff 168 225, acct 163 89, quotactl 179 60, quotactl_fd 443 443,
    settimeofday 164 170, clock_settime 227 112, adjtimex 159 171, clock_adjtime 305 266,
    sethostname 170 161, setdomainname 171 162, syslog 103 116"""
# What seems to be done and is not: files that are copied take permissions and times along.
IN_VAIN = """
    chmod 90 -, fchmod 91 52, fchmodat 268 53, fchmodat2 452 452,
    utime 132 -, utimes 235 -, futimesat 261 -, utimensat 280 88"""
# What is refused in part, as `program` says.
IN_PART = """
    clone 56 220, clone3 435 435, kill 62 129, tgkill 234 131, prlimit64 302 261,
    fcntl 72 25, ioctl 16 29, prctl 157 167"""
NEWEST = 467  # the last number that was looked at when this list was made
# Of fcntl: who gets signals of a file and which, leases, notices, the size of a pipe.
OF_OTHERS = (8, 10, 15, 1024, 1026, 1031)
# Of ioctl: whether it is a terminal and how large, what there is to read, and how.
OF_TERMINALS = (0x5401, 0x802C542A, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)

# {what a processor is called: (what the kernel calls it, the column of its numbers)}
PROCESSORS = {"x86_64": (0xC000003E, 1), "aarch64": (0xC00000B7, 2)}
OTHER_NUMBERS = 0x40000000  # x86-64 has a second set of numbers (x32) from here on

# Instructions of the filter and what they end with.
LOAD, EQUAL, AT_LEAST, HAS_BITS, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, NOTHING, NOT_PERMITTED, NOT_KNOWN = 0x7FFF0000, 0x00050000, 0x00050001, 0x00050026
# Where the number, the processor and the halves of the arguments stand.
NUMBER, PROCESSOR, ARGUMENT = 0, 4, 16
THREAD, NAMESPACES = 0x00010000, 0x7E020000  # of clone: no process of its own; a world of its own
SET_FILTER, FILTER, END_WITH_PARENT = 22, 2, 1  # of prctl
KILL = 9
CAPABILITIES = 0x20080522  # the version of capset's arguments
KEPT = 0b110, 0b010, 0  # to read files whatever their permissions: those that landlock leaves

Instruction = tuple[int, int, int, int]  # code, to skip if so, to skip if not so, operand


def numbers(table: str, column: int) -> dict[str, int]:
    """The numbers of a processor by name."""
    rows = [row.split() for row in table.split(",")]
    return {row[0]: int(row[column]) for row in rows if row[column] != "-"}


def program(machine: str, own: int) -> list[Instruction]:
    """The filter for a processor, and for a process with the number `own`."""
    processor, column = PROCESSORS[machine]
    allow, refuse = (RETURN, 0, 0, ALLOW), (RETURN, 0, 0, NOT_PERMITTED)
    first, second, third = (ARGUMENT + 8 * i for i in range(3))
    threads = [(LOAD, 0, 0, first), (HAS_BITS, 1, 0, NAMESPACES), (HAS_BITS, 1, 0, THREAD)]
    itself = [(LOAD, 0, 0, first), (EQUAL, 0, 1, own), allow, refuse]
    # of prlimit64: the new limits; without, it only reads
    reading = [(LOAD, 0, 0, third), (EQUAL, 0, 3, 0), (LOAD, 0, 0, third + 4), (EQUAL, 0, 1, 0)]
    fcntl = [(EQUAL, len(OF_OTHERS) - i, 0, k) for i, k in enumerate(OF_OTHERS)]
    ioctl = [(EQUAL, len(OF_TERMINALS) - i, 0, k) for i, k in enumerate(OF_TERMINALS)]
    rules: dict[str, list[Instruction]] = {
        "clone": [*threads, refuse, allow],
        "fcntl": [(LOAD, 0, 0, second), *fcntl, allow, refuse],
        "ioctl": [(LOAD, 0, 0, second), *ioctl, refuse, allow],
        "prctl": [(LOAD, 0, 0, first), (EQUAL, 0, 1, END_WITH_PARENT), refuse, allow],
        # Its arguments lie where no filter can see them; without it, threads are made by clone.
        "clone3": [(RETURN, 0, 0, NOT_KNOWN)],
        "kill": itself,
        "tgkill": itself,
        "prlimit64": [*reading, allow, refuse],
    }
    lines: list[Instruction] = [(LOAD, 0, 0, PROCESSOR), (EQUAL, 1, 0, processor), refuse]
    lines += [(LOAD, 0, 0, NUMBER), (AT_LEAST, 0, 1, OTHER_NUMBERS), refuse]
    lines += [(AT_LEAST, 0, 1, NEWEST + 1), (RETURN, 0, 0, NOT_KNOWN)]
    for number in numbers(REFUSED, column).values():
        lines += [(EQUAL, 0, 1, number), refuse]
    for number in numbers(IN_VAIN, column).values():
        lines += [(EQUAL, 0, 1, number), (RETURN, 0, 0, NOTHING)]
    for name, number in numbers(IN_PART, column).items():
        lines += [(EQUAL, 0, len(rules[name]), number), *rules[name]]
    return [*lines, allow]


def refuse_calls() -> bool:
    """Put up the wall around this process; whether it stands."""
    system = c_library()
    if system is None or os.uname().machine not in PROCESSORS or calcsize("P") != 8:
        return False
    from ctypes import addressof, create_string_buffer

    lines = program(os.uname().machine, os.getpid())
    content = create_string_buffer(b"".join(pack("=HBBI", *line) for line in lines))
    system.prctl(END_WITH_PARENT, KILL, 0, 0, 0)
    for kept in KEPT:  # as much of it as there is
        if system.capset(pack("=Ii", CAPABILITIES, 0), pack("=6I", kept, kept, 0, 0, 0, 0)) == 0:
            break
    shut = system.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0
    # struct sock_fprog: how many instructions, and where they are
    filters = pack("@HP", len(lines), addressof(content))
    return bool(shut and system.prctl(SET_FILTER, FILTER, filters) == 0)
