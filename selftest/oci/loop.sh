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
[ "$(lsns_count)" -le $((ns + 40)) ] && ok namespaces || fail namespaces "$(lsns_count), were $ns"
[ "$(memfds)" -le $((mem + 20)) ] && ok memfds || fail memfds "$(memfds), were $mem"
is mounts "$(wc -l < /proc/mounts)" "$mounts"
