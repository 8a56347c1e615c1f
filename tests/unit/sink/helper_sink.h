/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_TESTS_SINK_HELPER_SINK_H
#define VARVE_TESTS_SINK_HELPER_SINK_H

/* What the sink's tests share: a scratch directory, entries, events that are counted, and
 * scenarios that run as root and once more as an ordinary user. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sink/sink.h"

/** Counts failed checks instead of jumping out: usable in threads and forked children. */
#define CHECK(condition)                                                                           \
    ((condition) ? true : (helper_failed(__FILE__, __LINE__, #condition, NULL), false))
#define CHECK_OK(call)                                                                             \
    (helper_error_reset(),                                                                         \
     (call) == VV_OK ? true : (helper_failed(__FILE__, __LINE__, #call, helper_message()), false))

void helper_failed(const char *file, int line, const char *what, const char *why);
int helper_failures(void);
/** The error buffer of this thread. */
struct vv_error *helper_error(void);
void helper_error_reset(void);
const char *helper_message(void);

/** A fresh directory, world-accessible so that the second pass may use it. */
struct scratch {
    char path[64];
    int fd;
};
void scratch_make(struct scratch *s);
void scratch_remove(struct scratch *s);

struct counting_events {
    struct vv_events base;
    unsigned problems;
    char all[4096];
};
void counting_events_init(struct counting_events *e);

struct vv_span text(const char *s);
struct entry make_entry(enum entry_type type, const char *path, uint32_t mode);
/** A sink below the scratch directory's "target". */
struct sink *open_sink(const struct scratch *dir, enum sink_overwrite overwrite,
                       struct counting_events *events);
/** Set: sinks opened by open_sink do without openat2. */
extern bool helper_stepwise;
/** Write a whole file through the sink. */
enum vv_rc put_file(struct sink *s, struct entry *e, const void *data, size_t len,
                    struct vv_error *err);
/** Read an entry back and append what differs; false (and a failure) if it cannot be read. */
bool agrees(struct sink *s, const struct entry *wanted);
bool differs_in(struct sink *s, const struct entry *wanted, const char *what);
uint64_t count_temporary(int fd);

/** Run fn in a child process as an ordinary user (uid 65534); its failures are added to ours. */
void as_ordinary_user(void (*fn)(const struct scratch *dir), const struct scratch *dir);

#endif
