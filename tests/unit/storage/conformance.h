/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_TESTS_STORAGE_CONFORMANCE_H
#define VARVE_TESTS_STORAGE_CONFORMANCE_H

#include "storage/storage.h"

/* What every storage driver has to pass: the contract of storage/storage.h, line by line. */

/** How the suite gets a storage of the driver under test. */
struct conformance_driver {
    const char *name;
    /** A storage without layout in which nothing is; ${*ret_cookie} is handed to the others. */
    struct storage *(*open)(void **ret_cookie);
    /** Free it and everything it holds. */
    void (*close)(struct storage *s, void *cookie);
    /** Of the allocations of a storage's life, let only each such one fail; 0: every one. */
    unsigned sweep_step;
};

/** conformance_run(driver): run the suite; returns the number of tests that failed. */
int conformance_run(const struct conformance_driver *driver);

/* Helpers the drivers' own tests share; they end the test when something is wrong. */

/** Publish, which must succeed. */
void must_publish(struct storage *s, const char *name, const char *text);
/** The object must be there and hold exactly this. */
void must_hold(struct storage *s, const char *name, struct vv_span data);
void must_hold_text(struct storage *s, const char *name, const char *text);
/** The object must not be there. */
void must_lack(struct storage *s, const char *name);
/** ${rc} and ${err} must say ${expected}, with a message and the repository as origin. */
void must_fail(enum vv_rc rc, enum vv_rc expected, const struct vv_error *err);
/** How many objects ${directory} has; the listing must succeed. */
unsigned count_listed(struct storage *s, const char *directory);
/** A test can count on bytes that look random and are the same in each run. */
void fill_pattern(uint8_t *data, size_t len, uint64_t seed);

/** Let each allocation in turn fail during a life of a storage that ${open} makes without a
 *  layout: only success or VV_ENOMEM may come out, and objects are whole or absent. */
void sweep_allocations(const struct conformance_driver *driver);

#endif
