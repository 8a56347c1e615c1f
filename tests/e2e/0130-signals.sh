# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# labels: serial
# SIGINT and SIGTERM stop a run within a second, with 130; the next command needs nothing.
new_repo
mkdir source
random_file source/large 400000000

# stop SIGNAL DELAY: start a backup, signal it, look at code and time.
stop()
{
    local code processor clock
    read -r code processor clock < <(python3 "$E2E/signal-after.py" "$1" "$2" output errors \
        "$VARVE" backup --threads 1 --compression 19 source)
    # It may have been done before, or not begun (and died of the signal, on a busy machine).
    case $code in
    0 | -2 | -15) ;;
    *) assert_eq "$code" 130 "exit code after $1" ;;
    esac
    assert_le "$processor" 1500 "milliseconds of work until it was gone"
    assert_le "$clock" 60000 "milliseconds until it was gone"
    if [ "$code" = 130 ]; then
        assert_grep '^varve: interrupted' errors
        interrupted=$((interrupted + 1))
    fi
}
interrupted=0
for delay in 0.05 0.2 0.4; do
    stop INT "$delay"
    stop TERM "$delay"
    assert_exit 0 varve snapshots >/dev/null
done
assert_ge "$interrupted" 1 "runs that were interrupted"

# As JSON the error is there, too.
varve --json backup --threads 1 --compression 19 --full source >output.json 2>errors &
pid=$!
sleep 0.3
kill -INT "$pid" 2>/dev/null || true
code=0
wait "$pid" || code=$?
if [ "$code" = 130 ]; then
    assert_eq "$(json output.json 'd["error"]["code"]')" cancelled
fi

# Afterwards everything is as it should be, without any repair.
assert_exit 0 varve -q backup source
assert_exit 0 varve verify --data >/dev/null
assert_exit 0 varve restore "latest:$PWD/source" --target back >/dev/null
cmp source/large back/large
