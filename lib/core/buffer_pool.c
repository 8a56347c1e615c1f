/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/buffer_pool.h"

void
buffer_pool_init(struct buffer_pool *p, size_t bytes_max)
{
    *p = (struct buffer_pool){.bytes_max = bytes_max};
    vv_mutex_init(&p->lock);
}

void
buffer_pool_release(struct buffer_pool *p)
{
    for (unsigned i = 0; i < BUFFER_POOL_KEPT; i++) {
        vv_buf_release(&p->kept[i]);
    }
    vv_mutex_release(&p->lock);
}

struct vv_buf
buffer_pool_take(struct buffer_pool *p)
{
    struct vv_buf buf = {0};

    vv_mutex_lock(&p->lock);
    for (unsigned i = 0; i < BUFFER_POOL_KEPT && buf.data == NULL; i++) {
        buf = p->kept[i];
        p->kept[i] = (struct vv_buf){0};
    }
    p->bytes -= buf.cap;
    vv_mutex_unlock(&p->lock);
    return buf;
}

void
buffer_pool_give(struct buffer_pool *p, struct vv_buf *buf)
{
    vv_buf_reset(buf);
    vv_mutex_lock(&p->lock);
    for (unsigned i = 0; i < BUFFER_POOL_KEPT && buf->data != NULL; i++) {
        if (p->kept[i].data == NULL && buf->cap <= p->bytes_max - p->bytes) {
            p->bytes += buf->cap;
            p->kept[i] = *buf;
            *buf = (struct vv_buf){0};
        }
    }
    vv_mutex_unlock(&p->lock);
    vv_buf_release(buf);
}
