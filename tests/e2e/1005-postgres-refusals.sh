# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# labels: plain memory
# What a database that fails, refuses, or is another one does to a backup: nothing is committed, unless
# --keep-going says so.
# shellcheck source=tests/e2e/postgres.sh
. "$E2E/postgres.sh"
pg_need

export VARVE_REPO=$WORK/repo VARVE_KEY_FILE=$WORK/key
assert_exit 0 varve init --key-file "$VARVE_KEY_FILE" >/dev/null
count() { varve snapshots --json | python3 -c 'import json, sys; print(len(json.load(sys.stdin)["snapshots"]))'; }

pg_init db
pg_start db
pg_shop db
pg_sql db "create table ballast as select n, md5(n::text) as text from generate_series(1, 300000) n"
url=$(pg_url db)
mkdir files
echo kept >files/file

# ---- a password on the command line is refused, and not repeated ----
assert_exit 2 varve backup files postgres://backup:s3cret@db/ 2>problems
refute_grep s3cret problems
assert_grep pgpass problems
assert_exit 2 varve backup files 'shop=postgres://backup@db/?password=s3cret' 2>problems
refute_grep s3cret problems
assert_exit 2 varve backup 'a/b=postgres://backup@db/' 2>problems
assert_exit 2 varve backup 'a=postgres://backup@db/' 'a=postgres://backup@db2/' 2>problems
assert_grep "'a' is the name of two databases" problems
assert_exit 2 varve backup 'a=postgres://backup@db/' --exec 'postgres/a/dump=echo' 2>problems

# ---- not there, not let in ----
assert_exit 13 varve backup files "postgres://backup@%2Fnonexistent/" 2>problems
assert_grep "cannot connect to PostgreSQL at '/nonexistent:5432'" problems
assert_exit 16 varve backup files "$(pg_url db nobodyhere)" 2>problems
assert_grep 'nobodyhere' problems
pg_sql db "create role clerk login"
assert_exit 16 varve backup files "$(pg_url db clerk)" 2>problems
assert_grep 'alter role' problems

pg_sql db "alter role backup password 'open sesame'"
cp db/data/pg_hba.conf hba
printf 'local replication backup scram-sha-256\nlocal all all trust\n' >db/data/pg_hba.conf
pg_sql db "select pg_reload_conf()" >/dev/null
assert_exit 16 varve backup files "$url" 2>problems </dev/null
assert_grep pgpass problems
echo '*:*:replication:backup:wrong' >pgpass
chmod 600 pgpass
export PGPASSFILE=$PWD/pgpass
assert_exit 16 varve backup files "$url" 2>problems
assert_eq "$(count)" 0 "number of snapshots"
echo '*:*:replication:backup:open sesame' >pgpass
assert_exit 0 varve backup files "$url" >/dev/null
unset PGPASSFILE
cp hba db/data/pg_hba.conf
pg_sql db "select pg_reload_conf()" >/dev/null

# ---- left out on request, and named ----
before=$(count)
assert_exit 3 varve backup --keep-going files "$(pg_url db nobodyhere)" --exec 'bad=false' \
    --exec 'good=echo 1' >/dev/null 2>problems
assert_grep "postgres/local'" problems
assert_grep "bad'" problems
assert_eq "$(count)" $((before + 1)) "number of snapshots"
varve snapshots --json >list
python3 - <<'END'
import json
s = json.load(open("list"))["snapshots"][-1]
assert s["incomplete"] == ["bad", "postgres/local"] or s["incomplete"] == ["postgres/local", "bad"], s
END
assert_exit 0 varve cat latest:good >/dev/null
assert_exit 1 varve backup --keep-going "$(pg_url db nobodyhere)" 2>problems
assert_grep 'all that was to be backed up failed' problems

# ---- killed in the middle: of the server, and by the user ----
before=$(count)
varve backup files --limit 4M "$url" >/dev/null 2>problems &
child=$!
streams() { [ "$(pg_sql db "select count(*) from pg_stat_progress_basebackup where backup_streamed > 5000000")" = 1 ]; }
wait_for 30 streams
assert_eq "$(pg_sql db "select count(*) from pg_replication_slots where temporary and active")" 1 "slots"
kill -INT "$child"
status=0
wait "$child" || status=$?
assert_eq "$status" 130 "exit code when interrupted"
no_slots() { [ "$(pg_sql db "select count(*) from pg_replication_slots")" = 0 ]; }
wait_for 10 no_slots
idle() { [ "$(pg_sql db "select count(*) from pg_stat_progress_basebackup")" = 0 ]; }
wait_for 10 idle # or the next one would be taken for it

varve backup files --limit 4M "$url" >/dev/null 2>problems &
child=$!
wait_for 30 streams
pg_kill db
status=0
wait "$child" || status=$?
assert_eq "$status" 13 "exit code when the server dies"
# Which of the two connections notices first, and how, is chance.
assert_grep "$PWD/db/socket" problems
assert_eq "$(count)" "$before" "number of snapshots"

# With --keep-going the rest is kept, and nothing of the half copy.
pg_start db
varve backup --keep-going files --limit 4M "$url" >/dev/null 2>problems &
child=$!
wait_for 30 streams
pg_kill db
status=0
wait "$child" || status=$?
assert_eq "$status" 3 "exit code when the server dies"
assert_exit 0 varve ls latest >listing
refute_grep 'postgres' listing
assert_exit 0 varve verify --data >/dev/null

# ---- another cluster under the same name ----
pg_start db
assert_exit 0 varve backup "$url" >/dev/null
pg_init other
pg_start other
pg_shop other
assert_exit 1 varve backup "$(pg_url other)" 2>problems
assert_grep "database 'local' is another system than before" problems
assert_exit 0 varve backup "other=$(pg_url other)" >/dev/null
assert_exit 0 varve ls latest:postgres/other/data >/dev/null
assert_exit 0 varve backup "$url" "other=$(pg_url other)" >/dev/null
assert_exit 0 varve ls latest:postgres/local/data >/dev/null
assert_exit 0 varve ls latest:postgres/other/data >/dev/null
