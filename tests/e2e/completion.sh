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

# commands_of PATH...: names of the commands behind these.
commands_of()
{
    varve "$@" --help | sed -n '/^Commands:/,/^$/p' | sed -n 's/^  \([a-z]*\) .*/\1/p'
}
# options_of PATH...: spellings of their options, those for all commands too.
options_of()
{
    varve "$@" --help | sed -n 's/^  \(-.\), \(--[a-z-]*\).*/\1\n\2/p; s/^  \(--[a-z-]*\).*/\1/p'
}
# each_place FUNCTION: call it with every command's words.
each_place()
{
    local command sub
    for command in $(commands_of); do
        if [ -n "$(commands_of "$command")" ]; then
            for sub in $(commands_of "$command"); do
                "$1" "$command" "$sub"
            done
        else
            "$1" "$command"
        fi
    done
}
