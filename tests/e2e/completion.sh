# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# What the tests of completions share: a configuration, a repository with snapshots, and the tables.
unset VARVE_REPO VARVE_KEY_FILE
cd "$WORK/run" || exit
export VARVE_COMPLETION_TIMEOUT=60 # whatever else this machine is doing
export VARVE_CONFIG=$WORK/run/varve.conf

# A repository that a key file opens, one that is elsewhere, one that only a command's passphrase opens:
# neither the command nor ssh must ever be run (nothing_was_run).
completion_world()
{
    mkdir data
    echo one >data/numbers
    assert_exit 0 varve -r "$WORK/run/repo" init --key-file "$WORK/run/key" >/dev/null 2>&1
    assert_exit 0 varve -r "$WORK/run/repo" --key-file "$WORK/run/key" backup data >/dev/null 2>&1
    printf '#!/bin/sh\ntouch "%s"\n' "$WORK/run/connected" >"$WORK/fake-ssh"
    chmod 755 "$WORK/fake-ssh"
    cat >varve.conf <<END
[repository main]
url = $WORK/run/repo
key-file = $WORK/run/key
[repository site]
url = sftp://backup@site.invalid/varve
key-file = $WORK/run/key
ssh-transport = ssh
ssh-command = $WORK/fake-ssh
[repository asking]
url = $WORK/run/repo
passphrase-command = touch $WORK/run/asked
[job web]
repository = main
path = $WORK/run/data
[job well]
repository = main
path = $WORK/run/data
END
    id=$(varve -r main snapshots 2>/dev/null | awk 'NR == 2 { print $1 }')
    [[ $id =~ ^[0-9a-f]{8}$ ]] || fail "no snapshot's id: '$id'"
}

nothing_was_run()
{
    refute_exists "$WORK/run/asked" "$WORK/run/connected"
}

# help_of PATH...: what --help says there; asked once.
help_of()
{
    local said="$WORK/help $*"
    [ -e "$said" ] || varve "$@" --help >"$said"
    cat "$said"
}
# commands_of PATH...: names of the commands behind these.
commands_of()
{
    help_of "$@" | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'
}
# places: every command's words, a line each.
places()
{
    local command subs
    for command in $(commands_of); do
        subs=$(commands_of "$command")
        if [ -n "$subs" ]; then
            printf "$command %s\n" $subs
        else
            echo "$command"
        fi
    done
}
# options_of_places FILE: spellings of the options at each of the places there, those for all commands too:
# sorted lines 'PLACE<tab>OPTION'.
options_of_places()
{
    local place
    while read -r place; do
        echo "== $place"
        # shellcheck disable=SC2086 # words are wanted
        help_of $place
    done <"$1" | awk '/^== / { place = substr($0, 4); next }
        /^  -/ {
            split($0, words, /[ ,]+/)
            for (i = 2; i <= 3 && words[i] ~ /^-/; i++) {
                if (words[i] ~ /^--/) sub(/[^a-z-].*/, "", words[i])
                print place "\t" words[i]
            }
        }' | sort -u
}
# assert_options GOT: lines as of options_of_places, for the places in the file all-places.
assert_options()
{
    assert_ge "$(wc -l <all-places)" 30 "places"
    options_of_places all-places >wanted
    assert_ge "$(wc -l <wanted)" 300 "options"
    diff wanted <(sort -u "$1") >&2 || fail "not the options of the tables"
}
