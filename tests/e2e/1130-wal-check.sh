# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# labels: plain memory
# varve wal check: quiet while all is well, and each thing that is wrong is named.  Two promotions in a row,
# the receiver absent during one: nothing acknowledged is lost, or the gap is told.
. "$E2E/postgres.sh"
. "$E2E/wal.sh"
pg_need
need_command python3

new_repo
wal_export
pg_init "$WORK/one" --wal-segsize=1
pg_start "$WORK/one"
pg_shop "$WORK/one"
URL=$(pg_url "$WORK/one")

problem()
{
    local event=$1
    shift
    assert_exit 3 varve --json wal check "$@" >"$WORK/json" 2>/dev/null
    python3 - "$WORK/json" "$event" <<'END'
import json, sys
names = [p["event"] for p in json.load(open(sys.argv[1]))["problems"]]
assert sys.argv[2] in names, (names, sys.argv[2])
END
}
assert_exit 3 varve wal check "$URL" >/dev/null 2>"$WORK/err"
assert_grep 'there is no WAL' "$WORK/err"
assert_grep "no slot 'varve'" "$WORK/err"
assert_exit 0 varve wal receive --once --unbounded-slot "$URL" >/dev/null
assert_exit 3 varve wal check "$URL" >/dev/null 2>"$WORK/err"
assert_grep 'without bound' "$WORK/err"
assert_exit 0 varve wal check --unbounded-slot "$URL" >"$WORK/out"
assert_grep 'published up to' "$WORK/out"
pg_sql "$WORK/one" "alter system set max_slot_wal_keep_size = '300MB'" "select pg_reload_conf()" >/dev/null
assert_exit 0 varve wal check "$URL" >/dev/null
assert_exit 0 varve -q wal check "$URL" >"$WORK/out" 2>&1
assert_eq "$(wc -c <"$WORK/out")" 0 "bytes of a quiet check"
# Nothing new on the server: the age of the newest publication does not matter.
assert_exit 0 varve wal check --max-age 0 "$URL" >/dev/null
pg_sql "$WORK/one" "create table more as select generate_series(1, 1000)"
assert_exit 3 varve wal check --max-age 0 "$URL" >/dev/null 2>"$WORK/err"
assert_grep 'the server has written more' "$WORK/err"
assert_exit 3 varve wal check --least-safe 1G "$URL" >/dev/null 2>"$WORK/err"
assert_grep 'may let go of WAL' "$WORK/err"
assert_exit 3 varve wal check --max-age 0 >/dev/null 2>"$WORK/err"
assert_exit 13 varve wal check "postgres://backup@%2Fnowhere/" >/dev/null 2>&1
assert_exit 0 varve wal receive --once "$URL" >/dev/null
assert_exit 0 varve wal check "$URL" >/dev/null

# --- two promotions, the receiver absent during the first
wal_base "$WORK/one" "$WORK/base"
assert_exit 0 varve wal receive --once "$URL" >/dev/null
pg_set "$WORK/one" "synchronous_standby_names = ''"
# promote FROM TO: TO goes on from where FROM ended, as a standby that had everything.
promote()
{
    pg_stop "$1"
    mkdir -p "$2"
    cp -a "$1/data" "$2/data"
    mkdir -p "$2/socket"
    pg_own "$2"
    sed -i '/^listen_addresses/,$d' "$2/data/postgresql.conf"
    pg_configure "$2"
    pg_set "$2" "max_slot_wal_keep_size = 300MB"
    pg_as touch "$2/data/standby.signal"
    pg_start "$2"
    pg_run pg_ctl -D "$2/data" -s -w promote
    wait_for 30 wal_in_production "$2" || fail "no promotion"
}
pg_sql "$WORK/one" "create table seen (n int)" "insert into seen values (1)"
promote "$WORK/one" "$WORK/two"
pg_sql "$WORK/two" "insert into seen values (2)"
promote "$WORK/two" "$WORK/three"
pg_sql "$WORK/three" "insert into seen values (3)"
assert_exit 0 varve wal receive --once "$(pg_url "$WORK/three")" >"$WORK/out"
assert_grep 'on timeline 3' "$WORK/out"
assert_exit 0 varve wal list >"$WORK/list"
assert_exit 0 varve wal check "$(pg_url "$WORK/three")" >/dev/null
wal_newest "$WORK/base" "$WORK/restored"
assert_eq "$(pg_sql "$WORK/restored" "select string_agg(n::text, ',' order by n) from seen")" "1,2,3" "rows"
