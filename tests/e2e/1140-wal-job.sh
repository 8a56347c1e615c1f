# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# A job forgets WAL with its base backups: what ends before the first one goes, though it has no tag, and with
# keep-wal-days the one that the window begins with stays.
# labels: plain memory
. "$E2E/postgres.sh"
. "$E2E/wal.sh"
pg_need
need_command python3
new_repo
pg_init "$WORK/one" --wal-segsize=1
pg_start "$WORK/one"
pg_shop "$WORK/one"
URL=$(pg_url "$WORK/one")
cat >"$WORK/varve.conf" <<CONF
[repository main]
url = $VARVE_REPO
key-file = $VARVE_KEY_FILE
[job shop]
repository = main
database = shop=$URL
keep-last = 1
keep-wal-days = 1
CONF
chmod 600 "$WORK/varve.conf"
receive() { # TABLE: with something in it
    pg_sql "$WORK/one" "create table $1 as select generate_series(1, 30000)"
    assert_exit 0 varve wal receive --once --unbounded-slot "$URL" >/dev/null
}
receive early
receive earlier
assert_exit 0 varve --json wal list >first.json
for i in 1 2; do
    assert_exit 0 env -u VARVE_REPO VARVE_CONFIG="$WORK/varve.conf" varve run shop >run.out
    assert_grep '^  forget +ok' run.out
    receive "later_$i"
done
assert_exit 0 varve --json wal list >second.json
assert_exit 0 varve --json snapshots >snapshots.json
python3 - <<'END'
import json
first, second, snapshots = (json.load(open(name + ".json")) for name in ("first", "second", "snapshots"))
def begins(d):
    high, low = d["wal"][0]["from"].split("/")
    return int(high, 16) << 32 | int(low, 16)
assert not second["gaps"] and begins(second) > begins(first), (first["wal"], second["wal"])
kept = [s for s in snapshots["snapshots"] if "job:shop" in s.get("tags", [])]
assert len(kept) == 2, kept
END
