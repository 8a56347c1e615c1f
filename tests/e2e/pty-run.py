#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""pty-run.py [--columns N] [--stdout FILE] [EXPECT SEND]... -- COMMAND...: run a command on a terminal
of its own.

Waits for each EXPECT (a regular expression over what was printed since the last one), then types
SEND (\\n is Enter, \\x03 Ctrl-C).  "echo?" instead of SEND prints whether the terminal echoes, and
types nothing.  What the command printed goes to standard output, its exit code is ours (128 +
signal).  Gives up, with 124, when an EXPECT does not come within 60 s.
"""
import fcntl
import os
import pty
import re
import select
import struct
import sys
import termios
import time


def main():
    args = sys.argv[1:]
    columns, stdout = 80, None
    while args and args[0].startswith("--") and args[0] != "--":
        name, value = args[0], args[1]
        args = args[2:]
        if name == "--columns":
            columns = int(value)
        elif name == "--stdout":
            stdout = value
    split = args.index("--")
    steps, command = args[:split], args[split + 1:]
    pid, fd = pty.fork()
    if pid == 0:
        if stdout is not None:
            os.dup2(os.open(stdout, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), 1)
        os.environ["TERM"] = "xterm"
        os.execvp(command[0], command)
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    seen, done = b"", 0
    end = time.monotonic() + 60
    notes = []
    while True:
        if steps:
            match = re.search(steps[0].encode(), seen[done:])
            if match:
                done += match.end()
                if steps[1] == "echo?":
                    time.sleep(0.05)
                    echo = termios.tcgetattr(fd)[3] & termios.ECHO
                    notes.append("<echo %s>" % ("on" if echo else "off"))
                else:
                    # The prompt discards what was typed before it.
                    time.sleep(0.1)
                    os.write(fd, steps[1].encode().decode("unicode_escape").encode("latin-1"))
                steps = steps[2:]
                continue
        if time.monotonic() > end:
            sys.stderr.write("pty-run.py: waited in vain for '%s'\n" % (steps[0] if steps else "end"))
            os.kill(pid, 9)
            break
        ready, _, _ = select.select([fd], [], [], 0.2)
        if ready:
            try:
                data = os.read(fd, 65536)
            except OSError:
                data = b""
            if not data:
                break
            seen += data
    try:
        echo = termios.tcgetattr(fd)[3] & termios.ECHO
        notes.append("<echo at the end %s>" % ("on" if echo else "off"))
    except termios.error:
        pass
    sys.stdout.buffer.write(seen + b"\n" + "\n".join(notes).encode() + b"\n")
    _, status = os.waitpid(pid, 0)
    if time.monotonic() > end:
        return 124
    return os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


if __name__ == "__main__":
    sys.exit(main())
