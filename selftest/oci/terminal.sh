# terminal.sh - terminals: --console-socket, and run and exec in the foreground.
. ./lib.sh

b=$(bundle tty sh -c 'test -t 0 && test -t 1 && echo is-a-tty; stty size; cat')
edit "$b" 'd["process"]["terminal"]=True'
cat > "$LAB/engine.py" <<-'PY'
	import array, os, socket, subprocess, sys
	lab, rt = sys.argv[1], sys.argv[2:]
	path = lab + "/tty.sock"
	if os.path.exists(path):
	    os.unlink(path)
	s = socket.socket(socket.AF_UNIX)
	s.bind(path)
	s.listen()
	p = subprocess.Popen(rt, stdin=subprocess.DEVNULL)
	c, _ = s.accept()
	msg, anc, _, _ = c.recvmsg(100, socket.CMSG_SPACE(4))
	fd = array.array("i", anc[0][2])[0]
	assert msg == b"pty-master", msg
	assert p.wait() == 0
	print("master")
	sys.stdout.flush()
	import fcntl, struct, termios
	fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 77, 0, 0))
	if len(sys.argv) and "create" in rt:
	    subprocess.check_call([x for x in rt[:rt.index("create")]] + ["start", rt[-1]])
	out = b""
	os.write(fd, b"typed\n\x04")
	while True:
	    try:
	        d = os.read(fd, 1000)
	    except OSError:
	        break
	    if not d:
	        break
	    out += d
	print(out.decode().replace("\r", ""))
PY
o=$(timeout 60 python3 "$LAB/engine.py" "$LAB" "$RUNSC" --root "$ROOT" $FLAGS create --console-socket "$LAB/tty.sock" --bundle "$b" t 2>&1)
has console-socket "$o" master
has console-socket-is-a-terminal "$o" is-a-tty
has console-socket-size "$o" "33 77"
has console-socket-input "$o" typed
rt delete --force t
# Types when the program is there, as a person would.
cat > "$LAB/type.py" <<-'PY'
	import os, pty, sys
	pid, fd = pty.fork()
	if pid == 0:
	    os.execv(sys.argv[1], sys.argv[1:])
	out, sent = b"", False
	while True:
	    try:
	        d = os.read(fd, 1000)
	    except OSError:
	        break
	    out += d
	    if b"is-a-tty" in out and not sent:
	        sent = os.write(fd, b"typed\n\x04")
	os.waitpid(pid, 0)
	print(out.decode().replace("\r", ""))
PY
o=$(timeout 60 python3 "$LAB/type.py" "$RUNSC" --root "$ROOT" $FLAGS run --bundle "$b" t 2>&1)
has foreground "$o" is-a-tty
has foreground-input "$o" typed
o=$(timeout 60 script -qec "stty rows 21 cols 43; $RUNSC --root $ROOT $FLAGS do stty size" /dev/null < /dev/null 2>&1)
has do-size "$o" "21 43"
# An engine that resizes its end while the program runs: the program gets SIGWINCH.
cat > "$LAB/resize.py" <<-'PY'
	import array, fcntl, os, select, socket, struct, subprocess, sys, termios, time
	path, *rt = sys.argv[1:]
	s = socket.socket(socket.AF_UNIX)
	s.bind(path)
	s.listen()
	p = subprocess.Popen(rt, stdin=subprocess.DEVNULL)
	c, _ = s.accept()
	fd = array.array("i", c.recvmsg(100, socket.CMSG_SPACE(4))[1][0][2])[0]
	assert p.wait() == 0
	out, end, sent = b"", time.time() + 20, False
	while time.time() < end and b"41 99" not in out:
	    if not select.select([fd], [], [], 1)[0]:
	        continue
	    out += os.read(fd, 1000)
	    if b"ready" in out and not sent:
	        sent = fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 41, 99, 0, 0)) or True
	print(out.decode())
PY
W='trap "stty size" WINCH; echo ready; while :; do sleep 0.1; done'
b=$(bundle winch sh -c "$W"); edit "$b" 'd["process"]["terminal"]=True'
has resize-of-run "$(timeout 60 python3 "$LAB/resize.py" "$LAB/w1" "$RUNSC" --root "$ROOT" $FLAGS run --detach --console-socket "$LAB/w1" --bundle "$b" w 2>&1)" "41 99"
has resize-of-exec "$(timeout 60 python3 "$LAB/resize.py" "$LAB/w2" "$RUNSC" --root "$ROOT" $FLAGS exec --tty --detach --console-socket "$LAB/w2" w sh -c "$W" 2>&1)" "41 99"
rt delete --force w
b=$(bundle sleep sleep 1000)
rt run --detach --bundle "$b" c < /dev/null > "$LAB/out" 2>&1
o=$(timeout 60 script -qec "$RUNSC --root $ROOT $FLAGS exec --tty c sh -c 'test -t 0 && echo exec-tty; exit 5'" /dev/null < /dev/null 2>&1)
has exec-tty "$o" exec-tty
has exec-tty-without-socket "$(rt exec --detach --tty c true 2>&1)" "--console-socket"
rt delete --force c
has terminal-without-socket "$(b=$(bundle t true); edit "$b" 'd["process"]["terminal"]=True'; rt create --bundle "$b" x 2>&1)" "--console-socket"
nothing nothing-left
