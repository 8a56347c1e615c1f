/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading a share of the replica back, the packs first that were read longest ago. */
#include <stdlib.h>

#include "core/alloc.h"
#include "engine/replicate_internal.h"

#define DAY_NS (INT64_C(86400) * 1000000000)
#define MONTH_NS (30 * DAY_NS)
#define THREADS_MAX 64u

struct candidate {
    const struct site_pack *pack;
    int64_t verified_at;
};

struct reading {
    struct destination *d;
    const struct candidate *candidates;
    size_t count;         /* to be read */
    struct vv_mutex lock; /* guards what follows */
    size_t next;
    bool bad;
    enum vv_rc rc;
    struct vv_error err;
};

static int
compare_candidates(const void *a, const void *b)
{
    const struct candidate *x = a;
    const struct candidate *y = b;

    if (x->verified_at != y->verified_at) {
        return x->verified_at < y->verified_at ? -1 : 1;
    }
    return pack_name_compare(&x->pack->name, &y->pack->name);
}

enum vv_rc
read_back_one(struct destination *d, const struct site_pack *pack, bool *ret_bad,
              struct vv_error *err)
{
    enum read_back found = READ_BACK_RIGHT;

    VV_TRY(pack_read_back(d, &pack->name, pack->size, &found, err));
    *ret_bad = found != READ_BACK_RIGHT;
    if (found == READ_BACK_WRONG) {
        site_tell_bad(d, pack, "read back, its bytes do not have the hash in its name", false);
    }
    return VV_OK;
}

static void
worker(void *arg)
{
    struct reading *r = arg;

    for (;;) {
        const struct site_pack *pack = NULL;
        struct vv_error err = {0};
        bool bad = false;
        enum vv_rc rc;
        vv_mutex_lock(&r->lock);
        if (r->rc == VV_OK && r->next < r->count) {
            pack = r->candidates[r->next++].pack;
        }
        vv_mutex_unlock(&r->lock);
        if (pack == NULL) {
            return;
        }
        rc = read_back_one(r->d, pack, &bad, &err);
        vv_mutex_lock(&r->lock);
        r->bad = r->bad || bad;
        if (rc != VV_OK && r->rc == VV_OK) {
            r->rc = rc;
            r->err = err;
        }
        vv_mutex_unlock(&r->lock);
    }
}

static enum vv_rc
read_candidates(struct destination *d, const struct candidate *candidates, size_t count,
                bool *ret_bad, struct vv_error *err)
{
    struct reading r = {.d = d, .candidates = candidates, .count = count};
    struct vv_thread threads[THREADS_MAX] = {0};
    unsigned wanted = replicate_threads(d);
    unsigned started = 0;

    vv_mutex_init(&r.lock);
    while (started + 1 < wanted && started + 1 < count &&
           vv_thread_start(&threads[started], "replicate-read", worker, &r, NULL) == VV_OK) {
        started++;
    }
    worker(&r);
    for (unsigned i = 0; i < started; i++) {
        vv_thread_join(&threads[i]);
    }
    vv_mutex_release(&r.lock);
    *ret_bad = r.bad;
    if (r.rc != VV_OK && err != NULL) {
        *err = r.err;
    }
    return r.rc;
}

/** Bytes to be read now.  The default keeps an account: what is due grows with time so that all is
 *  read in 30 days, and what was read too much one time is read less the next. */
static enum vv_rc
budget(struct destination *d, uint64_t total, int64_t *ret, struct vv_error *err)
{
    const struct replicate_options *o = d->run->options;
    int64_t now = d->run->clock->realtime(d->run->clock);
    int64_t before = now - DAY_NS;
    int64_t due = 0;
    int64_t passed;

    if (o->share == REPLICATE_SHARE_ALL) {
        *ret = INT64_MAX;
        return VV_OK;
    }
    if (o->share == REPLICATE_SHARE_PART) {
        *ret = (int64_t)((double)total * o->part);
        return VV_OK;
    }
    if (!replica_journal_budget(d->journal, &before, &due)) {
        before = now - DAY_NS;
        due = 0;
    }
    passed = now - before;
    passed = passed < 0 ? 0 : passed > MONTH_NS ? MONTH_NS : passed;
    due += (int64_t)((double)total * ((double)passed / (double)MONTH_NS));
    *ret = due > (int64_t)total ? (int64_t)total : due;
    return replica_journal_note_budget(d->journal, now, *ret, err);
}

/** As the options say, by the site's host: *ret_done of the first ones need not be read. */
static enum vv_rc
ask_the_host(struct destination *d, const struct candidate *candidates, size_t count,
             size_t *ret_done, bool *ret_bad, struct vv_error *err)
{
    VV_CLEANUP(vv_freep)
    const struct site_pack **packs = vv_alloc_array(count + 1, sizeof(*packs));
    enum vv_rc rc;

    if (packs == NULL) {
        return vv_error_nomem(err);
    }
    for (size_t i = 0; i < count; i++) {
        packs[i] = candidates[i].pack;
    }
    rc = digest_packs(d, packs, count, ret_done, ret_bad, err);
    if (rc != VV_EUNSUPPORTED) {
        return rc;
    }
    if (d->run->options->verify_by == REPLICATE_DIGEST) {
        vv_error_hint(err, "--verify-by auto reads back where the host computes no digests");
        return rc;
    }
    vv_emit(d->run->events, VV_EVENT_NOTICE, "replica-no-digests", vv_span(NULL, 0),
            "%s; reading back instead", err->message);
    vv_error_clear(err);
    return VV_OK;
}

/** How many of the first ones make up ${due} bytes, rounded up to whole packs. */
static size_t
count_due(const struct candidate *candidates, size_t count, int64_t *due)
{
    size_t n = 0;

    while (n<count && * due> 0) {
        *due -= (int64_t)candidates[n++].pack->size;
    }
    return n;
}

static enum vv_rc
collect(struct destination *d, const struct site_catalog *c, struct candidate *out,
        size_t *ret_count, uint64_t *ret_bytes, struct vv_error *err)
{
    for (size_t i = 0; i < c->count; i++) {
        const struct site_pack *p = &c->packs[i];
        struct replica_pack known = {0};
        VV_TRY(vv_cancel_check(d->run->cancel, err));
        if ((p->flags & SITE_LISTED) == 0 || (p->flags & (SITE_CONDEMNED | SITE_BAD)) != 0) {
            continue;
        }
        (void)!replica_journal_pack(d->journal, &p->name, &known);
        if (known.verified_at < 0) { /* the host's word is no reading */
            bool reads = d->run->options->verify_by == REPLICATE_READ_BACK;
            known.verified_at = reads ? 0 : -known.verified_at;
        }
        out[*ret_count] = (struct candidate){.pack = p, .verified_at = known.verified_at};
        *ret_count += 1;
        *ret_bytes += p->size;
    }
    return VV_OK;
}

enum vv_rc
read_back_share(struct destination *d, const struct site_catalog *c, bool *ret_bad,
                struct vv_error *err)
{
    VV_CLEANUP(vv_freep)
    struct candidate *candidates = vv_alloc_array(c->count + 1, sizeof(*candidates));
    uint64_t bytes = 0;
    int64_t due = 0;
    size_t count = 0;

    *ret_bad = false;
    if (candidates == NULL) {
        return vv_error_nomem(err);
    }
    VV_TRY(collect(d, c, candidates, &count, &bytes, err));
    if (count == 0) {
        return VV_OK;
    }
    qsort(candidates, count, sizeof(*candidates), compare_candidates);
    VV_TRY(budget(d, bytes, &due, err));
    count = count_due(candidates, count, &due);
    if (count == 0) {
        return VV_OK;
    }
    if (d->run->progress != NULL) {
        atomic_store(&d->run->progress->phase, REPLICATE_READING);
    }
    size_t done = 0;
    bool bad = false;
    if (d->run->options->verify_by != REPLICATE_READ_BACK) {
        VV_TRY(ask_the_host(d, candidates, count, &done, &bad, err));
    }
    VV_TRY(read_candidates(d, candidates + done, count - done, ret_bad, err));
    *ret_bad = *ret_bad || bad;
    if (d->run->options->share == REPLICATE_SHARE_MONTH) {
        return replica_journal_note_budget(d->journal, d->run->clock->realtime(d->run->clock), due,
                                           err);
    }
    return VV_OK;
}
