# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# labels: plain
# examples/: what is written out there is what 'schedule install' makes of its configuration.
unset VARVE_REPO VARVE_KEY_FILE VARVE_STATE_DIR VARVE_CACHE_DIR
cd "$WORK" || exit
examples=$VARVE_SOURCE/examples
# A checkout may give everything to a group.
cp "$examples/varve.conf" varve.conf
chmod 600 varve.conf

# as_installed: as it is with the program in /usr/bin and the configuration at its place.
as_installed()
{
    sed "s,$WORK/bin/varve --config=$WORK/varve.conf,/usr/bin/varve,
        s,$WORK/bin/varve,/usr/bin/varve,"
}
mkdir empty
for manager in systemd crontab; do
    assert_exit 0 varve --config varve.conf schedule install "--$manager" --directory empty \
        --dry-run >"$manager.out"
done
# Each file behind a line with its name, and an empty line behind it.
for file in "$examples"/systemd/*; do
    printf '# would be written: empty/%s\n' "$(basename "$file")"
    cat "$file"
    printf '\n'
done >want
as_installed <systemd.out | diff -u want -
{
    printf '# would be written: empty/varve\n'
    cat "$examples/crontab"
    printf '\n'
} >want
as_installed <crontab.out | diff -u want -
assert_eq "$(find "$examples/systemd" -name '*.timer' | wc -l)" 2 "timers"
