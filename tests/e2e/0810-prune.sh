# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# labels: slow memory
# prune: half of twenty snapshots, what a dry run foretells, other runs at the same time, a kill, a
# full disk, damage, and what is refused.
make_tree "$WORK/source"
src=$WORK/source
new_repo
secret=(--key-file "$VARVE_KEY_FILE")

# state N: the source as snapshot N has it.
state()
{
    rm -f "$src"/own-*
    random_file "$src/own-$1" 400000 "$1"
    random_file "$src/half" 300000 "$((1000 + $1 / 2))"
    seq "$1" 20000 >"$src/text"
}
ids()
{
    assert_exit 0 varve --json snapshots >ids.json
    json ids.json '" ".join(s["id"] for s in d["snapshots"])'
}
# bytes: of packs and index segments, what prune tells about.
bytes()
{
    echo $(($(object_bytes packs) + $(object_bytes index)))
}
# check_snapshot ID N: it gives the source as it was.
check_snapshot()
{
    rm -rf out
    state "$2"
    assert_exit 0 varve -q restore "$1:$src" --target out
    assert_same "$src" out
}
# assert_same A B: content only: the source is made again for each comparison.
assert_same()
{
    diff -r --no-dereference "$1" "$2" >"$STDERR" || fail "'$1' and '$2' differ: $(cat "$STDERR")"
}

for n in $(seq 1 20); do
    state "$n"
    assert_exit 0 varve -q backup "$src"
done
read -r -a all <<<"$(ids)"
assert_eq "${#all[@]}" 20

# --- usage ---
assert_exit 2 varve prune --max-waste 101
assert_exit 2 varve prune --max-waste many
assert_exit 2 varve prune --wait soon
assert_exit 2 varve prune something

# --- in grace nothing is deleted; without it half of them goes ---
half=()
for n in $(seq 0 2 19); do
    half+=("${all[n]}")
done
assert_exit 0 varve -q forget --grace 1d "${half[@]}"
assert_exit 0 varve --json prune >run.json
assert_eq "$(json run.json 'd["snapshots"]')" 20 'snapshots in grace are marked'
assert_eq "$(json run.json 'd["snapshots_deleted"]')" 0
before=$(bytes)
listing=$(find "$VARVE_REPO" -type f | sort | sha256sum)
assert_exit 0 varve --json prune --grace 0 --dry-run >dry.json
assert_eq "$(find "$VARVE_REPO" -type f | sort | sha256sum)" "$listing" 'a dry run writes nothing'
assert_exit 0 varve --json prune --grace 0 --budget 0 --dry-run >none.json
assert_eq "$(json none.json 'd["bytes_copied"]')" 0 'a budget of nothing'
assert_eq "$(json none.json 'd["packs_emptied"]')" 0
assert_exit 0 varve --json prune --grace 0 >run.json
assert_ge "$(json run.json 'd["packs_emptied"]')" 1
assert_eq "$(json run.json 'd["snapshots_deleted"]')" 10
assert_eq "$(json run.json 'd["bytes_freed"]')" "$(json dry.json 'd["bytes_freed"]')" 'as foretold'
assert_eq "$((before - $(bytes)))" "$(json run.json 'd["bytes_freed"]')" 'as told'
assert_ge "$((before - $(bytes)))" 3800000 'bytes freed'
assert_eq "$(object_count condemned)" 0
read -r -a left <<<"$(ids)"
assert_eq "${#left[@]}" 10
assert_exit 0 varve verify --data >/dev/null
for n in $(seq 2 2 20); do
    check_snapshot "${left[n / 2 - 1]}" "$n"
done
assert_exit 1 varve undelete "${half[0]}"
if /usr/bin/python3 -c 'import nacl, cryptography, zstandard' 2>/dev/null; then
    assert_exit 0 /usr/bin/python3 "$VARVE_SOURCE/examples/varve-read.py" -r "$VARVE_REPO" \
        "${secret[@]}" extract latest "$WORK/extracted" "$src"
    assert_same "$src" "$WORK/extracted$src"
fi

# --- a second one finds nothing ---
before=$(bytes)
assert_exit 0 varve --json prune >run.json
assert_eq "$(json run.json 'd["packs_written"]')" 0
assert_eq "$(bytes)" "$before"

# --- beside backups, restores and another prune ---
state 21
assert_exit 0 varve -q backup "$src"
assert_exit 0 varve -q forget --grace 0 "${left[@]:0:5}"
(
    for n in 22 23 24; do
        random_file "$src/more-$n" 500000 "$n"
        varve -q backup "$src" || exit 1
    done
) 2>backups.err &
backups=$!
(
    for n in 1 2 3; do
        rm -rf "out-$n"
        varve -q restore "${left[8]}:$src" --target "out-$n" || exit 1
    done
) 2>restores.err &
restores=$!
varve -q prune --max-waste 0 --wait 1min 2>prune-1.err &
first=$!
varve -q prune --max-waste 0 --wait 1min 2>prune-2.err &
second=$!
wait "$backups" || fail "a backup beside a prune: $(cat backups.err)"
wait "$restores" || fail "a restore beside a prune: $(cat restores.err)"
wait "$first" || fail "a prune beside another: $(cat prune-1.err)"
wait "$second" || fail "a prune beside another: $(cat prune-2.err)"
assert_exit 0 varve -q prune --wait 0
assert_eq "$(object_count condemned)" 0
assert_exit 0 varve verify --data >/dev/null
read -r -a left <<<"$(ids)"
assert_eq "${#left[@]}" 9
rm -rf out
assert_exit 0 varve -q restore "latest:$src" --target out
assert_same "$src" out
rm -f "$src"/more-*

# --- a killed one is finished by the next ---
for delay in 0.02 0.05 0.1 0.2; do
    state "3${delay#0.}"
    assert_exit 0 varve -q backup "$src"
    assert_exit 0 varve -q forget --grace 0 latest~1
    varve -q prune --max-waste 0 2>/dev/null &
    victim=$!
    sleep "$delay"
    kill -9 "$victim" 2>/dev/null || true
    wait "$victim" 2>/dev/null || true
    assert_exit 0 varve verify >/dev/null
done
assert_exit 0 varve --json prune --fence --max-waste 0 >run.json 2>/dev/null
assert_exit 0 varve --json prune --fence --max-waste 0 >run.json 2>/dev/null
assert_eq "$(json run.json 'd["lists_left"]')" 0
assert_exit 0 varve verify --data >/dev/null
# Of a run that was killed before it registered nobody knows that it is dead; its go after an hour.
assert_le "$(object_count tmp)" 4 'temporary files'

# --- a run that is at work is waited for, and then the list waits ---
session_is_open()
{
    [ -n "$(find "$VARVE_REPO/sessions" -type f)" ]
}
mkfifo feed
varve -q backup --stdin late <feed 2>slow.err &
slow=$!
exec 9>feed
wait_for 20 session_is_open
state 40
assert_exit 0 varve -q backup "$src"
assert_exit 0 varve -q forget --grace 0 latest~1
assert_exit 0 varve --json prune --wait 0 --max-waste 0 >run.json 2>/dev/null
assert_ge "$(json run.json 'd["sessions_open"]')" 1
assert_eq "$(json run.json 'd["lists_left"]')" 1
echo late >&9
exec 9>&-
wait "$slow" || fail "the slow backup: $(cat slow.err)"
assert_exit 0 varve --json prune --max-waste 0 >run.json
assert_eq "$(json run.json 'd["lists_adopted"]')" 1
assert_eq "$(json run.json 'd["lists_left"]')" 0
assert_exit 0 varve verify --data >/dev/null

# --- nothing is deleted while it is not known what is needed ---
packs=$(object_count packs)
slot=$(find "$VARVE_REPO/snapshots" -type f -size +1 -printf '%T@ %p\n' | sort -n | tail -n 1 |
    cut -d ' ' -f 2)
mv "$slot" slot.away
assert_exit 14 varve prune 2>errors
assert_eq "$(object_count packs)" "$packs"
cp slot.away "$slot"
certificate=$(find "$VARVE_REPO/admin" -name 'certificate-*' | head -n 1)
mv "$certificate" certificate.away
# (This host would certify itself again.)
assert_exit 14 env VARVE_STATE_DIR="$WORK/other-state" varve prune 2>errors
assert_eq "$(object_count packs)" "$packs"
cp certificate.away "$certificate"
assert_exit 0 varve -q prune
assert_exit 0 varve verify --data >/dev/null

# --- a full disk ---
if [ "$EUID" = 0 ]; then
    mount_tmpfs "$WORK/small" 48M
    new_repo "$WORK/small/repo" --reserve 4M
    for n in 1 2 3 4; do
        random_file "$src/own-large" 6000000 "$n"
        assert_exit 0 varve -q backup "$src"
    done
    assert_exit 0 varve -q forget --grace 0 latest~1 latest~2 latest~3
    dd if=/dev/zero of="$WORK/small/ballast" bs=64k 2>/dev/null || true
    dd if=/dev/zero of="$WORK/small/ballast-2" bs=512 2>/dev/null || true
    assert_eq "$(df --output=avail "$WORK/small" | tail -n 1 | tr -d ' ')" 0 'bytes free'
    assert_exit 0 varve --json prune --max-waste 0 >run.json 2>errors
    assert_eq "$(json run.json 'd["reserve_used"]')" true
    # 95 % of the 17.1 MB that only the forgotten three hold.
    assert_ge "$(json run.json 'd["bytes_freed"]')" 16200000
    assert_exists "$WORK/small/repo/reserve"
    assert_exit 0 varve verify --data >/dev/null
    rm -rf out
    assert_exit 0 varve -q restore "latest:$src" --target out
    assert_same "$src" out
    umount "$WORK/small"
fi
