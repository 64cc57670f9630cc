"""System calls that a submission's processes may not make, refused by the kernel.

Namespaces and limits leave doors: memory that belongs to no process and so is never counted (memfd; all of System V:
32,000 semaphores are two megabytes of the kernel's, and there may be 32,000 times as many), user namespaces in which
everybody is root and may mount memory without a limit, sockets to the host of a virtual machine, and parts of the
kernel in which holes were found. A student's function needs none of them.

References:
    seccomp(2); the numbers are those of the kernel's asm/unistd.h, which never change.
"""

import ctypes
import errno
import platform
import struct
import sys

_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # AUDIT_ARCH_*: a call in another way is no call
_OLD = {  # name: number on x86_64, on aarch64
    "add_key": (248, 217),
    "bpf": (321, 280),
    "keyctl": (250, 219),
    "memfd_create": (319, 279),
    "mount": (165, 40),
    "msgget": (68, 186),
    "open_by_handle_at": (304, 265),
    "perf_event_open": (298, 241),
    "pivot_root": (155, 41),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "request_key": (249, 218),
    "semget": (64, 190),
    "setns": (308, 268),
    "shmget": (29, 194),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
}
# Since 2019 numbers are the same everywhere: io_uring_*, open_tree, move_mount, fsopen, fsconfig, fsmount,
# mount_setattr, memfd_secret.
_NEW = (425, 426, 427, 428, 429, 430, 431, 432, 442, 447)
_CLONE, _SOCKET = (56, 220), (41, 198)
_CLONE3 = 435  # its flags lie in memory, where a filter cannot look; without it the C library takes clone
_NEW_USER = 0x10000000  # CLONE_NEWUSER
_FAMILIES = (1, 2, 10, 16)  # unix, internet (there is none), netlink

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # of the filter's machine
_ALLOW, _KILL = 0x7FFF0000, 0x80000000
_NUMBER_AT, _ARCHITECTURE_AT, _FIRST_ARGUMENT_AT = 0, 4, 16
_X32 = 0x40000000  # a third way to call on x86_64


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def program(machine: str) -> bytes:
    """Return the filter for a machine of `platform.machine`, or b"" if its numbers are not known here."""
    if machine not in _ARCHITECTURES:
        return b""
    column = list(_ARCHITECTURES).index(machine)
    refuse, unknown = 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS
    lines = [(_LOAD, 0, 0, _ARCHITECTURE_AT), (_EQUAL, 1, 0, _ARCHITECTURES[machine]), (_RETURN, 0, 0, _KILL)]
    lines += [(_LOAD, 0, 0, _NUMBER_AT), (_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, unknown)]
    lines += [(_EQUAL, 0, 1, _CLONE3), (_RETURN, 0, 0, unknown)]
    for number in [*(pair[column] for pair in _OLD.values()), *_NEW]:
        lines += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, refuse)]
    lines += [(_EQUAL, 0, 4, _CLONE[column]), (_LOAD, 0, 0, _FIRST_ARGUMENT_AT)]
    lines += [(_ANY_BIT, 0, 1, _NEW_USER), (_RETURN, 0, 0, refuse), (_RETURN, 0, 0, _ALLOW)]
    lines += [(_EQUAL, 0, len(_FAMILIES) + 2, _SOCKET[column]), (_LOAD, 0, 0, _FIRST_ARGUMENT_AT)]
    lines += [(_EQUAL, len(_FAMILIES) - place, 0, family) for place, family in enumerate(_FAMILIES)]
    lines += [(_RETURN, 0, 0, refuse), (_RETURN, 0, 0, _ALLOW)]
    return b"".join(struct.pack("HBBI", *line) for line in lines)


def install() -> bool:
    """Put the filter over this process and all that it starts, for good; say whether that was possible."""
    code = program(platform.machine()) if sys.platform == "linux" else b""
    if not code:
        return False
    library = ctypes.CDLL(None, use_errno=True)
    filter_ = _Program(len(code) // 8, code)
    # PR_SET_NO_NEW_PRIVS, then PR_SET_SECCOMP with SECCOMP_MODE_FILTER
    return library.prctl(38, 1, 0, 0, 0) == 0 and library.prctl(22, 2, ctypes.byref(filter_), 0, 0) == 0
