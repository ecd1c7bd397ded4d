# jobs.sh - an interactive bash under a terminal: prompt, ^C, ^Z, bg, fg, ^D, ps.
for p in bash python3 ps; do command -v $p > /dev/null || { echo "skip jobs: needs $p"; exit 0; }; done
. ./lib.sh
cat > "$LAB/type.py" <<-'PY'
	# Types the keys, and waits for what must follow; a key that is for a program is
	# typed when that has said that it is there.
	import os, pty, select, sys, time
	steps = [
	    ("terminal", "echo $(tty) is-$((40+2))\n", "/dev/pts/0 is-42\n$> "),
	    ("foreground", "sh -c 'echo ready; exec sleep 1000'\n", "\nready\n"),
	    ("interrupt", "\x03", "^C\n$> "),
	    ("interrupt-status", "echo status-$?\n", "\nstatus-130\n$> "),
	    ("foreground-2", "python3 -c 'from signal import *; signal(SIGCONT, lambda *_: print(\"back\", flush=True)); "
	     "print(\"ready\", flush=True); [pause() for _ in iter(int, 1)]'\n", "\nready\n"),
	    ("stop", "\x1a", "Stopped"),
	    ("stop-status", "echo status-$?\n", "\nstatus-148\n$> "),
	    ("fg", "fg\n", "\nback\n"),
	    ("stop-again", "\x1a", "Stopped"),
	    ("bg", "bg\n", "back\n"),
	    ("jobs", "jobs\n", "Running"),
	    ("kill-job", "kill %1; wait %1; echo killed-$?\n", "\nkilled-143\n$> "),
	    ("pipeline", "echo ready; cat | tr a-z A-Z\n", "\nready\n"),
	    ("end-of-file", "upper\n\x04", "UPPER\n$> "),
	    ("ps", "ps\n", "PID TTY          TIME CMD"),
	    ("bash-is-1", "echo shell-$$\n", "\nshell-1\n$> "),
	    ("exit", "\x04", "exit"),
	]
	pid, fd = pty.fork()
	if pid == 0:
	    os.execv(sys.argv[1], sys.argv[1:])
	buf = ""
	def expect(name, text):
	    global buf
	    end = time.time() + 60
	    while text not in buf:
	        d = b""
	        if select.select([fd], [], [], max(0, end - time.time()))[0]:
	            try:
	                d = os.read(fd, 4096)
	            except OSError:
	                pass
	        if not d:
	            print("FAIL %s: no %r in %r" % (name, text, buf))
	            sys.exit(1)
	        buf += d.decode().replace("\r", "")
	    buf = buf[buf.index(text) + len(text):]
	    print("ok " + name)
	expect("prompt", "$> ")
	for name, keys, want in steps:
	    os.write(fd, keys.encode())
	    expect(name, want)
	status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
	print("ok status" if status == 0 else "FAIL status: %d" % status)
PY
timeout 200 python3 "$LAB/type.py" "$RUNSC" --root "$ROOT" $FLAGS do -- \
	env TERM=dumb PS1='$> ' HISTFILE= bash --norc --noprofile -i
nothing nothing-left
