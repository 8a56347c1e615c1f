#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# headers.sh [CC]: each header of lib/ must compile alone, with the project's warnings as errors.
set -eu
cd "$(dirname "$0")/../../lib"
cc=${1:-cc}
packages=$(pkg-config --cflags libsodium libcrypto libzstd libxxhash libarchive jansson libssh2 libisal)
# Optional: without it, the one header that needs it is passed over.
without=
if pkg-config --exists libpq; then
    packages="$packages $(pkg-config --cflags libpq)"
else
    without=./postgres/postgres_internal.h
fi
# shellcheck disable=SC2086,SC2016 # $packages is a list of words; the inner shell expands the rest
find . -name '*.h' ! -path "$without" | sort | xargs -P 2 -n 12 sh -c '
    cc=$1 packages=$2 failed=0
    shift 2
    for header in "$@"; do
        # Through a file that includes it: compiled directly, "#pragma once in main file" and unused
        # static functions would be complained about.
        printf "#include \"%s\"\n" "${header#./}" |
            "$cc" -std=gnu17 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -I. $packages -Wall -Wextra \
                -Wstrict-prototypes -Wshadow -Werror -fsyntax-only -x c - ||
            { echo "$header does not compile alone"; failed=1; }
    done
    exit $failed' sh "$cc" "$packages"
