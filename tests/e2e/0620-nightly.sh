# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# labels: plain
# examples/nightly.sh with an empty environment: full on its day, incremental on others, a database
# dump inside, silence when all is well, exit codes passed on.
make_tree source
new_repo
repo=$VARVE_REPO key=$VARVE_KEY_FILE
assert_exit 0 varve key add --role writer --name nightly --new-key-file nightly.key >/dev/null
unset VARVE_REPO VARVE_KEY_FILE

# A database that dumps two tables, or fails half-way if told to.
cat >"$WORK/bin/mariadb-dump" <<'END'
#!/bin/sh
echo "CREATE TABLE orders;"
if [ -e "$(dirname "$0")/broken" ]; then
    echo "mariadb-dump: Got error 2013: Lost connection" >&2
    exit 3
fi
echo "-- $*"
END
chmod 755 "$WORK/bin/mariadb-dump"

cat >settings <<END
repository='$repo'
key_file='$PWD/nightly.key'
paths='$PWD/source'
database=shop
full_day=\${today_is_full:-9}
END
# What root's cron would use; here in the test's own place.
cat >settings-full <<END
today_is_full=$(date +%w)
. ./settings
END

nightly()
{
    # VARVE_* only say where cache and state go, which for cron's root is /var.
    env -i PATH="$WORK/bin:/usr/bin:/bin" VARVE_CACHE_DIR="$VARVE_CACHE_DIR" \
        VARVE_STATE_DIR="$VARVE_STATE_DIR" sh "$VARVE_SOURCE/examples/nightly.sh" "$@"
}
snapshots()
{
    assert_exit 0 varve -r "$repo" --key-file "$key" --json snapshots
}

assert_exit 0 nightly settings
assert_eq "$(cat "$STDOUT" "$STDERR")" "" "what a quiet night prints"
snapshots >list
assert_eq "$(json list 'len(d["snapshots"])')" 1 "number of snapshots"
assert_eq "$(json list 'd["snapshots"][-1]["tags"]')" "[]" "tags on an ordinary day"
assert_exit 0 varve -r "$repo" --key-file "$key" cat latest:databases/shop.sql >dump
assert_grep '^CREATE TABLE orders;$' dump
assert_grep '--single-transaction .*shop$' dump
assert_exit 0 varve -r "$repo" --key-file "$key" restore "latest:$PWD/source" --target restored \
    >/dev/null
assert_same_tree source restored

assert_exit 0 nightly settings
snapshots >list
assert_eq "$(json list 'd["snapshots"][-1]["mode"]')" incremental "mode on an ordinary day"

assert_exit 0 nightly settings-full
snapshots >list
assert_eq "$(json list 'd["snapshots"][-1]["tags"]')" '["full"]' "tags on the day of full backups"
assert_eq "$(json list 'd["snapshots"][-1]["mode"]')" full "mode on the day of full backups"

touch "$WORK/bin/broken"
assert_exit 1 nightly settings 2>complaint
assert_grep 'Lost connection' complaint
assert_grep 'NO BACKUP' complaint
snapshots >list
assert_eq "$(json list 'len(d["snapshots"])')" 3 "number of snapshots after a failed dump"
rm "$WORK/bin/broken"

# One path missing: the others are stored, exit 3.
sed "s|^paths=.*|paths='$PWD/source $PWD/not-there'|" settings >settings-missing
assert_exit 3 nightly settings-missing 2>complaint
assert_grep 'not-there' complaint
assert_grep 'look at what is named' complaint

sed "s|^repository=.*|repository='$PWD/nowhere'|" settings >settings-none
assert_exit 10 nightly settings-none 2>complaint
assert_grep 'no repository' complaint

sed "s|^repository=.*|repository='$WORK/other'|" settings >settings-key
assert_exit 0 varve -r "$WORK/other" init --key-file "$WORK/other.key" \
    --recovery-file "$WORK/other.words" >/dev/null
assert_exit 11 nightly settings-key 2>complaint
assert_grep 'does not open' complaint

# With a policy, what it does not keep is hidden; trouble with that is told, as when the key only
# writes.
{ cat settings; echo 'keep="--keep-last 2"'; } >settings-keep
assert_exit 3 nightly settings-keep 2>complaint
assert_grep "needs an administrator's key" complaint
echo "key_file='$key'" >>settings-keep
assert_exit 0 nightly settings-keep
assert_eq "$(cat "$STDOUT" "$STDERR")" "" "what a quiet night with a policy prints"
snapshots >list
# Two, and the one with other paths, which are another group.
assert_eq "$(json list 'len(d["snapshots"])')" 3 "number of snapshots the policy keeps"
echo 'keep="--keep-last zero"' >>settings-keep
assert_exit 3 nightly settings-keep 2>complaint
assert_grep 'what forget says' complaint

assert_exit 2 nightly no-such-settings 2>complaint
assert_grep 'cannot read' complaint
