/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CORE_EVENT_H
#define VARVE_CORE_EVENT_H

#include <stdatomic.h>
#include <stdint.h>

#include "core/bytes.h"

/*
 * What engines say while they work.  They never print: they emit events and count progress, and
 * whoever called them renders both (terminal, JSON, journal).
 */

enum vv_event_kind {
    VV_EVENT_NOTICE,  /* worth a line, nothing is wrong */
    VV_EVENT_WARNING, /* something a person should know; does not change the exit code */
    VV_EVENT_PROBLEM, /* something was skipped, kept or damaged: exit code 3 (or worse) */
    VV_EVENT_ENTRY,   /* one entry was handled (only of interest with -v) */
};

struct vv_event {
    enum vv_event_kind kind;
    const char *name;    /* stable name listed in the manual, e.g. "file-unreadable" */
    struct vv_span path; /* the path it is about, raw bytes; empty if none */
    const char *text;    /* human text, lower case, no full stop */
};

/** A sink for events.  emit is called from one thread at a time (vv_emit serialises) and must not
 *  call vv_emit itself. */
struct vv_events {
    void (*emit)(struct vv_events *self, const struct vv_event *event);
};

/** vv_emit(sink, kind, name, path, fmt, ...): format and deliver; thread-safe; NULL sink: nothing.
 */
void vv_emit(struct vv_events *sink, enum vv_event_kind kind, const char *name, struct vv_span path,
             const char *fmt, ...) VV_PRINTF(5, 6);

/** Progress counters an engine advances and a display reads at any time (all relaxed atomics). */
struct vv_progress {
    _Atomic uint64_t bytes_done;
    _Atomic uint64_t bytes_total; /* 0 while unknown */
    _Atomic uint64_t files_done;
    _Atomic uint64_t files_total; /* 0 while unknown */
    _Atomic uint64_t files_new;
    _Atomic uint64_t files_changed;
    _Atomic uint64_t files_unchanged;
    _Atomic uint64_t problems;
    _Atomic int total_is_final; /* the totals come from a finished count, not from the parent */
    _Atomic int phase;          /* engine-specific, see the engine's header */
    atomic_flag current_busy;   /* guards `current` */
    char current[256];          /* tail of the path being worked on */
};

/** vv_progress_current(p, path): note the path being worked on (skipped when somebody reads). */
void vv_progress_current(struct vv_progress *p, struct vv_span path);
/** vv_progress_read_current(p, out): copy it as NUL-terminated raw bytes. */
void vv_progress_read_current(struct vv_progress *p, char out[256]);

#endif
