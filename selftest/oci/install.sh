# install.sh - Docker's daemon.json, as recorded from the reference.
. ./lib.sh
J=$LAB/daemon.json

o=$(rt install --config_file "$J" 2>&1)
has install-says "$o" "Runtime runsc not found: adding"
has install-done "$o" "Successfully updated config."
is install-text "$(cat "$J")" "{
    \"runtimes\": {
        \"runsc\": {
            \"path\": \"$RUNSC\"
        }
    }
}"
is no-newline-at-the-end "$(tail -c1 "$J")" "}"
rt install --config_file "$J" --runtime runsc-debug -- --debug --debug-log=/tmp/x.log --strace --log-packets 2> /dev/null
is runtime-args "$(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["runtimes"]["runsc-debug"]["runtimeArgs"])' "$J")" \
	"['--debug', '--debug-log=/tmp/x.log', '--strace', '--log-packets']"
[ -e "$J~" ] && ok backup || fail backup "no $J~"
rt install --config_file "$J" --clobber=false 2> /dev/null
is clobber-false $? 1
rt install --config_file "$J" --experimental --cgroupdriver=cgroupfs 2> /dev/null
has experimental "$(cat "$J")" '"experimental": true'
has cgroup-driver "$(cat "$J")" 'native.cgroupdriver=cgroupfs'
rt uninstall --config_file "$J" --runtime runsc-debug 2> /dev/null
is uninstall $? 0
rt uninstall --config_file "$J" --runtime runsc-debug 2> /dev/null
is uninstall-missing $? 1
printf '{ "a": 1, "runtimes": 7' > "$J"
rt install --config_file "$J" 2> /dev/null
is bad-json $? 1
is bad-json-untouched "$(cat "$J")" '{ "a": 1, "runtimes": 7'
printf '{"z":1,"data-root":"/x"}' > "$J"
rt install --config_file "$J" 2> /dev/null
is other-keys-kept "$(python3 -c 'import json,sys; print(list(json.load(open(sys.argv[1]))))' "$J")" "['data-root', 'runtimes', 'z']"
