/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_STORAGE_SFTP_INTERNAL_H
#define VARVE_STORAGE_SFTP_INTERNAL_H

#include <stdatomic.h>

#include "core/thread.h"
#include "ssh/sftp_client.h"
#include "ssh/ssh_connect.h"
#include "storage/sftp_url.h"
#include "storage/storage.h"
#include "storage/storage_internal.h"

/*
 * Inside of the SFTP driver: sftp.c (the driver), sftp_pool.c (channels: choosing, opening,
 * trying again), sftp_grow.c (how many), sftp_channel.c (one channel and what it keeps open),
 * sftp_publish.c, sftp_publish_link.c, sftp_read.c, sftp_list.c, sftp_layout.c, sftp_abilities.c,
 * sftp_describe.c, sftp_digest.c.
 *
 * Invariants:
 * P1  a channel that failed is taken out of the pool at once and freed when its last user lets go;
 *     nothing that belongs to it (handles) is used with another.
 * P2  one thread opens the first channel, the others wait; further ones are opened one at a time, on
 *     a long line up to SFTP_OPENING_MOST at once (sshd drops who does not log in from ten on).
 * P3  a call is repeated only if the channel failed or the trouble is in passing (VV_ETRANSIENT),
 *     never after VV_EAUTH, VV_EREFUSED, VV_ENOSPACE or what else the server decided; and not at
 *     all before a first channel was there (an unreachable host is told at once).
 *     There is one patience for a storage, ten minutes: when a call has used it up, calls are not
 *     repeated for as long.
 * P4  waiting is done by the clock, in steps of at most SFTP_WAIT_STEP_MS, and ends when cancelled.
 * P5  no call to the server is made with `lock` of the pool or of a channel held.
 */

enum {
    SFTP_CHANNELS_MAX = 8,
    SFTP_OPENING_MOST = 4,
    SFTP_KEPT_DIRECTORIES = 48, /* open directories of one channel */
    SFTP_KEPT_FILES = 48,       /* open packs of one channel */
    SFTP_WAIT_STEP_MS = 100,
    SFTP_PARALLEL = 64,
    SFTP_PATH_MAX = 4096,
    SFTP_READ_UNIT = 65536, /* reads of packs are rounded to it, so that their sizes tell less */
};

/** A directory kept open to make names in it durable. */
struct sftp_directory {
    char *name; /* within the repository; NULL: a free place */
    struct sftp_handle handle;
    unsigned users;
    uint64_t last_used;
    /* One fsync at a time, each for all who asked before it began: the kernel tells a write error
     * once, so that of two at once on one handle the wrong one might hear of it. */
    uint64_t wanted;
    uint64_t done;
    bool syncing;
    enum vv_rc failed; /* sticky: then the handle is not used for anything new */
};

/** A pack kept open for reading. */
struct sftp_file {
    char *name; /* NULL: a free place */
    struct sftp_handle handle;
    unsigned users;
    bool unwanted; /* removed or uncached: close when nobody uses it */
    uint64_t last_used;
};

struct sftp_channel {
    struct sftp_client *client;
    char *transport;      /* the stream's name */
    unsigned users;       /* guarded by the pool's lock, as `load` and `retired` */
    uint64_t load;        /* bytes its users have yet to move, at most */
    bool retired;         /* not in the pool any more */
    struct vv_mutex lock; /* guards what follows */
    struct vv_cond changed;
    uint64_t tick;
    struct sftp_directory directories[SFTP_KEPT_DIRECTORIES];
    struct sftp_file files[SFTP_KEPT_FILES];
};

/** Whether another channel would help; see sftp_grow.c. */
struct sftp_growth {
    uint64_t since_ns; /* the measurement's beginning; 0: none */
    uint64_t since_bytes;
    double rate_before; /* bytes a second before the last channel was added */
    uint64_t not_before_ns;
    bool settled; /* the last one did not help */
};

struct sftp_pool {
    struct vv_mutex lock; /* guards what follows */
    struct vv_cond changed;
    struct sftp_channel *channels[SFTP_CHANNELS_MAX];
    unsigned count;
    unsigned retired;       /* channels out of the pool that still have users */
    unsigned opening;       /* threads that are about it */
    unsigned under_way;     /* calls that have a channel or wait for one */
    bool reached;           /* there was a channel once */
    unsigned failures;      /* in a row */
    uint64_t successes;     /* calls that the server answered */
    uint64_t failing_since; /* ns; 0: not failing */
    uint64_t spent_at;      /* ns: a call was repeated for as long as is worth while; 0: none was */
    uint64_t retry_at;      /* ns: no channel is opened before */
    uint64_t bytes_retired; /* moved by channels that are gone */
    struct sftp_growth growth;
    struct vv_error last; /* why no channel could be opened */
};

/** sftp_connect_fn: how a channel comes to be; called by one thread until there was a channel once,
 *  then by several at a time. */
typedef enum vv_rc sftp_connect_fn(void *ctx, struct byte_stream **ret, struct vv_error *err);

struct sftp {
    struct storage base;
    char *url;
    char *root; /* path of the repository on the server */
    struct sftp_url target;
    struct ssh_options ssh;
    struct ssh_choice choice;
    sftp_connect_fn *connect;
    void *connect_ctx;
    const struct vv_clock *clock;
    struct vv_cancel *cancel;
    struct vv_events *events;
    unsigned most; /* channels */
    uint64_t stall_ms;
    struct sftp_pool pool;
    struct vv_mutex lock; /* guards session and limit */
    char session[STORAGE_SESSION_MAX + 1];
    struct vv_rate_limit *limit;
    _Atomic uint64_t last_temporary;
    atomic_bool no_directory_sync; /* learnt: a directory cannot be opened or synced here */
    _Atomic int rename_is_safe;    /* learnt by trying: 0 not known, 1 yes, -1 no */
    atomic_bool abilities_known;
    _Atomic uint32_t abilities;
};

/** storage_sftp_new(url, options, ret, err): the driver for sftp://...; connects when it is first
 *  used. */
MUST_CHECK enum vv_rc storage_sftp_new(const char *url, const struct storage_options *options,
                                       struct storage **ret, struct vv_error *err);
/** storage_sftp_new_with(connect, ctx, root, options, stall_ms, ret, err): for tests: the same over
 *  streams that ${connect} makes; ${root} is the path on the server. */
MUST_CHECK enum vv_rc storage_sftp_new_with(sftp_connect_fn *connect, void *ctx, const char *root,
                                            const struct storage_options *options,
                                            uint64_t stall_ms, struct storage **ret,
                                            struct vv_error *err);

/** sftp_path(s, name, out, err): the path of ${name} on the server, "" being the root. */
MUST_CHECK enum vv_rc sftp_path(const struct sftp *s, const char *name, char out[SFTP_PATH_MAX],
                                struct vv_error *err);
/** sftp_temporary_path(s, out, err): a fresh name in tmp/. */
MUST_CHECK enum vv_rc sftp_temporary_path(struct sftp *s, char out[SFTP_PATH_MAX],
                                          struct vv_error *err);
/** sftp_no_space(s, channel, wanted): the server says that there is less space than that. */
bool sftp_no_space(const struct sftp *s, struct sftp_channel *c, uint64_t wanted);
/** sftp_explain(s, err): put the hints of this driver to an error of the client. */
void sftp_explain(const struct sftp *s, struct vv_error *err);

/* --- sftp_pool.c --- */

/** What is done on one channel; called again on another if that one fails.  ${attempt} counts from
 *  0; what an earlier attempt has done is unknown as far as ${ctx} does not know it. */
typedef enum vv_rc sftp_work_fn(struct sftp *s, struct sftp_channel *c, unsigned attempt, void *ctx,
                                struct vv_error *err);
MUST_CHECK enum vv_rc sftp_run(struct sftp *s, sftp_work_fn *fn, void *ctx, struct vv_error *err);
/** sftp_run_load(s, fn, ctx, bytes, err): the same for what moves about ${bytes}: channels share the
 *  load, and one that would wait long for its turn may get a channel of its own. */
MUST_CHECK enum vv_rc sftp_run_load(struct sftp *s, sftp_work_fn *fn, void *ctx, uint64_t bytes,
                                    struct vv_error *err);
/** sftp_run_once(s, fn, ctx, err): as sftp_run, never repeated. */
MUST_CHECK enum vv_rc sftp_run_once(struct sftp *s, sftp_work_fn *fn, void *ctx,
                                    struct vv_error *err);
void sftp_pool_init(struct sftp *s);
/** sftp_pool_release(s): nobody uses it any more. */
void sftp_pool_release(struct sftp *s);
/** sftp_pool_renew(s): every channel is replaced by a new one at its next use; returns when nobody
 *  uses an old one. */
void sftp_pool_renew(struct sftp *s);
/** sftp_pool_load(s): bytes that calls under way have yet to move, at most. */
uint64_t sftp_pool_load(struct sftp *s);
/** sftp_pool_each(s, fn, ctx): call fn for each channel in the pool, without the lock. */
void sftp_pool_each(struct sftp *s, void (*fn)(struct sftp_channel *c, void *ctx), void *ctx);

/* --- sftp_grow.c --- */

/** sftp_grow_wanted(s): all channels are busy and another one may help: open one.  Lock of the pool
 *  held. */
bool sftp_grow_wanted(struct sftp *s);
/** sftp_grow_long(s, load): on this line ${load} bytes on one channel take longer than opening
 *  another one.  Lock held. */
bool sftp_grow_long(const struct sftp *s, uint64_t load);
/** sftp_grow_idle(s): nothing is under way: a measurement would count the pause.  Lock held. */
void sftp_grow_idle(struct sftp *s);
/** sftp_grow_added(s, added): another channel is there, or could not be had.  Lock held. */
void sftp_grow_added(struct sftp *s, bool added);
/** sftp_pool_bytes(p): moved by all channels so far.  Lock held. */
uint64_t sftp_pool_bytes(const struct sftp_pool *p);

/* --- sftp_channel.c --- */

MUST_CHECK enum vv_rc sftp_channel_new(struct sftp *s, struct sftp_channel **ret,
                                       struct vv_error *err);
void sftp_channel_free(struct sftp_channel *c);
/** sftp_directory_get(s, c, name, ret, err): an open handle of directory ${name}; *ret is NULL if
 *  this server cannot open directories.  Give it back with sftp_directory_put. */
MUST_CHECK enum vv_rc sftp_directory_get(struct sftp *s, struct sftp_channel *c, const char *name,
                                         struct sftp_directory **ret, struct vv_error *err);
void sftp_directory_put(struct sftp_channel *c, struct sftp_directory *d);
/** sftp_directory_sync(s, c, d, temporary, err): what was done in it before is durable.  Deletes
 *  ${temporary} (may be NULL) by the way, as far as the server lets it. ${d} may be NULL. */
MUST_CHECK enum vv_rc sftp_directory_sync(struct sftp *s, struct sftp_channel *c,
                                          struct sftp_directory *d, const char *temporary,
                                          struct vv_error *err);
/** sftp_file_get(s, c, name, ret, err): pack ${name} opened for reading. */
MUST_CHECK enum vv_rc sftp_file_get(struct sftp *s, struct sftp_channel *c, const char *name,
                                    struct sftp_file **ret, struct vv_error *err);
void sftp_file_put(struct sftp_channel *c, struct sftp_file *f);
/** sftp_file_forget(c, name): do not use an open handle of it again. */
void sftp_file_forget(struct sftp_channel *c, const char *name);

/* --- the driver's members that have a file of their own --- */

MUST_CHECK enum vv_rc sftp_storage_publish(struct storage *s, const char *name, struct vv_span data,
                                           struct vv_error *err);
MUST_CHECK enum vv_rc sftp_storage_read(struct storage *s, const char *name, uint64_t offset,
                                        uint8_t *buf, size_t len, size_t *ret_len,
                                        struct vv_error *err);
MUST_CHECK enum vv_rc sftp_storage_size(struct storage *s, const char *name, uint64_t *ret,
                                        struct vv_error *err);
MUST_CHECK enum vv_rc sftp_storage_list(struct storage *s, const char *directory,
                                        storage_list_fn *fn, void *ctx, struct vv_error *err);
MUST_CHECK enum vv_rc sftp_storage_list_shards(struct storage *s, const char *directory,
                                               storage_list_fn *fn,
                                               void *const ctxs[STORAGE_SHARDS],
                                               struct vv_error *err);
MUST_CHECK enum vv_rc sftp_storage_make_layout(struct storage *s, struct vv_error *err);
MUST_CHECK enum vv_rc sftp_storage_complete_layout(struct storage *s, struct vv_error *err);
uint32_t sftp_storage_abilities(struct storage *s);
MUST_CHECK enum vv_rc sftp_storage_describe(struct storage *s, struct vv_buf *out,
                                            struct vv_error *err);

MUST_CHECK enum vv_rc sftp_storage_digests(struct storage *s, struct storage_digest *items,
                                           size_t count, struct vv_error *err);

/* --- sftp_publish_link.c: giving the final name --- */

/** sftp_rename_safe(s, c, err): VV_OK if RENAME was seen not to replace here, else
 *  VV_EUNSUPPORTED. */
MUST_CHECK enum vv_rc sftp_rename_safe(struct sftp *s, struct sftp_channel *c,
                                       struct vv_error *err);

#endif
