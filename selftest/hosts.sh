#!/bin/bash
# hosts.sh <build> [boot...] - runsc on other hosts: Debian's kernels, in QEMU.
#
# Each boot is a kernel, a machine and what is tried there (hosts/cases.sh); the
# guest runs from memory.  The kernels come from Debian's archive, older suites
# included, by a private apt configuration.  HOSTS_KERNEL=FILE takes that bzImage
# for every boot.  QEMU emulates the CPU (TCG): no KVM is needed, and it is slow.
set -u
out=$(cd "$1" && pwd)
shift
cd "$(dirname "$0")/.." || exit 1
dir=$out/hosts
passed=0 failed=0 skipped=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$dir"

no() { # WHY: nothing can be tried
	echo "skip hosts: $1"
	echo "0 passed, $([ -n "${STRICT:-}" ] && echo 1 || echo 0) failed, 1 skipped"
	exit "$([ -n "${STRICT:-}" ] && echo 1 || echo 0)"
}
for p in qemu-system-x86_64 busybox apt-get dpkg-deb; do
	command -v "$p" > /dev/null || no "needs $p"
done

mirror() { # the first Debian archive that this machine uses
	cat /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list 2> /dev/null |
		grep -vE '^ *#' | grep -oE 'https?://[^ ]*/debian/?( |$)' | head -n 1
}

apt_of() { # SUITE apt-TOOL ARGS...: with the lists of that suite alone
	local a=$dir/apt-$1 tool=$2
	shift 2
	"$tool" -q -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$a/parts" \
		-o Dir::State::lists="$a/lists" -o Dir::Cache="$a/cache" -o APT::Sandbox::User=root "$@"
}

# SUITE: its cloud kernel as $dir/SUITE.bzImage
fetch_kernel() {
	local a=$dir/apt-$1 name
	mkdir -p "$a/parts" "$a/lists/partial" "$a/cache/archives/partial" "$work/deb"
	printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n' "$(mirror)" "$1" \
		/usr/share/keyrings/debian-archive-keyring.gpg > "$a/parts/$1.sources"
	apt_of "$1" apt-get update || return
	name=$(apt_of "$1" apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image-/ { print $2; exit }')
	[ -n "$name" ] || return
	(cd "$work/deb" && apt_of "$1" apt-get download "$name") || return
	dpkg-deb -x "$work"/deb/*.deb "$work/deb/x" && cp "$work"/deb/x/boot/vmlinuz-* "$dir/$1.new" &&
		mv "$dir/$1.new" "$dir/$1.bzImage"
	rm -rf "$work/deb"
}

kernel_of() { # SUITE: prints the file
	if [ -n "${HOSTS_KERNEL:-}" ]; then echo "$HOSTS_KERNEL"; return; fi
	[ -s "$dir/$1.bzImage" ] || fetch_kernel "$1" > "$dir/$1.log" 2>&1 || { tail -n 3 "$dir/$1.log" >&2; return 1; }
	echo "$dir/$1.bzImage"
}

archive() { (cd "$1" && find . | busybox cpio -o -H newc 2> /dev/null); }

# What every guest has.
small_tree() {
	local t=$work/tree f
	mkdir -p "$t"/{bin,dev,proc,sys,tmp,run,root,etc,mnt,build,selftest}
	cp "$(command -v busybox)" "$t/bin/busybox"
	for f in $(busybox --list); do ln -s busybox "$t/bin/$f" 2> /dev/null; done
	printf '%s\n' root:x:0:0:root:/root:/bin/sh user:x:1000:1000:user:/tmp:/bin/sh > "$t/etc/passwd"
	printf '%s\n' root:x:0: user:x:1000: > "$t/etc/group"
	cp -r selftest/hosts selftest/oci "$t/selftest/"
	cp selftest/hosts/init "$t/init"
	cp "$out/runsc" "$out/selftest" "$t/build/"
	objcopy --strip-debug "$out/unit" "$t/build/unit"
	archive "$t"
	rm -rf "$t"
}

# What the scripts of oci/ need on top: bash, and Debian's python3, whose library is where it says.
scripts_tree() {
	local t=$work/tree f lib
	lib=$(/usr/bin/python3 -c 'import os; print(os.path.dirname(os.__file__))')
	mkdir -p "$t/bin" "$t/usr/bin" "$t$lib/lib-dynload"
	cp /bin/bash "$t/bin/"
	cp "$(command -v pgrep)" "$t/usr/bin/"
	cp -L /usr/bin/python3 "$t/usr/bin/python3"
	for f in $(ldd /bin/bash "$(command -v pgrep)" /usr/bin/python3 "$lib"/lib-dynload/_ctypes.*.so |
		grep -o '/[^ :]*' | grep '\.so' | sort -u); do
		mkdir -p "$t${f%/*}" && cp -L "$f" "$t$f"
	done
	(cd "$lib" && cp -r ./*.py collections ctypes encodings importlib json re "$t$lib/")
	archive "$t"
	rm -rf "$t"
}

# What this machine's kernel says in the guest tests.
reference() {
	[ "$dir/reference.txt" -nt "$out/selftest" ] ||
		(mkdir "$work/cwd" && cd "$work/cwd" && "$out/selftest" > "$dir/reference.txt" 2> /dev/null < /dev/null)
	mkdir -p "$work/plan/build" && cp "$dir/reference.txt" "$work/plan/build/"
}

count() { # the lines of a boot's checks
	passed=$((passed + $(grep -c '^ok ' "$1")))
	failed=$((failed + $(grep -c '^FAIL ' "$1")))
	skipped=$((skipped + $(grep -c '^skip ' "$1")))
}

boot() { # NAME SUITE "QEMU OPTIONS" "PLAN" CASE...
	local name=$1 suite=$2 machine=$3 plan=$4 log=$dir/$1.txt image trees status=0
	shift 4
	[[ " $only " = *" $name "* ]] || [ "$only" = all ] || return 0
	image=$(kernel_of "$suite") || { echo "skip $name: no kernel of $suite is to be had"; skipped=$((skipped + 1)); return; }
	rm -rf "$work/plan" && mkdir "$work/plan"
	printf 'ROOT=rootfs\nCGROUP=v1\n%s\nCASES="%s"\n' "${plan// /$'\n'}" "$*" > "$work/plan/plan"
	trees=$work/small.cpio
	[ -s "$work/small.cpio" ] || small_tree > "$work/small.cpio"
	[[ "$*" != *guest:* ]] || reference
	if [[ "$*" = *oci:* ]]; then
		trees="$trees $work/scripts.cpio"
		[ -s "$work/scripts.cpio" ] || scripts_tree > "$work/scripts.cpio"
	fi
	# shellcheck disable=SC2086
	{ cat $trees; archive "$work/plan"; } > "$work/initrd"
	: > "$log"
	# shellcheck disable=SC2086
	timeout -k 5 "${HOSTS_LIMIT:-1800}" qemu-system-x86_64 -M q35 -accel tcg,thread=multi -nodefaults -display none -no-reboot \
		-device virtio-rng-pci \
		-kernel "$image" -initrd "$work/initrd" -serial file:"$dir/$name.console" -serial file:"$log" $machine \
		-append "console=ttyS0 panic=-1 mitigations=off tsc=unstable clocksource=hpet random.trust_cpu=on rng_core.default_quality=1000 ${append:-}" \
		< /dev/null > "$dir/$name.qemu" 2>&1 || status=$?
	grep -a -q '^done ' "$log" || { echo "FAIL $name: the guest did not come to its end (QEMU: $status)" >> "$log"
		tail -n 15 "$dir/$name.console" | sed 's/^/	/' >> "$log"; }
	echo "$name: $(grep -ac '^ok ' "$log") ok, $(sed -n 's/^done //p' "$log") s"
	grep -avE '^(ok|case|done) ' "$log" | sed "s/^/$name: /"
	count "$log"
}

only=${*:-all}
pc='-cpu max,-la57 -smp 2 -m 1024'
boot smoke bullseye "$pc" "CGROUP=v2" shell:smoke life:
boot v510 bullseye "$pc" "ROOT=tmpfs CGROUP=v2" unit:ptrace guest: oci:cgroup.sh oci:lifecycle.sh oci:exec.sh oci:config.sh
boot v61 bookworm "$pc" "ROOT=ro" unit:ptrace guest: oci:cgroup.sh oci:lifecycle.sh oci:hooks.sh oci:killed.sh
boot knobs bookworm "$pc" "ROOT=tmpfs CGROUP=v2" hidepid: nouserns: overcommit: noexec: nonroot: yama:
boot knobs510 bullseye "$pc" "" hidepid: nouserns: overcommit: noexec: nonroot: yama:
# No AVX and no cgroups; no XSAVE; no FSGSBASE.  TCG has no AVX-512, and that of QEMU 7.2
# gets cmpxchg16b's flags wrong, which Linux 6.12 does not survive.
boot small bookworm '-cpu qemu64 -smp 1 -m 256' "CGROUP=none" shell:small life: unit:ptrace
boot core2 bullseye '-cpu core2duo -smp 1 -m 512' "ROOT=ro" shell:core2 life: unit:ptrace guest:traps guest:sigaction guest:sigaltstack
boot cpus bookworm '-cpu max,-la57,-fsgsbase -smp 4 -m 1024' "" shell:cpus life: unit:ptrace guest:traps
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ] && [ $passed != 0 ]
