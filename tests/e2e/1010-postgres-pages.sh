# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# labels: plain memory
# Pages with wrong checksums are kept and listed; tablespaces, of which a copy never touches the
# original's.
# shellcheck source=tests/e2e/postgres.sh
. "$E2E/postgres.sh"
pg_need

export VARVE_REPO=$WORK/repo VARVE_KEY_FILE=$WORK/key
assert_exit 0 varve init --key-file "$VARVE_KEY_FILE" >/dev/null

pg_init db
pg_start db
pg_shop db
mkdir "$PWD/space"
pg_own space
pg_sql db "create tablespace elsewhere location '$PWD/space'"
pg_sql db "create table here as select n, md5(n::text) as text from generate_series(1, 20000) n" \
    "create table there tablespace elsewhere as select n, md5(n::text) as text from generate_series(1, 20000) n" \
    "vacuum freeze here" "vacuum freeze there" "checkpoint"
url=$(pg_url db)

# ---- tablespaces ----
assert_exit 0 varve backup "$url" >/dev/null
oid=$(pg_sql db "select oid from pg_tablespace where spcname = 'elsewhere'")
assert_exit 0 varve cat latest:postgres/local/tablespace_map >map
assert_eq "$(cat map)" "$oid $PWD/space" "tablespace_map"
assert_exit 0 varve restore latest:postgres/local --target copy >/dev/null
assert_eq "$(readlink "copy/data/pg_tblspc/$oid")" "../../tablespaces/$oid" "the link"
refute_exists copy/data/tablespace_map
pg_own copy
pg_run pg_verifybackup "$PWD/copy/data" >verified 2>&1 || fail "pg_verifybackup: $(cat verified)"
find space -type f -print0 | sort -z | xargs -0 sha256sum >sums
pg_configure copy
pg_start copy
assert_eq "$(pg_sql copy "select count(*), sum(n) from there")" "20000|200010000" "rows of the copy"
pg_sql copy "update there set n = -n" "checkpoint"
sha256sum --quiet -c sums || fail "the copy has written into the original's tablespace"

# A relative link would make the server leave the tablespace out of a base backup, in silence.
assert_exit 1 varve backup "copy=$(pg_url copy)" 2>problems
assert_grep "pg_tblspc/$oid .* is relative" problems
pg_stop copy
# As in varve-postgres(7).
(cd copy/data && for link in pg_tblspc/*; do ln -sfn "$(realpath "$link")" "$link"; done)
pg_own copy
pg_start copy
assert_exit 0 varve backup "copy=$(pg_url copy)" >/dev/null
assert_exit 0 varve cat latest:postgres/copy/tablespace_map >map
assert_eq "$(cat map)" "$oid $(realpath copy/tablespaces/"$oid")" "tablespace_map of the copy"
pg_stop copy

# ---- pages ----
here=$(pg_sql db "select pg_relation_filepath('here')")
there=$(pg_sql db "select pg_relation_filepath('there')")
pg_stop db
# damage FILE BLOCK...: flip a byte in each block.
damage()
{
    local file=$1 block
    shift
    for block; do
        printf '\377' | dd of="$file" bs=1 seek=$((block * 8192 + 4000)) conv=notrunc status=none
    done
}
damage "db/data/$here" 0 3 4 5 9 20 21 22 23 40
damage "db/data/$there" 7
pg_start db
assert_exit 3 varve backup "$url" >/dev/null 2>problems
assert_grep "$here'?: .*10 pages is wrong: 0, 3-5, 9, 20-23, 40" problems
assert_grep "tablespaces/${there#pg_tblspc/}'?: .*1 page is wrong: 7" problems
refute_grep 'warns' problems
assert_exit 0 varve cat latest:postgres/local/bad_pages >bad
{
    for block in 0 3 4 5 9 20 21 22 23 40; do echo "$here $block"; done
    echo "$there 7"
} | LC_ALL=C sort >want
LC_ALL=C sort bad | cmp - want || fail "bad_pages: $(cat bad)"
# Kept exactly as it was.
assert_exit 0 varve cat "latest:postgres/local/data/$here" >kept
cmp kept "db/data/$here"
# Told again the next time, and no more once it is repaired.
assert_exit 3 varve backup "$url" >/dev/null 2>&1
pg_stop db
in_space=postgres/local/tablespaces/${there#pg_tblspc/}
assert_exit 0 varve cat "latest~3:postgres/local/data/$here" >good
cat good >"db/data/$here"
assert_exit 0 varve cat "latest~3:$in_space" >good
cat good >"db/data/$there"
pg_start db
assert_exit 0 varve backup "$url" >/dev/null
assert_exit 1 varve cat latest:postgres/local/bad_pages >/dev/null 2>&1
assert_exit 0 varve verify --data >/dev/null
