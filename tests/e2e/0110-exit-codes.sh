# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# labels: slow
# Exit codes, and that errors say what failed, on what, and what to do; as text and as JSON.
new_repo
mkdir source && echo content >source/file

# error CODE WORD COMMAND...: fails with CODE; the JSON error carries WORD and the same code.
error()
{
    local code=$1 word=$2
    shift 2
    assert_exit "$code" "$@" >output 2>errors
    assert_grep '^varve: ' errors
    assert_exit "$code" "$@" --json >output.json 2>errors
    assert_eq "$(json output.json 'd["error"]["code"]')" "$word" "code of: $*"
    assert_eq "$(json output.json 'd["error"]["exit"]')" "$code"
    assert_eq "$(json output.json 'd["exit"]')" "$code"
    assert_grep '^varve: ' errors
}

error 10 no-repository varve -r "$PWD/nothing" snapshots
mkdir empty
error 10 no-repository varve -r "$PWD/empty" backup source
error 11 key env VARVE_KEY_FILE= VARVE_PASSPHRASE=wrong varve snapshots
assert_eq "$(json output.json 'sorted(s["kind"] for s in d["slots"])')" '["key file", "recovery words"]'
assert_eq "$(json output.json 'all("label" in s and "created" in s for s in d["slots"])')" true
error 11 key env VARVE_KEY_FILE= varve snapshots
assert_grep 'hint: .*VARVE_PASSPHRASE_COMMAND' errors
error 1 not-found env VARVE_KEY_FILE=/nonexistent/key varve snapshots
error 1 not-found varve backup missing also-missing
error 2 usage varve backup
error 2 usage varve restore latest

assert_exit 0 varve -q backup source
error 1 not-found varve restore latest:/not/there --target out
error 1 not-found varve restore latest --include '/no/such*' --target out
error 1 not-found varve ls latest:/not/there
error 1 not-found varve find 'no such name'
error 1 not-found varve history /not/there
error 1 not-found varve cat latest:/not/there
error 1 not-found varve ls ffffffff
error 2 usage varve ls xyz
assert_exit 14 varve --json --expect-head 01234567:9:0123456789abcdef snapshots >output.json 2>errors
assert_eq "$(json output.json '[d["exit"], d["problems"][0]["name"]]')" '[14, "head-missing"]'

# One of several paths missing: the rest is stored.
assert_exit 3 varve --json backup source missing >backup.json 2>errors
assert_eq "$(json backup.json 'd["committed"]')" true
assert_eq "$(json backup.json '[p["name"] for p in d["problems"]]')" '["file-vanished"]'
assert_grep "^varve: '.*/missing': " errors

# The head that a backup prints is the one --expect-head wants.
assert_exit 0 varve --json backup source >backup.json
head=$(json backup.json 'd["head"]')
assert_exit 0 varve --expect-head "$head" snapshots >/dev/null
assert_exit 0 varve --expect-head "$head" restore latest --no-owner --target out2 >/dev/null

# A damaged pack is found by verify (12); a key file nobody may read is named.
cp -a "$VARVE_REPO" damaged
pack=$(find damaged/packs -type f -size +20k | head -n 1)
[ -n "$pack" ] || pack=$(find damaged/packs -type f | head -n 1)
chmod 600 "$pack"
printf 'XXXXXXXX' | dd of="$pack" bs=1 seek=3000 conv=notrunc 2>/dev/null
assert_exit 12 varve -r "$PWD/damaged" verify --data >output 2>errors
refute_grep '^verified' output
if [ "$EUID" = 0 ]; then
    cp "$VARVE_KEY_FILE" locked && chmod 400 locked && chmod 755 "$WORK/run"
    cp -a "$VARVE_REPO" readable && chmod -R a+rX readable
    assert_exit 1 as_user "$WORK/bin/varve" -r "$PWD/readable" --key-file "$PWD/locked" snapshots 2>errors
    assert_grep "cannot open key file '.*/locked': Permission denied" errors
fi
