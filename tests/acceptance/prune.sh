#!/bin/bash
# Drop half of 20 snapshots and reclaim: how much of what could come back does, and how long varve,
# restic and borg take, each on copies of one repository, interleaved.  Then prune on a file system with 0
# bytes free (root; a loop device, else a tmpfs).
# Wall times are compared as they are, and beside that without opening the repository, twice each, the
# least of three measurements: on little data, starting takes most of borg's time.
# usage: prune.sh [MEGABYTES [ROUNDS [KILOBYTES [HOT [EVERY]]]]]: files have so many kilobytes on average; of
# those in HOT of 50 directories (all) each snapshot rewrites one in EVERY (40).  The worst is one in twelve
# all over: every pack is left with some 8 % of waste, and each tool copies nearly all it has.
# shellcheck source=tests/acceptance/common.sh
. "$(dirname "$0")/common.sh"
megabytes=${1:-200}
rounds=${2:-3}
kilobytes=${3:-200}
hot=${4:-50}
every=${5:-40}
tree=$WORK/tree
export RESTIC_PASSWORD=x RESTIC_CACHE_DIR=$WORK/restic-cache
export BORG_PASSPHRASE=x BORG_BASE_DIR=$WORK/borg-base BORG_RELOCATED_REPO_ACCESS_IS_OK=yes
export BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes

# version N: the tree as the Nth snapshot has it: most of it stays, some files are rewritten, some are new
# and live for one version only.
version() {
    /usr/bin/python3 - "$tree" "$1" "$megabytes" "$kilobytes" "$hot" "$every" <<'PY'
import os, random, sys
top = sys.argv[1]
n, megabytes, kilobytes, hot, every = map(int, sys.argv[2:])
words = [("%x" % random.Random(i).getrandbits(40)).encode() for i in range(4000)]
def content(seed, size):
    r = random.Random(seed)
    if r.random() < 0.4:
        return r.randbytes(size)
    out = bytearray()
    while len(out) < size:
        out += b" ".join(r.choices(words, k=200)) + b"\n"
    return bytes(out[:size])
count = megabytes * 1000 // kilobytes
for i in range(count):
    generation = max(v for v in range(n + 1)
                     if v == 0 or i % 50 < hot and (i * 7919 + v * 104729) % every == 0)
    path = os.path.join(top, "d%02d" % (i % 50), "f%05d" % i)
    seed = i * 1000 + generation
    if os.path.exists(path) and os.path.getmtime(path) == 1700000000 + generation:
        continue
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(content(seed, random.Random(i).randrange(100 * kilobytes, 1900 * kilobytes)))
    os.utime(path, (1700000000 + generation,) * 2)
own = os.path.join(top, "own")
os.makedirs(own, exist_ok=True)
for name in os.listdir(own):
    os.unlink(os.path.join(own, name))
for i in range(max(1, megabytes // 40)):
    with open(os.path.join(own, "v%02d-%03d" % (n, i)), "wb") as f:
        f.write(content(10**9 + n * 1000 + i, 600000))
PY
}

make_repository() { # DIR
    "$VARVE" -r "$1" init --no-parity --key-file "$VARVE_KEY_FILE" --reserve 0 >/dev/null
}
size_of() { du -sb "$1" | cut -f 1; }
opening() { # COMMAND...: seconds
    for _ in 1 2 3; do seconds "$@"; done | sort -n | head -n 1
}

# Twenty snapshots with all three; and with varve the ten that will stay, alone: the ideal.
rm -rf "$VARVE_STATE_DIR" "$VARVE_CACHE_DIR" "$VARVE_KEY_FILE"
make_repository "$WORK/varve"
mv "$VARVE_KEY_FILE" "$WORK/key-all"
make_repository "$WORK/ideal"
mv "$VARVE_KEY_FILE" "$WORK/key-ideal"
restic init -q -r "$WORK/restic"
borg init -e repokey "$WORK/borg" 2>/dev/null
for n in $(seq 0 19); do
    version "$n"
    VARVE_KEY_FILE=$WORK/key-all "$VARVE" -r "$WORK/varve" backup -q "$tree"
    restic -q -r "$WORK/restic" backup "$tree"
    borg create --compression zstd,3 "$WORK/borg::v$n" "$tree"
    if [ $((n % 2)) -eq 1 ]; then
        VARVE_KEY_FILE=$WORK/key-ideal "$VARVE" -r "$WORK/ideal" backup -q "$tree"
    fi
done
export VARVE_KEY_FILE=$WORK/key-all
"$VARVE" -r "$WORK/varve" --json snapshots >"$WORK/list.json"
mapfile -t half < <(json "$WORK/list.json" '"\n".join(s["id"] for s in d["snapshots"][0::2])')
mapfile -t restic_half < <(restic -q -r "$WORK/restic" snapshots --json | /usr/bin/python3 -c '
import json, sys
print("\n".join(s["id"] for s in json.load(sys.stdin)[0::2]))')

fresh() { # TOOL: a copy to work on
    rm -rf "$WORK/copy" "$BORG_BASE_DIR" # (borg remembers the last round)
    cp -a "$WORK/$1" "$WORK/copy"
    sync
}
ours() {
    "$VARVE" -r "$WORK/copy" forget -q --grace 0 "${half[@]}" && "$VARVE" -r "$WORK/copy" prune -q
}
with_restic() {
    restic -q -r "$WORK/copy" forget "${restic_half[@]}" &&
        restic -q -r "$WORK/copy" prune --max-unused 0
}
with_borg() {
    local names=() n
    for n in $(seq 0 2 19); do names+=("v$n"); done
    borg delete "$WORK/copy" "${names[@]}" && borg compact --threshold 1 "$WORK/copy"
}

# ratio A OPENING-A B OPENING-B: each tool opens its repository twice, for forget and for prune.
ratio() {
    awk -v a="$1" -v ao="$2" -v b="$3" -v bo="$4" \
        'BEGIN { printf "%.3f\n", (a - 2 * ao) / (b - 2 * bo) }'
}

before=$(size_of "$WORK/varve/packs")
ideal=$(size_of "$WORK/ideal/packs")
: >"$WORK/to-restic" && : >"$WORK/to-borg" && : >"$WORK/work-restic" && : >"$WORK/work-borg"
for round in $(seq "$rounds"); do
    fresh varve
    open=$(opening "$VARVE" -r "$WORK/copy" key list)
    # What this host remembers of the repository is as it was before the last round.
    rm -rf "$WORK/state-kept" && cp -a "$VARVE_STATE_DIR" "$WORK/state-kept"
    a=$(seconds ours)
    after=$(size_of "$WORK/copy/packs")
    if [ "$round" = 1 ]; then
        "$VARVE" -r "$WORK/copy" verify --data >"$WORK/verified" || fail "verify after prune"
        [ "$("$VARVE" -r "$WORK/copy" --json snapshots | grep -c '"sequence"')" = 10 ] ||
            fail "ten snapshots stay"
    fi
    rm -rf "$VARVE_STATE_DIR" && cp -a "$WORK/state-kept" "$VARVE_STATE_DIR"
    fresh restic
    restic_open=$(opening restic -q -r "$WORK/copy" key list)
    b=$(seconds with_restic)
    fresh borg
    borg list --short --last 1 "$WORK/copy" >/dev/null 2>&1 # its cache
    borg_open=$(opening borg list --short --last 1 "$WORK/copy")
    c=$(seconds with_borg)
    say "round $round: varve $a (opening $open), restic $b ($restic_open), borg $c ($borg_open)"
    ratio "$a" 0 "$b" 0 >>"$WORK/to-restic"
    ratio "$a" 0 "$c" 0 >>"$WORK/to-borg"
    ratio "$a" "$open" "$b" "$restic_open" >>"$WORK/work-restic"
    ratio "$a" "$open" "$c" "$borg_open" >>"$WORK/work-borg"
done
share=$(awk -v b="$before" -v a="$after" -v i="$ideal" 'BEGIN { printf "%.4f", (b - a) / (b - i) }')
to_restic=$(median <"$WORK/to-restic")
to_borg=$(median <"$WORK/to-borg")
printf 'packs         %s before, %s after, %s ideal: %s of what could come back\n' \
    "$before" "$after" "$ideal" "$share"
printf 'time          %s of restic, %s of borg\n' "$to_restic" "$to_borg"
printf '              %s and %s without opening\n' "$(median <"$WORK/work-restic")" \
    "$(median <"$WORK/work-borg")"
awk -v s="$share" 'BEGIN { exit !(s >= 0.95) }' || fail "less than 95 % came back"

# --- 0 bytes free ---
# All that is left to say is whether it was fast enough.
judge_time() {
    awk -v r="$to_restic" -v b="$to_borg" 'BEGIN { exit !(r <= 0.33 && b <= 0.33) }' ||
        fail "more than 0.33 of the time of restic or borg"
}
[ "$(id -u)" = 0 ] || {
    say "0 bytes free: needs root"
    judge_time
    exit 0
}
mkdir -p "$WORK/small"
truncate -s 200M "$WORK/image"
mkfs.ext4 -q -F -m 0 "$WORK/image"
mount -o loop "$WORK/image" "$WORK/small" 2>/dev/null || mount -t tmpfs -o size=160M tmpfs "$WORK/small"
trap 'umount "$WORK/small" || true' EXIT
export VARVE_KEY_FILE=$WORK/key-small
"$VARVE" -r "$WORK/small/repo" init --no-parity --key-file "$VARVE_KEY_FILE" --reserve 16M >/dev/null
export VARVE_REPO=$WORK/small/repo
mkdir -p "$WORK/data"
for n in 1 2 3 4 5 6; do
    head -c 20000000 /dev/urandom >"$WORK/data/new"
    cp "$WORK/data/new" "$WORK/data/kept-$n"
    truncate -s 2000000 "$WORK/data/kept-$n"
    "$VARVE" backup -q "$WORK/data"
done
"$VARVE" forget -q --grace 0 latest~1 latest~2 latest~3 latest~4 latest~5
for block in 1M 4096 1024 512; do # the last blocks are won by small writes only
    dd if=/dev/zero of="$WORK/small/ballast-$block" bs="$block" 2>/dev/null || true
done
available=$(df --output=avail -B 1 "$WORK/small" | tail -n 1 | tr -d ' ')
[ "$available" = 0 ] || fail "the file system still has $available bytes"
"$VARVE" --json prune >"$WORK/full.json" || fail "prune with 0 bytes free"
"$VARVE" verify --data >/dev/null || fail "verify after it"
printf '0 bytes free  %s bytes freed in %s rounds\n' "$(json "$WORK/full.json" 'd["bytes_freed"]')" \
    "$(json "$WORK/full.json" 'd["rounds"]')"
umount "$WORK/small"
trap - EXIT
rm -rf "$WORK"
judge_time
