/* SPDX-License-Identifier: BSD-2-Clause */
/* What the source has: packs listed, and the index records of those that are wanted. */
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/fast_hash.h"
#include "core/file.h"
#include "engine/replicate_internal.h"

#define READ_ATTEMPTS 10

static int
compare_packs(const void *a, const void *b)
{
    return pack_name_compare(&((const struct source_pack *)a)->name,
                             &((const struct source_pack *)b)->name);
}

static int
compare_records(const void *a, const void *b)
{
    const struct source_record *x = a;
    const struct source_record *y = b;
    int c = memcmp(x->hash.b, y->hash.b, 32);

    return c != 0 ? c : x->sum < y->sum ? -1 : x->sum > y->sum;
}

void
source_catalog_release(struct source_catalog *c)
{
    vv_free(c->packs);
    vv_free(c->records);
    vv_fd_close(c->spool);
    memset(c, 0, sizeof(*c));
    c->spool = -1;
}

/** The first of a sorted array of elements that begin with a hash that is not below ${hash}. */
static size_t
lower_bound(const void *array, size_t count, size_t size, const struct vv_id *hash)
{
    size_t low = 0;
    size_t high = count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memcmp((const uint8_t *)array + middle * size, hash->b, 32) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

const struct source_pack *
source_range(const struct source_catalog *c, const struct vv_id *hash, size_t *ret_count)
{
    size_t from = lower_bound(c->packs, c->pack_count, sizeof(*c->packs), hash);
    size_t to = from;

    while (to < c->pack_count && vv_id_equal(&c->packs[to].name.hash, hash)) {
        to++;
    }
    *ret_count = to - from;
    return to > from ? &c->packs[from] : NULL;
}

const struct source_record *
source_records(const struct source_catalog *c, const struct vv_id *hash, size_t *ret_count)
{
    size_t from = lower_bound(c->records, c->record_count, sizeof(*c->records), hash);
    size_t to = from;

    while (to < c->record_count && vv_id_equal(&c->records[to].hash, hash)) {
        to++;
    }
    *ret_count = to - from;
    return to > from ? &c->records[from] : NULL;
}

static enum vv_rc
add_listed(void *ctx, const char *name, uint64_t size, struct vv_error *err)
{
    struct vv_buf *packs = ctx;
    struct source_pack p = {.size = size};

    if (pack_name_parse(name, strlen(name), &p.name)) {
        vv_buf_put(packs, &p, sizeof(p));
    }
    return vv_buf_check(packs, err);
}

enum vv_rc
source_list_packs(struct replication *run, struct source_catalog *c, struct vv_error *err)
{
    struct vv_buf packs = {0};
    enum vv_rc rc =
        storage_list_shards(repo_storage(run->source), "packs", add_listed, &packs, err);

    if (rc == VV_ENOTFOUND) { /* a shard of a damaged source is gone: list the others */
        char directory[16];
        vv_error_clear(err);
        vv_buf_reset(&packs);
        rc = VV_OK;
        for (unsigned i = 0; i < 256 && rc == VV_OK; i++) {
            uint8_t number = (uint8_t)i;
            memcpy(directory, "packs/", 6);
            vv_hex(directory + 6, &number, 1);
            rc = storage_list(repo_storage(run->source), directory, add_listed, &packs, err);
            if (rc == VV_ENOTFOUND) {
                vv_error_clear(err);
                rc = VV_OK;
            }
        }
    }
    if (rc != VV_OK) {
        vv_buf_release(&packs);
        return rc;
    }
    vv_free(c->packs);
    c->packs = (struct source_pack *)(void *)packs.data;
    c->pack_count = packs.len / sizeof(*c->packs);
    if (c->pack_count > 0) {
        qsort(c->packs, c->pack_count, sizeof(*c->packs), compare_packs);
    }
    return VV_OK;
}

/* --- index --- */

struct spooling {
    struct batch *b;
    struct vv_buf names;   /* full names that have a record */
    struct vv_buf records; /* struct source_record */
    struct vv_buf bytes;   /* of one record */
    uint64_t end;
};

/** Is the pack of this hash to be brought there? */
static bool
is_wanted(const struct batch *b, const struct vv_id *hash)
{
    bool keyless = repo_is_keyless(b->d->run->source);

    if (site_has(&b->site, hash)) {
        return false;
    }
    return id_table_find(&b->heal, hash) != NULL ||
           (keyless ? b->chosen_count > 0 || b->complete : id_table_find(&b->needed, hash) != NULL);
}

static enum vv_rc
spool_record(void *ctx, const struct index_record *record, struct vv_error *err)
{
    struct spooling *s = ctx;
    struct source_record item = {.hash = record->name.hash, .at = s->end};

    vv_buf_put(&s->names, &record->name, sizeof(record->name));
    VV_TRY(vv_buf_check(&s->names, err));
    if (!is_wanted(s->b, &record->name.hash)) {
        return VV_OK;
    }
    vv_buf_reset(&s->bytes);
    index_record_append(record, &s->bytes);
    VV_TRY(vv_buf_check(&s->bytes, err));
    item.len = (uint32_t)s->bytes.len;
    item.sum =
        vv_hash64(s->bytes.data + sizeof(record->name), s->bytes.len - sizeof(record->name), 0);
    VV_TRY(vv_error_origin(
        err, VV_ORIGIN_LOCAL,
        vv_fd_write_full(s->b->source.spool, s->bytes.data, s->bytes.len, "temporary file", err)));
    s->end += s->bytes.len;
    vv_buf_put(&s->records, &item, sizeof(item));
    return vv_buf_check(&s->records, err);
}

static enum vv_rc
spool_segments(struct spooling *s, struct vv_error *err)
{
    struct repo *source = s->b->d->run->source;
    struct vv_buf segments = {0};
    enum vv_rc rc = VV_ENOTFOUND;

    for (int attempt = 0; rc == VV_ENOTFOUND; attempt++) { /* one vanished: merged meanwhile */
        vv_error_clear(err);
        vv_buf_reset(&segments);
        vv_buf_reset(&s->names);
        vv_buf_reset(&s->records);
        rc = attempt < READ_ATTEMPTS
                 ? index_segments_list(source, &segments, err)
                 : vv_error_set(err, VV_ETRANSIENT, "the source's index keeps changing");
        if (rc == VV_OK) {
            rc = index_segments_each(source, vv_buf_span(&segments), spool_record, s,
                                     &s->b->source.damaged, err);
        }
    }
    vv_buf_release(&segments);
    return rc;
}

/** Sort the records; of equal ones (merged segments may overlap) one is enough. */
static void
arrange_records(struct source_catalog *c, struct vv_buf *records)
{
    size_t count = records->len / sizeof(*c->records);
    size_t kept = 0;

    c->records = (struct source_record *)(void *)records->data;
    memset(records, 0, sizeof(*records));
    if (count > 0) {
        qsort(c->records, count, sizeof(*c->records), compare_records);
    }
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || compare_records(&c->records[kept - 1], &c->records[i]) != 0) {
            c->records[kept++] = c->records[i];
        }
    }
    c->record_count = kept;
}

static void
count_unindexed(struct source_catalog *c, struct vv_buf *names)
{
    struct pack_name *indexed = (struct pack_name *)(void *)names->data;
    size_t count = names->len / sizeof(*indexed);

    if (count > 0) {
        qsort(indexed, count, sizeof(*indexed), pack_name_order);
    }
    c->unindexed = 0;
    for (size_t i = 0; i < c->pack_count; i++) {
        c->unindexed += count == 0 || bsearch(&c->packs[i].name, indexed, count, sizeof(*indexed),
                                              pack_name_order) == NULL;
    }
}

/** Every hash the index names and that is wanted becomes a job, whether it is listed or not. */
static enum vv_rc
make_jobs(struct batch *b, struct vv_error *err)
{
    const struct source_catalog *c = &b->source;

    vv_free(b->jobs);
    b->job_count = 0;
    b->jobs = vv_alloc_array(c->record_count + 1, sizeof(*b->jobs));
    if (b->jobs == NULL) {
        return vv_error_nomem(err);
    }
    for (size_t i = 0; i < c->record_count; i++) {
        struct job *job = &b->jobs[b->job_count];
        const struct source_pack *packs;
        size_t count;
        if (i > 0 && vv_id_equal(&c->records[i].hash, &c->records[i - 1].hash)) {
            continue;
        }
        job->hash = c->records[i].hash;
        job->heal = id_table_find(&b->heal, &job->hash) != NULL;
        packs = source_range(c, &job->hash, &count);
        job->size = packs != NULL ? packs[0].size : 0;
        b->job_count++;
    }
    return VV_OK;
}

enum vv_rc
source_read_index(struct batch *b, struct vv_error *err)
{
    struct spooling s = {.b = b};
    bool listed = b->source.packs != NULL;
    enum vv_rc rc = vv_temp_file(repo_temp_dir(b->d->run->source), &b->source.spool, err);

    if (rc == VV_OK) {
        rc = spool_segments(&s, err);
    }
    if (rc == VV_OK && !listed) { /* the order of reading: index, then the listing */
        rc = source_list_packs(b->d->run, &b->source, err);
    }
    if (rc == VV_OK) {
        arrange_records(&b->source, &s.records);
        count_unindexed(&b->source, &s.names);
        rc = make_jobs(b, err);
    }
    vv_buf_release(&s.names);
    vv_buf_release(&s.records);
    vv_buf_release(&s.bytes);
    return rc;
}

enum vv_rc
source_record_load(const struct source_catalog *c, const struct source_record *record,
                   struct vv_buf *out, struct index_record *ret, struct vv_error *err)
{
    struct vv_reader in;
    size_t got = 0;

    vv_buf_reset(out);
    VV_TRY(vv_buf_reserve(out, record->len, err));
    VV_TRY(vv_fd_pread_full(c->spool, out->data, record->len, record->at, "temporary file", &got,
                            err));
    out->len = got;
    in = vv_reader(out->data, got);
    vv_get_copy(&in, &ret->name, sizeof(ret->name));
    vv_get_copy(&in, ret->client.b, 16);
    ret->body = vv_get_bytes(&in, vv_get_u32(&in), 1);
    ret->signature = vv_get_bytes(&in, FORMAT_SIGNATURE_LEN, 1);
    if (!vv_reader_done(&in)) {
        return vv_error_set(err, VV_EIO, "a temporary file came back shorter");
    }
    return VV_OK;
}
