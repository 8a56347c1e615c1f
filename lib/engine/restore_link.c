/* SPDX-License-Identifier: BSD-2-Clause */
/* Hard links: the first name of an inode is restored as a file, the others are linked to it. */

#include <string.h>

#include "core/alloc.h"
#include "core/fast_hash.h"
#include "core/file.h"
#include "core/random.h"
#include "engine/restore_internal.h"

#define LINK_SLOTS 65536u

/** What must agree besides the inode: between two reads of one inode its content may have changed.
 */
static uint64_t
link_content_hash(const struct entry *e, uint64_t seed)
{
    uint64_t fixed[3] = {e->type, e->content.size, e->content.height};
    uint64_t hash = vv_hash64(fixed, sizeof(fixed), seed);

    for (uint32_t i = 0; i < e->content.count; i++) {
        hash = vv_hash64(e->content.refs[i].id.b, sizeof(e->content.refs[i].id.b), hash);
    }
    return hash;
}

static struct link_first **
slot_of(struct link_table *t, const struct entry *e, uint64_t content)
{
    uint64_t key[3] = {e->file_system, e->inode, content};

    return &t->slots[vv_hash64(key, sizeof(key), t->seed) % t->slot_count];
}

static struct link_first *
find(struct link_table *t, const struct entry *e, uint64_t content)
{
    struct link_first *f = *slot_of(t, e, content);

    while (f != NULL &&
           (f->inode != e->inode || f->file_system != e->file_system || f->content != content)) {
        f = f->chain;
    }
    return f;
}

static void
free_first(struct link_first *f)
{
    vv_free(f->path);
    vv_free(f);
}

static enum vv_rc
set_path(struct link_first *f, struct vv_span path, struct vv_error *err)
{
    char *copy = vv_memdup(path.data, path.len);

    if (copy == NULL) {
        return vv_error_nomem(err);
    }
    vv_free(f->path);
    f->path = copy;
    f->path_len = path.len;
    atomic_store(&f->state, LINK_PENDING);
    return VV_OK;
}

/** Remember the first name; *ret = NULL if the table is full. */
static enum vv_rc
add_first(struct restore *r, const struct entry *e, uint64_t content, struct link_first **ret,
          struct vv_error *err)
{
    struct link_table *t = &r->links;
    struct link_first **slot = slot_of(t, e, content);
    struct link_first *f;

    *ret = NULL;
    if (t->count >= LINKS_MAX) {
        if (!t->overflowed) {
            restore_emit(r, VV_EVENT_WARNING, "hard-links-separate", e->path,
                         "too many files with several names; further ones may become separate "
                         "files");
        }
        t->overflowed = true;
        return VV_OK;
    }
    f = vv_alloc_array(1, sizeof(*f));
    if (f == NULL) {
        return vv_error_nomem(err);
    }
    if (set_path(f, e->path, err) != VV_OK) {
        free_first(f);
        return VV_ENOMEM;
    }
    f->file_system = e->file_system;
    f->inode = e->inode;
    f->content = content;
    f->names_left = e->nlink - 1;
    f->chain = *slot;
    *slot = f;
    t->count++;
    *ret = f;
    return VV_OK;
}

enum vv_rc
links_meet(struct restore *r, const struct walk_item *item, struct link_first **ret_first,
           bool *ret_taken, struct vv_error *err)
{
    struct link_table *t = &r->links;
    const struct entry *e = &item->entry;
    struct link_first *first;
    struct restore_file *f;
    uint64_t content;

    *ret_first = NULL;
    *ret_taken = false;
    if (e->nlink < 2 || e->inode == 0) { /* members of archives have inodes, but no file system */
        return VV_OK;
    }
    if (t->slots == NULL) {
        t->slots = vv_alloc_array(LINK_SLOTS, sizeof(struct link_first *));
        if (t->slots == NULL) {
            return vv_error_nomem(err);
        }
        t->slot_count = LINK_SLOTS;
        vv_random(&t->seed, sizeof(t->seed));
    }
    content = link_content_hash(e, t->seed);
    first = find(t, e, content);
    if (first == NULL) {
        return add_first(r, e, content, ret_first, err);
    }
    first->names_left -= first->names_left > 0 ? 1 : 0;
    VV_TRY(plan_own_file(r, e, &f, err));
    f->target = first;
    f->waiting = t->waiting;
    t->waiting = f;
    t->waiting_count++;
    *ret_taken = true;
    return t->waiting_count >= LINKS_WAITING ? links_flush(r, err) : VV_OK;
}

/** The waiting names as an array, oldest first, so that workers can share them. */
struct link_job {
    struct job job;
    struct restore_file **files;
};

/** What already stands there: *ret_done if it is the same file or must be kept. */
static enum vv_rc
meet_existing(struct restore *r, struct restore_file *f, bool *ret_done, struct vv_error *err)
{
    struct vv_arena arena = {0};
    struct entry here = {0};
    struct entry first = {0};
    struct vv_span path = vv_span(f->target->path, f->target->path_len);
    enum sink_existing existing = SINK_ABSENT;
    int fd[2] = {-1, -1};
    enum vv_rc rc = sink_existing(r->sink, &f->entry, &existing, err);

    *ret_done = false;
    if (rc == VV_OK && existing != SINK_ABSENT &&
        sink_inspect(r->sink, f->entry.path, &arena, &here, &fd[0], NULL) == VV_OK &&
        sink_inspect(r->sink, path, &arena, &first, &fd[1], NULL) == VV_OK) {
        if (here.inode == first.inode) {
            *ret_done = true;
            restore_already(r, &f->entry);
        } else if (here.type == ENTRY_DIRECTORY && r->options->delete_extra &&
                   r->options->overwrite != SINK_NEVER && !restore_patterned(r->options)) {
            rc = sink_remove(r->sink, f->entry.path, err);
            restore_add(&r->counts.deleted, 1);
        }
    }
    vv_fd_close(fd[0]);
    vv_fd_close(fd[1]);
    vv_arena_release(&arena);
    return rc;
}

static enum vv_rc
make_link(struct restore *r, struct restore_file *f, struct vv_error *err)
{
    struct vv_span first = vv_span(f->target->path, f->target->path_len);
    struct vv_error why = {0};
    bool done = false;
    enum vv_rc rc;

    if (r->options->dry_run) {
        restore_add(&r->counts.hard_links, 1);
        return VV_OK;
    }
    rc = meet_existing(r, f, &done, &why);
    if (rc == VV_OK && !done) {
        rc = sink_link(r->sink, &f->entry, first, &why);
        if (rc == VV_OK) {
            restore_add(&r->counts.hard_links, 1);
            restore_add(&r->progress->files_done, 1);
            restore_add(&r->progress->bytes_done, f->entry.content.size);
        }
    }
    return rc == VV_OK ? VV_OK : restore_trouble(r, f->entry.path, rc, &why, err);
}

static enum vv_rc
run_link(struct restore_worker *w, struct job *j, uint32_t index, struct vv_error *err)
{
    struct link_job *l = (struct link_job *)(void *)j;
    struct restore_file *f = l->files[index];
    struct restore *r = w->r;

    switch ((enum link_state)atomic_load(&f->target->state)) {
    case LINK_GOOD:
        return make_link(r, f, err);
    case LINK_DAMAGED:
        restore_emit(r, VV_EVENT_PROBLEM, "chunk-damaged", f->entry.path,
                     "not restored: its content is that of '%s', which is damaged",
                     f->target->path);
        restore_add(&r->counts.damaged, 1);
        return skipped_add(&r->skipped, f->entry.path, err);
    case LINK_PENDING:
    case LINK_UNUSABLE:
        break;
    }
    f->retry = true;
    return VV_OK;
}

/** Names whose first one could not be made become files; the first of them is the new first. */
static enum vv_rc
retry(struct restore *r, struct restore_file *f, struct vv_error *err)
{
    struct link_first *first = f->target;
    enum existing_verdict verdict;

    if (atomic_load(&first->state) == LINK_UNUSABLE) {
        VV_TRY(set_path(first, f->entry.path, err));
        f->first = first;
        f->target = NULL;
        VV_TRY(existing_judge(r, &f->entry, false, &verdict, err));
        if (verdict == EXISTING_KEPT || verdict == EXISTING_ALREADY) {
            atomic_store(&first->state, verdict == EXISTING_KEPT ? LINK_UNUSABLE : LINK_GOOD);
            plan_free_file(r, f);
            return VV_OK;
        }
        return plan_fetch(r, f, err); /* compared or not: it is the exception */
    }
    f->waiting = r->links.waiting;
    r->links.waiting = f;
    r->links.waiting_count++;
    return VV_OK;
}

/** Forget inodes of which every name was met. */
static void
sweep(struct link_table *t)
{
    for (size_t i = 0; i < t->slot_count; i++) {
        for (struct link_first **at = &t->slots[i]; *at != NULL;) {
            struct link_first *f = *at;
            if (f->names_left == 0 && atomic_load(&f->state) != LINK_PENDING) {
                *at = f->chain;
                t->count--;
                free_first(f);
            } else {
                at = &f->chain;
            }
        }
    }
}

/** Make the names waiting now; those that become files are planned. */
static enum vv_rc
flush_once(struct restore *r, struct vv_error *err)
{
    struct link_table *t = &r->links;
    size_t count = t->waiting_count;
    struct restore_file *f = t->waiting;
    struct link_job job = {.job = {.run = run_link}};
    enum vv_rc rc;

    job.files = vv_alloc_array(count, sizeof(struct restore_file *));
    if (job.files == NULL) {
        return vv_error_nomem(err);
    }
    for (size_t i = count; i > 0; i--, f = f->waiting) {
        job.files[i - 1] = f;
    }
    t->waiting = NULL;
    t->waiting_count = 0;
    job.job.count = (uint32_t)count;
    rc = jobs_run(r, &job.job, err);
    for (size_t i = 0; i < count; i++) {
        if (rc == VV_OK && job.files[i]->retry) {
            job.files[i]->retry = false;
            rc = retry(r, job.files[i], err);
        } else {
            plan_free_file(r, job.files[i]);
        }
    }
    vv_free(job.files);
    return rc;
}

enum vv_rc
links_flush(struct restore *r, struct vv_error *err)
{
    while (r->links.waiting_count > 0) {
        VV_TRY(existing_check_all(r, err));
        VV_TRY(plan_submit(r, err));
        VV_TRY(jobs_drain(r, err));
        VV_TRY(flush_once(r, err));
    }
    if (r->links.count > LINKS_MAX / 2) {
        VV_TRY(existing_check_all(r, err));
        VV_TRY(plan_submit(r, err));
        VV_TRY(jobs_drain(r, err));
        sweep(&r->links);
    }
    return VV_OK;
}

bool
links_same(struct restore *r, const struct entry *e, uint64_t inode)
{
    struct link_table *t = &r->links;
    struct link_first *first;
    bool same = true;

    if (e->nlink < 2 || t->slots == NULL || t->overflowed) {
        return true;
    }
    first = find(t, e, link_content_hash(e, t->seed));
    if (first != NULL) {
        vv_mutex_lock(&t->lock);
        same = first->found_inode == 0 || first->found_inode == inode;
        first->found_inode = inode;
        vv_mutex_unlock(&t->lock);
    }
    return same;
}

void
links_release(struct restore *r)
{
    struct link_table *t = &r->links;

    t->waiting = NULL; /* plan_release has them */
    for (size_t i = 0; i < t->slot_count; i++) {
        while (t->slots[i] != NULL) {
            struct link_first *f = t->slots[i];
            t->slots[i] = f->chain;
            free_first(f);
        }
    }
    vv_free(t->slots);
    t->slots = NULL;
    t->slot_count = 0;
    vv_mutex_release(&t->lock);
}
