#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# needs.sh BUILD [CTEST-OPTION...]: the targets that the chosen tests of a configured build directory
# run, a line each; 'all' if it does not know what one of them runs.
set -eu

build=$1
shift
ctest --test-dir "$build" -N "$@" | sed -n 's/^ *Test *#[0-9]*: //p' |
    awk 'NR == FNR { known[$1]; for (i = 2; i <= NF; i++) needs[$1] = needs[$1] " " $i; next }
        $1 in known { print needs[$1]; next }
        { print "all" }' "$build/tests.needs" - | tr -s ' ' '\n' | sed '/^$/d' | sort -u
