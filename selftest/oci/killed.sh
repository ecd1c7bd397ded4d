# killed.sh - kill -9 of any of our processes, at any moment.
. ./lib.sh
b=$(bundle sleep sleep 1000)

# The command, at growing distance from its start.
n=0
for us in 500 1000 1500 2000 3000 4000 5000 6000 8000 10000 12000 15000 20000; do
	python3 - "$us" "$RUNSC" --root "$ROOT" $FLAGS create --bundle "$b" k <<-'PY'
		import subprocess, sys, time
		p = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
		time.sleep(int(sys.argv[1]) / 1e6)
		p.kill()
		p.wait()
	PY
	rt delete --force k || fail "delete after $us us" "status $?"
	n=$((n + 1))
done
nothing create-killed-at-$n-moments
for victim in sandbox gofer; do
	rt run --detach --bundle "$b" k < /dev/null > "$LAB/out" 2>&1
	kill -9 $(pgrep -f "^runsc-$victim --root=$ROOT ")
	[ $victim = gofer ] || has "$victim-killed-state" "$(sleep 0.2; rt state k)" stopped
	rt delete --force k; is "$victim-killed-delete" $? 0
	nothing "$victim-killed"
done
rt create --bundle "$b" k < /dev/null > "$LAB/out" 2>&1
kill -9 $(pgrep -f "^runsc-sandbox --root=$ROOT ")
o=$(rt start k 2>&1); is start-of-a-dead-sandbox $? 128
rt delete --force k
# In the foreground the sandbox goes with its command.
"$RUNSC" --root "$ROOT" $FLAGS run --bundle "$b" k < /dev/null > /dev/null 2>&1 & r=$!
for i in $(seq 50); do rt state k 2>/dev/null | grep -q running && break; sleep 0.1; done
kill -9 $r; wait $r 2>/dev/null
sleep 0.3
is attached-dies-too "$(pgrep -f "^runsc-sandbox --root=$ROOT " | wc -l)" 0
rt delete --force k
nothing run-killed
# Two commands on one container take turns.
for i in 1 2 3 4; do rt create --bundle "$b" race < /dev/null > /dev/null 2>&1 && echo won; done > "$LAB/won" &
for i in 1 2 3 4; do rt create --bundle "$b" race < /dev/null > /dev/null 2>&1 && echo won; done > "$LAB/won2"
wait
is one-of-eight-creates-wins "$(cat "$LAB/won" "$LAB/won2" | wc -l)" 1
rt delete --force race
nothing nothing-left
