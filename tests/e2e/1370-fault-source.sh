# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# Jobs whose source is at fault: missing, a disk that cannot be read, a database that is down, a hook that hangs.
# What can be saved is, what is stored goes to the sites, everybody is told, and no status is green.
# labels: slow
cd "$WORK" || exit
source "$E2E/faults.sh"
sites=("replicate-to = near" "replicate-to = far")
seq 1000 >data/numbers
good=("path = $WORK/data" "${sites[@]}" 'keep-last = 3')
conf "${good[@]}"
run 0
green

# ---- a source is missing: the others are saved ----
mkdir more
echo more >more/file
conf "path = $WORK/more" "${good[@]}"
run 0
mv more more-away
echo news >data/news
run 3
assert_eq "$(state backup replicate forget prune)" 'problems ok ok ok'
assert_grep "'$WORK/more'" problems
assert_exit 0 varve -r main cat "latest:$WORK/data/news" >out
assert_eq "$(newest near) $(newest far)" "$(newest main) $(newest main)" 'what the sites have'
status WARNING:run
mv more-away more
well
# All are: nothing is given up, and what is stored is on the sites all the same.
conf "${good[@]}"
assert_exit 0 varve -r main backup --tag job:web data >/dev/null # the sites do not have it yet
before=$(snapshots main)
mv data data-away
run 1
assert_eq "$(state backup replicate forget prune)" 'failed ok left-out left-out'
assert_eq "$(snapshots main) $(newest near) $(newest far)" "$before $(newest main) $(newest main)"
assert_grep 'none of the paths' told
# It has left no session that a prune would wait for.
assert_exit 0 varve -r main prune --json --wait 0s >pruned.json 2>/dev/null
assert_eq "$(json pruned.json 'd["sessions_open"]')" 0 'sessions that a failed backup leaves open'
status CRITICAL:run
mv data-away data
well
run 0
[ ! -s told ] || fail "told again: $(cat told)"

# ---- a hook that hangs ----
before=$(snapshots main)
conf "${good[@]}" "before = trap '' TERM; echo waiting for the lock of an application >&2; sleep 1070" \
    'hook-timeout = 1s' "on-error = echo on-error >>$WORK/hooks" "after = echo after >>$WORK/hooks"
run 1
assert_eq "$(state before backup replicate)" 'failed left-out left-out'
assert_eq "$(paste -sd, hooks) $(snapshots main)" "on-error,after $before"
assert_grep '^  before +failed +.*timed out' told
assert_grep 'lock of an application' told
assert_eq "$(json runs.json 'd["runs"][0]["parts"][0]["why"]')" 'timed out'
if pgrep -f 'sleep 1070' >/dev/null; then fail 'the hook goes on'; fi
status CRITICAL:run
conf "${good[@]}"
well
# One behind the work: that is done.
conf "${good[@]}" 'after = sleep 1070' 'hook-timeout = 1s'
run 1
assert_eq "$(state backup replicate after)" 'ok ok failed'
status CRITICAL:run
conf "${good[@]}"
well

# ---- a run that takes too long: its part is stopped, the sites have what there was, other jobs have their turn ----
assert_exit 0 varve -r main backup --tag job:web data >/dev/null
before=$(snapshots main)
conf "${good[@]}" 'exec = dump=sleep 1071' 'max-runtime = 2s' "on-error = echo \"on-error \$VARVE_FAILED\" >>$WORK/hooks" \
    '[job other]' 'repository = main' "path = $WORK/data"
rm -f hooks
run 1
assert_eq "$(state backup replicate forget on-error) $(snapshots main)" "failed left-out left-out ok $before"
assert_grep '^  backup +failed +[0-9]+ s, the run took longer than max-runtime' told
assert_grep '^  replicate +left out +the run took longer than max-runtime' told
assert_eq "$(cat hooks)" 'on-error backup'
assert_eq "$(json runs.json 'd["runs"][0]["parts"][0]["why"]')" 'the run took longer than max-runtime'
if pgrep -f 'sleep 1071' >/dev/null; then fail 'the command goes on'; fi
status CRITICAL:run
assert_exit 1 varve run --all >out 2>problems
assert_grep "^job 'web', .*: FAILED, it took longer than max-runtime" out
assert_grep "^job 'other', .*: all went well" out
conf "${good[@]}"
well

# ---- a database that is down ----
if varve backup -r none postgres:// 2>&1 | grep -q 'no PostgreSQL'; then
    echo 'built without libpq: no database to be down'
else
    assert_exit 0 varve -r main backup --tag job:web data >/dev/null
    before=$(snapshots main)
    conf "${good[@]}" 'database = db=postgres://backup@%2Fnowhere/'
    run 13
    assert_eq "$(state backup replicate forget)" 'failed ok left-out'
    assert_grep '/nowhere' told
    refute_grep '\\t' told
    assert_eq "$(snapshots main) $(newest near)" "$before $(newest main)"
    status CRITICAL:run
    conf "${good[@]}"
    well
    conf "${good[@]}" 'database = db=postgres://backup@%2Fnowhere/' 'keep-going = yes'
    echo later >data/later
    run 3
    assert_eq "$(state backup replicate)" 'problems ok'
    assert_grep '/nowhere' told
    assert_exit 0 varve -r main cat "latest:$WORK/data/later" >out
    assert_eq "$(newest near)" "$(newest main)"
    status WARNING:run
    conf "${good[@]}"
    well
fi

# ---- a disk that cannot be read: the image ends before the file's blocks ----
mount_ext4 image "$WORK/disk" 32M
random_file disk/second 3000000 2
sync -f disk/second
umount disk
first=$(debugfs -R 'blocks /second' image 2>/dev/null | tr ' ' '\n' | sort -n | awk 'NF && !n++')
size=$(dumpe2fs -h image 2>/dev/null | sed -n 's/^Block size: *//p')
mount -o loop image disk
truncate -s $((first * size)) image
if cat disk/second >/dev/null 2>&1; then fail 'the disk can be read'; fi
conf "path = $WORK/disk" "${good[@]}"
echo newest >data/newest
run 3
assert_eq "$(state backup replicate forget)" 'problems ok ok'
assert_grep "disk/second'.*input/output error" problems
assert_grep "input/output error: its disk may be failing, see 'dmesg'" told
assert_eq "$(json out.json '[p["output"]["skipped"] for p in d["jobs"][0]["parts"] if p["part"] == "backup"]')" '[1]'
assert_exit 0 varve -r main cat "latest:$WORK/data/newest" >out
assert_eq "$(newest far)" "$(newest main)"
status WARNING:run
rm disk/second
well
