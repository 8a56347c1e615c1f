# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# labels: memory
# A base backup under load, restored plainly: it starts, verifies, and no acknowledged order is lost.
# shellcheck source=tests/e2e/postgres.sh
. "$E2E/postgres.sh"
pg_need

export VARVE_REPO=$WORK/repo VARVE_KEY_FILE=$WORK/key
assert_exit 0 varve init --key-file "$VARVE_KEY_FILE" >/dev/null

pg_init db
pg_start db
pg_shop db
pg_sql db "create table ballast as select n, md5(n::text) as text from generate_series(1, 100000) n"
mkdir files
echo kept >files/file

# ---- files and database in one snapshot, while orders come in ----
pg_load db orders --clients 2
wait_for 20 test -s orders
before=$(wc -l <orders)
url=$(pg_url db)
assert_exit 0 varve backup files "$url" >out 2>problems
[ ! -s problems ] || fail "a warning: $(cat problems)"
acknowledged=$(wc -l <orders)
[ "$acknowledged" -gt "$before" ] || fail "no order came in meanwhile"
began=$(sed -n "${before}p" orders | cut -d' ' -f3)
pg_load_stop
assert_exit 0 varve snapshots --json >list
assert_grep '"database:postgres/local"' list

# No slot stays behind, and nothing was left out or added but what the manual says.
assert_eq "$(pg_sql db "select count(*) from pg_replication_slots")" 0 "number of slots"
assert_exit 0 varve ls latest:postgres/local >listing
assert_grep 'data' listing

# ---- a plain restore is a data directory that starts ----
assert_exit 0 varve restore latest:postgres/local/data --target copy/data >/dev/null
pg_own copy
pg_run pg_verifybackup "$PWD/copy/data" >verified 2>&1 || fail "pg_verifybackup: $(cat verified)"
for segment in copy/data/pg_wal/0*; do
    assert_eq "$(stat -c %s "$segment")" 16777216 "size of $segment"
    assert_exists "copy/data/pg_wal/archive_status/$(basename "$segment").done"
done
pg_configure copy
pg_start copy
pg_check_shop copy orders "$began"
assert_eq "$(pg_sql copy "select count(*) from ballast")" 100000 "rows"
assert_eq "$(pg_sql copy "select pg_is_in_recovery()")" f "in recovery"
pg_stop copy
pg_run pg_checksums -c -D "$PWD/copy/data" >/dev/null
# Directories above the files belong to root, whom an ordinary user cannot give anything to.
assert_exit "$([ "$EUID" = 0 ] && echo 0 || echo 3)" varve restore latest --target whole >/dev/null
assert_eq "$(cat "whole$PWD/files/file")" kept
assert_exists whole/postgres/local/data/PG_VERSION

# ---- a second one of an unchanged cluster is nearly free ----
assert_exit 0 varve backup "$url" >/dev/null
first=$(du -s --apparent-size -B1 "$VARVE_REPO" | cut -f1)
assert_exit 0 varve backup --json "$url" >news
python3 - <<'END'
import json
d = json.load(open("news"))
# pg_control, backup_label, the manifest, WAL and statistics are other ones each time.
assert d["files_unchanged"] > 900 and d["files_new"] <= 4 and 0 < d["files_changed"] < 20, d
END
second=$(du -s --apparent-size -B1 "$VARVE_REPO" | cut -f1)
assert_le $((second - first)) 400000 "bytes a second backup adds"
assert_exit 0 varve verify --data >/dev/null
assert_exit 0 varve diff latest~1 latest >changed
refute_grep 'base/' changed
pg_stop db

# What a restore to a point in time goes by.
assert_exit 0 varve wal list --json >bases
python3 - <<'END'
import json, re
bases = json.load(open("bases"))["base_backups"]
label = open("copy/data/backup_label.old", encoding="utf-8").read()
start = re.search(r"START WAL LOCATION: (\S+)", label).group(1)
assert len(bases) == 3 and bases[0]["timeline"] == 1, bases
assert bases[0]["start"] == start, (bases, label)
manifest = json.load(open("copy/data/backup_manifest"))["WAL-Ranges"][0]
assert bases[0]["consistent"] == manifest["End-LSN"], (bases, manifest)
END
