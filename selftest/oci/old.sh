# old.sh - hosts with an older kernel, emulated by filters; hosts.sh boots real ones.
. ./lib.sh
command -v python3 > /dev/null || skip old "needs python3"
on() { # WHAT COMMAND...: the runtime where the host denies that
	local what=$1
	shift
	timeout -k 5 120 python3 deny.py "$what" "$RUNSC" --root "$ROOT" $FLAGS "$@"
}

is denied "$(python3 deny.py old /usr/bin/env python3 -c 'import os
try: os.pidfd_open(os.getpid())
except OSError as e: print(e.errno)')" 38
b=$(bundle sleep sleep 1000)
on old run --detach --bundle "$b" o < /dev/null > "$LAB/out" 2>&1; is old-run "$? $(cat "$LAB/out")" "0 "
has old-exec "$(on old exec o sh -c 'for i in 1 2 3; do echo $i; done | wc -l; echo in' 2>&1)" in
on old exec --detach o sleep 100; is old-exec-detach $? 0
has old-events "$(on old events --stats o 2>&1)" '"type":"stats"'
on old pause o && on old resume o; is old-pause $? 0
on old kill o KILL; is old-kill $? 0
is old-wait "$(on old wait o)" '{"id":"o","exitStatus":137}'
on old delete o; is old-delete $? 0
nothing old-nothing-left
# The guest must not see what its host lacks.
for g in write preadv2 open statx mmap madvise mremap rename splice futex time signalfd pidfd; do
	for what in "on old" rt; do
		$what do --volume "$OUT:/mnt" --cwd /tmp -- /mnt/selftest $g > "$LAB/$g.${what##* }" 2>/dev/null
	done
	is "old-guest-$g" "$(diff "$LAB/$g.rt" "$LAB/$g.old" 2>&1; grep -c . "$LAB/$g.old" | grep -x 0)" ""
done
is no-name "$(on name do echo hi 2>&1)" hi
nothing nothing-left
