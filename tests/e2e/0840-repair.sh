# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# labels: slow memory
# Repair: any one object that is no pack may be missing or damaged, and nothing is lost; packs come
# back from parity, from another repository, from the files; what stays lost is named exactly.

make_tree source
random_file source/large 3000000 3
assert_exit 0 varve -r "$WORK/repo" init --key-file "$WORK/repo.key" \
    --recovery-file "$WORK/repo.words" >/dev/null
export VARVE_REPO=$WORK/repo VARVE_KEY_FILE=$WORK/repo.key
assert_exit 0 varve backup --quiet source
echo second >source/second
assert_exit 0 varve backup --quiet source
assert_exit 0 varve export latest --format tar -o "$WORK/whole.tar"
cp -a "$VARVE_REPO" "$WORK/whole"
cp -a "$VARVE_STATE_DIR" "$WORK/memory"

# again: the repository and this host's memory as they were.
again()
{
    rm -rf "$VARVE_REPO" "$VARVE_STATE_DIR"
    cp -a "$WORK/whole" "$VARVE_REPO"
    cp -a "$WORK/memory" "$VARVE_STATE_DIR"
}
# rot FILE OFFSET [LENGTH]: change these bytes.
rot()
{
    chmod u+w "$1"
    python3 -c 'import sys
at, n = int(sys.argv[2]), int(sys.argv[3])
with open(sys.argv[1], "r+b") as f:
    f.seek(at); b = f.read(n); f.seek(at); f.write(bytes(x ^ 0x81 for x in b))' "$1" "$2" "${3:-1}"
    chmod u-w "$1"
}
# repaired: a repair that loses nothing; then everything is as it was.
repaired()
{
    local code=0
    varve repair >"$STDOUT" 2>"$STDERR" || code=$?
    [ "$code" = 0 ] || [ "$code" = 3 ] || fail "repair: exit $code"
    whole
}
whole()
{
    assert_exit 0 varve --json snapshots >list
    assert_eq "$(json list 'len(d["snapshots"])')" 2
    rm -f out.tar
    assert_exit 0 varve export latest --format tar -o out.tar
    cmp out.tar "$WORK/whole.tar"
    assert_exit 0 varve verify --quiet
}

# --- nothing to do ---------------------------------------------------------------------------------
assert_exit 0 varve --json repair >summary
assert_eq "$(json summary 'd["snapshots_whole"], d["objects_mended"], d["packs_suspect"]')" "(2, 0, 0)"
whole

# --- any one object that is no pack, gone or cut in half -------------------------------------------
find "$WORK/whole" -type f ! -path "$WORK/whole/packs/*" ! -path "$WORK/whole/tmp/*" \
    -printf '%P %s\n' | sort >"$WORK/list"
# Two of parity are as good as all of them.
grep -v '^parity/../' "$WORK/list" >"$WORK/table"
grep '^parity/../' "$WORK/list" | head -n 2 >>"$WORK/table"
[ "$(wc -l <"$WORK/table")" -gt 15 ] || fail "too few objects"
while read -r name size; do
    for damage in gone cut; do
        again
        if [ $damage = gone ]; then
            rm -f "$VARVE_REPO/$name"
        else
            chmod u+w "$VARVE_REPO/$name"
            truncate -s $((size / 2)) "$VARVE_REPO/$name"
        fi
        echo "$name: $damage"
        repaired
    done
done <"$WORK/table"

# The same of a slot on a host that has never seen the repository.
for slot in "$VARVE_REPO"/snapshots/*; do
    again
    rm -rf "$VARVE_STATE_DIR" "$VARVE_REPO/snapshots/$(basename "$slot")"
    repaired
done
# The whole index; all slots.
again
rm -rf "$VARVE_CACHE_DIR"
rm "$VARVE_REPO"/index/*
repaired
again
rm "$VARVE_REPO"/snapshots/*
repaired

# A run that died before its slot does not come back once its number was given again: no fork.
again
echo third >source/third
assert_exit 0 varve backup --quiet source
rm "$(find "$VARVE_REPO/snapshots" -type f -newer "$WORK/table" -printf '%T@ %p\n' | sort -n | tail -n 1 | cut -d ' ' -f 2)"
rm -rf "$VARVE_STATE_DIR"
cp -a "$WORK/memory" "$VARVE_STATE_DIR"
echo fourth >source/third
assert_exit 0 varve backup --quiet source
assert_exit 0 varve --json repair >summary
assert_eq "$(json summary 'd["snapshots_recovered"], d["snapshot_count"]')" "(0, 3)"
assert_exit 0 varve snapshots
rm source/third

# --- site keeps its id ------------------------------------------------------------------------------
again
rm "$VARVE_REPO/site"
repaired
assert_eq "$(dd if="$VARVE_REPO/site" bs=1 skip=24 count=16 status=none | xxd -p)" \
    "$(dd if="$WORK/whole/site" bs=1 skip=24 count=16 status=none | xxd -p)"

# --- damaged originals are kept ----------------------------------------------------------------------
again
rot "$VARVE_REPO/config" 60
repaired
aside=$(find "$VARVE_REPO/tmp" -name 'damaged-*-config')
[ -n "$aside" ] || fail "nothing was kept"
rot "$aside" 60
cmp "$aside" "$WORK/whole/config"

# --- packs: from parity ------------------------------------------------------------------------------
data=$(find "$VARVE_REPO/packs" -type f -printf '%s %P\n' | sort -n | tail -n 1 | cut -d ' ' -f 2)
size=$(stat -c %s "$VARVE_REPO/packs/$data")
again
rot "$VARVE_REPO/packs/$data" 1000000 1000
assert_exit 3 varve --json repair >summary
assert_eq "$(json summary 'd["packs_healed_parity"], d["packs_suspect"], d["packs_lost"]')" "(1, 1, 0)"
whole
assert_exit 0 varve verify --data --quiet
assert_exit 0 varve --json repair >summary
assert_eq "$(json summary 'd["packs_healed_parity"], d["packs_suspect"]')" "(0, 0)"

# --- packs: from another repository, all of them -----------------------------------------------------
# (With a key only packs that snapshots need are sent; those with copies of records are not.)
again
assert_exit 0 varve replicate --quiet --keyless --to "$WORK/replica"
cp -a "$WORK/replica" "$WORK/replica-whole"
find "$VARVE_REPO/packs" "$VARVE_REPO/parity" -type f -delete
assert_exit 3 varve --json repair --no-files --from "$WORK/replica" >summary
assert_eq "$(json summary 'd["packs_healed_elsewhere"] > 1, d["packs_lost"]')" "(True, 0)"
whole
assert_exit 10 varve repair --from "$WORK/nowhere"
assert_exit 0 varve -r "$WORK/other" init --key-file "$WORK/other.key" --quiet
assert_exit 2 varve repair --from "$WORK/other"

# --- disjoint damage in two repositories heals both from each other ----------------------------------
again
replica=$(find "$WORK/replica/packs" -name "$(basename "$data" | cut -c 1-64)-*")
find "$VARVE_REPO/parity" -name '*-*' ! -name 'decision-*' -delete
for part in 2 7 12 17; do
    rot "$VARVE_REPO/packs/$data" $((size / 32 * part))
    rot "$replica" $((size / 32 * (part + 3)))
done
rot "$VARVE_REPO/packs/$data" 20 # headers are taken from the other as well
cp -a "$VARVE_REPO" "$WORK/damaged"
assert_exit 3 varve --json repair --no-files --from "$WORK/replica" >summary
assert_eq "$(json summary 'd["packs_healed_elsewhere"], d["packs_lost"]')" "(1, 0)"
whole
assert_exit 3 varve --json -r "$WORK/replica" repair --no-files --from "$WORK/damaged" >summary
assert_eq "$(json summary 'd["packs_healed_elsewhere"], d["packs_lost"]')" "(1, 0)"
assert_exit 0 varve -r "$WORK/replica" verify --data --quiet

# --- a lost data pack: from the files, where they are as they were -------------------------------------
again
find "$VARVE_REPO/parity" -name '*-*' ! -name 'decision-*' -delete
rm "$VARVE_REPO/packs/$data"
assert_exit 12 varve --json repair >summary # the pack as such is lost, no path is
assert_eq "$(json summary 'd["chunks_reread"] > 10, d["paths_lost"]')" "(True, 0)"
rm -f out.tar
varve export latest --format tar -o out.tar >"$STDOUT" 2>"$STDERR" || [ $? = 3 ]
cmp out.tar "$WORK/whole.tar"
# and what has changed since is lost, and named
again
find "$VARVE_REPO/parity" -name '*-*' ! -name 'decision-*' -delete
rm "$VARVE_REPO/packs/$data"
mv source/large kept
random_file source/large 3000000 4
assert_exit 12 varve --json repair >summary
assert_eq "$(json summary 'd["paths_lost"]')" 2
assert_eq "$(json summary '[s["paths_lost"] for s in d["snapshots"]]')" "[1, 1]"
assert_exit 12 varve repair
assert_grep "source/large.*cannot be read" "$STDERR"
mv kept source/large

# --- a lost metadata pack: nothing with a replica, else named exactly ----------------------------------
again
newest=$(find "$VARVE_REPO/packs" -type f -size -40k -printf '%P\n')
for pack in $newest; do
    again
    find "$VARVE_REPO/parity" -name '*-*' ! -name 'decision-*' -delete
    rm "$VARVE_REPO/packs/$pack"
    cp -a "$VARVE_REPO" "$WORK/lost"
    assert_exit 3 varve repair --no-files --from "$WORK/replica-whole"
    whole
    rm -rf "$VARVE_REPO"
    mv "$WORK/lost" "$VARVE_REPO"
    assert_exit 12 varve --json repair --no-files >summary
    assert_eq "$(json summary 'd["packs_lost"]')" 1
done
