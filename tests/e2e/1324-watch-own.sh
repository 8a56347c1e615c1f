# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# What a watch reads, and what it does not: by its system calls.  Its own writes do not wake it.
# labels: slow
need_command strace
# shellcheck source=tests/e2e/watch.sh
. "$E2E/watch.sh"
cd "$WORK" || exit
mkdir -p data/inside
export VARVE_STATE_DIR=$WORK/data/inside/state VARVE_CACHE_DIR=$WORK/data/inside/cache
new_repo "$WORK/repo"
unset VARVE_REPO VARVE_KEY_FILE
mv repo data/inside/repo
mkdir -p data/tree/{a,b}/{c,d}
mkdir -p data/quiet/{a,b,c}/{d,e,f} data/busy/{x,y}
for directory in data/quiet/*/*; do echo q >"$directory/quiet-file"; done
for ((i = 0; i < 600; i++)); do echo "$i" >"data/quiet/a/d/$i"; done
echo b >data/busy/x/file
watch_configuration 'watch-quiet = 200ms' 'watch-delay = 1s' 'may-change = *.log'
sed -i "s|^url = .*|url = $WORK/data/inside/repo|" varve.conf

ways=(--inotify)
if [ "$EUID" = 0 ]; then ways+=(''); fi
# saves: one more snapshot than at the last call, or than at the start.
saves()
{
    one_more() { [ "$(grep -c '^snapshot' watch.out)" -gt "$saved" ]; }
    wait_for 60 one_more || fail "no snapshot: $(cat watch.out)"
    saved=$(grep -c '^snapshot' watch.out)
}
for way in "${ways[@]}"; do
    saved=0
    echo x >>data/tree/"started$way"
    # shellcheck disable=SC2086
    watch_start $way
    saves # the first walk
    # What was racy is settled by and by, whoever else writes.
    for settle in 1 2; do
        sleep 2.5
        echo "$settle" >>data/busy/y/other
        saves
    done
    sleep 1

    # ---- no snapshot makes the next one ----
    count=$(count_snapshots)
    sleep 3
    assert_eq "$(count_snapshots)" "$count" "snapshots when only it has written itself"

    # ---- what has changed is all that is read ----
    strace -f -qq -y -e trace=openat,openat2,open,getdents64,statx,newfstatat -o calls -p "$watcher" &
    tracer=$!
    attached() { grep -q . "/proc/$watcher/status" && [ "$(awk '/TracerPid/ { print $2 }' "/proc/$watcher/status")" != 0 ]; }
    wait_for 30 attached || skip "strace cannot attach"
    echo more >>data/busy/x/file
    saves
    kill -INT "$tracer"
    wait "$tracer" || true
    # Other tests on this file system wake it, too, and may have directories of these names.
    grep -F "$WORK/data" calls >own
    assert_grep 'busy.*"x"|busy/x' own
    refute_grep 'quiet' own
    refute_grep 'data/tree/[a-z]' own
    # Listed: the directory with the change, perhaps the one that was written to just before; what is of
    # the cache and the repository is not the tree's.
    listed=$(grep getdents64 calls | grep -v "$WORK/data/inside" | grep -o "<$WORK/data[^>]*>" | sort -u)
    assert_eq "$(grep -v "<$WORK/data/busy/y>" <<<"$listed")" "<$WORK/data/busy/x>" \
        "directories of the tree that were listed"
    watch_stop
done

# ---- a little that is new is not the whole index written anew ----
saved=0
echo x >>data/tree/once-more
watch_start
saves
echo 0 >>data/busy/x/file
saves
index=$(stat -c %i-%y data/inside/cache/*/index)
for i in 1 2 3; do
    echo "$i" >>data/busy/x/file
    saves
done
# What they added is known all the same: the same content is not stored once more.
head -c 300000 /dev/urandom >data/busy/x/file
saves
cp data/busy/x/file data/busy/y/copy
saves
assert_eq "$(stat -c %i-%y data/inside/cache/*/index)" "$index" "the cached index after small snapshots"
watch_stop
assert_le "$(varve -r main snapshots --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["snapshots"][-1]["statistics"]["bytes_stored"])')" \
    100000 "bytes stored for a copy"
assert_exit 0 varve -r main verify --data >/dev/null
