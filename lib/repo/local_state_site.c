/* SPDX-License-Identifier: BSD-2-Clause */
/* This host's memory of a site: what has been seen there and must not disappear. */
#include <string.h>

#include "core/alloc.h"
#include "repo/keyring.h"
#include "repo/local_state_internal.h"

/*
 * File "site-<site>" (of a reader's or writer's key "site-<site>-<client>"), sealed:
 *   u8 2 | u32 heads, per head: 16 B client, u64 sequence, 32 B hash
 *   | u32 accepted, 32 B hashes | u64 graves | u64 revocations | u32 epoch
 * Version 1, which older programs wrote, ends after the heads.
 */
#define SITE_PURPOSE "local site"
#define SITE_VERSION 2u
#define HEAD_LEN 56u
#define TAIL_LEN 20u
#define SITE_NAME (5 + 32 + 1 + VV_UUID_TEXT)

void
site_memory_release(struct site_memory *m)
{
    vv_free(m->heads);
    vv_free(m->accepted);
    memset(m, 0, sizeof(*m));
}

static void
site_name(const struct local_state *s, const struct vv_uuid *site, char out[SITE_NAME])
{
    memcpy(out, "site-", 5);
    vv_uuid_text(site, out + 5);
    if (s->own != NULL) {
        out[5 + 32] = '-';
        vv_uuid_text(&s->own->client, out + 5 + 32 + 1);
    }
}

/** A count, if that many items of a length are there. */
static bool
get_count(struct vv_reader *in, size_t item_len, size_t *ret)
{
    uint32_t count = vv_get_u32(in);

    *ret = count;
    return !in->failed && vv_reader_left(in) >= (uint64_t)count * item_len;
}

/** Decode; false if the form is wrong, or memory ran out (then *ret_memory). */
static bool
decode(struct vv_span plain, struct site_memory *m, bool *ret_memory)
{
    struct vv_reader in = vv_reader(plain.data, plain.len);
    uint8_t version = vv_get_u8(&in);

    if (version < 1 || version > SITE_VERSION || !get_count(&in, HEAD_LEN, &m->head_count)) {
        return false;
    }
    m->heads = vv_alloc_array(m->head_count + 1, sizeof(*m->heads));
    if (m->heads == NULL) {
        *ret_memory = true;
        return false;
    }
    for (size_t i = 0; i < m->head_count; i++) {
        vv_get_copy(&in, m->heads[i].client.b, 16);
        m->heads[i].sequence = vv_get_u64(&in);
        vv_get_copy(&in, m->heads[i].hash.b, 32);
    }
    if (version == 1) {
        return vv_reader_done(&in);
    }
    if (!get_count(&in, sizeof(*m->accepted), &m->accepted_count)) {
        return false;
    }
    m->accepted = vv_alloc_array(m->accepted_count + 1, sizeof(*m->accepted));
    if (m->accepted == NULL) {
        *ret_memory = true;
        return false;
    }
    for (size_t i = 0; i < m->accepted_count; i++) {
        vv_get_copy(&in, m->accepted[i].b, 32);
    }
    m->graves = vv_get_u64(&in);
    m->revocations = vv_get_u64(&in);
    m->epoch = vv_get_u32(&in);
    return vv_reader_done(&in);
}

enum vv_rc
local_state_site(struct local_state *s, const struct vv_uuid *site, const struct site_memory **ret,
                 struct vv_error *err)
{
    char name[SITE_NAME];
    struct vv_buf plain = {0};
    struct site_memory m = {0};
    bool no_memory = false;
    enum vv_rc rc;

    site_name(s, site, name);
    rc = local_state_read_sealed(s, name, SITE_PURPOSE, &plain, err);
    if (rc == VV_ENOTFOUND) {
        vv_error_clear(err);
        *ret = NULL;
        return VV_OK;
    }
    VV_TRY(rc);
    if (!decode(vv_buf_span(&plain), &m, &no_memory)) {
        site_memory_release(&m);
        rc = no_memory ? vv_error_nomem(err)
                       : vv_error_set(err, VV_ECORRUPT, "local state '%s/%s' has a wrong form",
                                      s->path, name);
    } else {
        site_memory_release(&s->site);
        s->site = m;
        *ret = &s->site;
    }
    vv_buf_release(&plain);
    return vv_error_origin(err, VV_ORIGIN_LOCAL, rc);
}

enum vv_rc
local_state_remember(struct local_state *s, const struct vv_uuid *site,
                     const struct site_memory *memory, struct vv_error *err)
{
    char name[SITE_NAME];
    struct vv_buf plain = {0};
    enum vv_rc rc;

    site_name(s, site, name);
    vv_buf_put_u8(&plain, SITE_VERSION);
    vv_buf_put_u32(&plain, (uint32_t)memory->head_count);
    for (size_t i = 0; i < memory->head_count; i++) {
        vv_buf_put(&plain, memory->heads[i].client.b, 16);
        vv_buf_put_u64(&plain, memory->heads[i].sequence);
        vv_buf_put(&plain, memory->heads[i].hash.b, 32);
    }
    vv_buf_put_u32(&plain, (uint32_t)memory->accepted_count);
    for (size_t i = 0; i < memory->accepted_count; i++) {
        vv_buf_put(&plain, memory->accepted[i].b, 32);
    }
    vv_buf_put_u64(&plain, memory->graves);
    vv_buf_put_u64(&plain, memory->revocations);
    vv_buf_put_u32(&plain, memory->epoch);
    rc = local_state_write_sealed(s, name, SITE_PURPOSE, &plain, false, err);
    vv_buf_release(&plain);
    return rc;
}
