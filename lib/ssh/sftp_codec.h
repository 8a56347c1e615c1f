/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_SSH_SFTP_CODEC_H
#define VARVE_SSH_SFTP_CODEC_H

#include "core/bytes.h"
#include "ssh/sftp_client.h"

/*
 * Bytes of SFTP version 3 (draft-ietf-secsh-filexfer-02).  A packet is {u32 length} {u8 type}
 * {u32 id} {body}, integers big-endian, strings {u32 length} {bytes}.  Pure: nothing here reads,
 * writes or allocates by a length that came from outside.
 */
enum sftp_packet_type {
    SFTP_PACKET_INIT = 1, /* has a version in place of the id */
    SFTP_PACKET_VERSION = 2,
    SFTP_PACKET_OPEN = 3,
    SFTP_PACKET_CLOSE = 4,
    SFTP_PACKET_READ = 5,
    SFTP_PACKET_WRITE = 6,
    SFTP_PACKET_LSTAT = 7,
    SFTP_PACKET_FSTAT = 8,
    SFTP_PACKET_SETSTAT = 9,
    SFTP_PACKET_FSETSTAT = 10,
    SFTP_PACKET_OPENDIR = 11,
    SFTP_PACKET_READDIR = 12,
    SFTP_PACKET_REMOVE = 13,
    SFTP_PACKET_MKDIR = 14,
    SFTP_PACKET_RMDIR = 15,
    SFTP_PACKET_REALPATH = 16,
    SFTP_PACKET_STAT = 17,
    SFTP_PACKET_RENAME = 18,
    SFTP_PACKET_STATUS = 101,
    SFTP_PACKET_HANDLE = 102,
    SFTP_PACKET_DATA = 103,
    SFTP_PACKET_NAME = 104,
    SFTP_PACKET_ATTRS = 105,
    SFTP_PACKET_EXTENDED = 200,
    SFTP_PACKET_EXTENDED_REPLY = 201,
};

enum {
    SFTP_VERSION = 3,
    SFTP_PACKET_HEAD = 9,                  /* length, type, id */
    SFTP_PACKET_LIMIT = 256 * 1024 + 1024, /* longest packet taken, without its length */
    SFTP_DATA_HEAD = SFTP_PACKET_HEAD + 4, /* of an answer to READ: then come the bytes */
    SFTP_STRING_LIMIT = 16 * 1024,         /* longest path sent */
    SFTP_EXTENSION_TEXT = 4096,            /* longest list of extensions kept */
};

/* ---- requests: the body behind the id is appended to ${b} ---- */

void sftp_put_u32(struct vv_buf *b, uint32_t v);
void sftp_put_u64(struct vv_buf *b, uint64_t v);
void sftp_put_string(struct vv_buf *b, struct vv_span bytes);
void sftp_put_text(struct vv_buf *b, const char *text);
void sftp_put_handle(struct vv_buf *b, const struct sftp_handle *h);

/** sftp_put_head(b, type, id, rest): a packet whose body has ${rest} bytes begins. */
void sftp_put_head(struct vv_buf *b, uint8_t type, uint32_t id, uint32_t rest);
/** sftp_put_init(b): the whole first packet. */
void sftp_put_init(struct vv_buf *b);
void sftp_put_open(struct vv_buf *b, const char *path, uint32_t flags, uint32_t mode);
void sftp_put_mkdir(struct vv_buf *b, const char *path, uint32_t mode);
void sftp_put_two_paths(struct vv_buf *b, const char *from, const char *to);
/** sftp_put_extended(b, name): an extended request of that name; its arguments are put behind. */
void sftp_put_extended(struct vv_buf *b, const char *name);
void sftp_put_read(struct vv_buf *b, const struct sftp_handle *h, uint64_t offset, uint32_t len);
/** sftp_put_write(b, h, offset, len): all but the ${len} bytes themselves. */
void sftp_put_write(struct vv_buf *b, const struct sftp_handle *h, uint64_t offset, uint32_t len);

/* ---- answers ---- */

/** Names of a directory, not looked at one by one yet. */
struct sftp_names {
    struct vv_reader in;
    uint32_t left;
};

/** An answer; spans borrow from the packet. */
struct sftp_answer {
    uint8_t type;
    uint32_t id;
    uint32_t status;                   /* STATUS; an enum sftp_status if it is a known one */
    struct vv_span text;               /* STATUS: the server's words, may be empty */
    struct sftp_handle handle;         /* HANDLE */
    struct vv_span data;               /* DATA, EXTENDED_REPLY: the bytes */
    struct sftp_names names;           /* NAME: every one of them parses */
    struct sftp_attributes attributes; /* ATTRS */
};

/** sftp_answer_decode(packet, ret): ${packet} from its type byte on; false: not an answer of SFTP
 *  version 3, or bytes missing or left over. */
MUST_CHECK bool sftp_answer_decode(struct vv_span packet, struct sftp_answer *ret);

/** sftp_names_next(names, ret_name, ret_attributes): false at the end. */
bool sftp_names_next(struct sftp_names *names, struct vv_span *ret_name,
                     struct sftp_attributes *ret_attributes);

/** sftp_version_decode(packet, ret_version, ret_extensions, names): the answer to INIT from its
 *  type byte on; "name version" of every extension goes to ${names}, one a line, control characters
 *  as '?', at most SFTP_EXTENSION_TEXT bytes; known ones also to the bits of enum sftp_extension. */
MUST_CHECK bool sftp_version_decode(struct vv_span packet, uint32_t *ret_version,
                                    uint32_t *ret_extensions, struct vv_buf *names);

/** What limits@openssh.com answers; 0: not said. */
struct sftp_limits {
    uint64_t packet;
    uint64_t read;
    uint64_t write;
    uint64_t handles;
};
/** sftp_limits_decode(body, ret): the bytes of an EXTENDED_REPLY. */
MUST_CHECK bool sftp_limits_decode(struct vv_span body, struct sftp_limits *ret);
/** sftp_statvfs_decode(body, ret_free, ret_total): bytes an unprivileged user can still write, and
 *  of the whole file system (both at most UINT64_MAX). */
MUST_CHECK bool sftp_statvfs_decode(struct vv_span body, uint64_t *ret_free, uint64_t *ret_total);

uint32_t sftp_load_u32(const void *p);
void sftp_store_u32(void *p, uint32_t v);

#endif
