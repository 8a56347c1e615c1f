#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Print the frozen cut points of test_chunker.c, from the text of chunker.h alone."""
M = 2**64 - 1
state = 0


def splitmix64():
    global state
    state = (state + 0x9E3779B97F4A7C15) & M
    z = state
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & M
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & M
    return z ^ (z >> 31)


table_bytes = bytes(splitmix64() & 255 for _ in range(2048))
data = bytes(splitmix64() & 255 for _ in range(65536))
table = [int.from_bytes(table_bytes[8 * i:8 * i + 8], "little") for i in range(256)]
MIN, MAX, THRESHOLD = 2048, 8192, 1 << 52

cuts = []
start = 0
while start < len(data):
    h = 0
    length = 0
    for byte in data[start:start + MAX]:
        if length >= MIN - 64:
            h = ((h << 1) + table[byte]) & M
        length += 1
        if length >= MIN and h < THRESHOLD:
            break
    start += length
    cuts.append(start)
print(", ".join(map(str, cuts)))
