# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# labels: long memory slow
# Backups from a standby, on a later timeline, beside a synchronous standby, and with much WAL.
# shellcheck source=tests/e2e/postgres.sh
. "$E2E/postgres.sh"
pg_need

export VARVE_REPO=$WORK/repo VARVE_KEY_FILE=$WORK/key
assert_exit 0 varve init --key-file "$VARVE_KEY_FILE" >/dev/null

pg_init db --wal-segsize=1
pg_start db
pg_shop db
mkdir standby
pg_own standby
pg_run pg_basebackup -h "$PWD/db/socket" -U backup -D "$PWD/standby/data" -X stream -c fast -R --no-sync
sed -i "s|$PWD/db/socket'|$PWD/standby/socket'|" standby/data/postgresql.conf
mkdir standby/socket
pg_own standby
pg_start standby

# restored NAME LIST UNTIL [DATABASE]: the newest snapshot starts, verifies, and has the orders.
restored()
{
    rm -rf "copy-$1"
    assert_exit 0 varve restore "latest:postgres/${4:-local}/data" --target "copy-$1/data" >/dev/null
    rm -f "copy-$1/data/standby.signal" # of a standby's copy: or it would go on being one
    pg_own "copy-$1"
    pg_run pg_verifybackup "$PWD/copy-$1/data" >verified 2>&1 || fail "pg_verifybackup: $(cat verified)"
    sed -i '/^unix_socket_directories/d; /^primary_conninfo/d' "copy-$1/data/postgresql.conf"
    sed -i '/^primary_conninfo/d' "copy-$1/data/postgresql.auto.conf"
    pg_configure "copy-$1"
    pg_start "copy-$1"
    pg_check_shop "copy-$1" "$2" "$3"
    pg_stop "copy-$1"
}

# ---- much WAL during the copy: more segments than the ring holds at a time ----
pg_load db orders --clients 2
wait_for 20 test -s orders
began=$(tail -n 1 orders | cut -d' ' -f3)
(
    for ((i = 0; i < 40; i++)); do
        pg_sql db "create table churn as select md5(n::text) from generate_series(1, 60000) n" "drop table churn"
    done
) &
churn=$!
# The server reads a page twice before it calls its checksum wrong; on a busy machine both may be halves of
# one write.  Not a second time.
if ! varve backup --limit 8M "$(pg_url db)" >/dev/null 2>said; then
    assert_grep 'the server found pages with wrong checksums' said
    assert_exit 0 varve backup --limit 8M "$(pg_url db)" >/dev/null
fi
kill "$churn" 2>/dev/null || true
wait "$churn" || true
restored primary orders "$began"
segments=$(find copy-primary/data/pg_wal -name '0*' -size 1024k | wc -l)
assert_ge "$segments" 3 "segments of WAL, or the test shows nothing:"

# ---- from the standby, while it replays ----
began=$(tail -n 1 orders | cut -d' ' -f3)
target=$(pg_sql db "select pg_current_wal_lsn()")
caught_up() { [ "$(pg_sql standby "select pg_last_wal_replay_lsn() >= '$target'")" = t ]; }
wait_for 30 caught_up
pg_sql standby checkpoint
assert_exit 0 varve backup --database-files "files=$(pg_url standby postgres)" >/dev/null
restored standby-files orders "$began" files
assert_exit 0 varve backup "$(pg_url standby)" >/dev/null
pg_load_stop
restored standby orders "$began"

# ---- promoted during the copy: no snapshot ----
count() { varve snapshots --json | python3 -c 'import json, sys; print(len(json.load(sys.stdin)["snapshots"]))'; }
before=$(count)
varve backup --limit 2M "$(pg_url standby)" >/dev/null 2>problems &
child=$!
# --full: what has not changed would not be read.
varve backup --full --limit 2M --database-files "files=$(pg_url standby postgres)" >/dev/null 2>problems-files &
child_files=$!
streams() { [ "$(pg_sql standby "select count(*) from pg_stat_progress_basebackup where backup_streamed > 1000000")" = 1 ]; }
wait_for 30 streams
reads() { [ "$(pg_sql standby "select count(*) from pg_stat_activity where query like '%pg_postmaster_start_time%' and state = 'idle' and pid <> pg_backend_pid()")" = 1 ]; }
wait_for 30 reads
pg_sql standby "select pg_promote()" >/dev/null
for process in "$child" "$child_files"; do
    status=0
    wait "$process" || status=$?
    assert_eq "$status" 1 "exit code after a promotion"
done
assert_eq "$(count)" "$before" "number of snapshots"

# ---- on timeline 2 ----
pg_load standby orders2 --seconds 1 --first 1000000
wait "$PG_LOAD" || true
PG_LOAD=
assert_exit 0 varve backup "$(pg_url standby)" >/dev/null
rm -rf copy-standby
restored timeline orders2 99999999999
assert_exists copy-timeline/data/pg_wal/00000002.history
pg_stop standby

# ---- a server that waits for any synchronous standby must not take us for one ----
pg_sql db "alter system set synchronous_standby_names = '*'" "select pg_reload_conf()" >/dev/null
varve backup --limit 4M "$(pg_url db)" >/dev/null 2>problems &
child=$!
receiving() { [ "$(pg_sql db "select count(*) from pg_stat_replication where application_name = 'varve_base'")" = 1 ]; }
wait_for 30 receiving
"$PG_BIN/psql" -qAtX -h "$PWD/db/socket" -U postgres -d postgres \
    -c "set statement_timeout = 0" -c "insert into orders values (-1, 'c', 'a', 1)" >committed 2>&1 &
commit=$!
waits() { [ "$(pg_sql db "select count(*) from pg_stat_activity where wait_event = 'SyncRep'")" = 1 ]; }
wait_for 10 waits
status=0
wait "$child" || status=$?
assert_eq "$status" 0 "exit code"
kill -0 "$commit" 2>/dev/null || fail "a commit was acknowledged on our word"
pg_sql db "set synchronous_commit = local; alter system reset synchronous_standby_names" 2>/dev/null ||
    pg_sql db "alter system reset synchronous_standby_names"
pg_sql db "select pg_reload_conf()" >/dev/null
wait "$commit"
