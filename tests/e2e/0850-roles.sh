# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# labels: plain
# Keys of three roles: a writer adds backups and nothing else, a reader reads and nothing else; what a
# role does not allow is said and ends with exit code 11.  Epochs, revocation.
new_repo
admin=$VARVE_KEY_FILE
make_tree source
other()
{
    # other HOST COMMAND...: as another machine, which has a state and a cache of its own, with its key
    local host=$1
    shift
    VARVE_STATE_DIR=$WORK/$host/state VARVE_CACHE_DIR=$WORK/$host/cache \
        VARVE_KEY_FILE=$WORK/run/$host.key varve "$@"
}

assert_exit 0 varve --json key add --role writer --name web --new-key-file web.key >web.json
assert_exit 0 varve --json key add --role reader --name drill --new-key-file drill.key >drill.json
assert_eq "$(json web.json 'd["role"]')" writer
assert_eq "$(json web.json 'd["client"][:16] == d["id"]')" true
assert_eq "$(stat -c %a web.key)" 400
assert_exit 0 varve --json key list >list.json
assert_eq "$(json list.json 'sorted(c["name"] + " " + c["role"] for c in d["clients"])')" \
    '["drill reader", "web writer"]'
assert_eq "$(json list.json 'sorted(s["role"] for s in d["slots"])')" \
    '["administrator", "administrator", "reader", "writer"]'
assert_exit 2 varve key add --role writer --new-key-file nobody.key 2>errors
assert_grep "give --name" errors
assert_exit 2 varve key add --role reader --name x --new-recovery-file words 2>errors
assert_exit 2 varve key add --role king --name x --new-key-file nobody.key 2>errors
refute_exists nobody.key words

# What the writer stores, the reader and the administrator restore.
assert_exit 0 other web backup source >/dev/null
echo more >>source/sizes/text-16
assert_exit 0 other web --json backup source >summary
assert_eq "$(json summary 'd["committed"]')" true
assert_exit 0 other drill restore "latest:$PWD/source" --target by-reader >/dev/null
assert_same_tree source by-reader
assert_exit 0 other drill verify --data >/dev/null
assert_exit 0 varve restore "latest:$PWD/source" --target by-admin >/dev/null
assert_same_tree source by-admin
assert_exit 0 other drill replicate --to "$WORK/replica" >/dev/null
assert_exit 0 other drill -r "$WORK/replica" verify >/dev/null

# Snapshots say who wrote them, whatever host they claim to be of.
assert_exit 0 other web backup --host elsewhere source >/dev/null
assert_exit 0 other drill --json snapshots >list.json
assert_eq "$(json list.json '[(s["host"] == "elsewhere", s["client_name"], s["client_role"]) for s in d["snapshots"]]')" \
    '[[false, "web", "writer"], [false, "web", "writer"], [true, "web", "writer"]]'
assert_exit 0 varve snapshots >listed
assert_grep "elsewhere +web +" listed

# What is not allowed is said, with exit code 11, and changes nothing.
snapshot=$(varve --json snapshots | python3 -c 'import json,sys
print(json.load(sys.stdin)["snapshots"][0]["id"])')
find "$VARVE_REPO" -type f | sort >before
refuse()
{
    # refuse HOST WHAT COMMAND...
    local host=$1 what=$2
    shift 2
    assert_exit 11 other "$host" "$@" 2>errors
    assert_grep "needs $what.*; this one \('$host'\)" errors
}
for command in snapshots "ls $snapshot" "cat $snapshot:x" "restore $snapshot --target nowhere" \
    "find x" "diff $snapshot $snapshot" "history x" "export $snapshot --format tar -o -" stats verify; do
    # shellcheck disable=SC2086
    refuse web "a reader's or an administrator's key" $command
done
for host in web drill; do
    for command in "key add --new-key-file more.key" "key remove 1234" "key rotate" \
        "key revoke drill" "key export --kit kit" prune "prune --dry-run" repair \
        "repair --from nowhere" "forget --keep-last 1" "forget $snapshot" "undelete $snapshot" \
        "pin $snapshot" "snapshots --accept $snapshot"; do
        # shellcheck disable=SC2086
        refuse "$host" "an administrator's key" $command
    done
    assert_exit 0 other "$host" --json key check >check.json
    assert_exit 0 other "$host" key list >/dev/null
done
assert_eq "$(json check.json 'd["role"]')" reader
refuse drill "a writer's or an administrator's key" backup source
refute_exists nowhere more.key kit
# Without any key, too: whose it takes.
for command in prune repair "forget --keep-last 1" "key rotate"; do
    # shellcheck disable=SC2086
    assert_exit 11 env -u VARVE_KEY_FILE varve $command </dev/null 2>errors
    assert_grep "'varve ${command%% --*}' needs an administrator's key: no key was given" errors
done
assert_exit 11 env -u VARVE_KEY_FILE varve snapshots </dev/null 2>errors
assert_grep "'varve snapshots' needs a reader's or an administrator's key: no key was given" errors
find "$VARVE_REPO" -type f | sort >after
cmp before after

# A writer deduplicates against its own and what an administrator has stored or read, not against
# other writers.
assert_exit 0 varve key add --role writer --name mail --new-key-file mail.key >/dev/null
assert_exit 0 varve key add --role writer --name proxy --new-key-file proxy.key >/dev/null
assert_exit 0 other mail --json backup source >summary
assert_ge "$(json summary 'd["bytes_new"]')" 1000000
assert_exit 0 other mail --json backup source >summary
assert_le "$(json summary 'd["bytes_new"]')" 20000
assert_exit 0 other drill --json verify --data >verified.json # not an administrator
assert_eq "$(json verified.json 'd["packs_vouched"]')" 0
assert_exit 0 varve --json verify --data >verified.json
assert_ge "$(json verified.json 'd["packs_vouched"]')" 4
assert_exit 0 other proxy --json backup source >summary
assert_le "$(json summary 'd["bytes_new"]')" 20000
assert_exit 0 varve verify --data >/dev/null

# A new epoch: all go on, old and new open for everybody who could open them before.
assert_exit 0 varve --json key rotate >rotated.json
assert_eq "$(json rotated.json '[d["epoch"], d["clients"]]')" '[1, 4]'
find "$VARVE_REPO/packs" -type f >old-packs
random_file source/new 50000 7
assert_exit 0 other web backup source >/dev/null
find "$VARVE_REPO/packs" -type f | grep -vxFf old-packs | while read -r pack; do
    assert_eq "$(od -An -tu4 -j28 -N4 "$pack" | tr -d ' ')" 1 "epoch of $pack"
done
assert_exit 0 other drill restore "latest:$PWD/source" --target by-reader-2 >/dev/null
assert_same_tree source by-reader-2
assert_exit 0 other drill verify --data >/dev/null
(
    unset VARVE_KEY_FILE
    assert_exit 0 varve --recovery-file "$WORK/repo.words" verify --data >/dev/null
)

# A key whose reader was revoked, with a slot that survived: what it may read is listed, what came later
# is told as what it is, and neither is damage.
assert_exit 0 varve key add --role reader --name guest --new-key-file guest.key >/dev/null
mkdir slots
cp -p "$VARVE_REPO"/keys/* slots/
assert_exit 0 varve key revoke guest >/dev/null
cp -pf slots/* "$VARVE_REPO/keys/"
assert_exit 0 varve backup source --tag later >/dev/null
assert_exit 3 other guest --json snapshots >listed.json 2>errors
assert_eq "$(json listed.json '[p["name"] for p in d["problems"]]')" '["epoch-unknown"]'
assert_eq "$(json listed.json 'len(d["snapshots"]) > 5')" true
assert_exit 3 other guest snapshots >/dev/null 2>errors
assert_grep "is of epoch 2, of which this reader's key has no key: it was revoked" errors
assert_exit 3 other guest verify --data >/dev/null 2>errors
assert_grep "no key of epoch 2" errors
refute_grep "damaged" errors

# Revoked: no more of it is believed; the others go on.
assert_exit 0 varve --json key revoke web --replica "$WORK/replica" 2>errors >revoked.json
assert_eq "$(json revoked.json '[d["revoked_from"], d["epoch"], d["clients"]]')" '[5, 3, 3]'
assert_eq "$(json revoked.json 'd["replicas"][0]["state"]')" holds
assert_exit 11 other web backup source 2>errors
assert_exit 0 other drill snapshots >listed
assert_eq "$(grep -c "$PWD/source" listed)" 8
# A copy of its slot that survived elsewhere does not help it.
cp -p "$WORK/replica/keys/$(json web.json 'd["id"]')"-? "$VARVE_REPO/keys/"
assert_exit 1 other web backup source 2>errors
assert_grep "certificate was revoked" errors
# Revoking it again takes the slot away again, and then has nothing left to do.
assert_exit 0 varve --json key revoke web >revoked.json
assert_eq "$(json revoked.json '"epoch" in d')" false
refute_exists "$VARVE_REPO/keys/$(json web.json 'd["id"]')-a"
assert_exit 1 varve key revoke web 2>errors
assert_grep "is revoked already" errors
assert_exit 1 varve key revoke nobody 2>errors

# Removing a slot names the replicas that still hold it, and what removes it there.
assert_exit 0 varve key remove "$(json drill.json 'd["id"]')" --replica "$WORK/replica" 2>errors >/dev/null
assert_grep "replica '$WORK/replica' still holds .*'varve -r $WORK/replica key remove" errors
assert_exit 11 other drill snapshots 2>errors
assert_exit 0 varve -r "$WORK/replica" key remove "$(json drill.json 'd["id"]')" >/dev/null 2>&1
assert_exit 11 other drill -r "$WORK/replica" snapshots 2>errors
assert_eq "$VARVE_KEY_FILE" "$admin"

# Old packs come under the newest keys on request, and a reader of old epochs reads nothing any more.
assert_exit 0 varve --json stats --storage >stats.json
assert_eq "$(json stats.json 'sorted(e["epoch"] for e in d["epochs"])[0]')" 0
cp -pf slots/* "$VARVE_REPO/keys/"
assert_exit 3 other guest restore "$snapshot" --target by-guest >/dev/null 2>&1
assert_exit 0 varve --json prune --reencrypt --dry-run >told.json
assert_exit 0 varve --json prune --reencrypt >pruned.json
assert_eq "$(json pruned.json 'd["bytes_old_epochs"]')" 0
assert_ge "$(json pruned.json 'd["packs_reencrypted"]')" 1
assert_eq "$(json pruned.json 'd["bytes_deleted"]')" "$(json told.json 'd["bytes_deleted"]')"
assert_exit 0 varve --json stats --storage >stats.json
assert_eq "$(json stats.json '[e["epoch"] for e in d["epochs"]]')" '[3]'
assert_eq "$(json stats.json 'd["epochs"][0]["bytes"] == d["stored_bytes"]')" true
find "$VARVE_REPO/packs" -type f | while read -r pack; do
    assert_eq "$(od -An -tu4 -j28 -N4 "$pack" | tr -d ' ')" 3 "epoch of $pack"
done
assert_exit 0 varve verify --data >/dev/null
assert_exit 11 other guest restore "$snapshot" --target by-guest-2 >/dev/null 2>errors
assert_grep "no key of epoch 3" errors
assert_exit 0 varve restore "latest:$PWD/source" --target at-last >/dev/null
assert_same_tree source at-last
