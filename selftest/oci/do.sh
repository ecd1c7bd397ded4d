# do.sh - one command over the host's files, which stay as they are.
. ./lib.sh
mkdir "$LAB/work"; echo data > "$LAB/work/f"

is output "$(rt do echo hi)" hi
is input "$(echo in | rt do cat)" in
rt do sh -c 'exit 5'; is status $? 5
rt do nonexistent 2> /dev/null; is missing-program $? 128
has root-is-readonly "$(rt do sh -c 'echo x > /etc/runsc-test-x' 2>&1)" "Read-only file system"
[ ! -e /etc/runsc-test-x ] && ok host-unchanged || fail host-unchanged "/etc/runsc-test-x"
is tmp-is-memory "$(rt do sh -c 'echo x > /tmp/runsc-test-x && cat /tmp/runsc-test-x')" x
[ ! -e /tmp/runsc-test-x ] && ok tmp-of-the-host-unchanged || fail tmp-of-the-host-unchanged "is there"
is home-is-memory "$(rt do sh -c 'cd && echo x > x && cat x')" x
is current-directory "$(cd "$LAB/work" && rt do sh -c 'pwd; cat f' | tr '\n' ' ')" "$LAB/work data "
is cwd "$(rt do --cwd /usr pwd)" /usr
cp "$BUSYBOX" "$LAB/busybox"
is program-below-tmp "$(cd / && rt do "$LAB/busybox" echo ok)" ok
is volume "$(rt do --volume "$LAB/work:/mnt" sh -c 'cat /mnt/f; echo new > /mnt/g')$(cat "$LAB/work/g")" datanew
is other-root "$(cd / && rt do --root "$LAB/rootfs" cat /etc/group)" root:x:0:
is addresses-not-random "$(timeout -k 5 60 setarch -R "$RUNSC" --root "$ROOT" $FLAGS do echo hi)" hi
is environment "$(A=b rt do sh -c 'echo $A')" b
w=$LAB/$(printf 'w\377\303\251'); mkdir "$w"; echo data > "$w/f"
is bytes-that-are-no-utf8 "$(cd "$w" && A=$(printf '\200') rt do sh -c 'pwd; cat f; echo "$A$1"' x "$(printf '\376')" | od -An -c | tr -d ' \n')" \
	"$( (echo "$w"; echo data; printf '\200\376\n') | od -An -c | tr -d ' \n')"
if command -v setpriv > /dev/null; then
	mkdir -m 777 "$LAB/nonroot"; chmod 755 "$LAB"
	o=$(cd /; timeout 60 setpriv --reuid 1000 --regid 1000 --clear-groups "$RUNSC" --root "$LAB/nonroot/s" $FLAGS \
		-TESTONLY-unsafe-nonroot do echo hi 2>&1)
	has without-root "$o" hi
	has without-root-says "$o" "with your rights"
	has without-the-flag "$(cd /; timeout 60 setpriv --reuid 1000 --regid 1000 --clear-groups "$RUNSC" --root "$LAB/nonroot/s" $FLAGS \
		do echo hi 2>&1)" "need root"
fi
nothing nothing-left
