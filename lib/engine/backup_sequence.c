/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands, databases and archives: read one after the other before the walk.  Their entries are kept,
 * sorted, and merged into the walk; if any of them fails, nothing is committed (or, with --keep-going,
 * the snapshot names it as missing).
 */

#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "engine/parent_cache_internal.h"

enum vv_rc
sequence_keep(struct backup *b, const struct entry *e, struct vv_error *err)
{
    if (b->sequence_count == b->sequence_room) {
        size_t room = b->sequence_room == 0 ? 64 : b->sequence_room * 2;
        struct entry *grown = vv_realloc_array(b->sequence, room, sizeof(*grown));
        if (grown == NULL) {
            return vv_error_nomem(err);
        }
        b->sequence = grown;
        b->sequence_room = room;
    }
    VV_TRY(entry_copy(&b->sequence_arena, e, &b->sequence[b->sequence_count], err));
    b->sequence_count++;
    return VV_OK;
}

/** The last entry kept under ${path}, NULL if there is none. */
static struct entry *
find_kept(const struct backup *b, struct vv_span path)
{
    for (size_t i = b->sequence_count; i > 0; i--) {
        if (path_compare(b->sequence[i - 1].path, path) == 0) {
            return &b->sequence[i - 1];
        }
    }
    return NULL;
}

/** An archive's hard link: content and attributes of the member it links to, and so its inode. */
static enum vv_rc
link_entry(struct backup *b, const struct source_item *item, struct entry *e,
           struct source_problem *problem, bool *ret_ok)
{
    struct entry *original = find_kept(b, item->link_to);
    struct vv_span path = item->entry.path;

    *ret_ok = original != NULL && original->type != ENTRY_DIRECTORY;
    if (!*ret_ok) {
        memcpy(problem->text, "a hard link to a member that is not there", 42);
        return VV_OK;
    }
    original->nlink = 2; /* count_names will tell how many */
    *e = *original;
    e->path = path;
    return VV_OK;
}

/** Read one item of a sequence. */
static enum vv_rc
read_item(struct backup *b, struct worker *w, struct source *s, struct source_item *item,
          struct vv_error *err)
{
    struct vv_arena arena = {0};
    struct source_problem problem = {0};
    struct source_file *f = NULL;
    enum source_status status = item->status;
    struct entry e = item->entry;
    bool ok = true;
    enum vv_rc rc = VV_OK;

    problem = item->problem;
    if (status == SOURCE_OK && item->link_to.len > 0) {
        rc = link_entry(b, item, &e, &problem, &ok);
        status = ok ? SOURCE_OK : SOURCE_UNREADABLE;
    } else if (status == SOURCE_OK) {
        status = source_open(s, item, &arena, &f, &problem);
        e = item->entry;
        if (status == SOURCE_OK && f != NULL) {
            struct source_problem ignored = {0};
            e.size = UINT64_MAX; /* not known before the end: no guess from it */
            rc = content_read_large(w, f, &e, &arena, &status, &problem, err);
            e.size = e.content.size;
            (void)source_close(f, &e, &ignored);
            if (!(e.flags & (ENTRY_HAS_EXTENTS | ENTRY_HAS_EXTENTS_STREAM))) {
                e.size = e.content.size;
            }
        }
    }
    if (rc == VV_OK && status != SOURCE_OK) {
        backup_problem(b, item, "member-unreadable", problem.text);
    } else if (rc == VV_OK) {
        rc = worker_out_of_line(w, &e, &arena, err);
        if (rc == VV_OK) {
            rc = sequence_keep(b, &e, err);
        }
    }
    vv_arena_release(&arena);
    return rc;
}

/** Would a member of an archive hide what a command has put out?  (The other way round it is found
 *  by drop_what_is_below_files.) */
static bool
hides_output(const struct backup *b, const struct source_item *item)
{
    for (size_t i = 0; i < b->options->command_count; i++) {
        const char *name = b->options->commands[i].name;
        struct vv_span output = vv_span(name, strlen(name));
        if (path_compare(item->entry.path, output) == 0 ||
            (item->entry.type != ENTRY_DIRECTORY && path_is_below(output, item->entry.path))) {
            return true;
        }
    }
    for (size_t i = 0; i < b->options->database_count; i++) {
        struct vv_span root = vv_span(b->databases[i].root, strlen(b->databases[i].root));
        if (path_compare(item->entry.path, root) == 0 || path_is_below(item->entry.path, root) ||
            (item->entry.type != ENTRY_DIRECTORY && path_is_below(root, item->entry.path))) {
            return true;
        }
    }
    return false;
}

enum vv_rc
sequence_left_out(struct backup *b, const char *name, size_t before, enum vv_rc rc,
                  struct vv_error *err)
{
    const struct vv_error why = err != NULL ? *err : (struct vv_error){0};
    char **grown;

    if (!b->options->keep_going || rc == VV_ECANCELLED || why.origin != VV_ORIGIN_SOURCE) {
        return rc;
    }
    grown = vv_realloc_array(b->incomplete, b->incomplete_count + 1, sizeof(*grown));
    if (grown == NULL) {
        return vv_error_nomem(err);
    }
    b->incomplete = grown;
    grown[b->incomplete_count] = vv_strdup(name);
    if (grown[b->incomplete_count] == NULL) {
        return vv_error_nomem(err);
    }
    b->incomplete_count++;
    b->sequence_count = before;
    vv_emit(repo_events(b->repo), VV_EVENT_PROBLEM, "source-left-out", vv_span(name, strlen(name)),
            "%s%s%s", why.message, why.hint[0] != '\0' ? "; " : "", why.hint);
    backup_add(b, &b->statistics.problems, 1);
    vv_error_clear(err);
    return VV_OK;
}

enum vv_rc
sequence_take(struct backup *b, struct worker *w, struct source *s, bool archive,
              struct vv_error *err)
{
    bool end = false;

    for (;;) {
        struct source_item item = {0};
        enum vv_rc rc;
        VV_TRY(vv_cancel_check(repo_cancel(b->repo), err));
        VV_TRY(source_next(s, &item, &end, err));
        if (end) {
            return VV_OK;
        }
        vv_progress_current(b->progress, item.entry.path);
        if (archive && hides_output(b, &item)) {
            backup_problem(b, &item, "name-taken",
                           "a command's output or a database has this name, or goes below it; the "
                           "member was left out");
            source_item_release(s, &item);
            continue;
        }
        rc = read_item(b, w, s, &item, err);
        source_item_release(s, &item);
        VV_TRY(rc);
    }
}

enum vv_rc
sequence_read(struct backup *b, struct worker *w, struct source *s, bool archive,
              struct vv_error *err)
{
    VV_TRY(sequence_take(b, w, s, archive, err));
    return source_end(s, err);
}

/** Size of the same output in the parent, to notice a dump that has become too small. */
static enum vv_rc
compare_with_parent(struct backup *b, const char *name, struct vv_error *err)
{
    struct vv_arena arena = {0};
    struct vv_span path = vv_span(name, strlen(name));
    const struct entry *now = find_kept(b, path);
    struct entry before;
    enum vv_rc rc;

    if (b->parent == NULL || now == NULL) {
        return VV_OK;
    }
    rc = parent_find(b, path, &arena, &before, err);
    if (rc == VV_OK && before.type == ENTRY_FILE && now->size < before.size - before.size / 2) {
        vv_emit(repo_events(b->repo), VV_EVENT_PROBLEM, "output-shrunk", path,
                "only %llu bytes, the last time it was %llu", (unsigned long long)now->size,
                (unsigned long long)before.size);
        backup_add(b, &b->statistics.problems, 1);
    }
    vv_arena_release(&arena);
    vv_error_clear(err);
    return VV_OK;
}

/** By path, then in the order they came: indices into ${entries}. */
static int
compare_places(const void *a, const void *b, void *entries)
{
    const struct entry *e = entries;
    size_t x = *(const size_t *)a;
    size_t y = *(const size_t *)b;
    int order = path_compare(e[x].path, e[y].path);

    return order != 0 ? order : x < y ? -1 : x > y;
}

/** Sort by path; of equal paths the one that came last stays. */
static enum vv_rc
sort_entries(struct backup *b, struct vv_error *err)
{
    size_t count = b->sequence_count;
    size_t *places = vv_alloc_array(count + 1, sizeof(*places));
    struct entry *sorted = vv_alloc_array(count + 1, sizeof(*sorted));
    size_t kept = 0;

    if (places == NULL || sorted == NULL) {
        vv_free(places);
        vv_free(sorted);
        return vv_error_nomem(err);
    }
    for (size_t i = 0; i < count; i++) {
        places[i] = i;
    }
    qsort_r(places, count, sizeof(*places), compare_places, b->sequence);
    for (size_t i = 0; i < count; i++) {
        const struct entry *e = &b->sequence[places[i]];
        if (kept > 0 && path_compare(sorted[kept - 1].path, e->path) == 0) {
            kept--;
        }
        sorted[kept++] = *e;
    }
    vv_free(places);
    vv_free(b->sequence);
    b->sequence = sorted;
    b->sequence_count = kept;
    b->sequence_room = count + 1;
    return VV_OK;
}

/** What lies below something that is no directory could never be restored: an archive may hold a
 *  file "a" and, after that was a directory or through a link of that name, "a/b". */
static void
drop_what_is_below_files(struct backup *b)
{
    const struct entry *file = NULL;
    size_t kept = 0;

    for (size_t i = 0; i < b->sequence_count; i++) {
        const struct entry *e = &b->sequence[i];
        if (file != NULL && path_is_below(e->path, file->path)) {
            const struct source_item item = {.entry = *e};
            backup_problem(b, &item, "member-unreadable", "it lies below what is no directory");
            continue;
        }
        b->sequence[kept] = *e;
        file = e->type == ENTRY_DIRECTORY ? NULL : &b->sequence[kept];
        kept++;
    }
    b->sequence_count = kept;
}

/** By inode: indices into ${entries}. */
static int
compare_inodes(const void *a, const void *b, void *entries)
{
    const struct entry *e = entries;
    uint64_t x = e[*(const size_t *)a].inode;
    uint64_t y = e[*(const size_t *)b].inode;

    return (x > y) - (x < y);
}

/** Members of archives that are hard links to one another: each says how many names there are, or
 *  restore would not know for how long to look for them. */
static enum vv_rc
count_names(struct backup *b, struct vv_error *err)
{
    size_t *places = vv_alloc_array(b->sequence_count + 1, sizeof(*places));
    size_t count = 0;

    if (places == NULL) {
        return vv_error_nomem(err);
    }
    for (size_t i = 0; i < b->sequence_count; i++) {
        if (b->sequence[i].inode != 0 && b->sequence[i].nlink > 1) {
            places[count++] = i;
        }
    }
    qsort_r(places, count, sizeof(*places), compare_inodes, b->sequence);
    for (size_t i = 0, end; i < count; i = end) {
        for (end = i + 1;
             end < count && b->sequence[places[end]].inode == b->sequence[places[i]].inode; end++) {
        }
        for (size_t j = i; j < end; j++) {
            b->sequence[places[j]].nlink = end - i;
        }
    }
    vv_free(places);
    return VV_OK;
}

/** Directories above the entries that no entry brought. */
static enum vv_rc
add_missing_directories(struct backup *b, struct vv_error *err)
{
    size_t count = b->sequence_count;

    for (size_t i = 0; i < count; i++) {
        struct vv_span path = b->sequence[i].path;
        for (size_t at = 0; at < path.len; at++) {
            struct entry e = {.type = ENTRY_DIRECTORY,
                              .flags = ENTRY_IMPLIED | ENTRY_NO_OWNER,
                              .mode = 0755,
                              .nlink = 1};
            struct vv_span above = vv_span(path.data, at);
            if (path.data[at] != '/') {
                continue;
            }
            if (i > 0 && (path_is_below(b->sequence[i - 1].path, above) ||
                          path_compare(b->sequence[i - 1].path, above) == 0)) {
                continue; /* its neighbour has brought it */
            }
            e.path = above;
            e.mtime.sec = b->start / 1000000000;
            e.ctime = e.mtime;
            VV_TRY(sequence_keep(b, &e, err));
        }
    }
    return VV_OK;
}

static enum vv_rc
read_commands(struct backup *b, struct worker *w, struct vv_error *err)
{
    for (size_t i = 0; i < b->options->command_count; i++) {
        const struct backup_command *c = &b->options->commands[i];
        struct source_command_options o = {.name = c->name,
                                           .command = c->command,
                                           .allow_empty = b->options->allow_empty,
                                           .cancel = repo_cancel(b->repo)};
        VV_CLEANUP(source_freep) struct source *s = NULL;
        size_t before = b->sequence_count;
        VV_TRY(source_command_new(&o, &s, err));
        enum vv_rc rc = sequence_read(b, w, s, false, err);
        if (rc != VV_OK) {
            VV_TRY(sequence_left_out(b, c->name, before, rc, err));
            continue;
        }
        VV_TRY(compare_with_parent(b, c->name, err));
    }
    return VV_OK;
}

/** A root entry is needed when there is no file system source to bring one. */
static enum vv_rc
add_root(struct backup *b, struct vv_error *err)
{
    struct entry e = {
        .type = ENTRY_DIRECTORY, .flags = ENTRY_IMPLIED | ENTRY_NO_OWNER, .mode = 0755, .nlink = 1};

    e.mtime.sec = b->start / 1000000000;
    e.ctime = e.mtime;
    return sequence_keep(b, &e, err);
}

/** A command's output in a database's place, below or above it? */
static enum vv_rc
check_against_databases(const struct backup_options *o, const char *name, struct vv_error *err)
{
    struct vv_span one = vv_span(name, strlen(name));

    for (size_t i = 0; i < o->database_count; i++) {
        VV_CLEANUP(vv_buf_release) struct vv_buf root = {0};
        vv_buf_printf(&root, "postgres/%s", o->databases[i].name);
        VV_TRY(vv_buf_check(&root, err));
        if (path_compare(one, vv_buf_span(&root)) == 0 || path_is_below(one, vv_buf_span(&root)) ||
            path_is_below(vv_buf_span(&root), one)) {
            return vv_error_set(err, VV_EUSAGE, "'%s' is in the place of database '%s'", name,
                                o->databases[i].name);
        }
    }
    return VV_OK;
}

bool
sequences_repeatable(const struct backup_options *o)
{
    bool repeatable = o->archive == NULL || strcmp(o->archive, "-") != 0;

    for (size_t i = 0; i < o->command_count; i++) {
        repeatable = repeatable && o->commands[i].command != NULL;
    }
    return repeatable;
}

enum vv_rc
sequences_check(const struct backup_options *o, struct vv_error *err)
{
    VV_TRY(databases_check(o, err));
    for (size_t i = 0; i < o->command_count; i++) {
        struct vv_span one = vv_span(o->commands[i].name, strlen(o->commands[i].name));
        VV_TRY(check_against_databases(o, o->commands[i].name, err));
        for (size_t j = 0; j < o->command_count; j++) {
            struct vv_span other = vv_span(o->commands[j].name, strlen(o->commands[j].name));
            if (j < i && path_compare(one, other) == 0) {
                return vv_error_set(err, VV_EUSAGE, "'%s' is the name of two outputs",
                                    o->commands[i].name);
            }
            if (path_is_below(one, other)) {
                return vv_error_set(err, VV_EUSAGE, "'%s' lies below '%s', which is a file",
                                    o->commands[i].name, o->commands[j].name);
            }
        }
    }
    return VV_OK;
}

/** Not a backup of anything: what made it has failed somewhere. */
static enum vv_rc
empty_archive(const char *path, struct vv_error *err)
{
    (void)vv_error_set(err, VV_ENOTFOUND, "archive '%s' has no members", path);
    vv_error_hint(err, "use --allow-empty if that is no mistake");
    return vv_error_origin(err, VV_ORIGIN_SOURCE, VV_ENOTFOUND);
}

static enum vv_rc
read_archive(struct backup *b, struct worker *w, struct vv_error *err)
{
    VV_CLEANUP(source_freep) struct source *s = NULL;
    size_t before = b->sequence_count;
    uint64_t problems = b->statistics.problems;
    enum vv_rc rc;

    VV_TRY(source_archive_new(b->options->archive, repo_cancel(b->repo), &s, err));
    rc = sequence_read(b, w, s, true, err);
    if (rc == VV_OK && b->sequence_count == before && b->statistics.problems == problems &&
        !b->options->allow_empty) {
        rc = empty_archive(b->options->archive, err);
    }
    return rc == VV_OK ? VV_OK : sequence_left_out(b, b->options->archive, before, rc, err);
}

enum vv_rc
sequences_read(struct backup *b, struct worker *w, struct vv_error *err)
{
    VV_TRY(read_commands(b, w, err));
    VV_TRY(databases_read(b, w, err));
    if (b->options->archive != NULL) {
        VV_TRY(read_archive(b, w, err));
    }
    if (b->source == NULL && b->sequence_count == 0 && b->incomplete_count > 0) {
        (void)vv_error_set(err, VV_EIO, "all that was to be backed up failed");
        vv_error_hint(err, "no snapshot was made");
        return vv_error_origin(err, VV_ORIGIN_SOURCE, VV_EIO);
    }
    VV_TRY(sort_entries(b, err));
    drop_what_is_below_files(b);
    VV_TRY(count_names(b, err));
    VV_TRY(add_missing_directories(b, err));
    if (b->source == NULL) {
        VV_TRY(add_root(b, err));
    }
    VV_TRY(sort_entries(b, err));
    return block_builder_flush(w->builder, err);
}
