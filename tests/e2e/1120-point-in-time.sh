# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# labels: long memory
# Restoring a PostgreSQL cluster to a point: the newest moment, a time, a position, a named point before a
# DROP TABLE, a transaction, where the base backup is consistent; across a promotion; with a tablespace;
# again into a data directory that exists; and what is refused, before anything is written.
. "$E2E/postgres.sh"
. "$E2E/wal.sh"
pg_need
need_command python3

new_repo
wal_export
KEY=$WORK/reader/key
mkdir "$WORK/fast" && pg_own "$WORK/fast"
pg_init "$WORK/one" --wal-segsize=1
pg_set "$WORK/one" "max_slot_wal_keep_size = 1GB"
pg_start "$WORK/one"
pg_shop "$WORK/one"
pg_sql "$WORK/one" "create tablespace fast location '$WORK/fast'" \
    "create table stock (article text primary key, pieces int) tablespace fast" \
    "insert into stock select 'article ' || n, n from generate_series(1, 5000) n"
OID=$(pg_sql "$WORK/one" "select oid from pg_tablespace where spcname = 'fast'")
URL=$(pg_url "$WORK/one")
assert_exit 0 varve wal receive --once "$URL" >/dev/null
assert_exit 0 varve backup "shop=$URL" >/dev/null
wal_start "$URL"
wait_for 30 wal_connected "$WORK/one" || fail "the receiver does not connect"

place()
{
    pg_sql "$WORK/one" "insert into orders (number, customer, article, cents)
        select n, 'c', 'a', 100 from generate_series($1, $2) n" \
        "insert into payments (order_number, cents) select n, 100 from generate_series($1, $2) n"
}
place 1 1000
XID=$(pg_sql "$WORK/one" "begin" "insert into orders (number, customer, article, cents) values (1001, 'c', 'a', 100)" \
    "select pg_current_xact_id()" "commit" | head -n 1)
LSN=$(pg_sql "$WORK/one" "select pg_current_wal_lsn()")
sleep 1.2
TIME=$(pg_sql "$WORK/one" "select to_char(clock_timestamp() at time zone 'Europe/Berlin', 'YYYY-MM-DD HH24:MI:SS.US')")$(TZ=Europe/Berlin date +%:z)
sleep 0.2
place 1002 3000
pg_sql "$WORK/one" "select pg_create_restore_point('before-the-accident')" "drop table payments" \
    "drop table stock" >/dev/null
# It is stopped here: what it would publish during a recovery, the server's user could not read.
wal_stop
assert_exit 0 varve wal receive --once "$URL" >/dev/null
ZONELESS=${TIME%[+-]*}

# ends_with_control DIR: its control file, without which no server starts, got its name after all the rest.
ends_with_control()
{
    local later
    later=$(find "$1" -type f ! -path "$1/global/pg_control" -newercc "$1/global/pg_control")
    assert_eq "$later" "" "what was put into place after global/pg_control"
}

# restore DIR OPTION...: and start it.  Everything runs as the server's user would run it.
restore()
{
    local dir=$1
    shift
    mkdir -p "$dir/socket"
    assert_exit 0 varve --key-file "$KEY" restore latest:postgres/shop --target "$dir/data" \
        --tablespace "$OID=$dir/fast" "$@" >"$WORK/out"
    ends_with_control "$dir/data"
    start "$dir"
}
start()
{
    local dir=$1
    chmod -R a+rX "$VARVE_REPO"
    pg_own "$dir"
    sed -i '/^listen_addresses/,$d' "$dir/data/postgresql.conf"
    pg_configure "$dir"
    pg_start "$dir"
    wait_for 60 wal_in_production "$dir" || fail "recovery in $dir does not end: $(tail -n 5 "$WORK/$(basename "$dir").log")"
}
count()
{
    pg_sql "$1" "select count(*) from $2"
}

# recovers_or_rests DIR: a server in DIR does not start, or recovers as asked.
recovers_or_rests()
{
    [ ! -e "$1/global/pg_control" ] && return
    assert_exists "$1/recovery.signal" "$1/backup_label"
    assert_grep '^restore_command = .*wal get --system' "$1/postgresql.auto.conf"
}

# --- killed at any moment, it leaves no directory that starts and promotes without its WAL.  And it is
# continued by the same command.
for delay in 0.05 0.15 0.3 0.5; do
    varve --key-file "$KEY" restore latest:postgres/shop --target "$WORK/killed/data" \
        --tablespace "$OID=$WORK/killed/fast" --to-latest >/dev/null 2>&1 &
    RESTORE_PID=$!
    sleep "$delay"
    kill -KILL "$RESTORE_PID" 2>/dev/null || true
    wait "$RESTORE_PID" || true
    recovers_or_rests "$WORK/killed/data"
    if [ -e "$WORK/killed/data/global/pg_control" ]; then break; fi
done
rm -rf "$WORK/killed"

# --- a cluster that lacks a file, or has another one, does not start: its control file is left out.  What
# is left can be had all the same, and is set up to recover.
incomplete()
{
    assert_exit 3 varve --key-file "$KEY" restore latest:postgres/shop --target "$WORK/part/data" \
        --tablespace "$OID=$WORK/part/fast" --to-latest >"$WORK/out" 2>"$WORK/err"
    assert_grep 'global/pg_control. is left out' "$WORK/err"
    refute_grep 'recovers on timeline' "$WORK/out"
    refute_exists "$WORK/part/data/global/pg_control"
    assert_exists "$WORK/part/data/recovery.signal"
}
mkdir -p "$WORK/part/data"
echo 9 >"$WORK/part/data/PG_VERSION"
incomplete
assert_grep 'data/PG_VERSION.: exists and differs' "$WORK/err"
rm -r "$WORK/part"
pack=$(find "$VARVE_REPO/packs" -type f -printf '%s %p\n' | sort -n | tail -n 1 | cut -d' ' -f2)
cp -p "$pack" "$WORK/pack"
chmod u+w "$pack"
printf 'damaged' | dd of="$pack" bs=1 seek=5000 conv=notrunc status=none
incomplete
control=$(sed -n 's/.*: varve restore \(.*\) --target .*/\1/p' "$WORK/err")
assert_exit 0 varve --key-file "$KEY" restore "$control" --target "$WORK/part/data/global" >/dev/null
assert_exists "$WORK/part/data/global/pg_control"
mv -f "$WORK/pack" "$pack"
restore "$WORK/part" --to-immediate --overwrite changed
wal_discard "$WORK/part"

export VARVE_SSH_COMMAND="ssh -o 'BatchMode yes'"
restore "$WORK/immediate" --to-immediate --ssh-transport ssh --host-key-fingerprint SHA256:abc
unset VARVE_SSH_COMMAND
assert_grep "'--ssh-transport'' ''ssh'' ''--ssh-command'' ''ssh -o '" "$WORK/immediate/data/postgresql.auto.conf"
assert_grep "'--host-key-fingerprint'' ''SHA256:abc''" "$WORK/immediate/data/postgresql.auto.conf"
assert_eq "$(count "$WORK/immediate" orders)" 0 "orders at the base backup"
assert_eq "$(count "$WORK/immediate" stock)" 5000 "stock at the base backup"
wal_discard "$WORK/immediate"
restore "$WORK/position" --to-lsn "$LSN"
assert_eq "$(count "$WORK/position" orders)" 1001 "orders at the position"
wal_discard "$WORK/position"
restore "$WORK/transaction" --to-xid "$XID"
assert_eq "$(count "$WORK/transaction" orders)" 1001 "orders after the transaction"
wal_discard "$WORK/transaction"
restore "$WORK/time" --to-time "$TIME"
assert_eq "$(count "$WORK/time" orders)" 1001 "orders at the time"
wal_discard "$WORK/time"
restore "$WORK/named" --to-name before-the-accident
assert_eq "$(count "$WORK/named" payments)" 2999 "payments before the accident"
assert_eq "$(count "$WORK/named" stock)" 5000 "stock before the accident"
assert_eq "$(readlink "$WORK/named/data/pg_tblspc/$OID")" "$WORK/named/fast" "the tablespace's place"
wal_discard "$WORK/named"
restore "$WORK/newest" --to-latest
assert_grep 'recovers on timeline 1' "$WORK/out"
assert_eq "$(count "$WORK/newest" orders)" 3000 "orders at the newest moment"
assert_exit 1 pg_sql "$WORK/newest" "select 1 from payments" >/dev/null 2>&1

# --- again, into what is there: an hour back, only what differs is written; never under a server
assert_exit 1 varve --key-file "$KEY" restore latest:postgres/shop --target "$WORK/newest/data" \
    --tablespace "$OID=$WORK/newest/fast" --overwrite changed --delete --to-name before-the-accident \
    >/dev/null 2>"$WORK/err"
assert_grep 'a server is at work' "$WORK/err"
assert_eq "$(count "$WORK/newest" orders)" 3000 "orders after a restore that was refused"
pg_stop "$WORK/newest"
cksum "$WORK/newest/data/global/pg_control" >"$WORK/sum"
assert_exit 1 varve --key-file "$KEY" restore latest:postgres/shop --target "$WORK/newest/data" \
    --tablespace "$OID=$WORK/newest/fast" --to-name before-the-accident >/dev/null 2>"$WORK/err"
assert_grep 'holds a cluster' "$WORK/err"
cksum "$WORK/newest/data/global/pg_control" | cmp - "$WORK/sum"
# A file in the way of the settings: it ends before they are in place, and nothing starts.
mkdir "$WORK/newest/data/standby.signal" && touch "$WORK/newest/data/standby.signal/in-the-way"
assert_exit 1 varve --key-file "$KEY" restore latest:postgres/shop --target "$WORK/newest/data" \
    --tablespace "$OID=$WORK/newest/fast" --overwrite changed --to-name before-the-accident >/dev/null 2>"$WORK/err"
assert_grep 'is not set up for recovery' "$WORK/err"
refute_exists "$WORK/newest/data/global/pg_control"
(cd / && assert_exit 2 pg_as timeout 60 "$PG_BIN/postgres" -D "$WORK/newest/data" >/dev/null 2>&1)
assert_exit 0 varve --key-file "$KEY" restore latest:postgres/shop --target "$WORK/newest/data" \
    --tablespace "$OID=$WORK/newest/fast" --overwrite changed --delete --to-name before-the-accident >"$WORK/out"
ends_with_control "$WORK/newest/data"
start "$WORK/newest"
assert_eq "$(count "$WORK/newest" payments)" 2999 "payments after the second restore"

# --- a promotion: its timeline is received, and a restore goes on it
NEW=$(pg_url "$WORK/newest")
pg_sql "$WORK/newest" "insert into orders (number, customer, article, cents) values (9000, 'c', 'a', 1)"
pg_set "$WORK/newest" "max_slot_wal_keep_size = 1GB"
pg_sql "$WORK/newest" "select pg_reload_conf()" >/dev/null
assert_exit 0 varve wal receive --once "$NEW" >"$WORK/out"
assert_grep 'on timeline 2' "$WORK/out"
wal_discard "$WORK/newest"
restore "$WORK/second" --to-latest
assert_eq "$(count "$WORK/second" "orders where number = 9000")" 1 "orders on timeline 2"
assert_eq "$(count "$WORK/second" payments)" 2999 "payments on timeline 2"
wal_discard "$WORK/second"
restore "$WORK/first" --to-latest --timeline 1
assert_eq "$(count "$WORK/first" orders)" 3000 "orders on timeline 1"
assert_exit 1 pg_sql "$WORK/first" "select 1 from payments" >/dev/null 2>&1
wal_discard "$WORK/first"

# --- from the replica alone
assert_exit 0 varve replicate --to "$WORK/replica" >/dev/null
chmod -R a+rX "$WORK/replica"
mv "$WORK/repo" "$WORK/gone"
VARVE_REPO=$WORK/replica restore "$WORK/replicated" --to-latest
assert_eq "$(count "$WORK/replicated" "orders where number = 9000")" 1 "orders from the replica"
wal_discard "$WORK/replicated"
mv "$WORK/gone" "$WORK/repo"

# --- refused, and nothing written
refused()
{
    local code=$1
    shift
    assert_exit "$code" varve --key-file "$KEY" restore latest:postgres/shop --target "$WORK/none" \
        --tablespace "$OID=$WORK/none-fast" "$@" >/dev/null 2>"$WORK/err"
    refute_exists "$WORK/none" "$WORK/none-fast"
}
refused 2 --to-time "$ZONELESS"
refused 2 --to-time "2026-02-30 10:00:00Z"
refused 2 --to-latest --to-immediate
refused 2 --timeline 1
refused 2 --to-latest --include '*.conf'
refused 1 --to-time "2001-01-01 00:00:00Z"
assert_grep 'after the time that is asked for' "$WORK/err"
refused 1 --to-time "2199-01-01 00:00:00Z"
assert_grep 'WAL reaches to' "$WORK/err"
refused 1 --to-lsn 0/100
refused 1 --to-lsn FF/0
assert_grep 'WAL from 0/[0-9A-F]+ to FF/0 on timeline 2' "$WORK/err"
refused 1 --to-latest --timeline 7
assert_exit 2 varve --key-file "$KEY" restore latest:postgres/shop --target "$WORK/none" --to-latest \
    >/dev/null 2>"$WORK/err"
assert_grep "tablespace $OID was in '$WORK/fast'" "$WORK/err"
refute_exists "$WORK/none"
(
    unset VARVE_KEY_FILE
    VARVE_PASSPHRASE=none assert_exit 11 varve restore latest:postgres/shop --target "$WORK/none" \
        --to-latest >/dev/null 2>&1
)

# --- a gap: the server has thrown WAL away that nobody received.  It is told, and the range is named.
pg_sql "$WORK/one" "alter system set min_wal_size = '2MB'" "alter system set max_wal_size = '2MB'" \
    "select pg_reload_conf()" "select pg_drop_replication_slot('varve')" >/dev/null
for round in 1 2 3 4; do
    pg_sql "$WORK/one" "create table filler$round as select generate_series(1, 30000)" \
        "select pg_switch_wal()" "checkpoint" >/dev/null
done
assert_exit 3 varve wal receive --once --slot other "$URL" >/dev/null 2>"$WORK/err"
assert_grep 'is lost: the server does not have it' "$WORK/err"
assert_exit 3 varve wal list >"$WORK/list" 2>/dev/null
assert_grep 'GAP BEFORE' "$WORK/list"
refused 1 --to-latest --timeline 1
assert_grep 'WAL from 0/[0-9A-F]+ to 0/[0-9A-F]+ on timeline 1 \(segment [0-9A-F]{24} and on\) is missing' "$WORK/err"
refused 1 --to-name later --timeline 1
assert_exit 0 varve --key-file "$KEY" restore latest:postgres/shop --target "$WORK/none" --dry-run \
    --tablespace "$OID=$WORK/none-fast" --to-lsn "$LSN" --timeline 1 >/dev/null
assert_exit 0 varve --key-file "$KEY" restore latest:postgres/shop --target "$WORK/none" --dry-run \
    --tablespace "$OID=$WORK/none-fast" --to-immediate >/dev/null
# Two base backups in one snapshot, the name of one the beginning of the other's: which is meant?
assert_exit 0 varve backup "shop=$URL" "shop-2=$URL" >/dev/null
assert_exit 2 varve --key-file "$KEY" restore latest --target "$WORK/none" --dry-run --to-immediate \
    --tablespace "$OID=$WORK/none-fast" >/dev/null 2>"$WORK/err"
assert_grep 'several base backups' "$WORK/err"
assert_exit 0 varve --key-file "$KEY" restore latest:postgres/shop-2 --target "$WORK/none" --dry-run \
    --tablespace "$OID=$WORK/none-fast" --to-immediate >/dev/null
# A base backup taken now starts behind it.
assert_exit 0 varve backup "shop=$URL" >/dev/null
assert_exit 0 varve wal receive --once --slot other "$URL" >/dev/null
assert_exit 0 varve --key-file "$KEY" restore latest:postgres/shop --target "$WORK/none" --dry-run \
    --tablespace "$OID=$WORK/none-fast" --to-latest --timeline 1 >/dev/null
