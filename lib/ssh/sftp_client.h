/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_SSH_SFTP_CLIENT_H
#define VARVE_SSH_SFTP_CLIENT_H

#include <stdbool.h>

#include "core/clock.h"
#include "core/rate_limit.h"
#include "ssh/byte_stream.h"

/*
 * SFTP version 3 (draft-ietf-secsh-filexfer-02) with OpenSSH's extensions, pipelined.  One client
 * is one channel.  It has a thread of its own that owns the stream; every other call may come from
 * any number of threads at once and blocks only its caller, so several files are in flight when
 * several threads work.  A call keeps up to a window of requests in flight by itself.
 *
 * Invariants:
 * F1  an answer belongs to the request with its id, and is checked against what was asked for: a
 *     wrong type, an unknown or answered id, more bytes than asked for, a packet over the limit, or
 *     bytes that do not parse end the channel (VV_EIO, "does not speak SFTP").
 * F2  a short read is continued behind its last byte; only EOF, zero bytes, or the size that fstat
 *     gave in the same call end a file.
 * F3  once the channel has failed every call in flight and every later one returns VV_ETRANSIENT
 *     (VV_EIO after F1): nothing hangs, nothing is repeated by the client itself.
 * F4  while a request is unanswered, or bytes wait that the stream does not take, the other side
 *     must do something at least every `stall_ms`: answer, send a part of an answer, take bytes.
 *     Else the channel fails (VV_ETRANSIENT, "has not answered for N seconds").  It also fails when
 *     one request is ten times as old: on a slow line with full windows a minute is nothing for a
 *     request, silence for a minute is the end.  Time is the clock's.
 * F5  no memory is asked for by a length the server sent that was not bounded before.
 * F6  when a call returns, nothing refers to the caller's memory any more.
 */
struct sftp_client;

enum sftp_extension {
    SFTP_FSYNC = 1u << 0,        /* fsync@openssh.com 1 */
    SFTP_HARDLINK = 1u << 1,     /* hardlink@openssh.com 1 */
    SFTP_POSIX_RENAME = 1u << 2, /* posix-rename@openssh.com 1 */
    SFTP_STATVFS = 1u << 3,      /* statvfs@openssh.com 2 */
    SFTP_LIMITS = 1u << 4,       /* limits@openssh.com 1 */
    SFTP_LSETSTAT = 1u << 5,
    SFTP_COPY_DATA = 1u << 6,
};

struct sftp_options {
    const struct vv_clock *clock; /* NULL: the system's */
    uint64_t stall_ms;            /* 0: 60,000 (F4) */
    uint64_t window;              /* bytes in flight in one call; 0: 4 MiB */
    struct vv_rate_limit
        *limit; /* shared with other channels; NULL: none.  Both directions' payload */
    struct vv_cancel *cancel; /* polled; then every call returns VV_ECANCELLED */
};

/** sftp_client_new(stream, options, ret, err): takes the stream (also on failure); INIT, VERSION,
 *  limits.  VV_EUNSUPPORTED below version 3.  A server that prints text first is told as such. */
MUST_CHECK enum vv_rc sftp_client_new(struct byte_stream *stream,
                                      const struct sftp_options *options, struct sftp_client **ret,
                                      struct vv_error *err);
/** sftp_client_free(c): no call may be under way. */
void sftp_client_free(struct sftp_client *c);
VV_DEFINE_CLEANUP(struct sftp_client, sftp_client_free);

uint32_t sftp_client_extensions(const struct sftp_client *c); /* bits of enum sftp_extension */
/** sftp_client_extension_names(c): all that the server offered, "name version" each on a line. */
const char *sftp_client_extension_names(const struct sftp_client *c);
/** Largest payload of a read and of a write this server takes (32 KiB without `limits`). */
uint32_t sftp_client_read_size(const struct sftp_client *c);
uint32_t sftp_client_write_size(const struct sftp_client *c);
bool sftp_client_failed(const struct sftp_client *c);
/** sftp_client_busy(c): payload bytes of calls in flight. */
uint64_t sftp_client_busy(const struct sftp_client *c);
/** sftp_client_round_trip_ns(c): the shortest time that an answer has taken so far: nearly that of
 *  the line alone. */
uint64_t sftp_client_round_trip_ns(const struct sftp_client *c);
/** Counters since the beginning: bytes on the wire, requests, and round trips: of every finished call
 *  the longest chain of requests each of which was sent only after the answer to the one before.
 *  Calls that ran at the same time add up, so it is the most that could have been waited for. */
struct sftp_counts {
    uint64_t bytes_sent;
    uint64_t bytes_received;
    uint64_t requests;
    uint64_t round_trips;
};
void sftp_client_counts(const struct sftp_client *c, struct sftp_counts *ret);

/** What a server said about a request that failed; with the vv_rc of the call. */
enum sftp_status {
    SFTP_OK = 0,
    SFTP_EOF = 1,
    SFTP_NO_SUCH_FILE = 2,
    SFTP_PERMISSION_DENIED = 3,
    SFTP_FAILURE = 4,
    SFTP_BAD_MESSAGE = 5,
    SFTP_OP_UNSUPPORTED = 8,
};
/*
 * Errors of the calls below: NO_SUCH_FILE is VV_ENOTFOUND, PERMISSION_DENIED VV_EREFUSED,
 * OP_UNSUPPORTED VV_EUNSUPPORTED, everything else a server refuses VV_EIO (OpenSSH says FAILURE for
 * "exists", "no space" and more: whoever must know asks again).  err->sys holds the status (enum
 * sftp_status).  The message names the path and the server's own words.
 */

struct sftp_attributes {
    bool has_size, has_mode, has_times, has_owner;
    uint64_t size;
    uint32_t mode; /* with the file type */
    uint32_t uid, gid;
    uint32_t atime, mtime;
};

/** An open file or directory of one channel; useless once that channel has failed. */
struct sftp_handle {
    uint8_t bytes[256];
    uint32_t len;
};

enum sftp_open_flags {
    SFTP_OPEN_READ = 0x01,
    SFTP_OPEN_WRITE = 0x02,
    SFTP_OPEN_APPEND = 0x04,
    SFTP_OPEN_CREATE = 0x08,
    SFTP_OPEN_TRUNCATE = 0x10,
    SFTP_OPEN_EXCLUSIVE = 0x20,
};

MUST_CHECK enum vv_rc sftp_open(struct sftp_client *c, const char *path, uint32_t flags,
                                uint32_t mode, struct sftp_handle *ret, struct vv_error *err);
/** sftp_close(c, h, err): an error of a file written to means that it cannot be trusted. */
MUST_CHECK enum vv_rc sftp_close(struct sftp_client *c, const struct sftp_handle *h,
                                 struct vv_error *err);
/** sftp_close_later(c, h): the same without waiting for the answer; for what was only read. */
void sftp_close_later(struct sftp_client *c, const struct sftp_handle *h);
/** sftp_write(c, h, offset, data, err): all of it, pipelined. */
MUST_CHECK enum vv_rc sftp_write(struct sftp_client *c, const struct sftp_handle *h,
                                 uint64_t offset, struct vv_span data, struct vv_error *err);
/** sftp_read(c, h, offset, buf, len, ret_len, err): up to ${len} bytes and the file's size,
 *  pipelined (F2), in one round trip; less only at the end of the file. */
MUST_CHECK enum vv_rc sftp_read(struct sftp_client *c, const struct sftp_handle *h, uint64_t offset,
                                uint8_t *buf, size_t len, size_t *ret_len, struct vv_error *err);
/** sftp_write_file(c, path, mode, data, sync, err): create exclusively, write, fsync (if ${sync}:
 *  SFTP_FSYNC is needed), compare the size by fstat, close: OPEN, then everything else in one go, 2
 *  round trips.  On failure the file may be there, incomplete. */
MUST_CHECK enum vv_rc sftp_write_file(struct sftp_client *c, const char *path, uint32_t mode,
                                      struct vv_span data, bool sync, struct vv_error *err);
/** sftp_read_file(c, path, offset, buf, len, ret_len, err): open; fstat and read; close: 2 round
 *  trips (the answer to CLOSE is not waited for). */
MUST_CHECK enum vv_rc sftp_read_file(struct sftp_client *c, const char *path, uint64_t offset,
                                     uint8_t *buf, size_t len, size_t *ret_len,
                                     struct vv_error *err);
MUST_CHECK enum vv_rc sftp_fsync(struct sftp_client *c, const struct sftp_handle *h,
                                 struct vv_error *err);
/** sftp_fsync_and_remove(c, h, path, err): fsync ${h} and delete ${path} in one round trip; only the
 *  fsync decides, ${path} may be gone already or not be deletable. */
MUST_CHECK enum vv_rc sftp_fsync_and_remove(struct sftp_client *c, const struct sftp_handle *h,
                                            const char *path, struct vv_error *err);
MUST_CHECK enum vv_rc sftp_fstat(struct sftp_client *c, const struct sftp_handle *h,
                                 struct sftp_attributes *ret, struct vv_error *err);
MUST_CHECK enum vv_rc sftp_stat(struct sftp_client *c, const char *path,
                                struct sftp_attributes *ret, struct vv_error *err);
MUST_CHECK enum vv_rc sftp_lstat(struct sftp_client *c, const char *path,
                                 struct sftp_attributes *ret, struct vv_error *err);
typedef enum vv_rc sftp_list_fn(void *ctx, struct vv_span name,
                                const struct sftp_attributes *attributes, struct vv_error *err);
/** sftp_list(c, path, fn, ctx, err): every name but "." and "..", raw bytes; several READDIRs in
 *  flight.  ${fn} must not use this client.  What ${fn} returns ends the listing. */
MUST_CHECK enum vv_rc sftp_list(struct sftp_client *c, const char *path, sftp_list_fn *fn,
                                void *ctx, struct vv_error *err);
/** sftp_list_many(c, paths, count, fn, ctx, err): several directories, all at once (256 shards of
 *  packs in a few round trips); ${fn} is told which by ${ctx} of its own: ctxs[i]. */
MUST_CHECK enum vv_rc sftp_list_many(struct sftp_client *c, const char *const *paths, size_t count,
                                     sftp_list_fn *fn, void *const *ctxs, struct vv_error *err);
MUST_CHECK enum vv_rc sftp_mkdir(struct sftp_client *c, const char *path, uint32_t mode,
                                 struct vv_error *err);
/** sftp_mkdir_many(c, paths, count, mode, err): all sent at once, in order; every one is tried, the
 *  error is that of the first that failed. */
MUST_CHECK enum vv_rc sftp_mkdir_many(struct sftp_client *c, const char *const *paths, size_t count,
                                      uint32_t mode, struct vv_error *err);
MUST_CHECK enum vv_rc sftp_remove(struct sftp_client *c, const char *path, struct vv_error *err);
/** sftp_hardlink(c, from, to, err): fails if ${to} exists. */
MUST_CHECK enum vv_rc sftp_hardlink(struct sftp_client *c, const char *from, const char *to,
                                    struct vv_error *err);
/** sftp_rename(c, from, to, err): SSH_FXP_RENAME, which must not replace (OpenSSH: link+unlink). */
MUST_CHECK enum vv_rc sftp_rename(struct sftp_client *c, const char *from, const char *to,
                                  struct vv_error *err);
/** sftp_real_path(c, path, out, err): the server's absolute name of ${path} ("." is the home). */
MUST_CHECK enum vv_rc sftp_real_path(struct sftp_client *c, const char *path, struct vv_buf *out,
                                     struct vv_error *err);
MUST_CHECK enum vv_rc sftp_statvfs(struct sftp_client *c, const char *path, uint64_t *ret_free,
                                   uint64_t *ret_total, struct vv_error *err);
/** sftp_request_raw(c, type, payload, out, err): for tests and for what proves that a site is
 *  append-only: send any request (its id is put in), append the answer from its type byte on. */
MUST_CHECK enum vv_rc sftp_request_raw(struct sftp_client *c, uint8_t type, struct vv_span payload,
                                       struct vv_buf *out, struct vv_error *err);

#endif
