#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# sh tests/run.sh [PATTERN...]: install what is missing, build, run the tests.
#
# PATTERNs are regular expressions over test names (ctest -R): 'e2e', 'unit.repo', 'lint'.
# The last line is 'N passed, N failed'; the exit code is 0 only if nothing failed.
#
#   VARVE_BUILD_DIR   where to build (default: build/ in the source tree)
#   VARVE_TEST_JOBS   tests at a time (default: one more than processors, since many wait for disks)
set -eu

top=$(cd "$(dirname "$0")/.." && pwd -P)
. "$top/examples/setup.sh"

# shellcheck disable=SC2086 # lists of words
install_packages $packages_build $packages_test
debian_first
configure_varve -DVARVE_TESTS=ON

pattern=
for argument in "$@"; do
    pattern=${pattern:+$pattern|}$argument
done

# What those tests run, or everything.
targets=all
if [ -n "$pattern" ]; then
    targets=$(sh "$top/tests/needs.sh" "$build" -R "$pattern")
fi
# shellcheck disable=SC2086 # a list of words
build_varve ${targets:-all}
if command -v dpkg-query >/dev/null; then
    export VARVE_TESTS_SET_UP=1 # a missing command fails a test now
fi

log=$build/tests.log
{
    status=0
    ctest --test-dir "$build" --parallel "${VARVE_TEST_JOBS:-$(($(nproc) + 1))}" --output-on-failure \
        --no-tests=error ${pattern:+-R "$pattern"} </dev/null 2>&1 || status=$?
    echo "$status" >"$build/tests.status"
} | tee "$log"
status=$(cat "$build/tests.status")

# ctest counts a skipped test as passed; we do not.
counts=$(awk '/tests failed out of [0-9]+$/ { failed = $(NF - 5); total = $NF }
    /\*\*\*Skipped/ { skipped++ }
    END { print total - failed - skipped, failed + 0, skipped + 0 }' "$log")
# shellcheck disable=SC2086 # three numbers
set -- $counts
passed=$1 failed=$2 skipped=$3
if [ "$status" != 0 ] && [ "$failed" = 0 ]; then
    failed=1
fi
if [ "$skipped" != 0 ]; then
    say "$skipped skipped (their reasons: $build/Testing/Temporary/LastTest.log)"
fi
say "$passed passed, $failed failed"
[ "$failed" = 0 ]
