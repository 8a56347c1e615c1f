/* SPDX-License-Identifier: BSD-2-Clause */
/* How a backup by files begins and ends: what the server is told, and the manifest it would have made. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/alloc.h"
#include "core/crc32c.h"
#include "core/file.h"
#include "source/base_files.h"

#define LABEL "varve"
#define CONTROL "global/pg_control"
#define CONTROL_ATTEMPTS 10u

enum vv_rc
base_files_begin(struct base_source *b, struct vv_error *err)
{
    struct base_files *f = b->files;
    struct postgres_system now;
    struct stat st;

    VV_TRY(base_reserve_wal(b, err));
    VV_TRY(postgres_backup_start(b->sql, LABEL, &b->facts.start, err));
    VV_TRY(base_files_check_server(f, err));
    VV_TRY(postgres_identify(b->server, &now, err));
    b->facts.timeline = now.timeline;
    b->pages.start = b->facts.start;
    VV_TRY(base_files_open_tablespaces(f, err));
    b->tablespaces = f->tablespaces;
    b->tablespace_count = f->tablespace_count;
    VV_TRY(base_check_tablespaces(b, err));
    if (fstat(f->roots[0].fd, &st) == 0) {
        b->member.uid = st.st_uid;
        b->member.gid = st.st_gid;
    }
    VV_TRY(base_wal_start(b->wal, b->facts.start, b->facts.timeline, err));
    VV_TRY(base_queue_roots(b, err));
    VV_TRY(base_queue_directory(b, "data/pg_wal", NULL, err));
    VV_TRY(base_queue_directory(b, "data/pg_wal/archive_status", NULL, err));
    b->phase = BASE_FILES;
    return VV_OK;
}

/* Its checksum stands behind the last field, wherever that is in this version. */
static bool
is_whole(const struct vv_buf *control)
{
    for (size_t at = 128; at + 4 <= control->len && at <= 512; at += 4) {
        if (vv_crc32c(0, control->data, at) == vv_load_u32(control->data + at)) {
            return true;
        }
    }
    return false;
}

/* The server rewrites it in place: two readings that agree are one that was not caught half-way. */
static enum vv_rc
read_control(struct base_files *f, struct vv_buf *out, struct vv_error *err)
{
    for (unsigned i = 0; i < CONTROL_ATTEMPTS; i++) {
        VV_CLEANUP(vv_buf_release) struct vv_buf again = {0};
        enum vv_rc rc;
        vv_buf_reset(out);
        rc = vv_file_read(f->roots[0].fd, CONTROL, 65536, out, err);
        rc = rc != VV_OK ? rc : vv_file_read(f->roots[0].fd, CONTROL, 65536, &again, err);
        if (rc != VV_OK) {
            return vv_error_origin(err, VV_ORIGIN_SOURCE, rc);
        }
        if (out->len == again.len && memcmp(out->data, again.data, out->len) == 0 &&
            is_whole(out)) {
            return VV_OK;
        }
    }
    return base_corrupt(err, CONTROL " is damaged, or changes each time it is read");
}

/* ---- the manifest ---- */

/* A file that was not read, and stands in the manifest of the snapshot before. */
static enum vv_rc
take_checksum(void *ctx, const struct manifest_file *m, struct vv_error *err)
{
    struct base_members *members = ctx;
    struct base_member *known = base_members_find(members, m->path);

    (void)err;
    if (known != NULL && !known->seen && m->algorithm == MANIFEST_CRC32C &&
        m->size == known->size) {
        known->crc32c = m->crc32c;
        known->seen = true;
    }
    return VV_OK;
}

/* All files into b->members, `seen` where the checksum is known; how many have none yet. */
static enum vv_rc
collect(struct base_source *b, size_t *ret_unknown, struct vv_error *err)
{
    *ret_unknown = 0;
    for (const struct base_files_file *file = b->files->first; file != NULL; file = file->next) {
        if (file->state == BASE_FILE_GONE) {
            continue;
        }
        VV_TRY(base_members_add(&b->members, file->path, file->size, file->crc32c, err));
        b->members.items[b->members.count - 1].seen = file->state == BASE_FILE_READ;
        b->members.items[b->members.count - 1].mtime = file->mtime;
        *ret_unknown += file->state == BASE_FILE_KNOWN;
    }
    return base_members_index(&b->members, err);
}

static void
put_file(struct base_source *b, const struct base_member *m)
{
    struct manifest_file file = {.path = vv_span(m->path, strlen(m->path)),
                                 .size = m->size,
                                 .algorithm = m->seen ? MANIFEST_CRC32C : MANIFEST_NONE,
                                 .crc32c = m->crc32c};

    manifest_write_file(&b->manifest, &file, m->mtime);
}

static void
put_content(struct base_source *b, const char *path, const struct vv_buf *content)
{
    struct base_member m = {.path = path,
                            .size = content->len,
                            .crc32c = vv_crc32c(0, content->data, content->len),
                            .mtime = (int64_t)time(NULL),
                            .seen = true};

    put_file(b, &m);
}

static enum vv_rc
make_manifest(struct base_source *b, struct vv_error *err)
{
    struct manifest_wal wal = {
        .timeline = b->facts.timeline, .start = b->facts.start, .end = b->facts.end};
    size_t unknown = 0;

    VV_TRY(collect(b, &unknown, err));
    if (unknown > 0 && b->previous.len > 0) {
        struct manifest_calls calls = {.ctx = &b->members, .file = take_checksum};
        struct vv_error ignored = {0};
        (void)!manifest_read(vv_buf_span(&b->previous), &calls,
                             &ignored); /* F6: then it has none */
    }
    manifest_write_begin(&b->manifest);
    for (size_t i = 0; i < b->members.count; i++) {
        put_file(b, &b->members.items[i]);
    }
    put_content(b, CONTROL, &b->control);
    put_content(b, "backup_label", &b->label);
    manifest_write_end(&b->manifest, &wal);
    return vv_buf_check(&b->manifest, err);
}

/* ---- the end ---- */

/* "START TIMELINE: 3" of the label: the server's word. */
static enum vv_rc
check_timeline(struct base_source *b, struct vv_error *err)
{
    static const char key[] = "START TIMELINE: ";
    const char *at = strstr(vv_buf_text(&b->label), key);

    if (at == NULL || strtoul(at + sizeof(key) - 1, NULL, 10) != b->facts.timeline) {
        return base_corrupt(err, "it began on another timeline than the server was on");
    }
    return VV_OK;
}

/* Each tablespace that the server knew at the start was copied.  (One that was made since may have been,
 * too: it is made again by the WAL.) */
static enum vv_rc
check_map(struct base_source *b, struct vv_buf *map, struct vv_error *err)
{
    const char *ours = vv_buf_text(&b->map);
    char *rest = NULL;

    for (char *line = strtok_r((char *)(uintptr_t)vv_buf_text(map), "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        size_t len = strlen(line);
        const char *at = ours;
        while (at != NULL && !(strncmp(at, line, len) == 0 && at[len] == '\n')) {
            at = strchr(at, '\n');
            at = at != NULL ? at + 1 : NULL;
        }
        if (at == NULL) {
            return base_corrupt(err, "a tablespace was not there when its files were looked for");
        }
    }
    return VV_OK;
}

enum vv_rc
base_files_finish(struct base_source *b, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf map = {0};
    struct base_files *f = b->files;

    VV_TRY(base_files_failure(f, err));
    if (!f->ended) {
        return base_corrupt(err, "not all files were read");
    }
    VV_TRY(read_control(f, &b->control, err));
    VV_TRY(postgres_backup_stop(b->sql, &b->facts.end, &b->label, &map, err));
    VV_TRY(check_timeline(b, err));
    VV_TRY(check_map(b, &map, err));
    base_wal_stop_at(b->wal, b->facts.end);
    VV_TRY(make_manifest(b, err));
    b->facts.bad_pages = f->bad_total;
    VV_TRY(vv_buf_check(&f->bad_list, err));
    VV_TRY(base_queue_file(b, "data/" CONTROL, NULL, vv_buf_span(&b->control), err));
    VV_TRY(base_queue_file(b, "data/backup_label", NULL, vv_buf_span(&b->label), err));
    VV_TRY(base_queue_file(b, "data/backup_manifest", NULL, vv_buf_span(&b->manifest), err));
    if (f->bad_list.len > 0) {
        VV_TRY(base_queue_file(b, "bad_pages", NULL, vv_buf_span(&f->bad_list), err));
    }
    b->phase = BASE_CLOSING;
    return base_queue_history(b, err);
}
