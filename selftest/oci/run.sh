#!/bin/bash
# run.sh <build> [script...] - the lifecycle scripts; ends with "N passed, N failed, N skipped".
out=$(readlink -f "${1:-build}")
cd "$(dirname "$0")" || exit 1
shift
passed=0 failed=0 skipped=0
# Whatever is here takes part; lib.sh is what they share.
[ $# != 0 ] || set -- $(ls -- *.sh | grep -vxE '(run|lib)\.sh')
for s in "$@"; do
	log=$(timeout -k 5 "${LIMIT:-300}" bash "./$s" "$out" 2>&1)
	rc=$?
	echo "$log" | sed "s|^|${s%.sh}: |"
	passed=$((passed + $(grep -c '^ok ' <<< "$log")))
	failed=$((failed + $(grep -c '^FAIL ' <<< "$log")))
	skipped=$((skipped + $(grep -c '^skip ' <<< "$log")))
	[ $rc = 0 ] || { echo "FAIL ${s%.sh}: ended with status $rc"; failed=$((failed + 1)); }
done
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ] && [ $passed != 0 ]
