#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# postgres-pgbackrest.sh [SIZE-MIB [ROUNDS]]: full backup, second backup of the unchanged cluster (of
# pgBackRest: incremental) and restore, with varve (by files and as sent by the server) and Debian's
# pgBackRest (zst 3, encrypted, two processes), interleaved, repositories and targets on one file system.
# Sizes are those of the repositories, varve's without parity.  No verdict: it prints what it saw.
# shellcheck source=tests/acceptance/postgres-common.sh
. "$(dirname "$0")/postgres-common.sh"
size=${1:-1024}
rounds=${2:-3}
command -v pgbackrest >/dev/null || fail "needs pgbackrest"

big_cluster "$size"
mkdir -p rest log
cat >pgbackrest.conf <<END
[global]
repo1-path=$WORK/rest
repo1-cipher-type=aes-256-cbc
repo1-cipher-pass=a-long-passphrase-for-this-test-only
compress-type=zst
repo1-retention-full=2
compress-level=3
process-max=2
start-fast=y
archive-check=n
log-path=$WORK/log
log-level-console=error
lock-path=$WORK/log
spool-path=$WORK/log
[db]
pg1-path=$WORK/db/data
pg1-socket-path=$WORK/db/socket
pg1-user=postgres
END
pg_own rest
pg_own log
rest() { (cd / && pg_as pgbackrest --config="$WORK/pgbackrest.conf" --stanza=db "$@"); }
fresh_rest() {
    rm -rf rest && mkdir rest && pg_own rest
    rest stanza-create
}
restore_rest() { rest restore --pg1-path="$WORK/copy-rest"; }
restore_varve() { varve -r "$WORK/repo" restore latest:postgres/local/data --target "$WORK/copy" --quiet; }
size_of() { du -sb --exclude=parity "$1" | cut -f1; }
for what in full again restore; do
    : >"varve-$what" && : >"sent-$what" && : >"rest-$what"
done
for _ in $(seq "$rounds"); do
    new_repository "$WORK/repo"
    seconds varve -r "$WORK/repo" backup "$url" >>sent-full
    seconds varve -r "$WORK/repo" backup "$url" >>sent-again
    new_repository "$WORK/repo"
    seconds varve -r "$WORK/repo" backup --database-files "$url" >>varve-full
    varve_size=$(size_of repo)
    seconds varve -r "$WORK/repo" backup --database-files "$url" >>varve-again
    varve_more=$(($(size_of repo) - varve_size))
    rm -rf copy
    seconds restore_varve >>varve-restore
    fresh_rest
    seconds rest --type=full backup >>rest-full
    rest_size=$(size_of rest)
    seconds rest --type=incr backup >>rest-again
    rest_more=$(($(size_of rest) - rest_size))
    rm -rf copy-rest && mkdir copy-rest && chmod 700 copy-rest && pg_own copy-rest
    seconds restore_rest >>rest-restore
done
row() { printf '%-22s %9s s   %9s s   %9s s\n' "$1" "$2" "$3" "$4"; }
printf '%-22s %11s %13s %13s\n' '' 'by files' 'as sent' pgBackRest
row full "$(median <varve-full)" "$(median <sent-full)" "$(median <rest-full)"
row 'second, unchanged' "$(median <varve-again)" "$(median <sent-again)" "$(median <rest-again)"
row 'restore (varve: verified)' "$(median <varve-restore)" - "$(median <rest-restore)"
printf 'repository after the first %s, %s bytes; the second adds %s, %s\n' \
    "$varve_size" "$rest_size" "$varve_more" "$rest_more"
