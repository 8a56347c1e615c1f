#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Sourced by acceptance scripts that need a PostgreSQL server: common.sh, and those of the end-to-end tests
# (tests/e2e/postgres.sh), which end with the script.
# shellcheck source=tests/acceptance/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
VARVE_SOURCE=$(realpath "$here/../..")
VARVE=$(realpath "$VARVE")
export VARVE_SOURCE
mkdir -p "$WORK/bin"
chmod 755 "$WORK"
ln -sf "$VARVE" "$WORK/bin/varve"
PATH=$WORK/bin:$PATH
cd "$WORK"

skip() { fail "$*"; }
# shellcheck source=tests/e2e/wait.sh
. "$VARVE_SOURCE/tests/e2e/wait.sh"
# shellcheck source=tests/e2e/postgres.sh
. "$VARVE_SOURCE/tests/e2e/postgres.sh"
pg_need
finish() {
    pg_clean_up
    cd /
    rm -rf "$WORK"
}
trap finish EXIT

# big_cluster SIZE-MIB: a server in db/ with a table of some such size in it, whose rows compress some
# twofold, with room on each page for one more version of a row; all of it in the page cache.
big_cluster() {
    pg_init db
    pg_set db 'shared_buffers = 256MB'
    pg_set db 'max_wal_size = 8GB'
    pg_start db
    pg_shop db
    pg_sql db "create table big (n bigint, k int, t text) with (fillfactor = 90)" \
        "insert into big select n, n % 1000, md5(n::text) || md5((n + 1)::text) || 'some article ' || n % 100
         from generate_series(1, $1::bigint * 6100) n" \
        "alter table big add primary key (n)" "vacuum (freeze, analyze) big" "checkpoint" \
        "grant pg_read_all_settings to backup" \
        "grant execute on function pg_backup_start(text, boolean), pg_backup_stop(boolean) to backup"
    # shellcheck disable=SC2034 # for whoever sources this
    url=$(pg_url db)
    cluster=$(du -sb --exclude=pg_wal db/data | cut -f1)
    say "cluster: $((cluster >> 20)) MiB without WAL"
    find db/data -type f -print0 | xargs -0 cat >/dev/null
}
