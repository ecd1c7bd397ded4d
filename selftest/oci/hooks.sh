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
nothing nothing-left
