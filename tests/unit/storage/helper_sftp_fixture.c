/* SPDX-License-Identifier: BSD-2-Clause */
/* Storages over sftp-server children; see sftp_fixture.h. */
#include "storage/sftp_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "remove_tree.h"
#include "ssh/stream_child.h"

enum { STALL_MS = 20000 };

const char *
sftp_server_path(void)
{
    static const char *const places[] = {"/usr/lib/openssh/sftp-server",
                                         "/usr/libexec/openssh/sftp-server",
                                         "/usr/lib/ssh/sftp-server", "/usr/libexec/sftp-server"};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        if (access(places[i], X_OK) == 0) {
            return places[i];
        }
    }
    return NULL;
}

/* A stream that breaks when the fixture's bytes are used up. */
struct cut_stream {
    struct byte_stream base;
    struct byte_stream *inner;
    struct sftp_fixture *f;
    bool broken;
};

static enum vv_rc
broken(struct vv_error *err)
{
    return vv_error_set(err, VV_ETRANSIENT, "the line was cut by the test");
}

/* How much of ${len} may pass; 0 and broken when the line is cut. */
static size_t
allowance(struct cut_stream *s, size_t len)
{
    int64_t left = atomic_load(&s->f->cut_after);
    if (left < 0) {
        return len;
    }
    if (left == 0) {
        atomic_store(&s->f->cut_after, -1); /* one cut only */
        s->broken = true;
        return 0;
    }
    return len < (uint64_t)left ? len : (size_t)left;
}

static void
spend(struct cut_stream *s, size_t len)
{
    int64_t left = atomic_load(&s->f->cut_after);
    while (left >= 0 &&
           !atomic_compare_exchange_weak(&s->f->cut_after, &left,
                                         left > (int64_t)len ? left - (int64_t)len : 0)) {
    }
}

static enum vv_rc
cut_receive(struct byte_stream *base, uint8_t *buf, size_t len, size_t *ret_len,
            struct vv_error *err)
{
    struct cut_stream *s = (struct cut_stream *)base;
    size_t most = s->broken ? 0 : allowance(s, len);
    if (s->broken) {
        return broken(err);
    }
    VV_TRY(s->inner->ops->receive(s->inner, buf, most, ret_len, err));
    spend(s, *ret_len);
    return VV_OK;
}

static enum vv_rc
cut_send(struct byte_stream *base, struct vv_span data, size_t *ret_len, struct vv_error *err)
{
    struct cut_stream *s = (struct cut_stream *)base;
    size_t most = s->broken ? 0 : allowance(s, data.len);
    if (s->broken) {
        return broken(err);
    }
    VV_TRY(s->inner->ops->send(s->inner, vv_span(data.data, most), ret_len, err));
    spend(s, *ret_len);
    return VV_OK;
}

static size_t
cut_wait_for(struct byte_stream *base, bool sending, struct pollfd fds[BYTE_STREAM_FDS],
             int *ret_timeout_ms)
{
    struct cut_stream *s = (struct cut_stream *)base;
    size_t n = s->inner->ops->wait_for(s->inner, sending, fds, ret_timeout_ms);
    if (atomic_load(&s->f->cut_after) == 0) {
        *ret_timeout_ms = 0; /* come and see */
    }
    return n;
}

static void
cut_free(struct byte_stream *base)
{
    struct cut_stream *s = (struct cut_stream *)base;
    byte_stream_free(s->inner);
    vv_free(s);
}

static enum vv_rc
fixture_connect(void *ctx, struct byte_stream **ret, struct vv_error *err)
{
    static const struct byte_stream_ops ops = {
        .receive = cut_receive, .send = cut_send, .wait_for = cut_wait_for, .free = cut_free};
    struct sftp_fixture *f = ctx;
    const char *argv[6] = {sftp_server_path()};
    int n = 1;
    if (atomic_load(&f->refusals) > 0) {
        atomic_fetch_sub(&f->refusals, 1);
        return vv_error_set(err, VV_ETRANSIENT, "the test refuses to connect");
    }
    if (atomic_load(&f->read_only)) {
        argv[n++] = "-R";
    }
    if (f->deny != NULL) {
        argv[n++] = "-P";
        argv[n++] = f->deny;
    }
    struct cut_stream *s = vv_alloc_array(1, sizeof(*s));
    if (s == NULL) {
        return vv_error_nomem(err);
    }
    enum vv_rc rc = stream_child_new(argv, "sftp-server", &s->inner, err);
    if (rc != VV_OK) {
        vv_free(s);
        return rc;
    }
    s->base = (struct byte_stream){.ops = &ops, .name = "sftp-server"};
    s->f = f;
    atomic_fetch_add(&f->connects, 1);
    *ret = &s->base;
    return VV_OK;
}

struct storage *
sftp_fixture_storage(struct sftp_fixture *f, const char *root)
{
    struct storage_options options = {.clock = &f->clock.base, .cancel = &f->cancel};
    struct storage *s = NULL;
    assert_int_equal(storage_sftp_new_with(fixture_connect, f, root, &options, STALL_MS, &s, NULL),
                     VV_OK);
    return s;
}

void
sftp_fixture_begin(struct sftp_fixture *f)
{
    memset(f, 0, sizeof(*f));
    vv_clock_manual_init(&f->clock, 0);
    atomic_store(&f->cut_after, -1);
    snprintf(f->directory, sizeof(f->directory), "%s/varve-sftp-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(f->directory));
    snprintf(f->root, sizeof(f->root), "%s/repo", f->directory);
    f->s = sftp_fixture_storage(f, f->root);
}

void
sftp_fixture_end(struct sftp_fixture *f)
{
    storage_free(f->s);
    remove_tree(f->directory);
}
