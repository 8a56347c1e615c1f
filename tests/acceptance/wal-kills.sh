#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# wal-kills.sh [ROUNDS]: 50 times kill a PostgreSQL server, the receiver of its WAL, or both, at a random
# moment under load; each time a restore from the repository alone has every order that was acknowledged
# more than 2 s before.  tests/e2e/1110-wal-receive.sh does 5 rounds of it.  On a machine that has nothing
# else to do.
here=$(cd "$(dirname "$0")" && pwd)
PG_LOAD_RATE=0 WAL_ROUNDS=${1:-50} WAL_MARGIN=2 exec bash "$here/../e2e/run-one.sh" "$here/../e2e/1110-wal-receive.sh"
