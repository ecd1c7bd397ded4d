#!/bin/sh
# run.sh <build> - what system calls, starts and memory cost: on the host, under
# runsc, and under any other runtime that is here.
#
#	BENCH_RUNTIMES="crun runc"	other runtimes (those found in PATH by default)
#	BENCH_ONLY="getppid stat"	only these rows of the first table
#
# Prints medians and their ratio to the host, in one run on one machine: absolute
# times say little about another.
set -eu
out=$(cd "$1" && pwd)
runsc=$out/runsc
work=$(mktemp -d)
root=$work/state
others=${BENCH_RUNTIMES-$(for r in crun runc; do command -v $r || true; done)}
trap 'rm -rf "$work"' EXIT
export LC_ALL=C

bundle() { # dir program args...
	mkdir -p "$1/rootfs/bin" "$1/rootfs/proc" "$1/rootfs/dev" "$1/rootfs/tmp" "$1/rootfs/sys"
	cp "$out/bench" "$1/rootfs/bin/bench"
	cp "$(command -v busybox)" "$1/rootfs/bin/busybox"
	for a in true sleep; do ln -sf busybox "$1/rootfs/bin/$a"; done
	dir=$1; shift
	(cd "$dir" && rm -f config.json && "$runsc" spec -- "$@")
	# no terminal, and nothing that asks for a network
	sed -i 's/"terminal": *true/"terminal": false/' "$dir/config.json"
}

call() { # runtime id bundle: runs it to its end
	case $1 in
	*runsc) "$1" --root="$root" --network=none run --bundle "$3" "$2" ;;
	*) "$1" --root "$root-other" run --bundle "$3" "$2" ;;
	esac
}

# --- operations
# shellcheck disable=SC2086
bundle "$work/ops" /bin/bench ${BENCH_ONLY:-}
# shellcheck disable=SC2086
"$out/bench" ${BENCH_ONLY:-} > "$work/native"
i=0
for rt in "$runsc" $others; do
	i=$((i + 1))
	call "$rt" "bench-$$-$i" "$work/ops" > "$work/rt$i" < /dev/null || echo "run.sh: $rt failed" >&2
done
printf '%-20s %12s' 'operation (µs)' host
for rt in "$runsc" $others; do printf ' %12s %7s' "${rt##*/}" ratio; done
echo
while read -r name native; do
	printf '%-20s %12.2f' "$name" "$(echo "$native" | awk '{ print $1 / 1000 }')"
	i=0
	for rt in "$runsc" $others; do
		i=$((i + 1))
		awk -v n="$name" -v h="$native" '$1 == n { printf " %12.2f %7.1f", $2 / 1000, $2 / h; f = 1 }
			END { if (!f) printf " %12s %7s", "-", "-" }' "$work/rt$i"
	done
	echo
done < "$work/native"

# --- start: wall time of a whole run of /bin/true, median of 41
start_of() { # runtime: ns
	case $1 in
	*runsc) set -- "$1" --root="$root" --network=none ;;
	*) set -- "$1" --root "$root-other" ;;
	esac
	bundle "$work/true" /bin/true
	"$out/bench" start "$@" run --bundle "$work/true" "true-$$" < /dev/null 2> /dev/null
}
echo
printf '%-20s %12s\n' 'run of /bin/true' ms
for rt in "$runsc" $others; do
	t=$(start_of "$rt") || t=0
	printf '%-20s %12.1f\n' "${rt##*/}" "$(echo "$t" | awk '{ print $1 / 1000000 }')"
done

# --- memory: PSS of every process of one idle sandbox
tree() { # every descendant of a pid, and itself
	echo "$1"
	for c in $(cat /proc/"$1"/task/*/children 2> /dev/null); do tree "$c"; done
}
echo
bundle "$work/idle" /bin/sleep 1000
"$runsc" --root="$root" --network=none create --bundle "$work/idle" --pid-file "$work/pid" "idle-$$" < /dev/null > /dev/null
"$runsc" --root="$root" start "idle-$$"
sleep 1
pids=$(tree "$(cat "$work/pid")"; pgrep -f "runsc-gofer.*$work/idle" || true)
total=0
for p in $(echo "$pids" | sort -un); do
	pss=$(awk '/^Pss:/ { s += $2 } END { print s + 0 }' "/proc/$p/smaps_rollup" 2> /dev/null || echo 0)
	total=$((total + pss))
	printf '%-20s %9d KiB  %s\n' "idle PSS, pid $p" "$pss" "$(tr '\0' ' ' < "/proc/$p/cmdline" | cut -c1-40)"
done
printf '%-20s %9d KiB\n' 'idle PSS, together' "$total"
"$runsc" --root="$root" delete --force "idle-$$"
