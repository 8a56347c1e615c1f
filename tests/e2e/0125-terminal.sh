# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# labels: slow
# On a terminal: prompts without echo, recovery words, progress; and what Ctrl-C leaves behind.
on_terminal()
{
    python3 "$E2E/pty-run.py" "$@"
}
export VARVE_REPO=$PWD/repo

# Two passphrases that differ make nothing; equal ones do, and the words are shown.
assert_exit 11 on_terminal 'new passphrase for .*: ' 'one two\n' 'the same again: ' 'one three\n' \
    -- varve init >screen
assert_grep 'the two passphrases differ' screen
refute_grep 'one t' screen
refute_exists repo
assert_exit 0 on_terminal 'new passphrase' 'echo?' 'for .*: ' 'one two\n' 'the same again: ' \
    'one two\n' -- varve init >screen
assert_grep '<echo off>' screen
assert_grep '<echo at the end on>' screen
refute_grep 'one two' screen
assert_grep ' 1\. [a-z]+ .* 6\. [a-z]+' screen
assert_grep '19\. [a-z]+ .*24\. [a-z]+' screen
tr -d '\r' <screen | grep -E '^ +[0-9]+\. [a-z]' | tr -d '.0-9\n' | tr -s ' ' >words

# The words are shown on the terminal even if standard output is a file, and never in that file.
assert_exit 0 on_terminal --stdout init.out 'passphrase for .*: ' 'x y\n' 'again: ' 'x y\n' \
    -- varve -r "$PWD/repo2" init >screen
assert_grep '24\. [a-z]+' screen
refute_grep '24\. [a-z]+' init.out

# A wrong passphrase may be tried again; the third failure is exit 11.
assert_exit 0 on_terminal 'passphrase or recovery words for .*: ' 'wrong\n' 'try again[^:]*: ' \
    'one two\n' -- varve snapshots >screen
assert_exit 11 on_terminal ': ' 'a\n' 'try again[^:]*: ' 'b\n' 'try again[^:]*: ' 'c\n' \
    -- varve snapshots >screen
assert_grep 'key slots of this repository' screen

# The prompt takes the recovery words, in any case; a slip is pointed out.
assert_exit 0 on_terminal 'recovery words for .*: ' "$(cat words)"'\n' -- varve snapshots >screen
assert_exit 0 on_terminal 'recovery words for .*: ' "$(tr '[:lower:]' '[:upper:]' <words)"'\n' -- varve snapshots >screen
sed 's/[a-z]*$//; s/ *$//' words | sed 's/$/ zzzzzz/' >slip
assert_exit 130 on_terminal ': ' "$(cat slip)"'\n' 'try again[^:]*: ' '\x03' -- varve snapshots >screen
assert_grep 'zzzzzz' screen

# Ctrl-C at the prompt: 130, and the terminal echoes again.
assert_exit 130 on_terminal 'recovery words for .*: ' '\x03' -- varve snapshots >screen
assert_grep '<echo at the end on>' screen
# The end of input is no passphrase.
assert_exit 130 on_terminal 'recovery words for .*: ' '\x04' -- varve snapshots >screen

# Nobody is asked for a repository that is not there, nor without a terminal.
assert_exit 10 on_terminal -- varve -r "$PWD/nothing" snapshots >screen
assert_exit 11 varve snapshots 2>errors </dev/null
assert_grep 'no terminal to ask on' errors
assert_exit 11 on_terminal -- setsid -w varve snapshots >screen

# Progress: one line, redrawn, gone at the end; not with --quiet; results are not mixed with it.
mkdir source
random_file source/large 300000000
printf 'one two\n' >passphrase && chmod 600 passphrase
assert_exit 0 on_terminal --columns 60 --stdout summary -- \
    varve --passphrase-file passphrase backup --threads 1 source >screen
tr '\r' '\n' <screen | sed 's/\x1b\[K//g' >lines
assert_grep '^(starting|reading|committing): .* files' lines
awk 'length($0) > 60 && /files/ { print "too wide: " $0; bad = 1 } END { exit bad }' lines
refute_grep "$(printf '\033')" summary
assert_grep '^snapshot ' summary
assert_exit 0 on_terminal --stdout summary -- \
    varve --quiet --passphrase-file passphrase backup --full source >screen
refute_grep 'reading' screen
