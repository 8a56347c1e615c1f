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
