#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Read a varve repository without varve.

Written from the manual page varve-format(5) alone, to be read next to it, short rather than fast.
Needs Debian's python3-nacl, python3-cryptography, python3-zstandard; for recovery words that page.

Exit code: 0 all is well; 1 what was named on standard error is damaged or could not be made, the
rest was done; 2 nothing could be done.
"""
import argparse
import collections
import contextlib
import fcntl
import functools
import glob
import grp
import hashlib
import mmap
import os
import pwd
import re
import resource
import stat
import struct
import sys
import time
import types

import nacl.bindings
import nacl.exceptions
import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from nacl.public import PrivateKey, SealedBox
from nacl.signing import VerifyKey

KIB, MIB = 1 << 10, 1 << 20
DATA, NODE, LIST, RECORD = 1, 2, 3, 4  # types of chunks
PASSPHRASE, KEY_FILE, WORDS = 1, 2, 3  # types of key slots
FILE, DIRECTORY, SYMLINK, FIFO, CHARACTER, BLOCK = range(1, 7)  # types of entries
FILE_TYPE = (None, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR,
             stat.S_IFBLK)
TORN, MAY_CHANGE, NO_OWNER, IMPLIED = 1 << 9, 1 << 10, 1 << 11, 1 << 12  # flags of entries
FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, INODE_FLAGS = 0x80086601, 0x40086602, 0x2083c4fc
ALONE = os.O_NOFOLLOW | os.O_CLOEXEC
ADMIN = "certificate revocation epoch grave suspect forget forget pin listed accepted".split()
AEAD = {1: AESGCM, 2: ChaCha20Poly1305}


class Corrupt(Exception):
    """A rule of the format is broken, or something is beyond version 1.  BROKEN: and the like."""


BROKEN = (Corrupt, OSError, ValueError, LookupError, OverflowError, struct.error, InvalidTag,
          nacl.exceptions.CryptoError, zstandard.ZstdError)
problems = []  # where damage was reported


def require(condition, message):
    if not condition:
        raise Corrupt(message)


def show(text):
    """Text or a path as one line without anything that could play tricks on a terminal."""
    text = text.decode("utf-8", "backslashreplace") if isinstance(text, bytes) else text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)

def span(start, length):
    return "bytes %d-%d" % (start, start + length - 1)


def damage(where, what):
    problems.append(where)
    what = show(str(what)) or "does not authenticate"  # of which the exception has no text
    print("varve-read: %s: %s" % (show(where), what), file=sys.stderr)


def attempt(where, function, *arguments):
    """The function's result; if anything is wrong, report damage there and go on."""
    try:
        return function(*arguments)
    except BROKEN as e:
        return damage(where, e)


class Cursor:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, length):
        self.at += length
        require(self.at <= len(self.data), "ends early")
        return self.data[self.at - length:self.at]

    def unpack(self, layout):
        return struct.unpack("<" + layout, self.take(struct.calcsize("<" + layout)))

    def one(self, layout):
        return self.unpack(layout)[0]

    def table(self, layout, count=None):
        count = self.one("I") if count is None else count
        row = struct.Struct("<" + layout)
        return list(row.iter_unpack(self.take(count * row.size)))

    def varint(self, high=2**64 - 1):
        value, shift, byte = 0, 0, 128
        while byte & 128 and shift < 70:
            byte, = self.take(1)
            value |= (byte & 127) << shift
            shift += 7
        require(value <= high, "number %d is wrong" % value)
        return value

    def time(self):
        value = self.varint()
        return (value >> 1 ^ -(value & 1)) * 10**9 + self.varint()

    def blob(self):
        return self.take(self.varint())


def tagged_fields(data):
    """Tagged fields as a dictionary of lists."""
    fields, cursor = collections.defaultdict(list), Cursor(data)
    while cursor.at < len(data):
        tag, length = cursor.unpack("HI")
        require(tag in range(1, 15) or tag & 0x8000, "unsupported field %d" % tag)
        fields[tag].append(cursor.take(length))
    return fields


def blake2b(data, key=b""):
    return hashlib.blake2b(data, key=key, digest_size=32).digest()

def sha256(data):
    return hashlib.sha256(data).digest()


def container(data, kind, repository, signer=None):
    """The body of a container; with a signer, that of a signed one."""
    require(sha256(data[:-32]) == data[-32:], span(0, len(data)) + ": SHA-256 differs")
    require(data[:8] == b"varve" + kind + b"\1\0", "unsupported kind or version of object")
    require(repository in (None, data[8:24]), "belongs to another repository")
    if signer:
        VerifyKey(signer).verify(data[:-96], data[-96:-32])
    return Cursor(data[24:-96 if signer else -32])


def open_envelope(sub_key, purpose, additional, data):
    """The plaintext; nothing if this is the wrong key."""
    cursor = Cursor(data)
    suite, salt, commitment, _ = cursor.unpack("B32s32sI")
    key = blake2b(b"varve envelope\0" + purpose + b"\0" + salt, sub_key)
    if blake2b(b"varve commitment", key) != commitment:
        return b""
    additional = purpose + b"\0" + struct.pack("<Q", len(additional)) + additional
    return AEAD[suite](key).decrypt(bytes(12), data[cursor.at:], additional)


# --- Secrets -------------------------------------------------------------------------------------
def recovery_word_list():
    here = os.path.dirname(os.path.realpath(__file__))
    for folder in here, here + "/../man", "/usr/local/share/man/man5", "/usr/share/man/man5":
        if os.path.exists(folder + "/varve-format.5"):
            with open(folder + "/varve-format.5", "rb") as file:
                page = file.read().partition(b".Sh LIST OF RECOVERY WORDS\n")[2]
            return page.partition(b".Bd -literal\n")[2].partition(b".Ed\n")[0].split()
    raise Corrupt("the words are in the manual page: put varve-format.5 next to this program")


def read_recovery_words(data):
    """The secret; lines beginning with '#' and the numbers of the words are for people."""
    place = {word: number for number, word in enumerate(recovery_word_list())}
    words = re.sub(rb"(?m)^#.*|[0-9]+\.", b" ", data).lower().split()
    require(len(words) == 24, "there have to be 24 recovery words")
    number = sum(place[word] << 11 * (23 - at) for at, word in enumerate(words))
    secret, check = number.to_bytes(33, "big")[:32], number & 255
    require(blake2b(secret + b"varve recovery words")[0] == check, "the recovery words are wrong")
    return secret


def read_secret(options):
    """Repository id (None: whichever it is), type of slot, secret."""
    with open(options.key_file or options.recovery_file or options.passphrase_file, "rb") as file:
        data = file.read(64 * KIB)
    if not options.key_file:
        return ((None, WORDS, read_recovery_words(data)) if options.recovery_file else
                (None, PASSPHRASE, re.sub(rb"\r?\n\Z", b"", data)))
    text = re.sub(rb"[ \t\r]+(\n|\Z)", rb"\1", data).rstrip(b"\n")
    match = re.fullmatch(rb"(varve key file 1\nrepository ([0-9a-f]{32})\nkey ([0-9a-f]{64})\n)"
                         rb"check ([0-9a-f]{8})", text)
    require(match and blake2b(match[1]).hex()[:8].encode() == match[4], "the key file is wrong")
    return bytes.fromhex(match[2].decode()), KEY_FILE, bytes.fromhex(match[3].decode())


# --- Packs ---------------------------------------------------------------------------------------
class Pack:
    """One instance of a pack.  What it hands out is authenticated."""

    def __init__(self, repository, name):
        self.repository, self.name, self.hash = repository, name, bytes.fromhex(name[9:73])
        with open(os.path.join(repository.top, name), "rb") as file:
            self.data = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        require(len(self.data) >= 608, "too short")
        self.cipher = None
        attempt(name + ": " + span(0, 256), self.open, self.data[:256])
        if not self.cipher:
            self.open(self.data[-304:-48])
        footer = span(len(self.data) - 304, 304)
        self.indexed = repository.indexed.get(self.hash)
        self.raw = attempt(name + ": " + footer, self.directory) or self.indexed
        require(self.raw, "no directory in index/ either")
        self.blocks = []  # (chunks, (offset, stored length, plaintext length, flags))
        cursor, last = Cursor(self.raw), 256
        for number in range(cursor.one("I")):
            _, flags, offset, stored, plain, count = cursor.unpack("BBIIII")
            require(flags <= 1 and plain <= 16 * MIB and offset >= last, "impossible block")
            chunks, at, last = cursor.table("BI32s", count), 0, offset + stored
            for kind, size, ident in chunks:
                self.repository.chunks[kind, ident].append((self, number, at, size))
                at += size
            require(at == plain, "sizes of chunks")
            self.blocks.append((chunks, (offset, stored, plain, flags)))

    def open(self, header):
        magic, _, suite, _, epoch, sealed, commitment = struct.unpack(
            "<24sBBH4s32x80s32s80x", header)
        require(magic == b"varveP\1\0" + self.repository.id, "bad header")
        secret = self.repository.open_sealed(epoch, sealed)
        writer = self.repository.epoch_keys(epoch)[1]
        key = blake2b(b"varve pack" + secret + self.repository.id, writer)
        require(blake2b(b"varve commitment" + header[:144], key) == commitment,
                "commitment differs")
        self.id, self.key, self.cipher = blake2b(header), key, AEAD[suite](key)

    def record(self, kind, number, offset, stored, plain, flags=0):
        additional = self.id + struct.pack("<BIIIB", kind, number, stored, plain, flags)
        return self.cipher.decrypt(bytes(8) + struct.pack(">I", number),
                                   self.data[offset:offset + stored], additional)

    def directory(self):
        size = len(self.data)
        offset, stored, plain, _, _, whole = struct.unpack(
            "<QIIIIQ", self.record(3, 0xffffffff, size - 48, 48, 32))
        require(whole == size == offset + stored + 304, "footer contradicts itself")
        return self.record(2, 0xfffffffe, offset, stored, plain)

    @functools.lru_cache(16)
    def block(self, number):
        """The plaintext of a block, all of whose chunks are what their ids say."""
        chunks, (offset, stored, plain, flags) = self.blocks[number]
        try:
            data = self.record(1, number, offset, stored, plain, flags)
            if flags:
                require(zstandard.frame_content_size(data) == plain, "size of a zstd frame")
                data = zstandard.ZstdDecompressor().decompress(data)
            cursor = Cursor(data)
            for kind, length, ident in chunks:
                require(blake2b(cursor.take(length), self.repository.id_keys[kind]) == ident,
                        "chunk %s: wrong id" % ident.hex())
            return data
        except BROKEN as e:
            problem = str(e) or "does not authenticate"
            raise Corrupt("%s: %s: %s" % (self.name, span(offset, stored), problem)) from None

    def check(self):
        attempt(self.name, require, sha256(self.data) == self.hash, "SHA-256 differs")
        attempt(self.name, require, self.data[:256] == self.data[-304:-48], "headers differ")
        attempt(self.name, require, self.indexed in (None, self.raw), "directory in index/ differs")
        start, end = 256, len(self.data) - 320 - len(self.raw)
        for number, (chunks, (offset, stored, _, _)) in enumerate(self.blocks):
            if attempt(self.name, self.block, number):
                self.repository.good.update(((kind, ident), size) for kind, size, ident in chunks)
            start = offset + stored
        stream = Cipher(algorithms.ChaCha20(blake2b(b"varve padding", self.key), bytes(16)), None)
        require(stream.encryptor().update(bytes(max(end - start, 0))) == self.data[start:end],
                span(start, end - start) + ": wrong padding")


# --- Trees and streams ---------------------------------------------------------------------------
def take_stream(cursor):
    height, size = cursor.varint(8), cursor.varint()
    items = [(size, cursor.take(32))] if height else [
        (cursor.varint(2**24), cursor.take(32)) for _ in range(cursor.varint(48))]
    return types.SimpleNamespace(height=height, size=size, items=items)


def take_extents(cursor):
    extents, end = [], 0
    for _ in range(cursor.varint()):
        start = end + cursor.varint()
        end = start + cursor.varint()
        extents.append((start, end - start))
    return extents

def take_attributes(cursor):
    return [(cursor.blob(), cursor.blob()) for _ in range(cursor.varint())]


def parse_entry(data, names):
    cursor, new = Cursor(data), types.SimpleNamespace()
    new.type, new.flags, new.mode = cursor.one("B"), cursor.varint(), cursor.varint(0o7777)
    require(1 <= new.type <= 6 and not new.flags & ~0x7f7f, "unsupported type or flags")
    new.uid, new.gid = cursor.varint(2**32 - 1), cursor.varint(2**32 - 1)
    new.user, new.group = names[cursor.varint()], names[cursor.varint()]
    new.mtime, _ = cursor.time(), cursor.time()
    inode, links = (cursor.varint(), cursor.varint()), cursor.varint()
    new.size, new.inode_flags = cursor.varint(), cursor.varint() & INODE_FLAGS
    start = cursor.at
    new.device = (cursor.varint(), cursor.varint()) if new.flags & 1 else None
    new.target = cursor.blob() if new.flags & 2 else b""
    new.content = take_stream(cursor) if new.flags & 4 else None
    new.extents = (take_extents(cursor) if new.flags & 8 else
                   take_stream(cursor) if new.flags & 16 else None)
    # Entries with equal keys are hard links: names of one file.
    new.key = ((inode, new.type, new.size, data[start:cursor.at])
               if new.type != DIRECTORY and links > 1 and inode[1] else None)
    new.attributes = (take_attributes(cursor) if new.flags & 32 else
                      take_stream(cursor) if new.flags & 64 else [])
    return new


def parse_node(data, height):
    """(path, entry or node id, number of entries) of everything in a node."""
    cursor, found, path = Cursor(data), [], b""
    require(cursor.one("B") == height, "height of a node")
    count, names = cursor.varint(16384), [b""]
    if not height:
        names += [cursor.blob() for _ in range(cursor.varint())]
    for _ in range(count):
        path = path[:cursor.varint()] + cursor.blob()
        require(not path or not {b"", b".", b".."} & set(path.split(b"/")), "impossible path")
        if height:
            ident, entries, _, flags = cursor.take(32), *(cursor.varint() for _ in range(3))
            require(flags == 0, "unsupported flags of an item")
            found.append((path, ident, entries))
        else:
            found.append((path, parse_entry(cursor.blob(), names), 1))
    return found


def order(path):
    return path.replace(b"/", b"\0")  # which comes before every other byte

def is_below(path, top):
    return not top or (path + b"/").startswith(top + b"/")


# --- Repository ----------------------------------------------------------------------------------
class Repository:
    def __init__(self, top):
        self.top = top
        self.id = self.master = self.client = self.admin_key = self.config_hash = self.site = None
        self.epochs = {}  # by epoch: reader secret and writer key
        self.certificates, self.revoked = {}, {}  # by client: key; first sequence not believed
        self.buried, self.walked = set(), set()  # sessions and snapshots; nodes of trees
        self.hidden, self.ends = {}, {}  # by forget run: snapshots; how it ended
        self.snapshots, self.packs, self.indexed = [], [], {}  # by hash: the directory index/ has
        self.good = {}  # by (type, id): the length of chunks that need not be read again
        self.chunks = collections.defaultdict(list)  # by (type, id): (pack, block, offset, length)

    def read(self, name):
        with open(os.path.join(self.top, name), "rb") as file:
            data = file.read(256 * MIB + 1)
        require(len(data) <= 256 * MIB, "too large")
        return data

    def names(self, folder, pattern):
        names = sorted(glob.glob(folder + "/*", root_dir=self.top))
        return [name for name in names if re.fullmatch(pattern, os.path.basename(name))]

    def each(self, names, function):
        for name in names:
            attempt(name, lambda name: function(name, self.read(name)), name)

    def sub_key(self, label, epoch=b""):
        return blake2b(label + self.id + epoch, self.master)

    def epoch_keys(self, epoch):
        """Reader secret and writer key: an administrator's are derived, a reader's were given."""
        if self.master:
            return self.sub_key(b"varve reader", epoch), self.sub_key(b"varve writer", epoch)
        require(epoch in self.epochs, "no key of epoch %d" % int.from_bytes(epoch, "little"))
        return self.epochs[epoch]

    def open_sealed(self, epoch, data):
        return SealedBox(PrivateKey(self.epoch_keys(epoch)[0])).decrypt(data)

    def unlock(self, repository, kind, secret):
        self.id = repository
        slots = self.names("keys", "[0-9a-f]{16}-[ab]")
        require(any(attempt(name, self.open_slot, name, kind, secret) for name in slots),
                "no key slot opens with this secret")

    def open_slot(self, name, wanted, secret):
        data = self.read(name)
        body = container(data, b"K", self.id)
        kind, _ = body.unpack("Bq")
        body.take(body.one("B"))
        passes, memory, salt, length = body.unpack("II16sH")
        body.take(length)
        if kind != wanted:
            return False
        if kind == PASSPHRASE:
            require(passes <= 16 and memory <= MIB, "Argon2id parameters")
            secret = nacl.bindings.crypto_pwhash_alg(32, secret, salt, passes, memory * KIB,
                                                     nacl.bindings.crypto_pwhash_ALG_ARGON2ID13)
        head, sealed = data[:24 + body.at], body.data[body.at:]
        fields = tagged_fields(open_envelope(secret, b"key slot", head, sealed))
        if not fields:
            return False
        role = int.from_bytes(fields[1][0], "little")
        require(role in (1, 2), "role %d: it opens nothing" % role)
        self.id, self.config_hash, self.admin_key = data[8:24], fields[2][0], fields[3][0]
        if role == 1:
            self.master, = fields[4]
            keys = [self.sub_key(b"varve id " + of) for of in b"data node list record".split()]
            self.index_key = self.sub_key(b"varve index")
        else:
            self.client, self.client_secret, self.index_key = (fields[tag][0] for tag in (6, 8, 10))
            keys = [key for key, in struct.iter_unpack("32s", fields[9][0])]
            for epoch, _, writer, reader in (struct.unpack("4s32s32s32s", f) for f in fields[11]):
                self.epochs[epoch] = reader, writer
        self.id_keys = dict(zip((DATA, NODE, LIST, RECORD), keys))
        return True

    def use_admin(self, name, data):
        """Certificates, revocations, graves and forget runs; the others matter to writers only."""
        body = container(data, b"A", self.id, self.admin_key)
        site, kind, _, digits, length = body.unpack("16sBq16sI")
        payload = Cursor(body.take(length))
        word, run = re.fullmatch(r"admin/([a-z]+)-([0-9a-f]+).*", name).groups()
        require(1 <= kind <= 10 and word == ADMIN[kind - 1], "unsupported type, or another name")
        everywhere = not any(site)
        here = everywhere or site == self.site
        if kind == 1 and everywhere:
            client, _, key = payload.unpack("16sB32s")
            require(self.certificates.setdefault(client, key) == key, "changes the client's key")
        elif kind == 2 and everywhere:
            client, sequence = payload.unpack("16sQ")
            self.revoked[client] = min(sequence, self.revoked.get(client, sequence))
        elif kind == 3 and everywhere and self.client:
            epoch, _ = payload.unpack("4s32s")
            mine = {what: SealedBox(PrivateKey(self.client_secret)).decrypt(sealed)
                    for client, what, sealed in payload.table("16sB80s") if client == self.client}
            self.epochs.update({epoch: (mine[2], mine[1])} if len(mine) == 2 else {})
        elif kind == 4:
            for session, snapshot, _, _, _, _, _, reason in payload.table("16s16s16sQ32s32s16sB"):
                if here or reason == 3:
                    self.buried.add(snapshot if any(snapshot) else session)
        elif kind == 6 and here:
            require(run == digits.hex(), "a forget run under another name")
            self.hidden[run] = {snapshot for snapshot, in payload.table("16s")}
        elif kind == 7 and here:
            require(run == payload.take(16).hex(), "the end of another forget run")
            self.ends[run] = payload.one("B")

    def load_snapshots(self):
        self.site = attempt("site", lambda: container(self.read("site"), b"S", self.id).take(16))
        self.each(self.names("admin", "[a-z]+-[0-9a-f]+.*"), self.use_admin)
        self.each(self.names("snapshots", "[0-9a-f]{32}"), self.use_slot)
        hidden = set().union(*(self.hidden[run] for run in self.hidden if self.ends.get(run) != 2))
        once = {snapshot.hash: snapshot for snapshot in self.snapshots}.values()
        self.snapshots = sorted(once, key=lambda snapshot: snapshot.time)
        for snapshot in self.snapshots:
            snapshot.forgotten = snapshot.id in hidden

    def use_slot(self, name, data):
        body = container(data, b"T", self.id)
        session, status, _, count = body.unpack("16sB16sI")
        require(session.hex() == name[10:] and 1 <= status <= 3, "session or status")
        records = [body.take(body.one("I")) for _ in range(count)]
        if status == 3:
            VerifyKey(self.admin_key).verify(data[:-96], body.take(64))
        for record in records:
            snapshot = attempt(name, self.snapshot, record)
            if snapshot and not {session, snapshot.id} & self.buried:
                self.snapshots.append(snapshot)

    def snapshot(self, data):
        new, cursor = types.SimpleNamespace(hash=sha256(data)), Cursor(data)
        require(cursor.take(24) == b"varveR\1\0" + self.id, "is no record of this repository")
        new.id, client, sequence, _, _, new.time = cursor.unpack("16s16sQ32s16sq")
        cursor.table("16sQ32s")
        epoch = cursor.take(4)
        head = data[:cursor.at]
        sealed = Cursor(cursor.take(cursor.one("I")))
        VerifyKey(self.certificates[client]).verify(data[:cursor.at], cursor.take(64))
        require(sequence < self.revoked.get(client, 2**64), "revoked")
        secret = self.open_sealed(epoch, sealed.take(80))
        fields = tagged_fields(open_envelope(secret, b"snapshot", head, sealed.data[80:]))
        new.root, new.height, new.entries, new.bytes = struct.unpack("<32sIQQ", fields[1][0])
        require(new.height <= 16, "height of the tree")
        new.host, new.sources, new.tags, new.incomplete = (
            b"".join(fields[2]), fields[3], fields[4], fields[13])
        new.wal = int.from_bytes(fields[8][0], "little") == 3
        return new

    def find_snapshot(self, which):
        found = [snapshot for snapshot in self.snapshots if snapshot.id.hex().startswith(which)]
        if which == "latest":
            found = [one for one in self.snapshots if not one.forgotten and not one.wal][-1:]
        require(len(found) == 1, "%d snapshots are '%s'" % (len(found), which))
        return found[0]

    def load_packs(self):
        """Where chunks are; the index only serves for packs whose own directory is damaged."""
        self.each(self.names("index", "[0-9a-f]{64}"), self.use_segment)
        names = self.names("packs/*", "[0-9a-f]{64}-[0-9a-f]{32}")
        self.packs = [pack for pack in (attempt(name, Pack, self, name) for name in names) if pack]

    def use_segment(self, name, data):
        require(sha256(data).hex() == name[6:], "SHA-256 is not that of the name")
        body = container(data, b"X", self.id)
        for _ in range(body.one("I")):
            pack, _, client, length = body.unpack("32s16s16sI")
            sealed, signature = body.take(length), body.take(64)
            key = blake2b(b"varve index" + pack, self.index_key)
            plain = Cursor(open_envelope(key, b"index", pack, sealed))
            self.indexed[pack] = plain.take(plain.unpack("QBI")[2])
            signed = b"varve index record" + self.id + pack + client + sealed
            VerifyKey(self.certificates[client]).verify(signed, signature)

    def chunk(self, kind, ident, length=None):
        problem = Corrupt("chunk %s is in no pack" % ident.hex())
        for pack, number, at, size in self.chunks.get((kind, ident), ()):
            try:
                require(length in (None, size), "chunk of another length")
                return pack.block(number)[at:at + size]
            except BROKEN as e:
                problem = e
        raise problem

    def check(self):
        self.each(["README", "config", *self.names("keys", "[0-9a-f]{16}-[ab]"),
                   *self.names("sessions", r"[0-9a-f]{32}(\.[1-9]\d*)?"),
                   *self.names("condemned", "[0-9a-f]{32}")], self.check_object)
        for pack in self.packs:
            attempt(pack.name, pack.check)
        for snapshot in self.snapshots:
            for path, entry in self.entries(snapshot):
                attempt(path, self.out_of_line, entry.attributes, take_attributes)
                attempt(path, self.copy, path, entry, lambda *_: None)
        print("%d snapshots, %d packs, %d chunks, %d problems" % (
            len(self.snapshots), len(self.packs), len(self.good), len(problems)))

    def check_object(self, name, data):
        if name == "README":
            text, _, digest = data.rpartition(b"SHA-256 of the lines above: ")
            require(sha256(text).hex().encode() == digest.strip(), "SHA-256 differs")
        elif name == "config":
            container(data, b"C", self.id, self.admin_key)
            require(sha256(data) == self.config_hash, "is not the config this key belongs to")
        elif name.startswith("keys/"):
            container(data, b"K", self.id)
            require(data == self.read(name[:-1] + "ba"[name[-1] == "b"]), "copies differ")
        else:  # sessions/ or condemned/
            kind, signer = (b"E", None) if name[0] == "s" else (b"D", self.admin_key)
            container(data, kind, self.id, signer)

    def entries(self, snapshot, top=b""):
        """(path, entry) of all that is TOP or below it; what is lost is reported."""
        found = None
        for found in self.walk(snapshot.root, snapshot.height, b"", None, snapshot.entries, top):
            yield found
        require(found or not top, "'%s' is not in this snapshot" % show(top))

    def walk(self, ident, height, first, limit, count, top):
        """The entries below a node, of which FIRST is the first; all come before LIMIT."""
        if ident in self.walked:
            return
        self.walked.add(ident)
        where = (first or b"/") + b": %d entries from here on" % count
        found = attempt(where, lambda: parse_node(self.chunk(NODE, ident), height)) or []
        limits = [order(path) for path, _, _ in found[1:]] + [limit]
        for (path, item, count), end in zip(found, limits):
            if height and (end is None or end > order(top)) and (
                    order(path) <= order(top) or is_below(path, top)):
                yield from self.walk(item, height - 1, path, end, count, top)
            elif not height and is_below(path, top):
                yield path, item

    def pieces(self, height, items):
        """(length, chunk id, None) of all chunks of a stream; (length, None, why) of lost ones."""
        for length, ident in items:
            if not height:
                yield length, ident, None
                continue
            try:
                cursor = Cursor(self.chunk(LIST, ident))
                require(cursor.one("B") == height, "height of a list")
                below = [(cursor.varint(), cursor.take(32)) for _ in range(cursor.varint(4096))]
                require(sum(size for size, _ in below) == length, "list does not add up")
                yield from self.pieces(height - 1, below)
            except BROKEN as e:
                yield length, ident, e

    def out_of_line(self, value, take):
        if not isinstance(value, types.SimpleNamespace):
            return value
        require(value.size <= 64 * MIB, "too long")
        pieces = self.pieces(value.height, value.items)
        return take(Cursor(b"".join(self.chunk(DATA, piece[1], piece[0]) for piece in pieces)))

    def copy(self, path, entry, write):
        """Hand a file's data to write(bytes, offset); name the ranges that are lost."""
        if not entry.content:
            return
        extents = ([(0, entry.size)] if entry.extents is None else
                   self.out_of_line(entry.extents, take_extents))
        require(sum(length for _, length in extents) == entry.content.size or
                entry.flags & (TORN | MAY_CHANGE), "content is too short or too long")
        runs, at, left = iter(extents), 0, 0
        for length, ident, problem in self.pieces(entry.content.height, entry.content.items):
            data, done = None, 0
            if not problem and self.good.get((DATA, ident)) != length:
                try:
                    data = self.chunk(DATA, ident, length)
                except BROKEN as e:
                    problem = e
            while done < length:
                if not left:
                    at, left = next(runs, (0, 0))
                size = min(left, length - done)
                if not size:
                    break  # surplus bytes of a torn file
                if problem:
                    damage(path, "%s lost: %s" % (span(at, size), problem))
                elif data:
                    write(data[done:done + size], at)
                at, left, done = at + size, left - size, done + size


class Extractor:
    """Makes the entries of a tree below a directory; follows no link, and overwrites nothing."""

    def __init__(self, repository, target):
        os.makedirs(target, exist_ok=True)
        self.repository, self.target, self.root = repository, target, os.geteuid() == 0
        self.directories, self.flagged, self.links = [], [], {}

    def extract(self, entries):
        for path, entry in entries:
            attempt(path, self.make, path, entry)
        for path, entry in reversed(self.directories):  # when they are full
            attempt(path, self.finish, path, entry)
        for path, entry in self.flagged:  # which may forbid changes
            attempt(path, self.set_inode_flags, path, entry)

    @contextlib.contextmanager
    def parent(self, path):
        """The open directory that holds PATH, and the name in it; what is missing is made."""
        *above, name = path.split(b"/")
        fd = os.open(self.target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for part in above:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, 0o700, dir_fd=fd)
                below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | ALONE, dir_fd=fd)
                os.close(fd)
                fd = below
            yield fd, name or b"."
        finally:
            os.close(fd)

    def make(self, path, entry):
        if entry.type == DIRECTORY:
            with self.parent(path + b"/" if path else b""):
                if path or not entry.flags & IMPLIED:
                    self.directories.append((path, entry))
            return
        with self.parent(path) as (parent, name):
            if entry.key in self.links:
                with self.parent(self.links[entry.key]) as (source, old):
                    os.link(old, name, src_dir_fd=source, dst_dir_fd=parent, follow_symlinks=False)
                return
            if entry.type == FILE:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | ALONE
                with open(os.open(name, flags, 0o600, dir_fd=parent), "wb") as file:
                    file.truncate(entry.size)
                    attempt(path, self.repository.copy, path, entry,
                            lambda data, at: (file.seek(at), file.write(data)))
            elif entry.type == SYMLINK:
                os.symlink(entry.target, name, dir_fd=parent)
            elif entry.type == FIFO:
                os.mkfifo(name, 0o600, dir_fd=parent)
            else:
                os.mknod(name, FILE_TYPE[entry.type], os.makedev(*entry.device), dir_fd=parent)
        if entry.key:
            self.links[entry.key] = path
        self.finish(path, entry)

    def finish(self, path, entry):
        """Owner, attributes, mode, time: in this order, as a new owner undoes capabilities."""
        with self.parent(path) as (parent, name):
            mode = entry.mode
            try:
                if not entry.flags & NO_OWNER:
                    os.chown(name, number_of(pwd.getpwnam, entry.user, entry.uid),
                             number_of(grp.getgrnam, entry.group, entry.gid),
                             dir_fd=parent, follow_symlinks=False)
            except PermissionError:
                require(not self.root, "owner not permitted")
                mode &= ~(stat.S_ISUID | stat.S_ISGID)
            place = b"/proc/self/fd/%d/%s" % (parent, name)
            for key, value in attempt(path, self.repository.out_of_line, entry.attributes,
                                      take_attributes) or ():
                attempt(path, lambda *what: os.setxattr(place, *what, follow_symlinks=False),
                        key, value)
            if entry.type != SYMLINK:
                os.chmod(place, mode)
            os.utime(name, ns=(entry.mtime, entry.mtime), dir_fd=parent, follow_symlinks=False)
        if entry.inode_flags and entry.type in (FILE, DIRECTORY):
            self.flagged.append((path, entry))

    def set_inode_flags(self, path, entry):
        with self.parent(path) as (parent, name):
            fd = os.open(name, os.O_RDONLY | os.O_NONBLOCK | ALONE, dir_fd=parent)
        try:
            old, = struct.unpack("I", fcntl.ioctl(fd, FS_IOC_GETFLAGS, bytes(4)))
            new = struct.pack("I", old & ~INODE_FLAGS | entry.inode_flags)
            fcntl.ioctl(fd, FS_IOC_SETFLAGS, new)
        finally:
            os.close(fd)


@functools.lru_cache(None)
def number_of(find, name, number):
    with contextlib.suppress(KeyError):
        return find(os.fsdecode(name))[2] if name else number
    return number


def show_time(nanoseconds):
    return time.strftime("%F %T", time.gmtime(max(-2**35, min(nanoseconds // 10**9, 2**37))))

def print_snapshots(repository):
    for one in repository.snapshots:
        print(one.id.hex(), show_time(one.time), show(one.host), one.entries, "entries,",
              one.bytes, "bytes:", *map(show, one.sources), *("[%s]" % show(t) for t in one.tags),
              *("incomplete: " + show(what) for what in one.incomplete),
              *["(forgotten)"] * one.forgotten)


def print_entries(entries):
    for path, entry in entries:
        size = "%d,%d" % entry.device if entry.device else str(entry.size)
        print(stat.filemode(FILE_TYPE[entry.type] | entry.mode), show(entry.user) or entry.uid,
              show(entry.group) or entry.gid, size.rjust(10), show_time(entry.mtime),
              show(path) or "/", *["-> " + show(entry.target)] * (entry.type == SYMLINK))


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("-r", "--repo", required=True, help="the repository's directory")
    secret = parser.add_mutually_exclusive_group(required=True)
    for option in "--key-file", "--passphrase-file", "--recovery-file":
        secret.add_argument(option, metavar="FILE")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, *arguments in (("snapshots",), ("ls", "SNAPSHOT", "[PATH]"), ("check",),
                             ("extract", "SNAPSHOT", "DIRECTORY", "[PATH]")):
        command = commands.add_parser(name)
        for argument in arguments:
            command.add_argument(argument.strip("[]").lower(), default="",
                                 nargs="?" if argument == "[PATH]" else None)
    return parser.parse_args()


def main():
    options = parse_arguments()
    files = resource.RLIMIT_NOFILE  # as many as possible: every pack is mapped
    resource.setrlimit(files, resource.getrlimit(files)[1:] * 2)
    repository = Repository(options.repo)
    try:
        repository.unlock(*read_secret(options))
        repository.load_snapshots()
        if options.command != "snapshots":
            repository.load_packs()
        if options.command in ("ls", "extract"):
            snapshot, top = repository.find_snapshot(options.snapshot), os.fsencode(options.path)
            entries = repository.entries(snapshot, top.strip(b"/"))
        if options.command == "snapshots":
            print_snapshots(repository)
        elif options.command == "check":
            repository.check()
        elif options.command == "ls":
            print_entries(entries)
        else:
            Extractor(repository, options.directory).extract(entries)
    except BROKEN as e:
        return damage("error", e) or 2
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
