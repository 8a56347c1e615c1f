#!/bin/bash
# Rounds of the engines in one process under a seeded scheduler (tests/simulation).  What happened is
# counted; fences, adopted lists and copies out must be among it.
# shellcheck source=tests/acceptance/common.sh
. "$(dirname "$0")/common.sh"
rounds=${1:-10000} seed=${2:-1}
simulate=${SIMULATE:-$here/../../build/tests/simulation/simulate}
"$simulate" --rounds "$rounds" --seed "$seed" | tee "$WORK/counts"
for what in 'sessions fenced' 'condemned lists adopted' 'chunks copied out'; do
    grep -qE "^ *[1-9][0-9]* $what\$" "$WORK/counts" || fail "no $what in $rounds rounds"
done
rm -rf "$WORK"
