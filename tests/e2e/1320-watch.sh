# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# A watched job: every change is in a snapshot soon, whatever it is, and nothing else is looked at.
need_command rsync
# shellcheck source=tests/e2e/watch.sh
. "$E2E/watch.sh"
cd "$WORK" || exit
new_repo
unset VARVE_REPO VARVE_KEY_FILE
make_tree data
watch_configuration 'watch-quiet = 300ms' 'watch-delay = 2s' 'exclude = *.no' 'tag = nightly'

# is_there PATH: in the newest snapshot.
is_there() { varve -r main ls "latest:$WORK/data" | grep -Fq -- "$1"; }

ways=(--inotify)
if [ "$EUID" = 0 ]; then ways+=(''); fi
for way in "${ways[@]}"; do
    # shellcheck disable=SC2086
    watch_start $way
    if [ -z "$way" ]; then
        assert_grep "by fanotify" watch.out
    else
        assert_grep "by inotify" watch.out
    fi
    assert_saved # the first walk finds what has happened before

    # ---- a change is in a snapshot ----
    echo change >"data/new$way"
    wait_for 60 is_there "new$way" || fail "the change is in no snapshot: $(cat watch.out)"
    assert_saved

    # ---- nothing is no snapshot ----
    before=$(newest)
    touch data/ignored.no # excluded, but the directory has changed
    rm data/ignored.no
    assert_saved
    sleep 1
    before=$(newest)
    count=$(count_snapshots)
    assert_exit 0 varve -r main ls latest >/dev/null # our own reading, and writing of the cache
    echo x >"$WORK/outside"
    mkdir -p "$WORK/outside.d/x"
    sleep 1.5
    assert_eq "$(newest) $(count_snapshots)" "$before $count" "snapshots when nothing has changed"

    # ---- many changes of every kind ----
    for round in 1 2 3 4 5; do
        python3 "$E2E/watch-changes.py" data "$round${#way}" 40 || fail "seed $round${#way}"
        assert_saved
    done
    # The snapshots hardly ever looked at everything: a hard link may call for it.
    whole=$(grep -c 'all files looked at' watch.out || true)
    all=$(grep -c '^snapshot' watch.out)
    echo "$way: $all snapshots, $whole of them full walks"
    [ "$whole" -lt "$all" ] || fail "every one of $all snapshots looked at everything"
    watch_stop
done

# ---- the snapshots are the job's, and a run of it goes on from them ----
assert_exit 0 varve -r main snapshots --json >list
python3 - <<'END'
import json
tags = {tuple(sorted(s["tags"])) for s in json.load(open("list"))["snapshots"]}
assert tags == {("job:web", "nightly")}, tags
END
assert_exit 0 varve run --json web >out.json
assert_eq "$(json out.json 'd["jobs"][0]["parts"][0]["output"]["files_new"]')" 0
assert_exit 0 varve -r main verify --data >/dev/null
