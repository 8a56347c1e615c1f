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
wait_for() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || fail "waited in vain for: $*"
        sleep 0.1
    done
}
# shellcheck source=tests/e2e/postgres.sh
. "$VARVE_SOURCE/tests/e2e/postgres.sh"
pg_need
finish() {
    pg_clean_up
    cd /
    rm -rf "$WORK"
}
trap finish EXIT
