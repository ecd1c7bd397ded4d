#!/bin/bash
# programs.sh <build> - real programs, from a Debian tree, on the host and in the sandbox.
#
# Makes the tree with debootstrap (once, in <build>/debian), runs each command in it by
# chroot on the host and by `runsc run` in the sandbox, and demands the same output
# and status.  LONG=1 adds programs-long.sh, in a larger tree; ONLY='git|python .*'
# selects by name.  Needs root.
set -u
out=$(cd "$1" && pwd)
tree=$out/debian
runsc=$out/runsc
packages=procps,python3,libpython3.11-testsuite,gcc,libc6-dev,git,sqlite3,perl,make,file,xz-utils,busybox-static,bsdextrautils
passed=0 failed=0 skipped=0
work=$(mktemp -d)
root=readonly
trap 'rm -rf "$work"' EXIT

if [ "$(id -u)" != 0 ] || ! command -v debootstrap > /dev/null; then
	echo "skip programs: needs root and debootstrap"
	echo "0 passed, 0 failed, 1 skipped"
	exit 0
fi

mirror() { # the first Debian archive that this machine uses
	cat /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list 2> /dev/null |
		grep -vE '^ *#' | grep -oE 'https?://[^ ]*/debian/?( |$)' | head -n 1
}

if [ ! -e "$tree/.done" ]; then
	rm -rf "$tree"
	# shellcheck disable=SC2046
	if ! debootstrap --variant=minbase --include="$packages" bookworm "$tree" $(mirror) > "$out/debootstrap.log" 2>&1; then
		echo "FAIL: debootstrap: $(tail -n 1 "$out/debootstrap.log")"
		echo "0 passed, 1 failed, 0 skipped"
		exit 1
	fi
	touch "$tree/.done"
fi

# A bundle on the tree, read-only unless $root says otherwise, with a tmpfs on /tmp.
mkdir -p "$work/bundle"
(cd "$work/bundle" && "$runsc" spec -- /bin/bash -c true)
config() { # command
	python3 - "$work/bundle/config.json" "$tree" "$root" "$1" << 'PY'
import json, sys
path, tree, root, command = sys.argv[1:]
c = json.load(open(path))
c["root"] = {"path": tree, "readonly": root == "readonly"}
p = c["process"]
p.update(terminal=False, args=["/bin/bash", "-c", command], cwd="/tmp",
         env=["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/tmp", "LC_ALL=C.UTF-8"])
p["rlimits"] = [{"type": "RLIMIT_NOFILE", "hard": 4096, "soft": 1024}]
caps = ["CAP_" + n for n in "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD SETGID SETUID SETFCAP SETPCAP SYS_CHROOT KILL AUDIT_WRITE".split()]
p["capabilities"] = {k: caps for k in ("bounding", "effective", "permitted")}
c["mounts"] = [m for m in c["mounts"] if m["destination"] != "/tmp"] + [
    {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev", "mode=1777"]}]
c["hostname"] = "debian"
json.dump(c, open(path, "w"))
PY
}

native() { # the same on the host, with the same capabilities: own mounts, so that nothing stays
	unshare --mount --pid --fork --uts -- bash -c '
		mount --bind "$1" "$1" && { [ "$3" != readonly ] || mount -o remount,bind,ro "$1"; } &&
		mount -t tmpfs -o mode=1777 tmpfs "$1/tmp" && mount -t sysfs -o ro sysfs "$1/sys" &&
		mount -t proc proc "$1/proc" && mount -t tmpfs tmpfs "$1/dev" && mkdir "$1/dev/pts" "$1/dev/shm" &&
		for d in null zero full random urandom tty; do touch "$1/dev/$d" && mount --bind "/dev/$d" "$1/dev/$d"; done &&
		ln -s /proc/self/fd "$1/dev/fd" && ln -s fd/0 "$1/dev/stdin" && ln -s fd/1 "$1/dev/stdout" && ln -s fd/2 "$1/dev/stderr" && mount -t devpts -o newinstance,ptmxmode=666 devpts "$1/dev/pts" && ln -s pts/ptmx "$1/dev/ptmx" &&
		mount -t tmpfs -o mode=1777 tmpfs "$1/dev/shm" && hostname debian && ulimit -n 1024 &&
		exec setpriv --bounding-set="$4" chroot "$1" /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
			HOME=/tmp LC_ALL=C.UTF-8 /bin/bash -c "cd /tmp && $2"' - "$tree" "$1" "$root" \
		-all,+chown,+dac_override,+fsetid,+fowner,+mknod,+setgid,+setuid,+setfcap,+setpcap,+sys_chroot,+kill,+audit_write
}

wanted() { # name
	[[ $1 =~ ^(${ONLY:-.*})$ ]]
}

try() { # name command: same output and status on both sides
	local a b
	wanted "$1" || return
	config "$2"
	native "$2" > "$work/native" 2> "$work/native.err" < /dev/null
	a=$?
	timeout -k 5 "${LIMIT:-180}" "$runsc" --root="$work/state" --network=none run --bundle "$work/bundle" "prog-$$-$passed-$failed" \
		> "$work/ours" 2> "$work/ours.err" < /dev/null
	b=$?
	if [ $a = $b ] && cmp -s "$work/native" "$work/ours"; then
		passed=$((passed + 1))
		echo "ok   $1"
	else
		failed=$((failed + 1))
		echo "FAIL $1: status $a on the host, $b in the sandbox"
		diff "$work/native" "$work/ours" | head -n 20
		tail -n 5 "$work/ours.err"
	fi
}

try bash 'x=0; for i in {1..500}; do x=$((x + i)); done; echo $x; echo ${BASH_VERSION%%.*}; (exit 7); echo $?; echo a b c | while read -r p q; do echo "$q"; done; trap "echo bye" EXIT; diff <(echo 1) <(echo 2); wait; kill -0 $$ && echo alive'
try jobs 'set -m; sleep 100 & sleep 200 & jobs; kill %1; wait %1; echo $?; kill -STOP %2; sleep 0.1; jobs; kill -CONT %2; kill %2; wait %2 2> /dev/null; echo $?'
try find 'find / -xdev | wc -l; find /usr -xdev -type f -size +100k | sort | sha256sum'
try coreutils 'seq 100000 | sort -R --random-source=/bin/bash | sort -n | md5sum; head -c 1000000 /bin/bash | base64 | tr a-z A-Z | sha1sum; ls -laR /etc | grep -v "^total" | wc -l; df /tmp | wc -l; stat -c "%a %U %s %F" /etc/passwd /bin /tmp; date -u -d @0; printf "%s\n" {1..20} | shuf -n 20 | sort -n | paste -sd+ | bc 2> /dev/null; touch -d "2001-02-03 04:05:06.789" t && stat -c %y t; mkdir -p a/b/c && mv a z && cp -a z y && ls -R; ln z/b x 2>&1; ln -s z l && readlink -f l/b; dd if=/dev/zero of=s bs=1 count=1 seek=1M 2> /dev/null; du -k s; truncate -s 5 s; od -c s; timeout 0.2 sleep 5; echo $?; nproc --all | wc -l; yes | head -n 3; tee q < /etc/hostname > /dev/null; cksum /bin/ls; factor 1234567890; split -n 3 /etc/passwd && cat xa? | cmp - /etc/passwd && echo same; mktemp -u XXXX | wc -c; id; env | grep -v OLDPWD | sort; sync; expr 6 \* 7; test -x /bin/sh && echo x; mkfifo p && (echo fifo > p & cat p); chmod 750 q && stat -c %A q; chown 1:2 q && stat -c %u:%g q; install -m 600 q r && stat -c %a r; rm -rf z y l && ls | wc -l'
try tar 'tar cf u.tar -C / usr/bin usr/lib/python3 usr/share/perl && mkdir o && tar xf u.tar -C o && for d in / o; do (cd $d && find usr/bin usr/lib/python3 usr/share/perl -type f | sort | xargs sha256sum | sha256sum); done; tar cJf e.txz /etc 2> /dev/null && tar tJf e.txz | wc -l'
try perl 'perl -Mthreads -e "my \$s = 0; \$s += \$_->join for map { my \$i = \$_; threads->create(sub { \$i * 2 }) } 1 .. 20; print qq(\$s\n)"; perl -MSocket -e "socketpair A, B, AF_UNIX, SOCK_STREAM, 0; syswrite A, q(x); sysread B, \$b, 1; print qq(\$b\n); \$SIG{ALRM} = sub { print qq(alarm\n) }; alarm 1; select undef, undef, undef, 5"; perl -MPOSIX -e "print join(q(,), map { \$_ ** 2 } 1 .. 9), qq(\n); my \$p = fork; if (!\$p) { exit 3 } waitpid \$p, 0; print \$? >> 8, qq(\n); open my \$f, q(-|), q(echo piped); print <\$f>; printf qq(%s\n), strftime(q(%Y), gmtime 0)"'
try python 'python3 -c "
import os, sys, threading, subprocess, multiprocessing, hashlib, asyncio, mmap, tempfile, json
print(6*7, sys.version_info[:2], hashlib.sha256(b\"x\").hexdigest())
r=[]; t=[threading.Thread(target=lambda i=i: r.append(i)) for i in range(50)]
[x.start() for x in t]; [x.join() for x in t]; print(sum(r))
print(subprocess.run([\"sh\",\"-c\",\"echo sub; exit 4\"],capture_output=True))
with multiprocessing.Pool(3) as p: print(p.map(abs, range(-5,5)))
async def f():
    p=await asyncio.create_subprocess_exec(\"echo\",\"async\",stdout=-1); return await p.communicate()
print(asyncio.run(f()))
with tempfile.TemporaryFile() as f:
    f.write(b\"0\"*8192); f.flush(); m=mmap.mmap(f.fileno(),8192); m[5000:5003]=b\"abc\"; f.seek(4999); print(f.read(5))
"'
try compileall 'cp -r /usr/lib/python3.11/json /usr/lib/python3.11/asyncio /usr/lib/python3.11/email . && python3 -m compileall -q -f json asyncio email; echo $?; find . -name "*.pyc" | wc -l'
try gcc 'printf "#include <stdio.h>\nint main(void){puts(\"hello\");return 5;}\n" > h.c && gcc -O2 h.c && ./a.out; echo $?; gcc -static h.c -o s && ./s; echo $?; gcc -g -pthread -x c - -o t <<< "#include <pthread.h>
void *f(void *p) { return p; } int main(void) { for (int i = 0; i < 100; i++) { pthread_t t; pthread_create(&t, 0, f, 0); pthread_join(t, 0); } return 9; }" && ./t; echo $?'
try make 'for i in {1..20}; do echo "int f$i(int x) { return x + $i; }" > f$i.c; done; echo "int main(void) { return 0; }" > main.c; printf "O=\$(patsubst %%.c,%%.o,\$(wildcard *.c))\na.out: \$(O)\n\t@gcc \$^\n%%.o: %%.c\n\t@gcc -c \$<\n" > Makefile; make -j4 && ./a.out; echo $?; ls *.o | wc -l'
try git 'git init -q r && cd r && git config user.email a@b.c && git config user.name n && export GIT_AUTHOR_DATE=@1000000000+0000 GIT_COMMITTER_DATE=@1000000000+0000; for i in {1..20}; do echo $i > f$i; git add . ; git commit -qm "c $i"; done; git log --oneline | md5sum; git gc -q; git fsck; git clone -q . ../c && cd ../c && git log | wc -l; git checkout -q -b x HEAD~5 && ls | wc -l; git merge -q master 2>&1; git status -s | wc -l'
try sqlite 'sqlite3 t.db "create table t(a integer primary key, b text); begin; with recursive c(x) as (select 1 union all select x + 1 from c where x < 100000) insert into t select x, hex(x) from c; commit; select count(*), sum(a), max(b) from t; create index i on t(b); pragma integrity_check; pragma journal_mode=wal; delete from t where a % 2; select count(*) from t; vacuum;"; sqlite3 t.db "select sum(a) from t"'
try dpkg 'apt-get --version | head -n 1; dpkg -l | wc -l; dpkg -L bash | md5sum; dpkg --verify bash; echo $?; apt-cache policy bash | head -n 2'
try procps 'ps | awk "{ print \$2, \$4 }"; ps -o pid,ppid,stat,comm | wc -l; pgrep -c bash; free | wc -l; uptime | wc -l; top -b -n 2 -d 0.1 | grep -c "PID USER"; ps aux | head -n 1; cat /proc/self/comm; readlink /proc/self/exe; tr "\0" " " < /proc/self/cmdline; echo; head -c 4 /proc/self/maps | wc -c; grep -c . /proc/self/status > /dev/null && echo status; wc -l < /proc/self/limits'
try busybox 'busybox sh -c "echo static; busybox ls / | busybox wc -l; busybox ps | busybox wc -l > /dev/null; busybox uname -s"'
# Names of tests that open AF_INET or AF_NETLINK sockets, which there are none of yet.
inet="-i test.test_os.TestSendfile* -i test_invalid_socket -i test_set_wakeup_fd_socket_result
	-i test.test_largefile.TestSocketSendfile* -i test_ifconfig_getnode -i test_ip_getnode
	-i test_listener_client -i test_issue16955 -i test_multiple_bind -i test_rapid_restart -i test_wait_socket -i test_wait_socket_slow
	-i test_closefd -i *TestTimeouts.test_timeout -i *TestRemoteManager.test_remote -i *PicklingConnections.test_pickling
	-i *UnixSockSendfile* -i *path_inetsock"

# Each of python's tests with its outcome: what `python3 -m test` counts is not enough.
outcomes='
import re, xml.etree.ElementTree as tree
for case in sorted(tree.parse("junit").iter("testcase"), key=lambda c: c.get("name")):
    print(case.get("name"), *(re.sub("[0-9]+", "N", k.text or "") if k.tag == "skipped" else k.tag
                              for k in case if k.tag in ("skipped", "failure", "error")))'

python_tests() { # name what: a module, and patterns of `python3 -m test`
	try "python $1" "python3 -m test --junit-xml junit ${inet//[[:space:]]/ } $2 > log 2>&1; echo status \$?; grep '^Tests result' log; python3 -c '$outcomes' || tail -n 20 log"
}

try tty 'script -qec "tty | cut -c 1-9; stty size; stty -a | grep -c isig; sleep 0.1 & jobs | cut -c 1-20; wait; cat" /dev/null <<< "typed" | tr -d "\r"'
try daemon '(setsid sh -c "sleep 0.2; echo from a daemon > d" > /dev/null 2>&1 &); while ! [ -s d ]; do sleep 0.1; done; cat d; (trap "" HUP; sleep 0.3; echo survived > s) & disown; while ! [ -s s ]; do sleep 0.1; done; cat s'
try xz 'seq 1 200000 | xz -T2 -1 | xz -dc | md5sum'
python_tests system "test_os test_select test_time test_fcntl test_mmap test_posix test_pty test_openpty test_fileio test_stat test_resource test_pwd"
if [ -n "${LONG:-}" ]; then
	. "$(dirname "$0")/programs-long.sh"
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ] && [ $passed != 0 ]
