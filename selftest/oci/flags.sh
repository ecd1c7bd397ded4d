# flags.sh - names, versions, help, global flags and their errors.
. ./lib.sh

has version "$(rt --version)" "runsc version"
has help "$(rt help)" "create"
has help-command "$(rt help create)" "-bundle"
has help-platforms "$(rt help platforms)" "ptrace"
has help-syscalls "$(rt help syscalls --format=csv)" "0,read,"
o=$(rt nonsense 2>&1); rc=$?
is unknown-command-status $rc 128
has unknown-command "$o" "no such command"
o=$(timeout 10 "$RUNSC" --nonsense list 2>&1); rc=$?
is unknown-global-flag-status $rc 2
has unknown-global-flag "$o" "nonsense"
o=$(rt list --nonsense 2>&1); rc=$?
is unknown-flag-status $rc 128
for f in --platform=kvm --network=host --directfs --overlay --overlay2=root:memory --oci-seccomp; do
	o=$(rt $f create --bundle "$(bundle b /bin/true)" x 2>&1); rc=$?
	is "refused $f" $rc 128
	has "refused by name $f" "$o" "${f%%=*}"
done
o=$(rt --overlay2=none --nvproxy --vfs2=false --alsologtostderr list 2>&1); rc=$?
is inert-flags $rc 0
has inert-flag-warned "$o" "--nvproxy=true has no effect"
o=$(rt --strace --log-packets --debug -strace-log-size 16 list 2>&1); rc=$?
is go-style-flags $rc 0
mkdir "$LAB/links"
rt install-links "$LAB/links"
has link-of-the-shim "$("$LAB/links/containerd-shim-runsc-v1" 2>&1)" "not there yet"
has link-of-the-sandbox "$("$LAB/links/runsc-sandbox" boot x 2>&1)" "create"
rt --log "$LAB/log" --log-format=json state nobody 2> /dev/null
is log-is-json "$(python3 -c 'import json,sys; d=json.loads(open(sys.argv[1]).readlines()[-1]); print(d["level"], d["msg"], "time" in d)' "$LAB/log")" \
	'error container "nobody" does not exist True'
rt --debug --debug-log="$LAB/debug/" list > /dev/null
is debug-log-folder "$(ls "$LAB/debug" | grep -c 'runsc.log.*list.txt')" 1
nothing nothing-left
