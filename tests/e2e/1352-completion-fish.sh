# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# labels: slow
# Completion in fish: what fish itself says it would offer.
command -v fish >/dev/null || skip "there is no fish"
# shellcheck source=tests/e2e/completion.sh
. "$E2E/completion.sh"
completion_world
export XDG_CONFIG_HOME=$WORK/config XDG_DATA_HOME=$WORK/share

assert_exit 0 varve completion fish >varve.fish
fish --no-config -n varve.fish

cat >driver.fish <<'END'
source ./varve.fish
while read -l line
    echo "== $line"
    complete -C "$line"
end
END
# offered LINE...: what fish offers for each line, and what it says of that.
offered()
{
    printf '%s\n' "$@" | fish --no-config driver.fish
}
# assert_offered LINE WORD...: these and nothing else.
assert_offered()
{
    assert_eq "$(offered "$1" | tail -n +2 | cut -f 1 | sort | tr '\n' ' ')" \
        "$(printf '%s\n' "${@:2}" | sed '/^$/d' | sort | tr '\n' ' ')" "offers for '$1'"
}

# Every command and every option at its place.  For "-" fish shows short options, for "--" long ones.
# shellcheck disable=SC2046 # words are wanted
assert_offered 'varve ' $(commands_of)
# shellcheck disable=SC2046
assert_offered 'varve key ' $(commands_of key)
places >all-places
sed 's/.*/varve & --\nvarve & -/' all-places | fish --no-config driver.fish | awk '
    /^== / { place = $0; sub(/^== varve /, "", place); sub(/ --?$/, "", place); next }
    /^-/ { sub(/\t.*/, ""); sub(/=$/, ""); print place "\t" $0 }' >got
assert_options got
offered 'varve restore --no-v' >list
assert_grep "^--no-verify	do not read back what was written$" list

assert_offered 'varve -r backup res' restore
assert_offered 'varve export latest --format ' tar zip
assert_offered 'varve export latest --format=t' --format=tar
assert_offered 'varve completion ' bash fish zsh
assert_offered 'varve -r s' site
assert_offered 'varve replicate --to=si' --to=site
assert_offered 'varve run web we' web well
assert_offered "varve -r main restore ${id:0:3}" "$id"
assert_offered "varve -rmain restore ${id:0:3}" "$id"
assert_offered "varve --repo=main diff latest ${id:0:3}" "$id"
assert_offered "varve -r main diff latest latest ${id:0:3}" ''
assert_offered "varve -r main snapshots --accept ${id:0:3}" "$id"
assert_offered 'varve -r main verify latest late' latest
assert_offered 'varve -r asking restore ' ''
assert_offered 'varve -r site restore ' ''
printf '[repository other]\nurl = /nowhere\n' >~/home.conf
assert_offered 'varve --config ~/home.conf -r ot' other
assert_offered 'varve --config=~/home.conf -r ot' other
assert_offered 'varve backup --threads ' ''
offered 'varve -r main restore ' >list
assert_grep "^$id	[0-9-]+ [0-9:]+.* /.*/data$" list
mkdir -p tree/directory
touch tree/file
assert_offered 'varve backup tree/' tree/directory/ tree/file
assert_offered 'varve restore latest --target tree/' tree/directory/
assert_offered 'varve wal get tree/f' ''
assert_offered 'varve wal get 000000010000000000000001 tree/f' tree/file
assert_offered 'varve backup -- tree/f' tree/file
assert_offered "varve -r main diff -- -x ${id:0:3}" "$id"
assert_offered "varve -r main diff -- latest -x ${id:0:3}" ''
assert_offered "varve -r main diff -- --host ${id:0:3}" "$id"
nothing_was_run
