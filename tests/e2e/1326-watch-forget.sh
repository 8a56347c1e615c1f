# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# labels: slow
# A watched job's snapshots are thinned out by its rules, also by a run of it at night.
need_command rsync
# shellcheck source=tests/e2e/watch.sh
. "$E2E/watch.sh"
cd "$WORK" || exit
new_repo
unset VARVE_REPO VARVE_KEY_FILE
make_tree data
watch_configuration 'watch-quiet = 200ms' 'watch-delay = 1s' 'keep-last = 3'
# pile COUNT: so many snapshots more of the job.
pile()
{
    local i
    for ((i = 0; i < $1; i++)); do
        echo "$i" >data/pile
        assert_exit 0 varve -r main backup --tag job:web data >/dev/null
    done
}
pile 14
watch_start
echo x >data/once-more
thinned() { [ "$(count_snapshots)" -le 4 ]; }
wait_for 90 thinned || fail "nothing is forgotten: $(cat watch.out)"
refute_grep 'thinned out' watch.out
echo x >data/and-again
assert_saved

# The second time in an hour is the night's.
pile 14
assert_exit 0 varve run web >/dev/null
assert_le "$(count_snapshots)" 4 "snapshots after a run"
assert_saved
watch_stop
# Nobody watches any more: then a policy that gives up so much is not believed without a word.
pile 14
assert_exit 1 varve run web >/dev/null 2>problems
assert_grep 'max-loss' problems
assert_exit 0 varve -r main verify >/dev/null
