#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""sftp-attack.py DIRECTORY COMMAND...: try to change what is stored, with plain SFTP packets.

COMMAND is run and spoken to as an SFTP server (`ssh -s HOST sftp`).  Every request of version 3 and
every extension the server offers is tried, with every combination of flags that opens for writing,
on each object below DIRECTORY; then names are squatted and files planted.  Prints one line for each
request the server granted that could have changed something stored, and at the end how many were
tried; exit code 0.  Whoever calls compares what is stored before and after.
"""
import os
import struct
import subprocess
import sys

INIT, VERSION, OPEN, CLOSE, READ, WRITE = 1, 2, 3, 4, 5, 6
LSTAT, FSTAT, SETSTAT, FSETSTAT, OPENDIR, READDIR = 7, 8, 9, 10, 11, 12
REMOVE, MKDIR, RMDIR, REALPATH, STAT, RENAME, READLINK, SYMLINK = 13, 14, 15, 16, 17, 18, 19, 20
STATUS, HANDLE, DATA, NAME, ATTRS, EXTENDED, EXTENDED_REPLY = 101, 102, 103, 104, 105, 200, 201
F_READ, F_WRITE, F_APPEND, F_CREAT, F_TRUNC, F_EXCL = 1, 2, 4, 8, 16, 32


def text(b):
    return struct.pack(">I", len(b)) + b


class Server:
    def __init__(self, command):
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.number = 0
        self.tried = 0
        self.last = b""
        answer = self.exchange(bytes([INIT]) + struct.pack(">I", 3))
        if answer[0] != VERSION:
            raise SystemExit("no SFTP server: %r" % answer[:40])
        self.extensions, at = [], 5
        while at < len(answer):
            name, at = self.take(answer, at)
            _, at = self.take(answer, at)
            self.extensions.append(name)

    @staticmethod
    def take(data, at):
        size = struct.unpack_from(">I", data, at)[0]
        return data[at + 4:at + 4 + size], at + 4 + size

    def exchange(self, packet):
        self.child.stdin.write(text(packet))
        self.child.stdin.flush()
        head = self.child.stdout.read(4)
        if len(head) < 4:
            raise SystemExit("the server ended the connection after %r" % self.last)
        return self.child.stdout.read(struct.unpack(">I", head)[0])

    def request(self, kind, payload):
        self.number += 1
        self.tried += 1
        self.last = bytes([kind]) + payload[:100]
        return self.exchange(bytes([kind]) + struct.pack(">I", self.number) + payload)

    @staticmethod
    def granted(answer):
        return answer[0] != STATUS or struct.unpack_from(">I", answer, 5)[0] == 0

    def open(self, path, flags, mode=0o400):
        answer = self.request(OPEN, text(path) + struct.pack(">III", flags, 4, mode))
        return self.take(answer, 5)[0] if answer[0] == HANDLE else None

    def close(self, handle):
        self.request(CLOSE, text(handle))

    def names(self, path):
        answer = self.request(OPENDIR, text(path))
        if answer[0] != HANDLE:
            return
        handle = self.take(answer, 5)[0]
        while True:
            answer = self.request(READDIR, text(handle))
            if answer[0] != NAME:
                break
            count, at = struct.unpack_from(">I", answer, 5)[0], 9
            for _ in range(count):
                name, at = self.take(answer, at)
                _, at = self.take(answer, at)
                flags = struct.unpack_from(">I", answer, at)[0]
                at += 4 + (8 if flags & 1 else 0) + (8 if flags & 2 else 0)
                mode = struct.unpack_from(">I", answer, at)[0] if flags & 4 else 0
                at += (4 if flags & 4 else 0) + (8 if flags & 8 else 0)
                if name not in (b".", b".."):
                    yield path + b"/" + name, mode
        self.close(handle)

    def walk(self, path):
        for name, mode in list(self.names(path)):
            yield name, mode & 0o170000 == 0o040000
            if mode & 0o170000 == 0o040000:
                yield from self.walk(name)


def attack_file(server, path, other, report):
    """Everything that could change ${path}; ${other} is a file of the attacker's own."""
    size_zero = struct.pack(">IQ", 1, 0)
    mode_open = struct.pack(">II", 4, 0o666)
    for flags in range(64):
        if not flags & (F_WRITE | F_APPEND | F_TRUNC):
            continue
        handle = server.open(path, flags)
        if handle is None:
            continue
        wrote = server.granted(server.request(WRITE, text(handle) + struct.pack(">Q", 0) +
                                              text(b"destroyed")))
        if wrote or flags & (F_TRUNC | F_WRITE):
            report(path, "open with flags %#x%s" % (flags, " and write" if wrote else ""))
        server.close(handle)
    handle = server.open(path, F_READ)
    if handle is not None:
        for what, payload in (("size", size_zero), ("mode", mode_open)):
            if server.granted(server.request(FSETSTAT, text(handle) + payload)):
                report(path, "fsetstat " + what)
        if server.granted(server.request(WRITE, text(handle) + struct.pack(">Q", 0) + text(b"x"))):
            report(path, "write to a handle opened for reading")
        own = server.open(other, F_READ)
        if own is not None and b"copy-data" in server.extensions and server.granted(server.request(
                EXTENDED, text(b"copy-data") + text(own) + struct.pack(">QQ", 0, 0) +
                text(handle) + struct.pack(">Q", 0))):
            report(path, "copy-data")
        if own is not None:
            server.close(own)
        server.close(handle)
    for what, payload in (("size", size_zero), ("mode", mode_open)):
        if server.granted(server.request(SETSTAT, text(path) + payload)):
            report(path, "setstat " + what)
        if server.granted(server.request(EXTENDED, text(b"lsetstat@openssh.com") + text(path) +
                                         payload)):
            report(path, "lsetstat " + what)
    pairs = ((RENAME, text(other) + text(path), "rename over it"),
             (RENAME, text(path) + text(path + b".moved"), "rename it"),
             (SYMLINK, text(other) + text(path), "symlink over it"),
             (REMOVE, text(path), "remove"), (RMDIR, text(path), "rmdir"),
             (MKDIR, text(path) + struct.pack(">I", 0), "mkdir"))
    for kind, payload, what in pairs:
        if server.granted(server.request(kind, payload)):
            report(path, what)
    for name in (b"posix-rename@openssh.com", b"hardlink@openssh.com"):
        if server.granted(server.request(EXTENDED, text(name) + text(other) + text(path))):
            report(path, name.decode() + " over it")
    if server.granted(server.request(EXTENDED, text(b"posix-rename@openssh.com") + text(path) +
                                     text(path + b".moved"))):
        report(path, "posix-rename it")


def attack_directory(server, path, report):
    for kind, payload, what in ((RMDIR, text(path), "rmdir"), (REMOVE, text(path), "remove"),
                                (RENAME, text(path) + text(path + b".moved"), "rename"),
                                (SETSTAT, text(path) + struct.pack(">II", 4, 0), "setstat mode")):
        if server.granted(server.request(kind, payload)):
            report(path, what)


def plant(server, path, data):
    handle = server.open(path, F_WRITE | F_CREAT | F_EXCL)
    if handle is None:
        return False
    server.request(WRITE, text(handle) + struct.pack(">Q", 0) + text(data))
    server.close(handle)
    return True


def main():
    directory = os.fsencode(sys.argv[1])
    server = Server(sys.argv[2:])
    found = []

    def report(path, what):
        found.append(path)
        print("granted: %s: %s" % (os.fsdecode(path), what))
    objects = list(server.walk(directory))
    if len(objects) < 20:
        raise SystemExit("only %d objects to attack" % len(objects))
    own = directory + b"/tmp/attacker"
    plant(server, own, b"attacker")
    for path, is_directory in objects:
        if is_directory:
            attack_directory(server, path, report)
        else:
            attack_file(server, path, own, report)
    # Unknown extensions, and those offered that are not above, with a stored path as argument.
    for name in server.extensions:
        if name in (b"posix-rename@openssh.com", b"hardlink@openssh.com", b"copy-data"):
            continue
        try: # some servers end over what does not parse
            Server(sys.argv[2:]).request(EXTENDED, text(name) + text(objects[-1][0]) +
                                         struct.pack(">II", 4, 0))
        except SystemExit:
            pass
    # What a thief may do: plant files.  Garbage under a right looking name of a pack, forged lists.
    garbage = b"varve garbage " * 2000
    digits = b"00" + b"ab" * 31
    planted = [b"/packs/00/" + digits + b"-" + b"cd" * 16, b"/condemned/" + b"12" * 16,
               b"/snapshots/" + b"34" * 16, b"/index/" + b"56" * 32, b"/admin/grave-" + b"78" * 16,
               b"/keys/" + b"9a" * 8 + b"-a", b"/sessions/" + b"bc" * 16]
    for name in planted:
        print("planted: %s: %s" % (os.fsdecode(name), plant(server, directory + name, garbage)))
    print("%d requests, extensions: %s" % (server.tried, b" ".join(server.extensions).decode()))
    server.child.stdin.close()
    server.child.wait()


if __name__ == "__main__":
    main()
