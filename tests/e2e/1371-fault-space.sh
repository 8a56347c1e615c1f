# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2034
# Jobs without space: in the repository, and on a site.  The others still get what there is, space is reclaimed
# where nothing is given up by it, and it heals by itself.
# labels: slow
cd "$WORK" || exit
need_root
source "$E2E/faults.sh"
mount_tmpfs "$WORK/small" 64M
mkdir -p data
lines=("path = $WORK/data" 'replicate-to = near' 'replicate-to = far' 'keep-last = 2')

# ---- a site is full: the other one gets its copy ----
far=$WORK/small/far
conf "${lines[@]}"
random_file data/first 1000000
run 0
green
fill "$WORK/small"
random_file data/second 3000000 2
run 15
assert_eq "$(state backup replicate forget prune)" 'ok failed ok ok'
assert_eq "$(newest near)" "$(newest main)"
assert_grep '[Nn]o space left' told
assert_grep 'small/far' told
python3 - <<'END' || fail 'what the log says of the sites'
import json
sites = {e["site"].rsplit("/", 1)[1]: e["event"] for e in map(json.loads, open("log")) if "site" in e}
assert sites == {"near": "replicate.done", "far": "replicate.failed"}, sites
END
assert_exit 0 varve runs --replications --json -n 2 >list.json
assert_eq "$(json list.json 'sorted((r["destination"], r["exit_code"]) for r in d["replications"])')" \
    '[["far", 15], ["near", 0]]'
status CRITICAL:run CRITICAL:space:far OK:copy:near
rm "$WORK"/small/ballast*
well
assert_eq "$(newest far)" "$(newest main)"

# ---- the repository is full ----
umount "$WORK/small"
mount_tmpfs "$WORK/small" 64M
rm -rf near far
main=$WORK/small/main far=$WORK/far
assert_exit 0 varve -r "$main" init --no-parity --reserve 2M --key-file "$WORK/key2" >/dev/null
mv -f key2 key
rm -rf "$WORK/far" "$VARVE_STATE_DIR"/notify-* "$VARVE_STATE_DIR"/runs.db
conf "${lines[@]}"
run 0
run 0
# What the sites do not have yet, and what was forgotten long ago.
assert_exit 0 varve -q -r main backup --tag job:web data
assert_exit 0 varve -q -r main forget --grace 0 'latest~2'
before=$(snapshots main)
fill "$WORK/small"
random_file data/third 5000000 3
run 15
assert_eq "$(state backup replicate forget prune)" 'failed ok left-out ok'
assert_eq "$(newest near) $(newest far)" "$(newest main) $(newest main)"
assert_eq "$(snapshots main)" "$before" 'snapshots, of which none is given up'
assert_grep '[Nn]o space left' told
assert_grep '^hint: nothing is lost, and the next backup' told
assert_eq "$(json out.json '[p["output"]["snapshots_deleted"] for p in d["jobs"][0]["parts"] if p["part"] == "prune"]')" '[1]'
status CRITICAL:run OK:copy:near OK:copy:far
rm "$WORK"/small/ballast*
well
