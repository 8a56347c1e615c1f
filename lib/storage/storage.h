/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_STORAGE_STORAGE_H
#define VARVE_STORAGE_STORAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/error.h"
#include "core/event.h"
#include "core/rate_limit.h"
#include "core/thread.h"

/*
 * Where objects live.  An object is an immutable byte string with a name: "config", "site",
 * "keys/..", "packs/ab/..", at most one directory of two levels deep.  Names are made of
 * [A-Za-z0-9._-] components (see storage_name_valid); any other name is VV_EUSAGE.  Every driver
 * passes the same conformance suite (tests/unit/storage/conformance.h) and is thread-safe.  All
 * errors carry VV_ORIGIN_REPOSITORY, except those of a listing's callback.
 *
 * Invariants:
 * S1  publish is all or nothing: a reader never sees a partial object under its final name.
 * S2  publish returns VV_OK only when bytes and name are durable (where the driver can promise it;
 *     see abilities).
 * S3  publish is exclusive: if the name is taken it fails with VV_EEXISTS and changes nothing; of
 *     several publishers exactly one wins.  After an error or lost reply the driver reads back and
 *     compares: bytes equal and the attempt was ours -> success.
 * S4  list is complete: every name present from before the call to after it is returned.  An error
 *     is never an empty list.
 * S5  after a failed fsync or close the temporary object is thrown away, never retried.
 */

enum storage_ability {
    STORAGE_EXCLUSIVE_CREATE = 1u << 0,
    STORAGE_DURABLE_FILE = 1u << 1,
    STORAGE_DURABLE_NAME = 1u << 2,
    STORAGE_COMPLETE_LISTING = 1u << 3,
    STORAGE_DELETE = 1u << 4,
};

struct storage;

enum {
    STORAGE_NAME_MAX = 511,
    STORAGE_COMPONENT_MAX = 255,
    STORAGE_SHARDS = 256, /* sub-directories of packs and of parity */
};

/** storage_name_valid(name): one to three components of [A-Za-z0-9._-], none of them "." or "..",
 *  none longer than STORAGE_COMPONENT_MAX, all of it at most STORAGE_NAME_MAX bytes. */
MUST_CHECK bool storage_name_valid(const char *name);

/** What a listing yields; return VV_OK to go on, anything else stops and is returned.  ${name} is
 *  relative to the listed directory, without sub-directories. */
typedef enum vv_rc storage_list_fn(void *ctx, const char *name, uint64_t size,
                                   struct vv_error *err);

/** A driver.  Members marked optional may be NULL. */
/** What the host of a storage says of an object. */
enum { STORAGE_DIGESTS_MOST = 64 };
struct storage_digest {
    char name[STORAGE_NAME_MAX + 1];
    bool told;
    uint8_t sha256[32];
};

struct storage_ops {
    const char *scheme; /* "local", "memory", "fault", later "sftp", "s3" */
    enum vv_rc (*publish)(struct storage *s, const char *name, struct vv_span data,
                          struct vv_error *err);
    enum vv_rc (*read)(struct storage *s, const char *name, uint64_t offset, uint8_t *buf,
                       size_t len, size_t *ret_len, struct vv_error *err);
    enum vv_rc (*size)(struct storage *s, const char *name, uint64_t *ret, struct vv_error *err);
    enum vv_rc (*list)(struct storage *s, const char *directory, storage_list_fn *fn, void *ctx,
                       struct vv_error *err);
    enum vv_rc (*remove)(struct storage *s, const char *name, struct vv_error *err);
    enum vv_rc (*make_layout)(struct storage *s, struct vv_error *err);
    uint32_t (*abilities)(struct storage *s);
    void (*free)(struct storage *s);
    enum vv_rc (*space)(struct storage *s, uint64_t *ret_free, uint64_t *ret_total,
                        struct vv_error *err); /* optional: VV_EUNSUPPORTED */
    /* optional: the device and inode of the repository's root, so that a source can leave it out */
    bool (*local_identity)(struct storage *s, uint64_t *ret_device, uint64_t *ret_inode);
    /* optional: drop cached pages of an object so that the next read comes from the device */
    void (*uncache)(struct storage *s, const char *name);
    /* optional: name of the temporaries' session, "tmp/<session>-<n>" */
    void (*set_session)(struct storage *s, const char *session_text);
    /* optional: calls of each kind worth having in flight at once (a remote storage: many) */
    unsigned (*parallel)(struct storage *s);
    /* optional: hold to a limit from now on; false: the driver cannot, the caller has to */
    bool (*set_rate_limit)(struct storage *s, struct vv_rate_limit *limit);
    /* optional: "packs/00" to "packs/ff" (or "parity/..") at once, faster than 256 calls of list;
     * ctxs[i] is given to ${fn} for what is in shard i */
    enum vv_rc (*list_shards)(struct storage *s, const char *directory, storage_list_fn *fn,
                              void *const ctxs[STORAGE_SHARDS], struct vv_error *err);
    /* optional: remove for several objects of one directory; one that is gone is no failure */
    enum vv_rc (*remove_many)(struct storage *s, const char *const *names, size_t count,
                              struct vv_error *err);
    /* optional: make the directories that are missing; NULL: make_layout serves */
    enum vv_rc (*complete_layout)(struct storage *s, struct vv_error *err);
    /* optional: one line about each thing worth knowing (transport, server's extensions, what
     * cannot be promised), for `stats --storage` */
    enum vv_rc (*describe)(struct storage *s, struct vv_buf *out, struct vv_error *err);
    /* optional: as storage_digests */
    enum vv_rc (*digests)(struct storage *s, struct storage_digest *items, size_t count,
                          struct vv_error *err);
};
struct storage {
    const struct storage_ops *ops;
    const char *url; /* for messages; owned by the driver */
};

/** storage_publish(s, name, data, err): make object ${name} with ${data}.  S1, S2, S3, S5.
 *  VV_ENOTFOUND if its directory does not exist.  After VV_EEXISTS nothing was changed; after any
 *  other error the object is absent or (the name could not be made durable, the reply was lost)
 *  there as a whole: whoever must know reads it back. */
MUST_CHECK enum vv_rc storage_publish(struct storage *s, const char *name, struct vv_span data,
                                      struct vv_error *err);
/** storage_read(s, name, offset, buf, len, ret_len, err): up to ${len} bytes from ${offset};
 *  *ret_len < len only at the end.  VV_ENOTFOUND if there is no such object. */
MUST_CHECK enum vv_rc storage_read(struct storage *s, const char *name, uint64_t offset,
                                   uint8_t *buf, size_t len, size_t *ret_len, struct vv_error *err);
/** storage_read_all(s, name, limit, out, err): append the whole object; VV_ELIMIT if it is larger
 *  than ${limit}. */
MUST_CHECK enum vv_rc storage_read_all(struct storage *s, const char *name, uint64_t limit,
                                       struct vv_buf *out, struct vv_error *err);
MUST_CHECK enum vv_rc storage_size(struct storage *s, const char *name, uint64_t *ret,
                                   struct vv_error *err);
/** storage_list(s, directory, fn, ctx, err): the objects directly in "keys", "packs/ab", ...; a
 *  missing directory is an error (VV_ENOTFOUND).  "" is the root.  Names in tmp/ are listed only
 *  when asked for.  A name that comes or goes during the call may be listed or not, in any order.
 *  Nothing is skipped: what is not a directory is listed even if its name is not a valid object
 *  name (check with storage_name_valid) or it is no regular file (reading it fails).  ${fn} may
 *  use the storage. */
MUST_CHECK enum vv_rc storage_list(struct storage *s, const char *directory, storage_list_fn *fn,
                                   void *ctx, struct vv_error *err);
/** storage_remove(s, name, err): delete; VV_ENOTFOUND if it is gone already.  Durable on return
 *  where the driver can (fsync of the directory). */
MUST_CHECK enum vv_rc storage_remove(struct storage *s, const char *name, struct vv_error *err);
/** storage_remove_many(s, names, count, err): delete objects of one directory; those that are gone
 *  already are no failure.  Durable on return, as after storage_remove, which where the driver can is
 *  one fsync for all of them.  If it fails some may be gone. */
MUST_CHECK enum vv_rc storage_remove_many(struct storage *s, const char *const *names, size_t count,
                                          struct vv_error *err);
/** storage_make_layout(s, err): create the root and every directory (keys, admin, sessions,
 *  snapshots, condemned, packs/00..ff, index, parity/00..ff, tmp), durably.  A root that exists
 *  must be empty (VV_EREFUSED, with a hint); its parent must exist. */
MUST_CHECK enum vv_rc storage_make_layout(struct storage *s, struct vv_error *err);
/** storage_complete_layout(s, err): the same where parts of a repository may already be: what is
 *  missing is created.  VV_EREFUSED if the root has a directory that is none of the layout; what
 *  objects are there is the caller's to judge, before. */
MUST_CHECK enum vv_rc storage_complete_layout(struct storage *s, struct vv_error *err);
/** storage_abilities(s): what can be promised, bits of enum storage_ability; found by trying (in
 *  tmp/), so what cannot be tried, because the storage is read-only, say, is not promised. */
uint32_t storage_abilities(struct storage *s);
/** storage_space(s, ret_free, ret_total, err): bytes this user may still store, and in all. */
MUST_CHECK enum vv_rc storage_space(struct storage *s, uint64_t *ret_free, uint64_t *ret_total,
                                    struct vv_error *err);
/** The optional members of struct storage_ops: false or no effect where a driver has none.
 *  ${session_text} is a name component of at most 64 bytes. */
bool storage_local_identity(struct storage *s, uint64_t *ret_device, uint64_t *ret_inode);
void storage_uncache(struct storage *s, const char *name);
void storage_set_session(struct storage *s, const char *session_text);
void storage_free(struct storage *s);
VV_DEFINE_CLEANUP(struct storage, storage_free);

/** storage_parallel(s): 1 for a driver that does not say. */
unsigned storage_parallel(struct storage *s);
/** storage_set_rate_limit(s, limit): borrowed until the storage is freed or it is set to NULL;
 *  false: not this driver's business, wait before each call instead. */
MUST_CHECK bool storage_set_rate_limit(struct storage *s, struct vv_rate_limit *limit);
/** storage_list_shards(s, "packs", fn, ctx, err): the objects in all of packs/00 to packs/ff, as
 *  storage_list of each would give them, names without the directory. */
MUST_CHECK enum vv_rc storage_list_shards(struct storage *s, const char *directory,
                                          storage_list_fn *fn, void *ctx, struct vv_error *err);
/** storage_list_each_shard(s, "packs", fn, ctxs, err): the same, where it matters in which shard an
 *  object is: ctxs[0xab] is handed to ${fn} for those of packs/ab. */
MUST_CHECK enum vv_rc storage_list_each_shard(struct storage *s, const char *directory,
                                              storage_list_fn *fn, void *const ctxs[STORAGE_SHARDS],
                                              struct vv_error *err);
/** storage_digests(s, items, count, err): the SHA-256 of up to STORAGE_DIGESTS_MOST objects, computed
 *  by the host they are on: nothing is read from here, and nothing is proven but what that host says.
 *  Of what it does not say anything about (missing, say) `told` is false.  VV_EUNSUPPORTED where it
 *  cannot be asked, or computes none. */
MUST_CHECK enum vv_rc storage_digests(struct storage *s, struct storage_digest *items, size_t count,
                                      struct vv_error *err);
/** storage_describe(s, out, err): lines of text; nothing for a driver without. */
MUST_CHECK enum vv_rc storage_describe(struct storage *s, struct vv_buf *out, struct vv_error *err);

struct ssh_options; /* ssh/ssh_connect.h */
/** What a remote storage needs beside its URL; all may be NULL.  Borrowed while the storage lives. */
struct storage_options {
    const struct ssh_options *ssh;
    struct vv_events *events;
    struct vv_cancel *cancel;
    const struct vv_clock *clock;
    unsigned channels; /* at most so many connections; 0: as many as help, up to 8 */
};
/** storage_open(url, options, ret, err): the driver for a REPO argument: a path or a URL.  Knows
 *  nothing about whether a repository is there.  VV_EUNSUPPORTED names schemes that come later. */
MUST_CHECK enum vv_rc storage_open(const char *url, const struct storage_options *options,
                                   struct storage **ret, struct vv_error *err);

/** storage_local_new(path, ret, err): a directory.  ${path} need not exist yet; a relative one is
 *  resolved now, so that a later chdir does no harm. */
MUST_CHECK enum vv_rc storage_local_new(const char *path, struct storage **ret,
                                        struct vv_error *err);

/** storage_memory_new(ret, err): objects in memory, for tests. */
MUST_CHECK enum vv_rc storage_memory_new(struct storage **ret, struct vv_error *err);
/** Direct access for tests to a memory storage: replace, create or (data.data == NULL) drop an
 *  object without any rule; and copy the whole storage into a new one. */
MUST_CHECK enum vv_rc storage_memory_poke(struct storage *s, const char *name, struct vv_span data,
                                          struct vv_error *err);
MUST_CHECK enum vv_rc storage_memory_clone(struct storage *s, struct storage **ret,
                                           struct vv_error *err);
/** storage_memory_peek(s, name, ret): borrow an object's bytes until the storage changes. */
MUST_CHECK bool storage_memory_peek(struct storage *s, const char *name, struct vv_span *ret);

/*
 * A storage that wraps another and misbehaves on purpose.  The hook is called before every
 * operation; its verdict decides.
 */
enum storage_op { STORAGE_PUBLISH, STORAGE_READ, STORAGE_SIZE, STORAGE_LIST, STORAGE_REMOVE };
enum fault_verdict {
    FAULT_PASS,       /* do it */
    FAULT_FAIL,       /* do nothing, fail with VV_EIO */
    FAULT_TRANSIENT,  /* do nothing, fail with VV_ETRANSIENT */
    FAULT_NOSPACE,    /* do nothing, fail with VV_ENOSPACE */
    FAULT_REFUSED,    /* do nothing, fail with VV_EREFUSED */
    FAULT_LOST_REPLY, /* do it, then report VV_ETRANSIENT */
    FAULT_FLIP,       /* reads: flip one bit of what is returned */
    FAULT_STOP,       /* this and every later operation fails: the process died here */
};
typedef enum fault_verdict storage_fault_fn(void *ctx, enum storage_op op, const char *name);
/** storage_fault_new(inner, hook, ctx, ret, err): ${inner} is borrowed, not freed with it.  The
 *  hook may be called from several threads at once; a NULL ${hook} passes everything. */
MUST_CHECK enum vv_rc storage_fault_new(struct storage *inner, storage_fault_fn *hook, void *ctx,
                                        struct storage **ret, struct vv_error *err);

#endif
