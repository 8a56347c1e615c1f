# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# labels: threads memory
# A base backup of a server's files (--database-files): what is kept is what the server would send, a
# second one reads only what has changed, and it restores, verifies and loses no order.
# shellcheck source=tests/e2e/postgres.sh
. "$E2E/postgres.sh"
pg_need

export VARVE_REPO=$WORK/repo VARVE_KEY_FILE=$WORK/key
assert_exit 0 varve init --key-file "$VARVE_KEY_FILE" >/dev/null
pg_init db
pg_start db
pg_shop db
url=$(pg_url db)

# ---- what the role needs is said ----
assert_exit 16 varve backup --database-files "$url" >/dev/null 2>problems
assert_grep 'grant pg_read_all_settings to' problems
pg_sql db "grant pg_read_all_settings to backup"
assert_exit 16 varve backup --database-files "$url" >/dev/null 2>problems
assert_grep 'grant execute on function pg_backup_start' problems
assert_exit 0 varve snapshots --json >list
assert_eq "$(python3 -c 'import json; print(len(json.load(open("list"))["snapshots"]))')" 0 snapshots
pg_sql db "grant execute on function pg_backup_start(text, boolean), pg_backup_stop(boolean) to backup"

mkdir "$PWD/space"
pg_own space
pg_sql db "create tablespace elsewhere location '$PWD/space'"
pg_sql db "create table ballast as select n, md5(n::text) as text from generate_series(1, 100000) n" \
    "create table there tablespace elsewhere as select n from generate_series(1, 20000) n" \
    "create unlogged table fleeting as select n from generate_series(1, 1000) n" "checkpoint"
fleeting=$(pg_sql db "select pg_relation_filepath('fleeting')")
touch "db/data/base/pgsql_tmp_left" "db/data/base/1/t3_16000"
ln -s /etc/passwd db/data/a-link
pg_own db/data
oid=$(pg_sql db "select oid from pg_tablespace where spcname = 'elsewhere'")

# ---- under load ----
pg_load db orders --clients 2
wait_for 20 test -s orders
before=$(wc -l <orders)
assert_exit 0 varve backup --database-files "$url" >out 2>problems
assert_grep 'a-link.* is a symbolic link' problems
assert_eq "$(wc -l <problems)" 1 "lines on stderr: $(cat problems)"
wait_for 20 eval '[ "$(wc -l <orders)" -gt "$((before + 5))" ]'
began=$(sed -n "${before}p" orders | cut -d' ' -f3)
pg_load_stop
rm db/data/a-link
assert_eq "$(pg_sql db "select count(*) from pg_replication_slots")" 0 "number of slots"
assert_exit 0 varve cat latest:postgres/local/tablespace_map >map
assert_eq "$(cat map)" "$oid $PWD/space" "tablespace_map"

# ---- it is what the server would have sent ----
assert_exit 0 varve backup "sent=$url" >/dev/null
assert_exit 0 varve ls -R latest:postgres/sent >sent
assert_exit 0 varve ls -R latest~1:postgres/local >"read"
names()
{
    sed -E 's,^/postgres/(local|sent)/?,,' "$1" | grep -v 'pg_wal/' | LC_ALL=C sort
}
names sent >names-sent
names read >names-read
[ "$(wc -l <names-read)" -gt 900 ] || fail "only $(wc -l <names-read) names"
LC_ALL=C comm -3 names-sent names-read >differ
[ ! -s differ ] || fail "not the same names: $(cat differ)"
refute_grep "$fleeting\$" names-read
assert_grep "${fleeting}_init\$" names-read
refute_grep 'pgsql_tmp|t3_16000|a-link|postmaster' names-read

# ---- restored ----
assert_exit 0 varve restore latest~1:postgres/local --target copy >/dev/null
pg_own copy
pg_run pg_verifybackup "$PWD/copy/data" >verified 2>&1 || fail "pg_verifybackup: $(cat verified)"
grep -o '"Checksum-Algorithm"' copy/data/backup_manifest | wc -l >sums
grep -c '"Path"' copy/data/backup_manifest | diff - sums || fail "files without a checksum"
pg_configure copy
pg_start copy
pg_check_shop copy orders "$began"
assert_eq "$(pg_sql copy "select count(*) from ballast")" 100000 "rows"
assert_eq "$(pg_sql copy "select count(*) from there")" 20000 "rows in the tablespace"
assert_eq "$(pg_sql copy "select count(*) from fleeting")" 0 "rows of the unlogged table"
pg_stop copy
pg_run pg_checksums -c -D "$PWD/copy/data" >/dev/null
assert_exit 0 varve rehearse latest~1 --check "$VARVE_SOURCE/examples/shop/check.sql" >rehearsed 2>&1 ||
    fail "$(cat rehearsed)"

# ---- a second one reads what has changed ----
sleep 2.1 # until no file's last change is too near to its reading
assert_exit 0 varve backup --database-files "$url" >/dev/null 2>&1
pg_sql db "update ballast set text = 'changed' where n = 77" "checkpoint"
sleep 2.1
assert_exit 0 varve backup --database-files --json "$url" >news
python3 - <<'END'
import json
d = json.load(open("news"))
assert d["files_unchanged"] > 900 and d["bytes_read"] < 60e6, d
END
assert_exit 0 varve restore latest:postgres/local --target second >/dev/null
pg_own second
pg_run pg_verifybackup "$PWD/second/data" >verified 2>&1 || fail "pg_verifybackup: $(cat verified)"
grep -o '"Checksum-Algorithm"' second/data/backup_manifest | wc -l >sums
grep -c '"Path"' second/data/backup_manifest | diff - sums || fail "files without a checksum"
pg_configure second
pg_start second
assert_eq "$(pg_sql second "select text from ballast where n = 77")" changed "the row that changed"
pg_stop second
assert_exit 0 varve verify --data >/dev/null

# ---- a page that is damaged on the disk ----
file=$(pg_sql db "select pg_relation_filepath('ballast')")
pg_stop db
printf '\377' | dd of="db/data/$file" bs=1 seek=$((9 * 8192 + 4000)) conv=notrunc status=none
pg_start db
assert_exit 3 varve backup --database-files "$url" >/dev/null 2>problems
assert_grep "$file'?: .*1 page is wrong: 9" problems
assert_exit 0 varve cat latest:postgres/local/bad_pages >bad
assert_eq "$(cat bad)" "$file 9" bad_pages
printf '\000' | dd of="db/data/$file" bs=1 seek=$((9 * 8192 + 4000)) conv=notrunc status=none

# ---- a file that cannot be read ends it; another cluster's directory is none of this one's ----
if [ "$(id -u)" != 0 ]; then
    chmod 0 "db/data/$file"
    assert_exit 1 varve backup --database-files "$url" >/dev/null 2>problems
    assert_grep 'cannot read .*run as' problems
    chmod 600 "db/data/$file"
fi
pg_stop db
pg_init other
cp db/data/global/pg_control control
pg_start other
pg_sql other "create role backup superuser login replication"
cp other/data/global/pg_control control-other
cp control other/data/global/pg_control
assert_exit 1 varve backup --database-files "other=$(pg_url other)" >/dev/null 2>problems
assert_grep 'directory of another cluster' problems
cp control-other other/data/global/pg_control
assert_exit 0 varve backup --database-files "other=$(pg_url other)" >/dev/null
pg_stop other
