# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# labels: plain
# The command line: help for everything, suggestions, options before and after the command.

assert_exit 0 varve --help >help
for command in init backup snapshots ls find history diff cat restore export verify stats key version; do
    assert_grep "^  $command  " help
    assert_exit 0 varve "$command" --help >help-one
    assert_grep "^usage: varve \[-r REPO\] $command" help-one
    assert_grep '^  -r, --repo REPO ' help-one
done
for command in list add remove passwd export check; do
    assert_exit 0 varve key "$command" --help >help-one
    assert_grep "^usage: varve \[-r REPO\] key $command" help-one
done
assert_exit 0 varve --version >version
assert_exit 0 varve version >version2
cmp version version2
assert_exit 0 varve --json version >version.json
assert_eq "$(json version.json 'd["format"]')" 1

# usage WORDS HINT COMMAND...
usage()
{
    local message=$1 hint=$2
    shift 2
    assert_exit 2 "$@" >output 2>errors
    assert_eq "$(wc -c <output)" 0 "output of: $*"
    assert_grep "^varve: $message" errors
    assert_grep "^hint: $hint" errors
}
usage "no command was given" "'varve --help'" varve
usage "unknown command 'bakcup'" "did you mean 'backup'\?" varve bakcup
usage "unknown command 'xyzzyfoo'" "'varve --help' lists" varve xyzzyfoo
usage "unknown command 'lits'" "did you mean 'list'\?" varve key lits
usage "unknown option '--exlude'" "did you mean '--exclude'\?" varve backup --exlude x
usage "unknown option '--parity'" "" varve restore --parity somewhere
usage "unknown option '--exclud'" "did you mean '--exclude'" varve backup --exclud=x y
usage "option '--tag' needs a value" "" varve backup --tag
usage "a tag must not be empty" "" varve backup --tag "" /etc/hostname
usage "option '--compression'" "" varve backup --compression 99 x
usage "option '--overwrite': 'perhaps' is not one of: never, changed, always" "" \
    varve restore latest --target x --overwrite perhaps
usage "option '--exec': 'no-equals' is not NAME=COMMAND" "" varve backup --exec no-equals
usage "unexpected argument 'extra'" "" varve snapshots extra
usage "missing argument: SNAP" "" varve ls
usage "no repository was named" "give -r REPO" varve snapshots

# A name with control characters is harmless in an error.
assert_exit 2 varve "$(printf '\033[31mred\033[0m')" 2>errors
refute_grep "$(printf '\033')" errors

# Options of all commands stand anywhere.
new_repo
unset VARVE_REPO VARVE_KEY_FILE
assert_exit 0 varve -r "$WORK/repo" --key-file "$WORK/repo.key" snapshots
assert_exit 0 varve snapshots -r "$WORK/repo" --key-file="$WORK/repo.key"
assert_exit 0 varve --json "-r$WORK/repo" snapshots --key-file "$WORK/repo.key" >list.json
assert_eq "$(json list.json 'd["snapshots"]')" '[]'
