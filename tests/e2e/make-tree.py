#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Make a directory tree to back up: the same one for the same seed.

Plainly: files of many sizes, empty and nested directories, links, a hole, odd names.  With
--torture also every other thing a file system holds, as far as this user may make it.
"""
import argparse
import os
import random
import struct
import socket
import subprocess
import sys

EPOCH = 1_600_000_000
FS_IOC_SETFLAGS = 0x40086602


def note(what, why):
    print("make-tree: without %s: %s" % (what, why), file=sys.stderr)


def attempt(what, function, *arguments, **named):
    """Make one thing that this user or file system may not allow."""
    try:
        function(*arguments, **named)
    except (OSError, subprocess.CalledProcessError) as e:
        note(what, e)


class Tree:
    def __init__(self, top, seed):
        self.top = os.fsencode(top)
        self.random = random.Random(seed)
        os.makedirs(self.top, exist_ok=True)

    def path(self, name):
        return self.top + b"/" + os.fsencode(name)

    def file(self, name, data, mode=0o644):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(data)
        os.chmod(path, mode)
        return path

    def text(self, size):
        words = [b"varve", b"sediment", b"layer", b"year", b"lake", b"clay", b"silt", b"spring"]
        out = b" ".join(self.random.choices(words, k=size // 5 + 1))
        return out[:size]

    def plain(self):
        r = self.random
        for size in (0, 1, 15, 16, 4095, 4096, 4097, 65536, 300_000):
            self.file("sizes/random-%d" % size, r.randbytes(size))
            self.file("sizes/text-%d" % size, self.text(size))
        self.file("sizes/large", r.randbytes(1_300_000) + self.text(700_000))
        for i in range(30):
            self.file("many/%02d/file-%02d" % (i % 5, i), self.text(r.randrange(1, 9000)))
        self.file("deep/a/b/c/d/e/f/g/leaf", b"leaf\n")
        self.file("modes/private", b"secret\n", 0o600)
        self.file("modes/run", b"#!/bin/sh\n", 0o755)
        self.file("modes/read-only", b"x", 0o444)
        for name in (b"with space", b"tab\there", b"new\nline", b"-dash", b"\xff\xfe not utf-8",
                     "größe".encode(), b"'quote\"", b"back\\slash", b"glob*[?]", b"." + b"n" * 254):
            self.file(b"names/" + name, name)
        # Order: 'a' is a directory, so its entries come before 'a.txt' although '.' < '/'.
        self.file("order/a/inside", b"1")
        self.file("order/a.txt", b"2")
        self.file("order/a0", b"3")
        os.makedirs(self.path("empty/directory"))
        os.symlink("sizes/text-16", self.path("link"))
        os.symlink("no/such/target", self.path("dangling"))
        os.symlink("deep", self.path("link-to-directory"))
        os.link(self.path("sizes/large"), self.path("hard-link"))
        os.link(self.path("sizes/text-15"), self.path("many/00/hard-link"))
        self.sparse("holes/middle", 1 << 20, [(0, 4096), (786_432, 4096)])

    def sparse(self, name, size, ranges):
        path = self.file(name, b"")
        with open(path, "r+b") as f:
            f.truncate(size)
            for start, length in ranges:
                f.seek(start)
                f.write(self.random.randbytes(length))

    def torture(self):
        self.sparse("holes/all", 3 << 20, [])
        self.sparse("holes/front", 2 << 20, [(1 << 20, 65536)])
        self.sparse("holes/tail", (2 << 20) + 17, [(0, 65536)])
        self.sparse("holes/many", 8 << 20, [(i << 18, 4096) for i in range(0, 32, 2)])
        attempt("a file of 5 GiB", self.sparse, "holes/five-gigabytes", 5 << 30,
                [(0, 4096), ((4 << 30) + 8192, 4096), ((5 << 30) - 4096, 4096)])
        path = self.file("holes/zeros-written", b"\0" * 300_000)
        os.chmod(path, 0o640)
        os.mkfifo(self.path("fifo"), 0o620)
        os.link(self.path("fifo"), self.path("fifo-hard-link"))
        self.socket("socket")
        os.symlink(b"x" * 4000, self.path("long-link"))
        os.symlink(b"\xff\n", self.path("odd-link"))
        os.link(self.path("odd-link"), self.path("odd-link-hard-link"), follow_symlinks=False)
        for bits in (0o4755, 0o2755, 0o6711, 0o1777, 0o000, 0o7777):
            self.file("modes/%04o" % bits, b"bits\n")
            os.chmod(self.path("modes/%04o" % bits), bits)
        os.makedirs(self.path("modes/sticky"))
        os.chmod(self.path("modes/sticky"), 0o3777)
        os.makedirs(self.path("modes/no-write"))
        self.file("modes/no-write/inside", b"inside")
        os.chmod(self.path("modes/no-write"), 0o555)
        for byte in range(1, 256):
            if byte != 0x2f:
                self.file(b"bytes/" + bytes([byte, 0x78]), b"")
        self.long_path()
        self.xattrs()
        self.acls()
        if os.geteuid() == 0:
            self.privileged()

    def socket(self, name):
        here = os.getcwd()
        os.chdir(self.top)
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(name)
        os.chdir(here)

    def long_path(self):
        """A file whose path is some 6000 bytes: over PATH_MAX, reached step by step."""
        step = b"long-" + b"p" * 195
        fd = os.open(self.top, os.O_RDONLY | os.O_DIRECTORY)
        for _ in range(30):
            os.mkdir(step, dir_fd=fd)
            below = os.open(step, os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)
            os.close(fd)
            fd = below
        leaf = os.open(b"leaf", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=fd)
        os.write(leaf, b"at the end of a long path\n")
        os.close(leaf)
        os.close(fd)

    def xattrs(self):
        path = self.file("xattr/file", b"x")
        attempt("xattrs", os.setxattr, path, "user.text", b"value")
        attempt("xattrs", os.setxattr, path, "user.binary", bytes(range(256)))
        attempt("empty xattrs", os.setxattr, path, "user.empty", b"")
        path = self.file("xattr/large", b"x")
        attempt("large xattrs", os.setxattr, path, "user.large", self.random.randbytes(2000))
        attempt("large xattrs", os.setxattr, path, "user.second", self.random.randbytes(1500))
        attempt("xattrs of directories", os.setxattr, self.path("xattr"), "user.dir", b"d")

    def acls(self):
        self.file("acl/file", b"x")
        os.makedirs(self.path("acl/directory"), exist_ok=True)

        def setfacl(*words):
            subprocess.run([b"setfacl", *words], check=True, stderr=subprocess.DEVNULL)
        attempt("ACLs", setfacl, b"-m", b"u:1234:rw,g:2345:r", self.path("acl/file"))
        attempt("ACLs", setfacl, b"-m", b"d:u:1234:rwx,d:g::r-x", self.path("acl/directory"))

    def privileged(self):
        attempt("char devices", os.mknod, self.path("null"), 0o20666, os.makedev(1, 3))
        attempt("block devices", os.mknod, self.path("loop"), 0o60660, os.makedev(7, 250))
        attempt("trusted xattrs", os.setxattr, self.path("xattr/file"), "trusted.varve", b"t")
        attempt("xattrs of links", os.setxattr, self.path("link"), "trusted.link", b"l",
                follow_symlinks=False)
        # cap_net_raw=ep, version 2
        cap = struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0)
        path = self.file("capability", b"\x7fELF", 0o755)
        attempt("capabilities", os.setxattr, path, "security.capability", cap)
        for uid, gid in ((1234, 2345), (0, 65534), (4_000_000_000, 4_000_000_001)):
            path = self.file("owners/%d" % uid, b"owned")
            os.chown(path, uid, gid)
        os.chown(self.path("dangling"), 1234, 2345, follow_symlinks=False)
        for letter in "iadAS":
            path = self.file("flags/%s" % letter, b"flagged")
            self.chattr(letter, path)
        path = self.path("flags/directory")
        os.makedirs(path)
        self.chattr("A", path)

    def chattr(self, letter, path):
        """Left for the end: a time cannot be set on an immutable file."""
        self.late = getattr(self, "late", []) + [(letter, path)]

    def finish(self):
        """Fixed times, children before their directories; then the flags that forbid changes."""
        for directory, subdirectories, files, fd in os.fwalk(self.top, topdown=False):
            for name in files + subdirectories:
                ns = (EPOCH + self.random.randrange(10**8)) * 10**9 + self.random.randrange(10**9)
                os.utime(name, ns=(ns, ns), dir_fd=fd, follow_symlinks=False)
        old = self.path("old")
        if os.path.exists(self.path("fifo")):
            self.file("old", b"before the epoch\n")
            os.utime(old, ns=(-123_456_789, -123_456_789))
        for letter, path in getattr(self, "late", []):
            def run():
                subprocess.run([b"chattr", b"+" + letter.encode(), path], check=True,
                               stderr=subprocess.DEVNULL)
            attempt("flag " + letter, run)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--torture", action="store_true")
    parser.add_argument("directory")
    options = parser.parse_args()
    os.umask(0o022)
    tree = Tree(options.directory, options.seed)
    tree.plain()
    if options.torture:
        tree.torture()
    tree.finish()


if __name__ == "__main__":
    main()
