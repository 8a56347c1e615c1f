# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# labels: memory
# PostgreSQL's archive_command and restore_command: what push and get end with whatever happens, and
# recovery with real servers to the newest moment, to a named point, and across a promotion.
. "$E2E/postgres.sh"
pg_need
need_command python3

# The repository, its key and state belong to the server's user: the server runs the commands.
mkdir "$WORK/server" && pg_own "$WORK/server"
cd "$WORK/server" || exit 1
REPO=$WORK/server/repo
KEY=$WORK/server/key
v()
{
    pg_as env -u VARVE_REPO -u VARVE_KEY_FILE "VARVE_STATE_DIR=$WORK/server/state" \
        "VARVE_CACHE_DIR=$WORK/server/cache" "$(command -v varve)" "$@"
}
VARVE_COMMAND="env VARVE_STATE_DIR=$WORK/server/state VARVE_CACHE_DIR=$WORK/server/cache $(command -v varve)"
VARVE_COMMAND+=" -r $REPO --key-file $KEY -q"
assert_exit 0 v -r "$REPO" init --no-parity --key-file "$KEY" --recovery-file "$KEY.words" >/dev/null

pg_init "$WORK/one" --wal-segsize=1
pg_set "$WORK/one" "wal_level = replica"
pg_set "$WORK/one" "archive_mode = on"
pg_set "$WORK/one" "archive_command = '$VARVE_COMMAND wal push %p'"
pg_start "$WORK/one"

# segments DIR: names of the segments in a directory, in order.
segments()
{
    find "$1" -maxdepth 1 -regextype posix-extended -regex '.*/[0-9A-F]{24}' -printf '%f\n' | LC_ALL=C sort
}
archived()
{
    [ "$(pg_sql "$WORK/one" "select last_archived_wal >= '$1' from pg_stat_archiver")" = t ]
}
# switch: end the segment and wait until it is in the repository.
switch()
{
    local name
    name=$(pg_sql "$1" "select pg_walfile_name(pg_switch_wal())")
    wait_for 60 archived "$name" || fail "segment $name was not archived"
}

# A base backup of the server's own tools, and orders before and after a point that has a name.
pg_sql "$WORK/one" "create table orders (number int primary key)" \
    "insert into orders select generate_series(1, 1000)"
pg_run pg_basebackup -D "$WORK/server/base" -h "$WORK/one/socket" -U postgres -X none -c fast
pg_sql "$WORK/one" "insert into orders select generate_series(1001, 20000)" \
    "select pg_create_restore_point('before-the-accident')" >/dev/null
pg_sql "$WORK/one" "drop table orders" "create table orders_after (number int)" \
    "insert into orders_after values (1)"
switch "$WORK/one"
SYSTEM=$(pg_run pg_controldata "$WORK/one/data" | sed -n 's/^Database system identifier: *//p')
v -r "$REPO" --key-file "$KEY" wal list >"$WORK/list"
assert_grep "^$SYSTEM +1 +0/[0-9A-F]+ +0/[0-9A-F]+" "$WORK/list"
v -r "$REPO" --key-file "$KEY" --json wal list >"$WORK/list.json"
python3 - "$WORK/list.json" "$SYSTEM" <<'END'
import json, sys
d = json.load(open(sys.argv[1]))
assert not d["gaps"] and len(d["wal"]) == 1, d
w = d["wal"][0]
assert w["system"] == sys.argv[2] and w["segment_size"] == 1 << 20 and w["publications"] > 1, w
END
# Publications are no backups: there is nothing "latest" yet, and a listing does not drown in them.
assert_exit 1 v -r "$REPO" --key-file "$KEY" ls latest >/dev/null 2>&1
refute_grep wal: <(v -r "$REPO" --key-file "$KEY" snapshots 2>/dev/null)
assert_grep ' wal .*wal:' <(v -r "$REPO" --key-file "$KEY" snapshots --wal)

# --- push: the same again is done, another content is refused, and what is no WAL is never taken
cd "$WORK/one/data" || exit 1
segment=$(segments pg_wal | head -n 1)
push=(v -r "$REPO" --key-file "$KEY" wal push)
pg_as cp "pg_wal/$segment" "$WORK/server/$segment"
assert_exit 0 "${push[@]}" "pg_wal/$segment" | grep -q 'already'
printf 'X' | pg_as dd of="$WORK/server/$segment" bs=1 seek=5000 conv=notrunc status=none
assert_exit 1 "${push[@]}" "$WORK/server/$segment" >/dev/null 2>"$WORK/err"
assert_grep 'another content' "$WORK/err"
pg_as cp "pg_wal/$segment" "$WORK/server/0000000100000000000000F0"
assert_exit 1 "${push[@]}" "$WORK/server/0000000100000000000000F0" >/dev/null 2>"$WORK/err"
assert_grep 'another segment than its name' "$WORK/err"
pg_as truncate -s 500000 "$WORK/server/0000000100000000000000F0"
assert_exit 1 "${push[@]}" "$WORK/server/0000000100000000000000F0" >/dev/null 2>&1
assert_exit 2 "${push[@]}" postgresql.conf >/dev/null 2>&1
assert_exit 1 "${push[@]}" pg_wal/0000000100000000000000EE >/dev/null 2>&1

# --- get: 0 with the file in place, 1 only for what is proven not to be there
get=(v -r "$REPO" --key-file "$KEY" wal get)
mkdir "$WORK/got" && pg_own "$WORK/got"
cp "$WORK/server/base/global/pg_control" "$WORK/control"
assert_exit 0 "${get[@]}" "$segment" "$WORK/got/segment"
cmp "pg_wal/$segment" "$WORK/got/segment"
assert_exit 1 "${get[@]}" 0000000100000000000000EE "$WORK/got/none" 2>/dev/null
assert_exit 1 "${get[@]}" 00000002.history "$WORK/got/none" 2>/dev/null
refute_exists "$WORK/got/none"
never()
{
    local got=0
    "$@" >/dev/null 2>"$WORK/err" || got=$?
    [ "$got" -ge 126 ] || { cat "$WORK/err" >&2; fail "exit $got, which a server takes for 'no such file': $*"; }
    refute_exists "$WORK/got/none"
}
name=0000000100000000000000EE
never "${get[@]}" --no-such-option "$name" "$WORK/got/none"
never v --no-such-option wal get "$name" "$WORK/got/none"
never v -r "$REPO" --key-file "$KEY" wal gte "$name" "$WORK/got/none"
never v -r "$REPO" --key-file "$KEY" wal "$name" "$WORK/got/none"
never "${get[@]}" "$name"
never "${get[@]}" "not-a-segment" "$WORK/got/none"
never v wal get "$name" "$WORK/got/none"                               # no repository is named
never v -r "$WORK/server/nowhere" --key-file "$KEY" wal get "$name" "$WORK/got/none"
never v -r "$REPO" --key-file "$WORK/server/no-key" wal get "$name" "$WORK/got/none"
assert_exit 0 v -r "$WORK/server/other" init --no-parity --key-file "$KEY.other" \
    --recovery-file "$KEY.other-words" >/dev/null
never v -r "$REPO" --key-file "$KEY.other" wal get "$name" "$WORK/got/none" # wrong key
never v -r "$WORK/server/other" --key-file "$KEY.other" wal get "$name" "$WORK/got/none" # no WAL in it
never v -r sftp://nobody@127.0.0.1:1/x --key-file "$KEY" wal get "$name" "$WORK/got/none"
never "${get[@]}" "$segment" "$WORK/no-such-directory/segment"
cd "$WORK/server" || exit 1 # no data directory: which cluster?
never "${get[@]}" "$name" "$WORK/got/none"
assert_exit 1 "${get[@]}" --system "$SYSTEM" "$name" "$WORK/got/none" 2>/dev/null
cd "$WORK/one/data" || exit 1
# What was fetched ahead is authenticated: a changed byte in the cache is never replayed.
spool=$(find "$WORK/server/cache" -type d -name 'wal-spool-*')
next=$(segments "$spool" | head -n 1)
[ -n "$next" ] || fail "nothing was fetched ahead"
assert_exit 0 "${get[@]}" "$next" "$WORK/got/next"
cmp "pg_wal/$next" "$WORK/got/next"
refute_exists "$spool/$next"
assert_exit 0 "${get[@]}" "$segment" "$WORK/got/segment"
assert_exists "$spool/$next"
printf X | dd of="$spool/$next" bs=1 seek=6000 conv=notrunc status=none
rm "$WORK/got/next"
assert_exit 0 "${get[@]}" "$next" "$WORK/got/next"
cmp "pg_wal/$next" "$WORK/got/next"
assert_exit 0 "${get[@]}" --no-prefetch "$segment" "$WORK/got/segment"
rm -r "$spool"
# A full disk, a damaged pack, a damaged slot, and a gap.
if [ "$EUID" = 0 ] && mkdir "$WORK/small" && mount -t tmpfs -o size=512k tmpfs "$WORK/small" 2>/dev/null; then
    chmod 777 "$WORK/small"
    never "${get[@]}" "$segment" "$WORK/small/segment"
    assert_eq "$(find "$WORK/small" -type f | wc -l)" 0 "files left on the full disk"
    umount "$WORK/small"
fi
cp -a "$REPO" "$WORK/damaged"
find "$WORK/damaged/packs" -type f -exec chmod 600 {} + -exec truncate -s -2000 {} +
never v -r "$WORK/damaged" --key-file "$KEY" wal get "$segment" "$WORK/got/none"
rm -r "$WORK/damaged"
cp -a "$REPO" "$WORK/damaged"
slot=$(find "$WORK/damaged/snapshots" -type f | head -n 1)
chmod 600 "$slot" && printf X | dd of="$slot" bs=1 seek=100 conv=notrunc status=none
never v -r "$WORK/damaged" --key-file "$KEY" wal get "$name" "$WORK/got/none"
rm -r "$WORK/damaged"
# WAL that a recovery needs is not forgotten, not even by name.
id=$(v -r "$REPO" --key-file "$KEY" --json snapshots --wal | python3 -c '
import json, sys
print([s["id"] for s in json.load(sys.stdin)["snapshots"] if s["mode"] == "wal"][-2])')
assert_exit 1 v -r "$REPO" --key-file "$KEY" forget "$id" >/dev/null 2>"$WORK/err"
assert_grep 'recovery from a base backup needs' "$WORK/err"

# --- recovery
# recover DIR SETTING...: the base backup, with these settings, brought up.
recover()
{
    local dir=$1 setting
    shift
    mkdir -p "$dir/socket"
    pg_own "$dir"
    pg_as cp -a "$WORK/server/base" "$dir/data"
    pg_configure "$dir"
    pg_set "$dir" "archive_mode = off"
    pg_set "$dir" "restore_command = '$VARVE_COMMAND wal get %f %p'"
    for setting in "$@"; do pg_set "$dir" "$setting"; done
    pg_as touch "$dir/data/recovery.signal"
    pg_start "$dir"
}
in_production()
{
    [ "$(pg_sql "$1" "select pg_is_in_recovery()")" = f ]
}
recover "$WORK/newest" "archive_mode = on" "archive_command = '$VARVE_COMMAND wal push %p'"
wait_for 60 in_production "$WORK/newest" || fail "recovery does not end"
assert_eq "$(pg_sql "$WORK/newest" "select count(*) from orders_after")" 1 "orders after the accident"
recover "$WORK/named" "recovery_target_name = 'before-the-accident'" "recovery_target_action = promote"
wait_for 60 in_production "$WORK/named" || fail "recovery does not end"
assert_eq "$(pg_sql "$WORK/named" "select count(*) from orders")" 20000 "orders before the accident"

# The wrong key in restore_command: the server must not come up with what the base backup holds.
mkdir -p "$WORK/wrong/socket" && pg_own "$WORK/wrong"
pg_as cp -a "$WORK/server/base" "$WORK/wrong/data"
pg_configure "$WORK/wrong"
pg_set "$WORK/wrong" "restore_command = '${VARVE_COMMAND/$KEY/$KEY.other} wal get %f %p'"
pg_as touch "$WORK/wrong/data/recovery.signal"
if (pg_start "$WORK/wrong") >/dev/null 2>&1; then
    fail "the server went into production without its WAL"
fi

# A promotion: timeline 2 archives its history, a partial segment and what follows, and a recovery
# from the same base backup ends on it.
pg_sql "$WORK/newest" "insert into orders_after values (2)"
archived()
{
    [ "$(pg_sql "$WORK/newest" "select last_archived_wal >= '$1' from pg_stat_archiver")" = t ]
}
switch "$WORK/newest"
recover "$WORK/second"
wait_for 60 in_production "$WORK/second" || fail "recovery does not end"
assert_eq "$(pg_sql "$WORK/second" "select count(*) from orders_after")" 2 "orders on timeline 2"
v -r "$REPO" --key-file "$KEY" wal list >"$WORK/list"
assert_grep "^$SYSTEM +2 " "$WORK/list"
assert_exit 0 v -r "$REPO" --key-file "$KEY" wal get --system "$SYSTEM" 00000002.history \
    "$WORK/got/history"
cmp "$WORK/newest/data/pg_wal/00000002.history" "$WORK/got/history"
assert_exit 0 v -r "$REPO" --key-file "$KEY" verify --data >/dev/null

# WAL of a timeline without its history: "latest" would end on the one before, so it is no absence.
name=$(segments "$WORK/newest/data/pg_wal" | grep '^00000002' | head -n 1)
python3 - "$WORK/newest/data/pg_wal/$name" "$WORK/got/${name/#00000002/00000003}" <<'END'
import sys
data = bytearray(open(sys.argv[1], "rb").read())
open(sys.argv[2], "wb").write(data)
END
assert_exit 0 v -r "$REPO" --key-file "$KEY" wal push "$WORK/got/${name/#00000002/00000003}" >/dev/null
never v -r "$REPO" --key-file "$KEY" wal get --system "$SYSTEM" 00000003.history "$WORK/got/none"
assert_grep 'history of timeline 3 is missing' "$WORK/err"

# --- a gap: a segment is thrown away by its server.  It is no absence, and it is told.
archived()
{
    [ "$(pg_sql "$WORK/one" "select last_archived_wal >= '$1' from pg_stat_archiver")" = t ]
}
pg_set "$WORK/one" "archive_command = '/bin/true'"
pg_sql "$WORK/one" "select pg_reload_conf()" "create table gap as select generate_series(1, 1000)" >/dev/null
lost=$(pg_sql "$WORK/one" "select pg_walfile_name(pg_current_wal_lsn())")
switch "$WORK/one"
pg_as cp "$WORK/one/data/pg_wal/$lost" "$WORK/got/lost"
pg_set "$WORK/one" "archive_command = '$VARVE_COMMAND wal push %p'"
pg_sql "$WORK/one" "select pg_reload_conf()" "insert into gap values (1)" >/dev/null
switch "$WORK/one"
cd "$WORK/one/data" || exit 1
assert_exit 3 v -r "$REPO" --key-file "$KEY" wal list >"$WORK/list"
assert_grep 'GAP BEFORE' "$WORK/list"
never v -r "$REPO" --key-file "$KEY" wal get "$lost" "$WORK/got/none"
assert_grep 'a gap' "$WORK/err"
# Beside the file there may be that segment, which the server then takes; or an old one that the server
# has given this name, to be overwritten: that changes nothing.
cp -p "$WORK/got/lost" "$WORK/got/$lost"
assert_exit 1 v -r "$REPO" --key-file "$KEY" wal get "$lost" "$WORK/got/none"
last=$(pg_sql "$WORK/one" "select last_archived_wal from pg_stat_archiver")
assert_exit 0 v -r "$REPO" --key-file "$KEY" wal get "$last" "$WORK/got/$lost"
never v -r "$REPO" --key-file "$KEY" wal get "$lost" "$WORK/got/none"
assert_grep 'a gap' "$WORK/err"
