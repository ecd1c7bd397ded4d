# exec.sh - more processes in a running container.
. ./lib.sh
b=$(bundle sleep sleep 1000)
rt run --detach --bundle "$b" c < /dev/null > "$LAB/out" 2>&1 || fail run "$(cat "$LAB/out")"

is output "$(rt exec c echo hi)" hi
is input "$(echo in | rt exec c cat)" in
rt exec c sh -c 'exit 3'; is status $? 3
rt exec c sh -c 'kill -15 $$'; is status-of-a-signal $? 143
is cwd "$(rt exec --cwd /tmp c pwd)" /tmp
is env "$(rt exec --env A=b c sh -c 'echo $A')" b
is user "$(rt exec --user 5:6 c sh -c 'id -u; id -g' | tr '\n' ' ')" "5 6 "
has missing-program "$(rt exec c nonexistent 2>&1)" "executable file not found"
rt exec c nonexistent 2> /dev/null; is missing-program-status $? 128
echo '{"args":["sh","-c","echo $X; exit 4"],"cwd":"/","env":["X=y","PATH=/bin"],"user":{"uid":0,"gid":0}}' > "$LAB/p.json"
o=$(rt exec --process "$LAB/p.json" c); is process-file "$o/$?" y/4
rt exec --detach --pid-file "$LAB/xpid" --internal-pid-file "$LAB/ipid" c sleep 1000; is detach $? 0
x=$(cat "$LAB/xpid")
has waiter "$(tr '\0' ' ' < /proc/$x/cmdline)" runsc-exec
is waiter-filter "$(awk '/^Seccomp:/ {print $2}' /proc/$x/status)" 2
has inside "$(rt ps --format json c)" "$(cat "$LAB/ipid")"
rt kill --pid "$(cat "$LAB/ipid")" c KILL
# A subreaper of its own sees the waiter's exit status, as an engine does.
python3 - "$RUNSC" "$ROOT" "$LAB" $FLAGS <<-'PY' && ok waiter-status || fail waiter-status "see above"
	import ctypes, os, subprocess, sys
	ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
	rt, root, lab, *flags = sys.argv[1:]
	pidfile = lab + "/sub.pid"
	subprocess.check_call([rt, "--root", root, *flags, "exec", "--detach", "--pid-file", pidfile, "c", "sh", "-c", "exit 9"])
	pid = int(open(pidfile).read())
	_, status = os.waitpid(pid, 0)
	if os.waitstatus_to_exitcode(status) != 9:
	    print("status", status)
	    sys.exit(1)
PY
# Who started a process and died before asking for its end leaves no zombie; who asks late is told.
python3 - "$ROOT" <<-'PY'
	import glob, json, os, socket, struct, sys, time
	os.chdir(sys.argv[1])
	def call(method, arg, fds=[]):
	    s = socket.socket(socket.AF_UNIX)
	    s.connect(glob.glob("*.sock")[0])
	    body = json.dumps({"method": "containerManager." + method, "arg": dict(arg, cid="c")}).encode()
	    head = struct.pack("<I", len(body))
	    socket.send_fds(s, [head], fds) if fds else s.sendall(head)
	    s.sendall(body)
	    data = b""
	    while len(data) < 4 or len(data) < 4 + struct.unpack("<I", data[:4])[0]:
	        data += s.recv(65536)
	    return json.loads(data[4:]).get("result")
	null = os.open("/dev/null", os.O_RDWR)
	process = {"args": ["/bin/sh", "-c", "exit 7"], "cwd": "/"}
	pid = call("ExecuteAsync", {"process": process, "passFds": []}, [null] * 3)["pid"]
	for i in range(100):
	    if pid not in [p["pid"] for p in call("Processes", {})]:
	        print("ok no-zombie")
	        break
	    time.sleep(0.05)
	else:
	    print("FAIL no-zombie: process", pid, "is still there")
	got = [call("WaitPID", {"pid": pid}) for i in range(2)]
	print("ok late-wait" if got == [{"exitStatus": 7}] * 2 else "FAIL late-wait: %s" % got)
PY
# What a guest calls itself must not reach the user's terminal.
rt exec --detach --pid-file "$LAB/n" c sh -c 'printf "\033[31mred\n\377" > /proc/self/comm; sleep 1000; true'
for i in $(seq 20); do rt ps c | grep -q red && break; sleep 0.1; done
has hostile-name "$(rt ps c)" "?[31mred"
is hostile-name-bytes "$(rt ps c | tr -d '\40-\176\n' | wc -c)" 0
rt kill c KILL
rt delete --force c
has not-running "$(rt exec c true 2>&1)" "does not exist"
nothing nothing-left
