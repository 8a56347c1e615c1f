/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guarded memory for keys, wiping and constant-time comparison.  sodium_malloc puts each secret
 * between inaccessible pages, excludes it from core dumps and locks it; when RLIMIT_MEMLOCK (8 MiB
 * on many systems) is used up the lock alone is missing, which is what secret.h promises.
 */
#include "crypto/secret.h"

#include <sodium.h>
#include <string.h>

#include "core/alloc.h"

struct secret {
    size_t len;
    uint8_t *data; /* from sodium_malloc */
};

enum vv_rc
secret_new(size_t len, struct secret **ret, struct vv_error *err)
{
    /* Sets the page size and the canary sodium_malloc needs; nothing after the first call. */
    if (sodium_init() < 0) {
        return vv_error_set(err, VV_EIO, "libsodium cannot be initialised");
    }
    struct secret *s = vv_alloc(sizeof(*s));
    if (s == NULL) {
        return vv_error_nomem(err);
    }
    s->len = len;
    s->data = sodium_malloc(len == 0 ? 1 : len);
    if (s->data == NULL) {
        vv_free(s);
        return vv_error_nomem(err);
    }
    memset(s->data, 0, len);
    *ret = s;
    return VV_OK;
}

void
secret_free(struct secret *s)
{
    if (s == NULL) {
        return;
    }
    sodium_free(s->data); /* checks the canary, wipes, unlocks, unmaps */
    vv_free(s);
}

uint8_t *
secret_data(struct secret *s)
{
    return s->data;
}

size_t
secret_len(const struct secret *s)
{
    return s->len;
}

void
crypto_wipe(void *p, size_t len)
{
    if (len > 0) {
        sodium_memzero(p, len);
    }
}

int
crypto_equal(const void *a, const void *b, size_t len)
{
    return len == 0 || sodium_memcmp(a, b, len) == 0;
}
