/* SPDX-License-Identifier: BSD-2-Clause */
/* For tests of the restore engine: a repository in memory, a source directory to back up, a target
 * to restore to, and a memory of every event. */
#ifndef VARVE_TESTS_HELPER_RESTORE_H
#define VARVE_TESTS_HELPER_RESTORE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "engine/backup.h"
#include "engine/restore.h"
#include "repo/pack_reader.h"
#include "repo/replicas.h"
#include "repo/tree.h"

struct rig_event {
    enum vv_event_kind kind;
    char name[32];
    char path[256];
    char text[256];
};
struct rig {
    struct vv_events events; /* first member */
    char top[64];            /* everything is below it */
    char source[80];
    char target[80];
    struct storage *storage;
    const struct replica_source *replicas; /* what rig_reopen opens with */
    struct repo *repo;
    struct vv_cancel cancel;
    struct snapshot_list list;
    struct rig_event *seen;
    size_t seen_count;
    size_t seen_room;
    struct vv_error err;
    struct restore_summary summary;
    /* called for every event, while the run goes on */
    void (*on_event)(struct rig *g, const struct vv_event *event);
    int hook_calls;
};

void rig_begin(struct rig *g);
void rig_end(struct rig *g);
/** Paths are relative to g->top: "source/a", "target/a". */
void rig_path(const struct rig *g, const char *name, char out[512]);
void rig_directory(const struct rig *g, const char *name);
void rig_text(const struct rig *g, const char *name, const char *text);
/** Reproducible bytes that do not compress. */
void rig_noise(const struct rig *g, const char *name, size_t len, uint64_t seed);
void rig_bytes(uint8_t *out, size_t len, uint64_t seed);
void rig_append(const struct rig *g, const char *name, const void *data, size_t len);
bool rig_exists(const struct rig *g, const char *name);
struct stat rig_stat(const struct rig *g, const char *name);
void rig_assert_text(const struct rig *g, const char *name, const char *text);
/** Same type, content, mode, owner and time, for everything below both; times of the tops
 * differ. */
void rig_assert_same_tree(const struct rig *g, const char *a, const char *b);
/** Give ${name} the modification time of ${like}. */
void rig_copy_time(const struct rig *g, const char *name, const char *like);

/** Back up source/ (and read the list of snapshots again). */
void rig_backup(struct rig *g);
const struct snapshot *rig_newest(const struct rig *g);
/** rig_options(g): the content of source/ into target/, verified, one thread more than one. */
struct restore_options rig_options(const struct rig *g);
/** rig_restore(g, o): the newest snapshot; events and summary are those of this run. */
enum vv_rc rig_restore(struct rig *g, const struct restore_options *o);
/** The first event of that name about a path ending in ${path} (NULL: any), or NULL. */
const struct rig_event *rig_find(const struct rig *g, const char *name, const char *path);
size_t rig_count(const struct rig *g, const char *name);
/** Where the first chunk of a file of the source is. */
struct chunk_location rig_locate(struct rig *g, const char *name);
/** Flip a bit of an object; open the repository anew, so that nothing is cached. */
void rig_flip(struct rig *g, const char *object, size_t offset);
void rig_reopen(struct rig *g);

#endif
