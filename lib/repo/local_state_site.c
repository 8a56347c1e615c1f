/* SPDX-License-Identifier: BSD-2-Clause */
/* This host's memory of a site: what has been seen there and must not disappear. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "core/alloc.h"
#include "core/file.h"
#include "repo/keyring.h"
#include "repo/local_state_internal.h"

/*
 * File "site-<site>" (of a reader's or writer's key "site-<site>-<client>"), sealed:
 *   u8 3 | u32 heads, per head: 16 B client, u64 sequence, 32 B hash
 *   | u32 accepted, 32 B hashes | u64 graves | u64 revocations | u32 epoch | u32 gone, 32 B hashes
 * Version 1, which older programs wrote, ends after the heads; version 2, which all of them read, before
 * what is gone, and is written where nothing is.
 */
#define SITE_PURPOSE "local site"
#define SITE_VERSION 3u
#define HEAD_LEN 56u
#define SITE_NAME (5 + 32 + 1 + VV_UUID_TEXT)

void
site_memory_release(struct site_memory *m)
{
    vv_free(m->heads);
    vv_free(m->accepted);
    vv_free(m->gone);
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

/** A count, and that many hashes. */
static bool
get_hashes(struct vv_reader *in, struct vv_id **ret, size_t *ret_count, bool *ret_memory)
{
    if (!get_count(in, sizeof(**ret), ret_count)) {
        return false;
    }
    *ret = vv_alloc_array(*ret_count + 1, sizeof(**ret));
    if (*ret == NULL) {
        *ret_memory = true;
        return false;
    }
    for (size_t i = 0; i < *ret_count; i++) {
        vv_get_copy(in, (*ret)[i].b, 32);
    }
    return true;
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
    if (!get_hashes(&in, &m->accepted, &m->accepted_count, ret_memory)) {
        return false;
    }
    m->graves = vv_get_u64(&in);
    m->revocations = vv_get_u64(&in);
    m->epoch = vv_get_u32(&in);
    if (version >= 3 && !get_hashes(&in, &m->gone, &m->gone_count, ret_memory)) {
        return false;
    }
    return vv_reader_done(&in);
}

/** VV_ENOTFOUND: there is none. */
static enum vv_rc
load(struct local_state *s, const char *name, struct site_memory *ret, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf plain = {0};
    struct site_memory m = {0};
    bool no_memory = false;

    VV_TRY(local_state_read_sealed(s, name, SITE_PURPOSE, &plain, err));
    if (!decode(vv_buf_span(&plain), &m, &no_memory)) {
        site_memory_release(&m);
        return no_memory ? vv_error_nomem(err)
                         : vv_error_set(err, VV_ECORRUPT, "local state '%s/%s' has a wrong form",
                                        s->path, name);
    }
    *ret = m;
    return VV_OK;
}

enum vv_rc
local_state_site(struct local_state *s, const struct vv_uuid *site, const struct site_memory **ret,
                 struct vv_error *err)
{
    char name[SITE_NAME];
    struct site_memory m = {0};
    enum vv_rc rc;

    site_name(s, site, name);
    rc = load(s, name, &m, err);
    if (rc == VV_ENOTFOUND) {
        vv_error_clear(err);
        *ret = NULL;
        return VV_OK;
    }
    VV_TRY(vv_error_origin(err, VV_ORIGIN_LOCAL, rc));
    site_memory_release(&s->site);
    s->site = m;
    *ret = &s->site;
    return VV_OK;
}

/** Is it the name of a memory that this key has, of another site? */
static bool
is_other_site(const struct local_state *s, const char *name, const struct vv_uuid *site)
{
    char expected[SITE_NAME];
    struct vv_uuid id;

    if (strncmp(name, "site-", 5) != 0 || strlen(name) < 5 + 32 ||
        !vv_uuid_parse(name + 5, 32, &id) || vv_uuid_equal(&id, site)) {
        return false;
    }
    site_name(s, &id, expected);
    return strcmp(name, expected) == 0;
}

static enum vv_rc
see_memory(struct local_state *s, const char *name, local_state_see_fn see, void *ctx,
           struct vv_error *err)
{
    struct site_memory m = {0};
    struct vv_error why = {0};
    enum vv_rc rc = load(s, name, &m, &why);

    if (rc == VV_OK) {
        rc = see(ctx, &m, err);
        site_memory_release(&m);
        return rc;
    }
    return rc == VV_ENOMEM ? vv_error_nomem(err) : VV_OK;
}

enum vv_rc
local_state_other_sites(struct local_state *s, const struct vv_uuid *site, local_state_see_fn see,
                        void *ctx, struct vv_error *err)
{
    int fd = openat(s->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *e;
    enum vv_rc rc = VV_OK;

    if (d == NULL) {
        rc = vv_error_sys(err, errno, "cannot read '%s'", s->path);
        vv_fd_close(fd);
        return vv_error_origin(err, VV_ORIGIN_LOCAL, rc);
    }
    while (rc == VV_OK && (e = readdir(d)) != NULL) {
        if (is_other_site(s, e->d_name, site)) {
            rc = see_memory(s, e->d_name, see, ctx, err);
        }
    }
    (void)closedir(d);
    return rc;
}

enum vv_rc
local_state_remember(struct local_state *s, const struct vv_uuid *site,
                     const struct site_memory *memory, struct vv_error *err)
{
    char name[SITE_NAME];
    struct vv_buf plain = {0};
    enum vv_rc rc;

    site_name(s, site, name);
    vv_buf_put_u8(&plain, memory->gone_count > 0 ? SITE_VERSION : 2);
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
    if (memory->gone_count > 0) {
        vv_buf_put_u32(&plain, (uint32_t)memory->gone_count);
        for (size_t i = 0; i < memory->gone_count; i++) {
            vv_buf_put(&plain, memory->gone[i].b, 32);
        }
    }
    rc = local_state_write_sealed(s, name, SITE_PURPOSE, &plain, false, err);
    vv_buf_release(&plain);
    return rc;
}
