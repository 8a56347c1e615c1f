# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# labels: long memory slow
# Rehearsals: clean ones find nothing; a row that a query returns, an index that lies, a byte that is wrong
# and WAL that is missing are found; nothing is left behind, also after an interruption.
# shellcheck source=tests/e2e/postgres.sh
. "$E2E/postgres.sh"
# shellcheck source=tests/e2e/wal.sh
. "$E2E/wal.sh"
pg_need
need_command python3

new_repo
wal_export
mkdir "$WORK/scratch"
chmod 755 "$WORK/scratch"
CHECK=$VARVE_SOURCE/examples/shop/check.sql

# rehearse CODE OPTION...: nothing of it is left, whatever comes of it.
rehearse()
{
    local code=$1
    shift
    chmod -R a+rX "$VARVE_REPO"
    assert_exit "$code" varve --key-file "$WORK/reader/key" rehearse --scratch "$WORK/scratch" "$@" \
        >/dev/null
    cp "$STDOUT" "$WORK/out"
    cp "$STDERR" "$WORK/err"
    assert_eq "$(ls -A "$WORK/scratch")" "" "the scratch directory"
}
# verdict STEP, field NAME: of the last --json
verdict()
{
    python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["steps"][sys.argv[2]]["verdict"])' \
        "$WORK/out" "$1"
}
field()
{
    python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$WORK/out" "$1"
}

# --- files alone
mkdir files && echo content >files/one && chmod 500 files
assert_exit 0 varve backup "$PWD/files" >/dev/null
rehearse 0 latest
assert_grep 'files restored and read back +proven' "$WORK/out"
refute_grep 'pg_' "$WORK/out"
rehearse 0 latest --json
assert_eq "$(verdict files) $(verdict structure) $(field database)" "proven not-applicable False" "verdicts"
rehearse 2 latest --check "$CHECK"
rehearse 2 latest --to-latest
chmod 700 files

# --- a cluster
pg_init "$WORK/one" --wal-segsize=1
pg_set "$WORK/one" "max_slot_wal_keep_size = 1GB"
# Settings that must not reach a rehearsal: commands, what needs the original's memory, libraries, and
# limits of time, which would make damage of an examination that is cut short.
pg_start "$WORK/one"
pg_sql "$WORK/one" "alter system set recovery_end_command = 'touch $WORK/scratch/ran'" \
    "alter system set archive_command = 'touch $WORK/ran; false'" \
    "alter system set shared_buffers = '900GB'" >/dev/null
pg_shop "$WORK/one"
mkdir "$WORK/fast" && pg_own "$WORK/fast"
pg_sql "$WORK/one" "create tablespace fast location '$WORK/fast'" \
    "create table stock (article text primary key, pieces int) tablespace fast" \
    "insert into stock select 'article ' || n, n from generate_series(1, 3000) n" \
    "create database second" "alter database second set statement_timeout = '1ms'" \
    "alter role postgres in database second set session_preload_libraries = '/nowhere/library'"
URL=$(pg_url "$WORK/one")
place()
{
    pg_sql "$WORK/one" "insert into orders (number, customer, article, cents)
        select n, 'c', 'a', 100 from generate_series($1, $2) n" \
        "insert into payments (order_number, cents) select n, 100 from generate_series($1, $2) n"
}
place 1 2000
pg_sql "$WORK/one" "vacuum freeze" "checkpoint"
assert_exit 0 varve wal receive --once "$URL" >/dev/null
assert_exit 0 varve backup "shop=$URL" files >/dev/null
place 2001 2500
LSN=$(pg_sql "$WORK/one" "select pg_current_wal_lsn()")
pg_sql "$WORK/one" "insert into orders (number, customer, article, cents) values (9000, 'unpaid', 'a', 100)"
assert_exit 0 varve wal receive --once "$URL" >/dev/null

for round in 1 2 3; do
    rehearse 0 latest --check "$CHECK" --json
    assert_eq "$(for step in files manifest replay structure questions pages; do verdict $step; done | sort -u)" \
        proven "verdicts"
    assert_eq "$(field queries) $(field queries_answered) $(field databases)" "3 0 3" "counts"
done
rehearse 0 latest:postgres/shop --to-lsn "$LSN" --check "$CHECK"
assert_grep 'recovered to [0-9A-F]+/[0-9A-F]+, last transaction of ' "$WORK/out"
[ -z "$PG_USER" ] || assert_grep "as user '$PG_USER'" "$WORK/out"
assert_grep 'pg_amcheck +proven' "$WORK/out"
refute_exists "$WORK/ran"

# --- a row is returned
rehearse 1 latest --to-latest --check "$CHECK"
assert_grep 'check queries +FAILED' "$WORK/out"
assert_grep '9000' "$WORK/out"
assert_grep 'pg_amcheck +proven' "$WORK/out"
assert_grep 'this does not hold' "$WORK/out"
echo "-- nothing; but this" >empty.sql
rehearse 2 latest --check empty.sql
echo "set work_mem = '8MB';" >empty.sql
rehearse 1 latest --check empty.sql
assert_grep 'check queries +NOT PROVEN' "$WORK/out"
echo "select 1 from no_such_table where ';' = ''" >wrong.sql
rehearse 1 latest --check wrong.sql
assert_grep 'no_such_table. does not exist' "$WORK/out"
rehearse 1 latest --role nobody-there
assert_grep 'recovery +FAILED' "$WORK/out"
assert_grep 'pg_amcheck +NOT PROVEN' "$WORK/out"

# --- what cannot be looked at is not proven, and does not pass
pg_sql "$WORK/one" "create function refuse() returns event_trigger language plpgsql as 'begin raise ''not here''; end'" \
    "create event trigger refuse on ddl_command_start when tag in ('CREATE EXTENSION') execute function refuse()"
assert_exit 0 varve backup "shop=$URL" >/dev/null
rehearse 1 latest
assert_grep 'pg_amcheck +NOT PROVEN' "$WORK/out"
assert_grep "database 'postgres': extension amcheck cannot be created: .*not here" "$WORK/out"
assert_grep 'pg_checksums +proven' "$WORK/out"
pg_sql "$WORK/one" "drop event trigger refuse"
# A path that is too long for a socket.
long=$WORK/scratch-$(printf 'x%.0s' {1..120})
mkdir "$long"
rehearse 0 latest~1 --scratch "$long"
assert_eq "$(ls -A "$long")" "" "the scratch directory"

# --- from a replica
assert_exit 0 varve replicate --to "$WORK/replica" >/dev/null
chmod -R a+rX "$WORK/replica"
mv "$WORK/repo" "$WORK/gone"
VARVE_REPO=$WORK/replica rehearse 0 latest~1 --to-lsn "$LSN" --check "$CHECK"
mv "$WORK/gone" "$WORK/repo"

# --- interrupted while a query runs, by SIGINT and by what nobody can catch: the server ends with it
echo "select pg_sleep(600)" >slow.sql
is_up()
{
    grep -qs ready "$WORK"/scratch/*/restored/postgres/shop/data/postmaster.pid
}
# interrupt SIGNAL CODE: begin a rehearsal, and end it so when its server answers the query
interrupt()
{
    local pid server code=0
    varve --key-file "$WORK/reader/key" rehearse --scratch "$WORK/scratch" latest --check slow.sql \
        >"$WORK/out" 2>&1 &
    pid=$!
    wait_for 120 is_up || fail "the server does not start: $(cat "$WORK/out")"
    server=$(head -n 1 "$WORK"/scratch/*/restored/postgres/shop/data/postmaster.pid)
    pg_gone "$server" && fail "the server does not run"
    kill "-$1" "$pid"
    wait "$pid" || code=$?
    wait_for 60 pg_gone "$server" || fail "the server still runs"
    assert_eq "$code" "$2" "exit code"
}
interrupt INT 130
assert_eq "$(ls -A "$WORK/scratch")" "" "the scratch directory"
interrupt KILL 137
rm -r "$WORK"/scratch/*

# --- an index that lies: it lacks a row that its table has
pg_sql "$WORK/one" "alter system reset shared_buffers"
pg_sql "$WORK/one" "set allow_system_table_mods = on" \
    "update pg_index set indisready = false, indisvalid = false where indexrelid = 'orders_pkey'::regclass" >/dev/null
pg_sql "$WORK/one" "insert into orders (number, customer, article, cents) values (9001, 'c', 'a', 100)"
pg_sql "$WORK/one" "set allow_system_table_mods = on" \
    "update pg_index set indisready = true, indisvalid = true where indexrelid = 'orders_pkey'::regclass" >/dev/null
assert_exit 0 varve backup "shop=$URL" >/dev/null
rehearse 12 latest
assert_grep 'pg_amcheck +DAMAGED' "$WORK/out"
assert_grep 'orders_pkey' "$WORK/out"
assert_grep 'pg_checksums +proven' "$WORK/out"
pg_sql "$WORK/one" "reindex index orders_pkey"

# --- a flipped byte in a file of a relation, with page checksums and without
FILE=$(pg_sql "$WORK/one" "select pg_relation_filepath('stock')")
flip()
{
    python3 - "$WORK/one/data/$FILE" <<'END'
import sys
with open(sys.argv[1], "r+b") as f:
    f.seek(8192 - 20)
    byte = f.read(1)
    f.seek(8192 - 20)
    f.write(bytes([byte[0] ^ 1]))
END
}
pg_stop "$WORK/one"
flip
pg_start "$WORK/one"
assert_exit 3 varve backup "shop=$URL" >/dev/null 2>&1
rehearse 12 latest
assert_grep 'pg_checksums +DAMAGED' "$WORK/out"
assert_grep 'pg_verifybackup +proven' "$WORK/out"
pg_stop "$WORK/one"
pg_run pg_checksums --disable -D "$WORK/one/data" >/dev/null
pg_start "$WORK/one"
assert_exit 0 varve backup "shop=$URL" >/dev/null
rehearse 12 latest
assert_grep 'pg_amcheck +DAMAGED' "$WORK/out"
assert_grep 'stock_pkey' "$WORK/out"
assert_grep 'the cluster has no data checksums' "$WORK/out"
pg_stop "$WORK/one"
flip
pg_start "$WORK/one"
assert_exit 0 varve backup "shop=$URL" >/dev/null
rehearse 0 latest
assert_grep 'pg_checksums +not applicable' "$WORK/out"
assert_grep 'all of this holds' "$WORK/out"

# --- WAL is missing on the way
pg_sql "$WORK/one" "alter system set min_wal_size = '2MB'" "alter system set max_wal_size = '2MB'" \
    "select pg_reload_conf()" "select pg_drop_replication_slot('varve')" >/dev/null
for round in 1 2 3 4; do
    pg_sql "$WORK/one" "create table filler$round as select generate_series(1, 30000)" \
        "select pg_switch_wal()" "checkpoint" >/dev/null
done
assert_exit 3 varve wal receive --once --slot other "$URL" >/dev/null 2>&1
rehearse 1 latest --to-latest
assert_grep 'WAL from 0/[0-9A-F]+ to 0/[0-9A-F]+ on timeline 1 \(segment [0-9A-F]{24} and on\) is missing' "$WORK/err"

# --- a damaged repository: what cannot be restored is not started either
touch marker
head -c 3000000 /dev/urandom >files/noise
assert_exit 0 varve backup "shop=$URL" files >/dev/null
pack=$(find "$VARVE_REPO/packs" -type f -newer marker -printf '%s %p\n' | sort -n | tail -n 1)
chmod u+w "${pack#* }"
printf 'damage' | dd of="${pack#* }" bs=1 seek=$((${pack%% *} / 2)) conv=notrunc status=none
rehearse 12 latest
assert_grep 'files restored and read back +DAMAGED' "$WORK/out"
assert_grep 'recovery +NOT PROVEN' "$WORK/out"
