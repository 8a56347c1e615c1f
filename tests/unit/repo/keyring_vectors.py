#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Vectors for test_keyring.c, from hashlib and a plain X25519 and SipHash: varve-format(5), "Keys"."""
import hashlib
import struct


def b2(key, *parts):
    return hashlib.blake2b(b"".join(parts), key=key, digest_size=32).digest()


def x25519_base(secret):
    """RFC 7748, the textbook ladder."""
    p = 2**255 - 19
    k = bytearray(secret)
    k[0] &= 248
    k[31] = (k[31] & 127) | 64
    k = int.from_bytes(k, "little")
    x1, x2, z2, x3, z3, swap = 9, 1, 0, 9, 1, 0
    for t in reversed(range(255)):
        bit = k >> t & 1
        if swap ^ bit:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swap = bit
        a, b = (x2 + z2) % p, (x2 - z2) % p
        aa, bb = a * a % p, b * b % p
        e = (aa - bb) % p
        c, d = (x3 + z3) % p, (x3 - z3) % p
        da, cb = d * a % p, c * b % p
        x3, z3 = (da + cb) ** 2 % p, x1 * (da - cb) ** 2 % p
        x2, z2 = aa * bb % p, e * (aa + 121665 * e) % p
    if swap:
        x2, z2 = x3, z3
    return (x2 * pow(z2, p - 2, p) % p).to_bytes(32, "little")


master = bytes(range(32))
repository = bytes(range(100, 116))


def sub(label, epoch=None):
    return b2(master, label, repository, b"" if epoch is None else struct.pack("<I", epoch))


def show(name, value):
    print('static const char %s[] = "%s";' % (name, value.hex()))


if __name__ == "__main__":
    for kind in ("data", "node", "list", "record"):
        show("id_" + kind, b2(sub(b"varve id " + kind.encode()), b"order 1"))
    show("index_key", sub(b"varve index"))
    chunker = sub(b"varve chunker")
    show("level_key", b2(chunker, b"varve level")[:16])
    show("gear_first", b2(chunker, b"varve gear", struct.pack("<I", 0)))
    show("gear_last", b2(chunker, b"varve gear", struct.pack("<I", 63)))
    show("local_key", b2(master, b"varve local", repository, b"state"))
    for epoch in (0, 7):
        show("epoch_public_%d" % epoch, x25519_base(sub(b"varve reader", epoch)))
        secret = bytes(range(200, 232))
        show("pack_key_%d" % epoch,
             b2(sub(b"varve writer", epoch), b"varve pack", secret, repository))
