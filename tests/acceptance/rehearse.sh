#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# rehearse.sh [ROUNDS]: a rehearsal finds nothing where nothing is wrong: so many times (default 50), under
# load, a base backup is made and WAL received; each is rehearsed to its own end and to the newest moment, with
# the shop's questions.  Every one must end with 0, and prove every step.
# shellcheck source=tests/acceptance/postgres-common.sh
. "$(dirname "$0")/postgres-common.sh"
rounds=${1:-50}
mkdir scratch reader
chmod 755 scratch

export VARVE_REPO=$WORK/repo VARVE_KEY_FILE=$WORK/key
varve init --key-file "$VARVE_KEY_FILE" >/dev/null
cp "$VARVE_KEY_FILE" reader/key
pg_own reader
pg_init db --wal-segsize=1
pg_set db "max_slot_wal_keep_size = 1GB"
pg_start db
pg_shop db
url=$(pg_url db)
varve wal receive --once "$url" >/dev/null
pg_load db "$WORK/orders"

rehearse() {
    varve --key-file reader/key rehearse --scratch "$WORK/scratch" latest --json \
        --check "$VARVE_SOURCE/examples/shop/check.sql" "$@" >report 2>said ||
        fail "round $round: exit code $?: $(cat report said)"
    python3 -c '
import json, sys
wrong = {k: v["verdict"] for k, v in json.load(open("report"))["steps"].items() if v["verdict"] != "proven"}
sys.exit("not proven: %s" % wrong if wrong else 0)' || fail "round $round"
    [ -z "$(ls -A scratch)" ] || fail "round $round: something is left behind"
}
for ((round = 1; round <= rounds; round++)); do
    varve backup "shop=$url" >/dev/null
    varve wal receive --once "$url" >/dev/null
    chmod -R a+rX "$VARVE_REPO"
    rehearse
    rehearse --to-latest
    say "round $round: $(python3 -c 'import json; r = json.load(open("report")); print(r["position"], *(k + " %.1f s" % v["seconds"] for k, v in r["steps"].items()))')"
done
pg_load_stop
say "$rounds rounds, $((2 * rounds)) rehearsals: no false alarm"
