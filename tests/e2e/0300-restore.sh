# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# restore: what comes back, where to, what happens to what is there already, and how it is named.
new_repo
make_tree source
mkdir -p source/web/img source/etc
printf 'passwd\n' >source/etc/passwd
printf 'one\n' >source/web/img/1.jpg
printf 'two\n' >source/web/img/2.png
printf 'page\n' >source/web/index
source=$PWD/source
assert_exit 0 varve -q backup --host here source

# The directories that lead to the source are root's, which an ordinary user cannot restore.
owner=()
[ "$EUID" = 0 ] || owner=(--no-owner)
# restore CODE ARGUMENT...: its document is restore.json.
restore()
{
    assert_exit "$1" varve --json restore --host here "${owner[@]}" "${@:2}" >restore.json 2>errors
}
# files DIR: the files below it.
files()
{
    (cd "$1" && find . -type f | sort | tr '\n' ' ')
}

# All of it, under full paths; a subtree; one file.
restore 0 latest --target whole
assert_same_tree source "whole$source"
assert_eq "$(json restore.json '[d["verified"], d["failed"], d["damaged"]]')" '[true, 0, 0]'
assert_eq "$(json restore.json 'd["verified_files"]')" "$(json restore.json 'd["files"] + d["hard_links"]')"
restore 0 "latest:$source" --target tree
assert_same_tree source tree
restore 0 "latest:$source/web/" --target web
assert_eq "$(files web)" './img/1.jpg ./img/2.png ./index '
restore 0 "latest:$source/etc/passwd" --target one/deeper
assert_eq "$(files one)" './deeper/passwd '
cmp source/etc/passwd one/deeper/passwd
find whole tree web one -name '.varve*' >temporary
assert_eq "$(cat temporary)" "" "temporary names"

# The same again has nothing to do, and verifies all the same.
find tree -type f -printf '%p %i %T@ %C@\n' | sort >before
restore 0 "latest:$source" --target tree
assert_eq "$(json restore.json '[d["files"], d["bytes_read"], d["kept"], d["verified"]]')" '[0, 0, 0, true]'
assert_ge "$(json restore.json 'd["already"]')" 60
find tree -type f -printf '%p %i %T@ %C@\n' | sort >after
cmp before after || fail "a restore with nothing to do touched files"

# --no-verify says so.
restore 0 "latest:$source/web" --target unverified --no-verify
assert_eq "$(json restore.json '[d["verified"], d["verified_files"]]')" '[false, 0]'
assert_eq "$(files unverified)" "$(files web)"

# Includes and excludes; a pattern that matches nothing is an error, whatever else was restored.
restore 0 "latest:$source" --target some --include '*.jpg' --include "$source/etc"
assert_eq "$(files some)" './etc/passwd ./web/img/1.jpg '
restore 0 "latest:$source/web" --target most --exclude '*.jpg'
assert_eq "$(files most)" './img/2.png ./index '
printf '# pictures\n%s/web/img/*\n' "$source" >patterns
printf '*.png\n' >without
restore 0 latest --target listed --include-from patterns --exclude-from without
assert_eq "$(files listed)" ".$source/web/img/1.jpg "
restore 1 "latest:$source" --target part --include '*.jpg' --include 'no-such-*'
assert_grep 'no-such-' errors
assert_eq "$(files part)" './web/img/1.jpg '
restore 1 "latest:$source" --target none --include 'no-such-*'
restore 1 "latest:$source/no/such/path" --target none
assert_grep "no/such/path" errors

# What is there already and differs: kept, put right, or replaced.
cp -a web target
printf 'mine\n' >target/index
printf 'added\n' >target/extra
touch -d '2001-02-03' target/img/1.jpg
restore 3 "latest:$source/web" --target target
assert_eq "$(cat target/index)" mine
assert_grep "'.*index'" errors
assert_ge "$(json restore.json 'd["kept"]')" 1
restore 3 "latest:$source/web" --target target --overwrite never
assert_eq "$(cat target/index)" mine
inode=$(stat -c %i target/img/2.png)
restore 0 "latest:$source/web" --target target --overwrite changed
assert_eq "$(cat target/index target/extra)" "page
added"
assert_eq "$(stat -c %Y target/img/1.jpg)" "$(stat -c %Y source/web/img/1.jpg)" "mtime put right"
assert_eq "$(stat -c %i target/img/2.png)" "$inode" "inode of an equal file"
printf 'MINE\n' >target/index
# Same size and mtime as in the snapshot, other content.
printf 'PAGE\n' >target/index && touch -r source/web/index target/index
restore 0 "latest:$source/web" --target target --overwrite always
assert_eq "$(json restore.json 'd["files"]')" 3
assert_eq "$(cat target/index)" page
printf 'PAGE\n' >target/index && touch -r source/web/index target/index
restore 0 "latest:$source/web" --target target --overwrite changed
assert_eq "$(cat target/index)" page "content behind equal size and mtime"
# Other types: a directory, a link out of the target.
rm target/img/1.jpg target/index
mkdir target/index outside
ln -s "$PWD/outside/victim" target/img/1.jpg
restore 0 "latest:$source/web" --target target --overwrite changed
assert_eq "$(cat target/index)" page
assert_eq "$(stat -c %F target/img/1.jpg)" "regular file"
rm -r target/img && ln -s "$PWD/outside" target/img
restore 0 "latest:$source/web" --target target --overwrite changed
assert_eq "$(find outside -mindepth 1)" "" "what was written outside the target"
rm target/extra
assert_same_tree source/web target

# --delete removes what the snapshot does not have, only there, and not in a dry run.
mkdir -p target/img/more && touch target/extra target/img/more/file target/excluded.tmp
find target -printf '%p %s %T@\n' | sort >before
restore 0 "latest:$source/web" --target target --overwrite changed --delete --exclude '*.tmp' --dry-run
assert_ge "$(json restore.json 'd["deleted"]')" 2
assert_eq "$(json restore.json 'd["dry_run"]')" true
find target -printf '%p %s %T@\n' | sort >after
cmp before after || fail "a dry run changed the target"
restore 0 "latest:$source/web" --target target --overwrite changed --delete --exclude '*.tmp'
refute_exists target/extra target/img/more
assert_exists target/excluded.tmp
rm target/excluded.tmp
assert_same_tree source/web target --no-mtime
restore 0 "latest:$source/web" --target target --overwrite changed
assert_same_tree source/web target
# Directories that only lead to what was backed up are nobody's to clear.
touch whole/neighbour "whole$source/extra"
restore 0 latest --target whole --delete
assert_exists whole/neighbour
refute_exists "whole$source/extra"
restore 0 "latest:$source" --target planned --dry-run
refute_exists planned
assert_ge "$(json restore.json 'd["bytes_planned"]')" 1000000

# How snapshots are named.
printf 'later\n' >source/etc/passwd
assert_exit 0 varve -q backup --host here source
printf 'other\n' >source/etc/passwd
assert_exit 0 varve -q backup --host there source
id=$(varve --json snapshots --host there >list.json && json list.json 'd["snapshots"][0]["id"]')
passwd()
{
    rm -rf got
    assert_exit 0 varve -q restore "$1:$source/etc/passwd" --target got "${@:2}"
    cat got/passwd
}
assert_eq "$(passwd latest --host here)" later
assert_eq "$(passwd latest@here)" later
assert_eq "$(passwd latest@there)" other
assert_eq "$(passwd latest~1 --host here)" passwd
assert_eq "$(passwd latest~1@here)" passwd
assert_eq "$(passwd "${id:0:8}")" other
assert_eq "$(passwd "$id")" other
# Ids go from 4 digits on.
for name in abc "${id:0:8}x" latest~ latest~x 'latest~-1' Latest latest@ ''; do
    restore 2 "$name:$source" --target none
done
for name in "${id}0" latest~2 latest~99 latest@nowhere; do
    restore 1 "$name:$source" --target none
done
restore 2 latest
restore 2 latest --target none --overwrite sometimes
[ ! -d none ] || assert_eq "$(files none)" ""

# An ordinary user gets everything but the owners that are not theirs.
if [ "$EUID" = 0 ]; then
    cp -a "$VARVE_REPO" readable && chmod -R a+rX readable && chmod 755 .
    cp "$VARVE_KEY_FILE" key && chown nobody key
    mkdir -m 1777 theirs
    assert_exit 3 as_user varve -r "$PWD/readable" --key-file "$PWD/key" restore \
        "latest@there:$source" --target "$PWD/theirs/tree" >summary 2>errors
    assert_grep 'owner' errors
    assert_eq "$(cat theirs/tree/etc/passwd)" other
    assert_exit 0 as_user varve -r "$PWD/readable" --key-file "$PWD/key" restore --no-owner \
        "latest@there:$source" --target "$PWD/theirs/again" >summary 2>errors
    assert_same_tree source theirs/again --no-owner
    # What they may not read back is restored, but not called verified.
    mkdir sealed && echo shut >sealed/shut && echo open >sealed/open && chmod 0 sealed/shut
    assert_exit 0 varve backup --host there sealed >/dev/null
    rm -rf readable && cp -a "$VARVE_REPO" readable && chmod -R a+rX readable
    assert_exit 3 as_user varve --json -r "$PWD/readable" --key-file "$PWD/key" restore --no-owner \
        "latest@there:$PWD/sealed" --target "$PWD/theirs/sealed" >restore.json 2>errors
    assert_grep "sealed/shut'" errors
    assert_eq "$(json restore.json '[d["verified"], d["verified_files"], d["not_verified"]]')" \
        '[false, 1, 1]'
    assert_eq "$(cat theirs/sealed/shut)" shut
fi
