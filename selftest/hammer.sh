#!/bin/bash
# hammer.sh <build> [seed] [calls] - random hostile system calls in a sandbox.
#
# The guest is hammer/hammer.c.  Passes when it comes to its end and nobody of
# the sandbox has complained: no sanitizer report, no refused call, no "BUG".
# RUNSC names another build's runsc.
set -u
out=$(cd "$1" && pwd)
seed=${2:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}
calls=${3:-60000}
runsc=${RUNSC:-$out/runsc}
lab=$(mktemp -d /tmp/hammer.XXXXXX)
trap 'rm -rf "$lab"' EXIT

mkdir -p "$lab"/b/rootfs/{proc,dev,tmp,sys,rw}
cp "$out/hammer" "$lab/hammer" # a running program may be written: keep it out of reach
: > "$lab/b/rootfs/hammer"
"$runsc" spec --bundle "$lab/b" -- /hammer "$seed" "$calls" || exit 1
python3 - "$lab/b/config.json" "$lab/hammer" << 'EOF' || exit 1
import json, sys
with open(sys.argv[1]) as f:
    d = json.load(f)
d["root"]["readonly"] = False
names = ("CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP "
         "NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_CHROOT SYS_PTRACE SYS_ADMIN SYS_NICE "
         "SYS_RESOURCE SYS_TIME MKNOD SETFCAP").split()
for k in ("bounding", "effective", "permitted"):
    d["process"]["capabilities"][k] = ["CAP_" + n for n in names]
d["process"]["rlimits"] = []
d["mounts"] += [{"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"},
                {"destination": "/hammer", "type": "bind", "source": sys.argv[2],
                 "options": ["rbind", "ro"]}]
json.dump(d, open(sys.argv[1], "w"))
EOF

timeout -k 5 "${LIMIT:-600}" "$runsc" --root="$lab/state" --log="$lab/log" --platform=ptrace \
	--network=none run --bundle "$lab/b" hammer > "$lab/out" 2> "$lab/err" < /dev/null
status=$?
grep -aE '^(seed|survived)' "$lab/out"
if [ $status = 0 ] && grep -aq '^survived' "$lab/out" &&
	! grep -aqE 'Sanitizer|runtime error|refused by its own|BUG|lock order' "$lab/log" "$lab/err"; then
	echo "1 passed, 0 failed"
	exit 0
fi
echo "FAIL hammer: seed $seed, $calls calls: status $status"
tail -qc 6000 "$lab/err" "$lab/log" | tr -cd '[:print:]\n'
[ -z "${KEEP:-}" ] || cp -r "$lab" "$KEEP"
timeout 20 "$runsc" --root="$lab/state" delete --force hammer 2> /dev/null
echo "0 passed, 1 failed"
exit 1
