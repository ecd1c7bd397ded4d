# loop.sh - many sandboxes, and nothing of them left.
. ./lib.sh
N=${LOOPS:-200}
b=$(bundle true true)
count() { ls "/proc" | grep -c '^[0-9]'; }
lsns_count() { ls -l /proc/[0-9]*/ns/{user,pid,mnt,net,ipc,uts} 2>/dev/null | sed 's/.* -> //' | sort -u | wc -l; }
memfds() { ls -l /proc/[0-9]*/fd 2>/dev/null | grep -c memfd:; }
# Others may run sandboxes at the same time; a leak would be hundreds.
ns=$(lsns_count); mem=$(memfds); mounts=$(wc -l < /proc/mounts)
bad=0
for i in $(seq "$N"); do rt run --bundle "$b" l$i < /dev/null > "$LAB/out" 2>&1 || bad=$((bad + 1)); done
is "$N-runs" $bad 0
nothing nothing-after-runs
bad=0
for i in $(seq $((N / 4))); do
	rt create --bundle "$b" m < /dev/null > "$LAB/out" 2>&1 && rt start m && rt delete --force m || bad=$((bad + 1))
done
is "$((N / 4))-create-start-delete" $bad 0
nothing nothing-after-deletes
few() { # NAME COUNTER AT-MOST: within some seconds
	local i n
	for i in 1 2 3 4 5 6 7 8 9 10; do
		n=$($2)
		[ "$n" -gt "$3" ] || { ok "$1"; return; }
		sleep 0.5
	done
	fail "$1" "$n, not at most $3"
}
few namespaces lsns_count $((ns + 40))
few memfds memfds $((mem + 20))
is mounts "$(wc -l < /proc/mounts)" "$mounts"
