#!/bin/bash
# Rounds of real processes on one repository and its replica, some of them stopped and killed; see
# tests/e2e/process-rounds.py.
# shellcheck source=tests/acceptance/common.sh
. "$(dirname "$0")/common.sh"
rounds=${1:-500} seed=${2:-1}
"$here/../e2e/process-rounds.py" "$VARVE" "$WORK/rounds" "$rounds" "$seed"
rm -rf "$WORK"
