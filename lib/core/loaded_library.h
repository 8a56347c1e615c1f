/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CORE_LOADED_LIBRARY_H
#define VARVE_CORE_LOADED_LIBRARY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"
#include "core/thread.h"

/*
 * A shared library that is opened when something of it is needed first, and stays open: most commands need
 * few libraries, and each one costs every start.  lib/load_later.cmake makes what a module calls out of this.
 */
struct vv_loaded_library {
    const char *file;         /* "libpq.so.5", looked for where the dynamic loader looks */
    const char *purpose;      /* what it is there for, for messages: "PostgreSQL" */
    const char *package;      /* Debian's that has it, for the hint: "libpq5" */
    const char *const *names; /* of its functions */
    size_t count;
    void *functions;      /* count pointers to them, without gaps, in that order; NULL until open */
    struct vv_mutex lock; /* VV_MUTEX_INIT */
    atomic_bool open;
};

/**
 * vv_loaded_library_open(l, err): afterwards all of ${l}->functions can be called, from then on and by any
 * thread.  VV_EUNSUPPORTED: the library is missing or damaged, or lacks a function, and none is set; the
 * next call tries again.  Thread-safe; costs nothing once it is open.
 */
MUST_CHECK enum vv_rc vv_loaded_library_open(struct vv_loaded_library *l, struct vv_error *err);

#endif
