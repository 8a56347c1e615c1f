# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# labels: plain
# Completion in bash: what the tables know, and names of the configuration and the repository.
# shellcheck source=tests/e2e/completion.sh
. "$E2E/completion.sh"
completion_world

assert_exit 0 varve completion bash >script
bash -n script
if command -v shellcheck >/dev/null; then
    shellcheck script >&2
fi
bash -c 'source ./script; complete -p varve' >defined
assert_eq "$(cat defined)" "complete -F _varve varve"

# What readline would hand over for a line with the cursor at its end; print the replies.
cat >driver.sh <<'END'
source ./script
COMP_WORDBREAKS=${BREAKS-$' \t\n"\'@><=;|&(:'}
while IFS= read -r COMP_LINE; do
    COMP_POINT=${#COMP_LINE}
    readarray -t COMP_WORDS < <(printf '%s\n' "$COMP_LINE" | grep -oE '[=:@]+|[^ =:@]+')
    [[ $COMP_LINE != *' ' ]] || COMP_WORDS+=('')
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    _varve varve "${COMP_WORDS[-1]}" "${COMP_WORDS[-2]}"
    printf '%s\n' "${COMPREPLY[*]}"
done
END
# replies LINE
replies()
{
    printf '%s\n' "$1" | bash driver.sh
}
# assert_replies LINE WORD...
assert_replies()
{
    assert_eq "$(replies "$1" | tr ' ' '\n' | sort | tr '\n' ' ')" \
        "$(printf '%s\n' "${@:2}" | sort | tr '\n' ' ')" "replies to '$1'"
}

# Every command and every option of the tables, at its place and at no other.
# shellcheck disable=SC2046 # words are wanted
assert_replies 'varve ' $(commands_of)
places >all-places
sed 's/.*/varve & -/' all-places | bash driver.sh | paste all-places - | awk -F '\t' '{
    n = split($2, words, " ")
    for (i = 1; i <= n; i++) print $1 "\t" words[i] }' >got
assert_options got
# shellcheck disable=SC2046 # words are wanted
assert_replies 'varve key ' $(commands_of key)
# shellcheck disable=SC2046 # words are wanted
assert_replies 'varve -r main --quiet key ' $(commands_of key)
assert_replies 'varve res' restore
assert_replies 'varve -r backup res' restore
assert_replies 'varve --repo=backup key exp' export
assert_replies 'varve nonsense ' ''
assert_replies 'varve key --json add --new-k' --new-key-file

# Closed sets, with a blank, with '=', and where '=' is no word break.
assert_replies 'varve export latest --format ' tar zip
assert_replies 'varve export latest --format=t' tar
assert_eq "$(BREAKS=' ' replies 'varve export latest --format=t')" --format=tar
assert_replies 'varve completion ' bash zsh fish
assert_replies 'varve completion --list j' jobs
assert_replies 'varve backup --threads ' ''

# Names of the configuration, and of the one named on the line.
assert_replies 'varve -r s' site
assert_replies 'varve replicate --to=si' site
assert_replies 'varve replicate --from ma' main
assert_replies 'varve run we' web well
assert_replies 'varve run web we' web well
printf '[repository other]\nurl = /nowhere\n' >other.conf
assert_replies 'varve --config other.conf -r ot' other
assert_replies 'varve -r ot' ''
cp other.conf ~/home.conf
assert_replies 'varve --config ~/home.conf -r ot' other
assert_replies 'varve --config=~/home.conf -r ot' other

# Snapshots: of the repository on the line, newest first, behind arguments and options that take values.
assert_eq "$(replies 'varve -r main restore ')" "latest $id"
assert_eq "$(replies 'varve -rmain restore ')" "latest $id"
assert_replies "varve -r main restore ${id:0:3}" "$id"
assert_replies "varve -r $WORK/run/repo --key-file $WORK/run/key diff latest ${id:0:5}" "$id"
assert_replies "varve -r main snapshots --accept ${id:0:5}" "$id"
assert_replies "varve -r main restore --target ${id:0:5}" ''
assert_replies 'varve -r main diff latest latest ' ''
assert_replies 'varve -r main verify latest la' latest
assert_replies 'varve -r main cat latest:' ''
assert_replies 'varve -r asking restore ' ''
assert_replies 'varve -r site restore ' ''
assert_replies 'varve restore ' ''
nothing_was_run

# Files and directories, after '--' too, and where readline breaks words.
mkdir -p 'tree/a directory' tree/user@host
touch tree/file
assert_replies 'varve backup tree/' tree/a directory tree/file tree/user@host
assert_eq "$(replies 'varve restore latest --target tree/a')" 'tree/a directory'
assert_replies 'varve backup -- tree/f' tree/file
assert_replies 'varve backup -- --he' ''
assert_replies 'varve --key-file=tree/fi' tree/file
assert_replies 'varve backup tree/user@h' host
assert_replies 'varve wal get tree/f' ''
assert_replies 'varve wal get 000000010000000000000001 tree/f' tree/file

# Really in a shell, with real keys; Ctrl-O writes down what the line is.
cat >rc <<'END'
PS1='ready> '
bind 'set enable-bracketed-paste off'
bind -x '"\C-o": printf "%s\n" "$READLINE_LINE" >>lines; READLINE_LINE='
source ./script
END
python3 "$E2E/pty-run.py" 'ready> ' \
    'varve repl\t--to si\t\x0fvarve -r main rest\t'"${id:0:4}"'\t\x0fvarve export latest --format=z\t\x0fexit\n' \
    -- bash --noprofile --rcfile rc -i >typed
assert_eq "$(head -n 1 lines)" 'varve replicate --to site '
assert_eq "$(sed -n 2p lines)" "varve -r main restore $id "
assert_eq "$(sed -n 3p lines)" 'varve export latest --format=zip '

# The list itself: asks for nothing, says nothing, waits for nobody.
assert_exit 0 varve completion --list repositories >list 2>said
assert_eq "$(cut -f 1 list | tr '\n' ' ')" "main site asking "
assert_eq "$(sed -n 's/^main\t//p' list)" "$WORK/run/repo"
assert_exit 0 varve completion --list jobs >list 2>>said
assert_eq "$(tr '\n\t' '; ' <list)" "web main;well main;"
assert_exit 0 varve -r asking completion --list snapshots >list 2>>said
assert_exit 0 varve -r site completion --list snapshots >>list 2>>said
assert_exit 0 varve -r missing completion --list snapshots >>list 2>>said
assert_exit 0 varve --config missing completion --list jobs >>list 2>>said
assert_exit 0 varve --key-file missing -r "$WORK/run/repo" completion --list snapshots >>list 2>>said
assert_exit 0 env VARVE_PASSPHRASE_COMMAND="touch $WORK/run/asked" varve -r "$WORK/run/repo" completion --list snapshots >>list 2>>said
nothing_was_run
assert_eq "$(cat list said)" ''
before=$(find "$VARVE_STATE_DIR" "$VARVE_CACHE_DIR" repo | sort | sha256sum)
VARVE_STATE_DIR=$WORK/run/no-state VARVE_CACHE_DIR=$WORK/run/no-cache assert_exit 0 varve -r main completion --list snapshots >list
assert_eq "$(cut -f 1 list | tr '\n' ' ')" "latest $id "
refute_exists no-state no-cache
assert_eq "$(find "$VARVE_STATE_DIR" "$VARVE_CACHE_DIR" repo | sort | sha256sum)" "$before"
VARVE_KEY_FILE=$WORK/run/key assert_exit 0 varve -r "$WORK/run/repo" completion --list snapshots >list
assert_eq "$(cut -f 1 list | tr '\n' ' ')" "latest $id "
# What was named on the line counts, and a passphrase is not tried.
echo wrong >passphrase
VARVE_KEY_FILE=$WORK/run/key assert_exit 0 varve -r "$WORK/run/repo" --passphrase-file passphrase completion --list snapshots >list 2>said
assert_eq "$(cat list said)" ''
# One line for each, whatever a path holds; the newest first; of damage not a word.
mkdir $'new\nline\there'
assert_exit 0 varve -r main backup $'new\nline\there' >/dev/null 2>&1
assert_exit 0 varve -r main completion --list snapshots >list
assert_eq "$(wc -l <list)" 3 "lines"
assert_eq "$(sed -n 3p list | cut -f 1)" "$id"
assert_eq "$(grep -c $'^[^\t]*\t[^\t]*$' list)" 3 "lines of two fields"
slot=$(find repo/snapshots -type f -printf '%s %p\n' | sort -n | tail -n 1 | cut -d ' ' -f 2)
chmod u+w "$slot"
printf 'damage' | dd of="$slot" bs=1 seek=100 conv=notrunc status=none
assert_exit 0 varve -r main completion --list snapshots >list 2>said
assert_eq "$(cat said)" ''
# A key that never comes: the alarm ends it.
mkfifo pipe
VARVE_COMPLETION_TIMEOUT=1 assert_exit 142 timeout 50 varve -r "$WORK/run/repo" --key-file pipe completion --list snapshots >list
assert_eq "$(cat list)" ''

# Wrong uses.
assert_exit 2 varve completion >/dev/null 2>said
assert_grep 'name a shell, or --list and what' said
assert_exit 2 varve completion tcsh >/dev/null 2>said
assert_grep "no completion for the shell 'tcsh'" said
assert_grep 'hint: there is one for bash, zsh and fish' said
assert_exit 2 varve completion bash --list jobs >/dev/null 2>&1
assert_exit 2 varve completion --list files >/dev/null 2>said
assert_grep 'is not one of: repositories, jobs, snapshots' said
assert_exit 2 varve completion bash --json >/dev/null 2>&1
