# cases.sh - what is tried on a host; sourced by init, in the guest, with busybox's shell.
#
# A case is a function; CASES names it, with an argument after a colon.  Each check
# prints one line: ok NAME, FAIL NAME: WHY, skip NAME: WHY.
build=/build
runsc=$build/runsc
state=/tmp/state

ok() { echo "ok $1"; }
fail() { echo "FAIL $1: $2"; }
is() { # NAME GOT WANT
	if [ "$2" = "$3" ]; then ok "$1"; else fail "$1" "got '$2', not '$3'"; fi
}
has() { # NAME TEXT PATTERN
	case "$2" in *$3*) ok "$1" ;; *) fail "$1" "'$3' is not in: $2" ;; esac
}
rt() { timeout -k 5 "${LIMIT:-120}" $runsc --root $state --platform=ptrace --network=none "$@"; }
left() { # what a sandbox may not leave behind
	local p
	for p in /proc/[0-9]*; do
		tr '\0' ' ' 2> /dev/null < "$p/cmdline" | grep '^runsc-'
	done
	grep -E 'runsc|/tmp/b' /proc/mounts
	[ ! -d $state ] || find $state -mindepth 1
	find /sys/fs/cgroup -type d -name 'runsc-*' 2> /dev/null
}
nothing() { # NAME: within a second of the last command
	local i=0 l
	while l=$(left) && [ -n "$l" ] && [ $i -lt 20 ]; do i=$((i + 1)); sleep 0.1; done
	is "$1-nothing-left" "$l" ""
}
bundle() { # COMMAND...: in /tmp/b, with busybox as its root
	rm -rf /tmp/b
	mkdir -p /tmp/b/rootfs/bin /tmp/b/rootfs/proc /tmp/b/rootfs/tmp /tmp/b/rootfs/dev
	cp /bin/busybox /tmp/b/rootfs/bin/
	for a in sh sleep cat echo true ls id ps wc; do ln -s busybox /tmp/b/rootfs/bin/$a; done
	rt spec --bundle /tmp/b -- "$@"
}
sysctl_set() { # NAME VALUE
	[ -e "/proc/sys/$1" ] && echo "$2" > "/proc/sys/$1"
}

# A shell over the host's files.
shell() {
	is "$1" "$(rt do sh -c 'for i in 1 2 3; do (echo $i); done | cat | wc -l; id -u; ls / | grep -c plan' 2>&1 | tr '\n' ' ')" "3 0 1 "
	nothing "$1"
}

# The life of a container.
life() {
	bundle sh -c 'echo up; sleep 1000'
	rt run --bundle /tmp/b --detach c > /tmp/out 2>&1 < /dev/null
	is life-run $? 0
	has life-exec "$(rt exec c sh -c 'echo in; ps' 2>&1)" in
	has life-state "$(rt state c 2>&1)" '"status": "running"'
	has life-ps "$(rt ps c 2>&1)" sleep
	has life-events "$(rt events --stats c 2>&1)" '"pids":{"current":'
	rt pause c && rt resume c
	is life-pause $? 0
	rt kill c KILL
	is life-kill $? 0
	has life-wait "$(rt wait c 2>&1)" 137
	rt delete c
	is life-delete $? 0
	is life-out "$(cat /tmp/out)" up
	nothing life
}

# In-process tests of the traps and of what depends on the host.
unit() {
	UNIT_SECONDS=400 timeout 800 $build/unit "$1" > /tmp/unit.txt 2>&1
	is "unit-$1" $? 0
	grep -v '^ok' /tmp/unit.txt | tail -n 8 | sed 's/^/	/'
}

split() { # TRANSCRIPT DIRECTORY: a file for each test
	mkdir -p "$2"
	awk -v d="$2" '/^[a-z0-9_]+\.[a-z0-9_]+$/ { if (f) close(f); f = d "/" $0 } f { print > f }' "$1"
}

# Guest tests, all or a group: the sandbox must print what this host's kernel prints,
# or else what that of the machine that built it does (an older one lacks some calls).
guest() {
	local t n=0 bad=0
	rm -rf /tmp/g && mkdir -p /tmp/g/cwd && cd /tmp/g/cwd || return
	export SELFTEST_SECONDS=200
	timeout -k 5 900 $build/selftest $1 > ../native.txt 2> /dev/null
	LIMIT=900 rt do --volume $build:/mnt --cwd /tmp -- /mnt/selftest $1 > ../ours.txt 2> ../err
	cd /selftest/hosts || return
	split /tmp/g/native.txt /tmp/g/native
	split /tmp/g/ours.txt /tmp/g/ours
	split $build/reference.txt /tmp/g/reference
	for t in /tmp/g/native/*; do
		t=${t##*/}
		n=$((n + 1))
		cmp -s /tmp/g/ours/$t /tmp/g/native/$t || cmp -s /tmp/g/ours/$t /tmp/g/reference/$t || {
			bad=$((bad + 1))
			fail "guest-$t" "differs from the host"
			diff /tmp/g/native/$t /tmp/g/ours/$t | head -n 12
		}
	done
	[ $n = 0 ] || [ $bad = $n ] || echo "ok guest-${1:-all} ($((n - bad)) of $n)"
	[ $n != 0 ] || fail guest "no test ran: $(cat /tmp/g/err)"
	rm -rf /tmp/g
	nothing guest
}

# A script of selftest/oci.
oci() {
	(cd ../oci && LIMIT=600 RT_LIMIT=300 bash ./run.sh $build "$1") 2>&1 |
		sed -nE '/^[0-9]+ passed/d; s/^([a-z]+): (ok|FAIL|skip) /\2 \1-/; p'
}

# /proc shows each user only its own processes.
hidepid() {
	mount -o remount,hidepid=2 /proc
	shell hidepid
	mount -o remount,hidepid=0 /proc
}

# Hosts that make no user namespaces: a warning, and it runs all the same.
nouserns() {
	local was out
	was=$(cat /proc/sys/user/max_user_namespaces)
	sysctl_set user/max_user_namespaces 0
	out=$(rt --log=/tmp/log do id -u 2>&1)
	sysctl_set user/max_user_namespaces "$was"
	is nouserns "$out" 0
	is nouserns-one-warning "$(grep -c namespace /tmp/log)" 1
	has nouserns-warns "$(cat /tmp/log)" "makes no user namespace"
	rm -f /tmp/log
	nothing nouserns
}

# The host's kernel promises no more memory than it has.
overcommit() {
	sysctl_set vm/overcommit_memory 2
	shell overcommit
	sysctl_set vm/overcommit_memory 0
}

# State and bundle where nothing can be executed.
noexec() {
	mount -o remount,noexec /tmp
	shell noexec
	mount -o remount,exec /tmp
}

# For tests: a user without rights.
nonroot() {
	local out
	out=$(cd / && su -s /bin/sh user -c "timeout 60 $runsc --root /tmp/user --network=none -TESTONLY-unsafe-nonroot do id -u" 2> /tmp/err)
	is nonroot "$out" 0
	has nonroot-says-so "$(cat /tmp/err)" "run as user 1000"
	rm -rf /tmp/user /tmp/err
	nothing nonroot
}

# Yama: 0 to 2 are no matter to root; 3 forbids, until the machine is restarted.
yama() {
	local out
	[ -e /proc/sys/kernel/yama ] || { echo "skip yama: not in this kernel"; return; }
	for s in 0 1 2; do
		sysctl_set kernel/yama/ptrace_scope $s
		shell yama-$s
	done
	sysctl_set kernel/yama/ptrace_scope 3
	out=$(rt do true 2>&1)
	is yama-3-status $? 128
	is yama-3-one-line "$(echo "$out" | wc -l)" 1
	has yama-3-cause "$out" "kernel.yama.ptrace_scope is 3"
	has yama-3-remedy "$out" "set it to"
	nothing yama-3
}
