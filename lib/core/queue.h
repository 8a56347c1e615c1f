/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CORE_QUEUE_H
#define VARVE_CORE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"

/** A bounded first-in-first-out queue of pointers between threads (thread-safe).  An item belongs
 *  to whoever holds it: pushing hands it over, popping takes it. */
struct vv_queue;

MUST_CHECK enum vv_rc vv_queue_new(size_t capacity, struct vv_queue **ret_q, struct vv_error *err);
/** vv_queue_free(q): items still inside are the caller's to have drained before. */
void vv_queue_free(struct vv_queue *q);
/** vv_queue_push(q, item): wait for room; false (item not taken) once the queue is closed. */
MUST_CHECK bool vv_queue_push(struct vv_queue *q, void *item);
/** vv_queue_pop(q): wait for an item; NULL once the queue is closed and empty. */
void *vv_queue_pop(struct vv_queue *q);
/** vv_queue_try_pop(q): an item if there is one now, else NULL. */
void *vv_queue_try_pop(struct vv_queue *q);
/** vv_queue_close(q): no more pushes; what is inside can still be popped. */
void vv_queue_close(struct vv_queue *q);

#endif
