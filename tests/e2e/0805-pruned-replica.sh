# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# labels: slow
# A replica that forgets and prunes for itself: with a reader's key nothing travels again.
new_repo
mkdir source
random_file source/stays 3000000 1
for i in 1 2 3; do
    random_file "source/changes" 400000 "1$i"
    random_file "source/small$i" 70000 "2$i"
    assert_exit 0 varve -q backup source
done
admin=$VARVE_KEY_FILE
assert_exit 0 varve -q key add --role reader --name copier --new-key-file "$WORK/reader.key"
copy()
{
    assert_exit 0 varve --key-file "$WORK/reader.key" --json replicate --to "$WORK/replica" >copy.json
    json copy.json 'd["destinations"][0]["packs_copied"]'
}
counts()
{
    json copy.json '"{snapshots_there} {snapshots_source}".format(**d["destinations"][0])'
}
there()
{
    varve -r "$WORK/replica" --key-file "$admin" "$@"
}
packs()
{
    find "$1/packs" -type f | sed 's|.*/||; s|-.*||' | sort
}

assert_ge "$(copy)" 1 "packs of the first copy"
assert_eq "$(counts)" "3 3"
random_file source/changes 400000 99
assert_exit 0 varve -q backup source
assert_ge "$(copy)" 1 "packs of the second copy"
assert_exit 0 there -q forget --keep-last 1 --grace 0
assert_exit 0 there -q prune --max-waste 0
packs "$VARVE_REPO" >here
packs "$WORK/replica" >after-prune
[ -n "$(comm -13 here after-prune)" ] || fail "the prune moved nothing"
assert_eq "$(copy)" 0 "packs of the third copy"
assert_eq "$(counts)" "1 1" # what is forgotten there is not to be copied
packs "$WORK/replica" >after-copy
assert_eq "$(comm -13 after-prune after-copy)" "" "packs that travelled again"

# A new snapshot: only what is new in it.
echo more >source/new
assert_exit 0 varve -q backup source
packs "$VARVE_REPO" | comm -13 here - >new
assert_ge "$(copy)" 1 "packs of the fourth copy"
packs "$WORK/replica" | comm -13 after-copy - >travelled
assert_eq "$(comm -23 travelled new)" "" "packs that travelled and are not new"
assert_exit 0 there --json snapshots >list.json
assert_eq "$(json list.json 'len(d["snapshots"])')" 2
assert_exit 0 there -q verify --data
assert_exit 0 there -q restore "latest:$PWD/source" --target restored
assert_same_tree source restored

# A fresh host of the administrator, and a copy that is filled anew: both keep what is kept here.
assert_exit 0 varve --json forget --keep-daily 7 --keep-last 3 -n >here.json
assert_exit 0 env VARVE_STATE_DIR="$WORK/fresh" VARVE_CACHE_DIR="$WORK/fresh-cache" \
    varve --json forget --keep-daily 7 --keep-last 3 -n >fresh.json
assert_exit 0 varve --key-file "$WORK/reader.key" -q replicate --to "$WORK/second"
assert_exit 0 env VARVE_STATE_DIR="$WORK/fresh2" varve -r "$WORK/second" --json forget \
    --keep-daily 7 --keep-last 3 -n >second.json
kept='[s["id"] for s in d["snapshots"] if s["kept"]]'
assert_eq "$(json fresh.json "$kept")" "$(json here.json "$kept")"
assert_eq "$(json second.json "$kept")" "$(json here.json "$kept")"

# The source forgets and prunes: copies that hold all that it holds are not behind, whatever is missing
# between; nor is one that never saw a newest snapshot that was forgotten.  One that lacks a newer one is.
freshness()
{
    assert_exit 0 varve -r "$1" --json snapshots >list.json 2>told
    json list.json 'd["freshness"]'
}
assert_exit 0 varve -q forget --keep-last 2 --grace 0
assert_exit 0 varve -q prune
assert_exit 0 varve -q replicate --to "$WORK/third" --to "$WORK/second"
assert_eq "$(freshness "$WORK/third") $(freshness "$WORK/third") $(freshness "$WORK/second")" \
    "not-checked ok not-checked"
assert_exit 0 varve --json snapshots >list.json
assert_exit 0 varve -q forget "$(json list.json 'd["snapshots"][-1]["id"]')" --grace 0
assert_exit 0 varve -q replicate --to "$WORK/fourth"
assert_eq "$(freshness "$WORK/fourth")" not-checked
assert_exit 0 varve -q prune
assert_eq "$(freshness "$WORK/fourth")" ok
assert_exit 0 varve -q backup source
assert_eq "$(freshness "$WORK/fourth")" lag
assert_grep 'behind what this host has seen elsewhere' told
assert_exit 0 varve -q replicate --to "$WORK/fourth"
assert_eq "$(freshness "$WORK/fourth")" ok
