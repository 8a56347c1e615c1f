/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Listing directories, many at once, several READDIRs each.  The I/O thread keeps answers as they
 * came; the caller's thread takes them apart and calls back, so a slow callback holds up nobody
 * else.  At most KEPT_MOST bytes wait for it: then nothing more is asked for.
 */
#include <string.h>

#include "core/alloc.h"
#include "ssh/sftp_client_internal.h"

enum {
    KEPT_MOST = 4 << 20,
    AT_ONCE_FIRST = 2, /* READDIRs: one for the names of a small directory, one for its end */
    AT_ONCE_MOST = 16,
    MANY = 64, /* names in one answer: more will come (OpenSSH sends up to 100) */
};
#define NO_DIRECTORY SIZE_MAX

struct directory {
    struct vv_buf body; /* of OPENDIR, then of READDIR */
    struct sftp_handle handle;
    bool open;
    bool ended;       /* no names any more */
    uint32_t at_once; /* READDIRs that may be under way */
    uint32_t in_flight;
    size_t next; /* in the list of those that may send another */
    bool listed; /* it is in that list */
};

struct kept_answer {
    struct kept_answer *next;
    size_t directory;
    size_t len;
    uint8_t packet[];
};

struct listing {
    struct sftp_call call;
    struct directory *directories;
    size_t count;
    size_t next_open;   /* the first not asked to open */
    size_t open;        /* open or being opened */
    size_t first_ready; /* list of those that may send another READDIR */
    size_t last_ready;
    atomic_bool stop;            /* the callback has had enough */
    _Atomic uint64_t kept;       /* bytes that wait for the callback */
    struct kept_answer *answers; /* with the client's lock */
    struct kept_answer **answers_end;
};

static void
make_ready(struct listing *l, size_t i)
{
    struct directory *d = &l->directories[i];

    if (d->listed || d->ended || !d->open || d->in_flight >= d->at_once) {
        return;
    }
    d->listed = true;
    d->next = NO_DIRECTORY;
    if (l->first_ready == NO_DIRECTORY) {
        l->first_ready = i;
    } else {
        l->directories[l->last_ready].next = i;
    }
    l->last_ready = i;
}

/* The first that may send another; one may have ended since it was put into the list. */
static size_t
first_ready(struct listing *l)
{
    while (l->first_ready != NO_DIRECTORY && l->directories[l->first_ready].ended) {
        l->directories[l->first_ready].listed = false;
        l->first_ready = l->directories[l->first_ready].next;
    }
    return l->first_ready;
}

static bool
stopped(const struct listing *l)
{
    return l->call.status != SFTP_OK || l->call.out_of_memory || atomic_load(&l->stop);
}

/* ---- the I/O thread's part ---- */

static bool
list_offer(struct sftp_call *call, struct sftp_packet *ret)
{
    struct listing *l = (struct listing *)call;

    if (stopped(l) || atomic_load(&l->kept) > KEPT_MOST) {
        return false;
    }
    /* Directories are opened first: their READDIRs follow by themselves. */
    if (l->next_open < l->count && l->open < call->client->handle_count) {
        ret->type = SFTP_PACKET_OPENDIR;
        ret->tag = l->next_open;
    } else if (first_ready(l) != NO_DIRECTORY) {
        ret->type = SFTP_PACKET_READDIR;
        ret->tag = l->first_ready;
    } else {
        return false;
    }
    ret->body = vv_buf_span(&l->directories[ret->tag].body);
    return true;
}

static void
list_taken(struct sftp_call *call, const struct sftp_packet *packet)
{
    struct listing *l = (struct listing *)call;
    struct directory *d = &l->directories[packet->tag];

    if (packet->type == SFTP_PACKET_OPENDIR) {
        l->next_open++;
        l->open++;
        return;
    }
    l->first_ready = d->next;
    d->listed = false;
    d->in_flight++;
    make_ready(l, packet->tag);
}

static void
deliver_names(struct listing *l, size_t i, struct vv_span packet)
{
    struct sftp_client *c = l->call.client;
    struct kept_answer *kept = vv_alloc(sizeof(*kept) + packet.len);

    if (kept == NULL) {
        l->call.out_of_memory = true;
        return;
    }
    kept->next = NULL;
    kept->directory = i;
    kept->len = packet.len;
    memcpy(kept->packet, packet.data, packet.len);
    atomic_fetch_add(&l->kept, packet.len);
    vv_mutex_lock(&c->lock);
    *l->answers_end = kept;
    l->answers_end = &kept->next;
    vv_cond_signal(&l->call.cond);
    vv_mutex_unlock(&c->lock);
}

static void
opened(struct listing *l, size_t i, const struct sftp_answer *answer)
{
    struct directory *d = &l->directories[i];

    if (answer->type != SFTP_PACKET_HANDLE) {
        l->open--;
        sftp_call_refused(&l->call, i, answer);
        return;
    }
    d->handle = answer->handle;
    d->open = true;
    d->at_once = AT_ONCE_FIRST;
    vv_buf_reset(&d->body);
    sftp_put_handle(&d->body, &d->handle);
    l->call.out_of_memory = l->call.out_of_memory || d->body.failed;
    make_ready(l, i);
}

static void
list_answer(struct sftp_call *call, struct sftp_slot *slot, const struct sftp_answer *answer,
            struct vv_span packet, uint32_t received)
{
    struct listing *l = (struct listing *)call;
    struct directory *d = &l->directories[slot->tag];

    (void)received;
    if (slot->type == SFTP_PACKET_OPENDIR) {
        opened(l, slot->tag, answer);
    } else {
        d->in_flight--;
        if (answer->type == SFTP_PACKET_STATUS) {
            d->ended = true;
            if (answer->status != SFTP_EOF) {
                sftp_call_refused(call, slot->tag, answer);
            }
        } else if (answer->names.left == 0) {
            d->ended = true; /* not as it should be, and the same for ever */
        } else {
            bool many = answer->names.left >= MANY;
            d->at_once = many && d->at_once < AT_ONCE_MOST ? d->at_once + 1 : d->at_once;
            deliver_names(l, slot->tag, packet);
            if (many || d->in_flight == 0) { /* else what is under way brings its end */
                make_ready(l, slot->tag);
            }
        }
    }
    if (d->open && d->in_flight == 0 && d->ended) {
        d->open = false;
        l->open--;
        sftp_put_off_closing(call->client, &d->handle);
    }
}

static bool
list_finished(const struct sftp_call *call)
{
    const struct listing *l = (const struct listing *)call;

    return stopped(l) || (l->next_open == l->count && l->open == 0);
}

/* ---- the caller's part ---- */

static bool
is_dot(struct vv_span name)
{
    return (name.len == 1 && name.data[0] == '.') ||
           (name.len == 2 && name.data[0] == '.' && name.data[1] == '.');
}

static enum vv_rc
call_back(const struct kept_answer *kept, sftp_list_fn *fn, void *ctx, struct vv_error *err)
{
    struct sftp_answer answer;
    struct sftp_attributes attributes;
    struct vv_span name;

    if (!sftp_answer_decode(vv_span(kept->packet, kept->len), &answer)) {
        return vv_error_set(err, VV_EIO, "names that do not parse"); /* they did before */
    }
    while (sftp_names_next(&answer.names, &name, &attributes)) {
        if (!is_dot(name)) {
            VV_TRY(fn(ctx, name, &attributes, err));
        }
    }
    return VV_OK;
}

/* Answers until the end of the call.  After the callback's first error they are only released. */
static enum vv_rc
take_answers(struct sftp_client *c, struct listing *l, sftp_list_fn *fn, void *const *ctxs,
             struct vv_error *err)
{
    enum vv_rc rc = VV_OK;

    for (;;) {
        vv_mutex_lock(&c->lock);
        while (l->answers == NULL && !l->call.done) {
            vv_cond_wait(&l->call.cond, &c->lock);
        }
        struct kept_answer *kept = l->answers;
        l->answers = NULL;
        l->answers_end = &l->answers;
        vv_mutex_unlock(&c->lock);
        if (kept == NULL) {
            return rc;
        }
        uint64_t len = 0;
        while (kept != NULL) {
            struct kept_answer *next = kept->next;
            len += kept->len;
            if (rc == VV_OK) {
                rc = call_back(kept, fn, ctxs != NULL ? ctxs[kept->directory] : NULL, err);
            }
            vv_free(kept);
            kept = next;
        }
        if (rc != VV_OK) {
            atomic_store(&l->stop, true);
        }
        /* If it was held up, or is to stop, the I/O thread does not know yet. */
        if (atomic_fetch_sub(&l->kept, len) > KEPT_MOST || rc != VV_OK) {
            sftp_wake(c);
        }
    }
}

static enum vv_rc
run(struct sftp_client *c, struct listing *l, const char *const *paths, sftp_list_fn *fn,
    void *const *ctxs, struct vv_error *err)
{
    VV_TRY(sftp_submit(c, &l->call, err));
    enum vv_rc rc = take_answers(c, l, fn, ctxs, err);
    enum vv_rc of_call = sftp_await(c, &l->call, rc == VV_OK ? err : NULL);
    for (size_t i = 0; i < l->count; i++) {
        if (l->directories[i].open) { /* it ended early */
            sftp_close_later(c, &l->directories[i].handle);
        }
    }
    if (rc != VV_OK || of_call != VV_OK) {
        return rc != VV_OK ? rc : of_call;
    }
    if (l->call.status != SFTP_OK) {
        return sftp_refused(l->call.status, l->call.words, err, "cannot list '%s'",
                            paths[l->call.status_tag]);
    }
    return VV_OK;
}

static enum vv_rc
prepare(struct listing *l, const char *const *paths, size_t count, struct vv_error *err)
{
    static const struct sftp_call_ops ops = {
        .offer = list_offer, .taken = list_taken, .answer = list_answer, .finished = list_finished};

    memset(l, 0, sizeof(*l));
    l->call.ops = &ops;
    l->first_ready = l->last_ready = NO_DIRECTORY;
    l->answers_end = &l->answers;
    l->directories = vv_alloc_array(count, sizeof(*l->directories));
    if (l->directories == NULL) {
        return vv_error_nomem(err);
    }
    l->count = count;
    for (size_t i = 0; i < count; i++) {
        struct vv_buf *body = &l->directories[i].body;
        VV_TRY(sftp_check_path(paths[i], err));
        VV_TRY(vv_buf_reserve(body, 4 + sizeof(l->directories[i].handle.bytes), err));
        sftp_put_text(body, paths[i]);
        VV_TRY(vv_buf_check(body, err));
    }
    return VV_OK;
}

enum vv_rc
sftp_list_many(struct sftp_client *c, const char *const *paths, size_t count, sftp_list_fn *fn,
               void *const *ctxs, struct vv_error *err)
{
    struct listing l;

    if (count == 0) {
        return VV_OK;
    }
    enum vv_rc rc = prepare(&l, paths, count, err);
    rc = rc != VV_OK ? rc : run(c, &l, paths, fn, ctxs, err);
    for (size_t i = 0; i < l.count; i++) {
        vv_buf_release(&l.directories[i].body);
    }
    vv_free(l.directories);
    return rc;
}

enum vv_rc
sftp_list(struct sftp_client *c, const char *path, sftp_list_fn *fn, void *ctx,
          struct vv_error *err)
{
    return sftp_list_many(c, &path, 1, fn, &ctx, err);
}
