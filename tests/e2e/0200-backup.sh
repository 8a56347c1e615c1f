# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# backup: what is read, what is stored, what is left out, and what the exit code says about it.
new_repo
make_tree source
source=$PWD/source

# backup OPTION...: a run that must end with $code (default 0); its document is backup.json.
backup()
{
    assert_exit "${code:-0}" varve --json backup "$@" >backup.json 2>errors
}
snapshot_count()
{
    varve --json snapshots >count.json
    json count.json 'len(d["snapshots"])'
}
repository_bytes()
{
    find "$VARVE_REPO" -type f -printf '%s\n' | awk '{ n += $1 } END { print n + 0 }'
}

# The first run reads everything.
backup source
files=$(json backup.json 'd["files"]')
bytes=$(json backup.json 'd["bytes"]')
assert_eq "$(json backup.json 'd["parent"]')" null
assert_eq "$(json backup.json 'd["files_new"]')" "$files"
assert_ge "$(json backup.json 'd["bytes_read"]')" 1000000
assert_ge "$(json backup.json 'd["packs_data"]')" 1
first=$(json backup.json 'd["snapshot"]')

# A run without any change reads and stores next to nothing.
sleep 2.1 # What changed less than two seconds before it was read is read again.
backup source
before=$(repository_bytes)
backup source
after=$(repository_bytes)
assert_eq "$(json backup.json 'd["bytes_read"]')" 0 "bytes read by an unchanged run"
assert_eq "$(json backup.json 'd["packs_data"]')" 0 "data packs of an unchanged run"
assert_eq "$(json backup.json 'd["files_unchanged"]')" "$files"
assert_eq "$(json backup.json 'd["bytes"]')" "$bytes"
assert_le $((after - before)) 102399 "bytes stored by an unchanged run"

# An incremental one reads what is new or changed; what is gone is gone from it, not from before.
printf 'new\n' >source/added
printf 'old\n' >source/altered
backup source
printf 'other\n' >source/altered
rm source/added
backup source
assert_eq "$(json backup.json '[d["files_new"], d["files_changed"]]')" '[0, 1]'
assert_eq "$(json backup.json 'd["bytes_read"]')" 6
assert_exit 0 varve cat "latest:$source/altered" >got
assert_eq "$(cat got)" other
assert_exit 0 varve cat "latest~1:$source/altered" >got
assert_eq "$(cat got)" old
assert_exit 1 varve cat "latest:$source/added" 2>/dev/null
assert_exit 0 varve cat "latest~1:$source/added" >got
assert_eq "$(cat got)" new

# The same size and mtime as before do not hide new content.
printf 'OTHER\n' >new
touch -r source/altered new
mv new source/altered
backup source
assert_exit 0 varve cat "latest:$source/altered" >got
assert_eq "$(cat got)" OTHER "replaced content behind the old mtime"
mtime=$(stat -c %y source/altered)
printf 'oTHER\n' | dd of=source/altered conv=notrunc status=none
touch -d "$mtime" source/altered
assert_eq "$(stat -c %y source/altered)" "$mtime" "restored mtime"
backup source
assert_exit 0 varve cat "latest:$source/altered" >got
assert_eq "$(cat got)" oTHER "content written in place behind the old mtime"

# --full reads every byte, and finds them all stored.
backup --full source
assert_eq "$(json backup.json 'd["packs_data"]')" 0 "data packs of a full run without changes"
assert_eq "$(json backup.json 'd["silent_changes"]')" 0
assert_ge "$(json backup.json 'd["bytes_read"]')" 1000000
varve --json snapshots >list.json
assert_eq "$(json list.json 'd["snapshots"][-1]["mode"]')" full
assert_eq "$(json list.json 'd["snapshots"][0]["id"]')" "$first"
assert_exit 0 varve restore "latest:$source" --target back >/dev/null
assert_same_tree source back

# --dry-run writes nothing, neither into the repository nor into the state.
find "$VARVE_REPO" -printf '%p %s %T@\n' | sort >before
printf 'not yet\n' >source/planned
backup --dry-run source
assert_eq "$(json backup.json '[d["committed"], d["dry_run"]]')" '[false, true]'
find "$VARVE_REPO" -printf '%p %s %T@\n' | sort >after
cmp before after || fail "a dry run wrote into the repository"
rm source/planned

# Missing paths: the others are stored; none at all is no snapshot.
count=$(snapshot_count)
code=3 backup source missing
assert_grep "'.*/missing'" errors
assert_eq "$(json backup.json 'd["committed"]')" true
assert_eq "$(json backup.json 'd["files"] > 0')" true
assert_eq "$(snapshot_count)" $((count + 1)) "snapshots"
code=1 backup missing also-missing
assert_eq "$(snapshot_count)" $((count + 1)) "snapshots after a run without any path"

# Tags and host are in the list, and can be chosen by.
backup --tag weekly --tag shop --host elsewhere source
varve --json snapshots --host elsewhere >list.json
assert_eq "$(json list.json '[[s["host"], sorted(s["tags"])] for s in d["snapshots"]]')" \
    '[["elsewhere", ["shop", "weekly"]]]'
varve --json snapshots --tag shop >list.json
assert_eq "$(json list.json 'len(d["snapshots"])')" 1
varve --json snapshots --tag nothing >list.json
assert_eq "$(json list.json 'len(d["snapshots"])')" 0

# names [OPTION...]: what a backup of 'pick' has, relative to it.
names()
{
    assert_exit 0 varve -q backup "$@" pick
    varve --json ls -R "latest:$PWD/pick" >ls.json
    json ls.json '" ".join(sorted(e["path"].split("/pick/")[1] for e in d["entries"]
        if "/pick/" in e["path"] and e["type"] == "file"))'
}
mkdir -p pick/cache/keep pick/deep/er pick/tagged
touch pick/a.o pick/b.c pick/cache/x pick/cache/keep/y pick/deep/er/c.o pick/tagged/z pick/main.o
printf 'Signature: 8a477f597d28d172789f06886806bc55\n' >pick/tagged/CACHEDIR.TAG
head -c 3000 /dev/zero >pick/large
all='a.o b.c cache/keep/y cache/x deep/er/c.o large main.o tagged/CACHEDIR.TAG tagged/z'
assert_eq "$(names)" "$all"
assert_eq "$(names --exclude '*.o')" \
    'b.c cache/keep/y cache/x large tagged/CACHEDIR.TAG tagged/z'
assert_eq "$(names --exclude '*.o' --exclude '!main.o')" \
    'b.c cache/keep/y cache/x large main.o tagged/CACHEDIR.TAG tagged/z'
assert_eq "$(names --exclude "$PWD/pick/cache" --exclude "!$PWD/pick/cache/keep")" \
    'a.o b.c cache/keep/y deep/er/c.o large main.o tagged/CACHEDIR.TAG tagged/z'
assert_eq "$(names --exclude 'large/' --exclude 'deep/')" \
    'a.o b.c cache/keep/y cache/x large main.o tagged/CACHEDIR.TAG tagged/z'
printf '# objects\n\n*.o\n!main.o\ntagged/\n' >patterns
assert_eq "$(names --exclude-from patterns)" 'b.c cache/keep/y cache/x large main.o'
# The order of both kinds counts.
assert_eq "$(names --exclude-from patterns --exclude 'main.o')" 'b.c cache/keep/y cache/x large'
assert_eq "$(names --exclude-caches)" \
    'a.o b.c cache/keep/y cache/x deep/er/c.o large main.o tagged/CACHEDIR.TAG'
assert_eq "$(names --exclude-larger-than 2999)" \
    'a.o b.c cache/keep/y cache/x deep/er/c.o main.o tagged/CACHEDIR.TAG tagged/z'
assert_eq "$(names --exclude-larger-than 3000)" "$all"
# A path that is given is stored whatever the patterns say.
assert_exit 0 varve -q backup --exclude '*.o' pick/a.o
assert_exit 0 varve cat "latest:$PWD/pick/a.o"
code=1 backup --exclude-from no-such-file pick
assert_grep 'no-such-file' errors

# A file that changes while it is read: named, unless that is expected.
mkdir live
random_file live/data 24000000
python3 -c 'import os, sys, time
end = time.monotonic() + 60
with open(sys.argv[1], "r+b", buffering=0) as f:
    turn = 0
    while time.monotonic() < end and os.getppid() == int(sys.argv[2]):
        turn += 1
        for at in (0, 11000000, 23999000):
            f.seek(at)
            f.write(b"%09d" % (turn % 10**9))
        time.sleep(0.001)' live/data $$ &
writer=$!
backup --may-change 'data' live
assert_eq "$(json backup.json 'd["problem_count"]')" 0
got=0
varve --json backup live >backup.json 2>errors || got=$?
kill "$writer"
wait "$writer" || true
case $got in
0) ;; # It was lucky.
3) assert_grep "'.*/live/data'" errors ;;
*) fail "exit $got of a backup of a changing file" ;;
esac
assert_eq "$(json backup.json 'd["committed"]')" true
# Once it rests it is stored as it is.
backup live
assert_exit 0 varve restore "latest:$PWD/live" --target quiet >/dev/null
cmp live/data quiet/data

# The repository, the cache and the state are left out when they lie in the source.
mkdir inside
(
    export VARVE_CACHE_DIR=$PWD/inside/cache VARVE_STATE_DIR=$PWD/inside/state
    new_repo "$PWD/inside/repo" --reserve 0
    touch inside/file
    backup inside
    backup inside
    varve ls -R "latest:$PWD/inside" >names
    assert_grep '/inside/file$' names
    assert_grep '/inside/repo\.key$' names
    refute_grep '/inside/(repo|cache|state)/.' names
)

# What an ordinary user cannot read is named, and the rest is stored.
ordinary()
{
    if [ "$EUID" = 0 ]; then as_user "$@"; else "$@"; fi
}
chmod 755 .
mkdir locked && echo open >locked/open && echo shut >locked/shut && mkdir locked/closed
chmod 0 locked/shut locked/closed
mkdir -m 1777 theirs
export VARVE_REPO=$PWD/theirs/repo VARVE_KEY_FILE=$PWD/theirs/key
assert_exit 0 ordinary varve init --key-file "$VARVE_KEY_FILE" --recovery-file theirs/words \
    --reserve 0 >/dev/null
assert_exit 3 ordinary varve --json backup locked >backup.json 2>errors
chmod 700 locked/closed
assert_grep "'.*/locked/shut'.*[Pp]ermission denied" errors
assert_grep "'.*/locked/closed'.*[Pp]ermission denied" errors
assert_eq "$(json backup.json '[d["committed"], d["skipped"], d["problem_count"]]')" '[true, 2, 2]'
assert_exit 0 ordinary varve cat "latest:$PWD/locked/open" >got
assert_eq "$(cat got)" open
