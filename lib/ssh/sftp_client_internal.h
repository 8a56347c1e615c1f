/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_SSH_SFTP_CLIENT_INTERNAL_H
#define VARVE_SSH_SFTP_CLIENT_INTERNAL_H

#include <stdatomic.h>

#include "core/thread.h"
#include "ssh/sftp_codec.h"

/*
 * How the client works.  A call lives on its caller's stack.  The caller fills it, hands it to the
 * I/O thread (sftp_submit) and waits; the I/O thread asks it packet by packet what to send
 * (`offer`), gives it the answers (`answer`), and hands it back when it is finished and nothing of
 * it is under way.  So between both hand-overs only the I/O thread touches a call, and payload is
 * copied once: from the caller's memory to the stream, or from the stream to the caller's memory.
 *
 * Invariants, beside F1 to F6 of sftp_client.h:
 * C1  `lock` guards the intake lists, `failure`, `ended` and every call's `done` and delivered
 *     answers.  Everything else of a client belongs to the I/O thread.
 * C2  a request has a slot of the table from when it is put into the packet buffer until it is
 *     answered; its id is the slot's number and how often the slot was used, so that a late or
 *     second answer meets no request.
 * C3  a call is handed back only when `in_flight` is 0: no slot names it.
 * C4  an answer to a request that has not left completely is a broken protocol: else the answer
 *     would hand back memory that is still being sent.
 * C5  what was offered to the stream and not taken stays as it is: the packet buffer is filled only
 *     when it is empty.
 * C6  the I/O thread never sleeps but in poll, and there at most POLL_MS while a call waits.
 */

enum {
    SFTP_SLOTS = 1024,         /* requests under way on one channel */
    SFTP_PLAIN_SIZE = 32768,   /* of a read or write when the server states no limits */
    SFTP_LIMITED_SIZE = 65536, /* the same when a rate limit wants the line smooth */
    SFTP_WORDS = 256,          /* kept of what a server says about a failure */
};

struct sftp_call;
struct sftp_slot;

/** The next request of a call, as its `offer` describes it. */
struct sftp_packet {
    uint8_t type;
    struct vv_span body;              /* behind the id; or, if the type is READ or WRITE: */
    const struct sftp_handle *handle; /* with the next three */
    uint64_t offset;
    uint32_t len;
    struct vv_span payload;  /* goes behind the body */
    uint8_t *into;           /* READ: where the data goes */
    bool any_answer;         /* whatever comes will do */
    size_t tag;              /* the call's own */
    struct sftp_slot *reuse; /* READ: the slot that was kept to go on with */
};

struct sftp_call_ops {
    /** The next request; false: none at present.  Changes nothing. */
    bool (*offer)(struct sftp_call *call, struct sftp_packet *ret);
    /** What was offered is being put into the buffer: do not offer it again. */
    void (*taken)(struct sftp_call *call, const struct sftp_packet *packet);
    /** An answer of the right type; READ's data is in its place already and ${received} of it. */
    void (*answer)(struct sftp_call *call, struct sftp_slot *slot, const struct sftp_answer *answer,
                   struct vv_span packet, uint32_t received);
    /** No request will be offered any more, unless an answer to one under way changes that. */
    bool (*finished)(const struct sftp_call *call);
};

struct sftp_call {
    const struct sftp_call_ops *ops;
    struct sftp_client *client;
    uint64_t number;        /* in the order they came */
    struct sftp_call *next; /* intake list, then ring of the I/O thread */
    struct sftp_call *previous;
    struct vv_cond cond;    /* signalled when done, or when an answer was delivered */
    bool done;              /* C1 */
    bool failed;            /* the channel did */
    bool out_of_memory;     /* an answer could not be kept */
    uint32_t in_flight;     /* requests under way */
    uint64_t window_used;   /* bytes of payload under way */
    uint32_t depth;         /* longest chain of requests each sent after the answer before */
    uint64_t busy;          /* counted in the client's `busy` while this call lives */
    uint32_t status;        /* the first that was not OK */
    size_t status_tag;      /* whose it was */
    char words[SFTP_WORDS]; /* with it */
};

/** A request under way. */
struct sftp_slot {
    struct sftp_call *call; /* NULL: nobody waits for the answer */
    uint32_t id;
    bool used;
    bool kept; /* answered, but the call goes on with it (`reuse`) */
    bool any_answer;
    uint8_t type;
    uint32_t depth;
    uint32_t len; /* payload: of READ wanted, of WRITE sent */
    uint64_t offset;
    uint8_t *into;
    size_t tag;
    uint64_t sent_ns;
    uint64_t end_at;         /* position in the stream of bytes behind its last (C4) */
    struct sftp_slot *older; /* those under way, in the order they were sent */
    struct sftp_slot *newer;
    struct sftp_slot *next; /* free list, or a call's list of reads to go on with */
};

/** A handle that nobody needs any more: closed without waiting for the answer. */
struct sftp_closing {
    struct sftp_closing *next;
    struct sftp_handle handle;
};

struct sftp_client {
    struct byte_stream *stream;
    const struct vv_clock *clock;
    struct vv_rate_limit *limit;
    struct vv_cancel *cancel;
    uint64_t stall_ns;
    uint64_t window;
    struct vv_thread thread;
    int wake; /* an eventfd */

    struct vv_mutex lock;   /* C1 */
    struct vv_cond changed; /* greeted or ended */
    struct sftp_call *intake;
    struct sftp_call **intake_end;
    struct sftp_closing *closings;
    bool asleep;   /* the I/O thread is going into poll: wake it */
    bool stopping; /* sftp_client_free */
    bool greeted;  /* VERSION has come */
    bool ended;    /* no call is taken any more: `failure` says why */
    struct vv_error failure;

    atomic_bool failed;
    _Atomic uint64_t busy;
    _Atomic uint64_t bytes_sent;
    _Atomic uint64_t bytes_received;
    _Atomic uint64_t requests;
    _Atomic uint64_t round_trips;
    _Atomic uint64_t round_trip_ns;

    /* Set before any call but the first, then never changed. */
    uint32_t extensions;
    struct vv_buf extension_names;
    uint32_t read_size;
    uint32_t write_size;
    uint32_t handle_count; /* handles one call may hold open */

    /* The I/O thread's. */
    struct sftp_call *ring; /* the next to be asked */
    struct sftp_closing *to_close;
    struct sftp_slot *slots;
    struct sftp_slot *free_slots;
    struct sftp_slot *oldest;
    struct sftp_slot *newest;
    uint32_t slots_used;
    uint64_t calls;        /* taken in so far */
    struct vv_buf packets; /* whole packets, and the beginning of the last one's payload */
    size_t packets_sent;
    struct vv_span tail; /* the rest of that payload, the caller's memory */
    uint64_t put_at;     /* bytes put into the line so far: buffer and tail included */
    uint64_t sent_at;    /* bytes the stream has taken */
    uint8_t *in;         /* received: [in_start, in_end) is not looked at yet */
    size_t in_start;
    size_t in_end;
    struct sftp_slot *direct; /* the READ whose data is coming in */
    uint32_t direct_got;
    uint32_t direct_len;
    uint64_t progress_ns;  /* when the other side last did anything */
    uint64_t credit;       /* bytes reserved of the rate limit ... */
    uint64_t credit_at_ns; /* ... usable from then on */
};

/* sftp_client.c */
/** sftp_submit(c, call): hand ${call} over; VV_OK, or why it was not taken. */
MUST_CHECK enum vv_rc sftp_submit(struct sftp_client *c, struct sftp_call *call,
                                  struct vv_error *err);
/** sftp_await(c, call, err): until it is handed back; then ${call}->status tells, unless the channel
 *  failed. */
MUST_CHECK enum vv_rc sftp_await(struct sftp_client *c, struct sftp_call *call,
                                 struct vv_error *err);
/** sftp_perform(c, call, err): both. */
MUST_CHECK enum vv_rc sftp_perform(struct sftp_client *c, struct sftp_call *call,
                                   struct vv_error *err);
void sftp_wake(struct sftp_client *c);

/* sftp_client_loop.c */
/** sftp_put_off_closing(c, h): as sftp_close_later, from the I/O thread. */
void sftp_put_off_closing(struct sftp_client *c, const struct sftp_handle *h);
void sftp_client_loop(void *arg);
/** sftp_call_settle(c, call): hand it back if it is finished. */
void sftp_call_settle(struct sftp_client *c, struct sftp_call *call);
/** sftp_call_refused(call, tag, answer): note a status that is not OK, the first only. */
void sftp_call_refused(struct sftp_call *call, size_t tag, const struct sftp_answer *answer);
uint64_t sftp_now(const struct sftp_client *c);

/* sftp_client_send.c */
/** sftp_fill(c): put packets into the empty buffer. */
void sftp_fill(struct sftp_client *c);
/** sftp_flush(c, ret_blocked, err): give the stream what there is, until it takes no more. */
MUST_CHECK enum vv_rc sftp_flush(struct sftp_client *c, bool *ret_blocked, struct vv_error *err);
bool sftp_unsent(const struct sftp_client *c);

/* sftp_client_receive.c */
/** sftp_receive(c, ret_some, err): take what there is, once, and act on it. */
MUST_CHECK enum vv_rc sftp_receive(struct sftp_client *c, bool *ret_some, struct vv_error *err);
enum { SFTP_IN_SIZE = SFTP_PACKET_LIMIT + 4 + 65536 };

/* sftp_client_error.c */
/** sftp_refused(status, words, err, fmt, ...): the error of a request that failed. */
enum vv_rc sftp_refused(uint32_t status, const char *words, struct vv_error *err, const char *fmt,
                        ...) VV_PRINTF(4, 5);
/** sftp_not_sftp(c, err, fmt, ...): F1. */
enum vv_rc sftp_not_sftp(const struct sftp_client *c, struct vv_error *err, const char *fmt, ...)
    VV_PRINTF(3, 4);

/* sftp_client_items.c */
/** One request and its answer. */
struct sftp_item {
    uint8_t type;
    bool any_answer;
    struct vv_buf body;
    struct vv_span payload;
    struct vv_buf answer; /* from the type byte on */
    uint32_t status;      /* of a STATUS, else OK */
    char words[SFTP_WORDS];
};
/** sftp_items(c, items, count, err): send all, wait for all; VV_OK if all were answered. */
MUST_CHECK enum vv_rc sftp_items(struct sftp_client *c, struct sftp_item *items, size_t count,
                                 struct vv_error *err);
/** sftp_item_answered(call, item, answer, packet): keep it. */
void sftp_item_answered(struct sftp_call *call, struct sftp_item *item,
                        const struct sftp_answer *answer, struct vv_span packet);
void sftp_item_release(struct sftp_item *item);
void sftp_item_offer(const struct sftp_item *item, size_t tag, struct sftp_packet *ret);
/** sftp_words(out, text): as text, cut to what is kept. */
void sftp_words(char out[SFTP_WORDS], struct vv_span text);
/** sftp_check_path(path, err): not longer than a packet may hold. */
MUST_CHECK enum vv_rc sftp_check_path(const char *path, struct vv_error *err);

/* sftp_client_transfer.c */
/** A run of bytes of an open file, written from or read to the caller's memory. */
struct sftp_transfer {
    struct sftp_call call;
    const struct sftp_handle *handle;
    uint64_t offset;         /* in the file, of the first byte */
    const uint8_t *from;     /* writing, else NULL */
    uint8_t *into;           /* reading, else NULL */
    size_t end;              /* length; reading: less once the file proves to be shorter */
    size_t next;             /* asked for or sent so far */
    struct sftp_slot *again; /* reads that came short */
    uint64_t size;           /* of the file, as fstat said before; UINT64_MAX: not known */
    bool items_first;        /* items are sent before the data, else behind it */
    struct sftp_item *items;
    size_t item_count;
    size_t item_next;
};
/** sftp_transfer_init(t, h, offset, len): then set `from` or `into`. */
void sftp_transfer_init(struct sftp_transfer *t, const struct sftp_handle *h, uint64_t offset,
                        size_t len);

#endif
