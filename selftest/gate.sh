#!/bin/sh
# gate.sh <binary> <bytes> - refuses a binary that is not what we ship.
#
# A static PIE that needs nothing of the host: no interpreter, no library, no
# relocated text, no segment writable and executable, and at most <bytes>.
set -eu
export LC_ALL=C
bin=$1 max=$2

fail() { echo "gate.sh: $bin: $*" >&2; exit 1; }

headers=$(readelf -hlW "$bin")
dynamic=$(readelf -dW "$bin")
echo "$headers" | grep -q 'Type: *DYN' || fail "not position-independent"
echo "$headers" | grep -q 'INTERP' && fail "asks for an interpreter"
echo "$headers" | grep -Eq 'LOAD.* RWE ' && fail "has a writable and executable segment"
echo "$headers" | grep -Eq 'GNU_STACK.* RW ' || fail "has an executable stack"
echo "$headers" | grep -q 'GNU_RELRO' || fail "has no RELRO segment"
echo "$dynamic" | grep -q 'NEEDED' && fail "needs a shared library"
echo "$dynamic" | grep -q 'TEXTREL' && fail "has text relocations"
size=$(wc -c < "$bin")
[ "$size" -le "$max" ] || fail "$size bytes, more than $max"
