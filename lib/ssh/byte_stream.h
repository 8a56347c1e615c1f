/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_SSH_BYTE_STREAM_H
#define VARVE_SSH_BYTE_STREAM_H

#include <poll.h>

#include "core/bytes.h"
#include "core/error.h"

/*
 * Two directions of bytes to an SFTP server, never blocking.  Three transports: a libssh2 channel
 * (ssh_connect.h), a child `ssh -s host sftp` (ssh_connect.h), and any child at all
 * (stream_child.h: `sftp-server` for tests).  Not thread-safe: one thread owns a stream.
 */
struct byte_stream;

enum { BYTE_STREAM_FDS = 2 };

struct byte_stream_ops {
    /** Up to ${len} bytes that are there; *ret_len 0 with VV_OK: nothing yet.  The end of the
     *  stream is VV_ETRANSIENT ("the server closed the connection"), with what the other side said
     *  about it (the child's standard error) in the message. */
    enum vv_rc (*receive)(struct byte_stream *s, uint8_t *buf, size_t len, size_t *ret_len,
                          struct vv_error *err);
    /** As many bytes as it takes now; *ret_len 0 with VV_OK: none at present.  What was offered and
     *  not taken must be offered again, the same bytes. */
    enum vv_rc (*send)(struct byte_stream *s, struct vv_span data, size_t *ret_len,
                       struct vv_error *err);
    /** What to wait for before receive (and, if ${sending}, send) can do more: fills ${fds},
     *  returns how many, and the longest wait in milliseconds (-1: no limit) after which receive is
     *  to be called anyway (keep-alives). */
    size_t (*wait_for)(struct byte_stream *s, bool sending, struct pollfd fds[BYTE_STREAM_FDS],
                       int *ret_timeout_ms);
    /** Close; never waits for more than two seconds. */
    void (*free)(struct byte_stream *s);
};
struct byte_stream {
    const struct byte_stream_ops *ops;
    const char *name; /* for messages: "ssh to backup@host", owned by the stream */
};

static inline void
byte_stream_free(struct byte_stream *s)
{
    if (s != NULL) {
        s->ops->free(s);
    }
}
VV_DEFINE_CLEANUP(struct byte_stream, byte_stream_free);

#endif
