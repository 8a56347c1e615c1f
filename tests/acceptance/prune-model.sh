#!/bin/bash
# The prune protocol's model, also in configurations that take minutes and gigabytes; the mutants; and
# the mutants' traces followed by the code.
# shellcheck source=tests/acceptance/common.sh
. "$(dirname "$0")/common.sh"
python3 -B "$here/../models/check.py" --long --jobs "${1:-2}"
"${REPLAY:-$here/../../build/tests/simulation/replay}" "$here/../models/traces"
rm -rf "$WORK"
