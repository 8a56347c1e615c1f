# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# labels: slow
# Damage of every kind here, a replica there: everything comes back whole, and the damage is told.

make_tree source
random_file source/large 3000000 3
new_repo
assert_exit 0 varve backup --quiet source
touch -d @1500000000 source/large
assert_exit 0 varve backup --quiet source
cp -a "$VARVE_REPO" "$WORK/replica"
cp -a "$VARVE_REPO" "$WORK/whole"
assert_exit 0 varve export latest --format tar -o "$WORK/whole.tar"
largest=$(find "$VARVE_REPO/packs" -type f -printf '%s %P\n' | sort -n | tail -n 1 | cut -d ' ' -f 2)

# again: the repository as it was.
again()
{
    rm -rf "$VARVE_REPO"
    cp -a "$WORK/whole" "$VARVE_REPO"
}
# flip FILE OFFSET: one byte of an object.
flip()
{
    chmod u+w "$1"
    python3 -c 'import sys
with open(sys.argv[1], "r+b") as f:
    f.seek(int(sys.argv[2])); b = f.read(1); f.seek(-1, 1); f.write(bytes([b[0] ^ 1]))' "$1" "$2"
    chmod u-w "$1"
}
# restored EXIT [OPTION...]: a restore that ends with EXIT and is whole.
restored()
{
    local want=$1
    shift
    rm -rf restored
    assert_exit "$want" varve "$@" restore "latest:$PWD/source" --target restored
    assert_same_tree source restored
}

# exported EXIT [OPTION...]: the same with an archive, which nobody waits for a disk for.
exported()
{
    local want=$1
    shift
    rm -f out.tar
    assert_exit "$want" varve "$@" export latest --format tar -o out.tar
    cmp out.tar "$WORK/whole.tar"
}

# --- all is well: nobody looks at replicas, not even at one that is not there -------------------
restored 0 --replica "$WORK/nowhere"
refute_grep nowhere "$STDERR"

# --- a byte of a block ---------------------------------------------------------------------------
flip "$VARVE_REPO/packs/$largest" 1500000
assert_exit 3 varve restore "latest:$PWD/source" --target lost
refute_exists lost/large
restored 3 --replica "$WORK/replica"
assert_grep "packs/$largest.*came from '$WORK/replica'" "$STDERR"
assert_grep "1 block was damaged or missing here and came from '$WORK/replica'" "$STDERR"
assert_grep "varve replicate --from $WORK/replica" "$STDERR"
VARVE_REPLICAS="$WORK/nowhere
 $WORK/replica" exported 3
assert_eq "$(grep -c "nowhere.*this replica" "$STDERR")" 1 "warnings about the replica that is not there"
rm -rf restored
assert_exit 3 varve --json --replica "$WORK/replica" restore "latest:$PWD/source" --target restored \
    >summary
assert_eq "$(json summary 'd["damaged"]')" 0
assert_eq "$(json summary 'd["replicas"][0]["blocks"]')" 1
assert_eq "$(json summary 'd["replicas"][0]["condition"]')" used
exported 3 --replica "$WORK/replica"
assert_exit 3 varve --replica "$WORK/replica" cat "latest:$PWD/source/large" >out
cmp out source/large

# --- verify names it, and who has it -------------------------------------------------------------
assert_exit 12 varve --replica "$WORK/replica" verify --data
assert_grep "$largest.*replica '$WORK/replica' has it whole \(read and checked\)" "$STDERR"
assert_grep "varve replicate --from $WORK/replica" "$STDERR"
assert_exit 12 varve --json --replica "$WORK/replica" verify --data >summary
assert_eq "$(json summary 'd["packs_damaged"]')" 1
assert_eq "$(json summary 'd["packs_at_replicas"]')" 1

# --- the same block damaged in both: named, nothing wrong restored -------------------------------
flip "$WORK/replica/packs/$largest" 1500000
rm -rf restored
assert_exit 3 varve --replica "$WORK/replica" restore "latest:$PWD/source" --target restored
refute_exists restored/large
assert_grep "in replica '$WORK/replica'" "$STDERR"
assert_exit 12 varve --replica "$WORK/replica" verify --data
assert_grep "no replica that can be reached has it whole" "$STDERR"

# --- disjoint damage in both: whole ---------------------------------------------------------------
again
flip "$VARVE_REPO/packs/$largest" 300000
restored 3 --replica "$WORK/replica"
rm -rf "$WORK/replica"
cp -a "$WORK/whole" "$WORK/replica"

# --- packs cut short, one gone, all gone ----------------------------------------------------------
again
chmod u+w "$VARVE_REPO/packs/$largest"
truncate -s 100000 "$VARVE_REPO/packs/$largest"
exported 3 --replica "$WORK/replica"
rm "$VARVE_REPO/packs/$largest"
exported 3 --replica "$WORK/replica"
assert_exit 12 varve --replica "$WORK/replica" verify
assert_grep "$largest.*in the right size" "$STDERR"
find "$VARVE_REPO/packs" -type f -delete
restored 3 --replica "$WORK/replica"
assert_exit 3 varve --replica "$WORK/replica" ls --recursive latest
assert_exit 12 varve --replica "$WORK/replica" verify

# --- index and packs gone -------------------------------------------------------------------------
find "$VARVE_REPO/index" -type f -delete
rm -rf "$VARVE_CACHE_DIR"
exported 3 --replica "$WORK/replica"
again
rm -rf "$VARVE_REPO/index"
exported 3 --replica "$WORK/replica"
assert_exit 12 varve --replica "$WORK/replica" verify

# --- slots: damaged; missing (exit 14, and all the same restored); their folder gone ----------------
again
for slot in "$VARVE_REPO"/snapshots/*; do
    flip "$slot" 60
done
assert_exit 1 varve restore latest --target nothing
exported 14 --replica "$WORK/replica"
assert_exit 12 varve --json --replica "$WORK/replica" snapshots >list
assert_eq "$(json list 'len(d["snapshots"])')" 2
rm "$VARVE_REPO"/snapshots/*
restored 14 --replica "$WORK/replica"
rmdir "$VARVE_REPO/snapshots"
exported 14 --replica "$WORK/replica"

# --- keys gone -------------------------------------------------------------------------------------
again
rm -rf "$VARVE_REPO/keys"
assert_exit 10 varve snapshots
exported 3 --replica "$WORK/replica"
assert_exit 12 varve --replica "$WORK/replica" verify
rm "$VARVE_REPO/config"
assert_exit 10 varve --replica "$WORK/replica" snapshots

# --- no replica: another repository, the repository itself --------------------------------------------
again
flip "$VARVE_REPO/packs/$largest" 1500000
VARVE_REPO='' VARVE_KEY_FILE='' assert_exit 0 varve -r "$WORK/other" init --key-file "$WORK/other.key" \
    --recovery-file "$WORK/other.words" >/dev/null
rm -rf restored
assert_exit 2 varve --replica "$WORK/other" restore "latest:$PWD/source" --target restored
assert_grep "'$WORK/other': this replica is another repository" "$STDERR"
exported 2 --replica "$WORK/other" --replica "$WORK/replica"
rm -rf restored
assert_exit 2 varve --replica "$VARVE_REPO" restore "latest:$PWD/source" --target restored
assert_grep "is the repository itself" "$STDERR"
assert_exit 2 varve --replica "" snapshots

# --- remembered in local state -----------------------------------------------------------------------
state=$(dirname "$(find "$VARVE_STATE_DIR" -name client)")
printf 'nonsense\n%s\n' "$WORK/replica" >"$state/replicas"
exported 3
assert_grep "came from '$WORK/replica'" "$STDERR"

# --- a backup refers to nothing that only a replica has ----------------------------------------------
again
find "$VARVE_REPO/packs" -type f -delete
echo more >>source/large
assert_exit 3 varve --replica "$WORK/replica" backup --quiet source
refute_grep "came from" "$STDERR"
rm "$state/replicas"
restored 0
refute_grep "came from" "$STDERR"
