# lib.sh - what every lifecycle script uses; source it with $1 = the build folder.
#
# A script is a list of checks: ok NAME, fail NAME WHY, or skip NAME WHY, one line
# each.  Everything it makes lies below $LAB, and clean() must find nothing left.
set -u
OUT=$(readlink -f "${1:-build}")
RUNSC=${RUNSC:-$OUT/runsc}
LAB=$(mktemp -d /tmp/runsc-oci.XXXXXX)
ROOT=$LAB/state
FLAGS=${RUNSC_FLAGS-"--platform=ptrace --network=none"}
BUSYBOX=${BUSYBOX:-$(command -v busybox || true)}
trap 'cleanup' EXIT

ok() { echo "ok $1"; }
fail() { echo "FAIL $1: $2"; }
skip() { echo "skip $1: $2"; exit 0; }
is() { # NAME GOT WANT
	if [ "$2" = "$3" ]; then ok "$1"; else fail "$1" "got '$2', not '$3'"; fi
}
has() { # NAME TEXT PATTERN
	case "$2" in *$3*) ok "$1" ;; *) fail "$1" "'$3' is not in: $2" ;; esac
}

# The runtime, never for longer than a stuck test may take.  RT_LIMIT: a slow machine
rt() { timeout -k 5 "${RT_LIMIT:-60}" "$RUNSC" --root "$ROOT" $FLAGS "$@"; }

cleanup() {
	local id
	for id in $(timeout 20 "$RUNSC" --root "$ROOT" list -quiet 2>/dev/null); do
		timeout 20 "$RUNSC" --root "$ROOT" delete --force "$id" 2>/dev/null
	done
	rm -rf "$LAB"
}

[ "$(id -u)" = 0 ] || skip root "needs root"
[ -n "$BUSYBOX" ] || skip busybox "needs busybox-static"
if file -L "$BUSYBOX" 2>/dev/null | grep -q 'dynamically linked'; then skip busybox "busybox is not static"; fi

# A root tree with busybox under all its names; $LAB/rootfs.
make_rootfs() {
	local a r=$LAB/rootfs
	mkdir -p "$r"/{bin,etc,tmp,root,proc,dev,sys,run}
	cp "$BUSYBOX" "$r/bin/busybox"
	for a in $("$BUSYBOX" --list); do [ -e "$r/bin/$a" ] || ln -s busybox "$r/bin/$a"; done
	echo 'root:x:0:0:root:/root:/bin/sh' > "$r/etc/passwd"
	echo 'root:x:0:' > "$r/etc/group"
}
make_rootfs

# bundle NAME COMMAND...: a bundle that runs it; config.json by `runsc spec`.
bundle() {
	local b=$LAB/$1
	shift
	rm -rf "$b"
	mkdir -p "$b"
	ln -s "$LAB/rootfs" "$b/rootfs"
	rt spec --bundle "$b" -- "$@"
	echo "$b"
}
# edit BUNDLE PYTHON: changes the config as the dictionary d.
edit() {
	python3 - "$1/config.json" "$2" <<-'PY'
	import json, sys
	d = json.load(open(sys.argv[1]))
	exec(sys.argv[2])
	json.dump(d, open(sys.argv[1], "w"), indent=1)
	PY
}
# pty TEXT:KEYS;... COMMAND...: on a terminal of 40 by 100; types the keys when the text has come.
pty() {
	timeout -k 5 60 python3 - "$@" <<-'PY'
	import fcntl, os, pty, select, struct, sys, termios
	keys = [k.split(":", 1) for k in sys.argv[1].split(";") if k]
	master, slave = os.openpty()
	fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
	pid = os.fork()
	if not pid:
	    os.login_tty(slave)
	    os.execvp(sys.argv[2], sys.argv[2:])
	os.close(slave)
	out, seen = b"", 0
	while True:
	    if select.select([master], [], [], 0.05)[0]:
	        try:
	            more = os.read(master, 4096)
	        except OSError:
	            break
	        out += more
	    while keys and keys[0][0].encode() in out[seen:]:
	        seen = len(out)
	        os.write(master, keys.pop(0)[1].encode().decode("unicode_escape").encode("latin1"))
	print(out.decode(errors="replace").replace("\r", ""))
	sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
	PY
}
# What is left of ours: processes by their --root, mounts, state files, cgroups.
left() {
	local p
	for p in /proc/[0-9]*; do
		# A zombie has no command line, and counts as gone.
		if { tr '\0' ' ' < "$p/cmdline"; } 2>/dev/null | grep -q -- "^runsc-[a-z]* .*--root=$ROOT "; then
			echo "process ${p#/proc/}: $(tr '\0' ' ' < "$p/cmdline" | cut -c1-60)"
		fi
	done
	grep -F "$LAB" /proc/mounts
	[ ! -d "$ROOT" ] || find "$ROOT" -mindepth 1
}
# nothing NAME: left() must be empty, within a second of the last command.
nothing() {
	local i l
	for i in 1 2 3 4 5 6 7 8 9 10; do
		l=$(left)
		[ -n "$l" ] || break
		sleep 0.1
	done
	is "$1" "$l" ""
}
