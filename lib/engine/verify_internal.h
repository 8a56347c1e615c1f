/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_ENGINE_VERIFY_INTERNAL_H
#define VARVE_ENGINE_VERIFY_INTERNAL_H

#include "core/thread.h"
#include "engine/id_table_internal.h"
#include "engine/look_internal.h"
#include "engine/verify.h"
#include "repo/scrub_ledger.h"

/* Shared by verify*.c. */

/** A pack as listed or as the index names it. */
struct verify_pack {
    struct pack_name name;
    uint64_t size;       /* listed */
    uint64_t index_size; /* 0: no index segment names it */
    bool listed;
    bool metadata;
    bool damaged;    /* reported: wrong size, missing, or its content */
    bool superseded; /* missing or damaged, but another instance is there: told */
    bool read_good;  /* read whole by this run, and right; guarded by the lock of the run */
    bool read_bad;   /* or wrong */
    bool complained; /* reported as unindexed */
    bool absent;     /* indexed, not listed, not condemned, no twin: does anything need it? */
    bool needed;     /* and something does: reported */
    bool vouched;    /* an administrator's client has signed an index record of it */
};

struct verify_vouch; /* verify_vouch.c */

struct verify {
    struct repo *repo;
    const struct verify_options *options;
    const struct snapshot_list *list;
    const struct snapshot **snapshots; /* those to be verified */
    size_t snapshot_count;
    struct vv_progress *progress; /* may be NULL */
    struct verify_summary s;
    struct looker look;
    struct admin_records admin;
    struct condemned_set condemned;
    struct name_list slots;     /* names in snapshots/: sessions that ended */
    struct vv_buf pack_list;    /* struct verify_pack, sorted by name */
    struct id_table seen;       /* nodes and lists read */
    struct id_table bad;        /* chunks that cannot be read */
    struct verify_vouch *vouch; /* NULL: nothing is signed */
    bool unreadable;            /* a node or list could not be read */
    struct scrub_ledger *ledger;
    struct vv_mutex naming; /* guards the next two */
    struct vv_buf named;    /* struct pack_name, sorted: what the index names by now */
    bool named_read;
    struct vv_mutex lock; /* reports and counts, while packs are read in parallel */
};

/** verify_report(v, event, object, fmt, ...): one damaged object.  Thread-safe. */
void verify_report(struct verify *v, const char *event, const char *object, const char *fmt, ...)
    VV_PRINTF(4, 5);
/** verify_read(v, name, limit, out, err): an object from the device. */
MUST_CHECK enum vv_rc verify_read(struct verify *v, const char *name, uint64_t limit,
                                  struct vv_buf *out, struct vv_error *err);

static inline struct verify_pack *
verify_packs(const struct verify *v)
{
    return (struct verify_pack *)(void *)v->pack_list.data;
}
static inline size_t
verify_pack_count(const struct verify *v)
{
    return v->pack_list.len / sizeof(struct verify_pack);
}
struct verify_pack *verify_find_pack(const struct verify *v, const struct pack_name *name);

/** verify_twin(v, p, before): another listed instance of the same bytes, of the size they should have: the
 *  first, or the one behind ${before}; NULL. */
struct verify_pack *verify_twin(const struct verify *v, const struct verify_pack *p,
                                const struct verify_pack *before);
/** verify_superseded(v, p): tell that another instance makes up for this one. */
void verify_superseded(struct verify *v, struct verify_pack *p);

/** The steps, in this order. */
MUST_CHECK enum vv_rc verify_small_objects(struct verify *v, struct vv_error *err);
MUST_CHECK enum vv_rc verify_index(struct verify *v, struct vv_error *err);
MUST_CHECK enum vv_rc verify_trees(struct verify *v, struct vv_error *err);
MUST_CHECK enum vv_rc verify_pack_data(struct verify *v, struct vv_error *err);
/** verify_vouch_begin(v, err): before packs are read: a session, if there is something to sign.
 *  That it cannot be had (a storage that is read-only, say) is a warning. */
MUST_CHECK enum vv_rc verify_vouch_begin(struct verify *v, struct vv_error *err);
/** verify_vouch_wanted(v, p): is ${p} to be signed?  verify_vouch_add(v, p, directory, class): it was
 *  read whole and is right.  Both thread-safe. */
bool verify_vouch_wanted(const struct verify *v, const struct verify_pack *p);
void verify_vouch_add(struct verify *v, const struct verify_pack *p,
                      const struct pack_directory *directory, enum pack_class class);
/** verify_vouch_end(v): publish what is left, end the session.  Failing is a warning. */
void verify_vouch_end(struct verify *v);
/** verify_need(v, type, id, err): a chunk that something needs was found in no pack that is there: report
 *  those packs that are said to hold it and are gone. */
MUST_CHECK enum vv_rc verify_need(struct verify *v, enum chunk_type type, const struct vv_id *id,
                                  struct vv_error *err);
/** verify_absent(v, err): packs the index names and that are gone, after the trees were walked: what
 *  needs them besides the trees, and a notice of those that nothing needs. */
MUST_CHECK enum vv_rc verify_absent(struct verify *v, struct vv_error *err);
/** verify_replicas(v, err): note packs that only a replica could serve as damaged, and say of every
 *  damaged pack which replica has it whole. */
MUST_CHECK enum vv_rc verify_replicas(struct verify *v, struct vv_error *err);
/** verify_parity(v, err): say of every damaged pack whether its parity heals it. */
MUST_CHECK enum vv_rc verify_parity(struct verify *v, struct vv_error *err);
/** verify_name_paths(v, err): name every path that damage found so far reaches. */
MUST_CHECK enum vv_rc verify_name_paths(struct verify *v, struct vv_error *err);

#endif
