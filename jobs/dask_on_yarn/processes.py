"""Children that die with their parent, and giving up rights before a program starts; Linux only.

The functions are called between fork and exec, so they allocate little and import nothing.
"""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1
_PR_CAPBSET_DROP = 24
_PR_SET_SECUREBITS = 28
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
#: SECBIT_NOROOT and SECBIT_NO_SETUID_FIXUP with their locks: uid 0 alone gives no capability.
_SECUREBITS_NO_ROOT = 0b1111
_CAPABILITY_VERSION_3 = 0x20080522
_LAST_CAPABILITY = 63

#: What scripts and workers write on shared file systems the group may change and everybody may read, whatever mask the
#: image has.
SHARED_UMASK = 0o002

_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(parent: int, signal_number: int = signal.SIGKILL) -> None:
    """Ask the kernel for ``signal_number`` when the thread that forked us ends; ``parent`` is its process id.

    The kernel forgets the request when the process changes its uid: call this after that.
    """
    _libc.prctl(_PR_SET_PDEATHSIG, int(signal_number), 0, 0, 0)
    if os.getppid() != parent:  # the parent ended before the request was made
        os.kill(os.getpid(), signal_number)


def dying_with_parent(signal_number: int = signal.SIGKILL) -> Callable[[], None]:
    """A ``preexec_fn`` for ``subprocess.Popen``; call Popen from a thread that lives as long as the child should."""
    parent = os.getpid()
    return lambda: die_with_parent(parent, signal_number)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends, so that none of them gets away."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def forbid_new_rights() -> None:
    """From here on no program this process starts can gain rights (set-user-id bits and the like are ignored)."""
    if _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "cannot set no_new_privs")


def drop_capabilities() -> None:
    """Give up every capability for good: uid 0 keeps its files and loses its powers."""
    for capability in range(_LAST_CAPABILITY + 1):
        _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)  # unknown capabilities answer EINVAL
    _libc.prctl(_PR_SET_SECUREBITS, _SECUREBITS_NO_ROOT, 0, 0, 0)
    _libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    if _libc.capset(header, nothing):
        raise OSError(ctypes.get_errno(), "cannot give up capabilities")
