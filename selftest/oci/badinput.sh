# badinput.sh - one sentence that names cause and remedy, a status, and nothing left.
. ./lib.sh

bad() { # NAME PATTERN BUNDLE [ID]
	local o rc
	rm -f "$LAB/json"
	o=$(rt --log="$LAB/json" --log-format=json create --bundle "$3" "${4-x}" 2>&1 < /dev/null); rc=$?
	is "$1-status" $rc 128
	has "$1" "$o" "$2"
	is "$1-one-line" "$(wc -l <<< "$o")" 1
	is "$1-nothing-left" "$(left)" ""
	# The engine reads the same words, one object an error.
	is "$1-log" "$(python3 -c '
import json, sys
bad = [o for o in map(json.loads, open(sys.argv[1])) if o["level"] == "error"]
print(len(bad), bad[0]["msg"] in sys.argv[2], sorted(bad[0]))' "$LAB/json" "$o")" "1 True ['level', 'msg', 'time']"
}
mkdir "$LAB/empty"
bad no-config "config.json" "$LAB/empty"
mkdir "$LAB/mal"; printf '{\n "ociVersion": "1.0.0",\n "process": {,\n}' > "$LAB/mal/config.json"
bad malformed "line 3" "$LAB/mal"
b=$(bundle field true); edit "$b" 'd["process"]["cwd"]=7'
bad wrong-type "process.cwd: must be a string" "$b"
has names-the-line "$(rt create --bundle "$b" x 2>&1)" "line "
b=$(bundle nosargs true); edit "$b" 'd["process"]["args"]=[]'
bad no-args "process.args" "$b"
b=$(bundle norootfs true); rm "$b/rootfs"
bad no-rootfs "root.path" "$b"
b=$(bundle rootisfile true); rm "$b/rootfs"; touch "$b/rootfs"
bad rootfs-is-a-file "not a directory" "$b"
b=$(bundle prog nonexistent)
bad program-not-found "executable file not found" "$b"
b=$(bundle prog2 /bin/nonexistent)
bad program-path-not-found "no such file or directory" "$b"
b=$(bundle noexec /etc/passwd)
bad not-executable "permission denied" "$b"
printf 'garbage' > "$LAB/rootfs/bin/garbage"; chmod +x "$LAB/rootfs/bin/garbage"
b=$(bundle garbage /bin/garbage)
bad wrong-format "exec format error" "$b"
printf '\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\xb7\0\x01\0\0\0' > "$LAB/rootfs/bin/arm"; head -c 100 /dev/zero >> "$LAB/rootfs/bin/arm"; chmod +x "$LAB/rootfs/bin/arm"
b=$(bundle arm /bin/arm)
bad wrong-architecture "exec format error" "$b"
b=$(bundle ns true); edit "$b" 'd["linux"]["namespaces"].append({"type":"dreams"})'
bad unknown-namespace "no namespace called" "$b"
b=$(bundle rl true); edit "$b" 'd["process"]["rlimits"]=[{"type":"RLIMIT_DREAMS","soft":1,"hard":1}]'
bad unknown-rlimit "RLIMIT_DREAMS" "$b"
b=$(bundle rl2 true); edit "$b" 'd["process"]["rlimits"]=[{"type":"RLIMIT_NOFILE","soft":9,"hard":1}]'
bad soft-above-hard "above the hard limit" "$b"
b=$(bundle mnt true); edit "$b" 'd["mounts"].append({"destination":"/mnt","type":"bind","source":"/nonexistent/x"})'
bad missing-source "/nonexistent/x" "$b"
b=$(bundle netns true); edit "$b" 'd["linux"]["namespaces"]=[{"type":"network","path":"/nonexistent/ns"}]'
bad missing-netns "/nonexistent/ns" "$b"
b=$(bundle good true)
bad slash-in-the-id "only letters" "$b" a/b
bad dots-as-the-id "no name" "$b" ..
b=$(bundle noptrace true)
o=$(timeout 60 python3 deny.py ptrace "$RUNSC" --root "$ROOT" $FLAGS run --bundle "$b" x 2>&1); rc=$?
is no-ptrace-status $rc 128
has no-ptrace "$o" "yama"
is no-ptrace-nothing-left "$(left)" ""
o=$(timeout 60 python3 deny.py userns "$RUNSC" --root "$ROOT" $FLAGS --log="$LAB/log" run --bundle "$b" x 2>&1); rc=$?
is no-user-namespace-runs "$rc $o" "0 "
has no-user-namespace-warns "$(cat "$LAB/log")" "no user namespace"
edit "$b" 'd["linux"]["namespaces"].append({"type":"user"})'
o=$(timeout 60 python3 deny.py userns "$RUNSC" --root "$ROOT" $FLAGS run --bundle "$b" x 2>&1); rc=$?
is user-namespace-asked-for-status $rc 128
has user-namespace-asked-for "$o" "user namespace"
o=$(ROOT=/proc/nowhere rt run --bundle "$b" x 2>&1); rc=$?
is state-directory-status $rc 128
has state-directory "$o" "--root"
b=$(bundle gone true); rt create --bundle "$b" g < /dev/null; rm -rf "$b"
rt delete g; is deleted-bundle $? 0
if mkdir -p "$LAB/full" && mount -t tmpfs -o size=4k,nr_inodes=3 full "$LAB/full"; then
	mkdir "$LAB/full/s"; head -c 8192 /dev/zero > "$LAB/full/fill" 2>/dev/null
	o=$(ROOT=$LAB/full/s rt create --bundle "$(bundle good true)" x 2>&1); rc=$?
	is full-disk-status $rc 128
	has full-disk "$o" "No space left"
	is full-disk-nothing-left "$(ls "$LAB/full/s")" ""
	umount "$LAB/full"
fi
nothing nothing-left
