/* SPDX-License-Identifier: BSD-2-Clause */
/* Slots this host has read; see slot_cache.h. */
#include "repo/slot_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "core/alloc.h"
#include "core/file.h"
#include "crypto/secret.h"
#include "repo/record_array.h"
#include "repo/sealed_envelope.h"

/*
 * The file: envelopes, before each its u32 length.  In each, slots:
 *   u32 length of what follows | 16 B session | u32 length, the object
 *   | per record: 32 B signer | u32 length, the body's plaintext
 */
#define PURPOSE "local slots 1"
#define FILE_MOST (256u << 20)
#define ENVELOPES_MOST 64u      /* then they become one */
#define WASTE_LEAST (64u << 10) /* of slots that are no more, beside as much as of those that are */
#define ENTRY_LEAST (16u + 4u)  /* behind its length */
#define FILE_NAME (6 + VV_UUID_TEXT)

/** Where an entry lies. */
struct place {
    struct vv_uuid session; /* first: it is looked up by it */
    size_t at;              /* of what follows its length */
    size_t len;
    bool listed;
};
struct slot_cache {
    struct vv_buf entries;
    struct vv_buf places; /* struct place, sorted by session */
    struct vv_buf noted;  /* entries that the file does not have */
    size_t begun;         /* where the one that is being noted begins */
    bool noting;          /* one is */
    unsigned envelopes;
    bool worn; /* what the file has behind these cannot be read */
};

void
slot_cache_free(struct slot_cache *c)
{
    if (c != NULL) {
        vv_buf_release(&c->entries);
        vv_buf_release(&c->places);
        vv_buf_release(&c->noted);
        vv_free(c);
    }
}

static bool
cache_path(struct repo *r, struct vv_buf *out)
{
    const struct key_bundle *client = keyring_client(repo_keyring(r));
    char name[FILE_NAME] = "slots";

    if (client != NULL) {
        name[5] = '-';
        vv_uuid_text(&client->client, name + 6);
    }
    return repo_cache_path(r, name, out);
}

/** Where the entries from ${at} on lie.  False: their form is wrong, or there is no memory. */
static bool
add_places(struct slot_cache *c, size_t at)
{
    if (c->entries.failed) {
        return false;
    }
    while (at < c->entries.len) {
        struct vv_reader in = vv_reader(c->entries.data + at, c->entries.len - at);
        struct place p = {.len = vv_get_u32(&in)};
        p.at = at + 4;
        vv_get_copy(&in, p.session.b, sizeof(p.session.b));
        if (in.failed || p.len < ENTRY_LEAST || p.len > c->entries.len - p.at) {
            return false;
        }
        vv_buf_put(&c->places, &p, sizeof(p));
        at = p.at + p.len;
    }
    record_array_sort(c->places.data, c->places.len / sizeof(struct place), sizeof(struct place),
                      record_compare_ids);
    return !c->places.failed;
}

/** All envelopes that open; what is behind the first that does not is lost (Q4). */
static void
open_envelopes(struct slot_cache *c, const uint8_t key[32], struct vv_span file)
{
    struct vv_reader in = vv_reader(file.data, file.len);

    while (vv_reader_left(&in) > 0) {
        uint32_t len = vv_get_u32(&in);
        struct vv_span sealed = vv_get_bytes(&in, len, 1);
        if (in.failed ||
            envelope_open(key, PURPOSE, vv_span(NULL, 0), sealed, &c->entries, NULL) != VV_OK) {
            c->worn = true;
            return;
        }
        c->envelopes++;
    }
}

struct slot_cache *
slot_cache_load(struct repo *r)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf path = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf file = {0};
    VV_CLEANUP(slot_cache_freep) struct slot_cache *c = NULL;
    struct vv_error why = {0};
    uint8_t key[32];
    enum vv_rc rc;

    if (repo_is_keyless(r) || !cache_path(r, &path)) {
        return NULL;
    }
    c = vv_alloc_array(1, sizeof(*c));
    if (c == NULL) {
        return NULL;
    }
    rc = vv_file_read(AT_FDCWD, vv_buf_text(&path), FILE_MOST, &file, &why);
    if (rc == VV_OK) {
        keyring_local_key(repo_keyring(r), PURPOSE, key);
        open_envelopes(c, key, vv_buf_span(&file));
        crypto_wipe(key, sizeof(key));
    }
    c->worn = c->worn || (rc != VV_OK && rc != VV_ENOTFOUND);
    if (!add_places(c, 0)) {
        vv_buf_release(&c->entries);
        vv_buf_release(&c->places);
        c->worn = true;
    }
    return TAKE(c);
}

bool
slot_cache_find(struct slot_cache *c, const struct vv_uuid *session, struct kept_slot *ret)
{
    size_t count = c->places.len / sizeof(struct place);
    const struct place *found = record_array_first(c->places.data, count, sizeof(*found), session);
    struct vv_reader in;
    uint32_t len;

    if (found == NULL) {
        return false;
    }
    ((struct place *)(void *)c->places.data)[found - (const struct place *)(void *)c->places.data]
        .listed = true;
    in = vv_reader(c->entries.data + found->at + sizeof(found->session),
                   found->len - sizeof(found->session));
    len = vv_get_u32(&in);
    ret->object = vv_get_bytes(&in, len, 1);
    ret->proofs = in;
    return !in.failed;
}

bool
slot_cache_proof(struct vv_reader *proofs, struct slot_proof *ret)
{
    uint32_t len;

    vv_get_copy(proofs, ret->signer, sizeof(ret->signer));
    len = vv_get_u32(proofs);
    ret->body = vv_get_bytes(proofs, len, 1);
    return !proofs->failed;
}

void
slot_cache_begin(struct slot_cache *c, const struct vv_uuid *session, struct vv_span object)
{
    c->begun = c->noted.len;
    c->noting = true;
    vv_buf_put_u32(&c->noted, 0);
    vv_buf_put(&c->noted, session->b, sizeof(session->b));
    vv_buf_put_u32(&c->noted, (uint32_t)object.len);
    vv_buf_put(&c->noted, object.data, object.len);
}

void
slot_cache_note(struct slot_cache *c, const struct slot_proof *proof)
{
    if (c->noting) {
        vv_buf_put(&c->noted, proof->signer, sizeof(proof->signer));
        vv_buf_put_u32(&c->noted, (uint32_t)proof->body.len);
        vv_buf_put(&c->noted, proof->body.data, proof->body.len);
    }
}

void
slot_cache_end(struct slot_cache *c, bool keep)
{
    c->noting = false;
    if (c->noted.failed) {
        return; /* slot_cache_save throws them all away */
    }
    if (!keep) {
        c->noted.len = c->begun;
        return;
    }
    vv_store_u32(c->noted.data + c->begun, (uint32_t)(c->noted.len - c->begun - 4));
}

/** Of each slot that was asked for, its entry, then what was noted. */
static void
gather_listed(const struct slot_cache *c, struct vv_buf *out)
{
    const struct place *p = (const void *)c->places.data;
    size_t count = c->places.len / sizeof(*p);

    for (size_t i = 0; i < count; i++) {
        if (p[i].listed) {
            vv_buf_put_u32(out, (uint32_t)p[i].len);
            vv_buf_put(out, c->entries.data + p[i].at, p[i].len);
        }
    }
    vv_buf_put(out, c->noted.data, c->noted.len);
}

static bool
wants_rewriting(const struct slot_cache *c)
{
    const struct place *p = (const void *)c->places.data;
    size_t count = c->places.len / sizeof(*p);
    size_t listed = 0;

    for (size_t i = 0; i < count; i++) {
        listed += p[i].listed ? p[i].len : 0;
    }
    return c->worn || c->envelopes >= ENVELOPES_MOST || c->entries.len > 2 * listed + WASTE_LEAST;
}

/** An envelope, its length before it. */
static enum vv_rc
seal(struct repo *r, struct vv_span plain, struct vv_buf *out, struct vv_error *err)
{
    uint8_t key[32];
    size_t at = out->len;
    enum vv_rc rc;

    vv_buf_put_u32(out, 0);
    keyring_local_key(repo_keyring(r), PURPOSE, key);
    rc = envelope_seal(key, PURPOSE, vv_span(NULL, 0), plain, out, err);
    crypto_wipe(key, sizeof(key));
    VV_TRY(rc);
    VV_TRY(vv_buf_check(out, err));
    vv_store_u32(out->data + at, (uint32_t)(out->len - at - 4));
    return VV_OK;
}

static enum vv_rc
append(const char *path, struct vv_span bytes, struct vv_error *err)
{
    VV_CLEANUP(vv_fd_closep)
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0) {
        return vv_error_sys(err, errno, "cannot open '%s'", path);
    }
    return vv_fd_write_full(fd, bytes.data, bytes.len, path, err);
}

static enum vv_rc
write_file(struct repo *r, struct slot_cache *c, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf path = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf plain = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf sealed = {0};
    bool anew = wants_rewriting(c);

    if ((!anew && c->noted.len == 0) || !cache_path(r, &path)) {
        return VV_OK;
    }
    if (anew) {
        gather_listed(c, &plain);
        VV_TRY(vv_buf_check(&plain, err));
    }
    if (plain.len > FILE_MOST / 2) {
        return VV_OK; /* then these are read each time */
    }
    VV_TRY(seal(r, anew ? vv_buf_span(&plain) : vv_buf_span(&c->noted), &sealed, err));
    if (!anew) {
        c->envelopes++;
        return append(vv_buf_text(&path), vv_buf_span(&sealed), err);
    }
    c->envelopes = 1;
    c->worn = false;
    return vv_file_replace(AT_FDCWD, vv_buf_text(&path), vv_buf_span(&sealed), 0600, err);
}

void
slot_cache_save(struct repo *r, struct slot_cache *c)
{
    struct vv_error why = {0};
    size_t at = c->entries.len;

    if (!c->noted.failed && !repo_cache_has_failed(r) && write_file(r, c, &why) != VV_OK) {
        repo_cache_failed(r, &why);
    }
    if (!c->noted.failed) {
        vv_buf_put(&c->entries, c->noted.data, c->noted.len);
    }
    vv_buf_release(&c->noted);
    c->noted = (struct vv_buf){0};
    if (!add_places(c, at)) { /* without memory nothing is known */
        vv_buf_reset(&c->places);
    }
}
