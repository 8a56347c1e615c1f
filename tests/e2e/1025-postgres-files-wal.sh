# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# labels: plain memory
# What a server writes while its files are read (--database-files) is in the snapshot, all of it, although
# the server lets go of it meanwhile: WAL is received beside the reading, not afterwards.
# shellcheck source=tests/e2e/postgres.sh
. "$E2E/postgres.sh"
pg_need

export VARVE_REPO=$WORK/repo VARVE_KEY_FILE=$WORK/key
assert_exit 0 varve init --no-parity --key-file "$VARVE_KEY_FILE" >/dev/null
pg_init db --wal-segsize=1
pg_set db "max_wal_size = 2MB"
pg_set db "min_wal_size = 2MB"
pg_start db
pg_shop db
pg_sql db "grant pg_read_all_settings to backup" \
    "grant execute on function pg_backup_start(text, boolean), pg_backup_stop(boolean) to backup" \
    "create table churn as select n, md5(n::text) as text from generate_series(1, 20000) n" checkpoint
url=$(pg_url db)
pg_load db orders --clients 1
wait_for 20 test -s orders

# Some segments a round, and a checkpoint that throws away or renames those before them.
churn()
{
    while :; do
        pg_sql db "update churn set text = md5(text)" "vacuum churn" "select pg_switch_wal()" checkpoint \
            >/dev/null 2>&1 || return 0
        sleep 0.2
    done
}
churn &
churning=$!
varve backup --database-files --limit 10M "$url" >out 2>&1 &
child=$!
reads() { [ "$(pg_sql db "select count(*) from pg_stat_activity where query like '%pg_postmaster_start_time%' and state = 'idle' and pid <> pg_backend_pid()")" = 1 ]; }
wait_for 20 reads
early=$(pg_sql db "select pg_walfile_name(pg_current_wal_lsn())")
gone() { [ ! -e "db/data/pg_wal/$early" ]; }
wait_for 20 gone || fail "the server keeps $early while files are read: $(ls db/data/pg_wal)"
acknowledged=$(wc -l <orders)
kill -0 "$child" || fail "the backup has ended already"
status=0
wait "$child" || status=$?
assert_eq "$status" 0 "exit code: $(cat out)"
kill "$churning"
wait "$churning" 2>/dev/null || true
pg_load_stop

varve cat latest:postgres/local/data/backup_label >label
first=$(sed -n 's/^START WAL LOCATION: .*(file \(.*\))$/\1/p' label)
varve ls latest:postgres/local/data/pg_wal | grep -oE '[0-9A-F]{24}$' | LC_ALL=C sort >kept
assert_eq "$(head -n 1 kept)" "$first" "the first segment that is kept"
assert_grep "^$early\$" kept
python3 - kept <<'END'
import sys
numbers = [int(n[8:16], 16) * 4096 + int(n[16:], 16) for n in open(sys.argv[1]).read().split()]
assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), numbers
END
refute_exists "db/data/pg_wal/$first" "db/data/pg_wal/$early"
pg_stop db

# Without any other WAL it is what the server says it is, starts, and has the orders.
assert_exit 0 varve restore latest:postgres/local --target copy >/dev/null
pg_own copy
pg_run pg_verifybackup "$PWD/copy/data" >verified 2>&1 || fail "pg_verifybackup: $(cat verified)"
pg_configure copy
pg_start copy
pg_check_shop copy orders "$(sed -n "${acknowledged}p" orders | cut -d' ' -f3)"
pg_stop copy
