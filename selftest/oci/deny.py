# deny.py ptrace|userns PROGRAM ARGS... - runs it where the host says EPERM to one thing:
# ptrace(2), as under kernel.yama.ptrace_scope=3, or clone(2) with a user namespace.
import ctypes, os, struct, sys

ALLOW, EPERM = 0x7fff0000, 0x00050001
LOAD, JEQ, JSET, RET = 0x20, 0x15, 0x45, 0x06
CODE = {
    "ptrace": [(LOAD, 0, 0, 0), (JEQ, 0, 1, 101), (RET, 0, 0, EPERM), (RET, 0, 0, ALLOW)],
    "userns": [(LOAD, 0, 0, 0), (JEQ, 0, 3, 56), (LOAD, 0, 0, 16), (JSET, 0, 1, 0x10000000),
               (RET, 0, 0, EPERM), (RET, 0, 0, ALLOW)],
}[sys.argv[1]]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *i) for i in CODE))
prog = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(CODE), ctypes.addressof(code)))
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(22, 2, prog, 0, 0):
    sys.exit("prctl: " + os.strerror(ctypes.get_errno()))
os.execv(sys.argv[2], sys.argv[2:])
