#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""make-wal.py DIRECTORY FIRST COUNT [--system N] [--timeline N]: segments of WAL of 1 MiB as no server has
written them: each begins with the page that its name asks for, and goes on with its own number.  Prints the
names."""
import argparse
import os
import struct

SIZE = 1 << 20

a = argparse.ArgumentParser()
a.add_argument("directory")
a.add_argument("first", type=int)
a.add_argument("count", type=int)
a.add_argument("--system", type=int, default=7777777777)
a.add_argument("--timeline", type=int, default=1)
o = a.parse_args()
for number in range(o.first, o.first + o.count):
    # magic of PostgreSQL 15, long header, timeline, address, nothing left over, system, sizes
    head = struct.pack("<HHIQIIQII", 0xD110, 2, o.timeline, number * SIZE, 0, 0, o.system, SIZE, 8192)
    name = "%08X%08X%08X" % (o.timeline, number // 4096, number % 4096)
    with open(os.path.join(o.directory, name), "wb") as f:
        f.write(head)
        f.write(struct.pack("<Q", number) * ((SIZE - len(head)) // 8))
    print(name)
