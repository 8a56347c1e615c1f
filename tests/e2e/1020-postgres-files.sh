# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# labels: plain long threads memory
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
# A table gets its free space map with its fifth page: later it would not be in both of the snapshots that are
# compared.
has_maps()
{
    local table
    for table in orders payments; do
        [ -e "db/data/$(pg_sql db "select pg_relation_filepath('$table')")_fsm" ] || return 1
    done
}
wait_for 60 has_maps
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
# started SNAP DIR: restored there, verified (each file has a checksum), and started.
started()
{
    assert_exit 0 varve restore "$1:postgres/local" --target "$2" >/dev/null
    pg_own "$2"
    pg_run pg_verifybackup "$PWD/$2/data" >verified 2>&1 || fail "pg_verifybackup: $(cat verified)"
    grep -o '"Checksum-Algorithm"' "$2/data/backup_manifest" | wc -l >sums
    grep -c '"Path"' "$2/data/backup_manifest" | diff - sums || fail "files without a checksum"
    pg_configure "$2"
    pg_start "$2"
}
started latest~1 copy
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
started latest second
assert_eq "$(pg_sql second "select text from ballast where n = 77")" changed "the row that changed"
pg_stop second
# (However long it takes: what the role may wait for elsewhere is no limit here.)
pg_sql db "alter role backup set statement_timeout = '1s'" "alter role backup set idle_session_timeout = '1s'"
assert_exit 0 varve backup --full --limit 16M --database-files --json "$url" >all
pg_sql db "alter role backup reset all"
python3 - <<'END'
import json
news, everything = json.load(open("news")), json.load(open("all"))
segments = 16 << 20 # WAL comes each time
read = news["bytes_read"] - segments
assert everything["files"] > 900 and everything["bytes_read"] > 30e6 + segments, everything
assert 0 < read < (everything["bytes_read"] - segments) / 2, (news, everything)
END
assert_exit 0 varve verify --data >/dev/null

# ---- a tablespace made while the run has begun, but not this backup ----
mkdir "$PWD/later"
pg_own later
cat >make.sh <<END
"$PG_BIN/psql" -qAtX -h "$PWD/db/socket" -U postgres -d postgres -c "create tablespace later location '$PWD/later'"
"$PG_BIN/psql" -qAtX -h "$PWD/db/socket" -U postgres -d postgres -c "create table late tablespace later as select 7 as n"
echo made
END
assert_exit 0 varve backup --exec "made=sh $PWD/make.sh" --database-files "$url" >/dev/null
started latest third
assert_eq "$(pg_sql third "select n from late")" 7 "a row in the new tablespace"
pg_stop third

# ---- stopped while files are read ----
varve backup --database-files --full --limit 2M "$url" >/dev/null 2>&1 &
child=$!
reads() { [ "$(pg_sql db "select count(*) from pg_stat_activity where query like '%pg_postmaster_start_time%' and state = 'idle' and pid <> pg_backend_pid()")" = 1 ]; }
wait_for 20 reads
sleep 0.5
kill -TERM "$child"
status=0
wait "$child" || status=$?
assert_eq "$status" 130 "exit code after SIGTERM"
assert_exit 0 varve backup --database-files "$url" >/dev/null

# ---- the server dies meanwhile: no snapshot; with --keep-going one of the rest ----
for option in '' --keep-going; do
    before=$(varve snapshots --json | grep -c '"sequence"')
    varve backup $option --database-files --full --limit 2M make.sh "$url" >/dev/null 2>problems &
    child=$!
    wait_for 20 reads
    pg_kill db
    status=0
    wait "$child" || status=$?
    assert_eq "$status" "$([ -n "$option" ] && echo 3 || echo 13)" "exit code '$option' when the server died"
    after=$(varve snapshots --json | grep -c '"sequence"')
    assert_eq "$((after - before))" "$([ -n "$option" ] && echo 1 || echo 0)" "snapshots made '$option'"
    rm -f db/data/postmaster.pid
    pg_start db
done
assert_exit 0 varve backup --database-files "$url" >/dev/null

# ---- a repository by its name: the server needs no configuration to recover from it ----
printf '%s\n' '[repository main]' "url = $VARVE_REPO" "key-file = $VARVE_KEY_FILE" >"$WORK/varve.conf"
later=$(pg_sql db "select oid from pg_tablespace where spcname = 'later'")
(unset VARVE_REPO VARVE_KEY_FILE
    assert_exit 0 varve --config "$WORK/varve.conf" -r main restore latest:postgres/local --target fourth \
        --tablespace "$oid=$PWD/fourth-space" --tablespace "$later=$PWD/fourth-later" --to-immediate >/dev/null)
assert_grep "restore_command = .*$VARVE_REPO.*$VARVE_KEY_FILE" fourth//postgresql.auto.conf

# ---- a damaged page is told each time ----
file=$(pg_sql db "select pg_relation_filepath('ballast')")
sleep 2.1
assert_exit 0 varve backup --database-files "$url" >/dev/null
damage_quietly()
{
    local image=$WORK/quiet.img
    cp -a "db/data/$file" "$image"
    printf '\377' | dd of="db/data/$file" bs=1 seek=$((5 * 8192 + 4000)) conv=notrunc status=none
    touch -r "$image" "db/data/$file"
}
damage_quietly # the change time tells that something was done, and so it is read
assert_exit 3 varve backup --database-files "$url" >/dev/null 2>problems
assert_grep "$file'?: .*1 page is wrong: 5" problems
# It is told again, although the file stays as it is: also when that is long ago.
for _ in 1 2; do
    sleep 2.1
    assert_exit 3 varve backup --database-files "$url" >/dev/null 2>problems
    assert_grep "$file'?: .*1 page is wrong: 5" problems
done
cat "$WORK/quiet.img" >"db/data/$file"
assert_exit 0 varve backup --database-files "$url" >/dev/null

# ---- a page that is damaged on the disk ----
file=$(pg_sql db "select pg_relation_filepath('ballast')")
pg_stop db
printf '\377' | dd of="db/data/$file" bs=1 seek=$((9 * 8192 + 4000)) conv=notrunc status=none
pg_start db
assert_exit 3 varve backup --database-files "$url" >/dev/null 2>problems
assert_grep "$file'?: .*1 page is wrong: 9" problems
assert_exit 0 varve cat latest:postgres/local/bad_pages >bad
assert_eq "$(cat bad)" "$file 9" bad_pages
cat "$WORK/quiet.img" >"db/data/$file"

# ---- content that has changed behind unchanged metadata, through the device: --full tells ----
if [ "$EUID" = 0 ]; then
    mount_ext4 disk rotting 48M
    pg_own rotting
    pg_sql db "create tablespace rotting location '$PWD/rotting'"
    pg_sql db "create table marked tablespace rotting as select 'MARKER-OF-THIS-ROW' as text" checkpoint
    pg_stop db
    sync -f rotting
    pg_start db
    sleep 2.1
    assert_exit 0 varve backup --database-files "rot=$url" >/dev/null
    pg_stop db
    umount rotting
    python3 - disk <<'END'
import sys
with open(sys.argv[1], "r+b") as f:
    at = f.read().index(b"MARKER-OF-THIS-ROW")
    f.seek(at)
    f.write(b"ROTTEN")
END
    mount_ext4 disk rotting 48M
    pg_start db
    assert_exit 0 varve backup --database-files "rot=$url" >/dev/null
    assert_exit 3 varve backup --full --database-files --json "rot=$url" >news 2>problems
    assert_eq "$(python3 -c 'import json; print(json.load(open("news"))["silent_changes"])')" 1 "silent changes"
    assert_grep 'content differs although' problems
    assert_grep '1 page is wrong: 0' problems
    assert_eq "$(grep -c 'page is wrong' problems)" 1 "complaints about it"
    pg_sql db "drop table marked" "drop tablespace rotting"
    umount rotting
fi

# ---- a file that cannot be read ends it; another cluster's directory is none of this one's ----
if [ "$EUID" != 0 ]; then
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
# Nor is that of a server with the same identifier, a standby's: the one that runs here began at another time.
sed -i '3s/.*/1000000000/' other/data/postmaster.pid
assert_exit 1 varve backup --database-files "other=$(pg_url other)" >/dev/null 2>problems
assert_grep 'perhaps a standby' problems
pg_stop other
