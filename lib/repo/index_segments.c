/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading index segments of the repository, and packs that no segment names. */

#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "crypto/asymmetric.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "repo/index_table_internal.h"
#include "repo/object_ahead.h"
#include "repo/pack_reader.h"
#include "repo/sealed_envelope.h"

enum vv_rc
index_record_open(struct repo *r, const struct index_record *record, struct vv_buf *out,
                  struct vv_error *err)
{
    struct vv_span hash = vv_span(record->name.hash.b, 32);
    struct vv_span parts[2] = {vv_span("varve index", 11), hash};
    uint8_t key[32];
    enum vv_rc rc;

    blake2b_256(keyring_index_key(repo_keyring(r)), 32, parts, 2, key);
    rc = envelope_open(key, "index", hash, record->body, out, err);
    crypto_wipe(key, sizeof(key));
    return rc == VV_EKEY ? VV_ECORRUPT : rc;
}

/** Is the record signed by the certified client it names? */
static enum vv_rc
check_signature(struct repo *r, const struct index_record *record,
                const struct admin_records *admin, uint8_t *ret, struct vv_error *err)
{
    const struct certificate *c = admin_certificate(admin, &record->client);
    struct vv_buf message = {0};
    enum vv_rc rc;

    *ret = TABLE_UNKNOWN_SIGNER;
    if (c == NULL) {
        return VV_OK;
    }
    index_record_signed(record, repo_id(r), &message);
    rc = vv_buf_check(&message, err);
    if (rc == VV_OK) {
        *ret = ed25519_verify(c->ed25519, vv_buf_span(&message), record->signature.data)
                   ? TABLE_SIGNED
                   : TABLE_WRONG_SIGNATURE;
    }
    vv_buf_release(&message);
    return rc;
}

/** One record into the builder. */
static enum vv_rc
collect_record(struct repo *r, const struct index_record *record, const struct admin_records *admin,
               struct table_builder *b, struct vv_error *err)
{
    struct table_pack pack = {.name = record->name, .client = record->client};
    struct pack_directory directory = {0};
    struct index_body body;
    struct vv_buf plain = {0};
    enum vv_rc rc = index_record_open(r, record, &plain, err);

    if (rc == VV_OK) {
        rc = index_body_decode(vv_buf_span(&plain), &body, err);
    }
    if (rc == VV_OK) {
        rc = pack_directory_decode(body.directory, body.file_size, &directory, err);
    }
    if (rc == VV_OK) {
        pack.file_size = body.file_size;
        pack.class = body.pack_class;
        rc = check_signature(r, record, admin, &pack.signature, err);
    }
    if (rc == VV_OK) {
        rc = table_builder_add(b, &pack, &directory, err);
    }
    pack_directory_release(&directory);
    vv_buf_release(&plain);
    return rc;
}

/** The next object is a segment: check that it is the one its name says. */
static enum vv_rc
read_segment(struct repo *r, const struct vv_id *id, struct object_ahead *ahead,
             struct vv_buf *object, struct index_iter *ret, struct vv_error *err)
{
    struct vv_id found;

    VV_TRY(object_ahead_next(ahead, object, err));
    sha256(object->data, object->len, found.b);
    if (!vv_id_equal(&found, id)) {
        return vv_error_set(err, VV_ECORRUPT, "its content does not have the hash in its name");
    }
    return index_segment_open(vv_buf_span(object), repo_id(r), ret, err);
}

static void
segment_name(const struct vv_id *id, char out[6 + 65])
{
    memcpy(out, "index/", 6);
    vv_hex(out + 6, id->b, 32);
}

static bool
is_damage(enum vv_rc rc)
{
    return rc == VV_ECORRUPT || rc == VV_EUNSUPPORTED || rc == VV_ELIMIT || rc == VV_EIO;
}

enum vv_rc
index_segment_collect(struct repo *r, const struct vv_id *id, struct object_ahead *ahead,
                      const struct admin_records *admin, struct table_builder *b,
                      struct vv_buf *strangers, struct vv_error *err)
{
    struct vv_buf object = {0};
    struct index_iter it = {0};
    struct index_record record;
    char name[6 + 65];
    bool unsigned_seen = false;
    bool damaged = false;
    enum vv_rc rc;

    segment_name(id, name);
    rc = read_segment(r, id, ahead, &object, &it, err);
    while (rc == VV_OK && index_segment_next(&it, &record)) {
        size_t packs = b->packs.len;
        rc = collect_record(r, &record, admin, b, err);
        if (is_damage(rc)) {
            damaged = true;
            rc = VV_OK;
        } else if (rc == VV_OK &&
                   ((const struct table_pack *)(const void *)(b->packs.data + packs))->signature !=
                       TABLE_SIGNED) {
            unsigned_seen = true;
        }
    }
    if (rc == VV_OK && !index_segment_ok(&it)) {
        damaged = true;
    }
    if (is_damage(rc)) {
        repo_report(r, "index-damaged", name, err != NULL ? err->message : "damaged");
        vv_error_clear(err);
        rc = VV_OK; /* not entered in the table's list: read again the next time */
    } else if (rc == VV_OK) {
        if (damaged) {
            repo_report(r, "index-damaged", name, "some records cannot be read");
        }
        if (unsigned_seen) {
            vv_buf_put(strangers, id->b, sizeof(id->b));
            rc = vv_buf_check(strangers, err);
        }
        vv_buf_put(&b->segments, id->b, 32);
        rc = rc == VV_OK ? vv_buf_check(&b->segments, err) : rc;
    }
    vv_buf_release(&object);
    return rc;
}

void
index_tell_strangers(struct repo *r, const struct vv_buf *strangers)
{
    for (size_t at = 0; at < strangers->len; at += sizeof(struct vv_id)) {
        struct vv_id id;
        char name[6 + 65];
        memcpy(id.b, strangers->data + at, sizeof(id.b));
        segment_name(&id, name);
        repo_report(r, "forged-record", name,
                    "records without the signature of a certified client; used for reading only");
    }
}

/** Drop what is no segment's name. */
static void
keep_segments(struct name_list *l)
{
    struct vv_id id;
    size_t kept = 0;

    for (size_t i = 0; i < l->count; i++) {
        if (vv_unhex(id.b, 32, l->names[i], strlen(l->names[i]))) {
            l->names[kept++] = l->names[i];
        } else {
            vv_free(l->names[i]);
        }
    }
    l->count = kept;
}

enum vv_rc
chunk_index_each_pack(struct chunk_index *x, chunk_index_each_fn *fn, void *ctx,
                      struct vv_error *err)
{
    struct repo *r = chunk_index_repo(x);
    struct name_list names;
    struct vv_buf object = {0};
    struct vv_buf plain = {0};
    VV_CLEANUP(object_ahead_freep) struct object_ahead *ahead = NULL;
    enum vv_rc failed = VV_OK; /* what ${fn} said: never mistaken for damage */
    enum vv_rc rc;

    rc = repo_list(r, "index", &names, err);
    if (rc == VV_ENOTFOUND) { /* said when the index was loaded */
        vv_error_clear(err);
        return VV_OK;
    }
    VV_TRY(rc);
    keep_segments(&names);
    rc = object_ahead_new(repo_storage(r), "index", names.names, names.count, LIMIT_INDEX_SEGMENT,
                          &ahead, err);
    for (size_t i = 0; i < names.count && rc == VV_OK; i++) {
        struct vv_id id;
        struct index_iter it = {0};
        struct index_record record;
        struct index_body body;
        char name[6 + 65];
        (void)!vv_unhex(id.b, 32, names.names[i], strlen(names.names[i])); /* kept, so it is */
        segment_name(&id, name);
        rc = read_segment(r, &id, ahead, &object, &it, err);
        while (rc == VV_OK && index_segment_next(&it, &record)) {
            vv_buf_reset(&plain);
            rc = index_record_open(r, &record, &plain, err);
            if (rc == VV_OK) {
                rc = index_body_decode(vv_buf_span(&plain), &body, err);
            }
            if (is_damage(rc)) {
                repo_report(r, "index-damaged", name, "some records cannot be read");
                vv_error_clear(err);
                rc = VV_OK;
            } else if (rc == VV_OK) {
                failed = fn(ctx, &record.name, &body, err);
                rc = failed;
            }
        }
        if (failed == VV_OK && is_damage(rc)) {
            repo_report(r, "index-damaged", name, err != NULL ? err->message : "damaged");
            vv_error_clear(err);
            rc = VV_OK;
        } else if (failed == VV_OK && rc == VV_ENOTFOUND) { /* merged into another meanwhile */
            vv_error_clear(err);
            rc = VV_OK;
        }
    }
    object_ahead_free(TAKE(ahead)); /* before the names it uses */
    vv_buf_release(&object);
    vv_buf_release(&plain);
    name_list_release(&names);
    return rc;
}

/* --- packs no segment names ------------------------------------------------------------------- */

/** All full names of a table, sorted. */
static struct pack_name *
known_names(const struct index_table *t)
{
    struct pack_name *names = vv_alloc_array(t->pack_count + 1, sizeof(*names));

    if (names != NULL) {
        for (uint64_t i = 0; i < t->pack_count; i++) {
            names[i] = t->packs[i].name;
        }
        qsort(names, t->pack_count, sizeof(*names), pack_name_order);
    }
    return names;
}

/** Through the pack's footer.  Damaged ones are nobody's business here. */
enum vv_rc
index_add_orphan(struct pack_reader *reader, const struct pack_name *name, uint64_t size,
                 struct table_builder *b, struct vv_error *err)
{
    struct table_pack pack = {.name = *name, .file_size = size};
    struct pack_directory directory = {0};
    struct pack_header header;
    enum vv_rc rc = pack_read_directory(reader, name, size, &directory, &header, err);

    if (is_damage(rc) || rc == VV_ENOTFOUND) {
        vv_error_clear(err);
        return VV_OK;
    }
    VV_TRY(rc);
    pack.client = header.client;
    pack.class = (uint8_t)header.class;
    rc = table_builder_add(b, &pack, &directory, err);
    pack_directory_release(&directory);
    return rc;
}

static enum vv_rc
orphans_of_shard(struct repo *r, struct pack_reader *reader, unsigned shard,
                 const struct pack_name *known, size_t known_count, struct table_builder *b,
                 struct vv_error *err)
{
    struct name_list names;
    char directory[16] = "packs/";
    uint8_t number = (uint8_t)shard;
    enum vv_rc rc = VV_OK;

    vv_hex(directory + 6, &number, 1);
    rc = repo_list(r, directory, &names, err);
    if (rc == VV_ENOTFOUND || rc == VV_EIO) { /* the other shards may have what is wanted */
        repo_report(r, "directory-unreadable", directory, err != NULL ? err->message : "missing");
        vv_error_clear(err);
        return VV_OK;
    }
    VV_TRY(rc);
    for (size_t i = 0; i < names.count && rc == VV_OK; i++) {
        struct pack_name name;
        if (pack_name_parse(names.names[i], strlen(names.names[i]), &name) &&
            (known_count == 0 ||
             bsearch(&name, known, known_count, sizeof(name), pack_name_order) == NULL)) {
            rc = index_add_orphan(reader, &name, names.sizes[i], b, err);
        }
    }
    name_list_release(&names);
    return rc;
}

enum vv_rc
index_orphans(struct repo *r, const struct index_table *known, struct table_builder *b,
              struct vv_error *err)
{
    struct pack_name *names = known_names(known);
    struct pack_keys *keys = NULL;
    struct pack_reader *reader = NULL;
    enum vv_rc rc = names == NULL ? vv_error_nomem(err) : pack_keys_new(r, &keys, err);

    if (rc == VV_OK) {
        rc = pack_reader_new(keys, &reader, err);
    }
    for (unsigned shard = 0; shard < 256 && rc == VV_OK; shard++) {
        rc = orphans_of_shard(r, reader, shard, names, known->pack_count, b, err);
    }
    pack_reader_free(reader);
    pack_keys_free(keys);
    vv_free(names);
    return rc;
}
