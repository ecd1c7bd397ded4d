# podman.sh - podman and conmon drive the runtime: private storage, an image made from
# busybox, no registry, no network.  STRICT=1: what is missing fails instead of skipping.
missing() { if [ -n "${STRICT:-}" ]; then echo "FAIL podman: $1"; exit 1; else echo "skip podman: $1"; exit 0; fi; }
for p in podman conmon busybox python3; do
	command -v $p > /dev/null || missing "$p is not installed"
done
. ./lib.sh
P=$LAB/podman
mkdir -p "$P"
cat > "$LAB/containers.conf" <<-X
	[engine]
	events_logger = "file"
	volume_path = "$P/volumes"
	static_dir = "$P/static"
	[containers]
	default_ulimits = []
X
printf '[storage]\ndriver = "vfs"\ngraphroot = "%s"\nrunroot = "%s"\n' "$P/root" "$P/run" > "$LAB/storage.conf"
export CONTAINERS_CONF=$LAB/containers.conf CONTAINERS_STORAGE_CONF=$LAB/storage.conf
export CONTAINERS_REGISTRIES_CONF=/dev/null XDG_RUNTIME_DIR=
POD="podman --root $P/root --runroot $P/run --tmpdir $P/tmp --storage-driver vfs --cgroup-manager cgroupfs --runtime $RUNSC"
for f in $FLAGS; do POD="$POD --runtime-flag ${f#--}"; done
pm() { timeout -k 5 60 $POD "$@"; }
mine() {
	ps axo pid=,args= | awk -v l="$P" 'index($0, l) && $2 !~ /awk$/ { print $1 }'
}
stop() {
	pm rm -f -a -t 0 > /dev/null 2>&1
	for p in $(mine); do kill -KILL "$p" 2> /dev/null; done
	awk -v l="$LAB/" 'index($2, l) == 1 { print $2 }' /proc/mounts | sort -r | xargs -r -n1 umount -l 2> /dev/null
	# Its own groups, which it never removes; busy ones stay.
	find /sys/fs/cgroup -depth -type d -path '*/libpod_parent*' -exec rmdir {} + 2> /dev/null
	cleanup
}
trap stop EXIT
tar -C "$LAB/rootfs" -c . | pm import -q - bb:ci > "$LAB/out" 2>&1 || missing "podman does not work here: $(tail -n 1 "$LAB/out")"
R="--network none"

is run "$(pm run --rm $R bb:ci echo hello)" hello
pm run --rm $R bb:ci sh -c 'exit 7'; is exit-status $? 7
is stdin "$(echo in | pm run -i --rm $R bb:ci cat)" in
has tty "$(pty "" $POD run -it --rm $R bb:ci sh -c 'tty; sleep 0.5; stty size; echo tty-$((1+1))' | tr '\n' ' ')" "/dev/pts/0 40 100 tty-2"
pm run --rm $R bb:ci /nonexistent > /dev/null 2>&1; is missing-path $? 127
has missing-program "$(pm run --rm $R bb:ci nonexistent 2>&1; echo $?)" "executable file not found"
pm run --rm $R bb:ci /etc/passwd > /dev/null 2>&1; is not-executable $? 126
is rm "$(pm ps -aq)" ""
c=$(pm run -d $R bb:ci sh -c 'trap "exit 9" TERM; echo line; while :; do sleep 1; done')
for i in $(seq 30); do [ -n "$(pm logs $c)" ] && break; sleep 0.1; done
is logs "$(pm logs $c)" line
is inspect "$(pm inspect -f '{{.State.Status}} {{.OCIRuntime}}' $c)" "running $RUNSC"
o=$(pm exec $c sh -c 'echo ex; exit 3'); is exec "$o/$?" ex/3
is exec-stdin "$(echo in | pm exec -i $c cat)" in
pm exec $c nonexistent > /dev/null 2>&1; is exec-missing $? 127
pm exec $c /etc/passwd > /dev/null 2>&1; is exec-not-executable $? 126
has exec-tty "$(pty "" $POD exec -it $c sh -c 'tty; sleep 0.5; stty size; exit 4'; echo $?)" "40 100"
o=$(pty '# :(echo be""gun && sleep 1000)\r;begun:\x03;^C:echo aft""er && exit 3\r' $POD exec -it -e PS1='# ' $c sh); is exec-interrupt $? 3
has exec-after-interrupt "$o" "after"
pm exec -d $c sh -c 'echo x > /tmp/detached' > /dev/null
for i in $(seq 30); do pm exec $c test -e /tmp/detached && break; sleep 0.1; done
is exec-detached "$(pm exec $c cat /tmp/detached)" x
is exec-user "$(pm exec --user 5:6 -w /tmp -e A=b $c sh -c 'id -u; pwd; echo $A' | tr '\n' ' ')" "5 /tmp b "
pm pause $c > /dev/null; is pause "$(pm inspect -f '{{.State.Status}}' $c)" paused
pm unpause $c > /dev/null; is unpause "$(pm inspect -f '{{.State.Status}}' $c)" running
pm stop -t 5 $c > /dev/null; is stop "$(pm inspect -f '{{.State.Status}} {{.State.ExitCode}}' $c)" "exited 9"
pm start $c > /dev/null; is start-again "$(pm inspect -f '{{.State.Status}}' $c)" running
pm kill -s KILL $c > /dev/null; is kill "$(pm wait $c)" 137
pm rm $c > /dev/null; is rm-stopped $? 0
is user "$(pm run --rm $R --user 7:8 bb:ci id -u)" 7
mkdir "$LAB/vol"; echo data > "$LAB/vol/f"
is volume "$(pm run --rm $R -v "$LAB/vol:/vol" bb:ci sh -c 'cat /vol/f; echo new > /vol/g; echo w' | tr '\n' ' ')$(cat "$LAB/vol/g")" "data w new"
has volume-readonly "$(pm run --rm $R -v "$LAB/vol:/vol:ro" bb:ci sh -c 'echo x > /vol/h' 2>&1)" "Read-only"
has read-only "$(pm run --rm $R --read-only bb:ci touch /x 2>&1)" "Read-only"
c=$(pm run -d $R --health-cmd true bb:ci sleep 1000 2> /dev/null)
pm healthcheck run $c > /dev/null 2>&1; is healthcheck "$? $(pm inspect -f '{{.State.Health.Status}}' $c)" "0 healthy"
pm rm -f -t 0 $c > /dev/null 2>&1; is rm-force $? 0
for i in $(seq 20); do [ -z "$(mine)" ] && break; sleep 0.1; done
is nothing-left-behind "$(for p in $(mine); do tr '\0' ' ' < /proc/$p/cmdline | cut -c1-100; done)" ""
