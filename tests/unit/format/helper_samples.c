/* SPDX-License-Identifier: BSD-2-Clause */
/* Valid examples of every object and payload. */
#include "helper_samples_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/hash.h"
#include "format/config.h"
#include "format/envelope.h"
#include "format/index.h"
#include "format/key_slot.h"
#include "format/pack.h"
#include "format/session.h"
#include "format/slot.h"
#include "format/snapshot.h"

const struct vv_uuid sample_repository = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};

void
sample_ok(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "sample cannot be built: %s\n", what);
        abort();
    }
}

struct vv_uuid
sample_uuid(uint8_t seed)
{
    struct vv_uuid id;
    memset(id.b, seed, sizeof(id.b));
    return id;
}

struct vv_id
sample_id(uint8_t seed)
{
    struct vv_id id;
    memset(id.b, seed, sizeof(id.b));
    return id;
}

struct vv_span
sample_text(const char *s)
{
    return vv_span(s, strlen(s));
}

void
sample_reseal(uint8_t *object, size_t len)
{
    sha256(object, len - FORMAT_TRAILER_LEN, object + len - FORMAT_TRAILER_LEN);
}

static void
put_signature(struct vv_buf *out)
{
    uint8_t signature[FORMAT_SIGNATURE_LEN];
    memset(signature, 0x5a, sizeof(signature));
    vv_buf_put(out, signature, sizeof(signature));
}

void
sample_sign_and_finish(struct vv_buf *out)
{
    put_signature(out);
    OK(container_finish(out, NULL));
}

static void
build_config(struct vv_buf *out)
{
    struct config c = {.repository = sample_repository,
                       .created = 1700000000000000000,
                       .chunker_suite = 1,
                       .chunk_min = 65536,
                       .chunk_max = 1048576,
                       .chunk_threshold = UINT64_MAX / 131072,
                       .page_size = 65536,
                       .id_suite = 1,
                       .dedup_trust = 0};
    memset(c.admin_public, 7, sizeof(c.admin_public));
    OK(config_encode(&c, out, NULL));
    sample_sign_and_finish(out);
}

static enum vv_rc
decode_config(struct vv_span bytes, struct vv_error *err)
{
    struct config c;
    return config_decode(bytes, &c, err);
}

static void
build_envelope(struct vv_buf *out)
{
    vv_buf_put_u8(out, 1);
    for (unsigned i = 0; i < 64; i++) {
        vv_buf_put_u8(out, (uint8_t)i);
    }
    vv_buf_put_u32(out, 5);
    vv_buf_put(out, "hello0123456789abcdef", 21);
}

static enum vv_rc
decode_envelope(struct vv_span bytes, struct vv_error *err)
{
    struct envelope e;
    return envelope_decode(bytes, &e, err);
}

static void
build_key_slot_of(enum key_slot_type type, struct vv_buf *out)
{
    struct vv_buf config = {0};
    build_config(&config);
    struct key_slot s = {.repository = sample_repository,
                         .type = type,
                         .created = 1700000000000000001,
                         .label = "office safe",
                         .passes = type == KEY_SLOT_PASSPHRASE ? 3 : 0,
                         .memory_kib = type == KEY_SLOT_PASSPHRASE ? ARGON2_DEFAULT_KIB : 0,
                         .config = vv_buf_span(&config)};
    OK(key_slot_encode_prefix(&s, out, NULL));
    build_envelope(out);
    OK(container_finish(out, NULL));
    vv_buf_release(&config);
}

static void
build_key_slot(struct vv_buf *out)
{
    build_key_slot_of(KEY_SLOT_PASSPHRASE, out);
}

static void
build_key_slot_file(struct vv_buf *out)
{
    build_key_slot_of(KEY_SLOT_KEY_FILE, out);
}

static enum vv_rc
decode_key_slot(struct vv_span bytes, struct vv_error *err)
{
    struct key_slot s;
    return key_slot_decode(bytes, &s, err);
}

static void
build_key_bundle(struct vv_buf *out)
{
    struct key_bundle b = {.role = KEY_ROLE_ADMIN};
    memset(b.config_hash, 1, 32);
    memset(b.admin_public, 2, 32);
    memset(b.master, 3, 32);
    memset(b.admin_seed, 4, 32);
    OK(key_bundle_encode(&b, out, NULL));
}

static void
build_key_bundle_reader(struct vv_buf *out)
{
    struct key_bundle b = {.role = KEY_ROLE_READER, .epoch_count = 1};
    memset(b.config_hash, 1, 32);
    memset(b.admin_public, 2, 32);
    memset(b.client.b, 3, 16);
    memset(b.client_seed, 4, 32);
    memset(b.client_x25519, 5, 32);
    memset(b.id_keys, 6, sizeof(b.id_keys));
    memset(b.chunker_key, 7, 32);
    memset(b.index_key, 8, 32);
    b.epochs[0].number = 2;
    memset(b.epochs[0].public_key, 9, 32);
    memset(b.epochs[0].writer, 10, 32);
    memset(b.epochs[0].reader, 11, 32);
    OK(key_bundle_encode(&b, out, NULL));
}

static enum vv_rc
decode_key_bundle(struct vv_span bytes, struct vv_error *err)
{
    struct key_bundle b;
    return key_bundle_decode(bytes, &b, err);
}

static void
build_key_file(struct vv_buf *out)
{
    struct key_file f = {.repository = sample_repository};
    memset(f.secret, 0xab, sizeof(f.secret));
    OK(key_file_encode(&f, out, NULL));
}

static enum vv_rc
decode_key_file(struct vv_span bytes, struct vv_error *err)
{
    struct key_file f;
    return key_file_decode(bytes, &f, err);
}

static void
build_pack_header(struct vv_buf *out)
{
    struct pack_header h = {.repository = sample_repository,
                            .class = PACK_DATA,
                            .suite = PACK_AES_GCM,
                            .epoch = 1,
                            .session = sample_uuid(2),
                            .client = sample_uuid(3)};
    uint8_t bytes[PACK_HEADER_LEN];
    memset(h.sealed, 4, sizeof(h.sealed));
    memset(h.commitment, 5, sizeof(h.commitment));
    pack_header_encode(&h, bytes);
    vv_buf_put(out, bytes, sizeof(bytes));
}

static enum vv_rc
decode_pack_header(struct vv_span bytes, struct vv_error *err)
{
    struct pack_header h;
    if (bytes.len != PACK_HEADER_LEN) {
        return VV_ECORRUPT;
    }
    return pack_header_decode(bytes.data, &sample_repository, &h, err);
}

static void
build_pack_footer(struct vv_buf *out)
{
    struct pack_footer f = {.directory_offset = 16384 - PACK_TAIL_LEN - (4 + 18 + 37 + 16),
                            .directory_stored = 4 + 18 + 37 + 16,
                            .directory_plain = 4 + 18 + 37,
                            .block_count = 1,
                            .chunk_count = 1,
                            .file_size = 16384};
    uint8_t bytes[PACK_FOOTER_PLAIN];
    pack_footer_encode(&f, bytes);
    vv_buf_put(out, bytes, sizeof(bytes));
}

static enum vv_rc
decode_pack_footer(struct vv_span bytes, struct vv_error *err)
{
    struct pack_footer f;
    if (bytes.len != PACK_FOOTER_PLAIN) {
        return VV_ECORRUPT;
    }
    return pack_footer_decode(bytes.data, 16384, &f, err);
}

static void
build_pack_directory(struct vv_buf *out)
{
    struct pack_chunk chunks[3] = {{sample_id(1), 100, CHUNK_NODE},
                                   {sample_id(2), 28, CHUNK_LIST},
                                   {sample_id(3), 5000, CHUNK_DATA}};
    struct pack_block blocks[2] = {{.kind = BLOCK_TREE,
                                    .flags = BLOCK_ZSTD,
                                    .offset = 256,
                                    .stored_len = 90,
                                    .plain_len = 128,
                                    .first_chunk = 0,
                                    .chunk_count = 2},
                                   {.kind = BLOCK_SMALL,
                                    .offset = 346,
                                    .stored_len = 5016,
                                    .plain_len = 5000,
                                    .first_chunk = 2,
                                    .chunk_count = 1}};
    struct pack_directory d = {blocks, 2, chunks, 3};
    OK(pack_directory_encode(&d, out, NULL));
}

static enum vv_rc
decode_pack_directory(struct vv_span bytes, struct vv_error *err)
{
    struct pack_directory d;
    enum vv_rc rc = pack_directory_decode(bytes, 16384, &d, err);
    if (rc == VV_OK) {
        pack_directory_release(&d);
    }
    return rc;
}

static void
build_index_segment(struct vv_buf *out)
{
    struct vv_buf records = {0};
    struct vv_buf body = {0};
    struct vv_buf signature = {0};
    build_envelope(&body);
    put_signature(&signature);
    for (uint8_t i = 0; i < 2; i++) {
        struct index_record r = {.name = {sample_id(i), sample_uuid(9)},
                                 .client = sample_uuid(3),
                                 .body = vv_buf_span(&body),
                                 .signature = vv_buf_span(&signature)};
        index_record_append(&r, &records);
    }
    OK(index_segment_encode(&sample_repository, 2, vv_buf_span(&records), out, NULL));
    vv_buf_release(&records);
    vv_buf_release(&body);
    vv_buf_release(&signature);
}

static enum vv_rc
decode_index_segment(struct vv_span bytes, struct vv_error *err)
{
    struct index_iter it;
    struct index_record record;
    enum vv_rc rc = index_segment_open(bytes, &sample_repository, &it, err);
    if (rc != VV_OK) {
        return rc;
    }
    while (index_segment_next(&it, &record)) {
    }
    return index_segment_ok(&it) ? VV_OK : vv_error_set(err, VV_ECORRUPT, "not at the end");
}

static void
build_index_body(struct vv_buf *out)
{
    struct vv_buf directory = {0};
    build_pack_directory(&directory);
    struct index_body b = {16384, PACK_DATA, vv_buf_span(&directory)};
    OK(index_body_encode(&b, out, NULL));
    vv_buf_release(&directory);
}

static enum vv_rc
decode_index_body(struct vv_span bytes, struct vv_error *err)
{
    struct index_body b;
    return index_body_decode(bytes, &b, err);
}

static void
build_session(struct vv_buf *out)
{
    uint8_t snapshots[32];
    memset(snapshots, 8, sizeof(snapshots));
    struct session_record s = {.session = sample_uuid(2),
                               .kind = SESSION_READER,
                               .client = sample_uuid(3),
                               .time = 1700000000000000002,
                               .beat = 4,
                               .snapshot_count = 2,
                               .snapshots = vv_span(snapshots, sizeof(snapshots))};
    OK(session_encode(&s, &sample_repository, out, NULL));
}

static enum vv_rc
decode_session(struct vv_span bytes, struct vv_error *err)
{
    struct session_record s;
    return session_decode(bytes, &sample_repository, &s, err);
}

static void
build_snapshot_record(struct vv_buf *out)
{
    struct vv_buf seen = {0};
    struct snapshot_seen one = {sample_uuid(6), 12, sample_id(7)};
    snapshot_seen_put(&seen, &one);
    struct snapshot_head h = {.repository = sample_repository,
                              .id = sample_uuid(4),
                              .client = sample_uuid(3),
                              .sequence = 2,
                              .previous = sample_id(5),
                              .site = sample_uuid(8),
                              .time = 1700000000000000003,
                              .seen_count = 1,
                              .seen = vv_buf_span(&seen),
                              .epoch = 1};
    OK(snapshot_head_encode(&h, out, NULL));
    struct vv_buf body = {0};
    vv_buf_put_zeros(&body, PACK_SEALED_LEN);
    build_envelope(&body);
    vv_buf_put_u32(out, (uint32_t)body.len);
    vv_buf_put(out, body.data, body.len);
    put_signature(out);
    vv_buf_release(&seen);
    vv_buf_release(&body);
}

static enum vv_rc
decode_snapshot_record(struct vv_span bytes, struct vv_error *err)
{
    struct snapshot_record s;
    return snapshot_record_decode(bytes, &sample_repository, &s, err);
}

static void
build_slot(struct vv_buf *out)
{
    struct vv_buf record = {0};
    struct vv_buf records = {0};
    build_snapshot_record(&record);
    slot_append_record(&records, vv_buf_span(&record));
    slot_append_record(&records, vv_buf_span(&record));
    struct slot s = {.session = sample_uuid(2),
                     .status = SLOT_RECORDS,
                     .record_count = 2,
                     .records = vv_buf_span(&records)};
    OK(slot_encode(&s, &sample_repository, out, NULL));
    OK(container_finish(out, NULL));
    vv_buf_release(&record);
    vv_buf_release(&records);
}

static void
build_slot_fence(struct vv_buf *out)
{
    struct slot s = {.session = sample_uuid(2), .status = SLOT_FENCE};
    OK(slot_encode(&s, &sample_repository, out, NULL));
    sample_sign_and_finish(out);
}

static enum vv_rc
decode_slot(struct vv_span bytes, struct vv_error *err)
{
    struct slot s;
    return slot_decode(bytes, &sample_repository, &s, err);
}

static void
build_snapshot_body(struct vv_buf *out)
{
    struct vv_buf sources[2] = {{0}, {0}};
    char *tags[] = {(char[]){"nightly"}, (char[]){"shop"}};
    char *incomplete[] = {(char[]){"database 'orders'"}};
    struct snapshot_file_system fs[2] = {{0xef53, 42}, {0x58465342, 43}};
    vv_buf_put_text(&sources[0], "/srv/shop");
    vv_buf_put_text(&sources[1], "/etc");
    struct snapshot_body b = {.root = {sample_id(1), 2, 1000, 123456},
                              .host = (char[]){"web1"},
                              .user = (char[]){"root"},
                              .program = (char[]){"varve 0.1.0"},
                              .sources = sources,
                              .source_count = 2,
                              .tags = tags,
                              .tag_count = 2,
                              .incomplete = incomplete,
                              .incomplete_count = 1,
                              .start = 1700000000000000004,
                              .end = 1700000000000000005,
                              .zone = -3600,
                              .mode = SNAPSHOT_INCREMENTAL,
                              .has_parent = true,
                              .parent = sample_uuid(9),
                              .statistics = {.files = 900, .duration_ns = 77},
                              .file_systems = fs,
                              .file_system_count = 2};
    OK(snapshot_body_encode(&b, out, NULL));
    vv_buf_release(&sources[0]);
    vv_buf_release(&sources[1]);
}

/** Of a run that took base backups of two clusters. */
static void
build_snapshot_body_wal(struct vv_buf *out)
{
    struct snapshot_wal wal[] = {{7000000000000000001, 1u << 24, 3, 0x2000028, 0x20001c8},
                                 {7000000000000000002, 1u << 20, 1, 0xfe00000028, 0xfe00000128}};
    struct snapshot_body b = {
        .root = {sample_id(1), 2, 1000, 123456}, .mode = SNAPSHOT_FULL, .wal = wal, .wal_count = 2};

    OK(snapshot_body_encode(&b, out, NULL));
}

static enum vv_rc
decode_snapshot_body(struct vv_span bytes, struct vv_error *err)
{
    struct snapshot_body b;
    enum vv_rc rc = snapshot_body_decode(bytes, &b, err);
    if (rc == VV_OK) {
        snapshot_body_release(&b);
    }
    return rc;
}

const struct sample samples[] = {
    {"config", "plain", true, build_config, decode_config},
    {"envelope", "plain", false, build_envelope, decode_envelope},
    {"key_slot", "passphrase", true, build_key_slot, decode_key_slot},
    {"key_slot", "key-file", true, build_key_slot_file, decode_key_slot},
    {"key_bundle", "admin", false, build_key_bundle, decode_key_bundle},
    {"key_bundle", "reader", false, build_key_bundle_reader, decode_key_bundle},
    {"key_file", "plain", false, build_key_file, decode_key_file},
    {"pack_header", "data", false, build_pack_header, decode_pack_header},
    {"pack_footer", "small", false, build_pack_footer, decode_pack_footer},
    {"pack_directory", "two-blocks", false, build_pack_directory, decode_pack_directory},
    {"index_segment", "two-records", true, build_index_segment, decode_index_segment},
    {"index_body", "plain", false, build_index_body, decode_index_body},
    {"session", "reader", true, build_session, decode_session},
    {"slot", "records", true, build_slot, decode_slot},
    {"slot", "fence", true, build_slot_fence, decode_slot},
    {"snapshot_record", "plain", false, build_snapshot_record, decode_snapshot_record},
    {"snapshot_body", "everything", false, build_snapshot_body, decode_snapshot_body},
    {"snapshot_body", "wal", false, build_snapshot_body_wal, decode_snapshot_body},
    {"admin", "certificate", true, build_certificate, decode_admin},
    {"admin", "revocation", true, build_revocation, decode_admin},
    {"admin", "epoch", true, build_epoch, decode_admin},
    {"admin", "grave", true, build_grave, decode_admin},
    {"admin", "suspect", true, build_suspect, decode_admin},
    {"admin", "forget", true, build_forget, decode_admin},
    {"admin", "forget-end", true, build_forget_end, decode_admin},
    {"admin", "pin", true, build_pin, decode_admin},
    {"admin", "listed", true, build_listed, decode_admin},
    {"admin", "accepted", true, build_accepted, decode_admin},
    {"condemned", "two-packs", true, build_condemned, decode_condemned},
    {"site", "plain", true, build_site, decode_site},
    {"node", "leaf", false, build_leaf, decode_node},
    {"node", "inner", false, build_inner, decode_node},
    {"list", "chunks", false, build_list, decode_list},
    {"list", "lists", false, build_list_of_lists, decode_list},
    {"xattrs", "two", false, build_xattrs, decode_xattrs},
    {"extents", "three", false, build_extents, decode_extents},
    {"parity_object", "small", false, build_parity_object, decode_parity_object},
    {"parity_decision", "on", true, build_parity_decision, decode_parity_decision},
};
const size_t sample_count = sizeof(samples) / sizeof(samples[0]);
