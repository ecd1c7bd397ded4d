# hooks.sh - which hooks run, when, with what, and what their failure does.
. ./lib.sh
cat > "$LAB/hook" <<-'SH'
	#!/bin/sh
	# hook NAME FILE: notes its name and the state it is given
	echo "$1 $(grep -o '"status":"[a-z]*"' | cut -d'"' -f4)" >> "$2"
SH
chmod +x "$LAB/hook"
b=$(bundle hooks true)
edit "$b" "d['hooks']={k:[{'path':'$LAB/hook','args':['hook',k,'$LAB/noted'],'env':['PATH=/usr/bin:/bin']}] for k in ('prestart','createRuntime','createContainer','poststart','poststop')}"
rt create --bundle "$b" h < /dev/null; is create $? 0
is at-create "$(tr '\n' ' ' < "$LAB/noted")" "prestart creating createRuntime creating createContainer creating "
rt start h
rt delete --force h
is all "$(awk '{print $1}' "$LAB/noted" | tr '\n' ' ')" "prestart createRuntime createContainer poststart poststop "
b=$(bundle failing true)
edit "$b" "d['hooks']={'createRuntime':[{'path':'/bin/sh','args':['sh','-c','echo because >&2; exit 3']}]}"
o=$(rt create --bundle "$b" f 2>&1); rc=$?
is failing-status $rc 128
has failing-says "$o" "status 3: because"
nothing nothing-after-a-failing-hook
edit "$b" "d['hooks']={'prestart':[{'path':'/bin/sh','args':['sh','-c','sleep 100'],'timeout':1}]}"
has timeout "$(rt create --bundle "$b" f 2>&1)" "longer than"
b=$(bundle netns true)
edit "$b" "d['hooks']={'prestart':[{'path':'/bin/sh','args':['sh','-c','p=\$(sed s/.*pid.:// | cut -d, -f1); readlink /proc/\$p/ns/net > $LAB/ns']}]}"
rt run --bundle "$b" n
[ -s "$LAB/ns" ] && [ "$(cat "$LAB/ns")" != "$(readlink /proc/self/ns/net)" ] && ok prestart-sees-the-network-namespace || fail prestart-sees-the-network-namespace "$(cat "$LAB/ns")"
# createContainer: what it mounts below the root is there inside, and not on the host.
mkdir -p "$LAB/rootfs/mnt"
b=$(bundle create cat /mnt/x)
edit "$b" "d['hooks']={'createContainer':[{'path':'/bin/sh','args':['sh','-c','mount -t tmpfs hook $LAB/rootfs/mnt && echo mounted > $LAB/rootfs/mnt/x; readlink /proc/self/ns/net /proc/self/ns/uts > $LAB/cns; pwd > $LAB/cwd'],'env':['PATH=/usr/bin:/bin']}]}"
is create-container-mounts "$(rt run --bundle "$b" c 2>&1)" mounted
is create-container-cwd "$(cat "$LAB/cwd")" "$b"
is create-container-namespaces "$(readlink /proc/self/ns/net /proc/self/ns/uts | sort - "$LAB/cns" | uniq -d)" ""
is create-container-not-on-the-host "$(ls "$LAB/rootfs/mnt")" ""
# startContainer: a program of the container, before its first process.
b=$(bundle start sh -c 'echo $$; cat /tmp/note')
edit "$b" "d['mounts'].append({'destination':'/tmp','type':'tmpfs','source':'tmpfs'}); d['hooks']={'startContainer':[{'path':'/bin/sh','args':['sh','-c','(grep -o created; id -u; pwd; echo \$A; ls /proc | grep -c ^1\$) > /tmp/note; sleep 1 & :'],'env':['PATH=/bin','A=b']}]}"
is start-container "$(rt run --bundle "$b" s 2>&1 | tr '\n' ' ')" "1 created 0 / b 0 "
edit "$b" "d['hooks']['startContainer'][0]['args'][2]='echo because; exit 4'"
has start-container-fails "$(rt run --bundle "$b" s 2>&1; echo $?)" "startContainer hook /bin/sh failed with status 4: because"
edit "$b" "d['hooks']['startContainer'][0]['path']='/nonexistent'"
has start-container-missing "$(rt run --bundle "$b" s 2>&1; echo $?)" "hook /nonexistent: exec /nonexistent: no such file"
edit "$b" "d['hooks']['startContainer'][0].update(path='/bin/sleep',args=['sleep','100'],timeout=1)"
has start-container-timeout "$(rt run --bundle "$b" s 2>&1)" "longer than its 1 seconds"
nothing nothing-left
