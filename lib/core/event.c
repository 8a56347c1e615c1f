/* SPDX-License-Identifier: BSD-2-Clause */
/* Delivery of events, and the path that progress displays show. */
#include "core/event.h"

#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/thread.h"

/* A whole error message with its hint fits; paths travel beside the text. */
#define EVENT_TEXT_SIZE 2048

static struct vv_mutex emit_mutex = VV_MUTEX_INIT;

void
vv_emit(struct vv_events *sink, enum vv_event_kind kind, const char *name, struct vv_span path,
        const char *fmt, ...)
{
    char text[EVENT_TEXT_SIZE];
    va_list args;

    if (sink == NULL) {
        return;
    }
    va_start(args, fmt);
    if (vsnprintf(text, sizeof(text), fmt, args) < 0) {
        text[0] = '\0';
    }
    va_end(args);
    struct vv_event event = {.kind = kind, .name = name, .path = path, .text = text};
    vv_mutex_lock(&emit_mutex);
    sink->emit(sink, &event);
    vv_mutex_unlock(&emit_mutex);
}

void
vv_progress_current(struct vv_progress *p, struct vv_span path)
{
    const uint8_t *from = path.data;
    size_t len = path.len;

    if (p == NULL || atomic_flag_test_and_set_explicit(&p->current_busy, memory_order_acquire)) {
        return;
    }
    if (len > sizeof(p->current) - 1) {
        from += len - (sizeof(p->current) - 1);
        len = sizeof(p->current) - 1;
        /* Do not begin inside a UTF-8 character. */
        for (unsigned i = 0; i < 3 && (*from & 0xc0) == 0x80; i++) {
            from++;
            len--;
        }
    }
    if (len > 0) {
        memcpy(p->current, from, len);
    }
    p->current[len] = '\0';
    atomic_flag_clear_explicit(&p->current_busy, memory_order_release);
}

void
vv_progress_read_current(struct vv_progress *p, char out[256])
{
    /* Whoever holds the flag copies at most 256 bytes. */
    while (atomic_flag_test_and_set_explicit(&p->current_busy, memory_order_acquire)) {
        sched_yield();
    }
    memcpy(out, p->current, sizeof(p->current));
    atomic_flag_clear_explicit(&p->current_busy, memory_order_release);
}
