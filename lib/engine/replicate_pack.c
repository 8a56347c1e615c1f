/* SPDX-License-Identifier: BSD-2-Clause */
/* One pack on its way: invariant R2. */
#include <string.h>

#include "core/alloc.h"
#include "core/random.h"
#include "crypto/hash.h"
#include "engine/replicate_internal.h"

#define READ_PIECE (1u << 20)
#define PUBLISH_ATTEMPTS 5
#define INSTANCES_MAX 16u /* of one hash, tried */

static bool
has_hash(struct vv_span bytes, const struct vv_id *hash)
{
    struct vv_id found;

    sha256(bytes.data, bytes.len, found.b);
    return vv_id_equal(&found, hash);
}

/* --- reading back --- */

/** The hash of an object as it lies there, piece by piece. */
static enum vv_rc
hash_object(struct destination *d, const char *object, uint64_t size, struct vv_id *ret,
            struct vv_error *err)
{
    VV_CLEANUP(sha256_freep) struct sha256 *s = NULL;
    VV_CLEANUP(vv_freep) uint8_t *piece = vv_alloc(READ_PIECE);
    uint64_t at = 0;

    if (piece == NULL) {
        return vv_error_nomem(err);
    }
    VV_TRY(sha256_new(&s, err));
    storage_uncache(d->storage, object);
    for (size_t got = 1; got > 0 && at < size; at += got) {
        VV_TRY(rate_wait(d, READ_PIECE, err));
        VV_TRY(vv_cancel_check(d->run->cancel, err));
        VV_TRY(storage_read(d->storage, object, at, piece, READ_PIECE, &got, err));
        sha256_update(s, piece, got);
    }
    sha256_finish(s, ret->b);
    return VV_OK;
}

static bool
is_damage(enum vv_rc rc)
{
    return rc == VV_ENOTFOUND || rc == VV_EIO || rc == VV_ECORRUPT;
}

enum vv_rc
pack_read_back(struct destination *d, const struct pack_name *name, uint64_t size,
               enum read_back *ret, struct vv_error *err)
{
    struct replica_pack known = {.name = *name, .size = size};
    unsigned attempts = 0;
    char object[PACK_OBJECT_TEXT];
    struct vv_id hash = {{0}};
    enum vv_rc rc;

    pack_object_text(name, object);
    while ((rc = hash_object(d, object, size, &hash, err)) == VV_ETRANSIENT) {
        VV_TRY(retry_wait(d, &attempts, err));
    }
    if (rc != VV_OK && !is_damage(rc)) {
        return rc;
    }
    vv_error_clear(err);
    if (rc == VV_ENOTFOUND) {
        patience_renew(d);
        *ret = READ_BACK_GONE;
        return VV_OK;
    }
    *ret = rc == VV_OK && vv_id_equal(&hash, &name->hash) ? READ_BACK_RIGHT : READ_BACK_WRONG;
    known.bad = *ret == READ_BACK_WRONG;
    known.verified_at = known.bad ? 0 : d->run->clock->realtime(d->run->clock);
    vv_mutex_lock(&d->lock);
    d->failing_since = 0;
    d->s->packs_read++;
    d->s->bytes_read += size;
    vv_mutex_unlock(&d->lock);
    return replica_journal_note_pack(d->journal, &known, err);
}

/* --- reading at the source --- */

/** What reading one instance came to. */
enum instance { INSTANCE_GOOD, INSTANCE_GONE, INSTANCE_WRONG, INSTANCE_UNREADABLE };

static enum vv_rc
read_instance(struct batch *b, const struct source_pack *pack, struct vv_buf *out,
              enum instance *ret, struct vv_error *err)
{
    struct replication *run = b->d->run;
    unsigned attempts = 0;
    char object[PACK_OBJECT_TEXT];
    enum vv_rc rc = VV_ETRANSIENT;

    pack_object_text(&pack->name, object);
    while (rc == VV_ETRANSIENT) {
        vv_buf_reset(out);
        rc = storage_read_all(repo_storage(run->source), object, LIMIT_PACK, out, err);
        if (rc == VV_ETRANSIENT) {
            VV_TRY(retry_wait(b->d, &attempts, err));
        }
    }
    if (rc == VV_OK) {
        *ret = has_hash(vv_buf_span(out), &pack->name.hash) ? INSTANCE_GOOD : INSTANCE_WRONG;
    } else if (rc == VV_ENOTFOUND) {
        *ret = INSTANCE_GONE;
    } else if (rc == VV_EIO || rc == VV_ELIMIT) {
        *ret = INSTANCE_UNREADABLE;
    } else {
        return rc;
    }
    vv_error_clear(err);
    return VV_OK;
}

/** A bad instance at the source: a problem unless another one served. */
static void
tell_instance(struct batch *b, const struct source_pack *pack, enum instance what, bool served)
{
    char object[PACK_OBJECT_TEXT];

    if (what != INSTANCE_WRONG && what != INSTANCE_UNREADABLE) {
        return;
    }
    pack_object_text(&pack->name, object);
    vv_emit(b->d->run->events, served ? VV_EVENT_WARNING : VV_EVENT_PROBLEM, "pack-damaged",
            vv_span(object, strlen(object)), "%s at the source%s",
            what == INSTANCE_WRONG ? "its bytes do not have the hash in its name"
                                   : "it cannot be read",
            served ? "; another instance was copied" : "");
}

/** The source cannot give this pack. */
static enum vv_rc
note_lost(struct batch *b, const struct job *job, bool gone, struct vv_error *err)
{
    struct destination *d = b->d;
    struct id_slot *slot;
    bool is_new = false;
    enum vv_rc rc = VV_OK;

    vv_mutex_lock(&d->lock);
    if (gone && d->vanished < 2) { /* perhaps moved by a prune: look again first */
        b->vanished = true;
    } else {
        rc = id_table_put(&d->lost, &job->hash, &slot, &is_new, err);
        if (repo_is_keyless(d->run->source) || id_table_find(&b->needed, &job->hash) != NULL) {
            b->lost = true; /* else only an old instance stays unhealed */
        }
        d->s->source_damaged += is_new;
    }
    vv_mutex_unlock(&d->lock);
    if (is_new && gone) {
        char hash[65];
        vv_hex(hash, job->hash.b, 32);
        vv_emit(d->run->events, VV_EVENT_PROBLEM, "pack-missing", vv_span(hash, 64),
                "the source's index names this pack, but it is missing");
    }
    return rc;
}

static enum vv_rc
read_pack(struct batch *b, const struct job *job, struct vv_buf *out, bool *ret_good,
          struct vv_error *err)
{
    size_t count;
    const struct source_pack *packs = source_range(&b->source, &job->hash, &count);
    enum instance found[INSTANCES_MAX] = {INSTANCE_GONE};
    bool all_gone = true;
    size_t tried = 0;

    *ret_good = false;
    while (tried < count && tried < INSTANCES_MAX && !*ret_good) {
        VV_TRY(read_instance(b, &packs[tried], out, &found[tried], err));
        *ret_good = found[tried] == INSTANCE_GOOD;
        all_gone = all_gone && found[tried] == INSTANCE_GONE;
        tried++;
    }
    for (size_t i = 0; i < tried; i++) {
        tell_instance(b, &packs[i], found[i], *ret_good);
    }
    return *ret_good ? VV_OK : note_lost(b, job, all_gone, err);
}

/* --- publishing --- */

/** After a failure in passing, or a taken name: are our bytes there, under this name? */
static bool
arrived(struct destination *d, const char *object, const struct vv_id *hash, uint64_t size)
{
    struct vv_id found;
    uint64_t there = 0;

    return storage_size(d->storage, object, &there, NULL) == VV_OK && there == size &&
           hash_object(d, object, size, &found, NULL) == VV_OK && vv_id_equal(&found, hash);
}

static enum vv_rc
publish_pack(struct destination *d, struct vv_span bytes, struct pack_name *name,
             struct vv_error *err)
{
    unsigned attempts = 0;
    char object[PACK_OBJECT_TEXT];
    uint64_t there = 0;
    enum vv_rc rc = VV_EEXISTS;

    for (unsigned taken = 0; taken < PUBLISH_ATTEMPTS;) {
        vv_random(name->suffix.b, sizeof(name->suffix.b));
        pack_object_text(name, object);
        VV_TRY(rate_wait(d, bytes.len, err));
        rc = storage_publish(d->storage, object, bytes, err);
        if ((rc == VV_ETRANSIENT || rc == VV_EEXISTS) &&
            arrived(d, object, &name->hash, bytes.len)) {
            vv_error_clear(err);
            rc = VV_OK;
        }
        if (rc == VV_ETRANSIENT) {
            VV_TRY(retry_wait(d, &attempts, err));
            continue;
        }
        if (rc == VV_OK) {
            rc = storage_size(d->storage, object, &there, err);
            if (rc == VV_OK && there == bytes.len) {
                return VV_OK;
            }
            if (rc == VV_OK) { /* tell, leave it, and try under another name */
                rc = vv_error_set(err, VV_EIO, "'%s' was stored with %llu of %zu bytes", object,
                                  (unsigned long long)there, bytes.len);
            }
        }
        if (rc != VV_EEXISTS && rc != VV_EIO) {
            return rc;
        }
        taken += rc == VV_EEXISTS ? 1 : PUBLISH_ATTEMPTS;
    }
    return vv_error_origin(err, VV_ORIGIN_REPOSITORY, rc);
}

/** Give the instance ${name} all index records of its hash. */
static enum vv_rc
attach_records(struct batch *b, const struct pack_name *name, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf bytes = {0};
    size_t count;
    const struct source_record *records = source_records(&b->source, &name->hash, &count);

    for (size_t i = 0; i < count; i++) {
        struct index_record record;
        VV_TRY(source_record_load(&b->source, &records[i], &bytes, &record, err));
        record.name = *name;
        VV_TRY(index_writer_attach(b->index, &record, err));
    }
    return VV_OK;
}

/** Take over an instance that lies there without an index record. */
static enum vv_rc
adopt(struct batch *b, const struct job *job, bool *ret_done, struct vv_error *err)
{
    struct destination *d = b->d;
    size_t count;
    const struct site_pack *packs = site_range(&b->site, &job->hash, &count);

    for (size_t i = 0; i < count && !*ret_done; i++) {
        struct replica_pack known;
        enum read_back found = READ_BACK_RIGHT;
        if (packs[i].flags != SITE_LISTED || (job->size != 0 && packs[i].size != job->size)) {
            continue;
        }
        if (!replica_journal_pack(d->journal, &packs[i].name, &known) || known.verified_at <= 0 ||
            known.bad) {
            VV_TRY(pack_read_back(d, &packs[i].name, packs[i].size, &found, err));
        }
        if (found == READ_BACK_WRONG) {
            site_tell_bad(d, &packs[i], "its bytes do not have the hash in its name", true);
        }
        if (found != READ_BACK_RIGHT) {
            continue;
        }
        VV_TRY(attach_records(b, &packs[i].name, err));
        vv_mutex_lock(&d->lock);
        d->s->packs_adopted++;
        vv_mutex_unlock(&d->lock);
        *ret_done = true;
    }
    return VV_OK;
}

static void
count_pack(struct destination *d, const struct job *job, uint64_t bytes)
{
    struct vv_progress *p = d->run->progress;

    vv_mutex_lock(&d->lock);
    d->s->packs_copied += bytes > 0;
    d->s->bytes_copied += bytes;
    d->s->packs_healed += job->heal && bytes > 0;
    d->attempts = 0; /* progress: patience begins anew */
    d->failing_since = 0;
    vv_mutex_unlock(&d->lock);
    if (p != NULL) {
        atomic_fetch_add(&p->bytes_done, job->size);
        atomic_fetch_add(&p->files_done, 1);
    }
}

enum vv_rc
copy_one(struct batch *b, const struct job *job, struct vv_buf *bytes, struct vv_error *err)
{
    struct replica_pack known = {.name = {.hash = job->hash}};
    bool done = false;

    VV_TRY(adopt(b, job, &done, err));
    if (done) {
        count_pack(b->d, job, 0);
        return VV_OK;
    }
    VV_TRY(read_pack(b, job, bytes, &done, err));
    if (!done) {
        return VV_OK;
    }
    VV_TRY(publish_pack(b->d, vv_buf_span(bytes), &known.name, err));
    known.size = bytes->len;
    VV_TRY(replica_journal_note_pack(b->d->journal, &known, err));
    VV_TRY(attach_records(b, &known.name, err));
    if (b->d->parity != NULL) {
        parity_writer_add(b->d->parity, &known.name.hash, vv_buf_span(bytes));
    }
    count_pack(b->d, job, bytes->len);
    return VV_OK;
}
