# files.sh - the files of a container come from the host through the gofer.
#
# The guest tests of the file calls run on the root (exclusive access) and on a
# bind mount (shared access), and must say what they say on the host.
. ./lib.sh
GROUPS_="link open chown lease dnotify rename rw splice stat getdents fcntl mmap msync mmap_threads execve"
[ -x "$OUT/selftest" ] || skip files "no selftest in $OUT"
cp "$OUT/selftest" "$LAB/rootfs/bin/selftest"
chmod 1777 "$LAB/rootfs/tmp"
all="d['process'].update(noNewPrivileges=False)
names = [l.split()[1] for l in open('/usr/include/linux/capability.h') if l.startswith('#define CAP_') and l.split()[-1].isdigit()]
for k in d['process']['capabilities']: d['process']['capabilities'][k] = names
d['root']['readonly'] = False
d['process']['terminal'] = False"

# Attributes that the gofer keeps from containers by design.
known() { grep -v '"trusted\.' "$1"; }
run_groups() { # NAME: in bundle $b
	local g
	for g in $GROUPS_; do
		"$OUT/selftest" "$g" > "$LAB/native.txt" 2>/dev/null < /dev/null
		edit "$b" "d['process']['args'] = ['/bin/selftest', '$g']"
		rt run --bundle "$b" files > "$LAB/guest.txt" 2>"$LAB/guest.err" < /dev/null
		if diff <(known "$LAB/native.txt") <(known "$LAB/guest.txt") > "$LAB/diff"; then
			ok "$1-$g"
		else
			fail "$1-$g" "$(head -n 12 "$LAB/diff"; tail -n 2 "$LAB/guest.err")"
		fi
	done
}

b=$(bundle root selftest)
edit "$b" "$all"
run_groups exclusive
mkdir -m 1777 "$LAB/shared"
edit "$b" "d['mounts'].append({'destination': '/tmp', 'type': 'bind', 'source': '$LAB/shared', 'options': ['rbind', 'rw']})"
run_groups shared

# A whole tree there and back, on few descriptors: what is only cached must go.
mkdir -p "$LAB/rootfs/data"
for i in $(seq 400); do mkdir "$LAB/rootfs/data/$i"; echo "$i" | tee "$LAB/rootfs/data/$i/a" "$LAB/rootfs/data/$i/b" > /dev/null; done
want=$(cd "$LAB/rootfs/data" && find . -type f | sort | xargs cat | md5sum)
b=$(bundle few sh -c 'cd /data && tar cf /copy.tar . && mkdir /copy && tar xf /copy.tar -C /copy && cd /copy && find . -type f | sort | xargs cat | md5sum; rm -r /data; ls / | grep -c data')
edit "$b" "$all"
is few-descriptors "$(FLAGS="$FLAGS --fdlimit=150" rt run --bundle "$b" files < /dev/null 2>&1)" "$want
0"
[ ! -e "$LAB/rootfs/data" ]; is removed-on-the-host $? 0

# Open files of which there is no descriptor: 9P serves them, mappings too.
edit "$b" "d['process']['args'] = ['/bin/selftest', 'many']; d['process']['cwd'] = '/mnt'"
mkdir -p "$LAB/rootfs/mnt"
(cd "$LAB" && "$OUT/selftest" many) > "$LAB/native.txt" 2>/dev/null < /dev/null
FLAGS="$FLAGS --fdlimit=125" rt run --bundle "$b" files > "$LAB/guest.txt" 2>/dev/null < /dev/null
is few-descriptors-mapped "$(cat "$LAB/guest.txt")" "$(cat "$LAB/native.txt")"

# One file as a mount; what the host does to a shared one is seen.
echo one > "$LAB/one"
b=$(bundle single sh -c 'cat /etc/one; echo two >> /etc/one; cat /etc/one; rm /etc/one; echo x > /etc/ro')
edit "$b" "$all
d['mounts'] += [{'destination': '/etc/one', 'type': 'bind', 'source': '$LAB/one', 'options': ['rbind', 'rw']},
	{'destination': '/etc/ro', 'type': 'bind', 'source': '$LAB/one', 'options': ['rbind', 'ro']}]"
o=$(rt run --bundle "$b" files < /dev/null 2>&1)
has file-mount "$o" "one
one
two"
has file-mount-busy "$o" "busy"
has file-mount-read-only "$o" "Read-only file system"
is file-mount-written "$(cat "$LAB/one")" "one
two"

# The gofer's end is an error, not a hang.
b=$(bundle gone sh -c 'cat /etc/passwd > /dev/null; echo ready; read x; cat /etc/passwd | wc -l; cat /etc/group; echo over')
edit "$b" "$all"
mkfifo "$LAB/in"
rt run --bundle "$b" files < "$LAB/in" > "$LAB/out" 2>&1 & r=$!
exec 5> "$LAB/in"
for i in $(seq 50); do grep -q ready "$LAB/out" && break; sleep 0.1; done
kill -9 $(pgrep -f "^runsc-gofer --root=$ROOT ")
sleep 0.2
echo go >&5
exec 5>&-
wait $r
has gofer-gone-eio "$(cat "$LAB/out")" "error"
has gofer-gone-goes-on "$(cat "$LAB/out")" "over"
rt delete --force files 2>/dev/null
nothing nothing-left
