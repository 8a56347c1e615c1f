/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_ENGINE_REPLICATE_INTERNAL_H
#define VARVE_ENGINE_REPLICATE_INTERNAL_H

#include "core/rate_limit.h"
#include "engine/id_table_internal.h"
#include "engine/replicate.h"
#include "repo/chunk_index.h"
#include "repo/index_records.h"
#include "repo/pack_parity.h"
#include "repo/record_scan.h"
#include "repo/replica_journal.h"
#include "repo/replica_site.h"

/* Shared by replicate*.c. */

/** What all destinations of a run share. */
struct replication {
    struct repo *source;
    const struct repo_options *repo_options;
    const struct replicate_options *options;
    const struct vv_clock *clock;
    struct vv_events *events;
    struct vv_cancel *cancel;
    struct vv_progress *progress; /* may be NULL */
    struct vv_rate_limit *rate;   /* NULL: none was asked for */
    struct vv_mutex memory; /* what local state lends of the source is lent to one at a time */
};

/* --- packs at the site (R1) --- */

enum {
    SITE_INDEXED = 1,
    SITE_LISTED = 2,
    SITE_CONDEMNED = 4,
    SITE_SUSPECT = 8,
    SITE_BAD = 16, /* wrong size, or wrong bytes when read back */
};
struct site_pack {
    struct pack_name name;
    uint64_t size; /* listed */
    unsigned flags;
};
struct site_catalog {
    struct site_pack *packs; /* sorted by name */
    size_t count;
};
void site_catalog_release(struct site_catalog *c);
/** site_range(c, hash, ret_count): the instances of a hash. */
const struct site_pack *site_range(const struct site_catalog *c, const struct vv_id *hash,
                                   size_t *ret_count);
/** site_has(c, hash): R1. */
bool site_has(const struct site_catalog *c, const struct vv_id *hash);
/** site_is_intact(c, name): R1, for this instance. */
bool site_is_intact(const struct site_catalog *c, const struct pack_name *name);

/* --- packs and index records of the source --- */

struct source_pack {
    struct pack_name name;
    uint64_t size;
};
/** An index record, spooled: in the form index_record_append gives it. */
struct source_record {
    struct vv_id hash;
    uint64_t sum; /* of all but the full name: equal ones are taken once */
    uint64_t at;
    uint32_t len;
};
struct source_catalog {
    struct source_pack *packs; /* listed, sorted by name */
    size_t pack_count;
    struct source_record *records; /* sorted by hash */
    size_t record_count;
    int spool;
    uint64_t unindexed;
    bool damaged; /* a segment could not be read: records may be missing */
};
void source_catalog_release(struct source_catalog *c);
const struct source_pack *source_range(const struct source_catalog *c, const struct vv_id *hash,
                                       size_t *ret_count);
const struct source_record *source_records(const struct source_catalog *c, const struct vv_id *hash,
                                           size_t *ret_count);

/* --- one destination --- */

/** A pack to be brought there. */
struct job {
    struct vv_id hash;
    uint64_t size; /* at the source */
    bool heal;     /* an instance there is missing or damaged */
};
struct destination {
    struct replication *run;
    struct storage *storage;
    struct repo *site; /* NULL until it is open */
    struct replica_journal *journal;
    struct parity_writer *parity; /* NULL: the site keeps none */
    bool parity_asked;
    struct replicate_summary *s;
    unsigned attempts;          /* batches that failed in passing, in a row */
    uint64_t failing_since;     /* monotonic; 0: not failing.  Guarded by `lock` */
    struct id_table lost;       /* hashes of packs the source cannot give; value 1: told */
    struct id_table incomplete; /* record hashes that cannot be completed */
    struct id_table told;       /* suffixes of bad packs there that were told */
    size_t group;               /* snapshots in the next batch, with a key */
    unsigned vanished;          /* batches in a row that something vanished from */
    unsigned fenced;
    bool looked;                 /* shrinking was checked */
    bool lost_checked;           /* so was what the source lost of its own */
    bool seen_site;              /* the site's packs were compared once */
    struct site_catalog catalog; /* as last seen, if nothing was published since */
    bool catalog_valid;
    bool paced;           /* the driver keeps the rate limit */
    struct vv_mutex lock; /* guards s, lost and told while threads are at work */
    struct vv_thread thread;
    enum vv_rc rc;
    struct vv_error err;
};

/** One session's work. */
struct batch {
    struct destination *d;
    struct record_scan scan;
    const struct snapshot **chosen;
    size_t chosen_count;
    const struct snapshot **present; /* those that are there already */
    size_t present_count;
    bool complete; /* what those need is looked at again: the index there may lack something */
    bool lacking;  /* it does: something they need */
    bool more;     /* there are others to be done after this batch */
    struct writer_session *session;
    struct site_catalog site;
    struct source_catalog source;
    struct id_table needed; /* hashes of packs in the closures of the chosen, with a key */
    struct id_table heal;   /* hashes that are indexed there and not intact */
    struct job *jobs;
    size_t job_count;
    struct index_writer *index;
    struct admin_records site_admin; /* as read before the session */
    atomic_bool vanished;            /* something listed before is gone: begin again */
    atomic_bool lost;                /* the source cannot give a pack that the chosen may need */
};

/* replicate_retry.c */
/** retry_wait(d, attempts, err): after VV_ETRANSIENT: wait, full jitter between 0 and 1, 2, 4, .. 60 s
 *  by ${*attempts}, which is counted up; or give up with the error as it is (err->exhausted).  All
 *  threads of a destination share its patience: ten minutes in which nothing there worked.  What the
 *  storage has waited by itself counts: its error is exhausted then. */
MUST_CHECK enum vv_rc retry_wait(struct destination *d, unsigned *attempts, struct vv_error *err);
/** patience_renew(d): something worked there. */
void patience_renew(struct destination *d);
/** pause_for(run, ns, err): sleep in pieces; VV_ECANCELLED. */
MUST_CHECK enum vv_rc pause_for(struct replication *run, uint64_t ns, struct vv_error *err);

/* replicate_rate.c */
MUST_CHECK enum vv_rc rate_begin(struct replication *run, struct vv_error *err);
/** rate_wait(d, bytes, err): until ${bytes} may go to or come from the site. */
MUST_CHECK enum vv_rc rate_wait(struct destination *d, uint64_t bytes, struct vv_error *err);
/** rate_settle(d, err): until what was let through has had its time. */
MUST_CHECK enum vv_rc rate_settle(struct destination *d, struct vv_error *err);
/** rate_of(rates, count, minute): the limit at a minute of the day; 0: none. */
uint64_t rate_of(const struct replicate_rate *rates, size_t count, unsigned minute);

/* replicate_site_index.c */
#define SITE_READ_ATTEMPTS 10
/** site_index_read(d, ret_segments, ret_names, err): ids of the segments (32 bytes each, sorted) and the
 *  full names in them (sorted, some repeated), from the journal where it knows them. */
MUST_CHECK enum vv_rc site_index_read(struct destination *d, struct vv_buf *ret_segments,
                                      struct vv_buf *ret_names, struct vv_error *err);
/** site_index_lost_any(d, segments, ret, err): is one of them gone by now?  A prune drops those that
 *  name a pack before it deletes the pack. */
MUST_CHECK enum vv_rc site_index_lost_any(struct destination *d, const struct vv_buf *segments,
                                          bool *ret, struct vv_error *err);
/** site_index_restless(err): VV_ETRANSIENT: it was other at each of SITE_READ_ATTEMPTS looks. */
enum vv_rc site_index_restless(struct vv_error *err);

/* replicate_site.c */
/** site_catalog_fetch(d, ret, err): index segments, then the listing: names and sizes only.  If a pack
 *  is missing and segments are gone that were read, all of it again: a prune was faster. */
MUST_CHECK enum vv_rc site_catalog_fetch(struct destination *d, struct site_catalog *ret,
                                         struct vv_error *err);
/** site_catalog_judge(d, condemned, admin, c, err): what is condemned, suspect, of a wrong size.  What
 *  is wrong is told once and counted. */
MUST_CHECK enum vv_rc site_catalog_judge(struct destination *d,
                                         const struct condemned_set *condemned,
                                         const struct admin_records *admin, struct site_catalog *c,
                                         struct vv_error *err);
/** site_catalog_read(d, condemned, admin, ret, err): both. */
MUST_CHECK enum vv_rc site_catalog_read(struct destination *d,
                                        const struct condemned_set *condemned,
                                        const struct admin_records *admin, struct site_catalog *ret,
                                        struct vv_error *err);
/** site_heal_set(c, ret, err): hashes that have an index record there and no intact instance. */
MUST_CHECK enum vv_rc site_heal_set(const struct site_catalog *c, struct id_table *ret,
                                    struct vv_error *err);
/** site_adoptable_set(c, ret, err): add hashes that lie there and that no record names. */
MUST_CHECK enum vv_rc site_adoptable_set(const struct site_catalog *c, struct id_table *ret,
                                         struct vv_error *err);
/** site_record_hashes(d, ret, err): hashes of all records in slots there (replicate_slots.c). */
MUST_CHECK enum vv_rc site_record_hashes(struct destination *d, struct id_table *ret,
                                         struct vv_error *err);

/* replicate_source.c */
/** source_list_packs(run, c, err): the listing. */
MUST_CHECK enum vv_rc source_list_packs(struct replication *run, struct source_catalog *c,
                                        struct vv_error *err);
/** source_read_index(b, err): spool the records of packs that are wanted and not there. */
MUST_CHECK enum vv_rc source_read_index(struct batch *b, struct vv_error *err);
MUST_CHECK enum vv_rc source_record_load(const struct source_catalog *c,
                                         const struct source_record *record, struct vv_buf *out,
                                         struct index_record *ret, struct vv_error *err);

/* replicate_choose.c */
/** choose_records(b, err): b->scan to b->chosen: what is not there and may be copied; reads
 *  b->site_admin. */
MUST_CHECK enum vv_rc choose_records(struct batch *b, struct vv_error *err);
/** is_visible(admin, s): neither buried nor forgotten nor of a revoked client, by these records. */
bool is_visible(const struct admin_records *admin, const struct snapshot *s);
/** is_past_undelete(admin, s): gone for good, so that nobody cares any more for what it needs. */
bool is_past_undelete(const struct admin_records *admin, const struct snapshot *s);
/** check_shrunken(d, scan, err): VV_EREFUSED if too much is gone; note_source(d, scan, err). */
MUST_CHECK enum vv_rc check_shrunken(struct destination *d, const struct record_scan *scan,
                                     struct vv_error *err);
MUST_CHECK enum vv_rc note_source(struct destination *d, const struct record_scan *scan,
                                  struct vv_error *err);

/** collect_explained(scan, t, err): hashes of what is there, and of what the administrator has taken
 *  away: neither is lost. */
MUST_CHECK enum vv_rc collect_explained(const struct record_scan *scan, struct id_table *t,
                                        struct vv_error *err);

/* replicate_lost.c */
/** check_lost(b, there, err): are there records at the destination (hashes) that were committed on the
 *  source's site, and of which nothing at the source says what became of them?  Told (event
 *  "source-lost-snapshot"), and the run goes on: only copying it back mends that.  Once a run. */
MUST_CHECK enum vv_rc check_lost(struct batch *b, const struct id_table *there,
                                 struct vv_error *err);

/* replicate_closure.c */
/** closure_collect(b, err): index and listing of the source; packs of the chosen snapshots to
 *  b->needed; those that cannot be completed leave b->chosen. */
MUST_CHECK enum vv_rc closure_collect(struct batch *b, struct vv_error *err);

/* replicate_there.c */
struct there;
/** there_open(b, ret, err): the destination's own index (R9), in the order of R1.  NULL if it cannot
 *  tell more than the source's: all packs there are the source's. */
MUST_CHECK enum vv_rc there_open(struct batch *b, struct there **ret, struct vv_error *err);
void there_free(struct there *t); /* NULL is allowed */
VV_DEFINE_CLEANUP(struct there, there_free);
/** there_has(b, t, type, id, ret, err): can the chunk be read there?  ${t} NULL: nobody says so. */
MUST_CHECK enum vv_rc there_has(const struct batch *b, struct there *t, enum chunk_type type,
                                const struct vv_id *id, bool *ret, struct vv_error *err);

/* replicate_copy.c */
/** copy_packs(b, err): all of b->jobs, several in flight. */
MUST_CHECK enum vv_rc copy_packs(struct batch *b, struct vv_error *err);
unsigned replicate_threads(const struct destination *d);

/* replicate_pack.c */
/** copy_one(b, job, bytes, err): R2; sets b->vanished or b->lost (under d->lock).  ${bytes} is empty and
 *  takes the pack on its way. */
MUST_CHECK enum vv_rc copy_one(struct batch *b, const struct job *job, struct vv_buf *bytes,
                               struct vv_error *err);
/** What was found where a pack was listed a while ago. */
enum read_back {
    READ_BACK_RIGHT,
    READ_BACK_WRONG,
    READ_BACK_GONE, /* pruned, or lost: the index and the listing tell, looked at again */
};
/** pack_read_back(d, name, size, ret, err): read it at the site and compare its hash; noted in the
 *  journal and counted, unless it is gone. */
MUST_CHECK enum vv_rc pack_read_back(struct destination *d, const struct pack_name *name,
                                     uint64_t size, enum read_back *ret, struct vv_error *err);

/* replicate_batch.c */
/** batch_run(d, ret_more, err): one session, if there is anything to do. */
MUST_CHECK enum vv_rc batch_run(struct destination *d, bool *ret_more, struct vv_error *err);

/* replicate_digest.c */
/** digest_packs(d, packs, count, ret_done, ret_bad, err): ask the site's host for digests, from
 *  packs[*ret_done] on, which is counted up; what has another one, or none, is read back.
 *  VV_EUNSUPPORTED if the host computes none. */
MUST_CHECK enum vv_rc digest_packs(struct destination *d, const struct site_pack *const *packs,
                                   size_t count, size_t *ret_done, bool *ret_bad,
                                   struct vv_error *err);

/* replicate_readback.c */
/** read_back_one(d, pack, ret_bad, err): is it bad or gone?  What is bad is told. */
MUST_CHECK enum vv_rc read_back_one(struct destination *d, const struct site_pack *pack,
                                    bool *ret_bad, struct vv_error *err);
/** read_back_share(d, c, ret_bad, err): as the options say; were packs found that are bad or gone, so
 *  that the site has to be looked at again? */
MUST_CHECK enum vv_rc read_back_share(struct destination *d, const struct site_catalog *c,
                                      bool *ret_bad, struct vv_error *err);

/* replicate_look.c */
/** look_at_site(d, ret, err): outside of a session: what is there, condemned or not. */
MUST_CHECK enum vv_rc look_at_site(struct destination *d, struct site_catalog *ret,
                                   struct vv_error *err);
/** look_for_batch(b, packs, err): copy key slots and the administrator's records, choose_records, and
 *  if ${packs} look_at_site, into b->site. */
MUST_CHECK enum vv_rc look_for_batch(struct batch *b, bool packs, struct vv_error *err);

/* replicate_destination.c */
/** destination_run(arg): a thread's function; struct destination. */
void destination_run(void *arg);

/** site_tell_bad(d, pack, text, superseded): a bad pack at the site, told once a run. */
void site_tell_bad(struct destination *d, const struct site_pack *pack, const char *text,
                   bool superseded);

#endif
