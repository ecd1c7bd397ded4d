# deny.py WHAT PROGRAM ARGS... - runs it where the host denies something, by a filter:
#
#	ptrace	ptrace(2) is EPERM, as a container's filter has it
#	userns	clone(2) makes no user namespace
#	name	what is executed by descriptor has no name: TOMOYO's ENOENT
#	old	Linux 4.14: no later system call, and no later flag of those that it has
import ctypes, os, struct, sys

ALLOW, ERRNO = 0x7fff0000, 0x00050000
EPERM, ENOENT, EIO, EINVAL, ENOSYS, EOPNOTSUPP = 1, 2, 5, 22, 38, 95
LOAD, JEQ, JGT, JSET, RET = 0x20, 0x15, 0x25, 0x45, 0x06
NR, ARG = 0, 16


def call(nr, err):
    return [(LOAD, 0, 0, NR), (JEQ, 0, 1, nr), (RET, 0, 0, ERRNO | err)]


def flags(nr, arg, bits, err):  # any of the bits in that argument
    return [(LOAD, 0, 0, NR), (JEQ, 0, 3, nr), (LOAD, 0, 0, ARG + 8 * arg), (JSET, 0, 1, bits), (RET, 0, 0, ERRNO | err)]


def above(nr, arg, most, err):  # a larger value there
    return [(LOAD, 0, 0, NR), (JEQ, 0, 3, nr), (LOAD, 0, 0, ARG + 8 * arg), (JGT, 0, 1, most), (RET, 0, 0, ERRNO | err)]


OLD = (
    [(LOAD, 0, 0, NR), (JGT, 0, 1, 332), (RET, 0, 0, ERRNO | ENOSYS)]  # statx(2) was the last
    + flags(319, 1, ~7 & 0xffffffff, EINVAL)  # memfd_create: MFD_EXEC, MFD_NOEXEC_SEAL
    + flags(327, 5, ~15 & 0xffffffff, EOPNOTSUPP)  # preadv2: up to RWF_NOWAIT
    + flags(328, 5, ~15 & 0xffffffff, EOPNOTSUPP)  # pwritev2: no RWF_APPEND
    + above(28, 2, 19, EINVAL)  # madvise: no MADV_COLD, MADV_POPULATE_READ ... (but HWPOISON)
    + above(317, 0, 2, EINVAL)  # seccomp: no SECCOMP_GET_NOTIF_SIZES
    + flags(317, 1, ~3 & 0xffffffff, EINVAL)  # seccomp: no SPEC_ALLOW, NEW_LISTENER ...
    + flags(324, 0, ~31 & 0xffffffff, EINVAL)  # membarrier: up to PRIVATE_EXPEDITED
    + above(101, 0, 0x420d, EIO)  # ptrace: no GET_SYSCALL_INFO, GET_RSEQ_CONFIGURATION ...
    + flags(316, 4, ~7 & 0xffffffff, EINVAL)  # renameat2
)
CODE = {
    "ptrace": call(101, EPERM),
    "userns": flags(56, 0, 0x10000000, EPERM),
    "name": call(322, ENOENT),
    "old": OLD,
}[sys.argv[1]] + [(RET, 0, 0, ALLOW)]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *i) for i in CODE))
prog = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(CODE), ctypes.addressof(code)))
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(22, 2, prog, 0, 0):
    sys.exit("prctl: " + os.strerror(ctypes.get_errno()))
os.execv(sys.argv[2], sys.argv[2:])
