# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# examples/setup.sh: while PostgreSQL is installed, Debian is told to make no database cluster.  However that
# ends, it is taken back, and traps of the caller's own are run as ever.  With an apt-get of this test's own.
# labels: slow
need_command python3
cd "$WORK" || exit
mkdir tools
cat >tools/apt-get <<END
#!/bin/sh
cat "$WORK/etc/createcluster.conf" >"$WORK/seen" 2>/dev/null
echo "\$\$" >"$WORK/at-work.new" && mv "$WORK/at-work.new" "$WORK/at-work"
tries=0
while [ ! -e "$WORK/go-on" ] && [ \$tries -lt 600 ]; do
    sleep 0.05
    tries=\$((tries + 1))
done
echo ended >>"$WORK/apt-ended"
exit "\$(cat "$WORK/result")"
END
printf '#!/bin/sh\nexit 1\n' >tools/dpkg-query # nothing is installed
# shellcheck disable=SC2016 # the inner shell expands
printf '#!/bin/sh\n[ "$1" != -n ] || shift\nexec "$@"\n' >tools/sudo
chmod 755 tools/*
# caller TRAP...: a script that installs.
caller()
{
    cat >caller <<END
set -eu
top=$VARVE_SOURCE
. "\$top/examples/setup.sh"
cluster_config=$WORK/etc/createcluster.conf
$(printf '%s\n' "$@")
install_packages postgresql-15 tool
echo installed
END
}
# run SHELL SIGNAL WHOM [SECOND]: run it; once apt-get is at work, signal the script or its whole group; a
# second time, if told to.  Prints the exit code (negative: the number of the signal that ended it).
run()
{
    rm -rf etc seen at-work go-on apt-ended said
    mkdir etc
    PATH=$WORK/tools:$PATH TMPDIR=$WORK/tmp python3 - "$@" <<'END'
import os, signal, subprocess, sys, time
shell, name, whom = sys.argv[1:4]
def usual():
    for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(s, signal.SIG_DFL)
with open("said", "wb") as said:
    p = subprocess.Popen([shell, "caller"], stdin=subprocess.DEVNULL, stdout=said, stderr=said,
                         start_new_session=True, preexec_fn=usual)
for _ in range(600):
    if os.path.exists("at-work"):
        break
    time.sleep(0.05)
else:
    sys.exit("apt-get is not started")
if name == "none":
    open("go-on", "w").close()
else:
    number = getattr(signal, "SIG" + name)
    os.killpg(p.pid, number) if whom == "group" else os.kill(p.pid, number)
    if whom == "script":
        time.sleep(0.1)
        open("go-on", "w").close()
code = p.wait(60)
# What is left of its group ends by itself.
for _ in range(600):
    try:
        os.killpg(p.pid, 0)
    except ProcessLookupError:
        break
    time.sleep(0.05)
else:
    sys.exit("something of it goes on")
print(code)
END
}
# taken_back: it was said, and is not any more.
taken_back()
{
    assert_eq "$(cat seen)" 'create_main_cluster = false' "what apt-get has seen"
    if [ -e /usr/share/postgresql-common/createcluster.conf ]; then
        cmp etc/createcluster.conf /usr/share/postgresql-common/createcluster.conf >&2 || fail "not taken back"
    else
        refute_exists etc/createcluster.conf
    fi
}

echo 0 >result
for shell in sh bash; do
    # ---- undisturbed ----
    caller
    assert_eq "$(run $shell none -)" 0 "exit code"
    assert_grep '^installed$' said
    taken_back
    echo 100 >result
    assert_eq "$(run $shell none -)" 1 "exit code when apt-get fails"
    assert_grep 'installing packages failed' said
    taken_back
    echo 0 >result
    # ---- Ctrl-C, and what others send, for a caller with traps ----
    for signal in INT TERM; do
        caller "trap 'echo cleaned up' EXIT" "trap 'echo caught; exit 99' $signal"
        assert_eq "$(run $shell $signal group)" 99 "exit code after SIG$signal"
        assert_eq "$(grep -v '^Installing' said)" "caught
cleaned up" "what the caller does ($shell, $signal)"
        taken_back
        refute_exists apt-ended # it was interrupted, in fact
    done
    # The script alone: apt-get is not left half done.
    assert_eq "$(run $shell TERM script)" 99 "exit code"
    assert_eq "$(grep -v '^Installing' said)" "caught
cleaned up" "what the caller does ($shell, alone)"
    taken_back
    assert_exists apt-ended
    # ---- for one without ----
    for signal in INT HUP; do
        caller
        code=$(run $shell $signal group)
        assert_eq "$((code < 0 ? 128 - code : code))" "$((128 + $(kill -l $signal)))" "exit code after SIG$signal"
        refute_grep '^installed$|installing packages failed' said
        taken_back
    done
    code=$(run $shell TERM script)
    taken_back
done
# What was there before is not touched.
caller
sed -i 's,^install_packages,echo "create_main_cluster = true" >"$cluster_config"; &,' caller
assert_eq "$(run sh INT group)" -2
assert_eq "$(cat seen)" 'create_main_cluster = true'
assert_eq "$(cat etc/createcluster.conf)" 'create_main_cluster = true'
