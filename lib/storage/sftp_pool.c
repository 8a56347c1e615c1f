/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The channels of an SFTP storage: which one a call uses, when one is opened, and what happens when
 * one fails (P1 to P5 of sftp_internal.h).
 */
#include <string.h>

#include "core/alloc.h"
#include "core/random.h"
#include "storage/sftp_internal.h"

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)

enum {
    BACK_OFF_FIRST_S = 1,
    BACK_OFF_MOST_S = 60,
    GIVE_UP_S = 600, /* failures in a row for so long end a call */
};

void
sftp_pool_init(struct sftp *s)
{
    vv_mutex_init(&s->pool.lock);
    vv_cond_init(&s->pool.changed);
}

void
sftp_pool_release(struct sftp *s)
{
    for (unsigned i = 0; i < s->pool.count; i++) {
        sftp_channel_free(s->pool.channels[i]);
    }
    vv_cond_release(&s->pool.changed);
    vv_mutex_release(&s->pool.lock);
}

static uint64_t
now(const struct sftp *s)
{
    return s->clock->monotonic(s->clock);
}

/* Somewhere between 0 and ${base} doubled ${doublings} times, at most BACK_OFF_MOST_S: all of it
 * chance, so that clients which lost a server at the same moment do not come back together. */
static uint64_t
back_off(unsigned doublings)
{
    uint64_t most = BACK_OFF_FIRST_S;
    for (unsigned i = 0; i < doublings && most < BACK_OFF_MOST_S; i++) {
        most *= 2;
    }
    most = (most < BACK_OFF_MOST_S ? most : BACK_OFF_MOST_S) * NS_PER_S;
    uint64_t chance;
    vv_random(&chance, sizeof(chance));
    return chance % (most + 1);
}

/* Sleep until ${end} (P4). */
static enum vv_rc
sleep_until(const struct sftp *s, uint64_t end, struct vv_error *err)
{
    for (;;) {
        VV_TRY(vv_cancel_check(s->cancel, err));
        uint64_t t = now(s);
        if (t >= end) {
            return VV_OK;
        }
        uint64_t left = end - t;
        uint64_t step = SFTP_WAIT_STEP_MS * NS_PER_MS;
        s->clock->sleep(s->clock, left < step ? left : step);
    }
}

/* Take channel ${i} out of the pool; returns it if it is to be freed.  Lock held. */
static struct sftp_channel *
retire(struct sftp_pool *p, unsigned i)
{
    struct sftp_channel *c = p->channels[i];
    struct sftp_counts counts;
    sftp_client_counts(c->client, &counts);
    p->bytes_retired += counts.bytes_sent + counts.bytes_received;
    p->channels[i] = p->channels[--p->count];
    c->retired = true;
    if (c->users > 0) {
        p->retired++;
        return NULL;
    }
    return c;
}

/* Note that the line failed: what was opened next must wait.  Lock held. */
static void
note_failure(struct sftp *s)
{
    struct sftp_pool *p = &s->pool;
    uint64_t t = now(s);
    if (p->failing_since == 0) {
        p->failing_since = t;
    }
    p->retry_at = t + back_off(p->failures++);
}

static void
note_success(struct sftp *s)
{
    struct sftp_pool *p = &s->pool;
    vv_mutex_lock(&p->lock);
    p->successes++;
    p->failures = 0;
    p->failing_since = 0;
    p->retry_at = 0;
    vv_mutex_unlock(&p->lock);
}

/* The channel with the least load that has not failed; failed ones go.  Lock held. */
static struct sftp_channel *
choose(struct sftp *s, struct vv_buf *gone)
{
    struct sftp_pool *p = &s->pool;
    struct sftp_channel *best = NULL;
    for (unsigned i = 0; i < p->count;) {
        struct sftp_channel *c = p->channels[i];
        if (sftp_client_failed(c->client)) {
            note_failure(s);
            c = retire(p, i);
            if (c != NULL) {
                vv_buf_put(gone, &c, sizeof(c));
            }
            continue;
        }
        if (best == NULL || c->load < best->load ||
            (c->load == best->load && c->users < best->users)) {
            best = c;
        }
        i++;
    }
    return best;
}

/* Whether to go on after failures.  Lock held. */
static enum vv_rc
check_patience(struct sftp *s, struct vv_error *err)
{
    struct sftp_pool *p = &s->pool;
    bool out = p->failing_since != 0 && now(s) - p->failing_since > GIVE_UP_S * NS_PER_S;
    if (!out || p->last.rc == VV_OK) {
        return VV_OK;
    }
    if (err != NULL) {
        *err = p->last;
    }
    vv_error_mark_exhausted(err);
    return vv_error_prefix(err, "gave up after %u attempts", p->failures);
}

/* Open a channel; the lock is held before and after, not meanwhile. */
static enum vv_rc
open_channel(struct sftp *s, struct sftp_channel **ret, struct vv_error *err)
{
    struct sftp_pool *p = &s->pool;
    struct sftp_channel *c = NULL;
    uint64_t wait_until = p->count == 0 ? p->retry_at : 0;
    p->opening++;
    vv_mutex_unlock(&p->lock);
    enum vv_rc rc = sleep_until(s, wait_until, err);
    if (rc == VV_OK) {
        rc = sftp_channel_new(s, &c, err);
    }
    vv_mutex_lock(&p->lock);
    p->opening--;
    if (rc == VV_OK) {
        p->channels[p->count++] = c;
        p->reached = true;
        *ret = c;
    } else if (rc != VV_ECANCELLED && err != NULL) {
        p->last = *err;
    }
    vv_cond_broadcast(&p->changed);
    return rc;
}

/* The first channel, or the first after all others failed, is needed; lock held. */
static enum vv_rc
open_needed(struct sftp *s, struct vv_error *err)
{
    struct sftp_pool *p = &s->pool;
    struct sftp_channel *c = NULL;
    struct vv_error why = {0};
    enum vv_rc rc = check_patience(s, err);
    if (rc != VV_OK) {
        return rc;
    }
    rc = open_channel(s, &c, &why);
    if (rc == VV_ETRANSIENT && p->reached) {
        /* Not of each attempt: the log of ten minutes would have little else in it. */
        bool tell = (p->failures & (p->failures - 1)) == 0;
        note_failure(s);
        vv_emit(s->events, tell ? VV_EVENT_WARNING : VV_EVENT_NOTICE, "storage-retry",
                vv_span(NULL, 0), "%s; trying again, for ten minutes at most", why.message);
        return check_patience(s, err); /* the caller comes again */
    }
    if (rc != VV_OK && err != NULL) {
        *err = why;
    }
    return rc;
}

/* One more, while the others work; a failure only ends the growing.  Lock held. */
static void
open_additional(struct sftp *s)
{
    struct sftp_channel *c = NULL;
    struct vv_error why = {0};
    enum vv_rc rc = open_channel(s, &c, &why);
    sftp_grow_added(s, rc == VV_OK);
}

static void
free_gone(struct vv_buf *gone)
{
    for (size_t i = 0; i + sizeof(struct sftp_channel *) <= gone->len;
         i += sizeof(struct sftp_channel *)) {
        struct sftp_channel *c;
        memcpy(&c, gone->data + i, sizeof(c));
        sftp_channel_free(c);
    }
    vv_buf_reset(gone);
}

/* Whether to wait for a channel that others are opening: what there is has long to do. */
static bool
worth_waiting(const struct sftp *s, const struct sftp_channel *best, uint64_t bytes)
{
    return s->pool.opening > 0 && bytes > 0 && sftp_grow_long(s, best->load);
}

/* Get hold of a channel. */
static enum vv_rc
acquire(struct sftp *s, uint64_t bytes, struct sftp_channel **ret, struct vv_error *err)
{
    struct sftp_pool *p = &s->pool;
    VV_CLEANUP(vv_buf_release) struct vv_buf gone = {0};
    VV_TRY(vv_buf_reserve(&gone, SFTP_CHANNELS_MAX * sizeof(struct sftp_channel *), err));
    enum vv_rc rc = VV_OK;
    struct sftp_channel *c = NULL;
    vv_mutex_lock(&p->lock);
    p->under_way++;
    while (rc == VV_OK && c == NULL) {
        rc = vv_cancel_check(s->cancel, err);
        if (rc != VV_OK) {
            break;
        }
        c = choose(s, &gone);
        if (gone.len > 0) {
            vv_mutex_unlock(&p->lock); /* closing may take a moment */
            free_gone(&gone);
            vv_mutex_lock(&p->lock);
            c = NULL;
        } else if (c == NULL && p->opening > 0) {
            (void)vv_cond_wait_ms(&p->changed, &p->lock, SFTP_WAIT_STEP_MS);
        } else if (c == NULL) {
            rc = open_needed(s, err);
        } else if (sftp_grow_wanted(s)) {
            open_additional(s);
            c = choose(s, &gone);
        } else if (worth_waiting(s, c, bytes)) {
            (void)vv_cond_wait_ms(&p->changed, &p->lock, SFTP_WAIT_STEP_MS);
            c = NULL;
        }
    }
    if (c != NULL) {
        c->users++;
        c->load += bytes;
        *ret = c;
    } else {
        p->under_way--;
    }
    vv_mutex_unlock(&p->lock);
    free_gone(&gone);
    return rc;
}

/* Let go of a channel; if it failed, it goes. */
static void
release(struct sftp *s, struct sftp_channel *c, uint64_t bytes)
{
    struct sftp_pool *p = &s->pool;
    bool last = false;
    vv_mutex_lock(&p->lock);
    c->users--;
    c->load -= bytes;
    p->under_way--;
    if (!c->retired && sftp_client_failed(c->client)) {
        for (unsigned i = 0; i < p->count; i++) {
            if (p->channels[i] == c) {
                note_failure(s);
                last = retire(p, i) != NULL;
                break;
            }
        }
    } else if (c->retired && c->users == 0) {
        p->retired--;
        last = true;
    }
    sftp_grow_idle(s);
    vv_cond_broadcast(&p->changed);
    vv_mutex_unlock(&p->lock);
    if (last) {
        sftp_channel_free(c);
    }
}

enum vv_rc
sftp_run_once(struct sftp *s, sftp_work_fn *fn, void *ctx, struct vv_error *err)
{
    struct sftp_channel *c = NULL;
    VV_TRY(acquire(s, 0, &c, err));
    enum vv_rc rc = fn(s, c, 0, ctx, err);
    if (rc == VV_OK || !sftp_client_failed(c->client)) {
        note_success(s);
    }
    release(s, c, 0);
    if (rc != VV_OK) {
        sftp_explain(s, err);
    }
    return rc;
}

/* A call that failed and is to be repeated. */
struct repetition {
    uint64_t first_failure;
    uint64_t successes; /* of all calls, when it failed last */
    unsigned in_vain;   /* failures in a row without a success of any call in between */
};

/* After a failed attempt: whether to try again, having waited. */
static bool
try_again(struct sftp *s, unsigned attempt, struct repetition *r, const struct vv_error *why,
          struct vv_error *err)
{
    uint64_t t = now(s);
    vv_mutex_lock(&s->pool.lock);
    uint64_t successes = s->pool.successes;
    uint64_t spent_at = s->pool.spent_at;
    bool spent = spent_at != 0 && t - spent_at <= GIVE_UP_S * NS_PER_S;
    vv_mutex_unlock(&s->pool.lock);
    r->in_vain = attempt == 0 || successes != r->successes ? 0 : r->in_vain + 1;
    r->successes = successes;
    if (attempt == 0 && !spent) {
        vv_emit(s->events, VV_EVENT_WARNING, "storage-retry", vv_span(NULL, 0), "%s; trying again",
                why->message);
    }
    r->first_failure = attempt == 0 ? t : r->first_failure;
    if (spent || t - r->first_failure > GIVE_UP_S * NS_PER_S) {
        vv_mutex_lock(&s->pool.lock);
        s->pool.spent_at = spent ? spent_at : t;
        vv_mutex_unlock(&s->pool.lock);
        if (err != NULL) {
            *err = *why;
        }
        vv_error_mark_exhausted(err);
        (void)vv_error_prefix(err, "gave up after %u attempts", attempt + 1);
        return false;
    }
    /* the first time another channel may be there; then the call itself may be what breaks them,
     * or a line that breaks often, over which others get on */
    return attempt == 0 || sleep_until(s, t + back_off(r->in_vain), err) == VV_OK;
}

enum vv_rc
sftp_run(struct sftp *s, sftp_work_fn *fn, void *ctx, struct vv_error *err)
{
    return sftp_run_load(s, fn, ctx, 0, err);
}

enum vv_rc
sftp_run_load(struct sftp *s, sftp_work_fn *fn, void *ctx, uint64_t bytes, struct vv_error *err)
{
    struct repetition r = {0};
    for (unsigned attempt = 0;; attempt++) {
        struct vv_error why = {0};
        struct sftp_channel *c = NULL;
        VV_TRY(acquire(s, bytes, &c, err));
        enum vv_rc rc = fn(s, c, attempt, ctx, &why);
        bool failed = sftp_client_failed(c->client);
        release(s, c, bytes);
        if (rc == VV_OK) {
            note_success(s);
            return VV_OK;
        }
        bool again = rc != VV_ECANCELLED && rc != VV_ENOMEM && (failed || rc == VV_ETRANSIENT);
        if (!again) {
            if (!failed) {
                note_success(s); /* the server answered */
            }
            sftp_explain(s, &why);
            if (err != NULL) {
                *err = why;
            }
            return rc;
        }
        if (!try_again(s, attempt, &r, &why, err)) {
            rc = s->cancel != NULL && atomic_load(&s->cancel->wanted) ? VV_ECANCELLED
                                                                      : VV_ETRANSIENT;
            if (err != NULL) {
                err->rc = rc;
            }
            return rc;
        }
    }
}

uint64_t
sftp_pool_load(struct sftp *s)
{
    struct sftp_pool *p = &s->pool;
    uint64_t sum = 0;
    vv_mutex_lock(&p->lock);
    for (unsigned i = 0; i < p->count; i++) {
        sum += p->channels[i]->load;
    }
    vv_mutex_unlock(&p->lock);
    return sum;
}

void
sftp_pool_renew(struct sftp *s)
{
    struct sftp_pool *p = &s->pool;
    vv_mutex_lock(&p->lock);
    while (p->count > 0 || p->opening > 0 || p->retired > 0) {
        if (p->count > 0) {
            struct sftp_channel *c = retire(p, 0);
            if (c != NULL) {
                vv_mutex_unlock(&p->lock);
                sftp_channel_free(c);
                vv_mutex_lock(&p->lock);
            }
            continue;
        }
        (void)vv_cond_wait_ms(&p->changed, &p->lock, SFTP_WAIT_STEP_MS);
    }
    vv_mutex_unlock(&p->lock);
}

void
sftp_pool_each(struct sftp *s, void (*fn)(struct sftp_channel *c, void *ctx), void *ctx)
{
    struct sftp_pool *p = &s->pool;
    struct sftp_channel *all[SFTP_CHANNELS_MAX];
    vv_mutex_lock(&p->lock);
    unsigned count = p->count;
    for (unsigned i = 0; i < count; i++) {
        all[i] = p->channels[i];
        all[i]->users++;
        p->under_way++;
    }
    vv_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < count; i++) {
        fn(all[i], ctx);
        release(s, all[i], 0);
    }
}
