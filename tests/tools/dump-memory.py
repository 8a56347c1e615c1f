#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""dump-memory.py PID FILE: every readable byte of a stopped process, also what is excluded from core
dumps (needs root, since varve makes itself non-dumpable)."""
import sys

pid, path = sys.argv[1:]
total = 0
with open(f"/proc/{pid}/maps", encoding="ascii", errors="replace") as maps, \
        open(f"/proc/{pid}/mem", "rb", buffering=0) as memory, open(path, "wb") as out:
    for line in maps:
        area, rights, _, _, inode = line.split()[:5]
        if rights[0] != "r" or (rights[1] != "w" and inode != "0") or "[v" in line:
            continue  # unreadable; a file's own bytes; the kernel's
        start, end = (int(part, 16) for part in area.split("-"))
        memory.seek(start)
        left = end - start
        while left > 0:
            try:
                data = memory.read(min(left, 1 << 20))
            except OSError:
                break
            if not data:
                break
            out.write(data)
            left -= len(data)
            total += len(data)
print(total)
