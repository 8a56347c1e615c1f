/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_TESTS_SSH_HELPER_SCRIPT_H
#define VARVE_TESTS_SSH_HELPER_SCRIPT_H

#include "core/clock.h"
#include "core/thread.h"
#include "ssh/sftp_codec.h"

/* An SFTP server that does what a test wants: a function in a thread at the other end of a socket
 * pair. */
struct script;
typedef void script_fn(struct script *s);

struct script {
    int fd; /* the server's end, blocking */
    int client_fd;
    pthread_t thread; /* not by core/thread.h: that allocates, which a test may let fail */
    script_fn *fn;
    void *arg;
    const char *extensions[4]; /* offered, each with version 1 */
    uint32_t version;          /* told; 0: 3 */
    unsigned requests;         /* taken, INIT included */
    unsigned hang_up_at;       /* script_serve closes instead of answering that one; 0: never */
    uint64_t size;             /* of the file it shows; it reads as script_byte() tells */
    uint32_t short_reads;      /* data has at most that many bytes; 0: as asked for */
    unsigned listed;
};

/** A request as it came: from the type byte on. */
struct script_request {
    uint8_t type;
    uint32_t id;
    size_t len;
    uint8_t packet[300 * 1024];
};

/** script_begin(s, fn): run fn(s) in a thread; what the client's side sees. */
struct byte_stream *script_begin(struct script *s, script_fn *fn);
/** script_client(s, fn, options): a client of it; asserts. */
struct sftp_client *script_client(struct script *s, script_fn *fn,
                                  const struct sftp_options *options);
/** script_end(s): wait for its end; the client must be freed before. */
void script_end(struct script *s);

/* For the function: false once the other side is gone. */
bool script_take(struct script *s, struct script_request *r);
bool script_bytes(struct script *s, const void *data, size_t len);
/** script_answer(s, type, id, body): a whole packet. */
bool script_answer(struct script *s, uint8_t type, uint32_t id, struct vv_span body);
bool script_status(struct script *s, uint32_t id, uint32_t status);
/** script_greet(s): take INIT, answer VERSION. */
bool script_greet(struct script *s);
/** script_reply(s, r): answer as an orderly server does. */
bool script_reply(struct script *s, const struct script_request *r);
/** script_serve: greet, then answer everything in order. */
void script_serve(struct script *s);
/** script_hold(s): take and ignore until the other side is gone. */
void script_hold(struct script *s);
/** script_read_wanted(r, ret_offset): of a READ: how much, from where. */
uint32_t script_read_wanted(const struct script_request *r, uint64_t *ret_offset);

static inline uint8_t
script_byte(uint64_t offset)
{
    return (uint8_t)(offset * 2654435761u >> 11);
}

/** A clock that another thread may move. */
struct moved_clock {
    struct vv_clock base;
    _Atomic uint64_t ns;
};
void moved_clock_init(struct moved_clock *c);

#endif
