# programs-long.sh - sourced by programs.sh with LONG=1: larger programs, more of python's tests, stress-ng.
#
# Makes a second tree, <build>/debian-long: the first, and the packages below by its own apt-get.
more=nodejs,default-jdk-headless,golang-go,redis-server,nginx-light,stress-ng,vim,tmux,screen,less,expect,libarchive-tools
big=$out/debian-long

if [ "$(cat "$big/.done" 2> /dev/null)" != "$more" ]; then
	rm -rf "$big"
	cp -a "$tree/." "$big"
	cp /etc/resolv.conf /etc/hosts "$big/etc/"
	cp -a "$out/deps/zlib" "$big/opt/zlib"
	printf '#!/bin/sh\nexit 101\n' > "$big/usr/sbin/policy-rc.d" # no daemon begins here
	chmod +x "$big/usr/sbin/policy-rc.d"
	if unshare --mount bash -c '
		mount -t proc proc "$1/proc" && export DEBIAN_FRONTEND=noninteractive &&
		chroot "$1" apt-get update -qq -o Acquire::Check-Valid-Until=false && chroot "$1" apt-get install -qq -y --no-install-recommends ${2//,/ } &&
		cd "$1/opt" && chroot "$1" sh -c "cd /opt && apt-get download -o APT::Sandbox::User=root hello"' - "$big" "$more" > "$out/debian-long.log" 2>&1; then
		echo "$more" > "$big/.done"
	else
		failed=$((failed + 1))
		echo "FAIL larger tree: $(tail -n 1 "$out/debian-long.log")"
		return
	fi
fi
small=$tree
tree=$big

try node 'node -e "
const {Worker} = require(\"worker_threads\"), cp = require(\"child_process\"), fsp = require(\"fs\").promises, net = require(\"net\");
const {pbkdf2} = require(\"crypto\"), zlib = require(\"zlib\"), seq = n => [...Array(n).keys()];
(async () => {
	const sum = \"let s = 0; for (let i = 0; i < 1e6; i++) s += i; require(\\\"worker_threads\\\").parentPort.postMessage(s)\";
	console.log(await Promise.all(seq(4).map(() => new Promise(r => new Worker(sum, {eval: true}).on(\"message\", r)))));
	console.log(await new Promise(r => cp.exec(\"echo out; echo err >&2; exit 3\", (e, o, s) => r([e.code, o, s]))));
	await fsp.mkdir(\"a/b\", {recursive: true});
	await Promise.all(seq(100).map(i => fsp.writeFile(\"a/b/\" + i, \"x\".repeat(i * 100))));
	console.log((await fsp.readdir(\"a/b\")).length, (await fsp.stat(\"a/b/99\")).size);
	console.log(await Promise.all(seq(8).map(i => new Promise(r => pbkdf2(\"p\" + i, \"s\", 1000, 16, \"sha256\", (e, k) => r(k.toString(\"hex\")))))));
	console.log(zlib.gunzipSync(zlib.gzipSync(\"hello\".repeat(1000))).length);
	console.log(await new Promise(r => { const srv = net.createServer(s => s.pipe(s)).listen(\"/tmp/n.sock\", () => {
		const c = net.connect(\"/tmp/n.sock\"); c.write(\"ping\"); c.on(\"data\", d => { c.end(); srv.close(); r(d.toString()) }) }) }));
	require(\"fs\").writeFileSync(\"child.js\", \"process.on(\\\"message\\\", m => { process.send(m * 2); process.disconnect() })\");
	console.log(await new Promise(r => { const f = cp.fork(\"child.js\"); f.on(\"message\", r); f.send(21) }));
})()"'
LIMIT=600 try 'node, 200 times' 'for i in {1..200}; do timeout 30 node -e "const {Worker} = require(\"worker_threads\"); require(\"fs\").readFile(\"/etc/passwd\", () => {}); require(\"crypto\").pbkdf2(\"a\", \"b\", 10, 8, \"sha1\", () => {}); if ($i % 4 == 0) new Worker(\"0\", {eval: true}); if ($i % 5 == 0) process.exit(0)" || echo "$i: $?"; done; echo done'
LIMIT=400 try java 'cat > T.java << "J"
import java.nio.file.*; import java.util.*; import java.util.concurrent.*; import java.util.stream.*;
public class T {
	static int deep(int i) { return deep(i + 1) + 1; }
	public static void main(String[] a) throws Exception {
		ExecutorService e = Executors.newFixedThreadPool(16);
		List<Future<Long>> f = new ArrayList<>();
		for (int i = 0; i < 64; i++) {
			final int k = i;
			f.add(e.submit(() -> {
				long s = 0;
				List<byte[]> l = new ArrayList<>();
				for (int j = 0; j < 2000; j++) { l.add(new byte[1024 * (1 + j % 8)]); if (l.size() > 100) l.clear(); s += j * k; }
				return s; }));
		}
		long t = 0;
		for (Future<Long> x : f) t += x.get();
		e.shutdown();
		System.out.println(t + " " + IntStream.range(0, 1000000).parallel().mapToLong(x -> x).sum());
		Process p = new ProcessBuilder("sh", "-c", "echo child; exit 5").start();
		System.out.print(new String(p.getInputStream().readAllBytes()));
		System.out.println(p.waitFor());
		Path d = Files.createTempDirectory("x");
		for (int i = 0; i < 100; i++) Files.writeString(d.resolve("f" + i), "x".repeat(i));
		try (Stream<Path> s = Files.list(d)) { System.out.println(s.count()); }
		try { Object n = null; n.hashCode(); } catch (NullPointerException x) { System.out.println("null"); }
		try { deep(0); } catch (StackOverflowError x) { System.out.println("stack"); }
		try { List<long[]> l = new ArrayList<>(); while (true) l.add(new long[1 << 20]); } catch (OutOfMemoryError x) { System.out.println("memory"); }
		System.exit(3);
	}
}
J
javac T.java && for gc in Serial Parallel G1 Z Shenandoah; do java -XX:+Use${gc}GC -Xmx128m T; echo "$gc $?"; done'
LIMIT=400 try go 'export GOCACHE=/tmp/gc GO111MODULE=off; cat > m.go << "G"
package main
import ("fmt"; "net"; "os"; "os/exec"; "runtime"; "sync"; "time")
func main() {
	var wg sync.WaitGroup
	var mu sync.Mutex
	s := 0
	for i := 0; i < 10000; i++ {
		wg.Add(1)
		go func(i int) { defer wg.Done(); runtime.Gosched(); mu.Lock(); s += i; mu.Unlock() }(i)
	}
	wg.Wait()
	out, err := exec.Command("sh", "-c", "echo hi; exit 3").CombinedOutput()
	fmt.Printf("%d %q %v\n", s, out, err)
	os.Remove("/tmp/go.sock")
	l, err := net.Listen("unix", "/tmp/go.sock")
	if err != nil { panic(err) }
	go func() { for { c, err := l.Accept(); if err != nil { return }; go func() { b := make([]byte, 9); n, _ := c.Read(b); c.Write(b[:n]); c.Close() }() } }()
	n := 0
	for i := 0; i < 200; i++ { c, err := net.Dial("unix", "/tmp/go.sock"); if err != nil { panic(err) }; c.Write([]byte("x")); k, _ := c.Read(make([]byte, 1)); n += k; c.Close() }
	var keep [][]byte
	for i := 0; i < 2000; i++ { keep = append(keep, make([]byte, 1<<16)); if i%100 == 0 { keep = nil; runtime.GC() } }
	ch := make(chan int)
	go func() { for i := 0; i < 100000; i++ { ch <- i }; close(ch) }()
	t := 0
	for x := range ch { t += x }
	select { case <-time.After(50 * time.Millisecond): fmt.Println(n, len(keep), t) }
}
G
go vet m.go; go build m.go && for p in 1 2 8; do GOMAXPROCS=$p ./m; echo $?; done; CGO_ENABLED=0 go build -o s m.go && file s | grep -o "statically linked"; ./s; go run -race m.go'
try redis 'r="redis-cli -s /tmp/r.sock"; redis-server --unixsocket /tmp/r.sock --port 0 --daemonize yes --dir /tmp --save "" --appendonly yes > /dev/null; until $r ping 2> /dev/null; do sleep 0.1; done; redis-benchmark -s /tmp/r.sock -n 10000 -q -t set,get,lpush | tr "\r" "\n" | grep -c "requests per"; redis-benchmark -s /tmp/r.sock -n 50000 -P 16 -q -t set,get | tr "\r" "\n" | grep -c "requests per"; $r dbsize; $r bgsave; until $r info persistence | grep -q bgsave_in_progress:0; do sleep 0.1; done; $r info persistence | grep last_bgsave_status; $r bgrewriteaof; sleep 1; until $r info persistence | grep -q rewrite_in_progress:0; do sleep 0.1; done; $r info persistence | grep last_bgrewrite_status; $r shutdown; ls'
try nginx 'mkdir -p n/html; head -c 100000 /bin/bash > n/html/f; chmod -R 777 n; for d in client_body proxy fastcgi uwsgi scgi; do t="$t ${d}_temp_path /tmp/n/$d;"; done
echo "pid /tmp/n/pid; error_log /tmp/n/err; worker_processes 2; events {} http { access_log /tmp/n/log; $t sendfile on; server { listen unix:/tmp/n/sock; root /tmp/n/html; } }" > n/c
nginx -t -c /tmp/n/c 2>&1 | grep -c successful; nginx -c /tmp/n/c; echo $?; cat > get.py << P
import socket, hashlib, os, signal, time
def get():
    s = socket.socket(socket.AF_UNIX); s.connect("/tmp/n/sock"); s.sendall(b"GET /f HTTP/1.0\r\n\r\n"); d = b""
    while b := s.recv(65536): d += b
    return d.split(b"\r\n\r\n", 1)[1]
print({hashlib.md5(get()).hexdigest() for i in range(50)})
pid = int(open("/tmp/n/pid").read()); os.kill(pid, signal.SIGHUP); time.sleep(1); print(len(get())); os.kill(pid, signal.SIGQUIT)
while os.path.exists(f"/proc/{pid}"): time.sleep(.1)
P
python3 get.py; wc -l < n/log'
try vim 'printf "one\ntwo\nthree\n" > v; vim -es -u NONE -c "%s/two/TWO/" -c 1d -c wq v; echo $?; cat v; less -F v < /dev/null'
try tmux 'tmux -S t new-session -d -x 80 -y 24 "echo in tmux; sleep 100"; until tmux -S t capture-pane -p | grep "in tmux"; do sleep 0.1; done; tmux -S t list-sessions | wc -l; tmux -S t send-keys C-c; while tmux -S t list-sessions > /dev/null 2>&1; do sleep 0.1; done; echo over'
try screen 'mkdir -m 700 s; export SCREENDIR=/tmp/s; screen -dmS one sh -c "echo in screen > o; sleep 100"; until [ -s o ]; do sleep 0.1; done; cat o; screen -ls | grep -c one; screen -S one -X quit; while screen -ls | grep -q one; do sleep 0.1; done; echo over'
try 'job control' 'cat > e << "E"
set timeout 20
spawn -noecho bash --norc --noprofile -i
expect -re {\$ }; send "sleep 1000\r"; sleep 0.5; send "\032"; expect Stopped; send "bg\r"; expect "sleep 1000 &"; send "fg\r"; expect "sleep 1000"; sleep 0.3; send "\003"
expect -re {\$ }; send "echo rc=\$?\r"; expect -re {rc=[0-9]+}; puts "\nGOT $expect_out(0,string)"; send "exit\r"; expect eof; puts "GOT [lindex [wait] 3]"
E
expect e | grep -a ^GOT'
try zlib 'cp -r /opt/zlib z && cd z && ./configure > /dev/null && make -j4 > /dev/null 2>&1; echo $?; make test 2>&1 | grep OK'
try 'large git' 'git init -q --bare g; for i in {1..60}; do printf "commit refs/heads/master\ncommitter a <a@b> %d +0000\ndata 2\nc\n" $((1000000000 + i)); for j in {1..20}; do printf "M 100644 inline d%d/f%d\ndata <<X\n%s\nX\n" $((j % 5)) $j "$(head -c 2000 /bin/bash | tail -c 500 | base64)$i$j"; done; done | git -C g fast-import --quiet; git -C g log --oneline master | md5sum; git clone -q g a; git clone -q --no-local g b; cd b; git gc -q --aggressive; git fsck; git log --stat | md5sum; diff -r ../a/d1 d1 && echo same'

# apt-get and dpkg change a tree: a copy, with hard links where packages replace files by rename.
rw=$out/debian-rw
rm -rf "$rw"
copy() {
	mkdir "$rw" && (cd "$small" && for d in *; do
		case $d in
		proc | sys | dev) mkdir "$rw/$d" ;;
		var | etc | root | home | run | tmp) cp -a "$d" "$rw/" ;;
		*) cp -al "$d" "$rw/" || exit 1 ;;
		esac
	done) && rm -rf "$rw"/var/lib/apt/lists/* && cp "$big"/opt/hello*.deb "$rw/var/tmp/hello.deb"
}
if ! wanted apt; then
	:
elif copy 2> /dev/null; then
	tree=$rw root=writable
	try apt 'export DEBIAN_FRONTEND=noninteractive; d() { dpkg "$@" 2>&1 | grep -v "^(*Reading"; }; apt-get install -y /var/tmp/hello.deb < /dev/null 2> /dev/null | grep -v "^(*Reading"; hello; dpkg -L hello | wc -l; d -r hello; d -i /var/tmp/hello.deb; hello; dpkg --audit; d --purge hello; ls /var/lib/dpkg/info | wc -l; dpkg --verify; stat -c "%a %U:%G %F" /var/lib/dpkg/status /var/log/dpkg.log'
	tree=$big root=readonly
else
	skipped=$((skipped + 1))
	echo "skip apt: $small and $out are on two filesystems"
fi
rm -rf "$rw"

for m in os subprocess signal threading io mmap select time fcntl; do
	LIMIT=600 python_tests $m test_$m
done
# Left out: test_epoll (its setUp opens AF_INET sockets), of test_socket and test_asyncio all that needs AF_INET.
for m in posix pty openpty tempfile shutil pathlib glob stat fork1 wait3 wait4 threadsignals faulthandler resource poll selectors ioctl \
	fileio file file_eintr largefile posixpath genericpath sqlite3 getpass pwd grp locale readline curses sched queue gc sys site cmd_line \
	cmd_line_script repl ctypes thread popen mailbox tarfile zipfile shelve dbm dbm_gnu dbm_dumb fileinput filecmp bufio univnewlines \
	uuid random atexit utf8_mode c_locale_coercion unicode_file unicode_file_functions threadedtempfile threading_local netrc pipes \
	tracemalloc linecache traceback syslog platform sysconfig zipimport py_compile runpy import venv compileall pdb \
	multiprocessing_main_handling concurrent_futures multiprocessing_fork multiprocessing_forkserver multiprocessing_spawn; do
	LIMIT=900 python_tests $m test_$m
done
python_tests 'socket, AF_UNIX' 'test_socket -m *Unix* -m *UNIX* -m *BasicSocketPairTest* -m *LinuxAbstract* -m *SendRecvFds*'
python_tests 'asyncio, processes' 'test_asyncio -m *test_subprocess* -m *test_unix_events* -m *test_tasks* -m *test_locks* -m *test_queues*'
try 'python eintr' 'python3 -m unittest -v -k FNTL -k OSEINTR -k SelectEINTR -k Signal -k TimeEINTR -k test_open -k test_os_open -k test_recv -k test_send test._test_eintr 2>&1 | grep -v "^Ran"'

# stress-ng: nothing that is wrong, and an end.  Left out by name, with the reason:
no_inet="dccp icmp-flood netdev netlink-proc netlink-task ping-sock rawpkt rawsock rawudp sctp sock sockabuse sockdiag sockmany udp udp-flood"
no_call="aiol ptrace sem-sysv swap vm-segv" # io_setup, ptrace, semget, swapon, ptrace
no_host="bind-mount binderfs efivar mlockmany oom-pipe pci physpage rawdev tmpfs uprobe" # not in such a chroot on the host either
no_run="prefetch reboot smi sysinval watchdog" # as long as the cache is large; refused without --pathological
stress=0 wrong=0
for s in $(chroot "$tree" stress-ng --stressors); do
	wanted stress-ng || break
	case " $no_inet $no_call $no_host $no_run " in *" $s "*) continue ;; esac
	config "stress-ng --temp-path /tmp --$s 2 --timeout 1 --verify 2>&1"
	timeout -k 5 "${LIMIT:-60}" "$runsc" --root="$work/state" --network=none run --bundle "$work/bundle" "stress-$$-$stress" > "$work/ours" 2> "$work/ours.err" < /dev/null
	status=$?
	stress=$((stress + 1))
	if [ $status != 0 ]; then
		wrong=$((wrong + 1))
		echo "stress-ng --$s: status $status: $(grep -m 1 -aE 'fail:|error:' "$work/ours")"
	fi
done
if ! wanted stress-ng; then
	:
elif [ $wrong = 0 ] && [ $stress -gt 200 ]; then
	passed=$((passed + 1))
	echo "ok   stress-ng: $stress stressors"
else
	failed=$((failed + 1))
	echo "FAIL stress-ng: $wrong of $stress stressors"
fi
