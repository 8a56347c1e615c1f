#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""signal-after.py SIGNAL SECONDS OUTPUT ERRORS COMMAND...: run a command, signal it after a while.

Prints its exit code, and the milliseconds from the signal to its end: of processor time, and on the
clock.  Only the first says something about the command on a machine that is busy with others.
"""
import os
import signal
import subprocess
import sys
import time

TICK = 1000 / os.sysconf("SC_CLK_TCK")


def main():
    number = getattr(signal, "SIG" + sys.argv[1])
    with open(sys.argv[3], "wb") as output, open(sys.argv[4], "wb") as errors:
        # Returns once the command has been executed.
        child = subprocess.Popen(sys.argv[5:], stdout=output, stderr=errors).pid
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
    # Nobody waits for it any more.
    sys.stdout.write("%d %d %d\n" % (code, max(0, round(total - used)), round((ended - started) * 1000)))


main()
