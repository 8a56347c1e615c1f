# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# labels: slow
# kill -9 in the middle of a backup or a restore costs nothing but time: the same command again
# completes, without any repair in between, and leaves nothing of the first attempt behind.
new_repo
make_tree source
python3 - source/many <<'PY'
import os, random, sys
r = random.Random(7)
for i in range(300):
    directory = f"{sys.argv[1]}/{i % 10}"
    os.makedirs(directory, exist_ok=True)
    with open(f"{directory}/{i}", "wb") as f:
        f.write(r.randbytes(r.randrange(20000)))
PY
for number in 1 2 3; do random_file "source/large-$number" 40000000 "$number"; done

# killed WHEN COMMAND...: run it in the background and kill it as soon as WHEN succeeds.  Whether it
# was killed before it ended is in $was_killed.
killed()
{
    local when=$1 pid code=0
    shift
    "$@" >output 2>errors &
    pid=$!
    while kill -0 "$pid" 2>/dev/null && ! "$when"; do :; done
    kill -9 "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || code=$?
    was_killed=0
    case $code in
    0) ;;
    137) was_killed=1 ;;
    *) fail "exit $code of: $*: $(cat errors)" ;;
    esac
}

# A first backup, killed when it has published some data; and another, at another moment.
some_packs()
{
    [ "$(object_count packs)" -ge "$packs" ]
}
interrupted=0
for packs in 1 2; do
    killed some_packs varve backup --threads 1 source
    interrupted=$((interrupted + was_killed))
    assert_exit 0 varve --json snapshots >list.json
    if [ "$was_killed" = 1 ]; then
        assert_eq "$(json list.json 'len(d["snapshots"])')" 0 "snapshots after a killed first run"
    fi
done
assert_ge "$interrupted" 1 "backups that were killed"
assert_exit 0 varve --json backup source >backup.json
assert_eq "$(json backup.json '[d["committed"], d["problem_count"]]')" '[true, 0]'
assert_exit 0 varve --json backup --full source >full.json
assert_eq "$(json full.json 'd["packs_data"]')" 0 "data packs of a full run afterwards"
assert_exit 0 varve verify --data >/dev/null

# A restore, killed when it has written some files; the next one finishes it.
some_files()
{
    [ "$(find back -type f 2>/dev/null | wc -l)" -ge "$wanted" ]
}
interrupted=0
for wanted in 5 150; do
    killed some_files varve restore "latest:$PWD/source" --target back --threads 1
    interrupted=$((interrupted + was_killed))
done
assert_ge "$interrupted" 1 "restores that were killed"
assert_exit 0 varve --json restore "latest:$PWD/source" --target back --overwrite changed >restore.json
assert_eq "$(json restore.json '[d["verified"], d["kept"], d["failed"]]')" '[true, 0, 0]'
find back -name '.varve-*' >temporary
assert_eq "$(cat temporary)" "" "temporary names"
assert_same_tree source back

# A later backup, killed: the snapshots before it are untouched, and the next run sees all changes.
for number in 1 2; do random_file "source/large-$number" 40000000 "1$number"; done
packs=$(($(object_count packs) + 1))
killed some_packs varve backup --threads 1 source
assert_exit 0 varve verify --data >/dev/null
assert_exit 0 varve -q backup source
rm -r back
assert_exit 0 varve -q restore "latest:$PWD/source" --target back
assert_same_tree source back
