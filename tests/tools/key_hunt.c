/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * key_hunt REPOSITORY ADMIN-KEY-FILE WRITER-KEY-FILE OLD-PACKS STEP MATERIAL...: what can a thief do
 * with a writer's key file, its local state and the memory of its running backup (MATERIAL)?
 *
 * 1  As one who knows: the secrets that would open something (master key, administrator's seed,
 *    reader secrets of all epochs, secret and key of every pack, secret of every snapshot's body,
 *    secrets of the other key slots' bundles) are searched for at every byte of the material.
 * 2  As the thief: every 32 bytes of the material at a multiple of STEP, and every key of the
 *    writer's bundle, are tried as pack key, as pack secret, as reader secret and as the secret of a
 *    key slot, on every pack, epoch and slot, by the commitments that decide whether a block, a
 *    body or a bundle can be opened.
 * 3  With the writer's key the library is asked to read every chunk of every pack.
 *
 * OLD-PACKS names the packs, one a line, that were there before the backup began.  Exit code 0: none
 * of them opens, no slot and no snapshot either.  What the running backup has written itself is
 * counted and told.  Exit code 1 and a line for each secret that was found otherwise; 2: no verdict.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/file.h"
#include "crypto/asymmetric.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "format/slot.h"
#include "format/snapshot.h"
#include "repo/pack_reader.h"
#include "repo/repo.h"

#include <fcntl.h>

#define SECRETS_MAX 65536u
#define PACKS_MAX 16384u
#define TEXT_MAX 65536u
#define SLOW_SHARE                                                                                 \
    64u /* of the candidates are tried as X25519 secrets, which takes long; the search
                          of 1 covers those at all places */
#define DISTINCT_MIN 16 /* of 32 random bytes fewer than that are different once in 10^9 */

struct known_secret {
    const char *what;
    char about[96];
    uint8_t bytes[32];
    bool forgivable; /* of a pack the running backup made itself */
    bool expected;   /* the writer's own: must be found in its memory */
};
struct hunted_pack {
    struct pack_name name;
    uint8_t header[PACK_HEADER_LEN];
    struct pack_header decoded;
    uint8_t writer[32]; /* writer key of its epoch */
    uint64_t size;
    bool old;
};
struct material {
    const char *name;
    struct vv_buf bytes;
};
static struct known_secret secrets[SECRETS_MAX];
static size_t secret_count;
static struct hunted_pack packs[PACKS_MAX];
static size_t pack_count;
static uint8_t epoch_publics[LIMIT_EPOCHS][32];
static uint32_t epoch_count;
static struct key_slot slots[512];
static struct vv_buf slot_objects[512];
static size_t slot_count;
static unsigned found_forbidden;
static unsigned found_own;
static unsigned found_expected;
static struct vv_error err;

static void
must(enum vv_rc rc, const char *what)
{
    if (rc != VV_OK) {
        fprintf(stderr, "key_hunt: %s: %s\n", what, err.message);
        exit(2);
    }
}

static struct known_secret *
add_secret(const char *what, const char *about, const uint8_t bytes[32])
{
    struct known_secret *s = &secrets[secret_count++];

    if (secret_count == SECRETS_MAX) {
        fprintf(stderr, "key_hunt: too many secrets\n");
        exit(2);
    }
    s->what = what;
    (void)snprintf(s->about, sizeof(s->about), "%s", about);
    memcpy(s->bytes, bytes, 32);
    return s;
}

static struct vv_buf
read_file(const char *path)
{
    struct vv_buf bytes = {0};

    must(vv_file_read(AT_FDCWD, path, (size_t)8 << 30, &bytes, &err), path);
    return bytes;
}

static struct repo *
open_with(struct storage *st, const char *key_file)
{
    const struct repo_options options = {0};
    struct vv_buf text = read_file(key_file);
    struct key_file f;
    struct slot_secret secret = {KEY_SLOT_KEY_FILE, {0}};
    struct repo *r = NULL;

    must(key_file_decode(vv_buf_span(&text), &f, &err), key_file);
    secret.secret = vv_span(f.secret, 32);
    must(repo_open(st, &secret, &options, &r, &err), key_file);
    vv_buf_release(&text);
    return r;
}

/* --- 1: what must not be there ---------------------------------------------------------------- */

static void
collect_packs(struct repo *admin, const struct vv_buf *old)
{
    struct name_list *shards = NULL;

    must(repo_list_shards(admin, "packs", &shards, &err), "packs");
    for (unsigned i = 0; i < STORAGE_SHARDS; i++) {
        for (size_t j = 0; j < shards[i].count; j++) {
            struct hunted_pack *p = &packs[pack_count++];
            char object[PACK_OBJECT_TEXT];
            const char *text = shards[i].names[j];
            uint8_t secret[32];
            uint8_t key[32];
            size_t got = 0;
            if (pack_count == PACKS_MAX || !pack_name_parse(text, strlen(text), &p->name)) {
                fprintf(stderr, "key_hunt: '%s'\n", text);
                exit(2);
            }
            p->old = memmem(old->data, old->len, text, strlen(text)) != NULL;
            p->size = shards[i].sizes[j];
            pack_object_text(&p->name, object);
            must(storage_read(repo_storage(admin), object, 0, p->header, PACK_HEADER_LEN, &got,
                              &err),
                 object);
            must(pack_header_decode(p->header, repo_id(admin), &p->decoded, &err), object);
            must(keyring_unseal(repo_keyring(admin), p->decoded.epoch,
                                vv_span(p->decoded.sealed, PACK_SEALED_LEN), secret, &err),
                 object);
            keyring_pack_key(repo_keyring(admin), p->decoded.epoch, secret, key);
            add_secret("secret of pack", text, secret)->forgivable = !p->old;
            add_secret("key of pack", text, key)->forgivable = !p->old;
        }
    }
    name_lists_release(shards);
}

static void
collect_snapshots(struct repo *admin)
{
    struct name_list names;

    must(repo_list(admin, "snapshots", &names, &err), "snapshots");
    for (size_t i = 0; i < names.count; i++) {
        char object[256];
        struct vv_buf bytes = {0};
        struct slot slot;
        struct vv_reader in;
        struct vv_span span;
        (void)snprintf(object, sizeof(object), "snapshots/%s", names.names[i]);
        must(storage_read_all(repo_storage(admin), object, LIMIT_SLOT, &bytes, &err), object);
        must(slot_decode(vv_buf_span(&bytes), repo_id(admin), &slot, &err), object);
        in = vv_reader(slot.records.data, slot.records.len);
        while (slot.status == SLOT_RECORDS && slot_next_record(&in, &span)) {
            struct snapshot_record record;
            uint8_t secret[32];
            must(snapshot_record_decode(span, repo_id(admin), &record, &err), object);
            must(keyring_unseal(repo_keyring(admin), record.head.epoch,
                                vv_span(record.sealed_body.data, PACK_SEALED_LEN), secret, &err),
                 object);
            add_secret("secret of snapshot", names.names[i], secret);
        }
        vv_buf_release(&bytes);
    }
    name_list_release(&names);
}

static void
collect_keys(struct repo *admin, struct repo *writer)
{
    const struct keyring *k = repo_keyring(admin);
    const struct key_bundle *own = keyring_client(repo_keyring(writer));
    struct admin_records records = {0};

    add_secret("master key", "", keyring_bundle(k)->master);
    add_secret("administrator's seed", "", keyring_bundle(k)->admin_seed);
    must(admin_records_read(admin, &records, &err), "admin");
    epoch_count = records.newest_epoch + 1;
    admin_records_release(&records);
    for (uint32_t e = 0; e < epoch_count; e++) {
        struct epoch_keys keys;
        char about[16];
        (void)snprintf(about, sizeof(about), "%u", e);
        keyring_epoch_keys(k, e, &keys);
        add_secret("reader secret of epoch", about, keys.reader);
        memcpy(epoch_publics[e], keys.public_key, 32);
    }
    for (size_t i = 0; i < pack_count; i++) {
        struct epoch_keys keys;
        keyring_epoch_keys(k, packs[i].decoded.epoch, &keys);
        memcpy(packs[i].writer, keys.writer, 32);
    }
    if (own == NULL) {
        fprintf(stderr, "key_hunt: that is no writer's key\n");
        exit(2);
    }
    add_secret("writer's seed", "", own->client_seed)->expected = true;
    add_secret("index key", "", own->index_key)->expected = true;
    add_secret("writer key", "", own->epochs[own->epoch_count - 1].writer)->expected = true;
}

static void
note_found(const char *what, const char *about, const struct material *m, size_t offset,
           bool forgivable)
{
    if (forgivable) {
        found_own++;
        return;
    }
    found_forbidden++;
    printf("FOUND: %s %s, in %s at %zu\n", what, about, m != NULL ? m->name : "the key", offset);
}

static void
search(const struct material *m)
{
    for (size_t i = 0; i < secret_count; i++) {
        const struct known_secret *s = &secrets[i];
        const uint8_t *at = memmem(m->bytes.data, m->bytes.len, s->bytes, 32);
        char hex[65];
        vv_hex(hex, s->bytes, 32);
        if (at == NULL) {
            at = memmem(m->bytes.data, m->bytes.len, hex, 64);
        }
        if (at != NULL && s->expected) {
            found_expected++;
        } else if (at != NULL) {
            note_found(s->what, s->about, m, (size_t)(at - m->bytes.data), s->forgivable);
        }
    }
}

/* --- 2: whatever opens anything ---------------------------------------------------------------- */

static bool
opens_pack(const struct hunted_pack *p, const uint8_t key[32])
{
    struct vv_span parts[2] = {vv_span("varve commitment", 16),
                               vv_span(p->header, PACK_COMMITTED_LEN)};
    uint8_t commitment[32];

    blake2b_256(key, 32, parts, 2, commitment);
    return memcmp(commitment, p->decoded.commitment, 32) == 0;
}

/** The envelope inside a key slot, by its commitment. */
static bool
opens_slot(const struct key_slot *s, const uint8_t secret[32])
{
    struct vv_span parts[5] = {vv_span("varve envelope", 14), vv_span("", 1),
                               vv_span("key slot", 8), vv_span("", 1),
                               vv_span(s->envelope.data + 1, 32)};
    struct vv_span label = vv_span("varve commitment", 16);
    uint8_t key[32];
    uint8_t commitment[32];

    if (s->type == KEY_SLOT_PASSPHRASE) {
        return false;
    }
    blake2b_256(secret, 32, parts, 5, key);
    blake2b_256(key, 32, &label, 1, commitment);
    return memcmp(commitment, s->envelope.data + 33, 32) == 0;
}

static void
try_candidate(const uint8_t c[32], const struct material *m, size_t offset, bool slow,
              const struct config *config)
{
    uint8_t derived[32];

    for (size_t i = 0; i < pack_count; i++) {
        const struct hunted_pack *p = &packs[i];
        struct vv_span parts[3] = {vv_span("varve pack", 10), vv_span(c, 32),
                                   vv_span(config->repository.b, 16)};
        char name[PACK_OBJECT_TEXT];
        blake2b_256(p->writer, 32, parts, 3, derived);
        if (opens_pack(p, c) || opens_pack(p, derived)) {
            pack_object_text(&p->name, name);
            note_found("something that opens pack", name, m, offset, !p->old);
        }
    }
    for (size_t i = 0; i < slot_count; i++) {
        if (opens_slot(&slots[i], c)) {
            note_found("something that opens key slot", slots[i].label, m, offset, false);
        }
    }
    if (slow) {
        x25519_public(c, derived);
        for (uint32_t e = 0; e < epoch_count; e++) {
            if (memcmp(derived, epoch_publics[e], 32) == 0) {
                note_found("a reader secret", "", m, offset, false);
            }
        }
    }
}

/** Are these bytes as different from each other as a key's? */
static bool
looks_random(const uint8_t c[32])
{
    uint64_t seen[4] = {0};
    int distinct = 0;

    for (unsigned i = 0; i < 32; i++) {
        uint64_t bit = (uint64_t)1 << (c[i] & 63);
        distinct += (seen[c[i] >> 6] & bit) == 0;
        seen[c[i] >> 6] |= bit;
    }
    return distinct >= DISTINCT_MIN;
}

static size_t
try_material(const struct material *m, size_t step, const struct config *config)
{
    size_t tried = 0;
    size_t turn = 0;

    /* As text, anywhere in what may be a key file; in memory only by 1. */
    for (size_t at = 0; m->bytes.len < TEXT_MAX && at + 64 <= m->bytes.len; at++) {
        uint8_t c[32];
        if (vv_unhex(c, 32, (const char *)m->bytes.data + at, 64)) {
            try_candidate(c, m, at, true, config);
            tried++;
        }
    }
    for (size_t at = 0; at + 32 <= m->bytes.len; at += step) {
        const uint8_t *c = m->bytes.data + at;
        if (looks_random(c)) {
            try_candidate(c, m, at, turn++ % SLOW_SHARE == 0, config);
            tried++;
        }
    }
    return tried;
}

/** All 32 bytes the bundle has, and what a subkey of each would be under every label there is. */
static void
try_bundle(const struct key_bundle *b, const struct config *config)
{
    static const char *const labels[] = {
        "varve id data", "varve id node", "varve id list", "varve id record", "varve chunker",
        "varve index",   "varve writer",  "varve reader",  "varve local",     "varve pack"};
    const uint8_t *bytes = (const uint8_t *)b;

    for (size_t at = 0; at + 32 <= sizeof(*b); at++) {
        if (!looks_random(bytes + at)) {
            continue;
        }
        try_candidate(bytes + at, NULL, at, true, config);
        for (size_t i = 0; i < VV_COUNT(labels); i++) {
            for (uint32_t e = 0; e < epoch_count; e++) {
                uint8_t number[4];
                uint8_t derived[32];
                struct vv_span parts[3] = {vv_span(labels[i], strlen(labels[i])),
                                           vv_span(config->repository.b, 16), vv_span(number, 4)};
                vv_store_u32(number, e);
                blake2b_256(bytes + at, 32, parts, 3, derived);
                try_candidate(derived, NULL, at, true, config);
                blake2b_256(bytes + at, 32, parts, 2, derived);
                try_candidate(derived, NULL, at, true, config);
            }
        }
    }
}

/** The other key slots: the writer's own is meant to be opened. */
static void
collect_slots(struct repo *admin, const char *own)
{
    struct name_list names;

    must(repo_list(admin, "keys", &names, &err), "keys");
    for (size_t i = 0; i < names.count && slot_count < VV_COUNT(slots); i++) {
        char object[64];
        if (strncmp(names.names[i], own, 16) == 0) {
            continue;
        }
        (void)snprintf(object, sizeof(object), "keys/%.40s", names.names[i]);
        must(storage_read_all(repo_storage(admin), object, LIMIT_KEY_SLOT,
                              &slot_objects[slot_count], &err),
             object);
        must(key_slot_decode(vv_buf_span(&slot_objects[slot_count]), &slots[slot_count], &err),
             object);
        slot_count++;
    }
    name_list_release(&names);
}

/* --- 3: by the library -------------------------------------------------------------------------- */

static size_t
read_by_library(struct repo *admin, struct repo *writer, size_t *ret_blocks)
{
    struct chunk_index *x = NULL;
    struct chunk_reader *c = NULL;
    struct pack_keys *keys = NULL;
    struct pack_reader *reader = NULL;
    struct vv_buf out = {0};
    size_t opened = 0;

    must(chunk_index_open(writer, &x, &err), "index");
    must(chunk_reader_new(writer, x, 1u << 20, &c, &err), "index");
    must(pack_keys_new(admin, &keys, &err), "packs");
    must(pack_reader_new(keys, &reader, &err), "packs");
    for (size_t i = 0; i < pack_count; i++) {
        struct pack_directory d = {0};
        struct pack_header header;
        if (!packs[i].old) {
            continue;
        }
        must(pack_read_directory(reader, &packs[i].name, packs[i].size, &d, &header, &err),
             "a pack's directory");
        *ret_blocks += d.block_count;
        for (uint32_t j = 0; j < d.chunk_count; j++) {
            vv_buf_reset(&out);
            opened += chunk_read(c, (enum chunk_type)d.chunks[j].type, &d.chunks[j].id, &out,
                                 NULL) == VV_OK;
        }
        pack_directory_release(&d);
    }
    vv_buf_release(&out);
    pack_reader_free(reader);
    pack_keys_free(keys);
    chunk_reader_free(c);
    chunk_index_free(x);
    return opened;
}

int
main(int argc, char **argv)
{
    const struct storage_options options = {0};
    struct storage *st = NULL;
    struct repo *admin;
    struct repo *writer;
    struct vv_buf old;
    const struct config *config;
    size_t step;
    size_t tried = 0;
    size_t blocks = 0;
    size_t opened;

    if (argc < 7 || (step = strtoul(argv[5], NULL, 10)) == 0) {
        fprintf(stderr,
                "usage: key_hunt REPOSITORY ADMIN-KEY WRITER-KEY OLD-PACKS STEP MATERIAL...\n");
        return 2;
    }
    must(storage_open(argv[1], &options, &st, &err), argv[1]);
    admin = open_with(st, argv[2]);
    writer = open_with(st, argv[3]);
    config = keyring_config(repo_keyring(admin));
    old = read_file(argv[4]);
    collect_packs(admin, &old);
    collect_snapshots(admin);
    collect_keys(admin, writer);
    collect_slots(admin, repo_slot(writer)->id);
    for (int i = 6; i < argc; i++) {
        struct material m = {argv[i], read_file(argv[i])};
        search(&m);
        tried += try_material(&m, step, config);
        vv_buf_release(&m.bytes);
    }
    try_bundle(keyring_client(repo_keyring(writer)), config);
    opened = read_by_library(admin, writer, &blocks);
    if (opened > 0) {
        found_forbidden++;
        printf("FOUND: the library reads %zu chunks with the writer's key\n", opened);
    }
    printf("%zu secrets searched, %zu candidates tried on %zu packs, %zu slots and %u epochs; "
           "%zu older blocks: %s; secrets of the run itself: %u; its own keys: %u\n",
           secret_count, tried, pack_count, slot_count, epoch_count, blocks,
           found_forbidden == 0 ? "none opens" : "SOME OPEN", found_own, found_expected);
    for (size_t i = 0; i < slot_count; i++) {
        vv_buf_release(&slot_objects[i]);
    }
    vv_buf_release(&old);
    repo_free(writer);
    repo_free(admin);
    storage_free(st);
    return found_forbidden > 0 ? 1 : 0;
}
