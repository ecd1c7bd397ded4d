# config.sh - what config.json asks for arrives inside.
. ./lib.sh
try() { rt run --bundle "$1" x < /dev/null 2>&1; }

b=$(bundle cwd pwd); edit "$b" 'd["process"]["cwd"]="/tmp"'
is cwd "$(try "$b")" /tmp
b=$(bundle env sh -c 'echo $A'); edit "$b" 'd["process"]["env"].append("A=b c")'
is env "$(try "$b")" "b c"
b=$(bundle user sh -c 'id -u; id -g; id -G'); edit "$b" 'd["process"]["user"]={"uid":5,"gid":6,"additionalGids":[7]}'
is user "$(try "$b" | tr '\n' ' ')" "5 6 6 7 "
b=$(bundle host hostname); edit "$b" 'd["hostname"]="box"'
is hostname "$(try "$b")" box
b=$(bundle limit sh -c 'ulimit -n; ulimit -c'); edit "$b" 'd["process"]["rlimits"]=[{"type":"RLIMIT_NOFILE","soft":77,"hard":99},{"type":"RLIMIT_CORE","soft":0,"hard":0}]'
is rlimits "$(try "$b" | tr '\n' ' ')" "77 0 "
b=$(bundle umask sh -c umask); edit "$b" 'd["process"]["user"]["umask"]=63'
is umask "$(try "$b")" 0077
b=$(bundle caps grep CapEff /proc/self/status)
edit "$b" 'd["process"]["capabilities"]={k:["CAP_CHOWN","CAP_NET_RAW"] for k in ("bounding","effective","permitted")}'
is capabilities "$(try "$b" | tr -d '\t')" CapEff:0000000000002001
is net-raw-withheld "$(FLAGS="$FLAGS --net-raw=false" rt run --bundle "$b" x | tr -d '\t')" CapEff:0000000000000001
b=$(bundle nnp grep NoNewPrivs /proc/self/status); edit "$b" 'd["process"]["noNewPrivileges"]=True'
is no-new-privs "$(try "$b" | tr -d '\t')" NoNewPrivs:1
b=$(bundle ro sh -c 'touch /x 2>&1'); has readonly-root "$(try "$b")" "Read-only file system"
mkdir "$LAB/src" "$LAB/rootfs/mnt" "$LAB/rootfs/file"; echo data > "$LAB/src/f"
b=$(bundle bind sh -c 'cat /mnt/f; echo new > /mnt/g && echo written')
edit "$b" "d['mounts'].append({'destination':'/mnt','type':'bind','source':'$LAB/src','options':['rbind','rw']})"
is bind "$(try "$b" | tr '\n' ' ')" "data written "
is bind-reaches-the-host "$(cat "$LAB/src/g")" new
b=$(bundle bindro sh -c 'echo x > /mnt/h'); edit "$b" "d['mounts'].append({'destination':'/mnt','type':'bind','source':'$LAB/src','options':['rbind','ro']})"
has bind-readonly "$(try "$b")" "Read-only file system"
rmdir "$LAB/rootfs/file"; echo old > "$LAB/rootfs/file"
b=$(bundle file cat /file); edit "$b" "d['mounts'].append({'destination':'/file','type':'bind','source':'$LAB/src/f','options':['bind']})"
is bind-of-a-file "$(try "$b")" data
b=$(bundle tmpfs sh -c 'echo a > /tmp/a; cat /tmp/a'); edit "$b" "d['mounts'].append({'destination':'/tmp','type':'tmpfs','source':'tmpfs','options':['size=1m']})"
is tmpfs "$(try "$b")" a
mkdir -p "$LAB/rootfs/copy/sub"; echo data > "$LAB/rootfs/copy/f"; ln -s f "$LAB/rootfs/copy/l"; chmod 4711 "$LAB/rootfs/copy/f"
touch -d 2001-01-01 "$LAB/rootfs/copy/sub"; chown 3:4 "$LAB/rootfs/copy/sub"
b=$(bundle copyup sh -c 'cat /copy/l; echo new > /copy/f; cat /copy/f; stat -c "%a" /copy/f; stat -c "%u %g %y" /copy/sub')
edit "$b" "d['mounts'].append({'destination':'/copy','type':'tmpfs','source':'tmpfs','options':['tmpcopyup']}); d['process']['capabilities']['effective'].append('CAP_DAC_OVERRIDE'); d['process']['capabilities']['permitted'].append('CAP_DAC_OVERRIDE')"
is tmpcopyup "$(try "$b" | tr '\n' ' ')$(cat "$LAB/rootfs/copy/f")" "data new 711 3 4 2001-01-01 00:00:00.000000000 +0000 data"
b=$(bundle devices sh -c 'stat -c "%F %t %T %a %u %g" /dev/xnull /dev/blk /dev/net/tun /dev/fifo; echo x > /dev/xnull && echo written; cat /dev/net/tun')
edit "$b" "d['linux']['devices']=[{'path':'/dev/xnull','type':'c','major':1,'minor':3,'fileMode':0o646,'uid':5,'gid':6},{'path':'/dev/blk','type':'b','major':7,'minor':0},{'path':'/dev/net/tun','type':'u','major':10,'minor':200},{'path':'/dev/fifo','type':'p','fileMode':0o600},{'path':'/dev/null','type':'c','major':1,'minor':3},{'path':'/dev/ptmx','type':'c','major':5,'minor':2}]"
o=$(try "$b")
is devices "$(head -n 4 <<< "$o" | tr '\n' ,)" "character special file 1 3 646 5 6,block special file 7 0 666 0 0,character special file a c8 666 0 0,fifo 0 0 600 0 0,"
has device-works "$o" written
has device-without-driver "$o" "No such device or address"
edit "$b" "d['linux']['devices']=[{'path':'/dev/full','type':'c','major':1,'minor':3}]"; has device-conflict "$(try "$b")" "/dev/full: something else is there"
edit "$b" "d['linux']['devices']=[{'path':'/etc/x','type':'c','major':1,'minor':3}]"; has device-elsewhere "$(try "$b")" "linux.devices: /etc/x:"
edit "$b" "d['linux']['devices']=[{'path':'/dev/x','type':'z'}]"; has device-type "$(try "$b")" "type: must be c, b, u or p"
is tmpfs-is-not-the-host "$(ls "$LAB/rootfs/tmp")" ""
b=$(bundle masked sh -c 'cat /proc/version; ls -d /proc/acpi 2>&1'); edit "$b" "d['linux']['maskedPaths']=['/proc/version']"
is masked-path "$(try "$b" | head -n 1 | grep -c Linux)" 0
b=$(bundle sysctl cat /proc/sys/kernel/msgmax); edit "$b" "d['linux']['sysctl']={'kernel.msgmax':'9000'}"
is sysctl "$(try "$b")" 9000
b=$(bundle strace true); edit "$b" "d['annotations']={'dev.gvisor.flag.strace':'true'}"
rt --debug-log="$LAB/an.%COMMAND%" run --bundle "$b" x
is annotation "$(grep -c 'E exit_group' "$LAB/an.boot")" 1
b=$(bundle ann true); edit "$b" "d['annotations']={'dev.gvisor.flag.platform':'ptrace'}"
has annotation-not-allowed "$(try "$b")" "--allow-flag-override"
is annotation-allowed "$(FLAGS="$FLAGS --allow-flag-override" try "$b")" ""
nothing nothing-left
