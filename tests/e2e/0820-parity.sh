# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# labels: plain memory
# Parity: damaged packs are computed again, without a key and without a replica.

make_tree source
random_file source/large 3000000 3
assert_exit 0 varve -r "$WORK/repo" init --key-file "$WORK/repo.key" >/dev/null
export VARVE_REPO=$WORK/repo VARVE_KEY_FILE=$WORK/repo.key
assert_exit 0 varve backup --quiet source
assert_exit 0 varve export latest --format tar -o "$WORK/whole.tar"
cp -a "$VARVE_REPO" "$WORK/whole"

# again: the repository as it was.
again()
{
    rm -rf "$VARVE_REPO"
    cp -a "$WORK/whole" "$VARVE_REPO"
}
# rot FILE OFFSET LENGTH: change all of these bytes.
rot()
{
    chmod u+w "$1"
    python3 -c 'import sys
at, n = int(sys.argv[2]), int(sys.argv[3])
with open(sys.argv[1], "r+b") as f:
    f.seek(at); b = f.read(n); f.seek(at); f.write(bytes(x ^ 0x81 for x in b))' "$1" "$2" "$3"
    chmod u-w "$1"
}
# exported EXIT: an archive that is whole.
exported()
{
    rm -f out.tar
    assert_exit "$1" varve export latest --format tar -o out.tar
    cmp out.tar "$WORK/whole.tar"
}
largest=$(find "$VARVE_REPO/packs" -type f -printf '%s %p\n' | sort -n | tail -n 1 | cut -d ' ' -f 2)
size=$(stat -c %s "$largest")
shard=$(((size + 31) / 32))

# --- by default a new repository keeps it ---------------------------------------------------------
assert_exit 0 varve --json parity status >status
assert_eq "$(json status 'd["on"]')" true
assert_eq "$(json status 'd["packs_with_parity"] == d["packs"] and d["packs"] > 1')" true
assert_eq "$(json status '0.06 < d["parity_bytes"] / d["packs_bytes"] < 0.13')" true
assert_eq "$(json status 'd["orphans"]')" 0
assert_exit 0 varve verify --data

# --- a burst as long as a shard, at places that are none of its borders ---------------------------
for at in 0 1 777777 $((size - shard)); do
    rot "$largest" "$at" "$shard"
    exported 3
    assert_grep "computed from its parity" "$STDERR"
    rot "$largest" "$at" "$shard"
done
exported 0

# --- two shards, restored and read ----------------------------------------------------------------
rot "$largest" $((4 * shard)) "$shard"
rot "$largest" $((20 * shard)) "$shard"
assert_exit 3 varve restore "latest:$PWD/source" --target restored
assert_same_tree source restored
varve cat "latest:$PWD/source/large" >out 2>err || assert_eq $? 3 # as the damage lies
cmp out source/large
# It is damage of this repository all the same; no path is lost.
assert_exit 12 varve --json verify --data >summary
assert_eq "$(json summary 'd["packs_damaged"]')" 1
assert_eq "$(json summary 'd["paths_damaged"]')" 0

# --- a third shard is too many: named, and nothing wrong is given out -----------------------------
rot "$largest" $((10 * shard)) "$shard"
assert_exit 3 varve restore "latest:$PWD/source" --target partly
refute_exists partly/large
assert_exit 12 varve --json verify --data >summary
assert_eq "$(json summary 'd["paths_damaged"] > 0')" true

# --- every pack cut short, every pack longer ------------------------------------------------------
again
for pack in "$VARVE_REPO"/packs/*/*; do
    chmod u+w "$pack"
    n=$(stat -c %s "$pack")
    truncate -s $((n - n / 32)) "$pack"
done
exported 3
again
for pack in "$VARVE_REPO"/packs/*/*; do
    chmod u+w "$pack"
    echo more >>"$pack"
done
exported 0 # blocks are where they were
assert_exit 12 varve verify

# --- a parity object that is damaged itself still heals -------------------------------------------
again
parity=$(find "$VARVE_REPO/parity" -type f -printf '%s %p\n' | sort -n | tail -n 1 | cut -d ' ' -f 2)
rot "$parity" 0 200
rot "$largest" 500000 1000
exported 3

# --- a replica keeps none until it is decided there, then replications write it -------------------
again
assert_exit 0 varve replicate --quiet --to "$WORK/replica"
assert_exit 0 varve --json -r "$WORK/replica" parity status >status
assert_eq "$(json status 'd["decided"], d["parity_objects"]')" "(False, 0)"
assert_exit 0 varve -r "$WORK/replica" parity add
echo again >source/more
assert_exit 0 varve backup --quiet source
assert_exit 0 varve replicate --quiet --to "$WORK/replica"
assert_exit 0 varve --json -r "$WORK/replica" parity status >status
assert_eq "$(json status 'd["packs"] == d["packs_with_parity"]')" true

# --- dropped: nothing heals, and backups store none; added again ----------------------------------
assert_exit 0 env -u VARVE_KEY_FILE varve --json parity drop >status
assert_eq "$(json status 'd["on"], d["parity_objects"], d["removed"] > 0')" "(False, 0, True)"
assert_eq "$(find "$VARVE_REPO/parity" -type f -name '*-*' ! -name 'decision-*' | wc -l)" 0
echo more >>source/more
assert_exit 0 varve backup --quiet source
assert_exit 0 varve --json parity status >status
assert_eq "$(json status 'd["parity_objects"]')" 0
assert_exit 0 env -u VARVE_KEY_FILE varve --json parity add >status
assert_eq "$(json status 'd["on"], d["added"] == d["packs"] == d["packs_with_parity"]')" "(True, True)"
assert_exit 0 varve --json parity add >status
assert_eq "$(json status 'd["added"]')" 0
rot "$largest" 500000 1000
rm -rf restored
assert_exit 3 varve restore "latest:$PWD/source" --target restored
assert_same_tree source restored

# --- a prune takes the parity of what it deletes along, and leaves what a repair kept aside --------
echo aside >"$VARVE_REPO/tmp/damaged-0123456789abcdef-site"
assert_exit 0 varve backup --quiet --tag last source
varve --json snapshots >list.json
mapfile -t older < <(python3 -c 'import json
for s in json.load(open("list.json"))["snapshots"][:-1]:
    print(s["id"])')
assert_exit 0 varve --quiet forget --grace 0 "${older[@]}"
# bytes: what prune tells about.
bytes()
{
    echo $(($(object_bytes packs) + $(object_bytes index) + $(object_bytes parity)))
}
before=$(bytes)
assert_exit 0 varve --json prune --grace 0 --max-waste 0 --dry-run >told.json
assert_eq "$(bytes)" "$before" 'a dry run writes nothing'
assert_exit 0 varve --json prune --grace 0 --max-waste 0 >pruned.json
assert_eq "$(json pruned.json 'd["bytes_deleted"], d["bytes_written"]')" \
    "$(json told.json 'd["bytes_deleted"], d["bytes_written"]')" 'as foretold'
assert_eq "$((before - $(bytes)))" "$(json pruned.json 'd["bytes_freed"]')" 'as told'
assert_eq "$(json pruned.json 'd["packs_dead"] + d["packs_emptied"] > 0')" true
assert_exit 0 varve --json parity status >status
assert_eq "$(json status 'd["orphans"]')" 0
[ -e "$VARVE_REPO/tmp/damaged-0123456789abcdef-site" ] || fail "what was kept aside is gone"

# --- what is damaged already gets none ------------------------------------------------------------
assert_exit 0 varve parity drop
assert_exit 12 varve --json parity add >status
assert_eq "$(json status 'd["packs_damaged"], d["packs"] - d["packs_with_parity"]')" "(1, 1)"
