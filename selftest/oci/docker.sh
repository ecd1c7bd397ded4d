# docker.sh - a real Docker engine drives the runtime: a private dockerd, images made
# from busybox, no registry, no network.  STRICT=1: what is missing fails instead of skipping.
missing() { if [ -n "${STRICT:-}" ]; then echo "FAIL docker: $1"; exit 1; else echo "skip docker: $1"; exit 0; fi; }
for p in dockerd docker containerd ctr iptables script busybox; do
	command -v $p > /dev/null || missing "$p is not installed"
done
. ./lib.sh
D=$LAB/run
mkdir -p "$D"
export DOCKER_HOST=unix://$D/docker.sock DOCKER_CONFIG=$LAB/cfg
HADKEY=$(ls /etc/docker/key.json 2>/dev/null)
s=
ARGS=$(for a in $FLAGS; do printf '%s"%s"' "$s" "$a"; s=', '; done)
# Processes that name our own folder on their command line, the daemons' apart.
mine() {
	ps axo pid=,args= | awk -v l="$D/exec" 'index($0, l) && $2 !~ /dockerd$|containerd$|awk$/ { print $1 }'
}
stop() {
	docker ps -aq 2> /dev/null | xargs -r docker rm -f > /dev/null 2>&1
	for p in $(mine); do kill -KILL "$p" 2> /dev/null; done
	kill -TERM "$DPID" 2> /dev/null
	for i in $(seq 100); do kill -0 "$DPID" 2> /dev/null || break; sleep 0.1; done
	kill -KILL "$DPID" 2> /dev/null
	awk -v l="$LAB/" 'index($2, l) == 1 { print $2 }' /proc/mounts | sort -r | xargs -r -n1 umount -l 2> /dev/null
	[ -z "${failed:-}" ] || tail -n 15 "$LAB/dockerd.log" | cut -c1-400
	[ -n "$HADKEY" ] || rm -f /etc/docker/key.json
	cleanup
}
if ! mountpoint -q /sys/fs/cgroup; then
	mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup
	for c in $(awk 'NR > 1 && $4 == 1 { print $1 }' /proc/cgroups); do
		mkdir -p /sys/fs/cgroup/$c
		mount -t cgroup -o $c cgroup /sys/fs/cgroup/$c || rmdir /sys/fs/cgroup/$c
	done
fi
echo "{ \"runtimes\": { \"runsc\": { \"path\": \"$RUNSC\", \"runtimeArgs\": [ $ARGS ] } } }" > "$LAB/daemon.json"
setsid dockerd --config-file "$LAB/daemon.json" -H "unix://$D/docker.sock" --data-root "$LAB/data" \
	--exec-root "$D/exec" --pidfile "$D/docker.pid" --storage-driver "${STORAGE:-overlay2}" --bridge=none \
	--iptables=false --ip-forward=false --ip-masq=false > "$LAB/dockerd.log" 2>&1 < /dev/null &
DPID=$!
trap stop EXIT
for i in $(seq 150); do
	docker version > /dev/null 2>&1 && break
	kill -0 $DPID 2> /dev/null || { tail -n 5 "$LAB/dockerd.log"; missing "dockerd does not start here"; }
	sleep 0.2
done
tar -C "$LAB/rootfs" -c . | docker import -c 'CMD ["sh"]' - bb:ci > /dev/null
R="--runtime=runsc --network none"
dk() { timeout -k 5 60 docker "$@"; }
bad() { failed=1; fail "$@"; }
is() { if [ "$2" = "$3" ]; then ok "$1"; else bad "$1" "got '$2', not '$3'"; fi; }
has() { case "$2" in *$3*) ok "$1" ;; *) bad "$1" "'$3' is not in: $2" ;; esac; }

is run "$(dk run --rm $R bb:ci echo hello)" hello
dk run --rm $R bb:ci sh -c 'exit 7'; is exit-status $? 7
is stdin "$(echo in | dk run -i --rm $R bb:ci cat)" in
has tty "$(timeout 60 script -qec "docker run -it --rm $R bb:ci sh -c 'tty; stty size; echo tty-\$((1+1))'" /dev/null < /dev/null)" tty-2
c=$(dk run -d $R bb:ci sh -c 'trap "exit 9" TERM; echo line; while :; do sleep 1; done')
for i in $(seq 30); do [ -n "$(dk logs $c)" ] && break; sleep 0.1; done
is logs "$(dk logs $c)" line
is inspect "$(dk inspect -f '{{.HostConfig.Runtime}} {{.State.Status}}' $c)" "runsc running"
o=$(dk exec $c sh -c 'echo ex; exit 3'); is exec "$o/$?" ex/3
is exec-stdin "$(echo in | dk exec -i $c cat)" in
has exec-tty "$(timeout 60 script -qec "docker exec -it $c sh -c 'tty; echo tty-\$((1+1))'" /dev/null < /dev/null)" tty-2
dk exec -d $c sh -c 'echo x > /tmp/detached'
for i in $(seq 30); do dk exec $c test -e /tmp/detached && break; sleep 0.1; done
is exec-detached "$(dk exec $c cat /tmp/detached)" x
is exec-user "$(dk exec -u 5:6 -w /tmp -e A=b $c sh -c 'id -u; pwd; echo $A' | tr '\n' ' ')" "5 /tmp b "
dk pause $c > /dev/null; is pause "$(dk inspect -f '{{.State.Status}}' $c)" paused
dk unpause $c > /dev/null; is unpause "$(dk inspect -f '{{.State.Status}}' $c)" running
dk update -m 100m --memory-swap 100m $c > /dev/null 2>&1; is update $? 0
dk stop -t 5 $c > /dev/null; is stop "$(dk inspect -f '{{.State.Status}} {{.State.ExitCode}}' $c)" "exited 9"
dk start $c > /dev/null; is start-again "$(dk inspect -f '{{.State.Status}}' $c)" running
dk kill -s KILL $c > /dev/null; is kill "$(dk wait $c)" 137
dk rm $c > /dev/null; is rm $? 0
dk run --rm $R bb:ci /nonexistent > /dev/null 2>&1; is missing-path $? 127
dk run --rm $R bb:ci nonexistent > /dev/null 2>&1; is missing-program $? 127
dk run --rm $R bb:ci /etc/passwd > /dev/null 2>&1; is not-executable $? 126
is user "$(dk run --rm $R -u 7:8 bb:ci id -u)" 7
is hostname "$(dk run --rm $R -h box bb:ci hostname)" box
is workdir-env "$(dk run --rm $R -w /tmp -e A=b bb:ci sh -c 'pwd; echo $A' | tr '\n' ' ')" "/tmp b "
mkdir "$LAB/vol"; echo data > "$LAB/vol/f"
is volume "$(dk run --rm $R -v "$LAB/vol:/vol" bb:ci sh -c 'cat /vol/f; echo new > /vol/g; echo w' | tr '\n' ' ')$(cat "$LAB/vol/g")" "data w new"
has volume-readonly "$(dk run --rm $R -v "$LAB/vol:/vol:ro" bb:ci sh -c 'echo x > /vol/h' 2>&1)" "Read-only"
has read-only "$(dk run --rm $R --read-only bb:ci touch /x 2>&1)" "Read-only"
is limits "$(dk run --rm $R --ulimit nofile=77:99 bb:ci sh -c 'ulimit -n')" 77
is init "$(dk run --rm $R bb:ci sh -c 'echo $$')" 1
c=$(dk create $R bb:ci cat /tmp/copied); echo copied > "$LAB/copied"
dk cp "$LAB/copied" $c:/tmp/copied > /dev/null 2>&1; is cp-before-start "$(dk start -a $c)" copied
dk rm $c > /dev/null
c=$(dk run -d $R bb:ci sh -c 'echo changed > /changed; sleep 1000')
for i in $(seq 30); do [ -n "$(dk diff $c | grep changed)" ] && break; sleep 0.1; done
has diff "$(dk diff $c)" "A /changed"
dk rm -f $c > /dev/null; is rm-force $? 0
c=$(dk run -d $R -m 64m --pids-limit 10 --cpuset-cpus 0 --device /dev/null:/dev/xnull --cap-drop ALL --cap-add CHOWN --tmpfs /mnt:size=1m \
	--shm-size 5m --stop-signal USR1 --health-cmd 'test -e /bin/sh' --health-interval 1s bb:ci sh -c 'trap "exit 5" USR1; while :; do sleep 1; done')
is over-memory "$(dk exec $c sh -c 'tail /dev/zero > /dev/null; echo $?' 2> /dev/null)" 137
is over-memory-lives "$(dk inspect -f '{{.State.Status}}' $c)" running
is over-pids "$(dk exec $c sh -c 'i=0; while [ $i -lt 15 ]; do sleep 3 & i=$((i+1)); done 2> /dev/null; echo none')" ""
is cpuset "$(dk exec $c nproc)" 1
is device "$(dk exec $c sh -c 'echo x > /dev/xnull; stat -c "%F %t %T" /dev/xnull')" "character special file 1 3"
is capabilities "$(dk exec $c awk '/CapEff/ {print $2}' /proc/self/status)" 0000000000000001
is tmpfs-and-shm "$(dk exec $c df /mnt /dev/shm | awk 'NR > 1 {print $2}' | tr '\n' ' ')" "1024 5120 "
dk cp "$LAB/copied" $c:/tmp/running > /dev/null 2>&1; is cp-into-running "$(dk exec $c cat /tmp/running)" copied
is cp-out-of-running "$(dk cp $c:/tmp/running - | tar xO)" copied
o=$(pty '# :(echo be""gun && sleep 1000)\r;begun:\x03;^C:echo aft""er && exit 3\r' docker exec -it -e PS1='# ' $c sh); is exec-interrupt $? 3
has exec-after-interrupt "$o" after
is stats "$(dk stats --no-stream --format '{{.MemUsage}}' $c | grep -c '/ 64MiB')" 1
is health "$(dk inspect -f '{{.State.Health.Status}}' $c)" healthy
dk stop -t 5 $c > /dev/null; is stop-signal "$(dk inspect -f '{{.State.ExitCode}}' $c)" 5
dk rm $c > /dev/null
c=$(dk run -dit $R -e PS1='# ' bb:ci sh)
o=$(pty '# :stty size\r;40 100:\x10\x11' docker attach $c); has attach "$o" "40 100"
is detached "$(dk inspect -f '{{.State.Status}}' $c)" running
pty '# :exit 6\r' docker attach $c > /dev/null; is attach-again $? 6
dk rm $c > /dev/null
c=$(dk run -d $R --restart on-failure:1 bb:ci sh -c 'exit 1')
for i in $(seq 30); do [ "$(dk inspect -f '{{.RestartCount}} {{.State.Status}}' $c)" = "1 exited" ] && break; sleep 0.1; done
is restart-policy "$(dk inspect -f '{{.RestartCount}} {{.State.Status}}' $c)" "1 exited"
dk rm $c > /dev/null
is privileged "$(dk run --rm $R --privileged bb:ci sh -c 'test -c /dev/null && mount -t tmpfs x /tmp && echo mounted')" mounted
# containerd without Docker: the same daemon, by its own client.
printf '#!/bin/sh\nexec "%s" %s "$@"\n' "$RUNSC" "$FLAGS" > "$LAB/rt"; chmod +x "$LAB/rt"
ct() { timeout -k 5 60 ctr -a "$D/exec/containerd/containerd.sock" "$@"; }
ctrun() { ct run --rootfs --runc-binary "$LAB/rt" --runc-root "$LAB/ctr" "$@"; }
is ctr-run "$(ctrun --rm "$LAB/rootfs" ctr1 /bin/echo hello)" hello
ctrun --rm "$LAB/rootfs" ctr1 /bin/sh -c 'exit 7'; is ctr-status $? 7
has ctr-missing "$(ctrun --rm "$LAB/rootfs" ctr1 /nonexistent 2>&1)" "no such file or directory"
ctrun -d "$LAB/rootfs" ctr2 /bin/sleep 1000
o=$(ct task exec --exec-id e ctr2 /bin/sh -c 'echo ex; exit 3'); is ctr-exec "$o/$?" ex/3
ct task kill -s KILL ctr2; for i in $(seq 30); do ct task ls | grep -q STOPPED && break; sleep 0.1; done
ct task rm ctr2 2> /dev/null; ct container rm ctr2; is ctr-rm "$(ct container ls -q)" ""
# A Debian image, as a person uses it: the tree of programs.sh, without what is large.
if [ -e "$OUT/debian/.done" ]; then
	tar -C "$OUT/debian/" --exclude=./usr/lib/gcc --exclude=./usr/lib/python3* --exclude=./usr/share --exclude=./var/cache \
		--exclude=./proc --exclude=./sys --exclude=./dev -c . | docker import - debian:ci > /dev/null
	o=$(timeout 60 script -qec "docker run -it --rm $R debian:ci bash -c 'ps; grep PRETTY /etc/os-release; true'" /dev/null < /dev/null)
	has debian "$o" "Debian GNU/Linux 12"
	has debian-ps "$o" "PID TTY          TIME CMD"
	has debian-bash-is-1 "$o" "1 pts/0    00:00:00 bash"
else
	echo "skip debian: no tree; selftest/programs.sh makes it"
fi
for i in $(seq 20); do [ -z "$(mine)" ] && break; sleep 0.1; done
is nothing-left-behind "$(for p in $(mine); do tr '\0' ' ' < /proc/$p/cmdline | cut -c1-100; done)" ""
