#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Print everything a backup must bring back about each entry below a directory, one line each.

Two trees are equal if their descriptions are.  It knows nothing of varve: names are walked relative
to descriptors (paths may exceed PATH_MAX), attributes are read with the plain system calls.
"""
import argparse
import array
import errno
import fcntl
import hashlib
import os
import stat
import sys

FS_IOC_GETFLAGS = 0x80086601
# What chattr sets; the rest (extents, inline data, encryption) belongs to the file system.
FLAGS = {0x1: "s", 0x2: "u", 0x4: "c", 0x8: "S", 0x10: "i", 0x20: "a", 0x40: "d", 0x80: "A",
         0x4000: "j", 0x8000: "t", 0x10000: "D", 0x20000: "T", 0x00800000: "C"}
KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "dir", stat.S_IFLNK: "link", stat.S_IFIFO: "fifo",
         stat.S_IFSOCK: "socket", stat.S_IFCHR: "char", stat.S_IFBLK: "block"}


def quote(name):
    return "".join(chr(b) if 33 <= b < 127 and b != 92 else "\\x%02x" % b for b in name)


def inode_flags(fd):
    value = array.array("L", [0])
    try:
        fcntl.ioctl(fd, FS_IOC_GETFLAGS, value, True)
    except OSError:
        return "?"
    return "".join(letter for bit, letter in FLAGS.items() if value[0] & bit) or "-"


def data_map(fd, size):
    """Ranges that hold data, as the file system tells them."""
    ranges, at = [], 0
    while at < size:
        try:
            start = os.lseek(fd, at, os.SEEK_DATA)
        except OSError as e:
            if e.errno == errno.ENXIO:
                break
            raise
        at = os.lseek(fd, start, os.SEEK_HOLE)
        ranges.append("%d-%d" % (start, at))
    return ",".join(ranges) or "none"


BLOCK = 1 << 20
ZEROS = bytes(BLOCK)


def content(fd, size):
    """A digest of the bytes, wherever the holes are: of every block that is not all zeros, with its
    number.  Holes are not read: of a file with gigabytes of them that would take longest."""
    digest, number = hashlib.sha256(b"%d" % size), 0
    while number * BLOCK < size:
        try:
            number = max(number, os.lseek(fd, number * BLOCK, os.SEEK_DATA) // BLOCK)
        except OSError as e:
            if e.errno == errno.ENXIO:
                break
            raise
        data = b""
        while len(data) < BLOCK and (more := os.pread(fd, BLOCK - len(data), number * BLOCK + len(data))):
            data += more
        if data != ZEROS[:len(data)]:
            digest.update(b"%d " % number)
            digest.update(data)
        number += 1
    return digest.hexdigest()[:32]


def attributes(parent, name, st, fd):
    """Extended attributes, ACLs and capabilities among them; a link's own, not its target's."""
    path = "/proc/self/fd/%d/" % parent
    path = path.encode() + name if fd is None else fd
    try:
        follow = {} if fd is not None else {"follow_symlinks": False}
        names = sorted(os.listxattr(path, **follow))
        return [(n, os.getxattr(path, n, **follow)) for n in names]
    except OSError as e:
        if e.errno in (errno.ENOTSUP, errno.EPERM, errno.EACCES):
            return []
        raise


class Describer:
    def __init__(self, options):
        self.options = options
        self.links = {}

    def line(self, path, parent, name, st):
        o, kind = self.options, KINDS[stat.S_IFMT(st.st_mode)]
        words = [quote(path), kind]
        if kind != "link":
            words.append("mode=%04o" % stat.S_IMODE(st.st_mode))
        if not o.no_owner:
            words.append("owner=%d:%d" % (st.st_uid, st.st_gid))
        if not o.no_mtime:
            words.append("mtime=%d" % st.st_mtime_ns)
        if kind in ("char", "block"):
            words.append("device=%d:%d" % (os.major(st.st_rdev), os.minor(st.st_rdev)))
        if kind == "link":
            words.append("to=" + quote(os.readlink(name, dir_fd=parent)))
        if kind != "dir" and st.st_nlink > 1 and not o.no_links:
            key = (st.st_dev, st.st_ino)
            first = self.links.setdefault(key, path)
            words.append("links=%d first=%s" % (st.st_nlink, quote(first)))
        fd = None
        try:
            if kind in ("file", "dir"):
                fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=parent)
            if kind == "file":
                words.append("size=%d content=%s" % (st.st_size, content(fd, st.st_size)))
                if not o.no_holes:
                    words.append("data=" + data_map(fd, st.st_size))
            if fd is not None and not o.no_flags:
                words.append("flags=" + inode_flags(fd))
            if not o.no_xattr:
                for key, value in attributes(parent, name, st, fd):
                    words.append("%s=%s" % (quote(os.fsencode(key)), value.hex()))
        except PermissionError:
            words.append("unreadable")
        finally:
            if fd is not None:
                os.close(fd)
        print(" ".join(words))

    def walk(self, directory, path):
        """Depth first with an explicit stack of descriptors: nesting has no limit but open files."""
        for name in sorted(os.fsencode(n) for n in os.listdir(directory)):
            st = os.stat(name, dir_fd=directory, follow_symlinks=False)
            below = path + b"/" + name if path else name
            if stat.S_ISSOCK(st.st_mode):
                continue
            self.line(below, directory, name, st)
            if stat.S_ISDIR(st.st_mode):
                try:
                    fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW,
                                 dir_fd=directory)
                except PermissionError:
                    continue
                self.walk(fd, below)
                os.close(fd)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for what in ("owner", "mtime", "holes", "flags", "xattr", "links"):
        parser.add_argument("--no-" + what, action="store_true")
    parser.add_argument("directory")
    options = parser.parse_args()
    sys.setrecursionlimit(100000)
    fd = os.open(options.directory, os.O_RDONLY | os.O_DIRECTORY)
    Describer(options).walk(fd, b"")


if __name__ == "__main__":
    main()
