# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# Waiting in end-to-end tests and acceptance scripts; sourced.

# wait_for SECONDS COMMAND...: until the command succeeds; says so and fails after that long.
wait_for()
{
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        if [ "$SECONDS" -ge "$end" ]; then
            echo "waited in vain for: $*" >&2
            return 1
        fi
        sleep 0.05
    done
}
