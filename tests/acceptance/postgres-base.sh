#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# postgres-base.sh [SIZE-MIB [ROUNDS]]: base backups of a cluster of that size (default 2048):
#   - speed against pg_basebackup to /dev/null (>= 0.8x with --compression off) and through
#     `zstd -3 -T2` (>= 1.2x with defaults), interleaved, medians of ratios; CPU seconds beside; and
#     the same with --database-files, which must be no slower than what the server sends;
#   - what a second backup stores: < 0.5 % of an unchanged cluster, < 10 % with 1 % of its pages dirty;
#   - peak memory of varve (<= 200 MiB);
#   - after all that: the last snapshot is restored, verified by pg_verifybackup, and starts.
# Size counts the repository without parity, which is optional (and printed with it beside).
# shellcheck source=tests/acceptance/postgres-common.sh
. "$(dirname "$0")/postgres-common.sh"
size=${1:-2048}
rounds=${2:-3}

big_cluster "$size"

ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.3f\n", a / b }'; }
stored() { du -sb --exclude=parity "$WORK/repo" | cut -f1; }
plain() { pg_run pg_basebackup -h "$WORK/db/socket" -U backup -c fast -Ft -X none -D - >/dev/null; }
squeezed() { pg_run pg_basebackup -h "$WORK/db/socket" -U backup -c fast -Ft -X none -D - | zstd -q -3 -T2 >/dev/null; }
# measure COMMAND...: wall seconds into $wall, CPU seconds of its processes into $cpu.
measure() {
    local out
    out=$({ TIMEFORMAT='%R %U %S'; time "$@" >/dev/null 2>"$WORK/measured"; } 2>&1) ||
        fail "$*: $(cat "$WORK/measured")"
    wall=${out%% *}
    cpu=$(awk '{ printf "%.2f", $2 + $3 }' <<<"$out")
}
: >off && : >default && : >off-files && : >default-files && : >files
for round in $(seq "$rounds"); do
    new_repository "$WORK/repo"
    measure varve -r "$WORK/repo" backup --compression off "$url"
    ours=$wall ours_cpu=$cpu
    new_repository "$WORK/repo"
    measure varve -r "$WORK/repo" backup --compression off --database-files "$url"
    files=$wall files_cpu=$cpu
    measure plain
    ratio "$wall" "$ours" >>off
    ratio "$wall" "$files" >>off-files
    ratio "$ours" "$files" >>files
    say "round $round, no compression: varve $ours s (CPU $ours_cpu), by files $files s (CPU $files_cpu)," \
        "pg_basebackup $wall s (CPU $cpu)"
    new_repository "$WORK/repo"
    measure varve -r "$WORK/repo" backup --database-files "$url"
    files=$wall files_cpu=$cpu
    measure varve -r "$WORK/repo" backup --database-files "$url"
    again=$wall
    new_repository "$WORK/repo"
    measure varve -r "$WORK/repo" backup "$url"
    ours=$wall ours_cpu=$cpu
    measure squeezed
    ratio "$wall" "$ours" >>default
    ratio "$wall" "$files" >>default-files
    ratio "$ours" "$files" >>files
    say "round $round, compressed: varve $ours s (CPU $ours_cpu), by files $files s (CPU $files_cpu; again:" \
        "$again s), pg_basebackup | zstd $wall s (CPU $cpu)"
done
first=$(stored)
with=$(du -sb "$WORK/repo" | cut -f1)
/usr/bin/time -f %M -o peak varve -r "$WORK/repo" backup "$url" >/dev/null
second=$(stored)
pages=$(pg_sql db "select relpages from pg_class where relname = 'big'")
dirty=$(pg_sql db "with u as (update big set k = k + 1 where ctid in
    (select ('(' || b || ',1)')::tid from generate_series(0, $pages - 1) b where random() < 0.0112)
    returning 1) select count(*) from u")
pg_sql db checkpoint
varve -r "$WORK/repo" backup "$url" >/dev/null
third=$(stored)
percent() { awk -v a="$1" -v b="$cluster" 'BEGIN { printf "%.3f", 100 * a / b }'; }
printf 'speed, no compression   %s of pg_basebackup\n' "$(median <off)"
printf 'speed, compressed       %s of pg_basebackup | zstd -3 -T2\n' "$(median <default)"
printf 'speed by files          %s and %s of them, %s of what the server sends\n' \
    "$(median <off-files)" "$(median <default-files)" "$(median <files)"
printf 'first backup            %s %% of the cluster (%s bytes; with parity %s)\n' "$(percent "$first")" "$first" "$with"
printf 'second, unchanged       %s %%\n' "$(percent $((second - first)))"
printf 'third, %s of %s pages dirty   %s %%\n' "$dirty" "$((cluster / 8192))" "$(percent $((third - second)))"
printf 'peak memory             %s KiB\n' "$(cat peak)"

pg_stop db
varve -r "$WORK/repo" restore latest:postgres/local/data --target "$WORK/copy/data" --quiet
pg_own copy
pg_run pg_verifybackup "$WORK/copy/data" >/dev/null
pg_configure copy
pg_start copy
[ "$(pg_sql copy "select count(*) from big")" = $((size * 6100)) ] || fail "rows are missing"
pg_stop copy
say "the last one was restored, verified, and started"
check() { awk -v a="$1" -v b="$3" "BEGIN { exit !(a $2 b) }" || fail "$4: $1, wanted $2 $3"; }
check "$(percent $((second - first)))" '<' 0.5 "second backup, per cent"
check "$(percent $((third - second)))" '<' 10 "third backup, per cent"
check "$(cat peak)" '<=' 204800 "peak memory, KiB"
check "$(median <files)" '>=' 1 "speed by files, of what the server sends"
check "$(median <off-files)" '>=' 0.8 "speed by files without compression"
check "$(median <default-files)" '>=' 1.2 "speed by files with compression"
check "$(median <off)" '>=' 0.8 "speed without compression"
check "$(median <default)" '>=' 1.2 "speed with compression"
