/* SPDX-License-Identifier: BSD-2-Clause */
/* A storage that wraps another and fails when a test's hook says so. */
#include <stdatomic.h>

#include "core/alloc.h"
#include "storage/storage.h"

struct fault {
    struct storage base;
    struct storage *inner;
    storage_fault_fn *hook;
    void *ctx;
    atomic_bool stopped;
    _Atomic uint64_t flips;
};

/* What to do with this operation. */
static enum fault_verdict
judge(struct fault *f, enum storage_op op, const char *name)
{
    if (atomic_load(&f->stopped)) {
        return FAULT_STOP;
    }
    enum fault_verdict verdict = f->hook == NULL ? FAULT_PASS : f->hook(f->ctx, op, name);
    if (verdict == FAULT_STOP) {
        atomic_store(&f->stopped, true);
    }
    return verdict;
}

/* The failure that stands in for doing anything; VV_OK if the operation is to be done. */
static enum vv_rc
before(enum fault_verdict verdict, const char *name, struct vv_error *err)
{
    switch (verdict) {
    case FAULT_FAIL:
        return vv_error_set(err, VV_EIO, "'%s': injected failure", name);
    case FAULT_TRANSIENT:
        return vv_error_set(err, VV_ETRANSIENT, "'%s': injected failure in passing", name);
    case FAULT_NOSPACE:
        return vv_error_set(err, VV_ENOSPACE, "'%s': injected lack of space", name);
    case FAULT_REFUSED:
        return vv_error_set(err, VV_EREFUSED, "'%s': injected refusal", name);
    case FAULT_STOP:
        return vv_error_set(err, VV_EIO, "'%s': the storage has stopped", name);
    case FAULT_PASS:
    case FAULT_LOST_REPLY:
    case FAULT_FLIP:
        break;
    }
    return VV_OK;
}

/* The result of an operation that was done with result ${rc}. */
static enum vv_rc
after(enum fault_verdict verdict, const char *name, enum vv_rc rc, struct vv_error *err)
{
    return verdict == FAULT_LOST_REPLY
               ? vv_error_set(err, VV_ETRANSIENT, "'%s': injected loss of the reply", name)
               : rc;
}

static enum vv_rc
fault_publish(struct storage *s, const char *name, struct vv_span data, struct vv_error *err)
{
    struct fault *f = (struct fault *)s;
    enum fault_verdict verdict = judge(f, STORAGE_PUBLISH, name);
    VV_TRY(before(verdict, name, err));
    return after(verdict, name, storage_publish(f->inner, name, data, err), err);
}

static enum vv_rc
fault_read(struct storage *s, const char *name, uint64_t offset, uint8_t *buf, size_t len,
           size_t *ret_len, struct vv_error *err)
{
    struct fault *f = (struct fault *)s;
    enum fault_verdict verdict = judge(f, STORAGE_READ, name);
    VV_TRY(before(verdict, name, err));
    size_t got = 0;
    VV_TRY(after(verdict, name, storage_read(f->inner, name, offset, buf, len, &got, err), err));
    if (verdict == FAULT_FLIP && got > 0) {
        /* another bit each time, the same ones in each run */
        uint64_t bit = atomic_fetch_add(&f->flips, 1) * UINT64_C(0x9e3779b97f4a7c15) >> 16;
        buf[bit / 8 % got] ^= (uint8_t)(1u << bit % 8);
    }
    *ret_len = got;
    return VV_OK;
}

static enum vv_rc
fault_size(struct storage *s, const char *name, uint64_t *ret, struct vv_error *err)
{
    struct fault *f = (struct fault *)s;
    enum fault_verdict verdict = judge(f, STORAGE_SIZE, name);
    VV_TRY(before(verdict, name, err));
    uint64_t size = 0;
    VV_TRY(after(verdict, name, storage_size(f->inner, name, &size, err), err));
    *ret = size;
    return VV_OK;
}

static enum vv_rc
fault_list(struct storage *s, const char *directory, storage_list_fn *fn, void *ctx,
           struct vv_error *err)
{
    struct fault *f = (struct fault *)s;
    enum fault_verdict verdict = judge(f, STORAGE_LIST, directory);
    VV_TRY(before(verdict, directory, err));
    /* with the reply lost, the names came and their end did not */
    return after(verdict, directory, storage_list(f->inner, directory, fn, ctx, err), err);
}

static enum vv_rc
fault_remove(struct storage *s, const char *name, struct vv_error *err)
{
    struct fault *f = (struct fault *)s;
    enum fault_verdict verdict = judge(f, STORAGE_REMOVE, name);
    VV_TRY(before(verdict, name, err));
    return after(verdict, name, storage_remove(f->inner, name, err), err);
}

/* Operations the hook is not asked about fail only once stopped. */
static enum vv_rc
check_stopped(struct fault *f, struct vv_error *err)
{
    return atomic_load(&f->stopped) ? before(FAULT_STOP, f->base.url, err) : VV_OK;
}

static enum vv_rc
fault_make_layout(struct storage *s, struct vv_error *err)
{
    struct fault *f = (struct fault *)s;
    VV_TRY(check_stopped(f, err));
    return storage_make_layout(f->inner, err);
}

static enum vv_rc
fault_complete_layout(struct storage *s, struct vv_error *err)
{
    struct fault *f = (struct fault *)s;
    VV_TRY(check_stopped(f, err));
    return storage_complete_layout(f->inner, err);
}

static enum vv_rc
fault_space(struct storage *s, uint64_t *ret_free, uint64_t *ret_total, struct vv_error *err)
{
    struct fault *f = (struct fault *)s;
    VV_TRY(check_stopped(f, err));
    return storage_space(f->inner, ret_free, ret_total, err);
}

static uint32_t
fault_abilities(struct storage *s)
{
    return storage_abilities(((struct fault *)s)->inner);
}

static bool
fault_local_identity(struct storage *s, uint64_t *ret_device, uint64_t *ret_inode)
{
    return storage_local_identity(((struct fault *)s)->inner, ret_device, ret_inode);
}

static void
fault_uncache(struct storage *s, const char *name)
{
    storage_uncache(((struct fault *)s)->inner, name);
}

static void
fault_set_session(struct storage *s, const char *session_text)
{
    storage_set_session(((struct fault *)s)->inner, session_text);
}

static void
fault_free(struct storage *s)
{
    vv_free(s);
}

static const struct storage_ops fault_ops = {
    .scheme = "fault",
    .publish = fault_publish,
    .read = fault_read,
    .size = fault_size,
    .list = fault_list,
    .remove = fault_remove,
    .make_layout = fault_make_layout,
    .complete_layout = fault_complete_layout,
    .abilities = fault_abilities,
    .free = fault_free,
    .space = fault_space,
    .local_identity = fault_local_identity,
    .uncache = fault_uncache,
    .set_session = fault_set_session,
};

enum vv_rc
storage_fault_new(struct storage *inner, storage_fault_fn *hook, void *ctx, struct storage **ret,
                  struct vv_error *err)
{
    struct fault *f = vv_alloc_array(1, sizeof(*f));
    if (f == NULL) {
        return vv_error_origin(err, VV_ORIGIN_REPOSITORY, vv_error_nomem(err));
    }
    f->base = (struct storage){.ops = &fault_ops, .url = inner->url};
    f->inner = inner;
    f->hook = hook;
    f->ctx = ctx;
    *ret = &f->base;
    return VV_OK;
}
