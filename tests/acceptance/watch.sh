#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# watch.sh [FILES [BURST]]: a watched job at full size (1,000,000 files, a burst of 200,000 changes).
#
# Asks of 'varve watch', as root by fanotify, else by inotify (give fs.inotify.max_user_watches room):
#  - a change is in a committed snapshot within the maximum delay;
#  - a snapshot of 10 changed files costs at most 100 ms of processor time (the watching thread's share of
#    what others do on the file system is measured beside it, idle, and subtracted);
#  - it reads none of the directories in which nothing has changed (by its system calls);
#  - after a burst, for whose second half the watch is stopped so that the kernel's queue overflows, the newest
#    snapshot is the tree (restored, and compared by rsync).
# Prints figures; ends with 1 if one is not met.  Works below ${TMPDIR:-/tmp}; needs some 5 GB for the full size.
set -euo pipefail
files=${1:-1000000}
burst=${2:-200000}
top=$(cd "$(dirname "$0")/../.." && pwd)
VARVE=${VARVE:-$top/build/varve}
work=$(mktemp -d "${TMPDIR:-/tmp}/varve-watch-XXXXXX")
watcher=
clean_up()
{
    [ -z "$watcher" ] || kill -KILL "$watcher" 2>/dev/null || true
    rm -rf "$work"
}
trap clean_up EXIT
export VARVE_STATE_DIR=$work/state VARVE_CACHE_DIR=$work/cache VARVE_CONFIG=$work/varve.conf
# shellcheck source=tests/e2e/wait.sh
. "$top/tests/e2e/wait.sh"
failed=0
verdict() { # OK? TEXT
    if [ "$1" = 1 ]; then echo "ok    $2"; else
        echo "NOT   $2"
        failed=1
    fi
}

"$VARVE" -r "$work/repo" init --no-parity --key-file "$work/key" >/dev/null
cat >"$VARVE_CONFIG" <<END
[repository main]
url = $work/repo
key-file = $work/key
[job tree]
repository = main
path = $work/tree
END
chmod 600 "$VARVE_CONFIG"
echo "making $files files"
python3 - "$work/tree" "$files" <<'END'
import os, sys
top, n = sys.argv[1], int(sys.argv[2])
for d in range((n + 99) // 100):
    path = f"{top}/{d // 100:03d}/{d % 100:02d}"
    os.makedirs(path)
    for i in range(min(100, n - d * 100)):
        with open(f"{path}/file-{i:02d}", "w") as f:
            f.write(f"{d} {i}\n")
END

"$VARVE" watch tree >"$work/out" 2>&1 &
watcher=$!
snapshots() { grep -c '^snapshot' "$work/out" || true; }
has() { [ "$(snapshots)" -ge "$1" ]; }
wait_for 1800 has 1
grep watching "$work/out"
tail -n 1 "$work/out"
# ten ROUND: ten files in ten directories.
ten()
{
    local i
    for ((i = 0; i < 10; i++)); do
        echo "$1" >>"$work/tree/000/$(printf %02d $((i * 7)))/file-$(printf %02d "$i")"
    done
}
ticks() { awk '{ print ($14 + $15) * 1000 / '"$(getconf CLK_TCK)"' }' "/proc/$watcher/stat"; }
for round in 1 2; do # what was racy is settled
    sleep 4
    n=$(snapshots)
    ten "$round"
    wait_for 120 has $((n + 1))
done
sleep 4

# ---- processor time, and the delay ----
rounds=10
spent=0
worst=0
a=$(ticks)
sleep 20
idle=$(awk -v a="$a" -v b="$(ticks)" 'BEGIN { print (b - a) / 20 }')
for ((round = 0; round < rounds; round++)); do
    n=$(snapshots)
    a=$(ticks)
    began=$(date +%s%N)
    ten "$round"
    wait_for 120 has $((n + 1))
    ms=$((($(date +%s%N) - began) / 1000000))
    worst=$((ms > worst ? ms : worst))
    sleep 1
    spent=$(awk -v s="$spent" -v a="$a" -v b="$(ticks)" -v i="$idle" -v ms="$ms" \
        'BEGIN { print s + b - a - i * (ms / 1000 + 1) }')
done
each=$(awk -v s="$spent" -v r="$rounds" 'BEGIN { printf "%.0f", s / r }')
echo "idle: $idle ms of processor time a second (others' changes on the file system)"
verdict $((each <= 100)) "a snapshot of 10 changed files of $files: $each ms of processor time (at most 100)"
verdict $((worst <= 10000 + 2000)) "from the first change to the commit: $worst ms at most (10 s, and the snapshot)"

# ---- what is read ----
if command -v strace >/dev/null; then
    strace -f -qq -y -e trace=openat,openat2,getdents64,statx -o "$work/calls" -p "$watcher" &
    tracer=$!
    sleep 2
    n=$(snapshots)
    ten traced
    wait_for 120 has $((n + 1))
    kill -INT "$tracer"
    wait "$tracer" || true
    listed=$(grep getdents64 "$work/calls" | grep -o "<$work/tree/[^>]*>" | sort -u | wc -l)
    opened=$(grep -E 'openat2?\(' "$work/calls" | grep -c "$work/tree" || true)
    looked=$(grep 'statx(' "$work/calls" | grep -c "$work/tree" || true)
    # A snapshot of two seconds ago was of the same directories.
    verdict $((listed <= 10)) "directories listed: $listed of $((files / 100)) (10 have changes)"
    echo "      opened below the tree: $opened, looked at: $looked"
fi

# ---- a burst ----
n=$(snapshots)
echo "a burst of $burst changes"
python3 - "$work/tree" "$burst" "$files" "$watcher" <<'END'
import os, random, signal, sys
top, burst, n, watcher = sys.argv[1], *map(int, sys.argv[2:])
r = random.Random(7)
for k in range(burst):
    if k == burst // 2:
        os.kill(watcher, signal.SIGSTOP)
    d = r.randrange((n + 99) // 100)
    path = f"{top}/{d // 100:03d}/{d % 100:02d}"
    kind = k % 4
    if kind == 0:
        open(f"{path}/new-{k}", "w").close()
    elif kind == 1:
        with open(f"{path}/file-00", "a") as f:
            f.write("x")
    elif kind == 2:
        try:
            os.unlink(f"{path}/file-{r.randrange(1, 100):02d}")
        except FileNotFoundError:
            pass
    else:
        os.chmod(path, r.choice([0o755, 0o750]))
END
whole=$(grep -c 'all files looked at' "$work/out")
kill -CONT "$watcher"
began=$SECONDS
same()
{
    rm -rf "$work/restored"
    "$VARVE" -r main restore --no-verify --target "$work/restored" "latest:$work/tree" >/dev/null 2>&1 || return 1
    [ -z "$(rsync -aHni --checksum --delete "$work/tree/" "$work/restored/" | grep -Ev '^\.d[^ ]* +\./$')" ]
}
sleep 12
if wait_for 1800 same; then
    verdict 1 "the newest snapshot is the tree, $((SECONDS - began)) s after the burst (comparing included)"
else
    verdict 0 "the newest snapshot is not the tree"
fi
tail -n +$((n + 2)) "$work/out"
if [ "$burst" -ge 100000 ]; then
    verdict $(($(grep -c 'all files looked at' "$work/out") > whole)) "the queue overflowed: all files were looked at"
fi
echo "resident memory: $(awk '/VmHWM/ { print $2, $3 }' "/proc/$watcher/status") at most"
kill -TERM "$watcher"
code=0
wait "$watcher" || code=$?
watcher=
verdict $((code == 0)) "exit code $code after SIGTERM"
exit "$failed"
