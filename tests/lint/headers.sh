#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# headers.sh [CC]: each header of lib/ must compile alone, with the project's warnings as errors.
set -eu
cd "$(dirname "$0")/../../lib"
cc=${1:-cc}
packages=$(pkg-config --cflags libsodium libcrypto libzstd libxxhash libarchive jansson libssh2 libisal)
# What lib/load_later.cmake makes, as it is where libraries are linked.
loaded=$(mktemp -d)
trap 'rm -rf "$loaded"' EXIT
mkdir "$loaded/loaded"
printf '#include <archive.h>\n#include <archive_entry.h>\n' >"$loaded/loaded/archive_functions.h"
echo '#include <libpq-fe.h>' >"$loaded/loaded/pq_functions.h"
# Optional: without it, the one header that needs it is passed over.
without=
if pkg-config --exists libpq; then
    packages="$packages $(pkg-config --cflags libpq)"
else
    without=./postgres/postgres_internal.h
fi
# shellcheck disable=SC2086,SC2016 # $packages is a list of words; the inner shell expands the rest
find . -name '*.h' ! -path "$without" | sort | xargs -P 2 -n 12 sh -c '
    cc=$1 loaded=$2 packages=$3 failed=0
    shift 3
    for header in "$@"; do
        # Through a file that includes it: compiled directly, "#pragma once in main file" and unused
        # static functions would be complained about.
        printf "#include \"%s\"\n" "${header#./}" |
            "$cc" -std=gnu17 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -I. -I "$loaded" $packages -Wall -Wextra \
                -Wstrict-prototypes -Wshadow -Werror -fsyntax-only -x c - ||
            { echo "$header does not compile alone"; failed=1; }
    done
    exit $failed' sh "$cc" "$loaded" "$packages"
