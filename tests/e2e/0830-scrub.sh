# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# labels: plain memory
# Scrub: every kind of object, without a key; oldest first, within a budget; packs healed from parity.

make_tree source
random_file source/large 3000000 3
assert_exit 0 varve -r "$WORK/repo" init --key-file "$WORK/repo.key" >/dev/null
export VARVE_REPO=$WORK/repo
varve()
{
    command varve "$@"
}
keyed()
{
    VARVE_KEY_FILE=$WORK/repo.key command varve "$@"
}
assert_exit 0 keyed backup --quiet source
assert_exit 0 keyed export latest --format tar -o "$WORK/whole.tar"
cp -a "$VARVE_REPO" "$WORK/whole"
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
largest=$(find "$VARVE_REPO/packs" -type f -printf '%s %p\n' | sort -n | tail -n 1 | cut -d ' ' -f 2)
objects=$(find "$VARVE_REPO" -type f ! -path "$VARVE_REPO/tmp/*" ! -name reserve | wc -l)

# --- all is well, and the ledger knows since when -------------------------------------------------
assert_exit 0 varve --json scrub --budget 1 >summary
assert_eq "$(json summary 'd["objects_read"], d["never_read"]')" "(1, $((objects - 1)))"
assert_exit 0 varve --json scrub >summary
assert_eq "$(json summary 'd["objects"], d["objects_read"]')" "($objects, $objects)"
assert_eq "$(json summary 'd["never_read"], d["objects_damaged"]')" "(0, 0)"
oldest=$(json summary 'd["oldest_read"]')

# --- oldest first: a new object before all that has been read -------------------------------------
echo more >source/more
assert_exit 0 keyed backup --quiet source
assert_exit 0 varve --json scrub --budget 1 >summary
assert_eq "$(json summary 'd["objects_read"]')" 1
assert_eq "$(json summary 'd["oldest_read"]')" "$oldest"
never=$(json summary 'd["never_read"]')
[ "$never" -gt 3 ] || fail "never read: $never"
for _ in 1 2 3; do
    assert_exit 0 varve --json scrub --budget 1 >summary
done
assert_eq "$(json summary 'd["never_read"]')" "$((never - 3))"
assert_eq "$(json summary 'd["oldest_read"]')" "$oldest"
assert_exit 0 varve --json scrub --budget 30m >summary
assert_eq "$(json summary 'd["never_read"], d["oldest_read"] > "'"$oldest"'"')" "(0, True)"
# A verification with data counts as reading packs.
assert_exit 0 keyed --json verify --budget 1 >summary
assert_eq "$(json summary 'd["packs_read"]')" 1
assert_exit 0 keyed --json verify --sample 100% >summary
assert_eq "$(json summary 'd["packs_read"] == d["packs"]')" true
assert_exit 2 varve scrub --budget 0
assert_exit 2 varve scrub --budget 5x
assert_exit 2 keyed verify --sample 0

# --- one byte of any object is found, each named ---------------------------------------------------
again
rm -rf "$VARVE_STATE_DIR"
find "$VARVE_REPO" -type f ! -path "$VARVE_REPO/tmp/*" ! -name reserve -printf '%P %s\n' >"$WORK/list"
while read -r name size; do
    again
    flip "$VARVE_REPO/$name" $((size / 2))
    want=12
    case $name in packs/* | parity/??/*) want=3 ;; esac
    assert_exit $want varve scrub --quiet
    assert_grep "$name" "$STDERR"
done <"$WORK/list"

# --- healed: bit for bit, as a new instance, with its index records --------------------------------
again
rm -rf "$VARVE_STATE_DIR"
flip "$largest" 1000000
assert_exit 12 varve --json scrub --no-heal >summary
assert_eq "$(json summary 'd["packs_healed"], d["objects_unhealed"]')" "(0, 1)"
assert_exit 3 varve --json scrub >summary
assert_eq "$(json summary 'd["packs_healed"], d["objects_unhealed"]')" "(1, 0)"
hash=$(basename "$largest" | cut -c 1-64)
healed=$(find "$VARVE_REPO/packs" -name "$hash-*" ! -path "$largest")
cmp "$healed" "$WORK/whole/${largest#"$VARVE_REPO/"}"
rm "$largest" # the new one alone
assert_exit 0 varve --json scrub >summary
assert_exit 0 keyed verify --data
assert_exit 0 keyed export latest --format tar -o out.tar
cmp out.tar "$WORK/whole.tar"

# --- the damaged one stays: a warning, no damage ----------------------------------------------------
again
flip "$largest" 1000000
assert_exit 3 varve scrub --quiet
assert_exit 0 varve --json scrub >summary
assert_eq "$(json summary 'd["superseded"], d["packs_healed"]')" "(1, 0)"
assert_exit 0 keyed verify
assert_exit 0 keyed --json verify --data >summary
assert_eq "$(json summary 'd["objects_damaged"]')" 0
# a restore that meets it first takes the good one: all is there, and that is no problem
assert_exit 0 keyed restore "latest:$PWD/source" --target superseded
cmp superseded/large source/large
# and when the new one rots as well, it is healed again
flip "$(find "$VARVE_REPO/packs" -name "$hash-*" ! -path "$largest")" 5
assert_exit 3 varve --json scrub >summary
assert_eq "$(json summary 'd["packs_healed"]')" 1

# --- cut short, longer, beyond what parity can do ---------------------------------------------------
for change in "truncate -s -20000" "truncate -s +5"; do
    again
    chmod u+w "$largest"
    $change "$largest"
    assert_exit 12 keyed verify
    assert_exit 3 varve scrub --quiet
    assert_exit 0 keyed verify --data
done
again
size=$(stat -c %s "$largest")
for part in 3 9 21; do
    flip "$largest" $((size / 32 * part + 1000))
done
assert_exit 12 varve scrub
assert_grep "$largest|beyond what its parity can heal: 16384 bytes from [0-9]+ on, 16384 bytes" "$STDERR"
assert_exit 12 keyed verify --data
assert_grep "beyond what its parity can heal" "$STDERR"

# --- a pack that is gone is missed; parity that is gone is made again --------------------------------
again
rm "$largest"
assert_exit 12 varve --json scrub >summary
assert_eq "$(json summary 'd["packs_missing"]')" 1
again
find "$VARVE_REPO/parity" -name '*-*' ! -name 'decision-*' -delete
assert_exit 0 varve --json scrub >summary
assert_eq "$(json summary 'd["parity_added"] == d["packs"]')" true
assert_exit 0 varve --json parity status >summary
assert_eq "$(json summary 'd["packs_with_parity"] == d["packs"]')" true

# --- on another host ----------------------------------------------------------------------------------
again
rm -rf "$VARVE_STATE_DIR"
flip "$largest" 1000000
start_sshd plain
assert_exit 3 varve --json -r "sftp://$(id -un)@127.0.0.1:$SSHD_PORT$VARVE_REPO" scrub >summary
assert_eq "$(json summary 'd["packs_healed"], d["objects_read"] == d["objects"]')" "(1, True)"
assert_exit 0 keyed verify --data
