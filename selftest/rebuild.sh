#!/bin/sh
# rebuild.sh <build> - builds the committed sources again, in another folder.
#
# The same commit must give the same binary, byte for byte, wherever it is
# built.  Skipped in a tree with changes: there is no commit to build.
set -eu
cd "$(dirname "$0")/.."
out=$1
if ! git -c safe.directory='*' diff --quiet HEAD -- 2> /dev/null; then
	echo "skip rebuild: the tree has changes, or is no git tree"
	echo "0 passed, 0 failed, 1 skipped"
	exit 0
fi
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
git -c safe.directory='*' archive HEAD | tar x -C "$dir"
mkdir "$dir/build"
cp -R "$out/deps" "$dir/build/deps"
${MAKE:-make -j$(nproc)} -s -C "$dir" VERSION="$(cat "$out/version")" build/runsc
a=$(sha256sum < "$out/runsc")
b=$(sha256sum < "$dir/build/runsc")
[ "$a" = "$b" ] || { echo "the binaries differ: $a $b"; echo "0 passed, 1 failed"; exit 1; }
echo "1 passed, 0 failed"
