# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# Output: quiet, verbose, JSON; closed and full standard output; odd names; no HOME.
new_repo
mkdir source
printf 'one\n' >source/plain
printf 'two\n' >"source/$(printf 'esc\033[31m')"
printf 'three\n' >"source/$(printf 'bad\377')"

# Without a terminal: a summary on standard output, nothing on standard error.
assert_exit 0 varve backup source >summary 2>errors
assert_eq "$(wc -c <errors)" 0 "bytes on standard error"
assert_grep '3 new, 0 changed, 0 unchanged' summary
assert_grep '^snapshot [0-9a-f]{8} of [0-9-]+ [0-9:]+\+00:00$' summary
assert_grep '^head [0-9a-f]{8}:1:[0-9a-f]{16}$' summary

# --quiet: nothing at all from a clean run; -v names files; problems are always told.
assert_exit 0 varve --quiet backup source >summary 2>errors
assert_eq "$(cat summary errors)" ""
echo more >>source/plain
assert_exit 0 varve -v backup source >summary 2>errors
assert_grep "^[a-z]+ $PWD/source/plain$" errors
assert_exit 3 varve --quiet backup source missing >summary 2>errors
assert_grep "'.*/missing': " errors
assert_grep '1 problem' summary

# Names: never raw on a terminal, exact in JSON.
assert_exit 0 varve ls "latest:$PWD/source" >names
refute_grep "$(printf '\033')" names
assert_grep 'esc\\x1b\[31m$' names
assert_grep 'bad\\xff$' names
assert_exit 0 varve --json ls "latest:$PWD/source" >names.json
refute_grep "$(printf '\033')" names.json
assert_eq "$(json names.json '[e["path"][-8:] for e in d["entries"] if e["path"].endswith("31m")] == ["esc\x1b[31m"]')" true
assert_eq "$(json names.json '[__import__("base64").b64decode(e["path_base64"])[-4:] == b"bad\xff" for e in d["entries"] if "path_base64" in e]')" '[true]'

# snapshots --json has the promised fields.
assert_exit 0 varve --json snapshots >list.json
assert_eq "$(json list.json '[k for k in ("id","time","host","paths","tags","mode") if k not in d["snapshots"][0]]')" '[]'
assert_eq "$(json list.json 'd["snapshots"][0]["mode"] + " " + d["snapshots"][1]["mode"]')" "full incremental"
assert_eq "$(json list.json 'd["snapshots"][0]["paths"] == ["'"$PWD"'/source"]')" true
assert_eq "$(json list.json 'd["snapshots"][0]["time"][-6:]')" "+00:00"

# A reader that leaves is no crash and no noise.
varve ls -R latest 2>errors | true
assert_eq "${PIPESTATUS[0]}" 0 "exit code of ls without a reader"
assert_eq "$(cat errors)" ""
head -c 3000000 /dev/zero >source/zeros
assert_exit 0 varve -q backup source
codes=(0)
varve cat "latest:$PWD/source/zeros" 2>errors | head -c 10 >/dev/null || codes=("${PIPESTATUS[@]}")
assert_eq "${codes[0]}" 1 "exit code of cat without a reader"
assert_eq "$(cat errors)" ""
varve backup source 2>errors | true
assert_eq "${PIPESTATUS[0]}" 0 "exit code of backup without a reader"
# A full one is an error.
if [ -c /dev/full ]; then
    assert_exit 15 bash -c 'varve snapshots >/dev/full' 2>errors
    assert_grep 'cannot write to standard output' errors
fi
# Closed descriptors are nobody's repository.
assert_exit 0 bash -c 'varve backup source >&- 2>&- <&-'
assert_exit 0 varve verify --data >/dev/null

# Nothing depends on HOME; without state and cache directories of its own it finds some.
assert_exit 0 env -u HOME varve snapshots >/dev/null
assert_exit 0 env -i "$WORK/bin/varve" -r "$VARVE_REPO" --key-file "$VARVE_KEY_FILE" \
    --version >/dev/null
if [ "$EUID" = 0 ]; then
    # A user without a home, and a state directory that cannot be written: reading goes on.
    cp -a "$VARVE_REPO" readable && chmod -R a+rX readable
    cp "$VARVE_KEY_FILE" key && chmod 444 key
    assert_exit 0 setpriv --reuid nobody --regid nogroup --clear-groups env -u HOME \
        VARVE_STATE_DIR=/proc/nothing VARVE_CACHE_DIR=/proc/nothing \
        "$WORK/bin/varve" -r "$PWD/readable" --key-file "$PWD/key" ls latest 2>errors >/dev/null
    assert_grep 'warning: .*going on without' errors
    assert_grep 'open to others' errors
    assert_exit 1 setpriv --reuid nobody --regid nogroup --clear-groups env \
        VARVE_STATE_DIR=/proc/nothing VARVE_CACHE_DIR=/proc/nothing \
        "$WORK/bin/varve" -r "$PWD/readable" --key-file "$PWD/key" backup source 2>errors
    assert_grep 'VARVE_STATE_DIR' errors
fi

# --progress without a terminal says nothing in under a minute; with --json the document is whole.
assert_exit 0 varve --progress --json backup source >backup.json 2>errors
assert_eq "$(cat errors)" ""
assert_eq "$(json backup.json 'd["committed"]')" true
