# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# A watched job when something is wrong, and what signals and a service manager have to do with it.
# labels: slow
need_command rsync
# shellcheck source=tests/e2e/watch.sh
. "$E2E/watch.sh"
cd "$WORK" || exit
new_repo
unset VARVE_REPO VARVE_KEY_FILE
make_tree data
fast=('watch-quiet = 200ms' 'watch-delay = 1s')
watch_configuration "${fast[@]}"

# ---- what it does not begin with ----
assert_exit 2 varve watch 2>problems
assert_exit 2 varve watch wbe 2>problems
assert_grep "no job 'wbe'" problems
assert_exit 2 varve -r main watch web 2>problems
assert_exit 2 varve watch --json web 2>problems
watch_configuration 'watch-quiet = soon'
assert_exit 2 varve watch web 2>problems
assert_grep "varve.conf:7: watch-quiet: 'soon' is not a duration such as 2s" problems
watch_configuration 'watch-full-walk = 25:00'
assert_exit 2 varve watch web 2>problems
assert_grep "varve.conf:7: watch-full-walk: '25:00' is not a time of day such as 03:00" problems
watch_configuration "${fast[@]}"
sed -i 's/^path = .*/exec = a=echo a/' varve.conf
assert_exit 2 varve watch web 2>problems
assert_grep 'no path' problems
watch_configuration "${fast[@]}"
mv repo repo-away
assert_exit 10 varve watch web 2>problems
mv repo-away repo
mv repo.key key-away
assert_exit 2 varve watch web 2>problems
mv key-away repo.key

# ---- the repository goes away, and comes back: nothing is lost, and it is said once ----
# A repository that is open on this machine stays so if it is only moved; it must refuse first.
refuse()
{
    if [ "$EUID" = 0 ]; then
        chattr +i repo/sessions || skip "the file system has no immutable directories"
    else
        chmod 500 repo/sessions
    fi
}
accept()
{
    if [ "$EUID" = 0 ]; then chattr -i repo/sessions; else chmod 700 repo/sessions; fi
}
watch_start
assert_saved
refuse
echo refused >data/while-refused
said() { grep -q 'no snapshot could be made' watch.out; }
wait_for 60 said || fail "nobody says so: $(cat watch.out)"
mv repo repo-away
for i in 1 2 3; do
    echo "$i" >"data/while-away-$i"
    sleep 0.7
done
mkdir empty # another one in its place
mv empty repo
echo x >data/while-another-is-there
sleep 2
assert_eq "$(grep -c 'no snapshot could be made' watch.out)" 1 "how often it is said"
rmdir repo
mv repo-away repo
accept
assert_saved
assert_grep 'snapshots can be made again' watch.out
refute_grep 'all files looked at' <(tail -n 1 watch.out)

# ---- the path itself goes away, and comes back ----
mv data data-away
sleep 1.5
mkdir data
echo other >data/other
assert_saved
rm -rf data
mv data-away data
assert_saved

# ---- a run of the same job: neither keeps the other from its work ----
echo beside >data/beside
assert_exit 0 varve run --json web >/dev/null
echo after >data/after
assert_saved

# ---- one watch a job ----
assert_exit 1 varve watch web 2>problems
assert_grep "job 'web' is watched already" problems

# ---- reload ----
sed -i 's/^watch-quiet.*/watch-quiet = 100ms\nexclude = *.left-out/' varve.conf
kill -HUP "$watcher"
reloads() { [ "$(grep -c 'watching job' watch.out)" -ge "$1" ]; }
wait_for 60 reloads 2 || fail "it is not reloaded: $(cat watch.out)"
echo x >data/file.left-out
echo x >data/file.kept
is_there() { varve -r main ls "latest:$WORK/data" | grep -Fq -- "$1"; }
wait_for 60 is_there file.kept || fail "no snapshot after a reload: $(cat watch.out)"
varve -r main ls "latest:$WORK/data" >list
refute_grep left-out list
rm data/file.left-out
cp varve.conf kept.conf
echo 'nonsense = 1' >>varve.conf
kill -HUP "$watcher"
stays() { grep -q 'the configuration stays as it was' watch.out; }
wait_for 60 stays || fail "nobody says so: $(cat watch.out)"
cp kept.conf varve.conf
echo x >data/still-watched
wait_for 60 is_there still-watched || fail "no snapshot after a reload that failed"

# ---- stop: what is quickly saved is ----
assert_saved
sed -i 's/^watch-quiet.*/watch-quiet = 10min/; s/^watch-delay.*/watch-delay = 20min/' varve.conf
kill -HUP "$watcher"
wait_for 60 reloads 3 || fail "it is not reloaded"
assert_saved
echo x >data/last-words
sleep 0.5
watch_stop
is_there last-words || fail "what had changed before the end is in no snapshot: $(cat watch.out)"
# While it is away, this is not waited for.
watch_start
assert_saved
refuse
echo x >data/unsaved
sleep 0.5
began=$SECONDS
watch_stop
assert_le $((SECONDS - began)) 15 "seconds to stop"
assert_grep 'changes that are in no snapshot yet' watch.out
accept
watch_start
assert_saved # by the walk at the start
# Killed: nothing is in the way of the next one.
echo x >data/more
kill -KILL "$watcher"
wait "$watcher" 2>/dev/null || true
watch_start
assert_saved
watch_stop

# ---- a service manager ----
watch_configuration "${fast[@]}"
cat >listen.py <<'END'
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
open("listening", "w").close()
with open("told", "w") as f:
    while True:
        f.write(s.recv(4096).decode() + "\n")
        f.flush()
END
python3 listen.py "$WORK/notify.socket" &
listener=$!
wait_for 30 test -e listening
export NOTIFY_SOCKET=$WORK/notify.socket WATCHDOG_USEC=600000
watch_start
told() { grep -q "$1" told; }
wait_for 60 told READY=1
wait_for 60 told WATCHDOG=1
wait_for 60 told 'STATUS=.*at 20'
kill -HUP "$watcher"
wait_for 60 told RELOADING=1
ready_again() { [ "$(grep -c READY=1 told)" -ge 2 ]; }
wait_for 60 ready_again
watch_stop
wait_for 60 told STOPPING=1
kill "$listener"
unset NOTIFY_SOCKET WATCHDOG_USEC

assert_exit 0 varve -r main verify >/dev/null
