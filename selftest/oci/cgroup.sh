# cgroup.sh - limits on the host's cgroups of either version, and their removal.
. ./lib.sh
G=/sys/fs/cgroup v=1
if [ -e $G/cgroup.controllers ]; then v=2; fi
dir() { [ $v = 1 ] && echo "$G/$1/$2" || echo "$G/$2"; } # CONTROLLER PATH
val() { cat "$(dir "$1" "$2")/$([ $v = 1 ] && echo "$3" || echo "$4")" 2>&1; } # CONTROLLER PATH V1-FILE V2-FILE
[ -w "$(dir memory .)/cgroup.procs" ] || skip cgroup "no cgroup can be written here"
name=runsc-test-$$
b=$(bundle cg sleep 1000)
edit "$b" "d['linux']['cgroupsPath']='/$name/x'; d['linux']['resources']={'memory':{'limit':268435456,'swap':402653184},'pids':{'limit':10},'cpu':{'shares':512,'quota':50000,'period':100000}}"
rt --log="$LAB/log" run --detach --bundle "$b" --pid-file "$LAB/pid" c < /dev/null > "$LAB/out" 2>&1; is run "$? $(cat "$LAB/out")" "0 "
m=$name/x
is memory-limit "$(val memory $m memory.limit_in_bytes memory.max)" 268435456
is pids-limit-leaves-room "$(val pids $m pids.max pids.max)" 94
is cpu-share "$(val cpu $m cpu.shares cpu.weight)" "$([ $v = 1 ] && echo 512 || echo 20)"
is cpu-quota "$(val cpu $m cpu.cfs_quota_us cpu.max)" "$([ $v = 1 ] && echo 50000 || echo 50000 100000)"
[ ! -e "$(dir memory $m)/memory.swap.max" ] || is swap-limit "$(val memory $m x memory.swap.max)" 134217728
for c in memory pids; do
	is member-of-$c "$(grep -c "^$(cat "$LAB/pid")\$" "$(dir $c $m)/cgroup.procs")" 1
	is only-the-sandbox-in-$c "$(sed 's|^|/proc/|; s|$|/comm|' "$(dir $c $m)/cgroup.procs" | xargs cat | grep -cv '^runsc-s')" 0
done
[ "$(val pids $m pids.current pids.current)" -gt 3 ] && ok pids-are-counted || fail pids-are-counted "$(val pids $m pids.current pids.current)"
for f in cpu memory; do
	n=$(rt events --stats c | python3 -c "import json, sys; u = json.load(sys.stdin)['data']['$f']['usage']; print(u.get('total', u.get('usage')))")
	[ "$n" -gt 100000 ] && ok events-$f || fail events-$f "$n"
done
echo '{"memory":{"limit":134217728}}' | rt update --resources - c; is update $? 0
is updated "$(val memory $m memory.limit_in_bytes memory.max)" 134217728
is update-leaves-cpu "$(val cpu $m cpu.cfs_quota_us cpu.max)" "$([ $v = 1 ] && echo 50000 || echo 50000 100000)"
# The guest's own kernel follows: processes and memory.
many='i=0; while [ $i -lt 15 ]; do sleep 5 & i=$((i+1)); done 2>/dev/null; echo none'
is pids-limit-inside "$(rt exec c sh -c "$many" 2>&1)" "" # the shell gives up
rt exec c killall -KILL sleep 2> /dev/null # not the first one
rt update --pids-limit 30 c; is update-pids $? 0
has pids-update-inside "$(rt exec c sh -c "$many" 2>&1)" none
total() { rt exec c awk '/MemTotal/ {print $2 * 1024}' /proc/meminfo; }
t=$(total); [ "$t" -lt 134217728 ] && [ "$t" -gt 100000000 ] && ok memory-inside || fail memory-inside "$t"
rt update --memory 67108864 --memory-swap 67108864 c 2> /dev/null || rt update --memory 67108864 c; is update-memory $? 0
t=$(total); [ "$t" -lt 67108864 ] && [ "$t" -gt 50000000 ] && ok memory-update-inside || fail memory-update-inside "$t"
# Who takes more than there is dies alone, and the host's limit is not what ends it.
is over-the-limit "$(rt exec c sh -c 'awk "BEGIN { s = sprintf(\"%4000000s\", 1); while (1) a[i++] = s s }"; echo $?')" 137
is others-live "$(rt exec c echo alive)" alive
rt update --cpu-quota 20000 --pids-limit 20 --memory 536870912 --memory-swap 536870912 c; is update-flags $? 0
is updated-quota "$(val cpu $m cpu.cfs_quota_us cpu.max)" "$([ $v = 1 ] && echo 20000 || echo 20000 100000)"
is updated-pids "$(val pids $m pids.max pids.max)" 124
is updated-memory "$(val memory $m memory.limit_in_bytes memory.max)" 536870912
rt delete --force c
is removed "$(find $G -path "*$name/x" 2>/dev/null)" ""
is no-warning "$(grep -i cgroup "$LAB/log" | grep -v memsw)" "" # which version 1 may lack

# A path of systemd's form, and one that is relative to ours: beside it in version 2.
edit "$b" "d['linux']['cgroupsPath']='runsc-t$$.slice:cri:x'"
rt --systemd-cgroup run --detach --bundle "$b" c < /dev/null > "$LAB/out" 2>&1
is systemd-path "$? $(val memory "runsc.slice/runsc-t$$.slice/cri-x.scope" memory.limit_in_bytes memory.max)" "0 268435456"
rt delete --force c
is systemd-removed "$(find $G -name 'cri-x.scope' 2>/dev/null)" ""
edit "$b" "d['linux']['cgroupsPath']='runsc:x'"
has systemd-path-refused "$(rt --systemd-cgroup create --bundle "$b" c 2>&1)" "slice:prefix:name"
edit "$b" "d['linux']['cgroupsPath']='$name-r'"
rt run --detach --bundle "$b" c < /dev/null > "$LAB/out" 2>&1; is relative-path $? 0
[ $v = 1 ] || is relative-path-limit "$(cat "$(find $G -name "$name-r")/memory.max")" 268435456
rt delete --force c
is relative-path-removed "$(find $G -name "$name-r")" ""
if [ $v = 2 ]; then
	edit "$b" "d['linux']['cgroupsPath']='/$name/u'; d['linux']['resources']={'unified':{'memory.high':'104857600'}}"
	rt run --detach --bundle "$b" c < /dev/null > "$LAB/out" 2>&1
	is unified "$? $(cat $G/$name/u/memory.high)" "0 104857600"
	rt delete --force c
	edit "$b" "d['linux']['resources']={'unified':{'../x/memory.high':'1'}}"
	has unified-with-a-slash "$(rt create --bundle "$b" c 2>&1)" "is not the name"
	# The leaf that an engine may have made, with a sub-group of its own.
	mkdir -p $G/$name/n/sub
	edit "$b" "d['linux']['resources']={'memory':{'limit':268435456}}; d['linux']['cgroupsPath']='/$name/n/sub/x'"
	rt run --detach --bundle "$b" c < /dev/null > "$LAB/out" 2>&1
	is nested "$? $(cat $G/$name/n/sub/x/memory.max)" "0 268435456"
	rt delete --force c
fi
find $G -depth \( -path "*$name*" -o -path '*/runsc.slice*' \) -type d -exec rmdir {} \; 2>/dev/null
edit "$b" "d['process']['args']=['true']; d['linux']['cgroupsPath']='/$name/y'"
rt --ignore-cgroups run --bundle "$b" i; is ignore-cgroups $? 0
is ignored "$(find $G -path "*$name/*" 2>/dev/null)" ""
nothing nothing-left
