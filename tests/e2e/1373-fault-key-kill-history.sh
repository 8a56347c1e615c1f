# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# Jobs with a wrong key, jobs that are killed, and histories that are damaged in every way: no status is green by
# it, and no history stands in the way of a run.
# labels: slow
cd "$WORK" || exit
source "$E2E/faults.sh"
lines=("path = $WORK/data" 'replicate-to = near' 'replicate-to = far' 'keep-last = 3')
conf "${lines[@]}"
run 0
green

# ---- a wrong key ----
assert_exit 0 varve -r other init --no-parity --key-file key-other >/dev/null
mv key key-kept
cp key-other key
before=$(find repo/packs -type f | wc -l)
run 11
assert_eq "$(state backup replicate forget prune)" 'failed failed left-out left-out'
assert_eq "$(find repo/packs -type f | wc -l)" "$before" packs
assert_grep "^varve: '$WORK/repo': '$WORK/key' is for another repository" told
status CRITICAL:run CRITICAL:reach:main CRITICAL:reach:near CRITICAL:reach:far
mv -f key-kept key
well

# ---- the run is killed: its part ends with it, and the next run is not kept waiting ----
mkfifo held
conf "${lines[@]}" "exec = dump=touch $WORK/begun; cat $WORK/held"
varve run web >/dev/null 2>&1 &
child=$!
wait_for 60 test -e begun
: >told
kill -KILL "$child"
wait "$child" 2>/dev/null || true
ended() { ! pgrep -f "cat $WORK/held" >/dev/null; }
wait_for 60 ended
[ ! -s told ] || fail "who told that? $(cat told)"
status CRITICAL:run
assert_grep 'was cut off' status.json
# Whoever is killed can tell nobody: that is for the dead-man service, and for 'status --notify'.
assert_exit 2 varve status --notify --quiet >out
assert_grep '^silence web' told
assert_exit 0 varve runs -n 1 >out
assert_grep 'no end' out
conf "${lines[@]}"
run 0
[ ! -s told ] || fail "whoever told of the silence tells of its end: $(cat told)"
green
assert_exit 0 varve status --notify --quiet >out
assert_grep '^recovery web' told

# ---- a part is killed: the others are not, and no prune waits for what it has left open ----
conf "${lines[@]}" "exec = dump=kill -KILL \$PPID"
run 1
assert_eq "$(state backup replicate)" 'failed ok'
assert_grep '^  backup +failed .*, killed .SIGKILL.: was there enough memory.$' told
status CRITICAL:run
assert_exit 0 varve -q -r main forget --grace 0 latest~1
assert_exit 0 varve -r main prune --json --wait 0s --max-waste 0% >pruned.json 2>/dev/null
assert_eq "$(json pruned.json '[d["sessions_fenced"], d["sessions_open"], d["lists_left"]]')" '[1, 0, 0]'
lines=("path = $WORK/data" 'replicate-to = near' 'replicate-to = far')
conf "${lines[@]}"
well

# ---- histories ----
db=$VARVE_STATE_DIR/runs.db
cp "$db" good.db
# history WHAT CODE: as the file is now, a status that is not green, and a run that goes well for all that.
history()
{
    local got=0
    varve status --json >status.json 2>status.problems || got=$?
    [ "$got" != 0 ] || fail "$1: green: $(cat status.json)"
    varve run web >out 2>problems || fail "$1: the run fails: $(cat out problems)"
    [ -z "$2" ] || assert_grep "$2" problems
    got=0
    varve status --json >status.json 2>status.problems || got=$?
    assert_eq "$got" "$3" "$1: status after the run"
    rm -rf "$db" "$db"-*
    cp good.db "$db"
}
head -c 5000 /dev/urandom >"$db"
history 'no database' 'a new one is begun' 0
head -c 5000 good.db >"$db"
history truncated 'a new one is begun' 0
: >"$db"
history empty '' 0
rm "$db"
history missing '' 0
printf 'damage' | dd of="$db" bs=1 seek=4100 conv=notrunc status=none
dd if=/dev/urandom of="$db" bs=1k seek=8 count=8 conv=notrunc status=none
history 'damaged inside' '' 0
rm "$db" && mkdir "$db"
history 'a directory' 'does not get into the history' 3
rm "$db" && ln -s /dev/null "$db"
history 'a link' 'does not get into the history' 3
# One that is green, and cannot be written: what happens now is not in it.
if [ "$EUID" = 0 ] && chattr +i good.db 2>/dev/null; then
    chattr -i good.db
    chattr +i "$db"
    varve run web >out 2>problems || fail "read-only: the run fails: $(cat out problems)"
    assert_grep 'does not get into the history' problems
    assert_exit 3 varve status >later
    assert_grep '^VARVE UNKNOWN: .*history' later
    assert_exit 2 faketime -f +8d "$VARVE" status >later
    chattr -i "$db"
fi
conf "${lines[@]}"
run 0
green
