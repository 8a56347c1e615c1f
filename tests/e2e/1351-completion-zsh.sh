# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# labels: slow
# Completion in zsh: every command and option, and real keys in a real shell.
command -v zsh >/dev/null || skip "there is no zsh"
# shellcheck source=tests/e2e/completion.sh
. "$E2E/completion.sh"
completion_world

mkdir functions
assert_exit 0 varve completion zsh >functions/_varve
zsh -n functions/_varve
assert_eq "$(head -n 1 functions/_varve)" '#compdef varve'

# What the tables of the script say, without the completion system.
cat >tables.zsh <<'END'
compdef() { }
source ./functions/_varve
while read -r place; do
    print -r -- "== $place"
    _varve_table "$place"
    print -rl -- ${_varve_commands%%:*} $_varve_specs $_varve_globals
done
END
# table_of PLACE: commands and options of that place, and what the table says of them.
table_of()
{
    echo "$1" | zsh -f tables.zsh | tail -n +2
}
assert_eq "$(table_of '' | grep -xE '[a-z]+')" "$(commands_of)"
assert_eq "$(table_of key | grep -xE '[a-z]+')" "$(commands_of key)"
places >all-places
zsh -f tables.zsh <all-places | awk -F '\t' '/^== / { place = substr($0, 4); next }
    match($0, /^(\*|\([^)]*\))?--?[a-zA-Z][a-z-]*[+=]?\[/) {
        sub(/^(\*|\([^)]*\))/, ""); sub(/[+=]?\[.*/, ""); print place "\t" $0 }' >got
assert_options got
table_of restore >list
assert_grep '^\(-t --target\)--target=\[where to .*\]:DIR: _varve_offer directory$' list
assert_grep '^--overwrite=\[.*\]:WHEN:\(never changed always\)$|^--overwrite=\[.*\]:[A-Z]+:\(never changed always\)$' list
assert_grep '^\*--exclude=\[leave out what matches\]:PATTERN: _varve_offer text$' list
assert_grep "whose 'latest' is meant" list

# Real keys; Ctrl-O writes down what the line is.  Long options of one kind come from 'key add', whose place
# is behind another option.
cat >.zshrc <<'END'
PS1='ready> '
fpath=($PWD/functions $fpath)
autoload -Uz compinit
compinit -u -d $PWD/dump
unsetopt zle_bracketed_paste
unset zle_bracketed_paste
write() { print -r -- "$BUFFER" >>$HOME/lines; BUFFER= }
zle -N write
bindkey -e
bindkey '^O' write
END
mkdir -p tree/directory
printf '[repository other]\nurl = /nowhere\n' >home.conf
HOME=$PWD ZDOTDIR=$PWD python3 "$E2E/pty-run.py" --columns 200 'ready> ' \
    'varve repl\t--to si\t\x0fvarve -r main rest\t'"${id:0:4}"'\t\x0fvarve key --json ad\t--new-k\t\x0fvarve export latest --format=z\t\x0fvarve run wel\t\x0fvarve backup tree/di\t\x0fvarve -r main --qui\tverify '"${id:0:4}"'\t--sa\t\x0fvarve --config ~/home.conf -r ot\t\x0fvarve --config=~/home.conf -r ot\t\x0fvarve -r site restore \t\x0fvarve run web wel\t\x0fvarve -r main diff latest '"${id:0:4}"'\t\x0fexit\n' \
    -- zsh -i >typed 2>&1
sed -i 's/ *$//' lines
assert_eq "$(sed -n 1p lines)" 'varve replicate --to site'
assert_eq "$(sed -n 2p lines)" "varve -r main restore $id"
assert_eq "$(sed -n 3p lines)" 'varve key --json add --new-key-file='
assert_eq "$(sed -n 4p lines)" 'varve export latest --format=zip'
assert_eq "$(sed -n 5p lines)" 'varve run well'
assert_eq "$(sed -n 6p lines)" 'varve backup tree/directory/'
assert_eq "$(sed -n 7p lines)" "varve -r main --quiet verify $id --sample="
assert_eq "$(sed -n 8p lines)" 'varve --config ~/home.conf -r other'
assert_eq "$(sed -n 9p lines)" 'varve --config=~/home.conf -r other'
assert_eq "$(sed -n 10p lines)" 'varve -r site restore'
assert_eq "$(sed -n 11p lines)" 'varve run web well'
assert_eq "$(sed -n 12p lines)" "varve -r main diff latest $id"
nothing_was_run
