#!/bin/bash
# check.sh <build> - runs every part of the tests, whatever fails, and sums up.
#
# A part is a command whose last line "N passed, N failed[, N skipped]" counts;
# one that ends badly without saying so counts as one failure.  What a part
# prints is kept in <build>/check/ and shown when it fails.  LONG=1 adds what
# takes more than a few minutes.
set -u
cd "$(dirname "$0")/.."
out=$1
logs=$out/check
make=${MAKE:-make -j$(nproc)} # from make itself: with its jobs and variables
passed=0 failed=0 skipped=0
mkdir -p "$logs"

part() { # name command...
	local name=$1 log=$logs/$1.log start=$SECONDS sum p=0 f=0 s=0
	shift
	"$@" > "$log" 2>&1 < /dev/null
	local status=$?
	sum=$(grep -aoE '[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?' "$log" | tail -n 1)
	[ -z "$sum" ] || read -r p f s <<< "$(tr -cs '0-9' ' ' <<< "$sum")"
	if [ -z "$sum" ] && [ $status = 0 ]; then p=1; fi
	if [ $status != 0 ] && [ "$f" = 0 ]; then f=1; fi
	if [ "$f" != 0 ]; then
		echo "--- $name: what failed, and the end of $log"
		grep -aE -A 10 '(^|: )FAIL' "$log" | cut -c1-300 | head -n 100
		echo "..."
		tail -n 20 "$log" | cut -c1-300
		echo "---"
	fi
	grep -aE '^(skip |	?skipped: )' "$log"
	printf '%-12s %4d passed, %d failed, %d skipped (%d s)\n' \
		"$name" "$p" "$f" "${s:-0}" $((SECONDS - start))
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + ${s:-0}))
}

sanitized() { # SAN= of a tree; its unit tests
	local tree=build-${1//,/-}
	$make SAN="$1" unit "$tree/runsc" && "$tree/unit"
}

# The same guest programs in the sandbox of a sanitizer build, after sanitized().
sanitized_guest() { RUNSC=$PWD/build-${1//,/-}/runsc selftest/run.sh "$out"; }
sanitized_hammer() { RUNSC=$PWD/build-${1//,/-}/runsc selftest/hammer.sh "$out" "" "${2:-}"; }

fuzz() { # each target a bounded number of runs, or so long; new inputs thrown away
	local bound=${1:--runs=20000} ok=0 bad=0 name new
	$make fuzz || return
	new=$(mktemp -d)
	for src in selftest/fuzz/*.c; do
		name=$(basename "$src" .c)
		mkdir "$new/$name"
		if timeout 300 build-fuzzer/fuzz-"$name" "$bound" -max_len=4096 -timeout=10 \
			-rss_limit_mb=1024 -artifact_prefix="$out/check/$name-" -print_final_stats=1 \
			"$new/$name" "selftest/fuzz/corpus/$name"; then
			ok=$((ok + 1))
		else
			bad=$((bad + 1))
			echo "fuzz target $name failed"
		fi
	done
	rm -rf "$new"
	echo "$ok passed, $bad failed"
	[ $bad = 0 ]
}

# Whatever has its own script takes part by being there.
script() {
	[ ! -x "$2" ] || part "$@"
}

part unit "$out/unit"
script guest selftest/run.sh "$out"
script programs selftest/programs.sh "$out" # makes the tree that oci uses too
script oci selftest/oci/run.sh "$out"
part hammer selftest/hammer.sh "$out"
if command -v qemu-system-x86_64 > /dev/null; then
	script hosts selftest/hosts.sh "$out" smoke
fi
part sanitizers sanitized address,undefined
part guest-asan sanitized_guest address,undefined
part hammer-asan sanitized_hammer address,undefined
part fuzz fuzz
script rebuild selftest/rebuild.sh "$out"
if [ -n "${LONG:-}" ]; then
	part threads sanitized thread
	part guest-tsan sanitized_guest thread
	part hammer-tsan sanitized_hammer thread
	part hammer-long selftest/hammer.sh "$out" "" 3000000
	part fuzz-long fuzz -max_total_time=60
	script hosts-long selftest/hosts.sh "$out"
	script long selftest/long.sh "$out"
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ] && [ $passed != 0 ]
