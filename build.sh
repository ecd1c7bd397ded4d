#!/bin/sh
# build.sh [targets] - from a bare Debian or Ubuntu to build/runsc.
#
#	./build.sh		the binary
#	./build.sh check	the binary and its tests
#	./build.sh lint|bench|dist|install ...	any other target of the Makefile
#	./build.sh deps		only fetches and verifies the pinned sources
#
# Installs what is missing with apt-get, fetches the sources named in deps.lock
# through apt's own source mechanism (with a private configuration), verifies
# them, and calls make.  MUSL_CC, LIBSECCOMP_PREFIX and ZLIB_PREFIX replace the
# three things that come from apt; DEPS=system takes the distribution's own
# static libraries.
set -eu
cd "$(dirname "$0")"
export LC_ALL=C
D=${DEPS_DIR:-build/deps}
case $D in /*) ;; *) D=$PWD/$D ;; esac
DEPS=${DEPS:-source}

# What the tests and the linters need beyond the compiler: the only such list.
TEST_PKGS="busybox-static python3 libc6-dev clang libclang-rt-14-dev procps
	diffutils util-linux iproute2 debootstrap git"
LONG_PKGS="qemu-system-x86"
LINT_PKGS="libc6-dev clang clang-format"

say() { echo "build.sh: $*" >&2; }
die() { say "$*"; exit 1; }

[ "$(uname -m)" = x86_64 ] || die "runsc runs on x86-64 only, this machine is $(uname -m)"

need_pkgs() { # those of "$@" that are not installed
	command -v dpkg-query > /dev/null || return 0
	for p; do
		dpkg-query -W -f '${Status}' "$p" 2> /dev/null | grep -q 'ok installed' || echo "$p"
	done
}

need_tools() {
	[ -n "${MUSL_CC:-}" ] || [ -e /usr/lib/x86_64-linux-musl/rcrt1.o ] || echo musl-dev
	command -v make > /dev/null || echo make
	command -v gcc > /dev/null || echo gcc
	command -v readelf > /dev/null || echo binutils
	[ -e /usr/include/linux/kvm.h ] || echo linux-libc-dev
	if [ "$DEPS" = system ]; then
		[ -e /usr/include/seccomp.h ] || echo libseccomp-dev
		[ -e /usr/include/zlib.h ] || echo zlib1g-dev
	elif [ -z "${LIBSECCOMP_PREFIX:-}" ] || [ -z "${ZLIB_PREFIX:-}" ]; then
		command -v bzip2 > /dev/null || echo bzip2
	fi
	for target; do
		case $target in
		check-long) need_pkgs $TEST_PKGS $LONG_PKGS ;;
		check*|bench|fuzz) need_pkgs $TEST_PKGS ;;
		lint*|format) need_pkgs $LINT_PKGS ;;
		esac
	done
}

install_tools() {
	need=$(need_tools "$@" | sort -u | tr '\n' ' ')
	[ -n "$need" ] || return 0
	command -v apt-get > /dev/null || die "there is no apt-get on this machine: install" \
		"${need% }, or set MUSL_CC (a compiler for musl), LIBSECCOMP_PREFIX and ZLIB_PREFIX" \
		"(folders with include/ and a static lib/)"
	sudo=
	[ "$(id -u)" = 0 ] || sudo=sudo
	$sudo apt-get update -qq >&2 || say "apt-get update failed, trying with the lists that are here"
	# shellcheck disable=SC2086
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y \
		--no-install-recommends $need >&2 || die "could not install: $need"
}

verify() { echo "$2  $1" | sha256sum -c --status - 2> /dev/null; }

# The machine's package sources, as source-package lists in a folder of ours.
apt_config() {
	A=$D/apt
	mkdir -p "$A/parts" "$A/lists/partial" "$A/cache/archives/partial"
	for f in /etc/apt/sources.list.d/*.sources; do
		[ ! -f "$f" ] || sed 's/^Types:.*/Types: deb-src/' "$f" > "$A/parts/${f##*/}"
	done
	for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[ ! -f "$f" ] || sed -n 's/^deb /deb-src /p' "$f" > "$A/parts/$(basename "$f" .list).list"
	done
}
apt_private() {
	apt-get -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$A/parts" \
		-o Dir::State::lists="$A/lists" -o Dir::Cache="$A/cache" \
		-o APT::Sandbox::User=root "$@"
}

fetch() { # name file sha256
	[ ! -f "$D/$2" ] || ! verify "$D/$2" "$3" || return 0
	command -v apt-get > /dev/null || return 1
	apt_config
	[ -f "$A/stamp" ] || { apt_private update -qq >&2 && : > "$A/stamp"; } || return 1
	(cd "$D" && apt_private source -qq --download-only "$1" > /dev/null) || return 1
	verify "$D/$2" "$3" || { say "$2 does not have the checksum in deps.lock"; return 1; }
}

fetch_all() {
	mkdir -p "$D"
	while read -r name version file sha; do
		case $name in
		libseccomp) [ -z "${LIBSECCOMP_PREFIX:-}" ] || continue ;;
		zlib) [ -z "${ZLIB_PREFIX:-}" ] || continue ;;
		esac
		fetch "$name" "$file" "$sha" || { say "no source of $name $version to be had"; return 1; }
		[ ! -d "$D/$name" ] || continue
		rm -rf "$D/$name.new"
		mkdir "$D/$name.new"
		tar xf "$D/$file" -C "$D/$name.new" --strip-components=1
		mv "$D/$name.new" "$D/$name"
	done < deps.lock
	[ -e "$D/.ok" ] && [ "$D/.ok" -nt deps.lock ] || : > "$D/.ok"
}

install_tools "$@"
if [ "$DEPS" = source ] && ! fetch_all; then
	[ "${1:-}" != deps ] || exit 1
	say "taking the distribution's own static libraries instead (DEPS=system)"
	DEPS=system
	install_tools "$@"
fi
[ "${1:-}" != deps ] || exit 0
exec make -j"${JOBS:-$(nproc)}" DEPS="$DEPS" "$@"
