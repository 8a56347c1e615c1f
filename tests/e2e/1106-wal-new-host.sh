# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# labels: slow
# restore_command on a host that knows nothing of the repository, or knows it newer than it is: what is
# there is delivered whatever freshness says, and "there is none" is never said of what a newer state has.
need_command python3
SYSTEM=7777777777
new_repo
mkdir segments got
python3 -B "$E2E/make-wal.py" segments 1 6 >names
push() { assert_exit 0 varve -q wal push "segments/$(sed -n "$1p" names)" >/dev/null; }
# on HOST COMMAND...: with a state and cache of that host's.
on()
{
    VARVE_STATE_DIR=$WORK/state-$1 VARVE_CACHE_DIR=$WORK/cache-$1 "${@:2}"
}
# get HOST N [OPTION...]: segment N from ${REPO:-the repository}; its exit code is in $code.
get()
{
    code=0
    rm -f got/segment
    on "$1" varve "${@:3}" wal get --system "$SYSTEM" --no-prefetch "$(sed -n "$2p" names)" got/segment \
        >out 2>err || code=$?
}
there()
{
    get "$@"
    assert_eq "$code" 0 "exit code for segment $2 on $1: $(cat err)"
    cmp "segments/$(sed -n "$2p" names)" got/segment
}
absent()
{
    get "$@"
    assert_eq "$code" 1 "exit code for segment $2 on $1: $(cat err)"
}
unknown()
{
    get "$@"
    [ "$code" -ge 126 ] || { cat err >&2; fail "exit code $code for segment $2 on $1"; }
    refute_exists got/segment
}

push 1
push 2
cp -a "$VARVE_REPO" older
push 3
third=$(comm -13 <(ls older/snapshots) <(ls "$VARVE_REPO/snapshots"))
push 4
head=$(on here varve --json snapshots --wal | python3 -c '
import json, sys
s = json.load(sys.stdin)["snapshots"][-1]
print(s["head"])')

# --- a host that was never here
there new 1
there new2 4
absent new3 5
assert_grep 'there is no' err
refute_grep 'missing|rolled back|older' err

# --- an older copy: on a host that knows a newer state what is there is delivered, and the rest unknown
there new 2 -r "$PWD/older"
unknown new 3 -r "$PWD/older"
assert_grep 'missing' err
unknown new 5 -r "$PWD/older"
there new 1 -r "$PWD/older" # the alarm stays, and stops nothing
# A host that knows nothing cannot tell that, unless it is told what to expect.
there other 2 -r "$PWD/older"
absent other 3 -r "$PWD/older"
unknown third 3 -r "$PWD/older" --expect-head "$head"
there third 2 -r "$PWD/older" --expect-head "$head"
absent third2 5 --expect-head "$head"
# A person who knows that the newer one is lost for ever may say so.
absent new 3 -r "$PWD/older" --accept-head
absent new 3 -r "$PWD/older"

# --- a slot is lost in the middle, its successor tells: also to a host that was never here
cp -a "$VARVE_REPO" holed
rm "holed/snapshots/$third"
unknown fourth 3 -r "$PWD/holed"
unknown fourth 5 -r "$PWD/holed"
there fourth 4 -r "$PWD/holed"
there fourth 2 -r "$PWD/holed"

# --- slots that this host has read before are not read again to find what is there, ...
there new2 1
for file in "$VARVE_REPO"/snapshots/*; do
    chmod 600 "$file"
    cp "$file" "$file.whole"
    mv "$file.whole" "$WORK/$(basename "$file").whole"
    printf X | dd of="$file" bs=1 seek=100 conv=notrunc status=none
done
there new2 2
there new2 4
# ... but for absence each is: what is damaged by now may have held anything.
unknown new2 5
unknown fresh 4
# A segment is "already there" only if its slot is whole now: else it is published again.  What is wrong
# beside that is told; but the file is safe, and a server must not keep it for that.
assert_exit 0 varve --json wal push "segments/$(sed -n 2p names)" >pushed
assert_eq "$(json pushed 'd["already_there"]')" false
assert_eq "$(json pushed '[p["name"] for p in d["problems"]]')" '["snapshot-damaged", "snapshot-missing"]'
there fresh2 2
for file in "$VARVE_REPO"/snapshots/*; do
    whole=$WORK/$(basename "$file").whole
    [ ! -e "$whole" ] || cp "$whole" "$file"
done
absent new2 5
assert_exit 0 varve --json wal push "segments/$(sed -n 2p names)" >pushed
assert_eq "$(json pushed 'd["already_there"]')" true
# Nor does a cache that somebody has changed change anything.
while IFS= read -r file; do
    printf X | dd of="$file" bs=1 seek=200 conv=notrunc status=none
done < <(find "$WORK/cache-new2" "$WORK/cache" -name 'slots*')
there new2 4
absent new2 5
push 5
there new2 5

# --- a configuration that is missing, names nothing, or something else
unknown new2 4 --config "$PWD/none.conf" -r main
printf '[repository main]\nurl = %s\nkey-file = %s\n' "$VARVE_REPO" "$VARVE_KEY_FILE" >conf
key=$VARVE_KEY_FILE
unset VARVE_REPO VARVE_KEY_FILE
there new2 4 --config "$PWD/conf" -r main
unknown new2 4 --config "$PWD/conf" -r man
unknown new2 4 --config "$PWD/conf"
sed -i "s,^key-file = .*,key-file = $key.gone," conf
unknown new2 5 --config "$PWD/conf" -r main
