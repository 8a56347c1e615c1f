/* SPDX-License-Identifier: BSD-2-Clause */
/* Parity objects of packs, and healing with them. */

#include "repo/pack_parity.h"

#include <stdio.h>
#include <string.h>

#include "core/random.h"
#include "repo/pack_names.h"

#define PIECE (64u << 10) /* what is read at once where reading all fails */
#define RANGES_TOLD 8u

void
parity_object_text(const struct pack_name *name, char out[PARITY_OBJECT_TEXT])
{
    char pack[PACK_OBJECT_TEXT];

    pack_object_text(name, pack);
    (void)snprintf(out, PARITY_OBJECT_TEXT, "parity/%s", pack + strlen("packs/"));
}

/* --- storing one ------------------------------------------------------------------------------ */

enum vv_rc
pack_parity_publish(struct repo *r, const struct vv_id *hash, struct vv_span image,
                    uint64_t *ret_size, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf object = {0};
    struct pack_name name = {.hash = *hash};
    char text[PARITY_OBJECT_TEXT];

    VV_TRY(parity_object_encode(image, hash, repo_id(r), &object, err));
    vv_random(name.suffix.b, sizeof(name.suffix.b));
    parity_object_text(&name, text);
    VV_TRY(storage_publish(repo_storage(r), text, vv_buf_span(&object), err));
    *ret_size = object.len;
    return VV_OK;
}

/* --- healing ---------------------------------------------------------------------------------- */

/** Read what can be read of the first ${size} bytes; what cannot stays zero. */
static enum vv_rc
read_pieces(struct repo *r, const char *object, uint64_t size, uint8_t *out, struct vv_error *err)
{
    for (uint64_t at = 0; at < size; at += PIECE) {
        size_t len = size - at < PIECE ? (size_t)(size - at) : PIECE;
        size_t got = 0;
        enum vv_rc rc = storage_read(repo_storage(r), object, at, out + at, len, &got, err);
        if (rc == VV_EIO) {
            vv_error_clear(err);
            memset(out + at, 0, len);
            rc = VV_OK;
        }
        VV_TRY(rc);
        VV_TRY(vv_cancel_check(repo_cancel(r), err));
    }
    return VV_OK;
}

/** The pack as it is: at most ${size} bytes. */
static enum vv_rc
read_pack(struct repo *r, const char *object, uint64_t size, struct vv_buf *image,
          uint64_t *ret_present, struct vv_error *err)
{
    uint64_t found = 0;
    size_t got = 0;
    enum vv_rc rc;

    vv_buf_reset(image);
    VV_TRY(vv_buf_reserve(image, (size_t)size, err));
    VV_TRY(storage_size(repo_storage(r), object, &found, err));
    found = found < size ? found : size;
    rc = storage_read(repo_storage(r), object, 0, image->data, (size_t)found, &got, err);
    if (rc == VV_EIO) {
        vv_error_clear(err);
        VV_TRY(read_pieces(r, object, found, image->data, err));
        got = (size_t)found;
        rc = VV_OK;
    }
    VV_TRY(rc);
    image->len = (size_t)size;
    *ret_present = got;
    return VV_OK;
}

/** Work with one parity object; ${image} is loaded if it is not yet.  VV_ECORRUPT: of no use. */
static enum vv_rc
heal_with(struct repo *r, const struct pack_name *pack, const struct pack_name *parity,
          struct vv_buf *image, uint64_t *present, struct parity_outcome *ret, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf object = {0};
    struct parity_outcome outcome = {0};
    struct parity_object o;
    char name[PARITY_OBJECT_TEXT];

    parity_object_text(parity, name);
    VV_TRY(storage_read_all(repo_storage(r), name, LIMIT_PARITY, &object, err));
    VV_TRY(parity_object_decode(vv_buf_span(&object), repo_id(r), &o, err));
    if (!vv_id_equal(&o.pack, &pack->hash)) {
        return vv_error_set(err, VV_ECORRUPT, "'%s' is the parity of another pack", name);
    }
    if (image->len == 0) {
        pack_object_text(pack, name);
        VV_TRY(read_pack(r, name, o.pack_size, image, present, err));
    } else if (image->len != o.pack_size) {
        return vv_error_set(err, VV_ECORRUPT, "'%s' has another size in mind", name);
    }
    VV_TRY(parity_object_heal(&o, image->data, *present, &outcome, err));
    *present = o.pack_size; /* what could not be read is zero, and will not fit either */
    parity_outcome_release(ret);
    *ret = outcome;
    return VV_OK;
}

enum vv_rc
pack_parity_heal(struct repo *r, const struct pack_name *name, struct vv_buf *image,
                 struct parity_outcome *ret, struct vv_error *err)
{
    struct parity_outcome outcome = {0};
    struct pack_names l = {0};
    uint64_t present = 0;
    bool used = false;
    enum vv_rc rc = pack_names_list_hash(r, "parity", &name->hash, &l, err);

    VV_TRY(rc);
    vv_buf_reset(image);
    for (size_t i = 0; i < l.count && rc == VV_OK && !outcome.whole; i++) {
        struct vv_error why = {0};
        rc = heal_with(r, name, &l.names[i], image, &present, &outcome, &why);
        used = used || rc == VV_OK;
        if (rc == VV_ECORRUPT || rc == VV_EIO || rc == VV_ELIMIT || rc == VV_ENOTFOUND) {
            rc = VV_OK; /* another one may do */
        } else if (rc != VV_OK && err != NULL) {
            *err = why;
        }
    }
    pack_names_release(&l);
    if (rc == VV_OK && !used) {
        rc = vv_error_set(err, VV_ENOTFOUND, "there is no parity that can be used");
    }
    if (rc != VV_OK) {
        parity_outcome_release(&outcome);
        return rc;
    }
    *ret = outcome;
    return VV_OK;
}

void
pack_parity_describe(const struct vv_buf *ranges, struct vv_buf *out)
{
    const struct parity_range *r = (const struct parity_range *)(const void *)ranges->data;
    size_t count = ranges->len / sizeof(*r);

    for (size_t i = 0; i < count && i < RANGES_TOLD; i++) {
        vv_buf_printf(out, "%s%llu bytes from %llu on", i > 0 ? ", " : "",
                      (unsigned long long)r[i].len, (unsigned long long)r[i].offset);
    }
    if (count > RANGES_TOLD) {
        vv_buf_printf(out, " and %zu more ranges", count - RANGES_TOLD);
    }
}
