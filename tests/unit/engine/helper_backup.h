/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For tests of the backup engine: a repository in memory that can fail, a source directory that can
 * change at chosen moments, and an ear for events.
 */
#ifndef VARVE_TESTS_HELPER_BACKUP_H
#define VARVE_TESTS_HELPER_BACKUP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/backup.h"
#include "repo/tree.h"
#include "storage/storage.h"

/** Events as lines "name|path below the source\n". */
struct backup_ear {
    struct vv_events base;
    struct vv_buf lines;
    size_t prefix; /* bytes of a path that are the source's */
};

struct backup_world {
    char base[64]; /* a fresh directory: src/, home/ with state and cache */
    char source[80];
    struct backup_ear ear;
    struct storage *memory;
    struct storage *fault; /* around memory; what the repository uses */
    storage_fault_fn *hook;
    void *hook_ctx;
    struct repo *repo;
    bool writer;                   /* bw_reopen opens with the writer's key of bw_add_writer */
    struct backup_options options; /* what backup_once takes; backs up src/ */
    const char *paths[4];
    struct backup_summary summary; /* of the last run */
    struct vv_error err;
};

/** bw_must(w, call): fail the test with w->err's message unless it is VV_OK. */
#define bw_must(w, call)                                                                           \
    do {                                                                                           \
        enum vv_rc bw_rc_ = (call);                                                                \
        if (bw_rc_ != VV_OK) {                                                                     \
            fail_msg("%s: %s", #call, (w)->err.message);                                           \
        }                                                                                          \
    } while (0)

/** bw_begin(w, init): ${init} may be NULL, or carry chunk sizes. */
void bw_begin(struct backup_world *w, const struct repo_init_options *init);
void bw_end(struct backup_world *w);
/** bw_reopen(w): as the next process on this host would; a storage that stopped works again. */
void bw_reopen(struct backup_world *w);
/** bw_add_writer(w): make a writer's key; call with the administrator's. */
void bw_add_writer(struct backup_world *w);
/** bw_run(w): one backup with w->options, events from the last one forgotten. */
enum vv_rc bw_run(struct backup_world *w);
/** bw_backup(w): one that must end well. */
void bw_backup(struct backup_world *w);
bool bw_heard(struct backup_world *w, const char *line);
size_t bw_heard_count(struct backup_world *w, const char *event);

/** bw_file(w, path, len, seed): a file of reproducible noise below src/. */
void bw_file(struct backup_world *w, const char *path, size_t len, uint64_t seed);
/** bw_text(w, path, text): the same with a text, appended to what is there if ${append}. */
void bw_text(struct backup_world *w, const char *path, const char *text, bool append);
const char *bw_path(struct backup_world *w, const char *path);

/** bw_outside(): changes when the directories above the test's do, which are entries of its trees,
 *  too, and other processes' to change. */
uint64_t bw_outside(void);

/** bw_snapshots(w): how many there are; *ret_root: the newest one's tree. */
size_t bw_snapshots(struct backup_world *w, struct tree_root *ret_root);
/** bw_entry(w, path, arena, ret): an entry of the newest snapshot, a path below src/. */
enum vv_rc bw_entry(struct backup_world *w, const char *path, struct vv_arena *arena,
                    struct entry *ret);
/** bw_content(w, path, out): a file's content as the newest snapshot has it. */
void bw_content(struct backup_world *w, const char *path, struct vv_buf *out);
/** bw_assert_content(w, path): it is what src/ has now. */
void bw_assert_content(struct backup_world *w, const char *path);
/** bw_packs(w, ret, room): full names of all packs in the storage; returns how many. */
uint32_t bw_packs(struct backup_world *w, struct pack_name *ret, uint32_t room);
/** bw_objects(w): how many objects the storage holds. */
size_t bw_objects(struct backup_world *w);

/*
 * What the engine learns from the kernel, bent by the tests.
 */
/** Added to the coarse clock, by which the source judges whether a change is too fresh to be seen
 *  by times.  bw_begin sets it to an hour: nothing is racy. */
extern int64_t bw_coarse_shift;
/** All ctimes read as the same moment: changes that hide from them. */
extern bool bw_hide_ctime;
/** Called before each read of a file whose name ends in ${bw_read_name}; NULL: never. */
typedef void bw_read_fn(struct backup_world *w);
extern bw_read_fn *bw_on_read;
extern const char *bw_read_name;
extern struct backup_world *bw_read_world;

#endif
