#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""signal-after.py SIGNAL SECONDS OUTPUT ERRORS COMMAND...: run a command, signal it after a while.

Prints its exit code, and the milliseconds from the signal to its end: of processor time, and on the
clock.  Only the first says something about the command on a machine that is busy with others.
"""
import os
import signal
import sys
import time

TICK = 1000 / os.sysconf("SC_CLK_TCK")


def main():
    number = getattr(signal, "SIG" + sys.argv[1])
    child = os.fork()
    if child == 0:
        for path, to in ((sys.argv[3], 1), (sys.argv[4], 2)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666), to)
        os.execvp(sys.argv[5], sys.argv[5:])
    time.sleep(float(sys.argv[2]))
    with open("/proc/%d/stat" % child) as f:
        fields = f.read().rpartition(")")[2].split()
    used = (int(fields[11]) + int(fields[12])) * TICK
    started = time.monotonic()
    os.kill(child, number)
    _, status, usage = os.wait4(child, 0)
    ended = time.monotonic()
    total = (usage.ru_utime + usage.ru_stime) * 1000
    code = os.waitstatus_to_exitcode(status)
    print(code, max(0, round(total - used)), round((ended - started) * 1000))


main()
