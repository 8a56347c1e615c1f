# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# labels: threads
# Replicas: made, topped up, used in place of the source, damaged, healed, and bringing the source
# back.
new_repo
words=$VARVE_REPO.words
make_tree source
assert_exit 0 varve -q backup source
echo two >source/second
assert_exit 0 varve -q backup source

# one REPO: a state of a file that the newest snapshot of a repository has.
restored()
{
    rm -rf out
    assert_exit 0 varve -r "$1" -q restore "latest:$PWD/source" --target out
    assert_same_tree source out
}

# restored_healed REPO: whole as well; whether a restore meets the bad instance, which stays beside
# the new one, before the good one is up to their names, and then it is told (3).
restored_healed()
{
    local code=0
    rm -rf out
    varve -r "$1" -q restore "latest:$PWD/source" --target out >/dev/null 2>healed || code=$?
    [ "$code" = 0 ] || [ "$code" = 3 ] || { cat healed >&2; fail "restore: exit $code"; }
    assert_same_tree source out
}

# --- usage -----------------------------------------------------------------------------------------
assert_exit 2 varve replicate 2>errors
assert_grep 'either --to or --from' errors
assert_exit 2 varve replicate --to a --from b 2>errors
assert_grep 'exclude each other' errors
assert_exit 2 varve replicate --to a --limit fast 2>errors
assert_grep "'fast' is no limit" errors
assert_exit 2 varve replicate --to a --verify-share 120 2>errors
assert_exit 2 varve replicate --to a --to a 2>errors
assert_grep 'named twice' errors
assert_exit 2 varve replicate --to a --to ./a/ 2>errors
assert_grep 'named twice' errors
mkdir there && ln -s there link
assert_exit 2 varve replicate --to there --to link 2>errors
assert_grep 'named twice' errors
rm -r there link
assert_exit 2 varve replicate --to a --keyless latest 2>errors
assert_exit 10 varve -r nowhere replicate --to a --keyless 2>errors
refute_exists a nowhere

# --- without a key, and with one, to two places at once --------------------------------------------
(
    unset VARVE_KEY_FILE
    assert_exit 0 varve --json replicate --to "$WORK/b" --to "$WORK/c" >run.json 2>errors
)
assert_grep 'without a key' errors
assert_eq "$(json run.json 'd["keyless"]')" true
assert_eq "$(json run.json '[x["snapshots_there"] for x in d["destinations"]]')" '[2, 2]'
assert_eq "$(json run.json '[x["made"] for x in d["destinations"]]')" '[true, true]'
echo three >source/third
assert_exit 0 varve -q backup source
# (Four repositories have more directories than this process may have files open.)
assert_exit 0 bash -c 'ulimit -n 256; exec varve --json replicate "$@"' sh \
    --to "$WORK/b" --to "$WORK/c" --to "$WORK/d" >run.json
assert_eq "$(json run.json '[x["snapshots_copied"] for x in d["destinations"]]')" '[1, 1, 3]'
assert_eq "$(json run.json 'd["destinations"][2]["batches"]')" 2 'batches, newest first'
for site in b c d; do
    assert_exit 0 varve -r "$WORK/$site" -q verify --data
    restored "$WORK/$site"
done

# Nothing to do: nothing is written.
find "$WORK/b" | sort >before
assert_exit 0 varve --json replicate --to "$WORK/b" >run.json
find "$WORK/b" | sort >after
assert_eq "$(cat after)" "$(cat before)"
assert_eq "$(json run.json 'd["destinations"][0]["batches"]')" 0

# A wrong key is an error, not a run without one.
mkdir other && assert_exit 0 varve -r other/repo init --key-file other/key >/dev/null
assert_exit 11 varve --key-file other/key replicate --to "$WORK/b" 2>errors

# One snapshot only.
first=$(varve --json snapshots | python3 -c 'import json,sys; print(json.load(sys.stdin)["snapshots"][0]["id"])')
assert_exit 0 varve -q replicate --to "$WORK/one" "$first"
varve --json -r "$WORK/one" snapshots >list.json
assert_eq "$(json list.json '[s["id"] for s in d["snapshots"]]')" "[\"$first\"]"
assert_exit 0 varve -r "$WORK/one" -q verify --data

# --- refused ---------------------------------------------------------------------------------------
mkdir full && echo x >full/letter
assert_exit 1 varve -q replicate --to full 2>errors
assert_grep 'is not empty' errors
assert_grep 'hint: give an empty directory' errors
mkdir full2 && mkdir full2/photos
assert_exit 1 varve -q replicate --to full2 2>errors
assert_exit 1 varve -q replicate --to other/repo 2>errors
assert_grep 'another repository' errors
cp -a "$VARVE_REPO" plain
assert_exit 1 varve -q replicate --to plain 2>errors
assert_grep "own site id" errors
assert_eq "$(ls full full2)" "$(printf 'full:\nletter\n\nfull2:\nphotos')"
# One that is refused does not hold the others.
echo four >source/fourth
assert_exit 0 varve -q backup source
assert_exit 1 varve --json replicate --to full --to "$WORK/b" >run.json 2>errors
assert_eq "$(json run.json '[x["done"] for x in d["destinations"]]')" '[false, true]'

# --- seeded by hand --------------------------------------------------------------------------------
mkdir seeded && cp -a "$VARVE_REPO/packs" seeded/
assert_exit 0 varve --json replicate --keyless --to seeded >run.json
assert_eq "$(json run.json 'd["destinations"][0]["packs_copied"]')" 0 'packs copied'
assert_eq "$(json run.json 'd["destinations"][0]["packs_adopted"]')" "$(object_count packs)"
restored seeded

# --- damage at the site ----------------------------------------------------------------------------
largest=$(find "$WORK/b/packs" -type f -printf '%s %p\n' | sort -n | tail -n 1 | cut -d' ' -f2)
chmod u+w "$largest" && truncate -s -1 "$largest"
assert_exit 3 varve --json replicate --to "$WORK/b" >run.json 2>errors
assert_grep "packs/.*${largest##*/}" errors
assert_eq "$(json run.json 'd["destinations"][0]["packs_healed"]')" 1
restored_healed "$WORK/b"
assert_exit 0 varve replicate --to "$WORK/b" >/dev/null
flipped=$(find "$WORK/c/packs" -type f | head -n 1)
chmod u+w "$flipped"
printf '\377\376\375' | dd of="$flipped" bs=1 seek=5000 conv=notrunc status=none
assert_exit 0 varve -q replicate --to "$WORK/c" --verify-share none
assert_exit 3 varve --json replicate --to "$WORK/c" --verify-share all >run.json 2>errors
assert_eq "$(json run.json 'd["destinations"][0]["packs_healed"]')" 1
restored_healed "$WORK/c"

# Packs gone together with the index segments that named them: only --complete can find that.
assert_exit 0 varve -q replicate --to "$WORK/whole" "$first"
find "$WORK/whole/packs" "$WORK/whole/index" -type f | sort >before
assert_exit 0 varve -q replicate --to "$WORK/whole"
find "$WORK/whole/packs" "$WORK/whole/index" -type f | sort | comm -13 before - >brought
assert_grep '/index/' brought
xargs rm -f <brought
assert_exit 0 varve --json replicate --to "$WORK/whole" >run.json
assert_eq "$(json run.json 'd["destinations"][0]["batches"]')" 0 'batches: no trace of them is left'
assert_exit 3 varve --json replicate --to "$WORK/whole" --complete >run.json 2>errors
assert_grep 'they are there again' errors
assert_ge "$(json run.json 'd["destinations"][0]["packs_copied"]')" 1 'packs brought again'
assert_exit 0 varve -r "$WORK/whole" -q verify --data
restored "$WORK/whole"

# --- backing up to a replica, and from there on ----------------------------------------------------
echo five >source/fifth
assert_exit 0 varve -r "$WORK/d" -q replicate --from "$VARVE_REPO"
assert_exit 0 varve -r "$WORK/d" -q backup source
restored "$WORK/d"
# The rescue machine has nothing but the words.
(
    unset VARVE_KEY_FILE
    export VARVE_STATE_DIR=$WORK/rescue VARVE_CACHE_DIR=$WORK/rescue
    rm -rf out
    assert_exit 0 varve -r "$WORK/d" -q --recovery-file "$words" restore "latest:$PWD/source" --target out
    assert_same_tree source out
)
# What was backed up there comes back.
assert_exit 0 varve -q replicate --from "$WORK/d"
restored "$VARVE_REPO"

# --- the source is damaged, then gone --------------------------------------------------------------
find "$VARVE_REPO/packs" -type f | sort | head -n 3 | xargs rm -f
cut=$(find "$VARVE_REPO/packs" -type f | sort | head -n 1)
chmod u+w "$cut" && truncate -s 77 "$cut"
rm -f "$VARVE_REPO"/index/*
assert_exit 3 varve -q replicate --from "$WORK/d" 2>errors
assert_grep 'they are there again' errors
assert_exit 0 varve -q replicate --from "$WORK/d" 2>errors
restored "$VARVE_REPO"
# Every snapshot of every replica still restores after the source was emptied.
rm -rf "${VARVE_REPO:?}"
assert_exit 0 varve -q replicate --from "$WORK/d" --keyless 2>errors
varve --json snapshots >list.json
for id in $(json list.json '" ".join(s["id"] for s in d["snapshots"])'); do
    rm -rf out
    assert_exit 0 varve -q restore "$id:$PWD/source" --target out
done
restored "$VARVE_REPO"
assert_exit 0 varve -q verify --data

# --- alarm -----------------------------------------------------------------------------------------
assert_exit 0 varve -q replicate --to "$WORK/b"
mkdir hidden
find "$VARVE_REPO/snapshots" -type f -exec mv {} hidden/ \;
(
    unset VARVE_KEY_FILE
    assert_exit 1 varve -q replicate --to "$WORK/b" 2>errors
    assert_grep 'accept-shrunken-source' errors
    assert_exit 0 varve -q replicate --to "$WORK/b" --accept-shrunken-source
)
mv hidden/* "$VARVE_REPO/snapshots/"
restored "$WORK/b"

# The newest one alone, which leaves no hole, seen by a machine without a memory, with and without a
# key: the replica has it, made at this site.
assert_exit 0 varve -q backup source
assert_exit 0 varve -q replicate --to "$WORK/b"
newest=$(find "$VARVE_REPO/snapshots" -type f -printf '%T@ %p\n' | sort -n | tail -n 1 | cut -d' ' -f2)
for candidate in $(find "$VARVE_REPO/snapshots" -type f -printf '%T@ %p\n' | sort -n | tail -n 3 | cut -d' ' -f2); do
    if [ "$(stat -c %s "$candidate")" -gt 300 ]; then newest=$candidate; fi # not an empty slot
done
mv "$newest" hidden/
(
    unset VARVE_KEY_FILE
    export VARVE_STATE_DIR=$WORK/forgetful VARVE_CACHE_DIR=$WORK/forgetful
    assert_exit 14 varve -q replicate --to "$WORK/b" 2>errors
    assert_grep 'it was made at the source and is at' errors
)
VARVE_STATE_DIR=$WORK/forgetful2 assert_exit 14 varve -q replicate --to "$WORK/b" 2>errors
assert_grep 'it was made at the source and is at' errors
VARVE_STATE_DIR=$WORK/forgetful2 assert_exit 0 varve -q replicate --to "$WORK/b" --accept-shrunken-source
# It comes back from there, and the alarm ends.
assert_exit 0 varve -q replicate --from "$WORK/b"
rm -rf hidden
VARVE_STATE_DIR=$WORK/forgetful3 assert_exit 0 varve -q replicate --to "$WORK/b"
restored "$VARVE_REPO"

# --- append-only -----------------------------------------------------------------------------------
assert_exit 3 varve --json replicate --to "$WORK/b" --check-append-only >canary.json
assert_eq "$(json canary.json 'd["destinations"][0]["overwritten"]')" false
assert_eq "$(json canary.json 'd["destinations"][0]["removed"]')" true

# --- a limit holds ---------------------------------------------------------------------------------
mkdir limited && random_file limited/noise 3000000 99
assert_exit 0 varve -q backup limited
assert_exit 0 varve --json replicate --to "$WORK/b" --limit 1M --limit 00:00-24:00=off --limit off \
    >run.json
restored_bytes=$(json run.json 'd["destinations"][0]["bytes_copied"]')
assert_ge "$restored_bytes" 3000000
