# lifecycle.sh - run, create, start, state, list, ps, kill, wait, pause, delete.
. ./lib.sh

b=$(bundle hello echo hello)
is run "$(rt run --bundle "$b" h)" hello
b=$(bundle status sh -c 'exit 7')
rt run --bundle "$b" s; is run-status $? 7
b=$(bundle signal sh -c 'sh -c "kill -9 \$\$"; exit $?')
rt run --bundle "$b" s; is run-status-of-a-child $? 137
b=$(bundle cat cat)
is run-stdin "$(echo in | rt run --bundle "$b" c)" in
b=$(bundle stderr sh -c 'echo e >&2')
is run-stderr "$(rt run --bundle "$b" e 2>&1 > /dev/null)" e
nothing nothing-after-run

b=$(bundle sleep sleep 1000)
rt create --bundle "$b" --pid-file "$LAB/pid" c < /dev/null > "$LAB/out" 2>&1
is create $? 0
pid=$(cat "$LAB/pid")
is pid-file-has-no-newline "$(wc -c < "$LAB/pid")" ${#pid}
has state-created "$(rt state c)" '"status": "created"'
has state-pid "$(rt state c)" "\"pid\": $pid"
has sandbox-command-line "$(tr '\0' ' ' < /proc/$pid/cmdline)" "runsc-sandbox --root=$ROOT "
is sandbox-is-nobody "$(stat -c %u /proc/$pid)" 65534
is sandbox-root-is-empty "$(ls /proc/$pid/root/)" ""
is sandbox-filter "$(awk '/^Seccomp:/ {print $2}' /proc/$pid/status)" 2
is sandbox-capabilities "$(awk '/^Cap(Prm|Eff|Bnd)/ {print $2}' /proc/$pid/status | sort -u)" 0000000000000000
for ns in user pid ipc uts mnt net; do
	[ "$(readlink /proc/$pid/ns/$ns)" != "$(readlink /proc/self/ns/$ns)" ] && ok "own-$ns-namespace" || fail "own-$ns-namespace" "is the host's"
done
g=$(pgrep -f "^runsc-gofer --root=$ROOT ")
is gofer-capabilities "$(awk '/^Cap(Prm|Eff|Bnd)/ {print $2}' /proc/$g/status | sort -u)" 000000000000001f
is gofer-filter "$(awk '/^Seccomp:/ {print $2}' /proc/$g/status)" 2
is gofer-root "$(ls /proc/$g/root/)" 0
rt delete c; is delete-created $? 0
nothing nothing-after-delete

rt create --bundle "$b" c < /dev/null > "$LAB/out" 2>&1
rt start c; is start $? 0
has state-running "$(rt state c)" '"status": "running"'
is list-quiet "$(rt list -quiet)" c
has list "$(rt list | tail -n 1)" running
is list-json "$(rt list --format json | python3 -c 'import json,sys; print(json.load(sys.stdin)[0]["id"])')" c
is ps-json "$(rt ps --format json c)" "[1]"
has ps-table "$(rt ps c | tail -n 1)" sleep
rt start c 2> /dev/null; is start-twice $? 128
has create-twice "$(rt create --bundle "$b" c 2>&1)" "already exists"
rt delete c 2> /dev/null; is delete-running $? 128
has debug-by-pid "$(rt debug --pid "$(rt state c | awk '/"pid"/ {print $2 + 0}')" --ps)" "CMD"
rt pause c; has paused "$(rt state c)" '"status": "paused"'
rt resume c; has resumed "$(rt state c)" '"status": "running"'
has events "$(rt events --stats c)" '"type":"stats"'
rt wait c > "$LAB/wait" & w=$!
# As on Linux, what has no handler in a first process is not killed by TERM.
rt kill c TERM; is kill $? 0
has survives-term "$(rt state c)" '"status": "running"'
rt kill c SIGKILL
wait $w; is wait "$(cat "$LAB/wait")" '{"id":"c","exitStatus":137}'
has state-stopped "$(rt state c)" '"status": "stopped"'
is wait-stopped "$(rt wait c)" '{"id":"c","exitStatus":137}'
has kill-stopped "$(rt kill c 9 2>&1)" "container not running"
rt delete c; is delete-stopped $? 0
has delete-unknown "$(rt delete c 2>&1)" "does not exist"
rt delete --force c; is delete-force-unknown $? 0

rt run --detach --bundle "$b" d < /dev/null > "$LAB/out" 2>&1
is run-detach $? 0
has run-detach-state "$(rt state d)" '"status": "running"'
rt kill --all d KILL; is kill-all $? 0
rt delete --force d
rt run --detach --bundle "$b" d < /dev/null > "$LAB/out" 2>&1
rt delete --force d; is delete-force-running $? 0
b=$(bundle userlog python3 -c 'import ctypes; ctypes.CDLL(None).syscall(999)')
edit "$b" "d['root']={'path':'/','readonly':True}"
rt run --user-log "$LAB/user.log" --bundle "$b" u < /dev/null
has user-log "$(cat "$LAB/user.log")" "python3: system call 999 is not implemented"
has user-log-bad "$(rt run --user-log /nonexistent/x --bundle "$b" u 2>&1 < /dev/null)" "--user-log=/nonexistent/x: No such file"
nothing nothing-at-the-end
