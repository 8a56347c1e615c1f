# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# For tests of 'varve watch'; sourced behind lib.sh.

# watch_configuration LINE...: a repository 'main' and a job 'web' of $WORK/data, with these lines, too.
watch_configuration()
{
    {
        printf '[repository main]\nurl = %s\nkey-file = %s\n' "$WORK/repo" "$WORK/repo.key"
        printf '[job web]\nrepository = main\npath = %s\n' "$WORK/data"
        printf '%s\n' "$@"
    } >"$WORK/varve.conf"
    chmod 600 "$WORK/varve.conf"
    export VARVE_CONFIG=$WORK/varve.conf
}

# watch_start [option...]: in the background as $watcher, its words in $WORK/watch.out; returns when it watches.
watch_start()
{
    : >"$WORK/watch.out"
    "$VARVE" watch "$@" web >>"$WORK/watch.out" 2>&1 &
    watcher=$!
    wait_for 60 grep -q "watching job 'web'" "$WORK/watch.out" || fail "$(cat "$WORK/watch.out")"
}

# watch_stop [CODE]: ask it to, and wait.
watch_stop()
{
    local got=0
    kill -TERM "$watcher"
    wait "$watcher" || got=$?
    assert_eq "$got" "${1:-0}" "exit code of the watch that was stopped"
}

# newest: the id of the newest snapshot; count_snapshots.
newest()
{
    varve -r main snapshots --json | python3 -c 'import json, sys
s = json.load(sys.stdin)["snapshots"]
print(s[-1]["id"] if s else "none")'
}
count_snapshots()
{
    varve -r main snapshots --json |
        python3 -c 'import json, sys; print(len(json.load(sys.stdin)["snapshots"]))'
}

# is_saved: the newest snapshot is what $WORK/data is now, by rsync.
is_saved()
{
    rm -rf "$WORK/restored"
    varve -r main restore --target "$WORK/restored" "latest:$WORK/data" >/dev/null 2>&1 || return 1
    local flags=-rlptDHAXni
    if [ "$EUID" = 0 ]; then flags=-aHAXni; fi
    [ -z "$(rsync "$flags" --checksum --delete "$WORK/data/" "$WORK/restored/" | grep -Ev '^\.d[^ ]* +\./$')" ]
}

# assert_saved: it becomes so, and is so by every description.
assert_saved()
{
    wait_for 90 is_saved || {
        cat "$WORK/watch.out" >&2
        fail "no snapshot is what the tree is"
    }
    assert_same_tree "$WORK/data" "$WORK/restored"
}
