# cgroup.sh - limits on the host's cgroups, and their removal.
. ./lib.sh
M=/sys/fs/cgroup/memory P=/sys/fs/cgroup/pids v=1
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then M=/sys/fs/cgroup P=$M v=2; fi
[ -w "$M/cgroup.procs" ] || skip cgroup "no cgroup can be written here"
name=runsc-test-$$
b=$(bundle cg sleep 1000)
edit "$b" "d['linux']['cgroupsPath']='/$name/x'; d['linux']['resources']={'memory':{'limit':268435456},'pids':{'limit':10},'cpu':{'shares':512,'quota':50000,'period':100000}}"
rt run --detach --bundle "$b" --pid-file "$LAB/pid" c < /dev/null > "$LAB/out" 2>&1; is run $? 0
[ $v = 1 ] && f=memory.limit_in_bytes || f=memory.max
is memory-limit "$(cat $M/$name/x/$f)" 268435456
is pids-limit-leaves-room "$(cat $P/$name/x/pids.max)" 94
is member "$(grep -c "^$(cat "$LAB/pid")\$" $M/$name/x/cgroup.procs)" 1
echo '{"memory":{"limit":134217728}}' | rt update --resources - c; is update $? 0
is updated "$(cat $M/$name/x/$f)" 134217728
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
is over-the-limit "$(rt exec c sh -c 'tail /dev/zero > /dev/null; echo $?')" 137
is others-live "$(rt exec c echo alive)" alive
rt delete --force c
is removed "$(find /sys/fs/cgroup -path "*$name/x" 2>/dev/null)" ""
find /sys/fs/cgroup -name "$name" -type d -exec rmdir {} \; 2>/dev/null
edit "$b" "d['process']['args']=['true']; d['linux']['cgroupsPath']='/$name/y'"
rt --ignore-cgroups run --bundle "$b" i; is ignore-cgroups $? 0
is ignored "$(find /sys/fs/cgroup -path "*$name/*" 2>/dev/null)" ""
nothing nothing-left
